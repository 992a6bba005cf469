"""Fitting, storing and asking the demand forecaster: unlike networks, averaged, and calibrated on a later slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forecasting.artifacts import expect_format
from forecasting.callbacks import Report
from forecasting.checkpoints import Checkpoint
from forecasting.devices import choose_device
from forecasting.seeds import derive, seeded
from forecasting.task import Cases, Fit, Forecaster, Instant, Recipe
from forecasting.trainer import TrainingConfig, evaluation, train
from tasks.demand.blend import CANDIDATES, blended, find_shares, restore_shares, rival
from tasks.demand.calibrate import DemandCalibration
from tasks.demand.features import Features, Layout, WindowReader
from tasks.demand.forecast import DemandForecast, coherent, in_whole_units
from tasks.demand.network import DemandLoss, DemandNetwork, NetworkConfig
from tasks.demand.options import DemandOptions
from tasks.demand.sales import SalesGrid
from tasks.demand.sampling import RandomWindows
from tasks.demand.watching import watch

FORMAT = 1
_STEPS = {"D": 800, "W": 1200, "M": 800}
"""Steps of all networks together."""

_PASSES = 8
"""How often each window is seen at most, and how many steps a cutoff is worth."""

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
    def for_windows(windows: RandomWindows, members: int) -> Effort:
        """What one of several networks takes: less where there are few windows, or few cutoffs, to learn from."""
        most = Effort()
        steps = min(
            _STEPS[windows.reader.features.frequency] / members,
            _PASSES * windows.count / most.size,
            _PASSES * windows.cutoffs,
            most.epochs * most.steps,
        )
        return replace(most, steps=max(int(steps / most.epochs), 4))


class DemandModel:
    """Fitted networks: a `forecasting.task.Model`. Their forecasts are averaged, blended with baselines as the recipe
    says, and calibrated."""

    def __init__(
        self,
        features: Features,
        networks: Sequence[DemandNetwork],
        options: DemandOptions,
        recipe: Recipe,
        trained_until: np.datetime64,
    ):
        self.features, self.networks, self.options = features, tuple(networks), options
        self.recipe, self.trained_until = recipe, trained_until
        self.shares = restore_shares(recipe.learnt)
        self.calibration = DemandCalibration.restore(recipe.learnt.get("calibration"))

    def predict(self, dataset: SalesGrid, cases: Cases) -> DemandForecast:
        """Forecasts of `cases`, each seen as of its own cutoff."""
        forecast = self.averaged(dataset, cases)
        if self.shares:
            rivals = {name: rival(name, dataset, cases, self.options, forecast) for name in self.shares}
            forecast = blended(forecast, rivals, self.shares)
        if self.calibration:
            forecast = self.calibration.apply(forecast)
        return in_whole_units(forecast) if self.features.counted else forecast

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

    def renew(self, dataset: SalesGrid, fit: Fit) -> DemandModel:
        """The model brought up to `fit.until` for a small part of a fit (`tasks.demand.renewal`)."""
        from tasks.demand.renewal import renew_demand

        return renew_demand(self, dataset, fit)

    def watch(self, dataset: SalesGrid, as_of: Instant) -> Mapping[str, float]:
        """Whether what was sold of late is what the model expects, looking back (`tasks.demand.watching`)."""
        return watch(self, dataset, self.options, as_of)

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
        """The networks alone, neither blended nor calibrated."""
        if not self.recipe.learnt:
            return {}
        alone = Recipe(self.recipe.epochs)
        return {"network": DemandModel(self.features, self.networks, self.options, alone, self.trained_until)}


def fit_demand(grid: SalesGrid, fit: Fit, options: DemandOptions) -> DemandModel:
    """A model that saw nothing past `fit.until`.

    In a search the last horizon before `until` is kept from the first network, to blend and calibrate on; the others
    learn from everything, as all do with a recipe. (To let the first go on learning from that horizon afterwards made
    the windows that followed worse.) Raises NotEnoughData where no window had closed.
    """
    until = fit.until.astype("datetime64[us]")
    stop = int(grid.period_of(until))
    later = np.datetime64(grid.periods.start(stop - options.steps).item(), "us")
    searching = fit.recipe is None and _has_windows(grid, options, later)
    learn_until = later if searching else until
    features = Features.fit(grid, options.steps, int(grid.period_of(learn_until)))
    reader = WindowReader(features, grid)
    windows = RandomWindows.before(reader, learn_until, steps=1, size=1)
    effort = Effort.for_windows(windows, options.networks)
    if fit.recipe is not None:
        effort = replace(effort, epochs=fit.recipe.epochs)
    windows = replace(windows, steps=effort.steps, size=effort.size)
    recipe = fit.recipe or Recipe(effort.epochs)
    networks = []
    for number in range(options.networks):
        network = _new_network(windows, number, fit, options)
        _train(network, windows, effort, number, fit, options)
        networks.append(network)
        if searching and number == 0:
            judge = DemandModel(features, networks, options, recipe, until)
            recipe = Recipe(effort.epochs, _learn_from_slice(judge, grid, later))
            windows = RandomWindows.before(reader, until, steps=effort.steps, size=effort.size)
    return DemandModel(features, networks, options, recipe, until)


def _learn_from_slice(model: DemandModel, grid: SalesGrid, begin: np.datetime64) -> dict[str, Any]:
    """Shares of baselines, and a calibration of what comes of them, from the horizon that begins at `begin`."""
    options, until = model.options, model.trained_until
    series = grid.existing(begin, options.steps)
    cases = Cases(series, np.full(len(series), begin))
    stop, known_by = np.full(len(series), grid.period_of(until)), np.full(len(series), until)
    sold, observed = grid.window(series, stop, options.steps, known_by)
    actual = np.where(observed, sold, np.nan)
    forecast = model.averaged(grid, cases)
    rivals = {name: rival(name, grid, cases, options, forecast) for name in CANDIDATES}
    shares = find_shares(forecast, rivals, actual)
    calibration = DemandCalibration.fit(blended(forecast, rivals, shares), actual)
    return {"shares": shares, "calibration": calibration.document()}


def restore_demand(
    tensors: Mapping[str, np.ndarray], document: Mapping[str, Any], options: DemandOptions
) -> DemandModel:
    """The model of a stored artifact. Raises ArtifactError where it is of another format."""
    expect_format(document, FORMAT, "demand model")
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
    recipe = document["recipe"]
    return DemandModel(
        Features.restore(document["features"]),
        networks,
        options,
        Recipe(recipe["epochs"], recipe["learnt"]),
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
        recent=_context(windows.reader.layout, number),
    )
    with seeded(seed):
        network = DemandNetwork(config)
    network.standardise(sample.summary)
    return network


def _context(layout: Layout, number: int) -> int:
    """Periods that the encoder of a member reads: unlike members err unlike each other."""
    patches = layout.context // layout.patch
    return layout.patch * (patches if number % 2 == 0 else patches // 2)


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
        fit.progress(number * total + done, options.networks * total, note)

    train(network, windows, DemandLoss(), training, callbacks=[Report(tell)], checkpoint=checkpoint)


def _has_windows(grid: SalesGrid, options: DemandOptions, until: np.datetime64) -> bool:
    """Whether any series began a horizon and some periods before `until`."""
    every = np.arange(grid.series)
    began = grid.began(every, np.full(grid.series, until, "datetime64[us]"))
    return bool((began + 2 * options.steps <= int(grid.period_of(until))).any())
