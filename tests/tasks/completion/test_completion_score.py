"""What a completion forecast was worth: the same figures as the public scorer; what has no outcome counts nowhere."""

from __future__ import annotations

import numpy as np
import pytest
from order_shops import Shop, at, event, order, orders_of

from forecasting.task import Cases
from tasks.completion.folds import backtest_cases
from tasks.completion.forecast import LEVELS, CompletionForecast, forecast_of
from tasks.completion.options import CompletionOptions
from tasks.completion.orders import Orders
from tasks.completion.outcomes import outcomes
from tasks.completion.score import judged_lateness, score

OPTIONS = CompletionOptions()
NUMBER = np.arange(300)
DAYS = np.round(2 + 6 * (NUMBER * 37 % 101 / 101) ** 2 + NUMBER * 13 % 7 / 10, 3)
LATE_PROBABILITY = np.round(0.5 + 0.45 * np.sin(NUMBER * NUMBER * 0.7), 2)
LATE = ((NUMBER * 7919) % 100 < 100 * LATE_PROBABILITY**1.3).astype(float)

# score/completion.py of the shared folder (scikit-learn 1.9) on the shop and the forecast below:
#   python -c 'from completion import score; ...; print(score(outcomes(...).days, pd.DataFrame({"q10": ...}), late))'
REFERENCE = {
    "pinball": 0.595045308413886,
    "mae": 1.8238350503049992,
    "bias": 0.39077230868158563,
    "coverage80": 0.5833333333333334,
    "width80": 4.2306097699031575,
    "below10": 0.28,
    "above90": 0.13666666666666666,
    "crossing": 0.0,
    "late_rate": 0.20333333333333334,
    "late_auc": 0.47167158241305984,
    "late_brier": 0.21483540265826154,
    "mean_late_probability": 0.262874359349683,
}
REFERENCE_LATE = {
    "late_rate": 0.42333333333333334,
    "late_auc": 0.860202084566019,
    "late_brier": 0.15772866666666668,
    "mean_late_probability": 0.5066,
}


def shop() -> Shop:
    """300 orders, one each three hours, in a time zone without surprises; the promise is six days after."""
    placed = 3.0 * NUMBER
    hours = placed + 24 * DAYS
    return Shop([order(f"o{k:03d}", placed[k], hours[k], promised_at=placed[k] + 144.5) for k in NUMBER])


def spread(orders: Orders, cases: Cases) -> CompletionForecast:
    """A forecast that is wrong in its own way for each case."""
    middle = 2.5 + 4.0 * (cases.entity * 17 % 23) / 23
    return forecast_of(middle[:, None] * np.exp(1.1 * (LEVELS - 0.45)))


def judged(shop: Shop) -> tuple[Orders, Cases]:
    orders = orders_of(shop)
    return orders, backtest_cases(orders, OPTIONS, at(0), at(1e6))


def test_figures_are_those_of_the_public_scorer() -> None:
    orders, cases = judged(shop())
    found = score(orders, OPTIONS, cases, spread(orders, cases)).metrics
    assert {name: found[name] for name in REFERENCE} == pytest.approx(REFERENCE, rel=1e-9)
    assert found["samples"] == 300
    found = judged_lateness(LATE, LATE_PROBABILITY)
    assert {name: found[name] for name in REFERENCE_LATE} == pytest.approx(REFERENCE_LATE, rel=1e-9)


def test_loss_is_the_mean_pinball_of_three_levels_and_adds_up() -> None:
    orders, cases = judged(Shop([order("a", 0, 48), order("b", 0, 240)]))
    remaining = np.repeat([[4.0], [4.0]], len(LEVELS), axis=1)
    result = score(orders, OPTIONS, cases, forecast_of(remaining))
    each = [2 * (0.9 + 0.5 + 0.1) / 3, 6 * (0.1 + 0.5 + 0.9) / 3]  # two days too late; six days too early
    np.testing.assert_allclose(result.loss, np.array(each) / 2, rtol=1e-6)
    assert result.metrics["pinball"] == pytest.approx(result.loss.sum())
    np.testing.assert_array_equal(result.entity, cases.entity)
    assert result.metrics["bias"] == pytest.approx(-2.0) and result.metrics["mae"] == pytest.approx(4.0)


