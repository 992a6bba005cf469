"""The completion network: read it from top to bottom, there is nothing else to it.

One encoder (GRU, LSTM, any that is registered) reads the order's own events, another the latest orders of each group
(the same origin, the same route), one group after the other and told which it is. Their states meet the case's figures,
stage and labels in two hidden layers, and a head says how much operational time the completion still takes, as a
mixture of distributions of its logarithm.

Shapes: B cases, T steps, G groups, F features, L labels, H state, W width, M components.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from forecasting.encoders import EncoderConfig, build_encoder
from tasks.completion.inputs import CaseBatch
from tasks.completion.mixture import MixtureHead, censored_mixture


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes. `features`: numbers of a case; `stages`, `labels`: codes of each; `own`, `latest`: columns of a step of
    the order's own and of a group's; `own_statuses`, `latest_statuses`: codes of steps; `groups`: how many.
    `components`: of the mixture. `dropout`: of states and features, and in the hidden layers. `forget`: share of labels
    taken as unknown in training."""

    encoder: str
    features: int
    stages: int
    labels: tuple[int, ...]
    own: int
    own_statuses: int
    latest: int
    latest_statuses: int
    groups: int
    components: int = 4
    hidden: int = 32
    width: int = 64
    dropout: float = 0.2
    forget: float = 0.1

    def document(self) -> dict[str, Any]:
        """JSON values; `restore` makes an equal one."""
        return {**asdict(self), "labels": list(self.labels)}

    @staticmethod
    def restore(document: dict[str, Any]) -> NetworkConfig:
        """The sizes of a `document`."""
        return NetworkConfig(**{**document, "labels": tuple(document["labels"])})


class CompletionNetwork(nn.Module):
    """Cases to mixtures of scaled remaining time, [B, 3, M]."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.own = StepEncoder(config.encoder, config.own, config.own_statuses, config.hidden)
        half = max(config.hidden // 2, 4)
        self.lately = None
        if config.groups:
            columns = config.latest + config.groups
            self.lately = StepEncoder(config.encoder, columns, config.latest_statuses, half)
        self.stage = _embedding(config.stages, 4)
        self.labels = nn.ModuleList(_embedding(codes, 4) for codes in config.labels)
        known = self.own.width + half * config.groups + 4 * (1 + len(config.labels))
        self.dropout = nn.Dropout(config.dropout)
        self.meet = nn.Linear(known + config.features, config.width)
        self.deepen = nn.Linear(config.width, config.width)
        self.head = MixtureHead(config.width, config.components)

    def forward(self, cases: CaseBatch) -> Tensor:
        known = [cases.features, self.own(cases.own, cases.own_status, cases.own_lengths), self.stage(cases.stage)]
        if self.lately is not None:
            known.append(self._latest(self.lately, cases))
        codes = self._some_forgotten(cases.labels)
        known += [embedding(codes[:, label]) for label, embedding in enumerate(self.labels)]
        meeting = F.gelu(self.meet(self.dropout(torch.cat(known, 1))))
        meeting = meeting + F.gelu(self.deepen(self.dropout(meeting)))
        return self.head(meeting)

    def _latest(self, encoder: StepEncoder, cases: CaseBatch) -> Tensor:
        """The states of the groups' latest orders side by side, [B, G x H]."""
        count, groups, steps, _ = cases.lately.shape
        which = torch.eye(groups, device=cases.lately.device)[:, None].expand(count, groups, steps, groups)
        latest = torch.cat([cases.lately, which], 3).flatten(0, 1)
        return encoder(latest, cases.lately_status.flatten(0, 1), cases.lately_lengths.flatten()).reshape(count, -1)

    def _some_forgotten(self, codes: Tensor) -> Tensor:
        """In training, some labels as if they were unknown: so it learns what to say of those that are."""
        if not self.training or not self.config.forget or not codes.shape[1]:
            return codes
        return codes * (torch.rand(codes.shape, device=codes.device) >= self.config.forget)


class StepEncoder(nn.Module):
    """Steps [B, T, C] and their statuses [B, T] to one state [B, H]; zeros where there are none."""

    def __init__(self, encoder: str, columns: int, statuses: int, hidden: int):
        super().__init__()
        self.status = _embedding(statuses, 4) if statuses > 1 else None
        self.encoder = build_encoder(encoder, EncoderConfig(columns + (4 if self.status is not None else 0), hidden))
        self.width = self.encoder.width

    def forward(self, steps: Tensor, status: Tensor, lengths: Tensor) -> Tensor:
        if self.status is not None:
            steps = torch.cat([steps, self.status(status)], 2)
        return self.encoder(steps, lengths)[1]


def completion_loss(network: nn.Module, cases: CaseBatch) -> Tensor:
    """The weighted mean over cases of the likelihood of when they were completed, as far as they were watched."""
    assert cases.remaining is not None and cases.completed is not None and cases.weight is not None
    return (censored_mixture(network(cases), cases.remaining, cases.completed) * cases.weight).mean()


def _embedding(codes: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(codes, width)
    nn.init.normal_(embedding.weight, std=0.05)
    return embedding
