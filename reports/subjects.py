"""Whose rows these are, in plain words."""

from __future__ import annotations

from reports.view import Provenance

NAMES = {
    "model": "the trained model",
    "champion": "the reigning model",
    "seasonal_naive": "the last season's sales repeated",
    "moving_average": "the average of recent sales",
    "empirical_quantiles": "how often each quantity sold lately",
    "croston_tsb": "Croston's rule for slow sellers",
    "network": "the network alone",
    "popularity": "what is wanted most",
    "recent_popularity": "what was wanted most lately",
    "item_knn": "what goes together with the items seen",
    "session_knn": "what similar visits wanted",
    "own_items": "the customer's own items again",
    "recency": "how long ago they bought",
    "rfm_logistic": "last order, number of orders and money spent",
    "route": "how long the same route took",
    "origin_route": "how long the same origin and route took",
    "ridge": "a straight line through what is known (ridge)",
    "promise": "the shop's own promise",
    "activity_mean": "the mean of the time left at each step",
    "bg_nbd": "the usual model of repeat buying (BG/NBD)",
}
"""Plain names of subjects and of baselines that are known; others are shown as they are called."""


def subject_name(subject: str | None) -> str:
    """A subject of the ledgers ("model", "champion", "baseline:NAME") in plain words."""
    if not subject:
        return "an unknown rule"
    name = subject.removeprefix("baseline:").removeprefix("part:")
    return NAMES.get(name, name.replace("_", " "))


def maker(provenance: Provenance) -> str:
    """Who made the published rows."""
    name = subject_name(provenance.subject)
    return f"a simple rule ({name})" if (provenance.subject or "").startswith("baseline:") else name
