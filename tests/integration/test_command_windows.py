"""`tidegate aggregate` over windows that rows make: what Python would give out, or one line."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tidegate as tg

Run = Callable[..., subprocess.CompletedProcess[str]]

ROWS = pa.table(
    {
        "t": [0, 4, 20, 9, 40, 24, 41, 43],
        "k": ["a", "b", "a", "b", "a", "b", "a", "b"],
        "price": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
        "size": [10, 20, 35, 5, 120, 7, 1, 3],
    }
)
AGGS = {"rows": tg.agg.rows(), "high": tg.agg.max("price")}
FLAGS = ["--agg", "rows=rows()", "--agg", "high=max(price)", "--on", "t", "--by", "k"]

WINDOWS = {
    "by its end": (["--every", "10", "--label", "end"], tg.Tumbling(10, label="end")),
    "by its start": (
        ["--every", "5", "--period", "10", "--label", "start"],
        tg.Sliding(10, 5, label="start"),
    ),
    "session": (["--session", "10"], tg.Session(10)),
    "longest session": (["--session", "10", "--max-duration", "15"], tg.Session(10, 15)),
    "count": (["--count", "2"], tg.Count(2)),
    "overlap": (["--count", "2", "--count-every", "1", "--complete-only"], tg.Count(2, 1, True)),
    "volume": (["--threshold", "size=40"], tg.Threshold("size", 40)),
    "dollars": (
        ["--threshold", "price*size = 1e2", "--overshoot", "carry"],
        tg.Threshold(("price", "size"), 100.0, overshoot="carry"),
    ),
    "split": (
        ["--threshold", "size=40", "--overshoot", "split", "--complete-only"],
        tg.Threshold("size", 40, overshoot="split", complete_only=True),
    ),
}


@pytest.mark.parametrize("case", WINDOWS)
def test_command_gives_what_python_gives(tmp_path: Path, run_tidegate: Run, case: str) -> None:
    flags, window = WINDOWS[case]
    source, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(ROWS, source)
    run_tidegate("aggregate", source, *flags, *FLAGS, "-o", output)
    expected = tg.aggregate(ROWS, window, on="t", by="k", **AGGS)
    assert pq.read_table(output).to_pylist() == expected.to_pylist()


ERRORS = {
    "two kinds": (["--session", "10", "--count", "2"], "one of them"),
    "longest of what": (["--count", "2", "--max-duration", "5"], "--max-duration goes with"),
    "every what": (["--session", "2", "--count-every", "5"], "--count-every goes with --count"),
    "overshoot of what": (["--count", "2", "--overshoot", "drop"], "--overshoot goes with"),
    "complete what": (["--session", "10", "--complete-only"], "--complete-only goes with"),
    "empty what": (["--session", "10", "--empty", "zero"], "--empty goes with"),
    "label of what": (["--session", "10", "--label", "end"], "--label goes with"),
    "zone of what": (["--count", "3", "--tz", "UTC"], "--tz goes with --calendar"),
    "no rows": (["--count", "0"], "n is 0"),
    "no limit": (["--threshold", "size"], "is not COLUMN=LIMIT"),
    "no number": (["--threshold", "size=much"], "the limit 'much' is no number"),
    "no end": (["--threshold", "size=inf"], "limit is inf"),
    "negative": (["--threshold", "size=-1"], "limit is -1"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_usage_is_one_line(tmp_path: Path, run_tidegate: Run, case: str) -> None:
    flags, says = ERRORS[case]
    source = tmp_path / "in.parquet"
    pq.write_table(ROWS, source)
    done = run_tidegate("aggregate", source, *flags, *FLAGS, "-o", tmp_path / "o.csv", code=2)
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("threads", ["1", "3"])
def test_threads_do_not_show(tmp_path: Path, run_tidegate: Run, threads: str) -> None:
    n = 80_000
    rows = pa.table({"t": range(n), "k": [i * 7 % 30 for i in range(n)], "price": [0.1] * n})
    source, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(rows, source)
    flags = ["--every", "1000", "--agg", "total=sum(price)", "--on", "t", "--by", "k"]
    run_tidegate("aggregate", source, *flags, "--threads", threads, "-o", output)
    total = tg.agg.sum("price")
    expected = tg.aggregate(rows, tg.Tumbling(1000), on="t", by="k", total=total)
    assert pq.read_table(output).equals(expected)
