"""What to compute over the rows of a window; the public name of this module is ``tidegate.agg``.

Every function here describes an aggregation; nothing is computed until an engine has rows. Give
them to `tidegate.aggregate` or `tidegate.Aggregator`: by keyword the keyword names the result, by
position the result has a name of its own. A name that is no str is a `ColumnTypeError` at once;
that the column is there and fits is looked at when rows come. A window without any valid value has
null (``rows``, ``count`` and ``sum``: 0).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tidegate.core.errors import ColumnTypeError, InputError

__all__ = [
    "Aggregation",
    "count",
    "first",
    "last",
    "max",
    "mean",
    "min",
    "ohlc",
    "ohlcv",
    "rows",
    "std",
    "sum",
    "var",
    "vwap",
]


@dataclass(frozen=True)
class Aggregation:
    """One aggregation over one or two columns; made by the functions of `tidegate.agg`.

    Parameters
    ----------
    function : str
        Its name, such as ``"mean"``.
    columns : tuple of str
        The input columns.
    ddof : int
        Delta degrees of freedom of ``var`` and ``std``.
    alias : str or None
        Name of the result; None: ``<column>_<function>``.
    """

    function: str
    columns: tuple[str, ...] = ()
    ddof: int = 0
    alias: str | None = None

    def named(self, alias: str) -> Aggregation:
        """Return the same aggregation with a name for its result.

        For names that cannot be keywords, because an option has them.

        Examples
        --------
        >>> import tidegate as tg
        >>> tg.agg.rows().named("by").alias
        'by'
        """
        return replace(self, alias=alias)


def _column(name: object, function: str) -> str:
    """Check the name of a column."""
    if not isinstance(name, str):
        raise ColumnTypeError(
            f"agg.{function}: a column is named by a str, not {name!r} ({type(name).__name__})"
        )
    return name


def rows() -> Aggregation:
    """Count the rows of a window, with or without values; int64.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.rows(), on="t")["rows"].tolist()
    [2, 1]
    """
    return Aggregation("rows")


def count(column: str) -> Aggregation:
    """Count the values that are not null, of a column of any type; int64.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, None, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.count("p"), on="t")["p_count"].tolist()
    [1, 1]
    """
    return Aggregation("count", (_column(column, "count"),))


def first(column: str) -> Aggregation:
    """Take the value of the smallest time (equal times: the first to arrive); the column's type.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.first("p"), on="t")["p_first"].tolist()
    [3.0, 4.0]
    """
    return Aggregation("first", (_column(column, "first"),))


def last(column: str) -> Aggregation:
    """Take the value of the largest time (equal times: the last to arrive); the column's type.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.last("p"), on="t")["p_last"].tolist()
    [5.0, 4.0]
    """
    return Aggregation("last", (_column(column, "last"),))


def min(column: str) -> Aggregation:  # noqa: A001 - the field's word, in a namespace of its own
    """Take the least value; NaN where a NaN is in the window; the column's type.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.min("p"), on="t")["p_min"].tolist()
    [3.0, 4.0]
    """
    return Aggregation("min", (_column(column, "min"),))


def max(column: str) -> Aggregation:  # noqa: A001
    """Take the greatest value; NaN where a NaN is in the window; the column's type.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.max("p"), on="t")["p_max"].tolist()
    [5.0, 4.0]
    """
    return Aggregation("max", (_column(column, "max"),))


def sum(column: str) -> Aggregation:  # noqa: A001
    """Add the values up; 0 for no value.

    float64 for float columns, summed in about 106 bits and rounded once; int64 for signed
    integers and booleans and uint64 for unsigned integers, exact in 128 bits: a result that does
    not fit is an `AggregateOverflowError`.

    References
    ----------
    T. Ogita, S. M. Rump, S. Oishi, Accurate sum and dot product, SIAM J. Sci. Comput. 26(6), 2005.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.sum("p"), on="t")["p_sum"].tolist()
    [8.0, 4.0]
    """
    return Aggregation("sum", (_column(column, "sum"),))


def mean(column: str) -> Aggregation:
    """Take the arithmetic mean; float64, the exact sum divided once.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.mean("p"), on="t")["p_mean"].tolist()
    [4.0, 4.0]
    """
    return Aggregation("mean", (_column(column, "mean"),))


def _ddof(ddof: object, function: str) -> int:
    """Check the delta degrees of freedom."""
    if isinstance(ddof, bool) or not isinstance(ddof, int) or not 0 <= ddof < 2**31:
        raise InputError(f"agg.{function}: ddof is {ddof!r}: give an integer from 0 on")
    return ddof


def var(column: str, ddof: int = 1) -> Aggregation:
    """Take the variance; float64, null for `ddof` values or fewer.

    Squares are taken around a value of the window and summed in about 106 bits, so that neither a
    large mean nor an outlier costs digits; never negative.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.var("p", ddof=0), on="t")["p_var"].tolist()
    [1.0, 0.0]
    """
    return Aggregation("var", (_column(column, "var"),), _ddof(ddof, "var"))


def std(column: str, ddof: int = 1) -> Aggregation:
    """Take the standard deviation, the root of `var`; float64, null for `ddof` values or fewer.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.std("p", ddof=0), on="t")["p_std"].tolist()
    [1.0, 0.0]
    """
    return Aggregation("std", (_column(column, "std"),), _ddof(ddof, "std"))


def vwap(price: str, size: str) -> Aggregation:
    """Take the mean of `price` weighted by `size`: sum(price*size) / sum(size); float64.

    A row counts where both have a value. NaN where the sizes add up to 0.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0], "s": [1, 3, 2]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.vwap("p", "s"), on="t")["vwap"].tolist()
    [4.5, 4.0]
    """
    return Aggregation("vwap", (_column(price, "vwap"), _column(size, "vwap")))


def ohlc(price: str) -> Aggregation:
    """Take the first, max, min and last price: four results, ``open high low close``.

    By keyword ``bar=agg.ohlc("price")`` they are ``bar_open bar_high bar_low bar_close``.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.ohlc("p"), on="t")["high"].tolist()
    [5.0, 4.0]
    """
    return Aggregation("ohlc", (_column(price, "ohlc"),))


def ohlcv(price: str, size: str) -> Aggregation:
    """Take `ohlc` of the price and the sum of the size as ``volume``: five results.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0], "s": [1, 3, 2]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.ohlcv("p", "s"), on="t")["volume"].tolist()
    [4, 2]
    """
    return Aggregation("ohlcv", (_column(price, "ohlcv"), _column(size, "ohlcv")))
