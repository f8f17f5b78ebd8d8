"""Plans that tell the input rows of each window, and the runs of those that have to collect them.

The records of a grid are told the numbers of their rows, from 0 on in order of arrival: runs of
rows that came one after the other, or with keys the first row, the last and how many there are.
Where rows make the windows, they wait for the watermark together with one more column, their
numbers, and these are collected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tidegate.core.aggregation import Aggregation
from tidegate.core.batch import read_input
from tidegate.core.errors import InputError, MergeError
from tidegate.core.rangecolumns import OF_SPANS, RANGES_TYPE, ROW_RANGES, column_of_ranges
from tidegate.core.rollingwindow import Rolling
from tidegate.core.rowwindows import RowWindow
from tidegate.core.run import MAX_BATCH, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.core.plan import Plan

__all__ = ["ROW", "CollectingRun", "collects_rows", "has_spans", "refuse_merge", "traced"]

ROW = "tidegate.row"  # the column of row numbers

_COLLECTED = ((ROW_RANGES, Aggregation("collect", (ROW,))),)
_RUNS = ((ROW_RANGES, Aggregation("row_runs")),)
_SPANNED = tuple(zip(OF_SPANS, map(Aggregation, ("row_first", "row_last", "rows")), strict=True))


def traced(plan: Plan) -> Plan:
    """Have a plan tell the rows of each window."""
    more = _SPANNED if has_spans(plan) else _RUNS
    if isinstance(plan.window, RowWindow | Rolling):
        more = _COLLECTED
    return replace(plan, results=(*plan.results, *more))


def collects_rows(plan: Plan) -> bool:
    """Whether a plan reads the numbers of rows as a column."""
    return _COLLECTED[0] in plan.results


def refuse_merge(plan: Plan) -> None:
    """Refuse to merge runs that have both counted their rows from 0.

    Raises
    ------
    MergeError
        If the plan tells the rows of each window.
    """
    if any(more[0] in plan.results for more in (_COLLECTED, _RUNS, _SPANNED)):
        raise MergeError("merge: with lineage=True the rows of two inputs would have one number")


def has_spans(plan: Plan) -> bool:
    """Whether the rows of a window are all of its key and its times, from the first to the last.

    So they are on a grid, where a row that is late has come after all rows of its window. Not so
    where other options of time say which rows count; and both edges have to be there.
    """
    if isinstance(plan.window, RowWindow | Rolling) or not plan.by or not plan.time.is_plain:
        return False
    return plan.grid_window.label is None and plan.on not in plan.by


class CollectingRun(Run):
    """A run whose plan collects the numbers of the rows, which it gives them."""

    def give_schema(self, schema: pa.Schema) -> None:
        """Fix the types before the first batch."""
        super().give_schema(schema.append(pa.field(ROW, pa.int64())))

    def push_input(self, data: object) -> None:
        """Take whatever the user has."""
        rows = read_input(data, [name for name in self.plan.inputs if name != ROW])
        if rows.n_rows == 0:
            self.bind(rows.schema.append(pa.field(ROW, pa.int64())))
        self.push_all(rows.batches(MAX_BATCH))

    def push(self, batch: pa.RecordBatch, later: Callable[[], int] | None = None) -> None:
        """Number the rows of a batch and take them."""
        first = self.counts.rows_in
        numbers = pa.array(np.arange(first, first + batch.num_rows))
        super().push(batch.append_column(ROW, numbers), later)

    def push_row(
        self,
        row: Sequence[object],
        batch_of_row: Callable[[Run, Sequence[object]], pa.RecordBatch],
    ) -> bool:
        """Take one row, as a batch."""
        names = self.plan.event[:-1]
        if len(row) != len(names):
            raise InputError(
                f"push_row takes {len(names)} values ({', '.join(names)}), got {len(row)}: {row!r}"
            )
        super().push(batch_of_row(self, [*row, self.counts.rows_in]))
        return self.bound is not None and self.bound.state.n_results > 0

    def take(self) -> pa.Table:
        """Hand over the results that are ready."""
        return _told(super().take())

    @property
    def empty(self) -> pa.Table:
        """No results."""
        return _told(super().empty)

    def take_late(self) -> pa.Table:
        """Hand over the rows on the side."""
        return super().take_late().drop_columns([ROW])


def _told(table: pa.Table) -> pa.Table:
    """Turn the numbers of rows into ranges, where they are numbers yet."""
    place = table.schema.get_field_index(ROW_RANGES)
    if table.schema.field(place).type != pa.list_(pa.int64()):
        return table
    chunks = [_runs_in(chunk) for chunk in table.column(place).chunks]
    ranges = pa.chunked_array(chunks, RANGES_TYPE)
    return table.set_column(place, pa.field(ROW_RANGES, RANGES_TYPE), ranges)


def _runs_in(lists: pa.Array[Any]) -> pa.Array[Any]:
    """Find the runs of numbers that follow each other, in lists in any order.

    O(n log n) in the numbers where they are not in order yet.
    """
    lengths: Any = lists.value_lengths().fill_null(0)  # type: ignore[attr-defined]
    owner = np.repeat(np.arange(len(lists)), lengths.to_numpy(zero_copy_only=False))
    numbers = lists.flatten().to_numpy()  # type: ignore[attr-defined]
    if ((numbers[1:] < numbers[:-1]) & (owner[1:] == owner[:-1])).any():
        order = np.lexsort((numbers, owner))
        numbers = numbers[order]
    begins = np.ones(len(numbers), bool)
    begins[1:] = (numbers[1:] != numbers[:-1] + 1) | (owner[1:] != owner[:-1])
    at = np.flatnonzero(begins)
    stops = numbers[np.append(at[1:], len(numbers)) - 1] + 1 if len(at) else numbers
    offsets = np.searchsorted(owner[at], np.arange(len(lists) + 1))
    return column_of_ranges(offsets, numbers[at], stops)
