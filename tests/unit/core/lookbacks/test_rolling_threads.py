"""Look-backs on several threads: the same bits, and the same errors, for any number."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.compare import assert_same_bits
from reference.lookbacks import WINDOWS
from reference.strategies import cases

import tidegate as tg
from tidegate import agg, errors
from tidegate.core.lookbacks import shares

NUMBERS = {
    f"{name}_{column}": getattr(agg, name)(column)
    for name in ("count", "first", "last", "min", "max", "sum", "mean", "range", "argmin")
    for column in ("x", "i")
} | {
    **{name: getattr(agg, name)("x") for name in ("median", "mad", "mode", "nunique")},
    "v": agg.vwap("x", "i"),
}
REMEMBERED = {name: getattr(agg, name)("x") for name in ("var", "skew", "zscore", "slope")}
OTHERS = {
    "all": agg.collect("i"),
    "low": agg.min("w"),
    "words": agg.mode("w"),
    "own": agg.custom(len, "x", type=pa.int64()),
    "spread": agg.custom(np.ptp, "i", type=pa.int64()),
}


def answer(threads, function, *given_, **options):
    """Run something that may end in the error of a sum that does not fit."""
    try:
        return function(*given_, threads=threads, **options)
    except errors.AggregateOverflowError:
        return None


@given(cases(late=False), WINDOWS, st.sampled_from([2, 3, 7]))
def test_any_number_of_threads_gives_the_same_bits(case, window, threads):
    options = {"on": "t", "by": list(case.by) or None, "nan": case.nan, **case.aggregations()}
    one = answer(1, tg.aggregate, case.table, window, side=tg.Side(), **options)
    more = answer(threads, tg.aggregate, case.table, window, side=tg.Side(), **options)
    assert (one is None) == (more is None)
    if one is not None:
        assert_same_bits(more, one)


@pytest.mark.parametrize("times", [[0, 0, 0, 1, 0], [1, 1, 3, 2, 1], [5, 4, 3, 2, 1, 0]])
def test_rows_out_of_order_at_the_end_are_one_answer(times):
    table = pa.table({"t": times, "x": [float(time) for time in times]})
    one, two, three = (
        tg.aggregate(table, tg.Rolling(2), on="t", m=agg.mean("x"), threads=threads)
        for threads in (1, 2, 3)
    )
    assert_same_bits(two, one)
    assert_same_bits(three, one)


def table_of(rng, n):
    """Make rows, roughly in order."""
    x = rng.normal(size=n) * 10.0 ** rng.integers(-3, 4, n)
    x[rng.random(n) < 0.001] = np.nan
    x[rng.random(n) < 0.001] = 1e200
    return pa.table(
        {
            "t": np.cumsum(np.where(rng.random(n) < 0.2, 0, rng.integers(0, 5, n))),
            "k": rng.integers(0, 9, n) ** 2,
            "x": pa.array(x, mask=rng.random(n) < 0.05),
            "i": rng.integers(-(2**60), 2**60, n) // 100,
            "w": pa.array([f"w{n}" for n in rng.integers(0, 900, n)]),
        }
    )


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("closed", ["right", "both", "left", "neither"])
@pytest.mark.parametrize("size", [{"rows": 70}, {"size": 90}, {"size": 90, "peers": True}], ids=str)
def test_long_runs_are_one_answer(size, closed, by, rng):
    table = table_of(rng, 12_000)
    window = tg.Rolling(**size, closed=closed)
    wanted = NUMBERS | (REMEMBERED if by else {})
    one = tg.aggregate(table, window, on="t", by=by, threads=1, **wanted)
    for threads in (2, 5):
        assert_same_bits(tg.aggregate(table, window, on="t", by=by, threads=threads, **wanted), one)


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("lineage", [False, True])
def test_lists_texts_functions_and_lineage_are_one_answer(by, lineage, rng):
    table = table_of(rng, 4000)
    options = {"on": "t", "by": by, "lineage": lineage, **OTHERS}
    one = tg.aggregate(table, tg.Rolling(rows=20), threads=1, **options)
    assert tg.aggregate(table, tg.Rolling(rows=20), threads=3, **options).equals(one)


@pytest.mark.parametrize("window", [tg.Rolling(2.5), tg.Rolling(1.0, closed="both")], ids=repr)
def test_float_times_and_rows_out_of_order(window, rng):
    table = table_of(rng, 5000)
    times = table["t"].to_numpy() / 7 + rng.random(5000)
    table = table.set_column(0, "t", pa.array(times))
    one = tg.aggregate(table, window, on="t", threads=1, **NUMBERS)
    assert_same_bits(tg.aggregate(table, window, on="t", threads=4, **NUMBERS), one)


def test_rows_of_one_key_and_of_one_time_are_one_share(rng):
    table = table_of(rng, 300)
    flat = table.set_column(0, "t", pa.array(np.zeros(300, np.int64)))
    for data, by in ((table.set_column(1, "k", pa.array([1] * 300)), "k"), (flat, None)):
        one = tg.aggregate(data, tg.Rolling(5), on="t", by=by, threads=1, **NUMBERS)
        assert_same_bits(
            tg.aggregate(data, tg.Rolling(5), on="t", by=by, threads=4, **NUMBERS), one
        )


@pytest.mark.parametrize("by", [None, "k"])
def test_a_sum_that_does_not_fit_is_the_same_error(by):
    ticks = {"t": np.arange(1000), "k": np.arange(1000) % 3, "i": np.ones(1000, np.int64)}
    ticks["i"][[700, 703]] = 2**63 - 1
    said = []
    for threads in (1, 2, 3):
        with pytest.raises(errors.AggregateOverflowError, match="row at 70") as caught:
            tg.aggregate(ticks, tg.Rolling(rows=2), agg.sum("i"), on="t", by=by, threads=threads)
        said.append(str(caught.value))
    assert len(set(said)) == 1


def test_the_lists_of_all_threads_have_one_limit():
    ticks = {"t": np.arange(100), "x": np.ones(100)}
    limits = tg.Limits(max_kept=600)
    for threads in (1, 2):
        with pytest.raises(errors.LimitError, match="max_kept=600"):
            tg.aggregate(
                ticks, tg.Rolling(rows=9), agg.collect("x"), on="t", limits=limits, threads=threads
            )


def test_what_remembers_more_than_its_rows_is_not_cut_before_the_first_anchor(rng, monkeypatch):
    monkeypatch.setattr(shares, "on_threads", None)
    table = table_of(rng, 2000)
    one = tg.aggregate(table, tg.Rolling(30), on="t", threads=1, **REMEMBERED)
    assert_same_bits(tg.aggregate(table, tg.Rolling(30), on="t", threads=2, **REMEMBERED), one)


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("rows", [7, 100, 3000])
def test_sums_of_values_on_a_grid_are_one_answer(rows, by, rng):
    n = 40_000
    x = rng.integers(-(10**6), 10**6, n) / 4
    x[21_000:21_500] += 1 / 3
    x[30_000] = np.inf
    table = pa.table({"t": np.arange(n), "k": rng.integers(0, 3, n), "x": x})
    options = {"on": "t", "by": by, "sum": agg.sum("x"), "mean": agg.mean("x")}
    one = tg.aggregate(table, tg.Rolling(rows=rows), threads=1, **options)
    for threads in (2, 3, 6):
        more = tg.aggregate(table, tg.Rolling(rows=rows), threads=threads, **options)
        assert_same_bits(more, one)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_rows_out_of_order_end_in_no_error_of_windows_that_are_not_there(threads):
    n = 60
    times, i = np.arange(n), np.ones(n, np.int64)
    i[[20, 21]] = 2**62
    times[[21, 50]] = times[[50, 21]]  # in order of time the two are far apart
    found = tg.aggregate(
        {"t": times, "i": i}, tg.Rolling(rows=2), agg.sum("i"), on="t", threads=threads
    )
    assert np.flatnonzero(found["i_sum"] > 2).tolist() == [20, 21, 50, 51]
