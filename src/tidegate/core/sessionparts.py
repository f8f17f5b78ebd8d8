"""Threads in a stream of sessions: the keys in parts, with a state and a thread for each.

Every state takes the rows of its own keys alone, and is told where the watermark of all is before
each of them. So it closes its sessions, and leaves rows out, as one state for all keys does; at the
end of a batch all come to the watermark of the stream. Results come out by end, then by key, as one
state gives them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from tidegate._kernels.row_parts import be_part, gather_left, name_left, place_results
from tidegate.core.lookup import Lookup
from tidegate.core.picking import (
    Own,
    PickedRows,
    codes_of_all,
    codes_of_part,
    n_keys_of_part,
    weave_rows,
)
from tidegate.core.rowwindows import Session
from tidegate.core.state import DONE, array_of, dump, load, written_windows
from tidegate.core.threads import on_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from tidegate._kernels.row_state import RowState
    from tidegate._kernels.sessions import SessionState
    from tidegate.core.bound import Bound
    from tidegate.core.rowviews import Rows

__all__ = ["SessionParts", "has_session_parts", "is_worth_session_parts"]

WORTH_ROWS = 1 << 18  # a batch: some milliseconds of work
MANY_KEYS = 10_000
FEW_ROWS = 8  # of a session


def has_session_parts(bound: Bound) -> bool:
    """Whether the rows of a plan of sessions may be taken key by key."""
    program = bound.program
    return (
        bound.keys is not None
        and isinstance(bound.plan.window, Session)
        and bound.plan.time.is_plain
        and program.gives_plain
        and not program.has_lists
        and not bound.texts
    )


def is_worth_session_parts(bound: Bound, n_rows: int, n_made: int) -> bool:
    """Whether to copy rows, and to weave results, costs less than several threads save.

    A row that joins a session that is in the cache takes 15 ns, one that begins a session 100, and
    so does one whose session is not in the cache.
    """
    are_short = n_made * FEW_ROWS > bound.head.used
    return n_rows >= WORTH_ROWS and (are_short or bound.n_keys >= MANY_KEYS)


class SessionParts:
    """The open sessions of a binding, in parts.

    Parameters
    ----------
    bound : Bound
        Its state has none after that; it goes on to have the clock, the counts and the results.
    n : int
        How many parts.

    Attributes
    ----------
    states : list of SessionState
    failed : SessionState or None
        The one that has stopped, where one has.

    Notes
    -----
    O(n_open) to make, and O(n_keys) a part.
    """

    def __init__(self, bound: Bound, n: int) -> None:
        self.states: list[SessionState] = []
        self.failed: SessionState | None = None
        head = cast("SessionState", bound.head)
        for number in range(n):
            state = cast("SessionState", bound.new_state())
            be_part(state, number, n)
            windows = written_windows(head.dump_part(number, n), {})
            codes = codes_of_part(bound.n_keys, number, n)
            load(state, windows.recoded(codes), n_keys_of_part(bound.n_keys, n))
            self.states.append(state)
        bound.head = bound.new_state()
        bound.head.first_row = head.first_row
        load(bound.head, dump(bound.head)._replace(clock=windows.clock), bound.n_keys)

    def push(self, bound: Bound, batch: pa.RecordBatch, rows: Rows) -> tuple[int, int]:
        """Take a batch; the status of the first state that stopped, and at which row.

        While keys of a chunk of rows are looked up, the states take the rows before it.
        """
        if bound.keys is None:
            raise ValueError("a plan without keys has no parts")
        n, n_rows, head = len(self.states), len(rows.order), cast("SessionState", bound.head)
        marks = array_of(head.move_clock(rows.order, rows.time_valid), np.int64)
        watermark, first, stops = head.reached, head.first_row, [0] * n
        lookup = Lookup(bound.keys, batch, n)

        def take(number: int) -> int:
            state, end = self.states[number], 0
            picked = PickedRows(rows, lookup.codes, number, n, (marks, rows.time_valid))
            while end < n_rows:
                begin, (end, n_keys) = end, lookup.wait(number)
                if n_keys < 0:
                    return DONE
                for at, own in picked.chunks(begin, end):
                    status, stop = self._push(state, own, n_keys_of_part(n_keys, n), at, first)
                    if status != DONE:
                        stops[number] = at + int(own.numbers[stop])
                        return status
            return self._close(state, watermark)

        status = self._all(bound, take, lookup.run)
        head.count_used(n_rows - head.n_left)
        return status, 0 if self.failed is None else stops[self.states.index(self.failed)]

    def _push(
        self, state: SessionState, own: Own, n_keys: int, at: int, first: int
    ) -> tuple[int, int]:
        """Take rows of a part, of a chunk from row `at` on of a batch that row `first` begins."""
        marks, valid = own.beside
        state.number_rows(own.numbers, first + at)
        state.follow_marks(marks)
        stopped = state.push(own.times, valid, own.codes, n_keys, own.columns)
        name_left(state, own.numbers, at)
        return stopped

    def close(self, bound: Bound, watermark: int) -> int:
        """Close the sessions that end up to a time; the status of the first state that stopped."""
        bound.head.close(watermark)
        return self._all(bound, lambda number: self._close(self.states[number], watermark))

    def _close(self, state: SessionState, watermark: int) -> int:
        """Close sessions of a part, and say where what has come out belongs."""
        status = state.close(watermark)
        if status == DONE:
            place_results(state)
        return status

    def _all(
        self, bound: Bound, do: Callable[[int], int], meanwhile: Callable[[], None] | None = None
    ) -> int:
        """Do something with each part on its own thread, and hand the results to the head."""
        n = len(self.states)

        def run(number: int) -> int:
            """Do it with one, or what is to be done meanwhile."""
            if number < n or meanwhile is None:
                return do(number)
            meanwhile()
            return DONE

        statuses = on_threads(run, range(n + (meanwhile is not None)))
        for status, state in zip(statuses, self.states, strict=False):
            if status != DONE:
                self.failed = state
                return status
        states: list[RowState] = [*self.states]
        head = cast("RowState", bound.head)
        gather_left(head, states)
        weave_rows(bound, states)
        return DONE

    def give_back(self, bound: Bound) -> None:
        """Move the open sessions into the state of the binding."""
        n = len(self.states)
        for number, state in enumerate(self.states):
            windows = dump(state).recoded(codes_of_all(bound.n_keys, number, n))
            clock = (*windows.clock[:3], 0)  # whose rows are counted already
            load(bound.head, windows._replace(clock=clock), bound.n_keys)

    @property
    def n_open(self) -> int:
        """How many sessions are open."""
        return sum(state.n_open for state in self.states)

    @property
    def n_kept(self) -> int:
        """How many values they keep."""
        return sum(state.n_kept for state in self.states)
