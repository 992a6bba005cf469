"""Columns, sources, output tables, reports and tasks as frozen dataclasses (types: see `forecasting.schema`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forecasting.schema.alerts import AlertLedger


class Kind(StrEnum):
    """Logical type of a column; the module's table gives its Arrow type."""

    ID = "id"
    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    FLAG = "flag"
    TIMESTAMP = "timestamp"
    DATE = "date"
    JSON = "json"
    ANY = "any"


@dataclass(frozen=True)
class Column:
    """One column of a source or of an output table.

    `minimum` and `maximum` are inclusive bounds of a valid NUMBER or INTEGER. `future` says that a TIMESTAMP or
    DATE may lie after the wall clock (a promise, a known-ahead row). `refers_to` names the source whose key the
    ID should be found in: an unknown one is a warning and a cold start, never dirt. `longest`: bytes (UTF-8) of an ID
    or TEXT that becomes part of keys, which no database indexes at any length.
    """

    name: str
    kind: Kind
    required: bool = True
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    future: bool = False
    refers_to: str | None = None
    description: str = ""
    longest: int | None = None


@dataclass(frozen=True)
class Source:
    """A canonical source table: its columns, and the key that makes a row unique (empty: rows may repeat).

    `clock` names the column that says when a row occurred (`occurred_at` in the two clocks), None for tables
    without time. Every source may carry extra columns, and `known_at`.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    clock: str | None = None
    description: str = ""

    def column(self, name: str) -> Column | None:
        """The declared column of that name, `known_at` included; None for an extra one."""
        if name == KNOWN_AT.name:
            return KNOWN_AT
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True)
class SourceNeed:
    """That a task reads a source.

    `extra` names columns beyond the canonical ones, delivered as `Kind.ANY`. `required` false: read where it has
    rows. `instead`: sources to read where this one is absent (sales from orders and order_lines), the first of them
    with the same `extra`. `main`: the source whose rows the task forecasts, whose freshness `status` shows.
    `only_with`: a source named before, without which this one says nothing: then it is neither read nor missed.
    `without`: what its absence costs, in words that `check` shows ("no order quantities"). `columns_without`: the same
    for optional columns, by name, or by names that belong together: {"promised_at": "no late probability",
    "origin_latitude, origin_longitude": "no distances"} is shown where one of them is not there, or holds nothing.
    """

    source: str
    extra: tuple[str, ...] = ()
    required: bool = True
    instead: tuple[str, ...] = ()
    main: bool = False
    only_with: str = ""
    without: str = ""
    columns_without: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OutputTable:
    """A table that a task writes, without `run_id`, which the house adds.

    `key` makes a row unique within a run; readers are served in key order. `current_NAME` is the view over the
    published run.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    description: str = ""

    @property
    def view(self) -> str:
        """Name of the view over the published run."""
        return f"current_{self.name}"


@dataclass(frozen=True)
class ReportSection:
    """One table of a generic report: the rows of a published view, `columns` maps column to heading."""

    title: str
    table: str
    columns: Mapping[str, str] = field(default_factory=dict)
    order_by: tuple[str, ...] = ()
    descending: bool = False
    limit: int = 200
    note: str = ""


@dataclass(frozen=True)
class Report:
    """A report over a task's published tables. Where `reports` has a renderer of that name it draws the page
    (`inventory`), otherwise the sections are drawn as tables."""

    name: str
    title: str
    sections: tuple[ReportSection, ...] = ()


@dataclass(frozen=True)
class TaskSpec:
    """What a task is, before any option: read by the runner, the warehouse, the reports and the command line.

    `gate_metric` is the metric (smaller is better) that decides publication; `metrics` names those shown beside it
    in small tables, in order (all stand in `run_metrics`). `migrations` names the package with the task's Alembic
    revisions ("tasks.demand.migrations"), a branch labelled with the task's name. `alerts`: where the task warns
    about entities; it then has a method `alert_policy`, too (see `forecasting.task.Alerting`).
    """

    name: str
    question: str
    entity: str
    outputs: tuple[OutputTable, ...]
    gate_metric: str
    migrations: str
    reports: tuple[Report, ...] = ()
    metrics: tuple[str, ...] = ()
    alerts: AlertLedger | None = None


KNOWN_AT = Column(
    "known_at",
    Kind.TIMESTAMP,
    required=False,
    description="when the row became known; the source's clock by default, later for late rows and corrections",
)
