"""Look-backs of a one-shot run on several threads: whole keys, or rows one behind the other.

A key is one thread's. Rows without keys are cut into ranges; each thread first takes up the rows
that the first of its own look back on, and numbers rows as they are numbered in all: what is
anchored at numbers of rows stays where it is. Accumulators that remember more than the rows of a
window (of variances and of sums of powers and products) are made anew at anchors, whoever answers
them; they are cut there alone.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tidegate._kernels.rolling import ANCHOR_ROWS, may_begin
from tidegate.core.eventtime import INT64_MIN
from tidegate.core.making import Outputs
from tidegate.core.program import PAIRS, POWERS, SQUARES, SQUARES_INT
from tidegate.core.state import DISORDER, DONE, TOO_MANY_KEPT, array_of
from tidegate.core.threads import on_threads

if TYPE_CHECKING:
    from tidegate._kernels.rolling import RollingState
    from tidegate.core.columns import Numbers
    from tidegate.core.lookbacks.lookback import Unmade
    from tidegate.core.lookbacks.tied import Tied
    from tidegate.core.lookbacks.waiting import Arrivals

__all__ = ["answer_in_shares"]

_REMEMBERS = {SQUARES, SQUARES_INT, PAIRS, POWERS}


class _Share(NamedTuple):
    """What a thread has to answer."""

    state: RollingState
    rows: Arrivals  # what it is given
    results: _Results | None = None  # where results go; None: they stay


def answer_in_shares(tied: Tied, rows: Arrivals, n_threads: int) -> Unmade | None:
    """Compute the results of all rows, in time order, on some threads.

    Parameters
    ----------
    tied : Tied
        Without any rows yet.
    rows : Arrivals
        All rows, with keys in time order.
    n_threads : int
        At most so many.

    Returns
    -------
    Unmade or None
        The results, of the same bits for any number; None where there is nothing to share.

    Raises
    ------
    AggregateOverflowError, DisorderError, LimitError
        As `Tied.answer`.
    """
    if n_threads < 2 or len(rows.order) < n_threads:
        return None
    if rows.codes is not None:
        return _answer_keys(tied, rows, rows.codes, n_threads)
    return _answer_rows(tied, rows, n_threads)


def _run(tied: Tied, shares: list[_Share]) -> None:
    """Answer the rows of all shares."""
    statuses = on_threads(lambda share: _push(tied, share), shares)
    if DISORDER in statuses:
        raise tied.failure(DISORDER, None, tied.state)
    for share, status in zip(shares, statuses, strict=True):
        if status != DONE:
            raise tied.failure(status, share.rows, share.state)


def _lists_of(tied: Tied, shares: list[_Share]) -> list[dict[int, Numbers]]:
    """Take the lists of each share."""
    numbers = [at for at in range(len(tied.program.outputs)) if tied.program.is_list(at)]
    lists = [
        {number: array_of(share.state.take_lists(number), np.int64) for number in numbers}
        for share in shares
    ]
    for number in numbers:
        if sum(len(some[number]) for some in lists) > tied.plan.limits.max_kept:
            raise tied.failure(TOO_MANY_KEPT, None, tied.state)
    return lists


def _push(tied: Tied, share: _Share) -> int:
    """Answer the rows of a share."""
    rows, results = share.rows, share.results
    status = share.state.push(rows.order, rows.codes, tied.n_keys, rows.columns, is_all=True)
    if status == DONE and results is not None:
        results.put(share.state)
    return status


# --------------------------------------------------------------------------------------- whole keys


def _answer_keys(tied: Tied, rows: Arrivals, codes: Numbers, n: int) -> Unmade | None:
    """Answer rows with keys: a share has those of which the codes follow each other."""
    upto = np.cumsum(np.bincount(codes, minlength=tied.n_keys))
    targets = len(codes) * np.arange(1, n) // n
    cuts = np.unique(np.concatenate([[0], np.searchsorted(upto, targets) + 1, [tied.n_keys]]))
    if len(cuts) < 3:
        return None
    ranges = list(pairwise(cuts.tolist()))
    results = _Results(len(codes), len(tied.program.outputs))
    shares = []
    for low, high in ranges:
        shares.append(_Share(tied.new_state(), rows, results=results))
        shares[-1].state.ask_for_keys(low, high)
    _run(tied, shares)
    lists = _lists_of(tied, shares)
    for number in lists[0]:
        begins = np.cumsum([0, *(len(some[number]) for some in lists)]).tolist()
        for (low, high), begin in zip(ranges, begins, strict=False):
            results.words[number][(codes >= low) & (codes < high)] += begin
    return tied.made(rows, results.outputs(rows, _joined(lists)))


def _joined(lists: list[dict[int, Numbers]]) -> dict[int, Numbers]:
    """Put lists behind one another."""
    return {number: np.concatenate([some[number] for some in lists]) for number in lists[0]}


class _Results:
    """Results of all rows, into which threads put theirs."""

    def __init__(self, n_rows: int, n_outputs: int) -> None:
        self.words = [np.empty(n_rows, np.int64) for _ in range(n_outputs)]
        self._flags = [np.ones(n_rows, np.uint8) for _ in range(n_outputs)]
        self._has_null = [False] * n_outputs

    def put(self, state: RollingState) -> None:
        """Put the results of a state into their places."""
        for number, has_null in enumerate(state.put(self.words, self._flags)):
            if has_null:
                self._has_null[number] = True

    def outputs(self, rows: Arrivals, lists: dict[int, Numbers]) -> Outputs:
        """Give the results as one state would have."""
        pairs = zip(self._flags, self._has_null, strict=True)
        valid = [flags if has_null else None for flags, has_null in pairs]
        return Outputs(
            len(rows.order), rows.order, rows.order, rows.codes, list(self.words), valid, lists
        )


# -------------------------------------------------------------------------------- rows without keys


def _answer_rows(tied: Tied, rows: Arrivals, n: int) -> Unmade | None:
    """Answer rows without keys: cut where times differ, or at anchors."""
    remembers = any(acc[0] in _REMEMBERS for acc in tied.program.accs)
    cuts = [0]
    for target in (len(rows.order) * np.arange(1, n) // n).tolist():
        if remembers:
            cut = _anchor_near(tied, rows.order, target, len(rows.order) // (2 * n))
        else:
            cut = int(np.searchsorted(rows.order, rows.order[target]))
            if cut > target:  # so it can be only where the search has met rows out of order
                raise tied.failure(DISORDER, None, tied.state)
        if cut > cuts[-1]:
            cuts.append(cut)
    if len(cuts) < 2:
        return None
    if any(rows.order[cut - 1] > rows.order[cut] for cut in cuts[1:]):
        raise tied.failure(DISORDER, None, tied.state)
    whole, shares = tied.state, []
    whole.begin(len(rows.order))
    for begin, end in pairwise([*cuts, len(rows.order)]):
        left, right = _window_of(tied, rows.order, begin - 1) if begin else (0, 0)
        shares.append(_Share(tied.new_state(), rows.taken(slice(left, end))))
        shares[-1].state.ask_from(begin - left, right - left, left, whole)
    _run(tied, shares)
    ends = pairwise([*cuts, len(rows.order)])
    whole.gather(
        [(share.state, end - begin) for share, (begin, end) in zip(shares, ends, strict=True)]
    )
    return tied.made(rows, tied.taken(rows, whole, _joined(_lists_of(tied, shares))))


def _anchor_near(tied: Tied, times: Numbers, target: int, reach: int) -> int:
    """Find the row nearest to a target at which anything may begin; 0: there is none in reach."""
    first = -(-max(target - reach, 1) // ANCHOR_ROWS) * ANCHOR_ROWS
    rows = range(first, min(target + reach, len(times)), ANCHOR_ROWS)
    for row in sorted(rows, key=lambda row: abs(row - target)):
        left, right = _window_of(tied, times, row - 1)
        is_apart = not tied.look.has_peers or times[row - 1] < times[row]
        if is_apart and may_begin(row, right - left):
            return row
    return 0


def _window_of(tied: Tied, times: Numbers, row: int) -> tuple[int, int]:
    """Find the rows of the window of a row: the first one, and the one after the last."""
    look = tied.look
    if look.rows:
        back = look.rows - (not look.has_left)
        return max(row - back, 0), row + (1 if look.has_right else 0)
    time = int(times[row])
    right = row + 1 if look.has_right else min(int(np.searchsorted(times, time)), row)
    if look.is_float:
        number = float(tied.numbers_of(times[row : row + 1])[0])
        last = tied.order_of(number - look.size_f) - look.has_left
    else:
        last = time - look.size - look.has_left
    if last < INT64_MIN:
        return 0, right
    return min(int(np.searchsorted(times, last, "right")), right), right
