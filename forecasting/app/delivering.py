"""Takes alerts from the outbox to where the configuration sends them: at least once, and under the same key each time.

Deliveries are taken a few at a time under a lease, sent, and marked. A crash between sending and marking leaves them
to the next to come, who sends them again. What a receiver does not take is tried again after a pause that grows; one
that does not answer at all is left alone until the next call, and keeps no other channel from its alerts.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db import outbox
from db.engines import Warehouse
from db.outbox import ChannelInterest, Delivery
from forecasting.app.channels.channel import Answer, Channel, in_a_line
from forecasting.app.channels.opening import open_channel
from forecasting.app.config import Configuration
from forecasting.app.migrating import is_new
from forecasting.app.validation import did_you_mean
from forecasting.app.workspace import Workspace
from forecasting.schema import ConfigurationError, ExitCode, ForecastingError

if TYPE_CHECKING:
    from forecasting.pipeline import Progress

SHORTEST_PAUSE, LONGEST_PAUSE = 30.0, 6 * 3600.0
"""Seconds between two attempts."""

LEASE_MARGIN = 60.0
"""Seconds of a lease beyond the channel's patience: for marking, and for a machine that is busy."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChannelReport:
    """What one call did for a channel. `failed`: deliveries that will be tried again, `given_up`: those that will not.
    `waiting`: pending after it, failed ones included. `error`: of its last failure, empty where there was none."""

    channel: str
    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    waiting: int = 0
    error: str = ""

    @property
    def line(self) -> str:
        """The same for a person."""
        counts = [f"{self.delivered:,} delivered"]
        counts += [f"{self.failed:,} failed and tried again later"] * bool(self.failed)
        counts += [f"{self.given_up:,} given up"] * bool(self.given_up)
        counts += [f"{self.waiting:,} waiting"] * bool(self.waiting)
        return f"alerts through {self.channel}: {', '.join(counts)}" + (f" ({self.error})" if self.error else "")


