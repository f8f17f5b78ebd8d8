"""The row ranges of results whose rows lie in any order, with keys or without.

They are found after the run: from the times of the rows, the codes of their keys, and the windows
that came out. A result has a row if it is of its key and lies in its window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from tidegate._kernels.rowpanes import pane_changes
from tidegate._kernels.rowranges import RowRanges, RowWalk
from tidegate.core.errors import LimitError
from tidegate.core.eventtime import order_of_floats
from tidegate.core.rangecolumns import MOST_RANGES
from tidegate.core.rowviews import times_of
from tidegate.core.threads import n_threads, on_threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidegate.core.batch import Input
    from tidegate.core.bound import Bound
    from tidegate.core.columns import Numbers
    from tidegate.core.run import Run

__all__ = ["Ranges", "Windows", "keep_codes", "panes_of", "pieces_of", "ranges_of", "windows_of"]

MOST_AT_ONCE = 1 << 30  # rows whose changes are counted in 32 bits
WORTH = 1 << 18  # rows for a thread
MOST_SEATS = 1 << 24  # windows times keys that are looked up by number, however few rows there are


class Ranges(NamedTuple):
    """Ranges of rows of each result.

    Attributes
    ----------
    offsets : ndarray
        (n_results + 1,) int64, where those of a result begin.
    starts, stops : ndarray
        (n_ranges,) int64, half open.
    """

    offsets: Numbers
    starts: Numbers
    stops: Numbers


class Windows(NamedTuple):
    """The windows of results, each once, in order.

    Attributes
    ----------
    first, last : ndarray
        (n_windows,) int64, where they begin and end, in the kernels' order of times.
    at : ndarray
        (n_windows,) int64, the first result of each.
    """

    first: Numbers
    last: Numbers
    at: Numbers


def keep_codes(bound: Bound) -> None:
    """Have the codes of all keys kept as they are made, for `ranges_of`."""
    if bound.keys is not None:
        bound.keys.kept = []


def ranges_of(
    table: pa.Table, counts: Numbers, run: Run, rows: Input, threads: int | None = 1
) -> Ranges | None:
    """Find the ranges of rows of each result of a grid of windows.

    Parameters
    ----------
    table : pyarrow.Table
        The results, by window.
    counts : ndarray
        (n_results,) int64, the rows of each.
    run : Run
        That made them, of all rows; none was late.
    rows : Input
        All rows.
    threads : int or None
        How many threads look at rows without keys, each at its share.

    Returns
    -------
    Ranges or None
        None where the windows are in no order or are too many, or rows have no result.

    Raises
    ------
    LimitError
        If there are more ranges than a column of lists has room for.

    Notes
    -----
    O(n_rows + n_ranges), one pass over the times, with keys one more to write; 16 bytes a range,
    and half as much meanwhile. Where rows of many keys take turns, each row is a range.
    """
    bound = run.bound
    if bound is None or run.stats.used != rows.n_rows or not table.num_rows:
        return None
    windows = windows_of(table, bound)
    seats = None if windows is None else _seats_of(table, bound, windows, rows)
    if windows is None or seats is None:
        return None
    results, n_keys = seats
    edges, low, high = panes_of(windows)
    of = RowRanges(edges, low, high, results, n_keys, table.num_rows)
    shares = _shares_of(rows, bound, edges, n_threads(threads, rows.n_rows or 0))
    before = [-1, *(_last_pane(share) for share in shares[:-1])]
    n_each = np.zeros((len(shares), len(counts)), np.int64)
    if bound.keys is not None:
        n_each[0] = counts

    def count(share: int) -> bool:
        return _walk(of.walk(n_each[share], before=before[share]), shares[share])

    if not all(on_threads(count, range(len(shares)))):
        return None
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(n_each.sum(axis=0), out=offsets[1:])
    n_ranges = int(offsets[-1])
    if n_ranges > MOST_RANGES:
        raise LimitError(
            f"lineage: the rows make {n_ranges} ranges, and a column of lists has room for "
            f"{MOST_RANGES}: aggregate fewer rows at a time, or use windows that overlap less"
        )
    starts, stops = np.empty(n_ranges, np.int64), np.empty(n_ranges, np.int64)
    at = offsets[:-1] + np.cumsum(n_each, axis=0) - n_each
    for share, pane in enumerate(before):
        if 0 <= pane < len(low):  # its ranges go on, which the share before has begun
            at[share, low[pane] : high[pane]] -= 1
    ends = [*at[1:].copy(), offsets[1:]]

    def write(share: int) -> bool:
        walk = of.walk(at[share], starts, stops, before[share])
        done = _walk(walk, shares[share])
        if share == len(shares) - 1:
            walk.end_rows()
        return done and np.array_equal(at[share], ends[share])

    if not all(on_threads(write, range(len(shares)))):
        return None
    return Ranges(offsets, starts, stops)


class _Part(NamedTuple):
    """Consecutive rows without keys."""

    rows: Numbers  # (n_changes,) int32, counted from the first, of another pane than the one before
    panes: Numbers  # (n_changes,) int32
    first: int
    n_rows: int


_Share: TypeAlias = "list[tuple[Numbers, Numbers]] | list[_Part]"  # times and codes, or changes


def _shares_of(rows: Input, bound: Bound, edges: Numbers, threads: int) -> Sequence[_Share]:
    """Share all rows out; without keys only where their pane is another one is of interest."""
    pieces = pieces_of(rows, bound)
    coded = [(times, codes) for times, codes in pieces if codes is not None]
    if coded:
        return [coded]
    n_rows = sum(len(times) for times, _ in pieces)
    n_shares = min(threads, 1 + n_rows // WORTH)
    cuts = [n_rows * share // n_shares for share in range(n_shares + 1)]

    def look(share: int) -> list[_Part]:
        some = _between([times for times, _ in pieces], *cuts[share : share + 2])
        return [_changes_in(first, times, edges) for first, times in some]

    return on_threads(look, range(n_shares))


def _between(pieces: list[Numbers], begin: int, end: int) -> Iterator[tuple[int, Numbers]]:
    """Give the rows from one to another, some at a time, and the number of the first."""
    first = 0
    for times in pieces:
        stop = min(end - first, len(times))
        for at in range(max(begin - first, 0), stop, MOST_AT_ONCE):
            yield first + at, times[at : min(at + MOST_AT_ONCE, stop)]
        first += len(times)


def _changes_in(first: int, times: Numbers, edges: Numbers) -> _Part:
    """Find where the pane is another one; memory that is not written to is never there."""
    places, panes = np.empty((2, len(times)), np.int32)
    n_changes = pane_changes(times, edges, places, panes)
    return _Part(places[:n_changes], panes[:n_changes], first, len(times))


def _last_pane(share: _Share) -> int:
    """Tell the pane of the last row of a share without keys."""
    last = share[-1]
    return int(last.panes[-1]) if isinstance(last, _Part) else -1


def _walk(walk: RowWalk, share: _Share) -> bool:
    """Go through rows; False where one has no result."""
    return all(
        walk.take_changes(*part) if isinstance(part, _Part) else walk.take(*part) for part in share
    )


def windows_of(table: pa.Table, bound: Bound) -> Windows | None:
    """Tell the windows apart; None where they are in no order, or their times are no words."""
    first, last = (_words(table[name], bound) for name in ("window_start", "window_end"))
    if first is None or last is None:
        return None
    is_new = (first[1:] != first[:-1]) | (last[1:] != last[:-1])
    at = np.concatenate([[0], np.flatnonzero(is_new) + 1])
    first, last = first[at], last[at]
    if (first[1:] < first[:-1]).any() or (last[1:] < last[:-1]).any() or (first >= last).any():
        return None
    return Windows(first, last, at)


def _words(column: pa.ChunkedArray[Any], bound: Bound) -> Numbers | None:
    """View edges in the kernels' order; None where they are not 64 bits wide."""
    edges: Any = column.combine_chunks()
    if edges.null_count:
        return None
    if bound.is_float:
        return order_of_floats(edges.to_numpy(), None)[0] if edges.type == pa.float64() else None
    if not (pa.types.is_timestamp(edges.type) or edges.type == pa.int64()):
        return None
    numbers: Numbers = edges.cast(pa.int64()).to_numpy()
    return numbers


