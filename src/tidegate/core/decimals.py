"""Decimals as integers: their units, 10**-scale each, in words of 64 bits, and back."""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tidegate.core.columns import Numbers, as_array, buffer_view, validity
from tidegate.core.errors import InputError

__all__ = [
    "added_up",
    "are_below",
    "as_floats",
    "decimals_of",
    "difference_of",
    "ints_of",
    "is_narrow",
    "is_wide",
    "limbs_of",
    "mean_of",
    "most_of",
    "range_type",
    "scale_of",
    "sum_type",
    "unit_of",
    "units_of",
    "words_of",
]

_NARROW = 18  # digits: the units of every value, and of the distance of two, fit int64
_WORD = 8
_BLOCK = 1 << 15  # rows that stay in the cache while they are checked
_MOST = {128: 38, 256: 76}  # digits
# Raises for what it would have to round; values of more digits than this fit no narrow type.
_EXACT = decimal.Context(prec=60, traps=[decimal.Inexact, decimal.InvalidOperation])
_EXACT_POWER = 22  # of ten, in float64
_EXACT_INTEGER = 1 << 53
_py_buffer: Any = pa.py_buffer  # its stub does not know ndarray


def is_narrow(type: pa.DataType) -> bool:  # noqa: A002
    """Tell whether the values of a type are decimals of which one word holds the units."""
    return pa.types.is_decimal(type) and _digits_of(type) <= _NARROW


def is_wide(type: pa.DataType) -> bool:  # noqa: A002
    """Tell whether the values of a type are decimals of more digits."""
    return pa.types.is_decimal(type) and _digits_of(type) > _NARROW


def sum_type(type: pa.DataType) -> pa.DataType:  # noqa: A002
    """Return the type of the sum of decimals: the scale stays, with as many digits as there are."""
    return _widest(type, 76)


def range_type(type: pa.DataType) -> pa.DataType:  # noqa: A002
    """Return the type of the distance of two decimals: one digit more."""
    return _widest(type, _digits_of(type) + 1)


def _widest(type: pa.DataType, digits: int) -> pa.DataType:  # noqa: A002
    """Return decimal128, or for decimal256 that, with so many digits, if it has them."""
    if type.bit_width > 128:
        return pa.decimal256(min(digits, _MOST[256]), scale_of(type))
    return pa.decimal128(min(digits, _MOST[128]), scale_of(type))


def _digits_of(type: pa.DataType) -> int:  # noqa: A002
    """Return how many digits the values of a decimal type have."""
    digits: int = getattr(type, "precision")  # noqa: B009 - the stub of a DataType has none
    return digits


def scale_of(type: pa.DataType) -> int:  # noqa: A002
    """Return of how many digits behind the point the values of a decimal type are."""
    scale: int = getattr(type, "scale")  # noqa: B009 - the stub of a DataType has none
    return scale


def most_of(type: pa.DataType) -> int:  # noqa: A002
    """Return the number of units from which on a decimal does not fit."""
    return int(10 ** _digits_of(type))


def units_of(values: pa.Array[Any], name: str) -> Numbers:
    """Return the units of narrow decimals, (n_rows,) int64.

    Raises
    ------
    InputError
        If a value has more digits than its type; Arrow does not look.
    """
    words, valid = _words(values), validity(values)
    units: Numbers = np.empty(len(words), np.int64)
    for at in range(0, len(words), _BLOCK):
        block = slice(at, at + _BLOCK)
        units[block] = words[block, 0]
        bad = _too_long(words[block], units[block], most_of(values.type))
        if valid is not None:
            bad &= valid[block] != 0
        if bad.any():
            raise InputError(
                f"column {name!r}, row {at + int(bad.argmax())} has more digits than its type, "
                f"{values.type}: cast it to a wider one"
            )
    return units


def _too_long(words: Any, units: Numbers, most: int) -> Any:
    """Which rows have more digits than there may be, or words beyond the units."""
    bad = (units <= -most) | (units >= most)
    for at in range(1, words.shape[1]):
        bad |= words[:, at] != units >> 63
    return bad


def unit_of(value: object, type: pa.DataType) -> int | None:  # noqa: A002
    """Return the units of one Decimal; None for what is none, or does not fit the narrow type."""
    if value.__class__ is not decimal.Decimal:
        return None
    number: Any = value
    try:
        scaled = _EXACT.scaleb(number, scale_of(type))
        unit = int(scaled)
    except (decimal.DecimalException, OverflowError, ValueError):
        return None
    return unit if unit == scaled and abs(unit) < most_of(type) else None


def limbs_of(values: pa.Array[Any]) -> list[Numbers]:
    """Return the units of wide decimals as words, the low one first: unsigned ones, then int64."""
    words = _words(values)
    last = words.shape[1] - 1
    columns = [np.ascontiguousarray(words[:, at]) for at in range(last + 1)]
    return [*(column.view(np.uint64) for column in columns[:last]), columns[last]]


