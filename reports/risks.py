"""Customers at risk and the warnings about them, from the published views and the ledger of alerts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.engines import Warehouse
from forecasting.schema import ConfigurationError, Kind
from reports.at_risk import WAITING, Customer, Reason, Totals, Warned
from reports.published import options, relation
from reports.since import WarningsSince
from reports.view import Provenance

RISKS = "current_churn_risks"
CURRENT_ALERTS = "current_churn_alerts"
ALERTS = "churn_alerts"
RISK_COLUMNS = {
    "customer_id": Kind.ID,
    "horizon_days": Kind.INTEGER,
    "probability": Kind.NUMBER,
    "band": Kind.TEXT,
    "expected_next_purchase_date": Kind.DATE,
    "reasons": Kind.JSON,
    "value": Kind.NUMBER,
    "value_at_risk": Kind.NUMBER,
    "orders": Kind.INTEGER,
    "first_purchase_at": Kind.TIMESTAMP,
    "last_purchase_at": Kind.TIMESTAMP,
    "usual_gap_days": Kind.NUMBER,
    "region": Kind.TEXT,
}
ALERT_COLUMNS = {
    "alert_id": Kind.TEXT,
    "customer_id": Kind.ID,
    "as_of": Kind.TIMESTAMP,
    "state": Kind.TEXT,
    "acknowledged_at": Kind.TIMESTAMP,
    "acknowledged_by": Kind.TEXT,
    "closed_because": Kind.TEXT,
}
MONTH = timedelta(days=30)
"""How far back warnings are looked at."""

UNKNOWN_VALUE = -1.0
"""Where customers without a known value stand among those with one: last."""


def totals(warehouse: Warehouse, connection: Connection, provenance: Provenance) -> Totals:
    """Sums over all that is published. One statement goes through the customers, one through the warnings."""
    risks = relation(warehouse, connection, RISKS, RISK_COLUMNS)
    rows = connection.execute(
        sa.select(
            risks.c.band,
            sa.func.count().label("customers"),
            sa.func.count(risks.c.value_at_risk).label("valued"),
            sa.func.sum(risks.c.value).label("value"),
            sa.func.sum(risks.c.value_at_risk).label("value_at_risk"),
            sa.func.max(risks.c.horizon_days).label("horizon_days"),
        )
        .where(risks.c.task == provenance.task)
        .group_by(risks.c.band)
    ).all()
    waiting = seen = 0
    alerts = _alerts(warehouse, connection, CURRENT_ALERTS)
    if alerts is not None:
        for row in connection.execute(
            sa.select(alerts.c.state, sa.func.count().label("number"))
            .join_from(alerts, risks, _about(alerts, risks))
            .where(risks.c.task == provenance.task)
            .group_by(alerts.c.state)
        ):
            waiting += row.number if row.state in WAITING else 0
            seen += row.number if row.state not in WAITING else 0
    chosen = options(connection, provenance.run_id)
    return Totals(
        bands={row.band: row.customers for row in rows},
        horizon_days=max((row.horizon_days for row in rows), default=None),
        value=_sum([row.value for row in rows]),
        value_at_risk=_sum([row.value_at_risk for row in rows]),
        valued=sum(row.valued for row in rows),
        waiting=waiting,
        seen=seen,
        **{name: chosen.get(name) for name in ("value_days", "active_days", "medium_from", "high_from")},
    )


def customers(
    warehouse: Warehouse, connection: Connection, task: str, *, limit: int | None = None, warned: bool = False
) -> Iterator[Customer]:
    """All customers watched, or those `warned` about alone: first those with a warning that nobody has seen to, then
    those at medium or high risk, then the others; each by value at risk (by probability where no value is known)."""
    risks = relation(warehouse, connection, RISKS, RISK_COLUMNS)
    alerts = _alerts(warehouse, connection, CURRENT_ALERTS)
    first: list[sa.ColumnElement[Any]] = [sa.case((risks.c.band == "low", 1), else_=0)]
    columns: list[sa.ColumnElement[Any]] = [risks.c[name] for name in RISK_COLUMNS]
    source: sa.FromClause = risks
    if alerts is None and warned:
        return
    if alerts is not None:
        source = risks.join(alerts, _about(alerts, risks), isouter=not warned)
        first.insert(0, sa.case((alerts.c.state.in_(WAITING), 0), else_=1))
        told = ("alert_id", "as_of", "state", "acknowledged_at", "acknowledged_by")
        columns += [alerts.c[name].label(f"alert_{name}") for name in told]
    statement = (
        sa.select(*columns)
        .select_from(source)
        .where(risks.c.task == task)
        .order_by(
            *first,
            sa.func.coalesce(risks.c.value_at_risk, UNKNOWN_VALUE).desc(),
            risks.c.probability.desc(),
            risks.c.customer_id,
        )
        .limit(limit)
    )
    for row in connection.execute(statement, execution_options={"yield_per": 2000}):
        yield _customer(row._mapping)


def warnings_since(warehouse: Warehouse, connection: Connection, provenance: Provenance) -> WarningsSince | None:
    """What became of the last month's warnings; None where there is no ledger of them."""
    alerts = _alerts(warehouse, connection, ALERTS)
    if alerts is None:
        return None
    since = provenance.as_of - MONTH
    rows = connection.execute(
        sa.select(alerts.c.state, alerts.c.closed_because, sa.func.count().label("number"))
        .where(alerts.c.task == provenance.task, alerts.c.as_of >= since, alerts.c.as_of <= provenance.as_of)
        .group_by(alerts.c.state, alerts.c.closed_because)
    ).all()
    ended = {"settled": "bought", "lapsed": "lapsed", "by hand": "by_hand"}
    found = dict.fromkeys(("bought", "waiting", "seen", "lapsed", "by_hand"), 0)
    for row in rows:
        if row.state == "closed" and row.closed_because in ended:
            found[ended[row.closed_because]] += row.number
        elif row.state != "closed":
            found["waiting" if row.state in WAITING else "seen"] += row.number
    return WarningsSince(since, **found)


