"""Protobuf messages into record batches."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from tidegate._kernels.proto_program import Program
from tidegate._kernels.proto_read import Reader
from tidegate.core.columntree import Layout, array_of, layout_of
from tidegate.core.decoding import decoding_error
from tidegate.core.errors import SerializationError
from tidegate.core.formatlimits import FormatLimits
from tidegate.core.protoschema import (
    Operation,
    ProtoMessage,
    closed_enums,
    operations_of,
)
from tidegate.core.prototypes import arrow_schema, wire_schema
from tidegate.core.protovalues import finish, is_plain

__all__ = ["Decoder", "program_of"]

MAX_ROWS = 1 << 20  # of one batch
MAX_BYTES = 64 << 20  # of messages in one batch
SPARE = 4  # a batch begins to fill at most a quarter of what the limit allows
WIDE = 8  # bytes of a value and of what says that it is there, about

# Statuses of proto_decode.pxd.
WRONG_WIRE_TYPE, LONG_MESSAGE = 32, 33
WRONG = {WRONG_WIRE_TYPE: "the wire type is none that the field's type is written with"}


def program_of(operations: list[Operation]) -> Program:
    """Make the program that the kernels run."""
    table = [
        (
            operation.parent,
            0 if field is None else field.number,
            11 if field is None else int(field.kind),
            0 if field is None else int(field.label),
            operation.oneof,
            operation.enum,
            field is not None and field.is_map,
        )
        for operation in operations
        for field in [operation.field]
    ]
    return Program(table, list(closed_enums(operations)))


def places_of(operations: list[Operation], layout: list[Layout]) -> list[tuple[int, int]]:
    """Find the columns of each operation in the layout: of the field, and of one value."""
    places = [(-1, -1)]
    for operation in operations[1:]:
        first = 0 if operation.parent == 0 else layout[places[operation.parent][1]][2]
        column = first + operation.position
        field = operation.field
        is_repeated = field is not None and field.is_repeated
        places.append((column, layout[column][2] if is_repeated else column))
    return places


class Decoder:
    """What turns messages of one type into record batches.

    Parameters
    ----------
    message
        The type; fields that it doesn't have are skipped.
    limits
        What is taken at most.
    what
        What is read, for errors.
    """

    def __init__(self, message: ProtoMessage, limits: FormatLimits, what: str) -> None:
        self.schema = arrow_schema(message)
        self._message = message
        self._limits = limits
        self._what = what
        self._wire = wire_schema(message)
        self._layout = layout_of(list(self._wire))
        self._operations = operations_of(message)
        self._program = program_of(self._operations)
        self._places = places_of(self._operations, self._layout)
        room = limits.batch_bytes // SPARE // (WIDE * max(1, len(self._layout)))
        self._max_rows = max(1, min(MAX_ROWS, room))
        self._n_rows = 0  # of all batches before

    def _reader(self) -> Reader:
        """Make empty columns."""
        limits = self._limits
        reader = Reader(self._layout, len(self._wire), limits.batch_bytes)
        bounds = (limits.depth, limits.items, limits.text_bytes, limits.block_bytes)
        reader.bind(self._program, self._places, bounds)
        return reader

    def read_stream(
        self, source: Any, start: int = 0, *, is_last: bool, offset: int = 0, max_rows: int = 0
    ) -> tuple[pa.RecordBatch, int]:
        """Read messages, each behind its length.

        Parameters
        ----------
        source
            A buffer.
        start
            Byte where to begin.
        is_last
            Whether nothing comes behind `source`: a part of a message is an error then.
        offset
            Bytes of the stream that came before `source`.
        max_rows
            Where to stop; 0: the rows of a usual batch.

        Returns
        -------
        batch, stop
            The rows, and the byte where the first message begins that wasn't read.
        """
        reader = self._reader()
        most = min(max_rows, self._max_rows) if max_rows else self._max_rows
        stop = reader.read_stream(source, start, most, MAX_BYTES, is_last)
        self._check(reader, offset)
        return self._batch(reader), stop

    def read_message(self, source: Any) -> pa.RecordBatch:
        """Read one message, which is all of `source`, as one row."""
        reader = self._reader()
        reader.read_message(source)
        self._check(reader, 0)
        return self._batch(reader)

    def _check(self, reader: Reader, offset: int) -> None:
        """Raise what went wrong."""
        status = reader.status
        if status == 0:
            return
        place = {
            "offset": offset + reader.bad,
            "row": self._n_rows + reader.bad_row,
            "path": self._path(reader),
        }
        if status == LONG_MESSAGE:
            raise SerializationError(
                f"{self._what}: byte {place['offset']}: a message is longer than limit block_bytes "
                f"= {self._limits.block_bytes:,}: raise it if need be",
                offset=offset + reader.bad,
            )
        if status in WRONG:
            raise SerializationError(
                f"{self._what}: row {place['row']}, {place['path']}, byte {place['offset']}: "
                f"{WRONG[status]}",
                **place,  # type: ignore[arg-type]
            )
        raise decoding_error(self._what, status, self._limits, **place)  # type: ignore[arg-type]

    def _path(self, reader: Reader) -> str:
        """Give the way to what went wrong, such as ``$.legs[3].price``."""
        steps = ["$"]
        for place, item in reversed(reader.path()):
            field = self._operations[place].field
            if field is not None:
                steps.append(f".{field.name}" + (f"[{item}]" if item >= 0 else ""))
        return "".join(steps)

    def _batch(self, reader: Reader) -> pa.RecordBatch:
        """Make a batch of what was read."""
        n_rows = reader.end()
        taken = reader.take()
        arrays = []
        for i, (field, wire) in enumerate(zip(self._message.fields, self._wire, strict=True)):
            array = array_of(wire, i, self._layout, taken, {})
            if not is_plain(field):
                array = finish(field, array, f"$.{field.name}", self._problem)
            arrays.append(array)
        self._n_rows += n_rows
        if not arrays:
            rows: Any = pa.Array.from_buffers(pa.struct([]), n_rows, [None])
            return pa.RecordBatch.from_struct_array(rows)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _problem(self, path: str, row: int | None, reason: str) -> SerializationError:
        """Make the error of a value that was read, but is none of its type."""
        row = None if row is None else row + self._n_rows
        where = path if row is None else f"row {row}, {path}"
        return SerializationError(f"{self._what}: {where}: {reason}", path=path, row=row)
