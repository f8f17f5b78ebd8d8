"""Arrow IPC as a serializer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tidegate.core.formats.arrowformat import ArrowFormat, check_names
from tidegate.core.formats.readahead import ahead

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ArrowIpc"]


class ArrowIpc(ArrowFormat):
    """The serializer of Arrow IPC: files are written, files and streams are read.

    Notes
    -----
    A record batch of the file is read as a whole. A dictionary column is written with one
    dictionary for all batches, which grows.

    Examples
    --------
    >>> from tidegate.core.formats.arrowipc import ArrowIpc
    >>> ArrowIpc().loads(ArrowIpc().dumps([{"a": 1, "b": "x"}])).to_pydict()
    {'a': [1], 'b': ['x']}
    """

    name = "Arrow IPC"
    media_type = "application/vnd.apache.arrow.file"

    def _writer(self, stream: Any, schema: pa.Schema) -> Any:
        """Make what writes a record batch a table."""
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
        return _OneDictionary(pa.ipc.new_file(stream, schema, options=options), schema)

    def _batches(
        self, stream: Any, columns: list[str] | None
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Open a file, or a stream where it begins as none."""
        head = stream.read(6)
        if head != b"ARROW1":
            reader: Any = pa.ipc.open_stream(ahead(head, stream))
            names = check_names(reader.schema, columns, self.name)
            batches = (batch.select(names) for batch in reader)
        else:
            stream.seek(0, os.SEEK_SET)
            reader = pa.ipc.open_file(stream)
            names = check_names(reader.schema, columns, self.name)
            numbers = range(reader.num_record_batches)
            batches = (reader.get_batch(i).select(names) for i in numbers)
        schema = pa.schema([reader.schema.field(name) for name in names], reader.schema.metadata)
        return schema, batches


class _OneDictionary:
    """Writes tables as record batches whose dictionaries are the same, but for what is added."""

    def __init__(self, writer: Any, schema: pa.Schema) -> None:
        self._writer = writer
        self._known: dict[int, Any] = {
            i: None for i, type_ in enumerate(schema.types) if pa.types.is_dictionary(type_)
        }

    def write_table(self, table: pa.Table) -> None:
        """Write some rows as one record batch."""
        for place in self._known:
            field = table.schema.field(place)
            column = self._coded(place, table.column(place), field.type)
            table = table.set_column(place, field, column)
        self._writer.write_table(table.combine_chunks())

    def _coded(self, place: int, column: Any, type_: Any) -> Any:
        """Code a column by the dictionary of all before, which takes up what is new."""
        import pyarrow.compute as pc

        values = column.cast(type_.value_type)
        new = pc.drop_null(values.unique())
        known = self._known[place]
        if known is None:
            self._known[place] = known = new
        elif len(new):
            new = new.filter(pc.invert(pc.is_in(new, known)))
            self._known[place] = known = pa.concat_arrays([known, new]) if len(new) else known
        indices = pc.index_in(values, known).cast(type_.index_type)
        chunks = [
            pa.DictionaryArray.from_arrays(chunk, known, ordered=type_.ordered)
            for chunk in indices.chunks
        ]
        return pa.chunked_array(chunks, type_)

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()
