"""Watching the suite: what `status` finds of sources, tables, jobs and claims, for a person, a monitor, Prometheus."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import idle_shop
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from program import Program
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from shell import Shell

from db import claims, job_runs
from db.engines import Warehouse, open_warehouse
from db.outbox import Backlog
from db.tables import JOB_RUNS
from forecasting.app import config, metrics_port
from forecasting.app.console import Console
from forecasting.app.main import cli
from forecasting.app.metrics import Known, registry
from forecasting.app.metrics_port import StatusCollector, serve
from forecasting.app.status import Status
from forecasting.app.workspace import Workspace
from forecasting.schema import ConfigurationError

NOW = dt.datetime.now(dt.UTC)
JOBS = """
[jobs.nightly]
task = "idle"
every = "1d"
retries = 1
[jobs.pages]
report = "all"
after = ["nightly"]
"""


@pytest.fixture
def shop(program: Program, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The idle task, with two jobs; its last order was placed an hour ago."""
    return created(program, monkeypatch)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        created(Program(directory, f"sqlite:///{directory / 'warehouse.db'}"), patch)
    return directory


@pytest.fixture
def small(made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The same on SQLite alone, where the database is not what is tried."""
    for file in made_once.iterdir():
        shutil.copy(file, tmp_path)
    monkeypatch.syspath_prepend(str(idle_shop.IDLE))
    return Shell(Program(tmp_path, f"sqlite:///{tmp_path / 'warehouse.db'}", with_idle=True))


def created(program: Program, monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in ("FORECASTING_WAREHOUSE", "FORECASTING_LOG_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    shell = Shell(idle_shop.create(program, monkeypatch, settings=JOBS))
    placed, file = NOW - dt.timedelta(hours=1), program.directory / "news.csv"
    file.write_text(f"order_id,customer_id,placed_at\nnew,C00,{placed:%Y-%m-%dT%H:%M:%SZ}\n")
    shell("load", "orders", str(file))
    return shell


def configured(shell: Shell, text: str) -> None:
    (shell.program.directory / "forecasting.toml").write_text(text)


def opened(shell: Shell) -> Warehouse:
    return open_warehouse(shell.program.url)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Metrics by name, without its prefix, and label values in the order of their labels' names."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge" and family.name.startswith("forecasting_") and family.documentation
        for one in family.samples:
            labels = [value for _, value in sorted(one.labels.items())]
            found[one.name.removeprefix("forecasting_"), *labels] = one.value
    return found


def test_a_night_that_went_well_is_fresh_in_every_respect(shop: Shell) -> None:
    shop("run", "--job", "nightly")
    shop("run", "--job", "pages")
    said = shop.document("status")
    (task,) = said["tasks"]
    assert (task["stale"], task["quarantined"]) == (False, {})
    assert task["champion"]["age_days"] < 1 and task["champion"]["warm_from"] is None
    assert dt.datetime.fromisoformat(task["next_slot"]) > NOW > dt.datetime.fromisoformat(task["last_run"]["slot"])
    (source,) = said["sources"]
    assert (source["source"], source["state"], source["stale"], source["tasks"]) == ("orders", "fresh", False, ["idle"])
    assert dt.datetime.fromisoformat(source["newest"]) == (NOW - dt.timedelta(hours=1)).replace(microsecond=0)
    assert 1 <= source["age_hours"] < 2
    tables = {one["table"]: (one["rows"], one["stale"]) for one in said["tables"]}
    assert tables == {
        "idle_forecasts": (idle_shop.CUSTOMERS, False),
        "idle_totals": (len(shop.view("current_idle_totals")), False),
    }
    jobs = {one["job"]: (one["does"], one["last"]["state"], one["stale"], one["why"]) for one in said["jobs"]}
    assert jobs == {"nightly": ("task idle", "done", False, ""), "pages": ("report all", "done", False, "")}
    assert (said["claims"], said["problems"], said["exit_code"]) == ([], [], 0)
    page = shop("status")
    assert "STALE" not in page and "fresh" in page and "current" not in page and "\x1b" not in page
    for words in ("idle_forecasts", "orders", "nightly", "task idle", "full, 0 days old"):
        assert words in page
    warehouse = opened(shop)
    claims.claim(warehouse, "idle", NOW)
    claims.claim(warehouse, "idle", NOW + dt.timedelta(hours=1), owner="elsewhere/boot/ns/7/1", lease_seconds=-1)
    warehouse.close()
    first, second = shop.document("status")["claims"]
    assert first["alive"] and not second["alive"] and second["owner"] == "process 7 on elsewhere"
    assert "idle: process 7 on elsewhere is gone" in shop("status")
    assert samples(shop("status", "--prometheus", "-"))["claims_running", "idle"] == 1


def test_a_source_is_stale_after_its_own_time_broken_or_unknown(shop: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shop("run", "idle")
    base = "[tasks.idle]\n[settings]\nsource_stale_after_hours = {}\n[sources.orders]\n{}\n"
    configured(shop, base.format(0.5, ""))
    said = shop.document("status", code=1)
    assert not said["tasks"][0]["stale"] and said["sources"][0]["state"] == "stale"
    assert "STALE source orders: nothing is newer than" in shop("status", code=1)
    configured(shop, base.format(0.5, "stale_after_hours = 48"))
    assert shop.document("status")["sources"][0]["limit_hours"] == 48
    configured(shop, base.format(72, 'columns = { placed_at = "ordered" }'))
    said = shop.document("status", code=1)["sources"][0]
    assert (said["state"], said["stale"]) == ("broken", True) and "'ordered'" in said["why"]
    monkeypatch.setattr("forecasting.app.freshness.SECONDS", 0.4)
    slow = "select 1 as order_id, '2024-01-01' as placed_at, 'c' as customer_id from pg_sleep(20)"
    if "sqlite" in shop.program.url:
        slow = (
            "with recursive n(i) as (select 1 union all select i + 1 from n) "
            "select i as order_id, i as placed_at, i as customer_id from n"
        )
    configured(shop, f'[tasks.idle]\n[sources.orders]\nquery = "{slow}"\n')
    began = time.monotonic()
    said = shop.document("status")["sources"][0]
    assert (said["state"], said["stale"], said["newest"]) == ("unknown", False, None)
    assert "unknown source orders: the database had no answer in time" in shop("status")
    assert time.monotonic() - began < 15
    configured(
        shop,
        '[tasks.idle]\n[sources.orders]\nwarehouse = "away"\n[warehouses.away]\nurl = "postgresql://u:hunter2x@127.0.0.1:1/d"\n',
    )
    said = shop.document("status", code=1)["sources"][0]
    assert said["state"] == "broken" and "cannot be reached" in said["why"] and "hunter2x" not in said["why"]


def test_a_job_that_fails_is_stale_when_nobody_tries_again(small: Shell) -> None:
    """Endings, exit codes, attempts at the slot; whether it is stale."""
    cases: dict[str, tuple[Any, int | None, int, bool]] = {
        "once": ("failed", 1, 1, False),
        "twice": ("failed", 1, 2, True),
        "data": ("failed", 4, 1, True),
        "slow": ("timed out", None, 2, True),
        "stopped": ("interrupted", 1, 1, False),
    }
    small("run", "idle")
    slot = dt.datetime.combine(NOW.date(), dt.time(), dt.UTC)
    warehouse = opened(small)
    for name, (ending, code, attempts, _) in cases.items():
        for _ in range(attempts):
            claim = claims.claim(warehouse, job_runs.claim_name(name), slot)
            job_runs.start(warehouse, claim, name)
            job_runs.finish(warehouse, claim, name, ending, code, f"no disk for {name}")
    warehouse.close()
    every = "".join(f'[jobs.{name}]\ntask = "idle"\nevery = "1d"\nretries = 1\n' for name in cases)
    configured(small, f"[tasks.idle]\n{every}")
    jobs = {job["job"]: job for job in small.document("status", code=1)["jobs"]}
    page = small("status", code=1)
    metrics = samples(small("status", "--prometheus", "-", code=1))
    for name, (ending, code, attempts, stale) in cases.items():
        job = jobs[name]
        assert (job["stale"], job["last"]["attempt"], job["last"]["state"]) == (stale, attempts, ending)
        assert (f"failed for good: no disk for {name}" in page) == stale
        assert metrics["stale", "job", name] == stale
        assert metrics.get(("job_last_exit_code", name)) == code
        assert metrics["job_last_slot_timestamp_seconds", name] == slot.timestamp()
    assert "it is tried again: no disk for once" in page


def test_a_job_of_reports_that_nobody_ran_is_stale(small: Shell) -> None:
    small("run", "idle")
    configured(small, '[tasks.idle]\n[jobs.pages]\nreport = "all"\nevery = "1h"\n')
    assert "STALE job pages: the slot of" in small("status", code=1)
    warehouse = opened(small)
    job_runs.pass_over(warehouse, "pages", NOW.replace(minute=0, second=0, microsecond=0), "missed", "it slept")
    warehouse.close()
    assert "was missed: it slept" in small("status", code=1)


def test_slots_from_before_anything_was_run_here_are_nobodys_debt(small: Shell) -> None:
    """A scheduler in its first night: the pages wait for the task."""
    configured(small, JOBS + "[tasks.idle]\n")
    assert "STALE job pages: the slot of" in small("status", code=1), "nobody began"
    warehouse = opened(small)
    job_runs.start(warehouse, claims.claim(warehouse, job_runs.claim_name("nightly"), NOW), "nightly")
    warehouse.close()
    assert "STALE job pages" not in small("status", code=1)


def test_a_new_and_an_outdated_warehouse_are_looked_at_all_the_same(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(idle_shop.IDLE))
    shell = Shell(program)
    configured(shell, "[tasks.idle]\n")
    said = shell.document("status", code=1)
    assert [one["state"] for one in said["sources"]] == ["absent"] and not said["problems"]
    assert "Not there: orders" in shell("status", code=1)
    idle_shop.create(program, monkeypatch)
    shell("run", "idle", "--as-of", f"{NOW:%Y-%m-%d}", "--slot", f"{NOW:%Y-%m-%d}")
    shell("db", "downgrade", "house_0003")
    said = shell.document("status", code=1)
    assert "db upgrade" in said["problems"][0] and said["tables"][0]["rows"] == idle_shop.CUSTOMERS
    assert (said["tasks"][0]["stale"], said["tasks"][0]["champion"], said["jobs"]) == (False, None, [])
    assert "the warehouse lacks the latest tables" in shell("status", code=1)


def test_without_a_file_every_installed_task_that_ran_is_watched(small: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    small("run", "idle")
    monkeypatch.chdir(small.program.directory)
    (small.program.directory / "forecasting.toml").unlink()
    found = CliRunner().invoke(cli, ["status", "--json", "--warehouse", small.program.url])
    said = json.loads(found.stdout)
    assert found.exit_code == 0, found.output
    assert [(one["source"], one["tasks"]) for one in said["sources"]] == [("orders", ["idle"])]
    assert {one["task"]: one["stale"] for one in said["tasks"]} == dict.fromkeys(
        ["churn", "completion", "demand", "idle", "recommendation"], False
    )


def test_a_file_that_may_not_be_written_is_looked_at(small: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor may its directory, so that SQLite can make no file beside it."""
    small("run", "idle")
    directory = small.program.directory
    before = {file: file.stat().st_mtime_ns for file in directory.iterdir() if file.is_file()}
    monkeypatch.setattr("os.access", lambda path, mode, **options: mode != os.W_OK)  # who runs the tests may be root
    said = small.document("status", code=1)
    assert said["sources"][0]["state"] == "fresh" and not said["tasks"][0]["stale"]
    assert {file: file.stat().st_mtime_ns for file in directory.iterdir() if file.is_file()} == before


def test_a_textfile_is_whole_and_says_what_the_status_says(small: Shell, tmp_path: Path) -> None:
    small("run", "--job", "nightly")
    warehouse = opened(small)
    with warehouse.writing() as connection:  # somebody has been at it for two days
        connection.execute(sa.update(JOB_RUNS).values(started_at=NOW - dt.timedelta(days=2)))
    warehouse.close()
    file = tmp_path / "forecasting.prom"
    assert small("status", "--prometheus", str(file), code=1) == "", "the pages were never made"
    assert sorted(one.name for one in tmp_path.iterdir() if "prom" in one.name) == ["forecasting.prom"]
    found, said = samples(file.read_text()), small.document("status", code=1)
    task = said["tasks"][0]
    assert found["up",] == 1
    assert found["published_as_of_timestamp_seconds", "idle"] == stamp(task["published"]["as_of"])
    assert found["last_success_timestamp_seconds", "idle"] == pytest.approx(stamp(task["published"]["published_at"]))
    assert found["rows", "idle_forecasts", "idle"] == idle_shop.CUSTOMERS
    assert 0 < found["run_duration_seconds", "idle"] < 60
    assert found["gate_loss", "model", "idle"] == task["gate"]["figures"]["model"]
    assert found["job_next_slot_timestamp_seconds", "nightly"] == stamp(task["next_slot"])
    assert found["job_last_exit_code", "nightly"] == found["quarantined_rows", "orders", "idle"] == 0
    assert found["source_newest_timestamp_seconds", "orders"] == stamp(said["sources"][0]["newest"])
    assert {key[1:]: value for key, value in found.items() if key[0] == "stale"} == {
        ("task", "idle"): 0,
        ("source", "orders"): 0,
        ("job", "nightly"): 0,
        ("job", "pages"): 1,
    }
    small("status", "--prometheus", "-", "--json", code=2)
    small("status", "--prometheus", str(tmp_path / "no" / "where.prom"), code=2)


def stamp(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


def test_where_nobody_answers_the_textfile_says_that_nothing_is_up(tmp_path: Path) -> None:
    file = tmp_path / "forecasting.prom"
    away = ["--warehouse", "postgresql://u:hunter2x@127.0.0.1:1/d"]
    assert CliRunner().invoke(cli, ["status", "--prometheus", str(file), *away]).exit_code == 2
    assert samples(file.read_text())["up",] == 0


def workspaces(shell: Shell) -> Callable[[], Workspace]:
    found = config.load(shell.program.directory / "forecasting.toml", warehouse=shell.program.url)
    console = Console()
    return lambda: Workspace(found, console)


def test_a_port_serves_what_is_true_when_it_is_asked(small: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_port, "CACHE_SECONDS", 0.0)
    served = serve(workspaces(small), 0)
    address = f"http://127.0.0.1:{served.port}/metrics"
    try:

        def scrape() -> dict[tuple[str, ...], float]:
            with urllib.request.urlopen(address, timeout=30) as answer:
                assert answer.headers["Content-Type"].startswith("text/plain")
                return samples(answer.read().decode())

        assert scrape()["stale", "task", "idle"] == 1
        small("run", "idle")
        found: list[dict[tuple[str, ...], float]] = []
        threads = [threading.Thread(target=lambda: found.append(scrape())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8 and {one["up",] for one in found} == {1}
        assert scrape()["stale", "task", "idle"] == 0
        with pytest.raises(ConfigurationError, match="another port"):
            serve(workspaces(small), served.port)
    finally:
        served.stop()
    with pytest.raises(OSError):
        urllib.request.urlopen(address, timeout=5)


def test_a_look_that_hangs_or_fails_is_told_as_down_by_one_thread(small: Shell) -> None:
    looks, hanging = [], threading.Event()

    def hang() -> Workspace:
        looks.append(1)
        hanging.wait(30)
        raise OSError("gone")

    collector = StatusCollector(hang, cache=0.0, patience=0.1)
    for _ in range(3):
        assert next(iter(collector.collect())).samples[0].value == 0
    assert len(looks) == 1
    hanging.set()
    time.sleep(0.2)
    assert next(iter(collector.collect())).samples[0].value == 0 and len(looks) == 2


def test_names_that_would_break_the_format_are_escaped() -> None:
    """A channel that is no longer configured may have had any name."""
    name = 'a"b\\c\nd{}'
    found = Status("sqlite://", NOW, (), backlog=(Backlog(name, 3, 0, NOW, NOW, None),))
    text = generate_latest(registry(Known(found))).decode()
    assert samples(text)["alert_deliveries_pending", name] == 3


def test_colours_are_for_terminals_and_words_for_all(small: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    page = small("status", code=1)
    assert "\x1b[31mSTALE" in page


def test_half_a_million_rows_whose_times_no_index_knows_are_asked_in_a_second(small: Shell) -> None:
    small("run", "idle")
    warehouse = opened(small)
    with warehouse.writing() as connection:
        connection.exec_driver_sql("create table many (order_id text, customer_id text, placed_at text)")
        connection.exec_driver_sql(
            "insert into many with recursive n(i) as (select 1 union all select i + 1 from n where i < 500000) "
            "select 'o', 'c', '2024-01-01 00:00:00' from n"
        )
    warehouse.close()
    configured(small, '[tasks.idle]\n[sources.orders]\ntable = "many"\n')
    began = time.process_time()
    assert small.document("status", code=1)["sources"][0]["state"] == "stale"
    assert time.process_time() - began < 0.7
