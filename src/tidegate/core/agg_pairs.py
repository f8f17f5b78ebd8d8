"""Aggregations of two columns, or of a column over time."""

from __future__ import annotations

from tidegate.core.aggregation import Aggregation, column_of, ddof_of

__all__ = ["corr", "cov", "slope", "wmean"]


def wmean(value: str, weight: str) -> Aggregation:
    """Take the mean of `value` weighted by `weight`: sum(value*weight) / sum(weight); float64.

    As `vwap`, by its general name: a row counts where both have a value; NaN where the weights add
    up to 0. Weights may be negative. Of numbers, and decimals of up to 18 digits.

    Examples
    --------
    >>> import tidegate as tg
    >>> posts = {"t": [0, 4, 12], "score": [3.0, 5.0, 4.0], "likes": [1, 3, 2]}
    >>> mood = tg.agg.wmean("score", "likes")
    >>> tg.aggregate(posts, tg.Tumbling(10), mood, on="t")["score_likes_wmean"].tolist()
    [4.5, 4.0]
    """
    return Aggregation("wmean", (column_of(value, "wmean"), column_of(weight, "wmean")))


def cov(x: str, y: str, ddof: int = 1) -> Aggregation:
    """Take the covariance of two columns; float64, null for `ddof` pairs or fewer.

    A row counts where both have a value. NaN where a NaN or an infinity is among them. Of numbers,
    and decimals of up to 18 digits.

    Notes
    -----
    Products are taken around a pair of the window and summed in about 106 bits: neither large
    means nor large integers cost digits, and nothing overflows on the way.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 8], "p": [3.0, 5.0, 4.0], "s": [1, 3, 2]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.cov("p", "s"), on="t")["p_s_cov"].tolist()
    [1.0]
    """
    columns = column_of(x, "cov"), column_of(y, "cov")
    return Aggregation("cov", columns, ddof_of(ddof, "cov"))


def corr(x: str, y: str) -> Aggregation:
    """Take Pearson's correlation of two columns, in [-1, 1]; float64.

    Null for less than two pairs. A row counts where both have a value. NaN where one of the two
    does not vary, or where a NaN or an infinity is among them. Of numbers, and decimals of up to 18
    digits.

    Notes
    -----
    The sums are those of `cov`.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 8], "p": [3.0, 5.0, 4.0], "s": [1, 3, 2]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.corr("p", "s"), on="t")["p_s_corr"].tolist()
    [1.0]
    """
    return Aggregation("corr", (column_of(x, "corr"), column_of(y, "corr")))


def slope(y: str, x: str | None = None) -> Aggregation:
    """Take the slope of the line of least squares through `y`; float64.

    Null for less than two rows. Of numbers, and decimals of up to 18 digits.

    Parameters
    ----------
    y : str
        The column that the line is to meet.
    x : str or None
        The column that it runs along; None: the time, in units of `y` a second for timestamps, and
        a unit of time for integers and floats.

    Notes
    -----
    A row counts where both have a value. NaN where `x` does not vary, or where a NaN or an infinity
    is among them. The sums are those of `cov`, and of times as exact.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 8], "p": [3.0, 5.0, 7.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.slope("p"), on="t")["p_slope"].tolist()
    [0.5]
    """
    columns = (column_of(y, "slope"),) if x is None else (y, column_of(x, "slope"))
    return Aggregation("slope", tuple(column_of(name, "slope") for name in columns))
