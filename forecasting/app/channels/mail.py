"""E-mail through an SMTP server: one digest for each run, with all its alerts attached as CSV.

The Message-ID is the digest's key: a message that is sent again after a crash is the same message, and mail programs
show it once. Nothing is sent without encryption unless the configuration says so.
"""

from __future__ import annotations

import io
import logging
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate

from db.outbox import Delivery
from forecasting.app.channels import listing
from forecasting.app.channels.channel import DELIVERED, UNTRIED, Answer, Ledgers, events_of_runs, in_a_line
from forecasting.app.channels.configuration import EmailConfig
from forecasting.app.channels.csv_drop import file_name
from forecasting.app.channels.digest import digest
from forecasting.app.channels.loose_threads import within

PORTS = {"starttls": 587, "ssl": 465, "none": 25}

SHOWN = 50
"""Alerts that the text spells out; the attachment has all."""

ANSWERS = 12
"""Answers of a server in one session, about: what bounds how long a slow one is waited for in all."""

log = logging.getLogger(__name__)


class Mail:
    """A mail server. `password`: where it wants one."""

    batch = 10_000

    def __init__(
        self,
        config: EmailConfig,
        password: str | None,
        ledgers: Ledgers,
        *,
        where: str,
        context: ssl.SSLContext | None = None,
    ):
        self._config, self._password, self._ledgers, self._where = config, password, ledgers, where
        self._context = context
        self._port = config.port or PORTS[config.security]

    @property
    def patience(self) -> float:
        """Only a message that fails takes long, and none is sent after it."""
        return 300 + ANSWERS * self._config.timeout_seconds

    def check(self) -> list[str]:
        """Whether what is sent could be read on the way."""
        if self._config.security != "none" or self._config.host in ("localhost", "127.0.0.1", "::1"):
            return []
        return [f'{self._where}: alerts travel unencrypted: security is "none"']

    def send(self, deliveries: Sequence[Delivery]) -> list[Answer]:
        """One message for each run and event. Where the server does not take one, the rest is not tried."""
        answers = [UNTRIED] * len(deliveries)
        for _, positions in events_of_runs(deliveries):
            answer = self._answer([deliveries[position] for position in positions])
            for position in positions:
                answers[position] = answer
            if answer.state != "delivered":
                break
        return answers

    def close(self) -> None:
        """Every message has a session of its own."""

    def _answer(self, deliveries: Sequence[Delivery]) -> Answer:
        """Sends one message; a server that answers letter by letter never exceeds the timeout of an answer."""
        message = self._message(deliveries)
        answer = within(ANSWERS * self._config.timeout_seconds, lambda: self._deliver(message))
        return answer or self._late()

    def _deliver(self, message: EmailMessage) -> Answer:
        try:
            with self._session() as session:
                turned_away = session.send_message(message)
        except smtplib.SMTPResponseException as error:
            said = (
                error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
            )
            return Answer("failed", f"SMTP {error.smtp_code}: {' '.join(str(said).split())[:200]}")
        except smtplib.SMTPRecipientsRefused as error:
            return Answer("failed", f"no recipient was accepted: {_codes(error.recipients)}")
        except TimeoutError:
            return self._late()
        except (smtplib.SMTPException, OSError) as error:
            return Answer("failed", f"no answer: {in_a_line(error)}")
        if turned_away:
            log.warning("%s: some recipients were not accepted: %s", self._where, _codes(turned_away))
        return DELIVERED

    def _late(self) -> Answer:
        return Answer("failed", f"no answer within {self._config.timeout_seconds:g} s")

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """A connection, encrypted and logged in as configured."""
        config, context = self._config, self._context or ssl.create_default_context()
        seconds = config.timeout_seconds
        with (
            smtplib.SMTP_SSL(config.host, self._port, timeout=seconds, context=context)
            if config.security == "ssl"
            else smtplib.SMTP(config.host, self._port, timeout=seconds)
        ) as session:
            if config.security == "starttls":
                session.starttls(context=context)
            if config.username is not None and self._password is not None:
                session.login(config.username, self._password)
            yield session

    def _message(self, deliveries: Sequence[Delivery]) -> EmailMessage:
        said = digest(deliveries, self._ledgers, shown=SHOWN)
        message = EmailMessage()
        message["From"] = self._config.sender
        message["To"] = ", ".join(self._config.recipients)
        message["Subject"] = said.subject
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{said.key}@{self._config.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office reply
        message.set_content(said.text)
        table = io.StringIO(newline="")
        listing.write(table, deliveries, self._ledgers)
        message.add_attachment(table.getvalue(), subtype="csv", filename=file_name(deliveries[0]))
        return message


def _codes(refused: dict[str, tuple[int, bytes]]) -> str:
    """The codes of refusals, without the addresses."""
    return ", ".join(f"SMTP {code}" for code in sorted({code for code, _ in refused.values()}))
