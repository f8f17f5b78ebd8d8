"""Work that is shared out among threads; kernels run without the GIL."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tidegate.core.errors import InputError

__all__ = ["check_threads", "n_cpus", "n_threads", "on_threads"]

Item = TypeVar("Item")
Made = TypeVar("Made")

WORTH_A_THREAD = 1 << 20  # rows: a few milliseconds of work


def n_threads(threads: int | None, n_rows: int) -> int:
    """Choose how many threads to use: all CPUs where the work is worth it, unless said.

    Raises
    ------
    InputError
        If `threads` is no number from 1 on.
    """
    if threads is None:
        return max(1, min(n_cpus(), n_rows // WORTH_A_THREAD))
    return check_threads(threads)


def check_threads(threads: object) -> int:
    """Refuse what is no number of threads."""
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InputError(f"threads is {threads!r}: give a number from 1 on")
    return threads


def n_cpus() -> int:
    """How many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def on_threads(do: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
    """Do something with each item at the same time, and return the results in order.

    The last one is done here, the others each on a thread of its own: to begin one costs some
    0.1 ms. The first error is raised when all have ended.
    """
    if len(items) < 2:
        return [do(item) for item in items]
    with ThreadPoolExecutor(len(items) - 1, "tidegate") as pool:
        others = [pool.submit(do, item) for item in items[:-1]]
        last = do(items[-1])
    return [*(other.result() for other in others), last]
