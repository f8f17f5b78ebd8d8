"""JSON lines say what the rows are, and whatever else they are is an error with its place."""

import datetime as dt
import decimal
import io
import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.core.errors import InputError, SerializationError, SinkError, SourceError
from tidegate.core.formats import jsonlines
from tidegate.core.formats.formatlimits import FormatLimits
from tidegate.core.formats.jsonlines import JsonLines

JSON = JsonLines()
NAMES = st.text(max_size=3)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=8)


@settings(max_examples=100)
@given(RECORDS)
def test_records_come_back_and_are_what_json_says(records):
    data = JSON.dumps(records)
    assert [json.loads(line) for line in data.split(b"\n") if line] == records
    assert JSON.loads_records(data) == records
    theirs = "\n".join(json.dumps(record) for record in records).encode()
    assert JSON.loads_records(theirs) == records


EVERYTHING = pa.schema(
    [
        ("i", pa.int32()),
        ("u", pa.uint64()),
        ("f", pa.float64()),
        ("g", pa.float32()),
        ("b", pa.bool_()),
        ("s", pa.string()),
        ("k", pa.dictionary(pa.int32(), pa.string())),
        ("raw", pa.binary()),
        ("raw2", pa.binary(2)),
        ("ns", pa.timestamp("ns")),
        ("utc", pa.timestamp("us", "UTC")),
        ("rome", pa.timestamp("ms", "Europe/Rome")),
        ("sec", pa.timestamp("s")),
        ("day", pa.date32()),
        ("clock", pa.time64("us")),
        ("span", pa.duration("ns")),
        ("money", pa.decimal128(12, 3)),
        ("list", pa.list_(pa.timestamp("ns"))),
        ("struct", pa.struct([("x", pa.int8()), ("t", pa.timestamp("us", "UTC"))])),
        ("map", pa.map_(pa.string(), pa.int64())),
        ("null", pa.null()),
    ]
)
ROW = {
    "i": -5, "u": 2**64 - 1, "f": 0.1, "g": 0.5, "b": True, "s": "a\n\"ä\u2028", "k": "XNAS",
    "raw": b"\0\xff", "raw2": b"ab", "ns": np.datetime64("2024-02-29T01:02:03.000000007"),
    "utc": dt.datetime(1969, 12, 31, 23, 59, 59, 999999, dt.timezone.utc),  # noqa: UP017
    "rome": dt.datetime(2024, 7, 1, tzinfo=dt.timezone.utc), "sec": dt.datetime(1, 1, 1),  # noqa: UP017
    "day": dt.date(9999, 12, 31), "clock": dt.time(1, 2, 3, 4), "span": np.timedelta64(-7, "ns"),
    "money": decimal.Decimal("-12.345"), "list": [np.datetime64(1, "ns"), None],
    "struct": {"x": 1, "t": dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)},  # noqa: UP017
    "map": [("a", 1), ("b", None)],
}  # fmt: skip


def everything(n_rows):
    """Make rows of every type, one in three without a value."""
    columns = {
        name: [None if i % 3 == 1 else ROW.get(name) for i in range(n_rows)]
        for name in EVERYTHING.names
    }
    return pa.table(
        [pa.array(columns[field.name], field.type) for field in EVERYTHING], schema=EVERYTHING
    )


@pytest.mark.parametrize("n_rows", [0, 1, 3, 40_000])
def test_a_table_comes_back_through_its_schema(n_rows):
    table = everything(n_rows)
    read = JsonLines(schema=EVERYTHING)
    data = JSON.dumps(table)
    assert data.count(b"\n") == n_rows
    assert read.loads(data).equals(table)
    batches = list(read.read(io.BytesIO(data)))
    assert pa.Table.from_batches(batches, EVERYTHING).equals(table)


