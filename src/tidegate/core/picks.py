"""Rows of Arrow arrays by number, of every type."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["pick", "pick_rows"]


def pick(column: pa.Array[Any], rows: npt.NDArray[np.int64]) -> pa.Array[Any]:
    """Take rows of a column.

    Arrow's own `take` does not know string views (what Polars has), nor what holds them: those are
    put together row by row.
    """
    try:
        return column.take(rows)
    except pa.ArrowNotImplementedError:
        if not len(rows):
            return column.slice(0, 0)
        return pa.concat_arrays([column.slice(row, 1) for row in rows.tolist()])


def pick_rows(table: pa.Table, rows: npt.NDArray[np.int64]) -> pa.Table:
    """Take rows of a table."""
    batches = table.combine_chunks().to_batches()
    if not batches:
        return table
    columns = [pick(column, rows) for column in batches[0].columns]
    return pa.Table.from_arrays(columns, schema=table.schema)
