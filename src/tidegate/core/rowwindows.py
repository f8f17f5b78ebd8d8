"""The windows that rows make: sessions, and bars of so many rows or so much of something."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import pyarrow as pa

from tidegate.core.durations import Duration, positive_units
from tidegate.core.errors import WindowError

__all__ = [
    "Count",
    "Overshoot",
    "RowWindow",
    "Session",
    "Span",
    "Threshold",
    "span_of",
    "summed",
    "whole_limit",
]

Overshoot: TypeAlias = Literal["drop", "carry", "split"]

_MOST_ROWS = 2**31 - 1


@dataclass(frozen=True)
class Session:
    """Windows of rows that come closely after one another, key by key.

    Parameters
    ----------
    gap : str, int, float, datetime.timedelta or numpy.timedelta64
        Rows closer than this are of one session; a row exactly `gap` after the last one opens the
        next. A number is in the time column's own unit.
    max_duration : same kinds as `gap`, optional
        How long a window may be, from its start to its end; at least `gap`.

    Notes
    -----
    A window is ``[first, last + gap)``, of the times of its first and last row. Rows are taken as
    they arrive, in any order: a row that is closer than `gap` to two sessions makes them one. A
    session is closed when the watermark has come to its end. A row is late when the session that it
    would make alone, ``[t, t + gap)``, has been closed, and it joins no open one. One that comes
    after a closed session, but whose own would still be open, makes a session of its own, even if
    it is closer than `gap` to the closed one.

    A session never grows beyond `max_duration`: a row that would make it longer is not of it.
    Where a row could join an earlier and a later session, but not both, it joins the earlier; where
    it can join none, it opens one.

    The result depends on the rows and their order alone. Where two sessions become one, what was
    known of each is added up like panes of `tidegate.Sliding`.

    With ``allowed_lateness`` a session that has come out is held that much longer, and a row joins
    it as if it were open. It comes out again at once, with the next higher ``revision``; where it
    ends after the watermark now, it does when that has come to its end. Two that become one come
    out as one, with a revision above both of theirs. A row that joins none, but whose own session
    would be held still, makes one that comes out at once for the first time. A session is over
    when the watermark has come to its end and the allowed lateness more. A row is late where it
    joins none and its own session would be over; and where it is closer than `gap` to one that is
    over, or before it, unless one that is held still begins at or before the row. However far a
    chain of late rows reaches back, it ends there. (A key that ``ttl`` has forgotten, or that is
    new, is taken to have had a session that is over by `gap` more.)

    So a result replaces all results before it, of its key, whose windows lie within its own: none
    where its revision is 0, one where a session has grown, two or more where some have become one.
    What is left when all have come is what `aggregate` says of the rows that were used.

    A row costs O(1); O(log n) where a key has n open (or held) sessions.

    Examples
    --------
    >>> import tidegate as tg
    >>> clicks = {"t": [0, 4, 20, 9, 40, 24]}
    >>> out = tg.aggregate(clicks, tg.Session(10), tg.agg.rows(), on="t")
    >>> out["window_start"].tolist(), out["window_end"].tolist(), out["rows"].tolist()
    ([0, 20, 40], [19, 34, 50], [3, 2, 1])
    >>> live = tg.Aggregator(tg.Session(10), tg.agg.rows(), on="t", allowed_lateness=60)
    >>> out = live.push({"t": [0, 15, 50, 8]})
    >>> out["window_end"].to_pylist(), out["revision"].to_pylist(), out["rows"].to_pylist()
    ([10, 25, 25], [0, 0, 1], [1, 1, 3])
    """

    gap: Duration
    max_duration: Duration | None = None
    empty: ClassVar[Literal["skip"]] = "skip"
    label: ClassVar[None] = None


@dataclass(frozen=True)
class Count:
    """Windows of so many rows, key by key: tick bars.

    Parameters
    ----------
    n : int
        Rows in a window.
    every : int, optional
        From the first row of a window to that of the next; by default `n`. Less lets windows
        overlap, more leaves rows between them that are in none.
    complete_only : bool, default False
        Whether windows that are shorter at the end of input are left out. By default they come
        out, so that no row disappears.

    Notes
    -----
    Rows are taken in order of time, those of one time in order of arrival: they wait for the
    watermark, and one whose time is before it is late. ``window_start`` and ``window_end`` are the
    times of the first and the last row of a window.

    Windows come out in the order of their last rows, those that are shorter at the end of input: by
    ``window_end``, then by key in order of first appearance, then by ``window_start``.

    With ``watermark="key"`` the rows of a key wait for its own watermark. With ``ttl`` a key that
    has no row for longer begins anew: its shorter windows come out, in that same order, before any
    later row is taken, and its next row is the first of a window; first is then the key of which
    a row was taken first since it began. There is no ``allowed_lateness``: one row more would move
    every later window.

    A row costs O(windows that cover it), and the sorting of rows that are not in order.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [1, 2, 5, 6, 9], "x": [1.0, 2.0, 4.0, 8.0, 16.0]}
    >>> out = tg.aggregate(ticks, tg.Count(2), on="t", total=tg.agg.sum("x"))
    >>> out["window_end"].tolist(), out["total"].tolist()
    ([2, 6, 9], [3.0, 12.0, 16.0])
    >>> out = tg.aggregate(ticks, tg.Count(3, 1, complete_only=True), on="t", high=tg.agg.max("x"))
    >>> out["high"].tolist()
    [4.0, 8.0, 16.0]
    """

    n: int
    every: int | None = None
    complete_only: bool = False
    empty: ClassVar[Literal["skip"]] = "skip"
    label: ClassVar[None] = None

    def __post_init__(self) -> None:
        _check_count(self.n, "n")
        if self.every is not None:
            _check_count(self.every, "every")
        _check_flag(self.complete_only, "complete_only")

    @property
    def step(self) -> int:
        """From the first row of a window to that of the next."""
        return self.n if self.every is None else self.every


@dataclass(frozen=True, init=False)
class Threshold:
    """Bars that close when a sum reaches a limit, key by key: volume bars, dollar bars.

    Parameters
    ----------
    column : str, or a pair of str
        What is added up: the values of a column, or the products of those of two.
    limit : int or float
        A bar closes with the row that brings the sum to it, or beyond; that row is of the bar.
    overshoot : {"drop", "carry", "split"}, default "drop"
        What becomes of the part of the sum that is beyond the limit. It is forgotten: the next bar
        begins at 0. Or the next bar begins with it; where it is more than the limit again, with
        what is left after taking off the limit as often as it goes. Or the same, and the row makes
        as many bars more as the limit was taken off more than once, each of that row alone, whole
        as it is.
    complete_only : bool, default False
        Whether the bar that has not reached the limit at the end of input is left out. By default
        it comes out, so that no row disappears.

    Raises
    ------
    WindowError
        If the limit is not a positive, finite number, or an option is not one.

    Notes
    -----
    Rows are taken in order of time, those of one time in order of arrival: they wait for the
    watermark, and one whose time is before it is late. ``window_start`` and ``window_end`` are the
    times of the first and the last row of a bar. Bars come out in the order of the rows that close
    them; those that are unfinished at the end of input by ``window_end``, then by key in order of
    first appearance.

    However far beyond the limit a row brings the sum, it closes one bar, unless
    ``overshoot="split"``. The sum of integers of one column is exact; that of floats, and of
    products, is compensated (a pair of floats), so that ten times 0.1 reach 1. The factors of a
    product are float64, the nearest to integers beyond 2**53. A null adds nothing, and with
    ``nan="missing"`` a NaN does not either; a negative value takes from the sum. A NaN, an infinity
    and a number from 2**480 on are errors: no sum would come back from them.

    ``watermark="key"``, ``ttl`` and what is said of ``allowed_lateness`` are as for `Count`; a key
    that begins anew begins with a sum of 0.

    A row costs O(1), and the sorting of rows that are not in order.

    Examples
    --------
    >>> import tidegate as tg
    >>> trades = {"t": [1, 2, 3, 4, 5], "size": [40, 70, 250, 30, 80]}
    >>> bars = tg.aggregate(
    ...     trades, tg.Threshold("size", 100), on="t", volume=tg.agg.sum("size")
    ... )
    >>> bars["window_start"].tolist(), bars["window_end"].tolist(), bars["volume"].tolist()
    ([1, 3, 4], [2, 3, 5], [110, 250, 110])
    >>> dollars = tg.Threshold(("price", "size"), 1e6)
    """

    columns: tuple[str, ...]
    limit: int | float
    overshoot: Overshoot
    complete_only: bool
    empty: ClassVar[Literal["skip"]] = "skip"
    label: ClassVar[None] = None

    def __init__(
        self,
        column: str | tuple[str, str] | list[str],
        limit: int | float,
        *,
        overshoot: Overshoot = "drop",
        complete_only: bool = False,
    ) -> None:
        columns = (column,) if isinstance(column, str) else column
        if not isinstance(columns, tuple | list) or len(columns) not in (1, 2):
            raise WindowError(
                f"column is {column!r}: give the name of a column, or a pair of names"
            )
        if not all(isinstance(name, str) for name in columns):
            raise WindowError(f"column is {column!r}: columns are named by a str")
        if overshoot not in get_args(Overshoot):
            choices = ", ".join(get_args(Overshoot))
            raise WindowError(f"overshoot is {overshoot!r}: choose from {choices}")
        _check_flag(complete_only, "complete_only")
        object.__setattr__(self, "columns", tuple(columns))
        object.__setattr__(self, "limit", _limit(limit))
        object.__setattr__(self, "overshoot", overshoot)
        object.__setattr__(self, "complete_only", complete_only)


RowWindow: TypeAlias = Session | Count | Threshold


def _check_count(value: object, what: str) -> None:
    """Refuse what is no number of rows."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise WindowError(f"{what} is {value!r}: give a whole number from 1 on")
    if not 1 <= value <= _MOST_ROWS:
        raise WindowError(f"{what} is {value!r}: give a whole number from 1 to {_MOST_ROWS}")


