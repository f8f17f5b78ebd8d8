"""Sessions and bars of a stream on threads: any number gives the same results and state."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits
from reference.threaded import WANTS, asked, assert_alike, fed

import tidegate as tg
from tidegate import agg, errors
from tidegate.core import lookup, picking, rowparts, sharing

N_ROWS = 60_000
WINDOWS = {
    "short": tg.Session(4),
    "long": tg.Session(300),
    "bounded": tg.Session(40, max_duration=900),
    "ticks": tg.Count(7),
    "overlaps": tg.Count(7, every=3),
    "gaps": tg.Count(5, every=9, complete_only=True),
    "volume": tg.Threshold("q", 50),
    "carried": tg.Threshold("q", 50, overshoot="carry"),
    "never": tg.Count(10**6),
}
THREADS = [2, 3, 5]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Let batches of a few rows be worth threads, however much is open."""
    monkeypatch.setattr(sharing, "WORTH_PARTS", 8)
    monkeypatch.setattr(sharing, "MOST_MOVED", 0)
    monkeypatch.setattr(rowparts, "WORTH_ROWS", 8)
    monkeypatch.setattr(rowparts, "MANY_KEYS", 0)
    monkeypatch.setattr(lookup, "CHUNK", 3_000)
    monkeypatch.setattr(lookup, "FIRST", 1_000)
    monkeypatch.setattr(picking, "CHUNK", 2_048)


@pytest.fixture
def n_pushes(monkeypatch) -> list[int]:
    """Tell of each batch that went to parts how many there were."""
    real, seen = rowparts.RowParts.push, []

    def push(parts, *args):
        seen.append(len(parts.states))
        return real(parts, *args)

    monkeypatch.setattr(rowparts.RowParts, "push", push)
    return seen