def _words(values: pa.Array[Any]) -> Any:
    """View decimals as (n_rows, n_words) integers."""
    width, n_rows = values.type.bit_width // 8, len(values)
    dtype, n_words = np.dtype(f"i{min(width, _WORD)}"), max(width // _WORD, 1)
    buffer: Any = values.buffers()[1]
    if n_rows == 0 or buffer is None:
        return np.zeros((n_rows, n_words), dtype)
    return buffer_view(buffer, dtype, n_rows * n_words, values.offset * n_words).reshape(
        n_rows, n_words
    )


def decimals_of(
    words: Sequence[Numbers],
    valid: Numbers | None,
    type: pa.DataType,  # noqa: A002
) -> pa.Array[Any]:
    """Return units as decimals.

    Parameters
    ----------
    words : sequence of ndarray
        (n_rows,) 64-bit words of two's complement integers, the low one first.
    valid : ndarray or None
        (n_rows,) uint8.
    type : pyarrow.DataType
        Of enough digits.
    """
    n_rows, width = len(words[0]), type.bit_width // 8
    flags = None if valid is None else as_array(valid.view(np.uint8), None, pa.bool_()).buffers()[1]
    if width <= _WORD:
        column = words[0].view(np.int64).astype(f"i{width}")
    else:
        column = np.empty((n_rows, width // _WORD), np.int64)
        for at in range(width // _WORD):
            column[:, at] = words[at].view(np.int64) if at < len(words) else column[:, at - 1] >> 63
    return pa.Array.from_buffers(type, n_rows, [flags, _py_buffer(np.ascontiguousarray(column))])


def ints_of(words: Sequence[Numbers]) -> list[int]:
    """Return integers in words, the low one first, as Python's."""
    total = words[-1].view(np.int64).astype(object)
    for word in reversed(words[:-1]):
        total = (total << 64) + word.view(np.uint64).astype(object)
    ints: list[int] = total.tolist()
    return ints


def words_of(units: Sequence[int], n_words: int) -> list[Numbers]:
    """Return Python's integers in words, the low one first."""
    packed = b"".join(unit.to_bytes(_WORD * n_words, "little", signed=True) for unit in units)
    table = np.frombuffer(packed, np.int64).reshape(len(units), n_words)
    return [np.ascontiguousarray(table[:, at]) for at in range(n_words)]


def added_up(halves: Sequence[tuple[Numbers, Numbers]]) -> list[Numbers]:
    """Return sums of wide decimals of the sums of each word of their units.

    Parameters
    ----------
    halves : sequence of (low, high)
        (n_rows,) 64-bit words of the sums, the low word's first; all but the last of unsigned ones.

    Returns
    -------
    list of ndarray
        (n_rows,) words, one more than there were, the low one first; the last one is int64.
    """
    n_words, none = len(halves) + 1, np.zeros(len(halves[0][0]), np.uint64)
    words = [none] * n_words
    for at, (low, high) in enumerate(halves):
        sign = (high.view(np.int64) >> 63).view(np.uint64)
        above = [sign] * (n_words - at - 2)
        words = _plus(words, [*[none] * at, low.view(np.uint64), high.view(np.uint64), *above], 0)
    return [*words[:-1], words[-1].view(np.int64)]


def difference_of(high: Sequence[Numbers], low: Sequence[Numbers]) -> list[Numbers]:
    """Return the distances of integers in as many words, in one word more."""
    longer = [
        [
            *(word.view(np.uint64) for word in words),
            (words[-1].view(np.int64) >> 63).view(np.uint64),
        ]
        for words in (high, low)
    ]
    words = _plus(longer[0], [~word for word in longer[1]], 1)
    return [*words[:-1], words[-1].view(np.int64)]


def _plus(one: Sequence[Numbers], other: Sequence[Numbers], carry: int) -> list[Numbers]:
    """Add integers in unsigned words."""
    words, more = [], np.full(len(one[0]), carry, np.uint64)
    for a, b in zip(one, other, strict=True):
        partial = a + b
        total = partial + more
        more = ((partial < b) | (total < more)).astype(np.uint64)
        words.append(total)
    return words


def are_below(words: Sequence[Numbers], most: int) -> Numbers:
    """Tell which integers in words are below a number in size."""
    if most >= 1 << (64 * len(words) - 1):  # no word can say more
        return np.ones(len(words[0]), np.bool_)
    return _are_less(words, most) & ~_are_less(words, 1 - most)


def _are_less(words: Sequence[Numbers], number: int) -> Numbers:
    """Tell which integers in words are less than a number."""
    is_less = np.zeros(len(words[0]), np.bool_)
    for word, limit in zip(words, words_of([number], len(words)), strict=True):
        other = limit.view(word.dtype)[0]
        is_less = np.where(word == other, is_less, word < other)
    return is_less


def mean_of(words: Sequence[Numbers], counts: Numbers, scale: int) -> Numbers:
    """Return sums in words over numbers of values as float64, rounded once; NaN for no values."""
    over, times = 10 ** max(scale, 0), 10 ** max(-scale, 0)
    means = np.full(len(counts), np.nan)
    low = words[0].view(np.int64)
    is_exact = (low > -_EXACT_INTEGER) & (low < _EXACT_INTEGER)  # and so is what it is divided by
    is_exact &= (counts <= _EXACT_INTEGER // over) & (times == 1)
    for word in words[1:]:
        is_exact &= word.view(np.int64) == low >> 63
    is_exact &= counts > 0
    means[is_exact] = low[is_exact] / (counts[is_exact] * min(over, _EXACT_INTEGER))
    others = np.flatnonzero(~is_exact & (counts > 0))
    units = ints_of([word[others] for word in words])
    pairs = zip(units, counts[others].tolist(), strict=True)
    means[others] = [_quotient(unit * times, n * over) for unit, n in pairs]
    return means


def _quotient(a: int, b: int) -> float:
    """Return a / b, rounded once; infinite where no float64 is as large."""
    try:
        return a / b
    except OverflowError:
        return float("inf") if a > 0 else float("-inf")


def as_floats(values: Numbers, scale: int) -> Numbers:
    """Return float64 in units of 10**-scale in units of 1."""
    if 0 <= scale <= _EXACT_POWER:
        return values / 10.0**scale
    return values * 10.0**-scale
