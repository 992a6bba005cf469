"""Features of a cutoff against a slow oracle that looks at one case at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecasting.features.space import haversine_km
from forecasting.histories import Histories
from forecasting.task import Cases
from tasks.churn import shop as shop_module
from tasks.churn.customers import PURCHASE, RETURN, VISIT, Customers
from tasks.churn.features import FACT_FEATURES, HALF_LIFE_ORDERS, figures

DAY = np.timedelta64(1, "D")
START = np.datetime64("2024-01-01", "us")
CUTOFFS = np.array(["2024-03-20", "2024-07-01T12:00", "2024-08-10"], "datetime64[us]")
PAYMENTS = np.array(["card", "cash", "voucher"], object)
OPTIONS = ("payment", "discount")


def customers_of(frame: pd.DataFrame, places: pd.DataFrame) -> Customers:
    """From rows (customer, at, known, withdrawn, kind, value, units, items, payment, discount) and the places of
    customers (region, latitude, longitude by customer)."""
    frame = frame.sort_values(["customer", "at", "known"], kind="stable")
    ids = places.index.to_numpy().astype(object)

    def histories(rows: pd.DataFrame) -> Histories:
        counts = rows.groupby("customer").size().reindex(places.index, fill_value=0).to_numpy()
        columns = {
            "kind": rows["kind"].to_numpy(np.int8),
            **{name: rows[name].to_numpy(np.float64) for name in ("value", "units", "items", "discount")},
            "category": np.full(len(rows), -1, np.int32),
            "payment": rows["payment"].to_numpy(np.int32),
        }
        instants = (rows[name].to_numpy().astype("datetime64[us]") for name in ("at", "known", "withdrawn"))
        at, known, withdrawn = instants
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        labels = {"category": np.empty(0, object), "payment": PAYMENTS}
        return Histories(ids, offsets, at, known, columns, labels, withdrawn)

    regions, region = np.unique(places["region"].to_numpy().astype(str), return_inverse=True)
    return Customers(
        histories(frame),
        histories(frame[frame["kind"] == PURCHASE]),
        np.where(places["region"] == "", -1, region - (regions[0] == "")).astype(np.int32),
        regions[regions != ""].astype(object),
        places["latitude"].to_numpy(np.float64),
        places["longitude"].to_numpy(np.float64),
    )


def made_up(seed: int, customers: int = 60, rows: int = 900) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(seed)
    who = np.minimum(random.geometric(0.06, rows) - 1, customers - 1)
    minute = random.integers(0, 240 * 24 * 60, rows)
    minute[: rows // 10] = minute[rows // 10 : 2 * (rows // 10)]  # same instants, same customers
    who[: rows // 10] = who[rows // 10 : 2 * (rows // 10)]
    at = START + minute * np.timedelta64(1, "m")
    late = np.where(random.random(rows) < 0.1, random.integers(0, 40, rows), 0)
    back = np.where(random.random(rows) < 0.1, random.integers(1, 30, rows), -1)
    frame = pd.DataFrame(
        {
            "customer": [f"c{n:03}" for n in who],
            "at": at,
            "known": at + late * DAY,
            "withdrawn": np.where(back > 0, at + late * DAY + back * DAY, np.datetime64("NaT")),
            "kind": random.choice([PURCHASE, RETURN, VISIT], rows, p=[0.7, 0.1, 0.2]),
            "value": np.where(random.random(rows) < 0.1, np.nan, random.lognormal(3, 1, rows)),
            "units": np.where(random.random(rows) < 0.1, np.nan, random.integers(1, 20, rows)),
            "items": random.integers(1, 5, rows).astype(float),
            "payment": random.integers(-1, 3, rows),
            "discount": np.where(random.random(rows) < 0.3, np.nan, random.random(rows)),
        }
    )
    region = random.choice(["", "east", "north", "south", "west"], customers)
    east = pd.Series(region).map({"": 0.0, "east": 13.0, "north": 10.0, "south": 11.0, "west": 7.0}).to_numpy()
    places = pd.DataFrame(
        {
            "region": region,
            "latitude": np.where(region == "", np.nan, 50 + random.random(customers)),
            "longitude": np.where(region == "", np.nan, east + random.random(customers)),
        },
        index=pd.Index([f"c{n:03}" for n in range(customers)]),
    )
    return frame, places


def seen_at(frame: pd.DataFrame, cutoff: np.datetime64) -> pd.DataFrame:
    at = pd.Timestamp(cutoff)
    seen = frame[(frame["at"] < at) & (frame["known"] <= at) & ~(frame["withdrawn"] < at)]
    return seen.sort_values(["customer", "at", "known"], kind="stable")


def oracle(seen: pd.DataFrame, customer: str, cutoff: np.datetime64) -> dict[str, float]:
    mine = seen[seen["customer"] == customer]
    bought, returned, visited = (mine[mine["kind"] == kind] for kind in (PURCHASE, RETURN, VISIT))

    def ages(rows: pd.DataFrame) -> np.ndarray:
        return ((pd.Timestamp(cutoff) - rows["at"]) / pd.Timedelta(days=1)).to_numpy()

    age = ages(bought)
    days = np.array(sorted({at.toordinal() for at in bought["at"].dt.normalize()}), float)
    gaps, value = np.diff(days), bought["value"].dropna()
    logs = np.log1p(value)
    recency = age[-1] if len(age) else np.nan
    usual = np.median(gaps) if len(gaps) else np.nan
    found = {
        "recency": np.log1p(recency),
        "overdue": np.log((recency + 1) / (usual + 1)),
        "usual_gap": np.log1p(usual),
        "gap_spread": np.log1p(np.std(gaps)) if len(gaps) else np.nan,
        "gap_last": np.log1p(gaps[-1]) if len(gaps) else np.nan,
        "orders": np.log1p(len(age)),
        "days_bought": np.log1p(len(days)),
        "months_bought": np.log1p(len(set(np.floor(age / 30)))),
        "pace": np.log(((age <= 60).sum() + 0.5) / ((age <= 180).sum() / 3 + 0.5)),
        "tenure": np.log1p(age[0]) if len(age) else np.nan,
        "value_mean": logs.mean(),
        "value_last": np.log1p(bought["value"].iloc[-1]) if len(age) else np.nan,
        "value_365": np.log1p(value.sum()),
        "units_mean": np.log1p(bought["units"].dropna()).mean(),
        "items_mean": np.log1p(bought["items"]).mean(),
        "returns": np.log1p(len(returned)),
        "return_last": np.log1p(ages(returned)[-1]) if len(returned) else np.nan,
        "visits_30": np.log1p((ages(visited) <= 30).sum()),
        "visit_last": np.log1p(ages(visited)[-1]) if len(visited) else np.nan,
        "discount": np.nan,
    }
    found["value_trend"] = found["value_last"] - found["value_mean"]
    found |= {f"orders_{span}": np.log1p((age <= span).sum()) for span in (30, 90, 180, 365)}
    discount = bought["discount"].dropna().to_numpy()[::-1]
    if len(discount):
        found["discount"] = np.average(discount, weights=0.5 ** (np.arange(len(discount)) / HALF_LIFE_ORDERS))
    phase = (cutoff - np.datetime64("2024-01-01")) / DAY / 366
    return found | {"year_sin": np.sin(2 * np.pi * phase), "year_cos": np.cos(2 * np.pi * phase)}


def shop_oracle(frame: pd.DataFrame, places: pd.DataFrame, cutoff: np.datetime64) -> tuple[float, dict, dict]:
    """(the shop's trend, levels of regions, levels of payments), one purchase day at a time."""
    seen = seen_at(frame, cutoff)
    seen = seen[seen["kind"] == PURCHASE]
    end = min(seen["at"].max().normalize() + pd.Timedelta(days=1), pd.Timestamp(cutoff))
    seen = seen.assign(day=seen["at"].dt.normalize())
    recent = seen[seen["at"] >= end - pd.Timedelta(days=shop_module.LATELY_DAYS)]
    last = recent.groupby(["customer", "day"], sort=True).tail(1)
    age = ((end - last["at"]) / pd.Timedelta(days=1)).to_numpy()
    before = min((end - seen["at"].min()) / pd.Timedelta(days=1) - 28, 84)
    earlier = ((age > 28) & (age <= 28 + before)).sum()
    trend = np.log(((age <= 28).sum() + 1) / 28 / ((earlier + before / 28) / before)) if before >= 28 else np.nan
    again, followed = [], []
    for customer, at in zip(last["customer"], last["at"], strict=True):
        following = last[(last["customer"] == customer) & (last["at"] > at)]["at"]
        watched = min((end - at) / pd.Timedelta(days=1), 30.0)
        until = (following.min() - at) / pd.Timedelta(days=1) if len(following) else np.inf
        again.append(until < watched)
        followed.append(min(until, watched))
    last = last.assign(again=again, expected=np.array(followed) * np.sum(again) / np.sum(followed))
    last = last.join(places, on="customer")
    by_payment = last[last["payment"] >= 0].groupby("payment")[["again", "expected"]].sum() + shop_module.PRIOR
    payments = np.log(by_payment["again"] / by_payment["expected"]).to_dict()
    placed = last[last["region"] != ""].groupby("region")
    sums, centre = placed[["again", "expected"]].sum(), placed[["latitude", "longitude"]].mean()
    regions = {}
    for region in sums.index:
        km = haversine_km(*(centre.loc[region]), centre["latitude"], centre["longitude"])
        near = sums.loc[centre.index[np.argsort(km)[1 : shop_module.AROUND + 1]]].sum()
        around = (near["again"] + shop_module.PRIOR) / (near["expected"] + shop_module.PRIOR)
        own = sums.loc[region]
        regions[region] = np.log((own["again"] + shop_module.PRIOR * around) / (own["expected"] + shop_module.PRIOR))
    return trend, regions, payments


def every_case(customers: Customers) -> Cases:
    count = len(customers)
    return Cases(np.tile(np.arange(count), len(CUTOFFS)), np.repeat(CUTOFFS, count))


def test_features_are_those_of_a_slow_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_module, "AROUND", 2)
    frame, places = made_up(seed=2)
    customers = customers_of(frame, places)
    cases = every_case(customers)
    found = figures(customers, cases, OPTIONS)
    shop = {cutoff: shop_oracle(frame, places, cutoff) for cutoff in CUTOFFS}
    all_seen = {cutoff: seen_at(frame, cutoff) for cutoff in CUTOFFS}
    wanted = []
    for entity, cutoff in zip(cases.entity, cases.cutoff, strict=True):
        customer = customers.events.entities[entity]
        trend, regions, payments = shop[cutoff]
        seen = all_seen[cutoff]
        labels = seen[(seen["customer"] == customer) & (seen["kind"] == PURCHASE) & (seen["payment"] >= 0)]["payment"]
        wanted.append(
            oracle(seen, customer, cutoff)
            | {
                "shop_trend": trend,
                "region_level": regions.get(places["region"][customer], np.nan),
                "payment": payments[labels.iloc[-1]] if len(labels) else np.nan,
            }
        )
    assert set(found) == set(wanted[0])
    for name, values in found.items():
        np.testing.assert_allclose(values, [one[name] for one in wanted], rtol=1e-6, atol=1e-9, err_msg=name)


