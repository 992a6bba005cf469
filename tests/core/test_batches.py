"""Batches keep to their declaration; bucketing loses no row, wastes little padding and repeats itself."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from forecasting.batches import Batch, BatchSource, Bucketed, bucketed, declare


@dataclass(frozen=True)
class Example(Batch):
    history: Tensor = declare("rows steps 3", noisy=True)
    future: Tensor = declare("rows horizon")
    steps: Tensor = declare("rows", torch.int64)
    image: Tensor = declare("rows ...")
    extra: Tensor | None = declare("rows", torch.bool, optional=True)


GOOD = Example(torch.zeros(4, 6, 3), torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64), torch.zeros(4, 2, 2, 2))


def test_a_batch_as_declared_passes():
    assert GOOD.check() is GOOD and len(GOOD) == 4
    assert replace(GOOD, extra=torch.zeros(4, dtype=torch.bool)).check()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"history": torch.zeros(4, 6, 2)}, r"Example.history has shape \(4, 6, 2\), declared 'rows steps 3'"),
        ({"history": torch.zeros(4, 3)}, "history has shape"),
        ({"future": torch.zeros(5, 2)}, "future has shape .*'rows': 4"),
        ({"future": torch.zeros(4, 2, 1)}, "future has shape"),
        ({"steps": torch.zeros(4)}, r"steps is torch.float32, declared torch.int64"),
        ({"image": torch.zeros(3, 2)}, "image has shape"),
        ({"image": torch.zeros(())}, "image has shape"),
        ({"future": None}, "future is missing"),
        ({"extra": torch.zeros(4)}, "extra is torch.float32"),
    ],
)
def test_any_other_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        replace(GOOD, **change).check()


def test_noise_reaches_the_declared_fields_alone():
    torch.manual_seed(0)
    noisy = GOOD.with_noise(0.1)
    assert noisy.history.std().item() == pytest.approx(0.1, rel=0.3)
    assert noisy.future is GOOD.future and noisy.steps is GOOD.steps


def test_moving_where_it_is_costs_nothing():
    assert GOOD.to(torch.device("cpu")) is GOOD
    assert GOOD.to(torch.device("meta")).history.device.type == "meta"


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 40), max_size=200).map(np.array), st.integers(1, 17), st.integers(1, 4), st.integers(0, 3)
)
def test_every_row_once(lengths, size, pool, epoch):
    batches = bucketed(lengths, size, epoch, seed=1, pool=pool)
    rows = np.concatenate([*batches, np.empty(0, np.int64)])
    assert sorted(rows.tolist()) == list(range(len(lengths)))
    assert all(0 < len(batch) <= size for batch in batches)
    assert len(batches) == -(-len(lengths) // size)


def test_padding_is_small_and_order_random_but_repeatable():
    lengths = np.random.default_rng(0).geometric(0.05, 20_000)

    def padded(batches):
        return sum(len(b) * lengths[b].max() for b in batches) / lengths.sum()

    batches = bucketed(lengths, 64, epoch=0, seed=5)
    shuffled = np.array_split(np.random.default_rng(1).permutation(20_000), len(batches))
    assert padded(batches) < 1.15 < 3 < padded(shuffled)
    again, other, seed = (bucketed(lengths, 64, e, s) for e, s in ((0, 5), (1, 5), (0, 6)))
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))
    assert not np.array_equal(batches[0], other[0]) and not np.array_equal(batches[0], seed[0])
    means = np.array([lengths[b].mean() for b in batches])
    assert abs(np.corrcoef(means[1:], means[:-1])[0, 1]) < 0.2, "lengths must not creep through the epoch"


def test_source_counts_its_batches_and_leaves_torchs_generator_alone():
    source = Bucketed(np.arange(10), 4, lambda index: torch.from_numpy(index))
    assert isinstance(source, BatchSource)
    state = torch.get_rng_state()
    batches = list(source.batches(0, 0))
    assert torch.equal(torch.get_rng_state(), state)
    assert len(batches) == len(source) == 3
    in_order = replace(source, shuffle=False)
    assert torch.cat(list(in_order.batches(0, 0))).tolist() == list(range(10)) and len(in_order) == 3
    assert len(Bucketed(np.empty(0), 4, lambda index: index)) == 0
