"""Growing tables that give equal values equal codes, in order of first appearance."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.byte_codes import BytesTable, encode_bytes
from tidegate._kernels.int_codes import IntTable, encode_ints, take_ints
from tidegate.core.errors import InputError

__all__ = ["BytesCodes", "Codes", "IntCodes", "Valid", "room_for_codes"]

Codes: TypeAlias = npt.NDArray[np.int32]
Valid: TypeAlias = npt.NDArray[np.uint8] | None

_WIDEST_WINDOW = 2**20  # values; a table of 4 MB at most, for however few keys
_WINDOW_PER_KEY = 8  # values; beyond that width, no more memory than the hash table would take
_SMALL = 4096  # keys; up to here a hash table is at most 1/8 full: twice as fast as 1/2
_FIRST_ROOM = 1024  # keys
_FIRST_CAPACITY = 4096  # bytes
_MANY = 1 << 16  # codes; from here on fresh pages of the system cost more than asking Arrow


def _seed() -> int:
    """Return 64 random bits, so that nobody can choose keys that collide."""
    return int.from_bytes(os.urandom(8), "little")


def room_for_codes(n_rows: int) -> Codes:
    """Return room for the codes of so many rows; much of it comes from Arrow's pool."""
    if n_rows < _MANY:
        return np.empty(n_rows, np.int32)
    memory: Any = pa.allocate_buffer(4 * n_rows)
    return np.frombuffer(memory, np.int32)


def _n_slots(room: int) -> int:
    """Return how many slots a hash table for `room` keys has; `room` is a power of two."""
    return room * (8 if room <= _SMALL else 2)


