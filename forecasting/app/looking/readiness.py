"""Which tasks can run on the sources that were found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from forecasting.app.looking.proposals import Proposal
from forecasting.task import Task

_LEARNT_FROM = {"completion": ("orders", "completed_at")}
"""What a task cannot learn without, though the source may lack it."""


@dataclass(frozen=True)
class Readiness:
    """Whether a task has its main sources. `why`: what is missing, or what it runs on."""

    task: str
    ready: bool
    why: str


def readiness(name: str, task: Task, proposals: Mapping[str, Proposal]) -> Readiness:
    """Of a task with its default options."""
    sure = {source for source, one in proposals.items() if one.sure}
    read = []
    for need in task.needs():
        if not need.required:
            continue
        if need.source in sure:
            read.append(need.source)
        elif need.instead and sure.issuperset(need.instead):
            read.append(" and ".join(need.instead))
        else:
            guessed = need.source in proposals or any(other in proposals for other in need.instead)
            other = f", nor {' and '.join(need.instead)} to derive it from" if need.instead else ""
            found = "is no more than guessed" if guessed else "was not found"
            return Readiness(name, False, f"{need.source} {found}{other}")
    source, column = _LEARNT_FROM.get(task.spec.name, ("", ""))
    if source in sure:
        guess = proposals[source].columns.get(column)
        if guess is None or not guess.sure:
            return Readiness(
                name, False, f"{source} has no {column} that is sure, so that there is nothing to learn from"
            )
    return Readiness(name, True, f"reads {' and '.join(read)}")


def readers(source: str, tasks: Mapping[str, Task]) -> list[str]:
    """What the lack of a source means, task by task."""
    said = []
    for name, task in tasks.items():
        for need in task.needs():
            if need.source == source:
                if need.required:
                    instead = f" (or {' and '.join(need.instead)})" if need.instead else ""
                    said.append(f"{name} needs it{instead}")
                elif need.without:
                    said.append(f"{name} runs without: {need.without}")
    return said
