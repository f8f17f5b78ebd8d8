"""A writer's and a reader's schema, resolved into the nodes that the Avro `Reader` walks.

References
----------
https://avro.apache.org/docs/1.12.0/specification/#schema-resolution
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from tidegate._kernels.avro_read import Reader
from tidegate.core.errors import SerializationError
from tidegate.core.formats.avroarrow import arrow_schema_of, null_branch_of
from tidegate.core.formats.avrodefault import encode_default
from tidegate.core.formats.avromatch import (
    PLAIN,
    as_record,
    items_of,
    least_bytes,
    matching_branch,
    names_match,
    same_logical,
    symbols_of,
    unresolved,
)
from tidegate.core.formats.avroschema import NO_DEFAULT, AvroField, AvroType
from tidegate.core.formats.columntree import batch_of, layout_of
from tidegate.core.formats.decoding import decoding_error
from tidegate.core.formats.formatlimits import FormatLimits

__all__ = ["RowDecoder"]

BATCH_ROWS = 1 << 16
BATCH_BYTES = 1 << 26  # of columns: a batch that has so many is not made larger

# The operations of avro_decode.pxd.
(
    NULL, BOOL, INT, LONG, LONG_AS_FLOAT, LONG_AS_DOUBLE, FLOAT, DOUBLE, FLOAT_AS_DOUBLE, BYTES,
    STRING, FIXED, DECIMAL, DECIMAL_FIXED, UUID, DURATION, ENUM, RECORD, ARRAY, MAP, UNION, BRANCH,
    NONE, DEFAULT, REFUSE, SKIP_VARINT, SKIP_BYTES, SKIP_FIXED,
) = range(28)  # fmt: skip

OPS = {
    "BOOL": BOOL,
    "INT": INT,
    "LONG": LONG,
    "LONG_AS_FLOAT": LONG_AS_FLOAT,
    "LONG_AS_DOUBLE": LONG_AS_DOUBLE,
    "FLOAT": FLOAT,
    "DOUBLE": DOUBLE,
    "FLOAT_AS_DOUBLE": FLOAT_AS_DOUBLE,
    "BYTES": BYTES,
    "STRING": STRING,
    "NULL": NULL,
}
SKIPS = {
    "null": (NULL, 0),
    "boolean": (SKIP_FIXED, 1),
    "int": (SKIP_VARINT, 0),
    "long": (SKIP_VARINT, 0),
    "enum": (SKIP_VARINT, 0),
    "float": (SKIP_FIXED, 4),
    "double": (SKIP_FIXED, 8),
    "bytes": (SKIP_BYTES, 0),
    "string": (SKIP_BYTES, 0),
}
TEXT = AvroType("string")


class RowDecoder:
    """Reads the rows of a writer's schema into record batches of a reader's.

    Parameters
    ----------
    writer
        What the bytes are.
    reader
        What is wanted.
    limits
        What is taken at most.

    Raises
    ------
    SerializationError
        What is written can't be read so; says where.
    """

    def __init__(self, writer: AvroType, reader: AvroType, limits: FormatLimits) -> None:
        self.schema = arrow_schema_of(reader)
        self._limits = limits
        self._layout = layout_of(list(self.schema))
        self._nodes: list[tuple[Any, ...]] = []
        self._labels: list[str] = []
        self._memory: list[Any] = []
        self._dictionaries: dict[int, pa.Array[Any]] = {}
        self._root(as_record(writer), as_record(reader))
        width = sum(16 if shape[0] != 1 else shape[1] for shape in self._layout[: len(self.schema)])
        usual = min(BATCH_BYTES, limits.batch_bytes // 4)
        self.batch_rows = max(1, min(BATCH_ROWS, usual // max(width, 1)))
        self.kernel = Reader(
            self._layout,
            len(self.schema),
            limits.batch_bytes,
            self._nodes,
            self._memory,
            limits.for_kernel(),
            min(BATCH_BYTES, limits.batch_bytes // 2),
        )

    def take(self) -> pa.RecordBatch:
        """Hand over the batch."""
        n_rows, taken = self.kernel.take_rows()
        return batch_of(self.schema, self._layout, taken, n_rows, self._dictionaries)

    def error(self, what: str, base: int | None, first_row: int) -> Exception:
        """Make the error of what the kernel found.

        Parameters
        ----------
        what
            What was read.
        base
            Where the bytes that were fed begin; None: they are no part of it as they are.
        first_row
            Rows before those of the batch.
        """
        status, offset, row, notes = self.kernel.failure()
        steps = [f"[{item}]" if item >= 0 else self._labels[node] for node, item in notes]
        return decoding_error(
            what,
            status,
            self._limits,
            offset=None if base is None else base + offset,
            path="$" + "".join(steps) if steps else None,
            row=first_row + row if steps else None,
        )

    def _root(self, writer: AvroType, reader: AvroType) -> None:
        """Add the nodes of all columns."""
        if not names_match(writer, reader):
            raise unresolved("$", writer, reader)
        for i, one in enumerate(reader.fields):
            self._add_dictionaries(one.type, i)
        kids = self._fields(writer, reader, 0, "$")
        self._add(RECORD, kids=kids, least=least_bytes(writer))

    def _add(
        self,
        op: int,
        column: int = -1,
        *,
        label: str = "",
        null_branch: int = -1,
        kids: list[int] | None = None,
        size: int = 0,
        least: int = 0,
        symbols: Any = None,
        text: bytes | None = None,
    ) -> int:
        """Add a node."""
        at, n_symbols, address, text_size = 0, 0, 0, 0
        if symbols is not None:
            self._memory.append(symbols)
            at, n_symbols = symbols.ctypes.data, len(symbols)
        if text is not None:
            content = np.frombuffer(text + b"\0", np.uint8)
            self._memory.append(content)
            address, text_size = content.ctypes.data, len(text)
        self._nodes.append(
            (op, column, null_branch, kids or [], size, least, at, n_symbols, address, text_size)
        )
        self._labels.append(label)
        return len(self._nodes) - 1

    def _add_dictionaries(self, type_: AvroType, column: int) -> None:
        """Note the symbols of all enums."""
        if type_.kind == "enum":
            self._dictionaries[column] = pa.array(type_.symbols, pa.string())
        first = self._layout[column][2]
        if type_.kind == "union":
            branch = null_branch_of(type_)
            if branch >= 0:
                self._add_dictionaries(type_.branches[1 - branch], column)
            elif len(type_.branches) == 1:
                self._add_dictionaries(type_.branches[0], column)
            else:
                for i, one in enumerate(type_.branches):
                    self._add_dictionaries(one, first + i)
        for i, field in enumerate(type_.fields):
            self._add_dictionaries(field.type, first + i)
        if type_.items is not None:
            at = first if type_.kind == "array" else self._layout[first][2] + 1
            self._add_dictionaries(type_.items, at)

    def _fields(self, writer: AvroType, reader: AvroType, first: int, path: str) -> list[int]:
        """Add the fields of a record: as they are written, then what is not written."""
        place: dict[str, int] = {}
        for i, one in enumerate(reader.fields):
            for alias in one.aliases:
                place.setdefault(alias, i)
        place |= {one.name: i for i, one in enumerate(reader.fields)}
        kids, found = [], set()
        for field in writer.fields:
            i = place.get(field.name, -1)
            if i < 0 or i in found:
                kids.append(self._skip(field.type, f".{field.name}"))
                continue
            found.add(i)
            target = reader.fields[i]
            below = f"{path}.{target.name}"
            kids.append(self._read(field.type, target.type, first + i, below, f".{target.name}"))
        for i, field in enumerate(reader.fields):
            if i not in found:
                kids.append(self._default(field, first + i, path))
        return kids

    def _default(self, field: AvroField, column: int, path: str) -> int:
        """Add what stands for a field that is not written."""
        path = f"{path}.{field.name}"
        if field.default is NO_DEFAULT:
            raise SerializationError(
                f"Avro: {path}: the reader's schema has a field that was not written: "
                "give it a default",
                path=path,
            )
        text = encode_default(field.default, field.type, path)
        kid = self._read(field.type, field.type, column, path, f".{field.name}")
        return self._add(DEFAULT, kids=[kid], text=text, label=f".{field.name}")

    def _read(
        self,
        writer: AvroType,
        reader: AvroType,
        column: int,
        path: str,
        label: str,
        null_branch: int = -1,
    ) -> int:
        """Add the nodes that read one type as another."""
        if writer.kind == "union":
            return self._read_union(writer, reader, column, path, label)
        if reader.kind == "union":
            return self._read_into_union(writer, reader, column, path, label)
        least = 1 if null_branch >= 0 else least_bytes(writer)
        if writer.logical and reader.logical and not same_logical(writer, reader):
            raise unresolved(path, writer, reader)
        if writer.kind in ("record", "array", "map", "enum", "fixed"):
            if writer.kind != reader.kind or not names_match(writer, reader):
                raise unresolved(path, writer, reader)
            return self._read_complex(writer, reader, column, path, label, null_branch, least)
        op = OPS.get(PLAIN.get((writer.kind, reader.kind), ""), -1)
        if op < 0:
            raise unresolved(path, writer, reader)
        text = None
        if reader.logical == "decimal":
            op, text = DECIMAL, self._bound(reader, column)
        elif reader.logical == "uuid":
            op = UUID
        return self._add(op, column, label=label, null_branch=null_branch, least=least, text=text)

    def _bound(self, type_: AvroType, column: int) -> bytes:
        """Give what the magnitude of a decimal stays below, the least significant byte first."""
        width: int = self._layout[column][1]
        bound: int = 10**type_.precision
        return bound.to_bytes(width, "little")

    def _read_complex(
        self,
        writer: AvroType,
        reader: AvroType,
        column: int,
        path: str,
        label: str,
        null_branch: int,
        least: int,
    ) -> int:
        """Add the nodes of a type with a name or with others in it."""
        first = self._layout[column][2]
        op, kids, size, text, symbols = FIXED, [], writer.size, None, None
        if writer.kind == "record":
            op, kids = RECORD, self._fields(writer, reader, first, path)
        elif writer.kind == "array":
            op = ARRAY
            kids = [self._read(items_of(writer), items_of(reader), first, f"{path}[]", "")]
        elif writer.kind == "map":
            op, key = MAP, self._layout[first][2]
            kids = [self._read(TEXT, TEXT, key, f"{path}{{}}", "")]
            kids.append(self._read(items_of(writer), items_of(reader), key + 1, f"{path}{{}}", ""))
        elif writer.kind == "enum":
            op, symbols = ENUM, symbols_of(writer, reader)
        elif reader.logical == "decimal":
            op, text = DECIMAL_FIXED, self._bound(reader, column)
        elif reader.logical == "duration":
            op = DURATION
        return self._add(
            op,
            column,
            label=label,
            null_branch=null_branch,
            kids=kids,
            size=size,
            least=least,
            text=text,
            symbols=symbols,
        )

    def _read_union(
        self, writer: AvroType, reader: AvroType, column: int, path: str, label: str
    ) -> int:
        """Add the nodes of what is written as a union."""
        branch = null_branch_of(writer)
        if branch >= 0 and null_branch_of(reader) >= 0:
            inner = reader.branches[1 - null_branch_of(reader)]
            return self._read(writer.branches[1 - branch], inner, column, path, label, branch)
        kids, n_fitting = [], 0
        for one in writer.branches:
            try:
                kids.append(self._read(one, reader, column, path, label))
                n_fitting += 1
            except SerializationError:
                # Not before such a value comes: others of the union may be all that there is.
                kids.append(self._add(REFUSE, label=label))
        if not n_fitting:
            raise unresolved(path, writer, reader)
        return self._add(UNION, label=label, kids=kids, least=1)

    def _read_into_union(
        self, writer: AvroType, reader: AvroType, column: int, path: str, label: str
    ) -> int:
        """Add the nodes of what is written as one type, and read as one of several."""
        k = matching_branch(writer, reader.branches)
        if k < 0:
            raise unresolved(path, writer, reader)
        if null_branch_of(reader) >= 0:
            if writer.kind == "null":
                return self._add(NONE, column, label=label)
            return self._read(writer, reader.branches[k], column, path, label)
        if len(reader.branches) == 1:
            return self._read(writer, reader.branches[0], column, path, label)
        child = self._layout[column][2] + k
        kid = self._read(writer, reader.branches[k], child, path, label)
        return self._add(BRANCH, column, label=label, kids=[kid], size=k, least=least_bytes(writer))

    def _skip(self, type_: AvroType, label: str, null_branch: int = -1) -> int:
        """Add the nodes that pass over a type."""
        branch = null_branch_of(type_)
        if branch >= 0:
            return self._skip(type_.branches[1 - branch], label, branch)
        kids: list[int] = []
        if type_.kind in SKIPS:
            op, size = SKIPS[type_.kind]
        elif type_.kind == "fixed":
            op, size = SKIP_FIXED, type_.size
        elif type_.kind == "record":
            kids = [self._skip(one.type, f".{one.name}") for one in type_.fields]
            op, size = RECORD, 0
        elif type_.kind == "union":
            kids = [self._skip(one, label) for one in type_.branches]
            op, size = UNION, 0
        else:
            kids = [self._skip(TEXT, "")] if type_.kind == "map" else []
            kids.append(self._skip(items_of(type_), ""))
            op, size = (ARRAY if type_.kind == "array" else MAP), 0
        least = 1 if null_branch >= 0 else least_bytes(type_)
        return self._add(
            op, label=label, null_branch=null_branch, kids=kids, size=size, least=least
        )
