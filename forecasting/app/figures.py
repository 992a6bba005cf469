"""Figures of the gate as a small table: one row for each subject, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from forecasting.pipeline import MetricRow

POOLED = "evaluate"
"""The slice over all test periods."""

_COLUMNS = 7


def figures(metrics: Sequence[MetricRow], gate_metric: str) -> tuple[list[str], list[list[Any]]]:
    """Headings and rows of the pooled figures: the gate metric first and smallest on top, then the other metrics in
    the order in which the task gives them, as many as fit a screen; those of one level or span ("wQL@0.9") are left
    to `run_metrics` and the JSON document."""
    pooled = [row for row in metrics if row.slice == POOLED and row.metric != "samples" and "@" not in row.metric]
    names = list(dict.fromkeys([gate_metric, *(row.metric for row in pooled)]))[:_COLUMNS]
    values = {(row.subject, row.metric): row.value for row in pooled}
    subjects = sorted(
        dict.fromkeys(row.subject for row in pooled), key=lambda name: values.get((name, gate_metric), float("inf"))
    )
    return ["", *names], [[name, *(values.get((name, metric)) for metric in names)] for name in subjects]
