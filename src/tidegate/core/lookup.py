"""Codes of the keys of a batch for several threads, which take rows while others are looked up."""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING

from tidegate.core.codes import room_for_codes

if TYPE_CHECKING:
    import pyarrow as pa

    from tidegate.core.keys import Keys

__all__ = ["Lookup"]

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
