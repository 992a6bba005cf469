"""Features as plain data: a name, what its values mean, and the clock that says what a cutoff sees of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa

from forecasting.clock import visible
from forecasting.schema import ConfigurationError


class Clock(StrEnum):
    """When a value may be used."""

    HISTORY = "history"
    """Only once it has occurred and is known: sales, weather as observed."""
    KNOWN_AHEAD = "known_ahead"
    """Before its time too, because it is planned: the calendar, promotions, announced prices."""


class FeatureKind(StrEnum):
    """What the values are, and so how a model takes them in."""

    NUMERIC = "numeric"
    """float; missing values are NaN."""
    CATEGORICAL = "categorical"
    """labels, encoded by a vocabulary fitted on the training part."""
    FLAG = "flag"
    """float 0 or 1; missing values are NaN."""


@dataclass(frozen=True)
class Feature:
    """One feature. `column` names the column of the source that holds it, its own name by default."""

    name: str
    clock: Clock
    kind: FeatureKind = FeatureKind.NUMERIC
    column: str = ""

    def __post_init__(self) -> None:
        if not self.column:
            object.__setattr__(self, "column", self.name)

    def visible(
        self, occurred_at: np.ndarray, known_at: np.ndarray | None, cutoff: np.ndarray | np.datetime64
    ) -> np.ndarray:
        """Whether a cutoff sees each value, bool, broadcast: as `clock.visible` says, or always if known ahead."""
        seen = visible(occurred_at, known_at, cutoff)
        return np.ones_like(seen) if self.clock is Clock.KNOWN_AHEAD else seen


@dataclass(frozen=True)
class FeatureSet:
    """The features of a task in the order in which a model takes them in; each name once."""

    features: tuple[Feature, ...] = ()

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigurationError(
                f"features named twice: {', '.join(twice)}.",
                remedy="Name a column under `known_ahead` or under `features`, not under both.",
            )

    @staticmethod
    def of_columns(table: pa.Table, *, history: tuple[str, ...] = (), known_ahead: tuple[str, ...] = ()) -> FeatureSet:
        """The features that an option list names, their kinds read off the columns of `table`.

        Raises ConfigurationError for a column that `table` does not have, and for one named twice.
        """
        absent = [name for name in (*known_ahead, *history) if name not in table.column_names]
        if absent:
            raise ConfigurationError(
                f"no such column: {', '.join(absent)}.", remedy=f"There are {', '.join(table.column_names)}."
            )
        clocks = [(name, Clock.KNOWN_AHEAD) for name in known_ahead] + [(name, Clock.HISTORY) for name in history]
        return FeatureSet(
            tuple(Feature(name, clock, _kind_of(table.schema.field(name).type)) for name, clock in clocks)
        )

    def select(self, clock: Clock | None = None, kind: FeatureKind | None = None) -> FeatureSet:
        """Those of a clock, of a kind, or of both."""
        chosen = (
            feature
            for feature in self.features
            if (clock is None or feature.clock is clock) and (kind is None or feature.kind is kind)
        )
        return FeatureSet(tuple(chosen))

    @property
    def names(self) -> tuple[str, ...]:
        """Their names in order."""
        return tuple(feature.name for feature in self.features)

    def __iter__(self) -> Iterator[Feature]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)


def _kind_of(kind: pa.DataType) -> FeatureKind:
    if pa.types.is_boolean(kind):
        return FeatureKind.FLAG
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return FeatureKind.CATEGORICAL
    return FeatureKind.NUMERIC
