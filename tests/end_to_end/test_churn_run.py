"""Churn and its alerts as their users meet them, on both databases: from files to risks, alerts and what people do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import leaving_shops
import pandas as pd
import pytest
import standardwebhooks
from expected_alerts import Rules, worse
from leaving_shops import ACTIVE, END, LEAST_VALUE, START_LIMIT
from program import Program
from receivers import SECRET, Receiver, Reply, Request, receiving
from shell import Shell

from tasks.churn.options import BANDS

DAY = pd.Timedelta("1D")
RULES = Rules(LEAST_VALUE, START_LIMIT)


class Churn(Shell):
    """What CRM does with it."""

    task = "churn"

    def load(self, tables: dict[str, pd.DataFrame], extra: str = "") -> None:
        """From files into the warehouse."""
        for source, file in leaving_shops.write(self.program.directory, tables, extra).items():
            self("load", source, str(file))

    def view(self, name: str) -> pd.DataFrame:
        """As CRM reads it; what JSON columns hold is read, whatever the database makes of it."""
        rows = super().view(name)
        if "reasons" in rows:
            rows["reasons"] = [json.loads(one) if isinstance(one, str) else one for one in rows["reasons"]]
        return rows


@pytest.fixture
def shell(program: Program, monkeypatch: pytest.MonkeyPatch) -> Churn:
    monkeypatch.chdir(program.directory)
    monkeypatch.setenv("CRM_WEBHOOK_SECRET", SECRET)
    return Churn(program)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Refuses the very first alert that comes."""

    def reply(number: int, request: Request) -> Reply:
        return Reply(410) if number == 0 else Reply()

    with receiving(reply) as opened:
        yield opened


def channels(receiver: Receiver) -> str:
    return f"""
[alerts.crm]
kind = "webhook"
url = "{receiver.url}"
secret_env = "CRM_WEBHOOK_SECRET"
events = ["raised", "closed"]

[alerts.drop]
kind = "csv"
directory = "drop"
"""


def test_nights_of_a_shop(shell: Churn, receiver: Receiver) -> None:
    shop = leaving_shops.shop()
    shell.load(shop.before(END), channels(receiver))
    checked = shell.document("check")
    assert checked["tasks"][0]["ready"] and [one["ready"] for one in checked["channels"]] == [True, True]

    # The first night: the worst alone are news, and of them the most valuable.
    said = shell.night(END)
    risks = shell.view("current_churn_risks")
    kept(risks, shop.purchases, END)
    ledger, expected = shell.view("churn_alerts"), worse(RULES, None, risks, shell.view("churn_alerts")[:0])
    assert len(expected) > START_LIMIT and set(expected.values()) == {"high"}
    worst = risks[risks["customer_id"].isin(expected)].nlargest(START_LIMIT, "value_at_risk")
    assert set(ledger["customer_id"]) == set(worst["customer_id"])
    assert set(ledger["band"]) == {"high"} and set(ledger["run_id"]) == set(risks["run_id"]) == {said["run_id"]}
    assert said["alerts"]["held_back"] == len(expected) - START_LIMIT

    # One was refused: status says so, and it goes out once the receiver is repaired; then there is nothing to send.
    backlog = {one["channel"]: one for one in shell.document("status", code=1)["backlog"]}
    assert backlog["crm"]["given_up"] == 1
    assert (ledger["state"] == "open").sum() == 1, "not every channel has it"
    assert shell.document("alerts", "deliver", "--given-up")["delivered"] == 1
    assert "Nothing is due" in shell("alerts", "deliver")
    assert set(shell.view("current_churn_alerts")["state"]) == {"delivered"}
    assert len(receiver.requests) == len(ledger) + 1 and len(receiver.keys) == len(ledger)

    # People see to one, close another; a third one buys, and a fourth, who was seen to.
    seen, shut, back, thanked = ledger["customer_id"].head(4)
    shell("alerts", "acknowledge", "--customer", seen, "--customer", thanked, "--by", "anna")
    shell("alerts", "close", "--customer", shut, "--by", "anna")
    assert sum(told(receiver, "closed").values()) == 0
    shell("alerts", "deliver")
    assert told(receiver, "closed") == {shut: 1}
    listed = shell.document("alerts", "list", "--limit", "1000")
    assert listed["total"] == len(ledger) - 1 and shut not in {one["customer_id"] for one in listed["alerts"]}
    assert {one["customer_id"] for one in listed["alerts"] if one["acknowledged_by"] == "anna"} == {seen, thanked}

    for number in range(1, 3):
        day = END + number * DAY
        tables = shop.before(day, day - DAY)
        if number == 1:
            bought = pd.DataFrame({"order_id": [7, 8], "customer_id": [back, thanked], "placed_at": day - DAY / 2})
            tables["orders"] = pd.concat([tables["orders"], bought])
            purchases = pd.concat([shop.purchases, bought])
        shell.load({name: table for name, table in tables.items() if name != "customers"}, channels(receiver))
        before, known = risks, shell.view("churn_alerts")
        earlier, said = said, shell.night(day)
        assert said["subject"] == earlier["subject"], "what another method says could not be compared"
        risks, ledger = shell.view("current_churn_risks"), shell.view("churn_alerts")
        kept(risks, purchases, day)
        new = ledger[~ledger["alert_id"].isin(known["alert_id"])]
        assert dict(zip(new["customer_id"], new["band"], strict=True)) == worse(RULES, before, risks, known)
        assert said["alerts"]["raised"] == len(new)
        closed_rightly(known, ledger, before, risks, said["alerts"])
    assert len(ledger) > len(known) or (ledger["band"] == "medium").any(), "some became worse"

    ends = ledger[ledger["as_of"] == END].set_index("customer_id")[["state", "closed_because"]].T.to_dict("list")
    assert ends[back] == ends[thanked] == ["closed", "settled"] and ends[shut] == ["closed", "by hand"]
    assert ends[seen][0] == "acknowledged" or ends[seen][1] in ("settled", "lapsed")
    everything_told(shell.program.directory / "drop", receiver, ledger)

    # What people look at.
    page = (shell.program.directory / "var/reports/churn/retention.html").read_text()
    worst = risks[risks["band"] == "high"].sort_values("value_at_risk").iloc[-1]
    assert worst["customer_id"] in page and worst["reasons"][0]["text"] in page
    assert "retention.html" in shell("report", "retention")
    status = shell.document("status", code=1)  # the shop's clock stopped in 2024: stale
    assert status["tasks"][0]["published"]["run_id"] == said["run_id"] and not any(
        one["pending"] or one["given_up"] for one in status["backlog"]
    )
    shell("run", "churn", "--as-of", str(day.date()), "--slot", str(day.date()), code=5)
    assert shut in shell("alerts", "list", "--state", "closed")
    assert "nobody" in shell.document("alerts", "close", "--customer", "nobody", code=1)["error"]["message"]


