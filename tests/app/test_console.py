"""Output: secrets nowhere, values as people and programs read them."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.app.console import Console, log_context, log_run, show
from forecasting.app.logs import catch_threads
from forecasting.app.scrubbing import Scrubber


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://shop:hunter2x@db/shop",
        "could not connect to postgresql+psycopg://shop:hunter2x@db.internal:5432/shop?sslmode=require",
        "password=hunter2x host=db",
        "{'password': 'hunter2x'}",
        "mysql://u:hunter2x@h/d and postgresql://v:hunter2x@h/d",
        "snowflake://u@h/d?token=hunter2x",
    ],
)
def test_a_password_is_hidden_though_nobody_told(text: str) -> None:
    assert "hunter2x" not in Scrubber().scrub(text)
    assert "***" in Scrubber().scrub(text)


@given(
    st.text(st.characters(codec="ascii", exclude_characters="/@:?#[]% \n\r\t*", exclude_categories=["Cc"]), min_size=4)
)
def test_a_learned_password_is_hidden_wherever_it_stands(password: str) -> None:
    scrubber = Scrubber()
    scrubber.learn(f"postgresql://user:{password}@host/db")
    assert password not in scrubber.scrub(f"fatal <{password}> wrong").replace("fatal", "").replace("wrong", "")


def test_what_is_no_secret_stays() -> None:
    text = "postgresql://shop@db/shop has 3 tables; see https://example.org/a:b, at 12:30 (user@example.org)"
    assert Scrubber().scrub(text) == text


def test_a_password_in_its_encoded_form_is_hidden_too() -> None:
    scrubber = Scrubber()
    scrubber.learn("postgresql://user:p%40ss%2Fword@host/db")
    assert "p@ss/word" not in scrubber.scrub("tried p@ss/word")
    assert "p%40ss%2Fword" not in scrubber.scrub("tried p%40ss%2Fword")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (True, "yes"),
        (541909, "541,909"),
        (0.123456, "0.1235"),
        (12345.6, "12,346"),
        (dt.datetime(2024, 1, 2, 3, 4, tzinfo=dt.timezone(dt.timedelta(hours=2))), "2024-01-02 01:04"),
        (np.datetime64("2024-01-02T03:04", "us"), "2024-01-02 03:04"),
    ],
)
def test_values_as_a_person_reads_them(value: object, text: str) -> None:
    assert show(value) == text


def test_the_document_is_strict_json_and_comes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stdout)
    console = Console(json_output=True)
    content = {
        "at": np.datetime64("2024-01-02", "us"),
        "n": np.int64(3),
        "x": float("inf"),
        "days": {dt.date(2024, 1, 2)},
    }
    console.say("not here")
    console.table(["a"], [[1]])
    console.document("run", content)
    console.document("run", {"again": True})
    assert json.loads(stdout.getvalue()) == {
        "version": 1,
        "command": "run",
        "at": "2024-01-02T00:00:00Z",
        "n": 3,
        "x": None,
        "days": ["2024-01-02"],
    }


def test_log_lines_carry_the_run_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    console = Console()
    console.scrubber.learn("postgresql://u:hunter2x@h/d")
    with log_run("run-7"):
        try:
            raise OSError("hunter2x was refused")
        except OSError:
            logging.getLogger("db.engines").warning("no luck at %s", "postgresql://u:hunter2x@h/d", exc_info=True)
    logging.getLogger("db.engines").debug("too quiet to be seen")
    line = stderr.getvalue()
    assert "run=run-7" in line and "WARNING" in line and "OSError" in line
    assert "hunter2x" not in line and "Traceback" not in line and line.count("\n") == 1


def test_no_bar_is_drawn_where_stderr_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    with Console().progress() as progress:
        progress("training", 1, 2)
    assert stderr.getvalue() == ""


def test_log_lines_in_json_are_one_object_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """What libraries log and Python warns of comes the same way, and so does the error that ends a command."""
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("FORECASTING_LOG_FORMAT", "json")
    console = Console(level="debug")
    console.scrubber.hide('hunter"2x')
    log = logging.getLogger("db.engines")
    with log_run("run-7"), log_context(job="nightly", slot=None, channel='hunter"2x'):
        with log_context(slot="2024-05-01T02:00:00Z"):
            log.info('a\nb "c" :smile: [bold]%s[/]', 'hunter"2x')
        log.info("later")
        elsewhere = threading.Thread(target=lambda: logging.getLogger("library").warning("from a thread"))
        elsewhere.start()
        elsewhere.join()
    logging.getLogger("py.warnings").warning("old")
    console.error("It went wrong.")
    with console.progress() as progress:
        progress("training", 1, 2)
    lines = [json.loads(line) for line in stderr.getvalue().splitlines()]
    times = [dt.datetime.fromisoformat(line.pop("time")) for line in lines]
    assert times == sorted(times) and all(time.utcoffset() == dt.timedelta() for time in times)
    base = {"level": "info", "logger": "db.engines", "run_id": "run-7", "job": "nightly", "channel": "***"}
    assert lines == [
        {**base, "slot": "2024-05-01T02:00:00Z", "message": 'a\nb "c" :smile: [bold]***[/]'},
        {**base, "message": "later"},
        {"level": "warning", "logger": "library", "run_id": "run-7", "message": "from a thread"},
        {"level": "warning", "logger": "py.warnings", "run_id": None, "message": "old"},
        {"level": "error", "logger": "forecasting", "run_id": None, "message": "It went wrong."},
    ]


def test_a_thread_belongs_to_no_run_where_several_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    Console()
    with log_run("run-7"), log_run("run-8"), log_context(job="nightly"):
        elsewhere = threading.Thread(target=lambda: logging.getLogger("library").warning("from a thread"))
        elsewhere.start()
        elsewhere.join()
        logging.getLogger("db").warning("from here, \x1b[31mred\x07\nand new")
    first, second = stderr.getvalue().splitlines()
    assert first.endswith("WARNING run=- from a thread")
    assert second.endswith("WARNING run=run-8 job=nightly from here, \ufffd[31mred\ufffd and new")


def test_a_thread_that_fails_is_a_log_line_without_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    Console().scrubber.hide("hunter2x")
    catch_threads()
    elsewhere = threading.Thread(target=lambda: {}["hunter2x"], name="heartbeat")
    elsewhere.start()
    elsewhere.join()
    assert stderr.getvalue().endswith("ERROR   run=- heartbeat failed: KeyError: '***'\n")
