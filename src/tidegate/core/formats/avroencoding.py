"""Arrow arrays as the nodes that the Avro `Writer` walks: where values, offsets and bits lie."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from pyarrow import types

from tidegate._kernels.avro_write import Writer
from tidegate.core.columntypes import is_text
from tidegate.core.errors import SerializationError
from tidegate.core.formats.avroarrow import VALUE, arrow_type_of, null_branch_of
from tidegate.core.formats.avrofit import (
    BOOL,
    CODE,
    DECIMAL,
    DECIMAL_FIXED,
    DURATION,
    FIXED,
    FIXED_AS_BYTES,
    FIXED_LIST,
    LARGE_LIST,
    LARGE_TEXT,
    LIST,
    NULL,
    RECORD,
    TEXT,
    UNION,
    UUID,
    cast_to,
    direct,
    missing,
    plain_list,
    unfit,
)
from tidegate.core.formats.avroschema import AvroType
from tidegate.core.formats.columntree import storage_of
from tidegate.core.formats.decoding import WHAT

__all__ = ["RowEncoder", "datums_of", "varint"]

Array: TypeAlias = Any  # the stubs of pyarrow know few methods of its arrays

LISTS: dict[Any, int] = {pa.lib.Type_LIST: LIST, pa.lib.Type_LARGE_LIST: LARGE_LIST}
FEW = 1 << 16  # values of a dictionary that are worth being encoded ahead


class RowEncoder:
    """Writes the rows of one record batch.

    Parameters
    ----------
    batch
        The rows; columns are found by name.
    type_
        What to write: a record, or a type for the one column ``value``.

    Raises
    ------
    SerializationError
        A column is missing, or its type can't be written as that of the schema.
    """

    def __init__(self, batch: pa.RecordBatch, type_: AvroType) -> None:
        self._nodes: list[tuple[Any, ...]] = []
        self._paths: list[str] = []
        self._memory: list[Any] = [batch]
        batch.validate()
        if type_.kind == "record":
            kids = [self._column(batch, one.name, one.type) for one in type_.fields]
            self._add("$", RECORD, kids=kids, n_rows=batch.num_rows)
        else:
            self._column(batch, VALUE, type_)
        self.n_rows = batch.num_rows
        self.writer = Writer(self._nodes, self._memory)
        bad = self.writer.unsound()
        if bad >= 0:
            path = self._paths[bad]
            raise SerializationError(
                f"Avro: {path}: the offsets of the column are damaged: check what it was made of "
                "with validate(full=True)",
                path=path,
            )

    def check(self, status: int, first_row: int = 0) -> None:
        """Raise the error of a status that is not 0."""
        if status == 0:
            return
        _, node, row = self.writer.failure()
        path = self._paths[node]
        raise SerializationError(
            f"Avro: column {path}, value {row + first_row}: {WHAT[status]}: "
            "change the value or the schema",
            path=path,
            row=row + first_row,
        )

    def _column(self, batch: pa.RecordBatch, name: str, type_: AvroType) -> int:
        """Add a column of the batch."""
        places = batch.schema.get_all_field_indices(name)
        if len(places) != 1:
            what = "there is no such column" if not places else "several columns have the name"
            raise SerializationError(f"Avro: $.{name}: {what}", path=f"$.{name}")
        return self._node(batch.column(places[0]), type_, f"$.{name}")

    def _add(
        self,
        path: str,
        op: int,
        *,
        array: Array | None = None,
        kids: list[int] | None = None,
        null_branch: int = -1,
        width: int = 0,
        size: int = 0,
        values: int = 0,
        content: int = 0,
        ends: int = 0,
        n_rows: int = 0,
        n_values: int = 0,
        longest: int = 0,
    ) -> int:
        """Add a node; its validity is that of the array."""
        valid, offset = 0, 0
        if array is not None:
            n_rows = len(array)
            self._memory.append(array)
            offset = array.offset
            bits = array.buffers()[0] if array.null_count else None
            valid = bits.address if bits is not None else 0
        self._nodes.append(
            (op, null_branch, kids or [], width, size, offset, valid, values, content, ends,
             n_rows, n_values, longest)
        )  # fmt: skip
        self._paths.append(path)
        return len(self._nodes) - 1

    def _node(self, array: Array, type_: AvroType, path: str, null_branch: int = -1) -> int:
        """Add the nodes of an array."""
        if isinstance(array.type, pa.BaseExtensionType) and array.type != pa.uuid():
            array = array.storage
        if types.is_run_end_encoded(array.type):
            import pyarrow.compute

            array = pyarrow.compute.call_function("run_end_decode", [array])
        branch = null_branch_of(type_)
        if branch >= 0 and not types.is_union(array.type):
            if types.is_null(array.type):
                array = array.cast(storage_of(arrow_type_of(type_.branches[1 - branch])))
            return self._node(array, type_.branches[1 - branch], path, branch)
        if type_.kind == "union":
            return self._union(array, type_, path)
        if types.is_dictionary(array.type) or type_.kind == "enum":
            made = self._dictionary(array, type_, path, null_branch)
            if made >= 0:
                return made
            array = array.dictionary_decode()
        if type_.kind == "record":
            return self._record(array, type_, path, null_branch)
        if type_.kind in ("array", "map"):
            return self._list(array, type_, path, null_branch)
        return self._leaf(array, type_, path, null_branch)

    def _record(self, array: Array, type_: AvroType, path: str, null_branch: int) -> int:
        """Add a struct."""
        if not isinstance(array, pa.StructArray):
            raise unfit(path, array, type_)
        names = [array.type.field(i).name for i in range(array.type.num_fields)]
        kids = []
        for one in type_.fields:
            if names.count(one.name) != 1:
                raise missing(f"{path}.{one.name}")
            child = array.field(names.index(one.name))
            kids.append(self._node(child, one.type, f"{path}.{one.name}"))
        return self._add(path, RECORD, array=array, kids=kids, null_branch=null_branch)

    def _list(self, array: Array, type_: AvroType, path: str, null_branch: int) -> int:
        """Add a list or a map."""
        items: Any = type_.items
        if types.is_list_view(array.type) or types.is_large_list_view(array.type):
            array = plain_list(array)
        kind, buffers = array.type, array.buffers()
        if type_.kind == "map":
            if not isinstance(array, pa.MapArray):
                raise unfit(path, array, type_)
            kids = [
                self._node(array.keys, AvroType("string"), f"{path}{{}}"),
                self._node(array.items, items, f"{path}{{}}"),
            ]
            values = _address(buffers[1], 4 * array.offset)
            return self._add(
                path, LIST, array=array, kids=kids, null_branch=null_branch, values=values
            )
        if types.is_fixed_size_list(kind):
            n = kind.list_size
            child = array.values.slice(array.offset * n, len(array) * n)
            kids = [self._node(child, items, f"{path}[]")]
            return self._add(
                path, FIXED_LIST, array=array, kids=kids, null_branch=null_branch, width=n
            )
        if kind.id not in LISTS or types.is_map(kind):
            raise unfit(path, array, type_)
        kids = [self._node(array.values, items, f"{path}[]")]
        width = 4 if types.is_list(kind) else 8
        values = _address(buffers[1], width * array.offset)
        return self._add(
            path, LISTS[kind.id], array=array, kids=kids, null_branch=null_branch, values=values
        )

    def _union(self, array: Array, type_: AvroType, path: str) -> int:
        """Add a dense union; a plain array goes into the one branch that takes it."""
        if not types.is_union(array.type):
            return self._into_union(array, type_, path)
        if array.type.mode != "dense":
            raise unfit(path, array, type_)
        if array.type.num_fields != len(type_.branches):
            raise unfit(path, array, type_)
        kids = [self._node(array.field(i), branch, path) for i, branch in enumerate(type_.branches)]
        branch_of = np.full(256, -1, np.int32)
        for i, code in enumerate(array.type.type_codes):
            branch_of[code] = i
        self._memory.append(branch_of)
        buffers = array.buffers()
        return self._add(
            path,
            UNION,
            kids=kids,
            n_rows=len(array),
            values=_address(buffers[1], array.offset),
            content=_address(buffers[2], 4 * array.offset),
            ends=branch_of.ctypes.data,
        )

    def _into_union(self, array: Array, type_: AvroType, path: str) -> int:
        """Add an array whose values are all of one branch of a union."""
        kinds = [storage_of(arrow_type_of(branch)) for branch in type_.branches]
        fitting = [i for i, kind in enumerate(kinds) if kind == storage_of(array.type)]
        if len(fitting) != 1 or array.null_count:
            raise unfit(path, array, type_)
        n = len(array)
        codes = np.full(n, fitting[0], np.uint8)
        places = np.arange(n, dtype=np.int32)
        branch_of = np.arange(256, dtype=np.int32)
        self._memory += [codes, places, branch_of]
        empty = [pa.array([], kind) for kind in kinds]
        empty[fitting[0]] = array
        kids = [self._node(empty[i], branch, path) for i, branch in enumerate(type_.branches)]
        return self._add(
            path,
            UNION,
            kids=kids,
            n_rows=len(array),
            values=codes.ctypes.data,
            content=places.ctypes.data,
            ends=branch_of.ctypes.data,
        )

    def _dictionary(self, array: Array, type_: AvroType, path: str, null_branch: int) -> int:
        """Add a dictionary with its values encoded ahead; -1 where that is of no use."""
        if not isinstance(array, pa.DictionaryArray):
            array = array.cast(pa.string()) if not types.is_null(array.type) else array
            array = array.dictionary_encode()
        values = array.dictionary
        is_enum = type_.kind == "enum"
        signed = types.is_signed_integer(array.type.index_type)
        if not signed and types.is_integer(array.type.index_type):
            array = pa.DictionaryArray.from_arrays(array.indices.cast(pa.int64()), values)
        if values.null_count or type_.kind not in ("enum", "string") or len(values) > FEW:
            if not is_enum:
                return -1
            array = array.dictionary_decode().dictionary_encode()
            values = array.dictionary
        texts = values.cast(pa.string()).to_pylist()
        if is_enum:
            place = {symbol: i for i, symbol in enumerate(type_.symbols)}
            encoded = [varint(place[text]) if text in place else b"" for text in texts]
        else:
            encoded = [varint(len(raw := text.encode())) + raw for text in texts]
        ends = np.zeros(len(encoded) + 1, np.int32)
        np.cumsum([len(one) for one in encoded], out=ends[1:])
        content = pa.py_buffer(b"".join(encoded) + b"\0")
        self._memory += [content, ends]
        indices = array.indices
        width = indices.type.byte_width
        return self._add(
            path,
            CODE,
            array=indices,
            null_branch=null_branch,
            width=width,
            values=_address(indices.buffers()[1], width * indices.offset),
            content=content.address,
            ends=ends.ctypes.data,
            n_values=len(encoded),
            longest=max(map(len, encoded), default=0),
        )

    def _leaf(self, array: Array, type_: AvroType, path: str, null_branch: int) -> int:
        """Add an array of plain values."""
        if type_.kind == "null":
            if array.null_count != len(array):
                raise unfit(path, array, type_)
            return self._add(path, NULL, n_rows=len(array))
        if type_.logical == "uuid" and type_.kind == "string" and not is_text(array.type):
            array, op = cast_to(array, pa.uuid(), path, type_), UUID
        elif type_.logical == "decimal":
            array = cast_to(array, arrow_type_of(type_), path, type_)
            op = DECIMAL if type_.kind == "bytes" else DECIMAL_FIXED
        elif type_.logical == "duration":
            array, op = cast_to(array, pa.month_day_nano_interval(), path, type_), DURATION
        elif type_.kind == "fixed":
            array, op = cast_to(array, arrow_type_of(type_), path, type_), FIXED
        elif type_.kind == "bytes" and types.is_fixed_size_binary(array.type):
            op = FIXED_AS_BYTES
        else:
            array, op = direct(array, type_, path)
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        buffers = array.buffers()
        width = 0
        if op not in (BOOL, TEXT, LARGE_TEXT):
            width = array.type.byte_width if op != DURATION else 16
        step = {BOOL: 0, TEXT: 4, LARGE_TEXT: 8}.get(op, width)
        return self._add(
            path,
            op,
            array=array,
            null_branch=null_branch,
            width=width,
            size=type_.size,
            values=_address(buffers[1], step * array.offset),
            content=_address(buffers[2], 0) if op in (TEXT, LARGE_TEXT) else 0,
        )


def _address(buffer: pa.Buffer | None, step: int) -> int:
    """Give where a buffer begins, so many bytes on; what is empty may begin nowhere."""
    return 0 if buffer is None else buffer.address + step


def varint(value: int) -> bytes:
    """Write a number that is not negative."""
    word, out = 2 * value, bytearray()
    while word > 127:
        out.append(word & 127 | 128)
        word >>= 7
    return bytes([*out, word])


def datums_of(batches: list[pa.RecordBatch], type_: AvroType) -> list[bytes]:
    """Write each row as a bare datum."""
    datums, first_row = [], 0
    for batch in batches:
        encoder = RowEncoder(batch, type_)
        for row in range(batch.num_rows):
            encoder.check(encoder.writer.rows(row, 1), first_row)
            datums.append(encoder.writer.take())
        first_row += batch.num_rows
    return datums
