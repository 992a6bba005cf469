"""Who is shown something when: at an instant, in a backtest, and where a recipe is judged."""

from __future__ import annotations

import numpy as np

from forecasting.hashing import stable_hash
from forecasting.schema import NotEnoughData
from forecasting.task import Cases, Fold, Instant
from tasks.recommendation.journal import CUSTOMER, SESSION, Journal
from tasks.recommendation.options import RecommendationOptions

MOST_FOLDS = 3
"""Windows on which the gate judges."""

MOST_CASES = 15_000
"""Cases of all windows together: more take longer and tell no more."""

LEAST_STEPS = 200
"""Steps after which something had come before, from which a model may be fitted and judged."""

LEAST_JUDGED = 60
"""Steps on which a recipe is judged at the least."""

JUDGED = 0.1
"""Share of steps, the latest ones, on which a recipe is judged."""

REMEMBERED = "remembered"
"""Column of cases: the instant, datetime64[us] [n], as of which they look at what others did. Cases without it leave
that to their forecaster, which then looks a little further back and need not look anew for every case."""


def cases_at(journal: Journal, options: RecommendationOptions, as_of: Instant) -> Cases:
    """Every customer that exists at an instant, and every session without customer whose last event is at most
    `session_days` older than the newest event of all; `seen` counts source rows of its latest session (orders of a
    customer). They go by all that is `remembered` at that very instant."""
    events = journal.events
    every = np.arange(len(journal))
    last = events.stop(every, np.full(len(journal), as_of, "datetime64[us]")) - 1
    begun = last >= events.offsets[:-1]
    chosen = (journal.kind == CUSTOMER) & (journal.known_from < as_of)
    if begun.any():
        at = events.occurred_at[np.maximum(last, 0)]
        newest = at[begun].max()
        fresh = newest - at <= np.timedelta64(round(options.session_days * 86_400e6), "us")
        chosen |= (journal.kind == SESSION) & begun & fresh & has_list(journal)
    entity = every[chosen]
    cutoff = np.full(len(entity), as_of, "datetime64[us]")
    return with_seen(journal, Cases(entity, cutoff, {REMEMBERED: cutoff}))


def backtest_cases(journal: Journal, start: Instant, end: Instant) -> Cases:
    """Every step in [start, end), by instant, then by entity: what was seen before it is what it is forecast from. The
    column `seen` counts the source rows of its session (orders of its customer) before it, 0 for the first."""
    rows = journal.step_row[:-1]
    at = journal.events.occurred_at[rows]
    rows = rows[(at >= start) & (at < end)]
    entity = owners(journal, rows)
    kept = has_list(journal)[entity]
    return _cases_of(journal, rows[kept], entity[kept])


def first_steps(journal: Journal, start: Instant, end: Instant) -> Cases:
    """The first step of every entity that began in [start, end): nothing of it is known before."""
    begun = np.flatnonzero(journal.events.lengths > 0)
    rows = journal.events.offsets[begun]
    at = journal.events.occurred_at[rows]
    inside = (at >= start) & (at < end)
    return _cases_of(journal, rows[inside], begun[inside])


def folds(journal: Journal, options: RecommendationOptions, as_of: Instant) -> list[Fold]:
    """Up to three windows over the latest tenth of the steps that had something before them; one fit before the first.

    At most MOST_CASES cases. Raises NotEnoughData where there are fewer than LEAST_STEPS such steps.
    """
    begin, cases = latest(journal, as_of)
    edges = np.linspace(0, len(cases), MOST_FOLDS + 1).astype(int)[1:-1]
    window = np.searchsorted(np.unique(cases.cutoff[edges]), cases.cutoff, side="right")
    return [Fold(begin, cases.take(window == number)) for number in np.unique(window)]


def latest(journal: Journal, as_of: Instant) -> tuple[Instant, Cases]:
    """When the latest tenth of the steps with a history begins, and these steps as cases, at most MOST_CASES of them.

    Raises NotEnoughData where there are fewer than LEAST_STEPS steps with a history.
    """
    events = journal.events
    rows = journal.step_row[:-1]
    rows = rows[events.occurred_at[rows] < as_of]
    entity = owners(journal, rows)
    kept = (rows > events.offsets[entity]) & has_list(journal)[entity]
    rows, entity = rows[kept], entity[kept]
    if len(rows) < LEAST_STEPS:
        raise NotEnoughData(
            f"{len(rows)} steps of customers and sessions with a history are known as of"
            f" {np.datetime_as_string(as_of, 'D')}, and {LEAST_STEPS} are needed to judge a model.",
            remedy="Load more history, or let a backtest begin later.",
        )
    at = events.occurred_at[rows]
    judged = max(round(JUDGED * len(rows)), LEAST_JUDGED)
    begin = _day_or_instant(at, len(rows) - judged)
    late = at >= begin
    if len(rows) - late.sum() < LEAST_STEPS // 2:
        raise NotEnoughData(
            f"{late.sum()} of {len(rows)} steps with a history came at {begin} or later, which leaves too few to learn"
            " from before.",
            remedy="Load more history, or let a backtest begin later.",
        )
    return begin, thinned(journal, _cases_of(journal, rows[late], entity[late]), MOST_CASES)


