"""Single events of a look-back, gathered until somebody wants to see what they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from tidegate.core.lookbacks.tied import Tied

__all__ = ["Gathered"]

MOST = 4096  # rows gathered at a time


class Gathered:
    """Rows on their way into a `Tied`, each sure to be taken as it is.

    Parameters
    ----------
    tied : Tied
        Where they go.
    largest : int, float or None
        The largest time that it has seen.
    promised : int, float or None
        What has been promised of the watermark.

    Attributes
    ----------
    is_due : bool
        Whether the watermark has passed a row that waits.
    """

    def __init__(
        self, tied: Tied, largest: int | float | None, promised: int | float | None
    ) -> None:
        self._rows: list[Sequence[Any]] = []
        self._tied = tied
        plan, fields = tied.plan, tied.late.input_schema
        self._names = [plan.on, *plan.by, *plan.values]
        self._types = [fields.field(name).type for name in self._names]
        self._fits = [_fit_of(type_) for type_ in self._types]
        self._largest, self._mark = largest, promised
        self._first: int | float | None = None
        limits = plan.limits
        kept = len(tied.buffer) + tied.state.n_kept
        self._room = min(MOST, limits.max_look_back - kept, limits.max_keys - tied.n_keys)
        self._move(largest)
        self.is_due = self._is_passed()

    def _move(self, time: int | float | None) -> None:
        """Let a time move the watermark."""
        if time is None or (self._largest is not None and time < self._largest):
            return
        self._largest = time
        lateness = self._tied.lateness
        if lateness is not None and (self._mark is None or time - lateness > self._mark):
            self._mark = time - lateness

    def take(self, row: Sequence[Any]) -> bool:
        """Take a row; False, and nothing is taken, where it needs a closer look."""
        if len(self._rows) >= self._room or len(row) != len(self._fits):
            return False
        for value, fits in zip(row, self._fits, strict=True):
            if not fits(value):
                return False
        time = row[0]
        if time is None:
            return False
        self._rows.append(row)
        if (self._mark is None or time >= self._mark) and (
            self._first is None or time < self._first
        ):
            self._first = time
        self._move(time)
        self.is_due = self.is_due or self._is_passed()
        return True

    def _is_passed(self) -> bool:
        """Whether the watermark has passed a row that waits, here or there."""
        mark = self._mark
        if mark is None:
            return False
        if self._first is not None and self._first < mark:
            return True
        return self._tied.buffer.has_before(self._tied.order_of(mark))

    def batch(self) -> pa.RecordBatch | None:
        """Give the rows as a batch; None where there are none."""
        if not self._rows:
            return None
        columns = zip(*self._rows, strict=True)
        return pa.RecordBatch.from_arrays(
            [pa.array(list(c), type_) for c, type_ in zip(columns, self._types, strict=True)],
            names=self._names,
        )


def _fit_of(type_: pa.DataType) -> Callable[[Any], bool]:
    """Tell which values of a column are sure to be taken as they are."""
    if pa.types.is_float64(type_):
        return _is_float
    if pa.types.is_int64(type_) or pa.types.is_timestamp(type_):
        return _is_int64
    return _is_plain_text if pa.types.is_string(type_) else _is_none


def _is_float(value: Any) -> bool:
    """Take finite floats and nulls."""
    return value is None or (type(value) is float and value - value == 0.0)


def _is_int64(value: Any) -> bool:
    """Take integers that fit, and nulls."""
    return value is None or (type(value) is int and value.bit_length() < 64)


def _is_plain_text(value: Any) -> bool:
    """Take text that is sure to be encoded, and nulls."""
    return value is None or (type(value) is str and value.isascii())


def _is_none(value: Any) -> bool:
    """Take nulls only."""
    return value is None
