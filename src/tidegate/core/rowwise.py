"""Rows that come one at a time: the road of `Aggregator.push_row`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tidegate._kernels.row_buffer import RowBuffer
from tidegate._kernels.row_steps import RowSteps
from tidegate.core.batch import read_input
from tidegate.core.decimals import unit_of, units_of
from tidegate.core.errors import ColumnTypeError, InputError
from tidegate.core.eventtime import number_of_time
from tidegate.core.rowrule import amounts_of
from tidegate.core.rowwindows import Count, RowWindow, Threshold
from tidegate.core.run import MAX_BATCH
from tidegate.core.state import DONE, NEEDS_EDGES, array_of

if TYPE_CHECKING:
    from tidegate.core.bound import Bound
    from tidegate.core.keys import Keys
    from tidegate.core.run import Run

__all__ = ["batch_of_row", "make_buffer", "take_buffer"]

_OTHER = 3  # in `RowBuffer`: not a number to Python


def batch_of_row(run: Run, row: Sequence[object]) -> pa.RecordBatch:
    """Make a batch of one row; its types are those of the run, or guessed from the values."""
    names = run.plan.event
    if len(row) != len(names):
        raise _wrong_length(row, names)
    values: dict[str, Any] = dict(zip(names, row, strict=True))
    fields = run.input_schema
    if fields is not None:
        return pa.RecordBatch.from_pydict(
            {name: _one(value, name, fields.field(name).type) for name, value in values.items()}
        )
    table = read_input([values], run.plan.inputs)
    schema = pa.schema(
        [f.with_type(pa.float64()) if pa.types.is_null(f.type) else f for f in table.schema]
    )
    return next(iter(table.batches(1))).cast(schema)


def _one(value: Any, name: str, type_: pa.DataType) -> pa.Array[Any]:
    """Make a column of one value, or raise its error."""
    cause: Exception | None = None
    try:
        column: pa.Array[Any] = pa.array([value], type_)
        # Arrow makes 0 of a Decimal of far too many digits.
        if not pa.types.is_decimal(type_) or value is None or column[0].as_py() == value:
            return column
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        cause = error
    raise ColumnTypeError(
        f"column {name!r} is {type_}; push_row got {value!r} ({type(value).__name__})"
    ) from cause


def make_buffer(
    run: Run, drain: Callable[[], None], alone: Callable[[tuple[object, ...]], bool]
) -> RowBuffer | None:
    """Make the buffer that gathers rows; None where each row has to be a batch of its own.

    Parameters
    ----------
    run : Run
        Where the rows go.
    drain : callable
        Called when rows must be taken; calls `take_buffer`.
    alone : callable
        Takes a row as a batch of its own, after those before it; tells whether results wait.

    Notes
    -----
    Windows of a grid tell ahead which time closes one: rows are gathered up to there. Where rows
    make the windows, or options say how time passes, each row goes into the state as it comes, so
    that `push_row` can tell what it has closed, and is raised where it is due; `alone` gets the
    few that need more: near a limit, or keys that may take the place of others.
    """
    bound = run.bound
    if bound is None or not bound.is_laid or run.plan.late == "raise":
        return None
    if run.is_side_full(MAX_BATCH):
        return None
    in_steps = isinstance(run.plan.window, RowWindow) or not run.plan.time.is_plain
    if in_steps and bound.texts:
        return None
    program = bound.program
    numerics = [
        numeric if part.kind == "words" else _OTHER
        for (_, numeric), part in zip(program.columns, program.parts, strict=True)
        if numeric is not None
    ]
    if len(numerics) < len(program.columns) or not program.reads_each_once(run.plan.values):
        return None
    reader = _Reader(bound)
    buffer = (RowSteps if in_steps else RowBuffer)(
        bound.state,
        bound.is_float,
        numerics,
        len(run.plan.by),
        {} if bound.keys is None else bound.keys.known,
        _no_keys if bound.keys is None else _coder(bound, bound.keys),
        reader.time,
        reader.value,
        drain,
    )
    if isinstance(buffer, RowSteps):
        buffer.set_out(alone, run.ready, bound.n_keys, run.counts)
        _tell_steps(buffer, bound)
    return buffer


def _coder(bound: Bound, keys: Keys) -> Callable[[tuple[object, ...]], int]:
    """Give what tells the code of a key; -1 where it is time to look which keys are still alive."""
    if bound.plan.time.ttl is None:
        return keys.code

    def code(key: tuple[object, ...]) -> int:
        """Tell the code of a key."""
        if bound.is_crowded() or keys.n_keys >= keys.max_keys:
            return -1
        return keys.code(key)

    return code


def _tell_steps(buffer: RowSteps, bound: Bound) -> None:
    """Tell a buffer what its plan asks of a row."""
    plan, window, jump = bound.plan, bound.plan.window, bound.jump
    if jump is not None and plan.time.watermark != "key":  # with those the kernels look themselves
        buffer.reject_far(*jump)
    if bound.sources is not None and plan.time.sources is not None:
        names = plan.event
        is_apart = plan.time.sources not in (*plan.by, *plan.values)
        at = names.index(plan.time.sources)
        buffer.follow(at, is_apart, bound.sources.known, bound.sources.code)
    if isinstance(window, Count | Threshold):
        buffer.wait_for(plan.limits.max_look_back)
    if isinstance(window, Threshold):
        places, most = amounts_of(bound, window)
        buffer.look_at_amounts(places, plan.nan == "missing", most)


def take_buffer(run: Run, buffer: RowBuffer) -> None:
    """Let the kernels take the rows that a buffer has gathered."""
    bound = run.bound
    if bound is None or not len(buffer):
        return
    for texts in bound.texts.values():
        texts.lay(bound.state)
    bound.state.first_row = run.counts.rows_in
    in_steps = isinstance(buffer, RowSteps)  # rows near a limit do not come here then
    guard = None if in_steps else run.guard(bound, len(buffer))
    status, n_taken = buffer.flush(bound.n_keys)
    while status == NEEDS_EDGES:
        bound.cover(buffer.time_at(n_taken))
        status, n_taken = buffer.flush(bound.n_keys, n_taken)
    if status != DONE and not in_steps:
        run.fail(bound, status, n_taken, guard)
    if bound.state.n_left:
        batch, times = bound.batch_of(*buffer.columns())
        run.put_aside(bound, _with_sources(bound, buffer, batch), times)
    n_before = len(buffer) - 1
    if status != DONE:  # the last row
        run.counts.rows_in += n_before
        run.fail(bound, status, n_taken - n_before)
    run.counts.rows_in += len(buffer)
    buffer.clear()
    if bound.texts and not bound.state.n_results:  # whether some wait is what push_row tells
        run.sweep_texts(bound)


def _with_sources(bound: Bound, buffer: RowBuffer, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Add the sources of rows to the other columns, where they are not among them."""
    name = bound.plan.time.sources
    if name is None or bound.sources is None or not isinstance(buffer, RowSteps):
        return batch
    if name in batch.schema.names:
        return batch
    sources = bound.sources.take(array_of(buffer.sources_of_rows(), np.int32))
    return batch.append_column(name, sources[0])


