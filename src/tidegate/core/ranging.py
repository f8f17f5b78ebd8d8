"""Row ranges beside the results of all rows at once.

They follow from the results: alone where the rows are in order of time and there are no keys, else
together with the times and the keys of the rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tidegate.core.aggregation import Aggregation
from tidegate.core.numbering import has_spans, traced
from tidegate.core.plan import EDGES
from tidegate.core.rangecolumns import ROW_RANGES, SpanColumn, Spans, column_of_ranges
from tidegate.core.rowranges import ranges_of
from tidegate.core.rowspans import spans_of
from tidegate.core.rowviews import times_of
from tidegate.core.rowwindows import Count, RowWindow, Session, Threshold
from tidegate.core.windows import without_label

if TYPE_CHECKING:
    from tidegate.core.batch import Input
    from tidegate.core.bound import Bound
    from tidegate.core.columns import Numbers
    from tidegate.core.plan import Plan
    from tidegate.core.run import Run

__all__ = ["can_follow", "counted", "with_ranges"]

_COUNT = "tidegate.rows"  # the result that counts the rows of a window


def can_follow(plan: Plan) -> bool:
    """Whether the rows of each result may follow from the results, which `with_ranges` finds out.

    Of a grid they do where both edges are there. Where rows make the windows, each row has to be of
    one window, which goes on where the one before ends.
    """
    window = plan.window
    if plan.lateness is not None or any(name in EDGES for name, _ in plan.results):
        return False
    if isinstance(window, RowWindow):
        is_in_turn = isinstance(window, Session)
        if isinstance(window, Count):
            is_in_turn = window.every in (None, window.n)
        if isinstance(window, Threshold):
            is_in_turn = window.overshoot != "split"
        return is_in_turn and not plan.by and plan.time.is_plain
    return not plan.by or plan.time.is_plain


def counted(plan: Plan) -> Plan:
    """Have a plan count the rows of each window too, and show both edges, for `with_ranges`."""
    traced(plan)  # refuses what it must
    shown = replace(plan, results=(*plan.results, (_COUNT, Aggregation("rows"))))
    if isinstance(plan.window, RowWindow):
        return shown
    return replace(shown, window=without_label(plan.grid_window))


def with_ranges(
    table: pa.Table, run: Run, rows: Input, plan: Plan, threads: int | None = 1
) -> pa.Table | None:
    """Put the ranges beside the results of a plan from `counted`; None where they don't follow.

    The edges come out as `plan` shows them, which was the plan before.

    Without keys, and where no run of rows began before the largest time so far, the rows of a
    window, in whatever order, stand together, and windows stand in order: their counts tell all.
    So they do where rows make the windows, if all are in order. Else each row is looked at once
    more.
    """
    bound = run.bound
    if bound is None or run.stats.used != rows.n_rows:
        return None
    chunks: list[Numbers] = [chunk.to_numpy() for chunk in table[_COUNT].chunks]
    if isinstance(plan.window, RowWindow):
        if not bound.state.guesses:  # a row came before another
            return None
        return _beside(table, _in_turn(_summed(chunks)), plan)
    if has_spans(plan):
        spans = spans_of(table, _in_one(chunks), run, rows, threads)
        return None if spans is None else _beside(table, _spans_beside(table, spans, plan), plan)
    if bound.keys is not None or bound.state.falls:
        found = ranges_of(table, _in_one(chunks), run, rows, threads)
        return None if found is None else _beside(table, column_of_ranges(*found), plan)
    return _beside(table, _in_order(table, chunks, rows, bound), plan)


def _in_order(table: pa.Table, chunks: list[Numbers], rows: Input, bound: Bound) -> pa.Array[Any]:
    """Make the column of windows of a grid, of rows in order, by the counts of their rows."""
    bounds = _summed(chunks)
    starts, stops = bounds[:-1], bounds[1:]
    if bounds[-1] != rows.n_rows:  # windows overlap, or there are gaps
        counts = _in_one(chunks)
        first, last = (_edges(table, name, bound) for name in EDGES)
        n_panes = _overlap(first, last)
        if n_panes:
            starts = _starts_of_overlapping(counts, n_panes)
        else:
            starts = np.searchsorted(_times(rows, bound), first)
        stops = starts + counts
    if all(counts.min() > 0 for counts in chunks if len(counts)):
        return column_of_ranges(np.arange(len(bounds), dtype=np.int32), starts, stops)
    has_rows = stops > starts
    offsets = np.concatenate([[0], np.cumsum(has_rows)])
    return column_of_ranges(offsets, starts[has_rows], stops[has_rows])


def _in_turn(bounds: Numbers) -> pa.Array[Any]:
    """Make the column of windows that each go on where the one before ends."""
    return column_of_ranges(np.arange(len(bounds), dtype=np.int32), bounds[:-1], bounds[1:])


def _spans_beside(table: pa.Table, spans: Spans, plan: Plan) -> pa.Array[Any]:
    """Make the column that tells the spans of results."""
    keys, edges = ([table[name].combine_chunks() for name in names] for names in (plan.by, EDGES))
    return SpanColumn(plan, [key.type for key in keys], edges[0].type).make(keys, edges, spans)


def _in_one(chunks: list[Numbers]) -> Numbers:
    """Put the counts of all windows into one array."""
    return chunks[0] if len(chunks) == 1 else np.concatenate([np.empty(0, np.int64), *chunks])


def _summed(chunks: list[Numbers]) -> Numbers:
    """Count the rows before each window, and all rows at the end; no copy of the counts is made."""
    bounds = np.empty(sum(map(len, chunks)) + 1, np.int64)
    bounds[0] = at = 0
    for counts in chunks:
        some = bounds[at + 1 : at + 1 + len(counts)]
        np.cumsum(counts, out=some)
        if at:
            some += bounds[at]
        at += len(counts)
    return bounds


def _beside(table: pa.Table, ranges: pa.Array[Any], plan: Plan) -> pa.Table:
    """Put ranges in the place of the counts."""
    return _as_shown(table.drop_columns([_COUNT]), plan).append_column(
        pa.field(ROW_RANGES, ranges.type), pa.chunked_array([ranges])
    )


def _as_shown(table: pa.Table, plan: Plan) -> pa.Table:
    """Show the edges of windows as a plan does."""
    label = plan.grid_window.label
    if label is None:
        return table
    hidden = EDGES[label == "start"]
    shown = {EDGES[label == "end"]: plan.on}
    kept = table.drop_columns([hidden])
    return kept.rename_columns([shown.get(name, name) for name in kept.column_names])


def _times(rows: Input, bound: Bound) -> Numbers:
    """All times, as the user has them; a view where they are in one piece."""
    times = [times_of(batch, bound)[0] for batch in rows.batches(max(rows.n_rows or 0, 1))]
    return times[0] if len(times) == 1 else np.concatenate(times)


def _edges(table: pa.Table, name: str, bound: Bound) -> Numbers:
    """The starts or ends of the windows, as numbers."""
    edges: Any = table[name].combine_chunks()
    numbers: Numbers = (edges if bound.is_float else edges.cast(pa.int64())).to_numpy()
    return numbers


def _overlap(first: Numbers, last: Numbers) -> int:
    """How many windows cover a row, where they are a grid without gaps and it is the same number.

    0 where they are not.
    """
    if len(first) < 2 or first.dtype.kind != "i":
        return 0
    size, every = int(last[0] - first[0]), int(first[1] - first[0])
    is_grid = every > 0 and size % every == 0
    is_grid = is_grid and bool((first[1:] - first[:-1] == every).all())
    return size // every if is_grid and bool((last - first == size).all()) else 0


def _starts_of_overlapping(counts: Numbers, n_panes: int) -> Numbers:
    """Where windows begin of which each begins where another, `n_panes` before it, has ended.

    The first ones, as many as cover a row, all begin with the first row.
    """
    n_rounds = -(-len(counts) // n_panes)
    padded = np.zeros((n_rounds, n_panes), np.int64)
    padded.reshape(-1)[: len(counts)] = counts
    starts: Numbers = (np.cumsum(padded, axis=0) - padded).reshape(-1)[: len(counts)]
    return starts
