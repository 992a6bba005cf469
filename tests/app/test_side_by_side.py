"""Commands beside each other: every document comes home, and no process stays behind."""

from __future__ import annotations

import os

import psutil
import pytest

from forecasting.app.side_by_side import cores, documents


def children() -> list[psutil.Process]:
    mine = psutil.Process().children(recursive=True)
    return [child for child in mine if "forecasting.app.main" in " ".join(child.cmdline())]


def test_documents_come_in_the_order_of_the_commands() -> None:
    begun: list[int] = []
    found = documents([["tasks"], ["nonsense"], ["tasks"]], os.environ, at_a_time=2, started=begun.append)
    first, refused, last = found
    assert first == last and first is not None and first["command"] == "tasks"
    assert refused is not None and refused["exit_code"] == 2 and "nonsense" in refused["error"]["message"]
    assert begun == [0, 1, 2] and not children()


def test_none_stays_behind_when_it_is_interrupted() -> None:
    def interrupted(number: int) -> None:
        if number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        documents([["demo"], ["demo"]], {**os.environ, "FORECASTING_VAR": os.devnull}, at_a_time=2, started=interrupted)
    assert not children()


def test_there_is_at_least_one_core() -> None:
    assert cores() >= 1
