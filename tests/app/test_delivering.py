"""From the outbox to receivers: what is tried again, when, and what is given up; one channel never stops another."""

from __future__ import annotations

import csv
import logging
import random
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from documents import document
from receivers import SECRET, Receiver, Reply, Request, at_most, receiving
from watched_customers import Nights, create

from db import clock, migrate, outbox
from db.engines import Warehouse, open_warehouse
from db.tables import ALERT_DELIVERIES
from forecasting.app import config
from forecasting.app.console import Console
from forecasting.app.delivering import (
    LONGEST_PAUSE,
    SHORTEST_PAUSE,
    deliver,
    deliver_after_runs,
    interests,
    pause,
)
from forecasting.app.main import cli
from forecasting.app.workspace import Workspace
from forecasting.schema import ConfigurationError, ExitCode

WEBHOOK = '[alerts.{name}]\nkind = "webhook"\nurl_env = "HOOK_{name}"\nsecret_env = "SIGNING"\ntimeout_seconds = 1.5\n'


class House:
    """A warehouse with a task that warns, and channels beside it."""

    def __init__(self, warehouse: Warehouse, url: str, directory: Path):
        self.warehouse, self.url, self.directory = warehouse, url, directory
        self.text, self.environment = "", {"SIGNING": SECRET}
        create(warehouse)

    def webhook(self, name: str, receiver: Receiver, more: str = "") -> None:
        """Adds a channel to the configuration."""
        self.text += WEBHOOK.format(name=name) + more + "\n"
        self.environment[f"HOOK_{name}"] = receiver.url

    def workspace(self) -> Workspace:
        file = self.directory / "forecasting.toml"
        file.write_text(self.text, encoding="utf-8")
        found = config.load(file, warehouse=self.url, environment=self.environment)
        return Workspace(found, Console())

    def night(self, number: int, count: int, mood: str = "high") -> None:
        """Publishes so many customers in a mood: on the first night the worst raise alerts."""
        with_channels = interests(self.workspace().configuration, "sulking")
        Nights(self.warehouse, channels=with_channels).publish(number, {f"c{n}": mood for n in range(count)})

    def now_due(self) -> None:
        """Time passes."""
        with self.warehouse.writing() as connection:
            waiting = sa.update(ALERT_DELIVERIES).where(ALERT_DELIVERIES.c.state == "pending")
            connection.execute(waiting.values(next_attempt_at=clock.now(connection)))

    def states(self) -> list[tuple[str, str, int]]:
        """Channel, state and attempts of each delivery, sorted."""
        columns = (ALERT_DELIVERIES.c.channel, ALERT_DELIVERIES.c.state, ALERT_DELIVERIES.c.attempts)
        with self.warehouse.reading() as connection:
            return sorted(tuple(row) for row in connection.execute(sa.select(*columns)))


@pytest.fixture
def house(warehouse: Warehouse, warehouse_url: str, tmp_path: Path) -> Iterator[House]:
    yield House(warehouse, warehouse_url, tmp_path)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[House]:
    """The same on SQLite alone, where the database is not what is tried."""
    url = f"sqlite:///{tmp_path / 'warehouse.db'}"
    warehouse = open_warehouse(url)
    tasks = ("churn", "completion", "demand", "recommendation")
    migrate.upgrade(warehouse, [f"tasks.{task}.migrations" for task in tasks])
    yield House(warehouse, url, tmp_path)
    warehouse.close()


def test_every_alert_reaches_every_channel_once(house: House) -> None:
    with receiving() as one, receiving() as two:
        house.webhook("one", one)
        house.webhook("two", two)
        house.text += '[alerts.drop]\nkind = "csv"\ndirectory = "drop"\n'
        house.night(0, 40)
        report = deliver(house.workspace())
        assert report.exit_code is ExitCode.DONE
        assert [(one.channel, one.delivered, one.waiting) for one in report.channels] == [
            ("one", 40, 0),
            ("two", 40, 0),
            ("drop", 40, 0),
        ]
        assert deliver(house.workspace()).document["delivered"] == 0
    assert set(one.keys.values()) == {1} and len(one.keys) == 40 and len(two.keys) == 40
    (file,) = (house.directory / "drop").iterdir()
    with file.open(newline="", encoding="utf-8") as rows:
        assert len({row["shopper"] for row in csv.DictReader(rows)}) == 40
    assert {state for _, state, _ in house.states()} == {"delivered"}
    assert set(Nights(house.warehouse).alerts("state")) == {"delivered"}


