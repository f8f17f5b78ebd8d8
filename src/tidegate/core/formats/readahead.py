"""A stream for Arrow of which some bytes were read ahead."""

from __future__ import annotations

from io import RawIOBase
from typing import Any

import pyarrow as pa

__all__ = ["READ_AHEAD", "ahead"]

READ_AHEAD = 1 << 20  # bytes a column


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


def ahead(head: bytes, rest: Any) -> Any:
    """Give Arrow a stream of which some bytes were read ahead."""
    stream: Any = _Ahead(head, rest)
    return pa.PythonFile(stream, mode="r")
