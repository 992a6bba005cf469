"""What counts as stale, and which run a command line asks for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from documents import document

from db.publishing import Publication
from forecasting.app.config import JobConfig
from forecasting.app.request import slot_of, worst
from forecasting.app.slots import schedule_of
from forecasting.app.status import is_current
from forecasting.schema import ExitCode

NOW = dt.datetime(2024, 5, 3, 9, tzinfo=dt.UTC)
LIMIT = dt.timedelta(hours=36)


def published(as_of: str) -> Publication:
    instant = dt.datetime.fromisoformat(as_of).replace(tzinfo=dt.UTC)
    return Publication("demand", "run", instant, 1, instant)


@pytest.mark.parametrize(
    ("publication", "due", "stale"),
    [
        (None, None, "nothing is published"),
        (published("2024-05-03"), None, ""),
        (published("2024-05-02"), None, ""),
        (published("2024-05-01"), None, "57 hours ago"),
        (published("2023-05-01"), None, "368 days ago"),
        (published("2024-05-03"), dt.datetime(2024, 5, 3, tzinfo=dt.UTC), ""),
        (published("2024-05-02"), dt.datetime(2024, 5, 3, tzinfo=dt.UTC), "slot of 2024-05-03 00:00"),
        (published("2024-04-01"), dt.datetime(2024, 4, 1, tzinfo=dt.UTC), ""),  # a monthly job is not late
    ],
)
def test_what_is_late(publication: Publication | None, due: dt.datetime | None, stale: str) -> None:
    said = is_current(publication, due, LIMIT, NOW)
    assert (stale in said) if stale else said == ""


def test_the_slot_is_the_jobs_latest_due_time_else_today() -> None:
    assert slot_of(None, NOW) == np.datetime64("2024-05-03T00:00", "us")
    jobs = {
        "late": JobConfig("demand", cron="30 22 * * *"),
        "berlin": JobConfig("demand", cron="0 2 * * *", timezone="Europe/Berlin"),
    }
    assert slot_of(schedule_of(jobs, "late"), NOW) == np.datetime64("2024-05-02T22:30", "us")
    assert slot_of(schedule_of(jobs, "berlin"), NOW) == np.datetime64("2024-05-03T00:00", "us")


@pytest.mark.parametrize(
    ("codes", "code"), [([0, 5], 5), ([0, 3, 5], 3), ([3, 4], 4), ([4, 1, 3], 1), ([0, 0], 0), ([], 0)]
)
def test_the_exit_code_of_several_tasks(codes: list[int], code: int) -> None:
    assert worst([ExitCode(one) for one in codes]) == code


def test_status_of_an_empty_shop_writes_nothing(shop: Path, forecasting: Callable[..., Result]) -> None:
    result = forecasting("status", "--json")
    said = document(result)
    assert result.exit_code == 1 and said["tasks"][0]["stale"] is True
    assert forecasting("models", "--json").exit_code == 0
    assert forecasting("check").exit_code == 4
    assert not list(shop.rglob("*.db")), "looking makes no warehouse"


def test_load_refuses_the_same_file_twice_and_too_many_bad_rows(
    shop: Path, warehouse_url: str, forecasting: Callable[..., Result]
) -> None:
    (shop / "lines.csv").write_text("order_id,item_id,quantity\n1,a,2\n1,a,2\n", encoding="utf-8")
    (shop / "bad.csv").write_text("order_id,item_id,quantity\n2,a,many\n", encoding="utf-8")
    at = ("--warehouse", warehouse_url, "--json")
    assert document(forecasting("load", "order_lines", "lines.csv", *at))["files"][0]["inserted"] == 2
    again = forecasting("load", "order_lines", "lines.csv", *at)
    assert again.exit_code == 1 and document(again)["exit_code"] == 1
    bad = forecasting("load", "order_lines", "bad.csv", *at)
    assert bad.exit_code == 4 and "'quantity'" in document(bad)["error"]["message"]


def test_check_says_all_that_is_wrong_at_once(shop: Path, forecasting: Callable[..., Result]) -> None:
    (shop / "sales.csv").write_text(
        "item_id,location_id,date,quantity\n" + "".join(f"a,x,2024-01-{day:02},3\n" for day in range(1, 31)),
        encoding="utf-8",
    )
    assert forecasting("load", "sales", "sales.csv").exit_code == 0
    said = document(forecasting("check", "--json"))
    sales = next(source for source in said["sources"] if source["source"] == "sales")
    assert (said["exit_code"], sales["rows"], sales["latest"]) == (0, 30, "2024-01-30T00:00:00Z")
    # Nobody named the recommender, so that it has no interactions is told and is no error, until somebody does.
    ready = {task["task"]: task["ready"] for task in said["tasks"]}
    assert ready == {"churn": False, "completion": False, "demand": True, "recommendation": False}
    (shop / "forecasting.toml").write_text("[tasks.demand]\n[tasks.recommendation]\n", encoding="utf-8")
    said = document(forecasting("check", "--json"))
    assert said["exit_code"] == 4 and "interactions" in said["errors"][0]["message"]
    (shop / "forecasting.toml").write_text(
        "[sources.sales]\ntable = 'sale'\n[sources.items]\nwarehouse = 'shp'\n[warehouses.shop]\nurl = 'sqlite:///a.db'\n",
        encoding="utf-8",
    )
    result = forecasting("check", "--json")
    said = document(result)
    assert result.exit_code == said["exit_code"] != 0
    states = {source["source"]: source for source in said["sources"]}
    assert states["sales"]["state"] == "broken" and "Did you mean 'sales'" in states["sales"]["problems"][0]
    assert states["items"]["state"] == "broken" and "Did you mean 'shop'" in states["items"]["problems"][0]
