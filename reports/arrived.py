"""What became of the orders that an earlier run spoke of, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

MEANT = 0.8
"""Share of orders whose window, the 10% to the 90% quantile, should hold their completion."""


@dataclass(frozen=True)
class Group:
    """Some orders of an earlier run: those that were complete before their window (`earlier`), within it (`inside`) and
    after it, or are open though it is over (`later`); and those of which it cannot be said yet, open while their window
    is not over (`undecided`). `off`: median of the days between the middle of what was said and what happened; `shift`:
    the same with its sign, positive where it took longer than said. An open order counts with the days that it is over
    already, so both are at least so much. None where nothing is known."""

    name: str
    earlier: int
    inside: int
    later: int
    undecided: int = 0
    off: float | None = None
    shift: float | None = None

    @property
    def orders(self) -> int:
        """All of them."""
        return self.decided + self.undecided

    @property
    def decided(self) -> int:
        """Those of which it can be said."""
        return self.earlier + self.inside + self.later


@dataclass(frozen=True)
class Promises:
    """The orders whose promise was not past then and is past now. `expected`: how many were said to miss it (the sum of
    their chances), `late`: how many did, those still open among them. `named`: those that were likely late, of which
    `named_late` were."""

    orders: int
    expected: float
    late: int
    named: int
    named_late: int


@dataclass(frozen=True)
class LookBack:
    """An earlier run beside what is known `until` (UTC), `days` after it. `gone`: orders that were cancelled since, or
    of which nothing is known any more: they are left out. `stages`, `regions`: the largest groups first."""

    run_id: str
    as_of: datetime
    until: datetime
    days: float
    every: Group
    gone: int = 0
    promises: Promises | None = None
    stages: Sequence[Group] = ()
    regions: Sequence[Group] = ()
