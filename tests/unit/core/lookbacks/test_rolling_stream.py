"""Look-backs in a stream: one answer for any cut, watermark, late rows, snapshots."""

from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.compare import assert_same_bits
from reference.strategies import cases, steps
from reference.streams import push, push_rows

import tidegate as tg
from tidegate import agg, errors
from tidegate.core.lookbacks import waiting

WINDOWS = st.one_of(
    st.builds(
        tg.Rolling,
        st.sampled_from([1, 2, 5, 40, 10**6]),
        closed=st.sampled_from(["right", "both", "left", "neither"]),
        min_samples=st.integers(0, 3),
        peers=st.booleans(),
    ),
    st.builds(
        lambda rows, closed, least: tg.Rolling(
            rows=rows + 1, closed=closed, min_samples=min(least, rows)
        ),
        st.sampled_from([1, 2, 5, 30]),
        st.sampled_from(["right", "both", "left", "neither"]),
        st.integers(0, 3),
    ),
)


def stream(case, window, ways):
    """Feed a case bit by bit; steps first, then the rest in one batch."""
    live = tg.Aggregator(
        window,
        on=case.on,
        by=list(case.by) or None,
        lateness=case.lateness,
        nan=case.nan,
        schema=case.table.schema,
        **case.aggregations(),
    )
    results, lates, done = [], [], 0
    for kind, n_rows in [*ways, ("push", case.table.num_rows)]:
        rows = case.table.slice(done, n_rows)
        if kind == "restore":
            live = tg.Aggregator.restore(live.snapshot())
            continue
        done += rows.num_rows
        if kind == "push":
            results.append(push(live, rows))
        else:
            push_rows(live, rows, [case.on, *case.by, *case.inputs])
            results.append(live.take())
        if n_rows % 2:
            lates.append(live.take_late())
        stats = live.stats
        assert stats.rows_in == stats.used + stats.late + stats.rejected + stats.pending
    results.append(live.flush())
    lates.append(live.take_late())
    return pa.concat_tables(results), pa.concat_tables(lates), live.stats


def one_shot(case, window):
    side = tg.Side()
    table = tg.aggregate(
        case.table,
        window,
        on=case.on,
        by=list(case.by) or None,
        lateness=case.lateness,
        nan=case.nan,
        side=side,
        **case.aggregations(),
    )
    return table, side.late, side.stats


def run(function, *given_):
    """Run something that may end in the error of a sum that does not fit."""
    try:
        return function(*given_)
    except errors.AggregateOverflowError:
        return None


@given(cases(), WINDOWS, steps(), steps(), st.sampled_from([1, waiting.WORTH_ROWS]))
def test_any_cut_gives_the_same_bits(case, window, one_way, other_way, worth_rows):
    whole = run(one_shot, case, window)
    for ways in (one_way, other_way):
        with patch.object(waiting, "WORTH_ROWS", worth_rows):
            parts = run(stream, case, window, ways)
        assert (parts is None) == (whole is None)
        if parts is not None:
            assert_same_bits(parts[0], whole[0])
            assert_same_bits(parts[1], whole[1])
            assert parts[2] == whole[2]


PLAIN = {
    f"{name}_{column}": getattr(agg, name)(column)
    for name in ("count", "first", "last", "min", "max", "sum", "mean", "var", "std")
    for column in ("x", "i")
}
FURTHER = {
    **{
        f"{name}_{column}": getattr(agg, name)(column)
        for name in ("sem", "argmin", "argmax", "skew", "kurt", "zscore", "slope")
        for column in ("x", "i")
    },
    **{
        f"{name}_{column}": getattr(agg, name)(column)
        for name in ("median", "mad", "nunique", "mode", "range")
        for column in ("x", "few")
    },
    "low": agg.quantile("x", 0.1, "nearest"),
    "high": agg.quantile("x", 0.9),
    "corr": agg.corr("x", "few"),
    "cov": agg.cov("x", "i"),
    "slope": agg.slope("i", "few"),
    "v": agg.vwap("x", "i"),
}


