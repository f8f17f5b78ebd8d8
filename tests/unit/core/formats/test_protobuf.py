"""Protobuf against the package `protobuf`, and where both are held to the specification."""

import datetime as dt
import decimal
import io

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    message_factory,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.internal.encoder import _VarintBytes
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.protopeer import (
    FDP,
    add_field,
    add_map,
    fill_message,
    make_optional,
    message_types,
    new_file,
    normal,
    peer_of,
    seen,
)

from tidegate._kernels import proto_program
from tidegate.core.errors import (
    ColumnNotFoundError,
    ColumnTypeError,
    InputError,
    SerializationError,
    SinkError,
    SourceError,
)
from tidegate.core.formats.protobuf import Protobuf
from tidegate.core.formats.protoderive import message_of_schema
from tidegate.core.formats.protoschema import Kind, Label

MANY = 30_000  # rows: more than a block of any kernel


@pytest.fixture(scope="module")
def every():
    """Give a message with something of everything."""
    file = new_file()
    inner = file.message_type.add(name="Leg")
    add_field(inner, "px", 1, FDP.TYPE_DOUBLE)
    make_optional(inner, add_field(inner, "venue", 2, FDP.TYPE_STRING))
    add_field(inner, "lots", 3, FDP.TYPE_SINT64, "many")
    message = file.message_type.add(name="Every")
    message.oneof_decl.add(name="choice")
    add_field(message, "id", 1, FDP.TYPE_INT64)
    add_field(message, "name", 2, FDP.TYPE_STRING)
    add_field(message, "leg", 3, FDP.TYPE_MESSAGE, type_name=".t.Leg")
    add_field(message, "legs", 4, FDP.TYPE_MESSAGE, "many", type_name=".t.Leg")
    add_field(message, "sizes", 5, FDP.TYPE_INT32, "many")
    add_field(message, "loose", 6, FDP.TYPE_INT32, "many", packed=False)
    add_map(message, ".t.Every", "tags", 7, FDP.TYPE_STRING, FDP.TYPE_INT64)
    add_field(message, "colour", 8, FDP.TYPE_ENUM)
    add_field(message, "a", 9, FDP.TYPE_STRING).oneof_index = 0
    add_field(message, "b", 10, FDP.TYPE_MESSAGE, type_name=".t.Leg").oneof_index = 0
    add_map(message, ".t.Every", "book", 11, FDP.TYPE_INT32, FDP.TYPE_MESSAGE, ".t.Leg")
    add_field(message, "flag", 16, FDP.TYPE_BOOL)
    make_optional(message, add_field(message, "maybe", 2048, FDP.TYPE_UINT64))
    return peer_of(file, "t.Every")


@pytest.fixture(scope="module")
def every_format(every):
    return Protobuf(every.descriptor_set, name="t.Every")


def rows_of(table):
    table.validate(full=True)
    return normal(table.to_pylist())


def both_ways(peer, messages):
    """Read what the peer wrote, and let it read what is written of that."""
    format_ = Protobuf(peer.message_class)
    table = format_.loads(peer.delimited(messages))
    assert rows_of(table) == [normal(seen(message)) for message in messages]
    written = format_.dumps(table)
    assert rows_of(format_.loads(written)) == rows_of(table)
    at = 0
    for message in messages:
        size, at = length_at(written, at)
        again = peer.message_class.FromString(written[at : at + size])
        assert normal(seen(again)) == normal(seen(message))
        at += size
    assert at == len(written)


def length_at(content, at):
    """Read a length; give where it ends."""
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


@settings(max_examples=60)
@given(data=st.data(), peer=message_types())
def test_any_message_goes_both_ways_with_the_peer(data, peer):
    n = data.draw(st.integers(0, 4))
    both_ways(peer, [fill_message(data.draw, peer.message_class()) for _ in range(n)])


@settings(max_examples=30)
@given(data=st.data(), peer=message_types())
def test_slices_of_columns_write_the_same_bytes_as_copies(data, peer):
    messages = [fill_message(data.draw, peer.message_class()) for _ in range(5)]
    format_ = Protobuf(peer.message_class)
    table = format_.loads(peer.delimited(messages))
    first, n = data.draw(st.integers(0, 5)), data.draw(st.integers(0, 5))
    part = table.slice(first, n)
    # What IPC has read begins at the start of its buffers.
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, part.schema) as writer:
        writer.write_table(part)
    copy = pa.ipc.open_stream(sink.getvalue()).read_all()
    assert format_.dumps(part) == format_.dumps(copy)
    assert rows_of(format_.loads(format_.dumps(part))) == rows_of(table)[first : first + n]


