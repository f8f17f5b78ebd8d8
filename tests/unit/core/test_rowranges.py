"""The rows of all windows at once, in any order and of any keys, against a look at every row."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tidegate as tg
from tidegate import agg, errors
from tidegate._kernels.rowpanes import pane_changes
from tidegate._kernels.rowranges import RowRanges, RowWalk
from tidegate.core import oneshot, rowranges

WINDOWS = [
    tg.Tumbling(10),
    tg.Sliding(20, 5),
    tg.Sliding(9, 6),
    tg.Sliding(4, 9),
    tg.Edges([-30, 0, 7, 8, 30, 80]),
    tg.Tumbling(10, empty="null"),
]


def ranges_by_hand(times, keys, start, end, key):
    """Go through all rows."""
    ranges = []
    for row, (time, own) in enumerate(zip(times, keys, strict=True)):
        if start <= time < end and own == key:
            if ranges and ranges[-1]["stop"] == row:
                ranges[-1]["stop"] = row + 1
            else:
                ranges.append({"start": row, "stop": row + 1})
    return ranges


def span_of(ranges, window, names="k"):
    """Say the rows of a result with a key as one range."""
    return {
        "start": ranges[0]["start"],
        "stop": ranges[-1]["stop"],
        "rows": sum(one["stop"] - one["start"] for one in ranges),
        "key": {name: window[name] for name in names},
        "time": {"t": {"from": window["window_start"], "before": window["window_end"]}},
    }


def refuse(*_):
    """Stand for the collecting of row numbers, which must not be needed."""
    raise AssertionError("the rows were collected")


def check(times, keys, window, by, threads=1, **columns):
    """Compare every result."""
    data = pa.table({"t": times, "k": keys, **columns})
    result = tg.aggregate(data, window, on="t", by=by, n=agg.rows(), lineage=True, threads=threads)
    plain = tg.aggregate(data, window, on="t", by=by, n=agg.rows())
    assert result.drop_columns(["row_ranges"]).equals(plain)
    t, k = (data[name].to_pylist() for name in ("t", "k"))
    numbers = data["t"].combine_chunks()
    if pa.types.is_timestamp(numbers.type):
        cast = [result[name].cast(pa.int64()) for name in ("window_start", "window_end")]
        t, numbers = numbers.cast(pa.int64()).to_pylist(), cast
        for name, column in zip(("window_start", "window_end"), cast, strict=True):
            result = result.set_column(result.column_names.index(name), name, column)
    bare = replace(window, label="start") if isinstance(window, tg.Tumbling | tg.Sliding) else None
    listed = [None] * result.num_rows
    if bare is not None:
        options = {"on": "t", "by": by, "n": agg.rows(), "lineage": True, "threads": threads}
        listed = tg.aggregate(data, bare, **options)["row_ranges"].to_pylist()
    for row, ranges in zip(result.to_pylist(), listed, strict=True):
        key, own = (row["k"], k) if by else (0, [0] * len(t))
        expected = ranges_by_hand(t, own, row["window_start"], row["window_end"], key)
        assert ranges is None or ranges == expected
        assert row["row_ranges"] == ([span_of(expected, row)] if by and expected else expected)


@settings(max_examples=100)
@given(
    times=st.lists(st.integers(-30, 80), min_size=1, max_size=60),
    window=st.sampled_from(WINDOWS),
    by=st.sampled_from([None, "k", ["k"]]),
    n_keys=st.integers(1, 4),
    kind=st.sampled_from(["int", "float", "time"]),
)
def test_ranges_are_those_of_a_look_at_every_row(times, window, by, n_keys, kind):
    if kind == "time":
        window = tg.Sliding("20s", "5s")
        column = pa.array([dt.datetime(2024, 1, 1) + dt.timedelta(seconds=t) for t in times])
    else:
        column = pa.array(times, pa.float64() if kind == "float" else pa.int64())
    keys = pa.array([None if t % n_keys == 3 else f"k{t % n_keys}" for t in times])
    check(column, keys, window, by)


@pytest.mark.parametrize("window", [tg.Tumbling(1000), tg.Sliding(3000, 1000)])
@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("disorder", [1, 300, 20_000])
@pytest.mark.parametrize("threads", [1, 2])
def test_long_inputs_are_walked_past_every_block(monkeypatch, window, by, disorder, threads):
    monkeypatch.setattr(oneshot, "traced", refuse)
    rng = np.random.default_rng(disorder)
    times = np.cumsum(rng.integers(0, 3, 30_000)) + rng.integers(0, disorder, 30_000)
    keys = rng.integers(0, 5, len(times)).repeat(3)[: len(times)]
    data = pa.table({"t": times, "k": keys})
    options = {"on": "t", "by": by, "n": agg.rows()}
    result = tg.aggregate(data, window, lineage=True, threads=threads, **options)
    assert result.drop_columns(["row_ranges"]).equals(tg.aggregate(data, window, **options))
    for row in result.to_pylist()[::5]:
        is_own = (times >= row["window_start"]) & (times < row["window_end"])
        is_own &= True if by is None else keys == row["k"]
        edges = np.flatnonzero(np.diff(is_own.astype(np.int8), prepend=0, append=0))
        expected = [
            {"start": start, "stop": stop}
            for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
        ]
        assert row["row_ranges"] == ([span_of(expected, row)] if by else expected)


def test_keys_of_several_columns_and_batches_are_followed(monkeypatch):
    monkeypatch.setattr(oneshot, "traced", refuse)
    monkeypatch.setattr(oneshot, "MAX_BATCH", 1000)
    rng = np.random.default_rng(5)
    n = 5000
    data = pa.table(
        {
            "t": rng.integers(0, 9000, n),
            "a": pa.array(rng.integers(0, 3, n).astype(str)).dictionary_encode(),
            "b": rng.integers(0, 3, n),
        }
    )
    data = pa.concat_tables([data.slice(0, 700), data.slice(700, 1), data.slice(701)])
    result = tg.aggregate(
        data, tg.Tumbling(1000), on="t", by=["a", "b"], n=agg.rows(), lineage=True
    )
    assert result.num_rows == 81
    for row in result.to_pylist():
        own = tg.trace(data, row["row_ranges"])
        assert own.num_rows == row["n"]
        assert set(own["a"].to_pylist()) == {row["a"]}
        assert set(own["b"].to_pylist()) == {row["b"]}
        assert {t // 1000 for t in own["t"].to_pylist()} == {row["window_start"] // 1000}


def test_too_many_windows_and_keys_are_collected_instead(monkeypatch):
    monkeypatch.setattr(rowranges, "MOST_SEATS", 8)
    times = pa.array([5, 1, 100, 205, 3])
    check(times, pa.array(["a", "b", "c", "d", "e"]), tg.Tumbling(10), "k")
    monkeypatch.setattr(oneshot, "traced", refuse)
    with pytest.raises(AssertionError, match="collected"):
        check(times, pa.array(["a", "b", "c", "d", "e"]), tg.Tumbling(10), "k")


def test_dates_and_gaps_have_ranges_too():
    days = [dt.date(2024, 1, day) for day in (1, 9, 2, 1)]
    result = tg.aggregate(
        pa.table({"t": days, "k": [1, 1, 1, 2]}),
        tg.Tumbling("1d"),
        on="t",
        by="k",
        n=agg.rows(),
        lineage=True,
    )
    said = [[(r["start"], r["stop"]) for r in one] for one in result["row_ranges"].to_pylist()]
    assert said == [[(0, 1)], [(3, 4)], [(2, 3)], [(1, 2)]]


def test_more_ranges_than_a_column_holds_are_refused(monkeypatch):
    monkeypatch.setattr(rowranges, "MOST_RANGES", 2)
    with pytest.raises(errors.LimitError, match="lineage: the rows make 3 ranges"):
        tg.aggregate(
            {"t": [1, 11, 2]}, tg.Tumbling(10), on="t", n=agg.rows(), lineage=True, threads=1
        )


# -------------------------------------------------------------------------------- the kernel


def ints(*values, of=np.int32):
    return np.array(values, of)


def test_what_does_not_fit_is_refused_by_the_kernel():
    edges = ints(0, 10, 20, of=np.int64)
    good = (edges, ints(0, 1), ints(1, 2), ints(0, 1), 1, 2)
    RowRanges(*good)
    for place, bad in [
        (0, ints(0, 10, of=np.int64)),
        (0, ints(0, 10, 10, of=np.int64)),
        (1, ints(1, 0)),
        (2, ints(1, 3)),
        (3, ints(0, 2)),
        (3, ints(-2, 1)),
        (4, 0),
    ]:
        with pytest.raises(ValueError, match=r"fit|none|fall"):
            RowRanges(*good[:place], bad, *good[place + 1 :])
    of = RowRanges(*good)
    codes = ints(0, 0, 0)
    for blank in (
        lambda walk: walk.take(edges, codes),
        lambda walk: walk.take_changes(codes, codes, 0, 3),
        lambda walk: walk.end_rows(),
    ):
        with pytest.raises(ValueError, match="no walk has begun"):
            blank(RowWalk())
    with pytest.raises(ValueError, match="one place for each result"):
        of.walk(ints(0, of=np.int64))
    at = np.zeros(2, np.int64)
    with pytest.raises(ValueError, match="none of them"):
        of.walk(at, at)
    with pytest.raises(ValueError, match="differ in length"):
        of.walk(at, at, at[:1])
    with pytest.raises(ValueError, match="goes on has no place"):
        of.walk(at - 1, at, at, before=1)
    walk = of.walk(at)
    with pytest.raises(ValueError, match="a code is no key"):
        walk.take(edges, ints(0, 1, 0))
    with pytest.raises(ValueError, match="one code for each row"):
        walk.take(edges, ints(0))
    with pytest.raises(ValueError, match="one pane for each change"):
        walk.take_changes(codes, codes[:2], 0, 3)
    for bad in (
        (edges, ints(0, of=np.int64), codes, codes.copy()),
        (edges, edges[::-1].copy(), codes, codes.copy()),
        (edges, edges, codes[:2], codes.copy()),
        (edges, edges, codes, codes[:2].copy()),
    ):
        with pytest.raises(ValueError, match=r"two edges|fall|room for each row"):
            pane_changes(*bad)


@pytest.mark.parametrize(("low", "high"), [((0, 1), (1, 2)), ((0, 0), (1, 2))], ids=["flat", "two"])
def test_places_that_are_wrong_write_nowhere(low, high):
    of = RowRanges(ints(0, 10, 20, of=np.int64), ints(*low), ints(*high), ints(0, -1), 1, 1)
    at, starts = np.zeros(1, np.int64), np.zeros(0, np.int64)
    walk = of.walk(at)
    assert walk.take_changes(ints(0), ints(0), 0, 1)
    assert not walk.take_changes(ints(0), ints(1), 1, 1)  # a window without a result
    walk = of.walk(at - 5, starts, starts.copy())
    assert not walk.take_changes(ints(0), ints(0), 0, 1)
    walk.end_rows()


def changes_by_hand(times, edges):
    """Go through all rows."""
    panes = np.searchsorted(edges, times, side="right") - 1
    rows = np.flatnonzero(np.diff(panes, prepend=-9))
    return rows.tolist(), panes[rows].tolist()


LEAST, LARGEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@settings(max_examples=100)
@given(
    parts=st.lists(
        st.tuples(st.lists(st.integers(-9, 60), min_size=1, max_size=5), st.integers(1, 150)),
        min_size=1,
        max_size=6,
    ),
    edges=st.sets(st.integers(-5, 50), min_size=2),
    seed=st.integers(0, 99),
)
def test_changes_of_panes_are_those_of_a_look_at_every_row(parts, edges, seed):
    rng = np.random.default_rng(seed)  # stretches of few panes, and of many
    times = np.concatenate([rng.choice(values, n) for values, n in parts])
    edges = ints(*sorted(edges), of=np.int64)
    rows, panes = np.empty((2, len(times)), np.int32)
    n = pane_changes(times, edges, rows, panes)
    assert (rows[:n].tolist(), panes[:n].tolist()) == changes_by_hand(times, edges)


def test_changes_of_panes_are_found_at_the_ends_of_time():
    times = np.tile(ints(LEAST, 0, LARGEST, LARGEST, 5, LEAST, of=np.int64), 50)
    for edges in ([0, 5], [LEAST, LARGEST], [LEAST, 0, LARGEST]):
        rows, panes = np.empty((2, len(times)), np.int32)
        n = pane_changes(times, np.array(edges), rows, panes)
        assert (rows[:n].tolist(), panes[:n].tolist()) == changes_by_hand(times, np.array(edges))


def test_rows_are_cut_for_threads_wherever_it_is(monkeypatch):
    monkeypatch.setattr(rowranges, "WORTH", 7)
    rng = np.random.default_rng(8)
    data = pa.table({"t": np.arange(3000) + rng.integers(0, 50, 3000)})
    data = pa.concat_tables([data.slice(0, 100), data.slice(100)])
    options = {"on": "t", "n": agg.rows(), "lineage": True}
    for window in (tg.Tumbling(100), tg.Sliding(300, 100)):
        one = tg.aggregate(data, window, threads=1, **options)
        monkeypatch.setattr(rowranges, "MOST_AT_ONCE", 61)
        assert tg.aggregate(data, window, threads=4, **options).equals(one)
        monkeypatch.undo()
        monkeypatch.setattr(rowranges, "WORTH", 7)
