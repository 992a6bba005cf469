"""What the entity of each case did before its cutoff, its last rows first in importance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from forecasting.histories import ragged_ranges
from forecasting.task import Cases
from tasks.recommendation.candidates import Candidates, concatenate
from tasks.recommendation.journal import Journal
from tasks.recommendation.sparse import ragged_matrix


@dataclass(frozen=True, eq=False)
class Past:
    """The last rows that n cases see, in order of time within a case.

    `offsets`: int64 [n + 1]. Of the m rows: `case` int64 [m]; `row` int64 [m] in the journal; `item` int32 [m]; `back`
    int64 [m], how many steps before the case's last one, which is 0.
    """

    offsets: np.ndarray
    case: np.ndarray
    row: np.ndarray
    item: np.ndarray
    back: np.ndarray

    def __len__(self) -> int:
        """How many cases there are."""
        return len(self.offsets) - 1

    def one_by_one(self) -> Past:
        """The same without the rows of cases whose steps hold two rows or more on average: those are baskets."""
        new = np.ones(len(self.case), bool)
        new[1:] = (self.case[1:] != self.case[:-1]) | (self.back[1:] != self.back[:-1])
        counts = np.diff(self.offsets)
        steps = np.bincount(self.case[new], minlength=len(self))
        sequence = counts < 2 * steps
        if sequence.all():
            return self
        kept = sequence[self.case]
        offsets = np.concatenate([[0], np.cumsum(np.where(sequence, counts, 0))]).astype(np.int64)
        return Past(offsets, self.case[kept], self.row[kept], self.item[kept], self.back[kept])


def past(journal: Journal, cases: Cases, rows: int) -> Past:
    """The last `rows` rows that each case sees."""
    events = journal.events
    stop = events.stop(cases.entity, cases.cutoff)
    counts = np.minimum(stop - events.offsets[cases.entity], rows)
    row = ragged_ranges(stop - counts, counts)
    case = np.repeat(np.arange(len(cases)), counts)
    step = events.columns["step"]
    back = np.repeat(step[stop[counts > 0] - 1], counts[counts > 0]) - step[row]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Past(offsets, case, row, events.columns["item"][row], back)


def faded(own: Past, back: float, items: int) -> sparse.csr_array:
    """The rows as float32 [cases, items], each weighed by how many steps it lies back: by 1/e after `back` of them."""
    weight = np.exp(-own.back / back).astype(np.float32)
    return ragged_matrix(weight, own.item, own.offsets, items)


def blocks(journal: Journal, cases: Cases, rows: int, at_once: int, limit: int = 2048) -> Iterator[slice]:
    """Runs of consecutive cases that together look back on at most `at_once` rows (or are one case), each on at most
    `rows`; at most `limit` cases in a run."""
    counts = np.minimum(journal.events.stop(cases.entity, cases.cutoff) - journal.events.offsets[cases.entity], rows)
    total = np.concatenate([[0], np.cumsum(counts)])
    start = 0
    while start < len(cases):
        end = int(np.searchsorted(total, total[start] + at_once, side="right")) - 1
        end = min(max(end, start + 1), start + limit, len(cases))
        yield slice(start, end)
        start = end


def by_blocks(
    journal: Journal, cases: Cases, rows: int, answer: Callable[[Cases], Candidates], at_once: int = 20_000
) -> Candidates:
    """What `answer` says of cases, asked in blocks that bound its memory."""
    parts = [answer(cases.take(np.arange(block.start, block.stop))) for block in blocks(journal, cases, rows, at_once)]
    return concatenate(parts) if parts else answer(cases)
