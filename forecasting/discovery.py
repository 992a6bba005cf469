"""Tasks are found, never listed: a stranger's package registers as the built-in ones do.

In its `pyproject.toml`::

    [project.entry-points."forecasting.tasks"]
    advertising = "my_package:AdvertisingTask"
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from forecasting.schema import ConfigurationError
from forecasting.task import Task

GROUP = "forecasting.tasks"


def task_classes() -> dict[str, type[Task]]:
    """Every registered task class by its `spec.name`, in the order of names.

    Raises ConfigurationError where a package cannot be imported or two register the same name.
    """
    classes: dict[str, type[Task]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        task_class = _load(entry)
        name = task_class.spec.name
        if classes.get(name, task_class) is not task_class:
            raise ConfigurationError(
                f"Two packages register a task named {name!r}: {_where(classes[name])} and {entry.value}.",
                remedy="Uninstall one of them.",
            )
        classes[name] = task_class
    return classes


def _load(entry: EntryPoint) -> type[Task]:
    try:
        task_class = entry.load()
        _ = task_class.spec.name
    except Exception as error:  # whatever a stranger's module does on import
        raise ConfigurationError(
            f"The task {entry.name!r} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}.",
            remedy="Reinstall or uninstall the package that registers it.",
        ) from error
    return task_class


def _where(task_class: type[Task]) -> str:
    return f"{task_class.__module__}:{task_class.__qualname__}"
