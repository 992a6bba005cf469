"""The status as metrics of Prometheus, and the textfile that node_exporter reads; `metrics_port` serves them.

Names follow https://prometheus.io/docs/practices/naming/: base units (seconds since 1970 for instants), no `_total`,
for nothing here is a counter. A figure that is not known has no sample.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from db.runs import Run
from forecasting import __version__
from forecasting.app.status import Status, status
from forecasting.app.workspace import Workspace
from forecasting.schema import ConfigurationError

Sample = tuple[Sequence[str], float | None]


def families(found: Status | None) -> Iterator[Metric]:
    """All metrics of a status; of None, which is one that could not be had, that it is not up."""
    yield _family("up", "1 where the warehouse could be asked.", (), [((), float(found is not None))])
    yield _family("build_info", "The version of the suite.", ("version",), [((__version__,), 1.0)])
    if found is not None:
        yield from _of_tasks(found)
        yield from _of_sources_and_tables(found)
        yield from _of_jobs(found)
        stale = [("task", one.task, bool(one.stale)) for one in found.tasks]
        stale += [("source", one.source, one.stale) for one in found.sources if one.state != "absent"]
        stale += [("job", one.job, bool(one.stale)) for one in found.jobs]
        yield _family(
            "stale",
            "1 where a task, source or job is late or broken, as `forecasting status` says.",
            ("kind", "name"),
            [((kind, name), float(late)) for kind, name, late in stale],
        )


def status_with_metrics(workspace: Workspace, file: str) -> Status:
    """The status, its metrics written into a file in one step, or to stdout ("-"). Where the warehouse cannot be asked
    the file says so before the error is raised. Raises ConfigurationError where the file cannot be written."""
    try:
        found = status(workspace)
    except Exception:
        _write(workspace, file, None)
        raise
    _write(workspace, file, found)
    return found


def registry(collector: Collector) -> CollectorRegistry:
    """A registry with nothing else in it: no figures of this process."""
    alone = CollectorRegistry(auto_describe=False)
    alone.register(collector)
    return alone


def _of_tasks(found: Status) -> Iterator[Metric]:
    tasks = found.tasks
    published = [(one.task, one.published) for one in tasks if one.published is not None]
    yield _by_task(
        "last_success_timestamp_seconds",
        "When a run of the task was last published.",
        [(task, _seconds(publication.published_at)) for task, publication in published],
    )
    yield _by_task(
        "published_as_of_timestamp_seconds",
        "The cutoff of what is published.",
        [(task, _seconds(publication.as_of)) for task, publication in published],
    )
    yield _by_task(
        "published_fallback",
        "1 where what is published is not the model's, because the gate failed.",
        [(one.task, float(bool(one.run.fallback))) for one in tasks if one.run is not None],
    )
    yield _by_task(
        "last_run_failed",
        "1 where the last run came to nothing.",
        [(one.task, float(one.last_run.state in ("failed", "abandoned"))) for one in tasks if one.last_run],
    )
    yield _by_task(
        "run_duration_seconds",
        "How long the last run took that ended.",
        [(one.task, _duration(one.last_run) or _duration(one.run)) for one in tasks],
    )
    yield _by_task(
        "champion_trained_until_timestamp_seconds",
        "Up to when the champion knows.",
        [(one.task, _seconds(one.champion.trained_until)) for one in tasks if one.champion],
    )
    yield _by_task(
        "task_next_slot_timestamp_seconds",
        "When a job of the task is due next.",
        [(one.task, _seconds(one.next_slot)) for one in tasks],
    )
    yield _family(
        "gate_loss",
        "The gate metric over all test periods, smaller is better.",
        ("task", "subject"),
        [((one.task, subject), loss) for one in tasks if one.gate for subject, loss in one.gate.figures.items()],
    )
    yield _family(
        "quarantined_rows",
        "Bad rows that the last run set aside.",
        ("task", "source"),
        [
            ((one.task, source.source), float(one.quarantined.get(source.source, 0)))
            for one in tasks
            if one.last_run
            for source in found.sources
            if one.task in source.tasks or source.source in one.quarantined
        ],
    )
    running = [claim.task for claim in found.claims if claim.alive]
    names = dict.fromkeys([*(one.task for one in tasks), *running])
    yield _by_task(
        "claims_running", "Slots that somebody is at work on.", [(name, float(running.count(name))) for name in names]
    )


def _of_sources_and_tables(found: Status) -> Iterator[Metric]:
    yield _family(
        "rows",
        "Rows of a table that are published.",
        ("task", "table"),
        [((one.task, one.table), one.rows) for one in found.tables],
    )
    yield _family(
        "source_newest_timestamp_seconds",
        "The time of a source's newest row.",
        ("source",),
        [((one.source,), _seconds(one.newest)) for one in found.sources],
    )


def _of_jobs(found: Status) -> Iterator[Metric]:
    last = [(one.job, one.last) for one in found.jobs if one.last is not None]
    yield _family(
        "job_next_slot_timestamp_seconds",
        "When the job is due next.",
        ("job",),
        [((one.job,), _seconds(one.next_slot)) for one in found.jobs],
    )
    yield _family(
        "job_last_slot_timestamp_seconds",
        "The newest slot that was run or passed over.",
        ("job",),
        [((job,), _seconds(row.slot)) for job, row in last],
    )
    yield _family(
        "job_last_exit_code",
        "Exit code of the last attempt at that slot.",
        ("job",),
        [((job,), row.exit_code) for job, row in last],
    )
    yield _family(
        "alert_deliveries_pending",
        "Alerts that wait for a channel.",
        ("channel",),
        [((one.channel,), float(one.pending)) for one in found.backlog],
    )
    yield _family(
        "alert_deliveries_given_up",
        "Alerts that a channel did not take.",
        ("channel",),
        [((one.channel,), float(one.given_up)) for one in found.backlog],
    )


def _by_task(name: str, means: str, samples: Iterable[tuple[str, float | None]]) -> Metric:
    return _family(name, means, ("task",), [((task,), value) for task, value in samples])


def _family(name: str, means: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    """One gauge; samples without a value are left out."""
    family = GaugeMetricFamily(f"forecasting_{name}", means, labels=labels)
    for values, value in samples:
        if value is not None:
            family.add_metric([str(one) for one in values], float(value))
    return family


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()


def _duration(run: Run | None) -> float | None:
    return None if run is None or run.finished_at is None else (run.finished_at - run.started_at).total_seconds()


class Known(Collector):
    """The metrics of a status that is known already."""

    def __init__(self, found: Status | None):
        self._found = found

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        return list(families(self._found))


def _write(workspace: Workspace, file: str, found: Status | None) -> None:
    text = generate_latest(registry(Known(found)))
    if file == "-":
        workspace.console.raw(text.decode())
        return
    path = Path(file)
    aside = path.with_name(f".{path.name}.{os.getpid()}")  # no .prom: the collector passes it over
    try:
        aside.write_bytes(text)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from None
