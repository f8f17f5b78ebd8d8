"""Lists of dicts become columns, and columns lists of dicts: no value changes on the way."""

import datetime as dt
import decimal
import enum
import gc
import math
from collections import OrderedDict, UserDict
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import as_bits

from tidegate._kernels import objects
from tidegate.core import pyvalues
from tidegate.core.errors import (
    ColumnTypeError,
    InputError,
    SerializationError,
)
from tidegate.core.fields import column_of
from tidegate.core.formats.jsonlines import JsonLines
from tidegate.core.pyobjects import to_dicts
from tidegate.core.records import to_table

UTC = dt.timezone.utc  # noqa: UP017  # the object that the kernel knows
N_LONG = 30_000


def test_fields_come_in_order_of_first_appearance_and_missing_ones_are_null():
    records = [{"a": 1}, {}, {"b": "x", "a": None}, {"c": 1.5, "b": "y"}]
    table = to_table(records)
    assert table.column_names == ["a", "b", "c"]
    assert table.to_pydict() == {
        "a": [1, None, None, None],
        "b": [None, None, "x", "y"],
        "c": [None, None, None, 1.5],
    }
    table.validate(full=True)


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([1, None, -(2**63), 2**63 - 1], pa.int64()),
        ([1, 2**63], pa.uint64()),
        ([1, 2.5, None, math.nan], pa.float64()),
        ([2**53, 0.5], pa.float64()),
        ([1.5, np.float64(2)], pa.float64()),
        ([np.int32(1), 2], pa.int64()),
        ([True, None, False], pa.bool_()),
        (["", "ä\0€", None, "😀"], pa.string()),
        ([b"", b"\0\xff", None], pa.binary()),
        ([dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)], pa.timestamp("us")),
        ([dt.datetime(2024, 2, 29, 1, 2, 3, 4, UTC), None], pa.timestamp("us", "UTC")),
        ([dt.datetime(2024, 7, 1, tzinfo=ZoneInfo("Europe/Rome"))],
         pa.timestamp("us", "Europe/Rome")),
        ([dt.date(1, 1, 1), dt.date(1970, 1, 1), dt.date(2000, 2, 29)], pa.date32()),
        ([dt.timedelta(-1, 5, 7), dt.timedelta(days=100_000)], pa.duration("us")),
        ([dt.time(1, 2, 3)], pa.time64("us")),
        ([decimal.Decimal("1.50"), None], pa.decimal128(3, 2)),
        ([[1, 2], [], None, [None]], pa.list_(pa.int64())),
        ([[], None], pa.list_(pa.null())),
        ([(1.5, 2), [3]], pa.list_(pa.float64())),
        ([[["x"], []], [None]], pa.list_(pa.list_(pa.string()))),
        ([{"x": 1}, None, {"y": "s"}], pa.struct([("x", pa.int64()), ("y", pa.string())])),
        ([[{"x": decimal.Decimal("1.5")}], []],
         pa.list_(pa.struct([("x", pa.decimal128(2, 1))]))),
        ([np.array([1.5, 2.5]), None], pa.list_(pa.float64())),
        ([None, None], pa.null()),
    ],
)  # fmt: skip
def test_a_type_is_that_of_the_values(values, type_):
    table = to_table([{"v": value} for value in values])
    table.validate(full=True)
    assert table.schema.field("v").type == type_
    expected = pa.array(
        [v.tolist() if isinstance(v, np.ndarray) else v for v in values], type_
    ).to_pylist()
    assert list(map(as_bits, table["v"].to_pylist())) == list(map(as_bits, expected))


SCALARS = {
    "int": st.integers(-(2**63), 2**63 - 1),
    "small int or float": st.integers(-(2**53), 2**53) | st.floats(),
    "bool": st.booleans(),
    "text": st.text(),
    "bytes": st.binary(),
    "time": st.datetimes(),
    "utc": st.datetimes(timezones=st.just(UTC)),
    "date": st.dates(),
    "duration": st.timedeltas(dt.timedelta(-100_000), dt.timedelta(100_000)),
}
FIELDS = st.sampled_from([SCALARS[name] for name in SCALARS]).map(lambda s: s | st.none())
NESTED = st.recursive(
    FIELDS,
    lambda inner: (
        inner.map(lambda s: st.lists(s, max_size=3) | st.none())
        | st.dictionaries(st.text(max_size=2), inner, max_size=3).map(
            lambda fields: st.fixed_dictionaries({}, optional=fields) | st.none()
        )
    ),
    max_leaves=4,
)
RECORDS = st.dictionaries(st.text(max_size=3), NESTED, max_size=4).flatmap(
    lambda fields: st.lists(st.fixed_dictionaries({}, optional=fields), max_size=12)
)


