"""Columns into Protobuf messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from tidegate._kernels.proto_write import Writer
from tidegate.core.columntypes import is_text
from tidegate.core.errors import ColumnNotFoundError, ColumnTypeError, SerializationError
from tidegate.core.formats.protoreading import program_of
from tidegate.core.formats.protoschema import (
    Kind,
    Label,
    ProtoEnum,
    ProtoField,
    ProtoMessage,
    operations_of,
)
from tidegate.core.formats.prototypes import DURATION, TIMESTAMP, is_wrapper, value_type, wire_type
from tidegate.core.formats.protovalues import UNITS

__all__ = ["Encoder"]

Array = Any  # pyarrow's stubs know an array by the type of its values only
Source = tuple[int, int, int, int, int, int, int, int, bool, bool]

NOTHING: Source = (0, 0, 0, 0, 0, 0, 0, 0, False, False)
THERE = 1  # stands for the address of the values of a message
NANOS = 10**9
DIGITS = re.compile("-?[0-9]{1,10}")

# Statuses: of cursor.pxd, and of proto_write.pyx.
NULL_VALUE, OUT_OF_MEMORY, TWO_OF_ONEOF, TOO_MUCH = 16, 14, 34, 35
WHAT = {
    NULL_VALUE: "a null where Protobuf has none: fill it, or declare the field optional",
    TWO_OF_ONEOF: "more than one field of a oneof is set: only one may be",
    TOO_MUCH: "a message of more than 2 GiB: no reader takes it",
}


class Encoder:
    """What turns record batches into messages of one type.

    Parameters
    ----------
    message
        The type. A column that isn't there leaves its field unset; one without a field is an error.
    """

    def __init__(self, message: ProtoMessage) -> None:
        self._message = message
        self._operations = operations_of(message)
        self._inner: list[list[int]] = [[] for _ in self._operations]
        for place, operation in enumerate(self._operations[1:], 1):
            self._inner[operation.parent].append(place)
        self._writer = Writer(program_of(self._operations))
        self._sources: list[Source] = []
        self._kept: list[Any] = []  # what the addresses point into

    def write(
        self, batch: pa.RecordBatch, *, is_delimited: bool = True, first_row: int = 0
    ) -> None:
        """Add the rows of a batch to what `take` gives.

        Parameters
        ----------
        batch
            The rows.
        is_delimited
            Whether each message stands behind its length.
        first_row
            The number of the first row, for errors.
        """
        self._sources = [NOTHING] * len(self._operations)
        self._kept = []
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        if len(columns) != batch.num_columns:
            raise ColumnTypeError("two columns have one name: rename one")
        self._bind_fields(0, columns, "")
        self._writer.bind(self._sources)
        if self._writer.write(0, batch.num_rows, is_delimited) != batch.num_rows or (
            self._writer.status
        ):
            raise self._problem(first_row)

    def take(self) -> bytes:
        """Hand over what was written."""
        return self._writer.take()

    def _problem(self, first_row: int) -> Exception:
        """Make the error of a row that can't be written."""
        self._writer.take()
        if self._writer.status == OUT_OF_MEMORY:
            return MemoryError("no memory for the Protobuf messages")
        names: list[str] = []
        place = self._writer.bad_op
        while place > 0:
            operation = self._operations[place]
            names.append(operation.field.name if operation.field is not None else "")
            place = operation.parent
        path = ".".join(["$", *reversed(names)])
        row = first_row + self._writer.bad_row
        what = WHAT[self._writer.status]
        return SerializationError(f"Protobuf: row {row}, {path}: {what}", path=path, row=row)

    def _bind_fields(self, parent: int, columns: dict[str, Array], path: str) -> None:
        """Bind the columns of a message."""
        name = self._message.name if parent == 0 else path
        fields = {self._name(place): place for place in self._inner[parent]}
        for column in columns:
            if column not in fields:
                raise ColumnNotFoundError(
                    f"column {column!r} has no field in message {name}, which has "
                    f"{', '.join(fields) or 'none'}: drop it, or rename it"
                )
        for column, place in fields.items():
            field = self._operations[place].field
            if field is None:
                continue
            inner = f"{path}.{column}" if path else column
            if column in columns:
                self._bind(place, field, columns[column], inner)
            elif field.label == Label.REQUIRED:
                raise ColumnNotFoundError(
                    f"no column {inner!r}, and message {name} requires the field"
                )

    def _name(self, place: int) -> str:
        """Name a field."""
        field = self._operations[place].field
        return "" if field is None else field.name

    def _bind(self, place: int, field: ProtoField, array: Array, path: str) -> None:
        """Bind the column of a field."""
        if isinstance(array.type, pa.BaseExtensionType):
            array = array.storage
        if not field.is_repeated:
            self._bind_value(place, field, array, path, NOTHING)
            return
        if types.is_null(array.type) and len(array) == 0:
            return
        if field.is_map and types.is_map(array.type):
            parts = [array.keys, array.items]
            values = pa.StructArray.from_arrays(parts, names=["key", "value"])
        elif not field.is_map and _is_list(array.type):
            if types.is_fixed_size_list(array.type):
                array = array.cast(pa.list_(array.type.value_type))
            values = array.values
        else:
            expected = "a map" if field.is_map else "a list"
            raise ColumnTypeError(f"column {path!r} is of type {array.type}; expected {expected}")
        buffers = self._keep(array)
        items = (
            _address(buffers[1]), array.offset, _address(buffers[0]) if array.null_count else 0
        )  # fmt: skip
        source = (*NOTHING[:5], *items, False, types.is_large_list(array.type))
        self._bind_value(place, field, values, path, source)

    def _bind_value(
        self, place: int, field: ProtoField, array: Array, path: str, source: Source
    ) -> None:
        """Bind the values of a field; `source` has what is known of the list that they are in."""
        if isinstance(array.type, pa.BaseExtensionType):
            array = array.storage
        message = field.message
        if message is not None:
            self._bind_message(place, message, array, path, source)
            return
        array = _on_wire(field, array, path)
        buffers = self._keep(array)
        is_text = field.kind in (Kind.STRING, Kind.BYTES)
        content = buffers[2] if is_text else None
        self._sources[place] = (
            _address(buffers[1]) or THERE,
            _address(buffers[0]) if array.null_count else 0,
            array.offset,
            _address(content),
            0 if content is None else content.size,
            *source[5:8],
            types.is_large_string(array.type) or types.is_large_binary(array.type),
            source[9],
        )

    def _bind_message(
        self, place: int, message: ProtoMessage, array: Array, path: str, source: Source
    ) -> None:
        """Bind the values of a field that are messages."""
        valid = _address(self._keep(array)[0]) if array.null_count else 0
        shift = array.offset
        if types.is_null(array.type):
            valid, shift = _address(self._keep(pa.nulls(len(array), pa.int8()))[0]), 0
            columns: dict[str, Array] = {}
        elif message.name in (TIMESTAMP, DURATION):
            columns = _parts_of_time(message.name, array, path)
        elif is_wrapper(message):
            columns = {message.fields[0].name: array}
        elif types.is_struct(array.type):
            names = [array.type.field(i).name for i in range(array.type.num_fields)]
            columns = {name: array.field(i) for i, name in enumerate(names)}
        else:
            raise ColumnTypeError(
                f"column {path!r} is of type {array.type}; expected a struct for message "
                f"{message.name}"
            )
        self._sources[place] = (THERE, valid, shift, 0, 0, *source[5:8], False, source[9])
        self._bind_fields(place, columns, path)

    def _keep(self, array: Array) -> list[Any]:
        """Hold an array until its rows are written; give its buffers."""
        self._kept.append(array)
        buffers: list[Any] = array.buffers()
        return buffers


