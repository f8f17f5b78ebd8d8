"""One column of Python, NumPy or pandas values -> an Arrow array, and no value changes on the way.

Arrow's own inference truncates a `datetime` among dates, the nanoseconds of a pandas timestamp and
the multiple in ``datetime64[25s]``, takes True for 1.0 among floats and a naive time for UTC
among zoned ones. Here each of these is converted exactly or is an error.
"""

from __future__ import annotations

import array
import datetime as dt
import decimal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from tidegate.core.errors import ColumnTypeError, InputError, TidegateError

__all__ = [
    "ArrowColumn",
    "Place",
    "family_of",
    "first_line",
    "from_python",
    "from_series",
    "short",
    "to_arrow",
]

ArrowColumn: TypeAlias = "pa.Array[Any] | pa.ChunkedArray[Any]"
# Their stubs know only some of what they take.
_array: Callable[..., ArrowColumn] = pa.array
_py_buffer: Callable[[Any], pa.Buffer] = pa.py_buffer
_chunked_array: Callable[..., ArrowColumn] = pa.chunked_array
Numpy: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

# The first base that fits names the family: a bool is an int too, a datetime is a date.
_FAMILIES: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("bool", (bool, np.bool_)),
    ("timedelta64", (np.timedelta64,)),
    ("int", (int, np.integer)),
    ("other", (np.longdouble,)),
    ("float", (float, np.floating)),
    ("str", (str,)),
    ("bytes", (bytes, bytearray)),
    ("datetime64", (np.datetime64,)),
    ("datetime", (dt.datetime,)),
    ("date", (dt.date,)),
    ("time", (dt.time,)),
    ("timedelta", (dt.timedelta,)),
    ("decimal", (decimal.Decimal,)),
)
_TYPES: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
    "bytes": pa.binary(),
}
_PANDAS_MISSING = ("NaTType", "NAType")  # by name: pandas need not be there
_ARROW_UNITS = ("s", "ms", "us", "ns")
_WHOLE_SECONDS = ("Y", "M", "W", "D", "h", "m")  # NumPy's coarser units


class Place(NamedTuple):
    """A column as an error message calls it."""

    name: str
    column: str = "column"
    row: str = "row"
    rows: Sequence[int] | None = None
    """Which row each value belongs to, where that is not its own place."""

    def __str__(self) -> str:
        return f"{self.column} {self.name!r}"

    def at(self, row: int) -> str:
        """Name one value of it."""
        return f"{self}, {self.row} {row if self.rows is None else self.rows[row]}"


def to_arrow(values: object, place: Place) -> ArrowColumn:
    """Return one array of whatever kind as an Arrow array.

    Parameters
    ----------
    values : object
        An Arrow array, a NumPy array of one dimension in any layout, a pandas or Polars Series,
        anything with an Arrow or NumPy array interface, or a sequence of Python values.
    place : Place
        What an error calls it.

    Raises
    ------
    ColumnTypeError
        If `values` is no array, mixes types, or is of a type that Arrow lacks.
    InputError
        If it has more than one dimension, or a value that does not fit.
    """
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if isinstance(values, np.ndarray):
        return _from_numpy(values, place)
    if type(values).__module__.partition(".")[0] == "pandas" and hasattr(values, "to_numpy"):
        return from_series(values, place)
    with _named(place):
        if hasattr(values, "__arrow_c_stream__"):
            return _chunked_array(values)
        if hasattr(values, "__arrow_c_array__"):
            return _array(values)
        if hasattr(values, "__array__") or isinstance(values, memoryview | array.array):
            return _from_numpy(np.asarray(values), place)
    if isinstance(values, Sequence) and not isinstance(values, str | bytes | bytearray):
        return from_python(list(values), place)
    raise ColumnTypeError(
        f"{place} is of type {type(values).__name__}; expected an array, a list or a Series"
    )


def from_series(series: Any, place: Place) -> ArrowColumn:
    """Return a pandas Series or Index as an Arrow array; NaN in a NumPy float column stays NaN."""
    if type(series.dtype).__name__ == "DatetimeTZDtype":
        # pyarrow asks for the values in a way that pandas 3.1 warns of.
        times: Any = _from_numpy(series.array.tz_convert(None).to_numpy(), place)
        zone = pa.lib.tzinfo_to_string(series.dtype.tz)
        zoned: ArrowColumn = times.cast(pa.timestamp(times.type.unit, zone))
        return zoned
    if not isinstance(series.dtype, np.dtype):
        with _named(place):
            return _array(series, from_pandas=True)
    if series.dtype.kind != "O":
        return _from_numpy(series.to_numpy(), place)
    missing = series.isna().tolist()
    return from_python(
        [None if gone else value for value, gone in zip(series.tolist(), missing, strict=True)],
        place,
    )


