"""Input files: their format by name and by content, opened as a stream or for random access."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal

import pyarrow as pa

from tidegate.core.convert import first_line
from tidegate.core.errors import ColumnNotFoundError, SourceError, TidegateError

__all__ = [
    "BLOCK",
    "WIDEN",
    "Columns",
    "Format",
    "InputFile",
    "line_blocks",
    "read_errors",
    "select",
    "whole_lines",
]

HEAD = 4 << 20  # bytes of a text file that its column types are guessed from
STDIN = 0
BLOCK = 1 << 20  # bytes of text parsed at a time
MAX_LINE = 16 << 20  # bytes; a longer line is an error, not memory
WIDEN = "give its type, such as {name}=float64 or {name}=string"


class Format(StrEnum):
    """A file format; `ARROW` is the IPC file format, `ARROWS` the IPC stream."""

    PARQUET = "parquet"
    CSV = "csv"
    NDJSON = "ndjson"
    ARROW = "arrow"
    ARROWS = "arrows"

    @property
    def is_text(self) -> bool:
        """Say whether the format has no types of its own."""
        return self in (Format.CSV, Format.NDJSON)

    @classmethod
    def of_name(cls, path: str | Path) -> Format | None:
        """Tell the format from a file's name, such as ``ticks.csv.gz``; None: it does not say."""
        path = Path(path)
        packed = path.suffix.lower() in COMPRESSION
        found = SUFFIXES.get((path.with_suffix("") if packed else path).suffix.lower())
        return None if found and packed and not found.is_text else found


SUFFIXES = {
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
    ".csv": Format.CSV,
    ".ndjson": Format.NDJSON,
    ".jsonl": Format.NDJSON,
    ".arrow": Format.ARROW,
    ".ipc": Format.ARROW,
    ".feather": Format.ARROW,
    ".arrows": Format.ARROWS,
}
COMPRESSION: dict[str, Literal["gzip", "zstd", "bz2"]] = {
    ".gz": "gzip",
    ".zst": "zstd",
    ".bz2": "bz2",
}

TITLES = {
    Format.PARQUET: "Parquet",
    Format.CSV: "CSV",
    Format.NDJSON: "NDJSON",
    Format.ARROW: "Arrow IPC",
    Format.ARROWS: "Arrow IPC",
}

