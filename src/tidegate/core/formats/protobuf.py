"""Protobuf: tables to length-delimited streams of messages, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from tidegate.core.errors import ColumnTypeError, InputError, SerializationError
from tidegate.core.formats.formatlimits import FormatLimits
from tidegate.core.formats.protoderive import message_of_schema, proto_text
from tidegate.core.formats.protodescriptor import message_of_descriptor, message_of_set
from tidegate.core.formats.protofiles import batches_of_file
from tidegate.core.formats.protoreading import Decoder
from tidegate.core.formats.protoschema import ProtoMessage, check_message, project
from tidegate.core.formats.prototypes import arrow_schema
from tidegate.core.formats.protowriting import Encoder
from tidegate.core.formats.wholefiles import PathOrFile, written
from tidegate.core.records import to_table
from tidegate.core.threads import n_threads

__all__ = ["Protobuf"]

Records: TypeAlias = Sequence[Mapping[str, Any]]
Rows: TypeAlias = "pa.Table | pa.RecordBatch | Records | Any"


class Protobuf:
    """Protobuf messages of one type, as a serializer.

    Parameters
    ----------
    message
        What a message is: a generated class of the package ``protobuf``, a message descriptor, the
        bytes of a ``FileDescriptorSet`` (``protoc --include_imports --descriptor_set_out=FILE``),
        or an Arrow schema, from which it is derived by a rule (see Notes). None: what is written
        derives it from its own schema, and nothing can be read.
    name
        Full name of the message in a descriptor set, which needs it where it has several; of a
        derived message the name that `proto` gives it.
    limits
        What is taken at most when reading.

    Raises
    ------
    InputError
        The description is of another type, or the package ``protobuf`` is needed and missing.
    SerializationError
        A descriptor set is damaged, or the message has no columns: it contains itself, or a group.
    ColumnTypeError
        A column of the Arrow schema has no counterpart.

    Notes
    -----
    *Columns.* Numbers, bool, strings and bytes are what they are; a repeated field is a list, a map
    a map, a message a struct, an enum a dictionary of its names. ``google.protobuf.Timestamp`` is
    timestamp[ns, UTC], ``Duration`` duration[ns], ``Int64Value`` and its like a nullable number. A
    field that says whether it is there is nullable, also each of a oneof, of which at most one is
    set; one that doesn't is zero, empty or false where it is missing. The defaults of proto2 are
    not applied: what is missing is null.

    *Lossless.* The number of an enum that has no name is the string of its digits. A null where
    Protobuf has none (in a field without presence, for a list, or in it) is an error. The values
    of unknown fields, and numbers that a closed enum lacks, are skipped, as the specification says.

    *Derived messages.* Columns are fields numbered from 1; nullable ones are ``optional``; lists
    are repeated, packed where they can be; dictionaries and decimals are strings. `proto` gives
    the text.

    *Wire.* The last value of a field counts, parts of a message become one, both forms of repeated
    numbers are read. A known field of a wrong wire type is an error.

    References
    ----------
    https://protobuf.dev/programming-guides/encoding/

    Examples
    --------
    >>> ticks = pa.table({"ts": [1, 2], "symbol": ["A", None], "sizes": [[5, 300], []]})
    >>> format = Protobuf(ticks.schema, name="Tick")
    >>> stream = format.dumps(ticks)
    >>> stream.hex(" ")
    '0a 08 01 12 01 41 1a 03 05 ac 02 02 08 02'
    >>> format.loads(stream).equals(ticks)
    True
    >>> print(format.proto())
    syntax = "proto3";
    <BLANKLINE>
    message Tick {
      optional int64 ts = 1;
      optional string symbol = 2;
      repeated int64 sizes = 3;
    }
    <BLANKLINE>
    """

    media_type = "application/x-protobuf"

    def __init__(
        self,
        message: Any = None,
        *,
        name: str | None = None,
        limits: FormatLimits | None = None,
    ) -> None:
        self._limits = FormatLimits() if limits is None else limits
        self._name = name
        self._is_derived = isinstance(message, pa.Schema)
        self._message = None if message is None else self._describe(message)

    def _describe(self, message: Any) -> ProtoMessage:
        """Read the description of a message type."""
        if isinstance(message, ProtoMessage):
            found = message
        elif isinstance(message, pa.Schema):
            found = message_of_schema(message, self._name or "Record")
        elif isinstance(message, bytes | bytearray | memoryview):
            found = message_of_set(bytes(message), self._name, self._limits)
        else:
            descriptor = getattr(message, "DESCRIPTOR", message)
            if not hasattr(descriptor, "fields") or not hasattr(descriptor, "full_name"):
                raise InputError(
                    f"message is of type {type(message).__name__}; give a generated class, the "
                    "bytes of a FileDescriptorSet, or an Arrow schema"
                )
            found = message_of_descriptor(descriptor, self._limits)
        check_message(found, self._limits)
        return found

    def _known(self) -> ProtoMessage:
        """Give the message type that is needed to read."""
        if self._message is None:
            raise SerializationError(
                "Protobuf doesn't say what its messages are: make the serializer with "
                "Protobuf(message), of a generated class, a FileDescriptorSet or an Arrow schema"
            )
        return self._message

    def _encoder(self, schema: pa.Schema) -> Encoder:
        """Make what writes rows of a schema."""
        message = self._message
        if message is None:
            message = self._describe(schema)
        return Encoder(message)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of what `loads` gives."""
        return arrow_schema(self._known())

    def proto(self) -> str:
        """Return the ``.proto`` text of a message type that was derived from an Arrow schema.

        Raises
        ------
        InputError
            The message type was given: its text is where it came from.
        """
        message = self._known()
        if not self._is_derived:
            raise InputError(f"message {message.name} is not derived from an Arrow schema")
        return proto_text(message)

    def dumps(self, rows: Rows, /) -> bytes:
        """Write rows as a stream of messages, each behind its length.

        Parameters
        ----------
        rows
            A table, a record batch, whatever offers the Arrow PyCapsule interface, or dicts.

        Returns
        -------
        bytes
            Empty for no rows.

        Raises
        ------
        ColumnNotFoundError
            A column has no field, or a required field no column.
        ColumnTypeError
            A column has a type that its field doesn't take.
        SerializationError
            A value has no place in its field, such as a null where there is none.
        """
        table = as_table(rows)
        encoder = self._encoder(table.schema)
        first_row = 0
        for batch in table.to_batches():
            encoder.write(batch, first_row=first_row)
            first_row += batch.num_rows
        return encoder.take()

    def loads(
        self,
        source: Any,
        /,
        *,
        columns: Sequence[str] | None = None,
        limits: FormatLimits | None = None,
        threads: int | None = None,
    ) -> pa.Table:
        """Read a stream of messages, each behind its length.

        Parameters
        ----------
        source
            bytes, or any buffer.
        columns
            The fields that are read, all others being skipped; None: all.
        limits
            Others than those of the object.
        threads
            At most how many to use; by default what the bytes are worth. The rows are the same.

        Returns
        -------
        pyarrow.Table
            A message a row.

        Raises
        ------
        SerializationError
            The bytes are no such stream, or pass a limit; `offset`, `row` and `path` say where.
        ColumnNotFoundError
            A column is no field.
        """
        decoder = self._decoder(columns, limits, "Protobuf")
        view = memoryview(source).cast("B")
        batches = list(decoder.read_whole(view, n_threads(threads, len(view) // ROW_BYTES)))
        return pa.Table.from_batches(batches, schema=decoder.schema)

    def _decoder(
        self, columns: Sequence[str] | None, limits: FormatLimits | None, what: str
    ) -> Decoder:
        """Make what reads some fields."""
        chosen = None if columns is None else list(columns)
        return Decoder(project(self._known(), chosen), limits or self._limits, what)

    def dumps_message(self, row: Rows, /) -> bytes:
        """Write one row as one message, without its length."""
        table = as_table([row] if isinstance(row, Mapping) else row)
        if table.num_rows != 1:
            raise InputError(f"one row is one message, and there are {table.num_rows}: use dumps")
        encoder = self._encoder(table.schema)
        for batch in table.to_batches():
            encoder.write(batch, is_delimited=False)
        return encoder.take()

    def loads_message(
        self,
        source: Any,
        /,
        *,
        columns: Sequence[str] | None = None,
        limits: FormatLimits | None = None,
    ) -> pa.Table:
        """Read one message, which is all of `source`, as a table of one row; see `loads`."""
        decoder = self._decoder(columns, limits, "Protobuf")
        batch = decoder.read_message(memoryview(source).cast("B"))
        return pa.Table.from_batches([batch], schema=decoder.schema)

    def write(self, target: PathOrFile, batches: Iterable[Any] | pa.Table, /) -> int:
        """Write batches into a file, a message a row, each behind its length.

        Parameters
        ----------
        target
            A path, which gets its new content when it is whole, or an open binary file.
        batches
            Tables or record batches, written one after the other.

        Returns
        -------
        int
            The number of rows.

        Raises
        ------
        SinkError
            The file can't be written.
        """
        encoder: Encoder | None = None
        n_rows = 0
        with written(target) as file:
            for rows in [batches] if isinstance(batches, pa.Table) else batches:
                table = as_table(rows)
                if encoder is None:
                    encoder = self._encoder(table.schema)
                for batch in table.to_batches(max_chunksize=WRITE_ROWS):
                    encoder.write(batch, first_row=n_rows)
                    n_rows += batch.num_rows
                    file.write(encoder.take())
        return n_rows

    def read(
        self,
        source: PathOrFile,
        /,
        *,
        columns: Sequence[str] | None = None,
        limits: FormatLimits | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Read a file of messages, each behind its length, batch by batch.

        Parameters
        ----------
        source
            A path or an open binary file.
        columns, limits
            As for `loads`.

        Yields
        ------
        pyarrow.RecordBatch
            Some rows; at least one batch, which is empty where the file is.

        Raises
        ------
        SourceError
            The file can't be read.
        SerializationError
            As for `loads`.

        Notes
        -----
        Memory is that of one batch and of the longest message, whatever the size of the file.
        """
        what = str(source) if isinstance(source, str | Path) else "Protobuf"
        limits = limits or self._limits
        decoder = self._decoder(columns, limits, what)
        return batches_of_file(source, decoder, limits)


WRITE_ROWS = 1 << 16
ROW_BYTES = 32  # of a message, about


def as_table(rows: Any) -> pa.Table:
    """Give rows of any kind as a table."""
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    if isinstance(rows, list | tuple):
        return to_table(rows)
    if hasattr(rows, "__arrow_c_stream__") or hasattr(rows, "__arrow_c_array__"):
        return pa.table(rows)
    raise ColumnTypeError(
        f"rows are of type {type(rows).__name__}; expected a table, a record batch or a list of "
        "dicts"
    )
