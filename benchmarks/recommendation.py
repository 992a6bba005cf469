"""Recommendation beside its baselines, on the development sets: `python -m benchmarks.recommendation --seeds 3`.

Each set is fitted once, on what was known before its test, with the shipped defaults, in a process of its own (so that
memory is its own too); baselines answer the same cases in the same run, and every target of the issue gets an honest
pass or fail. As for the peers in ../shared/PEERS.md, what counts as an answer is an item known when the model was
fitted; `--new` lets later ones count too. Times are CPU-seconds of one core. `--dev` fits one test's length earlier and
judges on what lies between: what is chosen is chosen there, and the tests only confirm.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from benchmarks.sessions import SETS, judged, load
from forecasting.pipeline import MODEL, rivals, with_parts
from forecasting.task import Cases, Fit
from tasks.recommendation import RecommendationTask
from tasks.recommendation.journal import Journal
from tasks.recommendation.model import NetworkAlone
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.score import score
from tasks.recommendation.training import fit_network

SHOWN = ("recall@20", "mrr@20", "ndcg@20", "coverage@20", "novelty@20")
NETWORK = "part:network"
PEER_RECALL = 0.678
"""Recall@20 of the authors' GRU4Rec on yoochoose_100k, which takes it 82 CPU-seconds (../shared/PEERS.md)."""

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class Cost:
    """CPU-seconds of the whole fit (search, blend and refit) and of predicting all cases; the largest memory in MB.
    `race`, `race_memory`: what `race` found."""

    fit: float
    predict: float
    memory: float
    race: float
    race_memory: float


@dataclass(frozen=True)
class Target:
    """`what` holds where `value` is at least `bound`, or at most, where `most`."""

    what: str
    value: float
    bound: float
    most: bool = False

    def __str__(self) -> str:
        kept = self.value <= self.bound if self.most else self.value >= self.bound
        bound = f"{'at most' if self.most else 'at least'} {self.bound:g}"
        return f"{'PASS' if kept else 'FAIL'}  {self.what}: {self.value:.4g} ({bound})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", action="append", help="a set, or the beginning of its name; all by default")
    parser.add_argument("--encoder", default="gru")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--new", action="store_true", help="items that came after the fit count as answers too")
    parser.add_argument("--dev", action="store_true", help="judge before the test, to choose by")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)  # one seed, in this process, as JSON
    arguments = parser.parse_args()
    names = [name for name in SETS if any(name.startswith(one) for one in arguments.dataset or [name])]
    if arguments.one is not None:
        print(json.dumps(measure(names[0], arguments.encoder, arguments.one, arguments.dev, arguments.new)))
        return
    flags = [flag for flag, wanted in (("--dev", arguments.dev), ("--new", arguments.new)) if wanted]
    for name in names:
        bench(name, arguments.encoder, arguments.seeds, flags)


def bench(name: str, encoder: str, seeds: int, flags: Sequence[str]) -> None:
    """One set: every seed, the baselines, the targets."""
    runs = []
    for seed in range(seeds):
        command = [sys.executable, "-m", "benchmarks.recommendation", "--dataset", name, "--encoder", encoder, *flags]
        answer = subprocess.run([*command, "--one", str(seed)], check=True, stdout=subprocess.PIPE)
        runs.append(json.loads(answer.stdout))
        if not seed:
            print(f"\n{name} {' '.join(flags)}: {runs[0]['cases']:,} cases", flush=True)
            for subject, metrics in runs[0]["metrics"].items():
                if subject.startswith("baseline:"):
                    show(subject.removeprefix("baseline:"), metrics)
        cost = Cost(**runs[-1]["cost"])
        for subject in (NETWORK, MODEL):
            show(f"{encoder} {subject.removeprefix('part:')}, seed {seed}", runs[-1]["metrics"].get(subject, {}))
        print(
            f"    fit {cost.fit:.0f} CPU-s; {runs[0]['cases'] / cost.predict:,.0f} cases a CPU-second;"
            f" {cost.memory:,.0f} MB",
            flush=True,
        )
    mean = {
        subject: {
            metric: float(np.mean([run["metrics"][subject][metric] for run in runs]))
            for metric in runs[0]["metrics"][subject]
        }
        for subject in (MODEL, NETWORK)
    }
    print(f"  targets (mean of {seeds} seeds):")
    for target in targets(name, mean, Cost(**runs[0]["cost"])):
        print(f"    {target}", flush=True)


