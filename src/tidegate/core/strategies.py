"""What happens after a function has failed: halt, skip, dead-letter, retry, by one mechanism.

A `Strategy` looks at a `Failure` and answers with a `Verdict`: raise the error, give None instead
of a result, or call again after a while. `tidegate.core.guarding` puts a strategy around a
function.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from tidegate.core.errors import InputError
from tidegate.core.wrapping import name_of

__all__ = [
    "GIVE_NONE",
    "HALT",
    "RAISE",
    "SKIP_MESSAGE",
    "DeadLetter",
    "DeadLetters",
    "Failure",
    "Halt",
    "Retry",
    "Skip",
    "Strategy",
    "StrategyName",
    "Verdict",
    "strategy_of",
]

SKIP_MESSAGE = "Skipping error in {name}: {error}"
StrategyName: TypeAlias = Literal["halt", "skip", "dead-letter", "retry"]


class Verdict(NamedTuple):
    """What to do next: raise, give None, or call again after `delay` seconds."""

    action: Literal["raise", "none", "again"]
    delay: float = 0.0


RAISE = Verdict("raise")
GIVE_NONE = Verdict("none")


class Failure(NamedTuple):
    """One failed call.

    Attributes
    ----------
    function : callable
        What failed.
    record : object
        Its first argument that is not ``self``; None where there is none.
    error : Exception
        What it raised.
    attempt : int
        1 for the first call.
    """

    function: Callable[..., Any]
    record: Any
    error: Exception
    attempt: int

    @property
    def name(self) -> str:
        """The name of the function."""
        return name_of(self.function)


class Strategy(Protocol):
    """Anything that answers to a failure."""

    def on_failure(self, failure: Failure, /) -> Verdict:
        """Decide what to do next."""
        ...


class Halt:
    """Let the first error pass: whoever runs the function stops there."""

    def on_failure(self, failure: Failure, /) -> Verdict:  # noqa: ARG002  # a Strategy
        """Raise."""
        return RAISE


@dataclass(frozen=True)
class Skip:
    """Log one WARNING and give None instead of a result.

    Parameters
    ----------
    message : str
        The text; ``{name}`` is the function's name, ``{error}`` what the error says.
    logger : str
        Name of the logger; it propagates to the root logger, as any does.
    """

    message: str = SKIP_MESSAGE
    logger: str = "tidegate"

    def __post_init__(self) -> None:
        """Refuse a message that cannot be formatted, now and not at the first error."""
        try:
            self.message.format(name="", error="")
        except (LookupError, ValueError) as error:
            raise InputError(
                f"message: {self.message!r} may name {{name}} and {{error}} only: {error!r}"
            ) from error

    def on_failure(self, failure: Failure, /) -> Verdict:
        """Log, and give None."""
        said = str(failure.error) or type(failure.error).__name__
        logging.getLogger(self.logger).warning(self.message.format(name=failure.name, error=said))
        return GIVE_NONE


HALT = Halt()


class DeadLetter(NamedTuple):
    """What could not be done: the record, the exception, the function's name, the time."""

    record: Any
    error: Exception
    function: str
    time: float


