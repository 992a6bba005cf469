"""The items of the shop as the merchandisers' page needs them: how much wanted lately, and why any is withheld."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tasks.recommendation.journal import PURCHASE, Journal
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.rules import Closures

RECENT = np.timedelta64(28, "D")
"""Events count as recent while they are no older than this at the newest event known."""


def item_rows(journal: Journal, options: RecommendationOptions, cutoff: np.datetime64, case: int) -> pa.Table:
    """A row of `recommendation_items` for each item known at the cutoff, all with `case` in front."""
    events, catalogue = journal.events, journal.catalogue
    since = _recent_since(journal, cutoff)
    recent = (events.occurred_at >= since) & (events.occurred_at < cutoff)
    item, bought = events.columns["item"], events.columns["kind"] == PURCHASE
    wanted = np.bincount(item[recent], minlength=len(catalogue))
    purchases = np.bincount(item[recent & bought], minlength=len(catalogue))
    known = np.flatnonzero(catalogue.known(cutoff))
    share = wanted[known] / max(wanted.sum(), 1)
    price = catalogue.price[known].astype(np.float64)
    return pa.table(
        {
            "case": pa.array(np.full(len(known), case), pa.int64()),
            "item_id": pa.array(catalogue.ids[known], pa.string()),
            "title": pa.array(catalogue.title[known], pa.string()),
            "category": pa.array(_category(journal)[known], pa.string()),
            "price": pa.array(price, pa.float64(), mask=np.isnan(price)),
            "since": pa.array(np.full(len(known), since)).cast(pa.timestamp("us", "UTC")),
            "events_recent": pa.array(wanted[known], pa.int64()),
            "purchases_recent": pa.array(purchases[known], pa.int64()),
            "share_recent": pa.array(share, pa.float64()),
            "withheld": pa.array(withheld(journal, options, cutoff)[known], pa.string()),
        }
    )


def withheld(journal: Journal, options: RecommendationOptions, cutoff: np.datetime64) -> np.ndarray:
    """Why nobody may be shown an item, object [N] of str, None where everybody may."""
    catalogue = journal.catalogue
    reasons = np.full(len(catalogue), None, object)
    if options.exclude_out_of_stock and journal.stock is not None:
        reasons[_closed(Closures.sold_out(journal.stock), cutoff)] = "out of stock"
    reasons[_closed(Closures.denied(catalogue, options), cutoff)] = "denied"
    reasons[~catalogue.listed] = "not in items"
    return reasons


def _closed(closures: Closures, cutoff: np.datetime64) -> np.ndarray:
    """Items, int32 [m], that may not be shown at an instant."""
    return closures.item[(closures.since <= cutoff) & (closures.until > cutoff)]


def _recent_since(journal: Journal, cutoff: np.datetime64) -> np.datetime64:
    """The instant, datetime64[us], from which on events are recent."""
    at = journal.events.occurred_at
    seen = at[at < cutoff]
    newest = seen.max() if len(seen) else cutoff
    return newest.astype("datetime64[us]") - RECENT


def _category(journal: Journal) -> np.ndarray:
    """The category of each item, object [N] of str or None."""
    catalogue = journal.catalogue
    if "category" not in catalogue.labels:
        return np.full(len(catalogue), None, object)
    return np.concatenate([catalogue.categories["category"], np.array([None], object)])[catalogue.labels["category"]]
