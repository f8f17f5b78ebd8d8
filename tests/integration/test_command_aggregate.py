"""`tidegate aggregate`, end to end: files in, the bars that Python would give out, or one line."""

import gzip
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

import tidegate as tg
from tidegate import agg

Run = Callable[..., subprocess.CompletedProcess[str]]

COMMAND = [sys.executable, "-m", "tidegate", "aggregate"]
PLAN = ["--every", "1s", "--on", "time", "--by", "symbol"]
AGGS = ["--agg", "ohlcv(price,size)", "--agg", "vwap=vwap(price, size)", "--agg", "rows()"]


def ticks(n_rows: int = 3_000, *, shuffle: int = 0) -> pa.Table:
    """Ticks about 10 ms apart; each may be moved by up to `shuffle` places."""
    rng = np.random.default_rng(7)
    order = np.argsort(np.arange(n_rows) + rng.uniform(0, shuffle, n_rows), kind="stable")
    times = 1_700_000_000_000_000_000 + np.cumsum(rng.integers(0, 20_000_000, n_rows))
    return pa.table(
        {
            "time": pa.array(times[order]).cast(pa.timestamp("ns")),
            "symbol": pa.array([f"S{i}" for i in rng.integers(0, 5, n_rows)]),
            "price": np.round(100 + rng.normal(size=n_rows), 3),
            "size": rng.integers(1, 100, n_rows),
        }
    )


def bars(table: pa.Table, **options: object) -> pa.Table:
    return tg.aggregate(
        table,
        tg.Tumbling("1s"),
        agg.ohlcv("price", "size"),
        agg.vwap("price", "size").named("vwap"),
        agg.rows(),
        on="time",
        by="symbol",
        **options,
    )


def write(table: pa.Table, path: Path, **options: object) -> Path:
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        pq.write_table(table, path, **options)
    elif kind == "csv":
        pa_csv.write_csv(table, path)
    elif kind in ("arrow", "arrows"):
        make = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
        with make(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=1000)
    else:
        text = table.set_column(0, "time", table["time"].cast(pa.string()))
        path.write_text("".join(json.dumps(row) + "\n" for row in text.to_pylist()))
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def read(path: Path) -> pa.Table:
    if path.suffix == ".parquet":
        return pq.read_table(path)
    if path.suffix == ".csv":
        return pa_csv.read_csv(path)
    opener = pa.ipc.open_file if path.suffix == ".arrow" else pa.ipc.open_stream
    return opener(path).read_all()


def start(*arguments: str | Path, **options: object) -> subprocess.Popen[bytes]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **options)


