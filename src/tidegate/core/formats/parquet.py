"""Parquet as a serializer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tidegate.core.formats.arrowformat import ArrowFormat, check_names
from tidegate.core.formats.readahead import READ_AHEAD

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Parquet"]

MAX_ROWS = 1 << 16  # rows of a batch that is read


class Parquet(ArrowFormat):
    """The serializer of Parquet.

    Parameters
    ----------
    compression : str, default "zstd"
        Any that Arrow has: none, snappy, gzip, brotli, zstd, lz4.

    Notes
    -----
    Rows are written in groups of some 131,072 rows or 16 MiB. Only the columns asked for are read.

    Examples
    --------
    >>> from tidegate.core.formats.parquet import Parquet
    >>> Parquet().loads(Parquet().dumps([{"a": 1, "b": "x"}]), columns=["b"]).to_pydict()
    {'b': ['x']}
    """

    name = "Parquet"
    media_type = "application/vnd.apache.parquet"

    def __init__(self, *, compression: str = "zstd") -> None:
        self.compression = compression

    def _writer(self, stream: Any, schema: pa.Schema) -> Any:
        """Make what writes a row group a table."""
        import pyarrow.parquet as pq

        codec: Any = self.compression
        return pq.ParquetWriter(stream, schema, compression=codec, write_page_checksum=True)

    def _batches(
        self, stream: Any, columns: list[str] | None
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Open the file so that it holds a few pages in memory, not a row group."""
        import pyarrow.parquet as pq

        parquet = pq.ParquetFile(
            stream, buffer_size=READ_AHEAD, pre_buffer=False, page_checksum_verification=True
        )
        whole = parquet.schema_arrow
        names = check_names(whole, columns, self.name)
        metadata: Any = whole.metadata
        schema = pa.schema([whole.field(name) for name in names], metadata)
        batches = parquet.iter_batches(MAX_ROWS, columns=names)
        return schema, (batch.select(names) for batch in batches)
