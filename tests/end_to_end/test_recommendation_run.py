"""Recommendations as their users meet them, on both databases: from files to lists, and back over what was said."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import wish_shops
from program import Program
from shell import Shell
from wish_shops import END

COLUMNS = ["entity_kind", "entity_id", "rank", "item_id", "score", "reason"]
NIGHT = ("run", "recommendation", "--as-of", END)


def _load(program: Program, tables: dict[str, pd.DataFrame]) -> dict[str, Path]:
    files = wish_shops.write(program.directory, tables)
    for source, file in files.items():
        Shell(program)("load", source, str(file))
    return files


def _whole(rows: pd.DataFrame, k: int) -> bool:
    """Whether every list has the ranks 1 ... k, and no item twice."""
    lists = rows.sort_values("rank").groupby(["entity_kind", "entity_id"])
    return (
        lists["rank"].agg(list).map(lambda ranks: ranks == list(range(1, k + 1))).all()
        and (lists["item_id"].nunique() == k).all()
    )


def test_nights_of_a_shop_with_sessions(program: Program) -> None:
    tables = wish_shops.clicks()
    files = _load(program, {source: table for source, table in tables.items() if source != "interactions"})
    tables["interactions"].to_csv(files["items"].with_name("clicks.csv"), index=False)
    program("load", "interactions", "clicks.csv")
    shell = Shell(program)
    checked = shell.document("check")
    assert checked["exit_code"] == 0 and checked["tasks"][0]["ready"]
    missed = " ".join(checked["tasks"][0]["notes"])
    assert "runs without weather" in missed and "locations" not in missed, "those matter to orders alone"

    run = program.document(*NIGHT)["runs"][0]
    assert run["published"] and run["trained"] and run["subject"] == "model"
    rows = Shell(program).view("current_recommendations")
    assert set(COLUMNS) < set(rows.columns) and set(rows["run_id"]) == {run["run_id"]}
    assert _whole(rows, 8) and set(rows["item_id"]) <= set(tables["items"]["item_id"]) - {"item-00"}
    events = tables["interactions"]
    ended = pd.to_datetime(events["occurred_at"]).groupby(events["session_id"]).max()
    fresh = ended.index[ended >= ended.max() - pd.Timedelta("30D")]
    anonymous = set(events["session_id"][events["customer_id"].isna()]) & set(fresh)
    ids = rows.groupby("entity_kind")["entity_id"].agg(set)
    assert ids["session"] == anonymous and ids["customer"] == set(tables["customers"]["customer_id"])
    page = (program.directory / "var/reports/recommendation/merchandising.html").read_text()
    assert "Thing number 5" in page

    # The same slot is not run twice; the next night needs no training; the same night from scratch says the same.
    shell(*NIGHT, code=5)
    later = shell.document("run", "recommendation", "--as-of", "2024-05-02", "--slot", "2024-05-02")["runs"][0]
    assert later["published"] and not later["trained"] and later["model_id"] == run["model_id"]
    again = program.document(*NIGHT, "--retrain", "always", "--force")["runs"][0]
    assert again["trained"] and again["model_id"] != run["model_id"]
    key = ["entity_kind", "entity_id", "rank"]
    pd.testing.assert_frame_equal(
        Shell(program).view("current_recommendations").drop(columns="run_id").sort_values(key, ignore_index=True),
        rows.drop(columns="run_id").sort_values(key, ignore_index=True),
        check_exact=True,
    )
    status = shell.document("status", code=1)  # the shop's clock stopped in 2024: stale
    assert [task["task"] for task in status["tasks"]] == ["recommendation"] and status["tasks"][0]["champion"]
    shell("report", "merchandising")


def test_backtest_of_sessions(program: Program) -> None:
    """Every interaction in [A, B) is a case once, and sees the rows of its session before it, repeats included."""
    tables = wish_shops.clicks()
    events = tables["interactions"]
    inside = events["occurred_at"].between("2024-04-20", "2024-04-27")
    tables["interactions"] = events = pd.concat([events, events[inside].iloc[::9]]).sort_index(ignore_index=True)
    _load(program, tables)
    out = program.directory / "said"
    days = ("--from", "2024-04-20", "--to", "2024-04-27")
    Shell(program)("backtest", "recommendation", *days, "--out", str(out), code=(0, 3))
    said = pd.read_parquet(out / "recommendations.parquet")
    assert {*COLUMNS, "cutoff", "seen"} <= set(said.columns) and said["entity_id"].dtype == object
    asked = said[said["rank"] == 1]
    at = pd.to_datetime(events["occurred_at"]).dt.tz_localize("UTC")
    inside = (at >= "2024-04-20") & (at < "2024-04-27")
    expected = pd.DataFrame(
        {
            "entity_kind": events["customer_id"].isna().map({True: "session", False: "customer"}),
            "entity_id": events["customer_id"].fillna(events["session_id"]),
            "cutoff": at,
            "seen": events.groupby("session_id").cumcount(),
        }
    )[inside]
    key = ["entity_kind", "entity_id", "cutoff", "seen"]
    pd.testing.assert_frame_equal(
        # what came at one instant stands a microsecond apart
        asked[key].assign(cutoff=asked["cutoff"].dt.floor("s")).sort_values(key, ignore_index=True),
        expected.sort_values(key, ignore_index=True),
        check_dtype=False,
    )
    assert said.groupby(["entity_kind", "entity_id", "cutoff"]).size().eq(8).all()
    assert Shell(program).view("runs").empty  # nothing is published


def test_a_night_and_a_backtest_of_a_shop_with_orders(program: Program) -> None:
    tables = wish_shops.baskets()
    _load(program, tables)
    run = Shell(program).document(*NIGHT, code=(0, 3))["runs"][0]
    assert run["published"]
    rows = Shell(program).view("current_recommendations")
    customers = tables["orders"]["customer_id"].astype(str)
    assert set(rows["entity_kind"]) == {"customer"} and set(rows["entity_id"]) == set(customers)
    assert _whole(rows, 8) and rows["reason"].str.contains("bought again every").any()

    out = program.directory / "said"
    days = ("--from", "2024-04-10", "--to", "2024-05-01")
    Shell(program)("backtest", "recommendation", *days, "--out", str(out), code=(0, 3))
    said = pd.read_parquet(out / "recommendations.parquet")
    asked = said[said["rank"] == 1].set_index(["entity_id", "cutoff"])["seen"].sort_index()
    at = pd.to_datetime(tables["orders"]["placed_at"]).dt.tz_localize("UTC")
    before = tables["orders"].assign(cutoff=at, entity_id=customers, seen=customers.groupby(customers).cumcount())
    sold = set(tables["order_lines"]["order_id"][tables["order_lines"]["quantity"] > 0])
    before = before[(at >= "2024-04-10") & before["order_id"].isin(sold)].set_index(["entity_id", "cutoff"])["seen"]
    pd.testing.assert_series_equal(asked, before.sort_index(), check_dtype=False, check_index_type=False)


def test_too_little_to_learn_from_publishes_a_baseline(program: Program) -> None:
    tables = wish_shops.clicks()
    tables["interactions"] = tables["interactions"].tail(60)
    _load(program, tables)
    run = Shell(program).document(*NIGHT, code=3)["runs"][0]
    assert run["published"] and run["fallback"] and run["subject"] == "baseline:recent_popularity"
    rows = Shell(program).view("current_recommendations")
    assert _whole(rows, 8) and set(tables["customers"]["customer_id"]) <= set(rows["entity_id"])
    ledger = Shell(program).view("runs")
    assert ledger["state"].tolist() == ["done"] and run["subject"] in str(ledger.iloc[0].to_dict())
    hindsight = Shell(program).document(
        "backtest", "recommendation", "--from", "2024-04-28", "--to", "2024-05-01", code=3
    )
    assert "published" not in str(hindsight["error"]), "a backtest publishes nothing"


def test_bad_rows_are_set_aside_and_too_many_change_nothing(program: Program) -> None:
    tables = wish_shops.clicks()
    few = tables["interactions"].astype(object)
    few.loc[[5, 6], "kind"] = "stare"
    few.loc[7, "occurred_at"] = "2999-01-01"
    few.loc[8, "item_id"] = None
    files = _load(program, {**tables, "interactions": few})
    quarantine = Shell(program).view("quarantine")
    assert len(quarantine) == 4 and set(quarantine["source"]) == {"interactions"} and quarantine["reason"].all()
    few.loc[few.index % 5 == 0, "occurred_at"] = "soon"
    few.to_csv(files["interactions"], index=False)
    Shell(program)("load", "interactions", str(files["interactions"]), code=4)


def test_a_broken_contract_changes_nothing(program: Program) -> None:
    """No events at all; then a mapping to a table without what an event needs."""
    _load(program, {name: table for name, table in wish_shops.clicks().items() if name != "interactions"})
    Shell(program)(*NIGHT, code=4)
    toml = program.directory / "forecasting.toml"
    toml.write_text(toml.read_text() + '[sources.interactions]\nwarehouse = "results"\ntable = "items"\n')
    said = Shell(program).document(*NIGHT, code=(2, 4))
    assert "interactions" in said["error"]["message"]
    assert Shell(program).view("current_recommendations").empty
