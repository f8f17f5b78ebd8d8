"""Log files of commands and pipelines: one JSON object a line, newest last."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from tidegate.core.errors import SinkError, SourceError
from tidegate.core.home import made_folder
from tidegate.core.logging import escape

__all__ = ["Entry", "Journal"]

MAX_BYTES = 16 << 20  # then the file becomes `.1`, and what was `.1` is gone
POLL_SECONDS = 0.1

Level = Literal["INFO", "WARNING", "ERROR"]


class Entry(msgspec.Struct):
    """One thing that was logged; `time` is ISO 8601 in UTC."""

    time: str
    level: str
    logger: str
    message: str

    def line(self) -> str:
        """Say it in one line, whatever is in it."""
        return escape(f"{self.time} {self.level} {self.logger}: {self.message}")


class Journal:
    """A log file.

    Parameters
    ----------
    path : Path
        The file; it and its folder are made with the first entry.
    name : str
        What the entries are of.

    Notes
    -----
    An entry is one write at the end of the file, so that several processes can write. A file of 16
    MiB is put aside as ``.1``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     journal = Journal(Path(folder, "audit.jsonl"), "audit")
    ...     journal.write("INFO", "one window")
    ...     [entry.message for entry in journal.last(10)]
    ['one window']
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name

    def write(self, level: Level, message: str) -> None:
        """Add an entry.

        Raises
        ------
        SinkError
            If it cannot be written.
        """
        made_folder(self.path.parent)
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = msgspec.json.encode(Entry(now, level, self.name, message)) + b"\n"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            if self.path.exists() and self.path.stat().st_size > MAX_BYTES:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            descriptor = os.open(self.path, flags, 0o600)
            try:
                os.write(descriptor, text)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SinkError(f"{self.path}: cannot be written: {error.strerror}") from error

    def last(self, n: int) -> list[Entry]:
        """Read the last entries, newest last; none where nothing was logged.

        Raises
        ------
        SourceError
            If the file cannot be read.
        """
        return list(deque(self._entries(self._text()[0]), maxlen=n))

    def follow(
        self,
        n: int,
        is_over: Callable[[], bool],
        sleep: Callable[[float], object] = time.sleep,
    ) -> Iterator[Entry]:
        """Give the last entries, then each new one, until it is over and nothing is left.

        Parameters
        ----------
        n : int
            How many of those that are there.
        is_over : callable
            Whether nobody writes any more.
        sleep : callable, default time.sleep
            Waits between two looks.
        """
        text, at = self._text()
        yield from deque(self._entries(text), maxlen=n)
        while True:
            ends = is_over()  # asked before the look: what was written until then is seen
            text, at = self._text(at)
            yield from self._entries(text)
            if ends:
                return
            if not text:
                sleep(POLL_SECONDS)

    def _text(self, at: int = 0) -> tuple[bytes, int]:
        """Read whole lines from an offset on, and tell where they end; a new file as a whole."""
        try:
            with self.path.open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                at = 0 if size < at else at
                stream.seek(at)
                text = stream.read(2 * MAX_BYTES)
        except FileNotFoundError:
            return b"", 0
        except OSError as error:
            raise SourceError(f"{self.path}: cannot be read: {error.strerror}") from error
        text = text[: text.rfind(b"\n") + 1]
        return text, at + len(text)

    def _entries(self, text: bytes) -> Iterator[Entry]:
        """Read lines; one that is no entry is shown as what it is."""
        for line in text.splitlines():
            try:
                yield msgspec.json.decode(line, type=Entry)
            except (msgspec.DecodeError, UnicodeDecodeError):
                shown = line[:1000].decode("utf-8", "replace")
                yield Entry("?", "?", self.name, shown)
