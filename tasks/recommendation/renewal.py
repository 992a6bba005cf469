"""Bringing a fitted recommender up to a later instant: its network goes on learning from where it stands.

What is counted (neighbours, rules, popularity, the case's own items) is counted anew at every forecast, and the blend
that weighs it stays. The network gets rows for the items that began to be wanted since the last training, at first near
what their neighbours are, and is then trained on what was done since beside some of what was done before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from forecasting.callbacks import Report
from forecasting.checkpoints import Checkpoint
from forecasting.devices import choose_device
from forecasting.renewal import Renewal, copied, digest, rehearsed
from forecasting.seeds import derive
from forecasting.task import Fit
from forecasting.trainer import train
from tasks.recommendation.effort import Effort
from tasks.recommendation.fitted import FittedNetwork
from tasks.recommendation.journal import Journal
from tasks.recommendation.model import RecommendationModel
from tasks.recommendation.network import NextStepNetwork, next_step_loss
from tasks.recommendation.training import hidden_share
from tasks.recommendation.training_batches import Lessons, TrainingBatches
from tasks.recommendation.windows import WindowReader

SHARE = 0.12
"""Steps of a renewal, of those of a fit, at most: after one quiet day it takes fewer."""

LEARNING_RATE = 0.5
"""Its learning rate, of that of a fit."""

FRESH = 0.5
"""The most of its lessons that are of late."""

DOUBT = 2.0
"""How many neighbours of a new item weigh as much as what the shop says of it."""


def renew_recommendation(model: RecommendationModel, journal: Journal, fit: Fit) -> RecommendationModel:
    """The model brought up to `fit.until`; the very same where nothing was done since `trained_until`. Raises
    TrainingDiverged."""
    until, at = fit.until.astype("datetime64[us]"), journal.events.occurred_at
    if not ((at >= model.trained_until) & (at < until)).any():
        return model
    network = renew_network(
        model.network,
        journal,
        until,
        epochs=model.recipe.epochs,
        seed=fit.seed,
        checkpoint=fit.checkpoint,
        progress=fit.progress,
    )
    return replace(model, network=network, trained_until=until)


def renew_network(
    fitted: FittedNetwork,
    journal: Journal,
    until: np.datetime64,
    *,
    epochs: int,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> FittedNetwork:
    """The network trained on, with what was known at `until`, for a part of `epochs`; `fitted` stays as it is."""
    events, since = journal.events, fitted.trained_until
    rows = np.flatnonzero(events.occurred_at < until)
    counts = np.bincount(events.columns["item"][rows], minlength=len(journal.catalogue))
    renewed = _grown(fitted, journal, counts, rows, until)

    effort = Effort.for_items(int((counts > 0).sum()))
    reader = WindowReader(fitted.steps, journal)
    active = np.flatnonzero(counts)
    seed = derive(seed, "recommendation", "renewal", until)  # tomorrow's renewal rehearses others than today's
    lessons = Lessons.before(reader, until, seed)
    codes = renewed.items.codes(journal.catalogue)
    batches = TrainingBatches(reader, codes, lessons, active, counts[active].astype(np.float64), effort)
    renewal = Renewal(
        steps=max(round(SHARE * epochs * len(batches)), 1),
        batch=batches.size,
        learning_rate=LEARNING_RATE * effort.learning_rate,
        fresh=FRESH,
        weight_decay=effort.weight_decay,
    )
    new = _new(lessons, journal, since)
    # What is new is gone over several times, beside no more of the rest than that: an item that began to be wanted has
    # far to go, and what is known already needs no more than not to be forgotten.
    most = max(round(new.sum() / renewal.fresh), batches.size)
    chosen = rehearsed(new, min(most, renewal.lessons), seed, renewal.fresh)
    saved = None
    if checkpoint is not None:
        key = f"{renewal}|{until}|{len(events.occurred_at)}|{digest(fitted.network)}"
        saved = Checkpoint(checkpoint / "renewal", key=key)
    train(
        renewed.network,
        replace(batches, lessons=lessons.take(chosen), effort=replace(effort, steps=1)),  # one pass is an epoch
        next_step_loss,
        renewal.training(len(chosen), seed),
        callbacks=[Report(progress)],
        checkpoint=saved,
    )
    renewed.forget()
    return renewed


def _new(lessons: Lessons, journal: Journal, since: np.datetime64) -> np.ndarray:
    """Which lessons foretell something that was done since, bool [n]."""
    last = journal.step_row[lessons.stretches.first + lessons.high - 1]
    return journal.events.occurred_at[last] >= since


def _grown(
    fitted: FittedNetwork, journal: Journal, counts: np.ndarray, rows: np.ndarray, until: np.datetime64
) -> FittedNetwork:
    """A copy with a row for each item that has a history by now. `counts`: int64 [N], how often each was wanted in
    `rows`, int64 [n], positions in the journal."""
    catalogue, network = journal.catalogue, fitted.network
    seen = np.flatnonzero(counts)
    known = fitted.items.codes(catalogue).id[seen]
    new = seen[known == 0]
    ids = np.concatenate([fitted.items.ids, catalogue.ids[new]])
    order = np.argsort(ids)
    place = np.empty(len(ids), np.int64)  # of the old items, then of the new ones
    place[order] = 1 + np.arange(len(ids))
    was, began = torch.from_numpy(place[: len(fitted.items.ids)]), torch.from_numpy(place[len(fitted.items.ids) :])

    config = replace(network.config, items=len(ids))
    state = {name: value.cpu() for name, value in copied(network).state_dict().items()}
    identity, bias = state["items.identity.weight"], state["items.bias"]
    vectors, biases = (torch.zeros(len(ids) + 1, *old.shape[1:]) for old in (identity, bias))
    vectors[0], biases[0] = identity[0], bias[0]
    vectors[was], biases[was] = identity[1:], bias[1:]
    hidden = torch.zeros(len(ids) + 1)
    hidden[was] = state["items.hidden"][1:]
    now = torch.from_numpy(np.concatenate([place[known[known > 0] - 1], place[len(fitted.items.ids) :]]))
    hidden[now] = hidden_share(counts[np.concatenate([seen[known > 0], new])])
    if len(new):
        vectors[began] = torch.from_numpy(_beside(fitted, journal, new, rows))
        biases[began] = torch.from_numpy(_usual_bias(bias.numpy()[known], counts[seen], known > 0))
    state |= {"items.identity.weight": vectors, "items.bias": biases, "items.hidden": hidden}
    grown = NextStepNetwork(config, torch.zeros(len(ids)), torch.zeros(len(ids)))
    grown.load_state_dict(state)
    items = replace(fitted.items, ids=ids[order])
    return FittedNetwork(items, fitted.steps, grown.to(choose_device()).eval(), until, fitted.epochs)


def _beside(fitted: FittedNetwork, journal: Journal, new: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Where the vectors of new items begin, float32 [n, D]: the mean of the items that came just before and after each,
    as far as the network knows these, and of what it makes of the description; less the latter, which is added
    anyhow."""
    vectors = fitted.item_matrix(journal)
    known = fitted.items.codes(journal.catalogue).id > 0
    item = journal.events.columns["item"]
    entity = np.searchsorted(journal.events.offsets, rows, side="right") - 1
    own = np.full(len(journal.catalogue), -1)
    own[new] = np.arange(len(new))
    total, count = np.zeros((len(new), vectors.shape[1])), np.zeros(len(new))
    side_by_side = (rows[1:] == rows[:-1] + 1) & (entity[1:] == entity[:-1])
    for one, other in ((rows[:-1], rows[1:]), (rows[1:], rows[:-1])):
        pair = side_by_side & (own[item[one]] >= 0) & known[item[other]]
        np.add.at(total, own[item[one[pair]]], vectors[item[other[pair]]])
        count += np.bincount(own[item[one[pair]]], minlength=len(new))
    described = vectors[new]
    return ((total - count[:, None] * described) / (count + DOUBT)[:, None]).astype(np.float32)


def _usual_bias(bias: np.ndarray, counts: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Biases of items the network does not know, float32, from how often they were wanted: as those of known ones lie
    on average beside the logarithm of that. `bias`, `counts`, `known`: [n]."""
    wanted = np.log(counts)
    beside = float((bias - wanted)[known].mean()) if known.any() else 0.0
    return (wanted[~known] + beside).astype(np.float32)
