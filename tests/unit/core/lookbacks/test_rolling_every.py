"""Every aggregation of look-backs over many rows: what the rows of each window alone come to."""

import math

import numpy as np
import pyarrow as pa
import pytest
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg, errors

N_ROWS = 21_000  # several tiles, blocks and sorts
COLUMNS = {
    name: [
        *(getattr(agg, kind)(name) for kind in ("count", "first", "last", "min", "max", "sum")),
        *(getattr(agg, kind)(name) for kind in ("mean", "var", "std", "sem", "range")),
        *(getattr(agg, kind)(name) for kind in ("argmin", "argmax", "skew", "kurt", "zscore")),
        *(getattr(agg, kind)(name) for kind in ("median", "mad", "nunique", "mode", "slope")),
    ]
    for name in ("x", "i", "u", "few")
}
EVERY = {
    **{f"{item.columns[0]}_{item.function}": item for items in COLUMNS.values() for item in items},
    **{
        f"{how}_{q}": agg.quantile("x", q, how)
        for how in ("linear", "lower", "higher", "nearest", "midpoint")
        for q in (0.0, 0.3, 0.9, 1.0)
    },
    "cov": agg.cov("x", "i"),
    "corr": agg.corr("x", "few"),
    "line": agg.slope("i", "x"),
    "vwap": agg.vwap("x", "few"),
    "all": agg.collect("few"),
}


def rows_of(rng, n):
    """Make columns of floats with all there is, of integers of both kinds, and of few values."""
    x = rng.normal(size=n) * 10.0 ** rng.integers(-3, 4, n)
    for odd, often in ((math.nan, 3e-4), (math.inf, 2e-4), (-math.inf, 2e-4), (-0.0, 0.01)):
        x[rng.random(n) < often] = odd
    x[rng.random(n) < 2e-4] = 1e250
    return {
        "t": np.cumsum(np.where(rng.random(n) < 0.1, 0, rng.integers(1, 9, n))),
        "x": pa.array(x, mask=rng.random(n) < 0.05),
        "i": rng.integers(-(2**50), 2**50, n),
        "u": rng.integers(0, 2**40, n, np.uint64),
        "few": pa.array(rng.integers(0, 12, n), mask=rng.random(n) < 0.2),
    }


def is_close(got, expected):
    """Compare a result with what a grid says: exact but for rounding."""
    if isinstance(got, float) and isinstance(expected, float):
        return got == pytest.approx(expected, rel=1e-12, nan_ok=True)
    return repr(got) == repr(expected)


@pytest.mark.parametrize("size", [{"rows": 3}, {"rows": 100}, {"rows": 3000}, {"size": 900}])
def test_every_result_is_that_of_its_rows_alone(size):
    rng = np.random.default_rng(11)
    table = pa.table(rows_of(rng, N_ROWS))
    every = {name: item for name, item in EVERY.items() if name != "all" or size != {"rows": 3000}}
    out = tg.aggregate(table, tg.Rolling(**size), on="t", **every)
    t = table["t"].to_numpy()
    for row in (*range(5), *rng.integers(0, N_ROWS, 60).tolist(), N_ROWS - 1):
        first = (
            row + 1 - size["rows"] if "rows" in size else np.searchsorted(t, t[row] - 900, "right")
        )
        rows = table.slice(max(first, 0), row + 1 - max(first, 0))
        alone = tg.aggregate(rows, tg.Tumbling(10**9), on="t", **every)
        for name in every:
            got, expected = out[name][row].as_py(), alone[name][0].as_py()
            assert is_close(got, expected), (name, row, got, expected)


