"""Protobuf messages into record batches."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from tidegate._kernels.proto_program import Program
from tidegate._kernels.proto_read import Reader
from tidegate.core.errors import SerializationError
from tidegate.core.formats.columntree import Layout, array_of, layout_of
from tidegate.core.formats.decoding import bounded, decoding_error
from tidegate.core.formats.formatlimits import FormatLimits
from tidegate.core.formats.protoschema import (
    Operation,
    ProtoMessage,
    closed_enums,
    operations_of,
)
from tidegate.core.formats.prototypes import arrow_schema, wire_schema
from tidegate.core.formats.protovalues import finish, is_plain

__all__ = ["Decoder", "program_of"]

MAX_ROWS = 1 << 20  # of one batch
MAX_BYTES = 64 << 20  # of messages in one batch
PIECE_BYTES = 1 << 20  # of messages that are worth a thread
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

    def _reader(self) -> Reader:
        """Make empty columns."""
        limits = self._limits
        reader = Reader(self._layout, len(self._wire), limits.batch_bytes)
        bounds = (limits.depth, limits.items, limits.text_bytes, limits.block_bytes)
        reader.bind(self._program, self._places, bounds)
        return reader

    def read_stream(
        self,
        source: Any,
        start: int = 0,
        *,
        is_last: bool,
        offset: int = 0,
        first_row: int = 0,
        max_rows: int = MAX_ROWS,
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
        offset, first_row
            Bytes and rows of the stream that came before, for errors.
        max_rows
            Where to stop.

        Returns
        -------
        batch, stop
            The rows, and the byte where the first message begins that wasn't read.
        """
        reader = self._reader()
        most = min(max_rows, self._max_rows)
        reader.measure(source, start, most, MAX_BYTES)
        stop = reader.read_stream(source, start, most, MAX_BYTES, is_last)
        self._check(reader, offset, first_row)
        return self._batch(reader, first_row), stop

    def read_whole(self, source: Any, threads: int) -> Iterator[pa.RecordBatch]:
        """Read a whole stream, on some threads; all batches are bounded together."""
        size = len(source)
        most = max(PIECE_BYTES, min(MAX_BYTES, size // threads + 1))
        reader = self._reader()
        pieces = []
        start = first_row = 0
        while start < size:
            stop, n_rows = reader.measure(source, start, self._max_rows, most)
            pieces.append((start, first_row, n_rows))
            if stop == start:
                break
            start, first_row = stop, first_row + n_rows

        def read(piece: tuple[int, int, int]) -> pa.RecordBatch:
            start, first_row, n_rows = piece
            batch, _ = self.read_stream(
                source, start, is_last=True, first_row=first_row, max_rows=max(n_rows, 1)
            )
            return batch

        if threads == 1 or len(pieces) < 2:
            yield from bounded(map(read, pieces), self._limits, size, self._what)
            return
        with ThreadPoolExecutor(threads, "tidegate") as pool:
            try:
                yield from bounded(pool.map(read, pieces), self._limits, size, self._what)
            finally:  # what is behind an error isn't read
                pool.shutdown(cancel_futures=True)

    def read_message(self, source: Any) -> pa.RecordBatch:
        """Read one message, which is all of `source`, as one row."""
        reader = self._reader()
        reader.read_message(source)
        self._check(reader, 0, 0)
        return self._batch(reader, 0)

    def _check(self, reader: Reader, offset: int, first_row: int) -> None:
        """Raise what went wrong."""
        status = reader.status
        if status == 0:
            return
        row, at, path = first_row + reader.bad_row, offset + reader.bad, self._path(reader)
        if status == LONG_MESSAGE:
            raise SerializationError(
                f"{self._what}: byte {at}: a message is longer than limit block_bytes = "
                f"{self._limits.block_bytes:,}: raise it if need be",
                offset=at,
            )
        if status in WRONG:
            raise SerializationError(
                f"{self._what}: row {row}, {path}, byte {at}: {WRONG[status]}",
                offset=at,
                path=path,
                row=row,
            )
        raise decoding_error(self._what, status, self._limits, offset=at, path=path, row=row)

    def _path(self, reader: Reader) -> str:
        """Give the way to what went wrong, such as ``$.legs[3].price``."""
        steps = ["$"]
        for place, item in reversed(reader.path()):
            field = self._operations[place].field
            if field is not None:
                steps.append(f".{field.name}" + (f"[{item}]" if item >= 0 else ""))
        return "".join(steps)

    def _batch(self, reader: Reader, first_row: int) -> pa.RecordBatch:
        """Make a batch of what was read."""
        n_rows = reader.end()
        taken = reader.take()

        def problem(path: str, row: int | None, reason: str) -> SerializationError:
            """Make the error of a value that was read, but is none of its type."""
            row = None if row is None else row + first_row
            where = path if row is None else f"row {row}, {path}"
            return SerializationError(f"{self._what}: {where}: {reason}", path=path, row=row)

        arrays = []
        for i, (field, wire) in enumerate(zip(self._message.fields, self._wire, strict=True)):
            array = array_of(wire, i, self._layout, taken, {})
            if not is_plain(field):
                array = finish(field, array, f"$.{field.name}", problem)
            arrays.append(array)
        if not arrays:
            rows: Any = pa.Array.from_buffers(pa.struct([]), n_rows, [None])
            return pa.RecordBatch.from_struct_array(rows)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)
