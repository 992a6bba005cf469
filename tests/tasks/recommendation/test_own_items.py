"""What a customer's own past says of an item, beside a loop over its mentions."""

from __future__ import annotations

import numpy as np
import pytest
from crowded_journals import random_journal
from small_journals import cases, catalogue, journal

from tasks.recommendation.journal import CART, PURCHASE, VIEW
from tasks.recommendation.own import DAYS, STEPS, OwnItems


def value(found, name: str) -> np.ndarray:
    return found.values[:, OwnItems.names.index(name)]


@pytest.mark.parametrize("seed", range(6))
def test_own_items_are_what_a_loop_finds(seed):
    made = random_journal(seed)
    asked = cases(made, *[(name, day) for name in made.ids for day in (0.0, 6.0, 30.0)])
    found = OwnItems().candidates(made, asked)
    events = made.events
    for case, (entity, cutoff) in enumerate(zip(asked.entity, asked.cutoff, strict=True)):
        rows = range(events.offsets[entity], events.offsets[entity + 1])
        rows = [row for row in rows if events.occurred_at[row] < cutoff]
        step = events.columns["step"]
        mentions = {}
        for row in rows:
            mentions.setdefault(int(events.columns["item"][row]), []).append(row)
        mine = slice(found.offsets[case], found.offsets[case + 1])
        assert found.item[mine].tolist() == sorted(mentions)
        for entry, item in enumerate(sorted(mentions), found.offsets[case]):
            steps = {step[row]: row for row in reversed(mentions[item])}  # its first row in each
            back = [step[rows[-1]] - s for s in steps]
            days = [(cutoff - events.occurred_at[row]) / np.timedelta64(1, "D") for row in steps.values()]
            last = mentions[item][-1]
            kinds = [events.columns["kind"][row] for row in mentions[item]]
            due = 0.0
            if len(steps) > 1:
                usual = (max(days) - min(days)) / (len(steps) - 1)
                due = np.log(max(min(days), 1 / 86400) / max(usual, 1 / 86400))
            expected = {
                "own": 1,
                "own_count": np.log1p(len(mentions[item])),
                "own_steps": np.log1p(len(steps)),
                "own_share": len(steps) / len({step[row] for row in rows}),
                "own_last": min(back) == 0,
                "own_previous": min(back) == 1,
                "own_back": 1 / (1 + min(back)),
                **{f"own_steps_{h:g}": np.log1p(sum(0.5 ** (b / h) for b in back)) for h in STEPS},
                **{f"own_days_{h:g}": np.log1p(sum(0.5 ** (d / h) for d in days)) for h in DAYS},
                "own_early": min(max(-due, 0), 3),
                "own_late": min(max(due, 0), 3),
                "own_again": len(steps) > 1,
                "own_cart": events.columns["kind"][last] == CART,
                "own_bought": PURCHASE in kinds,
            }
            assert list(expected) == list(OwnItems.names)
            np.testing.assert_allclose(found.values[entry], [float(v) for v in expected.values()], rtol=1e-5, atol=1e-6)


def test_an_item_is_due_when_its_usual_gap_is_over():
    made = journal(catalogue(2), [("c", 0.0, 0), ("c", 10.0, 0), ("c", 20.0, 0), ("c", 20.5, 1)])
    early, due, late = (OwnItems().candidates(made, cases(made, ("c", day))) for day in (22.0, 30.0, 60.0))
    assert value(early, "own_early")[0] > 1
    assert value(due, "own_early")[0] == pytest.approx(0, abs=1e-6)
    assert value(late, "own_late")[0] > 1
    assert value(late, "own_late")[1] == 0, "one purchase has no gap"


def test_the_cart_is_told_from_a_look():
    made = journal(catalogue(2), [("s", 0.0, 0, VIEW), ("s", 0.1, 0, CART), ("s", 0.2, 1, VIEW)])
    found = OwnItems().candidates(made, cases(made, ("s", 1.0)))
    assert value(found, "own_cart").tolist() == [1, 0]
    assert value(found, "own_bought").tolist() == [0, 0]


def test_fifty_thousand_events_of_one_customer_are_looked_at_in_part():
    rows = [("c", number / 100, number % 7) for number in range(50_000)]
    made = journal(catalogue(7), rows)
    found = OwnItems().candidates(made, cases(made, ("c", 1000.0)))
    assert found.item.tolist() == list(range(7))
    assert np.isfinite(found.values).all()
