"""What one `loads` gives is bounded as a whole, in however many batches it comes."""

import io
import json

import pyarrow as pa
import pytest

from tidegate.core.errors import InputError, SerializationError
from tidegate.core.formats.avro import Avro
from tidegate.core.formats.avrofiles import header_of
from tidegate.core.formats.formatlimits import FormatLimits
from tidegate.core.formats.protobuf import Protobuf

SYNC = b"0123456789abcdef"
NOTHING = {"type": "record", "name": "N", "fields": [{"name": "none", "type": "null"}]}


def number(value):
    """Write a signed varint."""
    word, out = 2 * value, bytearray()
    while word > 127:
        out.append(word & 127 | 128)
        word >>= 7
    return bytes([*out, word])


def blocks(schema, n_blocks, n_rows, codec="null"):
    """Make a file of blocks whose rows take no bytes."""
    empty = b"" if codec == "null" else b"\x03\x00"  # deflate of nothing
    block = number(n_rows) + number(len(empty)) + empty + SYNC
    return header_of(schema, codec, SYNC) + block * n_blocks


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_rows_without_bytes_are_counted_over_all_blocks(codec):
    data = blocks(NOTHING, 5, 500, codec)
    assert Avro(limits=FormatLimits(free_items=2500)).loads(data).num_rows == 2500
    avro = Avro(limits=FormatLimits(free_items=2499))
    for _ in range(2):  # and anew for each call
        with pytest.raises(SerializationError, match="limit free_items is 2,499"):
            avro.loads(data)
        assert avro.loads(blocks(NOTHING, 4, 500, codec)).num_rows == 2000


def test_rows_without_bytes_are_counted_over_batches():
    data = blocks(NOTHING, 3, 900_000)  # a batch has 65,536 rows
    with pytest.raises(SerializationError, match="limit free_items is 1,048,576"):
        Avro().loads(data)
    assert sum(batch.num_rows for batch in Avro().read(io.BytesIO(data))) == 2_700_000


def wide_reader():
    """Give a reader's schema that makes a kilobyte of nothing."""
    added = {"name": "text", "type": "string", "default": "x" * 1000}
    return {"type": "record", "name": "N", "fields": [added]}


def test_defaults_do_not_make_much_of_few_bytes():
    data = blocks(NOTHING, 100, 10_000)  # 2 KB, for 1 GB
    avro = Avro(schema=json.dumps(wide_reader()))
    limits = FormatLimits(table_bytes=1 << 26, batch_bytes=1 << 24, free_items=1 << 30)
    with pytest.raises(SerializationError, match="limit table_bytes is 67,108,864") as caught:
        avro.loads(data, limits=limits)
    assert 0 < caught.value.row < 100_000
    few = FormatLimits(batch_bytes=1 << 24)
    assert avro.loads(blocks(NOTHING, 3, 10_000), limits=few).num_rows == 30_000
    batch = next(avro.read(io.BytesIO(data), limits=limits))  # a stream has no such limit
    assert batch["text"][0].as_py() == "x" * 1000


def test_datums_are_bounded_together():
    schema = {"type": "array", "items": {"type": "record", "name": "N", "fields": []}}
    reader = {"type": "array", "items": wide_reader()}
    avro = Avro(schema=json.dumps(reader))
    datums = [number(1000) + b"\0"] * 50
    limits = FormatLimits(table_bytes=1 << 22, batch_bytes=1 << 22)
    with pytest.raises(SerializationError, match="limit table_bytes"):
        avro.loads_datums(datums, writer=schema, limits=limits)
    assert avro.loads_datums(datums[:2], writer=schema, limits=limits).num_rows == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_empty_messages_do_not_make_much_of_few_bytes(threads):
    fields = [pa.field(f"f{i}", pa.int64(), nullable=False) for i in range(100)]
    format_ = Protobuf(pa.schema(fields))
    stream = bytes(40_000)  # as many messages, of 800 bytes
    limits = FormatLimits(batch_bytes=1 << 24, table_bytes=1 << 24)
    with pytest.raises(SerializationError, match="limit table_bytes is 16,777,216") as caught:
        format_.loads(stream, limits=limits, threads=threads)
    assert caught.value.row > 0
    assert format_.loads(stream, threads=threads).num_rows == 40_000
    rows = sum(batch.num_rows for batch in format_.read(io.BytesIO(stream), limits=limits))
    assert rows == 40_000


def test_the_limit_grows_with_what_is_read_unless_it_is_given():
    assert FormatLimits().for_table(1) == 1 << 30
    assert FormatLimits().for_table(1 << 30) == 64 << 30
    assert FormatLimits(table_bytes=5).for_table(1 << 30) == 5
    with pytest.raises(InputError, match="limit table_bytes"):
        FormatLimits(table_bytes=0)
