"""One run of a plan with a look-back: rows wait for the watermark, and are answered in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.watermarks import watermarks
from tidegate.core.batch import read_input
from tidegate.core.binding import Values
from tidegate.core.columns import Numbers
from tidegate.core.errors import AggregateOverflowError, LateRowError, LimitError
from tidegate.core.eventtime import INT64_MAX, INT64_MIN
from tidegate.core.failures import DisorderError
from tidegate.core.lookbacks.gathering import Gathered
from tidegate.core.lookbacks.lookback import Unmade
from tidegate.core.lookbacks.shares import answer_in_shares
from tidegate.core.lookbacks.tied import NULL_TIME, Arrivals, KeptRows, Tied
from tidegate.core.run import Run, Stats
from tidegate.core.state import array_of

if TYPE_CHECKING:
    from tidegate.core.plan import Plan

__all__ = ["RollingRun", "one_batch"]

Left: TypeAlias = "tuple[int, int, int | float, int | float, int | float]"


class RollingRun(Run):
    """One run of a plan with a look-back: batches in, tables out.

    Parameters
    ----------
    plan : Plan
        Its window is a `Rolling`.

    Attributes
    ----------
    tied : Tied or None
        None before the types of the columns are known.
    largest : int, float or None
        The largest time seen, as the user has it.
    promised : int, float or None
        What `close` has said of the watermark.
    used : int
        Rows that have been answered.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.tied: Tied | None = None
        self.largest: int | float | None = None
        self.promised: int | float | None = None
        self.used = 0
        self.unmade: list[Unmade] = []  # results behind those that are ready
        self._gathered: Gathered | None = None  # rows that came one by one

    # ------------------------------------------------------------------------------------ rows in

    def give_schema(self, schema: pa.Schema) -> None:
        """Fix the types before the first batch."""
        self.tied = Tied(self.plan, schema)
        self._is_given = True

    def tie(self, schema: pa.Schema) -> Tied:
        """Fix the types with the first batch that has rows, and hold later ones to them."""
        can_change = not self.counts.rows_in and not self._is_given
        if self.tied is None or (can_change and not self.tied.fits(schema)):
            self.tied = Tied(self.plan, schema)
        else:
            self.tied.check(schema)
        return self.tied

    def push_input(self, data: object) -> None:
        """Take whatever the user has, all of it or nothing."""
        if isinstance(data, pa.RecordBatch):
            self.push(data)
            return
        rows = read_input(data, self.plan.inputs)
        self.push(one_batch(rows.batches(INT64_MAX), rows.schema))

    def push_all(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Take several record batches as one: all of them or nothing."""
        given = list(batches)
        if given:
            self.push(one_batch(given, given[0].schema))

    def push(
        self,
        batch: pa.RecordBatch,
        later: Callable[[], int] | None = None,  # noqa: ARG002 - of the class
    ) -> None:
        """Take one record batch, all of it or nothing."""
        self._release(self._take_in(batch))

    def _take_in(self, batch: pa.RecordBatch) -> Tied:
        """Let the rows of a batch wait, all of them or none."""
        tied = self.tie(batch.schema)
        times, order, flags = tied.times_of(batch)
        late, marks, largest = self._late(tied, times, flags)
        if self.plan.late == "raise" and late is not None:
            raise self._late_error(late, times, marks)
        self._check_room(tied, batch.num_rows)
        rows = Arrivals(
            order,
            None if tied.keys is None else tied.keys.encode(batch),
            tied.columns_of(batch),
        )
        has_place = None if flags is None else flags == 1
        if late is not None:
            has_place = ~late if has_place is None else has_place & ~late
        if has_place is not None and not has_place.all():
            rows = rows.taken(has_place)
            self._put_aside(tied, batch, (times, flags), late, marks)
        rows = rows.in_time_order()
        tied.buffer.push(rows.order, rows.codes, _filled(rows.columns))
        self.largest = largest
        self.counts.rows_in += batch.num_rows
        return tied

    def push_row(self, row: Sequence[object], batch_of: Callable[..., pa.RecordBatch]) -> bool:
        """Take one event; tell whether results wait: they are computed when they are asked for.

        Where rows were gathered, `gather` comes first: they are taken before this one.
        """
        self.take_gathered()
        tied = self._take_in(batch_of(self, row))
        if self.plan.late == "raise":
            mark = self._mark()
            is_due = mark is not None and tied.buffer.has_before(tied.order_of(mark))
        else:
            self._gathered = Gathered(tied, self.largest, self.promised)
            is_due = self._gathered.is_due
        return is_due or bool(self.ready or self.unmade)

    def gather(self, row: Sequence[object]) -> bool | None:
        """Take one event that is as those before it, as `push_row`; None where it is not taken."""
        gathered = self._gathered
        if gathered is None or not gathered.take(row):
            return None
        return gathered.is_due or bool(self.ready or self.unmade)

    def take_gathered(self) -> None:
        """Let the rows that were gathered wait with the others."""
        gathered, self._gathered = self._gathered, None
        batch = None if gathered is None else gathered.batch()
        if batch is not None:
            self._take_in(batch)

    def roll(self, batch: pa.RecordBatch, threads: int = 1) -> None:
        """Take all rows that there are, at once, where nothing can be late."""
        tied = self.tie(batch.schema)
        times, order, flags = tied.times_of(batch)
        codes = None if tied.keys is None else tied.keys.encode(batch)
        rows = Arrivals(order, codes, tied.columns_of(batch))
        if flags is not None and not (flags == 1).all():
            rows = rows.taken(flags == 1)
            self._put_aside(tied, batch, (times, flags), None, None)
        self.counts.rows_in += batch.num_rows
        self.used += len(rows.order)
        if codes is not None or threads > 1:  # the kernel sees the order of each key only
            rows = rows.in_time_order()
        answers = answer_in_shares(tied, rows, threads)
        try:
            answers = answers or [tied.answer(rows, is_all=True)]
        except DisorderError:
            answers = [tied.answer(rows.in_time_order(), is_all=True)]
        for answer in answers:
            self._put(answer)

    def _late(
        self, tied: Tied, times: Numbers, flags: Numbers | None
    ) -> tuple[npt.NDArray[np.bool_] | None, Numbers | None, int | float | None]:
        """Tell which rows are late (None: none), the watermark at each, and the largest time."""
        late = np.zeros(len(times), np.bool_)
        if tied.lateness is None:
            if self.promised is None:
                return None, None, self.largest
            marks = np.full(len(times), self.promised, times.dtype)
            largest = self.largest
        else:
            marks = np.empty(len(times), times.dtype)
            is_known = self.largest is not None
            nowhere = -np.inf if tied.is_float else INT64_MIN
            so_far = nowhere if self.largest is None else self.largest
            is_known, so_far = watermarks(
                times, flags, tied.lateness, is_known, so_far, marks, late.view(np.uint8)
            )
            largest = so_far if is_known else None
        if self.promised is not None:
            np.maximum(marks, self.promised, out=marks)
            late = times < marks
            if flags is not None:
                late &= flags == 1
        return (late if late.any() else None), marks, largest

    def _late_error(
        self, late: npt.NDArray[np.bool_], times: Numbers, marks: Numbers | None
    ) -> LateRowError:
        """Make the error for the first late row where ``late="raise"``."""
        row = int(late.argmax())
        mark = None if marks is None else marks[row].item()
        return LateRowError(
            f"row {self.counts.rows_in + row} is late: its time {times[row].item()} in column "
            f"{self.plan.on!r} is before the watermark {mark}; nothing of the batch was taken. "
            f'Give more lateness, or late="side"'
        )

    def _check_room(self, tied: Tied, n_rows: int) -> None:
        """Refuse a batch that would make more rows be kept than the limit allows."""
        kept, limit = len(tied.buffer) + tied.state.n_kept, self.plan.limits.max_look_back
        if kept + n_rows > limit:
            raise LimitError(
                f"{kept} rows are kept, and {n_rows} more would be more than "
                f"max_look_back={limit}: choose a shorter look-back, less lateness or smaller "
                f"batches, or raise the limit; nothing of the batch was taken"
            )

    def _put_aside(
        self,
        tied: Tied,
        batch: pa.RecordBatch,
        stamps: tuple[Numbers, Numbers | None],
        late: npt.NDArray[np.bool_] | None,
        marks: Numbers | None,
    ) -> None:
        """Count the rows of a batch that have no place, and put them on the side."""
        times, flags = stamps
        left: list[Left] = []
        is_left = np.zeros(len(times), np.bool_) if late is None else late.copy()
        if flags is not None:
            is_left |= flags != 1
        for row in np.flatnonzero(is_left).tolist():
            if late is not None and late[row] and marks is not None:
                end = times[row].item()
                left.append((row, 0, self._start(tied, end), end, marks[row].item()))
            else:
                reason = NULL_TIME if flags is None else int(flags[row]) or NULL_TIME
                left.append((row, reason, 0, 0, 0))
        n_late = 0 if late is None else int(late.sum())
        self.counts.late += n_late
        self.counts.rejected += len(left) - n_late
        if self.plan.late != "drop":
            tied.late.add(batch, times, left, self.counts.rows_in, has_window=not tied.look.rows)

    def _start(self, tied: Tied, end: int | float) -> int | float:
        """Where the window of a late row begins."""
        if tied.is_float:
            return end - tied.look.size_f
        return max(int(end) - tied.look.size, INT64_MIN)

    # -------------------------------------------------------------------------------- results out

    def _release(self, tied: Tied, *, is_end: bool = False) -> None:
        """Answer the rows that the watermark has passed."""
        mark = self._mark()
        if not len(tied.buffer) or (mark is None and not is_end):
            return
        order = 0 if mark is None else tied.order_of(mark)
        times, codes, columns = tied.buffer.release(order, is_end)
        rows = Arrivals(
            array_of(times, np.int64),
            None if tied.keys is None else array_of(codes, np.int32),
            [
                (
                    None if numeric is None else array_of(values, np.int64),
                    None if flags is None else array_of(flags, np.uint8),
                )
                for (values, flags), (_, numeric) in zip(columns, tied.program.columns, strict=True)
            ],
        )
        if not len(rows.order):
            return
        try:
            answer = tied.answer(rows)
        except (AggregateOverflowError, LimitError, MemoryError) as error:
            self.broken = error
            raise
        self.used += len(rows.order)
        self._put(answer)

    def _put(self, answer: Unmade) -> None:
        """Have results wait, and functions of the user's be called when they are taken.

        They are called sooner where more values would wait for them than may be kept.
        """
        if not answer.is_due:
            self.ready.append(answer.table())
            return
        self.unmade.append(answer)
        if sum(some.n_values for some in self.unmade) > self.plan.limits.max_kept:
            self._make()

    def _mark(self) -> int | float | None:
        """The watermark, as the user has times."""
        mark = self.promised
        if self.largest is not None and self.tied is not None and self.tied.lateness is not None:
            reached = self.largest - self.tied.lateness
            reached = reached if self.tied.is_float else max(reached, INT64_MIN)
            mark = reached if mark is None else max(mark, reached)
        return mark

    def close(self, watermark: int) -> None:
        """Answer the rows before a time in the kernels' order; all for the largest there is."""
        tied = self.tied
        if tied is None:
            return
        if watermark == INT64_MAX:
            self._release(tied, is_end=True)
            return
        mark = tied.numbers_of(np.array([watermark], np.int64))[0].item()
        self.promised = mark if self.promised is None else max(self.promised, mark)
        self._release(tied)

    def settle(self) -> None:
        """Compute the results that are due, and call the functions of the user's."""
        if self.tied is not None and self.broken is None:
            self._release(self.tied)
        self._make()

    def _make(self) -> None:
        """Call the functions of the user's that results wait for."""
        while self.unmade:
            self.ready.append(self.unmade[0].table())
            del self.unmade[0]

    def take(self) -> pa.Table:
        """Hand over the results that are ready."""
        if self.tied is None:
            return super().take()
        self.settle()
        table = pa.concat_tables([self.empty, *self.ready])
        if len(self.ready) == 1:
            table = self.ready[0]
        self.ready = []
        self.counts.windows += table.num_rows
        return table

    @property
    def empty(self) -> pa.Table:
        """No results, of the types as far as they are known."""
        return super().empty if self.tied is None else self.tied.schema.empty_table()

    def take_late(self) -> pa.Table:
        """Hand over the rows on the side."""
        return super().take_late() if self.tied is None else self.tied.late.take()

    # ------------------------------------------------------------------------------------ looking

    @property
    def time_type(self) -> pa.DataType | None:
        """The type of the times; None before it is known."""
        return None if self.tied is None else self.tied.time_type

    @property
    def input_schema(self) -> pa.Schema | None:
        """The columns of the input; None before they are known."""
        return None if self.tied is None else self.tied.late.input_schema

    @property
    def watermark(self) -> Any:
        """The watermark as `Aggregator.watermark` gives it."""
        mark = self._mark()
        if mark is None or self.tied is None or not pa.types.is_timestamp(self.tied.time_type):
            return mark
        return np.datetime64(int(mark), self.tied.time_type.unit)

    @property
    def stats(self) -> Stats:
        """What has become of the rows so far."""
        if self.tied is not None and self.broken is None:
            self._release(self.tied)
        ready = sum(table.num_rows for table in self.ready)
        ready += sum(results.num_rows for results in self.unmade)
        return Stats(
            rows_in=self.counts.rows_in,
            used=self.used,
            late=self.counts.late,
            rejected=self.counts.rejected,
            pending=0 if self.tied is None else len(self.tied.buffer),
            windows=self.counts.windows + ready,
        )

    # ------------------------------------------------------------------------------- state in, out

    def dump(self, tied: Tied) -> KeptRows:
        """Write the state down."""
        self.settle()
        return KeptRows((self.largest, self.promised, self.used), *tied.dump())

    def load(self, tied: Tied, kept: KeptRows) -> bool:
        """Go on from what was written down; False where it cannot be."""
        self.tied = tied
        self.largest, self.promised, self.used = kept.clock
        return tied.load(kept)


def _filled(columns: list[Values]) -> list[tuple[Numbers | None, Numbers | None]]:
    """View columns as the buffer takes them: in memory without gaps."""
    return [
        (
            None if values is None else np.ascontiguousarray(values),
            None if flags is None else np.ascontiguousarray(flags),
        )
        for values, flags in columns
    ]


def one_batch(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """Put record batches together."""
    given = list(batches)
    if len(given) == 1:
        return given[0]
    table = pa.Table.from_batches(given, schema=schema).unify_dictionaries().combine_chunks()
    whole = table.to_batches()
    return whole[0] if whole else pa.RecordBatch.from_pylist([], schema=schema)
