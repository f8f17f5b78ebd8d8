"""Files of Protobuf messages, each behind its length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tidegate.core.formats.wholefiles import PathOrFile, opened

if TYPE_CHECKING:
    from tidegate.core.formats.formatlimits import FormatLimits
    from tidegate.core.formats.protoreading import Decoder

__all__ = ["batches_of_file"]

CHUNK = 4 << 20  # bytes read at a time
BATCH_ROWS = 1 << 16
MOST_VARINT = 10


def batches_of_file(
    source: PathOrFile, decoder: Decoder, limits: FormatLimits
) -> Iterator[pa.RecordBatch]:
    """Read a file batch by batch; see `Protobuf.read`."""
    with opened(source) as file:
        yield from _batches(file, decoder, limits)


def _batches(file: Any, decoder: Decoder, limits: FormatLimits) -> Iterator[pa.RecordBatch]:
    """Read an open file: what is left of a chunk is read again with the next."""
    rest = b""
    offset = 0  # of `rest` in the file
    wanted = CHUNK
    n_rows = 0
    while True:
        chunk = file.read(wanted)
        window = rest + chunk if rest else chunk
        is_last = not chunk
        start = 0
        while start < len(window):
            batch, stop = decoder.read_stream(
                window,
                start,
                is_last=is_last,
                offset=offset,
                first_row=n_rows,
                max_rows=BATCH_ROWS,
            )
            if stop == start:
                break
            start = stop
            n_rows += batch.num_rows
            yield batch
        if is_last:
            break
        rest = window[start:]
        offset += start
        # A message that didn't fit: twice as much, so that the copies stay linear.
        wanted = max(CHUNK, min(len(rest), limits.block_bytes + MOST_VARINT))
    if n_rows == 0:
        yield _empty(decoder)


def _empty(decoder: Decoder) -> pa.RecordBatch:
    """Give a batch without rows."""
    arrays = [pa.array([], field.type) for field in decoder.schema]
    return pa.RecordBatch.from_arrays(arrays, schema=decoder.schema)
