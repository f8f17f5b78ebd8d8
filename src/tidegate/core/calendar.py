"""Boundaries of local days, weeks, months and years, as instants.

A time zone is a list of spans of one UTC offset each. A window begins at the first instant at
which the local clock shows the midnight of its first day, or a later time: this is one rule for
plain days, for midnights that clocks skip (the window begins at the change) and for those that
come twice (it begins at the first).
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tidegate.core.errors import WindowError
from tidegate.core.eventtime import INT64_MAX, INT64_MIN

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = ["MOST", "UNITS", "CalendarTable", "load_zone"]

Numbers = npt.NDArray[np.int64]

UNITS: Final = ("day", "week", "month", "quarter", "year")

DAY_S = 86_400
EPOCH = dt.datetime(1970, 1, 1)  # UTC, as `fromutc` wants it
MONDAY = 4  # 1970-01-05, in days from 1970-01-01
MONTHS = {"month": 1, "quarter": 3, "year": 12}

# All boundaries lie between the years 1 and 9999, which Python's datetime holds, in any zone.
FIRST_S = (dt.datetime(1, 1, 3) - EPOCH).days * DAY_S
LAST_S = (dt.datetime(9999, 12, 29) - EPOCH).days * DAY_S

FIRST_YEAR = 1800  # the oldest rule of the zone database is of 1835
LAST_YEAR = 10_000
CYCLE_YEAR = 2100  # what its files list one by one ends in 2087; then rules go by the calendar,
CYCLE_YEARS = 400  # which is the same again after so many years
CYCLE_S = 146_097 * DAY_S

DAYS = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}
MOST = {unit: 1_000 * 365 // days for unit, days in DAYS.items()}  # in a window: 1,000 years
NEAR = 3  # windows; the local date is at most one off that of UTC, a day may come twice
SPARE_DAYS = 2 * 366  # that a table covers to either side of a time
MOST_SPARE = 1 << 14  # windows


def load_zone(name: str) -> ZoneInfo:
    """Find a time zone by its IANA name.

    Raises
    ------
    WindowError
        If there is none of that name.
    """
    from zoneinfo import ZoneInfo  # not needed by most; takes 3 ms

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise WindowError(
            f'tz is {name!r}, no time zone that is known here: give an IANA name such as "UTC" or '
            f'"America/New_York" (a system without zone data needs the package tzdata)'
        ) from error


# ------------------------------------------------------------------------------------ time zones


def _offset_at(zone: ZoneInfo, second: int) -> int:
    """UTC offset of a zone at an instant, in seconds."""
    instant = (EPOCH + dt.timedelta(seconds=second)).replace(tzinfo=zone)
    offset = zone.fromutc(instant).utcoffset()
    return 0 if offset is None else offset.days * DAY_S + offset.seconds


def _second_of_year(year: int) -> int:
    """The first second of a year, in UTC."""
    return int(np.datetime64(year - 1970, "Y").astype("M8[s]").astype(np.int64))


@lru_cache(maxsize=1 << 14)
def _changes_in(zone: ZoneInfo, year: int) -> tuple[tuple[int, int], ...]:
    """The changes of the offset in a year: from when on, and to what; a look at every day."""
    second, end = _second_of_year(year), _second_of_year(year + 1)
    offset = _offset_at(zone, second)
    changes = []
    while second < end:
        day_after = min(second + DAY_S, end)
        if _offset_at(zone, day_after) == offset:
            second = day_after
            continue
        low, high = second, day_after  # the offset is another one somewhere in (low, high]
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset_at(zone, middle) == offset else (low, middle)
        second, offset = high, _offset_at(zone, high)
        changes.append((second, offset))
    return tuple(changes)


def _spans(zone: ZoneInfo, first_year: int, last_year: int) -> tuple[Numbers, Numbers]:
    """The spans of one offset that touch some years: first second of each, and its offset."""
    first_year, last_year = max(first_year, FIRST_YEAR), min(last_year, LAST_YEAR)
    cycles, year = _cycle_of(first_year)
    changes = [(INT64_MIN // 2, _offset_at(zone, _second_of_year(year)))]
    for calendar_year in range(first_year, last_year + 1):
        cycles, year = _cycle_of(calendar_year)
        changes += [(at + cycles * CYCLE_S, to) for at, to in _changes_in(zone, year)]
    begins, offsets = np.array(changes, np.int64).T
    return begins, offsets


def _cycle_of(year: int) -> tuple[int, int]:
    """How many cycles before a year that one lies whose rules are looked up, and which it is."""
    cycles = max(0, (year - CYCLE_YEAR) // CYCLE_YEARS)
    return cycles, year - cycles * CYCLE_YEARS


def first_instants(zone: ZoneInfo, midnights: Numbers) -> Numbers:
    """When the local clock first shows each of some times, or a later one.

    Parameters
    ----------
    zone : zoneinfo.ZoneInfo
        Whose clock.
    midnights : ndarray
        (n,) int64, n > 0: what the local clock shows, in seconds from 1970-01-01 00:00.

    Returns
    -------
    ndarray
        (n,) int64 seconds since the epoch. They do not fall where `midnights` does not.

    Notes
    -----
    The clock of a span runs up to its end plus its offset; the first span that gets beyond a time
    has it, or, where clocks were set forward over it, begins with a later one.
    """
    years = np.array([midnights.min(), midnights.max()], "M8[s]").astype("M8[Y]").astype(int) + 1970
    begins, offsets = _spans(zone, int(years[0]) - 1, int(years[1]) + 1)
    reached = np.maximum.accumulate(begins[1:] + offsets[:-1])
    span = np.searchsorted(reached, midnights, side="right")
    out: Numbers = np.maximum(begins[span], midnights - offsets[span])
    return out


# ---------------------------------------------------------------------------------------- windows


def first_days(unit: str, n: int, numbers: Numbers) -> Numbers:
    """The first day of each window, in days from 1970-01-01.

    Parameters
    ----------
    unit : str
        One of UNITS.
    n : int
        How many of them make a window.
    numbers : ndarray
        (n_windows,) int64: window 0 begins on 1970-01-01; of weeks, on Monday 1970-01-05.
    """
    if unit == "day":
        return numbers * n
    if unit == "week":
        return MONDAY + numbers * (7 * n)
    months = numbers * (n * MONTHS[unit])
    days: Numbers = months.astype("M8[M]").astype("M8[D]").astype(np.int64)
    return days


def window_of_day(unit: str, n: int, day: int) -> int:
    """The number of the window that a local day is in."""
    if unit == "day":
        return day // n
    if unit == "week":
        return (day - MONDAY) // (7 * n)
    month = int(np.datetime64(day, "D").astype("M8[M]").astype(np.int64))
    return month // (n * MONTHS[unit])


class CalendarTable:
    """The boundaries of calendar windows around the times that have come, as a growing table.

    Parameters
    ----------
    unit : str
        One of UNITS.
    n : int
        How many of them make a window.
    zone : zoneinfo.ZoneInfo
        Whose midnights.
    per_second : int
        Units of the times in a second.

    Attributes
    ----------
    edges : ndarray
        (n_edges,) int64, in the unit of the times.
    first : int
        Number of the window that begins at the first edge.
    lowest, highest : int
        Times outside [lowest, highest] are in no window that can be written: one between the years
        1 and 9999 whose bounds fit the unit.

    Raises
    ------
    WindowError
        If there is no such window.

    Notes
    -----
    A window costs 8 bytes and some 50 ns, a year of a zone that is looked at first 0.5 ms, kept for
    the process. All days of all years are 29 MB and 0.5 s: no time, however far away, costs more.
    """

    def __init__(self, unit: str, n: int, zone: ZoneInfo, per_second: int) -> None:
        self._unit, self._n = unit, n
        self._zone = zone
        self._per_second = per_second
        self.edges: Numbers = np.empty(0, np.int64)
        self.first = 0
        begin, end = max(FIRST_S, -(INT64_MAX // per_second)), min(LAST_S, INT64_MAX // per_second)
        self._least, first = next(edge for edge in self._edges_near(begin) if edge[1] >= begin)
        self._most, last = next(edge for edge in self._edges_near(end)[::-1] if edge[1] <= end)
        if self._least >= self._most:
            raise WindowError(
                f"no calendar window of {n} {unit}s lies within the times that the column can hold"
            )
        self.lowest, self.highest = first * per_second, last * per_second - 1

    def cover(self, time: int) -> bool:
        """Bring the window of a time into the table, and some around it; False if it is there.

        For a time that has no place in any table, the window nearest to it.
        """
        time = max(self.lowest, min(time, self.highest))
        if len(self.edges) and self.edges[0] <= time < self.edges[-1]:
            return False
        near = self._near(time // self._per_second)
        return self.cover_windows(near - NEAR, near + NEAR)

    def cover_windows(self, first: int, last: int) -> bool:
        """Bring windows into the table by their numbers, where they can be; False if all are."""
        first, last = max(first, self._least), min(last, self._most - 1)
        have_first, have_last = self.first, self.first + len(self.edges) - 2
        if first > last:
            return False
        spare = max(4, -(-SPARE_DAYS // (DAYS[self._unit] * self._n)))
        if have_first > have_last:
            low, high = first - spare, last + spare
        else:
            spare = min(max(spare, len(self.edges)), MOST_SPARE)
            low = have_first if have_first <= first else first - spare
            high = have_last if have_last >= last else last + spare
        if (low, high) == (have_first, have_last):
            return False
        low, high = max(low, self._least), min(high, self._most - 1)
        self.edges = self._seconds(low, high + 1) * self._per_second
        self.first = low
        return True

    def _near(self, second: int) -> int:
        """The number of the window that an instant is in, or of one of NEAR to either side."""
        return window_of_day(self._unit, self._n, second // DAY_S)

    def _edges_near(self, second: int) -> list[tuple[int, int]]:
        """The windows around an instant by number, and the second in which each begins."""
        near = self._near(second)
        numbers = range(near - NEAR, near + NEAR + 1)
        return list(zip(numbers, self._seconds(numbers[0], numbers[-1]).tolist(), strict=True))

    def _seconds(self, first: int, last: int) -> Numbers:
        """The seconds in which windows begin."""
        numbers = np.arange(first, last + 1, dtype=np.int64)
        return first_instants(self._zone, first_days(self._unit, self._n, numbers) * DAY_S)
