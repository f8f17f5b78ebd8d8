"""What is computed over a window: names, types, nulls, and the numbers that go wrong elsewhere."""

import math

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import agg, errors

ONE = tg.Tumbling(10)
INT64_MAX = 2**63 - 1


def over(values, *aggs, type=None, times=None, nan=None, **named):  # noqa: A002
    """Aggregate one window over `values`, column `p`."""
    times = [0] * len(values) if times is None else times
    table = pa.table({"t": pa.array(times, pa.int64()), "p": pa.array(values, type)})
    return tg.aggregate(table, ONE, *aggs, on="t", nan=nan, **named)


def value(values, make, **options):
    """Aggregate one window and give its only value."""
    (result,) = over(values, x=make("p"), **options)["x"].to_pylist()
    return result


def pairs(prices, sizes):
    table = pa.table({"t": [0] * len(prices), "p": prices, "s": sizes})
    (result,) = tg.aggregate(table, ONE, on="t", x=agg.vwap("p", "s"))["x"].to_pylist()
    return result


# Names


def test_result_by_keyword_has_its_name():
    table = over([1.0], top=agg.max("p"), n=agg.rows())
    assert table.column_names == ["window_start", "window_end", "top", "n"]


def test_result_by_position_has_a_sensible_name():
    table = over([1.0], agg.mean("p"), agg.rows(), agg.vwap("p", "p"), agg.std("p", ddof=0))
    assert table.column_names[2:] == ["p_mean", "rows", "vwap", "p_std"]


def test_ohlc_by_position_and_by_keyword():
    assert over([1.0], agg.ohlc("p")).column_names[2:] == ["open", "high", "low", "close"]
    assert over([1.0], agg.ohlcv("p", "p")).column_names[2:] == [
        "open",
        "high",
        "low",
        "close",
        "volume",
    ]
    assert over([1.0], bid=agg.ohlc("p")).column_names[2:] == [
        "bid_open",
        "bid_high",
        "bid_low",
        "bid_close",
    ]


def test_ohlcv_is_first_max_min_last_sum():
    table = over([3.0, 5.0, 1.0, 2.0], agg.ohlcv("p", "p"))
    assert table.select(["open", "high", "low", "close", "volume"]).to_pylist() == [
        {"open": 3.0, "high": 5.0, "low": 1.0, "close": 2.0, "volume": 11.0}
    ]


def test_positions_come_before_keywords_in_the_order_given():
    table = over([1.0], agg.last("p"), agg.first("p"), b=agg.min("p"), a=agg.max("p"))
    assert table.column_names[2:] == ["p_last", "p_first", "b", "a"]


def test_result_may_have_the_name_of_an_input_column():
    table = over([1.0, 2.0], p=agg.max("p"), t=agg.rows())
    assert table.select(["p", "t"]).to_pylist() == [{"p": 2.0, "t": 2}]


def test_two_results_of_one_name_are_an_error():
    with pytest.raises(errors.InputError, match="p_max"):
        over([1.0], agg.max("p"), agg.max("p"))
    with pytest.raises(errors.InputError, match="x_open"):
        over([1.0], x=agg.ohlc("p"), x_open=agg.max("p"))
    with pytest.raises(errors.InputError, match="window_end"):
        over([1.0], window_end=agg.max("p"))


def test_no_aggregation_at_all_is_an_error():
    with pytest.raises(errors.InputError, match="aggregat"):
        over([1.0])


def test_something_that_is_no_aggregation_is_an_error():
    with pytest.raises(errors.ColumnTypeError, match="'p'"):
        over([1.0], "p")
    with pytest.raises(errors.ColumnTypeError, match="sum"):
        over([1.0], x=sum)


# Types


