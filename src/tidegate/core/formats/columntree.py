"""Arrow types into the layout of a `Builder`, and what it has built into Arrow arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pyarrow import types

from tidegate.core.errors import ColumnTypeError

__all__ = ["Layout", "Taken", "array_of", "batch_of", "children_of", "layout_of", "storage_of"]

Layout = tuple[int, int, int, int, bool]
Taken = tuple[int, int, Any, Any, Any]

# The shapes of builders.pxd.
NOTHING, FIXED, BITS, BYTES, ITEMS, FIELDS, BRANCHES = range(7)
CODE_BYTES = 4  # codes of dictionaries are int32


def storage_of(type_: pa.DataType) -> pa.DataType:
    """Give the type that an extension type is stored as."""
    return type_.storage_type if isinstance(type_, pa.BaseExtensionType) else type_


def children_of(type_: pa.DataType) -> list[pa.Field[Any]]:
    """Give the fields below a type: of a map its key and its value are two steps down."""
    if types.is_map(type_):
        return [pa.field("entries", pa.struct([type_.key_field, type_.item_field]), nullable=False)]
    if types.is_list(type_):
        return [type_.value_field]
    if types.is_struct(type_) or types.is_union(type_):
        return [type_.field(i) for i in range(type_.num_fields)]
    return []


def shape_of(type_: pa.DataType) -> tuple[int, int]:
    """Give the shape and the width of a column."""
    if types.is_null(type_):
        return NOTHING, 0
    if types.is_boolean(type_):
        return BITS, 1
    if types.is_string(type_) or types.is_binary(type_):
        return BYTES, 0
    if types.is_list(type_) or types.is_map(type_):
        return ITEMS, 0
    if types.is_struct(type_):
        return FIELDS, 0
    if types.is_union(type_) and type_.mode == "dense":
        return BRANCHES, 0
    if types.is_dictionary(type_) and types.is_int32(type_.index_type):
        return FIXED, CODE_BYTES
    if types.is_primitive(type_) or types.is_fixed_size_binary(type_) or types.is_decimal(type_):
        return FIXED, type_.byte_width
    if type_ == pa.month_day_nano_interval():
        return FIXED, 16
    raise ColumnTypeError(f"columns of type {type_} can't be built")


def layout_of(fields: list[pa.Field[Any]]) -> list[Layout]:
    """Lay out the columns of a batch.

    Parameters
    ----------
    fields
        The columns of the batch.

    Returns
    -------
    list of tuple (shape, width, first, n_children, nullable)
        The columns of the batch, then their children; those of one column side by side, behind
        all that came before. `Builder` takes it.

    Examples
    --------
    >>> layout_of([pa.field("legs", pa.list_(pa.float64()), nullable=False)])
    [(4, 0, 1, 1, False), (1, 8, 0, 0, True)]
    """
    waiting = list(fields)
    layout: list[Layout] = []
    for field in waiting:  # grows as it goes
        type_ = storage_of(field.type)
        shape, width = shape_of(type_)
        below = children_of(type_)
        has_bitmap = field.nullable and shape not in (NOTHING, BRANCHES)
        layout.append((shape, width, len(waiting) if below else 0, len(below), has_bitmap))
        waiting.extend(below)
    return layout


def array_of(
    field: pa.Field[Any],
    at: int,
    layout: list[Layout],
    taken: list[Taken],
    dictionaries: Mapping[int, pa.Array[Any]],
) -> pa.Array[Any]:
    """Make an array of what was built.

    Parameters
    ----------
    field
        The column.
    at
        Where it is in the layout.
    layout
        As `layout_of` gave it.
    taken
        As `Builder.take` gave it.
    dictionaries
        The values of the dictionary columns, by their place in the layout.
    """
    type_ = field.type
    if isinstance(type_, pa.BaseExtensionType):
        plain = field.with_type(type_.storage_type)
        return pa.ExtensionArray.from_storage(
            type_, array_of(plain, at, layout, taken, dictionaries)
        )
    _, _, first, _, _ = layout[at]
    n, n_nulls, valid, values, content = taken[at]
    children = [
        array_of(child, first + i, layout, taken, dictionaries)
        for i, child in enumerate(children_of(type_))
    ]
    if types.is_null(type_):
        return pa.nulls(n)
    if types.is_union(type_):
        parts = [None, as_buffer(values), as_buffer(content)]
        return pa.Array.from_buffers(type_, n, parts, 0, 0, children)
    plain_type = type_.index_type if types.is_dictionary(type_) else type_
    buffers = [as_buffer(valid), as_buffer(values), as_buffer(content)]
    n_buffers = 3 if types.is_string(type_) or types.is_binary(type_) else 2
    n_buffers = 1 if types.is_struct(type_) else n_buffers
    array = pa.Array.from_buffers(plain_type, n, buffers[:n_buffers], n_nulls, 0, children or None)
    if types.is_dictionary(type_):
        return pa.DictionaryArray.from_arrays(array, dictionaries[at], ordered=type_.ordered)
    return array


def as_buffer(memory: Any) -> pa.Buffer | None:
    """Give memory as Arrow knows it."""
    return pa.py_buffer(memory) if isinstance(memory, bytes) else memory


def batch_of(
    schema: pa.Schema,
    layout: list[Layout],
    taken: list[Taken],
    n_rows: int,
    dictionaries: Mapping[int, pa.Array[Any]],
) -> pa.RecordBatch:
    """Make a record batch of what was built; see `array_of`."""
    arrays = [array_of(field, i, layout, taken, dictionaries) for i, field in enumerate(schema)]
    if not arrays:
        rows: Any = pa.Array.from_buffers(pa.struct([]), n_rows, [None])
        return pa.RecordBatch.from_struct_array(rows)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
