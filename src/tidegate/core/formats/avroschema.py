"""Schemas of Avro 1.12: texts into checked types.

Every schema is hostile until parsed: its length, its names, its depth and the columns that it
would become are limited, and a type that contains itself is an error, as no Arrow type does.

References
----------
https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.core.errors import SerializationError
from tidegate.core.formats.formatlimits import FormatLimits

__all__ = ["NO_DEFAULT", "PRIMITIVES", "AvroField", "AvroType", "is_name", "parse_schema"]

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
NO_DEFAULT: Any = object()

# What each logical type stands on.
LOGICAL = {
    "decimal": {"bytes", "fixed"},
    "uuid": {"string", "fixed"},
    "date": {"int"},
    "time-millis": {"int"},
    "time-micros": {"long"},
    "timestamp-millis": {"long"},
    "timestamp-micros": {"long"},
    "timestamp-nanos": {"long"},
    "local-timestamp-millis": {"long"},
    "local-timestamp-micros": {"long"},
    "local-timestamp-nanos": {"long"},
    "duration": {"fixed"},
}


@dataclass(frozen=True, eq=False)
class AvroField:
    """A field of a record."""

    name: str
    type: AvroType
    default: Any = NO_DEFAULT
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class AvroType:
    """A checked type.

    Parameters
    ----------
    kind
        A primitive, or record, enum, array, map, union, fixed.
    logical
        The logical type, where there is one that fits; else "".
    name, aliases
        Full names of a record, an enum or a fixed.
    fields
        Of a record.
    symbols, default
        Of an enum; the default is None where it has none.
    items
        Of an array, or the values of a map.
    branches
        Of a union.
    size
        Bytes of a fixed.
    precision, scale
        Of a decimal.
    depth, n_nodes
        Levels and types, each counted as often as it occurs.
    """

    kind: str
    logical: str = ""
    name: str = ""
    aliases: tuple[str, ...] = ()
    fields: tuple[AvroField, ...] = ()
    symbols: tuple[str, ...] = ()
    default: str | None = None
    items: AvroType | None = None
    branches: tuple[AvroType, ...] = ()
    size: int = 0
    precision: int = 0
    scale: int = 0
    depth: int = field(init=False)
    n_nodes: int = field(init=False)

    def __post_init__(self) -> None:
        """Count levels and types."""
        below = [*(one.type for one in self.fields), *self.branches]
        below += [self.items] if self.items is not None else []
        object.__setattr__(self, "depth", 1 + max((type_.depth for type_ in below), default=0))
        object.__setattr__(self, "n_nodes", 1 + sum(type_.n_nodes for type_ in below))


def is_name(text: str) -> bool:
    """Tell whether a text is a name without dots.

    Examples
    --------
    >>> is_name("price"), is_name("bid-price")
    (True, False)
    """
    return NAME.fullmatch(text) is not None


def parse_schema(
    schema: str | bytes | Mapping[str, Any] | list[Any], limits: FormatLimits
) -> tuple[AvroType, Any]:
    """Check a schema.

    Parameters
    ----------
    schema
        JSON as a text, or what it stands for as dicts and lists; the bare name of a primitive
        is a schema too.
    limits
        Its length, depth, names.

    Returns
    -------
    tuple (type, document)
        The checked type, and the schema as dicts and lists.

    Raises
    ------
    SerializationError
        It is no schema of Avro, or it is larger than a limit allows.

    Examples
    --------
    >>> kind, _ = parse_schema('{"type": "array", "items": "long"}', FormatLimits())
    >>> kind.kind, kind.items.kind
    ('array', 'long')
    """
    document = _document(schema, limits)
    try:
        type_ = _Parser(limits).parse(document, "", "$", 1)
    except RecursionError:  # limit depth is more than Python has left
        raise _wrong("$", "nested too deeply: lower limit depth") from None
    if type_.n_nodes > limits.names:
        raise _too_many(limits)
    return type_, document


def _document(schema: Any, limits: FormatLimits) -> Any:
    """Read the text of a schema."""
    if isinstance(schema, str) and schema in PRIMITIVES:
        return schema
    try:
        text = schema if isinstance(schema, str | bytes) else json.dumps(schema)
        if len(text) > limits.schema_bytes:
            raise SerializationError(
                f"Avro schema: {len(text):,} bytes; limit schema_bytes is "
                f"{limits.schema_bytes:,}: raise it if need be"
            )
        return json.loads(text) if isinstance(schema, str | bytes) else schema
    except (ValueError, TypeError, RecursionError) as error:
        if isinstance(error, SerializationError):
            raise
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise SerializationError(f"Avro schema: not JSON: {reason}") from None


def _too_many(limits: FormatLimits) -> SerializationError:
    return SerializationError(
        f"Avro schema: too many types and fields; limit names is {limits.names:,}: "
        "raise it if need be"
    )


class _Parser:
    """Reads one schema; knows the names that were defined so far."""

    def __init__(self, limits: FormatLimits) -> None:
        self._limits = limits
        self._names: dict[str, AvroType | None] = {}  # None: being defined
        self._n_seen = 0

    def parse(self, schema: Any, namespace: str, path: str, depth: int) -> AvroType:
        """Check one type."""
        self._n_seen += 1
        if self._n_seen > self._limits.names:
            raise _too_many(self._limits)
        if depth > self._limits.depth:
            raise self._too_deep(path)
        if isinstance(schema, str):
            type_ = self._named(schema, namespace, path)
        elif isinstance(schema, list):
            type_ = self._union(schema, namespace, path, depth)
        elif isinstance(schema, Mapping):
            type_ = self._complex(schema, namespace, path, depth)
        else:
            raise _wrong(path, f"{schema!r:.60} is no schema")
        if type_.depth + depth - 1 > self._limits.depth:
            raise self._too_deep(path)
        return type_

    def _too_deep(self, path: str) -> SerializationError:
        return _wrong(
            path, f"nested too deeply; limit depth is {self._limits.depth}: raise it if need be"
        )

    def _named(self, name: str, namespace: str, path: str) -> AvroType:
        """Look a name up."""
        if name in PRIMITIVES:
            return AvroType(name)
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        known = self._names.get(full, self._names.get(name, NO_DEFAULT))
        if known is NO_DEFAULT:
            raise _wrong(path, f"type {name!r:.60} is not defined before its use")
        if known is None:
            raise _wrong(path, f"type {full!r:.60} contains itself: no Arrow type can")
        found: AvroType = known
        return found

    def _union(self, schema: list[Any], namespace: str, path: str, depth: int) -> AvroType:
        """Check a union."""
        branches = tuple(self.parse(branch, namespace, path, depth + 1) for branch in schema)
        if not branches:
            raise _wrong(path, "a union has no branches")
        if any(branch.kind == "union" for branch in branches):
            raise _wrong(path, "a union stands directly in a union")
        keys = [branch.name or branch.kind for branch in branches]
        if len(set(keys)) < len(keys):
            raise _wrong(path, "a union has two branches of one type")
        return AvroType("union", branches=branches)

    def _complex(
        self, schema: Mapping[str, Any], namespace: str, path: str, depth: int
    ) -> AvroType:
        """Check a type that is written as an object."""
        kind = schema.get("type")
        if not isinstance(kind, str):
            if kind is None:
                raise _wrong(path, "an object without a 'type'")
            return self.parse(kind, namespace, path, depth + 1)
        if kind in ("record", "error"):
            return self._record(schema, namespace, path, depth)
        if kind == "enum":
            return self._enum(schema, namespace, path)
        if kind == "fixed":
            return self._fixed(schema, namespace, path)
        if kind in ("array", "map"):
            key, below = ("items", f"{path}[]") if kind == "array" else ("values", f"{path}{{}}")
            if key not in schema:
                raise _wrong(path, f"an {kind} without {key!r}")
            return AvroType(kind, items=self.parse(schema[key], namespace, below, depth + 1))
        if kind in PRIMITIVES:
            return AvroType(kind, **_logical(schema, kind, 0))
        return self._named(kind, namespace, path)

    def _define(
        self, schema: Mapping[str, Any], namespace: str, path: str
    ) -> tuple[str, str, tuple[str, ...]]:
        """Read the name of a type: in full, its namespace, its aliases in full."""
        name = schema.get("name")
        if not isinstance(name, str):
            raise _wrong(path, f"a {schema['type']} without a 'name'")
        if "." in name:
            namespace = name.rpartition(".")[0]
        elif schema.get("namespace") is not None:
            namespace = schema["namespace"]
            if not isinstance(namespace, str):
                raise _wrong(path, "a 'namespace' is no text")
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        if not all(is_name(part) for part in full.split(".")) or full in PRIMITIVES:
            raise _wrong(path, f"{full!r:.60} is no name")
        if full in self._names:
            raise _wrong(path, f"type {full!r:.60} is defined twice")
        aliases = _texts(schema.get("aliases", []), path, "aliases")
        return (
            full,
            namespace,
            tuple(
                alias if "." in alias or not namespace else f"{namespace}.{alias}"
                for alias in aliases
            ),
        )

    def _record(self, schema: Mapping[str, Any], namespace: str, path: str, depth: int) -> AvroType:
        """Check a record."""
        name, namespace, aliases = self._define(schema, namespace, path)
        self._names[name] = None
        listed = schema.get("fields")
        if not isinstance(listed, list):
            raise _wrong(path, f"record {name} has no list of 'fields'")
        fields = tuple(self._field(one, namespace, path, depth) for one in listed)
        if len({one.name for one in fields}) < len(fields):
            raise _wrong(path, f"record {name} has two fields of one name")
        type_ = AvroType("record", name=name, aliases=aliases, fields=fields)
        if type_.n_nodes > self._limits.names:
            raise _too_many(self._limits)
        self._names[name] = type_
        return type_

    def _field(self, one: Any, namespace: str, path: str, depth: int) -> AvroField:
        """Check a field of a record."""
        if not isinstance(one, Mapping) or not isinstance(one.get("name"), str):
            raise _wrong(path, "a field without a 'name'")
        name = one["name"]
        if not is_name(name):
            raise _wrong(path, f"{name!r:.60} is no name of a field")
        if "type" not in one:
            raise _wrong(path, f"field {name} has no 'type'")
        type_ = self.parse(one["type"], namespace, f"{path}.{name}", depth + 1)
        aliases = _texts(one.get("aliases", []), path, "aliases")
        return AvroField(name, type_, one.get("default", NO_DEFAULT), tuple(aliases))

    def _enum(self, schema: Mapping[str, Any], namespace: str, path: str) -> AvroType:
        """Check an enum."""
        name, _, aliases = self._define(schema, namespace, path)
        symbols = _texts(schema.get("symbols"), path, "symbols")
        self._n_seen += len(symbols)
        if len(set(symbols)) < len(symbols) or not all(map(is_name, symbols)):
            raise _wrong(path, f"the symbols of enum {name} are not names, each different")
        default = schema.get("default")
        if default is not None and default not in symbols:
            raise _wrong(path, f"the default of enum {name} is none of its symbols")
        type_ = AvroType(
            "enum", name=name, aliases=aliases, symbols=tuple(symbols), default=default
        )
        self._names[name] = type_
        return type_

    def _fixed(self, schema: Mapping[str, Any], namespace: str, path: str) -> AvroType:
        """Check a fixed."""
        name, _, aliases = self._define(schema, namespace, path)
        size = schema.get("size")
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise _wrong(path, f"the size of fixed {name} is no number of bytes")
        if size > min(self._limits.text_bytes, (1 << 31) - 1):
            raise _wrong(
                path,
                f"fixed {name} has {size:,} bytes; limit text_bytes is "
                f"{self._limits.text_bytes:,}: raise it if need be",
            )
        type_ = AvroType(
            "fixed", name=name, aliases=aliases, size=size, **_logical(schema, "fixed", size)
        )
        self._names[name] = type_
        return type_


def _texts(listed: Any, path: str, what: str) -> list[str]:
    """Check a list of texts."""
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        raise _wrong(path, f"{what!r} is no list of texts")
    return listed


def _logical(schema: Mapping[str, Any], kind: str, size: int) -> dict[str, Any]:
    """Give the logical type; as the specification has it, one that doesn't fit is passed over."""
    logical = schema.get("logicalType")
    if not isinstance(logical, str) or kind not in LOGICAL.get(logical, ()):
        return {}
    if logical == "uuid" and kind == "fixed" and size != 16:
        return {}
    if logical == "duration" and size != 12:
        return {}
    if logical != "decimal":
        return {"logical": logical}
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if type(precision) is not int or type(scale) is not int or not 0 <= scale <= precision:
        return {}
    if precision < 1 or (kind == "fixed" and precision > digits_of(size)):
        return {}
    return {"logical": logical, "precision": precision, "scale": scale}


def digits_of(size: int) -> int:
    """Give how many decimal digits a two's complement of so many bytes holds for sure."""
    return int(math.log10(2) * (8 * size - 1)) if size else 0


def _wrong(path: str, what: str) -> SerializationError:
    """Make the error of a schema."""
    return SerializationError(f"Avro schema: {path}: {what}", path=path)
