"""Where each configured job stands: its last slot and what came of it, its next one, and whether somebody must look."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from db import job_runs
from db.engines import Warehouse
from db.job_runs import JobRun
from forecasting.app.config import JobConfig
from forecasting.app.owing import Ledger, owed
from forecasting.app.slots import schedule_of, upcoming
from forecasting.app.workspace import Workspace

_ROWS = 50
"""Newest rows of a job's ledger that are looked at."""


@dataclass(frozen=True)
class JobStatus:
    """One job. `does`: what, in words. `last`: the last row of its newest slot; None for a job that never ran.
    `failing`: attempts at that slot that failed, `more_tries`: whether it is tried again. `waits_for`: a job that is
    not done yet. `next_slot`: aware, UTC. `stale` says in a sentence what is wrong, empty where nothing is."""

    job: str
    does: str
    last: JobRun | None
    failing: int
    more_tries: bool
    waits_for: str | None
    next_slot: dt.datetime | None
    stale: str


def jobs(
    workspace: Workspace, results: Warehouse | None, moment: dt.datetime, grace: dt.timedelta
) -> tuple[JobStatus, ...]:
    """Every configured job. `results`: None where nothing can have run yet. `grace`: how long after its due time a slot
    may be without an attempt, for jobs of whose work no table tells."""
    ledgers = {}
    for name, config in workspace.configuration.jobs.items():
        rows = job_runs.latest(results, name, limit=_ROWS) if results is not None else []
        ledgers[name] = Ledger.of(config, schedule_of(workspace.configuration.jobs, name), rows, moment)
    began = job_runs.began(results) if results is not None else None
    return tuple(_job(name, ledgers, moment, grace, began) for name in ledgers)


def _job(
    name: str, ledgers: dict[str, Ledger], moment: dt.datetime, grace: dt.timedelta, began: dt.datetime | None
) -> JobStatus:
    ledger = ledgers[name]
    slot = max(ledger.slots, default=None)
    last = max(ledger.slots[slot], key=lambda row: row.attempt) if slot is not None else None
    failing = len(ledger.failures(slot)) if slot is not None and not ledger.is_done(slot) else 0
    more_tries = slot is not None and failing > 0 and not ledger.has_failed(slot)
    return JobStatus(
        name,
        _does(ledger.config),
        last,
        failing,
        more_tries,
        owed(name, ledgers, moment).waits_for,
        upcoming(ledger.schedule, moment),
        _stale(ledger, last, ledger.schedule.latest(moment - grace), began),
    )


def _does(config: JobConfig) -> str:
    if config.task is not None:
        return f"task {config.task}"
    return "alerts" if config.alerts else f"report {config.report}"


def _stale(ledger: Ledger, last: JobRun | None, due: dt.datetime | None, began: dt.datetime | None) -> str:
    """`due`: the latest slot that should have been run by now. `began`: when anything was first run here; slots before
    that are nobody's debt."""
    why = f": {last.error}" if last is not None and last.error else ""
    if last is not None and last.state == "missed":
        return f"the slot of {last.slot:%Y-%m-%d %H:%M} UTC was missed{why}"
    if last is not None and ledger.has_failed(last.slot):
        return f"the slot of {last.slot:%Y-%m-%d %H:%M} UTC failed for good{why}"
    # That a task's slot was not run shows in what is published, whoever was to run it.
    known = began if last is None else last.slot
    if ledger.config.task is None and due is not None and (known is None or known < due):
        return f"the slot of {due:%Y-%m-%d %H:%M} UTC was not run"
    return ""