def from_python(values: list[Any], place: Place) -> ArrowColumn:
    """Return Python values and NumPy scalars as an Arrow array; None (pandas' NaT, NA) is null.

    Integers become int64 (uint64 where one is above 2**63 - 1), integers among floats float64.
    """
    kinds = set(map(type, values))
    if any(kind.__name__ in _PANDAS_MISSING for kind in kinds):
        values = [None if type(v).__name__ in _PANDAS_MISSING else v for v in values]
    if any(_is_numpy_integer(kind) for kind in kinds):
        # Arrow takes the last uint64 for -1.0 among floats.
        values = [value.item() if _is_numpy_integer(type(value)) else value for value in values]
    families = {family_of(kind) for kind in kinds} - {"null"}
    if "int" in families and families <= {"int", "float", "decimal"} and len(families) == 2:
        families.remove("int")
    if len(families) > 1:
        raise _mixed(values, place)
    if not families:
        return pa.nulls(len(values))
    family = families.pop()
    try:
        return _of_family(family, values, place)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, TidegateError):
            raise
        raise _misfit(family, values, place, error) from error


def _is_numpy_integer(kind: type) -> bool:
    """Tell whether a type is one of NumPy's integers, to which it counts timedelta64."""
    return issubclass(kind, np.integer) and not issubclass(kind, np.timedelta64)


def family_of(kind: type) -> str:
    """Return which values may share a column with values of this type."""
    if kind is type(None) or kind.__name__ in _PANDAS_MISSING:
        return "null"
    return next((family for family, bases in _FAMILIES if issubclass(kind, bases)), "other")


def _of_family(family: str, values: list[Any], place: Place) -> ArrowColumn:
    """Return values of one family as an Arrow array."""
    if family == "int":
        return _integers(values, place)
    if family == "datetime":
        return _datetimes(values, place)
    if family == "timedelta":
        fine = any(getattr(value, "nanoseconds", 0) for value in values)
        return _array(values, pa.duration("ns" if fine else "us"))
    if family in ("datetime64", "timedelta64"):
        return _numpy_times(values, place)
    return _array(values, _TYPES.get(family))


def _integers(values: list[Any], place: Place) -> ArrowColumn:
    """Return integers as int64, or as uint64 if only that holds them."""
    try:
        return _array(values, pa.int64())
    except (pa.ArrowInvalid, OverflowError):
        least = min(value for value in values if value is not None)
        kind = np.iinfo(np.int64 if least < 0 else np.uint64)
        for row, value in enumerate(values):
            if value is not None and not kind.min <= value <= kind.max:
                raise InputError(
                    f"{place.at(row)} is {short(value)}, which does not fit {kind.dtype}"
                ) from None
        return _array(values, pa.uint64())


def _datetimes(values: list[Any], place: Place) -> ArrowColumn:
    """Return datetimes as timestamps in microseconds, or nanoseconds where pandas has them."""
    zoned = [None if value is None else value.tzinfo is not None for value in values]
    if True in zoned and False in zoned:
        row = zoned.index(False)
        raise ColumnTypeError(
            f"{place.at(row)} is {values[row]}, without a time zone, while others have one"
        )
    times = _array(values)
    if any(getattr(value, "nanosecond", 0) for value in values):
        return _array(values, pa.timestamp("ns", times.type.tz))
    return times


def _numpy_times(values: list[Any], place: Place) -> ArrowColumn:
    """Return datetime64 or timedelta64 scalars in the finest of their units."""
    units = {value.dtype for value in values if value is not None and not np.isnat(value)}
    finest = np.result_type(*units) if units else np.dtype("M8[us]")
    times = np.array(values, finest)
    for row, value in enumerate(values):
        # NumPy wraps around in silence, also when it compares: it has to come back in its own unit.
        if value is not None and times[row].astype(value.dtype) != value and not np.isnat(value):
            raise InputError(f"{place.at(row)} is {value}, which does not fit {finest}")
    return _from_numpy(times, place)


