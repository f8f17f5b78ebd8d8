"""Which functions can be sent to another process, and how.

Other processes are spawned, never forked, so a function must be found again by its name there. A
spawned process also runs the main script once more, all but what stands under
``if __name__ == "__main__"``; where a script has no such line, nothing is sent anywhere.
"""

from __future__ import annotations

import ast
import functools
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidegate.core.errors import WorkerError

__all__ = ["as_error", "can_spawn", "load_function", "payload_of"]


def payload_of(function: Callable[..., Any]) -> bytes | None:
    """Pack a function for another process; None where it cannot be sent.

    Functions go by module and name, also those whose name now stands for a wrapper around them;
    bound methods, partials and callable objects are pickled.

    Examples
    --------
    >>> load_function(payload_of(len)) is len
    True
    >>> payload_of(lambda: 1) is None
    True
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str) and not hasattr(function, "__self__"):
        depth = _depth_under(module, name, function)
        if depth is not None:
            return pickle.dumps((module, name, depth))
    try:
        return pickle.dumps(pickle.dumps(function))
    except (pickle.PicklingError, AttributeError, TypeError):
        return None


def load_function(payload: bytes) -> Callable[..., Any]:
    """Find the function of a payload, which `payload_of` has made in the process above.

    Raises
    ------
    WorkerError
        If it is not there.
    """
    try:
        where = pickle.loads(payload)  # noqa: S301  # from our own parent, over its own pipe
        if isinstance(where, bytes):
            loaded: Callable[..., Any] = pickle.loads(where)  # noqa: S301
            return loaded
        module, name, depth = where
        __import__(module)
        named: Callable[..., Any] = _found(module, name, depth)
        return named
    except Exception as error:
        raise WorkerError(f"the function cannot be loaded in a process: {error!r}") from error


def _found(module: str, name: str, depth: int) -> Any:
    """Look a function up by its names, under so many wrappers."""
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part)
    for _ in range(depth):
        found = found.__wrapped__
    return found


def _depth_under(module: str, name: str, function: object) -> int | None:
    """Count the wrappers over a function, from what its name stands for."""
    try:
        found = _found(module, name, 0)
    except (AttributeError, KeyError):
        return None
    depth = 0
    while found is not function:
        if not hasattr(found, "__wrapped__"):
            return None
        found = found.__wrapped__
        depth += 1
    return depth


def can_spawn() -> bool:
    """Whether this process may start others by spawning.

    Not one that is itself such a worker or is just being started, nor one whose main script would
    do its work again.
    """
    from multiprocessing import current_process

    me = current_process()
    if me.daemon or getattr(me, "_inheriting", False):
        return False
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    run_as = str(getattr(getattr(main, "__spec__", None), "name", ""))
    is_left_alone = run_as == "__main__" or run_as.endswith(".__main__")
    return path is None or is_left_alone or _has_guard(path)


@functools.cache
def _has_guard(path: str) -> bool:
    """Whether a script keeps its work under ``if __name__ == "__main__"``."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):  # none that a spawned process could run either
        return False
    tests = [ast.unparse(node.test) for node in tree.body if isinstance(node, ast.If)]
    return any("__name__" in test and "__main__" in test for test in tests)


def as_error(thing: BaseException) -> BaseException:
    """Give an exception that survives being sent: itself, or one that says the same."""
    try:
        back = pickle.loads(pickle.dumps(thing))  # noqa: S301  # our own
    except Exception as error:
        said = f"{type(thing).__name__}: {thing} (the exception itself cannot be sent: {error!r})"
        return WorkerError(said)
    return thing if isinstance(back, type(thing)) else WorkerError(f"{type(thing).__name__}")
