"""Metrics of Prometheus on a port: the status as it is when somebody asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from forecasting.app.channels.loose_threads import LooseThreads
from forecasting.app.metrics import families, registry
from forecasting.app.status import Status, status
from forecasting.app.workspace import Workspace
from forecasting.schema import ConfigurationError

CACHE_SECONDS = 5.0
"""How long one look at the warehouse serves everybody who asks."""

PATIENCE_SECONDS = 8.0
"""How long a look may take: Prometheus gives up after ten seconds."""


@dataclass(frozen=True)
class Served:
    """Metrics that are being served, on this port."""

    port: int
    _server: WSGIServer
    _thread: threading.Thread

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE_SECONDS)


def serve(workspaces: Callable[[], Workspace], port: int, address: str = "127.0.0.1") -> Served:
    """Serves the metrics at http://ADDRESS:PORT/metrics from threads of its own, until it is stopped.

    `workspaces` makes one for each look, which is closed after it, so that no connection is shared between threads.
    Port 0 takes a free one. Raises ConfigurationError where the port is taken."""
    collector = StatusCollector(workspaces, CACHE_SECONDS, PATIENCE_SECONDS)
    try:
        server, thread = start_http_server(port, address, registry=registry(collector))
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"Metrics cannot be served at {address}:{port}: {getattr(error, 'strerror', None) or error}.",
            remedy="Choose another port.",
        ) from None
    return Served(server.server_port, server, thread)


class StatusCollector(Collector):
    """Reads the status when it is asked, at most every `cache` seconds. However many ask at once, and however long the
    database hangs, one thread looks; who waits for more than `patience` seconds is told that nothing is up."""

    def __init__(self, workspaces: Callable[[], Workspace], cache: float, patience: float):
        self._workspaces, self._cache, self._patience = workspaces, cache, patience
        self._lock = threading.Lock()
        self._look: Future[Status] | None = None
        self._since = -float("inf")

    def collect(self) -> Iterable[Metric]:
        """The metrics as of now, or nearly so."""
        try:
            found = self._latest().result(self._patience)
        except (Exception, Late):  # a scrape has an answer whatever went wrong; `up` is 0 then
            found = None
        return list(families(found))

    def _latest(self) -> Future[Status]:
        with self._lock:
            old = time.monotonic() - self._since > self._cache
            if self._look is None or (old and self._look.done()):
                self._look, self._since = LooseThreads().submit(self._read), time.monotonic()
            return self._look

    def _read(self) -> Status:
        workspace = self._workspaces()
        try:
            return status(workspace)
        finally:
            workspace.close()
