"""What every task must keep, tried on the task's own example: run by `forecasting tasks check NAME`.

The same checks run over the built-in tasks and a stranger's. Each is a method of `_Suite` whose docstring is the
promise; a failed one reports what was seen.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecasting import artifacts, clock
from forecasting.pipeline import publication_rows
from forecasting.schema import SOURCES, ForecastingError, Kind, OutputTable
from forecasting.task import Accompanied, Alerting, Cases, Example, Fit, Instant, Model, Renewable, Task

ARROW_TYPES: Mapping[Kind, pa.DataType] = {
    Kind.ID: pa.string(),
    Kind.TEXT: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.FLAG: pa.bool_(),
    Kind.TIMESTAMP: pa.timestamp("us", "UTC"),
    Kind.DATE: pa.date32(),
    Kind.JSON: pa.string(),
}
"""Arrow type of each kind of output column; dictionaries of these and narrower numbers are accepted too."""

_WEEK = np.timedelta64(7, "D")


@dataclass(frozen=True)
class Finding:
    """One promise and what became of it; `seen` is empty where it was kept."""

    promise: str
    seen: str

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        return not self.seen


class Broken(AssertionError):
    """A promise was not kept; the message says what was seen instead."""


def check(task_class: type[Task]) -> Iterator[Finding]:
    """Try every promise on the task's example, one finding each, as they become known."""
    suite = _Suite(task_class)
    for name in (name for name in vars(_Suite) if name.startswith("check_")):
        method = getattr(suite, name)
        promise = " ".join(method.__doc__.split()).rstrip(".")
        try:
            method()
        except Broken as broken:
            yield Finding(promise, str(broken))
        except ForecastingError as error:
            yield Finding(promise, f"{type(error).__name__}: {error}")
        except Exception as error:  # a stranger's code may do anything: report it, go on
            yield Finding(promise, f"raised {type(error).__name__}: {error}")
        else:
            yield Finding(promise, "")


def _expect(condition: bool, seen: str) -> None:
    if not condition:
        raise Broken(seen)


