"""The same slot again and again: one run without --force, the same rows with it."""

from __future__ import annotations

import idle_shop
import pytest
from idle_shop import night, shown
from program import Program
from shell import Shell
from tally import is_full, tally

from db.engines import open_warehouse

TIMES = 10


def test_a_slot_runs_once_and_forced_again_says_the_same(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program = idle_shop.create(program, monkeypatch)
    shell, warehouse = Shell(program), open_warehouse(program.url)
    shell(*night(0))
    first = shown(warehouse)
    with tally("the same slot run 10 times", warehouse.dialect, TIMES) as survived:
        survived.survived += 1
        for number in range(1, TIMES):
            with survived.point(number):
                shell(*night(0), code=5)
                assert shown(warehouse) == first
    forced = TIMES if is_full() else 3
    with tally(f"the same slot forced {forced} times", warehouse.dialect, forced) as survived:
        for number in survived.points():
            with survived.point(number):
                shell(*night(0, "--force"))
                again = shown(warehouse)
                assert again.run != first.run and again.states[again.run] == "done"
                assert (again.forecasts, again.totals, again.alerts) == (first.forecasts, first.totals, first.alerts)
                assert again.running_claims == 0
    warehouse.close()
