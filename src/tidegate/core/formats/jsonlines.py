"""JSON lines: records as text, one JSON object a line.

`msgspec` reads and writes them; types, limits and errors are ours. JSON has no NaN and no
infinity: they are written as null, and their names are an error when read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa

from tidegate._kernels.objects import unwatched
from tidegate.core.columntypes import column_index
from tidegate.core.errors import SerializationError, TidegateError
from tidegate.core.formats.formatlimits import FormatLimits
from tidegate.core.formats.jsontypes import conform, row_hint, typed_table
from tidegate.core.formats.wholefiles import PathOrFile, opened, written
from tidegate.core.pyobjects import to_dicts
from tidegate.core.records import to_table

__all__ = ["JsonLines"]

Rows: TypeAlias = "pa.Table | pa.RecordBatch | Sequence[Mapping[str, Any]]"

BLOCK = 1 << 20  # bytes of text read at a time
HEAD = 4 << 20  # bytes of text that the types of a stream are guessed from
BLOCK_ROWS = 1 << 14  # rows made into text at a time
MARK = b"\xef\xbb\xbf"  # the UTF-8 byte order mark
WRONG = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class JsonLines:
    r"""The serializer of JSON lines (NDJSON).

    Parameters
    ----------
    schema : pyarrow.Schema, optional
        The columns to read; fields of other names are skipped. Without it the columns are all
        fields, and the types are those of the values: text stays text, also where it is a time.
    limits : FormatLimits, optional
        `block_bytes` is the longest line of a stream; an eighth of `batch_bytes` the rows times
        fields where no schema says which there are. Nesting ends at 64 levels.

    Notes
    -----
    Tables are written by this rule: times are ISO 8601 texts with all their digits, zoned ones in
    UTC with a Z; dates and times of day ISO texts; lengths of time integers in their own unit;
    bytes base64; decimals texts; NaN and infinities null; null null. Read with the table's
    schema, all of them come back as they were, but NaN and infinities, which are null. In
    a column of times integers are read too, in the unit of the column.

    Memory: `write` and `read` hold one block of rows. In a stream without a schema the types found
    in the first 4 MiB hold from there on.

    Examples
    --------
    >>> from tidegate.core.formats.jsonlines import JsonLines
    >>> json = JsonLines()
    >>> json.dumps([{"ts": 1, "price": 2.5}, {"ts": 2}])
    b'{"ts":1,"price":2.5}\n{"ts":2}\n'
    >>> json.loads(json.dumps([{"ts": 1, "price": 2.5}, {"ts": 2}])).to_pydict()
    {'ts': [1, 2], 'price': [2.5, None]}
    """

    media_type = "application/x-ndjson"

    def __init__(
        self, *, schema: pa.Schema | None = None, limits: FormatLimits | None = None
    ) -> None:
        self.schema = schema
        self.limits = FormatLimits() if limits is None else limits
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(dict[str, Any] if schema is None else row_hint(schema))

    def dumps(self, rows: Rows, /) -> bytes:
        """Write a table or a list of dicts as lines.

        Raises
        ------
        SerializationError
            If a value is of a type that JSON has no way for, or a time beyond the years 1 to 9999.
        """
        if not isinstance(rows, pa.Table | pa.RecordBatch):
            return self._encoded(rows)
        parts = []
        for batch in [rows] if isinstance(rows, pa.RecordBatch) else rows.to_batches():
            parts += list(self._texts(batch))
        return b"".join(parts)

    def loads(self, data: bytes, /, *, columns: Sequence[str] | None = None) -> pa.Table:
        """Read lines as a table.

        Raises
        ------
        SerializationError
            If a line is not a JSON object, or a value is not of its type.
        ColumnNotFoundError
            If one of `columns` is not there.
        """
        return _chosen(self._table(self.loads_records(data), 0), columns)

    def loads_records(self, data: bytes, /) -> list[dict[str, Any]]:
        """Read lines as dicts.

        Raises
        ------
        SerializationError
            If a line is not a JSON object; with the number of the line and the byte.
        """
        view = memoryview(data).cast("B")
        start = len(MARK) if bytes(view[: len(MARK)]) == MARK else 0
        return self._decoded(bytes(view[start:]) if start else bytes(view), 0, start)

    def write(
        self, path_or_file: PathOrFile, batches: Iterable[pa.RecordBatch | pa.Table], /
    ) -> None:
        """Write batches of rows as lines, in blocks; a path is written whole or not at all."""
        with written(path_or_file) as stream:
            for rows in batches:
                for batch in [rows] if isinstance(rows, pa.RecordBatch) else rows.to_batches():
                    for text in self._texts(batch):
                        stream.write(text)

    def read(
        self, path_or_file: PathOrFile, /, *, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Read lines as batches of rows of one schema; at least one, which may be empty.

        Raises
        ------
        SerializationError
            As `loads`; also if a value or field that comes later does not fit the types of the
            first 4 MiB, where no schema is given.
        """
        with opened(path_or_file) as stream:
            blocks = self._blocks(stream)
            tables = self._guessed(blocks) if self.schema is None else self._read(blocks)
            table = None
            is_empty = True
            for table in tables:
                for batch in _chosen(table, columns).to_batches():
                    is_empty = False
                    yield batch
            if is_empty:
                empty = pa.schema([]) if table is None else _chosen(table, columns).schema
                empty = empty if self.schema is None else self.schema
                yield _no_rows(_chosen(empty.empty_table(), columns).schema)

    def _read(self, blocks: Iterator[tuple[bytes, int, int]]) -> Iterator[pa.Table]:
        """Read blocks by the schema."""
        for lines, n_lines, n_bytes in blocks:
            yield self._table(self._decoded(lines, n_lines, n_bytes), n_lines)

    def _guessed(self, rest: Iterator[tuple[bytes, int, int]]) -> Iterator[pa.Table]:
        """Read blocks by the types that the first ones have."""
        head = []
        for block in rest:
            head.append(block)
            if sum(len(lines) for lines, _, _ in head) >= HEAD:
                break
        start = head[0][2] if head else 0
        first = self._table(self._decoded(b"".join(lines for lines, _, _ in head), 0, start), 0)
        schema = first.schema
        del head
        yield first
        del first
        for lines, n_lines, n_bytes in rest:
            records = self._decoded(lines, n_lines, n_bytes)
            table = self._table(records, n_lines)
            yield conform(table, len(records), schema, n_lines)

    def _blocks(self, stream: Any) -> Iterator[tuple[bytes, int, int]]:
        """Yield whole lines, and how many lines and bytes stand before them."""
        rest, n_lines, n_bytes = b"", 0, 0
        while True:
            block = stream.read(BLOCK)
            if n_bytes == n_lines == 0 and not rest and block.startswith(MARK):
                block, n_bytes = block[len(MARK) :], len(MARK)
            cut = block.rfind(b"\n") + 1
            lines = rest + block[:cut] if cut else b""
            rest = block[cut:] if cut else rest + block
            if not block:
                lines, rest = rest, b""
            if lines:
                yield lines, n_lines, n_bytes
                n_lines += lines.count(b"\n")
                n_bytes += len(lines)
            if not block:
                return
            if len(rest) > self.limits.block_bytes:
                raise SerializationError(
                    f"JSON: line {n_lines + 1}, byte {n_bytes}: a line is longer than "
                    f"{self.limits.block_bytes:,} bytes (limit block_bytes)",
                    offset=n_bytes,
                    row=n_lines,
                )

    def _texts(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """Write a batch block by block."""
        for start in range(0, batch.num_rows, BLOCK_ROWS):
            try:
                rows = to_dicts(batch.slice(start, BLOCK_ROWS), times_as_text=True)
            except (ValueError, OverflowError) as error:
                raise SerializationError(f"JSON: a value cannot be written: {error}") from error
            yield self._encoded(rows)

    def _encoded(self, records: Sequence[Mapping[str, Any]]) -> bytes:
        """Write dicts as lines."""
        try:
            return self._encoder.encode_lines(records)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            for row, record in enumerate(records):
                try:
                    self._encoder.encode(record)
                except (TypeError, ValueError, OverflowError, RecursionError) as wrong:
                    raise SerializationError(
                        f"JSON: record {row} cannot be written: {wrong}", row=row
                    ) from wrong
            raise SerializationError(f"JSON: the records cannot be written: {error}") from error

    def _decoded(self, lines: bytes, n_lines: int, n_bytes: int) -> list[dict[str, Any]]:
        """Read lines as dicts; so many lines and bytes stand before them."""
        try:
            records: list[dict[str, Any]] = unwatched(self._decoder.decode_lines, lines)
        except WRONG as error:
            raise self._explained(lines, n_lines, n_bytes, error) from error
        # msgspec also takes objects that share a line or go over several: they would be read or
        # not by where a block of a stream happens to end.
        n_most = lines.count(b"\n") + (not lines.endswith(b"\n"))
        if len(records) != n_most and len(records) != _n_filled(lines):
            raise self._explained(lines, n_lines, n_bytes, None)
        return records

    def _explained(
        self, lines: bytes, n_lines: int, n_bytes: int, error: Exception | None
    ) -> SerializationError:
        """Find the line that is wrong, one by one: this happens once, and costs one block."""
        for number, line in enumerate(lines.split(b"\n"), n_lines + 1):
            try:
                records = self._decoder.decode_lines(line)
            except WRONG as wrong:
                return _line_error(number, n_bytes, wrong)
            if len(records) > 1:
                return _line_error(number, n_bytes, ValueError("there is more than one object"))
            n_bytes += len(line) + 1
        return SerializationError(f"JSON: {error}")

    def _table(self, records: list[dict[str, Any]], n_lines: int) -> pa.Table:
        """Make a table of records that stand behind so many lines."""
        try:
            if self.schema is None:
                return to_table(records, most_cells=self.limits.batch_bytes // 8)
            return typed_table(records, self.schema)
        except TidegateError as error:
            after = f"after line {n_lines}: " if n_lines else ""
            raise SerializationError(f"JSON: {after}{error}") from error


def _chosen(table: pa.Table, columns: Sequence[str] | None) -> pa.Table:
    """Take some columns of a table."""
    if columns is None:
        return table
    return table.select([column_index(table.schema, name) for name in columns])


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    """Make a batch that only says what its columns are."""
    return pa.RecordBatch.from_pylist([], schema=schema)


def _n_filled(lines: bytes) -> int:
    """Count the lines that hold more than spaces."""
    return sum(1 for line in lines.split(b"\n") if line.strip())


def _line_error(number: int, n_bytes: int, error: Exception) -> SerializationError:
    """Say what is wrong with a line that begins at a byte."""
    reason = str(error).replace("`", "").partition(" - at ")
    at = re.search(r" \(byte (\d+)\)", reason[0])
    offset = n_bytes + (int(at[1]) if at else 0)
    path = reason[2].replace("$[0]", "$")
    what = reason[0].replace(at[0] if at else "", "")[:300]
    where = f"line {number}, byte {offset}" + (f", {path}" if path else "")
    return SerializationError(
        f"JSON: {where}: {what}", offset=offset, path=path or None, row=number - 1
    )
