"""Seeds: one number decides everything random in a run."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive(seed: int, *names: object) -> int:
    """A seed in [0, 2**63) for the part of a run that `names` tell apart: the same on every machine."""
    text = "\x1f".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python, numpy and torch within, and leave their generators as they were found.

    Build a model inside it to get the same weights for the same seed.
    """
    python, numpy = random.getstate(), np.random.get_state()
    cuda = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=cuda):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
