"""`forecasting init` given a warehouse: what it writes works, says why, holds no secret and no trap."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from documents import document
from foreign_shops import tuned
from foreign_shops.held_out import click_log
from foreign_shops.shop import Shop
from foreign_shops.unseen import instacart, retail_rocket
from sqlalchemy.engine import make_url

from forecasting.app.config import load
from forecasting.app.looking import toml
from forecasting.app.main import cli

Forecasting = Callable[..., Result]

SECRET = "planted-pässword/1"


def written(shop: Path) -> dict[str, dict[str, dict[str, object]]]:
    """The file as TOML has it."""
    return tomllib.loads((shop / "forecasting.toml").read_text(encoding="utf-8"))


def ran(result: Result) -> Result:
    """It ended well."""
    assert result.exit_code == 0, result.output
    return result


def source_url(warehouse_url: str, shop: Path) -> str:
    """Of the shop's own tables: the same PostgreSQL database, or a SQLite file of their own."""
    return warehouse_url if warehouse_url.startswith("postgresql") else f"sqlite:///{shop / 'shop.db'}"


@pytest.mark.parametrize(
    ("make", "ready"),
    [
        (tuned.canonical, {"churn", "completion", "demand", "recommendation"}),
        (tuned.olist, {"churn", "completion", "demand", "recommendation"}),
        (tuned.online_retail, {"churn", "demand", "recommendation"}),
        (tuned.magento, {"churn", "demand", "recommendation"}),
        (click_log, {"churn", "completion", "demand", "recommendation"}),
        (retail_rocket, {"recommendation"}),
    ],
)
def test_check_passes_on_what_init_writes(
    make: Callable[[], Shop], ready: set[str], shop: Path, forecasting: Forecasting
) -> None:
    make().create("sqlite:///shop.db")
    told = document(ran(forecasting("--warehouse", "sqlite:///shop.db", "init", "--json")))
    assert {task["task"] for task in told["tasks"] if task["ready"]} == set(written(shop)["tasks"]) == ready
    assert {one["source"] for one in told["sources"] if one["state"] == "sure"} == set(written(shop)["sources"])
    checked = document(ran(forecasting("check", "--json")))
    assert {task["task"] for task in checked["tasks"] if task["ready"]} == ready
    assert not any(one["bad"] or one["problems"] for one in checked["sources"])


def test_from_init_to_a_published_forecast(warehouse_url: str, shop: Path, forecasting: Forecasting) -> None:
    url = source_url(warehouse_url, shop)
    tuned.olist().create(url)
    said = ran(forecasting("init", "--from", url, "--warehouse", warehouse_url)).stdout
    assert "forecasting check" in said and "read as UTC" in said and "nothing found" in said
    assert set(written(shop)["warehouses"]) == {"shop", "results"}
    ran(forecasting("check"))
    run = forecasting("run", "churn", "--json")  # a shop too small for a network: the quickest run that publishes
    assert run.exit_code in (0, 3), run.output
    (done,) = document(run)["runs"]
    assert done["published"] and sum(done["rows"].values()) > 10


def test_uncommented_jobs_are_jobs(shop: Path, forecasting: Forecasting) -> None:
    tuned.german().create("sqlite:///shop.db")
    ran(forecasting("init", "--from", "sqlite:///shop.db"))
    text = (shop / "forecasting.toml").read_text(encoding="utf-8")
    before, _, jobs = text.partition("\n# --- Jobs")
    lines = [line.removeprefix("# ") for line in jobs.splitlines()[1:] if " = " in line or line.startswith("# [")]
    (shop / "forecasting.toml").write_text(before + "\n" + "\n".join(lines), encoding="utf-8")
    found = load(shop / "forecasting.toml").jobs
    assert set(found) == {"reports", "alerts", *(f"nightly-{task}" for task in written(shop)["tasks"])}


def test_guesses_are_comments_that_can_be_uncommented(shop: Path, forecasting: Forecasting) -> None:
    tuned.olist().create("sqlite:///shop.db")
    ran(forecasting("init", "--from", "sqlite:///shop.db"))
    text = (shop / "forecasting.toml").read_text(encoding="utf-8")
    guess = text[text.index("# [sources.locations]") :].partition("# Not found")[0]
    found = tomllib.loads("\n".join(line.removeprefix("# ") for line in guess.splitlines()))
    assert found["sources"]["locations"]["columns"] == {"location_id": "seller_id", "region": "seller_state"}
    assert "guessed" in guess and "locations" not in written(shop)["sources"]
    assert '# stages = ["placed", "approved", "shipped"]' in text
    for source in ("stock", "supply", "calendar", "weather"):
        assert f"# {source}: nothing was found for it." in text


def test_a_shop_without_times_gets_no_task(shop: Path, forecasting: Forecasting) -> None:
    instacart().create("sqlite:///shop.db")
    told = document(ran(forecasting("init", "--from", "sqlite:///shop.db", "--json")))
    assert not any(task["ready"] for task in told["tasks"])
    assert "tasks" not in written(shop) and "sources" not in written(shop)
    assert load(shop / "forecasting.toml").sources == {}


