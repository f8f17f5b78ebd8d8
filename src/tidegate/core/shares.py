"""Threads: the rows of a one-shot run in shares of whole windows.

The rows are cut where a window ends. If every row before the cut is of an earlier window than
every row after it, as it is in data that is in order there, each share is a run of its own and
the results are simply one after the other. A row on the wrong side stops the shares, and the rows
are taken by ranges of time: the answer is the same, to the last bit, for any number. Windows that
rows make are taken by keys.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tidegate.core.allkeys import encode_all
from tidegate.core.binding import Values
from tidegate.core.errors import AggregateOverflowError, LimitError
from tidegate.core.eventtime import INT64_MAX, INT64_MIN
from tidegate.core.partitioning import run_key_parts
from tidegate.core.ranges import choose_ranges, is_made_apart, run_ranges, table_of_range
from tidegate.core.rowviews import Rows, rows_of, times_of
from tidegate.core.rowwindows import RowWindow
from tidegate.core.state import DONE
from tidegate.core.threads import on_threads

if TYPE_CHECKING:
    import pyarrow as pa

    from tidegate._kernels.window_state import WindowState
    from tidegate.core.bound import Bound
    from tidegate.core.columns import Numbers

__all__ = ["run_shares"]

PIECE = 1 << 23  # rows in vain at most where a share has failed; short ones cost half the speed
NEAR = 1 << 16  # rows about a cut that are looked at first: 0.1 ms, and most disorder shows there


class Piece(NamedTuple):
    """Consecutive rows whose times lie in [first, last]."""

    begin: int
    end: int
    first: int
    last: int


class Share(NamedTuple):
    """The windows that end in (after, upto], and their rows."""

    pieces: list[Piece]
    after: int
    upto: int


def run_shares(bound: Bound, batch: pa.RecordBatch, n: int) -> list[pa.Table] | None:
    """Run a batch in n shares.

    Parameters
    ----------
    bound : Bound
        Without any rows yet.
    batch : pyarrow.RecordBatch
        All rows.
    n : int
        How many threads.

    Returns
    -------
    list of pyarrow.Table or None
        The results in order; None where the rows cannot be cut into shares.
    """
    if isinstance(bound.plan.window, RowWindow):
        return run_key_parts(bound, batch, n)
    times = Rows(*times_of(batch, bound), [])
    bound.lay_grid_on(times)
    if times.time_valid is not None or not len(times.order):
        return None
    if bound.overlaps and (bound.is_float or not is_made_apart(bound)):
        return None
    shares = _cut_in_order(bound, times.order, n)
    ranges = None if shares else choose_ranges(bound, times.order, n)
    if not shares and ranges is None:
        return None
    try:
        rows = rows_of(batch, bound, n)
    except LimitError:  # of texts: one thread lets go of those that no open window refers to
        return None
    codes = None if bound.keys is None else encode_all(bound.keys, batch, n)
    if shares:
        done = _run_in_order(bound, rows, codes, shares)
        if done is not None:
            return done
        ranges = choose_ranges(bound, rows.order, n)
    return None if ranges is None else run_ranges(bound, rows, codes, ranges)


def _cut_in_order(bound: Bound, order: Numbers, n: int) -> list[Share]:
    """Cut rows that are in order, so far as that can be seen; none where they are not."""
    for time in (*order[:1], *order[-1:]):
        bound.cover(int(time))
    shares = _cut(bound, order, n)
    return shares if len(shares) > 1 and _are_in_order(order, shares) else []


def _run_in_order(
    bound: Bound, rows: Rows, codes: Numbers | None, shares: list[Share]
) -> list[pa.Table] | None:
    """Run rows that are in order where they are cut; None where they are not."""
    is_over = threading.Event()
    ran = on_threads(lambda share: _run(bound, rows, codes, share, is_over), shares)
    done = [share for share in ran if share is not None]
    if len(done) < len(ran):
        return None
    bound.state.count_used(len(rows.order))
    bound.state.count_falls(sum(state.falls for state, _ in done))
    return [bound.take_results(state) if table is None else table for state, table in done]


def _cut(bound: Bound, order: Numbers, n: int) -> list[Share]:
    """Cut the rows into at most n shares where windows end.

    Where windows overlap, rows close before a cut are of windows on both sides: both shares take
    them. The rows are trusted to be in order here; that every piece holds what it should is seen
    when it is pushed.
    """
    reach = bound.reach if bound.overlaps else 0
    shares: list[Share] = []
    pieces: list[Piece] = []
    begin, first = 0, INT64_MIN
    after = INT64_MIN
    for k in range(1, n):
        target = len(order) * k // n
        edge = bound.state.pane_end(int(order[target])) if target > begin else None
        if edge is None or edge - reach <= first:
            continue
        cut = target + int(np.searchsorted(order[target:], edge))
        early = begin + int(np.searchsorted(order[begin:cut], edge - reach)) if reach else cut
        if not begin < early <= cut < len(order):
            continue
        both = Piece(early, cut, edge - reach, edge - 1)
        pieces += [Piece(begin, early, first, edge - reach - 1), both]
        shares.append(Share(pieces, after, edge))
        pieces, begin, first, after = [both], cut, edge, edge
    pieces.append(Piece(begin, len(order), first, INT64_MAX))
    return [*shares, Share(pieces, after, INT64_MAX)]


def _are_in_order(order: Numbers, shares: list[Share]) -> bool:
    """Whether the rows near the cuts are where they should be, so far as that can be seen there."""
    for begin, end, first, last in {piece for share in shares for piece in share.pieces}:
        for near in (order[begin : min(begin + NEAR, end)], order[max(begin, end - NEAR) : end]):
            if len(near) and (near.min() < first or near.max() > last):
                return False
    return True


def _run(
    bound: Bound, rows: Rows, codes: Numbers | None, share: Share, is_over: threading.Event
) -> tuple[WindowState, pa.Table | None] | None:
    """Run one share in a state of its own; None where a row is not of it, or is left out.

    The results come along where they are the state's alone to make.
    """
    state = bound.new_state()
    state.guesses = True
    for piece in share.pieces:
        state.restrict(piece.first, piece.last)
        for begin in range(piece.begin, piece.end, PIECE):
            part = slice(begin, min(begin + PIECE, piece.end))
            columns: list[Values] = [
                (None if values is None else values[part], None if valid is None else valid[part])
                for values, valid in rows.columns
            ]
            keys = None if codes is None else codes[part]
            status, _ = state.push(rows.order[part], None, keys, bound.n_keys, columns)
            if status != DONE or is_over.is_set():
                is_over.set()  # the others need not go on
                return None
    if state.close(share.upto if bound.overlaps else INT64_MAX) == DONE and not state.n_left:
        try:
            return state, table_of_range(bound, state, share.after)
        except (AggregateOverflowError, LimitError):
            pass  # one thread tells of the first one, or there are rows elsewhere that belong to it
    is_over.set()
    return None