def test_what_fails_comes_back_under_its_key_until_it_is_given_up(house: House) -> None:
    with receiving(Reply(500)) as receiver:
        house.webhook("crm", receiver, "max_attempts = 3")
        house.night(0, 2)
        for attempt in (1, 2):
            report = deliver(house.workspace())
            assert (report.document["failed"], report.exit_code) == (2, ExitCode.ERROR)
            assert "HTTP 500" in report.lines[0]
            assert house.states() == [("crm", "pending", attempt)] * 2
            assert deliver(house.workspace()).document["failed"] == 0, "it is not due yet"
            backlog = outbox.pending(house.warehouse)["crm"]
            with house.warehouse.reading() as connection:
                wait = (backlog.next_attempt_at - clock.now(connection)).total_seconds()
            assert SHORTEST_PAUSE - 10 < wait <= SHORTEST_PAUSE * 2**attempt
            house.now_due()
        assert deliver(house.workspace()).document["given_up"] == 2
        assert house.states() == [("crm", "given up", 3)] * 2
        house.now_due()
        assert deliver(house.workspace()).exit_code is ExitCode.DONE
        receiver.reply = Reply(200)  # it was repaired, and somebody says so
        assert deliver(house.workspace(), given_up=True).document["delivered"] == 2
    assert sorted(receiver.keys.values()) == [4, 4]


def test_a_receiver_that_wants_no_more_or_a_pause_gets_its_will(small: House) -> None:
    with receiving(Reply(410)) as gone, receiving(Reply(503, {"retry-after": "7200"})) as busy:
        small.webhook("gone", gone)
        small.webhook("busy", busy)
        small.night(0, 1)
        deliver(small.workspace())
    assert small.states() == [("busy", "pending", 1), ("gone", "given up", 1)]
    backlog = outbox.pending(small.warehouse)["busy"]
    assert (backlog.next_attempt_at - backlog.oldest).total_seconds() > 7100


@pytest.mark.parametrize("how", ["hang", "close"])
def test_a_receiver_that_is_away_costs_little_time_and_no_other_channel_its_alerts(small: House, how: str) -> None:
    with receiving(Reply(how=how)) as away, receiving() as there:
        small.webhook("away", away)
        small.webhook("there", there)
        small.night(0, 60)
        with at_most(10):
            report = deliver(small.workspace())
        by_name = {one.channel: one for one in report.channels}
        assert by_name["there"].delivered == 60
        assert (by_name["away"].failed, by_name["away"].waiting) == (8, 60)
        assert small.states().count(("away", "pending", 0)) == 52, "those not tried have lost no attempt"
        assert sum(one.delivered for one in deliver(small.workspace(), channel="there").channels) == 0


def test_a_crash_between_sending_and_marking_sends_again_under_the_same_key(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*arguments: object) -> None:
        raise KeyboardInterrupt

    with receiving() as receiver:
        house.webhook("crm", receiver)
        house.night(0, 5)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(outbox, "delivered", crash)
            deliver(house.workspace(), worker="host/boot/ns/1/1")
        assert deliver(house.workspace()).document["delivered"] == 0, "somebody else may be at it"
        with house.warehouse.writing() as connection:  # the lease runs out
            connection.execute(sa.update(ALERT_DELIVERIES).values(leased_until=clock.now(connection)))
        assert deliver(house.workspace()).document["delivered"] == 5
    assert sorted(receiver.keys.values()) == [2] * 5


def test_an_event_is_told_to_those_who_asked(house: House) -> None:
    with receiving() as all_of_it, receiving() as raised:
        house.webhook("all", all_of_it, 'events = ["raised", "closed"]')
        house.webhook("raised", raised)
        house.webhook("others", raised, 'task = "another"')
        house.night(0, 1)
        Nights(house.warehouse, channels=interests(house.workspace().configuration, "sulking")).publish(1, {"x": "low"})
        assert deliver(house.workspace()).document["delivered"] == 3
    assert [request.body[:23] for request in all_of_it.requests] == [
        b'{"type":"sulks.raised",',
        b'{"type":"sulks.closed",',
    ]
    assert len(raised.requests) == 1


def test_a_channel_that_cannot_be_opened_stops_no_other(small: House) -> None:
    with receiving() as receiver:
        small.webhook("broken", receiver)
        small.webhook("works", receiver)
        small.night(0, 3)
        small.environment["HOOK_broken"] = ""
        report = deliver(small.workspace())
    assert report.exit_code is ExitCode.ERROR
    broken, works = report.channels
    assert "[alerts.broken]: the variable HOOK_broken is not set" in broken.error and broken.waiting == 3
    assert works.delivered == 3 and small.states()[0] == ("broken", "pending", 0)


