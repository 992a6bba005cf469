"""Secrets are planted wherever a configuration can hold one; then everything that can go wrong does, and all that was
printed, logged, written below the directory or into the warehouse is searched for them, in every spelling."""

from __future__ import annotations

import base64
import html
import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import idle_shop
import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from program import Program
from psycopg import sql
from receivers import Reply, Request, receiving
from sqlalchemy.engine import make_url

from db.engines import open_warehouse
from forecasting.app.main import cli
from forecasting.app.scrubbing import Scrubber

PASSWORD = 'Rësults p@ss/9?#%41&"x'
"""As awkward as a password may be."""

SECRETS = {
    "results": PASSWORD,
    "results, wrong": "wr0ng-p@ssw0rd",
    "shop in the file": "in.the.file-1234",
    "shop's key in the query": "key-in-query-77",
    "shop in a variable": "in:a/variable",
    "shop in a file of its own": "in%a?file#own",
    "typed": "typed-by-hand-1",
    "no URL": "forgot-the-scheme",
    "misplaced": "misplaced-5555",
    "hook": "hook-t0ken-abcdef",
    "hook in the file": "t0ken-in-the-file",
    "signing": base64.b64encode(b"a key of thirty-two bytes, about").decode(),
    "mail": "m@il pass;word",
    "chat user": "chatuser99",
    "chat": "chat-passw0rd",
    "chat token": "chat-t0ken-zz",
    "old": "0ld-in-the-ledger",
}


def spellings(secret: str, user: str = "reader") -> set[bytes]:
    """Ways in which it could be told."""
    both = (f"{user}:{secret}", f"\0{user}\0{secret}", secret)
    found = {base64.b64encode(one.encode()).decode().rstrip("=") for one in both}
    found |= {secret, quote(secret, safe=""), quote_plus(secret), html.escape(secret), json.dumps(secret)[1:-1]}
    return {one.encode() for one in found}


@dataclass
class Search:
    """The program among planted secrets, and all that it said so far."""

    program: Program
    monkeypatch: pytest.MonkeyPatch
    said: dict[str, bytes] = field(default_factory=dict)

    def __call__(self, *arguments: str, code: int, log_format: str = "text", **environment: str) -> str:
        """A command line, with variables of its own."""
        with self.monkeypatch.context() as patch:
            patch.chdir(self.program.directory)
            for name, value in {**environment, "FORECASTING_LOG_FORMAT": log_format}.items():
                patch.setenv(name, value)
            result = CliRunner().invoke(cli, arguments)
        self.said[f"{len(self.said)}: {' '.join(arguments)[:60]}"] = result.output.encode()
        assert result.exit_code == code, result.output
        if log_format == "json":
            for line in result.stderr.splitlines():
                assert {"time", "level", "logger", "run_id", "message"} <= json.loads(line).keys()
        return result.output

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """What was said, and what lies where the program writes."""
        yield from self.said.items()
        for file in self.program.directory.rglob("*"):
            if file.is_file() and file.suffix not in (".toml", ".planted"):
                yield str(file), file.read_bytes()
        warehouse = open_warehouse(self.program.url)
        with warehouse.reading() as connection:
            for table in sa.inspect(connection).get_table_names():
                rows = connection.execute(sa.select(sa.text("*")).select_from(sa.table(table)))
                yield f"table {table}", "\n".join(map(str, rows)).encode()
        warehouse.close()


@contextmanager
def behind_a_password(url: str) -> Iterator[str]:
    """The same database for a role that must give its password; nothing but a file in SQLite."""
    if url.startswith("sqlite"):
        yield url
        return
    parsed = make_url(url)
    plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(sql.SQL("create role reader login superuser password {}").format(sql.Literal(PASSWORD)))
        (file,) = connection.execute("show hba_file").fetchone() or ("",)
        before = Path(file).read_text()
        Path(file).write_text(f"local all reader scram-sha-256\n{before}")
        connection.execute("select pg_reload_conf()")
        try:
            yield parsed.set(username="reader", password=PASSWORD).render_as_string(hide_password=False)
        finally:
            Path(file).write_text(before)
            connection.execute("select pg_reload_conf()")
            connection.execute("drop role reader")


