"""Protobuf message types, and the program that the kernels run for one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

import pyarrow as pa

from tidegate.core.errors import ColumnNotFoundError, SerializationError
from tidegate.core.formats.formatlimits import FormatLimits

__all__ = [
    "Kind",
    "Label",
    "Operation",
    "ProtoEnum",
    "ProtoField",
    "ProtoMessage",
    "check_message",
    "closed_enums",
    "operations_of",
    "project",
]

MOST_NUMBER = (1 << 29) - 1
RESERVED = range(19_000, 20_000)  # field numbers that protobuf keeps for itself


class Kind(IntEnum):
    """The kinds of values, numbered as descriptor.proto numbers them."""

    DOUBLE = 1
    FLOAT = 2
    INT64 = 3
    UINT64 = 4
    INT32 = 5
    FIXED64 = 6
    FIXED32 = 7
    BOOL = 8
    STRING = 9
    GROUP = 10
    MESSAGE = 11
    BYTES = 12
    UINT32 = 13
    ENUM = 14
    SFIXED32 = 15
    SFIXED64 = 16
    SINT32 = 17
    SINT64 = 18


class Label(IntEnum):
    """Whether a field says that it is there, and how it repeats; as proto_program.pxd has it."""

    IMPLICIT = 0
    OPTIONAL = 1
    REQUIRED = 2
    REPEATED = 3
    PACKED = 4


@dataclass(frozen=True, slots=True)
class ProtoEnum:
    """An enum: its values by name, in the order of their declaration; names may share a number."""

    name: str
    values: tuple[tuple[str, int], ...]
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class ProtoField:
    """A field of a message.

    Parameters
    ----------
    label
        What is written: both forms of repeated numbers are read.
    arrow_type, is_nullable
        Of the column that the field was derived from; None: it was not.
    """

    name: str
    number: int
    kind: Kind
    label: Label
    message: ProtoMessage | None = None
    enum: ProtoEnum | None = None
    oneof: str | None = None
    arrow_type: pa.DataType | None = None
    is_nullable: bool | None = None

    @property
    def is_repeated(self) -> bool:
        """Say whether there may be several values, or entries of a map."""
        return self.label >= Label.REPEATED

    @property
    def is_map(self) -> bool:
        """Say whether the values are the entries of a map."""
        return self.message is not None and self.message.is_entry


@dataclass(frozen=True, slots=True)
class ProtoMessage:
    """A message type: its fields in the order of their declaration."""

    name: str
    fields: tuple[ProtoField, ...]
    is_entry: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """A field in the program of a message type.

    Parameters
    ----------
    field
        The field; None for the root message.
    parent
        Place of the operation whose message it is a field of.
    position
        Which of that message's fields it is, by declaration.
    """

    field: ProtoField | None
    parent: int
    position: int
    oneof: int = -1
    enum: int = -1


def check_message(message: ProtoMessage, limits: FormatLimits) -> None:
    """Check the numbers, names and size of a message type, with all messages in it.

    Raises
    ------
    SerializationError
        A field number is out of range or given twice, a name is given twice, or there are more
        levels or fields than the limits allow.
    """
    waiting = [(message, "$", 1)]
    n_fields = 0
    while waiting:
        inner, path, depth = waiting.pop()
        if depth > limits.depth:
            raise SerializationError(
                f"message {message.name}: {path}: nested more than {limits.depth} levels deep; "
                f"limit depth is {limits.depth}: raise it if need be",
                path=path,
            )
        _check_fields(inner, path)
        n_fields += len(inner.fields)
        if n_fields > limits.names:
            raise SerializationError(
                f"message {message.name}: more than {limits.names:,} fields with those of the "
                f"messages in it; limit names is {limits.names:,}: raise it if need be"
            )
        for field in inner.fields:
            if field.message is not None:
                waiting.append((field.message, f"{path}.{field.name}", depth + 1))


def _check_fields(message: ProtoMessage, path: str) -> None:
    """Check the fields of one message."""
    numbers: set[int] = set()
    names: set[str] = set()
    for field in message.fields:
        if not 0 < field.number <= MOST_NUMBER or field.number in RESERVED:
            raise SerializationError(
                f"message {message.name}: {path}.{field.name}: {field.number} is no field number: "
                f"choose one from 1 to {MOST_NUMBER}, but for 19000 to 19999"
            )
        if field.number in numbers or field.name in names:
            raise SerializationError(
                f"message {message.name}: {path}.{field.name}: its name or its number "
                f"{field.number} is given twice"
            )
        numbers.add(field.number)
        names.add(field.name)


def project(message: ProtoMessage, columns: list[str] | None) -> ProtoMessage:
    """Keep some fields of a message, in the order asked for; None: all.

    Raises
    ------
    ColumnNotFoundError
        There is no such field.
    """
    if columns is None:
        return message
    fields = {field.name: field for field in message.fields}
    for name in columns:
        if name not in fields:
            raise ColumnNotFoundError(
                f"no field {name!r} in message {message.name}; it has {', '.join(fields) or 'none'}"
            )
    return replace(message, fields=tuple(fields[name] for name in dict.fromkeys(columns)))


def operations_of(message: ProtoMessage) -> list[Operation]:
    """Give the program of a message type: the root, then the fields, level by level, by number.

    Examples
    --------
    >>> leg = ProtoMessage("Leg", (ProtoField("px", 1, Kind.DOUBLE, Label.IMPLICIT),))
    >>> legs = ProtoField("legs", 2, Kind.MESSAGE, Label.REPEATED, message=leg)
    >>> id_ = ProtoField("id", 1, Kind.INT64, Label.IMPLICIT)
    >>> [op.field.name for op in operations_of(ProtoMessage("Trade", (legs, id_)))[1:]]
    ['id', 'legs', 'px']
    """
    oneofs: dict[tuple[int, str], int] = {}
    enums: dict[int, int] = {}
    operations = [Operation(None, -1, 0)]
    for place, operation in enumerate(operations):  # grows as it goes
        inner = message if operation.field is None else operation.field.message
        if inner is None:
            continue
        for position, field in sorted(enumerate(inner.fields), key=lambda one: one[1].number):
            oneof = enum = -1
            if field.oneof is not None:
                oneof = oneofs.setdefault((place, field.oneof), len(oneofs))
            if field.enum is not None and field.enum.is_closed:
                enum = enums.setdefault(id(field.enum), len(enums))
            operations.append(Operation(field, place, position, oneof, enum))
    return operations


def closed_enums(operations: list[Operation]) -> Iterator[list[int]]:
    """Give the sorted numbers of each closed enum, as the operations number them."""
    seen = -1
    for operation in operations:
        if operation.enum > seen and operation.field is not None and operation.field.enum:
            seen = operation.enum
            yield sorted({number for _, number in operation.field.enum.values})
