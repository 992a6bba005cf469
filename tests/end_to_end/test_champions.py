"""Who reigns is a person's to decide, and every published row leads back to what made it; on both databases."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import idle_shop
import pytest
import sqlalchemy as sa
from program import Program
from shell import Shell

from db import crowns
from db.engines import open_warehouse
from db.tables import MODELS, RUNS
from forecasting import artifacts
from forecasting.app.provenance import code_version
from forecasting.discovery import task_classes

KEEP = "[settings]\nkeep_artifacts = 1\nretrain_after_days = 3\n"


@pytest.fixture
def shell(program: Program, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(idle_shop.create(program, monkeypatch, settings=KEEP))


def night(shell: Shell, day: int, *options: str, month: int = 3) -> str:
    """The model that forecast it."""
    at = f"2024-{month:02}-{day:02}"
    run = shell.document("run", "idle", "--as-of", at, "--slot", at, *options)["runs"][0]
    return run["model_id"]


def champion(shell: Shell) -> str:
    models = shell.view("models")
    (reigning,) = models.loc[models["champion"].astype(bool), "model_id"]
    return reigning


def stored(shell: Shell) -> set[str]:
    return {path.name for path in (shell.program.directory / "var/artifacts/idle").iterdir()}


def test_a_person_takes_the_crown_back_and_gives_it_away(shell: Shell) -> None:
    assert "no champion yet" in shell.document("models", "rollback", "idle", code=1)["error"]["message"]
    first = night(shell, 1)
    assert "Nobody reigned" in shell.document("models", "rollback", "idle", code=1)["error"]["message"]
    second, third = night(shell, 5), night(shell, 9)
    assert stored(shell) == {second, third}, "the champion, and the one to which a rollback goes back"

    published = shell.view("current_idle_totals")["run_id"].tolist()
    back = shell.document("models", "rollback", "idle", "--by", "ann")
    assert (back["command"], back["champion"], back["before"], back["changed"]) == (
        *("models rollback", second, third),
        True,
    )
    assert any("--retrain never --force" in note for note in back["notes"])
    assert any("--retrain auto will train a new one" in note for note in back["notes"]), "it is years old"
    assert champion(shell) == second and shell.view("current_idle_totals")["run_id"].tolist() == published
    again = shell.document("models", "rollback", "idle")
    assert not again["changed"] and champion(shell) == second and any(first in note for note in again["notes"])

    # What was taken back is used by nobody: neither by the next night nor by a backfill, which would else prefer it.
    assert night(shell, 10, "--retrain", "never") == second
    line = ("--from", "2024-03-11", "--to", "2024-03-12", "--retrain", "never")
    assert shell.document("backfill", "idle", *line)["slots"][0]["model_id"] == second

    # A person may know better. The crown does not move twice, and not to what is no more.
    assert shell.document("models", "promote", third, "--by", "bob")["changed"]
    assert not shell.document("models", "promote", third)["changed"] and champion(shell) == third
    gone = shell.document("models", "promote", first, code=1)["error"]
    assert first in gone["message"] and "nothing was changed" in gone["message"] and "backup" in gone["remedy"]
    shell("models", "promote", "nosuch", code=2)
    warehouse = open_warehouse(shell.program.url)
    reigns = [(reign.model_id, reign.cause, reign.crowned_by) for reign in crowns.history(warehouse, "idle")]
    warehouse.close()
    nights = [(model, "run", None) for model in (first, second, third)]
    assert reigns == [*nights, (second, "rollback", "ann"), (third, "promotion", "bob")]

    shutil.rmtree(shell.program.directory / "var/artifacts/idle" / second)
    refused = shell.document("models", "rollback", "idle", code=1)["error"]
    assert second in refused["message"] and "forecasting models idle" in refused["remedy"]
    assert champion(shell) == third


def test_every_published_row_leads_to_what_made_it(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a night that trained, one that did not, a backfill that became current, and a baseline's."""
    trained, kept = night(shell, 10, month=1), night(shell, 11, month=1)
    assert kept == trained
    assert _origin(shell) == {"trigger": "command", "model_id": trained, "until": "01-10"}
    (shell.program.directory / "forecasting.toml").write_text(KEEP + "[tasks.idle]\npause = 0.001\n")
    made = shell.document("backfill", "idle", "--from", "2024-01-20", "--to", "2024-01-21")["slots"][0]
    shell("backfill", "idle", "--from", "2024-01-05", "--to", "2024-01-06", "--retrain", "always")
    assert _origin(shell) == {"trigger": "backfill", "model_id": made["model_id"], "until": "01-19"} and made["trained"]
    assert champion(shell) == trained, "what is published is not the champion's, and its artifact stays all the same"

    shown = shell.document("models", "show", made["run_id"])
    assert shown["published"] and shown["model"]["problem"] == "" and shown["run"]["run_id"] == made["run_id"]
    assert shown["trained_by"]["run_id"] == made["run_id"] and shown["reigns"] == []
    reigning = shell.document("models", "show", trained)
    assert reigning["run"] is None and reigning["runs"] == 2 and not reigning["published"]
    assert [reign["cause"] for reign in reigning["reigns"]] == ["run"]
    _still_lists(shell, 3)
    for word in (made["run_id"], made["model_id"], shown["model"]["sha256"], "2024-01-19", code_version(_idle())):
        assert word in shell("models", "show", made["run_id"])

    task, fit = _idle(), _idle().fit
    monkeypatch.setattr(task, "fit", lambda *given: replace(fit(*given), extra=9.0))
    run = shell.document("run", "idle", "--as-of", "2024-01-25", "--retrain", "always", code=3)["runs"][0]
    shown = shell.document("models", "show", run["run_id"])
    assert shown["published"] and shown["model"] is None and shown["run"]["subject"] == "baseline:one_more"
    assert shown["run"]["code_version"] == code_version(task) and shown["run"]["data_until"].startswith("2024-01-24")
    assert run["run_id"] in shell("models", "show", run["run_id"])


