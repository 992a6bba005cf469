"""Output rows of completion: as declared, each against an oracle of single orders, and once whatever the shards."""

from __future__ import annotations

import datetime as dt
from statistics import median

import numpy as np
import pyarrow as pa
import pytest
from order_shops import START, Row, Shop, at, day, event, order, orders_of

from forecasting.contract import ARROW_TYPES
from forecasting.pipeline import publication_rows
from forecasting.task import Cases
from tasks.completion import CompletionTask
from tasks.completion.folds import backtest_cases, cases_at
from tasks.completion.forecast import LEVELS, CompletionForecast, forecast_of
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.outputs import OUTPUTS
from tasks.completion.rows import rows

OPTIONS = CompletionOptions(features=("origin_region",), lost_after_days=40)
AS_OF = day(150)
DAY = np.timedelta64(1, "D")


class Guess:
    """A forecaster whose answer depends on the order alone."""

    def predict(self, dataset: Orders, cases: Cases) -> CompletionForecast:
        return forecast_of((1.0 + cases.entity % 9)[:, None] * np.exp(3 * (LEVELS - 0.5)))


def made_up(seed: int, count: int = 400) -> Shop:
    """Orders of half a year: some open, cancelled, lost, of nowhere, without a promise."""
    random = np.random.default_rng(seed)
    orders: list[Row] = []
    events: list[Row] = []
    for k in range(count):
        placed = float(random.uniform(0, 175 * 24))
        taken = float(random.gamma(4, 60))
        done = placed + taken if random.random() < 0.9 else None
        origin, region = random.choice(["A", "B", ""]), random.choice(["north", "south", ""])
        orders.append(
            order(
                f"o{k:03d}",
                placed,
                done,
                cancelled_at=placed + 50 if done is None and random.random() < 0.3 else None,
                promised_at=placed + 240 if random.random() < 0.8 else None,
                origin_id=f"{origin}{k % 3}" if origin else None,
                origin_region=origin or None,
                destination_region=region or None,
                destination_latitude=float(random.uniform(40, 50)) if region and random.random() < 0.8 else None,
                destination_longitude=float(random.uniform(1, 9)),
            )
        )
        if random.random() < 0.7:
            events.append(event(f"o{k:03d}", "shipped", placed + 0.4 * taken))
    return Shop(orders, events)


def published(
    orders: Orders, options: CompletionOptions = OPTIONS, as_of: np.datetime64 = AS_OF
) -> dict[str, pa.Table]:
    cases = cases_at(orders, options, as_of)
    return dict(rows(orders, options, cases, Guess().predict(orders, cases)))


def _utc(when: dt.datetime) -> np.datetime64:
    return np.datetime64(when.replace(tzinfo=None), "us")


def test_tables_are_as_declared() -> None:
    orders = orders_of(made_up(0), OPTIONS)
    backtest = backtest_cases(orders, OPTIONS, day(0), day(150))
    for tables in (published(orders), rows(orders, OPTIONS, backtest, Guess().predict(orders, backtest))):
        assert list(tables) == [output.name for output in OUTPUTS]
        for output in OUTPUTS:
            table = tables[output.name]
            assert table.column_names == ["case", *(column.name for column in output.columns)]
            for column in output.columns:
                assert table.schema.field(column.name).type == ARROW_TYPES[column.kind], column.name
                assert not (column.required and table[column.name].null_count), column.name
            keys = table.select(list(output.key)).to_pylist()
            assert len({tuple(key.values()) for key in keys}) == len(keys)


