"""Commands that fit nothing (`status`, `check`, `load`) import every task, and should not wait for heavy libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["tasks.churn", "tasks.completion", "tasks.demand", "tasks.recommendation"])
def test_a_task_is_imported_without_what_takes_seconds(package: str) -> None:
    script = f"import sys, {package}; sys.exit(bool({{'torch', 'scipy'}} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
