"""Why a customer may leave or stay, in words that CRM reads: each of them true of the customer as of the cutoff.

What moves the probability, and by how much, is the forecaster's to say (`explain`); the words tell the fact behind it,
and read on from those that agree with how likely it is: "usually buys every 21 days, last order 64 days ago; although
12 orders so far".
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


def reasons(told: Facts, names: tuple[str, ...], effects: np.ndarray, at_risk: np.ndarray, most: int) -> pa.Array:
    """The reasons of n cases as JSON, string [n]: lists of {"fact", "text", "effect"}, at most `most`.

    `names`: the facts; `effects`: float64 [n, facts], what each adds to the probability; `at_risk`: bool [n], whether
    it is to be told why the customer may leave, rather than why they stay. Those that say so come first, then, each
    beginning with "although", those that speak against it; strongest first. Under LEAST they are left out, but one is
    always told, and one that says so wherever there is any.
    """
    case, fact = _told(np.where(at_risk[:, None], effects, -effects), most)
    effect = effects[case, fact]
    agrees = (effect > 0) == at_risk[case]
    lead = agrees[np.searchsorted(case, case)]  # where no reason agrees, none goes with "although"
    texts = pa.nulls(len(case), pa.string())
    for number, name in enumerate(names):
        mine = fact == number
        words = in_words(name, told.take(case[mine]), effect[mine] > 0)
        texts = pc.replace_with_mask(texts, pa.array(mine), words)
    although = choose((lead & ~agrees, "although "), otherwise="")
    quoted = pa.array([json.dumps(name, ensure_ascii=False) for name in names], pa.string()).take(pa.array(fact))
    number = pa.array(np.round(effect, 4) + 0.0).cast(pa.string())  # + 0.0: no -0
    entry = join('{"fact": ', quoted, ', "text": "', although, _escaped(texts), '", "effect": ', number, "}")
    offsets = np.searchsorted(case, np.arange(len(effects) + 1)).astype(np.int32)
    return join("[", pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), entry), ", "), "]")


def _told(towards: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """(case, fact), int64, of every reason told, case by case: those with a positive effect `towards` (float64 [n,
    facts]) what is to be told first, each kind strongest first."""
    best = towards == towards.max(axis=1, keepdims=True, initial=-1.0)
    size = np.abs(towards) + np.where(best & (towards >= LEAST), 2.0, 0.0)  # it is told even if others are stronger
    chosen = np.argsort(-size, axis=1, kind="stable")[:, :most]
    effect = np.take_along_axis(towards, chosen, axis=1)
    kept = np.abs(effect) >= LEAST
    kept[:, :1] = True
    order = np.argsort(np.where(kept, 0, 4) + np.where(effect > 0, 0, 2) - np.abs(effect), axis=1, kind="stable")
    case, place = np.nonzero(np.take_along_axis(kept, order, axis=1))
    return case, np.take_along_axis(chosen, order, axis=1)[case, place]


def _escaped(texts: pa.Array) -> pa.Array:
    """Texts as they stand between the quotes of JSON. Most need no change; names that a shop gives may."""
    special = pc.match_substring_regex(texts, r'["\\\x00-\x1f]')
    found = [json.dumps(text, ensure_ascii=False)[1:-1] for text in texts.filter(special).to_pylist()]
    return pc.replace_with_mask(texts, special, pa.array(found, pa.string()))
