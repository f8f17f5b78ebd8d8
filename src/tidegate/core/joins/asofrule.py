"""What an as-of join matches, checked; and bound to the types of both sides."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from tidegate.core.allkeys import encode_all
from tidegate.core.columns import plain, time_column
from tidegate.core.columntypes import column_index, is_text, plain_type, time_type
from tidegate.core.durations import NS_PER_UNIT, in_units
from tidegate.core.errors import ColumnTypeError, DurationError, InputError
from tidegate.core.eventtime import INT64_MAX, order_of_floats
from tidegate.core.keys import Keys
from tidegate.core.taking import taken_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.core.columns import Numbers
    from tidegate.core.durations import Duration

__all__ = ["AsofRule", "AsofTypes", "Direction", "Moments", "Side", "make_rule"]

Direction: TypeAlias = Literal["backward", "forward", "nearest"]
Side: TypeAlias = Literal["left", "right"]
DIRECTIONS = ("backward", "forward", "nearest")
LEFT, RIGHT = "left", "right"
_chunked_array: Callable[..., Any] = pa.chunked_array  # its stub has an overload for each type


@dataclass(frozen=True)
class AsofRule:
    """Which right row a left row matches.

    Parameters
    ----------
    on : tuple of str
        The time column of the left side and that of the right side.
    by : tuple of str
        The key columns, of the same names on both sides.
    tolerance : Duration or None
        How far apart the times may be.
    direction : {"backward", "forward", "nearest"}
    exact : bool
        Whether equal times match.
    suffix : str
        What is added to the name of a right column that the left side has too.
    """

    on: tuple[str, str]
    by: tuple[str, ...]
    tolerance: Duration | None
    direction: Direction
    exact: bool
    suffix: str


@dataclass(frozen=True)
class Moments:
    """The rows of one side that have a time.

    Attributes
    ----------
    times : ndarray
        (n,) int64, in the unit of both sides; images of floats (`order_of_floats`).
    codes : ndarray or None
        (n,) int32, of the keys.
    rows : ndarray or None
        (n,) int64, where these rows stand; None: all rows, in order.
    reasons : ndarray or None
        (n_rows,) uint8 of all rows: 1 has a time, 0 null, 2 NaN; None: all have one.
    """

    times: Numbers
    codes: Numbers | None
    rows: Numbers | None
    reasons: Numbers | None = None

    def sorted(self) -> Moments:
        """Return the same rows by time; equal times stay in order of arrival."""
        order = np.argsort(self.times, kind="stable")
        codes = None if self.codes is None else self.codes[order]
        rows = order if self.rows is None else self.rows[order]
        return Moments(self.times[order], codes, rows, self.reasons)


def make_rule(
    *,
    on: str | tuple[str, str],
    by: str | list[str] | tuple[str, ...] | None,
    tolerance: Duration | None,
    direction: Direction,
    allow_exact_matches: bool,
    suffix: str,
) -> AsofRule:
    """Check what a user wrote.

    Raises
    ------
    InputError
        If an option is not one.
    ColumnTypeError
        If a name is no string.
    """
    pair = (on, on) if isinstance(on, str) else tuple(on) if isinstance(on, tuple | list) else ()
    if len(pair) != 2 or not all(isinstance(name, str) for name in pair):
        raise ColumnTypeError(
            f"on is {on!r}: give the name of the time column, or a pair of the left and the "
            "right name"
        )
    names = (by,) if isinstance(by, str) else tuple(by or ())
    if not all(isinstance(name, str) for name in names):
        raise ColumnTypeError(f"by is {by!r}: give the name of a key column, or a list of names")
    if len(set(names)) < len(names) or set(names) & set(pair):
        raise InputError(f"by is {by!r}: the key columns have to be distinct, and not {on!r}")
    if direction not in DIRECTIONS:
        raise InputError(f"direction is {direction!r}: give one of {', '.join(DIRECTIONS)}")
    if not isinstance(allow_exact_matches, bool):
        raise InputError(f"allow_exact_matches is {allow_exact_matches!r}: give True or False")
    if not isinstance(suffix, str):
        raise InputError(f"suffix is {suffix!r}: give a string")
    return AsofRule((pair[0], pair[1]), names, tolerance, direction, allow_exact_matches, suffix)


class AsofTypes:
    """A rule bound to the columns of both sides.

    Parameters
    ----------
    rule : AsofRule
    left, right : pyarrow.Schema

    Attributes
    ----------
    time_type : pyarrow.DataType
        In which the times of both are compared: the finer unit of the two.
    tolerance : int, float or None
        In the unit of `time_type`.
    key_types : list of pyarrow.DataType
        To which the keys of both are cast where they differ.
    taken : list of (str, pyarrow.Field)
        The right columns of the result: their names on the right, and as they come out.

    Raises
    ------
    ColumnNotFoundError
        If a column is not there.
    ColumnTypeError
        If the times, or the keys, of the two sides cannot be compared; if rows of a right column
        cannot be taken.
    DurationError
        If the tolerance is not a whole number of units.
    InputError
        If it is negative, or two columns of the result would have one name.
    """

    def __init__(self, rule: AsofRule, left: pa.Schema, right: pa.Schema) -> None:
        self.rule = rule
        self._own = (time_type(left, rule.on[0]), time_type(right, rule.on[1]))
        nulls = [
            pa.types.is_null(plain_type(schema.field(column_index(schema, name)).type))
            for schema, name in zip((left, right), rule.on, strict=True)
        ]
        self.time_type = _common_time(rule.on, self._own, nulls)
        self._factors = [
            1 if is_null else _factor(own, self.time_type)
            for own, is_null in zip(self._own, nulls, strict=True)
        ]
        self.is_float = pa.types.is_floating(self.time_type)
        self.tolerance = self.units_of(rule.tolerance, "tolerance")
        self.key_types = [_common_key(name, left, right) for name in rule.by]
        self.taken = _taken(rule, left, right)

    def units_of(self, duration: Duration | None, what: str) -> int | float | None:
        """Convert a duration from 0 on; a plain number is in the unit of the left side."""
        if duration is None:
            return None
        timed = isinstance(duration, str | dt.timedelta | np.timedelta64)
        if timed or self.is_float:
            units = in_units(duration, self.time_type, what)
        else:
            units = in_units(duration, self._own[0], what) * self._factors[0]
        if units < 0:
            raise InputError(f"{what} is {duration!r}: give a duration from 0 on")
        if not self.is_float and units > INT64_MAX:
            raise DurationError(f"{what} is {units} units: that is more than int64 holds")
        return units

    def moments(
        self,
        table: pa.Table,
        side: Literal["left", "right"],
        keys: Keys | None,
        threads: int = 1,
    ) -> Moments:
        """Read the times and the keys of one side, the keys on at most so many threads.

        Raises
        ------
        InputError
            If a time does not fit the finer unit of the other side.
        LimitError
            If there are too many keys.
        """
        at = 0 if side == LEFT else 1
        name = self.rule.on[at]
        parts = [self._times(batch, at) for batch in table.select([name]).to_batches()]
        times = _joined([values for values, _ in parts], np.int64)
        codes = None if keys is None else self.codes(table, keys, threads)
        if all(valid is None for _, valid in parts):
            return Moments(times, codes, None)
        reasons = _joined(
            [np.ones(len(v), np.uint8) if ok is None else ok for v, ok in parts], np.uint8
        )
        rows = np.flatnonzero(reasons == 1)
        if len(rows) == len(reasons):
            return Moments(times, codes, None)
        return Moments(times[rows], None if codes is None else codes[rows], rows, reasons)

    def codes(self, table: pa.Table, keys: Keys, threads: int = 1) -> Numbers:
        """Return the codes of the keys of a table."""
        columns = [
            _cast(table.column(column_index(table.schema, name)), type_)
            for name, type_ in zip(self.rule.by, self.key_types, strict=True)
        ]
        table = pa.Table.from_arrays(columns, names=list(self.rule.by))
        return _joined([encode_all(keys, batch, threads) for batch in table.to_batches()], np.int32)

    def _times(self, batch: pa.RecordBatch, at: int) -> tuple[Numbers, Numbers | None]:
        """Read the times of a batch as the kernels compare them."""
        name, factor = self.rule.on[at], self._factors[at]
        times, valid = time_column(batch, name)
        if times.dtype == np.float64:
            return order_of_floats(times, valid)
        if factor == 1:
            return times, valid
        bad = (times > INT64_MAX // factor) | (times < -(INT64_MAX // factor))
        if valid is not None:
            bad &= valid == 1
        if bad.any():
            row = int(bad.argmax())
            raise InputError(
                f"column {name!r} of the {(LEFT, RIGHT)[at]} side, row {row} is {times[row]} "
                f"({self._own[at]}), which {self.time_type}, the unit of the other side, cannot "
                "hold; cast one of the sides"
            )
        return times * factor, valid


def _joined(parts: list[Numbers], dtype: type[np.generic]) -> Numbers:
    """Return parts in one piece."""
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _common_time(
    on: tuple[str, str], own: tuple[pa.DataType, pa.DataType], nulls: list[bool]
) -> pa.DataType:
    """Return the type in which times of both sides can be compared exactly."""
    left, right = own
    if nulls[0] or nulls[1]:
        return right if nulls[0] else left
    if isinstance(left, pa.TimestampType) and isinstance(right, pa.TimestampType):
        if (left.tz is None) == (right.tz is None):
            return min((left, right), key=lambda kind: NS_PER_UNIT[kind.unit])
    elif left == right:
        return left
    raise ColumnTypeError(
        f"the times of column {on[0]!r} on the left are {left}, those of {on[1]!r} on the right "
        f"{right}: they cannot be compared exactly; cast one of them"
    )


def _factor(own: pa.DataType, common: pa.DataType) -> int:
    """Return how many of the common units one of a side's own is."""
    if not isinstance(own, pa.TimestampType) or not isinstance(common, pa.TimestampType):
        return 1
    return NS_PER_UNIT[own.unit] // NS_PER_UNIT[common.unit]


