"""Windows of many keys against DuckDB `GROUP BY` on two threads.

    pytest benchmarks/bench_keys.py

1,000 keys at random, 1,000 rows a second: a key has 60 rows a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg

N_ROUNDS = 5
N_KEYS = 1000
TARGET = 3
MINUTE_NS = 60_000_000_000
BY = [("minute", "ascending"), ("key", "ascending")]
RTOL = {"mean": 1e-12, "std": 1e-9}  # DuckDB adds in another order

MINUTES = {
    "time_bucket": "time_bucket(INTERVAL '1 minute', us)",
    "date_trunc": "date_trunc('minute', us)",
    "//": f"ns // {MINUTE_NS}",
}


@pytest.fixture(scope="module")
def trades(ticks: pa.Table, n_rows: int) -> pa.Table:
    """Give every tick a key."""
    keys = np.random.default_rng(8).integers(0, N_KEYS, n_rows, np.int32)
    return ticks.drop_columns(["size"]).append_column("key", pa.array(keys))


@pytest.fixture(scope="module")
def database(trades: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """Load the rows, with the time in both types that DuckDB groups fastest by."""
    # A grouping by small numbers needs no hash table: DuckDB allows it up to 12 bits unless told.
    settings = {"threads": 2, "preserve_insertion_order": False, "perfect_ht_threshold": 24}
    with duckdb.connect(config=settings) as connection:
        connection.register("trades", trades)
        # Not time::TIMESTAMP: it rounds, and a row just before the end of a minute leaves it.
        connection.execute(
            "CREATE TABLE loaded AS SELECT key, price,"
            " make_timestamp(epoch_ns(time) // 1000) AS us, epoch_ns(time) AS ns FROM trades"
        )
        yield connection


def windows_of_tidegate(trades: pa.Table) -> pa.Table:
    """Compute the windows on one thread."""
    return tg.aggregate(
        trades,
        tg.Tumbling("1m"),
        on="time",
        by="key",
        threads=1,
        mean=tg.agg.mean("price"),
        std=tg.agg.std("price"),
        min=tg.agg.min("price"),
        max=tg.agg.max("price"),
    )


def windows_of_duckdb(
    database: duckdb.DuckDBPyConnection,
) -> dict[str, Callable[[], pa.Table]]:
    """Give the ways to the windows."""

    def run(minute: str) -> pa.Table:
        return database.sql(
            f"SELECT key, {minute} AS minute, avg(price) AS mean, stddev_samp(price) AS std,"
            " min(price) AS min, max(price) AS max FROM loaded GROUP BY ALL"
        ).to_arrow_table()

    return {f"DuckDB, {way}": lambda sql=sql: run(sql) for way, sql in MINUTES.items()}


def by_minute(windows: pa.Table, minute: str) -> pa.Table:
    """Sort windows by number of minute and key: DuckDB gives them in any order."""
    column = windows[minute]
    if pa.types.is_timestamp(column.type):
        column = pa.array(column.cast(pa.timestamp("ns")).to_numpy().view("i8") // MINUTE_NS)
    at = windows.column_names.index(minute)
    return windows.set_column(at, "minute", column).sort_by(BY)


def test_keys(
    race: Any, trades: pa.Table, database: duckdb.DuckDBPyConnection, assert_same: Any
) -> None:
    peers = windows_of_duckdb(database)
    windows = by_minute(windows_of_tidegate(trades), "window_start")
    for run in peers.values():
        assert_same(windows, by_minute(run(), "minute"), RTOL)
    race(
        "1,000 keys, 1 min: mean std min max, 1 thread",
        lambda: windows_of_tidegate(trades),
        peers,
        target=TARGET,
        n_rounds=N_ROUNDS,
    )
