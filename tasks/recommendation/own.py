"""What the customer or session itself had to do with: how often, how recently, and whether it is due again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from forecasting.task import Cases
from tasks.recommendation.candidates import Candidates
from tasks.recommendation.journal import CART, PURCHASE, Journal
from tasks.recommendation.past import Past, by_blocks, past

ROWS = 2_000
"""Rows of a case's history that count, its last ones."""

DAYS = (1.0, 7.0, 30.0, 120.0)
"""Days in which a mention loses half its weight, by feature."""

STEPS = (1.0, 4.0, 16.0)
"""Steps in which a mention loses half its weight, by feature."""


@dataclass(frozen=True)
class OwnItems:
    """The items of a case's own history. It needs no fitting. Its values:

    - `own`: 1; `own_count`, `own_steps`: log of 1 + the rows, the steps that name the item
    - `own_share`: share of the case's steps that do
    - `own_last`, `own_previous`: whether its last mention was in the case's last step, in the one before;
      `own_back`: 1 / (1 + steps since)
    - `own_steps_H`, `own_days_H`: log of 1 + the sum of its mentions (once a step), each halved every H steps or days
    - `own_early`, `own_late`: of what was named in several steps, by how much it is too early or too late for the next
      time: the log of the time since the last over the mean gap between them, negative or positive part, at most 3
    - `own_again`: whether there were several steps
    - `own_cart`, `own_bought`: whether the last mention put it in the cart, and whether it was ever bought
    """

    names: ClassVar[Sequence[str]] = (
        "own",
        "own_count",
        "own_steps",
        "own_share",
        "own_last",
        "own_previous",
        "own_back",
        *(f"own_steps_{steps:g}" for steps in STEPS),
        *(f"own_days_{days:g}" for days in DAYS),
        "own_early",
        "own_late",
        "own_again",
        "own_cart",
        "own_bought",
    )

    def candidates(self, journal: Journal, cases: Cases) -> Candidates:
        """The distinct items of the last `ROWS` rows of each case, with the values that `names` lists."""
        return by_blocks(journal, cases, ROWS, lambda block: self._candidates(journal, block), at_once=200_000)

    def _candidates(self, journal: Journal, cases: Cases) -> Candidates:
        own = past(journal, cases, ROWS)
        columns, at = journal.events.columns, journal.events.occurred_at
        items = max(len(journal.catalogue), 1)
        key = own.case * items + own.item
        order = np.argsort(key, kind="stable")  # by case and item, in order of time
        key, back, row = key[order], own.back[order], own.row[order]
        first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else np.empty(0, np.int64)
        counts = np.diff(np.append(first, len(key)))
        last = first + counts - 1
        case, item = np.divmod(key[first], items)
        once = np.ones(len(key), bool)  # the first row of each step that names the item
        once[1:] = (key[1:] != key[:-1]) | (back[1:] != back[:-1])

        def total(values: np.ndarray) -> np.ndarray:
            return np.add.reduceat(values, first) if len(first) else np.empty(0)

        days = ((cases.cutoff[own.case[order]] - at[row]) / np.timedelta64(1, "D")).astype(np.float64)
        steps = total(once.astype(np.float64))
        again = steps > 1
        # rows of one instant follow each other a microsecond apart: a gap below a second is none
        usual = np.maximum((days[first] - days[last]) / np.maximum(steps - 1, 1), 1 / 86_400)
        due = np.where(again, np.log(np.maximum(days[last], 1 / 86_400) / usual), 0.0)
        kind = columns["kind"][row]
        latest = back[last]
        values = [
            np.ones(len(first)),
            np.log1p(counts),
            np.log1p(steps),
            steps / _steps(own)[case],
            latest == 0,
            latest == 1,
            1 / (1 + latest),
            *(np.log1p(total(once * 0.5 ** (back / half))) for half in STEPS),
            *(np.log1p(total(once * 0.5 ** (days / half))) for half in DAYS),
            np.clip(-due, 0, 3),
            np.clip(due, 0, 3),
            again,
            kind[last] == CART,
            total((kind == PURCHASE).astype(np.float64)) > 0,
        ]
        offsets = np.searchsorted(case, np.arange(len(cases) + 1)).astype(np.int64)
        return Candidates(offsets, item.astype(np.int32), np.stack(values, axis=1).astype(np.float32))


def _steps(own: Past) -> np.ndarray:
    """How many steps back each case's rows reach, with the last: int64 [n], 0 where there are none."""
    some = np.diff(own.offsets) > 0
    result = np.zeros(len(own), np.int64)
    result[some] = own.back[own.offsets[:-1][some]] + 1
    return result
