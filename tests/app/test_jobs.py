"""One slot of one job: what the ledger says of each way in which it may end."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import idle_shop
import pytest
from program import Program
from shell import Shell

from db import claims, job_runs
from db.engines import Warehouse, open_warehouse
from db.job_runs import JobRun
from forecasting.app import reporting, runner

SLOT = datetime(2024, 5, 1, 2, tzinfo=UTC)
AT = SLOT.isoformat()
JOBS = """
[jobs.night]
task = "idle"
cron = "0 2 * * *"
[jobs.short]
task = "idle"
every = "1h"
timeout_minutes = 0.003
[jobs.pages]
report = "all"
after = ["night"]
[jobs.mail]
alerts = true
every = "15m"
"""


@pytest.fixture
def shell(program: Program, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The shop that counts orders, and its jobs."""
    return Shell(idle_shop.create(program, monkeypatch, settings=JOBS))


@pytest.fixture
def once(program: Program) -> None:
    """For what has to do with no database in particular."""
    if not program.url.startswith("sqlite"):
        pytest.skip("once will do")


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    """What the program works on."""
    opened = open_warehouse(warehouse_url)
    yield opened
    opened.close()


def rows(warehouse: Warehouse, job: str) -> list[JobRun]:
    """The ledger, oldest first."""
    return job_runs.latest(warehouse, job)[::-1]


def states(warehouse: Warehouse, job: str) -> list[tuple[str, int | None]]:
    """State and exit code of each attempt."""
    return [(row.state, row.exit_code) for row in rows(warehouse, job)]


def test_a_slot_is_done_once(shell: Shell, warehouse: Warehouse) -> None:
    found = shell.document("run", "--job", "night", "--slot", AT)
    assert (found["job"], found["slot"], found["attempt"]) == ("night", "2024-05-01T02:00:00Z", 1)
    assert found["runs"][0]["as_of"] == "2024-05-01T02:00:00Z"
    assert "job 'night'" in shell.document("run", "--job", "night", "--slot", AT, code=5)["error"]["message"]
    assert states(warehouse, "night") == [("done", 0)]
    shell("run", "--job", "night", "--slot", AT, "--force")
    assert states(warehouse, "night") == [("done", 0), ("done", 0)]
    shell("run", "--job", "night", "--slot", "2024-05-02T02:00", "--dry-run")
    assert len(rows(warehouse, "night")) == 2

    pages = shell.document("run", "--job", "pages", "--slot", AT)
    assert pages["reports"][0]["task"] == "idle" and pages["runs"] == []
    shell("run", "--job", "pages", "--slot", AT, code=5)
    shell("run", "--job", "mail", "--slot", AT)
    assert states(warehouse, "mail") == [("done", 0)]


def test_what_somebody_ran_without_the_job_is_done(once: None, shell: Shell, warehouse: Warehouse) -> None:
    shell("run", "idle", "--slot", AT)
    shell("run", "--job", "night", "--slot", AT, code=5)
    assert states(warehouse, "night") == [("done", 5)]


