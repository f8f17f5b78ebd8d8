"""Rows beyond one block: windows read straight off their rows, and those that pass a record.

A one-shot run reads a window that begins and ends within a block of some ten thousand rows without
a record; a stream of small batches takes every row through one. Both must say the same bits, and
what NumPy says where nothing is rounded.
"""

import numpy as np
import pyarrow as pa
import pytest
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg

N_ROWS = 70_000
SIZES = [1, 3, 10, 17, 40, 300, 1000, 20_000, 200_000]

RESULTS = {
    "n": agg.rows(),
    "count": agg.count("x"),
    "first": agg.first("x"),
    "last": agg.last("x"),
    "low": agg.min("x"),
    "high": agg.max("x"),
    "sum": agg.sum("x"),
    "mean": agg.mean("x"),
    "std": agg.std("x"),
    "ilow": agg.min("i"),
    "ihigh": agg.max("i"),
    "isum": agg.sum("i"),
    "ivar": agg.var("i"),
    "ulow": agg.min("u"),
    "uhigh": agg.max("u"),
    "ulast": agg.last("u"),
    "usum": agg.sum("u"),
    "wx": agg.vwap("x", "i"),
    "wi": agg.vwap("i", "u"),
    "wy": agg.vwap("x", "y"),
}


def gaps_of(rng, how):
    """Make the times: one a unit on average, in some rhythm."""
    if how == "steady":
        return np.ones(N_ROWS, np.int64)
    if how == "bursts":  # many equal times, then a gap
        return np.where(rng.random(N_ROWS) < 0.02, 50, 0)
    return rng.integers(0, 3, N_ROWS)


def values_of(rng, how):
    """Make a float column, a signed and an unsigned one."""
    x = rng.normal(100, 30, N_ROWS)
    i = rng.integers(-1000, 1000, N_ROWS)
    u = rng.integers(0, 1000, N_ROWS).astype(np.uint64)
    some = rng.random(N_ROWS) < 0.0005
    if how == "odd":
        x[some] = rng.choice([np.nan, np.inf, -np.inf, -0.0, 5e-324], some.sum())
    elif how == "wild":
        x[some] = rng.choice([1e300, -1e300, 1.7e308, 1e-300], some.sum())
        i[some] = rng.choice([2**54, -(2**54), 2**47], some.sum())
        u[some] = 2**56 + 1
    elif how == "alternating":  # every sum cancels
        x *= np.where(np.arange(N_ROWS) % 2, 1e10, -1e10)
    return x, i, u


