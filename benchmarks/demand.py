"""Demand beside peers, on the development sets: `python -m benchmarks.demand --dataset bakery --encoder gru --seeds 3`.

The last windows of a set are forecast by one fit before the first, with the shipped defaults; peers run then and there,
and every target of the issue gets an honest pass or fail. `--cut 84` cuts so many last periods off first: what is
chosen is chosen there, and the windows of the whole file only confirm.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmarks import peers
from benchmarks.datasets import DATASETS, load
from forecasting.task import Cases, Fit
from tasks.demand.forecast import DemandForecast
from tasks.demand.model import fit_demand
from tasks.demand.options import DemandOptions
from tasks.demand.sales import SalesGrid
from tasks.demand.score import score

SHOWN = ("wQL", "MASE", "RMSSE", "wRMSSE", "coverage80", "coverage95", "hit@0.9", "hit@0.95", "hit@0.975", "bias")
SLOW_ON_MANY = {"auto_ets": 500}
"""Peers that are left out where there are more series than this."""

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class Target:
    """`what` holds where `value` is at most `most`."""

    what: str
    value: float
    most: float

    def __str__(self) -> str:
        return (
            f"{'PASS' if self.value <= self.most else 'FAIL'}  {self.what}: {self.value:.4g} (at most {self.most:.4g})"
        )


@dataclass(frozen=True)
class Cost:
    """CPU seconds of fitting and of predicting all windows, series-steps a second, and the largest memory in MB."""

    fit: float
    predict: float
    speed: float
    memory: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", action="append", help="a set, or the beginning of its name; all by default")
    parser.add_argument("--encoder", action="append", help="gru and lstm by default")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--cut", type=int, default=0, help="periods cut off the end first")
    parser.add_argument("--no-peers", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = [name for name in DATASETS if any(name.startswith(one) for one in arguments.dataset or [name])]
    for name in names:
        if name != "store_item_daily":  # synthetic: for speed and scale only
            bench(name, arguments.encoder or ["gru", "lstm"], arguments.seeds, arguments.cut, not arguments.no_peers)


def bench(name: str, encoders: list[str], seeds: int, cut: int, with_peers: bool) -> None:
    """One set: the model with each encoder and seed, then the peers, then the targets."""
    grid, options, cutoffs = load(name)
    cutoffs = grid.periods.start(grid.period_of(cutoffs) - cut).astype("datetime64[us]")
    cases = windows(grid, options, cutoffs)
    print(
        f"\n{name}: {grid.series} series, {len(cutoffs)} windows of {options.steps} from {cutoffs[0]}".replace("T", " ")
    )
    models: dict[str, tuple[Metrics, Cost]] = {}
    for encoder in encoders:
        runs = []
        for seed in range(seeds):
            forecast, cost = fit_and_predict(grid, replace(options, encoder=encoder), cases, cutoffs[0], seed)
            runs.append((score(grid, options, cases, forecast).metrics, cost))
            show(f"{encoder}, seed {seed}", *runs[-1])
        models[encoder] = averaged([metrics for metrics, _ in runs]), runs[0][1]
    rivals: dict[str, Metrics] = {}
    if with_peers:
        table = peers.Table.of(grid, options, cutoffs)
        for peer in peers.PEERS:
            if grid.series <= SLOW_ON_MANY.get(peer, 1 << 40):
                forecast, seconds = peers.run(peer, table)
                # Peers answer all series of the table, window by window.
                asked = np.repeat(np.arange(len(cutoffs)), len(cases) // len(cutoffs)) * grid.series + cases.entity
                rivals[peer] = score(grid, options, cases, forecast.take(asked)).metrics
                show(peer, rivals[peer], Cost(seconds, 0, 0, 0))
        for encoder, (metrics, cost) in models.items():
            print(f"  targets, {encoder} (mean of {seeds} seeds):")
            for target in targets(name, metrics, rivals, cost):
                print(f"    {target}")


def windows(grid: SalesGrid, options: DemandOptions, cutoffs: np.ndarray) -> Cases:
    """Every series that had begun before the first window, in every window."""
    series = grid.existing(cutoffs[0], options.steps)
    return Cases(np.tile(series, len(cutoffs)), np.repeat(cutoffs, len(series)))


def fit_and_predict(
    grid: SalesGrid, options: DemandOptions, cases: Cases, until: np.datetime64, seed: int
) -> tuple[DemandForecast, Cost]:
    """One fit as of the first window, then all windows."""
    began = time.process_time()
    model = fit_demand(grid, Fit(until, seed=seed), options)
    fitted = time.process_time()
    forecast = model.predict(grid, cases)
    predicted = time.process_time() - fitted
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return forecast, Cost(fitted - began, predicted, forecast.mean.size / predicted, memory)


def averaged(runs: list[Metrics]) -> Metrics:
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}


def show(who: str, metrics: Metrics, cost: Cost) -> None:
    figures = "  ".join(f"{name} {metrics[name]:.4f}" for name in SHOWN)
    stock = "".join(f"  {name} {metrics[name]:.4f}" for name in ("csl@14", "cost@14") if name in metrics)
    speed = f", {cost.speed:,.0f} series-steps/s, {cost.memory:.0f} MB" if cost.speed else ""
    print(f"  {who:20s} {figures}{stock}  [{cost.fit + cost.predict:.1f} CPU-s{speed}]", flush=True)


def targets(name: str, mine: Metrics, peer: Mapping[str, Metrics], cost: Cost) -> Iterator[Target]:
    """The issue's targets for a set."""
    trees = peer["lightgbm_quantiles"]["wQL"]
    if name == "bakery_daily":
        yield Target("wQL against LightGBM quantiles", mine["wQL"] / trees, 0.88)
        yield Target("wQL against AutoETS", mine["wQL"] / peer["auto_ets"]["wQL"], 0.80)
        yield Target("MASE against the best peer", mine["MASE"] / min(one["MASE"] for one in peer.values()), 0.96)
        yield Target("coverage of 80% intervals, off by", abs(mine["coverage80"] - 0.80), 0.03)
        yield Target("coverage of 95% intervals, off by", abs(mine["coverage95"] - 0.95), 0.03)
    elif name == "online_retail_daily":
        yield Target("wQL against LightGBM quantiles", mine["wQL"] / trees, 0.93)
        yield Target("wQL against empirical quantiles", mine["wQL"] / peer["empirical_quantiles"]["wQL"], 0.93)
        rivals = [peer[one]["RMSSE"] for one in ("lightgbm_quantiles", "lightgbm_tweedie", "empirical_quantiles")]
        yield Target("RMSSE against the best of them", mine["RMSSE"] / min(rivals), 1.0)
        for level in (0.9, 0.95, 0.975):
            yield Target(f"hit rate at {level}, off by", abs(mine[f"hit@{level:g}"] - level), 0.02)
        yield Target("CPU seconds of training and predicting", cost.fit + cost.predict, 60)
        yield Target("memory, MB", cost.memory, 900)
        yield Target("seconds for 50,000 series-steps", 50_000 / cost.speed, 1.0)
    else:
        yield Target("wQL against LightGBM quantiles", mine["wQL"] / trees, 1.0)


if __name__ == "__main__":
    main()