def test_open_and_cancelled_orders_count_nowhere() -> None:
    rows = [order("a", 0, 48), order("b", 0), order("c", 0, cancelled_at=30.0), order("d", 100, 300)]
    orders, cases = judged(Shop(rows))
    result = score(orders, OPTIONS, cases, spread(orders, cases))
    assert (result.loss > 0).tolist() == [name in "ad" for name in orders.events.entities[cases.entity]]
    assert result.metrics["samples"] == 2
    unfinished = cases.take(np.isin(orders.events.entities[cases.entity], ["b", "c"]))
    nothing = score(orders, OPTIONS, unfinished, spread(orders, unfinished))
    assert nothing.metrics == {"pinball": 0.0, "samples": 0.0} and not nothing.loss.any()


def test_late_is_after_the_promised_day_and_nothing_is_said_without_promises() -> None:
    promised = [order(f"o{k}", 0, hours, promised_at=48.0) for k, hours in enumerate((71.0, 72.0, 73.0))]
    orders, cases = judged(Shop(promised))  # promised for the third day, 48 to 72 hours after its start
    assert score(orders, OPTIONS, cases, spread(orders, cases)).metrics["late_rate"] == pytest.approx(2 / 3)
    orders, cases = judged(Shop([order("a", 0, 48)]))
    assert not any(
        "late" in name or "@d" in name for name in score(orders, OPTIONS, cases, spread(orders, cases)).metrics
    )
    orders, cases = judged(Shop([order("a", 0, 48, promised_at=96.0)]))
    found = score(orders, OPTIONS, cases, spread(orders, cases)).metrics
    assert found["late_rate"] == 0 and "late_auc" not in found  # nothing was late: no ranking to judge


def test_stages_of_enough_cases_are_judged_for_themselves() -> None:
    rows = shop()
    shipped = [event(f"o{k:03d}", "shipped", 3.0 * k + 24) for k in range(60)]
    lost = [event(f"o{k:03d}", "stopped", 3.0 * k + 25) for k in range(20)]
    orders, cases = judged(rows.with_rows(order_events=shipped + lost))
    forecast = spread(orders, cases)
    found = score(orders, OPTIONS, cases, forecast).metrics
    assert {name.split("@")[1] for name in found if name.startswith("mae@")} == {"placed", "shipped"}
    at_stage = orders.statuses[orders.events.columns["status"][cases.columns["event"]]] == "shipped"
    alone = cases.take(at_stage)
    expected = score(orders, OPTIONS, alone, CompletionForecast(forecast.remaining[at_stage])).metrics
    for name in ("mae", "pinball", "coverage80"):
        assert found[f"{name}@shipped"] == pytest.approx(expected[name])


def test_the_reliability_curve_has_ten_tenths_from_the_least_likely() -> None:
    found = judged_lateness(LATE, LATE_PROBABILITY)
    predicted, observed = ([found[f"{name}@d{k}"] for k in range(1, 11)] for name in ("predicted", "observed"))
    assert predicted == sorted(predicted)
    assert np.mean(predicted) == pytest.approx(LATE_PROBABILITY.mean())
    assert np.mean(observed) == pytest.approx(LATE.mean())
    assert not any("@d" in name for name in judged_lateness(LATE[:40], LATE_PROBABILITY[:40]))


def test_outcomes_are_those_of_the_cutoff() -> None:
    orders, cases = judged(shop())
    np.testing.assert_allclose(outcomes(orders, cases).days, DAYS[cases.entity], atol=1e-6)
