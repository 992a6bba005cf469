"""What tests of faults share: processes that start at once, and, in `make faults`, one line a row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from nursery import Child, Nursery, Start
from program import Program
from tally import is_full


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """A passed test has said all in its own line: no dots between lines."""
    if is_full() and report.when == "call" and report.passed:
        return "passed", "", "PASSED"
    return None


@pytest.fixture(scope="session")
def start() -> Iterator[Start]:
    """`start(program, "run", "demand", ...)` starts a command of a program as a process of its own, and goes on."""
    opened: dict[tuple[bool, bool], Nursery] = {}

    def begin(program: Program, *arguments: str, **options: float) -> Child:
        installed = (program.with_stranger, program.with_idle)
        if installed not in opened:
            opened[installed] = Nursery(program)
        return opened[installed].start(*arguments, program=program, **options)

    yield begin
    for one in opened.values():
        one.close()
