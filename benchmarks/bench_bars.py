"""Bars of one sorted stream against Polars `group_by_dynamic` on two threads.

    pytest benchmarks/bench_bars.py

1,000 rows a second on average: bars of 1 s have 1,000 rows, bars of 10 ms have 10.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import tidegate as tg

N_ROUNDS = 10

OHLCV = (
    pl.col("price").first().alias("open"),
    pl.col("price").max().alias("high"),
    pl.col("price").min().alias("low"),
    pl.col("price").last().alias("close"),
    pl.col("size").sum().alias("volume"),
)


def bars_of_tidegate(ticks: pa.Table, size: str, threads: int) -> pa.Table:
    """Make the bars."""
    return tg.aggregate(
        ticks, tg.Tumbling(size), tg.agg.ohlcv("price", "size"), on="time", threads=threads
    )


def bars_of_polars(ticks: pa.Table, size: str) -> dict[str, Callable[[], pl.DataFrame]]:
    """Give the ways to the bars; which is fastest depends on the rows of a bar."""
    frame = pl.from_arrow(ticks).set_sorted("time")

    def eager() -> pl.DataFrame:
        return frame.group_by_dynamic("time", every=size).agg(OHLCV)

    def lazy(engine: str) -> pl.DataFrame:
        plan = frame.lazy().group_by_dynamic("time", every=size).agg(OHLCV)
        return plan.collect(engine=engine)

    return {
        "Polars, eager": eager,
        "Polars, lazy": lambda: lazy("in-memory"),
        "Polars, lazy, streaming": lambda: lazy("streaming"),
    }


@pytest.mark.parametrize(
    ("work", "size", "threads", "target"),
    [
        ("1 s OHLCV bars, 1 thread", "1s", 1, 2.5),
        ("1 s OHLCV bars, 2 threads", "1s", 2, 4),
        ("OHLCV bars of 10 rows, 1 thread", "10ms", 1, 8),
        ("OHLCV bars of 10 rows, 2 threads", "10ms", 2, 8),
    ],
)
def test_bars(
    race: Any, ticks: pa.Table, assert_same: Any, work: str, size: str, threads: int, target: float
) -> None:
    peers = bars_of_polars(ticks, size)
    bars = bars_of_tidegate(ticks, size, threads)
    for run in peers.values():
        peer = run().rename({"time": "window_start"}).to_arrow()
        assert_same(bars, peer, {})  # an integer volume: nothing is rounded
    race(
        work,
        lambda: bars_of_tidegate(ticks, size, threads),
        peers,
        target=target,
        n_rounds=N_ROUNDS,
    )
