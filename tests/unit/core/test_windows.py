"""Where windows lie: the grid, its edges, and what cannot be a window."""

import datetime as dt
import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.oracle import Grid, Want, answer
from reference.streams import window

import tidegate as tg
from tidegate import agg, errors

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def occupied(times, shape):
    """Give (start, end, rows) of the windows that hold rows."""
    table = tg.aggregate(pa.table({"t": times}), shape, on="t", n=agg.rows())
    columns = table.select(["window_start", "window_end", "n"]).to_pydict().values()
    return list(zip(*columns, strict=True))


# The grid


@pytest.mark.parametrize(
    ("time", "start"), [(-1, -10), (-10, -10), (-11, -20), (0, 0), (9, 0), (10, 10)]
)
def test_grid_goes_on_below_zero(time, start):
    assert occupied([time], tg.Tumbling(10)) == [(start, start + 10, 1)]


def test_row_exactly_at_end_opens_the_next_window():
    assert occupied([9, 10], tg.Tumbling(10)) == [(0, 10, 1), (10, 20, 1)]


def test_offset_moves_the_grid():
    assert occupied([3, 4], tg.Tumbling(10, offset=4)) == [(-6, 4, 1), (4, 14, 1)]
    assert occupied([3, 4], tg.Tumbling(10, offset=-6)) == [(-6, 4, 1), (4, 14, 1)]
    assert occupied([3, 4], tg.Tumbling(10, offset=1_000_004)) == [(-6, 4, 1), (4, 14, 1)]


def test_origin_first_starts_the_grid_at_the_first_row():
    assert occupied([7, 16, 17], tg.Tumbling(10, origin="first")) == [(7, 17, 2), (17, 27, 1)]


def test_rows_before_the_first_row_lie_on_the_same_grid():
    assert occupied([7, 6], tg.Tumbling(10, origin="first")) == [(-3, 7, 1), (7, 17, 1)]


def test_origin_first_is_the_first_row_with_a_time():
    side = tg.Side()
    table = tg.aggregate(
        pa.table({"t": pa.array([None, 7, 16], pa.int64())}),
        tg.Tumbling(10, origin="first"),
        on="t",
        side=side,
        n=agg.rows(),
    )
    assert table["window_start"].to_pylist() == [7]
    assert side.stats.rejected == 1


def test_sliding_windows_cover_a_row_size_over_every_times():
    assert occupied([4], tg.Sliding(10, 5)) == [(-5, 5, 1), (0, 10, 1)]
    assert occupied([5], tg.Sliding(10, 5)) == [(0, 10, 1), (5, 15, 1)]


def test_leading_partial_windows_come_out():
    assert occupied([0], tg.Sliding(60, 20)) == [(-40, 20, 1), (-20, 40, 1), (0, 60, 1)]


def test_size_need_not_be_a_multiple_of_every():
    assert occupied([0, 5], tg.Sliding(7, 3)) == [(-6, 1, 1), (-3, 4, 1), (0, 7, 2), (3, 10, 1)]


def test_steps_longer_than_windows_leave_gaps():
    side = tg.Side()
    table = tg.aggregate(
        pa.table({"t": [0, 1, 2, 3, 4, 5]}), tg.Sliding(2, 5), on="t", side=side, n=agg.rows()
    )
    assert table.to_pydict() == {"window_start": [0, 5], "window_end": [2, 7], "n": [2, 1]}
    assert (side.stats.used, side.stats.late, side.stats.rejected) == (6, 0, 0)


def test_tiny_windows_over_a_year_cost_what_the_occupied_ones_cost():
    year = 365 * 86_400 * 10**9
    table = tg.aggregate(
        pa.table({"t": pa.array([0, year], pa.timestamp("ns"))}),
        tg.Tumbling("1ns"),
        on="t",
        n=agg.rows(),
    )
    assert table["n"].to_pylist() == [1, 1]


