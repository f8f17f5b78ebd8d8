"""Columns of Arrow that can be written as a type of Avro as they stand, or after a cast."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from pyarrow import types

from tidegate.core.columntypes import is_text
from tidegate.core.errors import SerializationError
from tidegate.core.formats.avroarrow import arrow_type_of
from tidegate.core.formats.avroschema import AvroType

__all__ = [
    "BOOL",
    "CODE",
    "DECIMAL",
    "DECIMAL_FIXED",
    "DURATION",
    "FIXED",
    "FIXED_AS_BYTES",
    "FIXED_LIST",
    "LARGE_LIST",
    "LARGE_TEXT",
    "LIST",
    "NULL",
    "RECORD",
    "TEXT",
    "UNION",
    "UUID",
    "cast_to",
    "direct",
    "missing",
    "plain_list",
    "unfit",
]

Array: TypeAlias = Any  # the stubs of pyarrow know few methods of its arrays

# The operations of avro_encode.pxd.
(
    NULL, BOOL, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, FLOAT, DOUBLE,
    FLOAT_AS_DOUBLE, TEXT, LARGE_TEXT, FIXED_AS_BYTES, FIXED, CODE, DECIMAL, DECIMAL_FIXED, UUID,
    DURATION, RECORD, LIST, LARGE_LIST, FIXED_LIST, UNION,
) = range(27)  # fmt: skip

NARROW: dict[Any, int] = {
    pa.int8(): INT8, pa.int16(): INT16, pa.int32(): INT32, pa.uint8(): UINT8, pa.uint16(): UINT16,
}  # fmt: skip
WIDE: dict[Any, int] = NARROW | {pa.int64(): INT64, pa.uint32(): UINT32, pa.uint64(): UINT64}
BINARY: dict[Any, int] = {
    pa.string(): TEXT, pa.large_string(): LARGE_TEXT,
    pa.binary(): TEXT, pa.large_binary(): LARGE_TEXT,
}  # fmt: skip
TEXTS: dict[Any, int] = {pa.string(): TEXT, pa.large_string(): LARGE_TEXT}

# What is written as it stands, by kind of Avro; all else is cast first.
DIRECT: dict[str, dict[Any, int]] = {
    "boolean": {pa.bool_(): BOOL},
    "int": NARROW,
    "long": WIDE,
    "float": {pa.float32(): FLOAT},
    "double": {pa.float64(): DOUBLE, pa.float32(): FLOAT_AS_DOUBLE},
    "bytes": BINARY,
    "string": TEXTS,
}


def direct(array: Array, type_: AvroType, path: str) -> tuple[Array, int]:
    """Give an array that can be written as it stands, and how."""
    wanted = arrow_type_of(type_)
    direct = DIRECT[type_.kind]
    if not type_.logical or (type_.logical == "uuid" and is_text(array.type)):
        if array.type in direct:
            return array, direct[array.type]
        wanted = arrow_type_of(AvroType(type_.kind))
    array = cast_to(array, wanted, path, type_)
    return array, INT32 if type_.kind == "int" else direct.get(wanted, INT64)


def cast_to(array: Array, wanted: pa.DataType, path: str, type_: AvroType) -> Array:
    """Cast where nothing is lost by it."""
    if array.type == wanted:
        return array
    if types.is_timestamp(wanted) and types.is_timestamp(array.type):
        if (wanted.tz is None) != (array.type.tz is None):
            raise unfit(path, array, type_)
        if wanted.unit == array.type.unit:
            return array
    try:
        if wanted == pa.uuid():
            return pa.ExtensionArray.from_storage(wanted, array.cast(pa.binary(16)))
        return array.cast(wanted)
    except (pa.ArrowException, NotImplementedError, TypeError) as error:
        raise unfit(path, array, type_, str(error).partition("\n")[0]) from None


def missing(path: str) -> SerializationError:
    """Make the error of a field that a struct doesn't have."""
    return SerializationError(f"Avro: {path}: there is no such field, or it is twice", path=path)


def unfit(path: str, array: Array, type_: AvroType, why: str = "") -> SerializationError:
    """Make the error of a column that can't be written as its schema says."""
    what = f"{type_.logical} on {type_.kind}" if type_.logical else type_.kind
    text = f"Avro: {path}: a column of type {array.type} can't be written as {what}"
    return SerializationError(f"{text}: {why}" if why else text, path=path)


def plain_list(array: Array) -> Array:
    """Make a list of a list view.

    Arrow's own cast gives offsets that fall where the last list is null.
    """
    import pyarrow.compute

    sizes = pyarrow.compute.call_function("list_value_length", [array]).fill_null(0)
    ends = np.zeros(len(array) + 1, np.int64)
    np.cumsum(sizes.to_numpy(), out=ends[1:])
    offsets: Any = pa.array(ends)
    return pa.LargeListArray.from_arrays(offsets, array.flatten(), mask=array.is_null())
