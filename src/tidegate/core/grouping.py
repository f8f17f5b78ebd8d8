"""The caller's own records, by window: what the adapters hand back is what they were given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tidegate._kernels import grouping as kernel
from tidegate.core import aggregations as agg
from tidegate.core.codes import IntCodes
from tidegate.core.errors import (
    ColumnTypeError,
    InputError,
    LimitError,
    WindowError,
)
from tidegate.core.fields import column_of, columns_of
from tidegate.core.oneshot import aggregate
from tidegate.core.windows import Tumbling

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "MAX_WINDOWS",
    "Times",
    "by_number",
    "by_sliding_window",
    "by_tumbling_window",
    "chosen",
    "count_of",
    "in_one_unit",
    "listed",
    "number_of",
    "size_of",
    "times_and",
    "times_of",
    "with_fields",
]

Record: TypeAlias = dict[str, Any]
Times: TypeAlias = npt.NDArray[Any]  # int64 or float64

MAX_WINDOWS = 10_000_000  # windows that are handed back, empty ones too
MAX_EXACT = 2**53  # integers up to here are floats exactly


def listed(records: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return the records as a list, the caller's own if it is one."""
    return records if isinstance(records, list) else list(records)


def times_of(records: list[Any], field: str = "timestamp") -> Times:
    """Read the times of records.

    Parameters
    ----------
    records : list of dict
        Neither changed nor copied.
    field : str, default "timestamp"
        Where the time is.

    Returns
    -------
    (n_records,) ndarray of int64 or float64
        float64 where one of them is a float.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError, InputError
        If a record has no time, or it is no number, NaN or infinite; names record and field.

    Examples
    --------
    >>> times_of([{"timestamp": 3}, {"timestamp": 1.5}])
    array([3. , 1.5])
    """
    return _finite(column_of(records, field), field)


def _finite(times: Times, field: str) -> Times:
    """Return times, all of which are finite."""
    if times.dtype == np.float64 and not np.isfinite(times).all():
        row = int(np.isfinite(times).argmin())
        what = "NaN; expected a" if np.isnan(times[row]) else f"{times[row]}; expected a finite"
        raise InputError(f"field {field!r}, record {row} is {what} number")
    return times


def times_and(
    records: list[Any], *fields: str, missing: Mapping[str, int] | None = None
) -> list[Times]:
    """Read the times of records, and other fields of numbers, in one pass.

    Parameters
    ----------
    records : list of dict
        With a field ``timestamp``. Neither changed nor copied.
    *fields : str
        Where the other numbers are.
    missing : mapping of str to int, optional
        Fields that a record may lack, or have None for, and what it has then.

    Returns
    -------
    list of (n_records,) ndarray of int64 or float64
        The times, then each field.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError, InputError
        As `times_of`; for the first of them that has a reason.

    Examples
    --------
    >>> times_and([{"timestamp": 3, "value": 1}, {"timestamp": 4, "value": 0.5}], "value")
    [array([3, 4]), array([1. , 0.5])]
    """
    times, *others = columns_of(records, ["timestamp", *fields], missing=missing)
    return [_finite(times, "timestamp"), *others]


def size_of(value: object, name: str) -> int | float:
    """Check the size of a window, or a step: a finite number above 0.

    Raises
    ------
    ColumnTypeError, WindowError

    Examples
    --------
    >>> size_of(2.5, "window_size")
    2.5
    """
    number = number_of(value, name)
    if not number > 0:
        raise WindowError(f"{name} is {value!r}: give a number above 0")
    return number


def count_of(value: object, name: str) -> int:
    """Check a number of rows: whole, from 1 on.

    Raises
    ------
    ColumnTypeError, WindowError

    Examples
    --------
    >>> count_of(3.0, "step")
    3
    """
    number = size_of(value, name)
    if not float(number).is_integer():
        raise WindowError(f"{name} is {value!r}: give a whole number")
    return int(number)


def number_of(value: object, name: str) -> int | float:
    """Check that an option is a finite number."""
    if isinstance(value, np.integer | np.floating):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ColumnTypeError(f"{name} is {value!r} ({type(value).__name__}): give a number")
    if not abs(value) < float("inf"):
        raise WindowError(f"{name} is {value!r}: give a finite number")
    return value


def in_one_unit(times: Times, *lengths: int | float) -> tuple[Times, list[int] | list[float]]:
    """Bring times and lengths to one type: int64 if all of them are whole, else float64.

    Raises
    ------
    InputError
        If a time is no float exactly.

    Examples
    --------
    >>> in_one_unit(np.array([1, 2]), 2.0), in_one_unit(np.array([1, 2]), 0.5)
    ((array([1, 2]), [2]), (array([1., 2.]), [0.5]))
    """
    if times.dtype == np.int64 and all(float(length).is_integer() for length in lengths):
        return times, [int(length) for length in lengths]
    if times.dtype == np.int64 and len(times):
        far = max(-int(times.min()), int(times.max()))
        if far > MAX_EXACT:
            raise InputError(f"the time {far} is no float exactly: give the lengths as integers")
    return times.astype(np.float64), [float(length) for length in lengths]


