"""Threads in a stream: the windows of a batch in parts, with a state and a thread for each.

The batch is cut where windows end, as far as its rows are in order there; next to a cut they may be
in any order. The rows of the first part go on in the state that is there, each of the others begins
a new one, at the watermark that its rows see. When all are done, the windows of each part but the
last are closed, and the last part is the state that goes on: what comes out, is left out and stays
open is what one thread would have had, to the last bit.

Where a row turns up that is on the wrong side of a cut, the part that it belongs to goes on alone
from where it stopped, and what was done in vain is forgotten.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from tidegate._kernels.cuts import find_cut
from tidegate.core.eventtime import INT64_MAX, INT64_MIN
from tidegate.core.lookup import Lookup, push_upto
from tidegate.core.ranges import table_of_range
from tidegate.core.rowwindows import RowWindow
from tidegate.core.state import DONE, FOREIGN
from tidegate.core.threads import beside, on_threads

if TYPE_CHECKING:
    import pyarrow as pa

    from tidegate._kernels.window_state import WindowState
    from tidegate.core.bound import Bound
    from tidegate.core.rowviews import Rows

__all__ = ["WORTH_WINDOWS", "Taken", "WindowParts", "can_have_windows_apart"]

WORTH_WINDOWS = 1 << 18  # rows without keys: half a millisecond of work
SPAN = 1 << 14  # rows next to a cut that are looked at
MOST_SHARE = 0.8  # of the rows in one part, for threads to be worth it
PAUSE = 16  # batches that are not cut after one that could not be
LEAST_LAST, MOST_LAST = 0.5, 1.25  # rows of the last part, which may look all keys up as well
MANY_RESULTS = 1 << 14  # from which each thread makes its table
REFUSES_ALL, PASSES_EARLIER, PASSES_LATER = range(3)
NOT_DONE = -1  # somebody else has stopped


def can_have_windows_apart(bound: Bound) -> bool:
    """Whether windows that end later may be taken by themselves."""
    plan = bound.plan
    return (
        plan.lateness is not None
        and not isinstance(plan.window, RowWindow)
        and plan.time.is_plain_ahead
        and bound.filler is None
        and bound.program.gives_plain
        and not bound.texts
        and not (bound.overlaps and bound.is_float)
    )


class Cut(NamedTuple):
    """Where a part ends and the next one begins, see `find_cut`."""

    edge: int
    begin: int
    end: int
    after: int
    least: int


class Piece(NamedTuple):
    """Consecutive rows, and the times that are taken; some of the others may be passed."""

    begin: int
    end: int
    first: int
    last: int
    passes: int


class Stop(NamedTuple):
    """What a push has ended with, and at which row."""

    status: int
    row: int


class Taken(NamedTuple):
    """What has become of a batch.

    Attributes
    ----------
    states : list of WindowState
        In the order of their results; the last of them goes on.
    tables : list of pyarrow.Table or None
        Results that were taken out of them.
    status, row : int
        What the last of them has stopped with.
    """

    states: list[WindowState]
    tables: list[pa.Table | None]
    status: int
    row: int


class WindowParts:
    """Takes batches of a binding on several threads, each with some of the windows.

    Attributes
    ----------
    spares : list of WindowState
        Empty, to be used again.
    """

    def __init__(self) -> None:
        self.spares: list[WindowState] = []
        self._pause = 0
        self._last = 1.0  # rows of the last part, for each row of another

    def push(self, bound: Bound, batch: pa.RecordBatch, rows: Rows, n: int) -> Taken | None:
        """Take a batch on at most n threads.

        Parameters
        ----------
        bound : Bound
            Afterwards its state is the last of those returned.
        batch : pyarrow.RecordBatch
            The rows.
        rows : Rows
            The same.
        n : int
            How many threads.

        Returns
        -------
        Taken or None
            None, and nothing taken, where the batch cannot be cut.
        """
        if self._pause:
            self._pause -= 1
            return None
        bound.cover_rows(rows)
        cuts = _cuts(bound, rows, n, self._last)
        if not cuts:
            return None
        first = bound.state  # with all windows, if they were in parts
        states = [first, *(self._spare(bound) for _ in cuts)]
        for state, cut in zip(states[1:], cuts, strict=True):
            state.begin_at(first, cut.edge)
        used = first.used
        work = _Work(bound, batch, rows, cuts, states)
        taken = work.run()
        if len(taken.states) < len(states):
            self._pause = PAUSE
        else:
            self._last = work.better_last
        last = taken.states[-1]
        if taken.status == DONE:
            if any(state.n_left for state in taken.states[:-1]):
                last.gather_left(taken.states[:-1])
            last.count_used(used + len(rows.order) - last.n_left - last.used)
        self.spares.extend(state for state in states if state is not last)
        bound.head = last
        return taken

    def _spare(self, bound: Bound) -> WindowState:
        """A state without rows."""
        return self.spares.pop() if self.spares else bound.new_state()


def _cuts(bound: Bound, rows: Rows, n: int, last: float) -> list[Cut]:
    """Cut a batch into at most n parts; none where that is not worth it.

    The last part has `last` rows for each row of another.
    """
    n_rows, reach = len(rows.order), bound.reach if bound.overlaps else 0
    span = min(SPAN, n_rows // (8 * n))
    cuts: list[Cut] = []
    for k in range(1, n):
        target = int(n_rows * k / (n - 1 + last))
        found = find_cut(bound.head, rows.order, rows.time_valid, target, span, reach)
        if found is None:
            continue
        cut = Cut(*found)
        edge, after = (cuts[-1].edge, cuts[-1].after) if cuts else (INT64_MIN, 0)
        if cut.edge - reach > edge and cut.begin >= after and cut.least >= edge:
            cuts.append(cut)
    begins, ends = [0, *(cut.begin for cut in cuts)], [*(cut.end for cut in cuts), n_rows]
    longest = max(end - begin for begin, end in zip(begins, ends, strict=True))
    return [] if longest > MOST_SHARE * n_rows else cuts


class _Work:
    """One batch on its way into several states."""

    def __init__(
        self,
        bound: Bound,
        batch: pa.RecordBatch,
        rows: Rows,
        cuts: list[Cut],
        states: list[WindowState],
    ) -> None:
        self._bound, self._rows, self._cuts, self._states = bound, rows, cuts, states
        self._reach = bound.reach if bound.overlaps else 0
        self._lookup = None
        if bound.keys is not None:
            self._lookup = Lookup(bound.keys, batch, len(states))
        self._known = [(0, 0) if self._lookup else (len(rows.order), 1) for _ in states]
        self._ends = [0.0 for _ in cuts]  # of the parts but the last
        self._times = (0.0, 0.0, 0.0)  # begin and end of the last part, end of the others
        self._n_last = len(rows.order) - cuts[-1].begin
        self._first_over = len(states)  # this part and those after it work in vain

    @property
    def better_last(self) -> float:
        """How many rows the last part should have had, for each of another, to end with them.

        Half way there: not all that takes time is the same from batch to batch.
        """
        n, n_rows = len(self._states), len(self._rows.order)
        begin, end, others_end = self._times
        more = (others_end - end) / max(end - begin, 1e-9) * self._n_last * (n - 1) / n / 2
        wanted = min(max(self._n_last + more, n_rows / n * LEAST_LAST), n_rows / n * MOST_LAST)
        return wanted / (n_rows - wanted) * (n - 1)

    def run(self) -> Taken:
        """Take all rows, and close the windows of all parts but the last."""
        number, stop = self._settled(self._take_all())
        states = self._states[: number + 1]
        for state in self._states[number + 1 :]:
            state.begin_at(states[-1], INT64_MIN)  # empty again
        for part in range(number):
            status = self._finish(part)
            if status != DONE:
                return Taken(states[: part + 1], [], status, self._cuts[part].end)
        return Taken(states, self._tables(states) if stop.status == DONE else [], *stop)

    def _take_all(self) -> list[Stop]:
        """Take the rows of all parts, each on a thread.

        The last one is taken here, once all keys are looked up. One thread more for the keys alone
        would need all of them to wait for each other, which costs half of what threads bring.
        """
        others, last = range(len(self._states) - 1), len(self._states) - 1
        with beside(self._take, others) as coming:
            if self._lookup is not None:
                self._lookup.run()
            begin = perf_counter()
            stop = self._take(last)
            end = perf_counter()
            stops = [*(other.result() for other in coming), stop]
            self._times = (begin, end, max(self._ends))
            return stops

    def _take(self, part: int) -> Stop:
        """Take the rows of a part, but for those that may belong to it beyond its end."""
        stop = Stop(DONE, 0)
        for piece in self._pieces(part):
            stop = self._push(part, piece)
            if stop.status != DONE:
                self._first_over = min(self._first_over, part + 1)
                break
            if piece.passes:
                self._states[part].take_left()  # the part before leaves them out
        if part < len(self._ends):
            self._ends[part] = perf_counter()
        return stop

    def _pieces(self, part: int) -> list[Piece]:
        """The rows of a part."""
        n_rows, pieces = len(self._rows.order), []
        first, begin, end, last = INT64_MIN, 0, n_rows, INT64_MAX
        if part < len(self._cuts):
            end, last = self._cuts[part].begin, self._cuts[part].edge - self._reach - 1
        if part:
            cut = self._cuts[part - 1]
            first, begin = cut.edge, cut.after
            before = cut.edge - self._reach
            pieces.append(Piece(cut.begin, cut.after, before, last, PASSES_EARLIER))
        pieces.append(Piece(begin, end, first, last, REFUSES_ALL))
        if part < len(self._cuts):
            cut = self._cuts[part]
            pieces.append(Piece(end, cut.end, first, cut.edge - 1, REFUSES_ALL))
        return [piece for piece in pieces if piece.begin < piece.end]

    def _push(self, part: int, piece: Piece) -> Stop:
        """Push rows into the state of a part, as their keys are known."""
        state, rows = self._states[part], self._rows
        state.restrict(piece.first, piece.last, piece.passes)
        status, row = DONE, piece.begin
        while row < piece.end and status == DONE:
            if part >= self._first_over:
                return Stop(NOT_DONE, row)
            known, n_keys = self._known[part]
            if row >= known and self._lookup is not None:
                self._known[part] = self._lookup.wait(part)
                if self._known[part][1] < 0:
                    return Stop(NOT_DONE, row)
                continue
            end = min(known, piece.end)
            codes = None if self._lookup is None else self._lookup.codes
            status, row = push_upto(state, rows, codes, end, n_keys, row)
        return Stop(status, row)

    def _settled(self, stops: list[Stop]) -> tuple[int, Stop]:
        """Find the last part that has what it should; where rows are left, it takes them alone."""
        number = next((k for k, stop in enumerate(stops) if stop.status != DONE), len(stops) - 1)
        stop, n_rows = stops[number], len(self._rows.order)
        self._first_over = len(self._states)
        while stop.status == FOREIGN:
            owner, row = number, stop.row
            if number and row < self._cuts[number - 1].after:
                owner -= 1  # what lies next to the cut is both parts'
            while owner and self._rows.order[stop.row] < self._cuts[owner - 1].edge:
                owner -= 1
            if owner < number:
                row = self._cuts[owner].end
            number = owner
            first = self._cuts[number - 1].edge if number else INT64_MIN
            stop = self._push(number, Piece(row, n_rows, first, INT64_MAX, REFUSES_ALL))
        self._states[number].restrict(INT64_MIN, INT64_MAX)
        return number, stop

    def _finish(self, part: int) -> int:
        """Close the windows of a part that is not the last; a status."""
        state, cut = self._states[part], self._cuts[part]
        first = self._cuts[part - 1].edge if part else INT64_MIN
        status = DONE
        if cut.end < cut.after:
            piece = Piece(cut.end, cut.after, first, cut.edge - 1, PASSES_LATER)
            status = self._push(part, piece).status
        state.restrict(INT64_MIN, INT64_MAX)
        return status if status != DONE else state.close(cut.edge)

    def _tables(self, states: list[WindowState]) -> list[pa.Table | None]:
        """Make the tables of results; each on a thread where there are many."""
        if sum(state.n_results for state in states) < MANY_RESULTS:
            return [table_of_range(self._bound, state, INT64_MIN) for state in states[:-1]]
        return list(on_threads(lambda state: table_of_range(self._bound, state, INT64_MIN), states))
