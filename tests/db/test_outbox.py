"""The outbox: every delivery is taken by one worker at a time, until one of them says that it arrived."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from watched_customers import CRM, FILE, SULKS, Mood, Nights, day

from db import alerts
from db.alert_ledgers import ledger_table
from db.engines import open_warehouse
from db.outbox import Delivery, delivered, delivery_id, failed, give_back, of_run, pending, revive, take
from db.tables import ALERT_DELIVERIES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def nights(house_alone) -> Nights:
    return Nights(house_alone, channels=(CRM, FILE))


def later(warehouse, seconds: float, *columns: str) -> None:
    """As if so many seconds had passed for these instants of every delivery."""
    with warehouse.writing() as connection:
        for row in connection.execute(sa.select(ALERT_DELIVERIES)).mappings().all():
            moved = {name: row[name] - timedelta(seconds=seconds) for name in columns if row[name] is not None}
            this = sa.update(ALERT_DELIVERIES).where(ALERT_DELIVERIES.c.delivery_id == row["delivery_id"])
            if moved:
                connection.execute(this.values(**moved))


def names(deliveries: list[Delivery]) -> list[str]:
    return sorted(one.payload["shopper"] for one in deliveries)


def test_a_delivery_says_all_that_a_receiver_needs(nights):
    nights.publish(0, {"a": Mood("high", 12.5)})
    (alert,) = nights.alerts("alert_id", "run_id", "raised_at")
    (one,) = take(nights.warehouse, "crm")
    assert one.delivery_id == delivery_id(alert[0], "crm", "raised") != delivery_id(alert[0], "file", "raised")
    assert (one.ledger, one.alert_id, one.task, one.run_id) == ("sulks", alert[0], "sulking", alert[1])
    assert (one.as_of, one.created_at, one.channel, one.event, one.attempts) == (day(0), alert[2], "crm", "raised", 0)
    assert one.payload == {
        "alert_id": alert[0],
        "task": "sulking",
        "run_id": alert[1],
        "shopper": "a",
        "raised_at": alert[2].isoformat().replace("+00:00", "Z"),
        "as_of": "2026-03-01T00:00:00Z",
        "mood": "high",
        "worth": 12.5,
        "why": [{"text": "quiet"}],
        "state": "open",
        "delivered_at": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "closed_at": None,
        "closed_because": None,
    }


def test_each_channel_hears_what_it_wants(nights):
    nights.publish(0, {"a": "high", "b": "high", "c": "low"})
    nights.publish(1, {"a": Mood("low", bought=0.5), "c": "medium"})
    house = nights.warehouse
    assert {name: one.pending for name, one in pending(house).items()} == {"crm": 5, "file": 3}
    first = take(house, "crm")
    assert [one.event for one in first] == ["raised"] * 3
    delivered(house, first)
    told = {one.payload["shopper"]: one for one in take(house, "crm")}
    assert {name: (one.event, one.payload["closed_because"]) for name, one in told.items()} == {
        "a": ("closed", "settled"),
        "b": ("closed", "lapsed"),
    }
    assert told["a"].run_id != told["a"].payload["run_id"], "the run that closed it, and the one that raised it"
    assert (told["a"].as_of, told["a"].payload["as_of"]) == (day(1), "2026-03-01T00:00:00Z")
    assert take(house, "nobody") == []


def test_what_one_worker_has_no_other_gets(nights):
    nights.publish(0, dict.fromkeys("abcde", "high"))
    house = nights.warehouse
    mine, yours = take(house, "crm", "me", limit=3), take(house, "crm", "you", limit=3)
    assert (len(mine), len(yours)) == (3, 2) and names(mine + yours) == list("abcde")
    assert take(house, "crm", "me") == []
    give_back(house, mine[:1])
    give_back(house, [Delivery(**{**vars(yours[0]), "worker": "me"})])  # not mine to give
    assert [one.delivery_id for one in take(house, "crm", "you")] == [mine[0].delivery_id]


def test_a_lease_that_ran_out_is_nobodys(nights):
    nights.publish(0, {"a": "high"})
    house = nights.warehouse
    (mine,) = take(house, "crm", "me", lease_seconds=60)
    later(house, 59, "leased_until")
    assert take(house, "crm", "you") == []
    later(house, 2, "leased_until")
    (yours,) = take(house, "crm", "you")
    assert (yours.delivery_id, yours.payload) == (mine.delivery_id, mine.payload)
    failed(house, [mine], "too late to say so", None)
    assert pending(house)["crm"].given_up == 0
    delivered(house, [mine])  # it did arrive, whoever has it now
    failed(house, [yours], "the receiver knows it already", 1.0)
    assert "crm" not in pending(house)


def test_a_dead_workers_lease_is_freed_at_once(nights, warehouse_url):
    nights.publish(0, {"a": "high", "b": "high"})
    code = f"""
        import os, signal
        from db import outbox
        from db.engines import open_warehouse
        assert len(outbox.take(open_warehouse({warehouse_url!r}), "crm")) == 2
        os.kill(os.getpid(), signal.SIGKILL)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, cwd=ROOT, env=dict(os.environ))
    assert ended.returncode == -9
    assert names(take(nights.warehouse, "crm")) == ["a", "b"]
    assert take(nights.warehouse, "crm", "somebody else") == [], "this process lives"


def test_workers_side_by_side_take_each_delivery_once(nights, warehouse_url):
    nights.publish(0, {f"c{n:03}": "high" for n in range(60)})
    taken: list[str] = []

    def work(name: str) -> None:
        own = open_warehouse(warehouse_url)
        while batch := take(own, "crm", name, limit=7):
            taken.extend(one.delivery_id for one in batch)
            delivered(own, batch)
        own.close()

    workers = [threading.Thread(target=work, args=(f"worker {n}",)) for n in range(4)]
    [one.start() for one in workers]
    [one.join() for one in workers]
    assert len(taken) == len(set(taken)) == 60
    assert set(pending(nights.warehouse)) == {"file"}


