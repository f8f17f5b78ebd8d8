"""The rows of windows with keys: from the first to the last, and how many of those are its own.

Rows of a thousand keys that take turns have next to no neighbour of their own key. A list of their
ranges would be as long as the input; one range with the key and the times says the same rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from tidegate._kernels.rowspans import RowSpans
from tidegate.core.columns import time_column
from tidegate.core.columntypes import column_index
from tidegate.core.errors import InputError
from tidegate.core.keys import Keys
from tidegate.core.plan import EDGES
from tidegate.core.rollingwindow import Rolling
from tidegate.core.rowranges import Windows, panes_of, pieces_of, windows_of
from tidegate.core.rowwindows import RowWindow
from tidegate.core.threads import n_threads, on_threads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.core.batch import Input
    from tidegate.core.bound import Bound
    from tidegate.core.columns import Numbers
    from tidegate.core.plan import Plan
    from tidegate.core.run import Run

__all__ = ["Spans", "has_spans", "names_of", "own_rows", "spans_beside", "spans_of", "spans_told"]

WORTH = 1 << 18  # rows for a thread

_EDGES = ("from", "before")  # of times: half open


class Spans(NamedTuple):
    """Where the rows of results lie.

    Attributes
    ----------
    counts : ndarray
        (n_results,) int64, how many rows a result has.
    starts, stops : ndarray
        (n_with_rows,) int64, of each result with rows the first one, and the one after the last.
    """

    counts: Numbers
    starts: Numbers
    stops: Numbers


def has_spans(plan: Plan) -> bool:
    """Whether the rows of a window are all of its key and its times, from the first to the last.

    So they are on a grid, where a row that is late has come after all rows of its window. Not so
    where other options of time say which rows count; and both edges have to be there.
    """
    if isinstance(plan.window, RowWindow | Rolling) or not plan.by or not plan.time.is_plain:
        return False
    return plan.grid_window.label is None and plan.on not in plan.by


def spans_beside(table: pa.Table, spans: Spans, plan: Plan) -> pa.Array[Any]:
    """Make the column that tells the spans of results, with their keys and times."""
    columns: list[Any] = [table[name].combine_chunks() for name in (*plan.by, *EDGES)]
    counts, offsets = spans.counts, np.arange(len(spans.counts) + 1, dtype=np.int32)
    if len(spans.starts) < len(counts):
        has_rows = counts > 0
        np.cumsum(has_rows, out=offsets[1:])
        columns = [column.filter(pa.array(has_rows)) for column in columns]
        counts = counts[has_rows]
    keys, times = (
        [_plain(column) for column in columns[:-2]],
        [_numbers(column) for column in columns[-2:]],
    )
    numbers: list[Any] = [pa.array(some) for some in (spans.starts, spans.stops, counts)]
    span = _struct(list(_EDGES), times)
    structs = _struct(
        ["start", "stop", "rows", "key", "time"],
        [*numbers, _struct(list(plan.by), keys), _struct([plan.on], [span])],
    )
    begins: Any = pa.array(offsets)
    lists: pa.Array[Any] = pa.ListArray.from_arrays(begins, structs)
    return lists


def _plain(keys: Any) -> Any:
    """Give views as plain strings, which every reader of nested columns takes."""
    plain: dict[Any, Any] = {
        pa.string_view(): pa.large_string(),
        pa.binary_view(): pa.large_binary(),
    }
    return keys.cast(plain[keys.type]) if keys.type in plain else keys


def _struct(names: list[str], columns: list[Any]) -> Any:
    """Put columns side by side, whatever their names."""
    fields = [pa.field(name, column.type) for name, column in zip(names, columns, strict=True)]
    return pa.StructArray.from_arrays(columns, fields=fields)


def _numbers(times: Any) -> Any:
    """View times as numbers in their unit."""
    return times if pa.types.is_floating(times.type) else times.view(pa.int64())


# ----------------------------------------------------------------------------- of all rows at once


def spans_of(
    table: pa.Table, counts: Numbers, run: Run, rows: Input, threads: int | None
) -> Spans | None:
    """Find the spans of results of a grid of windows with keys.

    Parameters
    ----------
    table : pyarrow.Table
        The results, by window.
    counts : ndarray
        (n_results,) int64, the rows of each.
    run : Run
        That made them, of all rows; none was late or rejected.
    rows : Input
        All rows.
    threads : int or None
        How many threads to use.

    Returns
    -------
    Spans or None
        None where the windows are in no order, or a result has no rows.

    Notes
    -----
    O(n_results) and a look at the first and last rows of windows, until every key has been seen;
    where rows are out of order, one pass over the times before.
    """
    bound = run.bound
    if bound is None or bound.keys is None or not table.num_rows:
        return None
    windows = windows_of(table, bound)
    if windows is None:
        return None
    of_each = np.diff(windows.at, append=len(counts))
    codes = _codes_in(table, bound.keys)
    if not counts.min():
        codes = codes[counts > 0]
        of_each = np.add.reduceat(counts > 0, windows.at, dtype=np.int64)
    pieces = [(times, own) for times, own in pieces_of(rows, bound) if own is not None]
    walk = RowSpans(pieces, bound.keys.n_keys)
    threads = min(n_threads(threads, rows.n_rows or 0), 1 + (rows.n_rows or 0) // WORTH)
    begins, ends, totals = _among(walk, pieces, windows, counts, bound, threads)
    table_of_windows = np.column_stack(
        [windows.first, windows.last, begins, ends, ends - begins == totals]
    )
    starts, stops = np.empty(len(codes), np.int64), np.empty(len(codes), np.int64)
    offsets = np.concatenate([[0], np.cumsum(of_each)])
    cuts = [len(of_each) * k // threads for k in range(threads + 1)]

    def look(part: int) -> bool:
        begin, end = cuts[part], cuts[part + 1]
        some = slice(offsets[begin], offsets[end])
        return walk.of_keys(
            table_of_windows[begin:end],
            offsets[begin : end + 1] - offsets[begin],
            codes[some],
            starts[some],
            stops[some],
        )

    if not all(on_threads(look, range(threads))):
        return None
    return Spans(counts, starts, stops)


def _codes_in(table: pa.Table, keys: Keys) -> Numbers:
    """Encode the keys of results."""
    kept, keys.kept = keys.kept, None
    batches = table.select(keys.names).to_batches()
    codes: Numbers = _joined([keys.encode(batch) for batch in batches])
    keys.kept = kept
    return codes


def _among(
    walk: RowSpans,
    pieces: list[tuple[Numbers, Numbers]],
    windows: Windows,
    counts: Numbers,
    bound: Bound,
    threads: int,
) -> tuple[Numbers, Numbers, Numbers]:
    """Tell between which rows those of each window are, of whatever key, and how many they are."""
    totals = np.add.reduceat(counts, windows.at)
    n_rows = sum(len(codes) for _, codes in pieces)
    if bound.state.falls:
        return *_look_at_times(walk, windows, n_rows, threads), totals
    stops = np.cumsum(totals)
    if stops[-1] != n_rows:  # windows overlap, or there are gaps
        begins = np.searchsorted(_joined([times for times, _ in pieces]), windows.first)
        return begins, begins + totals, totals
    return stops - totals, stops, totals


def _joined(pieces: list[Numbers]) -> Numbers:
    """Put pieces together, if there are several."""
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _look_at_times(
    walk: RowSpans, windows: Windows, n_rows: int, threads: int
) -> tuple[Numbers, Numbers]:
    """Find the first row of each window, of whatever key, and the one after the last."""
    edges, low, high = panes_of(windows)
    cuts = [n_rows * k // threads for k in range(threads + 1)]

    def look(part: int) -> tuple[Numbers, Numbers]:
        first, last = np.empty((2, len(low)), np.int64)
        walk.of_panes(edges, first, last, cuts[part], cuts[part + 1])
        return np.where(first < 0, n_rows, first), last + 1

    firsts, stops = zip(*on_threads(look, range(threads)), strict=True)
    first, stop = np.minimum.reduce(firsts), np.maximum.reduce(stops)
    if len(windows.first) == len(low) and (high == low + 1).all():
        return np.minimum(first, stop), stop
    begins = np.searchsorted(edges, windows.first)
    bounds = np.column_stack([begins, np.searchsorted(edges, windows.last)]).reshape(-1)
    begin = np.minimum.reduceat(np.append(first, n_rows), bounds)[::2]
    end = np.maximum.reduceat(np.append(stop, 0), bounds)[::2]
    return np.minimum(begin, end), end


# --------------------------------------------------------------------------------- of a stream


def spans_told(table: pa.Table, names: tuple[str, str, str], plan: Plan) -> pa.Table:
    """Turn the first row, the last row and the number of rows of results of a stream into spans.

    Parameters
    ----------
    table : pyarrow.Table
        The results.
    names : tuple of str
        Of the three columns. The spans take the place of the first one, the others go.
    plan : Plan
        That made them.
    """
    first, last, rows = (table[name].combine_chunks() for name in names)
    counts: Numbers = rows.fill_null(0).cast(pa.int64()).to_numpy()
    has_rows = pa.array(counts > 0)
    starts, stops = (numbers.filter(has_rows).to_numpy() for numbers in (first, last))
    column = spans_beside(table, Spans(counts, starts, stops + 1), plan)
    place = table.schema.get_field_index(names[0])
    told = table.set_column(place, pa.field(names[0], column.type), pa.chunked_array([column]))
    return told.drop_columns(list(names[1:]))


# -------------------------------------------------------------------------------------- the rows


def names_of(span: Any) -> list[str]:
    """Name the columns that tell which rows of a span are its window's own: keys, then the time.

    Raises
    ------
    InputError
        If it is no span.
    """
    try:
        (on,) = span["time"]
        parts = span["rows"], *(span["time"][on][edge] for edge in _EDGES)
        if not all(isinstance(part, int | float) for part in parts):
            raise TypeError(f"of {parts}")
        return [*span["key"], on]
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(
            f"trace: {span!r} does not tell key, time and rows: give a value of 'row_ranges'"
        ) from error


def own_rows(table: pa.Table, span: Mapping[str, Any]) -> Numbers:
    """Find the rows of a span that are its window's own: of its key, and within its times.

    Parameters
    ----------
    table : pyarrow.Table
        All rows.
    span : mapping
        One range with a ``key``: one value of ``row_ranges``, of Python values.

    Returns
    -------
    ndarray
        (n_own,) int64, the numbers of the rows.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError
        If the rows have no such keys or times.
    InputError
        If other rows are meant.
    """
    start, stop = span["start"], span["stop"]
    *by, on = names_of(span)
    edges = span["time"][on]
    keys = Keys(by, max_keys=2**31 - 1)
    places = [column_index(table.schema, name) for name in (*by, on)]
    some = table.slice(start, stop - start).select(places).combine_chunks()
    found = [np.empty(0, np.int64)]
    row = start
    for batch in some.to_batches():
        own = keys.encode(batch) == keys.code(tuple(span["key"].values()))
        times, valid = time_column(batch, on)
        own &= (times >= edges[_EDGES[0]]) & (times < edges[_EDGES[1]])
        if valid is not None:
            own &= valid == 1
        found.append(row + np.flatnonzero(own))
        row += batch.num_rows
    rows = np.concatenate(found)
    if len(rows) != span["rows"]:
        raise InputError(
            f"trace: of the rows {start} to {stop} of the data {len(rows)} are of the key "
            f"{span['key']!r} and within its times, and of the window there were {span['rows']}: "
            f"give the data that was aggregated, in the same order and unit of time"
        )
    return rows