def table_of(seed, gaps="random", values="tame", jitter=0):
    """Make a table of rows; `jitter` swaps neighbours within so many rows."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(gaps_of(rng, gaps)) - 500
    if jitter:
        times = times[
            np.argsort(np.arange(N_ROWS) + rng.integers(0, jitter, N_ROWS), kind="stable")
        ]
    x, i, u = values_of(rng, values)
    return pa.table(
        {
            "t": times,
            "x": x,
            "i": i,
            "u": u,
            "y": rng.random(N_ROWS),
            "k": rng.integers(0, 5, N_ROWS),
        }
    )


def one_shot(table, size, **options):
    return tg.aggregate(table, tg.Tumbling(size), on="t", **options, **RESULTS)


def by_bits(table, size, batch, lateness=None, **options):
    """Take the rows through records: no batch is long enough for a window to be read whole."""
    live = tg.Aggregator(tg.Tumbling(size), on="t", lateness=lateness, **options, **RESULTS)
    parts = [live.push(table.slice(at, batch)) for at in range(0, N_ROWS, batch)]
    return pa.concat_tables([*parts, live.flush()])


@pytest.mark.parametrize("values", ["tame", "odd", "wild", "alternating"])
@pytest.mark.parametrize("size", SIZES)
def test_windows_read_whole_are_those_of_the_records(size, values):
    table = table_of(size, values=values)
    expected = by_bits(table, size, 997)
    assert_same_bits(one_shot(table, size, threads=1), expected)
    assert_same_bits(one_shot(table, size, threads=2), expected)


@pytest.mark.parametrize("gaps", ["steady", "bursts"])
@pytest.mark.parametrize("jitter", [0, 4])
@pytest.mark.parametrize("size", SIZES)
def test_windows_in_any_rhythm_are_those_of_the_records(size, gaps, jitter):
    table = table_of(size + 1, gaps, "odd", jitter)
    assert_same_bits(one_shot(table, size), by_bits(table, size, 1009))


@pytest.mark.parametrize("size", [10, 1000])
def test_batches_longer_than_a_block_say_what_short_ones_say(size):
    table = table_of(3, values="odd")
    expected = one_shot(table, size)
    for batch in (16_383, 16_384, 16_385, 33_333):
        assert_same_bits(by_bits(table, size, batch), expected)
        assert_same_bits(by_bits(table, size, batch, lateness=0), expected)


@pytest.mark.parametrize("size", [10, 1000])
def test_keyed_windows_beyond_a_block_are_those_of_small_batches(size):
    table = table_of(4, values="wild", jitter=3)
    assert_same_bits(one_shot(table, size, by="k"), by_bits(table, size, 997, by="k"))


@pytest.mark.parametrize("values", ["odd", "wild"])
@pytest.mark.parametrize("size", [3, 40, 300, 1000, 20_000])
def test_some_results_alone_are_what_they_are_beside_others(size, values):
    """Values that need care show late where only extremes and sums of integers are asked for."""
    table = table_of(5, values=values)
    expected = one_shot(table, size)
    bars = ("first", "high", "low", "last", "isum", "usum")
    for names in [*([name] for name in RESULTS), bars]:
        what = {name: RESULTS[name] for name in names}
        alone = tg.aggregate(table, tg.Tumbling(size), on="t", **what)
        assert_same_bits(alone, expected.select(["window_start", "window_end", *names]))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_not_rounded_is_what_numpy_says(size):
    table = table_of(size + 2)
    columns = {name: table[name].to_numpy() for name in "txiu"}
    windows, begin = np.unique(columns["t"] // size, return_index=True)
    end = np.append(begin[1:], N_ROWS)
    got = one_shot(table, size)
    expected = {
        "window_start": windows * size,
        "n": end - begin,
        "first": columns["x"][begin],
        "last": columns["x"][end - 1],
        "low": np.minimum.reduceat(columns["x"], begin),
        "high": np.maximum.reduceat(columns["x"], begin),
        "isum": np.add.reduceat(columns["i"], begin),
        "ihigh": np.maximum.reduceat(columns["i"], begin),
        "usum": np.add.reduceat(columns["u"], begin),
        "ulast": columns["u"][end - 1],
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(got[name].to_numpy(), values, err_msg=name)


def test_a_result_asked_for_twice_is_there_twice():
    table = table_of(8)
    got = tg.aggregate(
        table,
        tg.Tumbling(10),
        on="t",
        a=agg.max("x"),
        b=agg.min("x"),
        c=agg.max("x"),
        d=agg.min("x"),
        e=agg.max("y"),
    )
    assert got["a"].equals(got["c"])
    assert got["b"].equals(got["d"])
    assert_same_bits(
        got.select(["a", "b"]).rename_columns(["high", "low"]),
        one_shot(table, 10).select(["high", "low"]),
    )


READ = {
    "mean": agg.mean("x"),
    "var": agg.var("x"),
    "std": agg.std("x", ddof=0),
    "sem": agg.sem("x"),
    "few": agg.std("x", ddof=3),
    "imean": agg.mean("i"),
}


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("values", ["tame", "odd", "wild", "alternating"])
def test_windows_read_eight_at_a_time_are_those_read_alone(values, by):
    table = table_of(11, values=values).slice(0, 5000)
    rng = np.random.default_rng(2)
    x = table["x"].to_numpy().copy()
    x[rng.random(5000) < 0.002] = rng.choice([np.nan, np.inf, 1e300, -1e300])
    x[1000:1100] = 3e144  # just tame
    x[1100:1200] = 1e250
    x[1050:1053] = [1e-320, -3e144, 0.1]
    holes = (rng.random(5000) < 0.1) | (np.arange(5000) // 300 == 7)
    table = table.set_column(1, "x", pa.array(x, mask=holes))
    got = tg.aggregate(table, tg.Tumbling(20), on="t", by=by, **READ)
    assert 0 < got["few"].null_count < got.num_rows
    live = tg.Aggregator(tg.Tumbling(20), on="t", by=by, lateness=0, **READ)
    parts = [live.push(table.slice(at, 1)) for at in range(table.num_rows)]
    assert_same_bits(got, pa.concat_tables([*parts, live.flush()]))


DEALT = {name: RESULTS[name] for name in ("n", "count", "low", "high", "sum", "mean", "std")}


def keys_of(rng, how):
    """Make key codes: alike, a few that have most rows, or ever new ones."""
    if how == "even":
        return rng.integers(0, 203, N_ROWS)
    if how == "skewed":
        return np.minimum(rng.geometric(0.05, N_ROWS), 150)
    return np.arange(N_ROWS) // 90 - rng.integers(0, 20, N_ROWS)


@pytest.mark.parametrize("what", [DEALT, {"n": agg.rows()}, {"high": agg.max("x")}], ids=len)
@pytest.mark.parametrize("keys", ["even", "skewed", "new"])
@pytest.mark.parametrize("values", ["tame", "odd", "wild", "alternating"])
def test_keyed_windows_that_are_dealt_are_those_of_single_rows(values, keys, what):
    table = table_of(9, values=values, jitter=5)
    table = table.set_column(5, "k", pa.array(keys_of(np.random.default_rng(1), keys)))
    what = what | {"y": agg.std("y")}  # a second column
    for size in (3000, 100_000):
        live = tg.Aggregator(tg.Tumbling(size), on="t", by="k", lateness=None, **what)
        parts = [live.push(table.slice(at, 97)) for at in range(0, N_ROWS, 97)]
        expected = pa.concat_tables([*parts, live.flush()])
        got = tg.aggregate(table, tg.Tumbling(size), on="t", by="k", **what)
        assert_same_bits(got, expected)


def test_a_batch_with_too_many_open_windows_leaves_no_trace():
    table = table_of(10).select(["t", "x", "k"])
    table = table.set_column(2, "k", pa.array(np.arange(N_ROWS) // 100))
    live = tg.Aggregator(
        tg.Tumbling(10**6),
        on="t",
        by="k",
        lateness=None,
        limits=tg.Limits(max_open=300),
        mean=agg.mean("x"),
    )
    with pytest.raises(tg.errors.LimitError, match="max_open"):
        live.push(table)
    assert live.stats.rows_in == 0
    live.push(table.slice(0, 29_000))
    expected = tg.aggregate(
        table.slice(0, 29_000), tg.Tumbling(10**6), on="t", by="k", mean=agg.mean("x")
    )
    assert_same_bits(live.flush(), expected)


def test_first_nulls_late_in_a_column_leave_earlier_results_valid():
    table = table_of(6)
    mask = np.zeros(N_ROWS, bool)
    mask[N_ROWS // 2 : N_ROWS // 2 + 2000] = True
    holes = pa.array(np.where(mask, 0.0, table["x"].to_numpy()), mask=mask)
    table = table.set_column(1, "x", holes)
    got = one_shot(table, 100)
    assert 0 < got["low"].null_count < got.num_rows
    assert got["sum"].null_count == 0
    assert_same_bits(got, by_bits(table, 100, 997))


def test_a_key_with_very_many_open_windows_in_any_order():
    table = table_of(7, jitter=N_ROWS)
    expected = one_shot(table.sort_by("t"), 50, by="k").select(["k", "window_start", "n", "isum"])
    got = one_shot(table, 50, by="k").select(["k", "window_start", "n", "isum"])
    order = [("window_start", "ascending"), ("k", "ascending")]
    assert got.sort_by(order).equals(expected.sort_by(order))
