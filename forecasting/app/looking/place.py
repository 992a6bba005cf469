"""Where the shop's tables stand that `init` is to look at, opened, and what the file says of it. Secrets stay out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from db.engines import Warehouse
from forecasting.app.config import DEFAULT_WAREHOUSE, PREFIX, Configuration, WarehouseConfig, load
from forecasting.app.console import Console
from forecasting.app.looking.writing import Place
from forecasting.app.scrubbing import SECRET_PARAMETERS
from forecasting.app.validation import did_you_mean
from forecasting.app.workspace import Workspace
from forecasting.schema import ConfigurationError

SHOP = "shop"
"""What a warehouse is called that is given by its URL."""


@dataclass(frozen=True)
class Opened:
    """The warehouse to look at, None where there is no database yet; its workspace, to be closed; and its place."""

    workspace: Workspace
    warehouse: Warehouse | None
    place: Place


def opened(source: str | None, results: str | None, file: Path, console: Console) -> Opened:
    """`source` and `results`: a URL, or a name from the file that stands there; without `source`, `results` is looked
    at. Raises ConfigurationError for a name that no file has and a database that is not there."""
    looked_at = source or results
    assert looked_at is not None
    named = [one for one in (source, results) if one and "://" not in one]
    before = load(file, environment=dict(os.environ), search=False) if named and file.is_file() else Configuration()
    warehouses = {name: _kept(one) for name, one in before.warehouses.items()}
    for name in named:
        if name not in before.warehouses:
            raise ConfigurationError(
                f"There is no warehouse {name!r}"
                + (f" in {file.name}." if file.is_file() else ": there is no file yet."),
                remedy=did_you_mean(name, before.warehouses) if before.warehouses else "Give its SQLAlchemy URL.",
            )
    name, variable = looked_at, ""
    environment = {**os.environ}
    if "://" in looked_at:
        name = SHOP
        warehouses[SHOP], variable = _written(looked_at, SHOP, file)
    if source and results and "://" in results:
        warehouses[DEFAULT_WAREHOUSE], _ = _written(results, DEFAULT_WAREHOUSE, file)
        console.scrubber.learn(results)
    urls = dict(before.warehouses)
    if "://" in looked_at:
        urls[name] = WarehouseConfig(url=_absolute(looked_at))
    workspace = Workspace(Configuration(warehouses=urls, file=before.file, environment=environment), console)
    console.scrubber.learn(looked_at)
    if _missing(looked_at):
        if source:
            workspace.source(name)  # says that there is no such file
        kept = {DEFAULT_WAREHOUSE: warehouses.pop(name)} | warehouses
        return Opened(workspace, None, Place(DEFAULT_WAREHOUSE, kept, "", variable))
    warehouse = workspace.source(name)
    same = warehouse.dialect == "postgresql"
    return Opened(workspace, warehouse, Place(name, warehouses, warehouse.address, variable, same))


def _written(url: str, name: str, file: Path) -> tuple[Mapping[str, str], str]:
    """The keys of [warehouses.NAME], and the variable that holds the URL where it has a secret in it."""
    if not _secret(url):
        return {"url": _relative(url, file)}, ""
    holder = next((n for n, held in os.environ.items() if held == url and not n.startswith(PREFIX)), None)
    variable = holder or f"{name.upper()}_URL"
    return {"url_env": variable}, variable


def _secret(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.password) or any(SECRET_PARAMETERS.search(key) for key, _ in parse_qsl(parts.query))
    except ValueError:
        return True  # what nobody can take apart may hold anything


def _kept(config: WarehouseConfig) -> Mapping[str, str]:
    keys = {"url": config.url, "url_env": config.url_env, "url_file": config.url_file}
    return {key: value for key, value in keys.items() if value is not None}


_SQLITE = "sqlite:///"


def _path(url: str) -> Path | None:
    """The file of a SQLite URL, None for any other."""
    scheme, _, rest = url.partition(":///")
    return Path(rest.partition("?")[0]).expanduser() if scheme.partition("+")[0] == "sqlite" and rest else None


def _missing(url: str) -> bool:
    path = _path(url)
    return path is not None and not path.exists()


def _absolute(url: str) -> str:
    path = _path(url)
    return url if path is None else f"{_SQLITE}{path.absolute().as_posix()}"


def _relative(url: str, file: Path) -> str:
    """As given where the file lies in the working directory: paths of a file are taken from its directory."""
    path = _path(url)
    if path is None or path.is_absolute() or file.absolute().parent == Path.cwd():
        return url
    return _absolute(url)
