"""The protocol behind which tasks plug in, and the few structures that pass between a task and the pipeline.

A task is a class with a `spec` (plain data), built from its own options. The pipeline (`forecasting.pipeline`)
calls it in this order and knows nothing else about it::

    dataset  = task.assemble(sources)                    # histories, with both clocks kept
    folds    = task.folds(dataset, as_of)                # where to judge: later than what it is fitted on
    model    = task.fit(dataset, Fit(until=...))         # sees what was known at `until`, nothing later
    rivals   = task.baselines(dataset, until)            # by name, as forecasters too
    forecast = model.predict(dataset, cases)             # each case sees what was known at its own cutoff
    score    = task.score(dataset, cases, forecast)      # against what really happened
    rows     = task.rows(dataset, cases, forecast)       # Arrow tables, one per output of the spec

`dataset` and `forecast` are the task's own types: the pipeline hands them back untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from forecasting.schema import AlertPolicy, SourceNeed, TaskSpec

Instant = np.datetime64
"""A point in time: datetime64[us], UTC."""


@dataclass(frozen=True)
class Cases:
    """What is forecast: entities at cutoffs.

    `entity`: int64 [n], index into the dataset's entities. `cutoff`: datetime64[us] [n], UTC; case i sees rows
    with occurred_at < cutoff[i] and known_at <= cutoff[i]. `columns`: further arrays [n] of the task's own (the
    stage of an order, the event of a session).
    """

    entity: np.ndarray
    cutoff: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.entity.shape != self.cutoff.shape or self.entity.ndim != 1:
            raise ValueError("entity and cutoff must be one-dimensional and of equal length")

    def __len__(self) -> int:
        return len(self.entity)

    def take(self, index: np.ndarray) -> Cases:
        """The cases at `index` (int64 positions or a boolean mask [n])."""
        columns = {name: values[index] for name, values in self.columns.items()}
        return Cases(self.entity[index], self.cutoff[index], columns)


@dataclass(frozen=True)
class Fold:
    """One judgement: fit on what was known at `fit_until`, then forecast `cases`, all at or after it, whose
    outcomes had closed by the as-of instant."""

    fit_until: Instant
    cases: Cases


@dataclass(frozen=True)
class Recipe:
    """What a search found and a refit repeats: epochs and whatever else the task learnt on later slices
    (calibration, blend weights). Plain JSON values in `learnt`."""

    epochs: int
    learnt: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """How to fit: `until` is the instant at which the world is frozen.

    Without `recipe` the task searches: it trains on an earlier part, stops early and calibrates on later slices,
    all before `until`, and leaves a recipe in its model. With one it trains on all that was known for the epochs
    found. `checkpoint`: a directory for resuming after a kill, None to keep none. `progress(done, total, note)`
    is called as training goes on.
    """

    until: Instant
    seed: int = 0
    recipe: Recipe | None = None
    checkpoint: Path | None = None
    progress: Callable[[int, int, str], None] = lambda done, total, note: None


@dataclass(frozen=True)
class Score:
    """What a forecast was worth.

    `metrics`: scalars by name, the gate metric among them, and `samples`, how many cases had an outcome.
    `loss`: float64 [n], the gate metric's contribution of each case, additive: `metrics[gate] = loss.sum()`
    up to a weight that is the same for every subject. `entity`: int64 [n], the entity of each loss.
    """

    metrics: Mapping[str, float]
    loss: np.ndarray
    entity: np.ndarray


@dataclass(frozen=True)
class Example:
    """A small made-up shop on which the contract suite tries a task; fitting it takes seconds.

    `known_ahead`: by source, the columns that a cutoff may see ahead of time. The suite alters everything else
    that lies beyond a cutoff and expects the same forecasts, bit by bit.
    """

    options: Any
    sources: Mapping[str, pa.Table]
    as_of: Instant
    known_ahead: Mapping[str, Sequence[str]] = field(default_factory=dict)


@runtime_checkable
class Forecaster(Protocol):
    """Anything that answers cases: a fitted model, a baseline."""

    def predict(self, dataset: Any, cases: Cases) -> Any:
        """The task's own forecast structure for `cases`, each seen as of its own cutoff."""
        ...


@runtime_checkable
class Watching(Protocol):
    """A model that watches itself: an optional addition to `Model`."""

    def watch(self, dataset: Any, as_of: Instant) -> Mapping[str, float]:
        """Finite figures by name that people should know beside forecasts made at `as_of`, such as `drift_alarm`, 1 or
        0; they stand in `run_metrics`, slice "calibration"."""
        ...


