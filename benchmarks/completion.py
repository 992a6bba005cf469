"""Completion beside its baselines and LightGBM, on Olist's orders: `python -m benchmarks.completion --seeds 3`.

Orders placed in two windows are forecast at each of their status events, by models fitted every 30 days on what was
known then, with the shipped defaults; baselines and LightGBM (quantile regression on the same features, the speed of
time among them, the last 240 days, shifted by split conformal prediction, refitted alike) answer the same cases. The
warehouse is read by `examples/olist` as it stands. `--dev` judges on other windows: what is chosen is chosen there. An
event log without places or promises (`examples/eventlog`) is held against the mean by activity. Times are CPU-seconds.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import torch
from scipy.stats import norm

from benchmarks.datasets import DATA
from benchmarks.recommendation import Target
from forecasting.app import config, reading
from forecasting.app.console import Console
from forecasting.app.workspace import Workspace
from forecasting.metrics import auc
from forecasting.pipeline import SHARD
from forecasting.task import Cases, Fit
from tasks.completion.case_facts import due_days, stages
from tasks.completion.crowding import log_crowding
from tasks.completion.features import snapshot_of
from tasks.completion.folds import event_cases
from tasks.completion.forecast import LEVELS, CompletionForecast, forecast_of
from tasks.completion.lost import limit_days
from tasks.completion.orders import Orders
from tasks.completion.outcomes import outcomes
from tasks.completion.speed import log_speed
from tasks.completion.task import CompletionTask

TEST = (("2018-01-01", "2018-03-01"), ("2017-09-01", "2017-11-01"))
DEV = (("2017-05-15", "2017-08-15"), ("2017-11-01", "2018-01-01"), ("2018-03-01", "2018-03-25"))
REFIT = np.timedelta64(30, "D")
PEER_DAYS = np.timedelta64(240, "D")
PEER_LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.97)
LEAST_OF_STATE = 200
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PEERS = ("lightgbm", "lightgbm_recent")
MODEL = "model"
_DAY = np.timedelta64(1, "D")


@dataclass
class Judged:
    """Cases of a window and what each subject said of them, by seed."""

    cases: Cases
    days: np.ndarray
    late: np.ndarray
    promised: np.ndarray
    stage: np.ndarray
    said: dict[str, list[CompletionForecast]] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--dev", action="store_true", help="judge on other windows, to choose by")
    parser.add_argument("--alone", action="store_true", help="without LightGBM")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: list[Target] = []
    task, log = _shop("eventlog", "EVENTLOG_URL", {"eventlog": "eventlog_helpdesk"})
    found += helpdesk(task, log, arguments.seeds)
    tables = ("orders", "customers", "sellers", "order_items", "products")
    task, orders = _shop("olist", "OLIST_URL", {f"olist_{name}": f"olist_{name}" for name in tables})
    found += scale(task, orders)
    cost: list[float] = []
    windows = []
    for first, last in DEV if arguments.dev else TEST:
        windows.append(window(task, orders, _at(first), _at(last), arguments.seeds, cost))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found.append(Target("CPU-seconds of a fit, twice (search and refit)", 2 * max(cost), 90, most=True))
    found.append(Target("peak memory, MB, with all of the data", memory, 1024, most=True))
    for (first, last), judged in zip(DEV if arguments.dev else TEST, windows, strict=True):
        if not arguments.alone:
            _peers(task, orders, judged, _at(first), _at(last))
        print(f"\norders placed {first} to {last}: {len(judged.cases):,} cases", flush=True)
        found += told(orders, judged, f"{first}: ")
    print()
    for target in found:
        print(f"    {target}", flush=True)


def window(
    task: CompletionTask, orders: Orders, start: np.datetime64, end: np.datetime64, seeds: int, cost: list[float]
) -> Judged:
    """What model and baselines say of the orders of a window."""
    cases = task.backtest_cases(orders, start, end, None)
    outcome = outcomes(orders, cases)
    cases, days = cases.take(outcome.completed), outcome.days[outcome.completed]
    due = orders.due_at[cases.entity]
    late = (orders.completed_at[cases.entity] > due).astype(np.float64)
    judged = Judged(cases, days, late, ~np.isnat(due), stages(orders, cases))
    parts: dict[str, list[list[np.ndarray]]] = {}
    for instant, some in _by_fit(cases, start, end):
        mine = cases.take(some)
        for seed in range(seeds):
            began = time.process_time()
            model = task.fit(orders, Fit(instant, seed))
            cost.append(time.process_time() - began)
            parts.setdefault(MODEL, [[] for _ in range(seeds)])[seed].append(model.predict(orders, mine).remaining)
        for name, baseline in task.baselines(orders, instant).items():
            parts.setdefault(f"baseline:{name}", [[]])[0].append(baseline.predict(orders, mine).remaining)
    judged.said = {name: [_back(cases, start, end, one) for one in seeds] for name, seeds in parts.items()}
    return judged


def _back(cases: Cases, start: np.datetime64, end: np.datetime64, parts: list[np.ndarray]) -> CompletionForecast:
    """Parts, fit by fit, in the order of the cases."""
    remaining = np.empty((len(cases), len(LEVELS)))
    for (_, some), part in zip(_by_fit(cases, start, end), parts, strict=True):
        remaining[some] = part
    return CompletionForecast(remaining)


def _by_fit(cases: Cases, start: np.datetime64, end: np.datetime64) -> list[tuple[np.datetime64, np.ndarray]]:
    """Instants of fits and the cases of each, as `forecasting backtest --refit 30` has them."""
    instants = np.arange(start, end, REFIT)
    fit = np.searchsorted(instants, cases.cutoff, side="right") - 1
    return [(instant, np.flatnonzero(fit == k)) for k, instant in enumerate(instants) if (fit == k).any()]


def _peers(task: CompletionTask, orders: Orders, judged: Judged, start: np.datetime64, end: np.datetime64) -> None:
    """LightGBM, with its two ways of conformal shifts."""
    parts = [
        boosted(task, orders, judged.cases.take(some), instant) for instant, some in _by_fit(judged.cases, start, end)
    ]
    for number, name in enumerate(PEERS):
        judged.said[name] = [_back(judged.cases, start, end, [part[number] for part in parts])]


def boosted(task: CompletionTask, orders: Orders, cases: Cases, until: np.datetime64) -> np.ndarray:
    """Quantiles float64 [2, n, Q] of regressions on log days, one for each stage and level, of what was completed
    after the events of the last 240 days. Each level is shifted by the residuals of a later slice (Romano, Patterson
    and Candes 2019): of the events of 70 to 35 days ago ("lightgbm"), or of what was completed in the last 30 days
    ("lightgbm_recent"), by a model that had not seen them."""
    every = np.arange(len(orders.events.occurred_at))
    known = event_cases(orders, every[orders.events.visible(every, until)])
    known = known.take((known.cutoff <= until) & (known.cutoff > until - PEER_DAYS - 90 * _DAY))
    outcome = outcomes(orders, known, until, limit_days(orders, task.options, until))
    done = outcome.completed & (outcome.days > 0)
    known, days = known.take(done), outcome.days[done]
    completed = orders.completed_at[known.entity]
    target = np.log(days)
    x, categories = _columns(task, orders, known)
    asked, _ = _columns(task, orders, cases)
    said = np.empty((len(PEERS), len(cases), len(LEVELS)))
    edges = (until - 70 * _DAY, until - 30 * _DAY)
    lately = ((known.cutoff >= edges[0]) & (known.cutoff < until - 35 * _DAY), completed >= edges[1])
    z, levels = norm.ppf(PEER_LEVELS), norm.ppf(LEVELS)
    for stage in np.unique(stages(orders, cases)):
        mine, ask = stages(orders, known) == stage, stages(orders, cases) == stage
        found = np.empty((len(PEERS), int(ask.sum()), len(PEER_LEVELS)))
        for column, level in enumerate(PEER_LEVELS):
            now = mine & (known.cutoff > until - PEER_DAYS)
            found[:, :, column] = _regression(x[now], target[now], level, categories).predict(asked[ask])
            for kind, (edge, late) in enumerate(zip(edges, lately, strict=True)):
                early = mine & (completed < edge) & (known.cutoff > edge - PEER_DAYS)
                judge = _regression(x[early], target[early], level, categories)
                found[kind, :, column] += np.quantile(target[mine & late] - judge.predict(x[mine & late]), level)
        for kind in range(len(PEERS)):
            said[kind, ask] = np.exp(_straight(np.sort(found[kind], axis=1), z, levels))
    return np.stack([forecast_of(one).remaining for one in said])


def _straight(values: np.ndarray, at: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Lines between the columns of `values` [n, L] at `at` [L], and on beyond them, read at `wanted` [Q]."""
    k = np.clip(np.searchsorted(at, wanted), 1, len(at) - 1)
    share = (wanted - at[k - 1]) / (at[k] - at[k - 1])
    return values[:, k - 1] + share * (values[:, k] - values[:, k - 1])