CONFIGURATION = """
[tasks.idle]
[jobs.nightly]
task = "idle"
every = "1d"
[warehouses.results]
url_env = "RESULTS_URL"
[warehouses.written]
url = "postgresql://reader:{written}@127.0.0.1:1/shop?sslpassword={key}&connect_timeout=2"
[warehouses.variable]
url_env = "SHOP_URL"
[warehouses.file]
url_file = "shop.planted"
[alerts.crm]
kind = "webhook"
url_file = "hook.planted"
secret_env = "SIGNING"
[alerts.shown]
kind = "webhook"
url = "{receiver}/{shown}"
secret_env = "SIGNING"
[alerts.mail]
kind = "email"
host = "127.0.0.1"
port = 1
sender = "a@b.example"
recipients = ["c@d.example"]
username = "reader"
password_env = "MAIL"
[alerts.chat]
kind = "apprise"
urls_env = "CHAT"
"""


def planted(directory: Path, receiver: str, results: str) -> dict[str, str]:
    """Writes the configuration and returns the variables that go with it."""
    away = "postgresql+psycopg://reader:{}@127.0.0.1:1/shop"
    (directory / "forecasting.toml").write_text(
        CONFIGURATION.format(
            written=quote(SECRETS["shop in the file"], safe=""),
            key=SECRETS["shop's key in the query"],
            receiver=receiver,
            shown=SECRETS["hook in the file"],
        )
    )
    (directory / "shop.planted").write_text(away.format(quote(SECRETS["shop in a file of its own"], safe="")))
    (directory / "hook.planted").write_text(f"{receiver}/{SECRETS['hook']}")
    host = receiver.removeprefix("http://")
    return {
        "RESULTS_URL": results,
        "SHOP_URL": away.format(SECRETS["shop in a variable"]),  # not quoted: SQLAlchemy takes it so
        "SIGNING": f"whsec_{SECRETS['signing']}",
        "MAIL": SECRETS["mail"],
        "CHAT": f"json://{SECRETS['chat user']}:{SECRETS['chat']}@{host}/x/{SECRETS['chat token']}",
    }


def gossip(number: int, request: Request) -> Reply:
    """A receiver that is not pleased."""
    return Reply(500) if number % 2 else Reply(how="close")


