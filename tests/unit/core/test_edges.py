"""Windows between explicit boundaries, and rows outside all of them."""

import datetime as dt
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.oracle import Boundaries, Want
from reference.streams import Case

import tidegate as tg
from tidegate import agg, errors

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


def occupied(times, edges):
    """Give (start, end, rows) of the windows that hold rows."""
    out = tg.aggregate(pa.table({"t": times}), tg.Edges(edges), on="t", n=agg.rows())
    columns = out.select(["window_start", "window_end", "n"]).to_pydict().values()
    return list(zip(*columns, strict=True))


def test_row_exactly_at_a_boundary_opens_the_next_window():
    assert occupied([0, 9, 10, 14], [0, 10, 15]) == [(0, 10, 2), (10, 15, 2)]


def test_rows_outside_are_in_no_window_but_used():
    side = tg.Side()
    table = pa.table({"t": [-1, 0, 15, 14, 100]})
    out = tg.aggregate(table, tg.Edges([0, 10, 15]), on="t", n=agg.rows(), side=side)
    assert out["n"].to_pylist() == [1, 1]
    assert (side.stats.used, side.stats.late, side.stats.rejected) == (5, 0, 0)


def test_row_outside_moves_the_watermark_and_is_never_late():
    live = tg.Aggregator(tg.Edges([0, 10, 20]), agg.rows(), on="t", lateness=0)
    assert live.push({"t": [3, 25]})["rows"].to_pylist() == [1]
    assert live.push({"t": [-5, 11]}).num_rows == 0
    late = live.take_late()
    assert late["t"].to_pylist() == [11]
    assert late["window_start"].to_pylist() == [10]


@pytest.mark.parametrize("time", [INT64_MIN, INT64_MIN + 1, -1, 4, INT64_MAX - 1, INT64_MAX])
def test_any_integer_time_is_in_a_window_or_none(time):
    side = tg.Side()
    out = tg.aggregate(pa.table({"t": [1, time]}), tg.Edges([0, 3]), agg.rows(), on="t", side=side)
    assert out["rows"].to_pylist() == [1]
    assert side.stats.used == 2


def test_windows_reach_to_the_ends_of_time():
    edges = [INT64_MIN, -1, INT64_MAX]
    assert occupied([INT64_MIN, -2, -1, INT64_MAX - 1, INT64_MAX], edges) == [
        (INT64_MIN, -1, 2),
        (-1, INT64_MAX, 2),
    ]


def test_advance_to_the_end_of_time_leaves_rows_outside_in_no_window():
    live = tg.Aggregator(tg.Edges([0, 10]), agg.rows(), on="t", lateness=None)
    live.push({"t": [1]})
    assert live.advance(INT64_MAX)["rows"].to_pylist() == [1]
    live.push({"t": [50, 5]})
    assert live.take_late()["t"].to_pylist() == [5]


# Whatever holds boundaries

DAYS = ["2024-03-01", "2024-03-02", "2024-03-05"]
AS_DATETIME = [dt.datetime.fromisoformat(day) for day in DAYS]


@pytest.mark.parametrize(
    "edges",
    [
        AS_DATETIME,
        tuple(AS_DATETIME),
        [t.replace(tzinfo=dt.UTC) for t in AS_DATETIME],
        [t.replace(tzinfo=dt.UTC).astimezone(zoneinfo.ZoneInfo("Asia/Tokyo")) for t in AS_DATETIME],
        [t.date() for t in AS_DATETIME],
        [np.datetime64(day) for day in DAYS],
        np.array(DAYS, "M8[D]"),
        np.array(DAYS, "M8[s]"),
        np.array(DAYS, "M8[ns]")[::-1][::-1],
        pa.array(AS_DATETIME, pa.timestamp("us", "Europe/Berlin")),
        pa.chunked_array([[AS_DATETIME[0]], [], AS_DATETIME[1:]], pa.timestamp("ms")),
        pd.Series(AS_DATETIME),
        pd.DatetimeIndex(AS_DATETIME),
        pd.DatetimeIndex(AS_DATETIME).tz_localize("UTC"),
        pl.Series(AS_DATETIME),
        [int(np.datetime64(day, "ms").astype(np.int64)) for day in DAYS],
    ],
    ids=str,
)
def test_boundaries_come_in_any_form(edges):
    times = pa.array(np.array(["2024-03-01T12", "2024-03-02T00", "2024-03-05"], "M8[ms]"))
    assert occupied(times, edges) == [
        (AS_DATETIME[0], AS_DATETIME[1], 1),
        (AS_DATETIME[1], AS_DATETIME[2], 1),
    ]


