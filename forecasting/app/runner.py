"""The nightly run of one task: claim, read, decide, publish, report.

Read `run` first: it is the table of contents. Whatever happens, what was published before stays whole and visible.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from db import claims, models, publishing, quarantine, retention, runs
from db.claims import Claim
from db.engines import Warehouse
from db.interruption import postponed
from db.quarantine import TooManyBadRows
from db.raising import Raised
from forecasting import artifacts
from forecasting.app import alerting, keeping, reporting, stopping
from forecasting.app.console import log_run
from forecasting.app.deciding import Decision, decide, options_of
from forecasting.app.hindsight import model_of_its_time
from forecasting.app.profiling import PROFILE, data_drift, kept_profile, profile_of
from forecasting.app.provenance import code_version
from forecasting.app.reading import Reader, Reading, read
from forecasting.app.request import RunRequest, RunResult
from forecasting.app.retraining import drift_metrics
from forecasting.app.workspace import Workspace
from forecasting.clock import aware
from forecasting.gate import MODEL
from forecasting.pipeline import Progress, publication_rows
from forecasting.schema import ClaimLost, ExitCode, ForecastingError
from forecasting.task import Instant, Task

log = logging.getLogger(__name__)


def run(workspace: Workspace, request: RunRequest, progress: Progress, *, reader: Reader = read) -> RunResult:
    """Do one run and say what came of it. `reader`: how the sources are read, so that many runs may share a reading.

    Raises ForecastingError; SlotTaken where the slot runs or is done."""
    task = workspace.task(request.task)
    results = workspace.results()
    if request.dry_run:
        return _rehearse(workspace, results, task, request, progress, reader)
    settings = workspace.configuration.settings
    with contextlib.ExitStack() as until_published:
        with postponed():  # no signal comes between the claim and what gives it back
            claim = claims.claim(
                results, request.task, aware(request.slot), lease_seconds=settings.lease_seconds, force=request.force
            )
            until_published.enter_context(claim.heartbeat())
            with _freed_on_failure(claim):
                run_id = runs.start(
                    results,
                    claim,
                    as_of=aware(request.as_of),
                    trigger=request.trigger,
                    code_version=code_version(type(task)),
                    config={
                        "task": request.task,
                        "type": task.spec.name,
                        "options": options_of(task),
                        "seed": settings.seed,
                        "notes": list(request.notes),  # a page drawn later says them too
                    },
                )
            interrupted = partial(runs.fail, results, claim, run_id, "Interrupted", exit_code=int(ExitCode.ERROR))
            until_published.enter_context(log_run(run_id))
            until_published.enter_context(stopping.in_time(interrupted))
            until_published.enter_context(_closed_on_failure(workspace, results, claim, run_id))
        result = _publish(workspace, results, task, request, claim, run_id, progress, reader)
        done = "published" if result.published else "kept beside what is published"
        log.info("%s: %d rows as of %s, by %s", done, sum(result.rows.values()), request.as_of, result.subject)
    with log_run(run_id):
        _tidy(workspace, results, task, request.task)
        if not result.published or request.in_hindsight:
            return result
        try:
            reports = reporting.write(workspace, request.task)
        except (ForecastingError, OSError) as failure:
            raise ForecastingError(
                f"The rows are published, but the report could not be written: {failure}",
                remedy="Write it again with `forecasting report`.",
            ) from failure
        return dataclasses.replace(result, reports=tuple(reports))


def _publish(
    workspace: Workspace,
    results: Warehouse,
    task: Task,
    request: RunRequest,
    claim: Claim,
    run_id: str,
    progress: Progress,
    reader: Reader,
) -> RunResult:
    """The claimed part of a run: from the sources to the moved pointer."""
    retention.sweep(results, task.spec.outputs, request.task)
    progress("reading sources", 0, 0)
    reading = _read_and_quarantine(workspace, results, task, run_id, request.as_of, reader)
    decision = _decide(workspace, results, task, reading, request, progress)
    runs.record_metrics(results, run_id, [runs.Metric(**vars(row)) for row in decision.metrics])

    outputs = {output.name: output for output in task.spec.outputs}
    counts = dict.fromkeys(outputs, 0)
    for shard in publication_rows(task, reading.dataset, request.as_of, decision.forecaster):
        progress("staging rows", sum(counts.values()), 0)
        for name, rows in shard.items():
            counts[name] += publishing.stage(results, claim, run_id, outputs[name], rows)

    model_id = _store_model(workspace, results, request.task, run_id, decision) or decision.champion_id
    outcome = publishing.Outcome(
        rows=sum(counts.values()),
        subject=decision.subject,
        fallback=decision.fallback,
        model_id=model_id,
        champion=decision.model is not None and decision.subject == MODEL and not request.in_hindsight,
        exit_code=int(decision.exit_code),
        reason=decision.reason,
    )
    raised: list[Raised] = []
    then = alerting.raising(workspace, task, request.task, raised.append)
    force = request.force and not request.in_hindsight  # there it is the slot that is forced, not the pointer
    moved = publishing.publish(results, claim, run_id, outcome, force=force, then=then)
    shutil.rmtree(_checkpoint(workspace, request), ignore_errors=True)
    result = _result(request, run_id, decision, counts, published=moved, model_id=model_id)
    return dataclasses.replace(result, alerts=raised[-1]) if raised else result


def _rehearse(
    workspace: Workspace, results: Warehouse, task: Task, request: RunRequest, progress: Progress, reader: Reader
) -> RunResult:
    """A dry run: the same reading, judging and rows, with nothing claimed and nothing written."""
    progress("reading sources", 0, 0)
    reading = reader(workspace, results, task)
    decision = _decide(workspace, results, task, reading, request, progress, keep_checkpoint=False)
    counts = {output.name: 0 for output in task.spec.outputs}
    for shard in publication_rows(task, reading.dataset, request.as_of, decision.forecaster):
        for name, rows in shard.items():
            counts[name] += rows.num_rows
    return _result(request, "dry-run", decision, counts, published=False, model_id=decision.champion_id)


def _decide(
    workspace: Workspace,
    results: Warehouse,
    task: Task,
    reading: Reading,
    request: RunRequest,
    progress: Progress,
    *,
    keep_checkpoint: bool = True,
) -> Decision:
    if request.in_hindsight:
        champion = model_of_its_time(results, task, request)
    else:
        champion = models.champion(results, request.task)
    settings = workspace.configuration.settings
    sources = task.needs(), reading.extraction.tables, request.as_of
    drift = data_drift(*sources, champion, settings.drift_limit)
    decision = decide(
        task,
        reading.dataset,
        request,
        champion,
        seed=settings.seed,
        checkpoint=_checkpoint(workspace, request) if keep_checkpoint else None,
        progress=progress,
        drift=drift,
    )
    # a model that goes on learning is still measured by the data of its fit in full
    if decision.warm_from:
        profile = kept_profile(champion)
    else:
        profile = profile_of(*sources).document() if decision.model else None
    return dataclasses.replace(decision, metrics=(*decision.metrics, *drift_metrics(drift)), profile=profile)


def _read_and_quarantine(
    workspace: Workspace, results: Warehouse, task: Task, run_id: str, as_of: Instant, reader: Reader
) -> Reading:
    """Read the sources and keep their bad rows in the ledger, also where there are too many to go on."""
    try:
        reading = reader(workspace, results, task)
    except TooManyBadRows as refused:
        quarantine.keep(results, run_id, [refused.checked])
        raise
    bad = [checked for checked in reading.extraction.sources.values() if checked.bad]
    if bad:
        quarantine.keep(results, run_id, bad)
    window = reading.window(as_of)
    if window is not None:
        runs.note_data_window(results, run_id, *map(aware, window))
    return reading


def _store_model(
    workspace: Workspace, results: Warehouse, task_name: str, run_id: str, decision: Decision
) -> str | None:
    """The artifact of a model fitted in this run, entered into the ledger; None where nothing was fitted."""
    model = decision.model
    if model is None:
        return None
    model_id = keeping.model_of(run_id)
    directory = (workspace.artifacts / task_name / model_id).absolute()
    sha256 = artifacts.save(directory, model.tensors(), model.document())
    models.register(
        results,
        model_id,
        task=task_name,
        encoder=getattr(decision.options, "encoder", None),
        trained_until=aware(model.trained_until),
        uri=str(directory),
        sha256=sha256,
        run_id=run_id,
        config={"options": json.loads(json.dumps(dataclasses.asdict(decision.options))), PROFILE: decision.profile},
        recipe={"epochs": model.recipe.epochs, "learnt": dict(model.recipe.learnt)},
        warm_from=decision.warm_from,
        fully_trained_until=None if (fully := decision.fully_trained_until) is None else aware(fully),
    )
    return model_id


def _tidy(workspace: Workspace, results: Warehouse, task: Task, task_name: str) -> None:
    """Old rows and artifacts go; a failure here costs disk space, not the run."""
    settings = workspace.configuration.settings
    try:
        retention.retain(results, task.spec.outputs, task_name, settings.keep_runs)
        keeping.clear_artifacts(results, task_name, settings.keep_artifacts)
        keeping.clear_unregistered(results, task_name, workspace.artifacts / task_name)
    except ForecastingError as failure:
        log.warning("Old runs could not be removed: %s", failure)


@contextlib.contextmanager
def _freed_on_failure(claim: Claim) -> Iterator[None]:
    """Frees the slot where the run did not even begin."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception):
            claim.release("failed")
        raise


