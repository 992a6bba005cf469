"""The webhook against a real server that fails, hangs, drips, redirects and hangs up; signatures against the library
of the specification's authors."""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import random
import signal
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import thread
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from receivers import SECRET, Receiver, Reply, at_most, delivery, hanging, receiving

from forecasting.app.channels.signing import keys, signature
from forecasting.app.channels.webhook import AT_ONCE, LONGEST_PAUSE, Webhook, retry_after
from forecasting.schema import ConfigurationError

OTHER = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@contextmanager
def webhook(receiver: Receiver | str, timeout: float = 5.0, secret: str = SECRET) -> Iterator[Webhook]:
    url = receiver if isinstance(receiver, str) else receiver.url
    channel = Webhook(url, keys(secret, "here"), timeout, where="forecasting.toml: [alerts.crm]")
    try:
        yield channel
    finally:
        channel.close()


def test_the_signature_is_that_of_the_specification() -> None:
    body = b'{"test": 2432232314}'
    theirs = standardwebhooks.Webhook(SECRET).sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), body.decode()
    )
    assert signature(keys(SECRET, ""), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == theirs
    assert theirs == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="  # as the authors' own tests have it


def test_each_alert_is_one_signed_request() -> None:
    sent = [delivery(1, payload={"customer_id": "Jörg.\n"}), delivery(2, "closed")]
    with receiving() as receiver, webhook(receiver, secret=f"{SECRET} {OTHER}") as channel:
        assert [answer.state for answer in channel.send(sent)] == ["delivered"] * 2
        assert channel.send([]) == []
        assert channel.send(sent[:1])[0].state == "delivered", "a second batch uses the same connections"
    assert receiver.keys == {sent[0].delivery_id: 2, sent[1].delivery_id: 1}
    for secret in (SECRET, OTHER):  # while the receiver changes over, both keys sign
        for request in receiver.requests:
            standardwebhooks.Webhook(secret).verify(request.body, dict(request.headers))
    told = {request.headers["idempotency-key"]: json.loads(request.body) for request in receiver.requests}
    assert told[sent[0].delivery_id] == {
        "type": "churn_alerts.raised",
        "timestamp": "2026-03-01T02:00:00.000005Z",
        "data": dict(sent[0].payload),
    }
    assert told[sent[1].delivery_id]["type"] == "churn_alerts.closed"


def test_the_documents_verify_it_too() -> None:
    page = (Path(__file__).parents[2] / "docs" / "ALERTS.md").read_text(encoding="utf-8")
    scope: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], scope)  # noqa: S102  # our own page
    with receiving() as receiver, webhook(receiver, secret=f"{OTHER} {SECRET}") as channel:
        channel.send([delivery(1)])
    (request,) = receiver.requests
    assert scope["verify"](request.headers, request.body, SECRET)
    assert not scope["verify"](request.headers, request.body + b" ", SECRET)
    assert not scope["verify"]({**request.headers, "webhook-timestamp": "1614265330"}, request.body, SECRET)


@pytest.mark.parametrize(
    ("status", "state"),
    [(200, "delivered"), (204, "delivered"), (302, "failed"), (307, "failed"), (400, "failed"), (401, "failed"),
     (404, "failed"), (410, "refused"), (429, "failed"), (500, "failed"), (503, "failed")],
)  # fmt: skip
def test_what_a_status_means(status: int, state: str) -> None:
    headers = {"retry-after": "120", "location": "/elsewhere"}
    with receiving(Reply(status, headers)) as receiver, webhook(receiver) as channel:
        (answer,) = channel.send([delivery(1)])
    assert answer.state == state
    assert len(receiver.requests) == 1, "a redirect is not followed"
    if state == "failed":
        assert str(status) in answer.error and answer.retry_after == 120


@pytest.mark.parametrize("how", ["hang", "drip", "close"])
def test_a_receiver_without_an_answer_is_left_alone(how: str) -> None:
    sent = [delivery(number) for number in range(3 * AT_ONCE)]
    with receiving(Reply(how=how)) as receiver, webhook(receiver, timeout=1.0) as channel, at_most(4):
        answers = channel.send(sent)
    assert [answer.state for answer in answers] == ["failed"] * AT_ONCE + ["untried"] * 2 * AT_ONCE
    assert all("no answer" in answer.error for answer in answers[:AT_ONCE])
    assert len(receiver.requests) == AT_ONCE