@pytest.mark.parametrize(
    "type",
    [
        pa.float64(),
        pa.float32(),
        pa.int64(),
        pa.int8(),
        pa.uint64(),
        pa.uint16(),
        pa.bool_(),
        pa.timestamp("us", "UTC"),
        pa.date32(),
        pa.duration("ns"),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["first", "last", "min", "max"])
def test_ends_and_extremes_have_the_type_of_their_column(type, name):  # noqa: A002
    values = pa.array([1, 0, None], pa.int32() if pa.types.is_date(type) else None).cast(type)
    table = over(values, type=type, x=getattr(agg, name)("p"))
    assert table.schema.field("x").type == type
    expected = values[0 if name in {"first", "max"} else 1]
    assert table["x"][0] == expected


@pytest.mark.parametrize(
    ("type", "total"),
    [
        (pa.float64(), pa.float64()),
        (pa.float32(), pa.float64()),
        (pa.float16(), pa.float64()),
        (pa.int8(), pa.int64()),
        (pa.int64(), pa.int64()),
        (pa.bool_(), pa.int64()),
        (pa.uint8(), pa.uint64()),
        (pa.uint64(), pa.uint64()),
    ],
    ids=str,
)
def test_sums_are_of_the_widest_type_of_their_kind(type, total):  # noqa: A002
    values = np.array([1, 1, 0], "f2") if type == pa.float16() else [1, 1, 0]
    table = over(pa.array(values).cast(type), type=type, x=agg.sum("p"))
    assert table.schema.field("x").type == total
    assert table["x"].to_pylist() == [2]


@pytest.mark.parametrize("type", [pa.float32(), pa.int16(), pa.uint64(), pa.bool_()], ids=str)
@pytest.mark.parametrize("name", ["mean", "var", "std"])
def test_moments_are_float64(type, name):  # noqa: A002
    table = over(pa.array([1, 0]).cast(type), type=type, x=getattr(agg, name)("p"))
    assert table.schema.field("x").type == pa.float64()


def test_counts_are_int64():
    table = over([1.0, None], n=agg.count("p"), m=agg.rows())
    assert table.select(["n", "m"]).to_pylist() == [{"n": 1, "m": 2}]
    assert table.schema.field("n").type == table.schema.field("m").type == pa.int64()


def test_dictionary_of_numbers_is_computed_with():
    table = over(pa.array([1.5, 2.5, 1.5]).dictionary_encode(), x=agg.sum("p"), y=agg.max("p"))
    assert table.select(["x", "y"]).to_pylist() == [{"x": 5.5, "y": 2.5}]


@pytest.mark.parametrize("name", ["sum", "mean", "median", "argmin", "range", "skew"])
def test_text_has_no_arithmetic(name):
    with pytest.raises(errors.ColumnTypeError, match=r"'p'.*string"):
        over(["a", "b"], x=getattr(agg, name)("p"))


# Nulls and NaN


def test_null_is_missing():
    table = over(
        [None, 2.0, None, 4.0],
        agg.count("p"),
        agg.rows(),
        agg.first("p"),
        agg.last("p"),
        agg.min("p"),
        agg.sum("p"),
        agg.mean("p"),
        agg.var("p"),
    )
    assert table.to_pylist() == [
        {
            "window_start": 0,
            "window_end": 10,
            "p_count": 2,
            "rows": 4,
            "p_first": 2.0,
            "p_last": 4.0,
            "p_min": 2.0,
            "p_sum": 6.0,
            "p_mean": 3.0,
            "p_var": 2.0,
        }
    ]


@pytest.mark.parametrize("type", [pa.float64(), pa.int64(), pa.null()], ids=str)
def test_no_valid_value_is_null_but_for_count_and_sum(type):  # noqa: A002
    names = ["count", "sum", "first", "last", "min", "max", "mean", "var", "std"]
    table = over([None, None], *(getattr(agg, name)("p") for name in names), type=type)
    (row,) = table.to_pylist()
    assert [row[f"p_{name}"] for name in names] == [0, 0] + [None] * 7


def test_vwap_takes_the_rows_where_both_are_there():
    assert pairs([10.0, None, 20.0, 30.0], [1.0, 5.0, 3.0, None]) == 17.5
    assert pairs([None, 1.0], [1.0, None]) is None


def test_nan_is_a_value_and_propagates():
    values = [1.0, math.nan, 3.0]
    for make in (agg.sum, agg.mean, agg.min, agg.max, agg.var, agg.std):
        assert math.isnan(value(values, make)), make
    assert value(values, agg.count) == 3
    assert value(values, agg.first) == 1.0
    assert math.isnan(value([1.0, math.nan], agg.last))
    assert math.isnan(pairs([1.0, 2.0], [1.0, math.nan]))


def test_nan_can_be_missing():
    values = [math.nan, 1.0, 3.0, math.nan]
    expected = {"count": 2, "first": 1.0, "last": 3.0, "sum": 4.0, "mean": 2.0, "var": 2.0}
    for name, result in (expected | {"min": 1.0, "max": 3.0}).items():
        assert value(values, getattr(agg, name), nan="missing") == result
        assert value([*values, None], getattr(agg, name), nan="missing") == result
        table = {"t": [0] * 4, "k": [1] * 4, "p": values}
        keyed = tg.aggregate(table, ONE, on="t", by="k", nan="missing", x=getattr(agg, name)("p"))
        assert keyed["x"].tolist() == [result]
    assert value([math.nan], agg.sum, nan="missing") == 0
    assert value([math.nan], agg.max, nan="missing") is None


def test_nan_is_missing_in_pandas_unless_said_otherwise():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"t": [0, 1], "p": [math.nan, 2.0]})
    assert tg.aggregate(frame, ONE, on="t", x=agg.sum("p"))["x"].tolist() == [2.0]
    kept = tg.aggregate(frame.astype({"p": "Float64"}), ONE, on="t", x=agg.sum("p"))
    assert kept["x"].tolist() == [2.0]


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 1e308, 1e16])
def test_odd_value_leaves_no_trace_in_the_next_window(odd):
    names = ["sum", "mean", "var", "std", "min", "max", "first", "last"]
    times, values = [0, 1, 2, 10, 11], [0.1, odd, 0.3, 0.1, 0.3]
    both = over(values, *(getattr(agg, name)("p") for name in names), times=times)
    alone = over(values[3:], *(getattr(agg, name)("p") for name in names), times=times[3:])
    assert both.slice(1).to_pylist() == alone.to_pylist()


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 1e308, 1e16])
def test_odd_value_leaves_no_trace_once_it_slid_out(odd):
    table = pa.table({"t": [0, 1, 2, 10, 11], "p": [0.1, odd, 0.3, 0.1, 0.3]})
    wanted = {"sum": agg.sum("p"), "var": agg.var("p"), "top": agg.max("p")}
    slid = tg.aggregate(table, tg.Sliding(10, 2), on="t", **wanted)
    alone = tg.aggregate(table.slice(3), tg.Sliding(10, 2), on="t", **wanted)
    after = [row for row in slid.to_pylist() if row["window_start"] >= 4]
    assert after == [row for row in alone.to_pylist() if row["window_start"] >= 4]


