"""Earlier published runs of a task, whose rows may still be kept: what pages look back at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.tables import RUNS
from reports.view import Provenance


def earlier_runs(
    connection: Connection, provenance: Provenance, *columns: sa.ColumnElement[Any], limit: int
) -> Sequence[sa.Row[Any]]:
    """`run_id` and `as_of` of the runs that were published for an earlier instant, the newest first, and `columns`
    beside; runs whose rows are no longer kept are among them."""
    return connection.execute(
        sa.select(RUNS.c.run_id, RUNS.c.as_of, *columns)
        .where(
            RUNS.c.task == provenance.task,
            RUNS.c.run_id != provenance.run_id,
            RUNS.c.state == "done",
            RUNS.c.published_at.is_not(None),
            RUNS.c.as_of < provenance.as_of,
        )
        .order_by(RUNS.c.as_of.desc(), RUNS.c.started_at.desc())
        .limit(limit)
    ).all()


def known_until(provenance: Provenance) -> datetime:
    """Up to when the published run knows what happened: the end of the data's last day, its as-of instant at the
    latest."""
    if provenance.data_until is None:
        return provenance.as_of
    end = datetime.combine(provenance.data_until + timedelta(days=1), time(), UTC)
    return min(end, provenance.as_of)
