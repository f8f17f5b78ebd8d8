"""Holding calls back: one word for every kind of limit, and the limit of a queue's length."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from tidegate.core.errors import ColumnTypeError, InputError
from tidegate.core.limiters import (
    Clock,
    Limiter,
    MinInterval,
    Sleep,
    SlidingWindow,
    TokenBucket,
    number_of,
    positive,
    refuse_async,
)
from tidegate.core.wrapping import RecordFinder

__all__ = ["Backpressure", "throttle"]

F = TypeVar("F", bound=Callable[..., Any])


class Backpressure(Limiter):
    """Hold calls back while a queue is too long; after a while let them go all the same.

    Parameters
    ----------
    max_queue_size : int
        A call waits while ``queue.qsize()`` is more than this.
    max_wait : float or None, default 0.01
        The most seconds to wait; None: as long as it takes.
    queue : object, optional
        The queue; by default the first argument of the decorated function. One without ``qsize``
        holds nothing back.
    poll : float, default 0.01
        Seconds between two looks at the queue.
    clock, sleep : callable, optional
        As `Limiter`.

    Examples
    --------
    >>> import queue
    >>> waiting = queue.Queue()
    >>> @Backpressure(1, sleep=lambda s: print("waits", s))
    ... def send(waiting, item):
    ...     waiting.put(item)
    >>> for item in "abc":
    ...     send(waiting, item)
    waits 0.01
    """

    def __init__(
        self,
        max_queue_size: int,
        /,
        *,
        max_wait: float | None = 0.01,
        queue: object = None,
        poll: float = 0.01,
        clock: Clock | None = None,
        sleep: Sleep | None = None,
    ) -> None:
        super().__init__(clock=clock, sleep=sleep)
        if isinstance(max_queue_size, bool) or not isinstance(max_queue_size, int | float):
            raise ColumnTypeError(f"max_queue_size is {max_queue_size!r}: give a number")
        self._max_size = max_queue_size
        self._max_wait = math.inf if max_wait is None else _not_negative("max_wait", max_wait)
        self._queue = queue
        self._poll = positive("poll", poll)

    def acquire(self) -> float:
        """Wait for the queue that was given to `Backpressure`."""
        if self._queue is None:
            raise InputError("Backpressure: give queue=, there is no call with a queue to look at")
        self._hold(self._queue)
        return self._clock()

    def _hold(self, queue: object) -> None:
        """Wait for a queue to drain."""
        size_of = getattr(queue, "qsize", None)
        if size_of is None:
            return
        waited = 0.0
        while size_of() > self._max_size and waited < self._max_wait:
            wait = min(self._poll, self._max_wait - waited)
            self._sleep(wait)
            waited += wait

    def _decorate(self, function: F) -> F:
        """Wrap a function that gets the queue."""
        refuse_async(function)
        find = RecordFinder(function)

        @functools.wraps(function)
        def throttled(*args: Any, **kwargs: Any) -> Any:
            self._hold(find(args, kwargs) if self._queue is None else self._queue)
            return function(*args, **kwargs)

        return throttled  # type: ignore[return-value]


def throttle(
    rate: float | None = None,
    /,
    *,
    burst: int = 1,
    every: float | None = None,
    limit: int | None = None,
    per: float | None = None,
    max_queue_size: int | None = None,
    max_wait: float | None = 0.01,
    queue: object = None,
    clock: Clock | None = None,
    sleep: Sleep | None = None,
) -> Limiter:
    """Make a limiter: decorator, context manager, and filter of iterables.

    Parameters
    ----------
    rate : float, optional
        Calls a second, in the long run; with `burst`, a `TokenBucket`.
    burst : int, default 1
        How many of them at once.
    every : float, optional
        Seconds from the end of a call to the start of the next, a `MinInterval`.
    limit, per : int and float, optional
        At most `limit` calls in any `per` seconds, a `SlidingWindow`.
    max_queue_size : int, optional
        Waits while a queue is longer, a `Backpressure`.
    max_wait : float or None, default 0.01
        At most so many seconds, with `max_queue_size` only.
    queue : object, optional
        Which queue, by default the first argument of the call; with `max_queue_size` only.
    clock, sleep : callable, optional
        Time in seconds and how to wait; by default ``time.monotonic`` and ``time.sleep``.

    Returns
    -------
    Limiter
        For functions, methods and generator functions (of which the call is held back).

    Raises
    ------
    InputError, ColumnTypeError
        If none or several of the four are asked for, or a number is none that can be.

    Notes
    -----
    One limiter is one limit, over all threads and all that it is put on; make another for each
    limit. A call that need not wait costs less than 1 microsecond.

    Examples
    --------
    >>> import tidegate as tg
    >>> @tg.throttle(1000, burst=10)
    ... def send(message):
    ...     return len(message)
    >>> [send(word) for word in ("a", "bc")]
    [1, 2]
    >>> with tg.throttle(limit=3, per=0.1):
    ...     pass
    >>> list(tg.throttle(every=0.001)("abc"))
    ['a', 'b', 'c']
    """
    asked = {"rate": rate, "every": every, "limit": limit, "max_queue_size": max_queue_size}
    given = [name for name, value in asked.items() if value is not None]
    if len(given) != 1:
        _refuse_choice(given)
    if (limit is None) != (per is None):
        raise InputError("throttle: limit= and per= belong together: so many calls in any so long")
    if rate is not None:
        return TokenBucket(rate, burst=burst, clock=clock, sleep=sleep)
    if every is not None:
        return MinInterval(every, clock=clock, sleep=sleep)
    if limit is not None and per is not None:
        return SlidingWindow(limit, per, clock=clock, sleep=sleep)
    return Backpressure(
        max_queue_size or 0, max_wait=max_wait, queue=queue, clock=clock, sleep=sleep
    )


def _refuse_choice(given: list[str]) -> NoReturn:
    """Say which limits there are."""
    raise InputError(
        f"throttle: give one of rate, every=, limit= with per=, max_queue_size=; "
        f"not {' and '.join(given) or 'none of them'}"
    )


def _not_negative(name: str, value: object) -> float:
    """Check that something is a number from 0 on."""
    number = number_of(name, value)
    if not number >= 0:
        raise InputError(f"throttle: {name} is {value!r}: give a number from 0 on")
    return number
