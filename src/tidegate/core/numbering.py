"""Plans that tell the input rows of each window.

Records are told the numbers of their rows, from 0 on in order of arrival: runs of rows that came
one after the other, or with keys the first row, the last and how many there are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.core.aggregation import Aggregation
from tidegate.core.errors import MergeError
from tidegate.core.rangecolumns import OF_SPANS, ROW_RANGES
from tidegate.core.rollingwindow import Rolling
from tidegate.core.rowwindows import Count, Session, Threshold

if TYPE_CHECKING:
    from tidegate.core.plan import Plan

__all__ = ["has_spans", "refuse_merge", "traced"]

_SPANS = ((ROW_RANGES, Aggregation("row_spans")),)
_RUNS = ((ROW_RANGES, Aggregation("row_runs")),)
_SPANNED = tuple(zip(OF_SPANS, map(Aggregation, ("row_first", "row_last", "rows")), strict=True))


def traced(plan: Plan) -> Plan:
    """Have a plan tell the rows of each window."""
    more = _SPANNED if has_spans(plan) else _RUNS
    if has_spans(plan) and isinstance(plan.window, Count | Threshold | Rolling):
        more = _SPANS
    return replace(plan, results=(*plan.results, *more))


def refuse_merge(plan: Plan) -> None:
    """Refuse to merge runs that have both counted their rows from 0.

    Raises
    ------
    MergeError
        If the plan tells the rows of each window.
    """
    if any(more[0] in plan.results for more in (_SPANS, _RUNS, _SPANNED)):
        raise MergeError("merge: with lineage=True the rows of two inputs would have one number")


def has_spans(plan: Plan) -> bool:
    """Whether the rows of a window are all of its key and some times, from one row to another.

    So they are on a grid, where a row that is late has come after all rows of its window, and of
    sessions, unless a longest duration lets rows closer than the gap be of two. Those of bars are
    in several spans where they came in another order, and so are those of look-backs, of which no
    times are told: all rows of the key from one row to another. Not so where other options of time
    say which rows count; and both edges have to be there.
    """
    window = plan.window
    if not plan.by or plan.on in plan.by or not plan.time.is_plain:
        return False
    if isinstance(window, Session):
        return window.max_duration is None
    return isinstance(window, Rolling) or window.label is None
