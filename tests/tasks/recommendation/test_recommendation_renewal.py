"""A recommender brought up to a later instant: the same each time, blind to what comes after, open to new items."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from recommendation_shops import DAY, HOUR, START, interactions_table, items_table

from forecasting.task import Cases, Fit, Renewable
from tasks.recommendation import renewal
from tasks.recommendation.assemble import assemble
from tasks.recommendation.effort import Effort
from tasks.recommendation.fitted import FittedNetwork
from tasks.recommendation.journal import Journal
from tasks.recommendation.model import RecommendationModel, fit_recommendation, restore_recommendation
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.renewal import renew_network
from tasks.recommendation.training_batches import Lessons
from tasks.recommendation.windows import WindowReader

OPTIONS = RecommendationOptions(hidden=16, epochs=6, k=5)
QUICK = Effort(passes=2, learning_rate=0.02, queries=32, input_dropout=0.1, dropout=0.0)
SINCE, UNTIL = START + 100 * DAY, START + 120 * DAY

Row = tuple[str | None, str, str, np.datetime64]


def rows(sessions: int = 130) -> list[Row]:
    """A session a day that goes round 8 items; from day 100 on "new" stands between 3 and 4."""
    found = []
    for number in range(sessions):
        items = [str((number + step) % 8) for step in range(3 + number % 4)]
        if number >= 100:
            items = [one for item in items for one in ((item, "new") if item == "3" else (item,))]
        at = START + number * DAY
        found += [(None, f"s{number:04d}", item, at + step * HOUR) for step, item in enumerate(items)]
    return found


def shop(some: Sequence[Row], **sources) -> Journal:
    return assemble({"interactions": interactions_table(some), **sources}, OPTIONS)


@pytest.fixture(scope="module", autouse=True)
def little_effort():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Effort, "for_items", staticmethod(lambda items: QUICK))
        yield


@pytest.fixture(scope="module")
def journal():
    return shop(rows())


@pytest.fixture(scope="module")
def champion(journal, little_effort):
    return fit_recommendation(journal, Fit(SINCE, seed=3), OPTIONS)


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def everybody(journal: Journal, at: np.datetime64 = UNTIL) -> Cases:
    return Cases(np.arange(len(journal)), np.full(len(journal), at))


def place_after(network: FittedNetwork, journal: Journal, item: str, wanted: str) -> float:
    """At which place on average the network puts an item just after each step of another; 0 is the first."""
    events, ids = journal.events, journal.catalogue.ids
    row = np.flatnonzero(ids[events.columns["item"]] == item)
    entity = np.searchsorted(events.offsets, row, side="right") - 1
    logits = network.logits(journal, Cases(entity, events.occurred_at[row] + np.timedelta64(1, "us")))
    return float((logits > logits[:, ids == wanted]).sum(axis=1).mean())


def test_the_same_bytes_each_time_and_the_champion_stays_as_it_is(journal, champion):
    before = {name: value.copy() for name, value in champion.tensors().items()}
    first, again = (champion.renew(journal, Fit(UNTIL, seed=3)) for _ in range(2))
    assert isinstance(champion, Renewable)
    assert same(first.tensors(), again.tensors())
    assert first.document() == again.document()
    assert not same(first.tensors(), champion.renew(journal, Fit(UNTIL, seed=4)).tensors())
    assert same(champion.tensors(), before)


def test_it_says_until_when_it_has_seen_the_world_and_keeps_its_recipe(journal, champion):
    renewed = champion.renew(journal, Fit(UNTIL))
    assert renewed.trained_until == renewed.network.trained_until == UNTIL
    assert renewed.recipe == champion.recipe
    assert renewed.network.document()["steps"] == champion.network.document()["steps"]
    assert renewed.network.items.ids.tolist() == [*"01234567", "new"]


def test_nothing_past_its_instant_moves_a_weight(champion):
    """Sessions that go on, begin, and bring items that sort before all others, at the very instant and later."""
    known = [row for row in rows() if row[3] < UNTIL]
    more = [(None, f"s{number:04d}", "00-newer", UNTIL + number * HOUR) for number in range(0, 120, 7)]
    more += [(None, f"r{number}", "5", UNTIL) for number in range(9)]
    one, other = (champion.renew(shop(some), Fit(UNTIL)) for some in (known, known + more))
    assert same(one.tensors(), other.tensors())
    assert one.document() == other.document()


def test_a_stored_champion_is_renewed_alike_and_so_is_what_is_stored_of_it(journal, champion):
    def stored(model: RecommendationModel) -> RecommendationModel:
        return restore_recommendation(model.tensors(), json.loads(json.dumps(model.document())), OPTIONS)

    renewed, again = champion.renew(journal, Fit(UNTIL)), stored(stored(champion).renew(journal, Fit(UNTIL)))
    assert same(renewed.tensors(), again.tensors())
    one, other = (model.predict(journal, everybody(journal)) for model in (renewed, again))
    np.testing.assert_array_equal(one.items, other.items)
    np.testing.assert_array_equal(one.scores, other.scores)


def test_an_item_new_since_is_recommended_where_it_belongs(journal, champion):
    renewed = champion.renew(journal, Fit(UNTIL))
    before, after = (place_after(model.network, journal, "3", "new") for model in (champion, renewed))
    assert after < 3 < before
    assert after + 1 < place_after(renewed.network, journal, "6", "new")


def test_an_item_new_since_is_described_and_yet_itself(champion):
    """With a catalogue a new item begins beside its neighbours too, whatever its description says."""
    described = items_table([*"01234567", "new"], category=[*"aabbaabb", "a"])
    journal = shop(rows(), items=described)
    model = fit_recommendation(journal, Fit(SINCE, recipe=champion.recipe), OPTIONS)
    renewed = model.renew(journal, Fit(UNTIL))
    assert renewed.network.item_matrix(journal).shape == (9, OPTIONS.hidden)
    assert place_after(renewed.network, journal, "3", "new") < place_after(model.network, journal, "3", "new")


def test_what_was_known_before_hardly_moves(journal, champion):
    renewed = champion.renew(journal, Fit(UNTIL))
    known = journal.catalogue.ids != "new"
    before, after = (
        model.network.logits(journal, everybody(journal, SINCE))[:100, known] for model in (champion, renewed)
    )
    assert (before.argmax(axis=1) == after.argmax(axis=1)).mean() > 0.9


def test_a_renewal_that_was_killed_goes_on_where_it_was(journal, champion, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        raise Killed

    whole = champion.renew(journal, Fit(UNTIL)).tensors()
    monkeypatch.setattr("forecasting.checkpoints.Checkpoint.is_due", lambda self: True)
    with pytest.raises(Killed):
        champion.renew(journal, Fit(UNTIL, checkpoint=tmp_path, progress=kill))
    assert list(tmp_path.rglob("epoch-*"))
    assert same(champion.renew(journal, Fit(UNTIL, checkpoint=tmp_path)).tensors(), whole)
    moved = {name: value * np.float32(1.01) for name, value in champion.tensors().items()}
    other = restore_recommendation(moved, champion.document(), OPTIONS)
    assert same(
        other.renew(journal, Fit(UNTIL, checkpoint=tmp_path)).tensors(), other.renew(journal, Fit(UNTIL)).tensors()
    ), "what is left of another champion's renewal is not taken for this one's"


def test_where_nothing_was_done_since_the_champion_stays(champion):
    quiet = shop([row for row in rows() if row[3] < SINCE])
    assert champion.renew(quiet, Fit(UNTIL)) is champion


def test_where_nothing_followed_since_what_was_known_is_rehearsed(champion):
    quiet = [row for row in rows() if row[3] < SINCE]
    renewed = champion.renew(shop([*quiet, (None, "x", "4", SINCE), (None, "y", "other", SINCE)]), Fit(UNTIL))
    assert renewed.trained_until == UNTIL
    assert "other" in renewed.network.items.ids


def test_items_that_the_source_no_longer_knows_keep_their_rows(champion):
    left = shop([row for row in rows() if row[2] != "5"])
    renewed = renew_network(champion.network, left, UNTIL, epochs=6)
    assert "5" in renewed.items.ids
    assert set(renewed.items.ids) > set(left.catalogue.ids)


def test_lessons_that_are_new_are_those_that_end_after_the_last_training(journal, champion):
    lessons = Lessons.before(WindowReader(champion.network.steps, journal), UNTIL, 0)
    entity = lessons.stretches.entity[renewal._new(lessons, journal, SINCE)]
    assert sorted(set(journal.ids[entity])) == [f"s{number:04d}" for number in range(100, 120)]
