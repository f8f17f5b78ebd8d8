"""CSV as a serializer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tidegate.core.formats.arrowformat import ArrowFormat, check_names
from tidegate.core.formats.readahead import ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Csv"]

HEAD = 4 << 20  # bytes of CSV that the types are guessed from
BLOCK = 1 << 20  # bytes of CSV parsed at a time


class Csv(ArrowFormat):
    r"""The serializer of CSV, with a header line.

    Parameters
    ----------
    schema : pyarrow.Schema, optional
        The types of the columns. Without it they are guessed from the first 4 MiB, and hold from
        there on; times are taken to be in nanoseconds where they fit.

    Notes
    -----
    A field without a character is null, ``""`` is an empty text; what is written comes back so. A
    line ends where a quote is open only if it is closed in the next 1 MiB.

    Examples
    --------
    >>> from tidegate.core.formats.csv import Csv
    >>> Csv().dumps([{"a": 1, "b": "x"}, {"a": 2}])
    b'"a","b"\n1,"x"\n2,\n'
    """

    name = "CSV"
    media_type = "text/csv"

    def __init__(self, *, schema: pa.Schema | None = None) -> None:
        self.schema = schema

    def _writer(self, stream: Any, schema: pa.Schema) -> Any:
        """Make what writes lines."""
        import pyarrow.csv as pa_csv

        return pa_csv.CSVWriter(stream, schema)

    def _batches(
        self, stream: Any, columns: list[str] | None
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Guess the types from the head, and read by them from the start."""
        head = stream.read(HEAD)
        whole = head if len(head) < HEAD else head[: head.rfind(b"\n") + 1]
        types = {} if self.schema is None else dict(
            zip(self.schema.names, self.schema.types, strict=True)
        )  # fmt: skip
        guessed = _open_csv(pa.BufferReader(whole), types, None, len(whole) + 1)
        schema = guessed.schema
        for field in schema:
            if pa.types.is_timestamp(field.type) and field.type.unit == "s":
                types.setdefault(field.name, _finest(guessed, whole, field))
        names = check_names(schema, columns, self.name)
        types = {field.name: types.get(field.name, field.type) for field in schema}
        chained = ahead(head, stream)
        reader = _open_csv(chained, types, names, BLOCK)
        return reader.schema, iter(reader)


def _open_csv(stream: Any, types: dict[str, Any], names: list[str] | None, block: int) -> Any:
    """Open a stream of CSV."""
    import pyarrow.csv as pa_csv

    return pa_csv.open_csv(
        stream,
        read_options=pa_csv.ReadOptions(use_threads=False, block_size=block),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=types,
            include_columns=names,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _finest(guessed: Any, head: bytes, field: Any) -> pa.DataType:
    """Choose nanoseconds for times that were guessed from whole seconds, if they fit."""
    nanoseconds: Any = pa.timestamp("ns", field.type.tz)
    column: Callable[..., Any] = _open_csv(
        pa.BufferReader(head), {field.name: field.type}, [field.name], len(head) + 1
    ).read_all
    try:
        column().column(0).cast(nanoseconds)
    except pa.ArrowInvalid:
        nanoseconds = guessed.schema.field(field.name).type
    found: pa.DataType = nanoseconds
    return found
