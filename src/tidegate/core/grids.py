"""Where the windows of a window class lie: on a grid, or as a table says, in a column's unit."""

from __future__ import annotations

import math
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pyarrow as pa

from tidegate.core.calendar import CalendarTable, load_zone
from tidegate.core.durations import NS_PER_UNIT, in_units, positive_units
from tidegate.core.edges import EdgeTable, edge_table
from tidegate.core.errors import LimitError, WindowError
from tidegate.core.windows import Calendar, Edges, Sliding, Tumbling

if TYPE_CHECKING:
    from tidegate.core.windows import Origin, Window

__all__ = ["Grid", "grid_of", "is_laid_by_first", "table_of"]


class Grid(NamedTuple):
    """A grid of windows in the unit of a time column; see ``_kernels/grid.pxd``."""

    is_float: bool
    anchor: int
    width: int
    per_size: int
    per_step: int
    origin: float
    width_f: float


def is_laid_by_first(window: Window) -> bool:
    """Whether the first row says where the windows lie."""
    return isinstance(window, Tumbling | Sliding) and window.origin == "first"


def table_of(window: Window, time_type: pa.DataType) -> EdgeTable | CalendarTable | None:
    """Make the table of boundaries of a window class, for a time column.

    Parameters
    ----------
    window : Window
        What the user gave.
    time_type : pyarrow.DataType
        A timestamp, int64 or float64.

    Returns
    -------
    EdgeTable, CalendarTable or None
        None for windows on an arithmetic grid; see `grid_of`.

    Raises
    ------
    WindowError
        If boundaries are no times of that type, or a calendar is asked for where times have no
        unit.
    """
    if isinstance(window, Edges):
        return edge_table(window.values, window.unit, time_type)
    if not isinstance(window, Calendar):
        return None
    if not pa.types.is_timestamp(time_type):
        raise WindowError(
            f"tg.Calendar needs instants, but the time column is {time_type}: cast it to a "
            f"timestamp, such as column.cast(pa.timestamp('s')) for seconds since 1970"
        )
    per_second = NS_PER_UNIT["s"] // NS_PER_UNIT[time_type.unit]
    return CalendarTable(window.unit, window.n, load_zone(window.tz), per_second)


def grid_of(
    window: Window, time_type: pa.DataType, first: int | float | None, max_overlap: int
) -> Grid:
    """Work out the grid of a window class for a time column.

    Parameters
    ----------
    window : Window
        What the user gave.
    time_type : pyarrow.DataType
        A timestamp, int64 or float64.
    first : int, float or None
        Time of the first row, for ``origin="first"``; None where none has come yet.
    max_overlap : int
        How many windows may cover a row.

    Returns
    -------
    Grid
        For windows that are not on an arithmetic grid, one that a table fills; see `table_of`.

    Raises
    ------
    WindowError
        If a size or step is not positive.
    DurationError
        If a duration is not a whole number of the column's units.
    LimitError
        If more than `max_overlap` windows cover a row.
    """
    if not isinstance(window, Tumbling | Sliding):
        return Grid(pa.types.is_floating(time_type), 0, 0, 1, 1, 0.0, 0.0)
    size = positive_units(window.size, time_type, "size")
    step = positive_units(window.every, time_type, "every")
    overlap = math.ceil(Fraction(size) / Fraction(step))
    if overlap > max_overlap:
        raise LimitError(
            f"{overlap} windows of size {window.size!r} every {window.every!r} cover each row, "
            f"more than max_overlap={max_overlap}: choose a longer step or raise the limit"
        )
    offset = in_units(window.offset, time_type, "offset")
    origin = _origin(window.origin, time_type, first)
    if isinstance(size, float) or isinstance(step, float):
        return _float_grid(float(size), float(step), float(origin) + float(offset))
    width = math.gcd(size, step)
    anchor = (int(origin) + int(offset)) % step
    return Grid(False, anchor, width, size // width, step // width, 0.0, 0.0)


def _float_grid(size: float, step: float, origin: float) -> Grid:
    """Lay a grid of float times; sizes count as the decimals that they are written as."""
    exact_size, exact_step = Fraction(repr(size)), Fraction(repr(step))
    scale = math.lcm(exact_size.denominator, exact_step.denominator)
    width = Fraction(math.gcd(int(exact_size * scale), int(exact_step * scale)), scale)
    per_size, per_step = int(exact_size / width), int(exact_step / width)
    if max(per_size, per_step) >= 2**53:
        raise WindowError(f"size {size!r} and step {step!r} have no common pane")
    return Grid(True, 0, 1, per_size, per_step, origin, float(width))


def _origin(origin: Origin, time_type: pa.DataType, first: int | float | None) -> int | float:
    """Find the origin in the unit of the time column."""
    if isinstance(origin, str):
        if origin == "epoch":
            return 0
        if origin == "first":
            return 0 if first is None else first
        raise WindowError(f'origin is {origin!r}: give "epoch", "first" or a time')
    if isinstance(origin, bool):
        raise WindowError(f'origin is {origin!r}: give "epoch", "first" or a time')
    if pa.types.is_timestamp(time_type) and isinstance(origin, datetime | np.datetime64):
        try:
            given: pa.Scalar[Any] = pa.scalar(cast("Any", origin))  # its stub lacks datetime64
            instant = given.cast(pa.timestamp(time_type.unit, time_type.tz)).cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise WindowError(f"origin is {origin!r}, no time of unit {time_type.unit}") from error
        return int(instant.as_py())
    if isinstance(origin, int | np.integer) and not isinstance(origin, np.datetime64):
        return int(origin)
    if pa.types.is_floating(time_type) and isinstance(origin, float | np.floating):
        if not math.isfinite(origin):
            raise WindowError(f"origin is {origin!r}: give a finite time")
        return float(origin)
    raise WindowError(f"origin is {origin!r}, no time of a column of type {time_type}")
