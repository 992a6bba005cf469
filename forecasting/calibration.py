"""Calibration: shift forecast quantiles by what a later slice shows they were off, after training and before the gate.

One-sided conformalised quantile regression, level by level (Romano, Patterson and Candès 2019, section 2): the shift at
level a is the empirical a-quantile, with the finite-sample rank ceil((n + 1) a), of actual minus forecast quantile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np

from forecasting.schema import ArtifactError, ConfigurationError, NotEnoughData

Mode = Literal["additive", "multiplicative"]

ZERO = 1e-9
"""Quantiles up to this say nothing about a factor: a distribution puts them there whose lower part is zero."""


@dataclass(frozen=True)
class QuantileCalibration:
    """Shifts learned on a later slice. `pooled`: float64 [Q] for everyone. `groups`: float64 [Q] for each group that
    had enough data. Additive shifts are in units of `scale` (one, unless given); multiplicative ones are factors."""

    levels: tuple[float, ...]
    mode: Mode
    pooled: np.ndarray
    groups: Mapping[int, np.ndarray] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        levels: Sequence[float],
        quantiles: np.ndarray,
        actual: np.ndarray,
        *,
        group: np.ndarray | None = None,
        scale: np.ndarray | None = None,
        mode: Mode = "additive",
        minimum: int = 200,
    ) -> Self:
        """Learn the shifts.

        `quantiles`: float [n, Q], at `levels`. `actual`: float [n], NaN where unknown. `group`: int [n], None for one
        pool; a group with fewer than `minimum` outcomes uses the pooled shifts. `scale`: float [n], positive, what
        residuals are divided by, so that large and small series share shifts. Raises NotEnoughData without a known
        outcome.
        """
        if mode not in ("additive", "multiplicative"):
            raise ConfigurationError(f"There is no calibration {mode!r}.", remedy="Choose additive or multiplicative.")
        known = np.isfinite(actual) & np.isfinite(quantiles).all(1)
        if not known.any():
            raise NotEnoughData("Quantiles cannot be calibrated: the later slice has no known outcome.")
        scores = _scores(quantiles, actual, scale, mode)[known]
        neutral = 0.0 if mode == "additive" else 1.0
        groups = {}
        if group is not None:
            names, number, counts = np.unique(group[known], return_inverse=True, return_counts=True)
            for k in np.flatnonzero(counts >= minimum):
                groups[int(names[k])] = _shifts(scores[number == k], levels, neutral)
        return cls(tuple(map(float, levels)), mode, _shifts(scores, levels, neutral), groups)

    def apply(
        self,
        quantiles: np.ndarray,
        *,
        group: np.ndarray | None = None,
        scale: np.ndarray | None = None,
        floor: float | None = None,
    ) -> np.ndarray:
        """Shifted quantiles, float64 [n, Q], sorted so that they do not cross (Chernozhukov et al. 2010, section 2),
        not below `floor`. Groups never seen use the pooled shifts."""
        shift = self._shift_of(len(quantiles), group)
        if self.mode == "multiplicative":
            shifted = quantiles * shift
        else:
            shifted = quantiles + shift * (1.0 if scale is None else np.asarray(scale, float)[:, None])
        shifted = np.sort(shifted, axis=1)
        return shifted if floor is None else np.maximum(shifted, floor)

    def _shift_of(self, n: int, group: np.ndarray | None) -> np.ndarray:
        """Float64 [n, Q] or [1, Q]: the shifts of each row."""
        if group is None or not self.groups:
            return self.pooled[None]
        if len(group) != n:
            raise ValueError(f"{n} forecasts, {len(group)} groups")
        names = np.array(sorted(self.groups))
        table = np.stack([*(self.groups[int(name)] for name in names), self.pooled])
        place = np.minimum(np.searchsorted(names, group), len(names) - 1)
        return table[np.where(names[place] == group, place, len(names))]

    def to_json(self) -> dict[str, Any]:
        """JSON values; `from_json` restores the same calibration exactly."""
        groups = {str(name): shift.tolist() for name, shift in self.groups.items()}
        return {"levels": list(self.levels), "mode": self.mode, "pooled": self.pooled.tolist(), "groups": groups}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises ArtifactError where the document is no calibration."""
        try:
            groups = {int(name): np.array(shift, float) for name, shift in document["groups"].items()}
            pooled = np.array(document["pooled"], float)
            return cls(tuple(document["levels"]), document["mode"], pooled, groups)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError(f"The stored calibration cannot be read: {error!r}.") from error


def _scores(quantiles: np.ndarray, actual: np.ndarray, scale: np.ndarray | None, mode: Mode) -> np.ndarray:
    """How far actuals lie from each quantile, [n, Q]: differences in units of scale, or ratios."""
    actual = np.asarray(actual, float)[:, None]
    if mode == "additive":
        return (actual - quantiles) / (1.0 if scale is None else np.asarray(scale, float)[:, None])
    if (quantiles < 0).any():
        raise ConfigurationError(
            "Multiplicative calibration needs quantiles that are not negative.", remedy="Use additive calibration."
        )
    # no factor moves a quantile of zero: it has nothing to say about the factor; one next to it would say too much
    return np.divide(actual, quantiles, out=np.full(quantiles.shape, np.nan), where=quantiles > ZERO)


def _shifts(scores: np.ndarray, levels: Sequence[float], neutral: float) -> np.ndarray:
    """Conformal quantile of each column of `scores` [n, Q] at its level, NaN left out: the extreme score where there
    are too few for the level, `neutral` where there is none."""
    ordered, counts = np.sort(scores, axis=0), np.isfinite(scores).sum(0)
    # below one half the rank is mirrored: lower quantiles err downwards just as upper ones err upwards
    ranks = [
        math.ceil((n + 1) * a) if a >= 0.5 else n + 1 - math.ceil((n + 1) * (1 - a))
        for a, n in zip(levels, counts.tolist(), strict=True)
    ]
    rows = np.clip(np.array(ranks), 1, np.maximum(counts, 1)) - 1
    return np.where(counts > 0, ordered[rows, np.arange(len(rows))], neutral)
