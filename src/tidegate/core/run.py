"""One run of a plan: batches in, tables out; what `Aggregator` and `aggregate` share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from tidegate.core.batch import read_input
from tidegate.core.bound import Bound, Rows, rows_of, times_of
from tidegate.core.eventtime import INT64_MIN
from tidegate.core.failures import failure_of
from tidegate.core.late import late_row_error
from tidegate.core.state import ASKS_LATER, DONE, NOT_PLAIN, TOO_MANY_OPEN, dump, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tidegate.core.columns import Numbers
    from tidegate.core.plan import Plan
    from tidegate.core.state import OpenWindows

__all__ = ["MAX_BATCH", "Counts", "Run", "Stats"]

MAX_BATCH = 1 << 20  # rows taken at a time: bounds what key codes and flags need


class Stats(NamedTuple):
    """What has become of the rows; ``rows_in == used + late + rejected + pending``, always.

    Attributes
    ----------
    rows_in : int
        Rows that came.
    used : int
        Rows taken into account, those in a gap between windows too.
    late : int
        Rows whose windows were all closed.
    rejected : int
        Rows without a time, or with one whose window the type of the times cannot hold.
    pending : int
        Rows that wait to be looked at.
    windows : int
        Results handed out or ready.

    Examples
    --------
    >>> import tidegate as tg
    >>> live = tg.Aggregator(tg.Tumbling(10), tg.agg.rows(), on="t", lateness=0)
    >>> live.push({"t": [1, 12, 3]}).num_rows
    1
    >>> live.stats
    Stats(rows_in=3, used=2, late=1, rejected=0, pending=0, windows=1)
    """

    rows_in: int
    used: int
    late: int
    rejected: int
    pending: int
    windows: int


@dataclass(slots=True)
class Counts:
    """What a run counts beside its state."""

    rows_in: int = 0
    late: int = 0
    rejected: int = 0
    windows: int = 0  # results handed out


class Run:
    """A plan and all that has become of its rows.

    Parameters
    ----------
    plan : Plan
        What to compute.

    Attributes
    ----------
    bound : Bound or None
        None before the types of the columns are known.
    ready : list of pyarrow.Table
        Results that are not in the state any more.
    broken : Exception or None
        What has made the state unusable.
    on_new_state : callable or None
        Called when whoever holds the state has to let go of it.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.bound: Bound | None = None
        self.counts = Counts()
        self.ready: list[pa.Table] = []
        self.broken: Exception | None = None
        self.on_new_state: Callable[[], None] | None = None
        self._is_given = False

    # ------------------------------------------------------------------------------------ rows in

    def give_schema(self, schema: pa.Schema) -> None:
        """Fix the types before the first batch."""
        self.bound = Bound(self.plan, schema)
        self._is_given = True

    def bind(self, schema: pa.Schema) -> Bound:
        """Fix the types with the first batch that has rows, and hold later ones to them."""
        bound = self.bound
        can_change = not self.counts.rows_in and not self._is_given
        if bound is None or (can_change and not bound.fits(schema)):
            bound = self.bound = Bound(self.plan, schema)  # only empty batches came before
            self._let_go()
        else:
            bound.check(schema)
        return bound

    def push_input(self, data: object) -> None:
        """Take whatever the user has."""
        if isinstance(data, pa.RecordBatch) and data.num_rows <= MAX_BATCH:
            self.push(data)
            return
        rows = read_input(data, self.plan.inputs)
        if rows.n_rows == 0:
            self.bind(rows.schema)
        self.push_all(rows.batches(MAX_BATCH))

    def push(self, batch: pa.RecordBatch, later: Callable[[], int] | None = None) -> None:
        """Take one record batch, all of it or nothing.

        Parameters
        ----------
        batch : pyarrow.RecordBatch
            The rows.
        later : callable, optional
            Gives a time, in the kernels' order, that no row of a later batch is before; asked only
            where that lets windows be closed.
        """
        bound = self.bind(batch.schema)
        places = bound.places
        if places is not None and bound.is_laid and self._push_plain(bound, batch, places):
            return
        rows = rows_of(batch, bound)
        was_laid = bound.is_laid
        try:
            bound.lay_grid_on(rows)
            self._push(bound, batch, rows, later)
        except BaseException:
            if bound.is_laid != was_laid and not bound.state.used:
                bound.lay_grid(None)
            raise

    def push_all(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Take several record batches as one: all of them or nothing.

        Notes
        -----
        With more than one batch the open windows are written down before, to be able to go back.
        """
        coming = iter(batches)
        first, second = next(coming, None), next(coming, None)
        if first is None:
            return
        if second is None:
            self.push(first)
            return
        self.settle()
        before = self.bound, replace(self.counts), len(self.ready)
        way_back = None if self.bound is None else self.bound.mark()
        try:
            for batch in chain((first, second), coming):
                self.push(batch)
        except BaseException:
            self.bound, self.counts, n_ready = before
            del self.ready[n_ready:]
            if self.bound is not None and way_back is not None:
                self.bound.go_back(way_back)
            self.broken = None
            self._let_go()
            raise

    def _push(
        self, bound: Bound, batch: pa.RecordBatch, rows: Rows, later: Callable[[], int] | None
    ) -> None:
        """Take the rows of a batch."""
        if self.plan.late == "raise":
            self._refuse_late(bound, rows)
        mark, codes = None, None
        if bound.keys is not None:
            mark = bound.keys.mark()
            codes = bound.keys.encode(batch)
        guard = self.guard(bound, len(rows.order))
        state, given = bound.state, (rows.order, rows.time_valid, codes, bound.n_keys, rows.columns)
        status, n_taken = state.push(*given)
        if status == ASKS_LATER:
            horizon = INT64_MIN if later is None else later()
            status, n_taken = state.push(*given, n_taken, horizon)
        if status != DONE:
            if bound.keys is not None and mark is not None and guard is not None:
                bound.keys.rollback(mark)
            self.fail(bound, status, n_taken, guard)
        if state.n_left:
            self.put_aside(bound, batch, rows.times)
        self.counts.rows_in += len(rows.order)

    def _push_plain(self, bound: Bound, batch: pa.RecordBatch, places: tuple[int, ...]) -> bool:
        """Take the rows of a batch where they stand; False, and nothing taken, if they can't be."""
        n_rows = batch.num_rows
        guard = self.guard(bound, n_rows)
        _, rows = batch.__arrow_c_array__()  # type: ignore[no-untyped-call]
        status, n_taken = bound.state.push_plain(rows, places)
        if status == NOT_PLAIN:
            return False
        if status != DONE:
            self.fail(bound, status, n_taken, guard)
        if bound.state.n_left:
            self.put_aside(bound, batch, times_of(batch, bound)[0])
        self.counts.rows_in += n_rows
        return True

    def _refuse_late(self, bound: Bound, rows: Rows) -> None:
        """Raise for the first late row, before anything is taken."""
        found = bound.state.rehearse(rows.order, rows.time_valid)
        if found is not None:
            time = rows.times[found[0]].item()
            raise late_row_error(found, self.counts.rows_in, self.plan.on, time)

    def guard(self, bound: Bound, n_rows: int) -> OpenWindows | None:
        """Write the state down where the limit is near, to be able to go back."""
        if bound.state.n_open + n_rows <= self.plan.limits.max_open:
            return None
        if bound.state.n_results:
            self.ready.append(bound.take_results())
        return dump(bound.state)

    def put_aside(self, bound: Bound, batch: pa.RecordBatch, times: Numbers) -> None:
        """Count the rows of a batch that were left out and put them on the side."""
        late, rejected = bound.state.count_left()
        left = bound.state.take_left()
        if self.plan.late != "drop":
            bound.late.add(batch, times, left, self.counts.rows_in)
        self.counts.late += late
        self.counts.rejected += rejected

    def fail(self, bound: Bound, status: int, row: int, guard: OpenWindows | None = None) -> None:
        """Raise for a status of a kernel; go back to the guard, or nothing works after that.

        Parameters
        ----------
        bound : Bound
            Whose state stopped.
        status : int
            Not DONE.
        row : int
            Where it stopped, counted from the first row that is not counted yet.
        guard : OpenWindows, optional
            The state before the batch.
        """
        is_undone = status == TOO_MANY_OPEN and guard is not None
        error = failure_of(status, bound, self.counts.rows_in + row, is_undone=is_undone)
        if is_undone and guard is not None:
            bound.state = bound.new_state()
            load(bound.state, guard, bound.n_keys)
        else:
            self.broken = error
        self._let_go()
        raise error

    def _let_go(self) -> None:
        """Tell whoever holds the state to look it up again."""
        if self.on_new_state is not None:
            self.on_new_state()

    # -------------------------------------------------------------------------------- results out

    def close(self, watermark: int) -> None:
        """Close the windows that end up to a time in the kernels' order."""
        if self.bound is not None:
            status = self.bound.state.close(watermark)
            if status != DONE:
                self.fail(self.bound, status, 0)

    def settle(self) -> None:
        """Move the results that are ready out of the state."""
        if self.bound is not None and self.bound.state.n_results:
            self.ready.append(self.bound.take_results())

    def take(self) -> pa.Table:
        """Hand over the results that are ready."""
        if self.bound is None:
            names = [*self.plan.places]
            names += [name for name, _ in self.plan.results]
            return pa.schema([pa.field(name, pa.null()) for name in names]).empty_table()
        table = self.bound.take_results()
        if self.ready:
            table = pa.concat_tables([*self.ready, table])
            self.ready = []
        self.counts.windows += table.num_rows
        return table

    def take_late(self) -> pa.Table:
        """Hand over the rows on the side."""
        if self.bound is not None:
            return self.bound.late.take()
        fields: list[pa.Field[Any]] = [pa.field(name, pa.null()) for name in self.plan.inputs]
        fields += [pa.field("row", pa.int64()), pa.field("reason", pa.string())]
        fields += [pa.field(name, pa.null()) for name in ("window_start", "window_end", "late_by")]
        return pa.schema(fields).empty_table()

    # ------------------------------------------------------------------------------------ looking

    @property
    def time_type(self) -> pa.DataType | None:
        """The type of the times; None before it is known."""
        return None if self.bound is None else self.bound.time_type

    @property
    def input_schema(self) -> pa.Schema | None:
        """The columns of the input; None before they are known."""
        return None if self.bound is None else self.bound.late.input_schema

    @property
    def watermark(self) -> Any:
        """The watermark as `Aggregator.watermark` gives it."""
        if self.bound is None or self.bound.state.watermark is None:
            return None
        mark, type_ = self.bound.state.watermark, self.bound.time_type
        return np.datetime64(int(mark), type_.unit) if pa.types.is_timestamp(type_) else mark

    @property
    def stats(self) -> Stats:
        """What has become of the rows so far."""
        state = None if self.bound is None else self.bound.state
        ready = sum(table.num_rows for table in self.ready)
        if state is not None:
            ready += state.n_results
        mine = self.counts
        return Stats(
            rows_in=mine.rows_in,
            used=0 if state is None else state.used,
            late=mine.late,
            rejected=mine.rejected,
            pending=0,
            windows=mine.windows + ready,
        )
