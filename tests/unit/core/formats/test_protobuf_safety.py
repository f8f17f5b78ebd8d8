"""Protobuf from hostile bytes: a named error or the right answer, never a crash, never memory."""

import pyarrow as pa
import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.internal.encoder import _VarintBytes
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.protopeer import (
    FDP,
    add_field,
    add_map,
    fill_message,
    is_map,
    message_types,
    new_file,
    normal,
    peer_of,
    seen,
)

from tidegate.core.errors import InputError, SerializationError
from tidegate.core.formats.formatlimits import FormatLimits
from tidegate.core.formats.protobuf import Protobuf


@pytest.fixture(scope="module")
def peer():
    file = new_file()
    leg = file.message_type.add(name="Leg")
    add_field(leg, "px", 1, FDP.TYPE_DOUBLE)
    add_field(leg, "lots", 2, FDP.TYPE_SINT32, "many")
    message = file.message_type.add(name="All")
    message.oneof_decl.add(name="choice")
    add_field(message, "id", 1, FDP.TYPE_INT64)
    add_field(message, "name", 2, FDP.TYPE_STRING)
    add_field(message, "legs", 3, FDP.TYPE_MESSAGE, "many", type_name=".t.Leg")
    add_field(message, "sizes", 4, FDP.TYPE_FIXED32, "many")
    add_map(message, ".t.All", "tags", 5, FDP.TYPE_STRING, FDP.TYPE_BOOL)
    add_field(message, "colour", 6, FDP.TYPE_ENUM)
    add_field(message, "a", 7, FDP.TYPE_MESSAGE, type_name=".t.Leg").oneof_index = 0
    add_field(message, "b", 8, FDP.TYPE_BYTES).oneof_index = 0
    add_field(message, "names", 17, FDP.TYPE_STRING, "many")
    return peer_of(file, "t.All")


@pytest.fixture(scope="module")
def format_(peer):
    return Protobuf(peer.message_class)


@pytest.fixture(scope="module")
def messages(peer):
    one = peer.message_class(id=-1, name="é", sizes=[1, 2], colour=3, b=b"\xff", names=["", "xy"])
    one.legs.add(px=1.5, lots=[1, -70])
    one.tags["k"] = True
    two = peer.message_class(id=2**40)
    two.a.lots.append(3)
    return [one, two]


def rows_or_error(format_, content):
    """Read what may be no message; what is read must be whole."""
    try:
        table = format_.loads_message(content)
    except SerializationError as caught:
        error = caught
    else:
        table.validate(full=True)
        return normal(table.to_pylist())
    assert error.path.startswith("$")
    if not str(error).endswith("it is required"):  # what is not there has no place
        assert error.offset is not None
        assert 0 <= error.offset <= len(content)
    return None


def compare(peer, format_, content):
    """Both sides see the same in a message, or ours is an error that says where."""
    found = rows_or_error(format_, content)
    if found is None:
        return None
    message = peer.message_class.FromString(content)
    expected = [normal(seen(message))]
    if found != expected:
        # The peer takes an entry of a map with an unknown field in it for unknown as a whole. The
        # specification says that an entry is a message, in which unknown fields are skipped.
        assert has_unknown_fields(message)
        descriptor = message.DESCRIPTOR
        assert without_maps(found[0], descriptor) == without_maps(expected[0], descriptor)
    return found


def has_unknown_fields(message):
    """Say whether the peer has skipped something, also in the messages in a message."""
    if len(UnknownFieldSet(message)):
        return True
    for field, value in message.ListFields():
        if field.message_type is not None and not is_map(field):
            inner = value if field.is_repeated else [value]
            if any(map(has_unknown_fields, inner)):
                return True
    return any(
        is_map(field) and field.message_type.fields_by_name["value"].message_type
        for field in message.DESCRIPTOR.fields
    )


def without_maps(row, descriptor):
    """Leave the maps out of what was seen of a message."""
    if row is None:
        return None
    kept = {}
    for field in descriptor.fields:
        value = row[field.name]
        if is_map(field):
            continue
        if field.message_type is not None and field.is_repeated:
            value = [without_maps(one, field.message_type) for one in value]
        elif field.message_type is not None:
            value = without_maps(value, field.message_type)
        kept[field.name] = value
    return kept


