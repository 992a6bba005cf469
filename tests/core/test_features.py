"""Features: their declarations, and what each function computes."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.features import Clock, Feature, FeatureKind, FeatureSet
from forecasting.features.entity import PriceBands, title_tokens
from forecasting.features.space import (
    Weather,
    group_level,
    haversine_km,
    missing_place,
    nearest_places,
    neighbours_level,
    series_in_neighbours,
)
from forecasting.features.time import Events, days_around, harmonics, log_gaps, recency, span_totals, window_levels
from forecasting.hashing import stable_hash
from forecasting.histories import Histories
from forecasting.schema import ArtifactError, ConfigurationError

EPOCH = np.datetime64("2020-01-01", "us")
DAY = np.timedelta64(1, "D")


def days(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[D]")


def histories(entity, occurred, known, value) -> Histories:
    """Histories with times in whole days after EPOCH."""
    table = pa.table(
        {
            "id": pa.array([f"e{e}" for e in entity], pa.string()).dictionary_encode(),
            "at": pa.array(EPOCH + np.asarray(occurred, np.int64) * DAY),
            "known": pa.array(EPOCH + np.asarray(known, np.int64) * DAY),
            "value": pa.array(np.asarray(value, float)),
        }
    )
    return Histories.from_arrow(table, "id", "at", "known", ["value"])


# Declarations


def test_only_what_is_declared_known_ahead_is_seen_before_its_time():
    at, cutoff = EPOCH + np.arange(3) * DAY, EPOCH + DAY
    assert Feature("rain", Clock.HISTORY).visible(at, None, cutoff).tolist() == [True, False, False]
    assert Feature("rain", Clock.HISTORY).visible(at, at + 2 * DAY, cutoff).tolist() == [False] * 3
    assert Feature("price", Clock.KNOWN_AHEAD).visible(at, at, cutoff).tolist() == [True] * 3


def test_features_of_columns_take_their_kind_from_the_type():
    table = pa.table({"price": [1.5], "promo": [True], "weather": pa.array(["wet"]).dictionary_encode()})
    found = FeatureSet.of_columns(table, history=("weather",), known_ahead=("price", "promo"))
    assert found.names == ("price", "promo", "weather")
    assert [feature.kind for feature in found] == [FeatureKind.NUMERIC, FeatureKind.FLAG, FeatureKind.CATEGORICAL]
    assert found.select(Clock.HISTORY).names == ("weather",)
    assert found.select(Clock.KNOWN_AHEAD, FeatureKind.FLAG).names == ("promo",)
    assert [feature.column for feature in found] == ["price", "promo", "weather"]
    with pytest.raises(ConfigurationError, match="no such column: prise.*price, promo, weather"):  # noqa: RUF043
        FeatureSet.of_columns(table, history=("prise",))
    with pytest.raises(ConfigurationError, match="named twice: price"):
        FeatureSet.of_columns(table, history=("price",), known_ahead=("price",))


# Time


def test_gaps_are_logarithms_of_days_within_the_window():
    instants = EPOCH + np.array([[0, 0, 1, 4], [0, 1, 2, 9]]) * DAY
    mask = np.array([[False, True, True, True], [True] * 4])
    np.testing.assert_allclose(log_gaps(instants, mask), np.log1p([[0, 0, 1, 3], [0, 1, 1, 7]]), rtol=1e-6)


def test_recency_is_since_the_last_row_seen():
    found = histories([0, 0, 1], [1, 5, 8], [1, 9, 8], [0, 0, 0])
    at = EPOCH + np.array([7, 9, 8, 2]) * DAY
    np.testing.assert_array_equal(recency(found, np.array([0, 0, 1, 0]), at), [6, 4, np.nan, 1])


@pytest.mark.parametrize(
    ("cycle", "zero", "quarter"),
    [
        ("day", "2021-05-03T00:00", "2021-05-03T06:00"),
        ("week", "2021-05-03T00:00", "2021-05-04T18:00"),
        ("month", "2021-02-01T00:00", "2021-02-08T00:00"),
        ("year", "2020-01-01T00:00", "2020-04-01T12:00"),
    ],
)
def test_harmonics_turn_once_in_a_cycle(cycle, zero, quarter):
    found = harmonics(np.array([zero, quarter], "datetime64[m]"), cycle, order=2)
    expected = [[0, 0, 1, 1], [1, 0, 0, -1]]  # sin x, sin 2x, cos x, cos 2x
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32
    assert harmonics(np.zeros((2, 3), "datetime64[D]"), cycle).shape == (2, 3, 2)


def test_public_holidays_come_from_the_library():
    found = Events.of_country("DE", np.datetime64("2019-12-26"), np.datetime64("2021-01-01"), "BY")
    assert found.day[[0, -1]].astype(str).tolist() == ["2019-12-26", "2021-01-01"]
    assert np.datetime64("2020-01-06") in found.day  # Epiphany, a holiday in Bavaria
    assert np.datetime64("2020-01-06") not in Events.of_country("DE", found.day[0], found.day[-1]).day
    for country, subdivision in (("XX", None), ("DE", "ZZ")):
        with pytest.raises(ConfigurationError, match=f"'{country}"):
            Events.of_country(country, found.day[0], found.day[-1], subdivision)


def test_days_around_events_of_a_region():
    calendar = pa.table(
        {
            "date": pa.array([dt.date(2020, 3, 10), dt.date(2020, 3, 4), dt.date(2020, 3, 8)]),
            "event": ["fair", "sale", "sale"],
            "region": ["north", None, "south"],
        }
    )
    events = Events.from_arrow(calendar).of_region("north")
    assert events.day.astype(str).tolist() == ["2020-03-04", "2020-03-10"]
    since, until = days_around(events, days("2020-03-03", "2020-03-04", "2020-03-08", "2020-03-11"), limit=30)
    assert since.tolist() == [30, 0, 4, 1]
    assert until.tolist() == [1, 0, 2, 30]
    assert events.named("fair").day.astype(str).tolist() == ["2020-03-10"]
    assert days_around(events.named("none"), days("2020-03-03"), 9) == (9, 9)
    assert len(Events.from_arrow(calendar.drop_columns("region")).of_region("north").day) == 3


def test_levels_over_several_spans_ignore_what_was_not_observed():
    values = np.array([[8.0, np.nan, 2.0, 4.0], [1.0, 1.0, 9.0, np.inf]])
    observed = np.array([[True, False, True, True], [True, True, False, False]])
    expected = [[4, 3, 14 / 3], [np.nan, np.nan, 1]]
    np.testing.assert_allclose(window_levels(values, observed, [1, 2, 99]), expected)


rows = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 20), st.integers(0, 4), st.sampled_from([1.5, -2.0, float("nan")])),
    min_size=1,
    max_size=40,
)


@given(rows, st.lists(st.integers(-1, 30), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_totals_over_spans_agree_with_reading_the_rows_one_by_one(rows, cutoffs):
    entity, occurred, late, value = (np.array(column) for column in zip(*rows, strict=True))
    known = occurred + late
    found = histories(entity, occurred, known, value)
    spans = [1, 7, 100]
    for position, name in enumerate(found.entities):
        who = np.full(len(cutoffs), position)
        at, lengths = EPOCH + np.array(cutoffs) * DAY, [np.timedelta64(span, "D") for span in spans]
        counts, sums = span_totals(found, who, at, lengths), span_totals(found, who, at, lengths, "value")
        for row, cutoff in enumerate(cutoffs):
            for column, span in enumerate(spans):
                seen = (entity == int(name[1:])) & (occurred < cutoff) & (occurred >= cutoff - span) & (known <= cutoff)
                assert counts[row, column] == seen.sum()
                assert sums[row, column] == np.nansum(value[seen])


# Space


def test_distances_are_those_of_an_atlas():
    london, paris, sydney = (51.5074, -0.1278), (48.8566, 2.3522), (-33.8688, 151.2093)
    assert haversine_km(*london, *paris) == pytest.approx(343.6, abs=1)
    assert haversine_km(*london, *sydney) == pytest.approx(16_994, abs=10)
    assert haversine_km(10, 179.5, 10, -179.5) == pytest.approx(109.5, abs=0.1)  # across the date line
    assert haversine_km(90, 0, -90, 0) == pytest.approx(np.pi * 6371.0088)
    assert haversine_km(*paris, *paris) == 0


def test_missing_coordinates_have_no_distance():
    latitude, longitude = np.array([0, 0, np.nan, 91, 5, -90]), np.array([0, 5, 5, 5, 181, 180])
    assert missing_place(latitude, longitude).tolist() == [True, False, True, True, True, False]
    np.testing.assert_array_equal(
        np.isnan(haversine_km(latitude, longitude, 1.0, 1.0)), missing_place(latitude, longitude)
    )


def test_nearest_places_leave_oneself_and_the_missing_out():
    latitude, longitude = np.array([1.0, 1.0, 1.0, np.nan, 1.0]), np.array([10.0, 12.0, 13.0, 11.0, 10.0])
    index, km = nearest_places(latitude, longitude, 5)
    assert index.tolist() == [
        [4, 1, 2, -1, -1],
        [2, 0, 4, -1, -1],
        [1, 0, 4, -1, -1],
        [-1] * 5,
        [0, 1, 2, -1, -1],
    ]
    assert km[0, 0] == 0 and km[1, 0] == pytest.approx(haversine_km(1, 12, 1, 13))
    np.testing.assert_array_equal(np.isnan(km), index < 0)
    assert nearest_places(latitude[:1], longitude[:1], 2)[0].tolist() == [[-1, -1]]


def test_series_find_their_item_next_door():
    item, location = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 2, 0, 1])
    nearest = np.array([[1, 2], [0, 2], [1, -1]])
    found = series_in_neighbours(item, location, nearest)
    assert found.tolist() == [[1, -1], [0, -1], [-1, -1], [-1, 2], [-1, -1]]
    assert series_in_neighbours(np.empty(0, np.int64), np.empty(0, np.int64), nearest).shape == (0, 2)
    level = np.array([4.0, np.nan, 6.0, 1.0, 9.0])
    np.testing.assert_array_equal(neighbours_level(level, found), [np.nan, 4, np.nan, 6, np.nan])
    np.testing.assert_array_equal(neighbours_level(level, np.array([[0, 2], [1, 3]])), [5, 1])


def test_a_group_level_is_that_of_the_others():
    level, group = np.array([1.0, 3.0, np.nan, 8.0, 5.0, 7.0]), np.array([0, 0, 0, 1, -1, -1])
    np.testing.assert_array_equal(group_level(level, group), [3, 1, 2, np.nan, np.nan, np.nan])
    assert len(group_level(np.empty(0), np.empty(0, np.int64))) == 0


def weather(rows) -> Weather:
    names = ("date", "location_id", "region", "temperature", "known_at")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    types = (pa.date32(), pa.string(), pa.string(), pa.float64(), pa.timestamp("us"))
    arrays = {name: pa.array(columns[name], kind) for name, kind in zip(names, types, strict=True)}
    for name in ("location_id", "region"):
        arrays[name] = arrays[name].dictionary_encode()
    return Weather.from_arrow(pa.table(arrays))


def test_weather_is_of_the_location_or_else_of_its_region_in_the_version_known():
    first, second = dt.date(2020, 1, 1), dt.date(2020, 1, 2)
    found = weather(
        [
            (first, "A", None, 1.0, dt.datetime(2020, 1, 2)),
            (first, "A", None, 1.5, dt.datetime(2020, 1, 4)),  # corrected two days later
            (first, None, "north", 7.0, dt.datetime(2020, 1, 2)),
            (second, None, "north", 8.0, None),
            (second, None, None, 99.0, None),
        ]
    )
    asked = np.broadcast_to(days("2020-01-01", "2020-01-02", "2020-01-03"), (3, 3))
    places = (["A", "B", None], ["north", "north", None])
    early = found.at("temperature", *places, asked, np.datetime64("2020-01-03"))
    np.testing.assert_array_equal(early, [[1, 8, np.nan], [7, 8, np.nan], [np.nan] * 3])
    both = found.at("temperature", *places, asked, days("2020-01-04", "2020-01-02", "2020-01-04"))
    np.testing.assert_array_equal(both, [[1.5, 8, np.nan], [7, np.nan, np.nan], [np.nan] * 3])
    ahead = found.at("temperature", *places, asked)
    np.testing.assert_array_equal(ahead, [[1.5, 8, np.nan], [7, 8, np.nan], [np.nan] * 3])
    assert np.isnan(found.at("wind", *places, asked)).all()


@pytest.mark.parametrize("seed", range(100))
def test_what_a_cutoff_must_not_see_changes_no_feature(seed):
    """Rows that occur or become known after the cutoff are altered: every feature stays bit-identical."""
    rng = np.random.default_rng(seed)
    count, cutoff = 200, int(rng.integers(15, 50))
    entity, occurred = rng.integers(0, 5, count), rng.integers(0, 60, count)
    entity[:5], occurred[:5] = np.arange(5), 0
    known = occurred + rng.choice([0, 0, 1, 30], count) * (occurred > 0)
    value = rng.normal(size=count)
    hidden = (occurred >= cutoff) | (known > cutoff)
    at = EPOCH + rng.integers(1, cutoff + 1, 20) * DAY
    who = rng.integers(0, 5, 20)

    def features(value: np.ndarray, kept: np.ndarray) -> list[np.ndarray]:
        found = histories(entity[kept], occurred[kept], known[kept], value[kept])
        rows = [
            ((EPOCH + int(day) * DAY).astype("datetime64[D]").item(), f"e{e}", None, v, (EPOCH + int(k) * DAY).item())
            for e, day, k, v in zip(entity[kept], occurred[kept], known[kept], value[kept], strict=True)
        ]
        places = [f"e{e}" for e in who]
        dates = at.astype("datetime64[D]")[:, None] + np.arange(-9, 3)
        index, mask = found.window(who, at, 12)
        observed = mask & np.isfinite(found.columns["value"][index])
        spans = [3 * DAY, 20 * DAY]
        return [
            recency(found, who, at),
            log_gaps(found.occurred_at[index], mask),
            window_levels(found.columns["value"][index], observed, [2, 12]),
            span_totals(found, who, at, spans),
            span_totals(found, who, at, spans, "value"),
            weather(rows).at("temperature", places, [None] * len(who), dates, at),
        ]

    before = features(value, np.ones(count, bool))
    altered = np.where(hidden, rng.choice([np.inf, 1e300, 0.0], count), value)
    after = features(altered, ~hidden | (rng.random(count) < 0.5))
    for one, other in zip(before, after, strict=True):
        assert one.tobytes() == other.tobytes()


# The entity


def test_price_bands_hold_equally_many_prices():
    prices = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, np.nan])
    bands = PriceBands.fit(prices, bands=4)
    assert bands.encode(prices).tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 0]
    assert bands.encode(np.array([[-1.0, 99.0]])).tolist() == [[1, 4]]
    assert bands.size == 5
    assert PriceBands.restore(bands.document()) == bands
    same = PriceBands.fit(np.full(9, 2.5))
    assert same.encode(np.array([2.5, 3.0])).tolist() == [1, 1] and same.size == 2
    cheap = PriceBands.fit(np.array([1.0] * 9 + [5.0]), bands=10)
    assert cheap.encode(np.array([1.0, 5.0])).tolist() == [1, 2]  # edges on the cheapest price make no empty band
    assert PriceBands.fit(np.array([np.nan])).encode(np.array([1.0])).tolist() == [1]
    for wrong in ({}, {"edges": [2, 1]}, {"edges": ["a"]}):
        with pytest.raises(ArtifactError):
            PriceBands.restore(wrong)


def test_titles_become_hashed_words():
    titles = pa.chunked_array([pa.array(["Red, RED  café-24!", None]), pa.array(["", "one two three four"])])
    tokens = title_tokens(titles, buckets=1000, length=3)

    def bucket(word: str) -> int:
        return int(stable_hash([word])[0] % np.uint64(1000)) + 1

    assert tokens.tolist() == [
        [bucket("red"), bucket("red"), bucket("café")],
        [0, 0, 0],
        [0, 0, 0],
        [bucket("one"), bucket("two"), bucket("three")],
    ]
    assert tokens.dtype == np.int32
    assert title_tokens(titles.dictionary_encode(), 1000, 3).tolist() == tokens.tolist()
    assert title_tokens(np.array(["x y"], dtype=object), 7, 1).max() <= 7
