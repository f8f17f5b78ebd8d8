"""The watermark, what is late by it, and where late and rejected rows go."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from reference.strategies import cases, steps

import tidegate as tg
from tidegate import agg, errors

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


def live(shape=None, **options):
    settings = {"on": "t", "lateness": 0} | options
    return tg.Aggregator(shape or tg.Tumbling(10), **settings, n=agg.rows(), x=agg.sum("p"))


def rows(*times, type=None):  # noqa: A002
    return pa.table({"t": pa.array(times, type), "p": [float(i) for i in range(len(times))]})


# What is late


def test_out_of_order_row_whose_window_is_open_is_used():
    run = live()
    run.push(rows(5, 9, 1, 5))
    assert run.take_late().num_rows == 0
    assert run.flush()["n"].to_pylist() == [4]


def test_row_is_late_when_its_window_ends_at_the_watermark():
    run = live()
    run.push(rows(10, 9))
    assert run.stats.late == 1


def test_lateness_keeps_windows_open():
    run = live(lateness=5)
    run.push(rows(14, 9, 15, 9))
    assert run.take_late()["row"].to_pylist() == [3]


def test_row_does_not_close_its_own_window():
    run = live(tg.Sliding(10, 10), lateness=0)
    run.push(rows(0, 1000, 1000))
    assert run.stats.late == 0


def test_late_row_counts_nowhere():
    run = live()
    closed = run.push(rows(5, 15, 3))
    assert closed["n"].to_pylist() == [1]
    assert run.flush()["x"].to_pylist() == [1.0]


def test_late_row_does_not_move_the_watermark():
    run = live()
    run.push(rows(20))
    run.push(rows(3))
    assert run.watermark == 20


def test_row_late_for_some_of_its_windows_counts_in_the_others():
    run = live(tg.Sliding(10, 5))
    closed = run.push(rows(0, 10, 4, 7))
    assert closed.select(["window_start", "n"]).to_pylist() == [
        {"window_start": -5, "n": 1},
        {"window_start": 0, "n": 1},
    ]
    assert run.take_late()["row"].to_pylist() == [2]
    assert run.flush().select(["window_start", "n"]).to_pylist() == [
        {"window_start": 5, "n": 2},
        {"window_start": 10, "n": 1},
    ]
    assert run.stats.used == 3


def test_watermark_is_of_all_keys_together():
    run = tg.Aggregator(tg.Tumbling(10), on="t", by="k", lateness=0, n=agg.rows())
    run.push(pa.table({"t": [5, 25, 6], "k": ["a", "b", "a"]}))
    assert run.stats.late == 1


@given(cases(late=True), steps())
def test_what_is_left_out_is_what_the_oracle_leaves_out(case, how):
    said, run = case.oracle(), case.stream(how)
    columns = ["row", "reason", "window_start", "window_end", "late_by"]
    expected = [{name: late[name] for name in columns} for late in said.late]
    assert run.late.select(columns).to_pylist() == expected
    inputs = [case.on, *case.by, *case.inputs]
    assert run.late.column_names == [*inputs, *columns]
    given_rows = [[late["input"][name] for name in inputs] for late in said.late]
    assert repr([list(row.values()) for row in run.late.select(inputs).to_pylist()]) == repr(
        given_rows
    )


@given(cases(), steps())
def test_nothing_disappears(case, how):
    said = case.oracle()
    stats = case.stream(how).stats if case.lateness is not None else case.one_shot().stats
    assert stats.rows_in == case.table.num_rows == said.rows_in
    assert stats.rows_in == stats.used + stats.late + stats.rejected + stats.pending
    assert (stats.used, stats.rejected) == (said.used, said.rejected)
    assert stats.late == len(said.late) - said.rejected
    assert stats.pending == 0
    assert stats.windows == len(said.windows)


# The watermark


def test_watermark_is_none_before_any_row():
    assert live().watermark is None


@pytest.mark.parametrize(
    ("times", "lateness", "expected"),
    [
        ([3, 8, 5], 2, 6),
        ([-5], 0, -5),
        ([None, 4], 0, 4),
        ([0.5, 0.25], 0.25, 0.25),
    ],
)
def test_watermark_is_the_largest_time_less_the_lateness(times, lateness, expected):
    run = live(lateness=lateness, schema=rows(*times).schema)
    run.push(rows(*times))
    assert run.watermark == expected


def test_watermark_does_not_wrap_around():
    run = live(lateness=1000)
    run.push(rows(INT64_MIN + 10, INT64_MIN + 20))
    assert run.watermark == INT64_MIN
    assert run.stats.used == 2


def test_watermark_of_timestamps_is_a_timestamp():
    run = live(tg.Tumbling("1s"), lateness="500ms")
    run.push(rows(2_000, type=pa.timestamp("ms")))
    assert run.watermark == np.datetime64(1_500, "ms")


@pytest.mark.parametrize("lateness", [-1, "-1s", math.nan, "soon"])
def test_lateness_that_is_no_length_is_an_error(lateness):
    with pytest.raises(errors.InputError, match="lateness"):
        live(lateness=lateness, schema=rows(0, type=pa.timestamp("s")).schema)


# The side


def test_late_rows_say_their_window_and_how_late_they_were():
    run = live(tg.Tumbling("10s"), lateness="1s")
    run.push(rows(5_000, 31_000, 9_000, type=pa.timestamp("ms", "UTC")))
    late = run.take_late()
    assert late.column_names == [
        "t",
        "p",
        "row",
        "reason",
        "window_start",
        "window_end",
        "late_by",
    ]
    assert late.schema.field("row").type == pa.int64()
    assert late.schema.field("window_end").type == pa.timestamp("ms", "UTC")
    assert late.schema.field("late_by").type == pa.duration("ms")
    as_numbers = late.set_column(4, "window_start", late["window_start"].cast(pa.int64()))
    assert as_numbers.select(["p", "row", "reason", "window_start"]).to_pylist() == [
        {"p": 2.0, "row": 2, "reason": "late", "window_start": 0}
    ]
    assert late["late_by"].cast(pa.int64()).to_pylist() == [21_000]


def test_late_rows_are_taken_once():
    run = live()
    run.push(rows(10, 9))
    assert run.take_late().num_rows == 1
    assert run.take_late().num_rows == 0
    run.push(rows(8))
    assert run.take_late()["row"].to_pylist() == [2]


def test_take_late_before_any_late_row_has_the_columns():
    run = live(schema=rows(0).schema)
    assert run.take_late().schema == late_schema()


def late_schema():
    run = live()
    run.push(rows(10, 9))
    return run.take_late().schema


def test_late_rows_may_be_dropped_and_are_counted():
    run = live(late="drop")
    run.push(rows(10, 9, None))
    assert run.stats.late == 1
    assert "late" not in run.take_late()["reason"].to_pylist()


def test_late_row_may_be_an_error_and_the_batch_is_not_taken():
    run = live(late="raise")
    with pytest.raises(errors.LateRowError, match="row 2"):
        run.push(rows(5, 20, 9))
    assert run.stats.rows_in == 0
    assert run.push(rows(5, 20))["n"].to_pylist() == [1]
    with pytest.raises(errors.LateRowError, match="9"):
        run.push_row(9, 1.0)
    assert run.stats.rows_in == 2


def test_late_that_is_no_policy_is_an_error():
    with pytest.raises(errors.InputError, match="late"):
        live(late="ignore")


# Rejected rows


def test_row_without_a_time_is_rejected():
    run = live()
    run.push(rows(1, None, 2))
    assert run.take_late().select(["row", "reason", "window_start", "late_by"]).to_pylist() == [
        {"row": 1, "reason": "null time", "window_start": None, "late_by": None}
    ]
    assert run.stats.rejected == 1
    assert run.flush()["x"].to_pylist() == [2.0]


def test_row_whose_time_is_not_a_number_is_rejected():
    run = live(tg.Tumbling(1.0), lateness=0.0)
    run.push(rows(0.5, math.nan, math.inf, -math.inf, None, 0.75))
    assert run.take_late()["reason"].to_pylist() == [
        "nan time",
        "time out of range",
        "time out of range",
        "null time",
    ]
    assert run.watermark == 0.75


def test_not_a_time_of_numpy_and_pandas_is_rejected():
    pd = pytest.importorskip("pandas")
    times = np.array(["2024-01-01T00:00:00", "NaT"], "datetime64[ns]")
    for data in ({"t": times, "p": [1.0, 2.0]}, pd.DataFrame({"t": times, "p": [1.0, 2.0]})):
        side = tg.Side()
        tg.aggregate(data, tg.Tumbling("1s"), on="t", side=side, n=agg.rows(), x=agg.sum("p"))
        assert side.late["reason"].to_pylist() == ["null time"]


def test_rejected_row_moves_nothing():
    run = live(tg.Tumbling(1000), lateness=0)
    run.push(rows(5, INT64_MAX, INT64_MIN, 6))
    assert run.watermark == 6
    assert (run.stats.used, run.stats.rejected, run.stats.late) == (2, 2, 0)


def test_distance_of_a_very_late_row_does_not_wrap_around():
    run = live(tg.Tumbling(1))
    run.push(rows(INT64_MAX - 10, INT64_MIN + 10))
    assert run.take_late()["late_by"].to_pylist() == [INT64_MAX]


def test_one_shot_warns_when_rows_are_left_out():
    with pytest.warns(tg.LeftOutWarning, match="1"):
        tg.aggregate(rows(1, None), tg.Tumbling(10), on="t", n=agg.rows())


def test_one_shot_does_not_warn_when_the_rows_go_to_a_side():
    side = tg.Side()
    tg.aggregate(rows(1, None), tg.Tumbling(10), on="t", side=side, n=agg.rows())
    assert side.late["row"].to_pylist() == [1]
    assert side.stats.rejected == 1


def test_all_rows_rejected_gives_the_empty_result():
    side = tg.Side()
    table = tg.aggregate(
        rows(None, None, type=pa.int64()), tg.Tumbling(10), on="t", side=side, x=agg.sum("p")
    )
    assert table.num_rows == 0
    assert table.column_names == ["window_start", "window_end", "x"]
    assert side.stats.rejected == 2
