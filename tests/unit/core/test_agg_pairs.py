"""Two columns at a time: weighted means, covariances, correlations, slopes."""

import math
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from reference.compare import assert_same_bits, is_close, is_near
from reference.oracle import Exact, of_pairs

import tidegate as tg
from tidegate import agg, errors

ONE = tg.Tumbling(10)


def over(xs, ys, make, *, types=(None, None), by=False, **options):
    """Aggregate one window over columns `x` and `y`, and give its only value."""
    columns = (pa.array(values, type_) for values, type_ in zip((xs, ys), types, strict=True))
    names = ["t", "k", "x", "y"]
    table = pa.table([pa.array([0] * len(xs)), pa.array([1] * len(xs)), *columns], names)
    keys = {"by": "k"} if by else {}
    result = tg.aggregate(table, ONE, on="t", r=make("x", "y", **options), **keys)
    return result["r"][0].as_py()


def test_names_by_position():
    table = {"t": [0], "p": [1.0], "s": [2.0]}
    wanted = (agg.cov("p", "s"), agg.slope("p"), agg.slope("p", "s"), agg.wmean("p", "s"))
    assert list(tg.aggregate(table, ONE, *wanted, on="t"))[2:] == [
        "p_s_cov",
        "p_slope",
        "p_s_slope",
        "p_s_wmean",
    ]


def test_wmean_is_vwap():
    assert over([10.0, 20.0], [1.0, 3.0], agg.wmean) == 17.5
    assert math.isnan(over([10.0, 20.0], [1.0, -1.0], agg.wmean))


def test_pairs_count_where_both_are_there():
    xs, ys = [1.0, None, 2.0, 100.0, 4.0], [2.0, 5.0, 4.0, None, 8.0]
    assert over(xs, ys, agg.cov) == pytest.approx(np.cov([1, 2, 4], [2, 4, 8])[0, 1], rel=1e-15)
    assert over(xs, ys, agg.corr) == 1.0
    assert over(xs, ys, agg.slope) == 0.5


def test_too_few_pairs_are_null():
    for make in (agg.cov, agg.corr, agg.slope):
        assert over([1.0, None], [1.0, 2.0], make) is None
    assert over([1.0], [5.0], agg.cov, ddof=0) == 0.0
    assert over([1.0, 2.0], [5.0, 6.0], agg.cov, ddof=2) is None


def test_column_without_spread_has_no_correlation():
    assert math.isnan(over([0.1] * 5, [1.0, 2.0, 3.0, 4.0, 5.0], agg.corr))
    assert math.isnan(over([1.0, 2.0, 3.0], [0.1] * 3, agg.corr))
    assert math.isnan(over([1.0, 2.0, 3.0], [0.1] * 3, agg.slope))
    assert over([0.1] * 3, [1.0, 2.0, 3.0], agg.slope) == 0.0
    assert over([0.1] * 3, [1.0, 2.0, 3.0], agg.cov) == 0.0


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_makes_nan(odd):
    for make in (agg.cov, agg.corr, agg.slope):
        assert math.isnan(over([1.0, odd, 3.0], [1.0, 2.0, 3.0], make))
        assert math.isnan(over([1.0, 2.0, 3.0], [1.0, odd, 3.0], make))


def test_correlation_of_a_line_is_one():
    rng = np.random.default_rng(1)
    for scale in (1e-300, 1e-3, 1.0, 1e150, 1e300):
        xs = rng.uniform(-1, 1, 100) * scale
        assert over(xs, -0.5 * xs, agg.corr) == -1.0
        assert over(xs, 0.5 * xs, agg.corr) == 1.0
        assert -1 <= over(xs, xs * 0.3 + scale / 7, agg.corr) <= 1


HARSH = {
    "large": ([1e200, -1e200, 3e199, 1.0], [1.0, 2.0, 3.0, 7.0]),
    "largest": ([1.7e308, -1.7e308, 1e308], [1.7e308, -1e308, 0.0]),
    "subnormal": ([5e-324, 1e-323, 0.0, 2e-323], [1.0, 2.0, 0.0, 4.5]),
    "small": ([1e-200, 3e-200, -1e-200, 0.0], [1e-250, 1e-251, 3e-250, 0.0]),
    "apart": ([1e-200, 1.0, 1e200, 3.0], [1e200, 3.0, 1e-200, 4.0]),
    "far from 0": ([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16], [1e12 + 1, 1e12 + 2, 1e12, 1e12 + 5]),
    "outlier": ([1e16, 1.0, 2.0, 3.0, 4.0], [1e16, 4.0, 3.0, 2.0, 1.0]),
    "integers": ([2**63 - 1, 2**63 - 3, -(2**63)], [2**62 + 1, 2**62 + 2, 2**62 + 4]),
    "close integers": ([2**62 + 1, 2**62 + 2, 2**62 + 3], [2**62 + 5, 2**62 + 1, 2**62 + 2]),
    "mixed": ([2**62 + 1, 2**62 + 2, 2**62 + 4], [0.1, 0.2, 0.7]),
    "many": ([float(i % 7) + 1e8 for i in range(999)], [float(i % 5) - 1e8 for i in range(999)]),
}


