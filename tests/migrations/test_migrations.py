"""Every table is Alembic's: up, down and up again on populated databases of both kinds, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from db import migrate
from db.alert_ledgers import current_alerts, ledger_table
from db.engines import open_warehouse
from db.outputs import current_view, output_table
from db.tables import ALERT_DELIVERIES, CLAIMS, LOADS, METADATA, MODELS, PUBLICATIONS, QUARANTINE, RUN_METRICS, RUNS
from forecasting.discovery import task_classes
from forecasting.schema import SOURCES, AlertLedger, Column, ConfigurationError, ForecastingError, Kind, OutputTable
from tasks.demand.outputs import OUTPUTS

DEMAND = ["tasks.demand.migrations"]
HOUSE = ["house_0001", "house_0002", "house_0003", "house_0004", "house_0005"]
NOON = datetime(2026, 3, 29, 12, 30, 15, 123456, tzinfo=UTC)
VALUES = {
    Kind.ID: "7",
    Kind.TEXT: "text",
    Kind.NUMBER: 1.5,
    Kind.INTEGER: 2**40,
    Kind.FLAG: True,
    Kind.TIMESTAMP: NOON,
    Kind.DATE: date(2026, 3, 29),
    Kind.JSON: {"a": [1, None]},
}


@pytest.fixture
def empty(warehouse_url):
    warehouse = open_warehouse(warehouse_url)
    yield warehouse
    warehouse.close()


def populate(warehouse, outputs=OUTPUTS) -> None:
    at = {"slot": NOON, "as_of": NOON}
    with warehouse.writing() as connection:
        connection.execute(
            RUNS.insert().values(
                run_id="r1",
                task="demand",
                state="done",
                trigger="test",
                started_at=NOON,
                fence=1,
                config={"a": 1},
                **at,
            )
        )
        connection.execute(
            RUN_METRICS.insert().values(run_id="r1", slice="all", subject="model", metric="wql", value=0.5)
        )
        connection.execute(
            MODELS.insert().values(
                model_id="m", task="demand", created_at=NOON, trained_until=NOON, uri="u", sha256="s", champion=True
            )
        )
        connection.execute(QUARANTINE.insert().values(run_id="r1", source="sales", row={"n": 1}, reason="bad"))
        connection.execute(
            PUBLICATIONS.insert().values(task="demand", run_id="r1", as_of=NOON, fence=1, published_at=NOON)
        )
        connection.execute(
            CLAIMS.insert().values(
                task="demand", slot=NOON, owner="o", fence=1, state="done", claimed_at=NOON, heartbeat_at=NOON,
                lease_expires_at=NOON,
            )
        )  # fmt: skip
        connection.execute(LOADS.insert().values(source="sales", sha256="s", file="f", rows=1, loaded_at=NOON))
        connection.execute(
            ALERT_DELIVERIES.insert().values(
                delivery_id="d", ledger="l", alert_id="a", task="t", run_id="r1", channel="c", event="raised",
                payload={"a": 1}, state="pending", attempts=0, created_at=NOON, next_attempt_at=NOON, as_of=NOON,
            )
        )  # fmt: skip
        for output in outputs:
            row = {column.name: VALUES[column.kind] for column in output.columns}
            connection.execute(output_table(output).insert().values(run_id="r1", **row))


def tables(warehouse) -> set[str]:
    with warehouse.reading() as connection:
        inspector = sa.inspect(connection)
        return set(inspector.get_table_names()) | set(inspector.get_view_names())


def test_up_down_and_up_again_with_rows_in_every_table(empty):
    assert [one.revision for one in migrate.upgrade(empty, DEMAND)] == [*HOUSE, "demand_0001"]
    assert migrate.upgrade(empty, DEMAND) == ()
    populate(empty)
    everything = tables(empty)
    assert {"demand_forecasts", "current_reorder_plan", "runs", "alembic_version"} <= everything

    steps = migrate.downgrade(empty, DEMAND, "demand@base")
    assert [one.revision for one in steps] == ["demand_0001"]
    assert tables(empty) == {*METADATA.tables, "alembic_version"}
    assert [one.revision for one in migrate.pending(empty, DEMAND)] == ["demand_0001"]

    migrate.upgrade(empty, DEMAND)
    assert tables(empty) == everything
    migrate.downgrade(empty, DEMAND, "base")
    assert tables(empty) == {"alembic_version"}
    assert migrate.current(empty, DEMAND) == ()

    migrate.upgrade(empty, DEMAND)
    populate(empty)
    assert tables(empty) == everything


def test_rows_come_back_as_they_went_in(warehouse):
    populate(warehouse)
    with warehouse.reading() as connection:
        run = connection.execute(sa.select(RUNS)).one()
        assert (run.as_of, run.config, run.finished_at) == (NOON, {"a": 1}, None)
        for output in OUTPUTS:
            row = connection.execute(sa.select(current_view(output))).mappings().one()
            assert row["task"] == "demand"
            assert {column.name: row[column.name] for column in output.columns} == {
                column.name: VALUES[column.kind] for column in output.columns
            }


def test_check_finds_no_difference(empty):
    built_in = {name: task for name, task in task_classes().items() if task.__module__.startswith("tasks.")}
    lineages = [task.spec.migrations for task in built_in.values()]
    outputs = [output for task in built_in.values() for output in task.spec.outputs]
    ledgers = [task.spec.alerts for task in built_in.values() if task.spec.alerts is not None]
    migrate.upgrade(empty, lineages)
    assert len(outputs) >= 3 and ledgers
    with empty.writing() as connection:  # tables that are not ours are none of our business
        for name in (*SOURCES, "of_somebody_else"):
            sa.Table(name, sa.MetaData(), sa.Column("whatever", sa.Integer)).create(connection)
    assert migrate.check(empty, outputs, ledgers) == ()


def test_check_finds_differences(warehouse):
    plan = OUTPUTS[1]
    wider = OutputTable(plan.name, (*plan.columns, Column("colour", Kind.TEXT, required=False)), plan.key)
    found = migrate.check(warehouse, (OUTPUTS[0], wider))
    assert any("add_column" in line and "colour" in line for line in found)
    assert any(line.startswith("view current_reorder_plan has columns") for line in found)
    with warehouse.writing() as connection:
        connection.execute(sa.schema.DropIndex(next(index for index in RUNS.indexes)))
    assert any("runs_by_task" in line for line in migrate.check(warehouse, OUTPUTS))


def test_require_current_says_what_to_do(empty):
    with pytest.raises(ConfigurationError, match=r"house, demand.*forecasting db upgrade"):
        migrate.require_current(empty, DEMAND)
    migrate.upgrade(empty, DEMAND)
    migrate.require_current(empty, DEMAND)


def test_concurrent_upgrades_wait_for_each_other(warehouse_url):
    taken: list[int] = []

    def upgrade() -> None:
        warehouse = open_warehouse(warehouse_url)
        taken.append(len(migrate.upgrade(warehouse, DEMAND)))
        warehouse.close()

    threads = [threading.Thread(target=upgrade) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(taken) == [0, 0, len(HOUSE) + 1]


STRANGER = '''
"""A stranger's table."""
{imports}
from alembic import op
from forecasting.schema import Column, Kind, OutputTable

