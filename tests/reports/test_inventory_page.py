"""The page from its view model alone: titles, categories, size."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from reports.inventory_page import draw_page
from reports.view import InventoryPage, PlanRow, Provenance, Series, Totals

AS_OF = datetime(2026, 9, 14, tzinfo=UTC)


def row(number: int, **columns: Any) -> PlanRow:
    """A full row with long names and noisy sales."""
    random = np.random.default_rng(number)
    ahead = np.datetime64("2026-09-14") + np.arange(28)
    forecast = {name: random.gamma(2, 500, 28) for name in ("mean", "p025", "p10", "p90", "p975")}
    past = np.datetime64("2026-09-14") - np.arange(180, 0, -1)
    series = Series(past, random.gamma(0.5, 900, 180).round(), random.random(180) > 0.1, ahead, forecast)
    return replace(
        PlanRow(
            f"SKU-{number:010}", f"Shop {number % 40} in the Old Town", 120.0, 36.0, 14.0, 1234.0, 0.95, 400.0, 1634.0,
            1512.0, date(2026, 9, 20), 0.871, 5e4, "A rather long title of an item, in blue and green, 12 pieces",
            "Household and garden", 3.49, series,
        ),
        **columns,
    )  # fmt: skip


def page(rows: list[PlanRow]) -> InventoryPage:
    """A page of these rows out of many."""
    return InventoryPage(
        "Inventory",
        Provenance(
            "demand", "r1", AS_OF, AS_OF, subject="model", ahead=28, first=AS_OF.date(), last=date(2026, 10, 11)
        ),
        Totals(series=50_000, to_order=9_000, units=1e6, out_now=30, likely_out=400, with_stock=50_000, locations=40),
        rows,
        rows[:9],
    )


def test_a_full_page_stays_small() -> None:
    html = draw_page(page([row(number) for number in range(200)]))
    assert 200_000 < len(html.encode()) < 1_200_000


def test_titles_categories_and_places_can_be_told_and_filtered() -> None:
    html = draw_page(page([row(1, title="Rye & spelt", category='"Bread"'), row(2, category="Cake")]))
    assert "Rye &amp; spelt" in html and 'data-category="&#34;Bread&#34;"' in html
    assert "<option>Cake</option>" in html and "<option>Shop 2 in the Old Town</option>" in html
    assert "SKU-0000000001 · Shop 1 in the Old Town · &#34;Bread&#34;" in html


def test_an_item_without_title_or_series_has_its_number() -> None:
    html = draw_page(replace(page([row(1, title=None, series=None)]), charts=[]))
    assert '<span class="title">SKU-0000000001</span>' in html and 'class="spark"' not in html
    assert "The items that matter most" not in html


def test_the_policy_allows_the_page_s_own_script_and_style_alone() -> None:
    html = draw_page(page([row(1)]))
    match = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert match is not None
    assert match[1].startswith("default-src 'none'")
    assert "unsafe" not in match[1] and match[1].count("'sha256-") == 2
    assert not re.search(r'\sstyle="|\son\w+="', html)
