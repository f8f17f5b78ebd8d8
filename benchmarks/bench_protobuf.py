"""Arrow to and from a stream of Protobuf messages, against the package `protobuf` (upb).

    pytest benchmarks/bench_protobuf.py

The peer goes message by message, as it can't otherwise: columns as lists, a message made of each
row by keywords, its bytes behind their length, all of them joined; and back by `FromString` of a
slice, its fields by one `attrgetter`, and a table of these. That is the fastest of what was tried
(attribute by attribute, `serialize_length_prefixed`, `parse_length_prefixed`, `ListFields`), with
the garbage collector off. Bytes and rows are compared first.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal import api_implementation

from tidegate.core.formats.protobuf import Protobuf

N_ROUNDS = 5
MOST_ROWS = 1_000_000
TARGET = 50
N_LEVELS = 6
STATES = ["OK", "WARN", "FAIL", "OFF"]
FDP = descriptor_pb2.FieldDescriptorProto
SHORT = [bytes([size]) for size in range(128)]


@pytest.fixture(scope="module")
def n_rows() -> int:
    """Give the number of records."""
    from conftest import N_ROWS

    return min(N_ROWS, MOST_ROWS)


def message_class(
    name: str, fields: list[tuple[str, int]], optional: set[str], repeated: set[str]
) -> Any:
    """Make the class of a message; field numbers are those of the order."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package="b", syntax="proto3")
    enum = file.enum_type.add(name="State")
    for number, state in enumerate(STATES):
        enum.value.add(name=state, number=number)
    message = file.message_type.add(name=name)
    for number, (field, kind) in enumerate(fields, 1):
        label = FDP.LABEL_REPEATED if field in repeated else FDP.LABEL_OPTIONAL
        added = message.field.add(name=field, number=number, type=kind, label=label)
        if kind == FDP.TYPE_ENUM:
            added.type_name = ".b.State"
        if field in optional:
            added.proto3_optional = True
            added.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"b.{name}"))


def ticks(n_rows: int) -> tuple[pa.Table, Any]:
    """Make ticks of four fields."""
    rng = np.random.default_rng(5)
    symbols = pa.array([f"SYM{i:03}"[: 3 + i % 4] for i in range(500)])
    table = pa.table(
        {
            "ts": 1_700_000_000_000_000_000 + np.cumsum(rng.integers(1, 2_000_000, n_rows)),
            "symbol": symbols.take(pa.array(rng.integers(0, 500, n_rows))),
            "price": np.round(1000 + np.cumsum(rng.normal(0, 0.01, n_rows)), 2),
            "size": rng.integers(1, 1000, n_rows),
        }
    )
    kinds = [FDP.TYPE_INT64, FDP.TYPE_STRING, FDP.TYPE_DOUBLE, FDP.TYPE_INT64]
    fields = list(zip(table.column_names, kinds, strict=True))
    return table, message_class("Tick", fields, set(), set())


def readings(n_rows: int) -> tuple[pa.Table, Any]:
    """Make readings of 20 fields: a tenth of the values missing, an enum, a list."""
    rng = np.random.default_rng(6)
    columns: dict[str, Any] = {
        "ts": 1_700_000_000_000 + np.cumsum(rng.integers(1, 2000, n_rows)),
        "machine": pa.array([f"machine-{i:04}" for i in range(1000)]).take(
            pa.array(rng.integers(0, 1000, n_rows))
        ),
        "state": pa.DictionaryArray.from_arrays(rng.integers(0, 4, n_rows).astype("i4"), STATES),
        "is_running": rng.random(n_rows) < 0.5,
    }
    kinds = [FDP.TYPE_INT64, FDP.TYPE_STRING, FDP.TYPE_ENUM, FDP.TYPE_BOOL]
    optional = set()
    for i in range(10):
        values = np.round(rng.normal(20, 5, n_rows), 3)
        columns[f"value_{i}"] = pa.array(values, mask=rng.random(n_rows) < 0.1)
        kinds.append(FDP.TYPE_DOUBLE)
        optional.add(f"value_{i}")
    for i in range(5):
        values = rng.integers(-1000, 1000, n_rows).astype("i4")
        columns[f"count_{i}"] = pa.array(values, mask=rng.random(n_rows) < 0.1)
        kinds.append(FDP.TYPE_SINT32)
        optional.add(f"count_{i}")
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, N_LEVELS, n_rows))]).astype("i4")
    levels = pa.array(rng.integers(0, 500, offsets[-1]))
    columns["levels"] = pa.ListArray.from_arrays(offsets, levels)
    kinds.append(FDP.TYPE_INT64)
    table = pa.table(columns)
    fields = list(zip(table.column_names, kinds, strict=True))
    return table, message_class("Reading", fields, optional, {"levels"})


