"""Avro 1.12, at column speed: container files, single objects, bare datums.

References
----------
https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from tidegate.core.errors import InputError, SerializationError
from tidegate.core.formats.avroarrow import record_schema_of
from tidegate.core.formats.avroencoding import datums_of
from tidegate.core.formats.avrofiles import (
    BlockWriter,
    Header,
    Window,
    batches_of,
    batches_of_datums,
    header_of,
    read_header,
    sync_marker,
)
from tidegate.core.formats.avrofingerprint import fingerprint
from tidegate.core.formats.avropool import SCHEMA_KEY, DecoderPool, Lent, Parsed, Schema
from tidegate.core.formats.decoding import bounded
from tidegate.core.formats.formatlimits import FormatLimits
from tidegate.core.formats.wholefiles import PathOrFile, opened, written
from tidegate.core.pyobjects import to_dicts
from tidegate.core.records import to_table

__all__ = ["SCHEMA_KEY", "Avro"]

Rows: TypeAlias = "pa.Table | pa.RecordBatch | Sequence[Mapping[str, Any]]"

SINGLE = b"\xc3\x01"


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
    >>> from tidegate.core.formats.avro import Avro
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
        self._pool = DecoderPool()
        self._parsed = None if schema is None else self._pool.parsed(schema, self.limits)

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
        (type_, document), batches = self._prepared(rows, self._given(schema))
        sync = sync_marker(sync)
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
        view = memoryview(data)
        table_schema, batches = self._read(
            Window(view, "Avro"), schema, columns, limits, is_whole=True
        )
        batches = bounded(batches, limits or self.limits, view.nbytes, "Avro")
        return pa.Table.from_batches(list(batches), table_schema)

    def loads_records(
        self, data: bytes, /, *, schema: Schema | None = None
    ) -> list[dict[str, Any]]:
        """Read a container file as dicts; as `loads`."""
        return to_dicts(self.loads(data, schema=schema))

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
        codec, sync = self.codec if codec is None else codec, sync_marker(sync)
        parsed, writer, n_rows = self._given(schema), None, 0
        with written(path_or_file) as stream:
            for rows in batches:
                parsed, parts = self._prepared(rows, parsed)
                if writer is None:
                    stream.write(header_of(parsed[1], codec, sync))
                    writer = BlockWriter(parsed[0], codec, sync)
                for batch in parts:
                    for piece in writer.pieces(batch, n_rows):
                        stream.write(piece)
                    n_rows += batch.num_rows
            if parsed is None:
                raise InputError("Avro: no batches and no schema: there is nothing to write")
            if writer is None:
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
        (type_, _), batches = self._prepared(rows, self._given(schema))
        return datums_of(batches, type_)

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
        parsed = self._parsed if writer is None else self._pool.parsed(writer, limits)
        if parsed is None:
            raise InputError("Avro: bare datums say nothing of their schema: give the writer's")
        lent = self._lend(parsed, schema, columns, limits)
        lent[1].kernel.begin(False)
        n_bytes = sum(map(len, datums))
        batches = list(bounded(batches_of_datums(datums, lent[1]), limits, n_bytes, "Avro"))
        self._pool.give_back(lent)
        return pa.Table.from_batches(batches).replace_schema_metadata(lent[2].metadata)

    def dumps_objects(self, rows: Rows, /, *, schema: Schema | None = None) -> list[bytes]:
        """Write each row as a single object: a marker, the schema's fingerprint, the datum.

        Raises
        ------
        SerializationError
            As `dumps`.
        """
        (type_, _), batches = self._prepared(rows, self._given(schema))
        head = SINGLE + fingerprint(type_)
        return [head + datum for datum in datums_of(batches, type_)]

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
        parsed = self._parsed if writer is None else self._pool.parsed(writer, limits)
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

    def _given(self, schema: Schema | None) -> Parsed | None:
        """Give the schema that was given with a call, or to the class."""
        return self._parsed if schema is None else self._pool.parsed(schema, self.limits)

    def _prepared(self, rows: Rows, parsed: Parsed | None) -> tuple[Parsed, list[pa.RecordBatch]]:
        """Give the schema to write with, and batches."""
        if isinstance(rows, pa.RecordBatch):
            batches, columns = [rows], rows.schema
        else:
            wanted = None if parsed is None else record_schema_of(parsed[0])
            table = rows if isinstance(rows, pa.Table) else to_table(rows, wanted)
            batches, columns = table.to_batches(), table.schema
        return parsed or self._pool.for_columns(columns, self.limits), batches

    def _lend(
        self,
        writer: Parsed,
        schema: Schema | None,
        columns: Sequence[str] | None,
        limits: FormatLimits,
    ) -> Lent:
        """Give what reads rows of a writer's schema as those of the reader's."""
        reader = self._parsed if schema is None else self._pool.parsed(schema, limits)
        columns = self.columns if columns is None else columns
        return self._pool.lend(writer, writer if reader is None else reader, columns, limits)

    def _read(
        self,
        window: Window,
        schema: Schema | None,
        columns: Sequence[str] | None,
        limits: FormatLimits | None,
        *,
        is_whole: bool = False,
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Read the header, and give the batches behind it: those of one table, or as they come."""
        limits = self.limits if limits is None else limits
        header = read_header(window, limits)
        writer = self._pool.parsed(header.schema, limits)
        lent = self._lend(writer, schema, columns, limits)
        lent[1].kernel.begin(is_whole)
        return lent[2], self._batches(window, header, lent, limits)

    def _batches(
        self, window: Window, header: Header, lent: Lent, limits: FormatLimits
    ) -> Iterator[pa.RecordBatch]:
        """Read all batches, and give back what has read them."""
        yield from batches_of(window, header, lent[1], limits)
        self._pool.give_back(lent)
