"""The windows of a command, as they are written in a shell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import click
import pyarrow as pa

from tidegate import Calendar, Count, Rolling, Session, Sliding, Threshold, Tumbling
from tidegate.cli.base import fail_usage
from tidegate.core.calendar import UNITS
from tidegate.core.durations import Duration, in_units
from tidegate.core.errors import DurationError, WindowError
from tidegate.core.rollingwindow import Closed
from tidegate.core.rowwindows import Overshoot
from tidegate.core.windows import AnyWindow, CalendarUnit, Empty, Label

__all__ = ["CalendarType", "DurationType", "Sum", "SumType", "WindowOptions", "make_window"]

INTEGER = re.compile(r"\d{1,19}", re.ASCII)
REAL = re.compile(r"\d{1,19}\.\d{1,19}", re.ASCII)
SUM = re.compile(r"([^*=]+)(?:\*([^*=]+))?=([^=]+)")
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


class Sum(NamedTuple):
    """What is added up, and to where."""

    columns: str | tuple[str, str]
    limit: int | float


class SumType(click.ParamType):  # type: ignore[type-arg]  # as above
    """A column, or two that are multiplied, and a limit."""

    name = "sum"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Sum:
        """Take it apart."""
        found = SUM.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not COLUMN=LIMIT or COLUMN*COLUMN=LIMIT", param, ctx)
        first, second, limit = (part and part.strip() for part in found.groups())
        try:
            number = int(limit) if INTEGER.fullmatch(limit) else float(limit)
        except ValueError:
            self.fail(f"the limit {limit!r} is no number", param, ctx)
        return Sum(first if second is None else (first, second), number)


@dataclass(frozen=True)
class WindowOptions:
    """The options that say what windows are."""

    every: Duration | None = None
    period: Duration | None = None
    calendar: tuple[int, CalendarUnit] | None = None
    tz: str | None = None
    empty: Empty = "skip"
    label: Label | None = None
    session: Duration | None = None
    max_duration: Duration | None = None
    count: int | None = None
    count_every: int | None = None
    threshold: Sum | None = None
    overshoot: Overshoot | None = None
    complete_only: bool = False
    rolling: Duration | None = None
    rolling_rows: int | None = None
    closed: Closed | None = None
    min_samples: int | None = None
    peers: bool = False

    def check_row_windows(self) -> None:
        """Refuse options that go with windows of another kind."""
        needs = (
            (
                self.max_duration is not None,
                self.session is not None,
                "--max-duration",
                "--session",
            ),
            (self.count_every is not None, self.count is not None, "--count-every", "--count"),
            (self.overshoot is not None, self.threshold is not None, "--overshoot", "--threshold"),
        )
        for is_given, goes, option, other in needs:
            if is_given and not goes:
                fail_usage(f"{option} goes with {other}")
        if self.complete_only and self.count is None and self.threshold is None:
            fail_usage("--complete-only goes with --count or --threshold")
        if self.rolling is None and self.rolling_rows is None:
            for option, is_given in (
                ("--closed", self.closed is not None),
                ("--min-samples", self.min_samples is not None),
                ("--peers", self.peers),
            ):
                if is_given:
                    fail_usage(f"{option} goes with --rolling or --rolling-rows")
        if self.every is None and self.calendar is None and (self.period is not None):
            fail_usage("--period goes with --every")
        if self.every is None and self.calendar is None and self.tz is not None:
            fail_usage("--tz goes with --calendar")
        if self.every is None and self.calendar is None and self.empty != "skip":
            fail_usage("--empty goes with --every or --calendar: other windows have rows")
        if self.every is None and self.calendar is None and self.label is not None:
            fail_usage("--label goes with --every or --calendar: other windows have no grid")

    def row_window(self) -> AnyWindow | None:
        """Make the window that rows make, or look back from; None where another is asked for."""
        try:
            if self.rolling is not None or self.rolling_rows is not None:
                return Rolling(
                    self.rolling,
                    rows=self.rolling_rows,
                    closed=self.closed or "right",
                    min_samples=1 if self.min_samples is None else self.min_samples,
                    peers=self.peers,
                )
            if self.session is not None:
                return Session(self.session, self.max_duration)
            if self.count is not None:
                return Count(self.count, self.count_every, self.complete_only)
            if self.threshold is not None:
                columns, limit = self.threshold
                return Threshold(
                    columns,
                    limit,
                    overshoot=self.overshoot or "drop",
                    complete_only=self.complete_only,
                )
        except WindowError as error:
            fail_usage(str(error))
        return None


KINDS = (
    "--every DURATION, --calendar UNIT, --session GAP, --count N, --threshold COLUMN=LIMIT, "
    "--rolling DURATION or --rolling-rows N"
)


def make_window(options: WindowOptions) -> AnyWindow:
    """Make the window that options ask for, or end with a message on how to."""
    asked = (
        options.every,
        options.calendar,
        options.session,
        options.count,
        options.threshold,
        options.rolling,
        options.rolling_rows,
    )
    if sum(option is not None for option in asked) != 1:
        fail_usage(f"give {KINDS}, one of them")
    options.check_row_windows()
    window = options.row_window()
    if window is not None:
        return window
    every, period, calendar = options.every, options.period, options.calendar
    tz, empty, label = options.tz, options.empty, options.label
    if calendar is None:
        if tz is not None:
            fail_usage("--tz says whose midnights --calendar means; --every has none")
        size = cast("Duration", every)
        if period is None:
            return Tumbling(size, empty=empty, label=label)
        return Sliding(period, size, empty=empty, label=label)
    if period is not None:
        fail_usage("--period is the length of windows of --every; those of --calendar have theirs")
    number, unit = calendar
    try:
        return Calendar(unit, number, "UTC" if tz is None else tz, empty=empty, label=label)
    except WindowError as error:
        fail_usage(f"--calendar, --tz: {error}")