def _regression(x: np.ndarray, y: np.ndarray, level: float, categories: list[int]) -> Any:
    settings = {
        "objective": "quantile", "alpha": level, "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 40,
        "feature_fraction": 0.7, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 1.0, "num_threads": 1,
        "seed": 0, "verbose": -1,
    }  # fmt: skip
    return lgb.train(settings, lgb.Dataset(x, y, categorical_feature=categories), 200)


def _columns(task: CompletionTask, orders: Orders, cases: Cases) -> tuple[np.ndarray, list[int]]:
    """All features of the snapshot, the speed of time, crowding, and labels of few values as categories."""
    shown = snapshot_of(orders, cases, task.options)
    labels = [codes for name, codes in shown.labels.items() if len(shown.label_names[name]) <= 200]
    figures = np.column_stack([shown.features, log_speed(orders, cases), log_crowding(orders, cases)])
    return np.column_stack([figures, *labels]), list(range(figures.shape[1], figures.shape[1] + len(labels)))


def told(orders: Orders, judged: Judged, prefix: str) -> list[Target]:
    """Prints figures by stage, coverage by month and state, and says what the targets say."""
    figures = {name: [_figures(orders, judged, one) for one in said] for name, said in judged.said.items()}
    means = {name: {key: float(np.mean([one[key] for one in of])) for key in of[0]} for name, of in figures.items()}
    names = [str(orders.statuses[code]) for code in np.unique(judged.stage)]
    for name, one in means.items():
        print(f"  {name:24s} MAE {_row(one, 'mae', names)}  pinball {_row(one, 'pinball', names)}  coverage"
              f" {_row(one, 'coverage', names, 2)}  bias {_row(one, 'bias', names, 2)}  late AUC"
              f" {_row(one, 'auc', names)}  crossing {one['crossing']:g}", flush=True)  # fmt: skip
    peers = [name for name in PEERS if name in means]
    if not peers:
        return []
    peer = min(peers, key=lambda name: sum(means[name][f"pinball@{stage}"] for stage in names))
    model, rival = means[MODEL], means[peer]
    cells = [key.removeprefix("cell@") for key in model if key.startswith("cell@")]
    print(f"  coverage of the 80% interval, model / {peer}: "
          + "  ".join(f"{cell} {model[f'cell@{cell}']:.2f}/{rival[f'cell@{cell}']:.2f}" for cell in cells))  # fmt: skip
    found = []
    for stage in names:
        for metric in ("mae", "pinball"):
            ratio = model[f"{metric}@{stage}"] / rival[f"{metric}@{stage}"]
            found.append(Target(f"{prefix}{metric} at {stage} over {peer}", ratio, 0.95, most=True))
        found.append(Target(f"{prefix}|bias| at {stage} less {peer}'s",
                            abs(model[f"bias@{stage}"]) - abs(rival[f"bias@{stage}"]), 0, most=True))  # fmt: skip
        if f"auc@{stage}" in model:
            found.append(Target(f"{prefix}late AUC at {stage} less {peer}'s",
                                model[f"auc@{stage}"] - rival[f"auc@{stage}"], 0))  # fmt: skip
    found.append(Target(f"{prefix}coverage", model["coverage"], 0.75))
    found.append(Target(f"{prefix}coverage", model["coverage"], 0.85, most=True))
    found.append(Target(f"{prefix}crossing", model["crossing"], 0, most=True))
    for cell in cells:
        off, rivals = (abs(one[f"cell@{cell}"] - 0.8) for one in (model, rival))
        found.append(Target(f"{prefix}how far coverage is off .8, {cell}, less {peer}'s", off - rivals, 0, most=True))
    return found


