"""The codecs of Avro's container files, bounded while they decompress."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from tidegate.core.errors import SerializationError

__all__ = ["CODECS", "compress", "decompress"]

CRC_BYTES = 4
XZ_MEMORY = 1 << 27  # bytes
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_WINDOW = 1 << 23  # bytes: every decoder has to take so much


class _TooLargeError(Exception):
    """What a block decompresses to passes the limit."""


def compress(codec: str, block: bytes) -> bytes:
    """Compress a block.

    Examples
    --------
    >>> decompress("deflate", compress("deflate", b"abc" * 9), 100, 0, "Avro") == b"abc" * 9
    True
    """
    return CODECS[codec][0](block)


def decompress(codec: str, block: bytes, most: int, offset: int, what: str) -> bytes:
    """Decompress a block.

    Parameters
    ----------
    codec
        One of `CODECS`.
    block
        As it stands in the file.
    most
        Bytes that may come of it; not many more are ever made.
    offset, what
        Where it stands, for the message.

    Raises
    ------
    SerializationError
        It is damaged, or more would come of it.
    """
    try:
        made = CODECS[codec][1](block, most)
        if len(made) > most:
            raise _TooLargeError
    except _TooLargeError:
        raise SerializationError(
            f"{what}: byte {offset}: a block becomes too large by {codec}; limit block_bytes is "
            f"{most:,}: raise it if need be",
            offset=offset,
        ) from None
    except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError, pa.ArrowException) as error:
        raise SerializationError(
            f"{what}: byte {offset}: a block is damaged, {codec} says: {error}", offset=offset
        ) from None
    return made


def _deflate(block: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(block) + packer.flush()


def _bounded(unpacker: Any, block: bytes, most: int) -> bytes:
    """Decompress a little more than may be at most, and the whole.

    Bytes behind the end are passed over: fastavro leaves three of a checksum behind deflate.
    """
    made: bytes = unpacker.decompress(block, most + 1)
    if len(made) > most:
        raise _TooLargeError
    if not unpacker.eof:
        raise ValueError("it ends too early")
    return made


def _inflate(block: bytes, most: int) -> bytes:
    return _bounded(zlib.decompressobj(-15), block, most)


def _bunzip(block: bytes, most: int) -> bytes:
    return _bounded(bz2.BZ2Decompressor(), block, most)


def _unxz(block: bytes, most: int) -> bytes:
    return _bounded(lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY), block, most)


def _snap(block: bytes) -> bytes:
    packed: bytes = pa.Codec("snappy").compress(block, asbytes=True)
    return packed + zlib.crc32(block).to_bytes(CRC_BYTES, "big")


def _unsnap(block: bytes, most: int) -> bytes:
    """Undo snappy; its first number tells how many bytes come of it."""
    size, shift = 0, 0
    for byte in block[:5]:
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    else:
        raise ValueError("it has no length")
    if size > most:
        raise _TooLargeError
    made: bytes = pa.Codec("snappy").decompress(block[:-CRC_BYTES], size, asbytes=True)
    if zlib.crc32(made) != int.from_bytes(block[-CRC_BYTES:], "big"):
        raise ValueError("the checksum differs")
    return made


def _zstd(block: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(block, asbytes=True)
    return packed


def _unzstd(block: bytes, most: int) -> bytes:
    """Undo zstandard; whether the length is told or not."""
    if block[:4] != ZSTD_MAGIC or len(block) < 6:
        raise ValueError("it is no frame")
    if not block[4] & 0x20:
        base = 1 << (10 + (block[5] >> 3))
        if base + base // 8 * (block[5] & 7) > max(most, ZSTD_WINDOW):
            raise _TooLargeError
    with pa.input_stream(pa.py_buffer(block), compression="zstd") as stream:
        made: bytes = stream.read(most + 1)
    if len(made) > most:
        raise _TooLargeError
    return made


def _same(block: bytes, most: int) -> bytes:
    if len(block) > most:
        raise _TooLargeError
    return block


CODECS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes, int], bytes]]] = {
    "null": (bytes, _same),
    "deflate": (_deflate, _inflate),
    "snappy": (_snap, _unsnap),
    "zstandard": (_zstd, _unzstd),
    "bzip2": (bz2.compress, _bunzip),
    "xz": (lzma.compress, _unxz),
}
