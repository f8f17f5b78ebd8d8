"""A plan bound to the types of its columns: the kernels' state, and what gives it meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from tidegate._kernels.arrays import Arrays
from tidegate._kernels.row_state import RowState
from tidegate._kernels.window_state import WindowState
from tidegate.core.binding import Binding
from tidegate.core.clocking import clock_of, far_flags, jump_of, keep_time
from tidegate.core.columns import Numbers, as_array
from tidegate.core.columntypes import column_index, is_word, numpy_word, plain_type
from tidegate.core.edges import EdgeTable
from tidegate.core.eventtime import INT64_MAX, INT64_MIN, float_of_orders
from tidegate.core.filling import Filler, Filling, Places
from tidegate.core.grids import Grid, grid_of, is_laid_by_first, table_of
from tidegate.core.keys import Keys
from tidegate.core.making import array_of_words
from tidegate.core.parts import Part
from tidegate.core.program import WORDS
from tidegate.core.rangecolumns import SpanColumn
from tidegate.core.results import ResultTables
from tidegate.core.rowrule import lay_rule, state_class
from tidegate.core.rowviews import Rows
from tidegate.core.rowwindows import RowWindow, Session
from tidegate.core.state import OpenWindows, array_of, dump, load
from tidegate.core.timekeeping import span_of
from tidegate.core.windowparts import WindowParts
from tidegate.core.windows import Sliding

if TYPE_CHECKING:
    from tidegate._kernels.buffer import Buffer
    from tidegate.core.keyparts import KeyParts
    from tidegate.core.plan import Plan
    from tidegate.core.rowparts import RowParts

__all__ = ["FEWEST_SWEPT", "Bound", "WayBack"]


class WayBack(NamedTuple):
    """Where a binding stood."""

    windows: OpenWindows
    keys: tuple[Keys, list[int]] | None
    late: int
    first: int | float | None
    filling: Filling | None


FEWEST_SWEPT = 1024  # keys: fewer are not worth a look at who of them is still alive


class Bound(Binding):
    """A plan, the types of its columns, and the running state.

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
    DurationError, WindowError, LimitError
        If the window or the lateness does not fit the type of the times.
    """

    def __init__(self, plan: Plan, schema: pa.Schema) -> None:
        super().__init__(plan, schema)
        keys = {name: self.known[name] for name in plan.by}
        revision = [pa.field("revision", pa.int64())] if plan.time.allows else []
        raw = pa.schema(
            [
                *(pa.field(name, type_) for name, type_ in keys.items()),
                *(pa.field(name, self.time_type) for name in plan.edges),
                *revision,
                *self.program.fields,
            ]
        )
        self.sweep_at = FEWEST_SWEPT
        # What the kernels see of the columns; None: all of them are words.
        self.views: list[tuple[str, int | None, Part]] | None = None
        if not self.program.reads_words:
            pairs = zip(self.program.columns, self.program.parts, strict=True)
            self.views = [(*column, part) for column, part in pairs]
        self.texts = self.new_texts()
        self._raw_schema = raw
        self.tables = self.new_tables()
        self.schema = self.tables.empty.schema
        self.jump = jump_of(plan, self.time_type)
        self.first: int | float | None = None
        self.table = table_of(plan.grid_window, self.time_type)
        self.filler: Filler | None = None
        if plan.grid_window.empty != "skip":
            self.filler = Filler(plan, self.program.fields, Places(self._grid(), self.table))
        # Where the open windows are, if not in the head; rows used when they came back to it.
        self.parts: KeyParts | RowParts | None = None
        self.n_before = 0
        self.window_parts = WindowParts()
        self.head = self.new_state()
        self.n_keeping = self.head.n_keeping  # values that are kept of a row
        # Whether a batch may need more than its rows' way into the state.
        self.is_special = self.table is not None or self.filler is not None
        self.is_special |= not plan.time.is_plain
        self.is_special |= isinstance(plan.window, RowWindow)
        self.has_window = not isinstance(plan.window, RowWindow) or isinstance(plan.window, Session)
        self.places = self._places_in(schema)

    def sweep_texts(self, *, always: bool = False) -> None:
        """Let go of values that nothing refers to; results must have been taken."""
        for texts in self.texts.values():
            if always or texts.has_doubled:
                texts.sweep(self.state)

    @property
    def state(self) -> WindowState:
        """The state with all there is.

        `head` is the same one, but its open windows may be in parts: it knows of the clock, the
        counts, the results and the rows left out.
        """
        if self.parts is not None:
            parts, self.parts = self.parts, None
            parts.give_back(self)
            self.n_before = self.head.used
        return self.head

    @state.setter
    def state(self, state: WindowState) -> None:
        self.head, self.parts = state, None

    def new_tables(self) -> ResultTables:
        """Give what makes tables of the results of a state."""
        plan = self.plan
        told = None
        functions = {item.function for _, item in plan.results}
        if functions & {"row_first", "row_spans"}:
            keys = self._raw_schema.types[: len(plan.by)]
            column = SpanColumn(plan, keys, self.time_type)
            told = column.tell if "row_first" in functions else column.tell_each
        return ResultTables(
            self._raw_schema,
            self.program,
            self.texts,
            label=plan.grid_window.label,
            has_revisions=plan.time.allows,
            told=told,
        )

    @property
    def n_waiting(self) -> int:
        """How many rows wait for the watermark."""
        if self.parts is not None:
            return self.parts.n_waiting
        return self.head.n_waiting if isinstance(self.head, RowState) else 0

    # ----------------------------------------------------------------------------------- the grid

    @property
    def is_laid(self) -> bool:
        """Whether the grid is where it stays: with ``origin="first"`` the first row lays it."""
        return self.first is not None or not is_laid_by_first(self.plan.grid_window)

    def lay_grid(self, first: int | float | None) -> None:
        """Lay the grid of ``origin="first"`` from the first time on, before any row is used.

        None takes it back, for a batch that is refused after all.
        """
        self.first = first
        self.state.lay_grid(tuple(self._grid()))
        if self.filler is not None:
            self.filler.places = Places(self._grid(), self.table)

    def lay_grid_on(self, rows: Rows) -> None:
        """Lay the grid of ``origin="first"`` where it is not and one of the rows has a time."""
        if self.is_laid or not len(rows.times):
            return
        at = 0
        if rows.time_valid is not None:
            at = int(np.argmax(rows.time_valid == 1))
            if rows.time_valid[at] != 1:
                return
        self.lay_grid(rows.times[at].item())

    def _grid(self) -> Grid:
        """The grid, as far as the first row is known."""
        limits = self.plan.limits
        return grid_of(self.plan.grid_window, self.time_type, self.first, limits.max_overlap)

    @property
    def overlaps(self) -> bool:
        """Whether a row may be in several windows, or in none between two."""
        return isinstance(self.plan.window, Sliding)

    @property
    def reach(self) -> int:
        """How long windows are, on a grid of integers."""
        grid = self._grid()
        return grid.width * grid.per_size

    def cover(self, time: int) -> None:
        """Bring the window of a time into the table of boundaries, where windows have one."""
        if self.table is not None and self.table.cover(time):
            for state in self._states:
                self._lay_edges(state)

    def cover_rows(self, rows: Rows) -> None:
        """Bring the windows of all rows into the table, before any row is looked at."""
        times = rows.order if rows.time_valid is None else rows.order[rows.time_valid == 1]
        if self.table is not None and len(times):
            self.cover(int(times.min()))
            self.cover(int(times.max()))

    def cover_windows(self, windows: OpenWindows) -> None:
        """Bring open windows of another state into the table."""
        if self.table is not None and len(windows.panes):
            first, last = int(windows.panes.min()), int(windows.panes.max())
            if self.table.cover_windows(first, last):
                for state in self._states:
                    self._lay_edges(state)

    @property
    def _states(self) -> list[WindowState]:
        """The states there are."""
        parts = [] if self.parts is None else self.parts.states
        return [self.head, *parts, *self.window_parts.spares]

    def _lay_edges(self, state: WindowState) -> None:
        """Give a state the table of boundaries."""
        table = self.table
        if table is not None:
            has_gaps = isinstance(table, EdgeTable)
            state.lay_edges(table.edges, table.first, has_gaps, table.lowest, table.highest)

    def without_far(self, rows: Rows) -> Rows:
        """Take the time from rows that are further ahead than `max_jump` allows."""
        if self.jump is None or not len(rows.order) or self.plan.time.watermark == "key":
            return rows
        self._cover_late(rows)
        flags = far_flags(self.head, rows.order, rows.time_valid, self.jump)
        return rows if flags is None else rows._replace(time_valid=flags)

    def _cover_late(self, rows: Rows) -> None:
        """Bring the windows of rows behind the watermark, but ahead of all rows, into the table."""
        if self.table is None or isinstance(self.table, EdgeTable):
            return
        watermark, largest = self.head.watermark, self.head.largest
        largest = INT64_MIN if largest is None else largest
        if watermark is None or watermark <= largest:
            return
        is_between = (rows.order > largest) & (rows.order < watermark)
        if rows.time_valid is not None:
            is_between &= rows.time_valid == 1
        times = rows.order[is_between]
        if len(times):
            self.cover(int(times.min()))
            self.cover(int(times.max()))

    # ---------------------------------------------------------------------------------- the state

    def codes_of_sources(self, batch: pa.RecordBatch) -> Numbers | None:
        """Give the codes of the sources of the rows, where there are several."""
        if self.sources is None:
            return None
        codes = self.sources.encode(batch)
        self.state.origins_upto(self.sources.n_keys)
        return codes

    def is_crowded(self) -> bool:
        """Whether a look at who of the keys is still alive is due."""
        return (
            self.plan.time.ttl is not None
            and self.keys is not None
            and self.keys.n_keys >= self.sweep_at
        )

    def sweep(self, share: float = 0.5) -> None:
        """Forget the keys whose time is over; results must have been taken.

        Parameters
        ----------
        share : float
            What part of the keys has to be alive still for it not to be worth it.

        Notes
        -----
        O(n_keys + n_open). All that is kept of the keys is made anew, so that its memory goes back.
        """
        if self.plan.time.ttl is None or self.keys is None:
            return
        codes, ranks = (array_of(part, np.int64) for part in self.state.living())
        n_keys = self.keys.n_keys
        self.sweep_at = max(FEWEST_SWEPT, 2 * len(codes))
        if len(codes) > share * n_keys:
            return
        codes = codes[np.argsort(ranks)]
        new_codes = np.full(n_keys, -1, np.int32)
        new_codes[codes] = np.arange(len(codes), dtype=np.int32)
        windows = dump(self.state).kept_of(codes, new_codes)
        living = pa.Table.from_arrays(self.keys.take(codes), self.keys.names)
        self.keys = Keys.load(living, self.plan.by, self.plan.limits.max_keys)
        self.keys.bind(self.checked)
        self.state = self.new_state()
        load(self.state, windows, self.n_keys)

    def mark(self) -> WayBack:
        """Write down where things stand, for `go_back`; results must have been taken."""
        keys = None if self.keys is None else (self.keys, self.keys.mark())
        filling = None if self.filler is None else self.filler.state
        return WayBack(dump(self.state), keys, self.late.n_parts, self.first, filling)

    def go_back(self, way_back: WayBack) -> None:
        """Forget all that has happened since `mark`."""
        if way_back.keys is not None:
            self.keys, mark = way_back.keys  # it was another one, if some were forgotten since
            self.keys.rollback(mark)
        self.tables.forget()
        self.late.cut(way_back.late)
        self.first = way_back.first
        if self.filler is not None and way_back.filling is not None:
            self.filler.state = way_back.filling
            self.filler.places = Places(self._grid(), self.table)
        self.state = self.new_state()
        load(self.state, way_back.windows, self.n_keys)

    def new_state(self) -> WindowState:
        """Make a state without rows."""
        skip_nan = self.plan.nan == "missing"
        columns = [
            (0 if numeric is None else numeric, skip_nan and numeric == 0)
            for _, numeric in self.program.columns
        ]
        state = state_class(self.plan.window)(
            self.program.accs,
            self.program.outputs,
            columns,
            self.keys is not None,
            tuple(self._grid()),
            clock_of(self.plan, self.time_type),
            self.plan.limits.max_open,
            self.plan.limits.max_kept,
        )
        self._lay_edges(state)
        for texts in self.texts.values():
            texts.lay(state)
        keep_time(state, self.plan, self.time_type)
        if self.plan.time.ttl is not None:
            state.forget_keys(*span_of(self.plan.time.ttl, self.time_type, "ttl"))
        lay_rule(state, self)
        return state

    def close(self, watermark: int) -> int:
        """Close the windows that end up to a time in the kernels' order; a status."""
        if self.parts is not None:
            return self.parts.close(self, watermark)
        return self.head.close(watermark)

    def take_results(self, state: WindowState | None = None) -> pa.Table:
        """Hand over the results that are ready in a state of this binding, by default its own."""
        state = self.head if state is None else state
        if self.filler is None:
            return self.tables.take(state, self.keys)
        for time in state.progress:
            if INT64_MIN < time < INT64_MAX:
                self.cover(time)
        return self.tables.take_filled(state, self.keys, self.filler)

    def batch_of(
        self,
        order: Buffer,
        time_valid: Buffer,
        codes: Buffer,
        columns: list[tuple[Buffer, Buffer]],
    ) -> tuple[pa.RecordBatch, Numbers]:
        """Make a batch of columns as `RowBuffer.columns` gives them, and its times."""
        orders = array_of(order, np.int64)
        times: Numbers = float_of_orders(orders) if self.is_float else orders
        flags = array_of(time_valid, np.uint8) % 2  # a time too far ahead, 3, is one
        arrays = {self.plan.on: as_array(times, flags, self.time_type)}
        if self.keys is not None:
            taken = self.keys.take(array_of(codes, np.int32))
            arrays.update(zip(self.plan.by, taken, strict=True))
        for (name, numeric), (values, valid) in zip(self.program.columns, columns, strict=True):
            words = array_of(values, WORDS[numeric or 0])
            there = array_of(valid, np.uint8)
            if name in self.texts:
                arrays[name] = self.texts[name].take(words.view(np.int64), there)
            else:
                arrays[name] = array_of_words(words, there, self.types[name])
        return pa.RecordBatch.from_pydict(arrays), times

    # ---------------------------------------------------------------------------------- the types

    def check(self, schema: pa.Schema) -> None:
        """Refuse a batch whose columns are of other types than those before it."""
        if not schema.equals(self.checked):
            super().check(schema)
            self.places = self._places_in(schema)

    @property
    def arrays(self) -> Arrays | None:
        """Finds the columns in dicts of arrays, where these can be read where they stand."""
        if self.places is None or self.keys is not None:
            return None
        fields = [self.checked.field(place) for place in self.places]
        dtypes = [numpy_word(field.type) for field in fields]
        known = tuple(dtype for dtype in dtypes if dtype is not None)
        if len(known) < len(fields) or any(dtype.kind == "M" for dtype in known[1:]):
            return None  # among values NaT would be a null
        return Arrays(np.ndarray, tuple(field.name for field in fields), known)

    def _places_in(self, schema: pa.Schema) -> tuple[int, ...] | None:
        """Where the times and the input columns stand, if batches can be read where they stand."""
        plan = self.plan
        if plan.lateness is None or plan.late == "raise" or self.is_float:
            return None
        if any(numeric is None for _, numeric in self.program.columns):
            return None
        if self.sources is not None or not self.program.gives_plain:
            return None
        if any(_has_views(field.type) for field in schema):
            return None
        names = [plan.on, *(name for name, _ in self.program.columns)]
        places = [column_index(schema, name) for name in names]
        types = [schema.field(place).type for place in places]
        if pa.types.is_uint64(types[0]) or not all(map(is_word, types)):
            return None
        return tuple(places)


def _has_views(type_: pa.DataType) -> bool:
    """Whether a type is of views, or holds one: Arrow 23 can crash in the export of short views."""
    inner = plain_type(type_)
    if pa.types.is_string_view(inner) or pa.types.is_binary_view(inner):
        return True
    return any(_has_views(inner.field(at).type) for at in range(inner.num_fields))
