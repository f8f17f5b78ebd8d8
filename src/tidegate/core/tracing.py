"""Which input rows made a window: row ranges beside each result, and the rows back from them.

A traced stream reads one more column, the number of each row since the start, and collects it. Of
all rows at once the ranges follow from the results: alone where the rows are in order of time and
there are no keys, else together with the times and the keys of the rows. Windows with keys have one
range each, with what tells their own rows among those of other keys: a stream keeps the least and
the largest row number for it, and how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np
import pyarrow as pa

from tidegate.core.aggregation import Aggregation
from tidegate.core.batch import Input, read_input
from tidegate.core.bound import times_of
from tidegate.core.columns import Numbers
from tidegate.core.errors import InputError, MergeError
from tidegate.core.plan import EDGES
from tidegate.core.pyobjects import to_list
from tidegate.core.rowranges import ranges_of
from tidegate.core.rowspans import has_spans, names_of, own_rows, spans_beside, spans_of, spans_told
from tidegate.core.run import MAX_BATCH, Run
from tidegate.core.windows import without_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.core.bound import Bound
    from tidegate.core.plan import Plan

__all__ = [
    "RANGES_TYPE",
    "ROW",
    "ROW_RANGES",
    "TracedRun",
    "column_of_ranges",
    "counted",
    "is_traced",
    "refuse_merge",
    "trace",
    "traced",
    "with_ranges",
]

ROW_RANGES = "row_ranges"
RANGES_TYPE: Any = pa.list_(
    pa.struct([pa.field("start", pa.int64()), pa.field("stop", pa.int64())])
)
ROW = "tidegate.row"  # the column of row numbers
_COUNT = "tidegate.rows"  # the result that counts the rows of a window
_LAST = "tidegate.last"  # the result that is its last row

Data = TypeVar("Data")


# ------------------------------------------------------------------------------------ the ranges


_COLLECTED = ((ROW_RANGES, Aggregation("collect", (ROW,))),)
_SPANNED = (
    (ROW_RANGES, Aggregation("min", (ROW,))),
    (_LAST, Aggregation("max", (ROW,))),
    (_COUNT, Aggregation("rows")),
)


def traced(plan: Plan) -> Plan:
    """Have a plan collect the numbers of the rows too, or what spans need to know of them."""
    more = _SPANNED if has_spans(plan) else _COLLECTED
    return replace(plan, results=(*plan.results, *more))


def is_traced(plan: Plan) -> bool:
    """Whether a plan looks at the numbers of the rows."""
    return _COLLECTED[0] in plan.results or _SPANNED[0] in plan.results


def counted(plan: Plan) -> Plan:
    """Have a plan count the rows of each window too, and show both edges, for `with_ranges`."""
    traced(plan)  # refuses what it must
    window = without_label(plan.grid_window)
    return replace(plan, window=window, results=(*plan.results, (_COUNT, Aggregation("rows"))))


def with_ranges(
    table: pa.Table, run: Run, rows: Input, plan: Plan, threads: int | None = 1
) -> pa.Table | None:
    """Put the ranges beside the results of a plan from `counted`; None where they don't follow.

    The edges come out as `plan` shows them, which was the plan before.

    Without keys, and where no run of rows began before the largest time so far, the rows of a
    window, in whatever order, stand together, and windows stand in order: their counts tell all.
    Else each row is looked at once more.
    """
    bound = run.bound
    if bound is None or run.stats.used != rows.n_rows:
        return None
    chunks: list[Numbers] = [chunk.to_numpy() for chunk in table[_COUNT].chunks]
    if has_spans(plan):
        spans = spans_of(table, _in_one(chunks), run, rows, threads)
        return None if spans is None else _beside(table, spans_beside(table, spans, plan), plan)
    if bound.keys is not None or bound.state.falls:
        found = ranges_of(table, _in_one(chunks), run, rows, threads)
        return None if found is None else _beside(table, column_of_ranges(*found), plan)
    bounds = _summed(chunks)
    starts, stops = bounds[:-1], bounds[1:]
    if bounds[-1] != rows.n_rows:  # windows overlap, or there are gaps
        counts = _in_one(chunks)
        first, last = (_edges(table, name, bound) for name in ("window_start", "window_end"))
        n_panes = _overlap(first, last)
        if n_panes:
            starts = _starts_of_overlapping(counts, n_panes)
        else:
            starts = np.searchsorted(_times(rows, bound), first)
        stops = starts + counts
    if all(counts.min() > 0 for counts in chunks if len(counts)):
        ranges: Any = column_of_ranges(np.arange(len(bounds), dtype=np.int32), starts, stops)
    else:
        has_rows = stops > starts
        offsets = np.concatenate([[0], np.cumsum(has_rows)])
        ranges = column_of_ranges(offsets, starts[has_rows], stops[has_rows])
    return _beside(table, ranges, plan)


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


def column_of_ranges(offsets: Numbers, starts: Numbers, stops: Numbers) -> pa.Array[Any]:
    """Make the column of starts and stops, and where each list begins."""
    parts = [pa.array(edges.astype(np.int64, copy=False)) for edges in (starts, stops)]
    structs: Any = pa.StructArray.from_arrays(parts, names=["start", "stop"])
    begins: Any = pa.array(offsets.astype(np.int32, copy=False))
    lists: pa.Array[Any] = pa.ListArray.from_arrays(begins, structs)
    return lists


def _told(table: pa.Table, plan: Plan) -> pa.Table:
    """Turn the numbers of rows into ranges, where they are numbers yet."""
    place = table.schema.get_field_index(ROW_RANGES)
    type_ = table.schema.field(place).type
    if _LAST in table.column_names:
        if pa.types.is_null(type_):  # no type is known yet
            return table.drop_columns([_LAST, _COUNT])
        return spans_told(table, (ROW_RANGES, _LAST, _COUNT), plan)
    if type_ != pa.list_(pa.int64()):
        return table
    chunks = [_runs_in(chunk) for chunk in table.column(place).chunks]
    ranges = pa.chunked_array(chunks, RANGES_TYPE)
    return table.set_column(place, pa.field(ROW_RANGES, RANGES_TYPE), ranges)


def _runs_in(lists: pa.Array[Any]) -> pa.Array[Any]:
    """Find the runs of numbers that follow each other, in lists in any order.

    O(n log n) in the numbers where they are not in order yet.
    """
    lengths: Any = lists.value_lengths().fill_null(0)  # type: ignore[attr-defined]
    owner = np.repeat(np.arange(len(lists)), lengths.to_numpy(zero_copy_only=False))
    numbers = lists.flatten().to_numpy()  # type: ignore[attr-defined]
    if ((numbers[1:] < numbers[:-1]) & (owner[1:] == owner[:-1])).any():
        order = np.lexsort((numbers, owner))
        numbers = numbers[order]
    begins = np.ones(len(numbers), bool)
    begins[1:] = (numbers[1:] != numbers[:-1] + 1) | (owner[1:] != owner[:-1])
    at = np.flatnonzero(begins)
    stops = numbers[np.append(at[1:], len(numbers)) - 1] + 1 if len(at) else numbers
    offsets = np.searchsorted(owner[at], np.arange(len(lists) + 1))
    return column_of_ranges(offsets, numbers[at], stops)


# --------------------------------------------------------------------------------------- the run


class TracedRun(Run):
    """A run whose plan collects the numbers of the rows, which it gives them."""

    def give_schema(self, schema: pa.Schema) -> None:
        """Fix the types before the first batch."""
        super().give_schema(schema.append(pa.field(ROW, pa.int64())))

    def push_input(self, data: object) -> None:
        """Take whatever the user has."""
        rows = read_input(data, [name for name in self.plan.inputs if name != ROW])
        if rows.n_rows == 0:
            self.bind(rows.schema.append(pa.field(ROW, pa.int64())))
        self.push_all(rows.batches(MAX_BATCH))

    def push(self, batch: pa.RecordBatch, later: Callable[[], int] | None = None) -> None:
        """Number the rows of a batch and take them."""
        first = self.counts.rows_in
        numbers = pa.array(np.arange(first, first + batch.num_rows))
        super().push(batch.append_column(ROW, numbers), later)

    def push_row(
        self,
        row: Sequence[object],
        batch_of_row: Callable[[Run, Sequence[object]], pa.RecordBatch],
    ) -> bool:
        """Take one row, as a batch."""
        names = self.plan.event[:-1]
        if len(row) != len(names):
            raise InputError(
                f"push_row takes {len(names)} values ({', '.join(names)}), got {len(row)}: {row!r}"
            )
        super().push(batch_of_row(self, [*row, self.counts.rows_in]))
        return self.bound is not None and self.bound.state.n_results > 0

    def take(self) -> pa.Table:
        """Hand over the results that are ready."""
        return _told(super().take(), self.plan)

    @property
    def empty(self) -> pa.Table:
        """No results."""
        return _told(super().empty, self.plan)

    def take_late(self) -> pa.Table:
        """Hand over the rows on the side."""
        return super().take_late().drop_columns([ROW])

    def refuse_merge(self) -> NoReturn:
        """Refuse: both have counted their rows from 0."""
        refuse_merge()


def refuse_merge() -> NoReturn:
    """Refuse to merge runs that have both counted their rows from 0."""
    raise MergeError("merge: with lineage=True the rows of two inputs would have one number")


# -------------------------------------------------------------------------------------- the rows


def trace(data: Data, ranges: Iterable[Any], /) -> Data:
    """Give back the input rows of one window.

    Parameters
    ----------
    data : pyarrow Table, pandas or Polars DataFrame, dict of arrays, list of dicts
        The rows that were aggregated, all of them in the same order.
    ranges : iterable
        One value of the column ``row_ranges``: of each range ``start`` and ``stop``, half open; of
        windows with keys also ``rows``, ``key`` and ``time``.

    Returns
    -------
    the kind of thing that came in
        Those rows, in order of arrival; of a list the same dicts.

    Raises
    ------
    InputError
        If `ranges` is no such value, or speaks of rows that are not there; if of the rows between
        ``start`` and ``stop`` another number than ``rows`` is of the key and within the time.
    ColumnNotFoundError, ColumnTypeError
        If the rows have no such key or time.

    Notes
    -----
    O(stop - start) where there is a key. Aggregating these rows again in the same way gives the
    same bits, since a window's value depends on its own rows and their order alone.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = [{"t": 1, "x": 1.0}, {"t": 11, "x": 2.0}, {"t": 5, "x": 4.0}]
    >>> total = tg.agg.sum("x")
    >>> bars = tg.aggregate(ticks, tg.Tumbling(10), on="t", total=total, lineage=True)
    >>> bars[0]["row_ranges"]
    [{'start': 0, 'stop': 1}, {'start': 2, 'stop': 3}]
    >>> tg.trace(ticks, bars[0]["row_ranges"])
    [{'t': 1, 'x': 1.0}, {'t': 5, 'x': 4.0}]

    Of windows with keys a range tells which of its rows are the window's own, and how many:

    >>> trades = [{"t": 1, "by": "A"}, {"t": 2, "by": "B"}, {"t": 3, "by": "A"}]
    >>> n = tg.agg.rows()
    >>> bars = tg.aggregate(trades, tg.Tumbling(10), on="t", by="by", n=n, lineage=True)
    >>> bars[0]["row_ranges"] == [
    ...     {
    ...         "start": 0,
    ...         "stop": 3,
    ...         "rows": 2,
    ...         "key": {"by": "A"},
    ...         "time": {"t": {"from": 0, "before": 10}},
    ...     }
    ... ]
    True
    >>> tg.trace(trades, bars[0]["row_ranges"])
    [{'t': 1, 'by': 'A'}, {'t': 3, 'by': 'A'}]
    """
    values: Any = ranges.values if isinstance(ranges, pa.ListScalar) else None
    told = list(ranges) if values is None else to_list(values)
    pairs = [_pair(one) for one in told]
    has_key = any(isinstance(one, Mapping) and "key" in one for one in told)
    if isinstance(data, list) and not has_key:
        _check_pairs(pairs, len(data))
        rows: Any = [row for start, stop in pairs for row in data[start:stop]]
        return rows  # type: ignore[no-any-return]
    names = {name for one in told for name in names_of(one)} if isinstance(data, list) else None
    given = read_input(data, names)
    table = given.table()
    _check_pairs(pairs, table.num_rows)
    if has_key:
        own = np.concatenate([own_rows(table, one) for one in told])
        if isinstance(data, list):
            return [data[row] for row in own.tolist()]  # type: ignore[return-value]
        return given.give_back(_taken(table, own))  # type: ignore[no-any-return]
    return given.give_back(_joined(table, pairs))  # type: ignore[no-any-return]


def _taken(table: pa.Table, rows: Numbers) -> pa.Table:
    """Take rows, whose numbers rise."""
    try:
        return table.take(rows)
    except pa.ArrowNotImplementedError:  # views, say: pyarrow can only slice them
        ends = np.flatnonzero(np.diff(rows, append=rows[-1:] + 2) != 1)
        starts = np.append(0, ends[:-1] + 1)
        return _joined(
            table, list(zip(rows[starts].tolist(), (rows[ends] + 1).tolist(), strict=True))
        )


def _joined(table: pa.Table, pairs: list[tuple[int, int]]) -> pa.Table:
    """Slice ranges of rows out, one after the other."""
    slices = [table.slice(start, stop - start) for start, stop in pairs]
    return pa.concat_tables(slices) if slices else table.slice(0, 0)


def _pair(one: Any) -> tuple[int, int]:
    """Read one range, however it is written."""
    try:
        start, stop = (one["start"], one["stop"]) if isinstance(one, Mapping) else one
        return int(start), int(stop)
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"trace: {one!r} is no range: give a value of {ROW_RANGES!r}") from error


def _check_pairs(pairs: list[tuple[int, int]], n_rows: int) -> None:
    """Refuse ranges that speak of rows that are not there."""
    for start, stop in pairs:
        if not 0 <= start <= stop <= n_rows:
            raise InputError(f"trace: rows {start} to {stop} are not in data of {n_rows} rows")
