"""Single events of a look-back, gathered until somebody wants to see what they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tidegate.core.lookbacks.clocks import clock_for

if TYPE_CHECKING:
    from tidegate.core.lookbacks.tied import Tied

__all__ = ["Gathered", "can_gather"]

MOST = 4096  # rows gathered at a time


def can_gather(tied: Tied) -> bool:
    """Whether rows may be gathered: none is refused, and what moves the watermark is plain."""
    plan, fields = tied.plan, tied.late.input_schema
    leads = plan.by if plan.time.watermark == "key" else filter(None, [plan.time.sources])
    types = [fields.field(name).type for name in leads]
    return plan.late != "raise" and not any(map(pa.types.is_temporal, types))


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
        self._names = plan.event
        self._types = [fields.field(name).type for name in self._names]
        self._fits = [_fit_of(type_) for type_ in self._types]
        self._clock = clock_for(tied)
        limits = plan.limits
        kept = len(tied.waiting) + tied.state.n_kept
        self._room = min(MOST, limits.max_look_back - kept, limits.max_keys - tied.n_keys)
        self.is_due = False

    def take(self, row: Sequence[Any]) -> bool:
        """Take a row; False, and nothing is taken, where it needs a closer look."""
        if len(self._rows) >= self._room or len(row) != len(self._fits) or row[0] is None:
            return False
        for value, fits in zip(row, self._fits, strict=True):
            if not fits(value):
                return False
        passes = self._clock.take(row)
        if passes is None:
            return False
        self._rows.append(row)
        self.is_due = self.is_due or passes
        return True

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
