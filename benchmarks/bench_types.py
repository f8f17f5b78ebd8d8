"""Text and decimals by the second, against Polars and DuckDB on two threads.

    pytest benchmarks/bench_types.py

Tumbling windows of 1 s at 1,000 rows a second; one of 1,000 symbols in each row, prices with two
digits behind the point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import agg

N_ROUNDS = 3
SECOND = "epoch_ns(time) // 1000000000"

# What we compute, what Polars and DuckDB call it, the target, and how near they come.
WORK: dict[str, tuple[tg.agg.Aggregation, pl.Expr, str, float, float]] = {
    "text first": (agg.first("symbol"), pl.col("symbol").first(), "", 0.5, 0),
    "text max": (agg.max("symbol"), pl.col("symbol").max(), "max(symbol)", 0.5, 0),
    "text nunique": (
        agg.nunique("symbol"),
        pl.col("symbol").n_unique(),
        "count(DISTINCT symbol)",
        1,
        0,
    ),
    "text mode": (agg.mode("symbol"), pl.col("symbol").mode().min(), "", 1, 0),
    "decimal sum": (agg.sum("price"), pl.col("price").sum(), "sum(price)", 1, 0),
    "decimal mean": (agg.mean("price"), pl.col("price").mean(), "avg(price)", 1, 1e-14),
    "decimal max": (agg.max("price"), pl.col("price").max(), "max(price)", 1, 0),
    "wide decimal sum": (agg.sum("amount"), pl.col("amount").sum(), "sum(amount)", 0.5, 0),
}


@pytest.fixture(scope="module")
def trades(n_rows: int) -> pa.Table:
    """Make trades of symbols at prices."""
    rng = np.random.default_rng(11)
    times = 1_700_000_000_000_000_000 + np.cumsum(rng.integers(2, 2_000_000, n_rows))
    symbols = pa.array([f"symbol {at:04d}" for at in range(1000)])
    cents = pa.array(rng.integers(1, 1_000_000, n_rows))
    price = cents.cast(pa.decimal128(38, 2)).cast(pa.decimal128(18, 2))
    return pa.table(
        {
            "time": pa.array(times).cast(pa.timestamp("ns")),
            "symbol": symbols.take(pa.array(rng.integers(0, 1000, n_rows))),
            "price": price,
            "amount": price.cast(pa.decimal128(28, 2)),
        }
    )


def peers_of(table: pa.Table, polars: pl.Expr, duck: str) -> dict[str, Callable[[], pa.Table]]:
    """Give the ways to the windows."""
    frame = pl.from_arrow(table).set_sorted("time")
    plan = frame.lazy().group_by_dynamic("time", every="1s").agg(x=polars)
    peers: dict[str, Callable[[], Any]] = {"Polars, lazy": lambda: plan.collect().to_arrow()}
    if duck:
        connection = duckdb.connect(config={"threads": 2})
        connection.register("trades", table)
        query = f"SELECT {SECOND} AS time, {duck} AS x FROM trades GROUP BY 1 ORDER BY 1"
        peers["DuckDB"] = lambda: connection.sql(query).to_arrow_table()
    return peers


@pytest.mark.parametrize("work", WORK)
def test_types(race: Any, trades: pa.Table, work: str) -> None:
    ours, polars, duck, target, rtol = WORK[work]

    def run() -> pa.Table:
        return tg.aggregate(trades, tg.Tumbling("1s"), on="time", x=ours)

    peers = peers_of(trades, polars, duck)
    for peer in peers.values():
        found, expected = (table["x"].to_pylist() for table in (run(), peer()))
        if rtol:
            np.testing.assert_allclose(found, np.array(expected, np.float64), rtol=rtol)
        else:
            assert found == expected
    race(f"seconds: {work}", run, peers, target=target, n_rounds=N_ROUNDS)
