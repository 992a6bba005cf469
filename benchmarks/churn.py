"""Churn beside its baselines and LightGBM, on Online Retail: `python -m benchmarks.churn --seeds 3`.

Each of five cutoffs is fitted on what was known at it, with the shipped defaults, and judged on the 90 days after it;
baselines and LightGBM (on the same features, at the latest closed cutoffs) answer the same customers in the same run.
Every target of the issue gets an honest pass or fail. Times are CPU-seconds of one core. `--dev` judges at earlier
cutoffs instead: what is chosen is chosen there, and the test only confirms. The shop is that of the invoices that ship
with the suite, with their lines and countries; `--orders` reads one row for each invoice instead.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Mapping
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from benchmarks.datasets import DATA
from benchmarks.recommendation import Target
from forecasting.app import invoices
from forecasting.pipeline import MODEL, rivals, with_parts
from forecasting.task import Cases, Fit, Score
from tasks.churn.customers import Customers
from tasks.churn.folds import eligible
from tasks.churn.forecast import ChurnForecast
from tasks.churn.options import ChurnOptions
from tasks.churn.outcomes import outcomes
from tasks.churn.snapshot import snapshot
from tasks.churn.task import ChurnTask

TEST = ("2011-07-15", "2011-07-29", "2011-08-12", "2011-08-26", "2011-09-10")
DEV = ("2011-04-29", "2011-05-13", "2011-05-27", "2011-06-10", "2011-06-24")
SHOWN = ("log_loss", "auc", "pr_auc", "brier", "ece", "lift@10%", "churn_rate", "mean_probability")
EXTRA = ("n_items", "n_skus")
"""Columns of the one row for each invoice that are told to the task as features."""

PEER_CUTOFFS = 9
"""Cutoffs, a fortnight apart, that LightGBM learns from, as in ../shared/PEERS.md."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="gru")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--dev", action="store_true", help="judge at earlier cutoffs, to choose by")
    parser.add_argument("--orders", action="store_true", help="one row for each invoice, without lines")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task = ChurnTask(ChurnOptions(encoder=arguments.encoder, features=EXTRA if arguments.orders else ()))
    customers = task.assemble(one_row_each() if arguments.orders else shipped())
    cutoffs = [np.datetime64(text, "us") for text in (DEV if arguments.dev else TEST)]
    means: dict[str, dict[str, list[float]]] = {}
    cost: list[float] = []
    for cutoff in cutoffs:
        cases = task.backtest_cases(customers, cutoff, cutoff + np.timedelta64(1, "D"), None)
        found = peers(task, customers, cases, cutoff)
        for seed in range(arguments.seeds):
            scores, seconds = ours(task, customers, cases, cutoff, seed)
            cost.append(seconds)
            for subject, score in scores.items():
                found.setdefault(subject, []).append(score)
        print(f"\n{np.datetime_as_string(cutoff, 'D')}: {len(cases):,} customers", flush=True)
        for subject, of_seeds in found.items():
            figures = {name: float(np.mean([one.metrics[name] for one in of_seeds])) for name in SHOWN}
            show(subject, figures)
            for name, value in figures.items():
                means.setdefault(subject, {}).setdefault(name, []).append(value)
    print(f"\nmean of {len(cutoffs)} cutoffs", flush=True)
    for subject, figures in means.items():
        show(subject, {name: float(np.mean(values)) for name, values in figures.items()})
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  fit and score: {np.mean(cost):.1f} CPU-s, at most {max(cost):.1f}; {memory:,.0f} MB with LightGBM")
    for target in targets(means, max(cost), len(cutoffs)):
        print(f"    {target}", flush=True)


def ours(
    task: ChurnTask, customers: Customers, cases: Cases, cutoff: np.datetime64, seed: int
) -> tuple[dict[str, Score], float]:
    """Scores of the model and its parts, and the CPU-seconds of fitting and answering."""
    began = time.process_time()
    model = task.fit(customers, Fit(cutoff, seed=seed))
    forecast = model.predict(customers, cases)
    seconds = time.process_time() - began
    scores = {MODEL: task.score(customers, cases, forecast)}
    for name, part in with_parts(model).items():
        if name != MODEL:
            scores[name] = task.score(customers, cases, part.predict(customers, cases))
    return scores, seconds


def peers(task: ChurnTask, customers: Customers, cases: Cases, cutoff: np.datetime64) -> dict[str, list[Score]]:
    """Scores of the baselines and of LightGBM, all fitted on what was known at the cutoff."""
    found = {
        name: [task.score(customers, cases, one.predict(customers, cases))]
        for name, one in rivals(task, customers, cutoff).items()
    }
    found["lightgbm"] = [task.score(customers, cases, boosted(customers, cases, cutoff, task.options))]
    return found


