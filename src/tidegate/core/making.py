"""Outputs of the kernels -> results: words, values of codes, decimals, what functions return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate._kernels.lists import lay_offsets, lay_values
from tidegate.core.calling import call_each, call_each_c
from tidegate.core.columns import Numbers, as_array
from tidegate.core.decimals import (
    added_up,
    are_below,
    as_floats,
    decimals_of,
    difference_of,
    limbs_of,
    mean_of,
    most_of,
)
from tidegate.core.errors import AggregateOverflowError, LimitError
from tidegate.core.rangecolumns import take_runs
from tidegate.core.state import array_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidegate._kernels.window_state import WindowState
    from tidegate.core.program import Program, Result
    from tidegate.core.texts import Coded

__all__ = ["MOST_IN_LISTS", "Maker", "Outputs", "array_of_words", "take_outputs"]

Offsets: TypeAlias = npt.NDArray[np.int64]

MOST_IN_LISTS = 2**31 - 1
_buffer_of: Any = pa.py_buffer  # its stub does not know ndarray


class Outputs(NamedTuple):
    """What a state has handed over: raw, before anything is made of it."""

    n: int
    starts: Numbers
    ends: Numbers
    codes: Numbers | None  # of the keys
    words: list[Numbers]  # of each output; of a list: where it stands
    valid: list[Numbers | None]
    lists: dict[int, Numbers]  # by output; two may share the lists of one accumulator
    runs: pa.Array[Any] | None = None  # of rows, the ranges of each result

    def after(self, first: int) -> Outputs:
        """Leave the results before one out."""
        return self.part(slice(first, self.n))

    def part(self, rows: slice) -> Outputs:
        """Pick some results, one behind the other."""
        return Outputs(
            rows.stop - rows.start,
            self.starts[rows],
            self.ends[rows],
            None if self.codes is None else self.codes[rows],
            [words[rows] for words in self.words],
            [None if flags is None else flags[rows] for flags in self.valid],
            self.lists,
            None if self.runs is None else self.runs[rows],
        )


def take_outputs(state: WindowState, program: Program, time: type[Any]) -> Outputs:
    """Take the results that are ready out of a state; `time` is what times are."""
    n, starts, ends, codes, outputs = state.take_results()
    of_accs: dict[int, Numbers] = {}
    lists: dict[int, Numbers] = {}
    runs = None
    if program.runs >= 0:
        type_ = program.fields[program.result_of(program.runs)].type
        runs = take_runs(state, array_of(outputs[program.runs][0], np.int64), type_)
    for number, output in enumerate(program.outputs):
        if program.is_list(number):
            if output.acc not in of_accs:
                of_accs[output.acc] = array_of(state.take_lists(number), np.int64)
            lists[number] = of_accs[output.acc]
    return Outputs(
        n,
        array_of(starts, time),
        array_of(ends, time),
        None if codes is None else array_of(codes, np.int32),
        [array_of(values, np.int64) for values, _ in outputs],
        [None if flags is None else array_of(flags, np.uint8) for _, flags in outputs],
        lists,
        runs,
    )


class Maker:
    """Makes the columns of a program's results.

    Parameters
    ----------
    program : Program
        What the words of the outputs are, and what comes of them.
    texts : mapping of str to Coded
        What codes stand for.
    """

    def __init__(self, program: Program, texts: Mapping[str, Coded]) -> None:
        self._program = program
        self._texts = texts

    def make(self, outputs: Outputs, place: Callable[[int], str]) -> list[pa.Array[Any]]:
        """Return the results as columns.

        Parameters
        ----------
        outputs : Outputs
            What was taken.
        place : callable
            Tells of which window (and key) the result with a number is.

        Raises
        ------
        AggregateOverflowError
            If a decimal has too many digits for its type.
        CustomError
            If a function of the user's failed.
        LimitError
            If the lists of one result hold more values than Arrow's can.
        """
        return [
            self._one(result, field, outputs, place)
            for result, field in zip(self._program.results, self._program.fields, strict=True)
        ]

    def _one(
        self, result: Result, field: pa.Field[Any], outputs: Outputs, place: Callable[[int], str]
    ) -> pa.Array[Any]:
        """Make one result."""
        first, type_ = result.outputs[0], field.type
        valid = outputs.valid[first]
        match result.how:
            case "scaled":
                words = outputs.words[first].view(np.float64)
                return as_array(as_floats(words, result.scale), valid, type_)
            case "codes" if not self._program.is_list(first):
                return self._texts[result.columns[0]].take(outputs.words[first], valid)
            case "sum":
                return self._sum(result, field, outputs, place)
            case "mean":
                counts = outputs.words[result.outputs[-1]]
                means = mean_of(self._totals(result.outputs[:-1], outputs), counts, result.scale)
                has_mean = counts > 0 if valid is None else (counts > 0) & (valid != 0)
                return as_array(means, has_mean.view(np.uint8), type_)
            case "range":
                return self._range(result, field, outputs, place)
            case "custom":
                return self._custom(result, field, outputs, place)
            case "runs" if outputs.runs is not None:
                return outputs.runs
        if self._program.is_list(first):
            column = result.columns[0] if result.columns else ""
            return self._lists(first, column, outputs, type_)
        words = outputs.words[first].view(self._program.word_of(first))
        return array_of_words(words, valid, type_)

    # ------------------------------------------------------------------------------------- decimals

    def _totals(self, numbers: tuple[int, ...], outputs: Outputs) -> list[Numbers]:
        """Put sums together out of both halves of the sums of each word."""
        parts = [outputs.words[number] for number in numbers]
        return added_up(list(zip(parts[::2], parts[1::2], strict=True)))

    def _sum(
        self, result: Result, field: pa.Field[Any], outputs: Outputs, place: Callable[[int], str]
    ) -> pa.Array[Any]:
        """Make sums of decimals."""
        valid = outputs.valid[result.outputs[0]]
        return _fitting(self._totals(result.outputs, outputs), valid, result, field, place)

    def _range(
        self, result: Result, field: pa.Field[Any], outputs: Outputs, place: Callable[[int], str]
    ) -> pa.Array[Any]:
        """Make the distances of decimals, of which there are codes."""
        valid = outputs.valid[result.outputs[0]]
        high, low = (
            limbs_of(self._texts[column].take(outputs.words[number]))
            for number, column in zip(result.outputs, result.columns, strict=True)
        )
        return _fitting(difference_of(high, low), valid, result, field, place)

    # --------------------------------------------------------------------------- lists, functions

    def _lists(
        self, number: int, column: str, outputs: Outputs, type_: pa.ListType[Any]
    ) -> pa.Array[Any]:
        """Make lists: each stands in the words of its accumulator, its length first."""
        offsets = self._offsets(number, outputs)
        if offsets[-1] > MOST_IN_LISTS:
            raise LimitError(
                f"the lists of one result hold {offsets[-1]} values, more than Arrow's list can: "
                f"take results more often, or make shorter windows"
            )
        values = self._values(number, column, outputs, offsets, type_.value_type)
        valid = outputs.valid[number]
        flags = None if valid is None else _buffer_of(np.packbits(valid != 0, bitorder="little"))
        offset = _buffer_of(offsets.astype(np.int32))
        return pa.Array.from_buffers(type_, outputs.n, [flags, offset], children=[values])

    def _offsets(self, number: int, outputs: Outputs) -> Offsets:
        """Where each list begins when they lie one behind the other, and the last one ends."""
        offsets = np.empty(outputs.n + 1, np.int64)
        places, valid = outputs.words[number], outputs.valid[number]
        lay_offsets(outputs.lists[number], places, valid, offsets)
        return offsets

    def _values(
        self, number: int, column: str, outputs: Outputs, offsets: Offsets, type_: pa.DataType
    ) -> pa.Array[Any]:
        """Make the values of all lists, one behind the other."""
        words = np.empty(offsets[-1], np.int64)
        lay_values(outputs.lists[number], outputs.words[number], offsets, words)
        if column:
            return self._texts[column].take(words)
        return array_of_words(words.view(self._program.word_of(number)), None, type_)

    def _custom(
        self, result: Result, field: pa.Field[Any], outputs: Outputs, place: Callable[[int], str]
    ) -> pa.Array[Any]:
        """Call a function of the user's for each window that has a value."""
        first = result.outputs[0]
        offsets = self._offsets(first, outputs)
        lengths = np.diff(offsets)
        if "signature" in dict(result.item.options):
            words = outputs.lists[first].view(self._program.word_of(first))
            floats = call_each_c(result.item, words, outputs.words[first] + 1, lengths)
            return as_array(floats, (lengths > 0).view(np.uint8), field.type)
        types = [self._type_of(result, at) for at in range(len(result.outputs))]
        columns = [
            self._values(number, column, outputs, self._offsets(number, outputs), type_)
            for number, column, type_ in zip(result.outputs, result.columns, types, strict=True)
        ]
        return call_each(result.item, columns, offsets[:-1], lengths, field, place)

    def _type_of(self, result: Result, at: int) -> pa.DataType:
        """The type of a column of a function."""
        return self._program.types[result.item.columns[at]]


def array_of_words(
    words: Numbers,
    valid: Numbers | None,
    type_: pa.DataType,
) -> pa.Array[Any]:
    """Return words as an array of numbers, booleans, times or narrow decimals."""
    if pa.types.is_decimal(type_):
        return decimals_of([words], valid, type_)
    return as_array(words, valid, type_)


def _fitting(
    words: list[Numbers],
    valid: Numbers | None,
    result: Result,
    field: pa.Field[Any],
    place: Callable[[int], str],
) -> pa.Array[Any]:
    """Make decimals of their units in words, which have to fit."""
    is_far = ~are_below(words, most_of(field.type))
    if valid is not None:
        is_far &= valid != 0
    if is_far.any():
        raise AggregateOverflowError(
            f"{field.name}: the {result.item.function} of column {result.item.columns[0]!r} in "
            f"{place(int(is_far.argmax()))} does not fit {field.type}: cast the column to "
            f"decimal256 or float64, or make shorter windows"
        )
    return decimals_of(words, valid, field.type)
