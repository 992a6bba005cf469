"""What a churn forecast was worth: as a probability, as a ranking, and how well it is calibrated."""

from __future__ import annotations

import numpy as np

from forecasting.metrics import auc
from forecasting.task import Cases, Score
from tasks.churn.customers import Customers
from tasks.churn.forecast import SUREST, ChurnForecast
from tasks.churn.options import ChurnOptions
from tasks.churn.outcomes import outcomes

GATE_METRIC = "log_loss"
"""The metric that decides publication."""

BINS = 10
"""Bins of equal mass, of the calibration error and of the reliability curve."""

LEAST_FOR_CURVE = 50
"""Cases from which a reliability curve is drawn."""


def score(customers: Customers, options: ChurnOptions, cases: Cases, forecast: ChurnForecast) -> Score:
    """Judge the probability of no purchase in the horizon against what happened, where the whole of it is known.

    `log_loss` decides. Beside it `auc`, `pr_auc` (average precision of churn), `brier`, `ece` (expected calibration
    error over ten bins of equal mass: Naeini, Cooper and Hauskrecht 2015, AAAI), `calibration_slope` (1 is right, below
    1 overconfident: Cox 1958, Biometrika 45), `lift@10%` (churn among the tenth with the highest probability over the
    churn of all), `churn_rate` and `mean_probability`; and the reliability curve, `predicted@dK` and `observed@dK` of
    the tenths K = 1 ... 10 from the least likely to leave. Cases whose horizon is not all known yet count nowhere.
    What cannot be said (the AUC where nobody left) is left out.
    """
    happened = outcomes(customers, cases)
    closed = happened.closed(options.horizon_days)
    churned = happened.churned(options.horizon_days)[closed].astype(np.float64)
    probability = np.clip(forecast.at(options.horizon_days), 0.0, 1.0)
    count = len(churned)
    loss = np.zeros(len(cases))
    loss[closed] = log_losses(churned, probability[closed]) / max(count, 1)
    found = {GATE_METRIC: float(loss.sum()), "samples": float(count)}
    if count:
        found |= judged(churned, probability[closed])
    return Score({name: value for name, value in found.items() if np.isfinite(value)}, loss, cases.entity)


def judged(churned: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """All that is measured beside the log-loss, by name, NaN where it cannot be said. `churned`: float64 [n] of 0 and
    1, `probability`: float64 [n]; n at least 1."""
    bins = np.array_split(np.argsort(probability, kind="stable"), BINS)
    predicted = np.array([probability[one].mean() if len(one) else np.nan for one in bins])
    observed = np.array([churned[one].mean() if len(one) else np.nan for one in bins])
    share = np.array([len(one) for one in bins]) / len(churned)
    found = {
        "auc": auc(churned, probability),
        "pr_auc": average_precision(churned, probability),
        "brier": float(np.square(probability - churned).mean()),
        "ece": float(np.nansum(share * np.abs(observed - predicted))),
        "calibration_slope": calibration_slope(churned, probability),
        "lift@10%": lift(churned, probability, 0.1),
        "churn_rate": float(churned.mean()),
        "mean_probability": float(probability.mean()),
    }
    if len(churned) >= LEAST_FOR_CURVE:
        found |= {f"predicted@d{k + 1}": float(value) for k, value in enumerate(predicted)}
        found |= {f"observed@d{k + 1}": float(value) for k, value in enumerate(observed)}
    return found


def log_losses(churned: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """The log-loss of each case, float64 [n], of probabilities clipped to [SUREST, 1 - SUREST]."""
    sure = np.clip(probability, SUREST, 1 - SUREST)
    return -(churned * np.log(sure) + (1 - churned) * np.log1p(-sure))


def average_precision(churned: np.ndarray, probability: np.ndarray) -> float:
    """The area under the precision-recall curve as a step function: the mean, over those who left, of the precision
    among all that are at least as likely; NaN where nobody left."""
    if not churned.any():
        return float("nan")
    order = np.argsort(-probability, kind="stable")
    hits = np.cumsum(churned[order])
    last = np.flatnonzero(
        np.append(np.diff(probability[order]) != 0, True)
    )  # cases of equal probability stand together
    precision = hits[last] / (last + 1)
    return float((np.diff(hits[last], prepend=0) * precision).sum() / hits[-1])


def lift(churned: np.ndarray, probability: np.ndarray, share: float) -> float:
    """Churn among the `share` of cases with the highest probability, over the churn of all. Cases that tie at the
    border count by what they are on average. NaN where nobody left."""
    if not churned.any():
        return float("nan")
    size = max(1, round(share * len(churned)))
    border = np.sort(probability)[-size]
    above, tied = probability > border, probability == border
    hits = churned[above].sum() + (size - above.sum()) * churned[tied].mean()
    return float(hits / size / churned.mean())


def calibration_slope(churned: np.ndarray, probability: np.ndarray) -> float:
    """The slope of a logistic regression of the outcome on the logit of the probability, by Newton's method; NaN where
    there is none: all alike, or perfectly told apart."""
    kept = np.clip(probability, SUREST, 1 - SUREST)
    x = np.log(kept) - np.log1p(-kept)
    if np.ptp(x) < 1e-9 or np.ptp(churned) == 0:
        return float("nan")
    design = np.column_stack([np.ones(len(x)), x])
    weights = np.zeros(2)
    for _ in range(50):
        expected = np.exp(-np.logaddexp(0.0, -design @ weights))  # the logistic function, without overflow
        information = design.T @ (design * (expected * (1 - expected))[:, None])
        if np.linalg.cond(information) > 1e12:
            return float("nan")
        step = np.linalg.solve(information, design.T @ (churned - expected))
        weights = weights + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-9:
            return float(weights[1])
    return float("nan")
