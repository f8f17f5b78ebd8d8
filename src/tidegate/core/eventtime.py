"""Event times: as users write them, and as the kernels order them.

The kernels compare int64 only. Float times go there as the int64 that sorts alike; see
``_kernels/grid.pxd``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate.core.columns import Numbers
from tidegate.core.errors import ColumnTypeError

__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "float_of_orders",
    "number_of_time",
    "order_of_floats",
    "order_of_time",
]

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


def order_of_floats(times: Numbers, valid: Numbers | None) -> tuple[Numbers, Numbers | None]:
    """Map float times to int64 that sort alike, and flag a NaN with a 2.

    Parameters
    ----------
    times : ndarray
        (n_rows,) float64.
    valid : ndarray or None
        (n_rows,) uint8, 1 = valid; None if all are.

    Returns
    -------
    order : ndarray
        (n_rows,) int64; that of -0.0 is that of 0.0.
    valid : ndarray or None
        (n_rows,) uint8; `valid` itself where no valid time is NaN.
    """
    bits = (times + 0.0).view(np.int64)
    order = bits ^ ((bits >> 63) & INT64_MAX)
    missing = np.isnan(times)
    if missing.any():
        valid = np.ones(len(times), np.uint8) if valid is None else valid.copy()
        valid[missing & (valid == 1)] = 2
    return order, valid


def float_of_orders(order: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Map the kernels' order back to float times."""
    bits: npt.NDArray[np.int64] = order ^ ((order >> 63) & INT64_MAX)
    return bits.view(np.float64)


def number_of_time(time: object, type_: pa.DataType, column: str) -> int | float:
    """Read a time that a user gives, as a number in the unit of the time column.

    Parameters
    ----------
    time : int, float, datetime, numpy.datetime64 or pyarrow.Scalar
        A number is in the unit of the column already.
    type_ : pyarrow.DataType
        Type of the time column: a timestamp, int64 or float64.
    column : str
        Its name, for the message.

    Raises
    ------
    ColumnTypeError
        If it is no time of that type, or is not a whole number of its units.
    """
    try:
        if pa.types.is_floating(type_):
            return float(time)  # type: ignore[arg-type]  # whatever float() takes
        if isinstance(time, int | np.integer) and not isinstance(time, bool | np.timedelta64):
            return int(time)
        return _units_of(time, type_)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError) as error:
        raise ColumnTypeError(
            f"column {column!r} is {type_}; {time!r} ({type(time).__name__}) is no such time"
        ) from error


def _units_of(time: Any, type_: pa.DataType) -> int:
    """Read an instant as a number of units."""
    scalar = time if isinstance(time, pa.Scalar) else pa.scalar(time)
    if pa.types.is_timestamp(type_) != pa.types.is_timestamp(scalar.type):
        raise TypeError(f"it is {scalar.type}")
    plain = pa.timestamp(type_.unit) if pa.types.is_timestamp(type_) else type_
    if pa.types.is_timestamp(scalar.type):
        scalar = scalar.cast(pa.timestamp(scalar.type.unit))
    return int(scalar.cast(plain).cast(pa.int64()).as_py())


def order_of_time(time: object, type_: pa.DataType, column: str) -> int:
    """Read a time that a user gives, in the kernels' order; as `number_of_time`."""
    number = number_of_time(time, type_, column)
    if isinstance(number, int):
        return number
    order, _ = order_of_floats(np.array([number], np.float64), None)
    return int(order[0])
