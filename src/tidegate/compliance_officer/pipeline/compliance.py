"""Audit windows over transactions: what the scripts of compliance officers import."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from tidegate.core import grouping
from tidegate.core.guarding import halt_on_error, skip_error
from tidegate.core.lateness import before_last
from tidegate.core.lineage import LineageStore
from tidegate.core.lineage import track_lineage as track
from tidegate.core.logging import setup_logging
from tidegate.core.parallel import parallel
from tidegate.core.serializerview import SerializerView
from tidegate.core.throttle import Backpressure

__all__ = [
    "add_serializer",
    "cli_manage",
    "halt_on_error",
    "lineage_store",
    "parallelize_stages",
    "serializers",
    "setup_logging",
    "skip_error",
    "sliding_window",
    "throttle_upstream",
    "track_lineage",
    "tumbling_window",
    "watermark_event_time",
]

F = TypeVar("F", bound=Callable[..., Any])
Record = dict[str, Any]

serializers = SerializerView(("json", "avro", "parquet"), shown_as=lambda made: made.dumps)
add_serializer = serializers.add
lineage_store = LineageStore()


def tumbling_window(transactions: Iterable[Record], window_size: float) -> list[list[Record]]:
    """Group transactions by windows of `window_size` from the first one on.

    Parameters
    ----------
    transactions : list of dict
        With ``timestamp``, a number, in any order. Neither changed nor copied.
    window_size : number
        In the unit of the timestamps; 0 or less gives no windows.

    Returns
    -------
    list of list of dict
        In time order; empty windows are left out.

    Raises
    ------
    KeyError, TypeError, ValueError
        Naming the record and the field.

    Examples
    --------
    >>> rows = [{"timestamp": t} for t in range(5)]
    >>> [[row["timestamp"] for row in window] for window in tumbling_window(rows, 2)]
    [[0, 1], [2, 3], [4]]
    """
    rows = grouping.listed(transactions)
    if not rows or grouping.number_of(window_size, "window_size") <= 0:
        return []
    return grouping.by_tumbling_window(rows, window_size)


def sliding_window(
    transactions: Iterable[Record], window_size: float, slide: float | None = None
) -> list[list[Record]]:
    """Group transactions by windows that start every `slide` from the first one on.

    Parameters
    ----------
    transactions : list of dict
        As `tumbling_window`.
    window_size : number
        0 or less gives no windows.
    slide : number, optional
        By default `window_size`.

    Returns
    -------
    list of list of dict
        Item i is the window at ``first + i*slide``, also where it is empty.

    Raises
    ------
    KeyError, TypeError, ValueError
        Naming the record and the field; also if `slide` is 0 or less.

    Examples
    --------
    >>> rows = [{"timestamp": t} for t in range(5)]
    >>> [[row["timestamp"] for row in window] for window in sliding_window(rows, 3, 2)]
    [[0, 1, 2], [2, 3, 4], [4]]
    """
    step = window_size if slide is None else grouping.size_of(slide, "slide")
    rows = grouping.listed(transactions)
    if not rows or grouping.number_of(window_size, "window_size") <= 0:
        return []
    return grouping.by_sliding_window(rows, window_size, step)


def throttle_upstream(max_queue_size: int, *, max_wait: float = 0.01) -> Backpressure:
    """Make a decorator that holds calls of ``fn(queue, …)`` back while the queue is too long.

    Parameters
    ----------
    max_queue_size : int
        The longest queue that holds nothing back.
    max_wait : float, default 0.01
        Seconds after which the call is made all the same. A first argument without ``qsize`` is
        passed straight on.

    Examples
    --------
    >>> throttle_upstream(10)(len)([1, 2])
    2
    """
    return Backpressure(max_queue_size, max_wait=max_wait)


def watermark_event_time(events: Iterable[Record], allowed_lateness: float) -> list[Record]:
    """Mark events with the watermark of all of them, and whether they lie before it.

    Returns
    -------
    list of dict
        New ones in the order of the input, with ``watermark`` and ``is_late``; none if
        `allowed_lateness` is negative.

    Examples
    --------
    >>> watermark_event_time([{"timestamp": 10}, {"timestamp": 30}], 5)[0]
    {'timestamp': 10, 'watermark': 25, 'is_late': True}
    """
    rows = grouping.listed(events)
    allowed = grouping.number_of(allowed_lateness, "allowed_lateness")
    if not rows or allowed < 0:
        return []
    mark, is_late = before_last(grouping.times_of(rows), allowed)
    return grouping.with_fields(rows, watermark=[mark] * len(rows), is_late=is_late.tolist())


def cli_manage() -> int:
    """Run the command that ``sys.argv`` names: ``audit``, ``show-logs`` or ``deploy-rules``.

    Returns
    -------
    int
        0, also where there is no ledger, log or rule file yet, which it then says on stderr; 1
        where one could not be used.
    """
    from tidegate.compliance_officer.pipeline.commands import run

    return run(sys.argv[1:])


def parallelize_stages(stages: Mapping[str, Callable[[Any], Any]], data: object) -> dict[str, Any]:
    """Run all stages on the data at the same time.

    Returns
    -------
    dict
        The result of each, in the order given.

    Raises
    ------
    Exception
        The first one, after all have ended, with the stage's name in a note.

    Examples
    --------
    >>> parallelize_stages({"n": len, "total": sum}, [1, 2])
    {'n': 2, 'total': 3}
    """
    return parallel(dict(stages), data)


def track_lineage(fn: F) -> F:
    """Note in `lineage_store`, by the record's ``id``, each record that a function is called with.

    Examples
    --------
    >>> @track_lineage
    ... def transform(record):
    ...     return record
    >>> transform({"id": "t-1"}) and lineage_store["t-1"]
    ['transform']
    """
    return track(fn, store=lineage_store)
