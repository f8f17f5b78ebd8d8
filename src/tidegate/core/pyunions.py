"""Columns of Python values -> Arrow unions: which branch takes which value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
from pyarrow import types

from tidegate.core.convert import Place, family_of, short
from tidegate.core.errors import ColumnTypeError, InputError

__all__ = ["HINT", "is_pair", "union_of"]

HINT = "-type"  # of a dict: the name of its branch
EXACT: dict[Any, int] = {pa.float16(): 1 << 11, pa.float32(): 1 << 24, pa.float64(): 1 << 53}
FAMILIES: tuple[tuple[Callable[[Any], bool], tuple[str, ...]], ...] = (
    (types.is_boolean, ("bool",)),
    (types.is_integer, ("int",)),
    (types.is_floating, ("float", "int")),
    (types.is_decimal, ("decimal",)),
    (types.is_timestamp, ("datetime", "datetime64")),
    (types.is_date, ("date",)),
    (types.is_time, ("time",)),
    (types.is_duration, ("timedelta", "timedelta64")),
    (lambda t: types.is_string(t) or types.is_large_string(t) or types.is_dictionary(t), ("str",)),
    (lambda t: types.is_binary(t) or types.is_large_binary(t), ("bytes",)),
    (types.is_fixed_size_binary, ("bytes",)),
)
PLAIN = (types.is_boolean, types.is_integer, types.is_floating, types.is_string, types.is_binary)
_array: Callable[..., Any] = pa.array
_py_buffer: Callable[[Any], pa.Buffer] = pa.py_buffer  # the stubs know only some of what it takes
Reader = Callable[[list[Any], pa.DataType, Place], Any]


def union_of(values: list[Any], type_: Any, place: Place, read: Reader) -> pa.Array[Any]:
    """Return values as an array of a union type, each in the branch that takes it.

    Parameters
    ----------
    values : list
        None goes into the branch of nulls. A tuple (name, value) and a dict with the key ``-type``
        say their branch by its name, or by what is behind its last dot.
    type_ : pyarrow.DataType
        A dense or sparse union.
    place : Place
        What an error calls it.
    read : callable
        Makes the array of one branch: of the values, the type, and what an error calls them.

    Raises
    ------
    ColumnTypeError
        If no branch takes a value, or several do that are no numbers.
    InputError
        If a value is missing, and no branch is of nulls.

    Notes
    -----
    A number goes into the first branch, in the order of the type, that holds it exactly. A dict
    fits a struct that has all its keys, and all of whose fields that are never null it has. O(n)
    Python operations.
    """
    branches = [type_.field(i) for i in range(type_.num_fields)]
    takers: dict[type, tuple[str, list[int]]] = {}  # of values of a kind: family, branches
    numbers: list[int] = []
    parts: list[list[Any]] = [[] for _ in branches]
    rows: list[list[int]] = [[] for _ in branches]
    for row, value in enumerate(values):
        kind = type(value)
        known_taker = takers.get(kind)
        if known_taker is None:
            known_taker = takers[kind] = _takers(kind, branches)
        family, taking = known_taker
        if len(taking) == 1 and not issubclass(kind, tuple | dict):
            at = taking[0]  # what reads the branch has the word on whether it fits
        else:
            try:
                at, value = _choose(value, family, taking, branches)
            except (ColumnTypeError, InputError) as error:
                raise type(error)(f"{place.at(row)} {error}") from None
        numbers.append(at)
        parts[at].append(value)
        rows[at].append(row)
    chosen = np.array(numbers, np.int8)
    codes = np.array(type_.type_codes, np.int8)[chosen]
    known = place.rows
    children = []
    where = np.zeros(len(values), np.int32)
    for branch, part, mine in zip(branches, parts, rows, strict=True):
        names = mine if known is None else [known[row] for row in mine]
        inside = place._replace(rows=names)
        array = _plain_array(part, branch.type)
        children.append(read(part, branch.type, inside) if array is None else array)
        where[mine] = np.arange(len(mine), dtype=np.int32)
    buffers: list[Any] = [None, _py_buffer(codes), _py_buffer(where)]
    if type_.mode == "sparse":
        buffers.pop()
        children = [child.take(_array(where, mask=chosen != i)) for i, child in enumerate(children)]
    return pa.Array.from_buffers(type_, len(values), buffers, 0, 0, children)


def _plain_array(values: list[Any], type_: Any) -> Any:
    """Return plain values of the kind of a type as Arrow takes them; None: by other means."""
    if not any(check(type_) for check in PLAIN):
        return None
    try:
        return _array(values, type_)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return None  # what reads them value by value says which is wrong


def _takers(kind: type, branches: list[Any]) -> tuple[str, list[int]]:
    """Give the family of a kind of values, and the branches that take such."""
    family = family_of(kind)
    if family == "null":
        return family, []
    return family, [i for i, one in enumerate(branches) if _takes(one.type, kind, family)]


def _choose(value: Any, family: str, taking: list[int], branches: list[Any]) -> tuple[int, Any]:
    """Choose the branch of a value; give its number, and the value without any hint."""
    if family == "null":
        return _of_null(branches), None
    if is_pair(value):
        at = _named(value[0], branches)
        if at >= 0:
            return at, value[1]
    if isinstance(value, dict) and isinstance(value.get(HINT), str):
        at = _named(value[HINT], branches)
        if at >= 0:
            return at, {key: part for key, part in value.items() if key != HINT}
    fitting = []
    for i in taking:
        if _fits(branches[i].type, value, family):
            if family in ("int", "float"):
                return i, value
            fitting.append(i)
    if len(fitting) == 1:
        return fitting[0], value
    if not fitting and len(taking) == 1:
        return taking[0], value  # what reads the branch says what is wrong
    names = ", ".join(repr(branches[i].name) for i in fitting or range(len(branches)))
    what = f"is {short(value)} ({type(value).__name__})"
    if not fitting:
        raise ColumnTypeError(f"{what}, which fits none of the branches {names}")
    raise ColumnTypeError(
        f"{what}, which fits several branches, {names}: say which, as a tuple (name, value)"
    )


def _named(name: str, branches: list[Any]) -> int:
    """Find a branch by its name, or by what is behind its last dot; -1: there is none."""
    names = [branch.name for branch in branches]
    if name in names:
        return names.index(name)
    short_names = [one.rpartition(".")[2] for one in names]
    return short_names.index(name) if short_names.count(name) == 1 else -1


def _of_null(branches: list[Any]) -> int:
    """Find the branch of what is missing: that of nulls, or the first that may be null."""
    for i, branch in enumerate(branches):
        if types.is_null(branch.type):
            return i
    for i, branch in enumerate(branches):
        if branch.nullable and not types.is_union(branch.type):
            return i
    raise InputError("is missing, and the schema says that it never is")


def _takes(type_: Any, kind: type, family: str) -> bool:
    """Tell whether a type takes values of a kind at all."""
    if isinstance(type_, pa.BaseExtensionType):
        if type_ == pa.uuid():
            return issubclass(kind, UUID)
        return _takes(type_.storage_type, kind, family)
    if types.is_struct(type_) or types.is_map(type_):
        return issubclass(kind, dict)
    if types.is_list(type_) or types.is_large_list(type_) or types.is_fixed_size_list(type_):
        return issubclass(kind, list | tuple | np.ndarray)
    return next((family in takes for check, takes in FAMILIES if check(type_)), False)


def is_pair(value: Any) -> bool:
    """Tell whether a value is a key and an item of a map."""
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)


def _fits(type_: Any, value: Any, family: str) -> bool:
    """Tell whether a type, which takes such values, holds this one exactly."""
    if family == "datetime" and types.is_timestamp(type_):
        return (value.tzinfo is None) == (type_.tz is None)
    if types.is_integer(type_):
        bits = type_.bit_width - types.is_signed_integer(type_)
        least = -(1 << bits) if types.is_signed_integer(type_) else 0
        return least <= int(value) < 1 << bits
    if types.is_floating(type_):
        if isinstance(value, int | np.integer):
            return abs(int(value)) <= EXACT[type_]
        if type_ != pa.float32() or value != value:
            return True
        with np.errstate(over="ignore"):
            return float(np.float32(value)) == float(value)
    if types.is_struct(type_):
        fields = {field.name: field.nullable for field in type_}
        lacks = (name for name, nullable in fields.items() if not nullable and name not in value)
        return value.keys() <= fields.keys() and next(lacks, None) is None
    if types.is_fixed_size_binary(type_):
        return len(value) == type_.byte_width
    return True
