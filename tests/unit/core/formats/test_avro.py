"""Avro, written and read: every type, every codec, as the specification and fastavro have it."""

import datetime
import io

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from reference.avroschemas import plain, tables

from tidegate.core.errors import (
    ColumnTypeError,
    InputError,
    SerializationError,
    SinkError,
    SourceError,
)
from tidegate.core.formats.avro import Avro
from tidegate.core.formats.avrocodecs import CODECS
from tidegate.core.formats.avrofingerprint import canonical_form, fingerprint
from tidegate.core.formats.avroschema import parse_schema
from tidegate.core.formats.formatlimits import FormatLimits

AVRO = Avro()


def container(schema, rows, **options):
    """Write rows by fastavro."""
    file = io.BytesIO()
    fastavro.writer(file, fastavro.parse_schema(schema), rows, **options)
    return file.getvalue()


def record(**types):
    """Make the schema of a record."""
    return {
        "type": "record",
        "name": "R",
        "fields": [{"name": name, "type": type_} for name, type_ in types.items()],
    }


def ticks(n):
    """Make many rows: numbers of every length, texts short and long, nulls."""
    rng = np.random.default_rng(5)
    shifts = rng.integers(0, 63, n)
    longs = rng.integers(-(2**62), 2**62, n) >> shifts
    texts = [None if i % 11 == 0 else "aé€😀"[: i % 5] * (i % 9) for i in range(n)]
    return pa.table(
        {
            "long": longs,
            "int": pa.array((longs >> 33).astype(np.int32), mask=longs % 3 == 0),
            "text": texts,
            "double": rng.normal(size=n),
            "flag": pa.array(longs % 2 == 0, mask=longs % 5 == 0),
            "list": pa.array([list(range(i % 4)) if i % 7 else None for i in range(n)]),
        }
    )


@given(tables())
@settings(max_examples=60)
def test_what_fastavro_writes_is_read_and_what_we_write_fastavro_reads(drawn):
    schema, rows = drawn
    data = container(schema, rows)
    table = AVRO.loads(data)
    table.validate(full=True)
    assert [plain(row, schema) for row in table.to_pylist()] == rows
    # A long or a double among several branches is written in the branch that Arrow has it in.
    assert list(fastavro.reader(io.BytesIO(AVRO.dumps(table)))) == rows
    assert AVRO.loads(AVRO.dumps(table)).equals(table)


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_comes_back(codec):
    table = ticks(500)
    data = AVRO.dumps(table, codec=codec)
    assert AVRO.loads(data).combine_chunks() == table
    if codec in ("null", "deflate", "bzip2", "xz"):  # the others want packages of their own
        assert list(fastavro.reader(io.BytesIO(data))) == table.to_pylist()
        schema = record(n="long", s=["null", "string"])
        rows = [{"n": i**5, "s": None if i % 3 else "x" * i} for i in range(300)]
        assert AVRO.loads(container(schema, rows, codec=codec)).to_pylist() == rows


@pytest.mark.parametrize("codec", ["null", "snappy"])
def test_many_rows_come_back_by_bytes_and_by_file(codec, tmp_path):
    table = ticks(70_000)
    data = AVRO.dumps(table, codec=codec)
    assert AVRO.loads(data).combine_chunks() == table
    path = tmp_path / "ticks.avro"
    AVRO.write(path, table.to_batches(max_chunksize=9_999), codec=codec)
    batches = list(AVRO.read(path))
    assert max(batch.num_rows for batch in batches) <= 65_536
    assert pa.Table.from_batches(batches).combine_chunks() == table
    assert next(iter(AVRO.read(path, columns=["text", "long"]))).schema.names == ["text", "long"]