def test_a_stream_cut_at_any_byte_is_an_error(peer, format_, messages):
    stream = peer.delimited(messages)
    first = 1 + stream[0]
    for size in range(len(stream)):
        if size in (0, first):
            assert format_.loads(stream[:size]).num_rows == (size > 0)
            continue
        with pytest.raises(SerializationError) as caught:
            format_.loads(stream[:size])
        assert caught.value.offset == (0 if size < first else first)


def test_a_message_cut_at_any_byte_is_an_error_or_a_shorter_message(peer, format_, messages):
    for message in messages:
        content = message.SerializeToString()
        results = [compare(peer, format_, content[:size]) for size in range(len(content) + 1)]
        assert results[-1] is not None
        assert results.count(None) > len(results) // 2


def test_a_message_with_any_bit_flipped_is_an_error_or_what_the_peer_sees(peer, format_, messages):
    n_errors = 0
    for message in messages:
        content = message.SerializeToString()
        for bit in range(8 * len(content)):
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            n_errors += compare(peer, format_, bytes(flipped)) is None
    assert n_errors > 100


@settings(max_examples=60)
@given(data=st.data(), peer=message_types())
def test_bytes_of_another_message_are_an_error_or_what_the_peer_sees(data, peer):
    content = fill_message(data.draw, peer.message_class()).SerializeToString()
    at = data.draw(st.integers(0, len(content)))
    noise = data.draw(st.binary(max_size=12))
    try:
        format_ = Protobuf(peer.message_class)
    except SerializationError:
        return
    if not any(field.is_required for field in peer.message_class.DESCRIPTOR.fields):
        compare(peer, format_, content[:at] + noise + content[at + len(noise) :])


