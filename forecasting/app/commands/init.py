"""`forecasting init`: a commented configuration to start from; with a warehouse, one that knows its tables."""

from __future__ import annotations

import os
from pathlib import Path

import click

from forecasting.app.config import DEFAULT_FILE, PREFIX
from forecasting.app.console import Console
from forecasting.app.options import chosen, console_of, global_options
from forecasting.app.template import TEMPLATE
from forecasting.schema import ConfigurationError


@click.command("init")
@click.option(
    "--from",
    "source",
    metavar="NAME|URL",
    help="Warehouse with the shop's own tables, to look at: a SQLAlchemy URL or, with --force, a name from the file.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@global_options
@click.pass_context
def command(context: click.Context, source: str | None, force: bool) -> None:
    """Write a commented forecasting.toml.

    Given a warehouse, by --from or by --warehouse, it looks at the tables there and proposes which of them are
    customers, items, orders and so on, column by column: what it is sure of is in force, what it guesses is commented
    out, and each line says why. It reads the first thousand rows of a table, tries keys and joins, takes ten seconds
    for one statement at most, and writes nothing there. With both options, --warehouse is where results go. A URL that
    holds a password stays out of the file, which names a variable instead.

    Without a warehouse everything in the file is a default or a comment; no database is touched. `--config` names
    another file.
    """
    options, console = chosen(context), console_of(context)
    file = Path(options.get("config", DEFAULT_FILE))
    if file.exists() and not force:
        raise ConfigurationError(f"{file} exists already.", remedy="`forecasting init --force` replaces it.")
    results = options.get("warehouse") or os.environ.get(f"{PREFIX}WAREHOUSE") or None
    if source or results:
        _look(source, results, file, console)
        return
    _write(file, TEMPLATE)
    console.say(f"Wrote {file}. Say in it where your data stands, then try `forecasting check`.")
    console.document("init", {"file": file})


def _look(source: str | None, results: str | None, file: Path, console: Console) -> None:
    from forecasting.app.looking.findings import ours, said, to_json
    from forecasting.app.looking.look import look
    from forecasting.app.looking.place import opened
    from forecasting.app.looking.readiness import readiness
    from forecasting.app.looking.writing import plain, written

    found = opened(source, results, file, console)
    try:
        seen = None
        if found.warehouse is not None:
            with console.progress() as progress:
                progress("looking at tables", 0, 0)
                seen = look(found.warehouse, ours(found.workspace))
        if seen is None or not seen.tables:
            _write(file, plain(found.place))
            where = f"{found.place.address} holds no tables of a shop" if seen else "There is no database yet"
            console.say(f"Wrote {file}. {where}: say in it where your data stands, then try `forecasting check`.")
            console.document("init", {"file": file, "tables": 0, "sources": [], "tasks": []})
            return
        tasks = {name: found.workspace.task(name) for name in found.workspace.task_classes}
        ready = [readiness(name, task, seen.proposals) for name, task in tasks.items()]
        _write(file, written(seen, found.place, tasks, ready))
        said(console, file, seen, found.place, ready)
        console.document("init", to_json(file, seen, found.place, ready))
    finally:
        found.workspace.close()


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}.") from None