def test_a_channel_with_a_fault_of_its_own_counts_as_failed(small: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*arguments: object) -> None:
        raise ValueError("no such thing")

    with receiving() as receiver:
        small.webhook("crm", receiver)
        small.night(0, 2)
        monkeypatch.setattr("forecasting.app.channels.webhook.Webhook.send", fault)
        (report,) = deliver(small.workspace()).channels
    assert report.failed == 2 and report.error == "ValueError: no such thing"


def test_deliveries_of_a_channel_that_is_gone_are_told(small: House) -> None:
    with receiving() as receiver:
        small.webhook("old", receiver)
        small.night(0, 3)
        small.text = ""
        small.webhook("new", receiver)
        report = deliver(small.workspace())
        small.text = ""
        assert deliver(small.workspace()).orphans == report.orphans, "nor are they silent where no channel is left"
    assert report.orphans == (("old", 3),) and "alerts prune --channel old" in report.lines[0]


def test_a_channel_misspelt(small: House) -> None:
    with receiving() as receiver, pytest.raises(ConfigurationError, match="Did you mean 'new'"):
        small.webhook("new", receiver)
        deliver(small.workspace(), channel="nwe")


def test_long_deliveries_show_how_far_they_are(small: House, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, int, int]] = []
    with receiving(lambda number, request: Reply(500 if number == 3 else 200)) as receiver:
        small.webhook("crm", receiver)
        small.night(0, 150)
        deliver(small.workspace(), progress=lambda *said: shown.append(said))
    assert shown == [("alerts through crm", done, 150) for done in (64, 128, 150)]


