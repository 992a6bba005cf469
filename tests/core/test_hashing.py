"""Hashes of text: against published vectors, and mixed well enough to split and to bucket by."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.hashing import fnv1a, stable_hash


def test_fnv1a_gives_the_published_vectors():
    published = {"": 0xCBF29CE484222325, "a": 0xAF63DC4C8601EC8C, "b": 0xAF63DF4C8601F1A5, "foobar": 0x85944171F73967E8}
    assert fnv1a(list(published)).tolist() == list(published.values())


@given(st.lists(st.text(max_size=12), max_size=20))
@settings(deadline=None)
def test_whole_arrays_hash_like_their_bytes_one_by_one(texts):
    def one(text: str) -> int:
        result = 0xCBF29CE484222325
        for byte in text.encode():
            result = (result ^ byte) * 0x100000001B3 % 2**64
        return result

    expected = [one(text) for text in texts]
    assert fnv1a(texts).tolist() == expected
    assert fnv1a(pa.array(["skipped", *texts])[1:]).tolist() == expected


def test_seeds_and_neighbouring_ids_give_unrelated_bits():
    ids = [str(number) for number in range(4000)]
    one, other = stable_hash(ids, seed=0), stable_hash(ids, seed=1)
    differing = np.bitwise_count(one ^ other)
    assert abs(differing.mean() - 32) < 0.5
    consecutive = np.bitwise_count(one[1:] ^ one[:-1])
    assert abs(consecutive.mean() - 32) < 0.5
    assert stable_hash(["a"], seed=-1) != stable_hash(["a"], seed=1)
