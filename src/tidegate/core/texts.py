"""The different values of a column that are no words, while open windows refer to them.

Text, bytes and decimals of more than 18 digits go through the kernels as codes. Their values are
kept for as long as something open refers to them: where they have doubled (and are more than a
few), the ones that nothing refers to are let go of, and the others get new codes.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.texts import lay_texts, mark_codes, replace_codes
from tidegate.core.allkeys import encode_all, widened_codes
from tidegate.core.codes import BytesCodes
from tidegate.core.columns import as_array
from tidegate.core.errors import LimitError, SnapshotError
from tidegate.core.keycolumn import KeyColumn
from tidegate.core.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate._kernels.window_state import WindowState
    from tidegate.core.columns import Numbers

__all__ = ["Coded", "Texts", "inverse"]

_SPARE = 1 << 16  # values that may be there for nothing
_SPARE_BYTES = 1 << 24
_nulls: Callable[..., pa.Array[Any]] = pa.nulls  # the stubs have an overload for each type
_chunked_array: Callable[..., Any] = pa.chunked_array
_PLAIN = (str, bytes, decimal.Decimal)  # of which equal ones have one code
_SLICE = 4096  # values moved at a time: they fit the 32-bit offsets of their type


def inverse(by: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return what undoes `Texts.replace` by these codes, which are all different."""
    back = np.zeros(int(by.max()) + 2, np.int32)
    back[by[:-1]] = np.arange(len(by) - 1)
    return back


class Coded(Protocol):
    """Values of a column that go through the kernels as numbers that stand for them."""

    def encode(self, values: pa.Array[Any], threads: int = 1) -> tuple[Numbers, Numbers | None]:
        """Return the numbers of an array, and their flags, the same for any number of threads."""

    def take(self, codes: npt.NDArray[np.int64], valid: Numbers | None = None, /) -> pa.Array[Any]:
        """Return the values of numbers, null where one is not valid."""


class _Column(KeyColumn):
    """The codes of one column of bytes."""

    @property
    def bytes(self) -> BytesCodes:
        """Where the values lie."""
        if not isinstance(self._codes, BytesCodes):
            raise TypeError(f"{self.type} values are words")
        return self._codes

    def take_some(self, codes: npt.NDArray[np.int64], valid: Numbers | None) -> pa.Array[Any]:
        """Return the values of codes, null where one is not valid."""
        taken: pa.Array[Any] = self._known_values(self.bytes).take(
            as_array(codes, valid, pa.int64())
        )
        return taken if taken.type == self.type else taken.cast(self.type)


