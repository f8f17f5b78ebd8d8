"""Sentiment over time, and the numbers of windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate.core import aggregations as agg
from tidegate.core.grouping import in_one_unit
from tidegate.core.oneshot import aggregate
from tidegate.core.rollingwindow import Rolling

if TYPE_CHECKING:
    from tidegate.core.grouping import Times

__all__ = ["moving_sentiment", "window_numbers"]


def window_numbers(times: Times, size: int | float) -> Times:
    """Number the windows ``[k*size, (k+1)*size)`` that times lie in.

    Examples
    --------
    >>> window_numbers(np.array([-1, 0, 30, 61]), 60).tolist()
    [-1, 0, 0, 1]
    """
    times, [width] = in_one_unit(times, size)
    numbers: Times = np.floor_divide(times, width)
    return numbers


def moving_sentiment(times: Times, sentiments: npt.NDArray[Any], size: int | float) -> pa.Table:
    """Average the sentiment of all posts in ``[t - size, t]``, for every post at t.

    Parameters
    ----------
    times : (n_rows,) ndarray of int64 or float64
        In any order.
    sentiments : (n_rows,) ndarray of int64 or float64
        Of each row.
    size : number
        Above 0, in the unit of the times.

    Returns
    -------
    pyarrow.Table
        ``timestamp`` and ``avg_sentiment``, one row a post, in time order. Posts of one time count
        for each other.

    Examples
    --------
    >>> moving_sentiment(np.array([0, 100, 400]), np.array([1, 3, 2]), 200).to_pylist()[1]
    {'timestamp': 100, 'avg_sentiment': 2.0}
    """
    times, [width] = in_one_unit(times, size)
    rows = {"timestamp": times, "sentiment": sentiments}
    window = Rolling(width, closed="both", peers=True)
    moved = aggregate(rows, window, on="timestamp", avg_sentiment=agg.mean("sentiment"))
    return pa.table({name: pa.array(values) for name, values in moved.items()})