class _Reader:
    """Reads the values that a `RowBuffer` does not take as they are."""

    def __init__(self, bound: Bound) -> None:
        self._plan = bound.plan
        self._time_type = bound.time_type
        self._columns = [(*column, bound.types[column[0]]) for column in bound.program.columns]
        self._kinds = [part.kind for part in bound.program.parts]
        self._texts = bound.texts

    def time(self, time: object) -> int | float:
        """Read a time that is no plain number."""
        return number_of_time(time, self._time_type, self._plan.on)

    def value(self, column: int, value: Any) -> int | float:
        """Read a value that is no plain number of its column's kind, or raise its error.

        For column -1 the value is the whole row, which has a wrong length.
        """
        if column < 0:
            raise _wrong_length(value, self._plan.event)
        name, numeric, type_ = self._columns[column]
        kind = self._kinds[column]
        if kind == "codes":
            return self._texts[name].code(value, _one)
        if kind == "units":
            unit = unit_of(value, type_)
            return int(units_of(_one(value, name, type_), name)[0]) if unit is None else unit
        return _plain_number(value, numeric, name, type_)


def _plain_number(value: Any, numeric: int | None, name: str, type_: pa.DataType) -> int | float:
    """Convert a value to the int or float that its column holds, or raise a named error."""
    try:
        scalar = pa.scalar(value).cast(type_, safe=True)
        if numeric == 0:
            return float(scalar.cast(pa.float64()).as_py())
        if pa.types.is_boolean(type_) or pa.types.is_integer(type_):
            return int(scalar.as_py())
        return int(scalar.cast(pa.int64()).as_py())
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError) as error:
        raise ColumnTypeError(
            f"column {name!r} is {type_}; push_row got {value!r} ({type(value).__name__})"
        ) from error


def _wrong_length(row: Sequence[object], names: list[str]) -> InputError:
    """Make the error for a row with too many or too few values."""
    return InputError(
        f"push_row takes {len(names)} values ({', '.join(names)}), got {len(row)}: {row!r}"
    )


def _no_keys(key: tuple[object, ...]) -> int:
    """Stand in where a plan has no keys."""
    raise InputError(f"the plan has no keys, got {key!r}")
