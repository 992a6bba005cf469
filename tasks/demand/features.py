"""What the demand network sees of a case: history, horizon and item as numbers, all as of the cutoff.

Everything is divided by the series' own recent level, so that one network serves series of any size. Known-ahead
columns act on each step of the horizon directly: as values against what is usual for the series, and through what
happened under like conditions before (`alike`). Windows end at the cutoff and span whole seasons, so that a position in
the season is read off by reshaping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from forecasting.batches import Batch, declare
from tasks.demand.covariates import Covariate
from tasks.demand.sales import SalesGrid
from tasks.demand.statics import Statics

_PRIOR_PERIODS = 2.0
"""How many periods of history weigh as much as what category and location suggest about the level."""

_MOST_CONDITIONS = 96
"""Combinations of known-ahead columns told apart by `alike`; further columns are left out of the combination."""

_CLIP = 10.0
"""Largest multiple of the level that a statistic may take as an input."""


@dataclass(frozen=True)
class Layout:
    """Which periods the features of one frequency look at; all counts are in periods.

    `window`: read before the cutoff. `context`: of these, shown to the encoder, `patch` of them per step. `scale`:
    recent periods that set the level. `spans`: levels shown. `year`: lag of the same season last year, `around`: half
    widths of the means taken about it. `local`: span of the level that ratios are taken to. `week`: length of the short
    season, 1 for none. `harmonics`: of the year.
    """

    window: int
    context: int
    patch: int
    scale: int
    spans: tuple[int, ...]
    year: int
    around: tuple[int, ...]
    local: int
    week: int
    harmonics: int


LAYOUTS = {
    "D": Layout(392, 112, 7, 56, (7, 14, 28, 56, 112, 364), 364, (0, 3, 10), 28, 7, 3),
    "W": Layout(112, 56, 4, 13, (2, 4, 8, 13, 26, 52), 52, (0, 1), 6, 1, 4),
    "M": Layout(36, 24, 1, 12, (2, 3, 6, 12, 24), 12, (0, 1), 3, 1, 4),
}


@dataclass(frozen=True)
class Windows(Batch):
    """Cases as tensors. `context`: the encoder's steps. `summary`: of the series at the cutoff. `codes`: static labels.
    `steps`: what is known about each period of the horizon. `anchors`: statistics of past demand for that period, in
    units of `scale`, from which the forecast departs. `scale`: units, the level divided by. `spread`: root mean square
    of changes from period to period, in units of scale. `target`: demand in units of scale; `weight`: 1 where it is to
    be learned from, else 0."""

    context: Tensor = declare("rows context features", noisy=True)
    summary: Tensor = declare("rows summary")
    codes: Tensor = declare("rows labels", torch.int64)
    steps: Tensor = declare("rows horizon known")
    anchors: Tensor = declare("rows horizon anchors")
    scale: Tensor = declare("rows")
    spread: Tensor = declare("rows")
    target: Tensor | None = declare("rows horizon", optional=True)
    weight: Tensor | None = declare("rows horizon", optional=True)


@dataclass(frozen=True)
class Features:
    """How a grid becomes windows: what was learnt from training values, and nothing else.

    `ahead`, `history`: the columns known ahead, and up to the cutoff only. `floor`: smallest level divided by, units.
    `counted`: whether all that was sold came in whole units.
    """

    frequency: str
    horizon: int
    ahead: tuple[Covariate, ...]
    history: tuple[Covariate, ...]
    statics: Statics
    floor: float
    counted: bool = False

    @property
    def layout(self) -> Layout:
        return LAYOUTS[self.frequency]

    @cached_property
    def conditions(self) -> tuple[int, ...]:
        """Which columns of `ahead` make up the conditions that `alike` tells apart."""
        chosen, size = [], 1
        for number, column in enumerate(self.ahead):
            if size * column.bins <= _MOST_CONDITIONS:
                chosen.append(number)
                size *= column.bins
        return tuple(chosen)

    @staticmethod
    def fit(grid: SalesGrid, horizon: int, until: int, *, most: int = 2000) -> Features:
        """Learn scales and vocabularies from the last two years before period `until`, of at most `most` series for
        columns' scales."""
        frequency, length = grid.periods.frequency, _two_years(grid, until)
        sums, counts, counted = _sold(grid, until, length)
        seen = np.flatnonzero(counts)
        level = sums[seen] / counts[seen]
        some = seen[:: -(-len(seen) // most) or 1]
        start = np.full(len(some), until - length)
        known_by = grid.periods.start(np.full(len(some), until)).astype("datetime64[us]")
        known = grid.known_ahead(some, start, length, known_by)
        past = grid.history(some, start + length, length, known_by)
        return Features(
            frequency,
            horizon,
            tuple(
                Covariate.fit(name, known[:, :, number], label=name in grid.categorical)
                for number, name in enumerate(grid.ahead_names)
            ),
            tuple(
                Covariate.fit(name, past[:, :, number], label=name in grid.categorical)
                for number, name in enumerate(grid.history_names)
            ),
            Statics.fit(grid, seen, level),
            float(max(np.quantile(level[level > 0], 0.05) * 0.05, 1e-6)) if (level > 0).any() else 1.0,
            counted,
        )

    def renewed(self, grid: SalesGrid, until: int) -> Features:
        """The same as of a later period: all that networks rely on stays; what began to be sold by weight since is no
        longer rounded."""
        return replace(self, counted=self.counted and _sold(grid, until, _two_years(grid, until))[2])

    def document(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "frequency": self.frequency,
            "horizon": self.horizon,
            "ahead": [column.document() for column in self.ahead],
            "history": [column.document() for column in self.history],
            "statics": self.statics.document(),
            "floor": self.floor,
            "counted": self.counted,
        }

    @staticmethod
    def restore(document: Mapping[str, Any]) -> Features:
        """The features of a `document`."""
        return Features(
            document["frequency"],
            document["horizon"],
            tuple(Covariate.restore(column) for column in document["ahead"]),
            tuple(Covariate.restore(column) for column in document["history"]),
            Statics.restore(document["statics"]),
            document["floor"],
            document["counted"],
        )


def _two_years(grid: SalesGrid, until: int) -> int:
    """How many periods before period `until` are learnt from."""
    year = LAYOUTS[grid.periods.frequency].year
    return max(min(2 * year, until - int(grid.sales.first.min())), 1) if grid.series else 1


def _sold(grid: SalesGrid, until: int, length: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Of the `length` periods before period `until`: units sold and periods observed, float64 [S] each, and whether all
    came in whole units."""
    sums, counts, counted = np.zeros(grid.series), np.zeros(grid.series), True
    for part in np.array_split(np.arange(grid.series), -(-grid.series // 4096) or 1):
        values, observed = grid.window(part, np.full(len(part), until), length)
        sums[part], counts[part] = values.sum(axis=1, where=observed), observed.sum(axis=1)
        counted = counted and not (values[observed] % 1).any()
    return sums, counts, counted


class WindowReader:
    """Windows of one grid under given features: per-series constants and the calendar are looked up once."""

    def __init__(self, features: Features, grid: SalesGrid):
        self.features, self.grid, self.layout = features, grid, features.layout
        self.codes = torch.from_numpy(features.statics.codes(grid))
        self.values = torch.from_numpy(features.statics.values(grid))
        self.expected = torch.from_numpy(features.statics.expected_level(grid))
        self.ahead_at = [_position(one, grid, grid.ahead_names) for one in features.ahead]
        self.history_at = [_position(one, grid, grid.history_names) for one in features.history]

    def read(
        self, series: np.ndarray, period: np.ndarray, known_by: np.ndarray, learn_until: np.ndarray | None = None
    ) -> Windows:
        """The windows of cases: `series` int64 [B], forecast from `period` int64 [B] on, as known at `known_by`
        datetime64[us] [B]. With `learn_until` [B] also the targets, as known by then."""
        layout, features, grid = self.layout, self.features, self.grid
        length, horizon = layout.window, features.horizon
        values, observed = grid.window(series, period, length, known_by)
        known = grid.known_ahead(series, period - length, length + horizon, known_by)
        past = grid.history(series, period, layout.context, known_by)
        demand = torch.from_numpy(values)
        history = _History(demand * torch.from_numpy(observed), torch.from_numpy(observed).float(), layout)
        rows = torch.from_numpy(np.asarray(series, np.int64))
        scale = self._scale(history, rows)[:, None]
        ahead = [_column(known, at, one.absent) for at, one in zip(self.ahead_at, features.ahead, strict=True)]
        columns = list(zip(features.ahead, ahead, strict=True))
        usual = [column.usual(_thinned(raw[:, :length], layout)) for column, raw in columns]
        inputs = [x for (column, raw), one in zip(columns, usual, strict=True) for x in column.against_usual(raw, one)]
        level = history.mean(layout.local) / scale[:, 0]
        seasonal, seasonal_anchors = _seasonal(history, scale, layout, horizon)
        yearly, yearly_anchors = _yearly(history, scale, layout, horizon)
        like, like_anchors = self._alike(history, scale, level, ahead, usual, period)
        flat = [(history.mean(span) / scale[:, 0])[:, None].expand(-1, horizon) for span in layout.spans[:4]]
        step = (torch.arange(horizon) + 1.0) / horizon
        position = [step.expand(len(rows), -1), step.sqrt().expand(len(rows), -1)]
        calendar = self._calendar(period, horizon)
        steps = [*seasonal, *yearly, *like, *position, *(x[:, length:] for x in inputs)]
        anchors = torch.stack([*seasonal_anchors, *yearly_anchors, *like_anchors, *flat], -1).clamp(0, _CLIP)
        begin = length - layout.context
        known_then = [
            x
            for at, column in zip(self.history_at, features.history, strict=True)
            for x in column.standardised(_column(past, at, column.absent))
        ]
        context = [
            torch.log1p(history.values[:, begin:] / scale),
            history.sold[:, begin:],
            history.observed[:, begin:],
            *(x[:, begin:length] for x in inputs),
            *known_then,
        ]
        target = weight = None
        if learn_until is not None:
            actual, learnable = grid.window(
                series, period + horizon, horizon, np.broadcast_to(learn_until, len(series))
            )
            target, weight = torch.from_numpy(actual) / scale, torch.from_numpy(learnable).float()
        return Windows(
            torch.stack(context, -1),
            torch.cat([_summary(history, scale, layout), self.values[rows]], 1),
            self.codes[rows],
            torch.cat([torch.stack(steps, -1), calendar], -1),
            anchors,
            scale[:, 0],
            history.spread() / scale[:, 0],
            target,
            weight,
        )

    def _scale(self, history: _History, rows: Tensor) -> Tensor:
        """The level that each window is divided by, [B] > 0: recent demand, held up by demand of long ago, and by what
        the item's kind suggests where there is little history."""
        count = history.count(self.layout.window)
        known = (history.total(self.layout.window) + _PRIOR_PERIODS * self.expected[rows]) / (count + _PRIOR_PERIODS)
        long_ago = torch.where(count >= self.layout.scale, history.mean(self.layout.window), known)
        recent = torch.where(count >= self.layout.scale // 2, history.mean(self.layout.scale), known)
        return torch.maximum(recent, 0.2 * long_ago).clamp(min=self.features.floor)

    def _alike(
        self,
        history: _History,
        scale: Tensor,
        level: Tensor,
        ahead: list[Tensor],
        usual: list[Tensor],
        period: np.ndarray,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """What demand did, against its level then, in past periods whose known-ahead columns were like those of each
        step: over all of them, and over those on the same day of the week. Means shrunk towards 1 by one period.

        Returns inputs and anchors, each [B, H]; none where there are no such columns."""
        features, layout = self.features, self.layout
        if not features.conditions:
            return [], []
        length, horizon = layout.window, features.horizon
        ratio, counted = history.to_local_level(scale)
        condition, size = torch.zeros(ahead[0].shape, dtype=torch.int64), 1
        for number in features.conditions:
            column = features.ahead[number]
            condition = condition * column.bins + column.bin(ahead[number], usual[number])
            size *= column.bins
        groups = [(condition, size)]
        if layout.week > 1:
            day = torch.from_numpy((period[:, None] + np.arange(-length, horizon)) % layout.week)
            groups.append((condition * layout.week + day, size * layout.week))
        inputs, anchors = [], []
        for group, size in groups:
            blank = torch.zeros(len(ratio), size)
            sums = blank.scatter_add(1, group[:, :length], ratio * counted).gather(1, group[:, length:])
            counts = blank.scatter_add(1, group[:, :length], counted).gather(1, group[:, length:])
            mean = (sums + 1) / (counts + 1)
            inputs += [mean, torch.log1p(counts) / 3]
            anchors.append(mean * level[:, None].clamp(max=5))
        return inputs, anchors

    def _calendar(self, period: np.ndarray, horizon: int) -> Tensor:
        """Harmonics of the year, and the day of the week and of the month, or the month, of each step: [B, H, C]."""
        table, first = self._calendar_table
        return table[torch.from_numpy(period[:, None] + np.arange(horizon) - first)]

    @cached_property
    def _calendar_table(self) -> tuple[Tensor, int]:
        grid, layout = self.grid, self.layout
        first = int(grid.sales.first.min()) - 2 * layout.window
        last = int((grid.sales.first + np.diff(grid.sales.offsets)).max()) + 3 * layout.window
        numbers = np.arange(first, last)
        start = grid.periods.start(numbers)
        day_of_year = (start - start.astype("datetime64[Y]")).astype(np.int64)
        angle = 2 * np.pi * np.arange(1, layout.harmonics + 1) * day_of_year[:, None] / 365.25
        columns = [np.sin(angle), np.cos(angle)]
        if self.features.frequency == "D":
            of_month = 2 * np.pi * (start - start.astype("datetime64[M]")).astype(np.int64)[:, None] / 30.5
            columns += [np.eye(7)[numbers % 7], np.sin(of_month), np.cos(of_month)]
        elif self.features.frequency == "M":
            columns.append(np.eye(12)[start.astype("datetime64[M]").astype(np.int64) % 12])
        return torch.from_numpy(np.concatenate(columns, axis=1).astype(np.float32)), first


class _History:
    """Demand before the cutoff [B, L] with running sums: any span's mean is two look-ups."""

    def __init__(self, values: Tensor, observed: Tensor, layout: Layout):
        self.values, self.observed, self.layout = values, observed, layout
        self.sold = (values != 0).float()
        self.sums = F.pad(values.cumsum(1), (1, 0))
        self.counts = F.pad(observed.cumsum(1), (1, 0))
        self.sales = F.pad(self.sold.cumsum(1), (1, 0))
        self.length = values.shape[1]

    def total(self, span: int, ago: int = 0) -> Tensor:
        """Units over the `span` periods that end `ago` periods before the cutoff, [B]."""
        return self.sums[:, self.length - ago] - self.sums[:, max(self.length - ago - span, 0)]

    def count(self, span: int, ago: int = 0) -> Tensor:
        """Observed periods of that span, [B]."""
        return self.counts[:, self.length - ago] - self.counts[:, max(self.length - ago - span, 0)]

    def mean(self, span: int, ago: int = 0) -> Tensor:
        """Mean demand of that span, [B]; 0 where nothing was observed."""
        return self.total(span, ago) / self.count(span, ago).clamp(min=1)

    def sold_share(self, span: int) -> Tensor:
        """Share of observed periods with sales, [B]."""
        sold = self.sales[:, self.length] - self.sales[:, max(self.length - span, 0)]
        return sold / self.count(span).clamp(min=1)

    def mean_between(self, begin: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
        """Mean demand of positions [begin, end) of the window, given as [H], and whether any was observed: [B, H]."""
        begin, end = begin.clamp(0, self.length), end.clamp(0, self.length)
        count = self.counts[:, end] - self.counts[:, begin]
        return (self.sums[:, end] - self.sums[:, begin]) / count.clamp(min=1), (count > 0).float()

    def to_local_level(self, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Demand of each period against the level just before it [B, L], and 1 where both are known."""
        local = self.layout.local
        count = self.counts[:, :-1] - F.pad(self.counts[:, : self.length - local], (local, 0))
        level = (self.sums[:, :-1] - F.pad(self.sums[:, : self.length - local], (local, 0))) / count.clamp(min=1)
        known = self.observed * (count > local // 2)
        return (self.values / (level + 0.05 * scale)).clamp(max=5), known

    def spread(self) -> Tensor:
        """Root mean square of changes from one observed period to the next, [B]."""
        both = self.observed[:, 1:] * self.observed[:, :-1]
        change = (self.values[:, 1:] - self.values[:, :-1]).square() * both
        return (change.sum(1) / both.sum(1).clamp(min=1)).sqrt()


def _position(column: Covariate, grid: SalesGrid, names: tuple[str, ...]) -> int | None:
    """Where a column that was learnt from stands among `names` of the grid; None where the shop has it no longer, or
    texts where it had numbers, or the other way round."""
    same = column.name in names and (column.name in grid.categorical) == (column.kind == "label")
    return names.index(column.name) if same else None


def _column(values: np.ndarray, at: int | None, absent: float | None) -> Tensor:
    """One column, [B, L], of `values` [B, L, C]; where it is gone `absent` all over (None: unknown)."""
    if at is None:
        return torch.full(values.shape[:2], np.nan if absent is None else absent)
    return torch.from_numpy(np.ascontiguousarray(values[:, :, at]))


def _summary(history: _History, scale: Tensor, layout: Layout) -> Tensor:
    """The series at the cutoff, [B, 2 spans + 6]: levels and shares of periods with sales at several spans, size, age,
    periods since the last sale, spread and largest demand of late."""
    last_sale = (torch.arange(1, history.length + 1) * history.sold).amax(1)
    age = history.count(history.length)
    recent, seen = history.values[:, -layout.scale :], history.observed[:, -layout.scale :]
    off = (((recent - scale) ** 2 * seen).sum(1) / seen.sum(1).clamp(min=1)).sqrt()
    columns = [
        *(torch.log1p(history.mean(span) / scale[:, 0]) for span in layout.spans),
        *(history.sold_share(span) for span in layout.spans),
        scale[:, 0].log(),
        age.log1p() / 5,
        (age >= layout.year).float(),
        (history.length - last_sale).log1p(),
        (off / scale[:, 0]).log1p(),
        (recent.amax(1) / scale[:, 0]).log1p(),
    ]
    return torch.stack(columns, 1)


def _seasonal(history: _History, scale: Tensor, layout: Layout, horizon: int) -> tuple[list[Tensor], list[Tensor]]:
    """Demand on the same day of the last weeks, for each step: inputs and anchors [B, H]; none without a week."""
    if layout.week == 1:
        return [], []
    shape = (len(history.values), layout.window // layout.week, layout.week)
    values, observed, sold = (x.reshape(shape) for x in (history.values, history.observed, history.sold))
    day = torch.arange(horizon) % layout.week

    def mean(of: Tensor, weeks: int) -> Tensor:
        return (of[:, -weeks:].sum(1) / observed[:, -weeks:].sum(1).clamp(min=1))[:, day]

    inputs = [torch.log1p(values[:, -back, day] / scale) for back in (1, 2, 3)]
    anchors = [mean(values, weeks) / scale for weeks in (4, 8, 26)]
    inputs += [*(torch.log1p(anchor) for anchor in anchors), mean(sold, 8), mean(sold, 26)]
    return inputs, anchors


def _yearly(history: _History, scale: Tensor, layout: Layout, horizon: int) -> tuple[list[Tensor], list[Tensor]]:
    """Demand about the same time last year, and how it stood to the level just before, carried over to the level of
    today; the year before too where the window holds it. Inputs and anchors [B, H]."""
    inputs, anchors = [], []
    now = history.mean(layout.local)[:, None]
    for years in range(1, (history.length - layout.local) // layout.year + 1):
        at = history.length - years * layout.year + torch.arange(horizon)
        then = history.mean(layout.local, years * layout.year)[:, None]
        has_level = (history.count(layout.local, years * layout.year) > 0).float()[:, None]
        for width in layout.around if years == 1 else (0,):
            demand, known = history.mean_between(at - width, at + width + 1)
            carried = (demand / (then + 0.1 * scale) * now / scale).clamp(max=_CLIP) * known * has_level
            inputs += [torch.log1p(demand / scale), known, torch.log1p(carried)]
            anchors += [demand / scale, carried] if width == 0 else [demand / scale]
    return inputs, anchors


def _thinned(past: Tensor, layout: Layout) -> Tensor:
    """Every fourth day of a year's, for what is usual: a median costs much and needs little."""
    recent = past[:, -layout.year :]
    return recent[:, ::4] if layout.year > 100 else recent
