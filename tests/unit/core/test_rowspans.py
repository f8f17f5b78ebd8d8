"""Windows with keys tell the first and the last of their rows, and how many there are between."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tidegate as tg
from tidegate import agg, errors
from tidegate._kernels.rowspans import RowSpans
from tidegate.core import oneshot, rowspans

WINDOWS = [
    tg.Tumbling(10),
    tg.Sliding(20, 5),
    tg.Sliding(4, 9),
    tg.Edges([-30, 0, 7, 8, 30, 80]),
    tg.Tumbling(10, empty="null"),
]
OPTIONS = {"on": "t", "by": "k", "n": agg.rows(), "lineage": True}


def refuse(*_):
    """Stand for the collecting of row numbers, which must not be needed."""
    raise AssertionError("the rows were collected")


def check(result, data):
    """Look at every row, and have each window's rows given back."""
    numbered = data.append_column("number", pa.array(np.arange(data.num_rows)))
    times, keys = data["t"].to_pylist(), data["k"].to_pylist()
    for row, ranges in zip(result.to_pylist(), result["row_ranges"], strict=True):
        own = [
            number
            for number, (time, key) in enumerate(zip(times, keys, strict=True))
            if key == row["k"] and row["window_start"] <= time < row["window_end"]
        ]
        assert [(one["start"], one["stop"], one["rows"]) for one in ranges.as_py()] == (
            [(own[0], own[-1] + 1, len(own))] if own else []
        )
        assert tg.trace(numbered, ranges)["number"].to_pylist() == own


@settings(max_examples=100)
@given(
    times=st.lists(st.integers(-30, 80), min_size=1, max_size=60),
    window=st.sampled_from(WINDOWS),
    n_keys=st.integers(1, 4),
    in_order=st.booleans(),
    threads=st.integers(1, 3),
)
def test_spans_are_those_of_a_look_at_every_row(times, window, n_keys, in_order, threads):
    keys = pa.array([None if t % n_keys == 3 else f"k{t % n_keys}" for t in times])
    data = pa.table({"t": sorted(times) if in_order else times, "k": keys})
    result = tg.aggregate(data, window, threads=threads, **OPTIONS)
    assert result.drop_columns(["row_ranges"]).equals(
        tg.aggregate(data, window, on="t", by="k", n=agg.rows())
    )
    check(result, data)