def by_tumbling_window(records: list[Record], size: int | float) -> list[list[Record]]:
    """Group records by windows ``[first + k*size, first + (k+1)*size)`` from the first on.

    Parameters
    ----------
    records : list of dict
        With a field ``timestamp``, in any order. Neither changed nor copied.
    size : number
        Above 0, in the unit of the times.

    Returns
    -------
    list of list of dict
        The same dicts, in time order (equal times: as they came); without empty windows.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError, InputError
        As `times_of`.

    Notes
    -----
    O(n_records), O(n_records log n_records) where they are not in order.

    Examples
    --------
    >>> readings = [{"timestamp": t} for t in (7, 1, 2, 5)]
    >>> [[r["timestamp"] for r in rows] for rows in by_tumbling_window(readings, 3)]
    [[1, 2], [5], [7]]
    """
    if not records:
        return []
    times, [width] = in_one_unit(times_of(records), size)
    order = order_of(times)
    windows = aggregate(
        {"t": times if order is None else times[order]},
        Tumbling(width, origin="first"),
        on="t",
        n=agg.rows(),
    )
    stops = np.cumsum(windows["n"], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), stops[:-1]])
    return kernel.slices(records, order, starts, stops)


def by_sliding_window(
    records: list[Record], size: int | float, step: int | float
) -> list[list[Record]]:
    """Group records by windows that start every `step` from the first record on.

    Window k is ``[first + k*step, first + k*step + size)``, up to the last one that starts at the
    last record or before.

    Parameters
    ----------
    records : list of dict
        As `by_tumbling_window`.
    size, step : number
        Above 0, in the unit of the times.

    Returns
    -------
    list of list of dict
        One list for each window, an empty one too, so that the index is k.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError, InputError
        As `times_of`.
    LimitError
        If there are more than `MAX_WINDOWS` of them.

    Notes
    -----
    O(records handed out + windows * log n_records).

    Examples
    --------
    >>> readings = [{"timestamp": t} for t in range(5)]
    >>> [[r["timestamp"] for r in rows] for rows in by_sliding_window(readings, 3, 2)]
    [[0, 1, 2], [2, 3, 4], [4]]
    """
    if not records:
        return []
    times, [width, every] = in_one_unit(times_of(records), size, step)
    order = order_of(times)
    if order is not None:
        times = times[order]
    first, last = times[0].item(), times[-1].item()
    n_windows = int((last - first) // every) + 1
    if n_windows > MAX_WINDOWS:
        raise LimitError(
            f"{n_windows} windows every {step!r} are more than MAX_WINDOWS, {MAX_WINDOWS}: give a "
            "longer step"
        )
    starts = first + every * np.arange(n_windows, dtype=times.dtype)
    while starts[-1] > last:  # the division of floats may round up
        starts = starts[:-1]
    begin = np.searchsorted(times, starts)
    end = np.searchsorted(times, _ends(starts, width))
    return kernel.slices(records, order, begin, end)


def _ends(starts: Times, width: int | float) -> Times:
    """Where windows end; at the end of int64 where that is sooner, past any time but the last."""
    if starts.dtype == np.float64:
        return starts + width
    top = np.iinfo(np.int64).max
    return np.where(starts > top - width, top, starts + min(width, top))


def by_number(records: list[Record], number: Callable[[Times], Times]) -> dict[int, list[Record]]:
    """Group records by a whole number that is a function of their times.

    Parameters
    ----------
    records : list of dict
        With a field ``timestamp``.
    number : callable
        (n_records,) times -> (n_records,) whole numbers.

    Returns
    -------
    dict of int to list of dict
        The numbers in order of first appearance, the records in the order of the input.

    Examples
    --------
    >>> posts = [{"timestamp": t} for t in (61, 0, 30)]
    >>> {k: len(rows) for k, rows in by_number(posts, lambda t: t // 60).items()}
    {1: 1, 0: 2}
    """
    numbers = number(times_of(records))
    if numbers.dtype == np.float64:
        if len(numbers) and not np.abs(numbers).max() < 2**63:
            row = int((~(np.abs(numbers) < 2**63)).argmax())
            raise InputError(
                f"field 'timestamp', record {row}: its window's number {numbers[row]} is too large"
            )
        numbers = numbers.astype(np.int64)
    table = IntCodes()
    codes = table.encode(numbers)
    groups = kernel.split(records, codes, table.n_codes)
    return dict(zip(table.values.tolist(), groups, strict=True))


def order_of(times: Times) -> npt.NDArray[np.int64] | None:
    """Return the rows in time order, equal times as they came; None where they are so already."""
    if bool((times[1:] >= times[:-1]).all()):
        return None
    return np.argsort(times, kind="stable")


def chosen(records: list[Record], wanted: npt.NDArray[np.bool_]) -> list[Record]:
    """Return the records whose flag is set, the same dicts.

    Examples
    --------
    >>> chosen([{"timestamp": 1}, {"timestamp": 5}], np.array([False, True]))
    [{'timestamp': 5}]
    """
    return kernel.chosen(records, wanted.view(np.uint8))


def with_fields(records: list[Record], **fields: list[Any]) -> list[Record]:
    """Return copies of records with new fields.

    Parameters
    ----------
    records : list of dict
        They stay as they are.
    **fields : list
        (n_records,) values each.

    Examples
    --------
    >>> with_fields([{"timestamp": 1}], is_late=[True])
    [{'timestamp': 1, 'is_late': True}]
    """
    return kernel.copies(records, tuple(fields), tuple(fields.values()))
