"""The right rows that a left row may still match, in time order, as they come and go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate.core.taking import Taker, Words, has_plain_words, words_of

if TYPE_CHECKING:
    from tidegate.core.columns import Numbers

__all__ = ["Growing", "RightStore"]

Index: TypeAlias = npt.NDArray[np.int64]
Chunks: TypeAlias = "pa.ChunkedArray[Any]"
_FIRST_ROOM = 1024
_chunked_array: Callable[..., Chunks] = pa.chunked_array  # its stub has an overload for each type
_WORDS = {1: "u1", 2: "u2", 4: "u4", 8: "u8", 16: "V16"}


class Growing:
    """An array that grows at its end and shrinks at its beginning, each row at a constant cost.

    Parameters
    ----------
    dtype : str
        Of NumPy.
    """

    def __init__(self, dtype: str) -> None:
        self._memory: npt.NDArray[Any] = np.empty(0, dtype)
        self._begin = self._end = 0

    def __len__(self) -> int:
        return self._end - self._begin

    @property
    def view(self) -> npt.NDArray[Any]:
        """The rows; valid until the next ones come."""
        return self._memory[self._begin : self._end]

    def append(self, values: npt.NDArray[Any]) -> None:
        """Add rows at the end."""
        n = len(values)
        if self._end + n > len(self._memory):
            mine = self.view
            self._memory = np.empty(max(_FIRST_ROOM, 2 * (len(mine) + n)), self._memory.dtype)
            self._memory[: len(mine)] = mine
            self._begin, self._end = 0, len(mine)
        self._memory[self._end : self._end + n] = values
        self._end += n

    def drop(self, n: int) -> None:
        """Take rows away at the beginning."""
        self._begin += n

    def keep(self, rows: Index) -> None:
        """Keep some rows only."""
        kept = self.view[rows]
        self._memory = kept
        self._begin, self._end = 0, len(kept)


class _WordColumn:
    """A column of fixed width."""

    def __init__(self, kind: pa.DataType, width: int) -> None:
        self._kind, self._width = kind, width
        self._values = Growing(_WORDS[width])
        self._valid: Growing | None = None

    def append(self, column: Chunks) -> None:
        """Add rows at the end."""
        for chunk in column.chunks:
            words = words_of(chunk)
            if words is None:
                raise TypeError(f"{self._kind} has no words of one width")
            if words.valid is not None and self._valid is None:
                self._valid = Growing("u1")
                self._valid.append(np.ones(len(self._values), np.uint8))
            if self._valid is not None:
                flags = np.ones(len(chunk), np.uint8) if words.valid is None else words.valid
                self._valid.append(flags)
            self._values.append(words.values.view(_WORDS[self._width]))

    def sort(self, begin: int, order: Index) -> None:
        """Bring the rows from one on into an order."""
        for part in (self._values, self._valid):
            if part is not None:
                part.view[begin:] = part.view[begin:][order]

    def keep(self, rows: Index) -> None:
        """Keep some rows only."""
        for part in (self._values, self._valid):
            if part is not None:
                part.keep(rows)

    def whole(self) -> Words:
        """The rows as a kernel takes them."""
        valid = None if self._valid is None else self._valid.view
        return Words(self._kind, self._width, self._values.view.view(np.uint8), valid)


class _ArrowColumn:
    """A column of any other type: put together whenever rows of it are taken."""

    def __init__(self, kind: pa.DataType) -> None:
        self._kind = kind
        self._rows: Chunks = _chunked_array([], kind)

    def append(self, column: Chunks) -> None:
        """Add rows at the end."""
        self._rows = _chunked_array([*self._rows.chunks, *column.chunks], self._kind)

    def sort(self, begin: int, order: Index) -> None:
        """Bring the rows from one on into an order."""
        self.keep(np.concatenate([np.arange(begin), begin + order]))

    def keep(self, rows: Index) -> None:
        """Keep some rows only."""
        (kept,) = Taker([self.whole()], len(self._rows)).take(rows)
        self._rows = _chunked_array(_chunks_of(kept), self._kind)

    def whole(self) -> Chunks:
        """The rows, in one piece where that can be."""
        if self._rows.num_chunks > 1:
            self._rows = _chunked_array(_chunks_of(self._rows.combine_chunks()), self._kind)
        return self._rows


def _chunks_of(rows: Any) -> list[Any]:
    """Return rows in pieces: more than 2 GiB of text do not fit into one."""
    return rows.chunks if isinstance(rows, pa.ChunkedArray) else [rows]


class RightStore:
    """Right rows in time order; of equal times in order of arrival.

    Parameters
    ----------
    types : list of pyarrow.DataType
        Of the columns that are taken.
    keyed : bool
        Whether rows have keys.
    """

    def __init__(self, types: list[pa.DataType], *, keyed: bool) -> None:
        self._times = Growing("i8")
        self._codes = Growing("i4") if keyed else None
        self._columns = [_column(kind) for kind in types]

    def __len__(self) -> int:
        return len(self._times)

    @property
    def times(self) -> Numbers:
        """(n,) int64, rising."""
        return self._times.view

    @property
    def codes(self) -> Numbers | None:
        """(n,) int32, of the keys."""
        return None if self._codes is None else self._codes.view

    @property
    def taker(self) -> Taker:
        """What takes rows of the columns as they are now."""
        return Taker([column.whole() for column in self._columns], len(self))

    def rows(self) -> list[Any]:
        """The columns."""
        return self.taker.take(np.arange(len(self))) if len(self) else []

    def append(self, times: Numbers, codes: Numbers | None, columns: list[Chunks]) -> None:
        """Add rows, in order of arrival.

        Notes
        -----
        O(rows that come + stored rows that are later than one of them), amortized.
        """
        if not len(times):
            return
        begin = int(np.searchsorted(self.times, times.min(), side="right"))
        is_sorted = begin == len(self) and bool((times[1:] >= times[:-1]).all())
        self._times.append(times)
        if self._codes is not None and codes is not None:
            self._codes.append(codes)
        for mine, column in zip(self._columns, columns, strict=True):
            mine.append(column)
        if is_sorted:
            return
        order = np.argsort(self.times[begin:], kind="stable")
        for part in (self._times, self._codes):
            if part is not None:
                part.view[begin:] = part.view[begin:][order]
        for mine in self._columns:
            mine.sort(begin, order)

    def keep(self, rows: Index) -> None:
        """Keep some rows only, which are given in rising order."""
        self._times.keep(rows)
        if self._codes is not None:
            self._codes.keep(rows)
        for column in self._columns:
            column.keep(rows)


def _column(kind: pa.DataType) -> _WordColumn | _ArrowColumn:
    """Make an empty column."""
    if has_plain_words(kind):
        return _WordColumn(kind, kind.bit_width // 8)
    return _ArrowColumn(kind)
