"""Aggregations of columns of any type in the terms of the kernels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal

import pyarrow as pa

from tidegate.core.agg_custom import type_named
from tidegate.core.aggregation import Aggregation
from tidegate.core.decimals import is_narrow, range_type, scale_of, sum_type
from tidegate.core.errors import ColumnTypeError
from tidegate.core.parts import OF_TEXTS, OF_WIDE, Part, kind_of, part_of
from tidegate.core.program import (
    GREATEST_TEXT,
    KEPT,
    KEPT_TIMES,
    LEAST_TEXT,
    NULLS,
    OF_COUNT,
    OF_EXTREME,
    OF_HALF,
    OF_LIST,
    SIGNED,
    SUM_INT,
    UNSIGNED,
    Compiler,
    Output,
    Program,
    Result,
    numeric_of,
)
from tidegate.core.rangecolumns import TYPES_OF_RUNS

__all__ = ["compile_program"]


class _AnyCompiler(Compiler):
    """Also knows results of text, of decimals, and of functions of the user's."""

    def note(self, item: Aggregation) -> None:
        """Note the columns of an aggregation: whether values are needed, before any accumulator."""
        for column in item.columns:
            kind = kind_of(self.own(column))
            if item.function == "count" and kind != "number":
                self.columns.setdefault(self.source(column), None)  # only its nulls matter
            elif item.function == "custom" and len(item.columns) > 1:
                continue  # sees a row only if all of its columns have a value
            elif kind == "text" or (kind == "wide" and item.function not in ("sum", "mean")):
                self.columns[self.source(column)] = SIGNED
            elif kind != "wide":
                self.use(column, item.function)

    def result(self, item: Aggregation) -> tuple[Result, pa.DataType]:
        """Compile one result of columns of any type."""
        if item.function == "custom":
            return self._custom(item)
        if item.function in TYPES_OF_RUNS:
            type_ = TYPES_OF_RUNS[item.function]
            return Result("runs", (self.add(self.row_runs(item)),), item), type_
        own = [self.own(column) for column in item.columns]
        for column, type_ in zip(item.columns, own, strict=True):
            _check_has(item.function, column, type_)
        kinds = [kind_of(type_) for type_ in own]
        if item.function != "count":
            if "text" in kinds or "wide" in kinds:
                return self._of_codes(item, own[0])
            if "decimal" in kinds and item.function in ("sum", "mean"):
                return self._of_limbs(item, own[0], (part_of(own[0]),))
        output, type_ = self.output(item)
        scale = _scale_of(item, own) if pa.types.is_floating(type_) else 0
        how: Literal["scaled", "words"] = "scaled" if scale else "words"
        return Result(how, (self.add(output),), item, scale=scale), type_

    def _of_codes(self, item: Aggregation, own: pa.DataType) -> tuple[Result, pa.DataType]:
        """Compile a result over the codes of one column."""
        (column,) = item.columns
        if item.function in ("sum", "mean"):
            limbs = tuple(Part("limb", at) for at in range(own.bit_width // 64))
            return self._of_limbs(item, own, limbs)
        source = self.source(column)
        self.columns[source] = SIGNED
        nulls = self.acc(NULLS, source)
        if item.function in ("min", "max", "range"):
            kinds = {"min": [LEAST_TEXT], "max": [GREATEST_TEXT]}
            outputs = tuple(
                self.add(Output(OF_EXTREME, self.acc(kind, source, nulls=nulls), SIGNED))
                for kind in kinds.get(item.function, [GREATEST_TEXT, LEAST_TEXT])
            )
            if item.function == "range":
                columns = column, column
                return Result("range", outputs, item, columns, scale_of(own)), range_type(own)
            return Result("codes", outputs, item, (column,)), own
        output, type_ = self.single(item, column, SIGNED)
        if item.function == "nunique":
            return Result("words", (self.add(output),), item), type_
        return Result("codes", (self.add(output),), item, (column,)), type_

    def _of_limbs(
        self, item: Aggregation, own: pa.DataType, parts: tuple[Part, ...]
    ) -> tuple[Result, pa.DataType]:
        """Compile the sum or mean of decimals: both halves of the sum of each word, the number."""
        (column,) = item.columns
        for part in parts:
            is_low = part.kind == "limb" and part != parts[-1]
            self.columns[column, part] = UNSIGNED if is_low else SIGNED
        nulls = self.acc(NULLS, (column, parts[0]))
        sums = [self.acc(SUM_INT, (column, part), nulls=nulls) for part in parts]
        outputs = [
            self.add(Output(OF_HALF, total, SIGNED, how=half)) for total in sums for half in (0, 1)
        ]
        if item.function == "sum":
            return Result("sum", tuple(outputs), item, scale=scale_of(own)), sum_type(own)
        outputs.append(self.add(Output(OF_COUNT, nulls, SIGNED)))
        return Result("mean", tuple(outputs), item, scale=scale_of(own)), pa.float64()

    def _custom(self, item: Aggregation) -> tuple[Result, pa.DataType]:
        """Compile a function of the user's over the values of columns, in order of time."""
        outputs, columns = [], []
        is_in_c = "signature" in dict(item.options)
        for column in item.columns:
            own = self.own(column)
            if is_in_c and (kind_of(own) != "number" or pa.types.is_temporal(own)):
                raise ColumnTypeError(
                    f"agg.custom: column {column!r} is {own}, and C functions take numbers: cast "
                    f"it to float64, or give a function of Python"
                )
            part = part_of(own, tuple(name for name in item.columns if name != column))
            if part.kind == "codes":
                self.columns[column, part] = SIGNED
            else:
                self.columns[column, part] = numeric_of(own, column, "custom")
            columns.append(column if part.kind == "codes" else "")
            nulls = self.acc(NULLS, (column, part))
            kept = self.acc(KEPT, (column, part), nulls=nulls)
            times = self.acc(KEPT_TIMES, (column, part), nulls=nulls)
            numeric = self.columns[column, part] or 0
            outputs.append(self.add(Output(OF_LIST, kept, numeric, other=times)))
        type_ = type_named(str(dict(item.options)["type"]))
        return Result("custom", tuple(outputs), item, tuple(columns)), type_


def compile_program(
    results: Mapping[str, Aggregation], types: Callable[[str], pa.DataType], time: pa.DataType
) -> Program:
    """Turn named aggregations into accumulators and outputs.

    Parameters
    ----------
    results : mapping of str to Aggregation
        Single results, from `expand`.
    types : callable
        Gives the type of a column; raises `ColumnNotFoundError` where there is none.
    time : pyarrow.DataType
        Of the times.

    Notes
    -----
    What was compiled last is kept, but for functions of the user's: a program is never changed.
    """
    items = tuple(results.items())
    if any(item.call is not None for item in results.values()):
        return _compile(results, types, time)
    names = dict.fromkeys(name for item in results.values() for name in item.columns)
    return _compiled(items, tuple((name, types(name)) for name in names), time)


@lru_cache(maxsize=128)
def _compiled(
    items: tuple[tuple[str, Aggregation], ...],
    types: tuple[tuple[str, pa.DataType], ...],
    time: pa.DataType,
) -> Program:
    """Compile named aggregations, unless they were lately."""
    return _compile(dict(items), dict(types).__getitem__, time)


def _compile(
    results: Mapping[str, Aggregation], types: Callable[[str], pa.DataType], time: pa.DataType
) -> Program:
    """Compile named aggregations."""
    compiler = _AnyCompiler(types, time)
    for item in results.values():  # all columns first: their places must not move
        compiler.note(item)
    made, fields = [], []
    for name, item in results.items():
        result, type_ = compiler.result(item)
        made.append(result)
        fields.append(pa.field(name, type_))
    columns = [(name, numeric) for (name, _), numeric in compiler.columns.items()]
    parts = [part for _, part in compiler.columns]
    custom = (column for item in results.values() for column in item.columns if item.call)
    own = {column: compiler.own(column) for column in custom}
    return Program(list(compiler.accs), compiler.outputs, columns, fields, parts, made, own)


def _check_has(function: str, column: str, own: pa.DataType) -> None:
    """Refuse what text or wide decimals do not have."""
    kind = kind_of(own)
    if kind == "text" and function not in OF_TEXTS:
        raise ColumnTypeError(
            f"agg.{function}: column {column!r} is {own}; of text and bytes there are "
            f"{', '.join(OF_TEXTS)}: for a {function} make numbers of it"
        )
    if kind == "wide" and function not in OF_WIDE:
        raise ColumnTypeError(
            f"agg.{function}: column {column!r} is {own}; of decimals of more than 18 digits there "
            f"are {', '.join(OF_WIDE)}: for a {function} cast it to a decimal of 18 digits, or to "
            f"float64"
        )


def _scale_of(item: Aggregation, own: list[pa.DataType]) -> int:
    """In units of 10 to which power less a float64 comes out of the units of narrow decimals."""
    scales = [scale_of(type_) if is_narrow(type_) else 0 for type_ in own]
    match item.function:
        case "var":
            return 2 * scales[0]
        case "cov":
            return scales[0] + scales[1]
        case "slope" if len(scales) > 1:
            return scales[0] - scales[1]
        case "std" | "sem" | "mad" | "median" | "quantile" | "vwap" | "wmean" | "slope":
            return scales[0]
    return 0
