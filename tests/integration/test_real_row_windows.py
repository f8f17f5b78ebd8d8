"""Sessions and bars on recorded data, and against what pandas, Polars and DuckDB say of them."""

import csv
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg

pd = pytest.importorskip("pandas")

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
BAR = {
    "open": agg.first("price"),
    "high": agg.max("price"),
    "close": agg.last("price"),
    "volume": agg.sum("size"),
    "vwap": agg.vwap("price", "size"),
    "trades": agg.rows(),
}
LIMIT = 1_000_000


@pytest.fixture(scope="module")
def trades(real_trades):
    return pq.read_table(real_trades, columns=["time", "symbol", "price", "size"])


@pytest.fixture(scope="module")
def temperatures():
    path = DATA / "machine_temperature.csv"
    if not path.exists():
        pytest.skip("the recorded temperatures are not here")
    with path.open() as lines:
        rows = list(csv.DictReader(lines))
    return pa.table(
        {
            "time": np.array([row["timestamp"] for row in rows], "M8[s]"),
            "value": [float(row["value"]) for row in rows],
        }
    )


def dollar_bars(rows):
    """Cut rows in order of time into bars of a million, in exact numbers."""
    total, bar, out = Fraction(0), [], []
    for row in rows:
        bar.append(row)
        total += Fraction(row["price"]) * Fraction(row["size"])
        if total >= LIMIT:
            out.append(bar)
            total, bar = Fraction(0), []
    return [*out, bar] if bar else out


def test_dollar_bars_of_recorded_trades_are_those_of_exact_sums(trades):
    window = tg.Threshold(("price", "size"), LIMIT)
    bars = tg.aggregate(trades, window, on="time", by="symbol", **BAR).to_pylist()
    rows = trades.set_column(0, "time", trades["time"].cast(pa.int64())).to_pylist()
    for symbol in ("BTCUSDT", "ETHUSDT"):
        mine = [bar for bar in bars if bar["symbol"] == symbol]
        of_symbol = [row for row in rows if row["symbol"] == symbol]
        expected = dollar_bars(sorted(of_symbol, key=lambda row: row["time"]))
        assert len(mine) == len(expected) > 20
        for bar, held in zip(mine, expected, strict=True):
            assert bar["trades"] == len(held)
            assert bar["open"] == held[0]["price"]
            assert bar["close"] == held[-1]["price"]
            assert bar["high"] == max(row["price"] for row in held)


@pytest.mark.parametrize(
    "window",
    [
        tg.Threshold(("price", "size"), LIMIT),
        tg.Threshold("size", 25.5, overshoot="carry"),
        tg.Count(100),
        tg.Session("500ms"),
        tg.Session("200ms", "2s"),
    ],
    ids=repr,
)
def test_live_bars_are_those_of_the_backtest(trades, window):
    plan = {"on": "time", "by": "symbol", **BAR}
    live = tg.Aggregator(window, lateness="5s", **plan)
    said = [live.push(trades.slice(at, 1733)) for at in range(0, trades.num_rows, 1733)]
    live = tg.Aggregator.restore(live.snapshot())
    said.append(live.flush())
    assert live.stats.late == 0
    assert_same_bits(pa.concat_tables(said), tg.aggregate(trades, window, **plan))


def test_spells_of_heat_are_where_pandas_sees_no_gap(temperatures):
    hot = temperatures.filter(
        pa.array([value >= 100 for value in temperatures["value"].to_pylist()])
    )
    got = tg.aggregate(
        hot,
        tg.Session("30m"),
        on="time",
        high=agg.max("value"),
        rows=agg.rows(),
        last=agg.last("value"),
    )
    frame = hot.to_pandas().sort_values("time", kind="stable")
    number = (frame["time"].diff() >= pd.Timedelta("30min")).cumsum()
    expected = frame.groupby(number).agg(
        first=("time", "first"),
        end=("time", "last"),
        high=("value", "max"),
        rows=("value", "size"),
        last=("value", "last"),
    )
    assert got.num_rows == len(expected) > 20
    frame = got.to_pandas()
    assert list(frame["window_start"]) == list(expected["first"])
    assert list(frame["window_end"]) == list(expected["end"] + pd.Timedelta("30min"))
    for name in ("high", "rows", "last"):
        assert list(frame[name]) == list(expected[name])


def long_ticks(n=30_000):
    """Make ticks in order, of a few keys, with pauses; no two have one time."""
    rng = np.random.default_rng(12)
    return pa.table(
        {
            "time": np.cumsum(rng.integers(1, 9, n) + (rng.random(n) < 0.02) * 40),
            "k": rng.integers(0, 5, n),
            "price": np.round(100 + np.cumsum(rng.normal(0, 0.01, n)), 2),
            "size": rng.integers(1, 100, n),
        }
    )


def test_sessions_are_those_of_polars_and_duckdb():
    pl = pytest.importorskip("polars")
    duckdb = pytest.importorskip("duckdb")
    ticks = long_ticks()
    got = tg.aggregate(
        ticks, tg.Session(30), on="time", by="k", high=agg.max("price"), volume=agg.sum("size")
    )
    got = got.select(["k", "window_start", "high", "volume"])
    order = ["k", "window_start"]
    number = (pl.col("time").diff() >= 30).fill_null(value=False).cum_sum().over("k").alias("n")
    polars = (
        pl.from_arrow(ticks)
        .with_columns(number)
        .group_by("k", "n")
        .agg(
            window_start=pl.col("time").first(),
            high=pl.col("price").max(),
            volume=pl.col("size").sum(),
        )
        .drop("n")
        .sort(order)
    )
    sql = duckdb.sql(
        "SELECT k, min(time) AS window_start, max(price) AS high, sum(size)::BIGINT AS volume FROM"
        " (SELECT *, count(*) FILTER (begins) OVER (PARTITION BY k ORDER BY time) AS n FROM"
        " (SELECT *, time - lag(time) OVER (PARTITION BY k ORDER BY time) >= 30 AS begins"
        " FROM ticks)) GROUP BY k, n ORDER BY k, window_start"
    ).to_arrow_table()
    mine = got.sort_by([(name, "ascending") for name in order]).to_pylist()
    assert mine == polars.to_dicts() == sql.to_pylist()


def test_carried_volume_bars_are_those_of_running_sums():
    ticks = long_ticks()
    window = tg.Threshold("size", 1000, overshoot="carry")
    got = tg.aggregate(ticks, window, on="time", by="k", rows=agg.rows(), close=agg.last("price"))
    frame = ticks.to_pandas()
    before = frame.groupby("k")["size"].cumsum() - frame["size"]
    expected = frame.groupby(["k", before // 1000]).agg(
        end=("time", "last"), rows=("time", "size"), close=("price", "last")
    )
    mine = got.sort_by([("k", "ascending"), ("window_end", "ascending")])
    assert mine["window_end"].to_pylist() == list(expected["end"])
    assert mine["rows"].to_pylist() == list(expected["rows"])
    assert mine["close"].to_pylist() == list(expected["close"])


def test_count_windows_are_those_of_numpy():
    ticks = long_ticks()
    got = tg.aggregate(ticks, tg.Count(128, 32, complete_only=True), agg.max("price"), on="time")
    price = ticks["price"].to_numpy()
    expected = np.lib.stride_tricks.sliding_window_view(price, 128)[::32].max(axis=1)
    np.testing.assert_array_equal(got["price_max"].to_numpy(), expected)
