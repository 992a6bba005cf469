"""What each case sees as of its cutoff: the snapshot that all forecasters of completion read."""

from __future__ import annotations

import numpy as np

from forecasting.task import Cases
from tasks.completion.backlog import backlog_figures
from tasks.completion.case_facts import due_days, first_statuses, stages
from tasks.completion.lately import lately_figures
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.own_events import own_figures, own_steps
from tasks.completion.recent import recent
from tasks.completion.season import season_figures
from tasks.completion.skies import weather_figures
from tasks.completion.snapshot import Snapshot, Steps

GROUPS = ("origin", "route")
"""Labels whose latest orders the network reads as sequences."""

MOST_STAGES = 24
"""So many statuses, the first that ever occurred, have a figure of their own: since when they are reached."""

_DAY = np.timedelta64(1, "D")


def snapshot_of(orders: Orders, cases: Cases, options: CompletionOptions) -> Snapshot:
    """What `cases` see of `orders` (class `Snapshot`). Features and their order depend on the columns and stages that
    there are and on the options, never on the cases."""
    due = due_days(orders, cases)
    figures = own_figures(orders, cases, orders.once(first_statuses)[:MOST_STAGES])
    figures |= season_figures(orders, cases)
    figures |= _statics(orders, cases, due)
    figures |= weather_figures(orders, cases)
    figures |= backlog_figures(orders, cases)
    figures |= {f"lately:{name}": values for name, values in lately_figures(orders, cases).items()}
    features = np.column_stack([values.astype(np.float32) for values in figures.values()])
    return Snapshot(
        features=features,
        names=tuple(figures),
        stage=stages(orders, cases).astype(np.int32),
        statuses=orders.statuses,
        labels={name: codes[cases.entity] for name, codes in orders.labels.items()},
        label_names=dict(orders.label_names),
        own=own_steps(orders, cases),
        lately=_latest(orders, cases, options.recent),
        cutoff=cases.cutoff,
        due_days=due,
    )


def _latest(orders: Orders, cases: Cases, length: int) -> dict[str, Steps]:
    """The latest orders of the same origin and route."""
    return {name: recent(orders, cases, name, length, pool=True) for name in GROUPS}


def _statics(orders: Orders, cases: Cases, due: np.ndarray) -> dict[str, np.ndarray]:
    """What is known of an order from the start, its promise among it."""
    order = cases.entity
    found = {
        "due": signed_log(due),
        "promise": signed_log((orders.due_at - orders.placed_at)[order] / _DAY),
        "distance": np.log1p(orders.distance_km[order]),
        "same_region": _same_region(orders)[order],
    }
    for place in ("origin", "destination"):
        for axis in ("latitude", "longitude"):
            found[f"{place}_{axis}"] = getattr(orders, f"{place}_{axis}")[order]
    return found | {f"number:{name}": signed_log(values[order]) for name, values in orders.numbers.items()}


def signed_log(values: np.ndarray) -> np.ndarray:
    """sign(x) log(1 + |x|), which also holds for what may fall below zero; NaN stays NaN."""
    return np.sign(values) * np.log1p(np.abs(values))


def _same_region(orders: Orders) -> np.ndarray:
    """Whether an order stays where it comes from, by the names of both, float64 [N]; NaN where either is unknown."""
    found = np.full(len(orders), np.nan)
    if {"origin_area", "destination"} <= set(orders.labels):
        here, there = (orders.labels[name] for name in ("origin_area", "destination"))
        named = {name: code for code, name in enumerate(orders.label_names["destination"])}
        same = np.array([named.get(name, -2) for name in orders.label_names["origin_area"]] + [-2])
        known = (here >= 0) & (there >= 0)
        found[known] = (same[here] == there)[known]
    return found