class _Suite:
    def __init__(self, task_class: type[Task]):
        self.task_class = task_class

    @cached_property
    def example(self) -> Example:
        return self.task_class.example()

    @cached_property
    def task(self) -> Task:
        return self.task_class(self.example.options)

    @cached_property
    def dataset(self) -> Any:
        return self.task.assemble(self.example.sources)

    @cached_property
    def model(self) -> Model:
        return self.task.fit(self.dataset, Fit(self.example.as_of))

    @cached_property
    def cases(self) -> Cases:
        return self.task.cases(self.dataset, self.example.as_of)

    def altered_sources(self, cutoff: Instant) -> dict[str, pa.Table]:
        """The example with another future from a cutoff on."""
        return {
            name: _altered(name, table, cutoff, set(self.example.known_ahead.get(name, ())))
            for name, table in self.example.sources.items()
        }

    def rows(self, task: Task, dataset: Any, model: Any, cases: Cases) -> dict[str, pa.Table]:
        return task.rows(dataset, cases, model.predict(dataset, cases))  # type: ignore[return-value]

    def check_declaration(self) -> None:
        """The spec declares output tables with keys among their columns, none named run_id, task or case."""
        spec = self.task_class.spec
        _expect(bool(spec.outputs), "no output table")
        for output in spec.outputs:
            names = [column.name for column in output.columns]
            _expect(len(set(names)) == len(names), f"{output.name} declares a column twice")
            _expect(set(output.key) <= set(names), f"the key of {output.name} names other columns than its own")
            reserved = {"run_id", "task", "case"} & set(names)
            _expect(not reserved, f"{output.name} declares {sorted(reserved)}, which the house adds")

    def check_alerts(self) -> None:
        """Alerts, where declared, watch columns of an output table, and the options say when to raise them."""
        ledger = self.task_class.spec.alerts
        if ledger is None:
            return
        watched = {output.name: output for output in self.task_class.spec.outputs}.get(ledger.output)
        if watched is None:
            raise Broken(f"{ledger.name} watches {ledger.output!r}, which is no output")
        _expect(watched.key == (ledger.entity,), f"the key of {watched.name} is not {ledger.entity} alone")
        columns = {column.name: column for column in watched.columns}
        wanted = (ledger.level, ledger.value, ledger.settled, *(column.name for column in ledger.copied))
        lacking = [name for name in wanted if name not in columns]
        _expect(not lacking, f"{watched.name} lacks {lacking}")
        _expect(columns[ledger.level].choices == ledger.levels, f"{ledger.level} has other choices than the levels")
        if not isinstance(self.task, Alerting):
            raise Broken("the task has no alert_policy")
        level = self.task.alert_policy().raise_from
        _expect(level in ledger.levels, f"alerts are raised from {level!r}, which is no level")

    def check_migrations(self) -> None:
        """The package that holds the task's Alembic revisions can be imported."""
        import_module(self.task_class.spec.migrations)

    def check_options(self) -> None:
        """Options are a frozen dataclass with a default for every field, and JSON values."""
        options = self.task_class.Options
        _expect(dataclasses.is_dataclass(options), "Options is no dataclass")
        parameters = getattr(options, "__dataclass_params__", None)
        _expect(bool(parameters and parameters.frozen), "Options is not frozen")
        json.dumps(dataclasses.asdict(options()))

    def check_needs(self) -> None:
        """The task reads canonical sources, one of them its main one."""
        needs = self.task.needs()
        unknown = [need.source for need in needs if need.source not in SOURCES]
        _expect(not unknown, f"unknown sources {unknown}")
        for need in needs:
            told = [name.strip() for names in need.columns_without for name in names.split(",")]
            strange = [n for n in told if SOURCES[need.source].column(n) is None and n not in need.extra]
            _expect(not strange, f"columns_without of {need.source} names {strange}, which it does not have")
        _expect(sum(need.main for need in needs) == 1, "not exactly one source is marked main")

    def check_folds(self) -> None:
        """Folds are fitted before their cases, and end before the as-of instant."""
        for fold in self.task.folds(self.dataset, self.example.as_of):
            _expect(len(fold.cases) > 0, "a fold without cases")
            _expect(bool((fold.cases.cutoff >= fold.fit_until).all()), "a case before its fold's fit")
            _expect(bool((fold.cases.cutoff < self.example.as_of).all()), "a case at or after the as-of instant")

    def check_same_seed(self) -> None:
        """The same seed gives the same bytes."""
        again = self.task_class(self.example.options)
        second = again.fit(again.assemble(self.example.sources), Fit(self.example.as_of))
        _same_tensors(self.model.tensors(), second.tensors(), "two fits with one seed differ")

    def check_restore(self) -> None:
        """A model stored as an artifact is restored to the same forecasts, bit by bit."""
        with tempfile.TemporaryDirectory() as directory:
            sha256 = artifacts.save(Path(directory) / "model", self.model.tensors(), self.model.document())
            restored = self.task.restore(*artifacts.load(Path(directory) / "model", sha256))
        _same_rows(
            self.rows(self.task, self.dataset, self.model, self.cases),
            self.rows(self.task, self.dataset, restored, self.cases),
            "the restored model forecasts otherwise",
        )

    def check_point_in_time(self) -> None:
        """Nothing beyond the cutoff moves a model or a forecast by a single bit."""
        task = self.task_class(self.example.options)
        dataset = task.assemble(self.altered_sources(self.example.as_of))
        model = task.fit(dataset, Fit(self.example.as_of))
        _same_rows(
            self.rows(self.task, self.dataset, self.model, self.cases),
            self.rows(task, dataset, model, task.cases(dataset, self.example.as_of)),
            "the future moved a forecast",
        )

    def check_renewal(self) -> None:
        """A model that can be renewed, is so the same way each time, moved by nothing beyond the instant, and stays as
        it is itself."""
        later, champion = self.example.as_of + _WEEK, self.model
        if not isinstance(champion, Renewable):
            return
        stored = {name: values.copy() for name, values in champion.tensors().items()}, _as_json(champion)
        task = self.task_class(self.example.options)
        restored, dataset = task.restore(*stored), task.assemble(self.altered_sources(later))
        assert isinstance(restored, Renewable)
        mine, other = champion.renew(self.dataset, Fit(later)), restored.renew(dataset, Fit(later))
        _same_tensors(champion.tensors(), stored[0], "the champion was altered by its renewal")
        _expect(_as_json(champion) == stored[1], "the document of the champion was altered by its renewal")
        _same_tensors(mine.tensors(), other.tensors(), "two renewals, one of them of a stored champion, differ")
        _expect(_as_json(mine) == _as_json(other), "the documents of two renewals with one seed differ")
        if mine is not champion:
            _expect(mine.trained_until == later, f"renewed up to {later}, it says {mine.trained_until}")
            _expect(mine.recipe == champion.recipe, "the renewed model has another recipe")

    def check_shards(self) -> None:
        """A case's forecast does not depend on the cases beside it (up to rounding)."""
        half = self.cases.take(np.arange(0, len(self.cases), 2))
        whole = self.rows(self.task, self.dataset, self.model, self.cases)
        part = self.rows(self.task, self.dataset, self.model, half)
        for name, table in part.items():
            expected = whole[name].filter(pc.equal(pc.bit_wise_and(whole[name]["case"], 1), 0))
            _expect(table.num_rows == expected.num_rows, f"{name} has other rows for half of the cases")
            for column in table.column_names:
                if column != "case" and pa.types.is_floating(table[column].type):
                    a, b = (t[column].fill_null(0).to_numpy() for t in (table, expected))
                    _expect(np.allclose(a, b, rtol=1e-3, atol=1e-3), f"{name}.{column} differs in a shard")

    def check_baselines_and_score(self) -> None:
        """There is a baseline, and every subject is scored by the gate metric, finite, one loss a case."""
        baselines = self.task.baselines(self.dataset, self.example.as_of)
        _expect(bool(baselines), "no baseline")
        fold = self.task.folds(self.dataset, self.example.as_of)[-1]
        for name, forecaster in {"model": self.model, **baselines}.items():
            score = self.task.score(self.dataset, fold.cases, forecaster.predict(self.dataset, fold.cases))
            gate = self.task_class.spec.gate_metric
            _expect(gate in score.metrics, f"{name} is not scored by {gate}")
            _expect("samples" in score.metrics, f"the score of {name} does not count its samples")
            _expect(np.isfinite(score.metrics[gate]), f"{gate} of {name} is {score.metrics[gate]}")
            _expect(score.loss.shape == score.entity.shape, f"{name}: not one entity for each loss")

    def check_rows(self) -> None:
        """Rows of model and baselines have the declared columns, types and nulls, and unique keys; so have those of no
        case, where the task has any."""
        forecasters = {"model": self.model, **self.task.baselines(self.dataset, self.example.as_of)}
        declared = {output.name: output for output in self.task_class.spec.outputs}
        for subject, forecaster in forecasters.items():
            for tables in publication_rows(self.task, self.dataset, self.example.as_of, forecaster):
                _check_tables(subject, tables, declared)
        if isinstance(self.task, Accompanied):
            alone = self.task.rows_without_cases(self.dataset, self.example.as_of)
            _check_tables("rows without cases", alone, declared)