def test_float_times_have_float_boundaries():
    assert occupied([-0.0, 0.1, 0.3, 0.25], [0, 0.3, 1]) == [(0.0, 0.3, 3), (0.3, 1.0, 1)]


def test_infinite_time_is_rejected():
    side = tg.Side()
    table = pa.table({"t": [0.5, np.inf, -np.inf, np.nan, 1e308]})
    out = tg.aggregate(table, tg.Edges([0.0, 1.0]), agg.rows(), on="t", side=side)
    assert out["rows"].to_pylist() == [1]
    assert side.late["reason"].to_pylist() == ["time out of range"] * 2 + ["nan time"]


def test_boundaries_are_a_copy():
    given_edges = np.array([0, 10, 20])
    edges = tg.Edges(given_edges)
    given_edges[:] = 7
    assert edges == tg.Edges([0, 10, 20])
    with pytest.raises(ValueError, match="read-only"):
        edges.values[0] = 1


# What cannot be


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([], "0 boundaries"),
        ([1], "1 boundaries"),
        ([1, 1], r"boundary 1 \(1\) is not after the one before \(1\)"),
        ([1, 3, 2], r"boundary 2 \(2\) is not after the one before \(3\)"),
        ([0.0, -0.0], "is not after"),
        ([1, None, 3], "boundary 1 is null"),
        ([1.0, float("nan")], "boundary 1 is null, NaN or infinite"),
        ([1.0, float("inf")], "boundary 1 is null, NaN or infinite"),
        (np.array(["2024-01-01", "NaT"], "M8[s]"), "boundary 1 is null"),
        (pd.Series([pd.NaT, pd.Timestamp(0)]), "boundary 0 is null"),
        (pa.chunked_array([[1, 2], [3, None]]), "boundary 3 is null"),
    ],
)
def test_bad_boundaries_are_a_named_error(edges, message):
    with pytest.raises(errors.WindowError, match=message):
        tg.Edges(edges)


@pytest.mark.parametrize("edges", [["2024-01-01", "2024-01-02"], 5, None, "ab", [True, False]])
def test_what_holds_no_times_is_a_type_error(edges):
    with pytest.raises(errors.ColumnTypeError):
        tg.Edges(edges)


@pytest.mark.parametrize(
    ("times", "edges", "message"),
    [
        (np.array([0], "M8[s]"), np.array([0, 1500], "M8[ms]"), "boundary 1 .*no whole number"),
        (np.array([0], "M8[ns]"), np.array([0, 2**60], "M8[s]"), "boundary 1 .*does not fit"),
        (np.array([0], "M8[ns]"), np.array([-(2**60), 0], "M8[s]"), "boundary 0 .*does not fit"),
        ([0], np.array([0, 1], "M8[s]"), "no times of a column of type int64"),
        ([0.0], np.array([0, 1], "M8[s]"), "no times of a column of type double"),
        ([0], [0.0, 1.0], "no times of a column of type int64"),
        (np.array([0], "M8[s]"), [0.0, 1.0], "no times of a column of type timestamp"),
        ([0.0], [0, 2**53 + 1], "no times of a column of type double"),
    ],
)
def test_boundaries_that_are_no_times_of_the_column_are_refused(times, edges, message):
    with pytest.raises(errors.WindowError, match=message):
        tg.aggregate({"t": times}, tg.Edges(edges), agg.rows(), on="t")


def test_whole_numbers_of_the_unit_are_brought_to_it():
    out = tg.aggregate(
        {"t": np.array([1], "M8[s]")}, tg.Edges(np.array([0, 2000], "M8[ms]")), agg.rows(), on="t"
    )
    assert out["window_end"].tolist() == [dt.datetime(1970, 1, 1, 0, 0, 2)]


@pytest.mark.parametrize("edges", [[0, 10], [0.5, 1e300], np.array([5, 7], "M8[ns]")])
def test_plan_goes_to_json_and_back(edges):
    plan = tg.Aggregator(tg.Edges(edges), agg.rows(), on="t").plan
    assert tg.Plan.from_json(plan.to_json()) == plan
    assert hash(tg.Plan.from_json(plan.to_json()).window) == hash(plan.window)