@contextlib.contextmanager
def _closed_on_failure(workspace: Workspace, results: Warehouse, claim: Claim, run_id: str) -> Iterator[None]:
    """Writes a failure into the ledger and frees the slot, whatever ended the run."""
    try:
        yield
    except ClaimLost:
        raise  # the run belongs to whoever took over
    except BaseException as failure:
        code = failure.exit_code if isinstance(failure, ForecastingError) else ExitCode.ERROR
        text = workspace.console.scrubber.scrub(str(failure)) or type(failure).__name__
        with contextlib.suppress(Exception):  # the failure itself matters more than its entry
            runs.fail(results, claim, run_id, text, exit_code=int(code))
        raise


def _result(
    request: RunRequest,
    run_id: str,
    decision: Decision,
    counts: dict[str, int],
    *,
    published: bool,
    model_id: str | None,
) -> RunResult:
    return RunResult(
        run_id=run_id,
        task=request.task,
        slot=request.slot,
        as_of=request.as_of,
        exit_code=decision.exit_code,
        subject=decision.subject,
        fallback=decision.fallback,
        published=published,
        trained=decision.model is not None,
        warm_from=decision.warm_from,
        model_id=model_id,
        reason=decision.reason,
        rows=counts,
        metrics=decision.metrics,
    )


def _checkpoint(workspace: Workspace, request: RunRequest) -> Path:
    """Where a killed training of this slot resumes from."""
    return workspace.checkpoints / request.task / str(request.slot).replace(":", "")
