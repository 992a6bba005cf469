"""A stranger's fifth task, as its author would write it: how many orders will each customer place in 14 days?

Nothing in the house knows it. It stands in a distribution of its own, beside the suite, with its own table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from forecasting.batches import Batch, Bucketed, declare
from forecasting.encoders import EncoderConfig, build_encoder
from forecasting.heads import MeanHead
from forecasting.histories import Histories
from forecasting.losses import poisson
from forecasting.schema import (
    AlertLedger,
    AlertPolicy,
    Column,
    Kind,
    NotEnoughData,
    OutputTable,
    Report,
    ReportSection,
    SourceNeed,
    TaskSpec,
)
from forecasting.seeds import seeded
from forecasting.task import Cases, Example, Fit, Fold, Forecaster, Instant, Recipe, Score
from forecasting.trainer import TrainingConfig, train

DAY = np.timedelta64(86_400_000_000, "us")
HORIZON = 14 * DAY
LENGTH = 8

HABITS = ("regular", "seldom")

EXPECTED_VISITS = OutputTable(
    "expected_visits",
    (
        Column("customer_id", Kind.ID),
        Column("orders", Kind.NUMBER),
        Column("habit", Kind.TEXT, choices=HABITS),
        Column("last_order_at", Kind.TIMESTAMP),
    ),
    key=("customer_id",),
    description="orders that a customer will place in the next 14 days",
)

SELDOM_VISITORS = AlertLedger(
    name="seldom_visitors",
    output="expected_visits",
    entity="customer_id",
    level="habit",
    levels=HABITS,
    value="orders",
    settled="last_order_at",
    copied=(Column("orders", Kind.NUMBER),),
)


@dataclass(frozen=True)
class VisitsOptions:
    """Options of `[tasks.visits]`. `seldom_below`: with fewer orders expected, a customer comes seldom."""

    encoder: str = "gru"
    hidden: int = 8
    seldom_below: float = 0.5


@dataclass(frozen=True)
class VisitsBatch(Batch):
    """Gaps in log days, and what happened next."""

    gaps: Tensor = declare("rows steps 1")
    lengths: Tensor = declare("rows", torch.int64)
    orders: Tensor = declare("rows")


class Network(nn.Module):
    """Gaps between orders to the expected number of orders."""

    def __init__(self, options: VisitsOptions):
        super().__init__()
        self.encoder = build_encoder(options.encoder, EncoderConfig(inputs=1, hidden=options.hidden))
        self.head = MeanHead(options.hidden, start=0.5)

    def forward(self, gaps: Tensor, lengths: Tensor) -> Tensor:
        """`gaps` [B, T, 1], `lengths` [B] to expected orders [B]."""
        return self.head(self.encoder(gaps, lengths)[1])


@dataclass(frozen=True)
class VisitsModel:
    """A fitted network."""

    network: Network
    trained_until: Instant
    recipe: Recipe

    def predict(self, dataset: Histories, cases: Cases) -> np.ndarray:
        """Expected orders, float64 [n]."""
        gaps, lengths = _gaps(dataset, cases)
        with torch.no_grad():
            return self.network(torch.from_numpy(gaps), torch.from_numpy(lengths)).double().numpy()

    def tensors(self) -> Mapping[str, np.ndarray]:
        """The weights."""
        return {name: value.numpy() for name, value in self.network.state_dict().items()}

    def document(self) -> Mapping[str, Any]:
        """The rest."""
        return {"trained_until": str(self.trained_until), "epochs": self.recipe.epochs}

    def parts(self) -> Mapping[str, Forecaster]:
        """No blend, no parts."""
        return {}


@dataclass(frozen=True)
class MeanRate:
    """Baseline: everybody orders as often as customers did on average."""

    rate: float

    def predict(self, dataset: Histories, cases: Cases) -> np.ndarray:
        """The same for all."""
        return np.full(len(cases), self.rate)


class VisitsTask:
    """Implements `forecasting.task.Task`."""

    Options = VisitsOptions
    spec = TaskSpec(
        name="visits",
        question="how many orders will each customer place in the next 14 days",
        entity="customer",
        outputs=(EXPECTED_VISITS,),
        gate_metric="squared_error",
        migrations="visits.migrations",
        alerts=SELDOM_VISITORS,
        reports=(
            Report(
                "visits",
                "Expected visits",
                (
                    ReportSection(
                        "Who will order",
                        "expected_visits",
                        {"customer_id": "Customer", "orders": "Orders"},
                        order_by=("orders",),
                        descending=True,
                    ),
                ),
            ),
        ),
    )

    def __init__(self, options: VisitsOptions):
        self.options = options

    @classmethod
    def example(cls) -> Example:
        """Sixty customers with habits of their own."""
        random = np.random.default_rng(5)
        every = random.uniform(3, 30, 60)
        customer = np.repeat(np.arange(60), 40)
        days = (random.exponential(every[customer]).reshape(60, 40).cumsum(axis=1) % 240).ravel()
        placed = np.datetime64("2024-01-01", "us") + (days * 86_400_000_000).astype("timedelta64[us]")
        orders = pa.table(
            {
                "order_id": pa.array([f"O{n}" for n in range(len(days))]).dictionary_encode(),
                "customer_id": pa.array([f"C{n:02}" for n in customer]).dictionary_encode(),
                "placed_at": pa.array(placed).cast(pa.timestamp("us", "UTC")),
            }
        )
        return Example(cls.Options(), {"orders": orders}, np.datetime64("2024-07-01", "us"))

    def needs(self) -> Sequence[SourceNeed]:
        """Orders alone."""
        return (SourceNeed("orders", main=True),)

    def assemble(self, sources: Mapping[str, pa.Table]) -> Histories:
        """Orders of known customers."""
        orders = sources["orders"]
        orders = orders.filter(orders["customer_id"].is_valid())
        return Histories.from_arrow(orders, "customer_id", "placed_at")

    def folds(self, dataset: Histories, as_of: Instant) -> Sequence[Fold]:
        """The last closed window of 14 days."""
        cutoff = as_of - HORIZON
        cases = self.cases(dataset, cutoff)
        if not len(cases):
            raise NotEnoughData("No customer ordered before the last fortnight.")
        return [Fold(cutoff, cases)]

    def cases(self, dataset: Histories, as_of: Instant) -> Cases:
        """Everybody who ordered before."""
        everybody = np.arange(len(dataset))
        before = dataset.stop(everybody, np.full(len(dataset), as_of)) > dataset.offsets[:-1]
        return Cases(everybody[before], np.full(before.sum(), as_of, dtype="datetime64[us]"))

    def backtest_cases(self, dataset: Histories, start: Instant, end: Instant, every_days: int | None) -> Cases:
        """Everybody, each fortnight."""
        cutoffs = np.arange(start, end, (every_days or 14) * DAY)
        parts = [self.cases(dataset, cutoff) for cutoff in cutoffs]
        return Cases(np.concatenate([p.entity for p in parts]), np.concatenate([p.cutoff for p in parts]))

    def fit(self, dataset: Histories, fit: Fit) -> VisitsModel:
        """Poisson loss over the fortnights closed by `fit.until`."""
        cutoffs = [fit.until - k * HORIZON for k in range(1, 7)]
        parts = [self.cases(dataset, cutoff) for cutoff in cutoffs]
        cases = Cases(np.concatenate([p.entity for p in parts]), np.concatenate([p.cutoff for p in parts]))
        if len(cases) < 20:
            raise NotEnoughData(f"Only {len(cases)} customers with a closed fortnight.")
        gaps, lengths = _gaps(dataset, cases)
        orders = torch.from_numpy(_outcome(dataset, cases).astype(np.float32))

        def collate(rows: np.ndarray) -> VisitsBatch:
            return VisitsBatch(torch.from_numpy(gaps[rows]), torch.from_numpy(lengths[rows]), orders[rows])

        with seeded(fit.seed):
            network = Network(self.options)
        epochs = fit.recipe.epochs if fit.recipe else 3
        source = Bucketed(lengths, 64, collate)
        train(network, source, _loss, TrainingConfig(epochs=epochs, seed=fit.seed, threads=1, device="cpu"))
        return VisitsModel(network, fit.until, Recipe(epochs))

    def restore(self, tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> VisitsModel:
        """From arrays and JSON."""
        network = Network(self.options)
        network.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
        network.eval()
        return VisitsModel(network, np.datetime64(document["trained_until"], "us"), Recipe(document["epochs"]))

    def baselines(self, dataset: Histories, until: Instant) -> Mapping[str, Forecaster]:
        """The mean rate of the last closed fortnight."""
        cases = self.cases(dataset, until - HORIZON)
        rate = float(_outcome(dataset, cases).mean()) if len(cases) else 0.0
        return {"mean_rate": MeanRate(rate)}

    def score(self, dataset: Histories, cases: Cases, forecast: np.ndarray) -> Score:
        """Squared error."""
        loss = (forecast - _outcome(dataset, cases)) ** 2
        return Score({"squared_error": float(loss.mean()), "samples": float(len(cases))}, loss, cases.entity)

    def rows(self, dataset: Histories, cases: Cases, forecast: np.ndarray) -> Mapping[str, pa.Table]:
        """One row for each customer."""
        last = dataset.occurred_at[dataset.stop(cases.entity, cases.cutoff) - 1]
        return {
            "expected_visits": pa.table(
                {
                    "case": np.arange(len(cases)),
                    "customer_id": pa.array(dataset.entities[cases.entity].tolist(), pa.string()),
                    "orders": forecast,
                    "habit": np.array(HABITS)[(forecast < self.options.seldom_below).astype(np.int64)],
                    "last_order_at": pa.array(last).cast(pa.timestamp("us", "UTC")),
                }
            )
        }

    def alert_policy(self) -> AlertPolicy:
        """Whoever comes seldom is worth an alert."""
        return AlertPolicy("seldom")


def _loss(network: nn.Module, batch: VisitsBatch) -> Tensor:
    return poisson(network(batch.gaps, batch.lengths), batch.orders)


def _outcome(dataset: Histories, cases: Cases) -> np.ndarray:
    """Orders placed in [cutoff, cutoff + 14 days), int64 [n]."""
    return dataset.stop(cases.entity, cases.cutoff + HORIZON) - dataset.stop(cases.entity, cases.cutoff)


def _gaps(dataset: Histories, cases: Cases) -> tuple[np.ndarray, np.ndarray]:
    """Log days from each of the last orders to the next, the last to the cutoff: float32 [n, LENGTH, 1], lengths."""
    index, mask = dataset.window(cases.entity, cases.cutoff, LENGTH)
    ends = np.concatenate([dataset.occurred_at[index][:, 1:], cases.cutoff[:, None]], axis=1)
    days = (ends - dataset.occurred_at[index]) / DAY
    gaps = np.where(mask, np.log1p(np.maximum(days, 0)), 0)
    lengths = mask.sum(axis=1)
    start = (LENGTH - lengths)[:, None] + np.arange(LENGTH)
    left = np.take_along_axis(gaps, np.minimum(start, LENGTH - 1), axis=1) * (np.arange(LENGTH) < lengths[:, None])
    return left[..., None].astype(np.float32), lengths.astype(np.int64)
