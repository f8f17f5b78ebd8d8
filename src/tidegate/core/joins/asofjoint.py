"""Both sides of a join that is fed bit by bit: what waits, what is kept, what is settled."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.asof import Matcher, Walk
from tidegate._kernels.asof_near import choose
from tidegate._kernels.asof_places import rises
from tidegate._kernels.taking import Columns
from tidegate.core.errors import LimitError, SnapshotError
from tidegate.core.eventtime import INT64_MIN, float_of_orders
from tidegate.core.joins.asofstore import Growing, RightStore
from tidegate.core.joins.asofstreams import Followed, rows_of

if TYPE_CHECKING:
    from tidegate.core.columns import Numbers
    from tidegate.core.joins.asofrule import AsofTypes, Moments
    from tidegate.core.joins.asofstreams import Stream
    from tidegate.core.keys import Keys

__all__ = ["Joint", "refuse_above"]

Index: TypeAlias = npt.NDArray[np.int64]
BACKWARD, FORWARD = 0, 1
FIRST_LOOK = 256  # waiting rows that are looked at first; then twice as many, as long as it pays
LITTLE = 1024  # rows that are not worth being dropped
NO_COLUMNS = Columns([], 0, 0)


def refuse_above(limit: int, held: int, more: int) -> None:
    """Refuse rows above a limit."""
    if held + more > limit:
        raise LimitError(
            f"{held} rows wait or are kept, and {more} more would pass max_rows = {limit}; push "
            "the side that is behind, give a tolerance or less lateness, or raise max_rows"
        )


class Joint:
    """Both sides of a join whose columns are known."""

    def __init__(
        self,
        types: AsofTypes,
        keys: Keys | None,
        streams: tuple[Stream, Stream],
        lateness: int | float | None,
        *,
        is_kept: bool,
        max_rows: int,
        left: pa.Schema,
    ) -> None:
        self.types = types
        self._keys = keys
        self._left, self._right = streams
        self._lateness = lateness
        self._is_kept = is_kept
        self._max_rows = max_rows
        self._schema_left = left
        self._schema = pa.schema([*left, *(field for _, field in types.taken)])
        self._empty = self._schema.empty_table()
        kind = types.time_type
        self.late_type = pa.duration(kind.unit) if isinstance(kind, pa.TimestampType) else kind
        self._store = RightStore([field.type for _, field in types.taken], keyed=keys is not None)
        self._pending: deque[pa.Table] = deque()
        self._times = Growing("i8")  # of the pending rows; without a time: 0
        self._timed = Growing("?")
        self._latest = Growing("i8")  # the largest time up to each pending row
        self._codes = Growing("i4")
        # The newest row of each key among the first `_place` rows of the store: no left row that
        # can still come, or waits, is before them.
        self._place = 0
        self._table = np.full(1, -1, np.int64)
        self._n_settled = 0  # rows that the last clean-up kept of those

    @property
    def n_pending(self) -> int:
        """How many left rows wait."""
        return len(self._times)

    # ------------------------------------------------------------------------------------ rows in

    def take(self, stream: Stream, table: pa.Table) -> None:
        """Take rows of one side, all or none."""
        mark = None if self._keys is None else self._keys.mark()
        try:
            moments = self.types.moments(table, stream.side, self._keys)
            followed = stream.follow(moments.times, self.types, self._lateness)
            refuse_above(self._max_rows, len(self._store) + self.n_pending, table.num_rows)
        except BaseException:
            if self._keys is not None and mark is not None:
                self._keys.rollback(mark)
            raise
        if stream.side == "left":
            self._take_left(table, moments, followed)
        else:
            self._take_right(table, moments, followed)
        stream.count(table, moments, followed, self.late_type if self._is_kept else None)

    def _take_left(self, table: pa.Table, moments: Moments, followed: Followed) -> None:
        """Let left rows wait."""
        n_rows, times, codes = table.num_rows, moments.times, moments.codes
        timed, stays = np.ones(n_rows, np.bool_), None
        if codes is None:
            codes = np.zeros(len(times), np.int32)
        if followed.late is not None:
            stays = np.ones(n_rows, np.bool_)
            late = np.flatnonzero(followed.late)
            stays[late if moments.rows is None else moments.rows[late]] = False
        if moments.rows is not None:
            timed[:] = False
            timed[moments.rows] = True
            wide = np.zeros(n_rows, np.int64), np.zeros(n_rows, np.int32)
            wide[0][moments.rows], wide[1][moments.rows] = times, codes
            times, codes = wide
        if stays is not None:
            kept = np.flatnonzero(stays)
            table = rows_of(table, kept)
            times, timed, codes = times[kept], timed[kept], codes[kept]
        if not len(times):
            return
        latest = times if moments.rows is None else np.where(timed, times, INT64_MIN)
        if not rises(latest):
            latest = np.maximum.accumulate(latest)
        if self.n_pending and self._latest.view[-1] > latest[0]:
            latest = np.maximum(latest, self._latest.view[-1])
        self._latest.append(latest)
        self._times.append(times)
        self._timed.append(timed)
        self._codes.append(codes)
        self._pending.append(table)

    def _take_right(self, table: pa.Table, moments: Moments, followed: Followed) -> None:
        """Store right rows."""
        table = table.select([name for name, _ in self.types.taken])
        times, codes, rows = moments.times, moments.codes, moments.rows
        if followed.late is not None:
            stays = np.flatnonzero(~followed.late)
            times, codes = times[stays], None if codes is None else codes[stays]
            rows = stays if rows is None else rows[stays]
        columns = table.columns if rows is None else rows_of(table, rows).columns
        self._store.append(times, codes, columns)

    # ------------------------------------------------------------------------- state in, out

    @property
    def waiting(self) -> pa.Table:
        """The left rows that wait."""
        return pa.concat_tables(self._pending or [self._schema_left.empty_table()])

    @property
    def stored(self) -> tuple[Numbers, Numbers | None, pa.Table]:
        """The right rows that are kept: (n,) int64 times, (n,) int32 codes, what is taken."""
        fields = [field for _, field in self.types.taken]
        rows = self._store.rows()
        table = pa.Table.from_arrays(rows, schema=pa.schema(fields)) if rows else None
        if table is None:
            table = pa.schema(fields).empty_table()
        return self._store.times, self._store.codes, table

    def load(
        self, waiting: pa.Table, times: Numbers, codes: Numbers | None, rows: pa.Table
    ) -> None:
        """Take up what `waiting` and `stored` gave, in a joint without rows.

        Raises
        ------
        SnapshotError
            If the right rows are not in order of time, or of keys that there are not.
        """
        n_keys = 0 if self._keys is None else self._keys.n_keys
        n_rows = len(times)
        is_whole = rows.num_rows == n_rows or not self.types.taken
        is_whole &= (codes is None) == (self._keys is None)
        if codes is not None:
            is_whole &= len(codes) == n_rows and bool(((codes >= 0) & (codes < n_keys)).all())
        if not is_whole or not rises(times):
            raise SnapshotError("the right rows of the snapshot are not whole, or not in order")
        moments = self.types.moments(waiting, "left", self._keys)
        if self._keys is not None and self._keys.n_keys > n_keys:
            raise SnapshotError("a left row of the snapshot is of no key that it has")
        self._take_left(waiting, moments, Followed(None, None, None))
        self._store.append(times, codes, rows.columns)
        self._forget()

    # ---------------------------------------------------------------------------------- answers

    def _mark(self, stream: Stream) -> int:
        """The watermark of a side in the kernels' order."""
        return stream.watermark(self._lateness, is_float=self.types.is_float)

    def watermark_value(self) -> Any:
        """The watermark of the right side as users read it."""
        order = self._mark(self._right)
        if order == INT64_MIN:
            return None
        if self.types.is_float:
            return float_of_orders(np.array([order]))[0].item()
        kind = self.types.time_type
        return np.datetime64(order, kind.unit) if isinstance(kind, pa.TimestampType) else order

    def answered(self, *, everything: bool = False) -> pa.Table:
        """Answer the waiting rows whose answer nothing can change, up to the first other one."""
        parts = []
        if everything:
            parts.append(self._answer(self.n_pending, self._index(0, self.n_pending)))
        elif self.types.rule.direction == "backward":
            n_rows = self._n_before_watermark()
            parts.append(self._answer(n_rows, self._index(0, n_rows)))
        else:
            parts += self._settled()
        self._forget()
        return parts[0] if len(parts) == 1 else pa.concat_tables([self._empty, *parts])

    def _settled(self) -> list[pa.Table]:
        """Answer waiting rows for as long as they are settled, some at a time."""
        parts, look = [], FIRST_LOOK
        while self.n_pending:
            n_rows = min(look, self.n_pending)
            index, settled = self._looked(n_rows)
            n_settled = n_rows if settled.all() else int(settled.argmin())
            parts.append(self._answer(n_settled, index[:n_settled]))
            if n_settled < n_rows:
                break
            look *= 2
        return parts

    def _n_before_watermark(self) -> int:
        """How many waiting rows a backward match is settled for."""
        timed = self._timed.view
        n_free = int(timed.argmax()) if timed.any() else len(timed)
        side = "left" if self.types.rule.exact else "right"
        mark = self._mark(self._right)
        if mark == INT64_MIN:
            return n_free
        return max(n_free, int(np.searchsorted(self._latest.view, mark, side=side)))  # type: ignore[call-overload]

    def _looked(self, n_rows: int) -> tuple[Index, npt.NDArray[np.bool_]]:
        """Match the first waiting rows forward or to the nearest; which of them are settled."""
        times, timed = self._times.view[:n_rows], self._timed.view[:n_rows]
        mark = self._mark(self._right)
        after = self._way(FORWARD, 0, n_rows)
        there = self._store.times
        # No row before the watermark can come: a match up to it stays the first one.
        settled = np.zeros(n_rows, np.bool_)
        if len(there):
            settled = (after >= 0) & (there[after] <= mark)
        if self.types.tolerance is not None:
            settled |= self._apart(times, np.full(n_rows, mark)) > self.types.tolerance
        if self.types.rule.direction == "forward":
            return after, settled | ~timed
        before = self._way(BACKWARD, 0, n_rows)
        if len(there):
            back = there[before]
            near = self._apart(times, np.full(n_rows, mark)) >= self._apart(back, times)
            settled |= (before >= 0) & near
        if mark > INT64_MIN:
            settled &= times < mark if self.types.rule.exact else times <= mark
        else:
            settled[:] = False
        if len(there):
            choose(times, there, self.types.is_float, before, after)
        return before, settled | ~timed

    def _apart(self, early: Numbers, late: Numbers) -> npt.NDArray[Any]:
        """How far each time is before another; 0 where it is not before."""
        far: npt.NDArray[Any]
        if self.types.is_float:
            with np.errstate(invalid="ignore", over="ignore"):
                far = float_of_orders(late) - float_of_orders(early)
        else:
            far = late.view(np.uint64) - early.view(np.uint64)
        return np.where(late > early, far, 0)

    def _index(self, begin: int, end: int) -> Index:
        """Match waiting rows as if nothing else came."""
        direction = self.types.rule.direction
        if direction == "forward":
            return self._way(FORWARD, begin, end)
        index = self._way(BACKWARD, begin, end)
        if direction == "nearest" and len(self._store):
            after = self._way(FORWARD, begin, end)
            choose(
                self._times.view[begin:end], self._store.times, self.types.is_float, index, after
            )
        return index

    def _way(self, way: int, begin: int, end: int) -> Index:
        """Find the row of the store before (or after) each of the waiting rows; -1 for none."""
        index = np.full(end - begin, -1, np.int64)
        timed = self._timed.view[begin:end]
        rows = np.flatnonzero(timed)
        if not len(rows) or not len(self._store):
            return index
        times = self._times.view[begin:end][rows]
        if not rises(times):
            order = np.argsort(times, kind="stable")
            rows, times = rows[order], times[order]
        codes = self._codes.view[begin:end][rows] if self._keys is not None else None
        index[rows] = self._walked(way, times, codes)
        return index

    def _walked(self, way: int, times: Numbers, codes: Numbers | None) -> Index:
        """Match times in rising order, none of them before the settled rows."""
        store, n_rows = self._store, len(times)
        n_keys = 1 if self._keys is None else self._keys.n_keys
        matcher = Matcher(
            store.times,
            store.codes,
            n_keys,
            way,
            self.types.rule.exact,
            self.types.tolerance,
            self.types.is_float,
        )
        index, bits = np.empty(n_rows, np.int64), np.empty((n_rows + 7) // 8, np.uint8)
        share = (0, n_rows, self._place, self._place)
        if way == FORWARD or codes is None or store.codes is None:
            walk = Walk(matcher, times, codes, share)
            is_sorted = walk.step(n_rows, index, bits, NO_COLUMNS) >= 0
        else:
            self._make_room(n_keys)
            last = int(np.searchsorted(store.times, times[-1], side="right"))
            touched = store.codes[self._place : last]
            before = self._table[touched]
            walk = Walk(matcher, times, codes, share, self._table)
            is_sorted = walk.step(n_rows, index, bits, NO_COLUMNS) >= 0
            self._table[touched] = before
            self._table[n_keys] = -1  # where the kernel puts what nobody reads
        if not is_sorted:
            raise RuntimeError("the rows that are kept are not in time order")
        return index

    def _make_room(self, n_keys: int) -> None:
        """Make room for the newest rows of all keys."""
        if len(self._table) <= n_keys:
            table = np.full(2 * n_keys + LITTLE, -1, np.int64)
            table[: len(self._table)] = self._table
            self._table = table

    def _answer(self, n_rows: int, index: Index) -> pa.Table:
        """Hand over the first waiting rows with what they match."""
        if not n_rows:
            return self._empty
        pieces = []
        rest = n_rows
        while rest:
            table = self._pending.popleft()
            pieces.append(table.slice(0, rest))
            if table.num_rows > rest:
                self._pending.appendleft(table.slice(rest))
            rest -= pieces[-1].num_rows
        for part in (self._times, self._timed, self._latest, self._codes):
            part.drop(n_rows)
        left = pa.concat_tables(pieces)
        taken = self._store.taker.take(index)
        columns: list[Any] = [*left.columns, *taken]
        return pa.Table.from_arrays(columns, schema=self._schema)

    # --------------------------------------------------------------------------- what is forgotten

    def _forget(self) -> None:
        """Settle the right rows that are before all left rows to come, and drop what is behind."""
        reach = self._mark(self._left)
        timed = self._timed.view
        if timed.any():
            reach = min(reach, int(self._times.view[timed].min()))
        before = min(reach, self._mark(self._right))
        place = int(np.searchsorted(self._store.times, before))
        if place > self._place:
            codes = self._store.codes
            if codes is not None and self._keys is not None:
                self._make_room(self._keys.n_keys)
                self._table[codes[self._place : place]] = np.arange(self._place, place)
            self._place = place
        if self._place - self._n_settled > max(LITTLE, self._n_settled, len(self._store) // 4):
            self._clean_up(reach)

    def _clean_up(self, reach: int) -> None:
        """Drop the settled rows that no left row can match."""
        store, settled = self._store, np.arange(self._place)
        if self.types.rule.direction == "forward":
            kept = settled[:0]
        elif store.codes is None:
            kept = settled[-1:]
        else:
            codes = store.codes[: self._place]
            kept = settled[self._table[codes] == settled]
        if self.types.tolerance is not None:
            far = self._apart(store.times[kept], np.full(len(kept), reach))
            kept = kept[far <= self.types.tolerance]
        store.keep(np.concatenate([kept, np.arange(self._place, len(store))]))
        self._place = self._n_settled = len(kept)
        self._table[:] = -1
        if store.codes is not None:
            self._table[store.codes[: self._place]] = np.arange(self._place)
