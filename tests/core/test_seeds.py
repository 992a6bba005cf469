"""Seeds and devices."""

import random

import numpy as np
import pytest
import torch

from forecasting.devices import choose_device, data_parallel, threads
from forecasting.schema import ConfigurationError
from forecasting.seeds import derive, seeded


def draws():
    return random.random(), np.random.random(), torch.rand(1).item()


def test_seeded_repeats_and_restores():
    outside = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    with seeded(3):
        first = draws()
    with seeded(3):
        assert draws() == first
    with seeded(derive(3, "other")):
        assert draws() != first
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == outside


def test_seeded_restores_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError), seeded(1):
        torch.rand(1)
        raise RuntimeError
    assert torch.equal(torch.get_rng_state(), before)


def test_derived_seeds_are_fixed_for_ever_and_told_apart():
    assert derive(0, "training") == 2507843888915981448
    assert len({derive(s, *names) for s in (0, 1, 11) for names in ((), ("a",), ("a", "b"), ("ab",), (1,))}) == 15
    assert all(0 <= derive(s, "x") < 2**63 for s in range(100))


def test_devices():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ConfigurationError, match="'abacus'"):
        choose_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigurationError, match="no GPU"):
            choose_device("cuda")


def test_threads_are_restored():
    before = torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_without_a_process_group_the_model_is_its_own_replica():
    model = torch.nn.Linear(1, 1)
    assert data_parallel(model) is model