def test_messages_of_the_peer_are_written_byte_for_byte(every, every_format):
    make = every.message_class
    message = make(id=300, name="é", sizes=[1, -1, 300], colour=3, a="", flag=True, maybe=0)
    message.leg.lots.extend([1, -1])
    message.legs.add(px=1.5)
    content = message.SerializeToString(deterministic=True)
    table = every_format.loads_message(content)
    assert every_format.dumps_message(table) == content


def some_messages(every, n_rows):
    """Make messages of which each has something else in it."""
    rng = np.random.default_rng(n_rows)
    messages = []
    for i in range(n_rows):
        message = every.message_class(id=int(rng.integers(-(2**40), 2**40)), name="n" * (i % 40))
        if i % 3:
            message.leg.px = i
        if i % 5 == 0:
            message.legs.add(venue="x" * (i % 200), lots=range(i % 7))
        message.sizes.extend(range(i % 4))
        message.tags[str(i % 2)] = i
        if i % 2:
            message.a = str(i)
        messages.append(message)
    return messages


@pytest.mark.parametrize("n_rows", [1, 63, 64, 1025])
def test_some_rows_of_every_shape(every, n_rows):
    both_ways(every, some_messages(every, n_rows))


def test_many_rows_are_as_few(every, every_format):
    messages = some_messages(every, 301)
    n_times = MANY // len(messages)
    few = every_format.loads(every.delimited(messages))
    many = pa.concat_tables([few] * n_times)
    assert every_format.dumps(many) == every_format.dumps(few) * n_times
    assert every_format.loads(every_format.dumps(many)).equals(many)
    assert every_format.dumps(many.combine_chunks().slice(17)) == every_format.dumps(many.slice(17))