class Texts:
    """The values of one column, by code.

    Parameters
    ----------
    name : str
        The column.
    type : pyarrow.DataType
        Text, bytes, or a decimal of more than 64 bits.
    columns : sequence of int
        Which columns of the kernels have codes of it.
    most : int
        How many different values there may be.
    """

    def __init__(self, name: str, type: pa.DataType, columns: Sequence[int], most: int) -> None:  # noqa: A002
        self.name = name
        self.type = type
        self.columns = columns
        self._most = most
        self._column = _Column(name, type)
        self._kept = self._kept_bytes = 0
        self._known: dict[object, int] = {}  # codes that `code` was asked for

    @property
    def n_codes(self) -> int:
        """How many codes there are."""
        return self._column.n_codes

    @property
    def null_code(self) -> int:
        """The code of null, or -1."""
        return self._column.bytes.null_code

    @property
    def has_doubled(self) -> bool:
        """Whether there are so many values that it is time to let go of some."""
        spare = min(_SPARE, self._most // 4)
        n_bytes = len(self._column.bytes.content)
        return (
            self.n_codes > 2 * self._kept + spare or n_bytes > 2 * self._kept_bytes + _SPARE_BYTES
        )

    def code(self, value: object, as_column: Callable[[Any, str, pa.DataType], Any]) -> int:
        """Return the code of one value of Python's.

        Parameters
        ----------
        value : object
            Not None.
        as_column : callable
            Makes a column of one value, of the name and type that it is given.

        Raises
        ------
        LimitError
            As `encode`.
        """
        is_plain = value.__class__ in _PLAIN
        code = self._known.get(value) if is_plain else None
        if code is None:
            code = int(self.encode(as_column(value, self.name, self.type))[0][0])
            if is_plain:
                self._known[value] = code
        return code

    def encode(self, values: pa.Array[Any], threads: int = 1) -> tuple[Numbers, Numbers | None]:
        """Return the codes of an array of this type, or of a dictionary of it, and their flags.

        They are the same for any number of threads.

        Raises
        ------
        InputError
            If the array is damaged.
        LimitError
            If there are more than `most` values; none of these is kept then.
        """
        before = self.n_codes
        if threads > 1:
            batch = pa.record_batch([values], [self.name])
            codes = encode_all(Keys.of_column(self._column), batch, threads)
        else:
            codes = self._column.encode(values)
        null = self.null_code
        if self.n_codes - (null >= 0) > self._most:
            self._column.truncate(before)
            raise LimitError(
                f"column {self.name!r} has more than max_texts={self._most} different values that "
                f"open windows may refer to: choose shorter windows or less lateness, push smaller "
                f"batches, or raise the limit"
            )
        return widened_codes(codes, null, threads)

    def take(self, codes: npt.NDArray[np.int64], valid: Numbers | None = None) -> pa.Array[Any]:
        """Return the values of codes, null where one is not valid."""
        if not self.n_codes:
            return _nulls(len(codes), self.type)
        return self._column.take_some(codes, valid)

    def sort_key(self, code: int) -> bytes | int:
        """Return what the value of a code compares by with others of the column."""
        known = self._column.bytes
        content = known.content[known.offsets[code] : known.offsets[code + 1]].tobytes()
        if pa.types.is_decimal(self.type):
            return int.from_bytes(content, "little", signed=True)
        return content

    def only(self, codes: npt.NDArray[np.int64]) -> Texts:
        """Return a table of some of the values, whose codes count from 0 on."""
        some = Texts(self.name, self.type, self.columns, self._most)
        some._column = self._column_of(codes)
        some._kept, some._kept_bytes = len(codes), len(some._column.bytes.content)
        return some

    def lay(self, state: WindowState) -> None:
        """Show a state what its codes stand for."""
        known = self._column.bytes
        is_number = pa.types.is_decimal(self.type)
        for column in self.columns:
            lay_texts(state, column, known.offsets, known.content, is_number)

    def sweep(self, state: WindowState) -> None:
        """Let go of the values that no open record refers to; others get new codes.

        Results that wait in the state must have been taken.
        """
        used = self._used_by(state)
        self._known.clear()
        kept = np.flatnonzero(used)
        self._column = self._column_of(kept)
        by = np.zeros(len(used) + 1, np.int32)
        by[kept] = np.arange(len(kept))
        self.replace(state, by)
        self.lay(state)
        self._kept, self._kept_bytes = len(kept), len(self._column.bytes.content)

    def _column_of(self, codes: npt.NDArray[np.int64]) -> _Column:
        """Make the codes of some of the values anew."""
        column = _Column(self.name, self.type)
        for at in range(0, len(codes), _SLICE):
            column.encode(self._column.take_some(codes[at : at + _SLICE], None))
        return column

    def _used_by(self, state: WindowState) -> npt.NDArray[np.uint8]:
        """Which codes the open records refer to."""
        used = np.zeros(self.n_codes + 1, np.uint8)
        for column in self.columns:
            bad = mark_codes(state, column, used)
            if bad >= 0:
                raise SnapshotError(
                    f"record {bad} of the snapshot refers to a value of column {self.name!r} that "
                    f"is not there"
                )
        return used[:-1]

    def replace(self, state: WindowState, by: npt.NDArray[np.int32]) -> None:
        """Replace the codes in the open records, each by that at its place."""
        for column in self.columns:
            replace_codes(state, column, by)

    def codes_in(self, other: Texts) -> npt.NDArray[np.int32]:
        """Return the codes that the values have in another table, for `replace`."""
        by = np.full(self.n_codes + 1, -1, np.int32)
        for at in range(0, self.n_codes, _SLICE):
            some = np.arange(at, min(at + _SLICE, self.n_codes), dtype=np.int64)
            by[some] = other.encode(self.take(some))[0]
        return by

    def dump(self) -> pa.Table:
        """Return all values in the order of their codes."""
        slices = [
            self.take(np.arange(at, min(at + _SLICE, self.n_codes)))
            for at in range(0, self.n_codes, _SLICE)
        ]
        return pa.table({"value": _chunked_array(slices, self.type)})

    def load(self, table: pa.Table) -> None:
        """Take the values of a `dump`, before there are any.

        Raises
        ------
        SnapshotError
            If they are not of this type, not distinct, or there is a null.
        """
        if table.schema.names != ["value"] or table.schema.types != [self.type]:
            raise SnapshotError(f"the values of column {self.name!r} are not of its type")
        if table.column(0).null_count:
            raise SnapshotError(f"a value of column {self.name!r} of the snapshot is null")
        for batch in table.to_batches():
            self.encode(batch.column(0))
        if self.n_codes != table.num_rows:
            raise SnapshotError(f"a value of column {self.name!r} of the snapshot is there twice")
        self._kept, self._kept_bytes = self.n_codes, len(self._column.bytes.content)

    def check(self, state: WindowState) -> None:
        """Refuse a state whose open records refer to values that are not there.

        Raises
        ------
        SnapshotError
        """
        self._used_by(state)
