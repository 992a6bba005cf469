"""The network of the next step: read it from top to bottom, there is nothing else to it.

A step enters as the mean of its items' vectors plus what else is known of it. An encoder (GRU, LSTM, any that is
registered) reads the steps; its state becomes a query, and an item's logit is its vector, the same as at the entrance
(Inan et al. 2017), times the query, plus its bias. Before the first step the query knows the region alone.

Shapes: B rows, T steps, A items, Q queries, D width of items.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from forecasting.encoders import EncoderConfig, build_encoder
from tasks.recommendation.items import ItemTable
from tasks.recommendation.softmax import next_items_loss
from tasks.recommendation.windows import Steps


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes. `items`: with a history; `descriptions`: codes that describe items; `contexts`: codes that describe steps;
    `numbers`: features of a step; `regions`: codes of regions. `input_dropout` of what enters the encoder, `dropout` of
    its states."""

    encoder: str
    items: int
    descriptions: int
    contexts: int
    numbers: int
    regions: int
    width: int = 100
    hidden: int = 100
    input_dropout: float = 0.5
    dropout: float = 0.2

    def document(self) -> dict[str, Any]:
        """JSON values; `NetworkConfig(**document)` restores them."""
        return asdict(self)


class NextStepNetwork(nn.Module):
    """Histories to queries [Q, D], items to vectors [A, D] and biases [A]."""

    def __init__(self, config: NetworkConfig, log_share: Tensor, hidden: Tensor):
        """`log_share`, `hidden`: of the items with a history, see `ItemTable`."""
        super().__init__()
        self.config = config
        width = config.width
        self.items = ItemTable(log_share, hidden, config.descriptions, width)
        self.context = _embedding(config.contexts, width) if config.contexts else None
        self.numbers = nn.Linear(config.numbers, width, bias=False) if config.numbers else None
        self.region = _embedding(config.regions, width) if config.regions > 1 else None
        self.input_dropout = nn.Dropout(config.input_dropout)
        self.encoder = build_encoder(config.encoder, EncoderConfig(width, config.hidden, dropout=config.dropout))
        self.readout = nn.Linear(self.encoder.width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, steps: Steps) -> tuple[Tensor, Tensor, Tensor]:
        vectors, bias = self.items(steps.identity, steps.code, steps.code_share, steps.begin)
        return self.ask(steps, vectors), vectors, bias

    def ask(self, steps: Steps, vectors: Tensor) -> Tensor:
        """The queries [Q, D], given the vectors of the active items [A, D]."""
        states = self.encoder(self.input_dropout(self.enter(steps, vectors)), steps.lengths)[0]  # [B, T, H]
        nothing = states.new_zeros(len(states), 1, states.shape[2])
        states = torch.cat([nothing, states], 1).flatten(0, 1)[steps.where]
        query = self.readout(states)
        if self.region is not None:
            row = torch.div(steps.where, steps.numbers.shape[1] + 1, rounding_mode="floor")
            query = query + self.region(steps.region)[row]
        return self.norm(query)

    def enter(self, steps: Steps, vectors: Tensor) -> Tensor:
        """What the encoder reads, [B, T, D]."""
        rows, longest, _ = steps.numbers.shape
        entered = F.embedding_bag(steps.item, vectors, steps.bag, mode="sum", per_sample_weights=steps.share)
        if self.context is not None:
            columns = steps.context.shape[1]
            entered = entered + F.embedding_bag(
                steps.context.flatten(),
                self.context.weight,
                steps.bag * columns,
                mode="sum",
                per_sample_weights=steps.share.repeat_interleave(columns),
            )
        entered = entered.view(rows, longest, -1)
        return entered if self.numbers is None else entered + self.numbers(steps.numbers)


def next_step_loss(network: nn.Module, steps: Steps) -> Tensor:
    """The mean over queries of the mean cross-entropy of what was wanted."""
    assert steps.hit_query is not None and steps.hit_item is not None
    assert steps.hit_share is not None and steps.weight is not None
    queries, vectors, bias = network(steps)
    if steps.correction is not None:  # active items that are only read stand behind those to choose from
        vectors, bias = vectors[: len(steps.correction)], bias[: len(steps.correction)]
    return next_items_loss(
        queries, vectors, bias, steps.hit_query, steps.hit_item, steps.hit_share, steps.weight, steps.correction
    )


def _embedding(codes: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(codes, width)
    nn.init.normal_(embedding.weight, std=0.05)
    return embedding
