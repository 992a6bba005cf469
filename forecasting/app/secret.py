"""Secrets: read from a variable or a file that the configuration names, and kept out of all that is printed."""

from __future__ import annotations

from forecasting.app.channels.hiding import SECRET_KEYS, hide, hide_written
from forecasting.app.config import Configuration
from forecasting.app.scrubbing import Scrubber
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


def learn_configured(configuration: Configuration, scrubber: Scrubber) -> None:
    """Makes the scrubber know every secret of the configuration before anything is done with it: an old error in a
    ledger may quote the password of a warehouse that this command never opens. What is out of reach is left alone."""
    chosen = configuration.warehouse or ""
    scrubber.learn(chosen if "://" in chosen else f"url://{chosen}")  # a URL whose beginning was forgotten, too
    for warehouse in configuration.warehouses.values():
        scrubber.learn(warehouse.url or _text_of(configuration, warehouse.url_env, warehouse.url_file))
    for channel in configuration.alerts.values():
        hide_written(scrubber, channel)
        for key in SECRET_KEYS:
            text = _text_of(configuration, getattr(channel, f"{key}_env", None), getattr(channel, f"{key}_file", None))
            if text:
                hide(scrubber, key, text)


def _text_of(configuration: Configuration, variable: str | None, file: str | None) -> str:
    """The secret, or nothing."""
    if variable is None and file is None:
        return ""
    try:
        return read_secret(configuration, variable, file, where="", what="")
    except ConfigurationError:
        return ""
