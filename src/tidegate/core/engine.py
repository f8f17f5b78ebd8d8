"""The engine, bit by bit: rows in, windows out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tidegate._kernels.intake import BatchTaker, by_intake
from tidegate._kernels.row_buffer import by_array
from tidegate.core import snapshot
from tidegate.core.aggregations import Aggregation
from tidegate.core.errors import InputError, MergeError
from tidegate.core.eventtime import INT64_MAX, order_of_time
from tidegate.core.lookbacks.merging import merge_looks
from tidegate.core.lookbacks.rolling import make_run
from tidegate.core.lookbacks.rollingrun import RollingRun
from tidegate.core.merging import merge
from tidegate.core.numbering import refuse_merge, traced
from tidegate.core.plan import make_plan
from tidegate.core.resultnames import expand
from tidegate.core.rowwise import batch_of_row, make_buffer, take_buffer
from tidegate.core.run import Run, Stats
from tidegate.core.threads import check_threads
from tidegate.core.timekeeping import Timekeeping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.core.durations import Duration
    from tidegate.core.limits import Limits
    from tidegate.core.plan import Late, Nan, Plan
    from tidegate.core.timekeeping import Clocking
    from tidegate.core.windows import AnyWindow

__all__ = ["Aggregator"]


class Aggregator(BatchTaker):
    """Event-time windows, fed bit by bit.

    The answer does not depend on how the rows were cut into batches: `push`, `push_row` and
    `tidegate.aggregate` agree to the last bit.

    Parameters
    ----------
    window : Tumbling, Sliding, Edges, Calendar, Session, Count, Threshold or Rolling
        Which windows, in the unit of the time column or with one of their own.
    *aggregations : Aggregation
        Named after themselves, such as ``price_mean``.
    on : str
        The time column: timestamps of any unit, integers, or floats.
    by : str or list of str, optional
        The key columns, of any Arrow type but nested ones; each key has windows of its own. A null
        is a key.
    lateness : Duration or None, default 0
        How far the watermark stays behind the largest time seen. None: it waits for `flush` (or
        `advance`), and nothing is ever late.
    max_jump : Duration, optional
        A row whose time is further than this ahead of the largest time before it is rejected, and
        does not move the watermark. Of a stream whose first row is wrong nothing can be known:
        the first time counts, whatever it is.
    allowed_lateness : Duration, optional
        How much longer closed windows are held for corrections. A row that comes behind the
        watermark, but not that far, lets each window of it that is closed come out again at once,
        by window end, after all that the rows before it have closed; the result has a column
        ``revision`` behind ``window_end``, 0 for the first time. A row is late where even that time
        is over for all of its windows. A result replaces those before it, of its key, whose windows
        lie within its own: of a grid the one of the same window. `Session` tells how one is
        corrected; `Count`, `Threshold` and `Rolling` have no corrections, for a late row would
        change every later window of theirs.
    watermark : {"stream", "key"}, default "stream"
        Whose rows move the watermark. With "key" each key has one of its own: its windows close,
        and its rows are late, by its own rows, and `max_jump` is counted from its own largest time.
        The results come in the order of the rows that close them (of `Count` and `Threshold`: that
        let the rows go that close them; of `Rolling`: that let them go), of one row by window end.
    sources : str, optional
        The column that tells where a row comes from. The watermark is then that of the slowest
        source, the one with the least largest time; a source counts from its first row on.
    idle : Duration, optional
        A source falls asleep, and does not count, while the largest time of the others is further
        than this ahead of its own; so a source that has gone quiet holds nothing up for good.
        The rows of the others tell, no clock on the wall.
    ttl : Duration, optional
        A key without open windows is forgotten when the watermark is further than this ahead of
        its last row, and its memory is used again. Where such a key comes back it is new: among
        results of one window it has its place by its first row since then (rows that are late or
        rejected do not count for that). An unfinished window of `Count` or `Threshold` does not
        keep its key: where the next row of the key, in order of time, is further than this after
        the last one, or the watermark is, the window comes out as at the end of input, and the key
        begins anew. So does a key of `Rolling`, whose rows before are not looked back on then.
    late : {"side", "drop", "raise"}, default "side"
        Late rows are kept for `take_late`, counted, or refused with their batch.
    nan : {"value", "missing"}, default "value"
        Whether a NaN is a value, which shows in its window, or missing like a null.
    limits : Limits, optional
        How far the state may grow.
    schema : pyarrow.Schema, optional
        The columns and their types, where they must be known before the first row comes.
    threads : int, default 1
        At most how many threads `push` and `flush` use; results and late rows have the same bits
        for any number, also where a snapshot goes on with another. Each takes whole windows of a
        batch that is roughly in order, and so long that the watermark passes the windows of all but
        the last thread. Of other batches with keys each takes whole keys, where that pays: with
        more than two threads, or for quantiles, modes and the like. Else, and with keys only, one
        takes the rows while another looks up the keys of those to come. Look-backs without keys
        are cut between rows whose windows lie within the batch; with keys each thread takes some
        of the keys. So it does of sessions and bars with 10,000 keys or more, of short sessions,
        and of bars where rows are out of order. One thread alone takes batches of less than 65,536
        rows (262,144 of sessions and bars, and of grids without keys), sessions and bars without
        keys, bars with `lineage`, `agg.custom` but in look-backs with keys, and, of other windows,
        text, bytes, wide decimals, `agg.collect` and all options of time but `lateness` and
        `max_jump`.
    lineage : bool, default False
        Whether to tell the input rows of each window, as `aggregate` does; rows are numbered in
        order of arrival from 0 on. It takes 1 to 15 % more time: while a window is open the ranges
        of its rows are kept, or its first row, its last one and how many they are, where it has one
        range with its key. With keys it takes a quarter more where windows have ten rows or fewer,
        and of `Count` and `Threshold` a quarter to a third where rows are out of order, as their
        numbers wait with them. Of `Rolling`, with a range for each row, it takes 1.3 to 3 times the
        time, by keys far out of order up to 6 times; without keys each window of rows out of order
        has a list of ranges.
    **named : Aggregation
        Named by keyword.

    Raises
    ------
    ColumnTypeError, InputError, WindowError
        If an option is not one; with `schema` also what does not fit it.

    Notes
    -----
    A row costs O(1), whatever the overlap of windows; memory follows the open windows. Kernels
    release the GIL. Not thread-safe: one aggregator belongs to one thread at a time.

    Examples
    --------
    >>> import tidegate as tg
    >>> live = tg.Aggregator(tg.Tumbling(10), on="t", lateness=2, total=tg.agg.sum("x"))
    >>> live.push({"t": [1, 4, 11], "x": [1.0, 2.0, 4.0]}).num_rows
    0
    >>> live.push({"t": [9, 12], "x": [8.0, 16.0]})["total"].to_pylist()
    [11.0]
    >>> live.flush()["total"].to_pylist()
    [20.0]
    """

    _run: Run

    def __init__(
        self,
        window: AnyWindow,
        /,
        *aggregations: Aggregation,
        on: str,
        by: str | list[str] | tuple[str, ...] | None = None,
        lateness: Duration | None = 0,
        max_jump: Duration | None = None,
        allowed_lateness: Duration | None = None,
        watermark: Clocking = "stream",
        sources: str | None = None,
        idle: Duration | None = None,
        ttl: Duration | None = None,
        late: Late = "side",
        nan: Nan = "value",
        limits: Limits | None = None,
        schema: pa.Schema | None = None,
        threads: int = 1,
        lineage: bool = False,
        **named: Aggregation,
    ) -> None:
        plan = make_plan(
            window,
            expand(aggregations, named),
            on=on,
            by=by,
            lateness=lateness,
            late=late,
            nan=nan,
            limits=limits,
            time=Timekeeping(max_jump, allowed_lateness, watermark, sources, idle, ttl),
        )
        self._begin(make_run(traced(plan) if lineage else plan), threads)
        if schema is not None:
            self._run.give_schema(schema)

    def _begin(self, run: Run, threads: int) -> None:
        """Begin where a run is."""
        run.threads = check_threads(threads)
        self.plan = run.plan
        self._run = run
        self._ended = False

    @classmethod
    def from_plan(cls, plan: Plan, *, threads: int = 1) -> Aggregator:
        """Begin anew with a plan."""
        return cls._of(make_run(plan), threads)

    @classmethod
    def _of(cls, run: Run, threads: int) -> Aggregator:
        """Go on with a run."""
        new = cls.__new__(cls)
        new._begin(run, threads)
        return new

    # ------------------------------------------------------------------------------------ rows in

    @by_intake
    def push(self, batch: object, /, *, take: bool = True) -> pa.Table:
        """Take a batch of rows and hand over the windows that it closed.

        Parameters
        ----------
        batch : object
            Arrow, pandas, Polars, a dict of arrays, a list of dicts.
        take : bool, default True
            False leaves the windows for `take` or a later push, which saves a table for each few
            of them; the table is empty then.

        Returns
        -------
        pyarrow.Table
            The keys, ``window_start`` and ``window_end`` in the type of the times (or the edge that
            the window's `label` says, under the name of the time column), the aggregates; by
            window end, then by key in order of first appearance. Windows that were closed
            before, and not taken, come first. For `Rolling`
            the keys, the time, the aggregates of the rows that the watermark has passed, in time
            order.

        Raises
        ------
        ColumnNotFoundError, ColumnTypeError, InputError
            If the batch does not fit; nothing of it is taken.
        LateRowError
            If a row is late and ``late="raise"``; nothing of the batch is taken.
        LimitError
            If it would open too many windows or keys, or too many rows would wait on the side;
            nothing of it is taken. If too many windows without rows would come out, the aggregator
            can't go on, `restore` a snapshot.
        AggregateOverflowError
            If an integer sum does not fit; the aggregator can't go on, `restore` a snapshot.

        Notes
        -----
        O(n_rows), one pass without a copy of 64-bit columns without nulls. A record batch of the
        schema of the last one, without keys, costs some 1 microsecond beside that, a dict of NumPy
        arrays half of it, and a table of results some 0.2 microseconds a column. A dict is read
        where it stands if its columns are contiguous arrays of 64 bits in the machine's byte order,
        the times in the unit of the last batch, without a time zone.

        Examples
        --------
        >>> import tidegate as tg
        >>> live = tg.Aggregator(tg.Tumbling(10), tg.agg.rows(), on="t")
        >>> for time in (1, 11, 21):
        ...     nothing = live.push({"t": [time]}, take=False)
        >>> live.take()["window_start"].to_pylist()
        [0, 10]
        """
        run = self._run
        self._settle()
        run.push_input(batch)
        if self._buffer is not None:
            self._buffer.clear()
        return run.take() if take else run.empty

    # ------------------------------------------------------------------------------- row by row

    @by_array
    def push_row(self, *row: object) -> bool:
        """Take one event.

        Parameters
        ----------
        *row : object
            The time, then the key values, then the source where there are `sources`, then the
            input columns in the order in which the aggregations name them; None is null. Times of
            timestamp columns: an int in the unit of the column, a datetime or a datetime64. The
            first row fixes the types, where neither `schema` nor a batch did before.

        Returns
        -------
        bool
            Whether windows with rows wait for `take`.

        Raises
        ------
        ColumnTypeError, InputError
            If a value does not fit its column; the row is not taken.

        Notes
        -----
        O(1), some 0.1 microseconds; 0.2 to 0.5 where rows make the windows, or options say how time
        passes; some 5 for `Rolling`. Rows are gathered a few thousand at a time; every other method
        sees them. Where that cannot be, a row costs what a batch of one row does, some 50
        microseconds: with ``late="raise"``, and in windows that rows make with aggregates of text.

        Examples
        --------
        >>> import tidegate as tg
        >>> live = tg.Aggregator(tg.Tumbling(10), tg.agg.sum("x"), on="t")
        >>> [live.push_row(t, 1.0) for t in (1, 9, 10)]
        [False, False, True]
        >>> live.take()["x_sum"].to_pylist()
        [2.0]
        """
        return self._push_slowly(row)

    def _push_slowly(self, row: tuple[object, ...]) -> bool:
        """Take one event where there is no buffer yet, or where there can be none."""
        run = self._run
        if isinstance(run, RollingRun):
            is_due = run.gather(row)
            if is_due is not None:
                return is_due
        self._settle()
        if isinstance(run, RollingRun):
            return run.push_row(row, batch_of_row)
        if run.bound is None:
            run.bind(batch_of_row(run, row).schema)
        buffer = make_buffer(run, self._drain, self._push_alone)
        if buffer is None:
            return self._push_alone(row)
        run.on_new_state = self._forget_buffer
        self._buffer = buffer
        return Aggregator.push_row(self, *row)

    def _push_alone(self, row: tuple[object, ...]) -> bool:
        """Take one event as a batch of its own, after all those before it."""
        self._settle()
        run = self._run
        run.push(batch_of_row(run, row))
        if self._buffer is not None:
            self._buffer.clear()
        return bool(run.ready) or (run.bound is not None and run.bound.state.n_results > 0)

    def _drain(self) -> None:
        """Let the kernels take the rows that `push_row` has gathered."""
        if self._buffer is not None:
            take_buffer(self._run, self._buffer)
        elif isinstance(self._run, RollingRun):
            self._run.take_gathered()

    def _forget_buffer(self) -> None:
        """Go back to the slow road of `push_row`, which looks at everything anew."""
        self._buffer = None

    # ---------------------------------------------------------------------------------- results out

    def take(self) -> pa.Table:
        """Hand over the windows that were closed and not taken yet, as `push` does."""
        self._settle()
        return self._run.take()

    def take_late(self) -> pa.Table:
        """Hand over the late and rejected rows since the last call.

        Returns
        -------
        pyarrow.Table
            In input order: the time, key and input columns; ``row``, the number of the row since
            the start; ``reason``: "late", "null time", "nan time", "time out of range" or
            "time too far ahead"; of late ones the last window they belong to and ``late_by``,
            watermark minus time.

        Examples
        --------
        >>> import tidegate as tg
        >>> live = tg.Aggregator(tg.Tumbling(10), tg.agg.rows(), on="t")
        >>> live.push({"t": [1, 12, 3]}).num_rows
        1
        >>> late = live.take_late().to_pylist()[0]
        >>> late["t"], late["row"], late["reason"], late["late_by"]
        (3, 2, 'late', 9)
        """
        self._drain()
        return self._run.take_late()

    def advance(self, time: object) -> pa.Table:
        """Promise that no row before `time` comes any more, and close what that closes.

        Parameters
        ----------
        time : int, float, datetime, numpy.datetime64 or pyarrow.Scalar
            In the unit of the time column where it is a number. An earlier time than the watermark
            changes nothing.

        Returns
        -------
        pyarrow.Table
            As `push`.

        Raises
        ------
        InputError
            If the types are not known yet.
        ColumnTypeError
            If it is no time of the type of the time column.

        Examples
        --------
        >>> import tidegate as tg
        >>> live = tg.Aggregator(tg.Tumbling(10), tg.agg.rows(), on="t", lateness=None)
        >>> live.push({"t": [1, 12]}).num_rows
        0
        >>> live.advance(10)["rows"].to_pylist()
        [1]
        """
        self._settle()
        time_type = self._run.time_type
        if time_type is None:
            raise InputError("advance: the types are not known yet; push rows, or give schema=")
        self._run.close(order_of_time(time, time_type, self.plan.on))
        if self._buffer is not None:
            self._buffer.clear()
        return self._run.take()

    def flush(self) -> pa.Table:
        """End the input: close every window and hand over what is left.

        Raises
        ------
        AggregateOverflowError
            If an integer sum does not fit.
        """
        self._settle()
        self._run.close(INT64_MAX)
        self._ended = True
        self._run.let_go()
        return self._run.take()

    def _settle(self) -> None:
        """Take what `push_row` has gathered; refuse to go on after the end or a failure."""
        if self._run.broken is not None:
            raise self._run.broken
        if self._ended:
            raise InputError("the input was ended by flush(); begin a new Aggregator")
        self._drain()

    # ------------------------------------------------------------------------------- state in, out

    def snapshot(self) -> bytes:
        """Write the whole state down; `restore` goes on from there as if nothing had happened.

        Returns
        -------
        bytes
            Versioned and checksummed; no pickle. O(open windows + keys + rows on the side).
        """
        self._settle()
        return snapshot.write(self._run)

    @classmethod
    def restore(
        cls, state: bytes, *, functions: Mapping[str, object] | None = None, threads: int = 1
    ) -> Aggregator:
        """Go on from a snapshot.

        Parameters
        ----------
        state : bytes
            What `snapshot` returned.
        functions : mapping of str to callable, optional
            The functions that `agg.custom` was given, by name: a snapshot does not hold them.
        threads : int, default 1
            At most how many threads to use from here on.

        Raises
        ------
        SnapshotError
            If the bytes are truncated, altered, of another version, or no snapshot at all.

        Examples
        --------
        >>> import tidegate as tg
        >>> live = tg.Aggregator(tg.Tumbling(10), tg.agg.rows(), on="t")
        >>> live.push({"t": [1, 4]}).num_rows
        0
        >>> tg.Aggregator.restore(live.snapshot()).flush()["rows"].to_pylist()
        [2]
        """
        return cls._of(snapshot.read(state, functions), threads)

    def merge(self, other: Aggregator) -> None:
        """Take over what another aggregator has, over other keys or other whole windows.

        Both first come to the later of the two watermarks. `other` is at its end after that.
        Results of `Rolling` that wait come in order of time, those of one time with `other`'s last.

        Raises
        ------
        MergeError
            If the plans or column types differ, or a window (of a key) is open in both; nothing
            is changed then but that windows may have been closed. Of `Rolling` if a key, or without
            keys anything, has rows in both.

        Examples
        --------
        >>> import tidegate as tg
        >>> both = [tg.Aggregator(tg.Tumbling(10), tg.agg.rows(), on="t", by="k") for _ in "ab"]
        >>> [live.push({"t": [1], "k": [k]}).num_rows for live, k in zip(both, "ab")]
        [0, 0]
        >>> both[0].merge(both[1])
        >>> both[0].flush()["k"].to_pylist()
        ['a', 'b']
        """
        if not isinstance(other, Aggregator) or other is self:
            raise MergeError(f"merge: give another Aggregator, not {other!r}")
        self._settle()
        other._settle()
        refuse_merge(self._run.plan)
        if isinstance(self._run, RollingRun) and isinstance(other._run, RollingRun):
            merge_looks(self._run, other._run)
        else:
            merge(self._run, other._run)
        self._run.let_go()
        other._run.let_go()
        other._ended = True

    # ------------------------------------------------------------------------------------- looking

    @property
    def watermark(self) -> Any:
        """No rows before this time are expected; None before the first row.

        A number in the unit of the time column, or a numpy.datetime64 for timestamps.
        """
        self._drain()
        return self._run.watermark

    @property
    def stats(self) -> Stats:
        """Count what has become of the rows so far."""
        self._drain()
        return self._run.stats
