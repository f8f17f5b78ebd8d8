"""Columns of Python values of any kind -> Arrow arrays: nested ones, and ones of a given type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa

from tidegate.core.convert import ArrowColumn, Place, family_of, from_python, short
from tidegate.core.errors import ColumnTypeError, InputError
from tidegate.core.pyunions import is_pair, union_of

__all__ = ["cast_column", "given_column", "guessed_column"]

MAX_DEPTH = 64
MAX_CELLS = 1 << 27  # dicts times their fields, in one column
_array: Callable[..., Any] = pa.array
_TAKES: tuple[tuple[Callable[[Any], bool], tuple[str, ...]], ...] = (
    (pa.types.is_null, ()),
    (pa.types.is_boolean, ("bool",)),
    (pa.types.is_integer, ("int",)),
    (pa.types.is_floating, ("float", "int")),
    (pa.types.is_decimal, ("decimal", "int")),
    (pa.types.is_timestamp, ("datetime", "datetime64", "int")),
    (pa.types.is_date, ("date", "datetime64")),
    (pa.types.is_time, ("time",)),
    (pa.types.is_duration, ("timedelta", "timedelta64", "int")),
    (lambda t: t in (pa.string(), pa.large_string(), pa.string_view()), ("str",)),
    (lambda t: t in (pa.binary(), pa.large_binary(), pa.binary_view()), ("bytes",)),
    (pa.types.is_fixed_size_binary, ("bytes",)),
)
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def guessed_column(values: list[Any], place: Place, depth: int = 1) -> ArrowColumn:
    """Return values as an Arrow array of the type that they have.

    Parameters
    ----------
    values : list
        None is null. Lists (tuples, NumPy arrays) and dicts are read part by part, each by the
        rule of `from_python`.
    place : Place
        What an error calls it.
    depth : int
        How many lists and dicts the values are in.

    Raises
    ------
    ColumnTypeError
        If they are not of one type.
    InputError
        If one does not fit, or they are nested too deep.
    """
    kinds = set(map(type, values)) - {type(None)}
    if depth > MAX_DEPTH:
        raise InputError(f"{place} is nested more than {MAX_DEPTH} levels deep")
    if kinds and all(issubclass(kind, list | tuple | np.ndarray) for kind in kinds):
        return _list_column(values, place, depth)
    if kinds and all(issubclass(kind, dict) for kind in kinds):
        return _struct_column(values, place, depth)
    return from_python(values, place)


def _list_column(values: list[Any], place: Place, depth: int) -> ArrowColumn:
    """Return lists as an Arrow list array, its items being read as one column."""
    items, offsets, inside = _items(values, place)
    read = _in_one(guessed_column(items, inside, depth + 1))
    if offsets[-1] < 2**31:
        return pa.ListArray.from_arrays(_array(offsets, pa.int32()), read, mask=_missing(values))
    return pa.LargeListArray.from_arrays(_array(offsets), read, mask=_missing(values))


def _items(values: list[Any], place: Place) -> tuple[list[Any], Any, Place]:
    """Put the items of all lists into one; say where each list begins, and what they are called."""
    items = [item for value in values if value is not None for item in value]
    sizes = [0 if value is None else len(value) for value in values]
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    rows = np.repeat(np.arange(len(values)), sizes)
    return items, offsets, _of_rows(place._replace(name=f"{place.name}[]"), rows.tolist())


def _missing(values: list[Any]) -> Any:
    """Say which values are null."""
    return _array([value is None for value in values], pa.bool_())


def _struct_column(values: list[Any], place: Place, depth: int) -> ArrowColumn:
    """Return dicts as an Arrow struct array, each field being read as one column."""
    names: dict[Any, None] = {}
    for row, value in enumerate(values):
        names.update(dict.fromkeys(value or ()))
        if not all(isinstance(name, str) for name in value or ()):
            raise ColumnTypeError(f"{place.at(row)}: a field name in it is not a string")
    if len(names) * len(values) > MAX_CELLS:
        raise InputError(
            f"{place}: {len(values):,} dicts of {len(names):,} different fields are more than "
            f"{MAX_CELLS:,} cells; give a schema"
        )
    arrays = [
        _in_one(guessed_column(_parts(values, name), _part(place, name), depth + 1))
        for name in names
    ]
    if not arrays:
        empty: ArrowColumn = _array(values, pa.struct([]))
        return empty
    return pa.StructArray.from_arrays(arrays, names=list(names), mask=_missing(values))


def _parts(values: list[Any], name: str) -> list[Any]:
    """Take one field out of dicts."""
    return [None if value is None else value.get(name) for value in values]


def _part(place: Place, name: str) -> Place:
    """Name one field of a dict."""
    return place._replace(name=f"{place.name}.{name}")


def _of_rows(place: Place, rows: list[int]) -> Place:
    """Name parts whose wholes are in these places."""
    known = place.rows
    return place._replace(rows=rows if known is None else [known[row] for row in rows])


def _in_one(column: ArrowColumn) -> Any:
    """Return a column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def given_column(
    values: list[Any], type_: pa.DataType, place: Place, depth: int = 1
) -> ArrowColumn:
    """Return values as an Arrow array of a given type, none of them changed.

    Parameters
    ----------
    values : list
        None is null.
    type_ : pyarrow.DataType
        What they have to be: whole numbers in an integer column, never a float or a bool;
        datetimes with a zone in a zoned column, without one in another.
    place : Place
        What an error calls it.
    depth : int
        How many lists and dicts the values are in.

    Raises
    ------
    ColumnTypeError
        If a value is of another type.
    InputError
        If a value does not fit, or they are nested too deep.
    """
    if depth > MAX_DEPTH:
        raise InputError(f"{place} is nested more than {MAX_DEPTH} levels deep")
    if pa.types.is_union(type_):

        def read(part: list[Any], type_: pa.DataType, place: Place) -> Any:
            return _in_one(given_column(part, type_, place, depth + 1))

        return union_of(values, type_, place, read)
    plain = [None if family_of(type(value)) == "null" else value for value in values]
    if pa.types.is_map(type_) and _has_union(type_.item_type):
        return _given_map(plain, type_, place, depth)
    if type_ == pa.uuid():
        plain = [value.bytes if isinstance(value, UUID) else value for value in plain]
    if pa.types.is_struct(type_):
        return _given_struct(plain, type_, place, depth)
    if any(check(type_) for check in _LISTS):
        return _given_list(plain, type_, place, depth)
    takes = next((families for check, families in _TAKES if check(type_)), None)
    for row, value in enumerate(plain if takes is not None else ()):
        family = family_of(type(value))
        if family != "null" and (family not in (takes or ()) or _in_zone(value, type_)):
            raise _other_type(row, value, type_, place)
    if takes is not None and takes[:1] in (("int",), ("float",), ("datetime",), ("timedelta",)):
        return cast_column(from_python(plain, place), type_, place)
    return _by_arrow(plain, type_, place)


