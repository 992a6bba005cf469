"""BG/NBD against figures of libraries that others keep, and against its own likelihood.

The figures come from CDNOW's parameters as published (Fader, Hardie & Lee 2005, table 2: r = .243, alpha = 4.414,
a = .793, b = 2.426) and these commands:

    lifetimes 0.11.3:
        f = BetaGeoFitter(); f.params_ = pd.Series(dict(r=.243, alpha=4.414, a=.793, b=2.426))
        f.conditional_probability_alive(x, t_x, T)
        -BetaGeoFitter._negative_log_likelihood(np.log([.243, 4.414, .793, 2.426]), x, t_x, T, 1, 0)
        BetaGeoFitter().fit(x, t_x, T, tol=1e-8).params_
    pymc-marketing 0.19.2, a BetaGeoModel whose posterior is that one point:
        model.expected_probability_no_purchase(data=frame, t=39)

The latter answers .9266 for who bought once, as if one could leave before a repeat purchase, against the model's own
likelihood and its own P(alive) of 1; that one is left out here. Fitted to CDNOW's 2,357 customers (`load_cdnow_summary`
of lifetimes), this module finds the published parameters and log-likelihood, -9582.4.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.churn.bg_nbd import BgNbd, Buying, fit_bg_nbd

CDNOW = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
BUYING = Buying(
    repeats=np.array([0.0, 2, 1, 7, 29, 3]),
    last=np.array([0, 30.43, 1.71, 29.43, 38.14, 2.0]),
    age=np.array([38.86, 38.86, 38.86, 38.86, 38.86, 30.0]),
)
ALIVE = [1.0, 0.72657857, 0.21210099, 0.64175635, 0.95916747, 0.02345933]
LOG_LIKELIHOOD = [-0.55471328, -9.45860631, -4.46909328, -21.86327627, -44.44619073, -8.40714127]
NONE_IN_39 = [0.44537286, 0.88333265, 0.36435751, 0.04083254, 0.97855081]


def simulated() -> Buying:
    """600 customers with r = .8, alpha = 40, a = 1.2, b = 3, watched for 60 to 400 days."""
    random = np.random.default_rng(4)
    n = 600
    rate, leaves = random.gamma(0.8, 40, n) / 1600, random.beta(1.2, 3.0, n)
    age = random.integers(60, 400, n).astype(float)
    repeats, last = np.zeros(n), np.zeros(n)
    for i in range(n):
        day = 0.0
        while (day := day + max(1, round(random.exponential(1 / rate[i])))) <= age[i]:
            repeats[i], last[i] = repeats[i] + 1, day
            if random.random() < leaves[i]:
                break
    return Buying(repeats, last, age)


def test_likelihood_and_who_is_alive_are_those_of_lifetimes() -> None:
    np.testing.assert_allclose(CDNOW.log_likelihood(BUYING), LOG_LIKELIHOOD, rtol=1e-7)
    np.testing.assert_allclose(CDNOW.alive(BUYING), ALIVE, atol=1e-8)


def test_no_purchase_is_that_of_pymc_marketing() -> None:
    np.testing.assert_allclose(CDNOW.no_purchase(BUYING, np.array([39.0]))[1:, 0], NONE_IN_39, atol=1e-8)


@given(
    st.integers(0, 30),
    st.floats(0.0, 1.0),
    st.floats(1.0, 700.0),
    st.floats(0.0, 400.0),
    st.tuples(*[st.floats(0.05, 20.0)] * 4),
)
def test_no_purchase_is_the_likelihood_of_waiting_on_in_vain(
    repeats: int, last: float, age: float, days: float, parameters: tuple[float, float, float, float]
) -> None:
    """P(none in (T, T + t] | x, t_x, T) = L(x, t_x, T + t) / L(x, t_x, T): the same history, watched for longer."""
    model, x = BgNbd(*parameters), np.array([float(repeats)])
    last_at = np.array([last * age if repeats else 0.0])
    now, later = Buying(x, last_at, np.array([age])), Buying(x, last_at, np.array([age + days]))
    ratio = np.exp(model.log_likelihood(later) - model.log_likelihood(now))
    assert model.no_purchase(now, np.array([days]))[0, 0] == pytest.approx(ratio[0], abs=1e-9)


def test_who_bought_once_may_buy_no_more_though_they_count_as_alive() -> None:
    once = Buying(np.zeros(2), np.zeros(2), np.array([10.0, 300.0]))
    assert CDNOW.alive(once).tolist() == [1.0, 1.0]
    soon, late = CDNOW.no_purchase(once, np.array([90.0]))[:, 0]
    assert 0.3 < soon < late < 1.0


def test_the_fit_is_that_of_lifetimes() -> None:
    buying = simulated()
    fitted = fit_bg_nbd(buying)
    theirs = BgNbd(0.796014542003803, 36.945463470982844, 3.0578993637062957, 7.997115004252723)
    assert fitted.log_likelihood(buying).sum() == pytest.approx(theirs.log_likelihood(buying).sum(), abs=1e-3)
    assert [fitted.r, fitted.alpha] == pytest.approx([theirs.r, theirs.alpha], rel=0.005)
    days = np.array([30.0, 90.0, 360.0])  # a and b are only known together, what follows from them is
    np.testing.assert_allclose(fitted.no_purchase(buying, days), theirs.no_purchase(buying, days), atol=0.002)


def test_slopes_are_those_of_the_likelihood() -> None:
    parameters, step = np.array([0.7, 31.0, 1.3, 3.1]), 1e-5
    ends = [
        [
            BgNbd(*(parameters + side * step * (np.arange(4) == i)).tolist()).log_likelihood(BUYING).sum()
            for side in (1, -1)
        ]
        for i in range(4)
    ]
    numeric = [(up - down) / (2 * step) for up, down in ends]
    np.testing.assert_allclose(BgNbd(*parameters.tolist()).slopes(BUYING), numeric, rtol=1e-5)


@pytest.mark.parametrize("repeats", [[], [0.0], [0.0] * 50, [9.0] * 50])
def test_shops_that_say_little_have_parameters_all_the_same(repeats: list[float]) -> None:
    x = np.array(repeats)
    buying = Buying(x, np.where(x > 0, 90.0, 0.0), np.full(len(x), 100.0))
    fitted = fit_bg_nbd(buying)
    assert np.isfinite([fitted.r, fitted.alpha, fitted.a, fitted.b]).all()
    survival = fitted.no_purchase(BUYING, np.array([0.0, 30.0, 90.0]))
    assert ((survival >= 0) & (survival <= 1)).all() and (np.diff(survival) <= 0).all()
