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


BARS = {
    "of floats": {"m": agg.mean("x"), "high": agg.max("x"), "n": agg.rows()},
    "of ends": {"open": agg.first("x"), "close": agg.last("y"), "n": agg.rows()},
    "of integers": {"total": agg.sum("i"), "n": agg.rows()},
    "with nulls": {"least": agg.min("y"), "total": agg.sum("x"), "n": agg.rows()},
    "with wild values": {"spread": agg.std("w"), "total": agg.sum("x"), "n": agg.rows()},
}
GRIDS = [tg.Tumbling(5000), tg.Sliding(5000, 1000), tg.Sliding(300, 400)]


def stream_of(n_keys, disorder, n=70_000):
    rng = np.random.default_rng(n_keys + disorder)
    times = np.cumsum(rng.integers(0, 3, n)) + rng.integers(0, disorder + 1, n)
    x, y = rng.normal(size=(2, n))
    return pa.record_batch(
        {
            "t": pa.array(times),
            "k": pa.array(rng.integers(0, n_keys, n)),
            "x": pa.array(x),
            "y": pa.array(y, mask=rng.random(n) < 0.01),
            "i": pa.array(rng.integers(-9, 9, n)),
            "w": pa.array(np.where(rng.random(n) < 0.001, x * 1e200, x)),
        }
    )


def check_rows(result, data, lateness, by):
    """Hold the ranges of a result to the rows of the data that came before it was closed."""
    times, keys = data["t"].to_numpy(), data["k"].to_numpy()
    watermarks = np.append(-1, np.maximum.accumulate(times)[:-1] - lateness)
    some = np.linspace(0, result.num_rows - 1, 40).astype(np.int64)
    for row in result.take(some).to_pylist():
        own = (times >= row["window_start"]) & (times < row["window_end"])
        own &= watermarks < row["window_end"]
        own &= (keys == row["k"]) if by else True
        numbers = np.flatnonzero(own)
        assert row["n"] == len(numbers)
        if by:
            (one,) = row["row_ranges"]
            assert (one["start"], one["stop"] - 1) == (numbers[0], numbers[-1])
            assert (one["rows"], one["key"]) == (row["n"], {"k": row["k"]})
            continue
        breaks = np.flatnonzero(np.diff(numbers) > 1)
        starts, stops = numbers[[0, *(breaks + 1)]], numbers[[*breaks, -1]] + 1
        assert row["row_ranges"] == [
            {"start": start, "stop": stop}
            for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
        ]


@pytest.mark.parametrize(
    ("name", "window"),
    [*(("of floats", window) for window in GRIDS), *zip([*BARS][1:], 2 * GRIDS, strict=False)],
    ids=str,
)
@pytest.mark.parametrize(("disorder", "lateness"), [(0, 0), (40, 0), (300, 400), (3000, 100)])
@pytest.mark.parametrize("n_keys", [None, 40, 3000])
def test_long_streams_tell_the_rows_of_each_window(name, window, disorder, lateness, n_keys):
    data = stream_of(n_keys or 1, disorder)
    by = "k" if n_keys else None
    options = {"on": "t", "by": by, "lateness": lateness, "lineage": True, **BARS[name]}
    said = []
    for size, threads in ((7_000, 1), (70_000, 1), (70_000, 3)):
        live = tg.Aggregator(window, threads=threads, **options)
        made = [live.push(data.slice(row, size)) for row in range(0, data.num_rows, size)]
        said.append(pa.concat_tables([*made, live.flush()]))
    assert all(one.equals(said[0]) for one in said[1:])
    check_rows(said[0], data, lateness, by)


