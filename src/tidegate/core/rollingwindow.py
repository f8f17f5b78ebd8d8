"""The window of a look-back, and its length in the unit of a time column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias, get_args

import pyarrow as pa

from tidegate.core.durations import Duration, positive_units
from tidegate.core.errors import WindowError

__all__ = ["Closed", "Look", "Rolling", "look_of"]

Closed: TypeAlias = Literal["right", "both", "left", "neither"]

_MOST_ROWS = 2**62


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


def _check_number(value: object, what: str, least: int) -> None:
    """Refuse what is no whole number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST_ROWS:
        raise WindowError(f"{what} is {value!r}: give a whole number from {least} on")


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
    size = 0 if window.size is None else positive_units(window.size, time_type, "size")
    return Look(
        window.rows or 0,
        0 if is_float else int(size),
        float(size),
        is_float,
        window.closed in ("both", "left"),
        window.closed in ("right", "both"),
        window.peers,
    )
