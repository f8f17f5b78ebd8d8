"""Types of Avro as types of Arrow, and the other way round."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import types

from tidegate.core.columntypes import is_text
from tidegate.core.errors import SerializationError
from tidegate.core.formats.avroschema import AvroType, is_name

__all__ = [
    "VALUE",
    "arrow_schema_of",
    "arrow_type_of",
    "avro_schema_of",
    "null_branch_of",
    "record_schema_of",
]

VALUE = "value"  # the column of a schema that is no record
ROW = "Row"  # the name of a record that has none

PLAIN: dict[str, pa.DataType] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}
LOGICAL: dict[str, pa.DataType] = {
    "uuid": pa.uuid(),
    "date": pa.date32(),
    "time-millis": pa.time32("ms"),
    "time-micros": pa.time64("us"),
    "timestamp-millis": pa.timestamp("ms", "UTC"),
    "timestamp-micros": pa.timestamp("us", "UTC"),
    "timestamp-nanos": pa.timestamp("ns", "UTC"),
    "local-timestamp-millis": pa.timestamp("ms"),
    "local-timestamp-micros": pa.timestamp("us"),
    "local-timestamp-nanos": pa.timestamp("ns"),
    "duration": pa.month_day_nano_interval(),
}
UNITS = {"s": "millis", "ms": "millis", "us": "micros", "ns": "nanos"}
DECIMAL128, DECIMAL256 = 38, 76  # digits


def null_branch_of(type_: AvroType) -> int:
    """Give which branch is null of a union of null and one other type; -1 for all else."""
    if type_.kind != "union" or len(type_.branches) != 2:
        return -1
    kinds = [branch.kind for branch in type_.branches]
    return kinds.index("null") if "null" in kinds else -1


def arrow_field_of(name: str, type_: AvroType, path: str) -> pa.Field[Any]:
    """Give the field for a type; a union of null and one other is nullable."""
    null_branch = null_branch_of(type_)
    if null_branch >= 0:
        return pa.field(name, arrow_type_of(type_.branches[1 - null_branch], path), nullable=True)
    return pa.field(name, arrow_type_of(type_, path), nullable=type_.kind == "null")


def arrow_type_of(type_: AvroType, path: str = "$") -> pa.DataType:
    """Give the Arrow type of a type of Avro.

    Parameters
    ----------
    type_
        The checked type.
    path
        Where it stands, for the message.

    Raises
    ------
    SerializationError
        A decimal has more than 76 digits.

    Examples
    --------
    >>> arrow_type_of(AvroType("long", logical="timestamp-micros"))
    TimestampType(timestamp[us, tz=UTC])
    """
    if type_.logical == "decimal":
        if type_.precision > DECIMAL256:
            raise SerializationError(
                f"Avro: {path}: a decimal of {type_.precision} digits; Arrow's have up to "
                f"{DECIMAL256}",
                path=path,
            )
        make = pa.decimal128 if type_.precision <= DECIMAL128 else pa.decimal256
        return make(type_.precision, type_.scale)
    if type_.logical:
        return LOGICAL[type_.logical]
    if type_.kind in PLAIN:
        return PLAIN[type_.kind]
    if type_.kind == "fixed":
        return pa.binary(type_.size)
    if type_.kind == "enum":
        return pa.dictionary(pa.int32(), pa.string())
    if type_.kind == "record":
        return pa.struct(
            [arrow_field_of(one.name, one.type, f"{path}.{one.name}") for one in type_.fields]
        )
    if type_.kind == "array" and type_.items is not None:
        return pa.list_(arrow_field_of("item", type_.items, f"{path}[]"))
    if type_.kind == "map" and type_.items is not None:
        key: Any = pa.field("key", pa.string(), nullable=False)
        value: Any = arrow_field_of("value", type_.items, f"{path}{{}}")
        made: pa.DataType = pa.map_(key, value)
        return made
    if len(type_.branches) == 1:
        return arrow_type_of(type_.branches[0], path)
    return pa.dense_union(
        [arrow_field_of(one.name or one.kind, one, path) for one in type_.branches]
    )


def arrow_schema_of(type_: AvroType) -> pa.Schema:
    """Give the columns of a schema: the fields of a record, or one column ``value``.

    Examples
    --------
    >>> print(arrow_schema_of(AvroType("long")))
    value: int64 not null
    """
    if type_.kind != "record":
        return pa.schema([arrow_field_of(VALUE, type_, "$")])
    return pa.schema([arrow_field_of(one.name, one.type, f"$.{one.name}") for one in type_.fields])


def record_schema_of(type_: AvroType) -> pa.Schema:
    """Give the columns that dicts become on their way to Avro: null anywhere, enums as strings.

    What may not be null, and what is no symbol, is found where it is written; dicts become plainer
    columns faster.
    """
    return pa.schema([pa.field(one.name, _loose(one.type)) for one in arrow_schema_of(type_)])


def _loose(type_: Any) -> pa.DataType:
    """Give a type without what makes no difference to what is written."""
    if types.is_dictionary(type_):
        plain: pa.DataType = type_.value_type
        return plain
    if types.is_struct(type_):
        below = [type_.field(i) for i in range(type_.num_fields)]
        return pa.struct([pa.field(one.name, _loose(one.type)) for one in below])
    if types.is_map(type_):
        return pa.map_(type_.key_type, _loose(type_.item_type))
    return pa.list_(_loose(type_.value_type)) if types.is_list(type_) else type_


def avro_schema_of(schema: pa.Schema, name: str = ROW) -> dict[str, Any]:
    """Give the schema of Avro for columns of Arrow.

    Parameters
    ----------
    schema
        The columns. Dictionaries become what their values are: the symbols of an enum are no
        part of an Arrow type. A zone is lost, the instants are not.
    name
        Of the record.

    Returns
    -------
    dict
        To be written as JSON.

    Raises
    ------
    SerializationError
        A type or a name has no like in Avro; says which.

    Examples
    --------
    >>> avro_schema_of(pa.schema([pa.field("size", pa.int64(), nullable=False)]))
    {'type': 'record', 'name': 'Row', 'fields': [{'name': 'size', 'type': 'long'}]}
    """
    if not all(map(is_name, name.split("."))):
        raise SerializationError(f"Avro: {name!r} is no name of a record")
    return _Namer(name).record(list(schema), name, "$")


class _Namer:
    """Makes schemas, and keeps the names of their types apart."""

    def __init__(self, name: str) -> None:
        self._names = {name}

    def _new(self, path: str) -> str:
        """Give a name that is not taken, after the path."""
        stem = "_".join(
            part for part in path[1:].replace("[]", "").replace("{}", "").split(".") if part
        )
        stem, name, n = stem or "value", stem or "value", 1
        while name in self._names:
            n += 1
            name = f"{stem}_{n}"
        self._names.add(name)
        return name

    def record(self, fields: list[pa.Field[Any]], name: str, path: str) -> dict[str, Any]:
        """Give the record of some fields."""
        listed = []
        for one in fields:
            below = f"{path}.{one.name}"
            if not is_name(one.name):
                raise _none(below, f"{one.name!r} is no name in Avro", "rename the column")
            made: dict[str, Any] = {"name": one.name, "type": self.field(one, below)}
            if one.nullable and isinstance(made["type"], list) and made["type"][0] == "null":
                made["default"] = None
            listed.append(made)
        if len({one["name"] for one in listed}) < len(listed):
            raise _none(path, "two columns have one name", "rename one")
        return {"type": "record", "name": name, "fields": listed}

    def field(self, field: pa.Field[Any], path: str) -> Any:
        """Give the type of a field."""
        made = self.type(field.type, path)
        if not field.nullable or made == "null" or isinstance(made, list):
            return made
        return ["null", made]

    def type(self, type_: Any, path: str) -> Any:
        """Give the type for a type of Arrow."""
        if types.is_dictionary(type_) or types.is_run_end_encoded(type_):
            return self.type(type_.value_type, path)
        if type_ == pa.uuid():
            return {"type": "string", "logicalType": "uuid"}
        if isinstance(type_, pa.BaseExtensionType):
            return self.type(type_.storage_type, path)
        if types.is_struct(type_):
            below = [type_.field(i) for i in range(type_.num_fields)]
            return self.record(below, self._new(path), path)
        if types.is_map(type_):
            if not is_text(type_.key_type):
                raise _none(path, f"keys of type {type_.key_type}", "make them strings")
            return {"type": "map", "values": self.field(type_.item_field, f"{path}{{}}")}
        if _is_list(type_):
            return {"type": "array", "items": self.field(type_.value_field, f"{path}[]")}
        if types.is_union(type_) and type_.mode == "dense":
            branches = [type_.field(i) for i in range(type_.num_fields)]
            return [self.type(branch.type, path) for branch in branches]
        made = self._leaf(type_, path)
        if made is None:
            raise _none(path, f"type {type_} has no like in Avro", "cast the column")
        return made

    def _leaf(self, type_: Any, path: str) -> Any:
        """Give the type for a type without others in it; None where there is none."""
        if types.is_null(type_) or types.is_boolean(type_):
            return "null" if types.is_null(type_) else "boolean"
        if types.is_integer(type_):
            is_long = type_.bit_width == 64 or type_ == pa.uint32()
            return "long" if is_long else "int"
        if types.is_floating(type_):
            return "double" if types.is_float64(type_) else "float"
        if is_text(type_):
            return "string"
        if types.is_fixed_size_binary(type_):
            return {"type": "fixed", "name": self._new(path), "size": type_.byte_width}
        if types.is_binary(type_) or types.is_large_binary(type_) or types.is_binary_view(type_):
            return "bytes"
        if types.is_decimal(type_):
            if type_.scale < 0:
                return None
            parts = {"precision": type_.precision, "scale": type_.scale}
            return {"type": "bytes", "logicalType": "decimal", **parts}
        return self._time(type_, path)

    def _time(self, type_: Any, path: str) -> Any:
        """Give the type for a type of times."""
        if types.is_date(type_):
            return {"type": "int", "logicalType": "date"}
        if types.is_time32(type_):
            return {"type": "int", "logicalType": "time-millis"}
        if types.is_time64(type_) and type_.unit == "us":
            return {"type": "long", "logicalType": "time-micros"}
        if types.is_timestamp(type_):
            local = "" if type_.tz is not None else "local-"
            return {"type": "long", "logicalType": f"{local}timestamp-{UNITS[type_.unit]}"}
        if type_ == pa.month_day_nano_interval():
            name = self._new(path)
            return {"type": "fixed", "name": name, "size": 12, "logicalType": "duration"}
        return None


def _is_list(type_: pa.DataType) -> bool:
    return (
        types.is_list(type_)
        or types.is_large_list(type_)
        or types.is_fixed_size_list(type_)
        or types.is_list_view(type_)
        or types.is_large_list_view(type_)
    )


def _none(path: str, what: str, advice: str) -> SerializationError:
    """Make the error of a column that Avro can't have."""
    return SerializationError(f"Avro: {path}: {what}: {advice}", path=path)
