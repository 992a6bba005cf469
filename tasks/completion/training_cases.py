"""Which orders at which instants teach the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.hashing import stable_hash
from forecasting.schema import NotEnoughData
from forecasting.task import Cases, Instant
from tasks.completion.earlier import known_before
from tasks.completion.folds import event_cases, owners
from tasks.completion.lost import limit_days
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.outcomes import Outcomes, outcomes

RECENT_DAYS = 400
"""Events so old teach nothing: a year, and what of the season before comes round again."""

MOST_CASES = 60_000
"""Cases that teach: more take longer and tell little more."""

WAITING = 0.3
"""Share of the events after which an order is also looked at again later, as tonight's run looks at open orders.
Without these, four of ten open orders of Olist fell outside the 80% interval."""

_DAY = np.timedelta64(1, "D")
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, eq=False)
class Lessons:
    """Cases that teach and what is known of them, in calendar days."""

    cases: Cases
    outcome: Outcomes

    def take(self, index: np.ndarray) -> Lessons:
        """Those at `index`, positions or a mask."""
        return Lessons(self.cases.take(index), self.outcome.take(index))


def training_cases(orders: Orders, options: CompletionOptions, until: Instant, most: int = MOST_CASES) -> Lessons:
    """The status events of the last RECENT_DAYS that are known at `until`, and after some of them (WAITING) a later
    instant at which the order was still waiting for the next; of about `most` at the most: whole orders, by a hash of
    their ids, the same ones whoever else there is. Open orders are among them, watched until they count as lost.

    Raises NotEnoughData where none has an outcome.
    """
    every = np.arange(len(orders.events.occurred_at))
    rows = every[orders.events.visible(every, until)]
    cases = event_cases(orders, rows)
    cases = cases.take((cases.cutoff <= until) & (cases.cutoff > until - RECENT_DAYS * _DAY))
    hashed = stable_hash(orders.events.entities)
    share = most / max(len(cases) * (1 + WAITING), 1)
    if share < 1:
        cases = cases.take(hashed[cases.entity] < np.uint64(share * 2.0**64))
    limit = limit_days(orders, options, until)
    lessons = _watched(orders, cases, until, limit)
    if not lessons.outcome.completed.any():
        raise NotEnoughData(
            f"No order was seen complete after one of its events before {until}: there is nothing to learn from.",
            remedy="Load more history, or run again when there is some.",
        )
    later = _watched(orders, _waiting(orders, lessons, hashed, until), until, limit)
    return Lessons(_joined(lessons.cases, later.cases), _put_together(lessons.outcome, later.outcome))


def _watched(orders: Orders, cases: Cases, until: Instant, limit: float) -> Lessons:
    """Cases that were watched for any time at all."""
    outcome = outcomes(orders, cases, until, limit)
    seen = np.flatnonzero(outcome.days > 0)
    return Lessons(cases.take(seen), outcome.take(seen))


def _waiting(orders: Orders, lessons: Lessons, hashed: np.ndarray, until: Instant) -> Cases:
    """Instants after events, drawn without regard to what came of them, and kept where the order was open then and
    nothing else had been heard of it."""
    event, entity = lessons.cases.columns["event"], lessons.cases.entity
    place = orders.once(known_before)[1][event].astype(np.uint64)  # no event told of later moves it
    mixed = _mixed(hashed[entity] + (place + np.uint64(1)) * _GOLDEN)
    drawn = (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53
    chosen = np.flatnonzero(drawn < WAITING)
    typical = float(np.median(lessons.outcome.days[lessons.outcome.completed]))
    wait = -np.log1p(-drawn[chosen] / WAITING) * typical
    cutoff = lessons.cases.cutoff[chosen] + np.rint(np.minimum(wait, 1e4) * 86_400e6).astype("timedelta64[us]")
    event, entity = event[chosen], entity[chosen]
    going = (cutoff < until) & ~orders.completed(entity, cutoff) & ~orders.cancelled(entity, cutoff)
    event, entity, cutoff = event[going], entity[going], cutoff[going]
    last = orders.events.stop(entity, cutoff) - 1 == event
    if not orders.events.on_time:  # rows up to `stop` may be known later: look whether any other has been
        last = _is_latest(orders, event, entity, cutoff)
    event, entity, cutoff = event[last], entity[last], cutoff[last]
    return Cases(entity, cutoff, {"event": event, "as_of": cutoff})


def _is_latest(orders: Orders, event: np.ndarray, entity: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
    """Whether an event is the latest that a cutoff sees of its order, bool [n]."""
    events = orders.events
    following = np.minimum(event + 1, len(events.occurred_at) - 1)
    latest = np.ones(len(event), bool)
    for _ in range(int(events.lengths.max(initial=0))):  # as often as an order has events: few
        mine = (following < len(events.occurred_at)) & (owners(orders, following) == entity) & (following != event)
        latest &= ~(mine & events.visible(following, cutoff))
        following = np.minimum(following + 1, len(events.occurred_at) - 1)
        if not mine.any():
            break
    return latest


def _mixed(bits: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64: neighbouring numbers become unlike ones."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _joined(first: Cases, second: Cases) -> Cases:
    columns = {name: np.concatenate([values, second.columns[name]]) for name, values in first.columns.items()}
    return Cases(np.concatenate([first.entity, second.entity]), np.concatenate([first.cutoff, second.cutoff]), columns)


def _put_together(first: Outcomes, second: Outcomes) -> Outcomes:
    return Outcomes(np.concatenate([first.days, second.days]), np.concatenate([first.completed, second.completed]))
