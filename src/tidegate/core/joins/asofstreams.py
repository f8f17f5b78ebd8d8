"""One side of a join that is fed bit by bit: its columns, its watermark, the rows left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.watermarks import watermarks
from tidegate.core.batch import read_input
from tidegate.core.columns import as_array
from tidegate.core.columntypes import column_index, time_type
from tidegate.core.errors import ColumnTypeError
from tidegate.core.eventtime import INT64_MAX, INT64_MIN, float_of_orders, order_of_floats
from tidegate.core.taking import Taker

if TYPE_CHECKING:
    from tidegate.core.joins.asofrule import AsofTypes, Moments, Side

__all__ = ["Followed", "Stream", "rows_of"]

REASONS = ("null time", "late", "nan time")  # 1 has a time: if it is left out, it is late
LATE = 1


class Followed(NamedTuple):
    """The rows of a batch that have a time, against the watermark of their side."""

    late: npt.NDArray[np.bool_] | None  # (n,); None: none is
    late_by: npt.NDArray[Any] | None  # (n,) where late
    largest: int | float | None  # the largest time after the batch


@dataclass
class Stream:
    """One side.

    Attributes
    ----------
    schema : pyarrow.Schema or None
        None before the first batch.
    waiting : list of pyarrow.Table
        Batches that came before the columns of both sides were known.
    largest : int, float or None
        The largest time so far, in the unit of both sides.
    promised : int
        No row before this time comes any more, in the kernels' order.
    left_out : list of pyarrow.Table
        Late rows, and right rows without a time.
    """

    side: Side
    on: str
    by: tuple[str, ...]
    schema: pa.Schema | None = None
    waiting: list[pa.Table] = field(default_factory=list)
    largest: int | float | None = None
    promised: int = INT64_MIN
    rows_in: int = 0
    late: int = 0
    rejected: int = 0
    left_out: list[pa.Table] = field(default_factory=list)

    @property
    def n_waiting(self) -> int:
        """How many rows came before the columns of both sides were known."""
        return sum(table.num_rows for table in self.waiting)

    def wait_again(self, rows_in: int) -> None:
        """Forget what was made of the rows when the columns of both sides became known."""
        self.rows_in = rows_in
        self.largest, self.late, self.rejected, self.left_out = None, 0, 0, []

    def read(self, data: object) -> pa.Table:
        """Read a batch and hold it to the columns of the first one."""
        table = read_input(data).table()
        if self.schema is None:
            time_type(table.schema, self.on)
            for name in self.by:
                column_index(table.schema, name)
            return table
        return _conformed(table, self.schema, self.side)

    def watermark(self, lateness: int | float | None, *, is_float: bool) -> int:
        """Where the watermark is, in the kernels' order; before any time the smallest of all."""
        mark = INT64_MIN
        if lateness is not None and self.largest is not None:
            if is_float:
                behind = np.array([self.largest - lateness], np.float64)
                mark = int(order_of_floats(behind, None)[0][0])
            else:
                mark = max(INT64_MIN, int(self.largest - lateness))
        return max(mark, self.promised)

    def follow(self, times: npt.NDArray[Any], types: AsofTypes, lateness: Any) -> Followed:
        """Find out which rows are late; nothing is changed yet.

        Parameters
        ----------
        times : ndarray
            (n,) int64, in the kernels' order.
        types : AsofTypes
            What the times are.
        lateness : int, float or None
            In the unit of both sides.
        """
        n, is_float, largest = len(times), types.is_float, self.largest
        if not n:
            return Followed(None, None, largest)
        values: npt.NDArray[Any] = float_of_orders(times) if is_float else times
        late = np.zeros(n, np.bool_)
        start: int | float = -np.inf if is_float else INT64_MIN
        marks = np.full(n, start, values.dtype) if lateness is None else np.empty_like(values)
        if lateness is None:
            newest = values.max().item()
            largest = newest if largest is None else max(largest, newest)
        else:
            start, is_known = (start, False) if largest is None else (largest, True)
            flags = late.view(np.uint8)
            _, largest = watermarks(values, None, lateness, is_known, start, marks, flags)
        if self.promised > INT64_MIN:
            late |= times < self.promised
            promised = np.array([self.promised])
            marks = np.maximum(marks, float_of_orders(promised) if is_float else promised)
        if not late.any():
            return Followed(None, None, largest)
        if is_float:
            with np.errstate(over="ignore", invalid="ignore"):
                return Followed(late, marks - values, largest)
        far = np.where(late, marks.view(np.uint64) - values.view(np.uint64), 0)
        return Followed(late, np.minimum(far, INT64_MAX).astype(np.int64), largest)

    def count(
        self, table: pa.Table, moments: Moments, followed: Followed, kind: pa.DataType | None
    ) -> None:
        """Count the rows of a batch, and put those that are left out on the side.

        Parameters
        ----------
        table : pyarrow.Table
            The batch.
        moments : Moments
            Its rows that have a time.
        followed : Followed
            Which of those are late.
        kind : pyarrow.DataType or None
            Of ``late_by``; None: the rows are not kept.
        """
        base, n_rows = self.rows_in, table.num_rows
        self.rows_in += n_rows
        self.largest = followed.largest
        reasons = moments.reasons if self.side == "right" else None
        if followed.late is None and reasons is None:
            return
        out = np.zeros(n_rows, np.bool_) if reasons is None else reasons != LATE
        timed = np.arange(n_rows) if moments.rows is None else moments.rows
        late_by = np.zeros(n_rows, np.int64 if followed.late_by is None else followed.late_by.dtype)
        n_late = 0
        if followed.late is not None and followed.late_by is not None:
            n_late = int(followed.late.sum())
            out[timed[followed.late]] = True
            late_by[timed] = followed.late_by
        rows = np.flatnonzero(out)
        self.late += n_late
        self.rejected += len(rows) - n_late
        if kind is None or not len(rows):
            return
        why = np.full(len(rows), LATE) if reasons is None else reasons[rows]
        if pa.types.is_floating(kind):
            late_by = late_by.astype(np.float64)
        more: list[pa.Array[Any]] = [
            pa.array(base + rows),
            pa.array([REASONS[reason] for reason in why], pa.string()),
            as_array(late_by[rows], (why == LATE).astype(np.uint8), kind),
        ]
        columns: list[Any] = [*rows_of(table, rows).columns, *more]
        self.left_out.append(pa.Table.from_arrays(columns, schema=_side_schema(table.schema, kind)))

    def late_rows(self, kind: pa.DataType) -> pa.Table:
        """Look at the rows on the side."""
        if self.schema is None:
            return pa.table({})
        return pa.concat_tables(self.left_out or [_side_schema(self.schema, kind).empty_table()])

    def take_late(self, kind: pa.DataType) -> pa.Table:
        """Hand over the rows on the side; `kind` is the type of ``late_by``."""
        rows, self.left_out = self.late_rows(kind), []
        return rows


def _conformed(table: pa.Table, schema: pa.Schema, side: str) -> pa.Table:
    """Return the known columns of a batch.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError
        If one is not there, or of another type than in the first batch.
    """
    if table.schema.equals(schema):
        return table
    columns: list[Any] = []
    for known in schema:
        column = table.column(column_index(table.schema, known.name))
        if pa.types.is_null(column.type):
            column = column.cast(known.type)  # a batch in which no row has a value
        if column.type != known.type:
            raise ColumnTypeError(
                f"column {known.name!r} of the {side} side is {column.type}; it was {known.type} "
                "in the first batch: cast it"
            )
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def _side_schema(schema: pa.Schema, late_type: pa.DataType) -> pa.Schema:
    """Return the columns of rows that were left out."""
    more = [("row", pa.int64()), ("reason", pa.string()), ("late_by", late_type)]
    return pa.schema([*schema, *(pa.field(name, kind) for name, kind in more)])


def rows_of(table: pa.Table, rows: npt.NDArray[np.int64]) -> pa.Table:
    """Return rows of a table."""
    taken = Taker(table.columns, table.num_rows).take(rows)
    return pa.Table.from_arrays(taken, schema=table.schema)
