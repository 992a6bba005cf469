"""A fitted network: asking, storing and restoring it."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from forecasting.artifacts import expect_format
from forecasting.devices import choose_device
from forecasting.task import Cases
from forecasting.trainer import evaluation
from tasks.recommendation.catalogue import Catalogue
from tasks.recommendation.items import ItemLayout
from tasks.recommendation.journal import Journal
from tasks.recommendation.network import NetworkConfig, NextStepNetwork
from tasks.recommendation.step_layout import StepLayout
from tasks.recommendation.windows import WindowReader

FORMAT = 1

_AT_ONCE = 512
"""Cases read at a time."""

_ITEMS_AT_ONCE = 65_536

_TILE = 64
"""Items are multiplied by so many: a product's last bits depend on whether an item stands in a full tile, and with it
they would on how many items come after the cutoff."""


class FittedNetwork:
    """A network with what it knows of items and steps. `epochs`: for how many it was trained."""

    def __init__(
        self,
        items: ItemLayout,
        steps: StepLayout,
        network: NextStepNetwork,
        trained_until: np.datetime64,
        epochs: int,
    ):
        self.items, self.steps, self.network = items, steps, network
        self.trained_until, self.epochs = trained_until, epochs
        self._bound: tuple[weakref.ref[Catalogue], Tensor, Tensor] | None = None

    def queries(self, journal: Journal, cases: Cases) -> np.ndarray:
        """What the network asks for in each case, float32 [n, D], from the steps that its cutoff sees; of a case
        without any, what it learnt of first steps in its region."""
        vectors, _ = self._bind(journal.catalogue)
        reader = WindowReader(self.steps, journal)
        stretches = reader.stretches(cases.entity, cases.cutoff.astype("datetime64[us]"))
        order = np.argsort(stretches.count, kind="stable")
        queries = np.empty((len(cases), self.network.config.width), np.float32)
        for start in range(0, len(cases), _AT_ONCE):
            block = order[start : start + _AT_ONCE]
            steps, _ = reader.read(stretches.take(block))
            with evaluation(self.network):
                queries[block] = self.network.ask(steps.to(vectors.device), vectors).cpu().numpy()
        return queries

    def item_matrix(self, journal: Journal) -> np.ndarray:
        """The vectors of the journal's items, float32 [N, D]."""
        return self._bind(journal.catalogue)[0][: len(journal.catalogue)].cpu().numpy()

    def item_bias(self, journal: Journal) -> np.ndarray:
        """The biases of the journal's items, float32 [N]."""
        return self._bind(journal.catalogue)[1][: len(journal.catalogue)].cpu().numpy()

    def logits(self, journal: Journal, cases: Cases) -> np.ndarray:
        """float32 [n, N]: `queries @ item_matrix.T + item_bias`. The softmax of a row says how likely each item is
        to be the next one (one drawn from the next basket). There must be room for n x N numbers."""
        vectors, bias = self._bind(journal.catalogue)
        queries = torch.from_numpy(self.queries(journal, cases)).to(vectors.device)
        return torch.addmm(bias, queries, vectors.T)[:, : len(journal.catalogue)].contiguous().cpu().numpy()

    def _bind(self, catalogue: Catalogue) -> tuple[Tensor, Tensor]:
        """Vectors [N, D] and biases [N] of a catalogue's items and of nothing, up to a whole tile; kept for the next
        call."""
        if self._bound is not None and self._bound[0]() is catalogue:
            return self._bound[1:]
        codes = self.items.codes(catalogue)
        device = next(self.network.parameters()).device
        parts = []
        with evaluation(self.network):
            for start in range(0, max(len(catalogue), 1), _ITEMS_AT_ONCE):
                some = np.arange(start, min(start + _ITEMS_AT_ONCE, len(catalogue)))
                code, share, begin = (torch.from_numpy(part).to(device) for part in codes.descriptions(some))
                parts.append(self.network.items(torch.from_numpy(codes.id[some]).to(device), code, share, begin))
        beyond = torch.zeros(-len(catalogue) % _TILE, self.network.config.width + 1, device=device)
        parts.append((beyond[:, 1:], beyond[:, 0]))
        vectors, bias = (torch.cat(same) for same in zip(*parts, strict=True))
        self._bound = weakref.ref(catalogue), vectors, bias
        return vectors, bias

    def forget(self) -> None:
        """Drop what is kept of a catalogue: the weights have changed."""
        self._bound = None

    def tensors(self) -> Mapping[str, np.ndarray]:
        """The weights by name."""
        return {name: value.detach().cpu().numpy() for name, value in self.network.state_dict().items()}

    def document(self) -> Mapping[str, Any]:
        """Everything else, as JSON values."""
        return {
            "format": FORMAT,
            "items": self.items.document(),
            "steps": self.steps.document(),
            "network": self.network.config.document(),
            "trained_until": str(self.trained_until),
            "epochs": self.epochs,
        }


def restore_network(tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> FittedNetwork:
    """The network of a stored artifact. Raises ArtifactError where it is of another format."""
    expect_format(document, FORMAT, "network")
    config = NetworkConfig(**document["network"])
    nothing = torch.zeros(config.items)
    network = NextStepNetwork(config, nothing, nothing)
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in tensors.items()})
    return FittedNetwork(
        ItemLayout.restore(document["items"]),
        StepLayout.restore(document["steps"]),
        network.to(choose_device()).eval(),
        np.datetime64(document["trained_until"], "us"),
        document["epochs"],
    )
