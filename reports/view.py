"""What the inventory page shows, as plain data: filled from a warehouse by `reports.queries`, drawn by templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np

from reports import wording


@dataclass(frozen=True)
class Series:
    """Past sales and forecast of one item at one location.

    `dates` datetime64[D] [n] and `quantity` float64 [n] [units per period], NaN where not observed; `in_stock`
    bool [n]. `ahead` datetime64[D] [h]; `forecast` maps mean, p025, p10, p90, p975 to float64 [h].
    """

    dates: np.ndarray
    quantity: np.ndarray
    in_stock: np.ndarray
    ahead: np.ndarray
    forecast: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class PlanRow:
    """One line of the reorder plan (columns as in the contract), with its title and series where they are known."""

    item_id: str
    location_id: str
    on_hand: float | None = None
    on_order: float | None = None
    lead_time_days: float | None = None
    lead_time_demand_p50: float | None = None
    service_level: float | None = None
    safety_stock: float | None = None
    reorder_point: float | None = None
    order_quantity: float | None = None
    expected_stockout_date: date | None = None
    stockout_probability: float | None = None
    priority: float | None = None
    title: str | None = None
    category: str | None = None
    unit_value: float | None = None
    series: Series | None = None

    @property
    def name(self) -> str:
        """The title, or the id where the shop gave none."""
        return self.title or self.item_id

    @property
    def out(self) -> bool:
        """Nothing is left on the shelf."""
        return self.on_hand is not None and self.on_hand <= 0

    @property
    def likely_out(self) -> bool:
        """Running out before a delivery ordered today is more likely than not."""
        return self.out or (self.stockout_probability or 0) >= wording.LIKELY

    @property
    def value(self) -> float | None:
        """What the order is worth."""
        if self.order_quantity is None or self.unit_value is None:
            return None
        return self.order_quantity * self.unit_value

    @property
    def reason(self) -> str:
        """Why, in one sentence."""
        return wording.reason(
            on_hand=self.on_hand,
            on_order=self.on_order,
            lead_time_days=self.lead_time_days,
            usual=self.lead_time_demand_p50,
            reorder_point=self.reorder_point,
        )


@dataclass(frozen=True)
class Totals:
    """Sums over the whole plan, not only over the rows shown.

    `out_now` and `likely_out` (the former included) count among those to order. `value` is None where neither costs
    nor prices are known; `value_basis` says at what ("at cost"), `value_complete` whether every order has one.
    """

    series: int
    to_order: int
    units: float
    out_now: int
    likely_out: int
    with_stock: int
    locations: int = 1
    value: float | None = None
    value_basis: str = ""
    value_complete: bool = True


@dataclass(frozen=True)
class Span:
    """Expected and sold units of one span of days [first, last] of an earlier forecast."""

    first: date
    last: date
    expected: float
    sold: float


@dataclass(frozen=True)
class Surprise:
    """An item whose sales differed most from what was expected."""

    item_id: str
    location_id: str
    name: str
    expected: float
    sold: float


@dataclass(frozen=True)
class LastForecasts:
    """An earlier published forecast beside what sold since; periods out of stock and unobserved are left out.

    `inside_80` and `inside_95` are the shares of item-periods within p10..p90 and p025..p975. `complete`: every
    forecast period has passed. `daily`: one span per period; `spans`: weeks, or the periods where those are longer.
    """

    run_id: str
    as_of: datetime
    last: date
    complete: bool
    cases: int
    expected: float
    sold: float
    inside_80: float
    inside_95: float
    daily: Sequence[Span]
    spans: Sequence[Span]
    surprises: Sequence[Surprise]


@dataclass(frozen=True)
class Trial:
    """How the trained model and the best simple rule did on test periods before the as-of date (gate metric)."""

    metric: str
    model: float
    rival: float
    rival_name: str


@dataclass(frozen=True)
class Provenance:
    """Where the figures come from. Times are UTC; `subject` is what the published rows were made by: "model",
    "champion" or "baseline:NAME"; `fallback` that it was not the model that the run trained."""

    task: str
    run_id: str
    as_of: datetime
    prepared_at: datetime
    finished_at: datetime | None = None
    data_until: date | None = None
    subject: str | None = None
    fallback: bool = False
    model_id: str | None = None
    encoder: str | None = None
    trained_until: datetime | None = None
    trial: Trial | None = None
    quarantined: int = 0
    ahead: int = 0
    unit: str = "day"
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class ExtraTable:
    """A small table that the caller adds to a page, such as the demo's comparison with what really happened."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[object]]
    text: str = ""


@dataclass(frozen=True)
class Page:
    """What every page has. `notes` and `warnings` stand at its top, `extra` at its end; `files` maps a label to a file
    beside it; `currency`: the sign before amounts; `shop`: whose page it is."""

    title: str
    provenance: Provenance
    notes: Sequence[str] = field(default=(), kw_only=True)
    warnings: Sequence[str] = field(default=(), kw_only=True)
    extra: Sequence[ExtraTable] = field(default=(), kw_only=True)
    files: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    currency: str = field(default="", kw_only=True)
    shop: str = field(default="", kw_only=True)

    @property
    def today(self) -> date:
        """The day on which the page is to be read."""
        return self.provenance.as_of.date()


@dataclass(frozen=True)
class InventoryPage(Page):
    """Everything on the page. `rows`: what to order, most urgent first (all rows by reorder point where no stock
    is known); `charts`: those of them drawn large."""

    totals: Totals
    rows: Sequence[PlanRow]
    charts: Sequence[PlanRow]
    last: LastForecasts | None = None

    @property
    def stock_known(self) -> bool:
        """Whether the plan says what to order, not only at which level to."""
        return self.totals.with_stock > 0


@dataclass(frozen=True)
class GenericPage(Page):
    """A report of a task that has no page of its own: its sections as tables, which are its `extra`."""
