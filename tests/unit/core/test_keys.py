"""Keys are numbered in order of first appearance, whatever their type and however they come."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import (
    ColumnNotFoundError,
    ColumnTypeError,
    InputError,
    LimitError,
    SnapshotError,
)
from tidegate.core.keys import Keys

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
NAN = float("nan")
BERLIN = ZoneInfo("Europe/Berlin")
UTC_TIME = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)

# Every type of key, with different keys; the last one is null.
TYPES: list[tuple[pa.DataType, list[Any]]] = [
    (pa.bool_(), [True, False, None]),
    (pa.int8(), [-128, 0, 127, None]),
    (pa.int16(), [-(2**15), 0, 2**15 - 1, None]),
    (pa.int32(), [-(2**31), 0, 2**31 - 1, None]),
    (pa.int64(), [INT64_MIN, -1, 0, INT64_MAX, None]),
    (pa.uint8(), [0, 255, None]),
    (pa.uint16(), [0, 2**16 - 1, None]),
    (pa.uint32(), [0, 2**32 - 1, None]),
    (pa.uint64(), [0, 2**63, 2**64 - 1, None]),
    (pa.float16(), [np.float16(0.5), np.float16(2), None]),
    (pa.float32(), [0.5, -1e30, float("inf"), None]),
    (pa.float64(), [0.1, 5e-324, float("-inf"), None]),
    (pa.string(), ["", "a", "ab", "ä" * 40, "a\0", None]),
    (pa.large_string(), ["", "a", "ab", None]),
    (pa.string_view(), ["", "a", "a string that is not kept inline", None]),
    (pa.binary(), [b"", b"\0", b"\0\0", None]),
    (pa.large_binary(), [b"", b"a", None]),
    (pa.binary_view(), [b"", b"a", b"bytes that are not kept inline", None]),
    (pa.binary(3), [b"abc", b"\0\0\0", b"abd", None]),
    (pa.date32(), [dt.date(1, 1, 1), dt.date(2024, 2, 29), None]),
    (pa.date64(), [dt.date(1970, 1, 1), dt.date(2024, 2, 29), None]),
    (pa.time32("ms"), [dt.time(0), dt.time(23, 59, 59, 999_000), None]),
    (pa.time64("us"), [dt.time(0), dt.time(23, 59, 59, 999_999), None]),
    (pa.timestamp("s"), [dt.datetime(1970, 1, 1), dt.datetime(2024, 1, 1), None]),
    (pa.timestamp("us", "Europe/Berlin"), [UTC_TIME, UTC_TIME + dt.timedelta(1), None]),
    (pa.timestamp("ns"), [np.datetime64(1, "ns"), np.datetime64(INT64_MAX, "ns"), None]),
    (pa.duration("ms"), [dt.timedelta(0), dt.timedelta(-1), None]),
    (pa.decimal32(5, 2), [Decimal("1.50"), Decimal("-0.01"), None]),
    (pa.decimal64(10, 2), [Decimal("1.50"), Decimal("-0.01"), None]),
    (pa.decimal128(20, 2), [Decimal("1.50"), Decimal("-0.01"), None]),
    (pa.decimal256(50, 2), [Decimal("1.50"), Decimal("-0.01"), None]),
    (pa.month_day_nano_interval(), [pa.MonthDayNano([1, 2, 3]), pa.MonthDayNano([0, 0, 3]), None]),
]
IDS = [str(kind) for kind, _ in TYPES]


def batch(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [c if isinstance(c, pa.Array) else pa.array(c) for c in columns.values()],
        names=list(columns),
    )


def keys_of(*names: str, max_keys: int = 1000) -> Keys:
    return Keys(names or ("k",), max_keys=max_keys)


def encoded(keys: Keys, **columns: Any) -> list[int]:
    codes = keys.encode(batch(**columns))
    assert codes.dtype == np.int32
    return codes.tolist()


def taken(keys: Keys) -> list[tuple[Any, ...]]:
    columns = keys.take(np.arange(keys.n_keys))
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


@pytest.mark.parametrize(("kind", "values"), TYPES, ids=IDS)
def test_every_type_is_numbered_in_order_of_first_appearance_and_comes_back(
    kind: pa.DataType, values: list[Any]
) -> None:
    array = pa.array(values, kind)
    order = [0, *range(len(values)), 0, *reversed(range(len(values)))]
    keys = keys_of()
    assert encoded(keys, k=array.slice(0, 0)) == []
    assert encoded(keys, k=pa.array([values[i] for i in order], kind)) == order
    assert encoded(keys, k=array.slice(1)) == list(range(1, len(values)))
    assert keys.types == [kind]
    assert keys.take(np.arange(len(values)))[0].equals(array)
    assert keys.take([])[0].equals(array.slice(0, 0))


@pytest.mark.parametrize(("kind", "values"), TYPES, ids=IDS)
def test_slices_of_any_offset_get_the_codes_of_their_values(
    kind: pa.DataType, values: list[Any]
) -> None:
    array = pa.array(values * 6, kind)
    keys = keys_of()
    whole = encoded(keys, k=array)
    for start in range(len(array)):
        part = array.slice(start, 9)
        assert encoded(keys, k=part) == whole[start : start + 9]
        fresh = keys_of()
        assert fresh.take(encoded(fresh, k=part))[0].equals(part)


@pytest.mark.parametrize(("kind", "values"), TYPES, ids=IDS)
def test_dictionaries_have_the_keys_of_their_values(kind: pa.DataType, values: list[Any]) -> None:
    entries = pa.array([*values, values[0]], kind)  # with a value twice, and null in it
    last = len(values)
    for index in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32()):
        indices = pa.array([last, 1, None, 0, last - 1], index)
        keys = keys_of()
        assert encoded(keys, k=pa.DictionaryArray.from_arrays(indices, entries)) == [0, 1, 2, 0, 2]
        assert keys.types == [kind]
        assert keys.take([0, 1, 2])[0].equals(pa.array([values[0], values[1], None], kind))
        assert encoded(keys, k=pa.array(values[:2], kind)) == [0, 1]


@pytest.mark.parametrize(("kind", "values"), TYPES, ids=IDS)
def test_python_values_get_the_codes_of_arrow_values(kind: pa.DataType, values: list[Any]) -> None:
    by_batch, by_value = keys_of(), keys_of()
    by_value.bind(pa.schema([("k", kind)]))
    expected = encoded(by_batch, k=pa.array(values, kind))
    for _ in range(2):
        assert [by_batch.code((value,)) for value in values] == expected
        assert [by_value.code((value,)) for value in values] == expected
    assert by_value.dump().equals(by_batch.dump())


@pytest.mark.parametrize(("kind", "values"), TYPES, ids=IDS)
def test_a_dump_gives_the_same_codes_again(kind: pa.DataType, values: list[Any]) -> None:
    keys = keys_of("k", "n")
    encoded(keys, k=pa.array(values + values, kind), n=[1] * len(values) + [None] * len(values))
    again = Keys.load(keys.dump(), ["k", "n"], 1000)
    assert again.types == keys.types
    assert again.dump().equals(keys.dump())
    assert (
        encoded(again, k=pa.array(values[::-1], kind), n=[1] * len(values))
        == list(range(len(values)))[::-1]
    )


def test_a_column_of_nulls_is_one_key() -> None:
    keys = keys_of()
    assert encoded(keys, k=pa.nulls(3)) == [0, 0, 0]
    assert keys.code((None,)) == 0
    assert keys.take([0, 0])[0].equals(pa.nulls(2))


def test_nan_equals_nan_whatever_its_bits_and_minus_zero_equals_zero() -> None:
    other_nan = np.array([0x7FF8000000000123, 0xFFF8000000000000], np.uint64).view(np.float64)
    for kind in (np.float64, np.float32):
        keys = keys_of()
        values = np.array([NAN, 0.0, -0.0, *other_nan], kind)
        assert encoded(keys, k=pa.array(values)) == [0, 1, 1, 0, 0]
        assert encoded(keys, k=pa.array([None, NAN], pa.from_numpy_dtype(kind))) == [2, 0]
        assert keys.code((NAN,)) == 0
        assert keys.code((-0.0,)) == 1
        assert keys.code((float("nan"),)) == 0
        assert keys.n_keys == 3


def test_several_columns_are_one_key() -> None:
    keys = keys_of("a", "b", "c")
    rows = [("x", 1, None), ("x", None, 1.5), (None, 1, None), ("x", 1, None), ("x", None, NAN)]
    a, b, c = zip(*rows, strict=True)
    assert encoded(keys, a=a, b=pa.array(b, pa.int16()), c=pa.array(c)) == [0, 1, 2, 0, 3]
    assert taken(keys)[:3] == rows[:3]
    assert [column.type for column in keys.take([0])] == keys.types
    assert [keys.code(row) for row in rows] == [0, 1, 2, 0, 3]
    assert keys.code((None, None, None)) == 4


def test_the_order_of_the_columns_in_a_batch_does_not_matter() -> None:
    keys = keys_of("a", "b")
    assert encoded(keys, x=[0, 0], a=["x", "y"], b=[1, 2]) == [0, 1]
    assert encoded(keys, b=[2, 1], a=["y", "x"]) == [1, 0]


def test_many_keys_of_two_columns_outgrow_every_table() -> None:
    keys = keys_of("a", "b", max_keys=10**6)
    n = 300
    a, b = np.divmod(np.arange(n * n), n)
    assert encoded(keys, a=a, b=b) == list(range(n * n))
    for size in (1, 7, 1000):  # the second column grows while the first one does not
        more = keys_of("a", "b", max_keys=10**6)
        got = [
            code
            for at in range(0, n * n, size * n)
            for code in encoded(more, a=b[at : at + size * n], b=a[at : at + size * n])
        ]
        assert got == list(range(n * n))
    left, right = keys.take(np.arange(n * n)[::-1])
    assert left.equals(pa.array(a[::-1]))
    assert right.equals(pa.array(b[::-1]))


def test_entries_of_a_dictionary_that_are_in_no_row_are_no_keys() -> None:
    keys = keys_of(max_keys=2)
    entries = pa.array(["unused", "b", "a"])
    assert encoded(keys, k=pa.DictionaryArray.from_arrays([2, 1, 2], entries)) == [0, 1, 0]
    assert taken(keys) == [("a",), ("b",)]


def test_batches_that_share_a_dictionary_and_those_that_do_not_agree() -> None:
    keys = keys_of()
    entries = pa.array(["a", "b", "c"])
    whole = pa.DictionaryArray.from_arrays([0, 1, 0, 2, 1], entries)
    assert [encoded(keys, k=whole.slice(at, 1))[0] for at in range(5)] == [0, 1, 0, 2, 1]
    other = pa.DictionaryArray.from_arrays([0, 1, 2], pa.array(["c", "b", "new"]))
    assert encoded(keys, k=other) == [2, 1, 3]
    assert encoded(keys, k=whole) == [0, 1, 0, 2, 1]
    assert encoded(keys, k=["new", "a"]) == [3, 0]


def test_a_dictionary_freed_and_another_at_its_address_are_not_mixed_up() -> None:
    keys = keys_of()
    for i in range(200):
        words = [f"{i}a", f"{i}b"]
        assert encoded(keys, k=pa.array(words).dictionary_encode()) == [2 * i, 2 * i + 1]


def test_other_encodings_have_the_keys_of_their_values() -> None:
    keys = keys_of()
    runs = pa.RunEndEncodedArray.from_arrays([2, 3, 5], ["a", None, "b"])
    assert encoded(keys, k=runs) == [0, 0, 1, 2, 2]
    assert encoded(keys, k=runs.slice(1, 3)) == [0, 1, 2]
    flags = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None, 1], pa.int8()))
    assert encoded(keys_of(), k=flags) == [0, 1, 2, 0]


def test_polars_columns_are_keys() -> None:
    frame = pl.DataFrame({"k": ["b", "a", None, "b"]})
    text = pa.table(frame).to_batches()[0]
    category = pa.table(frame.cast(pl.Categorical)).to_batches()[0]
    keys = keys_of()
    assert keys.encode(text).tolist() == [0, 1, 2, 0]
    assert keys.encode(category).tolist() == [0, 1, 2, 0]


def test_misaligned_buffers_are_read() -> None:
    shifted = pa.py_buffer(b"\0" + np.array([5, 6, 5]).tobytes()).slice(1)
    numbers = pa.Array.from_buffers(pa.int64(), 3, [None, shifted])
    assert encoded(keys_of(), k=numbers) == [0, 1, 0]
    offsets = pa.py_buffer(b"\0" + np.array([0, 1, 2], np.int32).tobytes()).slice(1)
    text = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"ab")])
    assert encoded(keys_of(), k=text) == [0, 1]


def test_damaged_arrays_are_a_named_error_and_no_crash() -> None:
    offsets = pa.py_buffer(np.array([0, 2**30, 2], np.int32))
    text = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"ab")])
    keys = keys_of()
    with pytest.raises(InputError, match="column 'k', row 0: the offsets"):
        keys.encode(batch(k=text))
    assert keys.n_keys == 0
    for index in (7, -1):
        indices = pa.array([0, index], pa.int32())
        damaged = pa.DictionaryArray.from_arrays(indices, pa.array(["a"]), safe=False)
        with pytest.raises(InputError, match=f"row 1: there is no entry {index} in a dictionary"):
            keys.encode(batch(k=damaged))
    assert keys.n_keys == 0
    assert encoded(keys, k=pa.array(["a"]).dictionary_encode()) == [0]


@pytest.mark.parametrize(
    ("first", "more", "message"),
    [
        ([1, 2, 1], [2, 3, 4], r"row 1 has the key \(3\), one more than max_keys = 2"),
        (["a", "b"], ["a", None, "c"], r"row 1 has the key \(None\)"),
        (["a", "b"], ["a", "x" * 10**5, "c"], r"row 1 has the key \('xxx"),
        ([1.5, NAN], [1.5, 0.0, None], r"row 1 has the key \(0.0\)"),
    ],
)
def test_a_batch_with_too_many_keys_leaves_nothing_behind(
    first: list[Any], more: list[Any], message: str
) -> None:
    for make in (pa.array, lambda values: pa.array(values).dictionary_encode()):
        keys = keys_of(max_keys=2)
        codes = encoded(keys, k=make(first))
        before = repr(taken(keys))  # repr, since NaN differs from NaN
        for _ in range(3):
            with pytest.raises(LimitError, match=message):
                keys.encode(batch(k=make(more)))
            assert repr(taken(keys)) == before
            assert encoded(keys, k=make(first)) == codes


def test_too_many_keys_of_several_columns_leave_nothing_behind() -> None:
    keys = keys_of("a", "b", max_keys=3)
    assert encoded(keys, a=[1, 1], b=["x", "y"]) == [0, 1]
    with pytest.raises(LimitError, match=r"row 2 has the key \(1, 'z'\).*'a', 'b'"):
        keys.encode(batch(a=[2, 1, 1], b=["x", "y", "z"]))
    assert taken(keys) == [(1, "x"), (1, "y")]
    assert encoded(keys, a=[3, 1], b=["w", "x"]) == [2, 0]
    with pytest.raises(LimitError):
        keys.code((9, "v"))
    assert keys.code((3, "w")) == 2
    assert keys.n_keys == 3


def test_a_failure_in_a_later_column_leaves_nothing_behind() -> None:
    keys = keys_of("a", "b")
    damaged = pa.DictionaryArray.from_arrays(pa.array([0, 9]), pa.array(["x"]), safe=False)
    keys.bind(batch(a=[1], b=["x"]).schema)
    with pytest.raises(InputError, match="column 'b', row 1"):
        keys.encode(batch(a=[1, 2], b=damaged))
    assert keys.n_keys == 0
    assert encoded(keys, a=[2, 1], b=["y", "x"]) == [0, 1]


def test_rollback_goes_back_to_a_mark() -> None:
    keys = keys_of("a", "b")
    start = keys.mark()
    encoded(keys, a=[1, 2], b=["x", "y"])
    middle = keys.mark()
    encoded(keys, a=[3, None], b=[None, "z"])
    assert keys.code((3, None)) == 2
    keys.rollback(middle)
    assert taken(keys) == [(1, "x"), (2, "y")]
    assert keys.code((4, None)) == 2
    keys.rollback(start)
    assert keys.n_keys == 0
    assert keys.code((3, None)) == 0


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.int64()), pa.struct([("a", pa.int64())]), pa.map_(pa.string(), pa.int64())],
)
def test_nested_types_cannot_be_keys(kind: pa.DataType) -> None:
    with pytest.raises(ColumnTypeError, match=r"column 'k' is .* cannot be a key"):
        keys_of().bind(pa.schema([("k", kind)]))


def test_later_batches_must_have_the_types_of_the_first() -> None:
    keys = keys_of()
    keys.bind(pa.schema([("k", pa.dictionary(pa.int8(), pa.string()))]))
    keys.bind(pa.schema([("x", pa.int8()), ("k", pa.string())]))
    for other in (pa.large_string(), pa.int64(), pa.dictionary(pa.int8(), pa.int64())):
        with pytest.raises(ColumnTypeError, match=r"key column 'k' is .* but it was string"):
            keys.bind(pa.schema([("k", other)]))
    with pytest.raises(ColumnTypeError, match="but it was string"):
        keys.encode(batch(k=[1]))
    with pytest.raises(ColumnNotFoundError, match="no column 'k'"):
        keys.encode(batch(x=[1]))
    with pytest.raises(ColumnTypeError, match="2 times"):
        keys.bind(pa.schema([("k", pa.string()), ("k", pa.string())]))


def test_names_and_limits_are_checked() -> None:
    for names in ([], ["a", "a"]):
        with pytest.raises(InputError, match="key columns"):
            Keys(names, max_keys=1)
    for max_keys in (0, -1, 2**31):
        with pytest.raises(InputError, match="max_keys"):
            Keys(["a"], max_keys=max_keys)


@pytest.mark.parametrize(
    ("kind", "value", "error"),
    [
        (pa.int64(), "1", ColumnTypeError),
        (pa.int64(), 1.5, InputError),
        (pa.int64(), 2**63, InputError),
        (pa.int64(), NAN, InputError),
        (pa.int64(), [1], ColumnTypeError),
        (pa.int64(), {1: 2}, ColumnTypeError),
        (pa.int8(), 128, InputError),
        (pa.uint8(), -1, InputError),
        (pa.uint64(), -1, InputError),
        (pa.float64(), "1.5", ColumnTypeError),
        (pa.float64(), 2**53 + 1, InputError),
        (pa.bool_(), 2, InputError),
        (pa.bool_(), "True", ColumnTypeError),
        (pa.string(), 1, ColumnTypeError),
        (pa.string(), b"a", ColumnTypeError),
        (pa.string(), "\ud800", InputError),
        (pa.binary(), "a", ColumnTypeError),
        (pa.binary(3), b"ab", InputError),
        (pa.date32(), dt.datetime(2024, 1, 1), ColumnTypeError),
        (pa.timestamp("us"), dt.date(2024, 1, 1), ColumnTypeError),
        (pa.timestamp("us"), UTC_TIME, ColumnTypeError),
        (pa.timestamp("us", "UTC"), dt.datetime(2024, 1, 1), ColumnTypeError),
        (pa.timestamp("s"), dt.datetime(2024, 1, 1, 0, 0, 0, 1), InputError),
        (pa.timestamp("ns"), dt.datetime(1, 1, 1), InputError),
        (pa.timestamp("us"), 5, ColumnTypeError),
        (pa.decimal128(5, 2), Decimal("1.555"), InputError),
        (pa.decimal128(5, 2), 0.1, InputError),
        (pa.decimal128(5, 2), "1.5", ColumnTypeError),
        (pa.null(), 1, ColumnTypeError),
    ],
)
def test_a_python_value_that_is_no_key_of_its_column_is_an_error(
    kind: pa.DataType, value: Any, error: type[Exception]
) -> None:
    keys = keys_of()
    keys.bind(pa.schema([("k", kind)]))
    with pytest.raises(error, match="'k'"):
        keys.code((value,))
    assert keys.n_keys == 0


def test_an_integer_too_long_to_be_printed_is_an_error_like_others() -> None:
    keys = keys_of()
    keys.bind(pa.schema([("k", pa.int64())]))
    with pytest.raises(InputError, match="cannot hold a huge int"):
        keys.code((10**5000,))


@pytest.mark.parametrize(
    ("kind", "same"),
    [
        (pa.int64(), [1, 1.0, True, np.int8(1), np.float32(1), Decimal(1)]),
        (pa.float64(), [1.0, 1, True, np.uint64(1)]),
        (pa.bool_(), [True, 1, np.bool_(True)]),
        (pa.decimal128(5, 2), [Decimal("1.5"), Decimal("1.50"), 1.5]),
        (pa.string(), ["a", np.str_("a")]),
        (pa.binary(), [b"a", bytearray(b"a"), np.bytes_(b"a")]),
        (
            pa.timestamp("us", "Asia/Tokyo"),
            [UTC_TIME, UTC_TIME.astimezone(BERLIN), np.datetime64("2024-01-01T12", "h")],
        ),
        (pa.float32(), [0.1, np.float32(0.1)]),
    ],
)
def test_equal_python_values_are_one_key_in_whatever_order_they_come(
    kind: pa.DataType, same: list[Any]
) -> None:
    for values in (same, same[::-1]):
        keys = keys_of()
        keys.bind(pa.schema([("k", kind)]))
        assert [keys.code((value,)) for value in values * 2] == [0] * 2 * len(values)


def test_both_hours_of_a_clock_that_goes_back_are_keys_of_their_own() -> None:
    keys = keys_of()
    keys.bind(pa.schema([("k", pa.timestamp("us", "Europe/Berlin"))]))
    first = dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN)
    assert first == first.replace(fold=1)
    assert [keys.code((t,)) for t in (first, first.replace(fold=1), first)] == [0, 1, 0]


def test_a_key_has_a_value_for_each_column_and_known_types() -> None:
    keys = keys_of("a", "b")
    with pytest.raises(InputError, match="not known yet"):
        keys.code((1, 2))
    encoded(keys, a=[1], b=[2])
    for key in ((), (1,), (1, 2, 10**5000)):
        with pytest.raises(InputError, match="expected 2"):
            keys.code(key)


def test_the_memory_of_codes_of_python_values_is_bounded() -> None:
    keys = keys_of()
    keys.bind(pa.schema([("k", pa.float32())]))
    for i in range(5000):  # all of them round to one float32
        assert keys.code((0.1 + i * 1e-15,)) == 0
    assert len(keys.known) < 2000


def test_keys_that_know_no_types_can_be_dumped() -> None:
    keys = Keys.load(keys_of("a", "b").dump(), ["a", "b"], 10)
    assert keys.n_keys == 0
    assert keys.types == []
    assert encoded(keys, a=[1], b=["x"]) == [0]


BAD_DUMPS = {
    "other names": pa.table({"a": [1]}),
    "another order": pa.table({"b": [1], "a": [1]}),
    "a column more": pa.table({"a": [1], "b": [1], "c": [1]}),
    "the same key twice": pa.table({"a": [1, 1], "b": [1, 1]}),
    "nan twice": pa.table({"a": [1, 1], "b": [NAN, -NAN]}),
    "null twice": pa.table({"a": [1, 1], "b": [None, None]}),
    "nested": pa.table({"a": [1], "b": [[1]]}),
    "a dictionary": pa.table({"a": [1], "b": pa.array(["x"]).dictionary_encode()}),
    "too many": pa.table({"a": [1, 2, 3, 4], "b": [1, 2, 3, 4]}),
    "bad offsets": pa.table(
        {
            "a": [1, 2],
            "b": pa.Array.from_buffers(
                pa.string(), 2, [None, pa.py_buffer(np.array([0, 9, 1], "i4")), pa.py_buffer(b"x")]
            ),
        }
    ),
    "bad text": pa.table(
        {
            "a": [1],
            "b": pa.Array.from_buffers(
                pa.string(), 1, [None, pa.py_buffer(np.array([0, 1], "i4")), pa.py_buffer(b"\xff")]
            ),
        }
    ),
}


@pytest.mark.parametrize("name", BAD_DUMPS)
def test_a_bad_dump_is_a_snapshot_error(name: str) -> None:
    with pytest.raises(SnapshotError):
        Keys.load(BAD_DUMPS[name], ["a", "b"], 3)


def test_a_dump_in_any_chunks_is_the_same() -> None:
    keys = keys_of()
    encoded(keys, k=["c", "a", None, "b"])
    table = pa.concat_tables([keys.dump().slice(0, 1), keys.dump().slice(1)])
    assert Keys.load(table, ["k"], 4).dump().equals(keys.dump())


COLUMNS = st.sampled_from(
    [
        (pa.int64(), st.none() | st.integers(-3, 3) | st.integers(INT64_MIN, INT64_MAX)),
        (pa.int8(), st.none() | st.integers(-128, 127)),
        (pa.float64(), st.none() | st.sampled_from([0.0, -0.0, NAN, -NAN, 1.5, float("inf")])),
        (pa.string(), st.none() | st.text("ab", max_size=2) | st.text(max_size=20)),
        (pa.string_view(), st.none() | st.text("ab", max_size=2) | st.text(max_size=20)),
        (pa.bool_(), st.none() | st.booleans()),
        (pa.decimal128(3, 1), st.none() | st.sampled_from([Decimal("1.5"), Decimal(0)])),
    ]
)


@st.composite
def key_columns(draw: st.DrawFn) -> list[pa.Array[Any]]:
    n_rows = draw(st.integers(0, 30))
    arrays = []
    for kind, values in draw(st.lists(COLUMNS, min_size=1, max_size=3)):
        array = pa.array(draw(st.lists(values, min_size=n_rows, max_size=n_rows)), kind)
        encode = draw(st.booleans()) and kind != pa.string_view()
        arrays.append(array.dictionary_encode() if encode else array)
    return arrays


def canonical(value: Any) -> Any:
    """What equals another value exactly if both are the same key."""
    if isinstance(value, float) and value != value:
        return "NaN"
    return value


@given(key_columns(), st.lists(st.integers(0, 30), max_size=4), st.integers(0, 2))
def test_any_columns_cut_anywhere_get_the_codes_of_a_dict(
    arrays: list[pa.Array[Any]], cuts: list[int], mode: int
) -> None:
    rows = list(zip(*(array.to_pylist() for array in arrays), strict=True))
    seen: dict[Any, int] = {}
    expected = [seen.setdefault(tuple(map(canonical, row)), len(seen)) for row in rows]
    names = [f"k{i}" for i in range(len(arrays))]
    keys = Keys(names, max_keys=100)
    whole = pa.RecordBatch.from_arrays(arrays, names=names)
    keys.bind(whole.schema)
    edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    got: list[int] = []
    for i, (start, stop) in enumerate(pairwise(edges)):
        if mode == 0 or (mode == 1 and i % 2):
            got += keys.encode(whole.slice(start, stop - start)).tolist()
        else:
            got += [keys.code(row) for row in rows[start:stop]]
    assert got == expected
    back = zip(*(column.to_pylist() for column in keys.take(got)), strict=True)
    assert [tuple(map(canonical, row)) for row in back] == [tuple(map(canonical, r)) for r in rows]
    again = Keys.load(keys.dump(), names, 100)
    assert again.encode(whole).tolist() == expected
