"""When alerts are raised and closed: with the publication or not at all, once for each turn for the worse."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from watched_customers import BANDS, CRM, FILE, MOODS, POLICY, SULKS, Mood, Nights, day

from db import alerts, outbox, publishing, runs
from db.alert_ledgers import current_alerts, ledger_table
from db.claims import claim
from db.raising import Raised, alert_id, raise_alerts
from forecasting.schema import AlertLedger, AlertPolicy, Column, ConfigurationError, Kind


@pytest.fixture
def nights(house_alone) -> Nights:
    return Nights(house_alone)


def test_on_the_first_night_only_the_worst_are_raised(nights):
    assert nights.publish(0, {"a": "low", "b": "medium", "c": "high"}) == Raised(raised=1)
    assert nights.alerts("shopper", "mood", "state", "as_of", "worth", "why") == [
        ("c", "high", "open", day(0), 100.0, [{"text": "quiet"}])
    ]
    assert nights.alerts("alert_id") == [alert_id("sulks", "sulking", "c", day(0), "high")]


def test_an_alert_is_raised_when_it_gets_worse_not_while_it_stays_bad(nights):
    nights.publish(0, {"a": "low", "b": "low"})
    assert nights.publish(1, {"a": "medium", "b": "low"}).raised == 1
    assert nights.publish(2, {"a": "medium", "b": "low"}) == Raised()
    assert nights.publish(3, {"a": "high", "b": "low"}) == Raised(raised=1, superseded=1)
    assert nights.publish(4, {"a": "low", "b": "low"}) == Raised()
    assert nights.publish(40, {"a": "high", "b": "low"}) == Raised(), "the alert of day 3 is still open"
    assert nights.alerts("mood", "state", "closed_because") == [
        ("medium", "closed", "superseded"),
        ("high", "open", None),
    ]


def test_an_alert_closes_when_the_customer_buys_and_when_they_are_no_longer_watched(nights):
    nights.publish(0, {"a": "high", "b": "high", "c": "high"})
    later = {"a": Mood("low", bought=0.0), "b": Mood("low", bought=-0.001)}
    assert nights.publish(1, later) == Raised(settled=1, lapsed=1)
    assert nights.alerts("shopper", "state", "closed_because") == [
        ("a", "closed", "settled"),
        ("b", "open", None),
        ("c", "closed", "lapsed"),
    ]
    closed_at, *_ = nights.alerts("closed_at")
    assert closed_at == publishing.publications(nights.warehouse)["sulking"].published_at


def test_after_an_alert_comes_a_pause_but_not_for_worse_news(nights):
    nights.publish(0, {"a": "low", "b": "low"})
    nights.publish(1, {"a": "medium", "b": "medium"})
    nights.publish(2, {"a": Mood("low", bought=1.5), "b": Mood("low", bought=1.5)})
    assert nights.publish(5, {"a": Mood("medium", bought=1.5), "b": Mood("high", bought=1.5)}) == Raised(raised=1)
    nights.publish(6, {"a": Mood("low", bought=1.5), "b": Mood("low", bought=5.5)})
    # Ten days after day 1 the pause about a is over to the instant; that about b began on day 5.
    assert nights.publish(11, {"a": Mood("medium", bought=1.5), "b": Mood("medium", bought=5.5)}).raised == 1
    assert nights.alerts("shopper", "mood", "as_of") == [
        ("a", "medium", day(1)),
        ("a", "medium", day(11)),
        ("b", "medium", day(1)),
        ("b", "high", day(5)),
    ]


def test_little_value_is_worth_no_alert(nights):
    nights.publish(0, {"a": Mood("high", 4.99), "b": Mood("high", 5.0), "c": Mood("high", None)})
    assert nights.alerts("shopper") == ["b"]
    free = Nights(nights.warehouse, task="all", policy=AlertPolicy("high"))
    free.publish(0, {"a": Mood("high", 4.99), "c": Mood("high", None)})
    assert free.alerts("shopper") == ["a", "c"]


def test_milder_levels_than_asked_for_raise_nothing(nights):
    nights.policy = AlertPolicy("high")
    nights.publish(0, {"a": "low"})
    assert nights.publish(1, {"a": "medium"}) == Raised()
    assert nights.publish(2, {"a": "high"}).raised == 1


def test_nothing_is_raised_where_the_pointer_stays_or_moves_back(nights):
    nights.publish(5, {"a": "high", "b": "low"})
    assert nights.publish(1, {"a": "high", "b": "high"}) is None
    assert nights.publish(1, {"b": Mood("high", bought=9.0)}, force=True) == Raised(), "a is not even lapsed"
    assert nights.publish(6, {"a": "high", "b": "high"}) == Raised(), "the forced rows had b as high already"
    assert nights.alerts("shopper", "state") == [("a", "open")]


def test_the_same_night_again_raises_no_alert_twice(nights):
    nights.policy = AlertPolicy("medium")
    nights.publish(0, {"a": "low"})
    nights.publish(1, {"a": "high"})
    alerts.close(nights.warehouse, SULKS, nights.alerts("alert_id"), "Ann", lambda task: ())
    nights.publish(1, {"a": "low"}, force=True)
    assert nights.publish(1, {"a": "high"}, force=True) == Raised()
    assert nights.alerts("state") == ["closed"]
    nights.publish(2, {"a": "low"})
    assert nights.publish(3, {"a": "high"}).raised == 1, "without a cooldown, the next turn is news again"


def test_tasks_that_share_a_ledger_do_not_meet(nights):
    other = Nights(nights.warehouse, task="elsewhere")
    nights.publish(0, {"a": "high"})
    assert other.publish(0, {"a": "high"}).raised == 1
    assert nights.publish(1, {"b": "low"}).lapsed == 1
    assert other.alerts("state") == ["open"]
    assert nights.alerts("alert_id") != other.alerts("alert_id")


def test_a_publication_whose_alerts_fail_is_none(nights):
    nights.publish(0, {"a": "low"})

    def fail(connection, move) -> None:
        raise_alerts(connection, SULKS, MOODS, POLICY, (CRM,), move)
        raise RuntimeError("the plug is pulled")

    mine = claim(nights.warehouse, "sulking", day(1))
    run_id = runs.start(nights.warehouse, mine, as_of=day(1), trigger="test")
    rows = {"shopper": ["a"], "mood": ["high"], "worth": [9.0], "bought_at": [day(0)], "why": ["[]"]}
    publishing.stage(nights.warehouse, mine, run_id, MOODS, pa.table(rows))
    with pytest.raises(RuntimeError):
        publishing.publish(nights.warehouse, mine, run_id, publishing.Outcome(1, "model"), then=fail)
    assert publishing.publications(nights.warehouse)["sulking"].as_of == day(0)
    assert nights.alerts("alert_id") == []
    assert outbox.pending(nights.warehouse) == {}


def test_the_view_shows_what_is_not_closed(nights):
    nights.publish(0, {"a": "high", "b": "high"})
    nights.publish(1, {"a": Mood("low", bought=0.5), "b": "high"})
    with nights.warehouse.reading() as connection:
        rows = connection.execute(sa.select(current_alerts(SULKS))).mappings().all()
    assert [(row["task"], row["shopper"], row["state"], row["raised_at"].tzinfo) for row in rows] == [
        ("sulking", "b", "open", rows[0]["as_of"].tzinfo)
    ]


def test_the_database_itself_refuses_a_second_open_alert(nights):
    nights.publish(0, {"a": "high"})
    table = ledger_table(SULKS)
    with nights.warehouse.reading() as connection:
        row = dict(connection.execute(sa.select(table)).mappings().one())
    with pytest.raises(sa.exc.IntegrityError), nights.warehouse.writing() as connection:
        connection.execute(sa.insert(table).values({**row, "alert_id": "another"}))


def test_acknowledging_and_closing_by_hand_change_an_alert_once(nights):
    nights.channels = (CRM, FILE)
    nights.publish(0, {"a": "high", "b": "high"})
    first, second = nights.alerts("alert_id")
    house = nights.warehouse
    assert [one["acknowledged_by"] for one in alerts.acknowledge(house, SULKS, [first], "Ann")] == ["Ann"]
    assert alerts.acknowledge(house, SULKS, [first], "Bob") == []
    assert alerts.by_entity(house, SULKS, ["a"])[0]["acknowledged_by"] == "Ann"
    closed = alerts.close(house, SULKS, [first, second], "Bob", lambda task: nights.channels)
    assert {one["shopper"]: one["acknowledged_by"] for one in closed} == {"a": "Ann", "b": "Bob"}
    assert alerts.close(house, SULKS, [first, second], "Eve", lambda task: nights.channels) == []
    assert alerts.acknowledge(house, SULKS, [first], "Eve") == []
    assert nights.alerts("state", "closed_because") == [("closed", "by hand")] * 2
    outbox.delivered(house, outbox.take(house, "crm"))  # that they were raised
    told = outbox.take(house, "crm")
    assert [(one.event, one.payload["closed_because"]) for one in told] == [("closed", "by hand")] * 2
    assert {one.run_id for one in told} == set(nights.alerts("run_id"))
    assert nights.publish(1, {"a": "high", "b": "high"}) == Raised(), "a hand does not make it news"


def test_what_is_listed(nights):
    nights.publish(0, {"a": Mood("high", 10.0), "b": Mood("high", 30.0), "c": Mood("low", 50.0)})
    nights.publish(1, {"a": Mood("high", 10.0), "b": Mood("high", 30.0), "c": Mood("medium", 50.0), "d": Mood("high")})
    house, every = nights.warehouse, ("open", "delivered", "acknowledged")
    assert [one["shopper"] for one in alerts.listed(house, SULKS, states=every)] == ["d", "c", "b", "a"]
    assert [one["shopper"] for one in alerts.listed(house, SULKS, states=every, limit=1)] == ["d"]
    assert alerts.count(house, SULKS, states=every, task="sulking") == 4
    assert alerts.listed(house, SULKS, states=("closed",)) == alerts.listed(house, SULKS, states=every, task="x") == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"copied": (Column("state", Kind.TEXT),)}, "two columns 'state'"),
        ({"levels": ("bad",)}, "fewer than two levels"),
    ],
)
def test_declarations_that_cannot_be_ledgers(changes, says: str):
    given = {name: getattr(SULKS, name) for name in SULKS.__dataclass_fields__}
    with pytest.raises(ConfigurationError, match=says):
        ledger_table(AlertLedger(**{**given, **changes}))


def expected(
    ledger: list[dict], before: Mapping[str, Mood] | None, now: Mapping[str, Mood], at: datetime, policy: AlertPolicy
) -> None:
    """The rules again, one customer after the other, changing `ledger` in place."""
    for alert in (one for one in ledger if one["because"] is None):
        mood = now.get(alert["shopper"])
        if mood is None:
            alert["because"] = "lapsed"
        elif day(mood.bought) >= alert["as_of"]:
            alert["because"] = "settled"
    for shopper, mood in now.items():
        level = BANDS.index(mood.mood)
        was = BANDS.index(before[shopper].mood) if before and shopper in before else 1
        worth = mood.worth or 0.0
        if level <= was or level < BANDS.index(policy.raise_from) or worth < policy.least_value:
            continue
        mine = [one for one in ledger if one["shopper"] == shopper]
        if any(
            BANDS.index(one["mood"]) >= level
            and (one["because"] is None or at - one["as_of"] < timedelta(days=policy.cooldown_days))
            for one in mine
        ):
            continue
        for one in (one for one in mine if one["because"] is None):
            one["because"] = "superseded"
        ledger.append({"shopper": shopper, "mood": mood.mood, "as_of": at, "because": None})


@pytest.mark.parametrize("seed", range(2))
def test_many_nights_agree_with_the_rules_applied_by_hand(nights, seed: int):
    random_ = random.Random(seed)
    nights.policy = AlertPolicy(random_.choice(["medium", "high"]), random_.choice([0.0, 3.0, 8.5]), 5.0)
    ledger: list[dict] = []
    before, bought, at = None, {f"c{n:02}": -1.0 for n in range(25)}, 0.0
    for _ in range(10):
        at += random_.choice([1.0, 1.0, 2.5])
        moods = {}
        for shopper in bought:
            if random_.random() < 0.15:
                bought[shopper] = at - random_.choice([0.0, 0.25, 1.0])
            if random_.random() < 0.9:
                worth = random_.choice([None, 4.0, 5.0, 60.0, 60.0])
                moods[shopper] = Mood(random_.choice(BANDS), worth, bought[shopper])
        nights.publish(at, moods)
        expected(ledger, before, moods, day(at), nights.policy)
        before = moods
        found = nights.alerts("shopper", "mood", "as_of", "closed_because")
        wanted = [(one["shopper"], one["mood"], one["as_of"], one["because"]) for one in ledger]
        assert sorted(found, key=str) == sorted(wanted, key=str)
    assert len(ledger) > 20


def many(size: int, high: int) -> pa.Table:
    """Rows of `size` customers, `high` of them high and the rest low."""
    return pa.table(
        {
            "shopper": [f"c{n:06}" for n in range(size)],
            "mood": np.where(np.arange(size) < high, "high", "low"),
            "worth": np.full(size, 50.0),
            "bought_at": pa.array([day(-20)] * size, pa.timestamp("us", "UTC")),
            "why": ['[{"text": "bought once, 120 days ago"}]'] * size,
        }
    )


def test_the_work_grows_with_what_is_raised_not_with_all_that_was(nights):
    """A thousand alerts among ten thousand rows, with three channels told of each, are a matter of a second."""
    nights.channels = (CRM, FILE, outbox.ChannelInterest("mail"))
    nights.publish_table(0, many(10_000, 0))
    before = time.process_time()
    assert nights.publish_table(1, many(10_000, 1_000)).raised == 1_000
    assert nights.publish_table(2, many(10_000, 1_000)) == Raised()
    assert time.process_time() - before < 8
    assert {name: one.pending for name, one in outbox.pending(nights.warehouse).items()} == {
        "crm": 1_000,
        "file": 1_000,
        "mail": 1_000,
    }
