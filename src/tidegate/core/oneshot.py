"""One shot: all rows at once, on one thread or several."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from tidegate._kernels.inorder import furthest_behind
from tidegate._kernels.window_state import least_time_of
from tidegate.core.aggregations import Aggregation
from tidegate.core.batch import read_input
from tidegate.core.errors import LeftOutWarning
from tidegate.core.eventtime import INT64_MAX, INT64_MIN
from tidegate.core.failures import DisorderError
from tidegate.core.lookbacks.rolling import make_run, roll_all
from tidegate.core.numbering import has_spans, traced
from tidegate.core.plan import make_plan
from tidegate.core.ranging import can_follow, counted, with_ranges
from tidegate.core.resultnames import expand
from tidegate.core.rollingwindow import Rolling
from tidegate.core.rowranges import keep_codes
from tidegate.core.rowviews import times_of
from tidegate.core.rowwindows import RowWindow
from tidegate.core.run import MAX_BATCH, Run, Stats
from tidegate.core.shares import run_shares
from tidegate.core.threads import n_threads
from tidegate.core.timekeeping import Timekeeping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.core.batch import Input
    from tidegate.core.bound import Bound
    from tidegate.core.durations import Duration
    from tidegate.core.limits import Limits
    from tidegate.core.plan import Late, Nan, Plan
    from tidegate.core.timekeeping import Clocking
    from tidegate.core.windows import AnyWindow

__all__ = ["Side", "aggregate"]

Data = TypeVar("Data")

SHORT_BATCH = 1 << 15  # rows until it is looked which windows are over


class Side:
    """What a one-shot run leaves beside its result; give one to `aggregate`.

    Attributes
    ----------
    late : pyarrow.Table or None
        Late and rejected rows, as `Aggregator.take_late` gives them.
    stats : Stats or None
        What has become of the rows.

    Examples
    --------
    >>> import tidegate as tg
    >>> side = tg.Side()
    >>> ticks = {"ts": [1, 25, 3]}
    >>> bars = tg.aggregate(
    ...     ticks, tg.Tumbling(10), tg.agg.rows(), on="ts", lateness=5, side=side
    ... )
    >>> side.late["ts"].to_pylist(), side.stats.late
    ([3], 1)
    """

    def __init__(self) -> None:
        self.late: pa.Table | None = None
        self.stats: Stats | None = None


def aggregate(
    data: Data,
    window: AnyWindow,
    /,
    *aggregations: Aggregation,
    on: str,
    by: str | list[str] | tuple[str, ...] | None = None,
    lateness: Duration | None = None,
    max_jump: Duration | None = None,
    allowed_lateness: Duration | None = None,
    watermark: Clocking = "stream",
    sources: str | None = None,
    idle: Duration | None = None,
    ttl: Duration | None = None,
    late: Late = "side",
    nan: Nan | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
    side: Side | None = None,
    lineage: bool = False,
    **named: Aggregation,
) -> Data:
    """Compute aggregations over event-time windows, in one call.

    Parameters
    ----------
    data : pyarrow Table, RecordBatch or RecordBatchReader, pandas or Polars DataFrame, dict, list
        The rows, in order of arrival; also anything with ``__arrow_c_stream__``, a dict of arrays,
        a list of dicts.
    window : Tumbling, Sliding, Edges, Calendar, Session, Count, Threshold or Rolling
        Which windows, in the unit of the time column or with one of their own.
    *aggregations : Aggregation
        Named after themselves, such as ``price_mean``.
    on : str
        The time column: timestamps of any unit, dates, integers, or floats.
    by : str or list of str, optional
        The key columns, of any Arrow type but nested ones; a null is a key.
    lateness : Duration, optional
        How far the watermark stays behind the largest time; by default it waits for the end, and
        nothing is late.
    max_jump : Duration, optional
        A row whose time is further than this ahead of the largest time before it is rejected.
    allowed_lateness : Duration, optional
        How much longer closed windows are held for corrections, as `Aggregator` has it; with
        `lateness` only.
    watermark : {"stream", "key"}, default "stream"
        Whose rows move the watermark. With "key" each key has one of its own: its windows close,
        and its rows are late, by its own rows, and `max_jump` is counted from its own largest time.
        The results come in the order of the rows that close them, of one row by window end.
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
        rejected do not count for that). An unfinished window of `Count` or `Threshold` ends with
        its key, as `Aggregator` has it.
    late : {"side", "drop", "raise"}, default "side"
        What to do with late rows.
    nan : {"value", "missing"}, optional
        Whether a NaN is a value or missing; by default missing for pandas, else a value.
    threads : int, optional
        At most how many threads to use, by default what the rows are worth; the result has the same
        bits for any number. Each takes whole windows, of a range of time, in whatever order rows
        come; of `Session`, `Count` and `Threshold` whole keys. One thread alone takes rows with
        null times or of several chunks, runs with `lateness` or another option of time, windows
        that rows make without keys, of few (fewer than 10,000 in the first 131,072 rows, or 16 a
        thread where these are out of order) or with aggregates of text, wide decimals or lists, and
        `Sliding` over float times or where windows overlap by more than a quarter of all time. Of
        `Rolling` each takes whole keys; without keys, rows one behind the other. Variances, and
        what is made of products (`var std sem cov corr slope skew kurt zscore`), are cut at some
        rows alone, every 16,384th, and for windows of more than 2,048 rows at every 8 to 16 window
        lengths.
    limits : Limits, optional
        How far the state may grow.
    side : Side, optional
        Gets the late and rejected rows and the counts.
    lineage : bool, default False
        Whether to tell the input rows of each window, in one more column ``row_ranges``: a list of
        ``start`` and ``stop``, half open, counted from 0; `trace` gives the rows back. Of a window
        with keys it is one range, from its first to its last row, with ``rows``, how many of these
        are its own: those whose columns are its ``key`` and whose time is ``from`` that of ``time``
        on, and ``before`` its end, in the unit of the column. Of `Count` and `Threshold` by keys
        there are several such ranges where rows of the key came in another order than their times.
        Ranges of `Rolling` have no ``time``: they are all rows of the key, and several where others
        of the key, which it does not look back on, came between.
        (All ranges are exact where the window has a `label` or a `max_duration`, and with the
        options of time but `lateness`.) It takes 3 to 15 % more time; with keys a quarter to three
        quarters more where windows have ten rows or fewer, and of `Count` and `Threshold` two
        fifths to a half where rows are out of order; of `Rolling`, with a range for each row, 1.3
        to 2 times the time, by keys far out of order up to 6, and without keys out of order far
        more: each window has a list of ranges.
    **named : Aggregation
        Named by keyword.

    Returns
    -------
    the kind of thing that came in
        The keys, ``window_start``, ``window_end`` (or the one edge that the window's `label` says,
        under the name of the time column), the aggregates; by window end, then by key in order of
        first appearance; `Count` and `Threshold` tell of the order of theirs. For
        `Rolling` the keys, the time, the aggregates, a row for each input row, in time order.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError, InputError
        If the input does not fit, or an option is not one.
    DurationError, WindowError
        If the window or the lateness does not fit the time column.
    LateRowError
        If a row is late and ``late="raise"``.
    LimitError
        If there are more keys, open windows or overlap than `limits` allows.
    AggregateOverflowError
        If an integer sum does not fit.

    Warns
    -----
    LeftOutWarning
        If rows were late or rejected and no `side` was given.

    Notes
    -----
    O(n_rows) whatever the overlap; one pass over the columns. Beside input and output it needs the
    open windows, at most 64 MiB for input that is roughly in order.

    Examples
    --------
    >>> import tidegate as tg
    >>> ticks = {"ts": [1, 3, 12], "price": [10.0, 11.0, 12.0]}
    >>> bars = tg.aggregate(ticks, tg.Tumbling(10), on="ts", close=tg.agg.last("price"))
    >>> bars["close"].tolist()
    [11.0, 12.0]
    """
    plan = make_plan(
        window,
        expand(aggregations, named),
        on=on,
        by=by,
        lateness=lateness,
        late=late,
        nan=nan or "value",
        limits=limits,
        time=Timekeeping(max_jump, allowed_lateness, watermark, sources, idle, ttl),
    )
    rows = read_input(data, plan.inputs)
    if nan is None:
        plan = replace(plan, nan=rows.nan)
    run, table = (_traced if lineage else _computed)(
        plan, rows, n_threads(threads, rows.n_rows or 0)
    )
    _tell_left_out(run, side)
    result: Data = rows.give_back(table)
    return result


def _computed(
    plan: Plan, rows: Input, threads: int, *, keeps_codes: bool = False
) -> tuple[Run, pa.Table]:
    """Run a plan over all rows; keep the codes of the keys, where that is asked for.

    Where the watermark waits for the end, windows are closed early on the guess that the rows are
    roughly in order: that keeps the state small, and in the cache. A row that proves the guess
    wrong makes the run begin again, this time with a look at the times ahead, and, of windows that
    rows make, with a lateness that lets no row be late.
    """
    if isinstance(plan.window, Rolling):
        return roll_all(plan, rows, threads)
    guesses = plan.lateness is None and rows.n_rows is not None
    can_close_ahead = _can_close_ahead(plan)
    if guesses and threads > 1 and plan.time.is_plain:
        done = _in_shares(plan, rows, threads, keeps_codes)
        if done is not None:
            return done
    while True:
        run = make_run(plan)
        bound = run.bind(rows.schema)
        if keeps_codes:
            keep_codes(bound)
        bound.state.guesses = guesses
        try:
            closes = can_close_ahead and not guesses
            return run, pa.concat_tables([*_results(run, rows, bound, closes=closes), _end(run)])
        except DisorderError:
            guesses = False
            if can_close_ahead and not bound.is_float:
                plan = replace(plan, lateness=_disorder(rows, bound))


def _traced(plan: Plan, rows: Input, threads: int) -> tuple[Run, pa.Table]:
    """Run a plan over all rows, and tell the rows of each window."""
    if isinstance(plan.window, Rolling):
        return roll_all(traced(plan), rows, threads)
    if rows.n_rows and can_follow(plan):
        run, table = _computed(counted(plan), rows, threads, keeps_codes=True)
        with_all = with_ranges(table, run, rows, plan, threads)
        if with_all is not None:
            return run, with_all
    can_share = isinstance(plan.window, RowWindow) and has_spans(plan)  # else lists are made
    return _computed(traced(plan), rows, threads if can_share else 1)


def _in_shares(
    plan: Plan, rows: Input, threads: int, keeps_codes: bool
) -> tuple[Run, pa.Table] | None:
    """Run a plan on several threads; None where the rows cannot be cut into shares."""
    batches = list(rows.batches(max(rows.n_rows or 0, 1)))
    if len(batches) != 1:
        return None
    run = Run(plan)
    bound = run.bind(rows.schema)
    if keeps_codes:
        keep_codes(bound)
    tables = run_shares(bound, batches[0], threads)
    if tables is None:
        return None
    table = pa.concat_tables(tables)
    run.counts.rows_in += batches[0].num_rows
    run.counts.windows += table.num_rows
    return run, table


def _results(run: Run, rows: Input, bound: Bound, *, closes: bool) -> Iterator[pa.Table]:
    """Push all rows, and hand over what is closed on the way, by times ahead too if it `closes`."""
    if rows.n_rows is None:
        for batch in rows.batches(MAX_BATCH):
            run.push(batch)
            yield run.take()
        return
    batches = list(rows.batches(SHORT_BATCH if closes else _batch_size(rows, run.plan)))
    horizons = _Horizons(bound, batches)
    for number, batch in enumerate(batches):
        run.push(batch, partial(horizons.after, number))
        if closes:
            run.close(horizons.after(number))
        yield run.take()


def _can_close_ahead(plan: Plan) -> bool:
    """Whether windows that rows make may close as soon as all rows to come are after them.

    Else all sessions would be open, and all rows of bars wait, at the end; windows of a grid ask
    for it themselves.
    """
    return isinstance(plan.window, RowWindow) and plan.lateness is None and plan.time.is_plain


def _disorder(rows: Input, bound: Bound) -> int | None:
    """Tell how far a time lies behind the largest one before it, at most, in units of the times.

    None where that is more than a duration can be.
    """
    largest, furthest = INT64_MIN, 0
    for batch in rows.batches(MAX_BATCH):
        _, order, valid = times_of(batch, bound)
        behind, largest = furthest_behind(order, valid, largest)
        furthest = max(furthest, behind)
    return None if furthest > INT64_MAX else furthest


def _end(run: Run) -> pa.Table:
    """Close every window and hand over what is left."""
    run.close(INT64_MAX)
    return run.take()


def _batch_size(rows: Input, plan: Plan) -> int:
    """Choose how many rows to push at a time: all, where nothing has to be made for each row."""
    if plan.by or not all(rows.is_plain(name) for name in plan.inputs):
        return MAX_BATCH
    return max(rows.n_rows or 0, 1)


class _Horizons:
    """The least times ahead, in the kernels' order: what no row of a later batch is before."""

    def __init__(self, bound: Bound, batches: list[pa.RecordBatch]) -> None:
        self._bound = bound
        self._batches = batches
        self._least: list[int] | None = None

    def after(self, number: int) -> int:
        """The least time of the batches after one; the first call looks at all times, once."""
        if self._least is None:
            self._least = [INT64_MAX] * len(self._batches)
            for at in range(len(self._batches) - 1, number, -1):
                _, order, valid = times_of(self._batches[at], self._bound)
                self._least[at - 1] = min(self._least[at], least_time_of(order, valid))
        return self._least[number]


def _tell_left_out(run: Run, side: Side | None) -> None:
    """Fill the side, or warn where there is none."""
    stats = run.stats
    if side is not None:
        side.late, side.stats = run.take_late(), stats
    elif stats.late or stats.rejected:
        warnings.warn(
            f"{stats.late} late and {stats.rejected} rejected of {stats.rows_in} rows are not in "
            f"the result: give side=tg.Side() to see them and the reason of each",
            LeftOutWarning,
            stacklevel=3,
        )
