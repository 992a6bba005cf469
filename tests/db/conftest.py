"""A warehouse of each kind with the house's tables and a task's that only these tests know."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import watched_customers

from db import migrate
from db.engines import Warehouse, open_warehouse


@pytest.fixture
def house_alone(warehouse_url: str) -> Iterator[Warehouse]:
    """The house's tables, and those of `watched_customers`."""
    opened = open_warehouse(warehouse_url)
    migrate.upgrade(opened)
    watched_customers.create(opened)
    yield opened
    opened.close()
