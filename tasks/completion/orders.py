"""Orders and what became of them: the dataset of completion."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np

from forecasting.clock import visible
from forecasting.features.space import Weather
from forecasting.features.time import Events
from forecasting.histories import Histories

T = TypeVar("T")

PLACED = "placed"
"""The status that every order begins with: the order itself."""


@dataclass(frozen=True, eq=False)
class Orders:
    """N orders, their status events, and when they were completed.

    `events`: histories of orders (entity: order_id; every order has at least the event PLACED, its first). Columns:
    `status`, int32 code into `statuses`; `happened_at`, datetime64[us], the source's own instant, where `occurred_at`
    sets those of one instant a microsecond apart; of the case that the event makes, `as_of` and `cutoff`,
    datetime64[us]: its own instant (or the one at which it became known), and the first cutoff that sees it. Events are
    withdrawn when their order is cancelled (`Histories.withdrawn_at`). `statuses`: object [S] of str, PLACED first, the
    others ascending.

    `placed_at`: datetime64[us] [N], UTC. `known_at`: when the order itself became known, at or after that.
    `completed_at`, `completion_known_at`: datetime64[us] [N], NaT where not completed; the completion counts at a
    cutoff as in `forecasting.clock.visible`. `cancelled_at`: datetime64[us] [N], after which instant the order is known
    to be cancelled, NaT for never. `promised_at`: datetime64[us] [N] as the source has it; `due_at`: until when the
    promise is kept (the end of a promised day); NaT without one.

    `numbers`: float64 [N] by name, NaN where unknown: `value`; of the lines, where there are any: `units`, `items`,
    `weight`; each of the options' `features` that is a number or flag. `labels`: int32 [N] codes by name into
    `label_names[name]` (object of str), -1 unknown: `origin` (origin_id), `origin_area` (the text feature
    `origin_region` where the options name one, else a cell of two degrees around the origin's coordinates, else the
    origin), `destination` (destination_region, else a cell around its coordinates), `route` (origin_area and
    destination), `category` (of the lines), and each of the options' `features` that is text.
    `origin_latitude` ... `destination_longitude`: float64 [N] degrees, NaN where unknown; (0, 0) is unknown.
    `distance_km`: float64 [N]. `holidays`: days known ahead, of `country` and of the source `calendar`. `weather`: None
    where there is none.
    """

    events: Histories
    statuses: np.ndarray
    placed_at: np.ndarray
    known_at: np.ndarray
    completed_at: np.ndarray
    completion_known_at: np.ndarray
    cancelled_at: np.ndarray
    promised_at: np.ndarray
    due_at: np.ndarray
    numbers: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]
    label_names: Mapping[str, np.ndarray]
    origin_latitude: np.ndarray
    origin_longitude: np.ndarray
    destination_latitude: np.ndarray
    destination_longitude: np.ndarray
    distance_km: np.ndarray
    holidays: Events
    weather: Weather | None = None
    timezone: str = "UTC"
    stages: tuple[str, ...] = field(default=())
    """Statuses at which orders are forecast, PLACED among them where it is one: those of the options, else all."""
    _made: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        """How many orders there are."""
        return len(self.placed_at)

    def once(self, make: Callable[[Orders], T]) -> T:
        """What a function makes of all these orders, made once: a publication asks shard by shard."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast(T, self._made[make])

    def completed(self, order: np.ndarray | slice, cutoff: np.ndarray | np.datetime64) -> np.ndarray:
        """Whether cutoffs (datetime64[us], UTC; shapes broadcast) see that orders were completed, bool."""
        return visible(self.completed_at[order], self.completion_known_at[order], cutoff)

    def cancelled(self, order: np.ndarray | slice, cutoff: np.ndarray | np.datetime64) -> np.ndarray:
        """Whether cutoffs see that orders were cancelled, bool."""
        return np.asarray(self.cancelled_at[order] < cutoff)  # NaT is before nothing

    def placed(self, order: np.ndarray | slice, cutoff: np.ndarray | np.datetime64) -> np.ndarray:
        """Whether cutoffs see that orders were placed, whatever became of them, bool."""
        return visible(self.placed_at[order], self.known_at[order], cutoff)

    def observed(self, until: np.datetime64 | None = None) -> np.datetime64:
        """Until when orders are watched as known at `until` (None: as the dataset has it): `until`, or the end of the
        day (UTC) of the last thing that it sees placed, happened or completed; NaT where it sees nothing."""
        until = np.datetime64("9999-01-01", "us") if until is None else until
        seen = [
            self.events.occurred_at[visible(self.events.occurred_at, self.events.known_at, until)],
            self.completed_at[self.completed(slice(None), until)],
        ]
        last = [instants.max() for instants in seen if len(instants)]
        if not last:
            return np.datetime64("NaT", "us")
        return np.minimum(until, (max(last).astype("datetime64[D]") + 1).astype("datetime64[us]"))
