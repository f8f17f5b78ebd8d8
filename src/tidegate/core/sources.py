"""Files and standard input as a stream of record batches: the needed columns, checked, in order.

Whatever a file says of itself is a claim until it is checked: its name, its schema, its encoding.
Every failure is a `SourceError` that names the file and, where there is one, the column or line.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import pyarrow as pa

from tidegate.core.errors import SourceError
from tidegate.core.files import Columns, Format, InputFile, read_errors, select

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["Batch", "Source"]

MAX_ROWS = 1 << 17  # rows a batch: 4 MiB of four columns, small beside the caches' cost of a call
MAX_MAPPED = 128 << 20  # bytes a record batch above which an Arrow file is mapped, not read
PARQUET_BUFFER = 1 << 20  # bytes read ahead a column: a row group is never held whole

STRINGS = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())

Time = int | float
Item = TypeVar("Item")


class Batch(NamedTuple):
    """Some rows of a source and what is known about the rows from here on."""

    rows: pa.RecordBatch
    time_floor: Time | None
    """No row of this batch or a later one has a time below this; None: unknown.

    In the unit of the time column."""
    n_bytes: int
    """Bytes of the source read so far."""


class Reader(Protocol):
    """One file: the schema of its needed columns, and its rows in parts."""

    file: InputFile
    schema: pa.Schema
    least_times: list[Time | None]
    """Of each part, the least time in it (inf: no time at all); None: unknown."""

    def batches(self, schema: pa.Schema) -> Iterator[tuple[int, pa.RecordBatch, float]]:
        """Yield the part, rows as `schema` says, and the share of the file read so far."""
        ...


class Source:
    r"""The rows of one or several files, one after the other, as record batches of one schema.

    Parameters
    ----------
    files
        What to read, in this order.
    columns
        The columns that are needed; no other is decoded.

    Attributes
    ----------
    schema : pyarrow.Schema
        The needed columns. A dictionary column of one file may be a plain one in the next.
    n_bytes : int or None
        Size of all files; None when it is not known (standard input).

    Raises
    ------
    SourceError
        A file is missing, damaged, not what its name says, or does not fit the ones before it.
    ColumnNotFoundError
        A file lacks a needed column.

    Notes
    -----
    Every file is opened once before the first row comes, so that a wrong one is found before any
    work is done. Parquet files tell the least time of each row group: the floor of each batch is
    the least of what is still to come. Memory: a few batches, however large the files are, and of
    an Arrow file one of its own record batches.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tidegate.core.files import Columns, InputFile
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "ticks.csv")
    ...     _ = path.write_text("time,price,venue\n1,2.5,X\n3,2.0,Y\n")
    ...     source = Source([InputFile.of(path)], Columns(("time", "price")))
    ...     [batch.rows.to_pydict() for batch in source.batches()]
    [{'time': [1, 3], 'price': [2.5, 2.0]}]
    """

    def __init__(self, files: Sequence[InputFile], columns: Columns) -> None:
        self._readers = [_open(file, columns) for file in files]
        if not self._readers:
            raise SourceError("there is nothing to read; name at least one input")
        self.schema = _common_schema(self._readers, columns.time)
        sizes = [file.n_bytes for file in files]
        self.n_bytes = None if None in sizes else sum(size or 0 for size in sizes)

    def batches(self) -> Generator[Batch, None, None]:
        """Read the rows, the next batch being decoded while the caller works on this one.

        Yields
        ------
        Batch
            At most 131,072 rows each, zero-copy slices of what was decoded.
        """
        return _read_ahead(self._batches())

    def _batches(self) -> Generator[Batch, None, None]:
        """Read file after file; run on the thread that reads ahead."""
        floors = _suffix_minima([time for reader in self._readers for time in reader.least_times])
        first_part = n_bytes = 0
        for reader in self._readers:
            size = reader.file.n_bytes or 0
            with read_errors(reader.file):
                for part, rows, share in reader.batches(self.schema):
                    floor = floors[first_part + part]
                    for cut in _slices(_conform(reader.file, rows, self.schema)):
                        yield Batch(cut, floor, n_bytes + int(share * size))
            first_part += len(reader.least_times)
            n_bytes += size


def _open(file: InputFile, columns: Columns) -> Reader:
    """Make the reader of a file's format."""
    with read_errors(file):
        file.check_content()
        if file.format is Format.PARQUET:
            return ParquetReader(file, columns)
        if file.format is Format.CSV:
            from tidegate.core.csvfiles import CsvReader

            return CsvReader(file, columns)
        if file.format is Format.NDJSON:
            from tidegate.core.ndjsonfiles import NdjsonReader

            return NdjsonReader(file, columns)
        return ArrowReader(file, columns)


