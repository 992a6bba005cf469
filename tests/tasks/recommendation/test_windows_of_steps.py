"""What the network sees: the last steps before a cutoff and nothing of what comes later."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from recommendation_shops import START, interactions_table, journal_of_orders, journal_of_sessions, random_interactions

from forecasting.schema import ArtifactError
from tasks.recommendation.assemble import assemble
from tasks.recommendation.effort import Effort
from tasks.recommendation.items import ItemLayout
from tasks.recommendation.journal import Journal
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.step_layout import StepLayout
from tasks.recommendation.training_batches import Lessons, TrainingBatches
from tasks.recommendation.windows import WindowReader

HOUR = np.timedelta64(1, "h")


def reader_of(journal: Journal, length: int = 4) -> WindowReader:
    rows = np.arange(len(journal.events.occurred_at))
    return WindowReader(StepLayout.fit(journal, rows, journal.region, length), journal)


def random_journal(seed: int, rows: int = 300) -> Journal:
    columns = random_interactions(np.random.default_rng(seed), rows)
    table = interactions_table([(None, None, "x", START)] * len(columns["item_id"]))
    for place, name in enumerate(("customer_id", "session_id", "item_id", "kind")):
        values = pa.array([None if v is None else str(v) for v in columns[name]], pa.string()).dictionary_encode()
        table = table.set_column(place, name, values)
    stamps = pa.timestamp("us", "UTC")
    table = table.set_column(4, "occurred_at", pa.array(columns["occurred_at"], stamps))
    table = table.append_column("known_at", pa.array(columns["known_at"], stamps))
    table = table.append_column("dwell", pa.array(columns["dwell"].astype(float)))
    return assemble({"interactions": table}, RecommendationOptions(features=("dwell",)))


def bags(steps, item) -> list[list[list[int]]]:
    """The items of each step of each row."""
    rows, longest = steps.numbers.shape[:2]
    parts = [part.tolist() for part in np.split(item, steps.bag.numpy()[1:])]
    return [parts[row * longest : row * longest + steps.lengths[row]] for row in range(rows)]


@pytest.mark.parametrize("seed", range(5))
def test_windows_are_the_last_steps_before_the_cutoff(seed):
    journal = random_journal(seed)
    events, reader = journal.events, reader_of(journal)
    random = np.random.default_rng(seed)
    entity = random.integers(0, len(journal), 40)
    cutoff = START + random.integers(0, 25 * 24, 40) * HOUR
    steps, item = reader.read(reader.stretches(entity, cutoff))
    steps.check()
    for found, who, when in zip(bags(steps, item), entity, cutoff, strict=True):
        rows = [r for r in range(events.offsets[who], events.offsets[who + 1]) if events.occurred_at[r] < when]
        numbers = sorted({int(events.columns["step"][r]) for r in rows})[-4:]
        expected = [[int(events.columns["item"][r]) for r in rows if events.columns["step"][r] == n] for n in numbers]
        assert found == expected
    share = np.add.reduceat(np.append(steps.share.numpy(), 0), np.minimum(steps.bag.numpy(), len(item)))
    filled = np.diff(np.append(steps.bag.numpy(), len(item))) > 0
    np.testing.assert_allclose(share[filled], 1, rtol=1e-5)


def test_columns_that_never_vary_are_left_out():
    plain = reader_of(journal_of_sessions([["a", "b"], ["b", "c"]])).layout
    assert list(plain.columns) == ["gap", "position"]
    kinds = journal_of_sessions([["a", "b"]], kinds=[["view", "purchase"]])
    assert "kind" in reader_of(kinds).layout.columns


def test_gap_position_and_new_session():
    journal = journal_of_sessions([["a", "b"], ["b", "c", "a"]], ["one", "one"])
    reader = reader_of(journal, 10)
    row = np.arange(5)
    codes = reader.layout.codes(journal, row, row * 0)
    assert codes["position"].tolist() == [0, 1, 0, 1, 2]
    assert codes["new session"].tolist() == [0, 0, 1, 0, 0]
    assert codes["gap"].tolist() == [0, 12, 17, 12, 12], "an hour is 2^11.8 seconds, 23 hours 2^16.3"


def test_a_layout_survives_storage():
    layout = reader_of(random_journal(1)).layout
    again = StepLayout.restore(json.loads(json.dumps(layout.document(), sort_keys=True)))
    assert again.document() == layout.document() and list(again.columns) == list(layout.columns)
    assert set(layout.numbers) == {"dwell"}
    with pytest.raises(ArtifactError):
        StepLayout.restore({"length": 3})


def batches_of(journal: Journal, until=None, **effort) -> TrainingBatches:
    until = START + 1000 * 24 * HOUR if until is None else until
    reader = reader_of(journal)
    counts = np.bincount(
        journal.events.columns["item"][journal.events.occurred_at < until], minlength=len(journal.catalogue)
    )
    items = ItemLayout.fit(journal.catalogue, counts > 0, counts > 0)
    active = np.flatnonzero(counts)
    lessons = Lessons.before(reader, until, 0)
    return TrainingBatches(
        reader, items.codes(journal.catalogue), lessons, active, counts[active] * 1.0, Effort(**{"passes": 1, **effort})
    )


def asked(batches: TrainingBatches) -> list[tuple[int, ...]]:
    """What every query of an epoch wants."""
    found = []
    for batch in batches.batches(0, 3):
        batch.check()
        wanted = [[] for _ in batch.where]
        for query, item in zip(batch.hit_query.tolist(), batch.hit_item.tolist(), strict=True):
            wanted[query].append(int(batches.active[batch.identity[item] - 1]))
        found += [tuple(sorted(items)) for items in wanted]
    return sorted(found)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("negatives", [0, 5])
def test_every_known_step_but_the_first_is_foretold_once(seed, negatives):
    journal = random_journal(seed)
    until = START + 15 * 24 * HOUR
    batches = batches_of(journal, until, queries=16, negatives=negatives)
    events, lessons = journal.events, batches.lessons
    expected, firsts = [], 0
    for who in range(len(journal)):
        rows = [r for r in range(events.offsets[who], events.offsets[who + 1]) if events.occurred_at[r] < until]
        numbers = sorted({int(events.columns["step"][r]) for r in rows})
        starts = bool(((lessons.stretches.entity == who) & (lessons.low == 0)).any())
        firsts += starts
        for number in numbers if starts else numbers[1:]:
            items = {int(events.columns["item"][r]) for r in rows if events.columns["step"][r] == number}
            expected.append(tuple(sorted(items)))
    assert asked(batches) == sorted(expected)
    assert firsts, "small shops learn from every first step"


def test_a_basket_is_wanted_once_for_each_item_that_differs():
    journal = journal_of_orders({"one": [["a"], ["b", "c", "b"]]})
    (batch,) = (b for b in batches_of(journal).batches(0, 0))
    last = batch.hit_query == batch.hit_query.max()
    assert batch.hit_share[last].tolist() == [0.5, 0.5]


def test_newer_steps_weigh_more():
    journal = journal_of_sessions([["a", "b"], ["b", "c"]])
    weights = np.sort(np.concatenate([b.weight for b in batches_of(journal, recency=2.0).batches(0, 0)]))
    assert weights[-1] == pytest.approx(1.0) and weights[0] < weights[-1]


def test_a_small_shop_is_gone_over_several_times():
    journal = random_journal(0)
    once, thrice = batches_of(journal, queries=16), batches_of(journal, queries=16, passes=3)
    assert len(list(thrice.batches(0, 1))) == len(thrice) == 3 * len(once)
    assert asked(thrice) == sorted(3 * asked(once))


def test_batches_depend_on_epoch_and_seed_alone():
    batches = batches_of(random_journal(0), queries=16, negatives=6)

    def drawn(epoch: int, seed: int) -> list[list[int]]:
        return [b.identity.tolist() for b in batches.batches(epoch, seed)]

    assert drawn(1, 5) == drawn(1, 5) != drawn(2, 5)
    assert drawn(1, 5) != drawn(1, 6)
