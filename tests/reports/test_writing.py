"""Files of reports appear whole; what a writer that was killed had begun goes with the next one."""

from __future__ import annotations

import os
import time
from pathlib import Path

from reports.writing import written_aside


def test_what_a_killed_writer_left_goes_and_what_another_writes_stays(tmp_path: Path) -> None:
    for name, hours in {".report-dead": 2.0, ".report-alive": 0.1, "kept": 2.0}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "page.html").touch()
        os.utime(tmp_path / name, (time.time() - 3600 * hours,) * 2)
    with written_aside(tmp_path) as shelf:
        shelf.path("page.html").write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".report-alive", "kept", "page.html"]
