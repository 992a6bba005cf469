"""What is forgotten on request, and what is not."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from watched_customers import CRM, FILE, SULKS, Mood, Nights

from db import outbox, pruning
from db.pruning import Pruned, prune_channel, prune_closed, prune_entities
from db.tables import ALERT_DELIVERIES


@pytest.fixture
def nights(house_alone) -> Nights:
    nights = Nights(house_alone, channels=(CRM, FILE))
    nights.publish(0, {"a": "high", "b": "high", "c": "high"})
    nights.publish(1, {"a": Mood("low", bought=0.5), "b": Mood("low", bought=0.5), "c": "high"})
    return nights


def deliveries(nights: Nights) -> int:
    with nights.warehouse.reading() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(ALERT_DELIVERIES))


def test_closed_alerts_go_with_their_deliveries(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "CHUNK", 1)
    closed_at = max(one for one in nights.alerts("closed_at") if one is not None)
    assert prune_closed(nights.warehouse, SULKS, closed_at) == Pruned()
    later = closed_at.replace(year=closed_at.year + 1)
    assert prune_closed(nights.warehouse, SULKS, later) == Pruned(alerts=2, deliveries=6)
    assert nights.alerts("shopper") == ["c"] and deliveries(nights) == 2
    assert prune_closed(nights.warehouse, SULKS, later) == Pruned()


def test_a_person_is_forgotten(nights: Nights) -> None:
    assert prune_entities(nights.warehouse, SULKS, ["c", "nobody"]) == Pruned(alerts=1, deliveries=2)
    assert nights.alerts("shopper") == ["a", "b"]
    assert not any(one.payload["shopper"] == "c" for one in outbox.take(nights.warehouse, "crm"))


def test_what_waits_for_a_channel_that_is_gone(nights: Nights) -> None:
    outbox.delivered(nights.warehouse, outbox.take(nights.warehouse, "crm", limit=1))
    assert prune_channel(nights.warehouse, "crm") == Pruned(deliveries=4)
    assert set(outbox.pending(nights.warehouse)) == {"file"} and deliveries(nights) == 4
    assert nights.alerts("alert_id", "state")[2][1] == "open"
