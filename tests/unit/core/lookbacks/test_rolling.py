"""Look-back windows: which rows are in them, what comes out, and what is refused."""

import math
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from reference.compare import disagreement
from reference.lookbacks import CLOSED, WINDOWS, expected_of, rows_of
from reference.oracle import INT64_MAX, INT64_MIN, one_key
from reference.strategies import cases

import tidegate as tg
from tidegate import agg, errors
from tidegate.core.aggregation import Aggregation


@given(cases(late=False), WINDOWS)
def test_every_window_is_what_its_rows_say(case, window):
    try:
        table = tg.aggregate(
            case.table,
            window,
            on="t",
            by=list(case.by) or None,
            nan=case.nan,
            side=tg.Side(),
            **case.aggregations(),
        )
    except errors.AggregateOverflowError:
        return
    rows = [row for row in case.table.to_pylist() if row["t"] is not None]
    rows.sort(key=lambda row: row["t"])
    assert table["t"].to_pylist() == [row["t"] for row in rows]
    for row, got in zip(rows, table.to_pylist(), strict=True):
        key = [one_key(row[name]) for name in case.by]
        mine = [other for other in rows if [one_key(other[name]) for name in case.by] == key]
        assert [one_key(got[name]) for name in case.by] == key
        inside = rows_of(mine, row, window)
        for want in case.wants:
            expected = expected_of(inside, want, window, case.nan)
            problem = disagreement(got[want.name], expected, want.kind)
            assert problem is None, (want, row, got[want.name], expected, problem)


# ------------------------------------------------------------------------------- pandas, its oracle


