"""Parquet, Arrow IPC and CSV as serializers: Arrow's own readers and writers, in bounded memory.

What is read is checked, and whatever is wrong with it is a `SerializationError`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from tidegate.core.batch import read_input
from tidegate.core.errors import (
    ColumnNotFoundError,
    InputError,
    SerializationError,
    TidegateError,
)
from tidegate.core.formats.wholefiles import PathOrFile, opened, written

__all__ = ["ArrowIpc", "Csv", "Parquet", "rows_as_table"]

Rows: TypeAlias = "pa.Table | pa.RecordBatch | Sequence[Mapping[str, Any]] | Any"

MAX_ROWS = 1 << 16  # rows of a batch that is read
GROUP_ROWS = 1 << 17  # rows of a row group that is written, at most
GROUP_BYTES = 16 << 20  # bytes gathered for a row group, at most about
READ_AHEAD = 1 << 20  # bytes a column
HEAD = 4 << 20  # bytes of CSV that the types are guessed from
BLOCK = 1 << 20  # bytes of CSV parsed at a time


def rows_as_table(rows: Rows) -> pa.Table:
    """Return rows of any kind that `tidegate.aggregate` takes as a table."""
    return read_input(rows).table()


class _Format:
    """What the formats share: bytes are files in memory."""

    name = ""

    def dumps(self, rows: Rows, /) -> bytes:
        """Write rows (a table, a batch, a list of dicts) as the bytes of a whole file.

        Raises
        ------
        SerializationError
            If the format has no place for a column.
        """
        table = rows_as_table(rows)
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
        raise SerializationError(f"{what}: {_first_line(error)}") from error
    except (pa.ArrowException, ValueError, TypeError, EOFError, KeyError) as error:
        raise SerializationError(f"{what}: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    """Shorten a message of another library."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:300].rstrip(".")


class _Ahead(RawIOBase):
    """Bytes that were read ahead, then the rest of a stream, which stays open."""

    def __init__(self, head: bytes, rest: Any) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes, fewer only at the end: Arrow takes fewer for the end."""
        if size < 0:
            size = 1 << 62
        part, self._head = self._head[:size], self._head[size:]
        parts, missing = [part], size - len(part)
        while missing and (more := self._rest.read(min(missing, READ_AHEAD))):
            parts.append(more)
            missing -= len(more)
        return b"".join(parts)


def _ahead(head: bytes, rest: Any) -> Any:
    """Give Arrow a stream of which some bytes were read ahead."""
    stream: Any = _Ahead(head, rest)
    return pa.PythonFile(stream, mode="r")


def _check_names(schema: pa.Schema, columns: list[str] | None, what: str) -> list[str]:
    """Return the columns to read, each of which has to be there."""
    for name in columns or ():
        if name not in schema.names:
            have = ", ".join(schema.names[:20])
            raise ColumnNotFoundError(f"{what}: there is no column {name!r}; it has: {have}")
    return schema.names if columns is None else columns


class Parquet(_Format):
    """The serializer of Parquet.

    Parameters
    ----------
    compression : str, default "zstd"
        Any that Arrow has: none, snappy, gzip, brotli, zstd, lz4.

    Notes
    -----
    Rows are written in groups of some 131,072 rows or 16 MiB. Only the columns asked for are read.

    Examples
    --------
    >>> from tidegate.core.formats.arrowformats import Parquet
    >>> Parquet().loads(Parquet().dumps([{"a": 1, "b": "x"}]), columns=["b"]).to_pydict()
    {'b': ['x']}
    """

    name = "Parquet"
    media_type = "application/vnd.apache.parquet"

    def __init__(self, *, compression: str = "zstd") -> None:
        self.compression = compression

    def _writer(self, stream: Any, schema: pa.Schema) -> Any:
        """Make what writes a row group a table."""
        import pyarrow.parquet as pq

        codec: Any = self.compression
        return pq.ParquetWriter(stream, schema, compression=codec, write_page_checksum=True)

    def _batches(
        self, stream: Any, columns: list[str] | None
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Open the file so that it holds a few pages in memory, not a row group."""
        import pyarrow.parquet as pq

        parquet = pq.ParquetFile(
            stream, buffer_size=READ_AHEAD, pre_buffer=False, page_checksum_verification=True
        )
        whole = parquet.schema_arrow
        names = _check_names(whole, columns, self.name)
        metadata: Any = whole.metadata
        schema = pa.schema([whole.field(name) for name in names], metadata)
        batches = parquet.iter_batches(MAX_ROWS, columns=names)
        return schema, (batch.select(names) for batch in batches)


