"""Visits and pasts beside loops over rows."""

from __future__ import annotations

import numpy as np
import pytest
from crowded_journals import random_journal
from small_journals import DAY, START, cases, catalogue, journal

from tasks.recommendation.past import blocks, past
from tasks.recommendation.visits import visits


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("length", [3, 200])
def test_visits_hold_what_was_known_the_latest_first(seed, length):
    made = random_journal(seed)
    instant = START + 12 * DAY
    found = visits(made, instant, length=length)
    events = made.events
    expected = []
    for entity in range(len(made)):
        rows = [r for r in range(events.offsets[entity], events.offsets[entity + 1]) if events.occurred_at[r] < instant]
        if rows:
            rows = rows[-length:]
            steps = sorted(set(events.columns["step"][rows]))
            items = [(events.columns["item"][r], steps.index(events.columns["step"][r])) for r in rows]
            expected.append((-events.occurred_at[rows[-1]].astype(int), entity, items))
    expected.sort(key=lambda visit: visit[0])
    assert found.entity.tolist() == [entity for _, entity, _ in expected]
    for number, (_, entity, items) in enumerate(expected):
        rows = slice(found.offsets[number], found.offsets[number + 1])
        assert list(zip(found.item[rows], found.position[rows], strict=True)) == items
        assert found.customer[number] == (made.kind[entity] == 0)
        assert found.sequence[number] == (len(items) < 2 * len({position for _, position in items}))
        baskets = found.basket[rows] - found.basket[rows][0]
        assert baskets.tolist() == [position for _, position in items]
    assert (found.days > 0).all()


def test_sessions_of_one_customer_are_visits_of_their_own():
    made = journal(catalogue(5), [("c", 0.0, 0), ("c", 0.1, 1), ("c", 0.2, 2), ("c", 0.3, 3)])
    made.events.columns["session"][:] = [0, 1, 0, -1]
    found = visits(made, START + DAY)
    assert [found.item[a:b].tolist() for a, b in zip(found.offsets, found.offsets[1:], strict=False)] == [
        [3],
        [0, 2],
        [1],
    ]
    assert found.position.tolist() == [0, 0, 1, 0]


def test_only_the_latest_rows_are_remembered():
    made = journal(catalogue(5), [(f"s{day}", float(day), day % 5) for day in range(10)])
    assert sorted(visits(made, START + 9 * DAY, rows=3).days.tolist()) == [1.0, 2.0, 3.0]


def test_nothing_is_remembered_of_an_empty_journal():
    for made in (journal(catalogue(3), []), journal(catalogue(0), []), journal(catalogue(3), [], entities=["c"])):
        found = visits(made, START)
        assert len(found) == len(found.item) == len(found.sequence) == len(found.basket) == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_past_ends_at_the_cutoff(seed):
    made = random_journal(seed)
    asked = cases(made, *[(name, day) for name in made.ids for day in (0.0, 3.0, 7.5, 30.0)])
    found = past(made, asked, 4)
    events = made.events
    for case, (entity, cutoff) in enumerate(zip(asked.entity, asked.cutoff, strict=True)):
        rows = range(events.offsets[entity], events.offsets[entity + 1])
        rows = [row for row in rows if events.occurred_at[row] < cutoff][-4:]
        mine = slice(found.offsets[case], found.offsets[case + 1])
        assert found.row[mine].tolist() == rows
        assert (found.case[mine] == case).all()
        assert found.item[mine].tolist() == events.columns["item"][rows].tolist()
        steps = events.columns["step"][rows]
        assert found.back[mine].tolist() == [steps[-1] - step for step in steps]


def test_blocks_cover_all_cases_once_and_are_bounded():
    made = random_journal(3)
    asked = cases(made, *[(name, 15.0) for name in made.ids])
    found = list(blocks(made, asked, 50, at_once=10, limit=3))
    assert np.concatenate([np.arange(b.start, b.stop) for b in found]).tolist() == list(range(len(asked)))
    sizes = np.diff(past(made, asked, 50).offsets)
    assert all(b.stop - b.start == 1 or (sizes[b].sum() <= 10 and b.stop - b.start <= 3) for b in found)
