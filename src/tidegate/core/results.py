"""Results of the kernels -> tables."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.slab import Slab
from tidegate.core.columns import Numbers, as_array
from tidegate.core.columntypes import is_word
from tidegate.core.making import Maker, Outputs, take_outputs
from tidegate.core.rangecolumns import RANGES_TYPE, take_runs, view_of_runs
from tidegate.core.state import array_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidegate._kernels.window_state import WindowState
    from tidegate.core.columns import Numbers
    from tidegate.core.filling import Filler
    from tidegate.core.keys import Keys
    from tidegate.core.program import Program
    from tidegate.core.texts import Texts
    from tidegate.core.windows import Label

__all__ = ["ResultTables"]

SLAB_ROWS = 4096
SHOWN = {None: slice(0, 2), "start": slice(0, 1), "end": slice(1, 2)}  # of start and end
MOST_IN_SLAB = 256  # more results at a time are handed over in the memory that they are in
MOST_RUNS = 1024  # of rows, likewise

_buffer_of: Any = pa.py_buffer  # its stub does not know a kernel's memory


class ResultTables:
    """Makes tables of what waits in a `WindowState`.

    Parameters
    ----------
    schema : pyarrow.Schema
        The keys, the edges of windows that are shown, the revisions, the results.
    program : Program
        What the words of the results are.
    texts : mapping of str to Texts
        What codes among them stand for.
    label : "start", "end" or None
        Which edge is shown; None: both.
    has_revisions : bool
        Whether windows come out again.
    told : callable, optional
        Makes of columns of the schema what is shown, with fewer names; only with keys.

    Attributes
    ----------
    slab : Slab
        Where a few results at a time go.

    Notes
    -----
    A few results without keys cost some 2 microseconds: they are slices of a table that is made
    once in a thousand results. Others cost some 2 microseconds a column.
    """

    def __init__(
        self,
        schema: pa.Schema,
        program: Program,
        texts: Mapping[str, Texts] | None = None,
        *,
        label: Label | None = None,
        has_revisions: bool = False,
        told: Callable[[Sequence[pa.Array[Any]]], list[pa.Array[Any]]] | None = None,
    ) -> None:
        self._schema = schema
        self._told = told
        self._program = program
        n_beside = len(schema) - len(program.fields)  # keys, edges, revisions
        self._time_type = schema.field(n_beside - has_revisions - 1).type
        self._has_revisions = has_revisions
        self._shown = SHOWN[label]
        self._is_plain = all(
            result.how == "runs" or (result.how == "words" and is_word(field.type))
            for field, result in zip(program.fields, program.results, strict=True)
        )
        self._runs = program.runs
        self._maker = Maker(program, {} if texts is None else texts)
        self._raw: list[Outputs] = []
        self._revisions: list[Numbers] = []  # of what is raw
        self.slab = Slab(0, 0, 0)  # full
        self._slab_table: pa.Table | None = None

    @cached_property
    def empty(self) -> pa.Table:
        """No results."""
        table = self._schema.empty_table()
        if self._told is None:
            return table
        columns = self._told([column.combine_chunks() for column in table.columns])
        names = self._schema.names[: len(columns)]
        return pa.Table.from_arrays(columns, names=names)

    @property
    def table(self) -> pa.Table:
        """The table of the slab, and of what will be in it."""
        return self.empty if self._slab_table is None else self._slab_table

    def take(self, state: WindowState, keys: Keys | None) -> pa.Table:
        """Hand over the results that are ready in a state; `keys` gives the key columns."""
        n = state.n_results
        if not n and not self._raw:
            return self.empty
        is_few = n <= MOST_IN_SLAB and state.n_runs <= MOST_RUNS
        if keys is None and self._is_plain and is_few and not self._has_revisions:
            return self._take_slice(state, n)
        return self._take_all(state, keys)

    def _take_slice(self, state: WindowState, n: int) -> pa.Table:
        """Put the results into the slab and slice its table."""
        table = self._begin_slab() if self._slab_table is None else self._slab_table
        at = state.take_into(self.slab)
        if at < 0:
            table = self._begin_slab()
            at = state.take_into(self.slab)
        return table.slice(at, n)

    def _begin_slab(self) -> pa.Table:
        """Make a new slab and its table; the last slab lives on in what was taken from it."""
        self.slab = Slab(len(self._program.fields), SLAB_ROWS, MOST_IN_SLAB, self._runs)
        starts, ends, outputs = self.slab.columns()
        edges: list[Any] = [starts, ends]
        columns = [_slab_column(self._time_type, edge) for edge in edges[self._shown]]
        for number, (field, (values, bits)) in enumerate(
            zip(self._program.fields, outputs, strict=True)
        ):
            if number == self._runs:
                n, *edges = self.slab.columns_of_runs()
                columns.append(view_of_runs(RANGES_TYPE, SLAB_ROWS, values, n, edges))
            else:
                columns.append(_slab_column(field.type, values, bits))
        self._slab_table = pa.Table.from_arrays(columns, schema=self._schema)
        return self._slab_table

    def _take_all(self, state: WindowState, keys: Keys | None) -> pa.Table:
        """Hand over the results in the memory that they are in."""
        revisions = None
        if self._has_revisions:
            self._revisions.append(array_of(state.take_revisions(), np.int64))
        made = self._columns(state, keys)
        if self._has_revisions:
            revisions, self._revisions = np.concatenate(self._revisions), []
        return self._table_of(*made, keys, revisions)

    @property
    def has_raw(self) -> bool:
        """Whether something was taken out of a state of which no results could be made yet."""
        return bool(self._raw)

    def forget(self) -> None:
        """Forget what was taken and is no result yet."""
        self._raw.clear()
        self._revisions.clear()

    def take_filled(self, state: WindowState, keys: Keys | None, filler: Filler) -> pa.Table:
        """Hand over the results that are ready, with the windows without rows between them."""
        upto = filler.upto(*state.progress)
        if upto is None:
            return self.empty
        starts, _, codes, columns = self._columns(state, keys)
        known = np.zeros(len(starts), np.int64) if codes is None else codes.astype(np.int64)
        filled = filler.fill(starts, known, columns, upto)
        return self.empty if filled is None else self._table_of(*filled, keys)

    def _columns(
        self, state: WindowState, keys: Keys | None
    ) -> tuple[Numbers, Numbers, Numbers | None, list[pa.Array[Any]]]:
        """Starts and ends, key codes and results."""
        time = np.float64 if pa.types.is_floating(self._time_type) else np.int64
        if self._is_plain and not self._raw:
            n, starts, ends, codes, outputs = state.take_results()
            columns = [
                _words(values, None if valid is None else array_of(valid, np.uint8), n, field.type)
                if number != self._runs
                else take_runs(state, array_of(values, np.int64), field.type)
                for number, ((values, valid), field) in enumerate(
                    zip(outputs, self._program.fields, strict=True)
                )
            ]
            known = None if codes is None else array_of(codes, np.int32)
            return array_of(starts, time), array_of(ends, time), known, columns
        self._raw.append(take_outputs(state, self._program, time))
        return self._made(keys)

    def _made(
        self, keys: Keys | None
    ) -> tuple[Numbers, Numbers, Numbers | None, list[pa.Array[Any]]]:
        """Make results of all that was taken; where that fails, it waits for another time."""
        raw = self._raw
        parts = [self._maker.make(some, self._places(some, keys)) for some in raw]
        columns = [
            pa.concat_arrays(list(some)) if len(some) > 1 else some[0]
            for some in zip(*parts, strict=True)
        ]
        starts, ends = (
            np.concatenate(edge) for edge in zip(*(some[1:3] for some in raw), strict=True)
        )
        codes = [some.codes for some in raw if some.codes is not None]
        self._raw = []
        return starts, ends, np.concatenate(codes) if codes else None, columns

    def _places(self, outputs: Outputs, keys: Keys | None) -> Callable[[int], str]:
        """Tell of which window, and key, a result is."""

        def place(row: int) -> str:
            """Tell of one."""
            edges = np.array([outputs.starts[row], outputs.ends[row]])
            window = as_array(edges, None, self._time_type)
            key = ""
            if keys is not None and outputs.codes is not None:
                values = [column[0].as_py() for column in keys.take(outputs.codes[row : row + 1])]
                key = f" of key {tuple(values)!r}"
            return f"the window [{window[0]}, {window[1]}){key}"

        return place

    def _table_of(
        self,
        starts: Numbers,
        ends: Numbers,
        codes: Numbers | None,
        results: list[pa.Array[Any]],
        keys: Keys | None,
        revisions: Numbers | None = None,
    ) -> pa.Table:
        """Make a table of what `_columns` gives."""
        columns: list[pa.Array[Any]] = []
        if keys is not None and codes is not None:
            columns.extend(keys.take(codes))
        columns.extend(
            as_array(edge, None, self._time_type) for edge in (starts, ends)[self._shown]
        )
        if revisions is not None:
            columns.append(as_array(revisions, None, pa.int64()))
        columns.extend(results)
        if self._told is not None:
            return pa.Table.from_arrays(self._told(columns), schema=self.empty.schema)
        return pa.Table.from_arrays(columns, schema=self._schema)


def _words(
    values: Any, valid: npt.NDArray[np.uint8] | None, n: int, type_: pa.DataType
) -> pa.Array[Any]:
    """View memory as an array of a type that Arrow keeps in the kernels' words."""
    bitmap = None if valid is None else _buffer_of(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(type_, n, [bitmap, _buffer_of(values)])


def _slab_column(type_: pa.DataType, values: Any, bits: Any = None) -> pa.Array[Any]:
    """View a column of a slab."""
    bitmap = None if bits is None else _buffer_of(bits)
    return pa.Array.from_buffers(type_, SLAB_ROWS, [bitmap, _buffer_of(values)])
