"""Work that is shared out among threads; kernels run without the GIL."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar

from tidegate.core.errors import InputError

__all__ = ["beside", "check_threads", "n_cpus", "n_threads", "on_threads", "parts_of"]

Item = TypeVar("Item")
Made = TypeVar("Made")

WORTH_A_THREAD = 1 << 20  # rows: a few milliseconds of work
_MOST_THREADS = 1 << 16  # no limit: work that waits for other work must not keep it waiting


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

    The last one is done here, the others each on a thread of its own: such threads are kept, as to
    begin one costs up to 0.4 ms, and to wake it a tenth of that. The first error is raised when all
    have ended.
    """
    if len(items) < 2:
        return [do(item) for item in items]
    last: Future[Made] = Future()
    with beside(do, items[:-1]) as others:
        try:
            last.set_result(do(items[-1]))
        except Exception as error:
            last.set_exception(error)
    return [made.result() for made in [*others, last]]


@contextmanager
def beside(do: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[list[Future[Made]]]:
    """Do something with each item on a thread of its own, beside what the `with` block does.

    The block gets what will be made, in order. All have ended when it is left, by an error too.
    """
    pool, coming = _POOL.get(), list[Future[Made]]()
    try:
        for item in items:
            coming.append(pool.submit(do, item))
        yield coming
    finally:
        wait(coming)


def parts_of(n_items: int, n: int, fewest: int) -> list[slice]:
    """Cut items into at most n parts that follow one another, of as many each: no fewer than some.

    One part is always there.
    """
    n = max(1, min(n, n_items // fewest))
    ends = [n_items * k // n for k in range(n + 1)]
    return [slice(*part) for part in pairwise(ends)]


class _Pool:
    """The threads that are kept: as many as were ever busy at the same time."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: the threads of a process are not there in one that was forked off it."""
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def get(self) -> ThreadPoolExecutor:
        """Get the pool, which begins a thread where none is idle: nobody waits for a turn."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_MOST_THREADS, "tidegate")
            return self._pool


_POOL = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_POOL.forget)
