"""The moving average of weights."""

import torch
from torch import nn

from forecasting.averaging import WeightAverage


def test_average_follows_and_is_lent():
    parameter = nn.Parameter(torch.zeros(2))
    average = WeightAverage([parameter], decay=0.5)
    with torch.no_grad():
        parameter.fill_(1.0)
    average.update(steps=10**6)
    torch.testing.assert_close(average.values[0], torch.full((2,), 0.5))
    with average.applied():
        assert parameter[0].item() == 0.5
    assert parameter[0].item() == 1.0
    average.assign()
    assert parameter[0].item() == 0.5


def test_early_weights_fade():
    """After few steps a large decay has no say yet: the average stays near the weights of late."""
    parameter = nn.Parameter(torch.full((1,), 100.0))
    average = WeightAverage([parameter], decay=0.999)
    with torch.no_grad():
        parameter.zero_()
    for step in range(1, 51):
        average.update(step)
    assert average.values[0].item() < 0.01


def test_no_decay_keeps_nothing():
    parameter = nn.Parameter(torch.ones(1))
    average = WeightAverage([parameter], decay=0.0)
    average.update(1)
    with average.applied():
        assert parameter.item() == 1
    assert average.values == []
