"""Weighted means of integers that a float does not hold: all their digits count."""

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.compare import assert_same_bits, is_near
from reference.oracle import ANY_FLOAT, vwap

import tidegate as tg
from tidegate import agg

N_LONG = 25_000
KINDS = {
    "tumbling": tg.Tumbling(40),
    "long": tg.Tumbling(9_000),
    "sliding": tg.Sliding(60, 20),
    "calendar": tg.Calendar("day"),
    "edges": tg.Edges(list(range(0, N_LONG + 90, 45))),
    "look-back by rows": tg.Rolling(rows=30),
    "look-back by time": tg.Rolling(30),
    "sessions": tg.Session(40, 50),
    "rows": tg.Count(37),
    "sliding rows": tg.Count(50, 17),
    "bars": tg.Threshold("small", 150),
}
BIG = st.sampled_from([1, -1, 0, 2**53 + 1, 2**55, 2**55 + 1, -(2**55), -(2**55) - 1, 2**62 + 1])


def mean_of(prices, sizes, window=tg.Tumbling(100), types=(None, None), by=None):  # noqa: B008
    """Give the weighted mean of one window, or the last one."""
    columns = [pa.array(x, type_) for x, type_ in zip((prices, sizes), types, strict=True)]
    n_rows = len(prices)
    table = pa.table([pa.array(range(n_rows)), pa.array(["a"] * n_rows), *columns], list("tkps"))
    return tg.aggregate(table, window, on="t", by=by, r=agg.wmean("p", "s"))["r"][-1].as_py()


@pytest.mark.parametrize("window", [tg.Tumbling(100), tg.Rolling(100), tg.Session(9)], ids=repr)
@pytest.mark.parametrize("by", [None, "k"])
def test_digits_beyond_those_of_a_float_count(window, by):
    two, three = [1, 3], [5, 7, 9]
    assert mean_of(two, [2**55 + 1, -(2**55)], window, by=by) == float(1 - 2 * 2**55)
    assert mean_of([3.0, 3.0], [2**55 + 1, -(2**55)], window, by=by) == 3.0
    assert mean_of([2**60 + 1, -(2**60)], [1, 1], window, by=by) == 0.5
    assert mean_of(three, [2**62 + 1, -(2**62), 1], window, by=by) == float(7 - 2**62)
    assert math.isnan(mean_of(two, [2**55 + 1, -(2**55) - 1], window, by=by))
    assert math.isnan(mean_of(three, [2**62 + 1, -(2**62), -1], window, by=by))
    unsigned = (None, pa.uint64())
    assert mean_of([0, 2], [2**64 - 1, 2**64 - 1], window, unsigned, by) == 1.0
    assert mean_of([2**63 - 1, -(2**63)], [1, 1], window, by=by) == -0.5


def test_nulls_and_infinities_beside_them():
    sizes = [2**55 + 1, None, -(2**55)]
    assert mean_of([4.0, 9.0, 4.0], sizes) == 4.0
    assert mean_of([4.0, 9.0, None], sizes) == 4.0
    assert mean_of([math.inf, 0.0, 1.0], sizes) == math.inf
    assert mean_of([1.0, 0.0, math.inf], sizes) == -math.inf
    assert math.isnan(mean_of([math.nan, 0.0, 1.0], sizes))
    assert mean_of([1e300, 1.0, 1e300], sizes) == 1e300


def test_decimals_have_all_their_digits():
    types = pa.decimal128(18, 9), pa.decimal128(18, 9)
    prices = ["900000000.000000001", "900000000.000000003"]
    sizes = ["800000000.000000001", "-800000000.000000000"]
    exact = [Fraction(x) for x in prices], [Fraction(x) for x in sizes]
    products = sum(p * s for p, s in zip(*exact, strict=True))
    table = pa.table({"t": [0, 1], "p": pa.array(prices).cast(types[0])})
    table = table.append_column("s", pa.array(sizes).cast(types[1]))
    got = tg.aggregate(table, tg.Tumbling(9), on="t", r=agg.wmean("p", "s"))["r"][0].as_py()
    assert got == pytest.approx(float(products / sum(exact[1])), rel=1e-15)


