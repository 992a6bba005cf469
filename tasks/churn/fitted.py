"""Fitted networks: asking, storing and restoring them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from forecasting.devices import choose_device
from forecasting.schema import ArtifactError
from forecasting.trainer import evaluation
from tasks.churn.inputs import InputLayout, event_counts
from tasks.churn.network import HazardNetwork, NetworkConfig
from tasks.churn.sequence import STEP_COLUMNS, LatestEvents
from tasks.churn.snapshot import Snapshot

FORMAT = 1

_AT_ONCE = 4096
"""Cases computed at a time."""


class FittedNetwork:
    """Networks of one layout, whose log survival is averaged. `edges`: float64 [K + 1] days; `epochs`: for how many
    they were trained."""

    def __init__(self, layout: InputLayout, networks: Sequence[HazardNetwork], edges: np.ndarray, epochs: int):
        self.layout, self.networks, self.edges, self.epochs = layout, tuple(networks), edges, epochs
        self._encoded: WeakKeyDictionary[LatestEvents, list[Tensor]] = WeakKeyDictionary()

    def curves(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray]:
        """`edges` and survival, float64 [n, K + 1]. What the encoders make of `snapshot.latest` is kept
        for as long as that very object lives."""
        states = self._states(snapshot.latest)
        features, region = self.layout.table(snapshot), self.layout.regions_of(snapshot)
        device = states[0].device
        hazard = np.zeros((len(snapshot), len(self.edges)))
        for start in range(0, len(snapshot), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            known = torch.from_numpy(features[some]).to(device), torch.from_numpy(region[some]).to(device)
            for network, state in zip(self.networks, states, strict=True):
                with evaluation(network):
                    hazard[some, 1:] += network.answer(state[some], *known).cpu().numpy()
        return self.edges, np.exp(-np.cumsum(hazard / len(self.networks), axis=1))

    def _states(self, latest: LatestEvents) -> list[Tensor]:
        """What each network's encoder makes of the events, float [n, H]."""
        if latest in self._encoded:
            return self._encoded[latest]
        device = next(self.networks[0].parameters()).device
        lengths = event_counts(latest)
        order = np.argsort(lengths, kind="stable")
        states = [torch.zeros(len(lengths), one.encoder.width, device=device) for one in self.networks]
        for start in range(0, len(order), _AT_ONCE):
            rows = order[start : start + _AT_ONCE]
            parts = (*self.layout.events(latest, rows, lengths), lengths[rows])
            steps, category, length = (torch.from_numpy(part).to(device) for part in parts)
            for network, state in zip(self.networks, states, strict=True):
                with evaluation(network):
                    state[torch.from_numpy(rows).to(device)] = network.encode(steps, category, length)
        self._encoded[latest] = states
        return states

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
            "edges": self.edges.tolist(),
            "epochs": self.epochs,
        }


def restore_network(tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> FittedNetwork:
    """The networks of a stored artifact. Raises ArtifactError where they are of another format."""
    layout = document.get("layout", {})
    if document.get("format") != FORMAT or layout.get("step_columns") != list(STEP_COLUMNS):
        raise ArtifactError(
            f"The stored churn network has format {document.get('format')!r}, or other columns of events, not those of"
            f" format {FORMAT}.",
            remedy="Train a new one.",
        )
    device = choose_device()
    networks = []
    for number, config in enumerate(document["networks"]):
        network = HazardNetwork(NetworkConfig(**{**config, "widths": tuple(config["widths"])}))
        prefix = f"{number}."
        mine = {
            name.removeprefix(prefix): torch.from_numpy(np.array(value))
            for name, value in tensors.items()
            if name.startswith(prefix)
        }
        network.load_state_dict(mine)
        networks.append(network.to(device).eval())
    edges = np.asarray(document["edges"], np.float64)
    return FittedNetwork(InputLayout.restore(layout), networks, edges, document["epochs"])
