"""How the values of a window lie: standard error, range, when, z-score, skewness, kurtosis."""

import math
from datetime import date, datetime, time, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from reference.compare import is_close
from reference.oracle import shape, zscore

import tidegate as tg
from tidegate import agg, errors

ONE = tg.Tumbling(10)
INT64_MAX = 2**63 - 1


def over(values, make, *, type=None, times=None, by=False, **options):  # noqa: A002
    """Aggregate one window over `values`, and give its only value."""
    times = [0] * len(values) if times is None else times
    table = pa.table({"t": pa.array(times, pa.int64()), "p": pa.array(values, type)})
    table = table.append_column("k", pa.array([1] * len(values)))
    keys = {"by": "k"} if by else {}
    result = tg.aggregate(table, ONE, on="t", x=make("p", **options), **keys)
    return result["x"][0].as_py()


# Standard error


def test_sem_is_the_deviation_over_the_root_of_the_number():
    assert over([1.0, 2.0, 3.0, 4.0], agg.sem) == math.sqrt(5 / 3 / 4)
    assert over([1.0, 3.0], agg.sem, ddof=0) == math.sqrt(1 / 2)
    assert over([1, 3], agg.sem) == 1.0
    assert over([1.0], agg.sem) is None
    assert math.isnan(over([1.0, math.inf], agg.sem))
    assert over([1e200, -1e200], agg.sem) == pytest.approx(1e200, rel=1e-15)


def test_sem_is_that_of_pandas(rng):
    values = rng.normal(size=1000)
    assert over(values, agg.sem) == pytest.approx(pd.Series(values).sem(), rel=1e-12)


# Range


def test_range_of_floats():
    assert over([3.0, -1.0, 2.5], agg.range) == 4.0
    assert over([None, 2.0, None], agg.range) == 0.0
    assert over([None, None], agg.range, type=pa.float64()) is None
    assert math.isnan(over([1.0, math.nan], agg.range))
    assert over([-math.inf, math.inf], agg.range) == math.inf
    assert over([1.7e308, -1.7e308], agg.range) == math.inf


@pytest.mark.parametrize(
    ("values", "type", "result", "expected"),
    [
        ([-100, 127], pa.int8(), pa.int64(), 227),
        ([2**64 - 1, 1], pa.uint64(), pa.uint64(), 2**64 - 2),
        ([-1, INT64_MAX - 1], pa.int64(), pa.int64(), INT64_MAX),
        ([True, False], pa.bool_(), pa.int64(), 1),
        ([1.5, 0.25], pa.float32(), pa.float32(), 1.25),
        ([timedelta(1), timedelta(3)], pa.duration("us"), pa.duration("us"), timedelta(2)),
        (
            [datetime(2024, 1, 1), datetime(2024, 1, 3)],
            pa.timestamp("ms"),
            pa.duration("ms"),
            timedelta(2),
        ),
        ([date(2024, 1, 1), date(2024, 3, 1)], pa.date32(), pa.duration("s"), timedelta(60)),
        ([date(2024, 1, 1), date(2024, 3, 1)], pa.date64(), pa.duration("ms"), timedelta(60)),
        ([time(1), time(3)], pa.time32("s"), pa.duration("s"), timedelta(hours=2)),
    ],
    ids=str,
)
def test_range_has_the_type_of_a_difference(values, type, result, expected):  # noqa: A002
    table = pa.table({"t": [0, 1], "p": pa.array(values, type)})
    x = tg.aggregate(table, ONE, on="t", x=agg.range("p"))["x"]
    assert x.type == result
    assert x[0].as_py() == expected


def test_range_that_does_not_fit_is_an_error_that_names_it():
    with pytest.raises(errors.AggregateOverflowError, match=r"the range of column 'p'"):
        over([-2, INT64_MAX - 1], agg.range)
    with pytest.raises(errors.AggregateOverflowError, match=r"the range of column 'p'"):
        over([-2, INT64_MAX - 1], agg.range, by=True)


