"""A column of a source is dropped, renamed or retyped overnight, in a warehouse that is not ours.

The night stops with exit code 4 and names source and column; what was published stays, row by row. Where a column
keeps its meaning (numbers written as text, days for instants), or is optional and nobody mapped it, the night goes on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest
from changing_shops import TASKS, ChangingShop, Shown, await_turn
from program import Program
from tally import is_full, tally

from forecasting.schema import SOURCES, Column, Kind

SHARE = 4
"""Faults of each task that `make test` tries."""

TIMES, WORDS = (Kind.TIMESTAMP, Kind.DATE), (Kind.ID, Kind.TEXT)


@dataclass(frozen=True)
class Retyped:
    """Another type: declaration and SQL (of a column) by dialect; `of`: the kinds of columns that it spoils. `said`:
    words of the message about what stands there now."""

    of: tuple[Kind, ...]
    sqlite: tuple[str, str]
    postgresql: tuple[str, str]
    said: str = ""


RETYPED: Mapping[str, Retyped] = {
    "words": Retyped((Kind.NUMBER, *TIMES), ("TEXT", "'twelve'"), ("text", "'twelve'"), "twelve"),
    "milliseconds": Retyped(TIMES, ("BIGINT", "1704067200123"), ("bigint", "1704067200123"), "1704067200123"),
    "seconds": Retyped(TIMES, ("REAL", "1704067200.5"), ("double precision", "1704067200.5"), "1704067200.5"),
    "bytes": Retyped((Kind.NUMBER, *TIMES, *WORDS), ("BLOB", "x'ff00fe'"), ("bytea", "'\\xff00fe'::bytea"), "\ufffd"),
    "json": Retyped(
        (Kind.NUMBER, *TIMES, *WORDS), ("JSON", "json_quote({0})"), ("jsonb", "to_jsonb({0})"), "holds JSON"
    ),
    "nothing": Retyped((Kind.ID, Kind.TEXT, *TIMES), ("TEXT", "null"), ("text", "null"), "null"),
}

KEPT: Mapping[str, Retyped] = {
    "numbers as text": Retyped((Kind.NUMBER,), ("TEXT", "cast({0} as text)"), ("text", "cast({0} as text)")),
    "days": Retyped((Kind.TIMESTAMP,), ("DATE", "date({0})"), ("date", "cast({0} as date)")),
    "instants": Retyped((Kind.DATE,), ("DATETIME", "{0} || ' 00:00:00'"), ("timestamp", "cast({0} as timestamp)")),
    "text as bytes": Retyped(WORDS, ("BLOB", "cast({0} as blob)"), ("bytea", "convert_to({0}, 'UTF8')")),
}


@dataclass(frozen=True)
class Fault:
    """What happened to a column, and how it is shown since: None where it is gone."""

    what: str
    source: str
    column: str
    shown: Shown | None
    said: str = ""


@pytest.mark.parametrize("task", TASKS)
def test_a_column_that_is_gone_or_another_stops_the_night(task: str, program: Program) -> None:
    await_turn(task, program.url)
    shop = _opened(task, program)
    before = shop.published()
    assert all(before[view] for view in list(before)[:1])
    faults = _faults(shop, RETYPED, lambda column: column.required)
    faults += [
        Fault("dropped", source, name, None)
        for source, columns in shop.columns.items()
        for name in columns
        if not _column(source, name).required
    ]
    chosen = faults if is_full() else random.Random(shop.task + shop.dialect).sample(faults, SHARE)
    with tally(f"a source column dropped, renamed or retyped, {shop.task}", shop.dialect, len(chosen)) as survived:
        for fault in chosen:
            with survived.point(fault):
                shop.show(fault.source, {fault.column: fault.shown})
                error = shop.night(1, code=4)["error"]
                message = f"{error['message']} {error['remedy']}"
                assert f"source {fault.source!r}, column {fault.column!r}" in message, message
                assert fault.said in message, message
                assert shop.published() == before
            shop.show(fault.source)
    shop.night(1)
    assert shop.published() != before
    shop.close()


@pytest.mark.parametrize("task", TASKS)
def test_a_column_that_means_the_same_is_read_on(task: str, program: Program) -> None:
    await_turn(task, program.url, of=4, shift=1)
    shop = _opened(task, program)
    shop.night(1, "--force")
    before = _bare(shop)
    faults = _faults(shop, KEPT, lambda column: column.kind is not Kind.ANY)
    faults = [fault for fault in faults if fault.what in KEPT]
    chosen = random.Random(shop.task + shop.dialect).sample(faults, 12 if is_full() else 2)
    with tally(f"a source column of a type that means the same, {shop.task}", shop.dialect, len(chosen)) as survived:
        for fault in chosen:
            with survived.point(fault):
                shop.show(fault.source, {fault.column: fault.shown})
                shop.night(1, "--force")
                assert fault.what == "days" or _bare(shop) == before
            shop.show(fault.source)
    shop.close()


@pytest.mark.parametrize("task", TASKS)
def test_an_optional_column_that_nobody_mapped_may_go(task: str, program: Program) -> None:
    await_turn(task, program.url, of=4, shift=3)
    shop = _opened(task, program, named=False)
    wanted = {name for need in _needs(shop) for name in need.extra} | {"promotion"}
    versions = ("known_at", True)  # without it the versions of a row repeat its key
    faults = [
        Fault("dropped", source, name, None)
        for source, columns in shop.columns.items()
        for name in columns
        if not _column(source, name).required and name not in wanted and (name, bool(SOURCES[source].key)) != versions
    ]
    vital = {("demand", "quantity"), ("churn", "customer_id"), ("completion", "completed_at")}
    chosen = faults if is_full() else random.Random(shop.dialect).sample(faults, min(3, len(faults)))
    with tally(f"an optional column dropped, {task}", shop.dialect, len(chosen)) as survived:
        for fault in chosen:
            with survived.point(fault):
                main = fault.source == next(need.source for need in _needs(shop) if need.main)
                stops = main and (task, fault.column) in vital
                before = shop.published()
                shop.show(fault.source, {fault.column: None})
                document = shop.night(1, "--force", code=4 if stops else (0, 3))
                if stops:
                    assert f"column {fault.column!r}" in document["error"]["message"]
                    assert shop.published() == before
                else:
                    forecasts = next(iter(before))
                    assert before[forecasts] and shop.published()[forecasts]
            shop.show(fault.source)
    shop.close()


def test_a_table_that_is_gone_or_closed_to_us_is_named(program: Program) -> None:
    shop = _opened("churn", program)
    before, place = shop.published(), shop._place("their orders")
    base = shop._place("kept orders")
    faults: dict[str, tuple[list[str], list[str]]] = {
        "gone": ([f"drop table {place}"], []),
        "a view of what is gone": (
            [
                f"create table gone as select * from {base}",  # noqa: S608
                f"drop table {place}",
                f"create view {place} as select * from gone",  # noqa: S608
                "alter table gone rename to gone2",
            ],
            [f"drop view {place}", "drop table gone2"],
        ),
    }
    if shop.dialect == "postgresql":  # there a view holds on to what it shows: this one fails in the middle of reading
        broken = f"create view {place} as select * from {base} where 1 / 0 = 1"  # noqa: S608
        faults["a view of what is gone"] = ([f"drop table {place}", broken], [f"drop view {place}"])
        role = f"reader_{shop.warehouse.url.database}"
        faults["without rights"] = (
            [
                f'create role "{role}" login',
                f'grant usage on schema public to "{role}"',
                f'grant select on all tables in schema public to "{role}"',
                f'revoke select on {place} from "{role}"',  # noqa: S608
            ],
            [f'drop owned by "{role}"', f'drop role "{role}"'],
        )
    with tally("a table gone or closed", shop.dialect, len(faults)) as survived:
        for what, (change, back) in faults.items():
            with survived.point(what):
                _execute(shop, change)
                if what == "without rights":
                    file = program.directory / "forecasting.toml"
                    theirs = shop.warehouse.url.set(username=role).render_as_string(hide_password=False)
                    file.write_text(file.read_text().replace(shop.url, theirs))
                error = shop.night(1, code=(2, 4))["error"]
                assert "source 'orders'" in error["message"] and "their orders" in error["message"], error
                assert shop.published() == before
            _execute(shop, back)
            shop.show("orders")
    shop.close()


def _execute(shop: ChangingShop, statements: list[str]) -> None:
    with shop.warehouse.writing() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _opened(task: str, program: Program, *, named: bool = True) -> ChangingShop:
    shop = ChangingShop(task, program, named=named)
    shop.night(0)
    return shop


def _faults(shop: ChangingShop, types: Mapping[str, Retyped], wanted: Callable[[Column], bool]) -> list[Fault]:
    """Every fault of every wanted column."""
    found = []
    for source, columns in shop.columns.items():
        for name, shown in columns.items():
            column = _column(source, name)
            if not wanted(column):
                continue
            found.append(Fault("dropped", source, name, None))
            found.append(Fault("renamed", source, name, replace(shown, theirs=f"{shown.theirs}_2")))
            for what, retyped in types.items():
                if column.kind in retyped.of:
                    type_, value = getattr(retyped, shop.dialect)
                    changed = replace(shown, type=type_, value=value.format(shown.value))
                    found.append(Fault(what, source, name, changed, retyped.said))
    return found


def _column(source: str, name: str) -> Column:
    return SOURCES[source].column(name) or Column(name, Kind.ANY, required=False)


def _needs(shop: ChangingShop) -> tuple:
    from forecasting.discovery import task_classes

    task_class = task_classes()[shop.task]
    return tuple(task_class(task_class.example().options).needs())


def _bare(shop: ChangingShop) -> dict[str, list[tuple]]:
    """What is published, without the run's id."""
    return {view: [row[1:] for row in rows] for view, rows in shop.published().items()}
