"""How far time is, rows that are gathered counted: what the kernels will come to with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from tidegate.core.clocking import clock_of
from tidegate.core.eventtime import INT64_MIN
from tidegate.core.timekeeping import span_of

if TYPE_CHECKING:
    from tidegate.core.lookbacks.tied import Tied

__all__ = ["KeyClocks", "SourceClock", "StreamClock", "clock_for"]

Time: TypeAlias = int | float


def clock_for(tied: Tied) -> StreamClock | KeyClocks:
    """Choose the clock that a plan asks for."""
    time = tied.plan.time
    if time.watermark == "key":
        return KeyClocks(tied)
    return StreamClock(tied) if time.sources is None else SourceClock(tied)


class _Lag:
    """How far a watermark stays behind, and how far ahead a row may be."""

    def __init__(self, tied: Tied) -> None:
        moves, is_float, lateness, lateness_f = clock_of(tied.plan, tied.time_type)
        self._moves = moves
        self._lateness = lateness_f if is_float else lateness
        jump = tied.waiting.jump
        self._jump: Time | None = None if jump is None else jump[is_float]

    def is_far(self, time: Time, largest: Time | None) -> bool:
        """Whether a time is further ahead of the largest one than it may be."""
        return self._jump is not None and largest is not None and time > largest + self._jump

    def moved(self, mark: Time | None, largest: Time) -> Time | None:
        """Give a watermark as a time moves it, which never is back."""
        if not self._moves:
            return mark
        reached = largest - self._lateness
        if isinstance(reached, int):
            reached = max(reached, INT64_MIN)
        return reached if mark is None or reached > mark else mark


class StreamClock:
    """The one watermark of all rows.

    Parameters
    ----------
    tied : Tied
        Whose rows wait.
    """

    def __init__(self, tied: Tied) -> None:
        state = tied.waiting.state
        self._state, self._order_of = state, tied.order_of
        self._lag = _Lag(tied)
        self._largest, self._mark = state.largest, state.watermark
        self._first: Time | None = None

    def take(self, row: Sequence[Any]) -> bool | None:
        """Take a row; tell whether it lets one that waits go; None: it is too far ahead."""
        time = row[0]
        if self._lag.is_far(time, self._largest):
            return None
        if self._mark is not None and time < self._mark:
            return False
        self._move(row)
        if self._first is None or time < self._first:
            self._first = time
        if self._mark is None:
            return False
        return self._first < self._mark or self._state.has_before(self._order_of(self._mark))

    def _move(self, row: Sequence[Any]) -> None:
        """Let a row move the watermark."""
        if self._largest is None or row[0] > self._largest:
            self._largest = row[0]
            self._mark = self._lag.moved(self._mark, row[0])


class SourceClock(StreamClock):
    """The watermark of the slowest source that is awake."""

    def __init__(self, tied: Tied) -> None:
        super().__init__(tied)
        time, sources = tied.plan.time, tied.sources
        if time.sources is None or sources is None:
            raise TypeError("the plan has no sources")
        idle = None if time.idle is None else span_of(time.idle, tied.time_type, "idle")
        self._idle: Time | None = None if idle is None else idle[tied.is_float]
        self._at = tied.plan.event.index(time.sources)
        self._code_of = sources.code
        self._times: dict[int, Time] = {}
        for code in range(sources.n_keys):
            largest = self._state.largest_of(code)
            if largest is not None:
                self._times[code] = largest
        self._slowest = self._find_slowest()

    def _move(self, row: Sequence[Any]) -> None:
        """Let a row move the watermark, if its source is the slowest, or another is then."""
        time, source = row[0], self._code_of((row[self._at],))
        before = self._times.get(source)
        if before is not None and time <= before:
            return
        was_awake = before is not None and not self._sleeps(before)
        self._times[source] = time
        if self._largest is None or time > self._largest:
            self._largest = time
        if was_awake and source != self._slowest and not self._sleeps(self._times[self._slowest]):
            return
        self._slowest = self._find_slowest()
        self._mark = self._lag.moved(self._mark, self._times[self._slowest])

    def _sleeps(self, largest: Time) -> bool:
        """Whether the others are too far ahead of the largest time of a source."""
        idle, furthest = self._idle, self._largest
        return idle is not None and furthest is not None and furthest > largest + idle

    def _find_slowest(self) -> int:
        """Find the slowest source that is awake; -1: there is none."""
        awake = [code for code, time in self._times.items() if not self._sleeps(time)]
        return min(awake, key=self._times.__getitem__, default=-1)


class KeyClocks:
    """A watermark for each key, which its own rows move.

    Parameters
    ----------
    tied : Tied
        Whose rows wait.
    """

    def __init__(self, tied: Tied) -> None:
        if tied.keys is None:
            raise TypeError("the plan has no keys")
        self._state, self._code_of = tied.waiting.state, tied.keys.code
        self._lag = _Lag(tied)
        self._upto = 1 + len(tied.plan.by)
        self._lines: dict[tuple[Any, ...], list[Time | None]] = {}

    def take(self, row: Sequence[Any]) -> bool | None:
        """Take a row, as `StreamClock.take`."""
        time, key = row[0], tuple(row[1 : self._upto])
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = list(self._state.line_of(self._code_of(key)))
        largest, mark, first = line
        if self._lag.is_far(time, largest):
            return None
        if mark is not None and time < mark:
            return False
        line[2] = first = time if first is None or time < first else first
        if largest is None or time > largest:
            line[0] = time
            line[1] = mark = self._lag.moved(mark, time)
        return mark is not None and first < mark
