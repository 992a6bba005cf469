"""A regression of the hazard of the next purchase: piecewise exponential, with splines of a case's figures.

The hazard in interval k is exp(a_k + b'x + m_k g'z): x are linear splines of the figures and a few products, z a few
figures whose effect changes with the logarithm m_k of the time since the cutoff (a rhythm says less and less). The
likelihood is that of Poisson counts with the time watched as exposure (Friedman, "Piecewise exponential models for
survival data with covariates", Annals of Statistics 10, 1982), with a ridge on b and g; Newton's method finds its
maximum. What is watched in part teaches in part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.churn.outcomes import Outcomes
from tasks.churn.snapshot import Snapshot
from tasks.churn.view import BOUGHT_BEFORE_RECORDS

KNOTS = (0.25, 0.5, 0.75)
"""Quantiles of a figure at which its effect may bend."""

PRODUCTS = (
    ("recency", "orders"),
    ("recency", "usual_gap"),
    ("recency", "orders_90"),
    ("recency", "tenure"),
    ("recency", "value_365"),
    ("overdue", "orders"),
    ("orders", "tenure"),
    ("usual_gap", "tenure"),
)
CHANGING = ("recency", "orders", "usual_gap", "orders_90", "tenure")
"""Figures whose effect changes with the time since the cutoff."""

RIDGE = 1000.0
"""Precision of the effects of standardised columns. Cutoffs a week apart show each purchase about a dozen times, so
that this is a standard deviation of about a tenth."""

FREE_RIDGE = 200.0
"""That of the effect of having bought before the shop's records begin: as time goes by, fewer have, and what is shrunk
away of this effect would be taken for drift."""

LEAST_KNOWN, LEAST_EVENTS = 50, 50
_FAR = 5.0
_STEPS = 20
_LOWEST, _HIGHEST = -14.0, 2.0
"""Logarithms of hazards a day, at least and at most."""


@dataclass(frozen=True, eq=False)
class Basis:
    """Snapshots as columns of a regression, by what training cases showed.

    `names`: the figures used. `centre`, `spread`: float64 [P] of each. `knots`: float64 [P, Q], in spreads from the
    centre. `unsure`: bool [P], whether it was unknown for some. `middle`, `scale`: float32 [D] of the columns.
    """

    names: tuple[str, ...]
    centre: np.ndarray
    spread: np.ndarray
    knots: np.ndarray
    unsure: np.ndarray
    middle: np.ndarray
    scale: np.ndarray

    @staticmethod
    def fit(snapshot: Snapshot) -> Basis:
        """From training cases. Figures that hardly anybody has, or that are the same for all, are left out."""
        table = snapshot.features.astype(np.float64)
        known = np.isfinite(table)
        many = known.sum(axis=0) >= min(LEAST_KNOWN, len(table))
        with np.errstate(invalid="ignore", divide="ignore"):
            count = known.sum(axis=0)
            centre = np.where(known, table, 0.0).sum(axis=0) / count
            spread = np.sqrt((np.where(known, table - centre, 0.0) ** 2).sum(axis=0) / count)
        used = np.flatnonzero(many & (np.nan_to_num(spread) > 1e-6))
        scaled = (table[:, used] - centre[used]) / spread[used]
        knots = np.nanquantile(scaled, KNOTS, axis=0).T.reshape(len(used), len(KNOTS))
        names = tuple(np.array(snapshot.names, object)[used])
        empty = np.empty(0, np.float32)
        unsure = np.asarray((~known[:, used]).any(axis=0))
        basis = Basis(names, centre[used], spread[used], knots, unsure, empty, empty)
        columns = basis._columns(basis.scaled(snapshot))
        scale = columns.std(axis=0)
        return Basis(
            *(names, centre[used], spread[used], knots, unsure),
            columns.mean(axis=0),
            # a column that is hardly ever anything else says nothing
            np.where(scale > 1e-3, scale, np.float32(np.inf)),
        )

    def scaled(self, snapshot: Snapshot) -> np.ndarray:
        """The figures in spreads from their centres, float32 [n, P], NaN where unknown."""
        place = {name: column for column, name in enumerate(snapshot.names)}
        table = snapshot.features[:, [place[name] for name in self.names]]
        return ((table - self.centre) / self.spread).astype(np.float32)

    def columns(self, scaled: np.ndarray) -> np.ndarray:
        """Standardised columns, float32 [n, D], of what `scaled` gives."""
        return np.clip((self._columns(scaled) - self.middle) / self.scale, -_FAR, _FAR)

    def changing(self, scaled: np.ndarray) -> np.ndarray:
        """The figures CHANGING, float32 [n, C], 0 where unknown or not used."""
        known = np.clip(np.nan_to_num(scaled), -_FAR, _FAR)
        zeros = np.zeros(len(scaled), np.float32)
        return np.stack([known[:, self.names.index(n)] if n in self.names else zeros for n in CHANGING], axis=1)

    def of_figure(self, name: str) -> np.ndarray:
        """Which columns are the line and the bends of a figure, bool [D]."""
        own = np.tile(np.array(self.names, object) == name, 1 + self.knots.shape[1])
        return np.append(own, np.zeros(len(self.scale) - len(own), bool))

    def _columns(self, scaled: np.ndarray) -> np.ndarray:
        unknown = np.isnan(scaled)
        linear = np.where(unknown, np.float32(0.0), scaled)
        bends = [np.where(unknown, np.float32(0.0), np.maximum(scaled - knot, 0)) for knot in self._bends]
        place = {name: column for column, name in enumerate(self.names)}
        products = [
            (linear[:, place[one]] * linear[:, place[other]])[:, None]
            for one, other in PRODUCTS
            if one in place and other in place
        ]
        return np.concatenate([linear, *bends, unknown[:, self.unsure].astype(np.float32), *products], axis=1)

    @property
    def _bends(self) -> Sequence[np.ndarray]:
        return [np.ascontiguousarray(column, np.float32) for column in self.knots.T]


@dataclass(frozen=True, eq=False)
class HazardRegression:
    """`edges`: float64 [K + 1] days, `level`: float64 [K], `effect`: float64 [D], `change`: float64 [C]."""

    basis: Basis
    edges: np.ndarray
    level: np.ndarray
    effect: np.ndarray
    change: np.ndarray

    def rates(self, snapshot: Snapshot) -> np.ndarray:
        """Hazards a day, float64 [n, K]."""
        scaled = self.basis.scaled(snapshot)
        constant = self.basis.columns(scaled) @ self.effect.astype(np.float32)
        changing = self.basis.changing(scaled) @ self.change.astype(np.float32)
        return _rates(self.level, constant.astype(np.float64), changing.astype(np.float64), _moment(self.edges))

    def curves(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray]:
        """`edges` and survival, float64 [n, K + 1]."""
        total = np.cumsum(self.rates(snapshot) * np.diff(self.edges), axis=1)
        return self.edges, np.exp(-np.concatenate([np.zeros((len(total), 1)), total], axis=1))

    def tensors(self) -> Mapping[str, np.ndarray]:
        """All arrays by name."""
        basis = {name: getattr(self.basis, name) for name in _BASIS}
        return basis | {"edges": self.edges, "level": self.level, "effect": self.effect, "change": self.change}

    def document(self) -> Mapping[str, Any]:
        """The rest, as JSON values."""
        return {"names": list(self.basis.names), "products": [list(pair) for pair in PRODUCTS]}


_BASIS = ("centre", "spread", "knots", "unsure", "middle", "scale")


def restore_regression(tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> HazardRegression:
    """The regression of `tensors` and `document`."""
    basis = Basis(tuple(document["names"]), *(tensors[name] for name in _BASIS))
    return HazardRegression(basis, *(tensors[name] for name in ("edges", "level", "effect", "change")))


def supported(edges: np.ndarray, outcome: Outcomes) -> np.ndarray:
    """The first of `edges`, up to the last interval in which enough purchases were seen to tell its level; at least
    two."""
    days = outcome.days[outcome.bought]
    counts = np.histogram(days, edges)[0]
    enough = np.flatnonzero(counts >= LEAST_EVENTS)
    return edges[: (enough[-1] + 2) if len(enough) else 2]


def fit_regression(
    snapshot: Snapshot,
    outcome: Outcomes,
    edges: np.ndarray,
    start: HazardRegression | None = None,
    share: float = 1.0,
) -> HazardRegression:
    """The regression of when n cases bought next. `edges`: float64 [K + 1] days, ascending from 0; see `supported`.
    `start`: one of the same basis and edges, from which to go on. `share`: of all cases that these are drawn from; the
    ridge is as light against them as it is against all."""
    basis = start.basis if start else Basis.fit(snapshot)
    scaled = basis.scaled(snapshot)
    fixed, changing, moment = basis.columns(scaled), basis.changing(scaled), _moment(edges)
    watched, bought = exposure(outcome, edges)
    intervals, columns = len(edges) - 1, fixed.shape[1]
    penalty = np.full(intervals + columns + changing.shape[1], RIDGE)
    penalty[:intervals] = 1e-3
    penalty[intervals + np.flatnonzero(basis.of_figure(BOUGHT_BEFORE_RECORDS))] = FREE_RIDGE
    average = np.log((bought.sum() + 0.5) / (watched.sum() + 1.0))
    if start:
        theta = np.concatenate([start.level, start.effect, start.change])
    else:
        theta = np.concatenate([np.full(intervals, average), np.zeros(len(penalty) - intervals)])
    penalty *= share
    anchor = np.where(np.arange(len(theta)) < intervals, average, 0.0)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        level, effect, change = np.split(theta, [intervals, intervals + columns])
        rate = _rates(level, fixed @ effect.astype(np.float32), changing @ change.astype(np.float32), moment)
        expected = watched * rate
        seen = np.log(rate[bought]).sum()
        return float(expected.sum() - seen + 0.5 * (penalty * (theta - anchor) ** 2).sum()), expected

    now, expected = loss(theta)
    for _ in range(_STEPS):
        gradient, curvature = _derivatives(fixed, changing, moment, expected, expected - bought)
        gradient += penalty * (theta - anchor)
        step = np.linalg.solve(curvature + np.diag(penalty), gradient)
        size = 1.0
        after, expected_after = loss(theta - size * step)
        while after > now and size > 1e-3:  # far from the maximum, the quadratic of a Poisson likelihood overshoots
            size /= 2
            after, expected_after = loss(theta - size * step)
        gained = now - after
        if gained <= 0:
            break
        theta, now, expected = theta - size * step, after, expected_after
        if gained < 1e-6 * abs(now):
            break
    return HazardRegression(basis, edges, *np.split(theta, [intervals, intervals + columns]))


def exposure(outcome: Outcomes, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By interval: days at risk, float64 [n, K], and whether the next purchase came in it, bool [n, K]."""
    at_risk = np.clip(outcome.days[:, None] - edges[:-1], 0.0, np.diff(edges))
    return at_risk, outcome.bought_within(edges)