def _other_type(row: int, value: object, type_: Any, place: Place) -> ColumnTypeError:
    """Return the error that names a value of another type."""
    return ColumnTypeError(
        f"{place.at(row)} is {short(value)} ({type(value).__name__}); expected {type_}"
    )


def _given_list(values: list[Any], type_: Any, place: Place, depth: int) -> ArrowColumn:
    """Return lists as an array of a list type."""
    for row, value in enumerate(values):
        if not isinstance(value, list | tuple | np.ndarray | None):
            raise _other_type(row, value, type_, place)
    items, offsets, inside = _items(values, place)
    read = _in_one(given_column(items, type_.value_type, inside, depth + 1))
    _check_missing(read, type_.value_field, inside)
    if pa.types.is_fixed_size_list(type_):
        return _by_arrow(values, type_, place)
    wide = pa.LargeListArray.from_arrays(_array(offsets), read, mask=_missing(values))
    return cast_column(wide, type_, place)


def _given_struct(values: list[Any], type_: Any, place: Place, depth: int) -> ArrowColumn:
    """Return dicts as an array of a struct type; fields of other names are left out."""
    for row, value in enumerate(values):
        if not isinstance(value, dict | None):
            raise _other_type(row, value, type_, place)
    if not type_.num_fields:
        return _by_arrow(values, type_, place)
    there = [row for row, value in enumerate(values) if value is not None]
    arrays = []
    for field in type_:
        part = _part(place, field.name)
        if pa.types.is_union(field.type):  # which has no null of its own for a dict that is none
            arrays.append(_given_part(_parts(values, field.name), field.type, part, depth, there))
            continue
        read = _in_one(given_column(_parts(values, field.name), field.type, part, depth + 1))
        _check_missing(read.take(_array(there, pa.int64())), field, _of_rows(part, there))
        arrays.append(read)
    fields = list(type_)
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=_missing(values))