@runtime_checkable
class Renewable(Protocol):
    """A model that can go on learning from where it stands: an optional addition to `Model`."""

    def renew(self, dataset: Any, fit: Fit) -> Model:
        """This model brought up to `fit.until`, which is not before its `trained_until`: its layout (vocabulary,
        scaling, features) and recipe stay, its network is fine-tuned on what has come since beside some of what was,
        and what is cheap to fit is fitted anew. Where nothing has become known since, the very same model. Costs a
        small part of `Task.fit`; `forecasting.renewal` has what tasks share. Raises NotEnoughData, and
        TrainingDiverged."""
        ...


@runtime_checkable
class Model(Forecaster, Protocol):
    """A fitted sequence model, or a blend around one."""

    @property
    def recipe(self) -> Recipe:
        """What a refit repeats."""
        ...

    @property
    def trained_until(self) -> Instant:
        """The instant up to which it has seen the world."""
        ...

    def tensors(self) -> Mapping[str, np.ndarray]:
        """All learned arrays by name, as stored in the artifact."""
        ...

    def document(self) -> Mapping[str, Any]:
        """Everything else needed to restore the model, as JSON values."""
        ...

    def parts(self) -> Mapping[str, Forecaster]:
        """Forecasters whose figures are shown beside the model's (the sequence model alone in a blend)."""
        ...


@runtime_checkable
class Task(Protocol):
    """One question about entities. Classes are found by the entry-point group `forecasting.tasks`."""

    spec: ClassVar[TaskSpec]
    Options: ClassVar[type]
    """A frozen dataclass of the task's options with defaults; unknown keys in the configuration are refused."""

    options: Any

    def __init__(self, options: Any): ...

    @classmethod
    def example(cls) -> Example:
        """A small shop for the contract suite (`forecasting tasks check NAME`)."""
        ...

    def needs(self) -> Sequence[SourceNeed]:
        """The sources to read under the options given."""
        ...

    def assemble(self, sources: Mapping[str, pa.Table]) -> Any:
        """The dataset from checked sources (types as in `forecasting.schema`); an absent source has no key.

        Raises DataError naming source, column and row where the tables cannot be used together."""
        ...

    def folds(self, dataset: Any, as_of: Instant) -> Sequence[Fold]:
        """Where to judge a recipe as of an instant, oldest first. Raises NotEnoughData."""
        ...

    def cases(self, dataset: Any, as_of: Instant) -> Cases:
        """What to forecast for publication at an instant."""
        ...

    def backtest_cases(self, dataset: Any, start: Instant, end: Instant, every_days: int | None) -> Cases:
        """Every case of `backtest` in [start, end), in order of cutoff."""
        ...

    def fit(self, dataset: Any, fit: Fit) -> Model:
        """A model that saw nothing past `fit.until`. Raises NotEnoughData."""
        ...

    def restore(self, tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> Model:
        """The model of a stored artifact; forecasts are bit-identical to those before it was stored."""
        ...

    def baselines(self, dataset: Any, until: Instant) -> Mapping[str, Forecaster]:
        """The gate's rivals by name, fitted on what was known at `until`; the first is what goes out where there
        is too little data to judge."""
        ...

    def score(self, dataset: Any, cases: Cases, forecast: Any) -> Score:
        """Metrics and per-case losses against the outcomes in the dataset."""
        ...

    def rows(self, dataset: Any, cases: Cases, forecast: Any) -> Mapping[str, pa.Table]:
        """Rows of every output table of the spec, columns in its order, with an int64 column `case` in front:
        the position in `cases` that made the row (the pipeline turns it into `cutoff` in a backtest)."""
        ...


@runtime_checkable
class Accompanied(Protocol):
    """A task some of whose rows are of no case (what was completed, beside what is open): an optional addition to
    `Task`. Where there are cases, `rows` brings these with one of them."""

    def rows_without_cases(self, dataset: Any, as_of: Instant) -> Mapping[str, pa.Table]:
        """Rows of every output table of the spec, as `rows` has them but without `case`, for an instant at which there
        is nothing to forecast."""
        ...


@runtime_checkable
class Alerting(Protocol):
    """What a task whose spec declares `alerts` has beside the rest."""

    def alert_policy(self) -> AlertPolicy:
        """When alerts are raised, under the options given."""
        ...
