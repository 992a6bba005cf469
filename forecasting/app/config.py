"""The configuration: `forecasting.toml`, then `FORECASTING_*` variables, then options, as frozen dataclasses.

Relative paths and SQLite files named in the file are taken from the file's own directory, so that a cron line may be
started anywhere; those named by variables and options are taken from the working directory.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from forecasting.app.channels.configuration import ChannelConfig, channel_config, variables
from forecasting.app.cron import Cron
from forecasting.app.names import LONGEST, check_name, is_file
from forecasting.app.slots import IntervalSchedule, schedule_of
from forecasting.app.validation import build, did_you_mean
from forecasting.schema import ConfigurationError

DEFAULT_FILE = "forecasting.toml"
DEFAULT_WAREHOUSE = "results"
PREFIX = "FORECASTING_"
NAMED = ("warehouses", "sources", "tasks", "jobs", "alerts")
"""Tables that hold tables: `[jobs.NAME]`."""

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone of the IANA database, such as 'Europe/Berlin'") from None
    return name


def _cron(text: str) -> str:
    Cron.parse(text)
    return text


def _every(text: str) -> str:
    IntervalSchedule.parse(text)
    return text


Timezone = Annotated[str, AfterValidator(_timezone)]


@dataclass(frozen=True)
class Settings:
    """The table `[settings]`; every key can also be set as `FORECASTING_<KEY>` in upper case."""

    var: str = field(default="var", metadata={"help": "directory for everything written outside a warehouse"})
    seed: int = field(default=0, metadata={"help": "seed of training; the same seed gives the same model"})
    log_level: LogLevel = field(default="info", metadata={"help": "debug, info, warning or error"})
    log_format: LogFormat = field(
        default="text", metadata={"help": "text, or json: one object a line on stderr, for a collector of logs"}
    )
    quarantine_limit: Annotated[float, Field(ge=0, le=1)] = field(
        default=0.05, metadata={"help": "share of bad rows in a source above which a run stops with exit code 4"}
    )
    keep_runs: Annotated[int, Field(ge=1)] = field(
        default=30,
        metadata={
            "help": "published runs kept for each task, and as many of those never published; older rows are deleted"
        },
    )
    keep_artifacts: Annotated[int, Field(ge=1)] = field(
        default=10,
        metadata={"help": "stored models kept for each task; the champion and the one before it always stay"},
    )
    retrain_after_days: Annotated[float, Field(ge=0)] = field(
        default=7.0, metadata={"help": "age of the champion from which `--retrain auto` trains anew"}
    )
    drift_limit: Annotated[float, Field(ge=0)] = field(
        default=0.25,
        metadata={
            "help": "Population Stability Index from which a column has drifted and a full training is due; 0: none"
        },
    )
    lease_seconds: Annotated[float, Field(ge=5)] = field(
        default=120.0, metadata={"help": "how long a run that went silent keeps its slot"}
    )
    stale_after_hours: Annotated[float, Field(gt=0)] = field(
        default=36.0, metadata={"help": "age of published rows from which `status` calls a task without a job stale"}
    )
    source_stale_after_hours: Annotated[float, Field(gt=0)] = field(
        default=72.0, metadata={"help": "age of a source's newest row from which `status` calls the source stale"}
    )
    threads: Annotated[int, Field(ge=1)] = field(
        default=1, metadata={"help": "CPU threads of one training; its networks are small, so more help little"}
    )
    currency: str = field(default="", metadata={"help": "sign shown before amounts in reports, such as €"})


@dataclass(frozen=True)
class WarehouseConfig:
    """A table `[warehouses.NAME]`: a SQLAlchemy URL given directly, by a variable, or by a file that holds it."""

    url: str | None = field(default=None, repr=False)
    url_env: str | None = None
    url_file: str | None = None

    def __post_init__(self) -> None:
        given = [key for key in ("url", "url_env", "url_file") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ConfigurationError(
                f"give exactly one of url, url_env and url_file, not {' and '.join(given) if given else 'none'}."
            )


@dataclass(frozen=True)
class SourceConfig:
    """A table `[sources.NAME]`: where a source stands, and what its columns are called there ({canonical: theirs}).
    `stale_after_hours`: in the place of `source_stale_after_hours`, for one that is written more rarely."""

    warehouse: str | None = None
    table: str | None = None
    query: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    timezone: Timezone = "UTC"
    stale_after_hours: Annotated[float, Field(gt=0)] | None = None

    def __post_init__(self) -> None:
        if self.table is not None and self.query is not None:
            raise ConfigurationError("give either table or query, not both.")


@dataclass(frozen=True)
class TaskConfig:
    """A table `[tasks.NAME]`: which task it is, and its options as written; the task's own class checks them."""

    name: str
    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    where: str = "defaults"