def test_nobody_behind_the_port() -> None:
    with receiving() as receiver:
        url = receiver.url
    with webhook(url) as channel:
        (answer,) = channel.send([delivery(1)])
    assert answer.state == "failed" and "no answer" in answer.error
    assert "s3cr3t" not in answer.error


def test_an_answer_counts_by_its_head() -> None:
    with receiving(Reply(how="drip body")) as receiver, webhook(receiver, timeout=0.4) as channel, at_most(3):
        assert channel.send([delivery(1)])[0].state == "delivered"


def test_a_name_that_nobody_can_look_up_costs_no_more_than_any_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking it up cannot be interrupted: its threads are left behind, then and when Python ends."""
    with hanging(monkeypatch), at_most(3):
        with webhook("http://crm.example/hook", timeout=0.3) as channel:
            (answer,) = channel.send([delivery(1)])
        threads = [one for one in threading.enumerate() if one.name == "alerts"]
        assert threads and all(one.daemon and one not in thread._threads_queues for one in threads)
    assert answer.state == "failed" and "no answer within" in answer.error


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_ends_it_wherever_it_strikes() -> None:
    """Within an event loop it would leave half-cancelled requests behind, and now and then hang."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    dice, before = random.Random(3), signal.signal(signal.SIGALRM, interrupt)
    sent = [delivery(number) for number in range(AT_ONCE)]
    try:
        with receiving(Reply(how="hang")) as receiver:
            for _ in range(20):
                with webhook(receiver, timeout=8.0) as channel, at_most(4):
                    with pytest.raises(KeyboardInterrupt):
                        signal.setitimer(signal.ITIMER_REAL, dice.uniform(0.002, 0.04))
                        channel.send(sent)
                    channel.close()
    finally:
        signal.signal(signal.SIGALRM, before)
        gc.collect()  # what was cancelled before it began complains now, and to no other test


def test_a_receiver_that_cannot_prove_who_it_is_gets_nothing(tls_server: tuple[str, list[bytes]]) -> None:
    url, arrived = tls_server
    with webhook(url) as channel:
        (answer,) = channel.send([delivery(1)])
    assert answer.state == "failed" and "certificate" in answer.error.lower()
    assert not arrived


@pytest.fixture
def tls_server(certificate: tuple[Path, Path]) -> Iterator[tuple[str, list[bytes]]]:
    """An address behind a certificate that nobody signed, and what arrived there."""
    context, arrived = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), list[bytes]()
    context.load_cert_chain(*certificate)

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listening.accept()
            with context.wrap_socket(connection, server_side=True) as encrypted:
                arrived.append(encrypted.recv(100))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}/", arrived
        thread.join(5)


def test_one_failure_stops_nobody_else() -> None:
    bad = {delivery(number).delivery_id for number in (0, 5, 17)}

    def reply(number: int, request) -> Reply:
        return Reply(500 if request.headers["webhook-id"] in bad else 200)

    sent = [delivery(number) for number in range(20)]
    with receiving(reply) as receiver, webhook(receiver) as channel:
        answers = channel.send(sent)
    assert {one.delivery_id for one, answer in zip(sent, answers, strict=True) if answer.state == "failed"} == bad
    assert sum(answer.state == "delivered" for answer in answers) == 17


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("7", 7), ("soon", None), ("-3", None), ("nan", None), ("1e9", LONGEST_PAUSE), ("0", None)],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_retry_after_a_date() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    assert retry_after(then) == pytest.approx(300, abs=5)
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") is None


@pytest.mark.parametrize(
    "secret", ["hunter2hunter2", "whsec_short", "whsec_" + "A" * 100, f"{SECRET} other", "whsec_ä"]
)
def test_a_secret_that_is_no_key_is_refused_without_being_told(secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        keys(secret, "forecasting.toml: [alerts.crm]")
    assert "[alerts.crm]" in str(caught.value) and secret.split()[-1] not in str(caught.value)


@pytest.mark.parametrize("url", ["crm.example/hook", "ftp://crm.example", "https://", "http://[::1/t0ken"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no web address") as caught:
        Webhook(url, keys(SECRET, ""), 1.0, where="[alerts.crm]")
    assert "t0ken" not in str(caught.value)


def test_alerts_in_the_clear_are_remarked_upon() -> None:
    notes: Mapping[str, int] = {"http://crm.example/": 1, "https://crm.example/": 0, "http://localhost:80/": 0}
    for url, count in notes.items():
        with webhook(url) as channel:
            assert len(channel.check()) == count
