"""A task's table and ledger of alerts, and nights that publish into them: nothing of churn's, only its shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
import sqlalchemy as sa

from db import publishing, runs
from db.alert_ledgers import CreateLedgerView, ledger_table
from db.claims import claim
from db.engines import Warehouse
from db.outbox import ChannelInterest
from db.outputs import CreateView, output_table
from db.raising import Raised, raise_alerts
from forecasting.schema import AlertLedger, AlertPolicy, Column, Kind, OutputTable

START = datetime(2026, 3, 1, tzinfo=UTC)
BANDS = ("low", "medium", "high")
WHY = Column("why", Kind.JSON)
WORTH = Column("worth", Kind.NUMBER, required=False)

MOODS = OutputTable(
    "moods",
    (
        Column("shopper", Kind.ID),
        Column("mood", Kind.TEXT, choices=BANDS),
        WORTH,
        Column("bought_at", Kind.TIMESTAMP),
        WHY,
    ),
    key=("shopper",),
)
SULKS = AlertLedger(
    name="sulks",
    output="moods",
    entity="shopper",
    level="mood",
    levels=BANDS,
    value="worth",
    settled="bought_at",
    copied=(WORTH, WHY),
)
POLICY = AlertPolicy(raise_from="medium", cooldown_days=10.0, least_value=5.0)
CRM = ChannelInterest("crm", ("raised", "closed"))
FILE = ChannelInterest("file")


class Mood(NamedTuple):
    """One row of `moods`; `bought`: days after START of the last purchase."""

    mood: str
    worth: float | None = 100.0
    bought: float = -20.0


def day(number: float) -> datetime:
    """So many days after START."""
    return START + timedelta(days=number)


def create(warehouse: Warehouse) -> None:
    """The two tables and their views."""
    with warehouse.writing() as connection:
        output_table(MOODS).create(connection)
        connection.execute(CreateView(MOODS))
        ledger_table(SULKS).create(connection)
        connection.execute(CreateLedgerView(SULKS))


@dataclass
class Nights:
    """Publishes one night after the other for one configured task."""

    warehouse: Warehouse
    task: str = "sulking"
    policy: AlertPolicy = POLICY
    channels: Sequence[ChannelInterest] = ()
    subject: str = "model"
    options: Mapping[str, Any] | None = None

    def publish(self, number: float, moods: Mapping[str, Mood | str], *, force: bool = False) -> Raised | None:
        """The night of that day; a bare word is the mood alone. None where the pointer stayed."""
        rows = [(name, Mood(mood) if isinstance(mood, str) else mood) for name, mood in moods.items()]
        table = pa.table(
            {
                "shopper": pa.array([name for name, _ in rows], pa.string()),
                "mood": pa.array([mood.mood for _, mood in rows], pa.string()),
                "worth": pa.array([mood.worth for _, mood in rows], pa.float64()),
                "bought_at": pa.array([day(mood.bought) for _, mood in rows], pa.timestamp("us", "UTC")),
                "why": pa.array(['[{"text": "quiet"}]'] * len(rows), pa.string()),
            }
        )
        return self.publish_table(number, table, force=force)

    def publish_table(self, number: float, rows: pa.Table, *, force: bool = False) -> Raised | None:
        """The same from a table."""
        told: list[Raised] = []

        def then(connection: sa.Connection, move: publishing.Move) -> None:
            told.append(raise_alerts(connection, SULKS, MOODS, self.policy, self.channels, move))

        mine = claim(self.warehouse, self.task, day(number), force=force)
        run_id = runs.start(self.warehouse, mine, as_of=day(number), trigger="test", config={"options": self.options})
        publishing.stage(self.warehouse, mine, run_id, MOODS, rows)
        outcome = publishing.Outcome(rows=len(rows), subject=self.subject)
        moved = publishing.publish(self.warehouse, mine, run_id, outcome, force=force, then=then)
        assert moved == bool(told)
        return told[0] if told else None

    def alerts(self, *columns: str) -> list[Any]:
        """The task's alerts in the order of shopper and time: those columns of each, or one column bare."""
        table = ledger_table(SULKS)
        statement = sa.select(*(table.c[name] for name in columns)).where(table.c.task == self.task)
        with self.warehouse.reading() as connection:
            rows = connection.execute(statement.order_by(table.c.shopper, table.c.as_of, table.c.raised_at))
            return [row[0] if len(columns) == 1 else tuple(row) for row in rows]