def frame(n_rows=300, seed=11):
    """Make a frame with unique times: of equal ones pandas and we do not mean the same."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(n_rows) < 0.2, np.nan, np.round(rng.normal(size=n_rows), 3))
    t = pd.to_datetime(np.cumsum(rng.integers(1, 9, n_rows)), unit="s")
    return pd.DataFrame({"t": t, "x": x})


@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("least", [1, 4])
@pytest.mark.parametrize("size", ["20s", 7])
def test_as_pandas_rolls(closed, least, size):
    ticks = frame()
    if isinstance(size, str):
        window = tg.Rolling(size, closed=closed, min_samples=least)
        rolling = ticks.set_index("t")["x"].rolling(size, closed=closed, min_periods=least)
    else:
        window = tg.Rolling(rows=size, closed=closed, min_samples=least)
        rolling = ticks["x"].rolling(size, closed=closed, min_periods=least)
    names = ("sum", "mean", "var", "std", "min", "max")
    ours = tg.aggregate(ticks, window, on="t", **{name: getattr(agg, name)("x") for name in names})
    for name in names:
        theirs = getattr(rolling, name)().to_numpy()
        found = ours[name].to_numpy()
        np.testing.assert_array_equal(np.isnan(found), np.isnan(theirs), err_msg=name)
        np.testing.assert_allclose(found, theirs, rtol=1e-9, atol=1e-12, err_msg=name)
    np.testing.assert_array_equal(ours["t"].to_numpy(), ticks["t"].to_numpy())


# ------------------------------------------------------------------- long enough for whole vectors


@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("size", [40, 900, 30_000])
def test_long_runs_are_what_their_slices_say(closed, size):
    rng = np.random.default_rng(size)
    n = 4000
    t = np.cumsum(np.where(rng.random(n) < 0.2, 0, rng.integers(0, 30, n)))
    t[n // 2 :] += 25_000
    x = rng.normal(size=n) * 10.0 ** rng.integers(-2, 3, n)
    results = {name: getattr(agg, name)("x") for name in ("sum", "min", "max", "var")}
    window = tg.Rolling(size, closed=closed)
    out = tg.aggregate({"t": t, "x": x}, window, agg.rows(), on="t", **results)
    first = np.searchsorted(t, t - size, "left" if closed in ("both", "left") else "right")
    end = np.arange(1, n + 1)
    if closed in ("left", "neither"):
        end = np.searchsorted(t, t, "left")
    np.testing.assert_array_equal(out["rows"], end - first)
    for row in range(n):
        inside = x[first[row] : end[row]]
        if not len(inside):
            assert np.isnan([out[name][row] for name in results]).all()
            continue
        assert out["sum"][row] == math.fsum(inside), row
        assert (out["min"][row], out["max"][row]) == (inside.min(), inside.max()), row
        if len(inside) > 1:
            assert out["var"][row] == pytest.approx(inside.var(ddof=1), rel=1e-9), row


# --------------------------------------------------------------------------------------- the edges


def test_edges_belong_as_closed_says():
    ticks = {"t": [0, 5, 10]}
    ends = {
        closed: tg.aggregate(ticks, tg.Rolling(10, closed=closed), agg.rows(), on="t")["rows"][2]
        for closed in CLOSED
    }
    assert ends == {"right": 2, "both": 3, "left": 2, "neither": 1}


def test_of_rows_of_one_time_those_up_to_this_one_count_or_all():
    ticks = {"t": [1, 1, 1, 2], "x": [1.0, 2.0, 4.0, 8.0]}
    up_to = tg.aggregate(ticks, tg.Rolling(5), on="t", total=agg.sum("x"))
    assert up_to["total"].tolist() == [1.0, 3.0, 7.0, 15.0]
    everyone = tg.aggregate(ticks, tg.Rolling(5, peers=True), on="t", total=agg.sum("x"))
    assert everyone["total"].tolist() == [7.0, 7.0, 7.0, 15.0]


def test_a_row_of_this_time_is_in_no_window_that_is_open_on_the_right():
    ticks = {"t": [1, 2, 2, 3]}
    out = tg.aggregate(ticks, tg.Rolling(5, closed="left"), agg.rows(), on="t")
    assert out["rows"].tolist() == [0, 1, 1, 3]


def test_results_come_in_time_order_and_rows_of_one_time_by_arrival():
    ticks = pa.table({"t": [3, 1, 3, 2], "x": [1, 2, 3, 4]})
    out = tg.aggregate(ticks, tg.Rolling(1), on="t", x=agg.last("x"))
    assert out.to_pydict() == {"t": [1, 2, 3, 3], "x": [2, 4, 1, 3]}


def test_each_key_looks_back_on_its_own_rows():
    ticks = pa.table({"t": [1, 2, 3, 4], "k": ["a", "b", "a", None], "x": [1, 2, 3, 4]})
    out = tg.aggregate(ticks, tg.Rolling(10), on="t", by="k", total=agg.sum("x"))
    assert out.column_names == ["k", "t", "total"]
    assert out["k"].to_pylist() == ["a", "b", "a", None]
    assert out["total"].to_pylist() == [1, 2, 4, 4]


def test_the_ends_of_time_are_no_trap():
    ticks = pa.table({"t": [INT64_MIN, INT64_MIN + 1, 0, INT64_MAX]})
    for size, rows in ((1, [1, 1, 1, 1]), (2, [1, 2, 1, 1]), (INT64_MAX, [1, 2, 1, 1])):
        out = tg.aggregate(ticks, tg.Rolling(size), agg.rows(), on="t")
        assert out["rows"].to_pylist() == rows, size
        out = tg.aggregate(ticks, tg.Rolling(size, closed="both"), agg.rows(), on="t")
        assert out["rows"].to_pylist()[0] == 1


def test_float_times_and_other_units():
    out = tg.aggregate({"t": [0.0, 0.25, 0.5]}, tg.Rolling(0.5), agg.rows(), on="t")
    assert out["rows"].tolist() == [1, 2, 2]
    times = pa.array([0, 999, 1000], pa.timestamp("ms"))
    for size in ("1s", timedelta(seconds=1), np.timedelta64(1, "s"), 1000):
        out = tg.aggregate(pa.table({"t": times}), tg.Rolling(size), agg.rows(), on="t")
        assert out["rows"].to_pylist() == [1, 2, 2]
        assert out["t"].combine_chunks().equals(times)


def test_no_rows():
    empty = pa.table({"t": pa.array([], pa.int64()), "x": pa.array([], pa.float64())})
    out = tg.aggregate(empty, tg.Rolling(10), on="t", total=agg.sum("x"))
    assert (out.num_rows, out.column_names) == (0, ["t", "total"])
    assert tg.Aggregator(tg.Rolling(10), agg.rows(), on="t").flush().column_names == ["t", "rows"]


def test_a_count_needs_no_samples_and_a_sum_does():
    ticks = pa.table({"t": [1, 2], "x": pa.array([None, None], pa.float64())})
    results = {"n": agg.count("x"), "rows": agg.rows(), "total": agg.sum("x"), "m": agg.mean("x")}
    out = tg.aggregate(ticks, tg.Rolling(5), on="t", **results)
    assert out.to_pylist()[1] == {"t": 2, "n": 0, "rows": 2, "total": None, "m": None}
    out = tg.aggregate(ticks, tg.Rolling(5, min_samples=0), on="t", **results)
    assert out.to_pylist()[1] == {"t": 2, "n": 0, "rows": 2, "total": 0.0, "m": None}


def test_bars_roll_too():
    ticks = {"t": [1, 2, 9], "p": [3.0, 1.0, 2.0], "s": [1, 2, 4]}
    out = tg.aggregate(ticks, tg.Rolling(5), agg.ohlcv("p", "s"), agg.vwap("p", "s"), on="t")
    assert [out[name][1] for name in ("open", "high", "low", "close", "volume")] == [3, 3, 1, 1, 3]
    assert out["vwap"][1] == pytest.approx(5 / 3)


def test_text_can_be_counted():
    ticks = pa.table({"t": [1, 2], "s": ["a", None]})
    out = tg.aggregate(ticks, tg.Rolling(5), agg.count("s"), on="t")
    assert out["s_count"].to_pylist() == [1, 1]


# ------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give a length of time"),
        ({"size": 1, "rows": 2}, "not both"),
        ({"rows": 0}, "rows is 0"),
        ({"rows": True}, "rows is True"),
        ({"rows": 2.0}, "rows is 2.0"),
        ({"size": 1, "closed": "up"}, "closed is 'up': choose from right, both, left, neither"),
        ({"size": 1, "min_samples": -1}, "min_samples is -1"),
        ({"size": 1, "peers": 1}, "peers is 1"),
        ({"rows": 2, "peers": True}, "peers=True goes with a length of time"),
        ({"rows": 2, "min_samples": 3}, "no window has more than 2 rows"),
        ({"rows": 2, "closed": "neither", "min_samples": 2}, "no window has more than 1 rows"),
    ],
)
def test_a_look_back_that_cannot_be(options, message):
    with pytest.raises(errors.WindowError, match=message):
        tg.Rolling(**options)


@pytest.mark.parametrize("size", [0, -1, "0s"])
def test_a_length_that_is_not_positive(size):
    times = pa.array([1], pa.timestamp("s"))
    with pytest.raises(errors.WindowError, match="size is"):
        tg.aggregate(pa.table({"t": times}), tg.Rolling(size), agg.rows(), on="t")


def test_a_length_that_does_not_fit_the_times():
    with pytest.raises(errors.DurationError, match="not a whole number"):
        tg.aggregate(
            pa.table({"t": pa.array([1], pa.timestamp("s"))}),
            tg.Rolling("1ms"),
            agg.rows(),
            on="t",
        )


def test_a_result_cannot_have_the_name_of_the_time_column():
    with pytest.raises(errors.InputError, match="named 't'"):
        tg.aggregate({"t": [1]}, tg.Rolling(1), on="t", t=agg.rows())


def test_a_plan_goes_through_json():
    for window in (
        tg.Rolling("1s", closed="both", min_samples=2, peers=True),
        tg.Rolling(rows=7, closed="neither"),
        tg.Rolling(timedelta(seconds=3)),
    ):
        plan = tg.Aggregator(window, agg.rows(), on="t").plan
        again = tg.Plan.from_json(plan.to_json())
        assert again.to_json() == plan.to_json()
        assert tg.Aggregator.from_plan(again).plan == again


def test_what_is_no_aggregation_is_refused_by_name():
    other = Aggregation("other", ("x",))
    with pytest.raises(errors.InputError, match="there is no aggregation 'other'"):
        tg.aggregate({"t": [1], "x": [1.0]}, tg.Rolling(2), other, on="t")
