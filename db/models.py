"""The ledger of models: what was trained, where its artifact lies, and which one reigns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from db import clock
from db.engines import Warehouse
from db.failures import repeated
from db.tables import MODELS


@dataclass(frozen=True)
class ModelRecord:
    """A row of `models`. `uri` tells where the artifact lies and `sha256` what it must hash to; `recipe` is what a
    refit repeats. `warm_from`: the model that it was fine-tuned from, `fully_trained_until`: of the full fit in its
    line. Instants are aware, UTC."""

    model_id: str
    task: str
    created_at: datetime
    encoder: str | None
    trained_until: datetime
    uri: str
    sha256: str
    champion: bool
    run_id: str | None
    config: Mapping[str, Any] | None
    recipe: Mapping[str, Any] | None
    warm_from: str | None = None
    fully_trained_until: datetime | None = None


@repeated
def register(
    warehouse: Warehouse,
    model_id: str,
    *,
    task: str,
    encoder: str | None,
    trained_until: datetime,
    uri: str,
    sha256: str,
    run_id: str | None = None,
    config: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
    warm_from: str | None = None,
    fully_trained_until: datetime | None = None,
) -> None:
    """Enters a stored artifact into the ledger; it does not reign until it is crowned (`db.crowns`)."""
    with warehouse.writing() as connection:
        connection.execute(
            sa.insert(MODELS).values(
                model_id=model_id,
                task=task,
                created_at=clock.now(connection),
                encoder=encoder,
                trained_until=trained_until,
                uri=uri,
                sha256=sha256,
                champion=False,
                run_id=run_id,
                config=config,
                recipe=recipe,
                warm_from=warm_from,
                fully_trained_until=fully_trained_until or trained_until,
            )
        )


@repeated
def champion(warehouse: Warehouse, task: str) -> ModelRecord | None:
    """The reigning model of a configured task."""
    return _one(warehouse, MODELS.c.task == task, MODELS.c.champion)


@repeated
def get(warehouse: Warehouse, model_id: str) -> ModelRecord | None:
    """A model by its id."""
    return _one(warehouse, MODELS.c.model_id == model_id)


@repeated
def latest(warehouse: Warehouse, task: str | None = None, *, limit: int = 50) -> list[ModelRecord]:
    """The models made last, newest first."""
    statement = sa.select(MODELS).order_by(MODELS.c.created_at.desc(), MODELS.c.model_id.desc()).limit(limit)
    if task is not None:
        statement = statement.where(MODELS.c.task == task)
    with warehouse.reading() as connection:
        return [ModelRecord(**row._mapping) for row in connection.execute(statement)]


@repeated
def as_of(warehouse: Warehouse, task: str, moment: datetime) -> list[ModelRecord]:
    """The models that had seen nothing after `moment` (aware), the one that saw most first."""
    statement = (
        sa.select(MODELS)
        .where(MODELS.c.task == task, MODELS.c.trained_until <= moment)
        .order_by(MODELS.c.trained_until.desc(), MODELS.c.created_at.desc(), MODELS.c.model_id.desc())
    )
    with warehouse.reading() as connection:
        return [ModelRecord(**row._mapping) for row in connection.execute(statement)]


def _one(warehouse: Warehouse, *conditions: sa.ColumnElement[bool]) -> ModelRecord | None:
    with warehouse.reading() as connection:
        row = connection.execute(sa.select(MODELS).where(*conditions)).one_or_none()
        return None if row is None else ModelRecord(**row._mapping)
