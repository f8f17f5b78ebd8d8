"""What is written with one schema and read with another, as the specification resolves them."""

import io

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.avroschemas import Names, plain, record

from tidegate.core.errors import ColumnNotFoundError, SerializationError
from tidegate.core.formats.avro import Avro

AVRO = Avro()


def schema_of(*fields, name="R", **rest):
    """Make the schema of a record of fields (name, type) or (name, type, default)."""
    listed = [
        {"name": field[0], "type": field[1]} | ({"default": field[2]} if len(field) > 2 else {})
        for field in fields
    ]
    return {"type": "record", "name": name, "fields": listed} | rest


def written(schema, rows):
    """Write rows by fastavro."""
    file = io.BytesIO()
    fastavro.writer(file, fastavro.parse_schema(schema), rows)
    return file.getvalue()


def read(writer, rows, reader):
    """Write rows with one schema and read them with another, by us and by fastavro."""
    data = written(writer, rows)
    ours = AVRO.loads(data, schema=reader)
    ours.validate(full=True)
    theirs = list(fastavro.reader(io.BytesIO(data), reader_schema=reader))
    assert [plain(row, reader) for row in ours.to_pylist()] == theirs
    return ours


def value(writer, one, reader):
    """Resolve one value."""
    return read(schema_of(("v", writer)), [{"v": one}], schema_of(("v", reader)))["v"][0].as_py()


def test_fields_are_added_removed_and_reordered():
    inner = schema_of(("x", "long"), ("y", {"type": "array", "items": "string"}), name="I")
    writer = schema_of(("a", "long"), ("b", "string"), ("c", inner), ("d", "double"))
    rows = [{"a": i, "b": "b" * i, "c": {"x": i, "y": ["q"] * i}, "d": i / 2} for i in range(5)]
    inner = schema_of(("z", ["null", "int"], None), ("x", "long"), name="I")
    reader = schema_of(("d", "double"), ("new", "string", "none"), ("c", inner), ("a", "long"))
    table = read(writer, rows, reader)
    assert table.column_names == ["d", "new", "c", "a"]
    assert table["new"].to_pylist() == ["none"] * 5
    assert table["c"][3].as_py() == {"z": None, "x": 3}


@pytest.mark.parametrize(
    ("type_", "default", "expected"),
    [
        ("null", None, None),
        ("boolean", True, True),
        ("int", -7, -7),
        ("long", 2**40, 2**40),
        ("float", 0.5, 0.5),
        ("double", 3, 3.0),
        ("string", "é", "é"),
        ("bytes", "\u00ff\u0001", b"\xff\x01"),
        ({"type": "fixed", "name": "F", "size": 2}, "ab", b"ab"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "B"),
        ({"type": "array", "items": "int"}, [1, 2], [1, 2]),
        ({"type": "map", "values": "int"}, {"k": 1}, [("k", 1)]),
        (["null", "int"], None, None),
        (["int", "null"], 5, 5),
        (["null", "long", "string"], "s", "s"),
        (schema_of(("x", "int"), ("y", "string", "in"), name="I"), {"x": 1}, {"x": 1, "y": "in"}),
    ],
)
def test_a_field_that_is_not_written_has_its_default(type_, default, expected):
    reader = schema_of(("a", "long"), ("v", type_, default))
    data = written(schema_of(("a", "long")), [{"a": 1}, {"a": 2}])
    table = AVRO.loads(data, schema=reader)
    assert table["v"].to_pylist() == [expected, expected]
    assert table["a"].to_pylist() == [1, 2]


@pytest.mark.parametrize(
    ("writer", "one", "reader", "expected"),
    [
        ("int", 5, "long", 5),
        ("int", 5, "float", 5.0),
        ("int", 5, "double", 5.0),
        ("long", 2**40, "float", float(2**40)),
        ("long", 2**40, "double", float(2**40)),
        ("float", 0.5, "double", 0.5),
        ("string", "é", "bytes", "é".encode()),
        ("bytes", b"ab", "string", "ab"),
        ("int", 5, ["null", "long"], 5),
        (["null", "int"], None, ["null", "long"], None),
        (["null", "int"], 7, ["long", "null"], 7),
        (["int", "string"], "x", ["null", "string", "long"], "x"),
        (["int", "string"], 4, ["null", "string", "long"], 4),
        (["null", "int"], 4, "long", 4),
        ({"type": "array", "items": "int"}, [1, 2], {"type": "array", "items": "double"}, [1.0, 2]),
        ({"type": "map", "values": "int"}, {"a": 1}, {"type": "map", "values": "long"}, [("a", 1)]),
    ],
)
def test_types_are_promoted(writer, one, reader, expected):
    found = value(writer, one, reader)
    assert (found, type(found)) == (expected, type(expected))


def test_a_type_of_a_union_goes_into_the_same_type_before_one_that_it_could_become():
    # By the letter of the specification it would be the first that matches: the double.
    data = written(schema_of(("v", ["double", "int"])), [{"v": 5}, {"v": 0.5}])
    table = AVRO.loads(data)
    assert table["v"].to_pylist() == [5, 0.5]
    assert AVRO.dumps(table, sync=data[-16:])[-40:] == data[-40:]


