"""1% and 20% of a source's rows are dirt overnight.

Every bad row, and no other, stands in quarantine with its reason. 1% costs nothing else: what is published is what it
would have been without them. 20% stops the night with exit code 4, and what was published stays.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pytest
import sqlalchemy as sa
from changing_shops import TASKS, ChangingShop, Shown, await_turn
from program import Program
from tally import is_full, tally

from db import runs
from db.tables import QUARANTINE
from forecasting.schema import SOURCES, Column, Kind

SHARE = 3
"""Kinds of dirt of each task that `make test` tries."""

MOST = 40
"""Those that `make faults` tries, on each database others."""

LEAST_ROWS = 60
"""A source with fewer has no one percent."""


@dataclass(frozen=True)
class Dirt:
    """Rows of a source with SQL in the place of the value of a column, and the reason why they are bad."""

    source: str
    column: str
    value: str
    reason: str


@pytest.fixture(params=TASKS)
def shop(request: pytest.FixtureRequest, program: Program) -> Iterator[ChangingShop]:
    """The shop of each task with something published."""
    await_turn(request.param, program.url, of=4)
    opened = ChangingShop(request.param, program)
    opened.night(0)
    yield opened
    opened.close()


def test_bad_rows_are_set_aside_and_too_many_stop_the_night(shop: ChangingShop) -> None:
    every = [dirt for source in shop.tables for dirt in _dirt(shop, source)]
    chosen = random.Random(shop.task + shop.dialect).sample(every, min(MOST if is_full() else SHARE, len(every)))
    shop.night(1, "--force")
    clean = _bare(shop)
    with tally(f"1% bad rows, {shop.task}", shop.dialect, len(chosen)) as survived:
        for dirt in chosen:
            with survived.point(dirt):
                count = max(1, len(shop.tables[dirt.source]) // 100)
                _plant(shop, dirt, count)
                run = shop.night(1, "--force")["runs"][0]
                assert _quarantined(shop, run["run_id"]) == {(dirt.source, f"{dirt.column} {dirt.reason}"): count}
                assert _bare(shop) == clean
            shop.show(dirt.source)
    before = shop.published()
    with tally(f"20% bad rows, {shop.task}", shop.dialect, len(chosen)) as survived:
        for dirt in chosen:
            with survived.point(dirt):
                count = -(-len(shop.tables[dirt.source]) // 4)
                _plant(shop, dirt, count)
                error = shop.night(2, code=4)["error"]["message"]
                assert f"source {dirt.source!r}, column {dirt.column!r}" in error and dirt.reason in error, error
                failed = next(run for run in runs.latest(shop.results, shop.task) if run.state == "failed")
                assert failed.exit_code == 4
                assert _quarantined(shop, failed.run_id) == {(dirt.source, f"{dirt.column} {dirt.reason}"): count}
                assert shop.published() == before
            shop.show(dirt.source)


def _dirt(shop: ChangingShop, source: str) -> Iterator[Dirt]:
    """All that the contract of a source calls dirt, column by column."""
    if len(shop.tables[source]) < LEAST_ROWS:
        return
    for name in shop.columns[source]:
        column = SOURCES[source].column(name) or Column(name, Kind.ANY, required=False)
        if column.required:
            yield Dirt(source, name, "null", "is missing")
        if column.minimum is not None:
            yield Dirt(source, name, f"'{column.minimum - 1:g}'", f"is below {column.minimum:g}")
        if column.maximum is not None:
            yield Dirt(source, name, f"'{column.maximum + 1:g}'", f"is above {column.maximum:g}")
        if column.choices:
            yield Dirt(source, name, "'looked'", f"is none of {', '.join(column.choices)}")
        if column.kind is Kind.NUMBER:
            for value in ("12,50", "1e309", "-inf", "0x1F", "٣"):
                yield Dirt(source, name, f"'{value}'", "is not a finite number")
        if column.kind is Kind.TIMESTAMP:
            for value in ("31.12.2022 10:00", "2023-02-30 10:00", "10:00", "1672531200000"):
                yield Dirt(source, name, f"'{value}'", "is not a time (ISO 8601)")
        if column.kind is Kind.DATE:
            yield Dirt(source, name, "'2023-02-30'", "is not a date (YYYY-MM-DD)")
        if column.kind in (Kind.TIMESTAMP, Kind.DATE) and not column.future:
            yield Dirt(source, name, "'2100-01-01 00:00:00'", "lies in the future")
        if column.kind is Kind.FLAG:
            yield Dirt(source, name, "'perhaps'", "is not a flag (0, 1, true, false, t, f)")
    if SOURCES[source].key:
        key = [*SOURCES[source].key, *(["known_at"] if "known_at" in shop.columns[source] else [])]
        first = key[0]
        yield Dirt(
            source, first, shop.columns[source][first].value, f"repeats the key ({', '.join(key)}) of a later row"
        )


def _plant(shop: ChangingShop, dirt: Dirt, count: int) -> None:
    """Adds so many bad rows to the source, whose columns are text, so that they hold anything."""
    shown = _written(shop, dirt.source)
    shop.show(dirt.source, shown)
    shop.add(dirt.source, count, {dirt.column: dirt.value if "repeats" not in dirt.reason else _text(dirt)}, shown)


def _text(dirt: Dirt) -> str:
    return f"cast({dirt.value} as text)"


def _written(shop: ChangingShop, source: str) -> Mapping[str, Shown]:
    """The columns of a source as text, those apart whose type the data decide."""
    written = {}
    for name, shown in shop.columns[source].items():
        column = SOURCES[source].column(name)
        if column is not None and column.kind is not Kind.ANY:
            text = "TEXT" if shop.dialect == "sqlite" else "text"
            written[name] = replace(shown, type=text, value=f"cast({shown.value} as text)")
    return written


def _quarantined(shop: ChangingShop, run_id: str) -> dict[tuple[str, str], int]:
    """How many rows of a run are in quarantine, by source and reason."""
    counted = sa.select(QUARANTINE.c.source, QUARANTINE.c.reason, sa.func.count()).where(QUARANTINE.c.run_id == run_id)
    with shop.results.reading() as connection:
        grouped = connection.execute(counted.group_by(QUARANTINE.c.source, QUARANTINE.c.reason))
        return {(source, reason): count for source, reason, count in grouped}


def _bare(shop: ChangingShop) -> dict[str, list[tuple]]:
    """What is published, without the run's id."""
    return {view: [row[1:] for row in rows] for view, rows in shop.published().items()}
