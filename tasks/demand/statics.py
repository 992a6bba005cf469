"""What does not change about a series: item, location, and what a series without history may borrow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.vocabulary import Vocabulary
from tasks.demand.sales import SalesGrid

_MOST_LABELS = 64
_RIDGE = 3.0
"""Pseudo-series that pull the effect of a label towards nothing: one series tells little about its category."""


@dataclass(frozen=True)
class Statics:
    """Vocabularies and scales of what items and locations say, fitted on the series that a training saw, and the level
    of demand that it suggests.

    `vocabularies`: by column, `item` and `location` (names) first. `numbers`: (centre, spread) of log1p by column.
    `effects`: float64 [1 + labels + numbers], of a ridge regression of log level on all of them but `item`.
    """

    vocabularies: Mapping[str, Vocabulary]
    numbers: Mapping[str, tuple[float, float]]
    effects: np.ndarray

    @staticmethod
    def fit(grid: SalesGrid, series: np.ndarray, level: np.ndarray) -> Statics:
        """From training `series` int64 [n] and their mean demand per period `level` float [n], 0 where none."""
        columns = _columns(grid)
        vocabularies = {
            "item": Vocabulary.fit(grid.items[np.unique(grid.item[series])]),
            "location": Vocabulary.fit(grid.locations[np.unique(grid.location[series])]),
        }
        numbers = {}
        for name, values in columns.items():
            mine = values[series]
            if values.dtype == object:
                vocabularies[name] = Vocabulary.fit(mine, minimum_count=2, maximum_size=_MOST_LABELS)
            else:
                logs = np.log1p(np.abs(mine[np.isfinite(mine)]).astype(np.float64))
                if len(logs):
                    numbers[name] = float(logs.mean()), float(max(logs.std(), 1e-3))
        blank = Statics(vocabularies, numbers, np.zeros(0))
        sold = level > 0
        if not sold.any():
            return Statics(vocabularies, numbers, np.zeros(blank._design(grid, series[:0]).shape[1]))
        design, target = blank._design(grid, series[sold]), np.log(level[sold].astype(np.float64))
        ridge = np.diag([1e-6] + [_RIDGE] * (design.shape[1] - 1))
        effects = np.linalg.solve(design.T @ design + ridge, design.T @ target)
        return Statics(vocabularies, numbers, effects)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of the embedding of each column of `codes`."""
        return tuple(vocabulary.size for vocabulary in self.vocabularies.values())

    def codes(self, grid: SalesGrid) -> np.ndarray:
        """Int64 [S, C], the codes of every series of a grid; 0 for what training did not see."""
        columns = _columns(grid)
        values = {"item": grid.items[grid.item], "location": grid.locations[grid.location], **columns}
        nothing = np.full(grid.series, None, object)
        codes = [vocabulary.encode(values.get(name, nothing)) for name, vocabulary in self.vocabularies.items()]
        return np.stack(codes, axis=1).astype(np.int64)

    def values(self, grid: SalesGrid) -> np.ndarray:
        """Float32 [S, 2 N], the numbers of every series, scaled, and whether each is known."""
        columns = _columns(grid)
        result = np.zeros((grid.series, 2 * len(self.numbers)), np.float32)
        for at, (name, (centre, spread)) in enumerate(self.numbers.items()):
            raw = columns.get(name)
            if raw is None or raw.dtype == object:
                continue
            known = np.isfinite(raw)
            result[known, 2 * at] = np.clip((np.log1p(np.abs(raw[known])) - centre) / spread, -4, 4)
            result[known, 2 * at + 1] = 1
        return result

    def expected_level(self, grid: SalesGrid) -> np.ndarray:
        """Float32 [S], the demand per period that category, price, location and the like suggest for every series."""
        every = np.arange(grid.series)
        return np.exp(np.clip(self._design(grid, every) @ self.effects, -20, 20)).astype(np.float32)

    def document(self) -> dict[str, Any]:
        """JSON values."""
        return {
            # Lists of pairs: the order of columns is the order of codes and effects, and JSON objects have none.
            "vocabularies": [[name, vocabulary.document()] for name, vocabulary in self.vocabularies.items()],
            "numbers": [[name, *scale] for name, scale in self.numbers.items()],
            "effects": self.effects.tolist(),
        }

    @staticmethod
    def restore(document: Mapping[str, Any]) -> Statics:
        """The statics of a `document`."""
        return Statics(
            {name: Vocabulary.restore(one) for name, one in document["vocabularies"]},
            {name: (float(centre), float(spread)) for name, centre, spread in document["numbers"]},
            np.array(document["effects"], float),
        )

    def _design(self, grid: SalesGrid, series: np.ndarray) -> np.ndarray:
        """Float64 [n, 1 + labels + numbers]: one, one-hot labels of everything but the item, scaled numbers."""
        codes, blocks = self.codes(grid)[series], [np.ones((len(series), 1))]
        for at, (name, size) in enumerate(zip(self.vocabularies, self.sizes, strict=True)):
            if name != "item":
                size = min(size, _MOST_LABELS + 1)
                mine = np.where(codes[:, at] < size, codes[:, at], 0)
                blocks.append(np.eye(size)[mine][:, 1:])
        blocks.append(self.values(grid)[series].astype(np.float64))
        return np.concatenate(blocks, axis=1)


def _columns(grid: SalesGrid) -> dict[str, np.ndarray]:
    """What items and locations say, by series: object [S] (None where missing) or float [S] (NaN where missing)."""
    result = {}
    for prefix, columns, row in (
        ("item_", grid.item_columns, grid.item),
        ("location_", grid.location_columns, grid.location),
    ):
        for name, values in (columns or {}).items():
            result[prefix + name] = values[row] if len(values) else values
    return result