@pytest.mark.parametrize(
    "options",
    [
        {"allowed_lateness": 500},
        {"max_jump": 2500},
        {"sources": "i"},
        {"by": "k", "watermark": "key"},
        {"by": "k", "ttl": 5000},
        {"by": "k", "allowed_lateness": 500},
    ],
    ids=str,
)
def test_options_of_time_leave_every_row_in_its_ranges(options):
    data = stream_of(20, 3000, n=5_000)
    options = {"on": "t", "lateness": 100, "lineage": True, **BARS["of floats"], **options}
    said = []
    for size in (1, 77, 5_000):
        live = tg.Aggregator(tg.Sliding(500, 100), **options)
        for row in range(0, data.num_rows, size):
            live.push(data.slice(row, size), take=False)
            if row == 77 * 20:
                live = tg.Aggregator.restore(live.snapshot())
        said.append(pa.concat_tables([live.take(), live.flush()]))
    assert all(one.equals(said[0]) for one in said[1:])
    by = options.get("by")
    times, keys = data["t"].to_numpy(), data["k"].to_numpy()
    for row in said[0].to_pylist():
        numbers = [at for one in row["row_ranges"] for at in range(one["start"], one["stop"])]
        assert len(numbers) == row["n"]
        assert all(row["window_start"] <= time < row["window_end"] for time in times[numbers])
        assert by is None or set(keys[numbers].tolist()) == {row["k"]}


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("label", [None, "start", "end"])
@pytest.mark.parametrize("empty", ["skip", "null", "zero", "carry"])
def test_windows_without_rows_name_none(empty, label, by):
    data = pa.table({"t": [1, 2, 31, 32, 75], "k": ["a", "b", "a", "a", "b"], "x": [1.0] * 5})
    window = tg.Tumbling(10, empty=empty, label=label)
    options = {"on": "t", "by": by, "lineage": True, "n": agg.rows(), "total": agg.sum("x")}
    whole = tg.aggregate(data, window, **options)
    assert sum(map(rows_in, whole["row_ranges"].to_pylist())) == 5
    for ranges, n in zip(whole["row_ranges"].to_pylist(), whole["n"].to_pylist(), strict=True):
        assert rows_in(ranges) == n
    live = tg.Aggregator(window, **options)
    made = [live.push(data.slice(row, 1)) for row in range(5)]
    assert pa.concat_tables([*made, live.flush()]).equals(whole)
    side = tg.Side()
    assert tg.aggregate(data, window, lateness=100, side=side, **options).equals(whole)


def test_rows_one_by_one_are_numbered_as_batches_are():
    data = stream_of(5, 300, n=3_000)
    for by in (None, "k"):
        options = {"on": "t", "by": by, "lateness": 50, "lineage": True, "m": agg.mean("x")}
        whole, live = (tg.Aggregator(tg.Sliding(300, 100), **options) for _ in "ab")
        for row in data.select(["t", "k", "x"] if by else ["t", "x"]).to_pylist():
            live.push_row(*row.values())
        expected = pa.concat_tables([whole.push(data), whole.flush()])
        assert pa.concat_tables([live.take(), live.flush()]).equals(expected)


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


@pytest.mark.parametrize("disorder", [0, 3])
@pytest.mark.parametrize(
    "window",
    [
        tg.Session(2),
        tg.Session(1, max_duration=9),
        tg.Count(7),
        tg.Count(7, complete_only=True),
        tg.Count(7, 3),
        tg.Count(3, 7),
        tg.Threshold("i", 30),
        tg.Threshold("i", 30, complete_only=True),
        tg.Threshold("i", 3, overshoot="carry"),
        tg.Threshold("i", 3, overshoot="split"),
    ],
    ids=str,
)
def test_windows_that_rows_make_tell_the_same_rows_at_once_and_bit_by_bit(window, disorder):
    data = stream_of(1, disorder, n=2_000)
    sizes = pa.array(np.abs(data["i"].to_numpy()))
    data = pa.table({"t": data["t"], "x": data["x"], "i": sizes})
    options = {"on": "t", "lineage": True, "n": agg.rows(), "total": agg.sum("x")}
    whole = tg.aggregate(data, window, **options)
    live = tg.Aggregator(window, lateness=None, **options)
    made = [live.push(data.slice(row, 300)) for row in range(0, data.num_rows, 300)]
    assert pa.concat_tables([*made, live.flush()]).equals(whole)
    for row in whole.to_pylist()[::5]:
        own = [data.slice(one["start"], one["stop"] - one["start"]) for one in row["row_ranges"]]
        (again,) = tg.aggregate(
            pa.concat_tables(own), tg.Tumbling(10_000), on="t", total=agg.sum("x"), n=agg.rows()
        ).to_pylist()
        assert (again["n"], again["total"]) == (row["n"], row["total"])
