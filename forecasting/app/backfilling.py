"""`forecasting backfill`: the runs of days gone by, each as it could have been made on its day.

Every slot is a run of its own with all that belongs to one: a claim, quarantine, gate, ledger. The sources are read
once for all of them: what a cutoff may see, both clocks decide (`forecasting.clock`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np

from db import claims
from db.claims import Taken
from db.engines import Warehouse
from forecasting.app import reporting, runner
from forecasting.app.migrating import is_new
from forecasting.app.reading import Reader, Reading, read
from forecasting.app.request import BACKFILL, Retrain, RunRequest, RunResult, worst
from forecasting.app.workspace import Workspace, now
from forecasting.clock import aware, shown
from forecasting.pipeline import Progress
from forecasting.schema import ConfigurationError, ExitCode, ForecastingError, SlotTaken
from forecasting.task import Instant, Task

log = logging.getLogger(__name__)

PATIENCE = 3
"""Slots that may come to nothing one after another before the rest is left alone."""

State = Literal["made", "done", "running", "failed", "due"]
"""Of a slot: made now; done before; running elsewhere; tried in vain; still to be made."""


@dataclass(frozen=True)
class BackfillRequest:
    """Slots `start`, `start` + `every_days`, ... before `end` (datetime64[us], UTC) of a configured task.

    `retrain`: when a model is trained for a slot. `retrain_after_days`: age of a stored model from which `auto` trains,
    None for the setting. `force`: those that are done, too. `dry_run`: say what there is to do."""

    task: str
    start: Instant
    end: Instant
    every_days: int = 1
    retrain: Retrain = "auto"
    retrain_after_days: float | None = None
    force: bool = False
    dry_run: bool = False

    @property
    def slots(self) -> np.ndarray:
        """Ascending, datetime64[us] [n]."""
        return np.arange(self.start, self.end, np.timedelta64(self.every_days, "D"), dtype="datetime64[us]")


@dataclass(frozen=True)
class Filled:
    """A slot and what came of it: `result` where it was made, `error` where it was tried in vain."""

    slot: Instant
    state: State
    result: RunResult | None = None
    error: ForecastingError | None = None

    @property
    def exit_code(self) -> ExitCode:
        """Of its run; 5 where it runs elsewhere, 0 where there was nothing to do."""
        if self.error is not None:
            return self.error.exit_code
        if self.result is not None:
            return self.result.exit_code
        return ExitCode.SLOT_TAKEN if self.state == "running" else ExitCode.DONE


@dataclass(frozen=True)
class Backfill:
    """What came of all slots, oldest first. `reports`: files written, where it moved the task's pointer. `problem`:
    what went wrong apart from any slot."""

    slots: tuple[Filled, ...]
    reports: tuple[Path, ...] = ()
    problem: ForecastingError | None = None

    def count(self, state: State) -> int:
        """How many slots are in a state."""
        return sum(slot.state == state for slot in self.slots)

    @property
    def published(self) -> bool:
        """Whether any slot became what everybody reads."""
        return any(slot.result.published for slot in self.slots if slot.result is not None)

    @property
    def exit_code(self) -> ExitCode:
        """The first present of 1, 2, 4, 3, 5, 0."""
        own = [self.problem.exit_code] if self.problem is not None else []
        return worst([slot.exit_code for slot in self.slots] + own)


def run(workspace: Workspace, request: BackfillRequest, told: Callable[[Filled], None]) -> Backfill:
    """Makes every slot that is not done, oldest first, and tells of each. Raises ConfigurationError before the first.

    A slot that fails keeps none of the others waiting, except where a source broke its contract, which they all read,
    or where several in a row came to nothing."""
    planned = plan(workspace, request)
    if request.dry_run:
        for filled in planned:
            told(filled)
        return Backfill(tuple(planned))
    due = [number for number, filled in enumerate(planned) if filled.state == "due"]
    _warn_of_rows_that_go(workspace, len(due))
    reader, found, in_vain = _read_once(), list(planned), 0
    for number, filled in enumerate(planned):
        if filled.state == "due" and in_vain < PATIENCE:
            label = f"{shown(filled.slot)} ({due.index(number) + 1} of {len(due)})"
            filled = _fill(workspace, request, filled.slot, label, reader)
            in_vain = in_vain + 1 if filled.exit_code is ExitCode.ERROR else 0
            if filled.exit_code is ExitCode.DATA_BROKEN:
                in_vain = PATIENCE
        found[number] = filled
        told(filled)
    result = Backfill(tuple(found))
    return _with_reports(workspace, request.task, result) if result.published else result


def plan(workspace: Workspace, request: BackfillRequest) -> list[Filled]:
    """Every slot and whether it is due, from the ledgers alone. Raises ConfigurationError."""
    workspace.check_sources()
    workspace.task(request.task)
    slots = request.slots
    if not len(slots):
        raise ConfigurationError("--from must lie before --to.", remedy="Slots are made from --from on, before --to.")
    if aware(slots[-1]) > now():
        raise ConfigurationError(
            f"The slot of {shown(slots[-1])} lies in the future.", remedy="A backfill ends today at the latest."
        )
    warehouse = workspace.results(prepare=False)
    taken: dict[datetime, Taken] = {}
    if not is_new(workspace, warehouse):
        taken = claims.taken(workspace.results(), request.task, aware(slots[0]), aware(request.end))
    return [_planned(slot, taken.get(aware(slot)), request.force) for slot in slots]


def _planned(slot: Instant, taken: Taken | None, force: bool) -> Filled:
    return Filled(slot, "due" if taken is None or (taken == "done" and force) else taken)


def _fill(workspace: Workspace, request: BackfillRequest, slot: Instant, label: str, reader: Reader) -> Filled:
    settings, after = workspace.configuration.settings, request.retrain_after_days
    wanted = RunRequest(
        request.task,
        slot,
        slot,
        BACKFILL,
        retrain=request.retrain,
        retrain_after_days=settings.retrain_after_days if after is None else after,
        force=request.force,
    )
    try:
        with workspace.console.progress() as progress:
            result = runner.run(workspace, wanted, _labelled(progress, label), reader=reader)
    except SlotTaken as taken:  # since the plan was made
        return Filled(slot, "done" if taken.done else "running")
    except ForecastingError as problem:
        error = problem
    except Exception as problem:
        error = workspace.console.unexpected(problem, f"backfill {request.task}")
    else:
        return Filled(slot, "made", result)
    workspace.console.error(f"{request.task}, slot {shown(slot)}: {error}")
    return Filled(slot, "failed", error=error)


def _read_once() -> Reader:
    """Reads the sources for the first slot that asks; all later ones see the same."""
    kept: list[Reading] = []

    def reader(workspace: Workspace, results: Warehouse, task: Task) -> Reading:
        if not kept:
            kept.append(read(workspace, results, task))
        return kept[0]

    return reader


def _with_reports(workspace: Workspace, task: str, result: Backfill) -> Backfill:
    """The reports of the last slot that was published: those of the others would be written over at once."""
    try:
        return Backfill(result.slots, tuple(reporting.write(workspace, task)))
    except (ForecastingError, OSError) as failure:
        problem = ForecastingError(
            f"The rows are published, but the report could not be written: {failure}",
            remedy="Write it again with `forecasting report`.",
        )
    workspace.console.error(f"{task}: {problem}")
    return Backfill(result.slots, problem=problem)


def _warn_of_rows_that_go(workspace: Workspace, slots: int) -> None:
    keep = workspace.configuration.settings.keep_runs
    if slots > keep:
        log.warning(
            "keep_runs is %d: of %d slots the newest %d keep their rows, and all keep their figures in run_metrics.",
            keep,
            slots,
            keep,
        )


def _labelled(progress: Progress, label: str) -> Progress:
    return lambda what, done, total: progress(f"{label}: {what}", done, total)
