"""Completion's figures of the gate: beside the simple rules', by step and by period, and the model's own alarm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.tables import RUN_METRICS
from reports.chances import Reliability
from reports.judged import best_rule, in_order, judged_runs, past_trials, period_figures, pooled_figures
from reports.punctual import Alarm, FulfilmentTrials, Period, StageFigures
from reports.shown import PastTrial
from reports.view import Provenance

GATE = "pinball"
"""What the best simple rule is chosen by unless the caller names the task's own gate metric."""

CALIBRATION = "calibration"
"""The slice in which a model notes what it saw of itself."""


def fulfilment_trials(
    connection: Connection, provenance: Provenance, gate_metric: str | None
) -> tuple[FulfilmentTrials | None, Sequence[PastTrial]]:
    """The latest trials up to the published run, and days off in those of the last runs, oldest first."""
    runs = judged_runs(connection, provenance)
    if not runs:
        return None, []
    metrics = pooled_figures(connection, [run.run_id for run in runs])
    gate = gate_metric or GATE
    latest = metrics[runs[0].run_id]
    rival = best_rule(latest, gate)
    subject = provenance.subject if provenance.subject and provenance.subject in latest else "model"
    mine = latest.get(subject, {})
    return (
        FulfilmentTrials(
            run_id=runs[0].run_id,
            as_of=runs[0].as_of,
            subjects=in_order(latest, gate),
            rival=rival,
            samples=next((one["samples"] for one in latest.values() if "samples" in one), None),
            subject=subject,
            reliability=Reliability.of(mine),
            stages=_stages(mine, latest.get(rival or "", {})),
            periods=_periods(connection, runs[0].run_id, subject),
        ),
        past_trials(runs, metrics, gate, "mae"),
    )


def alarm(connection: Connection, provenance: Provenance) -> Alarm | None:
    """What the model noted of itself in the published run; None where it noted nothing."""
    columns = RUN_METRICS.c
    rows = connection.execute(
        sa.select(columns.metric, columns.value).where(
            columns.run_id == provenance.run_id, columns.slice == CALIBRATION, columns.value.is_not(None)
        )
    )
    found = {row.metric: row.value for row in rows}
    if "drift_alarm" not in found:
        return None
    ratio = found.get("drift_log_ratio")
    return Alarm(bool(found["drift_alarm"]), None if ratio is None else math.expm1(ratio), found.get("drift_z"))


def _stages(mine: Mapping[str, float], other: Mapping[str, float]) -> list[StageFigures]:
    """Figures named `mae@STAGE` and `coverage80@STAGE`, the longest way to go first."""
    names = {name.partition("@")[2] for name in mine if name.startswith(("mae@", "coverage80@"))}
    found = [
        StageFigures(name, mine.get(f"mae@{name}"), other.get(f"mae@{name}"), mine.get(f"coverage80@{name}"))
        for name in sorted(names)
    ]
    return sorted(found, key=lambda one: -(one.days_off or 0.0))


def _periods(connection: Connection, run_id: str, subject: str) -> list[Period]:
    """Each test period's own figures, oldest first."""
    figures = period_figures(connection, run_id, subject, ("samples", "coverage80", "mae", "bias"))
    return [  # the gate's bias is forecast less actual
        Period(day, one["samples"], one["coverage80"], one["mae"], -one["bias"]) for day, one in figures
    ]
