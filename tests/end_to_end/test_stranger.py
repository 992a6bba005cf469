"""A stranger's task, installed beside the suite: found, checked, migrated, run, reported, its alerts delivered; nothing
in the house knows its name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from program import STRANGER, Program, write_shop
from shell import Shell

from db.engines import open_warehouse


def test_a_fifth_task_needs_no_change_in_the_house(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(STRANGER))  # of this process, and below of one of its own
    program = replace(program, with_stranger=True)
    shell = Shell(program)
    files = write_shop(program.directory)
    toml = program.directory / "forecasting.toml"
    toml.write_text("")  # every installed task, with its defaults
    assert "visits" in program("tasks")
    shell("tasks", "check", "visits")
    shell("db", "upgrade")
    shell("load", "orders", str(files["orders"]))
    run = program.document("run", "visits", "--as-of", "2024-05-01", code=(0, 3))["runs"][0]
    assert run["published"] and run["rows"] == {"expected_visits": 40}
    warehouse = open_warehouse(program.url)
    with warehouse.reading() as connection:
        view = sa.table("current_expected_visits", sa.column("customer_id"), sa.column("orders"), sa.column("task"))
        rows = connection.execute(sa.select(view)).all()
    warehouse.close()
    assert len(rows) == 40 and {row.task for row in rows} == {"visits"} and all(row.orders > 0 for row in rows)
    # With all that is expected below a million, everybody comes seldom: the channel hears it, and hears once.
    options = '[tasks.visits]\nseldom_below = 1e6\n[alerts.desk]\nkind = "csv"\ndirectory = "desk"\n'
    toml.write_text(options)
    run = shell.document("run", "visits", "--as-of", "2024-05-02", "--force", code=(0, 3))
    expected = {"raised": 40, "settled": 0, "lapsed": 0, "superseded": 0, "held_back": 0}
    assert run["runs"][0]["alerts"] == expected
    assert run["deliveries"]["delivered"] == 40
    listed = shell.document("alerts", "list", "--limit", "100")["alerts"]
    assert {(alert["ledger"], alert["state"]) for alert in listed} == {("seldom_visitors", "delivered")}
    (file,) = (program.directory / "desk").iterdir()
    assert len(file.read_text(encoding="utf-8-sig").splitlines()) == 41
    toml.write_text("")

    page = (program.directory / "var/reports/visits/visits.html").read_text()
    assert "Who will order" in page

    # Nobody waits for the built-in tasks, which no table names and nobody ran.
    late = {task["task"] for task in shell.document("status", code=1)["tasks"] if task["stale"]}
    assert late == {"visits"}

    # Its tables go as they came.
    shell("db", "downgrade", "visits@base")
    shell("db", "upgrade")
