"""Rows of Arrow columns by number, many columns at a time, null where there is no row.

Columns of 1, 2, 4, 8 or 16 bytes a value go through a kernel, dictionaries and string views as
what stands in their place; all others go through Arrow's own `take`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.taking import Columns, take
from tidegate.core.columns import buffer_view, plain, validity
from tidegate.core.errors import ColumnTypeError

__all__ = ["Place", "Taker", "Words", "has_plain_words", "taken_type", "words_of"]

Bytes = npt.NDArray[np.uint8]

# From here on memory comes from NumPy, which asks for large pages: to touch 80 MB of them for the
# first time costs 0.06 ns a byte, of small pages 0.2 to 0.5. Below, Arrow's pool keeps used pages.
_LARGE = 1 << 24
_WIDTHS = (1, 2, 4, 8, 16)
_WORD_BYTES = 8
_BYTE = np.dtype("u1")
# Their stubs have an overload for each type; NumPy's does not know Arrow's buffers.
_array: Callable[..., pa.Array[Any]] = pa.array
_nulls: Callable[..., pa.Array[Any]] = pa.nulls
_frombuffer: Callable[..., Bytes] = np.frombuffer
_py_buffer: Callable[[Any], pa.Buffer] = pa.py_buffer


def taken_type(type: pa.DataType, column: str) -> pa.DataType:  # noqa: A002
    """Return the type of rows taken from a column of a type; run-ends are decoded.

    Raises
    ------
    ColumnTypeError
        If neither we nor Arrow can take rows of it.
    """
    if isinstance(type, pa.RunEndEncodedType):
        return taken_type(type.value_type, column)
    if _width(type) is None:
        try:
            _nulls(1, _storage(type)).take(_array([0], pa.int64()))
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
            raise ColumnTypeError(
                f"column {column!r} is {type}, of which rows cannot be taken ({error}); leave it "
                "out or cast it"
            ) from error
    return type


def _storage(type: pa.DataType) -> pa.DataType:  # noqa: A002
    """Return the type that an extension type is kept in."""
    while isinstance(type, pa.BaseExtensionType):
        type = type.storage_type  # noqa: A001
    return type


def _width(type: pa.DataType) -> int | None:  # noqa: A002
    """Return how many bytes a kernel has to copy for a value; None: not with a kernel."""
    type = _storage(type)  # noqa: A001
    if isinstance(type, pa.DictionaryType):
        return _width(type.index_type)
    if _is_view(type):
        return 16
    if pa.types.is_nested(type) or pa.types.is_boolean(type) or pa.types.is_null(type):
        return None
    try:
        n_bytes, rest = divmod(type.bit_width, 8)
    except ValueError:
        return None
    return n_bytes if not rest and n_bytes in _WIDTHS else None


def _is_view(type: pa.DataType) -> bool:  # noqa: A002
    """Tell whether values are views into buffers that all of them share."""
    return type in (pa.string_view(), pa.binary_view())


class Words(NamedTuple):
    """A column that a kernel can copy from."""

    type: pa.DataType
    width: int
    values: Bytes  # (n_right * width,)
    valid: Bytes | None  # (n_right,)


class Place(NamedTuple):
    """Where rows that are taken go."""

    n_rows: int
    n_right: int
    rows: npt.NDArray[np.int64] | None  # (n_rows,) their numbers, where somebody wants them
    matched: Bytes  # bits
    words: list[tuple[int, Any, Any, Any, Any]]  # what the kernel takes of each word column

    @property
    def columns(self) -> Columns:
        """The word columns as the kernel takes them."""
        return Columns(self.words, self.n_right, self.n_rows)

    def part(self, begin: int, end: int) -> Place:
        """Return the place of some of the rows; `begin` is a multiple of 8."""
        bits = slice(begin // 8, (end + 7) // 8)
        words = [
            (
                width,
                values,
                valid,
                out[begin * width : end * width],
                None if flags is None else flags[bits],
            )
            for width, values, valid, out, flags in self.words
        ]
        rows = None if self.rows is None else self.rows[begin:end]
        return Place(end - begin, self.n_right, rows, self.matched[bits], words)


class Taker:
    """Takes rows of columns.

    Parameters
    ----------
    columns : list of pyarrow.ChunkedArray or Words
        Of equal length; words of a type that `has_plain_words` only.
    n_rows : int
        Their length.

    Raises
    ------
    ColumnTypeError
        As `taken_type`.
    """

    def __init__(self, columns: Sequence[pa.ChunkedArray[Any] | Words], n_rows: int) -> None:
        self.n_rows = n_rows
        self._columns: list[Any] = [c if isinstance(c, Words) else _whole(c) for c in columns]
        self._words = [c if isinstance(c, Words) else words_of(c) for c in self._columns]
        self.needs_index = any(words is None for words in self._words)

    def place(self, n_rows: int) -> Place:
        """Make room for some rows."""
        n_bits = (n_rows + 7) // 8
        words = [
            (
                words.width,
                words.values,
                words.valid,
                _memory(n_rows * words.width),
                None if words.valid is None else _memory(n_bits),
            )
            for words in self._words
            if words is not None
        ]
        rows = _memory(n_rows * _WORD_BYTES).view(np.int64) if self.needs_index else None
        return Place(n_rows, self.n_rows, rows, _memory(n_bits), words)

    def take(self, rows: npt.NDArray[np.int64]) -> list[pa.Array[Any]]:
        """Return rows by their numbers, null for -1, as one array for each column."""
        place = self.place(len(rows))
        if place.rows is not None:
            place.rows[:] = rows
        return self.arrays(place, take(rows, place.matched, place.columns))

    def arrays(self, place: Place, n_matched: int) -> list[pa.Array[Any]]:
        """Return what was put into a place as one array for each column."""
        n_rows = place.n_rows
        matched = None if n_matched == n_rows else _py_buffer(place.matched)
        coming = iter(place.words)
        arrays: list[pa.Array[Any]] = []
        for column, words in zip(self._columns, self._words, strict=True):
            if words is None:
                buffers: list[Any] = [matched, _py_buffer(place.rows)]
                arrays.append(column.take(pa.Array.from_buffers(pa.int64(), n_rows, buffers)))
                continue
            *_, out, flags = next(coming)
            bits = matched if flags is None else _py_buffer(flags)
            arrays.append(_wrapped(column, n_rows, bits, _py_buffer(out)))
        return arrays


def _memory(n_bytes: int) -> Bytes:
    """Make room for bytes."""
    if n_bytes >= _LARGE:
        return np.empty(n_bytes, np.uint8)
    return _frombuffer(pa.allocate_buffer(n_bytes), np.uint8)


def _whole(column: pa.ChunkedArray[Any]) -> Any:
    """Return a column in one piece, without run-ends; in several where it does not fit into one."""
    if isinstance(column.type, pa.RunEndEncodedType):
        decoded = [plain(chunk) for chunk in column.chunks]
        column = pa.chunked_array(decoded, column.type.value_type)
    if column.num_chunks == 1:
        return column.chunk(0)
    try:
        return column.combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowCapacityError):
        return column  # more than 2 GiB of text under 32-bit offsets


def has_plain_words(type: pa.DataType) -> bool:  # noqa: A002
    """Tell whether the bytes of a value are all that there is to it."""
    return _width(type) is not None and not (
        isinstance(type, pa.DictionaryType | pa.BaseExtensionType) or _is_view(type)
    )


def words_of(column: Any) -> Words | None:
    """View a column as bytes of a fixed width; None where it has none."""
    if isinstance(column, pa.ChunkedArray):
        return None
    kind, width = column.type, _width(column.type)
    if width is None:
        return None
    valid = validity(column)
    while isinstance(column, pa.ExtensionArray):
        column = column.storage
    if isinstance(column, pa.DictionaryArray):
        column = column.indices
    buffer = column.buffers()[1]
    if buffer is None or not len(column):
        return Words(kind, width, np.zeros(len(column) * width, np.uint8), valid)
    values = buffer_view(buffer, _BYTE, len(column) * width, column.offset * width)
    if values.__array_interface__["data"][0] % min(width, _WORD_BYTES):
        values = values.copy()
    return Words(kind, width, values, valid)


def _wrapped(column: Any, n_rows: int, bits: pa.Buffer | None, out: pa.Buffer) -> pa.Array[Any]:
    """Return values as an array of the type of the column that they were taken from."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return kind.wrap_array(_wrapped(column.storage, n_rows, bits, out))
    if isinstance(kind, pa.DictionaryType):
        indices = pa.Array.from_buffers(kind.index_type, n_rows, [bits, out])
        return pa.DictionaryArray.from_arrays(
            indices, column.dictionary, ordered=kind.ordered, safe=False
        )
    shared = column.buffers()[2:] if _is_view(kind) else []
    return pa.Array.from_buffers(kind, n_rows, [bits, out, *shared])
