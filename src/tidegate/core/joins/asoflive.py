"""Joins in time, bit by bit: two streams in, answers out when nothing can change them any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tidegate.core.errors import InputError, SnapshotError
from tidegate.core.eventtime import order_of_time
from tidegate.core.joins import asofsnapshot
from tidegate.core.joins.asofjoint import Joint, refuse_above
from tidegate.core.joins.asofrule import AsofTypes, make_rule
from tidegate.core.joins.asofstats import JoinStats, count_side
from tidegate.core.joins.asofstreams import Stream
from tidegate.core.keys import Keys
from tidegate.core.limits import Limits

if TYPE_CHECKING:
    from tidegate.core.durations import Duration
    from tidegate.core.joins.asofrule import AsofRule, Direction, Side
    from tidegate.core.joins.asofsnapshot import Saved

__all__ = ["AsofJoin"]

MAX_ROWS = 50_000_000


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
        self._left = Stream("left", names[0], self._rule.by, left_schema)
        self._right = Stream("right", names[1], self._rule.by, right_schema)
        self._joint: Joint | None = None
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
            If the columns of a side are not known yet, or it is NaN or NaT.
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
        if time != time:
            raise InputError(f"advance: {time!r} is no time")
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

    def _push(self, stream: Stream, batch: object) -> pa.Table:
        """Take rows of one side."""
        self._refuse_after_end()
        table = stream.read(batch)
        if self._joint is not None:
            self._joint.take(stream, table)
            return self._joint.answered()
        left = table.schema if stream is self._left else self._left.schema
        right = table.schema if stream is self._right else self._right.schema
        if left is None or right is None:
            n_waiting = self._left.n_waiting + self._right.n_waiting
            refuse_above(self._max_rows, n_waiting, table.num_rows)
            stream.schema = table.schema
            stream.rows_in += table.num_rows
            stream.waiting.append(table)
            return pa.table({}) if left is None else left.empty_table()
        return self._begin(left, right, stream, table)

    def _begin(
        self, left: pa.Schema, right: pa.Schema, stream: Stream, table: pa.Table
    ) -> pa.Table:
        """Take the batch that makes the columns of both sides known, and those that wait."""
        joint = self._bound(left, right)
        other = self._right if stream is self._left else self._left
        both = [(stream, pa.concat_tables([*stream.waiting, table]))]
        if other.waiting:
            both.insert(0, (other, pa.concat_tables(other.waiting)))
        before = [one.rows_in for one, _ in both]
        try:
            for one, rows in both:
                one.rows_in = 0
                joint.take(one, rows)
        except BaseException:
            for (one, _), rows_in in zip(both, before, strict=True):
                one.wait_again(rows_in)
            if self._keys is not None:
                self._keys = Keys(self._rule.by, max_keys=self._keys.max_keys)
            raise
        self._left.schema, self._right.schema = left, right
        self._left.waiting, self._right.waiting = [], []
        self._joint = joint
        return joint.answered()

    def _bound(self, left: pa.Schema, right: pa.Schema) -> Joint:
        """Bind the rule to the columns of both sides."""
        types = AsofTypes(self._rule, left, right)
        lateness = types.units_of(self._lateness, "lateness")
        if self._keys is not None:
            named = zip(self._rule.by, types.key_types, strict=True)
            self._keys.bind(pa.schema(list(named)))
        return Joint(
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

    # ------------------------------------------------------------------------------- state in, out

    def snapshot(self) -> bytes:
        """Write the whole state down; `restore` goes on from there as if nothing had happened.

        Returns
        -------
        bytes
            Versioned and checksummed; no pickle. O(rows that wait or are kept + keys + rows on the
            side).

        Raises
        ------
        InputError
            If the streams were ended by `flush`.
        """
        self._refuse_after_end()
        options = asofsnapshot.options_of(
            self._rule,
            self._lateness,
            is_kept=self._is_kept,
            max_rows=self._max_rows,
            keys=self._keys,
        )
        return asofsnapshot.write(options, self._keys, (self._left, self._right), self._joint)

    @classmethod
    def restore(cls, state: bytes) -> AsofJoin:
        """Go on from a snapshot.

        Parameters
        ----------
        state : bytes
            What `snapshot` returned.

        Raises
        ------
        SnapshotError
            If the bytes are truncated, altered, of another version, of an `Aggregator`, or no
            snapshot at all.

        Examples
        --------
        >>> import tidegate as tg
        >>> live = tg.AsofJoin(on="t")
        >>> live.push_right({"t": [3], "v": ["x"]}).num_rows
        0
        >>> again = tg.AsofJoin.restore(live.snapshot())
        >>> again.push_left({"t": [4]}).num_rows
        0
        >>> again.flush()["v"].to_pylist()
        ['x']
        """
        live: AsofJoin = asofsnapshot.load(state, cls._of)
        return live

    @classmethod
    def _of(cls, saved: Saved) -> AsofJoin:
        """Make a join of what a snapshot says."""
        options = dict(saved.options)
        most = options.pop("max_keys")
        limits = None if most is None else Limits(max_keys=most)
        live = cls(**options, limits=limits)
        if (live._keys is None) != (saved.keys is None):
            raise SnapshotError("the snapshot has keys where its join has none, or none of its")
        if live._keys is not None and saved.keys is not None:
            live._keys = Keys.load(saved.keys, live._rule.by, live._keys.max_keys)
        left, right = saved.sides[0].schema, saved.sides[1].schema
        if (saved.rows is None) != (left is None or right is None):
            raise SnapshotError("the snapshot has not the columns that its rows need")
        if left is not None and right is not None:
            live._joint = live._bound(left, right)
        for stream, side in zip((live._left, live._right), saved.sides, strict=True):
            asofsnapshot.fill(stream, side, live._joint)
        if live._joint is not None and saved.rows is not None:
            live._joint.load(*saved.rows)
        return live

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
        return stream.take_late(pa.null() if self._joint is None else self._joint.late_type)

    @property
    def watermark(self) -> Any:
        """No right rows before this time are expected; None before the first one.

        A number in the unit in which the sides are compared, or a numpy.datetime64.
        """
        return None if self._joint is None else self._joint.watermark_value()

    @property
    def stats(self) -> JoinStats:
        """Count what has become of the rows so far."""
        n_pending = 0 if self._joint is None else self._joint.n_pending
        return JoinStats(count_side(self._left, n_pending), count_side(self._right, 0))