def test_slices_are_written_from_where_they_begin():
    table = ticks(1_000)
    types = {
        "struct": pa.array([{"a": i, "b": str(i)} if i % 3 else None for i in range(1_000)]),
        "map": pa.array([[("k", i)] for i in range(1_000)], pa.map_("string", "int64")),
        "fixed": pa.array([[i, i + 1] for i in range(1_000)], pa.list_(pa.int64(), 2)),
        "large": pa.array([[str(i)] * (i % 3) for i in range(1_000)], pa.large_list(pa.string())),
        "code": pa.array(
            [None if i % 4 == 0 else "ab"[i % 2] for i in range(1_000)]
        ).dictionary_encode(),
        "view": pa.array([str(i) * (i % 9) for i in range(1_000)], pa.string_view()),
        "uint8": pa.array([i % 256 for i in range(1_000)], pa.uint8()),
        "binary": pa.array([bytes([i % 256]) * 3 for i in range(1_000)], pa.binary(3)),
    }
    for name, array in types.items():
        table = table.append_column(name, array)
    part = table.slice(123, 400)
    assert AVRO.loads(AVRO.dumps(part)).to_pylist() == part.to_pylist()


def test_unions_are_written_from_where_a_slice_begins():
    union = pa.UnionArray.from_dense(
        pa.array([0, 1, 0, 1, 1], pa.int8()),
        pa.array([0, 0, 1, 1, 2], pa.int32()),
        [pa.array([5, 6]), pa.array(["a", "b", "c"])],
        ["long", "string"],
    )
    part = pa.table({"u": union}).slice(1, 3)
    back = AVRO.loads(AVRO.dumps(part))
    assert back["u"].to_pylist() == ["a", 6, "b"]
    assert back.schema.field("u").type == pa.dense_union(
        [pa.field("long", pa.int64(), nullable=False), pa.field("string", "string", nullable=False)]
    )


@pytest.mark.parametrize(
    "type_",
    [
        pa.date32(), pa.time32("ms"), pa.time64("us"), pa.timestamp("ms"), pa.timestamp("us"),
        pa.timestamp("ns"), pa.timestamp("ms", "UTC"), pa.timestamp("us", "UTC"),
        pa.timestamp("ns", "UTC"), pa.decimal128(20, 4), pa.decimal256(60, 7), pa.uuid(),
        pa.month_day_nano_interval(), pa.binary(7), pa.null(), pa.list_(pa.map_("string", "int32")),
    ],
    ids=str,
)  # fmt: skip
def test_types_of_arrow_come_back_as_they_were(type_):
    if type_ == pa.uuid():
        values = pa.array([b"0123456789abcdef", None], pa.binary(16)).cast(pa.uuid())
    elif type_ == pa.month_day_nano_interval():
        values = pa.array([(14, 3, 5_000_000), None], type_)
    elif pa.types.is_list(type_):
        values = pa.array([[[("k", 1)], None, []], None], type_)
    elif pa.types.is_null(type_):
        values = pa.nulls(2)
    elif pa.types.is_decimal(type_):
        values = pa.array(["-12345.6789", None]).cast(type_)
    elif pa.types.is_fixed_size_binary(type_):
        values = pa.array([b"1234567", None], type_)
    else:
        values = pa.array([12_345, None], pa.int64())
        values = (
            values.cast(pa.int32()).cast(type_) if type_.bit_width == 32 else values.cast(type_)
        )
    table = pa.table({"v": values})
    assert AVRO.loads(AVRO.dumps(table)) == table


def test_two_files_of_one_schema_are_read_side_by_side():
    avro, table = Avro(), ticks(140_000).select(["long", "text"])
    data = avro.dumps(table)
    avro.loads(data)  # leaves a decoder behind, which the first of the two takes
    for left, right in zip(avro.read(io.BytesIO(data)), avro.read(io.BytesIO(data)), strict=True):
        assert left == right
    part = avro.read(io.BytesIO(data))
    next(part)
    assert avro.loads(data).combine_chunks() == table
    part.close()
    with pytest.raises(SerializationError):
        avro.loads(data[:-1])
    assert avro.loads(data).combine_chunks() == table


