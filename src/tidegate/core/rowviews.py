"""Batches as the kernels take them: views of their columns, copies only where need be."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tidegate.core.binding import Values, columns_of
from tidegate.core.columns import Numbers, time_column
from tidegate.core.eventtime import order_of_floats
from tidegate.core.parts import read_parts

if TYPE_CHECKING:
    import pyarrow as pa

    from tidegate.core.bound import Bound

__all__ = ["Rows", "rows_of", "times_of"]


class Rows(NamedTuple):
    """A batch as the kernels take it."""

    times: Numbers  # (n_rows,) int64 or float64, as the user has them
    order: Numbers  # (n_rows,) int64, in the same order
    time_valid: Numbers | None  # (n_rows,) uint8
    columns: list[Values]  # of each input column; no values where only its nulls count


def rows_of(batch: pa.RecordBatch, bound: Bound, threads: int = 1) -> Rows:
    """View a batch as the kernels take it; a copy only of what is not 64 bits wide."""
    times, order, valid = times_of(batch, bound)
    if bound.views is None:
        return Rows(times, order, valid, columns_of(batch, bound.program))
    skip_nan = bound.plan.nan == "missing"
    columns = read_parts(batch, bound.views, bound.texts, skip_nan=skip_nan, threads=threads)
    for texts in bound.texts.values():
        texts.lay(bound.state)
    return Rows(times, order, valid, columns)


def times_of(batch: pa.RecordBatch, bound: Bound) -> tuple[Numbers, Numbers, Numbers | None]:
    """View the times of a batch: as the user has them, in the kernels' order, and their flags."""
    times, valid = time_column(batch, bound.plan.on)
    if not bound.is_float:
        return times, times, valid
    order, valid = order_of_floats(times, valid)
    return times, order, valid