def test_open_orders_against_an_oracle() -> None:
    orders = orders_of(made_up(1), OPTIONS)
    cases = cases_at(orders, OPTIONS, AS_OF)
    forecast = Guess().predict(orders, cases)
    found = published(orders)["order_completions"].to_pylist()
    assert len(found) == len(cases) > 12
    of = {str(name): number for number, name in enumerate(orders.events.entities)}
    for k, row in enumerate(found):
        number, now = of[row["order_id"]], row["as_of"]
        assert row["case"] == k and number == cases.entity[k] and _utc(now) == AS_OF
        assert now < row["completes_p10"] <= row["completes_p50"] <= row["completes_p90"]
        days = (row["completes_p50"] - now).total_seconds() / 86400
        assert days == pytest.approx(forecast.at(0.5)[k], abs=1e-9)
        mine = slice(orders.events.offsets[number], orders.events.offsets[number + 1])
        seen = orders.events.occurred_at[mine] < AS_OF
        assert row["stage"] == orders.statuses[orders.events.columns["status"][mine][seen][-1]]
        assert _utc(row["stage_at"]) == orders.events.occurred_at[mine][seen][-1]
        assert (row["promised_at"] is None) == (row["late_probability"] is None)
        if row["promised_at"] is not None:
            left = (orders.due_at[number] - AS_OF) / DAY
            expected = 1.0 if left <= 0 else CompletionForecast(forecast.remaining[[k]]).later_than(np.array([left]))[0]
            assert row["late_probability"] == pytest.approx(float(expected))
    late = [row["late_probability"] for row in found if row["promised_at"] is not None]
    assert 1.0 in late and min(late) < 1.0 and not all(row["promised_at"] for row in found)


def test_cases_of_events_bear_the_instant_of_the_event() -> None:
    shop = Shop([order("a", 10, 100), order("b", 20, 90)], [event("a", "shipped", 30.5), event("b", "shipped", 40, 60)])
    orders = orders_of(shop)
    cases = backtest_cases(orders, OPTIONS, at(0), at(100))
    tables = rows(orders, OPTIONS, cases, Guess().predict(orders, cases))
    found = [(row["order_id"], row["stage"], row["as_of"]) for row in tables["order_completions"].to_pylist()]
    hours = [(name, stage, (_utc(when) - START) / np.timedelta64(1, "h")) for name, stage, when in found]
    assert hours == [("a", "placed", 10), ("b", "placed", 20), ("a", "shipped", 30.5), ("b", "shipped", 60)]
    assert not any(len(tables[name]) for name in ("stalled_orders", "completed_orders", "route_times"))


def test_stages_of_one_instant_were_all_reached_at_it() -> None:
    events = [event("a", status, 30) for status in ("picked", "packed", "shipped")] + [event("b", "packed", 10)]
    orders = orders_of(Shop([order("a", 10), order("b", 20)], events))
    (a, b) = published(orders, CompletionOptions(), day(3))["order_completions"].to_pylist()
    assert _utc(a["stage_at"]) == at(30) and _utc(b["stage_at"]) == at(20), "b's clocks differ"
    cases = backtest_cases(orders, OPTIONS, at(0), at(100))
    tables = rows(orders, OPTIONS, cases, Guess().predict(orders, cases))
    found = [(_utc(row["stage_at"]) - START) / DAY * 24 for row in tables["order_completions"].to_pylist()]
    assert found == [10, 20, 20, 30, 30, 30] and len(set(cases.cutoff.tolist())) == 6


def test_one_case_of_a_backtest_is_no_publication() -> None:
    orders = orders_of(made_up(2), OPTIONS)
    case = backtest_cases(orders, OPTIONS, day(100), day(101)).take(np.array([0]))
    tables = rows(orders, OPTIONS, case, Guess().predict(orders, case))
    assert [len(table) for table in tables.values()] == [1, 0, 0, 0]


