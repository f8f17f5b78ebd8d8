"""The window classes, and their grid in the unit of a time column."""

import math
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import numpy as np
import pyarrow as pa

from tidegate.core.durations import Duration, in_units
from tidegate.core.errors import LimitError, WindowError

__all__ = ["Grid", "Origin", "Sliding", "Tumbling", "Window", "grid_of"]

Origin: TypeAlias = Literal["epoch", "first"] | int | float | datetime | np.datetime64


class Grid(NamedTuple):
    """A grid of windows in the unit of a time column; see ``_kernels/grid.pxd``."""

    is_float: bool
    anchor: int
    width: int
    per_size: int
    per_step: int
    origin: float
    width_f: float


@dataclass(frozen=True)
class Tumbling:
    """Windows of one size, one after the other: every row is in exactly one.

    Parameters
    ----------
    size : str, int, float, datetime.timedelta or numpy.timedelta64
        Length of a window: ``"1s"``, ``"1h30m"``; a number is in the time column's own unit.
    origin : "epoch", "first", or a time, default "epoch"
        A window starts there; ``"first"`` is the time of the first row.
    offset : same kinds as `size`, default 0
        Moves the grid from the origin.

    Notes
    -----
    Windows are half-open, ``[start, end)``, on the grid ``origin + offset + k*size`` for every
    integer k, also negative: with size 10, -1 lies in ``[-10, 0)``.

    Examples
    --------
    >>> import tidegate as tg
    >>> tg.aggregate({"t": [0, 9, 10]}, tg.Tumbling(10), tg.agg.rows(), on="t")["rows"].tolist()
    [2, 1]
    """

    size: Duration
    origin: Origin = field(default="epoch", kw_only=True)
    offset: Duration = field(default=0, kw_only=True)

    @property
    def every(self) -> Duration:
        """The step of the grid: the size itself."""
        return self.size


@dataclass(frozen=True)
class Sliding:
    """Windows of one size that start at every step: a row is in all that cover it.

    Parameters
    ----------
    size : str, int, float, datetime.timedelta or numpy.timedelta64
        Length of a window.
    every : same kinds as `size`
        From the start of one window to the next. Where it is larger than `size` there are gaps;
        rows in a gap are in no window.
    origin : "epoch", "first", or a time, default "epoch"
        A window starts there; ``"first"`` is the time of the first row.
    offset : same kinds as `size`, default 0
        Moves the grid from the origin.

    Notes
    -----
    Every window of the grid that covers a row is there, the leading partial ones too. Each row is
    touched once, whatever the overlap: windows are sums of panes of gcd(size, every).

    Examples
    --------
    >>> import tidegate as tg
    >>> out = tg.aggregate({"t": [0, 7]}, tg.Sliding(10, 5), tg.agg.rows(), on="t")
    >>> out["window_start"].tolist(), out["rows"].tolist()
    ([-5, 0, 5], [1, 2, 1])
    """

    size: Duration
    every: Duration
    origin: Origin = field(default="epoch", kw_only=True)
    offset: Duration = field(default=0, kw_only=True)


Window: TypeAlias = Tumbling | Sliding


def grid_of(
    window: Window, time_type: pa.DataType, first: int | float | None, max_overlap: int
) -> Grid:
    """Work out the grid of a window class for a time column.

    Parameters
    ----------
    window : Tumbling or Sliding
        What the user gave.
    time_type : pyarrow.DataType
        A timestamp, int64 or float64.
    first : int, float or None
        Time of the first row, for ``origin="first"``; None where none has come yet.
    max_overlap : int
        How many windows may cover a row.

    Raises
    ------
    WindowError
        If a size or step is not positive, or the window is of an unknown class.
    DurationError
        If a duration is not a whole number of the column's units.
    LimitError
        If more than `max_overlap` windows cover a row.
    """
    if not isinstance(window, Tumbling | Sliding):
        raise WindowError(
            f"the window is {window!r} ({type(window).__name__}): give tg.Tumbling(size) or "
            f"tg.Sliding(size, every)"
        )
    size = _positive(window.size, time_type, "size")
    step = _positive(window.every, time_type, "every")
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


def _positive(duration: Duration, time_type: pa.DataType, what: str) -> int | float:
    """Convert a length that must be positive."""
    if isinstance(duration, float | np.floating) and math.isnan(duration):
        raise WindowError(f"{what} is NaN: give a positive duration")
    units = in_units(duration, time_type, what)
    if units <= 0:
        raise WindowError(f"{what} is {duration!r}: give a positive duration")
    return units


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
