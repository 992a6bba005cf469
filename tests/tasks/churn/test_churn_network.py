"""The churn network: what it learns, and what its answers must not depend on."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.encoders import encoder_names
from forecasting.schema import ArtifactError, NotEnoughData
from tasks.churn.fitted import FittedNetwork, restore_network
from tasks.churn.inputs import watched_intervals
from tasks.churn.options import ChurnOptions
from tasks.churn.outcomes import Outcomes
from tasks.churn.sequence import STEP_COLUMNS, LatestEvents
from tasks.churn.snapshot import Snapshot
from tasks.churn.training import Effort, fit_network

EDGES = np.array([0.0, 10, 20, 30, 60])
OPTIONS = ChurnOptions(horizon_days=30, hidden=8, epochs=6)
QUICK = replace(OPTIONS, epochs=2)
LENGTH = 6


def shop(count: int, seed: int = 0) -> tuple[Snapshot, Outcomes]:
    """Customers who buy at a rate that a figure, their gaps, their category and their region tell a part of each."""
    random = np.random.default_rng(seed)
    told = random.normal(size=(count, 4))
    days = random.exponential(25 * np.exp(told.sum(axis=1) * 0.7))
    watched = random.uniform(5, 60, count)
    length = random.integers(1, LENGTH + 1, count)
    mask = np.arange(LENGTH) >= LENGTH - length[:, None]
    columns = np.zeros((count, LENGTH, len(STEP_COLUMNS)), np.float32)
    columns[:, :, STEP_COLUMNS.index("gap")] = 3 + told[:, 1:2]
    columns[:, :, STEP_COLUMNS.index("purchase")] = 1
    columns[~mask] = 0
    category = np.where(mask, (told[:, 2:3] > 0).astype(np.int32), -1)
    region = (told[:, 3] > 0).astype(np.int32)
    unknown = np.where(random.random(count) < 0.5, np.nan, random.normal(size=count))
    features = np.stack([told[:, 0], unknown, np.full(count, np.nan)], axis=1).astype(np.float32)
    snapshot = Snapshot(
        features,
        ("recency", "usual_gap", "return_last"),
        region,
        LatestEvents(columns, category, mask, np.array(["bread", "cake"], object)),
        np.full(count, np.datetime64("2024-06-01", "us")),
        np.array(["north", "south"], object),
    )
    bought = days < watched
    return snapshot, Outcomes(np.where(bought, days, watched), bought, watched)


@pytest.fixture(scope="module")
def fitted() -> FittedNetwork:
    return fit_network(*shop(1500), EDGES, OPTIONS)


def survival(network: FittedNetwork, snapshot: Snapshot) -> np.ndarray:
    return network.curves(snapshot)[1]


def test_it_learns_from_figures_events_categories_and_regions(fitted: FittedNetwork):
    """Each of the four tells as much, and must show in the forecast."""
    snapshot, outcome = shop(2000, seed=1)
    edges, curves = fitted.curves(snapshot)
    np.testing.assert_array_equal(edges, EDGES)
    assert curves.dtype == np.float64 and curves.shape == (2000, 5)
    assert (curves[:, 0] == 1).all() and (np.diff(curves) < 0).all() and (curves > 0).all()
    parts = [
        snapshot.column("recency"),
        snapshot.latest.columns[:, -1, STEP_COLUMNS.index("gap")],
        snapshot.latest.category[:, -1],
        snapshot.region,
    ]
    for part in parts:
        assert np.corrcoef(part, curves[:, 3])[0, 1] > 0.2
    closed = outcome.closed(30)
    assert curves[closed, 3].mean() == pytest.approx(outcome.churned(30)[closed].mean(), abs=0.06)


def test_same_seed_same_bits_and_another_seed_others():
    snapshot = shop(300, seed=2)[0]
    first, again, other = (fit_network(*shop(300), EDGES, QUICK, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(survival(again, snapshot), survival(first, snapshot))
    assert (survival(other, snapshot)[:, 1:] != survival(first, snapshot)[:, 1:]).any()


def test_a_stored_network_answers_alike(fitted: FittedNetwork):
    snapshot = shop(300, seed=2)[0]
    document = json.loads(json.dumps(fitted.document()))
    restored = restore_network(fitted.tensors(), document)
    np.testing.assert_array_equal(survival(restored, snapshot), survival(fitted, snapshot))
    assert restored.epochs == fitted.epochs
    with pytest.raises(ArtifactError, match="format"):
        restore_network(fitted.tensors(), {**document, "format": 0})


def test_a_case_does_not_depend_on_those_beside_it(fitted: FittedNetwork):
    snapshot = shop(300, seed=2)[0]
    some = np.array([250, 3, 17])
    np.testing.assert_allclose(survival(fitted, snapshot.take(some)), survival(fitted, snapshot)[some], rtol=1e-5)


def test_codes_of_labels_may_change_from_night_to_night(fitted: FittedNetwork):
    snapshot = shop(300, seed=2)[0]
    latest = replace(
        snapshot.latest,
        category=np.where(snapshot.latest.category < 0, -1, 2 * snapshot.latest.category + 1),
        categories=np.array(["an", "bread", "butter", "cake"], object),
    )
    regions = np.array(["south", "the new one", "north"], object)
    renamed = replace(snapshot, latest=latest, region=np.array([2, 0])[snapshot.region], regions=regions)
    np.testing.assert_array_equal(survival(fitted, renamed), survival(fitted, snapshot))
    unknown = survival(fitted, replace(snapshot, region=np.ones(300, np.int32), regions=regions))
    np.testing.assert_array_equal(unknown, survival(fitted, replace(snapshot, region=np.full(300, -1, np.int32))))


def test_features_go_by_name(fitted: FittedNetwork):
    snapshot = shop(300, seed=2)[0]
    wide = np.column_stack([snapshot.features[:, ::-1], np.arange(300, dtype=np.float32)])
    moved = replace(snapshot, features=wide, names=("return_last", "usual_gap", "recency", "new"))
    np.testing.assert_array_equal(survival(fitted, moved), survival(fitted, snapshot))
    without = replace(snapshot, features=snapshot.features[:, :1], names=("recency",))
    unknown = snapshot.features.copy()
    unknown[:, 1] = np.nan
    np.testing.assert_array_equal(survival(fitted, without), survival(fitted, replace(snapshot, features=unknown)))


def test_events_are_encoded_once_while_they_are_the_same(fitted: FittedNetwork, monkeypatch: pytest.MonkeyPatch):
    network, calls = fitted.networks[0], []
    encode = network.encode
    monkeypatch.setattr(network, "encode", lambda *given: calls.append(1) or encode(*given))
    snapshot = shop(300, seed=3)[0]
    first = survival(fitted, snapshot)
    changed = survival(fitted, replace(snapshot, features=snapshot.features + 1))
    assert len(calls) == 1
    assert (changed[:, 1:] != first[:, 1:]).any()
    gaps = snapshot.latest.with_columns([0], np.zeros(1, np.float32))
    assert (survival(fitted, replace(snapshot, latest=gaps))[:, 1:] != first[:, 1:]).any()
    np.testing.assert_array_equal(survival(fitted, snapshot), first)
    assert len(calls) == 2


def test_anyone_can_be_asked_about(fitted: FittedNetwork):
    """Nobody at all; somebody of whom nothing is known; figures beyond anything seen."""
    snapshot = shop(3, seed=2)[0]
    assert survival(fitted, snapshot.take(np.arange(0))).shape == (0, 5)
    nothing = LatestEvents(
        np.zeros_like(snapshot.latest.columns), np.full((3, LENGTH), -1, np.int32), np.zeros((3, LENGTH), bool)
    )
    features = np.array([[np.nan] * 3, [1e30] * 3, [-1e30] * 3], np.float32)
    strange = survival(fitted, replace(snapshot, features=features, latest=nothing, region=np.full(3, -1, np.int32)))
    assert np.isfinite(strange).all() and (np.diff(strange) <= 0).all()


def test_a_killed_training_is_resumed(tmp_path):
    lessons, told = shop(300), []
    found = fit_network(*lessons, EDGES, QUICK, progress=lambda *one: told.append(one[:2]))
    assert 1 <= found.epochs <= 2 and told[-1][0] == told[-1][1]
    for _ in range(2):
        again = fit_network(*lessons, EDGES, QUICK, epochs=found.epochs, checkpoint=tmp_path)
        np.testing.assert_array_equal(survival(again, lessons[0]), survival(found, lessons[0]))


def test_nobody_watched_is_not_enough():
    snapshot, outcome = shop(50)
    nobody = Outcomes(np.zeros(50), np.zeros(50, bool), np.zeros(50))
    with pytest.raises(NotEnoughData, match="nothing to learn from"):
        fit_network(snapshot, nobody, EDGES, OPTIONS)
    with pytest.raises(NotEnoughData):
        fit_network(snapshot.take(np.arange(0)), outcome.take(np.arange(0)), EDGES, OPTIONS)


@pytest.mark.parametrize("encoder", encoder_names())
def test_any_encoder_will_do(encoder: str):
    lessons = shop(200)
    options = replace(QUICK, encoder=encoder)
    network = fit_network(*lessons, EDGES, options)
    restored = restore_network(network.tensors(), network.document())
    np.testing.assert_array_equal(survival(restored, lessons[0]), survival(network, lessons[0]))


@pytest.mark.parametrize("count", [1, 200, 3000, 46_000, 60_000, 10_000_000])
def test_effort_grows_with_the_cases_within_bounds(count: int):
    effort = Effort.for_cases(count)
    assert 2 <= effort.epochs <= 10 and 32 <= effort.batch <= 512
    if 1500 <= count <= 60_000:
        assert 150 <= effort.epochs * -(-count // effort.batch) <= 300


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 80), st.floats(0, 80), st.booleans())
def test_intervals_are_watched_up_to_the_purchase_or_the_end(days, watched, bought):
    bought = bought and days < watched
    outcome = Outcomes(np.array([days if bought else watched]), np.array([bought]), np.array([watched]))
    share, event = watched_intervals(outcome, EDGES)
    for k, (begin, end) in enumerate(pairwise(EDGES)):
        came = bought and begin <= days < end
        gone = bought and days < begin
        seen = 0.0 if gone else min(max(watched - begin, 0.0), end - begin) / (end - begin)
        assert event[0, k] == came
        assert share[0, k] == pytest.approx(seen, abs=1e-6)
