"""Aggregations in the terms of the kernels: accumulators, and what to read from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from tidegate.core.agg_ranks import INTERPOLATIONS
from tidegate.core.aggregation import Aggregation
from tidegate.core.decimals import is_narrow, range_type
from tidegate.core.errors import ColumnTypeError, InputError
from tidegate.core.parts import Part, Source, part_of

__all__ = [
    "GREATEST_INT",
    "GREATEST_TEXT",
    "KEPT",
    "KEPT_TIMES",
    "LEAST_INT",
    "LEAST_TEXT",
    "NULLS",
    "OF_COUNT",
    "OF_EXTREME",
    "OF_FROM",
    "OF_HALF",
    "OF_LIST",
    "OF_MODE",
    "OF_ROWS",
    "OF_UPTO",
    "PAIRS",
    "POWERS",
    "ROWS",
    "SIGNED",
    "SQUARES",
    "SQUARES_INT",
    "SUM_INT",
    "UNSIGNED",
    "WORDS",
    "Compiler",
    "Output",
    "Program",
    "Result",
    "numeric_of",
]

# The numbers of _kernels/records.pxd.
ROWS, NULLS, SUM, SQUARES, SUM_INT, SQUARES_INT = range(6)
LEAST, GREATEST, LEAST_INT, GREATEST_INT, FIRST, LAST, WEIGHTED = range(6, 13)
LEAST_AT, GREATEST_AT, PAIRS, POWERS, KEPT, KEPT_TIMES = range(13, 19)
LEAST_TEXT, GREATEST_TEXT, ROW_SPAN, ROW_RUNS, ROW_SPANS = range(19, 24)
FLOAT, SIGNED, UNSIGNED = range(3)
OF_ROWS, OF_COUNT, OF_WORD, OF_EXTREME, OF_SUM, OF_MEAN, OF_VAR, OF_STD, OF_RATIO = range(9)
OF_SEM, OF_RANGE, OF_TIME, OF_COV, OF_CORR, OF_SLOPE = range(9, 15)
OF_ZSCORE, OF_SKEW, OF_KURT = range(15, 18)
OF_QUANTILE, OF_RANK, OF_MAD, OF_MODE, OF_NUNIQUE, OF_LIST, OF_HALF, OF_RUNS = range(18, 26)
OF_FROM, OF_UPTO = range(26, 28)

# The type of the 8-byte words of a column: of FLOAT, SIGNED, UNSIGNED.
WORDS: tuple[type[np.float64], type[np.int64], type[np.uint64]] = (np.float64, np.int64, np.uint64)

_SECONDS_PER_DAY = 86_400
_UNITS_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


class Output(NamedTuple):
    """What to read from a record; see `_kernels/records.pxd`."""

    op: int
    acc: int
    numeric: int = FLOAT
    ddof: int = 0  # how many values are too few
    other: int = -1
    how: int = 0
    by: float = 0.0


class Result(NamedTuple):
    """How outputs become a result; see `making`."""

    how: Literal["words", "scaled", "codes", "sum", "mean", "range", "custom", "rows", "runs"]
    outputs: tuple[int, ...]
    item: Aggregation
    columns: tuple[str, ...] = ()  # whose codes the outputs are; "": none
    scale: int = 0  # the outputs count units of 10**-scale


@dataclass(frozen=True)
class Program:
    """Aggregations in the terms of the kernels.

    Attributes
    ----------
    accs, outputs : list of tuple
        As `WindowState` takes them.
    columns : list of (name, numeric)
        The input columns, each once; `numeric` is FLOAT, SIGNED or UNSIGNED, None: only its nulls
        count. A name may be there more than once, with other `parts`.
    fields : list of pyarrow.Field
        The results.
    parts : list of Part
        What of each of the input columns.
    results : list of Result
        How each result comes from the outputs.
    types : dict of str to pyarrow.DataType
        Of the values of the columns that functions of the user's take.
    """

    accs: list[tuple[int, int, int, int, int, int]]
    outputs: list[Output]
    columns: list[tuple[str, int | None]]
    fields: list[pa.Field[Any]]
    parts: list[Part]
    results: list[Result]
    types: dict[str, pa.DataType]

    @property
    def reads_words(self) -> bool:
        """Whether the kernels see the columns as they are, or widened."""
        return all(part == Part() for part in self.parts)

    def reads_each_once(self, names: list[str]) -> bool:
        """Whether the kernels see one word of each of these columns, in this order."""
        parts = [(part.kind, part.beside) for part in self.parts]
        return [name for name, _ in self.columns] == names and not any(
            kind == "limb" or beside for kind, beside in parts
        )

    @property
    def gives_words(self) -> bool:
        """Whether each result is the output with its number."""
        return all(result.how == "words" for result in self.results)

    @property
    def gives_plain(self) -> bool:
        """Whether each result is the output with its number, or the runs of rows of that."""
        return all(result.how in ("words", "runs") for result in self.results)

    @property
    def runs(self) -> int:
        """Tell which output is the runs or spans of rows; -1: none."""
        runs = (at for at, output in enumerate(self.outputs) if output.op == OF_RUNS)
        return next(runs, -1)

    def result_of(self, output: int) -> int:
        """Tell which result, the first of them, comes from an output."""
        return next(at for at, result in enumerate(self.results) if output in result.outputs)

    def word_of(self, output: int) -> type[np.float64 | np.int64 | np.uint64]:
        """Tell what the 8-byte words of a result are."""
        op, _, numeric, *_ = self.outputs[output]
        if op in (OF_ROWS, OF_COUNT, OF_NUNIQUE, OF_HALF):
            return np.int64
        own = op in (OF_WORD, OF_EXTREME, OF_SUM, OF_RANGE, OF_TIME, OF_RANK, OF_MODE, OF_LIST)
        return WORDS[numeric] if own else np.float64

    def is_list(self, output: int) -> bool:
        """Tell whether a result is a list of values, or of ranges of rows."""
        return self.outputs[output].op in (OF_LIST, OF_FROM)

    @property
    def has_lists(self) -> bool:
        """Whether any result is a list of values, which only the state that made it has."""
        return any(map(self.is_list, range(len(self.outputs))))


class Compiler:
    """Collects accumulators, each once, however many results read it."""

    def __init__(self, types: Callable[[str], pa.DataType], time: pa.DataType) -> None:
        self.types = types
        self.time = time
        self.columns: dict[Source, int | None] = {}
        self.outputs: list[Output] = []
        self.accs: dict[tuple[int, int, int, int, int, int], int] = {(ROWS, -1, -1, -1, -1, 0): 0}

    def acc(
        self,
        kind: int,
        column: str | Source,
        weight: str | None = None,
        nulls: int = -1,
        total: int = -1,
    ) -> int:
        """Find or add an accumulator."""
        sources = list(self.columns)
        source = self.source(column) if isinstance(column, str) else column
        key = (
            kind,
            sources.index(source),
            -1 if weight is None else sources.index(self.source(weight)),
            nulls,
            total,
            self.columns[source] or 0,
        )
        return self.accs.setdefault(key, len(self.accs))

    def source(self, column: str) -> Source:
        """What the accumulators of one word a value see of a column."""
        return column, part_of(self.own(column))

    def use(self, column: str, function: str) -> int:
        """Note an input column that values are needed of, and return what kind of number it is."""
        numeric = numeric_of(self.types(column), column, function)
        self.columns[self.source(column)] = numeric
        return numeric

    def add(self, output: Output) -> int:
        """Add an output."""
        self.outputs.append(output)
        return len(self.outputs) - 1

    def output(self, item: Aggregation) -> tuple[Output, pa.DataType]:
        """Compile one single result."""
        if item.function == "rows":
            return Output(OF_ROWS, 0, SIGNED), pa.int64()
        if item.function in ("row_first", "row_last"):
            span, is_last = self._numbers(ROW_SPAN), item.function == "row_last"
            return Output(OF_HALF, span, SIGNED, how=is_last), pa.int64()
        column = item.columns[0]
        if item.function == "count":
            return Output(OF_COUNT, self.acc(NULLS, column), SIGNED), pa.int64()
        if item.function in ("vwap", "wmean", "cov", "corr", "slope"):
            return self._pair(item), pa.float64()
        return self.single(item, column, self.use(column, item.function))

    def _numbers(self, kind: int) -> int:
        """Find or add an accumulator of the numbers of rows, counted as they come."""
        return self.accs.setdefault((kind, -1, -1, -1, -1, 0), len(self.accs))

    def row_runs(self, item: Aggregation) -> Output:
        """Compile the runs or spans of rows."""
        kind = ROW_RUNS if item.function == "row_runs" else ROW_SPANS
        return Output(OF_RUNS, self._numbers(kind), SIGNED)

    def _pair(self, item: Aggregation) -> Output:
        """Compile a result over two columns, or over a column and the time."""
        for column in item.columns:
            self.use(column, item.function)
            _check_addable(self.own(column), column, item.function)
        column, weight = item.columns if len(item.columns) > 1 else (item.columns[0], None)
        nulls = self.acc(NULLS, column, weight)
        if item.function in ("vwap", "wmean"):
            return Output(OF_RATIO, self.acc(WEIGHTED, column, weight, nulls))
        acc = self.acc(PAIRS, column, weight, nulls)
        match item.function:
            case "cov":
                return Output(OF_COV, acc, ddof=item.ddof)
            case "corr":
                return Output(OF_CORR, acc, ddof=1)
        return Output(OF_SLOPE, acc, ddof=1, by=self._units_per_second() if weight is None else 1.0)

    def _units_per_second(self) -> float:
        """How many units of the times are a second; times without a unit count by themselves."""
        return _UNITS_PER_SECOND[self.time.unit] if pa.types.is_timestamp(self.time) else 1.0

    def own(self, column: str) -> pa.DataType:
        """Type of the values of a column."""
        own = self.types(column)
        return own.value_type if pa.types.is_dictionary(own) else own

    def single(self, item: Aggregation, column: str, numeric: int) -> tuple[Output, pa.DataType]:
        """Compile a result over the values of one column."""
        own, nulls = self.own(column), self.acc(NULLS, column)
        match item.function:
            case "first" | "last":
                acc = self.acc(FIRST if item.function == "first" else LAST, column, nulls=nulls)
                return Output(OF_WORD, acc, numeric), own
            case "min" | "max":
                kind = LEAST if item.function == "min" else GREATEST
                return Output(OF_EXTREME, self._extreme(kind, column, nulls), numeric), own
            case "range":
                result, how = _range_type(own, numeric)
                high, low = (self._extreme(kind, column, nulls) for kind in (GREATEST, LEAST))
                return Output(OF_RANGE, high, numeric, other=low, how=how), result
            case "argmin" | "argmax":
                kind = LEAST_AT if item.function == "argmin" else GREATEST_AT
                times = FLOAT if pa.types.is_floating(self.time) else SIGNED
                return Output(OF_TIME, self.acc(kind, column, nulls=nulls), times), self.time
            case "quantile" | "median" | "mad" | "nunique" | "mode" | "collect":
                return self._of_all(item, own, numeric, self.acc(KEPT, column, nulls=nulls))
        _check_addable(own, column, item.function)
        return self._moment(item, column, numeric, nulls)

    def _of_all(
        self, item: Aggregation, own: pa.DataType, numeric: int, kept: int
    ) -> tuple[Output, pa.DataType]:
        """Compile a result that needs all values of one column."""
        column = item.columns[0]
        match item.function:
            case "nunique":
                return Output(OF_NUNIQUE, kept, SIGNED, ddof=-1), pa.int64()
            case "mode":
                return Output(OF_MODE, kept, numeric), own
            case "collect":
                times = self.acc(KEPT_TIMES, column, nulls=self.acc(NULLS, column))
                return Output(OF_LIST, kept, numeric, other=times), pa.list_(own)
            case "mad":
                _check_addable(own, column, item.function)
                return Output(OF_MAD, kept), pa.float64()
        options = dict(item.options)
        q, name = float(options.get("q", 0.5)), str(options.get("interpolation", "linear"))
        how = INTERPOLATIONS.index(name)
        if name in ("lower", "higher", "nearest"):
            return Output(OF_RANK, kept, numeric, how=how, by=q), own
        _check_addable(own, column, item.function)
        return Output(OF_QUANTILE, kept, how=how, by=q), pa.float64()

    def _extreme(self, kind: int, column: str, nulls: int) -> int:
        """Find or add LEAST or GREATEST, or that of integers."""
        is_float = self.columns[self.source(column)] == FLOAT
        return self.acc(kind if is_float else kind + 2, column, nulls=nulls)

    def _moment(
        self, item: Aggregation, column: str, numeric: int, nulls: int
    ) -> tuple[Output, pa.DataType]:
        """Compile a result over the sums of the values of one column and of their powers."""
        if item.function in ("skew", "kurt", "zscore"):
            return self._shape(item, self.acc(POWERS, column, nulls=nulls), nulls), pa.float64()
        total = self.acc(SUM if numeric == FLOAT else SUM_INT, column, nulls=nulls)
        match item.function:
            case "sum":
                result = (pa.float64(), pa.int64(), pa.uint64())[numeric]
                return Output(OF_SUM, total, numeric), result
            case "mean":
                return Output(OF_MEAN, total, numeric), pa.float64()
        squares = self.acc(
            SQUARES if numeric == FLOAT else SQUARES_INT, column, nulls=nulls, total=total
        )
        match item.function:
            case "var" | "std" | "sem":
                op = {"var": OF_VAR, "std": OF_STD, "sem": OF_SEM}[item.function]
                return Output(op, squares, numeric, item.ddof), pa.float64()
        raise InputError(f"there is no aggregation {item.function!r}")

    def _shape(self, item: Aggregation, powers: int, nulls: int) -> Output:
        """Compile a result over the sums of powers."""
        if item.function == "zscore":
            last = self.acc(LAST, item.columns[0], nulls=nulls)
            return Output(OF_ZSCORE, powers, ddof=item.ddof, other=last)
        op, ddof = (OF_SKEW, 2) if item.function == "skew" else (OF_KURT, 3)
        corrected = not dict(item.options)["bias"]
        return Output(op, powers, ddof=ddof if corrected else 0, how=corrected)


def numeric_of(column_type: pa.DataType, column: str, function: str) -> int:
    """Tell how the kernels see the values of a type."""
    types = pa.types
    if types.is_dictionary(column_type):
        column_type = column_type.value_type
    if types.is_floating(column_type) or types.is_null(column_type):
        return FLOAT
    if types.is_unsigned_integer(column_type):
        return UNSIGNED
    if types.is_signed_integer(column_type) or types.is_boolean(column_type):
        return SIGNED
    if is_narrow(column_type):
        return SIGNED
    if types.is_temporal(column_type) and not types.is_interval(column_type):
        return SIGNED
    raise ColumnTypeError(
        f"agg.{function}: column {column!r} is {column_type}; numbers, booleans and times have a "
        f"{function}"
    )


def _check_addable(column_type: pa.DataType, column: str, function: str) -> None:
    """Refuse to add up instants."""
    if pa.types.is_temporal(column_type):
        raise ColumnTypeError(
            f"agg.{function}: column {column!r} is {column_type}, and times cannot be added up"
        )


def _range_type(column_type: pa.DataType, numeric: int) -> tuple[pa.DataType, int]:
    """Tell the type of a range, and how many of its units are one of the values."""
    types = pa.types
    if types.is_decimal(column_type):
        return range_type(column_type), 1
    if types.is_date32(column_type):
        return pa.duration("s"), _SECONDS_PER_DAY
    if types.is_date64(column_type):
        return pa.duration("ms"), 1
    if types.is_timestamp(column_type) or types.is_time(column_type):
        return pa.duration(column_type.unit), 1
    if types.is_floating(column_type) or types.is_duration(column_type):
        return column_type, 1
    return (pa.float64(), pa.int64(), pa.uint64())[numeric], 1
