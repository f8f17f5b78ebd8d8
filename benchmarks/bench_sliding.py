"""Overlapping windows against Polars `group_by_dynamic` on two threads.

    pytest benchmarks/bench_sliding.py

60 s every 1 s at 1,000 rows a second: a row lies in 60 windows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

import tidegate as tg

N_ROUNDS = 3
TARGET = 20
RTOL = {"mean": 1e-12, "std": 1e-9}  # Polars adds in another order

STATISTICS = (
    pl.col("price").mean().alias("mean"),
    pl.col("price").min().alias("min"),
    pl.col("price").max().alias("max"),
    pl.col("price").std().alias("std"),
)


def windows_of_tidegate(ticks: pa.Table) -> pa.Table:
    """Compute the windows."""
    return tg.aggregate(
        ticks,
        tg.Sliding("60s", "1s"),
        on="time",
        mean=tg.agg.mean("price"),
        min=tg.agg.min("price"),
        max=tg.agg.max("price"),
        std=tg.agg.std("price"),
    )


def windows_of_polars(ticks: pa.Table) -> dict[str, Callable[[], pl.DataFrame]]:
    """Give the ways to the windows."""
    frame = pl.from_arrow(ticks.select(["time", "price"])).set_sorted("time")

    def eager() -> pl.DataFrame:
        return frame.group_by_dynamic("time", every="1s", period="60s").agg(STATISTICS)

    def lazy(engine: str) -> pl.DataFrame:
        plan = frame.lazy().group_by_dynamic("time", every="1s", period="60s").agg(STATISTICS)
        return plan.collect(engine=engine)

    return {
        "Polars, eager": eager,
        "Polars, lazy": lambda: lazy("in-memory"),
        "Polars, lazy, streaming": lambda: lazy("streaming"),
    }


def test_sliding(race: Any, ticks: pa.Table, assert_same: Any) -> None:
    peers = windows_of_polars(ticks)
    windows = windows_of_tidegate(ticks)
    for run in peers.values():
        peer = run().rename({"time": "window_start"}).to_arrow()
        begun = pc.greater_equal(windows["window_start"], peer["window_start"][0])
        assert_same(windows.filter(begun), peer, RTOL)
    race(
        "sliding 60 s every 1 s: mean min max std",
        lambda: windows_of_tidegate(ticks),
        peers,
        target=TARGET,
        n_rounds=N_ROUNDS,
    )
