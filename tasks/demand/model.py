"""Fitting, storing and asking the demand forecaster: unlike networks, averaged, and calibrated on a later slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forecasting.callbacks import Report
from forecasting.checkpoints import Checkpoint
from forecasting.devices import choose_device
from forecasting.schema import ArtifactError
from forecasting.seeds import derive, seeded
from forecasting.task import Cases, Fit, Forecaster, Recipe
from forecasting.trainer import TrainingConfig, evaluation, train
from tasks.demand.calibrate import DemandCalibration
from tasks.demand.features import Features, WindowReader
from tasks.demand.forecast import DemandForecast, coherent
from tasks.demand.network import DemandLoss, DemandNetwork, NetworkConfig
from tasks.demand.options import DemandOptions
from tasks.demand.sales import SalesGrid
from tasks.demand.sampling import RandomWindows

FORMAT = 1
_AT_ONCE = 1024
"""Windows read and forecast at a time: what bounds the memory of a prediction."""


@dataclass(frozen=True)
class Effort:
    """How long to train: `epochs` of `steps` batches of `size` windows."""

    epochs: int
    steps: int
    size: int
    learning_rate: float = 4e-3

    @staticmethod
    def for_grid(frequency: str, periods: int) -> Effort:
        """By the frequency and the length of the history alone: longer ones hold more that is new."""
        steps = {"D": 40, "W": 40, "M": 30}[frequency]
        return Effort(epochs=10, steps=steps, size=256)


class DemandModel:
    """Fitted networks: a `forecasting.task.Model`. Their forecasts are averaged, then calibrated."""

    def __init__(
        self,
        features: Features,
        networks: Sequence[DemandNetwork],
        calibration: DemandCalibration | None,
        recipe: Recipe,
        trained_until: np.datetime64,
    ):
        self.features, self.networks, self.calibration = features, tuple(networks), calibration
        self.recipe, self.trained_until = recipe, trained_until

    def predict(self, dataset: SalesGrid, cases: Cases) -> DemandForecast:
        """Forecasts of `cases`, each seen as of its own cutoff."""
        raw, scale = self.averaged(dataset, cases)
        return raw if self.calibration is None else self.calibration.apply(raw, scale)

    def averaged(self, dataset: SalesGrid, cases: Cases) -> tuple[DemandForecast, np.ndarray]:
        """The mean of the networks' forecasts, and the level of each case, float32 [n]."""
        reader = WindowReader(self.features, dataset)
        if not len(cases):
            return _nothing(self.features.horizon), np.zeros(0, np.float32)
        parts = [
            self._forecast(reader, cases.take(np.arange(start, min(start + _AT_ONCE, len(cases)))))
            for start in range(0, len(cases), _AT_ONCE)
        ]
        return DemandForecast.concatenate([forecast for forecast, _ in parts]), np.concatenate([s for _, s in parts])

    def _forecast(self, reader: WindowReader, cases: Cases) -> tuple[DemandForecast, np.ndarray]:
        period = reader.grid.period_of(cases.cutoff)
        known_by = cases.cutoff.astype("datetime64[us]")
        device = next(self.networks[0].parameters()).device
        windows = reader.read(cases.entity, period, known_by).to(device)
        outputs = []
        for network in self.networks:
            with evaluation(network):
                outputs.append(network(windows))
        quantiles, mean, rate = (torch.stack(same).mean(0).cpu().numpy() for same in zip(*outputs, strict=True))
        scale = windows.scale.cpu().numpy()
        steps = np.arange(1, mean.shape[1] + 1, dtype=np.float32)
        return coherent(
            mean * scale[:, None], quantiles * scale[:, None, None], rate * (scale[:, None] * steps)[..., None]
        ), scale

    def tensors(self) -> Mapping[str, np.ndarray]:
        """The networks' weights, by member and name."""
        return {
            f"{number}.{name}": value.detach().cpu().numpy()
            for number, network in enumerate(self.networks)
            for name, value in network.state_dict().items()
        }

    def document(self) -> Mapping[str, Any]:
        """Everything else, as JSON values."""
        return {
            "format": FORMAT,
            "features": self.features.document(),
            "networks": [network.config.document() for network in self.networks],
            "recipe": {"epochs": self.recipe.epochs, "learnt": dict(self.recipe.learnt)},
            "trained_until": str(self.trained_until),
        }

    def parts(self) -> Mapping[str, Forecaster]:
        """The first network alone, where several are averaged."""
        if len(self.networks) == 1 and self.calibration is None:
            return {}
        return {"network": DemandModel(self.features, self.networks[:1], None, self.recipe, self.trained_until)}


