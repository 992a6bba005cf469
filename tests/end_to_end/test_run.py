"""The nightly run as its users meet it, on both databases: publish, look, run again, look back."""

from __future__ import annotations

import pandas as pd
import pyarrow.parquet as pq
from program import Program, write_shop
from shell import Shell

FORECAST_COLUMNS = ["p025", "p10", "p25", "p50", "p75", "p90", "p95", "p975"]


def test_a_night_from_files_to_orders(program: Program) -> None:
    files, shell = write_shop(program.directory), Shell(program)
    for source in ("sales", "items", "stock", "supply"):
        shell("load", source, str(files[source]))
    checked = shell.document("check")
    assert checked["exit_code"] == 0

    run = program.document("run", "demand", "--as-of", "2024-05-01")["runs"][0]
    assert run["published"] and not run["fallback"] and run["subject"] == "model"
    forecasts, plan = shell.view("current_demand_forecasts"), shell.view("current_reorder_plan")
    assert len(forecasts) == 12 * 28 and len(plan) == 12
    assert set(forecasts["task"]) == {"demand"} and set(forecasts["run_id"]) == {run["run_id"]}
    assert (forecasts[FORECAST_COLUMNS].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert pd.to_datetime(forecasts["date"]).min() == pd.Timestamp("2024-05-01")
    assert (plan["lead_time_days"] == 14).all() and (plan["reorder_point"] > plan["lead_time_demand_p50"]).all()
    assert (plan["order_quantity"] % 6 == 0).all()
    assert (program.directory / "var/reports/demand/inventory.html").is_file()

    # The same slot is not run twice, and an older night leaves what is published alone.
    shell("run", "demand", "--as-of", "2024-05-01", code=5)
    older = shell.document("run", "demand", "--as-of", "2024-04-28", "--slot", "2024-04-28")["runs"][0]
    assert not older["published"]
    assert set(shell.view("current_demand_forecasts")["run_id"]) == {run["run_id"]}

    # The next night needs no training in full: the champion is brought up to it.
    later = shell.document("run", "demand", "--as-of", "2024-05-02", "--slot", "2024-05-02")["runs"][0]
    assert later["published"] and later["reason"].startswith("Brought up from 2024-05-01")
    models = shell.document("models", "demand")["models"]
    assert [one["warm_from"] for one in models if one["model_id"] == later["model_id"]] == [run["model_id"]]
    status = shell.document("status", code=1)  # the shop's clock stopped in 2024: stale
    assert status["tasks"][0]["stale"]
    shell("models")
    shell("report")


def test_backtest_says_what_we_would_have_said(program: Program) -> None:
    files, shell = write_shop(program.directory), Shell(program)
    for source in ("sales", "supply"):
        shell("load", source, str(files[source]))
    said = program.directory / "said"
    shell("backtest", "demand", "--from", "2024-04-01", "--to", "2024-05-27", "--out", str(said), code=(0, 3))
    forecasts = pq.read_table(said / "demand_forecasts.parquet").to_pandas()
    plan = pq.read_table(said / "reorder_plan.parquet").to_pandas()
    assert sorted(forecasts["cutoff"].unique()) == [
        pd.Timestamp("2024-04-01", tz="UTC"),
        pd.Timestamp("2024-04-29", tz="UTC"),
    ]
    assert len(forecasts) == 2 * 12 * 28 and len(plan) == 2 * 12
    assert {"item_id", "location_id", "date", "mean", *FORECAST_COLUMNS} <= set(forecasts.columns)
    assert forecasts["item_id"].dtype == object  # plain text, no categories


def test_too_many_bad_rows_change_nothing(program: Program) -> None:
    files = write_shop(program.directory)
    sales = pd.read_csv(files["sales"]).astype({"quantity": object})
    sales.loc[sales.index % 5 == 0, "quantity"] = "a lot"
    sales.to_csv(files["sales"], index=False)
    shell = Shell(program)
    shell("load", "sales", str(files["sales"]), code=4)
    shell("run", "demand", "--as-of", "2024-05-01", code=4)
    assert shell.view("current_demand_forecasts").empty
