"""Message types out of Arrow schemas, and the ``.proto`` text of one.

The rule: a column is a field of the same name, numbered in column order from 1.

=============================================== ============================================
int8, int16, int32; int64                       int32; int64
uint8, uint16, uint32; uint64                   uint32; uint64
half, float; double; bool                       float; double; bool
string, large, view; decimals                   string
binary, large, view, fixed size                 bytes
date32, time32; date64, time64                  int32; int64, the number that Arrow has
timestamp; duration                             google.protobuf.Timestamp; Duration
dictionary                                      as its values
null                                            bool, that is never there
struct                                          a message
list, large, fixed size                         repeated, packed where it can be
map                                             map
=============================================== ============================================

A nullable column is ``optional``. Lists, maps and their items have no null in Protobuf: one is an
error when it is written. A reader that is made from the same schema gives its types back, the
numbers of nanoseconds, of a dictionary and of a decimal included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from pyarrow import types

from tidegate.core.errors import ColumnTypeError, InputError
from tidegate.core.formats.protoschema import Kind, Label, ProtoField, ProtoMessage
from tidegate.core.formats.prototypes import DURATION, TIMESTAMP, item_type

__all__ = ["message_of_schema", "proto_text"]

KINDS: list[tuple[Callable[[Any], bool], Kind]] = [
    (types.is_int64, Kind.INT64),
    (types.is_uint64, Kind.UINT64),
    (types.is_signed_integer, Kind.INT32),
    (types.is_unsigned_integer, Kind.UINT32),
    (types.is_float64, Kind.DOUBLE),
    (types.is_floating, Kind.FLOAT),
    (types.is_boolean, Kind.BOOL),
    (types.is_null, Kind.BOOL),
    (types.is_string, Kind.STRING),
    (types.is_large_string, Kind.STRING),
    (types.is_string_view, Kind.STRING),
    (types.is_decimal, Kind.STRING),
    (types.is_binary, Kind.BYTES),
    (types.is_large_binary, Kind.BYTES),
    (types.is_binary_view, Kind.BYTES),
    (types.is_fixed_size_binary, Kind.BYTES),
    (types.is_date32, Kind.INT32),
    (types.is_time32, Kind.INT32),
    (types.is_date64, Kind.INT64),
    (types.is_time64, Kind.INT64),
]
LISTS = (types.is_list, types.is_large_list, types.is_fixed_size_list)
KEYS = {kind for kind in Kind if kind not in (Kind.DOUBLE, Kind.FLOAT, Kind.BYTES, Kind.ENUM)} - {
    Kind.MESSAGE,
    Kind.GROUP,
}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FIRST_RESERVED, N_RESERVED = 19_000, 1_000


def message_of_schema(schema: pa.Schema, name: str = "Record") -> ProtoMessage:
    """Derive a message type from an Arrow schema, by the rule of this module.

    Parameters
    ----------
    schema
        The columns.
    name
        Name of the message.

    Raises
    ------
    ColumnTypeError
        A column has no counterpart: lists of lists or of maps, unions, keys that are no integers
        or strings, a name that is no identifier.
    InputError
        The name of the message is none.
    """
    if not all(NAME.fullmatch(part) for part in name.split(".")):
        raise InputError(f"{name!r} is no name of a message: letters, digits, underscores and dots")
    return _message(name, list(schema), "")


def _message(name: str, columns: list[pa.Field[Any]], path: str) -> ProtoMessage:
    """Derive a message of some columns."""
    fields = []
    taken = {column.name for column in columns}
    for i, column in enumerate(columns, 1):
        place = f"{path}.{column.name}" if path else column.name
        if not NAME.fullmatch(column.name):
            raise ColumnTypeError(
                f"column {place!r}: the name of a Protobuf field is letters, digits and "
                "underscores: rename the column"
            )
        number = i if i < FIRST_RESERVED else i + N_RESERVED
        inner = _camel(column.name)
        if types.is_map(column.type):
            taken.add(f"{inner}Entry")  # the name that a map gives to its entries
            inner += "Value"
        while inner in taken:
            inner += "_"
        taken.add(inner)
        fields.append(_field(column, number, f"{name}.{inner}", place))
    return ProtoMessage(name, tuple(fields))


def _camel(name: str) -> str:
    """Give the name of the message of a field."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) or "Message"


