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
_PASSES = 8
"""How often each window is seen at most."""

_SAMPLE = 1024
"""Windows by which inputs are standardised."""

_AT_ONCE = 1024
"""Windows read and forecast at a time: what bounds the memory of a prediction."""


@dataclass(frozen=True)
class Effort:
    """How long to train: `epochs` of `steps` batches of `size` windows."""

    epochs: int = 10
    steps: int = 80
    size: int = 128
    learning_rate: float = 4e-3

    @staticmethod
    def for_windows(count: int) -> Effort:
        """By how many windows there are to learn from: few are soon learnt."""
        most = Effort()
        return replace(most, steps=int(np.clip(_PASSES * count / (most.epochs * most.size), 4, most.steps)))


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
        raw = self.averaged(dataset, cases)
        return raw if self.calibration is None else self.calibration.apply(raw)

    def averaged(self, dataset: SalesGrid, cases: Cases) -> DemandForecast:
        """The mean of the networks' forecasts, before calibration."""
        reader = WindowReader(self.features, dataset)
        parts = [
            self._forecast(reader, cases.take(np.arange(start, min(start + _AT_ONCE, len(cases)))))
            for start in range(0, max(len(cases), 1), _AT_ONCE)
        ]
        return DemandForecast.concatenate(parts)

    def _forecast(self, reader: WindowReader, cases: Cases) -> DemandForecast:
        period = reader.grid.period_of(cases.cutoff)
        known_by = cases.cutoff.astype("datetime64[us]")
        device = next(self.networks[0].parameters()).device
        windows = reader.read(cases.entity, period, known_by).to(device)
        outputs = []
        for network in self.networks:
            with evaluation(network):
                outputs.append(network(windows))
        quantiles, mean, rate = (torch.stack(same).mean(0).cpu().numpy() for same in zip(*outputs, strict=True))
        scale = windows.scale.cpu().numpy()[:, None]
        steps = np.arange(1, mean.shape[1] + 1, dtype=np.float32)
        return coherent(mean * scale, quantiles * scale[..., None], rate * (scale * steps)[..., None])

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
    trained on, and calibrated as the recipe says. (To learn from that horizon after all, by some more steps at a low
    rate, made the windows that followed worse.) Raises NotEnoughData where no window had closed.
    """
    until = fit.until.astype("datetime64[us]")
    stop = int(grid.period_of(until))
    later = np.datetime64(grid.periods.start(stop - options.steps).item(), "us")
    searching = fit.recipe is None and _has_windows(grid, options, later)
    learn_until = later if searching else until
    features = Features.fit(grid, options.steps, int(grid.period_of(learn_until)))
    reader = WindowReader(features, grid)
    windows = RandomWindows.before(reader, learn_until, steps=1, size=1)
    effort = Effort.for_windows(windows.count)
    if fit.recipe is not None:
        effort = replace(effort, epochs=fit.recipe.epochs)
    windows = replace(windows, steps=effort.steps, size=effort.size)
    networks = [_new_network(windows, number, fit, options) for number in range(options.members)]
    for number, network in enumerate(networks):
        _train(network, windows, effort, number, fit, options)
    learnt = {} if fit.recipe is None else fit.recipe.learnt
    calibration = DemandCalibration.restore(learnt["calibration"]) if "calibration" in learnt else None
    if searching:
        slice_model = DemandModel(features, networks, None, Recipe(effort.epochs), until)
        calibration = _calibrated(slice_model, grid, later, until, options)
        learnt = {"calibration": calibration.document()}
    return DemandModel(features, networks, calibration, Recipe(effort.epochs, learnt), until)


def _calibrated(
    model: DemandModel, grid: SalesGrid, begin: np.datetime64, end: np.datetime64, options: DemandOptions
) -> DemandCalibration:
    """What the horizon from `begin` to `end` shows the model's quantiles were off."""
    series = grid.existing(begin, options.steps)
    stop, known_by = np.full(len(series), grid.period_of(end)), np.full(len(series), end)
    actual, observed = grid.window(series, stop, options.steps, known_by)
    forecast = model.averaged(grid, Cases(series, np.full(len(series), begin)))
    return DemandCalibration.fit(forecast, np.where(observed, actual, np.nan))


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
        DemandCalibration.restore(learnt["calibration"]) if "calibration" in learnt else None,
        Recipe(document["recipe"]["epochs"], learnt),
        np.datetime64(document["trained_until"], "us"),
    )


def _new_network(windows: RandomWindows, number: int, fit: Fit, options: DemandOptions) -> DemandNetwork:
    """A network that fits the windows, with weights from its own seed, its inputs standardised."""
    seed = derive(fit.seed, "demand", number)
    sample = next(iter(replace(windows, steps=1, size=_SAMPLE).batches(0, derive(seed, "sample"))))
    config = NetworkConfig(
        encoder=options.encoder,
        context=sample.context.shape[-1],
        summary=sample.summary.shape[-1],
        steps=sample.steps.shape[-1],
        anchors=sample.anchors.shape[-1],
        labels=windows.reader.features.statics.sizes,
        patch=windows.reader.layout.patch,
    )
    with seeded(seed):
        network = DemandNetwork(config)
    network.standardise(sample.summary)
    return network


def _train(
    network: DemandNetwork,
    windows: RandomWindows,
    effort: Effort,
    number: int,
    fit: Fit,
    options: DemandOptions,
) -> None:
    """Train one network in place, from where it stands."""
    training = TrainingConfig(
        epochs=effort.epochs,
        learning_rate=effort.learning_rate,
        amp=True,
        seed=derive(fit.seed, "demand", number),
    )
    checkpoint = None
    if fit.checkpoint is not None:
        key = f"{options}|{windows.until}|{effort}|{fit.recipe is None}"
        checkpoint = Checkpoint(Path(fit.checkpoint) / f"member-{number}", key=key)

    def tell(done: int, total: int, note: str) -> None:
        fit.progress(number * total + done, options.members * total, note)

    train(network, windows, DemandLoss(), training, callbacks=[Report(tell)], checkpoint=checkpoint)


def _has_windows(grid: SalesGrid, options: DemandOptions, until: np.datetime64) -> bool:
    """Whether any series began a horizon and some periods before `until`."""
    every = np.arange(grid.series)
    began = grid.began(every, np.full(grid.series, until, "datetime64[us]"))
    return bool((began + 2 * options.steps <= int(grid.period_of(until))).any())
