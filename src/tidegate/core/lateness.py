"""What lies before the watermark of all rows, looked at from the end; and times moved back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidegate.core.errors import InputError
from tidegate.core.grouping import Times, in_one_unit

__all__ = ["before_last", "earlier"]


def before_last(
    times: Times, allowed: int | float
) -> tuple[int | float | None, npt.NDArray[np.bool_]]:
    """Tell which rows lie before the watermark that all of them together make.

    Parameters
    ----------
    times : (n_rows,) ndarray of int64 or float64
        In any order.
    allowed : number
        How far the watermark stays behind the largest time, in the unit of the times.

    Returns
    -------
    mark : int or float
        The largest time minus `allowed`; None without rows.
    is_late : (n_rows,) ndarray of bool
        Whether a time is less than the watermark.

    Notes
    -----
    O(n_rows). Unlike `tidegate.Watermark`, which goes row by row, this looks at all rows at once.

    Examples
    --------
    >>> mark, is_late = before_last(np.array([10, 20, 30]), 5)
    >>> mark, is_late.tolist()
    (25, [True, True, False])
    """
    if not len(times):
        return None, np.zeros(0, np.bool_)
    times, [behind] = in_one_unit(times, allowed)
    mark = times.max().item() - behind
    return mark, times < mark


def earlier(times: Times, delay: int | float) -> Times:
    """Move times back by a delay.

    Raises
    ------
    InputError
        If one does not fit 64 bits then.

    Examples
    --------
    >>> earlier(np.array([10, 20]), 2.5).tolist()
    [7.5, 17.5]
    """
    times, [behind] = in_one_unit(times, delay)
    if times.dtype == np.int64 and len(times):
        low, high = int(times.min()) - behind, int(times.max()) - behind
        if not -(2**63) <= low <= high < 2**63:
            raise InputError(f"the times moved back by {delay!r} do not fit 64 bits")
    moved: Times = times - behind
    return moved
