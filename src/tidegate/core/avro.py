"""Avro 1.12, at column speed: container files, single objects, bare datums.

References
----------
https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from tidegate.core.avroarrow import arrow_schema_of, avro_schema_of
from tidegate.core.avroencoding import RowEncoder
from tidegate.core.avrofiles import (
    BlockWriter,
    Window,
    batches_of,
    header_of,
    read_header,
)
from tidegate.core.avrofingerprint import fingerprint
from tidegate.core.avromatch import project
from tidegate.core.avroprogram import RowDecoder
from tidegate.core.avroschema import AvroType, parse_schema
from tidegate.core.errors import InputError, SerializationError
from tidegate.core.formatlimits import FormatLimits
from tidegate.core.records import to_table
from tidegate.core.wholefiles import PathOrFile, opened, written

__all__ = ["SCHEMA_KEY", "Avro"]

Schema: TypeAlias = "str | bytes | Mapping[str, Any] | list[Any]"
Rows: TypeAlias = "pa.Table | pa.RecordBatch | Sequence[Mapping[str, Any]]"

SCHEMA_KEY = b"avro.schema"  # of the metadata of a table: the schema that it was read with
SINGLE = b"\xc3\x01"
SYNC = 16


class Avro:
    """The serializer of Avro.

    Parameters
    ----------
    schema : str, bytes, dict or list, optional
        A schema of Avro, as JSON or as what JSON stands for. Written, it says what the columns
        become; without it they become what is nearest, and a table that was read from Avro the
        schema that it was read with. Read, it is the reader's schema: fields that were added have
        defaults, and others are left out, reordered, renamed by aliases or promoted.
    codec : str
        How blocks are compressed: null, deflate, snappy, zstandard, bzip2 or xz.
    columns : sequence of str, optional
        Fields to read, in this order; all others are passed over.
    limits : FormatLimits, optional
        What is read at most.

    Notes
    -----
    Types: records are structs, enums dictionaries, ``["null", T]`` is a nullable T, other unions
    are dense unions, fixed is fixed_size_binary, uuid `pyarrow.uuid`, duration
    month_day_nano_interval, and times are what they are in Arrow, of the same unit. A schema that
    is no record has one column, ``value``. Dictionaries of strings are written as strings unless a
    schema says that they are enums. No type may contain itself.

    Cost: O(bytes), one pass, releases the GIL. `write` and `read` hold some blocks at a time.

    Examples
    --------
    >>> from tidegate.core.avro import Avro
    >>> avro = Avro()
    >>> data = avro.dumps(pa.table({"ts": [1, 2], "symbol": ["A", None]}))
    >>> avro.loads(data).to_pydict()
    {'ts': [1, 2], 'symbol': ['A', None]}
    >>> avro.loads(data, columns=["symbol"]).to_pydict()
    {'symbol': ['A', None]}
    """

    media_type = "application/avro"

    def __init__(
        self,
        *,
        schema: Schema | None = None,
        codec: str = "null",
        columns: Sequence[str] | None = None,
        limits: FormatLimits | None = None,
    ) -> None:
        self.limits = FormatLimits() if limits is None else limits
        self.codec = codec
        self.columns = columns
        self.schema = schema
        self._parsed = None if schema is None else parse_schema(schema, self.limits)

    def dumps(
        self,
        rows: Rows,
        /,
        *,
        schema: Schema | None = None,
        codec: str | None = None,
        sync: bytes | None = None,
    ) -> bytes:
        """Write rows as a container file.

        Parameters
        ----------
        rows : pyarrow.Table, pyarrow.RecordBatch or list of dict
            What to write.
        schema, codec
            As for the class; they go before what it was made with.
        sync : bytes, optional
            The 16 bytes between blocks; random without it.

        Raises
        ------
        SerializationError
            A column has no like in Avro, or can't be written as the schema says.
        """
        type_, document, batches = self._prepared(rows, schema)
        sync = _sync(sync)
        codec = self.codec if codec is None else codec
        return BlockWriter(type_, codec, sync).whole(header_of(document, codec, sync), batches)

    def loads(
        self,
        data: bytes | bytearray | memoryview,
        /,
        *,
        schema: Schema | None = None,
        columns: Sequence[str] | None = None,
        limits: FormatLimits | None = None,
    ) -> pa.Table:
        """Read a container file.

        Parameters
        ----------
        data : bytes
            The whole file.
        schema, columns, limits
            As for the class; they go before what it was made with.

        Raises
        ------
        SerializationError
            The bytes are damaged or pass a limit, with `offset`, `path` and `row`; or the schemas
            don't fit.
        """
        table_schema, batches = self._read(Window(data, "Avro"), schema, columns, limits)
        return pa.Table.from_batches(list(batches), table_schema)

    def write(
        self,
        path_or_file: PathOrFile,
        batches: Iterable[pa.RecordBatch | pa.Table],
        /,
        *,
        schema: Schema | None = None,
        codec: str | None = None,
        sync: bytes | None = None,
    ) -> None:
        """Write batches of one schema as a container file, some blocks at a time.

        A path is written whole or not at all.

        Raises
        ------
        SerializationError
            As `dumps`.
        InputError
            There is no batch, and no schema.
        SinkError
            The file can't be written.
        """
        codec, sync = self.codec if codec is None else codec, _sync(sync)
        writer, n_rows = None, 0
        with written(path_or_file) as stream:
            for rows in batches:
                type_, document, parts = self._prepared(rows, schema)
                if writer is None:
                    stream.write(header_of(document, codec, sync))
                    writer = BlockWriter(type_, codec, sync)
                for batch in parts:
                    for piece in writer.pieces(batch, n_rows):
                        stream.write(piece)
                    n_rows += batch.num_rows
            if writer is None:
                parsed = self._parsed if schema is None else parse_schema(schema, self.limits)
                if parsed is None:
                    raise InputError("Avro: no batches and no schema: there is nothing to write")
                stream.write(header_of(parsed[1], codec, sync))

    def read(
        self,
        path_or_file: PathOrFile,
        /,
        *,
        schema: Schema | None = None,
        columns: Sequence[str] | None = None,
        limits: FormatLimits | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Read a container file, some blocks at a time.

        Yields
        ------
        pyarrow.RecordBatch
            Of up to 65,536 rows; at least one, which is empty where the file is.

        Raises
        ------
        SerializationError
            As `loads`.
        SourceError
            The file can't be read.
        """
        what = str(path_or_file) if isinstance(path_or_file, str | os.PathLike) else "Avro"
        with opened(path_or_file) as stream:
            table_schema, batches = self._read(Window(stream, what), schema, columns, limits)
            for batch in batches:
                yield batch.replace_schema_metadata(table_schema.metadata)

    def schema_of(self, path_or_file: PathOrFile, /) -> tuple[str, str]:
        """Read the schema and the codec of a container file.

        Returns
        -------
        tuple (schema, codec)
            The schema as JSON.
        """
        what = str(path_or_file) if isinstance(path_or_file, str | os.PathLike) else "Avro"
        with opened(path_or_file) as stream:
            header = read_header(Window(stream, what), self.limits)
        return header.schema, header.codec

    def dumps_datums(self, rows: Rows, /, *, schema: Schema | None = None) -> list[bytes]:
        """Write each row as a bare datum, for messages whose schema is known to both sides.

        Raises
        ------
        SerializationError
            As `dumps`.
        """
        type_, _, batches = self._prepared(rows, schema)
        datums, first_row = [], 0
        for batch in batches:
            encoder = RowEncoder(batch, type_)
            for row in range(batch.num_rows):
                encoder.check(encoder.writer.rows(row, 1), first_row)
                datums.append(encoder.writer.take())
            first_row += batch.num_rows
        return datums

    def loads_datums(
        self,
        datums: Sequence[bytes | memoryview],
        /,
        *,
        writer: Schema | None = None,
        schema: Schema | None = None,
        columns: Sequence[str] | None = None,
        limits: FormatLimits | None = None,
    ) -> pa.Table:
        """Read bare datums, a row each.

        Parameters
        ----------
        datums : sequence of bytes
            One value each, and nothing else.
        writer
            The schema that they were written with; that of the class without it.
        schema, columns, limits
            As for the class: the reader's schema is the writer's without one.

        Raises
        ------
        SerializationError
            As `loads`; `offset` is counted within the datum, `row` is its number.
        """
        limits = self.limits if limits is None else limits
        parsed = self._parsed if writer is None else parse_schema(writer, limits)
        if parsed is None:
            raise InputError("Avro: bare datums say nothing of their schema: give the writer's")
        rows, table_schema = self._decoder(parsed, schema, columns, limits)
        batches, first_row = [], 0
        for i, datum in enumerate(datums):
            rows.kernel.feed(datum)
            if rows.kernel.begin_block(1) or rows.kernel.rows(rows.batch_rows + 1) == 2:
                raise rows.error(f"Avro: datum {i}", 0, first_row)
            if rows.kernel.n_rows >= rows.batch_rows:
                first_row += rows.kernel.n_rows
                batches.append(rows.take())
        batches.append(rows.take())
        return pa.Table.from_batches(batches).replace_schema_metadata(table_schema.metadata)

    def dumps_objects(self, rows: Rows, /, *, schema: Schema | None = None) -> list[bytes]:
        """Write each row as a single object: a marker, the schema's fingerprint, the datum.

        Raises
        ------
        SerializationError
            As `dumps`.
        """
        type_, document, _ = self._prepared(rows, schema)
        head = SINGLE + fingerprint(type_)
        return [head + datum for datum in self.dumps_datums(rows, schema=document)]

    def loads_objects(
        self,
        objects: Sequence[bytes],
        /,
        *,
        writer: Schema | None = None,
        schema: Schema | None = None,
        columns: Sequence[str] | None = None,
        limits: FormatLimits | None = None,
    ) -> pa.Table:
        """Read single objects of one schema, a row each; as `loads_datums`.

        Raises
        ------
        SerializationError
            As `loads_datums`; also where the fingerprint is not that of the writer's schema.
        """
        limits = self.limits if limits is None else limits
        parsed = self._parsed if writer is None else parse_schema(writer, limits)
        if parsed is None:
            raise InputError("Avro: a fingerprint is no schema: give the writer's")
        head = SINGLE + fingerprint(parsed[0])
        for i, one in enumerate(objects):
            if bytes(one[: len(head)]) != head:
                what = "another fingerprint" if bytes(one[:2]) == SINGLE else "no single object"
                raise SerializationError(
                    f"Avro: object {i}: {what}: expected {head.hex()}", offset=0, row=i
                )
        datums = [memoryview(one)[len(head) :] for one in objects]
        return self.loads_datums(
            datums, writer=parsed[1], schema=schema, columns=columns, limits=limits
        )

    def _prepared(
        self, rows: Rows, schema: Schema | None
    ) -> tuple[AvroType, Any, list[pa.RecordBatch]]:
        """Give the schema to write with, as a type and as a document, and batches."""
        parsed = self._parsed if schema is None else parse_schema(schema, self.limits)
        if isinstance(rows, pa.RecordBatch):
            batches, columns = [rows], rows.schema
        else:
            table = rows if isinstance(rows, pa.Table) else _table_of(rows, parsed)
            batches, columns = table.to_batches(), table.schema
        if parsed is None:
            parsed = self._schema_for(columns)
        return *parsed, batches

    def _schema_for(self, columns: pa.Schema) -> tuple[AvroType, Any]:
        """Give the schema that columns were read with, or the nearest one."""
        text = (columns.metadata or {}).get(SCHEMA_KEY)
        if text is not None:
            parsed = parse_schema(text, self.limits)
            if arrow_schema_of(parsed[0]).equals(columns):
                return parsed
        return parse_schema(avro_schema_of(columns), self.limits)

    def _decoder(
        self,
        writer: tuple[AvroType, Any],
        schema: Schema | None,
        columns: Sequence[str] | None,
        limits: FormatLimits,
    ) -> tuple[RowDecoder, pa.Schema]:
        """Give what reads rows, and the schema of the table, which remembers that of Avro."""
        reader = self._parsed if schema is None else parse_schema(schema, limits)
        reader = writer if reader is None else reader
        columns = self.columns if columns is None else columns
        if columns is not None:
            rows = RowDecoder(writer[0], project(reader[0], columns), limits)
            return rows, rows.schema
        rows = RowDecoder(writer[0], reader[0], limits)
        text = json.dumps(reader[1], separators=(",", ":"))
        return rows, rows.schema.with_metadata({SCHEMA_KEY: text})

    def _read(
        self,
        window: Window,
        schema: Schema | None,
        columns: Sequence[str] | None,
        limits: FormatLimits | None,
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Read the header, and give the batches that come behind it."""
        limits = self.limits if limits is None else limits
        header = read_header(window, limits)
        writer = parse_schema(header.schema, limits)
        rows, table_schema = self._decoder(writer, schema, columns, limits)
        return table_schema, batches_of(window, header, rows, limits)


def _sync(sync: bytes | None) -> bytes:
    """Give the sync marker."""
    sync = os.urandom(SYNC) if sync is None else sync
    if len(sync) != SYNC:
        raise InputError(f"Avro: a sync marker has {SYNC} bytes, not {len(sync)}")
    return sync


def _table_of(rows: Sequence[Mapping[str, Any]], parsed: tuple[AvroType, Any] | None) -> pa.Table:
    """Make a table of records."""
    columns = None if parsed is None else arrow_schema_of(parsed[0])
    return to_table(rows, columns)
