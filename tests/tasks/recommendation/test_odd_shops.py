"""Shops as they come: odd catalogues, odd customers, every rule. One small model of each kind of shop, stored and
restored, says what to show; nothing crashes, and each answer is one that a shop could put on its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import wish_shops
from wish_shops import END, ITEMS, TASTES, arrow, baskets, clicks, name

from forecasting.schema import NotEnoughData
from forecasting.task import Fit
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.task import RecommendationTask

AS_OF = np.datetime64(END, "us")
OPTIONS = RecommendationOptions(k=8, hidden=16, epochs=2)

Stored = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]
Tables = dict[str, pd.DataFrame]


def stored(tables: Tables) -> Stored:
    task = RecommendationTask(OPTIONS)
    model = task.fit(task.assemble(arrow(tables)), Fit(AS_OF))
    return model.tensors(), model.document()


@pytest.fixture(scope="module")
def of_clicks() -> Stored:
    return stored(clicks())


@pytest.fixture(scope="module")
def of_baskets() -> Stored:
    return stored(baskets())


def shown(model: Stored, tables: Tables, *, only: Mapping[str, str] | None = None, **options: Any) -> pd.DataFrame:
    """The published rows of a shop, after what holds of all lists: ranks 1 ... n, falling probabilities, no item twice,
    a reason for each. `only`: these ids alone."""
    task = RecommendationTask(replace(OPTIONS, **options))
    journal = task.assemble(arrow(tables))
    cases = task.cases(journal, AS_OF)
    forecast = task.restore(*model).predict(journal, cases)
    rows = task.rows(journal, cases, forecast)["recommendations"].to_pandas()
    rows = rows.astype(dict.fromkeys(("entity_kind", "entity_id", "item_id", "reason"), object))
    groups = rows.groupby("case")
    assert (rows["rank"] == groups.cumcount() + 1).all()
    assert (groups["score"].diff().dropna() <= 0).all() and rows["score"].between(0, 1).all()
    assert not rows.duplicated(["case", "item_id"]).any() and rows["reason"].str.len().gt(0).all()
    assert groups["score"].sum().le(1 + 1e-4).all()
    return rows


def lists(rows: pd.DataFrame) -> dict[str, list[str]]:
    return {str(entity): list(own) for entity, own in rows.groupby("entity_id", sort=False)["item_id"]}


def by(who: str | None, session: str | None, items: list[str], at: str = "2024-04-30 22:00") -> pd.DataFrame:
    """Views a minute apart."""
    instants = (pd.Timestamp(at) + pd.to_timedelta(np.arange(len(items)), "min")).strftime("%Y-%m-%d %H:%M:%S")
    return pd.DataFrame(
        {"customer_id": who, "session_id": session, "item_id": items, "kind": "view", "occurred_at": instants}
    )


def with_more(tables: Tables, source: str, more: pd.DataFrame) -> Tables:
    return {**tables, source: pd.concat([tables[source], more], ignore_index=True)}


def test_who_looks_at_a_taste_is_shown_it(of_clicks: Stored) -> None:
    own = lists(shown(of_clicks, with_more(clicks(), "interactions", by(None, "now", [name(1), name(5)]))))["now"]
    assert own[0] == name(9) and len(own) == 8  # the next one of its taste


def test_items_that_nobody_has_seen(of_clicks: Stored) -> None:
    """Ten arrivals: some lists may have one, and they push out nobody's own taste."""
    fresh = pd.DataFrame({"item_id": [f"new-{n}" for n in range(10)], "category": "taste 2", "title": "Thing"})
    rows = shown(of_clicks, with_more(clicks(), "items", fresh))
    assert rows.groupby("case").size().eq(8).all()
    assert rows["item_id"].str.contains("new").mean() < 0.5
    assert not rows.loc[rows["rank"] == 1, "item_id"].str.contains("new").any()