class ArrowIpc(_Format):
    """The serializer of Arrow IPC: files are written, files and streams are read.

    Notes
    -----
    A record batch of the file is read as a whole. A dictionary column is written with one
    dictionary for all batches, which grows.

    Examples
    --------
    >>> from tidegate.core.formats.arrowformats import ArrowIpc
    >>> ArrowIpc().loads(ArrowIpc().dumps([{"a": 1, "b": "x"}])).to_pydict()
    {'a': [1], 'b': ['x']}
    """

    name = "Arrow IPC"
    media_type = "application/vnd.apache.arrow.file"

    def _writer(self, stream: Any, schema: pa.Schema) -> Any:
        """Make what writes a record batch a table."""
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
        return _OneDictionary(pa.ipc.new_file(stream, schema, options=options), schema)

    def _batches(
        self, stream: Any, columns: list[str] | None
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Open a file, or a stream where it begins as none."""
        head = stream.read(6)
        if head != b"ARROW1":
            reader: Any = pa.ipc.open_stream(_ahead(head, stream))
            names = _check_names(reader.schema, columns, self.name)
            batches = (batch.select(names) for batch in reader)
        else:
            stream.seek(0, os.SEEK_SET)
            reader = pa.ipc.open_file(stream)
            names = _check_names(reader.schema, columns, self.name)
            numbers = range(reader.num_record_batches)
            batches = (reader.get_batch(i).select(names) for i in numbers)
        schema = pa.schema([reader.schema.field(name) for name in names], reader.schema.metadata)
        return schema, batches


class _OneDictionary:
    """Writes tables as record batches whose dictionaries are the same, but for what is added."""

    def __init__(self, writer: Any, schema: pa.Schema) -> None:
        self._writer = writer
        self._known: dict[int, Any] = {
            i: None for i, type_ in enumerate(schema.types) if pa.types.is_dictionary(type_)
        }

    def write_table(self, table: pa.Table) -> None:
        """Write some rows as one record batch."""
        for place in self._known:
            field = table.schema.field(place)
            column = self._coded(place, table.column(place), field.type)
            table = table.set_column(place, field, column)
        self._writer.write_table(table.combine_chunks())

    def _coded(self, place: int, column: Any, type_: Any) -> Any:
        """Code a column by the dictionary of all before, which takes up what is new."""
        import pyarrow.compute as pc

        values = column.cast(type_.value_type)
        new = pc.drop_null(values.unique())
        known = self._known[place]
        if known is None:
            self._known[place] = known = new
        elif len(new):
            new = new.filter(pc.invert(pc.is_in(new, known)))
            self._known[place] = known = pa.concat_arrays([known, new]) if len(new) else known
        indices = pc.index_in(values, known).cast(type_.index_type)
        chunks = [
            pa.DictionaryArray.from_arrays(chunk, known, ordered=type_.ordered)
            for chunk in indices.chunks
        ]
        return pa.chunked_array(chunks, type_)

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


class Csv(_Format):
    r"""The serializer of CSV, with a header line.

    Parameters
    ----------
    schema : pyarrow.Schema, optional
        The types of the columns. Without it they are guessed from the first 4 MiB, and hold from
        there on; times are taken to be in nanoseconds where they fit.

    Notes
    -----
    A field without a character is null, ``""`` is an empty text; what is written comes back so. A
    line ends where a quote is open only if it is closed in the next 1 MiB.

    Examples
    --------
    >>> from tidegate.core.formats.arrowformats import Csv
    >>> Csv().dumps([{"a": 1, "b": "x"}, {"a": 2}])
    b'"a","b"\n1,"x"\n2,\n'
    """

    name = "CSV"
    media_type = "text/csv"

    def __init__(self, *, schema: pa.Schema | None = None) -> None:
        self.schema = schema

    def _writer(self, stream: Any, schema: pa.Schema) -> Any:
        """Make what writes lines."""
        import pyarrow.csv as pa_csv

        return pa_csv.CSVWriter(stream, schema)

    def _batches(
        self, stream: Any, columns: list[str] | None
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Guess the types from the head, and read by them from the start."""
        head = stream.read(HEAD)
        whole = head if len(head) < HEAD else head[: head.rfind(b"\n") + 1]
        types = {} if self.schema is None else dict(
            zip(self.schema.names, self.schema.types, strict=True)
        )  # fmt: skip
        guessed = _open_csv(pa.BufferReader(whole), types, None, len(whole) + 1)
        schema = guessed.schema
        for field in schema:
            if pa.types.is_timestamp(field.type) and field.type.unit == "s":
                types.setdefault(field.name, _finest(guessed, whole, field))
        names = _check_names(schema, columns, self.name)
        types = {field.name: types.get(field.name, field.type) for field in schema}
        chained = _ahead(head, stream)
        reader = _open_csv(chained, types, names, BLOCK)
        return reader.schema, iter(reader)


def _open_csv(stream: Any, types: dict[str, Any], names: list[str] | None, block: int) -> Any:
    """Open a stream of CSV."""
    import pyarrow.csv as pa_csv

    return pa_csv.open_csv(
        stream,
        read_options=pa_csv.ReadOptions(use_threads=False, block_size=block),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=types,
            include_columns=names,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _finest(guessed: Any, head: bytes, field: Any) -> pa.DataType:
    """Choose nanoseconds for times that were guessed from whole seconds, if they fit."""
    nanoseconds: Any = pa.timestamp("ns", field.type.tz)
    column: Callable[..., Any] = _open_csv(
        pa.BufferReader(head), {field.name: field.type}, [field.name], len(head) + 1
    ).read_all
    try:
        column().column(0).cast(nanoseconds)
    except pa.ArrowInvalid:
        nanoseconds = guessed.schema.field(field.name).type
    found: pa.DataType = nanoseconds
    return found
