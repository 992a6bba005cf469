"""A renewal: what it reads, what it leaves alone, what it costs, and that it learns without forgetting."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import toy_training as toy

from forecasting.batches import Bucketed
from forecasting.renewal import MOST_EPOCHS, Renewal, copied, rehearsed
from forecasting.trainer import TrainingConfig, mean_loss, train


def test_half_of_what_is_read_is_new_and_the_rest_is_rehearsed() -> None:
    new = np.arange(1000) >= 800
    rows = rehearsed(new, 200, seed=1)
    assert len(rows) == 200 and new[rows].sum() == 100
    assert (np.diff(rows) > 0).all(), "each lesson once, in order"
    assert np.array_equal(rows, rehearsed(new, 200, seed=1))
    assert not np.array_equal(rows, rehearsed(new, 200, seed=2))
    assert new[rehearsed(new, 200, seed=1, fresh=0.25)].sum() == 50


@pytest.mark.parametrize(
    ("news", "most", "of_new", "in_all"),
    [(0, 50, 0, 50), (10, 50, 10, 50), (100, 50, 50, 50), (90, 50, 40, 50), (30, 500, 30, 100)],
)
def test_where_one_kind_is_short_the_other_fills_up(news: int, most: int, of_new: int, in_all: int) -> None:
    rows = rehearsed(np.arange(100) < news, most, seed=0)
    assert len(rows) == in_all and (rows < news).sum() == of_new


def test_few_lessons_are_read_a_few_times_and_many_once() -> None:
    renewal = Renewal(steps=20, batch=32, learning_rate=1e-3)
    assert renewal.lessons == 640
    assert renewal.training(640, seed=5).epochs == 1
    assert renewal.training(6400, seed=5).epochs == 1
    assert renewal.training(200, seed=5).epochs == 2
    assert renewal.training(10, seed=5).epochs == MOST_EPOCHS
    assert renewal.training(10, seed=5).seed == 5 and renewal.training(10, seed=5).patience is None


def test_a_copy_learns_and_the_champion_stays_as_it_is() -> None:
    champion = toy.network()
    before = {name: value.clone() for name, value in champion.state_dict().items()}
    mine = copied(champion)
    train(mine, toy.source(), toy.loss, replace(Renewal(10, 32, 0.01).training(300, 0), device="cpu"))
    after = champion.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert any(not torch.equal(before[name], value) for name, value in mine.state_dict().items())


def test_a_renewal_learns_what_is_new_and_forgets_less_than_one_without_rehearsal() -> None:
    taught, new = drifting(1800, since=1500), np.arange(1800) >= 1500
    champion = toy.network()
    train(champion, some(taught, np.arange(1500)), toy.loss, TrainingConfig(4, 0.02, device="cpu", threads=1))

    def renewed(fresh: float) -> tuple[float, float]:
        rows = rehearsed(new, 300, seed=0, fresh=fresh)
        network = copied(champion)
        training = Renewal(steps=10, batch=32, learning_rate=0.01).training(len(rows), seed=0)
        train(network, some(taught, rows), toy.loss, replace(training, device="cpu", threads=1))
        return loss_on(network, since=300), loss_on(network, since=0)

    forgot, _ = renewed(fresh=1.0)
    kept, learnt = renewed(fresh=0.5)
    assert learnt < loss_on(champion, since=0)
    assert kept < forgot


def drifting(rows: int, since: int, seed: int = 0) -> Bucketed:
    """Lessons of a world in which everything is one more from row `since` on."""
    source = toy.source(rows, seed)

    def collate(index: np.ndarray) -> toy.Windows:
        batch = source.collate(index)
        return replace(batch, target=batch.target + torch.from_numpy((index >= since).astype(np.float32)))

    return replace(source, collate=collate)


def some(source: Bucketed, rows: np.ndarray) -> Bucketed:
    return replace(source, lengths=source.lengths[rows], collate=lambda index: source.collate(rows[index]))


def loss_on(network: torch.nn.Module, since: int) -> float:
    return partial(mean_loss, batches=drifting(300, since, seed=3), loss=toy.loss)(network)
