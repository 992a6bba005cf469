"""Fitting the churn network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
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
from forecasting.trainer import TrainingConfig, train
from tasks.churn.fitted import FittedNetwork
from tasks.churn.inputs import CaseBatch, InputLayout, event_counts, watched_intervals
from tasks.churn.network import HazardNetwork, NetworkConfig, hazard_loss
from tasks.churn.options import ChurnOptions
from tasks.churn.outcomes import Outcomes
from tasks.churn.sequence import STEP_COLUMNS
from tasks.churn.snapshot import Snapshot

Progress: TypeAlias = Callable[[int, int, str], None]

_STEPS = 200
"""Of the optimiser, about, in a training."""


RENEWAL = Renewal(steps=16, batch=256, learning_rate=3e-4, weight_decay=0.5)
"""Little, as the regression follows the drift: on Online Retail, thrice the rate added 0.0002 to the log-loss."""


@dataclass(frozen=True)
class Effort:
    """How to train. `epochs`: at most so many, whatever the options allow. `batch`: cases in a step. `members`:
    networks that differ in their seed and are averaged."""

    epochs: int = 2
    batch: int = 512
    members: int = 1
    learning_rate: float = 4e-3
    weight_decay: float = 0.5
    dropout: float = 0.1

    @staticmethod
    def for_cases(count: int) -> Effort:
        """What so many cases take: two hundred steps or so are enough to learn what figures and events tell.
        After a thousand the network knows its customers by heart, as each stands in many of the cases."""
        count = max(count, 1)
        batch = int(np.clip(2 ** np.floor(np.log2(count * 5 / _STEPS)), 32, 512))
        return Effort(int(np.clip(round(_STEPS * batch / count), 2, 10)), batch)


def fit_network(
    snapshot: Snapshot,
    outcome: Outcomes,
    edges: np.ndarray,
    options: ChurnOptions,
    *,
    seed: int = 0,
    epochs: int | None = None,
    checkpoint: Path | None = None,
    progress: Progress = lambda done, total, note: None,
    effort: Effort | None = None,
) -> FittedNetwork:
    """Networks that learnt from n cases when the next purchase comes, by interval between `edges`, float64 [K + 1]
    days, ascending from 0.

    `epochs`: train for so many of the schedule that `options.epochs` and the effort lay out, by default all.
    `checkpoint`: a directory to resume from after a kill. Raises NotEnoughData where no case was watched for any time.
    """
    effort = effort or Effort.for_cases(len(snapshot))
    edges = np.asarray(edges, np.float64)
    if not (outcome.watched > 0).any():
        raise NotEnoughData(
            "No customer was watched for any time after a cutoff: there is nothing to learn from.",
            remedy="Load more history, or run again when there is some.",
        )
    lessons = _Lessons.of(InputLayout.fit(snapshot), snapshot, outcome, edges)
    most = min(options.epochs, effort.epochs)
    epochs = min(epochs or most, most)
    networks = []
    for number in range(effort.members):
        network = _new_network(lessons, edges, options, effort, derive(seed, "churn", number))
        config = TrainingConfig(
            epochs=epochs,
            schedule_epochs=most,
            learning_rate=effort.learning_rate,
            weight_decay=effort.weight_decay,
            seed=derive(seed, "churn", number),
        )
        saved = None
        if checkpoint is not None:
            saved = Checkpoint(checkpoint / f"network-{number}", key=f"{options}|{effort}|{lessons.digest()}")
        train(
            network,
            Bucketed(lessons.lengths, effort.batch, lessons.batch),
            hazard_loss,
            config,
            callbacks=[Report(_share_of(progress, number, effort.members))],
            checkpoint=saved,
        )
        networks.append(network)
    return FittedNetwork(lessons.layout, networks, edges, epochs)


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
    lessons = _Lessons.of(fitted.layout, snapshot, outcome, fitted.edges)
    networks = []
    for number, champion in enumerate(fitted.networks):
        network = copied(champion)
        saved = None
        if checkpoint is not None:
            saved = Checkpoint(checkpoint / f"renewed-{number}", key=f"{RENEWAL}|{lessons.digest()}|{digest(champion)}")
        train(
            network,
            Bucketed(lessons.lengths, RENEWAL.batch, lessons.batch),
            hazard_loss,
            RENEWAL.training(len(snapshot), derive(seed, "churn", number)),
            callbacks=[Report(_share_of(progress, number, len(fitted.networks)))],
            checkpoint=saved,
        )
        networks.append(network)
    return FittedNetwork(fitted.layout, networks, fitted.edges, fitted.epochs)


@dataclass(frozen=True, eq=False)
class _Lessons:
    """Cases and what became of them, scaled. `table` float32 [n, F], `region` int64 [n], `lengths` int64 [n] events,
    `watched` float32 [n, K], `event` bool [n, K]."""

    layout: InputLayout
    snapshot: Snapshot
    table: np.ndarray
    region: np.ndarray
    lengths: np.ndarray
    watched: np.ndarray
    event: np.ndarray

    @staticmethod
    def of(layout: InputLayout, snapshot: Snapshot, outcome: Outcomes, edges: np.ndarray) -> _Lessons:
        watched, event = watched_intervals(outcome, edges)
        return _Lessons(
            layout,
            snapshot,
            layout.table(snapshot),
            layout.regions_of(snapshot),
            event_counts(snapshot.latest),
            watched,
            event,
        )

    def batch(self, rows: np.ndarray) -> CaseBatch:
        steps, category = self.layout.events(self.snapshot.latest, rows, self.lengths)
        return CaseBatch(
            steps=torch.from_numpy(steps),
            category=torch.from_numpy(category),
            lengths=torch.from_numpy(self.lengths[rows]),
            features=torch.from_numpy(self.table[rows]),
            region=torch.from_numpy(self.region[rows]),
            watched=torch.from_numpy(self.watched[rows]),
            event=torch.from_numpy(self.event[rows].astype(np.float32)),
        )

    def hazards(self) -> np.ndarray:
        """What the intervals' cumulative hazards are for all together (Nelson and Aalen), float64 [K], NaN where
        nobody was watched."""
        exposure = self.watched.sum(axis=0, dtype=np.float64)
        events = self.event.sum(axis=0, dtype=np.float64)
        exposure -= events / 2  # about half of the interval was lived through before the purchase
        return np.where(exposure > 0, (events + 0.5) / np.maximum(exposure + 1.0, 1.0), np.nan)

    def digest(self) -> str:
        """What tells these lessons from others."""
        parts = (self.table, self.region, self.watched, self.event, self.lengths)
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def _share_of(progress: Progress, number: int, members: int) -> Progress:
    """The progress of one member as a part of all of it."""
    return lambda done, total, note: progress(number * total + done, members * total, note)


def _new_network(
    lessons: _Lessons, edges: np.ndarray, options: ChurnOptions, effort: Effort, seed: int
) -> HazardNetwork:
    """A network that has learnt nothing but how often purchases come in all."""
    layout = lessons.layout
    config = NetworkConfig(
        encoder=options.encoder,
        steps=len(STEP_COLUMNS),
        features=layout.width,
        regions=layout.regions.size,
        categories=layout.categories.size,
        widths=tuple(np.diff(edges).tolist()),
        hidden=options.hidden,
        dropout=effort.dropout,
    )
    with seeded(derive(seed, "network")):
        network = HazardNetwork(config)
    network.head.start_at(torch.from_numpy(lessons.hazards().astype(np.float32)))
    return network
