"""Ledger files of any format as batches of the columns that an audit needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tidegate.core.batch import time_type
from tidegate.core.errors import (
    ColumnNotFoundError,
    ColumnTypeError,
    SerializationError,
    SourceError,
)
from tidegate.core.files import Columns, Format, InputFile
from tidegate.core.serializers import serializers
from tidegate.core.sources import Source

__all__ = ["Ledger", "read_ledgers"]

AVRO = ".avro"


class Ledger:
    """One file: Parquet, CSV, JSON lines, Arrow IPC or Avro, as its name says.

    Attributes
    ----------
    names : list of str
        All of its columns.
    is_empty : bool
        It has no filings.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_avro = path.suffix.lower() == AVRO
        if self._is_avro and not path.is_file():
            raise SourceError(f"{path}: there is no such file; check the path")
        self._file = None if self._is_avro else InputFile.of(path)
        if self._file is not None:
            if not self._file.is_regular:
                raise SourceError(f"{path}: is no regular file; copy it into one")
            self._file.check_content()
        self.is_empty = True
        self.names = self._all_names()

    def _all_names(self) -> list[str]:
        """Read the names of the columns from the head."""
        formats = {Format.NDJSON: "json", Format.ARROWS: "arrow"}
        format_ = (
            "avro" if self._file is None else formats.get(self._file.format, str(self._file.format))
        )
        packed = self._file is not None and self._file.format.is_text
        source: Any = self._file.open() if self._file is not None and packed else self.path
        names: list[str] = []
        try:
            with closing(serializers.get(format_).read(source)) as batches:  # type: ignore[type-var]
                for batch in batches:
                    names = batch.schema.names
                    self.is_empty = not batch.num_rows
                    if batch.num_rows:
                        break
        except SerializationError as error:
            raise SourceError(f"{self.path}: {error}") from error
        return names

    def schema(self, columns: Columns) -> pa.Schema:
        """Tell the types of some columns."""
        if self._file is not None:
            return Source([self._file], columns).schema
        lacks = [name for name in columns.names if name not in self.names]
        if self.names and lacks:
            have = ", ".join(self.names)
            raise ColumnNotFoundError(
                f"{self.path}: there is no column {lacks[0]!r}; it has: {have}"
            )
        first = next(self.batches(columns), None)
        return pa.schema([]) if first is None else first.schema

    def batches(self, columns: Columns) -> Iterator[pa.RecordBatch]:
        """Read some columns."""
        if self._file is not None:
            with closing(Source([self._file], columns).batches()) as batches:
                yield from (batch.rows for batch in batches)
            return
        avro: Any = serializers.get("avro")
        yield from avro.read(self.path, columns=list(columns.names))


def read_ledgers(
    ledgers: Sequence[Ledger], columns: Columns, fields: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Read ledgers one after the other.

    Parameters
    ----------
    ledgers : sequence of Ledger
        In the order in which they are read.
    columns : Columns
        Those that every ledger must have; whole numbers become floats where another ledger has
        floats.
    fields : sequence of str
        Those that are asked for a value.

    Yields
    ------
    pyarrow.RecordBatch
        The columns, then for field i ``missing <i>``, int64: 1 where it has no value.

    Raises
    ------
    ColumnNotFoundError, SourceError
        If a ledger lacks a column, or one has another type elsewhere; before the first batch.
    """
    types = _common_types(ledgers, columns)
    for ledger in (ledger for ledger in ledgers if not ledger.is_empty):
        extra = [name for name in fields if name in ledger.names]
        names = tuple(dict.fromkeys((*columns.names, *extra)))
        wanted = Columns(names, columns.time, columns.keys)
        for rows in ledger.batches(wanted):
            arrays = [rows.column(name).cast(types[name]) for name in columns.names]
            missing = [_missing(rows, name if name in extra else None) for name in fields]
            marks = [f"missing {i}" for i in range(len(fields))]
            yield pa.record_batch([*arrays, *missing], names=[*columns.names, *marks])


def _common_types(ledgers: Sequence[Ledger], columns: Columns) -> dict[str, pa.DataType]:
    """Find the one type of each column."""
    types: dict[str, pa.DataType] = {}
    for ledger in ledgers:
        schema = ledger.schema(columns)  # which must have them
        if ledger.is_empty:
            continue  # whatever the types of nothing are
        _check_time(ledger, schema, columns.time)
        for field in schema:
            found: Any = field.type
            found = found.value_type if pa.types.is_dictionary(found) else found
            known = types.setdefault(field.name, found)
            if known == found or pa.types.is_null(found):
                continue
            if pa.types.is_null(known) or {known, found} == {pa.int64(), pa.float64()}:
                types[field.name] = found if pa.types.is_null(known) else pa.float64()
                continue
            raise SourceError(
                f"{ledger.path}: column {field.name!r} is {found}, but {known} in another ledger; "
                "convert one of them"
            )
    return types


def _check_time(ledger: Ledger, schema: pa.Schema, time: str | None) -> None:
    """Refuse what is no time, saying where."""
    if time is None or pa.types.is_null(schema.field(time).type):
        return
    try:
        time_type(schema, time)
    except ColumnTypeError as error:
        raise ColumnTypeError(f"{ledger.path}: {error}") from error


def _missing(rows: pa.RecordBatch, name: str | None) -> pa.Array[Any]:
    """Mark the rows without a value in a field."""
    if name is None:
        ones: pa.Array[Any] = pa.array([1], pa.int64())
        return pa.repeat(ones[0], rows.num_rows)  # type: ignore[no-any-return]
    column: Any = rows.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    absent: Any = column.is_null()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        is_empty = pc.equal(column, pa.scalar("")).fill_null(True)
        absent = pc.or_(absent, is_empty)
    marks: pa.Array[Any] = absent.cast(pa.int64())
    return marks