def measure(name: str, encoder: str, seed: int, dev: bool, new: bool) -> dict[str, Any]:
    """Fit, predict and score one seed; the baselines too, with the first."""
    torch.set_num_threads(1)
    task = RecommendationTask(RecommendationOptions(encoder=encoder))
    journal, start, end = load(name, task.options)
    if dev:
        start, end = start - (end - start), start
    if not new:
        old = replace(journal.catalogue, listed=journal.catalogue.listed & journal.catalogue.known(start))
        journal = replace(journal, catalogue=old)
    cases = judged(name, journal, start, end)
    ran = race(journal, task.options, start, cases, seed) if name == "yoochoose_100k" and seed == 0 else (0.0, 0.0)
    began = time.process_time()
    model = task.fit(journal, Fit(start, seed=seed))
    fitted = time.process_time()
    forecast = model.predict(journal, cases)
    predicted = time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    others = {subject: one for subject, one in with_parts(model).items() if subject != MODEL}
    if seed == 0:
        others |= rivals(task, journal, start)
    scores = {MODEL: task.score(journal, cases, forecast)}
    scores |= {subject: task.score(journal, cases, one.predict(journal, cases)) for subject, one in others.items()}
    cost = Cost(fitted - began, predicted - fitted, memory, *ran)
    return {
        "cases": len(scores[MODEL].loss),
        "metrics": {subject: dict(score.metrics) for subject, score in scores.items()},
        "cost": asdict(cost),
    }


def race(
    journal: Journal, options: RecommendationOptions, start: np.datetime64, cases: Cases, seed: int
) -> tuple[float, float]:
    """(CPU-seconds of the shortest training, in epochs of the shipped schedule, whose Recall@20 is the peer's; the
    largest memory in MB of training). Each training is run from the start, and only its own time counts: no way to
    choose, it says how fast the network learns."""
    memory = 0.0
    for epochs in range(2, options.epochs + 1):
        began = time.process_time()
        network = fit_network(journal, start, options, seed=seed, epochs=epochs)
        seconds = time.process_time() - began
        memory = memory or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # before anything is ranked
        ranking = NetworkAlone(network, options).predict(journal, cases)
        if score(journal, options, cases, ranking).metrics["recall@20"] >= PEER_RECALL:
            return seconds, memory
    return math.inf, memory


def show(who: str, metrics: Metrics) -> None:
    print(f"  {who:24s} " + "  ".join(f"{name} {metrics[name]:.4f}" for name in SHOWN if name in metrics), flush=True)


def targets(name: str, mean: Mapping[str, Metrics], cost: Cost) -> Iterator[Target]:
    """The issue's targets for a set."""
    shipped, alone = mean[MODEL], mean[NETWORK]
    if name == "yoochoose_100k":
        yield Target("Recall@20 as shipped", shipped["recall@20"], 0.700)
        yield Target("MRR@20 as shipped", shipped["mrr@20"], 0.360)
        yield Target("Recall@20 of the sequence model alone", alone["recall@20"], 0.680)
        yield Target("MRR@20 of the sequence model alone", alone["mrr@20"], 0.356)
        yield Target(f"CPU-seconds of training to Recall@20 {PEER_RECALL}", cost.race, 30, most=True)
        yield Target("memory of that training, MB", cost.race_memory, 600, most=True)
    elif name == "diginetica_sessions":
        yield Target("Recall@20 as shipped", shipped["recall@20"], 0.530)
        yield Target("MRR@20 as shipped", shipped["mrr@20"], 0.185)
        yield Target("CPU-minutes of the whole fit", cost.fit / 60, 20, most=True)
        yield Target("memory, MB", cost.memory, 3000, most=True)
    else:
        yield Target("Recall@20 as shipped", shipped["recall@20"], 0.245)
        yield Target("NDCG@20 as shipped", shipped["ndcg@20"], 0.284)


if __name__ == "__main__":
    main()
