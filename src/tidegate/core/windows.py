"""The window classes, and their grid or look-back in the unit of a time column."""

import math
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any, Literal, NamedTuple, TypeAlias, cast, get_args

import numpy as np
import pyarrow as pa

from tidegate.core.durations import Duration, in_units
from tidegate.core.errors import LimitError, WindowError

__all__ = [
    "AnyWindow",
    "Closed",
    "Grid",
    "Look",
    "Origin",
    "Rolling",
    "Sliding",
    "Tumbling",
    "Window",
    "grid_of",
    "look_of",
]

Origin: TypeAlias = Literal["epoch", "first"] | int | float | datetime | np.datetime64
Closed: TypeAlias = Literal["right", "both", "left", "neither"]


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


@dataclass(frozen=True)
class Rolling:
    """A look-back from every row: one result a row, over the rows before it.

    Parameters
    ----------
    size : str, int, float, datetime.timedelta or numpy.timedelta64, optional
        How far a row looks back, in time: ``"1s"``; a number is in the time column's own unit.
    rows : int, optional
        How many rows it looks back, itself among them. Give this or `size`.
    closed : {"right", "both", "left", "neither"}, default "right"
        Which edges belong to the window of a row at time t: ``(t - size, t]``, ``[t - size, t]``,
        ``[t - size, t)`` or ``(t - size, t)``. With `rows` = n: the n rows up to this one, those
        and the one before them, the n rows before this one, the n - 1 rows before this one.
    min_samples : int, default 1
        How many values an aggregate needs, else it is null. ``rows`` and ``count`` are never null;
        ``var`` and ``std`` need `ddof` + 1 as well. With 0 the sum of no value is 0, everything
        else of no value is null.
    peers : bool, default False
        Of rows with the time of this one, those up to it count, in order of arrival; if true all
        of them do, and all have one result. Only with `size`; and without any effect where t
        itself is not in the window.

    Notes
    -----
    The result has a row for each input row, in time order, rows of one time in order of arrival:
    the keys, the time column under its own name, the aggregates. Each key looks back on its own
    rows. A value depends on the rows of its window alone, whatever came before: no drift, and NaN
    or an infinity is gone when its row is. A row costs the same for any length.

    In a stream, rows are answered when the watermark has passed them; until then they wait. A row
    is late when its time is before the watermark.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [1, 2, 4, 9], "x": [1.0, 2.0, 4.0, 8.0]}
    >>> out = tg.aggregate(ticks, tg.Rolling(3), on="t", total=tg.agg.sum("x"))
    >>> out["t"].tolist(), out["total"].tolist()
    ([1, 2, 4, 9], [1.0, 3.0, 6.0, 8.0])
    >>> out = tg.aggregate(ticks, tg.Rolling(rows=2), on="t", high=tg.agg.max("x"))
    >>> out["high"].tolist()
    [1.0, 2.0, 4.0, 8.0]
    """

    size: Duration | None = None
    rows: int | None = field(default=None, kw_only=True)
    closed: Closed = field(default="right", kw_only=True)
    min_samples: int = field(default=1, kw_only=True)
    peers: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if (self.size is None) == (self.rows is None):
            raise WindowError('Rolling: give a length of time, such as "1s", or rows=n, not both')
        if self.closed not in get_args(Closed):
            raise WindowError(
                f"closed is {self.closed!r}: choose from {', '.join(get_args(Closed))}"
            )
        if not isinstance(self.peers, bool):
            raise WindowError(f"peers is {self.peers!r}: give True or False")
        _check_number(self.min_samples, "min_samples", 0)
        if self.rows is None:
            return
        _check_number(self.rows, "rows", 1)
        if self.peers:
            raise WindowError("peers=True goes with a length of time: rows=n says how many count")
        if self.min_samples > self.most_rows:
            raise WindowError(
                f"min_samples is {self.min_samples}, but no window has more than "
                f"{self.most_rows} rows: every result would be null"
            )

    @property
    def most_rows(self) -> int:
        """How many rows a window can have; 2**62 if that is not said."""
        if self.rows is None:
            return _MOST_ROWS
        return self.rows + (self.closed == "both") - (self.closed == "neither")


_MOST_ROWS = 2**62


def _check_number(value: object, what: str, least: int) -> None:
    """Refuse what is no whole number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST_ROWS:
        raise WindowError(f"{what} is {value!r}: give a whole number from {least} on")


Window: TypeAlias = Tumbling | Sliding
AnyWindow: TypeAlias = Window | Rolling


class Look(NamedTuple):
    """A look-back in the unit of a time column; see ``_kernels/rolling_tile.pxd``."""

    rows: int
    size: int
    size_f: float
    is_float: bool
    has_left: bool
    has_right: bool
    has_peers: bool


def look_of(window: Rolling, time_type: pa.DataType) -> Look:
    """Work out the look-back of a window class for a time column.

    Raises
    ------
    WindowError
        If the size is not positive.
    DurationError
        If it is not a whole number of the column's units.
    """
    is_float = pa.types.is_floating(time_type)
    size = 0 if window.size is None else _positive(window.size, time_type, "size")
    return Look(
        window.rows or 0,
        0 if is_float else int(size),
        float(size),
        is_float,
        window.closed in ("both", "left"),
        window.closed in ("right", "both"),
        window.peers,
    )


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
