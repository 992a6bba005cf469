"""Output rows: every list as an Arrow table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from forecasting.task import Cases
from tasks.recommendation.folds import with_seen
from tasks.recommendation.forecast import Ranking
from tasks.recommendation.journal import ENTITY_KINDS, Journal
from tasks.recommendation.merchandising import merchandising_rows
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.outputs import RECOMMENDATIONS
from tasks.recommendation.reasons import reasons


def rows(journal: Journal, options: RecommendationOptions, cases: Cases, ranking: Ranking) -> Mapping[str, pa.Table]:
    """The rows of every output table, with `case` in front."""
    return {
        RECOMMENDATIONS.name: recommendation_rows(journal, cases, ranking),
        **merchandising_rows(journal, options, cases),
    }


def recommendation_rows(journal: Journal, cases: Cases, ranking: Ranking) -> pa.Table:
    """A row for each item shown; a case with nothing to show has none."""
    case, place = np.nonzero(ranking.items >= 0)
    item = ranking.items[case, place]
    if "seen" not in cases.columns:
        cases = with_seen(journal, cases)
    return pa.table(
        {
            "case": pa.array(case, pa.int64()),
            "entity_kind": _named(journal.kind[cases.entity][case], np.array(ENTITY_KINDS, object)),
            "entity_id": _named(case, journal.ids[cases.entity]),
            "rank": pa.array(place + 1, pa.int64()),
            "item_id": _named(item, journal.catalogue.ids),
            "score": pa.array(ranking.scores[case, place].astype(np.float64)),
            "reason": reasons(journal, cases, ranking.items),
            "seen": pa.array(cases.columns["seen"][case], pa.int64()),
        }
    )


def _named(code: np.ndarray, names: np.ndarray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(code, pa.int32()), pa.array(names, pa.string()))
