"""Artifacts that nobody entered into the ledger."""

from __future__ import annotations

import idle_shop
import pytest
from program import Program
from shell import Shell

from forecasting.app import runner


def test_what_a_run_stored_before_it_died_goes_with_the_next(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    if not program.url.startswith("sqlite"):
        pytest.skip("once will do")
    shell = Shell(idle_shop.create(program, monkeypatch))
    directory = program.directory / "var" / "artifacts" / "idle"

    def die(*arguments: object, **entries: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(runner.models, "register", die)
        shell("run", "idle", "--slot", "2024-05-01", code=1)
    (left,) = directory.iterdir()
    of_somebody_else = directory / "20200101T000000000000-abcdef-model"
    of_somebody_else.mkdir()
    model = shell.document("run", "idle", "--slot", "2024-05-02")["runs"][0]["model_id"]
    assert {path.name for path in directory.iterdir()} == {model, of_somebody_else.name} and left.name != model