revision = "{revision}"
down_revision = None
branch_labels = ("{label}",)
depends_on = None
TABLE = OutputTable("{label}_table", tuple(Column(kind.value, kind) for kind in Kind if kind != "any"), key=("id",))

def upgrade():
    op.create_output(TABLE)
    {extra}

def downgrade():
    {down}
    op.drop_output(TABLE)
'''


@pytest.fixture
def lineage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(tmp_path / "plugins")

    def make(
        label: str, *, revision: str | None = None, imports: str = "", extra: str = "pass", down: str = "pass"
    ) -> str:
        package = tmp_path / "plugins" / f"{label}_plugin"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        text = STRANGER.format(
            label=label, revision=revision or f"{label}_0001", imports=imports, extra=extra, down=down
        )
        (package / "first.py").write_text(text)
        return f"{label}_plugin"

    return make


def test_a_strangers_table_of_every_kind(empty, lineage):
    package = lineage("stranger")
    declared = OutputTable(
        "stranger_table", tuple(Column(kind.value, kind) for kind in Kind if kind != "any"), key=("id",)
    )
    migrate.upgrade(empty, [*DEMAND, package])
    assert migrate.check(empty, [*OUTPUTS, declared]) == ()
    populate(empty, [declared])
    with empty.reading() as connection:
        row = connection.execute(sa.select(current_view(declared))).mappings().one()
        assert {kind.value: row[kind.value] for kind in VALUES} == {kind.value: value for kind, value in VALUES.items()}


LEDGER = AlertLedger(
    name="stranger_alerts",
    output="stranger_table",
    entity="id",
    level="text",
    levels=("calm", "loud"),
    value="number",
    settled="timestamp",
    copied=tuple(Column(kind.value, kind) for kind in (Kind.NUMBER, Kind.JSON, Kind.DATE)),
)


def test_a_strangers_alerts_go_up_and_down_with_rows(empty, lineage):
    declared = (
        'LEDGER = AlertLedger("stranger_alerts", "stranger_table", entity="id", level="text", levels=("calm", "loud"),'
        ' value="number", settled="timestamp",'
        " copied=tuple(Column(kind.value, kind) for kind in (Kind.NUMBER, Kind.JSON, Kind.DATE)))"
    )
    package = lineage(
        "stranger",
        imports=f"from forecasting.schema import AlertLedger, Column, Kind\n{declared}",
        extra="op.create_alert_ledger(LEDGER)",
        down="op.drop_alert_ledger(LEDGER)",
    )
    migrate.upgrade(empty, [*DEMAND, package])
    assert migrate.check(empty, OUTPUTS, [LEDGER]) == ()
    table = ledger_table(LEDGER)
    row = {column.name: VALUES[column.kind] for column in LEDGER.columns}
    with empty.writing() as connection:
        connection.execute(table.insert().values({**row, "alert_id": "1", "state": "open", "text": "loud"}))
        connection.execute(table.insert().values({**row, "alert_id": "2", "state": "closed", "text": "loud"}))
        (shown,) = connection.execute(sa.select(current_alerts(LEDGER))).mappings()
    assert dict(shown) == {**row, "alert_id": "1", "state": "open", "text": "loud"}
    with empty.writing() as connection:
        connection.execute(sa.schema.DropIndex(next(one for one in table.indexes if one.unique)))
    assert any("stranger_alerts_one_open" in line for line in migrate.check(empty, OUTPUTS, [LEDGER]))
    wider = replace(LEDGER, copied=(*LEDGER.copied, Column("colour", Kind.TEXT, required=False)))
    found = migrate.check(empty, OUTPUTS, [wider])
    assert any("add_column" in line and "colour" in line for line in found)
    assert any(line.startswith("view current_stranger_alerts has columns") for line in found)
    assert len(migrate.downgrade(empty, [*DEMAND, package], "stranger@base")) == 1
    assert not any(name.endswith(("stranger_alerts", "stranger_table")) for name in tables(empty))


def test_an_uninstalled_plugin_harms_nobody(empty, lineage):
    migrate.upgrade(empty, [lineage("stranger")])
    assert [one.revision for one in migrate.pending(empty, DEMAND)] == ["demand_0001"]
    assert [one.revision for one in migrate.upgrade(empty, DEMAND)] == ["demand_0001"]
    assert {one.revision: one.installed for one in migrate.current(empty, DEMAND)} == {
        HOUSE[-1]: True,
        "demand_0001": True,
        "stranger_0001": False,
    }
    assert [one.revision for one in migrate.downgrade(empty, DEMAND, "demand@base")] == ["demand_0001"]
    assert "stranger_table" in tables(empty)


def test_two_lineages_with_one_revision_id_are_refused(empty, lineage):
    packages = [lineage("one", revision="first"), lineage("two", revision="first")]
    with pytest.raises(ConfigurationError, match="do not fit together"):
        migrate.upgrade(empty, packages)


def test_a_package_that_is_not_there(empty):
    with pytest.raises(ConfigurationError, match=r"no package 'tasks\.nothing\.migrations'"):
        migrate.upgrade(empty, ["tasks.nothing.migrations"])


def test_an_unknown_target(warehouse):
    with pytest.raises(ConfigurationError, match="nosuch"):
        migrate.downgrade(warehouse, DEMAND, "nosuch@base")


def test_a_failing_revision_changes_nothing(empty, lineage):
    package = lineage("broken", extra="op.create_output(TABLE)")
    with pytest.raises(ForecastingError, match="changed nothing"):
        migrate.upgrade(empty, [*DEMAND, package])
    assert tables(empty) == set()


def test_a_killed_upgrade_changes_nothing(warehouse_url, lineage, tmp_path: Path):
    package = lineage("killed", imports="import os, signal", extra="os.kill(os.getpid(), signal.SIGKILL)")
    code = f"""
        import sys
        sys.path.insert(0, {str(tmp_path / "plugins")!r})
        from db import migrate
        from db.engines import open_warehouse
        migrate.upgrade(open_warehouse({warehouse_url!r}), [*{DEMAND!r}, {package!r}])
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert ended.returncode == -9
    warehouse = open_warehouse(warehouse_url)
    assert tables(warehouse) == set()
    assert len(migrate.upgrade(warehouse, DEMAND)) == len(HOUSE) + 1
    warehouse.close()
