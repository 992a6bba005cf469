"""Names that people give to tasks, jobs, channels and warehouses: they end up in tables, logs, labels and, those of
tasks, in paths."""

from __future__ import annotations

import re
from pathlib import Path

from forecasting.schema import ConfigurationError

LONGEST = 100
"""Characters of a name; with it a file system still has room for the rest of a path."""

PATH = re.compile(r"\w[\w.-]*")
"""A name that is a directory of its own on every system, and leads nowhere else."""

_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def check_name(name: str, where: str, *, path: bool = False) -> None:
    """Raises ConfigurationError for a name that no table, log line or label could show as it is; with `path` also for
    one that cannot be a directory."""
    if not name or len(name) > LONGEST:
        raise ConfigurationError(f"{where}: a name has 1 to {LONGEST} characters, not {len(name):,}.")
    if not name.isprintable():
        raise ConfigurationError(f"{where}: the name holds signs that cannot be seen.", remedy="Choose another one.")
    if path and (not PATH.fullmatch(name) or name.endswith(".") or _DEVICES.fullmatch(name)):
        raise ConfigurationError(
            f"{where}: the name cannot be that of a directory, in which its reports and models stand.",
            remedy="Use letters, digits, dots, dashes and underscores; say with `type` which task it is.",
        )


def is_file(path: Path) -> bool:
    """Whether a file has that name; no name that a file system refuses has one."""
    try:
        return path.is_file()
    except OSError:  # such as one that is too long
        return False
