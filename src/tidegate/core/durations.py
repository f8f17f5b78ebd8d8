"""Durations: what a user writes, in the unit of a time column."""

import re
from datetime import timedelta
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from tidegate.core.errors import DurationError, InputError, WindowError

__all__ = [
    "NS_PER_UNIT",
    "Duration",
    "in_units",
    "plain_duration",
    "positive_units",
    "read_duration",
]

Duration: TypeAlias = str | int | float | timedelta | np.timedelta64 | np.integer | np.floating

NS_PER_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
NS_PER_WORD = {
    **NS_PER_UNIT,
    "m": 60 * NS_PER_UNIT["s"],
    "h": 3_600 * NS_PER_UNIT["s"],
    "d": 86_400 * NS_PER_UNIT["s"],
}
PART = re.compile(r"(\d{1,19})(ns|us|ms|s|m|h|d)", re.ASCII)
INT64_MAX = 2**63 - 1


def in_units(duration: Duration, time_type: pa.DataType, what: str) -> int | float:
    """Convert a duration to the unit of a time column.

    Parameters
    ----------
    duration : str, int, float, datetime.timedelta or numpy.timedelta64
        ``"250ms"``, ``"1h30m"``, ``"-5s"``; a number is in the unit of the column already. Words:
        ``ns us ms s m h d`` (``m`` is minutes, ``d`` is 24 hours).
    time_type : pyarrow.DataType
        A timestamp, int64 (no unit) or float64 (no unit) type.
    what : str
        Name of the parameter, for the message.

    Returns
    -------
    int or float
        A float for float64 times, else an int.

    Raises
    ------
    DurationError
        If it cannot be read, is not a whole number of units, or does not fit int64.

    Examples
    --------
    >>> in_units("1h30m", pa.timestamp("s"), "size")
    5400
    """
    if isinstance(duration, bool):
        raise DurationError(f"{what} is {duration!r}, not a duration")
    if pa.types.is_floating(time_type):
        return _plain_float(duration, what)
    if isinstance(duration, int | np.integer) and not isinstance(duration, np.timedelta64):
        return _checked(int(duration), what)
    if isinstance(duration, float | np.floating):
        raise DurationError(
            f"{what} is {duration!r}: for a time column of type {time_type} give an integer in its "
            f'unit, or a duration such as "250ms"'
        )
    if not pa.types.is_timestamp(time_type):
        raise DurationError(
            f"{what} is {duration!r}, but the time column has no unit (it is {time_type}): give an "
            f"integer"
        )
    units = _nanoseconds(duration, what) / NS_PER_UNIT[time_type.unit]
    if units.denominator != 1:
        raise DurationError(
            f"{what} is {duration!r}, not a whole number of the time column's unit "
            f"({time_type.unit})"
        )
    return _checked(units.numerator, what)


def positive_units(duration: Duration, time_type: pa.DataType, what: str) -> int | float:
    """Convert the length of a window, which must be positive, as `in_units` does.

    Raises
    ------
    WindowError
        If it is not positive and finite.
    DurationError
        As `in_units`.
    """
    if isinstance(duration, float | np.floating) and not np.isfinite(duration):
        shown = "NaN" if np.isnan(duration) else repr(duration)
        raise WindowError(f"{what} is {shown}: give a positive, finite duration")
    units = in_units(duration, time_type, what)
    if units <= 0:
        raise WindowError(f"{what} is {duration!r}: give a positive duration")
    return units


def _plain_float(duration: Duration, what: str) -> float:
    """Take a number for a column of float times."""
    if not isinstance(duration, int | float | np.integer | np.floating) or isinstance(
        duration, np.timedelta64
    ):
        raise DurationError(f"{what} is {duration!r}, but float times have no unit: give a number")
    value = float(duration)
    if not np.isfinite(value):
        raise DurationError(f"{what} is {duration!r}: give a finite number")
    return value


def _nanoseconds(duration: Duration, what: str) -> Fraction:
    """Read a duration that carries its unit."""
    if isinstance(duration, str):
        return Fraction(_parsed(duration, what))
    if isinstance(duration, timedelta):
        micros = (duration.days * 86_400 + duration.seconds) * 1_000_000 + duration.microseconds
        return Fraction(micros * 1_000)
    if isinstance(duration, np.timedelta64):
        unit, count = np.datetime_data(duration.dtype)
        word = {"D": "d", "W": "d"}.get(unit, unit)
        if np.isnat(duration) or word not in NS_PER_WORD:
            raise DurationError(f"{what} is {duration!r}: its length is not fixed")
        weeks = 7 if unit == "W" else 1
        return Fraction(int(duration.astype("i8")) * count * weeks * NS_PER_WORD[word])
    raise DurationError(
        f'{what} is {duration!r} ({type(duration).__name__}): give a duration such as "250ms", a '
        f"timedelta or an integer"
    )


def _parsed(text: str, what: str) -> int:
    """Read "1h30m" as nanoseconds."""
    body = text.removeprefix("-")
    parts = PART.findall(body)
    if not parts or "".join(number + word for number, word in parts) != body:
        raise DurationError(
            f"{what} is {text!r}: write whole numbers with ns, us, ms, s, m, h or d, such as "
            f'"250ms" or "1h30m"'
        )
    total = sum(int(number) * NS_PER_WORD[word] for number, word in parts)
    return -total if text.startswith("-") else total


def _checked(units: int, what: str) -> int:
    """Refuse what int64 cannot hold."""
    if abs(units) > INT64_MAX:
        raise DurationError(f"{what} is {units} units: that is more than int64 holds")
    return units


def plain_duration(duration: Duration) -> str | int | float:
    """Write a duration with what JSON has."""
    if isinstance(duration, timedelta):
        micros = (duration.days * 86_400 + duration.seconds) * 1_000_000 + duration.microseconds
        return f"{micros}us"
    if isinstance(duration, np.timedelta64):
        nanos = int(duration.astype("m8[ns]").astype("i8"))
        return f"{nanos}ns"
    if isinstance(duration, np.integer):
        return int(duration)
    if isinstance(duration, np.floating):
        return float(duration)
    return duration


def read_duration(value: Any) -> Duration:
    """Read a duration."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{value!r} is not a duration")
    return value
