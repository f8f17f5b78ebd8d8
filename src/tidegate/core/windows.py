"""The window classes, and their grid in the unit of a time column."""

import math
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast, get_args

import numpy as np
import pyarrow as pa

from tidegate.core.calendar import MOST, UNITS, CalendarTable, load_zone
from tidegate.core.durations import NS_PER_UNIT, Duration, in_units
from tidegate.core.edges import EdgeTable, edge_table, read_edges
from tidegate.core.errors import LimitError, WindowError
from tidegate.core.rowwindows import RowWindow

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tidegate.core.columns import Numbers

__all__ = [
    "AnyWindow",
    "Calendar",
    "CalendarUnit",
    "Closed",
    "Edges",
    "Empty",
    "Grid",
    "Label",
    "Look",
    "Origin",
    "Rolling",
    "Sliding",
    "Tumbling",
    "Window",
    "check_window",
    "grid_of",
    "is_laid_by_first",
    "look_of",
    "table_of",
    "without_label",
]

Empty: TypeAlias = Literal["skip", "null", "zero", "carry"]
Label: TypeAlias = Literal["start", "end"]
Closed: TypeAlias = Literal["right", "both", "left", "neither"]
CalendarUnit: TypeAlias = Literal["day", "week", "month", "quarter", "year"]

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
    empty : "skip", "null", "zero" or "carry", default "skip"
        What becomes of windows without rows.
    label : "start", "end" or None, default None
        Which edge stands for a window in the result. None: both, as ``window_start`` and
        ``window_end``. Otherwise that edge alone, in their place, in one column named as the time
        column.

    Notes
    -----
    Windows are half-open, ``[start, end)``, on the grid ``origin + offset + k*size`` for every
    integer k, also negative: with size 10, -1 lies in ``[-10, 0)``.

    Windows without rows do not come out, unless `empty` says what they hold. In all of them
    ``rows``, ``count``, ``nunique`` and ``sum`` are 0; other results are null (``"null"``), 0 where
    they are numbers (``"zero"``), or what they were in the last window with rows of the key
    (``"carry"``).
    Each key has windows from its first one with rows on, to the end of the stream: those that the
    watermark, or `advance`, has closed, and at the end of input those that have begun at the
    largest time seen. `Limits` says how many may come out at a time.

    A `label` changes what a window is called, not which rows it has: one that is labelled by its
    end still begins with the row at its start, and has not the one at its end. Results stay in
    order of window end. Late rows on the side keep both edges.

    Examples
    --------
    >>> import tidegate as tg
    >>> tg.aggregate({"t": [0, 9, 10]}, tg.Tumbling(10), tg.agg.rows(), on="t")["rows"].tolist()
    [2, 1]
    >>> tens = tg.Tumbling(10, label="end")
    >>> tg.aggregate([{"t": 0}, {"t": 9}, {"t": 10}], tens, tg.agg.rows(), on="t")
    [{'t': 10, 'rows': 2}, {'t': 20, 'rows': 1}]
    """

    size: Duration
    origin: Origin = field(default="epoch", kw_only=True)
    offset: Duration = field(default=0, kw_only=True)
    empty: Empty = field(default="skip", kw_only=True)
    label: Label | None = field(default=None, kw_only=True)

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
    empty : "skip", "null", "zero" or "carry", default "skip"
        What becomes of windows without rows, see `tidegate.Tumbling`.
    label : "start", "end" or None, default None
        Which edge stands for a window in the result, see `tidegate.Tumbling`.

    Notes
    -----
    Every window of the grid that covers a row is there, the leading partial ones too. Each row is
    touched once, whatever the overlap: windows are sums of panes of gcd(size, every).

    A row is rejected, "time out of range", where the type of the times cannot hold an edge of a
    window of it. Panes are numbered in 64 bits: where they are one unit long (``Sliding(7, 10)``),
    so are rows and windows that lie within a step of the lowest time.

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
    empty: Empty = field(default="skip", kw_only=True)
    label: Label | None = field(default=None, kw_only=True)


@dataclass(frozen=True, init=False, eq=False)
class Edges:
    """Windows between explicit boundaries: trading sessions, shifts.

    Parameters
    ----------
    times : array of times
        n + 1 of them, each after the one before, make the n windows ``[times[i], times[i + 1])``.
        Timestamps of any unit, dates, datetimes; or integers or floats, in the unit of the time
        column. Of NumPy, Arrow, pandas, Polars, or a list. Times without a zone are UTC.
    empty : "skip", "null", "zero" or "carry", default "skip"
        What becomes of windows without rows, see `tidegate.Tumbling`.
    label : "start", "end" or None, default None
        Which edge stands for a window in the result, see `tidegate.Tumbling`.

    Attributes
    ----------
    values : (n + 1,) ndarray
        int64, or float64; not to be written to.
    unit : "s", "ms", "us", "ns" or None
        Of the values; None for plain numbers.

    Raises
    ------
    ColumnTypeError
        If these are no times.
    WindowError
        If there are fewer than two, one is null, NaT, NaN or infinite, or not after the one before.

    Notes
    -----
    A row before the first or from the last on is in no window. It is used all the same, as one in a
    gap of `Sliding` is: it moves the watermark, and is neither late nor rejected. Sessions with
    breaks between them are boundaries too: drop the windows of the breaks from the result.

    Boundaries count in the unit of the time column; one that is not a whole number of those is an
    error when the types become known. A window costs 8 bytes; a row finds its own in O(1) where the
    rows are in order, else in O(log n).

    Examples
    --------
    >>> import tidegate as tg
    >>> day = tg.Edges([9, 12, 13, 17])
    >>> out = tg.aggregate({"hour": [8, 9, 11, 16, 17]}, day, tg.agg.rows(), on="hour")
    >>> out["window_start"].tolist(), out["rows"].tolist()
    ([9, 13], [2, 1])
    """

    values: "Numbers"
    unit: str | None
    empty: Empty
    label: Label | None

    def __init__(self, times: object, *, empty: Empty = "skip", label: Label | None = None) -> None:
        values, unit = read_edges(times)
        object.__setattr__(self, "empty", empty)
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "unit", unit)

    def __eq__(self, other: object) -> bool:
        """Tell whether these are the same boundaries in the same unit."""
        if not isinstance(other, Edges):
            return NotImplemented
        mine, theirs = self.values, other.values
        return (
            (self.unit, self.empty, self.label) == (other.unit, other.empty, other.label)
            and mine.dtype == theirs.dtype
            and bool(np.array_equal(mine, theirs))
        )

    def __hash__(self) -> int:
        return hash((self.unit, self.empty, self.label, self.values.tobytes()))


@dataclass(frozen=True, init=False)
class Calendar:
    """Windows of whole local days, weeks, months, quarters or years in a time zone.

    Parameters
    ----------
    unit : "day", "week", "month", "quarter" or "year"
        Weeks begin on Monday.
    n : int, default 1
        How many of them make a window, counted from 1970-01-01 (weeks: from Monday 1970-01-05), as
        Polars does: six months are half a year, ten years a decade.
    tz : str or zoneinfo.ZoneInfo, default "UTC"
        Whose midnights; an IANA name.
    empty : "skip", "null", "zero" or "carry", default "skip"
        What becomes of windows without rows, see `tidegate.Tumbling`.
    label : "start", "end" or None, default None
        Which edge stands for a window in the result, see `tidegate.Tumbling`.

    Raises
    ------
    WindowError
        If the unit is another, n is not from 1 on (to 1,000 years), or there is no such zone.

    Notes
    -----
    A window begins at the first instant at which the clock of the zone shows 00:00 of its first
    day, or a later time. So a day has 23 or 25 hours where clocks change in it; where they skip
    midnight it begins at the change; where midnight comes twice, at the first. A day that a zone
    has skipped is no window.

    The time column must be of timestamps (or dates). Zoned ones are instants, whatever their zone;
    those without a zone are taken for UTC. Boundaries are made as times come, between the years 1
    and 9999; a row elsewhere is rejected, "time out of range". Zone rules are those of `zoneinfo`:
    the system's, else those of the package ``tzdata``; where these change, so do windows.

    Examples
    --------
    >>> import numpy as np, tidegate as tg
    >>> hours = np.arange("2024-03-09T05", "2024-03-12T04", dtype="M8[h]").astype("M8[s]")
    >>> days = tg.Calendar("day", tz="America/New_York")
    >>> tg.aggregate({"t": hours}, days, tg.agg.rows(), on="t")["rows"].tolist()
    [24, 23, 24]
    """

    unit: CalendarUnit
    n: int
    tz: str
    empty: Empty
    label: Label | None

    def __init__(
        self,
        unit: CalendarUnit,
        n: int = 1,
        tz: "str | ZoneInfo" = "UTC",
        *,
        empty: Empty = "skip",
        label: Label | None = None,
    ) -> None:
        if unit not in UNITS:
            raise WindowError(f"unit is {unit!r}: choose from {', '.join(UNITS)}")
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 1 <= n <= MOST[unit]:
            raise WindowError(f"n is {n!r}: give an integer from 1 to {MOST[unit]}")
        name = getattr(tz, "key", tz)
        if not isinstance(name, str):
            raise WindowError(f"tz is {tz!r} ({type(tz).__name__}): give the name of a time zone")
        load_zone(name)
        object.__setattr__(self, "unit", unit)
        object.__setattr__(self, "n", int(n))
        object.__setattr__(self, "tz", name)
        object.__setattr__(self, "empty", empty)
        object.__setattr__(self, "label", label)


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
        ``var``, ``std`` and others that need more by themselves stay null for fewer. With 0 the
        sum of no value is 0, and so is ``nunique``; everything else of no value is null.
    peers : bool, default False
        Of rows with the time of this one, those up to it count, in order of arrival; if true all
        of them do, and all have one result. Only with `size`; and without any effect where t
        itself is not in the window.

    Notes
    -----
    The result has a row for each input row, in time order, rows of one time in order of arrival:
    the keys, the time column under its own name, the aggregates. Each key looks back on its own
    rows. A value depends on the rows of its window alone, whatever came before: no drift, and NaN
    or an infinity is gone when its row is. A row costs the same for any length, but for `collect`,
    whose lists are that long, `mad`, which grows as the square of the logarithm, and moments
    (`cov`, `corr`, `slope`, `skew`, `kurt`, `zscore`) of windows with a value that is not 0 and so
    large or small that powers of it leave the range of float64: those are summed up row by row.

    Ranks (`median`, `quantile`, `mad`, `mode`, `nunique`) look through the window of a key once
    for each batch that has rows of it: in a stream with long windows, batches of a single row cost
    as much as their window is long. Rows of `push_row` are gathered.

    In a stream, rows are answered when the watermark has passed them; until then they wait. A row
    is late when its time is before the watermark. With ``watermark="key"`` the rows of a key wait
    for its own watermark, and results come in the order of the rows that let them go, those that
    one row lets go in time order. With ``ttl`` a key begins anew with a row that is further than
    this after the one before: it looks back on nothing, and what is kept of keys that the
    watermark finds quiet for so long is let go. There is no ``allowed_lateness``: one row more
    would change every later window that reaches back to it.

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


Window: TypeAlias = Tumbling | Sliding | Edges | Calendar | RowWindow
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


def check_window(window: object) -> None:
    """Refuse what is no window, or asks for what there is not.

    Raises
    ------
    WindowError
        Naming those there are.
    """
    if not isinstance(window, AnyWindow):
        raise WindowError(
            f"the window is {window!r} ({type(window).__name__}): give tg.Tumbling(size), "
            f"tg.Sliding(size, every), tg.Edges(times), tg.Calendar(unit), tg.Rolling(size), "
            f"tg.Session(gap), tg.Count(n) or tg.Threshold(column, limit)"
        )
    if isinstance(window, Rolling):
        return
    if window.empty not in get_args(Empty):
        raise WindowError(f"empty is {window.empty!r}: choose from {', '.join(get_args(Empty))}")
    if window.label is not None and window.label not in get_args(Label):
        raise WindowError(
            f"label is {window.label!r}: choose from {', '.join(get_args(Label))}, or leave it out "
            f"for both edges"
        )


def without_label(window: Window) -> Window:
    """Give the same windows, showing both edges."""
    if isinstance(window, RowWindow) or window.label is None:
        return window
    bare = copy(window)
    object.__setattr__(bare, "label", None)
    return bare


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