def _alerts(warehouse: Warehouse, connection: Connection, name: str) -> sa.Table | None:
    """The ledger of alerts, or its view of those that are not closed; None where the warehouse has none."""
    try:
        return relation(warehouse, connection, name, ALERT_COLUMNS)
    except ConfigurationError:
        return None


def _about(alerts: sa.Table, risks: sa.Table) -> sa.ColumnElement[bool]:
    """Of one customer at most one alert is not closed."""
    return sa.and_(alerts.c.task == risks.c.task, alerts.c.customer_id == risks.c.customer_id)


def _sum(values: list[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) if known else None


def _customer(row: Mapping[Any, Any]) -> Customer:
    return Customer(
        customer_id=row["customer_id"],
        probability=row["probability"],
        band=row["band"],
        last_purchase_at=row["last_purchase_at"],
        first_purchase_at=row["first_purchase_at"],
        orders=row["orders"],
        expected=row["expected_next_purchase_date"],
        usual_gap_days=row["usual_gap_days"],
        value=row["value"],
        value_at_risk=row["value_at_risk"],
        region=row["region"],
        reasons=_reasons(row["reasons"]),
        warning=None if row.get("alert_alert_id") is None else _warned(row),
    )


def _warned(row: Mapping[Any, Any]) -> Warned:
    names = ("alert_id", "state", "as_of", "acknowledged_at", "acknowledged_by")
    return Warned(**{name: row[f"alert_{name}"] for name in names})


def _reasons(document: Any) -> tuple[Reason, ...]:
    """The reasons in a published document; what has no words is left out."""
    found = document if isinstance(document, list) else []
    stated = [one for one in found if isinstance(one, dict) and isinstance(one.get("text"), str)]
    return tuple(
        Reason(one["text"], effect if isinstance(effect := one.get("effect"), int | float) else None) for one in stated
    )