@pytest.mark.parametrize("name", HARSH)
@pytest.mark.parametrize("by", [False, True], ids=["unkeyed", "keyed"])
def test_pairs_are_exact_where_it_is_hard(name, by):
    xs, ys = HARSH[name]
    for kind in ("cov", "corr", "slope"):
        got = over(xs, ys, getattr(agg, kind), by=by)
        expected = of_pairs(list(zip(xs, ys, strict=True)), kind, 1)
        near = is_near if isinstance(expected, Exact) else is_close
        assert near(got, expected), (kind, got, expected)


def test_unsigned_integers_beyond_the_signed_ones():
    xs, ys = [2**64 - 1, 2**64 - 2, 2**63], [0, 2, 2**63]
    got = over(xs, ys, agg.corr, types=(pa.uint64(), pa.uint64()))
    assert is_close(got, of_pairs(list(zip(xs, ys, strict=True)), "corr", 1))


@pytest.mark.parametrize("name", HARSH)
def test_pairs_of_panes_are_as_exact(name):
    xs, ys = (values[:40] for values in HARSH[name])
    slid = tg.aggregate(
        {"t": range(len(xs)), "x": xs, "y": ys},
        tg.Sliding(4, 1),
        on="t",
        corr=agg.corr("x", "y"),
        cov=agg.cov("x", "y"),
    )
    for place, start in enumerate(slid["window_start"].tolist()):
        first = max(start, 0)
        inside = list(zip(xs[first : start + 4], ys[first : start + 4], strict=True))
        corr, cov = of_pairs(inside, "corr", 1), of_pairs(inside, "cov", 1)
        if cov is None:
            assert np.isnan(slid["cov"][place])
            continue
        assert is_near(float(slid["cov"][place]), cov)
        if isinstance(corr, float):
            assert np.isnan(slid["corr"][place])
        else:
            assert is_close(float(slid["corr"][place]), corr)


N_ROWS = 1300
COLUMNS = {
    "floats": lambda rng: rng.normal(size=N_ROWS),
    "wild floats": lambda rng: rng.normal(size=N_ROWS) * 10.0 ** rng.integers(-320, 300, N_ROWS),
    "one odd": lambda rng: np.where(np.arange(N_ROWS) == 700, 1e-310, rng.normal(size=N_ROWS)),
    "one infinite": lambda rng: np.where(np.arange(N_ROWS) == 9, np.inf, rng.normal(size=N_ROWS)),
    "zeros": lambda rng: rng.integers(0, 2, N_ROWS) * -0.0,
    "small": lambda rng: rng.integers(-9, 9, N_ROWS),
    "large": lambda rng: rng.integers(2**62 - 9, 2**62 + 9, N_ROWS),
    "any": lambda rng: rng.integers(-(2**63), 2**63 - 1, N_ROWS),
    "far": lambda rng: 2**60 + rng.integers(0, 2, N_ROWS) * (2**52 - rng.integers(0, 3, N_ROWS)),
    "unsigned": lambda rng: rng.integers(0, 2**64 - 1, N_ROWS, np.uint64),
    "at the sign": lambda rng: np.uint64(2**63 - 4) + rng.integers(0, 9, N_ROWS).astype("u8"),
}


@pytest.mark.parametrize("x", COLUMNS)
@pytest.mark.parametrize("y", ["floats", "wild floats", "small", "any", "unsigned"])
def test_rows_have_the_same_bits_many_at_a_time_and_one_by_one(x, y, rng):
    table = pa.table(
        {
            "t": 2**61 + np.sort(rng.integers(0, 2000, N_ROWS)),
            "x": COLUMNS[x](rng),
            "y": COLUMNS[y](rng),
        }
    )
    wanted = {
        "cov": agg.cov("x", "y"),
        "corr": agg.corr("y", "x"),
        "slope": agg.slope("x"),
        "skew": agg.skew("x"),
        "kurt": agg.kurt("y"),
        "z": agg.zscore("x"),
    }
    settings = {"on": "t", "lateness": 0, **wanted}
    for window in (tg.Tumbling(2**40), tg.Tumbling(300), tg.Sliding(400, 100)):
        (one, few), whole = ([], []), tg.aggregate(table, window, on="t", **wanted)
        for out, size in ((one, 1), (few, 11)):
            live = tg.Aggregator(window, **settings)
            for start in range(0, N_ROWS, size):
                out.append(live.push(table.slice(start, size)))
            assert_same_bits(pa.concat_tables([*out, live.flush()]), whole)