@pytest.mark.parametrize(
    ("values", "read_as"),
    [
        (pa.array([86_400_000 * 3, None], pa.date64()), pa.date32()),
        (pa.array([3_600, None], pa.time32("s")), pa.time32("ms")),
        (pa.array([3_600, None], pa.timestamp("s")), pa.timestamp("ms")),
        (pa.array([3_600, None], pa.timestamp("us", "Europe/Paris")), pa.timestamp("us", "UTC")),
        (pa.array([0.5, None], pa.float16()), pa.float32()),
        (pa.array([b"a", None], pa.large_binary()), pa.binary()),
        (pa.array([b"a", None], pa.binary_view()), pa.binary()),
        (pa.array([1, None], pa.int8()), pa.int32()),
        (pa.array([2**16 - 1, None], pa.uint16()), pa.int32()),
        (pa.array([2**32 - 1, None], pa.uint32()), pa.int64()),
        (pa.array([2**63 - 1, None], pa.uint64()), pa.int64()),
        (pa.array([5, None, 5]).dictionary_encode(), pa.int64()),
        (pa.array(["a", None, "a"]).dictionary_encode(), pa.string()),
        (pa.array([[1], None, [2, 3], None], pa.list_view(pa.int64())), pa.list_(pa.int64())),
        (pa.array([[1], None], pa.large_list_view(pa.int64())), pa.list_(pa.int64())),
        (pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), ["a", "b"]), pa.string()),
        (pa.array(["1.25", None]).cast(pa.decimal128(9, 2)).cast(pa.decimal64(9, 2)),
         pa.decimal128(9, 2)),
    ],
    ids=lambda one: str(getattr(one, "type", one)),
)  # fmt: skip
def test_types_without_a_like_become_the_nearest_that_loses_nothing(values, read_as):
    back = AVRO.loads(AVRO.dumps(pa.table({"v": values})))["v"].combine_chunks()
    assert back.type == read_as
    if pa.types.is_run_end_encoded(values.type):
        assert back.to_pylist() == ["a", "a", "b"]
    elif pa.types.is_timestamp(read_as) or pa.types.is_date(read_as):
        assert back == values.cast(read_as)
    else:
        assert back.to_pylist() == values.to_pylist()


def test_a_uuid_may_be_fixed():
    type_ = {"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}
    value = pa.array([b"0123456789abcdef"], pa.binary(16)).cast(pa.uuid())
    (datum,) = AVRO.dumps_datums(pa.table({"v": value}), schema=record(v=type_))
    assert datum == b"0123456789abcdef"
    assert AVRO.loads_datums([datum], writer=record(v=type_))["v"].combine_chunks() == value
    (datum,) = AVRO.dumps_datums(pa.table({"v": value}))
    assert datum == b"\x02\x4830313233-3435-3637-3839-616263646566"


def test_an_enum_is_a_dictionary_and_stays_an_enum():
    schema = record(side={"type": "enum", "name": "Side", "symbols": ["BUY", "SELL"]})
    rows = [{"side": "SELL"}, {"side": "BUY"}]
    table = AVRO.loads(container(schema, rows))
    assert table["side"].type == pa.dictionary(pa.int32(), pa.string())
    assert fastavro.reader(io.BytesIO(AVRO.dumps(table))).writer_schema["fields"] == [
        {"name": "side", "type": {"type": "enum", "name": "Side", "symbols": ["BUY", "SELL"]}}
    ]
    other = pa.table({"side": pa.array(["SELL", "SELL", "BUY"]).dictionary_encode()})
    assert AVRO.loads(AVRO.dumps(other, schema=schema))["side"].to_pylist() == [
        "SELL", "SELL", "BUY"]  # fmt: skip
    with pytest.raises(SerializationError, match=r"\$\.side, value 1"):
        AVRO.dumps(pa.table({"side": ["BUY", "HOLD"]}), schema=schema)


def test_a_schema_that_is_no_record_has_one_column():
    file = io.BytesIO()
    fastavro.writer(file, "long", [1, 2, 3])
    table = AVRO.loads(file.getvalue())
    assert table.to_pydict() == {"value": [1, 2, 3]}
    assert list(fastavro.reader(io.BytesIO(AVRO.dumps(table, schema="long")))) == [1, 2, 3]


def test_nanoseconds_and_durations_keep_their_bits():
    duration = {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}
    schema = record(at={"type": "long", "logicalType": "timestamp-nanos"}, d=duration)
    raw = (7).to_bytes(4, "little") + (9).to_bytes(4, "little") + (250).to_bytes(4, "little")
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(schema), {"at": 123456789, "d": raw})
    table = AVRO.loads_datums([file.getvalue()], writer=schema)
    assert table["at"].cast(pa.int64()).to_pylist() == [123456789]
    assert tuple(table["d"].to_pylist()[0]) == (7, 9, 250_000_000)
    assert AVRO.dumps_datums(table) == [file.getvalue()]
    with pytest.raises(SerializationError, match="out of the range"):
        AVRO.dumps(pa.table({"d": pa.array([(-1, 0, 0)], pa.month_day_nano_interval())}))


