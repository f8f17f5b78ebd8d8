"""Results of the kernels -> tables."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tidegate._kernels.slab import Slab
from tidegate.core.columns import as_array, is_word
from tidegate.core.state import array_of

if TYPE_CHECKING:
    from tidegate._kernels.window_state import WindowState
    from tidegate.core.columns import Numbers
    from tidegate.core.filling import Filler
    from tidegate.core.keys import Keys
    from tidegate.core.program import Program

__all__ = ["ResultTables"]

SLAB_ROWS = 1024
MOST_IN_SLAB = 64  # more results at a time are handed over in the memory that they are in

_buffer_of: Any = pa.py_buffer  # its stub does not know a kernel's memory


class ResultTables:
    """Makes tables of what waits in a `WindowState`.

    Parameters
    ----------
    schema : pyarrow.Schema
        The keys, ``window_start`` and ``window_end``, the results.
    program : Program
        What the words of the results are.

    Notes
    -----
    A few results without keys cost some 2 microseconds: they are slices of a table that is made
    once in a thousand results. Others cost some 7 microseconds a column.
    """

    def __init__(self, schema: pa.Schema, program: Program) -> None:
        self._schema = schema
        self._program = program
        self._time_type = schema.field("window_start").type
        self._are_words = all(is_word(field.type) for field in program.fields)
        self._slab = Slab(0, 0)  # full
        self._table = self.empty

    @cached_property
    def empty(self) -> pa.Table:
        """No results."""
        return self._schema.empty_table()

    def take(self, state: WindowState, keys: Keys | None) -> pa.Table:
        """Hand over the results that are ready in a state; `keys` gives the key columns."""
        n = state.n_results
        if not n:
            return self.empty
        if keys is None and self._are_words and n <= MOST_IN_SLAB:
            return self._take_slice(state, n)
        return self._take_all(state, keys)

    def _take_slice(self, state: WindowState, n: int) -> pa.Table:
        """Put the results into the slab and slice its table."""
        if self._table is self.empty:
            self._begin_slab()
        at = state.take_into(self._slab)
        if at < 0:
            self._begin_slab()
            at = state.take_into(self._slab)
        return self._table.slice(at, n)

    def _begin_slab(self) -> None:
        """Make a new slab and its table; the last slab lives on in what was taken from it."""
        self._slab = Slab(len(self._program.fields), SLAB_ROWS)
        starts, ends, outputs = self._slab.columns()
        parts = [(self._time_type, None, edge) for edge in (starts, ends)]
        for field, (values, bits) in zip(self._program.fields, outputs, strict=True):
            parts.append((field.type, _buffer_of(bits), values))
        self._table = pa.Table.from_arrays(
            [
                pa.Array.from_buffers(type_, SLAB_ROWS, [bits, _buffer_of(values)])
                for type_, bits, values in parts
            ],
            schema=self._schema,
        )

    def _take_all(self, state: WindowState, keys: Keys | None) -> pa.Table:
        """Hand over the results in the memory that they are in."""
        return self._table_of(*self._columns(state), keys)

    def take_filled(self, state: WindowState, keys: Keys | None, filler: Filler) -> pa.Table:
        """Hand over the results that are ready, with the windows without rows between them."""
        upto = filler.upto(*state.progress)
        if upto is None:
            return self.empty
        starts, _, codes, columns = self._columns(state)
        known = np.zeros(len(starts), np.int64) if codes is None else codes.astype(np.int64)
        filled = filler.fill(starts, known, columns, upto)
        return self.empty if filled is None else self._table_of(*filled, keys)

    def _columns(
        self, state: WindowState
    ) -> tuple[Numbers, Numbers, Numbers | None, list[pa.Array[Any]]]:
        """Starts and ends, key codes and results."""
        _, starts, ends, codes, outputs = state.take_results()
        time = np.float64 if pa.types.is_floating(self._time_type) else np.int64
        columns: list[pa.Array[Any]] = []
        for number, (values, valid) in enumerate(outputs):
            words = array_of(values, self._program.word_of(number))
            flags = None if valid is None else array_of(valid, np.uint8)
            columns.append(as_array(words, flags, self._program.fields[number].type))
        known = None if codes is None else array_of(codes, np.int32)
        return array_of(starts, time), array_of(ends, time), known, columns

    def _table_of(
        self,
        starts: Numbers,
        ends: Numbers,
        codes: Numbers | None,
        results: list[pa.Array[Any]],
        keys: Keys | None,
    ) -> pa.Table:
        """Make a table of what `_columns` gives."""
        columns: list[pa.Array[Any]] = []
        if keys is not None and codes is not None:
            columns.extend(keys.take(codes))
        columns.extend(as_array(edge, None, self._time_type) for edge in (starts, ends))
        return pa.Table.from_arrays([*columns, *results], schema=self._schema)
