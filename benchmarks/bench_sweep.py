"""The same work at more and more rows and keys: linear, and no cliff; and on 2 threads against 1.

    pytest benchmarks/bench_sweep.py

What 2 threads reach beside what the machine has for them: two runs of half the rows each, at once.

Each line has the nanoseconds of CPU time a row at 100,000, 1 and 10 million rows, of one number of
keys, and the growth from the least to the last of them: 1 is linear. 1,000 rows a second on
average, whatever the number of keys; with a million of them nearly every row is a window, or a
session, of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import FIRST_NS, LINES, MEAN_GAP_NS, N_ROWS

import tidegate as tg
from tidegate import agg

SIZES = [size for size in (10**5, 10**6, 10**7) if size <= N_ROWS] or [N_ROWS]
KEYS = (1, 10**3, 10**6)
MOST_GROWTH = 2.0  # from the least to the last: caches end somewhere in between
ROWS_A_TEST = 3 * 10**7

Rows = pa.Table
Work = Callable[[Rows], pa.Table]


def made(n_rows: int, n_keys: int, seed: int) -> Rows:
    """Make a sorted stream: time, key, price, size."""
    rng = np.random.default_rng(seed)
    times = FIRST_NS + np.cumsum(rng.integers(2, 2 * MEAN_GAP_NS, n_rows))
    return pa.table(
        {
            "time": pa.array(times).cast(pa.timestamp("ns")),
            "key": rng.integers(0, n_keys, n_rows),
            "price": np.round(1000 + np.cumsum(rng.normal(0, 0.01, n_rows)), 2),
            "size": rng.integers(1, 1000, n_rows),
        }
    )


def over(window: Any, **wants: Any) -> Work:
    """Aggregate over a window, key by key, on one thread."""
    return lambda rows: tg.aggregate(rows, window, on="time", by="key", threads=1, **wants)


def joined(rows: Rows) -> pa.Table:
    """Match each row with the last one before it of the second half of the columns."""
    quotes = rows.select(["time", "key", "price"]).rename_columns(["time", "key", "quote"])
    return tg.asof_join(rows, quotes, on="time", by="key", allow_exact_matches=False, threads=1)


def adds_up(rows: Rows, result: pa.Table) -> bool:
    """Whether every row is in one window."""
    return int(np.sum(result["n"].to_numpy())) == rows.num_rows


def is_of_each(rows: Rows, result: pa.Table) -> bool:
    """Whether every row has its result."""
    return result.num_rows == rows.num_rows


def is_of_two(rows: Rows, result: pa.Table) -> bool:
    """Whether every row is in two windows."""
    return int(np.sum(result["n"].to_numpy())) == 2 * rows.num_rows


def best(work: Work, rows: Rows, n_rounds: int) -> float:
    """The seconds of CPU time of the quickest of some rounds.

    All is on one thread; the longer a run, the more of the wall clock is somebody else's.
    """
    costs = []
    for _ in range(n_rounds):
        start = time.process_time()
        result = work(rows)
        costs.append(time.process_time() - start)
        del result
    return min(costs)


WANTS = {"n": agg.rows(), "mean": agg.mean("price"), "high": agg.max("price")}
MEAN = {"mean": agg.mean("price")}
WORKS: dict[str, tuple[Work, Callable[[Rows, pa.Table], bool]]] = {
    "tumbling 1 s": (over(tg.Tumbling("1s"), **WANTS), adds_up),
    "sliding 10 s every 5 s": (over(tg.Sliding("10s", "5s"), **WANTS), is_of_two),
    "rolling 100 rows": (over(tg.Rolling(rows=100), **MEAN), is_of_each),
    "rolling 1 s": (over(tg.Rolling("1s"), **MEAN), is_of_each),
    "sessions of 5 ms": (over(tg.Session("5ms"), **WANTS), adds_up),
    "volume bars": (over(tg.Threshold("size", 50_000), **WANTS), adds_up),
    "as-of join": (joined, is_of_each),
}


@pytest.mark.parametrize("n_keys", KEYS)
@pytest.mark.parametrize("name", list(WORKS))
def test_cost_of_a_row_does_not_grow(
    benchmark: Any, request: pytest.FixtureRequest, name: str, n_keys: int
) -> None:
    work, is_right = WORKS[name]
    costs = []
    for size in SIZES:
        rows = made(size, n_keys, seed=3)
        assert is_right(rows, work(rows))
        n_rounds = max(3, min(20, ROWS_A_TEST // size // 4))
        costs.append(best(work, rows, n_rounds) / size * 1e9)
    benchmark.pedantic(work, (rows,), rounds=1)
    growth = costs[-1] / min(costs)
    benchmark.extra_info |= {"work": name, "keys": n_keys, "sizes": SIZES, "ns_a_row": costs}
    benchmark.extra_info |= {"growth": growth, "is_met": growth <= MOST_GROWTH}
    told = ", ".join(f"{cost:.2f}" for cost in costs)
    lines = request.config.stash.setdefault(LINES, [])
    lines.append(f"{name}, {n_keys:,} keys | {told} ns a row | growth {growth:.2f}")


TEN_SECONDS = tg.Tumbling("10s")


def pushed(
    rows: Rows,
    threads: int,
    window: Any = TEN_SECONDS,
    by: str | None = "key",
    size: int = 1 << 20,
    **wants: Any,
) -> Callable[[], pa.Table]:
    """Push batches of a million rows, or of some size, into a stream."""
    batches = rows.combine_chunks().to_batches(max_chunksize=size)

    def push() -> pa.Table:
        live = tg.Aggregator(window, on="time", by=by, lateness="1s", threads=threads, **wants)
        return pa.concat_tables([*map(live.push, batches), live.flush()])

    return push


def shared(rows: Rows, threads: int, window: Any, by: str | None) -> Callable[[], pa.Table]:
    """Aggregate in one shot."""
    wants = {**WANTS, "spread": agg.std("price"), "volume": agg.sum("size")}
    return lambda: tg.aggregate(rows, window, on="time", by=by, threads=threads, **wants)


def asked(
    rows: Rows, threads: int, window: Any, by: str | None = "key", **wants: Any
) -> Callable[[], pa.Table]:
    """Aggregate in one shot what is asked for."""
    return lambda: tg.aggregate(rows, window, on="time", by=by, threads=threads, **wants)


def over_months(rows: Rows) -> Rows:
    """Make a second of each millisecond: 10 million rows are four months."""
    first, times = FIRST_NS, rows["time"].to_numpy().view(np.int64)
    slow = pa.array(first + (times - first) * 1000).cast(pa.timestamp("ns"))
    return rows.set_column(0, "time", slow)


def out_of_order(rows: Rows) -> Rows:
    """Let each row come up to half a second late."""
    rng = np.random.default_rng(7)
    times = rows["time"].to_numpy().view(np.int64)
    return rows.take(np.argsort(times + rng.integers(0, 5 * 10**8, rows.num_rows))).combine_chunks()


def with_words(rows: Rows) -> Rows:
    """Add one of 500 words to each row."""
    words = pa.array([f"word{number:03}" for number in range(500)])
    return rows.append_column("word", words.take(pa.array(rows["size"].to_numpy() % 500)))


OHLCV = {
    "open": agg.first("price"),
    "high": agg.max("price"),
    "low": agg.min("price"),
    "close": agg.last("price"),
    "worth": agg.vwap("price", "size"),
}
NEW_YORK = tg.Calendar("day", tz="America/New_York")
OF_WORDS = {"first": agg.first("word"), "most": agg.max("word")}
TRADES = {**OHLCV, "volume": agg.sum("size")}


def by_rows(rows: Rows, threads: int, window: Any, wants: dict[str, Any]) -> Callable[[], Rows]:
    """Aggregate windows that rows make in one shot, by keys."""
    return lambda: tg.aggregate(rows, window, on="time", by="key", threads=threads, **wants)


ON_THREADS: dict[str, tuple[int, Callable[[Rows, int], Callable[[], pa.Table]]]] = {
    "aggregate, tumbling": (1, lambda rows, n: shared(rows, n, tg.Tumbling("1s"), None)),
    "aggregate, tumbling, by key": (
        1000,
        lambda rows, n: shared(rows, n, tg.Tumbling("10s"), "key"),
    ),
    "aggregate, sliding, by key": (
        1000,
        lambda rows, n: shared(rows, n, tg.Sliding("20s", "10s"), "key"),
    ),
    "aggregate, tumbling, by key, out of order": (
        1000,
        lambda rows, n: shared(out_of_order(rows), n, tg.Tumbling("10s"), "key"),
    ),
    "aggregate, days in New York": (
        1,
        lambda rows, n: shared(over_months(rows), n, NEW_YORK, None),
    ),
    "aggregate, days in New York, by key": (
        1000,
        lambda rows, n: shared(over_months(rows), n, NEW_YORK, "key"),
    ),
    "aggregate, days in New York, by key, out of order": (
        1000,
        lambda rows, n: shared(out_of_order(over_months(rows)), n, NEW_YORK, "key"),
    ),
    "aggregate, texts, tumbling": (
        1,
        lambda rows, n: asked(with_words(rows), n, tg.Tumbling("1s"), None, **OF_WORDS),
    ),
    "aggregate, texts, sliding, by key": (
        1000,
        lambda rows, n: asked(with_words(rows), n, tg.Sliding("20s", "10s"), **OF_WORDS),
    ),
    "aggregate, lists of texts, by key": (
        1000,
        lambda rows, n: asked(with_words(rows), n, TEN_SECONDS, words=agg.collect("word")),
    ),
    "rolling 1 s, by key": (1000, lambda rows, n: asked(rows, n, tg.Rolling("1s"), **WANTS)),
    "rolling 1 s, out of order": (
        1,
        lambda rows, n: asked(out_of_order(rows), n, tg.Rolling("1s"), None, **MEAN),
    ),
    "rolling 1 s, texts, by key": (
        1000,
        lambda rows, n: asked(with_words(rows), n, tg.Rolling("1s"), **OF_WORDS),
    ),
    "rolling 1 s, lists, by key": (
        1000,
        lambda rows, n: asked(rows, n, tg.Rolling("1s"), prices=agg.collect("price")),
    ),
    "aggregate, sessions, 100,000 keys": (
        10**5,
        lambda rows, n: by_rows(rows, n, tg.Session("200s"), TRADES),
    ),
    "aggregate, bars of 100 rows, 100,000 keys": (
        10**5,
        lambda rows, n: by_rows(rows, n, tg.Count(100), TRADES),
    ),
    "aggregate, volume bars, 100,000 keys": (
        10**5,
        lambda rows, n: by_rows(rows, n, tg.Threshold("size", 5_000), TRADES),
    ),
    "stream, OHLC and vwap, 100 keys": (100, lambda rows, n: pushed(rows, n, **OHLCV)),
    "stream, OHLC and vwap, 10,000 keys": (10**4, lambda rows, n: pushed(rows, n, **OHLCV)),
    "stream, medians, 100 keys": (
        100,
        lambda rows, n: pushed(rows, n, middle=agg.median("price"), spread=agg.mad("price")),
    ),
    "stream, OHLC and vwap": (1, lambda rows, n: pushed(rows, n, by=None, **OHLCV)),
    "stream, medians": (
        1,
        lambda rows, n: pushed(rows, n, by=None, middle=agg.median("price")),
    ),
    "stream, OHLC and vwap, an hour, 100 keys": (
        100,
        lambda rows, n: pushed(rows, n, tg.Tumbling("1h"), **OHLCV),
    ),
    "stream, means, an hour, 100 keys": (
        100,
        lambda rows, n: pushed(rows, n, tg.Tumbling("1h"), **WANTS),
    ),
    "stream, sessions of 5 ms, 1,000 keys": (
        1000,
        lambda rows, n: pushed(rows, n, tg.Session("5ms"), **TRADES),
    ),
    "stream, sessions of 3 s, 100,000 keys": (
        10**5,
        lambda rows, n: pushed(rows, n, tg.Session("3s"), **TRADES),
    ),
    "stream, sessions of 3 s, 100,000 keys, out of order": (
        10**5,
        lambda rows, n: pushed(out_of_order(rows), n, tg.Session("3s"), **TRADES),
    ),
    "stream, bars of 100 rows, 1,000 keys, out of order": (
        1000,
        lambda rows, n: pushed(out_of_order(rows), n, tg.Count(100), **TRADES),
    ),
    "stream, volume bars, 100,000 keys, out of order": (
        10**5,
        lambda rows, n: pushed(out_of_order(rows), n, tg.Threshold("size", 5_000), **TRADES),
    ),
    "stream, mean of 100 rows, 1,000 keys": (
        1000,
        lambda rows, n: pushed(rows, n, tg.Rolling(rows=100), **MEAN),
    ),
    "stream, mean and spread of 1 s, 1,000 keys": (
        1000,
        lambda rows, n: pushed(rows, n, tg.Rolling("1s"), **MEAN, spread=agg.std("price")),
    ),
    "stream, mean and spread of 1 s, 1,000 keys, out of order": (
        1000,
        lambda rows, n: pushed(
            out_of_order(rows), n, tg.Rolling("1s"), **MEAN, spread=agg.std("price")
        ),
    ),
    "stream, mean of 100 rows, 100,000 keys, batches of 100,000": (
        10**5,
        lambda rows, n: pushed(rows, n, tg.Rolling(rows=100), size=10**5, **MEAN),
    ),
    "as-of join": (
        1,
        lambda rows, n: (
            lambda: tg.asof_join(rows, rows.select(["time", "price"]), on="time", threads=n)
        ),
    ),
    "as-of join, 1,000 keys": (
        1000,
        lambda rows, n: (
            lambda: tg.asof_join(
                rows, rows.select(["time", "key", "price"]), on="time", by="key", threads=n
            )
        ),
    ),
}


def rounds_of(run: Callable[[], object]) -> int:
    """Choose how many rounds a race has: in a virtual machine the first few are slow.

    Memory that was just written takes up to twice the time, until the host has put it together.
    """
    start = time.perf_counter()
    run()
    return int(min(max(2 / (time.perf_counter() - start), 5), 20))


@pytest.mark.parametrize("name", list(ON_THREADS))
def test_two_threads_against_one(race: Any, name: str) -> None:
    n_keys, make = ON_THREADS[name]
    rows = made(N_ROWS, n_keys, seed=5)
    one, two = make(rows, 1), make(rows, 2)
    assert two().equals(one())
    race(f"{name}, 2 threads", two, {"1 thread": one}, target=1.7, n_rounds=rounds_of(one))


@pytest.mark.parametrize("name", list(ON_THREADS))
def test_two_runs_at_once_against_in_turn(race: Any, name: str) -> None:
    """What the machine has for two threads that share nothing: one run of each half of the rows."""
    n_keys, make = ON_THREADS[name]
    rows, half = made(N_ROWS, n_keys, seed=5), N_ROWS // 2
    runs = [make(rows.slice(begin, half), 1) for begin in (0, half)]
    with ThreadPoolExecutor(2) as pool:

        def at_once() -> list[pa.Table]:
            return list(pool.map(lambda run: run(), runs))

        def in_turn() -> list[pa.Table]:
            return [run() for run in runs]

        assert at_once() == in_turn()
        work, n_rounds = f"{name}, halves at once", rounds_of(in_turn)
        race(work, at_once, {"halves in turn": in_turn}, target=1.7, n_rounds=n_rounds)