def as_arrow_would(records):
    """Read records by Arrow, whose way is another: column by column."""
    names = list(dict.fromkeys(name for record in records for name in record))
    arrays = [pa.array([record.get(name) for record in records]) for name in names]
    return pa.Table.from_arrays(arrays, names=names)


@settings(max_examples=150)
@given(RECORDS)
def test_records_are_what_arrow_says_and_come_back(records):
    table = to_table(records)
    table.validate(full=True)
    expected = as_arrow_would(records)
    assert table.to_pydict().keys() == expected.to_pydict().keys()
    for name in table.column_names:
        theirs = expected[name].combine_chunks()
        if table[name].type == theirs.type:  # fields of structs: Arrow sorts some
            assert as_bits(table[name].to_pylist()) == as_bits(theirs.to_pylist())
    back = to_dicts(table)
    assert list(map(as_bits, back)) == list(map(as_bits, table.to_pylist()))


@settings(max_examples=100)
@given(RECORDS, st.integers(0, 5), st.integers(0, 9))
def test_a_slice_of_a_table_gives_the_same_dicts(records, start, length):
    table = to_table(records)
    cut = table.slice(start, length if table.num_columns else 0)  # of none, Arrow makes any number
    assert list(map(as_bits, to_dicts(cut))) == list(map(as_bits, cut.to_pylist()))
    assert to_dicts(to_table(to_dicts(table))) == to_dicts(table) or "nan" in str(records)


def test_long_lists_are_read_past_every_block():
    records = [
        {"i": i, "s": f"{i % 977}", "f": None if i % 7 == 0 else i / 3, "l": [i] * (i % 3)}
        for i in range(N_LONG)
    ]
    for i in range(0, N_LONG, 5):
        records[i] = dict(reversed(records[i].items()))  # another order
    for i in range(0, N_LONG, 11):
        del records[i]["s"]
    table = to_table(records)
    table.validate(full=True)
    assert table.to_pylist() == [
        {name: record.get(name) for name in table.column_names} for record in records
    ]
    assert to_dicts(table) == table.to_pylist()
    assert to_dicts(pa.concat_tables([table.slice(5, 9000), table.slice(1)])) == (
        table.to_pylist()[5:9005] + table.to_pylist()[1:]
    )


@pytest.mark.parametrize(
    ("records", "error", "message"),
    [
        ([{"a": 1}, {"a": "x"}], ColumnTypeError, "field 'a', record 1 is 'x' .str."),
        ([{"a": 1}, {"a": True}], ColumnTypeError, "field 'a', record 1 is True"),
        ([{"a": 1.5}, {"a": True}], ColumnTypeError, "field 'a', record 1 is True"),
        ([{"a": 2**53 + 1}, {"a": 1.5}], InputError, "field 'a', record 0 is 9007199254740993"),
        ([{"a": 1.5}, {"a": 2**53 + 1}], InputError, "field 'a', record 1 is 9007199254740993"),
        ([{"a": 1}, {"a": 2**64}], InputError, "field 'a', record 1 is 18446744073709551616"),
        ([{"a": "\ud800"}], InputError, "field 'a', record 0"),
        ([{"a": object()}], ColumnTypeError, "field 'a', record 0"),
        ([{"a": [1]}, {"a": [2, "x"]}], ColumnTypeError, r"field 'a\[\]', record 1 is 'x'"),
        ([{"a": [{"b": 1}, {"b": "x"}]}], ColumnTypeError, r"field 'a\[\].b', record 0 is 'x'"),
        ([{"a": dt.date(2024, 1, 1)}, {"a": dt.datetime(2024, 1, 1, 5)}], ColumnTypeError,
         "record 1"),
        ([{"a": dt.datetime(2024, 1, 1)}, {"a": dt.datetime(2024, 1, 1, tzinfo=UTC)}],
         ColumnTypeError, "without a time zone"),
        ([{}, {2: 1}], ColumnTypeError, "record 1: the field name 2 is not a string"),
        ([{"a": {3: 1}}], ColumnTypeError, "record 0, field 'a': a field name in it"),
        ([{}, [1]], ColumnTypeError, "record 1 is of type list; expected a dict"),
        ([None], ColumnTypeError, "record 0 is of type NoneType"),
    ],
)  # fmt: skip
def test_a_bad_record_is_named(records, error, message):
    with pytest.raises(error, match=message):
        to_table(records)


def test_nesting_without_end_is_an_error():
    endless = []
    endless.append(endless)
    with pytest.raises(InputError, match="record 1 is nested more than 64 levels"):
        to_table([{}, {"a": endless}])
    inside = {}
    inside["a"] = inside
    with pytest.raises(InputError, match="record 0 is nested more than 64 levels"):
        to_table([inside])


