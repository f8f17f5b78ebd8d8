"""The statuses of the kernels as exceptions that say what, where, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegate.core.columns import as_array
from tidegate.core.errors import AggregateOverflowError, LimitError
from tidegate.core.state import DISORDER, OVERFLOWED, TOO_MANY_KEPT, TOO_MANY_OPEN

if TYPE_CHECKING:
    from tidegate.core.bound import Bound

__all__ = ["DisorderError", "failure_of"]


class DisorderError(Exception):
    """Rows of a one-shot run were not in the order that was guessed; `oneshot` begins again."""


def failure_of(status: int, bound: Bound, row: int, undone: str | None = None) -> Exception:
    """Make the exception for a status.

    Parameters
    ----------
    status : int
        What a state returned, not DONE.
    bound : Bound
        With the state as it was left.
    row : int
        Where it stopped, counted since the start.
    undone : str, optional
        What is as if it had not been asked for; None: the state cannot go on.
    """
    so_far = "" if undone is None else f"; {undone}"
    if status == TOO_MANY_OPEN:
        return LimitError(
            f"row {row} would open more than max_open={bound.plan.limits.max_open} windows: choose "
            f"longer windows or less lateness, or raise the limit{so_far}"
        )
    if status == TOO_MANY_KEPT:
        return LimitError(
            f"up to row {row} more than max_kept={bound.plan.limits.max_kept} values would be kept "
            f"for quantiles, modes and lists: choose shorter windows or less lateness, or raise "
            f"the limit{so_far}"
        )
    if status == OVERFLOWED:
        return _overflow(bound)
    if status == DISORDER:
        return DisorderError(f"row {row} is of a window that was closed")
    return MemoryError(f"no memory for the open windows at row {row}")


def _overflow(bound: Bound) -> AggregateOverflowError:
    """Make the error for an integer result that does not fit."""
    output, start, end, code = bound.state.overflow()
    number = bound.program.result_of(output)
    name, item = bound.plan.results[number]
    window = as_array(np.array([start, end]), None, bound.time_type)
    key = ""
    if bound.keys is not None:
        values = [column[0].as_py() for column in bound.keys.take([code])]
        key = f" of key {tuple(values)!r}"
    return AggregateOverflowError(
        f"{name}: the {item.function} of column {item.columns[0]!r} in the window [{window[0]}, "
        f"{window[1]}){key} does not fit {bound.program.fields[number].type}: cast the column to "
        f"float64, or make shorter windows"
    )
