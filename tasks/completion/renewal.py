"""The completion model brought up to a later night from where it stands.

The network is moved a little, on orders that were on their way when it was last trained or came since, beside earlier
ones. The clock is learnt anew; how fast orders move of late is seen by every forecast as it is. The layout, the scale
of times, the view and the widths stay: widths take a network fitted weeks before, which is for a full fit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecasting.renewal import rehearsed
from forecasting.task import Fit
from tasks.completion.features import snapshot_of
from tasks.completion.model import CompletionModel, clock_of, operational
from tasks.completion.orders import Orders
from tasks.completion.speed import log_speed
from tasks.completion.training import RENEWAL, renew_network
from tasks.completion.training_cases import Lessons, training_cases


def renew_completion(model: CompletionModel, orders: Orders, fit: Fit) -> CompletionModel:
    """The model brought up to `fit.until`; the very same where nothing has been heard of any order since
    `trained_until`. Raises NotEnoughData where no order was seen complete, TrainingDiverged."""
    end = orders.observed(fit.until)
    if np.isnat(end) or end <= orders.observed(model.trained_until):
        return model
    lessons = training_cases(orders, model.options, fit.until)
    read = lessons.take(rehearsed(_on_their_way(model, lessons), RENEWAL.lessons, fit.seed, RENEWAL.fresh))
    snapshot = snapshot_of(orders, read.cases, model.options)
    rate = model.view.rate(snapshot, log_speed(orders, read.cases))
    clock = clock_of(orders, fit.until)
    network = renew_network(
        model.network,
        model.view.of(snapshot),
        operational(orders, clock, read.cases, read.outcome, rate),
        seed=fit.seed,
        checkpoint=fit.checkpoint,
        progress=fit.progress,
    )
    return replace(model, network=network, clock=clock, trained_until=fit.until)


def _on_their_way(model: CompletionModel, lessons: Lessons) -> np.ndarray:
    """Whether most orders like each were still open when the model was trained, by the clock alone: bool [n]."""
    span = float(np.quantile(lessons.outcome.days[lessons.outcome.completed], 0.9))
    return np.asarray(lessons.cases.cutoff + np.timedelta64(round(span * 86_400e6), "us") > model.trained_until)
