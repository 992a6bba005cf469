"""The score of an item: what the network, the crowd and the case's own past say of it, weighed.

A log-linear pool of unlike opinions, fitted as a conditional logit on cases later than those that the opinions were
formed on: the network's logits get a temperature, and repeat purchase, neighbours, rules and popularity as much weight
as what was really chosen next gives them. Each weight depends on how much is known of the case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.histories import ragged_ranges
from tasks.recommendation.candidates import Candidates
from tasks.recommendation.choice import Choices, fit_choice
from tasks.recommendation.signals import OWN, VECTORS, Signals
from tasks.recommendation.topk import top_k

NETWORK = "network"
CONTEXT = ("always", "steps", "none")
"""What a weight depends on: nothing, log of 1 + the steps seen, whether there are none."""

PENALTY = 3.0
ROUNDS = 2
WEIGHED_CASES = 3_000
"""Cases that weights are fitted on, at most: they are few."""

LIKELIEST = 100
"""Items that the network likes best in a case stand for themselves in the fit, and so does every candidate."""

SAMPLE = 256
"""Others of a case that stand for all the rest."""

NEW = "new"

MOST_FOR_NEW = 3.0
"""Log-odds that an item may have for being new to the network, at most. The new items of the fit are few, and those to
come may be many and others: as much as paid on any set looked at, and too little to fill a list."""

_LONG = 50
"""Steps of a long case, up to which that holds."""

_AT_ONCE = 128

Truth = tuple[np.ndarray, np.ndarray]
"""What cases chose next: (offsets int64 [n + 1], items int32), as `folds.truth` gives it."""


@dataclass(frozen=True, eq=False)
class Blend:
    """Weights by name of the value: float64 [len(CONTEXT)] each.

    `every`: of the network, if it has a part, and of the vectors. `some`: of the candidates' values; for the case's own
    items once more of the vectors and of what others say ("own x ...").
    """

    every: Mapping[str, np.ndarray]
    some: Mapping[str, np.ndarray]

    def scores(self, signals: Signals) -> tuple[np.ndarray, Candidates]:
        """Log-odds of each item to be the next one, float32 [n, N], and what the candidates have beyond that."""
        weights = np.array([self.every[name] for name in signals.vector_names])
        context = _context(signals.steps)
        dense = np.empty((len(signals), signals.vectors.shape[2]), np.float32)
        for day, vectors in enumerate(signals.vectors):
            cases = signals.day == day
            dense[cases] = context[cases] @ (weights.T @ vectors).astype(np.float32)
        if signals.logits is not None and NETWORK in self.every:
            dense += signals.logits * (context @ self.every[NETWORK].astype(np.float32))[:, None]
        return dense, self.additions(signals)

    def additions(self, signals: Signals) -> Candidates:
        """What the candidates have beyond what every item has; asks for no logits."""
        found = signals.candidates
        context = _context(signals.steps)
        each = np.array([self.some[name] for name in _some_names(signals)], np.float32)
        parts = _some(signals, found.case, found.item, np.arange(len(found.item))) @ each
        return Candidates(found.offsets, found.item, (parts * context[found.case]).sum(axis=1, keepdims=True))

    def factors(self, items: np.ndarray, bias: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """float32 [N, D + 1 + len(CONTEXT)]: what `queries` are to be multiplied by to give the dense scores of a day.
        `items`: float32 [N, D] and `bias`: float32 [N], the network's. `vectors`: float32 [P, N], by `VECTORS`."""
        weights = np.array([self.every[name] for name in VECTORS])
        return np.concatenate([items, bias[:, None], (weights.T @ vectors).T], axis=1, dtype=np.float32)

    def queries(self, asked: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """float32 [n, D + 1 + len(CONTEXT)], of the network's queries `asked`, float32 [n, D], and the steps seen."""
        context = _context(steps)
        scale = (context @ self.every[NETWORK].astype(np.float32))[:, None]
        return np.concatenate([asked * scale, scale, context], axis=1)

    def document(self) -> dict[str, Any]:
        """The weights as JSON values."""
        return {
            part: {name: [float(value) for value in weights] for name, weights in named.items()}
            for part, named in (("every", self.every), ("some", self.some))
        }

    @staticmethod
    def restore(document: Mapping[str, Any]) -> Blend:
        """The blend of a stored document; its scores are bit-identical."""
        every, some = (
            {str(name): np.array(weights, np.float64) for name, weights in document[part].items()}
            for part in ("every", "some")
        )
        return Blend(every, some)


def fit_blend(blocks: Iterable[tuple[Signals, Truth]], *, seed: int = 0, penalty: float = PENALTY) -> Blend:
    """The weights under which what the cases of all blocks chose next is most likely.

    Cases that chose nothing are left out. They must be later than what the network was trained on, and should be like
    those to come. Blocks are looked at one after the other, and only the alternatives of each case are kept: of more
    than WEIGHED_CASES cases take a sample before asking for their signals. Deterministic for a seed.
    """
    random = np.random.default_rng(seed)
    parts: list[tuple[np.ndarray, ...]] = []
    for signals, truth in blocks:
        parts += _draw_all(signals, truth, random)
    names = ([NETWORK] if signals.logits is not None else []) + list(signals.vector_names)
    some_names = _some_names(signals)
    # what is not known better: the network's own probabilities
    every = np.zeros((len(names), len(CONTEXT)))
    every[0, 0] = signals.logits is not None
    some = np.zeros((len(some_names), len(CONTEXT)))
    if parts:
        every, some = fit_choice(_choices(parts), every, some, penalty, ROUNDS)
    weights = dict(zip(names, every, strict=True))
    if NEW in weights:
        weights[NEW] = _bounded(weights[NEW])
    return Blend(weights, dict(zip(some_names, some, strict=True)))


def _bounded(weights: np.ndarray) -> np.ndarray:
    """The weights, float64 [len(CONTEXT)], scaled down so that they add up to MOST_FOR_NEW at most in any case."""
    most = float((_context(np.arange(_LONG + 1)) @ weights).max())
    return weights * (MOST_FOR_NEW / most) if most > MOST_FOR_NEW else weights


def draw_choices(signals: Signals, truth: Truth, seed: int) -> Choices:
    """The alternatives of each case that chose something, with a sample for those that nothing speaks for."""
    return _choices(_draw_all(signals, truth, np.random.default_rng(seed)))


def _draw_all(signals: Signals, truth: Truth, random: np.random.Generator) -> list[tuple[np.ndarray, ...]]:
    offsets, wanted = _open_only(signals, truth)
    used = np.flatnonzero(np.diff(offsets) > 0)
    return [
        _draw(signals, used[start : start + _AT_ONCE], offsets, wanted, random)
        for start in range(0, len(used), _AT_ONCE)
    ]


def _open_only(signals: Signals, truth: Truth) -> Truth:
    """What was chosen of what is open. Anything else would have no like among what was not chosen, and whatever tells
    it apart would get all the weight that there is."""
    offsets, wanted = truth
    case = np.repeat(np.arange(len(signals)), np.diff(offsets))
    kept = signals.open(case, wanted)
    counts = np.bincount(case[kept], minlength=len(signals))
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), wanted[kept]


