"""Sources: the needed columns of whatever the file is, or one error that says what is wrong."""

import gzip
import json
import os
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from tidegate.core.errors import ColumnNotFoundError, SourceError
from tidegate.core.files import Columns, Format, InputFile
from tidegate.core.sources import MAX_ROWS, Batch, Source

COLUMNS = Columns(("time", "symbol", "price", "size"), time="time", keys=("symbol",))


def ticks(n_rows: int = 10, *, start: int = 0) -> pa.Table:
    return pa.table(
        {
            "size": pa.array(range(n_rows), pa.int64()),
            "price": [100 + i / 4 for i in range(n_rows)],
            "note": ["unused"] * n_rows,
            "symbol": [f"S{i % 3}" for i in range(n_rows)],
            "time": pa.array([(start + i) * 1_000_000 for i in range(n_rows)], pa.timestamp("us")),
        }
    )


def write_ipc(table: pa.Table, path: Path, *, stream: bool = False, **options: int) -> Path:
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(path, table.schema) as writer:
        writer.write_table(table, **options)
    return path


def write_parquet(table: pa.Table, path: Path, **options: object) -> Path:
    pq.write_table(table, path, **options)
    return path


def write_csv(table: pa.Table, path: Path) -> Path:
    pa_csv.write_csv(table, path)
    return path