def test_fields_without_end_are_an_error_also_on_the_slow_way(monkeypatch):
    monkeypatch.setattr(pyvalues, "MAX_CELLS", 1000)
    records = [{"x": {f"a{i}": 2**63}} for i in range(40)]
    with pytest.raises(InputError, match="40 dicts of 40 different fields are more than 1,000"):
        to_table(records)
    assert to_table(records[:30]).num_rows == 30


def test_other_mappings_and_names_are_records_too():
    class Name(enum.StrEnum):
        TS = "ts"

    class Odd(str):
        """A name that is no plain str."""

        __slots__ = ()

    records = [{Name.TS: 1}, UserDict(ts=2, x=1), OrderedDict(ts=3), {Odd("ts"): 4}]
    assert to_table(records).to_pydict() == {"ts": [1, 2, 3, 4], "x": [None, 1, None, None]}
    assert to_table(tuple(records)).num_rows == 4
    assert to_table(type("Rows", (list,), {})(records)).num_rows == 4
    assert to_table([]).num_columns == 0


def test_the_numbers_of_a_table_without_columns_are_not_invented():
    assert to_dicts(pa.table({})) == []
    with pytest.raises(InputError, match="two columns are named 'a'"):
        to_dicts(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))


GIVEN = [
    (pa.int8(), [1, -128, None], [1.0, True, "x", 128]),
    (pa.uint64(), [2**64 - 1, 0], [-1, 2.0]),
    (pa.float32(), [1, 0.5], ["x", True]),
    (pa.float64(), [2**53, math.inf, None], [2**53 + 1, "1", True]),
    (pa.string(), ["a", None], [1, b"a"]),
    (pa.large_string(), ["a", "ä"], [1]),
    (pa.dictionary(pa.int8(), pa.string()), ["a", "b", "a", None], [1]),
    (pa.binary(2), [b"ab"], [b"abc", "ab"]),
    (pa.timestamp("ns"), [dt.datetime(2024, 1, 1)], [dt.datetime(9999, 1, 1), "x"]),
    (pa.timestamp("ns"), [5, None, -(2**63)], ["x"]),
    (pa.timestamp("s"), [dt.datetime(2024, 1, 1)], [dt.datetime(2024, 1, 1, 0, 0, 0, 1)]),
    (pa.timestamp("us"), [np.datetime64("2024-01-01T00:00", "us")],
     [dt.datetime(2024, 1, 1, tzinfo=UTC)]),
    (pa.timestamp("us", "UTC"), [dt.datetime(2024, 1, 1, tzinfo=UTC),
     dt.datetime(2024, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo"))], [dt.datetime(2024, 1, 1)]),
    (pa.date32(), [dt.date(2024, 1, 1)], [dt.datetime(2024, 1, 1), 3]),
    (pa.decimal128(5, 2), [decimal.Decimal("1.25"), 3], [decimal.Decimal("1.255"), 1.5]),
    (pa.time32("s"), [dt.time(1, 2, 3)], [5]),
    (pa.duration("ms"), [dt.timedelta(milliseconds=3)], [dt.timedelta(microseconds=3)]),
    (pa.list_(pa.int16()), [[1, None], [], None], [[70_000], 3, [1.5]]),
    (pa.list_(pa.uint64()), [[2**64 - 1], (1,), np.array([3]), None], [[-1], ["x"], [[1]], {}]),
    (pa.list_(pa.decimal128(3, 1), 2), [[1, decimal.Decimal("1.5")]], [[1], [1, 1.5]]),
    (pa.struct([("x", pa.list_(pa.decimal128(3, 1)))]), [{"x": [1, None]}, None, {}],
     [{"x": [1.5]}, {"x": 3}, [1]]),
    (pa.struct([("x", pa.int32()), ("y", pa.string())]), [{"x": 1}, {"y": "a", "z": 9}], [[1]]),
    (pa.map_(pa.string(), pa.int32()), [[("a", 1)], None], [5]),
    (pa.null(), [None], [1]),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "good", "bad"), GIVEN, ids=lambda v: str(v)[:30])
def test_a_given_type_takes_what_it_holds_and_refuses_the_rest(type_, good, bad):
    schema = pa.schema([("v", type_), ("w", pa.int64())])
    table = to_table([{"v": value, "other": 1} for value in good], schema)
    table.validate(full=True)
    assert table.schema == schema
    assert table["v"].to_pylist() == pa.array(good, type_).to_pylist()
    for value in bad:
        with pytest.raises((ColumnTypeError, InputError), match=r"field 'v.*', record 1 is"):
            to_table([{"v": None}, {"v": value}], schema)


def test_a_field_that_is_never_missing_is_asked_for():
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False)])
    assert to_table([{"a": 1}], schema).schema == schema
    with pytest.raises(InputError, match="field 'a', record 1 is missing"):
        to_table([{"a": 1}, {}], schema)
    inside = pa.struct([pa.field("x", pa.int64(), nullable=False)])
    schema = pa.schema([("a", inside), ("b", pa.list_(inside))])
    records = [{"a": None}, {"a": {"x": 1}, "b": [{"x": 2}]}]
    assert to_table(records, schema).to_pylist() == [{"a": None, "b": None}, records[1]]
    with pytest.raises(InputError, match=r"field 'a\.x', record 2 is missing"):
        to_table([*records, {"a": {}}], schema)
    with pytest.raises(InputError, match=r"field 'b\[\]\.x', record 2 is missing"):
        to_table([*records, {"b": [{}]}], schema)
    with pytest.raises(InputError, match="two fields of one name"):
        to_table([], pa.schema([("a", pa.int64()), ("a", pa.int64())]))