@dataclass(frozen=True)
class JobConfig:
    """A table `[jobs.NAME]`: what is done, and the times at which it is due.

    What: exactly one of `task`, `report` (a report's or a task's name, or "all") and `alerts` (deliver what waits).
    When: `cron` (five fields in `timezone`) or `every` ("15m"); with `after` alone, at the slots of the jobs named
    there. A slot starts once the jobs in `after` are done with theirs, up to `jitter_seconds` late, at random. After
    an error (exit code 1) it is tried again `retries` times, `retry_wait_seconds` later and twice as long each time;
    after `timeout_minutes` it is stopped. Of several slots that are due `coalesce` runs the latest alone; one that is
    older than `grace_hours` is not run any more.
    """

    task: str | None = None
    report: str | None = None
    alerts: bool = False
    cron: Annotated[str, AfterValidator(_cron)] | None = None
    every: Annotated[str, AfterValidator(_every)] | None = None
    after: tuple[str, ...] = ()
    timezone: Timezone = "UTC"
    jitter_seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0
    retries: Annotated[int, Field(ge=0, le=100)] = 2
    retry_wait_seconds: Annotated[float, Field(ge=0)] = 60.0
    timeout_minutes: Annotated[float, Field(gt=0)] | None = None
    coalesce: bool = True
    grace_hours: Annotated[float, Field(gt=0)] = 24.0
    retrain_after_days: Annotated[float, Field(ge=0)] | None = None

    def __post_init__(self) -> None:
        what = [key for key in ("task", "report", "alerts") if getattr(self, key)]
        if len(what) != 1:
            given = " and ".join(what) if what else "none"
            raise ConfigurationError(f"give exactly one of task, report and alerts = true, not {given}.")
        if self.cron is not None and self.every is not None:
            raise ConfigurationError("give either cron or every, not both.")
        if self.cron is None and self.every is None and not self.after:
            raise ConfigurationError(
                "the key 'cron' is missing, or 'every' or 'after': one of them says when it is due.",
                remedy='Such as cron = "0 2 * * *", every = "15m", after = ["another job"].',
            )
        if self.retrain_after_days is not None and self.task is None:
            raise ConfigurationError("retrain_after_days is for jobs that run a task.")


@dataclass(frozen=True)
class Configuration:
    """All that was configured. `base`: the directory that relative paths of the file are taken from.

    `warehouse`: the name or URL chosen by option or variable, None for the default. `var`: the resolved directory.
    """

    settings: Settings = field(default_factory=Settings)
    warehouses: Mapping[str, WarehouseConfig] = field(default_factory=dict, repr=False)
    sources: Mapping[str, SourceConfig] = field(default_factory=dict)
    tasks: Mapping[str, TaskConfig] = field(default_factory=dict)
    jobs: Mapping[str, JobConfig] = field(default_factory=dict)
    alerts: Mapping[str, ChannelConfig] = field(default_factory=dict)
    file: Path | None = None
    var: Path = Path("var")
    warehouse: str | None = field(default=None, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def base(self) -> Path:
        return self.file.parent if self.file else Path()

    def path(self, text: str) -> Path:
        """A path of the file, taken from its directory."""
        return self.base / Path(text).expanduser()

    @property
    def label(self) -> str:
        """How messages call the file."""
        return self.file.name if self.file else "configuration"


def load(
    file: Path | None = None,
    *,
    warehouse: str | None = None,
    settings: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    search: bool = True,
) -> Configuration:
    """The configuration in force. `file`, `warehouse` and `settings` are what options said.

    Without `file` it is the one that FORECASTING_CONFIG names, else `./forecasting.toml` where there is one, else
    defaults alone: SQLite below `var/` and every installed task. `search` False: no file but `file`. Raises
    ConfigurationError naming file, table and key.
    """
    environment = dict(os.environ if environment is None else environment)
    if search:
        file = _find(file, environment)
    tables = _read(file) if file else {}
    label = file.name if file else "environment"
    _override(tables, environment, label)
    known = ("settings", *NAMED)
    for name, table in tables.items():
        if name not in known:
            raise ConfigurationError(f"{label}: unknown table [{name}].", remedy=did_you_mean(name, known))
        if not isinstance(table, dict):
            raise ConfigurationError(f"{label}: {name!r} must be a table.")

    jobs = {n: build(JobConfig, t, f"{label}: [jobs.{n}]") for n, t in _named(tables, "jobs", label)}
    _check_order(jobs, label)
    in_file = build(Settings, tables.get("settings", {}), f"{label}: [settings]")
    from_environment = _settings_of(environment)
    merged = _with(in_file, from_environment, "environment")
    merged = _with(merged, {k: v for k, v in (settings or {}).items() if v is not None}, "options")
    outside = "var" in from_environment or bool(settings and settings.get("var"))
    return Configuration(
        settings=merged,
        warehouses={
            n: build(WarehouseConfig, t, f"{label}: [warehouses.{n}]") for n, t in _named(tables, "warehouses", label)
        },
        sources={n: build(SourceConfig, t, f"{label}: [sources.{n}]") for n, t in _named(tables, "sources", label)},
        tasks={n: _task(n, t, f"{label}: [tasks.{n}]") for n, t in _named(tables, "tasks", label)},
        jobs=jobs,
        alerts={n: channel_config(t, f"{label}: [alerts.{n}]") for n, t in _named(tables, "alerts", label)},
        file=file,
        var=Path(merged.var) if outside or not file else file.parent / merged.var,
        warehouse=warehouse or environment.get(f"{PREFIX}WAREHOUSE") or None,
        environment=environment,
    )


def warnings(configuration: Configuration) -> list[str]:
    """`FORECASTING_*` variables that nothing reads, which is mostly a slip of the pen."""
    read = {f"{PREFIX}{item.name.upper()}" for item in fields(Settings)} | {f"{PREFIX}CONFIG", f"{PREFIX}WAREHOUSE"}
    read |= {warehouse.url_env for warehouse in configuration.warehouses.values() if warehouse.url_env}
    read |= {name for channel in configuration.alerts.values() for name in variables(channel)}
    unread = (n for n in configuration.environment if n.startswith(PREFIX) and n not in read and "__" not in n)
    return [f"The variable {name} is read by nothing. {did_you_mean(name, read)}" for name in sorted(unread)]


def _find(file: Path | None, environment: Mapping[str, str]) -> Path | None:
    named = file or (Path(environment[f"{PREFIX}CONFIG"]) if environment.get(f"{PREFIX}CONFIG") else None)
    if named is None:
        return Path(DEFAULT_FILE) if Path(DEFAULT_FILE).is_file() else None
    if not is_file(named):
        raise ConfigurationError(
            f"The configuration file {named} does not exist.", remedy="`forecasting init` writes one."
        )
    return named


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file.name} is no valid TOML: {error}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {type(error).__name__}.") from None


