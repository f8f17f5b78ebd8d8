"""Sinks: a whole file under the final name, or what was there before."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from tidegate.core.errors import SinkError
from tidegate.core.files import Format
from tidegate.core.sinks import GROUP_ROWS, Sink

NS = pa.timestamp("ns", "Europe/Berlin")


def bars(n_rows: int = 3) -> pa.Table:
    times = pa.array([1_700_000_000_123_456_789 + i for i in range(n_rows)], pa.int64())
    return pa.table(
        {
            "symbol": pa.array([None, "", 'a"b,c\n'][:n_rows] + ["x"] * (n_rows - 3)),
            "window_start": times.cast(NS),
            "close": [0.1 + i for i in range(n_rows)],
            "rows": pa.array(range(n_rows), pa.int64()),
        }
    )


def read_back(path: Path) -> pa.Table:
    match Format.of_name(path):
        case Format.PARQUET:
            return pq.read_table(path)
        case Format.CSV:
            return pa_csv.read_csv(path)
        case Format.ARROW:
            return pa.ipc.open_file(path).read_all()
        case _:
            return pa.ipc.open_stream(path).read_all()


def write(path: Path, *tables: pa.Table) -> None:
    with Sink(path, Format.of_name(path)) as sink:
        for table in tables:
            sink.write(table)
        sink.commit()


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
def test_what_is_written_is_read_back_as_it_was(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bars.{suffix}"
    write(path, bars(), bars(0), bars(5))
    assert read_back(path).equals(pa.concat_tables([bars(), bars(5)]))


def test_csv_keeps_every_digit_of_floats_and_times(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    values = [0.1, 1 / 3, 1e300, math.inf, None]
    times = bars(5)["window_start"].cast(pa.timestamp("ns", "UTC"))
    write(path, pa.table({"window_start": times, "close": values}))
    back = read_back(path)
    assert back["close"].to_pylist() == values
    assert back["window_start"].cast(pa.int64()).equals(times.cast(pa.int64()))


def test_ndjson_has_iso_times_of_full_precision_and_null_for_what_json_lacks(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bars.ndjson"
    table = bars(1).append_column("vwap", [[math.nan]]).append_column("big", [[2**62 + 1]])
    write(path, table)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {
            "symbol": None,
            "window_start": "2023-11-14T22:13:20.123456789Z",
            "close": 0.1,
            "rows": 0,
            "vwap": None,
            "big": 2**62 + 1,
        }
    ]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "arrow", "arrows"])
def test_a_result_without_rows_still_has_its_columns(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bars.{suffix}"
    write(path, bars(0))
    assert read_back(path).column_names == bars().column_names


def test_small_tables_are_gathered_into_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    n_tables = 30
    write(path, *[bars(GROUP_ROWS // 10)] * n_tables)
    assert pq.read_metadata(path).num_row_groups == 3


def test_nothing_but_the_file_is_left_in_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "bars.parquet", bars())
    assert names_in(tmp_path) == ["bars.parquet"]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("old")
    with Sink(path, Format.CSV) as sink:
        sink.write(bars())
        assert path.read_text() == "old"
        sink.commit()
    assert path.read_text() != "old"


def fail(path: Path) -> None:
    with Sink(path, Format.of_name(path)) as sink:
        sink.write(bars())
        raise KeyError("stop")


def leave_early(path: Path) -> None:
    with Sink(path, Format.of_name(path)) as sink:
        sink.write(bars())


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson", "arrow", "arrows"])
def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bars.{suffix}"
    path.write_text("old")
    with pytest.raises(KeyError):
        fail(path)
    leave_early(path)
    assert names_in(tmp_path) == [path.name]
    assert path.read_text() == "old"


def test_a_new_file_has_the_permissions_that_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "bars.csv", bars())
    finally:
        os.umask(before)
    assert (tmp_path / "bars.csv").stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "bars.csv"
    link.symlink_to(tmp_path / "real" / "bars.csv")
    write(link, bars())
    assert link.is_symlink()
    assert (tmp_path / "real" / "bars.csv").is_file()


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("missing/bars.csv", "No such file or directory; create the folder first"),
        (".", "Is a directory; name a file in it"),
        ("file/bars.csv", "Not a directory"),
    ],
)
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, path: str, says: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match=says) as caught:
        Sink(tmp_path / path, Format.CSV)
    assert str(tmp_path / path) in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SinkError, match="Permission denied"):
        Sink(tmp_path / "bars.csv", Format.CSV)


@pytest.mark.parametrize("format_", list(Format))
def test_a_full_device_is_one_clear_error(format_: Format) -> None:
    with pytest.raises(SinkError, match="/dev/full: cannot be written: No space left on device"):
        _write_to_full(format_)


def _write_to_full(format_: Format) -> None:
    with Sink(Path("/dev/full"), format_) as sink:
        sink.write(bars(50))
        sink.commit()


def test_a_device_is_written_to_and_not_replaced() -> None:
    with Sink(Path("/dev/null"), Format.CSV) as sink:
        sink.write(bars())
        sink.commit()
    assert Path("/dev/null").is_char_device()


def test_a_type_that_the_format_lacks_is_an_error_that_names_it(tmp_path: Path) -> None:
    nested = pa.table({"a": [{"b": 1}]})
    with pytest.raises(SinkError, match="cannot be written as csv"):
        write(tmp_path / "bars.csv", nested)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("format_", list(Format))
def test_half_a_result_on_standard_output_does_not_look_whole(
    run_python: Callable[..., str], format_: Format
) -> None:
    code = (
        "import pyarrow as pa\n"
        "from tidegate.core.files import Format\n"
        "from tidegate.core.sinks import Sink, GROUP_ROWS\n"
        "try:\n"
        f"    with Sink(None, Format({str(format_)!r})) as sink:\n"
        "        sink.write(pa.table({'a': range(GROUP_ROWS)}))\n"
        "        raise KeyError\n"
        "except KeyError:\n"
        "    pass\n"
    )
    assert run_python(code) == ""