def kept(risks: pd.DataFrame, purchases: pd.DataFrame, day: pd.Timestamp) -> None:
    """A row for everyone who bought lately, each in itself as promised."""
    orders = purchases[purchases["placed_at"] < day]
    lately = orders[orders["placed_at"] >= day - ACTIVE * DAY]
    assert set(risks["customer_id"]) == set(lately["customer_id"]) and risks["customer_id"].is_unique
    mine = orders.groupby("customer_id")["placed_at"].agg(["max", "size"]).loc[risks["customer_id"]]
    assert (risks["last_purchase_at"].to_numpy() == mine["max"].to_numpy()).all()
    band = pd.cut(risks["probability"], [-1, 0.35, 0.65, 1], right=False, labels=BANDS)
    assert (band.astype(str) == risks["band"]).all() and risks["probability"].between(0, 1).all()
    expected = pd.to_datetime(risks["expected_next_purchase_date"])
    assert (expected.isna() | (expected >= day)).all() and expected.notna().any()
    at_risk = risks["probability"] * risks["value"]
    assert at_risk.isna().eq(risks["value_at_risk"].isna()).all()
    assert (at_risk - risks["value_at_risk"]).abs().max() < 1e-9
    for reasons, at_risk in zip(risks["reasons"], risks["band"] != "low", strict=True):
        assert 1 <= len(reasons) <= 3 and all(set(one) == {"fact", "text", "effect"} for one in reasons)
        assert all(one["text"] for one in reasons)
        towards = [one["effect"] if at_risk else -one["effect"] for one in reasons]
        assert towards == sorted(towards, key=lambda one: (one <= 0, -abs(one))), "what agrees first, strongest first"


def closed_rightly(
    before: pd.DataFrame, after: pd.DataFrame, yesterday: pd.DataFrame, risks: pd.DataFrame, counts: dict[str, int]
) -> None:
    """What was not closed before the night is closed after it where its customer bought, left or became worse."""
    open_before = before[before["state"] != "closed"].set_index("alert_id")
    now = after.set_index("alert_id").loc[open_before.index]
    last, seen = (
        rows.set_index("customer_id")["last_purchase_at"].reindex(now["customer_id"]).to_numpy()
        for rows in (risks, yesterday)
    )
    new = after[~after["alert_id"].isin(before["alert_id"])]
    because = pd.Series("", now.index)
    because[now["customer_id"].isin(new["customer_id"]).to_numpy()] = "superseded"
    because[pd.isna(last)] = "lapsed"
    because[(last >= now["as_of"].to_numpy()) | (last > seen)] = "settled"
    assert now["closed_because"].fillna("").tolist() == because.tolist()
    assert now["closed_at"].notna().eq(because != "").all()
    assert {reason: counts[reason] for reason in ("settled", "lapsed", "superseded")} == {
        reason: int((because == reason).sum()) for reason in ("settled", "lapsed", "superseded")
    }


