"""A small boutique with recommendations published: two runs a day apart, of real tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from db.engines import Warehouse
from db.outputs import output_table
from db.tables import PUBLICATIONS, RUN_METRICS, RUNS
from tasks.recommendation.outputs import OUTPUTS

AS_OF = datetime(2026, 9, 14, tzinfo=UTC)

FIGURES = {
    "model": {"ndcg_loss": 0.6, "recall@20": 0.47, "recall@5": 0.3, "mrr@20": 0.25, "ndcg@20": 0.4, "samples": 900.0,
              "hitrate@20": 0.66, "coverage@20": 0.62, "novelty@20": 8.25, "recall@20:1": 0.4, "recall@20:10+": 0.6,
              "recall@20:2-4": 0.5, "recall@20:session": 0.3, "recall@20:cold": 0.1},
    "part:network": {"ndcg_loss": 0.63, "recall@20": 0.44, "mrr@20": 0.22, "ndcg@20": 0.37, "samples": 900.0},
    "baseline:popularity": {"ndcg_loss": 0.8, "recall@20": 0.2, "mrr@20": 0.1, "ndcg@20": 0.2, "samples": 900.0},
    "baseline:own_items": {"ndcg_loss": 0.7, "recall@20": 0.39, "mrr@20": 0.2, "ndcg@20": 0.3, "samples": 900.0,
                           "recall@20:1": 0.2},
}  # fmt: skip
"""Subject to metrics, as the gate leaves them."""


def thing(name: str, events: int = 10, **columns: Any) -> dict[str, Any]:
    """A row of `recommendation_items`; its share of events is reckoned when it is published."""
    row = {
        "item_id": name,
        "title": name.capitalize(),
        "category": "Hats",
        "price": 12.5,
        "since": AS_OF - timedelta(days=28),
        "events_recent": events,
        "purchases_recent": events // 2,
        "withheld": None,
    }
    return row | columns


@dataclass(frozen=True)
class Client:
    """A customer or session: its list of items (best first), what it did (newest first), and whether it is sampled."""

    entity_id: str
    shown: Sequence[str]
    did: Sequence[str] = ()
    kind: str = "customer"
    sampled: bool = True
    region: str | None = None
    reason: str = "because of Fez"


@dataclass(frozen=True)
class Boutique:
    """What a test wants published. `tried`: metrics of each run, oldest first, the last of the published run."""

    items: Sequence[dict[str, Any]]
    clients: Sequence[Client]
    run: Mapping[str, Any] = field(default_factory=dict)
    tried: Sequence[Mapping[str, Mapping[str, float]]] = (FIGURES, FIGURES)
    task: str = "recommendation"


def publish(warehouse: Warehouse, shop: Boutique) -> None:
    """Writes a boutique into a warehouse as its runs would have left it."""
    lists, items, samples, histories = map(output_table, OUTPUTS)
    total = sum(item["events_recent"] for item in shop.items) or 1
    with warehouse.writing() as connection:
        for number, figures in enumerate(shop.tried or ({},), start=1 - len(shop.tried or ({},))):
            _run(connection, shop, number, figures)
        run_id = f"{shop.task}-0"
        _insert(connection, items, run_id, [
            {"share_recent": item["events_recent"] / total} | item for item in shop.items
        ])  # fmt: skip
        chosen = [client for client in shop.clients if client.sampled]
        _insert(connection, samples, run_id, [
            {**_who(client), "place": place, "region": client.region, "steps": len(client.did),
             "events": len(client.did)}
            for place, client in enumerate(chosen, start=1)
        ])  # fmt: skip
        _insert(connection, histories, run_id, [
            {**_who(client), "position": position, "item_id": item, "title": item.capitalize(), "kind": "purchase",
             "occurred_at": AS_OF - timedelta(days=position)}
            for client in chosen
            for position, item in enumerate(client.did, start=1)
        ])  # fmt: skip
        _insert(connection, lists, run_id, [
            {**_who(client), "rank": rank, "item_id": item, "score": 1 / (rank + 1), "reason": client.reason,
             "seen": len(client.did)}
            for client in shop.clients
            for rank, item in enumerate(client.shown, start=1)
        ])  # fmt: skip
        connection.execute(
            sa.insert(PUBLICATIONS).values(task=shop.task, run_id=run_id, as_of=AS_OF, fence=1, published_at=AS_OF)
        )


def _run(connection: sa.Connection, shop: Boutique, number: int, figures: Mapping[str, Mapping[str, float]]) -> None:
    moment = AS_OF + timedelta(days=number)
    run_id = f"{shop.task}-{-number}"
    facts: dict[str, Any] = {
        "slot": moment,
        "as_of": moment,
        "state": "done",
        "trigger": "command",
        "started_at": moment + timedelta(hours=2),
        "finished_at": moment + timedelta(hours=2, minutes=5),
        "published_at": moment + timedelta(hours=2, minutes=5),
        "subject": "model",
        "fallback": False,
        "data_until": moment - timedelta(hours=1),
        "fence": 1,
    }
    facts |= shop.run if not number else {}
    connection.execute(sa.insert(RUNS).values(run_id=run_id, task=shop.task, **facts))
    rows = [
        {"run_id": run_id, "slice": "evaluate", "subject": subject, "metric": metric, "value": value}
        for subject, values in figures.items()
        for metric, value in values.items()
    ]
    if rows:
        connection.execute(sa.insert(RUN_METRICS), rows)


def _who(client: Client) -> dict[str, str]:
    return {"entity_kind": client.kind, "entity_id": client.entity_id}


def _insert(connection: sa.Connection, table: sa.Table, run_id: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(table), [{"run_id": run_id, **row} for row in rows])
