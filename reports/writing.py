"""Files that appear whole or not at all: written in a hidden directory beside, flushed, then renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forecasting.schema import ForecastingError


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
        aside = Path(tempfile.mkdtemp(prefix=".report-", dir=directory))
    except OSError as error:
        raise ForecastingError(
            f"reports cannot be written to {directory}: {error.strerror}.", remedy="Check the setting `var`."
        ) from error
    try:
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