@given(st.integers(INT64_MIN, INT64_MAX), st.integers(1, 10**6), st.integers(-(10**9), 10**9))
def test_any_time_lies_in_its_window_or_is_rejected(time, size, offset):
    grid = Grid(size, size, offset)
    said = answer([{"t": time}], grid, [Want("n", "rows")])
    side = tg.Side()
    table = tg.aggregate(pa.table({"t": [time]}), window(grid), on="t", side=side, n=agg.rows())
    assert table.to_pylist() == said.windows
    assert side.late["reason"].to_pylist() == [late["reason"] for late in said.late]


# Times at the edge


@pytest.mark.parametrize("time", [INT64_MIN, INT64_MIN + 1, INT64_MAX - 1, INT64_MAX])
def test_time_whose_window_cannot_be_written_is_rejected(time):
    side = tg.Side()
    table = tg.aggregate(
        pa.table({"t": [time, 5]}), tg.Tumbling(1000), on="t", side=side, n=agg.rows()
    )
    assert table.to_pydict() == {"window_start": [0], "window_end": [1000], "n": [1]}
    assert side.late["row"].to_pylist() == [0]
    assert side.late["reason"].to_pylist() == ["time out of range"]


def test_last_window_that_can_be_written_is_used():
    end = INT64_MAX - INT64_MAX % 1000
    assert occupied([end - 1], tg.Tumbling(1000)) == [(end - 1000, end, 1)]


def test_window_of_the_largest_size_is_used():
    assert occupied([0, INT64_MAX - 1], tg.Tumbling(INT64_MAX)) == [(0, INT64_MAX, 2)]


# Float times: the grid as Python computes it


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30), st.floats(0.01, 7.0))
def test_float_grid_is_origin_plus_k_times_size(steps, size):
    rows = [{"t": step * size} for step in steps]  # on the edges, where rounding shows
    grid = Grid(size, size, 0.0)
    table = tg.aggregate(rows, tg.Tumbling(size), on="t", n=agg.rows())
    assert table == answer(rows, grid, [Want("n", "rows")]).windows


def test_float_windows_share_their_edges():
    times = [k * 0.1 for k in range(100)]
    got = occupied(times, tg.Tumbling(0.1))
    assert [n for _, _, n in got] == [1] * 100
    assert [start for start, _, _ in got] == times
    assert [end for _, end, _ in got[:-1]] == times[1:]


def test_float_sliding_windows():
    assert occupied([0.5], tg.Sliding(1.0, 0.5)) == [(0.0, 1.0, 1), (0.5, 1.5, 1)]


# Durations


@pytest.mark.parametrize(
    ("size", "seconds"),
    [
        ("1s", 1),
        ("5m", 300),
        ("1h", 3600),
        ("1d", 86_400),
        ("1h30m", 5400),
        ("1500ms", Fraction(3, 2)),
        (dt.timedelta(minutes=2), 120),
        (np.timedelta64(3, "s"), 3),
        (np.timedelta64(250, "ms"), Fraction(1, 4)),
    ],
)
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_durations_are_read_in_the_unit_of_the_times(size, seconds, unit):
    times = pa.array([0], pa.timestamp(unit))
    table = tg.aggregate(pa.table({"t": times}), tg.Tumbling(size), on="t", n=agg.rows())
    (end,) = table["window_end"].cast(pa.int64()).to_pylist()
    assert end == seconds * UNITS[unit]
    assert table["window_end"].type == times.type


def test_plain_number_is_in_the_unit_of_the_times():
    times = pa.array([0], pa.timestamp("ms"))
    table = tg.aggregate(pa.table({"t": times}), tg.Tumbling(250), on="t", n=agg.rows())
    assert table["window_end"].cast(pa.int64()).to_pylist() == [250]


def test_zone_of_the_times_is_kept():
    times = pa.array([0], pa.timestamp("us", "Europe/Zurich"))
    table = tg.aggregate(pa.table({"t": times}), tg.Tumbling("1s"), on="t", n=agg.rows())
    assert table.schema.field("window_start").type == times.type


# What cannot be a window


def make_and_use(size, *, unit="s", **options):
    times = pa.array([0], pa.timestamp(unit) if unit else pa.int64())
    return tg.aggregate(pa.table({"t": times}), tg.Tumbling(size, **options), on="t", n=agg.rows())


