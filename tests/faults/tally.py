"""How many faults a test tries, how many were survived, and the one line that says so.

`make faults` sets FAULTS=full and gets every point on both databases; `make test` tries a share of them. FAULT_POINTS
sets the number of random points by hand. A test that counts looks like this::

    with tally("kill -9 of run demand", warehouse.dialect, points(full=50, share=1)) as survived:
        for number in survived.points():
            with survived.point():
                ...  # what is asserted in here must hold; the next point is tried all the same

It prints `kill -9 of run demand (sqlite): survived 50 of 50`, also when it ends early, and fails where the two differ.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


def is_full() -> bool:
    """Whether everything is to be tried (`make faults`), on both databases, not a share of it."""
    return os.environ.get("FAULTS") == "full"


def points(*, full: int, share: int) -> int:
    """How many random points to try."""
    return int(os.environ.get("FAULT_POINTS", full if is_full() else share))


@dataclass
class Tally:
    """The faults tried so far. `of`: how many there are to be; `complaints`: what was not survived, and why."""

    of: int
    survived: int = 0
    complaints: list[str] = field(default_factory=list)

    def points(self) -> range:
        """The numbers of all points, from 0."""
        return range(self.of)

    @contextmanager
    def point(self, what: object = "") -> Iterator[None]:
        """One fault: survived where the block fails no assertion. `what` names it in a complaint."""
        try:
            yield
        except AssertionError as failure:
            self.complaints.append(f"{what} {failure}".strip())
        else:
            self.survived += 1


@contextmanager
def tally(fault: str, database: str, of: int) -> Iterator[Tally]:
    """Counts the faults of a block, prints the line, and fails where not all were survived."""
    found = Tally(of)
    try:
        yield found
    finally:
        print(f"{fault} ({database}): survived {found.survived} of {of}", flush=True)
    assert found.survived == of, "\n".join([f"{found.survived} of {of}", *found.complaints[:3]])
