"""Churn's figures of the gate: beside the simple rules', whether its chances come true, and how they went lately."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from reports.chances import ChurnTrials, ClosedWindow, PastChances, Reliability
from reports.judged import best_rule, in_order, judged_runs, period_figures, pooled_figures
from reports.view import Provenance

GATE = "log_loss"
"""What the best simple rule is chosen by unless the caller names the task's own gate metric."""


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
            reliability=Reliability.of(latest.get(subject, {})),
            window=_window(connection, runs[0].run_id, subject),
        ),
        past,
    )


def _window(connection: Connection, run_id: str, subject: str) -> ClosedWindow | None:
    """The latest test period's own figures."""
    periods = period_figures(connection, run_id, subject, ("mean_probability", "churn_rate", "samples"))
    if not periods:
        return None
    day, one = periods[-1]
    return ClosedWindow(day, one["mean_probability"], one["churn_rate"], one["samples"])
