"""Encoders turn a padded batch of sequences into states: one small interface and a registry.

Add one with `@register_encoder("name")`, or from another package through the entry-point group
`forecasting.encoders`; configuration then finds it by that name and `tests/core/test_encoders.py` checks the contract.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points

import torch
from torch import Tensor, nn

from forecasting.schema import ConfigurationError

ENTRY_POINTS = "forecasting.encoders"


@dataclass(frozen=True)
class EncoderConfig:
    """`inputs`: features per step. `hidden`: width of the states. `layers`: stacked layers. `dropout`: share of units
    dropped in training, between layers and on the states returned."""

    inputs: int
    hidden: int = 64
    layers: int = 1
    dropout: float = 0.0


class Encoder(nn.Module):
    """Base class of every encoder.

    The contract, checked over all that are registered: states are causal (step t sees inputs up to t, nothing later),
    what stands in the padding changes no valid state and no `final`, and `final` of a row of length 0 is all zeros.
    """

    width: int
    """Size H of the states."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        self.width = config.hidden

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encode a batch whose sequences begin at step 0 and are padded at the end.

        `inputs`: float [B, T, F]. `lengths`: int64 [B], valid steps per row; None where all T are valid.
        Returns `states` float [B, T, H], meaningless past a row's length, and `final` float [B, H], the state after
        the last valid step.
        """
        raise NotImplementedError


_REGISTRY: dict[str, Callable[[EncoderConfig], Encoder]] = {}


def register_encoder(name: str) -> Callable[[type[Encoder]], type[Encoder]]:
    """Class decorator: make an encoder known under `name`."""

    def register(encoder: type[Encoder]) -> type[Encoder]:
        _REGISTRY[name] = encoder
        return encoder

    return register


def encoder_names() -> tuple[str, ...]:
    """Every name that `build_encoder` answers, registered here or by a plugin, sorted."""
    return tuple(sorted({*_REGISTRY, *(point.name for point in entry_points(group=ENTRY_POINTS))}))


def build_encoder(name: str, config: EncoderConfig) -> Encoder:
    """The encoder called `name`, freshly initialised from torch's global generator.

    Raises ConfigurationError for an unknown name or a plugin that does not load.
    """
    if name in _REGISTRY:
        return _REGISTRY[name](config)
    plugin = next((point for point in entry_points(group=ENTRY_POINTS) if point.name == name), None)
    if plugin is None:
        raise ConfigurationError(f"There is no encoder {name!r}.", remedy=f"Choose from: {', '.join(encoder_names())}.")
    try:
        build = plugin.load()
    except Exception as error:  # whatever a stranger's module raises on import becomes one clear sentence
        raise ConfigurationError(
            f"The encoder {name!r} of {plugin.value} does not load: {error}.",
            remedy="Reinstall the package that provides it.",
        ) from error
    return build(config)


def final_state(states: Tensor, lengths: Tensor | None) -> Tensor:
    """`states` [B, T, H] after each row's last valid step: [B, H], zeros for rows of length 0."""
    if lengths is None:
        return states[:, -1]
    last = (lengths - 1).clamp(min=0)
    final = states[torch.arange(len(states), device=states.device), last]
    return final * (lengths > 0).unsqueeze(1)


class _Recurrent(Encoder):
    """Shared by LSTM and GRU, which differ in their cell alone. Rows are run through their padding rather than packed:
    with length-bucketed batches that is several times faster on a CPU, and nothing valid depends on it."""

    cell: type[nn.GRU] | type[nn.LSTM]

    def __init__(self, config: EncoderConfig):
        super().__init__(config)
        between = config.dropout if config.layers > 1 else 0.0
        self.rnn = self.cell(config.inputs, config.hidden, config.layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(config.dropout)
        self._initialise()

    def _initialise(self) -> None:
        """Orthogonal recurrent weights, gate by gate (Saxe et al. 2014), Glorot input weights, biases of zero."""
        for name, weight in self.rnn.named_parameters():
            for gate in weight.data.split(self.width):
                if name.startswith("weight_hh"):
                    nn.init.orthogonal_(gate)
                elif name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(gate)
                else:
                    nn.init.zeros_(gate)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        states = self.dropout(self.rnn(inputs)[0])
        return states, final_state(states, lengths)


@register_encoder("gru")
class GRUEncoder(_Recurrent):
    """Gated recurrent unit (Cho et al. 2014)."""

    cell = nn.GRU


@register_encoder("lstm")
class LSTMEncoder(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997), forget gates open at first."""

    cell = nn.LSTM

    def _initialise(self) -> None:
        super()._initialise()
        for name, bias in self.rnn.named_parameters():
            if name.startswith("bias_ih"):  # a forget bias of one: Jozefowicz et al. 2015, section 2.2
                bias.data[self.width : 2 * self.width] = 1.0