def test_a_shop_with_another_catalogue_than_the_models(of_clicks: Stored) -> None:
    tables = {source: clicks()[source].replace(r"^item-", "other-", regex=True) for source in ("interactions", "items")}
    rows = shown(of_clicks, tables)
    assert rows.groupby("case").size().eq(8).all() and rows["item_id"].str.startswith("other-").all()


def test_customers_that_nobody_has_seen(of_clicks: Stored) -> None:
    more = pd.DataFrame({"customer_id": ["x1", "x2"], "region": ["north", "somewhere else"]})
    rows = shown(of_clicks, with_more(clicks(), "customers", more))
    own = rows[rows["entity_id"].isin(["new", "x1", "x2"])]
    assert len(own) == 3 * 8 and (own["seen"] == 0).all()
    assert not own["reason"].str.contains("bought|viewed|cart|because").any()
    # What others want, not what nobody has touched.
    assert "item-new" not in set(own["item_id"])


def test_sessions_of_one_event(of_clicks: Stored) -> None:
    rows = shown(of_clicks, with_more(clicks(), "interactions", by(None, "one", [name(6)])))
    own = rows[rows["entity_id"] == "one"]
    assert len(own) == 8 and (own["seen"] == 1).all() and own["item_id"].iloc[0] == name(10)


def test_nothing_but_sessions_of_one_event() -> None:
    tables = clicks()
    tables["interactions"] = tables["interactions"].drop_duplicates("session_id")
    tables["interactions"]["customer_id"] = None
    task = RecommendationTask(OPTIONS)
    journal = task.assemble(arrow(tables))
    with pytest.raises(NotEnoughData):
        task.fit(journal, Fit(AS_OF))
    fallback = next(iter(task.baselines(journal, AS_OF).values()))
    cases = task.cases(journal, AS_OF)
    rows = task.rows(journal, cases, fallback.predict(journal, cases))["recommendations"]
    assert rows.num_rows == 8 * len(cases) > 0


def test_duplicate_events_are_seen_and_change_little(of_clicks: Stored) -> None:
    once = by(None, "twice", [name(3), name(7)])
    rows = shown(of_clicks, with_more(clicks(), "interactions", pd.concat([once, once, once])))
    own = rows[rows["entity_id"] == "twice"]
    assert (own["seen"] == 6).all() and own["item_id"].iloc[0] in (name(11), name(7), name(3))


def test_a_customer_with_50000_events(of_clicks: Stored) -> None:
    items = [name(code) for code in np.random.default_rng(1).integers(0, ITEMS, 50_000)]
    tables = with_more(clicks(), "interactions", by("robot", "r1", items, "2024-03-01 00:00"))
    own = shown(of_clicks, tables).query("entity_id == 'robot'")
    assert len(own) == 8 and (own["seen"] == 50_000).all()


def test_an_empty_catalogue(of_clicks: Stored) -> None:
    """Nothing was ever touched or listed; and then everything that was touched is gone from the catalogue."""
    assert shown(of_clicks, {"customers": clicks()["customers"], **_no_clicks()}).empty
    rows = shown(of_clicks, {**clicks(), "items": clicks()["items"].tail(1)})
    assert set(rows["item_id"]) == {"item-new"} and (rows["rank"] == 1).all()


def test_a_catalogue_without_events(of_clicks: Stored) -> None:
    tables = {**clicks(), **_no_clicks()}
    rows = shown(of_clicks, {**tables, "items": tables["items"].assign(introduced_at="2024-01-01")})
    assert rows.groupby("case").size().eq(8).all()
    assert set(rows["entity_kind"]) == {"customer"} and (rows["seen"] == 0).all()


def test_all_items_are_out_of_stock(of_clicks: Stored) -> None:
    stock = pd.DataFrame({"item_id": clicks()["items"]["item_id"], "location_id": "L1", "on_hand": 0})
    tables = {**clicks(), "stock": stock.assign(observed_at="2024-04-30")}
    assert shown(of_clicks, tables).empty
    assert shown(of_clicks, tables, exclude_out_of_stock=False).groupby("case").size().eq(8).all()


