"""Work side by side: functions on one input, a chain of stages, a map over partitions.

Processes for functions that can be sent to one, threads for the others; the order is kept; nothing
is left running, and no memory left over, whatever the end was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, overload

from tidegate.core.crew import Channel, Crew, feed, gather, work
from tidegate.core.errors import ColumnTypeError, InputError
from tidegate.core.threads import n_cpus

if TYPE_CHECKING:
    from tidegate.core.workers import WorkerKind

__all__ = ["map_partitions", "parallel", "run_chain"]


@overload
def parallel(
    functions: Mapping[str, Callable[[Any], Any]], data: object, /, *, workers: WorkerKind = ...
) -> dict[str, Any]: ...
@overload
def parallel(
    functions: Sequence[Callable[[Any], Any]], data: object, /, *, workers: WorkerKind = ...
) -> list[Any]: ...
def parallel(functions: Any, data: object, /, *, workers: WorkerKind = "auto") -> Any:
    """Call independent functions on the same data, all at the same time.

    Parameters
    ----------
    functions : mapping of str to callable, or sequence of callable
        Each takes the data as its only argument.
    data : object
        An Arrow table or batch, or large arrays, come to processes in shared memory.
    workers : {"auto", "process", "thread"}, default "auto"
        Processes for functions (and data) that can be sent to one, threads for the others, or all
        of one kind.

    Returns
    -------
    dict or list
        The results by name, or in a list; in the order in which the functions were given.

    Raises
    ------
    Exception
        When all have ended, what the first function in order that failed has raised, with its name
        in a note. What others have raised stands in another note, as an `ExceptionGroup`.
    WorkerError
        If a process was killed, or a result cannot be sent.

    Notes
    -----
    A function can be sent if another process finds it by name in its module. The main script must
    keep its work under ``if __name__ == "__main__"``, else all run on threads. Some 0.3 s for the
    processes to begin; on threads none. Ctrl-C ends the processes, and is raised.

    Examples
    --------
    >>> import tidegate as tg
    >>> tg.parallel({"low": min, "high": max}, [3, 1, 2], workers="thread")
    {'low': 1, 'high': 3}
    """
    if isinstance(functions, Mapping):
        names: list[str] = [str(name) for name in functions]
        return dict(
            zip(functions, _call_all(names, list(functions.values()), data, workers), strict=True)
        )
    if not isinstance(functions, Sequence):
        raise ColumnTypeError(f"parallel: functions is {functions!r}: give a dict or a list")
    return _call_all([_name(one, k) for k, one in enumerate(functions)], functions, data, workers)


def _name(function: object, number: int) -> str:
    """Name a function for messages."""
    return str(getattr(function, "__name__", number))


def _call_all(
    names: list[str], functions: Sequence[Callable[[Any], Any]], data: object, workers: WorkerKind
) -> list[Any]:
    """Call functions on one input and give their results, or raise."""
    from tidegate.core.callers import pack
    from tidegate.core.workers import sendable

    parcel = None
    if any(sendable(function, workers) is not None for function in functions):
        parcel = pack(data, "the data", workers)
        workers = "thread" if parcel is None else workers
    results: list[Any] = [None] * len(names)

    def call(crew: Crew, number: int) -> None:
        try:
            results[number] = crew.callers[number](data, parcel)
        except BaseException as error:
            crew.note(0, number, error)

    with Crew(names, functions, workers) as crew:
        for number in range(len(names)):
            crew.start(call, number)
        crew.join()
    crew.raise_first()
    return results


def run_chain(
    stages: Mapping[str, Callable[[Any], Any]] | Sequence[Callable[[Any], Any]],
    items: Iterable[Any],
    /,
    *,
    max_queue: int = 8,
    workers: WorkerKind = "auto",
) -> Iterator[Any]:
    """Send items through a chain of stages that work at the same time.

    Parameters
    ----------
    stages : mapping of str to callable, or sequence of callable
        Each takes what the one before it gave.
    items : iterable
        Taken one by one, on a thread of its own, only as far as the queues have room.
    max_queue : int, default 8
        How many items may wait between two stages.
    workers : {"auto", "process", "thread"}, default "auto"
        As `parallel`.

    Yields
    ------
    object
        What the last stage gave, in the order of the items.

    Raises
    ------
    Exception
        When all have ended, what a stage or the iterable has raised, with the stage's name in a
        note; the results of the items before it are given first.

    Examples
    --------
    >>> list(run_chain([abs, str], [-1, 2], workers="thread"))
    ['1', '2']
    """
    if isinstance(stages, Mapping):
        names, functions = [str(name) for name in stages], list(stages.values())
    else:
        names, functions = [_name(one, k) for k, one in enumerate(stages)], list(stages)
    _check_count("max_queue", max_queue)
    return _chain(names, functions, items, max_queue, workers)


def _chain(
    names: list[str],
    functions: list[Callable[[Any], Any]],
    items: Iterable[Any],
    max_queue: int,
    workers: WorkerKind,
) -> Iterator[Any]:
    """Run a chain; nothing begins before its first result is asked for."""
    channels = [Channel(max_queue) for _ in range(len(functions) + 1)]
    with Crew([*names, "items"], functions, workers) as crew:
        crew.start(feed, items, channels[:1])
        for number, (inlet, outlet) in enumerate(pairwise(channels)):
            crew.start(work, number, (0, 1), inlet, outlet)
        yield from gather(channels, channels[-1:])
        crew.join()
    crew.raise_first()


def map_partitions(
    function: Callable[[Any], Any],
    partitions: Iterable[Any],
    /,
    *,
    n_workers: int | None = None,
    workers: WorkerKind = "auto",
) -> Iterator[Any]:
    """Call a function on each of many partitions, several at the same time.

    Parameters
    ----------
    function : callable
        Takes a partition.
    partitions : iterable
        Taken one by one, on a thread of its own, at most two ahead for each worker. Dealt out in
        turn, so that they should be of like size.
    n_workers : int, optional
        By default as many as there are processors for this process.
    workers : {"auto", "process", "thread"}, default "auto"
        As `parallel`.

    Yields
    ------
    object
        The results, in the order of the partitions.

    Raises
    ------
    Exception
        As `run_chain`.

    Examples
    --------
    >>> list(map_partitions(sum, [[1, 2], [3], []], workers="thread"))
    [3, 3, 0]
    """
    n = n_cpus() if n_workers is None else n_workers
    _check_count("n_workers", n)
    return _map(function, partitions, n, workers)


def _map(
    function: Callable[[Any], Any], partitions: Iterable[Any], n: int, workers: WorkerKind
) -> Iterator[Any]:
    """Run a map; nothing begins before its first result is asked for."""
    inlets, outlets = ([Channel(1) for _ in range(n)] for _ in range(2))
    with Crew([_name(function, 0)] * n + ["partitions"], [function] * n, workers) as crew:
        crew.start(feed, partitions, inlets)
        for number in range(n):
            crew.start(work, number, (number, n), inlets[number], outlets[number])
        yield from gather([*inlets, *outlets], outlets)
        crew.join()
    crew.raise_first()


def _check_count(name: str, value: object) -> None:
    """Check that something is a whole number from 1 on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{name} is {value!r}: give an int from 1 on")