def _figures(orders: Orders, judged: Judged, forecast: CompletionForecast) -> dict[str, float]:
    low, middle, high = (forecast.at(level) for level in (0.1, 0.5, 0.9))
    inside = (judged.days >= low) & (judged.days <= high)
    loss = np.mean(
        [np.maximum(a * (judged.days - q), (a - 1) * (judged.days - q))
         for a, q in ((0.1, low), (0.5, middle), (0.9, high))], axis=0,
    )  # fmt: skip
    later = forecast.later_than(due_days(orders, judged.cases))
    found = {
        "coverage": float(inside.mean()),
        "crossing": float((np.diff(forecast.remaining, axis=1) < -1e-9).any(axis=1).mean()),
    }
    for code in np.unique(judged.stage):
        at = judged.stage == code
        name = orders.statuses[code]
        found[f"mae@{name}"] = float(np.abs(middle - judged.days)[at].mean())
        found[f"pinball@{name}"] = float(loss[at].mean())
        found[f"coverage@{name}"] = float(inside[at].mean())
        found[f"bias@{name}"] = float((middle - judged.days)[at].mean())
        at = at & judged.promised
        if at.any():
            found[f"auc@{name}"] = auc(judged.late[at], later[at])
    month = orders.placed_at[judged.cases.entity].astype("datetime64[M]")
    for one in np.unique(month):
        found[f"cell@{one}"] = float(inside[month == one].mean())
    if "destination" in orders.labels:
        place = orders.labels["destination"][judged.cases.entity]
        first = judged.stage == judged.stage.min()
        for code in np.unique(place[place >= 0]):
            if np.count_nonzero(first & (place == code)) >= LEAST_OF_STATE:
                found[f"cell@{orders.label_names['destination'][code]}"] = float(inside[place == code].mean())
    return found


