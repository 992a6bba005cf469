"""The churn model brought up to a later night from where it stands.

The regression and the activity, which follow the drift of the shop, are found anew: on some of the cases, as most of
them wait for the same purchases. The network, which says who differs from whom, is moved a little. Its layout, the
regression's columns, the view and the edges of intervals stay.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecasting.renewal import rehearsed
from forecasting.task import Cases, Fit, Instant
from tasks.churn.activity import Activity
from tasks.churn.calibrate import level_shift
from tasks.churn.customers import Customers
from tasks.churn.drift import fit_with_activity
from tasks.churn.fitted import FittedNetwork
from tasks.churn.hazard_regression import HazardRegression
from tasks.churn.model import ChurnModel
from tasks.churn.outcomes import outcomes
from tasks.churn.part import EVENTS, Part
from tasks.churn.snapshot import snapshot
from tasks.churn.training import RENEWAL, renew_network
from tasks.churn.training_cases import first_purchase, training_cases

REGRESSED = 30_000
"""Cases from which the regression is found: on Online Retail, half as many added 0.0005 to its log-loss."""


def renew_churn(model: ChurnModel, customers: Customers, fit: Fit) -> ChurnModel:
    """The model brought up to `fit.until`; the very same where no purchase has become known since `trained_until`.
    Raises NotEnoughData where no customer was watched for long enough, TrainingDiverged."""
    setting, options = model.setting, model.setting.options
    end = customers.observed(fit.until)
    if np.isnat(end) or end <= customers.observed(model.trained_until):
        return model
    network, regression = model.network.forecaster, model.regression.forecaster
    assert isinstance(network, FittedNetwork) and isinstance(regression, HazardRegression)
    cases = training_cases(customers, options, fit.until)
    regression, activity = _regression(model, regression, customers, fit.until, len(cases))
    read = cases.take(rehearsed(_watched_since(model, cases), RENEWAL.lessons, fit.seed, RENEWAL.fresh))
    network = renew_network(
        network,
        setting.view.of(snapshot(customers, read, options.features, EVENTS)),
        activity.operational(read, outcomes(customers, read, fit.until)),
        seed=fit.seed,
        checkpoint=fit.checkpoint,
        progress=fit.progress,
    )
    latest = snapshot(customers, cases.take(cases.cutoff == cases.cutoff.max()), options.features, EVENTS)
    setting = replace(setting, activity=activity, typical=latest.typical())
    parts = Part(network, setting), Part(regression, setting)
    shift = level_shift(*(part.curves(latest)[1] for part in parts))
    return ChurnModel(*parts, shift, model.recipe, fit.until)


def _regression(
    model: ChurnModel, regression: HazardRegression, customers: Customers, until: Instant, count: int
) -> tuple[HazardRegression, Activity]:
    """The regression and the activity as of `until`, from REGRESSED of `count` cases."""
    setting = model.setting
    cases = training_cases(customers, setting.options, until, REGRESSED)
    return fit_with_activity(
        setting.view.of(snapshot(customers, cases, setting.options.features, length=1)),  # it reads no events
        cases,
        outcomes(customers, cases, until),
        regression.edges,
        first_purchase(customers, until),
        customers.observed(until),
        start=regression,
        share=len(cases) / count,
    )


def _watched_since(model: ChurnModel, cases: Cases) -> np.ndarray:
    """Whether the horizon of each case had not passed when the model was trained, bool [n]."""
    horizon = np.timedelta64(model.setting.options.horizon_days, "D")
    return np.asarray(cases.cutoff + horizon > model.trained_until)