@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_any_number_of_threads_reads_the_same_rows(every, every_format, threads):
    messages = some_messages(every, 301)
    stream = every.delimited(messages) * 200  # 6 MB: a piece is 1 MiB at least
    whole = every_format.loads(stream, threads=1)
    table = every_format.loads(stream, threads=threads)
    assert table.equals(whole)
    assert table.num_rows == 301 * 200
    bad = bytearray(stream)
    at = 150 * (len(stream) // 200)
    assert bad[at + 1] == 0x08
    bad[at + 1] = 0x0E  # of the first field of row 150 * 301 the wire type
    with pytest.raises(SerializationError) as caught:
        every_format.loads(bytes(bad), threads=threads)
    assert (caught.value.row, caught.value.offset) == (150 * 301, at + 1)
    with pytest.raises(SerializationError, match="end before the value does") as caught:
        every_format.loads(stream[:-1], threads=threads)
    assert caught.value.row == 301 * 200 - 1 or caught.value.offset > at


def field_bytes(number, wire, payload):
    return _VarintBytes(number << 3 | wire) + payload


def length_bytes(number, payload):
    return field_bytes(number, 2, _VarintBytes(len(payload)) + payload)


LEG_1 = field_bytes(1, 1, np.float64(1.5).tobytes()) + length_bytes(3, b"\x02")
LEG_2 = length_bytes(2, b"X") + length_bytes(3, b"\x04\x06")

CASES = {
    "the last value of a field counts": field_bytes(1, 0, b"\x01") + field_bytes(1, 0, b"\x02"),
    "the last string counts": length_bytes(2, b"long" * 9) + length_bytes(2, b"s"),
    "parts of a message become one": length_bytes(3, LEG_1) + length_bytes(3, LEG_2),
    "messages that repeat do not": length_bytes(4, LEG_1) + length_bytes(4, LEG_2),
    "packed and unpacked are both read": length_bytes(5, b"\x01\x02") + field_bytes(5, 0, b"\x03"),
    "unpacked where packed is not declared": length_bytes(6, b"\x01") + field_bytes(6, 0, b"\x02"),
    "fields in any order": field_bytes(16, 0, b"\x01")
    + length_bytes(2, b"n")
    + field_bytes(1, 0, b"\x05"),
    "the last entry of a key counts": b"".join(
        length_bytes(7, length_bytes(1, key) + field_bytes(2, 0, value))
        for key, value in ((b"k", b"\x01"), (b"j", b"\x02"), (b"k", b"\x03"))
    ),
    "an entry without key and value is of zeros": length_bytes(7, b"") + length_bytes(11, b""),
    "an entry in the other order": length_bytes(7, field_bytes(2, 0, b"\x07") + b"\x0a\x01k"),
    "a number of an enum without a name is kept": field_bytes(8, 0, b"\x63"),
    "the last field of a oneof counts": length_bytes(9, b"a") + length_bytes(10, LEG_1),
    "a message of a oneof that comes back begins anew": length_bytes(10, LEG_1)
    + length_bytes(9, b"a")
    + length_bytes(10, LEG_2),
    "parts of a message of a oneof become one": length_bytes(10, LEG_1) + length_bytes(10, LEG_2),
    "unknown fields are skipped": field_bytes(100, 0, b"\xff" * 9 + b"\x01")
    + field_bytes(101, 1, b"12345678")
    + length_bytes(102, b"abc")
    + field_bytes(103, 5, b"1234")
    + field_bytes(1, 0, b"\x09"),
    "unknown groups are skipped, also those in them": b"\xa3\x06\xab\x06\x08\x01\xac\x06\xa4\x06"
    + field_bytes(1, 0, b"\x09"),
    "a varint may be longer than it need be": field_bytes(1, 0, b"\x81\x80\x80\x00"),
    "a tag may be longer than it need be": b"\x88\x80\x00\x05",
    "a long integer is cut to int32": length_bytes(5, b"\xff" * 9 + b"\x01\x81\x80\x80\x80\x10"),
    "any number but 0 is true": field_bytes(16, 0, b"\x80\x02"),
    "an empty packed field is no value": length_bytes(5, b""),
    "an empty message is there": length_bytes(3, b""),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_wire(every, every_format, case):
    message = every.message_class.FromString(CASES[case])
    table = every_format.loads_message(CASES[case])
    assert rows_of(table) == [normal(seen(message))]
    # Between others, so that nothing of it is left to them.
    stream = b"\x02\x08\x01" + _VarintBytes(len(CASES[case])) + CASES[case] + b"\x02\x08\x01"
    plain = normal(seen(every.message_class(id=1)))
    assert rows_of(every_format.loads(stream)) == [plain, normal(seen(message)), plain]


def test_a_known_field_of_a_wrong_wire_type_is_an_error(every_format):
    # The peer takes such a field for an unknown one, so that a value of a wrong schema vanishes.
    with pytest.raises(SerializationError, match=r"\$\.leg\.px, byte 2: the wire type") as caught:
        every_format.loads_message(length_bytes(3, field_bytes(1, 0, b"\x01")))
    assert (caught.value.path, caught.value.offset, caught.value.row) == ("$.leg.px", 2, 0)


def test_a_varint_of_more_than_64_bits_is_an_error(every_format):
    # The peer drops the bits above the 64th of a tenth byte; it is no number that can be meant.
    with pytest.raises(SerializationError, match="more than 10 bytes or 64 bits"):
        every_format.loads_message(field_bytes(1, 0, b"\xff" * 9 + b"\x02"))


def test_errors_name_row_path_and_byte(every_format):
    bad = length_bytes(4, LEG_1) + length_bytes(4, length_bytes(2, b"\xff"))
    with pytest.raises(SerializationError) as caught:
        every_format.loads(b"\x02\x08\x01" + _VarintBytes(len(bad)) + bad)
    assert str(caught.value) == "Protobuf: row 1, $.legs[1].venue, byte 22: a string is not UTF-8"
    assert (caught.value.row, caught.value.path, caught.value.offset) == (1, "$.legs[1].venue", 22)


def test_columns_that_are_not_asked_for_are_skipped(every, every_format):
    message = every.message_class(id=7, name="n", maybe=3)
    stream = every.delimited([message, message])
    table = every_format.loads(stream, columns=["maybe", "id"])
    assert table.to_pydict() == {"maybe": [3, 3], "id": [7, 7]}
    assert every_format.loads(stream, columns=[]).num_rows == 2
    with pytest.raises(ColumnNotFoundError, match=r"no field 'nope' in message t\.Every; it"):
        every_format.loads(stream, columns=["nope"])


# ------------------------------------------------------------------------------------ closed enums


@pytest.fixture(scope="module")
def closed():
    file = new_file("proto2")
    message = file.message_type.add(name="Closed")
    add_field(message, "one", 1, FDP.TYPE_ENUM)
    add_field(message, "many", 2, FDP.TYPE_ENUM, "many")
    add_field(message, "packed", 3, FDP.TYPE_ENUM, "many", packed=True)
    add_map(message, ".t.Closed", "by", 4, FDP.TYPE_STRING, FDP.TYPE_ENUM)
    add_field(message, "needed", 5, FDP.TYPE_INT32, "needed")
    return peer_of(file, "t.Closed")


def test_numbers_that_a_closed_enum_lacks_are_unknown_fields(closed):
    content = b"\x08\x03\x08\x63\x10\x63\x10\x03\x1a\x03\x03\x63\x00\x28\x01"
    content += length_bytes(4, b"\x0a\x01k\x10\x63") + length_bytes(4, b"\x0a\x01j\x10\x03")
    table = Protobuf(closed.message_class).loads_message(content)
    expected = seen(closed.message_class.FromString(content))
    assert rows_of(table) == [normal(expected)]
    assert expected["by"] == [("j", "GREEN")]


def test_a_required_field_that_is_missing_is_named(closed):
    format_ = Protobuf(closed.message_class)
    with pytest.raises(SerializationError, match=r"row 1, \$\.needed: it is required"):
        format_.loads(b"\x02\x28\x01\x02\x08\x03")
    with pytest.raises(ColumnNotFoundError, match="no column 'needed', and message"):
        format_.dumps(pa.table({"one": ["RED"]}))
    with pytest.raises(SerializationError, match=r"row 1, \$\.needed: a null"):
        format_.dumps(pa.table({"needed": [0, None]}))
    assert format_.dumps(pa.table({"needed": [0]})) == b"\x02\x28\x00"


def test_names_and_digits_are_written_as_numbers(every_format):
    for values in (pa.array(["ALSO_GREEN", "99"]), pa.array(["GREEN", "99"]).dictionary_encode()):
        stream = every_format.dumps(pa.table({"colour": values}))
        assert stream == b"\x02\x40\x03\x02\x40\x63"
    assert every_format.loads(stream)["colour"].to_pylist() == ["GREEN", "99"]
    with pytest.raises(SerializationError, match=r"'PINK' is no name of enum t\.Colour"):
        every_format.dumps(pa.table({"colour": ["PINK"]}))


# --------------------------------------------------------------------------------- well-known types


@pytest.fixture(scope="module")
def known():
    file = descriptor_pb2.FileDescriptorProto(name="k.proto", package="k", syntax="proto3")
    pool = descriptor_pool.Default()
    for module in (timestamp_pb2, duration_pb2, wrappers_pb2):
        file.dependency.append(module.DESCRIPTOR.name)
    message = file.message_type.add(name="Known")
    for number, (name, type_name) in enumerate(
        {"at": "Timestamp", "took": "Duration", "n": "Int64Value", "s": "StringValue"}.items(), 1
    ):
        type_name = f".google.protobuf.{type_name}"
        add_field(message, name, number, FDP.TYPE_MESSAGE, type_name=type_name)
        add_field(message, f"{name}s", number + 10, FDP.TYPE_MESSAGE, "many", type_name=type_name)
    pool.Add(file)
    make = message_factory.GetMessageClass(pool.FindMessageTypeByName("k.Known"))
    files = [timestamp_pb2, duration_pb2, wrappers_pb2]
    content = descriptor_pb2.FileDescriptorSet()
    for module in files:
        module.DESCRIPTOR.CopyToProto(content.file.add())
    content.file.append(file)
    return make, content.SerializeToString()


def test_well_known_types_are_times_and_nullable_values(known):
    make, descriptor_set = known
    format_ = Protobuf(descriptor_set)  # one message in the last file: no name needed
    assert format_.schema.field("at").type == pa.timestamp("ns", "UTC")
    assert format_.schema.field("tooks").type.value_type == pa.duration("ns")
    messages = [make(), make(), make(n=wrappers_pb2.Int64Value())]
    messages[1].at.FromNanoseconds(-1)
    messages[1].took.FromNanoseconds(-1_500_000_000)
    messages[1].n.value = -3
    messages[1].ns.add(value=4)
    messages[1].s.value = "é"
    messages[1].ats.add(seconds=1, nanos=2)
    messages[1].tooks.add(seconds=-9_223_372_036, nanos=-854_775_808)
    stream = b"".join(
        _VarintBytes(len(m.SerializeToString())) + m.SerializeToString() for m in messages
    )
    table = format_.loads(stream)
    table.validate(full=True)
    assert table["at"].cast(pa.int64()).to_pylist() == [None, -1, None]
    assert table["took"].cast(pa.int64()).to_pylist() == [None, -1_500_000_000, None]
    assert table["n"].to_pylist() == [None, -3, 0]
    assert table["s"].to_pylist() == [None, "é", None]
    assert table["ns"].to_pylist() == [[], [4], []]
    assert table["ats"].combine_chunks().values.cast(pa.int64()).to_pylist() == [1_000_000_002]
    assert table["tooks"].combine_chunks().values.cast(pa.int64()).to_pylist() == [-(2**63)]
    assert format_.dumps(table) == stream
    assert format_.dumps(table.slice(1, 1)) == stream[1:-3]


@pytest.mark.parametrize(
    "payload",
    [
        b"\x08" + _VarintBytes(9_223_372_037),
        b"\x08" + _VarintBytes(9_223_372_036) + b"\x10" + _VarintBytes(854_775_808),
        b"\x10" + _VarintBytes(1_000_000_000),
        b"\x10" + b"\xff" * 9 + b"\x01",
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    ],
)
def test_a_time_that_does_not_fit_is_named(known, payload):
    content = length_bytes(1, payload)
    with pytest.raises(SerializationError, match=r"row 1, \$\.at: .* no value of timestamp\[ns"):
        Protobuf(known[0]).loads(b"\x00" + _VarintBytes(len(content)) + content)


# ------------------------------------------------------------------------------------- derived ones


EVERYTHING = pa.table(
    {
        "a": [1, None, 3],
        "s": ["x", "é" * 20, None],
        "l": [[1, 2], [], [-3]],
        "st": [{"p": 1.5, "q": [b"x"]}, None, {"p": None, "q": []}],
        "ls": [[{"z": 1}], [], [{"z": 2}, {"z": None}]],
        "m": pa.array([[("k", 1)], [], [("a", 2), ("b", 3)]], pa.map_(pa.string(), pa.int64())),
        "ts": pa.array([1, None, -1], pa.timestamp("us")),
        "zoned": pa.array([1, None, -1], pa.timestamp("s", "Europe/Paris")),
        "d": pa.array([1, -1500, None], pa.duration("ms")),
        "dictionary": pa.array(["u", "v", None]).dictionary_encode(),
        "money": [decimal.Decimal("1.50"), None, decimal.Decimal("-2.25")],
        "date": [dt.date(2024, 2, 29), dt.date(1969, 12, 31), None],
        "nothing": pa.nulls(3),
        "b": [True, False, None],
        "i8": pa.array([1, -2, None], pa.int8()),
        "u64": pa.array([1, 2**64 - 1, None], pa.uint64()),
        "fixed": pa.array([[1.0, 2.0]] * 3, pa.list_(pa.float32(), 2)),
        "times": pa.array([[1, 2], [], [-1]], pa.list_(pa.timestamp("ns", "UTC"))),
        "large": pa.array([["a"], [], ["b" * 100]], pa.large_list(pa.large_string())),
        "t64": pa.array([1, 2, None], pa.time64("us")),
        "bools": [[True, False], [], [True] * 9],
        "half": pa.array([1.5, None, 2], pa.float32()).cast(pa.float16()),
        "view": pa.array(["a", None, "b" * 30], pa.string_view()),
        "id": pa.array([b"0123456789abcdef"] * 3, pa.binary(16)),
        "book": pa.array([[(1, {"px": 1.0})], [], []],
                         pa.map_(pa.int32(), pa.struct({"px": pa.float64()}))),
    },
)  # fmt: skip


def test_columns_of_every_type_come_back_as_they_were():
    format_ = Protobuf(EVERYTHING.schema)
    assert format_.schema.equals(EVERYTHING.schema)
    table = format_.loads(format_.dumps(EVERYTHING))
    table.validate(full=True)
    assert table.equals(EVERYTHING)
    part = EVERYTHING.slice(1, 2)
    assert format_.loads(format_.dumps(part)).to_pylist() == part.to_pylist()


def test_columns_that_are_never_null_have_no_presence():
    schema = pa.schema([pa.field("n", pa.int64(), nullable=False)])
    format_ = Protobuf(schema)
    assert format_.dumps(pa.table({"n": [0, 5]}, schema)) == b"\x00\x02\x08\x05"
    assert format_.loads(b"\x00").equals(pa.table({"n": [0]}, schema))
    with pytest.raises(SerializationError, match=r"row 1, \$\.n: a null where Protobuf has none"):
        format_.dumps(pa.table({"n": [0, None]}))


def test_the_text_of_a_derived_type_says_what_is_written():
    assert Protobuf(EVERYTHING.schema.empty_table().select(["st", "m", "ts"]).schema).proto() == (
        'syntax = "proto3";\n\nimport "google/protobuf/timestamp.proto";\n\n'
        "message Record {\n"
        "  message St {\n    optional double p = 1;\n    repeated bytes q = 2;\n  }\n"
        "  St st = 1;\n  map<string, int64> m = 2;\n  google.protobuf.Timestamp ts = 3;\n}\n"
    )


def test_names_of_derived_messages_are_taken_once():
    value = pa.struct({"px": pa.float64()})
    columns = {
        "a_b": value,
        "aB": value,
        "AB": pa.int64(),
        "m": pa.map_(pa.int32(), value),
        "m_entry": value,
        "m_value": value,
    }
    text = Protobuf(pa.schema(columns), name="my.shop.Order").proto()
    assert "package my.shop;" in text
    assert [line.split()[1] for line in text.splitlines() if "message" in line] == [
        "Order", "AB_", "AB__", "MValue", "MEntry_", "MValue_",
    ]  # fmt: skip
    assert "map<int32, MValue> m = 4;" in text
    with pytest.raises(InputError, match="'my order' is no name of a message"):
        Protobuf(pa.schema(columns), name="my order")


def test_the_text_of_a_given_type_is_not_made_up(every_format):
    with pytest.raises(InputError, match="is not derived from an Arrow schema"):
        every_format.proto()


def descriptor_of(message, parent):
    """Describe a derived message type as its text does, for the peer."""
    for field in message.fields:
        many = field.is_repeated
        type_name = None
        if field.message is not None:
            type_name = f".{field.message.name}"
            if not type_name.startswith(".google"):
                inner = parent.nested_type.add(name=field.message.name.rpartition(".")[2])
                descriptor_of(field.message, inner)
                inner.options.map_entry = field.is_map
                type_name = f".{field.message.name}"
        added = add_field(
            parent, field.name, field.number, field.kind, "many" if many else "one",
            type_name=None if type_name is None else type_name.rpartition(".")[2]
            if ".google" not in type_name else type_name,
        )  # fmt: skip
        if field.label == Label.OPTIONAL and field.message is None:
            added.proto3_optional = True
            added.oneof_index = len(parent.oneof_decl)
            parent.oneof_decl.add(name=f"_{field.name}")


def test_the_peer_reads_and_writes_derived_messages():
    file = descriptor_pb2.FileDescriptorProto(name="d.proto", syntax="proto3")
    file.dependency.extend([timestamp_pb2.DESCRIPTOR.name, duration_pb2.DESCRIPTOR.name])
    message = message_of_schema(EVERYTHING.schema)
    descriptor_of(message, file.message_type.add(name="Record"))
    pool = descriptor_pool.DescriptorPool()
    for module in (timestamp_pb2, duration_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    make = message_factory.GetMessageClass(pool.FindMessageTypeByName("Record"))
    format_ = Protobuf(EVERYTHING.schema)
    seen_by_peer = [
        make.FromString(format_.dumps_message(EVERYTHING.slice(row, 1))) for row in range(3)
    ]
    assert [one.a for one in seen_by_peer] == [1, 0, 3]
    assert [one.money for one in seen_by_peer] == ["1.50", "", "-2.25"]
    assert seen_by_peer[2].ts.ToNanoseconds() == -1000
    contents = [one.SerializeToString(deterministic=True) for one in seen_by_peer]
    again = pa.concat_tables(map(format_.loads_message, contents))
    assert again.to_pylist() == EVERYTHING.to_pylist()


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        (pa.list_(pa.list_(pa.int64())), "column 'c': type list<item: int64> has no counterpart"),
        (pa.map_(pa.float64(), pa.int64()), "column 'c': keys of type double"),
        (pa.struct({"u": pa.month_day_nano_interval()}), "column 'c.u': type month_day_nano"),
    ],
)
def test_a_column_without_a_counterpart_is_named(type_, message):
    with pytest.raises(ColumnTypeError, match=message):
        message_of_schema(pa.schema({"c": type_}))


def test_a_name_that_is_none_in_protobuf_is_an_error():
    with pytest.raises(ColumnTypeError, match="column 'bid price': the name of a Protobuf field"):
        Protobuf(pa.schema({"bid price": pa.int64()}))


@pytest.mark.parametrize(
    ("columns", "path"),
    [
        ({"sizes": [[1], None]}, r"row 1, \$\.sizes: a null"),
        ({"sizes": [[1], [2, None]]}, r"row 1, \$\.sizes: a null"),
        ({"legs": [[{"px": 1.0}], [None]]}, r"row 1, \$\.legs: a null"),
        ({"legs": [[{"px": 1.0}], [{"px": None}]]}, r"row 1, \$\.legs\.px: a null"),
        ({"a": ["x", "y"], "b": [None, {"px": 1.0}]}, r"row 1, \$\.b: more than one field of a"),
    ],
)
def test_what_has_no_place_in_a_message_is_named(every_format, columns, path):
    with pytest.raises(SerializationError, match=path):
        every_format.dumps(pa.table(columns))


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"nope": [1]}, ColumnNotFoundError, "column 'nope' has no field in message t.Every"),
        ({"leg": [{"nope": 1}]}, ColumnNotFoundError, "column 'nope' has no field in message leg"),
        ({"id": ["x"]}, ColumnTypeError, "column 'id' is of type string; int64 was expected"),
        ({"id": [1.5]}, ColumnTypeError, "column 'id' is of type double"),
        ({"leg": [1]}, ColumnTypeError, "expected a struct for message t.Leg"),
        ({"sizes": [1]}, ColumnTypeError, "column 'sizes' is of type int64; expected a list"),
        ({"tags": [[1]]}, ColumnTypeError, "expected a map"),
        ({"sizes": [[2**40]]}, SerializationError, r"\$\.sizes: a value does not fit int32"),
        ({"flag": [1]}, ColumnTypeError, "column 'flag'"),
        ({"colour": [1.5]}, ColumnTypeError, "names of enum t.Colour were expected"),
    ],
)
def test_columns_that_do_not_fit_are_named(every_format, columns, error, message):
    with pytest.raises(error, match=message):
        every_format.dumps(pa.table(columns))


