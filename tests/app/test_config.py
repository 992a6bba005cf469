"""Configuration: precedence, paths, and messages that name file, table and key."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.app import config
from forecasting.app.console import Console
from forecasting.app.cron import Cron
from forecasting.app.template import TEMPLATE
from forecasting.app.workspace import Workspace
from forecasting.schema import ConfigurationError

MAIL = "[alerts.m]\nkind = 'email'\nhost = 'h'\nsender = 'x@shop.example'\n"


def written(directory: Path, text: str) -> Path:
    file = directory / "forecasting.toml"
    file.write_text(text, encoding="utf-8")
    return file


def load(file: Path | None, **environment: str) -> config.Configuration:
    return config.load(file, environment=environment)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[setings]", ["forecasting.toml", "[setings]", "Did you mean 'settings'?"]),
        ("[settings]\nquarantine_limt = 0.1", ["[settings]", "'quarantine_limt'", "Did you mean 'quarantine_limit'?"]),
        ("[settings]\nseed = 'x'", ["[settings]", "'seed'"]),
        ("[settings]\nquarantine_limit = 1.5", ["[settings]", "'quarantine_limit'"]),
        ("[warehouses.shop]\nurl = 'sqlite:///a'\nurl_env = 'B'", ["[warehouses.shop]", "exactly one"]),
        ("[warehouses.shop]", ["[warehouses.shop]", "exactly one"]),
        ("[sources.orders]\ntabel = 'x'", ["[sources.orders]", "Did you mean 'table'?"]),
        ("[sources.orders]\ntable = 'x'\nquery = 'select 1'", ["[sources.orders]", "not both"]),
        ("[sources.orders]\ntimezone = 'Mars'", ["[sources.orders]", "'timezone'", "'Mars'"]),
        ("[jobs.night]\ntask = 'demand'", ["[jobs.night]", "'cron'", "missing"]),
        ("[jobs.night]\ntask = 'demand'\ncron = '0 25 * * *'", ["[jobs.night]", "'25'", "hour"]),
        ("[jobs.night]\ntask = 'demand'\ncron = '0 0 30 2 *'", ["[jobs.night]", "never due"]),
        ("tasks = 3", ["'tasks'", "table"]),
        ("[alerts.a]\nurl = 'https://x'", ["[alerts.a]", "'kind'", "missing", "webhook, csv, email, apprise"]),
        ("[alerts.a]\nkind = 'webhok'", ["[alerts.a]", "'kind'", "Did you mean 'webhook'?"]),
        ("[alerts.a]\nkind = 'csv'", ["[alerts.a]", "'directory'", "missing"]),
        ("[alerts.a]\nkind = 'csv'\ndirectory = 'x'\nevents = ['rised']", ["'events.0'", "'raised'"]),
        ("[alerts.a]\nkind = 'csv'\ndirectory = 'x'\nevents = []", ["'events'"]),
        ("[alerts.a]\nkind = 'csv'\ndirectory = 'x'\ntimeout_seconds = 0", ["'timeout_seconds'", "greater than 0"]),
        ("[alerts.a]\nkind = 'webhook'\nurl = 'https://x'", ["exactly one of secret_env and secret_file, not none"]),
        ("[alerts.a]\nkind = 'webhook'\nurl = 'x.de'\nsecret_env = 'A'", ["'url'", "begins with https://"]),
        ("[alerts.a]\nkind = 'webhook'\nurl = 'http://x'\nurl_env = 'U'\nsecret_env = 'A'", ["exactly one of url"]),
        ("[alerts.a]\nkind = 'webhook'\nsecret = 'A'", ["unknown key 'secret'", "Did you mean 'secret_env'?"]),
        (f"{MAIL}recipients = []", ["'recipients'"]),
        (f"{MAIL}recipients = ['nobody']", ["'recipients.0'", "no e-mail address"]),
        (f"{MAIL}recipients = ['a@b']\npassword_env = 'P'", ["a password needs a username"]),
        (f"{MAIL}recipients = ['a@b']\nusername = 'u'", ["exactly one of password_env and password_file"]),
        (
            f"{MAIL}recipients = ['a@b']\nusername = 'u'\npassword_env = 'P'\nsecurity = 'none'",
            ["[alerts.m]", "not encrypted", "starttls"],
        ),
        ("[alerts.a]\nkind = 'apprise'", ["exactly one of urls_env and urls_file"]),
        ("[tasks]\nhorizon = 3", ["[tasks]", "'horizon'"]),
        ("[a", ["forecasting.toml", "TOML"]),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, text))
    for word in words:
        assert word in str(caught.value)


def test_variables_win_over_the_file_and_options_over_both(tmp_path: Path) -> None:
    file = written(tmp_path, "[settings]\nseed = 1\nkeep_runs = 5\n[tasks.demand]\nhorizon = 3")
    environment = {"FORECASTING_SEED": "2", "FORECASTING_LOG_LEVEL": "DEBUG", "FORECASTING_TASKS__DEMAND__HORIZON": "9"}
    found = config.load(file, environment=environment, settings={"seed": 3}, warehouse="sqlite:///b.db")
    assert (found.settings.seed, found.settings.keep_runs, found.settings.log_level) == (3, 5, "debug")
    assert found.tasks["demand"].options == {"horizon": 9}
    assert found.warehouse == "sqlite:///b.db"
    assert load(file, FORECASTING_SEED="2").settings.seed == 2
    assert load(file, FORECASTING_WAREHOUSE="x").warehouse == "x"


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="FORECASTING_SEED"):
        load(None, FORECASTING_SEED="many")
    with pytest.raises(ConfigurationError, match="FORECASTING_TASKS__DEMAND"):
        load(None, FORECASTING_TASKS__DEMAND="1")
    unread = config.warnings(load(None, FORECASTING_WAREHOSE="x"))
    assert unread == ["The variable FORECASTING_WAREHOSE is read by nothing. Did you mean 'FORECASTING_WAREHOUSE'?"]


def test_paths_of_the_file_are_taken_from_its_directory(tmp_path: Path) -> None:
    file = written(tmp_path, "[warehouses.results]\nurl = 'sqlite:///data/results.db'")
    found = load(file)
    assert found.var == tmp_path / "var"
    workspace = Workspace(found, Console())
    assert workspace.results(prepare=False).path == tmp_path / "data" / "results.db"
    assert load(file, FORECASTING_VAR="elsewhere").var == Path("elsewhere")


def test_a_word_where_a_list_belongs(tmp_path: Path) -> None:
    workspace = Workspace(load(written(tmp_path, "[tasks.recommendation]\ndeny = 'a'")), Console())
    with pytest.raises(ConfigurationError, match="'deny': it should be a list"):
        workspace.task("recommendation")


def test_without_a_file_everything_has_a_default(shop: Path) -> None:
    found = load(None)
    assert (found.file, found.var, dict(found.tasks)) == (None, Path("var"), {})
    assert Workspace(found, Console()).results(prepare=False).path == shop / "var" / "warehouse.db"


def test_a_url_may_come_from_a_variable_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("sqlite:///from-file.db\n", encoding="utf-8")
    text = "[warehouses.results]\nurl_file = 'url'\n[warehouses.other]\nurl_env = 'OTHER_URL'"
    file = written(tmp_path, text)
    assert Workspace(load(file), Console()).results(prepare=False).path == tmp_path / "from-file.db"
    other = config.load(file, environment={"OTHER_URL": "sqlite:///b.db"}, warehouse="other")
    assert Workspace(other, Console()).results(prepare=False).path == tmp_path / "b.db"
    with pytest.raises(ConfigurationError, match="OTHER_URL is not set"):
        Workspace(config.load(file, environment={}, warehouse="other"), Console()).results(prepare=False)
    with pytest.raises(ConfigurationError, match="Did you mean 'other'"):
        Workspace(config.load(file, environment={}, warehouse="othr"), Console()).results(prepare=False)


def test_channels_say_what_they_do_but_no_secret(tmp_path: Path) -> None:
    text = "[alerts.crm]\nkind = 'webhook'\nurl = 'https://u:hunter2@x/t0ken'\nsecret_env = 'FORECASTING_KEY'"
    file = written(tmp_path, text)
    environment = {"FORECASTING_KEY": "whsec_x", "FORECASTING_ALERTS__CRM__MAX_ATTEMPTS": "3"}
    found = config.load(file, environment=environment)
    assert (found.alerts["crm"].max_attempts, found.alerts["crm"].events) == (3, ("raised",))
    assert config.warnings(found) == []
    for secret in ("hunter2", "t0ken", "whsec_x"):
        assert secret not in repr(found)


def test_the_template_of_init_is_valid_and_its_comments_are_too(tmp_path: Path) -> None:
    assert load(written(tmp_path, TEMPLATE)).settings == config.Settings()
    lines = [line for line in TEMPLATE.splitlines() if line.startswith("# ")]
    commented = [line[2:] for line in lines if line.startswith("# [") or " = " in line.split("#")[1]]
    seen: set[str] = set()
    once = []
    for line in commented:
        key = line.split("=")[0].strip()
        if line.startswith("["):
            seen = set()
        if key not in seen:
            seen.add(key)
            once.append(line)
    once = [line for line in once if not line.startswith(("Values", "A source"))]
    found = load(written(tmp_path, "[settings]\n" + "\n".join(once)))
    assert set(found.tasks) == {"demand", "recommendation", "weekly-demand", "churn", "completion"}
    assert set(found.alerts) == {"crm", "drop", "mail", "chat"}
    assert found.tasks["weekly-demand"].type == "demand"
    assert set(found.jobs) == {"nightly-demand", "morning-pages", "alerts"} and set(found.sources) == {
        "orders",
        "order_lines",
    }


@pytest.mark.parametrize(
    ("cron", "timezone", "now", "due"),
    [
        ("0 2 * * *", "UTC", "2024-05-02T01:59", "2024-05-01T02:00"),
        ("0 2 * * *", "UTC", "2024-05-02T02:00", "2024-05-02T02:00"),
        ("0 2 * * *", "Europe/Berlin", "2024-05-02T00:00", "2024-05-02T00:00"),
        ("0 0 * * 0", "UTC", "2024-05-08T12:00", "2024-05-05T00:00"),  # Sunday is 0
        ("0 0 * * 7", "UTC", "2024-05-08T12:00", "2024-05-05T00:00"),  # and 7
        ("30 6 * * mon-fri", "UTC", "2024-05-05T12:00", "2024-05-03T06:30"),
        ("*/15 8-9 * * *", "UTC", "2024-05-05T12:00", "2024-05-05T09:45"),
        ("0 0 13 * 5", "UTC", "2024-05-12T12:00", "2024-05-10T00:00"),  # either day field
        ("0 0 29 2 *", "UTC", "2024-02-28T00:00", "2020-02-29T00:00"),
        ("30 2 * * *", "Europe/Berlin", "2024-03-31T12:00", "2024-03-31T01:30"),  # skipped by summer time: 3:30
        ("@daily", "UTC", "2024-05-05T12:00", "2024-05-05T00:00"),
    ],
)
def test_the_latest_due_time(cron: str, timezone: str, now: str, due: str) -> None:
    moment = dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC)
    latest = Cron.parse(cron).latest(moment, timezone)
    assert latest is not None and latest.strftime("%Y-%m-%dT%H:%M") == due


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 59),
    st.integers(0, 23),
    st.datetimes(dt.datetime(2023, 1, 2), dt.datetime(2026, 1, 1)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu"]),
)
def test_a_daily_job_was_due_within_the_last_day(minute: int, hour: int, now: dt.datetime, timezone: str) -> None:
    moment = now.replace(tzinfo=dt.UTC)
    due = Cron.parse(f"{minute} {hour} * * *").latest(moment, timezone)
    assert due is not None and due <= moment and moment - due <= dt.timedelta(hours=25)
    local = due.astimezone(ZoneInfo(timezone))
    assert (local.hour, local.minute) == (hour, minute) or local.utcoffset() != (
        local - dt.timedelta(hours=3)
    ).utcoffset()
