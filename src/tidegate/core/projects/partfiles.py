"""Results as a folder of numbered files: each whole, and each written once, whatever happens."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from tidegate.core.errors import SinkError
from tidegate.core.files import Format
from tidegate.core.sinks import Sink

__all__ = ["Parts"]

GROWING = re.compile(r"\.tidegate-[0-9a-f]{16}\.tmp", re.ASCII)  # what a killed run has left
PART = re.compile(r"part-(\d{8})\.[a-z]+", re.ASCII)


class Parts:
    """A folder that tables are written to, part by part.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    format : Format
        Of each part.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     parts = Parts(Path(folder, "windows"), Format.CSV)
    ...     parts.write(0, [pa.table({"n": [1]})])
    ...     parts.forget(0)
    ...     list(Path(folder, "windows").iterdir())
    []
    """

    def __init__(self, folder: Path, format: Format) -> None:  # noqa: A002
        self.folder = folder
        self.format = format
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"{folder}: cannot be made: {error.strerror}") from error

    def write(self, number: int, tables: list[pa.Table]) -> None:
        """Write one part; on the disk when this returns."""
        path = self.folder / f"part-{number:08d}.{self.format}"
        with Sink(path, self.format) as sink:
            for table in tables:
                sink.write(table)
            sink.commit()

    def forget(self, number: int) -> None:
        """Remove the parts from a number on, which will be made again, and what is not whole."""
        for path in self.folder.iterdir():
            found = PART.fullmatch(path.name)
            is_over = found is not None and int(found[1]) >= number
            if is_over or GROWING.fullmatch(path.name):
                path.unlink()
