"""Defaults of a reader's schema, from JSON into the binary encoding of Avro."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from tidegate.core.errors import SerializationError
from tidegate.core.formats.avroschema import NO_DEFAULT, AvroType

__all__ = ["encode_default"]

INT_BITS = {"int": 31, "long": 63}


def encode_default(value: Any, type_: AvroType, path: str) -> bytes:
    r"""Encode a default.

    Parameters
    ----------
    value
        As JSON has it: bytes as a text of the characters U+0000 to U+00FF. Of a union, a value of
        the first branch that it fits.
    type_
        Of the field.
    path
        Where, for the message.

    Raises
    ------
    SerializationError
        The default is no value of its type.

    Examples
    --------
    >>> encode_default("ab", AvroType("string"), "$.name")
    b'\x04ab'
    """
    encoded = _encode(value, type_)
    if encoded is None:
        raise SerializationError(
            f"Avro schema: {path}: default {value!r:.60} is no value of its type {type_.kind}",
            path=path,
        )
    return encoded


def _number(value: int) -> bytes:
    """Encode an integer."""
    word, out = (value << 1) ^ (value >> 63), bytearray()
    while word > 127:
        out.append(word & 127 | 128)
        word >>= 7
    return bytes([*out, word])


def _encode(value: Any, type_: AvroType) -> bytes | None:
    """Encode a value; None where it is none of the type."""
    kind = type_.kind
    if kind == "union":
        for i, branch in enumerate(type_.branches):
            encoded = _encode(value, branch)
            if encoded is not None:
                return _number(i) + encoded
        return None
    if kind == "record":
        return _record(value, type_)
    if type_.items is not None:
        return _items(value, type_, type_.items)
    if kind == "enum":
        return _number(type_.symbols.index(value)) if value in type_.symbols else None
    return _plain(value, type_)


def _plain(value: Any, type_: AvroType) -> bytes | None:
    """Encode a value without others in it."""
    kind = type_.kind
    if kind == "null":
        return b"" if value is None else None
    if kind == "boolean":
        return bytes([value]) if isinstance(value, bool) else None
    if kind in INT_BITS:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        bits = INT_BITS[kind]
        return _number(value) if is_whole and -(1 << bits) <= value < 1 << bits else None
    if kind in ("float", "double"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            return struct.pack("<f" if kind == "float" else "<d", value)
        except OverflowError:
            return None
    if not isinstance(value, str):
        return None
    try:
        raw = value.encode("utf-8" if kind == "string" else "latin-1")
    except UnicodeEncodeError:
        return None
    if kind == "fixed":
        return raw if len(raw) == type_.size else None
    return _number(len(raw)) + raw


def _record(value: Any, type_: AvroType) -> bytes | None:
    """Encode a record; what is missing in it has defaults of its own."""
    if not isinstance(value, Mapping):
        return None
    parts = []
    for field in type_.fields:
        one = value.get(field.name, field.default)
        part = None if one is NO_DEFAULT else _encode(one, field.type)
        if part is None:
            return None
        parts.append(part)
    return b"".join(parts)


def _items(value: Any, type_: AvroType, items: AvroType) -> bytes | None:
    """Encode an array or a map."""
    if type_.kind == "array":
        parts = [_encode(one, items) for one in value] if isinstance(value, list) else [None]
    elif isinstance(value, Mapping):
        keys = [_plain(key, AvroType("string")) for key in value]
        values = [_encode(one, items) for one in value.values()]
        parts = [part for pair in zip(keys, values, strict=True) for part in pair]
    else:
        return None
    if any(part is None for part in parts):
        return None
    head = _number(len(value)) if value else b""
    return head + b"".join(part for part in parts if part is not None) + b"\0"
