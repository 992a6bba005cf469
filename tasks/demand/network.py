"""The demand network: read it from top to bottom, there is nothing else to it.

An encoder (GRU, LSTM, any that is registered) reads the history in patches of a week. Its state, the summary of the
series and the embeddings of item and location meet what is known about each step of the horizon, in a small
feed-forward decoder that is the same for all steps (direct multi-horizon, Wen et al. 2017, MQ-RNN). What it says
departs from anchors, statistics of like periods in the past, and is multiplied by a factor, since promotions, prices
and opening days multiply demand. A second head forecasts quantiles of cumulative demand, learnt from sums themselves:
summed quantiles are not the quantiles of a sum.

Shapes: B windows, C periods of context, H steps of the horizon, W width, Q and K levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from forecasting.encoders import EncoderConfig, build_encoder
from forecasting.heads import QuantileHead
from tasks.demand.features import Windows
from tasks.demand.forecast import CUMULATIVE_LEVELS, LEVELS

_GATE = 3.0
"""The factor on a forecast stays within e^-3 ... e^3: a covariate out of all bounds must not make demand explode."""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes. `context`, `summary`, `steps`, `anchors`: features of the windows. `labels`: rows of each static
    embedding (the first is the item). `patch`: periods that the encoder takes at once, `recent`: how many it reads in
    all. `unknown`: share of static labels hidden in training, so that the network knows what to say of a series it
    never saw."""

    encoder: str
    context: int
    summary: int
    steps: int
    anchors: int
    labels: tuple[int, ...]
    patch: int
    recent: int
    hidden: int = 64
    width: int = 96
    blocks: int = 1
    dropout: float = 0.1
    unknown: float = 0.05

    def document(self) -> dict[str, Any]:
        """JSON values; `NetworkConfig(**document)` restores them once `labels` is a tuple."""
        return {**asdict(self), "labels": list(self.labels)}


