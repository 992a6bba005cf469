"""What scoring and explaining customers costs as a shop grows: `python -m benchmarks.churn_scale`.

A line each at 10, 30 and 100 thousand customers of a made-up shop with baskets, categories, returns, visits and places,
ten orders a customer: CPU-seconds of one core for assembling the shop, for fitting the shipped model, for scoring every
customer, for explaining them and for writing it down in words; the largest memory of scoring and all that follows,
above what was there, and the largest before (the made-up sources, assembling, fitting). Rows come shard by shard
through the pipeline, as a run publishes them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import torch

from benchmarks.recommendation import Target
from benchmarks.scale import peak_megabytes
from forecasting.pipeline import publication_rows
from forecasting.task import Cases, Fit
from tasks.churn.customers import Customers
from tasks.churn.forecast import ChurnForecast
from tasks.churn.model import ChurnModel
from tasks.churn.options import ChurnOptions
from tasks.churn.outputs import CHURN_RISKS
from tasks.churn.task import ChurnTask

CUSTOMERS = (10_000, 30_000, 100_000)
ORDERS, LINES, VISITS, DAYS = 10, 2, 8, 720
ITEMS, CATEGORIES, REGIONS = 2_000, 20, 50
SINCE = np.datetime64("2023-01-01", "us")
END = SINCE + np.timedelta64(DAYS, "D")
Result = TypeVar("Result")


def shop(customers: int) -> dict[str, pa.Table]:
    """Sources of a shop in which everyone bought in the last half year, and many times before or just the once."""
    random = np.random.default_rng(0)
    names = pa.array([f"customer-{number:07d}" for number in range(customers)])
    count = np.minimum(1 + random.geometric(1 / ORDERS, customers) - 1, 200)
    who = np.repeat(np.arange(customers), count)
    last = random.uniform(0, 179, customers)
    reach = random.uniform(30, DAYS - 180, customers)
    ago = last[who] + random.random(len(who)) * reach[who]
    ago[np.cumsum(count) - 1] = last
    value = np.round(random.lognormal(3.5, 0.8, len(who)), 2)
    value[(random.random(len(who)) < 0.05) & (ago > last[who])] *= -1
    order = np.arange(len(who))
    line = np.repeat(order, LINES)
    item = random.integers(0, ITEMS, len(line))
    visitor = random.integers(0, customers, customers * VISITS)
    place = random.integers(0, REGIONS, customers)
    region_names = pa.array([f"Region {number}" for number in range(REGIONS)])
    item_names = pa.array([f"item-{number:05d}" for number in range(ITEMS)])
    return {
        "orders": pa.table(
            {
                "order_id": pa.array(order).cast(pa.string()),
                "customer_id": _named(who, names),
                "placed_at": _ago(ago),
                "value": pa.array(value),
            }
        ),
        "order_lines": pa.table(
            {
                "order_id": pa.array(line).cast(pa.string()),
                "item_id": _named(item, item_names),
                "quantity": pa.array(np.where(value[line] > 0, random.integers(1, 5, len(line)), -1).astype(float)),
            }
        ),
        "items": pa.table(
            {
                "item_id": item_names,
                "category": pa.array([f"category {number % CATEGORIES}" for number in range(ITEMS)]),
            }
        ),
        "customers": pa.table(
            {
                "customer_id": names,
                "region": _named(place, region_names),
                "latitude": pa.array(40.0 + place % 10),
                "longitude": pa.array(place // 10 + 0.0),
            }
        ),
        "interactions": pa.table(
            {
                "customer_id": _named(visitor, names),
                "item_id": _named(random.integers(0, ITEMS, len(visitor)), item_names),
                "kind": pa.array(["view"] * len(visitor)),
                "occurred_at": _ago(random.uniform(0, DAYS, len(visitor))),
            }
        ),
    }


def _named(code: np.ndarray, names: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int32)), names)


def _ago(days: np.ndarray) -> pa.Array:
    at = END - np.round(days * 86_400e6 + 1).astype("timedelta64[us]")
    return pa.array(at.astype("datetime64[us]")).cast(pa.timestamp("us", "UTC"))


@dataclass
class Spent:
    """CPU-seconds by what they went into."""

    seconds: dict[str, float] = field(default_factory=dict)

    def on(self, what: str, work: Callable[[], Result]) -> Result:
        """The result of `work`, whose time is counted."""
        began = time.process_time()
        result = work()
        self.seconds[what] = self.seconds.get(what, 0.0) + time.process_time() - began
        return result


@dataclass(frozen=True, eq=False)
class Timed:
    """The model, whose scoring and explaining are timed apart."""

    model: ChurnModel
    spent: Spent

    def predict(self, dataset: Customers, cases: Cases) -> ChurnForecast:
        """The model's forecast."""
        forecast = self.spent.on("score", lambda: self.model.predict(dataset, cases))
        return replace(forecast, explain=lambda: self.spent.on("explain", forecast.explain))


def assembled(task: ChurnTask, sources: Mapping[str, pa.Table], spent: Spent) -> Customers:
    """The shop; its sources go."""
    return spent.on("assemble", lambda: task.assemble(sources))


def measure(customers: int) -> str:
    """One line and, at the largest size, the targets; from a process of its own: the largest memory is a process's."""
    torch.set_num_threads(1)
    spent, task = Spent(), ChurnTask(ChurnOptions())
    dataset = assembled(task, shop(customers), spent)
    model = spent.on("fit", lambda: task.fit(dataset, Fit(END)))
    cases, peak = task.cases(dataset, END), peak_megabytes()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, began = peak_megabytes(), time.process_time()
    written = sum(
        len(tables[CHURN_RISKS.name]) for tables in publication_rows(task, dataset, cases, Timed(model, spent))
    )
    total, memory = time.process_time() - began, peak_megabytes() - before
    spent.seconds["rows"] = total - spent.seconds["score"] - spent.seconds["explain"]
    parts = "  ".join(f"{what} {seconds:5.1f} s" for what, seconds in spent.seconds.items())
    line = (
        f"{written:>9,} customers  {parts}  score to rows {total:5.1f} CPU-s, {memory:5.0f} MB"
        f" (largest before: {peak:,.0f} MB)"
    )
    if customers == CUSTOMERS[-1]:
        targets = (
            Target("CPU-seconds of scoring and explaining 100,000 customers", total, 60, most=True),
            Target(
                "memory of a process that does, in MB, with all that is imported", peak_megabytes(), 1000, most=True
            ),
        )
        line = "\n".join((line, *(f"  {target}" for target in targets)))
    return line


def main() -> None:
    """A line for each size."""
    if len(sys.argv) > 1:
        print(measure(int(sys.argv[1])))
        return
    for customers in CUSTOMERS:
        alone = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-m", "benchmarks.churn_scale", str(customers)], check=True, env=alone)


if __name__ == "__main__":
    main()
