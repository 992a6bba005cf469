"""Heads and losses: no crossing, sensible starts, masks that really hide, gradients that point the right way."""

from statistics import NormalDist

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from forecasting.heads import MeanHead, QuantileHead
from forecasting.losses import pinball, poisson, squared, tweedie, weighted_mean
from forecasting.schema import ConfigurationError

LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=9, unique_by=lambda x: round(x, 3)), st.integers(0, 99))
def test_quantiles_never_cross(levels, seed):
    torch.manual_seed(seed)
    head = QuantileHead(4, sorted(levels))
    nn.init.normal_(head.linear.weight, std=20)
    quantiles = head(torch.randn(50, 3, 4))
    assert quantiles.shape == (50, 3, len(levels))
    assert (quantiles.diff(dim=-1) >= 0).all()


def test_fresh_head_answers_normal_quantiles():
    expected = [2 * NormalDist().inv_cdf(level) for level in LEVELS]
    torch.testing.assert_close(QuantileHead(3, LEVELS, spread=2)(torch.zeros(3)), torch.tensor(expected))


def test_fresh_mean_answers_its_start_and_stays_positive():
    head = MeanHead(3, start=0.7)
    assert head(torch.zeros(5, 2, 3)).shape == (5, 2)
    assert head(torch.zeros(3)).item() == pytest.approx(0.7, abs=1e-4)
    assert (head(torch.randn(100, 3) * 1e4) > 0).all()


@pytest.mark.parametrize("levels", [(), (0.5, 0.1), (0.1, 0.1), (0.0, 0.5), (0.5, 1.0)])
def test_unusable_levels_are_refused(levels):
    with pytest.raises(ConfigurationError, match="levels"):
        QuantileHead(3, levels)


def test_pinball_is_minimised_by_the_empirical_quantiles():
    target = torch.from_numpy(np.random.default_rng(0).gamma(2, 3, 4000)).float()
    head = QuantileHead(1, (0.1, 0.5, 0.9))
    optimiser = torch.optim.Adam(head.parameters(), 0.1)
    for _ in range(300):
        loss = pinball(head(torch.zeros(len(target), 1)), target, (0.1, 0.5, 0.9))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    learned = head(torch.zeros(1)).detach()
    torch.testing.assert_close(learned, torch.quantile(target, torch.tensor([0.1, 0.5, 0.9])), rtol=0.05, atol=0.1)


def test_pinball_by_hand():
    # over-forecast by 2 at level .9 costs .2, under-forecast by 2 costs 1.8
    quantiles = torch.tensor([[5.0], [1.0]])
    target = torch.tensor([3.0, 3.0])
    assert pinball(quantiles, target, (0.9,)).item() == pytest.approx(1.0)
    assert pinball(quantiles, target, (0.9,), torch.tensor([3.0, 1.0])).item() == pytest.approx((3 * 0.2 + 1.8) / 4)


LOSSES = {
    "pinball": lambda mean, target, weight: pinball(mean.unsqueeze(-1), target, (0.5,), weight),
    "tweedie": lambda mean, target, weight: tweedie(mean, target, 1.4, weight),
    "poisson": poisson,
    "squared": squared,
}


@pytest.mark.parametrize("name", LOSSES)
def test_masked_targets_are_ignored_whatever_they_hold(name):
    mean = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    weight = torch.tensor([1.0, 0.0, 2.0])
    losses = []
    for hidden in (0.0, 7.0, float("nan"), float("inf")):
        loss = LOSSES[name](mean, torch.tensor([2.0, hidden, 0.0]), weight)
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, mean)
        assert gradient[1] == 0 and torch.isfinite(gradient).all()
    assert len(set(losses)) == 1 and losses[0] > 0


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_visible_means_no_loss(name):
    mean = torch.ones(3, requires_grad=True)
    loss = LOSSES[name](mean, torch.full((3,), float("nan")), torch.zeros(3))
    assert loss.item() == 0
    assert torch.equal(torch.autograd.grad(loss, mean)[0], torch.zeros(3))


@pytest.mark.parametrize("power", [1.0, 1.2, 1.5, 1.9])
def test_deviance_is_zero_at_the_target_and_minimised_by_the_mean(power):
    target = torch.tensor([0.0, 0.0, 1.0, 5.0], dtype=torch.float64)
    assert tweedie(target[2:], target[2:], power).item() == pytest.approx(0, abs=1e-9)
    grid = torch.linspace(0.1, 5, 500, dtype=torch.float64)
    losses = torch.stack([tweedie(mean.expand(4), target, power) for mean in grid])
    assert grid[losses.argmin()].item() == pytest.approx(1.5, abs=0.01)


def test_tweedie_power_out_of_range_is_refused():
    with pytest.raises(ConfigurationError, match="power of 3"):
        tweedie(torch.ones(1), torch.ones(1), 3)


def test_weights_broadcast():
    loss = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
    assert weighted_mean(loss, torch.tensor([[1.0], [0.0]])).item() == 2.0
