"""Serializers are found by name, keep the contract, and what is wrong with bytes has a name."""

import importlib
import importlib.metadata
import io
import subprocess
import sys
import threading

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate.core import serializers as module
from tidegate.core.errors import (
    ColumnNotFoundError,
    ColumnTypeError,
    InputError,
    SerializationError,
    SinkError,
    SourceError,
)
from tidegate.core.formats.arrowipc import ArrowIpc
from tidegate.core.formats.csv import Csv
from tidegate.core.formats.jsonlines import JsonLines
from tidegate.core.formats.parquet import Parquet
from tidegate.core.serializers import BUILT_IN, Registry, Serializer, serializers

FORMATS = {"parquet": Parquet(), "arrow": ArrowIpc(), "csv": Csv(), "json": JsonLines()}
TICKS = pa.table(
    {
        "ts": pa.array([1, 2, None], pa.int64()),
        "symbol": ["A", None, ""],
        "price": [0.1, None, 2.5],
        "up": [True, None, False],
    }
)


def test_the_built_in_names_are_there_and_nothing_is_imported_for_them():
    assert tg.serializers is serializers
    assert serializers.names() == ["arrow", "avro", "csv", "json", "parquet", "protobuf"]
    code = "import sys, tidegate as tg; tg.serializers.names(); print('msgspec' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_built_in_serializer_keeps_the_protocol(name):
    pytest.importorskip(BUILT_IN[name].partition(":")[0])
    found = serializers.get(name)
    assert isinstance(found, Serializer)
    assert "/" in found.media_type
    assert serializers.get(name) is found


@pytest.mark.parametrize("name", sorted(BUILT_IN.keys() - {"protobuf"}))
def test_rows_come_back_from_bytes_and_from_files(name, tmp_path):
    pytest.importorskip(BUILT_IN[name].partition(":")[0])
    format_ = serializers.get(name)
    assert format_.loads(format_.dumps(TICKS)).to_pydict() == TICKS.to_pydict()
    assert format_.loads(format_.dumps(TICKS.to_pylist())).to_pydict() == TICKS.to_pydict()
    path = tmp_path / "ticks"
    format_.write(path, TICKS.to_batches(max_chunksize=2))
    assert pa.Table.from_batches(format_.read(path)).to_pydict() == TICKS.to_pydict()
    chosen = pa.Table.from_batches(format_.read(str(path), columns=["price", "ts"]))
    assert chosen.to_pydict() == TICKS.select(["price", "ts"]).to_pydict()
    out = io.BytesIO()
    format_.write(out, iter(TICKS.to_batches()))
    assert not out.closed
    out.seek(0)
    assert pa.Table.from_batches(format_.read(out)).to_pydict() == TICKS.to_pydict()
    assert not out.closed
    assert [file.name for file in tmp_path.iterdir()] == ["ticks"]


@pytest.mark.parametrize("name", ["arrow", "parquet", "csv"])
def test_no_rows_and_long_ones_come_back(name):
    format_ = FORMATS[name]
    none = TICKS.slice(0, 0)
    assert format_.loads(format_.dumps(none)).num_rows == 0
    assert format_.loads(format_.dumps(none)).column_names == none.column_names
    n = 150_000
    long = pa.table({"i": np.arange(n), "s": [f"s{i % 7}" for i in range(n)]})
    assert format_.loads(format_.dumps(long)).to_pydict() == long.to_pydict()
    with pytest.raises(InputError, match="no batch"):
        format_.write(io.BytesIO(), [])
    with pytest.raises(SerializationError, match="they have to be the same"):
        format_.write(io.BytesIO(), [TICKS, long])
    with pytest.raises(ColumnNotFoundError, match="no column 'z'; it has: i, s"):
        format_.loads(format_.dumps(long), columns=["z"])


def test_dictionaries_that_differ_from_batch_to_batch_become_one():
    type_ = pa.dictionary(pa.int8(), pa.string())
    batches = [
        pa.record_batch([pa.array(values, pa.string()).dictionary_encode().cast(type_)], ["k"])
        for values in (["a", "b", None], ["c", "a"] * 70_000, ["b", "d"])
    ]
    out = io.BytesIO()
    ArrowIpc().write(out, batches)
    read = ArrowIpc().loads(out.getvalue())
    assert read.schema.field("k").type == type_
    assert read["k"].cast(pa.string()).to_pylist() == [
        value for batch in batches for value in batch.column(0).cast(pa.string()).to_pylist()
    ]
    many = pa.record_batch([pa.array([str(i) for i in range(200)]).dictionary_encode()], ["k"])
    few = many.cast(pa.schema([("k", pa.dictionary(pa.int16(), pa.string()))]))
    assert ArrowIpc().loads(ArrowIpc().dumps(few)).num_rows == 200


def test_arrow_streams_are_read_too_also_from_a_pipe():
    out = io.BytesIO()
    with pa.ipc.new_stream(out, TICKS.schema) as writer:
        writer.write_table(TICKS)
    assert ArrowIpc().loads(out.getvalue()).equals(TICKS)

    class Pipe:
        """A stream that cannot go back."""

        def __init__(self, content):
            self.read = io.BytesIO(content).read

    assert pa.Table.from_batches(ArrowIpc().read(Pipe(out.getvalue()))).equals(TICKS)
    assert pa.Table.from_batches(Csv().read(Pipe(Csv().dumps(TICKS)))).equals(TICKS)


