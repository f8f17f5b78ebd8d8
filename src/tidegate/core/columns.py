"""Columns of a record batch -> 64-bit NumPy arrays, and back."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from tidegate.core.columntypes import PHYSICAL, column_index, time_type, value_type
from tidegate.core.errors import ColumnTypeError, InputError

__all__ = [
    "Column",
    "Numbers",
    "as_array",
    "buffer_view",
    "plain",
    "stored",
    "time_column",
    "validity",
    "value_column",
    "widened",
]

Numbers: TypeAlias = "np.ndarray[tuple[int], np.dtype[Any]]"

_INT64_MAX = 2**63 - 1
_SECONDS_PER_DAY = 86_400
_py_buffer: Callable[[Any], pa.Buffer] = pa.py_buffer  # its stub does not know ndarray
_WIDE = {"i": np.dtype("i8"), "u": np.dtype("u8"), "f": np.dtype("f8")}


class Column(NamedTuple):
    """The values of one column of a batch, and which of them are there."""

    values: Numbers  # (n_rows,) int64, uint64 or float64; contiguous, aligned, native
    valid: Numbers | None  # (n_rows,) uint8, 1 = valid; None = no null in this batch


def time_column(batch: pa.RecordBatch, name: str) -> Column:
    """Return the times of a batch in the unit of `time_type`.

    Returns
    -------
    Column
        Values (n_rows,) int64, or float64 for a column of floats. What stands where a row is not
        valid is undefined.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError
        As `time_type`.
    InputError
        If an unsigned time is above 2**63 - 1.

    Notes
    -----
    A view where the column is int64, timestamp or float64 and its buffer is aligned; else a copy.
    """
    time_type(batch.schema, name)
    times = _plain_column(batch, name)
    if pa.types.is_null(times.type):
        return _no_values(len(times), "i8")
    values, valid = widened(times)
    if values.dtype.kind == "u":
        values = _as_signed(values, valid, name)
    if pa.types.is_date32(times.type):
        values = values * _SECONDS_PER_DAY
    return Column(values, valid)


def value_column(batch: pa.RecordBatch, name: str) -> Column:
    """Return the values of a column, widened to 64 bits.

    Returns
    -------
    Column
        Values (n_rows,) int64 (signed integers, booleans as 0 and 1, dates, times, timestamps and
        durations in their own unit), uint64 (unsigned integers) or float64. What stands where a
        row is not valid is undefined. A column of Arrow's null type is float64, all missing.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError
        As `value_type`.

    Notes
    -----
    A view where the column is 64 bits wide and its buffer is aligned; else a copy.
    """
    value_type(batch.schema, name)
    values = _plain_column(batch, name)
    if pa.types.is_null(values.type):
        return _no_values(len(values), "f8")
    return widened(values)


def as_array(
    values: Numbers,
    valid: Numbers | None,
    type: pa.DataType,  # noqa: A002
) -> pa.Array[Any]:
    """Return 64-bit values as an Arrow array; the way back from `time_column` and `value_column`.

    Parameters
    ----------
    values : ndarray
        (n_rows,) int64, uint64 or float64, of the kind that `value_column` gives for `type`.
    valid : ndarray or None
        (n_rows,) uint8, 1 = valid; None if all are.
    type : pyarrow.DataType
        A type that `value_type` or `time_type` returns.

    Raises
    ------
    ColumnTypeError
        If `values` are of another kind than `type` (integers for a float column, say).
    InputError
        If a valid integer does not fit `type`.

    Notes
    -----
    Views `values`, which must not be written to afterwards, where `type` is 64 bits wide.
    """
    n_rows = len(values)
    if pa.types.is_null(type):
        return pa.nulls(n_rows)
    n_null = 0 if valid is None else n_rows - int(np.count_nonzero(valid))
    bitmap = _packed(valid) if valid is not None and n_null else None
    if pa.types.is_boolean(type):
        return pa.Array.from_buffers(type, n_rows, [bitmap, _packed(values)], n_null)
    dtype = np.dtype(PHYSICAL[type.id])
    if _WIDE[dtype.kind] != values.dtype:
        raise ColumnTypeError(f"{values.dtype} values cannot be given back as {type}")
    if dtype != values.dtype:
        values = _narrowed(values, valid, dtype, type)
    buffer = _py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(type, n_rows, [bitmap, buffer], n_null)


def widened(values: pa.Array[Any]) -> Column:
    """Return a plain array of numbers, booleans or times as 64-bit values and their validity."""
    numbers = stored(values)
    wide = _WIDE["i" if pa.types.is_boolean(values.type) else numbers.dtype.kind]
    return Column(numbers.astype(wide, copy=False), validity(values))


def plain(values: pa.Array[Any]) -> pa.Array[Any]:
    """Return the values behind a dictionary, run-end encoding or extension array."""
    while True:
        if isinstance(values, pa.ExtensionArray):
            values = values.storage
        elif isinstance(values, pa.DictionaryArray):
            values = values.dictionary_decode()
        elif isinstance(values, pa.RunEndEncodedArray):
            # Imported here because it costs 20 ms and hardly anyone needs it.
            values = importlib.import_module("pyarrow.compute").run_end_decode(values)
        else:
            return values


def stored(values: pa.Array[Any]) -> Numbers:
    """Return the value buffer of a plain array as it is, bool as uint8; aligned."""
    n_rows = len(values)
    buffer: Any = values.buffers()[1]
    if pa.types.is_boolean(values.type):
        return _unpacked(buffer, values.offset, n_rows)
    dtype = np.dtype(PHYSICAL[values.type.id])
    if n_rows == 0 or buffer is None:
        return np.zeros(n_rows, dtype)
    return buffer_view(buffer, dtype, n_rows, values.offset)


def buffer_view(buffer: Any, dtype: np.dtype[Any], count: int, offset: int) -> Numbers:
    """Return `count` elements of an Arrow buffer from the `offset`-th on; a copy if misaligned.

    Raises
    ------
    InputError
        If the buffer ends before.
    """
    try:
        numbers: Numbers = np.frombuffer(buffer, dtype, count, offset * dtype.itemsize)
    except ValueError as error:
        raise InputError(
            f"a damaged Arrow array: {buffer.size} bytes where {offset + count} elements of "
            f"{dtype.itemsize} are needed"
        ) from error
    # Buffers from IPC or foreign memory can start anywhere; kernels need aligned ones.
    return numbers if numbers.flags.aligned else numbers.copy()


def validity(values: pa.Array[Any]) -> Numbers | None:
    """Return which rows are valid as (n_rows,) uint8, or None if all are."""
    if values.null_count == 0:
        return None
    return _unpacked(values.buffers()[0], values.offset, len(values))


def _plain_column(batch: pa.RecordBatch, name: str) -> pa.Array[Any]:
    """Return the values of a column behind whatever encoding it has."""
    try:
        return plain(batch.column(column_index(batch.schema, name)))
    except pa.ArrowIndexError as error:
        raise InputError(f"column {name!r} is a damaged dictionary: {error}") from error


def _unpacked(bitmap: Any, offset: int, n_rows: int) -> Numbers:
    """Return bits `offset` to `offset + n_rows` of a bitmap as uint8."""
    if n_rows == 0 or bitmap is None:
        return np.zeros(n_rows, "u1")
    skipped = offset % 8
    packed = buffer_view(bitmap, np.dtype("u1"), (skipped + n_rows + 7) // 8, offset // 8)
    return np.unpackbits(packed, count=skipped + n_rows, bitorder="little")[skipped:]


def _packed(flags: Numbers) -> pa.Buffer:
    """Return a bitmap of the elements that are not zero."""
    return _py_buffer(np.packbits(flags != 0, bitorder="little"))


def _no_values(n_rows: int, dtype: str) -> Column:
    """Return a column in which every row is null."""
    return Column(np.zeros(n_rows, dtype), np.zeros(n_rows, "u1"))


def _as_signed(values: Numbers, valid: Numbers | None, name: str) -> Numbers:
    """Return unsigned times as int64."""
    row = _first(values > _INT64_MAX, valid)
    if row is not None:
        raise InputError(
            f"column {name!r}, row {row} is {values[row]}; a time has to be at most {_INT64_MAX}"
        )
    return values.view("i8")


def _narrowed(
    values: Numbers,
    valid: Numbers | None,
    dtype: np.dtype[Any],
    type: pa.DataType,  # noqa: A002
) -> Numbers:
    """Return 64-bit values in the width in which Arrow stores `type`."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    narrow = values.astype(dtype)
    row = _first(narrow != values, valid)
    if row is not None:
        raise InputError(f"{values[row]} (row {row}) does not fit {type}")
    return narrow


def _first(bad: Numbers, valid: Numbers | None) -> int | None:
    """Return the first valid row at which `bad` is true."""
    if valid is not None:
        bad = bad & (valid != 0)
    return int(bad.argmax()) if bad.any() else None
