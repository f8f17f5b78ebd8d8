"""A strategy around a function of any kind: the decorators of failing calls.

Only `Exception` is looked at; ``KeyboardInterrupt``, ``SystemExit`` and cancellation always pass.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar, overload

from tidegate.core.strategies import HALT, SKIP_MESSAGE, Failure, Skip, strategy_of
from tidegate.core.wrapping import RecordFinder, kind_of, rewrap

if TYPE_CHECKING:
    from tidegate.core.strategies import Strategy, StrategyName, Verdict

__all__ = ["guard", "halt_on_error", "skip_error"]

F = TypeVar("F", bound=Callable[..., Any])


def guard(function: F, strategy: StrategyName | Strategy) -> F:
    """Put a strategy around a function.

    Parameters
    ----------
    function : callable
        A plain function, a method, a generator function, a coroutine function or an asynchronous
        generator function; also a staticmethod, a classmethod, a partial, a callable object.
    strategy : {"halt", "skip", "dead-letter", "retry"} or Strategy
        What to do with an `Exception`.

    Returns
    -------
    callable
        Of the same kind, name, docstring and signature.

    Notes
    -----
    A generator that has failed cannot go on: "None" ends it, what it gave before stays given. It is
    begun again only while it has not given anything; after that its error is raised, since
    beginning again would give the same items twice. Some 30 ns a call beside `functools.wraps`.

    Examples
    --------
    >>> def invert(x):
    ...     return 1 / x
    >>> guard(invert, "halt")(0)
    Traceback (most recent call last):
    ZeroDivisionError: division by zero
    """
    guarded: F = _guarded(function, strategy_of(strategy), "guard")
    return guarded


def _guarded(function: Any, strategy: Strategy, word: str) -> Any:
    """Choose the wrapper for the kind of function."""

    def decorator(inner: Callable[..., Any]) -> Callable[..., Any]:
        makers = {
            "plain": _guard_plain,
            "generator": _guard_generator,
            "coroutine": _guard_coroutine,
            "async generator": _guard_async_generator,
        }
        return makers[kind_of(inner)](inner, _Judge(inner, strategy))

    return rewrap(decorator, function, word)


class _Judge:
    """Asks a strategy about the failures of one function."""

    __slots__ = ("_find", "_function", "strategy")

    def __init__(self, function: Callable[..., Any], strategy: Strategy) -> None:
        self._function = function
        self._find = RecordFinder(function)
        self.strategy = strategy

    def __call__(
        self, error: Exception, attempt: int, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Verdict:
        record = self._find(args, kwargs)
        return self.strategy.on_failure(Failure(self._function, record, error, attempt))

    @property
    def _sleep(self) -> Callable[[float], Any] | None:
        sleep: Callable[[float], Any] | None = getattr(self.strategy, "sleep", None)
        return sleep

    def wait(self, seconds: float) -> None:
        """Wait on this thread."""
        (self._sleep or time.sleep)(seconds)

    async def wait_async(self, seconds: float) -> None:
        """Let others run for a while; an injected sleep may be a plain function."""
        import asyncio  # heavy, and there already where a coroutine runs

        waited = (self._sleep or asyncio.sleep)(seconds)
        if inspect.isawaitable(waited):
            await waited


def _guard_plain(function: Callable[..., Any], judge: _Judge) -> Callable[..., Any]:
    """Guard a function that gives its result at once."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            verdict = judge(error, 1, args, kwargs)
            if verdict.action == "raise":
                raise
        attempt = 1
        while verdict.action == "again":
            judge.wait(verdict.delay)
            attempt += 1
            try:
                return function(*args, **kwargs)
            except Exception as error:
                verdict = judge(error, attempt, args, kwargs)
                if verdict.action == "raise":
                    raise
        return None

    return guarded


