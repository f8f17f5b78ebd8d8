"""Aggregations of one column that tell how its values lie: how far apart, how lopsided, where."""

from __future__ import annotations

from tidegate.core.aggregation import Aggregation, column_of, ddof_of
from tidegate.core.errors import InputError

__all__ = ["argmax", "argmin", "kurt", "range", "sem", "skew", "zscore"]


def sem(column: str, ddof: int = 1) -> Aggregation:
    """Take the standard error of the mean, `std` / sqrt(n); float64.

    Null for `ddof` values or fewer. Of numbers, and decimals of up to 18 digits.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 2, 4, 6], "p": [3.0, 5.0, 3.0, 5.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.sem("p", ddof=0), on="t")["p_sem"].tolist()
    [0.5]
    """
    return Aggregation("sem", (column_of(column, "sem"),), ddof_of(ddof, "sem"))


def range(column: str) -> Aggregation:  # noqa: A001 - the field's word, in a namespace of its own
    """Take the greatest value less the least; NaN where a NaN is in the window.

    Of floats it has the type of the column; of signed integers and booleans it is int64, of
    unsigned ones uint64, exact: one that does not fit is an `AggregateOverflowError`. Of decimals
    it is a decimal of one digit more, as a decimal128 at least. Of timestamps, dates and times it
    is a duration (of ``date32`` in seconds).

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.range("p"), on="t")["p_range"].tolist()
    [2.0, 0.0]
    """
    return Aggregation("range", (column_of(column, "range"),))


def argmin(column: str) -> Aggregation:
    """Tell when the value was least: the earliest such time, in the type of the time column.

    The value at that time is that of `min`: where a NaN is in the window, it is the time of the
    first NaN. Of numbers, times, and decimals of up to 18 digits.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 8], "p": [5.0, 3.0, 3.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.argmin("p"), on="t")["p_argmin"].tolist()
    [4]
    """
    return Aggregation("argmin", (column_of(column, "argmin"),))


def argmax(column: str) -> Aggregation:
    """Tell when the value was greatest: the earliest such time, in the type of the time column.

    The value at that time is that of `max`: where a NaN is in the window, it is the time of the
    first NaN. Of numbers, times, and decimals of up to 18 digits.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 8], "p": [3.0, 5.0, 5.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.argmax("p"), on="t")["p_argmax"].tolist()
    [4]
    """
    return Aggregation("argmax", (column_of(column, "argmax"),))


def zscore(column: str, ddof: int = 1) -> Aggregation:
    """Take the z-score of the last value: (`last` - `mean`) / `std`; float64.

    Null for `ddof` values or fewer; NaN where the values do not vary, or where a NaN or an infinity
    is among them. Of numbers, and decimals of up to 18 digits.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 8], "p": [3.0, 5.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.zscore("p"), on="t")["p_zscore"].tolist()
    [0.0]
    """
    return Aggregation("zscore", (column_of(column, "zscore"),), ddof_of(ddof, "zscore"))


def skew(column: str, bias: bool = False) -> Aggregation:
    """Take the skewness; float64.

    Parameters
    ----------
    column : str
        The values: numbers, or decimals of up to 18 digits.
    bias : bool, default False
        False: corrected for bias, as pandas has it, null for less than three values.
        True: the third central moment over the variance to the power of 3/2, as Polars has it.

    Notes
    -----
    NaN where the values do not vary, or where a NaN or an infinity is among them. Powers are taken
    around a value of the window and summed in about 106 bits.

    References
    ----------
    D. N. Joanes, C. A. Gill, Comparing measures of sample skewness and kurtosis, The Statistician
    47(1), 1998: g1 and G1.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 8], "p": [1.0, 1.0, 4.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.skew("p"), on="t")["p_skew"].round(9).tolist()
    [1.732050808]
    """
    options = (("bias", _flag(bias, "skew")),)
    return Aggregation("skew", (column_of(column, "skew"),), options=options)


def kurt(column: str, bias: bool = False) -> Aggregation:
    """Take the excess kurtosis, which is 0 for a normal distribution; float64.

    Parameters
    ----------
    column : str
        The values: numbers, or decimals of up to 18 digits.
    bias : bool, default False
        False: corrected for bias, as pandas has it, null for less than four values.
        True: the fourth central moment over the square of the variance, less 3, as Polars has it.

    Notes
    -----
    NaN where the values do not vary, or where a NaN or an infinity is among them. Powers are taken
    around a value of the window and summed in about 106 bits.

    References
    ----------
    D. N. Joanes, C. A. Gill, Comparing measures of sample skewness and kurtosis, The Statistician
    47(1), 1998: g2 and G2.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 2, 4, 6], "p": [1.0, 1.0, 3.0, 3.0]}
    >>> tg.aggregate(ticks, tg.Tumbling(10), tg.agg.kurt("p"), on="t")["p_kurt"].tolist()
    [-6.0]
    """
    options = (("bias", _flag(bias, "kurt")),)
    return Aggregation("kurt", (column_of(column, "kurt"),), options=options)


def _flag(bias: object, function: str) -> bool:
    """Check a yes or no."""
    if not isinstance(bias, bool):
        raise InputError(f"agg.{function}: bias is {bias!r}: give True or False")
    return bias
