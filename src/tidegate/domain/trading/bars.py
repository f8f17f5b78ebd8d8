"""Bars of prices, by time and by count, and moving averages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate.core import aggregations as agg
from tidegate.core.grouping import in_one_unit
from tidegate.core.oneshot import aggregate
from tidegate.core.rollingwindow import Rolling
from tidegate.core.windows import Tumbling

if TYPE_CHECKING:
    from tidegate.core.grouping import Times

__all__ = ["bars_by_count", "bars_by_time", "moving_average"]

PARTS = ["open", "high", "low", "close", "volume"]


def bars_by_time(
    times: Times, prices: npt.NDArray[Any], volumes: npt.NDArray[Any], size: int | float
) -> pa.Table:
    """Make bars of windows ``[first + k*size, first + (k+1)*size)``.

    Parameters
    ----------
    times : (n_rows,) ndarray of int64 or float64
        In any order.
    prices : (n_rows,) ndarray of int64 or float64
        Of each row.
    volumes : (n_rows,) ndarray of int64 or float64
        Of each row.
    size : number
        Above 0, in the unit of the times.

    Returns
    -------
    pyarrow.Table
        ``open high low close volume`` of each window with rows, in time order.

    Examples
    --------
    >>> t = np.array([1, 2, 3, 5, 6])
    >>> bars_by_time(t, t * 10, np.ones(5, "i8"), 3).to_pylist()[1]
    {'open': 50, 'high': 60, 'low': 50, 'close': 60, 'volume': 2}
    """
    times, [width] = in_one_unit(times, size)
    # The first row of a stream lays the grid of origin="first": here it is the smallest time.
    window = Tumbling(width, origin=times.min().item())
    return _bars(times, prices, volumes, window)


def bars_by_count(prices: npt.NDArray[Any], volumes: npt.NDArray[Any], size: int) -> pa.Table:
    """Make a bar of every `size` rows as they come; the last one may have fewer.

    Examples
    --------
    >>> bars_by_count(np.arange(3), np.ones(3, "i8"), 2).to_pylist()[0]
    {'open': 0, 'high': 1, 'low': 0, 'close': 1, 'volume': 2}
    """
    return _bars(np.arange(len(prices)), prices, volumes, Tumbling(size))


def _bars(
    times: Times, prices: npt.NDArray[Any], volumes: npt.NDArray[Any], window: Tumbling
) -> pa.Table:
    """Make bars of windows."""
    rows = {"t": times, "price": prices, "volume": volumes}
    bars = aggregate(rows, window, agg.ohlcv("price", "volume"), on="t")
    return pa.table({name: pa.array(bars[name]) for name in PARTS})


def moving_average(prices: npt.NDArray[Any], size: int, step: int) -> pa.Table:
    """Average every `size` rows in a row, one window each `step` rows; full windows only.

    Returns
    -------
    pyarrow.Table
        ``start_index`` and ``end_index``, the first and the last row of a window; ``average``.

    Notes
    -----
    O(n_rows), whatever the overlap.

    Examples
    --------
    >>> moving_average(np.array([1.0, 2.0, 6.0]), 2, 1).to_pylist()[1]
    {'start_index': 1, 'end_index': 2, 'average': 4.0}
    """
    rows = {"t": np.arange(len(prices)), "price": prices}
    moved = aggregate(rows, Rolling(rows=size), on="t", average=agg.mean("price"))
    average = moved["average"][size - 1 :: step]
    start = np.arange(len(average)) * step
    columns = {"start_index": start, "end_index": start + (size - 1), "average": average}
    return pa.table({name: pa.array(values) for name, values in columns.items()})
