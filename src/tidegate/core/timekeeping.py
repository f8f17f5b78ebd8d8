"""How time passes in a stream: the options of a plan beside its lateness."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import pyarrow as pa

from tidegate.core.durations import Duration, in_units, plain_duration, read_duration
from tidegate.core.errors import ColumnTypeError, InputError
from tidegate.core.rollingwindow import Rolling
from tidegate.core.rowwindows import Count, Threshold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.core.plan import Plan

__all__ = ["PLAIN", "Clocking", "Span", "Timekeeping", "span_of"]

Clocking: TypeAlias = Literal["stream", "key"]
Span: TypeAlias = tuple[int, float]  # a duration for int times, and for float times

_DURATIONS = ("max_jump", "allowed_lateness", "idle", "ttl")


@dataclass(frozen=True)
class Timekeeping:
    """How the watermark moves, and what becomes of rows behind it.

    Parameters
    ----------
    max_jump : Duration, optional
        A row whose time is further than this ahead of the largest time before it is rejected.
    allowed_lateness : Duration, optional
        How much longer closed windows are held: a late row lets its window come out again.
    watermark : {"stream", "key"}
        Whose rows move the watermark: all rows that of all, or those of a key its own.
    sources : str, optional
        The column that tells where a row comes from: the watermark is that of the slowest source.
    idle : Duration, optional
        A source does not count while the largest time of the others is further ahead than this.
    ttl : Duration, optional
        A key is forgotten when the watermark is further than this ahead of its last row.

    Notes
    -----
    A row is late when the watermark has come to the end of its last window, plus the allowed
    lateness (`Session` tells which that is). One that is not, of a window that is closed, lets that
    window come out again at once. Such a row is behind the watermark, and so closes nothing:
    results come out in an order that depends on the rows alone, all that the rows before it have
    closed, its corrections by window end, and so on.

    A quiet key is forgotten where it has no open window. What `Count` and `Threshold` have begun of
    it, which may never be whole, comes out then, as at the end of input. Of a look-back nothing is
    unfinished: what goes are the rows that the key would look back on.
    """

    max_jump: Duration | None = None
    allowed_lateness: Duration | None = None
    watermark: Clocking = "stream"
    sources: str | None = None
    idle: Duration | None = None
    ttl: Duration | None = None

    @property
    def allows(self) -> bool:
        """Whether windows may be corrected."""
        return self.allowed_lateness is not None

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for."""
        return self == PLAIN

    @property
    def is_plain_ahead(self) -> bool:
        """Whether nothing is asked for but how far ahead a row may be, which comes before all."""
        return replace(self, max_jump=None) == PLAIN

    def check(self, plan: Plan) -> None:
        """Refuse what does not go with the rest of a plan.

        Raises
        ------
        InputError
            Naming the option.
        """
        if self.is_plain:
            return
        if self.watermark not in get_args(Clocking):
            raise InputError(
                f"watermark is {self.watermark!r}: choose from {', '.join(get_args(Clocking))}"
            )
        if self.allows and isinstance(plan.window, Count | Threshold | Rolling):
            why = (
                "a late row would change every later row that looks back to it"
                if isinstance(plan.window, Rolling)
                else "where its windows begin and end depends on all rows before, so that a late "
                "row would move every later window"
            )
            raise InputError(
                f"allowed_lateness does not go with tg.{type(plan.window).__name__}: {why}; give "
                f"more lateness instead"
            )
        for name in self.plain().keys() - {"max_jump"}:
            if plan.lateness is None:
                raise InputError(
                    f"{name} is for a watermark that moves by the rows: give lateness too"
                )
            if not isinstance(plan.window, Rolling) and plan.grid_window.empty != "skip":
                raise InputError(
                    f"{name} does not go with empty={plan.grid_window.empty!r}, for windows "
                    f"without rows follow the watermark of all rows; leave one of them out"
                )
        if self.watermark == "key":
            self._check_key(plan)
        if self.sources is not None and not isinstance(self.sources, str):
            raise ColumnTypeError(f"sources is {self.sources!r}: give the name of a column")
        if self.sources == plan.on:
            raise InputError(f"sources is {self.sources!r}, the time column: give another one")
        if self.idle is not None and self.sources is None:
            raise InputError("idle is for streams of several sources: give sources too")
        if self.ttl is not None and not plan.by:
            raise InputError("ttl is for plans with keys: give by, or leave it out")

    def _check_key(self, plan: Plan) -> None:
        """Refuse what does not go with a watermark for each key."""
        if not plan.by:
            raise InputError('watermark="key" is for plans with keys: give by')
        for name in ("sources", "ttl"):
            if getattr(self, name) is not None:
                raise InputError(
                    f'{name} goes by the watermark of the stream, which watermark="key" has not: '
                    f"leave one of them out"
                )
        if plan.late == "raise":
            raise InputError(
                'watermark="key" does not go with late="raise": choose "side" or "drop"'
            )

    def plain(self) -> dict[str, Any]:
        """Write what is asked for with what JSON has."""
        usual = vars(PLAIN)
        given = {name: value for name, value in vars(self).items() if value != usual[name]}
        return {
            name: plain_duration(value) if name in _DURATIONS else value
            for name, value in given.items()
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Timekeeping:
        """Read what `plain` wrote."""
        given: dict[str, Any] = {
            name: read_duration(value) if name in _DURATIONS else value
            for name, value in document.items()
        }
        return cls(**given)


PLAIN: Final = Timekeeping()


def span_of(duration: Duration, time_type: pa.DataType, what: str) -> Span:
    """Convert an option to the unit of the times.

    Raises
    ------
    DurationError
        If it does not fit them.
    InputError
        If it is negative.
    """
    units = in_units(duration, time_type, what)
    if units < 0:
        raise InputError(f"{what} is {duration!r}: give a duration from 0 on")
    return (0 if pa.types.is_floating(time_type) else int(units)), float(units)
