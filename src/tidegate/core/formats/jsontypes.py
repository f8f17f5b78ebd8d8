"""What JSON lines are in Arrow: the types that lines are read by, and those they are held to."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any, TypedDict

import pyarrow as pa

from tidegate.core.convert import Place
from tidegate.core.errors import InputError, SerializationError, TidegateError
from tidegate.core.pyvalues import cast_column
from tidegate.core.records import to_table

__all__ = ["conform", "row_hint", "typed_table"]


def conform(table: pa.Table, n_rows: int, schema: pa.Schema, n_lines: int) -> pa.Table:
    """Give later rows the types of the first ones."""
    hint = "; give a schema, since the types of the first 4 MiB hold for all"
    new = [name for name in table.column_names if name not in schema.names]
    if new:
        raise SerializationError(f"JSON: after line {n_lines}: field {new[0]!r} is new{hint}")
    columns: list[Any] = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(n_rows, field.type))
            continue
        column = table.column(field.name)
        if not _may_be(column.type, field.type):
            raise SerializationError(
                f"JSON: after line {n_lines}: field {field.name!r} is {column.type}, and "
                f"{field.type} before{hint}"
            )
        try:
            columns.append(cast_column(column, field.type, Place(field.name, "field", "record")))
        except TidegateError as error:
            raise SerializationError(f"JSON: after line {n_lines}: {error}{hint}") from error
    return pa.Table.from_arrays(columns, schema=schema)


def _may_be(found: Any, wanted: Any) -> bool:
    """Tell whether a guessed type may be cast to another: no value changes by that."""
    if found == wanted or pa.types.is_null(found):
        return True
    if pa.types.is_list(found) and pa.types.is_list(wanted):
        return _may_be(found.value_type, wanted.value_type)
    if pa.types.is_struct(found) and pa.types.is_struct(wanted):
        known = {field.name: field.type for field in wanted}
        return all(
            field.name in known and _may_be(field.type, known[field.name]) for field in found
        )
    return bool(pa.types.is_integer(found) and pa.types.is_floating(wanted))


def typed_table(records: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Make a table of a given schema; times come as texts or, on the outside, as integers."""
    read = []
    for field in schema:
        type_ = _without_times(field.type)
        if pa.types.is_timestamp(field.type):
            values = (record.get(field.name) for record in records)
            if isinstance(next((value for value in values if value is not None), None), int):
                type_ = pa.int64()
        read.append(field.with_type(type_))
    table = to_table(records, pa.schema(read))
    columns: list[Any] = [
        cast_column(column, field.type, Place(field.name, "field", "record"))
        for column, field in zip(table.columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _without_times(type_: Any) -> pa.DataType:
    """Put text in the place of times."""
    if pa.types.is_timestamp(type_):
        return pa.string()
    if pa.types.is_dictionary(type_):
        return _without_times(type_.value_type)
    if pa.types.is_list(type_):
        return pa.list_(type_.value_field.with_type(_without_times(type_.value_type)))
    if pa.types.is_large_list(type_):
        return pa.large_list(type_.value_field.with_type(_without_times(type_.value_type)))
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(_without_times(field.type)) for field in type_])
    found: pa.DataType = type_
    return found


def row_hint(fields: Any) -> Any:
    """Say what msgspec may accept for a record; the names are those of the fields."""
    names = [field.name for field in fields]
    if len(set(names)) < len(names):
        raise InputError(f"the schema has two fields of one name: {', '.join(names)}")
    hints = {field.name: _hint(field.type) for field in fields}
    return TypedDict("Row", hints, total=False)  # type: ignore[operator]


def _hint(type_: Any) -> Any:
    """Say what msgspec may accept for a value; null always."""
    if pa.types.is_dictionary(type_):
        return _hint(type_.value_type)
    if any(check(type_) for check in (pa.types.is_list, pa.types.is_large_list)) or (
        pa.types.is_fixed_size_list(type_)
    ):
        return list[_hint(type_.value_type)] | None  # type: ignore[misc]
    if pa.types.is_map(type_):
        return list[tuple[_hint(type_.key_type), _hint(type_.item_type)]] | None  # type: ignore[misc]
    if pa.types.is_struct(type_):
        return row_hint(type_) | None
    if pa.types.is_null(type_):
        return None
    return next((hint for check, hint in _HINTS if check(type_)), Any)


_HINTS: tuple[tuple[Any, Any], ...] = (
    (pa.types.is_boolean, bool | None),
    (pa.types.is_integer, int | None),
    (pa.types.is_duration, int | None),
    (pa.types.is_floating, float | None),
    (pa.types.is_timestamp, str | int | None),
    (pa.types.is_date, dt.date | None),
    (pa.types.is_time, dt.time | None),
    (pa.types.is_decimal, decimal.Decimal | None),
    (pa.types.is_fixed_size_binary, bytes | None),
    (lambda t: t in (pa.binary(), pa.large_binary(), pa.binary_view()), bytes | None),
    (lambda t: t in (pa.string(), pa.large_string(), pa.string_view()), str | None),
)
