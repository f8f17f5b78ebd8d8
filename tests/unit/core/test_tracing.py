"""Every window names the rows that made it, and they make it again."""

from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tidegate as tg
from tidegate import agg, errors

RESULTS = {"total": agg.sum("x"), "spread": agg.std("x"), "last": agg.last("x"), "n": agg.rows()}
WINDOWS = [
    tg.Tumbling(10),
    tg.Tumbling(7, origin="first"),
    tg.Sliding(20, 5),
    tg.Sliding(9, 6),
    tg.Sliding(4, 9),
    tg.Edges([0, 7, 8, 30, 80]),
    tg.Tumbling(10, empty="null"),
]


def table_of(times, n_keys=3):
    rng = np.random.default_rng(len(times))
    n = len(times)
    return pa.table(
        {
            "t": pa.array(times, pa.int64()),
            "x": rng.normal(size=n) * 10.0 ** rng.integers(-8, 9, n),
            "k": rng.integers(0, n_keys, n),
        }
    )


def rows_in(ranges):
    """How many rows ranges say that a window has; of keys each range says it itself."""
    return sum(one.get("rows", one["stop"] - one["start"]) for one in ranges)


def check(result, data, window, **options):
    """Each window's rows are as many as it counted, lie in it, and give the same bits again."""
    for number, row in enumerate(result.to_pylist()):
        ranges = row.pop("row_ranges")
        assert rows_in(ranges) == (row["n"] or 0)
        assert all(one["start"] < one["stop"] for one in ranges)
        assert all(a["stop"] < b["start"] for a, b in pairwise(ranges))
        own = tg.trace(data, result["row_ranges"][number])
        assert all(row["window_start"] <= t < row["window_end"] for t in own["t"].to_pylist())
        if own.num_rows:
            again = tg.aggregate(own, window, on="t", **options, **RESULTS).to_pylist()
            assert row in again


@settings(max_examples=60)
@given(
    times=st.lists(st.integers(0, 80), max_size=60),
    window=st.sampled_from(WINDOWS),
    in_order=st.booleans(),
    by=st.sampled_from([None, "k"]),
)
def test_the_rows_of_a_window_make_it_again(times, window, in_order, by):
    data = table_of(sorted(times) if in_order else times)
    if isinstance(window, tg.Tumbling) and window.origin == "first":
        window = tg.Tumbling(7, origin=times[0] if times else 0)
    traced = tg.aggregate(data, window, on="t", by=by, lineage=True, **RESULTS)
    plain = tg.aggregate(data, window, on="t", by=by, **RESULTS)
    assert traced.drop_columns(["row_ranges"]).equals(plain)
    check(traced, data, window, by=by)


@settings(max_examples=60)
@given(
    times=st.lists(st.integers(0, 80), max_size=60),
    window=st.sampled_from(WINDOWS[:1] + WINDOWS[2:6]),
    by=st.sampled_from([None, "k"]),
    lateness=st.integers(0, 20),
    cuts=st.lists(st.integers(0, 60), max_size=4),
)
def test_a_stream_tells_the_same_rows_as_one_shot_and_never_a_late_one(
    times, window, by, lateness, cuts
):
    data = table_of(times)
    side = tg.Side()
    options = {"on": "t", "by": by, "lateness": lateness, "lineage": True, **RESULTS}
    whole = tg.aggregate(data, window, side=side, **options)
    live = tg.Aggregator(window, **options)
    said = []
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(times)], strict=True):
        said.append(live.push(data.slice(start, stop - start)))
        live = tg.Aggregator.restore(live.snapshot())
    late = live.take_late()
    said.append(live.flush())
    if times:
        assert pa.concat_tables([t for t in said if t.num_rows] or said[-1:]).equals(whole)
    assert late["row"].to_pylist() == side.late["row"].to_pylist()
    assert late.column_names == side.late.column_names
    numbered = data.append_column("row", pa.array(range(len(times)), pa.int64()))
    named = {
        row
        for ranges in whole["row_ranges"]
        for row in tg.trace(numbered, ranges)["row"].to_pylist()
    }
    assert named.isdisjoint(side.late["row"].to_pylist())
    for ranges, n in zip(whole["row_ranges"].to_pylist(), whole["n"].to_pylist(), strict=True):
        assert rows_in(ranges) == n


@pytest.mark.parametrize("window", [tg.Tumbling(1000), tg.Sliding(5000, 1000)])
@pytest.mark.parametrize("disorder", [0, 1, 40, 5000])
@pytest.mark.parametrize("threads", [1, 2])
def test_long_inputs_in_order_and_out_of_it(window, disorder, threads):
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.integers(0, 3, 50_000))
    if disorder:
        times += rng.integers(0, disorder + 1, len(times))
    data = pa.table({"t": times, "x": rng.normal(size=len(times))})
    traced = tg.aggregate(data, window, on="t", lineage=True, threads=threads, **RESULTS)
    for row in traced.to_pylist()[::7]:
        within = (times >= row["window_start"]) & (times < row["window_end"])
        named = np.zeros(len(times), bool)
        for one in row["row_ranges"]:
            named[one["start"] : one["stop"]] = True
        np.testing.assert_array_equal(named, within)


