"""The sales grid against a slow reader of single rows, and against alterations of what a cutoff must not see."""

from __future__ import annotations

import numpy as np
import pytest
from demand_shops import START, altered, random_rows, sales_table

from tasks.demand.assemble import assemble
from tasks.demand.baselines import baselines
from tasks.demand.folds import cases_at
from tasks.demand.options import DemandOptions

DAY = np.timedelta64(1, "D")
OPTIONS = DemandOptions("D", 7, known_ahead=("promo",), features=("rain",))


def latest(rows, item, day, column, cutoff, *, ahead=False):
    """What `cutoff` knew of one cell, by going through its rows one by one; NaN for nothing."""
    mine = [k for k in range(len(rows["day"])) if rows["item"][k] == item and rows["day"][k] == day]
    start = (START + day).astype("datetime64[us]")
    end = start + DAY
    planned = any(rows["known_at"][k] < start for k in mine)
    seen = []
    for k in mine:
        known = rows["known_at"][k]
        if ahead and start <= known <= end and not planned:
            seen.append((np.datetime64("0001-01-01", "us"), known, k))
        elif (known if ahead else max(known, end)) <= cutoff:
            seen.append((known if ahead else max(known, end), known, k))
    value = np.nan
    for *_, k in sorted(seen):
        if not np.isnan(rows[column][k]):
            value = float(rows[column][k])
    return value


@pytest.mark.parametrize("seed", range(8))
def test_windows_are_what_was_known(seed):
    random = np.random.default_rng(seed)
    rows = random_rows(random, days=40, series=3)
    grid = assemble({"sales": sales_table(rows)}, OPTIONS)
    names = [(grid.items[i], grid.locations[j]) for i, j in zip(grid.item, grid.location, strict=True)]
    for _ in range(20):
        series = int(random.integers(len(names)))
        item = int(names[series][0])
        cutoff = (START + int(random.integers(5, 45))).astype("datetime64[us]") + random.integers(
            0, 2
        ) * np.timedelta64(7, "h")
        period = grid.period_of(np.array([cutoff]))
        values, observed = grid.window(np.array([series]), period, 12, np.array([cutoff]))
        past = grid.history(np.array([series]), period, 12, np.array([cutoff]))
        ahead = grid.known_ahead(np.array([series]), period - 12, 20, np.array([cutoff]))
        for column in range(20):
            day = int(period[0] - 12 + column - START.astype("datetime64[D]").astype(int))
            promo = latest(rows, item, day, "promo", cutoff, ahead=True)
            np.testing.assert_array_equal(ahead[0, column, 0], np.float32(promo))
            if column >= 12:
                continue
            sold, rain = (latest(rows, item, day, name, cutoff) for name in ("quantity", "rain"))
            stocked = latest(rows, item, day, "in_stock", cutoff)
            began = grid.began(np.array([series]), np.array([cutoff]))[0] <= period[0] - 12 + column
            assert values[0, column] == (0 if np.isnan(sold) or not began else sold)
            np.testing.assert_array_equal(past[0, column, grid.history_names.index("rain")], np.float32(rain))
            if not np.isnan(sold):
                assert observed[0, column] == (began and stocked != 0)


def test_first_sale_is_the_first_one_known():
    rows = {
        "item": np.array([1, 1, 1]),
        "location": np.array([1, 1, 1]),
        "day": np.array([2, 5, 6]),
        "quantity": np.array([4.0, 1.0, 2.0]),
        "known_at": (START + np.array([20, 6, 7])).astype("datetime64[us]"),
    }
    grid = assemble({"sales": sales_table(rows)}, DemandOptions())
    first = grid.period_of(START)
    early, later = (
        grid.began(np.array([0]), np.array([START + day]).astype("datetime64[us]"))[0] - first for day in (10, 20)
    )
    assert (early, later) == (5, 2)
    values, observed = grid.window(
        np.array([0, 0]), first + np.array([7, 7]), 7, (START + np.array([7, 20])).astype("datetime64[us]")
    )
    np.testing.assert_array_equal(values, [[0, 0, 0, 0, 0, 1, 2], [0, 0, 4, 0, 0, 1, 2]])
    np.testing.assert_array_equal(observed, [[False] * 5 + [True] * 2, [False] * 2 + [True] * 5])


