"""One slot of one job: claimed, done, written into the ledger. What cron lines, schedulers and people call alike."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType

from db import claims, job_runs
from db.claims import Claim
from db.engines import Warehouse
from forecasting.app import reporting, running
from forecasting.app.config import JobConfig
from forecasting.app.console import log_context
from forecasting.app.delivering import DeliveryReport, deliver
from forecasting.app.request import Retrain, slot_of
from forecasting.app.running import Attempt
from forecasting.app.slots import schedule_of
from forecasting.app.workspace import Workspace, now
from forecasting.clock import aware
from forecasting.schema import ClaimLost, ExitCode, ForecastingError, SlotTaken
from forecasting.task import Instant


class TimedOut(ForecastingError):
    """A job took longer than its `timeout_minutes`."""


class _Late(BaseException):
    """Ends what a job does, past whatever would go on after an Exception."""


@dataclass(frozen=True)
class JobRequest:
    """One slot of a job; the fields are the options of `forecasting run --job`. `slot` and `as_of`: datetime64[us] in
    UTC, None for the job's latest slot and for the slot. `fence`: of the claim made for this process by a scheduler."""

    job: str
    slot: Instant | None = None
    as_of: Instant | None = None
    retrain: Retrain = "auto"
    dry_run: bool = False
    force: bool = False
    fence: int | None = None


@dataclass(frozen=True)
class JobResult:
    """What came of it: runs of tasks, files of reports by task, deliveries of alerts. `attempt` counts from 1."""

    slot: Instant
    attempt: int
    exit_code: ExitCode
    runs: tuple[Attempt, ...] = ()
    reports: dict[str, list[Path]] = field(default_factory=dict)
    deliveries: DeliveryReport = field(default_factory=DeliveryReport)


def run_job(workspace: Workspace, request: JobRequest) -> JobResult:
    """Do a job's slot. Raises ForecastingError; SlotTaken where the slot is running or done, TimedOut."""
    workspace.check_job(request.job)
    config = workspace.job(request.job)
    slot = request.slot
    if slot is None:
        slot = slot_of(schedule_of(workspace.configuration.jobs, request.job), now())
    if request.dry_run:
        return _do(workspace, config, request, slot, attempt=0)
    results, moment = workspace.results(), aware(slot)
    claim = _claimed(workspace, results, request, moment)
    with log_context(job=request.job, slot=f"{moment:%Y-%m-%dT%H:%M:%SZ}"), claim.heartbeat():
        with _entered(workspace, results, claim, request.job) as attempt, _time_limit(config.timeout_minutes):
            result = _do(workspace, config, request, slot, attempt)
        code = int(result.exit_code)
        failed = result.exit_code not in (ExitCode.DONE, ExitCode.GATE_FAILED)
        error = "not everything was delivered" if failed else None
        job_runs.finish(results, claim, request.job, "failed" if failed else "done", code, error)
    return result


def _claimed(workspace: Workspace, results: Warehouse, request: JobRequest, slot: datetime) -> Claim:
    name, lease = job_runs.claim_name(request.job), workspace.configuration.settings.lease_seconds
    if request.fence is not None:
        return claims.adopt(results, name, slot, request.fence, lease_seconds=lease)
    return claims.claim(results, name, slot, lease_seconds=lease, force=request.force)


def _do(workspace: Workspace, config: JobConfig, request: JobRequest, slot: Instant, attempt: int) -> JobResult:
    if config.task is not None:
        requests = running.plan(
            workspace,
            [config.task],
            slot=slot,
            as_of=request.as_of,
            retrain=request.retrain,
            dry_run=request.dry_run,
            force=request.force,
            trigger=f"job:{request.job}",
            retrain_after_days=config.retrain_after_days,
        )
        try:
            attempts, code = running.run_all(workspace, requests)
        except SlotTaken as taken:
            if taken.done and attempt > 1:  # the attempt before may have died between publishing and its report
                reporting.write(workspace, config.task)
            raise
        return JobResult(slot, attempt, code, runs=tuple(attempts))
    if request.dry_run:
        return JobResult(slot, attempt, ExitCode.DONE)
    if config.report is not None:
        name = None if config.report == "all" else config.report
        return JobResult(slot, attempt, ExitCode.DONE, reports=reporting.write_reports(workspace, name))
    with workspace.console.progress() as progress:
        delivered = deliver(workspace, progress=progress)
    return JobResult(slot, attempt, delivered.exit_code, deliveries=delivered)


@contextlib.contextmanager
def _entered(workspace: Workspace, results: Warehouse, claim: Claim, job: str) -> Iterator[int]:
    """The attempt in the ledger; whatever ends it early is written there, and the slot is free again."""
    attempt = job_runs.start(results, claim, job)
    try:
        yield attempt
    except ClaimLost:
        raise  # the slot belongs to whoever took over
    except BaseException as failure:
        state, code = _ended(failure)
        said = workspace.console.scrubber.scrub(str(failure)) or type(failure).__name__
        error = None if state == "done" else said
        with contextlib.suppress(Exception):  # the failure itself matters more than its entry
            job_runs.finish(results, claim, job, state, code, error)
        raise


def _ended(failure: BaseException) -> tuple[job_runs.Ending, int]:
    """State and exit code of an attempt that ended by an exception."""
    if isinstance(failure, TimedOut):
        return "timed out", int(failure.exit_code)
    if isinstance(failure, KeyboardInterrupt):
        return "interrupted", int(ExitCode.ERROR)
    if isinstance(failure, SlotTaken) and failure.done:  # somebody ran the task's slot without the job
        return "done", int(failure.exit_code)
    code = failure.exit_code if isinstance(failure, ForecastingError) else ExitCode.ERROR
    return "failed", int(code)


@contextlib.contextmanager
def _time_limit(minutes: float | None) -> Iterator[None]:
    """Raises TimedOut in the block once so many minutes have passed; only the main thread can be stopped so."""
    if minutes is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    rung = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        rung.set()
        raise _Late(f"stopped after {minutes:g} minutes")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, minutes * 60)
    try:
        yield
    except BaseException as failure:
        if rung.is_set():  # also where a library made something else of it
            raise TimedOut(
                f"The job was stopped after {minutes:g} minutes.", remedy="Its limit is `timeout_minutes` in [jobs]."
            ) from failure
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
