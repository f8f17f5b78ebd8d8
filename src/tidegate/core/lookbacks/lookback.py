"""A program as the kernels of look-backs take it, and what they hand over made results of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa

from tidegate.core.calling import call_each, call_each_c
from tidegate.core.columns import as_array
from tidegate.core.lookbacks.numbers import NUMBERS
from tidegate.core.lookbacks.spans import check_ranges, ranges_in
from tidegate.core.making import MOST_IN_LISTS, Maker, Outputs, array_of_words
from tidegate.core.parts import WORDS
from tidegate.core.program import (
    GREATEST_INT,
    GREATEST_TEXT,
    KEPT,
    LEAST_INT,
    LEAST_TEXT,
    OF_COUNT,
    OF_FROM,
    OF_MODE,
    OF_ROWS,
    OF_UPTO,
    SIGNED,
    Output,
)
from tidegate.core.rangecolumns import OF_LOOKS, ROW_RANGES
from tidegate.core.threads import on_threads, parts_of

if TYPE_CHECKING:
    from tidegate.core.columns import Numbers
    from tidegate.core.program import Program, Result
    from tidegate.core.texts import Coded

__all__ = ["LookMaker", "Unmade", "in_parts", "looking_back", "ordered_columns"]

Made: TypeAlias = "pa.Array[Any] | pa.ChunkedArray[Any]"
Column: TypeAlias = "Made | Callable[[], pa.Array[Any]]"

FEWEST_IN_PART = 1 << 16  # rows
_chunked_array: Callable[..., pa.ChunkedArray[Any]] = pa.chunked_array  # an overload for each type
_IN_PLACE = 1  # of OF_LIST: all values once, and where those of each window begin
_OF_LABELS = {LEAST_TEXT: LEAST_INT, GREATEST_TEXT: GREATEST_INT}


def looking_back(program: Program) -> Program:
    """Return a program whose texts are labels.

    Functions of the user's see values where they lie. Where rows are told, their numbers are
    columns of their own.
    """
    accs: list[Any] = [(_OF_LABELS.get(kind, kind), *rest) for kind, *rest in program.accs]
    made = replace(
        program,
        accs=accs,
        outputs=list(program.outputs),
        columns=list(program.columns),
        fields=list(program.fields),
        parts=list(program.parts),
        results=list(program.results),
    )
    for at, result in enumerate(program.results):
        if result.how == "custom":
            counts = [_in_place(made, number) for number in result.outputs]
            made.results[at] = result._replace(outputs=(*result.outputs, *counts))
        elif result.how == "runs":
            _number_rows(made, at)
    return made


def _in_place(program: Program, number: int) -> int:
    """Have an output give all values once; return the one that counts those of each window."""
    output = program.outputs[number]
    program.outputs[number] = output._replace(how=_IN_PLACE)
    program.outputs.append(Output(OF_COUNT, program.accs[output.acc][3], SIGNED))
    return len(program.outputs) - 1


def _number_rows(program: Program, at: int) -> None:
    """Have a result made of the numbers of the rows, and with keys of their places."""
    (number,) = program.results[at].outputs
    has_places = program.results[at].item.function == "row_spans"
    names = NUMBERS if has_places else NUMBERS[:1]
    program.accs[program.outputs[number].acc] = program.accs[0]  # it cannot be looked back on
    first, last = len(program.columns), len(program.outputs)
    program.columns.extend((name, SIGNED) for name in names)
    program.parts.extend(WORDS for _ in names)
    program.outputs[number] = Output(OF_FROM, 0, SIGNED, ddof=len(names), how=first)
    program.outputs.append(Output(OF_UPTO, 0, SIGNED))
    outputs = [number, last]
    if has_places:
        program.outputs.append(Output(OF_ROWS, 0, SIGNED))
        outputs.append(last + 1)
        program.fields[at] = pa.field(ROW_RANGES, OF_LOOKS)
    program.results[at] = program.results[at]._replace(how="rows", outputs=tuple(outputs))


def ordered_columns(program: Program) -> set[str]:
    """Tell of which columns of codes the order of the values matters."""
    places = {acc[1] for acc in program.accs if acc[0] in (LEAST_INT, GREATEST_INT)}
    modes = [program.accs[output.acc] for output in program.outputs if output.op == OF_MODE]
    places |= {column for kind, column, *_ in modes if kind == KEPT}
    return {program.columns[at][0] for at in places if program.parts[at].kind == "codes"}


def in_parts(
    make: Callable[[slice], Sequence[pa.Array[Any]]], n_rows: int, threads: int
) -> list[Made]:
    """Make columns, in a chunk of each thread where there are many rows."""
    parts = on_threads(make, parts_of(n_rows, threads, FEWEST_IN_PART))
    if len(parts) == 1:
        return list(parts[0])
    return [_chunked_array(chunks) for chunks in zip(*parts, strict=True)]


class LookMaker(Maker):
    """Makes the columns of a look-back's results; functions of the user's are called later.

    Parameters
    ----------
    program : Program
        From `looking_back`.
    texts : mapping of str to Coded
        What codes stand for.
    max_kept : int
        How many ranges of row numbers there may be.
    """

    def __init__(self, program: Program, texts: Mapping[str, Coded], max_kept: int) -> None:
        super().__init__(program, texts)
        self._max_kept = max_kept

    def columns(
        self, outputs: Outputs, place: Callable[[int], str], threads: int = 1
    ) -> list[Column]:
        """Return the results as columns, or as what makes one when it is called.

        What is more than a view of the outputs comes in a chunk of each thread.

        Raises
        ------
        AggregateOverflowError, LimitError
            As `make`.
        """
        columns: list[Column] = []
        for result, field in zip(self._program.results, self._program.fields, strict=True):
            if result.how == "custom":
                columns.append(self._calls(result, field, outputs, place))
            elif result.how == "rows":
                columns.append(self._ranges(result, field, outputs, threads))
            else:
                columns.append(self._in_parts(result, field, outputs, place, threads))
        return columns

    def _in_parts(
        self,
        result: Result,
        field: pa.Field[Any],
        outputs: Outputs,
        place: Callable[[int], str],
        threads: int,
    ) -> Made:
        """Make one result, a part on each thread."""
        is_view = result.how == "words" and not self._program.is_list(result.outputs[0])
        n_values = sum(map(len, outputs.lists.values()))
        if is_view or n_values > MOST_IN_LISTS:
            threads = 1

        def make(rows: slice) -> list[pa.Array[Any]]:
            """Make some."""
            some = outputs.part(rows)
            return [self._one(result, field, some, lambda row: place(rows.start + row))]

        return in_parts(make, outputs.n, threads)[0]

    def _ranges(self, result: Result, field: pa.Field[Any], outputs: Outputs, threads: int) -> Made:
        """Make the ranges of rows, a part on each thread."""
        words = [outputs.words[number] for number in result.outputs]
        lists = outputs.lists[result.outputs[0]]

        def make(rows: slice) -> list[pa.Array[Any]]:
            """Make some."""
            return [ranges_in([some[rows] for some in words], lists, field.type)]

        made = in_parts(make, outputs.n, threads)[0]
        check_ranges(made, self._max_kept)
        return made

    def _calls(
        self, result: Result, field: pa.Field[Any], outputs: Outputs, place: Callable[[int], str]
    ) -> Callable[[], pa.Array[Any]]:
        """Prepare the calls of a function: its values, and where those of each window lie."""
        n = len(result.item.columns)
        begins, lengths = self._spans(result.outputs[0], result.outputs[n], outputs)
        if "signature" in dict(result.item.options):
            words = self._words(result.outputs[0], outputs)
            return partial(_call_in_c, result, words, begins, lengths, field.type)
        columns = [
            self._texts[column].take(outputs.lists[number])
            if column
            else array_of_words(self._words(number, outputs), None, self._type_of(result, at))
            for at, (column, number) in enumerate(zip(result.columns, result.outputs, strict=False))
        ]
        return partial(call_each, result.item, columns, begins, lengths, field, place)

    def _words(self, number: int, outputs: Outputs) -> Numbers:
        """View values in place as what they are."""
        return outputs.lists[number].view(self._program.word_of(number))

    def _spans(self, number: int, counts: int, outputs: Outputs) -> tuple[Numbers, Numbers]:
        """Where the values of each window begin, and how many there are; none of null results."""
        lengths, valid = outputs.words[counts], outputs.valid[number]
        return outputs.words[number], lengths if valid is None else np.where(valid, lengths, 0)


def _call_in_c(
    result: Result, words: Numbers, begins: Numbers, lengths: Numbers, type_: pa.DataType
) -> pa.Array[Any]:
    """Call a function in C for each window that has values."""
    floats = call_each_c(result.item, words, begins, lengths)
    return as_array(floats, (lengths > 0).view(np.uint8), type_)


class Unmade:
    """Results of which functions of the user's have to be called still.

    Parameters
    ----------
    columns : list of pyarrow.Array or callable
        The columns; callables make one, as often as they are asked.
    schema : pyarrow.Schema
        Of the results.
    n_values : int
        How many values wait for the functions.
    """

    def __init__(self, columns: Sequence[Column], schema: pa.Schema, n_values: int) -> None:
        self._columns = columns
        self._schema = schema
        self.n_values = n_values
        self.num_rows = len(next(c for c in columns if not callable(c)))

    @property
    def is_due(self) -> bool:
        """Whether there is something to call."""
        return any(map(callable, self._columns))

    def table(self) -> pa.Table:
        """Call the functions.

        Raises
        ------
        CustomError
            If one of them fails; it can be asked again.
        """
        made = [column() if callable(column) else column for column in self._columns]
        return pa.Table.from_arrays(made, schema=self._schema)