# Numbers that go wrong elsewhere


def test_sum_does_not_lose_what_is_small():
    assert value([1e16, 1.0, 1.0, 1.0, -1e16], agg.sum) == 3.0
    assert value([0.1] * 10, agg.sum) == 1.0
    assert value([1e16, 1.0, 1.0, 1.0, -1e16], agg.mean) == 0.6


def test_sum_does_not_overflow_on_the_way():
    assert value([1.7e308, 1.7e308, -1.7e308], agg.sum) == 1.7e308
    assert value([1.7e308, 1.7e308, -1.7e308, -1.7e308, 1.0], agg.sum) == 1.0
    assert value([1.7e308, 1.7e308], agg.mean) == 1.7e308
    assert value([1.7e308, 1.7e308], agg.sum) == math.inf


def test_variance_of_large_values_close_together():
    assert value([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16], agg.var) == 30.0
    assert value([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16], agg.std) == math.sqrt(30)
    assert value([10**15 + 4, 10**15 + 7, 10**15 + 13, 10**15 + 16], agg.var) == 30.0


def test_variance_of_equal_values_is_zero():
    assert value([0.1] * 1000, agg.var) == 0.0
    assert value([1e300] * 3, agg.std) == 0.0


def test_variance_beyond_the_largest_float_is_infinite_and_its_root_is_not():
    table = over([1e200, -1e200, 1.0, 3.0], agg.var("p"), agg.std("p"), times=[0, 1, 10, 11])
    assert table["p_var"].to_pylist() == [math.inf, 2.0]
    assert table["p_std"].to_pylist()[0] == pytest.approx(math.sqrt(2) * 1e200, rel=1e-15)


