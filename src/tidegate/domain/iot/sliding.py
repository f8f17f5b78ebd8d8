"""Sliding averages of a sensor, and how far its readings lie from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate.core import aggregations as agg
from tidegate.core.grouping import in_one_unit
from tidegate.core.oneshot import aggregate
from tidegate.core.windows import Sliding

if TYPE_CHECKING:
    from tidegate.core.grouping import Times

__all__ = ["sliding_deviation"]


def sliding_deviation(
    times: Times, values: npt.NDArray[Any], size: int | float, step: int | float
) -> pa.Table:
    """Average the readings of windows ``(end - size, end]``, and find the one farthest off.

    Parameters
    ----------
    times : (n_rows,) ndarray of int64 or float64
        In any order.
    values : (n_rows,) ndarray of int64 or float64
        Of each row.
    size, step : number
        Above 0, in the unit of the times.

    Returns
    -------
    pyarrow.Table
        Of each window that has readings: ``end``, the ends being ``first + size + k*step`` up to
        ``last + step``; ``average``; ``anomaly``, the largest absolute distance from the average.

    Notes
    -----
    O(n_rows + n_windows), whatever the overlap. The engine's windows are closed on the left; over
    times with their sign turned they are the windows wanted here, to the last bit.

    Examples
    --------
    >>> sliding_deviation(np.array([1, 2, 3, 4]), np.array([2, 4, 6, 8]), 2, 1).to_pylist()[0]
    {'end': 3, 'average': 5.0, 'anomaly': 1.0}
    """
    times, [width, every] = in_one_unit(times, size, step)
    first, last = times.min().item(), times.max().item()
    windows = aggregate(
        {"t": -times, "value": values},
        Sliding(width, every, origin=-(first + width)),
        on="t",
        average=agg.mean("value"),
        low=agg.min("value"),
        high=agg.max("value"),
    )
    ends = -windows["window_start"][::-1]
    kept = (ends >= first + width) & (ends <= last + every)
    average, low, high = (windows[name][::-1][kept] for name in ("average", "low", "high"))
    anomaly = np.maximum(high - average, average - low)
    columns = {"end": ends[kept], "average": average, "anomaly": anomaly}
    return pa.table({name: pa.array(values) for name, values in columns.items()})
