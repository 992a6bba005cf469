"""What the demo shows of each task: what it says before, and what it says of the days that followed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa

from db.engines import Warehouse
from db.runs import Run
from forecasting.app import invoices, simulated_fulfilment, simulated_supply
from forecasting.app.figures import POOLED
from forecasting.pipeline import MetricRow

AS_OF = np.datetime64("2011-11-11", "us")
DAYS = 28
END = AS_OF + np.timedelta64(DAYS, "D")
CHURN_DAYS = 90
END_OF_DATA = np.datetime64("2011-12-09", "us")
"""The data ends during this day."""

Outcome = Callable[[Warehouse, Run, Sequence[MetricRow]], str]
"""outcome(warehouse, published run, figures of the days that followed): what came of it, in a sentence."""


@dataclass(frozen=True)
class Act:
    """One task on the demo's stage. `doing`: what is going on while it runs. `heading` and `note`: of the table that
    holds the figures of the days that followed. `notes`: what its reports say on top. `options`: where they are not
    the defaults. `judged_at`: the as-of instant whose forecast is held against what followed; where it lies before
    AS_OF, the task runs then, too, as it would have."""

    task: str
    doing: str
    heading: str
    note: str
    notes: tuple[str, ...]
    outcome: Outcome
    options: Mapping[str, Any] = field(default_factory=dict)
    judged_at: np.datetime64 = AS_OF


def _units(warehouse: Warehouse, run: Run, metrics: Sequence[MetricRow]) -> str:
    """Units expected by the published rows, and units that the invoices of those days hold."""
    with warehouse.reading() as connection:
        said = sa.Table("demand_forecasts", sa.MetaData(), schema=warehouse.schema, autoload_with=connection)
        inside = sa.and_(said.c.run_id == run.run_id, said.c.date < END.item().date())
        expected = connection.scalar(sa.select(sa.func.sum(said.c.mean)).where(inside))
    lines = invoices.read_lines()
    days = lines["timestamp"]
    counts = (days >= AS_OF) & (days < END) & (lines["quantity"] > 0) & invoices.is_product(lines["item_id"])
    cancelled = lines["invoice_id"].isin(invoices.cancelled(lines))
    sold = lines.loc[counts & ~cancelled, "quantity"].sum()
    return f"Expected {float(expected or 0):,.0f} units in all, sold {sold:,.0f}."


def _hits(warehouse: Warehouse, run: Run, metrics: Sequence[MetricRow]) -> str:
    """How many of those who came back bought something from their list."""
    of = {(row.subject, row.metric): row.value for row in metrics if row.slice == POOLED}
    subject = run.subject or "model"
    came, hit = of[subject, "samples"], of[subject, "hitrate@20"]
    return f"Of {came:,.0f} customers who bought again, {hit:.0%} took at least one of the 20 items on their list."


def _kept(warehouse: Warehouse, run: Run, metrics: Sequence[MetricRow]) -> str:
    """How many of the customers of each band bought nothing in the time that followed."""
    with warehouse.reading() as connection:
        said = sa.Table("churn_risks", sa.MetaData(), schema=warehouse.schema, autoload_with=connection)
        columns = (said.c.customer_id, said.c.band, said.c.horizon_days)
        rows = connection.execute(sa.select(*columns).where(said.c.run_id == run.run_id)).all()
    lines = invoices.read_lines()
    start = np.datetime64(run.as_of.replace(tzinfo=None), "us")
    days = lines["timestamp"]
    counts = (days >= start) & (days < start + np.timedelta64(rows[0].horizon_days, "D")) & (lines["quantity"] > 0)
    came = set(lines.loc[counts, "customer_id"].dropna())
    shares = []
    for band in ("high", "medium", "low"):
        gone = [row.customer_id not in came for row in rows if row.band == band]
        if gone:
            shares.append(f"{np.mean(gone):.0%} of {len(gone):,} at {band} risk")
    return f"Of those watched, these bought nothing: {', '.join(shares)}."


def _arrived(warehouse: Warehouse, run: Run, metrics: Sequence[MetricRow]) -> str:
    """How many of the open orders came within the window they were given, and how many of the warnings were right."""
    with warehouse.reading() as connection:
        said = sa.Table("order_completions", sa.MetaData(), schema=warehouse.schema, autoload_with=connection)
        orders = sa.Table("orders", sa.MetaData(), schema=warehouse.schema, autoload_with=connection)
        columns = (said.c.completes_p10, said.c.completes_p90, said.c.late_probability, orders.c.completed_at)
        joined = said.join(orders, orders.c.order_id == said.c.order_id)
        rows = connection.execute(
            sa.select(*columns, orders.c.promised_at).select_from(joined).where(said.c.run_id == run.run_id)
        ).all()
    came = [row for row in rows if row.completed_at is not None]
    inside = sum(row.completes_p10 <= row.completed_at <= row.completes_p90 for row in came)
    warned = [row for row in came if row.promised_at is not None and (row.late_probability or 0) >= 0.5]
    late = sum(row.completed_at > row.promised_at for row in warned)
    return (
        f"Of {len(rows):,} open orders {len(came):,} arrived, {inside / max(len(came), 1):.0%} of them in the window "
        f"that should hold 80%. {len(warned):,} were expected to be late, {late:,} were."
    )


ACTS = (
    Act(
        task="demand",
        doing=f"Forecasting {DAYS} days of sales, and what to reorder",
        heading=f"What was said, and what happened in the {DAYS} days after",
        note="Smaller is better but for the coverages, which should be 0.80 and 0.95.",
        notes=(simulated_supply.NOTE, invoices.NOTE),
        outcome=_units,
    ),
    Act(
        task="recommendation",
        doing="Choosing 20 items for every customer",
        heading="What each customer would have been shown, and what they bought next",
        note="The loss should be small, the rest large: how much of the next order was on the list, and how far up.",
        notes=(invoices.NOTE,),
        outcome=_hits,
        # The demo's stock is simulated, and nobody should miss a real wish for a made-up empty shelf.
        options={"exclude_out_of_stock": False},
    ),
    Act(
        task="churn",
        doing="Asking who is about to leave",
        heading=f"What was said on 10 September 2011, and what happened in the {CHURN_DAYS} days after",
        note=f"The chance of buying nothing for {CHURN_DAYS} days. Log-loss, Brier and ECE should be small, AUC and "
        "lift large.",
        notes=(invoices.NOTE,),
        outcome=_kept,
        judged_at=END_OF_DATA - np.timedelta64(CHURN_DAYS, "D"),
    ),
    Act(
        task="completion",
        doing="Telling when each open order will arrive (a simulated carrier is on strike)",
        heading="When open orders were said to arrive, and when they did",
        note="Days, smaller is better; coverage of the window should be 0.80.",
        notes=(simulated_fulfilment.NOTE, invoices.NOTE),
        outcome=_arrived,
        options={"stages": ["placed", "packed", "shipped"], "features": ["carrier"], "timezone": "Europe/London"},
    ),
)
