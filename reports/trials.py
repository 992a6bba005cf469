"""Recommendation's figures of the gate beside the baselines': the latest trials in full, and the last runs'."""

from __future__ import annotations

import re

from sqlalchemy.engine import Connection

from reports.judged import Metrics, best_rule, in_order, judged_runs, past_trials, pooled_figures
from reports.shown import Group, PastTrial, Trials
from reports.view import Provenance

GATE = "ndcg_loss"
"""What the best simple rule is chosen by unless the caller names the task's own gate metric."""


def trials(
    connection: Connection, provenance: Provenance, gate_metric: str | None
) -> tuple[Trials | None, list[PastTrial]]:
    """The latest trials up to the published run, and those of the last runs, oldest first."""
    runs = judged_runs(connection, provenance)
    metrics = pooled_figures(connection, [run.run_id for run in runs])
    if not runs:
        return None, []
    gate = gate_metric or GATE
    latest = metrics[runs[0].run_id]
    length = _length(latest)
    rival = best_rule(latest, gate)
    found = f"recall@{length}"
    return (
        Trials(
            run_id=runs[0].run_id,
            as_of=runs[0].as_of,
            k=length,
            samples=next((one["samples"] for one in latest.values() if "samples" in one), None),
            subjects=in_order(latest, gate),
            rival=rival,
            groups=_groups(latest, rival, found),
        ),
        past_trials(runs, metrics, gate, found),
    )


def _length(metrics: Metrics) -> int:
    """The length of the lists judged: the largest k of recall@k."""
    names = [re.fullmatch(r"recall@(\d+)", name) for values in metrics.values() for name in values]
    return max((int(match[1]) for match in names if match), default=0)


def _groups(metrics: Metrics, rival: str | None, found: str) -> list[Group]:
    """Figures named `recall@k:GROUP`, short histories first, kinds of entities last."""
    mine, other = metrics.get("model", {}), metrics.get(rival or "", {})
    names = {name.partition(":")[2] for name in (*mine, *other) if name.startswith(f"{found}:")}

    def place(name: str) -> tuple[int, int, str]:
        number = re.match(r"\d+", name)
        return (1, int(number[0]), name) if number else (0 if name == "cold" else 2, 0, name)

    return [Group(name, mine.get(f"{found}:{name}"), other.get(f"{found}:{name}")) for name in sorted(names, key=place)]
