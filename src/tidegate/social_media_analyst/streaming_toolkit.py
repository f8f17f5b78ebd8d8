"""Windows over posts: what the scripts of social-media analysts import."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from tidegate.core import grouping
from tidegate.core.guarding import guard, halt_on_error
from tidegate.core.lineage import mark_step
from tidegate.core.logging import setup_logging as set_up
from tidegate.core.parallel import parallel
from tidegate.core.pyobjects import to_dicts
from tidegate.core.strategies import Skip
from tidegate.core.tagged import TaggedRecords
from tidegate.core.watermark import Watermark
from tidegate.domain.social_media.sentiment import moving_sentiment, window_numbers

__all__ = [
    "add_serializer",
    "cli_manage",
    "halt_on_error",
    "parallelize_stages",
    "setup_logging",
    "skip_error",
    "sliding_window",
    "throttle_upstream",
    "track_lineage",
    "tumbling_window",
    "watermark_event_time",
]

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
Record = dict[str, Any]

SKIP = Skip("Skipping due to error: {error}")


def tumbling_window(posts: Iterable[Record], window_size: float = 60) -> dict[int, list[Record]]:
    """Group posts by ``int(timestamp // window_size)``.

    Parameters
    ----------
    posts : list of dict
        With ``timestamp``, a number, in any order. Neither changed nor copied.
    window_size : number, default 60
        Above 0, in the unit of the timestamps.

    Returns
    -------
    dict of int to list of dict
        In the order of the input.

    Raises
    ------
    KeyError, TypeError, ValueError
        Naming the record and the field.

    Examples
    --------
    >>> sorted(tumbling_window([{"timestamp": t} for t in (0, 30, 61)]))
    [0, 1]
    """
    size = grouping.size_of(window_size, "window_size")
    return grouping.by_number(grouping.listed(posts), partial(window_numbers, size=size))


def sliding_window(posts: Iterable[Record], window_size: float = 300) -> list[dict[str, Any]]:
    """Average ``sentiment`` over the posts in ``[t - window_size, t]``, for every post at t.

    Parameters
    ----------
    posts : list of dict
        With ``timestamp`` and ``sentiment``, numbers, in any order.
    window_size : number, default 300
        Above 0, in the unit of the timestamps.

    Returns
    -------
    list of dict
        ``timestamp`` and ``avg_sentiment``, one a post, in time order. Posts of one time count for
        each other.

    Raises
    ------
    KeyError, TypeError, ValueError
        Naming the record and the field.

    Examples
    --------
    >>> posts = [{"timestamp": t, "sentiment": s} for t, s in ((0, 1), (100, 3), (400, 2))]
    >>> [row["avg_sentiment"] for row in sliding_window(posts, 200)]
    [1.0, 2.0, 2.0]
    """
    size = grouping.size_of(window_size, "window_size")
    rows = grouping.listed(posts)
    if not rows:
        return []
    times, sentiments = grouping.times_and(rows, "sentiment")
    return to_dicts(moving_sentiment(times, sentiments, size))


def add_serializer(data: Record | Sequence[Record]) -> TaggedRecords:
    """Wrap one record, or a list of them, in an object with ``serialize(fmt)``.

    Examples
    --------
    >>> add_serializer({"id": 1}).serialize("json")
    b'JSON:{"id":1}'
    """
    return TaggedRecords(data)


def throttle_upstream(iterable: Iterable[T], max_items: int) -> Iterator[T]:
    """Give the first `max_items` items, and take no more than these from `iterable`.

    Examples
    --------
    >>> list(throttle_upstream("abc", 2))
    ['a', 'b']
    """
    if max_items < 0:
        raise ValueError(f"max_items is {max_items!r}: give a number from 0 on")
    yield from islice(iterable, max_items)


def watermark_event_time(posts: Iterable[Record], lateness: float) -> list[int | float]:
    """Return the largest timestamp so far minus `lateness`, of each post.

    Examples
    --------
    >>> watermark_event_time([{"timestamp": t} for t in (10, 5, 20)], 5)
    [5, 5, 15]
    """
    rows = grouping.listed(posts)
    times, [behind] = grouping.in_one_unit(
        grouping.times_of(rows), grouping.number_of(lateness, "lateness")
    )
    marks: list[int | float] = Watermark(behind).follow(times)[0].tolist()
    return marks


def skip_error(fn: F) -> F:
    """Log a WARNING and return None where `fn` fails.

    Examples
    --------
    >>> skip_error(len)([1])
    1
    """
    return guard(fn, SKIP)


def setup_logging() -> logging.Logger:
    """Set the root logger to DEBUG, give it a handler if it has none, and return it."""
    return set_up(logging.DEBUG)


def cli_manage(args: Sequence[str] | None = None) -> int:
    """Run ``start``, ``monitor`` or ``logs``.

    Parameters
    ----------
    args : sequence of str, optional
        By default those of ``sys.argv``.

    Returns
    -------
    int
        0, also where there is no pipeline, which it then says on stderr; 1 if one is unusable.
    """
    from tidegate.social_media_analyst.commands import run

    return run(args)


def parallelize_stages(functions: Iterable[Callable[[Any], Any]], data: object) -> list[Any]:
    """Call all functions on the data at the same time, and return what they gave, in order.

    Examples
    --------
    >>> parallelize_stages([len, sum], [1, 2])
    [2, 3]
    """
    return parallel(list(functions), data)


def track_lineage(post: Record, processor_name: str) -> Record:
    """Append the name of a processor to ``post["_lineage"]``, and return the same post.

    Examples
    --------
    >>> track_lineage({"id": 1}, "clean")
    {'id': 1, '_lineage': ['clean']}
    """
    return mark_step(post, processor_name)
