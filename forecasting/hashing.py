"""Hashes of text that stay the same on every machine and in every version, over whole arrays at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

_FNV_BASIS = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


def fnv1a(texts: np.ndarray | Sequence[str] | pa.Array) -> np.ndarray:
    """64-bit FNV-1a of the UTF-8 bytes of each text, uint64 [n] (Fowler, Noll and Vo; IETF draft-eastlake-fnv).

    Missing texts hash like empty ones. All texts advance together, one byte a step, the shorter ones dropping out.
    """
    column = pa.array(texts, pa.large_string()) if not isinstance(texts, pa.Array) else texts.cast(pa.large_string())
    _, offset_buffer, byte_buffer = column.fill_null("").buffers()
    offsets = np.frombuffer(offset_buffer or b"", np.int64)[column.offset : column.offset + len(column) + 1]
    data = np.frombuffer(byte_buffer or b"", np.uint8)
    result = np.full(len(column), _FNV_BASIS)
    starts, lengths = offsets[:-1], np.diff(offsets)
    active = np.argsort(-lengths, kind="stable")  # the longest first, so that those still running are a prefix
    running = len(column) - np.searchsorted(np.sort(lengths), np.arange(lengths.max(initial=0)), side="right")
    for step, count in enumerate(running):
        rows = active[:count]
        result[rows] = (result[rows] ^ data[starts[rows] + step]) * _FNV_PRIME
    return result


def stable_hash(texts: np.ndarray | Sequence[str] | pa.Array, seed: int = 0) -> np.ndarray:
    """A well-mixed hash, uint64 [n], of each text under a seed: every bit depends on every byte and on the seed.

    FNV-1a, then the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014, in Stafford's variant 13), since FNV alone mixes its low bits poorly.
    """
    return _mix(fnv1a(texts) ^ _mix(np.array([seed]).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)))


def _mix(bits: np.ndarray) -> np.ndarray:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