def test_vwap_of_values_far_apart():
    assert pairs([1e200, 1.0], [1e-200, 1.0]) == 2.0
    assert pairs([1e200, 3e200], [1e200, 1e200]) == 2e200
    assert pairs([1e16, 1.0, -1e16], [1.0, 1.0, 1.0]) == 1 / 3


def test_vwap_over_no_size_is_not_a_number():
    assert math.isnan(pairs([10.0], [0.0]))
    assert math.isnan(pairs([10.0, 10.0], [1.0, -1.0]))
    assert math.isnan(pairs([11.0, 10.0], [1.0, -1.0]))
    assert math.isnan(pairs([math.inf, 10.0], [1.0, -1.0]))
    assert math.isnan(pairs([1e200, 10.0], [1.0, -1.0]))


def test_vwap_of_an_infinite_price_has_the_sign_of_the_sizes():
    assert pairs([math.inf, 1.0], [2.0, 1.0]) == math.inf
    assert pairs([math.inf, 1.0], [2.0, -3.0]) == -math.inf
    assert pairs([math.inf, 1.0], [1.0, -1e200]) == -math.inf
    assert math.isnan(pairs([math.inf, -math.inf], [1.0, 1.0]))
    assert math.isnan(pairs([1.0, 1.0], [math.inf, 1.0]))


def test_integer_sums_are_exact():
    assert value([2**53, 1, 0], agg.sum) == 2**53 + 1
    assert value([INT64_MAX, 1, -1], agg.sum) == INT64_MAX
    assert value([-(2**63), -1, 1], agg.sum) == -(2**63)
    assert value([2**64 - 1, 0], agg.sum, type=pa.uint64()) == 2**64 - 1


@pytest.mark.parametrize(
    ("values", "type"),
    [
        ([INT64_MAX, 1], pa.int64()),
        ([-(2**63), -1], pa.int64()),
        ([2**64 - 1, 1], pa.uint64()),
        ([INT64_MAX] * 4, pa.int64()),
    ],
)
def test_integer_sum_that_does_not_fit_is_an_error_that_names_the_column(values, type):  # noqa: A002
    with pytest.raises(errors.AggregateOverflowError, match="'p'"):
        over(values, type=type, x=agg.sum("p"))


def test_means_of_the_largest_integers():
    assert value([INT64_MAX, INT64_MAX], agg.mean) == float(INT64_MAX)
    assert value([2**64 - 1] * 3, agg.mean, type=pa.uint64()) == 2.0**64
    assert value([-(2**63), INT64_MAX], agg.mean) == -0.5
    assert value([-(2**63), INT64_MAX], agg.var) == pytest.approx(2.0**127, rel=1e-15)


def test_ddof():
    assert value([1.0, 2.0, 3.0, 4.0], lambda p: agg.var(p, ddof=0)) == 1.25
    assert value([1.0, 2.0, 3.0, 4.0], agg.var) == 5 / 3
    assert value([1.0], agg.var) is None
    assert value([1.0], lambda p: agg.var(p, ddof=0)) == 0.0
    assert value([math.nan], agg.std) is None
    assert value([1.0, 2.0], lambda p: agg.std(p, ddof=2)) is None