def test_a_terminal_sees_it_after_runs_too(small: House, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    @contextmanager
    def progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
        yield lambda what, done, total: shown.append(what)

    monkeypatch.setattr(Console, "progress", progress)
    with receiving() as receiver:
        small.webhook("crm", receiver)
        small.night(0, 1)
        deliver_after_runs(small.workspace())
        small.night(1, 2)
        commanded(small, monkeypatch, "alerts", "deliver")
    assert shown == ["alerts through crm"] * 2


def test_at_the_end_of_a_run_failure_is_a_warning(
    small: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(Reply(500)) as receiver:
        small.webhook("crm", receiver)
        small.night(0, 1)
        with caplog.at_level(logging.WARNING):
            assert deliver_after_runs(small.workspace()).document["failed"] == 1
            assert "Not all alerts arrived" in caplog.text
            workspace = small.workspace()
            workspace.console.logs = small.directory
            monkeypatch.setattr(outbox, "take", lambda *arguments: 1 / 0)
            assert deliver_after_runs(workspace).channels == ()
            assert "ZeroDivisionError" in caplog.text


def test_pauses_grow_and_differ() -> None:
    dice = random.Random(1)
    for attempts in range(1, 40):
        pauses = [pause(attempts, dice) for _ in range(50)]
        longest = min(SHORTEST_PAUSE * 2**attempts, LONGEST_PAUSE)
        assert min(pauses) >= SHORTEST_PAUSE and max(pauses) <= longest
        assert max(pauses) - min(pauses) > 0.7 * (longest - SHORTEST_PAUSE)


def commanded(small: House, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """`forecasting ...`, as somebody types it."""
    small.workspace().close()
    for name, value in {**small.environment, "FORECASTING_WAREHOUSE": small.url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(small.directory)
    return CliRunner().invoke(cli, arguments)


MAIL = """
[alerts.mail]
kind = "email"
host = "127.0.0.1"
port = {port}
security = "ssl"
username = "forecasts"
password_env = "MAIL_PASSWORD"
sender = "forecasts@shop.example"
recipients = ["crm@shop.example"]
timeout_seconds = 0.5
[alerts.chat]
kind = "apprise"
urls_file = "chat.urls"
"""


def test_no_output_and_no_ledger_holds_a_secret(
    small: House, monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path]
) -> None:
    """Not even where receivers repeat what they were told."""
    pytest.importorskip("apprise")
    secrets = [
        "s3cr3t-path",
        SECRET,
        SECRET.removeprefix("whsec_"),
        "hunter2hunter2",
        "apptoken123",
        "appuser9:apppass9",
    ]

    def reply(number: int, request: Request) -> Reply:
        if "webhook-id" not in request.headers:  # the chat's
            return Reply(500)
        return Reply(500) if int(request.headers["webhook-id"][0], 16) % 2 else Reply(how="close")

    with receiving(reply) as receiver, gossiping(certificate, "hunter2hunter2") as port:
        small.webhook("crm", receiver)
        small.text += MAIL.format(port=port)
        small.environment["MAIL_PASSWORD"] = "hunter2hunter2"
        host = receiver.url.split("/")[2]
        (small.directory / "chat.urls").write_text(f"json://appuser9:apppass9@{host}/x/apptoken123?format=text")
        small.night(0, 20)
        monkeypatch.setattr("ssl.create_default_context", lambda **keys: trusting(certificate))
        outputs = [commanded(small, monkeypatch, "alerts", "deliver", "--json", "--verbose")]
        small.now_due()
        for arguments in (
            ("alerts", "deliver", "--verbose"),
            ("check", "--verbose"),
            ("check", "--json"),
            ("status",),
            ("status", "--json"),
            ("alerts", "list", "--json"),
            ("alerts", "deliver", "--channel", "nobody", "--json"),
        ):
            outputs.append(commanded(small, monkeypatch, *arguments))
    failed = {one["channel"]: one["error"] for one in document(outputs[0])["channels"]}
    assert set(failed) == {"crm", "mail", "chat"} and "SMTP 535: no such password as ***" in failed["mail"]
    assert document(outputs[0])["failed"] == 60 and outputs[0].exit_code == outputs[1].exit_code == 1
    assert "alerts through crm" in outputs[1].output
    found = "".join(one.output for one in outputs) + repr(small.workspace().configuration.alerts)
    with small.warehouse.reading() as connection:
        found += "".join(str(row) for row in connection.execute(sa.select(ALERT_DELIVERIES)))
    found += "".join(file.read_text() for file in small.directory.rglob("*.log"))
    assert "HTTP 500" in found and "no answer" in found
    for secret in (*secrets, receiver.url, *secrets[-1].split(":")):
        assert secret not in found


def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """Trusts that one alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificate[0])
    return context


@contextmanager
def gossiping(certificate: tuple[Path, Path], password: str) -> Iterator[int]:
    """The port of a mail server that tells everybody which password it was given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    class Gossip(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 gossip\r\n")
            for line in self.rfile:
                said = (
                    "250-gossip\r\n250 AUTH PLAIN"
                    if line.startswith(b"ehlo")
                    else f"535 no such password as {password}"
                )
                self.wfile.write(f"{said}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Gossip) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_watching_looks_again_until_it_is_interrupted(small: House, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            raise KeyboardInterrupt
        small.now_due()

    with receiving(lambda number, request: Reply(200 if number else 500)) as receiver:
        small.webhook("crm", receiver)
        small.night(0, 1)
        monkeypatch.setattr("forecasting.app.commands.alert_delivery.time.sleep", sleep)
        result = commanded(small, monkeypatch, "alerts", "deliver", "--watch", "7")
    assert naps == [7.0] * 3 and len(receiver.requests) == 2
    assert [line for line in result.output.splitlines() if line.startswith("alerts through")] == [
        "alerts through crm: 0 delivered, 1 failed and tried again later, 1 waiting (HTTP 500)",
        "alerts through crm: 1 delivered",
    ]


Forecasting = Callable[..., Result]


def test_check_looks_at_every_channel(forecasting: Forecasting, shop: Path) -> None:
    (shop / "forecasting.toml").write_text(
        """
        [alerts.fine]
        kind = "csv"
        directory = "drop"
        [alerts.nosecret]
        kind = "webhook"
        url = "https://crm.example/"
        secret_env = "NOT_SET_ANYWHERE"
        [alerts.clear]
        kind = "email"
        host = "smtp.example"
        security = "none"
        sender = "a@shop.example"
        recipients = ["b@shop.example"]
        [alerts.wrong]
        kind = "csv"
        directory = "drop"
        task = "demand"
        """
    )
    channels = {one["channel"]: one for one in document(forecasting("check", "--json"))["channels"]}
    assert channels["fine"] == {"channel": "fine", "ready": True, "problem": "", "notes": []}
    assert "NOT_SET_ANYWHERE is not set" in channels["nosecret"]["problem"]
    assert "unencrypted" in channels["clear"]["notes"][0]
    assert "raises no alerts" in channels["wrong"]["problem"]
    assert not (shop / "drop").exists() and not (shop / "var" / "warehouse.db").exists()


def test_a_run_ends_with_deliveries_but_a_dry_run_does_not(
    forecasting: Forecasting, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Workspace] = []
    (shop / "forecasting.toml").write_text('[alerts.drop]\nkind = "csv"\ndirectory = "drop"\n')
    monkeypatch.setattr("forecasting.app.commands.run.run_all", lambda *arguments: ([], ExitCode.DONE))
    monkeypatch.setattr(
        "forecasting.app.delivering.deliver", lambda workspace, **keys: calls.append(workspace) or 1 / 0
    )
    result = document(forecasting("run", "demand", "--json"))
    assert result["deliveries"]["channels"] == [] and result["exit_code"] == 0 and len(calls) == 1
    forecasting("run", "demand", "--dry-run")
    assert len(calls) == 1
