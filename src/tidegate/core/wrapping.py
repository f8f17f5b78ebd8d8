"""What the decorators share: which kind a function is, and which argument is the record."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from tidegate.core.errors import ColumnTypeError

__all__ = ["Kind", "RecordFinder", "kind_of", "name_of", "rewrap"]

Kind: TypeAlias = Literal["plain", "generator", "coroutine", "async generator"]


def kind_of(function: Callable[..., Any]) -> Kind:
    """Say how a function gives its results; a callable object is what its ``__call__`` is."""
    for thing in (function, inspect.getattr_static(type(function), "__call__", None)):
        if inspect.isasyncgenfunction(thing):
            return "async generator"
        if inspect.iscoroutinefunction(thing):
            return "coroutine"
        if inspect.isgeneratorfunction(thing):
            return "generator"
    return "plain"


def name_of(function: object) -> str:
    """Name a function, also a `functools.partial` or a callable object."""
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__name__", type(inner).__name__))


def rewrap(decorator: Callable[[Any], Any], function: object, word: str) -> Any:
    """Decorate what is inside a staticmethod or classmethod; refuse what cannot be called."""
    if isinstance(function, staticmethod | classmethod):
        return type(function)(decorator(function.__func__))
    if not callable(function):
        raise ColumnTypeError(
            f"{word}: decorates a function, not {function!r} ({type(function).__name__}); "
            f"options are given by keyword"
        )
    return decorator(function)


class RecordFinder:
    """Finds the record among the arguments of a call: the first one that is not ``self``.

    Parameters
    ----------
    function : callable
        Its signature says whether the first parameter is the object of a method, going by the
        usual names ``self`` and ``cls``, and how the record is called by keyword.
    """

    __slots__ = ("at", "name")

    def __init__(self, function: Callable[..., Any]) -> None:
        try:
            names = list(inspect.signature(function).parameters)
        except (TypeError, ValueError):  # some built-ins have none
            names = []
        self.at = 1 if names[:1] in (["self"], ["cls"]) else 0
        self.name = names[self.at] if len(names) > self.at else None

    def __call__(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Give the record, None where the call has no argument for it."""
        if len(args) > self.at:
            return args[self.at]
        return kwargs.get(self.name) if self.name is not None else None
