"""Functions of the user's over the values of windows: in Python, and in C."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tidegate._kernels.calling import call_windows
from tidegate.core.columns import stored
from tidegate.core.errors import CustomError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.core.aggregation import Aggregation
    from tidegate.core.columns import Numbers

__all__ = ["address_of", "call_each", "call_each_c"]

_array: Callable[..., pa.Array[Any]] = pa.array


def call_each(
    item: Aggregation,
    columns: list[pa.Array[Any]],
    begins: Numbers,
    lengths: Numbers,
    field: pa.Field[Any],
    place: Callable[[int], str],
) -> pa.Array[Any]:
    """Call a Python function for each window that has values.

    Parameters
    ----------
    item : Aggregation
        Of `agg.custom`.
    columns : list of pyarrow.Array
        (n_values,) the values of all windows.
    begins : ndarray
        (n_windows,) int64, where those of each window begin.
    lengths : ndarray
        (n_windows,) int64, how many values each has of each column.
    field : pyarrow.Field
        Of the result.
    place : callable
        Tells which window has a number.

    Raises
    ------
    CustomError
        If the function raises, or returns what the type of the result does not take.
    """
    function: Any = item.call
    arrays = [_values_of(column) for column in columns]
    made: list[Any] = []
    for row, (begin, length) in enumerate(zip(begins.tolist(), lengths.tolist(), strict=True)):
        if not length:
            made.append(None)
            continue
        try:
            made.append(function(*(array[begin : begin + length] for array in arrays)))
        except Exception as error:
            raise CustomError(
                f"{field.name}: the function of column {item.columns[0]!r} raised {error!r} in "
                f"{place(row)}; nothing is lost: take() calls it again"
            ) from error
    return _array_of(made, field, place)


def _values_of(column: pa.Array[Any]) -> Numbers:
    """View the values as a read-only array."""
    unit = _numpy_unit(column.type)
    array: Numbers = column.to_numpy(zero_copy_only=False) if unit is None else stored(column)
    array = array.view()
    if unit is not None:
        array = array.astype(np.int64, copy=False).view(unit)
    array.flags.writeable = False
    return array


def _numpy_unit(type_: Any) -> str | None:
    """Return as what NumPy has times of a type; a time of day is a timedelta64."""
    types = pa.types
    if types.is_date(type_):
        return "M8[D]" if types.is_date32(type_) else "M8[ms]"
    if types.is_timestamp(type_):
        return f"M8[{type_.unit}]"
    if types.is_time(type_) or types.is_duration(type_):
        return f"m8[{type_.unit}]"
    return None


def _array_of(made: list[Any], field: pa.Field[Any], place: Callable[[int], str]) -> pa.Array[Any]:
    """Make an array of what a function has returned."""
    try:
        return _array(made, field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        for row, value in enumerate(made):
            try:
                _array([value], field.type)
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
                raise CustomError(
                    f"{field.name}: the function returned {value!r} in {place(row)}, which is no "
                    f"{field.type}: give agg.custom the type= that it returns"
                ) from error
        raise


def call_each_c(item: Aggregation, words: Numbers, begins: Numbers, lengths: Numbers) -> Numbers:
    """Call a C function for each window that has values; NaN for one that has none."""
    floats = np.ascontiguousarray(words, np.float64)
    out = np.full(len(lengths), np.nan)
    call_windows(address_of(item.call), floats, begins, lengths, out)
    return out


def address_of(function: Any) -> int:
    """Return where a C function is."""
    if isinstance(function, int):
        return function
    if hasattr(function, "address"):  # of numba
        return int(function.address)
    ctypes: Any = importlib.import_module("ctypes")  # it costs 20 ms, and hardly anyone needs it
    return int(ctypes.cast(function, ctypes.c_void_p).value or 0)
