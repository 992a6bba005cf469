"""All that a run imports, torch too: the fork server of a soak begins with it, where that of a user leaves torch to the
workers that train. A soak starts a thousand workers and has no time to lose."""

import gc
import importlib
import pkgutil

from forecasting.discovery import task_classes

importlib.import_module("forecasting.app.commands.run")
for _one in task_classes().values():
    _package = _one.__module__.rpartition(".")[0]
    for _module in pkgutil.iter_modules(importlib.import_module(_package).__path__, f"{_package}."):
        if not _module.ispkg:
            importlib.import_module(_module.name)
importlib.import_module("reports.rendering")
gc.freeze()  # a collection in a worker would copy every page
