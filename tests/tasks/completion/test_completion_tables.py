"""The tables that completion writes are Alembic's: its lineage makes what it declares, and takes it away again."""

from __future__ import annotations

import sqlalchemy as sa

from db import migrate
from db.engines import open_warehouse
from tasks.completion.outputs import OUTPUTS

LINEAGE = ["tasks.completion.migrations"]


def test_the_lineage_makes_the_declared_tables_and_takes_them_away(warehouse_url):
    warehouse = open_warehouse(warehouse_url)
    try:
        made = [step.revision for step in migrate.upgrade(warehouse, LINEAGE)]
        assert made[0] == "house_0001" and made[-1] == "completion_0001"
        assert migrate.check(warehouse, OUTPUTS, []) == ()
        migrate.downgrade(warehouse, LINEAGE, "completion@base")
        with warehouse.reading() as connection:
            left = set(sa.inspect(connection).get_table_names())
        assert not left & {output.name for output in OUTPUTS}
    finally:
        warehouse.close()