def _mixed(values: list[Any], place: Place) -> ColumnTypeError:
    """Return the error that names the first value of another family than those before it."""
    first = next(value for value in values if value is not None)
    numbers = ("int", "float")
    allowed = numbers if family_of(type(first)) in numbers else (family_of(type(first)),)
    row, value = next(
        (row, value)
        for row, value in enumerate(values)
        if family_of(type(value)) not in (*allowed, "null")
    )
    return ColumnTypeError(
        f"{place.at(row)} is {short(value)} ({type(value).__name__}), but the values before it "
        f"are {type(first).__name__}; a column has one type"
    )


def _misfit(family: str, values: list[Any], place: Place, error: Exception) -> TidegateError:
    """Return the error that names the first value which Arrow does not take."""
    kind = ColumnTypeError if family == "other" else InputError
    for row, value in enumerate(values):
        try:
            _of_family(family, [value], place)
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            return kind(
                f"{place.at(row)} is {short(value)} ({type(value).__name__}), which does not fit "
                f"an Arrow column: {error}"
            )
    return kind(f"{place} does not fit one Arrow type: {error}")


def _from_numpy(values: Numpy, place: Place) -> ArrowColumn:
    """Return a NumPy array of any layout as an Arrow array, a view where Arrow can view it."""
    if values.ndim != 1:
        raise InputError(f"{place} has the shape {values.shape}; expected one dimension")
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    if values.dtype.kind in "OT":
        return from_python(values.tolist(), place)
    if values.dtype.kind not in "biufMmUS" or values.dtype == np.longdouble:
        raise ColumnTypeError(
            f"{place} is a NumPy array of {values.dtype}; expected numbers of up to 64 bits, "
            "booleans, datetime64, timedelta64, text or bytes"
        )
    native = np.require(np.asarray(values), values.dtype.newbyteorder("="), ["C", "A"])
    if native.dtype.kind in "US":
        return _array(native, mask=mask)
    if native.dtype.kind in "Mm":
        native = _arrow_unit(native, place)
        missing = np.isnat(native)
        mask = missing if mask is None else mask | missing
    return _viewed(native, mask)


def _viewed(values: Numpy, mask: Numpy | None) -> ArrowColumn:
    """Return a contiguous, aligned, native array as an Arrow array over the same memory."""
    # pa.array() would do the same, and import pandas for it if that is installed: 0.4 s.
    n_null = 0 if mask is None else int(np.count_nonzero(mask))
    bitmap = None if mask is None or n_null == 0 else _packed(~mask)
    content = _packed(values) if values.dtype == np.bool_ else _py_buffer(values.view(np.uint8))
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [bitmap, content], n_null)


def _packed(flags: Numpy) -> pa.Buffer:
    """Return booleans as a bitmap."""
    return _py_buffer(np.packbits(flags, bitorder="little"))


def _arrow_unit(times: Numpy, place: Place) -> Numpy:
    """Return datetime64 or timedelta64 in a unit that Arrow has."""
    unit, multiple = np.datetime_data(times.dtype)
    kind = times.dtype.kind
    if unit == "generic" and np.isnat(times).all():
        return times.view(f"{kind}8[us]")
    if unit in _ARROW_UNITS and multiple == 1:
        return times
    coarse = _WHOLE_SECONDS if kind == "M" else _WHOLE_SECONDS[2:]  # months have no fixed length
    if unit not in _ARROW_UNITS + coarse:
        raise ColumnTypeError(
            f"{place} is {times.dtype}; expected a unit from days to nanoseconds "
            "(astype('datetime64[ns]'), say)"
        )
    seconds = times.astype(f"{kind}8[{unit if unit in _ARROW_UNITS else 's'}]")
    # NumPy wraps around in silence; what does not come back has overflowed.
    bad = (seconds.astype(times.dtype) != times) & ~np.isnat(times)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(f"{place.at(row)} is {times[row]}, which does not fit {seconds.dtype}")
    return seconds


def first_line(error: BaseException) -> str:
    """Shorten a message of another library to one line, without its full stop."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:300].rstrip(".")


def short(value: object) -> str:
    """Return a repr of bearable length."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of more than 4300 digits
        return f"a huge {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


@contextmanager
def _named(place: Place) -> Iterator[None]:
    """Name the column in an error that comes from Arrow or from a foreign object."""
    try:
        yield
    except TidegateError:
        raise
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise ColumnTypeError(f"{place} cannot be read as Arrow: {error}") from error