def made(order="jitter", n_keys=300, n_rows=N_ROWS, seed=11) -> pa.Table:
    """Make rows: many share a time, some values are missing."""
    random = np.random.default_rng(seed)
    t = np.sort(random.integers(0, n_rows // 2, n_rows))
    if order != "sorted":
        t = t - random.integers(0, 40, n_rows)
    if order == "late":
        some = random.integers(0, n_rows, n_rows // 2_000)
        t[some] -= random.integers(0, 400, len(some))
    keys = pa.array(random.integers(0, n_keys, n_rows)).cast(pa.string())
    return pa.table(
        {
            "t": t,
            "k": keys,
            "x": pa.array(random.random(n_rows), mask=random.random(n_rows) < 0.01),
            "h": random.normal(size=n_rows) * 2.0 ** random.integers(-200, 200, n_rows),
            "q": random.integers(0, 9, n_rows),
        }
    )


@pytest.mark.parametrize("order", ["sorted", "jitter", "late"])
@pytest.mark.parametrize("name", list(WINDOWS))
def test_any_number_of_threads_gives_the_same(name, order, n_pushes):
    table = made(order)
    options = {"on": "t", "by": "k", "lateness": 40, **WANTS}
    one = tg.Aggregator(WINDOWS[name], **options)
    expected = fed(one, table)
    for threads in THREADS:
        many = tg.Aggregator(WINDOWS[name], **options, threads=threads)
        assert_same_bits(fed(many, table), expected)
        assert_alike(many, one) if threads == THREADS[-1] else None
    assert set(n_pushes) == set(THREADS)


@pytest.mark.parametrize("window", [tg.Session(30), tg.Count(3)], ids=repr)
@pytest.mark.parametrize("n_keys", [1, 2, 255, 257, 3_000])
def test_any_number_of_keys_is_shared_out(n_keys, window, n_pushes):
    table = made("jitter", n_keys)
    options = {"on": "t", "by": "k", "lateness": 40, **WANTS}
    expected = fed(tg.Aggregator(window, **options), table)
    for threads in (2, 300):
        many = tg.Aggregator(window, **options, threads=threads)
        assert_same_bits(fed(many, table, 25_000), expected)
    assert set(n_pushes) == {2, 256}


def test_rows_may_be_split_between_bars(n_pushes):
    table = made("late")
    wants = {"n": agg.rows(), "x": agg.last("x"), "q": agg.sum("q")}
    options = {"on": "t", "by": "k", "lateness": 40, **wants}
    window = tg.Threshold("q", 3, overshoot="split")
    one, many = (tg.Aggregator(window, **options, threads=threads) for threads in (1, 3))
    assert_same_bits(fed(many, table), fed(one, table))
    assert_alike(many, one)
    assert set(n_pushes) == {3}


def test_rows_of_bars_are_told_on_one_thread(n_pushes):
    table = made()
    options = {"on": "t", "by": "k", "lateness": 40, "lineage": True, "n": agg.rows()}
    expected = fed(tg.Aggregator(tg.Count(5), **options), table)
    assert_same_bits(fed(tg.Aggregator(tg.Count(5), **options, threads=3), table), expected)
    assert n_pushes == []


def test_the_rows_of_each_session_are_told(n_pushes):
    table = made()
    options = {"on": "t", "by": "k", "lateness": 40, "lineage": True, "n": agg.rows()}
    expected = fed(tg.Aggregator(tg.Session(30), **options), table)
    found = fed(tg.Aggregator(tg.Session(30), **options, threads=3), table)
    assert_same_bits(found, expected)
    assert set(n_pushes) == {3}


@pytest.mark.parametrize("window", [tg.Session(30), tg.Count(4)], ids=repr)
def test_without_lateness_the_watermark_is_told(window, n_pushes):
    table = made("sorted")
    one, many = (
        tg.Aggregator(window, on="t", by="k", threads=threads, **WANTS) for threads in (1, 3)
    )
    for begin, end in pairwise([0, 20_000, 40_000, N_ROWS]):
        for live in (one, many):
            live.push(table.slice(begin, end - begin), take=False)
            live.advance(int(table["t"][end - 1].as_py()) - 5)
        assert_same_bits(many.take(), one.take())
    assert_same_bits(many.flush(), one.flush())
    assert_alike(many, one)
    assert n_pushes == [3, 3, 3]


@settings(max_examples=settings().max_examples // 4)
@given(
    seed=st.integers(0, 99),
    sizes=st.lists(st.integers(0, 900), min_size=1, max_size=6),
    name=st.sampled_from(list(WINDOWS)),
    order=st.sampled_from(["jitter", "late"]),
    threads=st.sampled_from(THREADS),
    what=st.lists(
        st.sampled_from(["row", "advance", "take", "stats", "late", "snapshot", "none"]),
        min_size=6,
        max_size=6,
    ),
)
def test_everything_else_sees_all_windows(seed, sizes, name, order, threads, what):
    table = made(order, 40, 6_000, seed)
    options = {"on": "t", "by": "k", "lateness": 40, **WANTS}
    one = tg.Aggregator(WINDOWS[name], **options)
    many = tg.Aggregator(WINDOWS[name], **options, threads=threads)
    at = 0
    for size, then in zip(sizes, what, strict=False):
        for live in (one, many):
            live.push(table.slice(at, size), take=False)
        at += size
        if then == "row":
            time = int(table["t"][at].as_py()) - 7
            for live in (one, many):
                live.push_row(
                    *(
                        {"t": time, "k": "3", "x": 1.0, "h": 2.0, "q": 3}[name]
                        for name in live.plan.inputs
                    )
                )
        elif then == "advance":
            time = int(table["t"][at].as_py())
            assert_same_bits(many.advance(time), one.advance(time))
        else:
            many = asked(then, many, one, threads)
    assert_same_bits(many.flush(), one.flush())
    assert_alike(many, one)


@pytest.mark.parametrize("window", [tg.Session(3), tg.Count(4)], ids=repr)
@pytest.mark.parametrize("late", ["side", "drop"])
def test_rows_that_are_late_or_without_a_time_are_told_in_their_order(late, window, n_pushes):
    table = made("late", n_rows=30_000)
    flags = np.random.default_rng(3).random(30_000) < 0.01
    table = table.set_column(0, "t", pa.array(table["t"].to_numpy(), mask=flags))
    options = {"on": "t", "by": "k", "lateness": 40, "late": late, **WANTS}
    one = tg.Aggregator(window, **options)
    many = tg.Aggregator(window, **options, threads=3)
    assert_same_bits(fed(many, table, 5_000), fed(one, table, 5_000))
    assert many.stats.late > 5
    assert many.stats.rejected == flags.sum()
    assert_alike(many, one)
    assert n_pushes == [3] * 6


@pytest.mark.parametrize("window", [tg.Session(3), tg.Count(4)], ids=repr)
def test_times_too_far_ahead_are_rejected(window, n_pushes):
    table = made("late")
    times = table["t"].to_numpy().copy()
    times[[5_000, 20_000, 20_001]] += 10**6
    table = table.set_column(0, "t", pa.array(times))
    options = {"on": "t", "by": "k", "lateness": 40, "max_jump": 10_000, **WANTS}
    one = tg.Aggregator(window, **options)
    many = tg.Aggregator(window, **options, threads=2)
    assert_same_bits(fed(many, table), fed(one, table))
    assert many.stats.rejected == 3
    assert_alike(many, one)
    assert set(n_pushes) == {2}


@pytest.mark.parametrize(
    "window", [tg.Session(2.25, max_duration=60.0), tg.Threshold("q", 9)], ids=repr
)
def test_float_times_and_times_that_cannot_be(window, n_pushes):
    table = made("late")
    times = table["t"].to_numpy() / 7
    times[[1_000, 30_000]] = [np.nan, np.inf]
    table = table.set_column(0, "t", pa.array(times))
    options = {"on": "t", "by": "k", "lateness": 6.5, **WANTS}
    one = tg.Aggregator(window, **options)
    many = tg.Aggregator(window, **options, threads=2)
    assert_same_bits(fed(many, table), fed(one, table))
    assert_alike(many, one)
    assert set(n_pushes) == {2}


@pytest.mark.parametrize("window", [tg.Session(40), tg.Count(7)], ids=repr)
@pytest.mark.parametrize(
    "times", [[2**63 - 41, 2**63 - 30], [2**63 - 100, 2**63 - 41], [-(2**63), -(2**63) + 1]]
)
def test_times_at_the_end_of_time(times, window):
    rows = {"t": np.repeat(times, 20), "k": np.arange(40) % 4, "x": np.ones(40)}
    one, many = (
        tg.Aggregator(window, agg.sum("x"), on="t", by="k", lateness=0, threads=threads)
        for threads in (1, 2)
    )
    for live in (one, many):
        live.push(rows, take=False)
    assert_same_bits(many.flush(), one.flush())
    assert_alike(many, one)


def test_a_sum_that_does_not_fit_is_the_same_error():
    ticks = {"t": np.arange(6000), "k": np.arange(6000) % 300, "i": np.ones(6000, np.int64)}
    ticks["i"][[4_205, 4_505]] = 2**63 - 1
    said = []
    for threads in (1, 2, 3):
        live = tg.Aggregator(
            tg.Session(400), agg.sum("i"), on="t", by="k", lateness=0, threads=threads
        )
        live.push({name: values[:3000] for name, values in ticks.items()})
        live.push({name: values[3000:] for name, values in ticks.items()})
        with pytest.raises(errors.AggregateOverflowError, match=r"5") as caught:
            live.flush()
        said.append(str(caught.value))
    assert len(set(said)) == 1


def test_few_long_sessions_of_few_keys_are_one_thread_s(n_pushes, monkeypatch):
    monkeypatch.setattr(rowparts, "MANY_KEYS", 301)
    table = made("sorted")
    fed(tg.Aggregator(tg.Session(3_000), on="t", by="k", lateness=0, threads=2, **WANTS), table)
    assert n_pushes == []
    fed(tg.Aggregator(tg.Session(4), on="t", by="k", lateness=0, threads=2, **WANTS), table)
    assert len(n_pushes) == 9  # from the first on: its rows tell that sessions are short


def test_bars_in_order_of_few_keys_are_one_thread_s(n_pushes, monkeypatch):
    monkeypatch.setattr(rowparts, "MANY_KEYS", 301)
    for order in ("sorted", "jitter"):
        assert n_pushes == []
        live = tg.Aggregator(tg.Count(9), on="t", by="k", lateness=40, threads=2, **WANTS)
        fed(live, made(order))
    assert len(n_pushes) == 9


def test_rows_that_wait_are_counted_and_bounded(n_pushes):
    table = made("sorted")
    limits = tg.Limits(max_look_back=20_000)
    said = []
    for threads in (1, 2):
        live = tg.Aggregator(
            tg.Count(9), on="t", by="k", lateness=10**9, limits=limits, threads=threads, **WANTS
        )
        live.push(table.slice(0, 15_000))
        assert live.stats.pending == 15_000
        with pytest.raises(errors.LimitError, match="15000 rows wait") as caught:
            live.push(table.slice(15_000, 10_000))
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert n_pushes == [2]


@pytest.mark.parametrize("limits", [{"max_open": 290}, {"max_kept": 20_000}], ids=str)
def test_a_limit_that_rows_that_wait_would_pass_is_the_same_error(limits, n_pushes):
    table = made("sorted")
    said = []
    for threads in (1, 2):
        live = tg.Aggregator(
            tg.Count(10**6),
            on="t",
            by="k",
            lateness=10**9,
            limits=tg.Limits(**limits),
            threads=threads,
            middle=agg.median("x"),
        )
        for begin, end in pairwise([0, 200, 12_200, 24_200]):
            live.push(table.slice(begin, end - begin))
        with pytest.raises(errors.LimitError, match="no time has passed") as caught:
            live.advance(10**8)
        assert live.stats.pending == 24_200
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert n_pushes == [2] * (1 if "max_open" in limits else 2)


def test_windows_are_moved_only_where_many_rows_came_since(n_pushes, monkeypatch):
    monkeypatch.setattr(sharing, "MOST_MOVED", 8)
    table = made("sorted", 3_000)
    live = tg.Aggregator(tg.Session(3_000), on="t", by="k", lateness=0, threads=2, **WANTS)
    one = tg.Aggregator(tg.Session(3_000), on="t", by="k", lateness=0, **WANTS)
    for at in range(0, N_ROWS, 5_000):
        for each in (one, live):
            each.push(table.slice(at, 5_000), take=False)
        if at == 20_000:
            assert live.snapshot() == one.snapshot()  # which takes all windows back
    assert_same_bits(live.flush(), one.flush())
    assert 5 < len(n_pushes) < 12
