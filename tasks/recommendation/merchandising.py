"""What the merchandisers' page needs beyond the lists: the items, and a sample of customers with their histories."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from forecasting.contract import ARROW_TYPES
from forecasting.schema import OutputTable
from forecasting.task import Cases
from tasks.recommendation.assortment import item_rows
from tasks.recommendation.folds import REMEMBERED, cases_at
from tasks.recommendation.journal import Journal
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.outputs import RECOMMENDATION_HISTORIES, RECOMMENDATION_ITEMS, RECOMMENDATION_SAMPLES
from tasks.recommendation.sample import sample_rows, sampled


@dataclass(frozen=True, eq=False)
class _Publication:
    """All that goes out at an instant: `first`, the entity of its first case (-1: there is none), and the `sample`,
    int64 [s]."""

    first: int
    sample: np.ndarray


_PUBLICATIONS: WeakKeyDictionary[Journal, dict[tuple[RecommendationOptions, np.datetime64], _Publication]]
_PUBLICATIONS = WeakKeyDictionary()  # the pipeline asks shard by shard, and each needs to know what all of them hold


def merchandising_rows(journal: Journal, options: RecommendationOptions, cases: Cases) -> dict[str, pa.Table]:
    """Rows of `recommendation_items`, `recommendation_samples` and `recommendation_histories` for a shard of the cases
    that are published at an instant, with int64 `case` in front.

    The items go out with the first case of all, each sampled entity with its own, so that keys stay unique however
    the cases are cut into shards. The cases of a backtest have none of these rows.
    """
    tables = {table.name: _empty(table) for table in _TABLES}
    if not len(cases) or REMEMBERED not in cases.columns:
        return tables
    cutoff = cases.cutoff[0]
    publication = _publication(journal, options, cutoff)
    if len(first := np.flatnonzero(cases.entity == publication.first)):
        tables[RECOMMENDATION_ITEMS.name] = item_rows(journal, options, cutoff, int(first[0]))
    samples, histories = sample_rows(journal, cases, publication.sample)
    return tables | {RECOMMENDATION_SAMPLES.name: samples, RECOMMENDATION_HISTORIES.name: histories}


def _publication(journal: Journal, options: RecommendationOptions, cutoff: np.datetime64) -> _Publication:
    known = _PUBLICATIONS.setdefault(journal, {})
    if (options, cutoff) not in known:
        cases = cases_at(journal, options, cutoff)
        first = int(cases.entity[0]) if len(cases) else -1
        known[options, cutoff] = _Publication(first, sampled(journal, cases))
    return known[options, cutoff]


_TABLES = (RECOMMENDATION_ITEMS, RECOMMENDATION_SAMPLES, RECOMMENDATION_HISTORIES)


def _empty(output: OutputTable) -> pa.Table:
    fields = [pa.field(column.name, ARROW_TYPES[column.kind]) for column in output.columns]
    return pa.schema([pa.field("case", pa.int64()), *fields]).empty_table()
