"""Explicit boundaries of windows: as users write them, and as the kernels take them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tidegate.core.batch import read_input
from tidegate.core.columns import Numbers, time_column
from tidegate.core.columntypes import time_type
from tidegate.core.durations import NS_PER_UNIT
from tidegate.core.errors import WindowError
from tidegate.core.eventtime import INT64_MAX, INT64_MIN, order_of_floats

__all__ = ["EdgeTable", "edge_table", "read_edges"]

COLUMN = "edges"


class EdgeTable:
    """The boundaries of `Edges` in the order of the kernels.

    Attributes
    ----------
    edges : (n_edges,) ndarray
        int64; for float times their ordered images.
    first : int
        Number of the window that begins at the first: 0.
    lowest, highest : int
        Between these, times off the table are in no window; others are rejected.
    """

    def __init__(self, edges: Numbers, lowest: int, highest: int) -> None:
        self.edges = edges
        self.first = 0
        self.lowest, self.highest = lowest, highest

    def cover(self, time: int) -> bool:  # noqa: ARG002  # it never grows
        """Do nothing: the table has all windows that there are."""
        return False

    def cover_windows(self, first: int, last: int) -> bool:  # noqa: ARG002
        """Do nothing."""
        return False


def read_edges(times: object) -> tuple[Numbers, str | None]:
    """Read boundaries as plain numbers and their unit.

    Parameters
    ----------
    times : array of times
        Whatever holds a time column.

    Returns
    -------
    values : (n_edges,) ndarray
        int64 or float64, a copy that cannot be written to; each is after the one before.
    unit : str or None
        None for plain numbers.

    Raises
    ------
    ColumnTypeError
        If these are no times.
    WindowError
        If there are fewer than two, one is missing, or not after the one before.
    """
    rows = read_input({COLUMN: times})
    type_ = time_type(rows.schema, COLUMN)
    parts = [time_column(batch, COLUMN) for batch in rows.batches(max(rows.n_rows or 0, 1))]
    at = 0
    for part in parts:
        bad = np.zeros(len(part.values), bool) if part.valid is None else part.valid != 1
        if part.values.dtype.kind == "f":
            bad |= ~np.isfinite(part.values)
        if bad.any():
            raise WindowError(
                f"boundary {at + int(np.argmax(bad))} is null, NaN or infinite: give times only"
            )
        at += len(bad)
    if at < 2:
        raise WindowError(f"{at} boundaries make no window: give two or more")
    values: Numbers = np.concatenate([part.values for part in parts])
    if values.dtype.kind == "f":
        values = values + 0.0  # -0.0 is 0.0
    falls = values[1:] <= values[:-1]
    if falls.any():
        place = int(np.argmax(falls))
        raise WindowError(
            f"boundary {place + 1} ({values[place + 1]}) is not after the one before "
            f"({values[place]}): sort them, and give each once"
        )
    values.flags.writeable = False
    return values, type_.unit if pa.types.is_timestamp(type_) else None


def edge_table(values: Numbers, unit: str | None, to: pa.DataType) -> EdgeTable:
    """Bring boundaries to the unit of a time column.

    Parameters
    ----------
    values, unit
        As from `read_edges`.
    to : pyarrow.DataType
        A timestamp, int64 or float64.

    Raises
    ------
    WindowError
        If they are no times of that type, or not whole numbers of its unit.
    """
    if pa.types.is_floating(to):
        floats = values.astype(np.float64)
        if unit is not None or (floats.astype(object) != values.astype(object)).any():
            raise _other_type(values, unit, to)
        order, _ = order_of_floats(floats, None)
        ends, _ = order_of_floats(np.array([-np.inf, np.inf]), None)
        return EdgeTable(order, int(ends[0]) + 1, int(ends[1]) - 1)
    if values.dtype.kind == "f":
        raise _other_type(values, unit, to)
    if unit is not None:
        if not pa.types.is_timestamp(to):
            raise _other_type(values, unit, to)
        values = _to_unit(values, unit, to.unit)
    return EdgeTable(values, INT64_MIN, INT64_MAX)


def _other_type(values: Numbers, unit: str | None, to: pa.DataType) -> WindowError:
    """Make the error for boundaries that are no times of a column."""
    given = values.dtype if unit is None else f"timestamp[{unit}]"
    return WindowError(
        f"the boundaries of tg.Edges are {given}, no times of a column of type {to}: give "
        f"them in its own unit"
    )


def _to_unit(values: Numbers, unit: str, wanted: str) -> Numbers:
    """Convert times exactly."""
    have, want = NS_PER_UNIT[unit], NS_PER_UNIT[wanted]
    if have >= want:
        factor = have // want
        most = INT64_MAX // factor
        bad = (values > most) | (values < -most)
        out = values * np.where(bad, 0, factor)
    else:
        factor = want // have
        bad = values % factor != 0
        out = values // factor
    if bad.any():
        place = int(np.argmax(bad))
        time = values[place : place + 1].view(f"M8[{unit}]")[0]
        raise WindowError(
            f"boundary {place} ({time}) is no whole number of "
            f"the time column's unit ({wanted}), or does not fit it"
        )
    return out
