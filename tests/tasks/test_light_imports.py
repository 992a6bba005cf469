"""Commands that fit nothing (`status`, `check`, `load`) import every task, and should not wait for torch."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["tasks.demand", "tasks.recommendation"])
def test_a_task_is_imported_without_torch(package: str) -> None:
    script = f"import sys, {package}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
