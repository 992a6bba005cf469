"""Figures of the gate beside the baselines': of the latest trials in full, and how they went over the last runs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.tables import RUN_METRICS, RUNS
from reports.shown import Group, PastTrial, Trials
from reports.view import Provenance

RUNS_SHOWN = 12
GATE = "ndcg_loss"
"""What the best simple rule is chosen by unless the caller names the task's own gate metric."""

Metrics = Mapping[str, Mapping[str, float]]
"""Subject to metric to value."""


def trials(
    connection: Connection, provenance: Provenance, gate_metric: str | None
) -> tuple[Trials | None, list[PastTrial]]:
    """The latest trials up to the published run, and those of the last runs, oldest first. A run that used a stored
    model has no trials of its own."""
    runs = _runs(connection, provenance)
    metrics = _metrics(connection, [run.run_id for run in runs])
    if not runs:
        return None, []
    gate = gate_metric or GATE
    latest = metrics[runs[0].run_id]
    length = _length(latest)
    rival = _best(latest, gate)
    found = f"recall@{length}"
    past = []
    for run in reversed(runs):
        mine = metrics[run.run_id]
        other = _best(mine, gate)
        model, best = mine.get("model", {}).get(found), mine.get(other or "", {}).get(found)
        past.append(PastTrial(run.as_of, model, best, other, bool(run.fallback)))
    return (
        Trials(
            run_id=runs[0].run_id,
            as_of=runs[0].as_of,
            k=length,
            samples=next((one["samples"] for one in latest.values() if "samples" in one), None),
            subjects=_ordered(latest, gate),
            rival=rival,
            groups=_groups(latest, rival, found),
        ),
        past,
    )


def _runs(connection: Connection, provenance: Provenance) -> list[Any]:
    """The last runs with figures, newest first; of several for one instant the last."""
    judged = sa.exists().where(RUN_METRICS.c.run_id == RUNS.c.run_id, RUN_METRICS.c.slice == "evaluate")
    rows = connection.execute(
        sa.select(RUNS.c.run_id, RUNS.c.as_of, RUNS.c.fallback)
        .where(RUNS.c.task == provenance.task, RUNS.c.state == "done", RUNS.c.as_of <= provenance.as_of, judged)
        .order_by(RUNS.c.as_of.desc(), (RUNS.c.run_id == provenance.run_id).desc(), RUNS.c.started_at.desc())
        .limit(5 * RUNS_SHOWN)
    ).all()
    return list({row.as_of: row for row in reversed(rows)}.values())[::-1][:RUNS_SHOWN]


def _metrics(connection: Connection, run_ids: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    columns = RUN_METRICS.c
    for row in connection.execute(
        sa.select(columns.run_id, columns.subject, columns.metric, columns.value).where(
            columns.run_id.in_(run_ids), columns.slice == "evaluate", columns.value.is_not(None)
        )
    ):
        found[row.run_id][row.subject][row.metric] = row.value
    return found


def _length(metrics: Metrics) -> int:
    """The length of the lists judged: the largest k of recall@k."""
    names = [re.fullmatch(r"recall@(\d+)", name) for values in metrics.values() for name in values]
    return max((int(match[1]) for match in names if match), default=0)


def _best(metrics: Metrics, gate: str) -> str | None:
    """The simple rule with the smallest gate metric."""
    rivals = {name: values[gate] for name, values in metrics.items() if name.startswith("baseline:") and gate in values}
    return min(rivals, key=lambda name: (rivals[name], name)) if rivals else None


def _ordered(metrics: Metrics, gate: str) -> dict[str, Mapping[str, float]]:
    """The model, its parts, the reigning model, then the simple rules, the best first."""

    def place(name: str) -> tuple[int, float, str]:
        kind = ("model", "part:", "champion", "baseline:")
        first = next((number for number, start in enumerate(kind) if name.startswith(start)), len(kind))
        return first, metrics[name].get(gate, float("inf")), name

    return {name: metrics[name] for name in sorted(metrics, key=place)}


def _groups(metrics: Metrics, rival: str | None, found: str) -> list[Group]:
    """Figures named `recall@k:GROUP`, short histories first, kinds of entities last."""
    mine, other = metrics.get("model", {}), metrics.get(rival or "", {})
    names = {name.partition(":")[2] for name in (*mine, *other) if name.startswith(f"{found}:")}

    def place(name: str) -> tuple[int, int, str]:
        number = re.match(r"\d+", name)
        return (1, int(number[0]), name) if number else (0 if name == "cold" else 2, 0, name)

    return [Group(name, mine.get(f"{found}:{name}"), other.get(f"{found}:{name}")) for name in sorted(names, key=place)]
