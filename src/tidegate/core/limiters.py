"""Limits on how often something may happen, for all threads together: who comes first goes first.

Every limiter works as decorator, as context manager and on iterables; clock and sleep can be handed
in. `tidegate.throttle` makes them.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar, overload

from tidegate.core.errors import ColumnTypeError, InputError
from tidegate.core.wrapping import kind_of, rewrap

__all__ = [
    "Clock",
    "Limiter",
    "MinInterval",
    "Sleep",
    "SlidingWindow",
    "TokenBucket",
    "number_of",
    "positive",
    "refuse_async",
    "wall_clock",
]

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
Clock: TypeAlias = Callable[[], float]
Sleep: TypeAlias = Callable[[float], Any]

# A call starts a little after it was let go: its thread can be held up in between (more than 10 ms
# were seen on a busy machine). While it runs it counts from this much later on, once it has ended
# from its end on if that is sooner.
SLACK_S = 0.05


def wall_clock() -> float:
    """Ask `time.time`, as it is at the moment of the call."""
    return time.time()


def _steady_clock() -> float:
    """Ask `time.monotonic`, as it is at the moment of the call."""
    return time.monotonic()


def _sleep(seconds: float) -> None:
    """Wait by `time.sleep`, as it is at the moment of the call."""
    time.sleep(seconds)


class Limiter:
    """What all limiters share: the queue of those who wait, and the ways to use it.

    Parameters
    ----------
    clock, sleep : callable, optional
        Time in seconds, and how to wait; by default ``time.monotonic`` and ``time.sleep``, looked
        up at each call.

    Notes
    -----
    Thread-safe, and fair: the first who waits sleeps, the others stand behind it in order. A clock
    that is set back makes nobody wait longer than once. Not for coroutines, whose loop would stand
    still.
    """

    def __init__(self, *, clock: Clock | None = None, sleep: Sleep | None = None) -> None:
        self._clock = clock or _steady_clock
        self._sleep = sleep or _sleep
        self._mutex = threading.Lock()
        self._is_waited_for = False
        self._turns: deque[threading.Lock] = deque()

    # What a kind of limiter says, each under the mutex but for `_end`.

    def _wait(self, now: float, /) -> float:
        """How many seconds until a call may start; 0 or less: now."""
        raise NotImplementedError

    def _grant(self, now: float, /) -> list[float]:
        """Let a call start: when it was let go, and when it counts as started."""
        raise NotImplementedError

    def _end(self, start: list[float], /) -> None:
        """Note that a call has ended."""

    def _leave(self) -> None:
        """Note that a `with` block or the use of an item has ended."""

    def acquire(self) -> float:
        """Wait until a call may start.

        Returns
        -------
        float
            The time at which it was let go, by the clock of the limiter.
        """
        start = self._begin()
        self._end(start)
        return start[0]

    def _begin(self) -> list[float]:
        """Let a call start at once, or after those who came before it."""
        turn: threading.Lock | None = None
        with self._mutex:
            if self._is_waited_for:
                turn = threading.Lock()
                turn.acquire()
                self._turns.append(turn)
            else:
                now = self._clock()
                if self._wait(now) <= 0:
                    return self._grant(now)
                self._is_waited_for = True
        try:
            if turn is not None:
                turn.acquire()
            return self._wait_in_front()
        finally:
            self._pass_on(turn)

    def _wait_in_front(self) -> list[float]:
        """Sleep until the next call may start; nobody else is let go meanwhile."""
        while True:
            with self._mutex:
                now = self._clock()
                wait = self._wait(now)
                if wait <= 0:
                    return self._grant(now)
            self._sleep(wait)
            with self._mutex:
                later = self._clock()
                if later - now < wait / 2:  # a simulated sleep that leaves the clock alone
                    return self._grant(later)

    def _pass_on(self, turn: threading.Lock | None) -> None:
        """Give the front to the next who waits; or leave the queue, if interrupted in it."""
        with self._mutex:
            if turn is not None and turn in self._turns:
                self._turns.remove(turn)
            elif self._turns:
                self._turns.popleft().release()
            else:
                self._is_waited_for = False

    def __enter__(self) -> float:
        """Wait as `acquire` does."""
        return self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        """Note that the block has ended."""
        self._leave()

    @overload
    def __call__(self, thing: F, /) -> F: ...
    @overload
    def __call__(self, thing: Iterable[T], /) -> Iterator[T]: ...
    def __call__(self, thing: Any, /) -> Any:
        """Decorate a function, or hold back the items of an iterable."""
        if not callable(thing) and isinstance(thing, Iterable):
            return self.over(thing)
        return rewrap(self._decorate, thing, "throttle")

    def over(self, iterable: Iterable[T], /) -> Iterator[T]:
        """Give the items of an iterable, each when its time has come; takes none ahead."""
        for item in iterable:
            self.acquire()
            yield item
            self._leave()

    def _decorate(self, function: F) -> F:
        """Wrap a function that runs on the caller's thread."""
        refuse_async(function)
        begin, end = self._begin, self._end

        @functools.wraps(function)
        def throttled(*args: Any, **kwargs: Any) -> Any:
            start = begin()
            try:
                return function(*args, **kwargs)
            finally:
                end(start)

        return throttled  # type: ignore[return-value]


