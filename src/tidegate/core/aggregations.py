"""What to compute over the rows of a window; the public name of this module is ``tidegate.agg``.

Every function here describes an aggregation; nothing is computed until an engine has rows. Give
them to `tidegate.aggregate` or `tidegate.Aggregator`: by keyword the keyword names the result, by
position the result has a name of its own. A name that is no str is a `ColumnTypeError` at once;
that the column is there and fits is looked at when rows come. A window without any valid value has
null (``rows``, ``count``, ``nunique`` and ``sum``: 0).

Which types have what
---------------------
numbers
    Integers and floats of any width, booleans as 0 and 1: all of them.
decimals
    Of up to 18 digits: all of them, the floats among the results rounded twice at most. Of more:
    `count`, `first`, `last`, `min`, `max`, `nunique`, `mode`, `collect`, `sum`, `mean`, `range`,
    `custom`.
times
    Timestamps, dates, times of day and durations: `count`, `first`, `last`, `min`, `max`,
    `nunique`, `mode`, `collect`, `range`, `argmin`, `argmax`, `custom`, and `quantile` with an
    interpolation that takes one of the values.
text and bytes
    Of any layout, also as a dictionary: `count`, `first`, `last`, `min`, `max`, `nunique`, `mode`,
    `collect`, `custom`; ordered by bytes, which for text is the order of code points.
all others
    Lists, structs, maps and intervals: `count`.

Text, bytes and decimals of more than 18 digits are kept once for each different value, as long as
an open window refers to it (``Limits(max_texts=)``). When they have doubled since the last time,
and are more than 65,536 or 16 MiB, those that nothing refers to are let go of.
"""

from __future__ import annotations

from tidegate.core.agg_custom import custom
from tidegate.core.agg_pairs import corr, cov, slope, wmean
from tidegate.core.agg_ranks import collect, mad, median, mode, nunique, quantile
from tidegate.core.agg_shapes import (
    argmax,
    argmin,
    kurt,
    range,  # noqa: A004 - the field's word, in a namespace of its own
    sem,
    skew,
    zscore,
)
from tidegate.core.aggregation import Aggregation, column_of, ddof_of

__all__ = [
    "Aggregation",
    "argmax",
    "argmin",
    "collect",
    "corr",
    "count",
    "cov",
    "custom",
    "first",
    "kurt",
    "last",
    "mad",
    "max",
    "mean",
    "median",
    "min",
    "mode",
    "nunique",
    "ohlc",
    "ohlcv",
    "quantile",
    "range",
    "rows",
    "sem",
    "skew",
    "slope",
    "std",
    "sum",
    "var",
    "vwap",
    "wmean",
    "zscore",
]


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
    return Aggregation("count", (column_of(column, "count"),))


def first(column: str) -> Aggregation:
    """Take the value of the smallest time (equal times: the first to arrive); the column's type.

    Of any type that is not nested.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.first("p"), on="t")["p_first"].tolist()
    [3.0, 4.0]
    """
    return Aggregation("first", (column_of(column, "first"),))


def last(column: str) -> Aggregation:
    """Take the value of the largest time (equal times: the last to arrive); the column's type.

    Of any type that is not nested.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.last("p"), on="t")["p_last"].tolist()
    [5.0, 4.0]
    """
    return Aggregation("last", (column_of(column, "last"),))


def min(column: str) -> Aggregation:  # noqa: A001 - the field's word, in a namespace of its own
    """Take the least value; NaN where a NaN is in the window; the column's type.

    Of any type that is not nested; text and bytes are ordered by their bytes.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.min("p"), on="t")["p_min"].tolist()
    [3.0, 4.0]
    """
    return Aggregation("min", (column_of(column, "min"),))


def max(column: str) -> Aggregation:  # noqa: A001
    """Take the greatest value; NaN where a NaN is in the window; the column's type.

    Of any type that is not nested; text and bytes are ordered by their bytes.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.max("p"), on="t")["p_max"].tolist()
    [5.0, 4.0]
    """
    return Aggregation("max", (column_of(column, "max"),))


def sum(column: str) -> Aggregation:  # noqa: A001
    """Add the values up; 0 for no value.

    float64 for float columns, summed in about 106 bits and rounded once; int64 for signed
    integers and booleans and uint64 for unsigned integers, exact in 128 bits; of decimals a
    decimal128 of 38 digits (decimal256: of 76) and the same scale, exact. A result that does not
    fit is an `AggregateOverflowError`. Of numbers and decimals.

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
    return Aggregation("sum", (column_of(column, "sum"),))


def mean(column: str) -> Aggregation:
    """Take the arithmetic mean; float64, the exact sum divided once.

    Of numbers and decimals; of decimals it is the exact mean rounded to float64.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.mean("p"), on="t")["p_mean"].tolist()
    [4.0, 4.0]
    """
    return Aggregation("mean", (column_of(column, "mean"),))


def var(column: str, ddof: int = 1) -> Aggregation:
    """Take the variance; float64, null for `ddof` values or fewer.

    Of numbers, and decimals of up to 18 digits. Squares are taken around a value of the window and
    summed in about 106 bits, so that neither a large mean nor an outlier costs digits; never
    negative.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.var("p", ddof=0), on="t")["p_var"].tolist()
    [1.0, 0.0]
    """
    return Aggregation("var", (column_of(column, "var"),), ddof_of(ddof, "var"))


def std(column: str, ddof: int = 1) -> Aggregation:
    """Take the standard deviation, the root of `var`; float64, null for `ddof` values or fewer.

    Of numbers, and decimals of up to 18 digits.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.std("p", ddof=0), on="t")["p_std"].tolist()
    [1.0, 0.0]
    """
    return Aggregation("std", (column_of(column, "std"),), ddof_of(ddof, "std"))


def vwap(price: str, size: str) -> Aggregation:
    """Take the mean of `price` weighted by `size`: sum(price*size) / sum(size); float64.

    A row counts where both have a value. NaN where the sizes add up to 0. Of numbers, and decimals
    of up to 18 digits.

    Notes
    -----
    Products are summed in about 106 bits, and so are float sizes; sums of integer sizes, and of
    decimal ones, are exact. All digits of integers count, also of those beyond 2**53.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0], "s": [1, 3, 2]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.vwap("p", "s"), on="t")["vwap"].tolist()
    [4.5, 4.0]
    """
    return Aggregation("vwap", (column_of(price, "vwap"), column_of(size, "vwap")))


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
    return Aggregation("ohlc", (column_of(price, "ohlc"),))


def ohlcv(price: str, size: str) -> Aggregation:
    """Take `ohlc` of the price and the sum of the size as ``volume``: five results.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0], "s": [1, 3, 2]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.ohlcv("p", "s"), on="t")["volume"].tolist()
    [4, 2]
    """
    return Aggregation("ohlcv", (column_of(price, "ohlcv"), column_of(size, "ohlcv")))
