"""`forecasting init`: a commented configuration to start from."""

from __future__ import annotations

from pathlib import Path

import click

from forecasting.app.config import DEFAULT_FILE
from forecasting.app.options import chosen, console_of, global_options
from forecasting.app.template import TEMPLATE
from forecasting.schema import ConfigurationError


@click.command("init")
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@global_options
@click.pass_context
def command(context: click.Context, force: bool) -> None:
    """Write a commented forecasting.toml.

    Everything in it is a default or a comment: uncomment what differs in your shop. `--config` names another file.
    It asks nothing and touches no database.
    """
    file = Path(chosen(context).get("config", DEFAULT_FILE))
    if file.exists() and not force:
        raise ConfigurationError(f"{file} exists already.", remedy="`forecasting init --force` replaces it.")
    try:
        file.write_text(TEMPLATE, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}.") from None
    console = console_of(context)
    console.say(f"Wrote {file}. Say in it where your data stands, then try `forecasting check`.")
    console.document("init", {"file": file})