def _same_tensors(mine: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], complaint: str) -> None:
    _expect(mine.keys() == other.keys(), f"{complaint}: arrays of different names")
    differ = [name for name in mine if mine[name].tobytes() != other[name].tobytes()]
    _expect(not differ, f"{complaint} in {differ[:3]}")


def _as_json(model: Model) -> Any:
    return json.loads(json.dumps(model.document()))


def _check_tables(subject: str, tables: Mapping[str, pa.Table], declared: Mapping[str, OutputTable]) -> None:
    _expect(tables.keys() == declared.keys(), f"{subject} makes tables {sorted(tables)}")
    for name, table in tables.items():
        _check_table(f"{subject}: {name}", table, declared[name])


def _check_table(what: str, table: pa.Table, output: OutputTable) -> None:
    names = [column.name for column in output.columns]
    _expect(table.column_names == names, f"{what} has columns {table.column_names}")
    for column in output.columns:
        values = table[column.name]
        kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        expected = ARROW_TYPES[column.kind]
        fits = kind == expected or (pa.types.is_floating(expected) and pa.types.is_floating(kind))
        fits = fits or (pa.types.is_integer(expected) and pa.types.is_integer(kind))
        _expect(fits, f"{what}.{column.name} is {kind}, not {expected}")
        _expect(not column.required or values.null_count == 0, f"{what}.{column.name} has nulls")
        if pa.types.is_floating(kind):
            finite = pc.all(pc.is_finite(values.drop_null())).as_py()
            _expect(finite is not False, f"{what}.{column.name} is not finite")
    key = pa.table({name: _plain(table[name]) for name in output.key})
    unique = key.group_by(list(output.key)).aggregate([]).num_rows
    _expect(unique == table.num_rows, f"{what} repeats its key {output.key}")


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _same_rows(mine: Mapping[str, pa.Table], other: Mapping[str, pa.Table], complaint: str) -> None:
    for name, table in mine.items():
        for column in table.column_names:
            same = _plain(table[column]).combine_chunks().equals(_plain(other[name][column]).combine_chunks())
            _expect(same, f"{complaint}: {name}.{column}")


def _altered(name: str, table: pa.Table, cutoff: Instant, known_ahead: set[str]) -> pa.Table:
    """The table with every number that `cutoff` must not see made another one (known-ahead columns stay)."""
    source = SOURCES[name]
    if source.clock is None:
        return table
    occurred = clock.arrow_instants(table[source.clock])
    known = clock.arrow_instants(table["known_at"]) if "known_at" in table.column_names else occurred
    known = np.where(np.isnat(known), occurred, known)  # what says nothing was known at once
    hidden = pa.array(~clock.visible(occurred, known, cutoff))
    for position, column in enumerate(table.column_names):
        values = table[column]
        if column in known_ahead or column in source.key or not pa.types.is_floating(values.type):
            continue
        other = pc.add(pc.multiply(pc.abs(values), 7.0), 3.0)
        table = table.set_column(position, column, pc.if_else(hidden, other, values))
    return table
