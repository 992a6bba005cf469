"""Alerts from the command line: listed, acknowledged and closed by id or by customer, as often as one likes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import Result
from documents import document

from db import migrate, outbox, publishing, runs
from db.claims import claim
from db.engines import open_warehouse
from db.outbox import ChannelInterest
from db.raising import raise_alerts
from forecasting.schema import AlertPolicy
from tasks.churn.outputs import CHURN_ALERTS, CHURN_RISKS

START = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
ALL = ("churn", "completion", "demand", "recommendation")

Forecasting = Callable[..., Result]


def publish(shop: Path, day: int, bands: dict[str, tuple[str, float]], task: str = "churn") -> None:
    """A night of churn: the band of each customer and what is at risk."""
    moment = START + dt.timedelta(days=day)
    size, names = len(bands), list(bands)
    rows = pa.table(
        {
            "customer_id": names,
            "as_of": [moment] * size,
            "horizon_days": [90] * size,
            "probability": [0.8] * size,
            "band": [band for band, _ in bands.values()],
            "expected_next_purchase_date": pa.array([None] * size, pa.date32()),
            "reasons": [json.dumps([{"fact": "recency", "text": "bought once, 120 days ago", "effect": 12.0}])] * size,
            "value": [100.0] * size,
            "value_at_risk": [value for _, value in bands.values()],
            "orders": [1] * size,
            "first_purchase_at": [START] * size,
            "last_purchase_at": [START - dt.timedelta(days=120)] * size,
            "usual_gap_days": pa.array([None] * size, pa.float64()),
            "region": pa.array([None] * size, pa.string()),
        }
    )
    warehouse = open_warehouse(f"sqlite:///{shop / 'var' / 'warehouse.db'}")
    migrate.upgrade(warehouse, [f"tasks.{name}.migrations" for name in ALL])
    mine = claim(warehouse, task, moment)
    run_id = runs.start(warehouse, mine, as_of=moment, trigger="test")
    publishing.stage(warehouse, mine, run_id, CHURN_RISKS, rows)

    def then(connection, move) -> None:
        policy = AlertPolicy("medium", 30.0)
        raise_alerts(connection, CHURN_ALERTS, CHURN_RISKS, policy, [ChannelInterest("crm")], move)

    publishing.publish(warehouse, mine, run_id, publishing.Outcome(size, "model"), then=then)
    warehouse.close()


@pytest.fixture
def three(shop: Path) -> Path:
    """Two nights: Ann and Bob at high risk in the first, Cat at medium in the second."""
    (shop / "forecasting.toml").write_text(
        '[tasks.churn]\n[tasks.demand]\n[tasks.elsewhere]\ntype = "churn"\n\n'
        '[alerts.drop]\nkind = "csv"\ndirectory = "drop"\nevents = ["raised", "closed"]\n'
    )
    publish(shop, 0, {"Ann": ("high", 10.0), "Bob": ("high", 80.0), "Cat": ("low", 5.0)})
    publish(shop, 1, {"Ann": ("high", 10.0), "Bob": ("high", 80.0), "Cat": ("medium", 5.0)})
    return shop


def state(forecasting: Forecasting, *arguments: str) -> dict[str, str]:
    """The state of every alert by customer."""
    every = ("--state", "open", "--state", "delivered", "--state", "acknowledged", "--state", "closed")
    said = document(forecasting("alerts", "list", *every, *arguments, "--json"))
    return {alert["customer_id"]: alert["state"] for alert in said["alerts"]}


def test_the_list_begins_with_the_newest_and_the_most_valuable(three: Path, forecasting: Forecasting) -> None:
    said = document(forecasting("alerts", "list", "--json"))
    assert (said["command"], said["total"]) == ("alerts list", 3)
    assert [alert["customer_id"] for alert in said["alerts"]] == ["Cat", "Bob", "Ann"]
    first = said["alerts"][0]
    assert (first["ledger"], first["task"], first["band"], first["state"]) == (
        "churn_alerts",
        "churn",
        "medium",
        "open",
    )
    assert (first["as_of"], first["value_at_risk"]) == ("2024-05-02T00:00:00Z", 5.0)
    assert first["reasons"][0]["text"] == "bought once, 120 days ago"

    shown = forecasting("alerts", "list", "--limit", "2").stdout
    assert "Cat" in shown and "Bob" in shown and "Ann" not in shown and "2 of 3 alerts" in shown
    assert "customer" in shown.splitlines()[0] and "value at risk" in shown.splitlines()[0]
    assert "There is no such alert." in forecasting("alerts", "list", "--state", "closed").stdout
    assert state(forecasting, "--task", "elsewhere") == {}


def test_acknowledging_by_id_and_by_customer_as_often_as_one_likes(three: Path, forecasting: Forecasting) -> None:
    listed = document(forecasting("alerts", "list", "--json"))["alerts"]
    ann = next(alert["alert_id"] for alert in listed if alert["customer_id"] == "Ann")
    said = document(forecasting("alerts", "acknowledge", ann, "--customer", "Bob", "--by", "Eve", "--json"))
    assert [(one["customer_id"], one["acknowledged_by"]) for one in said["changed"]] in (
        [("Ann", "Eve"), ("Bob", "Eve")],
        [("Bob", "Eve"), ("Ann", "Eve")],
    )
    again = forecasting("alerts", "acknowledge", ann, "--by", "Zoe")
    assert again.exit_code == 0 and "acknowledged already, by Eve" in again.stdout
    assert state(forecasting) == {"Ann": "acknowledged", "Bob": "acknowledged", "Cat": "open"}


def test_closing_by_hand_tells_the_channels_once(three: Path, forecasting: Forecasting) -> None:
    for _ in range(2):
        result = forecasting("alerts", "close", "--customer", "Ann", "--customer", "Cat", "--by", "Eve")
        assert result.exit_code == 0
    assert "Ann: closed already, by hand" in result.stdout
    assert "closed because" in forecasting("alerts", "list", "--state", "closed").stdout
    assert state(forecasting) == {"Ann": "closed", "Bob": "open", "Cat": "closed"}
    assert [one["customer_id"] for one in document(forecasting("alerts", "list", "--json"))["alerts"]] == ["Bob"]
    warehouse = open_warehouse(f"sqlite:///{three / 'var' / 'warehouse.db'}")
    told = outbox.take(warehouse, "drop")
    assert sorted((one.payload["customer_id"], one.event) for one in told) == [("Ann", "closed"), ("Cat", "closed")]
    warehouse.close()

    publish(three, 2, {"Ann": ("high", 10.0)})  # Bob lapses; about Ann there is no news
    assert state(forecasting) == {"Ann": "closed", "Bob": "closed", "Cat": "closed"}


@pytest.mark.parametrize("action", ["acknowledge", "close"])
@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (("--customer", "Ann", "0123"), "There is no alert '0123'; nothing was changed.", 1),
        (("--customer", "Ann", "--customer", "Dan"), "No alert was ever raised about 'Dan'; nothing was changed.", 1),
        (("--customer", "Ann", "--task", "elsewhere"), "No alert of task 'elsewhere' was ever raised about 'Ann'", 1),
        (("--customer", "Ann", "--task", "demand"), "The task 'demand' raises no alerts.", 2),
        (("--customer", "Ann", "--task", "churm"), "There is no task 'churm'.", 2),
        ((), "Name an alert by its id, or a customer with --customer.", 2),
    ],
)
def test_what_is_not_there_is_named_and_changes_nothing(
    three: Path, forecasting: Forecasting, action: str, arguments: tuple[str, ...], says: str, code: int
) -> None:
    result = forecasting("alerts", action, *arguments, "--by", "Eve")
    assert result.exit_code == code
    assert says in result.stderr
    assert state(forecasting)["Ann"] == "open"


def test_a_warehouse_that_nobody_made_has_no_alerts_and_gets_no_file(shop: Path, forecasting: Forecasting) -> None:
    result = forecasting("alerts", "list")
    assert (result.exit_code, result.stdout.strip()) == (0, "No alert is open.")
    assert forecasting("alerts", "close", "--customer", "Ann", "--by", "Eve").exit_code == 1
    assert not (shop / "var" / "warehouse.db").exists()


def test_an_error_of_alerts_is_a_document_under_its_name(three: Path, forecasting: Forecasting) -> None:
    said = document(forecasting("alerts", "close", "0123", "--by", "Eve", "--json"))
    assert (said["command"], said["exit_code"]) == ("alerts close", 1)
    assert "forecasting alerts list" in said["error"]["remedy"]


def test_status_says_what_waits(three: Path, forecasting: Forecasting) -> None:
    """Three alerts wait for a channel."""
    said = document(forecasting("status", "--json"))
    assert [(one["channel"], one["pending"], one["given_up"]) for one in said["backlog"]] == [("crm", 3, 0)]
    assert "alerts through crm: 3 waiting since" in forecasting("status").stdout


def test_pruning_forgets_what_it_is_told_to(three: Path, forecasting: Forecasting) -> None:
    forecasting("alerts", "close", "--customer", "Ann", "--by", "Eve")
    assert document(forecasting("alerts", "prune", "--before", "2024-05-01", "--json"))["alerts"] == 0
    said = document(forecasting("alerts", "prune", "--before", "2100-01-01", "--customer", "Bob", "--json"))
    assert (said["command"], said["alerts"], said["deliveries"]) == ("alerts prune", 2, 3)
    assert state(forecasting) == {"Cat": "open"}
    assert "0 alerts and 1 deliveries" in forecasting("alerts", "prune", "--channel", "crm").stdout
    assert document(forecasting("status", "--json"))["backlog"] == []
    refused = forecasting("alerts", "prune", "--channel", "drop")
    assert refused.exit_code == 2 and "'drop' is configured" in refused.stderr
    assert forecasting("alerts", "prune").exit_code == 2
