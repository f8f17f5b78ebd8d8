"""Plans that tell the input rows of each window, and the runs of those whose rows wait.

Records are told the numbers of their rows, from 0 on in order of arrival: runs of rows that came
one after the other, or with keys the first row, the last and how many there are. Where rows wait
for the watermark, for bars and look-backs, their numbers wait with them, as one more column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tidegate.core.aggregation import Aggregation
from tidegate.core.batch import read_input
from tidegate.core.errors import InputError, MergeError
from tidegate.core.rangecolumns import OF_SPANS, ROW_RANGES
from tidegate.core.rollingwindow import Rolling
from tidegate.core.rowwindows import Count, Session, Threshold
from tidegate.core.run import MAX_BATCH, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from tidegate.core.bound import Bound
    from tidegate.core.plan import Plan

__all__ = ["ROW", "NumberingRun", "has_spans", "reads_numbers", "refuse_merge", "traced"]

ROW = "tidegate.row"  # the column of row numbers

_COLLECTED = ((ROW_RANGES, Aggregation("collect", (ROW,))),)
_WAITED = ((ROW_RANGES, Aggregation("row_runs", (ROW,))),)
_SPANS = ((ROW_RANGES, Aggregation("row_spans", (ROW,))),)
_RUNS = ((ROW_RANGES, Aggregation("row_runs")),)
_SPANNED = tuple(zip(OF_SPANS, map(Aggregation, ("row_first", "row_last", "rows")), strict=True))


def traced(plan: Plan) -> Plan:
    """Have a plan tell the rows of each window."""
    more = _SPANNED if has_spans(plan) else _RUNS
    if isinstance(plan.window, Count | Threshold):
        more = _SPANS if has_spans(plan) else _WAITED
    if isinstance(plan.window, Rolling):
        more = _COLLECTED
    return replace(plan, results=(*plan.results, *more))


def reads_numbers(plan: Plan) -> bool:
    """Whether a plan reads the numbers of rows as a column."""
    return any(ROW in item.columns for _, item in plan.results)


def refuse_merge(plan: Plan) -> None:
    """Refuse to merge runs that have both counted their rows from 0.

    Raises
    ------
    MergeError
        If the plan tells the rows of each window.
    """
    if any(more[0] in plan.results for more in (_COLLECTED, _WAITED, _SPANS, _RUNS, _SPANNED)):
        raise MergeError("merge: with lineage=True the rows of two inputs would have one number")


def has_spans(plan: Plan) -> bool:
    """Whether the rows of a window are all of its key and some times, from one row to another.

    So they are on a grid, where a row that is late has come after all rows of its window, and of
    sessions, unless a longest duration lets rows closer than the gap be of two. Those of bars are
    in several spans where they came in another order. Not so where other options of time say which
    rows count; and both edges have to be there.
    """
    window = plan.window
    if not plan.by or plan.on in plan.by or not plan.time.is_plain:
        return False
    if isinstance(window, Session):
        return window.max_duration is None
    return not isinstance(window, Rolling) and window.label is None


class NumberingRun(Run):
    """A run whose plan reads the numbers of the rows as a column, which it gives them."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._steps = self._numbers = np.empty(0, np.int64)

    def give_schema(self, schema: pa.Schema) -> None:
        """Fix the types before the first batch."""
        super().give_schema(schema.append(pa.field(ROW, pa.int64())))

    def bind(self, schema: pa.Schema) -> Bound:
        """Fix the types with the first batch that has rows, and hold later ones to them."""
        is_numbered = ROW in schema.names
        return super().bind(schema if is_numbered else schema.append(pa.field(ROW, pa.int64())))

    def push_input(self, data: object) -> None:
        """Take whatever the user has."""
        rows = read_input(data, [name for name in self.plan.inputs if name != ROW])
        if rows.n_rows == 0:
            self.bind(rows.schema)
        self.push_all(rows.batches(MAX_BATCH))

    def push(self, batch: pa.RecordBatch, later: Callable[[], int] | None = None) -> None:
        """Number the rows of a batch and take them."""
        numbers = self._numbers_of(self.counts.rows_in, batch.num_rows)
        super().push(batch.append_column(ROW, pa.array(numbers)), later)

    def _numbers_of(self, first: int, n: int) -> npt.NDArray[np.int64]:
        """Number rows, up to some, in memory that is used again: fresh pages cost more than that.

        States copy what has to wait, and may write what they know of a row beside its number.
        """
        if n > MAX_BATCH:
            return np.arange(first, first + n)
        if len(self._numbers) < n:
            self._steps = np.arange(n)
            self._numbers = np.empty_like(self._steps)
        return np.add(self._steps[:n], first, out=self._numbers[:n])

    def push_row(
        self,
        row: Sequence[object],
        batch_of_row: Callable[[Run, Sequence[object]], pa.RecordBatch],
    ) -> bool:
        """Take one row, as a batch."""
        names = self.plan.event
        at = names.index(ROW)
        del names[at]
        if len(row) != len(names):
            raise InputError(
                f"push_row takes {len(names)} values ({', '.join(names)}), got {len(row)}: {row!r}"
            )
        super().push(batch_of_row(self, [*row[:at], self.counts.rows_in, *row[at:]]))
        return self.bound is not None and self.bound.state.n_results > 0

    def take_late(self) -> pa.Table:
        """Hand over the rows on the side."""
        return super().take_late().drop_columns([ROW])
