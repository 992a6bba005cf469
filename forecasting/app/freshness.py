"""How fresh is what goes in and what comes out: the sources that tasks read, and the tables that they publish."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, replace
from typing import Literal

import sqlalchemy as sa

from db.engines import Warehouse
from db.extract import locate
from db.freshness import TooSlow, count, newest
from db.mapping import ResolvedSource
from db.outputs import output_table
from db.publishing import Publication
from forecasting.app.channels.loose_threads import LooseThreads
from forecasting.app.workspace import Workspace, source_names
from forecasting.schema import ForecastingError, SourceNeed

SECONDS = 3.0
"""How long all sources together, asked side by side, may take to answer, and all tables after them."""

KNOWN_AHEAD = ("calendar",)
"""Sources that hold the future: that nothing was added says nothing."""

State = Literal["fresh", "stale", "static", "absent", "empty", "unknown", "broken"]


@dataclass(frozen=True)
class SourceFreshness:
    """One source. `tasks`: the configured ones that name it. `place`: where it stands. `newest`: the time of its newest
    row that is not known ahead; `age_hours` since the end of what that row covers, for a day the day's end. Aware, UTC.

    `state`: stale where that is more than `limit_hours`; static for what has no time or lies ahead; absent and empty
    (no task runs on it); unknown where the answer took too long; broken where it cannot be read: `why` says what the
    database said."""

    source: str
    tasks: tuple[str, ...]
    state: State
    limit_hours: float
    place: str = ""
    newest: dt.datetime | None = None
    age_hours: float | None = None
    why: str = ""

    @property
    def stale(self) -> bool:
        """Whether somebody should look: it is old, or cannot be read at all."""
        return self.state in ("stale", "broken")


@dataclass(frozen=True)
class TableFreshness:
    """What one published table shows of one task. `rows`: None where counting took too long. `age_hours` since `as_of`
    (aware, UTC). `stale`: the task's."""

    table: str
    view: str
    task: str
    rows: int | None
    as_of: dt.datetime
    published_at: dt.datetime
    age_hours: float
    stale: bool


def sources(
    workspace: Workspace, results: Warehouse | None, tasks: Sequence[str], moment: dt.datetime, seconds: float
) -> tuple[tuple[SourceFreshness, ...], tuple[str, ...]]:
    """The sources that these tasks name, and what keeps a task from naming any, in sentences.

    `results`: None where the results warehouse was never made, so that only what is mapped elsewhere is there. Each
    source is asked in a thread of its own; what does not answer within `seconds` is left behind."""
    by_task, problems = _needs(workspace, tasks)
    asked = {need.source: _asking(workspace, results, need, moment, seconds) for need in _merged(by_task).values()}
    ends = time.monotonic() + seconds + 0.5  # the database stops by itself a little earlier
    found = [_answer(workspace, name, future, max(0.0, ends - time.monotonic())) for name, future in asked.items()]
    there = {one.source for one in found if one.state not in ("absent", "empty")}
    readers = {
        one.source: tuple(t for t, needs in by_task.items() if _reads(needs, one.source, there)) for one in found
    }
    kept = [replace(one, tasks=readers[one.source]) for one in found if readers[one.source]]
    return tuple(kept), tuple(problems)


def tables(
    workspace: Workspace,
    results: Warehouse,
    published: Mapping[str, Publication],
    stale: Mapping[str, bool],
    moment: dt.datetime,
    seconds: float,
) -> tuple[TableFreshness, ...]:
    """The tables of every published task whose type is installed. `stale`: by task."""
    ends, found = time.monotonic() + seconds, []
    for task, publication in published.items():
        try:
            outputs = workspace.task_class(task).spec.outputs
        except ForecastingError:  # published by a task that is no longer configured or installed
            continue
        for output in outputs:
            table = output_table(output)
            statement = sa.select(sa.func.count()).select_from(table).where(table.c.run_id == publication.run_id)
            left = ends - time.monotonic()
            found.append(
                TableFreshness(
                    output.name,
                    output.view,
                    task,
                    count(results, statement, left) if left > 0 else None,
                    publication.as_of,
                    publication.published_at,
                    _hours(moment - publication.as_of),
                    stale.get(task, False),
                )
            )
    return tuple(found)


