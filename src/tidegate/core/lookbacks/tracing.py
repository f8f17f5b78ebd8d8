"""Which input rows a look-back was over: a run that gives its rows their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tidegate.core.batch import read_input
from tidegate.core.errors import InputError
from tidegate.core.eventtime import INT64_MAX
from tidegate.core.lookbacks.rollingrun import RollingRun, one_batch
from tidegate.core.numbering import ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.core.lookbacks.tied import Tied

__all__ = ["TracedLook"]


class TracedLook(RollingRun):
    """A run over look-backs whose plan collects the numbers of the rows, which it gives them."""

    def give_schema(self, schema: pa.Schema) -> None:
        """Fix the types before the first batch."""
        super().give_schema(schema.append(pa.field(ROW, pa.int64())))

    def push_input(self, data: object) -> None:
        """Take whatever the user has, all of it or nothing."""
        rows = read_input(data, [name for name in self.plan.inputs if name != ROW])
        self.push(one_batch(rows.batches(INT64_MAX), rows.schema))

    def push_row(self, row: Sequence[object], batch_of: Callable[..., pa.RecordBatch]) -> bool:
        """Take one event, as a batch."""
        names = self.plan.event[:-1]
        if len(row) != len(names):
            raise InputError(
                f"push_row takes {len(names)} values ({', '.join(names)}), got {len(row)}: {row!r}"
            )

        def one_row(run: RollingRun, row: Sequence[object]) -> pa.RecordBatch:
            """Make a batch of one row; its number comes later."""
            return batch_of(run, [*row, 0]).drop_columns([ROW])

        return super().push_row(row, one_row)

    def gather(self, row: Sequence[object]) -> bool | None:  # noqa: ARG002 - of the class
        """Take no event without a closer look."""
        return None

    def roll(self, batch: pa.RecordBatch, threads: int = 1) -> None:
        """Take all rows that there are, at once, where nothing can be late."""
        super().roll(self._numbered(batch), threads)

    def _take_in(self, batch: pa.RecordBatch) -> Tied:
        """Let the rows of a batch wait, all of them or none."""
        return super()._take_in(self._numbered(batch))

    def _numbered(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Number the rows of a batch, in order of arrival from 0 on."""
        first = self.counts.rows_in
        return batch.append_column(ROW, pa.array(np.arange(first, first + batch.num_rows)))

    def take_late(self) -> pa.Table:
        """Hand over the rows on the side."""
        return super().take_late().drop_columns([ROW])
