"""The main job on recorded trades: by the command line and by both Python ways, one answer."""

import math
from fractions import Fraction

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reference.compare import assert_same_bits
from reference.oracle import nearest_float

import tidegate as tg
from tidegate import agg

pd = pytest.importorskip("pandas")

PLAN = {
    "open": agg.first("price"),
    "high": agg.max("price"),
    "low": agg.min("price"),
    "close": agg.last("price"),
    "volume": agg.sum("size"),
    "vwap": agg.vwap("price", "size"),
    "trades": agg.rows(),
}
FLAGS = [
    "open=first(price)",
    "high=max(price)",
    "low=min(price)",
    "close=last(price)",
    "volume=sum(size)",
    "vwap=vwap(price,size)",
    "trades=rows()",
]
OPTIONS = {"on": "time", "by": "symbol"}
# pandas sums floats with a compensated loop but products naively, and divides once more.
PANDAS_RELATIVE_ERROR = 1e-12


@pytest.fixture(scope="module")
def trades(real_trades):
    return pq.read_table(real_trades)


@pytest.fixture(scope="module")
def bars(trades):
    return tg.aggregate(trades, tg.Tumbling("1s"), **OPTIONS, **PLAN)


def live():
    return tg.Aggregator(tg.Tumbling("1s"), **OPTIONS, lateness="1s", **PLAN)


def plain(table):
    """Give a table whose keys are plain text, as some files hold them."""
    index = table.column_names.index("symbol")
    return table.set_column(index, "symbol", table["symbol"].cast(pa.string()))


def test_there_is_something_to_do(trades, bars):
    assert trades.num_rows == 35_389
    assert bars["trades"].to_numpy().sum() == trades.num_rows
    assert 500 < bars.num_rows < 700


def test_pushed_in_odd_cuts_they_are_the_same_to_the_bit(trades, bars):
    run, closed, start = live(), [], 0
    for size in [1, 0, 7, 64, 1023, 4096, 4097, 3, 20_000, 1_000_000]:
        for batch in trades.slice(start, size).to_batches():
            closed.append(run.push(batch))
        start += size
    closed.append(run.flush())
    assert_same_bits(plain(pa.concat_tables(closed)), plain(bars))
    assert run.stats.used == run.stats.rows_in == trades.num_rows


def test_pushed_one_trade_at_a_time_they_are_the_same_to_the_bit(trades, bars):
    run, closed = live(), []
    columns = [trades["time"].cast(pa.int64()), *(trades[n] for n in ("symbol", "price", "size"))]
    run.push(trades.slice(0, 0))  # from it the types are known
    for row in zip(*(column.to_pylist() for column in columns), strict=True):
        run.push_row(*row)
        if len(closed) < 5:
            closed.append(run.take())
    closed += [run.take(), run.flush()]
    assert_same_bits(plain(pa.concat_tables(closed)), plain(bars))


def test_stopped_and_resumed_they_are_the_same_to_the_bit(trades, bars):
    run, closed = live(), []
    for start in range(0, trades.num_rows, 5001):
        run = tg.Aggregator.restore(run.snapshot())
        closed += map(run.push, trades.slice(start, 5001).to_batches())
    closed.append(run.flush())
    assert_same_bits(plain(pa.concat_tables(closed)), plain(bars))


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_by_the_command_line_they_are_the_same_to_the_bit(
    run_tidegate, real_trades, bars, tmp_path, suffix
):
    target = tmp_path / f"bars.{suffix}"
    asked = [word for flag in FLAGS for word in ("--agg", flag)]
    run_tidegate(
        "aggregate",
        real_trades,
        *["--every", "1s", "--on", "time", "--by", "symbol"],
        *asked,
        "-o",
        target,
    )
    made = pq.read_table(target) if suffix == "parquet" else pa.ipc.open_file(target).read_all()
    assert_same_bits(plain(made), plain(bars))
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_on_any_number_of_threads_they_are_the_same_to_the_bit(trades, bars, threads):
    got = tg.aggregate(trades, tg.Tumbling("1s"), **OPTIONS, threads=threads, **PLAN)
    assert_same_bits(got, bars)


def test_from_pandas_and_polars_they_are_the_same(trades, bars):
    pl = pytest.importorskip("polars")
    expected = plain(bars).drop_columns(["window_start", "window_end"])
    for frame in (trades.to_pandas(), pl.from_arrow(trades)):
        made = tg.aggregate(frame, tg.Tumbling("1s"), **OPTIONS, **PLAN)
        assert type(made) is type(frame)
        table = pa.table(made[["symbol", *PLAN]])
        table = plain(table).cast(expected.schema)
        assert_same_bits(table.replace_schema_metadata(), expected)


def test_they_are_what_pandas_makes_of_them(trades, bars):
    frame = trades.to_pandas().astype({"symbol": str})
    frame["product"] = frame["price"] * frame["size"]
    groups = frame.groupby(["symbol", pd.Grouper(key="time", freq="1s")])
    theirs = pd.concat(
        [groups["price"].ohlc(), groups[["size", "product"]].sum(), groups.size().rename("trades")],
        axis=1,
    ).query("trades > 0")
    mine = plain(bars).to_pandas().set_index(["symbol", "window_start"])
    theirs = theirs.loc[mine.index]
    assert len(theirs) == len(mine) == bars.num_rows
    for name in ("open", "high", "low", "close", "trades"):
        assert (mine[name] == theirs[name]).all(), name
    for name, expected in {
        "volume": theirs["size"],
        "vwap": theirs["product"] / theirs["size"],
    }.items():
        assert ((mine[name] - expected).abs() <= PANDAS_RELATIVE_ERROR * expected.abs()).all(), name


def test_sums_are_the_exact_ones_rounded_once(trades, bars):
    exact = {}
    columns = [trades["time"].cast(pa.int64()), *(trades[n] for n in ("symbol", "price", "size"))]
    for time, symbol, price, size in zip(*(c.to_pylist() for c in columns), strict=True):
        bar = exact.setdefault((symbol, time // 10**9 * 10**9), [Fraction(), Fraction()])
        bar[0] += Fraction(price) * Fraction(size)
        bar[1] += Fraction(size)
    starts = bars["window_start"].cast(pa.int64()).to_pylist()
    rows = zip(plain(bars).to_pylist(), starts, strict=True)
    for row, start in rows:
        turnover, volume = exact.pop((row["symbol"], start))
        assert row["volume"] == nearest_float(volume)
        rounded = nearest_float(turnover / volume)
        assert abs(row["vwap"] - rounded) <= math.ulp(rounded)
    assert not exact


def test_minute_bars_every_second_slide(trades):
    plan = {"mean": agg.mean("price"), "width": agg.std("price"), "n": agg.rows()}
    slid = tg.aggregate(trades, tg.Sliding("60s", "1s"), **OPTIONS, **plan)
    whole = tg.aggregate(trades, tg.Tumbling("60s"), **OPTIONS, **plan)
    minutes = {(row["symbol"], row["window_start"]): row for row in plain(whole).to_pylist()}
    met = 0
    for row in plain(slid).to_pylist():
        same = minutes.get((row["symbol"], row["window_start"]))
        if same is not None:
            met += 1
            assert row["n"] == same["n"]
            assert row["mean"] == pytest.approx(same["mean"], rel=1e-15)
            assert row["width"] == pytest.approx(same["width"], rel=1e-12)
    assert met == whole.num_rows