class IntCodes:
    """Codes of 64-bit values; null is a value of its own."""

    def __init__(self) -> None:
        self._clear()

    @property
    def n_codes(self) -> int:
        """How many codes there are."""
        return self._table.n_codes

    @property
    def values(self) -> npt.NDArray[np.int64]:
        """The value of each code, (n_codes,); 0 for null."""
        return self._values[: self.n_codes]

    def encode(self, values: npt.NDArray[Any], valid: Valid = None) -> Codes:
        """Return the codes of int32 or int64 values; new values get the next codes.

        Notes
        -----
        O(n_rows), one pass, releases the GIL. Values from a small range are looked up in a table,
        others are hashed.
        """
        codes = room_for_codes(len(values))
        row = 0
        while (row := encode_ints(self._table, values, valid, codes, row)) < len(values):
            rest = values[row:]
            self._make_room(rest if valid is None else rest[valid[row:] != 0])
        return codes

    def take(self, codes: Codes) -> tuple[npt.NDArray[np.int64], Valid]:
        """Return the values of codes, and which of them are not null."""
        null = self._table.null_code
        taken: Any = take_ints(self.values, codes)
        valid = None if null < 0 else (codes != null).view(np.uint8)
        return np.frombuffer(taken, np.int64), valid

    def truncate(self, n_codes: int) -> None:
        """Forget all codes from `n_codes` on."""
        values, valid = self.take(np.arange(n_codes, dtype=np.int32))
        self._clear()
        self.encode(values, valid)

    def _clear(self) -> None:
        """Start without a code and without room for any value."""
        self._table = IntTable(_seed(), _seed())
        self._window = np.empty(0, np.int32)
        self._base = 0
        self._hash_room = 0
        self._values = np.empty(1, np.int64)
        self._rebuild(-1)

    def _make_room(self, coming: npt.NDArray[Any]) -> None:
        """Move the window over all values if that pays, else enlarge the hash table."""
        null_code = self._table.null_code
        known = self.values if null_code < 0 else np.delete(self.values, null_code)
        filled = [coming, known] if len(known) else [coming]
        low = min(int(values.min()) for values in filled)
        high = max(int(values.max()) for values in filled)
        span = high - low + 1
        # A quarter of the span stays free on either side, so that values which creep up or down
        # do not cause a rebuild each.
        width = 1 << (span + span // 2).bit_length()
        if width <= max(_WIDEST_WINDOW, _WINDOW_PER_KEY * self.n_codes):
            self._window = np.empty(width, np.int32)
            self._base = low - (width - span) // 2
            self._hash_room = 0
        else:
            self._hash_room = max(_FIRST_ROOM, 2 * self._hash_room)
        n_codes = self.n_codes
        values = np.empty(len(self._window) + self._hash_room + 1, np.int64)
        values[:n_codes] = self.values
        self._values = values
        self._rebuild(null_code, n_codes)

    def _rebuild(self, null_code: int, n_codes: int = 0) -> None:
        """Hand the arrays over to the table."""
        self._window.fill(-1)
        slots = np.full(2 * max(1, _n_slots(self._hash_room)), -1, np.int64)
        # The window may reach over the ends of int64; its arithmetic is modulo 2**64.
        base = (self._base + 2**63) % 2**64 - 2**63
        self._table.rebuild(self._values, n_codes, null_code, self._window, base, slots)


class BytesCodes:
    """Codes of strings of bytes; null is a value of its own.

    Parameters
    ----------
    width : int
        How many bytes stand for null in `content`: the width of a fixed-size type, else 0.
    """

    def __init__(self, width: int = 0) -> None:
        self._width = width
        self._table = BytesTable(_seed(), _seed(), width)
        self._offsets = np.zeros(_FIRST_ROOM + 1, np.int64)
        self._content = np.empty(_FIRST_CAPACITY, np.uint8)
        self._rebuild(0, -1)

    @property
    def n_codes(self) -> int:
        """How many codes there are."""
        return self._table.n_codes

    @property
    def null_code(self) -> int:
        """The code of null, or -1."""
        return self._table.null_code

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where the bytes of each code begin in `content`, and where they end, (n_codes + 1,)."""
        return self._offsets[: self.n_codes + 1]

    @property
    def content(self) -> npt.NDArray[np.uint8]:
        """The bytes of all codes, one after the other."""
        return self._content[: self._offsets[self.n_codes]]

    def encode(
        self, offsets: npt.NDArray[Any], content: npt.NDArray[np.uint8], valid: Valid = None
    ) -> Codes:
        """Return the codes of values in Arrow's layout; new values get the next codes.

        Parameters
        ----------
        offsets : ndarray
            (n_rows + 1,) int32 or int64, into `content`.
        content : ndarray
            (n_bytes,) uint8.
        valid : ndarray, optional
            (n_rows,) uint8, 1 = valid; without it all are.

        Raises
        ------
        InputError
            If an offset is not within `content`.

        Notes
        -----
        O(bytes), one pass, releases the GIL.
        """
        n_rows = len(offsets) - 1
        codes = room_for_codes(n_rows)
        row = 0
        while (row := encode_bytes(self._table, offsets, content, valid, codes, row)) < n_rows:
            start, end = int(offsets[row]), int(offsets[row + 1])
            if valid is not None and not valid[row]:
                start, end = 0, self._width
            elif not 0 <= start <= end <= len(content):
                raise InputError(f"row {row}: the offsets of its text, {start} and {end}, are bad")
            self._make_room(end - start)
        return codes

    def truncate(self, n_codes: int) -> None:
        """Forget all codes from `n_codes` on."""
        self._rebuild(n_codes, self.null_code if self.null_code < n_codes else -1)

    def _make_room(self, n_bytes: int) -> None:
        """Enlarge what is full, for another key of so many bytes."""
        room = len(self._offsets) - 1
        if self.n_codes == room:
            self._offsets = np.append(self._offsets, np.zeros(room, np.int64))
        used = len(self.content)
        if used + n_bytes > len(self._content):
            content = np.empty(max(2 * len(self._content), used + n_bytes), np.uint8)
            content[:used] = self.content
            self._content = content
        self._rebuild(self.n_codes, self.null_code)

    def _rebuild(self, n_codes: int, null_code: int) -> None:
        """Hand the arrays over to the table."""
        slots = np.full(_n_slots(len(self._offsets) - 1), 2**64 - 1, np.uint64)
        self._table.rebuild(self._offsets, self._content, n_codes, null_code, slots)
