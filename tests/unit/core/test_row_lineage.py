"""The input rows of windows that rows make, and of those under other options of time.

They are held to what `collect` says of a column of numbers.
"""

import itertools

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import agg

WINDOWS = [
    tg.Session(3),
    tg.Session(2, max_duration=7),
    tg.Count(7),
    tg.Count(5, complete_only=True),
    tg.Count(7, 3),
    tg.Count(3, 7),
    tg.Threshold("x", 30),
    tg.Threshold("x", 3, overshoot="carry"),
    tg.Threshold("x", 3, overshoot="split"),
]
NO_LISTS = {"n": agg.rows(), "total": agg.sum("y"), "high": agg.max("y")}
RESULTS = {**NO_LISTS, "numbers": agg.collect("i")}


def stream_of(seed, disorder, n=600, n_keys=3):
    """Rows that lie up to `disorder` behind, with pauses, and their numbers."""
    rng = np.random.default_rng(seed)
    steps = rng.choice([0, 0, 1, 1, 2, 9], n)
    times = np.cumsum(steps) - (rng.integers(0, disorder + 1, n) if disorder else 0)
    return pa.table(
        {
            "t": times,
            "k": rng.integers(0, n_keys, n),
            "x": rng.integers(0, 9, n),
            "y": rng.normal(size=n).round(3),
            "i": np.arange(n),
        }
    )


def streamed(data, live, size, *, by_row=False):
    """Push all rows, in batches or some of them one by one, and take all results."""
    names = [name for name in live.plan.event if name in data.column_names]
    made = []
    for number, row in enumerate(range(0, data.num_rows, size)):
        some = data.slice(row, size)
        if by_row and number % 2:
            for one in some.select(names).to_pylist():
                live.push_row(*one.values())
            made.append(live.take())
        else:
            made.append(live.push(some))
    return pa.concat_tables([*made, live.flush()])


def check_rows(data, out, lists):
    """Hold the ranges of results to the numbers that were collected."""
    assert out.num_rows == lists.num_rows
    assert out.drop_columns(["row_ranges"]).equals(lists.drop_columns(["numbers", "row_ranges"]))
    for ranges, numbers in zip(out["row_ranges"], lists["numbers"].to_pylist(), strict=True):
        assert sorted(tg.trace(data, ranges)["i"].to_pylist()) == sorted(numbers)


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("disorder", [0, 4, 12])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_rows_are_those_that_are_collected(window, disorder, by):
    data = stream_of(1, disorder)
    options = {"on": "t", "by": by, "lineage": True}
    lists = tg.aggregate(data, window, **options, **RESULTS)
    whole = tg.aggregate(data, window, **options, **NO_LISTS)
    check_rows(data, whole, lists)
    for size in (1, 7, 100):
        live = tg.Aggregator(window, **options, lateness=None, **NO_LISTS)
        assert streamed(data, live, size).equals(whole)


@pytest.mark.filterwarnings("ignore::tidegate.LeftOutWarning")
@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("lateness", [0, 3])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_late_rows_are_never_among_them(window, lateness, by, by_row):
    data = stream_of(2, 8)
    options = {"on": "t", "by": by, "lateness": lateness, "lineage": True}
    lists = streamed(data, tg.Aggregator(window, **options, **RESULTS), 50)
    live = tg.Aggregator(window, **options, **NO_LISTS)
    out = streamed(data, live, 37, by_row=by_row)
    assert live.stats.late > 0
    check_rows(data, out, lists)


BARS = [tg.Count(4), tg.Threshold("x", 20)]
OTHERS = [
    {"by": "k", "watermark": "key"},
    {"by": "k", "ttl": 15},
    {"by": "k", "sources": "k", "idle": 20},
    {"by": None, "max_jump": 8},
]
CORRECTIONS = [{"by": None, "allowed_lateness": 10}, {"by": "k", "allowed_lateness": 10}]


@pytest.mark.filterwarnings("ignore::tidegate.LeftOutWarning")
@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize(
    ("window", "other"),
    [
        *itertools.product([tg.Tumbling(5), tg.Session(3), *BARS], OTHERS),
        *itertools.product([tg.Tumbling(5), tg.Session(3)], CORRECTIONS),
    ],
    ids=str,
)
def test_other_options_of_time_tell_the_rows_too(window, other, by_row):
    data = stream_of(3, 6)
    options = {"on": "t", "lateness": 2, "lineage": True, **other}
    lists = streamed(data, tg.Aggregator(window, **options, **RESULTS), 50)
    out = streamed(data, tg.Aggregator(window, **options, **NO_LISTS), 37, by_row=by_row)
    check_rows(data, out, lists)


