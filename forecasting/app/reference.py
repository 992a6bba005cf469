"""Writes docs/COMMANDS.md from the commands themselves: `python -m forecasting.app.reference > docs/COMMANDS.md`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import fields

import click

from forecasting.app.config import PREFIX, Settings
from forecasting.app.main import cli
from forecasting.app.options import GLOBAL_OPTIONS

_GLOBAL = {name for names, _ in GLOBAL_OPTIONS for name in names}

_HEAD = """\
# Commands

Made from the commands themselves by `make docs`; a test keeps it true. `forecasting COMMAND --help` says the same.

Every command ends with one of these exit codes:

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | error; for `status` something is stale, for `db current` revisions are missing |
| 2 | usage or configuration |
| 3 | the gate failed, and fallback rows were published |
| 4 | data broke its contract |
| 5 | the slot is running or done |

With `--json` a command prints one document on stdout, `{"version": 1, "command": ..., ...}`; where it fails, the
document holds `error` (`message`, `remedy`) and `exit_code`. Progress and logs go to stderr, in every case.
"""


def reference() -> str:
    """The whole page as Markdown."""
    context = cli.make_context("forecasting", [], resilient_parsing=True)
    parts = [_HEAD, "## Options of every command\n", _options(cli, context, everything=True)]
    parts += [_section(command, inner) for command, inner in _commands(cli, context)]
    parts += ["## Variables\n", _variables()]
    return "\n".join(parts)


def _commands(group: click.Group, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield command, inner
        if isinstance(command, click.Group):
            yield from _commands(command, inner)


def _section(command: click.Command, context: click.Context) -> str:
    usage = " ".join([context.command_path, *(piece for piece in command.collect_usage_pieces(context))])
    text = inspect.cleandoc(command.help or "")
    own = _options(command, context)
    return f"## {context.command_path}\n\n```\n{usage}\n```\n\n{text}\n" + (f"\n{own}" if own else "")


def _options(command: click.Command, context: click.Context, *, everything: bool = False) -> str:
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or (not everything and set(parameter.opts) & (_GLOBAL | {"-h", "--help"})):
            continue
        rows.append(f"| `{_cell(record[0])}` | {_cell(record[1])} |")
    return "\n".join(["| option | meaning |", "| --- | --- |", *rows, ""]) if rows else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _variables() -> str:
    rows = [
        (f"{PREFIX}CONFIG", "the configuration file, as `--config`"),
        (f"{PREFIX}WAREHOUSE", "the results warehouse, as `--warehouse`"),
        *(
            (f"{PREFIX}{field.name.upper()}", _setting(field.metadata["help"], field.default))
            for field in fields(Settings)
        ),
        (
            f"{PREFIX}TABLE__NAME__KEY",
            f"any key of `[TABLE.NAME]`, as TOML or a bare word: `{PREFIX}TASKS__DEMAND__HORIZON=14`",
        ),
    ]
    return "\n".join(
        [
            "They win over the file, and options win over them. Those of `[settings]` have the same name there.\n",
            "| variable | meaning |",
            "| --- | --- |",
            *(f"| `{name}` | {_cell(meaning)} |" for name, meaning in rows),
            "",
        ]
    )


def _setting(meaning: str, default: object) -> str:
    return f"{meaning} (default: {default!r})" if default != "" else meaning


if __name__ == "__main__":
    sys.stdout.write(reference())
