"""The command line against a Polars script, both as whole processes, Parquet to Parquet.

    pytest benchmarks/bench_cli.py -s

20 million ticks of 50 symbols become bars of one second. `TIDEGATE_BENCH_ROWS` sets another number
of ticks; a small one only checks that both give the same bars.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

FULL = 20_000_000
N_ROWS = int(os.environ.get("TIDEGATE_BENCH_ROWS", FULL))
N_ROUNDS = 3 if N_ROWS >= FULL else 1
N_SYMBOLS = 50
CHUNK = 1 << 20
MAX_PEAK_MIB = 300

SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("us")),
        ("symbol", pa.string()),
        ("price", pa.float64()),
        ("size", pa.int64()),
        ("venue", pa.string()),  # a column that nobody asks for
    ]
)

# Of another small process: what a process has had is counted from the one that started it.
LAUNCHER = """
import json, os, subprocess, sys, time
started = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
seconds = time.perf_counter() - started
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss / 1024]))
"""

POLARS = """
import sys
import polars as pl
(
    pl.scan_parquet(sys.argv[1])
    .set_sorted("time")
    .group_by_dynamic("time", every="1s", group_by="symbol")
    .agg(
        open=pl.col("price").first(),
        high=pl.col("price").max(),
        low=pl.col("price").min(),
        close=pl.col("price").last(),
        volume=pl.col("size").sum(),
        vwap=(pl.col("price") * pl.col("size")).sum() / pl.col("size").sum(),
    )
    .sink_parquet(sys.argv[2])
)
"""


class Measured(NamedTuple):
    """One run of a process."""

    seconds: float
    peak_mib: float


def run(command: list[str]) -> Measured:
    """Run a command from start to end; import, read, compute, write."""
    launcher = [sys.executable, "-S", "-c", LAUNCHER, *command]
    done = subprocess.run(launcher, capture_output=True, text=True, check=True)
    code, seconds, peak_mib = json.loads(done.stdout)
    assert code == 0, done.stderr
    return Measured(seconds, peak_mib)


def tidegate(source: Path, output: Path) -> list[str]:
    """Give the command of tidegate."""
    plan = ["--every", "1s", "--on", "time", "--by", "symbol"]
    aggs = ["--agg", "ohlcv(price,size)", "--agg", "vwap(price,size)"]
    command = [sys.executable, "-m", "tidegate", "aggregate", str(source)]
    return [*command, *plan, *aggs, "-o", str(output)]


def polars(source: Path, output: Path) -> list[str]:
    """Give the command of Polars."""
    return [sys.executable, "-c", POLARS, str(source), str(output)]


@pytest.fixture(scope="module")
def ticks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the ticks: 1 ms apart on average, of a symbol at random, in the order of their time."""
    path = tmp_path_factory.mktemp("bench") / "ticks.parquet"
    rng = np.random.default_rng(7)
    names = pa.array([f"SYM{i:02d}" for i in range(N_SYMBOLS)])
    now = 1_700_000_000_000_000
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for start in range(0, N_ROWS, CHUNK):
            n = min(CHUNK, N_ROWS - start)
            times = now + np.cumsum(rng.integers(1, 2000, n))
            now = int(times[-1])
            codes = rng.integers(0, N_SYMBOLS, n)
            walk = np.cumsum(rng.normal(0, 0.01, n))
            columns = [
                pa.array(times).cast(pa.timestamp("us")),
                names.take(pa.array(codes)),
                pa.array(np.round(100 + codes + walk, 2)),
                pa.array(rng.integers(1, 1000, n)),
                names.take(pa.array(rng.integers(0, 5, n))),
            ]
            writer.write_table(pa.table(columns, schema=SCHEMA))
    return path


def assert_equal_bars(ours: Path, theirs: Path) -> None:
    """Compare the bars, which come in different orders; all but the last digits of the vwap."""
    by = [("window_start", "ascending"), ("symbol", "ascending")]
    mine = pq.read_table(ours).sort_by(by)
    peer = pq.read_table(theirs)
    peer = peer.rename_columns(["window_start" if n == "time" else n for n in peer.column_names])
    peer = peer.sort_by(by)
    assert mine.num_rows == peer.num_rows > 0
    for name in ("window_start", "open", "high", "low", "close", "volume"):
        assert mine[name].cast(peer[name].type).equals(peer[name]), name
    assert pc.all(
        pc.equal(mine["symbol"].cast(pa.string()), peer["symbol"].cast(pa.string()))
    ).as_py()
    np.testing.assert_allclose(mine["vwap"].to_numpy(), peer["vwap"].to_numpy(), rtol=1e-12)


def test_aggregate_parquet_to_parquet(
    benchmark: BenchmarkFixture, ticks: Path, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours.parquet", tmp_path / "theirs.parquet"
    run(tidegate(ticks, ours))
    run(polars(ticks, theirs))
    assert_equal_bars(ours, theirs)
    peer = [run(polars(ticks, theirs)) for _ in range(N_ROUNDS)]
    mine: list[Measured] = []
    benchmark.pedantic(lambda: mine.append(run(tidegate(ticks, ours))), rounds=N_ROUNDS)
    best, best_peer = min(mine), min(peer)
    ratio = best_peer.seconds / best.seconds
    peak, peak_peer = (max(run.peak_mib for run in runs) for runs in (mine, peer))
    benchmark.extra_info |= {
        "rows": N_ROWS,
        "polars_seconds": best_peer.seconds,
        "ratio": ratio,
        "peak_mib": peak,
        "polars_peak_mib": peak_peer,
    }
    print(
        f"\n{N_ROWS:,} ticks, whole process: tidegate {best.seconds:.2f} s, {peak:.0f} MiB; "
        f"Polars {best_peer.seconds:.2f} s, {peak_peer:.0f} MiB; {ratio:.1f} times as fast"
    )
    assert peak < MAX_PEAK_MIB
    assert N_ROWS < FULL or ratio >= 1