def _choices(parts: list[tuple[np.ndarray, ...]]) -> Choices:
    counts, every, some, rows, stands_for, chosen, context = (list(column) for column in zip(*parts, strict=True))
    before = np.cumsum([0] + [len(part) for part in every[:-1]])
    return Choices(
        np.concatenate([[0], np.cumsum(np.concatenate(counts))]),
        np.concatenate(every),
        np.concatenate(some),
        np.concatenate([part + shift for part, shift in zip(rows, before, strict=True)]),
        np.concatenate(stands_for),
        np.concatenate(chosen),
        np.concatenate(context),
    )


def _draw(
    signals: Signals, cases: np.ndarray, offsets: np.ndarray, wanted: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """(alternatives of each case, then `every`, `some`, `rows`, `stands_for`, `chosen`, `context` as in `Choices`)."""
    count, items = len(cases), signals.vectors.shape[2]
    line = np.arange(count)
    entry = np.full((count, items), -1, np.int64)  # where in the candidates an item stands
    found = signals.candidates
    lengths = np.diff(found.offsets)[cases]
    place = ragged_ranges(found.offsets[cases], lengths)
    entry[np.repeat(line, lengths), found.item[place]] = place
    chosen = np.zeros((count, items), np.float32)
    sizes = np.diff(offsets)[cases]
    taken = wanted[ragged_ranges(offsets[cases], sizes)]
    chosen[np.repeat(line, sizes), taken] = np.repeat(1 / sizes, sizes)
    open_ = signals.open(cases[:, None], np.arange(items)[None])
    itself = (open_ & (entry >= 0)) | (chosen > 0)
    if signals.logits is not None:
        likeliest, _ = top_k(np.where(open_, signals.logits[cases], -np.inf).astype(np.float32), LIKELIEST)
        shown = likeliest >= 0
        itself[np.repeat(line, likeliest.shape[1])[shown.ravel()], likeliest[shown]] = True
    rest = open_ & ~itself
    drawn = rest
    if items > 4 * SAMPLE:
        drawn = np.zeros_like(rest)
        drawn[line[:, None], random.integers(0, items, (count, SAMPLE))] = True
        drawn &= rest
    ratio = rest.sum(axis=1) / np.maximum(drawn.sum(axis=1), 1)
    one, item = np.nonzero(itself | drawn)
    case = cases[one]
    every = signals.vectors[signals.day[case], :, item]
    if signals.logits is not None:
        every = np.concatenate([signals.logits[case, item][:, None], every], axis=1)
    place = entry[one, item]
    rows = np.flatnonzero(place >= 0)
    some = _some(signals, case[rows], item[rows], place[rows])
    stands_for = np.where(itself[one, item], 0, np.log(np.maximum(ratio, 1e-9))[one]).astype(np.float32)
    context = _context(signals.steps[cases])
    return np.bincount(one, minlength=count), every, some, rows, stands_for, chosen[one, item], context


def _some(signals: Signals, case: np.ndarray, item: np.ndarray, place: np.ndarray) -> np.ndarray:
    """float32 [m, len(_some_names)]: the values of the candidates at `place`; of those that are the case's own, the
    vectors and what others say of them once more: what speaks for a new item may not speak for one known long since."""
    values = signals.candidates.values[place]
    if OWN not in signals.names:
        return values
    crossed = [signals.vectors[signals.day[case], :, item], values[:, _of_others(signals)]]
    own = values[:, [signals.names.index(OWN)]]
    return np.concatenate([values, *(own * part for part in crossed)], axis=1)


def _of_others(signals: Signals) -> list[int]:
    """Places of the values that are logs of shares among what others had to do with."""
    return [place for place, name in enumerate(signals.names) if name.endswith("_log")]


def _some_names(signals: Signals) -> list[str]:
    if OWN not in signals.names:
        return list(signals.names)
    crossed = [*signals.vector_names, *(signals.names[place] for place in _of_others(signals))]
    return [*signals.names, *(f"own x {name}" for name in crossed)]


def _context(steps: np.ndarray) -> np.ndarray:
    """float32 [n, len(CONTEXT)]."""
    return np.stack([np.ones(len(steps)), np.log1p(steps), steps == 0], axis=1).astype(np.float32)