class DeadLetters:
    """Keep what failed for later, and give None instead of a result.

    Parameters
    ----------
    max_letters : int, default 10_000
        How many are kept; when one more comes the oldest goes, and is counted in `n_dropped`.
    clock : callable, optional
        Gives the time in seconds; by default ``time.time``.

    Attributes
    ----------
    n_dropped : int
        Letters that are no longer kept.

    Notes
    -----
    Thread-safe. A letter keeps the exception with its traceback, and so what its frames hold.

    Examples
    --------
    >>> from tidegate.core.guarding import guard
    >>> letters = DeadLetters(clock=lambda: 17.0)
    >>> half = guard(lambda record: record["n"] // 2, letters)
    >>> half({"n": 4}), half({"n": None})
    (2, None)
    >>> [(letter.record, type(letter.error).__name__, letter.time) for letter in letters]
    [({'n': None}, 'TypeError', 17.0)]
    """

    def __init__(
        self, max_letters: int = 10_000, *, clock: Callable[[], float] | None = None
    ) -> None:
        if isinstance(max_letters, bool) or not isinstance(max_letters, int) or max_letters < 1:
            raise InputError(f"max_letters is {max_letters!r}: give an integer from 1 on")
        self._letters: deque[DeadLetter] = deque(maxlen=max_letters)
        self._clock = clock
        self._lock = threading.Lock()
        self.n_dropped = 0

    def on_failure(self, failure: Failure, /) -> Verdict:
        """Keep a letter, and give None."""
        now = self._clock() if self._clock is not None else time.time()
        letter = DeadLetter(failure.record, failure.error, failure.name, now)
        with self._lock:
            self.n_dropped += len(self._letters) == self._letters.maxlen
            self._letters.append(letter)
        return GIVE_NONE

    def take(self) -> list[DeadLetter]:
        """Hand over all letters, oldest first, and keep none of them."""
        with self._lock:
            letters = list(self._letters)
            self._letters.clear()
        return letters

    def __iter__(self) -> Iterator[DeadLetter]:
        """Go through the letters that are there now, oldest first."""
        with self._lock:
            return iter(list(self._letters))

    def __len__(self) -> int:
        return len(self._letters)

    def __bool__(self) -> bool:
        """A strategy is one even when it holds no letters."""
        return True


@dataclass(frozen=True)
class Retry:
    """Call again, each time after a longer while; then do as another strategy says.

    Parameters
    ----------
    attempts : int, default 3
        Calls in all.
    delay : float, default 0.1
        Seconds before the second call.
    backoff : float, default 2
        By what the delay grows each time.
    max_delay : float, default 60
        The longest delay, in seconds.
    then : Strategy, default Halt
        What to do about the last failure. The error has a note that says how many attempts.
    errors : type or tuple of types, default Exception
        Which errors are worth another call; others go to `then` at once.
    sleep : callable, optional
        Waits for so many seconds; by default ``time.sleep``, for coroutines ``asyncio.sleep``.

    Examples
    --------
    >>> from tidegate.core.guarding import guard
    >>> waits = []
    >>> retry = Retry(attempts=3, sleep=waits.append, then=DeadLetters())
    >>> ask = guard(lambda: 1 / 0, retry)
    >>> ask(), waits
    (None, [0.1, 0.2])
    """

    attempts: int = 3
    delay: float = 0.1
    backoff: float = 2.0
    max_delay: float = 60.0
    then: Strategy = HALT
    errors: type[Exception] | tuple[type[Exception], ...] = Exception
    sleep: Callable[[float], Any] | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        is_int = isinstance(self.attempts, int) and not isinstance(self.attempts, bool)
        if not is_int or self.attempts < 1:
            raise InputError(f"attempts is {self.attempts!r}: give an integer from 1 on")
        for name, least in (("delay", 0), ("backoff", 1), ("max_delay", 0)):
            value = getattr(self, name)
            if not value >= least:  # NaN too
                raise InputError(f"{name} is {value!r}: give a number from {least} on")

    def on_failure(self, failure: Failure, /) -> Verdict:
        """Ask for another call, or hand the failure on."""
        if not isinstance(failure.error, self.errors):
            return self.then.on_failure(failure)
        if failure.attempt >= self.attempts:
            failure.error.add_note(f"{failure.name}: failed in {failure.attempt} attempts")
            return self.then.on_failure(failure)
        try:
            grown = self.delay * self.backoff ** (failure.attempt - 1)
        except OverflowError:
            grown = self.max_delay
        return Verdict("again", min(grown, self.max_delay))


def strategy_of(strategy: StrategyName | Strategy) -> Strategy:
    """Give the strategy of a name, made anew, or the strategy itself.

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> strategy_of("retry").attempts
    3
    """
    made: dict[object, Callable[[], Strategy]] = {
        "halt": Halt,
        "skip": Skip,
        "dead-letter": DeadLetters,
        "retry": Retry,
    }
    if isinstance(strategy, str):
        if strategy not in made:
            raise InputError(f"strategy {strategy!r}: it is one of {', '.join(map(repr, made))}")
        return made[strategy]()
    if not callable(getattr(strategy, "on_failure", None)):
        raise InputError(f"strategy {strategy!r}: give a name or an object with on_failure()")
    return strategy
