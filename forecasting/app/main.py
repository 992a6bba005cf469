"""The command `forecasting`: its group, and the boundary behind which every error becomes one line and an exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from db import interruption
from forecasting import __version__
from forecasting.app import stopping
from forecasting.app.console import Console
from forecasting.app.logs import catch_threads
from forecasting.app.options import global_options
from forecasting.schema import ExitCode, ForecastingError

COMMANDS: dict[str, str] = {
    "init": "Write a commented forecasting.toml.",
    "demo": "Run the jobs on real sales that come with the suite.",
    "db": "Create, upgrade or take back the suite's tables.",
    "load": "Load files into the canonical source tables.",
    "check": "Check configuration, sources and data before the first run.",
    "run": "Forecast, judge and publish: the nightly job.",
    "backtest": "What would we have said? Write forecasts in hindsight and compare.",
    "backfill": "Make the runs of days gone by.",
    "schedule": "Run the jobs when they are due.",
    "report": "Write the reports of what is published.",
    "status": "What is published, how fresh it is, and what the gate said.",
    "alerts": "List, deliver, acknowledge and close the alerts that tasks raised.",
    "models": "List the stored models, choose the champion, say where rows come from.",
    "tasks": "List the installed tasks, or check one.",
}
"""Commands in the order of a newcomer's day, with the line that `--help` shows: their modules load when called."""


_INNER = {("tasks", "check"), *(("models", name) for name in ("show", "promote", "rollback"))}
"""Commands inside one that works without, too."""


class Commands(click.Group):
    """Loads a command's module when it is called, and turns every exception into one line and an exit code."""

    def list_commands(self, context: click.Context) -> list[str]:
        """All commands, in the order of use."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name not in COMMANDS:
            return None
        return import_module(f"forecasting.app.commands.{name}").command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest command in the message."""
        from forecasting.app.validation import did_you_mean

        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            raise click.UsageError(f"There is no command {name!r}. {did_you_mean(name, COMMANDS)}", context)
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of `--help`, without importing a single command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(  # type: ignore[override]  # it never returns
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Runs a command line; always ends in SystemExit with a code of the contract."""
        arguments = list(sys.argv[1:] if args is None else args)
        console = Console(json_output="--json" in arguments)
        stdout = sys.stdout
        if console.json_output:
            sys.stdout = sys.stderr  # whatever a library prints must not spoil the document
        try:
            result = super().main(arguments, prog_name, **{**extra, "standalone_mode": False, "obj": console})
            code = ExitCode(result) if isinstance(result, int) else ExitCode.DONE
            stdout.flush()
        except BaseException as error:
            code = end(error, console, _command_in(arguments))
        finally:
            sys.stdout = stdout
        sys.exit(int(code))


def end(error: BaseException, console: Console, command: str) -> ExitCode:
    """Where every error ends: one line on stderr, with --json a document, a file for what nobody expected."""
    if isinstance(error, SystemExit):
        return ExitCode(error.code) if isinstance(error.code, int) and error.code in range(6) else ExitCode.ERROR
    if interruption.is_told():  # whatever else a library made of it
        error = KeyboardInterrupt()
    if isinstance(error, BrokenPipeError):
        return _closed_pipe()
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return ExitCode.USAGE
    message, remedy, code = _said(error, console, command)
    console.error(f"{message} {remedy}".strip())
    console.document(command, {"error": {"message": message, "remedy": remedy}, "exit_code": int(code)})
    return code


def _said(error: BaseException, console: Console, command: str) -> tuple[str, str, ExitCode]:
    """Message, remedy and exit code."""
    if isinstance(error, ForecastingError):
        return _sentence(error.message), error.remedy, error.exit_code
    if isinstance(error, click.ClickException):
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "forecasting"
        return _sentence(error.format_message()), f"See `{path} --help`.", ExitCode.USAGE
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return "Interrupted.", "What was published before still stands.", ExitCode.ERROR
    unexpected = console.unexpected(error, command)
    return unexpected.message, unexpected.remedy, unexpected.exit_code


def _closed_pipe() -> ExitCode:
    """The reader went away (`| head`): no error, and nothing more to say, not even when Python exits."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.DONE


def _command_in(arguments: Sequence[str]) -> str:
    """The command's name as the documents give it, for errors before or inside it."""
    words = [
        word
        for before, word in zip(("", *arguments), arguments, strict=False)
        if not word.startswith("-") and before not in ("--config", "--warehouse")
    ]
    if not words or words[0] not in COMMANDS:
        return "forecasting"
    return " ".join(words[:2]) if words[0] in ("db", "alerts") or tuple(words[:2]) in _INNER else words[0]


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="forecasting")
@global_options
@click.pass_context
def cli(context: click.Context) -> None:
    """What a shop's customers want next, how much of each item will sell, who is about to leave, when each order
    arrives: learned from the shop's own SQL warehouse and written back into it.

    Configured by forecasting.toml, then FORECASTING_* variables, then options.
    Exit codes: 0 done, 1 error, 2 usage or configuration, 3 gate failed and fallback rows published, 4 data broke its
    contract, 5 the slot is running or done.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the program, and of the workers of a scheduler."""
    signal.signal(signal.SIGTERM, _terminate)
    stopping.listen()
    catch_threads()
    try:
        cli(arguments, prog_name="forecasting")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # all is done: the exit code says how, not the signal


def _terminate(number: int, frame: Any) -> None:
    """Ends the command as Ctrl-C does, once: a second signal must not cut short how claims are released and files are
    closed."""
    signal.signal(number, signal.SIG_IGN)
    interruption.stop()


if __name__ == "__main__":
    main()
