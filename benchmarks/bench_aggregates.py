"""Pairs of columns, shapes and quantiles of seconds, against Polars and DuckDB on two threads.

    pytest benchmarks/bench_aggregates.py

Tumbling windows of 1 s at 1,000 rows a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import agg

N_ROUNDS = 3
SECOND = "epoch_ns(time) // 1000000000"

# What we compute, what Polars and DuckDB call it, the target, and how near they come: they sum
# floats as they are (DuckDB has 3 digits of a slope over nanoseconds).
WORK: dict[str, tuple[tg.agg.Aggregation, pl.Expr | None, str, float, float]] = {
    "corr": (agg.corr("price", "size"), pl.corr("price", "size"), "corr(price, size)", 2, 1e-6),
    "slope": (agg.slope("price"), None, "regr_slope(price, epoch_ns(time)) * 1e9", 3, 1e-2),
    "skew": (agg.skew("price", bias=True), pl.col("price").skew(), "", 2, 1e-6),
    "median": (agg.median("price"), pl.col("price").median(), "median(price)", 3, 1e-15),
    "quantile 0.9": (
        agg.quantile("price", 0.9),
        pl.col("price").quantile(0.9, "linear"),
        "quantile_cont(price, 0.9)",
        3,
        1e-12,
    ),
    "nunique": (agg.nunique("price"), pl.col("price").n_unique(), "count(DISTINCT price)", 1, 0),
}


def peers_of(
    ticks: pa.Table, polars: pl.Expr | None, duck: str
) -> dict[str, Callable[[], pa.Table]]:
    """Give the ways to the windows."""
    frame = pl.from_arrow(ticks).set_sorted("time")
    connection = duckdb.connect(config={"threads": 2})
    connection.register("ticks", ticks)
    peers: dict[str, Callable[[], Any]] = {}
    if polars is not None:
        plan = frame.lazy().group_by_dynamic("time", every="1s").agg(x=polars)
        peers["Polars, lazy"] = lambda: plan.collect().to_arrow()
        peers["Polars, lazy, streaming"] = lambda: plan.collect(engine="streaming").to_arrow()
    if duck:
        query = f"SELECT {SECOND} AS time, {duck} AS x FROM ticks GROUP BY 1 ORDER BY 1"
        peers["DuckDB"] = lambda: connection.sql(query).to_arrow_table()
    return peers


@pytest.mark.parametrize("work", WORK)
def test_aggregates(race: Any, ticks: pa.Table, assert_same: Any, work: str) -> None:
    ours, polars, duck, target, rtol = WORK[work]

    def run() -> pa.Table:
        return tg.aggregate(ticks, tg.Tumbling("1s"), on="time", x=ours)

    peers = peers_of(ticks, polars, duck)
    for peer in peers.values():
        assert_same(run(), peer().select(["x"]), {"x": rtol} if rtol else {})
    race(f"seconds: {work}", run, peers, target=target, n_rounds=N_ROUNDS)