def _field(column: pa.Field[Any], number: int, name: str, path: str) -> ProtoField:
    """Derive a field."""
    type_ = column.type
    if types.is_map(type_):
        key = _value("key", 1, type_.key_type, name, path, Label.IMPLICIT)
        value = _value("value", 2, type_.item_type, name, path, Label.IMPLICIT)
        if key.kind not in KEYS:
            raise ColumnTypeError(
                f"column {path!r}: keys of type {type_.key_type}; Protobuf's are integers, bool or "
                "string"
            )
        entry = ProtoMessage(f"{name}Entry", (key, value), is_entry=True)
        return ProtoField(
            column.name,
            number,
            Kind.MESSAGE,
            Label.REPEATED,
            message=entry,
            arrow_type=type_,
            is_nullable=column.nullable,
        )
    if any(is_list(type_) for is_list in LISTS):
        one = _value(column.name, number, item_type(type_), name, path, Label.REPEATED)
        is_packed = one.kind not in (Kind.STRING, Kind.BYTES, Kind.MESSAGE)
        label = Label.PACKED if is_packed else Label.REPEATED
        return ProtoField(
            column.name,
            number,
            one.kind,
            label,
            message=one.message,
            arrow_type=type_,
            is_nullable=column.nullable,
        )
    label = Label.OPTIONAL if column.nullable else Label.IMPLICIT
    return _value(column.name, number, type_, name, path, label)


def _value(
    field: str, number: int, type_: pa.DataType, name: str, path: str, label: Label
) -> ProtoField:
    """Derive a field of one value."""
    plain = type_.storage_type if isinstance(type_, pa.BaseExtensionType) else type_
    plain = plain.value_type if types.is_dictionary(plain) else plain
    null = label == Label.OPTIONAL
    message = _known(plain)
    if types.is_struct(plain):
        message = _message(name, [plain.field(i) for i in range(plain.num_fields)], path)
    if message is not None:
        return ProtoField(
            field, number, Kind.MESSAGE, label, message=message, arrow_type=type_, is_nullable=null
        )
    for is_type, kind in KINDS:
        if is_type(plain):
            return ProtoField(field, number, kind, label, arrow_type=type_, is_nullable=null)
    raise ColumnTypeError(f"column {path!r}: type {type_} has no counterpart in Protobuf: cast it")


def _known(type_: pa.DataType) -> ProtoMessage | None:
    """Give the message that times are written as."""
    name = TIMESTAMP if types.is_timestamp(type_) else DURATION
    if not types.is_timestamp(type_) and not types.is_duration(type_):
        return None
    seconds = ProtoField("seconds", 1, Kind.INT64, Label.IMPLICIT)
    return ProtoMessage(name, (seconds, ProtoField("nanos", 2, Kind.INT32, Label.IMPLICIT)))


def proto_text(message: ProtoMessage) -> str:
    """Write a derived message type as a ``.proto`` file, for others to read it.

    Parameters
    ----------
    message
        As `message_of_schema` gave it.

    Examples
    --------
    >>> columns = pa.schema([pa.field("ts", pa.int64(), nullable=False), ("px", pa.float64())])
    >>> print(proto_text(message_of_schema(columns, "Tick")))
    syntax = "proto3";
    <BLANKLINE>
    message Tick {
      int64 ts = 1;
      optional double px = 2;
    }
    <BLANKLINE>
    """
    lines = ['syntax = "proto3";', ""]
    package = message.name.rpartition(".")[0]
    if package:
        lines += [f"package {package};", ""]
    head = len(lines)
    body = list(_lines(message, ""))
    for name in (DURATION, TIMESTAMP):
        if any(name in line for line in body):
            lines.append(f'import "{name.replace(".", "/").lower()}.proto";')
    if len(lines) > head:
        lines.append("")
    return "\n".join([*lines, *body, ""])


def _lines(message: ProtoMessage, indent: str) -> Iterator[str]:
    """Write a message, those in it first."""
    yield f"{indent}message {message.name.rpartition('.')[2]} {{"
    for field in message.fields:
        inner = field.message
        if inner is not None and inner.is_entry:
            inner = inner.fields[1].message
        if inner is not None and inner.name not in (TIMESTAMP, DURATION):
            yield from _lines(inner, indent + "  ")
    for field in message.fields:
        label = {Label.IMPLICIT: "", Label.OPTIONAL: "optional "}.get(field.label, "repeated ")
        if field.is_map and field.message is not None:
            key, value = map(_type, field.message.fields)
            type_, label = f"map<{key}, {value}>", ""
        else:
            type_ = _type(field)
            label = "" if field.message is not None and not field.is_repeated else label
        yield f"{indent}  {label}{type_} {field.name} = {field.number};"
    yield f"{indent}}}"


def _type(field: ProtoField) -> str:
    """Name the type of one value."""
    if field.message is None:
        return field.kind.name.lower()
    known = field.message.name in (TIMESTAMP, DURATION)
    return field.message.name if known else field.message.name.rpartition(".")[2]
