"""A plan with a look-back, bound to the types of its columns, and the running state."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.rolling import RollingState
from tidegate.core.binding import Binding, Values
from tidegate.core.columns import Numbers, as_array, time_column
from tidegate.core.errors import AggregateOverflowError, LimitError
from tidegate.core.eventtime import float_of_orders, order_of_floats
from tidegate.core.failures import DisorderError
from tidegate.core.lookbacks.forgetting import Forgetting
from tidegate.core.lookbacks.labels import Labels
from tidegate.core.lookbacks.lookback import (
    LookMaker,
    Unmade,
    in_parts,
    looking_back,
    ordered_columns,
)
from tidegate.core.lookbacks.numbers import NUMBERS, RowNumbers
from tidegate.core.lookbacks.waiting import Arrivals, KeptRows, Waiting
from tidegate.core.making import Outputs
from tidegate.core.parts import read_parts
from tidegate.core.rangecolumns import OF_LOOKS, SpanColumn
from tidegate.core.rollingwindow import Look, Rolling, look_of
from tidegate.core.state import DISORDER, DONE, OVERFLOWED, TOO_MANY_KEPT, array_of
from tidegate.core.timekeeping import span_of

if TYPE_CHECKING:
    from tidegate.core.plan import Plan

__all__ = ["Tied"]


class Tied(Binding):
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
        super().__init__(plan, schema)
        self.program = looking_back(self.program)
        self._views = [
            (*column, part)
            for column, part in zip(self.program.columns, self.program.parts, strict=True)
            if column[0] not in NUMBERS
        ]
        self.numbers = RowNumbers(len(self.program.columns) - len(self._views))
        self.labels = self._new_labels()
        self._maker = LookMaker(self.program, self.labels, plan.limits.max_kept)
        self.window = _rolling(plan)
        self.look: Look = look_of(self.window, self.time_type)
        self._spans = None
        if any(field.type == OF_LOOKS for field in self.program.fields):
            self._spans = SpanColumn(plan, [self.known[name] for name in plan.by], None)
        self.schema = pa.schema(
            [*(pa.field(name, self.known[name]) for name in plan.places), *self._fields()]
        )
        self.forgetting = Forgetting(self)
        self.state = self.new_state()
        self._helpers: list[RollingState] = []
        self.waiting = Waiting(plan, self.program, self.time_type)

    def _fields(self) -> list[pa.Field[Any]]:
        """Give the fields of the results, of which spans have their keys beside them."""
        fields, spans = list(self.program.fields), self._spans
        if spans is not None:
            fields[-1] = fields[-1].with_type(spans.type)
        return fields

    def _new_labels(self) -> dict[str, Labels]:
        """Make labels for each column that goes by codes."""
        ordered = ordered_columns(self.program)
        return {
            name: Labels(texts, is_ordered=name in ordered)
            for name, texts in self.new_texts().items()
        }

    def new_state(self) -> RollingState:
        """Make a state without rows."""
        skip_nan = self.plan.nan == "missing"
        columns = [
            (1 if numeric is None else numeric, skip_nan and numeric == 0)
            for _, numeric in self.program.columns
        ]
        state = RollingState(
            self.program.accs,
            list(self.program.outputs),
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
            self.plan.limits.max_kept,
        )
        if self.plan.time.ttl is not None:
            state.forget_keys(*span_of(self.plan.time.ttl, self.time_type, "ttl"))
        return state

    def helper(self, number: int) -> RollingState:
        """Give one of the states that keys are lent to, which have none of their own."""
        while number >= len(self._helpers):
            self._helpers.append(self.new_state())
        return self._helpers[number]

    # ----------------------------------------------------------------------------------- the rows

    def times_of(self, batch: pa.RecordBatch) -> tuple[Numbers, Numbers, Numbers | None]:
        """View the times of a batch: as they are, in the kernels' order, and their flags."""
        times, flags = time_column(batch, self.plan.on)
        if not self.is_float:
            return times, times, flags
        order, flags = order_of_floats(times, flags)
        return times, order, flags

    def codes_of_sources(self, batch: pa.RecordBatch) -> Numbers | None:
        """Give the codes of the sources of the rows, where there are several."""
        if self.sources is None:
            return None
        codes = self.sources.encode(batch)
        self.waiting.state.origins_upto(self.sources.n_keys)
        return codes

    def columns_of(self, batch: pa.RecordBatch, threads: int = 1) -> list[Values]:
        """View the columns of a batch as the kernels take them.

        Raises
        ------
        InputError, LimitError
            If a column is damaged, or has too many different values.
        """
        if not self.labels:
            return read_parts(batch, self._views, {}, skip_nan=self.plan.nan == "missing")
        if any(labels.texts.has_doubled for labels in self.labels.values()):
            self.sweep()
        skip_nan = self.plan.nan == "missing"
        try:
            return read_parts(batch, self._views, self.labels, skip_nan=skip_nan, threads=threads)
        finally:
            self.follow()

    def numbered(self, rows: Arrivals) -> Arrivals:
        """Number all rows that there are, in order of arrival, unless they are."""
        n = len(self._views)
        if all(values is not None for values, _ in rows.columns[n:]):
            return rows
        numbers = self.numbers.of(0, len(rows.order), rows.codes, self.n_keys)
        return rows._replace(columns=[*rows.columns[:n], *numbers])

    def numbers_of(self, order: Numbers) -> Numbers:
        """Give times in the kernels' order as the user has them."""
        return float_of_orders(order) if self.is_float else order

    def order_of(self, time: int | float) -> int:
        """Give one time in the kernels' order."""
        if not self.is_float:
            return int(time)
        return int(order_of_floats(np.array([time], np.float64), None)[0][0])

    def answer(self, rows: Arrivals, *, is_all: bool = False) -> Unmade:
        """Compute the results of rows in time order, but for what functions of the user's say.

        Raises
        ------
        AggregateOverflowError
            If a sum does not fit; the state is of no use any more.
        """
        status = self.state.push(rows.order, rows.codes, self.n_keys, rows.columns, is_all)
        if status != DONE:
            raise self.failure(status, rows, self.state)
        return self.made(rows, self.taken(rows, self.state))

    def failure(self, status: int, rows: Arrivals | None, state: RollingState) -> Exception:
        """Make the error for rows that a state could not answer."""
        if status == OVERFLOWED and rows is not None:
            return self._overflow(rows, *state.overflow())
        if status == DISORDER:
            return DisorderError("the times fall")
        if status == TOO_MANY_KEPT:
            return LimitError(
                f"the lists of a batch would hold more than max_kept={self.plan.limits.max_kept} "
                f"values: choose a shorter look-back or smaller batches, or raise the limit"
            )
        return MemoryError("no memory for the rows that windows look back on")

    def made(self, rows: Arrivals, outputs: Outputs, threads: int = 1) -> Unmade:
        """Make results of what the kernels have computed of rows."""
        given: dict[str, Any] = dict(zip(self.plan.by, self._keys_of(rows, threads), strict=True))
        given[self.plan.on] = as_array(self.numbers_of(rows.order), None, self.time_type)
        places = [given[name] for name in self.plan.places]
        made = self._maker.columns(outputs, partial(self._place, rows), threads)
        if self._spans is not None:  # they come last
            keys = [given[name] for name in self.plan.by]
            made[-1] = _with_keys(self._spans, made[-1], keys)
        n_values = sum(map(len, outputs.lists.values()))
        return Unmade([*places, *made], self.schema, n_values)

    def taken(
        self, rows: Arrivals, state: RollingState, lists: dict[int, Numbers] | None = None
    ) -> Outputs:
        """Take what a state has computed of rows, and its lists where they were not taken."""
        outputs = state.take()
        if lists is None:
            numbers = filter(self.program.is_list, range(len(outputs)))
            lists = {number: array_of(state.take_lists(number), np.int64) for number in numbers}
        return Outputs(
            len(rows.order),
            rows.order,
            rows.order,
            rows.codes,
            [array_of(values, np.int64) for values, _ in outputs],
            [None if flags is None else array_of(flags, np.uint8) for _, flags in outputs],
            lists,
        )

    def _keys_of(self, rows: Arrivals, threads: int) -> list[Any]:
        """The key columns of rows."""
        keys, codes = self.keys, rows.codes
        if keys is None or codes is None:
            return []
        return in_parts(lambda part: keys.take(codes[part]), len(codes), threads)

    def _overflow(self, rows: Arrivals, output: int, row: int) -> AggregateOverflowError:
        """Make the error for an integer sum that does not fit."""
        result = self.program.result_of(output)
        name, item = self.plan.results[result]
        return AggregateOverflowError(
            f"{name}: the {item.function} of column {item.columns[0]!r} in "
            f"{self._place(rows, row)} does not fit {self.program.fields[result].type}: cast the "
            f"column to float64, or make shorter windows"
        )

    def _place(self, rows: Arrivals, row: int) -> str:
        """Tell of which window, and key, the result of a row is."""
        time = as_array(self.numbers_of(rows.order[row : row + 1]), None, self.time_type)[0]
        key = ""
        if self.keys is not None and rows.codes is not None:
            values = [column[0].as_py() for column in self.keys.take(rows.codes[row : row + 1])]
            key = f" of key {tuple(values)!r}"
        return f"the window of the row at {time}{key}"

    # ------------------------------------------------------------------------------- state in, out

    def dump(self) -> KeptRows:
        """Write the rows that wait, and those that are kept, down, with codes for labels."""
        self.sweep()
        written = self.written()
        for labels in self.labels.values():
            written = written.mapped(labels.texts.columns, labels.codes_of)
        return written

    def load(self, kept: KeptRows) -> bool:
        """Take over what was written down; False where it cannot be."""
        for labels in self.labels.values():
            n_codes = labels.texts.n_codes
            if not all(
                _are_codes(column, n_codes)
                for at in labels.texts.columns
                for column in (kept.waiting[2][at], kept.columns[at])
            ):
                return False
            kept = kept.mapped(labels.texts.columns, labels.of_codes)
        return self.load_labelled(kept)

    def written(self) -> KeptRows:
        """Write the rows that wait, and those that are kept, down."""
        heads, sums, rows, kept = self.state.dump()
        return KeptRows(
            self.waiting.state.clock,
            self.waiting.extra(),
            self.waiting.peek(),
            np.frombuffer(heads, np.int64),
            np.frombuffer(sums, np.uint8),
            np.frombuffer(rows, np.int64),
            [
                (np.frombuffer(values, np.int64), np.frombuffer(flags, np.uint8))
                for values, flags in kept
            ],
        )

    def load_labelled(self, kept: KeptRows) -> bool:
        """Take over rows with labels; False where it cannot be."""
        codes = kept.waiting[1]
        if len(codes) and not (codes.min() >= 0 and codes.max() < self.n_keys):
            return False
        return self.waiting.load(kept, self.n_keys) and self._load_kept(kept)

    def _load_kept(self, kept: KeptRows) -> bool:
        """Take over the rows that are kept; False where it cannot be."""
        return self.state.load(kept.heads, kept.sums, kept.times, kept.columns, self.n_keys)

    def busy_keys(self) -> npt.NDArray[np.int64]:
        """Give the codes of the keys of which rows are there, rising."""
        written = self.written()
        return np.union1d(written.heads[::5], written.waiting[1].astype(np.int64))

    def sweep(self) -> None:
        """Let go of the texts that no row refers to; the others get other labels."""
        if not self.labels:
            return
        written = self.written()
        for name, labels in self.labels.items():
            parts = [
                values[flags != 0]
                for at in labels.texts.columns
                for values, flags in (written.waiting[2][at], written.columns[at])
            ]
            swept, moves = labels.swept(np.unique(np.concatenate(parts)))
            self.labels[name] = swept
            written = written.mapped(swept.texts.columns, moves.of)
        self.begin_with(written)

    def follow(self) -> None:
        """Give the rows that are there the labels that their texts have now."""
        moves = {name: labels.take_moves() for name, labels in self.labels.items()}
        if all(moved is None for moved in moves.values()):
            return
        written = self.written()
        for name, moved in moves.items():
            if moved is not None:
                written = written.mapped(self.labels[name].texts.columns, moved.of)
        self.begin_with(written)

    def begin_with(self, written: KeptRows) -> None:
        """Go on with what was written down, in a new state; the clocks stay as they are."""
        self.state = self.new_state()
        self.waiting.lay_anew(written.waiting)
        if not self._load_kept(written):
            raise MemoryError("the rows of a look-back cannot be laid anew")


def _with_keys(spans: SpanColumn, ranges: Any, keys: list[Any]) -> Any:
    """Put keys beside the spans of results; what comes in chunks has the same ones."""
    if not isinstance(ranges, pa.ChunkedArray):
        return spans.with_keys(ranges, keys)
    chunks = zip(ranges.chunks, *(key.chunks for key in keys), strict=True)
    return pa.chunked_array([spans.with_keys(some, own) for some, *own in chunks], spans.type)


def _are_codes(column: tuple[Numbers, Numbers], n_codes: int) -> bool:
    """Whether the valid values of a column are codes below a number."""
    values, flags = column
    if len(values) != len(flags):
        return False
    there = values[flags != 0]
    return not len(there) or bool(there.min() >= 0 and there.max() < n_codes)


def _rolling(plan: Plan) -> Rolling:
    """The window of a plan that is known to be a look-back."""
    if not isinstance(plan.window, Rolling):
        raise TypeError(f"{plan.window!r} is no look-back")
    return plan.window
