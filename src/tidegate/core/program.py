"""Aggregations in the terms of the kernels: accumulators, and what to read from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tidegate.core.aggregations import Aggregation
from tidegate.core.errors import ColumnTypeError, InputError

__all__ = ["WORDS", "Program", "compile_program"]

# The numbers of _kernels/records.pxd.
ROWS, NULLS, SUM, SQUARES, SUM_INT, SQUARES_INT = range(6)
LEAST, GREATEST, LEAST_INT, GREATEST_INT, FIRST, LAST, WEIGHTED = range(6, 13)
FLOAT, SIGNED, UNSIGNED = range(3)
OF_ROWS, OF_COUNT, OF_WORD, OF_EXTREME, OF_SUM, OF_MEAN, OF_VAR, OF_STD, OF_RATIO = range(9)

# The type of the 8-byte words of a column: of FLOAT, SIGNED, UNSIGNED.
WORDS: tuple[type[np.float64], type[np.int64], type[np.uint64]] = (np.float64, np.int64, np.uint64)


@dataclass(frozen=True)
class Program:
    """Aggregations in the terms of the kernels.

    Attributes
    ----------
    accs, outputs : list of tuple
        As `WindowState` takes them.
    columns : list of (name, numeric)
        The input columns, each once; `numeric` is FLOAT, SIGNED or UNSIGNED, None: only its nulls
        count.
    fields : list of pyarrow.Field
        The results.
    """

    accs: list[tuple[int, int, int, int, int, int]]
    outputs: list[tuple[int, int, int, int]]
    columns: list[tuple[str, int | None]]
    fields: list[pa.Field[Any]]

    def word_of(self, output: int) -> type[np.float64 | np.int64 | np.uint64]:
        """Tell what the 8-byte words of a result are."""
        op, _, numeric, _ = self.outputs[output]
        if op in (OF_ROWS, OF_COUNT):
            return np.int64
        return WORDS[numeric] if op in (OF_WORD, OF_EXTREME, OF_SUM) else np.float64


class _Compiler:
    """Collects accumulators, each once, however many results read it."""

    def __init__(self, types: Callable[[str], pa.DataType]) -> None:
        self.types = types
        self.columns: dict[str, int | None] = {}
        self.accs: dict[tuple[int, int, int, int, int, int], int] = {(ROWS, -1, -1, -1, -1, 0): 0}

    def acc(
        self, kind: int, column: str, weight: str | None = None, nulls: int = -1, total: int = -1
    ) -> int:
        """Find or add an accumulator."""
        names = list(self.columns)
        key = (
            kind,
            names.index(column),
            -1 if weight is None else names.index(weight),
            nulls,
            total,
            self.columns[column] or 0,
        )
        return self.accs.setdefault(key, len(self.accs))

    def use(self, column: str, function: str) -> int:
        """Note an input column that values are needed of, and return what kind of number it is."""
        numeric = _numeric(self.types(column), column, function)
        self.columns[column] = numeric
        return numeric

    def output(self, item: Aggregation) -> tuple[tuple[int, int, int, int], pa.DataType]:
        """Compile one single result."""
        function = item.function
        if function == "rows":
            return (OF_ROWS, 0, 0, 0), pa.int64()
        column = item.columns[0]
        if function == "count":
            return (OF_COUNT, self.acc(NULLS, column), 0, 0), pa.int64()
        numeric = self.use(column, function)
        if function == "vwap":
            self.use(item.columns[1], function)
            nulls = self.acc(NULLS, column, item.columns[1])
            acc = self.acc(WEIGHTED, column, item.columns[1], nulls)
            return (OF_RATIO, acc, FLOAT, 0), pa.float64()
        return self._single(item, column, numeric, self.acc(NULLS, column))

    def _single(
        self, item: Aggregation, column: str, numeric: int, nulls: int
    ) -> tuple[tuple[int, int, int, int], pa.DataType]:
        """Compile a result over the values of one column."""
        own = self.types(column)
        own = own.value_type if pa.types.is_dictionary(own) else own
        is_float = numeric == FLOAT
        match item.function:
            case "first" | "last":
                acc = self.acc(FIRST if item.function == "first" else LAST, column, nulls=nulls)
                return (OF_WORD, acc, numeric, 0), own
            case "min" | "max":
                kind = LEAST if item.function == "min" else GREATEST
                acc = self.acc(kind if is_float else kind + 2, column, nulls=nulls)
                return (OF_EXTREME, acc, numeric, 0), own
        _check_addable(own, column, item.function)
        total = self.acc(SUM if is_float else SUM_INT, column, nulls=nulls)
        match item.function:
            case "sum":
                result = (pa.float64(), pa.int64(), pa.uint64())[numeric]
                return (OF_SUM, total, numeric, 0), result
            case "mean":
                return (OF_MEAN, total, numeric, 0), pa.float64()
            case "var" | "std":
                acc = self.acc(
                    SQUARES if is_float else SQUARES_INT, column, nulls=nulls, total=total
                )
                op = OF_VAR if item.function == "var" else OF_STD
                return (op, acc, numeric, item.ddof), pa.float64()
        raise InputError(f"there is no aggregation {item.function!r}")


def compile_program(
    results: Mapping[str, Aggregation], types: Callable[[str], pa.DataType]
) -> Program:
    """Turn named aggregations into accumulators and outputs.

    Parameters
    ----------
    results : mapping of str to Aggregation
        Single results, from `expand`.
    types : callable
        Gives the type of a column; raises `ColumnNotFoundError` where there is none.
    """
    compiler = _Compiler(types)
    for item in results.values():  # all columns first: their places must not move
        for column in item.columns:
            if item.function == "count" and not _is_numeric(types(column)):
                compiler.columns.setdefault(column, None)  # only its nulls matter
            else:
                compiler.use(column, item.function)
    outputs, fields = [], []
    for name, item in results.items():
        output, result = compiler.output(item)
        outputs.append(output)
        fields.append(pa.field(name, result))
    return Program(list(compiler.accs), outputs, list(compiler.columns.items()), fields)


def _is_numeric(column_type: pa.DataType) -> bool:
    """Whether the kernels can hold the values of a type."""
    try:
        _numeric(column_type, "", "")
    except ColumnTypeError:
        return False
    return True


def _numeric(column_type: pa.DataType, column: str, function: str) -> int:
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
