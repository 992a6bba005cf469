"""From a task's declared report to files: the one entrance to this package."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from db.engines import Warehouse
from forecasting.schema import ConfigurationError, Report
from reports.fulfilment import render_fulfilment
from reports.generic import render_generic
from reports.inventory import render_inventory
from reports.merchandising import render_merchandising
from reports.retention import render_retention
from reports.settings import Settings
from reports.writing import written_aside

RENDERERS: Mapping[str, Callable[..., None]] = {
    "fulfilment": render_fulfilment,
    "inventory": render_inventory,
    "merchandising": render_merchandising,
    "retention": render_retention,
}
"""Reports with a page of their own; every other one is drawn from its sections."""


def render(
    warehouse: Warehouse,
    report: Report,
    task: str,
    directory: Path,
    *,
    now: datetime,
    notes: Sequence[str] = (),
    extra: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Writes what a configured task has published as `directory`/`task`/NAME.html with Excel and CSV files beside it,
    and returns their paths, the page first.

    All files show one snapshot of the warehouse. They are written aside and renamed, so a reader finds the old ones
    or the new ones, each whole. `now` (aware): the wall clock, for freshness. `notes` stand at the top of the page
    ("Stock levels are simulated"). `extra`: see `reports.settings.Settings`. Raises ForecastingError where the task
    has published nothing or the directory cannot be written, ConfigurationError where a section names what is not
    there.
    """
    for kind, name in (("task", task), ("report", report.name)):
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ConfigurationError(
                f"the {kind} {name!r} cannot name a file.", remedy="Use letters, digits, dots, dashes and underscores."
            )
    place = directory / task
    settings = Settings.of(extra)
    with written_aside(place) as shelf:
        draw = RENDERERS.get(report.name, render_generic)
        draw(warehouse, report, task, shelf, now=now, notes=tuple(notes), settings=settings)
    return [place / name for name in sorted(shelf.names, key=lambda name: not name.endswith(".html"))]
