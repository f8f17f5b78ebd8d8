"""What was read of Protobuf into the columns' own types: enums, times, wrapped values, maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from tidegate.core.errors import SerializationError
from tidegate.core.formats.protoschema import Kind, Label, ProtoEnum, ProtoField
from tidegate.core.formats.prototypes import (
    DURATION,
    TIMESTAMP,
    arrow_field,
    is_wrapper,
    make_map,
    value_type,
    wire_field,
)

__all__ = ["UNITS", "finish", "is_plain"]

Problem = Callable[[str, "int | None", str], SerializationError]
Array = Any  # pyarrow's stubs know an array by the type of its values only

py_buffer: Callable[[Any], pa.Buffer] = pa.py_buffer  # the stubs know only some of what it takes
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # of a second
NANOS = 10**9
LARGEST, SMALLEST = 2**63 - 1, -(2**63)
DENSE = 1 << 12  # numbers of an enum that a table is made for


def is_plain(field: ProtoField) -> bool:
    """Say whether the column of a field is what the decoder built."""
    if field.kind == Kind.ENUM or field.label == Label.REQUIRED or field.is_map:
        return False
    if arrow_field(field).type != wire_field(field).type:
        return False
    return field.message is None or all(map(is_plain, field.message.fields))


def finish(
    field: ProtoField,
    array: Array,
    path: str,
    problem: Problem,
    *,
    parents: Array = None,
    is_row: bool = True,
) -> Array:
    """Turn the column of a field into its own type.

    Parameters
    ----------
    field
        The field.
    array
        As the decoder built it.
    path
        Way to the field.
    problem
        Makes the error of a path, a row, and what is wrong.
    parents
        bool (n,), which messages are there; None: all.
    is_row
        Whether a place in the array is a row.

    Raises
    ------
    SerializationError
        A required field is missing, or a time does not fit its type.
    """
    if not field.is_repeated:
        done = finish_value(field, array, path, problem, is_row=is_row)
        if field.label == Label.REQUIRED and array.null_count:
            missing = np.asarray(array.is_null())
            missing = missing if parents is None else missing & np.asarray(parents)
            if missing.any():
                raise problem(path, int(missing.argmax()) if is_row else None, "it is required")
        return done
    if field.is_map:
        return _map(field, array, path, problem)
    values = finish_value(field, array.values, f"{path}[]", problem, is_row=False)
    type_ = pa.list_(pa.field("item", values.type, nullable=False))
    return _like_source(field, _remade(type_, array, [values]), path, problem)


def _remade(type_: pa.DataType, array: Array, children: list[Array]) -> Array:
    """Give an array, which begins at the start of its buffers, other children."""
    n_buffers = 1 if pa.types.is_struct(type_) else 2
    buffers = array.buffers()[:n_buffers]
    return pa.Array.from_buffers(type_, len(array), buffers, array.null_count, 0, children)


def finish_value(
    field: ProtoField, array: Array, path: str, problem: Problem, *, is_row: bool
) -> Array:
    """Turn single values into their own type."""
    type_ = value_type(field)
    if field.enum is not None:
        return _names(field.enum, array)
    if field.message is None:
        return array if array.type == type_ else _as_type(array, type_, path, problem)
    if field.message.name in (TIMESTAMP, DURATION):
        return _times(array, type_, path, problem, is_row=is_row)
    if is_wrapper(field.message):
        value = array.field(0)
        buffers = [array.buffers()[0], *value.buffers()[1:]]
        plain = pa.Array.from_buffers(value.type, len(value), buffers, array.null_count)
        return plain if plain.type == type_ else _as_type(plain, type_, path, problem)
    parents = array.is_valid() if array.null_count else None
    children = [
        finish(
            inner,
            array.field(i),
            f"{path}.{inner.name}",
            problem,
            parents=parents,
            is_row=is_row,
        )
        for i, inner in enumerate(field.message.fields)
    ]
    return _remade(type_, array, children)


def _like_source(field: ProtoField, array: Array, path: str, problem: Problem) -> Array:
    """Give a list or map the type that it was derived from, if it was."""
    type_ = field.arrow_type
    if type_ is None:
        return array
    if pa.types.is_list(type_):
        return _remade(type_, array, [array.values])
    return _as_type(array, type_, path, problem)


def _as_type(array: Array, type_: pa.DataType, path: str, problem: Problem) -> Array:
    """Turn values into a type that they were written from."""
    if isinstance(type_, pa.BaseExtensionType):
        plain = _as_type(array, type_.storage_type, path, problem)
        return pa.ExtensionArray.from_storage(type_, plain)
    if pa.types.is_null(type_):
        return pa.nulls(len(array))
    try:
        if pa.types.is_dictionary(type_):
            values = _as_type(array, type_.value_type, path, problem)
            return values.dictionary_encode().cast(type_)
        return array.cast(type_)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise problem(path, None, f"a value is none of {type_}: {reason}") from error


def _names(enum: ProtoEnum, array: Array) -> Array:
    """Turn numbers into names; a number without one into its digits."""
    by_number: dict[int, str] = {}
    for name, number in enum.values:
        by_number.setdefault(number, name)
    numbers = np.frombuffer(array.buffers()[1], np.int32, len(array)) if len(array) else None
    if numbers is None:
        codes = np.zeros(0, np.int32)
    else:
        if array.null_count:
            numbers = np.where(np.asarray(array.is_valid()), numbers, next(iter(by_number)))
        known = np.array(sorted(by_number), np.int32)
        at = _find(known, numbers)
        strange = np.unique(numbers[at < 0])
        by_number |= {int(number): str(number) for number in strange}
        if len(strange):
            known = np.array(sorted(by_number), np.int32)
            at = _find(known, numbers)
        place = {number: i for i, number in enumerate(by_number)}
        codes = np.array([place[int(number)] for number in known], np.int32)[at]
    buffers = [array.buffers()[0], py_buffer(codes)]
    indices = pa.Array.from_buffers(pa.int32(), len(array), buffers, array.null_count)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(by_number.values()), pa.string()))


def _find(known: Any, numbers: Any) -> Any:
    """Find numbers among sorted ones; -1: not there."""
    first, last = int(known[0]), int(known[-1])
    if last - first < DENSE:
        table = np.full(last - first + 3, -1, np.int32)  # one more on each side
        table[known.astype(np.int64) - first + 1] = np.arange(len(known), dtype=np.int32)
        return table[np.clip(numbers, first - 1, last + 1).astype(np.int64) - first + 1]
    at = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return np.where(known[at] == numbers, at, -1)


def _times(array: Array, type_: Any, path: str, problem: Problem, *, is_row: bool) -> Array:
    """Turn seconds and nanoseconds into a timestamp or duration; exactly, or not at all."""
    parts = {array.type.field(i).name: array.field(i) for i in range(array.type.num_fields)}
    if not len(array):
        return pa.array([], type_)
    seconds = np.frombuffer(parts["seconds"].buffers()[1], np.int64, len(array))
    nanos = np.frombuffer(parts["nanos"].buffers()[1], np.int32, len(array)).astype(np.int64)
    per_second = UNITS[type_.unit]
    step = NANOS // per_second
    most, least = divmod(LARGEST, per_second), divmod(SMALLEST, per_second)
    units = nanos // step
    second = seconds + units // per_second  # -1 where a duration's nanoseconds are negative
    rest = units % per_second
    wrong = (second > most[0]) | ((second == most[0]) & (rest > most[1]))
    wrong |= (second < least[0]) | ((second == least[0]) & (rest < least[1]))
    wrong |= (abs(nanos) >= NANOS) | (nanos % step != 0)
    if pa.types.is_timestamp(type_):
        wrong |= nanos < 0
    if array.null_count:
        wrong &= np.asarray(array.is_valid())
    if wrong.any():
        at = int(wrong.argmax())
        reason = f"{seconds[at]} seconds and {nanos[at]} nanoseconds are no value of {type_}"
        raise problem(path, at if is_row else None, reason)
    values = py_buffer(seconds * per_second + units)  # what wraps around here comes back
    return pa.Array.from_buffers(type_, len(array), [array.buffers()[0], values], array.null_count)


def _map(field: ProtoField, array: Array, path: str, problem: Problem) -> Array:
    """Turn entries into those of a map, in which the last one of a key counts."""
    if field.message is None:
        raise TypeError("the entries of a map are messages")
    array = _last_entries(array)
    keys, items = (
        finish(inner, part, f"{path}[].{inner.name}", problem, is_row=False)
        for inner, part in zip(field.message.fields, (array.keys, array.items), strict=True)
    )
    fields = [pa.field("key", keys.type, nullable=False), pa.field("value", items.type, False)]
    entries = pa.StructArray.from_arrays([keys, items], fields=fields)
    return _like_source(
        field, _remade(make_map(keys.type, fields[1]), array, [entries]), path, problem
    )


def _last_entries(array: Array) -> Array:
    """Leave out entries whose key comes once more in the same map."""
    offsets = np.asarray(array.offsets)
    n_entries = np.diff(offsets)
    if not len(array) or n_entries.max() < 2:
        return array
    codes = np.asarray(array.keys.dictionary_encode().indices).astype(np.int64)
    owners = np.repeat(np.arange(len(array)), n_entries)
    marks = owners * (codes.max() + 1) + codes
    order = np.argsort(marks, kind="stable")
    is_last = np.ones(len(marks), bool)
    is_last[order[:-1]] = marks[order[:-1]] != marks[order[1:]]
    if is_last.all():
        return array
    kept = np.flatnonzero(is_last)
    starts = np.concatenate([[0], np.cumsum(is_last)])[offsets].astype(np.int32)
    entries = pa.StructArray.from_arrays(
        [array.keys.take(pa.array(kept)), array.items.take(pa.array(kept))],
        fields=[array.type.key_field, array.type.item_field],
    )
    buffers = [array.buffers()[0], py_buffer(starts)]
    return pa.Array.from_buffers(array.type, len(array), buffers, 0, 0, [entries])
