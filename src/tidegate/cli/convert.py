"""`tidegate convert`: records of one format into another."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from tidegate.cli.base import common_options, fail_usage, print_json, progress, say
from tidegate.cli.formats import (
    describe,
    find_file,
    format_option,
    read_batches,
    schema_options,
)
from tidegate.cli.run import peak_rss_bytes

__all__ = ["convert"]


@click.command(
    epilog="Example: tidegate convert ticks.avro ticks.parquet --columns time,symbol,price"
)
@click.argument("input_", metavar="IN")
@click.argument("output", metavar="OUT")
@format_option("--from", "IN")
@format_option("--to", "OUT")
@schema_options
@click.option(
    "--columns",
    metavar="COLUMN[,COLUMN...]",
    help="Only these columns, in this order; no other is decoded.",
)
@click.option(
    "--codec",
    metavar="NAME",
    help="How OUT is compressed: null, deflate, snappy, zstandard, bzip2 or xz for avro; none, "
    "snappy, gzip, brotli, zstd or lz4 for parquet (default: zstd).",
)
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON to standard output.")
@common_options
def convert(
    input_: str,
    output: str,
    from_: str | None,
    to_: str | None,
    schema_file: Path | None,
    message: str | None,
    columns: str | None,
    codec: str | None,
    as_json: bool,
) -> None:
    """Turn the records of a file into another format.

    IN and OUT are files whose names tell the format, or - for standard input and output: Parquet
    (.parquet), Arrow IPC (.arrow), Avro (.avro), CSV (.csv), JSON lines (.jsonl, .ndjson) or
    length-delimited Protobuf (.binpb, .pb). Memory is that of a few batches, however large IN is.
    OUT has its name only once it is whole.
    """
    source, target = find_file(input_, from_, "--from"), find_file(output, to_, "--to")
    if as_json and target.path is None:
        fail_usage("--json and OUT - both want standard output; give a file")
    described = describe(schema_file, message)
    reader = described.reader(source.format)
    writer = described.writer(target.format, codec)
    names = None if columns is None else columns.split(",")
    sink: Any = sys.stdout.buffer if target.path is None else target.path
    started = time.perf_counter()
    rows = _Counter()
    with (
        source.opened() as stream,
        progress("convert", None) as update,
        closing(read_batches(source, stream, reader, names)) as batches,
    ):
        writer.write(sink, rows.counted(batches, update))
    seconds = time.perf_counter() - started
    if as_json:
        summary = {
            "input": source.name,
            "input_format": source.format,
            "output": target.name,
            "output_format": target.format,
            "rows": rows.n,
            "seconds": round(seconds, 6),
            "rows_per_second": round(rows.n / seconds, 1),
            "peak_rss_bytes": peak_rss_bytes(),
        }
        print_json("tidegate.convert/1", summary)
    rate = f"{rows.n / seconds / 1e6:,.1f} million rows/s"
    say(f"{rows.n:,} rows in {seconds:.2f} s ({rate}) -> {target.name}")


class _Counter:
    """Counts the rows that pass."""

    def __init__(self) -> None:
        self.n = 0

    def counted(self, batches: Iterator[pa.RecordBatch], update: Any) -> Iterator[pa.RecordBatch]:
        """Hand batches on."""
        for batch in batches:
            self.n += batch.num_rows
            update(0, self.n)
            yield batch
