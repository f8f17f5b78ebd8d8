"""Avro whose bytes are hostile: a named error that says where, or the right answer."""

import io
import json
import re
from contextlib import suppress

import fastavro
import pyarrow as pa
import pytest

from tidegate.core.errors import InputError, SerializationError
from tidegate.core.formats.avro import Avro
from tidegate.core.formats.avrocodecs import CODECS, compress
from tidegate.core.formats.formatlimits import FormatLimits

AVRO = Avro()
SYNC = b"0123456789abcdef"

SCHEMA = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "text", "type": ["null", "string"]},
        {"name": "side", "type": {"type": "enum", "name": "Side", "symbols": ["BUY", "SELL"]}},
        {"name": "any", "type": ["null", "boolean", "double", "string"]},
        {
            "name": "legs",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Leg",
                    "fields": [
                        {"name": "price", "type": "int"},
                        {"name": "tags", "type": {"type": "map", "values": "string"}},
                    ],
                },
            },
        },
        {"name": "fee", "type": {"type": "bytes", "logicalType": "decimal", "precision": 5}},
        {"name": "ref", "type": {"type": "string", "logicalType": "uuid"}},
    ],
}
ROWS = [
    {
        "id": 1 << 40,
        "text": "aé",
        "side": "SELL",
        "any": 2.5,
        "legs": [{"price": i, "tags": {"k": "v"}} for i in range(4)],
        "fee": b"\x07",
        "ref": "00000000-0000-0000-0000-000000000009",
    },
    {
        "id": -1,
        "text": None,
        "side": "BUY",
        "any": "x",
        "legs": [],
        "fee": b"\xff",
        "ref": "10000000-0000-0000-0000-000000000009",
    },
]


def raw(schema=SCHEMA, rows=ROWS):
    """Write rows one behind the other, without logical types."""
    plain = json.loads(re.sub(r', "logicalType": "\w+"', "", json.dumps(schema)))
    parsed, file = fastavro.parse_schema(plain), io.BytesIO()
    for row in rows:
        fastavro.schemaless_writer(file, parsed, row)
    return file.getvalue()


def number(value):
    """Write a signed varint."""
    word, out = (value << 1) ^ (value >> 63), bytearray()
    while word > 127:
        out.append(word & 127 | 128)
        word >>= 7
    return bytes([*out, word])


def file_of(schema, *blocks, codec="null"):
    """Write a container file of blocks (rows, bytes)."""
    text = json.dumps(schema).encode()
    head = b"Obj\x01" + number(2)
    for part in (b"avro.schema", text, b"avro.codec", codec.encode()):
        head += number(len(part)) + part
    body = b"".join(number(n) + number(len(data)) + data + SYNC for n, data in blocks)
    return head + b"\0" + SYNC + body


def read_all(data):
    """Read a file to its end."""
    return list(AVRO.read(io.BytesIO(data)))