TYPES = [
    pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.bool_(), pa.large_string(),
    pa.large_binary(), pa.string_view(), pa.timestamp("s"), pa.timestamp("ms", "UTC"),
    pa.timestamp("us", "America/New_York"), pa.date32(), pa.date64(), pa.time64("us"),
    pa.duration("ms"), pa.decimal128(9, 2), pa.null(), pa.binary(3),
    pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int64(), pa.int64()),
    pa.large_list(pa.string()), pa.list_(pa.float64(), 2), pa.map_(pa.string(), pa.int64()),
    pa.struct([("a", pa.list_(pa.int32())), ("b", pa.bool_())]),
]  # fmt: skip


def some(type_):
    """Make some values of a type."""
    values = {
        "binary": b"abc", "string": "x", "bool": True, "float": 1.5, "list": [1.5, 2.5],
        "map": [("k", 1)], "struct": {"a": [1, None], "b": False}, "date": dt.date(2024, 2, 29),
        "duration": dt.timedelta(5), "time64": dt.time(4, 5), "decimal": decimal.Decimal("1.25"),
        "timestamp": dt.datetime(2024, 7, 1), "int": 7, "uint": 2**64 - 1,
    }  # fmt: skip
    text = str(type_).replace("large_", "").replace("half", "")
    if pa.types.is_dictionary(type_):
        return some(type_.value_type)
    if pa.types.is_null(type_):
        return None
    if "list<item: string>" in text:
        return ["a", None, "b"]
    return next(value for name, value in values.items() if text.replace("fixed_size_", "")
                .startswith(name))  # fmt: skip


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_every_type_comes_out_as_arrow_gives_it(type_):
    value = some(type_)
    array = pa.array([value, None, value, None, value] * 3, type_)
    table = pa.table({"v": array})
    for cut in (table, table.slice(1, 9), table.slice(3, 0), pa.table({"v": array[2:3]})):
        assert list(map(as_bits, to_dicts(cut))) == list(map(as_bits, cut.to_pylist()))


def test_nanoseconds_stay():
    times = pa.array([1, None], pa.timestamp("ns"))
    spans = pa.array([None, 3], pa.duration("ns"))
    assert to_dicts(pa.table({"t": times, "d": spans})) == [
        {"t": np.datetime64(1, "ns"), "d": None},
        {"t": None, "d": np.timedelta64(3, "ns")},
    ]


def test_a_damaged_column_is_no_crash():
    offsets = pa.py_buffer(np.array([0, 2**30, 5], np.int32))
    damaged = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"hello")])
    with pytest.raises(ValueError, match="row 0 is not within"):
        to_dicts(pa.table({"v": damaged}))


def test_a_time_that_python_lacks_is_an_error_as_arrow_has_it():
    far = pa.table({"t": pa.array([2**62], pa.timestamp("us"))})
    with pytest.raises((ValueError, OverflowError)):
        to_dicts(far)


def test_keys_that_change_the_records_while_they_are_compared_do_no_harm():
    class Evil(str):
        """A key that empties the list when it is compared."""

        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other):
            records.clear()
            return str.__eq__(self, other)

    records = [{"v": 1, "w": [1, 2]}, {Evil("v"): 2, Evil("w"): [3]}, {"v": 3}]
    to_table(records)
    records = [{"v": 1}, {Evil("v"): 2}, {"v": 3}]
    with pytest.raises(ValueError, match="became shorter"):
        column_of(records, "v")


@pytest.mark.parametrize("was_on", [True, False])
def test_the_garbage_collector_is_as_it_was(was_on):
    table = to_table([{"a": [1], "b": {"c": 2}}] * 3)
    lines = JsonLines().dumps(table)
    (gc.enable if was_on else gc.disable)()
    try:
        to_dicts(table)
        JsonLines().loads_records(lines)
        with pytest.raises(SerializationError):
            JsonLines().loads_records(b"{")
        with pytest.raises(ValueError, match="not within the items"):
            objects.lists([], np.array([0, 1], np.int32), None, 0)
        assert gc.isenabled() == was_on
    finally:
        gc.enable()
