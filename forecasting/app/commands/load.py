"""`forecasting load`: files into canonical source tables."""

from __future__ import annotations

from pathlib import Path

import click

from forecasting.app.loading import load_files
from forecasting.app.options import global_options, with_workspace
from forecasting.app.workspace import Workspace


def _pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """NAME=THEIRS options as {name: theirs}. Raises a usage error for anything else."""
    pairs = {}
    for value in values:
        name, equals, theirs = value.partition("=")
        if not (name and equals and theirs):
            raise click.BadParameter(f"{value!r} is not of the form NAME=THEIRS.", context, parameter)
        pairs[name] = theirs
    return pairs


@click.command("load")
@click.argument("source")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=THEIRS",
    callback=_pairs,
    help="What the files call a canonical column, such as --column quantity=units. May be repeated.",
)
@click.option("--timezone", default="UTC", show_default=True, metavar="ZONE", help="Time zone of times without one.")
@global_options
@with_workspace
def command(workspace: Workspace, source: str, files: tuple[Path, ...], columns: dict[str, str], timezone: str) -> None:
    """Load FILEs (CSV, CSV.GZ, Parquet) into the canonical table SOURCE of the results warehouse.

    SOURCE is one of customers, items, locations, interactions, orders, order_events, order_lines, sales, stock,
    supply, calendar and weather. Rows with a key that is there already are replaced where the source has a key, else
    rows are appended. A file that was loaded before is refused. Each file is one transaction; rows that break the
    contract go to `quarantine` with a reason, and too many of them refuse the file (exit code 4).
    """
    loaded = load_files(workspace, source, files, columns=columns, timezone=timezone)
    console = workspace.console
    console.table(
        ["file", "rows", "inserted", "replaced", "quarantined"],
        [[file.file, file.rows, file.inserted, file.replaced, file.quarantined] for file in loaded],
    )
    console.document("load", {"source": source, "files": [vars(file) for file in loaded]})
