"""The gate's rivals: what they learn, and that they answer for any shop."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from forecasting.task import Cases
from tasks.churn import baselines as module
from tasks.churn.assemble import assemble
from tasks.churn.base_rate import BaseRate
from tasks.churn.baselines import baselines, latest_followed
from tasks.churn.customers import Customers
from tasks.churn.folds import eligible
from tasks.churn.logistic import fit_logistic
from tasks.churn.options import ChurnOptions
from tasks.churn.outcomes import Outcomes, outcomes
from tasks.churn.recency import PRIOR, Recency

START = np.datetime64("2024-01-01", "us")
DAY = np.timedelta64(1, "D")
UNTIL = START + 300 * DAY
OPTIONS = ChurnOptions(horizon_days=45, active_days=90)
NAMES = ["recency", "rfm_logistic", "bg_nbd"]


def shop(
    customer: list[str], days: list[float], value: list[float] | None = None, known: list[float] | None = None
) -> Customers:
    """Purchases `days` after START, `known` as many days after it."""
    at, known_at = (START + (np.array(one) * 86_400_000_000).astype("timedelta64[us]") for one in (days, known or days))
    orders = pa.table(
        {
            "order_id": [f"o{n}" for n in range(len(days))],
            "customer_id": pa.array(customer, pa.string()),
            "placed_at": pa.array(at.tolist() if len(days) else [], pa.timestamp("us", tz="UTC")),
            "known_at": pa.array(known_at.tolist() if len(days) else [], pa.timestamp("us", tz="UTC")),
            "value": pa.array(value if value is not None else [10.0] * len(days), pa.float64()),
        }
    )
    return assemble({"orders": orders}, OPTIONS)


def lively(customers: int = 400, seed: int = 1) -> tuple[list[str], list[float], list[float]]:
    """Customers who come at a rate of their own over 420 days, and leave one after the other."""
    random = np.random.default_rng(seed)
    who, days, value = [], [], []
    for n in range(customers):
        gap, day, stays = random.lognormal(3.0, 0.8), random.random() * 300, random.exponential(200)
        until = min(day + stays, 420)
        while day < until:
            who.append(f"c{n:04}")
            days.append(day)
            value.append(float(random.lognormal(5.0 - 0.5 * np.log(gap), 0.5)))
            day += random.exponential(gap)
    return who, days, value


def losses(customers: Customers, until: np.datetime64) -> dict[str, float]:
    cases = eligible(customers, np.array([until]), OPTIONS.active_days)
    churned = outcomes(customers, cases).churned(OPTIONS.horizon_days)
    chances = {
        name: one.predict(customers, cases).at(OPTIONS.horizon_days)
        for name, one in baselines(customers, OPTIONS, until).items()
    }
    chances["base rate"] = np.full(len(cases), latest_rate(customers, until))
    return {
        name: float(-np.log(np.clip(np.where(churned, p, 1 - p), 1e-4, None)).mean()) for name, p in chances.items()
    }


def latest_rate(customers: Customers, until: np.datetime64) -> float:
    followed = latest_followed(customers, OPTIONS, until)
    return float(followed.became.churned(followed.days).mean())


def test_each_is_better_than_the_base_rate() -> None:
    loss = losses(shop(*lively()), UNTIL)
    assert list(loss)[:3] == NAMES
    assert loss["recency"] < loss["base rate"] - 0.01
    assert loss["rfm_logistic"] < loss["base rate"] - 0.05
    assert loss["bg_nbd"] < loss["base rate"] - 0.05


def test_they_learn_from_the_latest_window_that_closed() -> None:
    customers = shop(*lively())
    followed = latest_followed(customers, OPTIONS, UNTIL)
    assert followed.days == OPTIONS.horizon_days
    assert np.unique(followed.seen.cutoff) == UNTIL - OPTIONS.horizon_days * DAY
    assert followed.became.closed(OPTIONS.horizon_days).all()


def test_with_little_history_they_learn_from_half_of_it() -> None:
    customers = shop(*lively())
    followed = latest_followed(customers, OPTIONS, START + 40 * DAY)
    assert followed.days < OPTIONS.horizon_days and len(followed.seen) > 10
    assert followed.became.closed(followed.days).all()
    for one in baselines(customers, OPTIONS, START + 40 * DAY).values():
        forecast = one.predict(customers, eligible(customers, np.array([START + 40 * DAY]), 90))
        beyond, within = forecast.at(OPTIONS.horizon_days), forecast.at(10)
        assert (beyond < within).all() and (beyond > 0).all()


def test_what_is_not_known_yet_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CASES", 100)
    who, days, value = lively()
    early = [n for n in range(len(days)) if days[n] < 300]
    before = shop(*([one[n] for n in early] for one in (who, days, value)))
    after = shop(
        [*who, "a new one", *who[::9]],
        [*(day if day < 300 else 301.0 for day in days), 302.0, *(280.0 + n % 20 for n in range(len(who[::9])))],
        [*value, 1e6, *value[::9]],
        [*(day if day < 300 else 301.0 for day in days), 302.0, *[310.0] * len(who[::9])],  # the last ones come late
    )
    known = before.events.entities
    for name, one in baselines(before, OPTIONS, UNTIL).items():
        other = baselines(after, OPTIONS, UNTIL)[name]
        answers = [
            f.predict(shop_, Cases(shop_.events.find(known), np.full(len(known), UNTIL)))
            for f, shop_ in ((one, before), (other, after))
        ]
        assert answers[0].survival.tobytes() == answers[1].survival.tobytes(), name
        assert answers[0].explain().tobytes() == answers[1].explain().tobytes(), name


def test_a_case_does_not_depend_on_those_beside_it() -> None:
    customers = shop(*lively())
    cases = eligible(customers, np.array([UNTIL]), OPTIONS.active_days)
    some = np.arange(0, len(cases), 7)
    for one in baselines(customers, OPTIONS, UNTIL).values():
        together, alone = one.predict(customers, cases), one.predict(customers, cases.take(some))
        assert together.survival[some].tobytes() == alone.survival.tobytes()


ODD = {
    "nobody": ([], []),
    "one customer, one order": (["a"], [250.0]),
    "one customer, many orders": (["a"] * 3000, list(np.linspace(0, 299, 3000))),
    "bought once, all of them": ([f"c{n}" for n in range(300)], list(np.linspace(0, 299, 300))),
    "all at the same instant": ([f"c{n}" for n in range(300)] + ["c1"] * 5, [298.0] * 305),
    "all long ago": (["a", "b", "b"], [1.0, 2.0, 30.0]),
    "in the future alone": (["a"], [400.0]),
}


@pytest.mark.parametrize("name", ODD)
def test_any_shop_has_an_answer(name: str) -> None:
    customers = shop(*ODD[name])
    cases = Cases(np.arange(len(customers)), np.full(len(customers), UNTIL))
    for one in baselines(customers, OPTIONS, UNTIL).values():
        forecast = one.predict(customers, cases)
        assert len(forecast) == len(customers)
        assert np.isfinite(forecast.survival).all() and np.isfinite(forecast.explain()).all()
        assert (forecast.survival[:, 0] == 1).all() and (np.diff(forecast.survival) <= 0).all()
        chance = forecast.at(OPTIONS.horizon_days)
        assert ((chance > 0) & (chance < 1)).all()


def test_recency_answers_with_the_shares_of_its_bins() -> None:
    customers = shop(*lively())
    followed = latest_followed(customers, OPTIONS, UNTIL)
    method = Recency.fit(followed.seen, followed.became, followed.days, 45)
    recency, churned = followed.seen.column("recency"), followed.became.churned(45)
    edges, survival = method.curves(followed.seen)
    inside = (recency > method.bounds[3]) & (recency <= method.bounds[4])
    wanted = (churned[inside].sum() + PRIOR * method.base.survival[-1]) / (inside.sum() + PRIOR)
    assert edges[-1] == 45
    np.testing.assert_allclose(survival[inside, -1], wanted)
    assert len(inside) / 20 < inside.sum() < len(inside) / 5


def test_the_base_rate_is_the_share_that_waits_still() -> None:
    random = np.random.default_rng(3)
    days = random.exponential(60, 500)
    base = BaseRate.fit(Outcomes(np.minimum(days, 90), days < 90, np.full(500, 90.0)), 60.0, 60.0)
    shares = [(days >= edge).mean() for edge in base.edges]
    np.testing.assert_allclose(base.survival, shares, atol=0.005)
    curves = base.scaled(np.array([base.survival[-1], 0.2]))
    np.testing.assert_allclose(curves[0], base.survival)
    assert curves[1, -1] == pytest.approx(0.2)


def test_logistic_regression_is_at_its_optimum() -> None:
    random = np.random.default_rng(5)
    inputs = random.normal(2.0, 3.0, (300, 3))
    outcome = random.random(300) < expit(inputs @ [0.5, -0.3, 0.0] - 0.3)
    fitted = fit_logistic(inputs, outcome)
    scaled = (inputs - inputs.mean(0)) / inputs.std(0)

    def loss(weights: np.ndarray) -> float:
        logit = weights[0] + scaled @ weights[1:]
        likelihood = np.logaddexp(0, np.where(outcome, -logit, logit)).sum()
        level = np.logaddexp(0, weights[0]) + np.logaddexp(0, -weights[0])
        return likelihood + level + 0.5 * (weights[1:] ** 2).sum()

    best = minimize(loss, np.zeros(4), tol=1e-10).x
    np.testing.assert_allclose([fitted.level, *fitted.weights], best, atol=1e-4)
    np.testing.assert_allclose(fitted.probability(inputs), expit(best[0] + scaled @ best[1:]), atol=1e-4)


@pytest.mark.parametrize("outcome", [[], [True], [True] * 40, [False] * 40, [False] * 20 + [True] * 20])
def test_logistic_regression_stays_finite_where_outcomes_are_told_apart(outcome: list[bool]) -> None:
    inputs = np.stack([np.arange(len(outcome)), np.full(len(outcome), np.nan)], axis=1).astype(float)
    fitted = fit_logistic(inputs, np.array(outcome, bool))
    chance = fitted.probability(np.array([[0.0, 1.0], [40.0, np.nan]]))
    assert ((chance > 0) & (chance < 1)).all()
    if len(set(outcome)) == 2:
        assert chance[0] < 0.05 and chance[1] > 0.95


def test_weeks_that_no_purchase_tells_of_are_no_window() -> None:
    customers = shop(["a", "b", "a"], [100.0, 120.5, 200.2])
    followed = latest_followed(customers, OPTIONS, START + 900 * DAY)
    assert (followed.seen.cutoff == START + (201 - OPTIONS.horizon_days) * DAY).all()
    assert followed.became.churned(OPTIONS.horizon_days).tolist() == [False, True]
