"""Backtests of churn: what we would have said, and what is known of how it turned out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from churn_shops import Row, customers_of, days, order, regulars

from forecasting.pipeline import Backtest, backtest, judge
from forecasting.task import Score
from tasks.churn.customers import Customers
from tasks.churn.forecast import ChurnForecast
from tasks.churn.options import ChurnOptions
from tasks.churn.task import ChurnTask

OPTIONS = ChurnOptions(horizon_days=30, active_days=60, hidden=8, epochs=1)
TASK = ChurnTask(OPTIONS)
END = 120


@pytest.fixture(scope="module")
def customers() -> Customers:
    """250 regulars and as many who bought once, known up to day END."""
    once: list[Row] = [order(f"once{n}", f"once{n}", 24 * END * (n + 0.5) / 250) for n in range(250)]
    return customers_of([*regulars(250, 20, END), *once])


def said(
    customers: Customers, start: float, end: float, every: int | None = None, refit: int | None = None
) -> Backtest:
    first, last = days(start, end)
    return backtest(TASK, customers, first, last, every_days=every, refit_days=refit)


def test_where_no_window_has_closed_the_gate_passes_nobody(customers: Customers) -> None:
    found = said(customers, 100, 115, every=7)
    assert found.cases > 600 and found.tables["churn_risks"].num_rows == found.cases
    assert not found.verdict.passed and found.verdict.difference is None
    assert found.verdict.reason.startswith("not_enough_data: it is not known yet what became of any case")
    assert found.verdict.subject_to_publish == "baseline:recency"
    assert {(row.metric, row.value) for row in found.metrics} == {("samples", 0.0)}  # no log-loss of 0


def test_windows_that_have_not_closed_count_nowhere(customers: Customers) -> None:
    """Fitted anew for each cutoff: the last two are not judged, and the first ones are as if these were not there."""
    found, closed = said(customers, 80, 121, every=20, refit=20), said(customers, 80, 100, every=20, refit=20)
    cutoffs = np.unique(found.tables["churn_risks"]["cutoff"].to_numpy())
    assert cutoffs.astype("datetime64[us]").tolist() == days(80, 100, 120).tolist()
    pooled, before = ([row for row in one.metrics if row.slice == "evaluate"] for one in (found, closed))
    assert pooled == before and all(np.isfinite(row.value) for row in pooled)
    assert found.verdict.passed == closed.verdict.passed
    assert found.verdict.difference == pytest.approx(closed.verdict.difference)
    slices = {row.slice for row in found.metrics if row.metric == "log_loss"}
    assert slices == {"evaluate", "evaluate:2024-03-21"}


def test_fits_that_no_case_follows_are_told(customers: Customers, caplog: pytest.LogCaptureFixture) -> None:
    found = said(customers, 80, 110, refit=10)  # without --every, churn's cases stand at the start alone
    assert len(np.unique(found.tables["churn_risks"]["cutoff"].to_numpy())) == 1
    assert "All cases lie before the second fit, on 2024-03-31" in caplog.text


def test_a_baseline_without_figures_is_never_the_best(customers: Customers, monkeypatch: pytest.MonkeyPatch) -> None:
    score = TASK.score

    def broken(dataset: Customers, cases: object, forecast: ChurnForecast) -> Score:
        """The first baseline's has only a few edges: its losses are lost."""
        found = score(dataset, cases, forecast)  # type: ignore[arg-type]
        return dataclasses.replace(found, loss=found.loss * np.nan) if len(forecast.edges) == 8 else found

    monkeypatch.setattr(TASK, "score", broken)
    assert judge(TASK, customers, days(END)[0]).best_baseline == "baseline:bg_nbd"
