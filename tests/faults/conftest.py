"""With FAULTS=full and `-s`, what is printed is one line for each fault: no dots between them."""

from __future__ import annotations

import pytest
from tally import is_full


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """A passed test has said all in its own line."""
    if is_full() and report.when == "call" and report.passed:
        return "passed", "", "PASSED"
    return None