def one(type_, data, n=1, **limits):
    """Read one block of a record of one field ``v``."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "v", "type": type_}]}
    return AVRO.loads(file_of(schema, (n, data)), limits=FormatLimits(**limits))


GOOD = file_of(SCHEMA, (2, raw()), (1, raw(rows=ROWS[:1])))


def test_the_valid_file_is_read():
    table = AVRO.loads(GOOD)
    assert table.num_rows == 3
    assert [leg["price"] for leg in table["legs"].to_pylist()[0]] == [0, 1, 2, 3]


@pytest.mark.parametrize("codec", CODECS)
def test_a_file_cut_at_any_byte_is_a_named_error_or_ends_between_blocks(codec):
    if codec == "null":
        data, ends = GOOD, {len(file_of(SCHEMA)), len(file_of(SCHEMA, (2, raw()))), len(GOOD)}
    else:
        data = file_of(SCHEMA, (2, compress(codec, raw())), codec=codec)
        ends = {len(file_of(SCHEMA, codec=codec)), len(data)}
    for n in range(len(data) + 1):
        for run in (lambda n=n: AVRO.loads(data[:n]), lambda n=n: read_all(data[:n])):
            if n in ends:
                run()
                continue
            with pytest.raises(SerializationError) as caught:
                run()
            assert caught.value.offset is not None, n


@pytest.mark.parametrize("codec", CODECS)
def test_any_bit_that_is_flipped_is_a_named_error_or_another_table(codec):
    block = raw() if codec == "null" else compress(codec, raw())
    data = bytearray(file_of(SCHEMA, (2, block), codec=codec))
    # The header is the same for all, and its bits are flipped once.
    for at in range(0 if codec == "null" else len(file_of(SCHEMA, codec=codec)), len(data)):
        for bit in range(8):
            data[at] ^= 1 << bit
            with suppress(SerializationError):
                AVRO.loads(bytes(data)).validate(full=True)
            data[at] ^= 1 << bit


@pytest.mark.parametrize(
    ("type_", "data", "message"),
    [
        ("long", b"\xff" * 11, "more than 10 bytes"),
        ("long", b"\xff" * 9 + b"\x02", "more than 10 bytes or 64 bits"),
        ("int", number(2**31), "out of the range"),
        ("int", number(-(2**31) - 1), "out of the range"),
        ("boolean", b"\x02", "none of its type"),
        ("string", number(-1), "below 0"),
        ("string", number(2**62), "limit text_bytes"),
        ("string", number(5) + b"abc", "the bytes end before"),
        ("string", number(2) + b"\xc3\x28", "not UTF-8"),
        ("string", number(3) + b"\xed\xa0\x80", "not UTF-8"),
        ("string", number(2) + b"\xc0\x80", "not UTF-8"),
        ("string", number(18) + b"a" * 16 + b"\xc3\x28", "not UTF-8"),
        ("bytes", number(-(2**63)), "below 0"),
        (["null", "long"], number(2), "branch or a symbol is out of range"),
        (["null", "long"], number(-1), "branch or a symbol is out of range"),
        (["null", "long", "string"], number(3), "branch or a symbol is out of range"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, number(1), "out of range"),
        ({"type": "array", "items": "long"}, number(-(2**63)) + number(0), "limit items"),
        ({"type": "array", "items": "long"}, number(2**40) + b"\0", "limit items"),
        ({"type": "array", "items": "long"}, number(1000) + b"\0", "the bytes end before"),
        ({"type": "array", "items": "long"}, number(-1) + number(-1) + b"\0\0", "below 0"),
        ({"type": "array", "items": "long"}, number(-1) + number(2) + b"\0\0\0", "none of its"),
        ({"type": "array", "items": "null"}, number(2**23) + b"\0", "limit free_items"),
        ({"type": "map", "values": "null"}, number(1) + number(1) + b"\xff\0", "not UTF-8"),
        ({"type": "fixed", "name": "F", "size": 9}, b"12345678", "the bytes end before"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2}, number(1) + b"\x64",
         "out of the range"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2}, number(17) + b"\x01" * 17,
         "out of the range"),
        ({"type": "string", "logicalType": "uuid"}, number(36) + b"g" * 36, "none of its type"),
        ({"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}, b"\xff" * 12,
         "out of the range"),
        ("long", b"\0\0", "bytes are left"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named(type_, data, message):
    with pytest.raises(SerializationError, match=message) as caught:
        one(type_, data)
    assert caught.value.offset is not None


def test_an_error_tells_the_byte_the_row_and_the_way():
    bad = bytearray(raw())
    at = bad.index(b"\x06\x02\x02k\x02v")  # price 3 of the last leg
    bad[at : at + 1] = number(2**40)
    with pytest.raises(SerializationError, match=r"row 1, \$\.legs\[3\]\.price, byte") as caught:
        AVRO.loads(file_of(SCHEMA, (1, raw(rows=ROWS[1:])), (2, bytes(bad))))
    error = caught.value
    assert (error.path, error.row) == ("$.legs[3].price", 1)
    assert error.offset == len(file_of(SCHEMA, (1, raw(rows=ROWS[1:])), (2, bytes(bad)))) - (
        len(bad) - at + len(SYNC)
    )


def test_decimals_at_the_edge_of_their_digits_are_read():
    type_ = {"type": "bytes", "logicalType": "decimal", "precision": 2}
    for value in (99, -99, 0, -1):
        data = value.to_bytes(3, "big", signed=True)
        assert int(one(type_, number(3) + data)["v"][0].as_py()) == value
    for value in (100, -100):
        with pytest.raises(SerializationError, match="out of the range"):
            one(type_, number(1) + value.to_bytes(1, "big", signed=True))
    assert one(type_, number(0))["v"][0].as_py() == 0


def test_items_without_bytes_are_counted_in_a_batch_not_in_an_array():
    type_ = {"type": "array", "items": "null"}
    data = (number(1000) + b"\0") * 2000
    with pytest.raises(SerializationError, match="limit free_items is 1,048,576"):
        one(type_, data, n=2000)
    assert one(type_, data, n=2000, free_items=2_000_000).num_rows == 2000
    with pytest.raises(SerializationError, match="free_items"):
        one("null", b"", n=2_000_000)


@pytest.mark.parametrize("codec", sorted(set(CODECS) - {"null"}))
def test_a_bomb_does_not_go_off(codec):
    block = compress(codec, number(50_000_000) + bytes(50_000_000))
    schema = {"type": "record", "name": "R", "fields": [{"name": "v", "type": "bytes"}]}
    bomb = file_of(schema, (1, block), codec=codec)
    with pytest.raises(SerializationError, match="limit block_bytes is 16,777,216"):
        AVRO.loads(bomb)
    limits = FormatLimits(block_bytes=1 << 26, text_bytes=1 << 26)
    assert AVRO.loads(bomb, limits=limits)["v"][0].as_py() == bytes(50_000_000)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the bytes end within the header"),
        (b"PAR1" + bytes(50), "no Avro container file"),
        (file_of("long").replace(b"null", b"zzzz"), "codec 'zzzz' is unknown"),
        (file_of("long").replace(b"avro.schema", b"avro.schemb"), "the header has no schema"),
        (file_of("long", (1, b"\0")).replace(b"\0" + SYNC, b"\0" + b"x" * 16, 1), "none of its"),
        (file_of("long", (-1, b"\0")), "below 0"),
        (file_of("long", (2, b"\0")), "end before"),
        (file_of("long", (0, b"\0")), "bytes are left"),
        (b"Obj\x01" + number(2**40), "within the header"),
        (b"Obj\x01" + number(1) + number(2**40), "limit schema_bytes"),
        (b"Obj\x01" + b"\xff" * 11, "more than 10 bytes"),
        (file_of(SCHEMA).replace(b"Order", b"Or\xff\xff!"), "the schema is not UTF-8"),
        (file_of("strung"), "not defined"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(data, message):
    with pytest.raises(SerializationError, match=message):
        AVRO.loads(data)


def nested(levels):
    """Make arrays within arrays."""
    schema = "long"
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def doubled(levels):
    """Make a record that has twice as many columns for every level, and is written in a line."""
    fields, below = [], "long"
    for i in range(levels):
        pair = [{"name": "a", "type": below}, {"name": "b", "type": f"R{i - 1}" if i else "long"}]
        below = {"type": "record", "name": f"R{i}", "fields": pair}
    return {"type": "record", "name": "R", "fields": [*fields, {"name": "v", "type": below}]}


LIST = {"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (nested(64), "limit depth is 64"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps({"type": {"type": {"type": "long"}}}).replace("long", "x" * 2_000_000),
         "limit schema_bytes"),
        (doubled(20), "limit names is 10,000"),
        (LIST, r"\$\.next: type 'L' contains itself"),
        ({"type": "array"}, "an array without 'items'"),
        ({"type": "record", "name": "R"}, "no list of 'fields'"),
        ({"type": "record", "name": "1", "fields": []}, "is no name"),
        ({"type": "enum", "name": "E", "symbols": ["A", "A"]}, "each different"),
        ({"type": "enum", "name": "E", "symbols": ["A"], "default": "B"}, "none of its symbols"),
        ({"type": "fixed", "name": "F", "size": -1}, "no number of bytes"),
        ({"type": "fixed", "name": "F", "size": 2**40}, "limit text_bytes"),
        (["null", "null"], "two branches of one type"),
        (["null", ["long"]], "directly in a union"),
        ([], "no branches"),
        (5, "is no schema"),
        ("{", "not JSON"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 10**9}, "up to 76"),
    ],
)  # fmt: skip
def test_a_hostile_schema_is_named(schema, message):
    with pytest.raises(SerializationError, match=message):
        Avro(schema=schema).loads_datums([b""])


def test_limits_can_be_raised_and_are_checked():
    schema = nested(199)
    data = number(1) * 199 + number(7) + b"\0" * 199
    avro = Avro(schema=schema, limits=FormatLimits(depth=200))
    value = avro.loads_datums([data])
    assert str(value["value"][0].as_py()).strip("[]") == "7"
    assert avro.dumps_datums(value) == [data]
    assert avro.loads(avro.dumps(value)) == value
    for wrong in (0, -1, True, "9", 2**70):
        with pytest.raises(InputError, match="limit items"):
            FormatLimits(items=wrong)
    with pytest.raises(InputError, match="limit depth"):
        FormatLimits(depth=100_000)


def test_records_in_records_are_read_or_named_up_to_the_greatest_depth():
    limits = FormatLimits(depth=200)
    for levels in (60, 120, 199, 200):
        schema = "long"
        for i in range(levels):
            fields = [{"name": "v", "type": schema}]
            schema = {"type": "record", "name": f"R{i}", "fields": fields}
        with suppress(SerializationError):
            value = Avro(schema=schema, limits=limits).loads_datums([number(levels)])
            assert str(levels) in str(value["v"][0].as_py())
            assert Avro(limits=limits).dumps_datums(value) == [number(levels)]
            continue
        assert levels > 60


def test_few_bytes_do_not_become_many():
    # 1,000 nullable numbers a record, each item of the array one byte: 9,000 bytes of columns.
    fields = [{"name": f"f{i}", "type": "double"} for i in range(1_000)]
    inner = {"type": "record", "name": "I", "fields": fields}
    type_ = {"type": "array", "items": ["null", inner]}
    n = 1_000_000
    with pytest.raises(SerializationError, match="limit batch_bytes"):
        one(type_, number(n) + bytes(n) + b"\0", batch_bytes=1 << 26)


def test_a_small_limit_makes_small_batches_not_errors():
    table = AVRO.loads(file_of(SCHEMA, (2, raw())))
    data = AVRO.dumps(pa.concat_tables([table] * 5_000))
    limits = FormatLimits(batch_bytes=1 << 18)
    again = AVRO.loads(data, limits=limits)
    assert again.num_rows == 10_000
    assert again["id"].num_chunks > 4


@pytest.mark.memory
def test_memory_stays_below_the_limits_whatever_comes(run_python):
    code = """
