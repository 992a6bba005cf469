"""Lists of 20 from very large catalogues, exactly and by the index of `nearest`: `python -m benchmarks.approximate`.

Queries a CPU-second of one thread, and how much of the exact lists is found. Both ways go all the way from queries to
lists with probabilities and rules, beside exact top-20 of the products alone. Items are vectors of a made-up geometry,
clusters whose directions matter less and less, with popularity on top. Queries are easy ones, near two clusters, and
hard ones, the mean of three items that have nothing to do with each other; each comes with a hundred items that other
evidence names. The index is built once a day.

    python -m benchmarks.approximate                       # 200,000 and 1,000,000 items, about two minutes, 3 GB
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch

from benchmarks.ranking import DAYS, SINCE, shop
from benchmarks.reading import peak_bytes
from forecasting.task import Cases
from tasks.recommendation.candidates import Candidates
from tasks.recommendation.forecast import Ranking
from tasks.recommendation.index import ItemIndex
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.ranking import rank
from tasks.recommendation.shortlist import Shortlists, rank_shortlists
from tasks.recommendation.topk import top_k_products

K, NAMED, WIDE = 20, 100, 1
Result = TypeVar("Result")


def geometry(items: int, units: int, queries: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Factors float32 [N, units + 1], popularity last, and queries of each sort, float32 [n, units + 1]."""
    source = np.random.default_rng(0)
    weight = (1 / np.sqrt(1 + np.arange(units) / 8)).astype(np.float32)
    centres = source.standard_normal((max(items // 200, 2), units), np.float32)
    factors = np.empty((items, units + 1), np.float32)
    source.standard_normal(out=(noise := np.empty((items, units), np.float32)), dtype=np.float32)
    factors[:, :-1] = (centres[source.integers(0, len(centres), items)] + 0.7 * noise) * weight
    factors[:, :-1] /= np.sqrt(np.square(factors[:, :-1]).sum(axis=1).mean())
    factors[:, -1] = -1.5 * np.log(1 + source.permutation(items) / items * 100)
    near = source.integers(0, len(centres), (queries, 2))
    share = source.random((queries, 2, 1), np.float32)
    asked = {
        "easy": (centres[near] * share).sum(axis=1) * weight,
        "hard": factors[source.integers(0, items, (queries, 3)), :-1].mean(axis=1),
    }
    for name, vectors in asked.items():
        vectors = vectors * (10 / np.linalg.norm(vectors, axis=1, keepdims=True))
        asked[name] = np.append(vectors, np.ones((queries, 1)), axis=1).astype(np.float32)
    return factors, asked


def compare(items: int, units: int, queries: int, nearest: int) -> None:
    """Prints a line for each sort of queries."""
    factors, asked = geometry(items, units, queries)
    journal = shop(queries, items, 8)
    cases = Cases(np.arange(queries), np.full(queries, SINCE + np.timedelta64(DAYS, "D")))
    options = RecommendationOptions(k=K, nearest=nearest)
    index, building = _timed(lambda: ItemIndex.of(factors, np.ones(items, bool), WIDE))
    source = np.random.default_rng(1)
    named = np.sort(np.stack([source.choice(items, NAMED, replace=False) for _ in range(queries)]), axis=1)
    print(f"{items:,} items x {units} units, the {nearest:,} nearest; index built in {building:.1f} CPU-s", flush=True)

    def evidence(block: Cases) -> Candidates:
        values = np.full((len(block) * NAMED, 1), 2.0, np.float32)
        return Candidates(np.arange(len(block) + 1) * NAMED, named[block.entity].ravel().astype(np.int32), values)

    matrix = torch.from_numpy(factors).T
    for name, vectors in asked.items():

        def dense(block: Cases, vectors: np.ndarray = vectors) -> tuple[np.ndarray, Candidates]:
            return torch.mm(torch.from_numpy(vectors[block.entity]), matrix).numpy(), evidence(block)

        def shortlists(block: Cases, vectors: np.ndarray = vectors) -> Shortlists:
            return Shortlists.of(index, vectors[block.entity], evidence(block), nearest)

        exact, whole = _timed(lambda dense=dense: rank(journal, options, cases, dense, probabilities=True))
        found, short = _timed(
            lambda shortlists=shortlists, dense=dense: rank_shortlists(journal, options, cases, shortlists, dense)
        )
        _, products = _timed(lambda vectors=vectors: top_k_products(vectors, factors, None, K))
        print(
            f"  {name} queries: exact {queries / whole:>7,.0f} / CPU-s (products alone {queries / products:>7,.0f}),"
            f" approximate {queries / short:>7,.0f} / CPU-s, overlap@{K} {_overlap(exact, found):.4f}",
            flush=True,
        )


def _overlap(exact: Ranking, found: Ranking) -> float:
    return float((exact.items[:, :, None] == found.items[:, None, :]).any(axis=2).mean())


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    began = time.process_time()
    result = work()
    return result, time.process_time() - began


def main() -> None:
    """Prints all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--queries", type=int, default=1024)
    parser.add_argument("--nearest", type=int, default=1000)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for items in chosen.items:
        compare(items, chosen.units, chosen.queries, chosen.nearest)
    print(f"peak memory {peak_bytes() / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
