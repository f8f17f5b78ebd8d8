"""Windows without rows, where they are asked for: which there are, and what they hold.

A key's windows go from its first one with a row to the end of the stream: all that have ended, and
at the end of input those that have begun at the largest time seen. Which results come out, and
in what order, is a function of the rows alone, as it is without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate.core.decimals import decimals_of
from tidegate.core.errors import LimitError, SnapshotError
from tidegate.core.eventtime import INT64_MAX, INT64_MIN, float_of_orders, order_of_floats
from tidegate.core.picks import pick

if TYPE_CHECKING:
    from tidegate.core.calendar import CalendarTable
    from tidegate.core.columns import Numbers
    from tidegate.core.edges import EdgeTable
    from tidegate.core.grids import Grid
    from tidegate.core.plan import Plan

__all__ = ["Filler", "Filling", "Places"]

Rows = npt.NDArray[np.int64]

INFINITE = int(order_of_floats(np.array([np.inf]), None)[0][0])

COUNTS: Final = ("rows", "count", "nunique", "sum")  # what is 0 where there is no value
RUNS: Final = "row_runs"  # of rows: there are none


class Places:
    """Where windows lie, by their numbers.

    Parameters
    ----------
    grid : Grid
        An arithmetic one, or one that `table` fills.
    table : EdgeTable, CalendarTable or None
        It may grow.
    """

    def __init__(self, grid: Grid, table: EdgeTable | CalendarTable | None) -> None:
        self._grid = grid
        self._table = table

    def numbers(self, starts: Numbers) -> Rows:
        """The numbers of windows that begin at some times."""
        grid, table = self._grid, self._table
        if table is not None:
            order = order_of_floats(starts, None)[0] if grid.is_float else starts
            found = np.searchsorted(table.edges, order, side="right") - 1
            return table.first + found.astype(np.int64)
        if grid.is_float:
            panes = np.rint((starts - grid.origin) / grid.width_f)
            return panes.astype(np.int64) // grid.per_step
        return starts // (grid.width * grid.per_step)  # the anchor is within the first step

    def bounds(self, numbers: Rows) -> tuple[Numbers, Numbers]:
        """Start and end of windows, as the user has times."""
        grid, table = self._grid, self._table
        if table is not None:
            at = numbers - table.first
            starts, ends = table.edges[at], table.edges[at + 1]
            if grid.is_float:
                return float_of_orders(starts), float_of_orders(ends)
            return starts, ends
        first = numbers * grid.per_step
        last = first + grid.per_size
        if grid.is_float:
            return grid.origin + first * grid.width_f, grid.origin + last * grid.width_f
        return grid.anchor + first * grid.width, grid.anchor + last * grid.width

    @property
    def end(self) -> int:
        """The end of all time, in the kernels' order."""
        return INFINITE if self._grid.is_float else INT64_MAX

    def last_begun(self, time: int) -> int:
        """The last window that begins up to a time in the kernels' order."""
        return self._last(time, ended=False)

    def last_ended(self, time: int) -> int:
        """The last window that ends up to a time in the kernels' order."""
        return self._last(time, ended=True)

    def _last(self, time: int, *, ended: bool) -> int:
        """The last window whose start, or end, is not after a time."""
        grid, table = self._grid, self._table
        if table is not None:
            found = int(np.searchsorted(table.edges, time, side="right")) - 1 - ended
            return table.first + min(found, len(table.edges) - 2)
        size = grid.per_size if ended else 0
        if not grid.is_float:
            return (time - grid.anchor - size * grid.width) // (grid.width * grid.per_step)
        (at,) = float_of_orders(np.array([time], np.int64)).tolist()
        pane = int((at - grid.origin) // grid.width_f) + 2  # the quotient may be rounded
        while grid.origin + pane * grid.width_f > at:
            pane -= 1
        return (pane - size) // grid.per_step


class Filling(NamedTuple):
    """What has to be known of the windows that came out."""

    done: int | None  # the last window of all that have come out
    codes: Rows  # (n_keys,) of the keys that have had a row, rising
    last: list[pa.Array[Any]]  # (n_keys,) of each result: that of the key's last window with rows


class Filled(NamedTuple):
    """Results with the windows between them."""

    starts: Numbers
    ends: Numbers
    codes: Rows
    columns: list[pa.Array[Any]]


class Filler:
    """Puts the windows without rows between the others.

    Parameters
    ----------
    plan : Plan
        Whose window says what they hold.
    fields : list of pyarrow.Field
        Of the results.
    places : Places
        Where windows lie.

    Attributes
    ----------
    state : Filling
        Replaced as windows come out, never changed.
    """

    def __init__(self, plan: Plan, fields: list[pa.Field[Any]], places: Places) -> None:
        self.places = places
        self._limit = plan.limits.max_empty
        empty = plan.grid_window.empty
        carries, is_zero = empty == "carry", empty == "zero"
        functions = [item.function for _, item in plan.results]
        self._is_carried = [carries and name not in (*COUNTS, RUNS) for name in functions]
        self._blank = [
            _blank(name, field, is_zero=is_zero)
            for name, field in zip(functions, fields, strict=True)
        ]
        self._schema = pa.schema([pa.field("code", pa.int64()), *fields])
        nothing = [blank.slice(0, 0) for blank in self._blank]
        self.state = Filling(None, np.empty(0, np.int64), nothing)

    def upto(self, closed_to: int, largest: int) -> int | None:
        """The last window that has come to its end, by the progress of a state."""
        if INT64_MIN in (closed_to, largest):
            return None
        if closed_to >= self.places.end:
            return self.places.last_begun(largest)
        return self.places.last_ended(closed_to)

    def fill(
        self, starts: Numbers, codes: Rows, columns: list[pa.Array[Any]], upto: int
    ) -> Filled | None:
        """Fill up to a window, which is not before any that is given.

        Parameters
        ----------
        starts, codes : ndarray
            (n,) of the windows with rows, in order of window, then of code.
        columns : list of pyarrow.Array
            Their results.
        upto : int
            The number of the last window to come out.

        Returns
        -------
        Filled or None
            None where no window comes out.

        Raises
        ------
        LimitError
            If there would be more than max_empty windows without rows; `state` is as before.

        Notes
        -----
        O(n log n), n with the windows without rows, and a few arrays of that length.
        """
        numbers = self.places.numbers(starts)
        keys, begins = self._begins(numbers, codes, upto)
        if not len(keys) or begins.min() > upto:
            return None
        windows = self._windows(int(begins.min()), upto, len(numbers))
        first = np.searchsorted(windows, begins)
        lengths = len(windows) - first
        self._check(int(lengths.sum()) - len(numbers))
        slots = lengths + 1  # of each key: its last results before, then its windows
        begin = np.cumsum(slots) - slots
        of_row = np.searchsorted(keys, codes)
        source = np.full(int(slots.sum()), -1, np.int64)  # the row that each holds, -1: none
        source[begin[of_row] + 1 + np.searchsorted(windows, numbers) - first[of_row]] = np.arange(
            len(numbers)
        )
        source[begin[np.searchsorted(keys, self.state.codes)]] = len(numbers) + np.arange(
            len(self.state.codes)
        )
        is_window = np.ones(len(source), bool)
        is_window[begin] = False
        place = (np.arange(len(source)) - np.repeat(begin + 1 - first, slots))[is_window]
        key = np.repeat(keys, slots)[is_window]
        order = np.argsort(place, kind="stable")
        carried = source[np.maximum.accumulate(np.where(source >= 0, np.arange(len(source)), 0))]
        out, last = self._picked(
            columns, source, carried, np.flatnonzero(is_window)[order], begin + lengths
        )
        self.state = Filling(upto, keys, last)
        return Filled(*self.places.bounds(windows[place[order]]), key[order], out)

    def dump(self) -> pa.Table:
        """Write down what is kept of the keys; `Filling.done` goes apart."""
        _, codes, last = self.state
        return pa.Table.from_arrays([pa.array(codes), *last], schema=self._schema)

    def load(self, kept: pa.Table, done: object, n_keys: int) -> None:
        """Go on from what `dump` wrote.

        Raises
        ------
        SnapshotError
            If it is not of this plan, or its keys are not there.
        """
        if kept.schema != self._schema or kept.column("code").null_count:
            raise SnapshotError("what the snapshot keeps for empty windows is not of its plan")
        codes = kept.column("code").to_numpy()
        is_known = done is None or (type(done) is int and INT64_MIN <= done <= INT64_MAX)
        rises = bool((np.diff(codes) > 0).all())
        if not (is_known and rises) or (len(codes) and not 0 <= codes[0] <= codes[-1] < n_keys):
            raise SnapshotError("what the snapshot keeps for empty windows cannot be")
        last = [column.combine_chunks() for column in kept.columns[1:]]
        self.state = Filling(cast("int | None", done), codes.astype(np.int64), last)

    def take_over(self, other: Filler, codes: Rows) -> None:
        """Add the keys of another filler, which has come as far; `codes` are theirs here."""
        mine, theirs = self.state, other.state
        if not len(theirs.codes):
            return
        known = np.concatenate([mine.codes, codes[theirs.codes]])
        order = np.argsort(known)
        last = [
            pick(pa.concat_arrays([ours, new]), order)
            for ours, new in zip(mine.last, theirs.last, strict=True)
        ]
        done = [at for at in (mine.done, theirs.done) if at is not None]
        self.state = Filling(max(done, default=None), known[order], last)

    def _picked(
        self,
        columns: list[pa.Array[Any]],
        source: Rows,
        carried: Rows,
        shown: Rows,
        ends: Rows,
    ) -> tuple[list[pa.Array[Any]], list[pa.Array[Any]]]:
        """The results of the slots that are shown, and those that each key ends with."""
        out, last = [], []
        for column, old, blank, is_carried in zip(
            columns, self.state.last, self._blank, self._is_carried, strict=True
        ):
            pool = pa.concat_arrays([column, old, blank])
            rows = carried[shown] if is_carried else source[shown]
            out.append(pick(pool, np.where(rows < 0, len(pool) - 1, rows)))
            last.append(pick(pool, carried[ends]))
        return out, last

    def _begins(self, numbers: Rows, codes: Rows, upto: int) -> tuple[Rows, Rows]:
        """All keys that have had a row, and the first window of each that has not come out."""
        done, old, _ = self.state
        fresh, at = np.unique(codes, return_index=True)
        is_new = ~np.isin(fresh, old)
        keys = np.concatenate([old, fresh[is_new]])
        next_ = np.full(len(old), upto + 1 if done is None else done + 1, np.int64)
        begins = np.concatenate([next_, numbers[at[is_new]]])
        order = np.argsort(keys)
        return keys[order], begins[order]

    def _windows(self, first: int, last: int, n: int) -> Rows:
        """The numbers from first to last of windows that have a length."""
        self._check(last - first + 1 - n)
        numbers = np.arange(first, last + 1, dtype=np.int64)
        starts, ends = self.places.bounds(numbers)
        return numbers[starts < ends]

    def _check(self, n_empty: int) -> None:
        """Refuse to make more than the limit."""
        if n_empty > self._limit:
            raise LimitError(
                f"{n_empty} windows without rows would come out at a time, more than "
                f"max_empty={self._limit}: choose longer windows, empty='skip', or raise the limit"
            )


def _blank(function: str, field: pa.Field[Any], *, is_zero: bool) -> pa.Array[Any]:
    """One result of a window without rows."""
    if function == RUNS:
        none: pa.Array[Any] = pa.array([[]], field.type)
        return none
    if is_zero or function in COUNTS:
        return _zero(field)
    nothing: pa.Array[Any] = pa.nulls(1, field.type)
    return nothing


def _zero(field: pa.Field[Any]) -> pa.Array[Any]:
    """One 0 of a type of numbers; of another, one null."""
    types, type_ = pa.types, field.type
    if types.is_decimal(type_):
        return decimals_of([np.zeros(1, np.int64)], None, type_)
    if types.is_integer(type_) or types.is_floating(type_):
        zero: pa.Array[Any] = pa.array([0]).cast(type_)
        return zero
    if types.is_boolean(type_):
        return pa.array([False])
    nothing: pa.Array[Any] = pa.nulls(1, type_)
    return nothing
