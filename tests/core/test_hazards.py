"""Hazards by interval: the censored likelihood against its definition, and a head that goes on where nobody looked."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.heads import HazardHead
from forecasting.losses import censored_hazard
from forecasting.schema import ConfigurationError

interval = st.tuples(st.floats(0.01, 5), st.floats(0.01, 1))


@settings(max_examples=60, deadline=None)
@given(st.lists(interval, min_size=1, max_size=6), st.integers(-1, 5))
def test_likelihood_is_that_of_surviving_and_then_not(intervals, came):
    """The chance of living through what was watched of each interval, and of the event in what was of the last."""
    hazard, share = zip(*intervals, strict=True)
    came = came if came < len(intervals) else -1
    watched = [one if came < 0 or k <= came else 0.0 for k, one in enumerate(share)]
    chance = 1.0
    for k in range(len(intervals)):
        lived = math.exp(-hazard[k] * watched[k])
        chance *= 1 - lived if k == came else lived
    event = torch.arange(len(intervals)) == came
    loss = censored_hazard(torch.tensor(hazard, dtype=torch.float64), torch.tensor(watched), event)
    assert loss.item() == pytest.approx(-math.log(chance), rel=1e-5, abs=1e-7)


def test_censored_times_teach_their_true_rates():
    """Most are watched for part of the time only; their rates come out all the same."""
    random = np.random.default_rng(0)
    rates, widths = np.array([0.1, 0.05, 0.2]), np.array([3.0, 5.0, 4.0])
    edges = np.concatenate([[0], np.cumsum(widths)])
    need = random.exponential(size=4000)  # of cumulative hazard, until the event comes
    days = np.interp(need, np.concatenate([[0], np.cumsum(rates * widths)]), edges, right=99.0)
    until = random.uniform(0, 12, len(need))
    event = (days[:, None] >= edges[:-1]) & (days[:, None] < edges[1:]) & (days < until)[:, None]
    share = np.clip((until[:, None] - edges[:-1]) / widths, 0, 1)
    share[(days < until)[:, None] & (days[:, None] < edges[:-1])] = 0
    head = HazardHead(1, widths.tolist())
    optimiser = torch.optim.LBFGS([head.linear.bias], max_iter=20, line_search_fn="strong_wolfe")
    watched, came = torch.from_numpy(share).float(), torch.from_numpy(event)

    def closure():
        optimiser.zero_grad()
        loss = censored_hazard(head(torch.zeros(1)).expand(len(need), 3), watched, came).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    learned = head(torch.zeros(1)).detach().numpy() / widths
    np.testing.assert_allclose(learned, rates, rtol=0.1)


def test_whole_intervals_are_logistic_regression():
    logits = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    came = torch.randint(0, 4, (50,), generator=torch.Generator().manual_seed(1))
    watched = (torch.arange(4) <= came[:, None]).float()
    event = (torch.arange(4) == came[:, None]).float()
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, event, reduction="none")
    found = censored_hazard(torch.nn.functional.softplus(logits), watched, event)
    torch.testing.assert_close(found, (each * watched).sum(1))


@pytest.mark.parametrize("share", [0.0, 1e-30])
def test_nothing_watched_teaches_nothing_and_breaks_nothing(share):
    raw = torch.zeros(3, requires_grad=True)
    watched = torch.tensor([1.0, share, 0.0])
    loss = censored_hazard(raw.exp(), watched, torch.tensor([0.0, float(share > 0), 0.0]))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(raw.grad).all() and raw.grad[2] == 0


def test_fresh_head_answers_what_it_starts_at_and_goes_on_where_nothing_is_known():
    head = HazardHead(4, [2, 4, 2, 8])
    head.start_at(torch.tensor([0.2, 0.1, float("nan"), float("nan")]))
    found = head(torch.zeros(4))
    torch.testing.assert_close(found, torch.tensor([0.2, 0.1, 0.05, 0.2]), rtol=1e-4, atol=1e-6)
    head.start_at(torch.full((4,), float("nan")))
    torch.testing.assert_close(head(torch.zeros(4)), found)


def test_intervals_that_nobody_watched_keep_the_rate_before_them():
    head = HazardHead(2, [1, 1, 3])
    optimiser = torch.optim.AdamW(head.parameters(), 0.1)
    states = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    event = torch.stack([states[:, 0] > 0, states[:, 0] <= 0, torch.zeros(200, dtype=torch.bool)], 1)
    watched = torch.stack([torch.ones(200), (states[:, 0] <= 0).float(), torch.zeros(200)], 1)
    for _ in range(50):
        loss = censored_hazard(head(states), watched, event).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    hazard = head(states)
    assert hazard[:, 0].std() > 0.1
    torch.testing.assert_close(hazard[:, 2], 3 * hazard[:, 1])


@pytest.mark.parametrize("widths", [(), (1.0, 0.0), (1.0, -2.0)])
def test_unusable_widths_are_refused(widths):
    with pytest.raises(ConfigurationError, match="widths"):
        HazardHead(3, widths)