def test_datums_and_single_objects_are_those_of_fastavro():
    schema = record(n="long", s=["null", "string"])
    rows = [{"n": -5, "s": None}, {"n": 2**40, "s": "x"}]
    parsed, datums = fastavro.parse_schema(schema), []
    for row in rows:
        file = io.BytesIO()
        fastavro.schemaless_writer(file, parsed, row)
        datums.append(file.getvalue())
    table = AVRO.loads_datums(datums, writer=schema)
    assert table.to_pylist() == rows
    assert AVRO.dumps_datums(table, schema=schema) == datums
    objects = AVRO.dumps_objects(table, schema=schema)
    assert objects[0][:2] == b"\xc3\x01"
    assert [one[10:] for one in objects] == datums
    form = fastavro.schema.to_parsing_canonical_form(schema)
    assert objects[0][2:10].hex() == fastavro.schema.fingerprint(form, "CRC-64-AVRO")
    assert AVRO.loads_objects(objects, writer=schema).to_pylist() == rows
    with pytest.raises(SerializationError, match="object 0: another fingerprint"):
        AVRO.loads_objects(objects, writer=record(n="long", t=["null", "string"]))
    with pytest.raises(SerializationError, match="object 1: no single object"):
        AVRO.loads_objects([objects[0], datums[0]], writer=schema)


def test_datums_that_fill_more_than_a_batch_are_all_read():
    schema = record(n="long", s="bytes")
    texts = [bytes(1 << 20)] * 100 + [b"x"] * 70_000
    rows = pa.table({"n": pa.array(range(len(texts))), "s": pa.array(texts, pa.large_binary())})
    table = AVRO.loads_datums(AVRO.dumps_datums(rows, schema=schema), writer=schema)
    assert table["n"].to_pylist() == list(range(len(texts)))
    assert table["s"].num_chunks > 2
    data = AVRO.dumps(rows, schema=schema)
    assert AVRO.loads(data)["n"].to_pylist() == list(range(len(texts)))


@given(tables())
@settings(max_examples=40)
def test_the_canonical_form_is_that_of_fastavro(drawn):
    type_, _ = parse_schema(drawn[0], FormatLimits())
    form = fastavro.schema.to_parsing_canonical_form(drawn[0])
    assert canonical_form(type_) == form
    # fastavro shows the bytes as they stand in front of a single object.
    assert fingerprint(type_).hex() == fastavro.schema.fingerprint(form, "CRC-64-AVRO")


def test_records_are_written_as_tables_are():
    rows = [{"n": 1, "s": "a"}, {"n": 2, "s": None}]
    assert AVRO.loads(AVRO.dumps(rows)).to_pylist() == rows
    schema = record(n="int", s=["null", "string"])
    assert AVRO.loads(AVRO.dumps(rows, schema=schema)).schema.field("n").type == pa.int32()