def test_missing_rows_are_zero_or_unobserved_by_the_habit_of_the_source():
    day = np.array([0, 1, 2, 4, 5, 7])
    rows = {"item": np.ones(6), "location": np.ones(6), "day": day, "quantity": np.array([3.0, 1, 2, 5, 1, 2])}
    at = np.array([8])
    series = np.array([0])

    def observed(rows, missing="auto"):
        grid = assemble({"sales": sales_table(rows)}, DemandOptions(missing=missing))
        return grid.window(series, grid.period_of(START) + at, 8)[1][0]

    assert observed(rows).all()
    holes = np.isin(np.arange(8), day)
    np.testing.assert_array_equal(observed(rows, "unobserved"), holes)
    written = {**rows, "quantity": np.array([3.0, 0, 0, 5, 0, 2])}
    np.testing.assert_array_equal(observed(written), holes)
    assert observed(written, "zero").all()


def test_a_feed_that_stopped_is_no_drop_in_demand():
    rows = {
        "item": np.repeat([1, 2], 5),
        "location": np.ones(10),
        "day": np.tile(np.arange(5), 2),
        "quantity": np.ones(10),
    }
    grid = assemble({"sales": sales_table(rows)}, DemandOptions())
    _, observed = grid.window(np.array([0, 1]), grid.period_of(START) + np.array([8, 8]), 8)
    np.testing.assert_array_equal(observed, [[True] * 5 + [False] * 3] * 2)


def test_sold_out_periods_are_not_observed_and_keep_what_was_sold():
    rows = {
        "item": np.ones(4),
        "location": np.ones(4),
        "day": np.arange(4),
        "quantity": np.array([5.0, 2, 0, 4]),
        "in_stock": np.array([True, False, False, True]),
    }
    grid = assemble({"sales": sales_table(rows)}, DemandOptions())
    values, observed = grid.window(np.array([0]), grid.period_of(START) + np.array([4]), 4)
    np.testing.assert_array_equal(values, [[5, 2, 0, 4]])
    np.testing.assert_array_equal(observed, [[True, False, False, True]])
    np.testing.assert_array_equal(grid.sold_out(np.array([0]), grid.period_of(START) + np.array([4]), 4), ~observed)


def test_negative_sales_are_returns_not_demand():
    rows = {"item": np.ones(2), "location": np.ones(2), "day": np.arange(2), "quantity": np.array([5.0, -3.0])}
    grid = assemble({"sales": sales_table(rows)}, DemandOptions())
    assert grid.window(np.array([0]), grid.period_of(START) + np.array([2]), 2)[0].tolist() == [[5.0, 0.0]]


@pytest.mark.parametrize("seed", range(100))
def test_nothing_unseen_moves_a_feature_or_a_baseline(seed):
    random = np.random.default_rng(1000 + seed)
    rows = random_rows(random)
    cutoff = (START + int(random.integers(25, 58))).astype("datetime64[us]") + random.integers(0, 3) * np.timedelta64(
        5, "h"
    )
    grids = [assemble({"sales": sales_table(part)}, OPTIONS) for part in (rows, altered(rows, cutoff, random))]
    answers = []
    for grid in grids:
        cases = cases_at(grid, np.array([cutoff]), OPTIONS.steps)
        names = [(grid.items[grid.item[s]], grid.locations[grid.location[s]]) for s in cases.entity]
        period = grid.period_of(cases.cutoff)
        answer = [
            *grid.window(cases.entity, period, 30, cases.cutoff),
            grid.history(cases.entity, period, 30, cases.cutoff),
            grid.known_ahead(cases.entity, period - 30, 37, cases.cutoff),
            grid.past(cases.entity, period, cases.cutoff)[0],
        ]
        for baseline in baselines(grid, OPTIONS, cutoff).values():
            forecast = baseline.predict(grid, cases)
            answer += [forecast.mean, forecast.quantiles, forecast.cumulative]
        answers.append((names, answer))
    assert answers[0][0] == answers[1][0]
    for mine, other in zip(answers[0][1], answers[1][1], strict=True):
        assert mine.tobytes() == other.tobytes()
