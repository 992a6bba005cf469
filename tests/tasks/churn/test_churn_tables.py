"""The tables that churn writes are Alembic's: its lineage makes what it declares, and takes it away again."""

from __future__ import annotations

import sqlalchemy as sa

from db import migrate
from db.engines import open_warehouse
from tasks.churn.outputs import CHURN_ALERTS, OUTPUTS

LINEAGE = ["tasks.churn.migrations"]


def test_the_lineage_makes_the_declared_tables_and_takes_them_away(warehouse_url):
    warehouse = open_warehouse(warehouse_url)
    try:
        made = [step.revision for step in migrate.upgrade(warehouse, LINEAGE)]
        assert made[0] == "house_0001" and made[-1] == "churn_0001"
        assert migrate.check(warehouse, OUTPUTS, [CHURN_ALERTS]) == ()
        migrate.downgrade(warehouse, LINEAGE, "churn@base")
        with warehouse.reading() as connection:
            left = set(sa.inspect(connection).get_table_names())
        assert not left & {"churn_risks", "churn_alerts"}
    finally:
        warehouse.close()