@pytest.mark.parametrize("seed", [3, 4])
def test_stalled_and_completed_orders_and_routes_against_an_oracle(seed: int) -> None:
    shop = made_up(seed)
    tables = published(orders_of(shop, OPTIONS))
    open_now, stalled, completed = [], [], []
    for row in shop.orders:
        placed, done = at(row["placed_at"]), None if row["completed_at"] is None else at(row["completed_at"])
        gone = row["cancelled_at"] is not None and at(row["cancelled_at"]) < AS_OF
        if not placed < AS_OF or gone:
            continue
        if done is not None and done < AS_OF:
            completed.append((row, (done - placed) / DAY, (AS_OF - done) / DAY))
        else:
            (stalled if (AS_OF - placed) / DAY > 40 else open_now).append(row)
    assert sorted(tables["stalled_orders"]["order_id"].to_pylist()) == sorted(row["order_id"] for row in stalled)
    assert min(tables["stalled_orders"]["days_open"].to_pylist()) > 40
    assert set(tables["stalled_orders"]["limit_days"].to_pylist()) == {40.0}
    lately = sorted(row["order_id"] for row, _, ago in completed if ago <= 35)
    assert sorted(tables["completed_orders"]["order_id"].to_pylist()) == lately
    chance = {row["order_id"]: row["late_probability"] for row in tables["order_completions"].to_pylist()}
    routes = {(row["origin"], row["destination"]): row for row in tables["route_times"].to_pylist()}
    known = [(row, days, ago) for row, days, ago in completed if ago <= 112]
    pairs = {_pair(row) for row, _, _ in known} | {_pair(row) for row in open_now}
    assert {key[0] for key in routes} == {"A", "B", ""} and len(routes) == len(pairs)
    for (origin, destination), found in routes.items():
        here = [part for part in known if _pair(part[0]) == (origin, destination)]
        now = [days for _, days, ago in here if ago <= 28]
        before = [days for _, days, ago in here if ago > 28]
        assert found["completed"] == len(now)
        assert found["median_days"] == (pytest.approx(median(now)) if now else None)
        assert found["before_days"] == (pytest.approx(median(before)) if before else None)
        promised = [(row, days) for row, days, ago in here if ago <= 28 and row["promised_at"] is not None]
        late = [days * 24 > row["promised_at"] - row["placed_at"] for row, days in promised]
        assert found["late_share"] == (pytest.approx(np.mean(late)) if late else None)
        mine = [row for row in open_now if _pair(row) == (origin, destination)]
        told = [chance[row["order_id"]] for row in mine if chance[row["order_id"]] is not None]
        assert found["open"] == len(mine)
        assert found["expected_late"] == (pytest.approx(sum(told)) if told else None)
        latitudes = [row["destination_latitude"] for row in [part[0] for part in here] + mine]
        latitudes = [value for value in latitudes if value is not None]
        assert found["latitude"] == (pytest.approx(median(latitudes)) if latitudes else None)


def _pair(row: Row) -> tuple[str, str]:
    return row["origin_region"] or "", row["destination_region"] or ""


def test_shards_bring_the_same_rows_once() -> None:
    orders = orders_of(made_up(5), OPTIONS)
    whole = {name: table.drop_columns(["case"]) for name, table in published(orders).items()}
    again = orders_of(made_up(5), OPTIONS)
    shards = list(publication_rows(CompletionTask(OPTIONS), again, AS_OF, Guess(), shard=7))
    assert len(shards) > 3
    for name, table in whole.items():
        assert pa.concat_tables([shard[name] for shard in shards]).equals(table), name
    assert all(not len(shard[name]) for shard in shards[:-1] for name in list(whole)[1:])


def test_where_no_order_is_open_the_rest_goes_out_all_the_same() -> None:
    shop = made_up(5)
    late = day(230)
    done = [row for row in shop.orders if row["completed_at"] is not None and row["completed_at"] <= 229 * 24]
    forgotten = order("forgotten", 3, origin_region="north", destination_region="south")
    orders = orders_of(Shop([*done, forgotten], shop.order_events), OPTIONS)
    (shard,) = publication_rows(CompletionTask(OPTIONS), orders, late, Guess())
    assert [output.name for output in OUTPUTS] == list(shard) and not len(shard["order_completions"])
    (stalled,) = shard["stalled_orders"].to_pylist()
    assert stalled["order_id"] == "forgotten"

    waiting = order("waiting", 229 * 24, origin_region="north", destination_region="south")
    others = orders_of(Shop([*done, forgotten, waiting], shop.order_events), OPTIONS)
    (beside,) = publication_rows(CompletionTask(OPTIONS), others, late, Guess())
    assert len(beside["order_completions"]) == 1
    for output in OUTPUTS:
        assert shard[output.name].schema == beside[output.name].schema, output.name
    for name in ("stalled_orders", "completed_orders"):
        assert len(shard[name]) and shard[name].equals(beside[name]), name
    assert sum(shard["route_times"]["completed"].to_pylist()) == sum(beside["route_times"]["completed"].to_pylist())
    assert not any(shard["route_times"]["open"].to_pylist()) and len(shard["route_times"])


