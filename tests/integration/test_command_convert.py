"""`tidegate convert` and `tidegate schema`: any format into any other, whole or not at all."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tidegate.cli.base import group
from tidegate.core.errors import InputError, SerializationError, SinkError, SourceError
from tidegate.core.serializers import serializers

TICKS = pa.table(
    {
        "ts": pa.array([1_700_000_000_000, None, 3], pa.int64()),
        "symbol": ["A", None, ""],
        "price": [0.1, 2.5, None],
    }
)
SUFFIXES = ["parquet", "arrow", "avro", "csv", "jsonl"]
FORMATS = {"jsonl": "json"}


def run(*args, code=0):
    """Run the command line in this process; an error is raised as it is."""
    result = CliRunner().invoke(group, [str(arg) for arg in args], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    assert result.exit_code == code
    return result


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ticks")
    for suffix in SUFFIXES:
        format_ = serializers.get(FORMATS.get(suffix, suffix))
        format_.write(folder / f"ticks.{suffix}", TICKS.to_batches())
    return folder


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_every_format_becomes_every_other(files, tmp_path, source, target):
    out = tmp_path / f"out.{target}"
    done = run("convert", files / f"ticks.{source}", out)
    assert "3 rows in" in done.stderr
    read = pa.Table.from_batches(serializers.get(FORMATS.get(target, target)).read(out))
    assert read.to_pydict() == TICKS.to_pydict()
    assert [path.name for path in tmp_path.iterdir()] == [f"out.{target}"]


def test_columns_are_chosen_and_the_summary_is_json(files, tmp_path):
    out = tmp_path / "out.parquet"
    done = run("convert", files / "ticks.avro", out, "--columns", "price,ts", "--json")
    assert pq.read_table(out).equals(TICKS.select(["price", "ts"]))
    document = json.loads(done.stdout)
    assert document["schema"] == "tidegate.convert/1"
    assert (document["rows"], document["input_format"], document["output_format"]) == (
        3, "avro", "parquet",
    )  # fmt: skip
    with pytest.raises(KeyError, match="no column 'z'"):
        run("convert", files / "ticks.csv", tmp_path / "other.csv", "--columns", "z")


def test_standard_input_and_output_are_files_too(files, tmp_path):
    command = [sys.executable, "-m", "tidegate", "convert"]
    packed = gzip.compress((files / "ticks.jsonl").read_bytes())
    (tmp_path / "ticks.jsonl.gz").write_bytes(packed)
    done = subprocess.run(
        [*command, tmp_path / "ticks.jsonl.gz", "-", "--to", "parquet"],
        capture_output=True,
        check=True,
    )
    back = subprocess.run(
        [*command, "-", "-", "--from", "parquet", "--to", "json"],
        input=done.stdout,
        capture_output=True,
        check=True,
    )
    assert back.stdout == (files / "ticks.jsonl").read_bytes()


def test_an_avro_schema_gives_json_its_types_and_avro_its_fields(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"t":"2024-01-01T00:00:00.000Z","n":1,"more":2}\n{"n":null}\n')
    fields = [
        {"name": "t", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
        {"name": "n", "type": ["null", "int"]},
    ]
    schema = tmp_path / "row.avsc"
    schema.write_text(json.dumps({"type": "record", "name": "Row", "fields": fields}))
    out = tmp_path / "rows.avro"
    run("convert", rows, out, "--schema", schema, "--codec", "deflate")
    document = json.loads(run("schema", out, "--json").stdout)
    assert document == {
        "schema": "tidegate.schema/1",
        "file": str(out),
        "format": "avro",
        "codec": "deflate",
        "rows": 2,
        "columns": [
            {"name": "t", "type": "timestamp[ms, tz=UTC]", "nullable": True},
            {"name": "n", "type": "int32", "nullable": True},
        ],
    }
    rows.write_text('{"n":1}{"n":2}\n')
    with pytest.raises(SerializationError, match="there is more than one object"):
        run("convert", rows, out, "--schema", schema)
    assert json.loads(run("schema", out, "--json").stdout)["rows"] == 2  # as it was


def test_a_file_with_the_columns_is_a_schema(files, tmp_path):
    schema = tmp_path / "narrow.parquet"
    types = pa.schema([("ts", pa.timestamp("ms")), ("price", pa.float32())])
    pq.write_table(types.empty_table(), schema)
    out = tmp_path / "out.arrow"
    run("convert", files / "ticks.jsonl", out, "--schema", schema)
    assert pa.ipc.open_file(out).read_all().schema == types


def test_protobuf_is_read_by_the_columns_of_a_file_or_by_descriptors(files, tmp_path):
    from google.protobuf import descriptor_pb2

    stream, back = tmp_path / "ticks.binpb", tmp_path / "back.parquet"
    run("convert", files / "ticks.parquet", stream)
    run("convert", stream, back, "--schema", files / "ticks.arrow", "--columns", "price,symbol")
    assert pq.read_table(back).equals(TICKS.select(["price", "symbol"]))
    document = run("schema", stream, "--schema", files / "ticks.arrow", "--json").stdout
    assert json.loads(document)["rows"] == 3

    described = descriptor_pb2.FileDescriptorSet()
    file = described.file.add(name="tick.proto", package="desk", syntax="proto3")
    for name in ("Tick", "Other"):
        message = file.message_type.add(name=name)
        field = descriptor_pb2.FieldDescriptorProto
        message.field.add(name="when", number=1, type=field.TYPE_INT64, label=1)
        message.field.add(name="what", number=2, type=field.TYPE_STRING, label=1)
    descriptors = tmp_path / "tick.desc"
    descriptors.write_bytes(described.SerializeToString())
    out = tmp_path / "ticks.jsonl"
    run("convert", stream, out, "--schema", descriptors, "--message", "desk.Tick")
    assert [json.loads(line) for line in out.read_text().splitlines()] == [
        {"when": 1_700_000_000_000, "what": "A"},
        {"when": 0, "what": ""},
        {"when": 3, "what": ""},
    ]
    run("convert", out, tmp_path / "again.pb", "--schema", descriptors, "--message", "desk.Tick")
    with pytest.raises((InputError, SerializationError)):
        run("convert", stream, out, "--schema", descriptors)  # which of the two?
    with pytest.raises(click.UsageError, match=r"Protobuf.*: give --schema"):
        run("convert", stream, out)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_schema_is_shown(files, suffix):
    path = files / f"ticks.{suffix}"
    document = json.loads(run("schema", path, "--json").stdout)
    assert (document["rows"], document["format"]) == (3, FORMATS.get(suffix, suffix))
    assert document["codec"] == ("zstd" if suffix == "parquet" else None)
    assert [(c["name"], c["type"]) for c in document["columns"]] == [
        ("ts", "int64"), ("symbol", "string"), ("price", "double"),
    ]  # fmt: skip
    shown = run("schema", path).stdout.splitlines()
    assert shown[0].startswith(f"{path}: {FORMATS.get(suffix, suffix)}, 3 rows, codec ")
    assert shown[1] == "  ts      int64"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["ticks.jsonl", "out.xyz"], "out.xyz: the name does not tell the format; give --to"),
        (["-", "out.csv"], "-: the name does not tell the format; give --from"),
        (["ticks.jsonl", "out.csv", "--to", "xml"], "'xml' is none of arrow, avro"),
        (["ticks.jsonl", "out.csv.gz"], "none is written so"),
        (["ticks.jsonl", "-", "--to", "csv", "--json"], "both want standard output"),
        (["ticks.jsonl", "out.csv", "--codec", "zstd"], "--codec is for avro and parquet"),
        (["ticks.jsonl", "out.csv", "--message", "A"], "--message names a message of --schema"),
        (["ticks.jsonl", "out.csv", "--schema", "a.txt"], "--schema a.txt: expected .avsc"),
    ],
)
def test_wrong_usage_says_what_to_do(files, monkeypatch, args, message):
    monkeypatch.chdir(files)
    with pytest.raises(click.UsageError) as caught:
        run("convert", *args)
    assert message in caught.value.format_message()


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.jsonl", b'{"a":1}\n{"a":', "a.jsonl: JSON: line 2, byte 8: "),
        ("a.parquet", b"PAR1 and no more", "a.parquet: "),
        ("a.avro", b"Obj\x01\x00", "a.avro: "),
        ("a.arrow", b"ARROW1\0\0nothing", "a.arrow: "),
        ("a.csv", b"a,b\n1,2\n3\n", "a.csv: "),
    ],
)
def test_a_damaged_file_is_named_and_leaves_nothing(tmp_path, monkeypatch, name, content, error):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    with pytest.raises((SerializationError, SourceError)) as caught:
        run("convert", name, "out.jsonl")
    assert str(caught.value).startswith(error)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with pytest.raises((SerializationError, SourceError)):
        run("schema", name)


def test_files_that_are_not_there_are_named(files, tmp_path):
    with pytest.raises(SourceError, match=r"nothing.avro: cannot be read: No such file"):
        run("convert", tmp_path / "nothing.avro", tmp_path / "out.csv")
    with pytest.raises(SourceError, match=r"nothing.jsonl.gz: cannot be read"):
        run("convert", tmp_path / "nothing.jsonl.gz", tmp_path / "out.csv")
    with pytest.raises(SourceError, match=r"nothing.avsc: cannot be read"):
        run("schema", files / "ticks.avro", "--schema", tmp_path / "nothing.avsc")
    with pytest.raises(SinkError, match="cannot be written: No such file"):
        run("convert", files / "ticks.avro", tmp_path / "no" / "out.csv")


@pytest.mark.parametrize("command", ["convert", "schema"])
def test_help_has_an_example(command):
    assert f"Example: tidegate {command} " in run(command, "--help").stdout


MEMORY = """
import sys
from tidegate.cli.base import group
from tidegate.cli.run import peak_rss_bytes
from tidegate.core.serializers import serializers
for _ in serializers.get("csv").read(sys.argv[1]):
    break
