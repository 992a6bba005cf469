"""kill -9 while alerts are delivered: every alert arrives, and what arrives twice carries the same key.

`make faults` kills at twenty points on each database, a hundred alerts for each. A kill comes when a chosen number of
requests has arrived, wherever the sender then is: sending, marking, taking the next.
"""

from __future__ import annotations

import csv
import json
import random
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator

import pytest
from program import Program
from receivers import SECRET, Receiver, Reply, receiving
from tally import points, tally
from watched_customers import Nights, create

from db import outbox
from db.engines import Warehouse
from db.outbox import ChannelInterest
from forecasting.app import config
from forecasting.app.console import Console
from forecasting.app.delivering import deliver
from forecasting.app.workspace import Workspace
from forecasting.schema import ExitCode

POINTS = points(full=20, share=1)
ALERTS = 100 * POINTS

CHANNELS = """
[alerts.crm]
kind = "webhook"
url_env = "CRM_URL"
secret_env = "CRM_SECRET"
timeout_seconds = 60

[alerts.drop]
kind = "csv"
directory = "drop"
"""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as one:
        monkeypatch.setenv("CRM_URL", one.url)
        monkeypatch.setenv("CRM_SECRET", SECRET)
        yield one


def test_no_kill_loses_an_alert_or_sends_it_under_two_keys(
    program: Program, warehouse: Warehouse, receiver: Receiver
) -> None:
    file = program.directory / "forecasting.toml"
    file.write_text(CHANNELS)
    alerts = _raised(warehouse, ALERTS)
    dice = random.Random(7)
    for _ in range(POINTS):
        until = len(receiver.requests) + dice.randint(1, ALERTS // POINTS)
        _kill_after(program.start("alerts", "deliver"), receiver, until)
    workspace = Workspace(config.load(file, warehouse=program.url), Console())
    report = deliver(workspace)
    assert report.exit_code is ExitCode.DONE and not report.orphans
    assert deliver(workspace).document["delivered"] == 0
    workspace.close()
    assert outbox.pending(warehouse) == {}
    assert set(Nights(warehouse).alerts("state")) == {"delivered"}

    keys = defaultdict(set)
    for request in receiver.requests:
        keys[json.loads(request.body)["data"]["alert_id"]].add(request.headers["webhook-id"])
    with tally(f"kill -9 of alerts deliver at {POINTS} points, alerts", warehouse.dialect, ALERTS) as survived:
        for alert in alerts:
            with survived.point(alert):
                assert len(keys.get(alert, ())) == 1, "each arrived at least once, and always under the same key"
    assert set(keys) == alerts
    assert len({key for of_alert in keys.values() for key in of_alert}) == ALERTS
    (dropped,) = (program.directory / "drop").glob("*.csv")
    with dropped.open(newline="", encoding="utf-8") as rows:
        assert sorted(row["alert_id"] for row in csv.DictReader(rows)) == sorted(alerts)


def test_sigterm_ends_it_within_seconds_though_a_receiver_hangs(
    program: Program, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves nothing behind that the next call would have to wait for."""
    (program.directory / "forecasting.toml").write_text(CHANNELS)
    _raised(warehouse, 100)
    with receiving(Reply(how="hang")) as hangs:
        monkeypatch.setenv("CRM_URL", hangs.url)
        monkeypatch.setenv("CRM_SECRET", SECRET)
        process = program.start("alerts", "deliver", "--channel", "crm")
        while not hangs.requests:
            time.sleep(0.005)
            assert process.poll() is None
        began = time.monotonic()
        process.terminate()
        _, stderr = process.communicate(timeout=10)
    assert time.monotonic() - began < 5
    assert (process.returncode, stderr.strip()) == (1, "error: Interrupted. What was published before still stands.")
    with receiving() as receiver:
        monkeypatch.setenv("CRM_URL", receiver.url)
        workspace = Workspace(config.load(program.directory / "forecasting.toml", warehouse=program.url), Console())
        assert deliver(workspace, channel="crm").document["delivered"] == 100
        workspace.close()
        assert len(receiver.keys) == 100


def _raised(warehouse: Warehouse, count: int) -> set[str]:
    """One night that raises every alert; their ids."""
    create(warehouse)
    nights = Nights(warehouse, channels=[ChannelInterest("crm"), ChannelInterest("drop")])
    nights.publish(0, {f"customer {number}": "high" for number in range(count)})
    return set(nights.alerts("alert_id"))


def _kill_after(process: subprocess.Popen[str], receiver: Receiver, requests: int) -> None:
    while len(receiver.requests) < requests and process.poll() is None:
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
