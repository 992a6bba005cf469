"""Fitting the network of the next step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from forecasting.callbacks import Report
from forecasting.checkpoints import Checkpoint
from forecasting.histories import ragged_ranges
from forecasting.schema import NotEnoughData
from forecasting.seeds import derive, seeded
from forecasting.task import Cases
from forecasting.trainer import TrainingConfig, train
from tasks.recommendation.effort import Effort
from tasks.recommendation.fitted import FittedNetwork
from tasks.recommendation.folds import truth
from tasks.recommendation.items import ItemLayout
from tasks.recommendation.journal import Journal
from tasks.recommendation.network import NetworkConfig, NextStepNetwork, next_step_loss
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.step_layout import StepLayout
from tasks.recommendation.training_batches import Lessons, TrainingBatches
from tasks.recommendation.windows import WindowReader

_HIDDEN_SHARE = 0.3
"""How often training hides the id of an item wanted once; of others it falls with the root of how often they were."""

_MOST_JUDGED, _JUDGED_AT_ONCE = 4000, 256
"""Cases of a later slice by which epochs are chosen."""


def fit_network(
    journal: Journal,
    until: np.datetime64,
    options: RecommendationOptions,
    *,
    seed: int = 0,
    epochs: int | None = None,
    validate: Cases | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
    effort: Effort | None = None,
) -> FittedNetwork:
    """A network that saw nothing past `until`, datetime64, UTC.

    `epochs`: train for so many of the schedule that `options.epochs` and the effort lay out, by default all. With
    `validate`, cases at or after `until`, the weights of the epoch that ranks their next steps best are kept, and
    `epochs` of the result says which that was. `checkpoint`: a directory to resume from after a kill. Raises
    NotEnoughData where nobody did anything before `until`.
    """
    until = until.astype("datetime64[us]")
    fitted, batches = _prepare(journal, until, options, seed, effort)
    most = min(options.epochs, batches.effort.epochs)
    config = TrainingConfig(
        epochs=epochs or most,
        schedule_epochs=most,
        learning_rate=batches.effort.learning_rate,
        schedule=batches.effort.schedule,
        weight_decay=batches.effort.weight_decay,
        average=batches.effort.average,
        seed=derive(seed, "recommendation"),
    )
    judge = None
    if validate is not None and len(validate):
        judge = _Judge(fitted, journal, validate, options.k)
    saved = None
    if checkpoint is not None:
        saved = Checkpoint(checkpoint, key=f"{options}|{until}|{batches.effort}|{len(journal.events.occurred_at)}")
    result = train(
        fitted.network,
        batches,
        next_step_loss,
        config,
        validate=judge,
        callbacks=[Report(progress)],
        checkpoint=saved,
    )
    fitted.forget()
    fitted.epochs = result.best_epoch
    return fitted


def _prepare(
    journal: Journal, until: np.datetime64, options: RecommendationOptions, seed: int, effort: Effort | None
) -> tuple[FittedNetwork, TrainingBatches]:
    """A network that has learnt nothing yet, and what it is to learn from."""
    events, catalogue = journal.events, journal.catalogue
    rows = np.flatnonzero(events.occurred_at < until)
    if not len(rows):
        raise NotEnoughData(
            f"Nobody did anything before {until}: there is nothing to learn from.",
            remedy="Load more history, or run again when there is some.",
        )
    counts = np.bincount(events.columns["item"][rows], minlength=len(catalogue))
    seen = counts > 0
    effort = effort or Effort.for_items(int(seen.sum()))
    items = ItemLayout.fit(catalogue, seen, seen | catalogue.known(until))
    every = np.arange(len(journal))
    begun = events.stop(every, np.full(len(journal), until)) > events.offsets[:-1]
    regions = journal.region_at(every[begun], until)
    steps = StepLayout.fit(journal, rows, regions, effort.length)
    reader = WindowReader(steps, journal)
    active = np.flatnonzero(seen)
    wanted = counts[active]
    lessons = Lessons.before(reader, until, seed)
    batches = TrainingBatches(reader, items.codes(catalogue), lessons, active, wanted.astype(np.float64), effort)
    config = NetworkConfig(
        encoder=options.encoder,
        items=len(active),
        descriptions=items.size,
        contexts=steps.size,
        numbers=2 * len(steps.numbers),
        regions=steps.regions.size,
        width=options.hidden,
        hidden=options.hidden,
        input_dropout=effort.input_dropout,
        dropout=effort.dropout,
    )
    log_share = torch.from_numpy(np.log(wanted / wanted.sum()).astype(np.float32))
    with seeded(derive(seed, "recommendation", "network")):
        network = NextStepNetwork(config, log_share, hidden_share(wanted))
    return FittedNetwork(items, steps, network, until, options.epochs), batches


def hidden_share(wanted: np.ndarray) -> torch.Tensor:
    """How often training hides the ids of items, float32 [n], that were wanted so often, int64 [n]."""
    return torch.from_numpy((_HIDDEN_SHARE / np.sqrt(wanted)).astype(np.float32))


class _Judge:
    """1 - NDCG@k of a network on cases of a later slice: a `forecasting.trainer.Validation`."""

    def __init__(self, fitted: FittedNetwork, journal: Journal, cases: Cases, k: int):
        offsets, item = truth(journal, cases)
        judged = np.flatnonzero(np.diff(offsets) > 0)
        judged = judged[:: -(-len(judged) // _MOST_JUDGED) or 1]
        counts = np.diff(offsets)[judged]
        self.fitted, self.journal, self.k = fitted, journal, min(k, len(journal.catalogue))
        self.cases, self.counts = cases.take(judged), counts
        # Nothing that came after the slice may take a place in a list, or the epoch chosen would depend on it.
        self.hidden = ~(journal.catalogue.listed & journal.catalogue.known(cases.cutoff.max()))
        case = np.repeat(np.arange(len(judged)), counts)
        self.wanted = case * len(journal.catalogue) + item[ragged_ranges(offsets[judged], counts)]

    def __call__(self, network: nn.Module) -> float:
        if not len(self.cases):
            return 1.0
        self.fitted.forget()
        gain = 1 / np.log2(np.arange(self.k) + 2)
        found = 0.0
        for start in range(0, len(self.cases), _JUDGED_AT_ONCE):
            block = np.arange(start, min(start + _JUDGED_AT_ONCE, len(self.cases)))
            logits = torch.from_numpy(self.fitted.logits(self.journal, self.cases.take(block)))
            logits[:, self.hidden] = -torch.inf
            top = logits.topk(self.k, 1).indices.numpy()
            hit = np.isin(block[:, None] * len(self.journal.catalogue) + top, self.wanted)
            ideal = gain.cumsum()[np.minimum(self.counts[block], self.k) - 1]
            found += float(((hit * gain).sum(1) / ideal).sum())
        return 1 - found / len(self.cases)
