"""A signed POST for each alert, after the Standard Webhooks specification (https://www.standardwebhooks.com).

Headers `webhook-id` (the delivery's key, the same however often it is sent), `webhook-timestamp` (of this attempt) and
`webhook-signature`; body `{"type": "churn_alerts.raised", "timestamp": ..., "data": {the alert's columns}}`. Any 2xx is
success, 410 gives the delivery up, everything else is tried again; redirects are not followed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx2

from db.outbox import Delivery
from forecasting import __version__
from forecasting.app.channels.channel import DELIVERED, UNTRIED, Answer, in_a_line
from forecasting.app.channels.loose_threads import LoopThread
from forecasting.app.channels.signing import signature
from forecasting.schema import ConfigurationError

AT_ONCE = 8
"""Requests under way at the same time."""

WAVES = 8
"""Rounds of so many requests in one batch."""

LONGEST_PAUSE = 86_400.0
"""Seconds of a Retry-After that are believed."""

READ_BYTES = 65_536
"""Of an answer's body, which says nothing: more is not read, and costs the connection."""

GONE = 410
BUSY = (429, 502, 503, 504)


@dataclass(frozen=True)
class _Attempt:
    """An answer, and whether the receiver looks overloaded or away."""

    answer: Answer
    away: bool = False


class Webhook:
    """A receiver behind a URL. `keys`: what signs. `timeout`: seconds for a whole request, its answer included."""

    batch = AT_ONCE * WAVES

    def __init__(self, url: str, keys: Sequence[bytes], timeout: float, *, where: str):
        self._url, self._keys, self._timeout = _checked(url, where), tuple(keys), timeout
        self._where = where
        self._loop: LoopThread | None = None
        self._client: httpx2.AsyncClient | None = None

    @property
    def patience(self) -> float:
        """Every round may take until its timeout."""
        return WAVES * (self._timeout + 1)

    def check(self) -> list[str]:
        """Whether what is sent could be read on the way."""
        parts = urlsplit(str(self._url))
        if parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1"):
            return []
        return [f"{self._where}: alerts travel unencrypted: its address begins with http://"]

    def send(self, deliveries: Sequence[Delivery]) -> list[Answer]:
        """One request each, some at a time. Where a whole round finds nobody in, the rest is not tried."""
        if self._loop is None:
            self._loop = LoopThread()
        return self._loop.run(self._send(deliveries))

    def close(self) -> None:
        """Closes the connections."""
        if self._loop is not None:
            self._loop.close(self._hang_up)
        self._loop = self._client = None

    async def _hang_up(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _send(self, deliveries: Sequence[Delivery]) -> list[Answer]:
        if self._client is None:  # made inside the loop that it belongs to
            self._client = httpx2.AsyncClient(
                timeout=None,  # ours is for the whole request: a receiver that drips would never exceed theirs
                limits=httpx2.Limits(max_connections=AT_ONCE),
                headers={"user-agent": f"shop-forecasting/{__version__}"},
            )
        answers: list[Answer] = []
        for start in range(0, len(deliveries), AT_ONCE):
            wave = deliveries[start : start + AT_ONCE]
            attempts = await asyncio.gather(*(self._attempt(self._client, one) for one in wave))
            answers += [attempt.answer for attempt in attempts]
            if all(attempt.away for attempt in attempts):
                break
        return answers + [UNTRIED] * (len(deliveries) - len(answers))

    async def _attempt(self, client: httpx2.AsyncClient, delivery: Delivery) -> _Attempt:
        body = _body(delivery)
        timestamp = int(time.time())
        headers = {
            "content-type": "application/json",
            "idempotency-key": delivery.delivery_id,
            "webhook-id": delivery.delivery_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._keys, delivery.delivery_id, timestamp, body),
        }
        status, pause = 0, None
        try:
            async with (
                asyncio.timeout(self._timeout),
                client.stream("POST", self._url, content=body, headers=headers, follow_redirects=False) as response,
            ):
                status, pause = response.status_code, retry_after(response.headers.get("retry-after"))
                await _drain(response)
        except TimeoutError:
            if not status:
                return _Attempt(Answer("failed", f"no answer within {self._timeout:g} s"), away=True)
        except (httpx2.HTTPError, OSError) as error:
            if not status:
                return _Attempt(Answer("failed", f"no answer: {in_a_line(error)}"), away=True)
        return _judged(status, pause)


def retry_after(header: str | None) -> float | None:
    """Seconds of a header Retry-After: a number of them, or a date (RFC 9110, section 10.2.3); None without sense."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            moment = parsedate_to_datetime(header)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(seconds, LONGEST_PAUSE) if seconds > 0 else None


def _judged(status: int, pause: float | None) -> _Attempt:
    if 200 <= status < 300:
        return _Attempt(DELIVERED)
    if status == GONE:
        return _Attempt(Answer("refused", "HTTP 410: the receiver wants no more of these"))
    redirects = ": it redirects, which is not followed" if 300 <= status < 400 else ""
    error = f"HTTP {status}{redirects}"
    return _Attempt(Answer("failed", error, pause), away=status in BUSY)


async def _drain(response: httpx2.Response) -> None:
    """Reads a short body, so that the connection can be used again."""
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > READ_BYTES:
            return


def _body(delivery: Delivery) -> bytes:
    told = {
        "type": f"{delivery.ledger}.{delivery.event}",
        "timestamp": delivery.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "data": dict(delivery.payload),
    }
    return json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _checked(url: str, where: str) -> httpx2.URL:
    try:
        parsed = httpx2.URL(url)
        if parsed.scheme in ("http", "https") and parsed.host:
            return parsed
    except httpx2.InvalidURL:  # its message would repeat the address, token and all
        pass
    raise ConfigurationError(f"{where}: this is no web address.", remedy="It looks like https://crm.example/hooks/1.")
