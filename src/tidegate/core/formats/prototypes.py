"""The Arrow types of Protobuf fields.

========================================= ===============================================
int32, sint32, sfixed32                   int32
int64, sint64, sfixed64                   int64
uint32, fixed32; uint64, fixed64          uint32; uint64
float, double, bool, string, bytes        float32, float64, bool, string, binary
enum                                      dictionary of strings: the names
message                                   struct
repeated; map                             list; map
google.protobuf.Timestamp                 timestamp[ns, UTC]
google.protobuf.Duration                  duration[ns]
google.protobuf.Int64Value and its like   the type of its value
========================================= ===============================================

A field that says whether it is there is nullable, all others are not. An enum's number without a
name is the string of the number, which no name can be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from tidegate.core.formats.protoschema import Kind, Label, ProtoField, ProtoMessage

make_map: Callable[..., pa.DataType] = pa.map_  # the stubs don't know all that it takes

__all__ = [
    "CODES",
    "DURATION",
    "TIMESTAMP",
    "arrow_field",
    "arrow_schema",
    "is_wrapper",
    "item_type",
    "make_map",
    "value_type",
    "wire_field",
    "wire_schema",
    "wire_type",
]

TIMESTAMP = "google.protobuf.Timestamp"
DURATION = "google.protobuf.Duration"
WRAPPERS = {
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
}
CODES = pa.dictionary(pa.int32(), pa.string())

PLAIN: dict[Kind, pa.DataType] = {
    Kind.DOUBLE: pa.float64(),
    Kind.FLOAT: pa.float32(),
    Kind.INT64: pa.int64(),
    Kind.UINT64: pa.uint64(),
    Kind.INT32: pa.int32(),
    Kind.FIXED64: pa.uint64(),
    Kind.FIXED32: pa.uint32(),
    Kind.BOOL: pa.bool_(),
    Kind.STRING: pa.string(),
    Kind.BYTES: pa.binary(),
    Kind.UINT32: pa.uint32(),
    Kind.ENUM: pa.int32(),
    Kind.SFIXED32: pa.int32(),
    Kind.SFIXED64: pa.int64(),
    Kind.SINT32: pa.int32(),
    Kind.SINT64: pa.int64(),
}


def is_wrapper(message: ProtoMessage) -> bool:
    """Say whether a message only wraps a value, to tell of its absence."""
    return message.name in WRAPPERS and len(message.fields) == 1


def wire_type(field: ProtoField) -> pa.DataType:
    """Give the type of one value as it is on the wire: enums as numbers, messages as structs."""
    if field.message is None:
        return PLAIN[field.kind]
    return pa.struct([wire_field(inner) for inner in field.message.fields])


def wire_field(field: ProtoField) -> pa.Field[Any]:
    """Give the column of a field as the decoder builds it."""
    if field.message is not None and field.message.is_entry:
        key, value = (wire_field(inner) for inner in field.message.fields)
        return pa.field(field.name, make_map(key.type, value), nullable=False)
    type_ = wire_type(field)
    if field.is_repeated:
        type_ = pa.list_(pa.field("item", type_, nullable=False))
    return pa.field(field.name, type_, nullable=field.label in (Label.OPTIONAL, Label.REQUIRED))


def wire_schema(message: ProtoMessage) -> pa.Schema:
    """Give the columns of a message as the decoder builds them."""
    return pa.schema([wire_field(field) for field in message.fields])


def item_type(type_: Any) -> pa.DataType:
    """Give the type of the items of a list or, as a struct, of a map."""
    if pa.types.is_map(type_):
        return pa.struct([type_.key_field, type_.item_field])
    value: pa.DataType = type_.value_type
    return value


def value_type(field: ProtoField) -> pa.DataType:
    """Give the Arrow type of one value of a field."""
    if field.arrow_type is not None:
        return item_type(field.arrow_type) if field.is_repeated else field.arrow_type
    if field.kind == Kind.ENUM:
        return CODES
    if field.message is None:
        return PLAIN[field.kind]
    if field.message.name == TIMESTAMP:
        return pa.timestamp("ns", "UTC")
    if field.message.name == DURATION:
        return pa.duration("ns")
    if is_wrapper(field.message):
        return value_type(field.message.fields[0])
    return pa.struct([arrow_field(inner) for inner in field.message.fields])


def arrow_field(field: ProtoField) -> pa.Field[Any]:
    """Give the column of a field."""
    nullable = field.label == Label.OPTIONAL
    if field.arrow_type is not None:
        return pa.field(field.name, field.arrow_type, nullable=field.is_nullable or False)
    type_ = value_type(field)
    if field.is_map:
        key, value = type_.field(0), type_.field(1)
        type_ = make_map(key.type, value.with_nullable(False))
    elif field.is_repeated:
        type_ = pa.list_(pa.field("item", type_, nullable=False))
    return pa.field(field.name, type_, nullable=nullable)


def arrow_schema(message: ProtoMessage) -> pa.Schema:
    """Give the Arrow schema of the columns of a message type.

    Examples
    --------
    >>> side = ProtoField("side", 1, Kind.STRING, Label.OPTIONAL)
    >>> sizes = ProtoField("sizes", 2, Kind.SINT32, Label.PACKED)
    >>> arrow_schema(ProtoMessage("Fill", (side, sizes))).types
    [DataType(string), ListType(list<item: int32 not null>)]
    """
    return pa.schema([arrow_field(field) for field in message.fields])
