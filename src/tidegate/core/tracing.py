"""From what `row_ranges` tells of a window back to its input rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from tidegate.core.batch import read_input
from tidegate.core.columns import Numbers, time_column
from tidegate.core.columntypes import column_index
from tidegate.core.errors import InputError
from tidegate.core.eventtime import INT64_MAX
from tidegate.core.keys import Keys
from tidegate.core.pyobjects import to_list
from tidegate.core.rangecolumns import ROW_RANGES, SPAN_EDGES

__all__ = ["trace"]

Data = TypeVar("Data")


def trace(data: Data, ranges: Iterable[Any], /) -> Data:
    """Give back the input rows of one window.

    Parameters
    ----------
    data : pyarrow Table, pandas or Polars DataFrame, dict of arrays, list of dicts
        The rows that were aggregated, all of them in the same order.
    ranges : iterable
        One value of the column ``row_ranges``: of each range ``start`` and ``stop``, half open; of
        windows with keys also ``rows``, ``key`` and ``time``, of look-backs without ``time``.
        Windows of a grid and sessions with keys have one range; bars have one where their rows
        came in order of time and none of the key between them was late, else several, in order of
        time; look-backs have several, in order, where other rows of the key came between theirs.

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
    same bits, since a window's value depends on its own rows and their order alone. Of look-backs,
    variances and what is made of products (`var std sem cov corr slope skew kurt zscore`) are the
    same to 1e-12: they are sums that have gone on from the rows before.

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
    names = {name for one in told for name in _names_of(one)} if isinstance(data, list) else None
    given = read_input(data, names)
    table = given.table()
    _check_pairs(pairs, table.num_rows)
    if has_key:
        own = np.sort(np.concatenate([_own_rows(table, one) for one in told]), kind="stable")
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


def _names_of(span: Any) -> list[str]:
    """Name the columns that tell which rows of a span are its window's own: keys, and the time.

    Raises
    ------
    InputError
        If it is no span.
    """
    try:
        parts, names = [span["rows"]], [*span["key"]]
        if "time" in span:  # of a look-back there is none
            (on,) = span["time"]
            parts += [span["time"][on][edge] for edge in SPAN_EDGES]
            names.append(on)
        if not all(isinstance(part, int | float) for part in parts):
            raise TypeError(f"of {parts}")
        return names
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(
            f"trace: {span!r} does not tell key, time and rows: give a value of 'row_ranges'"
        ) from error


def _own_rows(table: pa.Table, span: Mapping[str, Any]) -> Numbers:
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
    names, by = _names_of(span), list(span["key"])
    keys = Keys(by, max_keys=2**31 - 1)
    places = [column_index(table.schema, name) for name in names]
    some = table.slice(start, stop - start).select(places).combine_chunks()
    found = [np.empty(0, np.int64)]
    row = start
    for batch in some.to_batches():
        own = keys.encode(batch) == keys.code(tuple(span["key"].values()))
        for on, edges in span.get("time", {}).items():
            own &= _lie_within(batch, on, *(edges[edge] for edge in SPAN_EDGES))
        found.append(row + np.flatnonzero(own))
        row += batch.num_rows
    rows = np.concatenate(found)
    if len(rows) != span["rows"]:
        within = " and within its times" if "time" in span else ""
        raise InputError(
            f"trace: of the rows {start} to {stop} of the data {len(rows)} are of the key "
            f"{span['key']!r}{within}, and of the window there were {span['rows']}: "
            f"give the data that was aggregated, in the same order and unit of time"
        )
    return rows


def _lie_within(batch: pa.RecordBatch, on: str, first: Any, before: Any) -> Any:
    """Tell of each row whether it has a time, and one of [first, before)."""
    times, valid = time_column(batch, on)
    within = times >= first
    if before != INT64_MAX:  # no time is after that: it is meant too
        within &= times < before
    return within if valid is None else within & (valid == 1)
