"""Threads: whole windows by ranges of time, in whatever order rows come, with the same bits."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from reference import threaded
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg
from tidegate.core import allkeys, oneshot, ranges, shares

N_ROWS = 150_000  # some blocks of `ranges`
WANTS = threaded.WANTS | {"all": agg.collect("q")}
WINDOWS = {
    "tumbling": tg.Tumbling(97),
    "first": tg.Tumbling(97, origin="first", offset=5),
    "sliding": tg.Sliding(600, 150),
    "odd": tg.Sliding(70, 30),
    "gaps": tg.Sliding(30, 70),
    "edges": tg.Edges(list(range(1_000, 99_000, 450))),
    "zero": tg.Tumbling(97, empty="zero"),
    "empty sliding": tg.Sliding(600, 150, empty="null"),
}


@pytest.fixture(scope="module", params=["sorted", "jitter", "strays", "shuffled"])
def table(request) -> pa.Table:
    random = np.random.default_rng(11)
    t = np.sort(random.integers(0, 100_000, N_ROWS))
    if request.param == "jitter":
        t = t - random.integers(0, 500, N_ROWS)
    elif request.param == "strays":
        t[random.integers(0, N_ROWS, 50)] = random.integers(0, 100_000, 50)
    elif request.param == "shuffled":
        random.shuffle(t)
    x = random.normal(size=N_ROWS)
    return pa.table(
        {
            "t": t,
            "k": pa.array(random.integers(0, 20, N_ROWS)).cast(pa.string()),
            "x": pa.array(x, mask=random.random(N_ROWS) < 0.01),
            "h": random.normal(size=N_ROWS) * 2.0 ** random.integers(-200, 200, N_ROWS),
            "q": random.integers(-9, 9, N_ROWS),
        }
    )


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("name", list(WINDOWS))
def test_any_number_of_threads_gives_the_same_bits(table, name, by):
    alone_side, side = tg.Side(), tg.Side()
    options = {"on": "t", "by": by}
    alone = tg.aggregate(table, WINDOWS[name], threads=1, side=alone_side, **options, **WANTS)
    for threads in (2, 5):
        got = tg.aggregate(table, WINDOWS[name], threads=threads, side=side, **options, **WANTS)
        assert_same_bits(got, alone)
        assert side.stats == alone_side.stats


@pytest.mark.parametrize("near", [1, 1 << 16])
@pytest.mark.parametrize("name", ["tumbling", "sliding", "edges"])
def test_rows_are_taken_by_several_threads(table, name, near, monkeypatch):
    done = []

    def spy(function):
        real = getattr(shares, function)
        monkeypatch.setattr(
            shares, function, lambda *a: done.append((function, real(*a))) or done[-1][1]
        )

    monkeypatch.setattr(shares, "NEAR", near)
    spy("_run_in_order")
    spy("run_ranges")
    tg.aggregate(table, WINDOWS[name], agg.rows(), on="t", by="k", threads=3)
    names = [function for function, _ in done]
    assert len(done[-1][1]) == 3
    if np.all(np.diff(table["t"].to_numpy()) >= 0):
        assert names == ["_run_in_order"]
    elif near > 1:  # disorder is seen before anything is done
        assert names == ["run_ranges"]
    else:
        assert names in (["run_ranges"], ["_run_in_order", "run_ranges"])


def test_rows_of_one_window_are_not_looked_at_any_further(monkeypatch):
    monkeypatch.setattr(shares, "encode_all", None)  # by one thread, once
    table = pa.table({"t": np.arange(N_ROWS), "k": np.arange(N_ROWS) % 7})
    for window in (tg.Tumbling(10**6), tg.Sliding(10**6, 10**5)):
        alone = tg.aggregate(table, window, agg.rows(), on="t", by="k", threads=1)
        got = tg.aggregate(table, window, agg.rows(), on="t", by="k", threads=3)
        assert_same_bits(got, alone)


OF_TEXT = {
    "first": agg.first("w"),
    "most": agg.max("w"),
    "n": agg.nunique("w"),
    "mode": agg.mode("w"),
    "words": agg.collect("w"),
    "total": agg.sum("d"),
    "mean": agg.mean("d"),
    "wide": agg.sum("e"),
    "range": agg.range("e"),
    "values": agg.collect("q"),
}


def with_texts(table: pa.Table) -> pa.Table:
    """Add words, new ones of which come late, and narrow and wide decimals."""
    random = np.random.default_rng(5)
    numbers = random.integers(0, 30, N_ROWS) + np.arange(N_ROWS) // (N_ROWS // 3) * 10
    words = pa.array(numbers, mask=random.random(N_ROWS) < 0.1).cast(pa.string())
    decimal = table["q"].cast(pa.decimal128(20, 0))
    return (
        table.append_column("w", words)
        .append_column("d", decimal.cast(pa.decimal128(10, 2)))
        .append_column("e", decimal.cast(pa.decimal256(40, 3)))
    )


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("name", ["tumbling", "sliding", "edges"])
def test_texts_lists_and_decimals_are_made_by_each_thread(table, name, by, monkeypatch):
    monkeypatch.setattr(allkeys, "_FIRST", 1 << 12)
    rows, done = with_texts(table), []
    real = oneshot.run_shares
    monkeypatch.setattr(oneshot, "run_shares", lambda *a: done.append(real(*a)) or done[-1])
    options = {"on": "t", "by": by}
    alone = tg.aggregate(rows, WINDOWS[name], threads=1, **options, **OF_TEXT)
    for threads in (2, 5):
        got = tg.aggregate(rows, WINDOWS[name], threads=threads, **options, **OF_TEXT)
        assert_same_bits(got, alone)
        assert len(done[-1]) == threads


def test_sums_that_do_not_fit_are_told_as_one_thread_tells_them():
    t = np.arange(N_ROWS)
    big = [Decimal(9) * 10**36 if at % 40_000 > 39_000 else Decimal(1) for at in range(N_ROWS)]
    rows = pa.table({"t": t, "d": pa.array(big, pa.decimal128(38, 0))})
    told = []
    for threads in (1, 2, 5):
        with pytest.raises(tg.errors.AggregateOverflowError) as error:
            tg.aggregate(rows, tg.Tumbling(100), agg.sum("d"), on="t", threads=threads)
        told.append(str(error.value))
    assert len(set(told)) == 1


@pytest.mark.parametrize("window", [tg.Tumbling(10), tg.Sliding(20, 10)])
def test_many_texts_are_no_matter_where_one_thread_lets_go_of_some(window, monkeypatch):
    monkeypatch.setattr(oneshot, "MAX_BATCH", 1 << 12)
    rows = pa.table({"t": np.arange(N_ROWS), "w": pa.array(np.arange(N_ROWS)).cast(pa.string())})
    limits = tg.Limits(max_texts=1 << 14)
    one, two = (
        tg.aggregate(rows, window, agg.last("w"), on="t", threads=threads, limits=limits)
        for threads in (1, 2)
    )
    assert_same_bits(one, two)


def test_timestamps_of_a_calendar():
    random = np.random.default_rng(2)
    t = random.integers(0, 3 * 365 * 86_400, N_ROWS)
    table = pa.table({"t": pa.array(t, pa.timestamp("s")), "x": random.normal(size=N_ROWS)})
    window = tg.Calendar("day", tz="Europe/Berlin")
    alone = tg.aggregate(table, window, agg.sum("x"), on="t", threads=1)
    assert_same_bits(tg.aggregate(table, window, agg.sum("x"), on="t", threads=3), alone)


def test_sliding_timestamps():
    random = np.random.default_rng(2)
    t = random.integers(0, 10**9, N_ROWS)
    table = pa.table({"t": pa.array(t, pa.timestamp("us")), "x": random.normal(size=N_ROWS)})
    window = tg.Sliding("2s", "500ms")
    alone = tg.aggregate(table, window, agg.sum("x"), on="t", threads=1)
    assert_same_bits(tg.aggregate(table, window, agg.sum("x"), on="t", threads=3), alone)


def test_float_times():
    random = np.random.default_rng(2)
    table = pa.table({"t": random.normal(size=N_ROWS), "x": random.normal(size=N_ROWS)})
    for window in (tg.Tumbling(0.1), tg.Sliding(0.3, 0.1)):
        alone = tg.aggregate(table, window, agg.sum("x"), on="t", threads=1)
        assert_same_bits(tg.aggregate(table, window, agg.sum("x"), on="t", threads=3), alone)


def test_windows_too_long_for_ranges_are_one_thread_s():
    random = np.random.default_rng(2)
    table = pa.table({"t": random.integers(0, 1_000, N_ROWS), "x": random.normal(size=N_ROWS)})
    for window in (tg.Sliding(5_000, 100), tg.Tumbling(10**6)):
        alone = tg.aggregate(table, window, agg.sum("x"), on="t", threads=1)
        assert_same_bits(tg.aggregate(table, window, agg.sum("x"), on="t", threads=3), alone)


def test_times_at_both_ends_of_int64():
    random = np.random.default_rng(2)
    t = random.integers(0, 1_000, N_ROWS)
    t[5], t[70_000] = -(2**63), 2**63 - 1
    table = pa.table({"t": t})
    for window in (tg.Sliding(30, 10), tg.Tumbling(10)):
        side, alone_side = tg.Side(), tg.Side()
        got = tg.aggregate(table, window, agg.rows(), on="t", threads=3, side=side)
        alone = tg.aggregate(table, window, agg.rows(), on="t", threads=1, side=alone_side)
        assert_same_bits(got, alone)
        assert_same_bits(side.late, alone_side.late)


def test_ranges_are_those_of_windows_and_hold_as_many_rows(rng):
    live = tg.Aggregator(tg.Tumbling(97), agg.rows(), on="t", schema=pa.schema({"t": pa.int64()}))
    order = rng.integers(0, 100_000, N_ROWS)
    blocks = ranges.Blocks(np.array([order.min()]), np.array([order.max()]))
    chosen = ranges._choose(live._run.bound, order, blocks, 4)
    assert [part.upto % 97 for part in chosen[:-1]] == [0, 0, 0]
    n_rows = [((order >= part.first) & (order <= part.last)).sum() for part in chosen]
    assert sum(n_rows) == N_ROWS
    assert max(n_rows) < 1.1 * min(n_rows)
