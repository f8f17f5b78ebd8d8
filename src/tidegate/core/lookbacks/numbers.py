"""Which rows a look-back is over: each row has a number, and with keys a place among its key's.

Where no other row of their key came between the rows of a window, they are one range: from the
number of the first to that of the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegate._kernels.lookranges import number_each, number_rows
from tidegate.core.state import array_of

if TYPE_CHECKING:
    from tidegate.core.binding import Values
    from tidegate.core.columns import Numbers

__all__ = ["NUMBERS", "RowNumbers"]

NUMBERS = ("tidegate.row", "tidegate.place")  # columns that the kernels see beside the input's


_MOST_ROWS = 1 << 62


class RowNumbers:
    """Numbers the rows that come.

    Parameters
    ----------
    n_columns : int
        2 if places are asked for beside the numbers, else 1; 0: nothing is.
    """

    def __init__(self, n_columns: int) -> None:
        self._n_columns = n_columns
        self._n_each = np.zeros(0, np.int64)  # rows of each key; there may be room for more keys

    def dump(self) -> bytes:
        """Write down how many rows of each key have come, however much room there is."""
        return np.trim_zeros(self._n_each, "b").tobytes()

    def load(self, data: bytes) -> bool:
        """Go on from what was written down; False where it cannot be."""
        n_each = np.frombuffer(data, np.int64)
        self._n_each = n_each.copy()
        return not len(n_each) or bool(n_each.min() >= 0 and n_each.max() < _MOST_ROWS)

    @property
    def implied(self) -> list[Values]:
        """Columns of rows that are all there are, and in order: kernels know what is in them."""
        return [(None, None)] * self._n_columns

    def of(self, first: int, n: int, codes: Numbers | None, n_keys: int) -> list[Values]:
        """Give the columns of n rows, from number `first` on; they count from then on.

        Parameters
        ----------
        first, n : int
            The number of the first row, and how many they are.
        codes : ndarray or None
            (n,) int32 of the keys.
        n_keys : int
            How many codes there are.
        """
        if not self._n_columns:
            return []
        numbers = array_of(number_rows(first, n), np.int64)
        if self._n_columns == 1 or codes is None:
            return [(numbers, None)]
        if n_keys > len(self._n_each):
            grown = np.zeros(max(n_keys, 2 * len(self._n_each)), np.int64)
            grown[: len(self._n_each)] = self._n_each
            self._n_each = grown
        places = array_of(number_each(codes, self._n_each), np.int64)
        return [(numbers, None), (places, None)]
