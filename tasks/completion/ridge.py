"""Ridge regression on the logarithm of the time from the latest status event to completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases
from tasks.completion.durations import Durations, fit_durations
from tasks.completion.forecast import CompletionForecast, forecast_of
from tasks.completion.groups import STAGE, Groups, encoded
from tasks.completion.label_effects import LabelEffects, LabelFit
from tasks.completion.orders import Orders
from tasks.completion.ridge_design import Scaling, design
from tasks.completion.route_quantiles import fit_route
from tasks.completion.watched import Watched, elapsed_days

PENALTY, STAGE_PENALTY = 10.0, 30.0
"""Of the squared coefficients, of all stages together and of what a stage differs."""

HALF_LIFE_DAYS = 60.0
"""Events so old count half: what orders take drifts."""

SWEEPS, ROUNDS = 4, 2
"""Turns of the blocks of coefficients; and times that what open orders will take is guessed anew."""


@dataclass(frozen=True, eq=False)
class Ridge:
    """`coefficients` float64 [S, P] by the codes of the stages' vocabulary in `effects` (0: an unknown stage, all
    together); what the labels add; and the residuals of each stage as `durations`."""

    scaling: Scaling
    coefficients: np.ndarray
    effects: LabelEffects
    groups: Groups
    positions: Sequence[np.ndarray]
    durations: Durations

    def predict(self, dataset: Orders, cases: Cases) -> CompletionForecast:
        """The residuals around what the regression says, given what has passed since the latest event."""
        event, order = cases.columns["event"], cases.entity
        return forecast_of(self.remaining(dataset, event, order, elapsed_days(dataset, cases)))

    def remaining(self, orders: Orders, event: np.ndarray, order: np.ndarray, elapsed: np.ndarray) -> np.ndarray:
        """Quantiles float64 [n, Q] of the days left when `elapsed` (float64 [n]) have passed since the rows `event` of
        the orders `order`, int64 [n]."""
        x = self.scaling.apply(design(orders, event, order))
        stage = encoded(orders, STAGE, self.effects.stages, event, order)
        location = np.einsum("np,np->n", x, self.coefficients[stage]) + self.effects.of(orders, event, order)
        return self.durations.remaining(self.groups.place(orders, event, order, self.positions), location, elapsed)


def fit_ridge(orders: Orders, seen: Watched, guess_days: float) -> Ridge:
    """Of events seen, open orders among them: what these will take is guessed from what is known and how long they have
    been open, and guessed anew once it is better known (in the manner of Buckley and James 1979, Biometrika 66)."""
    weight = 0.5 ** (seen.ago / HALF_LIFE_DAYS)
    values = design(orders, seen.event, seen.order)
    scaling = Scaling.fit(values)
    labels = LabelFit(orders, tuple(orders.labels), seen.event, seen.order, weight)
    stage = encoded(orders, STAGE, labels.stages, seen.event, seen.order)
    linear = _LinearFit(scaling.apply(values), stage, labels.stages.size, weight)
    groups, levels = Groups.fit(orders, (STAGE,), seen.event, seen.order)
    log_days = fit_route(orders, seen, guess_days).log_days(orders, seen)
    for _ in range(ROUNDS):
        for _ in range(SWEEPS):
            linear.sweep(log_days - labels.fitted)
            labels.sweep(log_days - linear.fitted)
        location = linear.fitted + labels.fitted
        durations, positions = fit_durations(
            np.log(seen.days) - location,
            seen.completed,
            levels,
            guess=float(np.log(guess_days)),
            lost=seen.lost,
            weight=weight,
        )
        likely = durations.log_median(positions[0][levels[0]], location, seen.days)
        log_days = np.where(seen.completed, log_days, likely)
    return Ridge(scaling, linear.coefficients, labels.effects(), groups, positions, durations)


class _LinearFit:
    """Coefficients in the making, of all stages together and of what each differs: two blocks of a ridge regression."""

    def __init__(self, x: np.ndarray, stage: np.ndarray, stages: int, weight: np.ndarray):
        self.fitted = np.zeros(len(x))
        self._x, self._weight = x, weight
        self._rows = [np.flatnonzero(stage == code) for code in range(stages)]
        self._common, self._differing = np.zeros(x.shape[1]), np.zeros((stages, x.shape[1]))
        self._solve_common = _solver(x, weight, PENALTY)
        self._solve_stage = [_solver(x[rows], weight[rows], STAGE_PENALTY) for rows in self._rows]

    @property
    def coefficients(self) -> np.ndarray:
        """Those of each stage, float64 [S, P]."""
        return self._common + self._differing

    def sweep(self, rest: np.ndarray) -> None:
        """Learn both blocks anew from `rest`, float64 [n]."""
        differing = np.zeros(len(rest))
        for code, rows in enumerate(self._rows):
            differing[rows] = self._x[rows] @ self._differing[code]
        self._common = self._solve_common @ (self._x.T @ (self._weight * (rest - differing)))
        self.fitted = self._x @ self._common
        for code, rows in enumerate(self._rows):
            x = self._x[rows]
            self._differing[code] = self._solve_stage[code] @ (
                x.T @ (self._weight[rows] * (rest[rows] - self.fitted[rows]))
            )
            self.fitted[rows] += x @ self._differing[code]


def _solver(x: np.ndarray, weight: np.ndarray, penalty: float) -> np.ndarray:
    """(X' W X + penalty)^-1, float64 [P, P]; the last column, of ones, is hardly drawn towards 0."""
    ridge = np.full(x.shape[1], penalty)
    ridge[-1] = min(penalty, 1.0)
    return np.linalg.inv(x.T @ (x * weight[:, None]) + np.diag(ridge))
