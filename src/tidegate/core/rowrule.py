"""What windows that rows make ask of a plan bound to its columns, and of every batch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tidegate._kernels.amounts import first_wild
from tidegate._kernels.bars import BarState
from tidegate._kernels.sessions import SessionState
from tidegate._kernels.window_state import WindowState
from tidegate.core.errors import (
    ColumnTypeError,
    InputError,
    LateRowError,
    LimitError,
    WindowError,
)
from tidegate.core.parts import WORDS, Part, Source, kind_of
from tidegate.core.rowwindows import (
    Count,
    RowWindow,
    Session,
    Threshold,
    span_of,
    summed,
    whole_limit,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.core.bound import Bound
    from tidegate.core.columns import Numbers
    from tidegate.core.program import Program
    from tidegate.core.rowviews import Rows
    from tidegate.core.windows import AnyWindow

__all__ = [
    "amounts_of",
    "check_rows",
    "first_late",
    "late_bar_error",
    "lay_rule",
    "state_class",
    "with_sum",
]

# The numbers of _kernels/amounts.pxd, and of the kinds of _kernels/records.pxd.
OVERSHOOTS = ("drop", "carry", "split")
FLOAT, SIGNED, UNSIGNED = range(3)
LATE = 0

_INT64_MAX = 2**63 - 1
_MISSING = ' (nan="missing" does so with NaN)'


def with_sum(program: Program, window: AnyWindow, types: Mapping[str, pa.DataType]) -> Program:
    """Add the columns that a window adds up to those that are read.

    Raises
    ------
    ColumnTypeError
        If one cannot be added up.
    InputError
        If a row may be split of which a function sees several columns.
    """
    columns, parts = list(program.columns), list(program.parts)
    for (name, _), part in zip(columns, parts, strict=True):
        if part != WORDS and name in summed(window) and _splits(window):
            raise InputError(
                f"tg.Threshold: column {name!r} may be split between bars, and a function that "
                f"sees it beside other columns cannot take that: choose another overshoot"
            )
    for name in dict.fromkeys(summed(window)):
        if kind_of(types[name]) != "number":
            raise ColumnTypeError(
                f"tg.Threshold: column {name!r} is {types[name]}; it adds up numbers: cast it to "
                f"float64"
            )
        if pa.types.is_temporal(types[name]):
            raise ColumnTypeError(
                f"tg.Threshold: column {name!r} is {types[name]}, and times cannot be added up"
            )
        if (name, WORDS) not in _views(columns, parts):
            columns.append((name, _numeric(types[name])))
            parts.append(WORDS)
    return replace(program, columns=columns, parts=parts)


def amounts_of(bound: Bound, window: Threshold) -> tuple[tuple[int, ...], float]:
    """Tell which columns a window adds up, and what amounts of a row `check_rows` may refuse."""
    places = tuple(_place_of(bound.program, name) for name in window.columns)
    most = bound.plan.limits.max_overlap * float(window.limit) if _splits(window) else math.inf
    return places, most


def _splits(window: AnyWindow) -> bool:
    """Whether a row may be split between two windows."""
    return isinstance(window, Threshold) and window.overshoot == "split"


def _views(columns: list[tuple[str, int | None]], parts: list[Part]) -> list[Source]:
    """Tell what the kernels see of which columns."""
    return [(name, part) for (name, _), part in zip(columns, parts, strict=True)]


def _place_of(program: Program, name: str) -> int:
    """Where the kernels see a column as it is."""
    return _views(program.columns, program.parts).index((name, WORDS))


def _numeric(type_: pa.DataType) -> int:
    """How the kernels see the values of a type."""
    if pa.types.is_floating(type_) or pa.types.is_null(type_):
        return FLOAT
    return UNSIGNED if pa.types.is_unsigned_integer(type_) else SIGNED


def state_class(window: AnyWindow) -> type[WindowState]:
    """Choose the kernel state of a window class."""
    if isinstance(window, Session):
        return SessionState
    return BarState if isinstance(window, Count | Threshold) else WindowState


def lay_rule(state: WindowState, bound: Bound) -> None:
    """Tell a state what its windows are; grids have been told."""
    window = bound.plan.window
    if isinstance(window, Session) and isinstance(state, SessionState):
        state.lay_gap(*span_of(window, bound.time_type))
    elif isinstance(window, Count) and isinstance(state, BarState):
        overlap = -(-window.n // window.step)
        if overlap > bound.plan.limits.max_overlap:
            raise LimitError(
                f"{overlap} windows of {window.n} rows every {window.step} cover each row, more "
                f"than max_overlap={bound.plan.limits.max_overlap}: choose a longer step or raise "
                f"the limit"
            )
        state.lay_count(window.n, window.step, window.complete_only)
    elif isinstance(window, Threshold) and isinstance(state, BarState):
        _lay_sum(state, window, bound.program)


def _lay_sum(state: BarState, window: Threshold, program: Program) -> None:
    """Tell a state what is added up, and to where."""
    places = [_place_of(program, name) for name in window.columns]
    is_int = len(places) == 1 and program.columns[places[0]][1] != FLOAT
    limit = whole_limit(window.limit)
    if window.overshoot != "drop" and limit != window.limit:
        is_int = False  # what is left of a sum is no integer
    if is_int and limit > _INT64_MAX:
        raise WindowError(
            f"limit is {window.limit!r}: the sum of integers goes up to {_INT64_MAX}; cast column "
            f"{window.columns[0]!r} to float64, or choose a lower limit"
        )
    state.lay_sum(
        (places[0], places[1] if len(places) > 1 else -1),
        (is_int, limit if is_int else 0, float(window.limit)),
        OVERSHOOTS.index(window.overshoot),
        window.complete_only,
    )


# --------------------------------------------------------------------------------------- batches


def check_rows(bound: Bound, rows: Rows, base: int) -> None:
    """Refuse a batch of which a window can make nothing, before anything of it is taken.

    Parameters
    ----------
    bound : Bound
        Where it would go.
    rows : Rows
        The batch.
    base : int
        The number of its first row since the start.

    Raises
    ------
    InputError
        If a value that is added up is NaN, infinite, or too large.
    LimitError
        If too many rows would wait, or a row would make too many bars.
    """
    window = bound.plan.window
    if not isinstance(window, RowWindow) or isinstance(window, Session):
        return
    limit = bound.plan.limits.max_look_back
    if bound.n_waiting + len(rows.order) > limit:
        raise LimitError(
            f"{bound.n_waiting} rows wait for the watermark, and {len(rows.order)} more would be "
            f"more than max_look_back={limit}: give less lateness or smaller batches, or raise "
            f"the limit; nothing of the batch was taken"
        )
    if isinstance(window, Threshold):
        _check_amounts(bound, window, rows, base)


def _check_amounts(bound: Bound, window: Threshold, rows: Rows, base: int) -> None:
    """Refuse values that no sum comes back from."""
    skip_nan = bound.plan.nan == "missing"
    amounts: Any = 1.0
    for name in window.columns:
        values, valid = rows.columns[_place_of(bound.program, name)]
        if values is None:
            return
        if values.dtype == np.float64:
            row = first_wild(values, valid, skip_nan)
            if row >= 0:
                raise InputError(
                    f"row {base + row}: column {name!r} is {values[row].item()!r}, which "
                    f"tg.Threshold cannot add up: clean it, or make it null"
                    f"{_MISSING if not skip_nan else ''}; nothing of the batch was taken"
                )
        if window.overshoot == "split":
            there = values if valid is None else np.where(valid == 1, values, 0)
            amounts = amounts * np.nan_to_num(there.astype(np.float64))
    if window.overshoot == "split" and len(rows.order):
        _check_splits(bound, window, amounts, base)


def _check_splits(bound: Bound, window: Threshold, amounts: Any, base: int) -> None:
    """Refuse a row that would make too many bars."""
    row = int(amounts.argmax())
    most = bound.plan.limits.max_overlap
    if amounts[row] / window.limit >= most:
        raise LimitError(
            f"row {base + row} would make {amounts[row] / window.limit:.6g} bars, max_overlap="
            f"{most} allows fewer: choose a higher limit of the bars, or raise max_overlap; "
            f"nothing of the batch was taken"
        )


def first_late(bound: Bound, batch: pa.RecordBatch, rows: Rows, sources: Numbers | None) -> Any:
    """Find the first late row of a batch by taking it, and going back.

    Whether a row joins an open session depends on all rows before it.
    """
    way_back = bound.mark()
    try:
        codes = None if bound.keys is None else bound.keys.encode(batch)
        given = rows.order, rows.time_valid, codes, bound.n_keys, rows.columns
        bound.state.push(*given, sources=sources)
        return next((left for left in bound.state.take_left() if left[1] == LATE), None)
    finally:
        bound.go_back(way_back)


def late_bar_error(found: Any, base: int, on: str, time: int | float) -> LateRowError:
    """Make the error for a late row of windows that take rows in order of time."""
    return LateRowError(
        f"row {base + found[0]} is late: its time {time} in column {on!r} is before the watermark "
        f'{found[4]}; nothing of the batch was taken. Give more lateness, or late="side"'
    )
