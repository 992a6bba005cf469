"""From the configured sources to a task's dataset, as every command reads them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from db.engines import Warehouse
from db.extract import Extraction, extract
from forecasting import clock
from forecasting.app.workspace import Workspace, now, source_names
from forecasting.schema import SOURCES, SourceNeed
from forecasting.task import Instant, Task

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """A task's dataset and what it was read from. `instants`: of the rows of the main source, datetime64[us] [rows] in
    UTC, empty where it has no clock."""

    dataset: Any
    extraction: Extraction
    instants: np.ndarray

    def window(self, as_of: Instant) -> tuple[Instant, Instant] | None:
        """The first and last instant of the main source before a cutoff, None where nothing lies there. Rows known
        ahead are no part of it, nor is what a run made in hindsight must not see."""
        past = self.instants[self.instants < min(as_of, clock.instant(now()))]
        return (np.min(past), np.max(past)) if len(past) else None


Reader = Callable[[Workspace, Warehouse, Task], Reading]
"""How a run comes by its dataset: `read`, or one that remembers."""


def read(workspace: Workspace, results: Warehouse, task: Task) -> Reading:
    """Everything that the task needs, checked. Raises DataError (TooManyBadRows with the rows at hand)."""
    extraction = extract_sources(workspace, results, task)
    for warning in extraction.warnings:
        log.warning(warning)
    return Reading(task.assemble(extraction.tables), extraction, _instants(task, extraction))


def extract_sources(workspace: Workspace, results: Warehouse, task: Task) -> Extraction:
    """The task's sources as checked tables."""
    names = source_names(task.needs())
    return extract(
        task.needs(),
        results,
        workspace.source_warehouses(names),
        workspace.mappings(names),
        limit_share=workspace.configuration.settings.quarantine_limit,
        now=now(),
    )


def _instants(task: Task, extraction: Extraction) -> np.ndarray:
    main = next(need for need in task.needs() if need.main)
    for name in _read_for(main, extraction):
        column = SOURCES[name].clock
        if column is not None and extraction.tables[name].num_rows:
            return clock.arrow_instants(extraction.tables[name][column])
    return np.array([], dtype="datetime64[us]")


def _read_for(need: SourceNeed, extraction: Extraction) -> list[str]:
    return [name for name in (need.source, *need.instead) if name in extraction.tables]
