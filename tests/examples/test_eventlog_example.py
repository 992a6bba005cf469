"""examples/eventlog: cases with activities and nothing else."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from foreign_warehouse import EXAMPLES, Foreign, create, source_url
from made_up_orders import made_up

END = pd.Timestamp("2012-07-20")


@pytest.fixture(scope="module")
def cases() -> pd.DataFrame:
    return made_up(420, END)


@pytest.fixture
def desk(warehouse_url: str, tmp_path: Path, cases: pd.DataFrame) -> Foreign:
    """1 opens a case and 6 closes it. Every tenth case is looked at again, and closed for good two days later."""
    stamps = {1: cases["placed"], 8: cases["accepted"], 9: cases["sent"], 6: cases["arrived"]}
    log = pd.concat([pd.DataFrame({"case_id": cases["number"], "activity": a, "ts": at}) for a, at in stamps.items()])
    again = cases[cases["number"] % 10 == 0]
    for activity, later in ((9, pd.Timedelta("1D")), (6, pd.Timedelta("2D"))):
        reopened = pd.DataFrame({"case_id": again["number"], "activity": activity, "ts": again["arrived"] + later})
        log = pd.concat([log, reopened])
    url = source_url(warehouse_url, tmp_path)
    create(url, {"eventlog": log[log["ts"] < END].sample(frac=1, random_state=1)})
    return Foreign(EXAMPLES / "eventlog" / "forecasting.toml", "EVENTLOG_URL", url, warehouse_url, tmp_path)


def test_a_case_is_complete_once_its_last_event_closes_it(desk: Foreign, cases: pd.DataFrame) -> None:
    expected = cases.set_index(cases["number"].astype(str))
    read = desk.read("orders").set_index("order_id").loc[expected.index]
    assert list(read["placed_at"].dt.tz_localize(None)) == list(expected["placed"])
    again = expected["number"] % 10 == 0
    completed = read["completed_at"].dt.tz_localize(None)
    assert completed[~again].equals(expected["arrived"][~again].astype("datetime64[us]"))
    reopened = expected["arrived"][again]
    for arrived, at in zip(reopened, completed[again], strict=True):
        if arrived + pd.Timedelta("2D") < END:
            assert at == arrived + pd.Timedelta("2D")
        else:
            assert pd.isna(at) == (pd.isna(arrived) or arrived + pd.Timedelta("1D") < END)
    events = desk.read("order_events")
    assert set(events["status"]) == {"1", "6", "8", "9"} and set(events["order_id"]) == set(read.index)


def test_check_and_a_night(desk: Foreign, cases: pd.DataFrame) -> None:
    found = desk.document("check")
    (task,) = found["tasks"]
    assert task["ready"]
    said = " ".join(task["notes"])
    assert "no late_probability" in said and "no distances" in said and "order_lines" in said
    run = desk.document("run", "completion", "--as-of", str(END.date()), code=(0, 3))["runs"][0]
    assert run["published"]
    rows = desk.view("current_order_completions")
    assert len(rows) > 0 and set(rows["stage"]) <= {"placed", "1", "8", "9", "6"}
    assert rows["late_probability"].isna().all()
    assert (rows["as_of"] <= rows["completes_p10"]).all()