def test_a_line_is_as_the_rule_says():
    line = json.loads(JSON.dumps(everything(1)))
    assert line["ns"] == "2024-02-29T01:02:03.000000007"
    assert line["utc"] == "1969-12-31T23:59:59.999999Z"
    assert line["rome"] == "2024-07-01T00:00:00.000Z"
    assert (line["sec"], line["day"]) == ("0001-01-01T00:00:00", "9999-12-31")
    assert (line["span"], line["money"], line["raw"]) == (-7, "-12.345", "AP8=")
    assert line["list"] == ["1970-01-01T00:00:00.000000001", None]
    odd = pa.table({"f": [math.nan, math.inf, -0.0]})
    assert JSON.dumps(odd) == b'{"f":null}\n{"f":null}\n{"f":-0.0}\n'


def test_integers_are_times_in_the_unit_of_the_column():
    read = JsonLines(schema=pa.schema([("t", pa.timestamp("ms"))]))
    assert read.loads(b'{"t":5}\n{}\n')["t"].cast(pa.int64()).to_pylist() == [5, None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a":1}\n{"a":}\n', "line 2, byte 13: JSON is malformed: invalid character"),
        (b'{"a":1}\n[1]\n', "line 2, byte 8, .*Expected object, got array"),
        (b'{"a":NaN}', "line 1, byte 5: JSON is malformed"),
        (b'{"a":1e999}', "line 1, byte 0, .*out of range"),
        (b'{"a":"\xff"}', "line 1, byte 0: .*utf-8"),
        (b'{"a":1}{"a":2}\n', "line 1, byte 0: there is more than one object"),
        (b'{"a":\n1}\n', "line 1, byte 0: Input data was truncated"),
        (b'{"a":1}\n{"a":"x"}\n', "field 'a', record 1 is 'x'"),
        (b'{"a":' + b"[" * 5000, "line 1, byte 0: .*recursion"),
        (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", "record 0 is nested more than 64"),
    ],
)
def test_a_bad_line_is_named(text, message):
    for run in (lambda: JSON.loads(text), lambda: list(JSON.read(io.BytesIO(text)))):
        with pytest.raises(SerializationError, match=f"JSON: {message}"):
            run()
    with pytest.raises(SerializationError, match=r"^JSON: (line|field)"):
        JsonLines(schema=pa.schema([("a", pa.list_(pa.int8()))])).loads(text)


def test_an_error_tells_its_byte_and_path():
    read = JsonLines(schema=pa.schema([("legs", pa.list_(pa.struct([("price", pa.int64())])))]))
    data = b'\n{"legs":[]}\n{"legs":[{"price":1},{"price":"x"}]}\n'
    with pytest.raises(SerializationError) as caught:
        read.loads(data)
    error = caught.value
    assert (error.offset, error.path, error.row) == (13, "$.legs[1].price", 2)


def test_empty_lines_and_a_mark_are_skipped():
    data = b'\xef\xbb\xbf{"a":1}\r\n\n  \n{"a":2}'
    assert JSON.loads(data).to_pydict() == {"a": [1, 2]}
    assert [b.to_pydict() for b in JSON.read(io.BytesIO(data))] == [{"a": [1, 2]}]
    assert JSON.loads(b"").num_rows == 0
    assert [batch.num_rows for batch in JSON.read(io.BytesIO(b""))] == [0]
    (batch,) = JsonLines(schema=EVERYTHING).read(io.BytesIO(b"\n"), columns=["s"])
    assert batch.schema == pa.schema([("s", pa.string())])


class InPieces(io.BytesIO):
    """A file that gives few bytes at a time."""

    def read(self, _size=-1):
        """Give the next bytes."""
        return super().read(7)


@settings(max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"a": st.integers(-9, 9) | st.none()},
            optional={"b": st.text(max_size=9), "c": st.lists(st.floats(-1, 1), max_size=2)},
        ),
        max_size=12,
    )
)
def test_a_stream_is_the_whole_however_it_is_cut(records):
    data = JSON.dumps(records)
    whole = JSON.loads(data)
    parts = list(JSON.read(InPieces(data)))
    read = pa.Table.from_batches(parts) if parts else whole.slice(0, 0)
    assert read.to_pylist() == whole.to_pylist()