@pytest.mark.parametrize("window", [tg.Rolling(rows=5000), tg.Rolling(20_000), tg.Rolling(300)])
def test_ranks_of_windows_that_grow_and_shrink(window):
    rng = np.random.default_rng(4)
    t = np.cumsum(np.repeat([1, 900, 1, 40, 1], N_ROWS // 5))
    x = np.round(rng.normal(size=N_ROWS), 2)
    results = {"mid": agg.median("x"), "mad": agg.mad("x"), "mode": agg.mode("x")}
    out = tg.aggregate({"t": t, "x": x}, window, agg.nunique("x"), on="t", **results)
    for row in rng.integers(0, N_ROWS, 40):
        first = (
            row + 1 - window.rows
            if window.rows
            else np.searchsorted(t, t[row] - window.size, "right")
        )
        inside = x[max(first, 0) : row + 1]
        middle = np.median(inside)
        values, counts = np.unique(inside, return_counts=True)
        assert out["mid"][row] == middle
        assert out["mad"][row] == pytest.approx(np.median(np.abs(inside - middle)), rel=1e-15)
        assert out["mode"][row] == values[counts.argmax()]
        assert out["x_nunique"][row] == len(values)


def test_every_result_of_keys_is_that_of_each_key():
    rng = np.random.default_rng(12)
    table = pa.table({**rows_of(rng, N_ROWS), "k": rng.integers(0, 3, N_ROWS)})
    window = tg.Rolling(rows=20)
    out = tg.aggregate(table, window, on="t", by="k", **EVERY)
    for key in range(3):
        mine = out.filter(pa.compute.equal(out["k"], key)).drop_columns("k")
        alone = tg.aggregate(
            table.filter(pa.compute.equal(table["k"], key)), window, on="t", **EVERY
        )
        assert_same_bits(mine.combine_chunks(), alone.combine_chunks())


@pytest.mark.parametrize("cut", [1, 777, 8192])
def test_every_result_of_a_stream_is_that_of_one_shot(cut):
    rng = np.random.default_rng(13)
    n = 400 if cut == 1 else 21_000
    table = pa.table(rows_of(rng, n))
    window = tg.Rolling(rows=90)
    whole = tg.aggregate(table, window, on="t", **EVERY)
    live, parts = tg.Aggregator(window, on="t", **EVERY), []
    for number, at in enumerate(range(0, n, cut)):
        parts.append(live.push(table.slice(at, cut)))
        if number % 50 == 3:
            live = tg.Aggregator.restore(live.snapshot())
    assert_same_bits(pa.concat_tables([*parts, live.flush()]), whole)


def test_min_samples_holds_for_every_aggregation():
    ticks = {"t": [0, 1, 2, 3], "x": [1.0, None, 2.0, 5.0]}
    names = ("median", "mad", "mode", "nunique", "range", "argmin", "collect", "cov")
    wanted = {
        name: agg.cov("x", "x") if name == "cov" else getattr(agg, name)("x") for name in names
    }
    out = tg.aggregate(pa.table(ticks), tg.Rolling(10, min_samples=3), on="t", **wanted)
    for name in names:
        assert out[name].is_null().to_pylist() == [True, True, True, False], name


def test_a_range_that_does_not_fit_is_an_error():
    ticks = {"t": [0, 1], "x": np.array([-(2**63), 2**63 - 1])}
    with pytest.raises(errors.AggregateOverflowError, match=r"x_range: the range .*row at 1 "):
        tg.aggregate(ticks, tg.Rolling(rows=2), agg.range("x"), on="t")


def test_lists_have_a_limit():
    live = tg.Aggregator(
        tg.Rolling(rows=50), agg.collect("x"), on="t", limits=tg.Limits(max_kept=1000)
    )
    with pytest.raises(errors.LimitError, match="max_kept=1000"):
        live.push({"t": np.arange(100), "x": np.ones(100)})


def test_earliest_extremes_and_those_of_nan():
    ticks = pa.table({"t": [0, 1, 2, 3, 4], "x": [3.0, 1.0, 1.0, math.nan, 2.0]})
    out = tg.aggregate(ticks, tg.Rolling(rows=3), agg.argmin("x"), agg.argmax("x"), on="t")
    assert out["x_argmin"].to_pylist() == [0, 1, 1, 3, 3]
    assert out["x_argmax"].to_pylist() == [0, 0, 0, 3, 3]
