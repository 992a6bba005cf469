"""Rows of churn_risks: as declared, and each column against an oracle that looks at one customer at a time."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from telling_shops import CUTOFF, everyone, fitted, shop

from forecasting.schema import Kind
from forecasting.task import Cases
from tasks.churn.customers import Customers
from tasks.churn.forecast import ChurnForecast
from tasks.churn.options import ChurnOptions
from tasks.churn.outputs import CHURN_RISKS
from tasks.churn.rows import bands, expected_dates, rows

ARROW = {
    Kind.ID: pa.string(),
    Kind.TEXT: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.TIMESTAMP: pa.timestamp("us", "UTC"),
    Kind.DATE: pa.date32(),
    Kind.JSON: pa.string(),
}


def made_up(seed: int, customers: int = 40, later: bool = False) -> Customers:
    """Customers whose orders and returns lie before CUTOFF; `later`: others after it, too."""
    random = np.random.default_rng(seed)
    orders = {}
    for number in range(customers):
        ago = np.sort(random.exponential(120, random.integers(1, 9)))[::-1] + 0.01
        value = np.where(random.random(len(ago)) < 0.2, np.nan, np.round(random.exponential(50, len(ago)), 2))
        value[1:] *= np.where(random.random(len(ago) - 1) < 0.2, -1, 1)
        orders[f"customer {number:02d}"] = [
            (day, None if np.isnan(money) else money) for day, money in zip(ago, value, strict=True)
        ] + [(-day, money) for day, money in ((0.0, 11.0), (3.0, -7.0), (90.0, 13.0)) if later]
    return shop(orders, regions={"customer 01": "North", "customer 02": "South"})


def test_rows_are_as_declared() -> None:
    options = ChurnOptions(horizon_days=45, reasons=2)
    customers = made_up(0)
    cases = everyone(customers).take(np.array([5, 2, 30]))
    (table,) = rows(customers, options, cases, fitted(customers, options).predict(customers, cases)).values()
    assert table.column_names == ["case", *(column.name for column in CHURN_RISKS.columns)]
    assert table["case"].to_pylist() == [0, 1, 2]
    for column in CHURN_RISKS.columns:
        assert table.schema.field(column.name).type == ARROW[column.kind], column.name
        assert not (column.required and table[column.name].null_count), column.name
    found = table.to_pylist()
    assert [row["customer_id"] for row in found] == ["customer 05", "customer 02", "customer 30"]
    assert {row["horizon_days"] for row in found} == {45} and found[1]["region"] == "South"
    assert all(1 <= len(json.loads(row["reasons"])) <= 2 for row in found)


@pytest.mark.parametrize("seed", [1, 2])
def test_columns_against_an_oracle(seed: int) -> None:
    options = ChurnOptions(value_days=200)
    customers, cutoff = made_up(seed), pd.Timestamp(CUTOFF, tz="UTC")
    cases = everyone(customers)
    (table,) = rows(customers, options, cases, fitted(customers).predict(customers, cases)).values()
    events = customers.events
    for row in table.to_pylist():
        entity = int(np.flatnonzero(events.entities == row["customer_id"])[0])
        mine = slice(events.offsets[entity], events.offsets[entity + 1])
        history = pd.DataFrame({name: events.columns[name][mine] for name in ("kind", "value")})
        history["at"] = pd.to_datetime(events.occurred_at[mine], utc=True)
        bought = history[history.kind == 0]
        days = pd.Series(bought["at"].dt.floor("D").unique()).diff().dropna().dt.days
        lately = history[(history["at"] >= cutoff - pd.Timedelta(days=200)) & history["value"].notna()]
        spent = max(float((lately.value * np.where(lately.kind == 0, 1, -1)).sum()), 0.0) if len(lately) else None
        assert row["orders"] == len(bought) and row["as_of"] == cutoff
        assert (row["first_purchase_at"], row["last_purchase_at"]) == (bought["at"].min(), bought["at"].max())
        assert row["usual_gap_days"] == (pytest.approx(float(days.median())) if len(days) else None)
        assert row["value"] == (None if spent is None else pytest.approx(spent))
        at_risk = None if spent is None else pytest.approx(spent * row["probability"])
        assert row["value_at_risk"] == at_risk


def test_what_comes_after_the_cutoff_changes_no_row() -> None:
    tables = []
    for later in (False, True):
        customers = made_up(6, later=later)
        forecaster = fitted(customers)
        assert (customers.purchases.occurred_at.max() >= CUTOFF) == later
        tables += rows(
            customers, ChurnOptions(), cases := everyone(customers), forecaster.predict(customers, cases)
        ).values()
    assert tables[0].equals(tables[1])


def test_bands_begin_at_their_probability() -> None:
    probability = np.array([0.0, 0.3499, 0.35, 0.6499, 0.65, 1.0])
    assert bands(probability, ChurnOptions()).tolist() == [0, 0, 1, 1, 2, 2]


def test_the_next_purchase_is_never_expected_in_the_past_nor_dated_far_away() -> None:
    cases = Cases(np.zeros(3, np.int64), np.full(3, np.datetime64("2024-02-28T18:00", "us")))
    survival = np.array([[1, 1e-9], [1, 0.5], [1, 0.9999]])
    dates = expected_dates(cases, ChurnForecast(np.array([0.0, 1.5]), survival)).to_pylist()
    assert dates == [dt.date(2024, 2, 28), dt.date(2024, 3, 1), None]


def test_no_case_no_row() -> None:
    customers = made_up(0)
    nobody = everyone(customers).take(np.arange(0))
    (table,) = rows(customers, ChurnOptions(), nobody, fitted(customers).predict(customers, nobody)).values()
    assert len(table) == 0 and table.schema.field("reasons").type == pa.string()