@given(st.lists(st.tuples(BIG, BIG), min_size=1, max_size=12), st.booleans(), st.booleans())
def test_the_mean_is_that_of_the_rows_whatever_cancels(pairs, is_float, keyed):
    prices = [float(p) if is_float else p for p, _ in pairs]
    sizes = [s for _, s in pairs]
    expected = vwap(list(zip(prices, sizes, strict=True)))
    assert expected is not ANY_FLOAT
    for window in (tg.Tumbling(100), tg.Rolling(100), tg.Count(20), tg.Sliding(100, 50)):
        got = mean_of(prices, sizes, window, by="k" if keyed else None)
        if isinstance(expected, float):
            assert math.isnan(got), window
        else:
            assert is_near(got, expected), (window, got, expected)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(5)
    big = rng.choice([2**55 + 1, -(2**55), 2**55, -(2**55) - 1, 7, -3, 2**62 + 5, 1], N_LONG)
    return pa.table(
        {
            "t": np.arange(N_LONG),
            "k": pa.array(rng.integers(0, 3, N_LONG)).cast(pa.string()),
            "row": np.arange(N_LONG),
            "x": rng.normal(100, 1, N_LONG),
            "q": big,
            "u": np.abs(big).astype("u8") * 2,
            "small": rng.integers(0, 9, N_LONG),
            "gaps": pa.array(big, mask=rng.random(N_LONG) < 0.1),
        }
    )


PAIRS = {"xq": "xq", "qx": "qx", "uq": "uq", "qu": "qu", "gaps": ("x", "gaps")}


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("name", list(KINDS))
def test_every_kind_of_window_of_a_long_stream(table, name, by):
    window = KINDS[name]
    if name == "calendar":
        seconds = pa.array(np.arange(N_LONG) * 3_600).cast(pa.timestamp("s"))
        table = table.set_column(0, "t", seconds)
    means = {name: agg.wmean(*columns) for name, columns in PAIRS.items()}
    got = tg.aggregate(table, window, on="t", by=by, rows=agg.collect("row"), **means)
    columns = {name: table[name].to_pylist() for name in ("x", "q", "u", "gaps")}
    step = max(1, got.num_rows // 40)
    for row in got.take(list(range(0, got.num_rows, step))).to_pylist():
        for pair, (price, size) in PAIRS.items():
            rows = [i for i in row["rows"] if columns[size][i] is not None]
            expected = vwap([(columns[price][i], columns[size][i]) for i in rows])
            if expected is None:
                assert row[pair] is None
            elif isinstance(expected, float):
                assert math.isnan(row[pair]), (pair, row["rows"])
            elif expected is not ANY_FLOAT:  # where weights are floats
                assert is_near(row[pair], expected), (pair, row[pair], expected)
    live = tg.Aggregator(window, on="t", by=by, rows=agg.collect("row"), **means)
    parts = [live.push(table.slice(start, 997)) for start in range(0, N_LONG, 997)]
    live = tg.Aggregator.restore(live.snapshot())
    assert_same_bits(pa.concat_tables([*parts, live.flush()]), got)


@pytest.mark.parametrize("window", [tg.Rolling(rows=50), tg.Rolling(70)], ids=repr)
def test_weights_that_fit_a_float_now_and_then(window):
    sizes = np.full(4_000, 3)
    sizes[700:760] = 2**55 + 1
    sizes[710] = -60 * 2**55
    sizes[3_000] = -(2**60) - 1
    prices = np.arange(4_000) % 7
    table = {"t": np.arange(4_000), "p": prices, "s": sizes}
    got = tg.aggregate(table, window, on="t", r=agg.vwap("p", "s"))["r"].tolist()
    live = tg.Aggregator(window, on="t", r=agg.vwap("p", "s"))
    parts = []
    for start in range(0, 4_000, 333):
        parts += live.push(pa.table(table).slice(start, 333))["r"].to_pylist()
        live = tg.Aggregator.restore(live.snapshot())
    assert got == parts + live.flush()["r"].to_pylist()
    width = window.rows or window.size
    for at in [*range(695, 840), *range(2_995, 3_090), 3_999]:
        rows = range(at - width + 1, at + 1)
        expected = vwap([(int(prices[i]), int(sizes[i])) for i in rows])
        assert is_near(got[at], expected), at