@pytest.mark.parametrize(
    "values",
    [
        "7",
        "[]",
        "[1]",
        "[1, 1]",
        "[true, 2]",
        "[1, 2.0]",
        "[1, 1e400]",
        "[1, 99e99]",
        "[0, 9223372036854775808]",
        '["0", "1"]',
        "null",
        "{}",
    ],
)
@pytest.mark.parametrize("unit", ["null", '"s"', '"h"', "[]", "3"])
def test_plan_that_says_what_cannot_be_is_refused(values, unit):
    text = tg.Aggregator(tg.Edges([4, 5]), agg.rows(), on="t").plan.to_json()
    text = text.replace("[4, 5]", values).replace('"unit": null', f'"unit": {unit}')
    with pytest.raises(errors.InputError):
        tg.Plan.from_json(text)


def test_units_tell_boundaries_apart():
    assert tg.Edges([0, 1]) != tg.Edges(np.array([0, 1], "M8[s]"))
    assert tg.Edges(np.array([0, 1], "M8[ms]")) != tg.Edges(np.array([0, 1], "M8[s]"))
    assert tg.Edges([0, 1]) != tg.Edges([0.0, 1.0])
    assert tg.Edges([0, 1]) != "edges"


# Many


@given(st.data())
def test_any_boundaries_say_what_the_oracle_says(data):
    any_time = st.integers(INT64_MIN, INT64_MAX) | st.integers(-5, 5)
    edges = sorted(data.draw(st.sets(any_time, min_size=2, max_size=40)))
    near = st.sampled_from(edges).flatmap(lambda t: st.integers(max(t - 2, INT64_MIN), t))
    times = data.draw(st.lists(near | any_time, max_size=60))
    wants = (Want("n", "rows"), Want("last", "last", ("v",)))
    table = pa.table({"t": pa.array(times, pa.int64()), "v": pa.array(range(len(times)))})
    case = Case(table, Boundaries(tuple(edges)), wants, lateness=data.draw(st.none() | st.just(3)))
    said, run = case.oracle(), case.one_shot()
    assert run.result.to_pylist() == said.windows
    assert run.late["row"].to_pylist() == [late["row"] for late in said.late]
    assert run.stats.used == said.used


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("rows_a_window", [1, 10, 5000])
def test_many_windows_are_those_of_numpy(ordered, rows_a_window):
    rng = np.random.default_rng(rows_a_window)
    times = rng.integers(0, 10**12, 200_000)
    if ordered:
        times.sort()
    edges = np.unique(rng.integers(10**11, 9 * 10**11, len(times) // rows_a_window))
    value = rng.integers(-(10**9), 10**9, len(times))
    out = tg.aggregate(
        pa.table({"t": times, "v": value}), tg.Edges(edges), on="t", n=agg.rows(), s=agg.sum("v")
    )
    place = np.searchsorted(edges, times, side="right") - 1
    inside = (place >= 0) & (place < len(edges) - 1)
    counts = np.bincount(place[inside], minlength=len(edges) - 1)
    sums = np.zeros(len(edges) - 1, np.int64)
    np.add.at(sums, place[inside], value[inside])
    held = counts > 0
    np.testing.assert_array_equal(out["window_start"], edges[:-1][held])
    np.testing.assert_array_equal(out["window_end"], edges[1:][held])
    np.testing.assert_array_equal(out["n"], counts[held])
    np.testing.assert_array_equal(out["s"], sums[held])


def test_snapshot_holds_the_boundaries():
    live = tg.Aggregator(tg.Edges(np.arange(0, 10**6, 7)), agg.rows(), on="t", lateness=0)
    live.push({"t": [3, 8]})
    again = tg.Aggregator.restore(live.snapshot())
    assert again.push({"t": [9, 15]})["rows"].to_pylist() == [2]


def test_snapshot_of_more_boundaries_than_it_holds_is_a_named_error(monkeypatch):
    monkeypatch.setattr("tidegate.core.frames.MAX_HEADER", 1000)
    live = tg.Aggregator(tg.Edges(range(1000)), agg.rows(), on="t")
    with pytest.raises(errors.SnapshotError, match="fewer boundaries"):
        live.snapshot()
