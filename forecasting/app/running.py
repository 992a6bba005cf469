"""`forecasting run`: one task after another, none stopped by another's failure."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from forecasting.app import runner
from forecasting.app.request import Retrain, RunRequest, RunResult, slot_of, worst
from forecasting.app.workspace import Workspace, now
from forecasting.schema import ExitCode, ForecastingError
from forecasting.task import Instant

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """A task and what came of it: a result, or the error in its place."""

    task: str
    result: RunResult | None
    error: ForecastingError | None

    @property
    def exit_code(self) -> ExitCode:
        """0, 3 of a run; 1, 2, 4, 5 of an error."""
        if self.error is not None:
            return self.error.exit_code
        assert self.result is not None
        return self.result.exit_code


def plan(
    workspace: Workspace,
    tasks: Sequence[str],
    *,
    slot: Instant | None = None,
    as_of: Instant | None = None,
    retrain: Retrain = "auto",
    dry_run: bool = False,
    force: bool = False,
    trigger: str = "command",
    retrain_after_days: float | None = None,
) -> list[RunRequest]:
    """The runs that a command line or a job asks for; every name and option is checked before the first one starts."""
    names = list(dict.fromkeys(tasks))
    workspace.check_sources()
    for name in names:
        workspace.task(name)
    slot = slot if slot is not None else slot_of(None, now())
    default = workspace.configuration.settings.retrain_after_days
    return [
        RunRequest(
            task=name,
            slot=slot,
            as_of=as_of if as_of is not None else slot,
            trigger=trigger,
            retrain=retrain,
            retrain_after_days=default if retrain_after_days is None else retrain_after_days,
            dry_run=dry_run,
            force=force,
        )
        for name in names
    ]


def run_all(workspace: Workspace, requests: Sequence[RunRequest]) -> tuple[list[Attempt], ExitCode]:
    """Every request in turn, and the exit code of all."""
    attempts = []
    for request in requests:
        result, error = None, None
        try:
            with workspace.console.progress() as progress:
                result = runner.run(workspace, request, progress)
        except ForecastingError as problem:
            if len(requests) == 1:
                raise
            error = problem
            workspace.console.error(f"{request.task}: {problem}")
        except Exception as problem:
            if len(requests) == 1:
                raise
            error = workspace.console.unexpected(problem, f"run {request.task}")
        attempts.append(Attempt(request.task, result, error))
    return attempts, worst([attempt.exit_code for attempt in attempts])
