"""The network of the next step: what it learns, that it repeats itself to the bit, and the hard cases."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from recommendation_shops import (
    DAY,
    START,
    ids,
    interactions_table,
    items_table,
    journal_of_orders,
    journal_of_sessions,
    orders_tables,
)

from forecasting import artifacts
from forecasting.checkpoints import Checkpoint
from forecasting.schema import ArtifactError, NotEnoughData
from forecasting.task import Cases
from tasks.recommendation.assemble import assemble
from tasks.recommendation.effort import Effort
from tasks.recommendation.fitted import FittedNetwork, restore_network
from tasks.recommendation.folds import backtest_cases
from tasks.recommendation.journal import Journal
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.training import fit_network

OPTIONS = RecommendationOptions(hidden=16, epochs=6)
QUICK = Effort(passes=1, learning_rate=0.02, queries=32, input_dropout=0.1, dropout=0.0)
LATER = START + 1000 * DAY


def cycle(sessions: int = 60, length: int = 6, items: int = 8) -> list[list[str]]:
    """Sessions that go round: after item n comes n + 1."""
    return [[f"{(start + step) % items}" for step in range(2 + start % length)] for start in range(sessions)]


def fit(journal: Journal, until=LATER, options=OPTIONS, effort=QUICK, **more) -> FittedNetwork:
    return fit_network(journal, until, options, effort=effort, **more)


def everybody(journal: Journal, at=LATER) -> Cases:
    return Cases(np.arange(len(journal)), np.full(len(journal), at))


def best(fitted: FittedNetwork, journal: Journal, cases: Cases) -> list[str]:
    return journal.catalogue.ids[fitted.logits(journal, cases).argmax(1)].tolist()


@pytest.mark.parametrize("encoder", ["gru", "lstm"])
@pytest.mark.parametrize("negatives", [0, 4])
def test_it_learns_what_follows(encoder, negatives):
    journal = journal_of_sessions(cycle())
    options = RecommendationOptions(hidden=16, epochs=12, encoder=encoder)
    effort = Effort(passes=1, learning_rate=0.02, queries=32, input_dropout=0.1, dropout=0.0, negatives=negatives)
    fitted = fit(journal, options=options, effort=effort)
    expected = [str((int(session[-1]) + 1) % 8) for session in cycle()]
    found = best(fitted, journal, everybody(journal))
    assert np.mean([one == other for one, other in zip(found, expected, strict=True)]) > 0.9


def test_a_basket_is_foretold_from_baskets():
    orders = {f"c{n:02d}": [["tea", f"x{n % 3}"], ["milk", f"x{n % 3}"]] * 2 for n in range(30)}
    journal = journal_of_orders(orders)
    logits = fit(journal).logits(journal, everybody(journal, START + 3 * DAY - np.timedelta64(1, "s")))
    top = np.argsort(-logits, axis=1)[:, :2]
    wanted = [{"milk", f"x{n % 3}"} for n in range(30)]
    hits = [len(set(journal.catalogue.ids[row]) & both) / 2 for row, both in zip(top, wanted, strict=True)]
    assert np.mean(hits) > 0.8


def test_the_same_seed_makes_the_same_bytes():
    journal = journal_of_sessions(cycle())
    one, again, other = fit(journal, seed=3), fit(journal, seed=3), fit(journal, seed=4)
    for name, weight in one.tensors().items():
        np.testing.assert_array_equal(weight, again.tensors()[name])
    assert any((weight != other.tensors()[name]).any() for name, weight in one.tensors().items())


def test_a_killed_training_goes_on_as_if_nothing_had_happened(tmp_path, monkeypatch):
    journal = journal_of_sessions(cycle())
    cases = backtest_cases(journal, START + 40 * DAY, LATER)
    until = START + 40 * DAY
    whole = fit(journal, until, validate=cases)
    monkeypatch.setattr(Checkpoint, "is_due", lambda self: True)

    def die(done, total, note):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(journal, until, validate=cases, checkpoint=tmp_path, progress=die)
    assert list(tmp_path.iterdir())
    resumed = fit(journal, until, validate=cases, checkpoint=tmp_path)
    assert resumed.epochs == whole.epochs
    for name, weight in whole.tensors().items():
        np.testing.assert_array_equal(weight, resumed.tensors()[name])


def test_stored_and_restored(tmp_path):
    journal = journal_of_sessions(cycle())
    fitted = fit(journal)
    artifacts.save(tmp_path / "one", fitted.tensors(), fitted.document())
    restored = restore_network(*artifacts.load(tmp_path / "one"))
    cases = everybody(journal)
    np.testing.assert_array_equal(fitted.logits(journal, cases), restored.logits(journal, cases))
    assert json.dumps(restored.document()) == json.dumps(fitted.document())
    with pytest.raises(ArtifactError):
        restore_network({}, {**fitted.document(), "format": 99})


def test_queries_times_items_are_the_logits():
    journal = journal_of_sessions(cycle())
    fitted, cases = fit(journal), everybody(journal)
    product = fitted.queries(journal, cases) @ fitted.item_matrix(journal).T + fitted.item_bias(journal)
    np.testing.assert_allclose(fitted.logits(journal, cases), product, rtol=1e-4, atol=1e-4)


def test_a_case_does_not_depend_on_its_neighbours():
    journal = journal_of_sessions(cycle())
    fitted, cases = fit(journal), everybody(journal)
    alone = fitted.logits(journal, cases.take(np.array([7])))
    np.testing.assert_allclose(fitted.logits(journal, cases)[7:8], alone, rtol=1e-4, atol=1e-5)


def test_nothing_later_moves_weights_or_logits():
    """Sessions that go on, begin, name new items, or become known late, after the cutoff."""
    until = START + 30 * DAY
    rows = [
        (None, f"s{n:04d}", item, START + n * DAY + np.timedelta64(step, "h"))
        for n, session in enumerate(cycle(30))
        for step, item in enumerate(session)
    ]
    more = [(None, f"s{n:04d}", "00-new", until + n * DAY) for n in range(0, 30, 3)]
    more += [(None, f"r{n}", "5", until + DAY) for n in range(5)]
    more += [(None, "s0029", "5", until)]

    def shop(extra):
        everything = rows + extra
        late = [at for *_, at in everything]
        if extra:  # this one happened in time and became known afterwards
            everything = [*everything, (None, "s0003", "7", START + 4 * DAY)]
            late.append(until + DAY)
        table = interactions_table(everything)
        stamps = table["occurred_at"].type
        known = pa.array(np.array(late, "datetime64[us]"), stamps)
        return assemble({"interactions": table.append_column("known_at", known)}, OPTIONS)

    before, after = shop([]), shop(more)
    one, other = fit(before, until), fit(after, until)
    for name, weight in one.tensors().items():
        np.testing.assert_array_equal(weight, other.tensors()[name], err_msg=name)
    cases = everybody(before, until)
    place = {name: at for at, name in enumerate(after.ids)}
    same = Cases(np.array([place[name] for name in before.ids]), cases.cutoff)
    columns = np.searchsorted(after.catalogue.ids, before.catalogue.ids)
    np.testing.assert_array_equal(one.logits(before, cases), other.logits(after, same)[:, columns])


def test_a_new_item_is_wanted_like_those_it_resembles():
    """Two worlds of items that never meet; a new one of each category belongs with its like."""
    sessions = [[f"{'ab'[n % 2]}{(n // 2 + k) % 5}" for k in range(4)] for n in range(80)]
    names = [*sorted({item for session in sessions for item in session}), "new-a", "new-b"]
    items = items_table(names, category=[name.removeprefix("new-")[0] for name in names])
    journal = journal_of_sessions(sessions, sources={"items": items})
    fitted = fit(journal, options=RecommendationOptions(hidden=16, epochs=15))
    logits = fitted.logits(journal, everybody(journal))
    new_a, new_b = (journal.catalogue.ids.tolist().index(name) for name in ("new-a", "new-b"))
    likes_a = np.arange(80) % 2 == 0
    assert ((logits[:, new_a] > logits[:, new_b]) == likes_a).mean() > 0.8


def test_before_the_first_step_regions_differ():
    orders = [(f"o{n}", f"c{n:03d}", START + n * DAY / 10, ["north" if n % 2 else "south", "any"]) for n in range(200)]
    customers = pa.table(
        {
            "customer_id": ids([f"c{n:03d}" for n in range(200)] + ["new-0", "new-1"]),
            "region": ids([["S", "N"][n % 2] for n in range(202)]),
        }
    )
    journal = assemble({**orders_tables(orders), "customers": customers}, OPTIONS)
    fitted = fit(journal, options=RecommendationOptions(hidden=16, epochs=15))
    new = np.array([journal.ids.tolist().index(name) for name in ("new-0", "new-1")])
    logits = fitted.logits(journal, Cases(new, np.full(2, LATER)))
    north, south = (journal.catalogue.ids.tolist().index(name) for name in ("north", "south"))
    assert logits[0, south] > logits[0, north] and logits[1, north] > logits[1, south]


def test_one_event_sessions_alone_teach_what_is_popular():
    journal = journal_of_sessions([["a"]] * 30 + [["b"]] * 3)
    fitted = fit(journal)
    assert set(best(fitted, journal, everybody(journal, START))) == {"a"}
    assert np.isfinite(fitted.logits(journal, everybody(journal))).all()


def test_fifty_thousand_events_of_one_customer():
    rows = [("big", None, f"{n % 8}", START + np.timedelta64(n, "m")) for n in range(50_000)]
    rows += [("small", None, f"{n % 8}", START + np.timedelta64(n, "h")) for n in range(10)]
    journal = assemble({"interactions": interactions_table(rows)}, OPTIONS)
    fitted = fit(journal, effort=Effort(passes=1, learning_rate=0.03, queries=128, input_dropout=0.1, dropout=0.0))
    assert best(fitted, journal, everybody(journal)) == ["0", "2"]


def test_with_a_later_slice_the_best_epoch_is_kept():
    journal = journal_of_sessions(cycle(80))
    until = START + 50 * DAY
    cases = backtest_cases(journal, until, LATER)
    fitted = fit(journal, until, validate=cases)
    assert 1 <= fitted.epochs <= OPTIONS.epochs
    again = fit(journal, until, epochs=fitted.epochs)
    for name, weight in fitted.tensors().items():
        np.testing.assert_array_equal(weight, again.tensors()[name])


def test_nothing_known_is_not_enough():
    with pytest.raises(NotEnoughData):
        fit(journal_of_sessions(cycle()), START)
