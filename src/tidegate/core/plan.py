"""A plan: what to compute, apart from any rows; it can be sent, stored and compared."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np

from tidegate.core import aggregations
from tidegate.core.aggregation import Aggregation
from tidegate.core.durations import NS_PER_UNIT, Duration
from tidegate.core.durations import plain_duration as _plain
from tidegate.core.durations import read_duration as _duration
from tidegate.core.errors import ColumnTypeError, InputError, WindowError
from tidegate.core.functions import custom_of, functions_of
from tidegate.core.rollingwindow import Rolling
from tidegate.core.rowwindows import Count, Session, Threshold, summed
from tidegate.core.timekeeping import PLAIN, Timekeeping
from tidegate.core.windows import (
    AnyWindow,
    Calendar,
    Edges,
    Origin,
    Sliding,
    Tumbling,
    Window,
    check_window,
)

__all__ = ["EDGES", "Late", "Limits", "Nan", "Plan", "expand", "make_plan"]

Late: TypeAlias = Literal["side", "drop", "raise"]
Nan: TypeAlias = Literal["value", "missing"]

EDGES = ("window_start", "window_end")
PARTS = {
    "ohlc": ("open", "high", "low", "close"),
    "ohlcv": ("open", "high", "low", "close", "volume"),
}
BAR = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


@dataclass(frozen=True)
class Limits:
    """How far the state may grow; passing one is a `LimitError` that names it.

    Parameters
    ----------
    max_keys : int, default 10,000,000
        Different keys.
    max_open : int, default 50,000,000
        Open windows (panes of sliding ones), each key counted.
    max_overlap : int, default 100,000
        Windows that cover one row, ``size / every``.
    max_kept : int, default 1,000,000,000
        Values kept in open windows, of 8 bytes: for quantiles, modes and lists. Of look-backs the
        values of a batch's lists, those that wait for functions, and ranges of row numbers.
    max_empty : int, default 10,000,000
        Windows without rows that come out at a time, where they are asked for.
    max_late : int, default 100,000,000
        Late and rejected rows that wait on the side for `take_late`.
    max_look_back : int, default 200,000,000
        Rows that a look-back of a stream keeps: those that wait for the watermark, and those that
        windows to come look back on. Also the rows that wait for `Count` and `Threshold`.
    max_texts : int, default 100,000,000
        Different values of a column of text, bytes or decimals of more than 18 digits that open
        windows may refer to.
    """

    max_keys: int = 10_000_000
    max_open: int = 50_000_000
    max_overlap: int = 100_000
    max_kept: int = 1_000_000_000
    max_empty: int = 10_000_000
    max_late: int = 100_000_000
    max_look_back: int = 200_000_000
    max_texts: int = 100_000_000

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
                raise InputError(f"{name} is {value!r}: give an integer from 1 to {2**31 - 1}")


@dataclass(frozen=True)
class Plan:
    """What to compute over which windows of which columns.

    Parameters
    ----------
    window : Tumbling, Sliding, Edges, Calendar, Session, Count, Threshold or Rolling
    results : tuple of (str, Aggregation)
        Single results with their names, in order; see `expand`.
    on : str
        The time column.
    by : tuple of str
        The key columns.
    lateness : Duration or None
        How far the watermark stays behind the largest time; None: it waits for the end of input.
    late : {"side", "drop", "raise"}
    nan : {"value", "missing"}
    limits : Limits
    """

    window: AnyWindow
    results: tuple[tuple[str, Aggregation], ...]
    on: str
    by: tuple[str, ...] = ()
    lateness: Duration | None = 0
    late: Late = "side"
    nan: Nan = "value"
    limits: Limits = Limits()
    time: Timekeeping = PLAIN

    def __post_init__(self) -> None:
        check_window(self.window)
        self.time.check(self)
        for name in (self.on, *self.by):
            if not isinstance(name, str):
                raise ColumnTypeError(
                    f"a column is named by a str, not {name!r} ({type(name).__name__})"
                )
        for option, value, choices in (
            ("late", self.late, get_args(Late)),
            ("nan", self.nan, get_args(Nan)),
        ):
            if value not in choices:
                raise InputError(f"{option} is {value!r}: choose from {', '.join(choices)}")
        names = [*self.places, *(name for name, _ in self.results)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(
                f"two columns of the result are named {twice[0]!r}: {self._way_apart(twice[0])}"
            )
        if not self.results:
            raise InputError(
                "nothing to compute: give at least one aggregation, such as agg.rows()"
            )

    @property
    def places(self) -> list[str]:
        """The columns of the result that tell where it belongs: the keys, and a window or time."""
        if isinstance(self.window, Rolling):
            return list(dict.fromkeys([*self.by, self.on]))
        revision = ["revision"] if self.time.allows else []
        return [*self.by, *self.edges, *revision]

    @property
    def edges(self) -> list[str]:
        """The columns of the result that hold edges of windows: both, or the one that a label is.

        Either way the last one rises with the ends of the windows.
        """
        return list(EDGES) if self.grid_window.label is None else [self.on]

    def _way_apart(self, name: str) -> str:
        """Say what to do about two columns of one name."""
        label = None if isinstance(self.window, Rolling) else self.window.label
        if label is None or name != self.on:
            return "name one by keyword"
        what = "leave label out" if name in self.by else "name the result by another keyword"
        return f"label={label!r} names the {label} of a window as the time column; {what}"

    @property
    def grid_window(self) -> Window:
        """The window, of a class that has a grid."""
        if isinstance(self.window, Rolling):
            raise WindowError("a look-back has no grid")
        return self.window

    @property
    def inputs(self) -> list[str]:
        """The input columns: the time, the keys, the source, the values; each once."""
        columns = [column for _, item in self.results for column in item.columns]
        sources = [] if self.time.sources is None else [self.time.sources]
        names = [self.on, *self.by, *sources, *columns, *summed(self.window)]
        return list(dict.fromkeys(names))

    @property
    def event(self) -> list[str]:
        """The columns in the order in which `push_row` takes their values."""
        sources = {self.time.sources} - {None, *self.by, *self.values}
        return [self.on, *self.by, *filter(None, sources), *self.values]

    @property
    def values(self) -> list[str]:
        """The columns that aggregations read, then those that the window adds up, each once."""
        columns = [column for _, item in self.results for column in item.columns]
        return list(dict.fromkeys([*columns, *summed(self.window)]))

    def to_json(self) -> str:
        """Write the plan as a JSON document; `from_json` reads it.

        The functions of `agg.custom` are not in it, only their names.

        Raises
        ------
        InputError
            If such a function has no name, or two have the same.

        Examples
        --------
        >>> import tidegate as tg
        >>> plan = tg.Aggregator(tg.Tumbling("1s"), tg.agg.rows(), on="ts").plan
        >>> tg.Plan.from_json(plan.to_json()) == plan
        True
        """
        functions_of(self.results)
        results = [
            {
                "name": name,
                "function": r.function,
                "columns": list(r.columns),
                "ddof": r.ddof,
                "options": dict(r.options),
            }
            for name, r in self.results
        ]
        return json.dumps(
            {
                "window": _plain_window(self.window),
                "results": results,
                "on": self.on,
                "by": list(self.by),
                "lateness": None if self.lateness is None else _plain(self.lateness),
                "late": self.late,
                "nan": self.nan,
                "limits": asdict(self.limits),
                "time": self.time.plain(),
            }
        )

    @classmethod
    def from_json(cls, text: str | bytes, *, functions: Mapping[str, object] | None = None) -> Plan:
        """Read a plan that `to_json` wrote.

        Parameters
        ----------
        text : str or bytes
            The document.
        functions : mapping of str to callable, optional
            The functions that the plan calls, by the names that it has for them.

        Raises
        ------
        InputError
            If it is not such a document, or what it says cannot be; if a function is not given.
        """
        try:
            document = json.loads(text)
            results = tuple(
                (_text(r["name"]), _aggregation(r, functions or {}))
                for r in cast("list[Any]", document["results"])
            )
            lateness = document["lateness"]
            return cls(
                window=_window(document["window"]),
                results=results,
                on=_text(document["on"]),
                by=tuple(_text(name) for name in document["by"]),
                lateness=None if lateness is None else _duration(lateness),
                late=document["late"],
                nan=document["nan"],
                limits=Limits(**document["limits"]),
                time=Timekeeping.of(document.get("time", {})),
            )
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError, RecursionError) as error:
            raise InputError(f"not the JSON of a plan: {error!r}") from error


def expand(
    by_position: Iterable[Aggregation], by_keyword: Mapping[str, Aggregation]
) -> dict[str, Aggregation]:
    """Name every single result, in order.

    Parameters
    ----------
    by_position : iterable of Aggregation
        Named after their columns, or by `Aggregation.named`.
    by_keyword : mapping of str to Aggregation
        Named by their keywords.

    Returns
    -------
    dict of str to Aggregation
        Only aggregations of one result; ``ohlc`` has become four.

    Raises
    ------
    InputError
        If two results have one name.
    ColumnTypeError
        If something is not an aggregation.
    """
    out: dict[str, Aggregation] = {}
    given = [(item, getattr(item, "alias", None)) for item in by_position]
    given += [(item, name) for name, item in by_keyword.items()]
    for item, name in given:
        if not isinstance(item, Aggregation):
            raise ColumnTypeError(
                f'an aggregation is made by tg.agg, such as tg.agg.mean("price"); got {item!r} '
                f"({type(item).__name__})"
            )
        for result, single in _singles(item, name):
            if result in out:
                raise InputError(f"two results are named {result!r}: name them by keyword")
            out[result] = single
    return out


def _singles(item: Aggregation, name: str | None) -> list[tuple[str, Aggregation]]:
    """Take one aggregation apart into single results with names."""
    if item.function in PARTS:
        price, *size = item.columns
        prefix = "" if name is None else f"{name}_"
        return [
            (prefix + part, Aggregation(BAR[part], (size[0] if part == "volume" else price,)))
            for part in PARTS[item.function]
        ]
    if name is None:
        name = item.function if item.function in ("rows", "vwap") else _default(item)
    return [(name, replace(item, alias=None))]


def _default(item: Aggregation) -> str:
    """Name a result after its columns."""
    return "_".join([*item.columns, item.function])


def make_plan(
    window: AnyWindow,
    results: Mapping[str, Aggregation],
    *,
    on: str,
    by: str | list[str] | tuple[str, ...] | None,
    lateness: Duration | None,
    late: Late,
    nan: Nan,
    limits: Limits | None,
    time: Timekeeping,
) -> Plan:
    """Make a plan of what the public functions take."""
    if not isinstance(on, str):
        raise ColumnTypeError(f"on is {on!r}: give the name of the time column")
    if by is not None and not isinstance(by, str | list | tuple):
        raise ColumnTypeError(f"by is {by!r}: give the name of a column, or a list of names")
    keys = () if by is None else (by,) if isinstance(by, str) else tuple(by)
    return Plan(
        window=window,
        results=tuple(results.items()),
        on=on,
        by=keys,
        lateness=lateness,
        late=late,
        nan=nan,
        limits=Limits() if limits is None else limits,
        time=time,
    )


def _plain_window(window: AnyWindow) -> dict[str, Any]:
    """Write a window with what JSON has."""
    if isinstance(window, Rolling):
        return {
            "class": "Rolling",
            "size": None if window.size is None else _plain(window.size),
            "rows": window.rows,
            "closed": window.closed,
            "min_samples": window.min_samples,
            "peers": window.peers,
        }
    if isinstance(window, Session):
        most = None if window.max_duration is None else _plain(window.max_duration)
        return {"class": "Session", "gap": _plain(window.gap), "max_duration": most}
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
        "size": _plain(window.size),
        "every": _plain(window.every),
        "origin": _plain_origin(window.origin),
        "offset": _plain(window.offset),
        **shown,
    }


def _window(value: dict[str, Any]) -> AnyWindow:
    """Read a window."""
    name = value["class"]
    shown = {"empty": value.get("empty", "skip"), "label": value.get("label")}
    if name == "Rolling":
        return Rolling(
            None if value["size"] is None else _duration(value["size"]),
            rows=value["rows"],
            closed=value["closed"],
            min_samples=value["min_samples"],
            peers=value["peers"],
        )
    if name == "Session":
        most = value["max_duration"]
        return Session(_duration(value["gap"]), None if most is None else _duration(most))
    if name == "Count":
        return Count(value["n"], value["every"], value["complete_only"])
    if name == "Threshold":
        options = {name: value[name] for name in ("overshoot", "complete_only")}
        return Threshold(value["column"], value["limit"], **options)
    if name == "Edges":
        return Edges(_edges(value["values"], value["unit"]), **shown)
    if name == "Calendar":
        return Calendar(value["unit"], value["n"], _text(value["tz"]), **shown)
    if name not in ("Tumbling", "Sliding"):
        raise InputError(f"there is no window class {name!r}")
    grid: dict[str, Any] = {
        "origin": _origin(value["origin"]),
        "offset": _duration(value["offset"]),
        **shown,
    }
    size = _duration(value["size"])
    if name == "Tumbling":
        return Tumbling(size, **grid)
    return Sliding(size, _duration(value["every"]), **grid)


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


def _text(value: Any) -> str:
    """Read a name."""
    if not isinstance(value, str):
        raise InputError(f"{value!r} is not a name")
    return value


def _aggregation(value: dict[str, Any], functions: Mapping[str, object]) -> Aggregation:
    """Read an aggregation; the engine checks that it fits its columns."""
    function, columns, ddof = value["function"], value["columns"], value["ddof"]
    if isinstance(ddof, bool) or not isinstance(ddof, int) or not 0 <= ddof < 2**31:
        raise InputError(f"ddof is {ddof!r}: give an integer from 0 on")
    known = {name for name in aggregations.__all__ if name.islower()} - set(PARTS)
    wrong = InputError(f"there is no aggregation {function!r} of {len(columns)} columns")
    if function not in known:
        raise wrong
    make = getattr(aggregations, function)
    options = dict(value.get("options", {}))
    if function == "custom":
        return custom_of([_text(column) for column in columns], options, functions)
    if "ddof" in inspect.signature(make).parameters:
        options["ddof"] = ddof
    try:
        item: Aggregation = make(*(_text(column) for column in columns), **options)
    except TypeError as error:
        raise wrong from error
    if len(item.columns) != len(columns):
        raise wrong
    return item
