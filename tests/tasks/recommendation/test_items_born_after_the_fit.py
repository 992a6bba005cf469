"""A shop to which new items come all the time, day after day: they can be shown, and never fill a list."""

from __future__ import annotations

import numpy as np
import pytest
from recommendation_shops import DAY, MINUTE, START, interactions_table

from forecasting.task import Cases, Fit
from tasks.recommendation.assemble import assemble
from tasks.recommendation.folds import REMEMBERED, backtest_cases, steps_seen, truth
from tasks.recommendation.journal import Journal
from tasks.recommendation.model import RecommendationModel, fit_recommendation
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.past import past

DAYS, SESSIONS, OLD = 5, 60, 40
UNTIL = START + DAYS * DAY
OPTIONS = RecommendationOptions(hidden=16, epochs=1, k=10)


def sessions() -> list[tuple]:
    """Every session goes on from a random item to the ones after it, and jumps to any now and then. Every fifth ends
    with an item that is new, and the session after that one with the same; after UNTIL every session does."""
    random, rows, born = np.random.default_rng(0), [], 0
    for day in range(DAYS + 2):
        for number in range(SESSIONS):
            name, at = f"s{day:02d}-{number:03d}", START + day * DAY + number * 20 * MINUTE
            jumps = np.where(random.random(5) < 0.3, random.integers(OLD, size=5), 1)
            items = [f"i{item:02d}" for item in (random.integers(OLD) + np.cumsum(jumps)) % OLD]
            if number % 5 == 0 or day >= DAYS:
                born += 1
            if number % 5 < 2 or day >= DAYS:
                items.append(f"new{born:04d}")
            rows += [(None, name, item, at + step * MINUTE) for step, item in enumerate(items)]
    return rows


@pytest.fixture(scope="module")
def shop() -> Journal:
    return assemble({"interactions": interactions_table(sessions())}, OPTIONS)


@pytest.fixture(scope="module")
def model(shop) -> RecommendationModel:
    return fit_recommendation(shop, Fit(UNTIL, seed=1), OPTIONS)


@pytest.mark.parametrize(
    ("days", "published"),
    [(0, False), (1, False), (1, True)],
    ids=["judged the day after", "judged another day after", "published after a day"],
)
def test_what_is_new_fills_no_list(shop, model, days, published):
    begin = UNTIL + days * DAY
    asked = backtest_cases(shop, begin, begin + DAY)
    asked = asked.take(steps_seen(shop, asked) > 0)
    if published:
        asked = Cases(asked.entity, asked.cutoff, {**asked.columns, REMEMBERED: asked.cutoff})
        asked = asked.take(np.arange(0, len(asked), 20))
    lists = model.predict(shop, asked).items
    new = np.append(shop.catalogue.known_from >= UNTIL, False)  # -1: nothing
    assert (lists >= 0).all()
    assert new[lists].mean() < 0.4
    offsets, wanted = truth(shop, asked)
    case = np.repeat(np.arange(len(asked)), np.diff(offsets))
    old = ~new[wanted]
    found = (lists[case] == wanted[:, None]).any(axis=1)
    assert found[old].mean() > 0.55


def test_what_is_new_and_wanted_can_be_shown(shop, model):
    """An item of yesterday to which everybody went on from the same one."""
    hit = [(None, f"h{number:03d}", item, UNTIL + number * MINUTE) for number in range(300) for item in ("i00", "hit")]
    shop = assemble({"interactions": interactions_table(sessions() + hit)}, OPTIONS)
    asked = backtest_cases(shop, UNTIL + DAY, UNTIL + 2 * DAY)
    last = past(shop, asked, 1)
    after = last.case[shop.catalogue.ids[last.item] == "i00"]
    lists = model.predict(shop, asked.take(after)).items
    assert len(after) > 3
    assert (shop.catalogue.ids[lists] == "hit").any(axis=1).all()
