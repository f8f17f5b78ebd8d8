"""The rows of some of the keys, copied out of all, and the results of all keys woven again.

Copies of the rows of a part of the keys lie close together, in the cache, chunk by chunk, and go
into a state of its own, for windows that rows make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from tidegate._kernels.partition import Picker
from tidegate._kernels.row_parts import order_results, weave_edges
from tidegate._kernels.weaving import end_weaving, weave
from tidegate.core.state import array_of
from tidegate.core.threads import on_threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from tidegate._kernels.row_state import RowState
    from tidegate._kernels.window_state import WindowState
    from tidegate.core.binding import Values
    from tidegate.core.bound import Bound
    from tidegate.core.codes import Codes
    from tidegate.core.columns import Numbers
    from tidegate.core.rowviews import Rows

__all__ = [
    "CHUNK",
    "MANY_KEYS",
    "MOST_PARTS",
    "MOST_ROWS",
    "Own",
    "PickedRows",
    "codes_of_all",
    "codes_of_part",
    "n_keys_of_part",
    "weave_rows",
]

# Of fewer keys the state stays in the cache, and to read and copy all rows on every thread costs
# what that saves: 1,000 keys were 0.9 to 1.1 times as fast on two threads, 64,000 were 1.2 to 2.0.
# Rows that are not in order are worth it with any keys that can be shared out: 1.3 to 1.6.
MANY_KEYS = 10_000
MOST_PARTS = BINS = 256  # as the kernels have them
CHUNK = 1 << 15  # rows at a time: those of one part stay in the second cache
MOST_ROWS = 2**31 - 1
SPARE = 16  # room behind the rows of a chunk, as the kernel asks for
EDGES = -2  # which output: where results lie


class Own(NamedTuple):
    """Rows of one part."""

    times: Numbers
    codes: Codes
    columns: list[Values]
    numbers: npt.NDArray[np.int32]  # of the rows, less those before the chunk
    beside: list[Any]  # of what was given beside the rows


class PickedRows:
    """Copies rows of one part out of all; what it gives is good until it is asked again.

    Parameters
    ----------
    rows : Rows
        All rows.
    codes : ndarray
        (n_rows,) int32, of their keys; those of rows that are asked for have to be there.
    number, n : int
        Which of how many parts, at most `MOST_PARTS`.
    beside : sequence of ndarray or None
        (n_rows,) int64 or uint8: what else to copy.
    """

    def __init__(
        self, rows: Rows, codes: Codes, number: int, n: int, beside: Sequence[Any] = ()
    ) -> None:
        self._n_beside = len(beside)
        given = [*beside, rows.order, *(part for column in rows.columns for part in column)]
        given = [part if part is None or part.itemsize == 1 else part.view("i8") for part in given]
        self._numbers, self._codes = np.empty((2, CHUNK + SPARE), np.int32)
        self._copies = [
            None if part is None else np.empty(CHUNK + SPARE, part.dtype) for part in given
        ]
        self._picker = Picker(number, n, codes, given, self._numbers, self._codes, self._copies)
        self._times, self._n_rows = rows.order, len(codes)

    def chunks(self, begin: int = 0, end: int = MOST_ROWS) -> Iterator[tuple[int, Own]]:
        """Give those of the rows [begin, end), and how many of all are before each chunk."""
        end = min(end, self._n_rows)
        for at in range(begin, end, CHUNK):
            n = self._picker.take(at, min(at + CHUNK, end))
            yield at, self._own(self._numbers[:n], self._codes[:n])

    def chunks_in_order(self) -> Iterator[tuple[int, Own]]:
        """Give the rows of the part by time, those of one time in order."""
        parts = [(begin + own.numbers, own.codes.copy()) for begin, own in self.chunks()]
        numbers, codes = (np.concatenate(some) for some in zip(*parts, strict=True))
        order = np.argsort(self._times[numbers], kind="stable")
        numbers, codes = numbers[order].astype(np.int32), codes[order]
        for begin in range(0, len(numbers), CHUNK):
            some = slice(begin, begin + CHUNK)
            self._picker.take_rows(numbers[some])
            yield 0, self._own(numbers[some], codes[some])

    def _own(self, numbers: npt.NDArray[np.int32], codes: Codes) -> Own:
        """View what was copied."""
        copies = [None if part is None else part[: len(codes)] for part in self._copies]
        beside, (times, *parts) = copies[: self._n_beside], copies[self._n_beside :]
        columns = list(zip(parts[::2], parts[1::2], strict=True))
        return Own(cast("Numbers", times), codes, columns, numbers, beside)


def n_keys_of_part(n_keys: int, n: int) -> int:
    """Tell how many codes of so many keys one of n parts has at most."""
    return -(-n_keys // BINS) * -(-BINS // n)


def codes_of_all(n_keys: int, number: int, n: int) -> Codes:
    """Give the code that all know each of the keys of a part by."""
    codes: Codes = np.arange(n_keys, dtype=np.int32)
    return codes[np.flatnonzero(codes % BINS % n == number)]


def codes_of_part(n_keys: int, number: int, n: int) -> Codes:
    """Give the code that a part has for each key, -1: it is of another one."""
    codes = np.full(n_keys, -1, np.int32)
    turns, bins = np.divmod(codes_of_all(n_keys, number, n), BINS)
    codes[turns * BINS + bins] = turns * len(range(number, BINS, n)) + bins // n
    return codes


def weave_rows(bound: Bound, states: list[RowState]) -> None:
    """Move the results of all parts into the state of the binding, each output on its own."""
    head = cast("RowState", bound.head)
    parts: list[WindowState] = [*states]
    source = array_of(order_results(head, states), np.uint8)

    def take(output: int) -> None:
        """Take one over, or where the results lie."""
        if output == EDGES:
            weave_edges(head, states, source)
        else:
            weave(head, parts, source, output)

    if len(source):
        on_threads(take, range(EDGES, len(bound.program.outputs)))
    end_weaving(head, parts)