def test_errors_stand_in_the_ledger_and_leave_the_slot_free(
    shell: Shell, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:

        def fail(*arguments: object, **options: object) -> None:
            raise KeyboardInterrupt

        broken.setattr(runner, "_publish", fail)
        shell("run", "--job", "night", "--slot", AT, code=1)
        broken.setattr(runner, "_publish", lambda *arguments, **options: time.sleep(10))
        shell("run", "--job", "short", "--slot", AT, code=1)
    (program := shell.program).directory.joinpath("forecasting.toml").write_text(
        (program.directory / "forecasting.toml").read_text() + '[sources.orders]\ncolumns = { placed_at = "gone" }\n'
    )
    shell("run", "--job", "night", "--slot", AT, code=4)
    assert states(warehouse, "night") == [("interrupted", 1), ("failed", 4)]
    assert "gone" in str(rows(warehouse, "night")[-1].error)
    assert states(warehouse, "short") == [("timed out", 1)] and "minutes" in str(rows(warehouse, "short")[0].error)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_a_report_that_a_kill_prevented_is_made_up_for(
    once: None, shell: Shell, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(reporting, "write", lambda workspace, task: written.append(task) or [])
    shell("run", "idle", "--slot", AT)
    claim = claims.claim(warehouse, job_runs.claim_name("night"), SLOT)
    job_runs.start(warehouse, claim, "night")
    job_runs.finish(warehouse, claim, "night", "failed", None, "killed between publishing and its report")
    shell("run", "--job", "night", "--slot", AT, code=5)
    assert written == ["idle", "idle"] and states(warehouse, "night") == [("failed", None), ("done", 5)]


def test_a_worker_takes_over_the_claim_made_for_it_and_no_other(once: None, shell: Shell, warehouse: Warehouse) -> None:
    claim = claims.claim(warehouse, job_runs.claim_name("night"), SLOT, owner="a scheduler")
    shell("run", "--job", "night", "--slot", AT, "--fence", str(claim.fence + 1), code=5)
    shell("run", "--job", "night", "--slot", AT, code=5)
    assert rows(warehouse, "night") == []
    shell("run", "--job", "night", "--slot", AT, "--fence", str(claim.fence))
    shell("run", "--job", "night", "--slot", AT, "--fence", str(claim.fence), code=5)
    assert states(warehouse, "night") == [("done", 0)]


def test_the_ledger_forgets_what_is_old_and_knows_who_is_dead(
    shell: Shell, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_runs, "KEEP_ROWS", 3)
    for day in range(1, 7):
        shell("run", "--job", "mail", "--slot", f"2024-05-{day:02}")
    assert [row.slot.day for row in rows(warehouse, "mail")] == [3, 4, 5, 6]
    slot = SLOT.replace(day=7)
    claim = claims.claim(warehouse, job_runs.claim_name("mail"), slot, lease_seconds=0.0)
    job_runs.start(warehouse, claim, "mail")
    assert {row.state for row in rows(warehouse, "mail") if row.slot == slot} == {"abandoned"}
    shell("run", "--job", "mail", "--slot", slot.isoformat())
    assert [row.state for row in rows(warehouse, "mail") if row.slot == slot] == ["abandoned", "done"]


def test_a_slot_is_passed_over_once(shell: Shell, warehouse: Warehouse) -> None:
    assert job_runs.pass_over(warehouse, "night", SLOT, "missed", "too old")
    assert not job_runs.pass_over(warehouse, "night", SLOT, "missed", "too old")
    assert states(warehouse, "night") == [("missed", None)]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("[jobs.a]\ncron = '0 2 * * *'\n", ["[jobs.a]", "exactly one of task, report and alerts"]),
        ("[jobs.a]\ntask = 'idle'\nalerts = true\ncron = '0 2 * * *'\n", ["not task and alerts"]),
        ("[jobs.a]\ntask = 'idle'\ncron = '0 2 * * *'\nevery = '1h'\n", ["either cron or every"]),
        ("[jobs.a]\ntask = 'idle'\nevery = '1 hour'\n", ["'every'", "no interval"]),
        ("[jobs.a]\ntask = 'idle'\nafter = ['b']\n", ["after names 'b'", "no job"]),
        ("[jobs.a]\ntask = 'idle'\nafter = ['b']\n[jobs.b]\ntask = 'idle'\nafter = ['a']\n", ["wait for each other"]),
        ("[jobs.a]\nalerts = true\nevery = '1h'\nretrain_after_days = 7\n", ["retrain_after_days", "task"]),
        ("[jobs.a]\nreport = 'inventroy'\nevery = '1h'\n", ["no report 'inventroy'", "Did you mean 'inventory'"]),
        ("[jobs.a]\ntask = 'idel'\nevery = '1h'\n", ["no task 'idel'"]),
        ("", ["has no jobs", "[jobs.nightly]"]),
    ],
)
def test_what_is_wrong_with_a_job_is_said(tmp_path, lines: str, words: list[str]) -> None:
    (tmp_path / "forecasting.toml").write_text(f"{lines}[tasks.demand]\n")
    shell = Shell(Program(tmp_path, f"sqlite:///{tmp_path}/warehouse.db"))
    command = ("run", "--job", "a") if "no task" in str(words) else ("schedule", "--once")
    message = shell.document(*command, code=2)["error"]
    assert all(word in f"{message['message']} {message['remedy']}" for word in words), message