# ---------------------------------------------------------------------------------- the face of it


def test_records_are_written_without_a_description():
    records = [{"ts": 1, "tags": ["a"]}, {"ts": 2, "tags": [], "px": 1.5}]
    stream = Protobuf().dumps(records)
    table = Protobuf(pa.Table.from_pylist(records, schema=SCHEMA).schema).loads(stream)
    assert table.to_pylist() == [{"ts": 1, "tags": ["a"], "px": None}, records[1]]
    with pytest.raises(SerializationError, match="doesn't say what its messages are: make"):
        Protobuf().loads(stream)


SCHEMA = pa.schema({"ts": pa.int64(), "tags": pa.list_(pa.string()), "px": pa.float64()})


def test_no_rows_are_no_bytes():
    format_ = Protobuf(SCHEMA)
    assert format_.dumps(SCHEMA.empty_table()) == b""
    assert format_.loads(b"").equals(SCHEMA.empty_table())
    assert format_.dumps([]) == b""


def test_one_message_is_one_row():
    format_ = Protobuf(SCHEMA)
    content = format_.dumps_message({"ts": 1, "tags": ["x"]})
    assert content == b"\x08\x01\x12\x01x"
    assert format_.loads_message(content).to_pylist() == [{"ts": 1, "tags": ["x"], "px": None}]
    with pytest.raises(InputError, match="one row is one message, and there are 2"):
        format_.dumps_message(pa.table({"ts": [1, 2]}))


