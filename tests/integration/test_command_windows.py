"""`tidegate aggregate` over windows that rows make: what Python would give out, or one line."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
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
    "look-back": (["--rolling", "20"], tg.Rolling(20)),
    "look-back by rows": (["--rolling-rows", "2"], tg.Rolling(rows=2)),
    "look-back before the row": (
        ["--rolling", "20", "--closed", "left", "--min-samples", "0"],
        tg.Rolling(20, closed="left", min_samples=0),
    ),
    "look-back by full rows": (
        ["--rolling-rows", "3", "--closed", "both", "--min-samples", "3"],
        tg.Rolling(rows=3, closed="both", min_samples=3),
    ),
    "look-back of peers": (["--rolling", "1", "--peers"], tg.Rolling(1, peers=True)),
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
    "edges of what": (["--every", "10", "--closed", "both"], "--closed goes with --rolling"),
    "samples of what": (["--count", "2", "--min-samples", "2"], "--min-samples goes with"),
    "peers of what": (["--session", "10", "--peers"], "--peers goes with --rolling"),
    "peers of rows": (["--rolling-rows", "3", "--peers"], "peers=True goes with a length of time"),
    "two look-backs": (["--rolling", "3", "--rolling-rows", "3"], "one of them"),
    "label of a look-back": (["--rolling", "3", "--label", "end"], "--label goes with"),
    "too many samples": (["--rolling-rows", "3", "--min-samples", "4"], "min_samples is 4"),
    "no look-back": (["--rolling-rows", "0"], "rows is 0"),
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


FORMATS_OF_LOOK_BACKS = ["csv", "ndjson", "arrow", "parquet"]


@pytest.mark.parametrize("format_", FORMATS_OF_LOOK_BACKS)
def test_look_backs_go_through_every_format(
    tmp_path: Path, run_tidegate: Run, format_: str
) -> None:
    source, output = tmp_path / "in.csv", tmp_path / f"out.{format_}"
    source.write_text("t,k,price\n2024-01-01T00:00:00,a,1\n2024-01-01T00:00:01,a,3\n")
    flags = ["--on", "t", "--by", "k", "--agg", "mean(price)", "--agg", "rows()"]
    done = run_tidegate("aggregate", source, "--rolling", "1s", *flags, "--json", "-o", output)
    assert json.loads(done.stdout)["windows"] == 2
    again = tmp_path / "again.csv"
    more = ["--agg", "x=sum(price_mean)", "--agg", "n=sum(rows)", "--on", "t", "--by", "k"]
    run_tidegate("aggregate", output, "--rolling-rows", "2", *more, "-o", again)
    lines = again.read_text().splitlines()
    assert lines[0].replace('"', "") == "k,t,x,n"
    assert [line.replace('"', "").split(",")[2:] for line in lines[1:]] == [["1", "1"], ["4", "2"]]


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_late_rows_of_look_backs_go_to_their_file(
    tmp_path: Path, run_tidegate: Run, format_: str
) -> None:
    source, output, late = (tmp_path / name for name in ("in.parquet", "o.parquet", "late.csv"))
    rows = pa.table({"t": [1, 9, 5, 4, 12], "k": ["a"] * 5, "price": [1.0, 2.0, 4.0, 8.0, 16.0]})
    pq.write_table(rows, source)
    if format_ == "csv":
        source = tmp_path / "in.csv"
        csv.write_csv(rows, source)
    flags = ["--rolling", "8", "--lateness", "4", "--agg", "total=sum(price)", "--on", "t"]
    run_tidegate("aggregate", source, *flags, "--late-out", late, "-o", output)
    assert pq.read_table(output)["total"].to_pylist() == [1.0, 5.0, 6.0, 22.0]
    (kept,) = csv.read_csv(late).to_pylist()
    assert (kept["t"], kept["price"], kept["reason"], kept["late_by"]) == (4, 8.0, "late", 1)


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