class TokenBucket(Limiter):
    """At most `rate` calls a second in the long run, at most `burst` at once.

    In any time of `w` seconds it lets at most ``burst + rate * w`` calls go.

    Parameters
    ----------
    rate : float
        Calls a second.
    burst : int, default 1
        How many calls a bucket that has had time to fill lets go at once.
    clock, sleep : callable, optional
        As `Limiter`.

    Notes
    -----
    Levels are counted from the last moment when the bucket was full, not added up call by call, so
    that rounding does not pile up.

    Examples
    --------
    >>> now = [0.0]
    >>> bucket = TokenBucket(
    ...     10, burst=2, clock=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + s)
    ... )
    >>> [round(bucket.acquire(), 3) for _ in range(4)]
    [0.0, 0.0, 0.1, 0.2]
    """

    def __init__(
        self,
        rate: float,
        /,
        *,
        burst: int = 1,
        clock: Clock | None = None,
        sleep: Sleep | None = None,
    ) -> None:
        super().__init__(clock=clock, sleep=sleep)
        self._rate = positive("rate", rate)
        self._burst = _count("burst", burst)
        self._full_at = -math.inf
        self._n_since = 0

    def _wait(self, now: float, /) -> float:
        """Wait for the next token."""
        if now < self._full_at:  # the clock was set back
            self._full_at, self._n_since = now, self._burst
        return (self._n_since + 1 - self._burst) / self._rate - (now - self._full_at)

    def _grant(self, now: float, /) -> list[float]:
        """Take a token."""
        if now - self._full_at >= self._n_since / self._rate:
            self._full_at, self._n_since = now, 0
        self._n_since += 1
        return [now, now]


class MinInterval(Limiter):
    """Calls evenly spaced: the next one starts so many seconds after the last one ended.

    Calls that run side by side keep the distance between their starts too.

    Parameters
    ----------
    seconds : float
        The least distance.
    clock, sleep : callable, optional
        As `Limiter`.

    Examples
    --------
    >>> now = [0.0]
    >>> every = MinInterval(0.5, clock=lambda: now[0], sleep=lambda s: now.append(now.pop() + s))
    >>> [every.acquire() for _ in range(3)]
    [0.0, 0.5, 1.0]
    """

    def __init__(
        self, seconds: float, /, *, clock: Clock | None = None, sleep: Sleep | None = None
    ) -> None:
        super().__init__(clock=clock, sleep=sleep)
        self._seconds = positive("seconds", seconds)
        self._last = [-math.inf, -math.inf]
        self._ended = -math.inf

    def _wait(self, now: float, /) -> float:
        """Wait for the distance to the last start, and to the last end."""
        if now < self._last[0] or now < self._ended:  # the clock was set back
            self._last, self._ended = [now, now], now
        return self._seconds - (now - max(self._last[1], self._ended))

    def _grant(self, now: float, /) -> list[float]:
        """Remember the start."""
        self._last = [now, now + SLACK_S]
        return self._last

    def _end(self, start: list[float], /) -> None:
        """Remember the end."""
        with self._mutex:
            self._ended = now = self._clock()
            if now < start[1]:
                start[1] = now

    def _leave(self) -> None:
        """Remember the end."""
        with self._mutex:
            self._ended = self._clock()


class SlidingWindow(Limiter):
    """At most `limit` calls in any `per` seconds.

    Parameters
    ----------
    limit : int
        How many calls.
    per : float
        In any window of so many seconds, wherever it begins.
    clock, sleep : callable, optional
        As `Limiter`.

    Notes
    -----
    A decorated function that is through within 50 ms counts from its end on, so that
    the limit holds for what the function itself sees on a clock, however late its thread got to
    run; a longer one counts from its start and that much.

    Examples
    --------
    >>> now = [0.0]
    >>> limit = SlidingWindow(
    ...     2, 1.0, clock=lambda: now[0], sleep=lambda s: now.append(now.pop() + s)
    ... )
    >>> [limit.acquire() for _ in range(5)]
    [0.0, 0.0, 1.0, 1.0, 2.0]
    """

    def __init__(
        self, limit: int, per: float, /, *, clock: Clock | None = None, sleep: Sleep | None = None
    ) -> None:
        super().__init__(clock=clock, sleep=sleep)
        self._per = positive("per", per)
        self._starts: deque[list[float]] = deque(maxlen=_count("limit", limit))

    def _wait(self, now: float, /) -> float:
        """Wait until the oldest of the last calls is `per` seconds away."""
        starts = self._starts
        if len(starts) < (starts.maxlen or 0):
            return 0.0
        oldest = starts[0]
        if now < oldest[0]:  # the clock was set back
            for start in starts:
                start[:] = now, now
        return self._per - (now - oldest[1])

    def _grant(self, now: float, /) -> list[float]:
        """Remember the start."""
        start = [now, now + SLACK_S]
        self._starts.append(start)
        return start

    def _end(self, start: list[float], /) -> None:
        """Count a call that is through from its end on."""
        now = self._clock()
        if now < start[1]:
            start[1] = now


def refuse_async(function: Callable[..., Any]) -> None:
    """Refuse what must not sleep on its thread."""
    if kind_of(function) in ("coroutine", "async generator"):
        raise ColumnTypeError(
            f"throttle: {function!r} is asynchronous, and waiting would hold up its event loop; "
            f"throttle a plain function that it runs on a thread"
        )


def number_of(name: str, value: object) -> float:
    """Check that something is a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ColumnTypeError(f"throttle: {name} is {value!r}: give a number")
    return value


def positive(name: str, value: object) -> float:
    """Check that something is a number above 0."""
    number = number_of(name, value)
    if not 0 < number < math.inf:
        raise InputError(f"throttle: {name} is {value!r}: give a number above 0")
    return number


def _count(name: str, value: object) -> int:
    """Check that something is a whole number from 1 on."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ColumnTypeError(f"throttle: {name} is {value!r}: give an int")
    if value < 1:
        raise InputError(f"throttle: {name} is {value}: give an int from 1 on")
    return value
