"""Calendar days of New York against Polars `group_by_dynamic`, DuckDB and pandas.

    pytest benchmarks/bench_calendar.py

Ticks over five years, at random: some 5,500 a day. The time column is zoned for the peers, who take
their days from it; for ours it is the same column, whose zone does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import tidegate as tg

N_ROUNDS = 7
ZONE = "America/New_York"
FIRST_NS = 1_577_854_800_000_000_000  # 2020-01-01 05:00 UTC
SPAN_NS = 5 * 365 * 86_400_000_000_000
DAYS = tg.Calendar("day", tz=ZONE)
MONTHS = tg.Calendar("month", tz=ZONE)

OHLCV = (
    pl.col("price").first().alias("open"),
    pl.col("price").max().alias("high"),
    pl.col("price").min().alias("low"),
    pl.col("price").last().alias("close"),
    pl.col("size").sum().alias("volume"),
)


@pytest.fixture(scope="module")
def years(ticks: pa.Table, n_rows: int) -> pa.Table:
    """Spread the ticks over five years, at random; the time is zoned."""
    rng = np.random.default_rng(11)
    gaps = rng.integers(2, 2 * SPAN_NS // n_rows, n_rows)
    times = pa.array(FIRST_NS + np.cumsum(gaps)).cast(pa.timestamp("ns", ZONE))
    return ticks.set_column(0, "time", times)


@pytest.fixture
def con(years: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """Load the table into DuckDB, two threads; its zoned timestamps are in microseconds."""
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"SET TimeZone = '{ZONE}'")
        connection.execute("SET preserve_insertion_order = false")
        connection.register("given", years)
        connection.execute("CREATE TABLE ticks AS SELECT * FROM given")
        yield connection


def days_of_tidegate(rows: pa.Table, threads: int) -> pa.Table:
    """Make the bars."""
    return tg.aggregate(rows, DAYS, tg.agg.ohlcv("price", "size"), on="time", threads=threads)


def days_of_polars(rows: pa.Table) -> dict[str, Callable[[], pl.DataFrame]]:
    """Give the ways of Polars to the bars."""
    frame = pl.from_arrow(rows).set_sorted("time")

    def lazy(engine: str) -> pl.DataFrame:
        plan = frame.lazy().group_by_dynamic("time", every="1d").agg(OHLCV)
        return plan.collect(engine=engine)

    return {
        "Polars, eager": lambda: frame.group_by_dynamic("time", every="1d").agg(OHLCV),
        "Polars, lazy": lambda: lazy("in-memory"),
        "Polars, lazy, streaming": lambda: lazy("streaming"),
    }


def days_of_duckdb(con: duckdb.DuckDBPyConnection) -> dict[str, Callable[[], pa.Table]]:
    """Give the ways of DuckDB: its own local days, and local dates."""
    bars = """first(price ORDER BY time) AS open, max(price) AS high, min(price) AS low,
              last(price ORDER BY time) AS close, sum(size)::BIGINT AS volume"""
    ends = """arg_min(price, time) AS open, max(price) AS high, min(price) AS low,
              arg_max(price, time) AS close, sum(size)::BIGINT AS volume"""
    day, rest = "SELECT date_trunc('day', time) AS day", "FROM ticks GROUP BY day"
    queries = {
        "DuckDB, date_trunc": f"{day}, {ends} {rest}",
        "DuckDB, date_trunc, first": f"{day}, {bars} {rest}",
        "DuckDB, local date": f"SELECT time::DATE AS day, {ends} {rest}",
    }
    return {
        name: lambda query=query: con.sql(query).to_arrow_table() for name, query in queries.items()
    }


def days_of_pandas(rows: pa.Table) -> dict[str, Callable[[], pd.DataFrame]]:
    """Give the way of pandas: `resample`, with its compiled aggregations."""
    frame = pd.DataFrame(
        {"price": rows["price"].to_numpy(), "size": rows["size"].to_numpy()},
        index=pd.DatetimeIndex(rows["time"].to_numpy()).tz_localize("UTC").tz_convert(ZONE),
    )
    named = {
        "open": ("price", "first"),
        "high": ("price", "max"),
        "low": ("price", "min"),
        "close": ("price", "last"),
        "volume": ("size", "sum"),
    }
    return {"pandas, resample": lambda: frame.resample("D").agg(**named)}


def as_table(out: Any) -> pa.Table:
    """Turn the bars of any peer into a table by day, their starts in UTC."""
    if isinstance(out, pl.DataFrame):
        table = out.rename({"time": "window_start"}).to_arrow()
    elif isinstance(out, pd.DataFrame):
        starts = out.index.tz_convert(None).to_numpy()
        table = pa.table({"window_start": starts, **{name: out[name].array for name in out}})
    else:
        table = out.rename_columns(["window_start", *out.column_names[1:]])
        if pa.types.is_date(table["window_start"].type):
            table = table.drop_columns("window_start").add_column(
                0, "window_start", local_midnights(table["window_start"])
            )
    return table.sort_by("window_start")


def local_midnights(dates: pa.ChunkedArray) -> pa.ChunkedArray:
    """Give the instants at which local dates begin."""
    return pc.assume_timezone(dates.cast(pa.timestamp("us")), ZONE)


@pytest.mark.parametrize(("threads", "target"), [(1, 3), (2, 3)])
def test_calendar_days(
    race: Any,
    years: pa.Table,
    con: duckdb.DuckDBPyConnection,
    assert_same: Any,
    threads: int,
    target: float,
) -> None:
    peers = {**days_of_polars(years), **days_of_duckdb(con), **days_of_pandas(years)}
    bars = days_of_tidegate(years, threads)
    bars = bars.set_column(0, "window_start", in_micros(bars["window_start"]))
    for run in peers.values():
        peer = as_table(run())
        peer = peer.set_column(0, "window_start", in_micros(peer["window_start"]))
        assert_same(bars, peer, {})
    race(
        f"OHLCV of calendar days in New York, {threads} thread{'s' * (threads > 1)}",
        lambda: days_of_tidegate(years, threads),
        peers,
        target=target,
        n_rounds=N_ROUNDS,
    )


def in_micros(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Bring starts of days to one unit, exactly."""
    return times.cast(pa.timestamp("us", "UTC"))


