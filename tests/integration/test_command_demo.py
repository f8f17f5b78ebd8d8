"""`tidegate demo`: it makes, aggregates and checks; and the check finds what is wrong."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tidegate.cli.demo_check import check
from tidegate.core.errors import TidegateError

Run = Callable[..., subprocess.CompletedProcess[str]]

FILES = [".tidegate-demo", "bars.parquet", "late.parquet", "ticks.parquet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, run_tidegate: Run) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    run_tidegate("demo", folder, "--rows", "50000")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def check_again(folder: Path, *, bars: Path | None = None, late: Path | None = None) -> None:
    check(
        folder / "ticks.parquet",
        bars or folder / "bars.parquet",
        late or folder / "late.parquet",
        lateness_s=2,
        n_samples=10_000,
    )


def test_it_says_what_it_did_and_where_the_files_are(folder: Path, run_tidegate: Run) -> None:
    done = run_tidegate("demo", folder, "--rows", "50000")
    assert sorted(contents(folder)) == FILES
    assert f"{folder}/ticks.parquet: 50,000 ticks of 20 symbols" in done.stdout
    assert "rows/s" in done.stdout
    assert "all equal" in done.stdout
    assert done.stderr == ""


def test_it_makes_the_same_files_every_time(
    folder: Path, tmp_path: Path, run_tidegate: Run
) -> None:
    run_tidegate("demo", tmp_path, "--rows", "50000")
    assert contents(tmp_path) == contents(folder)


def test_it_tells_the_same_as_json(tmp_path: Path, run_tidegate: Run) -> None:
    document = json.loads(run_tidegate("demo", tmp_path, "--rows", "50000", "--json").stdout)
    assert document["schema"] == "tidegate.demo/1"
    summary = document["aggregate"]
    assert summary["rows_in"] == 50_000 == summary["used"] + summary["late"]
    assert summary["late"] > 0
    assert document["out_of_order"] > summary["late"]


def test_the_command_that_it_prints_gives_the_same_bars(
    folder: Path, tmp_path: Path, run_tidegate: Run
) -> None:
    plan = ["--every", "1s", "--on", "time", "--by", "symbol", "--lateness", "2s"]
    aggs = ["--agg", "ohlcv(price,size)", "--agg", "vwap(price,size)", "--agg", "rows()"]
    late = ["--late-out", tmp_path / "late.parquet"]
    ticks, bars = folder / "ticks.parquet", tmp_path / "bars.parquet"
    run_tidegate("aggregate", ticks, *plan, *aggs, *late, "-o", bars)
    assert bars.read_bytes() == (folder / "bars.parquet").read_bytes()


@pytest.mark.parametrize("rows", ["1", "2"])
def test_the_smallest_demo_works_too(tmp_path: Path, run_tidegate: Run, rows: str) -> None:
    assert "all equal" in run_tidegate("demo", tmp_path, "--rows", rows).stdout


def test_a_folder_of_someone_else_is_left_alone(tmp_path: Path, run_tidegate: Run) -> None:
    (tmp_path / "ticks.parquet").write_text("mine")
    done = run_tidegate("demo", tmp_path, code=1)
    assert "holds files that are not the demo's; name another folder" in done.stderr
    assert contents(tmp_path) == {"ticks.parquet": b"mine"}
    done = run_tidegate("demo", tmp_path / "ticks.parquet", code=1)
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume", "vwap", "rows"])
def test_one_wrong_value_in_one_bar_is_found(folder: Path, tmp_path: Path, column: str) -> None:
    check_again(folder)
    table = pq.read_table(folder / "bars.parquet")
    values = table[column].to_pylist()
    values[17] += 1 if column in ("volume", "rows") else 1e-9
    index = table.column_names.index(column)
    wrong = table.set_column(index, column, pa.array(values, table[column].type))
    pq.write_table(wrong, tmp_path / "bars.parquet")
    with pytest.raises(TidegateError, match=f"the check failed: {column} of "):
        check_again(folder, bars=tmp_path / "bars.parquet")


def test_a_missing_bar_and_a_missing_late_row_are_found(folder: Path, tmp_path: Path) -> None:
    bars = pq.read_table(folder / "bars.parquet")
    pq.write_table(bars.slice(1), tmp_path / "bars.parquet")
    with pytest.raises(TidegateError, match="the number of bars"):
        check_again(folder, bars=tmp_path / "bars.parquet")
    late = pq.read_table(folder / "late.parquet")
    assert pc.all(pc.equal(late["reason"], "late")).as_py()
    pq.write_table(late.slice(1), tmp_path / "late.parquet")
    with pytest.raises(TidegateError, match="the late rows"):
        check_again(folder, late=tmp_path / "late.parquet")
