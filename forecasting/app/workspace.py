"""What a command works with: the configuration brought to life as open warehouses, built tasks and directories.

Nothing is opened or imported before it is asked for, so `--help` and `init` stay quick and need no database.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from forecasting.app.config import DEFAULT_WAREHOUSE, Configuration, JobConfig, TaskConfig, WarehouseConfig
from forecasting.app.console import Console
from forecasting.app.secret import read_secret
from forecasting.app.validation import build, did_you_mean
from forecasting.schema import SOURCES, ConfigurationError, SourceNeed

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from db.engines import Role, Warehouse
    from db.mapping import SourceMapping
    from forecasting.task import Task


class Workspace:
    """One configuration in use. Close it when done: it holds the connections."""

    def __init__(self, configuration: Configuration, console: Console):
        self.configuration = configuration
        self.console = console
        self._open: dict[tuple[str, str], Warehouse] = {}
        self._prepared = False
        _limit_threads(configuration.settings.threads)

    # -- directories ------------------------------------------------------------------------------------------

    @property
    def var(self) -> Path:
        """Directory of everything written outside a warehouse."""
        return self.configuration.var

    @property
    def artifacts(self) -> Path:
        """Where models are stored."""
        return self.var / "artifacts"

    @property
    def reports(self) -> Path:
        """Where reports are written: one directory for each configured task."""
        return self.var / "reports"

    @property
    def checkpoints(self) -> Path:
        """Where a killed training resumes from."""
        return self.var / "checkpoints"

    # -- tasks ------------------------------------------------------------------------------------------------

    @cached_property
    def task_classes(self) -> dict[str, type[Task]]:
        """Installed task classes by type."""
        from forecasting.discovery import task_classes

        return task_classes()

    @cached_property
    def tasks(self) -> dict[str, TaskConfig]:
        """Tasks by name: those of the file, or every installed one with default options where it names none."""
        if self.configuration.tasks:
            return dict(self.configuration.tasks)
        return {name: TaskConfig(name, name) for name in self.task_classes}

    def task_config(self, name: str) -> TaskConfig:
        """The configured task, or the installed one of that type with default options."""
        if name in self.tasks:
            return self.tasks[name]
        if name in self.task_classes:
            return TaskConfig(name, name)
        raise ConfigurationError(
            f"There is no task {name!r}.", remedy=did_you_mean(name, {*self.tasks, *self.task_classes})
        )

    def task(self, name: str) -> Task:
        """The task with its checked options; a new object each time. Where it has a time zone and the file gives it
        none, it lives in that of its main source."""
        config = self.task_config(name)
        task_class = self.task_class(name)
        task = task_class(build(task_class.Options, config.options, config.where))
        if "timezone" in config.options or not hasattr(task.options, "timezone"):
            return task
        main = next((need.source for need in task.needs() if need.main), "")
        source = self.configuration.sources.get(main)
        options = {**config.options, "timezone": source.timezone if source else "UTC"}
        return task_class(build(task_class.Options, options, config.where))

    def task_class(self, name: str) -> type[Task]:
        """The class behind a configured task."""
        config = self.task_config(name)
        if config.type not in self.task_classes:
            raise ConfigurationError(
                f"{config.where}: no task of type {config.type!r} is installed.",
                remedy=did_you_mean(config.type, self.task_classes)
                if config.name != config.type
                else f"Add `type = ...` to say which task it is. {did_you_mean(config.type, self.task_classes)}",
            )
        return self.task_classes[config.type]

    def job(self, name: str) -> JobConfig:
        """A configured job."""
        jobs = self.configuration.jobs
        if name not in jobs:
            raise ConfigurationError(
                f"There is no job {name!r}.",
                remedy=did_you_mean(name, jobs)
                if jobs
                else f"Add a table [jobs.{name}] to {self.configuration.label}.",
            )
        return jobs[name]

    def check_job(self, name: str) -> None:
        """Refuse a job whose task, report or time is not what the configuration knows."""
        job, where = self.job(name), f"{self.configuration.label}: [jobs.{name}]"
        if job.task is not None:
            self.task(job.task)
        if job.report not in (None, "all"):
            specs = {task: self.task_class(task).spec for task in {*self.tasks, *self.task_classes}}
            known = {"all", *specs, *(report.name for spec in specs.values() for report in spec.reports)}
            if job.report not in known:
                raise ConfigurationError(
                    f"{where}: there is no report {job.report!r}.", remedy=did_you_mean(str(job.report), known)
                )

    # -- warehouses -------------------------------------------------------------------------------------------

    @property
    def results_name(self) -> str:
        """Name of the results warehouse: the chosen one, or "results"."""
        chosen = self.configuration.warehouse
        return chosen if chosen and "://" not in chosen else DEFAULT_WAREHOUSE

    def results(self, *, prepare: bool = True) -> Warehouse:
        """The warehouse that the suite writes. `prepare`: bring the tables into a new one, refuse an outdated one."""
        warehouse = self._opened(self.results_name, "results")
        if prepare and not self._prepared:
            from forecasting.app.migrating import prepare as prepare_schema

            prepare_schema(self, warehouse)
            self._prepared = True
        return warehouse

    def mappings(self, sources: Iterable[str]) -> dict[str, SourceMapping]:
        """Where the configured ones among these sources stand, and what their columns are called there."""
        from db.mapping import SourceMapping

        found = {}
        for name in sources:
            config = self.configuration.sources.get(name)
            if config is not None:
                found[name] = SourceMapping(
                    name,
                    config.warehouse,
                    table=config.table,
                    query=config.query,
                    columns=dict(config.columns),
                    timezone=config.timezone,
                )
        return found

    def source_warehouses(self, sources: Iterable[str]) -> dict[str, Warehouse]:
        """The warehouses, opened read-only, that these sources are mapped to; the results warehouse aside."""
        opened = {}
        for source in sources:
            config = self.configuration.sources.get(source)
            name = config.warehouse if config else None
            if name is None or name == self.results_name:
                continue
            if name not in self.configuration.warehouses and name != DEFAULT_WAREHOUSE:
                raise ConfigurationError(
                    f"{self.configuration.label}: [sources.{source}] names the warehouse {name!r}, which is no table "
                    "of the file.",
                    remedy=did_you_mean(name, self.configuration.warehouses) or f"Add [warehouses.{name}].",
                )
            opened[name] = self._opened(name, "source")
        return opened

    def source(self, name: str) -> Warehouse:
        """One of the file's warehouses, opened read-only."""
        return self._opened(name, "source")

    def check_sources(self) -> None:
        """Refuse a `[sources.NAME]` that nothing reads."""
        for name in self.configuration.sources:
            if name not in SOURCES:
                raise ConfigurationError(
                    f"{self.configuration.label}: [sources.{name}] is no source that the suite knows.",
                    remedy=did_you_mean(name, SOURCES),
                )

    def close(self) -> None:
        """Close every connection."""
        for warehouse in self._open.values():
            warehouse.close()
        self._open.clear()

    def _opened(self, name: str, role: Role) -> Warehouse:
        if (name, role) not in self._open:
            from db.engines import open_warehouse

            self._open[name, role] = open_warehouse(self._url(name), name=name, role=role)
        return self._open[name, role]

    def _url(self, name: str) -> URL:
        chosen = self.configuration.warehouse
        if chosen and "://" in chosen and name == DEFAULT_WAREHOUSE:
            return self._parsed(chosen, Path(), "--warehouse")
        config = self.configuration.warehouses.get(name)
        if config is not None:
            where = f"{self.configuration.label}: [warehouses.{name}]"
            return self._parsed(self._text_of(config, where), self.configuration.base, where)
        if name == DEFAULT_WAREHOUSE:
            return self._parsed(f"sqlite:///{(self.var / 'warehouse.db').as_posix()}", Path(), "the default warehouse")
        raise ConfigurationError(
            f"There is no warehouse {name!r}.",
            remedy="Give a SQLAlchemy URL such as sqlite:///var/warehouse.db, or a name from "
            f"{self.configuration.label}. {did_you_mean(name, self.configuration.warehouses)}".strip(),
        )

    def _text_of(self, config: WarehouseConfig, where: str) -> str:
        if config.url is not None:
            return config.url
        return read_secret(self.configuration, config.url_env, config.url_file, where=where, what="the warehouse's URL")

    def _parsed(self, text: str, base: Path, where: str) -> URL:
        """The URL, its secrets learned, a relative SQLite file taken from `base`."""
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        self.console.scrubber.learn(text)
        if text.startswith("postgres://"):
            text = text.replace("postgres://", "postgresql://", 1)
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):  # the message would repeat the text, password included
            raise ConfigurationError(
                f"{where}: this is no SQLAlchemy URL.",
                remedy="It looks like postgresql+psycopg://USER@HOST/DATABASE or sqlite:///FILE.",
            ) from None
        if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
            url = url.set(database=str(base / Path(url.database).expanduser()))
        return url


def source_names(needs: Sequence[SourceNeed]) -> list[str]:
    """Every source that needs may read, in their order, those read instead of an absent one too."""
    return list(dict.fromkeys(name for need in needs for name in (need.source, *need.instead)))


def now() -> dt.datetime:
    """The wall clock, in UTC; the one place where the app asks for it."""
    return dt.datetime.now(dt.UTC)


def _limit_threads(count: int) -> None:
    """Compute with so many threads: torch's default, one for each core, makes small networks wait for each other."""
    os.environ["OMP_NUM_THREADS"] = str(count)  # read when torch is imported, which most commands never do
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