@pytest.mark.parametrize("wanted", [PLAIN, FURTHER], ids=["plain", "further"])
@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize(
    "window",
    [
        tg.Rolling(rows=37),
        tg.Rolling(rows=1500),
        tg.Rolling(rows=40, closed="left"),
        tg.Rolling(700),
        tg.Rolling(700, closed="left"),
        tg.Rolling(700, peers=True),
        tg.Rolling(50_000, closed="both"),
    ],
    ids=repr,
)
def test_long_streams_are_one_answer(window, by, wanted):
    rng = np.random.default_rng(5)
    n = 9000
    x = rng.normal(size=n) * 10.0 ** rng.integers(-3, 4, n)
    x[rng.random(n) < 0.002] = np.nan
    x[rng.random(n) < 0.001] = 1e200
    x[3000:4000] = 7.25
    table = pa.table(
        {
            "t": np.cumsum(np.where(rng.random(n) < 0.1, 0, rng.integers(0, 40, n))) // 3,
            "k": rng.integers(0, 5, n),
            "x": pa.array(x, mask=rng.random(n) < 0.05),
            "i": rng.integers(-(2**60), 2**60, n) // 100,
            "few": rng.integers(0, 30, n),
        }
    )
    options = {"on": "t", "by": by, **wanted}
    whole = tg.aggregate(table, window, **options)
    for cut in (170, 1000, 4999):
        live = tg.Aggregator(window, **options)
        parts = []
        for number, at in enumerate(range(0, n, cut)):
            parts.append(live.push(table.slice(at, cut)))
            if number % 3 == 1:
                live = tg.Aggregator.restore(live.snapshot())
        assert_same_bits(pa.concat_tables([*parts, live.flush()]), whole)


def test_a_row_is_answered_once_the_watermark_has_passed_it():
    live = tg.Aggregator(tg.Rolling(10), on="t", lateness=2, total=agg.sum("x"))
    assert live.push({"t": [5, 4, 6], "x": [1.0, 2.0, 4.0]}).num_rows == 0
    assert live.watermark == 4
    assert live.stats.pending == 3
    assert live.push({"t": [7], "x": [8.0]}).to_pylist() == [{"t": 4, "total": 2.0}]
    assert live.push_row(9, 16.0)
    assert live.take()["t"].to_pylist() == [5, 6]
    assert live.flush().to_pylist() == [{"t": 7, "total": 15.0}, {"t": 9, "total": 31.0}]


def test_a_row_before_the_watermark_is_late():
    live = tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", lateness=2)
    live.push({"t": [10, 8, 7]})
    late = live.take_late().to_pylist()
    assert [(row["t"], row["row"], row["reason"], row["late_by"]) for row in late] == [
        (7, 2, "late", 1)
    ]
    assert (late[0]["window_start"], late[0]["window_end"]) == (-3, 7)


def test_a_late_row_has_no_window_where_rows_are_counted():
    live = tg.Aggregator(tg.Rolling(rows=3), agg.rows(), on="t")
    live.push({"t": [10, 7]})
    late = live.take_late().to_pylist()[0]
    assert (late["window_start"], late["window_end"], late["late_by"]) == (None, None, 3)


def test_late_rows_are_refused_with_their_batch():
    live = tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", late="raise")
    live.push({"t": [10]})
    with pytest.raises(errors.LateRowError, match=r"row 2 is late: its time 7 .* watermark 11"):
        live.push({"t": [11, 7]})
    assert live.stats.rows_in == 1
    assert live.flush().num_rows == 1


def test_a_promise_moves_the_watermark():
    live = tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", lateness=None)
    live.push({"t": [3, 1, 2]})
    assert live.advance(3)["t"].to_pylist() == [1, 2]
    live.push({"t": [2, 3]})
    assert live.take_late()["late_by"].to_pylist() == [1]
    assert live.flush()["rows"].to_pylist() == [3, 4]


def test_rows_without_a_time_are_rejected():
    side = tg.Side()
    table = pa.table({"t": pa.array([1.0, None, float("nan"), float("inf"), 0.5])})
    out = tg.aggregate(table, tg.Rolling(1.0), agg.rows(), on="t", side=side)
    assert out.to_pydict() == {"t": [0.5, 1.0], "rows": [1, 2]}
    assert side.late["reason"].to_pylist() == ["null time", "nan time", "time out of range"]
    assert side.stats == tg.Stats(5, 2, 0, 3, 0, 2)


