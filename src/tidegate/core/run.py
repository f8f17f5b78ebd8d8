"""One run of a plan: batches in, tables out; what `Aggregator` and `aggregate` share."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from tidegate._kernels.counts import Counts
from tidegate._kernels.intake import HasIntake, Intake
from tidegate.core.batch import read_input
from tidegate.core.bound import Bound
from tidegate.core.errors import AggregateOverflowError, LimitError
from tidegate.core.eventtime import INT64_MIN
from tidegate.core.failures import failure_of
from tidegate.core.late import late_row_error
from tidegate.core.rangecolumns import OF_SPANS
from tidegate.core.rowrule import check_rows, first_late, late_bar_error
from tidegate.core.rowviews import Rows, rows_of, times_of
from tidegate.core.rowwindows import Session
from tidegate.core.sharing import fail_in_part, least_shared, may_be_shared, push_shared
from tidegate.core.state import (
    ASKS_LATER,
    DONE,
    NEEDS_EDGES,
    TOO_MANY_KEPT,
    TOO_MANY_OPEN,
    dump,
    load,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tidegate.core.codes import Codes
    from tidegate.core.columns import Numbers
    from tidegate.core.plan import Plan
    from tidegate.core.state import OpenWindows

__all__ = ["MAX_BATCH", "Run", "Stats"]

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
        Rows without a time, with one whose window the type of the times cannot hold, or with one
        that is too far ahead.
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


class Run(HasIntake):
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
    intake : Intake or None
        Takes batches like the last one that was read where it stands; None before there was one,
        and where the state is another since.
    threads : int
        How many threads large batches may take.
    on_new_state : callable or None
        Called when whoever holds the state has to let go of it.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.bound: Bound | None = None
        self.counts = Counts()
        self.ready: list[pa.Table] = []
        self.broken: Exception | None = None
        self.threads = 1
        self.on_new_state: Callable[[], None] | None = None
        self._is_given = False
        self._holds_still = False  # codes may not change: a way back knows them

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
            self.let_go()
        else:
            bound.check(schema)
        return bound

    def push_input(self, data: object) -> None:
        """Take whatever the user has."""
        if isinstance(data, pa.RecordBatch) and data.num_rows <= MAX_BATCH:
            self.push(data)
            return
        if isinstance(data, pa.Table) and data.num_rows and self._is_known(data.schema):
            self.push_all(data.to_batches(max_chunksize=MAX_BATCH))
            return
        rows = read_input(data, self.plan.inputs)
        if rows.n_rows == 0:
            self.bind(rows.schema)
        self.push_all(rows.batches(MAX_BATCH))

    def _is_known(self, schema: pa.Schema) -> bool:
        """Whether a schema is the one that was checked last."""
        return self.bound is not None and schema.equals(self.bound.checked)

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
        if bound.texts:
            self.sweep_texts(bound)
        if not may_be_shared(self, bound, batch.num_rows):
            intake = self._intake_of(bound)
            if intake is not None and intake.take(batch, self):
                return
        if self.is_side_full(batch.num_rows):
            self._push_beside(bound, batch, later)
        else:
            self._push_rows(bound, batch, later)

    def _push_beside(
        self, bound: Bound, batch: pa.RecordBatch, later: Callable[[], int] | None
    ) -> None:
        """Take a batch whose rows may be too many for the side, or go back to before it."""
        self.settle()
        way_back, counts, n_ready = bound.mark(), self.counts.as_tuple(), len(self.ready)
        held, self._holds_still = self._holds_still, True
        try:
            self._push_rows(bound, batch, later)
        finally:
            self._holds_still = held
        most = self.plan.limits.max_late
        if bound.late.n_rows <= most:
            return
        bound.go_back(way_back)
        del self.ready[n_ready:]
        self.counts = Counts(*counts)
        self.let_go()
        raise LimitError(
            f"of the {batch.num_rows} rows from row {self.counts.rows_in} on so many are late or "
            f"rejected that more than max_late={most} would wait on the side: call take_late() "
            f'more often, choose late="drop", or raise the limit; nothing of the batch was taken'
        )

    def is_side_full(self, n_rows: int) -> bool:
        """Whether there may be no room on the side for so many rows more."""
        bound, most = self.bound, self.plan.limits.max_late
        return bound is not None and self.plan.late == "side" and bound.late.n_rows + n_rows > most

    def _push_rows(
        self, bound: Bound, batch: pa.RecordBatch, later: Callable[[], int] | None
    ) -> None:
        """Take a batch row by row."""
        rows = self._rows_of(batch, bound)
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
        before = self.bound, Counts(*self.counts.as_tuple()), len(self.ready)
        way_back = None if self.bound is None else self.bound.mark()
        self._holds_still = True
        try:
            for batch in chain((first, second), coming):
                self.push(batch)
        except BaseException:
            self.bound, self.counts, n_ready = before
            del self.ready[n_ready:]
            if self.bound is not None and way_back is not None:
                self.bound.go_back(way_back)
            self.broken = None
            self.let_go()
            raise
        finally:
            self._holds_still = False

    def _rows_of(self, batch: pa.RecordBatch, bound: Bound) -> Rows:
        """View a batch; where there are too many texts, without those that nothing refers to."""
        try:
            return rows_of(batch, bound)
        except LimitError:
            if self._holds_still:
                raise
            self.settle()
            bound.sweep_texts(always=True)
            return rows_of(batch, bound)

    def sweep_texts(self, bound: Bound) -> None:
        """Let go of texts that nothing refers to any more, if there are many."""
        if not self._holds_still and any(texts.has_doubled for texts in bound.texts.values()):
            self.settle()
            bound.sweep_texts()

    def _push(
        self, bound: Bound, batch: pa.RecordBatch, rows: Rows, later: Callable[[], int] | None
    ) -> None:
        """Take the rows of a batch."""
        rows = bound.without_far(rows)
        sources = bound.codes_of_sources(batch)
        check_rows(bound, rows, self.counts.rows_in)
        if self.plan.late == "raise":
            self._refuse_late(bound, batch, rows, sources)
        if bound.is_crowded():
            self._sweep(bound)
        if push_shared(self, bound, batch, rows):
            return
        mark, codes = self._codes_of(bound, batch)
        guard = self.guard(bound, len(rows.order))
        bound.state.first_row = self.counts.rows_in
        state, given = bound.state, (rows.order, rows.time_valid, codes, bound.n_keys, rows.columns)
        horizon: int | None = None
        known: Any = {} if sources is None else {"sources": sources}  # only grids follow sources
        status, n_taken = state.push(*given, **known)
        while status in (ASKS_LATER, NEEDS_EDGES):
            if status == NEEDS_EDGES:
                bound.cover(int(rows.order[n_taken]))
            else:
                horizon = INT64_MIN if later is None else later()
            status, n_taken = state.push(*given, n_taken, horizon, **known)
        if status != DONE:
            if bound.keys is not None and mark is not None and guard is not None:
                bound.keys.rollback(mark)
            self.fail(bound, status, n_taken, guard)
        if state.n_left:
            self.put_aside(bound, batch, rows.times)
        self.counts.rows_in += len(rows.order)

    def _intake_of(self, bound: Bound) -> Intake | None:
        """Find or make what takes the batches of the schema that was checked last."""
        if bound.places is None or not bound.is_laid or bound.is_special:
            return None
        if self.is_side_full(MAX_BATCH):
            self.intake = None
            return None
        if self.intake is None or self.intake.schema is not bound.checked:
            self.intake = Intake(
                bound.state,
                self.counts,
                self.ready,
                bound.tables,
                bound.checked,
                bound.places,
                pa.RecordBatch,
                pa.RecordBatch._export_to_c,
                min(least_shared(self, bound) - 1, MAX_BATCH),
                bound.keys,
                bound.arrays,
            )
        return self.intake

    def _codes_of(
        self, bound: Bound, batch: pa.RecordBatch
    ) -> tuple[list[int] | None, Codes | None]:
        """Give the codes of the keys of a batch, and how many there were before."""
        if bound.keys is None:
            return None, None
        mark = bound.keys.mark()
        try:
            return mark, bound.keys.encode(batch)
        except LimitError:
            if self.plan.time.ttl is None:
                raise
            self._sweep(bound, share=1.0)  # some may be forgotten
        mark = bound.keys.mark()
        return mark, bound.keys.encode(batch)

    def _sweep(self, bound: Bound, share: float = 0.5) -> None:
        """Forget the keys whose time is over."""
        self.settle()
        bound.sweep(share)
        self.let_go()

    def _refuse_late(
        self, bound: Bound, batch: pa.RecordBatch, rows: Rows, sources: Codes | None
    ) -> None:
        """Raise for the first late row, before anything is taken."""
        bound.cover_rows(rows)
        known: Any = {} if sources is None else {"sources": sources}  # only grids follow sources
        found = bound.head.rehearse(rows.order, rows.time_valid, **known)
        if found is not None and isinstance(self.plan.window, Session):
            self.settle()
            found = first_late(bound, batch, rows, sources)
            self.let_go()
        if found is not None:
            time = rows.times[found[0]].item()
            if not bound.has_window:
                raise late_bar_error(found, self.counts.rows_in, self.plan.on, time)
            raise late_row_error(found, self.counts.rows_in, self.plan.on, time)

    def guard(self, bound: Bound, n_rows: int) -> OpenWindows | None:
        """Write the state down where a limit is near, to be able to go back."""
        if n_rows + bound.n_waiting <= bound.state.rows_to_limit(bound.n_keys):
            return None
        self.settle()
        return dump(bound.state)

    def put_left_aside(self, bound: Bound, data: object) -> None:
        """Put the rows aside that were left out of what the user has, read where it stands."""
        if isinstance(data, pa.RecordBatch):
            self.put_aside(bound, data)
            return
        for batch in read_input(data, self.plan.inputs).batches(MAX_BATCH):  # a single one
            self.put_aside(bound, batch)

    def put_aside(self, bound: Bound, batch: pa.RecordBatch, times: Numbers | None = None) -> None:
        """Count the rows of a batch that were left out and put them on the side."""
        times = times_of(batch, bound)[0] if times is None else times
        late, rejected = bound.head.count_left()
        left = bound.head.take_left()
        if self.plan.late != "drop":
            base = self.counts.rows_in
            bound.late.add(batch, times, left, base, has_window=bound.has_window)
        self.counts.late += late
        self.counts.rejected += rejected
        if self.is_side_full(MAX_BATCH):
            self.let_go()  # those who take rows without asking for room

    def fail(
        self,
        bound: Bound,
        status: int,
        row: int,
        guard: OpenWindows | None = None,
        undone: str = "nothing of the batch was taken",
    ) -> None:
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
        undone : str
            What to say of going back there.
        """
        at = self.counts.rows_in + row
        if status in (TOO_MANY_OPEN, TOO_MANY_KEPT) and guard is not None:
            error = failure_of(status, bound, at, undone)
            bound.state = bound.new_state()
            load(bound.state, guard, bound.n_keys)
        else:
            self.broken = error = failure_of(status, bound, at)
        self.let_go()
        raise error

    def let_go(self) -> None:
        """Tell whoever holds the state to look it up again."""
        self.intake = None
        if self.on_new_state is not None:
            self.on_new_state()

    # -------------------------------------------------------------------------------- results out

    def close(self, watermark: int) -> None:
        """Close the windows that end up to a time in the kernels' order.

        Raises
        ------
        LimitError
            If the rows that this lets go pass one; nothing has changed then.
        """
        bound = self.bound
        if bound is None:
            return
        # Of parts no limit is near: see `may_be_shared`.
        guard = self.guard(bound, 0) if bound.n_waiting and bound.parts is None else None
        status = bound.close(watermark)
        if status != DONE and bound.parts is not None:
            fail_in_part(self, bound, bound.parts, status, 0)
        if status != DONE:
            self.fail(bound, status, -1, guard, "no time has passed")

    def settle(self) -> None:
        """Move the results that are ready out of the state."""
        bound = self.bound
        if bound is not None and (
            bound.head.n_results or bound.tables.has_raw or bound.filler is not None
        ):
            table = self._taken(bound)
            if table.num_rows:
                self.ready.append(table)

    def _taken(self, bound: Bound) -> pa.Table:
        """Take results out of the state; without windows that are too many to fill, no way on."""
        try:
            return bound.take_results()
        except (LimitError, AggregateOverflowError) as error:
            self.broken = error
            self.let_go()
            raise

    def take(self) -> pa.Table:
        """Hand over the results that are ready."""
        if self.bound is None:
            return self.empty
        table = self._taken(self.bound)
        if self.ready:
            table = pa.concat_tables([*self.ready, table])
            self.ready.clear()
        self.counts.windows += table.num_rows
        if self.bound.texts:
            self.sweep_texts(self.bound)
        return table

    @property
    def empty(self) -> pa.Table:
        """No results, of the types as far as they are known."""
        if self.bound is not None:
            return self.bound.tables.empty
        names = [*self.plan.places, *(name for name, _ in self.plan.results)]
        names = [name for name in names if name not in OF_SPANS[1:]]  # only the ranges are shown
        return pa.schema([pa.field(name, pa.null()) for name in names]).empty_table()

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
        if self.bound is None or self.bound.head.watermark is None:
            return None
        mark, type_ = self.bound.head.watermark, self.bound.time_type
        return np.datetime64(int(mark), type_.unit) if pa.types.is_timestamp(type_) else mark

    @property
    def stats(self) -> Stats:
        """What has become of the rows so far."""
        if self.bound is not None and self.bound.filler is not None and self.broken is None:
            self.settle()  # what came out between others counts too
        state = None if self.bound is None else self.bound.head
        ready = sum(table.num_rows for table in self.ready)
        if state is not None:
            ready += state.n_results
        mine = self.counts
        return Stats(
            rows_in=mine.rows_in,
            used=0 if state is None else state.used,
            late=mine.late,
            rejected=mine.rejected,
            pending=0 if self.bound is None else self.bound.n_waiting,
            windows=mine.windows + ready,
        )
