"""Real receivers on this machine: a web server that does as it is told, and deliveries to send to it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from db.outbox import Delivery, Event

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The key of the specification's own examples."""


@dataclass(frozen=True)
class Request:
    """What arrived: the headers in lower case, the body as sent."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What a receiver does. `how`: answer; hang (say nothing); close (say nothing and hang up); drip (a letter of the
    answer now and then); drip body (the head at once, then letters)."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    how: str = "answer"


class Receiver:
    """A web server in a thread. `reply(number, request)` decides, from 0 up; `requests` holds all that arrived."""

    def __init__(self, reply: Callable[[int, Request], Reply] | Reply | None = None):
        self.reply = reply or Reply()
        self.requests: list[Request] = []
        self.done = threading.Event()
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers.get("content-length", 0))
                body = self.rfile.read(size)
                if len(body) < size:  # whoever sent it was killed: nothing arrived
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                self._answer(receiver.take(Request(self.path, headers, body)))

            do_GET = do_POST  # a redirect that is followed would come as one

            def _answer(self, reply: Reply) -> None:
                if reply.how in ("hang", "close"):
                    receiver.done.wait(30 if reply.how == "hang" else 0)
                    self.close_connection = True
                    return
                head = [f"HTTP/1.1 {reply.status} Reply", "content-length: 2"]
                head += [f"{name}: {value}" for name, value in reply.headers.items()]
                start = ("\r\n".join(head) + "\r\n\r\n").encode()
                if reply.how == "drip":
                    self._drip(start)
                self.wfile.write(start)
                if reply.how == "drip body":
                    self._drip(b" " * 100)
                self.wfile.write(b"ok")

            def _drip(self, text: bytes) -> None:
                self.close_connection = True
                for letter in text:
                    if receiver.done.wait(0.1):
                        return
                    self.wfile.write(bytes([letter]))
                    self.wfile.flush()

            def log_message(self, *arguments: Any) -> None:
                """Tests are silent."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64  # the usual 5 lets a ninth connection wait for a second

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that gave up is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook/s3cr3t-path"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, request: Request) -> Reply:
        """Writes a request down and decides about it."""
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
        return self.reply if isinstance(self.reply, Reply) else self.reply(number, request)

    @property
    def keys(self) -> Counter[str]:
        """How often each key arrived."""
        return Counter(request.headers["webhook-id"] for request in self.requests)

    def close(self) -> None:
        """Hangs up on everybody."""
        self.done.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiving(reply: Callable[[int, Request], Reply] | Reply | None = None) -> Iterator[Receiver]:
    """A receiver for the length of a block."""
    receiver = Receiver(reply)
    try:
        yield receiver
    finally:
        receiver.close()


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """The block takes no longer."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@contextmanager
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Looking up a host's name takes for ever, until the block ends."""
    ended = threading.Event()

    def look_up(*arguments: Any, **keys: Any) -> Any:
        ended.wait(60)
        raise OSError("no such host")

    with monkeypatch.context() as patch:
        patch.setattr("socket.getaddrinfo", look_up)
        yield
        ended.set()


def delivery(
    number: int, event: Event = "raised", *, run_id: str = "run-1", payload: Mapping[str, Any] | None = None
) -> Delivery:
    """An alert of churn about customer `number`, the higher the more valuable."""
    told = {
        "alert_id": f"alert-{number}",
        "task": "churn",
        "run_id": run_id,
        "customer_id": f"C{number}",
        "raised_at": "2026-03-01T02:00:00Z",
        "as_of": "2026-03-01T00:00:00Z",
        "band": "high",
        "probability": 0.75,
        "reasons": [{"fact": "rhythm", "text": "last order 64 days ago", "effect": 0.2}],
        "expected_next_purchase_date": None,
        "value": 100.0 * number,
        "value_at_risk": 75.0 * number,
        "state": "open",
        "closed_at": None,
        "closed_because": None,
    }
    if event == "closed":
        told |= {"state": "closed", "closed_at": "2026-03-02T02:00:00Z", "closed_because": "settled"}
    return Delivery(
        delivery_id=f"{event}-{run_id}-{number:04}",
        ledger="churn_alerts",
        alert_id=f"alert-{number}",
        task="churn",
        run_id=run_id,
        as_of=datetime(2026, 3, 1, tzinfo=UTC),
        channel="crm",
        event=event,
        payload={**told, **(payload or {})},
        attempts=0,
        created_at=datetime(2026, 3, 1, 2, 0, 0, 5, tzinfo=UTC),
        worker="me",
    )
