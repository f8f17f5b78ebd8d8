"""The options of time of a plan, as a kernel state takes them: what all kinds of windows share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tidegate._kernels.gate import far_ahead
from tidegate.core.durations import in_units
from tidegate.core.errors import InputError
from tidegate.core.timekeeping import span_of

if TYPE_CHECKING:
    from tidegate._kernels.window_state import WindowState
    from tidegate.core.columns import Numbers
    from tidegate.core.plan import Plan
    from tidegate.core.timekeeping import Span

__all__ = ["clock_of", "far_flags", "jump_of", "keep_time"]


def clock_of(plan: Plan, time_type: pa.DataType) -> tuple[bool, bool, int, float]:
    """Give the clock of a state: whether it moves by rows, float times, lateness.

    Raises
    ------
    DurationError, InputError
        If the lateness does not fit the times.
    """
    is_float = pa.types.is_floating(time_type)
    if plan.lateness is None:
        return False, is_float, 0, 0.0
    units = in_units(plan.lateness, time_type, "lateness")
    if units < 0:
        raise InputError(f"lateness is {plan.lateness!r}: give a duration from 0 on")
    return True, is_float, 0 if is_float else int(units), float(units)


def jump_of(plan: Plan, time_type: pa.DataType) -> Span | None:
    """Tell how far ahead of the largest time a row may be; None: as far as it likes."""
    jump = plan.time.max_jump
    return None if jump is None else span_of(jump, time_type, "max_jump")


def keep_time(state: WindowState, plan: Plan, time_type: pa.DataType) -> None:
    """Tell a state whose rows move the watermark, and how long closed windows are held."""
    time, jump = plan.time, jump_of(plan, time_type)
    if time.allowed_lateness is not None:
        state.allow(*span_of(time.allowed_lateness, time_type, "allowed_lateness"))
    if time.watermark == "key":
        state.keep_clocks(jump is not None, *(jump or (0, 0.0)))
    if time.sources is not None:
        span = (0, 0.0) if time.idle is None else span_of(time.idle, time_type, "idle")
        state.follow_sources(time.idle is not None, *span)


def far_flags(
    state: WindowState, order: Numbers, valid: Numbers | None, jump: Span
) -> Numbers | None:
    """Give the flags of times of which some are further ahead than a jump; None: none is.

    Parameters
    ----------
    state : WindowState
        Whose largest time counts; it stays as it is.
    order, valid : ndarray
        (n_rows,) int64 and uint8, as the kernels have times and their flags.
    jump : Span
        How far is too far.
    """
    flags = np.empty(len(order), np.uint8)
    return flags if far_ahead(state, order, valid, *jump, flags) else None