def _address(buffer: Any) -> int:
    """Give where a buffer is; 0 for none."""
    return 0 if buffer is None else int(buffer.address)


def _is_list(type_: pa.DataType) -> bool:
    """Say whether a column has lists."""
    return types.is_list(type_) or types.is_large_list(type_) or types.is_fixed_size_list(type_)


def _parts_of_time(name: str, array: Array, path: str) -> dict[str, Array]:
    """Split times into seconds and nanoseconds; those of a duration have its sign."""
    is_type = types.is_timestamp if name == TIMESTAMP else types.is_duration
    if not is_type(array.type):
        raise ColumnTypeError(f"column {path!r} is of type {array.type}; {name} was expected")
    per_second = UNITS[array.type.unit]
    if not len(array):
        return {}
    values = np.frombuffer(array.buffers()[1], np.int64, len(array), 8 * array.offset)
    seconds, rest = np.divmod(values, per_second)
    if name == DURATION:
        is_split = (seconds < 0) & (rest != 0)
        seconds, rest = seconds + is_split, rest - is_split * per_second
    nanos = (rest * (NANOS // per_second)).astype(np.int32)
    return {"seconds": pa.array(seconds), "nanos": pa.array(nanos)}


def _on_wire(field: ProtoField, array: Array, path: str) -> Array:
    """Give values as the kernel writes them: of the type of their kind, or a larger offset."""
    if field.enum is not None:
        return _numbers(field.enum, array, path)
    type_ = wire_type(field)
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array.type == type_:
        return array
    large: dict[Kind, Callable[[Any], bool]] = {
        Kind.STRING: types.is_large_string,
        Kind.BYTES: types.is_large_binary,
    }
    if field.kind in large and large[field.kind](array.type):
        return array
    if not _is_allowed(field, array.type):
        raise ColumnTypeError(
            f"column {path!r} is of type {array.type}; {type_} was expected for Protobuf's "
            f"{field.kind.name.lower()}"
        )
    try:
        return array.cast(type_)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise SerializationError(
            f"Protobuf: $.{path}: a value does not fit {field.kind.name.lower()}: {reason}",
            path=f"$.{path}",
        ) from error


def _is_allowed(field: ProtoField, type_: pa.DataType) -> bool:
    """Say whether a column is what a field takes, though of another type."""
    if types.is_null(type_) or (field.arrow_type is not None and type_ == _source_type(field)):
        return True
    if field.kind in (Kind.DOUBLE, Kind.FLOAT):
        return types.is_floating(type_) or types.is_integer(type_)
    if field.kind == Kind.STRING:
        return types.is_string_view(type_) or types.is_decimal(type_)
    if field.kind == Kind.BYTES:
        return types.is_binary_view(type_) or types.is_fixed_size_binary(type_)
    if field.kind == Kind.BOOL:
        return False
    return types.is_integer(type_)


def _source_type(field: ProtoField) -> pa.DataType:
    """Give the type that a field was derived from, as far as it is cast on the way."""
    type_ = value_type(field)
    type_ = type_.storage_type if isinstance(type_, pa.BaseExtensionType) else type_
    return type_.value_type if types.is_dictionary(type_) else type_


def _numbers(enum: ProtoEnum, array: Array, path: str) -> Array:
    """Turn names into numbers; digits are the number that they spell."""
    if types.is_integer(array.type):
        return array.cast(pa.int32())
    if types.is_null(array.type):
        return array.cast(pa.int32())
    if not types.is_dictionary(array.type):
        if not is_text(array.type):
            raise ColumnTypeError(
                f"column {path!r} is of type {array.type}; names of enum {enum.name} were expected"
            )
        array = array.dictionary_encode()
    known = dict(enum.values)
    numbers = []
    for name in array.dictionary.to_pylist():
        number = known.get(name)
        if number is None and name is not None and DIGITS.fullmatch(name):
            number = int(name) if -(2**31) <= int(name) < 2**31 else None
        if number is None and name is not None:
            raise SerializationError(
                f"Protobuf: $.{path}: {name!r} is no name of enum {enum.name}: it has "
                f"{', '.join(known)}",
                path=f"$.{path}",
            )
        numbers.append(number)
    return pa.array(numbers, pa.int32()).take(array.indices)
