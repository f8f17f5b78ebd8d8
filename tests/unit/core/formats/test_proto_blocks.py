"""Many messages read together are what each of them is when it is read by itself."""

import random

import pyarrow as pa
import pytest
from google.protobuf.internal.encoder import _VarintBytes
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.protopeer import (
    FDP,
    add_field,
    add_map,
    make_optional,
    new_file,
    normal,
    peer_of,
    seen,
)

from tidegate.core.errors import SerializationError
from tidegate.core.formats.formatlimits import FormatLimits
from tidegate.core.formats.protobuf import Protobuf

NUMBERS = {
    "double": (FDP.TYPE_DOUBLE, [0.0, -1.5, 1e300]),
    "float": (FDP.TYPE_FLOAT, [0.0, 0.5]),
    "int64": (FDP.TYPE_INT64, [0, 1, -1, 300, 2**55, 2**56, 2**62 + 3, 2**63 - 1, -(2**63)]),
    "uint64": (FDP.TYPE_UINT64, [0, 127, 128, 2**64 - 1]),
    "int32": (FDP.TYPE_INT32, [0, 5, -5, 2**31 - 1, -(2**31)]),
    "uint32": (FDP.TYPE_UINT32, [0, 5, 2**32 - 1]),
    "sint32": (FDP.TYPE_SINT32, [0, 5, -5, 2**31 - 1, -(2**31)]),
    "sint64": (FDP.TYPE_SINT64, [0, 5, -5, 2**63 - 1, -(2**63)]),
    "fixed32": (FDP.TYPE_FIXED32, [0, 2**32 - 1]),
    "sfixed64": (FDP.TYPE_SFIXED64, [0, -(2**63)]),
    "bool": (FDP.TYPE_BOOL, [False, True]),
}
TEXTS = ["", "a", "x" * 15, "x" * 16, "é" * 8, "x" * 17, "é" * 70, "€" * 200]
LISTED = ["int64", "sint32", "sint64", "int32", "bool", "uint32", "double"]


def number_fields(message, first):
    """Add a field of every kind of number, with and without presence."""
    for i, (name, (kind, _)) in enumerate(NUMBERS.items()):
        add_field(message, name, first + 2 * i, kind)
        make_optional(message, add_field(message, f"opt_{name}", first + 2 * i + 1, kind))


@pytest.fixture(scope="module")
def peer():
    """Give a message of all that is read in blocks, and of some that is read beside it."""
    file = new_file()
    leg = file.message_type.add(name="Leg")
    add_field(leg, "px", 1, FDP.TYPE_DOUBLE)
    make_optional(leg, add_field(leg, "venue", 2, FDP.TYPE_STRING))
    add_field(leg, "lots", 3, FDP.TYPE_SINT64, "many")
    message = file.message_type.add(name="Row")
    add_field(message, "name", 1, FDP.TYPE_STRING)
    number_fields(message, 2)  # tags of one and of two bytes
    make_optional(message, add_field(message, "blob", 40, FDP.TYPE_BYTES))
    for i, name in enumerate(LISTED):
        add_field(message, f"many_{name}", 50 + i, NUMBERS[name][0], "many")
    add_field(message, "loose", 60, FDP.TYPE_INT32, "many", packed=False)
    add_field(message, "names", 61, FDP.TYPE_STRING, "many")
    add_field(message, "leg", 62, FDP.TYPE_MESSAGE, type_name=".t.Leg")
    add_field(message, "legs", 63, FDP.TYPE_MESSAGE, "many", type_name=".t.Leg")
    add_map(message, ".t.Row", "tags", 64, FDP.TYPE_STRING, FDP.TYPE_INT64)
    add_field(message, "colour", 65, FDP.TYPE_ENUM)
    make_optional(message, add_field(message, "last", 3000, FDP.TYPE_STRING))
    return peer_of(file, "t.Row")


