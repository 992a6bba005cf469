"""How earlier warnings turned out: an earlier published run's customers beside what they have done since."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.engines import Warehouse
from db.tables import RUNS
from reports.at_risk import BANDS
from reports.earlier import earlier_runs, known_until
from reports.published import options, relation
from reports.risks import RISK_COLUMNS
from reports.since import BandSince, LookBack
from reports.view import Provenance

CANDIDATES = 400
"""Earlier runs that are looked at, newest first."""

MONTH_DAYS = 30.0
LEAST_DAYS = 7.0
"""A run younger than this says nothing yet."""

LATE_DAYS = 7.0
"""How long after its horizon a run still shows who bought within it: only the last purchase is published, so one made
after the horizon hides the silence before it."""

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class _Earlier:
    """An earlier run: how many days of what its customers did since are known, of the `horizon` that it spoke of."""

    run_id: str
    as_of: datetime
    days: float
    horizon: int

    @property
    def just_closed(self) -> bool:
        return self.horizon <= self.days <= self.horizon + LATE_DAYS


def turned_out(warehouse: Warehouse, connection: Connection, provenance: Provenance) -> list[LookBack]:
    """The run about a month ago, and the latest one whose whole horizon has just passed, where that is another; the
    latest first. Empty where no run of that age is kept."""
    risks = relation(warehouse, connection, "churn_risks", RISK_COLUMNS)
    found = [_look_back(connection, risks, run, provenance) for run in _choose(connection, risks, provenance)]
    return [one for one in found if one.bands]


def _choose(connection: Connection, risks: sa.Table, provenance: Provenance) -> list[_Earlier]:
    runs = _earlier(connection, risks, provenance)
    closed = min((run for run in runs if run.just_closed), key=lambda run: run.days, default=None)
    open_ones = [run for run in runs if run.days < run.horizon]
    month = min(open_ones, key=lambda run: (abs(run.days - MONTH_DAYS), run.days), default=None)
    if closed is not None and closed.horizon <= MONTH_DAYS + LATE_DAYS:
        month = None  # last month's run has closed: it says all
    return [run for run in (month, closed) if run is not None]


def _earlier(connection: Connection, risks: sa.Table, provenance: Provenance) -> list[_Earlier]:
    """Published runs whose rows are kept and whose customers are sure to be seen buying: one who is watched no more
    has bought nothing only while `active_days` have not passed."""
    active_days = options(connection, provenance.run_id).get("active_days")
    of_run = sa.select(risks.c.horizon_days).where(risks.c.run_id == RUNS.c.run_id)
    horizon = of_run.limit(1).scalar_subquery()  # all rows of a run share it
    rows = earlier_runs(connection, provenance, horizon.label("horizon"), limit=CANDIDATES)
    until = known_until(provenance)
    runs = [_Earlier(row.run_id, row.as_of, (until - row.as_of) / _DAY, row.horizon) for row in rows if row.horizon]
    return [
        run
        for run in runs
        if run.days >= LEAST_DAYS and (active_days is None or provenance.as_of - run.as_of <= active_days * _DAY)
    ]


def _look_back(connection: Connection, risks: sa.Table, run: _Earlier, provenance: Provenance) -> LookBack:
    """Counts by band. Who is watched no more has not bought since."""
    now = risks.alias("now")  # of the published run: a key of the table, where its view would be gone through
    said = risks.c.probability
    since = sa.and_(
        now.c.run_id == provenance.run_id,
        now.c.customer_id == risks.c.customer_id,
        now.c.last_purchase_at >= run.as_of,
    )
    rows = connection.execute(
        sa.select(
            risks.c.band,
            sa.func.count().label("customers"),
            sa.func.count(now.c.customer_id).label("bought"),
            sa.func.avg(said).label("expected"),
            sa.func.sum(said * (1 - said)).label("variance"),
        )
        .join_from(risks, now, since, isouter=True)
        .where(risks.c.run_id == run.run_id)
        .group_by(risks.c.band)
    ).all()
    by_band = {row.band: row for row in rows}
    return LookBack(run.run_id, run.as_of, run.days, run.horizon, _bands(by_band))


def _bands(rows: dict[str, sa.Row[tuple[str, int, int, float, float]]]) -> Sequence[BandSince]:
    return [
        BandSince(band, row.customers, row.bought, row.expected, math.sqrt(max(row.variance, 0.0)) / row.customers)
        for band in BANDS
        if (row := rows.get(band)) is not None
    ]