def panes_of(windows: Windows) -> tuple[Numbers, Numbers, Numbers]:
    """Cut time where windows begin or end: the edges, and the windows that cover each pane."""
    edges = np.sort(np.concatenate([windows.first, windows.last]), kind="stable")  # two rising runs
    is_new = np.ones(len(edges), bool)
    is_new[1:] = edges[1:] != edges[:-1]
    edges = edges[is_new]
    low = np.searchsorted(windows.last, edges[:-1], side="right").astype(np.int32)
    high = np.searchsorted(windows.first, edges[:-1], side="right").astype(np.int32)
    return edges, low, np.maximum(low, high)


def _seats_of(
    table: pa.Table, bound: Bound, windows: Windows, rows: Input
) -> tuple[Numbers, int] | None:
    """Tell the result of each window and key, and how many keys there are; None: too many."""
    if bound.keys is None:
        if len(windows.first) != table.num_rows:
            return None
        return np.arange(table.num_rows, dtype=np.int32), 1
    n_keys = bound.keys.n_keys
    n_seats = len(windows.first) * n_keys
    if n_seats > max(MOST_SEATS, 2 * (rows.n_rows or 0)):
        return None
    kept, bound.keys.kept = bound.keys.kept, None
    keys = table.select(bound.keys.names).combine_chunks().to_batches()[0]
    codes = bound.keys.encode(keys)
    bound.keys.kept = kept
    results = np.full(n_seats, -1, np.int32)
    number = np.repeat(np.arange(len(windows.at)), np.diff(windows.at, append=table.num_rows))
    results[number * n_keys + codes] = np.arange(table.num_rows, dtype=np.int32)
    return results, n_keys


def pieces_of(rows: Input, bound: Bound) -> list[tuple[Numbers, Numbers | None]]:
    """View the times and codes of all rows, in pieces."""
    n_rows = rows.n_rows or 0
    batches = list(rows.batches(max(n_rows, 1)))
    orders = [times_of(batch, bound)[1] for batch in batches]
    if bound.keys is None:
        return [(order, None) for order in orders]
    kept, bound.keys.kept = bound.keys.kept or [], None
    if sum(map(len, kept)) != n_rows:  # a batch was read twice, say
        kept = [bound.keys.encode(batch) for batch in batches]
    order = orders[0] if len(orders) == 1 else np.concatenate(orders)
    stops = np.cumsum([len(codes) for codes in kept])
    return [
        (order[stop - len(codes) : stop], codes) for codes, stop in zip(kept, stops, strict=True)
    ]
