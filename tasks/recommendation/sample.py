"""A few customers and sessions for people to look at: the same ones from run to run, of all lengths of history."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from forecasting.hashing import stable_hash
from forecasting.histories import ragged_ranges
from forecasting.task import Cases
from tasks.recommendation.folds import steps_seen
from tasks.recommendation.journal import CUSTOMER, ENTITY_KINDS, EVENT_KINDS, Journal

KNOWN, NEW, SESSIONS = 24, 4, 6
"""Customers with a history, customers without one, and sessions in the sample."""

BANDS = (2, 5, 10)
"""Steps at which the next band of lengths begins: 1, 2 to 4, 5 to 9, 10 and more."""

LAST = 20
"""Events of each sampled history that are published."""


def sampled(journal: Journal, cases: Cases) -> np.ndarray:
    """The entities to show of those that `cases` publish, int64 [s]: customers with a history, then those without,
    then sessions. Which ones is decided by a hash of their ids; customers by turns from each band of lengths, so that
    the first few show all of these."""
    seen = steps_seen(journal, cases)
    customer = journal.kind[cases.entity] == CUSTOMER
    order = np.argsort(stable_hash(journal.ids[cases.entity]), kind="stable")
    band = np.digitize(seen, BANDS)
    turn = np.zeros(len(cases), np.int64)
    for one in range(len(BANDS) + 1):
        members = order[band[order] == one]
        members = members[(customer & (seen > 0))[members]]
        turn[members] = np.arange(len(members))
    known = order[(customer & (seen > 0))[order]]
    known = known[np.lexsort((-band[known], turn[known]))][:KNOWN]
    new = order[(customer & (seen == 0))[order]][:NEW]
    sessions = order[~customer[order]][:SESSIONS]
    return cases.entity[np.concatenate([known, new, sessions])].astype(np.int64)


def sample_rows(journal: Journal, cases: Cases, sample: np.ndarray) -> tuple[pa.Table, pa.Table]:
    """Rows of `recommendation_samples` and `recommendation_histories` for those of `cases` that are in `sample`
    (int64 [s], in order of place), with `case` in front."""
    place = np.zeros(len(journal), np.int64)
    place[sample] = 1 + np.arange(len(sample))
    found = np.flatnonzero(place[cases.entity])
    part = cases.take(found)
    stop = journal.events.stop(part.entity, part.cutoff)
    length = stop - journal.events.offsets[part.entity]
    facts = {
        "case": pa.array(found, pa.int64()),
        **_keys(journal, part.entity),
        "place": pa.array(place[part.entity], pa.int64()),
        "region": _names(journal.regions, journal.region_at(part.entity, part.cutoff)),
        "steps": pa.array(steps_seen(journal, part), pa.int64()),
        "events": pa.array(length, pa.int64()),
    }
    return pa.table(facts), _histories(journal, part.entity, found, stop, np.minimum(length, LAST))


def _histories(journal: Journal, entity: np.ndarray, case: np.ndarray, stop: np.ndarray, shown: np.ndarray) -> pa.Table:
    events, catalogue = journal.events, journal.catalogue
    position = ragged_ranges(np.ones_like(shown), shown)
    row = np.repeat(stop, shown) - position
    item = events.columns["item"][row]
    return pa.table(
        {
            "case": pa.array(np.repeat(case, shown), pa.int64()),
            **_keys(journal, np.repeat(entity, shown)),
            "position": pa.array(position, pa.int64()),
            "item_id": pa.array(catalogue.ids[item], pa.string()),
            "title": pa.array(catalogue.title[item], pa.string()),
            "kind": _names(np.array(EVENT_KINDS, object), events.columns["kind"][row]),
            "occurred_at": pa.array(events.occurred_at[row].astype("datetime64[us]")).cast(pa.timestamp("us", "UTC")),
        }
    )


def _keys(journal: Journal, entity: np.ndarray) -> dict[str, pa.Array]:
    return {
        "entity_kind": _names(np.array(ENTITY_KINDS, object), journal.kind[entity]),
        "entity_id": pa.array(journal.ids[entity], pa.string()),
    }


def _names(names: np.ndarray, code: np.ndarray) -> pa.Array:
    """The name of each code as text, null for -1."""
    return pa.array(np.concatenate([names, np.array([None], object)])[code], pa.string())
