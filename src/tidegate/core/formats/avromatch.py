"""Which type of a writer can be read as which of a reader's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tidegate.core.errors import ColumnNotFoundError, SerializationError
from tidegate.core.formats.avroarrow import VALUE
from tidegate.core.formats.avroschema import AvroField, AvroType

__all__ = [
    "PLAIN",
    "as_record",
    "items_of",
    "least_bytes",
    "matching_branch",
    "names_match",
    "project",
    "same_logical",
    "symbols_of",
    "unresolved",
]

# What a plain type of the writer is read as, by the writer's kind and the reader's.
PLAIN = {
    ("boolean", "boolean"): "BOOL",
    ("int", "int"): "INT",
    ("int", "long"): "LONG",
    ("int", "float"): "LONG_AS_FLOAT",
    ("int", "double"): "LONG_AS_DOUBLE",
    ("long", "long"): "LONG",
    ("long", "float"): "LONG_AS_FLOAT",
    ("long", "double"): "LONG_AS_DOUBLE",
    ("float", "float"): "FLOAT",
    ("float", "double"): "FLOAT_AS_DOUBLE",
    ("double", "double"): "DOUBLE",
    ("bytes", "bytes"): "BYTES",
    ("string", "bytes"): "BYTES",
    ("bytes", "string"): "STRING",
    ("string", "string"): "STRING",
    ("null", "null"): "NULL",
}
LEAST = {"null": 0, "float": 4, "double": 8}


def project(type_: AvroType, columns: Sequence[str]) -> AvroType:
    """Give the record of some of the fields, in the order that is asked for.

    Raises
    ------
    ColumnNotFoundError
        There is no such field.
    """
    fields = {one.name: one for one in as_record(type_).fields}
    for name in columns:
        if name not in fields:
            known = ", ".join(fields)
            raise ColumnNotFoundError(f"Avro: there is no column {name!r}; there are: {known}")
    return replace(as_record(type_), fields=tuple(fields[name] for name in columns))


def as_record(type_: AvroType) -> AvroType:
    """Give a record of one field to a schema that is none."""
    if type_.kind == "record":
        return type_
    return AvroType("record", name=VALUE, fields=(AvroField(VALUE, type_),))


def items_of(type_: AvroType) -> AvroType:
    """Give the type of the items of an array or of the values of a map."""
    return type_.items if type_.items is not None else AvroType("null")


def least_bytes(type_: AvroType) -> int:
    """Give how many bytes a value takes at least."""
    if type_.kind == "record":
        return sum(least_bytes(one.type) for one in type_.fields)
    return type_.size if type_.kind == "fixed" else LEAST.get(type_.kind, 1)


def names_match(writer: AvroType, reader: AvroType) -> bool:
    """Tell whether two named types are one: by the name without its namespace, or an alias."""
    if writer.kind != reader.kind or (writer.kind == "fixed" and writer.size != reader.size):
        return False
    mine = writer.name.rpartition(".")[2]
    return mine == reader.name.rpartition(".")[2] or writer.name in reader.aliases


def same_logical(writer: AvroType, reader: AvroType) -> bool:
    """Tell whether the numbers of one mean the same as those of the other."""
    mine = writer.logical, writer.precision, writer.scale
    return mine == (reader.logical, reader.precision, reader.scale)


def matching_branch(writer: AvroType, branches: Sequence[AvroType]) -> int:
    """Give the branch that a type is read as; -1: none.

    The specification says: the first that matches. Taken to the letter, an int would be read as
    the float of ``["float", "int"]`` even where writer and reader are the same. So one that is the
    same comes before one that is alike, as in the Java implementation.
    """
    for i, one in enumerate(branches):
        if (one.kind, one.name, one.logical) == (writer.kind, writer.name, writer.logical):
            return i
    for i, one in enumerate(branches):
        if one.kind == writer.kind and names_match(writer, one):
            return i
    for i, one in enumerate(branches):
        if (writer.kind, one.kind) in PLAIN:
            return i
    return -1


def symbols_of(writer: AvroType, reader: AvroType) -> Any:
    """Give the reader's symbol of each of the writer's; -1: it has none."""
    place = {symbol: i for i, symbol in enumerate(reader.symbols)}
    other = -1 if reader.default is None else place[reader.default]
    return np.array([place.get(symbol, other) for symbol in writer.symbols], np.int32)


def unresolved(path: str, writer: AvroType, reader: AvroType) -> SerializationError:
    """Make the error of a type that can't be read as another."""
    mine, theirs = (
        " ".join(filter(None, [one.logical, one.kind, one.name])) for one in (writer, reader)
    )
    return SerializationError(f"Avro: {path}: {mine} can't be read as {theirs}", path=path)
