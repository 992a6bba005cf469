"""BG/NBD: purchases at a rate of one's own, until one leaves after one of them.

Fader, Hardie & Lee, "Counting Your Customers the Easy Way: An Alternative to the Pareto/NBD Model", Marketing Science
24(2), 2005. A customer who is there buys at the rate lambda ~ Gamma(r, alpha), and leaves after each repeat purchase
with the probability p ~ Beta(a, b). Time is in days since the first purchase; purchases of one day count once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import digamma, expit, gammaln

from tasks.churn.snapshot import Snapshot

_SPREAD = 10.0  # standard deviation of the logarithms of parameters: nothing where customers say anything
_LARGEST = 20.0  # of those logarithms
_PARTS = (0.0, 1 / 12, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)  # of the horizon


@dataclass(frozen=True, eq=False)
class Buying:
    """How often n customers bought: `repeats` float64 [n], days with a purchase after the first one; `last`, `age`
    float64 [n], days from the first purchase to the last one, and to the cutoff."""

    repeats: np.ndarray
    last: np.ndarray
    age: np.ndarray

    @staticmethod
    def of(snapshot: Snapshot) -> Buying:
        """As the figures of a snapshot have it; who never bought has an age of 0."""
        recency, tenure, days = (
            np.nan_to_num(np.expm1(snapshot.column(name).astype(np.float64)))
            for name in ("recency", "tenure", "days_bought")
        )
        repeats = np.maximum(np.rint(days) - 1.0, 0.0)
        return Buying(repeats, np.where(repeats > 0, np.maximum(tenure - recency, 0.0), 0.0), tenure)


@dataclass(frozen=True)
class BgNbd:
    """The four parameters; alpha in days."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, buying: Buying) -> np.ndarray:
        """Of each customer, float64 [n]: equation 6 of the paper, its terms as in Fader, Hardie & Lee, "Implementing
        the BG/NBD Model for Customer Base Analysis in Excel" (2005)."""
        x = buying.repeats
        shared, odds = self._terms(buying)
        beta = gammaln(self.a + self.b) + gammaln(self.b + x) - gammaln(self.b) - gammaln(self.a + self.b + x)
        return shared + beta + np.where(x > 0, np.logaddexp(0.0, odds), 0.0)

    def alive(self, buying: Buying) -> np.ndarray:
        """The probability that a customer has not left, float64 [n]: Fader, Hardie & Lee, "Computing P(alive) Using the
        BG/NBD Model" (2008), equation 4. Who bought once could not leave yet in this model."""
        _, odds = self._terms(buying)
        return np.where(buying.repeats > 0, expit(-odds), 1.0)

    def no_purchase(self, buying: Buying, days: np.ndarray) -> np.ndarray:
        """The probability of no purchase within `days` (float64 [K]) from the cutoff on, float64 [n, K].

        Who has left buys nothing, who has not waits for an exponential time whose rate is, given the history,
        Gamma(r + x, alpha + T): P(alive) ((alpha + T) / (alpha + T + t))^(r + x) + 1 - P(alive)."""
        wait = -(self.r + buying.repeats[:, None]) * np.log1p(days / (self.alpha + buying.age[:, None]))
        return 1.0 + self.alive(buying)[:, None] * np.expm1(wait)

    def _terms(self, buying: Buying) -> tuple[np.ndarray, np.ndarray]:
        """What both who is alive and who has left share of the log-likelihood, and the log odds of having left,
        float64 [n]; the odds mean nothing without a repeat purchase."""
        x = buying.repeats
        shared = gammaln(self.r + x) - gammaln(self.r) + self.r * np.log(self.alpha)
        shared = shared - (self.r + x) * np.log(self.alpha + buying.age)
        odds = np.log(self.a / (self.b + np.maximum(x, 1.0) - 1.0))
        return shared, odds + (self.r + x) * np.log((self.alpha + buying.age) / (self.alpha + buying.last))

    def slopes(self, buying: Buying) -> np.ndarray:
        """The derivatives of the total log-likelihood by the four, float64 [4]."""
        r, alpha, a, b, x = self.r, self.alpha, self.a, self.b, buying.repeats
        _, odds = self._terms(buying)
        left = np.where(x > 0, expit(odds), 0.0)
        span, until_last = alpha + buying.age, alpha + buying.last
        by_r = digamma(r + x) - digamma(r) + np.log(alpha) - np.log(span) + left * np.log(span / until_last)
        by_alpha = r / alpha - (r + x) / span + left * (r + x) * (1 / span - 1 / until_last)
        both = digamma(a + b) - digamma(a + b + x)
        by_a = both + left / a
        by_b = both + digamma(b + x) - digamma(b) - left / (b + np.maximum(x, 1.0) - 1.0)
        return np.array([by_r.sum(), by_alpha.sum(), by_a.sum(), by_b.sum()])


@dataclass(frozen=True, eq=False)
class BgNbdCurves:
    """The model's curves at `edges` float64 [K + 1] days."""

    model: BgNbd
    edges: np.ndarray

    @staticmethod
    def fit(snapshot: Snapshot, horizon_days: float) -> BgNbdCurves:
        """From every customer who ever bought; there may be none. The edges reach to four horizons."""
        return BgNbdCurves(fit_bg_nbd(Buying.of(snapshot)), horizon_days * np.array(_PARTS))

    def curves(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray]:
        """As a CurveForecaster's."""
        return self.edges, self.model.no_purchase(Buying.of(snapshot), self.edges)


def fit_bg_nbd(buying: Buying) -> BgNbd:
    """The parameters of the greatest likelihood. A prior on their logarithms, too wide to be felt where there are
    customers, keeps them finite where nobody buys again or nobody leaves."""
    typical = float(np.median(buying.age[buying.age > 0])) if (buying.age > 0).any() else 30.0
    start = np.log([1.0, typical, 1.0, 3.0])
    weight = 1.0 / max(len(buying.age), 1)

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        model = BgNbd(*np.exp(logs).tolist())
        away = (logs - start) / _SPREAD
        value = model.log_likelihood(buying).sum() - 0.5 * (away**2).sum()
        slopes = model.slopes(buying) * np.exp(logs) - away / _SPREAD
        return -value * weight, -slopes * weight

    bounds = [(-_LARGEST, _LARGEST)] * len(start)
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-8}
    )
    return BgNbd(*np.exp(found.x).tolist())
