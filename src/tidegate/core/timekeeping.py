"""How time passes in a stream: the options of a plan beside its lateness."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from tidegate.core.durations import Duration, in_units, plain_duration, read_duration
from tidegate.core.errors import InputError
from tidegate.core.windows import Calendar, Edges, Sliding, Tumbling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.core.plan import Plan

__all__ = ["PLAIN", "Span", "Timekeeping", "span_of"]

Span = tuple[int, float]  # a duration for int times, and for float times

_DURATIONS = ("max_jump", "allowed_lateness")


@dataclass(frozen=True)
class Timekeeping:
    """How the watermark moves, and what becomes of rows behind it.

    Parameters
    ----------
    max_jump : Duration, optional
        A row whose time is further than this ahead of the largest time before it is rejected.
    allowed_lateness : Duration, optional
        How much longer closed windows are held: a late row lets its window come out again.

    Notes
    -----
    A row is late when the watermark has come to the end of its last window, plus the allowed
    lateness. One that is not, of a window that is closed, lets that window come out again at once.
    Such a row is behind the watermark, and so closes nothing: results come out in an order that
    depends on the rows alone, all that the rows before it have closed, its corrections by window
    end, and so on.
    """

    max_jump: Duration | None = None
    allowed_lateness: Duration | None = None

    @property
    def allows(self) -> bool:
        """Whether windows may be corrected."""
        return self.allowed_lateness is not None

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for."""
        return self == PLAIN

    def check(self, plan: Plan) -> None:
        """Refuse what does not go with the rest of a plan.

        Raises
        ------
        InputError
            Naming the option.
        """
        for name in self.plain():
            if not isinstance(plan.window, Tumbling | Sliding | Edges | Calendar):
                raise InputError(
                    f"{name} is for windows of a grid, which tg.{type(plan.window).__name__} does "
                    f"not have; leave it out"
                )
        if self.allows and plan.lateness is None:
            raise InputError(
                "allowed_lateness is for a watermark that moves by the rows: give lateness too"
            )
        if self.allows and plan.grid_window.empty != "skip":
            raise InputError(
                f"allowed_lateness does not go with empty={plan.grid_window.empty!r}: a window "
                f"without rows has nothing to correct; leave one of them out"
            )

    def plain(self) -> dict[str, Any]:
        """Write what is asked for with what JSON has."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return {
            name: plain_duration(value) if name in _DURATIONS else value
            for name, value in given.items()
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Timekeeping:
        """Read what `plain` wrote."""
        return cls(
            **{
                name: read_duration(value) if name in _DURATIONS else value
                for name, value in document.items()
            }
        )


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
