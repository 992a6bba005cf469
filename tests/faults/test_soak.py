"""A soak in fast motion: a hundred and twenty-five nights of all four tasks, with random faults, on a virtual clock.

Whatever happened, once it stops every slot of every job is done, each of a task by exactly one run; readers saw whole
runs of one night or the next at every moment; and the scheduler, which lived through all of it, is as small as after
its first night. `make faults` soaks both databases; SOAK_NIGHTS says for how many nights by hand.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import psycopg
import pytest
import soak_shop
import sqlalchemy as sa
from program import Program
from shell import Shell
from soak_shop import JOBS, TASKS
from tally import is_full, tally

from db.engines import Warehouse, open_warehouse
from db.tables import JOB_RUNS, MODELS, PUBLICATIONS, QUARANTINE, RUNS
from forecasting.discovery import task_classes
from forecasting.schema import ForecastingError

STRUCK = 0.25
"""The share of a night's slots to which something happens, the first and the last night apart: so the last
run of each task clears away what dead ones left."""

FEW = 2
"""So few nights by hand are for trying the test: something happens to every slot of the last."""

WORKER = ("kill", "terminate", "connections")
"""What happens to a worker at a random moment of its work."""

BEFORE = ("champion truncated", "champion removed", "reports unwritable")
"""What has happened before a slot is due."""

NIGHT = ("two schedulers", "restarted", "asleep", "bad rows")
"""What happens to a whole night."""

BAD_ROWS = {"interactions": ("kind", "looked"), "order_events": ("occurred_at", pd.Timestamp("2999-01-01", tz="UTC"))}
"""Columns of sources, and values that break the contract: one row in a hundred, once each."""


@dataclass(frozen=True)
class Plan:
    """What happens: to slots by night and job, to whole nights."""

    nights: int
    slots: Mapping[tuple[int, str], str]
    whole: Mapping[int, str]

    @classmethod
    def of(cls, nights: int, seed: int) -> Plan:
        """The same for the same seed."""
        dice, slots, whole = random.Random(seed), {}, {}
        kinds = [*WORKER * 2, *BEFORE]
        for night in range(1, nights - 1 if nights > FEW else nights):
            for job in (*TASKS, "pages"):
                if dice.random() < (STRUCK if nights > FEW else 1.0):
                    slots[night, job] = dice.choice(kinds if job in TASKS else WORKER)
            if dice.random() < 0.3:
                whole[night] = dice.choice(NIGHT[:3])
        for night in (nights // 4, nights // 2) if nights > FEW else (1,):
            whole[night] = "bad rows"
        return cls(nights, slots, whole)

    @property
    def line(self) -> str:
        """How often what happens."""
        counted = Counter([*self.slots.values(), *self.whole.values()])
        return ", ".join(f"{count} {kind}" for kind, count in sorted(counted.items()))


@dataclass
class Soak:
    """The process of the schedulers, and what was seen of it. `seconds`: how long a job takes when nothing happens."""

    program: Program
    warehouse: Warehouse
    plan: Plan
    process: subprocess.Popen[str]
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    seconds: dict[str, float] = field(default_factory=dict)
    workers: list[psutil.Process] = field(default_factory=list)
    strikes: list[threading.Thread] = field(default_factory=list)

    # -- nights ---------------------------------------------------------------------------------------------------

    def night(self, night: int) -> None:
        """The jobs of a night, and what happens to them; looked at until nothing is owed any more."""
        whole = self.plan.whole.get(night, "")
        faults = {job: kind for (at, job), kind in self.plan.slots.items() if at == night}
        if whole == "asleep":
            return  # the night after finds the slots of both
        if whole == "restarted":
            self._tell("again")
        if whole == "bad rows":
            self._load_bad_rows()
        mended = [self._happens_before(task, kind) for task, kind in faults.items() if kind in BEFORE]
        first = {job: kind for job, kind in faults.items() if kind in WORKER}
        for _ in range(10):
            self._tell(
                "work", str(soak_shop.slot(night).isoformat()), str(2 if whole == "two schedulers" else 1), first
            )
            for mend in mended:
                mend()
            mended = []
            self._turn_clock_back(night)
            if self._is_done(night):
                return
        raise AssertionError(f"night {night} is not done: {self._rows(night)}; {faults} {whole}")

    def _tell(self, *words: Any) -> None:
        *sent, faults = words if isinstance(words[-1], dict) else (*words, {})
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(" ".join(sent) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            event, *about = json.loads(line)
            if event == "quiet":
                break
            job, pid = about
            try:
                worker = psutil.Process(pid)
            except psutil.NoSuchProcess:
                continue
            self.workers.append(worker)
            if kind := faults.pop(job, ""):
                wait = self.dice.uniform(0.0, 1.0) * self.seconds.get(job, 3.0)
                self.strikes.append(threading.Thread(target=self._strike, args=(kind, worker, wait)))
                self.strikes[-1].start()
        else:
            raise AssertionError("the schedulers are gone")
        for strike in self.strikes:
            strike.join()
        self.strikes.clear()

    def _turn_clock_back(self, night: int) -> None:
        """The database's own clock shows years later than that of the schedulers: what ended, ended in this night."""
        virtual = soak_shop.slot(night).to_pydatetime()
        with self.warehouse.writing() as connection:
            done = (JOB_RUNS.c.state == "done", JOB_RUNS.c.finished_at > virtual)
            for row in connection.execute(sa.select(JOB_RUNS).where(*done, JOB_RUNS.c.started_at > virtual)):
                self.seconds[row.job] = (row.finished_at - row.started_at).total_seconds()
            connection.execute(sa.update(JOB_RUNS).where(JOB_RUNS.c.finished_at > virtual).values(finished_at=virtual))
        for left in (self.program.directory / "var").rglob(".*"):
            os.utime(left, (0, 0))  # and what a dead worker left is a day old in the next

    def _rows(self, night: int) -> list[tuple[Any, ...]]:
        columns = (JOB_RUNS.c.job, JOB_RUNS.c.attempt, JOB_RUNS.c.state, JOB_RUNS.c.exit_code, JOB_RUNS.c.error)
        of_night = sa.select(*columns).where(JOB_RUNS.c.slot == soak_shop.slot(night).to_pydatetime())
        with self.warehouse.reading() as connection:
            return sorted(map(tuple, connection.execute(of_night)))

    def _is_done(self, night: int) -> bool:
        return {job for job, _, state, *_ in self._rows(night) if state == "done"} == set(JOBS)

    # -- faults ---------------------------------------------------------------------------------------------------

    def _strike(self, kind: str, worker: psutil.Process, wait: float) -> None:
        time.sleep(wait)
        if kind == "connections":
            self._cut_connections()
            return
        with contextlib.suppress(psutil.NoSuchProcess):  # it was done before
            worker.send_signal(signal.SIGKILL if kind == "kill" else signal.SIGTERM)

    def _cut_connections(self) -> None:
        """PostgreSQL ends every session of this database, ours too; a file of SQLite is locked for a second."""
        if self.warehouse.path is None:
            url = self.warehouse.url.set(drivername="postgresql").render_as_string(hide_password=False)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                )
            return
        holder = sqlite3.connect(self.warehouse.path, isolation_level=None, timeout=60)
        holder.execute("begin exclusive")
        time.sleep(1)
        holder.close()

    def _happens_before(self, task: str, kind: str) -> Callable[[], None]:
        """Breaks something; what mends it, if anybody has to."""
        if kind == "reports unwritable":
            pages, aside = (self.program.directory / "var" / place / task for place in ("reports", "aside"))
            aside.parent.mkdir(exist_ok=True)
            pages.rename(aside)
            pages.touch()
            return lambda: (pages.unlink(), aside.rename(pages), None)[-1]
        with self.warehouse.reading() as connection:
            champion = sa.select(MODELS.c.uri).where(MODELS.c.task == task, MODELS.c.champion)
            directory = Path(connection.scalar(champion) or "")
        if directory.is_absolute() and kind == "champion removed":
            shutil.rmtree(directory, ignore_errors=True)
        elif (tensors := directory / "model.safetensors").is_file():
            os.truncate(tensors, tensors.stat().st_size // 2)
        return lambda: None

    def _load_bad_rows(self) -> None:
        """Some process of the shop's own writes what breaks the contract."""
        with self.warehouse.writing() as connection:
            known = set(connection.scalars(sa.select(QUARANTINE.c.source).distinct()))
            source = next(source for source in BAD_ROWS if source not in known)
            broken, value = BAD_ROWS[source]
            table = sa.Table(source, sa.MetaData(), autoload_with=connection, schema=self.warehouse.schema)
            columns = [c for c in table.columns if not c.primary_key or c.name == "order_id"]
            rows = connection.execute(sa.select(*columns)).mappings().all()
            dirt = [{**row, broken: value} for row in self.dice.sample(rows, len(rows) // 100)]
            connection.execute(sa.insert(table), dirt)

    # -- size -----------------------------------------------------------------------------------------------------

    def size(self) -> tuple[float, int]:
        """Memory (resident, MiB) and file handles of the schedulers and of the server that forks their workers."""
        found = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        return sum(one.memory_info().rss for one in found) / 2**20, sum(one.num_fds() for one in found)


def test_soak(program: Program, tmp_path: Path) -> None:
    if not is_full() and "SOAK_NIGHTS" not in os.environ:
        pytest.skip("takes a minute for two nights; `make faults` soaks")
    plan = Plan.of(int(os.environ.get("SOAK_NIGHTS", soak_shop.NIGHTS)), seed=5)
    files, shell, warehouse = soak_shop.write(program.directory), Shell(program), open_warehouse(program.url)
    shell("db", "upgrade")
    for source, file in files.items():
        shell("load", source, str(file))
    slots, temporary = plan.nights * len(TASKS), tmp_path / "temporary"
    with _soaking(program, warehouse, plan, temporary) as soak, _watching(warehouse) as complaints:
        sizes = []
        with tally(f"soak: {plan.line}", warehouse.dialect, slots) as survived:
            for night in range(plan.nights):
                soak.night(night)
                sizes.append(soak.size())
            runs = _runs(warehouse)
            for night in range(plan.nights):
                for task in TASKS:
                    with survived.point(f"{task}, night {night}"):
                        assert soak._is_done(night) and runs[task, soak_shop.slot(night)] == 1, soak._rows(night)
        (memory, handles), (memory_then, handles_then) = sizes[0], sizes[-1]
        print(
            f"soak ({warehouse.dialect}): RSS start {memory:.0f} MiB, end {memory_then:.0f} MiB; "
            f"file handles {handles} -> {handles_then}",
            flush=True,
        )
        server = psutil.Process(soak.process.pid).children(recursive=True)
    assert not complaints, complaints[:3]
    assert memory_then <= 1.1 * memory + 20 and abs(handles_then - handles) <= 3, sizes
    left = [one for one in psutil.wait_procs([*soak.workers, *server], timeout=30)[1] if _is_alive(one)]
    assert not left, f"processes are left: {left}"
    files_left = [path for path in temporary.iterdir() if not path.name.startswith("torchinductor_")]  # torch's cache
    assert not files_left, f"temporary files are left: {files_left}"
    log = (program.directory / "schedulers.log").read_text()
    assert "Traceback" not in log and "should not" not in log, log
    _assert_all_is_tidy(warehouse, program.directory / "var", plan)
    warehouse.close()


@contextmanager
def _soaking(program: Program, warehouse: Warehouse, plan: Plan, temporary: Path) -> Iterator[Soak]:
    """The process of the schedulers, with a directory for temporary files of its own."""
    temporary.mkdir()
    with (program.directory / "schedulers.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("soak_scheduler.py")), str(program.directory), program.url],
            cwd=program.directory,
            env=_environment(program) | {"TMPDIR": str(temporary)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield Soak(program, warehouse, plan, process)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()


def _is_alive(process: psutil.Process) -> bool:
    """Whether it runs; where nobody takes note of the end of orphans they stay as zombies."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _environment(program: Program) -> dict[str, str]:
    """That of the program; the fork server finds `soak_preloaded`."""
    inherited = program.environment()
    return inherited | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), inherited.get("PYTHONPATH", "")])}


def _views() -> dict[str, tuple[str, ...]]:
    """The views of each task."""
    classes = task_classes()
    return {task: tuple(output.view for output in classes[task].spec.outputs) for task in TASKS}


@contextmanager
def _watching(warehouse: Warehouse) -> Iterator[list[str]]:
    """A reader that looks at all views in one snapshot, again and again; what it complains of."""
    views, complaints, stop = _views(), ["nobody looked"], threading.Event()

    def watch() -> None:
        while not stop.wait(0.25):
            try:
                found = _incomplete(warehouse, views)
            except (sa.exc.SQLAlchemyError, ForecastingError):
                continue  # its session was ended too
            complaints[:] = [*(one for one in complaints if one != "nobody looked"), *found]

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield complaints
    finally:
        stop.set()
        thread.join()


def _incomplete(warehouse: Warehouse, views: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The tasks of which another run is shown than the published one, or not all of its rows."""
    wrong = []
    with warehouse.reading() as connection:
        published = sa.select(PUBLICATIONS.c.task, RUNS.c.run_id, RUNS.c.rows, RUNS.c.state).where(
            PUBLICATIONS.c.run_id == RUNS.c.run_id
        )
        for task, run_id, rows, state in connection.execute(published).all():
            shown = Counter[str]()
            for view in views[task]:
                counted = sa.select(sa.column("run_id"), sa.func.count()).select_from(sa.table(view))
                shown.update(dict(connection.execute(counted.group_by(sa.column("run_id"))).tuples().all()))
            if state != "done" or shown != {run_id: rows}:
                wrong.append(f"{task}: {dict(shown)}, run {run_id} ({state}) has {rows}")
    return wrong


def _runs(warehouse: Warehouse) -> Counter[tuple[str, pd.Timestamp]]:
    """How many runs each slot of a task has that are done."""
    with warehouse.reading() as connection:
        done = connection.execute(sa.select(RUNS.c.task, RUNS.c.slot).where(RUNS.c.state == "done"))
        return Counter((task, pd.Timestamp(slot)) for task, slot in done)


def _assert_all_is_tidy(warehouse: Warehouse, var: Path, plan: Plan) -> None:
    """Ledgers, tables and directories after the last night."""
    last = soak_shop.slot(plan.nights - 1)
    with warehouse.reading() as connection:
        published = dict(connection.execute(sa.select(PUBLICATIONS.c.task, PUBLICATIONS.c.as_of)).tuples().all())
        states = dict(connection.execute(sa.select(RUNS.c.run_id, RUNS.c.state)).tuples().all())
        passed = connection.scalars(sa.select(JOB_RUNS.c.state)).all()
        sources = set(connection.scalars(sa.select(QUARANTINE.c.source).distinct()))
        models = set(connection.scalars(sa.select(MODELS.c.model_id)))
        staged = {
            view.removeprefix("current_"): set(
                connection.scalars(
                    sa.select(sa.column("run_id")).select_from(sa.table(view.removeprefix("current_"))).distinct()
                )
            )
            for views in _views().values()
            for view in views
        }
    assert published == dict.fromkeys(TASKS, last.to_pydatetime())
    assert "running" not in {*states.values(), *passed} and not {"coalesced", "missed"} & set(passed)
    assert {states[run] for runs in staged.values() for run in runs} == {"done"}, "rows of dead runs are left"
    assert all(len(runs) <= 6 for runs in staged.values())
    assert bool(sources) == ("bad rows" in plan.whole.values()), sources
    stored = {task: [path.name for path in (var / "artifacts" / task).glob("*")] for task in TASKS}
    unknown = {name for names in stored.values() for name in names} - models
    assert not unknown, f"artifacts that no ledger knows: {unknown}"
    assert all(len(names) <= soak_shop.KEEP_ARTIFACTS + 2 for names in stored.values()), stored
    left = [path for path in (var / "checkpoints").rglob("*") if path.is_file()]
    if all(night < plan.nights - 1 for night, _ in plan.slots):  # the night after a kill clears away what was begun
        left += list(var.rglob(".*"))
    assert not left, left
