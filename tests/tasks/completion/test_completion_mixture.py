"""Mixtures of log-logistic times: their likelihood and quantiles, against integrals and brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.completion.forecast import LEVELS
from tasks.completion.mixture import Frame, MixtureHead, censored_mixture, mixture_quantiles

LEVELS_32 = torch.tensor(LEVELS, dtype=torch.float32)


def mixtures(count: int, components: int, seed: int) -> torch.Tensor:
    random = np.random.default_rng(seed)
    return torch.tensor(random.normal(0, 1.5, (count, 3, components)), dtype=torch.float32)


def below(mixture: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The chance of being below each of `z` [P], for one mixture [3, M], in plain terms."""
    share = np.exp(mixture[0]) / np.exp(mixture[0]).sum()
    scale = np.clip(np.exp(mixture[2]), 0.02, 5.0)
    with np.errstate(over="ignore"):
        return (share / (1 + np.exp(-(z[:, None] - mixture[1]) / scale))).sum(axis=1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_quantiles_are_where_the_chance_is_as_asked(seed, components):
    mixture = mixtures(5, components, seed)
    found = mixture_quantiles(mixture, LEVELS_32).numpy().astype(np.float64)
    assert (np.diff(found) >= 0).all()
    for row, one in zip(found, mixture.numpy().astype(np.float64), strict=True):
        # a little to either side of a quantile the chance must lie on either side of its level
        assert (below(one, row - 1e-3) <= LEVELS + 1e-6).all() and (below(one, row + 1e-3) >= LEVELS - 1e-6).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.floats(-4, 4))
def test_the_loss_is_the_likelihood(seed, components, z):
    mixture = mixtures(1, components, seed)
    one = mixture[0].numpy().astype(np.float64)
    step = 1e-6
    low, at, high = below(one, np.array([z - step, z, z + step]))
    times = torch.tensor([z], dtype=torch.float32)
    later = censored_mixture(mixture, times, torch.zeros(1)).item()
    assert np.exp(-later) == pytest.approx(1 - at, abs=1e-4)
    then = censored_mixture(mixture, times, torch.ones(1)).item()
    assert np.exp(-then) == pytest.approx((high - low) / (2 * step), rel=2e-2, abs=1e-4)


def test_extremes_have_a_finite_loss_and_gradient():
    mixture = torch.tensor([[[9.0, -90.0], [0.0, 300.0], [-50.0, 50.0]]]).repeat(4, 1, 1).requires_grad_()
    times = torch.tensor([-40.0, 40.0, -40.0, 40.0])
    loss = censored_mixture(mixture, times, torch.tensor([0.0, 0.0, 1.0, 1.0])).sum()
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(mixture.grad).all()
    assert torch.isfinite(mixture_quantiles(mixture.detach(), LEVELS_32)).all()


def test_a_fresh_head_answers_about_a_standard_normal():
    torch.manual_seed(0)
    found = mixture_quantiles(MixtureHead(16, 4)(torch.randn(50, 16)), LEVELS_32).detach().numpy()
    at = {level: found[:, np.isclose(LEVELS, level)].mean() for level in (0.05, 0.5, 0.95)}
    assert at[0.5] == pytest.approx(0, abs=0.2)
    assert at[0.05] == pytest.approx(-1.6, abs=0.4) and at[0.95] == pytest.approx(1.6, abs=0.4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=50))
def test_times_come_back_from_the_frame(days):
    frame = Frame.fit(np.array(days))
    times = torch.tensor(days, dtype=torch.float64)
    back = frame.times(frame.scaled(times).double())
    torch.testing.assert_close(back, times.clamp(min=frame.least), rtol=1e-4, atol=0.0)
    assert frame.least > 0 and frame.spread > 0


def test_the_unit_of_times_does_not_matter():
    """A shop that delivers in hours learns from the same numbers as one that takes months."""
    days = np.random.default_rng(0).gamma(2, 5, 1000)
    one, other = Frame.fit(days), Frame.fit(days * 100)
    torch.testing.assert_close(
        one.scaled(torch.from_numpy(days)), other.scaled(torch.from_numpy(days * 100)), rtol=1e-4, atol=1e-4
    )
