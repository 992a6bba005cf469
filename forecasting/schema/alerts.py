"""Alerts as plain data: which published rows a task warns about, and when. The house raises, delivers, closes them."""

from __future__ import annotations

from dataclasses import dataclass

from forecasting.schema.declarations import Column, Kind


@dataclass(frozen=True)
class AlertLedger:
    """That a task warns about entities of one of its output tables, in a ledger of its own.

    `name`: the ledger's table, with a view `current_NAME` of every alert that is not closed. `output`: the output
    table that is watched, whose key is the column `entity`. `level`: its column that says how bad things are, one of
    `levels`, from harmless to worst. `value`: its number column that a threshold looks at, null where unknown.
    `settled`: its timestamp column of the last thing the entity did; an alert is closed by itself once that lies at
    or after the alert's `as_of`. `copied`: its columns that an alert repeats, as they were when it was raised.
    """

    name: str
    output: str
    entity: str
    level: str
    levels: tuple[str, ...]
    value: str
    settled: str
    copied: tuple[Column, ...] = ()

    @property
    def view(self) -> str:
        """Name of the view over the alerts that are not closed."""
        return f"current_{self.name}"

    @property
    def columns(self) -> tuple[Column, ...]:
        """The ledger's columns: the house's, the entity and what is copied."""
        return (
            Column("alert_id", Kind.TEXT, description="the same for the same warning, however often it is raised"),
            Column("task", Kind.TEXT, description="the configured task that warns"),
            Column("run_id", Kind.TEXT, description="the run that raised it"),
            Column(self.entity, Kind.ID),
            Column("raised_at", Kind.TIMESTAMP),
            Column("as_of", Kind.TIMESTAMP, description="the cutoff of the run that raised it"),
            Column(self.level, Kind.TEXT, choices=self.levels),
            *self.copied,
            Column("state", Kind.TEXT, choices=ALERT_STATES),
            Column("delivered_at", Kind.TIMESTAMP, required=False),
            Column("acknowledged_at", Kind.TIMESTAMP, required=False),
            Column("acknowledged_by", Kind.TEXT, required=False),
            Column("closed_at", Kind.TIMESTAMP, required=False),
            Column("closed_because", Kind.TEXT, required=False, choices=CLOSED_BECAUSE),
        )


ALERT_STATES = ("open", "delivered", "acknowledged", "closed")
"""open: raised. delivered: every channel has it. acknowledged: a person has seen to it. closed: of no more interest."""

CLOSED_BECAUSE = ("settled", "lapsed", "superseded", "by hand")
"""settled: the entity did what it was expected not to. lapsed: it is no longer watched. superseded: a worse alert about
it was raised. by hand: a person closed it."""


@dataclass(frozen=True)
class AlertPolicy:
    """When a task's alerts are raised, from its options.

    `raise_from`: the mildest level worth an alert. `cooldown_days`: after an alert no other of the same or a milder
    level is raised about the entity for so long, counted from `as_of` to `as_of`. `least_value`: none where the
    watched value is smaller; one that is unknown counts as 0. `start_limit`: at most so many, of the largest values,
    where there is nothing that the rows could be compared with: on the first night, and where another method or other
    options made those of the night before. None for all.
    """

    raise_from: str
    cooldown_days: float = 0.0
    least_value: float = 0.0
    start_limit: int | None = None
