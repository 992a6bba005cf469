"""Options that every command takes, before or after the command's name, and the workspace they lead to."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forecasting.app.console import Console

if TYPE_CHECKING:
    pass

_META = "forecasting.options"


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    chosen = context.find_root().meta.setdefault(_META, {})
    if value is not None and value is not False:
        chosen[parameter.name] = value


GLOBAL_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("--config",),
        {
            "type": click.Path(dir_okay=False, path_type=Path),
            "help": "Configuration file.  [default: ./forecasting.toml where there is one]",
        },
    ),
    (
        ("--warehouse",),
        {
            "metavar": "NAME|URL",
            "help": "Results warehouse: a name from the file or a SQLAlchemy URL.  [default: SQLite below var/]",
        },
    ),
    (("--json",), {"is_flag": True, "help": "Print one JSON document on stdout and nothing else there."}),
    (("-v", "--verbose"), {"is_flag": True, "help": "Log more, to stderr."}),
    (("-q", "--quiet"), {"is_flag": True, "help": "Log warnings only, and draw no progress bars."}),
)


def global_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that every command has; `chosen` reads them back, the later one winning."""
    for names, settings in reversed(GLOBAL_OPTIONS):
        command = click.option(*names, expose_value=False, callback=_remember, **settings)(command)
    return command


def chosen(context: click.Context) -> dict[str, Any]:
    """The global options given, by name."""
    return context.find_root().meta.setdefault(_META, {})


def console_of(context: click.Context) -> Console:
    """The command's console, at the log level that the options ask for."""
    console, options = context.find_root().obj, chosen(context)
    console.quiet = "quiet" in options
    console.set_level("debug" if options.get("verbose") else "warning" if options.get("quiet") else "info")
    return console


def with_workspace(function: Callable[..., Any]) -> Callable[..., Any]:
    """Passes a Workspace as the first argument, and closes it at the end."""

    @click.pass_context
    @functools.wraps(function)
    def wrapper(context: click.Context, *args: Any, **kwargs: Any) -> Any:
        from forecasting.app.workspace import Workspace

        workspace = Workspace(configuration_of(context), console_of(context))
        try:
            return function(workspace, *args, **kwargs)
        finally:
            workspace.close()

    return wrapper


def configuration_of(context: click.Context) -> Any:
    """The configuration that file, variables and global options amount to; sets the console's log level."""
    import logging

    from forecasting.app import config
    from forecasting.app.secret import learn_configured

    options, console = chosen(context), console_of(context)
    configuration = config.load(options.get("config"), warehouse=options.get("warehouse"))
    learn_configured(configuration, console.scrubber)
    given = "debug" if options.get("verbose") else "warning" if options.get("quiet") else None
    console.set_level(given or configuration.settings.log_level, configuration.settings.log_format)
    console.logs = configuration.var / "logs"
    for warning in config.warnings(configuration):
        logging.getLogger(__name__).warning(warning)
    return configuration


class InstantType(click.ParamType):
    """A point in time as `datetime64[us]`, UTC; a bare date is its first instant."""

    name = "time"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """Raises a usage error for anything but ISO 8601 or "now"."""
        import numpy as np

        from forecasting.clock import instant
        from forecasting.schema import ConfigurationError

        if isinstance(value, np.datetime64):
            return value
        try:
            return instant(value)
        except ConfigurationError as error:
            self.fail(str(error), parameter, context)


INSTANT = InstantType()

__all__ = ["GLOBAL_OPTIONS", "INSTANT", "chosen", "configuration_of", "console_of", "global_options", "with_workspace"]
