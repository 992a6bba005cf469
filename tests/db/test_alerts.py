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
    nights.publish(0, {"a": "high", "b": "high", "c": "high", "d": "high"})
    later = {"a": Mood("low", bought=0.0), "b": "low", "d": Mood("low", bought=-0.001)}
    assert nights.publish(1, later) == Raised(settled=2, lapsed=1)
    assert nights.alerts("shopper", "state", "closed_because") == [
        ("a", "closed", "settled"),
        ("b", "open", None),
        ("c", "closed", "lapsed"),
        ("d", "closed", "settled"),  # bought before the alert, which reached the warehouse after it
    ]
    closed_at, *_ = nights.alerts("closed_at")
    assert closed_at == publishing.publications(nights.warehouse)["sulking"].published_at


def test_a_purchase_that_an_alert_knew_of_does_not_close_it(nights):
    """It was raised after the purchase of day 4; the pointer then moved back before it, and forward again."""
    nights.publish(0, {"a": "low"})
    nights.publish(5, {"a": Mood("high", bought=4.0)})
    nights.publish(1, {"a": "low"}, force=True)
    assert nights.publish(6, {"a": Mood("high", bought=4.0)}) == Raised()
    assert nights.publish(7, {"a": Mood("high", bought=4.5)}) == Raised(settled=1)


def test_what_the_pause_kept_quiet_is_raised_when_it_ends(nights):
    """Unless a person closed the alert with which it began."""
    low, high = Mood("low", bought=1.0), Mood("high", bought=1.0)
    nights.publish(0, {"a": "high", "b": "high"})
    hers, _ = nights.alerts("alert_id")
    nights.publish(2, {"a": low, "b": "low"})
    alerts.close(nights.warehouse, SULKS, nights.alerts("alert_id"), "Ann", lambda task: ())
    assert nights.alerts("closed_because") == ["settled", "by hand"]
    assert nights.publish(5, {"a": high, "b": "high"}) == Raised()
    assert nights.publish(9, {"a": high, "b": "high"}) == Raised()
    assert nights.publish(12, {"a": high, "b": "high"}) == Raised(raised=1)
    assert nights.publish(13, {"a": high, "b": "high"}) == Raised()
    assert nights.alerts("shopper", "as_of") == [("a", day(0)), ("a", day(12)), ("b", day(0))]
    assert hers == nights.alerts("alert_id")[0]


def test_who_buys_on_the_night_on_which_the_pause_ends_is_left_alone(nights):
    nights.publish(0, {"a": "high"})
    assert nights.publish(10, {"a": Mood("high", bought=9.5)}) == Raised(settled=1)
    assert nights.publish(11, {"a": Mood("high", bought=9.5)}) == Raised()


def test_value_that_grows_past_the_threshold_is_news(nights):
    nights.publish(0, {"a": Mood("high", 4.0), "b": Mood("medium", 4.0)})
    assert nights.publish(1, {"a": Mood("high", 6.0), "b": Mood("medium", 4.5)}).raised == 1
    assert nights.publish(2, {"a": Mood("high", 6.0), "b": Mood("medium", 5.0), "c": Mood("medium", 9.0)}).raised == 1
    assert nights.alerts("shopper") == ["a", "b"]


def test_the_first_night_raises_the_most_valuable_and_says_how_many_it_held_back(nights):
    nights.policy = AlertPolicy("medium", 10.0, 5.0, start_limit=2)
    first = {"a": Mood("high", 10.0), "b": Mood("high", 30.0), "c": Mood("high", 20.0), "d": Mood("high", 1.0)}
    assert nights.publish(0, first) == Raised(raised=2, held_back=1)
    assert nights.alerts("shopper") == ["b", "c"]
    worse = {name: Mood("high", 50.0) for name in "efgh"}
    assert nights.publish(1, first | dict.fromkeys("efgh", "low")) == Raised()
    assert nights.publish(2, first | worse) == Raised(raised=4), "on other nights nothing is held back"


@pytest.mark.parametrize("change", ["subject", "options"])
def test_customers_are_not_held_against_what_another_method_said_of_them(nights, change: str):
    """The night on which a baseline takes over for the model is a first night, and so is the one of its return."""
    nights.policy = AlertPolicy("medium", 10.0, 5.0, start_limit=1)
    nights.publish(0, dict.fromkeys("abcd", "low"))
    setattr(nights, change, {"subject": "baseline:recency", "options": {"high_from": 0.5}}[change])
    night = {"a": "medium", "b": Mood("high", 60.0), "c": "high", "d": "low"}
    assert nights.publish(1, night) == Raised(raised=1, held_back=1)
    assert nights.alerts("shopper", "mood") == [("c", "high")]
    assert nights.publish(2, night | {"d": "medium"}) == Raised(raised=1), "within one method all is as ever"
    setattr(nights, change, {"subject": "champion", "options": None}[change])
    assert nights.publish(3, dict.fromkeys("abcd", "medium")) == Raised()
    nights.subject = "model"
    assert nights.publish(4, dict.fromkeys("abcd", "high")).raised == 3, "model and champion are one method"


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


BY_THEMSELVES = ("settled", "lapsed")


def expected(
    ledger: list[dict],
    then: datetime | None,
    before: Mapping[str, Mood],
    now: Mapping[str, Mood],
    at: datetime,
    policy: AlertPolicy,
) -> None:
    """The rules again, one customer after the other, changing `ledger` in place."""
    pause, quiet = timedelta(days=policy.cooldown_days), [one for one in ledger if one["because"] in BY_THEMSELVES]
    for alert in (one for one in ledger if one["because"] is None):
        mood = now.get(alert["shopper"])
        if mood is None:
            alert["because"] = "lapsed"
        elif day(mood.bought) >= alert["as_of"] or mood.bought > before[alert["shopper"]].bought:
            alert["because"] = "settled"
    for shopper, mood in now.items():
        level = BANDS.index(mood.mood)
        was = BANDS.index(before[shopper].mood) if shopper in before else 1
        if shopper in before and (before[shopper].worth or 0.0) < policy.least_value:
            was = 0
        cooled = any(
            one["shopper"] == shopper and BANDS.index(one["mood"]) >= level and then < one["as_of"] + pause <= at
            for one in quiet
        )
        worth = mood.worth or 0.0
        if not (level > was or cooled) or level < BANDS.index(policy.raise_from) or worth < policy.least_value:
            continue
        mine = [one for one in ledger if one["shopper"] == shopper]
        if any(
            BANDS.index(one["mood"]) >= level and (one["because"] is None or at - one["as_of"] < pause) for one in mine
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
    then, before, bought, at = None, {}, {f"c{n:02}": -1.0 for n in range(25)}, 0.0
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
        expected(ledger, then, before, moods, day(at), nights.policy)
        then, before = day(at), moods
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
