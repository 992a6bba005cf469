"""Who is asked when, what came next, and that nothing beyond a cutoff moves any of it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from recommendation_shops import (
    DAY,
    HOUR,
    MINUTE,
    START,
    as_table,
    ids,
    interactions_table,
    items_table,
    journal_of_orders,
    journal_of_sessions,
    orders_tables,
    random_interactions,
    random_orders,
    stamps,
)

from forecasting.contract import _altered
from forecasting.schema import NotEnoughData
from forecasting.task import Cases
from tasks.recommendation import folds as recommendation_folds
from tasks.recommendation.assemble import assemble
from tasks.recommendation.example import example
from tasks.recommendation.folds import backtest_cases, cases_at, first_steps, folds, steps_seen, truth
from tasks.recommendation.journal import ENTITY_KINDS
from tasks.recommendation.options import RecommendationOptions

OPTIONS = RecommendationOptions(session_days=2)
END = START + 1000 * DAY


def named_truth(journal, cases):
    offsets, items = truth(journal, cases)
    return [journal.catalogue.ids[items[a:b]].tolist() for a, b in pairwise(offsets)]


def test_every_event_of_a_session_is_a_case():
    journal = journal_of_sessions([["b", "a", "a"], ["a", "c"]])
    cases = backtest_cases(journal, START, END)
    assert cases.columns["seen"].tolist() == [0, 1, 2, 0, 1]
    assert steps_seen(journal, cases).tolist() == [0, 1, 2, 0, 1]
    assert (np.diff(cases.cutoff) > 0).all()
    # An item that nobody touched before cannot have been shown.
    assert named_truth(journal, cases) == [[], [], ["a"], ["a"], []]
    part = backtest_cases(journal, START + HOUR, START + DAY)
    assert part.columns["seen"].tolist() == [1, 2]


def test_every_order_of_a_customer_is_a_case_of_all_its_items():
    journal = journal_of_orders({"x": [["a", "b"], ["b", "a", "b", "c"]], "y": [["a"], ["a", "a"]]})
    cases = backtest_cases(journal, START, END)
    assert cases.columns["seen"].tolist() == [0, 0, 1, 1]
    assert named_truth(journal, cases) == [[], ["a"], ["a", "b"], ["a"]]


def test_what_is_not_listed_is_no_outcome():
    items = {"items": items_table(["a"])}
    journal = journal_of_sessions([["a", "b", "a"], ["b", "a", "b"]], sources=items)
    assert named_truth(journal, backtest_cases(journal, START, END)) == [[], [], ["a"], [], ["a"], []]


def test_an_order_of_nobody_is_never_a_case():
    journal = assemble(orders_tables([("1", None, START, ["a"]), ("2", "x", START + HOUR, ["a"])]), OPTIONS)
    assert backtest_cases(journal, START, END).entity.tolist() == [0]
    assert cases_at(journal, OPTIONS, START + DAY).entity.tolist() == [0]


def test_first_steps_come_from_nothing():
    journal = journal_of_sessions([["b", "a"], ["b"], ["a", "b"], ["a"]], [None, "x", "x", None])
    cases = first_steps(journal, START, START + 3 * DAY)
    assert cases.cutoff.tolist() == [START.item(), (START + DAY).item()] and not steps_seen(journal, cases).any()
    assert named_truth(journal, cases) == [[], ["b"]]


def test_a_case_without_a_next_step_has_no_outcome():
    journal = journal_of_sessions([["a", "a"], ["a"]])
    cases = Cases(np.array([0, 0, 1]), np.array([START, START + 9 * DAY, START + 9 * DAY]))
    assert [len(items) for items in named_truth(journal, cases)] == [0, 0, 0]


def test_publication_for_customers_that_exist_and_sessions_that_are_fresh():
    customers = pa.table({"customer_id": ids(["new", "cold"]), "signed_up_at": stamps([START + 9 * DAY, START])})
    rows = [("old", "s", "a", START), (None, "stale", "a", START), (None, "fresh", "a", START + 5 * DAY)]
    rows += [
        (None, "later", "a", START + 9 * DAY),
        ("old", "s2", "a", START + 6 * DAY),
        (None, None, "a", START + 6 * DAY),
    ]
    journal = assemble({"interactions": interactions_table(rows), "customers": customers}, OPTIONS)
    cases = cases_at(journal, OPTIONS, START + 7 * DAY)
    assert journal.ids[cases.entity].tolist() == ["cold", "old", "fresh"]
    assert cases.columns["seen"].tolist() == [0, 1, 1]
    assert steps_seen(journal, cases).tolist() == [0, 2, 1]
    # A feed that stopped weeks ago leaves nobody without a list: age counts from the newest event.
    assert journal.ids[cases_at(journal, OPTIONS, START + 99 * DAY).entity].tolist() == ["cold", "new", "old", "later"]


def test_an_empty_shop_has_no_cases():
    journal = assemble({"interactions": interactions_table([])}, OPTIONS)
    for cases in (backtest_cases(journal, START, END), cases_at(journal, OPTIONS, END)):
        assert len(cases) == 0 and cases.columns["seen"].dtype == np.int64
        assert truth(journal, cases)[0].tolist() == [0] and len(steps_seen(journal, cases)) == 0
    with pytest.raises(NotEnoughData, match="0 steps of"):
        folds(journal, OPTIONS, END)


def test_customers_alone_are_cases_without_a_past():
    customers = pa.table({"customer_id": ids(["x"])})
    journal = assemble({"interactions": interactions_table([]), "customers": customers}, OPTIONS)
    cases = cases_at(journal, OPTIONS, END)
    assert (
        len(cases) == 1 and steps_seen(journal, cases).tolist() == [0] and truth(journal, cases)[0].tolist() == [0, 0]
    )


def test_one_event_sessions_are_too_little_to_judge():
    journal = journal_of_sessions([["a"]] * 500, between=HOUR)
    with pytest.raises(NotEnoughData):
        folds(journal, OPTIONS, END)


def test_a_shop_that_was_loaded_at_one_instant_is_too_little_to_judge():
    rows = [(None, f"s{number}", "a", START) for number in range(300) for _ in range(2)]
    journal = assemble({"interactions": interactions_table(rows, known_at=stamps([START + DAY] * 600))}, OPTIONS)
    with pytest.raises(NotEnoughData, match="too few to learn from"):
        folds(journal, OPTIONS, END)


def test_windows_are_the_latest_tenth_after_one_fit():
    journal = journal_of_sessions([["a", "b", "a", "c"]] * 400, between=6 * HOUR, gap=MINUTE)
    as_of = START + 90 * DAY
    found = folds(journal, OPTIONS, as_of)
    assert len(found) == 3 and len({fold.fit_until for fold in found}) == 1
    cutoffs = np.concatenate([fold.cases.cutoff for fold in found])
    assert (np.diff(cutoffs) >= np.timedelta64(0)).all()
    assert found[0].fit_until <= cutoffs.min() and cutoffs.max() < as_of
    assert found[0].fit_until == found[0].fit_until.astype("datetime64[D]")
    assert 108 <= len(cutoffs) <= 162
    assert all((steps_seen(journal, fold.cases) > 0).all() for fold in found)


def test_many_cases_are_thinned_and_the_same_ones_stay(monkeypatch):
    monkeypatch.setattr(recommendation_folds, "MOST_CASES", 50)
    sessions = [["a", "b", "a", "c"]] * 400
    journal = journal_of_sessions(sessions, between=6 * HOUR, gap=MINUTE)
    customers = pa.table({"customer_id": ids([f"extra{number}" for number in range(9)])})
    beside = journal_of_sessions(sessions, between=6 * HOUR, gap=MINUTE, sources={"customers": customers})
    chosen = []
    for shop in (journal, beside):
        cases = [fold.cases for fold in folds(shop, OPTIONS, END)]
        chosen.append([(shop.ids[e], c) for part in cases for e, c in zip(part.entity, part.cutoff, strict=True)])
    assert chosen[0] == chosen[1] and 25 < len(chosen[0]) < 75


def test_the_example_can_be_judged():
    shop = example()
    journal = assemble(shop.sources, shop.options)
    found = folds(journal, shop.options, shop.as_of)
    assert len(found) == 3
    for fold in found:
        assert (np.diff(truth(journal, fold.cases)[0]) > 0).mean() > 0.9
    cases = cases_at(journal, shop.options, shop.as_of)
    assert set(journal.kind[cases.entity].tolist()) == {0, 1} and (steps_seen(journal, cases) == 0).any()


def test_the_example_does_not_move_with_what_is_hidden():
    shop = example()
    beyond = {name: _altered(name, table, shop.as_of, set()) for name, table in shop.sources.items()}
    mine, other = (everything(assemble(own, shop.options), shop.as_of, shop.options) for own in (shop.sources, beyond))
    assert beyond["interactions"] != shop.sources["interactions"] and beyond["weather"] != shop.sources["weather"]
    assert [name for name in mine if mine[name] != other[name]] == []


def altered(columns, clock, cutoff, random, hidden=None):
    """The columns with everything changed, removed or added that `cutoff` must not see."""
    occurred, known = columns[clock], np.maximum(columns["known_at"], columns[clock])
    hidden = (occurred >= cutoff) | (known > cutoff) if hidden is None else hidden
    out = {name: values.copy() for name, values in columns.items()}
    for name, values in out.items():
        if name in (clock, "known_at"):
            continue
        shuffled = random.permutation(values[hidden]) if values.dtype == object else values[hidden] * 3 + 1
        values[hidden] = shuffled
    later = np.maximum(out[clock], cutoff)[hidden] + random.integers(0, 5000, hidden.sum()) * MINUTE
    out[clock][hidden] = later
    out["known_at"][hidden] = later
    kept = ~hidden | (random.random(len(hidden)) < 0.7)
    return {name: values[kept] for name, values in out.items()}


def everything(journal, cutoff, options):
    """What `cutoff` sees, by names that do not depend on what it does not see."""
    ev, names = journal.events, journal.catalogue.ids
    columns = {name: values for name, values in ev.columns.items() if name not in ("item", "step", "session")}
    found = {"entities": []}
    for who in range(len(journal)):
        begin = int(ev.offsets[who])
        rows = slice(begin, int(ev.stop(np.array([who]), np.array([cutoff]))[0]))
        if rows.stop == begin:
            continue
        session = ev.columns["session"][rows]
        numbered = {code: number for number, code in enumerate(dict.fromkeys(session.tolist()))}
        region = journal.region_at(np.array([who]), cutoff)[0]
        row = [
            ENTITY_KINDS[journal.kind[who]],
            journal.ids[who],
            str(journal.regions[region]) if region >= 0 else "",
            str(ev.occurred_at[rows].tolist()),
            str(names[ev.columns["item"][rows]].tolist()),
            str((ev.columns["step"][rows] - ev.columns["step"][begin]).tolist()),
            str([(code < 0) or numbered[code] for code in session.tolist()]),
        ]
        found["entities"].append([*row, *(str(values[rows].tolist()) for values in columns.values())])
    found["entities"].sort()
    catalogue = journal.catalogue
    found["items"] = names[catalogue.known(cutoff)].tolist()
    asked = {"now": cases_at(journal, options, cutoff), "past": backtest_cases(journal, START, cutoff)}
    try:
        windows = folds(journal, options, cutoff)
        asked |= {f"fold {number}": fold.cases for number, fold in enumerate(windows)}
        found["fit"] = [str(fold.fit_until) for fold in windows]
    except NotEnoughData as shortage:
        found["fit"] = str(shortage)
    for name, cases in asked.items():
        who = [f"{journal.kind[e]} {journal.ids[e]}" for e in cases.entity]
        found[name] = sorted(
            zip(
                who,
                cases.cutoff.tolist(),
                cases.columns["seen"].tolist(),
                steps_seen(journal, cases).tolist(),
                strict=True,
            )
        )
        if name != "now":
            found[f"{name}: next"] = sorted(zip(who, cases.cutoff.tolist(), named_truth(journal, cases), strict=True))
    return found


@pytest.mark.parametrize("seed", range(100))
def test_nothing_beyond_a_cutoff_moves_what_it_sees(seed, monkeypatch):
    monkeypatch.setattr(recommendation_folds, "LEAST_STEPS", 30)
    monkeypatch.setattr(recommendation_folds, "MOST_CASES", 40)
    random = np.random.default_rng(seed)
    cutoff = START + int(random.integers(8, 18)) * DAY + int(random.integers(0, 48)) * 30 * MINUTE
    if seed % 2:
        columns = random_interactions(random)
        options = RecommendationOptions(features=("dwell",), session_days=3)
        shops = ({"interactions": own} for own in (columns, altered(columns, "occurred_at", cutoff, random)))
    else:
        columns = random_orders(random)
        options = OPTIONS
        orders, lines = columns["orders"], columns["order_lines"]
        hidden = (orders["placed_at"] >= cutoff) | (orders["known_at"] > cutoff)
        hidden_lines = lines["known_at"] > cutoff
        of_order = lines["order_id"].astype(int)
        hidden_lines |= (of_order >= len(hidden)) | np.append(hidden, [True] * 8)[of_order]
        # An order keeps its id and its clock, as a visible line may point to it.
        other = {name: values.copy() for name, values in orders.items()}
        for name in ("destination_latitude", "destination_longitude", "origin_latitude"):
            other[name][hidden] += 3
        other["destination_region"][hidden] = "elsewhere"
        other["customer_id"][hidden] = random.permutation(other["customer_id"][hidden])
        other["known_at"][hidden] += 3 * DAY
        late = {**lines, "placed_at": START + 0 * of_order * DAY}
        late = altered(late, "placed_at", cutoff, random, hidden_lines)
        del late["placed_at"]
        shops = (columns, {"orders": other, "order_lines": late})
    mine, other = (
        everything(assemble({name: as_table(own) for name, own in shop.items()}, options), cutoff, options)
        for shop in shops
    )
    assert mine.keys() == other.keys() and mine["entities"] and mine["past"]
    assert [name for name in mine if mine[name] != other[name]] == []


def test_the_property_can_fail(monkeypatch):
    """Rows that count from when they occurred, known or not, would be noticed."""
    random = np.random.default_rng(1)
    columns = random_interactions(random)
    cutoff = START + 12 * DAY
    shops = [columns, altered(columns, "occurred_at", cutoff, random)]
    careless = [{name: values for name, values in shop.items() if name != "known_at"} for shop in shops]
    mine, other = (everything(assemble({"interactions": as_table(s)}, OPTIONS), cutoff, OPTIONS) for s in careless)
    assert mine["entities"] != other["entities"]
