"""Threads: the rows of a one-shot run by ranges of time, in whatever order they come.

Each thread takes the windows that end in one range of time, and all rows of these, in their order
of arrival: whole windows, so that their values have the same bits for any number of threads. Rows
come in blocks: those that lie within the range are taken where they stand, those that lie outside
are left out at once, and of the others the rows of the range are picked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from tidegate.core.errors import AggregateOverflowError, LimitError
from tidegate.core.eventtime import INT64_MAX, INT64_MIN
from tidegate.core.state import DISORDER, DONE
from tidegate.core.threads import on_threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from tidegate._kernels.window_state import WindowState
    from tidegate.core.binding import Values
    from tidegate.core.bound import Bound
    from tidegate.core.columns import Numbers
    from tidegate.core.rowviews import Rows

__all__ = ["Ranges", "choose_ranges", "is_made_apart", "run_ranges", "table_of_range"]

Times = npt.NDArray[np.int64]

BLOCK = 1 << 16  # rows of which the least and the largest time are known
N_SAMPLES = 4096  # times from which the ranges are chosen
MOST_TWICE = 0.25  # of all time that may be in two ranges, where windows overlap


class Range(NamedTuple):
    """The windows that end in (after, upto], and their rows, which lie in [first, last]."""

    first: int
    last: int
    after: int
    upto: int


class Blocks(NamedTuple):
    """The least and the largest time of each block of rows."""

    least: Times
    largest: Times


class Ranges(NamedTuple):
    """Ranges of time, and where the rows of each may be."""

    parts: list[Range]
    blocks: Blocks


def choose_ranges(bound: Bound, order: Numbers, n: int) -> Ranges | None:
    """Choose n ranges of time by a look at all times; None where there are no two.

    Parameters
    ----------
    bound : Bound
        Without any rows yet; where windows overlap, of integer times.
    order : ndarray
        (n_rows,) int64, times in the kernels' order.
    n : int
        How many threads.
    """
    blocks = _look(order, n)
    for time in (int(blocks.least.min()), int(blocks.largest.max())):
        bound.cover(time)
    parts = _choose(bound, order, blocks, n)
    return None if parts is None else Ranges(parts, blocks)


def run_ranges(
    bound: Bound, rows: Rows, codes: Numbers | None, ranges: Ranges
) -> list[pa.Table] | None:
    """Run rows by ranges of time.

    Parameters
    ----------
    bound : Bound
        Without any rows yet; where windows overlap, of integer times, and none without rows is
        asked for.
    rows : Rows
        All rows; each has a time.
    codes : ndarray or None
        (n_rows,) int32, of the keys.
    ranges : Ranges
        Of these rows; each has a thread.

    Returns
    -------
    list of pyarrow.Table or None
        The results in order; None where a row has no place.

    Notes
    -----
    O(n_rows): each row once, and those that lie in windows of two ranges twice.
    """
    ran = on_threads(lambda part: _run(bound, rows, codes, ranges.blocks, part), ranges.parts)
    done = [part for part in ran if part is not None]
    if len(done) < len(ran):
        return None
    bound.state.count_used(len(rows.order))
    bound.state.count_falls(1)  # nobody has seen the rows in their order
    return [bound.take_results(state) if table is None else table for state, table in done]


def _look(order: Numbers, n: int) -> Blocks:
    """Find the least and the largest time of each block."""
    n_blocks = -(-len(order) // BLOCK)
    least, largest = np.empty(n_blocks, np.int64), np.empty(n_blocks, np.int64)

    def look(part: int) -> None:
        for block in range(part, n_blocks, n):
            times = order[block * BLOCK : (block + 1) * BLOCK]
            least[block], largest[block] = times.min(), times.max()

    on_threads(look, range(n))
    return Blocks(least, largest)


def _choose(bound: Bound, order: Numbers, blocks: Blocks, n: int) -> list[Range] | None:
    """Choose ranges that end where windows do, with about as many rows each."""
    sample = np.sort(order[:: max(1, len(order) // N_SAMPLES)])
    ends = {bound.state.pane_end(int(sample[len(sample) * k // n])) for k in range(1, n)}
    cuts = sorted(end for end in ends if end is not None and end <= blocks.largest.max())
    if not cuts:
        return None
    reach = bound.reach if bound.overlaps else 0
    span = int(blocks.largest.max()) - int(blocks.least.min())
    if reach * len(cuts) > MOST_TWICE * span:
        return None
    if cuts[0] - reach < INT64_MIN:
        return None
    begins = [INT64_MIN, *cuts]
    return [
        Range(
            begin if begin == INT64_MIN else begin - reach,
            INT64_MAX if end is None else end - 1,
            begin,
            INT64_MAX if end is None else end,
        )
        for begin, end in zip(begins, [*cuts, None], strict=True)
    ]


def _run(
    bound: Bound, rows: Rows, codes: Numbers | None, blocks: Blocks, part: Range
) -> tuple[WindowState, pa.Table | None] | None:
    """Run one range in a state of its own; None where a row is left out, or something fails.

    The results come along where they are the state's alone to make.
    """
    for guesses in (True, False):
        state = bound.new_state()
        state.guesses = guesses
        status = _push_all(bound, state, rows, codes, blocks, part)
        if status != DISORDER:
            break
    if status == DONE:
        status = state.close(part.upto if bound.overlaps else INT64_MAX)
    if status != DONE or state.n_left:
        return None
    try:
        return state, table_of_range(bound, state, part.after)
    except (AggregateOverflowError, LimitError):
        return None  # one thread tells of the first one


def is_made_apart(bound: Bound) -> bool:
    """Whether the results of a range can be made on its thread, those of no other in sight.

    Functions of the user's are called in order, and windows without rows lie between ranges too.
    """
    calls = any(result.how == "custom" for result in bound.program.results)
    return bound.filler is None and not calls


def table_of_range(bound: Bound, state: WindowState, after: int) -> pa.Table | None:
    """Make the table of the windows that end after a time; None where the state can't do it alone.

    Parameters
    ----------
    bound : Bound
        The binding of the state; it stays as it is, whichever thread this is.
    state : WindowState
        All windows of its range are closed, and those of the range before, as far as it has rows.
    after : int
        In the kernels' order.

    Raises
    ------
    AggregateOverflowError, LimitError
        As `ResultTables.take`.
    """
    if not is_made_apart(bound):
        return None
    table = bound.new_tables().take(state, bound.keys)
    if not bound.overlaps or after == INT64_MIN:
        return table
    edges = table[bound.plan.edges[-1]].to_numpy()
    edges = edges.view(np.int64) if edges.dtype.kind == "M" else edges
    before = after - bound.reach if bound.plan.grid_window.label == "start" else after
    return table.slice(int(np.searchsorted(edges, before, side="right")))


def _push_all(
    bound: Bound,
    state: WindowState,
    rows: Rows,
    codes: Numbers | None,
    blocks: Blocks,
    part: Range,
) -> int:
    """Push the rows of a range; the status of the first push that failed."""
    ahead = np.minimum.accumulate(blocks.least[::-1])[::-1]
    for begin, end, is_mixed in _stretches(blocks, len(rows.order), part):
        order = rows.order[begin:end]
        picked: slice | npt.NDArray[np.int64] = slice(begin, end)
        if is_mixed:
            picked = begin + np.flatnonzero((order >= part.first) & (order <= part.last))
        columns: list[Values] = [
            (None if values is None else values[picked], None if valid is None else valid[picked])
            for values, valid in rows.columns
        ]
        block = -(-end // BLOCK)
        later = int(ahead[block]) if block < len(ahead) else INT64_MAX
        status, _ = state.push(
            rows.order[picked],
            None,
            None if codes is None else codes[picked],
            bound.n_keys,
            columns,
            0,
            max(later, part.first),
        )
        if status != DONE:
            return status
    return DONE


def _stretches(blocks: Blocks, n_rows: int, part: Range) -> Iterator[tuple[int, int, bool]]:
    """List the rows to look at: stretches that lie within the range, and blocks that do in part."""
    is_within = (blocks.least >= part.first) & (blocks.largest <= part.last)
    is_beside = (blocks.largest < part.first) | (blocks.least > part.last)
    block, n_blocks = 0, len(is_within)
    while block < n_blocks:
        begin = block
        block += 1
        if is_beside[begin]:
            continue
        while is_within[begin] and block < n_blocks and is_within[block]:
            block += 1
        yield begin * BLOCK, min(block * BLOCK, n_rows), not is_within[begin]
