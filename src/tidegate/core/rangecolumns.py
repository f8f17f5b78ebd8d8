"""Columns of row ranges: which input rows each result comes from.

A result has a list of ranges, half open, counted from 0. With keys it is one range, from its first
row to its last, and tells which of the rows between are its own: those of its key, within its
times, and how many these are. Of look-backs with keys they are all rows of the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from tidegate.core.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate._kernels.window_state import WindowState
    from tidegate.core.columns import Numbers
    from tidegate.core.plan import Plan

__all__ = [
    "MOST_RANGES",
    "OF_LOOKS",
    "OF_SPANS",
    "RANGES_TYPE",
    "ROW_RANGES",
    "SPAN_EDGES",
    "TYPES_OF_RUNS",
    "SpanColumn",
    "Spans",
    "column_of_ranges",
    "take_runs",
    "view_of_runs",
]

ROW_RANGES = "row_ranges"
RANGES_TYPE: Any = pa.list_(
    pa.struct([pa.field("start", pa.int64()), pa.field("stop", pa.int64())])
)
SPAN_PARTS: Any = pa.list_(
    pa.struct([pa.field(name, pa.int64()) for name in ("start", "stop", "rows", "from", "before")])
)  # from and before are words of the times, as they are shown
OF_LOOKS: Any = pa.list_(
    pa.struct([pa.field(name, pa.int64()) for name in ("start", "stop", "rows")])
)
TYPES_OF_RUNS = {"row_runs": RANGES_TYPE, "row_spans": SPAN_PARTS}
OF_SPANS = (ROW_RANGES, "tidegate.last", "tidegate.rows")  # results that `SpanColumn.tell` takes
MOST_RANGES = 2**31 - 1  # a column of lists has room for

SPAN_EDGES = ("from", "before")  # of times: half open

# Views come out as plain strings, which every reader of nested columns takes.
_PLAIN: dict[Any, Any] = {
    pa.string_view(): pa.large_string(),
    pa.binary_view(): pa.large_binary(),
}

_buffer_of: Any = pa.py_buffer  # its stub does not know a kernel's memory


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


def column_of_ranges(offsets: Numbers, starts: Numbers, stops: Numbers) -> pa.Array[Any]:
    """Make the column of starts and stops, and where each list begins."""
    parts = [pa.array(edges.astype(np.int64, copy=False)) for edges in (starts, stops)]
    structs: Any = pa.StructArray.from_arrays(parts, names=["start", "stop"])
    begins: Any = pa.array(offsets.astype(np.int32, copy=False))
    lists: pa.Array[Any] = pa.ListArray.from_arrays(begins, structs)
    return lists


def take_runs(state: WindowState, places: Numbers, type_: pa.DataType) -> pa.Array[Any]:
    """Take the runs or spans of rows of the results that a state has handed over.

    Parameters
    ----------
    state : WindowState
        Of a plan that has them.
    places : ndarray
        (n_results,) int64, the words of that output.
    type_ : pyarrow.DataType
        One of `TYPES_OF_RUNS`, of that result.

    Raises
    ------
    LimitError
        If there are more than a column has room for.
    """
    n_runs, offsets, *columns = state.take_runs(places)
    if n_runs > MOST_RANGES:
        raise LimitError(
            f"row_ranges: {n_runs} ranges are more than a column has room for: take results more "
            f"often, or make shorter windows"
        )
    return view_of_runs(type_, len(places), offsets, n_runs, columns)


def view_of_runs(
    type_: Any, n: int, offsets: Any, n_runs: int, columns: Sequence[Any]
) -> pa.Array[Any]:
    """View memory as a column of n lists of runs or spans; their columns are of int64."""
    edges: Any = [
        pa.Array.from_buffers(pa.int64(), n_runs, [None, _buffer_of(some)]) for some in columns
    ]
    runs = _struct(type_.value_type, edges)
    lists = [None, _buffer_of(offsets)]
    return pa.Array.from_buffers(type_, n, lists, null_count=0, children=[runs])


class SpanColumn:
    """Makes the column that tells the spans of results, with their keys and times.

    Parameters
    ----------
    plan : Plan
        That made the results.
    keys : sequence of pyarrow.DataType
        Types of the keys.
    time : pyarrow.DataType or None
        Type of the edges of windows, which are told as numbers in their unit; None of look-backs,
        whose spans are of all rows of the key.

    Notes
    -----
    O(n_results), some 20 microseconds beside that.
    """

    def __init__(self, plan: Plan, keys: Sequence[pa.DataType], time: pa.DataType | None) -> None:
        number = time if time is not None and pa.types.is_floating(time) else pa.int64()
        self._keys = [_PLAIN.get(key, key) for key in keys]
        own = zip(plan.by, self._keys, strict=True)
        self._own = pa.struct([pa.field(name, type_) for name, type_ in own])
        self._edges = pa.struct([pa.field(name, number) for name in SPAN_EDGES])
        self._times = pa.struct([pa.field(plan.on, self._edges)])
        parts = [*OF_LOOKS.value_type, pa.field("key", self._own)]
        if time is not None:
            parts.append(pa.field("time", self._times))
        self.type: Any = pa.list_(pa.struct(parts))

    def make(self, keys: list[Any], edges: list[Any], spans: Spans) -> pa.Array[Any]:
        """Make the column of results with these keys and edges."""
        counts, offsets = spans.counts, np.arange(len(spans.counts) + 1, dtype=np.int32)
        if len(spans.starts) < len(counts):
            has_rows = counts > 0
            np.cumsum(has_rows, out=offsets[1:])
            mask = pa.array(has_rows)
            keys, edges = ([column.filter(mask) for column in some] for some in (keys, edges))
            counts = counts[has_rows]
        told: list[Any] = [pa.array(some) for some in (spans.starts, spans.stops, counts)]
        spans_of = self._spans(told, keys, edges)
        lists = [None, _buffer_of(offsets)]
        n = len(spans.counts)
        return pa.Array.from_buffers(self.type, n, lists, null_count=0, children=[spans_of])

    def tell(self, columns: Sequence[pa.Array[Any]]) -> list[pa.Array[Any]]:
        """Put spans in the place of the numbers of rows of a stream's results.

        Parameters
        ----------
        columns : sequence of pyarrow.Array
            The keys, the edges of the windows, the results; last the first row, the last one, and
            how many there are, which go.
        """
        given: list[Any] = [*columns]
        *others, first, last, rows = given
        n_keys = len(self._keys)
        keys, edges = others[:n_keys], others[n_keys : n_keys + 2]
        counts: Numbers = (rows.fill_null(0) if rows.null_count else rows).to_numpy()
        numbers: list[Any] = [first, last]
        if not counts.all():  # windows without rows
            numbers = [some.filter(pa.array(counts > 0)) for some in numbers]
        starts, ends = (some.to_numpy() for some in numbers)
        return [*others, self.make(keys, edges, Spans(counts, starts, ends + 1))]

    def tell_each(self, columns: Sequence[pa.Array[Any]]) -> list[pa.Array[Any]]:
        """Put keys and times beside the spans of a stream's results, of which one may have several.

        Parameters
        ----------
        columns : sequence of pyarrow.Array
            The keys, the edges of the windows, the results; last the spans, as the kernels have
            them.
        """
        given: list[Any] = [*columns]
        *others, lists = given
        return [*others, self.with_keys(lists, others[: len(self._keys)])]

    def with_keys(self, lists: Any, keys: list[Any]) -> pa.Array[Any]:
        """Put the keys beside the spans of results, and the times if they have some."""
        starts, stops, rows, *edges = lists.flatten().flatten()
        offsets, n_each = lists.offsets, lists.value_lengths().to_numpy()
        if lists.offset or len(starts) != len(lists) or not n_each.all():  # not one each
            owner = pa.array(np.repeat(np.arange(len(lists)), n_each))
            keys = [key.take(owner) for key in keys]
            offsets = pa.array(np.concatenate([[0], np.cumsum(n_each)]), pa.int32())
        spans = self._spans([starts, stops, rows], keys, edges)
        buffers = [None, offsets.buffers()[1]]
        return pa.Array.from_buffers(self.type, len(lists), buffers, null_count=0, children=[spans])

    def _spans(self, told: list[Any], keys: list[Any], edges: list[Any]) -> Any:
        """Put together what is told of each span."""
        plain = [
            key.cast(to) if key.type != to else key
            for key, to in zip(keys, self._keys, strict=True)
        ]
        parts = [*told, _struct(self._own, plain)]
        if edges:
            numbers = [edge.view(self._edges.field(0).type) for edge in edges]
            parts.append(_struct(self._times, [_struct(self._edges, numbers)]))
        return _struct(self.type.value_type, parts)


def _struct(type_: Any, columns: list[Any]) -> Any:
    """Put columns side by side."""
    return pa.Array.from_buffers(type_, len(columns[0]), [None], null_count=0, children=columns)
