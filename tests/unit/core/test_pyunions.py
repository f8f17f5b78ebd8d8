"""Dicts into unions and back: each value in its branch, as fastavro has it."""

import datetime as dt
import io
import json
import uuid
from decimal import Decimal

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.core.errors import ColumnTypeError, InputError
from tidegate.core.formats.avro import Avro
from tidegate.core.pyobjects import to_dicts
from tidegate.core.records import to_table

LEG = {
    "type": "record",
    "name": "market.Leg",
    "fields": [{"name": "px", "type": "double"}, {"name": "venue", "type": ["null", "string"]}],
}
FEE = {"type": "record", "name": "market.Fee", "fields": [{"name": "fee", "type": "double"}]}
FIXED = {"type": "fixed", "name": "Four", "size": 4}
STAMP = {"type": "long", "logicalType": "timestamp-micros"}
DAY = {"type": "int", "logicalType": "date"}
PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
SIDE = {"type": "enum", "name": "Side", "symbols": ["BUY", "SELL"]}
NUMBERS = {"type": "array", "items": ["int", "double"]}


def avro_of(*branches, wrap=None):
    """Make the format of a record with a union in it."""
    union = list(branches)
    type_ = union if wrap is None else {"type": wrap, "values" if wrap == "map" else "items": union}
    schema = {"type": "record", "name": "Row", "fields": [{"name": "v", "type": type_}]}
    return Avro(schema=json.dumps(schema)), fastavro.parse_schema(schema)


def normal(rows, is_map):
    """Give the maps outside of unions as dicts, which come as pairs."""
    return [{"v": dict(row["v"])} if isinstance(row["v"], list) and is_map else row for row in rows]


def both_ways(avro, schema, rows, wrap):
    """Hold what is written to what the peer reads, and what is read to what it writes."""
    assert list(fastavro.reader(io.BytesIO(avro.dumps(rows)))) == rows
    file = io.BytesIO()
    fastavro.writer(file, schema, rows)
    assert avro.loads(avro.dumps(rows)).equals(avro.loads(file.getvalue()))
    found = avro.loads_records(file.getvalue())
    assert normal(found, wrap == "map") == rows
    assert avro.loads(avro.dumps(found)).equals(avro.loads(file.getvalue()))


UNIONS = [
    (["null", "long", "string"], [1, "x", None, -(2**63)]),
    (["int", "long", "double", "boolean"], [1, 2**40, 2.5, True, False]),
    (["string", "bytes", FIXED], ["x", b"xyz", b"abcde"]),
    (["null", LEG, FEE], [{"px": 1.5, "venue": "A"}, {"px": 2.0, "venue": None}, {"fee": 3.0}]),
    (["null", STAMP, "bytes"], [dt.datetime(2024, 2, 29, 1, tzinfo=dt.UTC), b"x", None]),
    (["null", DAY, "double"], [dt.date(2024, 2, 29), 2.5, None]),
    (["null", PRICE, "double"], [Decimal("12.34"), 1.5, None]),
    (["null", SIDE, "long"], ["SELL", 5, "BUY", None]),
    (["null", NUMBERS, {"type": "map", "values": "long"}], [[1, 2.5], [], {"a": 1}, None]),
]


@pytest.mark.parametrize(("branches", "values"), UNIONS)
@pytest.mark.parametrize("wrap", [None, "array", "map"])
def test_values_go_into_the_branches_that_the_peer_chooses(branches, values, wrap):
    avro, schema = avro_of(*branches, wrap=wrap)
    rows = [{"v": value} for value in values]
    if wrap == "array":
        rows = [{"v": values}, {"v": []}, {"v": values[::-1]}]
    elif wrap == "map":
        rows = [{"v": {str(i): value for i, value in enumerate(values)}}, {"v": {}}]
    both_ways(avro, schema, rows, wrap)


def test_many_rows_are_as_few():
    avro, _ = avro_of("null", "long", "string", LEG)
    rows = [{"v": value} for value in [1, "x", None, {"px": 1.5, "venue": None}, 2**40]] * 5_000
    table = avro.loads(avro.dumps(rows))
    assert to_dicts(table) == rows  # in blocks of 4,096
    assert to_dicts(table.slice(4_099, 7)) == rows[4_099:4_106]
    assert list(fastavro.reader(io.BytesIO(avro.dumps(rows)))) == rows


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.lists(st.integers(-100, 100), max_size=3),
    st.dictionaries(st.text(max_size=2), st.booleans(), max_size=2),
)


@settings(max_examples=60)
@given(st.lists(values, max_size=20))
def test_any_values_come_back_as_they_were(drawn):
    array, map_ = {"type": "array", "items": "long"}, {"type": "map", "values": "boolean"}
    avro, _ = avro_of("null", "boolean", "int", "long", "double", "string", "bytes", array, map_)
    rows = [{"v": value} for value in drawn]
    table = to_table(rows, avro.loads(avro.dumps(rows)).schema)
    assert repr(to_dicts(table)) == repr(rows)
    assert repr(avro.loads_records(avro.dumps(rows))) == repr(rows)


