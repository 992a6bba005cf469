"""Bringing a fitted demand forecaster up to a later instant: the networks go on learning from where they stand.

Vocabularies, scales, shares and calibration stay as they are, and so every weight keeps its meaning. A series that was
not there at the last fit has no label of its own: it goes on being forecast as networks forecast what they never saw,
which training rehearses all the time (`NetworkConfig.unknown`). What moves with time (levels, seasons, what is usual)
is read off each window anew anyhow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from forecasting.batches import BatchSource
from forecasting.callbacks import Report
from forecasting.checkpoints import Checkpoint
from forecasting.renewal import Renewal, copied, digest, rehearsed
from forecasting.seeds import derive
from forecasting.task import Fit
from forecasting.trainer import train
from tasks.demand.features import WindowReader, Windows
from tasks.demand.model import DemandModel, Effort
from tasks.demand.network import DemandLoss, DemandNetwork
from tasks.demand.sales import SalesGrid
from tasks.demand.sampling import RandomWindows

SHARE = 0.12
"""Steps of a renewal, of those of a fit."""

LEARNING_RATE = 0.05
"""Its learning rate, of that of a fit."""

FRESH = 0.25
"""The most of the windows that are of late."""


@dataclass(frozen=True)
class Rehearsal(BatchSource[Windows]):
    """Chosen ones of `windows`, `chosen` int64 [n] by their place among all of them (series by series, then by cutoff),
    in random order, `size` in a batch."""

    windows: RandomWindows
    chosen: np.ndarray
    size: int

    @staticmethod
    def of(windows: RandomWindows, since: int, renewal: Renewal, seed: int) -> Rehearsal:
        """Windows whose horizon ended later than period `since`, and some of all others."""
        spans = windows.high - windows.low + 1
        late = np.minimum(spans, np.maximum(windows.high + windows.reader.features.horizon - since, 0))
        ends = spans.cumsum()
        new = np.arange(ends[-1]) >= np.repeat(ends - late, spans)
        return Rehearsal(windows, rehearsed(new, renewal.lessons, seed, renewal.fresh), renewal.batch)

    def __len__(self) -> int:
        return -(-len(self.chosen) // self.size)

    def batches(self, epoch: int, seed: int) -> Iterator[Windows]:
        windows = self.windows
        ends = (windows.high - windows.low + 1).cumsum()
        order = np.random.default_rng(derive(seed, "rehearsal", epoch)).permutation(self.chosen)
        for start in range(0, len(order), self.size):
            place = order[start : start + self.size]
            at = np.searchsorted(ends, place, side="right")
            yield windows.at(windows.series[at], windows.high[at] + 1 - (ends[at] - place))


def renew_demand(model: DemandModel, grid: SalesGrid, fit: Fit) -> DemandModel:
    """The model brought up to `fit.until`; the very same where no period has ended since `trained_until`. Raises
    NotEnoughData where no window had closed, TrainingDiverged."""
    until = fit.until.astype("datetime64[us]")
    began, now = (int(grid.period_of(instant)) for instant in (model.trained_until, until))
    if began >= now:
        return model
    features = model.features.renewed(grid, now)
    windows = RandomWindows.before(WindowReader(features, grid), until, steps=1, size=1)
    fresh = min(began, now - features.horizon)  # one night's cutoff alone would be learnt by heart
    networks = [
        _renewed(network, windows, fresh, number, len(model.networks), fit)
        for number, network in enumerate(model.networks)
    ]
    return DemandModel(features, networks, model.options, model.recipe, until)


def _renewed(
    network: DemandNetwork, windows: RandomWindows, since: int, number: int, members: int, fit: Fit
) -> DemandNetwork:
    """One network, trained on from where it stands; windows that end later than period `since` are new to it."""
    effort = Effort.for_windows(windows, members)
    renewal = Renewal(
        steps=max(round(SHARE * effort.epochs * effort.steps), 1),
        batch=effort.size,
        learning_rate=LEARNING_RATE * effort.learning_rate,
        fresh=FRESH,
    )
    # Tomorrow's renewal draws other windows than today's.
    seed = derive(fit.seed, "demand", "renewal", number, windows.until)
    lessons = Rehearsal.of(windows, since, renewal, seed)
    training = replace(renewal.training(len(lessons.chosen), seed), amp=True)
    checkpoint = None
    if fit.checkpoint is not None:
        checkpoint = Checkpoint(Path(fit.checkpoint) / f"member-{number}", key=f"{renewal}|{since}|{digest(network)}")

    def tell(done: int, total: int, note: str) -> None:
        fit.progress(number * total + done, members * total, note)

    fresh = copied(network)
    train(fresh, lessons, DemandLoss(), training, callbacks=[Report(tell)], checkpoint=checkpoint)
    return fresh
