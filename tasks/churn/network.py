"""The churn network: read it from top to bottom, there is nothing else to it.

An encoder (GRU, LSTM, any that is registered) reads the latest events. Its state meets the case's figures and region in
one hidden layer, and a head says the hazard of the next purchase by interval after the cutoff.

Shapes: B cases, T events, F features, H state, W width, K intervals.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from forecasting.encoders import EncoderConfig, build_encoder
from forecasting.heads import HazardHead
from forecasting.losses import censored_hazard
from tasks.churn.inputs import CaseBatch


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes. `steps`: columns of an event; `features`: numbers of a case; `regions`, `categories`: codes of each;
    `widths`: of the intervals, in days. `dropout`: of the state and the features, and in the hidden layer."""

    encoder: str
    steps: int
    features: int
    regions: int
    categories: int
    widths: tuple[float, ...]
    hidden: int = 32
    width: int = 64
    dropout: float = 0.1

    def document(self) -> dict[str, Any]:
        """JSON values; `NetworkConfig(**document)` restores them once `widths` is a tuple."""
        return {**asdict(self), "widths": list(self.widths)}


class HazardNetwork(nn.Module):
    """Cases to cumulative hazards of each interval, [B, K]."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.category = _embedding(config.categories, 4) if config.categories > 1 else None
        self.region = _embedding(config.regions, 4) if config.regions > 1 else None
        inputs = config.steps + (4 if self.category is not None else 0)
        self.encoder = build_encoder(config.encoder, EncoderConfig(inputs, config.hidden))
        known = self.encoder.width + config.features + (4 if self.region is not None else 0)
        self.dropout = nn.Dropout(config.dropout)
        self.meet = nn.Linear(known, config.width)
        self.head = HazardHead(config.width, config.widths)

    def forward(self, cases: CaseBatch) -> Tensor:
        state = self.encode(cases.steps, cases.category, cases.lengths)
        return self.answer(state, cases.features, cases.region)

    def encode(self, steps: Tensor, category: Tensor, lengths: Tensor) -> Tensor:
        """The events [B, T, C] as one state [B, H]; zeros where there are none."""
        if self.category is not None:
            steps = torch.cat([steps, self.category(category)], 2)
        return self.encoder(steps, lengths)[1]

    def answer(self, state: Tensor, features: Tensor, region: Tensor) -> Tensor:
        """Hazards, from the state of the events, and what else is known of the case."""
        known = [state, features]
        if self.region is not None:
            known.append(self.region(region))
        meeting = F.gelu(self.meet(self.dropout(torch.cat(known, 1))))
        return self.head(self.dropout(meeting))


def hazard_loss(network: nn.Module, cases: CaseBatch) -> Tensor:
    """The mean over cases of the likelihood of when the next purchase came, as far as it was watched."""
    assert cases.watched is not None and cases.event is not None
    return censored_hazard(network(cases), cases.watched, cases.event).mean()


def _embedding(codes: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(codes, width)
    nn.init.normal_(embedding.weight, std=0.05)
    return embedding