def test_a_password_stays_out_of_the_file(
    postgres_database: str, shop: Path, forecasting: Forecasting, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned.canonical().create(postgres_database)
    url = make_url(postgres_database).set(password=SECRET).render_as_string(hide_password=False)
    for arguments in (["init"], ["init", "--force", "--json"]):
        result = ran(forecasting(*arguments, "--from", url))
        text = (shop / "forecasting.toml").read_text(encoding="utf-8")
        for held in (SECRET, "planted-p"):
            assert held not in text and held not in result.output
    assert written(shop)["warehouses"]["shop"] == {"url_env": "SHOP_URL"} and "SHOP_URL" in result.output
    assert forecasting("check").exit_code == 2
    monkeypatch.setenv("SHOP_URL", url)
    assert "planted-p" not in ran(forecasting("check")).output

    monkeypatch.setenv("OUR_SHOP", url)
    monkeypatch.delenv("SHOP_URL")
    ran(forecasting("init", "--force", "--from", url))
    assert written(shop)["warehouses"]["shop"] == {"url_env": "OUR_SHOP"}, "the variable that holds it already"

    ran(forecasting("init", "--force", "--from", "shop"))
    assert written(shop)["warehouses"] == {"shop": {"url_env": "OUR_SHOP"}}, "a name keeps what the file said"
    assert "forecasting" not in written(shop)["sources"]["orders"]


def test_names_and_places_that_are_none(shop: Path, forecasting: Forecasting) -> None:
    for arguments, said in (
        (["init", "--from", "shop"], "no file yet"),
        (["init", "--from", "sqlite:///absent.db"], "no SQLite file"),
        (["init", "--from", "postgresql://u:hunter2@127.0.0.1:1/x"], "cannot be reached"),
        (["init", "--from", "nosuchthing://x"], "driver"),
    ):
        result = forecasting(*arguments)
        assert result.exit_code == 2 and said in result.stderr and "hunter2" not in result.output
        assert not (shop / "forecasting.toml").exists()
    (shop / "forecasting.toml").write_text("[warehouses.shop]\nurl = 'sqlite:///shop.db'\n", encoding="utf-8")
    result = forecasting("init", "--force", "--from", "shpo")
    assert result.exit_code == 2 and "Did you mean 'shop'?" in result.stderr


def test_a_results_warehouse_that_is_not_there_yet_goes_into_the_template(shop: Path, forecasting: Forecasting) -> None:
    ran(forecasting("--warehouse", "sqlite:///results.db", "init"))
    assert written(shop)["warehouses"] == {"results": {"url": "sqlite:///results.db"}}
    assert not (shop / "results.db").exists()


def test_a_warehouse_without_tables_gives_the_template(
    warehouse_url: str, shop: Path, forecasting: Forecasting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTING_WAREHOUSE", warehouse_url)
    assert document(ran(forecasting("init", "--json")))["tables"] == 0
    assert "sources" not in written(shop)
    assert load(shop / "forecasting.toml").tasks == {}


HOSTILE = {
    "order_lines": "order'''_lines\n[[]]\n\"\"\"\n",
    "orders": "orders'; \"\\ %% :% ]\n#",
    "order_id": "order_id'''\n[]\n# \x7f",
    "item_id": 'item "id" ]] # % :: \\: \\',
    "customer_id": "customer\r\nid",
    "placed_at": "placed\u202e at \U0001f600",
    "unit_price": "price; -- /* {} %% ( :",
}


@pytest.mark.parametrize("counted", [True, False])
def test_hostile_names_are_names(counted: bool, warehouse_url: str, shop: Path, forecasting: Forecasting) -> None:
    """By `table` and by `query`: without quantities, lines are read through one."""
    canonical = tuned.canonical().tables
    lines = canonical["order_lines"] if counted else canonical["order_lines"].drop(columns="quantity")
    tables = {
        HOSTILE["orders"]: canonical["orders"][["order_id", "customer_id", "placed_at"]].rename(columns=HOSTILE),
        HOSTILE["order_lines"]: lines.rename(columns=HOSTILE).assign(**{f"{'x' * 59}\n]": "']\n'''"}),
    }
    url = source_url(warehouse_url, shop)
    Shop("hostile", tables, {}).create(url)
    told = document(ran(forecasting("init", "--from", url, "--json")))
    assert set(written(shop)) <= {"settings", "warehouses", "sources", "tasks"}
    assert set(written(shop)["sources"]) == {"orders", "order_lines"}
    assert {one["table"] for one in told["sources"] if one["state"] == "sure"} == {
        HOSTILE["orders"],
        HOSTILE["order_lines"],
    }
    checked = document(ran(forecasting("check", "--json")))
    rows = {one["source"]: one["rows"] for one in checked["sources"] if one["state"] == "ok"}
    assert rows == {"orders": len(canonical["orders"]), "order_lines": len(lines)}
    assert not any(one["bad"] for one in checked["sources"])


def test_any_text_is_a_value_and_ends_no_comment() -> None:
    signs = "ab'\"\\\n\r\t#[]= \x00\x01\x1b\x7f\x85\u2028\u202eäß中\U0001f600"
    dice = random.Random(4)
    for _ in range(200):
        text = "".join(dice.choices(signs, k=dice.randint(1, 240)))
        file = f"{toml.comment(text)}a = {toml.value(text)} # {toml.shown(text)}\nb = {toml.block(text)}\n"
        file += toml.commented(file) + f"{toml.key(text)} = 1\n"
        found = tomllib.loads(file)
        assert found == {"a": text, "b": found["b"], text: 1} and found["b"].strip("\n") == text.strip("\n")


def test_what_is_said_to_a_person(shop: Path, forecasting: Forecasting) -> None:
    tuned.german().create("sqlite:///shop.db")
    said = ran(forecasting("init", "--from", "sqlite:///shop.db")).stdout
    for word in ("Bestellungen", "customer_id = KundenNr", "sure", "nothing found", "task completion: reads orders"):
        assert word in said
    text = (shop / "forecasting.toml").read_text(encoding="utf-8")
    assert 'placed_at = "Bestelldatum"' in text and "# by its name" in text and "the primary key" in text
    assert pd.Series(text.splitlines()).str.len().max() < 200


def test_help_names_the_option() -> None:
    assert "--from" in CliRunner().invoke(cli, ["init", "--help"]).output
