"""Files that appear whole or not at all: written in a hidden directory beside, flushed, then renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from forecasting.schema import ForecastingError

_PREFIX = ".report-"

_DEAD_AFTER_SECONDS = 3600.0
"""Age from which what was begun aside is no longer being written: its writer was killed."""


class Shelf:
    """Where one report's files are made. `path(name)` is where to write; `names` is their order of appearance."""

    def __init__(self, aside: Path):
        self.aside = aside
        self.names: list[str] = []

    def path(self, name: str) -> Path:
        """The place to write a file that shall appear under this name."""
        self.names.append(name)
        return self.aside / name


@contextmanager
def written_aside(directory: Path) -> Iterator[Shelf]:
    """A shelf whose files are renamed into `directory` at the end, in the order in which they were asked for; on any
    error none appears and the earlier ones stay. Raises ForecastingError where the directory cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=directory))
    except OSError as error:
        raise ForecastingError(
            f"reports cannot be written to {directory}: {error.strerror}.", remedy="Check the setting `var`."
        ) from error
    try:
        _clear_dead(aside)
        shelf = Shelf(aside)
        yield shelf
        for name in shelf.names:
            with (aside / name).open("rb") as file:
                os.fsync(file.fileno())
        for name in shelf.names:
            (aside / name).replace(directory / name)
    except OSError as error:
        raise ForecastingError(f"reports cannot be written to {directory}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _clear_dead(aside: Path) -> None:
    """Deletes what writers that were killed have left beside a directory just begun, whose time is now."""
    with suppress(OSError):
        dead = aside.stat().st_mtime - _DEAD_AFTER_SECONDS
        for other in aside.parent.glob(f"{_PREFIX}*"):
            if not other.is_symlink() and other.stat().st_mtime < dead:
                shutil.rmtree(other, ignore_errors=True)
