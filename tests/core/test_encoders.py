"""The contract of encoders, over every one that is registered or plugged in."""

from importlib.metadata import EntryPoint

import pytest
import torch

from forecasting import encoders
from forecasting.encoders import Encoder, EncoderConfig, build_encoder, encoder_names
from forecasting.schema import ConfigurationError
from forecasting.seeds import seeded

CONFIG = EncoderConfig(inputs=5, hidden=8, layers=2, dropout=0.3)


@pytest.fixture(params=encoder_names())
def encoder(request) -> Encoder:
    with seeded(1):
        return build_encoder(request.param, CONFIG).eval()


@pytest.fixture
def inputs() -> torch.Tensor:
    return torch.randn(6, 9, 5, generator=torch.Generator().manual_seed(0))


def test_shapes_and_dtypes(encoder, inputs):
    states, final = encoder(inputs)
    assert states.shape == (6, 9, encoder.width) and final.shape == (6, encoder.width)
    assert states.dtype == final.dtype == torch.float32
    assert torch.equal(final, states[:, -1])


def test_states_are_causal(encoder, inputs):
    altered = inputs.clone()
    altered[:, 5:] += 3
    before, after = encoder(inputs)[0], encoder(altered)[0]
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


def test_padding_changes_nothing(encoder, inputs):
    lengths = torch.tensor([9, 4, 1, 7, 0, 9])
    altered = inputs.clone()
    for row, length in enumerate(lengths.tolist()):
        altered[row, length:] = 100
    (states, final), (states_altered, final_altered) = encoder(inputs, lengths), encoder(altered, lengths)
    torch.testing.assert_close(final, final_altered)
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(states[row, :length], states_altered[row, :length])
        if length:
            torch.testing.assert_close(final[row], encoder(inputs[row : row + 1, :length])[1][0], rtol=1e-4, atol=1e-5)
    assert torch.equal(final[4], torch.zeros(encoder.width))


def test_rows_do_not_see_each_other(encoder, inputs):
    altered = inputs.clone()
    altered[3:] = 0
    torch.testing.assert_close(encoder(inputs)[0][:3], encoder(altered)[0][:3])


def test_gradients_reach_every_weight(encoder, inputs):
    encoder.train()
    states, final = encoder(inputs, torch.tensor([9, 4, 1, 7, 2, 9]))
    (states.square().sum() + final.square().sum()).backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_dropout_acts_in_training_alone(encoder, inputs):
    assert torch.equal(encoder(inputs)[0], encoder(inputs)[0])
    encoder.train()
    assert not torch.equal(encoder(inputs)[0], encoder(inputs)[0])


def test_same_seed_same_weights(inputs):
    def weights(seed: int) -> list[torch.Tensor]:
        with seeded(seed):
            return [p for name in encoder_names() for p in build_encoder(name, CONFIG).parameters()]

    assert all(torch.equal(a, b) for a, b in zip(weights(4), weights(4), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights(4), weights(5), strict=True))


def test_unknown_name_lists_the_known():
    with pytest.raises(ConfigurationError, match=r"'transformer'.*gru, lstm"):
        build_encoder("transformer", CONFIG)


def test_plugin_is_found_by_entry_point(monkeypatch):
    points = [
        EntryPoint("mine", "forecasting.encoders:GRUEncoder", encoders.ENTRY_POINTS),
        EntryPoint("broken", "no_such_module:Encoder", encoders.ENTRY_POINTS),
    ]
    monkeypatch.setattr(encoders, "entry_points", lambda group: points if group == encoders.ENTRY_POINTS else [])
    assert encoder_names() == ("broken", "gru", "lstm", "mine")
    assert build_encoder("mine", CONFIG).width == 8
    with pytest.raises(ConfigurationError, match="'broken' of no_such_module:Encoder does not load"):
        build_encoder("broken", CONFIG)
