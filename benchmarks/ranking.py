"""Exact top-20 and the publication of lists: `python -m benchmarks.ranking`.

First, queries a CPU-second of one thread, matrix product included, for catalogues of the size of yoochoose_100k (2,900
items, 100 units) and diginetica (25,000 items, 128 units); the best of several repeats, beside torch.topk on the same
products, which leaves open which of equal scores it takes.

Then a made-up shop whose lists go shard by shard through the pipeline into a warehouse, as a run stages them: rows a
second, CPU seconds of scoring, of rows and of staging, and the largest memory beside what the shop itself takes.

    python -m benchmarks.ranking                                          # small, seconds
    python -m benchmarks.ranking --customers 1000000 --items 40000        # the claim, some minutes
    python -m benchmarks.ranking --database postgresql
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch

from benchmarks.reading import opened, peak_bytes
from db import claims, publishing, runs
from db.engines import open_warehouse
from db.migrate import upgrade
from forecasting.histories import Histories
from forecasting.pipeline import publication_rows
from forecasting.task import Cases
from tasks.recommendation.candidates import Candidates
from tasks.recommendation.catalogue import Catalogue
from tasks.recommendation.forecast import Ranking
from tasks.recommendation.journal import CUSTOMER, Journal
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.outputs import RECOMMENDATIONS
from tasks.recommendation.past import past
from tasks.recommendation.ranking import rank
from tasks.recommendation.rows import recommendation_rows
from tasks.recommendation.rules import seen
from tasks.recommendation.sparse import ragged_matrix
from tasks.recommendation.topk import top_k_products

CATALOGUES = ((2_900, 100), (25_000, 128))
QUERIES, REPEATS, K = 8_192, 9, 20
SINCE = np.datetime64("2024-01-01", "us")
DAYS, REGIONS, CATEGORIES, BACK = 300, 20, 200, 20
REPEAT_BONUS = 2.0


def speed(items: int, units: int) -> str:
    """One line on exact top-20 of products with so many items."""
    source = np.random.default_rng(0)
    queries = source.normal(size=(QUERIES, units)).astype(np.float32)
    matrix = source.normal(size=(items, units)).astype(np.float32)
    bias = source.normal(size=items).astype(np.float32)

    def plainly() -> None:
        for start in range(0, QUERIES, 256):
            part = torch.from_numpy(queries[start : start + 256])
            torch.topk(torch.addmm(torch.from_numpy(bias), part, torch.from_numpy(matrix).T), K, dim=1)

    ours = QUERIES / _best(lambda: top_k_products(queries, matrix, bias, K))
    plain = QUERIES / _best(plainly)
    return f"{items:>7,} items x {units} units {ours:>9,.0f} queries / CPU-s   torch.topk {plain:>9,.0f}"


def _best(work: Callable[[], object]) -> float:
    """CPU seconds of the fastest of REPEATS."""
    spent = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)


def shop(customers: int, items: int, events: int) -> Journal:
    """A shop whose customers each bought `events` items on average, most of them from a taste of their own."""
    source = np.random.default_rng(1)
    lengths = source.poisson(events, customers)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = int(offsets[-1])
    entity = np.repeat(np.arange(customers), lengths)
    instant = np.sort(entity + source.random(rows)) - entity  # ascending within each customer
    at = SINCE + (instant * DAYS * 86_400e6).astype("m8[us]")
    taste = source.integers(0, items, customers)[entity]
    item = ((taste + source.pareto(1.0, rows) * 10) % items).astype(np.int32)
    row = np.arange(rows)
    columns = {
        "item": item,
        "kind": np.full(rows, 2, np.int8),
        "step": row,
        "session": np.full(rows, -1, np.int32),
        "seen": row - offsets[entity],
    }
    ids = np.array([f"customer-{number:08d}" for number in range(customers)], object)
    before = SINCE - np.timedelta64(1, "D")
    return Journal(
        events=Histories(ids, offsets, at, at, columns),
        catalogue=Catalogue(
            ids=np.array([f"item-{number:06d}" for number in range(items)], object),
            known_from=np.full(items, before),
            listed=np.ones(items, bool),
            title=np.array([f"Thing number {number}" for number in range(items)], object),
            price=np.full(items, np.nan),
            labels={"category": (np.arange(items) * CATEGORIES // items).astype(np.int32)},
            categories={"category": np.array([f"category {number}" for number in range(CATEGORIES)], object)},
        ),
        kind=np.full(customers, CUSTOMER, np.int8),
        ids=ids,
        region=source.integers(0, REGIONS, customers).astype(np.int32),
        regions=np.array([f"Region {number}" for number in range(REGIONS)], object),
        latitude=np.full(customers, np.nan),
        longitude=np.full(customers, np.nan),
        known_from=np.full(customers, before),
        region_from=np.full(customers, before),
        coordinates_from=np.full(customers, before),
        step_row=np.arange(rows + 1),
    )


@dataclass(frozen=True, eq=False)
class Factors:
    """A forecaster as expensive as the shipped one's last step: products of queries and items (float32 [N, D]), a bonus
    for what a customer had before, probabilities among all items. Counts its own CPU seconds."""

    options: RecommendationOptions
    items: torch.Tensor
    spent: dict[str, float]

    def predict(self, dataset: Journal, cases: Cases) -> Ranking:
        """The lists of the cases."""
        with _timed(self.spent, "scoring"):
            return rank(dataset, self.options, cases, lambda block: self._scores(dataset, block), probabilities=True)

    def _scores(self, journal: Journal, cases: Cases) -> tuple[np.ndarray, Candidates]:
        history = past(journal, cases, BACK)
        weight = np.exp(-0.5 * history.back).astype(np.float32)
        queries = ragged_matrix(weight, history.item, history.offsets, len(self.items)) @ self.items.numpy()
        dense = torch.mm(torch.from_numpy(queries), self.items.T).numpy()
        case, item = seen(journal, cases)
        offsets = np.searchsorted(case, np.arange(len(cases) + 1))
        bonus = np.full((len(item), 1), REPEAT_BONUS, np.float32)
        return dense, Candidates(offsets, item.astype(np.int32), bonus)


@dataclass(frozen=True, eq=False)
class Lists:
    """As much of the task as publication asks of it: the rows."""

    spent: dict[str, float]

    def rows(self, dataset: Journal, cases: Cases, forecast: Ranking) -> Mapping[str, pa.Table]:
        """The rows of the lists."""
        with _timed(self.spent, "rows"):
            return {RECOMMENDATIONS.name: recommendation_rows(dataset, cases, forecast)}


class _timed:
    """Adds the CPU seconds of a block to an entry."""

    def __init__(self, spent: dict[str, float], name: str):
        self.spent, self.name = spent, name

    def __enter__(self) -> None:
        self.began = time.process_time()

    def __exit__(self, *failure: object) -> None:
        self.spent[self.name] = self.spent.get(self.name, 0.0) + time.process_time() - self.began


def publish(url: str, customers: int, items: int, units: int, events: int) -> None:
    """Fills the lists of every customer into a warehouse and prints what it cost."""
    spent: dict[str, float] = {}
    made = shop(customers, items, events)
    cases = Cases(np.arange(customers), np.full(customers, SINCE + np.timedelta64(DAYS, "D")))
    source = np.random.default_rng(2)
    matrix = torch.from_numpy(source.normal(scale=units**-0.5, size=(items, units)).astype(np.float32) * 3)
    forecaster = Factors(RecommendationOptions(k=K), matrix, spent)
    warehouse = open_warehouse(url)
    upgrade(warehouse, ["tasks.recommendation.migrations"])
    now = dt.datetime.now(dt.UTC)
    claim = claims.claim(warehouse, "recommendation", now)
    run_id = runs.start(warehouse, claim, as_of=now, trigger="benchmark")
    before, began, started = peak_bytes(), time.process_time(), time.perf_counter()

    def shards() -> Iterator[pa.Table]:
        written = 0
        for tables in publication_rows(Lists(spent), made, cases, forecaster):  # type: ignore[arg-type]
            table = tables[RECOMMENDATIONS.name]
            written += len(table)
            yield table
            print(f"\r{written:>12,} rows, peak {peak_bytes() / 1e6:,.0f} MB ", end="", flush=True)

    rows = publishing.stage(warehouse, claim, run_id, RECOMMENDATIONS, shards())
    publishing.publish(warehouse, claim, run_id, publishing.Outcome(rows, "model"))
    total, seconds = time.process_time() - began, time.perf_counter() - started
    warehouse.close()
    spent["staging"] = total - sum(spent.values())
    parts = ", ".join(f"{name} {cpu:,.0f}" for name, cpu in spent.items())
    print(
        f"\r{customers:,} customers x {items:,} items x {units} units into {warehouse.dialect}: {rows:,} rows in"
        f" {seconds:,.0f} s ({rows / seconds:,.0f} rows/s), {total:,.0f} CPU-s ({rows / total:,.0f} rows/CPU-s:"
        f" {parts})"
    )
    print(
        f"peak memory {peak_bytes() / 1e6:,.0f} MB, of which {before / 1e6:,.0f} MB before the first shard"
        f" ({len(made.events.occurred_at):,} events and all that is imported)"
    )


def main() -> None:
    """Prints both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--items", type=int, default=5_000)
    parser.add_argument("--units", type=int, default=100)
    parser.add_argument("--events", type=int, default=8, help="of a customer, on average")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--part", choices=("speed", "publication"), help="one of the two alone")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.part != "publication":
        if os.environ.get("OMP_NUM_THREADS") != "1":
            print("(set OMP_NUM_THREADS=1 to be sure of one thread)")
        for items, units in CATALOGUES:
            print(speed(items, units), flush=True)
    if chosen.part != "speed":
        with opened(chosen.database) as url:
            publish(url, chosen.customers, chosen.items, chosen.units, chosen.events)


if __name__ == "__main__":
    main()
