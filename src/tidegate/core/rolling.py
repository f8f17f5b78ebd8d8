"""Look-back windows: rows wait for the watermark, and are answered one by one in time order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.reorder import ReorderBuffer, rises
from tidegate._kernels.rolling import RollingState
from tidegate._kernels.watermarks import watermarks
from tidegate.core.batch import read_input
from tidegate.core.columns import (
    Numbers,
    as_array,
    column_index,
    plain_type,
    time_column,
    time_type,
    validity,
    value_column,
    value_type,
)
from tidegate.core.compiling import compile_program
from tidegate.core.durations import in_units
from tidegate.core.errors import (
    AggregateOverflowError,
    ColumnTypeError,
    InputError,
    LateRowError,
    LimitError,
    MergeError,
)
from tidegate.core.eventtime import INT64_MAX, INT64_MIN, float_of_orders, order_of_floats
from tidegate.core.failures import DisorderError
from tidegate.core.keys import Keys
from tidegate.core.late import LateSide
from tidegate.core.program import Program
from tidegate.core.run import Run, Stats
from tidegate.core.state import DISORDER, DONE, OVERFLOWED, array_of
from tidegate.core.tracing import TracedRun, is_traced
from tidegate.core.windows import Look, Rolling, look_of

if TYPE_CHECKING:
    from tidegate.core.plan import Plan

__all__ = ["KeptRows", "RollingRun", "Tied", "make_run", "roll_all"]

Column: TypeAlias = "tuple[Numbers | None, Numbers | None]"  # values, and flags; None: all valid
Left: TypeAlias = "tuple[int, int, int | float, int | float, int | float]"

NULL_TIME, NAN_TIME, FAR_TIME = 1, 2, 3  # the reasons of `late.REASONS`


def make_run(plan: Plan) -> Run:
    """Make the run of a plan, of the class that its window needs."""
    if isinstance(plan.window, Rolling):
        return RollingRun(plan)
    return TracedRun(plan) if is_traced(plan) else Run(plan)


class Arrivals(NamedTuple):
    """Rows of a batch that have a place, in order of arrival or of time."""

    order: Numbers  # (n_rows,) int64, times in the kernels' order
    codes: Numbers | None  # (n_rows,) int32
    columns: list[Column]

    def taken(self, rows: npt.NDArray[Any]) -> Arrivals:
        """Pick rows, by number or by a mask."""
        return Arrivals(
            self.order[rows],
            None if self.codes is None else self.codes[rows],
            [
                (None if values is None else values[rows], None if flags is None else flags[rows])
                for values, flags in self.columns
            ],
        )

    def in_time_order(self) -> Arrivals:
        """Sort by time; rows of one time stay in order."""
        return self if rises(self.order) else self.taken(np.argsort(self.order, kind="stable"))


class KeptRows(NamedTuple):
    """The state of a run, written down."""

    clock: tuple[int | float | None, int | float | None, int]  # largest, promised, used
    waiting: tuple[Numbers, Numbers, list[tuple[Numbers, Numbers]]]  # times, codes, columns
    heads: Numbers
    sums: Numbers
    times: Numbers
    columns: list[tuple[Numbers, Numbers]]


class Tied:
    """A plan with a look-back, the types of its columns, and the running state.

    Parameters
    ----------
    plan : Plan
        What to compute.
    schema : pyarrow.Schema
        The columns of the input; more than the plan reads do no harm.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError
        If a column is not there or of a type that its use does not allow.
    DurationError, WindowError
        If the window or the lateness does not fit the type of the times.
    """

    def __init__(self, plan: Plan, schema: pa.Schema) -> None:
        self.plan = plan
        self.window = _rolling(plan)
        self.time_type = time_type(schema, plan.on)
        self.is_float = pa.types.is_floating(self.time_type)
        self.look: Look = look_of(self.window, self.time_type)
        self.lateness = self._lateness()
        self._computed = {
            name for _, item in plan.results if item.function != "count" for name in item.columns
        }
        self.types = {name: self._type_in(schema, name) for name in plan.values}
        self.program: Program = compile_program(
            dict(plan.results), self.types.__getitem__, self.time_type
        )
        self.keys: Keys | None = None
        if plan.by:
            self.keys = Keys(plan.by, max_keys=plan.limits.max_keys)
            self.keys.bind(schema)
        key_types = [] if self.keys is None else self.keys.types
        known = {**self.types, **dict(zip(plan.by, key_types, strict=True))}
        known[plan.on] = self.time_type
        self.schema = pa.schema(
            [*(pa.field(name, known[name]) for name in plan.places), *self.program.fields]
        )
        self.late = LateSide([pa.field(name, known[name]) for name in plan.inputs], self.time_type)
        self.state = self._new_state()
        self.buffer = ReorderBuffer(len(self.program.columns))
        self._checked = schema

    def _lateness(self) -> int | float | None:
        """How far the watermark stays behind, in the unit of the times; None: it waits."""
        if self.plan.lateness is None:
            return None
        units = in_units(self.plan.lateness, self.time_type, "lateness")
        if units < 0:
            raise InputError(f"lateness is {self.plan.lateness!r}: give a duration from 0 on")
        return units

    def _type_in(self, schema: pa.Schema, name: str) -> pa.DataType:
        """Type of an input column; any will do where only its nulls count."""
        if name in self._computed:
            return value_type(schema, name)
        return plain_type(schema.field(column_index(schema, name)).type)

    def _new_state(self) -> RollingState:
        """Make a state without rows."""
        skip_nan = self.plan.nan == "missing"
        columns = [
            (1 if numeric is None else numeric, skip_nan and numeric == 0)
            for _, numeric in self.program.columns
        ]
        return RollingState(
            self.program.accs,
            [output[:4] for output in self.program.outputs],
            columns,
            self.keys is not None,
            (
                self.look.rows,
                self.look.size,
                self.look.size_f,
                self.look.is_float,
                self.look.has_left,
                self.look.has_right,
                self.look.has_peers,
            ),
            self.window.min_samples,
        )

    # ---------------------------------------------------------------------------------- the types

    def fits(self, schema: pa.Schema) -> bool:
        """Whether the columns of a batch have the types that are known."""
        try:
            self.check(schema)
        except ColumnTypeError:
            return False
        return True

    def check(self, schema: pa.Schema) -> None:
        """Refuse a batch whose columns are of other types than those before it.

        Raises
        ------
        ColumnNotFoundError, ColumnTypeError
            Naming the column.
        """
        if schema.equals(self._checked):
            return
        _check_type(self.plan.on, time_type(schema, self.plan.on), self.time_type)
        for name, known in self.types.items():
            _check_type(name, self._type_in(schema, name), known)
        if self.keys is not None:
            self.keys.bind(schema)
        self._checked = schema

    # ----------------------------------------------------------------------------------- the rows

    def columns_of(self, batch: pa.RecordBatch) -> list[Column]:
        """View the input columns of a batch."""
        columns: list[Column] = []
        for name, numeric in self.program.columns:
            if numeric is None:
                columns.append((None, validity(batch.column(name))))
            else:
                columns.append(value_column(batch, name))
        return columns

    def times_of(self, batch: pa.RecordBatch) -> tuple[Numbers, Numbers, Numbers | None]:
        """View the times of a batch: as they are, in the kernels' order, and their flags.

        Flags are 1 for a time that has a place, else 0 and the reasons but for "late" (see
        `late.REASONS`): here null is 0.
        """
        times, flags = time_column(batch, self.plan.on)
        if not self.is_float:
            return times, times, flags
        order, flags = order_of_floats(times, flags)
        far = np.isinf(times)
        if far.any():
            flags = np.ones(len(times), np.uint8) if flags is None else flags.copy()
            flags[far & (flags == 1)] = FAR_TIME
        return times, order, flags

    def numbers_of(self, order: Numbers) -> Numbers:
        """Give times in the kernels' order as the user has them."""
        return float_of_orders(order) if self.is_float else order

    def order_of(self, time: int | float) -> int:
        """Give one time in the kernels' order."""
        if not self.is_float:
            return int(time)
        return int(order_of_floats(np.array([time], np.float64), None)[0][0])

    def answer(self, rows: Arrivals, *, is_all: bool = False) -> pa.Table:
        """Compute the results of rows in time order.

        Raises
        ------
        AggregateOverflowError
            If an integer sum does not fit; the state is of no use any more.
        """
        n_keys = 1 if self.keys is None else self.keys.n_keys
        status = self.state.push(rows.order, rows.codes, n_keys, rows.columns, is_all)
        if status == OVERFLOWED:
            raise self._overflow(rows)
        if status == DISORDER:
            raise DisorderError("the times fall")
        if status != DONE:
            raise MemoryError("no memory for the rows that windows look back on")
        given = dict(zip(self.plan.by, self._keys_of(rows), strict=True))
        given[self.plan.on] = as_array(self.numbers_of(rows.order), None, self.time_type)
        columns = [given[name] for name in self.plan.places]
        for number, (values, flags) in enumerate(self.state.take()):
            words = array_of(values, self.program.word_of(number))
            valid = None if flags is None else array_of(flags, np.uint8)
            columns.append(as_array(words, valid, self.program.fields[number].type))
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _keys_of(self, rows: Arrivals) -> list[pa.Array[Any]]:
        """The key columns of rows."""
        if self.keys is None or rows.codes is None:
            return []
        return self.keys.take(rows.codes)

    def _overflow(self, rows: Arrivals) -> AggregateOverflowError:
        """Make the error for an integer sum that does not fit."""
        output, row = self.state.overflow()
        name, item = self.plan.results[output]
        time = as_array(self.numbers_of(rows.order[row : row + 1]), None, self.time_type)[0]
        key = ""
        if self.keys is not None and rows.codes is not None:
            values = [column[0].as_py() for column in self.keys.take(rows.codes[row : row + 1])]
            key = f" of key {tuple(values)!r}"
        return AggregateOverflowError(
            f"{name}: the sum of column {item.columns[0]!r} in the window of the row at {time}"
            f"{key} does not fit {self.program.fields[output].type}: cast the column to float64, "
            f"or make shorter windows"
        )

    # ------------------------------------------------------------------------------- state in, out

    def dump(self) -> tuple[Any, ...]:
        """Write the rows that wait, and those that are kept, down."""
        times, codes, columns = self.buffer.peek()
        waiting = (
            array_of(times, np.int64),
            array_of(codes, np.int32),
            [_kept(values, flags, len(self.buffer)) for values, flags in columns],
        )
        heads, sums, rows, kept = self.state.dump()
        return (
            waiting,
            np.frombuffer(heads, np.int64),
            np.frombuffer(sums, np.uint8),
            np.frombuffer(rows, np.int64),
            [
                (np.frombuffer(values, np.int64), np.frombuffer(flags, np.uint8))
                for values, flags in kept
            ],
        )

    def load(self, kept: KeptRows) -> bool:
        """Take over what was written down; False where it cannot be."""
        n_keys = 1 if self.keys is None else self.keys.n_keys
        times, codes, columns = kept.waiting
        if not rises(times) or len(codes) != len(times):
            return False
        if len(codes) and not (codes.min() >= 0 and codes.max() < n_keys):
            return False
        self.buffer.push(times, codes, columns)
        return self.state.load(kept.heads, kept.sums, kept.times, kept.columns, n_keys)


