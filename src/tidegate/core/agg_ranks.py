"""Aggregations that keep every value of a window: by rank, by number, all of them.

What is open keeps 8 bytes a value (16 for `collect`), up to ``Limits(max_kept=)``; windows that a
one-shot run reads off its rows keep nothing.
"""

from __future__ import annotations

from tidegate.core.aggregation import Aggregation, column_of
from tidegate.core.errors import InputError

__all__ = ["INTERPOLATIONS", "collect", "mad", "median", "mode", "nunique", "quantile"]

INTERPOLATIONS = ("linear", "lower", "higher", "nearest", "midpoint")


def median(column: str) -> Aggregation:
    """Take the median, of two in the middle their mean; float64.

    NaN where a NaN is in the window. Exact: rounded once. Of numbers, and decimals of up to 18
    digits.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 8, 12], "p": [3.0, 9.0, 4.0, 5.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.median("p"), on="t")["p_median"].tolist()
    [4.0, 5.0]
    """
    return Aggregation("median", (column_of(column, "median"),))


def quantile(column: str, q: float = 0.5, interpolation: str = "linear") -> Aggregation:
    """Take a quantile: the value of rank ``q * (n - 1)``, counted from 0.

    Parameters
    ----------
    column : str
        The values.
    q : float, default 0.5
        From 0 (the least) to 1 (the greatest).
    interpolation : {"linear", "lower", "higher", "nearest", "midpoint"}
        What to take between two ranks. "nearest" takes of two as near the one with the even rank.

    Notes
    -----
    As NumPy has it. "linear" and "midpoint" are float64, rounded once; the others are a value of
    the column, also a time. NaN where a NaN is in the window. Of numbers, and decimals of up to 18
    digits.
    O(n_rows) on average, O(n_rows log n_rows) at worst.

    References
    ----------
    R. J. Hyndman, Y. Fan, Sample quantiles in statistical packages, The American Statistician
    50(4), 1996: definition 7.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 8], "p": [3.0, 9.0, 4.0]}
    >>> p90 = tg.agg.quantile("p", 0.9, "lower")
    >>> tg.aggregate(ticks, tg.Tumbling(10), p90, on="t")["p_quantile"].tolist()
    [4.0]
    """
    if isinstance(q, bool) or not isinstance(q, int | float) or not 0 <= q <= 1:
        raise InputError(f"agg.quantile: q is {q!r}: give a number from 0 to 1")
    if interpolation not in INTERPOLATIONS:
        raise InputError(
            f"agg.quantile: interpolation is {interpolation!r}: choose from "
            f"{', '.join(INTERPOLATIONS)}"
        )
    options = (("q", float(q)), ("interpolation", interpolation))
    return Aggregation("quantile", (column_of(column, "quantile"),), options=options)


def mad(column: str) -> Aggregation:
    """Take the median absolute deviation: the median of the distances from the median; float64.

    Not scaled: times 1.4826 it estimates the standard deviation of normal values. NaN where a NaN
    is in the window. Of numbers, and decimals of up to 18 digits.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 8], "p": [3.0, 9.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.mad("p"), on="t")["p_mad"].tolist()
    [1.0]
    """
    return Aggregation("mad", (column_of(column, "mad"),))


def nunique(column: str) -> Aggregation:
    """Count the different values; int64, 0 for no value.

    Of any type that is not nested. NaN is one value, however many there are; -0.0 and 0.0 are one.
    O(n_rows).

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 8], "p": [3.0, 3.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.nunique("p"), on="t")["p_nunique"].tolist()
    [2]
    """
    return Aggregation("nunique", (column_of(column, "nunique"),))


def mode(column: str) -> Aggregation:
    """Take the value that is there most often, of several the smallest; the column's type.

    Of any type that is not nested; text and bytes are ordered by their bytes. NaN is a value like
    another, and larger than any. O(n_rows).

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 8], "p": [3.0, 4.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.mode("p"), on="t")["p_mode"].tolist()
    [4.0]
    """
    return Aggregation("mode", (column_of(column, "mode"),))


def collect(column: str) -> Aggregation:
    """Take all values that are not null, by time; a list of the column's type.

    Of equal times, by arrival. Of any type that is not nested.

    Examples
    --------
    >>> import pyarrow as pa
    >>> import tidegate as tg
    >>> ticks = pa.table({"t": [4, 0, 12], "p": [3.0, 9.0, 4.0]})
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.collect("p"), on="t")["p_collect"].to_pylist()
    [[9.0, 3.0], [4.0]]
    """
    return Aggregation("collect", (column_of(column, "collect"),))
