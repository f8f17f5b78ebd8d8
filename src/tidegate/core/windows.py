"""The window classes: on a grid, between explicit boundaries, in a calendar; and their union."""

from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from tidegate.core.calendar import MOST, UNITS, load_zone
from tidegate.core.durations import Duration
from tidegate.core.edges import read_edges
from tidegate.core.errors import WindowError
from tidegate.core.rollingwindow import Rolling
from tidegate.core.rowwindows import RowWindow

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tidegate.core.columns import Numbers

__all__ = [
    "AnyWindow",
    "Calendar",
    "CalendarUnit",
    "Edges",
    "Empty",
    "Label",
    "Origin",
    "Sliding",
    "Tumbling",
    "Window",
    "check_window",
    "without_label",
]

Empty: TypeAlias = Literal["skip", "null", "zero", "carry"]
Label: TypeAlias = Literal["start", "end"]
CalendarUnit: TypeAlias = Literal["day", "week", "month", "quarter", "year"]

Origin: TypeAlias = Literal["epoch", "first"] | int | float | datetime | np.datetime64


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


Window: TypeAlias = Tumbling | Sliding | Edges | Calendar | RowWindow
AnyWindow: TypeAlias = Window | Rolling


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