def _kept(values: Any, flags: Any, n: int) -> tuple[Numbers, Numbers]:
    """View a column of rows that wait."""
    valid = np.ones(n, np.uint8) if flags is None else array_of(flags, np.uint8)
    return array_of(values, np.int64), valid


def _rolling(plan: Plan) -> Rolling:
    """The window of a plan that is known to be a look-back."""
    if not isinstance(plan.window, Rolling):
        raise TypeError(f"{plan.window!r} is no look-back")
    return plan.window


def _check_type(column: str, given: pa.DataType, known: pa.DataType) -> None:
    """Refuse a column that has changed its type."""
    if given != known:
        raise ColumnTypeError(
            f"column {column!r} is {given}; it was {known} in the first batch: cast it"
        )


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
        self.push(_one_batch(rows.batches(INT64_MAX), rows.schema))

    def push_all(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Take several record batches as one: all of them or nothing."""
        given = list(batches)
        if given:
            self.push(_one_batch(given, given[0].schema))

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
            order, None if tied.keys is None else tied.keys.encode(batch), tied.columns_of(batch)
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
        """Take one event; tell whether results wait: they are computed when they are asked for."""
        tied = self._take_in(batch_of(self, row))
        mark = self._mark()
        is_due = mark is not None and tied.buffer.has_before(tied.order_of(mark))
        return is_due or bool(self.ready)

    def roll(self, batch: pa.RecordBatch) -> None:
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
        if codes is not None:  # the kernel sees the order of each key only
            rows = rows.in_time_order()
        try:
            table = tied.answer(rows, is_all=True)
        except DisorderError:
            table = tied.answer(rows.in_time_order(), is_all=True)
        self.ready.append(table)

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
            table = tied.answer(rows)
        except (AggregateOverflowError, MemoryError) as error:
            self.broken = error
            raise
        self.used += len(rows.order)
        self.ready.append(table)

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
        """Compute the results that are due."""
        if self.tied is not None and self.broken is None:
            self._release(self.tied)

    def take(self) -> pa.Table:
        """Hand over the results that are ready."""
        if self.tied is None:
            return super().take()
        self.settle()
        table = pa.concat_tables([self.tied.schema.empty_table(), *self.ready])
        if len(self.ready) == 1:
            table = self.ready[0]
        self.ready = []
        self.counts.windows += table.num_rows
        return table

    def take_late(self) -> pa.Table:
        """Hand over the rows on the side."""
        return super().take_late() if self.tied is None else self.tied.late.take()

    def refuse_merge(self) -> None:
        """Refuse: rows of one key that wait in two places have no order."""
        raise MergeError(f"merge: aggregators over {self.plan.window!r} cannot be merged yet")

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
        self.settle()
        ready = sum(table.num_rows for table in self.ready)
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


def _filled(columns: list[Column]) -> list[tuple[Numbers | None, Numbers | None]]:
    """View columns as the buffer takes them: in memory without gaps."""
    return [
        (
            None if values is None else np.ascontiguousarray(values),
            None if flags is None else np.ascontiguousarray(flags),
        )
        for values, flags in columns
    ]


def _one_batch(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """Put record batches together."""
    given = list(batches)
    if len(given) == 1:
        return given[0]
    table = pa.Table.from_batches(given, schema=schema).unify_dictionaries().combine_chunks()
    whole = table.to_batches()
    return whole[0] if whole else pa.RecordBatch.from_pylist([], schema=schema)


def roll_all(plan: Plan, rows: Any) -> tuple[Run, pa.Table]:
    """Run a plan over all rows at once.

    Parameters
    ----------
    plan : Plan
        Its window is a `Rolling`.
    rows : Input
        The rows.

    Notes
    -----
    Where nothing can be late, nothing waits: columns are read where they stand.
    """
    run = RollingRun(plan)
    batch = _one_batch(rows.batches(INT64_MAX), rows.schema)
    if plan.lateness is None:
        run.roll(batch)
    else:
        run.plan = replace(plan, limits=replace(plan.limits, max_look_back=2**31 - 1))
        run.push(batch)
        run.close(INT64_MAX)
    return run, run.take()
