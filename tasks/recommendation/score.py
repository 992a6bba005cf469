"""What lists were worth, by the measures that recommendations are judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.task import Cases, Score
from tasks.recommendation.folds import steps_seen, truth
from tasks.recommendation.forecast import Ranking
from tasks.recommendation.journal import ENTITY_KINDS, Journal
from tasks.recommendation.options import RecommendationOptions

GATE_METRIC = "ndcg_loss"

DEPTHS = (5, 10, 20)
"""Ranks down to which lists are judged, beside `k`."""

LENGTHS = {"1": (1, 2), "2-4": (2, 5), "5-9": (5, 10), "10+": (10, 2**62)}
"""Steps of history, [from, to), by name of the slice."""


@dataclass(frozen=True, eq=False)
class ListMetrics:
    """Measures of n lists down to a depth, float64 [n] each; NaN for a case without outcome."""

    recall: np.ndarray
    mrr: np.ndarray
    ndcg: np.ndarray


def score(journal: Journal, options: RecommendationOptions, cases: Cases, ranking: Ranking) -> Score:
    """Judge lists against the items of the step that came next.

    `ndcg_loss`: mean of 1 - NDCG@k. Beside it recall, hitrate, mrr and ndcg at 5, 10, 20 (as far as lists reach) and k;
    `NAME@k:SLICE` by steps of history and by kind of entity; `coverage@k`, the share of the items that could be shown
    that was; `novelty@k`, the mean of -log2 of a shown item's share of the events known before the first case (mean
    self-information: Zhou et al. 2010, PNAS 107), each item counted once more than it had any. Cases without outcome
    (nothing came next, or nothing that could have been shown) count nowhere; those without history in `recall@k:cold`
    alone.
    """
    offsets, wanted = truth(journal, cases)
    history = steps_seen(journal, cases)
    outcome = np.diff(offsets) > 0
    judged = outcome & (history > 0)
    count = int(judged.sum())
    hits = hits_of(ranking.items, offsets, wanted, len(journal.catalogue))
    at = {depth: metrics_at(hits, np.diff(offsets), depth) for depth in _depths(options.k)}
    whole = at[options.k]
    loss = np.where(judged, 1 - np.nan_to_num(whole.ndcg), 0.0) / max(count, 1)

    found = {GATE_METRIC: float(loss.sum()), "samples": float(count)}
    for depth, metrics in at.items():
        found |= _means(metrics, f"@{depth}", judged)
    for name, (least, below) in LENGTHS.items():
        found |= _means(whole, f"@{options.k}:{name}", judged & (history >= least) & (history < below))
    kind = journal.kind[cases.entity]
    for code, name in enumerate(ENTITY_KINDS):
        found |= _means(whole, f"@{options.k}:{name}", judged & (kind == code))
    cold = outcome & (history == 0)
    if cold.any():
        found[f"recall@{options.k}:cold"] = float(whole.recall[cold].mean())
    if len(cases):
        found |= _variety(journal, cases, ranking.items, options.k)
    return Score(found, loss, cases.entity)


def hits_of(items: np.ndarray, offsets: np.ndarray, wanted: np.ndarray, catalogue: int) -> np.ndarray:
    """Which ranks of each list hold a wanted item, bool [n, k]. `items`: int32 [n, k], -1 for none; `offsets`, `wanted`
    as `truth` gives them; `catalogue`: how many items there are."""
    wide = max(catalogue, 1)
    case = np.repeat(np.arange(len(items)), np.diff(offsets))
    key = np.append(case * wide + wanted, np.iinfo(np.int64).max)  # ascending
    mine = np.arange(len(items))[:, None] * wide + items
    return (items >= 0) & (key[np.searchsorted(key, mine)] == mine)


def metrics_at(hits: np.ndarray, wanted: np.ndarray, depth: int) -> ListMetrics:
    """Measures of lists down to `depth`. `hits`: bool [n, k], `wanted`: int64 [n], how many items came next.

    Recall: the share of wanted items in the list. Hit rate: the share of lists with any of them. MRR: 1 / rank of the
    first hit, 0 without one. NDCG: the sum of 1 / log2(1 + rank) over hits, over what the best list of this depth would
    have (Jarvelin and Kekalainen 2002, binary gains).
    """
    hits = hits[:, :depth]
    discount = 1 / np.log2(np.arange(2, depth + 2))
    ideal = np.append(0.0, np.cumsum(discount))[np.minimum(wanted, depth)]
    first = hits.argmax(axis=1) if hits.shape[1] else np.zeros(len(hits), int)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hits.sum(axis=1) / wanted
        ndcg = hits @ discount[: hits.shape[1]] / ideal
    mrr = np.where(wanted > 0, np.where(hits.any(axis=1), 1.0 / (1 + first), 0.0), np.nan)
    return ListMetrics(recall, mrr, ndcg)


def _depths(k: int) -> tuple[int, ...]:
    return tuple(sorted({k, *(depth for depth in DEPTHS if depth < k)}))


def _means(metrics: ListMetrics, suffix: str, which: np.ndarray) -> dict[str, float]:
    """Means over some cases; nothing where there are none."""
    if not which.any():
        return {}
    values = {"recall": metrics.recall, "hitrate": metrics.mrr > 0, "mrr": metrics.mrr, "ndcg": metrics.ndcg}
    return {f"{name}{suffix}": float(value[which].mean()) for name, value in values.items()}


def _variety(journal: Journal, cases: Cases, items: np.ndarray, k: int) -> dict[str, float]:
    """Coverage and novelty of what was shown."""
    shown = items[:, :k][items[:, :k] >= 0]
    catalogue = journal.catalogue
    could = int((catalogue.listed & catalogue.known(cases.cutoff.max())).sum())
    if not len(shown) or not could:
        return {f"coverage@{k}": 0.0}
    before = journal.events.occurred_at < cases.cutoff.min()
    count = np.bincount(journal.events.columns["item"][before], minlength=len(catalogue)) + 1
    share = count / count.sum()
    return {
        f"coverage@{k}": len(np.unique(shown)) / could,
        f"novelty@{k}": float(-np.log2(share[shown]).mean()),
    }