before = peak_rss_bytes()
group.main(["convert", sys.argv[2], sys.argv[3]], standalone_mode=False)
print((peak_rss_bytes() - before) >> 20)
"""
# What Arrow's allocator keeps of what is freed depends on how threads were scheduled.
GIVEN_BACK_AT_ONCE = {"MIMALLOC_PURGE_DELAY": "0"}


@pytest.mark.parametrize(
    ("source", "target"),
    [("jsonl", "parquet"), ("parquet", "avro"), ("avro", "jsonl"), ("parquet", "arrow"),
     ("arrow", "csv")],
)  # fmt: skip
def test_memory_is_that_of_some_batches(large, tmp_path, files, source, target):
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, files / "ticks.csv", large / f"rows.{source}",
         tmp_path / f"out.{target}"],
        capture_output=True, text=True, check=True, env=os.environ | GIVEN_BACK_AT_ONCE,
    )  # fmt: skip
    assert int(done.stdout) < 70, "MiB more than with three rows, for 90 MiB of columns"


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Some million rows as Parquet, Avro and JSON lines."""
    folder = tmp_path_factory.mktemp("large")
    n = 100_000
    rng = np.random.default_rng(7)
    part = pa.record_batch(
        {
            "ts": np.arange(n),
            "symbol": pa.array([f"S{i % 5000}" for i in range(n)]),
            "price": np.round(rng.random(n) * 100, 2),
            "size": rng.integers(0, 10**6, n),
        }
    )
    for suffix, times in (("parquet", 30), ("avro", 30), ("arrow", 30), ("jsonl", 15)):
        format_ = serializers.get(FORMATS.get(suffix, suffix))
        format_.write(folder / f"rows.{suffix}", (part for _ in range(times)))
    return folder
