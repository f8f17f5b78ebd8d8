"""The rows of windows with keys, of all rows at once: from the first to the last.

Rows of a thousand keys that take turns have next to no neighbour of their own key. A list of their
ranges would be as long as the input; one range with the key and the times says the same rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegate._kernels.rowspans import RowSpans
from tidegate.core.rangecolumns import Spans
from tidegate.core.rowranges import Windows, panes_of, pieces_of, windows_of
from tidegate.core.threads import n_threads, on_threads

if TYPE_CHECKING:
    import pyarrow as pa

    from tidegate.core.batch import Input
    from tidegate.core.bound import Bound
    from tidegate.core.columns import Numbers
    from tidegate.core.keys import Keys
    from tidegate.core.run import Run

__all__ = ["spans_of"]

WORTH = 1 << 18  # rows for a thread


def spans_of(
    table: pa.Table, counts: Numbers, run: Run, rows: Input, threads: int | None
) -> Spans | None:
    """Find the spans of results of a grid of windows with keys.

    Parameters
    ----------
    table : pyarrow.Table
        The results, by window.
    counts : ndarray
        (n_results,) int64, the rows of each.
    run : Run
        That made them, of all rows; none was late or rejected.
    rows : Input
        All rows.
    threads : int or None
        How many threads to use.

    Returns
    -------
    Spans or None
        None where the windows are in no order, or a result has no rows.

    Notes
    -----
    O(n_results) and a look at the first and last rows of windows, until every key has been seen;
    where rows are out of order, one pass over the times before.
    """
    bound = run.bound
    if bound is None or bound.keys is None or not table.num_rows:
        return None
    windows = windows_of(table, bound)
    if windows is None:
        return None
    of_each = np.diff(windows.at, append=len(counts))
    codes = _codes_in(table, bound.keys)
    if not counts.min():
        codes = codes[counts > 0]
        of_each = np.add.reduceat(counts > 0, windows.at, dtype=np.int64)
    pieces = [(times, own) for times, own in pieces_of(rows, bound) if own is not None]
    walk = RowSpans(pieces, bound.keys.n_keys)
    threads = min(n_threads(threads, rows.n_rows or 0), 1 + (rows.n_rows or 0) // WORTH)
    begins, ends, totals = _among(walk, pieces, windows, counts, bound, threads)
    table_of_windows = np.column_stack(
        [windows.first, windows.last, begins, ends, ends - begins == totals]
    )
    starts, stops = np.empty(len(codes), np.int64), np.empty(len(codes), np.int64)
    offsets = np.concatenate([[0], np.cumsum(of_each)])
    cuts = [len(of_each) * k // threads for k in range(threads + 1)]

    def look(part: int) -> bool:
        begin, end = cuts[part], cuts[part + 1]
        some = slice(offsets[begin], offsets[end])
        return walk.of_keys(
            table_of_windows[begin:end],
            offsets[begin : end + 1] - offsets[begin],
            codes[some],
            starts[some],
            stops[some],
        )

    if not all(on_threads(look, range(threads))):
        return None
    return Spans(counts, starts, stops)


def _codes_in(table: pa.Table, keys: Keys) -> Numbers:
    """Encode the keys of results."""
    kept, keys.kept = keys.kept, None
    batches = table.select(keys.names).to_batches()
    codes: Numbers = _joined([keys.encode(batch) for batch in batches])
    keys.kept = kept
    return codes


def _among(
    walk: RowSpans,
    pieces: list[tuple[Numbers, Numbers]],
    windows: Windows,
    counts: Numbers,
    bound: Bound,
    threads: int,
) -> tuple[Numbers, Numbers, Numbers]:
    """Tell between which rows those of each window are, of whatever key, and how many they are."""
    totals = np.add.reduceat(counts, windows.at)
    n_rows = sum(len(codes) for _, codes in pieces)
    if bound.state.falls:
        return *_look_at_times(walk, windows, n_rows, threads), totals
    stops = np.cumsum(totals)
    if stops[-1] != n_rows:  # windows overlap, or there are gaps
        begins = np.searchsorted(_joined([times for times, _ in pieces]), windows.first)
        return begins, begins + totals, totals
    return stops - totals, stops, totals


def _joined(pieces: list[Numbers]) -> Numbers:
    """Put pieces together, if there are several."""
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _look_at_times(
    walk: RowSpans, windows: Windows, n_rows: int, threads: int
) -> tuple[Numbers, Numbers]:
    """Find the first row of each window, of whatever key, and the one after the last."""
    edges, low, high = panes_of(windows)
    cuts = [n_rows * k // threads for k in range(threads + 1)]

    def look(part: int) -> tuple[Numbers, Numbers]:
        first, last = np.empty((2, len(low)), np.int64)
        walk.of_panes(edges, first, last, cuts[part], cuts[part + 1])
        return np.where(first < 0, n_rows, first), last + 1

    firsts, stops = zip(*on_threads(look, range(threads)), strict=True)
    first, stop = np.minimum.reduce(firsts), np.maximum.reduce(stops)
    if len(windows.first) == len(low) and (high == low + 1).all():
        return np.minimum(first, stop), stop
    begins = np.searchsorted(edges, windows.first)
    bounds = np.column_stack([begins, np.searchsorted(edges, windows.last)]).reshape(-1)
    begin = np.minimum.reduceat(np.append(first, n_rows), bounds)[::2]
    end = np.maximum.reduceat(np.append(stop, 0), bounds)[::2]
    return np.minimum(begin, end), end
