"""Shops as they come: from the sources to the rows that go out, without a crash, whatever there is to see."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from churn_shops import Row, Shop, customers_of, days, line, order, regulars

from forecasting.pipeline import judge
from forecasting.schema import NotEnoughData
from forecasting.task import Fit
from tasks.churn.customers import Customers
from tasks.churn.model import ChurnModel, fit_churn
from tasks.churn.options import BANDS, ChurnOptions
from tasks.churn.sequence import latest_events
from tasks.churn.task import ChurnTask

OPTIONS = ChurnOptions(horizon_days=30, active_days=60, hidden=8, epochs=1)
TASK = ChurnTask(OPTIONS)
(AS_OF,) = days(120)


def once(count: int, spread: float = 110.0) -> list[Row]:
    """Customers who bought once."""
    return [order(str(n), f"once{n}", 24 * spread * n / count) for n in range(count)]


@pytest.fixture(scope="module")
def model() -> ChurnModel:
    """Of an ordinary shop."""
    ordinary = regulars(120, 20, 120) + once(120)
    return fit_churn(customers_of(ordinary), Fit(AS_OF), OPTIONS)


def published(customers: Customers, model: ChurnModel | None = None, task: ChurnTask = TASK) -> dict[str, list[Row]]:
    """The rows of each baseline, and of the model, after what holds of all rows."""
    cases = task.cases(customers, AS_OF)
    forecasters: dict[str, Any] = {**task.baselines(customers, AS_OF)} | ({"model": model} if model else {})
    found = {}
    for name, forecaster in forecasters.items():
        rows = task.rows(customers, cases, forecaster.predict(customers, cases))["churn_risks"].to_pylist()
        assert len(rows) == len(cases), name
        for row in rows:
            assert 0 < row["probability"] < 1 and row["band"] in BANDS, name
            expected = row["expected_next_purchase_date"]
            assert expected is None or np.datetime64(expected) >= AS_OF.astype("datetime64[D]"), name
            reasons = json.loads(row["reasons"])
            assert 0 < len(reasons) <= OPTIONS.reasons and all(reason["text"] for reason in reasons), name
        found[name] = rows
    return found


def both(rows: Sequence[Row] | Shop, model: ChurnModel) -> dict[str, list[Row]]:
    return published(customers_of(rows), model)


def test_one_time_buyers(model: ChurnModel) -> None:
    for name, rows in both(regulars(20, 20, 120) + once(400), model).items():
        seldom = [row for row in rows if row["customer_id"].startswith("once")]
        assert len(seldom) > 150 and all(row["orders"] == 1 for row in seldom), name
        assert all(row["usual_gap_days"] is None for row in seldom), name
        often = [row["probability"] for row in rows if row["orders"] > 1]
        assert np.mean([row["probability"] for row in seldom]) > np.mean(often), name


def test_where_nobody_ever_comes_back_the_gate_still_judges() -> None:
    customers = customers_of(once(800))
    judgement = judge(TASK, customers, AS_OF)
    metrics = {(row.subject, row.metric): row.value for row in judgement.metrics if row.slice == "evaluate"}
    assert metrics["model", "churn_rate"] == 1 and metrics["model", "samples"] > 600
    assert all(np.isfinite(value) for value in metrics.values())
    assert all(row["probability"] > 0.8 for name, rows in published(customers).items() for row in rows)


def test_a_customer_with_10000_orders(model: ChurnModel) -> None:
    busy = [order(f"busy{n}", "busy", 24 * 119.0 * n / 10_000) for n in range(10_000)]
    for name, rows in both(regulars(50, 20, 120) + busy, model).items():
        (row,) = [row for row in rows if row["customer_id"] == "busy"]
        assert row["orders"] == 10_000 and row["probability"] < 0.5, name
        others = [other["probability"] for other in rows if other["customer_id"] != "busy"]
        assert row["probability"] <= np.median(others) + 0.02, name


def test_orders_at_the_same_instant(model: ChurnModel) -> None:
    shop = [row | {"order_id": f"{row['order_id']}-{copy}"} for row in regulars(60, 20, 120) for copy in range(3)]
    customers = customers_of(shop)
    assert len(customers.purchases.occurred_at) == len(shop)
    for rows in published(customers, model).values():
        assert all(row["orders"] % 3 == 0 and row["usual_gap_days"] == 20 for row in rows)
    gaps = latest_events(customers, TASK.cases(customers, AS_OF), 8).columns[:, :, 0]
    assert (gaps == 0).any() and np.isfinite(gaps).all()


def test_all_orders_at_one_single_instant(model: ChurnModel) -> None:
    everyone = [order(str(n), f"c{n % 30}", 24 * 100.0) for n in range(90)]
    for rows in both(everyone, model).values():
        assert len(rows) == 30
        assert np.ptp([row["probability"] for row in rows]) < 1e-5


def test_refunds_only(model: ChurnModel) -> None:
    """Who only ever gave back has bought nothing, and is nobody who can leave."""
    gave_back = [order("r1", "refund", 24 * 100, -5.0), order("r2", "refund", 24 * 110, -7.0)]
    lines = [line("r3", "i", -1, 3.0)]
    shop = Shop([*regulars(30, 20, 120), *gave_back, order("r3", "by-line", 24 * 100.0, None)], lines)
    for rows in both(shop, model).values():
        assert {"refund", "by-line"}.isdisjoint(row["customer_id"] for row in rows)
    nothing_else = customers_of(gave_back)
    assert len(nothing_else) == 1 and not len(TASK.cases(nothing_else, AS_OF))
    assert all(not rows for rows in published(nothing_else, model).values())


def test_an_empty_shop(model: ChurnModel) -> None:
    for empty in (Shop([order("a", None, 1)]), Shop([order("a", "x", 24 * 500.0)])):
        customers = customers_of(empty)
        assert all(not rows for rows in published(customers, model).values())
        with pytest.raises(NotEnoughData, match=r"no purchase|no customer"):
            TASK.folds(customers, AS_OF)
        with pytest.raises(NotEnoughData):
            fit_churn(customers, Fit(AS_OF), OPTIONS)


@pytest.mark.parametrize("shop", [[order("a", "x", 24 * 119.0)], regulars(1, 7, 120)])
def test_one_customer(shop: list[Row], model: ChurnModel) -> None:
    for rows in both(shop, model).values():
        assert len(rows) == 1
    with pytest.raises(NotEnoughData, match=r"^1 customer bought"):
        TASK.folds(customers_of(shop), AS_OF)


def test_everything_was_cancelled(model: ChurnModel) -> None:
    shop = [row | {"cancelled_at": row["placed_at"] + 5} for row in regulars(30, 20, 115)]
    assert all(not rows for rows in both(shop, model).values())


def test_orders_without_values_have_no_value_at_risk(model: ChurnModel) -> None:
    shop = [row | {"value": None} for row in regulars(30, 20, 120)]
    for rows in both(shop, model).values():
        assert all(not row["value"] and not row["value_at_risk"] for row in rows)


def test_numbers_beyond_all_measure_are_unknown() -> None:
    """Signs for "unknown" (9e99), infinities, and sums that overflow."""
    random = np.random.default_rng(0)
    wild = [1e300, -1e300, float("inf"), float("-inf"), float("nan"), 1e308, 20.0, 0.0]
    shop = [
        row | {"value": wild[random.integers(len(wild))], "tip": wild[random.integers(len(wild))]}
        for row in regulars(250, 20, 120)
    ]
    heavy = [line(row["order_id"], "i", units, 1e12) for row in shop for units in (1e12, 1e308)]
    options = replace(OPTIONS, features=("tip",))
    customers = customers_of(
        Shop([row | {"value": None} if n % 3 else row for n, row in enumerate(shop)], heavy), options
    )
    values = customers.events.columns["value"]
    assert np.isfinite(values).any() and (np.isnan(values) | (values < 1e3)).all()
    for name, rows in published(customers, fit_churn(customers, Fit(AS_OF), options), ChurnTask(options)).items():
        assert all(row["value"] is None or row["value"] < 1e6 for row in rows), name
    judgement = judge(ChurnTask(options), customers, AS_OF)
    assert all(np.isfinite(row.value) for row in judgement.metrics)


def test_nobody_is_sure() -> None:
    """A shop whose customers are all alike, and one of whom does what none of them did, as the model was fitted."""
    busy = [order(f"busy{n}", "busy", 24 * 119.0 * n / 10_000) for n in range(10_000)]
    clockwork = customers_of(
        [*regulars(250, 20, 120), *busy, *(order(f"o{n}", f"once{n}", 24 * 119.5) for n in range(9))]
    )
    never = customers_of(once(800))
    for customers in (clockwork, never):
        for name, rows in published(customers, fit_churn(customers, Fit(AS_OF), OPTIONS)).items():
            assert all(1e-4 <= row["probability"] <= 1 - 1e-4 for row in rows), name


def test_a_shop_that_opened_yesterday_loses_nobody_for_sure() -> None:
    shop = customers_of([order(f"{n}{m}", f"c{n}", 24 * 119 + n / 20 + m / 9) for n in range(300) for m in range(2)])
    for name, rows in published(shop).items():
        assert len(rows) == 300 and all(0.02 < row["probability"] < 0.999 for row in rows), name
    rows = published(shop)["recency"]  # goes out first; half of all come back within the horizon, as nothing is known
    assert all(abs(row["probability"] - 0.5) < 0.05 for row in rows)


def test_names_from_anywhere(model: ChurnModel) -> None:
    hostile = ["<script>alert(1)</script>", "=1+1", "Ünïcödé 猫", " ", "c,d\"e'f;--"]
    shop = [order(f"{n}{m}", who, 24 * (100.0 + n + 5 * m)) for n, who in enumerate(hostile) for m in range(3)]
    for rows in both(shop, model).values():
        assert {row["customer_id"] for row in rows} == set(hostile)
