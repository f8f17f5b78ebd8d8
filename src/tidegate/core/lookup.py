"""Codes of the keys of a batch for several threads, which take rows while others are looked up."""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING

from tidegate.core.codes import room_for_codes
from tidegate.core.errors import TidegateError
from tidegate.core.eventtime import INT64_MIN
from tidegate.core.state import ASKS_LATER, DONE
from tidegate.core.threads import beside

if TYPE_CHECKING:
    import pyarrow as pa

    from tidegate._kernels.window_state import WindowState
    from tidegate.core.binding import Values
    from tidegate.core.bound import Bound
    from tidegate.core.codes import Codes
    from tidegate.core.keys import Keys
    from tidegate.core.rowviews import Rows

__all__ = ["Lookup", "push_ahead", "push_upto"]

CHUNK = 1 << 17  # rows whose keys are looked up at a time
FIRST = 1 << 14  # rows of the first time, for which all wait


class Lookup:
    """The codes of the keys of a batch, chunk by chunk.

    Parameters
    ----------
    keys : Keys
        Gets the new keys.
    batch : pyarrow.RecordBatch
        The rows.
    n_readers : int
        How many threads use the codes.

    Attributes
    ----------
    codes : ndarray
        (n_rows,) int32, as far as `wait` says.
    """

    def __init__(self, keys: Keys, batch: pa.RecordBatch, n_readers: int) -> None:
        self.codes = room_for_codes(batch.num_rows)
        self._keys = keys
        self._batch = batch
        self._known: list[SimpleQueue[tuple[int, int]]] = [SimpleQueue() for _ in range(n_readers)]

    def run(self) -> None:
        """Look all keys up; where that fails, whoever waits is told so."""
        n_rows, end = len(self.codes), 0
        try:
            while end < n_rows:
                begin, end = end, min(end + (CHUNK if end else FIRST), n_rows)
                self.codes[begin:end] = self._keys.encode(self._batch.slice(begin, end - begin))
                self._tell(end, self._keys.n_keys)
        except TidegateError:
            self._tell(n_rows, -1)
            self._keys.encode(self._batch)  # which says the row, counted from the first
            raise
        except BaseException:
            self._tell(n_rows, -1)
            raise

    def wait(self, reader: int) -> tuple[int, int]:
        """Wait for more; how many rows, and how many keys, are known: -1 where that has failed."""
        return self._known[reader].get()

    def _tell(self, end: int, n_keys: int) -> None:
        """Tell all who wait how far the codes are."""
        for queue in self._known:
            queue.put((end, n_keys))


def push_ahead(bound: Bound, batch: pa.RecordBatch, rows: Rows) -> tuple[int, int]:
    """Take a batch while a thread looks up the keys of the rows to come.

    Parameters
    ----------
    bound : Bound
        With keys; no limit is near.
    batch : pyarrow.RecordBatch
        The rows.
    rows : Rows
        The same.

    Returns
    -------
    tuple (status, n_taken)
        As `WindowState.push` gives them.
    """
    if bound.keys is None:
        raise ValueError("a plan without keys has none to look up")
    bound.cover_rows(rows)
    state, lookup = bound.state, Lookup(bound.keys, batch, 1)
    end, status, row = 0, DONE, 0
    with beside(Lookup.run, [lookup]) as (looking,):
        while end < len(rows.order) and status == DONE:
            end, n_keys = lookup.wait(0)
            if n_keys >= 0:
                status, row = push_upto(state, rows, lookup.codes, end, n_keys, row)
        looking.result()
    return status, row


def push_upto(
    state: WindowState, rows: Rows, codes: Codes | None, end: int, n_keys: int, start: int
) -> tuple[int, int]:
    """Push the rows [start, end) of a batch; the status, and at which row it stopped."""
    columns: list[Values] = [
        (None if values is None else values[:end], None if valid is None else valid[:end])
        for values, valid in rows.columns
    ]
    times, valid = rows.order[:end], None if rows.time_valid is None else rows.time_valid[:end]
    known = None if codes is None else codes[:end]
    status, later = ASKS_LATER, None
    while status == ASKS_LATER:
        status, start = state.push(times, valid, known, n_keys, columns, start, later)
        later = INT64_MIN  # whatever comes may be before all that is open
    return status, start
