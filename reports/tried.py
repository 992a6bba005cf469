"""Figures of trials as every page says them: whose, when, in which columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reports import wording
from reports.subjects import subject_name
from reports.view import Provenance

Figure = tuple[str, str, int]
"""A metric, its heading, and the number of the note that explains it."""


@dataclass(frozen=True)
class Tried:
    """What each subject was worth in the latest trials. `subjects`: by name, the model first, metrics by their names
    in `run_metrics`. `rival`: the best simple rule. `samples`: cases judged."""

    run_id: str
    as_of: datetime
    subjects: Mapping[str, Mapping[str, float]]
    rival: str | None
    samples: float | None = None


def when_tried(trials: Tried | None, provenance: Provenance) -> str:
    """Which trials these are, where they are not the published run's."""
    if trials is None or trials.run_id == provenance.run_id:
        return ""
    return f"The published run used a stored model; it was tried on {wording.day(trials.as_of, year=True)}."


def subject_title(name: str) -> str:
    """A subject at the beginning of a table's row; parts of the model stand below it."""
    text = subject_name(name)
    if name.startswith("part:"):
        return f"of it, {text}"
    return f"{text[:1].upper()}{text[1:]}"


def measured(trials: Tried, figures: Iterable[Figure], suffix: str = "") -> Sequence[Figure]:
    """Those of the columns for which there is any figure; `suffix` ends the metrics' names in the ledger ("@20")."""
    known = {name for values in trials.subjects.values() for name in values}
    return [one for one in figures if one[0] + suffix in known]