def test_the_limit_of_rows_is_named_and_nothing_is_taken():
    limits = tg.Limits(max_look_back=3)
    live = tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", lateness=None, limits=limits)
    live.push({"t": [1, 2]})
    with pytest.raises(errors.LimitError, match="max_look_back=3"):
        live.push({"t": [3, 4]})
    assert live.flush()["t"].to_pylist() == [1, 2]


def test_memory_follows_the_windows():
    live = tg.Aggregator(tg.Rolling(rows=10), on="t", total=agg.sum("x"))
    for start in range(0, 100_000, 1000):
        live.push({"t": np.arange(start, start + 1000), "x": np.ones(1000)})
    assert len(live.snapshot()) < 50_000


def test_a_damaged_snapshot_is_refused():
    live = tg.Aggregator(tg.Rolling(10), on="t", by="k", total=agg.var("x"))
    live.push({"t": [1, 2, 3], "k": ["a", "b", "a"], "x": [1.0, 2.0, 3.0]})
    state = live.snapshot()
    for size in range(len(state)):
        with pytest.raises(errors.SnapshotError):
            tg.Aggregator.restore(state[:size])
    again = tg.Aggregator.restore(state)
    assert again.flush().equals(live.flush())


def test_an_overflow_stops_the_aggregator():
    live = tg.Aggregator(tg.Rolling(10), on="t", total=agg.sum("x"))
    with pytest.raises(errors.AggregateOverflowError, match="the row at 2"):
        live.push({"t": [1, 2, 3], "x": np.array([2**62, 2**62, 0])})
    with pytest.raises(errors.AggregateOverflowError):
        live.flush()


@pytest.mark.parametrize("lateness", [0, 3, None])
def test_rows_one_by_one_are_one_answer(lateness):
    rng = np.random.default_rng(8)
    n = 10_000  # more than are gathered at a time
    rows = list(
        zip(
            (np.arange(n) // 3 - rng.integers(0, 5, n)).tolist(),
            rng.choice(["a", "b", "é"], n).tolist(),
            np.where(rng.random(n) < 0.01, np.nan, rng.normal(size=n)).tolist(),
            strict=True,
        )
    )
    rows[77] = (None, "a", 1.0)
    rows[99] = (40, None, None)
    schema = pa.schema([("t", pa.int64()), ("k", pa.string()), ("x", pa.float64())])
    columns = zip(*rows, strict=True)
    table = pa.table([list(column) for column in columns], schema=schema)
    options = {"on": "t", "by": "k", "lateness": lateness, "mid": agg.median("x")}
    one, other = (tg.Aggregator(tg.Rolling(rows=20), **options) for _ in "ab")
    for number, row in enumerate(rows[:200]):
        is_due = one.push_row(*row)
        other.push(table.slice(number, 1), take=False)
        assert is_due == (other.stats.windows > 0), number
    for row in rows[200:]:
        one.push_row(*row)
    results = [live.take() for live in (one, other)]
    results[1] = pa.concat_tables([results[1], other.push(table.slice(200))])
    both = zip(results, (one.flush(), other.flush()), strict=True)
    assert_same_bits(*(pa.concat_tables(parts) for parts in both))
    assert_same_bits(one.take_late(), other.take_late())
    assert one.stats == other.stats


def test_the_row_beyond_the_limit_is_refused_by_itself():
    limits = tg.Limits(max_look_back=3)
    live = tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", lateness=None, limits=limits)
    for time in (1, 2, 3):
        live.push_row(time)
    with pytest.raises(errors.LimitError, match="max_look_back=3"):
        live.push_row(4)
    assert live.flush()["t"].to_pylist() == [1, 2, 3]


def test_what_is_left_for_later_has_its_types():
    schema = pa.schema({"t": pa.int64(), "x": pa.float64()})
    live = tg.Aggregator(tg.Rolling(2), agg.sum("x"), on="t", schema=schema)
    left = live.push({"t": [1], "x": [1.0]}, take=False)
    assert left.schema == live.take().schema
