"""Rows on their way into a look-back: judged by the watermark, and let go in order of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.inorder import rises
from tidegate._kernels.ordered import OrderedRows
from tidegate.core.clocking import clock_of, far_flags, jump_of, keep_time
from tidegate.core.lookbacks.sorting import stable_order, taken
from tidegate.core.program import ROWS
from tidegate.core.state import DONE, array_of, recoded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.core.binding import Values
    from tidegate.core.columns import Numbers
    from tidegate.core.late import LeftRow
    from tidegate.core.plan import Plan
    from tidegate.core.program import Program

__all__ = ["LATE", "Arrivals", "KeptRows", "Waiting"]

LATE, NULL_TIME, NAN_TIME, NO_PLACE, FAR_AHEAD = range(5)  # the reasons of `late.REASONS`
_REASONS = np.array([NULL_TIME, LATE, NAN_TIME, FAR_AHEAD], np.uint8)  # by flag; LATE: none
WORTH_ROWS = 1 << 16  # to copy so many takes longer than to answer them apart
_ROWS_ALONE = [(ROWS, -1, -1, -1, -1, 0)]


class Arrivals(NamedTuple):
    """Rows of a batch that have a place, in order of arrival or of time."""

    order: Numbers  # (n_rows,) int64, times in the kernels' order
    codes: Numbers | None  # (n_rows,) int32
    columns: list[Values]

    def taken(self, rows: slice | npt.NDArray[Any]) -> Arrivals:
        """Pick rows, by number or by a mask, or those of a slice."""
        return Arrivals(
            self.order[rows],
            None if self.codes is None else self.codes[rows],
            [
                (None if values is None else values[rows], None if flags is None else flags[rows])
                for values, flags in self.columns
            ],
        )

    def in_time_order(self, threads: int) -> Arrivals:
        """Sort by time; rows of one time stay in order."""
        if rises(self.order):
            return self
        rows = stable_order(self.order, threads)

        def pick(values: Numbers | None) -> Numbers | None:
            """Pick the rows of a column, where there is one."""
            return None if values is None else taken(values, rows, threads)

        return Arrivals(
            taken(self.order, rows, threads),
            pick(self.codes),
            [(pick(values), pick(flags)) for values, flags in self.columns],
        )


class KeptRows(NamedTuple):
    """The state of a run, written down."""

    clock: tuple[int, int]  # the largest time and the watermark, in the kernels' order
    extra: dict[str, npt.NDArray[np.int64]]  # of the options of time, as `state.dump` has it
    waiting: tuple[Numbers, Numbers, list[tuple[Numbers, Numbers]]]  # times, codes, columns
    heads: Numbers
    sums: Numbers
    times: Numbers
    columns: list[tuple[Numbers, Numbers]]

    def mapped(self, places: Sequence[int], by: Callable[[Numbers], Numbers]) -> KeptRows:
        """Put other values into some of the columns; what is null becomes 0."""
        times, codes, waiting = self.waiting
        waiting, kept = list(waiting), list(self.columns)
        for columns in (waiting, kept):
            for at in places:
                values, flags = columns[at]
                there = flags != 0
                mapped = np.zeros(len(values), np.int64)
                mapped[there] = by(values[there])
                columns[at] = mapped, flags
        return self._replace(waiting=(times, codes, waiting), columns=kept)

    def recoded(self, codes: npt.NDArray[np.int32]) -> KeptRows:
        """Give the keys of rows other codes."""
        times, keys, columns = self.waiting
        heads = self.heads.reshape(-1, 5).copy()
        heads[:, 0] = codes[heads[:, 0]]
        extra = {name: recoded(name, values, codes) for name, values in self.extra.items()}
        return self._replace(
            waiting=(times, codes[keys], columns), heads=heads.reshape(-1), extra=extra
        )


class Waiting:
    """The rows that wait, the watermark that they wait for, and those that it has let go.

    Parameters
    ----------
    plan : Plan
        With the options of time.
    program : Program
        Of the columns.
    time_type : pyarrow.DataType
        A timestamp, int64 or float64.

    Attributes
    ----------
    state : OrderedRows
        Judges the rows, as those of bars are judged.
    jump : Span or None
        How far ahead of the largest time a row may be.
    """

    def __init__(self, plan: Plan, program: Program, time_type: pa.DataType) -> None:
        self._plan = plan
        self._numerics = [numeric for _, numeric in program.columns]
        self._is_float = pa.types.is_floating(time_type)
        self.jump = jump_of(plan, time_type)
        self.state = OrderedRows(
            _ROWS_ALONE,
            [],
            [(0 if numeric is None else numeric, False) for numeric in self._numerics],
            bool(plan.by),
            (self._is_float, 0, 0, 1, 1, 0.0, 0.0),
            clock_of(plan, time_type),
            1,
            1,
        )
        keep_time(self.state, plan, time_type)

    def __len__(self) -> int:
        """How many rows wait, for the watermark or to be taken."""
        return self.state.n_waiting + self.state.n_ready

    # ------------------------------------------------------------------------------------ rows in

    def flags_of(self, order: Numbers, valid: Numbers | None) -> Numbers | None:
        """Give the flags of times, 3 for those that are too far ahead of the stream."""
        if self.jump is None or not len(order) or self._plan.time.watermark == "key":
            return valid
        flags = far_flags(self.state, order, valid, self.jump)
        return valid if flags is None else flags

    def reasons(self, times: Numbers, order: Numbers, valid: Numbers | None) -> Numbers | None:
        """Tell why rows are rejected where nothing waits, 0: they are not; None: none is.

        Parameters
        ----------
        times, order, valid : ndarray
            (n_rows,), as the user has them, in the kernels' order, and their flags.
        """
        flags = self.flags_of(order, valid)
        reasons = None if flags is None else _REASONS[flags]
        if self._is_float and np.isinf(times).any():
            reasons = np.zeros(len(times), np.uint8) if reasons is None else reasons
            reasons[np.isinf(times) & (reasons == 0)] = NO_PLACE
        return None if reasons is None or not reasons.any() else reasons

    def push(
        self, rows: Arrivals, valid: Numbers | None, n_keys: int, sources: Numbers | None
    ) -> None:
        """Let rows wait, in order of arrival; those that have no place go to `take_left`."""
        columns = [
            (
                None if values is None else np.ascontiguousarray(values),
                None if flags is None else np.ascontiguousarray(flags),
            )
            for values, flags in rows.columns
        ]
        order = np.ascontiguousarray(rows.order)
        status, _ = self.state.push(order, valid, rows.codes, n_keys, columns, sources=sources)
        if status != DONE:
            raise MemoryError("no memory for the rows that wait for the watermark")

    def take_left(self) -> tuple[list[LeftRow], int, int]:
        """Hand over the rows that have no place, and how many are late and rejected."""
        late, rejected = self.state.count_left()
        return self.state.take_left(), late, rejected

    # ----------------------------------------------------------------------------------- rows out

    def take(self) -> list[Arrivals]:
        """Hand over the rows whose time has come: stretches of them, one later than the other."""
        stretches: list[list[Arrivals]] = []
        by_key = self._plan.time.watermark == "key"  # these come by the rows that let them go
        for part in (self._part(*part) for part in self.state.take()):
            if stretches and (by_key or not _are_apart(stretches[-1][-1], part)):
                stretches[-1].append(part)
            else:
                stretches.append([part])
        return [_joined(parts) for parts in stretches]

    def _part(self, times: Any, codes: Any, columns: list[Any], n: int) -> Arrivals:
        """View the first n of some rows."""
        return Arrivals(
            array_of(times, np.int64)[:n],
            None if codes is None else array_of(codes, np.int32)[:n],
            [
                (
                    None if numeric is None else array_of(values, np.int64)[:n],
                    None if flags is None else array_of(flags, np.uint8)[:n],
                )
                for (values, flags), numeric in zip(columns, self._numerics, strict=True)
            ],
        )

    def close(self, watermark: int) -> None:
        """Let the rows before a time go; all for the largest there is."""
        if self.state.close(watermark) != DONE:
            raise MemoryError("no memory for the rows that the watermark has passed")

    # ------------------------------------------------------------------------------- state in, out

    def peek(self) -> tuple[Numbers, Numbers, list[tuple[Numbers, Numbers]]]:
        """Write the rows down that wait for the watermark."""
        times, codes, columns = self.state.peek()
        n = self.state.n_waiting
        return (
            array_of(times, np.int64),
            array_of(codes, np.int32),
            [
                (
                    array_of(values, np.int64),
                    np.ones(n, np.uint8) if flags is None else array_of(flags, np.uint8),
                )
                for values, flags in columns
            ],
        )

    def extra(self) -> dict[str, npt.NDArray[np.int64]]:
        """Write down what the options of time have the state know."""
        return {name: array_of(each, np.int64) for name, each in self.state.dump_extra().items()}

    def load(self, kept: KeptRows, n_keys: int) -> bool:
        """Take over the clocks, and rows that wait; False where it cannot be."""
        times, codes, columns = kept.waiting
        self.state.count_keys(n_keys)
        if len(codes) != len(times) or not self.state.let_wait(times, codes, columns):
            return False
        self.state.come_to(*kept.clock)
        return self.state.load_extra(kept.extra, n_keys)

    def lay_anew(self, waiting: tuple[Numbers, Numbers, list[tuple[Numbers, Numbers]]]) -> None:
        """Let other rows wait in place of those that do."""
        self.state.forget_waiting()
        self.state.let_wait(*waiting)


def _are_apart(before: Arrivals, after: Arrivals) -> bool:
    """Whether rows are answered apart: to copy them takes longer, and none have the same time."""
    is_much = max(len(before.order), len(after.order)) >= WORTH_ROWS
    return is_much and bool(before.order[-1] < after.order[0])


def _joined(parts: list[Arrivals]) -> Arrivals:
    """Put rows behind one another."""
    if len(parts) == 1:
        return parts[0]
    codes = [part.codes for part in parts if part.codes is not None]
    columns: list[Values] = []
    for pieces in zip(*(part.columns for part in parts), strict=True):
        values = [values for values, _ in pieces if values is not None]
        flags = None
        if any(flags is not None for _, flags in pieces):
            flags = np.concatenate(
                [
                    np.ones(len(part.order), np.uint8) if flags is None else flags
                    for part, (_, flags) in zip(parts, pieces, strict=True)
                ]
            )
        columns.append((np.concatenate(values) if values else None, flags))
    return Arrivals(
        np.concatenate([part.order for part in parts]),
        np.concatenate(codes) if codes else None,
        columns,
    )