@pytest.mark.parametrize("window", [tg.Tumbling(1000), tg.Sliding(3000, 1000)])
@pytest.mark.parametrize("disorder", [0, 300, 20_000])
@pytest.mark.parametrize("n_keys", [1, 40, 3000])
def test_long_inputs_tell_the_same_in_one_go_on_threads_and_in_a_stream(
    monkeypatch, window, disorder, n_keys
):
    monkeypatch.setattr(rowspans, "WORTH", 1)
    rng = np.random.default_rng(disorder + n_keys)
    times = np.cumsum(rng.integers(0, 3, 30_000)) + rng.integers(0, disorder + 1, 30_000)
    keys = (n_keys * rng.random(30_000) ** 3).astype(int)  # some are rare
    data = pa.table({"t": times, "k": keys})
    live = tg.Aggregator(window, lateness=10**9, **OPTIONS)
    for start in range(0, 30_000, 7_000):
        live.push(data.slice(start, 7_000))
        live = tg.Aggregator.restore(live.snapshot())
    streamed = live.flush()
    monkeypatch.setattr(oneshot, "traced", refuse)
    monkeypatch.setattr(oneshot, "MAX_BATCH", 5_000)
    one, two = (tg.aggregate(data, window, threads=threads, **OPTIONS) for threads in (1, 2))
    assert one.equals(two)
    assert one.equals(streamed)
    for at in range(0, one.num_rows, 1 + one.num_rows // 50):
        own = np.flatnonzero(
            (times >= one["window_start"][at].as_py())
            & (times < one["window_end"][at].as_py())
            & (keys == one["k"][at].as_py())
        )
        (span,) = one["row_ranges"][at].as_py()
        assert (span["start"], span["stop"], span["rows"]) == (own[0], own[-1] + 1, len(own))
        assert tg.trace(data, one["row_ranges"][at]).equals(data.take(own))


@pytest.mark.parametrize("window", [tg.Tumbling(1000), tg.Sliding(300, 100), tg.Edges([0, 9000])])
def test_a_stream_keeps_no_row_numbers_whatever_comes(window):
    rng = np.random.default_rng(9)
    times = np.arange(9_000) + rng.integers(-50, 50, 9_000)
    data = pa.table({"t": times, "k": rng.integers(0, 7, 9_000)})
    live = tg.Aggregator(window, lateness=200, limits=tg.Limits(max_kept=1), **OPTIONS)
    parts = [live.push(data.slice(start, 999)) for start in range(0, 9_000, 999)]
    assert len(live.snapshot()) < 20_000
    assert pa.concat_tables([*parts, live.flush()]).equals(tg.aggregate(data, window, **OPTIONS))


@pytest.mark.parametrize("empty", ["null", "zero", "carry"])
def test_windows_without_rows_have_no_span_in_a_stream(empty):
    data = pa.table({"t": [1, 2, 31, 32, 75], "k": ["a", "b", "a", "a", "b"]})
    window = tg.Tumbling(10, empty=empty)
    live = tg.Aggregator(window, **OPTIONS)
    assert "row_ranges" in live.take().column_names
    whole = pa.concat_tables([*[live.push(data.slice(row, 1)) for row in range(5)], live.flush()])
    assert whole.num_rows > 5
    assert whole.equals(tg.aggregate(data, window, **OPTIONS))
    check(whole, data)


@pytest.mark.parametrize("window", [tg.Tumbling(7), tg.Sliding(12, 4)])
def test_a_row_that_is_late_lies_in_no_span_of_its_window(window):
    rng = np.random.default_rng(4)
    data = pa.table({"t": rng.integers(0, 25, 400).cumsum() // 9 - rng.integers(0, 30, 400)})
    data = data.append_column("k", pa.array(rng.integers(0, 3, 400)))
    side = tg.Side()
    result = tg.aggregate(data, window, lateness=6, side=side, **OPTIONS)
    assert side.stats.late > 20
    for at in range(result.num_rows):  # which counts the rows
        assert tg.trace(data, result["row_ranges"][at]).num_rows == result["n"][at].as_py()


KEYS = [
    pa.array(["a", None, "b", "a", None, "b"]),
    pa.array(["a", None, "b", "a", None, "b"]).dictionary_encode(),
    pa.array([0.0, float("nan"), 1.5, -0.0, float("nan"), 1.5]),
    pa.array([3, 1, 2, 3, 1, 2], pa.int8()),
    pa.array([True, False, None] * 2),
    pa.array([dt.date(2024, 1, day) for day in (1, 2, 3)] * 2),
    pa.array([10**9 + 7, 5, 6] * 2, pa.timestamp("ns")),
    pa.array([b"x", b"", None] * 2),
]


@pytest.mark.parametrize("keys", KEYS, ids=lambda keys: str(keys.type))
def test_keys_of_any_type_lead_back_to_their_rows(keys):
    data = pa.table({"t": [1, 2, 3, 4, 5, 6], "k": keys, "x": [1, 2, 3, 4, 5, 6]})
    result = tg.aggregate(data, tg.Tumbling(10), **OPTIONS)
    for at in range(3):
        assert tg.trace(data, result["row_ranges"][at])["x"].to_pylist() == [at + 1, at + 4]


TIMES = [
    pa.array([1, 11, 5, 19], pa.timestamp("ns")),
    pa.array([1, 11, 5, 19], pa.timestamp("us", "Europe/Berlin")),
    pa.array([1, 11, 5, 19], pa.int32()),
    pa.array([1.5, 11.0, 5.5, 19.0]),
]


@pytest.mark.parametrize("times", TIMES, ids=lambda times: str(times.type))
def test_times_of_any_type_bound_a_span(times):
    data = pa.table({"t": times, "a b": [1, 1, 1, 2], "k": ["x"] * 4, "number": [0, 1, 2, 3]})
    window = tg.Tumbling(10 if not pa.types.is_timestamp(times.type) else f"10{times.type.unit}")
    result = tg.aggregate(
        data, window, on="t", by=["a b", "k"], n=agg.rows(), lineage=True, threads=1
    )
    found = [tg.trace(data, ranges)["number"].to_pylist() for ranges in result["row_ranges"]]
    assert found == [[0, 2], [1], [3]]
    (span,) = result["row_ranges"][0].as_py()
    assert span["key"] == {"a b": 1, "k": "x"}
    assert span["time"] == {"t": {"from": 0, "before": 10}}


@pytest.mark.parametrize("make", [list, dict, pa.table, pd.DataFrame, pl.DataFrame])
def test_rows_come_back_as_what_they_were(make):
    columns = {"t": [1, 11, 5, 3], "k": ["a", "a", "b", "a"], "x": [1.0, 2.0, 4.0, 8.0]}
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    data = records if make is list else make(columns)
    result = tg.aggregate(data, tg.Tumbling(10), **OPTIONS)
    column = [r["row_ranges"] for r in result] if make is list else result["row_ranges"]
    own = tg.trace(data, column[0])
    assert type(own) is type(data)
    if make is list:
        assert all(a is b for a, b in zip(own, [records[0], records[3]], strict=True))
    else:
        assert list(np.asarray(own["x"])) == [1.0, 8.0]


def test_a_result_leads_back_to_its_rows_from_a_file_too(tmp_path):
    data = pa.table({"t": [1, 2, 3, 12], "k": ["a", "b", "a", "b"]})
    pq.write_table(tg.aggregate(data, tg.Tumbling(10), **OPTIONS), tmp_path / "bars.parquet")
    kept = pq.read_table(tmp_path / "bars.parquet")
    rows = [tg.trace(data, ranges)["t"].to_pylist() for ranges in kept["row_ranges"]]
    assert rows == [[1, 3], [2], [12]]


def test_other_rows_than_were_aggregated_are_told():
    data = pa.table({"t": [1, 2, 3, 4], "k": ["a", "b", "a", "b"]})
    (span,) = tg.aggregate(data, tg.Tumbling(10), **OPTIONS)["row_ranges"][0].as_py()
    with pytest.raises(errors.InputError, match="1 are of the key"):
        tg.trace(data.set_column(1, "k", pa.array(["b", "b", "a", "b"])), [span])
    with pytest.raises(errors.ColumnNotFoundError, match="'k'"):
        tg.trace(data.drop_columns(["k"]), [span])
    for damaged in (
        span | {"rows": None},
        span | {"time": {}},
        span | {"time": {"t": {"from": 0}}},
        span | {"key": 7},
        {name: value for name, value in span.items() if name != "rows"},
    ):
        with pytest.raises(errors.InputError, match=r"trace: .* does not tell"):
            tg.trace(data, [damaged])


def test_a_range_without_times_is_of_all_rows_of_its_key_or_refused():
    data = pa.table({"t": [1, 25, 3], "k": ["a", "a", "a"]})
    (span,) = tg.aggregate(data, tg.Tumbling(10), **OPTIONS)["row_ranges"][0].as_py()
    assert tg.trace(data, [span])["t"].to_pylist() == [1, 3]
    without = {name: value for name, value in span.items() if name != "time"}
    with pytest.raises(
        errors.InputError, match=r"3 are of the key .*, and of the window there were 2"
    ):
        tg.trace(data, [without])


def test_where_other_options_say_which_rows_count_ranges_are_exact():
    data = {"t": [1, 2, 3], "k": ["a", "b", "a"]}
    result = tg.aggregate(pa.table(data), tg.Tumbling(10), max_jump=100, **OPTIONS)
    assert result["row_ranges"][0].as_py() == [{"start": 0, "stop": 1}, {"start": 2, "stop": 3}]


def test_no_rows_have_no_spans():
    empty = pa.table({"t": pa.array([], pa.int64()), "k": pa.array([], pa.string())})
    result = tg.aggregate(empty, tg.Tumbling(10), **OPTIONS)
    some = tg.aggregate(pa.table({"t": [1], "k": ["a"]}), tg.Tumbling(10), **OPTIONS)
    assert result.num_rows == 0
    assert result.schema == some.schema


# -------------------------------------------------------------------------------- the kernel


def ints(*values, of=np.int64):
    return np.array(values, of)


def test_what_does_not_fit_is_refused_by_the_kernel():
    codes = ints(0, 1, 0, of=np.int32)
    walk = RowSpans([(ints(1, 2, 3), codes)], 2)
    with pytest.raises(ValueError, match="one code for each row"):
        RowSpans([(ints(1, 2), codes)], 2)
    pane = np.zeros(1, np.int64)
    for edges, begin, end in [
        (ints(0), 0, 3),
        (ints(5, 5), 0, 3),
        (ints(0, 5), 0, 4),
        (ints(0, 5), -1, 3),
        (ints(0, 5), 2, 1),
    ]:
        with pytest.raises(ValueError, match=r"each pane|fall|no such rows"):
            walk.of_panes(edges, pane, pane.copy(), begin, end)
    good = [
        ints(0, 10, 0, 3, 1).reshape(1, 5),
        ints(0, 2),
        ints(0, 1, of=np.int32),
        *ints(0, 0, 0, 0).reshape(2, 2),
    ]
    assert walk.of_keys(*good)
    assert [good[3].tolist(), good[4].tolist()] == [[0, 1], [3, 2]]
    for place, bad in [
        (0, ints(0, 10, 0, 4, 1).reshape(1, 5)),
        (0, ints(0, 10, 2, 1, 1).reshape(1, 5)),
        (0, ints(0, 10, 0, 3).reshape(1, 4)),
        (1, ints(0, 1)),
        (1, ints(0, 1, 2)),
        (2, ints(0, 2, of=np.int32)),
        (2, ints(0, -1, of=np.int32)),
        (3, ints(0)),
    ]:
        with pytest.raises(ValueError, match=r"fit|no such rows|five|no key|each result"):
            walk.of_keys(*good[:place], bad, *good[place + 1 :])


def test_keys_without_a_row_are_told_by_the_kernel():
    times, codes = np.arange(600), np.zeros(600, np.int32)
    starts, stops = np.zeros((2, 2), np.int64)
    wanted = ints(0, 2), ints(0, 1, of=np.int32), starts, stops
    for window in ([0, 600, 0, 600, 1], [0, 600, 0, 600, 0], [0, 600, 7, 7, 1]):
        assert not RowSpans([(times, codes)], 2).of_keys(np.array([window]), *wanted)
    codes[599] = 1
    for bad in (5, -3):  # no keys either
        codes[3] = bad
        assert not RowSpans([(times, codes)], 2).of_keys(ints(0, 600, 0, 600, 1)[None], *wanted)
    codes[3] = 0
    assert RowSpans([(times, codes)], 2).of_keys(ints(0, 600, 0, 600, 1)[None], *wanted)
    assert [starts.tolist(), stops.tolist()] == [[0, 599], [599, 600]]


def test_panes_are_found_wherever_times_jump():
    rng = np.random.default_rng(2)
    times = np.concatenate([np.repeat(rng.integers(-5, 60, 40), 300), rng.integers(-5, 60, 5000)])
    edges = ints(0, 10, 11, 30, 50)
    walk = RowSpans(
        [(part, np.zeros(len(part), np.int32)) for part in np.split(times, [7, 9000])], 1
    )
    for begin, end in ((0, len(times)), (5, 9100), (40, 40)):
        first, last = np.zeros((2, 4), np.int64)
        walk.of_panes(edges, first, last, begin, end)
        for pane in range(4):
            rows = begin + np.flatnonzero(
                (times[begin:end] >= edges[pane]) & (times[begin:end] < edges[pane + 1])
            )
            expected = (rows[0], rows[-1]) if len(rows) else (-1, -1)
            assert (first[pane], last[pane]) == expected