def _moment(edges: np.ndarray) -> np.ndarray:
    """The logarithm of each interval's middle, in their standard deviations from their mean, float64 [K]."""
    log = np.log((edges[1:] + edges[:-1]) / 2)
    spread = log.std()
    return (log - log.mean()) / (spread if spread > 0 else 1.0)


def _rates(level: np.ndarray, constant: np.ndarray, changing: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Hazards a day, float64 [n, K]."""
    log = level + constant[:, None].astype(np.float64) + changing[:, None].astype(np.float64) * moment
    return np.exp(np.clip(log, _LOWEST, _HIGHEST))


def _derivatives(
    fixed: np.ndarray, changing: np.ndarray, moment: np.ndarray, expected: np.ndarray, excess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and Hessian of the likelihood without the ridge. Columns are those of the intervals, `fixed` and
    `changing`; as an interval changes only the level and the moment, sums over intervals come first, and no row is ever
    laid out for each interval."""
    sums = [(expected * moment**power).sum(axis=1).astype(np.float32) for power in range(3)]
    first = [(excess * moment**power).sum(axis=1).astype(np.float32) for power in range(2)]
    gradient = np.concatenate([excess.sum(axis=0), fixed.T @ first[0], changing.T @ first[1]])
    narrow = expected.astype(np.float32)
    weighted = fixed * sums[0][:, None]
    blocks = [
        [np.diag(expected.sum(axis=0)), narrow.T @ fixed, (narrow * moment.astype(np.float32)).T @ changing],
        [None, weighted.T @ fixed, (fixed * sums[1][:, None]).T @ changing],
        [None, None, (changing * sums[2][:, None]).T @ changing],
    ]
    for row, column in ((1, 0), (2, 0), (2, 1)):
        blocks[row][column] = blocks[column][row].T
    return gradient.astype(np.float64), np.block(blocks).astype(np.float64)
