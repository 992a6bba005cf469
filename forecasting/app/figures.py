"""Figures of the gate as a small table: one row for each subject, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from forecasting.pipeline import MetricRow
from forecasting.schema import TaskSpec

POOLED = "evaluate"
"""The slice over all test periods."""

_COLUMNS = 7


def figures(metrics: Sequence[MetricRow], spec: TaskSpec) -> tuple[list[str], list[list[Any]]]:
    """Headings and rows of the pooled figures, smallest gate metric on top: that metric first, then those that the
    task wants shown (all where it names none), as many as fit a screen. The rest stands in `run_metrics` and in the
    JSON document."""
    pooled = [row for row in metrics if row.slice == POOLED and row.metric != "samples"]
    there = dict.fromkeys(row.metric for row in pooled)
    wanted = [name for name in spec.metrics if name in there] if spec.metrics else list(there)
    names = list(dict.fromkeys([spec.gate_metric, *wanted]))[:_COLUMNS]
    values = {(row.subject, row.metric): row.value for row in pooled}
    found = dict.fromkeys(row.subject for row in pooled)
    subjects = sorted(found, key=lambda name: values.get((name, spec.gate_metric), float("inf")))
    return ["", *names], [[name, *(values.get((name, metric)) for metric in names)] for name in subjects]