def _row(figures: Mapping[str, float], metric: str, names: list[str], digits: int = 3) -> str:
    return "/".join(f"{figures.get(f'{metric}@{name}', np.nan):.{digits}f}" for name in names)


def helpdesk(task: CompletionTask, orders: Orders, seeds: int) -> list[Target]:
    """An event log: fitted where 60% of its cases had begun, judged on those that began later."""
    start = np.quantile(orders.placed_at.astype(np.int64), 0.6).astype(np.int64).astype("datetime64[us]")
    cases = task.backtest_cases(orders, start, orders.placed_at.max() + _DAY, None)
    outcome = outcomes(orders, cases)
    cases, days = cases.take(outcome.completed), outcome.days[outcome.completed]

    def error(forecast: CompletionForecast) -> float:
        return float(np.abs(forecast.at(0.5) - days).mean())

    said = {name: error(one.predict(orders, cases)) for name, one in task.baselines(orders, start).items()}
    said[MODEL] = float(
        np.mean([error(task.fit(orders, Fit(start, seed)).predict(orders, cases)) for seed in range(seeds)])
    )
    print("helpdesk, MAE in days: " + "  ".join(f"{name} {value:.3f}" for name, value in said.items()), flush=True)
    return [Target("helpdesk: MAE over activity_mean", said[MODEL] / said["activity_mean"], 0.97, most=True)]


def scale(task: CompletionTask, orders: Orders) -> list[Target]:
    """100,000 open orders, as many times the same as it takes, forecast shard by shard."""
    as_of = _at("2018-01-01")
    model = task.fit(orders, Fit(as_of))
    cases = task.cases(orders, as_of)
    cases = cases.take(np.resize(np.arange(len(cases)), 100_000))
    began = time.process_time()
    for start in range(0, len(cases), SHARD):
        model.predict(orders, cases.take(np.arange(start, min(start + SHARD, len(cases)))))
    seconds = time.process_time() - began
    return [Target("CPU-seconds to forecast 100,000 open orders", seconds, 30, most=True)]


def _shop(example: str, variable: str, tables: Mapping[str, str]) -> tuple[CompletionTask, Orders]:
    """The task and the dataset of an example, its tables filled from the development sets."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "source.db"
        with sqlite3.connect(path) as connection:
            for table, file in tables.items():
                pd.read_csv(DATA / f"{file}.csv.gz").to_sql(table, connection, index=False)
        os.environ[variable] = f"sqlite:///{path}"
        os.environ["FORECASTING_WAREHOUSE"] = f"sqlite:///{Path(directory) / 'results.db'}"
        workspace = Workspace(config.load(EXAMPLES / example / "forecasting.toml"), Console())
        task = workspace.task("completion")
        sources = reading.extract_sources(workspace, workspace.results(prepare=False), task)
        dataset = task.assemble(sources.tables)
    assert isinstance(task, CompletionTask)
    return task, dataset


def _at(text: str) -> np.datetime64:
    return np.datetime64(text, "us")


if __name__ == "__main__":
    main()