def test_range_stands_beside_either_extreme():
    values = [3.0, -1.0, 2.5, 7.0]
    for wanted in (("min", "range"), ("range", "max"), ("min", "range", "max"), ("range", "min")):
        for name, expected in {"min": -1.0, "max": 7.0, "range": 8.0}.items():
            table = pa.table({"t": np.arange(4000) // 4 * 10, "p": values * 1000})
            got = tg.aggregate(table, ONE, *(getattr(agg, want)("p") for want in wanted), on="t")
            if name in wanted:
                assert got[f"p_{name}"].to_pylist() == [expected] * 1000


# When


def test_argmin_and_argmax_are_times():
    times, values = [4, 2, 6, 8], [3.0, 1.0, 7.0, 2.0]
    assert over(values, agg.argmin, times=times) == 2
    assert over(values, agg.argmax, times=times) == 6


def test_of_equal_values_the_earliest_time_is_told_whatever_the_order_of_arrival():
    for times in ([7, 3, 5], [3, 5, 7], [5, 7, 3]):
        assert over([1, 1, 1], agg.argmin, times=times) == 3
        assert over([0.0, -0.0, 0.0], agg.argmax, times=times) == 3


def test_nan_is_the_extreme_as_it_is_of_min_and_max():
    values, times = [1.0, math.nan, 0.0, math.nan], [1, 5, 2, 4]
    assert over(values, agg.argmin, times=times) == 4
    assert over(values, agg.argmax, times=times) == 4
    assert over([1.0, math.inf, math.nan], agg.argmax, times=[1, 2, 3]) == 3
    assert over([1.0, -math.inf, 2.0], agg.argmin, times=[1, 2, 3]) == 2


@pytest.mark.parametrize(
    ("values", "type"),
    [
        ([2**63, 2**64 - 1, 1], pa.uint64()),
        ([0, INT64_MAX, -(2**63)], pa.int64()),
        ([0, 1, -1], pa.int8()),
        ([0.5, 1e300, -1e300], pa.float64()),
        ([0.5, 5e-324, 0.0], None),
    ],
    ids=str,
)
@pytest.mark.parametrize("by", [False, True])
def test_argmin_and_argmax_of_every_kind_of_number(values, type, by):  # noqa: A002
    for make, choose in ((agg.argmin, min), (agg.argmax, max)):
        expected = values.index(choose(values))
        assert over(values, make, type=type, times=[0, 1, 2], by=by) == expected


def test_argmax_has_the_type_of_the_times():
    stamps = pa.array([datetime(2024, 1, 1), datetime(2024, 1, 2)], pa.timestamp("ms", "UTC"))
    table = pa.table({"t": stamps, "p": [1, 2]})
    x = tg.aggregate(table, tg.Tumbling("7d"), on="t", x=agg.argmax("p"))["x"]
    assert x[0] == stamps[1]
    floats = tg.aggregate([{"t": -0.5, "p": 1}], tg.Tumbling(1.0), on="t", x=agg.argmax("p"))
    assert floats[0]["x"] == -0.5


def test_argmax_of_no_value_is_null():
    assert over([None], agg.argmax, type=pa.int64()) is None


# z-score


def test_zscore_is_of_the_last_value_by_time():
    values, times = [1.0, 9.0, 2.0, 3.0], [1, 9, 2, 3]
    expected = (9.0 - np.mean(values)) / np.std(values, ddof=1)
    assert over(values, agg.zscore, times=times) == pytest.approx(expected, rel=1e-14)
    assert over([3, 3, 3, 7], agg.zscore, ddof=0) == pytest.approx(math.sqrt(3), rel=1e-15)


def test_zscore_without_spread_is_nan_and_of_too_few_null():
    assert math.isnan(over([0.1] * 7, agg.zscore))
    assert over([0.1], agg.zscore) is None
    assert math.isnan(over([0.1, math.inf], agg.zscore))


HARSH = [
    [1e200, -1e200, 3e199, 1.0],
    [1.7e308, -1.7e308, 1e308, 0.0],
    [5e-324, 1e-323, 0.0, 2e-323],
    [1e-200, 3e-200, -1e-200, 1e-201, 0.0],
    [1e-200, 1.0, 1e200, -1e100, 2.0],
    [1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16],
    [1e16, 1.0, 1.0, 1.0, 1.0],
    [2**63 - 1, 2**63 - 2, 2**63 - 5, -(2**63)],
    [2**62 + 1, 2**62 + 2, 2**62 + 4, 2**62 + 8],
    [0.1, 0.2, 0.3, 0.4, 5e5],
    [1.0] * 1000 + [1.0 + 2**-52],
]


@pytest.mark.parametrize("values", HARSH, ids=lambda values: str(values[:4]))
@pytest.mark.parametrize("by", [False, True], ids=["unkeyed", "keyed"])
def test_shapes_are_exact_where_it_is_hard(values, by):
    assert is_close(over(values, agg.zscore, by=by), zscore(values, values[-1], 1))
    for kind in ("skew", "kurt"):
        for bias in (False, True):
            got = over(values, getattr(agg, kind), by=by, bias=bias)
            assert is_close(got, shape(values, kind, bias=bias)), (kind, bias)


@pytest.mark.parametrize("values", HARSH, ids=lambda values: str(values[:4]))
def test_shapes_of_panes_are_as_exact(values):
    table = {"t": range(len(values)), "p": values}
    slid = tg.aggregate(
        table, tg.Sliding(4, 1), on="t", s=agg.skew("p"), k=agg.kurt("p", bias=True)
    )
    for place, start in enumerate(slid["window_start"].tolist()):
        inside = values[max(start, 0) : start + 4]
        for name, kind, bias in (("s", "skew", False), ("k", "kurt", True)):
            got, expected = slid[name][place], shape(inside, kind, bias=bias)
            if expected is None or isinstance(expected, float):
                assert np.isnan(got)
            else:
                assert is_close(float(got), expected)


# Skewness and kurtosis


def test_shapes_without_spread_are_nan_and_of_too_few_null():
    assert over([1.0, 2.0], agg.skew) is None
    assert over([1.0, 2.0, 4.0], agg.kurt) is None
    assert over([1.0, 2.0], agg.skew, bias=True) == 0.0
    assert math.isnan(over([1.0], agg.skew, bias=True))
    assert math.isnan(over([0.1] * 9, agg.skew))
    assert math.isnan(over([0.1] * 9, agg.kurt))
    assert math.isnan(over([1.0, 2.0, 3.0, math.nan], agg.kurt))
    assert over([None], agg.kurt, type=pa.float64(), bias=True) is None


def test_shapes_are_those_of_pandas_and_of_polars(rng):
    values = rng.lognormal(size=5000)
    assert over(values, agg.skew) == pytest.approx(pd.Series(values).skew(), rel=1e-10)
    assert over(values, agg.kurt) == pytest.approx(pd.Series(values).kurt(), rel=1e-10)
    assert over(values, agg.skew, bias=True) == pytest.approx(pl.Series(values).skew(), rel=1e-10)
    kurtosis = pl.Series(values).kurtosis()
    assert over(values, agg.kurt, bias=True) == pytest.approx(kurtosis, rel=1e-10)


@pytest.mark.parametrize("bias", [0, None, "yes"])
def test_bias_is_a_bool(bias):
    with pytest.raises(errors.InputError, match="bias"):
        agg.skew("p", bias=bias)


@pytest.mark.parametrize("make", [agg.sem, agg.zscore, agg.skew, agg.kurt])
def test_times_have_no_moments(make):
    with pytest.raises(errors.ColumnTypeError, match="'p'"):
        over([datetime(2024, 1, 1)], make)


def test_odd_value_leaves_no_trace_once_it_slid_out():
    wanted = {"z": agg.zscore("p"), "s": agg.skew("p"), "k": agg.kurt("p", bias=True)}
    for odd in (math.nan, math.inf, 1e308, 1e-300):
        table = pa.table({"t": [0, 1, 2, 10, 11, 13], "p": [0.1, odd, 0.3, 0.1, 0.3, 0.7]})
        slid = tg.aggregate(table, tg.Sliding(10, 2), on="t", **wanted)
        alone = tg.aggregate(table.slice(3), tg.Sliding(10, 2), on="t", **wanted)
        after = [row for row in slid.to_pylist() if row["window_start"] >= 4]
        left = [row for row in alone.to_pylist() if row["window_start"] >= 4]
        assert repr(after) == repr(left)  # NaN is NaN


def test_plan_with_options_goes_through_json():
    plan = tg.Aggregator(ONE, agg.skew("p", bias=True), agg.sem("p", ddof=0), on="t").plan
    assert tg.Plan.from_json(plan.to_json()) == plan
    for wrong in ('{"bias": 3}', '{"column": "p"}', '{"of": 1}', '{"bias": true, "x": []}'):
        text = plan.to_json().replace('{"bias": true}', wrong)
        with pytest.raises(errors.InputError):
            tg.Plan.from_json(text)