def test_what_an_open_order_is_expected_to_miss_is_not_said_before_all_are_forecast() -> None:
    orders = orders_of(made_up(5), OPTIONS)
    cases = cases_at(orders, OPTIONS, AS_OF)
    last = cases.take(np.arange(len(cases) - 5, len(cases)))
    table = rows(orders, OPTIONS, last, Guess().predict(orders, last))["route_times"]
    assert len(table) and table["expected_late"].null_count == len(table)


def test_the_night_after_has_rows_of_its_own() -> None:
    orders = orders_of(made_up(6), OPTIONS)
    first = published(orders)
    later = published(orders, as_of=AS_OF + 7 * DAY)
    alone = published(orders_of(made_up(6), OPTIONS), as_of=AS_OF + 7 * DAY)
    assert not first["route_times"].equals(later["route_times"])
    assert all(later[name].equals(alone[name]) for name in later)


def test_what_comes_after_the_cutoff_changes_no_row() -> None:
    shop = made_up(7)
    hours = 150 * 24
    past = [
        {**row, "completed_at": None if row["completed_at"] and row["completed_at"] >= hours else row["completed_at"]}
        for row in shop.orders
        if row["placed_at"] < hours
    ]
    events = [row for row in shop.order_events if row["occurred_at"] < hours]
    altered = Shop(past, events)
    whole, cut = (orders_of(one, OPTIONS) for one in (shop, altered))
    for cases in (cases_at(whole, OPTIONS, AS_OF), cases_at(cut, OPTIONS, AS_OF)):
        assert len(cases) > 12

    def told(orders: Orders) -> dict[str, pa.Table]:
        cases = cases_at(orders, OPTIONS, AS_OF)
        fixed = forecast_of(np.arange(1.0, len(cases) + 1)[:, None] * np.exp(3 * (LEVELS - 0.5)))
        return dict(rows(orders, OPTIONS, cases, fixed))

    first, second = told(whole), told(cut)
    assert all(first[name].equals(second[name]) for name in first)


def test_times_stay_in_the_calendar_and_after_the_cutoff() -> None:
    orders = orders_of([order("a", 0), order("b", 0)])
    cases = cases_at(orders, OPTIONS, day(1))
    remaining = np.array([np.full(len(LEVELS), 1e12), np.full(len(LEVELS), 0.0)])
    table = rows(orders, OPTIONS, cases, forecast_of(remaining))["order_completions"].to_pylist()
    assert table[0]["completes_p50"].year == 2123
    assert table[1]["completes_p10"] > table[1]["as_of"]


def test_no_promises_no_places_and_no_case() -> None:
    orders = orders_of([order("a", 0, 20), order("b", 10)])
    tables = published(orders, as_of=day(1))
    (row,) = tables["order_completions"].to_pylist()
    assert row["late_probability"] is None and row["origin_id"] is None and row["destination_region"] is None
    (route,) = tables["route_times"].to_pylist()
    assert (route["origin"], route["destination"], route["completed"], route["open"]) == ("", "", 1, 1)
    assert route["expected_late"] is None and route["late_share"] is None and route["latitude"] is None
    nobody = cases_at(orders, OPTIONS, day(1)).take(np.arange(0))
    empty = rows(orders, OPTIONS, nobody, forecast_of(np.empty((0, len(LEVELS)))))
    assert [len(table) for table in empty.values()] == [0, 0, 0, 0]
