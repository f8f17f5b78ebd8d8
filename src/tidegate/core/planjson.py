"""The windows and aggregations of a plan as what JSON has, and back."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tidegate.core import aggregations
from tidegate.core.aggregation import OF_NUMBERS, Aggregation
from tidegate.core.durations import NS_PER_UNIT, plain_duration, read_duration
from tidegate.core.errors import InputError
from tidegate.core.functions import custom_of
from tidegate.core.resultnames import PARTS
from tidegate.core.rollingwindow import Rolling
from tidegate.core.rowwindows import Count, Session, Threshold
from tidegate.core.windows import Calendar, Edges, Sliding, Tumbling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.core.windows import AnyWindow, Origin

__all__ = ["plain_aggregation", "plain_window", "read_aggregation", "read_text", "read_window"]


def plain_window(window: AnyWindow) -> dict[str, Any]:
    """Write a window with what JSON has."""
    if isinstance(window, Rolling):
        return {
            "class": "Rolling",
            "size": None if window.size is None else plain_duration(window.size),
            "rows": window.rows,
            "closed": window.closed,
            "min_samples": window.min_samples,
            "peers": window.peers,
        }
    if isinstance(window, Session):
        most = None if window.max_duration is None else plain_duration(window.max_duration)
        return {"class": "Session", "gap": plain_duration(window.gap), "max_duration": most}
    if isinstance(window, Count):
        rows = {"n": int(window.n), "every": None if window.every is None else int(window.every)}
        return {"class": "Count", **rows, "complete_only": window.complete_only}
    if isinstance(window, Threshold):
        return {
            "class": "Threshold",
            "column": list(window.columns),
            "limit": window.limit,
            "overshoot": window.overshoot,
            "complete_only": window.complete_only,
        }
    shown = {"empty": window.empty, "label": window.label}
    if isinstance(window, Edges):
        return {"class": "Edges", "unit": window.unit, "values": window.values.tolist(), **shown}
    if isinstance(window, Calendar):
        return {"class": "Calendar", "unit": window.unit, "n": window.n, "tz": window.tz, **shown}
    return {
        "class": type(window).__name__,
        "size": plain_duration(window.size),
        "every": plain_duration(window.every),
        "origin": _plain_origin(window.origin),
        "offset": plain_duration(window.offset),
        **shown,
    }


def read_window(value: dict[str, Any]) -> AnyWindow:
    """Read a window."""
    name = value["class"]
    shown = {"empty": value.get("empty", "skip"), "label": value.get("label")}
    if name == "Rolling":
        return Rolling(
            None if value["size"] is None else read_duration(value["size"]),
            rows=value["rows"],
            closed=value["closed"],
            min_samples=value["min_samples"],
            peers=value["peers"],
        )
    if name == "Session":
        most = value["max_duration"]
        return Session(read_duration(value["gap"]), None if most is None else read_duration(most))
    if name == "Count":
        return Count(value["n"], value["every"], value["complete_only"])
    if name == "Threshold":
        options = {name: value[name] for name in ("overshoot", "complete_only")}
        return Threshold(value["column"], value["limit"], **options)
    if name == "Edges":
        return Edges(_edges(value["values"], value["unit"]), **shown)
    if name == "Calendar":
        return Calendar(value["unit"], value["n"], read_text(value["tz"]), **shown)
    if name not in ("Tumbling", "Sliding"):
        raise InputError(f"there is no window class {name!r}")
    grid: dict[str, Any] = {
        "origin": _origin(value["origin"]),
        "offset": read_duration(value["offset"]),
        **shown,
    }
    size = read_duration(value["size"])
    if name == "Tumbling":
        return Tumbling(size, **grid)
    return Sliding(size, read_duration(value["every"]), **grid)


def _edges(values: Any, unit: Any) -> Any:
    """Read explicit boundaries."""
    kinds = set(map(type, values)) if isinstance(values, list) else set()
    units = (None, *NS_PER_UNIT) if kinds == {int} else (None,)
    if kinds not in ({int}, {float}) or unit not in units:
        raise InputError("the boundaries of the plan are no times")
    try:
        times = np.array(values, np.int64 if kinds == {int} else np.float64)
    except OverflowError as error:
        raise InputError("a boundary of the plan does not fit 64 bits") from error
    return times if unit is None else times.view(f"M8[{unit}]")


def _plain_origin(origin: Origin) -> str | int | float | dict[str, str]:
    """Write an origin with what JSON has."""
    if isinstance(origin, datetime | np.datetime64):
        if isinstance(origin, datetime) and origin.tzinfo is not None:
            origin = origin.astimezone(UTC)
        return {"time": origin.isoformat() if isinstance(origin, datetime) else str(origin)}
    if isinstance(origin, np.integer):
        return int(origin)
    return origin


def _origin(value: Any) -> Origin:
    """Read an origin."""
    if isinstance(value, dict):
        time = value["time"]
        return datetime.fromisoformat(time) if "+" in time else np.datetime64(time)
    return cast("Origin", value)


def read_text(value: Any) -> str:
    """Read a name."""
    if not isinstance(value, str):
        raise InputError(f"{value!r} is not a name")
    return value


def plain_aggregation(name: str, item: Aggregation) -> dict[str, Any]:
    """Write an aggregation and the name of its result with what JSON has."""
    return {
        "name": name,
        "function": item.function,
        "columns": list(item.columns),
        "ddof": item.ddof,
        "options": dict(item.options),
    }


def read_aggregation(value: dict[str, Any], functions: Mapping[str, object]) -> Aggregation:
    """Read an aggregation; the engine checks that it fits its columns."""
    function, columns, ddof = value["function"], value["columns"], value["ddof"]
    if isinstance(ddof, bool) or not isinstance(ddof, int) or not 0 <= ddof < 2**31:
        raise InputError(f"ddof is {ddof!r}: give an integer from 0 on")
    if function in OF_NUMBERS and not columns:
        return Aggregation(function)
    known = {name for name in aggregations.__all__ if name.islower()} - set(PARTS)
    wrong = InputError(f"there is no aggregation {function!r} of {len(columns)} columns")
    if function not in known:
        raise wrong
    make = getattr(aggregations, function)
    options = dict(value.get("options", {}))
    if function == "custom":
        return custom_of([read_text(column) for column in columns], options, functions)
    if "ddof" in inspect.signature(make).parameters:
        options["ddof"] = ddof
    try:
        item: Aggregation = make(*(read_text(column) for column in columns), **options)
    except TypeError as error:
        raise wrong from error
    if len(item.columns) != len(columns):
        raise wrong
    return item
