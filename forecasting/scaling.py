"""Scaling of numbers, fitted on the training part alone.

A scaler answers one question: by which centre and spread are these windows to be measured? `Standard` and `MinMax` say
the same for all, from the training part; `WindowMean` says it of each window, from what the window holds. Every spread
has a floor: a price that never changed in training divides nothing by zero when it changes at last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from forecasting.schema import ArtifactError, ConfigurationError


@dataclass(frozen=True, eq=False)
class Frame:
    """By what values are measured: float64 arrays that broadcast to them, `spread` above zero."""

    centre: np.ndarray
    spread: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """(values - centre) / spread; missing values (NaN) stay missing."""
        return (values - self.centre) / self.spread

    def undo(self, scaled: np.ndarray) -> np.ndarray:
        """The values of `apply` back in their own unit."""
        return scaled * self.spread + self.centre


class Scaler(Protocol):
    """What every scaler offers. F is the number of columns, NaN a missing value."""

    name: ClassVar[str]

    @classmethod
    def fit(cls, values: np.ndarray) -> Scaler:
        """From training values, float [..., F]."""
        ...

    def frame(self, windows: np.ndarray) -> Frame:
        """By what to measure `windows`, float [n, T, F]: parts of shape [F] or [n, 1, F]."""
        ...

    def parameters(self) -> Mapping[str, np.ndarray]:
        """What was learnt, float64 [F] each, by name."""
        ...


SCALERS: dict[str, type[Any]] = {}
"""The known scalers by name."""


def register_scaler(scaler: type[Any]) -> type[Any]:
    """Class decorator: makes a scaler, a dataclass of float64 [F] fields, known by its `name`."""
    SCALERS[scaler.name] = scaler
    return scaler


def fit_scaler(name: str, values: np.ndarray) -> Scaler:
    """The scaler of that name fitted on training values, float [..., F]. Raises ConfigurationError for another name."""
    if name not in SCALERS:
        raise ConfigurationError(f"scaler {name!r} is unknown.", remedy=f"Use one of {', '.join(sorted(SCALERS))}.")
    return SCALERS[name].fit(values)


def scaler_document(scaler: Scaler) -> Mapping[str, Any]:
    """JSON values from which `restore_scaler` makes an equal scaler; floats survive the round trip exactly."""
    return {"name": scaler.name, **{key: values.tolist() for key, values in scaler.parameters().items()}}


def restore_scaler(document: Mapping[str, Any]) -> Scaler:
    """The scaler of a `scaler_document`. Raises ArtifactError for anything else."""
    fields = {key: value for key, value in document.items() if key != "name"}
    try:
        scaler = SCALERS[document["name"]]
        arrays = {key: np.asarray(values, np.float64) for key, values in fields.items()}
        if any(values.ndim != 1 or not np.isfinite(values).all() for values in arrays.values()):
            raise ValueError("parameters must be finite lists")
        return scaler(**arrays)
    except (KeyError, TypeError, ValueError) as wrong:
        raise ArtifactError(f"A stored scaler cannot be read: {wrong}.") from None


_FLOOR = 0.01  # of a column's magnitude: what varies less counts as constant


def _floored(spread: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
    """`spread` but at least a hundredth of the column's magnitude; 1 for a column of zeros."""
    spread = np.maximum(spread, _FLOOR * magnitude)
    return np.where(spread > 0, spread, 1.0)


def _observed(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values as float64 [R, F] with 0 where missing, which are there, bool [R, F], and how many, at least 1, [F]."""
    columns = np.shape(values)[-1]
    flat = np.asarray(values, np.float64).reshape(np.size(values) // max(columns, 1), columns)  # -1 takes no 0 columns
    there = np.isfinite(flat)
    return np.where(there, flat, 0.0), there, np.maximum(there.sum(axis=0), 1)


@register_scaler
@dataclass(frozen=True, eq=False)
class Standard:
    """Mean 0 and standard deviation 1 over the training part."""

    name: ClassVar[str] = "standard"
    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray) -> Standard:
        """Mean and (population) standard deviation of each column where it is not missing."""
        flat, there, count = _observed(values)
        mean = flat.sum(axis=0) / count
        deviation = np.sqrt((np.where(there, flat - mean, 0.0) ** 2).sum(axis=0) / count)
        return cls(mean, _floored(deviation, np.abs(mean)))

    def frame(self, windows: np.ndarray) -> Frame:
        """The same for all windows."""
        return Frame(self.mean, self.deviation)

    def parameters(self) -> Mapping[str, np.ndarray]:
        """`mean` and `deviation`."""
        return {"mean": self.mean, "deviation": self.deviation}


@register_scaler
@dataclass(frozen=True, eq=False)
class MinMax:
    """0 at the smallest value of the training part and 1 at the largest; later values may lie outside."""

    name: ClassVar[str] = "minmax"
    smallest: np.ndarray
    range: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray) -> MinMax:
        """Smallest value and range of each column where it is not missing; a column without any: 0 and 1."""
        flat, there, _ = _observed(values)
        some = there.any(axis=0)
        smallest = np.where(some, np.where(there, flat, np.inf).min(axis=0, initial=np.inf), 0.0)
        largest = np.where(some, np.where(there, flat, -np.inf).max(axis=0, initial=-np.inf), 0.0)
        return cls(smallest, _floored(largest - smallest, np.maximum(np.abs(smallest), np.abs(largest))))

    def frame(self, windows: np.ndarray) -> Frame:
        """The same for all windows."""
        return Frame(self.smallest, self.range)

    def parameters(self) -> Mapping[str, np.ndarray]:
        """`smallest` and `range`."""
        return {"smallest": self.smallest, "range": self.range}


@register_scaler
@dataclass(frozen=True, eq=False)
class WindowMean:
    """Each window divided by the mean of its absolute values, so that large and small series look alike
    (Salinas et al., "DeepAR", International Journal of Forecasting 36, 2020, section 3.3)."""

    name: ClassVar[str] = "window_mean"
    unit: np.ndarray
    """How small a value that is not zero gets: the first percentile of absolute values other than 0 in training."""

    @classmethod
    def fit(cls, values: np.ndarray) -> WindowMean:
        """The unit of each column; 1 for a column of zeros."""
        flat, _, _ = _observed(values)
        sizes = np.sort(np.where(flat == 0, np.inf, np.abs(flat)), axis=0)
        count = np.isfinite(sizes).sum(axis=0)
        first = (
            np.take_along_axis(sizes, (np.maximum(count - 1, 0) // 100)[None, :], axis=0)[0] if len(sizes) else count
        )
        return cls(np.where(count > 0, first, 1.0))

    def frame(self, windows: np.ndarray) -> Frame:
        """Centre 0; the spread [n, 1, F] of a window is its mean absolute value where not missing, but at least
        what a single unit in the window would make: a window of zeros has a scale too."""
        windows = np.asarray(windows, np.float64)
        there = np.isfinite(windows)
        count = np.maximum(there.sum(axis=1, keepdims=True), 1)
        mean = np.abs(np.where(there, windows, 0.0)).sum(axis=1, keepdims=True) / count
        spread = np.maximum(mean, self.unit / count)
        return Frame(np.zeros_like(spread), spread)

    def parameters(self) -> Mapping[str, np.ndarray]:
        """`unit`."""
        return {"unit": self.unit}
