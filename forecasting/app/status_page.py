"""The status as a person reads it: tables and lines, what is wrong in red, what to know in yellow; the words say it
too."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from db.models import ModelRecord
from db.outbox import Backlog
from forecasting.app.console import Coloured, Console
from forecasting.app.freshness import SourceFreshness
from forecasting.app.job_watch import JobStatus
from forecasting.app.status import Status, TaskStatus

GOOD, BAD, ODD = "green", "red", "yellow"

_UNFINISHED = ("failed", "abandoned")


def show_status(found: Status, console: Console) -> None:
    """The whole page on stdout."""
    console.say(f"Warehouse {found.warehouse}")
    console.say()
    console.table(
        ["task", "state", "published as of", "by", "last slot", "last run", "next slot", "champion", "gate"],
        [_task(task, found.moment) for task in found.tasks],
    )
    _section(
        console,
        ["table", "task", "rows", "as of", "age"],
        [
            [t.table, t.task, t.rows, t.as_of, Coloured(_age(t.age_hours), BAD if t.stale else GOOD)]
            for t in found.tables
        ],
    )
    there = [source for source in found.sources if source.state != "absent"]
    _section(
        console,
        ["source", "state", "newest (UTC)", "age", "for", "where"],
        [_source(source) for source in there],
    )
    if absent := [source.source for source in found.sources if source.state == "absent"]:
        console.say(f"Not there: {', '.join(absent)}")
    _section(
        console,
        ["job", "does", "last slot", "outcome", "attempt", "next slot"],
        [_job(job) for job in found.jobs],
    )
    _section(
        console,
        ["at work on", "slot", "who", "since", "lease until", ""],
        [
            [c.task, c.slot, c.owner, c.since, c.lease_until, Coloured(*("alive", GOOD) if c.alive else ("dead", ODD))]
            for c in found.claims
        ],
    )
    lines = list(_lines(found))
    if lines:
        console.say()
    for text, style in lines:
        console.say(text, style=style)


def _section(console: Console, columns: list[str], rows: list[list[Any]]) -> None:
    if rows:
        console.say()
        console.table(columns, rows)


def _task(task: TaskStatus, moment: dt.datetime) -> list[Any]:
    run, last = task.run, task.last_run
    by: Any = None
    if run is not None:
        by = Coloured(f"{run.subject} (fallback)", ODD) if run.fallback else run.subject
    return [
        task.task,
        Coloured("STALE", BAD) if task.stale else Coloured("fresh", GOOD) if task.published else None,
        task.published.as_of if task.published else None,
        by,
        last.slot if last else None,
        Coloured(last.state, BAD) if last and last.state in _UNFINISHED else last.state if last else None,
        task.next_slot,
        _champion(task.champion, moment) if task.champion else None,
        _gate(task),
    ]


def _champion(champion: ModelRecord, moment: dt.datetime) -> str:
    """Which it is, how old, until when it was trained, and whether in full or from where an earlier one stood."""
    days = max(0, (moment - champion.created_at).days)
    how = "warm" if champion.warm_from else "full"
    name = champion.encoder or champion.model_id
    return f"{name}, {how}, {days} day{'' if days == 1 else 's'} old, knows until {champion.trained_until:%Y-%m-%d}"


def _gate(task: TaskStatus) -> str | None:
    gate = task.gate
    if gate is None:
        return None
    model, rival = gate.figures.get("model"), gate.best_rival
    text = f"{gate.metric} {model:.4g}" if model is not None else gate.metric
    return f"{text}, {rival.removeprefix('baseline:')} {gate.figures[rival]:.4g}" if rival else text


def _source(source: SourceFreshness) -> list[Any]:
    colours = {"fresh": GOOD, "stale": BAD, "broken": BAD, "unknown": ODD, "empty": ODD}
    state = source.state.upper() if source.stale else source.state
    return [
        source.source,
        Coloured(state, colours.get(source.state, "")),
        source.newest,
        _age(source.age_hours),
        ", ".join(source.tasks),
        source.place or None,
    ]


def _job(job: JobStatus) -> list[Any]:
    last = job.last
    style = BAD if job.stale else ODD if job.failing else GOOD if last and last.state == "done" else ""
    outcome = None
    if last is not None:
        code = f" (exit code {last.exit_code})" if last.exit_code else ""
        outcome = Coloured(f"{last.state}{code}", style)
    return [job.job, job.does, last.slot if last else None, outcome, last.attempt if last else None, job.next_slot]


def _lines(found: Status) -> Iterator[tuple[str, str]]:
    """What somebody should read, in sentences, and its colour."""
    for task in found.tasks:
        if task.stale:
            yield f"STALE {task.task}: {task.stale}.", BAD
        if task.last_run is not None and task.last_run.state in _UNFINISHED:
            yield f"{task.task}: the last run {task.last_run.state}: {task.last_run.error}", BAD
        if task.quarantined:
            counts = ", ".join(f"{rows:,} of {source}" for source, rows in sorted(task.quarantined.items()))
            yield f"{task.task}: the last run set bad rows aside: {counts}", ODD
    for source in found.sources:
        if source.why:
            word = source.state.upper() if source.stale else source.state
            yield (
                f"{word} source {source.source}: {source.why}{'' if source.why.endswith('.') else '.'}",
                (BAD if source.stale else ODD),
            )
    for job in found.jobs:
        if job.stale:
            yield f"STALE job {job.job}: {job.stale}.", BAD
        elif job.more_tries and job.last is not None:
            yield (
                f"job {job.job}: attempt {job.last.attempt} {job.last.state}, it is tried again: {job.last.error}",
                ODD,
            )
        if job.waits_for:
            yield f"job {job.job} waits for {job.waits_for}", ODD
    for claim in found.claims:
        if not claim.alive:
            yield f"{claim.task}: {claim.owner} is gone; whoever comes next takes the slot over", ODD
    for channel in found.backlog:
        yield _waiting(channel), ODD
    for problem in found.problems:
        yield problem, ODD


def _waiting(channel: Backlog) -> str:
    """A channel that is behind, in a line."""
    since = f" since {channel.oldest:%Y-%m-%d %H:%M} UTC" if channel.oldest else ""
    counts = [f"{channel.pending:,} waiting{since}"] * bool(channel.pending)
    counts += [f"{channel.given_up:,} given up"] * bool(channel.given_up)
    return f"alerts through {channel.channel}: {', '.join(counts)}" + (
        f" ({channel.last_error})" if channel.last_error else ""
    )


def _age(hours: float | None) -> str | None:
    if hours is None:
        return None
    return f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:,.0f} days"