@settings(max_examples=100)
@given(content=st.binary(max_size=60))
def test_any_bytes_are_an_error_or_what_the_peer_sees(peer, format_, content):
    compare(peer, format_, content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x08" + b"\xff" * 10 + b"\x01", r"\$\.id, byte 1: .* more than 10 bytes"),
        (b"\x08" + b"\x80" * 40, r"\$\.id, byte 1: .* more than 10 bytes"),
        (b"\x08\x80", r"\$\.id, byte 1: the bytes end"),
        (b"\x12\x05abc", r"\$\.name, byte 1: the bytes end"),
        (b"\x12" + b"\xff" * 9 + b"\x01", r"\$\.name, byte 1: the bytes end"),
        (b"\x12\x01\xff", r"\$\.name, byte 2: a string is not UTF-8"),
        (b"\x12\x03\xed\xa0\x80", r"\$\.name, byte 2: a string is not UTF-8"),
        (b"\x12\x14" + b"a" * 19 + b"\xc3", r"\$\.name, byte 2: a string is not UTF-8"),
        (b"\x8a\x01\x01a\x8a\x01\x02\xc0\x80", r"\$\.names\[1\], byte 7: a string is not UTF-8"),
        (b"\x22\x03abc", r"\$\.sizes, byte 2: the bytes end"),
        (b"\x1a\x03\x12\x01\x80", r"\$\.legs\[0\]\.lots, byte 4: the bytes end"),
        (b"\x1a\x02\x09\x00", r"\$\.legs\[0\]\.px, byte 3: the bytes end"),
        (b"\x2a\x03\x0a\x01\xff", r"\$\.tags\[0\]\.key, byte 4: a string is not UTF-8"),
        (b"\x00\x01", r"\$, byte 0: a field number or a wire type is none"),
        (b"\x0e", r"\$\.id, byte 0: a field number or a wire type is none"),
        (b"\xff\xff\xff\xff\x7f\x00", r"\$, byte 0: a field number or a wire type is none"),
        (b"\xa3\x06\x08\x01", r"\$, byte 4: the bytes end"),
        (b"\xa3\x06\xac\x06", r"\$, byte 2: a field number or a wire type is none"),
        (b"\xa4\x06", r"\$, byte 0: a field number or a wire type is none"),
        (b"\x0d\x01\x01\x01\x01", r"\$\.id, byte 0: the wire type is none"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(format_, content, message):
    with pytest.raises(SerializationError, match=message):
        format_.loads_message(content)


def test_groups_in_groups_are_skipped_to_a_depth(format_):
    for depth, is_read in ((64, True), (65, False), (100_000, False)):
        content = b"\xa3\x06" * depth + b"\xa4\x06" * depth
        if is_read:
            assert format_.loads_message(content).num_rows == 1
            continue
        with pytest.raises(SerializationError, match="nested too deeply; limit depth is 64"):
            format_.loads_message(content)


@pytest.mark.parametrize(
    ("limit", "content", "message"),
    [
        ({"text_bytes": 3}, b"\x12\x04abcd", r"\$\.name, byte 1: .* limit text_bytes is 3"),
        ({"items": 2}, b"\x22\x0c" + bytes(12), r"\$\.sizes\[2\], byte 1: .* limit items is 2"),
        ({"items": 2}, b"\x1a\x00" * 3, r"\$\.legs\[2\], byte 5: .* limit items is 2"),
        ({"batch_bytes": 4000}, b"\x1a\x00" * 1000, r"\$\.legs.* limit batch_bytes is 4,000"),
    ],
)
def test_a_limit_that_is_passed_is_named(peer, limit, content, message):
    with pytest.raises(SerializationError, match=message):
        Protobuf(peer.message_class).loads_message(content, limits=FormatLimits(**limit))


def test_a_message_longer_than_its_limit_is_named(tmp_path, peer):
    format_ = Protobuf(peer.message_class, limits=FormatLimits(block_bytes=100))
    stream = b"\x02\x08\x01" + _VarintBytes(101) + bytes(101)
    path = tmp_path / "long.pb"
    path.write_bytes(stream)
    for read in (lambda: format_.loads(stream), lambda: list(format_.read(path))):
        with pytest.raises(SerializationError, match="byte 3: a message is longer than limit"):
            read()
    path.write_bytes(b"\x02\x08\x01" + _VarintBytes(2**63))  # a length that is never waited for
    with pytest.raises(SerializationError, match="byte 3: a message is longer than limit"):
        list(format_.read(path))


def test_types_deeper_than_the_limit_are_named():
    type_ = pa.int64()
    for _ in range(70):
        type_ = pa.struct({"a": type_})
    with pytest.raises(SerializationError, match="nested more than 64 levels deep; limit depth"):
        Protobuf(pa.schema({"a": type_}))
    Protobuf(pa.schema({"a": type_}), limits=FormatLimits(depth=80))


def test_a_damaged_descriptor_set_is_an_error_or_a_type():
    file = new_file()
    add_field(file.message_type.add(name="M"), "x", 1, FDP.TYPE_INT64)
    content = descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            Protobuf(bytes(flipped)).loads(b"\x02\x08\x01")
        except (SerializationError, InputError):
            continue


BOMBS = """
import resource
import pyarrow as pa
from tidegate.core.errors import SerializationError
from tidegate.core.formats.formatlimits import FormatLimits
from tidegate.core.formats.protobuf import Protobuf

wide = pa.struct({f"c{i}": pa.float64() for i in range(500)})
columns = {"rows": pa.list_(wide), "text": pa.string(), "n": pa.list_(pa.int64())}
format = Protobuf(pa.schema(columns))
flat = Protobuf(pa.schema({f"c{i}": pa.float64() for i in range(500)}))
bombs = {
    "items": b"\\x0a\\x00" * 500_000,                      # 1 MB: 2 GB of columns
    "length": b"\\x12\\xff\\xff\\xff\\xff\\x0f",
    "packed": b"\\x1a\\xff\\xff\\xff\\x7f",
}
for bomb in (format.loads_message, flat.loads):        # what is loaded on the way
    bomb(b"")
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), used + (1 << 30)))
small = FormatLimits(batch_bytes=1 << 28)
for name, bomb in bombs.items():
    try:
        format.loads_message(bomb, limits=small)
    except SerializationError as error:
        print(name, "limit" in str(error))
try:
    format.loads_message(bombs["items"], limits=FormatLimits(batch_bytes=1 << 40))
except MemoryError as error:
    print("memory", error)
n_rows = sum(batch.num_rows for batch in flat.read(__import__("io").BytesIO(b"\\x00" * 200_000)))
print("rows", n_rows)
"""


@pytest.mark.memory
def test_a_few_bytes_never_become_much_memory(run_python):
    said = run_python(BOMBS).splitlines()
    assert said == [
        "items True",
        "length False",
        "packed False",
        "memory Protobuf: no memory for the columns",
        "rows 200000",
    ]