def test_rows_without_a_time_are_in_no_window():
    data = {"t": [1.0, float("nan"), 5.0, 12.0], "x": [1.0, 2.0, 3.0, 4.0]}
    side = tg.Side()
    traced = tg.aggregate(data, tg.Tumbling(10.0), on="t", lineage=True, side=side, n=agg.rows())
    assert [list(map(dict, ranges)) for ranges in traced["row_ranges"]] == [
        [{"start": 0, "stop": 1}, {"start": 2, "stop": 3}],
        [{"start": 3, "stop": 4}],
    ]
    assert side.stats.rejected == 1


@pytest.mark.parametrize("make", [list, dict, pa.table, pd.DataFrame, pl.DataFrame])
def test_rows_come_back_as_what_they_were(make):
    columns = {"t": [1, 11, 5, 3], "x": [1.0, 2.0, 4.0, 8.0]}
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    data = records if make is list else make(columns)
    traced = tg.aggregate(data, tg.Tumbling(10), on="t", total=agg.sum("x"), lineage=True)
    column = [r["row_ranges"] for r in traced] if make is list else traced["row_ranges"]
    own = tg.trace(data, column[0])
    assert type(own) is type(data)
    if make is list:
        assert all(a is b for a, b in zip(own, [records[0], *records[2:]], strict=True))
    else:
        assert list(np.asarray(own["x"])) == [1.0, 4.0, 8.0]


def test_single_rows_are_numbered_too():
    live = tg.Aggregator(tg.Tumbling(10), on="t", lineage=True, total=agg.sum("x"))
    assert [live.push_row(t, 1.0) for t in (1, 5, 11)] == [False, False, True]
    assert live.take()["row_ranges"].to_pylist() == [[{"start": 0, "stop": 2}]]
    with pytest.raises(errors.InputError, match=r"takes 2 values \(t, x\), got 1"):
        live.push_row(1)
    assert live.flush()["row_ranges"].to_pylist() == [[{"start": 2, "stop": 3}]]


def test_no_rows_have_no_ranges():
    empty = pa.table({"t": pa.array([], pa.int64()), "x": pa.array([], pa.float64())})
    traced = tg.aggregate(empty, tg.Tumbling(10), on="t", lineage=True, total=agg.sum("x"))
    assert traced.column_names == ["window_start", "window_end", "total", "row_ranges"]
    assert traced.num_rows == 0
    some = tg.aggregate({"t": [1], "x": [1.0]}, tg.Tumbling(10), on="t", lineage=True, n=agg.rows())
    assert some["row_ranges"][0][0] == {"start": 0, "stop": 1}


def test_a_batch_that_is_refused_takes_no_numbers():
    live = tg.Aggregator(
        tg.Tumbling(10), on="t", late="raise", lineage=True, n=agg.rows(), total=agg.sum("x")
    )
    live.push({"t": [25], "x": [1.0]})
    with pytest.raises(errors.LateRowError):
        live.push({"t": [26, 1], "x": [1.0, 1.0]})
    live.push({"t": [27], "x": [1.0]})
    assert live.flush()["row_ranges"].to_pylist() == [[{"start": 0, "stop": 2}]]


def test_what_has_no_lineage_is_named():
    with pytest.raises(errors.InputError, match="'row_ranges'"):
        tg.aggregate({"t": [1]}, tg.Tumbling(5), on="t", lineage=True, row_ranges=agg.rows())
    one, two = (tg.Aggregator(tg.Tumbling(5), on="t", lineage=True, n=agg.rows()) for _ in "ab")
    with pytest.raises(errors.MergeError, match="lineage"):
        one.merge(two)


@pytest.mark.parametrize("ranges", [[(0, 5)], [(-1, 1)], [(2, 1)], [3], [{"start": 0}], [("a", 1)]])
def test_ranges_that_are_none_are_named(ranges):
    for data in ({"t": [1, 2, 3]}, [{"t": 1}] * 3):
        with pytest.raises(errors.InputError, match="trace"):
            tg.trace(data, ranges)


@pytest.mark.parametrize("window", [tg.Tumbling(5), tg.Rolling(5)], ids=repr)
def test_types_can_be_given_before_the_first_row(window):
    schema = pa.schema([("t", pa.int64()), ("x", pa.float64())])
    live = tg.Aggregator(window, agg.sum("x"), on="t", lineage=True, schema=schema)
    live.push_row(1, 1.0)
    live.push({"t": [2], "x": [2.0]}, take=False)
    out = live.flush().to_pylist()
    assert out[-1]["x_sum"] == 3.0
    assert out[-1]["row_ranges"] == [{"start": 0, "stop": 2}]
