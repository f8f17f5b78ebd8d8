"""What a schema tells of a column: where it stands, and in which type it is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from tidegate.core.errors import ColumnNotFoundError, ColumnTypeError

__all__ = [
    "INDEX_NAMES",
    "PHYSICAL",
    "column_index",
    "fits_64_bits",
    "is_text",
    "is_word",
    "numpy_word",
    "plain_type",
    "time_type",
    "value_type",
]

INDEX_NAMES = b"tidegate.index"  # schema metadata: what a pandas index was called
_WORD_BYTES = 8

# Arrow type -> the NumPy type of its value buffer; bool is packed and stands apart.
PHYSICAL: dict[int, str] = {
    pa.int8().id: "i1",
    pa.int16().id: "i2",
    pa.int32().id: "i4",
    pa.int64().id: "i8",
    pa.uint8().id: "u1",
    pa.uint16().id: "u2",
    pa.uint32().id: "u4",
    pa.uint64().id: "u8",
    pa.float16().id: "f2",
    pa.float32().id: "f4",
    pa.float64().id: "f8",
    pa.timestamp("s").id: "i8",
    pa.duration("s").id: "i8",
    pa.time32("s").id: "i4",
    pa.time64("us").id: "i8",
    pa.date32().id: "i4",
    pa.date64().id: "i8",
}


def column_index(schema: pa.Schema, name: str) -> int:
    """Return where the only column of this name stands.

    Raises
    ------
    ColumnNotFoundError
        If there is none; the message lists those that there are.
    ColumnTypeError
        If there are several.
    """
    found = schema.get_all_field_indices(name)
    if len(found) == 1:
        return found[0]
    if found:
        raise ColumnTypeError(
            f"column {name!r} is there {len(found)} times (at positions "
            f"{', '.join(map(str, found))}); column names have to be unique"
        )
    index_names = (schema.metadata or {}).get(INDEX_NAMES, b"").decode().split("\0")
    if name and name in index_names:
        raise ColumnNotFoundError(
            f"there is no column {name!r}; it is in the index of the frame: reset_index() first"
        )
    known = ", ".join(map(repr, schema.names[:20])) + (", ..." if len(schema.names) > 20 else "")
    raise ColumnNotFoundError(f"there is no column {name!r}; the columns are {known or 'none'}")


def plain_type(type: pa.DataType) -> pa.DataType:  # noqa: A002
    """Return the type of the values behind a dictionary, run-end encoding or extension type."""
    while True:
        if isinstance(type, pa.BaseExtensionType):
            type = type.storage_type  # noqa: A001
        elif isinstance(type, pa.DictionaryType | pa.RunEndEncodedType):
            type = type.value_type  # noqa: A001
        else:
            return type


def time_type(schema: pa.Schema, name: str) -> pa.DataType:
    """Return the type in which the times of a column are computed and given back.

    Timestamps stay what they are, integers become int64, floats float64, dates timestamps;
    a column without any value (Arrow's null type) is taken for ``timestamp[us]``.

    Raises
    ------
    ColumnNotFoundError
        If there is no such column.
    ColumnTypeError
        If the column is there twice, or cannot be a time.
    """
    given = plain_type(schema.field(column_index(schema, name)).type)
    if pa.types.is_timestamp(given):
        return given
    if pa.types.is_integer(given):
        return pa.int64()
    if pa.types.is_floating(given):
        return pa.float64()
    if pa.types.is_date(given):
        return pa.timestamp("s" if pa.types.is_date32(given) else "ms")
    if pa.types.is_null(given):
        return pa.timestamp("us")
    raise ColumnTypeError(
        f"column {name!r} is {given}, which cannot be a time; expected a timestamp, a date, "
        "an integer or a float (text has to be parsed first)"
    )


def value_type(schema: pa.Schema, name: str) -> pa.DataType:
    """Return the own type of a column that can be computed with; of a dictionary, its values' type.

    Raises
    ------
    ColumnNotFoundError
        If there is no such column.
    ColumnTypeError
        If the column is there twice, or does not hold numbers, booleans or times.
    """
    given = plain_type(schema.field(column_index(schema, name)).type)
    if fits_64_bits(given):
        return given
    cast = " (cast it to float64 first)" if pa.types.is_decimal(given) else ""
    raise ColumnTypeError(
        f"column {name!r} is {given}, which cannot be computed with; expected numbers, booleans, "
        f"dates, times, timestamps or durations{cast}"
    )


def fits_64_bits(type: pa.DataType) -> bool:  # noqa: A002
    """Tell whether a type is of numbers, booleans or times of up to 64 bits, or null."""
    return type.id in PHYSICAL or pa.types.is_boolean(type) or pa.types.is_null(type)


def is_word(type: pa.DataType) -> bool:  # noqa: A002
    """Tell whether Arrow keeps a type in plain words of 64 bits."""
    return np.dtype(PHYSICAL.get(type.id, "V")).itemsize == _WORD_BYTES


def numpy_word(type: pa.DataType) -> np.dtype[Any] | None:  # noqa: A002
    """Return the NumPy type of 64 bits whose arrays Arrow reads as a type; None if there is none.

    Of durations there is none here: what they hold may be NaT.
    """
    if pa.types.is_timestamp(type) and type.tz is None:
        return np.dtype(f"M8[{type.unit}]")
    is_number = pa.types.is_integer(type) or pa.types.is_floating(type)
    return np.dtype(PHYSICAL[type.id]) if is_number and is_word(type) else None


def is_text(type_: pa.DataType) -> bool:
    """Tell whether a type is one of those of strings."""
    return types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_)
