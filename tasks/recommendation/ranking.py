"""From scores to lists: what may be shown, the best of it, and no more memory than a block of cases takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from forecasting.task import Cases
from tasks.recommendation.candidates import Candidates
from tasks.recommendation.diversity import capped_top_k
from tasks.recommendation.forecast import Ranking
from tasks.recommendation.journal import Journal
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.rules import Closures, seen
from tasks.recommendation.topk import top_k

BLOCK_BYTES = 24 << 20
"""Scores in memory at a time: little enough that the allocator hands the same pages out again, block after block."""

BLOCK_CASES = 4096
"""At most so many cases at a time, however small the catalogue."""

Scorer = Callable[[Cases], tuple[np.ndarray, Candidates | None]]
"""Scores of a block of b cases: dense float32 [b, N], or [N] where they are the same for all, finite, and additions to
some of them (of each item the sum of its F values). A writable [b, N] array is the ranking's to write over."""


def rank(
    journal: Journal,
    options: RecommendationOptions,
    cases: Cases,
    scorer: Scorer,
    *,
    probabilities: bool = False,
) -> Ranking:
    """The k best items that may be shown to each case: k of them wherever so many may be shown at all.

    Never shown: items that are not listed or not known by the cutoff, and what the options exclude (denied, denied
    categories, out of stock, seen). Where nothing is left the list is empty: nothing to show is no error. Equal scores
    go by position in the catalogue. With `probabilities` the scores are log-odds of a choice among all items that
    exist at the cutoff, and come out as softmax probabilities of that choice; what the rules then hide takes its share
    with it. Raises ValueError where a score that decides is not finite.
    """
    count = len(journal.catalogue)
    items = np.full((len(cases), options.k), -1, np.int32)
    values = np.full((len(cases), options.k), -np.inf, np.float32)
    if not count:
        return Ranking(items, np.zeros_like(values))
    unborn = Closures.unborn(journal.catalogue).within(cases.cutoff)
    hidden = Closures.denied(journal.catalogue, options)
    if options.exclude_out_of_stock and journal.stock is not None:
        hidden += Closures.sold_out(journal.stock)
    hidden = hidden.within(cases.cutoff)
    block = int(np.clip(BLOCK_BYTES // (4 * count), 1, BLOCK_CASES))
    for start in range(0, len(cases), block):
        part = cases.take(np.arange(start, min(start + block, len(cases))))
        scores = _scores(part, count, scorer)
        unborn.close(scores, part.cutoff)
        total = log_total(scores) if probabilities else None
        hidden.close(scores, part.cutoff)
        if options.exclude_seen:
            scores[seen(journal, part)] = -np.inf
        rows = slice(start, start + len(part))
        items[rows], best = _best(scores, journal, options)
        values[rows] = best if total is None else np.exp(best - total[:, None])
    shown = items >= 0
    if not np.isfinite(values[shown]).all():
        raise ValueError("scores must be finite")
    values[~shown] = 0.0
    return Ranking(items, values)


def _scores(cases: Cases, count: int, scorer: Scorer) -> np.ndarray:
    """Dense scores with the additions in them, float32 [b, N], ours to write to."""
    dense, additions = scorer(cases)
    if dense.ndim == 1:
        dense = np.broadcast_to(dense, (len(cases), count))
    if dense.dtype != np.float32 or not dense.flags.writeable or not dense.flags.c_contiguous:
        dense = np.array(dense, dtype=np.float32, order="C")
    if additions is not None:
        dense[additions.case, additions.item] += additions.values.sum(axis=1)
    return dense


def _best(scores: np.ndarray, journal: Journal, options: RecommendationOptions) -> tuple[np.ndarray, np.ndarray]:
    category = journal.catalogue.labels.get("category")
    if options.per_category is None or category is None:
        return top_k(scores, options.k)
    return capped_top_k(scores, category, options.per_category, options.k)


def log_total(scores: np.ndarray, none: float = 0.0) -> np.ndarray:
    """log sum exp of each row, float32 [b]; `none` where nothing is open."""
    parts = torch.from_numpy(scores).split(16)  # what it needs between stays in the caches
    total = torch.cat([torch.logsumexp(part, dim=1) for part in parts]).numpy()
    return np.where(total == -np.inf, np.float32(none), total)
