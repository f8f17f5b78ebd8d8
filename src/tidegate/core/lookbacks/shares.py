"""Look-backs on several threads: whole keys, or rows one behind the other.

A key is one thread's. Rows without keys are cut into ranges; each thread first takes up the rows
that the first of its own look back on, and numbers rows as they are numbered in all: what is
anchored at numbers of rows stays where it is. Accumulators that remember more than the rows of a
window (of variances and of sums of powers and products) are made anew at anchors, whoever answers
them; they are cut there alone.

In a stream the first thread goes on from the rows before, and the state of the last is that of the
stream from there on; with keys the state of the stream lends each thread those that are its own.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tidegate._kernels.rolling import ANCHOR_ROWS, may_begin
from tidegate.core.eventtime import INT64_MIN
from tidegate.core.making import Outputs
from tidegate.core.program import OF_LIST, PAIRS, POWERS, SQUARES, SQUARES_INT
from tidegate.core.state import DISORDER, DONE, TOO_MANY_KEPT, array_of
from tidegate.core.threads import on_threads, parts_of

if TYPE_CHECKING:
    from tidegate._kernels.rolling import RollingState
    from tidegate.core.columns import Numbers
    from tidegate.core.lookbacks.lookback import Unmade
    from tidegate.core.lookbacks.tied import Tied
    from tidegate.core.lookbacks.waiting import Arrivals

__all__ = ["answer_in_shares", "answer_more"]

# Rows that tell how many each key has: spread by the golden ratio, so that keys in turn are met.
SAMPLES = np.modf(np.arange(1 << 12) * 0.6180339887498949)[0]
WORTH_SHARES = 1 << 16  # rows of a batch: some tenths of a millisecond, one of which is a thread's
BLOCK = 1 << 14  # rows whose places are moved at a time

_REMEMBERS = {SQUARES, SQUARES_INT, PAIRS, POWERS}


class _Share(NamedTuple):
    """What a thread has to answer."""

    state: RollingState
    rows: Arrivals  # what it is given
    results: _Results | None = None  # where results go; None: they stay
    is_all: bool = True  # no rows will come behind these


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
    if rows.codes is None:
        return _answer_rows(tied, rows, n_threads)
    by_key = _shares_of_keys(tied, rows, rows.codes, n_threads)
    if by_key is None:
        return None
    _run(tied, by_key.shares)
    return by_key.made(tied, rows, rows.codes)


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
    for number in numbers:  # ranges of rows are counted when they are laid
        is_of_values = tied.program.outputs[number].op == OF_LIST
        n_values = sum(len(some[number]) for some in lists)
        if is_of_values and n_values > tied.plan.limits.max_kept:
            raise tied.failure(TOO_MANY_KEPT, None, tied.state)
    return lists


def _push(tied: Tied, share: _Share) -> int:
    """Answer the rows of a share."""
    rows, results = share.rows, share.results
    status = share.state.push(
        rows.order, rows.codes, tied.n_keys, rows.columns, is_all=share.is_all
    )
    if status == DONE and results is not None:
        results.put(share.state)
    return status


# --------------------------------------------------------------------------------------- whole keys


class _KeyShares(NamedTuple):
    """Shares of rows with keys, and the results that they put into place."""

    shares: list[_Share]
    n_keys: list[int]  # of each
    results: _Results

    def made(self, tied: Tied, rows: Arrivals, codes: Numbers) -> Unmade:
        """Make results of what the shares have answered."""
        lists, n = _lists_of(tied, self.shares), len(self.shares)
        for number in lists[0]:
            begins = np.cumsum([0, *(len(some[number]) for some in lists[:-1])])
            by = np.repeat(begins, self.n_keys)
            if begins[-1]:
                below = tied.program.outputs[number].op != OF_LIST
                self.results.move(number, codes, by, n, below=below)
        return tied.made(rows, self.results.outputs(rows, _joined(lists)), n)


def _shares_of_keys(
    tied: Tied, rows: Arrivals, codes: Numbers, n: int, *, is_all: bool = True
) -> _KeyShares | None:
    """Share rows with keys out: a share has those of which the codes follow each other.

    None where all would go to one.
    """
    cuts = _cuts_of_keys(codes, tied.n_keys, n)
    if len(cuts) < 3:
        return None
    results = _Results(len(codes), len(tied.program.outputs))
    shares = []
    for number, (low, high) in enumerate(pairwise(cuts.tolist())):
        state = tied.new_state() if is_all else tied.helper(number)
        state.ask_for_keys(low, high)
        shares.append(_Share(state, rows, results, is_all))
    return _KeyShares(shares, np.diff(cuts).tolist(), results)


def _cuts_of_keys(codes: Numbers, n_keys: int, n: int) -> Numbers:
    """Cut the codes of keys into at most n ranges of about as many rows each."""
    some = np.sort(codes[(SAMPLES * len(codes)).astype(np.int64)])
    targets = len(some) * np.arange(1, n) // n
    values = some[targets].astype(np.int64)
    n_below, n_upto = (np.searchsorted(some, values, side) for side in ("left", "right"))
    return np.unique([0, *(values + (n_upto - targets < targets - n_below)), n_keys])


def _answer_more_keys(tied: Tied, rows: Arrivals, codes: Numbers, n_threads: int) -> Unmade | None:
    """Answer more rows with keys of a stream, which lends their keys to the shares."""
    by_key = _shares_of_keys(tied, rows, codes, n_threads, is_all=False)
    if by_key is None:
        return None
    states = [share.state for share in by_key.shares]
    tied.state.lend_keys(states, tied.n_keys)
    try:
        _run(tied, by_key.shares)
    finally:
        tied.state.take_keys_back(states)
    return by_key.made(tied, rows, codes)


def _joined(lists: list[dict[int, Numbers]]) -> dict[int, Numbers]:
    """Put lists behind one another."""
    return {number: _behind_another([some[number] for some in lists]) for number in lists[0]}


def _behind_another(parts: list[Numbers]) -> Numbers:
    """Put words behind one another, each part on a thread."""
    ends = np.cumsum([0, *map(len, parts)]).tolist()
    whole = np.empty(ends[-1], np.int64)
    places = [whole[begin:end] for begin, end in pairwise(ends)]
    on_threads(lambda pair: np.copyto(*pair), list(zip(places, parts, strict=True)))
    return whole


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

    def move(self, number: int, codes: Numbers, by: Numbers, threads: int, *, below: bool) -> None:
        """Add to the results of an output, which are places, what is said of each key.

        Where only those `below` 0 are places, they count down from there.
        """
        words = self.words[number]

        def move(part: slice) -> None:
            """Move those of some rows, few at a time: what is made of them stays in the cache."""
            for begin in range(part.start, part.stop, BLOCK):
                some = slice(begin, min(begin + BLOCK, part.stop))
                places, further = words[some], by[codes[some]]
                if below:
                    np.subtract(places, further, out=places, where=places < 0)
                else:
                    places += further

        on_threads(move, parts_of(len(words), threads, WORTH_SHARES))

    def outputs(self, rows: Arrivals, lists: dict[int, Numbers]) -> Outputs:
        """Give the results as one state would have."""
        pairs = zip(self._flags, self._has_null, strict=True)
        valid = [flags if has_null else None for flags, has_null in pairs]
        return Outputs(
            len(rows.order), rows.order, rows.order, rows.codes, list(self.words), valid, lists
        )


# -------------------------------------------------------------------------------- rows without keys


class _Behind(NamedTuple):
    """A row that a share begins with, and the window of the row before it."""

    cut: int
    left: int
    right: int


def _answer_rows(tied: Tied, rows: Arrivals, n: int) -> Unmade | None:
    """Answer all rows there are, without keys."""
    begins = _begins_of(tied, rows.order, 0, n)
    if not begins:
        return None
    whole, first = tied.state, tied.new_state()
    return _run_behind(tied, rows, begins, (whole, first))


def answer_more(tied: Tied, rows: Arrivals, n_threads: int) -> Unmade | None:
    """Compute the results of more rows of a stream, in time order, on some threads.

    Parameters
    ----------
    tied : Tied
        The stream; its state is another after this.
    rows : Arrivals
        Rows behind those before.
    n_threads : int
        At most so many.

    Returns
    -------
    Unmade or None
        The results, of the same bits for any number; None, and nothing taken, where there is
        nothing to share: few rows, windows longer than a share, a single key.

    Raises
    ------
    AggregateOverflowError, LimitError
        As `Tied.answer`.
    """
    if n_threads < 2 or len(rows.order) < WORTH_SHARES:
        return None
    if rows.codes is not None:
        return _answer_more_keys(tied, rows, rows.codes, n_threads)
    if not _can_be_cut(tied):
        return None
    n = min(n_threads, 2 * len(rows.order) // WORTH_SHARES)
    begins = _begins_of(tied, rows.order, tied.state.n_seen, n)
    if not begins:
        return None
    return _run_behind(tied, rows, begins, (tied.new_state(), tied.state), goes_on=True)


def _can_be_cut(tied: Tied) -> bool:
    """Whether rows of a stream without keys may be shared out.

    Values that a batch gives once would be there twice, where a window is cut, and count twice for
    the limit of them.
    """
    return not any(output.op == OF_LIST and output.how for output in tied.program.outputs)


def _run_behind(
    tied: Tied,
    rows: Arrivals,
    begins: list[_Behind],
    states: tuple[RollingState, RollingState],
    *,
    goes_on: bool = False,
) -> Unmade:
    """Answer rows in shares: what all results go to, and what has seen the rows before."""
    whole, first = states
    n_rows, n_seen = len(rows.order), first.n_seen
    ends = [*(begin.cut for begin in begins), n_rows]
    whole.begin(n_rows)
    first.ask_among(whole, 0)
    shares = [_Share(first, rows.taken(slice(0, ends[0])))]
    for begin, end in zip(begins, ends[1:], strict=True):
        state = tied.new_state()
        shares.append(_Share(state, rows.taken(slice(begin.left, end))))
        state.ask_among(whole, begin.left)
        state.ask_from(begin.cut - begin.left, begin.right - begin.left, n_seen + begin.left)
    if goes_on:
        shares[0] = shares[0]._replace(is_all=False)
        shares[-1] = shares[-1]._replace(is_all=False)
    _run(tied, shares)
    counts = np.diff([0, *ends]).tolist()
    whole.gather([(share.state, count) for share, count in zip(shares, counts, strict=True)])
    outputs = tied.taken(rows, whole, _joined(_lists_of(tied, shares)))
    if goes_on:
        tied.state = shares[-1].state
        tied.state.be_whole()
    return tied.made(rows, outputs, len(shares))


def _begins_of(tied: Tied, times: Numbers, n_seen: int, n: int) -> list[_Behind]:
    """Find rows for n shares to begin with: where times differ, or at anchors; few, or none."""
    remembers = any(acc[0] in _REMEMBERS for acc in tied.program.accs)
    begins: list[_Behind] = []
    for target in (len(times) * np.arange(1, n) // n).tolist():
        if remembers:
            begin = _anchor_near(tied, times, n_seen, (target, len(times) // (2 * n)))
        else:
            cut = int(np.searchsorted(times, times[target]))
            if cut > target:  # so it can be only where the search has met rows out of order
                raise tied.failure(DISORDER, None, tied.state)
            begin = _behind(tied, times, n_seen, cut)
        if begin is not None and begin.cut > (begins[-1].cut if begins else 0):
            begins.append(begin)
    if any(times[cut - 1] > times[cut] for cut, *_ in begins):
        raise tied.failure(DISORDER, None, tied.state)
    return begins


def _anchor_near(tied: Tied, times: Numbers, n_seen: int, where: tuple[int, int]) -> _Behind | None:
    """Find the row nearest to a target at which anything may begin; None: none is in reach."""
    target, reach = where
    first = -(-(n_seen + max(target - reach, 1)) // ANCHOR_ROWS) * ANCHOR_ROWS - n_seen
    rows = range(first, min(target + reach, len(times)), ANCHOR_ROWS)
    for row in sorted(rows, key=lambda row: abs(row - target)):
        begin = _behind(tied, times, n_seen, row)
        is_apart = not tied.look.has_peers or times[row - 1] < times[row]
        if begin and is_apart and may_begin(n_seen + row, begin.right - begin.left):
            return begin
    return None


def _behind(tied: Tied, times: Numbers, n_seen: int, cut: int) -> _Behind | None:
    """Find the window of the row before a cut; None where it reaches back behind these rows."""
    if not cut:
        return None
    left, right = _window_of(tied, times, n_seen, cut - 1)
    if left < 0 or (n_seen and not tied.look.rows and not left):
        return None
    return _Behind(cut, left, right)


def _window_of(tied: Tied, times: Numbers, n_seen: int, row: int) -> tuple[int, int]:
    """Find the rows of the window of a row: the first one, and the one after the last."""
    look = tied.look
    if look.rows:
        left = row - look.rows + (not look.has_left)
        return max(left, -n_seen), row + (1 if look.has_right else 0)
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
