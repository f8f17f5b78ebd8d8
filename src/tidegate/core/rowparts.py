"""Threads in a stream of windows that rows make: the keys in parts, a state and a thread for each.

Every state takes the rows of its own keys alone, and is told where the watermark of all is before
each of them. So it lets rows wait, closes its windows, and leaves rows out, as one state for all
keys does; at the end of a batch all come to the watermark of the stream. Results come out as one
state gives them: by end; of one end, sessions by key, bars by the row that closed them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import numpy as np

from tidegate._kernels.inorder import rises
from tidegate._kernels.row_parts import be_part, gather_left, name_left, place_results
from tidegate.core.errors import SnapshotError, TidegateError
from tidegate.core.eventtime import INT64_MAX
from tidegate.core.lookup import Lookup, push_upto
from tidegate.core.picking import (
    MANY_KEYS,
    Own,
    PickedRows,
    codes_of_all,
    codes_of_part,
    n_keys_of_part,
    weave_rows,
)
from tidegate.core.rowwindows import RowWindow, Session
from tidegate.core.state import DONE, array_of, dump, load, written_windows
from tidegate.core.stateparts import StateParts, move_windows

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from tidegate._kernels.bars import BarState
    from tidegate._kernels.row_state import RowState
    from tidegate._kernels.sessions import SessionState
    from tidegate.core.binding import Values
    from tidegate.core.bound import Bound
    from tidegate.core.codes import Codes
    from tidegate.core.columns import Numbers
    from tidegate.core.rowviews import Rows

    State: TypeAlias = SessionState | BarState

__all__ = ["RowParts", "has_row_parts", "is_worth_row_parts"]

WORTH_ROWS = 1 << 18  # a batch: some milliseconds of work
FEW_ROWS = 8  # of a session
FIRST = 1 << 14  # rows that are tried: a tenth of a batch that is worth threads, at most


def has_row_parts(bound: Bound) -> bool:
    """Whether the rows of a plan of windows that rows make may be taken key by key."""
    program, window = bound.program, bound.plan.window
    return (
        bound.keys is not None
        and isinstance(window, RowWindow)
        and bound.plan.time.is_plain_ahead
        and (program.gives_plain if isinstance(window, Session) else program.gives_words)
        and not program.has_lists
        and not bound.texts
    )


def is_worth_row_parts(bound: Bound, batch: pa.RecordBatch, rows: Rows, n_made: int) -> bool:
    """Whether to copy rows, and to weave results, costs less than several threads save.

    A row that joins a window that is in the cache takes 10 to 15 ns, one whose window is not 50 or
    more, one that begins a session 100, and to bring rows of bars into order takes 15.

    Parameters
    ----------
    bound : Bound
        Where the rows go.
    batch : pyarrow.RecordBatch
        The batch.
    rows : Rows
        The same.
    n_made : int
        How many results there were so far.
    """
    if len(rows.order) < WORTH_ROWS:
        return False
    if bound.parts is not None or bound.n_keys >= MANY_KEYS:
        return True
    if not isinstance(bound.plan.window, Session):
        return not rises(rows.order)
    if bound.head.used:
        return n_made * FEW_ROWS > bound.head.used
    return _are_short(bound, batch, rows)


def _are_short(bound: Bound, batch: pa.RecordBatch, rows: Rows) -> bool:
    """Whether sessions have few rows: the first ones are tried, and those that begin are counted.

    That of a key which has none yet begins anyhow.
    """
    if bound.keys is None:
        return False
    try:
        codes = bound.keys.encode(batch.slice(0, FIRST))
    except TidegateError:
        return False  # one thread says what and where
    state = bound.new_state()
    status, _ = push_upto(state, rows, codes, len(codes), bound.n_keys, 0)
    n_begun = state.n_open + state.n_results - bound.n_keys
    return status == DONE and (bound.n_keys >= MANY_KEYS or n_begun * FEW_ROWS > len(codes))


class RowParts(StateParts["State"]):
    """The open windows of a binding, and the rows that wait, in parts.

    Parameters
    ----------
    bound : Bound
        Its state has none after that; it goes on to have the clock, the counts and the results.
    n : int
        How many parts.

    Notes
    -----
    O(n_open) to make, and O(n_keys) a part.
    """

    def __init__(self, bound: Bound, n: int) -> None:
        super().__init__()
        self._has_bars = not isinstance(bound.plan.window, Session)
        self._n_used = 0  # rows, of all parts
        head = cast("State", bound.head)
        waiting = _taken_waiting(head) if self._has_bars else None
        for number in range(n):
            state = cast("State", bound.new_state())
            be_part(state, number, n)
            windows = written_windows(head.dump_part(number, n), {})
            codes = codes_of_part(bound.n_keys, number, n)
            move_windows(state, windows.recoded(codes), n_keys_of_part(bound.n_keys, n))
            if waiting is not None:
                _let_wait(state, waiting.of_part(codes), has_numbers=True)
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
        n, n_rows, head = len(self.states), len(rows.order), cast("RowState", bound.head)
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

        return self._all(bound, take, lookup.run), self.stop_of(stops)

    def _push(self, state: State, own: Own, n_keys: int, at: int, first: int) -> tuple[int, int]:
        """Take rows of a part, of a chunk from row `at` of a batch on that row `first` begins."""
        marks, valid = own.beside
        state.number_rows(own.numbers, first + at)
        state.follow_marks(marks)
        stopped = state.push(own.times, valid, own.codes, n_keys, own.columns)
        name_left(state, own.numbers, at)
        return stopped

    def close(self, bound: Bound, watermark: int) -> int:
        """Close the windows that end up to a time; the status of the first state that stopped."""
        bound.head.close(watermark)
        if watermark == INT64_MAX and self._has_bars:  # unfinished ones come behind all others
            status = self._all(bound, lambda number: self._end(self.states[number]))
            if status != DONE:
                return status
        return self._all(bound, lambda number: self._close(self.states[number], watermark))

    def _close(self, state: State, watermark: int) -> int:
        """Close windows of a part, and say where what has come out belongs."""
        status = state.close(watermark)
        if status == DONE:
            place_results(state, by_row=self._has_bars and watermark != INT64_MAX)
        return status

    def _end(self, state: State) -> int:
        """Take the rows of a part that wait, at the end of input."""
        status = cast("BarState", state).take_waiting()
        if status == DONE:
            place_results(state, by_row=True)
        return status

    def _all(
        self, bound: Bound, do: Callable[[int], int], meanwhile: Callable[[], None] | None = None
    ) -> int:
        """Do something with each part on its own thread, and hand the results to the head."""
        status = self.on_each(do, meanwhile)
        if status != DONE:
            return status
        states: list[RowState] = [*self.states]
        gather_left(cast("RowState", bound.head), states)
        weave_rows(bound, states)
        before, self._n_used = self._n_used, sum(state.used for state in states)
        bound.head.count_used(self._n_used - before)
        return DONE

    def give_back(self, bound: Bound) -> None:
        """Move the open windows, and the rows that wait, into the state of the binding."""
        n, waiting = len(self.states), []
        for number, state in enumerate(self.states):
            codes = codes_of_all(bound.n_keys, number, n)
            if self._has_bars:
                waiting.append(_taken_waiting(state).recoded(codes))
            move_windows(bound.head, dump(state).recoded(codes), bound.n_keys)
        if waiting:
            _let_wait(cast("State", bound.head), _in_line(waiting), has_numbers=False)

    @property
    def n_waiting(self) -> int:
        """How many rows wait for the watermark."""
        return sum(state.n_waiting for state in self.states)


# ----------------------------------------------------------------------------------- rows that wait


class _WaitingRows(NamedTuple):
    """Rows that wait, in order of time; the last column has their numbers."""

    times: Numbers
    codes: Codes
    columns: list[Values]

    def taken(self, rows: Numbers) -> _WaitingRows:
        """Give some of them, by their places."""
        columns: list[Values] = [
            (None if values is None else values[rows], None if flags is None else flags[rows])
            for values, flags in self.columns
        ]
        return _WaitingRows(self.times[rows], self.codes[rows], columns)

    def of_part(self, codes: Codes) -> _WaitingRows:
        """Give those of a part, with the codes that it has for the keys, -1 for others."""
        own = codes[self.codes]
        rows = np.flatnonzero(own >= 0)
        return self.taken(rows)._replace(codes=own[rows])

    def recoded(self, codes: Codes) -> _WaitingRows:
        """Give the keys other codes."""
        return self._replace(codes=codes[self.codes])


def _taken_waiting(state: State) -> _WaitingRows:
    """Take the rows that wait out of a state; those that have no numbers get some below 0."""
    waiting = cast("BarState", state)
    times, codes, columns = waiting.peek()
    given: list[Values] = [
        (array_of(values, np.int64), None if flags is None else array_of(flags, np.uint8))
        for values, flags in columns
    ]
    n = waiting.n_waiting
    if not waiting.numbers_wait:
        given.append((np.arange(-n, 0), None))
    waiting.forget_waiting()
    return _WaitingRows(array_of(times, np.int64), array_of(codes, np.int32), given)


def _in_line(parts: list[_WaitingRows]) -> _WaitingRows:
    """Put rows of several parts into one line: by time, those of one time as they came."""
    whole = _WaitingRows(
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.codes for part in parts]),
        [_joined(list(pieces)) for pieces in zip(*(part.columns for part in parts), strict=True)],
    )
    numbers = cast("Numbers", whole.columns[-1][0])
    return whole.taken(np.lexsort((numbers, whole.times)))


def _joined(pieces: list[Values]) -> Values:
    """Put pieces of a column behind one another."""
    flags = [
        np.ones(len(cast("Numbers", values)), np.uint8) if valid is None else valid
        for values, valid in pieces
    ]
    values = np.concatenate([cast("Numbers", values) for values, _ in pieces])
    return values, np.concatenate(flags) if any(v is not None for _, v in pieces) else None


def _let_wait(state: State, rows: _WaitingRows, *, has_numbers: bool) -> None:
    """Let rows wait in a state, with their numbers or without."""
    columns = rows.columns if has_numbers else rows.columns[:-1]
    if not cast("BarState", state).let_wait(rows.times, rows.codes, columns):
        raise SnapshotError("the rows that wait are not in order of time: report this")
