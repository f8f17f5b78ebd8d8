"""Threads in a stream: which batches several of them take, and how.

By windows where the batch can be cut between them, else by keys where that pays, else with the keys
looked up ahead of the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.core.errors import InputError
from tidegate.core.keyparts import (
    MOST_PARTS,
    WORTH_PARTS,
    KeyParts,
    has_parts,
    is_better_in_parts,
)
from tidegate.core.lookup import push_ahead
from tidegate.core.rowparts import RowParts, has_row_parts, is_worth_row_parts
from tidegate.core.state import DONE
from tidegate.core.windowparts import WORTH_WINDOWS, can_have_windows_apart

if TYPE_CHECKING:
    import pyarrow as pa

    from tidegate.core.bound import Bound
    from tidegate.core.rowviews import Rows
    from tidegate.core.run import Run

__all__ = ["fail_in_part", "least_shared", "may_be_shared", "push_shared"]

MOST_MOVED = 8  # rows a window that is open, from which windows are moved to threads
NEVER = 1 << 62  # rows


def least_shared(run: Run, bound: Bound) -> int:
    """How many rows at least are worth several threads."""
    if run.threads > 1 and (has_parts(bound) or has_row_parts(bound)):
        return WORTH_PARTS
    if run.threads > 1 and can_have_windows_apart(bound):
        return WORTH_WINDOWS
    return NEVER


def may_be_shared(run: Run, bound: Bound, n_rows: int) -> bool:
    """Whether several threads may take so many rows: that is worth it, and no limit is near."""
    if n_rows < least_shared(run, bound):
        return False
    limits, windows = run.plan.limits, bound.parts or bound.head
    n_coming = bound.n_waiting + n_rows
    return (
        bound.n_keys + n_rows <= limits.max_keys
        and windows.n_open + n_coming <= limits.max_open
        and windows.n_kept + n_coming * bound.n_keeping <= limits.max_kept
    )


def push_shared(run: Run, bound: Bound, batch: pa.RecordBatch, rows: Rows) -> bool:
    """Take the rows of a batch on several threads; False, and nothing taken, where that can't be.

    Raises
    ------
    AggregateOverflowError
        As with one thread; the run is broken after that.
    Exception
        Where a thread fails half way; the run is broken after that.
    """
    if not may_be_shared(run, bound, len(rows.order)):
        return False
    bound.head.first_row = run.counts.rows_in
    try:
        status = _push(run, bound, batch, rows)
    except BaseException:
        run.broken = InputError("a push has failed half way: restore a snapshot")
        run.let_go()  # what takes rows by itself does not ask whether the run is broken
        raise
    if status is None:
        return False
    if status[0] != DONE:
        if bound.parts is not None:
            fail_in_part(run, bound, bound.parts, *status)
        run.fail(bound, *status)
    if bound.head.n_left:
        run.put_aside(bound, batch, rows.times)
    run.counts.rows_in += len(rows.order)
    return True


def fail_in_part(run: Run, bound: Bound, parts: KeyParts | RowParts, status: int, row: int) -> None:
    """Raise for the status of one of the parts of the keys."""
    if parts.failed is not None:
        bound.state = parts.failed
    run.fail(bound, status, row)


def _push(run: Run, bound: Bound, batch: pa.RecordBatch, rows: Rows) -> tuple[int, int] | None:
    """Take a batch in the way that suits it; a status, and at which row, or None: not at all."""
    n = min(run.threads, MOST_PARTS)
    if can_have_windows_apart(bound):
        status = _push_windows_apart(run, bound, batch, rows, n)
        if status is not None:
            return status
    if has_row_parts(bound):
        return _push_row_windows(run, bound, batch, rows, n)
    if not has_parts(bound):
        return None
    if bound.program.has_lists or not is_better_in_parts(bound, rows, n):
        return push_ahead(bound, batch, rows)
    if bound.parts is None:
        if bound.head.n_open * MOST_MOVED > len(rows.order):
            return push_ahead(bound, batch, rows)
        run.let_go()
        bound.parts = KeyParts(bound, n)
    return bound.parts.push(bound, batch, rows)


def _push_row_windows(
    run: Run, bound: Bound, batch: pa.RecordBatch, rows: Rows, n: int
) -> tuple[int, int] | None:
    """Take a batch into windows that rows make, some of the keys a thread, if that is worth it."""
    if not is_worth_row_parts(bound, batch, rows, run.stats.windows):
        return None
    if bound.parts is None:
        n_since = bound.head.used - bound.n_before + len(rows.order)
        if bound.head.n_open * MOST_MOVED > n_since:
            return None
        run.settle()
        run.let_go()
        bound.parts = RowParts(bound, n)
    return bound.parts.push(bound, batch, rows)


def _push_windows_apart(
    run: Run, bound: Bound, batch: pa.RecordBatch, rows: Rows, n: int
) -> tuple[int, int] | None:
    """Take a batch with some of the windows a thread, if it can be cut."""
    taken = bound.window_parts.push(bound, batch, rows, n)
    if taken is None:
        return None
    run.let_go()
    run.ready.extend(table for table in taken.tables if table is not None and table.num_rows)
    return taken.status, taken.row
