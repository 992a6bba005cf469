"""Which runs were judged, and what was measured in them: the figures of the gate, whatever the task."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.tables import RUN_METRICS, RUNS
from reports.shown import PastTrial
from reports.view import Provenance

RUNS_SHOWN = 12
POOLED = "evaluate"
"""The slice over all test periods."""

_PERIOD = re.compile(rf"{POOLED}:(\d{{4}}-\d\d-\d\d)")

Metrics = Mapping[str, Mapping[str, float]]
"""Subject to metric to value."""


def judged_runs(connection: Connection, provenance: Provenance) -> list[Any]:
    """The last runs with figures up to the published one, newest first; of several for one instant the last. A run
    that used a stored model has no figures of its own."""
    judged = sa.exists().where(RUN_METRICS.c.run_id == RUNS.c.run_id, RUN_METRICS.c.slice == POOLED)
    rows = connection.execute(
        sa.select(RUNS.c.run_id, RUNS.c.as_of, RUNS.c.fallback)
        .where(RUNS.c.task == provenance.task, RUNS.c.state == "done", RUNS.c.as_of <= provenance.as_of, judged)
        .order_by(RUNS.c.as_of.desc(), (RUNS.c.run_id == provenance.run_id).desc(), RUNS.c.started_at.desc())
        .limit(5 * RUNS_SHOWN)
    ).all()
    return list({row.as_of: row for row in reversed(rows)}.values())[::-1][:RUNS_SHOWN]


def pooled_figures(connection: Connection, run_ids: Sequence[str]) -> Mapping[str, Metrics]:
    """What was measured over all test periods, by run."""
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    columns = RUN_METRICS.c
    for row in connection.execute(
        sa.select(columns.run_id, columns.subject, columns.metric, columns.value).where(
            columns.run_id.in_(run_ids), columns.slice == POOLED, columns.value.is_not(None)
        )
    ):
        found[row.run_id][row.subject][row.metric] = row.value
    return found


def period_figures(
    connection: Connection, run_id: str, subject: str, names: Sequence[str]
) -> list[tuple[date, Mapping[str, float]]]:
    """Figures called `names` of a subject in each test period for which all are known, by its first day, oldest
    first."""
    columns = RUN_METRICS.c
    found: dict[date, dict[str, float]] = defaultdict(dict)
    for row in connection.execute(
        sa.select(columns.slice, columns.metric, columns.value).where(
            columns.run_id == run_id,
            columns.subject == subject,
            columns.metric.in_(names),
            columns.value.is_not(None),
        )
    ):
        if match := _PERIOD.fullmatch(row.slice):
            found[date.fromisoformat(match[1])][row.metric] = row.value
    return sorted((day, one) for day, one in found.items() if len(one) == len(names))


def best_rule(metrics: Metrics, gate: str) -> str | None:
    """The simple rule with the smallest gate metric."""
    rivals = {name: values[gate] for name, values in metrics.items() if name.startswith("baseline:") and gate in values}
    return min(rivals, key=lambda name: (rivals[name], name)) if rivals else None


def past_trials(runs: Sequence[Any], metrics: Mapping[str, Metrics], gate: str, figure: str) -> list[PastTrial]:
    """A figure of the model and of each run's best simple rule, oldest first; `runs` as of `judged_runs`."""
    past = []
    for run in reversed(runs):
        mine = metrics[run.run_id]
        rival = best_rule(mine, gate)
        model, best = mine.get("model", {}).get(figure), mine.get(rival or "", {}).get(figure)
        past.append(PastTrial(run.as_of, model, best, rival, bool(run.fallback)))
    return past


def in_order(metrics: Metrics, gate: str) -> dict[str, Mapping[str, float]]:
    """The model, its parts, the reigning model, then the simple rules, the best first."""

    def place(name: str) -> tuple[int, float, str]:
        kind = ("model", "part:", "champion", "baseline:")
        first = next((number for number, start in enumerate(kind) if name.startswith(start)), len(kind))
        return first, metrics[name].get(gate, float("inf")), name

    return {name: metrics[name] for name in sorted(metrics, key=place)}
