"""The CSV drop: whole files, the same when written again, worst first, and no cell that becomes a formula."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from receivers import delivery

from db.outbox import Delivery
from forecasting.app.channels.csv_drop import STALE_SECONDS, CsvDrop, file_name
from forecasting.schema import ConfigurationError
from tasks.churn.outputs import CHURN_ALERTS

LEDGERS = {CHURN_ALERTS.name: CHURN_ALERTS}
NAME = "churn_alerts-2026-03-01-run-1.csv"


def drop(directory: Path, of_run: Sequence[Delivery]) -> CsvDrop:
    def look_up(run_id: str) -> list[Delivery]:
        return [one for one in of_run if one.run_id == run_id]

    return CsvDrop(directory, look_up, LEDGERS, where="[alerts.drop]")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_is_one_file_worst_first(tmp_path: Path) -> None:
    mild = delivery(9, payload={"band": "medium"})
    closed = delivery(3, "closed")
    every = [closed, mild, delivery(1), delivery(2)]
    assert [one.state for one in drop(tmp_path / "a" / "b", every).send(every)] == ["delivered"] * 4
    rows = table(tmp_path / "a" / "b" / NAME)
    assert [row["customer_id"] for row in rows] == ["C2", "C1", "C9", "C3"]
    assert list(rows[0])[:4] == ["event", "customer_id", "band", "probability"]
    assert rows[0]["reasons"] == "last order 64 days ago" and rows[0]["value_at_risk"] == "150"
    assert rows[3]["event"] == "closed" and rows[3]["closed_because"] == "settled"
    assert rows[0]["delivery_id"] == delivery(2).delivery_id


def test_it_holds_all_of_the_run_and_writing_it_again_changes_nothing(tmp_path: Path) -> None:
    every = [delivery(number) for number in range(5)]
    channel = drop(tmp_path, every)
    channel.send(every[:2])
    once = (tmp_path / NAME).read_bytes()
    assert len(table(tmp_path / NAME)) == 5
    channel.send(every[3:])
    assert (tmp_path / NAME).read_bytes() == once
    assert [path.name for path in tmp_path.iterdir()] == [NAME], "nothing half written stays"


def test_a_run_of_many_batches_is_written_once(tmp_path: Path) -> None:
    """Until it has more to tell: somebody closed an alert of it by hand."""
    every = [delivery(number) for number in range(6)]
    channel = drop(tmp_path, every)
    channel.send(every[:2])
    (tmp_path / NAME).unlink()  # whoever picks files up was quick
    assert [one.state for one in channel.send(every[2:])] == ["delivered"] * 4
    assert not (tmp_path / NAME).exists()
    every.append(delivery(1, "closed"))
    channel.send(every[6:])
    assert len(table(tmp_path / NAME)) == 7


def test_runs_have_files_of_their_own(tmp_path: Path) -> None:
    later = replace(delivery(2, run_id="run-2"), as_of=datetime(2026, 3, 2, 4, 30, tzinfo=UTC))
    drop(tmp_path, [delivery(1), later]).send([delivery(1), later])
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, "churn_alerts-2026-03-02T043000-run-2.csv"]
    assert file_name(later) == "churn_alerts-2026-03-02T043000-run-2.csv"


def test_no_cell_starts_a_formula(tmp_path: Path) -> None:
    nasty = delivery(1, payload={"customer_id": "=1+1", "reasons": [{"text": "@SUM(A1)"}, {"text": 'b, "c"\n'}]})
    drop(tmp_path, [nasty]).send([nasty])
    (row,) = table(tmp_path / NAME)
    assert row["customer_id"] == "'=1+1" and row["reasons"] == '\'@SUM(A1); b, "c"\n'


def test_a_ledger_of_a_task_that_is_gone_is_still_written(tmp_path: Path) -> None:
    CsvDrop(tmp_path, lambda run: [delivery(1)], {}, where="").send([delivery(1)])
    (row,) = table(tmp_path / NAME)
    assert row["event"] == "raised" and row["customer_id"] == "C1" and row["delivery_id"]


def test_what_a_killed_writer_left_is_tidied_when_it_is_old(tmp_path: Path) -> None:
    old, young = (tmp_path / f".{NAME}.{word}.part" for word in ("aaaa", "bbbb"))
    for path in (old, young):
        path.write_text("half")
    os.utime(old, (0, old.stat().st_mtime - STALE_SECONDS - 5))
    drop(tmp_path, [delivery(1)]).send([delivery(1)])
    assert not old.exists() and young.exists()


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    channel = drop(tmp_path / "file" / "below", [delivery(1)])
    (answer,) = channel.send([delivery(1)])
    assert answer.state == "failed" and "cannot be written" in answer.error
    with pytest.raises(ConfigurationError, match="no directory"):
        channel.check()
    assert drop(tmp_path / "new" / "one", []).check() == []
    assert not (tmp_path / "new").exists(), "a check writes nothing"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigurationError, match="may not be written"):
        drop(tmp_path, []).check()