def fit_demand(grid: SalesGrid, fit: Fit, options: DemandOptions) -> DemandModel:
    """A model that saw nothing past `fit.until`.

    In a search the last horizon before `until` is kept from training, to calibrate on; with a recipe everything is
    trained on, and calibrated as the recipe says. Raises NotEnoughData where no window had closed.
    """
    until = fit.until.astype("datetime64[us]")
    stop = int(grid.period_of(until))
    held_out = grid.periods.start(np.array(stop - options.steps)).astype("datetime64[us]")
    learn_until = until
    if fit.recipe is None and _has_windows(grid, options, held_out):
        learn_until = held_out[()]
    features = Features.fit(grid, options.steps, int(grid.period_of(learn_until)))
    reader = WindowReader(features, grid)
    effort = Effort.for_grid(options.frequency, 0)
    epochs = effort.epochs if fit.recipe is None else fit.recipe.epochs
    networks = [
        _train_member(reader, learn_until, replace(effort, epochs=epochs), number, fit, options)
        for number in range(options.members)
    ]
    learnt = {} if fit.recipe is None else fit.recipe.learnt
    model = DemandModel(features, networks, DemandCalibration.restore(learnt), Recipe(epochs, learnt), until)
    if learn_until < until:
        series = grid.existing(learn_until, options.steps)
        cases = Cases(series, np.full(len(series), learn_until))
        raw, scale = model.averaged(grid, cases)
        actual, observed = grid.window(series, np.full(len(series), stop), options.steps, np.full(len(series), until))
        calibration = DemandCalibration.fit(raw, scale, np.where(observed, actual, np.nan))
        learnt = calibration.document()
        model = DemandModel(features, networks, calibration, Recipe(epochs, learnt), until)
    return model


def restore_demand(
    tensors: Mapping[str, np.ndarray], document: Mapping[str, Any], options: DemandOptions
) -> DemandModel:
    """The model of a stored artifact. Raises ArtifactError where it is of another format."""
    if document.get("format") != FORMAT:
        raise ArtifactError(
            f"The stored demand model has format {document.get('format')!r}, not {FORMAT}.", remedy="Train a new one."
        )
    networks = []
    for number, config in enumerate(document["networks"]):
        network = DemandNetwork(NetworkConfig(**{**config, "labels": tuple(config["labels"])}))
        prefix = f"{number}."
        state = {
            name.removeprefix(prefix): torch.from_numpy(np.array(value))
            for name, value in tensors.items()
            if name.startswith(prefix)
        }
        network.load_state_dict(state)
        networks.append(network.to(choose_device()).eval())
    learnt = document["recipe"]["learnt"]
    return DemandModel(
        Features.restore(document["features"]),
        networks,
        DemandCalibration.restore(learnt),
        Recipe(document["recipe"]["epochs"], learnt),
        np.datetime64(document["trained_until"], "us"),
    )


def _train_member(
    reader: WindowReader, until: np.datetime64, effort: Effort, number: int, fit: Fit, options: DemandOptions
) -> DemandNetwork:
    """One network, from its own seed."""
    seed = derive(fit.seed, "demand", number)
    batches = RandomWindows.before(reader, until, steps=effort.steps, size=effort.size)
    first = next(iter(batches.batches(0, derive(seed, "first"))))
    config = NetworkConfig(
        encoder=options.encoder,
        context=first.context.shape[-1],
        summary=first.summary.shape[-1],
        steps=first.steps.shape[-1],
        anchors=first.anchors.shape[-1],
        labels=reader.features.statics.sizes,
        patch=reader.layout.patch,
    )
    with seeded(seed):
        network = DemandNetwork(config)
    network.standardise(first.summary)
    training = TrainingConfig(
        epochs=effort.epochs,
        learning_rate=effort.learning_rate,
        weight_decay=0.01,
        schedule="onecycle",
        amp=True,
        seed=seed,
    )
    checkpoint = None
    if fit.checkpoint is not None:
        key = f"{options}|{until}|{fit.recipe is None}"
        checkpoint = Checkpoint(Path(fit.checkpoint) / f"member-{number}", key=key)

    def tell(done: int, total: int, note: str) -> None:
        fit.progress(number * total + done, options.members * total, note)

    train(network, batches, DemandLoss(), training, callbacks=[Report(tell)], checkpoint=checkpoint)
    return network


def _has_windows(grid: SalesGrid, options: DemandOptions, until: np.ndarray) -> bool:
    """Whether any series began a horizon and some periods before `until`."""
    every = np.arange(grid.series)
    began = grid.began(every, np.full(grid.series, until, "datetime64[us]"))
    return bool((began + 2 * options.steps <= int(grid.period_of(until))).any())


def _nothing(horizon: int) -> DemandForecast:
    return coherent(np.zeros((0, horizon)), np.zeros((0, horizon, 8)), np.zeros((0, horizon, 10)))
