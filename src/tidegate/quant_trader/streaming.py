"""Bars and moving averages over price records: what the scripts of quants import."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from multiprocessing import Process
from typing import TYPE_CHECKING, Any

from tidegate.core import grouping
from tidegate.core.fields import column_of, columns_of
from tidegate.core.guarding import halt_on_error, skip_error
from tidegate.core.lateness import before_last
from tidegate.core.limiters import MinInterval, wall_clock
from tidegate.core.logging import setup_logging
from tidegate.core.pyobjects import to_dicts
from tidegate.core.serializerview import SerializerView
from tidegate.core.workers import start_workers
from tidegate.domain.trading.bars import bars_by_count, bars_by_time, moving_average

if TYPE_CHECKING:
    from tidegate.quant_trader.commands import cli

__all__ = [
    "add_serializer",
    "cli",
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

_serializers = SerializerView(("avro", "parquet", "protobuf", "json"))
add_serializer = _serializers.add
get_serializer = _serializers.get


def tumbling_window(
    records: Iterable[Record], window_size: float, by_time: bool = True
) -> list[dict[str, Any]]:
    """Make bars of ``price`` and ``volume``, by time from the first record on, or by count.

    Parameters
    ----------
    records : list of dict
        With ``price``, a number; ``volume``, where it is missing 0; by time also ``timestamp``, in
        any order.
    window_size : number
        Above 0: in the unit of the timestamps, or so many records.
    by_time : bool, default True
        False: every `window_size` records as they come, the last bar of fewer if need be.

    Returns
    -------
    list of dict
        ``open``, ``high``, ``low``, ``close``, ``volume``; no bars without records.

    Raises
    ------
    KeyError, TypeError, ValueError
        Naming the record and the field.

    Examples
    --------
    >>> rows = [{"price": p, "volume": 1} for p in range(6)]
    >>> tumbling_window(rows, 2, by_time=False)[0]
    {'open': 0, 'high': 1, 'low': 0, 'close': 1, 'volume': 2}
    """
    size = grouping.size_of(window_size, "window_size")
    rows = grouping.listed(records)
    if not rows:
        return []
    missing = {"volume": 0}
    if by_time:
        times, prices, volumes = grouping.times_and(rows, "price", "volume", missing=missing)
        return to_dicts(bars_by_time(times, prices, volumes, size))
    prices, volumes = columns_of(rows, ("price", "volume"), missing=missing)
    return to_dicts(bars_by_count(prices, volumes, grouping.count_of(size, "window_size")))


def sliding_window(
    records: Iterable[Record], window_size: int, step: int = 1
) -> list[dict[str, Any]]:
    """Average ``price`` over every `window_size` records in a row, as they come.

    Parameters
    ----------
    records : list of dict
        With ``price``, a number.
    window_size, step : int
        From 1 on.

    Returns
    -------
    list of dict
        ``start_index`` and ``end_index``, the first and the last record; ``average``. Full windows
        only.

    Raises
    ------
    KeyError, TypeError, ValueError
        Naming the record and the field.

    Examples
    --------
    >>> sliding_window([{"price": p} for p in (1, 2, 6)], 2)[1]
    {'start_index': 1, 'end_index': 2, 'average': 4.0}
    """
    size = grouping.count_of(window_size, "window_size")
    every = grouping.count_of(step, "step")
    rows = grouping.listed(records)
    if not rows:
        return []
    return to_dicts(moving_average(column_of(rows, "price"), size, every))


def throttle_upstream(rate_limit: float) -> MinInterval:
    """Let at most `rate_limit` calls a second go, evenly spaced from the end of the last one.

    Returns
    -------
    MinInterval
        The decorator. It asks ``time.time()`` and waits by ``time.sleep()``, whatever these are
        at the time of the call.

    Examples
    --------
    >>> throttle_upstream(100)(len)([1, 2])
    2
    """
    return MinInterval(1 / grouping.size_of(rate_limit, "rate_limit"), clock=wall_clock)


def watermark_event_time(records: Iterable[Record], allowed_lateness: float) -> list[Record]:
    """Return the records that are at most `allowed_lateness` behind the latest one.

    Examples
    --------
    >>> [row["timestamp"] for row in watermark_event_time([{"timestamp": t} for t in (1, 9)], 5)]
    [9]
    """
    rows = grouping.listed(records)
    allowed = grouping.number_of(allowed_lateness, "allowed_lateness")
    _, is_late = before_last(grouping.times_of(rows), allowed)
    return grouping.chosen(rows, ~is_late)


def cli_manage() -> None:
    """Run the click group `cli` on ``sys.argv``, and leave with its exit code."""
    from tidegate.quant_trader.commands import cli

    cli()


def __getattr__(name: str) -> Any:
    """Import click, and make `cli`, when it is asked for."""
    if name == "cli":
        from tidegate.quant_trader.commands import cli

        return cli
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def parallelize_stages(func: Callable[..., Any]) -> Callable[..., Process]:
    """Make a function that starts `func` in a process, and returns the process.

    A function that no other process can find by its name runs on a thread, with the same face.

    Examples
    --------
    >>> worker = parallelize_stages(lambda: None)()
    >>> worker.join()
    >>> isinstance(worker, Process)
    True
    """

    @wraps(func)
    def start(*args: Any, **kwargs: Any) -> Process:
        return start_workers([(func, args, kwargs)])[0]

    return start
