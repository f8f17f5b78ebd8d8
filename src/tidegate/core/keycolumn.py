"""One key column: Arrow arrays and Python values -> codes, and codes -> an Arrow array."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.remap import remap
from tidegate.core.codes import BytesCodes, Codes, IntCodes, Valid, room_for_codes
from tidegate.core.columns import as_array, buffer_view, plain, stored, validity
from tidegate.core.columntypes import fits_64_bits
from tidegate.core.convert import Place, from_python, short
from tidegate.core.errors import ColumnTypeError, InputError

__all__ = ["KeyColumn", "one_value"]

# Types of variable length -> the one in whose layout their keys are kept.
_LARGE = {
    pa.string().id: pa.large_string(),
    pa.large_string().id: pa.large_string(),
    pa.string_view().id: pa.large_string(),
    pa.binary().id: pa.large_binary(),
    pa.large_binary().id: pa.large_binary(),
    pa.binary_view().id: pa.large_binary(),
}
_VIEWS = {pa.string_view().id, pa.binary_view().id}
_CHEAP_BYTES = 1 << 16  # of keys that are cast again whenever there is a new one
_32_BIT_OFFSETS = {pa.string().id, pa.binary().id}


def _is_number(kind: pa.DataType) -> bool:
    """Tell whether values of a type can equal those of other types of numbers."""
    return (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    """Tell whether a type is a string of whatever layout."""
    return _LARGE.get(kind.id) == pa.large_string()


def _is_bytes(kind: pa.DataType) -> bool:
    """Tell whether a type is a string of bytes of whatever layout."""
    return _LARGE.get(kind.id) == pa.large_binary() or pa.types.is_fixed_size_binary(kind)


# A Python value can be a key of a column if one of these holds for both of their types.
_KINDS: tuple[Callable[[pa.DataType], bool], ...] = (
    _is_number,
    _is_text,
    _is_bytes,
    pa.types.is_date,
    pa.types.is_time,
    pa.types.is_duration,
    pa.types.is_interval,
)
# Their stubs have an overload for each type, none for all.
_array: Callable[..., pa.Array[Any]] = pa.array
_nulls: Callable[..., pa.Array[Any]] = pa.nulls
_py_buffer: Callable[[Any], pa.Buffer] = pa.py_buffer


class KeyColumn:
    """The codes of one key column.

    Parameters
    ----------
    name : str
        The column, for messages.
    type : pyarrow.DataType
        Neither a dictionary nor an extension type: see `columns.plain_type`.

    Raises
    ------
    ColumnTypeError
        If values of this type cannot be keys.
    """

    def __init__(self, name: str, type: pa.DataType) -> None:  # noqa: A002
        self.name = name
        self.type = type
        self._codes = _codes_for(name, type)
        self._is_view = type.id in _VIEWS
        self._known: pa.Array[Any] | None = None
        self._dictionary: pa.Array[Any] | None = None
        self._code_of = np.empty(0, np.int32)  # of each entry of the dictionary; the last: null

    @property
    def n_codes(self) -> int:
        """How many different values there are."""
        return self._codes.n_codes

    def encode(self, values: pa.Array[Any]) -> Codes:
        """Return the codes of an array of this type, or of a dictionary of this type.

        Raises
        ------
        InputError
            If the array is damaged: an index or an offset is out of bounds.
        """
        while isinstance(values, pa.ExtensionArray):
            values = values.storage
        if isinstance(values, pa.DictionaryArray):
            return self._encode_dictionary(values)
        values = plain(values)
        if isinstance(self._codes, IntCodes):
            return self._codes.encode(*_as_ints(values))
        try:
            return self._codes.encode(*_as_bytes(values))
        except InputError as error:
            raise InputError(f"column {self.name!r}, {error}") from None

    def take(self, codes: Codes) -> pa.Array[Any]:
        """Return the values of codes."""
        if isinstance(self._codes, IntCodes):
            return _from_ints(*self._codes.take(codes), self.type)
        known = self._known_values(self._codes)
        taken = known.take(_places(codes, self._codes.null_code))
        return taken if taken.type == self.type else taken.cast(self.type)

    def _known_values(self, codes: BytesCodes) -> pa.Array[Any]:
        """Return all values, made anew where there are more than the last time.

        A few are brought to their own type all at once, which is most of what a take costs.
        """
        if self._known is None or len(self._known) < codes.n_codes:
            known = _from_bytes(codes, self.type)
            is_cheap = known.nbytes <= _CHEAP_BYTES and known.type != self.type
            self._known = known.cast(self.type) if is_cheap and not self._is_view else known
        return self._known

    def truncate(self, n_codes: int) -> None:
        """Forget all codes from `n_codes` on."""
        self._dictionary = self._known = None
        self._codes.truncate(n_codes)

    def _encode_dictionary(self, values: pa.DictionaryArray[Any, Any]) -> Codes:
        """Translate the indices; only entries that are in a row, and new, get a code."""
        entries = plain(values.dictionary)
        self._use_dictionary(entries)
        indices = stored(values.indices)
        unsigned = indices.view(f"u{indices.itemsize}")  # what is negative is out of bounds, too
        valid = validity(values.indices)
        codes = room_for_codes(len(indices))
        fresh = np.empty(len(self._code_of), np.int32)
        n_fresh = remap(unsigned, valid, self._code_of, codes, fresh)
        if n_fresh == 0:
            return codes
        self._dictionary = None  # until its new entries have codes
        if n_fresh < 0:
            row = -1 - n_fresh
            raise InputError(
                f"column {self.name!r}, row {row}: there is no entry {indices[row]} in a "
                f"dictionary of {len(entries)}"
            )
        new = fresh[:n_fresh]
        self._code_of[new] = self.encode(_entries(entries, new))
        self._dictionary = entries
        remap(unsigned, valid, self._code_of, codes, fresh)
        return codes

    def _use_dictionary(self, entries: pa.Array[Any]) -> None:
        """Keep the codes of the entries for as long as batches share their dictionary."""
        # Equal addresses mean equal values: those that we hold cannot have been freed.
        if self._dictionary is None or _identity(entries) != _identity(self._dictionary):
            self._code_of = np.full(len(entries) + 1, -1, np.int32)
            self._dictionary = entries


def one_value(value: object, type: pa.DataType, name: str) -> pa.Array[Any]:  # noqa: A002
    """Return one Python value as an Arrow array of a key column's type.

    Raises
    ------
    ColumnTypeError
        If the value is of another type.
    InputError
        If the type cannot hold it exactly (a float column rounds floats).
    """
    place = Place(name, "key column", "value")
    try:
        # What most keys are. pa.array() takes 20 us, and the first time it imports pandas.
        if value.__class__ is str and _is_text(type):
            text: Any = value
            return _one_text(text.encode())
        if value.__class__ is int and pa.types.is_integer(type):
            unsigned = pa.types.is_unsigned_integer(type)
            return as_array(np.array([value], "u8" if unsigned else "i8"), None, type)
    except (UnicodeEncodeError, OverflowError, InputError) as error:
        raise InputError(f"{place} is {type}, which cannot hold {short(value)}: {error}") from error
    natural: Any = from_python([value], place)
    if natural.null_count:
        return _nulls(1, type)
    if not _is_alike(natural.type, type, value):
        raise ColumnTypeError(
            f"{place} is {type}; {short(value)} is of type {value.__class__.__name__}"
        )
    try:
        if pa.types.is_decimal(type):
            number: Any = value.item() if isinstance(value, np.generic) else value
            return _array([decimal.Decimal(number)], type)
        same: pa.Array[Any] = natural.cast(type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{place} is {type}, which cannot hold {short(value)}: {error}") from error
    if pa.types.is_boolean(type) and same[0].as_py() != value:
        raise InputError(f"{place} is {type}, which cannot hold {short(value)}")
    return same


def _one_text(text: bytes) -> pa.Array[Any]:
    """Return one text as an Arrow array."""
    offsets = np.array([0, len(text)], np.int64)
    buffers = [None, _py_buffer(offsets), _py_buffer(text)]
    return pa.Array.from_buffers(pa.large_string(), 1, buffers)


def _codes_for(name: str, type: pa.DataType) -> IntCodes | BytesCodes:  # noqa: A002
    """Return an empty table for values of a type."""
    if fits_64_bits(type):
        return IntCodes()
    if type.id in _LARGE:
        return BytesCodes()
    if (
        pa.types.is_fixed_size_binary(type)
        or pa.types.is_decimal(type)
        or pa.types.is_interval(type)
    ):
        return BytesCodes(type.bit_width // 8)
    raise ColumnTypeError(
        f"column {name!r} is {type}, which cannot be a key; expected numbers, booleans, text, "
        "bytes, decimals, dates or times, plain or as a dictionary"
    )


def _as_ints(values: pa.Array[Any]) -> tuple[npt.NDArray[Any], Valid]:
    """Return values of up to 64 bits as int32 or int64, equal where they are the same key."""
    if pa.types.is_null(values.type):
        return np.zeros(len(values), np.int64), np.zeros(len(values), np.uint8)
    numbers: npt.NDArray[Any] = stored(values)
    if numbers.dtype.kind == "f":
        numbers = numbers.astype(np.float64) + 0.0  # -0.0 becomes 0.0
        numbers[np.isnan(numbers)] = np.nan  # one NaN of all
    if numbers.dtype in (np.float64, np.uint64):
        numbers = numbers.view(np.int64)
    elif numbers.dtype not in (np.int32, np.int64):
        numbers = numbers.astype(np.int64)
    return numbers, validity(values)


def _from_ints(values: npt.NDArray[np.int64], valid: Valid, type: pa.DataType) -> pa.Array[Any]:  # noqa: A002
    """Return what `_as_ints` made of values as an array of their own type."""
    if pa.types.is_floating(type):
        return as_array(values.view(np.float64), valid, type)
    if pa.types.is_unsigned_integer(type):
        return as_array(values.view(np.uint64), valid, type)
    return as_array(values, valid, type)


def _as_bytes(
    values: pa.Array[Any],
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8], Valid]:
    """Return text, bytes or values of more than 64 bits as offsets into bytes."""
    if values.type.id in _VIEWS:
        values = values.cast(_LARGE[values.type.id])
    n_rows, valid = len(values), validity(values)
    buffers: list[Any] = values.buffers()
    if n_rows == 0:
        return np.zeros(1, np.int64), np.zeros(0, np.uint8), None
    content = np.frombuffer(buffers[-1] or b"", np.uint8)
    if values.type.id not in _LARGE:
        width = values.type.bit_width // 8
        return np.arange(values.offset, values.offset + n_rows + 1) * width, content, valid
    dtype = np.dtype(np.int32 if values.type.id in _32_BIT_OFFSETS else np.int64)
    return buffer_view(buffers[1], dtype, n_rows + 1, values.offset), content, valid


def _from_bytes(codes: BytesCodes, type: pa.DataType) -> pa.Array[Any]:  # noqa: A002
    """Return all values of a table as an array, a view of it."""
    content = _py_buffer(codes.content)
    if type.id not in _LARGE:
        return pa.Array.from_buffers(type, codes.n_codes, [None, content])
    buffers = [None, _py_buffer(codes.offsets), content]
    return pa.Array.from_buffers(_LARGE[type.id], codes.n_codes, buffers)


def _entries(entries: pa.Array[Any], places: Codes) -> pa.Array[Any]:
    """Return entries of a dictionary; the place after the last one is null."""
    if entries.type.id in _VIEWS:
        entries = entries.cast(_LARGE[entries.type.id])  # Arrow cannot take from a view
    return entries.take(_places(places, len(entries)))


def _places(places: Codes, null: int) -> pa.Array[Any]:
    """Return places to take from as an Arrow array, with null where one equals `null`."""
    if null < 0:
        return pa.Array.from_buffers(pa.int32(), len(places), [None, _py_buffer(places)])
    valid = (places != null).view(np.uint8)
    return as_array(places.astype(np.int64), valid, pa.int64())


def _identity(values: pa.Array[Any]) -> tuple[object, ...]:
    """Return what two arrays over the same memory have in common."""
    places = ((b.address, b.size) if b is not None else None for b in values.buffers())
    return (values.type.id, len(values), values.offset, *places)


def _is_alike(natural: pa.DataType, type: pa.DataType, value: object) -> bool:  # noqa: A002
    """Tell whether a value of Arrow type `natural` can be a key of a column of another type."""
    if isinstance(natural, pa.TimestampType) and isinstance(type, pa.TimestampType):
        # A datetime64 is in UTC by convention; a datetime without a zone can be anywhere.
        return isinstance(value, np.datetime64) or (natural.tz is None) == (type.tz is None)
    return any(is_kind(natural) and is_kind(type) for is_kind in _KINDS)
