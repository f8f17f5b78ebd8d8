"""Threads: the rows of a one-shot run by keys, for windows that rows make.

Each thread takes some of the keys, whole, and all rows of these, chunk by chunk: copies of them lie
close together, in the cache, and go into a state of its own. Rows of other keys mean nothing to
them, as long as nothing is late: so what comes out is what one state gives, to the last bit.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from tidegate._kernels.inorder import furthest_behind, rises
from tidegate._kernels.row_parts import be_part, place_results
from tidegate.core.allkeys import encode_all
from tidegate.core.bound import Bound
from tidegate.core.errors import TidegateError
from tidegate.core.eventtime import INT64_MAX, INT64_MIN
from tidegate.core.picking import (
    CHUNK,
    MANY_KEYS,
    MOST_PARTS,
    MOST_ROWS,
    Own,
    PickedRows,
    n_keys_of_part,
    weave_rows,
)
from tidegate.core.rowrule import check_rows
from tidegate.core.rowviews import rows_of
from tidegate.core.rowwindows import Session
from tidegate.core.run import MAX_BATCH
from tidegate.core.state import DONE
from tidegate.core.threads import on_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa

    from tidegate._kernels.row_state import RowState
    from tidegate._kernels.window_state import WindowState
    from tidegate.core.binding import Values
    from tidegate.core.codes import Codes
    from tidegate.core.columns import Numbers
    from tidegate.core.rowviews import Rows

__all__ = ["run_key_parts"]

SOME_KEYS = 16  # for each thread
FIRST = 1 << 17  # rows among which so many keys have to be
ROUND = 1 << 20  # rows taken until results come out


class _Part:
    """Some of the keys: their state, and the way of their rows into it."""

    def __init__(
        self, bound: Bound, state: WindowState, rows: Rows, codes: Codes, number: int, n: int
    ) -> None:
        self._rows = PickedRows(rows, codes, number, n)
        self._n_keys = n_keys_of_part(bound.n_keys, n)
        self._is_session = isinstance(bound.plan.window, Session)
        self.state = cast("RowState", state)
        be_part(self.state, number, n)

    def push(self, begin: int) -> bool:
        """Take a round of rows, all of which are in order; whether nothing is in the way."""
        self.state.guesses = True
        return self._push_all(self._rows.chunks(begin, begin + ROUND))

    def push_sessions(self, begin: int, ahead: Numbers, *, in_order: bool) -> bool:
        """Take a round of rows into sessions.

        Those that end before all rows to come, of which `ahead` tells for each chunk, come out:
        where rows are in order, at the end of the round, since the others have done so by then.
        """
        self.state.guesses = in_order
        end = min(begin + ROUND, len(ahead) * CHUNK)
        for at, own in self._rows.chunks(begin, end):
            if not self._push_all([(at, own)]):
                return False
            is_due = not in_order or at + CHUNK >= end
            if is_due and not self._close(int(ahead[at // CHUNK])):
                return False
        return True

    def push_bars(self) -> bool:
        """Take all rows, which are in any order, by time."""
        self.state.guesses = True
        return self._push_all(self._rows.chunks_in_order())

    def close(self) -> bool:
        """Close what is open; whether nothing is in the way."""
        return self._close(INT64_MAX)

    def _close(self, watermark: int) -> bool:
        """Close what ends up to a time, and say where it belongs."""
        if self.state.close(watermark) != DONE:
            return False
        place_results(self.state)
        return True

    def _push_all(self, chunks: Iterable[tuple[int, Own]]) -> bool:
        """Push rows, and say where what they close belongs; whether nothing is in the way."""
        for first, own in chunks:
            self.state.number_rows(own.numbers, first)
            status, _ = self.state.push(own.times, None, own.codes, self._n_keys, own.columns)
            if status != DONE or self.state.n_left:
                return False
            place_results(self.state, by_row=not self._is_session)
        return True


def run_key_parts(bound: Bound, batch: pa.RecordBatch, n: int) -> list[pa.Table] | None:
    """Run a batch in n parts of the keys.

    Parameters
    ----------
    bound : Bound
        Without any rows yet; its windows are such that rows make.
    batch : pyarrow.RecordBatch
        All rows.
    n : int
        How many threads.

    Returns
    -------
    list of pyarrow.Table or None
        The results in order; None where keys are few, a row is left out, a limit is near, or
        something fails.

    Notes
    -----
    O(n_rows) a thread for a look at the codes, then each row once. Bars whose rows are not in order
    are sorted, each part by itself.
    """
    program = bound.program
    if bound.keys is None or not program.gives_plain or program.has_lists or bound.texts:
        return None
    rows = rows_of(batch, bound)
    if rows.time_valid is not None or not 0 < len(rows.order) <= MOST_ROWS:
        return None
    if not _can_be_bars(bound, rows, n):
        return None
    n = min(n, MOST_PARTS)
    try:
        bound.keys.encode(batch.slice(0, FIRST))
        is_worth_it = bound.n_keys >= MANY_KEYS or not rises(rows.order[:FIRST])
        if bound.n_keys < n * SOME_KEYS or not is_worth_it:
            return None
        codes = encode_all(bound.keys, batch, n)
    except TidegateError:
        return None  # one thread says what and where
    if bound.head.rows_to_limit(bound.n_keys) < len(codes):
        return None
    in_order = _is_in_order(rows.order, n)
    source = bound if in_order else _with_lateness(bound, batch.schema, rows)
    parts = [_Part(bound, source.new_state(), rows, codes, number, n) for number in range(n)]
    states = [part.state for part in parts]
    tables: list[pa.Table] = []
    for step in _steps(bound, rows, in_order=in_order):
        if not all(on_threads(step, parts)):
            return None
        weave_rows(bound, states)
        tables.append(bound.take_results())
    bound.head.count_used(len(codes))
    return tables


def _with_lateness(bound: Bound, schema: pa.Schema, rows: Rows) -> Bound:
    """Bind a plan of sessions with the least lateness that lets no row be late.

    So they close as rows come, where those of other parts do so by the same rows or the times
    ahead: no part closes one that another, at the end of a chunk, keeps open.
    """
    if bound.is_float or not isinstance(bound.plan.window, Session):
        return bound
    lateness, _ = furthest_behind(rows.order, None, INT64_MIN)
    if lateness > INT64_MAX:
        return bound
    return Bound(replace(bound.plan, lateness=lateness), schema)


def _steps(bound: Bound, rows: Rows, *, in_order: bool) -> list[Callable[[_Part], bool]]:
    """Choose what all parts do before results come out.

    A round of them: so there is never more than that ready, in memory that is used again. Of bars
    whose rows are not in order all; and those that rows have closed come before unfinished ones.
    """
    rounds = range(0, len(rows.order), ROUND)
    if isinstance(bound.plan.window, Session):
        push = partial(_Part.push_sessions, ahead=_times_ahead(rows.order), in_order=in_order)
        return [partial(push, begin=begin) for begin in rounds]
    if in_order:
        return [*(partial(_Part.push, begin=begin) for begin in rounds), _Part.close]
    return [_Part.push_bars, _Part.close]


def _times_ahead(order: Numbers) -> Numbers:
    """Tell the least time of all rows behind each chunk; there are none behind the last."""
    least = np.minimum.reduceat(order, np.arange(0, len(order), CHUNK))
    ahead = np.append(least[1:], INT64_MAX)
    return np.minimum.accumulate(ahead[::-1])[::-1]


def _is_in_order(order: Numbers, n: int) -> bool:
    """Whether times never fall."""

    def look(number: int) -> bool:
        """Look at every n-th chunk, up to where the next one begins."""
        begins = range(number * CHUNK, len(order), n * CHUNK)
        return all(rises(order[at : at + CHUNK + 1]) for at in begins)

    return all(on_threads(look, range(n)))


def _can_be_bars(bound: Bound, rows: Rows, n: int) -> bool:
    """Whether a run would refuse none of its batches, where its windows are bars."""
    if isinstance(bound.plan.window, Session):
        return True
    is_long = len(rows.order) > bound.plan.limits.max_look_back
    if is_long and not _is_in_order(rows.order, n):
        return False  # too many would wait

    def check(number: int) -> None:
        """Look at every n-th batch."""
        for begin in range(number * MAX_BATCH, len(rows.order), n * MAX_BATCH):
            some = slice(begin, begin + MAX_BATCH)
            columns: list[Values] = [
                (None if values is None else values[some], None if valid is None else valid[some])
                for values, valid in rows.columns
            ]
            part = rows._replace(times=rows.times[some], order=rows.order[some], columns=columns)
            check_rows(bound, part, begin)

    try:
        on_threads(check, range(n))
    except TidegateError:
        return False
    return True
