"""`forecasting schedule`: looks at the ledger, starts what is owed, and knows nothing that the tables do not.

APScheduler wakes it at each slot; besides, it looks every few seconds, for what other machines left, for retries, and
after a sleep. What is owed is computed each time (`forecasting.app.owing`), so that a wake-up that comes late, twice or
never costs nothing. The slot is claimed before a worker is started: any number of schedulers may look at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy.exc import SQLAlchemyError

from db import claims, job_runs
from db.claims import Claim
from db.engines import Warehouse
from forecasting.app import workers
from forecasting.app.config import JobConfig
from forecasting.app.console import log_context
from forecasting.app.owing import Ledger, Owed, owed
from forecasting.app.slots import Schedule, schedule_of, upcoming
from forecasting.app.workspace import Workspace, now
from forecasting.schema import ClaimLost, ConfigurationError, ExitCode, ForecastingError, SlotTaken

log = logging.getLogger(__name__)

LOOK_SECONDS = 10
"""Seconds between two looks at everything."""

_ROWS = 100
"""Newest rows of a job's ledger that are looked at."""

_MARGIN_SECONDS = 30.0
"""How much longer than its own limit a worker may take before the scheduler stops it."""


@dataclass
class Started:
    """A worker at work on a slot, under a claim that was made for it. `attendant`: the thread that waits for its end;
    no other may, while it lives."""

    job: str
    slot: datetime
    claim: Claim
    process: BaseProcess
    attendant: threading.Thread | None = None


