"""Which code made a run's rows."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import logging
from collections.abc import Iterator
from pathlib import Path

from forecasting import __version__
from forecasting.task import Task

log = logging.getLogger(__name__)

_HOUSE = ("db", "forecasting")


@functools.cache
def code_version(task_class: type[Task]) -> str:
    """The suite's version and a hash of the sources that have a say in a task's rows, such as 1.2.0+3f2a9c1b7d4e.

    Those are the house's and the task's own, as they are installed: a checkout that was edited, a patched package and
    a plugin of another version all differ, where the version alone does not. Where sources cannot be read (a zipped
    application), the version stands alone.
    """
    digest = hashlib.sha256()
    try:
        for package in (*_HOUSE, task_class.spec.migrations.rpartition(".")[0]):
            for name, file in _sources(package):
                digest.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    except (OSError, ImportError, ValueError) as unreadable:
        log.debug("The sources cannot be read, so that the version alone says which code ran: %s", unreadable)
        return __version__
    return f"{__version__}+{digest.hexdigest()[:12]}"


def _sources(package: str) -> Iterator[tuple[str, Path]]:
    """A package's Python files, each with its path inside it, in the order of these."""
    spec = importlib.util.find_spec(package) if package else None
    for place in sorted((spec.submodule_search_locations or ()) if spec else ()):
        root = Path(place)
        for file in sorted(root.rglob("*.py")):
            yield f"{package}/{file.relative_to(root).as_posix()}", file
