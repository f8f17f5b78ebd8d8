"""What a codec of Avro's container files costs, against the codec alone and no codec.

pytest benchmarks/bench_codecs.py
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from bench_serializers import AVRO, N_ROUNDS, N_SLOW_ROUNDS, orders, schema_for

MOST = 200_000  # xz packs some 100,000 rows a second
SNAPPY, ZSTD = pa.Codec("snappy"), pa.Codec("zstd")
SUM = 4  # bytes of the checksum behind a block of snappy
Packer = Callable[[bytes], object]
Unpacker = Callable[[bytes, int], object]
CODECS: dict[str, tuple[Packer, Unpacker]] = {  # what each library takes by itself
    "deflate": (zlib.compress, lambda block, _: zlib.decompress(block, -15)),
    "snappy": (
        lambda block: (SNAPPY.compress(block), zlib.crc32(block)),
        lambda block, size: zlib.crc32(SNAPPY.decompress(block[:-SUM], size)),
    ),
    "zstandard": (ZSTD.compress, lambda block, size: ZSTD.decompress(block, size)),
    "bzip2": (bz2.compress, lambda block, _: bz2.decompress(block)),
    "xz": (lzma.compress, lambda block, _: lzma.decompress(block)),
}

__all__ = ["orders"]  # a fixture


@pytest.fixture(scope="session")
def n_rows() -> int:
    """Give the number of rows."""
    from conftest import N_ROWS

    return min(N_ROWS, MOST)


def blocks_of(data: bytes) -> list[bytes]:
    """Give the blocks of a container file without a codec, as they stand there."""
    return [block.bytes_.getvalue() for block in fastavro.block_reader(io.BytesIO(data))]


def stored_blocks_of(data: bytes) -> list[bytes]:
    """Give the blocks of a container file as they are stored, still compressed."""
    sync = data[-16:]
    blocks = []
    for piece in data.split(sync)[1:-1]:  # the first is the header
        at = 0
        for _ in range(2):  # the number of rows, and of bytes
            while piece[at] > 127:
                at += 1
            at += 1
        blocks.append(piece[at:])
    return blocks


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("way", ["to Avro", "of Avro"])
def test_codec(race: Any, orders: pa.Table, codec: str, way: str) -> None:
    """A codec costs its own time beside that of no codec."""
    schema = schema_for(orders)
    pack, unpack = CODECS[codec]
    plain = AVRO.dumps(orders, schema=schema)
    packed = AVRO.dumps(orders, schema=schema, codec=codec)
    blocks, stored = blocks_of(plain), stored_blocks_of(packed)
    sizes = [len(block) for block in blocks]
    assert len(stored) == len(blocks)
    assert AVRO.loads(packed).equals(AVRO.loads(plain))

    def write() -> None:
        AVRO.dumps(orders, schema=schema)
        for block in blocks:
            pack(block)

    def read() -> None:
        AVRO.loads(plain)
        for block, size in zip(stored, sizes, strict=True):
            unpack(block, size)

    is_written = way == "to Avro"
    race(
        f"{way} by {codec}",
        (lambda: AVRO.dumps(orders, schema=schema, codec=codec))
        if is_written
        else (lambda: AVRO.loads(packed)),
        {"no codec, then the codec alone": write if is_written else read},
        target=0.95,
        n_rounds=N_SLOW_ROUNDS if codec in ("bzip2", "xz") else N_ROUNDS,
    )