def test_no_secret_is_ever_said_or_written(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    idle_shop.create(program, monkeypatch)
    search = Search(program, monkeypatch)
    with behind_a_password(program.url) as results, receiving(gossip) as receiver:
        for name, value in planted(program.directory, receiver.url.rpartition("/hook/")[0], results).items():
            monkeypatch.setenv(name, value)
        good_days(search)
        bad_days(search)
        alien_days(search, monkeypatch)
        if results != program.url:
            wrong = make_url(results).set(password=SECRETS["results, wrong"]).render_as_string(hide_password=False)
            for command in (("status",), ("run", "idle", "--force"), ("check", "--json")):
                assert "authentication failed" in search(*command, code=2, RESULTS_URL=wrong)
        found = list(search.everything())
    assert len(found) > 60 and any(b"HTTP 500" in text for _, text in found), "nothing was searched"
    assert any("error-" in name for name, _ in found) and any(name == "table runs" for name, _ in found)
    for what, secret in SECRETS.items():
        for spelling in spellings(secret):
            leaks = [f"{name}: ...{around(text, spelling)}..." for name, text in found if spelling in text]
            assert not leaks, f"{what} ({spelling!r}): {leaks}"


def around(text: bytes, spelling: bytes) -> str:
    at = text.index(spelling)
    return text[max(0, at - 150) : at + 80].decode(errors="replace")


def good_days(search: Search) -> None:
    """Rows are published; no receiver takes an alert."""
    search("run", "--job", "nightly", "--verbose", code=0)
    search(
        "run", "idle", "--slot", "2024-03-01", "--as-of", "2024-03-01", "--force", "--json", code=0, log_format="json"
    )
    for command in (
        ("status",),
        ("status", "--json"),
        ("status", "--prometheus", "-"),
        ("alerts", "list"),
        ("models",),
    ):
        search(*command, code=1 if "status" in command else 0)
    search("alerts", "deliver", "--verbose", code=0)  # nothing is due by now
    search("check", "--json", code=0, log_format="json")


def bad_days(search: Search) -> None:
    """Databases are away, words are wrong."""
    for name in ("written", "variable", "file"):
        source = {"FORECASTING_SOURCES__ORDERS__WAREHOUSE": name}
        assert "cannot be reached" in search("run", "idle", "--force", "--verbose", code=2, **source)
    written = {"FORECASTING_SOURCES__ORDERS__WAREHOUSE": "written"}
    search("run", "--job", "nightly", "--force", "--json", code=2, log_format="json", **written)
    search("check", code=2, **written)
    search("status", code=1, **written)
    search("status", "--json", code=1, log_format="json", **written)
    typed = f"postgresql://u:{SECRETS['typed']}@127.0.0.1:1/d"
    search("status", "--warehouse", typed, code=2)
    search("status", "--warehouse", typed.replace("postgresql", "mysql"), code=2)
    search("status", "--warehouse", typed.replace("127.0.0.1:1", "no port:x"), code=2)
    search("status", typed, code=2)
    search("status", "--warehouse", f"u:{SECRETS['no URL']}@host/db", code=2)
    search("status", "--warehouse", f"host=h user=u password={SECRETS['no URL']}", code=2)
    query = "select * from dblink('host=h password=SECRET', 'select 1')".replace("SECRET", SECRETS["misplaced"])
    search("run", "idle", "--force", code=2, FORECASTING_SOURCES__ORDERS__QUERY=json.dumps(query))
    file, misplaced = search.program.directory / "wrong.toml", SECRETS["misplaced"]
    for text in (
        f'[warehouses.shop]\nurl = "postgresql://u:{misplaced}@h/d\n',
        f'[warehouses.shop]\nurl = ["{misplaced}"]\n',
        f'[warehouses.shop]\nurl = "a:{misplaced}"\nurl_env = "{misplaced}"\n',
        f'[warehouses.shop]\npasswrd = "{misplaced}"\n',
        f'[alerts.crm]\nkind = "webhook"\nurl = "{misplaced}"\nsecret_env = "SIGNING"\n',
        f'[alerts.crm]\nkind = "email"\nhost = "h"\nsender = "{misplaced}"\nrecipients = []\n',
    ):
        file.write_text(text)
        search("check", "--config", "wrong.toml", code=2, log_format="json")


def alien_days(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody expected: errors and warnings of libraries that quote what they were given; a ledger that
    an older version wrote into."""
    quoted = f"{PASSWORD} at postgresql://reader:{quote(PASSWORD, safe='')}@h/d, {SECRETS['mail']!r}"

    def broken(*arguments: object, **options: object) -> None:
        logging.getLogger("py.warnings").warning("beware of %s", quoted)  # as Python's own warnings arrive
        try:
            raise OSError(f"no {base64.b64encode(f'reader:{PASSWORD}'.encode()).decode()}")
        except OSError as error:
            raise RuntimeError(quoted) from error

    with monkeypatch.context() as patch:
        patch.setattr("forecasting.app.commands.status.status", broken)
        # What is not opened is known all the same: of the results, the password stands in the variable alone.
        patch.setenv("RESULTS_URL", f"postgresql://reader:{quote(PASSWORD, safe='')}@127.0.0.1:1/d")
        search("status", "--verbose", code=1)
        search("status", "--json", code=1, log_format="json")
    with written_before(search.program.url, f"failed: postgresql://u:{SECRETS['old']}@h/d"):
        assert "the last run failed" in search("status", code=1)
        search("status", "--json", code=1)


@contextmanager
def written_before(url: str, error: str) -> Iterator[None]:
    """The last run failed with this error, in an older version."""
    last = "where run_id = (select run_id from runs order by started_at desc limit 1)"
    change = sa.text(f"update runs set error = :error {last}")  # noqa: S608
    warehouse = open_warehouse(url)
    with warehouse.writing() as connection:
        now = connection.scalar(sa.text(f"select error from runs {last}"))  # noqa: S608
        connection.execute(change, {"error": error})
    yield
    with warehouse.writing() as connection:
        connection.execute(change, {"error": now})
    if warehouse.path is not None:  # what was deleted is still in the file
        with closing(sqlite3.connect(warehouse.path)) as connection:
            connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")
    warehouse.close()


@pytest.mark.parametrize("secret", [*SECRETS.values(), "päss", 'a"b\\c', "p\u00a0q\nr"])
def test_a_hidden_secret_is_hidden_in_every_spelling(secret: str) -> None:
    scrubber = Scrubber()
    scrubber.learn(f"postgresql://reader:{quote(secret, safe='')}@host/db")
    for spelling in spellings(secret):
        assert spelling.decode() not in scrubber.scrub(f"it is <{spelling.decode()}>, no?")


@pytest.mark.parametrize("password", ["a/b-cdef", "a@b-cdef", "a?b-cdef", "a#b-cdef", "a:b-cdef"])
def test_a_password_that_is_not_quoted_in_its_url_is_learned(password: str) -> None:
    scrubber = Scrubber()
    scrubber.learn(f"postgresql://u:{password}@host/db")
    assert password not in scrubber.scrub(f"password authentication failed with {password}")


def test_headers_are_hidden_and_words_are_not() -> None:
    scrubber = Scrubber()
    assert scrubber.scrub("Authorization: Bearer abcdefgh123 sent") == "Authorization: Bearer *** sent"
    text = "basic statistics of the token bucket; a secret, keyed by item: authorization pending"
    assert scrubber.scrub(text) == text
