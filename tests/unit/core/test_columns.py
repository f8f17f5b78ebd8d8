"""Columns become 64-bit arrays and come back as what they were."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.columns import as_array, buffer_view, plain, time_column, value_column
from tidegate.core.columntypes import column_index, plain_type, time_type, value_type
from tidegate.core.errors import ColumnNotFoundError, ColumnTypeError, InputError

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)

VALUES: list[tuple[pa.DataType, str, list[Any]]] = [
    (pa.int8(), "int64", [-128, 127, None]),
    (pa.int16(), "int64", [-(2**15), 2**15 - 1, None]),
    (pa.int32(), "int64", [-(2**31), 2**31 - 1, None]),
    (pa.int64(), "int64", [INT64_MIN, INT64_MAX, None]),
    (pa.uint8(), "uint64", [0, 255, None]),
    (pa.uint16(), "uint64", [0, 2**16 - 1, None]),
    (pa.uint32(), "uint64", [0, 2**32 - 1, None]),
    (pa.uint64(), "uint64", [0, 2**64 - 1, None]),
    (pa.float16(), "float64", [np.float16(-0.5), np.float16(float("inf")), None]),
    (pa.float32(), "float64", [0.1, float("-inf"), None]),
    (pa.float64(), "float64", [0.1, -0.0, None]),
    (pa.bool_(), "int64", [True, False, None]),
    (pa.timestamp("ns"), "int64", [np.datetime64(INT64_MAX, "ns"), np.datetime64(1, "ns"), None]),
    (pa.timestamp("us", "Europe/Berlin"), "int64", [dt.datetime(2024, 1, 1, tzinfo=dt.UTC), None]),
    (pa.duration("ms"), "int64", [dt.timedelta(milliseconds=5), None]),
    (pa.date32(), "int64", [dt.date(1, 1, 1), dt.date(9999, 12, 31), None]),
    (pa.date64(), "int64", [dt.date(2024, 1, 1), None]),
    (pa.time32("s"), "int64", [dt.time(23, 59, 59), None]),
    (pa.time64("us"), "int64", [dt.time(23, 59, 59, 999_999), None]),
]


def batch_of(values: pa.Array[Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([values], names=["x"])


def misaligned(values: pa.Array[Any]) -> pa.Array[Any]:
    """The same array in memory that starts at an odd address."""
    buffers: list[Any] = values.buffers()
    shifted = pa.py_buffer(b"\0" + buffers[1].to_pybytes())
    return pa.Array.from_buffers(
        values.type, len(values), [buffers[0], shifted.slice(1)], -1, values.offset
    )


@pytest.mark.parametrize(("kind", "wide", "values"), VALUES, ids=[str(v[0]) for v in VALUES])
def test_values_are_widened_to_64_bits_and_come_back(
    kind: pa.DataType, wide: str, values: list[Any]
) -> None:
    for repeat in (0, 1, 5):
        array = pa.array(values * repeat, kind)
        column = value_column(batch_of(array), "x")
        assert column.values.dtype == wide
        assert column.values.flags.aligned
        assert column.values.flags.c_contiguous
        assert column.values.dtype.isnative
        assert value_type(batch_of(array).schema, "x") == kind
        assert as_array(column.values, column.valid, kind).equals(array)


@pytest.mark.parametrize(("kind", "wide", "values"), VALUES, ids=[str(v[0]) for v in VALUES])
def test_slices_of_any_offset_say_what_the_whole_says(
    kind: pa.DataType, wide: str, values: list[Any]
) -> None:
    array = pa.array(values * 7, kind)
    for start in range(len(array)):
        for stop in {start, start + 1, start + 9, len(array)}:
            part = array.slice(start, stop - start)
            column = value_column(batch_of(part), "x")
            assert column.values.dtype == wide
            assert as_array(column.values, column.valid, kind).equals(part)


@pytest.mark.parametrize(("kind", "wide", "values"), VALUES, ids=[str(v[0]) for v in VALUES])
def test_misaligned_buffers_are_copied(kind: pa.DataType, wide: str, values: list[Any]) -> None:
    array = misaligned(pa.array(values * 3, kind))
    column = value_column(batch_of(array.slice(1)), "x")
    assert column.values.dtype == wide
    assert column.values.flags.aligned
    assert as_array(column.values, column.valid, kind).equals(pa.array(values * 3, kind).slice(1))


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64(), pa.float64(), pa.timestamp("ns")])
def test_64_bit_columns_are_viewed_both_ways(kind: pa.DataType) -> None:
    array = pa.array([1, 2, 3, 4], pa.int64()).cast(kind).slice(1)
    column = value_column(batch_of(array), "x")
    buffer: Any = array.buffers()[1]
    assert column.valid is None
    assert column.values.ctypes.data == buffer.address + 8
    back: Any = as_array(column.values, None, kind).buffers()[1]
    assert back.address == column.values.ctypes.data


def test_a_slice_without_nulls_of_a_column_with_nulls_has_no_validity() -> None:
    assert value_column(batch_of(pa.array([None, 1, 2])).slice(1), "x").valid is None
    valid = value_column(batch_of(pa.array([None, 1, 2])), "x").valid
    assert valid is not None
    assert valid.tolist() == [0, 1, 1]


def test_a_column_of_nulls_is_float64_and_all_missing() -> None:
    column = value_column(batch_of(pa.nulls(3)), "x")
    assert column.values.dtype == np.float64
    assert column.valid is not None
    assert column.valid.tolist() == [0, 0, 0]
    assert value_type(batch_of(pa.nulls(3)).schema, "x") == pa.null()
    assert as_array(column.values, column.valid, pa.null()).equals(pa.nulls(3))


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1.5, None, 2.5, 1.5]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 0]), pa.array([1.5, None, 2.5])),
        pa.RunEndEncodedArray.from_arrays([1, 2, 3, 4], [1.5, None, 2.5, 1.5]),
    ],
)
def test_encoded_numbers_are_decoded(array: pa.Array[Any]) -> None:
    for start in range(4):
        column = value_column(batch_of(array.slice(start)), "x")
        back = as_array(column.values, column.valid, value_type(batch_of(array).schema, "x"))
        assert back.to_pylist() == [1.5, None, 2.5, 1.5][start:]


def test_extension_types_are_their_storage() -> None:
    array = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8()))
    assert plain_type(array.type) == pa.int8()
    assert plain(array).to_pylist() == [1, 0, None]
    assert value_column(batch_of(array), "x").values[:2].tolist() == [1, 0]


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["1"]),
        pa.array([b"1"]),
        pa.array([[1]]),
        pa.array([{"a": 1}]),
        pa.array(["1"]).dictionary_encode(),
    ],
)
def test_what_cannot_be_computed_with_is_a_type_error_that_names_the_column(
    array: pa.Array[Any],
) -> None:
    for read in (value_column, time_column):
        with pytest.raises(ColumnTypeError, match="column 'x' is"):
            read(batch_of(array), "x")


def test_a_decimal_says_how_to_use_it() -> None:
    with pytest.raises(ColumnTypeError, match="float64"):
        value_column(batch_of(pa.array([Decimal("1.5")])), "x")


def test_an_unknown_column_names_those_that_there_are() -> None:
    schema = pa.schema([("ts", pa.int64()), ("price", pa.float64())])
    for read in (value_type, time_type, column_index):
        with pytest.raises(ColumnNotFoundError, match=r"'prise'.*'ts', 'price'"):
            read(schema, "prise")
    with pytest.raises(ColumnNotFoundError, match="the columns are none"):
        column_index(pa.schema([]), "")


def test_a_column_that_is_there_twice_is_an_error_only_if_asked_for() -> None:
    batch = pa.RecordBatch.from_arrays([[1], [2], [3]], names=["a", "a", "b"])
    assert value_column(batch, "b").values.tolist() == [3]
    with pytest.raises(ColumnTypeError, match="'a' is there 2 times"):
        value_column(batch, "a")


@pytest.mark.parametrize(
    ("array", "kind", "times"),
    [
        (pa.array([5], pa.timestamp("s")), pa.timestamp("s"), [5]),
        (pa.array([5], pa.timestamp("ns", "Asia/Tokyo")), pa.timestamp("ns", "Asia/Tokyo"), [5]),
        (pa.array([-1], pa.int8()), pa.int64(), [-1]),
        (pa.array([2**32 - 1], pa.uint32()), pa.int64(), [2**32 - 1]),
        (pa.array([INT64_MAX], pa.uint64()), pa.int64(), [INT64_MAX]),
        (pa.array([0.1], pa.float32()), pa.float64(), [float(np.float32(0.1))]),
        (pa.array([1.5]), pa.float64(), [1.5]),
        (pa.array([dt.date(1969, 12, 31)]), pa.timestamp("s"), [-86_400]),
        (pa.array([dt.date(1970, 1, 2)], pa.date64()), pa.timestamp("ms"), [86_400_000]),
        (pa.array([dt.date(1970, 1, 2)]).dictionary_encode(), pa.timestamp("s"), [86_400]),
        (pa.array([7]).dictionary_encode(), pa.int64(), [7]),
    ],
)
def test_times_are_integers_in_their_own_unit(
    array: pa.Array[Any], kind: pa.DataType, times: list[Any]
) -> None:
    batch = batch_of(array)
    assert time_type(batch.schema, "x") == kind
    column = time_column(batch, "x")
    assert column.values.dtype == (np.float64 if kind == pa.float64() else np.int64)
    assert column.values.tolist() == times
    assert column.valid is None
    assert as_array(column.values, None, kind).type == kind


def test_a_null_time_is_not_valid_and_nan_stays() -> None:
    column = time_column(batch_of(pa.array([1.5, None, float("nan")])), "x")
    assert column.valid is not None
    assert column.valid.tolist() == [1, 0, 1]
    assert np.isnan(column.values[2])


def test_a_time_column_without_any_value_is_taken_for_timestamps() -> None:
    batch = batch_of(pa.nulls(2))
    assert time_type(batch.schema, "x") == pa.timestamp("us")
    column = time_column(batch, "x")
    assert column.values.dtype == np.int64
    assert column.valid is not None
    assert column.valid.tolist() == [0, 0]


def test_an_unsigned_time_that_int64_cannot_hold_names_its_row() -> None:
    with pytest.raises(InputError, match=f"column 'x', row 2 is {2**63}"):
        time_column(batch_of(pa.array([1, None, 2**63], pa.uint64())), "x")
    hidden = pa.Array.from_buffers(pa.uint64(), 1, [pa.py_buffer(b"\0"), pa.py_buffer(b"\xff" * 8)])
    assert time_column(batch_of(hidden), "x").valid is not None


@pytest.mark.parametrize("kind", [pa.bool_(), pa.time64("us"), pa.duration("s"), pa.string()])
def test_other_types_cannot_be_a_time(kind: pa.DataType) -> None:
    with pytest.raises(ColumnTypeError, match="cannot be a time"):
        time_type(pa.schema([("x", kind)]), "x")


def test_a_value_that_does_not_fit_its_type_is_an_error_unless_it_is_null() -> None:
    with pytest.raises(InputError, match=r"300 \(row 1\) does not fit int8"):
        as_array(np.array([1, 300]), None, pa.int8())
    null = as_array(np.array([1, 300]), np.array([1, 0], np.uint8), pa.int8())
    assert null.to_pylist() == [1, None]


def test_values_of_another_kind_than_the_type_are_an_error() -> None:
    with pytest.raises(ColumnTypeError, match="float64 values cannot be given back as int64"):
        as_array(np.array([1.0]), None, pa.int64())


def test_strided_values_can_be_given_back() -> None:
    assert as_array(np.arange(6)[::2], None, pa.int64()).to_pylist() == [0, 2, 4]


def test_damaged_arrays_are_a_named_error_and_no_crash() -> None:
    for index in (9, -1):
        indices = pa.array([0, index], pa.int32())
        damaged = pa.DictionaryArray.from_arrays(indices, pa.array([1.5]), safe=False)
        for read in (value_column, time_column):
            with pytest.raises(InputError, match="column 'x' is a damaged dictionary"):
                read(batch_of(damaged), "x")
    with pytest.raises(InputError, match="8 bytes where 3 elements of 4 are needed"):
        buffer_view(pa.py_buffer(b"12345678"), np.dtype("i4"), 2, 1)


@given(
    values=st.lists(st.none() | st.integers(INT64_MIN, INT64_MAX)),
    start=st.integers(0, 20),
    length=st.integers(0, 20),
)
def test_any_slice_of_any_integers_comes_back(
    values: list[int | None], start: int, length: int
) -> None:
    part = pa.array(values, pa.int64()).slice(start, length)
    column = value_column(batch_of(part), "x")
    assert (column.valid is None) == (part.null_count == 0)
    assert as_array(column.values, column.valid, pa.int64()).equals(part)
