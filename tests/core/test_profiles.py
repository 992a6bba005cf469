"""Drift of data: a shop that goes on as it was says nothing for a year, and whatever breaks is found within a week."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from forecasting.column_profiles import HOUR, Rows
from forecasting.drift import Drift, population_stability, sentence
from forecasting.population_stability import chance, share_between, stability, usual_stability
from forecasting.profiles import Profile, profile

START = np.datetime64("2023-01-02", "us")
DAY, HOUR_LONG = np.timedelta64(1, "D"), np.timedelta64(1, "h")
DAYS = 400
FITTED = START + 380 * DAY
KINDS = np.array(["bread", "cake", "tea", "jam"])


def shop(seed: int = 0, known: bool = False) -> Rows:
    """Some 60 orders a day, twice as many on Saturdays, by daylight; they have a price, a kind, an id, and the day's
    weather. `known`: each becomes known up to two days later."""
    random = np.random.default_rng(seed)
    rate = np.where(np.arange(DAYS) % 7 == 5, 120, 60)
    day = np.repeat(np.arange(DAYS), random.poisson(rate))
    hour = np.clip(random.normal(14, 3, len(day)), 0, 23.9)
    at = START + day * DAY + (hour * 3600e6).astype("timedelta64[us]")
    columns = {
        "price": numbers(np.round(np.exp(random.normal(2, 0.6, len(day))), 2)),
        "kind": texts(random.choice(KINDS, len(day), p=[0.5, 0.25, 0.15, 0.1])),
        "order": texts([f"O{n}" for n in range(len(day))]),
        "rain": numbers(np.abs(random.normal(0, 5, DAYS))[day]),
        "paid": pa.chunked_array([pa.array(random.random(len(day)) < 0.9)]),
    }
    late = (random.random(len(day)) * 48 * 3600e6).astype("timedelta64[us]")
    return Rows(at, at + late if known else None, columns)


def numbers(values: np.ndarray) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, mask=np.isnan(values))])


def texts(values: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(list(values), pa.string()).dictionary_encode()])  # type: ignore[call-overload]


def found(then: Rows, now: Rows, days: int = 7, fitted: np.datetime64 = FITTED, limit: float = 0.25) -> list[Drift]:
    first = Profile.restore(json.loads(json.dumps(profile({"orders": then}, fitted).document())))
    return population_stability(first, profile({"orders": now}, fitted + days * DAY, first), limit)


def drifted(drifts: list[Drift]) -> set[str]:
    return {drift.name for drift in drifts if drift.drifted}


@pytest.mark.parametrize("known", [False, True])
def test_a_shop_that_goes_on_as_it_was_has_no_drift(known: bool) -> None:
    rows = shop(known=known)
    for week in range(8, 56, 1 + known):
        assert not drifted(found(rows, rows, fitted=START + 7 * week * DAY)), week
    drifts = found(rows, rows)
    assert {drift.name for drift in drifts} == {"rows", "price", "kind", "paid", HOUR}, "neither ids nor the weather"
    assert sentence(drifts) == ""


def changed(rows: Rows, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Rows:
    """The rows with what a column holds since the fit changed."""
    column = rows.columns[name]
    values = np.array(column.to_pylist(), object if pa.types.is_dictionary(column.type) else float)
    since = rows.at >= FITTED
    values[since] = change(values[since])
    return replace(rows, columns={**rows.columns, name: texts(values) if values.dtype == object else numbers(values)})


def taken(rows: Rows, kept: np.ndarray) -> Rows:
    index = pa.array(np.flatnonzero(kept))
    return replace(rows, at=rows.at[kept], columns={name: one.take(index) for name, one in rows.columns.items()})


def test_whatever_breaks_is_found() -> None:
    rows = shop()
    since = rows.at >= FITTED
    random = np.random.default_rng(1)

    dear = found(rows, changed(rows, "price", lambda price: price * 1.5))
    assert drifted(dear) == {"price"} and "orders drifted: price (PSI 0." in sentence(dear)
    gone = found(rows, changed(rows, "price", lambda price: np.full(len(price), np.nan)), days=1)
    assert drifted(gone) == {"price"} and re.search("missing 1.% for 0%", sentence(gone))
    kinds = np.array(rows.columns["kind"].to_pylist())
    assert drifted(found(rows, taken(rows, ~since | (kinds != "cake")))) >= {"kind"}
    assert drifted(found(rows, changed(rows, "kind", lambda kind: np.full(len(kind), "new")))) == {"kind"}
    half = found(rows, taken(rows, ~since | (random.random(len(since)) < 0.5)), days=4)
    assert drifted(half) == {"rows"} and "times as many a day" in sentence(half)
    assert drifted(found(rows, replace(rows, at=np.where(since, rows.at + 6 * HOUR_LONG, rows.at)))) == {HOUR}
    without = replace(rows, columns={name: one for name, one in rows.columns.items() if name != "paid"})
    assert drifted(found(rows, without)) == {"paid"}
    as_text = replace(rows, columns={**rows.columns, "price": texts(["?"] * len(rows.at))})
    assert "price" in drifted(found(rows, as_text)), "of another type is as good as gone"


def test_limits() -> None:
    rows = shop()
    dear = changed(rows, "price", lambda price: price * 1.5)
    assert found(rows, dear, limit=0.0) == [] and not drifted(found(rows, dear, limit=5.0))


def test_a_profile_sees_what_was_known_and_no_more() -> None:
    rows = shop(known=True)
    assert rows.known_at is not None
    hidden = (rows.known_at > FITTED) | (rows.at >= FITTED)
    other = changed(rows, "price", lambda price: price * 100)
    price = np.array(other.columns["price"].to_pylist(), float)
    price[hidden] *= 7
    other = replace(
        other,
        columns={**other.columns, "price": numbers(price)},
        known_at=np.where(hidden, rows.known_at + 3 * DAY, rows.known_at),
    )
    assert profile({"orders": rows}, FITTED).document() == profile({"orders": other}, FITTED).document()


def test_a_warehouse_that_was_not_filled_says_nothing_of_these_days() -> None:
    rows = shop()
    filled = taken(rows, rows.at < FITTED)
    assert not drifted(found(rows, filled, days=6))
    nobody = taken(rows, rows.at < START)
    assert profile({"orders": nobody}, FITTED).sources == {}
    assert not drifted(found(rows, nobody)), "no rows at all is no drift: nothing can be learnt from it"


def test_few_rows_say_nothing_of_columns() -> None:
    rows = shop()
    few = taken(rows, np.arange(len(rows.at)) % 40 == 0)
    assert profile({"orders": few}, FITTED).sources["orders"].columns == {}


def test_the_index() -> None:
    then, now = np.array([500.0, 300.0, 200.0]), np.array([300.0, 300.0, 400.0])
    by_hand = (0.3 - 0.5) * np.log(0.3 / 0.5) + (0.4 - 0.2) * np.log(0.4 / 0.2)
    assert stability(then, now) == pytest.approx(by_hand - 2 * 2 / 1000, rel=0.01)
    assert stability(then, then) == 0 and np.isfinite(stability(then, np.array([0.0, 0.0, 1000.0])))
    random = np.random.default_rng(3)
    pairs = random.multinomial(200, [0.2] * 5, (2, 2000))
    noise = stability(*pairs)
    assert 0.0 < noise.mean() < 0.015 and (noise > chance(*pairs)).mean() < 0.005


def test_what_is_usual_and_what_is_the_calendar() -> None:
    random = np.random.default_rng(4)
    calm = random.multinomial(400, [0.25] * 4, 52)
    wild = np.array([random.multinomial(400, random.dirichlet([5] * 4)) for _ in range(52)])
    usual, unusual = usual_stability(calm, 1), usual_stability(wild, 1)
    assert usual is not None and unusual is not None and usual < 0.1 < 0.3 < unusual
    assert usual_stability(calm[:8], 1) is None and usual_stability(calm[:20] * 0, 1) is None
    assert share_between(calm) < 0.05 and share_between(np.eye(4)[random.integers(0, 4, 100)] * 30) == 1.0
    assert share_between(np.zeros((3, 4))) == 0.0 and share_between(np.array([[30, 0], [20, 0]])) == 0.0
