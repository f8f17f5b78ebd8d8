"""Look-backs on several threads: the same bits, and the same errors, for any number."""

from itertools import pairwise
from unittest import mock

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


# ------------------------------------------------------------------------------------- in a stream


@pytest.fixture
def n_shares(monkeypatch):
    """Let short batches be worth several threads, and note how many shares there are."""
    seen = []
    run = shares.on_threads
    monkeypatch.setattr(shares, "WORTH_SHARES", 500)
    monkeypatch.setattr(
        shares, "on_threads", lambda do, items: (seen.append(len(items)), run(do, items))[1]
    )
    return seen


def streamed(table, window, cuts, *, threads=1, single=(), saved_at=(), **options):
    """Push rows in batches, some one by one, and go on from a snapshot after some of them."""
    live = tg.Aggregator(window, on="t", threads=threads, **options)
    parts, late = [], []
    for begin, end in pairwise([0, *cuts, table.num_rows]):
        if begin in single:
            for row in table.slice(begin, end - begin).to_pylist():
                live.push_row(*(row[name] for name in live.plan.inputs))
        else:
            live.push(table.slice(begin, end - begin), take=False)
        if begin in saved_at:
            parts.append(live.take())
            late.append(live.take_late())
            live = tg.Aggregator.restore(live.snapshot(), threads=threads)
    parts.append(live.flush())
    late.append(live.take_late())
    return pa.concat_tables(parts), pa.concat_tables(late)


STREAM = {
    **{name: NUMBERS[name] for name in ("count_x", "sum_x", "sum_i", "mean_x", "max_x", "min_i")},
    **{name: NUMBERS[name] for name in ("first_x", "last_i", "argmin_x", "median", "mode", "v")},
    "word": agg.min("w"),
}


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("closed", ["right", "both", "left", "neither"])
@pytest.mark.parametrize("size", [{"rows": 70}, {"size": 90}, {"size": 90, "peers": True}], ids=str)
def test_long_batches_of_a_stream_are_one_answer(size, closed, by, rng, n_shares):
    table = table_of(rng, 11_500)
    window = tg.Rolling(**size, closed=closed, min_samples=3)
    options = STREAM if by is None else STREAM | REMEMBERED
    one = tg.aggregate(table, window, on="t", by=by, threads=1, **options)
    cuts = [600, 630, 6_000]
    for threads in (1, 3):
        found, _ = streamed(table, window, cuts, threads=threads, by=by, saved_at=cuts, **options)
        assert_same_bits(found, one)
    assert n_shares == ([3, 3, 3] if by else [2, 3, 3])


@pytest.mark.parametrize("by", [None, "k"])
def test_lists_of_a_stream_stand_one_behind_the_other(by, rng, n_shares):
    table = table_of(rng, 2_000)
    wanted = {"by": by, "all": agg.collect("i"), "sum": agg.sum("x")}
    one = tg.aggregate(table, tg.Rolling(rows=5, min_samples=3), on="t", threads=1, **wanted)
    window = tg.Rolling(rows=5, min_samples=3)
    for threads in (1, 2, 3):
        found, _ = streamed(table, window, [600, 620], threads=threads, **wanted)
        assert_same_bits(found, one)
    assert {2, 3} <= set(n_shares)


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("lateness", [0, 40])
@pytest.mark.parametrize(
    "window", [tg.Rolling(rows=9), tg.Rolling(60), tg.Rolling(60, peers=True)], ids=str
)
def test_rows_out_of_order_and_single_events_between_batches(window, lateness, by, rng, n_shares):
    table = table_of(rng, 9_000)
    order = np.argsort(np.arange(9_000) + 12 * rng.random(9_000), kind="stable")
    table = table.take(pa.array(order)).drop_columns(["w"])
    cuts, single = [3_000, 3_040, 6_500, 6_600], {3_000, 6_500}
    options = {"by": by, "lateness": lateness, "single": single, **NUMBERS}
    one = streamed(table, window, cuts, **options)
    for threads, saved_at in ((2, []), (3, cuts)):
        many = streamed(table, window, cuts, threads=threads, saved_at=saved_at, **options)
        for found, expected in zip(many, one, strict=True):
            assert_same_bits(found, expected)
    assert one[1].num_rows > 0 or lateness
    assert set(n_shares) == {2, 3}


