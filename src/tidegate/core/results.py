"""Results of the kernels -> tables."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.slab import Slab
from tidegate.core.columns import Numbers, as_array, is_word
from tidegate.core.errors import LimitError
from tidegate.core.state import array_of

if TYPE_CHECKING:
    from tidegate._kernels.window_state import WindowState
    from tidegate.core.columns import Numbers
    from tidegate.core.filling import Filler
    from tidegate.core.keys import Keys
    from tidegate.core.program import Program

__all__ = ["ResultTables"]

SLAB_ROWS = 1024
_MOST_IN_LISTS = 2**31 - 1
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

    Attributes
    ----------
    slab : Slab
        Where a few results at a time go.
    table : pyarrow.Table
        The table of the slab, and of what will be in it.

    Notes
    -----
    A few results without keys cost some 2 microseconds: they are slices of a table that is made
    once in a thousand results. Others cost some 2 microseconds a column.
    """

    def __init__(self, schema: pa.Schema, program: Program) -> None:
        self._schema = schema
        self._program = program
        self._time_type = schema.field("window_start").type
        self._has_revisions = "revision" in schema.names[: -len(program.fields)]
        self._is_word = [is_word(field.type) for field in program.fields]
        self.slab = Slab(0, 0, 0)  # full
        self.table = self.empty

    @cached_property
    def empty(self) -> pa.Table:
        """No results."""
        return self._schema.empty_table()

    def take(self, state: WindowState, keys: Keys | None) -> pa.Table:
        """Hand over the results that are ready in a state; `keys` gives the key columns."""
        n = state.n_results
        if not n:
            return self.empty
        if keys is None and all(self._is_word) and n <= MOST_IN_SLAB and not self._has_revisions:
            return self._take_slice(state, n)
        return self._take_all(state, keys)

    def _take_slice(self, state: WindowState, n: int) -> pa.Table:
        """Put the results into the slab and slice its table."""
        if self.table is self.empty:
            self._begin_slab()
        at = state.take_into(self.slab)
        if at < 0:
            self._begin_slab()
            at = state.take_into(self.slab)
        return self.table.slice(at, n)

    def _begin_slab(self) -> None:
        """Make a new slab and its table; the last slab lives on in what was taken from it."""
        self.slab = Slab(len(self._program.fields), SLAB_ROWS, MOST_IN_SLAB)
        starts, ends, outputs = self.slab.columns()
        parts = [(self._time_type, None, edge) for edge in (starts, ends)]
        for field, (values, bits) in zip(self._program.fields, outputs, strict=True):
            parts.append((field.type, _buffer_of(bits), values))
        self.table = pa.Table.from_arrays(
            [
                pa.Array.from_buffers(type_, SLAB_ROWS, [bits, _buffer_of(values)])
                for type_, bits, values in parts
            ],
            schema=self._schema,
        )

    def _take_all(self, state: WindowState, keys: Keys | None) -> pa.Table:
        """Hand over the results in the memory that they are in."""
        revisions = array_of(state.take_revisions(), np.int64) if self._has_revisions else None
        return self._table_of(*self._columns(state), keys, revisions)

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
        n, starts, ends, codes, outputs = state.take_results()
        lists: dict[int, Any] = {}  # by accumulator: two results may share the lists of one
        time = np.float64 if pa.types.is_floating(self._time_type) else np.int64
        columns: list[pa.Array[Any]] = []
        for number, (values, valid) in enumerate(outputs):
            type_: Any = self._program.fields[number].type
            flags = None if valid is None else array_of(valid, np.uint8)
            if self._is_word[number]:
                columns.append(_words(values, flags, n, type_))
            elif self._program.is_list(number):
                acc = self._program.outputs[number].acc
                if acc not in lists:
                    lists[acc] = array_of(state.take_lists(number), np.int64)
                words = lists[acc].view(self._program.word_of(number))
                columns.append(_lists_of(array_of(values, np.int64), flags, words, type_))
            else:
                words = array_of(values, self._program.word_of(number))
                columns.append(as_array(words, flags, type_))
        known = None if codes is None else array_of(codes, np.int32)
        return array_of(starts, time), array_of(ends, time), known, columns

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
        columns.extend(as_array(edge, None, self._time_type) for edge in (starts, ends))
        if revisions is not None:
            columns.append(as_array(revisions, None, pa.int64()))
        return pa.Table.from_arrays([*columns, *results], schema=self._schema)


def _words(
    values: Any, valid: npt.NDArray[np.uint8] | None, n: int, type_: pa.DataType
) -> pa.Array[Any]:
    """View memory as an array of a type that Arrow keeps in the kernels' words."""
    bitmap = None if valid is None else _buffer_of(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(type_, n, [bitmap, _buffer_of(values)])


def _lists_of(
    places: Numbers, valid: Numbers | None, words: Numbers, type_: pa.ListType[Any]
) -> pa.Array[Any]:
    """Make an array of lists: each stands in `words`, its length first, at its place."""
    lengths = np.zeros(len(places), np.int64)
    there = np.ones(len(places), np.bool_) if valid is None else valid != 0
    lengths[there] = words.view(np.int64)[places[there]]
    ends = np.cumsum(lengths)
    offsets = np.concatenate([[0], ends])
    if offsets[-1] > _MOST_IN_LISTS:
        raise LimitError(
            f"the lists of one result hold {offsets[-1]} values, more than Arrow's list can: take "
            f"results more often, or make shorter windows"
        )
    at = np.arange(offsets[-1]) + np.repeat(places + 1 - offsets[:-1], lengths)
    values = as_array(words[at], None, type_.value_type)
    flags = None if valid is None else _buffer_of(np.packbits(there, bitorder="little"))
    offset = _buffer_of(offsets.astype(np.int32))
    return pa.Array.from_buffers(type_, len(places), [flags, offset], children=[values])
