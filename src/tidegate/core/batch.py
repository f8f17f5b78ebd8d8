"""Whatever the user has -> record batches, and back."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from tidegate.core.columns import Column, as_array, time_column, value_column
from tidegate.core.columntypes import INDEX_NAMES, column_index, time_type, value_type
from tidegate.core.convert import Place, from_series, to_arrow
from tidegate.core.errors import ColumnTypeError, InputError
from tidegate.core.pyobjects import to_dicts
from tidegate.core.records import to_table

__all__ = [
    "Column",
    "Input",
    "as_array",
    "column_index",
    "read_input",
    "time_column",
    "time_type",
    "value_column",
    "value_type",
]

_WHOLE = 2**62  # rows: batches stay as they come
_ACCEPTED = (
    "a pyarrow Table, RecordBatch or RecordBatchReader, a pandas or Polars DataFrame, an object "
    "with __arrow_c_stream__, a dict of arrays or a list of dicts"
)


class Input:
    """The rows that a user handed in, as Arrow record batches.

    Attributes
    ----------
    schema : pyarrow.Schema
        The columns, in the order of the input.
    nan : {"value", "missing"}
        What a NaN means unless the user says otherwise: missing for pandas, else a value.
    n_rows : int or None
        How many rows there are; None for a stream.
    """

    def __init__(
        self,
        rows: pa.Table | pa.RecordBatchReader,
        *,
        give_back: Callable[[pa.Table], Any] | None = None,
        nan: Literal["value", "missing"] = "value",
    ) -> None:
        self.schema: pa.Schema = rows.schema
        self.nan: Literal["value", "missing"] = nan
        self.n_rows: int | None = rows.num_rows if isinstance(rows, pa.Table) else None
        self._rows = rows
        self._give_back = give_back
        self._is_read = False

    def batches(self, max_rows: int) -> Iterator[pa.RecordBatch]:
        """Iterate over the rows in zero-copy slices; a stream can be read only once.

        Parameters
        ----------
        max_rows : int
            The largest number of rows in a batch; empty batches are left out.

        Raises
        ------
        InputError
            If `max_rows` is less than 1, or if a stream is read a second time.
        """
        if max_rows < 1:
            raise InputError(f"max_rows is {max_rows}; expected at least 1")
        if isinstance(self._rows, pa.Table):
            batches = self._rows.to_batches(max_chunksize=max_rows)
            return (batch for batch in batches if batch.num_rows)
        if self._is_read:
            raise InputError("the stream has been read already; open it again for a second pass")
        self._is_read = True
        return _slices(self._rows, max_rows)

    def table(self) -> pa.Table:
        """Return all rows as one table, a view of them; a stream is read to its end."""
        if isinstance(self._rows, pa.Table):
            return self._rows
        return pa.Table.from_batches(list(self.batches(_WHOLE)), schema=self.schema)

    def is_plain(self, name: str) -> bool:
        """Whether a column is read where it stands: values of 64 bits and no nulls."""
        if not isinstance(self._rows, pa.Table):
            return False
        column = self._rows.column(name)
        is_wide = pa.types.is_primitive(column.type) and column.type.bit_width == 64
        return is_wide and not column.null_count

    def give_back(self, table: pa.Table) -> Any:
        """Return a result as the same kind of thing that came in."""
        return table if self._give_back is None else self._give_back(table)


def read_input(data: object, columns: Collection[str] | None = None) -> Input:
    """Read whatever holds columns.

    Parameters
    ----------
    data : object
        A pyarrow Table, RecordBatch or RecordBatchReader; a pandas or Polars DataFrame; anything
        with ``__arrow_c_stream__`` or ``__arrow_c_array__`` (a DuckDB relation); a dict of arrays;
        a list of dicts. It is never changed.
    columns : collection of str, optional
        Only these columns are read, in this order; the others are not even converted. By default
        all of them.

    Raises
    ------
    ColumnTypeError
        If `data` or one of its columns cannot be read.
    ColumnNotFoundError
        If one of `columns` is not there.
    InputError
        If columns have unequal lengths or values that do not fit.

    Notes
    -----
    O(1) for Arrow and Polars; NumPy columns that are contiguous, aligned and native are viewed,
    others are copied once. In a list of dicts a missing field is null. An empty list has every
    column that is asked for, of Arrow's null type.

    Examples
    --------
    >>> from tidegate.core.batch import read_input
    >>> read_input({"ts": [1, 2, 3], "price": [1.5, 2, None]}).schema.types
    [DataType(int64), DataType(double)]
    """
    wanted = None if columns is None else list(dict.fromkeys(columns))
    if isinstance(data, pa.Table):
        return Input(_selected(data, wanted))
    if isinstance(data, pa.RecordBatch):
        table = _selected(pa.Table.from_batches([data]), wanted)
        return Input(table, give_back=_as_record_batch)
    if isinstance(data, pa.RecordBatchReader):
        return Input(_selected_stream(data, wanted))
    if isinstance(data, Mapping):
        return Input(_from_mapping(data, wanted), give_back=_as_dict)
    if isinstance(data, list | tuple):
        return Input(_from_records(data, wanted), give_back=to_dicts)
    return _from_foreign(data, wanted)


def _from_foreign(data: Any, wanted: list[str] | None) -> Input:
    """Read an object of a library that need not be there, by its class or its capsule."""
    if _is_a(data, "pandas", "DataFrame"):
        return Input(_from_pandas(data, wanted), give_back=_as_pandas, nan="missing")
    if _is_a(data, "polars", "DataFrame"):
        return Input(_selected(pa.table(data), wanted), give_back=_as_polars)
    if _is_a(data, "polars", "LazyFrame"):
        raise ColumnTypeError("a Polars LazyFrame holds no rows yet; pass frame.collect()")
    try:
        if hasattr(data, "__arrow_c_stream__"):
            return Input(_selected_stream(pa.RecordBatchReader.from_stream(data), wanted))
        if hasattr(data, "__arrow_c_array__"):
            table = pa.Table.from_batches([pa.record_batch(data)])
            return Input(_selected(table, wanted))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ColumnTypeError(
            f"{type(data).__name__} does not hold columns ({error}); expected {_ACCEPTED}"
        ) from error
    raise ColumnTypeError(
        f"rows cannot come from the type {type(data).__name__}; expected {_ACCEPTED}"
    )


def _is_a(data: object, package: str, name: str) -> bool:
    """Tell whether an object is of a class, or derived from it, without importing its package."""
    return any(
        kind.__name__ == name and kind.__module__.partition(".")[0] == package
        for kind in type(data).__mro__
    )


def _selected(table: pa.Table, wanted: list[str] | None) -> pa.Table:
    """Return the wanted columns of a table."""
    if wanted is None:
        return table
    return table.select([column_index(table.schema, name) for name in wanted])


def _selected_stream(
    reader: pa.RecordBatchReader, wanted: list[str] | None
) -> pa.RecordBatchReader:
    """Return the wanted columns of a stream."""
    if wanted is None:
        return reader
    places = [column_index(reader.schema, name) for name in wanted]
    schema = pa.schema([reader.schema.field(place) for place in places])
    return pa.RecordBatchReader.from_batches(schema, (batch.select(places) for batch in reader))


def _slices(reader: pa.RecordBatchReader, max_rows: int) -> Iterator[pa.RecordBatch]:
    """Cut the batches of a stream into batches of at most `max_rows`."""
    for batch in reader:
        for start in range(0, batch.num_rows, max_rows):
            yield batch.slice(start, max_rows)


def _from_mapping(columns: Mapping[Any, object], wanted: list[str] | None) -> pa.Table:
    """Read a dict of arrays."""
    for name in columns:
        if not isinstance(name, str):
            raise ColumnTypeError(f"the column name {name!r} is not a string")
    if wanted is not None:
        for name in wanted:
            if name not in columns:
                column_index(pa.schema([(known, pa.null()) for known in columns]), name)
        columns = {name: columns[name] for name in wanted}
    arrays: dict[str, Any] = {
        name: to_arrow(values, Place(name)) for name, values in columns.items()
    }
    if len({len(values) for values in arrays.values()}) > 1:
        lengths = ", ".join(f"{name!r} has {len(values)}" for name, values in arrays.items())
        raise InputError(f"the columns have unequal lengths: {lengths}")
    return pa.Table.from_arrays(list(arrays.values()), names=list(arrays))


def _from_records(records: Sequence[Any], wanted: list[str] | None) -> pa.Table:
    """Read a list of dicts; a wanted field that no record has is not there."""
    table = to_table(records, columns=wanted)
    gone = [field.name for field in table.schema if pa.types.is_null(field.type)]
    if wanted is not None and gone and records:
        names = list(dict.fromkeys(str(name) for record in records for name in record))
        known = pa.schema([(name, pa.null()) for name in names])
        for name in gone:
            column_index(known, name)
    return table


def _from_pandas(frame: Any, wanted: list[str] | None) -> pa.Table:
    """Read a pandas DataFrame without its index."""
    names = [str(name) for name in frame.columns]
    schema = pa.schema([(name, pa.null()) for name in names])
    index_names = "\0".join(str(name) for name in frame.index.names if name is not None)
    if index_names:
        schema = schema.with_metadata({INDEX_NAMES: index_names})
    places = range(len(names)) if wanted is None else [column_index(schema, n) for n in wanted]
    arrays: list[Any] = [from_series(frame.iloc[:, place], Place(names[place])) for place in places]
    read = pa.Table.from_arrays(arrays, names=[names[place] for place in places])
    return read.replace_schema_metadata(schema.metadata)


def _as_record_batch(table: pa.Table) -> pa.RecordBatch:
    """Give a result back as one record batch."""
    columns: list[Any] = [
        column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()  # which copies
        for column in table.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=table.schema)


def _as_dict(table: pa.Table) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Give a result back as NumPy arrays that can be written to; zoned times are in UTC."""
    return {name: _as_numpy(table.column(name)) for name in table.column_names}


def _as_numpy(column: pa.ChunkedArray[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    """Return a column as a NumPy array; null is NaN, NaT or None."""
    if pa.types.is_dictionary(column.type):
        # ChunkedArray.to_numpy() takes the last chunk's dictionary for all of them.
        column = column.cast(column.type.value_type)
    values = column.to_numpy()
    return values if values.flags.writeable else values.copy()


def _as_pandas(table: pa.Table) -> Any:
    """Give a result back as a pandas DataFrame."""
    return table.to_pandas()


def _as_polars(table: pa.Table) -> Any:
    """Give a result back as a Polars DataFrame.

    Views go as plain strings, which Polars makes its own views of: views from pyarrow 23 without a
    buffer of characters (short strings only) crash Polars 2.1.
    """
    plain: dict[Any, Any] = {
        pa.string_view(): pa.large_string(),
        pa.binary_view(): pa.large_binary(),
    }
    schema = pa.schema([f.with_type(plain.get(f.type, f.type)) for f in table.schema])
    return importlib.import_module("polars").DataFrame(table.cast(schema))