def _common_schema(readers: Iterable[Reader], time: str | None) -> pa.Schema:
    """Find the one schema of all files, or say which file and column do not fit."""
    common: dict[str, pa.DataType] = {}
    owner: dict[str, InputFile] = {}
    for reader in readers:
        for name, found in zip(reader.schema.names, reader.schema.types, strict=True):
            known = common.setdefault(name, found)
            first = owner.setdefault(name, reader.file)
            guessed = first.format.is_text and reader.file.format.is_text
            type_ = _common_type(known, found, guessed=guessed)
            if type_ is None:
                raise SourceError(
                    f"{reader.file.name}: column {name!r} is {found}, but {known} in {first.name}; "
                    "convert one of them"
                )
            if type_ != known:
                common[name], owner[name] = type_, reader.file
    if time is not None and pa.types.is_null(common[time]):
        common[time] = pa.timestamp("ns")  # files without a row do not say it, and any will do
    return pa.schema(list(common.items()))


def _common_type(known: pa.DataType, found: pa.DataType, *, guessed: bool) -> pa.DataType | None:
    """Say which type both can be read as; None: there is none."""
    if _plain(known) == _plain(found) or pa.types.is_null(found):
        return known
    if pa.types.is_null(known):
        return found
    return pa.float64() if guessed and {known, found} == {pa.int64(), pa.float64()} else None


def _plain(type_: pa.DataType) -> pa.DataType:
    """Look through a dictionary to the type of its values."""
    return type_.value_type if pa.types.is_dictionary(type_) else type_


