"""Sessions by key and volume bars against Polars, DuckDB and pandas.

    pytest benchmarks/bench_sessions.py

1,000 keys at random, a row a second each on average; sessions with a gap of 3 seconds have some 20
rows. Polars, DuckDB and pandas have no sessions: rows are put in order of key and time, or looked
at over each key, and a session begins where the step is not below the gap.

They have no bars either. What they can say with a running sum is bars of ``overshoot="carry"``: a
row is of the bar in which the sum before it lies. Bars that begin at 0 (the default of
`tidegate.Threshold`) would take them a loop over rows.
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
TARGET = 3
GAP_NS = 3_000_000_000
LIMIT = 50_000  # some 100 rows
RTOL = {"mean": 1e-12}  # they add in another order
DUCKDB_SETTINGS = {"threads": 2, "preserve_insertion_order": False}


@pytest.fixture(scope="module")
def trades(ticks: pa.Table, n_rows: int) -> pa.Table:
    """Give every tick a key, and its time as a number."""
    keys = np.random.default_rng(8).integers(0, N_KEYS, n_rows, np.int32)
    times = ticks["time"].cast(pa.int64())
    return ticks.set_column(0, "time", times).append_column("key", pa.array(keys))


@pytest.fixture(scope="module")
def database(trades: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """Load the rows."""
    with duckdb.connect(config=DUCKDB_SETTINGS) as connection:
        connection.register("trades", trades)
        connection.execute("CREATE TABLE loaded AS SELECT * FROM trades")
        yield connection


def in_order(windows: pa.Table, by: list[str]) -> pa.Table:
    """Sort windows as every peer can."""
    return windows.sort_by([(name, "ascending") for name in by])


def wanted(kind: str) -> dict[str, Any]:
    """Give the aggregations: for tidegate and for Polars."""
    if kind == "tidegate":
        return {
            "mean": tg.agg.mean("price"),
            "high": tg.agg.max("price"),
            "volume": tg.agg.sum("size"),
        }
    return {
        "first": pl.col("time").first(),
        "last": pl.col("time").last(),
        "mean": pl.col("price").mean(),
        "high": pl.col("price").max(),
        "volume": pl.col("size").sum(),
    }


SQL = (
    "min(time) AS first, max(time) AS last, avg(price) AS mean, max(price) AS high,"
    " sum(size)::BIGINT AS volume"
)
PANDAS = {
    "first": ("time", "first"),
    "last": ("time", "last"),
    "mean": ("price", "mean"),
    "high": ("price", "max"),
    "volume": ("size", "sum"),
}


def ours(table: pa.Table, window: Any, by: str | None) -> pa.Table:
    """Compute the windows."""
    return tg.aggregate(table, window, on="time", by=by, threads=1, **wanted("tidegate"))


def as_peers(windows: pa.Table, gap: int = 0) -> pa.Table:
    """Give our windows the names of the peers: their last row is a gap before their end."""
    last = pa.array(windows["window_end"].to_numpy() - gap)
    at = windows.column_names.index("window_end")
    named = windows.set_column(at, "last", last)
    return named.rename_columns({"window_start": "first"})


def sessions_of_peers(
    trades: pa.Table, database: duckdb.DuckDBPyConnection
) -> dict[str, Callable[[], pa.Table]]:
    """Give the ways to sessions by key."""
    frame, loaded = pl.from_arrow(trades), trades.to_pandas()
    begins = pl.col("time").diff() >= GAP_NS

    def polars_over() -> pa.Table:
        number = begins.fill_null(value=False).cum_sum().over("key").alias("session")
        grouped = frame.lazy().with_columns(number).group_by("key", "session")
        return grouped.agg(**wanted("Polars")).drop("session").collect().to_arrow()

    def polars_sorted() -> pa.Table:
        rows = frame.lazy().sort("key", maintain_order=True)
        other = pl.col("key") != pl.col("key").shift()
        number = (other | begins).fill_null(value=False).cum_sum().set_sorted().alias("session")
        grouped = rows.with_columns(number).group_by("session")
        columns = {"key": pl.col("key").first(), **wanted("Polars")}
        return grouped.agg(**columns).drop("session").collect().to_arrow()

    def duckdb_windows() -> pa.Table:
        return database.sql(
            f"WITH marked AS (SELECT *, time - lag(time) OVER w >= {GAP_NS} AS begins FROM loaded"
            " WINDOW w AS (PARTITION BY key ORDER BY time)), numbered AS (SELECT *,"
            " count(*) FILTER (begins) OVER (PARTITION BY key ORDER BY time"
            " ROWS UNBOUNDED PRECEDING) AS session FROM marked)"
            f" SELECT key, {SQL} FROM numbered GROUP BY key, session"
        ).to_arrow_table()

    def pandas_sorted() -> pa.Table:
        rows = loaded.sort_values("key", kind="stable")
        key, time = rows["key"].to_numpy(), rows["time"].to_numpy()
        begins = (np.diff(time) >= GAP_NS) | (np.diff(key) != 0)
        number = np.concatenate([[0], np.cumsum(begins)])
        grouped = rows.groupby(number, sort=False)
        return pa.Table.from_pandas(
            grouped.agg(key=("key", "first"), **PANDAS), preserve_index=False
        )

    return {
        "Polars over": polars_over,
        "Polars sort": polars_sorted,
        "DuckDB": duckdb_windows,
        "pandas": pandas_sorted,
    }


def bars_of_peers(
    trades: pa.Table, database: duckdb.DuckDBPyConnection
) -> dict[str, Callable[[], pa.Table]]:
    """Give the ways to volume bars without keys."""
    frame, loaded = pl.from_arrow(trades), trades.to_pandas()
    bar = ((pl.col("size").cum_sum() - pl.col("size")) // LIMIT).alias("bar")

    def polars_grouped() -> pa.Table:
        rows = frame.lazy().with_columns(bar.set_sorted()).group_by("bar")
        return rows.agg(**wanted("Polars")).drop("bar").collect().to_arrow()

    def polars_hashed() -> pa.Table:
        rows = frame.lazy().with_columns(bar).group_by("bar")
        return rows.agg(**wanted("Polars")).drop("bar").collect().to_arrow()

    def polars_dynamic() -> pa.Table:
        rows = frame.lazy().with_columns(bar.set_sorted())
        grouped = rows.group_by_dynamic("bar", every="1i")
        return grouped.agg(**wanted("Polars")).drop("bar").collect().to_arrow()

    def duckdb_windows() -> pa.Table:
        return database.sql(
            "WITH numbered AS (SELECT *, (sum(size) OVER (ORDER BY time ROWS UNBOUNDED PRECEDING)"
            f" - size) // {LIMIT} AS bar FROM loaded) SELECT {SQL} FROM numbered GROUP BY bar"
        ).to_arrow_table()

    def pandas_grouped() -> pa.Table:
        size = loaded["size"].to_numpy()
        grouped = loaded.groupby((np.cumsum(size) - size) // LIMIT, sort=False)
        return pa.Table.from_pandas(grouped.agg(**PANDAS), preserve_index=False)

    return {
        "Polars sorted": polars_grouped,
        "Polars": polars_hashed,
        "Polars dynamic": polars_dynamic,
        "DuckDB": duckdb_windows,
        "pandas": pandas_grouped,
    }


def key_bars_of_peers(
    trades: pa.Table, database: duckdb.DuckDBPyConnection
) -> dict[str, Callable[[], pa.Table]]:
    """Give the ways to volume bars by key."""
    frame, loaded = pl.from_arrow(trades), trades.to_pandas()
    bar = ((pl.col("size").cum_sum().over("key") - pl.col("size")) // LIMIT).alias("bar")

    def polars_over() -> pa.Table:
        rows = frame.lazy().with_columns(bar).group_by("key", "bar")
        return rows.agg(**wanted("Polars")).drop("bar").collect().to_arrow()

    def duckdb_windows() -> pa.Table:
        return database.sql(
            "WITH numbered AS (SELECT *, (sum(size) OVER (PARTITION BY key ORDER BY time"
            f" ROWS UNBOUNDED PRECEDING) - size) // {LIMIT} AS bar FROM loaded)"
            f" SELECT key, {SQL} FROM numbered GROUP BY key, bar"
        ).to_arrow_table()

    def pandas_grouped() -> pa.Table:
        before = loaded.groupby("key", sort=False)["size"].cumsum() - loaded["size"]
        grouped = loaded.groupby(["key", before // LIMIT], sort=False)
        return pa.Table.from_pandas(
            grouped.agg(**PANDAS).reset_index(level=0), preserve_index=False
        )

    return {"Polars": polars_over, "DuckDB": duckdb_windows, "pandas": pandas_grouped}


def test_sessions_by_key(
    race: Any, trades: pa.Table, database: duckdb.DuckDBPyConnection, assert_same: Any
) -> None:
    window, by = tg.Session(GAP_NS), ["key", "first"]
    peers = sessions_of_peers(trades, database)
    mine = in_order(as_peers(ours(trades, window, "key"), GAP_NS), by)
    for run in peers.values():
        assert_same(mine, in_order(run(), by), RTOL)
    race(
        "sessions of 3 s by 1,000 keys: mean max sum, 1 thread",
        lambda: ours(trades, window, "key"),
        peers,
        target=TARGET,
        n_rounds=N_ROUNDS,
    )


def test_volume_bars(
    race: Any, trades: pa.Table, database: duckdb.DuckDBPyConnection, assert_same: Any
) -> None:
    window = tg.Threshold("size", LIMIT, overshoot="carry")
    peers = bars_of_peers(trades, database)
    mine = as_peers(ours(trades, window, None))
    for run in peers.values():
        assert_same(mine, in_order(run(), ["first"]), RTOL)
    race(
        "volume bars: mean max sum, 1 thread",
        lambda: ours(trades, window, None),
        peers,
        target=TARGET,
        n_rounds=N_ROUNDS,
    )


def test_volume_bars_by_key(
    race: Any, trades: pa.Table, database: duckdb.DuckDBPyConnection, assert_same: Any
) -> None:
    window, by = tg.Threshold("size", LIMIT, overshoot="carry"), ["key", "first"]
    peers = key_bars_of_peers(trades, database)
    mine = in_order(as_peers(ours(trades, window, "key")), by)
    for run in peers.values():
        assert_same(mine, in_order(run(), by), RTOL)
    race(
        "volume bars by 1,000 keys: mean max sum, 1 thread",
        lambda: ours(trades, window, "key"),
        peers,
        target=TARGET,
        n_rounds=N_ROUNDS,
    )