def _common_key(name: str, left: pa.Schema, right: pa.Schema) -> pa.DataType:
    """Return the type in which a key column of both sides can be compared exactly."""
    one, other = (
        plain_type(schema.field(column_index(schema, name)).type) for schema in (left, right)
    )
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    both = (one, other)
    if all(map(is_text, both)):
        return pa.large_string()
    if all(map(_is_bytes, both)):
        return pa.large_binary()
    if all(map(pa.types.is_unsigned_integer, both)):
        return pa.uint64()
    if all(map(pa.types.is_integer, both)) and pa.uint64() not in both:
        return pa.int64()
    if all(map(pa.types.is_floating, both)):
        return pa.float64()
    raise ColumnTypeError(
        f"key column {name!r} is {one} on the left and {other} on the right: equal keys cannot be "
        "told; cast one of them"
    )


def _is_bytes(kind: pa.DataType) -> bool:
    """Tell whether a type is strings of bytes."""
    return kind in (pa.binary(), pa.large_binary(), pa.binary_view())


def _cast(column: pa.ChunkedArray[Any], type_: pa.DataType) -> pa.ChunkedArray[Any]:
    """Return a key column in the type of both sides."""
    if plain_type(column.type) == type_:
        return column
    same: pa.ChunkedArray[Any] = _chunked_array(
        [plain(chunk).cast(type_) for chunk in column.chunks], type_
    )
    return same


def _taken(rule: AsofRule, left: pa.Schema, right: pa.Schema) -> list[tuple[str, pa.Field[Any]]]:
    """Name the right columns of the result: all but the keys, and the times if of one name."""
    left_out = {*rule.by, *({rule.on[1]} if rule.on[0] == rule.on[1] else ())}
    names = [name for name in right.names if name not in left_out]
    used = set(left.names)
    taken: list[tuple[str, pa.Field[Any]]] = []
    for name in names:
        field = right.field(column_index(right, name))
        result = name + rule.suffix if name in left.names else name
        if result in used:
            raise InputError(
                f"two columns of the result would be {result!r}: give another suffix than "
                f"{rule.suffix!r}, or rename the right column {name!r}"
            )
        used.add(result)
        taken.append((name, pa.field(result, taken_type(field.type, name))))
    return taken
