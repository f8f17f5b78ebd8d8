"""Joins in time, bit by bit: two streams in, answers out when nothing can change them any more."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.asof import Columns, Matcher, Walk, choose, rises
from tidegate._kernels.watermarks import watermarks
from tidegate.core.asofrule import AsofTypes, make_rule
from tidegate.core.asofstore import Growing, RightStore
from tidegate.core.batch import read_input
from tidegate.core.columns import as_array, column_index, time_type
from tidegate.core.errors import ColumnTypeError, InputError, LimitError
from tidegate.core.eventtime import (
    INT64_MAX,
    INT64_MIN,
    float_of_orders,
    order_of_floats,
    order_of_time,
)
from tidegate.core.keys import Keys
from tidegate.core.plan import Limits
from tidegate.core.taking import Taker

if TYPE_CHECKING:
    from tidegate.core.asofrule import AsofRule, Direction, Moments, Side
    from tidegate.core.columns import Numbers
    from tidegate.core.durations import Duration

__all__ = ["AsofJoin", "JoinStats", "SideStats"]

Index = npt.NDArray[np.int64]
BACKWARD, FORWARD = 0, 1
REASONS = ("null time", "late", "nan time")  # 1 has a time: if it is left out, it is late
LATE = 1
FIRST_LOOK = 256  # waiting rows that are looked at first; then twice as many, as long as it pays
LITTLE = 1024  # rows that are not worth being dropped
MAX_ROWS = 50_000_000
NO_COLUMNS = Columns([], 0, 0)


class SideStats(NamedTuple):
    """What has become of the rows of one side; the first is the sum of the others, always.

    Attributes
    ----------
    rows_in : int
        Rows that came.
    used : int
        Left: rows that were answered. Right: rows that could be matched.
    late : int
        Rows that came after the watermark of their side.
    rejected : int
        Right rows without a time. (A left row without one is answered: it matches nothing.)
    pending : int
        Left rows that wait for their answer; rows of either side while the columns of the other
        are not known.
    """

    rows_in: int
    used: int
    late: int
    rejected: int
    pending: int


class JoinStats(NamedTuple):
    """What has become of the rows of both sides.

    Attributes
    ----------
    left, right : SideStats

    Examples
    --------
    >>> import tidegate as tg
    >>> live = tg.AsofJoin(on="t")
    >>> live.push_right({"t": [1, 5, 3], "v": [1.0, 2.0, 3.0]}).num_rows
    0
    >>> live.push_left({"t": [4, 6]})["v"].to_pylist()
    [1.0]
    >>> live.stats.left
    SideStats(rows_in=2, used=1, late=0, rejected=0, pending=1)
    >>> live.stats.right
    SideStats(rows_in=3, used=2, late=1, rejected=0, pending=0)
    """

    left: SideStats
    right: SideStats


@dataclass
class _Stream:
    """One side: its columns, its watermark, and the rows that are left out."""

    side: Side
    on: str
    by: tuple[str, ...]
    schema: pa.Schema | None = None
    waiting: list[pa.Table] = field(default_factory=list)  # before both sides are known
    largest: int | float | None = None
    promised: int = INT64_MIN  # in the kernels' order
    rows_in: int = 0
    late: int = 0
    rejected: int = 0
    left_out: list[pa.Table] = field(default_factory=list)

    def read(self, data: object) -> pa.Table:
        """Read a batch and hold it to the columns of the first one."""
        table = read_input(data).table()
        if self.schema is None:
            time_type(table.schema, self.on)
            for name in self.by:
                column_index(table.schema, name)
            return table
        return _conformed(table, self.schema, self.side)


def _conformed(table: pa.Table, schema: pa.Schema, side: str) -> pa.Table:
    """Return the known columns of a batch.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError
        If one is not there, or of another type than in the first batch.
    """
    if table.schema.equals(schema):
        return table
    columns: list[Any] = []
    for known in schema:
        column = table.column(column_index(table.schema, known.name))
        if pa.types.is_null(column.type):
            column = column.cast(known.type)  # a batch in which no row has a value
        if column.type != known.type:
            raise ColumnTypeError(
                f"column {known.name!r} of the {side} side is {column.type}; it was {known.type} "
                "in the first batch: cast it"
            )
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


class _Followed(NamedTuple):
    """Rows of a batch against the watermark of their side."""

    kept: Index  # rows of the batch that are not late and have a time
    moments: Moments
    late: npt.NDArray[np.bool_]  # (n,) of the rows with a time
    late_by: npt.NDArray[Any]  # (n,) where late
    largest: int | float | None


class AsofJoin:
    """A join in time of two streams, fed bit by bit.

    The watermark of a side is its largest time so far minus the lateness; it moves row by row, and
    a row before it is late. A left row is answered as soon as no right row that is not late can
    change its answer, and after all left rows before it: what comes out, one piece after the other,
    is what `asof_join` says of the rows that are not late, to the last bit, however the two streams
    were cut and mixed.

    Parameters
    ----------
    on, by, tolerance, direction, allow_exact_matches, suffix
        As for `asof_join`.
    lateness : Duration or None, default 0
        How far the watermarks stay behind the largest times, of both sides. None: they wait for
        `flush` (or `advance`), nothing is late and nothing is forgotten.
    late : {"side", "drop"}, default "side"
        Late rows and right rows without a time are kept for `take_late`, or only counted.
    limits : Limits, optional
        How many keys there may be.
    max_rows : int, default 50,000,000
        How many left rows may wait and right rows be kept, together.
    left_schema, right_schema : pyarrow.Schema, optional
        The columns and their types, where they must be known before the first row comes.

    Raises
    ------
    ColumnTypeError, InputError
        If an option is not one.

    Notes
    -----
    When a left row at time t is answered, W being the watermark of the right side:

    - backward: when W > t, since a right row at t itself may still come before that (and the last
      to arrive counts); when W >= t without exact matches;
    - forward: when its match is at W or before, or ``t + tolerance < W``;
    - nearest: when the row before is settled, and the row after is too or can only be as far.

    Forward and nearest matches wait for a row of their own key: give a tolerance where keys may
    fall silent, or the rows behind wait, too.

    Right rows that no left row can reach any more are forgotten: before the watermark of the left
    side and all waiting rows, backward and nearest joins keep the newest row of each key (within
    the tolerance), forward joins none. So the state holds a row for each key, and what lies between
    the two watermarks. While no left row has come, all right rows are kept.

    A right row costs O(1), a left row too, for columns of fixed width in time order; each push
    costs some 0.2 ms beside. Rows within the lateness are looked at again by each push that answers
    something, and forward joins look at all right rows that they keep. Right columns of text and
    of other types without a width are put together anew by each such push.

    Not thread-safe: one join belongs to one thread at a time.

    Examples
    --------
    >>> import tidegate as tg
    >>> live = tg.AsofJoin(on="t", by="k")
    >>> live.push_left({"t": [5], "k": ["a"]}).num_rows
    0
    >>> live.push_right({"t": [3, 4], "k": ["a", "b"], "bid": [1.5, 2.5]}).num_rows
    0
    >>> live.push_right({"t": [6], "k": ["b"], "bid": [3.5]}).to_pylist()
    [{'t': 5, 'k': 'a', 'bid': 1.5}]
    >>> live.push_left({"t": [6], "k": ["b"]}).num_rows
    0
    >>> live.flush()["bid"].to_pylist()
    [3.5]
    """

    def __init__(
        self,
        *,
        on: str | tuple[str, str],
        by: str | list[str] | tuple[str, ...] | None = None,
        tolerance: Duration | None = None,
        direction: Direction = "backward",
        allow_exact_matches: bool = True,
        suffix: str = "_right",
        lateness: Duration | None = 0,
        late: str = "side",
        limits: Limits | None = None,
        max_rows: int = MAX_ROWS,
        left_schema: pa.Schema | None = None,
        right_schema: pa.Schema | None = None,
    ) -> None:
        self._rule: AsofRule = make_rule(
            on=on,
            by=by,
            tolerance=tolerance,
            direction=direction,
            allow_exact_matches=allow_exact_matches,
            suffix=suffix,
        )
        if late not in ("side", "drop"):
            raise InputError(f"late is {late!r}: give 'side' or 'drop'")
        if isinstance(max_rows, bool) or not isinstance(max_rows, int) or max_rows < 1:
            raise InputError(f"max_rows is {max_rows!r}: give an integer from 1 on")
        self._lateness, self._is_kept, self._max_rows = lateness, late == "side", max_rows
        self._keys: Keys | None = None
        if self._rule.by:
            self._keys = Keys(self._rule.by, max_keys=(limits or Limits()).max_keys)
        names = self._rule.on
        self._left = _Stream("left", names[0], self._rule.by, left_schema)
        self._right = _Stream("right", names[1], self._rule.by, right_schema)
        self._joint: _Joint | None = None
        self._ended = False
        if left_schema is not None and right_schema is not None:
            self._joint = self._bound(left_schema, right_schema)

    # ------------------------------------------------------------------------------------ rows in

    def push_left(self, batch: object, /) -> pa.Table:
        """Take left rows, and hand over the rows that are answered.

        Parameters
        ----------
        batch : object
            Arrow, pandas, Polars, a dict of arrays, a list of dicts.

        Returns
        -------
        pyarrow.Table
            Left rows in order of arrival with what they match, as `asof_join` returns them. Without
            the right columns, and empty, while these are not known.

        Raises
        ------
        ColumnNotFoundError, ColumnTypeError, InputError
            If the batch does not fit; nothing of it is taken.
        LimitError
            If there are too many keys, or rows; nothing of it is taken.
        """
        return self._push(self._left, batch)

    def push_right(self, batch: object, /) -> pa.Table:
        """Take right rows, and hand over the left rows that are answered.

        Parameters, results and errors are those of `push_left`.
        """
        return self._push(self._right, batch)

    def advance(self, time: object) -> pa.Table:
        """Promise that no right row before `time` comes any more, and answer what that settles.

        Parameters
        ----------
        time : int, float, datetime, numpy.datetime64 or pyarrow.Scalar
            A number is in the unit in which the sides are compared, the finer of the two.

        Returns
        -------
        pyarrow.Table
            As `push_left`.

        Raises
        ------
        InputError
            If the columns of a side are not known yet.
        ColumnTypeError
            If it is no time of the type of the time columns.

        Examples
        --------
        >>> import tidegate as tg
        >>> live = tg.AsofJoin(on="t")
        >>> live.push_right({"t": [3], "v": ["x"]}).num_rows
        0
        >>> live.push_left({"t": [4, 5]}).num_rows
        0
        >>> live.advance(5)["v"].to_pylist()
        ['x']
        """
        self._refuse_after_end()
        if self._joint is None:
            raise InputError("advance: the columns of both sides are not known yet; give schemas")
        order = order_of_time(time, self._joint.types.time_type, self._right.on)
        self._right.promised = max(self._right.promised, order)
        return self._joint.answered()

    def flush(self) -> pa.Table:
        """End both streams and answer the rows that wait.

        While no right row (or schema) has come, the left rows come out without right columns.
        """
        self._refuse_after_end()
        self._ended = True
        if self._joint is not None:
            return self._joint.answered(everything=True)
        if self._left.schema is None:
            return pa.table({})
        rows = pa.concat_tables([self._left.schema.empty_table(), *self._left.waiting])
        self._left.waiting = []
        return rows

    def _push(self, stream: _Stream, batch: object) -> pa.Table:
        """Take rows of one side."""
        self._refuse_after_end()
        table = stream.read(batch)
        if self._joint is not None:
            self._joint.take(stream, table)
            return self._joint.answered()
        left = table.schema if stream is self._left else self._left.schema
        right = table.schema if stream is self._right else self._right.schema
        if left is None or right is None:
            self._refuse_too_many(table.num_rows)
            stream.schema = table.schema
            stream.rows_in += table.num_rows
            stream.waiting.append(table)
            return pa.table({}) if left is None else left.empty_table()
        return self._begin(left, right, stream, table)

    def _begin(
        self, left: pa.Schema, right: pa.Schema, stream: _Stream, table: pa.Table
    ) -> pa.Table:
        """Take the batch that makes the columns of both sides known, and those that wait."""
        joint = self._bound(left, right)
        other = self._right if stream is self._left else self._left
        both = [(stream, pa.concat_tables([*stream.waiting, table]))]
        if other.waiting:
            both.insert(0, (other, pa.concat_tables(other.waiting)))
        before = [(one.rows_in, one.schema) for one, _ in both]
        try:
            for one, rows in both:
                one.rows_in = 0
                joint.take(one, rows)
        except BaseException:
            for (one, _), (rows_in, schema) in zip(both, before, strict=True):
                one.rows_in, one.schema = rows_in, schema
                one.largest, one.late, one.rejected, one.left_out = None, 0, 0, []
            self._keys = self._fresh_keys()
            raise
        self._left.schema, self._right.schema = left, right
        self._left.waiting, self._right.waiting = [], []
        self._joint = joint
        return joint.answered()

    def _fresh_keys(self) -> Keys | None:
        """Forget all keys."""
        if self._keys is None:
            return None
        return Keys(self._rule.by, max_keys=self._keys.max_keys)

    def _bound(self, left: pa.Schema, right: pa.Schema) -> _Joint:
        """Bind the rule to the columns of both sides."""
        types = AsofTypes(self._rule, left, right)
        lateness = types.units_of(self._lateness, "lateness")
        if self._keys is not None:
            named = zip(self._rule.by, types.key_types, strict=True)
            self._keys.bind(pa.schema(list(named)))
        return _Joint(
            types,
            self._keys,
            (self._left, self._right),
            lateness,
            is_kept=self._is_kept,
            max_rows=self._max_rows,
            left=left,
        )

    def _refuse_after_end(self) -> None:
        """Refuse to go on after the end."""
        if self._ended:
            raise InputError("the input was ended by flush(); begin a new AsofJoin")

    def _refuse_too_many(self, n_rows: int) -> None:
        """Refuse rows that would be too many."""
        waiting = self._left.waiting + self._right.waiting
        held = sum(table.num_rows for table in waiting)
        _refuse_above(self._max_rows, held, n_rows)

    # ---------------------------------------------------------------------------------- looking

    def take_late(self, side: Side = "right") -> pa.Table:
        """Hand over the rows of a side that were left out since the last call.

        Parameters
        ----------
        side : {"right", "left"}, default "right"
            Whose rows.

        Returns
        -------
        pyarrow.Table
            In order of arrival: the columns of the side; ``row``, the number of the row since the
            start; ``reason``: "late", "null time" or "nan time"; of late ones ``late_by``, the
            watermark minus the time.

        Examples
        --------
        >>> import tidegate as tg
        >>> live = tg.AsofJoin(on="t", lateness=2, left_schema=pa.schema([("t", pa.int64())]))
        >>> live.push_right({"t": [9, 7, 5], "v": [1, 2, 3]}).num_rows
        0
        >>> live.take_late().to_pylist()
        [{'t': 5, 'v': 3, 'row': 2, 'reason': 'late', 'late_by': 2}]
        """
        if side not in ("left", "right"):
            raise InputError(f"side is {side!r}: give 'left' or 'right'")
        stream = self._left if side == "left" else self._right
        parts, stream.left_out = stream.left_out, []
        if stream.schema is None:
            return pa.table({})
        kind: pa.DataType = pa.null() if self._joint is None else self._joint.late_type
        return pa.concat_tables([_side_schema(stream.schema, kind).empty_table(), *parts])

    @property
    def watermark(self) -> Any:
        """No right rows before this time are expected; None before the first one.

        A number in the unit in which the sides are compared, or a numpy.datetime64.
        """
        return None if self._joint is None else self._joint.watermark_value()

    @property
    def stats(self) -> JoinStats:
        """Count what has become of the rows so far."""
        joint = self._joint
        sides = []
        for stream in (self._left, self._right):
            pending = sum(table.num_rows for table in stream.waiting)
            if joint is not None and stream is self._left:
                pending += joint.n_pending
            out = stream.late + stream.rejected
            used = stream.rows_in - out - pending
            sides.append(SideStats(stream.rows_in, used, stream.late, stream.rejected, pending))
        return JoinStats(*sides)


def _refuse_above(limit: int, held: int, more: int) -> None:
    """Refuse rows above a limit."""
    if held + more > limit:
        raise LimitError(
            f"{held} rows wait or are kept, and {more} more would pass max_rows = {limit}; push "
            "the side that is behind, give a tolerance or less lateness, or raise max_rows"
        )


def _side_schema(schema: pa.Schema, late_type: pa.DataType) -> pa.Schema:
    """Return the columns of rows that were left out."""
    more = [("row", pa.int64()), ("reason", pa.string()), ("late_by", late_type)]
    return pa.schema([*schema, *(pa.field(name, kind) for name, kind in more)])


class _Joint:
    """Both sides of a join whose columns are known."""

    def __init__(
        self,
        types: AsofTypes,
        keys: Keys | None,
        streams: tuple[_Stream, _Stream],
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
        self._schema = pa.schema([*left, *(field for _, field in types.taken)])
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

    def take(self, stream: _Stream, table: pa.Table) -> None:
        """Take rows of one side, all or none."""
        mark = None if self._keys is None else self._keys.mark()
        try:
            moments = self.types.moments(table, stream.side, self._keys)
            followed = self._follow(stream, moments)
            n_new = len(followed.kept) + (
                table.num_rows - len(moments.times) if stream.side == "left" else 0
            )
            _refuse_above(self._max_rows, len(self._store) + self.n_pending, n_new)
        except BaseException:
            if self._keys is not None and mark is not None:
                self._keys.rollback(mark)
            raise
        if stream.side == "left":
            self._take_left(table, followed)
        else:
            self._take_right(table, followed)
        self._put_aside(stream, table, followed)
        stream.largest = followed.largest
        stream.rows_in += table.num_rows

    def _follow(self, stream: _Stream, moments: Moments) -> _Followed:
        """Find out which rows are late."""
        times, n = moments.times, len(moments.times)
        rows = np.arange(n) if moments.rows is None else moments.rows
        is_float = self.types.is_float
        values: npt.NDArray[Any] = float_of_orders(times) if is_float else times
        late = np.zeros(n, np.bool_)
        marks = np.full(n, -np.inf if is_float else INT64_MIN, values.dtype)
        largest = stream.largest
        if self._lateness is not None and n:
            start = (-np.inf if is_float else INT64_MIN) if largest is None else largest
            _, largest = watermarks(
                values,
                None,
                self._lateness,
                largest is not None,
                start,
                marks,
                late.view(np.uint8),
            )
        elif n:
            newest = values.max().item()
            largest = newest if largest is None else max(largest, newest)
        if stream.promised > INT64_MIN:
            late |= times < stream.promised
            promised = np.array([stream.promised])
            marks = np.maximum(marks, float_of_orders(promised) if is_float else promised)
        if is_float:
            with np.errstate(over="ignore", invalid="ignore"):
                late_by = marks - values
        else:
            far = np.where(late, marks.view(np.uint64) - values.view(np.uint64), 0)
            late_by = np.minimum(far, INT64_MAX).astype(np.int64)
        return _Followed(rows[~late], moments, late, late_by, largest)

    def _take_left(self, table: pa.Table, followed: _Followed) -> None:
        """Let left rows wait."""
        moments, n_rows = followed.moments, table.num_rows
        times, timed = np.zeros(n_rows, np.int64), np.zeros(n_rows, np.bool_)
        codes = np.zeros(n_rows, np.int32)
        rows = slice(None) if moments.rows is None else moments.rows
        times[rows], timed[rows] = moments.times, True
        if moments.codes is not None:
            codes[rows] = moments.codes
        if followed.late.any():
            stays = np.ones(n_rows, np.bool_)
            stays[(np.arange(n_rows) if moments.rows is None else moments.rows)[followed.late]] = 0
            kept = np.flatnonzero(stays)
            table = _rows_of(table, kept)
            times, timed, codes = times[kept], timed[kept], codes[kept]
        if not len(times):
            return
        start = self._latest.view[-1] if self.n_pending else INT64_MIN
        latest = np.maximum.accumulate(np.where(timed, times, INT64_MIN))
        self._latest.append(np.maximum(latest, start))
        self._times.append(times)
        self._timed.append(timed)
        self._codes.append(codes)
        self._pending.append(table)

    def _take_right(self, table: pa.Table, followed: _Followed) -> None:
        """Store right rows."""
        moments = followed.moments
        columns = table.select([name for name, _ in self.types.taken])
        if len(followed.kept) < table.num_rows:
            columns = _rows_of(columns, followed.kept)
        stays = ~followed.late
        codes = None if moments.codes is None else moments.codes[stays]
        self._store.append(moments.times[stays], codes, columns.columns)

    def _put_aside(self, stream: _Stream, table: pa.Table, followed: _Followed) -> None:
        """Count the rows that are left out, and keep them."""
        moments, n_rows = followed.moments, table.num_rows
        rows = np.arange(n_rows) if moments.rows is None else moments.rows
        reasons = np.full(n_rows, -1, np.int8)
        by = np.zeros(n_rows, followed.late_by.dtype)
        by[rows] = followed.late_by
        if stream.side == "right" and moments.reasons is not None:
            reasons[moments.reasons != 1] = moments.reasons[moments.reasons != 1]
        reasons[rows[followed.late]] = LATE
        out = np.flatnonzero(reasons >= 0)
        if not len(out):
            return
        n_late = int(followed.late.sum())
        stream.late += n_late
        stream.rejected += len(out) - n_late
        if not self._is_kept:
            return
        schema = _side_schema(table.schema, self.late_type)
        is_late = (reasons[out] == LATE).astype(np.uint8)
        more: list[pa.Array[Any]] = [
            pa.array(stream.rows_in + out),
            pa.array([REASONS[reason] for reason in reasons[out]], pa.string()),
            as_array(by[out], is_late, self.late_type),
        ]
        stream.left_out.append(
            pa.Table.from_arrays([*_rows_of(table, out).columns, *more], schema=schema)
        )

    # ---------------------------------------------------------------------------------- answers

    def watermark(self, stream: _Stream) -> int:
        """The watermark of a side in the kernels' order; the smallest time before there is one."""
        mark = INT64_MIN
        if self._lateness is not None and stream.largest is not None:
            if self.types.is_float:
                behind = np.array([stream.largest - self._lateness], np.float64)
                mark = int(order_of_floats(behind, None)[0][0])
            else:
                mark = max(INT64_MIN, int(stream.largest - self._lateness))
        return max(mark, stream.promised)

    def watermark_value(self) -> Any:
        """The watermark of the right side as users read it."""
        order = self.watermark(self._right)
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
        return pa.concat_tables([self._schema.empty_table(), *parts])

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
        mark = self.watermark(self._right)
        if mark == INT64_MIN:
            return n_free
        return max(n_free, int(np.searchsorted(self._latest.view, mark, side=side)))  # type: ignore[call-overload]

    def _looked(self, n_rows: int) -> tuple[Index, npt.NDArray[np.bool_]]:
        """Match the first waiting rows forward or to the nearest; which of them are settled."""
        times, timed = self._times.view[:n_rows], self._timed.view[:n_rows]
        mark = self.watermark(self._right)
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
        assert is_sorted, "the store and the times rise"  # noqa: S101
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
            return self._schema.empty_table()
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
        columns = [*left.columns, *(pa.chunked_array([array]) for array in taken)]
        return pa.Table.from_arrays(columns, schema=self._schema)

    # --------------------------------------------------------------------------- what is forgotten

    def _forget(self) -> None:
        """Settle the right rows that are before all left rows to come, and drop what is behind."""
        reach = self.watermark(self._left)
        timed = self._timed.view
        if timed.any():
            reach = min(reach, int(self._times.view[timed].min()))
        before = min(reach, self.watermark(self._right))
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


def _rows_of(table: pa.Table, rows: Index) -> pa.Table:
    """Return rows of a table."""
    taken = Taker(table.columns, table.num_rows).take(rows)
    return pa.Table.from_arrays(taken, schema=table.schema)
