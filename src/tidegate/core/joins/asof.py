"""Joins in time, in one call: for each left row the right row that was known then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.asof import Matcher, Walk
from tidegate._kernels.asof_near import choose
from tidegate._kernels.asof_places import rises
from tidegate._kernels.taking import take
from tidegate.core.batch import read_input
from tidegate.core.joins.asofrule import AsofTypes, make_rule
from tidegate.core.keys import Keys
from tidegate.core.limits import Limits
from tidegate.core.taking import Place, Taker
from tidegate.core.threads import n_threads, on_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.core.batch import Input
    from tidegate.core.durations import Duration
    from tidegate.core.joins.asofrule import Direction, Moments

__all__ = ["asof_join", "match"]

Left = TypeVar("Left")
Index: TypeAlias = npt.NDArray[np.int64]
Arrays: TypeAlias = "list[pa.Array[Any]]"
BACKWARD, FORWARD, NEAREST = range(3)
WAYS = {"backward": BACKWARD, "forward": FORWARD, "nearest": NEAREST}
BYTE_BITS = 8


def asof_join(
    left: Left,
    right: object,
    /,
    *,
    on: str | tuple[str, str],
    by: str | list[str] | tuple[str, ...] | None = None,
    tolerance: Duration | None = None,
    direction: Direction = "backward",
    allow_exact_matches: bool = True,
    suffix: str = "_right",
    threads: int | None = None,
    limits: Limits | None = None,
) -> Left:
    """Give each left row the right row that is next to it in time.

    Parameters
    ----------
    left : pyarrow Table, RecordBatch or RecordBatchReader, pandas or Polars DataFrame, dict, list
        The rows to keep, in whatever order; also anything with ``__arrow_c_stream__``, a dict of
        arrays, a list of dicts.
    right : object
        The rows to look up, of any of these kinds, in whatever order.
    on : str or (str, str)
        The time column: timestamps of any unit, dates, integers, or floats. A pair names the left
        one and the right one; where they differ, the right times are a column of the result.
    by : str or list of str, optional
        Key columns of both sides, of any Arrow type but nested ones: only rows of one key match. A
        null is a key (it matches null), NaN equals NaN.
    tolerance : Duration, optional
        How far the times may be apart, this far included: ``"250ms"``, a timedelta, or a number in
        the unit of the left times. By default as far as it may be.
    direction : {"backward", "forward", "nearest"}, default "backward"
        The right row with the largest time up to the left row's; the smallest from it on; or the
        nearer one of the two, which is the one before if both are as near.
    allow_exact_matches : bool, default True
        Whether a right row at the very time of the left row matches.
    suffix : str, default "_right"
        What is added to the name of a right column that the left side has too.
    threads : int, optional
        At most how many threads to use, by default what the rows are worth; the result has the same
        bits for any number. Rows in time order run on more than one.
    limits : Limits, optional
        How many keys there may be.

    Returns
    -------
    the kind of thing that `left` is
        Its columns and its rows, in its order; then the columns of the right side without the keys
        and (where they have one name) the times. Null where nothing matches.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError, InputError
        If a side does not fit, or an option is not one; if times of different units (or keys of
        different types) cannot be compared exactly.
    DurationError
        If the tolerance is not a whole number of units of the times.
    LimitError
        If there are more keys than `limits` allows.

    Notes
    -----
    Of right rows at one time, a backward match takes the last to arrive, a forward match the first.
    A left row without a time (null, NaN, NaT) stays and matches nothing; a right row without one is
    never matched. Times of different units are compared in the finer one, exactly; those with a
    time zone are not compared with those without. Distances of float times are rounded as floats
    are.

    O(n_left + n_right) where both sides are in time order, which is found out on the way, in one
    pass over the times of both; what is not is sorted first. Left columns are not copied, right
    ones are gathered once.

    Examples
    --------
    >>> import tidegate as tg
    >>> trades = {"ts": [3, 7, 12], "price": [10.0, 11.0, 12.0]}
    >>> quotes = {"ts": [1, 7, 8], "bid": [9.5, 10.5, 11.5]}
    >>> tg.asof_join(trades, quotes, on="ts")["bid"].tolist()
    [9.5, 10.5, 11.5]
    >>> tg.asof_join(trades, quotes, on="ts", tolerance=2)["bid"].tolist()
    [9.5, 10.5, nan]
    """
    rule = make_rule(
        on=on,
        by=by,
        tolerance=tolerance,
        direction=direction,
        allow_exact_matches=allow_exact_matches,
        suffix=suffix,
    )
    needed = (rule.on[0], *rule.by), (rule.on[1], *rule.by)
    mine, theirs = _read(left, needed[0]), _read(right, needed[1])
    rows, others = mine.table(), theirs.table()
    types = AsofTypes(rule, rows.schema, others.schema)
    n = n_threads(threads, rows.num_rows)
    keys = None
    if rule.by:
        keys = Keys(rule.by, max_keys=(limits or Limits()).max_keys)
    after = types.moments(others, "right", keys, n)
    before = types.moments(rows, "left", keys, n)
    taker = Taker([others.column(name) for name, _ in types.taken], others.num_rows)
    n_keys = 1 if keys is None else keys.n_keys
    columns = match(types, before, after, n_keys, taker, rows.num_rows, threads=n)
    for (_, field), column in zip(types.taken, columns, strict=True):
        rows = rows.append_column(field, column)
    result: Left = mine.give_back(rows)
    return result


def _read(data: object, needed: Sequence[str]) -> Input:
    """Read all columns; an empty list has those that are needed."""
    is_empty = isinstance(data, list | tuple) and not data
    return read_input(data, needed if is_empty else None)


def match(
    types: AsofTypes,
    left: Moments,
    right: Moments,
    n_keys: int,
    taker: Taker,
    n_left: int,
    *,
    threads: int,
) -> Arrays:
    """Take the right columns for all left rows.

    Returns
    -------
    list of pyarrow.Array
        One for each column of the taker.
    """
    join = _Join(types, n_keys, threads)
    in_order = left.rows is None and right.rows is None
    place = taker.place(n_left)
    n_matched = None
    way = WAYS[types.rule.direction]
    goes_once = way != NEAREST or left.codes is None
    if in_order and goes_once and len(left.times) and len(right.times):
        n_matched = join.walk(left, right, way, place)
    if n_matched is None:
        n_matched = join.take(join.index(left, right, n_left), place)
    return taker.arrays(place, n_matched)


class _Join:
    """Ways to bring two sides together."""

    def __init__(self, types: AsofTypes, n_keys: int, threads: int) -> None:
        self._types = types
        self._n_keys = n_keys
        self._threads = threads

    def index(self, left: Moments, right: Moments, n_left: int) -> Index:
        """Find the right row of each left row, in whatever order they are; -1 for none."""
        index = np.full(n_left, -1, np.int64)
        if not len(left.times) or not len(right.times):
            return index
        left, right = (one if rises(one.times) else one.sorted() for one in (left, right))
        direction = self._types.rule.direction
        found = [
            self._sorted_index(left, right, way)
            for way in (
                (BACKWARD, FORWARD) if direction == "nearest" else (direction == "forward",)
            )
        ]
        if direction == "nearest":
            choose(left.times, right.times, self._types.is_float, *found)
        rows = found[0]
        if right.rows is not None:
            rows = np.where(rows < 0, -1, right.rows[rows])
        if left.rows is None:
            return rows
        index[left.rows] = rows
        return index

    def take(self, index: Index, place: Place) -> int:
        """Take rows by their numbers; how many are there."""
        if place.rows is not None:
            place.rows[:] = index

        def run(begin: int, end: int) -> int:
            part = place.part(begin, end)
            return take(index[begin:end], part.matched, part.columns)

        return sum(self._in_shares(run, _cuts(len(index), self._threads)))

    def walk(self, left: Moments, right: Moments, way: int, place: Place) -> int | None:
        """Match rows in time order; how many match, or None where a side is not in time order."""
        types = self._types
        matcher = Matcher(
            right.times,
            right.codes,
            self._n_keys,
            way,
            types.rule.exact,
            types.tolerance,
            types.is_float,
        )
        cuts = _cuts(len(left.times), self._threads)
        # Where a side is not in time order these mean nothing, and a share finds that out.
        places = [int(np.searchsorted(right.times, left.times[begin])) for begin, _ in cuts[1:]]
        starts = np.maximum.accumulate([0, *places, len(right.times)]).tolist()

        def run(begin: int, end: int, first: int, stop: int) -> int:
            part = place.part(begin, end)
            walk = Walk(matcher, left.times, left.codes, (begin, end, first, stop))
            return walk.step(end - begin, part.rows, part.matched, part.columns)

        firsts, stops = starts[:-1], starts[1:]
        shares = [(*cut, *ends) for cut, *ends in zip(cuts, firsts, stops, strict=True)]
        found = self._in_shares(run, shares)
        return None if min(found) < 0 else sum(found)

    def _sorted_index(self, left: Moments, right: Moments, way: int) -> Index:
        """Find the right row of each left row, both in time order."""
        n_rows = len(left.times)
        index, bits = np.empty(n_rows, np.int64), np.empty((n_rows + 7) // 8, np.uint8)
        place = Place(n_rows, len(right.times), index, bits, [])
        if self.walk(left, right, way, place) is None:
            raise RuntimeError("sides that were sorted are not in time order")
        return index

    def _in_shares(self, run: Callable[..., int], shares: Sequence[tuple[int, ...]]) -> list[int]:
        """Run something for each share, each on a thread of its own."""
        return on_threads(lambda share: run(*share), shares)


def _cuts(n_rows: int, n: int) -> list[tuple[int, int]]:
    """Cut rows into at most n shares that begin on whole bytes of bits; one, where there are few.

    Without rows it is one share without rows.
    """
    begins = sorted({n_rows * k // n // BYTE_BITS * BYTE_BITS for k in range(n)})
    return list(zip(begins, [*begins[1:], n_rows], strict=True))
