"""What is fuzzed: each takes bytes, and raises nothing but the errors that have a name."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

import pyarrow as pa

import tidegate as tg
from tidegate._kernels.checksum import crc32c
from tidegate.core.errors import TidegateError
from tidegate.core.formats.avro import Avro
from tidegate.core.formats.avroprogram import RowDecoder
from tidegate.core.formats.avroschema import parse_schema
from tidegate.core.formats.formatlimits import FormatLimits
from tidegate.core.formats.jsonlines import JsonLines
from tidegate.core.formats.protobuf import Protobuf
from tidegate.core.frames import FRAME, MAGIC, VERSION

LIMITS = FormatLimits(
    items=1 << 12, free_items=1 << 12, text_bytes=1 << 16, block_bytes=1 << 16, batch_bytes=1 << 20
)


def record(name, *fields):
    """Make the schema of a record of fields (name, type) or (name, type, default)."""
    listed = [
        {"name": field[0], "type": field[1]} | ({"default": field[2]} if len(field) > 2 else {})
        for field in fields
    ]
    return {"type": "record", "name": name, "fields": listed}


def of(kind, logical, **rest):
    """Make a logical type."""
    return {"type": kind, "logicalType": logical} | rest


LEG = record("Leg", ("price", "double"), ("tag", ["null", "string"]), ("n", "int"))
EVERY = record(
    "Every",
    ("b", "boolean"),
    ("i", "int"),
    ("l", ["null", "long"]),
    ("f", "float"),
    ("d", ["double", "null"]),
    ("by", "bytes"),
    ("s", "string"),
    ("e", {"type": "enum", "name": "E", "symbols": ["A", "B", "C"]}),
    ("fx", {"type": "fixed", "name": "F", "size": 3}),
    ("dec", of("bytes", "decimal", precision=9, scale=2)),
    ("big", of("fixed", "decimal", name="Big", size=20, precision=45)),
    ("id", of("string", "uuid")),
    ("dur", of("fixed", "duration", name="Dur", size=12)),
    ("u", ["null", "boolean", "string", {"type": "array", "items": "long"}]),
    ("a", {"type": "array", "items": ["null", "double"]}),
    ("legs", {"type": "array", "items": LEG}),
    ("m", {"type": "map", "values": {"type": "array", "items": "null"}}),
    ("r", ["null", record("In", ("x", "float"), ("y", {"type": "map", "values": "int"}))]),
)
SMALL = record("Small", ("a", "long"), ("s", "string"), ("x", ["null", "int", "string"]))
SMALL_READER = record(
    "Small",
    ("new", {"type": "array", "items": "int"}, [1, 2]),
    ("x", ["string", "null", "double"]),
    ("a", "double"),
    ("s", "bytes"),
)
LISTS = {"type": "array", "items": {"type": "map", "values": {"type": "array", "items": "string"}}}


def decoder(writer, reader=None):
    """Make what reads rows of one schema."""
    mine = parse_schema(writer, LIMITS)[0]
    return RowDecoder(mine, mine if reader is None else parse_schema(reader, LIMITS)[0], LIMITS)


ROWS = [
    decoder(EVERY),
    decoder(SMALL),
    decoder(SMALL, SMALL_READER),
    decoder(EVERY, record("Every", ("r", EVERY["fields"][-1]["type"]), ("i", "double"))),
    decoder(LISTS),
]
AVRO = Avro(limits=LIMITS)


def avro_rows(data: bytes) -> None:
    """Read rows behind two bytes: which schema, and how many."""
    if len(data) < 2:
        return
    rows = ROWS[data[0] % len(ROWS)]
    kernel = rows.kernel
    kernel.feed(data, 2)
    if kernel.begin_block(data[1] % 32) or kernel.rows(1 << 12) == 2:
        rows.error("Avro", 0, 0)
        kernel.take_rows()
    elif is_checked(data):
        rows.take().validate(full=True)
    else:
        kernel.take_rows()


def avro_file(data: bytes) -> None:
    """Read a container file whole and in pieces, and write what it was."""
    try:
        table = AVRO.loads(data)
    except TidegateError:
        return
    table.validate(full=True)
    pieces = pa.Table.from_batches(list(AVRO.read(io.BytesIO(data))), table.schema)
    again = AVRO.dumps(table, sync=bytes(16))
    if pieces.num_rows != table.num_rows:
        raise AssertionError("read in pieces, there are other rows")
    if AVRO.dumps(AVRO.loads(again), sync=bytes(16)) != again:
        raise AssertionError("written and read, there are other rows")


def is_checked(data: bytes) -> bool:
    """Tell whether the columns of an input are looked at too, which costs more than reading it."""
    return zlib.crc32(data) % 64 == 0


PROTOBUF = Protobuf(
    pa.schema(
        [
            pa.field("i", pa.int64()),
            pa.field("u", pa.uint32(), nullable=False),
            pa.field("b", pa.bool_()),
            pa.field("d", pa.float64()),
            pa.field("s", pa.string(), nullable=False),
            pa.field("by", pa.binary()),
            pa.field("at", pa.timestamp("ns", "UTC")),
            pa.field("packed", pa.list_(pa.field("item", pa.int32(), nullable=False))),
            pa.field("texts", pa.list_(pa.field("item", pa.string(), nullable=False))),
            pa.field("m", pa.map_(pa.string(), pa.float64())),
            pa.field("in", pa.struct([("x", pa.float32()), ("y", pa.list_(pa.int64()))])),
        ]
    ),
    limits=LIMITS,
)


def protobuf(data: bytes) -> None:
    """Read a stream of messages, or, where the first byte is 0, one message."""
    if is_checked(data):
        try:
            read = PROTOBUF.loads_message if data[:1] == b"\0" else PROTOBUF.loads
            read(data[data[:1] == b"\0" :]).validate(full=True)
        except TidegateError:
            return
    reader = MESSAGES._reader()
    if data[:1] == b"\0":
        reader.read_message(data[1:])
    else:
        reader.read_stream(data, 0, 1 << 12, 1 << 16, True)
    if reader.status == 0:
        reader.end()
        reader.take()


def protobuf_blocks(data: bytes) -> None:
    """Read a stream many messages at a time, and one by one: there is no difference."""
    stream = data + bytes(2 * MARGIN)  # empty messages: the last ones of a stream are in no block
    together, alone = MESSAGES._reader(), MESSAGES._reader()
    together.read_stream(stream, 0, 1 << 12, 1 << 16, True)
    at = n_rows = 0
    while alone.status == 0 and at < len(stream):
        n_rows += 1
        at = alone.read_stream(stream, at, n_rows, 1 << 16, True)
    if together.status != alone.status:
        raise AssertionError(f"status {together.status}, one by one {alone.status}")
    if together.status:
        if (together.bad, together.bad_row, together.path()[:1]) != (
            alone.bad, alone.bad_row, alone.path()[:1],
        ):  # fmt: skip
            raise AssertionError("the error is in another place")
        return
    if together.end() != alone.end() or texts_of(together.take()) != texts_of(alone.take()):
        raise AssertionError("the rows are others")


def texts_of(columns: list) -> list:
    """Give the columns as bytes."""
    return [
        (n, n_nulls, *(None if part is None else bytes(part) for part in parts))
        for n, n_nulls, *parts in columns
    ]


MARGIN = 64  # of proto_block.pxd

JSON = [
    JsonLines(limits=LIMITS),
    JsonLines(
        schema=pa.schema(
            [
                ("n", pa.int64()),
                ("x", pa.float64()),
                ("s", pa.string()),
                ("at", pa.timestamp("us")),
                ("l", pa.list_(pa.struct([("p", pa.int32())]))),
            ]
        ),
        limits=LIMITS,
    ),
]


MESSAGES = PROTOBUF._decoder(None, LIMITS, "Protobuf")


def json(data: bytes) -> None:
    """Read lines; the first byte says whether by a schema."""
    try:
        JSON[data[:1] >= b"a"].loads(data[1:]).validate(full=True)
    except TidegateError:
        return


def snapshot(data: bytes) -> None:
    """Restore an aggregator and go on with it; its frame is made to fit, or none would be read."""
    body = data[FRAME.size :]
    framed = FRAME.pack(MAGIC, VERSION, len(body), crc32c(body)) + body
    try:
        tg.Aggregator.restore(framed).flush()
    except TidegateError:
        return


TARGETS: dict[str, Callable[[bytes], None]] = {
    "avro_rows": avro_rows,
    "avro_file": avro_file,
    "protobuf": protobuf,
    "protobuf_blocks": protobuf_blocks,
    "json": json,
    "snapshot": snapshot,
}
