"""What `init` says of its look at a warehouse, to a person and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from forecasting.app.console import Console
from forecasting.app.looking import toml
from forecasting.app.looking.look import Look
from forecasting.app.looking.proposals import Proposal
from forecasting.app.looking.readiness import Readiness
from forecasting.app.looking.writing import Place
from forecasting.app.workspace import Workspace
from forecasting.schema import SOURCES


def ours(workspace: Workspace) -> set[str]:
    """Names of tables that the suite may have made: they are no shop's where its ledgers stand beside them."""
    from db.tables import METADATA

    written = {table.name for task in workspace.task_classes.values() for table in task.spec.outputs}
    ledgers = {*METADATA.tables, "alembic_version", "churn_alerts"}
    return {*ledgers, *written, *(f"current_{name}" for name in (*written, "churn_alerts")), *SOURCES}


def said(console: Console, file: Path, look: Look, place: Place, ready: Sequence[Readiness]) -> None:
    """The table, and what to do next."""
    console.say(f"Looked at {look.tables:,} tables of {place.address} and read the first rows of {look.sampled:,}.")
    console.say()
    console.table(
        ["source", "from", "columns", "", "not found"],
        [
            [
                source,
                _place_of(proposal) if proposal else "",
                ", ".join(_columns(proposal)) if proposal else "",
                ("sure" if proposal.sure else "guess, left out") if proposal else "nothing found",
                ", ".join(proposal.missing) if proposal else "",
            ]
            for source in SOURCES
            for proposal in [look.proposals.get(source)]
        ],
    )
    console.say()
    for one in ready:
        console.say(f"task {one.task}: {one.why}" + ("" if one.ready else ", so it is left out"))
    console.say()
    naive = [source for source, one in look.proposals.items() if one.sure and one.timed]
    if naive:
        console.say(
            f"Times of {', '.join(naive)} have no zone and are read as UTC: set `timezone` where they are local."
        )
    if place.variable:
        console.say(f"The URL holds a secret, which is not in the file: export {place.variable} before you go on.")
    console.say(f"Wrote {file}. Read it, then next: forecasting check")


def to_json(file: Path, look: Look, place: Place, ready: Sequence[Readiness]) -> dict[str, Any]:
    """The document of the command."""
    return {
        "file": file,
        "warehouse": place.name,
        "address": place.address,
        "variable": place.variable,
        "tables": look.tables,
        "sampled": look.sampled,
        "sources": [_source(source, look.proposals.get(source)) for source in SOURCES],
        "tasks": [vars(one) for one in ready],
        "next": "forecasting check",
    }


def _source(source: str, proposal: Proposal | None) -> dict[str, Any]:
    if proposal is None:
        return {"source": source, "state": "absent"}
    return {
        "source": source,
        "state": "sure" if proposal.sure else "guess",
        "confidence": round(proposal.confidence, 3),
        "table": proposal.studied.label,
        "rows": proposal.studied.rows,
        "query": proposal.query,
        "columns": {
            name: {
                "theirs": guess.theirs,
                "table": guess.table or proposal.studied.label,
                "state": "sure" if guess.sure else "guess",
                "confidence": round(guess.confidence, 3),
                "why": guess.why,
                "others": guess.others,
            }
            for name, guess in proposal.columns.items()
        },
        "set_by_query": proposal.fixed,
        "missing": proposal.missing,
        "why": proposal.why,
        "considered": proposal.others,
        "times_without_zone": proposal.timed,
    }


def _place_of(proposal: Proposal) -> str:
    return ("query over " if proposal.query else "") + toml.shown(proposal.studied.label, 40)


def _columns(proposal: Proposal) -> list[str]:
    found = [
        (name if guess.theirs == name else f"{name} = {toml.shown(guess.theirs, 40)}")
        + ("" if guess.sure else " (guess)")
        for name, guess in proposal.columns.items()
    ]
    return found + [f"{name}: {what}" for name, what in proposal.fixed.items()]