@pytest.mark.parametrize("by", [None, "k"])
def test_a_sum_of_a_stream_that_does_not_fit_is_the_same_error(by, n_shares):
    ticks = {"t": np.arange(6000), "k": np.arange(6000) % 3, "i": np.ones(6000, np.int64)}
    ticks["i"][[4_700, 4_703]] = 2**63 - 1
    said = []
    for threads in (1, 2, 3):
        live = tg.Aggregator(tg.Rolling(rows=2), agg.sum("i"), on="t", by=by, threads=threads)
        live.push({name: values[:100] for name, values in ticks.items()})
        with pytest.raises(errors.AggregateOverflowError, match="row at 4700") as caught:
            live.push({name: values[100:] for name, values in ticks.items()})
        said.append(str(caught.value))
    assert len(set(said)) == 1
    assert n_shares == [2, 3]


@pytest.mark.parametrize("by", [None, "k"])
def test_the_lists_of_all_threads_of_a_stream_have_one_limit(by, n_shares):
    rows = {"t": np.arange(1000), "k": np.arange(1000) % 2, "x": np.ones(1000)}
    limits = tg.Limits(max_kept=6000)
    for threads in (1, 2):
        live = tg.Aggregator(
            tg.Rolling(rows=9), agg.collect("x"), on="t", by=by, limits=limits, threads=threads
        )
        with pytest.raises(errors.LimitError, match="max_kept=6000"):
            live.push(rows)
    assert n_shares == [2]


def test_what_stands_in_one_place_for_all_windows_of_a_batch_is_not_cut(rng, n_shares):
    table = table_of(rng, 3000)
    options = {"on": "t", "own": OTHERS["own"]}
    one = tg.aggregate(table, tg.Rolling(rows=20), threads=1, **options)
    del n_shares[:]
    live = tg.Aggregator(tg.Rolling(rows=20), threads=3, **options)
    found = pa.concat_tables([live.push(table), live.flush()])
    assert found.equals(one)
    assert n_shares == []


def test_what_stands_in_one_place_for_all_windows_of_a_key_is_one_answer(rng, n_shares):
    table = table_of(rng, 3000)
    options = {"by": "k", "own": OTHERS["own"], "all": OTHERS["all"], "spread": OTHERS["spread"]}
    one, _ = streamed(table, tg.Rolling(rows=20), [1000], **options)
    found, _ = streamed(table, tg.Rolling(rows=20), [1000], threads=3, **options)
    assert found.equals(one)
    assert 3 in n_shares


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("lateness", [0, 40])
def test_the_rows_of_a_stream_on_threads_are_those_of_one(by, lateness, rng, n_shares):
    table = table_of(rng, 6000)
    times = table["t"].to_numpy() + rng.integers(0, lateness + 1, 6000)
    table = table.set_column(0, "t", pa.array(times))
    wanted = {"by": by, "lineage": True, "lateness": lateness, "total": agg.sum("i")}
    one, late = streamed(table, tg.Rolling(rows=20), [2000, 4100], saved_at=[0, 2000], **wanted)
    del n_shares[:]
    found, left = streamed(table, tg.Rolling(rows=20), [2000, 4100], threads=3, **wanted)
    assert_same_bits(found, one)
    assert left.equals(late)
    assert len(n_shares) >= 2


def test_windows_that_reach_back_behind_a_share_are_not_cut(rng, n_shares):
    table = table_of(rng, 4000)
    wanted = {"sum": agg.sum("i"), "median": agg.median("x")}
    for window in (tg.Rolling(rows=2500), tg.Rolling(6000), tg.Rolling(10**9)):
        one = tg.aggregate(table, window, on="t", threads=1, **wanted)
        found, _ = streamed(table, window, [50, 90], threads=2, **wanted)
        assert_same_bits(found, one)
    assert n_shares == []


