"""CSV files, whose types are found in their first 4 MiB and hold from there on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tidegate.core.errors import SourceError
from tidegate.core.files import BLOCK, WIDEN, Columns, InputFile, line_blocks, select, whole_lines

if TYPE_CHECKING:
    import pyarrow.csv as pa_csv


__all__ = ["CsvReader"]

NULLS = ["", "null", "NULL", "None", "NA", "N/A", "n/a", "#N/A"]  # "nan" is a value, not a null


class CsvReader:
    """A CSV file with a header line; all of it is one part."""

    def __init__(self, file: InputFile, columns: Columns) -> None:
        self.file = file
        self.least_times: list[int | float | None] = [None]
        self._all_names: list[str] = []
        whole = self._guess(columns)
        self.schema = select(whole, columns, file)

    def _guess(self, columns: Columns) -> pa.Schema:
        """Guess the type of each column from the first lines, which must be whole ones."""
        head = whole_lines(self.file, quotes=True)
        reader = self._open(pa.BufferReader(head), dict(columns.types), None, len(head) + 1)
        schema = reader.schema
        self._all_names = schema.names
        rows = reader.read_next_batch() if any(map(_is_seconds, schema.types)) else None
        for index, (name, type_) in enumerate(zip(schema.names, schema.types, strict=True)):
            if name in columns.names and type_ == pa.binary() and name not in columns.types:
                raise SourceError(f"{self.file.name}: column {name!r} is not UTF-8; convert it")
            if rows is not None and _is_seconds(type_) and name not in columns.types:
                schema = schema.set(index, pa.field(name, _finest(rows.column(index))))
        return schema

    def _open(
        self,
        stream: Any,
        types: dict[str, pa.DataType],
        names: list[str] | None,
        block_size: int = BLOCK,
    ) -> pa_csv.CSVStreamingReader:
        """Open a stream; one thread parses 600 MB/s, and only so does an error tell its row."""
        import pyarrow.csv as pa_csv

        try:
            return pa_csv.open_csv(
                stream,
                read_options=pa_csv.ReadOptions(use_threads=False, block_size=block_size),
                parse_options=pa_csv.ParseOptions(newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    column_types=types, include_columns=names, null_values=NULLS
                ),
            )
        except pa.ArrowInvalid as error:
            raise self._explained(error) from error

    def batches(self, schema: pa.Schema) -> Iterator[tuple[int, pa.RecordBatch, float]]:
        """Yield the rows block by block."""
        types = dict(zip(schema.names, schema.types, strict=True))
        reader = self._open(self.file.open(), types, schema.names)
        try:
            for rows in reader:
                yield 0, rows, self.file.share_read()
        except pa.ArrowInvalid as error:
            raise self._explained(error) from error

    def _explained(self, error: pa.ArrowInvalid) -> SourceError:
        """Say the line, the column and what to do, as far as the message tells."""
        message = str(error).partition("\n")[0]
        row = re.search(r"Row #(\d+): ", message)
        line = f", {self._line(int(row[1]))}" if row else ""
        message = message.replace(row[0], "") if row else message
        if ragged := re.search(r"Expected (\d+) columns, got (\d+)", message):
            return SourceError(
                f"{self.file.name}{line}: {ragged[2]} fields where the header has {ragged[1]}; "
                "mend the line"
            )
        if wrong := re.search(r"In CSV column #(\d+): CSV conversion error to (.*)", message):
            index = int(wrong[1])
            name = self._all_names[index] if index < len(self._all_names) else f"#{index + 1}"
            type_, _, reason = wrong[2].partition(": ")
            hint = WIDEN.format(name=name)
            return SourceError(
                f"{self.file.name}{line}, column {name!r}: not {type_}: {reason[:200]}; {hint}"
            )
        if "straddl" in message or "out of sync" in message:
            message = f"a line is longer than {BLOCK} bytes, or a quote is never closed"
        return SourceError(f"{self.file.name}{line}: {message[:300]}; mend the file")

    def _line(self, row: int) -> str:
        """Turn the parser's row number, which leaves empty lines out, into a line number."""
        if not self.file.is_regular:
            return f"row {row}"
        n_rows = line_number = start = 0
        quoted = False
        with self.file.open() as stream:
            for line_number, line in enumerate(_lines(stream), 1):
                if not quoted:
                    n_rows += bool(line.strip(b"\r\n"))
                    start = line_number
                quoted ^= bool(line.count(b'"') % 2)
                if n_rows == row:
                    break
        return f"line {start}"


def _is_seconds(type_: pa.DataType) -> bool:
    """Say whether a guess was made from whole seconds; fractions may follow."""
    return bool(pa.types.is_timestamp(type_) and type_.unit == "s")


def _finest(times: pa.Array[Any]) -> pa.DataType:
    """Choose nanoseconds for a guessed time column, unless its times are out of their range."""
    nanoseconds = pa.timestamp("ns", times.type.tz)
    try:
        times.cast(nanoseconds)
    except pa.ArrowInvalid:
        nanoseconds = times.type
    return nanoseconds


def _lines(stream: pa.NativeFile) -> Iterator[bytes]:
    """Yield the lines of a stream."""
    for block in line_blocks(stream):
        yield from block.splitlines(keepends=True)