def test_each_fact_is_of_features_that_there_are() -> None:
    customers = customers_of(*made_up(seed=3))
    assert {name for names in FACT_FEATURES.values() for name in names} <= set(
        figures(customers, every_case(customers))
    )


def test_what_a_cutoff_must_not_see_changes_no_bit() -> None:
    frame, places = made_up(seed=4)
    cutoff = CUTOFFS[1]
    unseen = frame["at"] >= pd.Timestamp(cutoff)
    altered = frame.assign(
        value=frame["value"].where(~unseen, 1e6),
        payment=frame["payment"].where(~unseen, 1),
        kind=frame["kind"].where(~unseen, PURCHASE),
        withdrawn=frame["withdrawn"].where(frame["withdrawn"] < pd.Timestamp(cutoff), pd.NaT),
    )
    others = places.copy()  # customers who come later, and a region of which nothing is known yet
    newcomers = ~others.index.isin(seen_at(frame, cutoff)["customer"])
    others.loc[newcomers, ["region", "latitude", "longitude"]] = ["between", 50.5, 11.0]
    assert newcomers.any()
    cases = Cases(np.flatnonzero(~newcomers), np.full((~newcomers).sum(), cutoff))
    before = figures(customers_of(frame, places), cases, OPTIONS)
    after = figures(customers_of(altered, others), cases, OPTIONS)
    assert before.keys() == after.keys()
    for name, values in before.items():
        assert values.tobytes() == after[name].tobytes(), name


def test_a_shop_without_a_purchase_has_features_that_say_nothing() -> None:
    frame, places = made_up(seed=5)
    customers = customers_of(frame[frame["kind"] == VISIT], places)
    found = figures(customers, every_case(customers), OPTIONS)
    for name in ("recency", "shop_trend", "payment", "discount", "usual_gap"):
        assert np.isnan(found[name]).all(), name
    assert (found["orders"] == 0).all()
    nobody = replace(every_case(customers), entity=np.empty(0, np.int64), cutoff=CUTOFFS[:0])
    assert {len(values) for values in figures(customers, nobody, OPTIONS).values()} == {0}