class DemandNetwork(nn.Module):
    """Windows to quantiles of each step [B, H, Q], means [B, H] and quantiles of mean demand so far [B, H, K], all in
    units of each window's scale."""

    summary_centre: Tensor
    summary_spread: Tensor

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        width = config.width
        self.patch = nn.Linear(config.context * config.patch, config.hidden)
        self.encoder = build_encoder(config.encoder, EncoderConfig(config.hidden, config.hidden))
        sizes = [min(8 if at == 0 else 4, rows) for at, rows in enumerate(config.labels)]
        self.labels = nn.ModuleList(_embedding(rows, size) for rows, size in zip(config.labels, sizes, strict=True))
        self.series = nn.Linear(self.encoder.width + config.summary + sum(sizes), width)
        self.step = nn.Linear(config.steps, width)
        self.blocks = nn.ModuleList(Block(width, config.dropout) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(width)
        self.anchor = nn.Linear(config.anchors, 1, bias=False)
        nn.init.constant_(self.anchor.weight, 1 / config.anchors)
        self.gate = nn.Linear(width, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)
        self.quantiles = QuantileHead(width, LEVELS)
        self.mean = nn.Linear(width, 1)
        nn.init.zeros_(self.mean.weight)
        nn.init.zeros_(self.mean.bias)
        self.so_far = nn.Linear(width, width // 2)
        self.cumulative = QuantileHead(width // 2, CUMULATIVE_LEVELS)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("summary_centre", torch.zeros(config.summary))
        self.register_buffer("summary_spread", torch.ones(config.summary))

    def standardise(self, summary: Tensor) -> None:
        """Learn centre and spread of the summary from training windows, float [n, S]."""
        self.summary_centre.copy_(summary.mean(0))
        self.summary_spread.copy_(summary.std(0).nan_to_num(1.0).clamp(min=1e-3))

    def forward(self, windows: Windows) -> tuple[Tensor, Tensor, Tensor]:
        states = self.decode(windows)  # [B, H, W]
        factor = self.gate(states).clamp(-_GATE, _GATE).exp()  # [B, H, 1]
        anchor = self.anchor(windows.anchors)  # [B, H, 1]
        quantiles = (anchor + self.quantiles(states)) * factor
        mean = ((anchor + self.mean(states)) * factor).squeeze(-1)
        steps = torch.arange(1, states.shape[1] + 1, device=states.device)
        rate = mean.detach().cumsum(1) / steps  # mean demand per step so far
        so_far = F.gelu(self.so_far(states.cumsum(1) / steps[:, None]))
        return quantiles, mean, rate[..., None] + self.cumulative(so_far)

    def decode(self, windows: Windows) -> Tensor:
        """The state of every step of the horizon, [B, H, W]."""
        series = self.dropout(torch.cat([self.encode(windows.context), *self.describe(windows)], 1))
        states = F.gelu(self.series(series)[:, None] + self.step(windows.steps))
        for block in self.blocks:
            states = block(states)
        return self.norm(states)

    def encode(self, context: Tensor) -> Tensor:
        """The history [B, C, features], taken a patch at a time, as one state [B, hidden]."""
        rows, periods, features = (context := context[:, -self.config.recent :]).shape
        patches = context.reshape(rows, periods // self.config.patch, self.config.patch * features)
        return self.encoder(F.gelu(self.patch(patches)))[1]

    def describe(self, windows: Windows) -> list[Tensor]:
        """Summary and embeddings of the series, each [B, ...]."""
        codes = windows.codes
        if self.training and self.config.unknown:
            codes = codes.masked_fill(torch.rand(codes.shape, device=codes.device) < self.config.unknown, 0)
        summary = ((windows.summary - self.summary_centre) / self.summary_spread).clamp(-5, 5)
        return [summary, *(embedding(codes[:, at]) for at, embedding in enumerate(self.labels))]


class Block(nn.Module):
    """A residual feed-forward block, normalised first. Dropout hides the same units from all steps of a horizon (Gal
    and Ghahramani 2016), which also draws far fewer random numbers."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norm, self.into, self.out = nn.LayerNorm(width), nn.Linear(width, width), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        inner = F.gelu(self.into(self.norm(states)))
        return states + self.out(inner * self.dropout(torch.ones_like(inner[:, :1])))


@dataclass(frozen=True)
class DemandLoss:
    """What training minimises: pinball of each step and of cumulative demand, and the error of the mean.

    Large series count by the root of their scale: by the scale itself they would drown all others, and not at all they
    would matter less than they do in the till. The mean is held to squared error in units of the series' own changes
    (RMSSE's), linear beyond `outlier` of them: one wholesale order must not decide it.
    """

    mean: float = 0.1
    cumulative: float = 0.3
    outlier: float = 6.0
    size_power: float = 0.5

    def __call__(self, network: nn.Module, windows: Windows) -> Tensor:
        quantiles, mean, cumulative = network(windows)
        assert windows.target is not None and windows.weight is not None
        target, known = windows.target, windows.weight
        size = windows.scale**self.size_power
        size = (size / size.mean())[:, None]
        steps = torch.arange(1, target.shape[1] + 1, device=target.device)
        whole = known.cumprod(1)  # sums are known as long as every step is
        so_far = target.cumsum(1) / steps
        error = (target - mean) / windows.spread.clamp(min=0.1)[:, None]
        squared = 2 * F.huber_loss(error, torch.zeros_like(error), reduction="none", delta=self.outlier)
        return (
            _mean(_pinball(quantiles, target, LEVELS) * size, known)
            + self.mean * _mean(squared, known)
            + self.cumulative * _mean(_pinball(cumulative, so_far, CUMULATIVE_LEVELS) * size, whole)
        )


def _pinball(quantiles: Tensor, target: Tensor, levels: Sequence[float]) -> Tensor:
    """Pinball loss summed over levels, [B, H]."""
    error = target[..., None] - quantiles
    level = torch.tensor(levels, dtype=error.dtype, device=error.device)
    return torch.maximum(level * error, (level - 1) * error).sum(-1)


def _embedding(rows: int, size: int) -> nn.Embedding:
    embedding = nn.Embedding(rows, size)
    nn.init.normal_(embedding.weight, std=0.05)
    return embedding


def _mean(loss: Tensor, weight: Tensor) -> Tensor:
    return (loss * weight).sum() / weight.sum().clamp(min=1)
