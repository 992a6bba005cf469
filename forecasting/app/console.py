"""What a command says and where: results on stdout, progress and logs on stderr, secrets nowhere.

With `--json` stdout carries exactly one document, whatever else a library prints.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from forecasting import __version__
from forecasting.app.logs import LogFormat, LogLines, install, log_context, log_run, one_line
from forecasting.app.scrubbing import Scrubber
from forecasting.schema import ForecastingError

VERSION = 1
"""Version of the JSON documents; it rises when a key changes its meaning or goes away."""

__all__ = ["Coloured", "Console", "log_context", "log_run", "show"]

_WIDE = 200  # columns of output that is no terminal: rows of a table stay on one line


@dataclass(frozen=True)
class Coloured:
    """A value of a table that a terminal shows in a colour ("red"); it says the same without."""

    value: Any
    style: str


class Console:
    """The two streams of one command. `logs`: the directory for what the boundary of errors files away."""

    def __init__(self, *, json_output: bool = False, level: str = "info", quiet: bool = False):
        self.json_output, self.quiet = json_output, quiet
        self.scrubber = Scrubber()
        self.logs = Path("var") / "logs"  # the configuration moves it
        self._stdout = sys.stdout
        self._out = RichConsole(file=sys.stdout, highlight=False, soft_wrap=True, emoji=False, width=_width(sys.stdout))
        self._error = RichConsole(file=sys.stderr, highlight=False, soft_wrap=True, emoji=False, stderr=True)
        self._written = False
        # Also errors of the configuration itself come in the format that the variable asks for.
        self.log_format: LogFormat = (
            "json" if os.environ.get("FORECASTING_LOG_FORMAT", "").lower() == "json" else "text"
        )
        self.set_level(level)

    def set_level(self, level: str, log_format: LogFormat | None = None) -> None:
        """Show log lines from this level up (debug, info, warning, error), and from now on in this format."""
        self.log_format = log_format or self.log_format
        self._lines = LogLines(self._error, self.scrubber, self.log_format)
        install(self._lines, level)

    def say(self, text: str = "", *, style: str = "") -> None:
        """A line for a person on stdout, on a terminal in a colour; silent with --json and --quiet."""
        if not self.json_output and not self.quiet:
            self._out.print(Text(visible(self.scrubber.scrub(text)), style=style))

    def raw(self, text: str) -> None:
        """Text in a format of its own on stdout, as it is."""
        self._stdout.write(self.scrubber.scrub(text))
        self._stdout.flush()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "") -> None:
        """A table for a person; numbers right-aligned."""
        if self.json_output:
            return
        if title:
            self._out.print(Text(one_line(title), style="bold"))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for index, name in enumerate(columns):
            values = [_bare(row[index]) for row in rows]
            numeric = any(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
            table.add_column(name, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            cells = [(one_line(self.scrubber.scrub(show(_bare(value)))), getattr(value, "style", "")) for value in row]
            table.add_row(*(Text(text, style=style) for text, style in cells))
        self._out.print(table)

    def document(self, command: str, content: Mapping[str, Any]) -> None:
        """The one JSON document of a command; silent without --json."""
        if not self.json_output or self._written:
            return
        self._written = True
        document = {"version": VERSION, "command": command, **self.scrubber.scrub_document(_plain(content))}
        text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
        # half a surrogate pair, as a command line of broken bytes has it, is written as JSON's own escape
        self._stdout.write(text.encode("utf-8", "backslashreplace").decode("utf-8"))
        self._stdout.flush()

    def error(self, message: str) -> None:
        """One line on stderr."""
        self._lines.error(message)

    def unexpected(self, error: BaseException, command: str) -> ForecastingError:
        """The error that a user sees in the place of one that nobody expected; its traceback goes to a file."""
        time = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        text = f"forecasting {__version__}, {command}, {time}\n\n" + "".join(traceback.format_exception(error))
        file = self.logs / f"error-{time}.log"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.scrubber.scrub(text), encoding="utf-8")
            remedy = f"Details are in {file}."
        except OSError:
            remedy = ""
        first = (str(error).strip().splitlines() or [""])[0][:300].rstrip(".")
        what = f"{type(error).__name__}: {first}" if first else type(error).__name__
        return ForecastingError(f"Something went wrong that should not: {what}.", remedy=remedy)

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, int, int], None]]:
        """A bar on stderr where that is a terminal; yields `report(what, done, total)`, total 0 for unknown."""
        if not self._error.is_terminal or self.quiet or self.log_format == "json":
            yield lambda what, done, total: None
            return
        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            console=self._error,
            transient=True,
        )
        with bar:
            current: TaskID | None = None
            stage = ""

            def report(what: str, done: int, total: int) -> None:
                nonlocal current, stage
                if current is None or what != stage:
                    if current is not None:
                        bar.remove_task(current)
                    current, stage = bar.add_task(what, total=total or None), what
                bar.update(current, completed=done, total=total or None)

            yield report


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, Coloured) else value


def visible(text: str) -> str:
    """Text that cannot command a terminal: what is no sign and no end of a line is shown as a replacement for one."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in text)


def show(value: Any) -> str:
    """A value as a person reads it: "–" for nothing, thousands grouped, four figures of a fraction, UTC to minutes."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[s]").item()
    if isinstance(value, dt.datetime):
        return _utc(value).strftime("%Y-%m-%d %H:%M")
    return str(value)


def _utc(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC)


def _plain(value: Any) -> Any:
    """JSON values: instants as ISO 8601 in UTC, what is not finite as null."""
    if isinstance(value, np.generic):
        value = value.astype("datetime64[us]").item() if isinstance(value, np.datetime64) else value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dt.datetime):
        return _utc(value).strftime("%Y-%m-%dT%H:%M:%S") + (f".{value.microsecond:06d}Z" if value.microsecond else "Z")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [_plain(item) for item in value]
    return value


def _width(stream: Any) -> int | None:
    isatty = getattr(stream, "isatty", None)
    return None if isatty and isatty() else _WIDE