def _check_flag(value: object, what: str) -> None:
    """Refuse what is neither true nor false."""
    if not isinstance(value, bool):
        raise WindowError(f"{what} is {value!r}: give True or False")


def _limit(value: object) -> int | float:
    """Check the limit of a sum; from 2**480 on no sum of floats would be exact."""
    fits = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not fits or not 0 < value < 2.0**480:  # type: ignore[operator]  # it is a number then
        raise WindowError(f"limit is {value!r}: give a positive, finite number")
    return value.item() if isinstance(value, np.generic) else value  # type: ignore[return-value]


def summed(window: object) -> tuple[str, ...]:
    """Name the columns that a window adds up itself."""
    return window.columns if isinstance(window, Threshold) else ()


class Span(NamedTuple):
    """Gap and longest duration of sessions in the unit of a time column; 0: of any length."""

    gap: int
    most: int
    gap_f: float
    most_f: float


def span_of(window: Session, time_type: pa.DataType) -> Span:
    """Work out the lengths of sessions for a time column.

    Raises
    ------
    WindowError
        If one is not positive, or `max_duration` is less than the gap.
    DurationError
        If one is not a whole number of the column's units.
    """
    gap = positive_units(window.gap, time_type, "gap")
    most: int | float = 0
    if window.max_duration is not None:
        most = positive_units(window.max_duration, time_type, "max_duration")
        if most < gap:
            raise WindowError(
                f"max_duration is {window.max_duration!r}, less than the gap {window.gap!r}: a "
                f"session of one row is as long as the gap already"
            )
    if pa.types.is_floating(time_type):
        return Span(0, 0, float(gap), float(most))
    return Span(int(gap), int(most), float(gap), float(most))


def whole_limit(limit: int | float) -> int:
    """Give the least integer that is not below a limit."""
    return math.ceil(Fraction(limit))
