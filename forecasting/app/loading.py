"""`forecasting load`: files into the canonical tables of the results warehouse, one transaction a file."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from db.load import Loaded, load_file
from forecasting.app.names import is_file
from forecasting.app.validation import did_you_mean
from forecasting.app.workspace import Workspace
from forecasting.schema import SOURCES, ConfigurationError

log = logging.getLogger(__name__)


def load_files(
    workspace: Workspace,
    source: str,
    files: Sequence[Path],
    *,
    columns: Mapping[str, str] | None = None,
    timezone: str = "UTC",
) -> list[Loaded]:
    """Loads files in their order; what was loaded before one that fails stays.

    `columns`: what the files call the canonical columns, {canonical: theirs}. `timezone`: of times without a zone.
    Raises ConfigurationError, DataError.
    """
    if source not in SOURCES:
        raise ConfigurationError(f"There is no source {source!r}.", remedy=did_you_mean(source, SOURCES))
    for file in files:
        if not is_file(file):
            raise ConfigurationError(f"There is no file {file}.")
    config = workspace.configuration.sources.get(source)
    if config is not None and (config.warehouse or config.table or config.query):
        log.warning("[sources.%s] reads from elsewhere: what is loaded here will not be read", source)
    warehouse = workspace.results()
    limit = workspace.configuration.settings.quarantine_limit
    loaded = []
    for file in files:
        loaded.append(
            load_file(warehouse, SOURCES[source], file, columns=columns, timezone=timezone, limit_share=limit)
        )
    return loaded
