"""Threads: windows that rows make, whole keys a thread, with the same bits as on one."""

import numpy as np
import pyarrow as pa
import pytest
from reference.compare import assert_same_bits
from reference.threaded import WANTS

import tidegate as tg
from tidegate import agg, errors
from tidegate.core import oneshot, partitioning, picking, shares

N_ROWS = 150_000  # some chunks of `partitioning`
WINDOWS = {
    "sessions": tg.Session(300),
    "short sessions": tg.Session(300, max_duration=900),
    "ticks": tg.Count(7),
    "overlaps": tg.Count(7, every=3),
    "gaps": tg.Count(5, every=9, complete_only=True),
    "volume": tg.Threshold("q", 50),
    "carried": tg.Threshold("q", 50, overshoot="carry"),
    "worth": tg.Threshold(("x", "q"), 30.5, complete_only=True),
    "never": tg.Count(10**6),
}


def made(order: str, n_keys: int = 300, n_rows: int = N_ROWS) -> pa.Table:
    """Make rows: many share a time, some values are missing."""
    random = np.random.default_rng(11)
    t = np.sort(random.integers(0, n_rows // 2, n_rows))
    if order == "jitter":
        t = t - random.integers(0, 500, n_rows)
    elif order == "strays":
        t[random.integers(0, n_rows, 50)] = random.integers(0, n_rows // 2, 50)
    elif order == "shuffled":
        random.shuffle(t)
    return pa.table(
        {
            "t": t,
            "k": pa.array(random.integers(0, n_keys, n_rows)).cast(pa.string()),
            "x": pa.array(random.random(n_rows), mask=random.random(n_rows) < 0.01),
            "h": random.normal(size=n_rows) * 2.0 ** random.integers(-200, 200, n_rows),
            "q": random.integers(0, 9, n_rows),
        }
    )


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Let few keys be worth threads."""
    monkeypatch.setattr(partitioning, "MANY_KEYS", 2)
    monkeypatch.setattr(partitioning, "SOME_KEYS", 1)


@pytest.fixture(scope="module", params=["sorted", "jitter", "strays", "shuffled"])
def table(request) -> pa.Table:
    return made(request.param)


@pytest.fixture
def shared(monkeypatch) -> list[bool]:
    """Tell of each run whether its keys were shared out."""
    real, said = partitioning.run_key_parts, []

    def run(*args):
        tables = real(*args)
        said.append(tables is not None)
        return tables

    monkeypatch.setattr(shares, "run_key_parts", run)
    return said


def assert_alike(table, window, wants=WANTS, threads=(2, 5), **options) -> pa.Table:
    """Hold several threads to one; give what that says."""
    alone_side, side = tg.Side(), tg.Side()
    options = {"on": "t", "by": "k", **options}
    alone = tg.aggregate(table, window, threads=1, side=alone_side, **options, **wants)
    for n in threads:
        got = tg.aggregate(table, window, threads=n, side=side, **options, **wants)
        assert_same_bits(got, alone)
        assert side.stats == alone_side.stats
        assert_same_bits(side.late, alone_side.late)
    return alone


@pytest.mark.parametrize("name", list(WINDOWS))
def test_any_number_of_threads_gives_the_same_bits(table, name, shared):
    assert_alike(table, WINDOWS[name])
    assert shared == [True, True]


def test_rows_may_be_split_between_bars(table, shared):
    window = tg.Threshold("q", 3, overshoot="split")
    assert_alike(table, window, {"n": agg.rows(), "x": agg.last("x"), "q": agg.sum("q")})
    assert shared == [True, True]


@pytest.mark.parametrize("n_keys", [1, 2, 3, 256, 257, 9000])
def test_any_number_of_keys_is_shared_out(n_keys, shared):
    table = made("sorted", n_keys, 40_000)
    for window in (tg.Session(40), tg.Count(3)):
        assert_alike(table, window, threads=(2, 3, 300))
    assert shared == [n_keys >= n for _ in range(2) for n in (2, 3, 256)]


def test_few_keys_are_one_thread_s(shared, monkeypatch):
    table = made("sorted", 300, 2_000)
    monkeypatch.setattr(partitioning, "MANY_KEYS", 301)
    assert_alike(table, tg.Count(3))
    assert shared == [False, False]


@pytest.mark.parametrize("window", [tg.Session(40), tg.Count(3)])
def test_rows_out_of_order_are_worth_threads_with_few_keys_too(window, shared, monkeypatch):
    monkeypatch.setattr(partitioning, "MANY_KEYS", 301)
    monkeypatch.setattr(partitioning, "SOME_KEYS", 100)
    for n_keys in (199, 300):
        assert_alike(made("jitter", n_keys, 20_000), window, threads=(2,))
    assert shared == [False, True]


def test_sessions_of_many_rounds_come_out_before_all_rows_are_there(shared, monkeypatch):
    for module in (partitioning, picking):
        monkeypatch.setattr(module, "CHUNK", 256)
    monkeypatch.setattr(partitioning, "ROUND", 1024)
    monkeypatch.setattr(oneshot, "SHORT_BATCH", 300)
    for order in ("sorted", "jitter", "strays", "shuffled"):
        assert_alike(made(order, 40, 5_000), tg.Session(40))
        assert_alike(made(order, 40, 5_000), tg.Session(20, max_duration=70))
    assert shared == [True] * 16


def test_float_times_and_timestamps(shared):
    table = made("jitter", n_rows=40_000)
    for type_, gap in ((pa.float64(), 250.5), (pa.timestamp("ms"), "250ms")):
        times = table["t"].cast(pa.int64()).cast(type_)
        typed = table.set_column(0, "t", times)
        for window in (tg.Session(gap), tg.Count(9)):
            assert_alike(typed, window)
    assert shared == [True] * 8


def test_times_at_both_ends_of_int64_are_one_thread_s(shared):
    table = made("sorted", n_rows=2_000)
    ends = pa.array([-(2**63), *table["t"].to_pylist()[2:], 2**63 - 1])
    assert_alike(table.set_column(0, "t", ends), tg.Session(300))
    assert shared == [False, False]


def test_rows_left_out_are_one_thread_s(shared):
    table = made("sorted", n_rows=2_000)
    missing = pa.array([None, *table["t"].to_pylist()[1:]], pa.int64())
    assert_alike(table.set_column(0, "t", missing), tg.Count(5))
    odd = pa.array([float("nan"), *table["t"].to_pylist()[1:]], pa.float64())
    assert_alike(table.set_column(0, "t", odd), tg.Count(5))
    assert not any(shared)


def test_text_and_lists_are_one_thread_s(shared):
    table = made("sorted", n_rows=2_000).append_column("s", pa.array(["a", "b"] * 1_000))
    assert_alike(table, tg.Count(5), {"s": agg.max("s")})
    assert_alike(table, tg.Session(40), {"all": agg.collect("q")})
    assert not any(shared)


def test_options_of_time_are_one_thread_s(shared):
    assert_alike(made("jitter", n_rows=2_000), tg.Session(40), lateness=30)
    assert_alike(made("jitter", n_rows=2_000), tg.Count(4), lateness=30, watermark="key")
    assert not shared


def failure_of(table, window, threads, **options):
    """Give the error that a run ends with."""
    options = {"on": "t", "by": "k", "threads": threads, **options}
    with pytest.raises(errors.TidegateError) as caught:
        tg.aggregate(table, window, agg.sum("q"), **options)
    return type(caught.value), str(caught.value)


def test_errors_are_those_of_one_thread():
    table = made("sorted", n_rows=2_000)
    big = table.set_column(4, "q", pa.array([2**62] * 2_000))
    odd = table.set_column(4, "q", pa.array([1.0] * 1_700 + [float("inf")] + [1.0] * 299))
    few = tg.Limits(max_keys=299)
    for case, window, options in (
        (big, tg.Count(3), {}),
        (big, tg.Session(10**6), {}),
        (odd, tg.Threshold("q", 9), {}),
        (table, tg.Threshold("q", 1e-6, overshoot="split"), {}),
        (table, tg.Count(5), {"limits": few}),
        (table, tg.Session(10**6), {"limits": tg.Limits(max_open=200)}),
        (table, tg.Count(5), {"limits": tg.Limits(max_look_back=1_999)}),
        (made("jitter", n_rows=2_000), tg.Count(5), {"limits": tg.Limits(max_look_back=1_999)}),
    ):
        assert failure_of(case, window, 3, **options) == failure_of(case, window, 1, **options)


def test_limits_that_one_thread_keeps_do_not_stop_several(shared):
    table = made("sorted", n_rows=20_000)
    assert_alike(table, tg.Session(5), limits=tg.Limits(max_open=600))
    assert_alike(table, tg.Count(5), limits=tg.Limits(max_open=300))
    assert shared == [False, False, True, True]
