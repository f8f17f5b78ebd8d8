"""Threads: the rows of a one-shot run in shares of whole windows.

The rows are cut where a window ends. If every row before the cut is of an earlier window than
every row after it, as it is in data that is roughly in order, each share is a run of its own and
the results are simply one after the other. A row on the wrong side stops the shares, and the run
is done by one thread: the answer is the same, to the last bit, for any number.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tidegate.core.bound import Values, rows_of
from tidegate.core.errors import InputError
from tidegate.core.eventtime import INT64_MAX, INT64_MIN
from tidegate.core.results import ResultTables
from tidegate.core.rowwindows import RowWindow
from tidegate.core.state import DONE
from tidegate.core.windows import Sliding

if TYPE_CHECKING:
    import pyarrow as pa

    from tidegate._kernels.window_state import WindowState
    from tidegate.core.bound import Bound, Rows
    from tidegate.core.columns import Numbers

__all__ = ["n_threads", "run_shares"]

WORTH_A_THREAD = 1 << 20  # rows: a few milliseconds of work


class Share(NamedTuple):
    """Consecutive rows whose times lie in [first, last]."""

    begin: int
    end: int
    first: int
    last: int


def n_threads(threads: int | None, n_rows: int) -> int:
    """Choose how many threads to use: all CPUs where the work is worth it, unless said.

    Raises
    ------
    InputError
        If `threads` is no number from 1 on.
    """
    if threads is None:
        return max(1, min(_n_cpus(), n_rows // WORTH_A_THREAD))
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InputError(f"threads is {threads!r}: give a number from 1 on")
    return threads


def _n_cpus() -> int:
    """How many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_shares(bound: Bound, batch: pa.RecordBatch, n: int) -> list[pa.Table] | None:
    """Run a batch in n shares.

    Parameters
    ----------
    bound : Bound
        Without any rows yet; its windows must not overlap.
    batch : pyarrow.RecordBatch
        All rows.
    n : int
        How many threads.

    Returns
    -------
    list of pyarrow.Table or None
        The results in order; None where the rows cannot be cut into shares.
    """
    if isinstance(bound.plan.window, Sliding | RowWindow):
        return None
    rows = rows_of(batch, bound)
    bound.lay_grid_on(rows)
    if rows.time_valid is not None:
        return None
    for time in (*rows.order[:1], *rows.order[-1:]):
        bound.cover(int(time))
    shares = _cut(bound, rows.order, n)
    if len(shares) < 2:
        return None
    codes = None if bound.keys is None else bound.keys.encode(batch)
    with ThreadPoolExecutor(len(shares), "tidegate") as pool:
        ran = list(pool.map(lambda share: _run(bound, rows, codes, share), shares))
    done = [share for share in ran if share is not None]
    if len(done) < len(ran):
        return None
    bound.state.count_used(sum(state.used for state, _ in done))
    bound.state.count_falls(sum(state.falls for state, _ in done))
    return [bound.take_results(state) if table is None else table for state, table in done]


def _cut(bound: Bound, order: Numbers, n: int) -> list[Share]:
    """Cut the rows into at most n shares where windows end."""
    shares: list[Share] = []
    begin, first = 0, INT64_MIN
    for k in range(1, n):
        target = len(order) * k // n
        if target <= begin:
            continue
        edge = bound.state.pane_end(int(order[target]))
        cut = target + int(np.searchsorted(order[target:], edge)) if edge is not None else begin
        if edge is not None and begin < cut < len(order):
            shares.append(Share(begin, cut, first, edge - 1))
            begin, first = cut, edge
    shares.append(Share(begin, len(order), first, INT64_MAX))
    return shares


def _run(
    bound: Bound, rows: Rows, codes: Numbers | None, share: Share
) -> tuple[WindowState, pa.Table | None] | None:
    """Run one share in a state of its own; None where a row is not of it, or is left out.

    The results come along where they are the state's alone to make.
    """
    state = bound.new_state()
    state.guesses = True
    state.restrict(share.first, share.last)
    part = slice(share.begin, share.end)
    columns: list[Values] = [
        (None if values is None else values[part], None if valid is None else valid[part])
        for values, valid in rows.columns
    ]
    keys = None if codes is None else codes[part]
    status, _ = state.push(rows.order[part], None, keys, bound.n_keys, columns)
    if status != DONE or state.close(INT64_MAX) != DONE or state.n_left:
        return None
    if bound.keys is not None or bound.filler is not None or not bound.program.gives_words:
        return state, None
    return state, ResultTables(bound.schema, bound.program).take(state, None)
