"""Secrets: read from a variable or a file that the configuration names, and kept out of all that is printed."""

from __future__ import annotations

from forecasting.app.config import Configuration
from forecasting.schema import ConfigurationError


def read_secret(configuration: Configuration, variable: str | None, file: str | None, *, where: str, what: str) -> str:
    """The text of the variable, or of the file (taken from the configuration's directory) where none is named.

    `what` is what it holds, in words ("the warehouse's URL"). Raises ConfigurationError naming `where`, for one that
    is not set, empty or out of reach; never with the text itself.
    """
    if variable is not None:
        value = configuration.environment.get(variable, "").strip()
        if not value:
            raise ConfigurationError(f"{where}: the variable {variable} is not set.", remedy=f"Set it to {what}.")
        return value
    path = configuration.path(file or "")
    try:
        value = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{where}: the file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{where}: the file {path} is no UTF-8 text.") from None
    if not value:
        raise ConfigurationError(f"{where}: the file {path} is empty.", remedy=f"Write {what} into it.")
    return value
