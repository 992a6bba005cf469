"""Claims: one runs, the others are told; the dead are replaced, and cannot come back."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from db import claims, owners, runs
from db.claims import claim
from db.engines import open_warehouse
from db.tables import CLAIMS
from forecasting.schema import ClaimLost, ExitCode, SlotTaken

SLOT = datetime(2026, 3, 1, 2, tzinfo=UTC)
ELSEWHERE = "far/boot/pid:[1]/7/100"


def lease_ends(warehouse) -> datetime:
    with warehouse.reading() as connection:
        return connection.scalar(sa.select(CLAIMS.c.lease_expires_at))


def test_a_slot_is_claimed_once(warehouse):
    mine = claim(warehouse, "demand", SLOT)
    with pytest.raises(SlotTaken, match="is running: process") as caught:
        claim(warehouse, "demand", SLOT)
    assert caught.value.exit_code == ExitCode.SLOT_TAKEN
    with pytest.raises(SlotTaken, match="is running"):
        claim(warehouse, "demand", SLOT, force=True)
    mine.release("done")
    with pytest.raises(SlotTaken, match="is done"):
        claim(warehouse, "demand", SLOT)
    assert claim(warehouse, "demand", SLOT, force=True).fence == mine.fence + 1


def test_slots_and_tasks_are_apart(warehouse):
    claim(warehouse, "demand", SLOT)
    assert claim(warehouse, "demand", SLOT + timedelta(days=1)).fence == 2
    assert claim(warehouse, "weekly", SLOT).fence == 1
    with pytest.raises(SlotTaken):  # the same instant, said in another zone
        claim(warehouse, "demand", datetime.fromisoformat("2026-03-01T05:00:00+03:00"))


def test_a_failed_slot_is_free_at_once(warehouse):
    claim(warehouse, "demand", SLOT).release("failed")
    assert claim(warehouse, "demand", SLOT).fence == 2


def test_of_many_one_wins(warehouse_url, warehouse):
    won: list[int] = []
    refused: list[str] = []
    start = threading.Barrier(6)

    def try_it() -> None:
        own = open_warehouse(warehouse_url)
        start.wait()
        try:
            won.append(claim(own, "demand", SLOT).fence)
        except SlotTaken as error:
            refused.append(error.message)
        own.close()

    threads = [threading.Thread(target=try_it) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert (won, len(refused)) == ([1], 5)


def test_an_expired_lease_is_taken_over_and_its_holder_shut_out(warehouse):
    old = claim(warehouse, "demand", SLOT, owner=ELSEWHERE, lease_seconds=0.3)
    old_run = runs.start(warehouse, old, as_of=SLOT, trigger="test")
    with pytest.raises(SlotTaken):
        claim(warehouse, "demand", SLOT)
    time.sleep(0.4)
    new = claim(warehouse, "demand", SLOT)
    assert new.fence == old.fence + 1
    assert runs.get(warehouse, old_run).state == "abandoned"
    with pytest.raises(ClaimLost):
        old.renew()
    with pytest.raises(ClaimLost):
        old.check()
    with pytest.raises(ClaimLost):
        runs.start(warehouse, old, as_of=SLOT, trigger="test")
    old.release("done")
    runs.fail(warehouse, old, old_run, "too late", exit_code=1)
    with pytest.raises(SlotTaken, match="is running"):
        claim(warehouse, "demand", SLOT)
    assert runs.get(warehouse, old_run).state == "abandoned"


def test_the_heartbeat_keeps_a_claim_alive(warehouse):
    mine = claim(warehouse, "demand", SLOT, owner=ELSEWHERE, lease_seconds=1)
    with mine.heartbeat():
        before = lease_ends(warehouse)
        time.sleep(1.5)
        with pytest.raises(SlotTaken, match="is running"):
            claim(warehouse, "demand", SLOT)
        assert lease_ends(warehouse) > before + timedelta(seconds=1)
    mine.check()


def test_the_heartbeat_notices_a_takeover(warehouse):
    mine = claim(warehouse, "demand", SLOT, lease_seconds=0.2)
    with warehouse.writing() as connection:
        connection.execute(sa.update(CLAIMS).values(fence=99))
    with mine.heartbeat():
        time.sleep(0.5)
        with pytest.raises(ClaimLost, match="taken over"):
            mine.check()


def test_the_databases_clock_decides(warehouse, monkeypatch):
    class Wrong(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2001, 1, 1, tzinfo=tz)

    monkeypatch.setattr(claims, "datetime", Wrong)
    claim(warehouse, "demand", SLOT, lease_seconds=60)
    assert timedelta(seconds=50) < lease_ends(warehouse) - datetime.now(UTC) <= timedelta(seconds=61)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other kernels are asked by lease alone")
def test_a_process_that_died_here_is_replaced_at_once(warehouse, warehouse_url):
    code = f"""
        import os, signal
        from datetime import datetime
        from db.claims import claim
        from db.engines import open_warehouse
        claim(open_warehouse({warehouse_url!r}), "demand", datetime.fromisoformat({SLOT.isoformat()!r}))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    while child.poll() is None:
        time.sleep(0.02)
    assert child.returncode == -9
    assert claim(warehouse, "demand", SLOT).fence == 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_who_is_dead_for_certain():
    mine = owners.this_process()
    assert not owners.is_dead(mine)
    place = mine.rsplit("/", 2)[0]
    assert owners.is_dead(f"{place}/{2**22 + 1}/5")  # no such process
    assert owners.is_dead(f"{mine}0")  # its number was given to another
    assert not owners.is_dead(f"{ELSEWHERE}")  # another machine: nobody knows
    assert not owners.is_dead("a name of the user's own")
    zombie = subprocess.Popen([sys.executable, "-c", "pass"])
    time.sleep(0.5)
    assert owners.is_dead(f"{place}/{zombie.pid}/5")
    zombie.wait()
