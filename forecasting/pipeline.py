"""From a dataset to rows worth publishing: judge a recipe, refit it, forecast; and the same in hindsight.

Pure computation over the protocol of `forecasting.task`: no warehouse, no clock on the wall, no task by name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from forecasting.gate import CHAMPION, MODEL, Verdict, decide
from forecasting.schema import NotEnoughData, TrainingDiverged
from forecasting.task import Accompanied, Cases, Fit, Fold, Forecaster, Instant, Model, Recipe, Score, Task

log = logging.getLogger(__name__)

BASELINE = "baseline:"
"""Prefix of a baseline's subject name, as in `run_metrics.subject`."""

PART = "part:"
"""Prefix of a part of the model, shown beside it and never judged (the sequence model alone in a blend)."""

SHARD = 20_000
"""Cases forecast and published at a time: what bounds the memory of a run."""

Progress = Callable[[str, int, int], None]
"""progress(what, done, total): what is going on, in words for a person."""


def _silent(what: str, done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class MetricRow:
    """One figure of `run_metrics`. `slice` is "evaluate" (all folds pooled) or "evaluate:FIRST CUTOFF"."""

    slice: str
    subject: str
    metric: str
    value: float


@dataclass(frozen=True)
class Judgement:
    """What the gate saw and said about a recipe. `recipe` is None where none was found: too little data, or a
    training that diverged; the verdict then names the baseline to publish and why. `best_baseline`: its subject."""

    verdict: Verdict
    metrics: Sequence[MetricRow]
    recipe: Recipe | None
    best_baseline: str


@dataclass
class _Ledger:
    """Scores of every subject over the folds, as they come in."""

    gate_metric: str
    scores: dict[str, list[Score]] = field(default_factory=dict)
    slices: list[str] = field(default_factory=list)

    def add(self, slice_name: str, scores: Mapping[str, Score]) -> None:
        self.slices.append(slice_name)
        for subject, score in scores.items():
            if not score.metrics["samples"]:  # a loss of nothing is no loss of 0
                known = {name: value for name, value in score.metrics.items() if name != self.gate_metric}
                score = replace(score, metrics=known)
            self.scores.setdefault(subject, []).append(score)

    def slice_of(self, cutoff: Instant) -> str:
        """Name of the slice that begins at a cutoff: its day, or where that day has one already (a busy shop that
        opened last week) the cutoff to as many digits as tell them apart."""
        units: tuple[Literal["D", "m", "s", "us"], ...] = ("D", "m", "s", "us")
        names = (f"evaluate:{np.datetime_as_string(cutoff, unit)}" for unit in units)
        return next((name for name in names if name not in self.slices), f"evaluate:{cutoff} ({len(self.slices)})")

    def metric_rows(self) -> list[MetricRow]:
        rows = []
        for subject, scores in self.scores.items():
            for slice_name, score in zip(self.slices, scores, strict=True):
                rows += [MetricRow(slice_name, subject, name, value) for name, value in score.metrics.items()]
            rows += [MetricRow("evaluate", subject, name, value) for name, value in _pooled(scores).items()]
        return rows

    def best_baseline(self) -> str:
        """The baseline with the smallest loss over all folds."""
        losses = {
            subject: sum(float(score.loss.sum()) for score in scores)
            for subject, scores in self.scores.items()
            if subject.startswith(BASELINE)
        }
        return min(losses, key=lambda subject: (not np.isfinite(losses[subject]), losses[subject]))

    def verdict(self) -> Verdict:
        """The gate over all folds: losses of one entity at several cutoffs are one cluster. Raises NotEnoughData where
        no outcome is known."""
        if not any(score.metrics["samples"] for scores in self.scores.values() for score in scores):
            raise NotEnoughData(
                "it is not known yet what became of any case, so that nothing can be judged.",
                remedy="Choose earlier dates, or wait until the outcomes are known.",
            )
        losses = {subject: np.concatenate([score.loss for score in scores]) for subject, scores in self.scores.items()}
        entity = np.concatenate([score.entity for score in next(iter(self.scores.values()))])
        return decide({name: loss for name, loss in losses.items() if not name.startswith(PART)}, entity)


def _pooled(scores: Sequence[Score]) -> dict[str, float]:
    """Mean of each metric over the folds that have it, weighted by their samples; `samples` themselves are summed."""
    pooled = {}
    for name in dict.fromkeys(name for score in scores for name in score.metrics if name != "samples"):
        having = [score.metrics for score in scores if name in score.metrics]
        weights = np.array([metrics["samples"] for metrics in having], dtype=np.float64)
        pooled[name] = float(np.dot(weights / max(weights.sum(), 1.0), [metrics[name] for metrics in having]))
    return pooled | {"samples": sum(float(score.metrics["samples"]) for score in scores)}


def judge(
    task: Task,
    dataset: Any,
    as_of: Instant,
    *,
    seed: int = 0,
    champion: Task | None = None,
    checkpoint: Path | None = None,
    progress: Progress = _silent,
) -> Judgement:
    """Fit the task's recipe before its evaluation folds and compare it there with baselines and champion.

    `champion` is the reigning configuration as a task of the same kind: it competes refitted before the slice,
    never with weights that saw it. Where there is too little history, or training diverges, the verdict publishes
    a baseline and says why.
    """
    try:
        folds = task.folds(dataset, as_of)
        ledger, recipe = _Ledger(task.spec.gate_metric), None
        for fit_until, same_fit in _by_fit(folds):
            fit = Fit(fit_until, seed, checkpoint=checkpoint)
            subjects = rivals(task, dataset, fit_until)
            try:
                model = _fit(task, dataset, fit, "judging: training", progress)
                subjects, recipe = with_parts(model) | subjects, model.recipe
            except TrainingDiverged as diverged:
                log.warning(str(diverged))
            if champion is not None:
                subjects[CHAMPION] = _fit(champion, dataset, Fit(fit_until, seed), "judging: champion", progress)
            for fold in same_fit:
                ledger.add(ledger.slice_of(fold.cases.cutoff.min()), scored(task, dataset, fold.cases, subjects))
        verdict = ledger.verdict()
    except NotEnoughData as shortage:
        first = f"{BASELINE}{next(iter(task.baselines(dataset, as_of)))}"
        verdict = Verdict(False, first, None, None, None, f"not_enough_data: {shortage}")
        return Judgement(verdict, (), None, first)
    return Judgement(verdict, ledger.metric_rows(), recipe, ledger.best_baseline())


def chosen(
    task: Task,
    dataset: Any,
    as_of: Instant,
    judgement: Judgement,
    *,
    seed: int = 0,
    champion: Task | None = None,
    checkpoint: Path | None = None,
    progress: Progress = _silent,
) -> tuple[Forecaster, Verdict]:
    """What the gate chose, refitted on all that is known at `as_of` for the epochs found; should that training
    diverge, the best baseline, and a verdict that says so."""
    verdict = judgement.verdict
    subject = verdict.subject_to_publish
    if not subject.startswith(BASELINE):
        winner = champion if subject == CHAMPION else task
        if winner is None:
            raise ValueError("the gate chose a champion that did not compete")
        recipe = judgement.recipe if winner is task else None
        fit = Fit(as_of, seed, recipe, checkpoint)
        try:
            return _fit(winner, dataset, fit, "training on all that is known", progress), verdict
        except (TrainingDiverged, NotEnoughData) as failure:
            subject = judgement.best_baseline
            verdict = replace(
                verdict, passed=False, subject_to_publish=subject, reason=f"{failure} {subject} goes out."
            )
    return task.baselines(dataset, as_of)[subject.removeprefix(BASELINE)], verdict


def publication_rows(
    task: Task, dataset: Any, as_of: Instant, forecaster: Forecaster, *, shard: int = SHARD
) -> Iterator[dict[str, pa.Table]]:
    """Output rows of an instant shard by shard of its cases, without the column `case`: memory is bounded by one shard.
    Where there is no case, those that a task has all the same (`forecasting.task.Accompanied`)."""
    cases = task.cases(dataset, as_of)
    if not len(cases) and isinstance(task, Accompanied):
        yield dict(task.rows_without_cases(dataset, as_of))
    for start in range(0, len(cases), shard):
        part = cases.take(np.arange(start, min(start + shard, len(cases))))
        tables = task.rows(dataset, part, forecaster.predict(dataset, part))
        yield {name: table.drop_columns(["case"]) for name, table in tables.items()}


@dataclass(frozen=True)
class Backtest:
    """What we would have said: `tables` are output rows with a column `cutoff` (timestamp[us, UTC]) in front."""

    verdict: Verdict
    metrics: Sequence[MetricRow]
    tables: Mapping[str, pa.Table]
    cases: int


def backtest(
    task: Task,
    dataset: Any,
    start: Instant,
    end: Instant,
    *,
    every_days: int | None = None,
    refit_days: int | None = None,
    seed: int = 0,
    progress: Progress = _silent,
) -> Backtest:
    """Fit on what was known at `start` (again every `refit_days`) and predict every case in [start, end).

    Between fits the weights stand still while the inputs follow the clock. Where the outcome of no case is known, the
    gate does not pass and the verdict says so. Raises NotEnoughData where a fit has too little history or there is no
    case.
    """
    cases = task.backtest_cases(dataset, start, end, every_days)
    if not len(cases):
        raise NotEnoughData(
            f"There is nothing to forecast from {start} to {end}.", remedy="Choose dates inside the data."
        )
    instants = _refits(start, end, refit_days)
    fit_of = np.searchsorted(instants, cases.cutoff, side="right") - 1
    if len(instants) > 1 and not fit_of.any():
        log.warning(
            "All cases lie before the second fit, on %s: there is one fit. Cases every few days (--every) take more.",
            np.datetime_as_string(instants[1], "D"),
        )
    ledger, rows = _Ledger(task.spec.gate_metric), []
    for number, fit_until in enumerate(instants):
        part = cases.take(fit_of == number)
        if not len(part):
            continue
        note = f"training as of {np.datetime_as_string(fit_until, 'D')} ({number + 1} of {len(instants)})"
        model = _fit(task, dataset, Fit(fit_until, seed), note, progress)
        forecast = model.predict(dataset, part)
        rows.append(_with_cutoff(task.rows(dataset, part, forecast), part))
        others = {name: forecaster for name, forecaster in with_parts(model).items() if name != MODEL}
        scores = {MODEL: task.score(dataset, part, forecast)}
        scores |= scored(task, dataset, part, others | rivals(task, dataset, fit_until))
        ledger.add(f"evaluate:{np.datetime_as_string(fit_until, 'D')}", scores)
        progress("predicted", int((fit_of <= number).sum()), len(cases))
    tables = {name: pa.concat_tables([part[name] for part in rows]) for name in rows[0]}
    try:
        verdict = ledger.verdict()
    except NotEnoughData as shortage:  # the rows are there all the same
        verdict = Verdict(False, ledger.best_baseline(), None, None, None, f"not_enough_data: {shortage}")
    return Backtest(verdict, ledger.metric_rows(), tables, len(cases))


def _by_fit(folds: Sequence[Fold]) -> Iterator[tuple[Instant, list[Fold]]]:
    """Folds grouped by the instant they are fitted at, so that one fit serves all of a group."""
    for fit_until in sorted({fold.fit_until for fold in folds}):
        yield fit_until, [fold for fold in folds if fold.fit_until == fit_until]


def _fit(task: Task, dataset: Any, fit: Fit, what: str, progress: Progress) -> Model:
    def report(done: int, total: int, note: str) -> None:
        progress(f"{what} {note}".strip(), done, total)

    return task.fit(dataset, Fit(fit.until, fit.seed, fit.recipe, fit.checkpoint, report))


def with_parts(model: Model) -> dict[str, Forecaster]:
    """The model and its parts by subject name."""
    parts: dict[str, Forecaster] = {f"{PART}{name}": part for name, part in model.parts().items()}
    return {MODEL: model} | parts


def rivals(task: Task, dataset: Any, until: Instant) -> dict[str, Forecaster]:
    """The task's baselines, fitted on what was known at `until`, by subject name."""
    return {f"{BASELINE}{name}": forecaster for name, forecaster in task.baselines(dataset, until).items()}


def scored(task: Task, dataset: Any, cases: Cases, subjects: Mapping[str, Forecaster]) -> dict[str, Score]:
    """What each subject's forecast of the cases was worth."""
    return {
        name: task.score(dataset, cases, forecaster.predict(dataset, cases)) for name, forecaster in subjects.items()
    }


def _refits(start: Instant, end: Instant, refit_days: int | None) -> np.ndarray:
    """Instants of the fits, datetime64[us]: `start`, and every `refit_days` after it before `end`."""
    if refit_days is None:
        return np.array([start], dtype="datetime64[us]")
    return np.arange(start, end, np.timedelta64(refit_days, "D"), dtype="datetime64[us]")


def _with_cutoff(tables: Mapping[str, pa.Table], cases: Cases) -> dict[str, pa.Table]:
    """The tables with `cutoff` of each row's case in the place of `case`."""
    dated = {}
    for name, table in tables.items():
        cutoff = cases.cutoff[table["case"].to_numpy()]
        column = pa.array(cutoff.astype("datetime64[us]")).cast(pa.timestamp("us", "UTC"))
        dated[name] = table.drop_columns(["case"]).add_column(0, "cutoff", column)
    return dated
