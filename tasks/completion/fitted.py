"""Fitted networks: asking, storing and restoring them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from forecasting.artifacts import expect_format
from forecasting.devices import choose_device
from forecasting.trainer import evaluation
from tasks.completion.forecast import LEVELS
from tasks.completion.inputs import InputLayout
from tasks.completion.mixture import Frame, mixture_quantiles
from tasks.completion.network import CompletionNetwork, NetworkConfig
from tasks.completion.snapshot import Snapshot

FORMAT = 1

_AT_ONCE = 2048
"""Cases computed at a time."""


class FittedNetwork:
    """Networks of one layout, whose quantiles are averaged, level by level, on the scale of `frame`. `epochs`: for how
    many they were trained."""

    def __init__(self, layout: InputLayout, networks: Sequence[CompletionNetwork], frame: Frame, epochs: int):
        self.layout, self.networks, self.frame, self.epochs = layout, tuple(networks), frame, epochs

    def quantiles(self, snapshot: Snapshot) -> np.ndarray:
        """Operational days from the cutoffs to completion at forecast.LEVELS, float64 [n, Q]."""
        device = next(self.networks[0].parameters()).device
        levels = torch.from_numpy(LEVELS).float().to(device)
        found = np.empty((len(snapshot), len(LEVELS)))
        for start in range(0, len(snapshot), _AT_ONCE):
            rows = np.arange(start, min(start + _AT_ONCE, len(snapshot)))
            cases = self.layout.batch(snapshot.take(rows)).to(device)
            scaled = torch.zeros(len(rows), len(levels), dtype=torch.float64, device=device)
            for network in self.networks:
                with evaluation(network):
                    scaled += mixture_quantiles(network(cases), levels)
            found[rows] = self.frame.times(scaled / len(self.networks)).cpu().numpy()
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
            "frame": asdict(self.frame),
            "epochs": self.epochs,
        }


def restore_network(tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> FittedNetwork:
    """The networks of a stored artifact. Raises ArtifactError where they are of another format."""
    expect_format(document, FORMAT, "completion network")
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
    layout, frame = InputLayout.restore(document["layout"]), Frame(**document["frame"])
    return FittedNetwork(layout, networks, frame, document["epochs"])