def test_dicts_come_back_as_they_were():
    enum = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
    leg = {"type": "record", "name": "L", "fields": [{"name": "e", "type": "E"}]}
    schema = record(
        n="int", s=["null", "string"], e=enum, a={"type": "array", "items": "double"},
        legs={"type": "array", "items": leg},
    )  # fmt: skip
    rows = [
        {"n": i, "s": None if i % 3 else "x", "e": "AB"[i % 2], "a": [i / 2] * (i % 4),
         "legs": [{"e": "B"}] * (i % 2)}
        for i in range(300)
    ]  # fmt: skip
    data = AVRO.dumps(rows, schema=schema)
    assert AVRO.loads_records(data) == rows == list(fastavro.reader(io.BytesIO(data)))
    rows[7]["n"] = None
    with pytest.raises(SerializationError, match=r"\$\.n, value 7: there is a null"):
        AVRO.dumps(rows, schema=schema)
    union = record(v=["null", "long", "string"])
    assert AVRO.loads_records(AVRO.dumps([{"v": 1}, {}], schema=union)) == [{"v": 1}, {"v": None}]
    with pytest.raises(ColumnTypeError, match=r"'v', record 0 is 1\.5"):
        AVRO.dumps([{"v": 1.5}], schema=union)


def test_an_empty_table_has_a_schema_and_no_rows(tmp_path):
    table = pa.table({"n": pa.array([], pa.int64())})
    assert AVRO.loads(AVRO.dumps(table)) == table
    AVRO.write(tmp_path / "none.avro", [], schema=record(n="long"))
    assert [batch.num_rows for batch in AVRO.read(tmp_path / "none.avro")] == [0]
    with pytest.raises(InputError, match="no batches and no schema"):
        AVRO.write(tmp_path / "nothing.avro", [])


@pytest.mark.parametrize(
    ("column", "schema", "message"),
    [
        (pa.array([2**63], pa.uint64()), None, r"\$\.v, value 0: a number is out of the range"),
        (pa.array([1, None]), record(v="long"), r"\$\.v, value 1: there is a null"),
        (pa.array(["x"]), record(v="long"), r"type string can't be written as long"),
        (pa.array([2**40]), record(v="int"), r"can't be written as int"),
        (pa.array([1]), record(w="long"), r"\$\.w: there is no such column"),
        (pa.array([1], pa.duration("s")), None, r"type duration\[s\] has no like"),
        (pa.array([datetime.datetime(2020, 1, 1)]),
         record(v={"type": "long", "logicalType": "timestamp-micros"}), "can't be written as"),
    ],
)  # fmt: skip
def test_what_avro_cannot_say_is_an_error_that_says_where(column, schema, message):
    with pytest.raises(SerializationError, match=message):
        AVRO.dumps(pa.table({"v": column}), schema=schema)


def test_columns_with_damaged_offsets_are_named_not_followed():
    offsets = pa.py_buffer(np.array([0, 1 << 30, 3, 4], np.int32))
    content = pa.py_buffer(b"abcd")
    text = pa.Array.from_buffers(pa.string(), 3, [None, offsets, content])
    numbers = pa.array([1, 2, 3, 4])
    items = pa.Array.from_buffers(pa.list_(pa.int64()), 3, [None, offsets], children=[numbers])
    codes, places = pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 99], pa.int32())
    union = pa.UnionArray.from_dense(codes, places, [numbers, pa.array(["a"])])
    for column in (text, items, union):
        with pytest.raises(SerializationError, match=r"\$\.v: the offsets .* are damaged"):
            AVRO.dumps(pa.table({"v": column}))


def test_a_name_that_avro_does_not_have_is_an_error():
    with pytest.raises(SerializationError, match=r"'a-b' is no name in Avro: rename"):
        AVRO.dumps(pa.table({"a-b": [1]}))


def test_a_file_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "kept.avro"
    path.write_bytes(b"before")
    good, bad = pa.table({"v": [1]}), pa.table({"v": ["x"]})
    with pytest.raises(SerializationError):
        AVRO.write(path, [good, bad], schema=record(v="long"))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(SinkError):
        AVRO.write(tmp_path / "no" / "such.avro", [good])
    with pytest.raises(SourceError):
        list(AVRO.read(tmp_path / "none.avro"))
    with pytest.raises(InputError, match="codec 'lzo' is unknown"):
        AVRO.dumps(good, codec="lzo")
