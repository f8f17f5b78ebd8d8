"""The frame of snapshots: what they begin with, and how they are told from what is none.

A magic word, a version, the length of the body and its CRC-32C; the body is a JSON header and the
sections that the header lists. Tables are Arrow IPC streams.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import pyarrow as pa

from tidegate._kernels.checksum import crc32c
from tidegate.core.errors import SnapshotError

__all__ = ["FRAME", "MAGIC", "VERSION", "framed", "parts_of", "table_bytes", "table_in"]

MAGIC = b"tidegate"
VERSION = 2  # 1 had a CRC-32 in its frame
FRAME = struct.Struct("<8sIQI")  # magic, version, length of the body, CRC-32C of the body
HEAD = struct.Struct("<I")  # length of the header
MAX_HEADER = 1 << 26  # some three million boundaries of `Edges`


def framed(header: dict[str, Any], sections: dict[str, bytes]) -> bytes:
    """Put a header and sections into a frame; `parts_of` takes them apart.

    Raises
    ------
    SnapshotError
        If the header is longer than it may be.
    """
    listed = [[name, len(section)] for name, section in sections.items()]
    head = json.dumps({**header, "sections": listed}).encode()
    if len(head) > MAX_HEADER:
        raise SnapshotError(
            f"the plan is too long for a snapshot ({len(head)} bytes, at most {MAX_HEADER}): give "
            f"tg.Edges fewer boundaries"
        )
    body = b"".join([HEAD.pack(len(head)), head, *sections.values()])
    return FRAME.pack(MAGIC, VERSION, len(body), crc32c(body)) + body


def parts_of(data: bytes) -> tuple[dict[str, Any], dict[str, memoryview]]:
    """Check a frame and take it apart into its header and its sections.

    Raises
    ------
    SnapshotError
        If it is none, or not whole.
    """
    body = _body(data)
    try:
        (length,) = HEAD.unpack_from(body)
        if length > min(MAX_HEADER, len(body) - HEAD.size):
            raise SnapshotError("the header of the snapshot is longer than it may be")
        header = json.loads(bytes(body[HEAD.size : HEAD.size + length]))
        at = HEAD.size + length
        sections: dict[str, memoryview] = {}
        for name, size in header["sections"]:
            if type(size) is not int or not 0 <= size <= len(body) - at:
                raise SnapshotError(f"section {name!r} of the snapshot is not whole")
            sections[name] = body[at : at + size]
            at += size
    except SnapshotError:
        raise
    except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SnapshotError(f"the header of the snapshot cannot be read: {error!r}") from error
    return header, sections


def _body(data: bytes) -> memoryview:
    """Check the frame."""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise SnapshotError(f"a snapshot is bytes, not {type(data).__name__}")
    view = memoryview(data).cast("B")
    if len(view) < FRAME.size or bytes(view[:8]) != MAGIC:
        raise SnapshotError(f"not a snapshot: it does not begin with {MAGIC!r} and a frame")
    _, version, length, checksum = FRAME.unpack_from(view)
    if version != VERSION:
        raise SnapshotError(
            f"the snapshot has version {version}; this tidegate reads {VERSION}: restore it with "
            "the tidegate that wrote it, or compute it again"
        )
    body = view[FRAME.size :]
    if len(body) != length:
        raise SnapshotError(f"the snapshot has {len(body)} bytes after its frame, not {length}")
    if crc32c(body) != checksum:
        raise SnapshotError("the snapshot was altered: its checksum does not fit")
    return body


def table_bytes(table: pa.Table) -> bytes:
    """Write a table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def table_in(section: memoryview) -> pa.Table:
    """Read and check an Arrow IPC stream."""
    with pa.ipc.open_stream(pa.py_buffer(bytes(section))) as reader:
        table = reader.read_all()
    table.validate(full=True)
    return table