def test_calendar_days_cost_what_plain_days_cost(race: Any, years: pa.Table) -> None:
    plain = tg.Tumbling("1d")
    race(
        "calendar days in New York, 1 thread",
        lambda: days_of_tidegate(years, 1),
        {
            "our own Tumbling('1d')": lambda: tg.aggregate(
                years, plain, tg.agg.ohlcv("price", "size"), on="time", threads=1
            )
        },
        target=0.95,
        n_rounds=N_ROUNDS,
    )


@pytest.mark.parametrize("rows_a_window", [10, 1000])
def test_explicit_boundaries_cost_little_more_than_a_grid(
    race: Any, ticks: pa.Table, assert_same: Any, rows_a_window: int
) -> None:
    size_ns = rows_a_window * 1_000_000
    first, last = (ticks["time"][row].value // size_ns for row in (0, -1))
    edges = tg.Edges(np.arange(first, last + 2) * size_ns)
    plain = tg.Tumbling(size_ns)

    def ours(window: tg.Edges | tg.Tumbling) -> pa.Table:
        return tg.aggregate(ticks, window, tg.agg.ohlcv("price", "size"), on="time", threads=1)

    assert_same(ours(edges), ours(plain), {})
    race(
        f"explicit boundaries, {rows_a_window} rows a window, 1 thread",
        lambda: ours(edges),
        {"our own Tumbling": lambda: ours(plain)},
        target=0.9,
        n_rounds=N_ROUNDS,
    )