@pytest.mark.parametrize("n_rows", [0, 1, MANY])
def test_files_are_read_in_batches(tmp_path, n_rows):
    format_ = Protobuf(SCHEMA)
    tags = [["t" * 50] * (i % 9) for i in range(n_rows)]
    table = pa.table({"ts": range(n_rows), "tags": tags, "px": pa.nulls(n_rows)}, SCHEMA)
    path = tmp_path / "rows.pb"
    assert format_.write(path, table.to_batches(max_chunksize=1000)) == n_rows
    assert path.read_bytes() == format_.dumps(table)
    batches = list(format_.read(path))
    assert pa.Table.from_batches(batches).equals(table)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.pb"]
    assert pa.Table.from_batches(list(format_.read(io.BytesIO(path.read_bytes())))).equals(table)
    only = pa.Table.from_batches(list(format_.read(path, columns=["ts"])))
    assert only.equals(table.select(["ts"]))


def test_a_file_keeps_what_it_had_until_the_new_is_whole(tmp_path):
    path = tmp_path / "rows.pb"
    path.write_bytes(b"before")
    batches = [pa.table({"ts": [1]}), pa.table({"ts": ["x"]})]
    with pytest.raises(ColumnTypeError):
        Protobuf(SCHEMA).write(path, batches)
    assert path.read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(SinkError, match="cannot be written"):
        Protobuf(SCHEMA).write(tmp_path / "none" / "rows.pb", [])
    with pytest.raises(SourceError, match="cannot be read"):
        list(Protobuf(SCHEMA).read(tmp_path / "none.pb"))


