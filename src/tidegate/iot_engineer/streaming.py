"""Windows over sensor readings: what the scripts of IoT engineers import."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from multiprocessing import Process, get_context
from typing import TYPE_CHECKING, Any

from tidegate.core import grouping
from tidegate.core.guarding import halt_on_error, skip_error
from tidegate.core.lateness import earlier
from tidegate.core.limiters import SlidingWindow, wall_clock
from tidegate.core.logging import setup_logging
from tidegate.core.pyobjects import to_dicts
from tidegate.core.serializerview import SerializerView
from tidegate.core.workers import start_workers
from tidegate.domain.iot.sliding import sliding_deviation

if TYPE_CHECKING:
    from argparse import ArgumentParser

__all__ = [
    "add_serializer",
    "cli_manage",
    "get_serializer",
    "halt_on_error",
    "parallelize_stages",
    "setup_logging",
    "skip_error",
    "sliding_window",
    "throttle_upstream",
    "tumbling_window",
    "watermark_event_time",
]

Record = dict[str, Any]

THROTTLE_SECONDS = 0.1
_serializers = SerializerView(("protobuf", "parquet", "avro", "json"))
add_serializer = _serializers.add
get_serializer = _serializers.get


def tumbling_window(readings: Iterable[Record], window_size: float) -> Iterator[list[Record]]:
    """Group readings by windows of `window_size` from the first one on.

    Parameters
    ----------
    readings : list of dict
        With ``timestamp``, a number, in any order. Neither changed nor copied.
    window_size : number
        Above 0, in the unit of the timestamps.

    Returns
    -------
    iterator of list of dict
        In time order; empty windows are left out.

    Raises
    ------
    KeyError, TypeError, ValueError
        At the call, naming the record and the field.

    Examples
    --------
    >>> rows = [{"timestamp": t} for t in (1, 2, 5, 7)]
    >>> [[row["timestamp"] for row in window] for window in tumbling_window(rows, 3)]
    [[1, 2], [5], [7]]
    """
    size = grouping.size_of(window_size, "window_size")
    return iter(grouping.by_tumbling_window(grouping.listed(readings), size))


def sliding_window(
    readings: Iterable[Record], window_size: float, step: float
) -> Iterator[dict[str, Any]]:
    """Average ``value`` over windows ``(end - window_size, end]``, and find the farthest reading.

    Parameters
    ----------
    readings : list of dict
        With ``timestamp`` and ``value``, numbers, in any order.
    window_size, step : number
        Above 0, in the unit of the timestamps.

    Returns
    -------
    iterator of dict
        ``end``, from ``first + window_size`` on by `step` up to ``last + step``; ``average``;
        ``anomaly``, the largest absolute distance from it. Empty windows are left out.

    Raises
    ------
    KeyError, TypeError, ValueError
        At the call, naming the record and the field.

    Examples
    --------
    >>> rows = [{"timestamp": t, "value": 2 * t} for t in (1, 2, 3, 4)]
    >>> [window["average"] for window in sliding_window(rows, 2, 1)]
    [5.0, 7.0, 8.0]
    """
    size = grouping.size_of(window_size, "window_size")
    every = grouping.size_of(step, "step")
    rows = grouping.listed(readings)
    if not rows:
        return iter(())
    times, values = grouping.times_and(rows, "value")
    return iter(to_dicts(sliding_deviation(times, values, size, every)))


def throttle_upstream(max_calls: int = 1) -> SlidingWindow:
    """Let at most `max_calls` calls go in any 0.1 s, over all threads; a call too many waits.

    Returns
    -------
    SlidingWindow
        The decorator.

    Examples
    --------
    >>> throttle_upstream(5)(len)([1, 2])
    2
    """
    return SlidingWindow(max_calls, THROTTLE_SECONDS, clock=wall_clock)


def watermark_event_time(readings: Iterable[Record], delay: float) -> Iterator[Record]:
    """Mark readings with their own timestamp minus a delay.

    Returns
    -------
    iterator of dict
        Copies in the order of the input, with ``watermark``.

    Examples
    --------
    >>> list(watermark_event_time([{"timestamp": 10}], 3))
    [{'timestamp': 10, 'watermark': 7}]
    """
    rows = grouping.listed(readings)
    behind = grouping.number_of(delay, "delay")
    if not rows:
        return iter(())
    marks = earlier(grouping.times_of(rows), behind)
    return iter(grouping.with_fields(rows, watermark=marks.tolist()))


def cli_manage() -> ArgumentParser:
    """Make the parser of ``scaffold``, ``start``, ``stop`` and ``health``.

    Returns
    -------
    argparse.ArgumentParser
        What it parses has ``command``, and ``func``: ``options.func(options)`` does the command
        and returns its exit code.

    Examples
    --------
    >>> cli_manage().parse_args(["health"]).command
    'health'
    """
    from tidegate.iot_engineer.commands import make_parser

    return make_parser()


def parallelize_stages(
    stages: Iterable[Callable[[Any], Any]], queue: Any = None
) -> tuple[list[Process], Any]:
    """Start ``stage(queue)`` for every stage, each in a worker of its own.

    Parameters
    ----------
    stages : list of callable
        Those that can be sent to a process run in one, others on a thread.
    queue : queue, optional
        By default a new one that processes share.

    Returns
    -------
    workers : list of Process
        Each has ``terminate()``, ``join()`` and ``is_alive()``.
    queue : queue
        The one that the stages got.

    Examples
    --------
    >>> workers, queue = parallelize_stages([lambda queue: queue.put("done")])
    >>> queue.get(timeout=5)
    'done'
    >>> workers[0].join()
    """
    shared = get_context("spawn").Queue() if queue is None else queue
    kept = list(stages.values()) if isinstance(stages, Mapping) else list(stages)
    return start_workers([(stage, (shared,), {}) for stage in kept]), shared