def boosted(customers: Customers, cases: Cases, cutoff: np.datetime64, options: ChurnOptions) -> ChurnForecast:
    """LightGBM on the same features, trained at the latest closed cutoffs."""
    latest = customers.observed(cutoff) - np.timedelta64(options.horizon_days, "D")
    instants = latest - np.arange(PEER_CUTOFFS) * np.timedelta64(14, "D")
    instants = instants[instants > customers.purchases.occurred_at.min() + np.timedelta64(14, "D")]
    train = eligible(customers, instants, options.active_days)
    known = outcomes(customers, train, cutoff)
    model = lgb.LGBMClassifier(
        n_estimators=200, learning_rate=0.03, num_leaves=15, min_child_samples=40, subsample=0.8, subsample_freq=1,
        colsample_bytree=0.8, reg_lambda=1.0, num_threads=1, random_state=0, verbose=-1,
    )  # fmt: skip
    names = [
        name
        for name in snapshot(customers, cases, options.features).names
        if name not in ("shop_trend", "year_sin", "year_cos")
    ]
    model.fit(_columns(customers, train, names, options.features), known.churned(options.horizon_days))
    p = np.asarray(model.predict_proba(_columns(customers, cases, names, options.features)))[:, 1]
    return ChurnForecast(np.array([0.0, options.horizon_days]), np.stack([np.ones_like(p), p], axis=1))


def _columns(customers: Customers, cases: Cases, names: list[str], features: tuple[str, ...]) -> pd.DataFrame:
    shown = snapshot(customers, cases, features)
    return pd.DataFrame({name: shown.column(name) for name in names})


def one_row_each() -> Mapping[str, pa.Table]:
    """One row for each non-cancelled invoice of a known customer."""
    frame = pd.read_csv(Path(DATA) / "online_retail_orders.csv.gz", dtype={"customer_id": str, "invoice": str})
    return {
        "orders": pa.table(
            {
                "order_id": pa.array(frame["invoice"]).dictionary_encode(),
                "customer_id": pa.array(frame["customer_id"]).dictionary_encode(),
                "placed_at": pa.array(pd.to_datetime(frame["ts"])).cast(pa.timestamp("us", "UTC")),
                "value": pa.array(frame["amount"].astype(float)),
                **{name: pa.array(frame[name].astype(float)) for name in EXTRA},
            }
        )
    }


def shipped() -> Mapping[str, pa.Table]:
    """The invoices that ship with the suite, as the demo loads them."""
    tables = invoices.canonical_tables(invoices.read_lines(), invoices.read_titles())
    text = {
        name: [(column, table[column].dictionary_encode()) for column in table.column_names
               if pa.types.is_string(table[column].type)]
        for name, table in tables.items()
    }  # fmt: skip
    for name, columns in text.items():
        for column, values in columns:
            position = tables[name].column_names.index(column)
            tables[name] = tables[name].set_column(position, column, values)
    return {name: tables[name] for name in ("orders", "order_lines", "items", "customers")}


def show(who: str, metrics: Mapping[str, float]) -> None:
    print(f"  {who:24s} " + "  ".join(f"{name} {metrics[name]:.4f}" for name in SHOWN), flush=True)


def targets(means: Mapping[str, Mapping[str, list[float]]], seconds: float, cutoffs: int) -> list[Target]:
    """The issue's targets; the last cutoff is the one that it names."""
    model = means[MODEL]
    rivals = {name: figures["log_loss"] for name, figures in means.items() if name.startswith("baseline:")}
    best = min(rivals, key=lambda name: np.mean(rivals[name]))
    better = int(np.sum(np.array(model["log_loss"]) < np.min(list(rivals.values()), axis=0)))
    return [
        Target("log-loss at the last cutoff", model["log_loss"][-1], 0.565, most=True),
        Target("AUC at the last cutoff", model["auc"][-1], 0.750),
        Target("ECE at the last cutoff", model["ece"][-1], 0.03, most=True),
        Target(
            f"mean log-loss over that of {best}",
            float(np.mean(model["log_loss"]) / np.mean(rivals[best])),
            0.97,
            most=True,
        ),
        Target("cutoffs where it beats every baseline", better, cutoffs - 1),
        Target("CPU-seconds to fit and score", seconds, 30, most=True),
    ]


if __name__ == "__main__":
    main()