def write_ndjson(table: pa.Table, path: Path) -> Path:
    rows = table.set_column(4, "time", table["time"].cast(pa.string())).to_pylist()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_text(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(*paths: Path, columns: Columns = COLUMNS) -> list[Batch]:
    return list(Source([InputFile.of(path) for path in paths], columns).batches())


def read_or_refuse(path: Path) -> tuple[int | None, str]:
    try:
        return sum(batch.rows.num_rows for batch in read(path)), path.name
    except (SourceError, ColumnNotFoundError) as error:
        return None, str(error)


def as_table(batches: list[Batch]) -> pa.Table:
    tables = [pa.table(batch.rows) for batch in batches]
    plain = [
        table.set_column(1, "symbol", table["symbol"].cast(pa.string()))
        if "symbol" in table.column_names
        else table
        for table in tables
    ]
    return pa.concat_tables(plain).combine_chunks()


def expected(table: pa.Table, unit: str = "us") -> pa.Table:
    times = table["time"].cast(pa.timestamp(unit))
    return table.select(COLUMNS.names).set_column(0, "time", times)


@pytest.fixture(params=["parquet", "arrow", "arrows", "csv", "ndjson", "csv.gz", "ndjson.zst"])
def file_of_each_format(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"ticks.{request.param}"
    kind, _, packed = request.param.partition(".")
    writers = {
        "parquet": write_parquet,
        "arrow": write_ipc,
        "arrows": lambda table, to: write_ipc(table, to, stream=True),
        "csv": write_csv,
        "ndjson": write_ndjson,
    }
    writers[kind](ticks(), path)
    if packed == "gz":
        path.write_bytes(gzip.compress(path.read_bytes()))
    elif packed == "zst":
        path.write_bytes(pa.compress(path.read_bytes(), codec="zstd", asbytes=True))
    return path


def test_every_format_gives_the_needed_columns_in_the_asked_order(
    file_of_each_format: Path,
) -> None:
    text = Format.of_name(file_of_each_format).is_text
    assert as_table(read(file_of_each_format)).equals(expected(ticks(), "ns" if text else "us"))


def test_a_gzipped_file_that_is_cut_short_is_an_error_that_names_it(tmp_path: Path) -> None:
    whole = gzip.compress(b"time,price\n" + b"1,2\n" * 10_000)
    path = write_text(tmp_path / "ticks.csv.gz", whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"ticks\.csv\.gz"):
        read(path, columns=Columns(("time", "price")))


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
def test_a_file_cut_at_any_place_is_an_error_that_names_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ticks.{suffix}"
    if suffix == "parquet":
        write_parquet(ticks(50), path)
    else:
        write_ipc(ticks(50), path, stream=suffix == "arrows")
    whole = path.read_bytes()
    for length in range(0, len(whole) - 9, 7):  # a stream may end without its last eight bytes
        path.write_bytes(whole[:length])
        rows, message = read_or_refuse(path)
        assert path.name in message
        assert "\n" not in message
        if rows is not None:
            assert suffix == "arrows"
            assert rows in (0, 50)  # cut between two messages, where a stream may end


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
def test_a_file_with_any_byte_changed_is_read_or_refused_but_never_crashes(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"ticks.{suffix}"
    if suffix == "parquet":
        write_parquet(ticks(20), path, write_page_checksum=True)
    else:
        write_ipc(ticks(20), path, stream=suffix == "arrows")
    whole = path.read_bytes()
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        assert path.name in read_or_refuse(path)[1]


def test_a_dictionary_index_out_of_range_in_an_arrow_file_is_refused(tmp_path: Path) -> None:
    indices = pa.array([0, 7], pa.int32())
    symbols = pa.DictionaryArray.from_arrays(indices, ["a"], safe=False)
    path = write_ipc(pa.table({"symbol": symbols}), tmp_path / "bad.arrow")
    with pytest.raises(SourceError, match=r"bad\.arrow"):
        read(path, columns=Columns(("symbol",)))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("ticks.parquet", "time,price\n1,2\n", "is not Parquet: it begins with"),
        ("ticks.csv", b"PAR1" + b"\0" * 20, "is Parquet by its content, not CSV"),
        ("ticks.ndjson", b"ARROW1\0\0", "is Arrow IPC by its content, not NDJSON"),
        ("ticks.arrow", "time,price\n1,2\n", "is not Arrow IPC"),
        ("ticks.csv", gzip.compress(b"time\n1\n"), "is gzip by its content, not CSV"),
        ("ticks.csv", b"time,price\n1,\0\n", "is not CSV"),
        ("ticks.csv", "time,price\n1,2\n".encode("utf-16"), "is UTF-16; convert it to UTF-8"),
        ("ticks.csv", "", "is empty"),
        ("ticks.parquet", "", "is empty"),
        ("ticks.ndjson", "", "is empty"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_named(
    tmp_path: Path, name: str, content: str | bytes, says: str
) -> None:
    with pytest.raises(SourceError, match=rf"ticks\.\w+: {says}"):
        read(write_text(tmp_path / name, content), columns=Columns(("time",)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.parquet: there is no such file"):
        read(tmp_path / "gone.parquet")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "ticks.parquet").mkdir()
    with pytest.raises(SourceError, match="is a folder"):
        read(tmp_path / "ticks.parquet")


def test_a_name_that_does_not_tell_the_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not tell the format"):
        InputFile.of(tmp_path / "ticks.xlsx")


def test_a_missing_column_is_named_with_the_ones_there_are(file_of_each_format: Path) -> None:
    with pytest.raises(ColumnNotFoundError, match=r"'prize'.*price"):
        read(file_of_each_format, columns=Columns(("time", "prize")))


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "csv"])
def test_a_needed_column_that_is_there_twice_is_refused(tmp_path: Path, suffix: str) -> None:
    table = pa.table([[1], [2], [3]], names=["time", "price", "price"])
    path = tmp_path / f"ticks.{suffix}"
    {"parquet": write_parquet, "arrow": write_ipc, "csv": write_csv}[suffix](table, path)
    assert len(read(path, columns=Columns(("time",)))) == 1
    with pytest.raises(SourceError, match="2 columns are named 'price'"):
        read(path, columns=Columns(("time", "price")))


def test_files_come_one_after_the_other(tmp_path: Path) -> None:
    first = write_parquet(ticks(5), tmp_path / "a.parquet")
    second = write_ipc(ticks(5, start=5), tmp_path / "b.arrow")
    assert as_table(read(first, second))["time"].cast(pa.int64()).to_pylist() == [
        i * 1_000_000 for i in range(10)
    ]


def test_a_column_of_another_type_in_a_later_file_is_named_with_both(tmp_path: Path) -> None:
    first = write_parquet(ticks(), tmp_path / "a.parquet")
    other = ticks().set_column(0, "size", pa.array(range(10), pa.float64()))
    second = write_parquet(other, tmp_path / "b.parquet")
    with pytest.raises(SourceError, match=r"b\.parquet: column 'size' is double, but int64 in .*a"):
        read(first, second)


def test_a_wrong_later_file_is_found_before_the_first_row_is_read(tmp_path: Path) -> None:
    first = write_parquet(ticks(), tmp_path / "a.parquet")
    second = write_text(tmp_path / "b.parquet", "PAR1 but no more")
    with pytest.raises(SourceError, match=r"b\.parquet"):
        Source([InputFile.of(first), InputFile.of(second)], COLUMNS)


def test_integers_in_one_text_file_and_fractions_in_another_become_fractions(
    tmp_path: Path,
) -> None:
    first = write_text(tmp_path / "a.csv", "price\n1\n2\n")
    second = write_text(tmp_path / "b.ndjson", '{"price": 2.5}\n{"price": null}\n')
    batches = read(first, second, columns=Columns(("price",)))
    assert as_table(batches)["price"].to_pylist() == [1.0, 2.0, 2.5, None]


def test_a_column_of_nulls_takes_the_type_of_the_other_files(tmp_path: Path) -> None:
    first = write_ipc(pa.table({"price": pa.nulls(2)}), tmp_path / "a.arrow")
    second = write_parquet(pa.table({"price": [2.5]}), tmp_path / "b.parquet")
    table = as_table(read(first, second, columns=Columns(("price",))))
    assert table["price"].to_pylist() == [None, None, 2.5]


def test_string_keys_of_a_parquet_file_come_as_dictionaries(tmp_path: Path) -> None:
    (batch,) = read(write_parquet(ticks(), tmp_path / "a.parquet"))
    assert pa.types.is_dictionary(batch.rows.schema.field("symbol").type)


def test_large_batches_are_cut_and_small_ones_are_left(tmp_path: Path) -> None:
    table = pa.table({"time": range(MAX_ROWS * 2 + 1)})
    path = write_ipc(table, tmp_path / "a.arrow")
    sizes = [batch.rows.num_rows for batch in read(path, columns=Columns(("time",)))]
    assert sizes == [MAX_ROWS, MAX_ROWS, 1]


def test_a_batch_knows_the_least_time_of_all_rows_from_there_on(tmp_path: Path) -> None:
    times = [5, 6, 1, 7, 3, 9, 8, 10]
    path = write_parquet(pa.table({"time": times}), tmp_path / "a.parquet", row_group_size=2)
    floors = [batch.time_floor for batch in read(path, columns=Columns(("time",), time="time"))]
    assert floors == [1, 1, 3, 8]


def test_the_least_time_spans_files_and_skips_row_groups_of_nulls(tmp_path: Path) -> None:
    first = write_parquet(pa.table({"time": [5, 6]}), tmp_path / "a.parquet")
    nulls = write_parquet(pa.table({"time": pa.array([None], pa.int64())}), tmp_path / "b.parquet")
    last = write_parquet(pa.table({"time": [4, 9]}), tmp_path / "c.parquet")
    batches = read(first, nulls, last, columns=Columns(("time",), time="time"))
    assert [batch.time_floor for batch in batches] == [4, 4, 4]
    batches = read(last, first, nulls, columns=Columns(("time",), time="time"))
    assert [batch.time_floor for batch in batches] == [4, 5, None]


def test_without_statistics_nothing_is_said_up_to_there(tmp_path: Path) -> None:
    table = pa.table({"time": [4, 9]})
    first = write_parquet(table, tmp_path / "a.parquet")
    silent = write_parquet(table, tmp_path / "b.parquet", write_statistics=False)
    batches = read(first, silent, first, columns=Columns(("time",), time="time"))
    assert [batch.time_floor for batch in batches] == [None, None, 4]


def test_times_of_nanoseconds_keep_their_last_digit_in_the_floor(tmp_path: Path) -> None:
    table = pa.table({"time": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns", "UTC"))})
    path = write_parquet(table, tmp_path / "a.parquet")
    (batch,) = read(path, columns=Columns(("time",), time="time"))
    assert batch.time_floor == 1_700_000_000_123_456_789


@pytest.mark.parametrize("version", ["1.0", "2.4", "2.6"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_floor_is_in_the_unit_that_the_column_is_read_in(
    tmp_path: Path, version: str, unit: str
) -> None:
    table = pa.table({"time": pa.array([1_700_000_000, 1_600_000_000], pa.timestamp(unit))})
    path = write_parquet(table, tmp_path / "a.parquet", version=version)
    (batch,) = read(path, columns=Columns(("time",), time="time"))
    assert batch.time_floor == min(batch.rows["time"].cast(pa.int64()).to_pylist())


@pytest.mark.parametrize("type_", [pa.int8(), pa.int64(), pa.float32(), pa.float64()])
def test_the_floor_of_negative_times(tmp_path: Path, type_: pa.DataType) -> None:
    path = write_parquet(pa.table({"time": pa.array([3, -5], type_)}), tmp_path / "a.parquet")
    (batch,) = read(path, columns=Columns(("time",), time="time"))
    assert batch.time_floor == -5


def test_progress_ends_at_the_size_of_all_files(file_of_each_format: Path) -> None:
    source = Source([InputFile.of(file_of_each_format)], COLUMNS)
    last = list(source.batches())[-1]
    assert source.n_bytes == file_of_each_format.stat().st_size
    assert source.n_bytes - 8 <= last.n_bytes <= source.n_bytes  # a stream has an end mark


def test_integers_in_a_csv_stay_integers_and_iso_times_become_times(tmp_path: Path) -> None:
    text = "time,local,zoned\n1,2024-01-01T00:00:00,2024-01-01 00:00:00Z\n"
    path = write_text(tmp_path / "a.csv", text)
    (batch,) = read(path, columns=Columns(("time", "local", "zoned")))
    assert batch.rows.schema.types == [pa.int64(), pa.timestamp("ns"), pa.timestamp("ns", "UTC")]


def test_times_of_whole_seconds_may_be_followed_by_fractions(tmp_path: Path) -> None:
    lines = ["2024-01-01T00:00:00"] * 300_000 + ["2024-01-01T00:00:00.000000001"]
    csv = write_text(tmp_path / "a.csv", "time\n" + "\n".join(lines))
    ndjson = write_text(tmp_path / "a.ndjson", "\n".join(f'{{"time": "{at}"}}' for at in lines))
    for path in (csv, ndjson):
        last = read(path, columns=Columns(("time",), time="time"))[-1].rows["time"][-1]
        assert last.value % 1000 == 1


def test_times_beyond_the_range_of_nanoseconds_stay_seconds(tmp_path: Path) -> None:
    csv = write_text(tmp_path / "a.csv", "time\n3000-01-01T00:00:00\n")
    ndjson = write_text(tmp_path / "a.ndjson", '{"time": "3000-01-01T00:00:00"}\n')
    for path in (csv, ndjson):
        (batch,) = read(path, columns=Columns(("time",), time="time"))
        assert batch.rows.schema.types == [pa.timestamp("s")]


def test_nan_in_a_csv_is_a_value_and_an_empty_field_is_null(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.csv", "price,n\n1.5,1\nnan,2\n,3\n")
    (batch,) = read(path, columns=Columns(("price",)))
    assert str(batch.rows["price"].to_pylist()) == "[1.5, nan, None]"


def test_a_quoted_field_may_hold_line_ends(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.csv", 'symbol,n\n"a\nb",1\n' * 1)
    (batch,) = read(path, columns=Columns(("symbol",)))
    assert batch.rows["symbol"].to_pylist() == ["a\nb"]


@pytest.mark.parametrize("n_before", [0, 400_000])
def test_a_ragged_csv_line_is_named_by_its_number(tmp_path: Path, n_before: int) -> None:
    text = "time,note\n" + "\n" + '1,"x\ny"\n' + "1,2.25\n" * n_before + "1,2,3\n"
    path = write_text(tmp_path / "a.csv", text)
    with pytest.raises(
        SourceError, match=rf"a\.csv, line {n_before + 5}: 3 fields where the header has 2"
    ):
        read(path, columns=Columns(("time",)))


def test_a_csv_value_of_another_type_is_named_with_line_column_and_remedy(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.csv", "n,price\n" + "7,1\n" * 1_500_000 + "7,1.5\n")
    with pytest.raises(SourceError, match=r"line 1500002, column 'price': .*'1\.5'.*price=float64"):
        read(path, columns=Columns(("price",)))
    batches = read(path, columns=Columns(("price",), types={"price": pa.float64()}))
    assert batches[-1].rows["price"][-1].as_py() == 1.5


def test_text_that_is_not_utf8_is_named_with_its_column(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.csv", b"symbol,n\nM\xfcnchen,1\n")
    with pytest.raises(SourceError, match="'symbol' is not UTF-8"):
        read(path, columns=Columns(("symbol",)))
    path = write_text(tmp_path / "a.ndjson", b'{"symbol": "a"}\n{"symbol": "M\xfcnchen"}\n')
    with pytest.raises(SourceError, match=r"a\.ndjson, line 2: .*utf-8"):
        read(path, columns=Columns(("symbol",)))


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ('{"a": 1', "truncated|malformed"),
        ('{"a": "x"}', "Expected int"),
        ('{"a": 1.5}', "Expected int"),
        ("[1]", "Expected object"),
        ('{"a": NaN}', "malformed"),
        ('{"a": 9223372036854775808}', "is not int64; give its type"),
        ('{"b": ' + "[" * 200_000 + "]" * 200_000 + "}", "recursion"),
    ],
)
@pytest.mark.parametrize("n_before", [3, 500_000])
def test_a_bad_json_line_is_named_by_its_number(
    tmp_path: Path, bad: str, says: str, n_before: int
) -> None:
    if n_before == 3 and bad.endswith(("1.5}", "8}", '"x"}')):
        pytest.skip("the type is guessed from these lines")
    text = '{"a": 123}\n' * n_before + " \n" + bad + "\n" + '{"a": 3}\n' * 3
    path = write_text(tmp_path / "a.ndjson", text)
    with pytest.raises(SourceError, match=rf"a\.ndjson, line {n_before + 2}\b.*({says})"):
        read(path, columns=Columns(("a",)))


def test_json_fields_of_two_kinds_are_refused_unless_a_type_is_given(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.ndjson", '{"a": 1}\n{"a": "x"}\n')
    with pytest.raises(SourceError, match="'a' holds integers and strings; give its type"):
        read(path, columns=Columns(("a",)))


def test_json_integers_beyond_int64_stay_exact(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.ndjson", '{"a": 18446744073709551615}\n')
    (batch,) = read(path, columns=Columns(("a",)))
    assert batch.rows["a"].to_pylist() == [2**64 - 1]


def test_a_json_field_that_is_missing_is_null(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.ndjson", '{"a": 1}\n{"b": 2}\n')
    (batch,) = read(path, columns=Columns(("a", "b")))
    assert batch.rows.to_pylist() == [{"a": 1, "b": None}, {"a": None, "b": 2}]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    csv = write_text(tmp_path / "a.csv", b"\xef\xbb\xbftime\n1\n")
    ndjson = write_text(tmp_path / "a.ndjson", b'\xef\xbb\xbf{"time": 1}\n')
    for path in (csv, ndjson):
        assert as_table(read(path, columns=Columns(("time",))))["time"].to_pylist() == [1]


def test_files_without_a_row_give_no_batch_but_a_schema(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.csv", "time,price\n")
    source = Source([InputFile.of(path)], Columns(("time", "price"), time="time"))
    assert source.schema.field("time").type == pa.timestamp("ns")
    assert list(source.batches()) == []


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows", "csv", "ndjson"])
def test_a_pipe_is_read_like_a_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ticks.{suffix}"
    writers = {"parquet": write_parquet, "arrow": write_ipc, "csv": write_csv}
    if suffix == "arrows":
        write_ipc(ticks(), path, stream=True)
    else:
        writers.get(suffix, write_ndjson)(ticks(), path)
    pipe = tmp_path / f"pipe.{suffix}"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()))
    feeder.start()
    batches = read(pipe)
    feeder.join()
    assert as_table(batches).equals(as_table(read(path)))


def test_reading_stops_when_the_caller_does(tmp_path: Path) -> None:
    table = pa.table({"time": range(MAX_ROWS * 5)})
    path = write_parquet(table, tmp_path / "a.parquet", row_group_size=MAX_ROWS)
    before = threading.active_count()
    batches = Source([InputFile.of(path)], Columns(("time",))).batches()
    next(batches)
    batches.close()
    for thread in threading.enumerate():
        if thread.name.startswith("tidegate-read"):
            thread.join(10)
    assert threading.active_count() == before
