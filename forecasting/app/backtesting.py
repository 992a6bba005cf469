"""`forecasting backtest`: what would we have said? Reads, forecasts in hindsight, writes Parquet files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from db.engines import Warehouse
from forecasting.app.reading import read
from forecasting.app.workspace import Workspace
from forecasting.pipeline import Backtest, Progress, backtest
from forecasting.schema import ConfigurationError, ExitCode, ForecastingError
from forecasting.task import Instant


@dataclass(frozen=True)
class BacktestRequest:
    """A configured task over [start, end), datetime64[us] in UTC: fitted at `start`, again every `refit_days`."""

    task: str
    start: Instant
    end: Instant
    refit_days: int | None = None
    every_days: int | None = None
    directory: Path | None = None


@dataclass(frozen=True)
class BacktestResult:
    """The backtest and the Parquet files written, one per output table."""

    backtest: Backtest
    files: tuple[Path, ...]

    @property
    def exit_code(self) -> ExitCode:
        """3 where the gate would have failed; the files are written all the same."""
        return ExitCode.DONE if self.backtest.verdict.passed else ExitCode.GATE_FAILED


def run(workspace: Workspace, request: BacktestRequest, progress: Progress) -> BacktestResult:
    """Do one backtest. Nothing in a warehouse changes. Raises ForecastingError."""
    if request.end <= request.start:
        raise ConfigurationError("--to must lie after --from.")
    task = workspace.task(request.task)
    progress("reading sources", 0, 0)
    reading = read(workspace, _results(workspace), task)
    outcome = backtest(
        task,
        reading.dataset,
        request.start,
        request.end,
        every_days=request.every_days,
        refit_days=request.refit_days,
        seed=workspace.configuration.settings.seed,
        progress=progress,
    )
    return BacktestResult(outcome, tuple(_written(outcome, request.directory)))


def _results(workspace: Workspace) -> Warehouse:
    """The results warehouse as it is: a backtest may read canonical tables from it, and writes nothing there."""
    return workspace.results(prepare=False)


def _written(outcome: Backtest, directory: Path | None) -> Iterator[Path]:
    """One Parquet file per output table, each written aside and renamed."""
    if directory is None:
        return
    with _told(directory):
        directory.mkdir(parents=True, exist_ok=True)
        for name, table in outcome.tables.items():
            target = directory / f"{name}.parquet"
            aside = target.with_suffix(".parquet.part")
            pq.write_table(_with_plain_text(table), aside)
            aside.replace(target)
            yield target


def _with_plain_text(table: pa.Table) -> pa.Table:
    """Dictionary-encoded columns as plain ones: readers in pandas would take them for categories, and group by all."""
    plain = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(plain))


@contextlib.contextmanager
def _told(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ForecastingError(
            f"The files of the backtest cannot be written below {directory}: {error.strerror}.",
            remedy="Name another directory with --out.",
        ) from error