@dataclass
class Scheduler:
    """The jobs of a configuration, and the workers that this process has started for them. `options`: global options
    of the command line, which workers get too; `at_a_time`: how many of them work beside each other; `clock`: tells the
    time, aware; `codes`: how slots ended."""

    workspace: Workspace
    options: Sequence[str] = ()
    at_a_time: int = 2
    clock: Callable[[], datetime] = now
    start_worker: Callable[[Sequence[str], str], BaseProcess] = workers.start
    codes: list[ExitCode] = field(default_factory=list)
    running: dict[str, Started] = field(default_factory=dict)

    def __post_init__(self) -> None:
        jobs = self.workspace.configuration.jobs
        if not jobs:
            raise ConfigurationError(
                f"{self.workspace.configuration.label} has no jobs.",
                remedy='Add one: [jobs.nightly] with task = "demand" and cron = "0 2 * * *".',
            )
        self.workspace.check_sources()
        for name in jobs:
            self.workspace.check_job(name)
        self.jobs: dict[str, tuple[JobConfig, Schedule]] = {n: (jobs[n], schedule_of(jobs, n)) for n in jobs}
        self.results: Warehouse = self.workspace.results()
        self.stopping = threading.Event()
        self._lock = threading.RLock()
        self._wakes: BackgroundScheduler | None = None
        self._again: dict[str, datetime] = {}

    # -- running on ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Go on until `stop`, or until the main thread is interrupted."""
        self._wakes = self._alarm_clock()
        self._wakes.start()
        try:
            self.stopping.wait()
        finally:
            self.stop()

    def run_once(self) -> None:
        """Do what is owed at this moment, what others wait for first, and return; what is to be tried again later or
        becomes due meanwhile is left."""
        moment = self.clock()
        self.clock = lambda: moment
        self.work_off()

    def work_off(self) -> None:
        """Do what is owed by the clock, one after the other."""
        self.look()
        while True:
            with self._lock:
                at_work = list(self.running.values())
            if not at_work:
                return
            for started in at_work:
                self._attend(started)

    def stop(self) -> None:
        """Start nothing more, stop every worker, and free their slots."""
        self.stopping.set()
        if self._wakes is not None and self._wakes.running:
            self._wakes.shutdown(wait=False)
        with self._lock:
            at_work = list(self.running.values())
            for started in at_work:
                started.process.terminate()
        until = time.monotonic() + workers.STOP_SECONDS
        for started in at_work:
            end = started.attendant or started.process
            end.join(max(until - time.monotonic(), 0.0))
            if end.is_alive():
                with self._lock:
                    if started.job in self.running:  # or else its attendant settles it just now
                        started.process.kill()
                end.join()
            self._settle(started)

    def _alarm_clock(self) -> BackgroundScheduler:
        """Wakes at every slot and every few seconds. However late a wake-up comes it is wanted (no misfire time), and
        one for several will do: the ledger tells what is due."""
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        wakes = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        for name, (_, schedule) in self.jobs.items():
            wakes.add_job(self.look, SlotTrigger(schedule), args=[[name]], id=f"slots of {name}")
        wakes.add_job(self.look, IntervalTrigger(seconds=LOOK_SECONDS, timezone=UTC), id="all", next_run_time=now())
        return wakes

    # -- looking ------------------------------------------------------------------------------------------------

    def look(self, names: Sequence[str] | None = None) -> None:
        """See what these jobs owe, or all of them, and start it. A database out of reach is a warning: the next look
        finds what this one missed."""
        for name in self.jobs if names is None else names:
            with self._lock:
                if self.stopping.is_set():
                    return
                try:
                    self._look_at(name)
                except (ForecastingError, SQLAlchemyError, OSError) as failure:
                    said = str(failure) if isinstance(failure, ForecastingError) else type(failure).__name__
                    log.warning("job %s could not be looked after: %s", name, said)

    def _look_at(self, name: str) -> None:
        if name in self.running:
            return
        found = self._owed(name)
        for passed in found.pass_over:
            if job_runs.pass_over(self.results, name, passed.slot, passed.state, passed.why):
                level = logging.WARNING if passed.state == "missed" else logging.INFO
                log.log(level, "job %s, slot %s is %s: %s", name, _text(passed.slot), passed.state, passed.why)
        if found.look_again is not None:
            self._wake_at(name, found.look_again)
        if found.start is not None and len(self.running) < self.at_a_time:
            self._start(name, found.start)

    def _owed(self, name: str) -> Owed:
        moment = self.clock()
        ledgers = {}
        for one in (name, *self.jobs[name][0].after):
            rows = job_runs.latest(self.results, one, limit=_ROWS)
            ledgers[one] = Ledger.of(*self.jobs[one], rows, moment)
        return owed(name, ledgers, moment)

    def _wake_at(self, name: str, moment: datetime) -> None:
        if self._wakes is not None and self._again.get(name) != moment:
            self._again[name] = moment
            self._wakes.add_job(
                self.look, DateTrigger(moment), args=[[name]], id=f"{name} again", replace_existing=True
            )

    # -- workers ------------------------------------------------------------------------------------------------

    def _start(self, name: str, slot: datetime) -> None:
        lease = self.workspace.configuration.settings.lease_seconds
        try:
            claim = claims.claim(self.results, job_runs.claim_name(name), slot, lease_seconds=lease)
        except SlotTaken:  # another scheduler was quicker
            return
        arguments = [*self.options, "run", "--job", name, "--slot", slot.isoformat(), "--fence", str(claim.fence)]
        try:
            process = self.start_worker(arguments, f"job {name}")
        except OSError as failure:
            claim.release("failed")
            raise ForecastingError(f"no worker could be started: {failure.strerror}") from failure
        started = Started(name, slot, claim, process)
        self.running[name] = started
        with log_context(job=name, slot=_text(slot)):
            log.info("job %s, slot %s: started as process %s", name, _text(slot), process.pid)
        if self._wakes is not None:
            started.attendant = threading.Thread(
                target=self._attend, args=(started,), name=f"attends {name}", daemon=True
            )
            started.attendant.start()

    def _attend(self, started: Started) -> None:
        """Wait for a worker to end, then see what is owed now."""
        limit = self.jobs[started.job][0].timeout_minutes
        started.process.join(None if limit is None else limit * 60 + _MARGIN_SECONDS)
        if started.process.is_alive():
            workers.stop([started.process])
        if self.stopping.is_set():
            return
        self._settle(started)
        self.look()

    def _settle(self, started: Started) -> None:
        """Take note of how a worker ended; one that died before it took its claim over has an entry all the same."""
        with self._lock:
            if self.running.pop(started.job, None) is None:
                return
        number = started.process.exitcode
        code = ExitCode(number) if number in list(ExitCode) else ExitCode.ERROR
        self.codes.append(code)
        with log_context(job=started.job, slot=_text(started.slot)):
            fine = code in (ExitCode.DONE, ExitCode.SLOT_TAKEN)
            how = f"exit code {number}" if number in list(ExitCode) else f"killed ({number})"
            log.log(
                logging.INFO if fine else logging.WARNING,
                "job %s, slot %s: ended, %s",
                started.job,
                _text(started.slot),
                how,
            )
        try:
            job_runs.start(self.results, started.claim, started.job)
            state: job_runs.Ending = "interrupted" if self.stopping.is_set() else "failed"  # by `stop`, or on its own
            error = f"the worker ended before it began ({how})"
            job_runs.finish(self.results, started.claim, started.job, state, int(ExitCode.ERROR), error)
        except ClaimLost:
            pass  # as it should be: the worker took the claim over, and wrote its own entry
        except (ForecastingError, SQLAlchemyError) as failure:
            log.warning("job %s: its end could not be noted: %s", started.job, type(failure).__name__)
        started.process.close()


class SlotTrigger(BaseTrigger):
    """The slots of a schedule, for APScheduler."""

    def __init__(self, schedule: Schedule):
        self._schedule = schedule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first slot after now."""
        return upcoming(self._schedule, now.astimezone(UTC))


def _text(slot: datetime) -> str:
    return f"{slot:%Y-%m-%dT%H:%M:%SZ}"