def told(receiver: Receiver, event: str) -> dict[str, int]:
    """How many alerts the receiver was told to have been raised, or closed, by customer; each signed."""
    keys: dict[str, set[str]] = {}
    for request in receiver.requests:
        message = standardwebhooks.Webhook(SECRET).verify(request.body, dict(request.headers))
        if message["type"] == f"churn_alerts.{event}":
            keys.setdefault(message["data"]["customer_id"], set()).add(request.headers["webhook-id"])
    return {customer: len(mine) for customer, mine in keys.items()}


def everything_told(drop: Path, receiver: Receiver, ledger: pd.DataFrame) -> None:
    """Both channels have each alert once, the webhook what was closed, too."""
    files = sorted(drop.glob("*.csv"))
    assert len(files) == ledger["run_id"].nunique()
    dropped = pd.concat([pd.read_csv(file, dtype={"customer_id": str}) for file in files])
    assert sorted(dropped["alert_id"]) == sorted(ledger["alert_id"]) and dropped["delivery_id"].is_unique
    assert told(receiver, "raised") == ledger["customer_id"].value_counts().to_dict()
    assert told(receiver, "closed") == ledger["customer_id"][ledger["state"] == "closed"].value_counts().to_dict()


def test_backtest_every_so_often(shell: Churn) -> None:
    shop = leaving_shops.shop()
    shell.load(shop.before(END))
    span = ("--from", "2024-05-25", "--to", "2024-06-02", "--every", "7", "--out", "said")
    outcome = shell.document("backtest", "churn", *span, code=(0, 3))
    said = pd.read_parquet(shell.program.directory / "said" / "churn_risks.parquet")
    for cutoff, rows in said.groupby(said["cutoff"].dt.tz_localize(None)):
        past = shop.purchases[shop.purchases["placed_at"].between(cutoff - ACTIVE * DAY, cutoff, inclusive="left")]
        assert set(rows["customer_id"]) == set(past["customer_id"]) and rows["customer_id"].is_unique
        assert (rows["as_of"] == rows["cutoff"]).all()
    assert said["cutoff"].dt.strftime("%m-%d").unique().tolist() == ["05-25", "06-01"]
    assert outcome["cases"] == len(said) and {"model", "baseline:bg_nbd"} <= {
        row["subject"] for row in outcome["metrics"]
    }
    assert shell.view("runs").empty and shell.view("churn_alerts").empty, "nothing is published"


def test_too_little_to_learn_from_publishes_a_baseline(shell: Churn) -> None:
    shell.load(leaving_shops.shop(customers=150).before(END), '[alerts.drop]\nkind = "csv"\ndirectory = "drop"\n')
    run = shell.night(END, code=3)
    assert run["published"] and run["fallback"] and run["subject"].startswith("baseline:")
    assert run["reason"].startswith("not_enough_data: ") and "200 are needed" in run["reason"]
    risks = shell.view("current_churn_risks")
    assert len(risks) == run["rows"]["churn_risks"] and risks["probability"].nunique() > 1
    (ledger,) = shell.view("runs").to_dict("records")
    assert (ledger["state"], ledger["subject"], ledger["exit_code"]) == ("done", run["subject"], 3) and ledger[
        "fallback"
    ]
    assert ledger["reason"] == run["reason"]
    status = shell.document("status", code=1)["tasks"][0]
    assert status["run"]["fallback"] and status["champion"] is None
    page = (shell.program.directory / "var/reports/churn/retention.html").read_text()
    assert "No trained model could be tried on the past" in page


def test_a_shop_of_one_customer_and_one_of_none(shell: Churn) -> None:
    orders = pd.DataFrame({"order_id": [1, 2], "customer_id": "anna", "placed_at": ["2024-05-20", "2024-06-10"]})
    shell.load({"orders": orders[:0]})
    checked = shell.document("check", code=4)
    assert not checked["tasks"][0]["ready"] and "there are no rows" in checked["tasks"][0]["problem"]
    error = shell.document("run", "churn", "--as-of", "2024-07-01", code=4)["error"]
    assert "'orders': there are no rows" in error["message"] and "forecasting load orders" in error["remedy"]
    assert shell.view("current_churn_risks").empty

    shell.load({"orders": orders})
    run = shell.night(END, code=3)
    assert run["published"] and run["rows"] == {"churn_risks": 1} and "1 customer bought" in run["reason"]
    (row,) = shell.view("current_churn_risks").to_dict("records")
    assert row["customer_id"] == "anna" and row["orders"] == 2 and row["reasons"] and pd.isna(row["value"])
    assert "anna" in (shell.program.directory / "var/reports/churn/retention.html").read_text()

    # Long after, nobody is watched any more: no rows, and a word on why.
    later = shell.night(END + 365 * DAY, code=3)
    assert later["published"] and later["rows"] == {"churn_risks": 0} and "2024-06-10" in later["reason"]
    assert shell.view("current_churn_risks").empty
    shell("report", "retention")
