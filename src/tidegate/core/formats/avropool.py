"""Schemas that are parsed once, and decoders that wait for the next bytes of theirs.

A message is read in less time than its schema: what reads messages keeps what it has made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from tidegate.core.formats.avroarrow import arrow_schema_of, avro_schema_of
from tidegate.core.formats.avromatch import project
from tidegate.core.formats.avroprogram import RowDecoder
from tidegate.core.formats.avroschema import AvroType, parse_schema
from tidegate.core.formats.formatlimits import FormatLimits

__all__ = ["SCHEMA_KEY", "DecoderPool", "Lent", "Parsed", "Schema"]

Schema: TypeAlias = "str | bytes | Mapping[str, Any] | list[Any]"
Parsed: TypeAlias = "tuple[AvroType, Any]"
Key: TypeAlias = "tuple[AvroType, AvroType, tuple[str, ...] | None, FormatLimits]"
Lent: TypeAlias = "tuple[Key, RowDecoder, pa.Schema]"

SCHEMA_KEY = b"avro.schema"  # of the metadata of a table: the schema that it was read with
MOST = 16  # schemas and decoders that are kept


class DecoderPool:
    """Keeps schemas and decoders; one that is lent is nobody else's until it is back.

    Examples
    --------
    >>> pool = DecoderPool()
    >>> pool.parsed('"long"', FormatLimits()) is pool.parsed('"long"', FormatLimits())
    True
    """

    def __init__(self) -> None:
        self._parsed: dict[tuple[str | bytes, FormatLimits], Parsed] = {}
        self._idle: dict[Key, tuple[RowDecoder, pa.Schema]] = {}

    def parsed(self, schema: Schema, limits: FormatLimits) -> Parsed:
        """Check a schema; one that is a text is kept."""
        if not isinstance(schema, str | bytes):
            return parse_schema(schema, limits)
        found = self._parsed.get((schema, limits))
        if found is None:
            found = parse_schema(schema, limits)
            if len(self._parsed) >= MOST:
                self._parsed.clear()
            self._parsed[schema, limits] = found
        return found

    def for_columns(self, columns: pa.Schema, limits: FormatLimits) -> Parsed:
        """Give the schema that columns were read with, or the nearest one."""
        text = (columns.metadata or {}).get(SCHEMA_KEY)
        if text is not None:
            parsed = self.parsed(text, limits)
            if arrow_schema_of(parsed[0]).equals(columns):
                return parsed
        return parse_schema(avro_schema_of(columns), limits)

    def lend(
        self,
        writer: Parsed,
        reader: Parsed,
        columns: Sequence[str] | None,
        limits: FormatLimits,
    ) -> Lent:
        """Give a decoder, and the schema of the table, which remembers that of Avro."""
        key = (writer[0], reader[0], None if columns is None else tuple(columns), limits)
        idle = self._idle.pop(key, None)
        if idle is not None:
            return key, *idle
        if columns is not None:
            rows = RowDecoder(writer[0], project(reader[0], columns), limits)
            return key, rows, rows.schema
        rows = RowDecoder(writer[0], reader[0], limits)
        text = json.dumps(reader[1], separators=(",", ":"))
        return key, rows, rows.schema.with_metadata({SCHEMA_KEY: text})

    def give_back(self, lent: Lent) -> None:
        """Take a decoder back that has read all and holds no rows."""
        key, rows, schema = lent
        rows.kernel.feed(b"")
        if len(self._idle) >= MOST:
            self._idle.clear()
        self._idle[key] = rows, schema
