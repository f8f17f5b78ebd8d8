"""What a running pipeline says of itself, once a second, in a file that is always whole."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Literal

import msgspec

from tidegate.core.errors import SinkError, SourceError

__all__ = ["RunState", "age", "read_state", "write_state"]

MAX_BYTES = 1 << 16


class RunState(msgspec.Struct, kw_only=True):
    """The state of a run.

    Attributes
    ----------
    rows_in, rows_out, used, late, rejected, pending : int
        Rows that came; windows that were written; what became of the rows.
    rows_per_second : float
        Over the last second or more.
    watermark : str, int, float or None
        No rows before this time are expected.
    started_at, updated_at, last_result_at : float
        Seconds since 1970; `last_result_at` is None before the first window.
    """

    name: str
    folder: str
    pid: int
    status: Literal["running", "stopped", "ended", "failed", "died"] = "running"
    started_at: float = 0.0
    updated_at: float = 0.0
    rows_in: int = 0
    rows_out: int = 0
    used: int = 0
    late: int = 0
    rejected: int = 0
    pending: int = 0
    rows_per_second: float = 0.0
    watermark: str | int | float | None = None
    last_result_at: float | None = None
    error: str | None = None

    def document(self, now: float | None = None) -> dict[str, Any]:
        """Give the fields for JSON, with the age of the last result in seconds."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return {**fields, "last_result_age": age(self.last_result_at, now)}

    def lines(self, now: float | None = None) -> list[str]:
        """Say it to a human, one number a line."""
        head = f"{self.name}: {self.status} (pid {self.pid})"
        if self.error is not None:
            head += f": {self.error}"
        return [head, *(f"{word:<12} {said}" for word, said in self._said(now))]

    def line(self, now: float | None = None) -> str:
        """Say it in one line."""
        numbers = ", ".join(f"{word} {said}" for word, said in self._said(now))
        return f"{self.name} {self.status}, {numbers}"

    def _said(self, now: float | None) -> list[tuple[str, str]]:
        """Put each number into words."""
        old = age(self.last_result_at, now)
        return [
            ("rows in", f"{self.rows_in:,}"),
            ("rows out", f"{self.rows_out:,}"),
            ("late", f"{self.late:,}"),
            ("rejected", f"{self.rejected:,}"),
            ("rate", f"{self.rows_per_second:,.0f} rows/s"),
            ("watermark", "none yet" if self.watermark is None else str(self.watermark)),
            ("last result", "none yet" if old is None else f"{old:.1f} s ago"),
        ]


def age(moment: float | None, now: float | None = None) -> float | None:
    """Tell the seconds since a moment; None if there was none.

    Examples
    --------
    >>> age(10.0, 12.5), age(None)
    (2.5, None)
    """
    if moment is None:
        return None
    return round(max(0.0, (time.time() if now is None else now) - moment), 3)


def write_state(path: Path, state: RunState) -> None:
    """Put a state in place of the one that is there; a reader sees one or the other.

    Raises
    ------
    SinkError
        If it cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(msgspec.json.encode(state))
        temporary.replace(path)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}; free space") from error


def read_state(path: Path) -> RunState | None:
    """Read the last state; None if nothing has run.

    Raises
    ------
    SourceError
        If the file is no state.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return msgspec.json.decode(content, type=RunState)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: is no state of a pipeline: {error}; remove it") from error