def test_what_is_sold_out_is_not_shown(of_clicks: Stored) -> None:
    assert name(0) not in set(shown(of_clicks, clicks())["item_id"])
    assert name(0) in set(shown(of_clicks, clicks(), exclude_out_of_stock=False)["item_id"])


def test_only_sessions(of_clicks: Stored) -> None:
    tables = clicks()
    rows = shown(of_clicks, {"interactions": tables["interactions"].assign(customer_id=None)}, session_days=7)
    at = pd.to_datetime(tables["interactions"]["occurred_at"]).groupby(tables["interactions"]["session_id"]).max()
    fresh = at[at.max() - at <= pd.Timedelta("7D")].index
    assert set(rows["entity_kind"]) == {"session"} and set(rows["entity_id"]) == set(fresh)


def test_only_orders(of_baskets: Stored) -> None:
    rows = shown(of_baskets, baskets())
    assert set(rows["entity_kind"]) == {"customer"} and len(rows) == 8 * wish_shops.CUSTOMERS
    assert rows["reason"].str.startswith("bought again every").mean() > 0.25
    # Regulars come first: three items of each customer are most of what it buys.
    first = rows[rows["rank"] <= 3]
    regular = [{name((5 * (int(one) - 700) + n) % ITEMS) for n in range(3)} for one in first["entity_id"]]
    assert np.mean([item in own for item, own in zip(first["item_id"], regular, strict=True)]) > 0.7


def test_customers_of_orders_without_any_event(of_baskets: Stored) -> None:
    rows = shown(of_baskets, {**baskets(), "customers": pd.DataFrame({"customer_id": ["700", "silent"]})})
    own = rows[rows["entity_id"] == "silent"]
    assert len(own) == 8 and (own["seen"] == 0).all() and "700" in set(rows["entity_id"])


def test_no_items_source(of_clicks: Stored) -> None:
    rows = shown(of_clicks, {source: table for source, table in clicks().items() if source != "items"})
    assert set(rows["item_id"]) <= {name(code) for code in range(ITEMS)} and rows.groupby("case").size().eq(8).all()


def test_seen_items_are_left_out_and_the_list_stays_full(of_clicks: Stored) -> None:
    tables = clicks()
    rows = shown(of_clicks, tables, exclude_seen=True)
    events = tables["interactions"]
    events = events.assign(entity=events["customer_id"].fillna(events["session_id"]))
    touched = set(zip(events["entity"], events["item_id"], strict=True))
    assert not touched & set(zip(rows["entity_id"], rows["item_id"], strict=True))
    assert rows.groupby("case").size().eq(8).all()


def test_denied_items_and_categories(of_clicks: Stored) -> None:
    denied = {name(code) for code in range(0, ITEMS, TASTES)} | {name(1)}
    rows = shown(of_clicks, clicks(), deny=(name(1), "no such item"), deny_categories=("taste 0", "no such category"))
    assert not denied & set(rows["item_id"]) and rows.groupby("case").size().eq(8).all()


def test_few_of_one_category(of_clicks: Stored) -> None:
    rows = shown(of_clicks, clicks(), per_category=2)
    category = clicks()["items"].set_index("item_id")["category"]
    assert rows.groupby(["case", rows["item_id"].map(category)]).size().max() == 2
    assert rows.groupby("case").size().eq(8).all()


@pytest.mark.parametrize(("k", "length"), [(5, 5), (1, 1), (200, ITEMS)])
def test_short_lists_and_lists_longer_than_the_catalogue(of_clicks: Stored, k: int, length: int) -> None:
    """A list is a whole one's beginning; of 33 items one is sold out."""
    rows = shown(of_clicks, clicks(), k=k)
    assert rows.groupby("case").size().eq(length).all()
    whole = shown(of_clicks, clicks(), k=ITEMS)
    assert lists(rows) == {entity: items[:k] for entity, items in lists(whole).items()}


def _no_clicks() -> Tables:
    """One event long after the cutoff stands for none: without any row the source would be absent."""
    return {"interactions": by("later", "l1", ["later"], "2024-06-01 00:00")}
