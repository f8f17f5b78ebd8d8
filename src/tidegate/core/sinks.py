"""Tables into files and standard output: whole under the final name, or not there at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import pyarrow as pa

from tidegate.core.errors import SinkError, TidegateError
from tidegate.core.files import Format

__all__ = ["Sink"]

GROUP_ROWS = 1 << 16  # rows gathered before they are written: one row group, one record batch
BUFFER = 1 << 20  # bytes
STDOUT = 1


class Writer(Protocol):
    """What writes tables of one format."""

    def write_table(self, table: pa.Table) -> None:
        """Write some rows."""
        ...

    def close(self) -> None:
        """Write what comes after the last row."""
        ...


class Sink:
    """A file, device, pipe or standard output that tables are written to.

    Parameters
    ----------
    path
        Where to; None is standard output.
    format
        How to write.

    Raises
    ------
    SinkError
        The folder is missing, may not be written, or is full.

    Notes
    -----
    A file is written to a temporary name in its own folder, flushed to the disk, and renamed by
    `commit`; until then whatever had the name before stays as it was. Leaving the ``with`` block
    without a `commit` removes the temporary file. A device or a pipe is written to directly.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tidegate.core.files import Format
    >>> with TemporaryDirectory() as folder:
    ...     with Sink(Path(folder, "bars.csv"), Format.CSV) as sink:
    ...         _ = sink.write(pa.table({"close": [1.5, 2.0]}))
    ...         sink.commit()
    ...     print(Path(folder, "bars.csv").read_text().split())
    ['"close"', '1.5', '2']
    """

    def __init__(self, path: Path | None, format: Format) -> None:  # noqa: A002
        self.name = "standard output" if path is None else str(path)
        self._format = format
        self._target: Path | None = None
        self._temporary: Path | None = None
        self._writer: Writer | None = None
        self._waiting: list[pa.Table] = []
        self._n_waiting = 0
        with self._write_errors():
            self._file = self._open(path)

    def _open(self, path: Path | None) -> BufferedWriter:
        """Create the temporary file, or open what is no regular file as it is."""
        if path is None:
            return BufferedWriter(FileIO(os.dup(STDOUT), "wb"), BUFFER)
        path = path.resolve()  # a link stays a link: what it points to is replaced
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            return BufferedWriter(FileIO(path, "wb"), BUFFER)
        temporary = path.with_name(f".tidegate-{os.urandom(8).hex()}.tmp")
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o666)
        self._target, self._temporary = path, temporary
        return BufferedWriter(FileIO(descriptor, "wb"), BUFFER)

    def write(self, table: pa.Table) -> int:
        """Take some rows; the first table, which may be empty, fixes the schema.

        Returns
        -------
        int
            The number of rows.
        """
        if self._writer is None:
            with self._write_errors():
                self._writer = WRITERS[self._format](self._file, table.schema)
        if table.num_rows:
            self._waiting.append(table)
            self._n_waiting += table.num_rows
        if self._n_waiting >= GROUP_ROWS:
            self._write_waiting()
        return table.num_rows

    def _write_waiting(self) -> None:
        """Write what has gathered."""
        if self._waiting and self._writer is not None:
            with self._write_errors():
                self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting.clear()
            self._n_waiting = 0

    def commit(self) -> None:
        """Write the rest and give the file its name; what had the name before is replaced."""
        self._write_waiting()
        with self._write_errors():
            if self._writer is not None:
                self._writer.close()
            self._writer = None
            self._file.flush()
            if self._temporary is None or self._target is None:
                return
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self._target)
            self._temporary = None
            _sync_folder(self._target.parent)

    def __enter__(self) -> Self:
        """Return the sink itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove what was not committed."""
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
            self._temporary = None
        if self._writer is not None:
            # Arrow's writers write a footer when they are freed: half a result that looks whole.
            self._file.raw.close()
            with suppress(OSError, ValueError, pa.ArrowException):
                self._writer.close()
        with suppress(OSError, ValueError):
            self._file.close()

    @contextmanager
    def _write_errors(self) -> Iterator[None]:
        """Turn whatever goes wrong while writing into a `SinkError` that names the sink."""
        try:
            yield
        except (TidegateError, BrokenPipeError):
            raise
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error).partition("\n")[0]
            raise SinkError(
                f"{self.name}: cannot be written: {reason}; {_advice(error)}"
            ) from error
        except (pa.ArrowException, ValueError, TypeError) as error:
            reason = str(error).partition("\n")[0]
            raise SinkError(
                f"{self.name}: the result cannot be written as {self._format}: {reason}; "
                "choose another format"
            ) from error


def _advice(error: OSError) -> str:
    """Say what can be done about an error of the file system."""
    if isinstance(error, FileNotFoundError):
        return "create the folder first"
    if isinstance(error, IsADirectoryError):
        return "name a file in it"
    return "free space or choose another folder"


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _NdjsonWriter:
    """One JSON object a line: times as ISO texts of full precision, NaN and infinities as null."""

    def __init__(self, file: BufferedWriter, _schema: pa.Schema) -> None:
        from tidegate.core.formats.jsonlines import JsonLines

        self._file = file
        self._json = JsonLines()

    def write_table(self, table: pa.Table) -> None:
        """Write some rows."""
        self._json.write(self._file, table.to_batches())

    def close(self) -> None:
        """Nothing comes after the last row."""


class _ArrowWriter:
    """Arrow IPC, file or stream."""

    def __init__(self, file: BufferedWriter, schema: pa.Schema, *, stream: bool) -> None:
        make: Callable[..., Any] = pa.ipc.new_stream if stream else pa.ipc.new_file
        self._writer = make(file, schema)

    def write_table(self, table: pa.Table) -> None:
        """Write some rows as one record batch."""
        self._writer.write_table(table.combine_chunks())

    def close(self) -> None:
        """Write the footer or the end of the stream."""
        self._writer.close()


class _ParquetWriter:
    """Parquet; a call of `write_table` writes one row group."""

    def __init__(self, file: BufferedWriter, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(file, schema, compression="zstd")

    def write_table(self, table: pa.Table) -> None:
        """Write some rows."""
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def close(self) -> None:
        """Write the footer, or fail to: its own finalizer would try once more, and print."""
        try:
            self._writer.close()
        finally:
            self._writer.is_open = False


def _csv(file: BufferedWriter, schema: pa.Schema) -> Writer:
    """Make a CSV writer with a header line."""
    import pyarrow.csv as pa_csv

    return pa_csv.CSVWriter(file, schema)


WRITERS: dict[Format, Callable[[BufferedWriter, pa.Schema], Writer]] = {
    Format.PARQUET: _ParquetWriter,
    Format.CSV: _csv,
    Format.NDJSON: _NdjsonWriter,
    Format.ARROW: lambda file, schema: _ArrowWriter(file, schema, stream=False),
    Format.ARROWS: lambda file, schema: _ArrowWriter(file, schema, stream=True),
}