def setter_of(make: Any, names: list[str]) -> Any:
    """Make a function of a row that makes a message by keywords, which is the fastest way."""
    scope = {"make": make}
    given = ", ".join(f"{name}=row[{i}]" for i, name in enumerate(names))
    exec(f"def message(row): return make({given}).SerializeToString()", scope)  # noqa: S102
    return scope["message"]


def written_by_peer(table: pa.Table, make: Any) -> bytes:
    """Write a table message by message."""
    message = setter_of(make, table.column_names)
    columns = [
        column.combine_chunks().indices.to_pylist()
        if pa.types.is_dictionary(column.type)
        else column.to_pylist()
        for column in table.columns
    ]
    content = [message(row) for row in zip(*columns, strict=True)]
    lengths = [SHORT[n] if n < 128 else bytes([n & 127 | 128, n >> 7]) for n in map(len, content)]
    return b"".join([part for pair in zip(lengths, content, strict=True) for part in pair])


def read_by_peer(stream: bytes, make: Any, schema: pa.Schema) -> pa.Table:
    """Read a table message by message."""
    parse = make.FromString
    messages = []
    at, end = 0, len(stream)
    while at < end:
        size = stream[at]
        at += 1
        if size > 127:
            size += (stream[at] << 7) - 128
            at += 1
        messages.append(parse(stream[at : at + size]))
        at += size
    rows = map(attrgetter(*schema.names), messages)
    columns: list[Any] = []
    for field, values in zip(schema, zip(*rows, strict=True), strict=True):
        name, type_ = field.name, field.type
        if pa.types.is_dictionary(type_):
            codes = pa.array(values, pa.int32())
            columns.append(pa.DictionaryArray.from_arrays(codes, STATES))
        elif name == "levels":
            columns.append(pa.array(list(map(list, values)), type_))
        elif name.startswith(("value_", "count_")):  # what is missing reads as zero
            found = [
                value if value or one.HasField(name) else None
                for one, value in zip(messages, values, strict=True)
            ]
            columns.append(pa.array(found, type_))
        else:
            columns.append(pa.array(values, type_))
    return pa.Table.from_arrays(columns, names=schema.names)


@pytest.fixture(autouse=True, scope="module")
def no_collections() -> Iterator[None]:
    """Let the peer, which makes objects by the million, lose no time to the garbage collector."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="module", params=[ticks, readings], ids=["4 fields", "20 fields"])
def work(request: pytest.FixtureRequest, n_rows: int) -> tuple[str, pa.Table, Any, bytes]:
    """Make a table, its message, and its stream, on which both sides agree."""
    assert api_implementation.Type() == "upb"
    table, make = request.param(n_rows)
    format_ = Protobuf(make)
    stream = format_.dumps(table)
    assert stream == written_by_peer(table, make)
    ours, theirs = format_.loads(stream), read_by_peer(stream, make, table.schema)
    for name in table.column_names:
        assert ours[name].cast(theirs[name].type).equals(theirs[name]), name
        assert ours[name].to_pylist() == table[name].to_pylist(), name
    return f"{table.num_columns} fields", table, make, stream


def test_write(race: Any, work: tuple[str, pa.Table, Any, bytes]) -> None:
    what, table, make, _ = work
    format_ = Protobuf(make)
    race(
        f"Arrow to Protobuf, {what}, 1 thread",
        lambda: format_.dumps(table),
        {"protobuf (upb)": lambda: written_by_peer(table, make)},
        target=TARGET,
        n_rounds=N_ROUNDS,
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_read(race: Any, work: tuple[str, pa.Table, Any, bytes], threads: int) -> None:
    what, table, make, stream = work
    format_ = Protobuf(make)
    race(
        f"Protobuf to Arrow, {what}, {threads} thread{'s' * (threads > 1)}",
        lambda: format_.loads(stream, threads=threads),
        {"protobuf (upb)": lambda: read_by_peer(stream, make, table.schema)},
        target=TARGET,
        n_rounds=N_ROUNDS,
    )
