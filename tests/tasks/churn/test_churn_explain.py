"""What moves a forecast: by definition, and from the outside, where a history is changed as the explanation says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from telling_shops import Logistic, everyone, fitted, shop

from forecasting.histories import Histories
from forecasting.task import Fit
from tasks.churn import explain
from tasks.churn.customers import PURCHASE, Customers
from tasks.churn.explain import effects
from tasks.churn.forecast import ChurnForecast
from tasks.churn.sequence import EVENT_FACTS, LatestEvents, latest_events
from tasks.churn.snapshot import Snapshot, Typical, snapshot
from tasks.churn.task import ChurnTask


@dataclass(frozen=True)
class Habit:
    """A customer who buys `orders` times, every `gap` days, the last time `recency` days ago, for `value` each and
    for `last` in the end; gives something back `returns` days ago; looks around `visits` days ago."""

    orders: int
    gap: float
    recency: float
    value: float
    last: float
    returns: tuple[float, ...]
    visits: tuple[float, ...]
    region: str
    items: int


def habits(seed: int, customers: int = 60) -> dict[str, Habit]:
    random = np.random.default_rng(seed)
    return {
        f"customer {number:02d}": Habit(
            orders=int(random.integers(1, 7)),
            gap=float(random.integers(5, 60)),
            recency=float(random.integers(2, 170)) - 0.5,
            value=float(random.integers(10, 200)),
            last=float(random.integers(10, 200)),
            returns=tuple(random.uniform(1, 40, random.integers(1, 4))) if random.random() < 0.3 else (),
            visits=tuple(random.uniform(1, 29, random.integers(1, 5))) if random.random() < 0.3 else (),
            region=str(random.choice(["North", "South", "West"], p=[0.6, 0.3, 0.1])),
            items=int(random.integers(1, 6)),
        )
        for number in range(customers)
    }


def built(people: dict[str, Habit]) -> Customers:
    orders, lines = {}, []
    for name, one in people.items():
        ago = [one.recency + one.gap * back for back in range(one.orders - 1, -1, -1)]
        bought = [(day, one.value) for day in ago[:-1]] + [(one.recency, one.last)]
        orders[name] = bought + [(day, -5.0) for day in one.returns]
        lines += [(name, which, f"item {item}", 1) for which in range(len(ago)) for item in range(one.items)]
    regions = {name: one.region for name, one in people.items()}
    return shop(orders, regions, {name: one.visits for name, one in people.items()}, lines)


def probabilities(forecaster: Logistic, customers: Customers) -> np.ndarray:
    return forecaster.predict(customers, everyone(customers)).at(forecaster.options.horizon_days)


def typical_number(typical: Typical, shown: Snapshot, name: str) -> float:
    return float(np.expm1(typical.features[shown.names.index(name)]))


def as_late_as_most(one: Habit, usual: Callable[[str], float]) -> float:
    """Days since the last order that are to the customer's own gap what they are to most customers'."""
    return usual("recency") if one.orders == 1 else (one.gap + 1) * (1 + usual("overdue")) - 1


TOWARDS: dict[str, Callable[[Habit, Callable[[str], float]], Habit]] = {
    "recency": lambda one, usual: replace(one, recency=as_late_as_most(one, usual)),
    "frequency": lambda one, usual: replace(one, orders=round(usual("orders"))),
    "value": lambda one, usual: replace(one, value=usual("value_mean"), last=usual("value_mean")),
    "basket": lambda one, usual: replace(one, items=round(usual("items_mean"))),
    "returns": lambda one, usual: replace(one, returns=()),
    "visits": lambda one, usual: replace(one, visits=()),
}


@pytest.mark.parametrize("fact", TOWARDS)
def test_a_history_without_the_fact_moves_the_score_as_said(fact: str) -> None:
    people = habits(3)
    customers = built(people)
    forecaster = fitted(customers)
    shown = snapshot(customers, everyone(customers))
    forecast = forecaster.predict(customers, everyone(customers))
    effect = forecast.explain()[:, forecast.facts.index(fact)]

    def usual(name: str) -> float:
        return typical_number(forecaster.typical, shown, name)

    changed = built({name: TOWARDS[fact](one, usual) for name, one in people.items()})
    moved = probabilities(forecaster, customers) - probabilities(forecaster, changed)
    strong = np.abs(effect) >= 0.02
    if fact == "frequency":  # a second order makes a rhythm, too, which is another fact
        strong &= np.array([one.orders > 1 for one in people.values()])
    assert strong.sum() >= 10
    assert (np.sign(moved[strong]) == np.sign(effect[strong])).all()


def test_a_move_to_the_usual_region_moves_the_score_as_said() -> None:
    people = habits(4)
    customers = built(people)
    forecaster = fitted(customers)
    assert forecaster.typical.region == "North"
    forecast = forecaster.predict(customers, everyone(customers))
    effect = forecast.explain()[:, forecast.facts.index("region")]
    for place in np.argsort(-np.abs(effect))[:3]:
        name = customers.events.entities[place]
        moved = built(people | {name: replace(people[name], region="North")})
        change = probabilities(forecaster, customers)[place] - probabilities(forecaster, moved)[place]
        assert people[name].region != "North" and np.sign(change) == np.sign(effect[place])


def test_what_ships_is_explained_as_said() -> None:
    """Other facts move a little with the one that is changed (a later history has more orders in the last 90 days),
    and a model may weigh them against it: of moves that matter, a few may go the other way."""
    example = ChurnTask.example()
    task = ChurnTask(replace(example.options, epochs=1, hidden=8))
    customers = task.assemble(example.sources)
    cases = task.cases(customers, example.as_of)
    shown = snapshot(customers, cases, task.options.features)
    baselines, model = task.baselines(customers, example.as_of), task.fit(customers, Fit(example.as_of))
    typical = baselines["bg_nbd"].typical
    later = np.zeros(len(customers))
    ago, as_most = (one.column("recency").astype(float) for one in (shown, shown.without("recency", typical)))
    later[cases.entity] = np.expm1(ago) - np.expm1(as_most)

    def late(histories: Histories) -> Histories:
        return shifted(histories, later, example.as_of)

    def alike(histories: Histories) -> Histories:
        return spending(histories, typical_number(typical, shown, "value_mean"))

    for forecaster, fact, change, agree in (
        (baselines["bg_nbd"], "recency", late, 0.99),
        (baselines["rfm_logistic"], "recency", late, 0.99),
        (model, "recency", late, 0.75),
        (model, "value", alike, 0.85),
    ):
        forecast = forecaster.predict(customers, cases)
        changed = replace(customers, events=change(customers.events), purchases=change(customers.purchases))
        horizon = task.options.horizon_days
        moved = forecast.at(horizon) - forecaster.predict(changed, cases).at(horizon)
        effect = forecast.explain()[:, forecast.facts.index(fact)]
        strong = np.argsort(-np.abs(effect))[:50]
        assert (np.sign(moved[strong]) == np.sign(effect[strong])).mean() >= agree, fact


def shifted(histories: Histories, days: np.ndarray, cutoff: np.datetime64) -> Histories:
    """What the cutoff sees of histories, so many days (float64 [E]) later."""
    rows = np.flatnonzero(histories.visible(np.arange(len(histories.occurred_at)), cutoff))
    by = np.repeat(days, histories.lengths)[rows] * 86_400e6
    at = histories.occurred_at[rows] + by.astype("timedelta64[us]")
    offsets = np.searchsorted(rows, histories.offsets).astype(np.int64)
    columns = {name: values[rows] for name, values in histories.columns.items()}
    return Histories(histories.entities, offsets, at, at, columns, histories.categories)


def spending(histories: Histories, value: float) -> Histories:
    """Histories in which every purchase cost the same."""
    kind, values = histories.columns["kind"], histories.columns["value"]
    return replace(histories, columns={**histories.columns, "value": np.where(kind == PURCHASE, value, values)})


def test_effects_are_differences_of_the_forecasters_own_answers() -> None:
    customers = built(habits(5))
    forecaster = fitted(customers)
    forecast = forecaster.predict(customers, everyone(customers))
    shown = snapshot(customers, everyone(customers))
    for fact, effect in zip(forecast.facts, forecast.explain().T, strict=True):
        without = ChurnForecast(*forecaster.curves(shown.without(fact, forecaster.typical)))
        assert effect == pytest.approx(forecast.at(90) - without.at(90), abs=1e-12)


def test_a_typical_customer_has_nothing_to_explain() -> None:
    customers = built(dict.fromkeys(["a", "b", "c"], habits(6)["customer 04"]))
    forecast = fitted(customers).predict(customers, everyone(customers))
    assert np.abs(forecast.explain()).max() < 1e-6


def test_blocks_of_cases_are_explained_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    customers = built(habits(7))
    whole = fitted(customers).predict(customers, everyone(customers))
    explained = whole.explain()
    monkeypatch.setattr(explain, "BLOCK", 7)
    parts = fitted(customers).predict(customers, everyone(customers))
    assert whole.facts == parts.facts
    assert parts.survival == pytest.approx(whole.survival, abs=1e-12)
    assert parts.explain() == pytest.approx(explained, abs=1e-12)


def test_the_events_are_read_once_for_all_facts_that_are_not_in_them() -> None:
    customers = built(habits(8))
    asked: list[tuple[LatestEvents, int]] = []

    class Watched(Logistic):
        def curves(self, shown: Snapshot) -> tuple[np.ndarray, np.ndarray]:
            asked.append((shown.latest, len(shown)))
            return super().curves(shown)

    forecaster = fitted(customers)
    Watched(forecaster.typical).predict(customers, everyone(customers)).explain()
    same = [latest is asked[0][0] for latest, _ in asked]
    assert same == sorted(same, reverse=True) and sum(same) >= 5  # one after the other: a state that is kept serves all
    returners = sum(bool(one.returns) for one in habits(8).values())
    assert returners in [count for latest, count in asked if latest is not asked[0][0]]  # the others know no returns


def test_without_returns_or_visits_events_are_as_if_there_had_been_none() -> None:
    people = habits(9)
    customers = built(people)
    cases = everyone(customers)
    latest = latest_events(customers, cases, 32)
    for kind in ("return", "visit"):
        never = built({name: replace(one, **{f"{kind}s": ()}) for name, one in people.items()})
        expected, found = latest_events(never, cases, 32), latest.without_kind(kind)
        assert np.array_equal(found.mask, expected.mask) and not np.array_equal(found.mask, latest.mask)
        assert found.columns == pytest.approx(expected.columns, abs=1e-5)
        assert np.array_equal(found.category, expected.category)
        assert expected.without_kind(kind) is expected


def test_the_first_event_keeps_its_gap() -> None:
    customers = built(habits(10))
    shown = snapshot(customers, everyone(customers))
    changed = shown.without("rhythm", shown.typical()).latest
    first = np.argmax(shown.latest.mask, axis=1)
    assert (changed.columns[np.arange(len(first)), first, 0] == 0).all()
    assert changed.mask.sum() > len(first)


def test_overdue_follows_from_what_is_typical_and_what_is_not() -> None:
    customers = built(habits(11))
    shown = snapshot(customers, everyone(customers))
    typical = shown.typical()
    late = shown.without("recency", typical)
    known = np.isfinite(shown.column("usual_gap"))
    assert known.any() and not known.all()
    assert late.column("overdue")[known] == pytest.approx(typical.features[shown.names.index("overdue")])
    assert late.column("recency") - late.column("usual_gap") == pytest.approx(late.column("overdue"), nan_ok=True)
    assert late.column("recency")[~known] == pytest.approx(typical.features[shown.names.index("recency")])
    regular = shown.without("rhythm", typical)
    expected = shown.column("recency") - typical.features[shown.names.index("usual_gap")]
    assert regular.column("overdue") == pytest.approx(expected)


def test_what_most_know_nothing_of_is_typically_unknown() -> None:
    shown = snapshot(*(lambda customers: (customers, everyone(customers)))(built(habits(12))))
    typical = shown.typical()
    for place, name in enumerate(shown.names):
        values = shown.column(name)
        known = np.isfinite(values)
        expected = np.median(values[known]) if known.mean() > 0.5 else np.nan
        assert typical.features[place] == pytest.approx(expected, nan_ok=True), name
    assert np.isnan(typical.features[shown.names.index("return_last")])
    again = Typical.restore(typical.document())
    assert np.array_equal(again.features, typical.features, equal_nan=True) and again.region == typical.region
    assert np.array_equal(again.steps, typical.steps)


def test_every_fact_of_the_events_is_a_fact() -> None:
    customers = built(habits(13))
    assert set(snapshot(customers, everyone(customers)).facts) >= EVENT_FACTS


def test_nobody_is_explained_to_nobody() -> None:
    customers = built(habits(14))
    forecaster = fitted(customers)
    nobody = everyone(customers).take(np.arange(0))
    shown = snapshot(customers, nobody)
    assert effects(forecaster, shown, forecaster.typical, 90, np.zeros(0)).shape == (0, len(shown.facts))
    assert forecaster.predict(customers, nobody).explain().shape == (0, len(shown.facts))
