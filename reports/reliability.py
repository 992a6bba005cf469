"""Churn's figures of the gate: beside the simple rules', whether its chances come true, and how they went lately."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.tables import RUN_METRICS
from reports.chances import Bin, ChurnTrials, ClosedWindow, PastChances, Reliability
from reports.judged import POOLED, best_rule, in_order, judged_runs, pooled_figures
from reports.view import Provenance

GATE = "log_loss"
"""What the best simple rule is chosen by unless the caller names the task's own gate metric."""

_BIN = re.compile(r"predicted@d(\d+)")
_SLICE = re.compile(rf"{POOLED}:(\d{{4}}-\d\d-\d\d)")


def churn_trials(
    connection: Connection, provenance: Provenance, gate_metric: str | None
) -> tuple[ChurnTrials | None, list[PastChances]]:
    """The latest trials up to the published run, and those of the last runs, oldest first."""
    runs = judged_runs(connection, provenance)
    if not runs:
        return None, []
    metrics = pooled_figures(connection, [run.run_id for run in runs])
    gate = gate_metric or GATE
    past = []
    for run in reversed(runs):
        mine = metrics[run.run_id]
        model, other = mine.get("model", {}), best_rule(mine, gate)
        past.append(
            PastChances(
                as_of=run.as_of,
                expected=model.get("mean_probability"),
                left=model.get("churn_rate"),
                model=model.get("auc"),
                rival=mine.get(other or "", {}).get("auc"),
                rival_name=other,
                fallback=bool(run.fallback),
            )
        )
    latest = metrics[runs[0].run_id]
    subject = provenance.subject if provenance.subject and provenance.subject in latest else "model"
    return (
        ChurnTrials(
            run_id=runs[0].run_id,
            as_of=runs[0].as_of,
            subjects=in_order(latest, gate),
            rival=best_rule(latest, gate),
            subject=subject,
            samples=next((one["samples"] for one in latest.values() if "samples" in one), None),
            reliability=_reliability(latest.get(subject, {})),
            window=_window(connection, runs[0].run_id, subject),
        ),
        past,
    )


def _reliability(figures: Mapping[str, float]) -> Reliability | None:
    """Groups from the figures `predicted@dN` and `observed@dN`."""
    numbers = [match[1] for name in figures if (match := _BIN.fullmatch(name)) and f"observed@d{match[1]}" in figures]
    bins = [Bin(figures[f"predicted@d{number}"], figures[f"observed@d{number}"]) for number in numbers]
    if len(bins) < 2:
        return None
    return Reliability(sorted(bins, key=lambda one: one.predicted), figures.get("samples", 0.0))


def _window(connection: Connection, run_id: str, subject: str) -> ClosedWindow | None:
    """The latest test period's own figures."""
    columns = RUN_METRICS.c
    found: dict[str, dict[str, float]] = {}
    for row in connection.execute(
        sa.select(columns.slice, columns.metric, columns.value).where(
            columns.run_id == run_id,
            columns.subject == subject,
            columns.metric.in_(("mean_probability", "churn_rate", "samples")),
            columns.value.is_not(None),
        )
    ):
        if match := _SLICE.fullmatch(row.slice):
            found.setdefault(match[1], {})[row.metric] = row.value
    whole = {day: one for day, one in found.items() if len(one) == 3}
    if not whole:
        return None
    day = max(whole)
    one = whole[day]
    return ClosedWindow(date.fromisoformat(day), one["mean_probability"], one["churn_rate"], one["samples"])