def feed(content: bytes, *arguments: str | Path) -> bytes:
    """Run with standard input and give what comes from standard output."""
    command = [*COMMAND, *map(str, arguments)]
    done = subprocess.run(command, input=content, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_one_line(text: str) -> bool:
    return text.count("\n") == 1 and text.endswith("\n")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(ticks(), tmp_path / "ticks.parquet", row_group_size=700)


# ------------------------------------------------------------------------------ the right answer


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson", "arrow", "arrows", "csv.gz"])
def test_every_input_format_gives_the_bars_that_python_gives(
    tmp_path: Path, run_tidegate: Run, suffix: str
) -> None:
    path = write(ticks(), tmp_path / f"ticks.{suffix}")
    run_tidegate("aggregate", path, *PLAN, *AGGS, "-o", tmp_path / "bars.parquet")
    assert read(tmp_path / "bars.parquet").equals(bars(ticks()))


@pytest.mark.parametrize("suffix", ["arrow", "arrows", "csv"])
def test_every_output_format_holds_the_same_bars(
    source: Path, tmp_path: Path, run_tidegate: Run, suffix: str
) -> None:
    output = tmp_path / f"bars.{suffix}"
    run_tidegate("aggregate", source, *PLAN, *AGGS, "-o", output)
    assert read(output).cast(bars(ticks()).schema).equals(bars(ticks()))


def test_ndjson_output_holds_the_same_bars(source: Path, tmp_path: Path, run_tidegate: Run) -> None:
    run_tidegate("aggregate", source, *PLAN, *AGGS, "-o", tmp_path / "bars.ndjson")
    lines = (tmp_path / "bars.ndjson").read_text().splitlines()
    expected = bars(ticks()).drop_columns(["window_start", "window_end"]).to_pylist()
    found = [json.loads(line) for line in lines]
    assert found[0]["window_start"] == "2023-11-14T22:13:20.000000000"
    assert [{name: row[name] for name in expected[0]} for row in found] == expected


def test_several_files_a_folder_and_a_glob_are_read_as_one_input(
    tmp_path: Path, run_tidegate: Run
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for k in range(3):
        write(ticks().slice(k * 1000, 1000), folder / f"part-{k}.parquet")
    (folder / "_SUCCESS").write_text("")
    (folder / ".hidden.parquet").write_text("")
    (folder / "notes.txt").write_text("")
    for inputs in (sorted(folder.glob("part-*")), [folder], [f"{folder}/part-?.parquet"]):
        run_tidegate("aggregate", *inputs, *PLAN, *AGGS, "-o", tmp_path / "bars.parquet")
        assert read(tmp_path / "bars.parquet").equals(bars(ticks()))


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson", "arrow", "arrows"])
def test_standard_input_to_standard_output(tmp_path: Path, suffix: str) -> None:
    content = write(ticks(), tmp_path / f"ticks.{suffix}").read_bytes()
    options = ["--format", suffix, "-o", "-", "--output-format", "arrows"]
    output = feed(content, "-", *PLAN, *AGGS, *options)
    assert pa.ipc.open_stream(output).read_all().equals(bars(ticks()))


def test_parquet_to_standard_output_is_a_whole_file(source: Path) -> None:
    output = feed(b"", source, *PLAN, *AGGS, "-o", "-", "--output-format", "parquet")
    assert pq.read_table(pa.BufferReader(output)).equals(bars(ticks()))


def test_sliding_windows_and_several_keys(tmp_path: Path, run_tidegate: Run) -> None:
    table = pa.table({"t": [0, 7, 12], "a": [1, 1, 2], "b": ["x", "x", "y"], "v": [1.0, 2.0, 4.0]})
    path = write(table, tmp_path / "in.parquet")
    options = ["--every", "5", "--period", "10", "--on", "t", "--agg", "sum(v)"]
    for by in (["--by", "a,b"], ["--by", "a", "--by", "b"]):
        run_tidegate("aggregate", path, *options, *by, "-o", tmp_path / "out.parquet")
        expected = tg.aggregate(table, tg.Sliding(10, 5), agg.sum("v"), on="t", by=["a", "b"])
        assert read(tmp_path / "out.parquet").equals(expected)


def test_results_come_in_the_order_and_under_the_names_given(
    source: Path, tmp_path: Path, run_tidegate: Run
) -> None:
    options = ["--agg", "b=max(price)", "--agg", "first(price)", "--agg", "by=std(size, ddof=0)"]
    run_tidegate("aggregate", source, *PLAN, *options, "-o", tmp_path / "bars.parquet")
    assert read(tmp_path / "bars.parquet").column_names == [
        *("symbol", "window_start", "window_end"),
        *("b", "price_first", "by"),
    ]


def test_options_of_an_aggregation_are_numbers_words_and_flags(
    source: Path, tmp_path: Path, run_tidegate: Run
) -> None:
    written = {
        "p90": "quantile(price, q=0.9, interpolation=lower)",
        "lopsided": "skew(price, bias=true)",
        "rise": "slope(price)",
        "beta": "slope(price, size)",
        "all": "collect(size)",
    }
    options = [word for name, text in written.items() for word in ("--agg", f"{name}={text}")]
    run_tidegate("aggregate", source, *PLAN, *options, "-o", tmp_path / "bars.parquet")
    wanted = {
        "p90": agg.quantile("price", 0.9, "lower"),
        "lopsided": agg.skew("price", bias=True),
        "rise": agg.slope("price"),
        "beta": agg.slope("price", "size"),
        "all": agg.collect("size"),
    }
    got = read(tmp_path / "bars.parquet")
    expected = tg.aggregate(ticks(), tg.Tumbling("1s"), on="time", by="symbol", **wanted)
    for name in wanted:
        assert got[name].to_pylist() == expected[name].to_pylist(), name


def test_rows_out_of_order_across_row_groups_are_all_used_without_lateness(
    tmp_path: Path, run_tidegate: Run
) -> None:
    table = ticks(shuffle=1500)
    path = write(table, tmp_path / "ticks.parquet", row_group_size=250)
    run_tidegate("aggregate", path, *PLAN, *AGGS, "-o", tmp_path / "bars.parquet")
    assert read(tmp_path / "bars.parquet").equals(bars(table))


def test_late_and_rejected_rows_come_out_on_a_side_of_their_own(
    tmp_path: Path, run_tidegate: Run
) -> None:
    table = ticks(shuffle=1500)
    times = table["time"].to_pylist()
    times[5] = None
    table = table.set_column(0, "time", pa.array(times, pa.timestamp("ns")))
    path = write(table, tmp_path / "ticks.parquet")
    output, late = tmp_path / "bars.parquet", tmp_path / "late.parquet"
    options = ["--lateness", "2s", "--late-out", late, "-o", output, "--json"]
    done = run_tidegate("aggregate", path, *PLAN, *AGGS, *options)
    side = tg.Side()
    assert read(output).equals(bars(table, lateness="2s", side=side))
    assert read(late).equals(side.late)
    summary = json.loads(done.stdout)
    assert summary["late"] > 0
    assert summary["rejected"] == 1
    assert summary["rows_in"] == 3000
    assert summary["used"] + summary["late"] + summary["rejected"] + summary["pending"] == 3000


def test_late_rows_that_go_nowhere_are_counted_and_said(tmp_path: Path, run_tidegate: Run) -> None:
    path = write(ticks(shuffle=1500), tmp_path / "ticks.parquet")
    output = tmp_path / "bars.parquet"
    done = run_tidegate("aggregate", path, *PLAN, *AGGS, "--lateness", "0s", "-o", output)
    assert "rows were late, 0 rejected" in done.stderr
    assert "--late-out FILE keeps them" in done.stderr


def test_an_input_without_rows_gives_an_output_without_rows(
    tmp_path: Path, run_tidegate: Run
) -> None:
    for path in (
        write(ticks(0), tmp_path / "ticks.parquet"),
        write(ticks(0), tmp_path / "ticks.csv"),
        write(ticks(0), tmp_path / "ticks.arrows"),
    ):
        run_tidegate("aggregate", path, *PLAN, *AGGS, "-o", tmp_path / "bars.arrow")
        assert read(tmp_path / "bars.arrow").num_rows == 0
        assert read(tmp_path / "bars.arrow").column_names == bars(ticks(3)).column_names


def test_the_summary_is_one_json_document(source: Path, tmp_path: Path, run_tidegate: Run) -> None:
    output = tmp_path / "bars.parquet"
    done = run_tidegate("aggregate", source, *PLAN, *AGGS, "-o", output, "--json")
    summary = json.loads(done.stdout)
    assert summary["schema"] == "tidegate.aggregate/1"
    assert summary["inputs"] == [str(source)]
    assert summary["output"] == str(output)
    assert summary["windows"] == read(output).num_rows
    assert (summary["rows_in"], summary["used"]) == (3000, 3000)


def test_an_existing_output_is_replaced(source: Path, tmp_path: Path, run_tidegate: Run) -> None:
    (tmp_path / "bars.csv").write_text("old")
    run_tidegate("aggregate", source, *PLAN, *AGGS, "-o", tmp_path / "bars.csv")
    assert names_in(tmp_path) == ["bars.csv", "ticks.parquet"]
    assert read(tmp_path / "bars.csv").num_rows == bars(ticks()).num_rows


def test_memory_does_not_grow_with_the_input(tmp_path: Path, run_tidegate: Run) -> None:
    peaks = []
    for n_rows in (1 << 18, 1 << 22):
        table = pa.table({"time": np.arange(n_rows), "price": np.arange(n_rows, dtype=float)})
        path = write(table, tmp_path / "ticks.parquet", row_group_size=1 << 18)
        options = ["--every", "10", "--on", "time", "--agg", "mean(price)", "--json"]
        done = run_tidegate("aggregate", path, *options, "-o", tmp_path / "bars.parquet")
        peaks.append(json.loads(done.stdout)["peak_rss_bytes"])
    assert peaks[1] < peaks[0] + (64 << 20)


# -------------------------------------------------------------------------------- what goes wrong


def lacking(folder: Path, name: str, content: str | bytes | None = None) -> Path:
    if content is not None:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / name


BAD_INPUTS: dict[str, tuple[str, str | bytes | None, str]] = {
    "missing": ("gone.parquet", None, "there is no such file"),
    "not what it says": ("ticks.parquet", "time,symbol,price,size\n", "is not Parquet"),
    "empty": ("ticks.csv", "", "is empty"),
    "truncated": ("ticks.parquet", b"PAR1" + bytes(100), "is damaged, cut short"),
    "no such column": ("ticks.csv", "time,symbol,price\n1,a,2\n", "there is no column 'size'"),
    "ragged": ("ticks.csv", "time,symbol,price,size\n1,a,2,3\n1,a\n", "line 3: 2 fields where"),
    "bad json": ("ticks.ndjson", '{"time": 1}\n{"time" 2}\n', "line 2"),
    "not utf-8": ("ticks.csv", b"time,symbol,price,size\n1,\xff,2,3\n", "'symbol' is not UTF-8"),
    "utf-16": ("ticks.csv", "time,symbol,price,size\n".encode("utf-16"), "convert it to UTF-8"),
    "no unit": ("ticks.csv", "time,symbol,price,size\n1,a,2,3\n", "has no unit"),
    "not a time": ("ticks.csv", "time,symbol,price,size\nx,a,2,3\n", "'time'"),
    "no match": ("*.parquet", None, "no file is named like this"),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_a_bad_input_is_one_line_and_exit_1(tmp_path: Path, run_tidegate: Run, case: str) -> None:
    name, content, says = BAD_INPUTS[case]
    path = lacking(tmp_path, name, content)
    before = names_in(tmp_path)
    done = run_tidegate("aggregate", path, *PLAN, *AGGS, "-o", tmp_path / "bars.parquet", code=1)
    assert says in done.stderr
    assert is_one_line(done.stderr)
    assert names_in(tmp_path) == before


def test_an_error_in_the_middle_removes_the_temporary_file(
    tmp_path: Path, run_tidegate: Run
) -> None:
    text = "time,symbol,price,size\n" + "2024-01-01T00:00:00,a,2,3\n" * 300_000 + "1,a,x,3\n"
    path = lacking(tmp_path, "ticks.csv", text)
    (tmp_path / "bars.parquet").write_text("old")
    output = tmp_path / "bars.parquet"
    done = run_tidegate("aggregate", path, *PLAN, *AGGS, "-o", output, code=1)
    assert "line 300002" in done.stderr
    assert names_in(tmp_path) == ["bars.parquet", "ticks.csv"]
    assert output.read_text() == "old"


def test_types_may_be_given_where_the_first_lines_mislead(
    tmp_path: Path, run_tidegate: Run
) -> None:
    path = lacking(tmp_path, "in.csv", "t,zip,v\n0,007,1\n1,7,2\n")
    options = ["--every", "10", "--on", "t", "--by", "zip", "--agg", "sum(v)"]
    types = ["--type", "zip=string", "--type", "v=float64"]
    run_tidegate("aggregate", path, *options, *types, "-o", tmp_path / "out.arrow")
    found = read(tmp_path / "out.arrow").select(["zip", "v_sum"]).to_pylist()
    assert found == [{"zip": "007", "v_sum": 1.0}, {"zip": "7", "v_sum": 2.0}]
    types = ["--type", "zap=string"]
    done = run_tidegate("aggregate", path, *options, *types, "-o", tmp_path / "o.arrow", code=2)
    assert "that column is not used" in done.stderr


def test_a_limit_that_is_passed_is_named_and_can_be_raised(
    source: Path, tmp_path: Path, run_tidegate: Run
) -> None:
    output = ["-o", tmp_path / "bars.parquet"]
    limit = ["--limit", "max_keys=3"]
    done = run_tidegate("aggregate", source, *PLAN, *AGGS, *limit, *output, code=1)
    assert "raise max_keys" in done.stderr
    run_tidegate("aggregate", source, *PLAN, *AGGS, "--limit", "max_keys=5", *output)


def test_an_empty_folder_and_one_of_two_formats_are_refused(
    tmp_path: Path, run_tidegate: Run
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    output = ["-o", tmp_path / "bars.parquet"]
    done = run_tidegate("aggregate", folder, *PLAN, *AGGS, *output, code=1)
    assert "holds no file of a known format" in done.stderr
    write(ticks(), folder / "a.parquet")
    write(ticks(), folder / "a.csv")
    done = run_tidegate("aggregate", folder, *PLAN, *AGGS, *output, code=1)
    assert "holds csv and parquet; choose one with --format" in done.stderr
    run_tidegate("aggregate", folder, *PLAN, *AGGS, *output, "--format", "csv")
    assert read(tmp_path / "bars.parquet").equals(bars(ticks()))


def test_an_input_named_twice_is_refused(source: Path, tmp_path: Path, run_tidegate: Run) -> None:
    output = tmp_path / "out" / "bars.parquet"
    done = run_tidegate("aggregate", source, tmp_path, *PLAN, *AGGS, "-o", output, code=1)
    assert "is given twice" in done.stderr


def test_files_of_different_schemas_are_refused(tmp_path: Path, run_tidegate: Run) -> None:
    first = write(ticks(), tmp_path / "a.parquet")
    other = ticks().set_column(2, "price", ticks()["size"])
    second = write(other, tmp_path / "b.parquet")
    output = tmp_path / "bars.parquet"
    done = run_tidegate("aggregate", first, second, *PLAN, *AGGS, "-o", output, code=1)
    assert "b.parquet: column 'price' is int64, but double in" in done.stderr


def test_statistics_that_lie_are_found_out(tmp_path: Path, run_tidegate: Run) -> None:
    mark = 0x1122334455667788
    table = pa.table({"t": [mark + 100, mark + 101, mark, mark + 300]})
    path = write(table, tmp_path / "in.parquet", row_group_size=2, use_dictionary=False)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    data, footer = content[: -8 - length], content[-8 - length :]
    lie = footer.replace(mark.to_bytes(8, "little"), (mark + 200).to_bytes(8, "little"))
    path.write_bytes(data + lie)
    options = ["--every", "10", "--on", "t", "--agg", "rows()", "-o", tmp_path / "out.parquet"]
    done = run_tidegate("aggregate", path, *options, code=1)
    assert "1 rows are earlier than the statistics of their Parquet file say" in done.stderr
    run_tidegate("aggregate", path, *options, "--lateness", "1000")
    assert read(tmp_path / "out.parquet")["rows"].to_pylist() == [1, 2, 1]


USAGE_ERRORS: dict[str, tuple[list[str], str]] = {
    "no aggregation": ([], "give --agg"),
    "unknown function": (["--agg", "x=frist(price)"], "there is no function 'frist'; there are"),
    "not a function": (["--agg", "__import__('os')"], "there is no function '__import__'"),
    "private": (["--agg", "_column(price)"], "there is no function '_column'"),
    "wrong columns": (["--agg", "vwap(price)"], "write vwap(price, size)"),
    "wrong option": (["--agg", "std(price, dof=1)"], "write std(column, ddof=NUMBER)"),
    "too many columns": (["--agg", "slope(a, b, c)"], "write slope(y, [x])"),
    "a flag": (["--agg", "skew(price, biased=1)"], "write skew(column, bias=true|false)"),
    "a word": (["--agg", "quantile(price, interpolation=cubic)"], "interpolation is 'cubic'"),
    "bad option": (["--agg", "std(price, ddof=1.5)"], "ddof is 1.5"),
    "not closed": (["--agg", "first(price"], "is missing before 'the end'"),
    "same name": (["--agg", "rows()", "--agg", "rows()"], "two results are named 'rows'"),
    "bad duration": (["--agg", "rows()", "--every", "1 second"], "Invalid value for '--every'"),
    "no length": (["--agg", "rows()", "--every", "0s"], "0s is too short"),
    "bad type": (["--agg", "rows()", "--type", "price=money"], "--type price=money: expected"),
    "useless type": (["--agg", "rows()", "--type", "symbol=string"], "is for CSV and NDJSON"),
    "bad limit": (["--agg", "rows()", "--limit", "max_rows=1"], "--limit max_rows=1: expected"),
    "json twice": (
        ["--agg", "rows()", "--json", "-o", "-", "--output-format", "csv"],
        "both want standard output",
    ),
    "no format": (["--agg", "rows()", "-o", "bars.xlsx"], "give --output-format"),
    "unknown option": (["--agg", "rows()", "--evry", "1s"], "No such option"),
    "two windows": (["--agg", "rows()", "--calendar", "day"], "one of them"),
    "zone of a length": (["--agg", "rows()", "--tz", "UTC"], "--every has none"),
    "no such unit": (["--agg", "rows()", "--calendar", "fortnight"], "is not one of day, week"),
}


@pytest.mark.parametrize("case", USAGE_ERRORS)
def test_wrong_usage_is_one_line_and_exit_2(
    source: Path, tmp_path: Path, run_tidegate: Run, case: str
) -> None:
    options, says = USAGE_ERRORS[case]
    output = tmp_path / "bars.parquet"
    done = run_tidegate("aggregate", source, *PLAN, "-o", output, *options, code=2)
    assert says in done.stderr
    assert "tidegate aggregate --help" in done.stderr
    assert is_one_line(done.stderr)
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "give --every DURATION, --calendar UNIT"),
        (["--calendar", "day", "--period", "1d"], "--period is the length"),
        (["--calendar", "day", "--tz", "Mars/Olympus"], "no time zone that is known"),
        (["--calendar", "0 days"], "n is 0"),
    ],
)
def test_wrong_calendar_is_one_line_and_exit_2(
    source: Path, tmp_path: Path, run_tidegate: Run, options: list[str], says: str
) -> None:
    output = tmp_path / "bars.parquet"
    options = [*options, "--on", "time", "--agg", "rows()"]
    done = run_tidegate("aggregate", source, *options, "-o", output, code=2)
    assert says in done.stderr
    assert is_one_line(done.stderr)


@pytest.mark.parametrize("empty", ["skip", "null", "zero", "carry"])
def test_windows_without_rows_come_out_as_asked_for(
    tmp_path: Path, run_tidegate: Run, empty: str
) -> None:
    table = pa.table({"t": [1, 25, 52], "v": [1, 2, 3]})
    source, output = write(table, tmp_path / "rows.parquet"), tmp_path / "out.parquet"
    options = ["--every", "10", "--on", "t", "--agg", "max(v)", "--empty", empty, "-o", output]
    run_tidegate("aggregate", source, *options)
    window = tg.Tumbling(10, empty=empty)
    assert read(output).equals(tg.aggregate(table, window, agg.max("v"), on="t"))


@pytest.mark.parametrize("name", ["ticks.parquet", "ticks.csv"])
def test_calendar_windows_are_those_that_python_gives(
    tmp_path: Path, run_tidegate: Run, name: str
) -> None:
    times = np.arange("2024-01-15T07", "2024-12-20T00", dtype="M8[h]").astype("M8[s]")
    table = pa.table({"time": times, "v": np.arange(len(times))})
    source, output = write(table, tmp_path / name), tmp_path / "out.parquet"
    options = ["--calendar", "2 weeks", "--tz", "America/New_York", "--on", "time"]
    run_tidegate("aggregate", source, *options, "--agg", "sum(v)", "-o", output)
    weeks = tg.Calendar("week", 2, "America/New_York")
    expected = tg.aggregate(table, weeks, agg.sum("v"), on="time")
    assert read(output)["v_sum"] == expected["v_sum"]
    starts = read(output)["window_start"].cast(pa.timestamp("s"))
    assert starts == expected["window_start"]


def test_calendar_of_times_without_a_unit_is_one_line_and_exit_1(
    tmp_path: Path, run_tidegate: Run
) -> None:
    source = write(pa.table({"t": [1, 2]}), tmp_path / "ints.parquet")
    options = ["--calendar", "day", "--on", "t", "--agg", "rows()", "-o", tmp_path / "o.parquet"]
    done = run_tidegate("aggregate", source, *options, code=1)
    assert "cast it to a timestamp" in done.stderr
    assert is_one_line(done.stderr)


def test_standard_input_needs_a_format(tmp_path: Path, run_tidegate: Run) -> None:
    done = run_tidegate("aggregate", "-", *PLAN, *AGGS, "-o", tmp_path / "b.parquet", code=2)
    assert "give --format" in done.stderr


def test_an_output_that_is_an_input_is_refused(
    source: Path, tmp_path: Path, run_tidegate: Run
) -> None:
    link = tmp_path / "link.parquet"
    link.symlink_to(source)
    before = source.read_bytes()
    for output in (source, link, tmp_path / "." / "ticks.parquet"):
        done = run_tidegate("aggregate", source, *PLAN, *AGGS, "-o", output, code=2)
        assert "is the input" in done.stderr
    late = ["--late-out", tmp_path / "b.csv", "-o", tmp_path / "b.csv"]
    done = run_tidegate("aggregate", source, *PLAN, *AGGS, *late, code=2)
    assert "is the same file as --output" in done.stderr
    assert source.read_bytes() == before


@pytest.mark.parametrize("place", ["missing/bars.parquet", "ticks.parquet/bars.parquet", "folder"])
def test_a_place_that_cannot_be_written_is_one_line(
    source: Path, tmp_path: Path, run_tidegate: Run, place: str
) -> None:
    (tmp_path / "folder").mkdir()
    options = ["-o", tmp_path / place, "--output-format", "parquet"]
    done = run_tidegate("aggregate", source, *PLAN, *AGGS, *options, code=1)
    assert f"{tmp_path / place}: cannot be written" in done.stderr
    assert is_one_line(done.stderr)


@pytest.mark.parametrize("name", ["parquet", "csv", "ndjson", "arrow", "arrows"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    source: Path, tmp_path: Path, name: str
) -> None:
    options = [*PLAN, *AGGS, "-o", tmp_path / f"bars.{name}"]
    before = names_in(tmp_path)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # noqa: E731
    with start(source, *options, preexec_fn=limit) as process:
        message = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 1
    assert "cannot be written: File too large" in message
    assert is_one_line(message)
    assert names_in(tmp_path) == before


def test_a_device_without_space_is_one_line(source: Path, run_tidegate: Run) -> None:
    options = ["-o", "/dev/full", "--output-format", "csv"]
    done = run_tidegate("aggregate", source, *PLAN, *AGGS, *options, code=1)
    assert "/dev/full: cannot be written: No space left on device" in done.stderr
    assert is_one_line(done.stderr)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_removes_the_temporary_file_and_sets_the_exit_code(
    tmp_path: Path, number: int, code: int
) -> None:
    output = tmp_path / "bars.csv"
    output.write_text("old")
    options = [*PLAN, *AGGS, "--format", "csv", "-o", output]
    line = b"2024-01-01T00:00:00,a,2,3\n"
    with start("-", *options, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"time,symbol,price,size\n" + line * 400_000)
        process.stdin.flush()  # and the pipe stays open, with nothing more in it
        wait_until(lambda: len(names_in(tmp_path)) == 2)
        process.send_signal(number)
        assert process.wait(timeout=30) == code
        assert process.stderr is not None
        message = process.stderr.read().decode()
    assert message == f"tidegate: stopped by {signal.Signals(number).name}\n"
    assert names_in(tmp_path) == ["bars.csv"]
    assert output.read_text() == "old"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_a_reader_of_standard_output_that_leaves_is_no_traceback(source: Path) -> None:
    options = [*PLAN, *AGGS, "-o", "-", "--output-format", "csv"]
    read_end, write_end = os.pipe()
    os.close(read_end)
    with start(source, *options, stdout=write_end) as process:
        os.close(write_end)
        message = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 1
    assert "Traceback" not in message
    assert "Exception ignored" not in message


def test_debug_adds_the_traceback(tmp_path: Path, run_tidegate: Run) -> None:
    options = [tmp_path / "gone.csv", *PLAN, *AGGS, "-o", tmp_path / "bars.csv"]
    for arguments in (["aggregate", "--debug", *options], ["--debug", "aggregate", *options]):
        done = run_tidegate(*arguments, code=1)
        assert "Traceback" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("tidegate: ")


# ----------------------------------------------------------------------------------- what it shows


def on_a_terminal(arguments: Iterable[str | Path]) -> str:
    """Run with standard error on a terminal, and give what that showed."""
    ours, theirs = pty.openpty()
    command = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 1 << 16)
            except OSError:  # the other side is closed
                break
        assert process.wait(timeout=60) == 0
    os.close(ours)
    return shown.decode()


def test_a_terminal_sees_a_progress_bar_with_rows_per_second(source: Path, tmp_path: Path) -> None:
    shown = on_a_terminal([source, *PLAN, *AGGS, "-o", tmp_path / "bars.parquet"])
    assert "rows/s" in shown
    assert "100%" in shown


def test_a_file_sees_one_line(source: Path, tmp_path: Path, run_tidegate: Run) -> None:
    output = tmp_path / "bars.parquet"
    done = run_tidegate("aggregate", source, *PLAN, *AGGS, "-o", output)
    assert done.stdout == ""
    assert is_one_line(done.stderr)
    assert done.stderr.startswith(f"3,000 rows -> {bars(ticks()).num_rows:,} windows in ")


@pytest.mark.parametrize("command", [[], ["aggregate"], ["demo"]])
def test_help_shows_an_example(run_tidegate: Run, command: list[str]) -> None:
    assert "Example: tidegate" in run_tidegate(*command, "--help").stdout


def test_no_command_shows_the_help_and_is_wrong_usage(run_tidegate: Run) -> None:
    assert "Usage: tidegate" in run_tidegate(code=2).stderr


def test_nothing_heavy_is_imported_that_is_not_used(source: Path, tmp_path: Path) -> None:
    options = [source, *PLAN, *AGGS, "-o", tmp_path / "bars.csv"]
    command = [sys.executable, "-X", "importtime", *COMMAND[1:], *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "pyarrow.parquet" in imported
    heavy = ["pandas.core", "polars", "rich", "psutil", "pyarrow.dataset", "pyarrow.flight"]
    assert [name for name in heavy if name in imported] == []


def test_options_of_time_are_those_of_python(run_tidegate: Run, tmp_path: Path) -> None:
    table = ticks(shuffle=600)
    times = table["time"].cast(pa.int64()).to_numpy().copy()
    times[1_000] += 10**15
    table = table.set_column(0, "time", pa.array(times).cast(pa.timestamp("ns")))
    source = write(table, tmp_path / "ticks.parquet")
    output = tmp_path / "bars.parquet"
    options = ["--lateness", "1s", "--allowed-lateness", "2s", "--max-jump", "1h", "--ttl", "1m"]
    run_tidegate("aggregate", source, *PLAN, *AGGS, *options, "-o", output)
    expected = bars(
        table, lateness="1s", allowed_lateness="2s", max_jump="1h", ttl="1m", side=tg.Side()
    )
    assert max(expected["revision"].to_pylist()) > 0
    assert read(output).equals(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--allowed-lateness", "2s"], "give --lateness too"),
        (["--ttl", "2s"], "give --lateness too"),
        (["--lateness", "1s", "--ttl", "2s", "--empty", "zero"], "--empty zero"),
    ],
)
def test_options_of_time_that_do_not_go_together_are_wrong_usage(
    run_tidegate: Run, tmp_path: Path, options: list[str], message: str
) -> None:
    source = write(ticks(10), tmp_path / "ticks.parquet")
    done = run_tidegate(
        "aggregate", source, *PLAN, *AGGS, *options, "-o", tmp_path / "b.csv", code=2
    )
    assert message in done.stderr
