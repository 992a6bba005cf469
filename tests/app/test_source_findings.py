"""What `check` says of a source: how full its columns are, which statuses there are, what a missing column costs."""

from __future__ import annotations

import pyarrow as pa
import pytest

from forecasting.app.source_findings import SourceFinding, costs
from forecasting.schema import SourceNeed

NEED = SourceNeed(
    "orders",
    columns_without={
        "promised_at": "no late probability",
        "origin_latitude, origin_longitude": "no distances",
        "origin_id": "no origin",
    },
)


def test_columns_that_are_absent_or_empty_cost_something() -> None:
    table = pa.table({"promised_at": pa.nulls(2), "origin_latitude": [1.0, None], "origin_id": ["a", None]})
    assert list(costs(NEED, table)) == [
        "promised_at of orders holds nothing: no late probability",
        "runs without origin_longitude of orders: no distances",
    ]


@pytest.mark.parametrize(
    ("share", "said"), [(0.0, "0.0%"), (1e-6, "less than 0.1%"), (0.5, "50.0%"), (1 - 1e-6, "99.9%")]
)
def test_shares_are_never_rounded_to_all_or_nothing(share: float, said: str) -> None:
    found = SourceFinding("orders", "ok", columns=("order_id", "value"), filled={"value": share})
    assert list(found.lines()) == [f"has order_id, value ({said} of rows)"]


def test_many_statuses_are_cut() -> None:
    found = SourceFinding("order_events", "ok", values={"status": {f"s{n:02}": 100 - n for n in range(13)}})
    assert next(found.lines()).endswith("s11 (89), ...")
