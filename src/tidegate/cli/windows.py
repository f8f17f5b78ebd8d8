"""The windows of a command: durations, local days and weeks, as they are written in a shell."""

from __future__ import annotations

import re
from typing import Any, cast

import click
import pyarrow as pa

from tidegate import Calendar, Sliding, Tumbling
from tidegate.cli.base import fail_usage
from tidegate.core.calendar import UNITS
from tidegate.core.durations import Duration, in_units
from tidegate.core.errors import DurationError, WindowError
from tidegate.core.windows import CalendarUnit, Empty, Window

__all__ = ["CalendarType", "DurationType", "make_window"]

INTEGER = re.compile(r"\d{1,19}", re.ASCII)
REAL = re.compile(r"\d{1,19}\.\d{1,19}", re.ASCII)
CALENDAR = re.compile(rf"(?:(\d{{1,9}}) *)?({'|'.join(UNITS)})s?", re.ASCII)


class DurationType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on only
    """A duration with its unit, or a number in the time column's own unit."""

    name = "duration"

    def __init__(self, *, positive: bool) -> None:
        self._least = 1 if positive else 0

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Duration:
        """Check what does not depend on the time column."""
        text = str(value)
        if REAL.fullmatch(text):
            return float(text)
        try:
            duration: str | int = int(text) if INTEGER.fullmatch(text) else text
            units = in_units(duration, pa.timestamp("ns"), "it")
        except DurationError as error:
            self.fail(str(error), param, ctx)
        if units < self._least:
            self.fail(f"{text} is too short", param, ctx)
        return duration


class CalendarType(click.ParamType):  # type: ignore[type-arg]  # as above
    """A number of local days, weeks, months, quarters or years."""

    name = "calendar"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, CalendarUnit]:
        """Take it apart."""
        found = CALENDAR.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not one of {', '.join(UNITS)}, or some of one", param, ctx)
        number, unit = found.groups(default="1")
        return int(number), cast("CalendarUnit", unit)


def make_window(
    every: Duration | None,
    period: Duration | None,
    calendar: tuple[int, CalendarUnit] | None,
    tz: str | None,
    empty: Empty,
) -> Window:
    """Make the window that options ask for, or end with a message on how to."""
    if (every is None) == (calendar is None):
        fail_usage("give --every DURATION or --calendar UNIT, one of the two")
    if calendar is None:
        if tz is not None:
            fail_usage("--tz says whose midnights --calendar means; --every has none")
        size = cast("Duration", every)
        if period is None:
            return Tumbling(size, empty=empty)
        return Sliding(period, size, empty=empty)
    if period is not None:
        fail_usage("--period is the length of windows of --every; those of --calendar have theirs")
    number, unit = calendar
    try:
        return Calendar(unit, number, "UTC" if tz is None else tz, empty=empty)
    except WindowError as error:
        fail_usage(f"--calendar, --tz: {error}")