def test_an_error_in_a_file_counts_from_its_beginning(tmp_path):
    path = tmp_path / "rows.pb"
    good = Protobuf(SCHEMA).dumps(pa.table({"ts": range(300_000), "tags": [["tag" * 9]] * 300_000}))
    path.write_bytes(good + b"\x02\x08")
    with pytest.raises(SerializationError, match="end before the value does") as caught:
        list(Protobuf(SCHEMA).read(path))
    assert str(path) in str(caught.value)
    assert caught.value.offset == len(good)


# ------------------------------------------------------------------------------------- descriptions


def test_messages_without_columns_are_named():
    file = new_file("proto2")
    message = file.message_type.add(name="Tree")
    inner = message.nested_type.add(name="Inner")
    add_field(inner, "back", 1, FDP.TYPE_MESSAGE, "many", type_name=".t.Tree")
    add_field(message, "inner", 1, FDP.TYPE_MESSAGE, type_name=".t.Tree.Inner")
    with pytest.raises(SerializationError, match=r"\$\.inner\.back: message t.Tree contains it"):
        Protobuf(peer_of(file, "t.Tree").message_class)
    file = new_file("proto2")
    message = file.message_type.add(name="Old")
    message.nested_type.add(name="G")
    add_field(message, "g", 1, FDP.TYPE_GROUP, type_name=".t.Old.G")
    with pytest.raises(SerializationError, match=r"\$\.g: groups have no columns"):
        Protobuf(peer_of(file, "t.Old").message_class)


