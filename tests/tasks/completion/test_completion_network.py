"""The completion network: what it learns, and what its answers must not depend on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from forecasting.encoders import encoder_names
from forecasting.schema import ArtifactError, NotEnoughData
from tasks.completion.fitted import FittedNetwork, restore_network
from tasks.completion.forecast import LEVELS
from tasks.completion.options import CompletionOptions
from tasks.completion.outcomes import Outcomes
from tasks.completion.snapshot import Snapshot, Steps
from tasks.completion.training import Effort, fit_network

OPTIONS = CompletionOptions(hidden=8, epochs=8)
QUICK = replace(OPTIONS, epochs=2)
STATUSES = np.array(["placed", "approved", "shipped"], object)
MIDDLE = int(np.flatnonzero(LEVELS == 0.5)[0])


def shop(count: int, seed: int = 0) -> tuple[Snapshot, Outcomes]:
    """Orders of which a figure, the stage, the destination, the own events, and what the origin and the route did
    lately tell a part each."""
    random = np.random.default_rng(seed)
    told = random.normal(size=(count, 4))
    stage = random.integers(0, 3, count).astype(np.int32)
    region = (told[:, 1] > 0).astype(np.int32)
    mean = np.exp(1.5 + 0.4 * (told[:, 0] + np.sign(told[:, 1]) + told[:, 2] + told[:, 3] - stage))
    days = mean * random.gamma(4, 0.25, count)
    watched = random.uniform(0.5, 15, count)
    features = np.stack([told[:, 0], np.where(random.random(count) < 0.5, np.nan, 1.0), np.full(count, np.nan)], 1)
    own = Steps(
        np.zeros((count, 3, 2), np.float32),
        np.where(np.arange(3) <= stage[:, None], np.arange(3), -1).astype(np.int32),
        stage + np.int64(1),
        ("gap", "hour"),
    )
    snapshot = Snapshot(
        features=features.astype(np.float32),
        names=("distance", "promise", "weight"),
        stage=stage,
        statuses=STATUSES,
        labels={"destination": region, "origin": np.arange(count, dtype=np.int32)},
        label_names={
            "destination": np.array(["north", "south"], object),
            "origin": np.array([f"o{number}" for number in range(count)], object),
        },
        own=own,
        lately={"origin": latest(told[:, 2], random), "route": latest(told[:, 3], random)},
        cutoff=np.full(count, np.datetime64("2024-06-01", "us")),
        due_days=np.full(count, np.nan),
    )
    completed = days <= watched
    return snapshot, Outcomes(np.where(completed, days, watched), completed)


def latest(level: np.ndarray, random: np.random.Generator) -> Steps:
    count = len(level)
    lengths = random.integers(1, 5, count).astype(np.int64)
    values = np.stack([np.repeat(level[:, None], 4, 1) + random.normal(0, 0.2, (count, 4)), np.ones((count, 4))], 2)
    values[np.arange(4) >= lengths[:, None]] = 0
    return Steps(values.astype(np.float32), np.full((count, 4), -1, np.int32), lengths, ("whole", "complete"))


@pytest.fixture(scope="module")
def fitted() -> FittedNetwork:
    return fit_network(*shop(2500)[:2], None, OPTIONS)


def middle(network: FittedNetwork, snapshot: Snapshot) -> np.ndarray:
    return np.log(network.quantiles(snapshot)[:, MIDDLE])


def test_it_learns_from_figures_stages_labels_and_sequences(fitted: FittedNetwork):
    snapshot, _ = shop(2000, seed=1)
    found = fitted.quantiles(snapshot)
    assert found.dtype == np.float64 and found.shape == (2000, len(LEVELS))
    assert np.isfinite(found).all() and (found > 0).all() and (np.diff(found) > 0).all()
    parts = [snapshot.features[:, 0], snapshot.labels["destination"]]
    parts += [steps.values[:, 0, 0] for steps in snapshot.lately.values()]
    for part in parts:
        assert np.corrcoef(part, np.log(found[:, MIDDLE]))[0, 1] > 0.3
    assert np.corrcoef(snapshot.stage, np.log(found[:, MIDDLE]))[0, 1] < -0.2


def test_open_orders_count_as_far_as_they_were_watched(fitted: FittedNetwork):
    """Many of the orders are still open; those that are complete are the quick ones."""
    snapshot, outcome = shop(4000, seed=3)
    assert outcome.completed.mean() < 0.8
    truth = shop_truth(4000, seed=3)
    found = fitted.quantiles(snapshot)
    for level in (0.1, 0.5, 0.9):
        below = (truth <= found[:, np.isclose(LEVELS, level)][:, 0]).mean()
        assert below == pytest.approx(level, abs=0.06)


def shop_truth(count: int, seed: int) -> np.ndarray:
    """The days to completion of orders that are watched to the end."""
    random = np.random.default_rng(seed)
    told = random.normal(size=(count, 4))
    stage = random.integers(0, 3, count)
    mean = np.exp(1.5 + 0.4 * (told[:, 0] + np.sign(told[:, 1]) + told[:, 2] + told[:, 3] - stage))
    return mean * random.gamma(4, 0.25, count)


def test_same_seed_same_bits_and_another_seed_others():
    snapshot = shop(200, seed=2)[0]
    first, again, other = (fit_network(*shop(200), None, QUICK, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(again.quantiles(snapshot), first.quantiles(snapshot))
    assert (other.quantiles(snapshot) != first.quantiles(snapshot)).any()


def test_a_stored_network_answers_alike(fitted: FittedNetwork):
    snapshot = shop(200, seed=2)[0]
    document = json.loads(json.dumps(fitted.document(), sort_keys=True))
    restored = restore_network(fitted.tensors(), document)
    np.testing.assert_array_equal(restored.quantiles(snapshot), fitted.quantiles(snapshot))
    assert restored.epochs == fitted.epochs
    with pytest.raises(ArtifactError, match="format"):
        restore_network(fitted.tensors(), {**document, "format": 0})


def test_a_killed_training_is_resumed(tmp_path):
    lessons, told = shop(200), []
    found = fit_network(*lessons, None, QUICK, progress=lambda *one: told.append(one[:2]))
    assert told[-1][0] == told[-1][1]
    for _ in range(2):
        again = fit_network(*lessons, None, QUICK, checkpoint=tmp_path)
        np.testing.assert_array_equal(again.quantiles(lessons[0]), found.quantiles(lessons[0]))


def test_nothing_complete_is_not_enough():
    snapshot, outcome = shop(50)
    with pytest.raises(NotEnoughData, match="nothing to learn from"):
        fit_network(snapshot, Outcomes(outcome.days, np.zeros(50, bool)), None, OPTIONS)
    with pytest.raises(NotEnoughData):
        fit_network(snapshot.take(np.arange(0)), outcome.take(np.arange(0)), None, OPTIONS)


def test_a_case_does_not_depend_on_those_beside_it(fitted: FittedNetwork):
    snapshot = shop(200, seed=2)[0]
    some = np.array([150, 3, 17])
    np.testing.assert_allclose(fitted.quantiles(snapshot.take(some)), fitted.quantiles(snapshot)[some], rtol=1e-4)


def test_what_goes_by_name_may_be_coded_otherwise(fitted: FittedNetwork):
    """Statuses, labels and columns stand in another order and among others the next night."""
    snapshot = shop(200, seed=2)[0]
    own = snapshot.own
    moved = replace(
        snapshot,
        features=np.column_stack([np.arange(200), snapshot.features[:, ::-1]]).astype(np.float32),
        names=("new", *snapshot.names[::-1]),
        stage=np.array([3, 0, 1], np.int32)[snapshot.stage],
        statuses=np.array(["approved", "shipped", "a new one", "placed"], object),
        labels={"new": snapshot.labels["origin"], "destination": 1 - snapshot.labels["destination"]},
        label_names={"new": np.arange(200).astype(str).astype(object), "destination": np.array(["south", "north"])},
        own=replace(
            own,
            values=own.values[:, :, ::-1],
            names=own.names[::-1],
            codes=np.where(own.codes >= 0, np.array([3, 0, 1], np.int32)[own.codes], -1),
        ),
    )
    np.testing.assert_array_equal(fitted.quantiles(moved), fitted.quantiles(snapshot))


def test_padding_says_nothing(fitted: FittedNetwork):
    snapshot = shop(200, seed=2)[0]
    expected = fitted.quantiles(snapshot)
    lately = {group: padded(steps) for group, steps in snapshot.lately.items()}
    found = fitted.quantiles(replace(snapshot, own=padded(snapshot.own), lately=lately))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def padded(steps: Steps) -> Steps:
    values = np.pad(steps.values, ((0, 0), (0, 3), (0, 0)), constant_values=7.0)
    return replace(steps, values=values, codes=np.pad(steps.codes, ((0, 0), (0, 3)), constant_values=1))


def test_anything_may_be_unknown(fitted: FittedNetwork):
    """No case at all; a group without orders, or that is not there; no label; figures beyond anything seen."""
    snapshot = shop(3, seed=2)[0]
    assert fitted.quantiles(snapshot.take(np.arange(0))).shape == (0, len(LEVELS))
    none = {"origin": replace(snapshot.lately["origin"], lengths=np.zeros(3, np.int64))}
    strange = replace(
        snapshot,
        features=np.array([[np.nan] * 3, [1e30] * 3, [-np.inf] * 3], np.float32),
        labels={"destination": np.full(3, -1, np.int32)},
        lately=none,
        own=replace(snapshot.own, lengths=np.zeros(3, np.int64), values=np.full((3, 3, 2), np.nan, np.float32)),
    )
    found = fitted.quantiles(strange)
    assert np.isfinite(found).all() and (np.diff(found) >= 0).all()
    np.testing.assert_array_equal(fitted.quantiles(replace(strange, lately={}, labels={})), found)


def test_weights_say_who_counts():
    snapshot, outcome = shop(600)
    outcome = Outcomes(outcome.days * np.where(np.arange(600) < 300, 1.0, 30.0), outcome.completed)
    quick, slow = ((np.arange(600) < 300) == first for first in (True, False))
    found = [fit_network(snapshot, outcome, one.astype(np.float32), QUICK) for one in (quick, slow)]
    assert middle(found[1], snapshot).mean() > middle(found[0], snapshot).mean() + 1.5


def test_later_cases_say_when_to_stop():
    """Cases that contradict what was taught are worst served by the last epoch, those that agree by the first."""
    lessons, later = shop(600), shop(300, seed=5)
    contrary = (later[0], Outcomes(np.exp(4 - np.log(later[1].days)), later[1].completed))
    options = replace(OPTIONS, epochs=4)
    effort = Effort(epochs=4, batch=64, members=1, learning_rate=1e-2)
    assert fit_network(*lessons, None, options, validation=later, effort=effort).epochs >= 3
    assert fit_network(*lessons, None, options, validation=contrary, effort=effort).epochs <= 2
    assert fit_network(*lessons, None, options, epochs=2, effort=effort).epochs == 2


@pytest.mark.parametrize("count", [1, 200, 2500, 60_000, 10_000_000])
def test_effort_grows_with_the_cases_within_bounds(count: int):
    effort = Effort.for_cases(count)
    assert 1 <= effort.epochs <= 12 and 32 <= effort.batch <= 512
    if 2500 <= count <= 60_000:
        assert 150 <= effort.epochs * -(-count // effort.batch) <= 600


def test_a_shop_of_which_hardly_anything_is_known():
    """No figures, labels or groups; a single status."""
    snapshot, outcome = shop(100)
    bare = replace(
        snapshot,
        features=np.zeros((100, 0), np.float32),
        names=(),
        stage=np.zeros(100, np.int32),
        labels={},
        label_names={},
        lately={},
    )
    assert np.isfinite(fit_network(bare, outcome, None, QUICK).quantiles(bare)).all()


@pytest.mark.parametrize("encoder", encoder_names())
def test_any_encoder_will_do(encoder: str):
    lessons = shop(150)
    network = fit_network(*lessons, None, replace(QUICK, encoder=encoder))
    assert np.isfinite(network.quantiles(lessons[0])).all()