def _still_lists(shell: Shell, count: int) -> None:
    """`forecasting models` without another command's name, however its options stand."""
    for line in ((), ("--limit", "3", "idle"), ("idle", "--limit", "3"), ("list", "idle")):
        said = shell.document("models", *line)
        assert said["command"] == "models" and len(said["models"]) == count
    shell("models", "nosuch", code=2)


def _idle() -> type:
    return task_classes()["idle"]


def _origin(shell: Shell) -> dict[str, str]:
    """Follows every row of every view back, and holds the artifact against the ledger; whose rows they all are."""
    warehouse = open_warehouse(shell.program.url)
    try:
        with warehouse.reading() as connection:
            found = set()
            for output in _idle().spec.outputs:
                view = sa.table(f"current_{output.name}", sa.column("run_id"))
                rows = sa.select(view.c.run_id, RUNS, MODELS.c.uri, MODELS.c.sha256, MODELS.c.config.label("recipe"))
                back = view.join(RUNS, RUNS.c.run_id == view.c.run_id).join(
                    MODELS, MODELS.c.model_id == RUNS.c.model_id
                )
                every = connection.execute(rows.select_from(back)).all()
                assert every and len(every) == connection.scalar(sa.select(sa.func.count()).select_from(view))
                found |= {row.run_id for row in every}
            (run,) = {row.run_id: row for row in every}.values()
            assert found == {run.run_id}, "one run made the rows of all tables"
    finally:
        warehouse.close()
    assert (run.state, run.subject) == ("done", "model")
    assert run.code_version == code_version(_idle()) and "+" in run.code_version
    assert run.config["task"] == run.config["type"] == "idle" and run.config["options"] == run.recipe["options"]
    assert f"{run.data_from:%m-%d}" == "01-01" and run.data_until < run.as_of
    artifacts.load(Path(run.uri), run.sha256)
    return {"trigger": run.trigger, "model_id": run.model_id, "until": f"{run.data_until:%m-%d}"}