@pytest.mark.parametrize("size", [0, -1, "0s", "-1s", dt.timedelta(0), np.timedelta64(-1, "s")])
def test_size_that_is_not_positive_is_an_error(size):
    with pytest.raises((errors.WindowError, errors.DurationError), match="size"):
        make_and_use(size)


@pytest.mark.parametrize("size", [math.nan, math.inf, -math.inf])
def test_size_that_is_no_number_is_an_error(size):
    with pytest.raises((errors.WindowError, errors.DurationError), match=r"size is -?(?i:nan|inf)"):
        make_and_use(size)
    with pytest.raises((errors.WindowError, errors.DurationError), match=r"size is -?(?i:nan|inf)"):
        tg.aggregate([{"t": 0.5}], tg.Tumbling(size), on="t", n=agg.rows())


@pytest.mark.parametrize("size", [np.timedelta64("NaT"), None, True, b"1s", [1]])
def test_size_of_the_wrong_kind_is_an_error(size):
    with pytest.raises((errors.InputError, errors.ColumnTypeError)):
        make_and_use(size)


@pytest.mark.parametrize("size", ["", "s", "1", "1 fortnight", "1.5.2s", "1s2", "1x", "¹s"])
def test_duration_that_cannot_be_read_is_an_error_that_shows_it(size):
    with pytest.raises(errors.DurationError) as caught:
        make_and_use(size)
    assert repr(size) in str(caught.value)


@pytest.mark.parametrize(
    ("size", "unit"),
    [("250ms", "s"), ("1ns", "us"), (dt.timedelta(microseconds=1), "ms"), (0.5, "s")],
)
def test_duration_that_is_not_a_whole_number_of_units_is_an_error(size, unit):
    with pytest.raises(errors.DurationError, match=r"whole|integer"):
        make_and_use(size, unit=unit)


def test_duration_with_a_unit_over_times_without_one_is_an_error():
    with pytest.raises(errors.DurationError, match="unit"):
        make_and_use("1s", unit=None)


def test_duration_beyond_int64_is_an_error():
    with pytest.raises((errors.DurationError, errors.WindowError)):
        make_and_use("300000000d", unit="ns")
    with pytest.raises((errors.DurationError, errors.WindowError)):
        make_and_use(2**63, unit=None)


@pytest.mark.parametrize("every", [0, -5, "0s", math.nan])
def test_every_that_is_not_positive_is_an_error(every):
    with pytest.raises((errors.WindowError, errors.DurationError), match=r"every|nan"):
        tg.aggregate(
            pa.table({"t": pa.array([0], pa.timestamp("s"))}),
            tg.Sliding(10, every),
            on="t",
            n=agg.rows(),
        )


def test_origin_that_is_unknown_is_an_error():
    with pytest.raises(errors.TidegateError, match="origin"):
        make_and_use(10, origin="yesterday")


def test_too_many_windows_a_row_is_an_error_that_names_the_limit():
    with pytest.raises(errors.LimitError, match="max_overlap"):
        tg.aggregate(pa.table({"t": [0]}), tg.Sliding(10**9, 1), on="t", n=agg.rows())


def test_windows_are_values():
    assert tg.Tumbling("1s") == tg.Tumbling("1s")
    assert tg.Tumbling("1s") != tg.Tumbling("2s")
    assert len({tg.Sliding("1s", "1s"), tg.Sliding("1s", "1s")}) == 1
    assert "60s" in repr(tg.Sliding("60s", "1s"))


@pytest.mark.parametrize("by", [None, "k"])
def test_row_of_some_windows_that_a_promise_has_closed_is_of_the_others(by):
    live = tg.Aggregator(tg.Sliding(2, 1), agg.rows(), on="t", by=by, lateness=None)
    live.push({"t": [0], "k": ["a"]})
    assert live.advance(5).num_rows == 2
    assert live.push({"t": [4, 3], "k": ["a", "a"]}).num_rows == 0
    live = tg.Aggregator.restore(live.snapshot())
    assert live.flush()["window_start"].to_pylist() == [4]
    assert live.take_late()["t"].to_pylist() == [3]
