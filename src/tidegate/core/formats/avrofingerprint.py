"""The Parsing Canonical Form of an Avro schema, and its fingerprint CRC-64-AVRO.

References
----------
https://avro.apache.org/docs/1.12.0/specification/#parsing-canonical-form-for-schemas
"""

from __future__ import annotations

import json

from tidegate.core.formats.avroschema import AvroType

__all__ = ["canonical_form", "fingerprint"]

EMPTY = 0xC15D213AA4D7A795


def _table() -> list[int]:
    """Make the table of the Rabin fingerprint."""
    table = []
    for byte in range(256):
        word = byte
        for _ in range(8):
            word = (word >> 1) ^ (EMPTY & -(word & 1))
        table.append(word)
    return table


TABLE = _table()


def canonical_form(type_: AvroType) -> str:
    """Write a schema in its Parsing Canonical Form.

    Examples
    --------
    >>> from tidegate.core.formats.avroschema import parse_schema
    >>> from tidegate.core.formats.formatlimits import FormatLimits
    >>> text = '{"type": "fixed", "namespace": "a.b", "name": "Id", "size": 8, "doc": "-"}'
    >>> canonical_form(parse_schema(text, FormatLimits())[0])
    '{"name":"a.b.Id","type":"fixed","size":8}'
    """
    return _form(type_, set())


def _form(type_: AvroType, seen: set[str]) -> str:
    """Write one type; a named one in full only where it comes first."""
    if type_.kind == "union":
        return "[" + ",".join(_form(branch, seen) for branch in type_.branches) + "]"
    if type_.items is not None:
        key = "items" if type_.kind == "array" else "values"
        return f'{{"type":"{type_.kind}","{key}":{_form(type_.items, seen)}}}'
    if not type_.name:
        return f'"{type_.kind}"'
    if type_.name in seen:
        return f'"{type_.name}"'
    seen.add(type_.name)
    head = f'{{"name":"{type_.name}","type":"{type_.kind}"'
    if type_.kind == "fixed":
        return f'{head},"size":{type_.size}}}'
    if type_.kind == "enum":
        return f'{head},"symbols":{json.dumps(type_.symbols, separators=(",", ":"))}}}'
    fields = ",".join(
        f'{{"name":"{one.name}","type":{_form(one.type, seen)}}}' for one in type_.fields
    )
    return f'{head},"fields":[{fields}]}}'


def fingerprint(type_: AvroType) -> bytes:
    """Give the CRC-64-AVRO of the canonical form, as it stands before a single object.

    Returns
    -------
    bytes
        8, the least significant first.

    Examples
    --------
    >>> fingerprint(AvroType("int"))[::-1].hex()
    '7275d51a3f395c8f'
    """
    word = EMPTY
    for byte in canonical_form(type_).encode():
        word = (word >> 8) ^ TABLE[(word ^ byte) & 0xFF]
    return word.to_bytes(8, "little")