def _needs(workspace: Workspace, tasks: Sequence[str]) -> tuple[dict[str, Sequence[SourceNeed]], list[str]]:
    """What each task reads, and the problems of those whose options do not say."""
    needs: dict[str, Sequence[SourceNeed]] = {}
    problems = []
    for task in tasks:
        try:
            needs[task] = workspace.task(task).needs()
        except ForecastingError as error:
            problems.append(f"task {task}: {error}")
    return needs, problems


def _merged(by_task: Mapping[str, Sequence[SourceNeed]]) -> dict[str, SourceNeed]:
    """Each source once, with every extra column that a task asks of it."""
    extra: dict[str, dict[str, None]] = {}
    for needs in by_task.values():
        for name in source_names(needs):
            extra.setdefault(name, {})
        for need in needs:
            extra[need.source].update(dict.fromkeys(need.extra))
    return {name: SourceNeed(name, tuple(columns)) for name, columns in extra.items()}


def _reads(needs: Sequence[SourceNeed], source: str, there: set[str]) -> bool:
    """Whether a task does read the source as things stand: not what only stands in for one that is there, nor what
    says nothing without one that is not."""
    return any(
        (need.source == source and (not need.only_with or need.only_with in there))
        or (source in need.instead and need.source not in there)
        for need in needs
    )


def _asking(
    workspace: Workspace, results: Warehouse | None, need: SourceNeed, moment: dt.datetime, seconds: float
) -> Future[SourceFreshness | None]:
    """A source being asked, in a thread of its own; its warehouse is opened, not yet reached, in this one."""
    try:
        mappings = workspace.mappings([need.source])
        elsewhere = workspace.source_warehouses([need.source])
    except ForecastingError as error:
        failed: Future[SourceFreshness | None] = Future()
        failed.set_exception(error)
        return failed
    base = results if results is not None else next(iter(elsewhere.values()), None)
    limit = dt.timedelta(hours=_limit(workspace, need.source))

    def ask() -> SourceFreshness | None:
        resolved = None if base is None else locate(need, base, elsewhere, mappings)
        return None if resolved is None else _asked(resolved, moment, seconds, limit)

    return LooseThreads().submit(ask)


def _asked(resolved: ResolvedSource, moment: dt.datetime, seconds: float, limit: dt.timedelta) -> SourceFreshness:
    """What a source that is there says of itself; which tasks read it is not known yet."""
    name, place = resolved.source.name, resolved.place
    if resolved.source.clock is None or name in KNOWN_AHEAD:
        return SourceFreshness(name, (), "static", _hours(limit), place)
    last = newest(resolved, moment, seconds, patience=limit)
    if last is None:
        return SourceFreshness(name, (), "empty", _hours(limit), place)
    age = max(moment - last.until, dt.timedelta())
    state: State = "stale" if age > limit else "fresh"
    why = f"nothing is newer than {last.at:%Y-%m-%d %H:%M} UTC" if state == "stale" else ""
    return SourceFreshness(name, (), state, _hours(limit), place, last.at, _hours(age), why)


def _answer(workspace: Workspace, name: str, future: Future[SourceFreshness | None], seconds: float) -> SourceFreshness:
    """What came of asking."""
    limit = _limit(workspace, name)
    try:
        found = future.result(seconds)
    except (TooSlow, Late):
        return SourceFreshness(name, (), "unknown", limit, why="the database had no answer in time")
    except ForecastingError as error:
        return SourceFreshness(name, (), "broken", limit, why=str(error))
    return found or SourceFreshness(name, (), "absent", limit)


def _limit(workspace: Workspace, source: str) -> float:
    """Hours after which it is stale."""
    config, settings = workspace.configuration.sources.get(source), workspace.configuration.settings
    own = config.stale_after_hours if config else None
    return settings.source_stale_after_hours if own is None else own


def _hours(age: dt.timedelta) -> float:
    return round(age.total_seconds() / 3600, 3)