def test_an_alert_is_delivered_once_every_channel_has_it(nights):
    nights.publish(0, {"a": "high", "b": "high"})
    house = nights.warehouse
    delivered(house, take(house, "crm"))
    assert nights.alerts("state") == ["open", "open"]
    alerts.acknowledge(house, SULKS, nights.alerts("alert_id")[1:], "Ann")
    files = take(house, "file")
    delivered(house, files)
    assert nights.alerts("state") == ["delivered", "acknowledged"]
    when = nights.alerts("delivered_at")
    assert None not in when
    delivered(house, files)
    assert (nights.alerts("delivered_at"), pending(house)) == (when, {})
    with house.reading() as connection:
        assert set(connection.scalars(sa.select(ALERT_DELIVERIES.c.attempts))) == {1}


def test_a_failure_waits_and_an_alert_given_up_stays_open(nights):
    nights.publish(0, {"a": "high"})
    house = nights.warehouse
    delivered(house, take(house, "file"))
    failed(house, take(house, "crm"), "answered\n 503", 600.0)
    assert take(house, "crm") == []
    backlog = pending(house)["crm"]
    assert (backlog.pending, backlog.given_up, backlog.last_error) == (1, 0, "answered 503")
    assert timedelta(seconds=590) < backlog.next_attempt_at - backlog.oldest < timedelta(seconds=700)
    later(house, 601, "next_attempt_at")
    (again,) = take(house, "crm")
    assert again.attempts == 1
    failed(house, [again], "answered 410", None)
    later(house, 10_000, "next_attempt_at")
    assert take(house, "crm") == []
    backlog = pending(house)["crm"]
    assert (backlog.pending, backlog.given_up, backlog.oldest, backlog.last_error) == (0, 1, None, "answered 410")
    assert nights.alerts("state") == ["open"], "somebody was never told"

    assert revive(house, "crm") == 1
    (revived,) = take(house, "crm")
    assert (revived.delivery_id, revived.attempts) == (again.delivery_id, 0)
    delivered(house, [revived])
    assert nights.alerts("state") == ["delivered"]


def test_that_an_alert_is_closed_never_overtakes_that_it_was_raised(nights):
    nights.publish(0, {"a": "high"})
    nights.publish(1, {"a": Mood("low", bought=0.5)})
    house = nights.warehouse
    (raised,) = take(house, "crm")
    assert (raised.event, take(house, "crm", "you")) == ("raised", [])
    failed(house, [raised], "no answer", 3600.0)
    assert take(house, "crm") == []
    later(house, 3601, "next_attempt_at")
    failed(house, take(house, "crm"), "no answer", None)
    assert [one.event for one in take(house, "crm")] == ["closed"], "once that was given up, nothing holds it back"


def test_a_file_is_written_from_all_of_a_runs_deliveries(nights):
    nights.publish(0, {"a": "high", "b": "high"})
    nights.publish(1, {"a": "high", "b": "high", "c": "high"})
    house = nights.warehouse
    first, *_, last = nights.alerts("run_id")
    delivered(house, take(house, "file", limit=1))
    take(house, "file", limit=1)
    assert [names(of_run(house, "file", run_id)) for run_id in (first, last)] == [["a", "b"], ["c"]]
    assert of_run(house, "crm", "unknown") == []


def test_no_channel_no_deliveries(nights):
    nights.channels = ()
    nights.publish(0, {"a": "high"})
    assert (nights.alerts("state"), pending(nights.warehouse)) == (["open"], {})


def test_raising_twice_leaves_what_was_told(nights):
    """The same night forced again: neither another alert nor another delivery under any key."""
    nights.publish(0, {"a": "low"})
    nights.publish(1, {"a": "high"})
    delivered(nights.warehouse, take(nights.warehouse, "crm"))
    nights.publish(1, {"a": "low"}, force=True)
    nights.publish(1, {"a": "high"}, force=True)
    with nights.warehouse.reading() as connection:
        states = connection.execute(sa.select(ALERT_DELIVERIES.c.channel, ALERT_DELIVERIES.c.state))
        assert sorted(map(tuple, states)) == [("crm", "delivered"), ("file", "pending")]
        assert connection.scalar(sa.select(sa.func.count()).select_from(ledger_table(SULKS))) == 1


def test_what_was_delivered_long_ago_costs_nobody_anything(nights):
    """Neither who asks what is due nor who counts what waits reads it: both have their index."""
    nights.publish(0, {"a": "high"})
    statements: list[tuple[str, object]] = []
    house = nights.warehouse

    def note(connection, cursor, statement, parameters, context, many) -> None:
        if "alert_deliveries" in statement and statement.lower().startswith("select"):
            statements.append((statement, parameters))

    sa.event.listen(house.engine, "before_cursor_execute", note)
    pending(house)
    take(house, "crm")
    sa.event.remove(house.engine, "before_cursor_execute", note)
    plans = []
    with house.reading() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.DDL("set local enable_seqscan = off"))
        explain = "explain" if connection.dialect.name == "postgresql" else "explain query plan"
        for statement, parameters in statements:
            rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
            plans.append("\n".join(str(tuple(row)) for row in rows))
    assert len(plans) == 5
    assert all("alert_deliveries_unsettled" in plan for plan in plans[:2]), plans
    assert "alert_deliveries_due" in plans[3]
