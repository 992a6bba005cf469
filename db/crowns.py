"""Who reigns: the ledger of crowns, by which a task's champion can be followed back, and taken back.

`models.champion` says who reigns now; each row here says from when a model reigned and why. All that moves the crown
does so in one transaction that holds the task's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from db import clock
from db.engines import Warehouse
from db.failures import repeated
from db.locks import one_at_a_time
from db.tables import CROWNS, MODELS
from forecasting.schema import ConfigurationError, ForecastingError

Cause = Literal["run", "promotion", "rollback"]
"""A run that published what the model forecast; a person who chose it; a person who took back the one after it."""


@dataclass(frozen=True)
class Crown:
    """A row of `crowns`: the model reigned from `crowned_at` (aware, UTC) until the task's next row."""

    crown_id: int
    task: str
    model_id: str
    crowned_at: datetime
    cause: Cause
    crowned_by: str | None


@repeated
def history(warehouse: Warehouse, task: str) -> list[Crown]:
    """Every reign of a configured task, the present one last."""
    with warehouse.reading() as connection:
        return _history(connection, task)


def taken_back(reigns: Sequence[Crown]) -> frozenset[str]:
    """The models that a rollback dethroned and that nobody crowned again since: nothing may use them by itself."""
    found: set[str] = set()
    for before, reign in zip((None, *reigns), reigns, strict=False):
        found.discard(reign.model_id)
        if before is not None and reign.cause == "rollback":
            found.add(before.model_id)
    return frozenset(found)


def crown(connection: sa.Connection, task: str, model_id: str, cause: Cause, by: str | None = None) -> bool:
    """Moves the crown within a transaction that holds the task's lock; False where nothing changes.

    A run crowns no model that was fine-tuned from one that reigns no more: whoever dethroned that meant its line.
    """
    reigning = connection.scalar(sa.select(MODELS.c.model_id).where(MODELS.c.task == task, MODELS.c.champion))
    if reigning == model_id:
        return False
    if cause == "run" and reigning is not None:
        renewed = connection.scalar(sa.select(MODELS.c.warm_from).where(MODELS.c.model_id == model_id))
        if renewed is not None and renewed != reigning:
            return False
    of_task = MODELS.c.task == task
    connection.execute(sa.update(MODELS).where(of_task, MODELS.c.champion).values(champion=False))
    connection.execute(sa.update(MODELS).where(of_task, MODELS.c.model_id == model_id).values(champion=True))
    moment = clock.now(connection)
    connection.execute(
        sa.insert(CROWNS).values(task=task, model_id=model_id, crowned_at=moment, cause=cause, crowned_by=by)
    )
    return True


@repeated
def promote(warehouse: Warehouse, model_id: str, by: str | None = None) -> bool:
    """Makes a model its task's champion; False where it is. Raises ConfigurationError where there is no such model."""
    with warehouse.writing() as connection:
        task = connection.scalar(sa.select(MODELS.c.task).where(MODELS.c.model_id == model_id))
        if task is None:
            raise ConfigurationError(f"There is no model {model_id!r}.", remedy="`forecasting models` lists them.")
        one_at_a_time(connection, f"task {task}")
        return crown(connection, task, model_id, "promotion", by)


@repeated
def take_back(warehouse: Warehouse, reign: Crown, model_id: str, by: str | None = None) -> None:
    """Ends a reign in favour of a model that reigned before. Raises ForecastingError where it is over already."""
    with warehouse.writing() as connection:
        one_at_a_time(connection, f"task {reign.task}")
        if _history(connection, reign.task)[-1:] != [reign]:
            raise ForecastingError(
                f"Somebody crowned another model of {reign.task!r} at this very moment; nothing was changed.",
                remedy=f"Look with `forecasting models {reign.task}`, and try again.",
            )
        crown(connection, reign.task, model_id, "rollback", by)


def _history(connection: sa.Connection, task: str) -> list[Crown]:
    rows = connection.execute(sa.select(CROWNS).where(CROWNS.c.task == task).order_by(CROWNS.c.crown_id))
    return [Crown(**row._mapping) for row in rows]