@pytest.mark.filterwarnings("ignore::tidegate.LeftOutWarning")
@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_they_outlive_a_snapshot(window, by):
    data = stream_of(4, 6)
    options = {"on": "t", "by": by, "lateness": 3, "lineage": True, **NO_LISTS}
    whole = streamed(data, tg.Aggregator(window, **options), 100)
    live, made = tg.Aggregator(window, **options), []
    for row in range(0, data.num_rows, 41):
        made.append(live.push(data.slice(row, 41)))
        live = tg.Aggregator.restore(live.snapshot())
    assert pa.concat_tables([*made, live.flush()]).equals(whole)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("window", [tg.Session(3), tg.Count(7), tg.Threshold("x", 30)], ids=str)
def test_any_number_of_threads_tells_the_same(window, threads):
    data = stream_of(5, 4, n=140_000, n_keys=40_000)
    options = {"on": "t", "by": "k", "lineage": True, **NO_LISTS}
    whole = tg.aggregate(data, window, **options)
    assert tg.aggregate(data, window, threads=threads, **options).equals(whole)
    mixed = data.take(np.random.default_rng(5).permutation(data.num_rows))
    once = tg.aggregate(mixed, window, threads=1, **options)
    assert tg.aggregate(mixed, window, threads=threads, **options).equals(once)
    live = tg.Aggregator(window, lateness=None, threads=threads, **options)
    assert streamed(data, live, 50_000).equals(whole)


def test_nulls_and_far_away_values_do_not_hide_rows():
    data = stream_of(6, 3)
    holes = np.random.default_rng(6).random(data.num_rows) < 0.2
    wild = np.where(np.arange(data.num_rows) % 50 == 0, 1e300, data["y"].to_numpy())
    data = data.set_column(3, "y", pa.array(wild, mask=holes))
    for window in WINDOWS:
        for by in (None, "k"):
            options = {"on": "t", "by": by, "lineage": True}
            lists = tg.aggregate(data, window, **options, **RESULTS)
            check_rows(data, tg.aggregate(data, window, **options, **NO_LISTS), lists)


@pytest.mark.parametrize("window", [tg.Session(3), tg.Count(4), tg.Threshold("x", 20)], ids=str)
def test_times_of_any_type_tell_where_rows_lie(window):
    data = stream_of(7, 4)
    wanted = tg.aggregate(data, window, on="t", by="k", lineage=True, **RESULTS)
    for type_, gap in ((pa.float64(), 3.0), (pa.float32(), 3.0), (pa.timestamp("ms"), "3ms")):
        of_type = tg.Session(gap) if isinstance(window, tg.Session) else window
        typed = data.set_column(0, "t", data["t"].cast(type_))
        out = tg.aggregate(typed, of_type, on="t", by="k", lineage=True, **NO_LISTS)
        for ranges, numbers in zip(out["row_ranges"], wanted["numbers"].to_pylist(), strict=True):
            assert sorted(tg.trace(typed, ranges)["i"].to_pylist()) == sorted(numbers)


def test_no_time_is_after_the_last_one():
    times = [2**63 - 3, 2**63 - 2, 2**63 - 1, 2**63 - 1]
    data = pa.table({"t": times, "k": [1, 1, 1, 1], "i": [0, 1, 2, 3]})
    out = tg.aggregate(data, tg.Count(3), on="t", by="k", n=agg.rows(), lineage=True)
    own = [tg.trace(data, ranges)["i"].to_pylist() for ranges in out["row_ranges"]]
    assert own == [[0, 1, 2], [3]]


def test_bars_in_order_have_one_span_and_late_rows_end_one():
    rows = [(0, 1), (9, 1), (4, 1), (10, 1), (11, 2), (12, 1)]  # the third one is late
    live = tg.Aggregator(tg.Count(4), on="t", by="k", lateness=0, n=agg.rows(), lineage=True)
    data = {"t": [t for t, _ in rows], "k": [k for _, k in rows]}
    live.push(data, take=False)
    of_one, of_two = live.flush().to_pylist()
    spans = [(one["start"], one["stop"], one["rows"]) for one in of_one["row_ranges"]]
    assert spans == [(0, 2, 2), (3, 6, 2)]
    assert of_one["row_ranges"][1]["time"] == {"t": {"from": 10, "before": 13}}
    assert [one["rows"] for one in of_two["row_ranges"]] == [1]
    assert tg.trace(data, of_one["row_ranges"])["t"].tolist() == [0, 9, 10, 12]
