"""What serializers share that are Arrow's own readers and writers: bytes are files in memory.

Files are read and written in bounded memory. What is read is checked, and whatever is wrong with it
is a `SerializationError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from tidegate.core.batch import read_input
from tidegate.core.convert import first_line
from tidegate.core.errors import (
    ColumnNotFoundError,
    InputError,
    SerializationError,
    TidegateError,
)
from tidegate.core.formats.wholefiles import PathOrFile, opened, written

__all__ = ["ArrowFormat", "check_names"]

Rows: TypeAlias = "pa.Table | pa.RecordBatch | Sequence[Mapping[str, Any]] | Any"

GROUP_ROWS = 1 << 17  # rows of a row group that is written, at most
GROUP_BYTES = 16 << 20  # bytes gathered for a row group, at most about


class ArrowFormat:
    """What the formats share: bytes are files in memory."""

    name = ""

    def dumps(self, rows: Rows, /) -> bytes:
        """Write rows (a table, a batch, a list of dicts) as the bytes of a whole file.

        Raises
        ------
        SerializationError
            If the format has no place for a column.
        """
        table = read_input(rows).table()
        out = BytesIO()
        self.write(out, [table] if not table.num_rows else table.to_batches())
        return out.getvalue()

    def loads(self, data: bytes, /, *, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the bytes of a whole file.

        Raises
        ------
        SerializationError
            If they are damaged or of another format.
        ColumnNotFoundError
            If one of `columns` is not there.
        """
        return pa.Table.from_batches(list(self.read(pa.BufferReader(data), columns=columns)))

    def write(
        self, path_or_file: PathOrFile, batches: Iterable[pa.RecordBatch | pa.Table], /
    ) -> None:
        """Write batches of one schema, in bounded memory; a path whole or not at all.

        Raises
        ------
        InputError
            If there is no batch: nothing says what the columns are. An empty one does.
        SerializationError
            If the format has no place for a column.
        SinkError
            If the file cannot be written.
        """
        parts = iter(batches)
        first = next(parts, None)
        if first is None:
            raise InputError(f"{self.name}: no batch, so there are no columns; give an empty one")
        with written(path_or_file) as stream:
            with _named(self.name):
                writer = self._writer(stream, first.schema)
            try:
                for group in _groups(first, parts):
                    with _named(self.name):
                        writer.write_table(group)
                with _named(self.name):
                    writer.close()
            except BaseException:
                _give_up(writer)
                raise

    def read(
        self, path_or_file: PathOrFile, /, *, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Read a file as batches; at least one, which is empty where the file is.

        Raises
        ------
        SerializationError, ColumnNotFoundError
            As `loads`.
        SourceError
            If the file cannot be read.
        """
        what = str(path_or_file) if isinstance(path_or_file, str | Path) else self.name
        with opened(path_or_file) as stream, _named(what):
            schema, batches = self._batches(stream, None if columns is None else list(columns))
            is_empty = True
            for batch in batches:
                if batch.num_rows:
                    is_empty = False
                    batch.validate(full=True)  # an offset or index out of range would crash
                    yield batch
            if is_empty:
                yield pa.RecordBatch.from_pylist([], schema=schema)

    def _writer(self, stream: Any, schema: pa.Schema) -> Any:
        """Make what writes tables."""
        raise NotImplementedError

    def _batches(
        self, stream: Any, columns: list[str] | None
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Read the schema, and give the batches."""
        raise NotImplementedError


def _groups(first: Any, rest: Iterator[Any]) -> Iterator[pa.Table]:
    """Gather batches until they are worth a row group, and cut those that are too long."""
    schema = first.schema
    waiting: list[pa.Table] = []
    n_rows = n_bytes = 0

    def chained() -> Iterator[Any]:
        yield first
        yield from rest

    for part in chained():
        if not part.schema.equals(schema):
            raise SerializationError(
                f"a batch has the columns {part.schema.names} of {part.schema.types}, and the "
                f"first one {schema.names} of {schema.types}; they have to be the same"
            )
        table = part if isinstance(part, pa.Table) else pa.Table.from_batches([part], schema)
        for start in range(0, max(1, table.num_rows), GROUP_ROWS):
            cut = table.slice(start, GROUP_ROWS)
            waiting.append(cut)
            n_rows, n_bytes = n_rows + cut.num_rows, n_bytes + cut.nbytes
            if n_rows >= GROUP_ROWS or n_bytes >= GROUP_BYTES:
                yield pa.concat_tables(waiting)
                waiting, n_rows, n_bytes = [], 0, 0
    if n_rows:
        yield pa.concat_tables(waiting)


def _give_up(writer: Any) -> None:
    """Close a writer after an error: left open, it would complain when it is freed."""
    with suppress(OSError, ValueError, pa.ArrowException):
        writer.close()
    if hasattr(writer, "is_open"):
        writer.is_open = False


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Turn whatever Arrow finds wrong into a `SerializationError` that names the file."""
    try:
        yield
    except TidegateError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise  # the file system: named where the file was opened
        raise SerializationError(f"{what}: {first_line(error)}") from error
    except (pa.ArrowException, ValueError, TypeError, EOFError, KeyError) as error:
        raise SerializationError(f"{what}: {first_line(error)}") from error


def check_names(schema: pa.Schema, columns: list[str] | None, what: str) -> list[str]:
    """Return the columns to read, each of which has to be there."""
    for name in columns or ():
        if name not in schema.names:
            have = ", ".join(schema.names[:20])
            raise ColumnNotFoundError(f"{what}: there is no column {name!r}; it has: {have}")
    return schema.names if columns is None else columns
