"""Crowding: a surge of orders is told before it makes anything late, against counting day by day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from order_shops import START, Shop, order, orders_of

from forecasting.task import Cases
from tasks.completion.crowding import LEAST_COMPLETED, MOST, USUAL_DAYS, USUAL_SWING, WEEK, log_crowding
from tasks.completion.orders import Orders
from tasks.completion.speed import CROWDING_EXPONENT, log_speed, log_speed_ahead

LAST_DAY = 120
SURGE_FROM = 100


def shop(a_day: int = 8, surge: int = 3) -> Shop:
    """So many orders a day, each complete after five days; `surge` times as many from day SURGE_FROM on, of which no
    more are completed a day than ever."""
    rows, done = [], 0.0
    for day in range(LAST_DAY):
        for number in range(a_day * (surge if day >= SURGE_FROM else 1)):
            hour = 24.0 * day + 8 + number * 8 / (a_day * surge)
            done = max(done + 24.0 / a_day, hour + 120.0)
            rows.append(order(f"{day}-{number}", hour, done))
    return Shop(rows)


def crowding(orders: Orders, *days: float) -> np.ndarray:
    cutoff = START + (np.array(days) * 86_400e6).astype("timedelta64[us]")
    return log_crowding(orders, Cases(np.zeros(len(days), np.int64), cutoff))


def counted(orders: Orders, day: int) -> float:
    """The definition, row by row."""

    def ratio(until: int) -> float:
        after, before = (START + np.timedelta64(one, "D") for one in (until - WEEK, until))
        placed = sum(after < at + np.timedelta64(1, "us") <= before for at in orders.placed_at)
        done = sum(after < at + np.timedelta64(1, "us") <= before for at in orders.completed_at)
        return float(np.log(placed / done))

    swing = ratio(day) - np.mean([ratio(until) for until in range(day - WEEK - USUAL_DAYS + 1, day - WEEK + 1)])
    swing = np.clip(swing, -MOST, MOST)
    return float(np.sign(swing) * max(abs(swing) - USUAL_SWING, 0.0))


def test_a_surge_is_told_as_it_was_defined() -> None:
    orders = orders_of(shop())
    for day in (90, 103, 107):
        assert crowding(orders, day)[0] == pytest.approx(counted(orders, day), abs=1e-4)
    calm, rising, high = crowding(orders, 95.0, 103.0, 107.9)
    assert calm == 0.0 < rising < high
    assert high == pytest.approx(MOST - USUAL_SWING, abs=0.1)


def test_a_surge_slows_the_time_of_what_is_forecast() -> None:
    orders = orders_of(shop())
    cases = Cases(np.zeros(1, np.int64), np.array([START + np.timedelta64(106, "D")]))
    slower = log_speed(orders, cases) - log_speed_ahead(orders, cases)
    assert slower == pytest.approx(CROWDING_EXPONENT * log_crowding(orders, cases))
    assert slower > 0.1


def test_nothing_is_said_of_a_shop_that_is_young_or_small() -> None:
    assert crowding(orders_of(shop()), 20.0, 60.0, 69.0).tolist() == [0.0] * 3
    small = LEAST_COMPLETED // WEEK - 1
    assert crowding(orders_of(shop(small)), 107.0).tolist() == [0.0]


def test_what_comes_after_a_cutoff_changes_nothing() -> None:
    full = shop()
    whole = orders_of(full)
    hour = 24.0 * 104
    seen = [one for one in full.orders if one["placed_at"] < hour]
    known = [one if one["completed_at"] < hour else one | {"completed_at": None} for one in seen]
    then = orders_of(replace(full, orders=known))
    np.testing.assert_array_equal(crowding(whole, 90.0, 104.0), crowding(then, 90.0, 104.0))
    # nor does it matter which other cases are asked for
    assert crowding(whole, 104.0)[0] == crowding(whole, 30.0, 104.0, 119.0)[1] != 0.0
