"""E-mail through real SMTP servers on this machine: encrypted, refusing, hanging; one digest for each run."""

from __future__ import annotations

import csv
import io
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from receivers import at_most, delivery, hanging

from forecasting.app.channels.configuration import EmailConfig
from forecasting.app.channels.mail import SHOWN, Mail
from tasks.churn.outputs import CHURN_ALERTS

LEDGERS = {CHURN_ALERTS.name: CHURN_ALERTS}


class Inbox:
    """Takes mail; `say`: what it answers to a message, `unknown`: recipients that it does not know."""

    def __init__(self, say: str = "250 OK", unknown: tuple[str, ...] = ()):
        self.say, self.unknown = say, unknown
        self.messages: list[EmailMessage] = []
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.unknown:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.say.startswith("250"):
            message = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.messages.append(message)
        return self.say

    def login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"hunter2", handled=False)


@contextmanager
def server(inbox: Inbox, **options: Any) -> Iterator[int]:
    controller = Controller(inbox, hostname="127.0.0.1", port=_free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def mail(port: int, password: str | None = None, context: ssl.SSLContext | None = None, **keys: Any) -> Mail:
    options = {"host": "127.0.0.1", "port": port, "security": "none", "timeout_seconds": 5.0, **keys}
    config = EmailConfig(
        sender="forecasts@shop.example", recipients=("crm@shop.example", "boss@shop.example"), **options
    )
    return Mail(config, password, LEDGERS, where="[alerts.mail]", context=context)


def test_one_digest_for_each_run_with_a_key_that_stays() -> None:
    sent = [delivery(1), delivery(2), delivery(3, "closed"), delivery(4, run_id="run-2")]
    inbox = Inbox()
    with server(inbox) as port:
        assert [one.state for one in mail(port).send(sent)] == ["delivered"] * 4
        mail(port).send(sent[:2])
    subjects = [message["subject"] for message in inbox.messages]
    assert subjects[:3] == [
        "churn: 2 alerts, as of 2026-03-01",
        "churn: 1 alert closed, as of 2026-03-01",
        "churn: 1 alert, as of 2026-03-01",
    ]
    identifiers = [message["message-id"] for message in inbox.messages]
    assert identifiers[3] == identifiers[0] and len(set(identifiers)) == 3
    assert identifiers[0].endswith("@shop.example>")
    first = inbox.messages[0]
    assert first["to"] == "crm@shop.example, boss@shop.example" and first["auto-submitted"] == "auto-generated"
    text = first.get_body(("plain",)).get_content().replace("\r", "")
    assert "C2: high, probability 0.75, value 200, value at risk 150\n    last order 64 days ago\nC1: high" in text
    (attached,) = first.iter_attachments()
    assert attached.get_filename() == "churn_alerts-2026-03-01-run-1.csv"
    rows = list(csv.DictReader(io.StringIO(attached.get_content())))
    assert [row["customer_id"] for row in rows] == ["C2", "C1"]


def test_many_alerts_are_attached_not_spelled_out() -> None:
    inbox = Inbox()
    with server(inbox) as port:
        mail(port).send([delivery(number) for number in range(SHOWN + 7)])
    (message,) = inbox.messages
    text = message.get_body(("plain",)).get_content()
    assert text.count("probability") == SHOWN and "And 7 more." in text
    (attached,) = message.iter_attachments()
    assert attached.get_content().count("\n") == SHOWN + 8


def test_a_name_cannot_forge_headers() -> None:
    nasty = delivery(1, payload={"customer_id": "x\r\nBcc: all@shop.example\r\n\r\n<b>"})
    inbox = Inbox()
    with server(inbox) as port:
        assert mail(port).send([nasty])[0].state == "delivered"
    (message,) = inbox.messages
    assert message["bcc"] is None
    assert "x Bcc: all@shop.example <b>: high" in message.get_body(("plain",)).get_content()


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # it says so of a connection that is all TLS
@pytest.mark.parametrize("security", ["starttls", "ssl"])
def test_passwords_travel_encrypted_to_servers_that_prove_who_they_are(
    security: str, certificate: tuple[Path, Path]
) -> None:
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(*certificate)
    inbox = Inbox()
    options: dict[str, Any] = {"authenticator": inbox.login, "auth_required": True}
    if security == "starttls":
        options |= {"tls_context": theirs, "require_starttls": True}
    else:
        options |= {"ssl_context": theirs, "auth_require_tls": False}
    keys = {"security": security, "username": "forecasts", "password_env": "SMTP_PASSWORD"}
    with server(inbox, **options) as port:
        (stranger,) = mail(port, "hunter2", **keys).send([delivery(1)])
        assert stranger.state == "failed" and "certificate" in stranger.error.lower()
        assert inbox.logins == []
        trust = ssl.create_default_context(cafile=str(certificate[0]))
        (wrong,) = mail(port, "hunter3", trust, **keys).send([delivery(1)])
        assert wrong.state == "failed" and "SMTP 535" in wrong.error and "hunter3" not in wrong.error
        (right,) = mail(port, "hunter2", trust, **keys).send([delivery(1)])
        assert right.state == "delivered" and len(inbox.messages) == 1


def test_a_server_without_starttls_gets_nothing() -> None:
    inbox = Inbox()
    with server(inbox) as port:
        (answer,) = mail(port, security="starttls").send([delivery(1)])
    assert answer.state == "failed" and "STARTTLS" in answer.error and not inbox.messages


def test_a_server_that_refuses() -> None:
    everybody = ("crm@shop.example", "boss@shop.example")
    sent = [delivery(1), delivery(2, run_id="run-2")]
    with server(Inbox("451 try later")) as port:
        answers = mail(port).send(sent)
        assert [one.state for one in answers] == ["failed", "untried"]
        assert answers[0].error == "SMTP 451: try later"
    with server(Inbox(unknown=everybody)) as port:
        (answer,) = mail(port).send(sent[:1])
        assert answer.state == "failed" and answer.error == "no recipient was accepted: SMTP 550"
    inbox = Inbox(unknown=everybody[1:])
    with server(inbox) as port:  # one bad address keeps the others from nothing, now and later
        assert mail(port).send(sent[:1])[0].state == "delivered" and len(inbox.messages) == 1


def test_a_name_that_nobody_can_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with hanging(monkeypatch), at_most(4):
        (answer,) = mail(25, timeout_seconds=0.05).send([delivery(1)])
    assert answer.state == "failed" and "no answer within" in answer.error


@pytest.mark.parametrize("how", ["silent", "dripping", "absent"])
def test_a_server_that_hangs_is_waited_for_a_while(how: str) -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if how == "absent":
            listening.close()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                while not stop.wait(0.05):
                    if how == "dripping":
                        connection.sendall(b"2")

        thread = threading.Thread(target=serve, daemon=True)
        if how != "absent":
            thread.start()
        with at_most(4):
            (answer,) = mail(port, timeout_seconds=0.1).send([delivery(1)])
        stop.set()
    assert answer.state == "failed" and "no answer" in answer.error