@dataclass(frozen=True)
class DeliveryReport:
    """What one call did. `orphans`: how many deliveries wait for channels that are not configured, by their names."""

    channels: tuple[ChannelReport, ...] = ()
    orphans: tuple[tuple[str, int], ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """1 where something failed or was given up."""
        wrong = any(one.error or one.failed or one.given_up for one in self.channels)
        return ExitCode.ERROR if wrong else ExitCode.DONE

    @property
    def lines(self) -> list[str]:
        """The same for a person: a line for each channel that had something to do, and what nobody sends."""
        lines = [one.line for one in self.channels if one.delivered or one.failed or one.given_up or one.error]
        return lines + [
            f"{count:,} deliveries wait for {name}, which is no channel of the configuration: configure it again, or "
            f"give them up with `forecasting alerts prune --channel {name}`"
            for name, count in self.orphans
        ]

    @property
    def document(self) -> dict[str, Any]:
        """The same for a program."""
        totals = {key: sum(getattr(one, key) for one in self.channels) for key in ("delivered", "failed", "given_up")}
        orphans = [{"channel": name, "waiting": count} for name, count in self.orphans]
        return {**totals, "channels": [vars(one) for one in self.channels], "orphans": orphans}


def interests(configuration: Configuration, task: str) -> tuple[ChannelInterest, ...]:
    """The channels that carry a configured task's alerts, and the events that each of them wants."""
    return tuple(
        ChannelInterest(name, config.events)
        for name, config in configuration.alerts.items()
        if config.task in (None, task)
    )


def deliver(
    workspace: Workspace,
    *,
    channel: str | None = None,
    given_up: bool = False,
    worker: str | None = None,
    progress: Progress = lambda what, done, total: None,
) -> DeliveryReport:
    """Sends what is due, through every configured channel or through one; what stands in the way is in the report.

    `given_up`: what was given up is tried again as well. `worker`: the holder of the leases, this process by default.
    Raises ConfigurationError for a channel that is not configured.
    """
    configured = workspace.configuration.alerts
    if channel is not None and channel not in configured:
        raise ConfigurationError(
            f"There is no channel {channel!r}.",
            remedy=did_you_mean(channel, configured) or f"Add [alerts.{channel}] to {workspace.configuration.label}.",
        )
    if not configured and is_new(workspace, workspace.results(prepare=False)):
        return DeliveryReport()
    warehouse = workspace.results()
    names = [channel] if channel is not None else list(configured)
    for name in names if given_up else ():
        outbox.revive(warehouse, name)
    reports = [_work_off(workspace, warehouse, name, worker, progress) for name in names]
    backlog = outbox.pending(warehouse)
    orphans = tuple((name, one.pending) for name, one in backlog.items() if name not in configured and one.pending)
    return DeliveryReport(tuple(reports), orphans)


def deliver_after_runs(workspace: Workspace) -> DeliveryReport:
    """The same at the end of a run, whose rows are published whatever happens here: a failure is a warning."""
    if not workspace.configuration.alerts:
        return DeliveryReport()
    try:
        with workspace.console.progress() as progress:
            report = deliver(workspace, progress=progress)
    except Exception as error:
        problem = (
            error if isinstance(error, ForecastingError) else workspace.console.unexpected(error, "alerts deliver")
        )
        log.warning("Alerts could not be delivered: %s", problem)
        return DeliveryReport()
    if report.exit_code is not ExitCode.DONE:
        log.warning("Not all alerts arrived; `forecasting alerts deliver` tries again what is due.")
    return report


def pause(attempts: int, dice: random.Random | None = None) -> float:
    """Seconds until the next attempt after so many that failed: somewhere between the shortest pause and one that
    doubles each time, so that not all deliveries come back at once (exponential backoff with full jitter; M.
    Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015)."""
    longest = min(SHORTEST_PAUSE * 2.0 ** min(attempts, 30), LONGEST_PAUSE)
    return (dice or random).uniform(SHORTEST_PAUSE, longest)


def _work_off(
    workspace: Workspace, warehouse: Warehouse, name: str, worker: str | None, progress: Progress
) -> ChannelReport:
    """One channel: everything that is due, until nothing is or nobody answers."""
    tally, before = _Tally(), outbox.pending(warehouse).get(name)
    total = before.pending if before else 0
    try:
        channel = open_channel(workspace, name)
        try:
            while batch := outbox.take(warehouse, name, worker, channel.batch, channel.patience + LEASE_MARGIN):
                answers = _send(workspace, name, channel, batch)
                _mark(workspace, warehouse, name, batch, answers, tally)
                progress(f"alerts through {name}", min(tally.tried, total), total)
                if any(answer.state == "untried" for answer in answers):
                    break
        finally:
            channel.close()
    except ForecastingError as problem:
        tally.error = workspace.console.scrubber.scrub(str(problem))
    backlog = outbox.pending(warehouse).get(name)
    waiting = backlog.pending if backlog else 0
    return ChannelReport(name, tally.delivered, tally.failed, tally.given_up, waiting, tally.error)


@dataclass
class _Tally:
    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    error: str = ""

    @property
    def tried(self) -> int:
        """How many deliveries came to an end of some kind."""
        return self.delivered + self.failed + self.given_up


def _send(workspace: Workspace, name: str, channel: Channel, batch: Sequence[Delivery]) -> list[Answer]:
    """The channel's answers; a failure that its author did not foresee counts as one of each delivery."""
    try:
        return channel.send(batch)
    except Exception as error:
        log.warning("Channel %s failed in a way that it should not: %s", name, in_a_line(error), exc_info=error)
        return [Answer("failed", f"{type(error).__name__}: {in_a_line(error)}")] * len(batch)


def _mark(
    workspace: Workspace,
    warehouse: Warehouse,
    name: str,
    batch: Sequence[Delivery],
    answers: Sequence[Answer],
    tally: _Tally,
) -> None:
    """Writes down what came of a batch. Those that failed alike come back together: digests stay whole."""
    config = workspace.configuration.alerts[name]
    arrived, untried = [], []
    lost: dict[str, list[Delivery]] = {}
    again: dict[tuple[str, float | None, int, str], list[Delivery]] = {}
    for delivery, answer in zip(batch, answers, strict=True):
        error = workspace.console.scrubber.scrub(answer.error)
        if answer.state == "delivered":
            arrived.append(delivery)
        elif answer.state == "untried":
            untried.append(delivery)
        elif answer.state == "refused" or delivery.attempts + 1 >= config.max_attempts:
            lost.setdefault(error, []).append(delivery)
        else:
            again.setdefault((error, answer.retry_after, delivery.attempts, delivery.run_id), []).append(delivery)
    if arrived:
        outbox.delivered(warehouse, arrived)
    if untried:
        outbox.give_back(warehouse, untried)
    for error, deliveries in lost.items():
        outbox.failed(warehouse, deliveries, error, None)
        log.warning("Channel %s: %d deliveries are given up: %s", name, len(deliveries), error)
    for (error, least, attempts, _), deliveries in again.items():
        outbox.failed(warehouse, deliveries, error, max(pause(attempts + 1), least or 0.0))
    tally.delivered += len(arrived)
    tally.given_up += sum(map(len, lost.values()))
    tally.failed += sum(map(len, again.values()))
    tally.error = next((error for error in (*lost, *(key[0] for key in again))), tally.error)