def test_csv_tells_null_from_empty_and_whole_seconds_from_nanoseconds():
    data = b'a,t\n"",2024-01-01 00:00:00\n,2024-01-01 00:00:00.000000001\nNA,\n'
    table = Csv().loads(data)
    assert table["a"].to_pylist() == ["", None, "NA"]
    assert table.schema.field("t").type == pa.timestamp("ns")
    whole = Csv().loads(b"t\n2024-01-01 00:00:00\n")
    assert whole.schema.field("t").type == pa.timestamp("ns")
    schema = pa.schema([("t", pa.timestamp("ms"))])
    assert Csv(schema=schema).loads(b"t\n2024-01-01 00:00:00\n").schema == schema
    far = Csv().loads(b"t\n9999-01-01 00:00:00\n")
    assert far.schema.field("t").type == pa.timestamp("s")
    with pytest.raises(SerializationError, match="CSV: "):
        Csv().dumps(pa.table({"a": [[1]]}))


@pytest.mark.parametrize("name", ["arrow", "parquet", "csv"])
def test_cut_and_damaged_bytes_are_errors_or_answers(name):
    format_ = FORMATS[name]
    data = format_.dumps(TICKS)
    step = 1 if name == "csv" else 7
    for end in range(0, len(data), step):
        judge(format_, data[:end])
    for place in range(0, len(data), step):
        flipped = bytearray(data)
        flipped[place] ^= 1 << (place % 8)
        judge(format_, bytes(flipped))


def judge(format_, data):
    """Read bytes: a table or a named error."""
    try:
        format_.loads(data).validate(full=True)
    except (SerializationError, ColumnNotFoundError):
        return


def test_files_that_cannot_be_opened_are_named(tmp_path):
    for format_ in FORMATS.values():
        with pytest.raises(SourceError, match="nothing: cannot be read: No such file"):
            list(format_.read(tmp_path / "nothing"))
        with pytest.raises(SinkError, match="cannot be written"):
            format_.write(tmp_path / "no" / "thing", TICKS.to_batches())
    with pytest.raises(ColumnTypeError):
        Parquet().dumps(3)


class Upper:
    """A serializer of nothing much."""

    media_type = "text/upper"

    def dumps(self, rows, /):
        """Write."""
        return str(rows).upper().encode()

    def loads(self, data, /):
        """Read."""
        return pa.table({"text": [data.decode()]})

    def write(self, path_or_file, batches, /):
        """Write."""

    def read(self, path_or_file, /):
        """Read."""
        return iter([path_or_file])


def test_a_view_has_all_and_what_it_takes_up_stays_there():
    top = Registry()
    first, second = top.view(), top.view()
    first.register("upper", Upper())
    assert first.get("upper").dumps("a") == b"A"
    assert first.get("json").media_type == "application/x-ndjson"
    with pytest.raises(InputError, match="no serializer 'upper'; there are arrow, avro, csv"):
        second.get("upper")
    mine = Upper()
    second.register("json", mine, replace=True)
    assert second.get("json") is mine
    assert top.get("json") is not mine
    top.register("later", Upper())
    assert "later" in first.names()
    assert isinstance(first.view().get("later"), Upper)


@pytest.mark.parametrize(
    ("name", "thing", "message"),
    [
        ("json", Upper(), "there is a serializer 'json' already"),
        ("", Upper(), "the name of a serializer is ''"),
        (3, Upper(), "the name of a serializer is 3"),
        ("x", object(), "object is no serializer: it lacks dumps, loads, write, read, media_type"),
    ],
)
def test_what_cannot_be_registered_is_refused(name, thing, message):
    with pytest.raises(InputError, match=message):
        Registry().register(name, thing)


def packages(monkeypatch, tmp_path, entries):
    """Install packages that bring serializers."""
    for i, (name, value, code) in enumerate(entries):
        stem = f"brought{i}_{abs(hash(tmp_path)) % 10**9}"
        (tmp_path / f"{stem}.py").write_text(code)
        info = tmp_path / f"pack{i}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: pack{i}\nVersion: 1.0\n")
        entry = f"[tidegate.serializers]\n{name} = {value.format(stem)}\n"
        (info / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()


CODE = (
    "class Upper:\n media_type = 'text/upper'\n"
    " def dumps(self, rows, /): return b'up'\n def loads(self, data, /): pass\n"
    " def write(self, path, batches, /): pass\n def read(self, path, /): pass\n"
)


def test_packages_bring_serializers(monkeypatch, tmp_path):
    packages(
        monkeypatch, tmp_path,
        [
            ("upper", "{}:Upper", CODE),
            ("broken", "{}:Upper", "raise OSError('no licence')"),
            ("hollow", "{}:x", "x = 3"),
            ("twice", "{}:Upper", CODE),
            ("twice", "{}:Upper", CODE),
            ("json", "{}:Upper", CODE),
        ],
    )  # fmt: skip
    registry = Registry()
    assert {"upper", "broken", "hollow", "twice"} <= set(registry.names())
    assert registry.get("upper").dumps([]) == b"up"
    assert isinstance(registry.get("json"), JsonLines)  # not theirs to take
    for name, message in [
        ("broken", r"'broken' of pack1 \(.*\) cannot be loaded: OSError: no licence"),
        ("hollow", r"'hollow' of pack2 .* lacks dumps"),
        ("twice", r"'twice' is brought by pack3 .* and pack4 .*; remove one"),
    ]:
        with pytest.raises(SerializationError, match=message):
            registry.view().get(name)


def test_threads_get_one_serializer_each_time():
    registry = Registry()
    found = []
    threads = [threading.Thread(target=lambda: found.append(registry.get("csv"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {type(one) for one in found} == {Csv}
    assert registry.get("csv") is registry.get("csv")
    assert module.BUILT_IN["csv"].endswith("Csv")