MAGIC = {
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow IPC",
    b"\xff\xff\xff\xff": "Arrow IPC",
    b"FEA1": "Feather version 1",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
}


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns a plan reads, and what it reads them for."""

    names: tuple[str, ...]
    time: str | None = None
    keys: tuple[str, ...] = ()
    types: Mapping[str, pa.DataType] = field(default_factory=dict)  # of text, which has none


class InputFile:
    """A file, pipe or standard input that is read as a given format.

    Parameters
    ----------
    path
        The file; None is standard input.
    format
        How to read it.

    Attributes
    ----------
    name : str
        What messages call it.
    is_regular : bool
        A file that can be opened as often as needed; a pipe cannot.
    n_bytes : int or None
        Its size; None when it is not known.
    """

    def __init__(self, path: Path | None, format: Format) -> None:  # noqa: A002
        self.path = path
        self.format = format
        self.name = "standard input" if path is None else str(path)
        self.is_regular = False
        self.n_bytes: int | None = None
        with read_errors(self):
            self._look()
        self._stream: BinaryIO | None = None
        self._head: bytes | None = None
        self._spool: IO[bytes] | None = None
        self._raw: pa.NativeFile | None = None

    @classmethod
    def of(cls, path: str | Path) -> InputFile:
        """Describe a file whose name tells its format.

        Raises
        ------
        SourceError
            The name does not tell it, or there is no such file.
        """
        found = Format.of_name(path)
        if found is None:
            known = ", ".join(SUFFIXES)
            raise SourceError(f"{path}: the name does not tell the format; known are {known}")
        return cls(Path(path), found)

    def _look(self) -> None:
        """Find out what is at the path."""
        if self.path is None:
            return
        status = self.path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise SourceError(f"{self.name}: is a folder; name the files in it")
        self.is_regular = stat.S_ISREG(status.st_mode)
        self.n_bytes = status.st_size if self.is_regular else None
        if not os.access(self.path, os.R_OK):
            raise SourceError(f"{self.name}: may not be read; change its permissions")

    def head(self, n_bytes: int = HEAD) -> bytes:
        """Return the first bytes, unpacked; reading goes on from the start all the same."""
        if self.is_regular:
            with self._open_packed() as stream:
                return stream.read(n_bytes)
        if self._head is None:
            place = STDIN if self.path is None else self.path
            self._stream = open(place, "rb", closefd=self.path is not None)  # noqa: SIM115
            self._head = self._stream.read(HEAD)
        return self._head[:n_bytes]

    def begins_with(self, magic: bytes) -> bool:
        """Compare the first bytes."""
        return self.head(len(magic)) == magic

    def open(self) -> pa.NativeFile:
        """Open from the start, unpacking; a pipe can be read through only once."""
        if self.is_regular:
            return self._open_packed()
        head = self.head()
        if self._stream is None:
            raise SourceError(f"{self.name}: can be read only once")
        chained, self._stream = _Chained(head, self._stream), None
        return pa.PythonFile(chained, mode="r")

    def _open_packed(self) -> pa.NativeFile:
        """Open a regular file, unpacking it if its name says so."""
        self._raw = pa.OSFile(self.name, mode="r")
        codec = COMPRESSION.get(Path(self.name).suffix.lower())
        return pa.CompressedInputStream(self._raw, codec) if codec else self._raw

    def open_random(self) -> pa.NativeFile:
        """Open for reading anywhere; what cannot be is copied to a temporary file first."""
        if self.is_regular:
            return pa.OSFile(self.name, mode="r")
        if self._spool is None:
            spool = tempfile.TemporaryFile()  # noqa: SIM115
            shutil.copyfileobj(self.open(), spool, 1 << 20)
            self._spool = spool
            weakref.finalize(self, spool.close)
            self.n_bytes = spool.tell()
        self._spool.seek(0)
        spool_file: Any = self._spool  # the stubs ask for an IOBase
        return pa.PythonFile(spool_file, mode="r")

    def map(self) -> pa.NativeFile:
        """Map a regular file into memory."""
        return pa.memory_map(self.name) if self.is_regular else self.open_random()

    def share_read(self) -> float:
        """Say what share of the bytes `open` has handed out; 0 where the size is not known."""
        if self._raw is None or not self.n_bytes or self._raw.closed:
            return 0.0
        return self._raw.tell() / self.n_bytes

    def check_content(self) -> None:
        """Compare the first bytes with what the format must begin with.

        Raises
        ------
        SourceError
            The file is empty, or of another kind.
        """
        head = self.head(4096)
        if not head:
            raise SourceError(f"{self.name}: is empty (0 bytes); remove it or write it again")
        title = TITLES[self.format]
        kind = next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), None)
        if self.format.is_text and head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise SourceError(f"{self.name}: is UTF-16; convert it to UTF-8")
        if kind not in (None, title):
            found = f"is {kind} by its content, not {title}"
        elif self._is_foreign(head, kind):
            found = f"is not {title}: it begins with {head[:8]!r}"
        else:
            return
        raise SourceError(f"{self.name}: {found}; correct its name or give its format")

    def _is_foreign(self, head: bytes, kind: str | None) -> bool:
        """Say whether the first bytes, which belong to no other known kind, cannot be right."""
        return b"\0" in head if self.format.is_text else kind is None


def select(schema: pa.Schema, columns: Columns, file: InputFile) -> pa.Schema:
    """Take the needed columns out of a file's schema; each must be there, and once."""
    for name in columns.names:
        found = len(schema.get_all_field_indices(name))
        if not found:
            have = ", ".join(schema.names[:20]) + (", …" if len(schema.names) > 20 else "")
            raise ColumnNotFoundError(f"{file.name}: there is no column {name!r}; it has: {have}")
        if found > 1:
            raise SourceError(
                f"{file.name}: {found} columns are named {name!r}; rename all but one"
            )
    return pa.schema([schema.field(name) for name in columns.names])


class _Chained(io.RawIOBase):
    """Bytes that were read ahead, then the rest of the stream."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Close the stream too."""
        self._rest.close()
        super().close()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as bytes come at once."""
        if self._head:
            n_bytes = min(len(buffer), len(self._head))
            buffer[:n_bytes] = self._head[:n_bytes]
            self._head = self._head[n_bytes:]
            return n_bytes
        got = self._rest.read(len(buffer))
        buffer[: len(got)] = got
        return len(got)


@contextmanager
def read_errors(file: InputFile) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into a `SourceError` that names it."""
    try:
        yield
    except TidegateError:
        raise
    except FileNotFoundError as error:
        raise SourceError(f"{file.name}: there is no such file; check the path") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else first_line(error)
        raise SourceError(f"{file.name}: cannot be read: {reason}") from error
    except (pa.ArrowException, ValueError, EOFError) as error:
        raise SourceError(
            f"{file.name}: is damaged, cut short or not what its name says: {first_line(error)}"
        ) from error


def line_blocks(stream: pa.NativeFile) -> Iterator[bytes]:
    """Yield pieces of about `BLOCK` bytes that end where a line does."""
    rest = b""
    while block := stream.read(BLOCK):
        cut = block.rfind(b"\n") + 1
        if cut:
            yield rest + block[:cut]
            rest = block[cut:]
        else:
            rest += block
        if len(rest) > MAX_LINE:
            raise ValueError(f"a line is longer than {MAX_LINE} bytes")
    if rest:
        yield rest


def whole_lines(file: InputFile, *, quotes: bool = False) -> bytes:
    """Take the whole lines at the head of a file; a line may end inside quotes."""
    head = file.head()
    if len(head) < HEAD:
        return head
    cut = head.rfind(b"\n") + 1
    while quotes and cut and head.count(b'"', 0, cut) % 2:
        cut = head.rfind(b"\n", 0, cut - 1) + 1
    if not cut:
        raise SourceError(f"{file.name}: no line ends in the first {HEAD} bytes; is it text?")
    return head[:cut]
