"""Nothing that a cutoff must not see moves what it sees by a single bit: shops whose future is rewritten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from churn_shops import DAY, Row, Shop, at, customers_of, line, order

from forecasting.task import Cases
from tasks.churn import folds as folds_module
from tasks.churn.baselines import baselines
from tasks.churn.customers import Customers
from tasks.churn.folds import eligible, folds
from tasks.churn.options import ChurnOptions
from tasks.churn.outcomes import outcomes
from tasks.churn.rows import rows
from tasks.churn.snapshot import Snapshot, snapshot

OPTIONS = ChurnOptions(horizon_days=10, active_days=30, features=("tip", "channel"))
HOURS, CUTOFF = 100 * 24, 75 * 24  # the shop's whole life, and the cutoff after which it is rewritten
EARLIER = np.array([at(hour) for hour in (40 * 24, 52 * 24 + 7, 60 * 24, CUTOFF)], "datetime64[us]")


def made_up(random: np.random.Generator) -> Shop:
    """40 customers and their orders, in no order of time; a third of all rows come in late, some orders have several
    versions, some are cancelled."""

    def late(hour: float, chance: float = 0.3, within: int = 30 * 24) -> float | None:
        return hour + random.integers(0, within) if random.random() < chance else None

    def maybe(value: Any, chance: float = 0.7) -> Any:
        return value if random.random() < chance else None

    orders, lines = [], []
    for number in range(500):
        hour = int(random.integers(0, HOURS))
        who = maybe(f"c{min(random.geometric(0.07), 40):02d}", 0.95)
        for version in range(1 + (random.random() < 0.1)):
            orders.append(
                order(
                    f"o{number}",
                    who,
                    hour,
                    maybe(round(random.normal(20, 12), 2)),
                    known_at=late(hour + 24 * version),
                    cancelled_at=late(hour, 0.1),
                    destination_region=maybe(random.choice(["north", "south"])),
                    tip=maybe(round(random.random(), 2)),
                    channel=maybe(random.choice(["web", "app"])),
                )
            )
        for _ in range(random.integers(0, 4)):
            lines.append(
                line(f"o{number}", f"i{random.integers(0, 6)}", random.integers(-1, 4), maybe(2.5), late(hour, 0.2))
            )
    people = [
        {"customer_id": f"c{n:02d}", "region": maybe("west"), "known_at": late(0, 0.5, HOURS)} for n in range(0, 40, 2)
    ]
    items = [{"item_id": f"i{n}", "category": f"k{n % 3}", "known_at": late(0, 0.6, HOURS)} for n in range(6)]
    visits = []
    for number in range(300):
        hour = int(random.integers(0, HOURS))
        kind = random.choice(["view", "cart", "purchase"])
        visits.append(
            {
                "customer_id": maybe(f"c{number % 40:02d}"),
                "item_id": "i0",
                "kind": kind,
                "occurred_at": hour,
                "known_at": late(hour),
            }
        )
    return Shop(*([rows[i] for i in random.permutation(len(rows))] for rows in (orders, lines, items, people, visits)))


def rewritten(shop: Shop, random: np.random.Generator) -> Shop:
    """The same shop as far as CUTOFF sees it, and another one beyond: rows gone, changed and added."""

    def counts(row: Row, clock: str) -> bool:
        return row[clock] < CUTOFF and (row["known_at"] is None or row["known_at"] <= CUTOFF)

    def known(row: Row) -> bool:
        return row["known_at"] is None or row["known_at"] <= CUTOFF

    seen_orders = {row["order_id"] for row in shop.orders if counts(row, "placed_at")}

    def rewrite(
        rows: list[Row], sees: Callable[[Row], bool], change: Callable[[Row], Row], new: list[Row]
    ) -> list[Row]:
        kept = [row if sees(row) else change(row) for row in rows if sees(row) or random.random() < 0.7]
        for row in new:
            kept.insert(int(random.integers(0, len(kept) + 1)), row)
        return kept

    def other_order(row: Row) -> Row:
        known_at = None if row["placed_at"] >= CUTOFF else CUTOFF + float(random.integers(1, 99))
        changed = {"customer_id": "a-new-one", "value": 1e6, "destination_region": "a-far", "known_at": known_at}
        return row | changed | {"tip": 99.0, "channel": "a-new-way", "cancelled_at": row["placed_at"]}

    def cancelled_later(row: Row) -> Row:
        cancelled = row.get("cancelled_at")
        return (
            row
            if cancelled is not None and cancelled < CUTOFF
            else row | {"cancelled_at": CUTOFF + 3 if random.random() < 0.3 else None}
        )

    def sees_line(row: Row) -> bool:
        return row["order_id"] in seen_orders and known(row)

    after = [order(f"new{n}", f"c{n % 50:02d}", CUTOFF + n, 5e5, channel="a-new-way", known_at=None) for n in range(60)]
    again = [row | {"value": 7e5, "known_at": CUTOFF + 5.0, "cancelled_at": 1.0} for row in shop.orders[:20]]
    lines = [line(row["order_id"], "a-new-thing", 50.0, 99.0, CUTOFF + 1.0) for row in shop.orders[:50]]
    visits = [{"customer_id": f"c{n:02d}", "item_id": "i0", "kind": "view", "occurred_at": CUTOFF} for n in range(40)]
    return Shop(
        [
            cancelled_later(row)
            for row in rewrite(shop.orders, lambda row: counts(row, "placed_at"), other_order, after + again)
        ],
        rewrite(shop.order_lines, sees_line, lambda row: row | {"quantity": 1e3, "unit_price": 77.0}, lines),
        rewrite(
            shop.items,
            known,
            lambda row: row | {"category": "a-new-kind"},
            [{"item_id": "a-new-thing", "category": "a"}],
        ),
        rewrite(shop.customers, known, lambda row: row | {"region": "a-far"}, []),
        rewrite(
            shop.interactions,
            lambda row: counts(row, "occurred_at"),
            lambda row: row | {"kind": "cart"},
            [row | {"known_at": None} for row in visits],
        ),
    )


@pytest.fixture(params=range(3))
def worlds(request: pytest.FixtureRequest) -> tuple[Customers, Customers]:
    """A shop, and the same with another future."""
    shop = made_up(np.random.default_rng(request.param))
    other = rewritten(shop, np.random.default_rng(100 + request.param))
    return customers_of(shop, OPTIONS), customers_of(other, OPTIONS)


def named(codes: np.ndarray, names: np.ndarray) -> list[str]:
    """Codes as names: codes themselves may depend on which names come later."""
    return np.append(names, "")[codes].tolist()


def looks(customers: Customers, seen: Snapshot, cases: Cases) -> dict[str, Any]:
    """All that cases see, in a form that can be compared between worlds."""
    return {
        "who": customers.events.entities[cases.entity].tolist(),
        "cutoff": cases.cutoff.tolist(),
        "features": (seen.names, seen.features.tobytes()),
        "region": named(seen.region, customers.regions),
        "latest": seen.latest.columns.tobytes(),
        "mask": seen.latest.mask.tobytes(),
        "category": named(seen.latest.category, customers.events.categories["category"]),
    }


def test_the_worlds_differ(worlds: tuple[Customers, Customers]) -> None:
    mine, other = worlds
    assert len(other) > len(mine) and "a-far" in other.regions and "a-far" not in mine.regions
    assert len(mine.regions) == 3 and len(mine.events.categories["category"]) == 3
    future = eligible(mine, EARLIER[-1:] + 5 * DAY, 30), eligible(other, EARLIER[-1:] + 5 * DAY, 30)
    assert len(future[0]) != len(future[1])


def test_snapshots_at_every_earlier_cutoff(worlds: tuple[Customers, Customers]) -> None:
    found = []
    for customers in worlds:
        cases = eligible(customers, EARLIER, OPTIONS.active_days)
        found.append(looks(customers, snapshot(customers, cases, OPTIONS.features), cases))
    assert len(found[0]["who"]) > 80
    for name, mine in found[0].items():
        assert found[1][name] == mine, name


def test_outcomes_as_known_then(worlds: tuple[Customers, Customers]) -> None:
    found = []
    for customers in worlds:
        cases = eligible(customers, EARLIER, OPTIONS.active_days)
        became = outcomes(customers, cases, EARLIER[-1])
        found.append((became.days.tobytes(), became.bought.tobytes(), became.watched.tobytes()))
        assert became.bought.any() and (became.watched > OPTIONS.horizon_days).any()
    assert found[0] == found[1]


def test_folds(worlds: tuple[Customers, Customers], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folds_module, "LEAST_ELIGIBLE", 10)
    found = [
        [
            (fold.fit_until, fold.cases.cutoff.tolist(), customers.events.entities[fold.cases.entity].tolist())
            for fold in folds(customers, OPTIONS, EARLIER[-1])
        ]
        for customers in worlds
    ]
    assert len(found[0]) == 3 and found[0] == found[1]


def test_rows_of_every_baseline(worlds: tuple[Customers, Customers]) -> None:
    """From the sources to the published rows; the contract suite does the same with the model."""
    found = []
    for customers in worlds:
        cases = eligible(customers, EARLIER[-1:], OPTIONS.active_days)
        rivals = baselines(customers, OPTIONS, EARLIER[-1])
        found.append(
            {
                name: rows(customers, OPTIONS, cases, rival.predict(customers, cases))["churn_risks"].to_pylist()
                for name, rival in rivals.items()
            }
        )
    assert found[0].keys() == found[1].keys()
    for name, mine in found[0].items():
        assert found[1][name] == mine, name