def test_a_name_says_the_branch():
    avro, _ = avro_of("null", "string", SIDE, LEG, "float", "double")
    rows = [("Side", "BUY"), ("string", "BUY"), ("double", 2), ("market.Leg", {"px": 1.0})]
    rows += [("Leg", {"px": 2.0}), {"-type": "Leg", "px": 3.0}, None]
    table = avro.loads(avro.dumps([{"v": value} for value in rows]))
    union = table["v"].chunk(0)
    assert union.type_codes.to_pylist() == [2, 1, 5, 3, 3, 3, 0]
    legs = [{"px": px, "venue": None} for px in (1.0, 2.0, 3.0)]
    assert union.to_pylist() == ["BUY", "BUY", 2.0, *legs, None]


def test_a_number_goes_where_it_is_exact():
    avro, _ = avro_of("int", "float", "double")
    rows = [{"v": value} for value in [5, 2**31, 0.5, 0.1, float("inf"), 2**31 + 1]]
    union = avro.loads(avro.dumps(rows))["v"].chunk(0)
    assert union.type_codes.to_pylist() == [0, 2, 1, 2, 1, 2]


def test_ids_are_values_of_their_type():
    avro, _ = avro_of("null", {"type": "string", "logicalType": "uuid"}, "long")
    rows = [{"v": uuid.UUID(int=7)}, {"v": 5}, {"v": None}]
    assert avro.loads_records(avro.dumps(rows)) == rows


@pytest.mark.parametrize(
    ("branches", "value", "error", "message"),
    [
        (["null", "long"], "x", None, None),  # no dense union: as any column
        (["long", "boolean", "null"], "x", ColumnTypeError, "'v', record 1 is 'x' .str., which fi"),
        (["long", "string"], 2**63, InputError, "'v', record 1"),
        (["long", "string"], None, InputError, "'v', record 1 is missing"),
        (["string", SIDE], "BUY", ColumnTypeError, "several branches, 'string', 'Side': say whi"),
        (["null", LEG, FEE], {"px": 1.0, "fee": 2.0}, ColumnTypeError, "none of the branches"),
        (["null", "long", FEE], {"fee": "x"}, ColumnTypeError, r"'v\.fee', record 1 is 'x'"),
        (["null", "long", NUMBERS], [1, "x"], ColumnTypeError, r"'v\[\]', record 1 is 'x'"),
    ],
)
def test_what_fits_no_branch_is_named(branches, value, error, message):
    avro, _ = avro_of(*branches)
    fine = {"double": 1.0}.get(branches[0], 1 if "long" in branches else None)
    fine = ("string", "x") if "null" not in branches and "long" not in branches else fine
    with pytest.raises(error or Exception, match=message):
        avro.dumps([{"v": fine}, {"v": value}])


@pytest.mark.parametrize("mode", ["dense", "sparse"])
def test_arrow_unions_of_both_modes_are_made_and_read(mode):
    fields = [pa.field("n", pa.int64()), pa.field("t", pa.string())]
    union = pa.union(fields, mode=mode, type_codes=[5, 3])
    rows = [{"v": value} for value in [1, "x", None, 2, "y"]]
    table = to_table(rows, pa.schema([("v", union)]))
    table.validate(full=True)
    assert table["v"].to_pylist() == [1, "x", None, 2, "y"]
    assert to_dicts(table) == rows
    assert to_dicts(table.slice(1, 3)) == rows[1:4]


def test_a_union_in_a_dict_that_is_none():
    union = pa.dense_union([pa.field("n", pa.int64(), False), pa.field("t", pa.string(), False)])
    inner = pa.struct([pa.field("u", union, nullable=False)])
    rows = [{"s": {"u": 1}}, {"s": None}, {"s": {"u": "x"}}]
    table = to_table(rows, pa.schema([("s", inner)]))
    assert to_dicts(table) == rows
    with pytest.raises(InputError, match=r"'s\.u', record 1 is missing"):
        to_table([{"s": {"u": 1}}, {"s": {}}], pa.schema([("s", inner)]))


def test_times_in_a_union_become_texts_where_they_are_asked_for():
    union = pa.dense_union([pa.field("t", pa.timestamp("ms")), pa.field("n", pa.int64())])
    rows = [{"v": dt.datetime(2024, 2, 29, 1)}, {"v": 3}]
    table = to_table(rows, pa.schema([("v", union)]))
    assert to_dicts(table, times_as_text=True) == [{"v": "2024-02-29T01:00:00.000"}, {"v": 3}]
