"""The disk full at random points of a run: one sentence and exit code 1, yesterday's rows whole, and the next run works
once there is room. The disk is a small file system of its own, filled up but for so many random bytes.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import idle_shop
import psycopg
import pytest
from idle_shop import night, shown
from nursery import Start
from own_server import OwnServer, own_server
from program import Program, write_shop
from shell import Shell
from tally import is_full, points, tally

from db.engines import open_warehouse

MEGABYTE = 2**20


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[Path]:
    """A file system of so many megabytes, mounted for a block."""
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(directory)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root mounts file systems")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


@contextmanager
def filled(disk: Path, left: int) -> Iterator[None]:
    """The disk filled up but for `left` bytes."""
    filler = disk / "filler"
    free = os.statvfs(disk)
    size = max(free.f_bavail * free.f_frsize - left, 0) // free.f_frsize * free.f_frsize
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(size, 1))
    try:
        yield
    finally:
        filler.unlink()


@pytest.mark.parametrize("what", ["warehouse", "var"])
def test_disk_full(tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The SQLite file with its WAL on the full disk; or all else that a run writes: artifact, report, logs."""
    with small_disk(tmp_path / "small", 16) as disk:
        place = disk if what == "warehouse" else tmp_path
        program = Program(tmp_path, f"sqlite:///{place / 'warehouse.db'}")
        settings = '[settings]\nvar = "small/var"\n' if what == "var" else ""
        program = idle_shop.create(program, monkeypatch, "", settings)
        fault = "disk full: warehouse and WAL" if what == "warehouse" else "disk full: artifact and report"
        _survives(fault, program, start, disk, 400_000 if what == "warehouse" else 60_000, points(full=25, share=1))


@pytest.mark.parametrize("what", ["var", "data"])
def test_disk_full_beside_postgresql(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch, what: str, request: pytest.FixtureRequest
) -> None:
    """What the program writes beside the database, and the database's own files, its WAL with them."""
    if what == "var":
        with small_disk(tmp_path / "small", 16) as disk:
            program = Program(tmp_path, request.getfixturevalue("postgres_database"))
            program = idle_shop.create(program, monkeypatch, "", '[settings]\nvar = "small/var"\n')
            of = points(full=25, share=1)
            _survives("disk full: artifact and report", program, start, disk, 60_000, of)
        return
    if not is_full():
        pytest.skip("a server that runs out of room takes its time")
    with small_disk(tmp_path / "small", 160) as disk, own_server(disk / "data") as server:
        program = idle_shop.create(Program(tmp_path, server.url), monkeypatch)
        of = points(full=10, share=1)
        name = "disk full: warehouse and WAL"
        _survives(name, program, start, disk, 40_000, of, after=server.start, strike=partial(_next_log, server))


def _next_log(server: OwnServer) -> None:
    """Lets the server begin files of its WAL until there is no room for another."""
    with suppress(psycopg.Error):
        for _ in range(3):
            with server.connect() as connection:
                connection.execute("select pg_logical_emit_message(false, 'fault', 'x')")
                connection.execute("select pg_switch_wal()")


def _survives(
    fault: str,
    program: Program,
    start: Start,
    disk: Path,
    most: int,
    of: int,
    after: Callable[[], None] = lambda: None,
    strike: Callable[[], None] = lambda: None,
) -> None:
    dice, failed = random.Random(7), 0
    warehouse = open_warehouse(program.url)
    assert start(program, *night(0)).wait() == 0
    day = 0
    with tally(fault, warehouse.dialect, of) as survived:
        for number in survived.points():
            before = shown(warehouse)
            warehouse.close()
            day += 1
            left = dice.randrange(most) if number else 0
            with filled(disk, left):
                process = start(program, *night(day, "--retrain", "always"), patience=3.0)
                if number % 2:
                    time.sleep(dice.uniform(0.0, 0.5))
                    strike()
                _, stderr = process.communicate()
            after()
            failed += process.returncode != 0
            with survived.point(f"{number}, {left} bytes left: exit code {process.returncode}, {stderr}"):
                now = shown(warehouse)
                down = (
                    process.returncode == 2 and "cannot be reached" in stderr
                )  # a server ends where its WAL has no room
                assert process.returncode in (0, 1) or down, process.returncode
                assert "Traceback" not in stderr and "should not" not in stderr
                if process.returncode:
                    said = "full" in stderr or "space" in stderr or "was lost" in stderr or down
                    assert said, "it says what is the matter"
                    assert now.run == before.run or "rows are published" in stderr
                day += 1
                assert start(program, *night(day)).wait() == 0, "the next run"
                assert shown(warehouse).running_claims == 0
        assert failed, "the disk was never full"
    warehouse.close()


def test_report_on_a_full_disk(program: Program, start: Start, tmp_path: Path) -> None:
    """The rows are published and the run says so; yesterday's page stands whole until there is room again."""
    if not is_full():
        pytest.skip("it needs a task that draws a page, and those take their time")
    files, shell = write_shop(program.directory), Shell(program)
    toml = program.directory / "forecasting.toml"
    with small_disk(tmp_path / "small", 32) as disk:
        toml.write_text('[settings]\nvar = "small/var"\n' + toml.read_text())
        for source in ("sales", "stock", "supply"):
            shell("load", source, str(files[source]))
        first = start(program, "run", "demand", "--as-of", "2024-05-01", "--slot", "2024-05-01")
        assert first.wait() in (0, 3), first.communicate()[1]
        pages = sorted(path for path in (disk / "var" / "reports").rglob("*") if path.is_file())
        before = [page.read_bytes() for page in pages]
        assert before
        dice = random.Random(7)
        database = "sqlite" if program.url.startswith("sqlite") else "postgresql"
        with tally("disk full: report", database, points(full=10, share=1)) as survived:
            for number in survived.points():
                day = f"2024-05-{number + 2:02}"
                with survived.point(number), filled(disk, dice.randrange(30_000)):
                    process = start(program, "run", "demand", "--as-of", day, "--slot", day, "--retrain", "never")
                    _, stderr = process.communicate()
                    assert process.returncode == 1 and "Traceback" not in stderr, stderr
                    assert "rows are published" in stderr and "space" in stderr and "forecasting report" in stderr
                    kept = [page.read_bytes() for page in pages]
                    assert all(old == new for old, new in zip(before, kept, strict=True)), "a torn page"
        written = start(program, "report")
        assert written.wait() == 0, written.communicate()[1]
        assert [page.read_bytes() for page in pages] != before
