"""Output rows: every customer watched, how likely they are to leave, and why."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from forecasting.task import Cases
from tasks.churn.customers import Customers
from tasks.churn.facts import facts
from tasks.churn.forecast import SUREST, ChurnForecast
from tasks.churn.options import BANDS, ChurnOptions
from tasks.churn.outputs import CHURN_RISKS
from tasks.churn.reasons import reasons

_DAY_MICROSECONDS = 86_400e6


def rows(customers: Customers, options: ChurnOptions, cases: Cases, forecast: ChurnForecast) -> Mapping[str, pa.Table]:
    """The rows of every output table, with `case` in front: one for each case."""
    told = facts(customers, cases, options)
    probability = np.clip(forecast.at(options.horizon_days), SUREST, 1 - SUREST)
    band = bands(probability, options)
    effects = forecast.explain() if forecast.facts else np.zeros((len(cases), 0))
    columns = {
        "case": pa.array(np.arange(len(cases)), pa.int64()),
        "customer_id": pa.array(customers.events.entities[cases.entity], pa.string()),
        "as_of": _instants(cases.cutoff),
        "horizon_days": pa.array(np.full(len(cases), options.horizon_days), pa.int64()),
        "probability": pa.array(probability),
        "band": pa.array(BANDS).take(pa.array(band)),
        "expected_next_purchase_date": expected_dates(cases, forecast),
        "reasons": reasons(told, forecast.facts, effects, band > 0, options.reasons),
        "value": _nullable(told.spent),
        "value_at_risk": _nullable(probability * told.spent),
        "orders": pa.array(told.orders),
        "first_purchase_at": _instants(told.first_at),
        "last_purchase_at": _instants(told.last_at),
        "usual_gap_days": _nullable(told.usual_gap),
        "region": told.region,
    }
    return {CHURN_RISKS.name: pa.table(columns)}


def bands(probability: np.ndarray, options: ChurnOptions) -> np.ndarray:
    """Positions in BANDS, int64 [n]."""
    return np.searchsorted([options.medium_from, options.high_from], probability, side="right")


def expected_dates(cases: Cases, forecast: ChurnForecast) -> pa.Array:
    """The days (UTC) by which the next purchase is as likely made as not, date32 [n]; null beyond FAR_DAYS."""
    days = forecast.median_days()
    ahead = np.round(np.nan_to_num(days) * _DAY_MICROSECONDS).astype("timedelta64[us]")
    return pa.array((cases.cutoff + ahead).astype("datetime64[D]"), pa.date32(), mask=np.isnan(days))


def _instants(at: np.ndarray) -> pa.Array:
    return pa.array(at.astype("datetime64[us]")).cast(pa.timestamp("us", "UTC"))


def _nullable(values: np.ndarray) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))
