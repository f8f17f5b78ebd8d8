"""`tidegate schema`: what columns a file has, how many rows, how compressed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from tidegate.cli.base import common_options, print_json
from tidegate.cli.formats import (
    File,
    describe,
    find_file,
    format_option,
    read_batches,
    schema_options,
)
from tidegate.core.errors import SourceError
from tidegate.core.serializers import built_in

__all__ = ["schema"]


@click.command(
    short_help="Show the columns, rows and codec of a file.",
    epilog="Example: tidegate schema ticks.avro --json",
)
@click.argument("name", metavar="FILE")
@format_option("--from", "FILE")
@schema_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@common_options
def schema(
    name: str, from_: str | None, schema_file: Path | None, message: str | None, as_json: bool
) -> None:
    """Show the columns of a file, how many rows it has and how it is compressed.

    FILE is as for `tidegate convert`. Rows are counted by reading the file through, but for
    Parquet, which says it.
    """
    file = find_file(name, from_, "--from")
    if file.format == "parquet" and file.path is not None:
        columns, n_rows, codecs = _of_parquet(file.path)
    else:
        columns, n_rows = _by_reading(file, describe(schema_file, message).reader(file.format))
        codecs = _codecs(file)
    codec = ", ".join(codecs) or None
    fields = [
        {"name": field.name, "type": str(field.type), "nullable": field.nullable}
        for field in columns
    ]
    document = {"file": file.name, "format": file.format, "codec": codec, "rows": n_rows}
    if as_json:
        print_json("tidegate.schema/1", {**document, "columns": fields})
        return
    click.echo(f"{file.name}: {file.format}, {n_rows:,} rows, codec {codec or 'none'}")
    width = max((len(field.name) for field in columns), default=0)
    for field in columns:
        end = "" if field.nullable else " not null"
        click.echo(f"  {field.name:<{width}}  {field.type}{end}")


def _of_parquet(path: Path) -> tuple[pa.Schema, int, list[str]]:
    """Read the footer."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as parquet:
            metadata = parquet.metadata
            codecs = {
                metadata.row_group(group).column(column).compression.lower()
                for group in range(metadata.num_row_groups)
                for column in range(metadata.num_columns)
            }
            columns = parquet.schema_arrow.remove_metadata()
            return columns, metadata.num_rows, sorted(codecs - {"uncompressed"})
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0][:300]
        raise SourceError(f"{path}: cannot be read as Parquet: {reason}") from error


def _by_reading(file: File, reader: Any) -> tuple[pa.Schema, int]:
    """Read a file through; the columns are those of the first batch, and of all others."""
    columns, n_rows = pa.schema([]), 0
    with file.opened() as source, closing(read_batches(file, source, reader, None)) as batches:
        for batch in batches:
            columns = batch.schema
            n_rows += batch.num_rows
    return columns.remove_metadata(), n_rows


def _codecs(file: File) -> list[str]:
    """Say how a file is compressed."""
    if file.packed is not None:
        return [file.packed]
    if file.format == "avro" and file.path is not None:
        avro: Any = built_in("avro")()
        codec = avro.schema_of(file.path)[1]
        return [] if codec == "null" else [codec]
    return []