def test_a_stream_keeps_no_more_rows_than_its_windows_have(rng):
    rows = {"t": np.arange(200_000), "x": rng.normal(size=200_000)}
    limits = tg.Limits(max_look_back=200_101)
    for threads in (1, 2):
        live = tg.Aggregator(
            tg.Rolling(rows=100), agg.var("x"), on="t", limits=limits, threads=threads
        )
        live.push(rows)
        live.push({"t": rows["t"] + 200_000, "x": rows["x"]})  # beside the window and the last row
        assert live.stats.used >= 399_999


@given(cases(late=True), WINDOWS, st.sampled_from([2, 3, 7]))
def test_keys_of_a_stream_on_threads_are_one_answer(case, window, threads):
    options = {
        "by": list(case.by) or None,
        "nan": case.nan,
        "lateness": case.lateness,
        **case.aggregations(),
    }
    cuts = sorted({0, case.table.num_rows // 3, case.table.num_rows // 2})[1:]

    def run(threads, table, window, **options):
        """Push the rows in a few batches."""
        return streamed(table, window, cuts, threads=threads, saved_at=cuts[1:], **options)

    with mock.patch.object(shares, "WORTH_SHARES", 2):
        one = answer(
            1, lambda *a, threads, **o: run(threads, *a, **o), case.table, window, **options
        )
        more = answer(
            threads, lambda *a, threads, **o: run(threads, *a, **o), case.table, window, **options
        )
    assert (one is None) == (more is None)
    if one is not None:
        for found, expected in zip(more, one, strict=True):
            assert_same_bits(found, expected)


@pytest.mark.parametrize("options", [{"ttl": 300}, {"watermark": "key"}], ids=str)
def test_keys_that_are_forgotten_or_have_clocks_of_their_own(options, rng, n_shares):
    table = table_of(rng, 9_000)
    times = table["t"].to_numpy() + rng.integers(0, 40, 9_000)
    keys = rng.integers(0, 40, 9_000) + np.arange(9_000) // 300
    table = table.set_column(0, "t", pa.array(times)).set_column(1, "k", pa.array(keys))
    wanted = {"by": "k", "lateness": 40, **options, **STREAM, **REMEMBERED}
    cuts = [2_000, 4_100, 6_300]
    one, late = streamed(table, tg.Rolling(60), cuts, **wanted)
    for saved_at in ([], cuts):
        found, left = streamed(table, tg.Rolling(60), cuts, threads=3, saved_at=saved_at, **wanted)
        assert_same_bits(found, one)
        assert_same_bits(left, late)
    assert set(n_shares) == {3}


def test_rows_of_keys_are_counted_whoever_has_answered_them(rng):
    rows = {"t": np.arange(200_000), "k": np.arange(200_000) % 50, "x": rng.normal(size=200_000)}
    later = rows | {"t": rows["t"] + 200_000}
    limits = tg.Limits(max_look_back=200_000 + 50 * 200)
    said = []
    for threads in (1, 2):
        live = tg.Aggregator(
            tg.Rolling(rows=100), agg.var("x"), on="t", by="k", limits=limits, threads=threads
        )
        for batch in (rows, later):
            live.push(batch)
        with pytest.raises(errors.LimitError, match="rows are kept") as caught:
            live.push({name: np.concatenate([values] * 2) for name, values in later.items()})
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_single_key_is_one_share(rng, n_shares):
    table = table_of(rng, 3_000)
    table = table.set_column(1, "k", pa.array([4] * 3_000))
    one = tg.aggregate(table, tg.Rolling(rows=9), on="t", by="k", threads=1, **NUMBERS)
    found, _ = streamed(table, tg.Rolling(rows=9), [700], by="k", threads=3, **NUMBERS)
    assert_same_bits(found, one)
    assert n_shares == []
