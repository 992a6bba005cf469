"""What nights of churn should have warned about, one customer at a time, from the rows that they published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from tasks.churn.options import BANDS


@dataclass(frozen=True)
class Rules:
    """The options that say so. All nights lie within the cooldown: what was once said is not said again."""

    least_value: float
    start_limit: int


def worse(rules: Rules, before: pd.DataFrame | None, now: pd.DataFrame, known: pd.DataFrame) -> dict[str, str]:
    """The band of every customer who is worse than last night, worth it, and no news yet, the most valuable first.

    `before`, `now`: rows of `churn_risks`; None where there are none to compare with. `known`: `customer_id` and
    `band` of the alerts so far.
    """
    old = {}
    if before is not None:  # whoever was not worth a word yesterday is news whatever the band was
        small = before["value_at_risk"].fillna(0.0) < rules.least_value
        old = dict(zip(before["customer_id"], before["band"].mask(small, "low"), strict=True))
    found = {}
    for row in now.sort_values("value_at_risk", ascending=False).itertuples():
        rank = BANDS.index(row.band)
        said = [BANDS.index(band) for band in known["band"][known["customer_id"] == row.customer_id]]
        was = BANDS.index(old[row.customer_id]) if row.customer_id in old else 1
        worth = 0.0 if pd.isna(row.value_at_risk) else row.value_at_risk
        if rank > was and worth >= rules.least_value and not any(one >= rank for one in said):
            found[row.customer_id] = row.band
    return found


def replayed(rules: Rules, nights: Iterable[tuple[str, pd.DataFrame]]) -> set[tuple[str, str, str]]:
    """(run, customer, band) of the alerts that nights, each a subject and its rows, should have raised. Learned models
    are all the same method."""
    alerts: list[tuple[str, str, str]] = []
    method, before = None, None
    for subject, rows in nights:
        name = subject if subject.startswith("baseline:") else "learned"
        known = pd.DataFrame(alerts, columns=["run_id", "customer_id", "band"])
        compared = before if name == method else None
        found = list(worse(rules, compared, rows, known).items())
        found = found if compared is not None else found[: rules.start_limit]
        alerts += [(rows["run_id"].iloc[0], customer, band) for customer, band in found]
        method, before = name, rows
    return set(alerts)
