"""Nothing that a cutoff must not see moves what it sees by a single bit: shops whose future is rewritten."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from order_shops import Row, Shop, at, event, line, order, orders_of

from forecasting.task import Cases, Fit
from tasks.completion import folds as folds_module
from tasks.completion.baselines import baselines
from tasks.completion.features import snapshot_of
from tasks.completion.folds import backtest_cases, cases_at, folds, stalled_at
from tasks.completion.lost import limit_days
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.outcomes import outcomes
from tasks.completion.rows import rows
from tasks.completion.snapshot import Snapshot, Steps

OPTIONS = CompletionOptions(
    features=("carrier", "heavy"), country="DE", timezone="Europe/Berlin", recent=3, hidden=4, epochs=1
)
HOURS, CUTOFF = 80 * 24, 60 * 24  # the shop's whole life, and the cutoff after which it is rewritten
EARLIER = [at(hour) for hour in (20 * 24, 41 * 24 + 7, CUTOFF)]
PLACES = {"north": (54.0, 9.0), "south": (48.0, 11.0), "west": (51.0, 7.0)}


def made_up(random: np.random.Generator) -> Shop:
    """400 orders, in no order of time; a third of all rows come in late, some orders have several versions, some are
    cancelled, some never completed."""

    def late(hour: float, chance: float = 0.3, within: int = 15 * 24) -> float | None:
        return hour + int(random.integers(0, within)) if random.random() < chance else None

    def maybe(value: Any, chance: float = 0.8) -> Any:
        return value if random.random() < chance else None

    orders, events, lines = [], [], []
    for number in range(400):
        placed = int(random.integers(0, HOURS))
        origin, region = int(random.integers(0, 4)), str(random.choice(list(PLACES)))
        taken = 30 + 20 * origin + float(random.gamma(3.0, 30.0))
        there = maybe((PLACES[region][0] + random.random(), PLACES[region][1] + random.random()), 0.7) or (None, None)
        for version in range(1 + (random.random() < 0.2)):
            orders.append(
                order(
                    f"o{number}",
                    placed,
                    maybe(placed + taken, 0.9),
                    known_at=late(placed + 24 * version, 0.15, 60),
                    cancelled_at=late(placed, 0.05),
                    promised_at=maybe(24 * (placed // 24 + 6)),
                    origin_id=maybe(f"w{origin}", 0.95),
                    origin_latitude=50.0 + origin,
                    origin_longitude=8.0,
                    destination_region=maybe(region),
                    destination_latitude=there[0],
                    destination_longitude=there[1],
                    value=maybe(round(random.normal(20, 12), 2)),
                    carrier=maybe(str(random.choice(["swift", "steady"]))),
                    heavy=maybe(round(random.random(), 2)),
                )
            )
        for status, share in (("approved", 0.1), ("shipped", 0.4), ("scan", 0.6), ("scan", 0.8)):
            if random.random() < 0.8:
                occurred = placed + share * taken * random.uniform(0.5, 1.2) - 3
                events.append(event(f"o{number}", status, round(occurred, 1), late(occurred, 0.15, 80)))
        for _ in range(int(random.integers(0, 3))):
            lines.append(
                line(
                    f"o{number}", f"i{random.integers(0, 6)}", float(random.integers(1, 4)), known_at=late(placed, 0.2)
                )
            )
    items = [
        {"item_id": f"i{n}", "category": f"k{n % 3}", "weight": 1.0 + n, "known_at": late(0, 0.5, HOURS)}
        for n in range(6)
    ]
    calendar = [{"date": 24 * 17 * n, "event": "feast", "region": maybe("north", 0.5)} for n in range(1, 6)]
    weather = [
        {"date": 24 * n, "region": place, "temperature": float(random.normal(9, 5)), "known_at": late(24 * n, 0.2, 90)}
        for n in range(80)
        for place in PLACES
    ]
    shuffled = ([part[i] for i in random.permutation(len(part))] for part in (orders, events, lines, items))
    return Shop(*shuffled, calendar=calendar, weather=weather)


def rewritten(shop: Shop, random: np.random.Generator) -> Shop:
    """The same shop as far as CUTOFF sees it, and another one beyond: rows gone, changed and added."""

    def counts(row: Row, clock: str) -> bool:
        return row[clock] < CUTOFF and (row.get("known_at") is None or row["known_at"] <= CUTOFF)

    seen = {row["order_id"] for row in shop.orders if counts(row, "placed_at")}

    def future(row: Row) -> Row:
        """A version that counts: whatever it tells of after the cutoff is told otherwise."""
        changed = {}
        if row["completed_at"] is None or row["completed_at"] >= CUTOFF:
            changed["completed_at"] = CUTOFF + int(random.integers(0, 500)) if random.random() < 0.5 else None
        if row["cancelled_at"] is None or row["cancelled_at"] >= CUTOFF:
            changed["cancelled_at"] = CUTOFF + int(random.integers(0, 500)) if random.random() < 0.3 else None
        return row | changed

    def another(row: Row) -> Row:
        """A version that does not count yet: anything may stand in it."""
        known = None if row["placed_at"] >= CUTOFF else CUTOFF + int(random.integers(1, 99))
        told = {
            "completed_at": row["placed_at"] + 1,
            "promised_at": 9e4,
            "value": 1e6,
            "heavy": 99.0,
            "known_at": known,
        }
        where = {
            "origin_id": "a-far",
            "destination_region": "a-far",
            "destination_latitude": 89.0,
            "carrier": "a-new-one",
        }
        return row | told | where | {"cancelled_at": row["placed_at"] if random.random() < 0.2 else None}

    def rewrite(table: list[Row], clock: str, new: list[Row], sees: Any = future, not_yet: Any = another) -> list[Row]:
        kept = []
        for row in table:
            if counts(row, clock):
                kept.append(sees(row))
            elif random.random() < 0.7:
                kept.append(not_yet(row))
        for row in new:
            kept.insert(int(random.integers(0, len(kept) + 1)), row)
        return kept

    after = [order(f"a-new{n}", CUTOFF + n, CUTOFF + n + 3, known_at=None, cancelled_at=None) for n in range(60)]
    again = [another(row | {"placed_at": row["placed_at"] // 2}) | {"known_at": CUTOFF + 5} for row in shop.orders[:40]]
    news = [event(f"o{n}", str(random.choice(["a-new-status", "shipped"])), CUTOFF + n % 50) for n in range(0, 400, 2)]
    news += [event(f"o{n}", "scan", 3.0 * n, CUTOFF + 1) for n in range(0, 400, 3)]
    lines = [
        row
        if row["order_id"] in seen and (row["known_at"] is None or row["known_at"] <= CUTOFF)
        else row | {"quantity": 77.0}
        for row in shop.order_lines
    ]
    return Shop(
        rewrite(shop.orders, "placed_at", after + again),
        rewrite(shop.order_events, "occurred_at", news, lambda row: row, lambda row: row | {"status": "a-new-status"}),
        lines + [line(f"o{n}", "a-new-thing", 50.0, known_at=CUTOFF + 1) for n in range(0, 400, 5)],
        [
            row if row["known_at"] is None or row["known_at"] <= CUTOFF else row | {"category": "a-new-kind"}
            for row in shop.items
        ],
        calendar=shop.calendar,
        weather=[row if counts(row, "date") else row | {"temperature": 99.0} for row in shop.weather],
    )


@pytest.fixture(scope="module", params=range(2))
def worlds(request: pytest.FixtureRequest) -> tuple[Orders, Orders]:
    """A shop, and the same with another future."""
    shop = made_up(np.random.default_rng(request.param))
    other = rewritten(shop, np.random.default_rng(100 + request.param))
    return orders_of(shop, OPTIONS), orders_of(other, OPTIONS)


def named(codes: np.ndarray, names: np.ndarray) -> list:
    """Codes as names: codes themselves may depend on which names come later."""
    return np.append(names, "")[codes].tolist()


def who(orders: Orders, cases: Cases) -> dict[str, Any]:
    """Which cases there are."""
    event_row = cases.columns["event"]
    return {
        "order": orders.events.entities[cases.entity].tolist(),
        "cutoff": cases.cutoff.tolist(),
        "as_of": cases.columns["as_of"].tolist(),
        "stage": named(orders.events.columns["status"][event_row], orders.statuses),
        "since": orders.events.occurred_at[event_row].tolist(),
    }


def looks(orders: Orders, seen: Snapshot, names: tuple[str, ...]) -> dict[str, Any]:
    """All that cases see, in a form that can be compared between worlds."""

    def steps(found: Steps) -> tuple:
        codes = np.append(seen.statuses, "")[found.codes].tolist()
        return found.names, found.lengths.tolist(), found.values.tobytes(), codes

    return {
        **{f"feature {name}": seen.column(name).tobytes() for name in names},
        **{f"label {name}": named(codes, seen.label_names[name]) for name, codes in seen.labels.items()},
        "stage": named(seen.stage, seen.statuses),
        "own": steps(seen.own),
        **{f"lately {name}": steps(found) for name, found in seen.lately.items()},
        "due": seen.due_days.tobytes(),
    }


def every_case(orders: Orders) -> list[Cases]:
    """Open orders at each cutoff, and the cases of events up to the last one."""
    cases = [cases_at(orders, OPTIONS, cutoff) for cutoff in EARLIER]
    events = backtest_cases(orders, OPTIONS, at(0), at(CUTOFF))
    return [*cases, events.take(events.cutoff <= at(CUTOFF))]


def same(mine: dict[str, Any], other: dict[str, Any]) -> None:
    """Whether both worlds look alike, and where not."""
    assert mine.keys() == other.keys()
    differ = [name for name in mine if mine[name] != other[name]]
    assert not differ, differ


def test_the_worlds_differ(worlds: tuple[Orders, Orders]) -> None:
    mine, other = worlds
    assert set(other.statuses) - set(mine.statuses) == {"a-new-status"}
    assert "a-far" in other.label_names["destination"] and "a-new-one" in other.label_names["carrier"]
    later = [outcomes(orders, cases_at(orders, OPTIONS, at(CUTOFF))) for orders in worlds]
    assert later[0].days.tolist() != later[1].days.tolist() and len(later[0].days) == len(later[1].days) > 20


def test_cases_and_what_became_of_them(worlds: tuple[Orders, Orders]) -> None:
    found: list[list[dict[str, Any]]] = [[], []]
    for number, orders in enumerate(worlds):
        for cases in every_case(orders):
            became = outcomes(orders, cases, at(CUTOFF), limit_days(orders, OPTIONS, at(CUTOFF)))
            assert became.completed.any() or (cases.cutoff == at(CUTOFF)).all()
            watched = {"days": became.days.tobytes(), "completed": became.completed.tobytes()}
            found[number].append(who(orders, cases) | watched)
        found[number].append(
            {"observed": orders.observed(at(CUTOFF)), "limit": limit_days(orders, OPTIONS, at(CUTOFF))}
        )
        found[number].append(who(orders, stalled_at(orders, OPTIONS, at(CUTOFF))))
    for mine, other in zip(*found, strict=True):
        same(mine, other)


def test_snapshots(worlds: tuple[Orders, Orders]) -> None:
    names: tuple[str, ...] = ()
    found: list[list[dict[str, Any]]] = [[], []]
    for number, orders in enumerate(worlds):
        for cases in every_case(orders):
            seen = snapshot_of(orders, cases, OPTIONS)
            names = names or seen.names
            assert set(names) <= set(seen.names)
            added = [name for name in seen.names if name not in names]  # a status to come is one not reached
            assert all(np.isnan(seen.column(name)).all() for name in added)
            found[number].append(looks(orders, seen, names))
    for mine, other in zip(*found, strict=True):
        same(mine, other)


def test_folds(worlds: tuple[Orders, Orders], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folds_module, "LEAST_TAUGHT", 60)
    monkeypatch.setattr(folds_module, "LEAST_JUDGED", 40)
    found = [folds(orders, OPTIONS, at(CUTOFF)) for orders in worlds]
    assert len(found[0]) == len(found[1]) > 1
    for mine, other in zip(*found, strict=True):
        assert mine.fit_until == other.fit_until
        same(who(worlds[0], mine.cases), who(worlds[1], other.cases))


def test_rows_of_every_baseline(worlds: tuple[Orders, Orders]) -> None:
    """From the sources to the published rows; the contract suite does the same with the model."""
    found = []
    for orders in worlds:
        cases = cases_at(orders, OPTIONS, at(CUTOFF))
        rivals = baselines(orders, OPTIONS, at(CUTOFF))
        found.append(
            {
                f"{name}: {output}": table.to_pylist()
                for name, rival in rivals.items()
                for output, table in rows(orders, OPTIONS, cases, rival.predict(orders, cases)).items()
            }
        )
    assert len(found[0]) >= 16
    same(*found)


@pytest.mark.parametrize("worlds", [0], indirect=True)
def test_a_model(worlds: tuple[Orders, Orders]) -> None:
    from tasks.completion.model import fit_completion

    found = []
    for orders in worlds:
        model = fit_completion(orders, Fit(at(CUTOFF)), OPTIONS)
        cases = cases_at(orders, OPTIONS, at(CUTOFF))
        weights = {name: values.tobytes() for name, values in model.tensors().items()}
        found.append(weights | {"forecast": model.predict(orders, cases).remaining.tobytes()})
    same(*found)