def test_types_of_the_first_lines_hold(monkeypatch):
    monkeypatch.setattr(jsonlines, "HEAD", 1)
    monkeypatch.setattr(jsonlines, "BLOCK", 1)
    head = b'{"a":1.5,"b":[{"x":2.5}]}\n'
    fine = head + b'{"a":2}\n{}\n{"a":null,"b":[]}\n{"b":[{"x":1},{}]}\n'
    read = pa.Table.from_batches(JSON.read(io.BytesIO(fine)))
    assert read["a"].to_pylist() == [1.5, 2.0, None, None, None]
    for line, message in [
        (b'{"a":"x"}', "after line 1: field 'a' is string, and double before; give a schema"),
        (b'{"z":1}', "after line 1: field 'z' is new; give a schema"),
        (b'{"a":9007199254740993}', "after line 1: field 'a', record 0 is 9007199254740993"),
        (b'{"b":[{"y":1}]}', "field 'b' is list"),
    ]:
        with pytest.raises(SerializationError, match=message):
            list(JSON.read(io.BytesIO(head + line)))


def test_a_line_without_end_is_an_error_not_memory():
    class Endless(io.RawIOBase):
        """A file of one line."""

        def read(self, size=-1):
            """Give more of it."""
            return b"[" * size

    limited = JsonLines(limits=FormatLimits(block_bytes=3 << 20))
    with pytest.raises(SerializationError, match=r"byte 0: a line is longer .*block_bytes"):
        list(limited.read(Endless()))


@pytest.mark.parametrize(
    "line",
    [
        lambda i: {f"a{i}": 1},
        lambda i: {"x": {f"a{i}": 1}},
        lambda i: {"x": [{f"a{i}": 1}] * 3},
        lambda i: {f"a{k}": 1 for k in range(500)} if i == 0 else {},
        lambda i: {"x": {f"a{k}": 1 for k in range(500)}} if i == 0 else {"x": None},
        lambda i: {"x": [{f"a{k}": 1 for k in range(500)}]} if i == 0 else {"x": [None] * 9},
    ],
)
def test_fields_without_end_are_an_error_not_memory(line):
    data = JSON.dumps([line(i) for i in range(2000)])
    limited = JsonLines(limits=FormatLimits(batch_bytes=800_000))
    with pytest.raises(SerializationError, match="fields are more than 100,000 cells"):
        limited.loads(data)


def test_what_json_has_no_way_for_is_an_error():
    with pytest.raises(SerializationError, match=r"record 1 cannot be written: .*object"):
        JSON.dumps([{"a": 1}, {"a": object()}])
    far = pa.table({"t": pa.array([2**62], pa.timestamp("us"))})
    with pytest.raises(SerializationError, match="cannot be written"):
        JSON.dumps(far)
    with pytest.raises(InputError, match="two fields of one name"):
        JsonLines(schema=pa.schema([("a", pa.int64()), ("a", pa.int64())]))


def test_a_damaged_text_is_an_error_or_an_answer():
    data = JSON.dumps(everything(3).select(["i", "f", "s", "ns", "list", "struct"]))
    readers = [JSON, JsonLines(schema=EVERYTHING)]
    for end in range(len(data)):
        judge(readers, data[:end])
    for place in range(0, len(data), 3):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            judge(readers, bytes(flipped))


def judge(readers, data):
    """Read bytes; they are a table or a named error."""
    for reader in readers:
        try:
            reader.loads(data).validate(full=True)
        except SerializationError as error:
            assert str(error).startswith("JSON: ")  # noqa: PT017


def test_a_path_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"old")

    def batches():
        yield pa.record_batch({"a": [1]})
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        JSON.write(path, batches())
    assert [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]
    assert path.read_bytes() == b"old"
    JSON.write(path, [pa.record_batch({"a": [1]})])
    assert path.read_bytes() == b'{"a":1}\n'
    with pytest.raises(SourceError, match="there: cannot be read: No such file"):
        list(JSON.read(tmp_path / "nothing" / "there"))
    with pytest.raises(SinkError, match="cannot be written: No such file"):
        JSON.write(tmp_path / "nothing" / "there", [])
    with pytest.raises(SinkError, match="int is no sink"):
        JSON.write(3, [])
    with pytest.raises(SourceError, match="int is no source"):
        list(JSON.read(3))