import resource
from unit_avro import one, number, FormatLimits, SerializationError
from tidegate.core.formats.avro import Avro
one("long", b"\\0")
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (192 << 20),) * 2)
fields = [{"name": f"f{i}", "type": "double"} for i in range(1_000)]
inner = {"type": "record", "name": "I", "fields": fields}
n = 1_000_000
hostile = [
    ("string", number(2**40)),
    ({"type": "array", "items": "long"}, number(2**23)),
    ({"type": "array", "items": "null"}, number(2**19) * 2 + b"\\0"),
    ({"type": "array", "items": ["null", inner]}, number(n) + bytes(n) + b"\\0"),
    ({"type": "fixed", "name": "F", "size": 2**24}, b""),
    ({"type": "map", "values": "bytes"}, number(2**23) + bytes(100)),
]
for type_, data in hostile:
    try:
        one(type_, data, batch_bytes=1 << 26)
        print("read")
    except SerializationError as error:
        print("named")
"""
    folder = __file__.rpartition("/")[0]
    head = (
        f"import importlib.util, sys; spec = importlib.util.spec_from_file_location("
        f"'unit_avro', {folder + '/test_avro_hostile.py'!r}); "
        "unit = importlib.util.module_from_spec(spec); sys.modules['unit_avro'] = unit; "
        "spec.loader.exec_module(unit)\n"
    )
    said = run_python(head + code).split()
    assert said == ["named", "named", "read", "named", "named", "named"]
