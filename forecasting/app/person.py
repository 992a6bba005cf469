"""Who sits at the keyboard, for ledgers that remember who decided."""

from __future__ import annotations

import getpass

from forecasting.schema import ConfigurationError


def user() -> str:
    """The user's name. Raises ConfigurationError where the system knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may run as nobody that it knows
        raise ConfigurationError("It is not known who you are.", remedy="Say it with --by NAME.") from None
