"""Key columns -> dense codes in order of first appearance, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate.core.codes import Codes, IntCodes
from tidegate.core.columntypes import column_index, plain_type
from tidegate.core.convert import short
from tidegate.core.errors import (
    ColumnTypeError,
    InputError,
    LimitError,
    SnapshotError,
    TidegateError,
)
from tidegate.core.keycolumn import KeyColumn, one_value

__all__ = ["Keys"]

_MOST_KEYS = 2**31 - 1  # codes are int32
# Types of which equal values are the same key.
_PLAIN = {int, str, float, bool, bytes, type(None), np.str_, np.bytes_}
_PLAIN |= {np.dtype(code).type for code in "?bhilqBHILQefd"}
_SPARE_CODES = 1024


class Keys:
    """The keys seen so far, numbered in order of first appearance.

    Null is a key of its own; NaN equals NaN, and -0.0 equals 0.0. A dictionary column has the keys
    of its values.

    Parameters
    ----------
    names : sequence of str
        The key columns.
    max_keys : int
        How many different keys there may be.

    Attributes
    ----------
    known : dict
        Codes of keys of Python values that `code` was asked for; the dict itself stays the same,
        entries come and go.
    kept : list of ndarray or None
        Where it is a list, the codes of every batch are appended as they are made.

    Raises
    ------
    InputError
        If there is no name, one is there twice, or `max_keys` is not from 1 to 2**31 - 1.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from tidegate.core.keys import Keys
    >>> keys = Keys(["symbol"], max_keys=100)
    >>> keys.encode(pa.record_batch({"symbol": ["B", "A", None, "B"]}))
    array([0, 1, 2, 0], dtype=int32)
    >>> keys.code(("A",))
    1
    >>> keys.take([2, 0])[0].to_pylist()
    [None, 'B']
    """

    def __init__(self, names: Sequence[str], *, max_keys: int) -> None:
        self.names = list(names)
        self.max_keys = max_keys
        if not self.names or len(set(self.names)) < len(self.names):
            raise InputError(
                f"the key columns are {self.names}; expected one or more, all distinct"
            )
        if not 1 <= max_keys <= _MOST_KEYS:
            raise InputError(f"max_keys is {max_keys}; expected 1 to {_MOST_KEYS}")
        self.kept: list[Codes] | None = None
        self._columns: list[KeyColumn] = []
        # A prefix of k + 1 columns is a pair: the code of its first k columns, shifted, and that
        # of the last one. The code of the longest prefix is the code of the key.
        self._pairs = [IntCodes() for _ in self.names[1:]]
        self._shifts = [0 for _ in self._pairs]
        self.known: dict[tuple[object, ...], int] = {}

    @property
    def n_keys(self) -> int:
        """How many different keys there are."""
        if not self._columns:
            return 0
        return (self._pairs[-1] if self._pairs else self._columns[0]).n_codes

    @property
    def types(self) -> list[pa.DataType]:
        """The types of the key columns; empty before `bind`."""
        return [column.type for column in self._columns]

    def bind(self, schema: pa.Schema) -> None:
        """Remember the types of the key columns, or compare with those remembered.

        Raises
        ------
        ColumnNotFoundError
            If a key column is not there.
        ColumnTypeError
            If it cannot be a key (nested types), or is of another type than before.
        """
        types = [plain_type(schema.field(column_index(schema, n)).type) for n in self.names]
        if not self._columns:
            self._columns = [KeyColumn(*pair) for pair in zip(self.names, types, strict=True)]
            return
        for column, given in zip(self._columns, types, strict=True):
            if column.type != given:
                raise ColumnTypeError(
                    f"key column {column.name!r} is {given}, but it was {column.type} before"
                )

    def encode(self, batch: pa.RecordBatch) -> Codes:
        """Return the code of the key of each row; new keys get the next codes.

        Returns
        -------
        ndarray
            (n_rows,) int32.

        Raises
        ------
        ColumnNotFoundError, ColumnTypeError
            As `bind`.
        LimitError
            If there are more than `max_keys` keys. None of the batch is kept then.

        Notes
        -----
        O(n_rows) per column; integers from a small range, dictionaries and short strings are fast.
        """
        self.bind(batch.schema)
        return self.encode_checked(batch)

    def encode_checked(self, batch: pa.RecordBatch) -> Codes:
        """Do what `encode` does, with a batch of which `bind` has seen the schema."""
        codes = self._encode([batch.column(name) for name in self.names])
        if self.kept is not None:
            self.kept.append(codes)
        return codes

    def code(self, key: tuple[object, ...]) -> int:
        """Return the code of one key of Python values; it is the same as `encode` gives.

        Raises
        ------
        ColumnTypeError
            If a value is of another type than its column.
        InputError
            If the key has too few or too many values, or one that does not fit its column; if the
            types are not known yet.
        LimitError
            If it is a new key, and one too many.

        Notes
        -----
        One lookup in a dict; several microseconds for a key that has not come this way before.
        """
        try:
            return self.known[key]
        except (KeyError, TypeError):
            return self._learn(key)

    def take(self, codes: Sequence[int] | npt.NDArray[np.integer[Any]]) -> list[pa.Array[Any]]:
        """Return the key columns for codes, one array per column."""
        if not self._columns:
            return []
        left = np.ascontiguousarray(codes, np.int32)
        arrays: list[pa.Array[Any]] = []
        for level in reversed(range(len(self._pairs))):
            pair, _ = self._pairs[level].take(left)
            right = (pair & ((1 << self._shifts[level]) - 1)).astype(np.int32)
            arrays.append(self._columns[level + 1].take(right))
            left = (pair >> self._shifts[level]).astype(np.int32)
        return [self._columns[0].take(left), *arrays[::-1]]

    def dump(self) -> pa.Table:
        """Return all keys in the order of their codes; without columns before `bind`."""
        schema = pa.schema(list(zip(self.names, self.types, strict=False)))
        return pa.Table.from_arrays(self.take(np.arange(self.n_keys)), schema=schema)

    @classmethod
    def of_column(cls, column: KeyColumn) -> Keys:
        """Return keys of one column, whose codes are those of the column."""
        keys = cls([column.name], max_keys=_MOST_KEYS)
        keys._columns = [column]
        return keys

    @classmethod
    def load(cls, table: pa.Table, names: Sequence[str], max_keys: int) -> Keys:
        """Return the keys of a `dump`, with the same codes.

        Raises
        ------
        SnapshotError
            If the table is not what `dump` returns for these names.
        """
        keys = cls(names, max_keys=max_keys)
        if not table.column_names and not table.num_rows:
            return keys
        if table.column_names != keys.names:
            raise SnapshotError(
                f"the keys of the snapshot are {table.column_names}; expected {keys.names}"
            )
        try:
            table.validate(full=True)
            keys.bind(table.schema)
            for batch in table.to_batches():
                keys.encode(batch)
        except (TidegateError, pa.ArrowException) as error:
            raise SnapshotError(f"the keys of the snapshot cannot be used: {error}") from error
        if keys.types != table.schema.types or keys.n_keys != table.num_rows:
            raise SnapshotError(
                f"the snapshot has {table.num_rows} keys, of which {keys.n_keys} are distinct, of "
                f"the types {', '.join(map(str, table.schema.types))}"
            )
        return keys

    def mark(self) -> list[int]:
        """Return how much is known now, for `rollback`."""
        return [table.n_codes for table in self._tables()]

    def rollback(self, mark: list[int]) -> None:
        """Forget every key that is newer than a `mark`."""
        self.known.clear()
        self._truncate(mark or [0] * len(self._tables()))

    def _truncate(self, mark: list[int]) -> None:
        """Forget the codes that are newer than a mark."""
        for table, n_codes in zip(self._tables(), mark, strict=True):
            if table.n_codes > n_codes:
                table.truncate(n_codes)

    def _tables(self) -> list[KeyColumn | IntCodes]:
        """Return all tables of codes; none before `bind`."""
        return [*self._columns, *self._pairs] if self._columns else []

    def _encode(self, arrays: list[pa.Array[Any]]) -> Codes:
        """Encode key columns; if that raises, nothing of them is kept."""
        before = self.mark()
        try:
            codes = self._columns[0].encode(arrays[0])
            for level, column in enumerate(self._columns[1:]):
                codes = self._paired(level, codes, column.encode(arrays[level + 1]))
            if self.n_keys > self.max_keys:
                raise self._too_many(codes)
        except BaseException:
            self._truncate(before)
            raise
        return codes

    def _paired(self, level: int, left: Codes, right: Codes) -> Codes:
        """Return the codes of the pairs of a prefix and of the column after it."""
        n_right = self._columns[level + 1].n_codes
        if n_right > 1 << self._shifts[level]:
            self._widen(level, n_right.bit_length())
        pairs = np.left_shift(left, self._shifts[level], dtype=np.int64)
        pairs |= right
        return self._pairs[level].encode(pairs)

    def _widen(self, level: int, shift: int) -> None:
        """Make room for more codes on the right of the pairs."""
        old = self._pairs[level].values
        right = old & ((1 << self._shifts[level]) - 1)
        wide = IntCodes()
        wide.encode(((old >> self._shifts[level]) << shift) | right)
        self._pairs[level], self._shifts[level] = wide, shift

    def _too_many(self, codes: Codes) -> LimitError:
        """Return the error that names the first key above the limit."""
        row = int((codes >= self.max_keys).argmax())
        key = ", ".join(short(array[0].as_py()) for array in self.take(codes[row : row + 1]))
        return LimitError(
            f"row {row} has the key ({key}), one more than max_keys = {self.max_keys} allows for "
            f"{', '.join(map(repr, self.names))}; raise max_keys if that many are meant"
        )

    def _learn(self, key: tuple[object, ...]) -> int:
        """Encode a key of Python values, and remember its code for the next time."""
        if not self._columns:
            raise InputError("the types of the key columns are not known yet; bind a schema first")
        if len(key) != len(self.names):
            raise InputError(
                f"the key {short(key)} has {len(key)} values; expected {len(self.names)}"
            )
        columns = zip(key, self._columns, strict=True)
        code = int(self._encode([one_value(v, c.type, c.name) for v, c in columns])[0])
        # A time that equals another can be another instant (in the hour that a clock goes back),
        # NaN equals nothing: both come here every time.
        if all(type(value) in _PLAIN and value == value for value in key):
            if len(self.known) > 2 * self.n_keys + _SPARE_CODES:  # 0.1 and 0.1000000001 as float32
                self.known.clear()
            self.known[key] = code
        return code