def _guard_coroutine(function: Callable[..., Any], judge: _Judge) -> Callable[..., Any]:
    """Guard a coroutine function."""

    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await function(*args, **kwargs)
            except Exception as error:
                verdict = judge(error, attempt, args, kwargs)
                if verdict.action == "raise":
                    raise
            if verdict.action == "none":
                return None
            await judge.wait_async(verdict.delay)

    return guarded


def _guard_generator(function: Callable[..., Any], judge: _Judge) -> Callable[..., Any]:
    """Guard a generator function; `send` and `throw` reach the generator inside."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        attempt = 0
        while True:
            attempt += 1
            inner = function(*args, **kwargs)
            has_given = False
            try:
                first = next(inner)
                has_given = True
                return (yield from _after(first, inner))
            except StopIteration as stop:
                return stop.value
            except Exception as error:
                verdict = judge(error, attempt, args, kwargs)
                if verdict.action == "raise" or (verdict.action == "again" and has_given):
                    raise
            if verdict.action == "none":
                return None
            judge.wait(verdict.delay)

    return guarded


def _after(item: Any, inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Give an item that was already taken out of a generator, then the others."""
    try:
        while True:
            try:
                sent = yield item
            except GeneratorExit:
                raise
            except BaseException as error:
                item = inner.throw(error)
            else:
                item = inner.send(sent)
    except StopIteration as stop:
        return stop.value
    finally:
        inner.close()


def _guard_async_generator(function: Callable[..., Any], judge: _Judge) -> Callable[..., Any]:
    """Guard an asynchronous generator function."""

    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        attempt = 0
        while True:
            attempt += 1
            inner = function(*args, **kwargs)
            sent, has_given = None, False
            try:
                while True:
                    item = await inner.asend(sent)
                    has_given = True
                    sent = yield item
            except StopAsyncIteration:
                return
            except Exception as error:
                verdict = judge(error, attempt, args, kwargs)
                if verdict.action == "raise" or (verdict.action == "again" and has_given):
                    raise
            finally:
                await inner.aclose()
            if verdict.action == "none":
                return
            await judge.wait_async(verdict.delay)

    return guarded


@overload
def halt_on_error(function: F, /) -> F: ...
@overload
def halt_on_error() -> Callable[[F], F]: ...
def halt_on_error(function: Any = None, /) -> Any:
    """Let the first error of a function stop whoever runs it: decorator.

    Parameters
    ----------
    function : callable
        Of any kind that `guard` takes; with or without parentheses.

    Returns
    -------
    callable
        Of the same kind, name, docstring and signature; every exception passes through.

    Examples
    --------
    >>> import tidegate as tg
    >>> @tg.halt_on_error
    ... def check(record):
    ...     return record["id"]
    >>> check({})
    Traceback (most recent call last):
    KeyError: 'id'
    """
    if function is None:
        return halt_on_error
    return _guarded(function, HALT, "halt_on_error")


@overload
def skip_error(function: F, /, *, message: str = ..., logger: str = ...) -> F: ...
@overload
def skip_error(*, message: str = ..., logger: str = ...) -> Callable[[F], F]: ...
def skip_error(
    function: Any = None, /, *, message: str = SKIP_MESSAGE, logger: str = "tidegate"
) -> Any:
    """Log one WARNING for an error of a function and give None instead: decorator.

    Parameters
    ----------
    function : callable
        Of any kind that `guard` takes; with or without parentheses.
    message : str
        The text; ``{name}`` is the function's name, ``{error}`` what the error says.
    logger : str
        Name of the logger; it propagates to the root logger.

    Returns
    -------
    callable
        Of the same kind, name, docstring and signature. A generator ends where it failed.

    Raises
    ------
    InputError
        If `message` names anything else.

    Examples
    --------
    >>> import tidegate as tg
    >>> @tg.skip_error(message="Skipping due to error: {error}")
    ... def check(record):
    ...     return record["id"]
    >>> check({"id": 7}), check({})
    (7, None)
    """
    strategy = Skip(message, logger)
    if function is None:
        return lambda inner: _guarded(inner, strategy, "skip_error")
    return _guarded(function, strategy, "skip_error")
