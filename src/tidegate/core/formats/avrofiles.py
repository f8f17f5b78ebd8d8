"""Object container files of Avro: a header, and blocks of rows between sync markers.

References
----------
https://avro.apache.org/docs/1.12.0/specification/#object-container-files
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tidegate.core.errors import InputError, SerializationError, SourceError
from tidegate.core.formats.avrocodecs import CODECS, compress, decompress
from tidegate.core.formats.avroencoding import RowEncoder, varint
from tidegate.core.formats.avroprogram import RowDecoder
from tidegate.core.formats.avroschema import AvroType
from tidegate.core.formats.formatlimits import FormatLimits

__all__ = [
    "BlockWriter",
    "Header",
    "Window",
    "batches_of",
    "batches_of_datums",
    "header_of",
    "read_header",
    "sync_marker",
]

MAGIC = b"Obj\x01"
SYNC = 16
READ = 1 << 22  # bytes that are read at a time
BLOCK = 1 << 17  # bytes that a block is bounded by: some 64 KiB come of it
PIECE = 1 << 14  # rows that are written at a time
MORE = 1 << 16  # bytes of a header beside the schema
FULL, WRONG = 0, 2  # what a scan came to


@dataclass(frozen=True)
class Header:
    """What stands before the blocks of a file."""

    schema: str
    codec: str
    sync: bytes
    size: int


class Window:
    """Part of a file, which moves on: what is read, and behind it what is not yet.

    Parameters
    ----------
    source
        Has ``read(n_bytes)``; or all the bytes there are.
    what
        The name of it, for messages.
    """

    def __init__(self, source: Any, what: str) -> None:
        is_whole = isinstance(source, bytes | bytearray | memoryview)
        self._file = None if is_whole else source
        self.content: Any = memoryview(source).cast("B") if is_whole else b""
        self.base = 0  # bytes of the file before the content
        self.what = what

    def more(self, position: int, least: int = 0) -> bool:
        """Drop what is before a position and read on; False where the file has ended."""
        if self._file is None:
            return False
        try:
            piece = self._file.read(max(READ, least))
        except OSError as error:
            raise SourceError(f"{self.what}: cannot be read: {error}") from error
        if not piece:
            return False
        rest = self.content[position:]
        self.content = bytes(piece) if not len(rest) else b"".join((rest, piece))
        self.base += position
        return True


class _CutError(Exception):
    """More bytes are needed."""


class _Head:
    """Reads the numbers and bytes of a header."""

    def __init__(self, content: Any, what: str) -> None:
        self.content, self.at, self._what = content, 0, what

    def take(self, n: int) -> bytes:
        """Read n bytes."""
        if self.at + n > len(self.content):
            raise _CutError
        self.at += n
        return bytes(self.content[self.at - n : self.at])

    def number(self) -> int:
        """Read a signed varint."""
        word = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            word |= (byte & 127) << shift
            if byte < 128 and word < 1 << 64:
                return (word >> 1) ^ -(word & 1)
        raise self.wrong("a variable-length integer takes more than 10 bytes or 64 bits")

    def text(self, most: int) -> bytes:
        """Read a string or bytes."""
        n = self.number()
        if not 0 <= n <= most:
            raise self.wrong(f"a length of {n} in the header; limit schema_bytes bounds it")
        return self.take(n)

    def wrong(self, what: str) -> SerializationError:
        """Make the error of a header."""
        return SerializationError(f"{self._what}: byte {self.at}: {what}", offset=self.at)


def read_header(window: Window, limits: FormatLimits) -> Header:
    """Read what stands before the blocks.

    Raises
    ------
    SerializationError
        It is no container file, it is damaged, or its codec is unknown.
    """
    while True:
        try:
            return _read_header(_Head(window.content, window.what), limits)
        except _CutError:
            if not window.more(0):
                raise SerializationError(
                    f"{window.what}: byte {len(window.content)}: the bytes end within the header "
                    "of an Avro file",
                    offset=len(window.content),
                ) from None


def _read_header(head: _Head, limits: FormatLimits) -> Header:
    """Read a header that is there."""
    if head.content[: len(MAGIC)] != MAGIC[: len(head.content)]:
        raise head.wrong("no Avro container file: it does not begin with 'Obj' and 1")
    head.take(len(MAGIC))
    meta: dict[bytes, bytes] = {}
    while (n := head.number()) != 0:
        if n < 0:
            n = -n
            head.number()
        for _ in range(n):
            key = head.text(MORE)
            meta[key] = head.text(limits.schema_bytes)
            if len(meta) > limits.names or head.at > limits.schema_bytes + MORE:
                raise head.wrong("the header is too large; limit schema_bytes bounds it")
    sync = head.take(SYNC)
    codec = meta.get(b"avro.codec", b"null").decode("ascii", "replace")
    if codec not in CODECS:
        raise head.wrong(f"codec {codec!r:.40} is unknown; known are: {', '.join(CODECS)}")
    if b"avro.schema" not in meta:
        raise head.wrong("the header has no schema")
    try:
        schema = meta[b"avro.schema"].decode()
    except UnicodeDecodeError:
        raise head.wrong("the schema is not UTF-8") from None
    return Header(schema, codec, sync, head.at)


def sync_marker(sync: bytes | None) -> bytes:
    """Give what stands between blocks: what was given, if it is one, or random bytes."""
    sync = os.urandom(SYNC) if sync is None else sync
    if len(sync) != SYNC:
        raise InputError(f"Avro: a sync marker has {SYNC} bytes, not {len(sync)}")
    return sync


def header_of(document: Any, codec: str, sync: bytes) -> bytes:
    """Write what stands before the blocks."""
    if codec not in CODECS:
        raise InputError(f"codec {codec!r} is unknown; choose one of {', '.join(CODECS)}")
    text = json.dumps(document, separators=(",", ":")).encode()
    parts = [b"avro.codec", codec.encode(), b"avro.schema", text]
    pairs = b"".join(varint(len(part)) + part for part in parts)
    return MAGIC + varint(2) + pairs + b"\0" + sync


class BlockWriter:
    """Writes batches as blocks.

    Parameters
    ----------
    type_
        The schema.
    codec, sync
        As in the header.
    """

    def __init__(self, type_: AvroType, codec: str, sync: bytes) -> None:
        self._type, self._codec, self._sync = type_, codec, sync

    def whole(self, header: bytes, batches: list[pa.RecordBatch]) -> bytes:
        """Write a header and all batches, as one piece."""
        if self._codec != "null":
            return b"".join([header, *(part for one in batches for part in self.pieces(one, 0))])
        first_row, last = 0, None
        for batch in batches:
            rows = RowEncoder(batch, self._type)
            if last is None:
                rows.writer.append(header)
            else:
                rows.writer.go_on(last)
            rows.check(rows.writer.blocks(0, rows.n_rows, BLOCK, self._sync), first_row)
            first_row += rows.n_rows
            last = rows.writer
        return header if last is None else last.take()

    def pieces(self, batch: pa.RecordBatch, first_row: int) -> Iterator[bytes]:
        """Write a batch, some blocks at a time."""
        rows = RowEncoder(batch, self._type)
        if self._codec != "null":
            yield from self._packed(rows, first_row)
            return
        for row in range(0, rows.n_rows, PIECE):
            n = min(PIECE, rows.n_rows - row)
            rows.check(rows.writer.blocks(row, n, BLOCK, self._sync), first_row)
            yield rows.writer.take()

    def _packed(self, rows: RowEncoder, first_row: int) -> Iterator[bytes]:
        """Write blocks that are compressed."""
        row = 0
        while row < rows.n_rows:
            n = rows.writer.fit(row, rows.n_rows - row, BLOCK)
            rows.check(rows.writer.rows(row, n), first_row)
            block = compress(self._codec, rows.writer.take())
            yield b"".join((varint(n), varint(len(block)), block, self._sync))
            row += n


def batches_of(
    window: Window, header: Header, rows: RowDecoder, limits: FormatLimits
) -> Iterator[pa.RecordBatch]:
    """Read the blocks behind a header.

    Raises
    ------
    SerializationError
        They are damaged, end early, or pass a limit.
    """
    read = _plain if header.codec == "null" else _packed
    return read(window, header, rows, limits)


def _cut(window: Window, first_row: int) -> SerializationError:
    """Make the error of a file that ends within a block."""
    offset = window.base + len(window.content)
    return SerializationError(
        f"{window.what}: byte {offset}: the bytes end within a block, behind row {first_row}",
        offset=offset,
    )


def _plain(
    window: Window, header: Header, rows: RowDecoder, limits: FormatLimits
) -> Iterator[pa.RecordBatch]:
    """Read blocks without compression."""
    kernel, first_row = rows.kernel, 0
    kernel.feed(window.content, header.size)
    while True:
        outcome = kernel.scan(header.sync, rows.batch_rows, limits.block_bytes)
        if outcome == WRONG:
            raise rows.error(window.what, window.base, first_row)
        if outcome == FULL:
            first_row += kernel.n_rows
            yield rows.take()
            continue
        position = kernel.position
        if not window.more(position):
            if position < len(window.content):
                raise _cut(window, first_row + kernel.n_rows)
            break
        kernel.feed(window.content)
    if kernel.n_rows or first_row == 0:
        yield rows.take()


def _packed(
    window: Window, header: Header, rows: RowDecoder, limits: FormatLimits
) -> Iterator[pa.RecordBatch]:
    """Read blocks that are compressed."""
    kernel, first_row, at = rows.kernel, 0, header.size
    while (block := _next_block(window, at, header, limits)) is not None:
        n, content, at = block
        offset = window.base + at - SYNC - len(content)
        kernel.feed(decompress(header.codec, content, limits.block_bytes, offset, window.what))
        if kernel.begin_block(n):
            raise _in_block(rows, window.what, offset, first_row)
        while (outcome := kernel.rows(rows.batch_rows)) == FULL:
            first_row += kernel.n_rows
            yield rows.take()
        if outcome == WRONG:
            raise _in_block(rows, window.what, offset, first_row)
    if kernel.n_rows or first_row == 0:
        yield rows.take()


def _in_block(rows: RowDecoder, what: str, offset: int, first_row: int) -> Exception:
    """Make the error of a decompressed block; bytes are counted in it."""
    return rows.error(f"{what}: block at byte {offset}, decompressed", 0, first_row)


def _next_block(
    window: Window, at: int, header: Header, limits: FormatLimits
) -> tuple[int, bytes, int] | None:
    """Read a block as it stands; give its rows, its bytes, and what is behind; None at the end."""
    while True:
        head = _Head(window.content, window.what)
        head.at = at
        try:
            if at == len(window.content):
                raise _CutError
            n, size = head.number(), head.number()
            if n < 0 or size < 0:
                raise head.wrong("a length or a count is below 0")
            if size > limits.block_bytes + MORE:
                raise head.wrong(
                    f"a block is too large; limit block_bytes is {limits.block_bytes:,}: "
                    "raise it if need be"
                )
            content = head.take(size)
            if head.take(SYNC) != header.sync:
                raise head.wrong("the sync marker behind a block is wrong")
            return n, content, head.at
        except _CutError:
            if not window.more(at):
                if at < len(window.content):
                    raise _cut(window, 0) from None
                return None
            at = 0


def batches_of_datums(
    datums: Sequence[bytes | memoryview], rows: RowDecoder
) -> Iterator[pa.RecordBatch]:
    """Read bare datums, a row each.

    Raises
    ------
    SerializationError
        One of them is damaged or passes a limit.
    """
    first_row = 0
    for i, datum in enumerate(datums):
        rows.kernel.feed(datum)
        status = rows.kernel.begin_block(1)
        while status == 0 and (outcome := rows.kernel.rows(rows.batch_rows)) == FULL:
            first_row += rows.kernel.n_rows
            yield rows.take()
        if status or outcome == WRONG:
            raise rows.error(f"Avro: datum {i}", 0, first_row)
    yield rows.take()
