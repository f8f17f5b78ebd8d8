"""Fields of numbers out of records (lists of dicts), as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tidegate._kernels.fields import read_fields
from tidegate.core.convert import short
from tidegate.core.errors import ColumnNotFoundError, ColumnTypeError, InputError

if TYPE_CHECKING:
    from tidegate.core.columns import Numbers
    from tidegate.core.records import Records

__all__ = ["column_of", "columns_of"]


def column_of(
    records: Records,
    field: str,
    *,
    dtype: Literal["int64", "float64"] | None = None,
    nan: bool = True,
) -> Numbers:
    """Read one field of numbers out of a list of dicts.

    Parameters
    ----------
    records : sequence of dict
        One a row.
    field : str
        The field, which every record must have.
    dtype : {"int64", "float64"}, optional
        What the column has to be. By default int64 if all values are integers, else float64.
    nan : bool, default True
        Whether NaN is a value; if not, it is an error.

    Returns
    -------
    numpy.ndarray, shape (n_records,), dtype int64 or float64

    Raises
    ------
    ColumnNotFoundError
        If a record lacks the field.
    ColumnTypeError
        If a record is no dict, or a value no number (None and True are none), or not a whole one
        where int64 is asked for.
    InputError
        If an integer does not fit, or is no float exactly among floats; if a value is NaN where
        that is an error.

    Notes
    -----
    O(n_records), one pass.

    Examples
    --------
    >>> from tidegate.core.fields import column_of
    >>> column_of([{"price": 2.5}, {"price": 3}], "price")
    array([2.5, 3. ])
    >>> column_of([{"price": 2.5}, {}], "price")
    Traceback (most recent call last):
    tidegate.core.errors.ColumnNotFoundError: record 1 has no field 'price'
    """
    if dtype not in (None, "int64", "float64"):
        raise InputError(f"dtype is {dtype!r}; expected 'int64', 'float64' or None")
    rows = _listed(records)
    words = np.empty((1, len(rows)), np.int64)
    [(n_read, is_float)] = read_fields(rows, [field], words, dtype == "float64")
    numbers = _numbers(rows, field, words[0], n_read, is_float, dtype)
    if not nan and numbers.dtype == np.float64 and np.isnan(numbers).any():
        row = int(np.isnan(numbers).argmax())
        raise InputError(f"field {field!r}, record {row} is NaN; expected a number")
    return numbers


def columns_of(
    records: Records, fields: Sequence[str], *, missing: Mapping[str, int] | None = None
) -> list[Numbers]:
    """Read some fields of numbers out of a list of dicts, in one pass.

    Parameters
    ----------
    records : sequence of dict
        One a row.
    fields : sequence of str
        At most 16.
    missing : mapping of str to int, optional
        Fields that a record may lack, or have None for, and what it has then.

    Returns
    -------
    list of numpy.ndarray, each of shape (n_records,), dtype int64 or float64
        As `column_of` has each of them.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError, InputError
        As `column_of`, for the first of the fields that has a reason.

    Notes
    -----
    O(n_records * n_fields). Where the records lie in memory all over, most of the time is that of
    getting at them: a field more costs less than a call more.

    Examples
    --------
    >>> from tidegate.core.fields import columns_of
    >>> trades = [{"price": 2.5, "size": 1}, {"price": 3}]
    >>> columns_of(trades, ("price", "size"), missing={"size": 0})
    [array([2.5, 3. ]), array([1, 0])]
    """
    rows = _listed(records)
    words = np.empty((len(fields), len(rows)), np.int64)
    found = read_fields(rows, list(fields), words, False)
    columns = []
    for field, numbers, (n_read, is_float) in zip(fields, words, found, strict=True):
        if missing is not None and field in missing and n_read < len(rows):
            columns.append(_filled(rows, field, missing[field]))
        else:
            columns.append(_numbers(rows, field, numbers, n_read, is_float, None))
    return columns


def _listed(records: Records) -> list[Any]:
    """Return a list of the records, themselves where they are one."""
    return records if type(records) is list else list(records)


def _filled(rows: list[Any], field: str, missing: int) -> Numbers:
    """Read a field that some records lack."""
    values = [record.get(field) if isinstance(record, Mapping) else record for record in rows]
    return column_of([{field: missing if value is None else value} for value in values], field)


def _numbers(
    rows: list[Any], field: str, words: Numbers, n_read: int, is_float: bool, dtype: str | None
) -> Numbers:
    """Return the numbers of a field, so many of which are read; the others by other means."""
    if n_read < len(rows):
        values = [_number(record, field, i, dtype) for i, record in enumerate(rows)]
        words = np.empty((1, len(rows)), np.int64)
        [(n_read, is_float)] = read_fields(values, [None], words, dtype == "float64")
        words = words[0]
    if n_read < len(rows):
        raise InputError(
            f"field {field!r}, record {n_read} is {short(rows[n_read][field])}, which is no "
            f"{'float64 exactly' if is_float else 'int64'}"
        )
    if is_float and dtype == "int64":
        row = next(i for i, record in enumerate(rows) if not _is_whole(record[field]))
        raise ColumnTypeError(
            f"field {field!r}, record {row} is {short(rows[row][field])}; expected a whole number"
        )
    return words.view(np.float64) if is_float else words


def _is_whole(value: object) -> bool:
    """Tell whether a number is an integer."""
    return isinstance(value, int | np.integer)


def _number(record: object, field: str, row: int, dtype: str | None) -> int | float:
    """Return the number in one record, or raise the error that says why there is none."""
    if not isinstance(record, Mapping):
        raise ColumnTypeError(f"record {row} is of type {type(record).__name__}; expected a dict")
    if field not in record:
        raise ColumnNotFoundError(f"record {row} has no field {field!r}")
    value = record[field]
    if isinstance(value, np.integer | np.floating) and value.dtype.kind in "iuf":
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        wanted = "a whole number" if dtype == "int64" else "a number"
        raise ColumnTypeError(
            f"field {field!r}, record {row} is {short(value)} ({type(value).__name__}); "
            f"expected {wanted}"
        )
    return value
