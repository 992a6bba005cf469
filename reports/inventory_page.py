"""The inventory page's words and drawings: `draw_page` turns its view model into one HTML document."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from reports import charts, wording
from reports.drawing import draw
from reports.subjects import maker, subject_name
from reports.view import InventoryPage, LastForecasts, PlanRow, Provenance, Trial

METRICS = {"wql": "weighted quantile loss", "mase": "mean absolute scaled error"}
"""Full names of gate metrics."""


def draw_page(page: InventoryPage) -> str:
    """The page as one self-contained HTML document."""
    shown = page.rows
    return draw(
        "inventory.html",
        page=page,
        maker=maker(page.provenance),
        summary=_summary(page),
        list_text=_list_text(page),
        rest=_rest(page),
        locations=sorted({row.location_id for row in shown}) if page.totals.locations > 1 else [],
        categories=sorted({row.category for row in shown if row.category}),
        service_level=_common_service_level(page),
        verdict=_verdict(page.last, page.provenance.unit) if page.last else "",
        last_chart=_last_chart(page.last) if page.last else "",
        trial=_trial(page.provenance.trial) if page.provenance.trial else "",
        spark=lambda row: charts.spark(row.series, _spark_label(row, page.provenance)),
        chart=lambda row, index: charts.fan(
            row.series,
            f"chart-{index}",
            _chart_label(row, page.provenance),
            runs_out=None if row.out else row.expected_stockout_date,
        ),
        caption=lambda row: _caption(row, page.provenance),
        bar=charts.bar,
    )


def _summary(page: InventoryPage) -> str:
    totals = page.totals
    if not totals.to_order:
        text = (
            f"Stock and deliveries on the way cover all {wording.count(totals.series, 'item')} until the next delivery."
        )
    else:
        where = f" across {totals.locations} locations" if totals.locations > 1 else ""
        worth = f", worth {wording.money(totals.value, page.currency)}" if totals.value is not None else ""
        text = f"{wording.count(totals.units, 'unit')} in all{where}{worth}."
    risks = []
    if totals.out_now:
        risks.append(f"{wording.number(totals.out_now)} {'is' if totals.out_now == 1 else 'are'} out of stock already")
    more = totals.likely_out - totals.out_now
    if more > 0:
        also = "more " if totals.out_now else ""
        risks.append(f"{wording.number(more)} {also}will probably run out before a delivery ordered today arrives")
    if risks:
        text += f" {' and '.join(risks)}."
    unknown = totals.series - totals.with_stock
    if unknown:
        them = "it is" if unknown == 1 else "they are"
        text += f" The stock of {wording.count(unknown, 'item')} is not known, so {them} not on this list."
    return text


def _list_text(page: InventoryPage) -> str:
    total = page.totals.to_order if page.stock_known else page.totals.series
    if len(page.rows) < total:
        return f"The first {wording.number(len(page.rows))} of {wording.number(total)}; all of them in the files."
    return f"All {wording.number(total)}."


def _rest(page: InventoryPage) -> str:
    total = page.totals.to_order if page.stock_known else page.totals.series
    hidden = total - len(page.rows)
    return f"{wording.count(hidden, 'more item')} in the Excel and CSV files beside this page." if hidden > 0 else ""


def _common_service_level(page: InventoryPage) -> float | None:
    levels = {row.service_level for row in page.rows if row.service_level is not None}
    return levels.pop() if len(levels) == 1 else None


def _caption(row: PlanRow, provenance: Provenance) -> str:
    """Two short sentences under a chart's name, from the joint distribution over the lead time."""
    parts = []
    if row.order_quantity:
        parts.append(f"Order {wording.number(row.order_quantity)}.")
    if row.lead_time_days is not None and row.lead_time_demand_p50 is not None and row.reorder_point is not None:
        level = f" ({wording.odds(row.service_level)})" if row.service_level else ""
        parts.append(
            f"In the {wording.days(row.lead_time_days)} a delivery takes about "
            f"{wording.number(row.lead_time_demand_p50)} will sell, "
            f"rarely{level} more than {wording.number(row.reorder_point)}."
        )
    return " ".join(parts)


def _spark_label(row: PlanRow, provenance: Provenance) -> str:
    return f"Recent sales and forecast: {_ahead(row, provenance)}"


def _chart_label(row: PlanRow, provenance: Provenance) -> str:
    series = row.series
    assert series is not None
    recent = series.quantity[-28:] if provenance.unit == "day" else series.quantity[-8:]
    recent = recent[np.isfinite(recent)]
    text = f"{row.name}: {_ahead(row, provenance)}"
    if len(recent):
        text += (
            f" In the last {wording.count(len(recent), provenance.unit)} {wording.number(float(recent.sum()))} sold."
        )
    return text


def _ahead(row: PlanRow, provenance: Provenance) -> str:
    series = row.series
    if series is None or not len(series.ahead):
        return "no forecast."
    unit, forecast = provenance.unit, series.forecast
    expected = float(np.mean(forecast["mean"]))
    low, high = float(np.mean(forecast["p10"])), float(np.mean(forecast["p90"]))
    return (
        f"about {wording.number(expected)} a {unit} expected over {wording.count(len(series.ahead), unit)}, "
        f"likely between {wording.number(low)} and {wording.number(high)}."
    )


def _verdict(last: LastForecasts, unit: str) -> str:
    """What became of the last forecasts, in words."""
    when = wording.day(last.as_of.date(), year=True)
    until = wording.day(last.last)
    off = abs(last.sold / last.expected - 1) if last.expected else float(last.sold > 0)
    quality = "came very close" if off < 0.05 else "came close" if off < 0.12 else "were off"
    sold = wording.change(last.sold, last.expected)
    compared = "as expected" if sold == "the same" else f"{sold} than expected"
    tenths = wording.number(round(10 * last.inside_80, 1))
    aim = (
        "which is what it promises"
        if abs(last.inside_80 - 0.8) < 0.05
        else ("more than the 8 it promises" if last.inside_80 > 0.8 else "fewer than the 8 it promises")
    )
    text = (
        f"The forecasts of {when} {quality}: {wording.number(last.sold, digits=0)} units sold up to {until}, "
        f"{compared}. "
        f"On {tenths} {unit}s out of 10 an item's sales fell into its likely range, {aim}."
    )
    if not last.complete:
        text += f" That forecast still runs; only the {unit}s that have passed are counted."
    return text


def _last_chart(last: LastForecasts) -> Markup:
    label = (
        f"Units of all items sold and expected since {wording.day(last.as_of.date())}: "
        f"{wording.number(last.sold, digits=0)} sold, {wording.number(last.expected, digits=0)} expected."
    )
    return charts.expected_and_sold(last.daily, label)


def _trial(trial: Trial) -> str:
    """The gate's figures in words: how far from what really sold, beside the best simple rule."""
    share = 1 - trial.model / trial.rival if trial.rival else 0.0
    compared = (
        "as close to" if abs(share) < 0.005 else f"{abs(share):.0%} {'closer to' if share > 0 else 'further from'}"
    )
    metric = METRICS.get(trial.metric, trial.metric)
    return (
        f"In trials on past sales the trained model came {compared} what really sold "
        f"{'as' if abs(share) < 0.005 else 'than'} the best simple rule, {subject_name(trial.rival_name)} "
        f"({metric} {trial.model:.3f} against {trial.rival:.3f}; smaller is better)."
    )
