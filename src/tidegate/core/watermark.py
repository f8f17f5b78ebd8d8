"""The watermark by itself, for those who have windows of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tidegate._kernels.watermarks import far_times, watermarks
from tidegate.core.batch import read_input, time_column, time_type
from tidegate.core.durations import in_units
from tidegate.core.errors import ColumnTypeError, InputError
from tidegate.core.eventtime import INT64_MIN, order_of_floats

if TYPE_CHECKING:
    from tidegate.core.durations import Duration

__all__ = ["Watermark"]

COLUMN = "times"


class Watermark:
    """Follow event time: the largest time seen, minus a lateness.

    Parameters
    ----------
    lateness : Duration
        How far the watermark stays behind; from 0 on.
    max_jump : Duration, optional
        A time further than this ahead of the largest one before it is rejected: it moves nothing.
        Of a stream whose first time is wrong nothing can be known: it counts, whatever it is.

    Attributes
    ----------
    far : (n_rows,) ndarray of bool
        Which times of the last `follow` were too far ahead.

    Notes
    -----
    It moves row by row and never goes back, so that it does not depend on how the rows were cut
    into batches.

    Examples
    --------
    >>> import tidegate as tg
    >>> mark = tg.Watermark(5)
    >>> marks, late = mark.follow([10, 20, 14, 30])
    >>> marks.tolist(), late.tolist()
    ([5, 15, 15, 25], [False, False, True, False])
    >>> mark.value
    25
    """

    def __init__(self, lateness: Duration, *, max_jump: Duration | None = None) -> None:
        self.lateness = lateness
        self.max_jump = max_jump
        self.far: np.ndarray[Any, np.dtype[np.bool_]] = np.empty(0, np.bool_)
        self._type: pa.DataType | None = None
        self._largest: int | float | None = None

    def follow(
        self, times: Any, /
    ) -> tuple[np.ndarray[Any, np.dtype[Any]], np.ndarray[Any, np.dtype[np.bool_]]]:
        """Take the times of a batch.

        Parameters
        ----------
        times : array
            (n_rows,) timestamps, integers or floats, of Arrow, NumPy, pandas or Polars, or a list.
            A null or NaN moves nothing and is not late.

        Returns
        -------
        marks : (n_rows,) ndarray
            The watermark after each row; datetime64 for timestamps. Before the first time it is
            the smallest number of the type (NaT).
        late : (n_rows,) ndarray of bool
            Whether the time of a row lies before the watermark.

        Raises
        ------
        ColumnTypeError
            If these are no times, or of another type than those before.
        DurationError
            If the lateness or max_jump is not a whole number of their units.
        InputError
            If one of them is negative.
        """
        rows = read_input({COLUMN: times})
        type_ = time_type(rows.schema, COLUMN)
        if self._type not in (None, type_):
            raise ColumnTypeError(f"the times are {type_}; they were {self._type} before")
        lateness = in_units(self.lateness, type_, "lateness")
        if lateness < 0:
            raise InputError(f"lateness is {self.lateness!r}: give a duration from 0 on")
        jump = None if self.max_jump is None else in_units(self.max_jump, type_, "max_jump")
        if jump is not None and jump < 0:
            raise InputError(f"max_jump is {self.max_jump!r}: give a duration from 0 on")
        self._type = type_
        is_float = pa.types.is_floating(type_)
        marks = np.empty(rows.n_rows or 0, np.float64 if is_float else np.int64)
        late = np.empty(len(marks), np.bool_)
        self.far = np.zeros(len(marks), np.bool_)
        at = 0
        for batch in rows.batches(len(marks) or 1):
            values, valid = time_column(batch, COLUMN)
            if is_float:
                _, valid = order_of_floats(values, valid)
            part = slice(at, at + len(values))
            is_known = self._largest is not None
            nowhere = -np.inf if is_float else INT64_MIN
            largest = nowhere if self._largest is None else self._largest
            if jump is not None:
                flags = np.empty(len(values), np.uint8)
                far_times(values, valid, jump, is_known, largest, flags)
                valid, self.far[part] = flags, flags == 3
            is_known, largest = watermarks(
                values, valid, lateness, is_known, largest, marks[part], late[part].view(np.uint8)
            )
            self._largest = largest if is_known else None
            at += len(values)
        if pa.types.is_timestamp(type_):
            return marks.view(f"M8[{type_.unit}]"), late
        return marks, late

    @property
    def value(self) -> Any:
        """The watermark now: a number, or a datetime64; None before the first time."""
        if self._largest is None or self._type is None:
            return None
        mark = self._largest - in_units(self.lateness, self._type, "lateness")
        if isinstance(mark, int):
            mark = max(mark, INT64_MIN)
        if pa.types.is_timestamp(self._type):
            return np.datetime64(int(mark), self._type.unit)
        return mark
