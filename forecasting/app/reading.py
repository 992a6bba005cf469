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
    """A task's dataset and what it was read from. `window`: the first and last instant of the main source, None
    where it has no clock."""

    dataset: Any
    extraction: Extraction
    window: tuple[Instant, Instant] | None


Reader = Callable[[Workspace, Warehouse, Task], Reading]
"""How a run comes by its dataset: `read`, or one that remembers."""


def read(workspace: Workspace, results: Warehouse, task: Task) -> Reading:
    """Everything that the task needs, checked. Raises DataError (TooManyBadRows with the rows at hand)."""
    extraction = extract_sources(workspace, results, task)
    for warning in extraction.warnings:
        log.warning(warning)
    return Reading(task.assemble(extraction.tables), extraction, _window(task, extraction))


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


def _window(task: Task, extraction: Extraction) -> tuple[Instant, Instant] | None:
    main = next(need for need in task.needs() if need.main)
    for name in _read_for(main, extraction):
        column = SOURCES[name].clock
        if column is not None:
            instants = clock.arrow_instants(extraction.tables[name][column])
            past = instants[instants <= clock.instant(now())]  # known-ahead rows are not part of the window
            if len(past):
                return np.min(past), np.max(past)
    return None


def _read_for(need: SourceNeed, extraction: Extraction) -> list[str]:
    return [name for name in (need.source, *need.instead) if name in extraction.tables]
