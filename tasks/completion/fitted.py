"""Fitted networks: asking, storing and restoring them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from forecasting.devices import choose_device
from forecasting.schema import ArtifactError
from forecasting.trainer import evaluation
from tasks.completion.forecast import LEVELS
from tasks.completion.inputs import InputLayout
from tasks.completion.network import CompletionNetwork, NetworkConfig, quantiles
from tasks.completion.snapshot import Snapshot

FORMAT = 1

_AT_ONCE = 4096
"""Cases computed at a time."""


class FittedNetwork:
    """Networks of one layout, whose hazards are averaged. `epochs`: for how many they were trained."""

    def __init__(self, layout: InputLayout, networks: Sequence[CompletionNetwork], epochs: int):
        self.layout, self.networks, self.epochs = layout, tuple(networks), epochs

    def quantiles(self, snapshot: Snapshot) -> np.ndarray:
        """Operational days from the cutoffs to completion at forecast.LEVELS, float64 [n, Q]."""
        device = next(self.networks[0].parameters()).device
        edges = self.networks[0].edges
        levels = torch.from_numpy(LEVELS).to(device)
        found = np.empty((len(snapshot), len(LEVELS)))
        for start in range(0, len(snapshot), _AT_ONCE):
            rows = np.arange(start, min(start + _AT_ONCE, len(snapshot)))
            cases = self.layout.batch(snapshot.take(rows)).to(device)
            hazards = torch.zeros(len(rows), len(edges) - 1, dtype=torch.float64, device=device)
            for network in self.networks:
                with evaluation(network):
                    hazards += network(cases)
            found[rows] = quantiles(hazards / len(self.networks), edges, levels).cpu().numpy()
        return found

    def tensors(self) -> Mapping[str, np.ndarray]:
        """The weights, by member and name."""
        return {
            f"{number}.{name}": value.detach().cpu().numpy()
            for number, network in enumerate(self.networks)
            for name, value in network.state_dict().items()
        }

    def document(self) -> Mapping[str, Any]:
        """Everything else, as JSON values."""
        return {
            "format": FORMAT,
            "layout": self.layout.document(),
            "networks": [network.config.document() for network in self.networks],
            "epochs": self.epochs,
        }


def restore_network(tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> FittedNetwork:
    """The networks of a stored artifact. Raises ArtifactError where they are of another format."""
    if document.get("format") != FORMAT:
        raise ArtifactError(
            f"The stored completion network has format {document.get('format')!r}, not {FORMAT}.",
            remedy="Train a new one.",
        )
    device = choose_device()
    networks = []
    for number, config in enumerate(document["networks"]):
        network = CompletionNetwork(NetworkConfig.restore(config))
        prefix = f"{number}."
        mine = {
            name.removeprefix(prefix): torch.from_numpy(np.array(value))
            for name, value in tensors.items()
            if name.startswith(prefix)
        }
        network.load_state_dict(mine)
        networks.append(network.to(device).eval())
    return FittedNetwork(InputLayout.restore(document["layout"]), networks, document["epochs"])
