"""A plan: what to compute, apart from any rows; it can be sent, stored and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

from tidegate.core.aggregation import Aggregation
from tidegate.core.durations import Duration, plain_duration, read_duration
from tidegate.core.errors import ColumnTypeError, InputError, WindowError
from tidegate.core.functions import functions_of
from tidegate.core.limits import USUAL, Limits
from tidegate.core.planjson import (
    plain_aggregation,
    plain_window,
    read_aggregation,
    read_text,
    read_window,
)
from tidegate.core.rollingwindow import Rolling
from tidegate.core.rowwindows import summed
from tidegate.core.timekeeping import PLAIN, Timekeeping
from tidegate.core.windows import AnyWindow, Window, check_window

__all__ = ["EDGES", "Late", "Nan", "Plan", "make_plan"]

Late: TypeAlias = Literal["side", "drop", "raise"]
Nan: TypeAlias = Literal["value", "missing"]

EDGES = ("window_start", "window_end")


@dataclass(frozen=True)
class Plan:
    """What to compute over which windows of which columns.

    Parameters
    ----------
    window : Tumbling, Sliding, Edges, Calendar, Session, Count, Threshold or Rolling
    results : tuple of (str, Aggregation)
        Single results with their names, in order; see `resultnames.expand`.
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
    limits: Limits = USUAL
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
        return json.dumps(
            {
                "window": plain_window(self.window),
                "results": [plain_aggregation(*result) for result in self.results],
                "on": self.on,
                "by": list(self.by),
                "lateness": None if self.lateness is None else plain_duration(self.lateness),
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
                (read_text(r["name"]), read_aggregation(r, functions or {}))
                for r in cast("list[Any]", document["results"])
            )
            lateness = document["lateness"]
            return cls(
                window=read_window(document["window"]),
                results=results,
                on=read_text(document["on"]),
                by=tuple(read_text(name) for name in document["by"]),
                lateness=None if lateness is None else read_duration(lateness),
                late=document["late"],
                nan=document["nan"],
                limits=Limits(**document["limits"]),
                time=Timekeeping.of(document.get("time", {})),
            )
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError, RecursionError) as error:
            raise InputError(f"not the JSON of a plan: {error!r}") from error


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
        limits=USUAL if limits is None else limits,
        time=time,
    )