def test_fields_and_types_are_found_by_their_aliases():
    writer = schema_of(("old", "long"), ("e", {"type": "enum", "name": "Old", "symbols": ["A"]}))
    reader = {
        "type": "record",
        "name": "New",
        "aliases": ["R"],
        "fields": [
            {"name": "new", "aliases": ["older", "old"], "type": "long"},
            {
                "name": "e",
                "type": {"type": "enum", "name": "Neu", "aliases": ["Old"], "symbols": ["A"]},
            },
        ],
    }
    table = AVRO.loads(written(writer, [{"old": 4, "e": "A"}]), schema=reader)
    assert table.to_pylist() == [{"new": 4, "e": "A"}]


def test_a_symbol_that_the_reader_does_not_have_becomes_its_default():
    writer = schema_of(("e", {"type": "enum", "name": "E", "symbols": ["A", "B", "C"]}))
    enum = {"type": "enum", "name": "E", "symbols": ["C", "X", "A"], "default": "X"}
    rows = [{"e": "A"}, {"e": "B"}, {"e": "C"}]
    assert read(writer, rows, schema_of(("e", enum)))["e"].to_pylist() == ["A", "X", "C"]
    del enum["default"]
    data = written(writer, rows)
    with pytest.raises(SerializationError, match=r"row 1, \$\.e, .* no place in the reader"):
        AVRO.loads(data, schema=schema_of(("e", enum)))
    assert AVRO.loads(written(writer, rows[:1]), schema=schema_of(("e", enum)))["e"][0].as_py()


def test_a_branch_that_the_reader_does_not_have_is_an_error_where_it_comes():
    writer = schema_of(("v", ["null", "long", "string"]))
    data = written(writer, [{"v": 5}, {"v": None}])
    with pytest.raises(SerializationError, match=r"row 1, \$\.v, .* no place in the reader"):
        AVRO.loads(data, schema=schema_of(("v", "long")))
    assert AVRO.loads(written(writer, [{"v": 5}]), schema=schema_of(("v", "long"))).num_rows == 1


@pytest.mark.parametrize(
    ("writer", "reader", "message"),
    [
        ("string", "long", r"\$\.v: string can't be read as long"),
        ("long", "int", r"\$\.v: long can't be read as int"),
        ("double", "float", "double can't be read as float"),
        (["null", "string"], "long", "can't be read as long"),
        ({"type": "fixed", "name": "F", "size": 2}, {"type": "fixed", "name": "F", "size": 3},
         "fixed F can't be read as fixed F"),
        ({"type": "fixed", "name": "F", "size": 2}, {"type": "fixed", "name": "G", "size": 2},
         "fixed F can't be read as fixed G"),
        ({"type": "array", "items": "string"}, {"type": "array", "items": "long"}, r"\$\.v\[\]"),
        ({"type": "long", "logicalType": "timestamp-millis"},
         {"type": "long", "logicalType": "timestamp-micros"}, "timestamp-millis long can't be"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_so_is_named_before_a_row_is_read(writer, reader, message):
    data = written(schema_of(("v", writer)), [])
    with pytest.raises(SerializationError, match=message):
        AVRO.loads(data, schema=schema_of(("v", reader)))


def test_a_field_without_default_and_a_default_of_another_type_are_named():
    data = written(schema_of(("a", "long")), [])
    with pytest.raises(SerializationError, match=r"\$\.b: .* was not written: give it a default"):
        AVRO.loads(data, schema=schema_of(("b", "long")))
    with pytest.raises(SerializationError, match=r"\$\.b: default 'x' is no value of its type"):
        AVRO.loads(data, schema=schema_of(("b", "long", "x")))


@given(record(Names(), 3), st.data())
@settings(max_examples=40)
def test_columns_are_read_alone_and_all_others_passed_over(drawn, data):
    schema, values = drawn
    rows = data.draw(st.lists(values, max_size=6))
    whole = AVRO.loads(written(schema, rows))
    names = data.draw(st.permutations(whole.column_names))[: len(whole.column_names) // 2 + 1]
    assert AVRO.loads(written(schema, rows), columns=names) == whole.select(names)


def test_arrays_are_passed_over_by_their_bytes():
    # A block with its size: what is in it is not looked at.
    array = {"type": "array", "items": "string"}
    blocks = b"\x03\x06\xff\xff\xff\x00"  # -2 items, 3 bytes, none of which is a length
    writer = schema_of(("a", array), ("b", "long"))
    reader = schema_of(("b", "long"))
    table = AVRO.loads_datums([blocks + b"\x0e"], writer=writer, schema=reader)
    assert table.to_pydict() == {"b": [7]}


def test_no_columns_at_all_still_count_the_rows():
    data = written(schema_of(("a", "long")), [{"a": 1}, {"a": 2}])
    assert next(iter(AVRO.read(io.BytesIO(data), columns=[]))).num_rows == 2
    with pytest.raises(ColumnNotFoundError, match="no column 'z'; there are: a"):
        AVRO.loads(data, columns=["z"])


def test_columns_of_a_reader_schema_are_read_too():
    data = written(schema_of(("a", "int"), ("b", "string")), [{"a": 1, "b": "x"}])
    reader = schema_of(("n", "long", 9), ("a", "long"))
    table = AVRO.loads(data, schema=reader, columns=["n", "a"])
    assert table.to_pydict() == {"n": [9], "a": [1]}
    assert table.schema.field("a").type == pa.int64()
