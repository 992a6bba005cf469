"""The program with the task that does next to nothing (`tests/idle`), a few orders for it to count, and what must
hold of its tables whatever happened to a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from program import IDLE, Program
from shell import Shell

from db import clock
from db.claims import is_alive
from db.engines import Warehouse
from db.tables import CLAIMS

CUSTOMERS = 40


def create(
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
    options: str = "",
    settings: str = "",
    *,
    orders: bool = True,
) -> Program:
    """The program with the task installed, in this process too, its tables made and its orders loaded. `options`:
    lines of `[tasks.idle]`, such as "pause = 0.2"; `settings`: what else stands in forecasting.toml, before it."""
    monkeypatch.syspath_prepend(str(IDLE))
    program = replace(program, with_idle=True)
    configure(program, options, settings)
    shell = Shell(program)
    shell("db", "upgrade")
    if orders:
        shell("load", "orders", str(write_orders(program)))
    return program


def configure(program: Program, options: str = "", settings: str = "") -> None:
    """Writes forecasting.toml."""
    (program.directory / "forecasting.toml").write_text(f"{settings}\n[tasks.idle]\n{options}\n")


def write_orders(program: Program) -> Path:
    """The file of orders, three for each customer."""
    file = program.directory / "orders.csv"
    lines = [f"O{n},C{n % CUSTOMERS:02},2024-01-{n % 28 + 1:02}T12:00:00Z" for n in range(3 * CUSTOMERS)]
    file.write_text("\n".join(["order_id,customer_id,placed_at", *lines]) + "\n")
    return file


def night(number: int, *options: str) -> tuple[str, ...]:
    """The arguments of the run of a day, from 0; slot and as-of are the same. All orders were placed before."""
    day = f"20{25 + number // 336}-{number // 28 % 12 + 1:02}-{number % 28 + 1:02}"
    return ("run", "idle", "--as-of", day, "--slot", day, *options)


@dataclass(frozen=True)
class Shown:
    """What readers see in one snapshot, and what the ledgers say of it. `run`: that all views show; `states`: of every
    run; `running_claims`: how many slots are not free, a dead process holding none."""

    run: str
    forecasts: tuple[tuple[object, ...], ...]
    totals: tuple[tuple[object, ...], ...]
    alerts: tuple[tuple[object, ...], ...]
    states: dict[str, str]
    running_claims: int


def shown(warehouse: Warehouse) -> Shown:
    """What is shown now. Fails where views disagree, rows lack or are double, or an unpublished run raised an alert."""

    def rows(connection: sa.Connection, table: str, *columns: str) -> tuple[tuple[object, ...], ...]:
        wanted = [sa.column(name) for name in columns]
        return tuple(sorted(map(tuple, connection.execute(sa.select(*wanted).select_from(sa.table(table))))))

    with warehouse.reading() as connection:
        forecasts = rows(connection, "current_idle_forecasts", "run_id", "customer_id", "orders", "mood")
        totals = rows(connection, "current_idle_totals", "run_id", "mood", "customers")
        alerts = rows(connection, "idle_alerts", "alert_id", "run_id", "customer_id", "state")
        runs = rows(connection, "runs", "run_id", "state")
        run_id, moved_at = sa.column("run_id"), sa.column("published_at")
        published = set(
            connection.scalars(sa.select(run_id).select_from(sa.table("runs")).where(moved_at.is_not(None)))
        )
        moment = clock.now(connection)
        alive = sum(is_alive(claim, moment) for claim in connection.execute(sa.select(CLAIMS)))
    shown_runs = {row[0] for row in (*forecasts, *totals)}
    assert len(shown_runs) == 1, f"views show {shown_runs}"
    assert (len(forecasts), len(totals)) == (CUSTOMERS, 2), f"{len(forecasts)} and {len(totals)} rows"
    assert len({row[1] for row in forecasts}) == CUSTOMERS, "a customer twice"
    (run,) = shown_runs
    states = dict(runs)
    assert states[run] == "done", f"the run shown is {states[run]}"
    assert {row[1] for row in alerts} <= published, "an alert of a run that was not published"
    return Shown(
        str(run),
        tuple(row[1:] for row in forecasts),
        tuple(row[1:] for row in totals),
        alerts,
        states,
        alive,
    )
