"""Fitting the completion network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from forecasting.batches import Bucketed
from forecasting.callbacks import Report
from forecasting.checkpoints import Checkpoint
from forecasting.renewal import Renewal, copied, digest
from forecasting.schema import NotEnoughData
from forecasting.seeds import derive, seeded
from forecasting.trainer import TrainingConfig, mean_loss, train
from tasks.completion.fitted import FittedNetwork
from tasks.completion.inputs import CaseBatch, InputLayout
from tasks.completion.mixture import Frame
from tasks.completion.network import CompletionNetwork, NetworkConfig, completion_loss
from tasks.completion.options import CompletionOptions
from tasks.completion.outcomes import Outcomes
from tasks.completion.snapshot import Snapshot

Progress: TypeAlias = Callable[[int, int, str], None]

_STEPS = (200, 600)
"""Of the optimiser in a training, about: at least where there are few cases, and at most where there are many."""


RENEWAL = Renewal(steps=20, batch=256, learning_rate=5e-4, weight_decay=0.05)


@dataclass(frozen=True)
class Effort:
    """How to train. `epochs`: at most so many, whatever the options allow. `batch`: cases in a step. `members`:
    networks that differ in their seed and are averaged."""

    epochs: int = 3
    batch: int = 512
    members: int = 2
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.2

    @staticmethod
    def for_cases(count: int) -> Effort:
        """What so many cases take: to read them three times, in a few hundred steps. More of it, and the network knows
        by heart what a season was like that does not come back."""
        count = max(count, 1)
        batch = int(np.clip(2 ** np.floor(np.log2(count / 40)), 32, 512))
        least, most = (int(np.clip(round(steps * batch / count), 1, 12)) for steps in _STEPS)
        return Effort(min(max(Effort.epochs, least), most), batch)


def fit_network(
    snapshot: Snapshot,
    outcome: Outcomes,
    weights: np.ndarray | None,
    options: CompletionOptions,
    *,
    seed: int = 0,
    epochs: int | None = None,
    validation: tuple[Snapshot, Outcomes] | None = None,
    checkpoint: Path | None = None,
    progress: Progress = lambda done, total, note: None,
    effort: Effort | None = None,
) -> FittedNetwork:
    """Networks that learnt from n cases how long the rest takes, in operational days, as `outcome` counts them.

    `weights`: float [n], not negative, or None for all alike. `epochs`: train for so many of the schedule that
    `options.epochs` and the effort lay out, by default all. `validation`: later cases by which the best of the epochs
    is kept. `checkpoint`: a directory to resume from after a kill. Raises NotEnoughData where none was seen complete.
    """
    effort = effort or Effort.for_cases(len(snapshot))
    weights = np.ones(len(snapshot)) if weights is None else np.asarray(weights, np.float64)
    if not (weights[outcome.completed] > 0).any():
        raise NotEnoughData(
            "No order was seen complete after a cutoff: there is nothing to learn from.",
            remedy="Load more history, or run again when there is some.",
        )
    frame = Frame.fit(outcome.days[outcome.completed & (weights > 0)])
    layout = InputLayout.fit(snapshot)
    lessons = _lessons(layout, frame, snapshot, outcome, weights)
    later = None if validation is None else _lessons(layout, frame, *validation, np.ones(len(validation[0])))
    most = min(options.epochs, effort.epochs)
    epochs = min(epochs or most, most)
    networks, kept = [], []
    for number in range(effort.members):
        network = _new_network(layout, options, effort, derive(seed, "completion", number))
        config = TrainingConfig(
            epochs=epochs,
            schedule_epochs=most,
            learning_rate=effort.learning_rate,
            weight_decay=effort.weight_decay,
            seed=derive(seed, "completion", number),
        )
        saved = None
        if checkpoint is not None:
            key = f"{options}|{effort}|{epochs}|{seed}|{_digest(lessons)}|{_digest(later)}"
            saved = Checkpoint(checkpoint / f"network-{number}", key=key)
        result = train(
            network,
            _batches(lessons, effort.batch),
            completion_loss,
            config,
            validate=None if later is None else _validation(later),
            callbacks=[Report(_share_of(progress, number, effort.members))],
            checkpoint=saved,
        )
        networks.append(network)
        kept.append(result.best_epoch)
    return FittedNetwork(layout, networks, frame, round(float(np.mean(kept))))


def renew_network(
    fitted: FittedNetwork,
    snapshot: Snapshot,
    outcome: Outcomes,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: Progress = lambda done, total, note: None,
) -> FittedNetwork:
    """Networks that went on learning from n cases, those of RENEWAL, where the `fitted` ones stand. `outcome` in their
    time. The rest as in `fit_network`."""
    lessons = _lessons(fitted.layout, fitted.frame, snapshot, outcome, np.ones(len(snapshot)))
    networks = []
    for number, champion in enumerate(fitted.networks):
        network = copied(champion)
        saved = None
        if checkpoint is not None:
            saved = Checkpoint(checkpoint / f"renewed-{number}", key=f"{RENEWAL}|{_digest(lessons)}|{digest(champion)}")
        train(
            network,
            _batches(lessons, RENEWAL.batch),
            completion_loss,
            RENEWAL.training(len(lessons), derive(seed, "completion", number)),
            callbacks=[Report(_share_of(progress, number, len(fitted.networks)))],
            checkpoint=saved,
        )
        networks.append(network)
    return FittedNetwork(fitted.layout, networks, fitted.frame, fitted.epochs)


def _lessons(
    layout: InputLayout, frame: Frame, snapshot: Snapshot, outcome: Outcomes, weights: np.ndarray
) -> CaseBatch:
    """All cases and what became of them as one batch; weights are 1 on average."""
    weights = weights / weights.mean()
    return replace(
        layout.batch(snapshot),
        weight=torch.from_numpy(weights.astype(np.float32)),
        remaining=frame.scaled(torch.from_numpy(outcome.days)),
        completed=torch.from_numpy(outcome.completed.astype(np.float32)),
    )


def _batches(lessons: CaseBatch, size: int, shuffle: bool = True) -> Bucketed[CaseBatch]:
    """Batches of them, not by length: how many events an order has is its stage, and each batch should hold all."""

    def some(rows: np.ndarray) -> CaseBatch:
        index = torch.from_numpy(rows)
        return CaseBatch(**{one.name: getattr(lessons, one.name)[index] for one in fields(lessons)})

    return Bucketed(np.zeros(len(lessons), np.int64), size, some, shuffle)


def _validation(later: CaseBatch) -> Callable[[torch.nn.Module], float]:
    return lambda network: mean_loss(network, _batches(later, 4096, shuffle=False), completion_loss)


def _digest(lessons: CaseBatch | None) -> str:
    """What tells these lessons from others."""
    found = hashlib.sha256()
    for one in fields(lessons) if lessons is not None else ():
        found.update(getattr(lessons, one.name).contiguous().numpy().tobytes())
    return found.hexdigest()


def _share_of(progress: Progress, number: int, members: int) -> Progress:
    """The progress of one member as a part of all of it."""
    return lambda done, total, note: progress(number * total + done, members * total, note)


def _new_network(layout: InputLayout, options: CompletionOptions, effort: Effort, seed: int) -> CompletionNetwork:
    """A network that has learnt nothing but how long it takes in all."""
    config = NetworkConfig(
        encoder=options.encoder,
        features=layout.width,
        stages=layout.stages.size,
        labels=tuple(vocabulary.size for vocabulary in layout.labels.values()),
        own=layout.own.width,
        own_statuses=layout.own.codes.size,
        latest=layout.lately.width if layout.lately else 0,
        latest_statuses=layout.lately.codes.size if layout.lately else 1,
        groups=len(layout.groups),
        hidden=options.hidden,
        dropout=effort.dropout,
    )
    with seeded(derive(seed, "network")):
        return CompletionNetwork(config)
