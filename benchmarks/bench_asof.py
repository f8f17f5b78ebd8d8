"""Joins in time against Polars `join_asof` and DuckDB `ASOF JOIN`, both on two threads.

    pytest benchmarks/bench_asof.py

Both sides have a row a millisecond on average, at random: a trade to a quote. Each trade gets the
two prices of the last quote up to it, of its own key where there are keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import tidegate as tg

N_ROUNDS = 5
N_KEYS = 1000
FIRST_NS = 1_700_000_000_000_000_000
MEAN_GAP_NS = 1_000_000
TARGET = 2


def moments(seed: int, n_rows: int) -> pa.Array:
    """Make times that rise, no two of them equal."""
    rng = np.random.default_rng(seed)
    times = FIRST_NS + np.cumsum(rng.integers(2, 2 * MEAN_GAP_NS, n_rows))
    return pa.array(times).cast(pa.timestamp("ns"))


@pytest.fixture(scope="module")
def trades(n_rows: int) -> pa.Table:
    """Make the left side."""
    rng = np.random.default_rng(11)
    keys, sizes = rng.integers(0, N_KEYS, n_rows, np.int32), rng.integers(1, 1000, n_rows)
    return pa.table({"time": moments(1, n_rows), "key": keys, "size": sizes})


@pytest.fixture(scope="module")
def quotes(n_rows: int) -> pa.Table:
    """Make the right side."""
    rng = np.random.default_rng(12)
    bid = np.round(1000 + np.cumsum(rng.normal(0, 0.01, n_rows)), 2)
    keys = rng.integers(0, N_KEYS, n_rows, np.int32)
    return pa.table({"time": moments(2, n_rows), "key": keys, "bid": bid, "ask": bid + 0.01})


@pytest.fixture(scope="module")
def database(trades: pa.Table, quotes: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """Load both sides."""
    with duckdb.connect(config={"threads": 2, "preserve_insertion_order": False}) as connection:
        for name, table in (("trades", trades), ("quotes", quotes)):
            connection.register(f"{name}_in", table)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_in")
        yield connection


def join_of_duckdb(database: duckdb.DuckDBPyConnection, *, keyed: bool) -> pa.Table:
    """Join the loaded tables."""
    columns = "trades.time, trades.key, size, bid, ask" if keyed else "trades.time, size, bid, ask"
    keys = "trades.key = quotes.key AND" if keyed else ""
    return database.sql(
        f"SELECT {columns} FROM trades ASOF LEFT JOIN quotes ON {keys} trades.time >= quotes.time"
    ).to_arrow_table()


def joins_of_polars(
    trades: pa.Table, quotes: pa.Table, *, keyed: bool
) -> dict[str, Callable[[], pl.DataFrame]]:
    """Give the ways to the join; with keys the streaming engine is the slowest by far."""
    left, right = (pl.from_arrow(side).set_sorted("time") for side in (trades, quotes))
    options: dict[str, Any] = {"on": "time"}
    if keyed:
        options |= {"by": "key", "check_sortedness": False}

    def lazy(engine: str) -> pl.DataFrame:
        return left.lazy().join_asof(right.lazy(), **options).collect(engine=engine)

    return {
        "Polars, eager": lambda: left.join_asof(right, **options),
        "Polars, lazy": lambda: lazy("in-memory"),
        "Polars, lazy, streaming": lambda: lazy("streaming"),
    }


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("keyed", [False, True])
def test_asof(
    race: Any,
    trades: pa.Table,
    quotes: pa.Table,
    database: duckdb.DuckDBPyConnection,
    assert_same: Any,
    keyed: bool,
    threads: int,
) -> None:
    left, right = trades, quotes
    if not keyed:
        left, right = (side.drop_columns(["key"]) for side in (trades, quotes))

    def ours() -> pa.Table:
        return tg.asof_join(left, right, on="time", by="key" if keyed else None, threads=threads)

    joined = ours()
    peers: dict[str, Callable[[], object]] = dict(joins_of_polars(left, right, keyed=keyed))
    for run in joins_of_polars(left, right, keyed=keyed).values():
        assert_same(joined, run().sort("time").to_arrow(), {})
    assert_same(joined, join_of_duckdb(database, keyed=keyed).sort_by("time"), {})
    if threads == 2:
        peers["DuckDB"] = lambda: join_of_duckdb(database, keyed=keyed)
    what = f"{N_KEYS:,} keys" if keyed else "no keys"
    race(
        f"as-of join, {what}, {threads} thread{'s' * (threads > 1)}",
        ours,
        peers,
        target=TARGET,
        n_rounds=N_ROUNDS,
    )