def message_of(peer, seed):
    """Make a message of which about half is there."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    message = peer.message_class()
    share = rng.choice([0, 0.3, 0.5, 0.9, 1])
    for name, (_, values) in NUMBERS.items():
        for field in (name, f"opt_{name}"):
            if rng.random() < share:
                setattr(message, field, rng.choice(values))
        if name in LISTED and rng.random() < share:
            many = rng.choices(values, k=rng.choice([1, 2, 3, 40]))
            getattr(message, f"many_{name}").extend(many)
    if rng.random() < share:
        message.name = rng.choice(TEXTS)
        message.blob = rng.choice(TEXTS).encode("utf-16")
        message.last = rng.choice(TEXTS)
    if rng.random() < share:
        message.loose.extend([1, -1, 300])
        message.names.extend(rng.choices(TEXTS, k=3))
        message.leg.venue = rng.choice(TEXTS)
        message.legs.add(px=1.5, lots=[1, -70])
        message.tags["k"] = seed
        message.colour = rng.randrange(3)
    return message


@pytest.fixture(scope="module")
def payloads(peer):
    """Give some hundreds of messages as bytes."""
    return [message_of(peer, seed).SerializeToString() for seed in range(400)]


@pytest.fixture(scope="module")
def format_(peer):
    return Protobuf(peer.message_class)


def stream_of(payloads):
    """Put each message behind its length."""
    return b"".join(_VarintBytes(len(payload)) + payload for payload in payloads)


@pytest.fixture(scope="module")
def known():
    """Give what was read of single messages."""
    return {}


def one_by_one(format_, payloads, known, **more):
    """Read each message by itself; give the rows before the first that fails, and its error."""
    rows = []
    at = 0
    for payload in payloads:
        at += len(_VarintBytes(len(payload)))
        if payload not in known:
            try:
                known[payload] = format_.loads_message(payload, **more).to_pylist()
            except SerializationError as error:
                return rows, error, at
        rows += known[payload]
        at += len(payload)
    return rows, None, at


def assert_same(format_, payloads, known, **more):
    """Hold a stream to its messages: the same rows, or the same error in the same place."""
    rows, error, at = one_by_one(format_, payloads, known, **more)
    if error is None:
        table = format_.loads(stream_of(payloads), threads=1, **more)
        table.validate(full=True)
        assert table.to_pylist() == rows
        return
    with pytest.raises(SerializationError) as caught:
        format_.loads(stream_of(payloads), threads=1, **more)
    found = caught.value
    assert (found.row, found.offset, found.path) == (len(rows), at + error.offset, error.path)
    reason = str(error).partition(f"byte {error.offset}")[2]
    assert str(found).endswith(reason)


@pytest.mark.parametrize("n_rows", [1, 7, 8, 9, 127, 128, 129, 400])
def test_rows_of_a_stream_are_what_the_peer_sees(peer, format_, payloads, n_rows):
    table = format_.loads(stream_of(payloads[:n_rows]))
    table.validate(full=True)
    messages = [peer.message_class.FromString(payload) for payload in payloads[:n_rows]]
    assert normal(table.to_pylist()) == [normal(seen(message)) for message in messages]


def test_many_rows_are_as_few(format_, payloads):
    few = format_.loads(stream_of(payloads))
    many = format_.loads(stream_of(payloads) * 60)  # 24,000 rows
    assert many.equals(pa.concat_tables([few] * 60))


def test_a_batch_that_ends_anywhere_has_its_rows(format_, payloads):
    limits = FormatLimits(batch_bytes=1 << 20)  # some hundreds of rows a batch
    table = format_.loads(stream_of(payloads) * 5, limits=limits)
    assert table["name"].num_chunks > 3
    assert table.equals(format_.loads(stream_of(payloads) * 5))


def test_columns_that_are_chosen_leave_the_others_out(format_, payloads):
    chosen = ["last", "opt_int64", "many_sint32"]
    whole = format_.loads(stream_of(payloads)).select(chosen)
    assert format_.loads(stream_of(payloads), columns=chosen).equals(whole)


UNUSUAL = [
    b"\xf8\x3e\x05",  # an unknown field, 1007, where all others may be before or behind
    b"\x0a\x03abc",  # a string that comes once more, and out of order
    b"\x11" + b"\x01" * 8,  # a number that does
    b"\x92\x03\x02\x05\x06",  # more of a packed list
    b"\x90\x03\x05",  # one of its items by itself
    b"\xf2\x03\x02\x1a\x00",  # a message in parts
    b"\xd2\x03\x05ab",  # wrong from here on: cut
    b"\x0a\x02\xff\xfe",  # no UTF-8
    b"\x20" + b"\xff" * 10 + b"\x01",  # a varint of 11 bytes
    b"\x92\x03\x02\x05\x86",  # a packed varint that is cut
    b"\x0d\x00\x00\x00\x00",  # a wrong wire type
    b"\x07",  # a tag that is none
    b"",
]


@settings(max_examples=30)
@given(
    places=st.lists(
        st.tuples(st.integers(0, 199), st.sampled_from(UNUSUAL), st.booleans()), max_size=8
    )
)
def test_messages_of_another_kind_among_the_usual_ones(format_, payloads, known, places):
    mixed = payloads[:200]
    for row, extra, is_first in places:
        mixed[row] = extra + mixed[row] if is_first else mixed[row] + extra
    assert_same(format_, mixed, known)


@settings(max_examples=60)
@given(data=st.data())
def test_any_byte_of_a_block_that_is_changed(format_, payloads, known, data):
    row = data.draw(st.integers(0, 149))
    changed = bytearray(payloads[row])
    if changed:
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at] ^= data.draw(st.integers(1, 255))
    assert_same(format_, [*payloads[:row], bytes(changed), *payloads[row + 1 : 160]], known)


@settings(max_examples=30)
@given(row=st.integers(0, 149), data=st.data())
def test_any_message_of_a_block_that_is_cut(format_, payloads, known, row, data):
    cut = payloads[row][: data.draw(st.integers(0, len(payloads[row])))]
    assert_same(format_, [*payloads[:row], cut, *payloads[row + 1 : 160]], known)


@pytest.mark.parametrize("limits", [{"text_bytes": 100}, {"items": 30}, {"block_bytes": 500}])
def test_limits_hold_in_blocks(format_, payloads, limits):
    few = [payload for payload in payloads if len(payload) < 60]  # within all of the limits
    assert len(few) > 40
    assert_same(format_, few, {}, limits=FormatLimits(**limits))
    stream = stream_of([*few, max(payloads, key=len), *few])
    name = next(iter(limits))
    with pytest.raises(SerializationError, match=f"limit {name}") as caught:
        format_.loads(stream, limits=FormatLimits(**limits))
    assert caught.value.offset >= len(stream_of(few))


@pytest.mark.parametrize("n_cut", [1, 2, 30, 64, 65, 300])
def test_a_stream_that_is_cut_is_an_error(format_, payloads, n_cut):
    with pytest.raises(SerializationError, match="bytes end before"):
        format_.loads(stream_of([*payloads, max(payloads, key=len)])[:-n_cut])


def test_a_length_beyond_the_stream_is_an_error_where_it_stands(format_, payloads):
    stream = stream_of(payloads[:150])
    with pytest.raises(SerializationError, match="bytes end before") as caught:
        format_.loads(stream + b"\xff\xff\x7f" + stream)
    assert caught.value.offset == len(stream)


def test_messages_that_are_long_are_read_among_short_ones(peer, format_, payloads, known):
    long = peer.message_class(name="x" * 100_000, many_int64=range(30_000)).SerializeToString()
    mixed = payloads[:20] + [long] * 3 + payloads[20:200] + [long] + payloads[:50]
    assert_same(format_, mixed, known)


def test_an_item_in_the_path_of_an_error_is_one_of_the_row(format_, payloads):
    rows = [payload for payload in payloads if payload][:20]
    before = b"\x92\x03\x03\x01\x02\x03"  # three items, of the row before
    with pytest.raises(SerializationError) as caught:
        format_.loads(stream_of([*rows, before, b"\x95\x03\0\0\0\0"]))
    assert (caught.value.row, caught.value.path) == (21, "$.many_int64")
