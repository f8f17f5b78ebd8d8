"""Single events of a look-back, gathered until somebody wants to see what they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tidegate.core.clocking import clock_of
from tidegate.core.eventtime import INT64_MIN

if TYPE_CHECKING:
    from tidegate.core.lookbacks.tied import Tied
    from tidegate.core.plan import Plan

__all__ = ["Gathered", "can_gather"]

MOST = 4096  # rows gathered at a time


def can_gather(plan: Plan) -> bool:
    """Whether rows may be gathered: none is refused, all wait for the one watermark."""
    return plan.late != "raise" and replace(plan.time, max_jump=None).is_plain


class Gathered:
    """Rows on their way into a `Tied`, each sure to be taken as it is.

    Parameters
    ----------
    tied : Tied
        Where they go.

    Attributes
    ----------
    is_due : bool
        Whether the watermark has passed a row that is gathered, or one that waits there.
    """

    def __init__(self, tied: Tied) -> None:
        self._rows: list[Sequence[Any]] = []
        plan, fields = tied.plan, tied.late.input_schema
        self._names = [plan.on, *plan.by, *plan.values]
        self._types = [fields.field(name).type for name in self._names]
        self._fits = [_fit_of(type_) for type_ in self._types]
        state = tied.waiting.state
        self._state, self._order_of = state, tied.order_of
        self._largest, self._mark = state.largest, state.watermark
        moves, is_float, lateness, lateness_f = clock_of(plan, tied.time_type)
        self._lateness: int | float | None = (
            (lateness_f if is_float else lateness) if moves else None
        )
        jump = tied.waiting.jump
        self._jump: int | float | None = None if jump is None else jump[is_float]
        self._first: int | float | None = None
        limits = plan.limits
        kept = len(tied.waiting) + tied.state.n_kept
        self._room = min(MOST, limits.max_look_back - kept, limits.max_keys - tied.n_keys)
        self.is_due = False

    def _move(self, time: int | float) -> None:
        """Let a time move the watermark."""
        if self._largest is not None and time < self._largest:
            return
        self._largest = time
        if self._lateness is None:
            return
        reached = time - self._lateness
        if isinstance(reached, int):
            reached = max(reached, INT64_MIN)
        if self._mark is None or reached > self._mark:
            self._mark = reached

    def _is_far(self, time: int | float) -> bool:
        """Whether a time is further ahead than it may be."""
        jump, largest = self._jump, self._largest
        return jump is not None and largest is not None and time > largest + jump

    def take(self, row: Sequence[Any]) -> bool:
        """Take a row; False, and nothing is taken, where it needs a closer look."""
        if len(self._rows) >= self._room or len(row) != len(self._fits):
            return False
        for value, fits in zip(row, self._fits, strict=True):
            if not fits(value):
                return False
        time = row[0]
        if time is None or self._is_far(time):
            return False
        self._rows.append(row)
        if self._mark is None or time >= self._mark:
            if self._first is None or time < self._first:
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
        return self._state.has_before(self._order_of(mark))

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
