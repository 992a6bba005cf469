"""A task that lives in a time zone lives in that of its main source, unless the file says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from forecasting.app.config import load
from forecasting.app.workspace import Workspace
from forecasting.schema import SourceNeed


@dataclass(frozen=True)
class Placed:
    timezone: str = "UTC"


@dataclass(frozen=True)
class Nowhere:
    size: int = 1


class Located:
    """As much of a task as building one needs."""

    spec = SimpleNamespace(name="located")
    Options: type = Placed

    def __init__(self, options: Any):
        self.options = options

    def needs(self) -> Sequence[SourceNeed]:
        return (SourceNeed("items"), SourceNeed("orders", main=True))


class Unlocated(Located):
    Options = Nowhere


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", "UTC"),
        ('[sources.items]\ntimezone = "Asia/Tokyo"', "UTC"),
        ('[sources.orders]\ntimezone = "America/Sao_Paulo"', "America/Sao_Paulo"),
        ('[sources.orders]\ntimezone = "America/Sao_Paulo"\n[tasks.located]\ntimezone = "UTC"', "UTC"),
        ('[sources.orders]\ntimezone = "Asia/Tokyo"\n[tasks.mine]\ntype = "located"', "Asia/Tokyo"),
    ],
)
def test_a_task_lives_where_its_main_source_does(tmp_path: Path, said: str, expected: str) -> None:
    (tmp_path / "forecasting.toml").write_text(said)
    workspace = Workspace(load(tmp_path / "forecasting.toml", environment={}), SimpleNamespace())  # type: ignore
    workspace.__dict__["task_classes"] = {"located": Located, "unlocated": Unlocated}
    name = "mine" if "mine" in said else "located"
    assert workspace.task(name).options.timezone == expected
    assert workspace.task("unlocated").options == Nowhere()
