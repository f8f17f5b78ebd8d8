"""Files by name or as they are: read in pieces, written whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import IO, Any, TypeAlias

from tidegate.core.errors import SinkError, SourceError

__all__ = ["PathOrFile", "opened", "written"]

PathOrFile: TypeAlias = "str | Path | IO[bytes] | Any"

BUFFER = 1 << 20  # bytes


@contextmanager
def opened(path_or_file: PathOrFile) -> Iterator[Any]:
    """Open a file for reading; one that is open already is left open.

    Parameters
    ----------
    path_or_file : str, Path or file object
        A file object has ``read(n_bytes)`` that returns bytes, none at its end.

    Raises
    ------
    SourceError
        The file cannot be opened.
    """
    if not isinstance(path_or_file, str | Path):
        if not hasattr(path_or_file, "read"):
            raise SourceError(
                f"{type(path_or_file).__name__} is no source; expected a path or a binary file"
            )
        yield path_or_file
        return
    try:
        stream = Path(path_or_file).open("rb", BUFFER)  # noqa: SIM115
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SourceError(f"{path_or_file}: cannot be read: {reason}") from error
    with stream:
        yield stream


@contextmanager
def written(path_or_file: PathOrFile) -> Iterator[Any]:
    """Open a file for writing: under its name only once all is written.

    Parameters
    ----------
    path_or_file : str, Path or file object
        A path is written to a temporary name in its folder and renamed at the end of the ``with``
        block; on an error the temporary file is removed, and what had the name stays as it was. A
        file object, device or pipe is written to as it is.

    Raises
    ------
    SinkError
        The file cannot be written.
    """
    if not isinstance(path_or_file, str | Path):
        if not hasattr(path_or_file, "write"):
            raise SinkError(
                f"{type(path_or_file).__name__} is no sink; expected a path or a binary file"
            )
        yield path_or_file
        return
    path = Path(path_or_file).resolve()  # a link stays a link: what it points to is replaced
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            with BufferedWriter(FileIO(path, "wb"), BUFFER) as stream:
                yield stream
            return
        temporary = path.with_name(f".tidegate-{os.urandom(8).hex()}.tmp")
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        stream = BufferedWriter(FileIO(os.open(temporary, flags, 0o666), "wb"), BUFFER)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SinkError(f"{path_or_file}: cannot be written: {reason}") from error
    try:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())
        stream.close()
        temporary.replace(path)
    except OSError as error:
        if isinstance(error, SinkError) or error.errno is None:
            raise
        raise SinkError(f"{path_or_file}: cannot be written: {os.strerror(error.errno)}") from error
    finally:
        temporary.unlink(missing_ok=True)
        with suppress(OSError, ValueError):
            stream.close()