def _named(tables: Mapping[str, Any], kind: str, label: str) -> list[tuple[str, Mapping[str, Any]]]:
    for name, table in tables.get(kind, {}).items():
        if not isinstance(table, dict):
            raise ConfigurationError(
                f"{label}: [{kind}] holds {name!r}, which is no table.",
                remedy=f"Write [{kind}.NAME] and keys below it.",
            )
        shown = name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
        check_name(name, f"{label}: [{kind}] holds {shown!r}", path=kind == "tasks")
    return list(tables.get(kind, {}).items())


def _check_order(jobs: Mapping[str, JobConfig], label: str) -> None:
    """Refuse jobs that wait for what is not there, or for each other."""
    for name, job in jobs.items():
        for earlier in job.after:
            if earlier not in jobs:
                raise ConfigurationError(
                    f"{label}: [jobs.{name}]: after names {earlier!r}, which is no job.",
                    remedy=did_you_mean(earlier, jobs),
                )
    try:
        TopologicalSorter({name: job.after for name, job in jobs.items()}).prepare()
    except CycleError as error:
        raise ConfigurationError(f"{label}: these jobs wait for each other: {', '.join(error.args[1][1:])}.") from None
    for name in jobs:
        schedule_of(jobs, name, label)


def _task(name: str, table: Mapping[str, Any], where: str) -> TaskConfig:
    options = dict(table)
    kind = options.pop("type", name)
    if not isinstance(kind, str):
        raise ConfigurationError(f"{where}: key 'type': name a task, such as 'demand'.")
    return TaskConfig(name, kind, options, where)


def _settings_of(environment: Mapping[str, str]) -> dict[str, str]:
    names = {f"{PREFIX}{item.name.upper()}": item.name for item in fields(Settings)}
    return {names[name]: value for name, value in environment.items() if name in names and value != ""}


def _with(settings: Settings, changes: Mapping[str, Any], where: str) -> Settings:
    if not changes:
        return settings
    if where == "environment":
        for key, value in changes.items():  # one at a time, so that the message names the variable
            checked = build(Settings, {key: _lowered(key, value)}, f"variable {PREFIX}{key.upper()}")
            settings = replace(settings, **{key: getattr(checked, key)})
        return settings
    checked = build(Settings, changes, where)
    return replace(settings, **{key: getattr(checked, key) for key in changes})


def _lowered(key: str, value: Any) -> Any:
    return value.lower() if key in ("log_level", "log_format") else value


def _override(tables: dict[str, Any], environment: Mapping[str, str], label: str) -> None:
    """`FORECASTING_TASKS__DEMAND__HORIZON=14` sets a key of `[tasks.demand]`; values are TOML, bare words text."""
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or "__" not in variable:
            continue
        kind, _, rest = variable.removeprefix(PREFIX).lower().partition("__")
        name, _, key = rest.partition("__")
        if kind not in NAMED or not name or not key:
            raise ConfigurationError(
                f"The variable {variable} names no key of {label}.",
                remedy=f"The form is {PREFIX}TABLE__NAME__KEY, such as {PREFIX}TASKS__DEMAND__HORIZON=14.",
            )
        group = tables.setdefault(kind, {})
        same = next((known for known in group if known.lower().replace("-", "_") == name.replace("-", "_")), name)
        group.setdefault(same, {})[key] = _value(text)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
