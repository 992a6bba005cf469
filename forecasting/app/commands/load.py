"""`forecasting load`: files into canonical source tables."""

from __future__ import annotations

from pathlib import Path

import click

from forecasting.app.loading import load_files
from forecasting.app.options import global_options, with_workspace
from forecasting.app.workspace import Workspace


@click.command("load")
@click.argument("source")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@global_options
@with_workspace
def command(workspace: Workspace, source: str, files: tuple[Path, ...]) -> None:
    """Load FILEs (CSV, CSV.GZ, Parquet) into the canonical table SOURCE of the results warehouse.

    SOURCE is one of customers, items, locations, interactions, orders, order_events, order_lines, sales, stock,
    supply, calendar and weather. Rows with a key that is there already are replaced where the source has a key, else
    rows are appended. A file that was loaded before is refused. Each file is one transaction; rows that break the
    contract go to `quarantine` with a reason, and too many of them refuse the file (exit code 4).
    """
    loaded = load_files(workspace, source, files)
    console = workspace.console
    console.table(
        ["file", "rows", "inserted", "replaced", "quarantined"],
        [[file.file, file.rows, file.inserted, file.replaced, file.quarantined] for file in loaded],
    )
    console.document("load", {"source": source, "files": [vars(file) for file in loaded]})
