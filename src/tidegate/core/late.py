"""The side where rows go that no window takes: late and rejected ones, each with its reason."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from tidegate.core.columns import Numbers, as_array
from tidegate.core.errors import LateRowError
from tidegate.core.eventtime import INT64_MAX
from tidegate.core.picks import pick

__all__ = ["LateSide", "LeftRow", "late_row_error"]

# The row in its batch, its reason, start and end of its last window, the watermark.
LeftRow: TypeAlias = tuple[int, int, int | float, int | float, int | float]

REASONS = ("late", "null time", "nan time", "time out of range", "time too far ahead")


class LateSide:
    """Late and rejected rows, in order of arrival.

    Parameters
    ----------
    columns : list of pyarrow.Field
        The time, key and input columns.
    time_type : pyarrow.DataType
        A timestamp, int64 or float64.
    """

    def __init__(self, columns: list[pa.Field[Any]], time_type: pa.DataType) -> None:
        self._columns = columns
        self.input_schema = pa.schema(columns)
        self._time_type = time_type
        by = pa.duration(time_type.unit) if pa.types.is_timestamp(time_type) else time_type
        self.schema = pa.schema(
            [
                *columns,
                pa.field("row", pa.int64()),
                pa.field("reason", pa.string()),
                pa.field("window_start", time_type),
                pa.field("window_end", time_type),
                pa.field("late_by", by),
            ]
        )
        self._parts: list[pa.RecordBatch] = []
        self.n_rows = 0  # that are kept

    def add(
        self,
        batch: pa.RecordBatch,
        times: Numbers,
        left: list[LeftRow],
        base: int,
        *,
        has_window: bool = True,
    ) -> None:
        """Keep rows of a batch.

        Parameters
        ----------
        batch : pyarrow.RecordBatch
            Has all the columns.
        times : ndarray
            (n_rows,) int64 or float64.
        left : list of LeftRow
            Which rows, and why.
        base : int
            Number of the batch's first row since the start.
        has_window : bool
            Whether late rows have a window, with a start and an end.
        """
        index = np.array([row for row, *_ in left], np.int64)
        late = np.array([reason == 0 for _, reason, *_ in left], np.uint8)
        kept = [pick(batch.column(field.name), index).cast(field.type) for field in self._columns]
        is_float = pa.types.is_floating(self._time_type)
        dtype = np.float64 if is_float else np.int64
        by = [
            mark - times[row].item() if ok else 0
            for (row, _, _, _, mark), ok in zip(left, late, strict=True)
        ]
        late_by = np.array(by if is_float else [min(x, INT64_MAX) for x in by], dtype)
        placed = late if has_window else np.zeros_like(late)
        sides = [
            as_array(np.array(values, dtype), flags, field.type)
            for values, flags, field in (
                ([start for _, _, start, _, _ in left], placed, self.schema.field("window_start")),
                ([end for _, _, _, end, _ in left], placed, self.schema.field("window_end")),
                (late_by, late, self.schema.field("late_by")),
            )
        ]
        reasons = pa.array([REASONS[reason] for _, reason, *_ in left], pa.string())
        rows = pa.array(base + index)
        self.n_rows += len(left)
        self._parts.append(
            pa.RecordBatch.from_arrays([*kept, rows, reasons, *sides], schema=self.schema)
        )

    def take(self) -> pa.Table:
        """Hand over what is kept."""
        parts, self._parts, self.n_rows = self._parts, [], 0
        return pa.Table.from_batches(parts, schema=self.schema)

    @property
    def n_parts(self) -> int:
        """How many parts are kept, for `cut`."""
        return len(self._parts)

    def cut(self, n_parts: int) -> None:
        """Forget the parts after the first ones."""
        self.n_rows -= sum(part.num_rows for part in self._parts[n_parts:])
        del self._parts[n_parts:]

    def peek(self) -> pa.Table:
        """Look at what is kept."""
        return pa.Table.from_batches(self._parts, schema=self.schema)

    def put_back(self, rows: pa.Table) -> None:
        """Keep rows that were taken elsewhere, as a snapshot restores them."""
        self._parts.extend(rows.to_batches())
        self.n_rows += rows.num_rows


def late_row_error(left: LeftRow, base: int, on: str, time: int | float) -> LateRowError:
    """Make the error for a late row where ``late="raise"``."""
    row, _, start, end, watermark = left
    return LateRowError(
        f"row {base + row} is late: its time {time} in column {on!r} belongs to the window "
        f"[{start}, {end}), which the watermark {watermark} has closed; nothing of the batch was "
        f'taken. Give more lateness, or late="side"'
    )
