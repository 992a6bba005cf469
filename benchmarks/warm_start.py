"""What a warm nightly refit costs and what it is worth: `python -m benchmarks.warm_start --seeds 3`.

A champion is fitted in full on the first night. On each of the nights after it, three forecast what that night's run
would publish, and are judged by what became of it: the champion left alone, the champion renewed night after night
(`forecasting.task.Renewable`), and a model fitted from scratch that night. Costs are CPU-seconds of one core: of a
renewal, of a fit from scratch, and of a whole night of training (the judgement and the refit of what it chose). `--dev`
takes earlier nights instead: what is chosen is chosen there, and the others only confirm. `--every 7` renews weekly.
Another task joins with a line in SHOPS.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.recommendation import Target
from forecasting import gate
from forecasting.pipeline import judge
from forecasting.task import Cases, Fit, Forecaster, Instant, Renewable, Score, Task

SUBJECTS = ALONE, WARM, FULL = ("left alone", "warm", "from scratch")
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Shop:
    """A task and its data. `firsts`, `dev`: nights on which a champion is fitted, dates. `cases`: what is judged on a
    night, by default what its run would publish."""

    open: Callable[[], tuple[Task, Any]]
    firsts: tuple[str, ...]
    dev: tuple[str, ...]
    cases: Callable[[Task, Any, Instant], Cases] = lambda task, dataset, night: task.cases(dataset, night)


def churn() -> tuple[Task, Any]:
    """Online Retail, as it ships."""
    from benchmarks.churn import shipped
    from tasks.churn.task import ChurnTask

    task = ChurnTask(ChurnTask.Options())
    return task, task.assemble(shipped())


def completion() -> tuple[Task, Any]:
    """Olist's orders, read by `examples/olist`."""
    from benchmarks.completion import _shop

    tables = ("orders", "customers", "sellers", "order_items", "products")
    return _shop("olist", "OLIST_URL", {f"olist_{name}": f"olist_{name}" for name in tables})


def demand() -> tuple[Task, Any]:
    """The bakeries, day by day."""
    from benchmarks.datasets import load
    from tasks.demand.task import DemandTask

    grid, options, _ = load("bakery_daily")
    return DemandTask(options), grid


def recommendation() -> tuple[Task, Any]:
    """Online Retail, as it ships."""
    from benchmarks.sessions import load
    from tasks.recommendation.task import RecommendationTask

    task = RecommendationTask(RecommendationTask.Options())
    return task, load("online_retail", task.options)[0]


def _next_orders(task: Task, journal: Any, night: Instant) -> Cases:
    """The first order of every known customer in the four weeks after a night."""
    from benchmarks.sessions import judged

    return judged("online_retail", journal, night, night + 28 * _DAY)


SHOPS: dict[str, Shop] = {
    "churn": Shop(churn, ("2011-07-15", "2011-09-03"), ("2011-05-20", "2011-06-10")),
    "demand": Shop(demand, ("2018-11-13",), ("2018-08-21",)),
    "recommendation": Shop(recommendation, ("2011-10-01",), ("2011-08-01",), _next_orders),
    "completion": Shop(completion, ("2018-01-22",), ("2017-06-01",)),
}


@dataclass
class Found:
    """Costs in CPU-seconds, of each renewal, fit and night of training; and scores of each subject, in one order of
    nights and seeds."""

    warm: list[float] = field(default_factory=list)
    fit: list[float] = field(default_factory=list)
    night: list[float] = field(default_factory=list)
    scores: dict[str, list[Score]] = field(default_factory=lambda: {subject: [] for subject in SUBJECTS})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", action="append", choices=sorted(SHOPS), help="all by default")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--nights", type=int, default=7, help="how often a champion is renewed")
    parser.add_argument("--every", type=int, default=1, help="days from one night to the next")
    parser.add_argument("--dev", action="store_true", help="earlier nights, to choose by")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.task or SHOPS:
        shop = SHOPS[name]
        task, dataset = shop.open()
        found = Found()
        for first in shop.dev if arguments.dev else shop.firsts:
            nights = np.datetime64(first, "us") + np.arange(arguments.nights + 1) * arguments.every * _DAY
            for seed in range(arguments.seeds):
                watch(shop, task, dataset, nights, seed, found)
            print(f"{name}: {arguments.nights} nights after {first}, {arguments.seeds} seeds", flush=True)
        for line in told(task, found):
            print(f"    {line}", flush=True)


def watch(shop: Shop, task: Task, dataset: Any, nights: np.ndarray, seed: int, found: Found) -> None:
    """The nights after the first, datetime64[us], one after the other."""
    champion = task.fit(dataset, Fit(nights[0], seed))
    assert isinstance(champion, Renewable)
    warm: Any = champion
    task.cases(dataset, nights[0])  # what is made once and kept costs nobody
    for night in nights[1:]:
        cases = shop.cases(task, dataset, night)
        seconds, warm = _timed(warm.renew, dataset, Fit(night, seed, champion.recipe))
        found.warm.append(seconds)
        seconds, full = _timed(task.fit, dataset, Fit(night, seed))
        found.fit.append(seconds)
        if night == nights[1]:
            judging, judgement = _timed(partial(judge, seed=seed), task, dataset, night)
            refit, _ = _timed(task.fit, dataset, Fit(night, seed, judgement.recipe))
            found.night.append(judging + refit)
        for subject, model in zip(SUBJECTS, (champion, warm, full), strict=True):
            found.scores[subject].append(_score(task, dataset, cases, model))


def _score(task: Task, dataset: Any, cases: Cases, forecaster: Forecaster) -> Score:
    return task.score(dataset, cases, forecaster.predict(dataset, cases))


def _timed(work: Callable[..., Any], *given: Any) -> tuple[float, Any]:
    """The CPU-seconds of a piece of work, and what came of it."""
    began = time.process_time()
    result = work(*given)
    return time.process_time() - began, result


def told(task: Task, found: Found) -> Iterator[str]:
    """Figures and targets."""
    metric = task.spec.gate_metric
    means = {subject: _mean(scores, metric) for subject, scores in found.scores.items()}
    yield f"{metric}: " + ", ".join(f"{subject} {value:.4f}" for subject, value in means.items())
    warm, fit, night = (float(np.mean(seconds)) for seconds in (found.warm, found.fit, found.night))
    yield f"CPU-seconds: renewal {warm:.2f}, fit from scratch {fit:.2f}, night of training {night:.2f}"
    yield f"a renewal costs {warm / fit:.1%} of a fit from scratch, {warm / night:.1%} of a night of training"
    yield str(Target("cost of a renewal over that of a night of training", warm / night, 0.15, most=True))
    entity = np.concatenate([score.entity for score in found.scores[WARM]])
    losses = {subject: np.concatenate([score.loss for score in scores]) for subject, scores in found.scores.items()}
    for rival in (FULL, ALONE):
        verdict = gate.decide({gate.MODEL: losses[WARM], rival: losses[rival]}, entity)
        yield f"beside {rival}: {verdict.reason}"
        if rival == FULL:  # as the gate has it: a standard error of the paired difference is no difference
            off = (verdict.difference or 0.0) / max(verdict.standard_error or 0.0, 1e-12)
            yield str(Target("loss of warm less that from scratch, in standard errors", off, 1.0, most=True))


def _mean(scores: list[Score], metric: str) -> float:
    weights = [score.metrics["samples"] for score in scores]
    return float(np.average([score.metrics[metric] for score in scores], weights=weights))


if __name__ == "__main__":
    main()
