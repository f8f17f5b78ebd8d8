"""All rows of a one-shot call in time order, on one thread or several."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tidegate.core.threads import on_threads, parts_of

if TYPE_CHECKING:
    from tidegate.core.columns import Numbers

__all__ = ["stable_order", "taken"]

Ints = npt.NDArray[np.int64]

FEWEST = 1 << 16  # rows to a thread


def stable_order(times: Numbers, threads: int) -> Ints:
    """Return the rows in order of time, those of one time in the order that they have.

    Parameters
    ----------
    times : ndarray
        (n_rows,) int64.
    threads : int
        At most how many threads to use.

    Returns
    -------
    ndarray
        (n_rows,) int64, the same for any number.

    Notes
    -----
    O(n_rows log n_rows), less where runs are in order. Each thread sorts rows that follow one
    another; only those that lie beside such a cut in time are sorted again.

    Examples
    --------
    >>> import numpy as np
    >>> from tidegate.core.lookbacks.sorting import stable_order
    >>> stable_order(np.array([5, 3, 5, 1]), threads=2)
    array([3, 1, 0, 2])
    """
    parts = parts_of(len(times), threads, FEWEST)
    whole, *others = on_threads(lambda part: _order_of(times, part), parts)
    for order in others:
        whole = _merged(times, whole, order)
    return whole


def _order_of(times: Numbers, part: slice) -> Ints:
    """Sort some rows that follow one another."""
    order: Ints = np.argsort(times[part], kind="stable")
    order += part.start
    return order


def _merged(times: Numbers, before: Ints, after: Ints) -> Ints:
    """Merge rows in order and later rows in order: all but those in between stay as they are."""
    least, largest = times[after[0]], times[before[-1]]
    begin = bisect_right(before, least, key=times.__getitem__)
    end = bisect_left(after, largest, key=times.__getitem__)
    between = np.concatenate([before[begin:], after[:end]])
    between = between[np.argsort(times[between], kind="stable")]
    return np.concatenate([before[:begin], between, after[end:]])


def taken(values: npt.NDArray[Any], rows: Ints, threads: int) -> npt.NDArray[Any]:
    """Pick rows by their numbers, a part on each thread."""
    out = np.empty(len(rows), values.dtype)
    on_threads(
        lambda part: np.take(values, rows[part], out=out[part], mode="clip"),
        parts_of(len(rows), threads, FEWEST),
    )
    return out