# Slopes over time


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_slope_is_a_second_whatever_the_unit_of_the_times(unit):
    begin = datetime(2024, 1, 1)
    stamps = pa.array([begin + timedelta(seconds=s) for s in (0, 2, 4)], pa.timestamp(unit))
    table = pa.table({"t": stamps, "p": [1.0, 2.0, 3.0]})
    x = tg.aggregate(table, tg.Tumbling("1h"), on="t", x=agg.slope("p"))["x"]
    assert x.to_pylist() == [0.5]


def test_slope_of_plain_times_is_a_unit():
    ints = tg.aggregate({"t": [1, 3, 5], "p": [1, 2, 3]}, ONE, on="t", x=agg.slope("p"))
    assert ints["x"].tolist() == [0.5]
    rows = [{"t": t, "p": 3 * t + 1} for t in (0.25, 0.5, 0.75)]
    floats = tg.aggregate(rows, tg.Tumbling(1.0), on="t", x=agg.slope("p"))
    assert floats[0]["x"] == 3.0


def test_slope_of_nanoseconds_of_today_is_exact():
    rng = np.random.default_rng(3)
    times = np.sort(1_700_000_000_000_000_000 + rng.integers(0, 10**9, 500))
    values = rng.normal(size=500)
    table = pa.table({"t": pa.array(times).cast(pa.timestamp("ns")), "p": values})
    (got,) = tg.aggregate(table, tg.Tumbling("1s"), on="t", x=agg.slope("p"))["x"].to_pylist()
    pairs = list(zip(values.tolist(), times.tolist(), strict=True))
    expected = of_pairs(pairs, "slope", 1)
    assert got == pytest.approx(expected.value * 1e9, rel=1e-12)


# Others


def test_pairs_are_those_of_numpy_pandas_polars_and_duckdb(rng):
    n_rows = 3000
    frame = pd.DataFrame({"t": np.arange(n_rows), "x": rng.normal(5, 2, n_rows)})
    frame["y"] = frame["x"] * 0.3 + rng.normal(size=n_rows)
    wanted = {"cov": agg.cov("x", "y"), "corr": agg.corr("x", "y"), "slope": agg.slope("y", "x")}
    got = tg.aggregate(frame, tg.Tumbling(100), on="t", **wanted)
    groups = frame.groupby(frame["t"] // 100)[["x", "y"]]
    near = {"rtol": 1e-11}
    np.testing.assert_allclose(got["cov"], [np.cov(g.x, g.y)[0, 1] for _, g in groups], **near)
    np.testing.assert_allclose(got["corr"], [g.x.corr(g.y) for _, g in groups], **near)
    np.testing.assert_allclose(
        got["slope"], [np.polyfit(g.x, g.y, 1)[0] for _, g in groups], **near
    )
    polars = (
        pl.from_pandas(frame)
        .group_by_dynamic("t", every="100i")
        .agg(cov=pl.cov("x", "y"), corr=pl.corr("x", "y"))
    )
    np.testing.assert_allclose(got["cov"], polars["cov"], **near)
    np.testing.assert_allclose(got["corr"], polars["corr"], **near)
    duck = duckdb.sql(
        "SELECT covar_samp(x, y), corr(x, y), regr_slope(y, x) FROM frame "
        "GROUP BY t // 100 ORDER BY t // 100"
    ).fetchnumpy()
    for name, column in zip(("cov", "corr", "slope"), duck.values(), strict=True):
        np.testing.assert_allclose(got[name], column, rtol=1e-8)


@pytest.mark.parametrize("make", [agg.cov, agg.corr, agg.slope, agg.wmean, agg.vwap])
def test_times_and_text_do_not_pair(make):
    for values in ([datetime(2024, 1, 1)], ["a"]):
        with pytest.raises(errors.ColumnTypeError, match="'y'"):
            over([1.0], values, make)
    with pytest.raises(errors.ColumnTypeError, match="3"):
        make("p", 3)
