"""Message types out of descriptors, which the extra `protobuf` reads."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tidegate.core.errors import InputError, SerializationError
from tidegate.core.formats.formatlimits import FormatLimits
from tidegate.core.formats.protoschema import Kind, Label, ProtoEnum, ProtoField, ProtoMessage

__all__ = ["message_of_descriptor", "message_of_set"]


def _library(module: str) -> Any:
    """Import a module of the protobuf library."""
    try:
        return import_module(f"google.protobuf.{module}")
    except ModuleNotFoundError as error:
        raise InputError(
            "descriptors are read by the package protobuf, which is not installed: "
            'pip install "tidegate[protobuf]"'
        ) from error


def message_of_set(content: bytes, name: str | None, limits: FormatLimits) -> ProtoMessage:
    """Read a message type from a serialized FileDescriptorSet.

    Parameters
    ----------
    content
        As ``protoc --include_imports --descriptor_set_out`` writes it.
    name
        Full name of the message; None: the only one of the last file that is in no other.
    limits
        On the bytes, the levels and the number of fields.

    Raises
    ------
    SerializationError
        The bytes are no descriptor set, lack an import, or have no such message.
    InputError
        The package protobuf is not installed, or a name is needed.
    """
    if len(content) > limits.schema_bytes:
        raise SerializationError(
            f"the descriptor set has {len(content):,} bytes; limit schema_bytes is "
            f"{limits.schema_bytes:,}: raise it if need be"
        )
    descriptor_pb2 = _library("descriptor_pb2")
    pool = _library("descriptor_pool").DescriptorPool()
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(content)
        for file in files.file:
            pool.Add(file) if not hasattr(pool, "AddSerializedFile") else pool.AddSerializedFile(
                file.SerializeToString()
            )
    except (_library("message").DecodeError, TypeError, KeyError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise SerializationError(
            f"no FileDescriptorSet with all its imports: {reason}; "
            "make it by protoc --include_imports --descriptor_set_out=FILE"
        ) from error
    return message_of_descriptor(_find(pool, files, name), limits)


def _find(pool: Any, files: Any, name: str | None) -> Any:
    """Find the descriptor of a message in a pool."""
    if name is None:
        last = files.file[-1] if files.file else None
        if last is None or len(last.message_type) != 1:
            names = [] if last is None else [message.name for message in last.message_type]
            raise InputError(
                f"the descriptor set has {len(names)} messages to choose from: {names[:20]}; "
                "give the full name of one"
            )
        name = f"{last.package}.{last.message_type[0].name}".lstrip(".")
    try:
        return pool.FindMessageTypeByName(name)
    except KeyError as error:
        raise SerializationError(
            f"the descriptor set has no message {name!r}; give its full name, with its package"
        ) from error


def message_of_descriptor(descriptor: Any, limits: FormatLimits) -> ProtoMessage:
    """Read a message type from a descriptor of the protobuf library.

    Parameters
    ----------
    descriptor
        ``DESCRIPTOR`` of a generated class.
    limits
        On the levels and the number of fields.

    Raises
    ------
    SerializationError
        A message contains itself, which no Arrow type can, or has a group; there are too many
        levels or fields.
    """
    return _Walk(limits).message(descriptor, "$", ())


class _Walk:
    """A walk down from one message."""

    def __init__(self, limits: FormatLimits) -> None:
        self._limits = limits
        self._n_fields = 0
        self._enums: dict[str, ProtoEnum] = {}

    def message(self, descriptor: Any, path: str, above: tuple[str, ...]) -> ProtoMessage:
        """Read one message, with all messages in it."""
        name = descriptor.full_name
        if name in above:
            raise SerializationError(
                f"{path}: message {name} contains itself, and no Arrow type does; choose a message "
                "without that field, as unknown fields are skipped",
                path=path,
            )
        self._n_fields += len(descriptor.fields)
        for limit, found in (("depth", len(above) + 1), ("names", self._n_fields)):
            most = getattr(self._limits, limit)
            if found > most:
                raise SerializationError(
                    f"{path}: message {name}: limit {limit} is {most:,}: raise it if need be",
                    path=path,
                )
        above = (*above, name)
        is_entry = bool(descriptor.GetOptions().map_entry)
        fields = [self._field(field, path, above, is_entry) for field in descriptor.fields]
        return ProtoMessage(name, tuple(fields), is_entry)

    def _field(self, field: Any, path: str, above: tuple[str, ...], is_entry: bool) -> ProtoField:
        """Read one field."""
        path = f"{path}.{field.name}"
        kind = Kind(field.type)
        if kind == Kind.GROUP:
            raise SerializationError(
                f"{path}: groups have no columns; choose a message without it, as unknown fields "
                "are skipped",
                path=path,
            )
        label = Label.OPTIONAL if field.has_presence and not is_entry else Label.IMPLICIT
        if field.is_required:
            label = Label.REQUIRED
        if field.is_repeated:
            label = Label.PACKED if field.is_packed else Label.REPEATED
        oneof = field.containing_oneof
        is_alone = oneof is None or (len(oneof.fields) == 1 and oneof.name == f"_{field.name}")
        return ProtoField(
            name=field.name,
            number=field.number,
            kind=kind,
            label=label,
            message=None
            if field.message_type is None
            else self.message(field.message_type, path, above),
            enum=None if field.enum_type is None else self._enum(field.enum_type),
            oneof=None if is_alone else oneof.name,
        )

    def _enum(self, descriptor: Any) -> ProtoEnum:
        """Read one enum."""
        name = descriptor.full_name
        if name not in self._enums:
            values = tuple((value.name, value.number) for value in descriptor.values)
            self._enums[name] = ProtoEnum(name, values, descriptor.is_closed)
        return self._enums[name]