def test_a_descriptor_set_is_checked(every):
    with pytest.raises(SerializationError, match="no FileDescriptorSet"):
        Protobuf(b"\x0a\x05hello")
    with pytest.raises(SerializationError, match=r"no message 't\.Nope'"):
        Protobuf(every.descriptor_set, name="t.Nope")
    with pytest.raises(InputError, match=r"2 messages to choose from: \['Leg', 'Every'\]"):
        Protobuf(every.descriptor_set)
    with pytest.raises(InputError, match="message is of type int; give a generated class"):
        Protobuf(3)


def test_messages_in_messages_in_messages_do_not_explode():
    file = new_file()
    for level in range(40):
        message = file.message_type.add(name=f"M{level}")
        for number in (1, 2) if level else ():
            add_field(message, f"f{number}", number, FDP.TYPE_MESSAGE, type_name=f".t.M{level - 1}")
    with pytest.raises(SerializationError, match="limit names is 10,000"):
        Protobuf(peer_of(file, "t.M39").message_class)


def test_kernels_number_kinds_and_labels_as_the_schema_does():
    assert {kind.name: kind for kind in Kind if kind != Kind.GROUP} == proto_program.KINDS
    assert {label.name: label for label in Label} == proto_program.LABELS
    descriptor = descriptor_pb2.FieldDescriptorProto.Type.items()
    assert {f"TYPE_{kind.name}": kind for kind in Kind} == dict(descriptor)