def _given_part(values: list[Any], type_: Any, place: Place, depth: int, there: list[int]) -> Any:
    """Return the part of dicts that is a union; what those have that are none is of no account."""
    known = [values[row] for row in there]
    read = _in_one(given_column(known, type_, _of_rows(place, there), depth + 1))
    if len(there) == len(values):
        return read
    at = np.full(len(values), -1, np.int64)
    at[there] = np.arange(len(there))
    return read.take(_array(at, mask=at < 0))


def _has_union(type_: Any) -> bool:
    """Tell whether there is a union in a type."""
    if pa.types.is_union(type_):
        return True
    return any(_has_union(type_.field(i).type) for i in range(type_.num_fields))


def _given_map(values: list[Any], type_: Any, place: Place, depth: int) -> ArrowColumn:
    """Return dicts, or lists of pairs, as an array of a map type."""
    pairs: list[Any] = []
    for row, value in enumerate(values):
        pairs.append(list(value.items()) if isinstance(value, dict) else value)
        if not isinstance(value, dict | list | None) or not all(map(is_pair, pairs[-1] or ())):
            raise _other_type(row, value, type_, place)
    entries, offsets, inside = _items(pairs, place)
    inside = inside._replace(name=f"{place.name}{{}}")
    keys = _in_one(given_column([key for key, _ in entries], type_.key_type, inside, depth + 1))
    items = _in_one(given_column([item for _, item in entries], type_.item_type, inside, depth + 1))
    fields = [type_.key_field, type_.item_field]
    made = pa.StructArray.from_arrays([keys, items], fields=fields)
    is_null = _missing(values)
    valid = _array([value is not None for value in values], pa.bool_())
    buffers = [valid.buffers()[1], _array(offsets).cast(pa.int32()).buffers()[1]]
    return pa.Array.from_buffers(type_, len(values), buffers, is_null.true_count, 0, [made])


def _check_missing(array: Any, field: Any, place: Place) -> None:
    """Refuse a null where the schema allows none."""
    if array.null_count and not field.nullable:
        row = array.is_null().index(True).as_py()
        raise InputError(f"{place.at(row)} is missing, and the schema says that it never is")


def _by_arrow(values: list[Any], type_: Any, place: Place) -> ArrowColumn:
    """Return values as Arrow itself reads them."""
    try:
        column: ArrowColumn = _array(values, type_)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise _misfit(values, type_, place, error) from error
    return column


def _in_zone(value: Any, type_: Any) -> bool:
    """Tell whether a datetime has a zone where the column has none, or the other way round."""
    if not pa.types.is_timestamp(type_) or family_of(type(value)) != "datetime":
        return False
    return (value.tzinfo is None) != (type_.tz is None)


def _misfit(
    values: list[Any], type_: pa.DataType, place: Place, error: Exception
) -> ColumnTypeError | InputError:
    """Return the error that names the first value which Arrow does not take for a type."""
    for row, value in enumerate(values):
        try:
            _array([value], type_)
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as wrong:
            kind = ColumnTypeError if isinstance(wrong, TypeError) else InputError
            return kind(
                f"{place.at(row)} is {short(value)} ({type(value).__name__}); expected {type_} "
                f"({wrong})"
            )
    return InputError(f"{place} does not fit {type_}: {error}")


def cast_column(column: ArrowColumn, type_: pa.DataType, place: Place) -> ArrowColumn:
    """Return a column as another type, or name the first value that is none of it."""
    if column.type == type_:
        return column
    try:
        return _cast(column, type_)
    except pa.ArrowException as error:
        for row in range(len(column)):
            try:
                _cast(column.take(_array([row])), type_)  # a slice would bring all items along
            except pa.ArrowException:
                value = column[row].as_py()
                raise InputError(
                    f"{place.at(row)} is {short(value)}, which does not fit {type_}"
                ) from error
        raise ColumnTypeError(f"{place} is {column.type}; expected {type_}: {error}") from error


def _cast(column: Any, type_: Any) -> ArrowColumn:
    """Cast so that what does not fit is an error."""
    if pa.types.is_dictionary(type_):
        column = column.cast(type_.value_type).dictionary_encode()
    cast: ArrowColumn = column.cast(type_)
    return cast