def _conform(file: InputFile, rows: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give the columns in the order of `schema`; refuse a file that changed after the check."""
    columns = []
    for name, want in zip(schema.names, schema.types, strict=True):
        column: Any = rows.column(name)
        if pa.types.is_null(column.type):
            column = column.cast(_plain(want))
        if _plain(column.type) != _plain(want):
            raise SourceError(
                f"{file.name}: column {name!r} is {column.type} where it was {want} a moment ago; "
                "leave the file alone while it is read"
            )
        columns.append(column)
    return pa.record_batch(columns, names=schema.names)


def _slices(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a batch into ones of at most `MAX_ROWS` rows, without a copy."""
    for start in range(0, rows.num_rows, MAX_ROWS):
        yield rows.slice(start, MAX_ROWS)


def _suffix_minima(times: Sequence[Time | None]) -> list[Time | None]:
    """Give the least of each time and all after it; None from the last unknown one backwards."""
    floors: list[Time | None] = []
    least: Time | None = math.inf
    for time in reversed(times):
        least = None if time is None or least is None else min(time, least)
        floors.append(None if least == math.inf else least)
    return floors[::-1]


def _read_ahead(items: Generator[Item, None, None]) -> Generator[Item, None, None]:
    """Compute the next item on a thread while the caller works on this one."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="tidegate-read")
    ahead = pool.submit(next, items, None)
    try:
        while (item := ahead.result()) is not None:
            ahead = pool.submit(next, items, None)
            yield item
    finally:
        # A read of an idle pipe may never end, and letting go of its reader waits for it: the
        # thread does that, not the caller.
        ahead.cancel()
        pool.submit(items.close)
        pool.shutdown(wait=False)


class ParquetReader:
    """A Parquet file; a part is a row group."""

    def __init__(self, file: InputFile, columns: Columns) -> None:
        self.file = file
        self._keys: list[str] = []
        with self._open() as parquet:
            schema = select(parquet.schema_arrow, columns, file)
            self.least_times = _least_times(parquet, schema, columns.time)
        # Keys come as dictionaries: the engine sees each value once a batch, not once a row.
        self._keys = [name for name in columns.keys if schema.field(name).type in STRINGS]
        with self._open() as parquet:
            self.schema = select(parquet.schema_arrow, columns, file)

    def _open(self) -> pq.ParquetFile:
        """Open the file so that it holds a few pages in memory, not a row group."""
        import pyarrow.parquet as pq

        return pq.ParquetFile(
            self.file.open_random(),
            read_dictionary=self._keys,
            buffer_size=PARQUET_BUFFER,
            pre_buffer=False,
            page_checksum_verification=True,
        )

    def batches(self, schema: pa.Schema) -> Iterator[tuple[int, pa.RecordBatch, float]]:
        """Yield the rows, row group by row group."""
        with self._open() as parquet:
            n_total, n_read = parquet.metadata.num_rows, 0
            if parquet.num_row_groups != len(self.least_times):
                raise SourceError(f"{self.file.name}: changed while it was read; start again")
            for group in range(parquet.num_row_groups):
                for rows in parquet.iter_batches(
                    MAX_ROWS, row_groups=[group], columns=schema.names
                ):
                    n_read += rows.num_rows
                    yield group, rows, n_read / n_total


def _least_times(parquet: pq.ParquetFile, schema: pa.Schema, time: str | None) -> list[Time | None]:
    """Read the least time of each row group from the statistics in the footer."""
    metadata = parquet.metadata
    groups = range(metadata.num_row_groups)
    if time is None or not _has_plain_statistics(schema.field(time).type):
        return [None for _ in groups]
    paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    column = paths.index(time)
    return [_least_time(metadata.row_group(group).column(column)) for group in groups]


def _has_plain_statistics(type_: pa.DataType) -> bool:
    """Say whether the raw minimum in the footer is in the unit of the column as it is read."""
    return (
        pa.types.is_timestamp(type_)
        or pa.types.is_signed_integer(type_)
        or type_ in (pa.float32(), pa.float64())
    )


def _least_time(chunk: Any) -> Time | None:
    """Read the least time of one row group; inf where all are null, None where it is not said."""
    statistics: Any = chunk.statistics
    if statistics is None:
        return None
    if statistics.has_null_count and statistics.null_count == chunk.num_values:
        return math.inf
    if not statistics.has_min_max or not isinstance(statistics.min_raw, int | float):
        return None
    return None if math.isnan(statistics.min_raw) else statistics.min_raw


class ArrowReader:
    """An Arrow IPC file or stream, whichever it is; all of it is one part."""

    def __init__(self, file: InputFile, columns: Columns) -> None:
        self.file = file
        self._columns = columns
        self.least_times: list[Time | None] = [None]
        self.schema, batches = self._open()
        self._opened = None if file.is_regular else batches

    def _open(self) -> tuple[pa.Schema, Iterator[tuple[pa.RecordBatch, float]]]:
        """Open the file; give the schema of the needed columns, and the record batches."""
        if self.file.begins_with(b"ARROW1"):
            return self._open_file()
        stream = self.file.open()
        reader = pa.ipc.open_stream(stream)
        size = self.file.n_bytes
        batches = ((rows, stream.tell() / size if size else 0.0) for rows in reader)
        return select(reader.schema, self._columns, self.file), batches

    def _open_file(self) -> tuple[pa.Schema, Iterator[tuple[pa.RecordBatch, float]]]:
        """Open the file format, which can leave columns out and tells how many batches it has."""
        whole = pa.ipc.open_file(self.file.open_random())
        schema = select(whole.schema, self._columns, self.file)
        n_batches = whole.num_record_batches
        # One batch above this size is left to the page cache; the rest is read, since a mapped
        # file that someone truncates kills the process. Included fields are copied if mapped.
        if (self.file.n_bytes or 0) > MAX_MAPPED * max(1, n_batches):
            reader = pa.ipc.open_file(self.file.map())
        else:
            needed = [whole.schema.get_field_index(name) for name in schema.names]
            options = pa.ipc.IpcReadOptions(included_fields=needed)
            reader = pa.ipc.open_file(self.file.open_random(), options=options)
        batches = ((reader.get_batch(i), (i + 1) / n_batches) for i in range(n_batches))
        return schema, batches

    def batches(self, schema: pa.Schema) -> Iterator[tuple[int, pa.RecordBatch, float]]:
        """Yield the record batches as they are in the file."""
        for rows, share in self._opened or self._open()[1]:
            needed = rows.select(schema.names)
            needed.validate(full=True)  # an offset or dictionary index out of range would crash
            yield 0, needed, share
