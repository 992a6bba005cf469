"""Why a customer may leave or stay, in words that CRM reads: each of them true of the customer as of the cutoff.

What moves the probability, and by how much, is the forecaster's to say (`explain`); the words tell the fact behind it,
and read on from the strongest reason: "usually buys every 21 days, last order 64 days ago; although 12 orders so far".
"""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.churn.facts import Facts
from tasks.churn.words import choose, in_words, join

LEAST = 0.01
"""Probability by which a fact must move a case to be told, unless it is the strongest."""


def reasons(told: Facts, names: tuple[str, ...], effects: np.ndarray, most: int) -> pa.Array:
    """The reasons of n cases as JSON, string [n]: lists of {"fact", "text", "effect"}, strongest first, at most `most`.

    `names`: the facts; `effects`: float64 [n, facts], what each adds to the probability. Those under LEAST are left
    out, the strongest one never is. A reason that works against the strongest begins with "although".
    """
    case, fact, first = _strongest(effects, most)
    effect = effects[case, fact]
    texts = pa.nulls(len(case), pa.string())
    for number, name in enumerate(names):
        mine = fact == number
        words = in_words(name, told.take(case[mine]), effect[mine] > 0)
        texts = pc.replace_with_mask(texts, pa.array(mine), words)
    although = choose((effect * effect[first] < 0, "although "), otherwise="")
    quoted = pa.array([json.dumps(name, ensure_ascii=False) for name in names], pa.string()).take(pa.array(fact))
    number = pa.array(np.round(effect, 4) + 0.0).cast(pa.string())  # + 0.0: no -0
    entry = join('{"fact": ', quoted, ', "text": "', although, _escaped(texts), '", "effect": ', number, "}")
    offsets = np.searchsorted(case, np.arange(len(effects) + 1)).astype(np.int32)
    return join("[", pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), entry), ", "), "]")


def _strongest(effects: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(case, fact, position of the case's strongest) of every reason told, case by case, strongest first; int64."""
    size = np.abs(effects)
    order = np.argsort(-size, axis=1, kind="stable")[:, :most]
    told = np.take_along_axis(size, order, axis=1) >= LEAST
    told[:, :1] = True
    case, place = np.nonzero(told)
    return case, order[case, place], np.searchsorted(case, case)


def _escaped(texts: pa.Array) -> pa.Array:
    """Texts as they stand between the quotes of JSON. Most need no change; names that a shop gives may."""
    special = pc.match_substring_regex(texts, r'["\\\x00-\x1f]')
    found = [json.dumps(text, ensure_ascii=False)[1:-1] for text in texts.filter(special).to_pylist()]
    return pc.replace_with_mask(texts, special, pa.array(found, pa.string()))
