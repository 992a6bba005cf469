"""Any service that Apprise knows (chats, phones, pagers; https://github.com/caronc/apprise): one digest for each run.

An extra: `pip install 'shop-forecasting[apprise]'`. Services take no key, so the digest's stands in its last line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from db.outbox import Delivery
from forecasting.app.channels.channel import DELIVERED, UNTRIED, Answer, Ledgers, events_of_runs
from forecasting.app.channels.digest import digest
from forecasting.schema import ConfigurationError

SHOWN = 10
"""Alerts that a message spells out: chats are narrow."""


class Apprise:
    """The services behind URLs of Apprise's. `timeout`: seconds for all of them together."""

    batch = 10_000

    def __init__(self, urls: Sequence[str], timeout: float, ledgers: Ledgers, *, where: str):
        self._timeout, self._ledgers = timeout, ledgers
        self._services = _services(urls, timeout, where)

    @property
    def patience(self) -> float:
        """Only a message that fails takes long, and none is sent after it."""
        return 300 + self._timeout

    def check(self) -> list[str]:
        """Opening it was the check."""
        return []

    def send(self, deliveries: Sequence[Delivery]) -> list[Answer]:
        """One message for each run and event. Where a service does not take one, the rest is not tried."""
        answers = [UNTRIED] * len(deliveries)
        for _, positions in events_of_runs(deliveries):
            said = digest([deliveries[position] for position in positions], self._ledgers, shown=SHOWN)
            text = f"{said.text}\nKey {said.key}"
            result = self._services.notify(body=text, title=said.subject, body_format="text")
            answer = DELIVERED if result else Answer("failed", f"not taken by {_failed(result)}")
            for position in positions:
                answers[position] = answer
            if not result:
                break
        return answers

    def close(self) -> None:
        """Nothing stays open."""


def _failed(result: Any) -> str:
    """The names of the services that failed: never their URLs, which hold secrets."""
    return ", ".join(dict.fromkeys(str(one.name) for one in result if not one)) or "any service"


def _services(urls: Sequence[str], timeout: float, where: str) -> Any:
    try:
        import apprise
    except ImportError:
        raise ConfigurationError(
            f"{where}: Apprise is not installed.", remedy="`pip install 'shop-forecasting[apprise]'`."
        ) from None
    asset = apprise.AppriseAsset(service_timeout=timeout)
    services = apprise.Apprise(asset=asset)
    for number, url in enumerate(urls, start=1):
        service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if service is None:
            raise ConfigurationError(
                f"{where}: URL number {number} is none that Apprise knows.",
                remedy="They look like slack://... or mailtos://..., with blanks or new lines between.",
            )
        service.socket_connect_timeout = service.socket_read_timeout = timeout
        services.add(service)
    return services