def thinned(journal: Journal, cases: Cases, most: int) -> Cases:
    """About `most` of the cases, chosen by a hash of entity and instant; all of them where there are no more."""
    if len(cases) <= most:
        return cases
    return cases.take(_draw(journal, cases.entity, cases.cutoff) < np.uint64(most / len(cases) * 2.0**64))


def truth(journal: Journal, cases: Cases) -> tuple[np.ndarray, np.ndarray]:
    """The distinct items of each case's next step that could have been shown: (offsets int64 [n + 1], item int32 [m],
    ascending within a case). Items that are not listed, or did not exist at the cutoff, do not count."""
    row = journal.events.stop(cases.entity, cases.cutoff)
    there = row < journal.events.offsets[cases.entity + 1]
    step = journal.events.columns["step"][row[there]]
    begin, lengths = journal.step_row[step], journal.step_row[step + 1] - journal.step_row[step]
    case = np.repeat(np.flatnonzero(there), lengths)
    rows = np.arange(len(case)) + np.repeat(begin - (np.cumsum(lengths) - lengths), lengths)
    item = journal.events.columns["item"][rows]
    catalogue = journal.catalogue
    eligible = catalogue.listed[item] & (catalogue.known_from[item] < cases.cutoff[case])
    wide = max(len(catalogue), 1)
    key = np.unique(case[eligible] * wide + item[eligible])
    offsets = np.searchsorted(key, np.arange(len(cases) + 1) * wide)
    return offsets.astype(np.int64), (key % wide).astype(np.int32)


def steps_seen(journal: Journal, cases: Cases) -> np.ndarray:
    """How many steps of its entity each case sees, int64 [n]."""
    stop, begin = journal.events.stop(cases.entity, cases.cutoff), journal.events.offsets[cases.entity]
    if not len(journal.events.occurred_at):
        return np.zeros(len(cases), np.int64)
    step = journal.events.columns["step"]
    last = len(step) - 1
    return np.where(stop > begin, step[np.maximum(stop - 1, 0)] - step[np.minimum(begin, last)] + 1, 0)


def has_list(journal: Journal) -> np.ndarray:
    """Which entities can be shown something, bool [E]: not those of one order, or one event, of nobody known."""
    lengths = journal.events.lengths
    listed = journal.kind == CUSTOMER
    begun = np.flatnonzero(lengths > 0)
    listed[begun] |= journal.events.columns["session"][journal.events.offsets[begun]] >= 0
    return listed


def owners(journal: Journal, rows: np.ndarray) -> np.ndarray:
    """The entity of each row, int64 [n]."""
    return np.searchsorted(journal.events.offsets, rows, side="right") - 1


def with_seen(journal: Journal, cases: Cases) -> Cases:
    """The cases with the column `seen`, int64 [n]: source rows of the session of the last step that each sees (orders
    of its customer, where there are none)."""
    stop = journal.events.stop(cases.entity, cases.cutoff)
    seen = np.zeros(len(cases), np.int64)
    begun = np.flatnonzero(stop > journal.events.offsets[cases.entity])
    seen[begun] = journal.events.columns["seen"][stop[begun] - 1] + 1
    return Cases(cases.entity, cases.cutoff, {**cases.columns, "seen": seen})


def _cases_of(journal: Journal, rows: np.ndarray, entity: np.ndarray) -> Cases:
    """One case per step that begins at one of `rows`, by instant, then by entity."""
    at = journal.events.occurred_at[rows]
    order = np.argsort(at, kind="stable")  # rows come by entity
    return Cases(entity[order], at[order], {"seen": journal.events.columns["seen"][rows[order]]})


def _day_or_instant(at: np.ndarray, index: int) -> Instant:
    """The `index`-th instant, or the beginning of its day where that makes the latest part no more than half as large
    again."""
    instant = np.sort(at)[index]
    day = instant.astype("datetime64[D]").astype("datetime64[us]")
    return day if (at >= day).sum() <= 1.5 * (len(at) - index) else instant


def _draw(journal: Journal, entity: np.ndarray, at: np.ndarray) -> np.ndarray:
    """A hash, uint64 [n], of who and when: the same for the same, whoever stands beside it."""
    distinct, place = np.unique(entity, return_inverse=True)
    who = stable_hash(journal.ids[distinct])[place]
    mixed = (who ^ at.view(np.int64).astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(32)
    return mixed * np.uint64(0xD6E8FEB86659FD93)