@pytest.mark.parametrize("ddof", [-1, 1.5, None, "1", True])
def test_ddof_that_is_no_count_is_an_error(ddof):
    with pytest.raises((errors.InputError, errors.ColumnTypeError), match="ddof"):
        agg.var("p", ddof=ddof)


# First and last


def test_first_and_last_go_by_time_not_by_arrival():
    times, values = [5, 1, 9, 3], [5.0, 1.0, 9.0, 3.0]
    assert value(values, agg.first, times=times) == 1.0
    assert value(values, agg.last, times=times) == 9.0


def test_equal_times_go_by_arrival():
    times, values = [3, 1, 1, 9, 9, 4], [3.0, 1.0, 2.0, 8.0, 9.0, 4.0]
    assert value(values, agg.first, times=times) == 1.0
    assert value(values, agg.last, times=times) == 9.0


def test_first_and_last_are_of_the_valid_values():
    assert value([None, 2.0, 3.0, None], agg.first, times=[0, 1, 2, 3]) == 2.0
    assert value([None, 2.0, 3.0, None], agg.last, times=[0, 1, 2, 3]) == 3.0


def test_sign_of_zero_is_kept():
    assert math.copysign(1, value([-0.0, 1.0], agg.first)) == -1
    assert math.copysign(1, value([1.0, -0.0], agg.last)) == -1


# The plan


def test_aggregations_are_values():
    assert agg.sum("p") == agg.sum("p")
    assert agg.sum("p") != agg.sum("q")
    assert agg.var("p", ddof=0) != agg.var("p")
    assert len({agg.vwap("p", "s"), agg.vwap("p", "s")}) == 1
    assert "vwap" in repr(agg.vwap("p", "s"))


@pytest.mark.parametrize("column", [None, 3, b"p", ["p"]])
def test_column_that_is_no_name_is_an_error(column):
    with pytest.raises((errors.ColumnTypeError, errors.InputError)):
        agg.sum(column)


def test_every_aggregation_over_an_empty_input():
    names = ["count", "first", "last", "min", "max", "sum", "mean", "var", "std", "ohlc"]
    table = over([], *(getattr(agg, name)("p") for name in names), type=pa.int32())
    assert table.num_rows == 0
    assert table.schema.field("p_sum").type == pa.int64()
    assert table.schema.field("p_min").type == pa.int32()


def test_many_aggregates_of_one_column_agree_with_one():
    rng = np.random.default_rng(1)
    values = rng.normal(size=1000)
    makes = {name: getattr(agg, name)("p") for name in ("sum", "mean", "min", "max", "var", "std")}
    (together,) = over(values, **makes).to_pylist()
    for name, make in makes.items():
        (alone,) = over(values, **{name: make}).to_pylist()
        assert alone[name] == together[name], name


def test_every_aggregation_says_the_same_of_a_day_however_the_day_is_given():
    rng = np.random.default_rng(2)
    times = np.sort(rng.integers(0, 5 * 86_400_000, 2000))
    table = pa.table(
        {
            "t": pa.array(times).cast(pa.timestamp("ms")),
            "p": rng.normal(size=2000),
            "s": rng.integers(1, 9, 2000),
        }
    )
    pairs = {"vwap", "wmean", "cov", "corr", "ohlcv"}
    others = {*pairs, "rows", "custom"}
    singles = [name for name in agg.__all__ if name.islower() and name not in others]
    wanted = {name: getattr(agg, name)("p") for name in singles}
    wanted |= {name: getattr(agg, name)("p", "s") for name in pairs}
    days = tg.aggregate(table, tg.Tumbling("1d"), on="t", rows=agg.rows(), **wanted)
    edges = np.arange(6).astype("M8[D]")
    for window in (tg.Calendar("day"), tg.Edges(edges)):
        got = tg.aggregate(table, window, on="t", rows=agg.rows(), **wanted)
        assert got.equals(days)
