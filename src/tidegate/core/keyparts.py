"""Threads in a stream: the keys in parts, with a state and a thread for each.

Every state sees all rows of a batch, in their order, and takes those of its own keys. So each moves
its watermark, closes its windows and leaves rows out just as one state for all keys does: what a
row means to the others does not depend on its key. Results of all parts come out by window, then
by key, as one state gives them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegate._kernels.weaving import end_weaving, order_parts, weave
from tidegate._kernels.window_state import WindowState
from tidegate.core.lookup import Lookup, push_upto
from tidegate.core.rowwindows import RowWindow
from tidegate.core.state import DONE, array_of, dump, load
from tidegate.core.stateparts import StateParts, move_windows
from tidegate.core.threads import on_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from tidegate.core.bound import Bound
    from tidegate.core.rowviews import Rows

__all__ = ["MOST_PARTS", "WORTH_PARTS", "KeyParts", "has_parts", "is_better_in_parts"]

WORTH_PARTS = 1 << 16  # rows of a batch: a millisecond of work, some tenths of it to begin threads
GROUP = 3  # 2**3 codes: the kernels take the rows of eight keys together
MANY_GROUPS = 16  # for each part, for none to have many more than another
MANY_PANES = 16  # in a batch, to have more to do with results than with rows
MOST_PARTS = 256  # as `WindowState.take_part` has it


def has_parts(bound: Bound) -> bool:
    """Whether the rows of a plan may be taken key by key."""
    plan = bound.plan
    return (
        bound.keys is not None
        and not isinstance(plan.window, RowWindow)
        and plan.time.is_plain_ahead
        and bound.program.gives_words
        and not bound.texts
    )


def is_better_in_parts(bound: Bound, rows: Rows, n: int) -> bool:
    """Whether n states with some keys each are quicker than one, with keys looked up ahead.

    Each of them has to look at all rows, and to copy those that are its own: some 2 ns a row. What
    the kernels take eight keys at a time costs no more than that, and two threads gain nothing
    either, but where values are kept and most of the work is with the results.
    """
    if n > 2:
        return not bound.head.can_deal
    first, last = int(rows.order[0]), int(rows.order[-1])
    end = bound.head.pane_end(first) if bound.n_keeping else None
    after = None if end is None else bound.head.pane_end(end)
    return end is not None and after is not None and last - first > MANY_PANES * (after - end)


class KeyParts(StateParts[WindowState]):
    """The open windows of a binding, in parts.

    Parameters
    ----------
    bound : Bound
        Its state has none after that; it goes on to have the clock, the counts and the results.
    n : int
        How many parts.

    Notes
    -----
    O(n_open) a part to make.
    """

    def __init__(self, bound: Bound, n: int) -> None:
        windows = dump(bound.head)
        shift = GROUP if bound.n_keys >> GROUP >= n * MANY_GROUPS else 0
        super().__init__()
        for number in range(n):
            state = bound.new_state()
            state.take_part(number, n, shift)
            load(state, windows, bound.n_keys)
            self.states.append(state)
        bound.head.clear()

    def push(self, bound: Bound, batch: pa.RecordBatch, rows: Rows) -> tuple[int, int]:
        """Take a batch; the status of the first state that stopped, and at which row.

        While keys of a chunk of rows are looked up, the states take the rows before it.
        """
        bound.cover_rows(rows)
        if bound.keys is None:
            raise ValueError("a plan without keys has no parts")
        n_rows, stops = len(rows.order), [0] * len(self.states)
        for state in self.states:
            state.first_row = bound.head.first_row
        lookup = Lookup(bound.keys, batch, len(self.states))

        def take(number: int) -> int:
            end, status = 0, DONE
            while end < n_rows and status == DONE:
                end, n_keys = lookup.wait(number)
                if n_keys >= 0:
                    status, stops[number] = push_upto(
                        self.states[number], rows, lookup.codes, end, n_keys, stops[number]
                    )
            return status

        return self._all(bound, take, lookup.run), self.stop_of(stops)

    def close(self, bound: Bound, watermark: int) -> int:
        """Close the windows that end up to a time; the status of the first state that stopped."""
        return self._all(bound, lambda number: self.states[number].close(watermark))

    def _all(
        self, bound: Bound, do: Callable[[int], int], meanwhile: Callable[[], None] | None = None
    ) -> int:
        """Do something with each part on its own thread, and hand the results to the head."""
        status, head = self.on_each(do, meanwhile), bound.head
        if status != DONE:
            return status
        head.follow(self.states[0])
        source = array_of(order_parts(head, self.states), np.uint8)
        if len(source):
            outputs = range(-1, len(bound.program.outputs))
            on_threads(lambda output: weave(head, self.states, source, output), outputs)
        end_weaving(head, self.states)
        return DONE

    def give_back(self, bound: Bound) -> None:
        """Move the open windows into the state of the binding."""
        for state in self.states:
            move_windows(bound.head, dump(state), bound.n_keys)
