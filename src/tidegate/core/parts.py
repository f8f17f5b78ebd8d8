"""What the kernels see of a column: words, units, limbs or codes; and what its type can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from tidegate.core.columns import Numbers, plain, validity, value_column
from tidegate.core.columntypes import column_index, fits_64_bits, is_text, plain_type
from tidegate.core.decimals import is_narrow, is_wide, limbs_of, units_of
from tidegate.core.errors import ColumnTypeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.core.texts import Coded

__all__ = [
    "OF_TEXTS",
    "OF_WIDE",
    "WORDS",
    "Part",
    "Source",
    "column_type",
    "kind_of",
    "part_of",
    "read_parts",
]

# What text, bytes and wide decimals have.
OF_TEXTS = (*("count", "first", "last", "min", "max", "nunique", "mode", "collect", "custom"),)
OF_WIDE = (*OF_TEXTS, "sum", "mean", "range")

Kind: TypeAlias = Literal["number", "decimal", "wide", "text"]
Values: TypeAlias = "tuple[Numbers | None, Numbers | None]"


class Part(NamedTuple):
    """One column of the kernels, as a part of a column of the input.

    Attributes
    ----------
    kind : {"words", "units", "limb", "codes"}
        The values as words of 64 bits; the units of a narrow decimal; one word of the units of a
        wide one; codes of the values.
    limb : int
        Which word.
    beside : tuple of str
        Columns that must have a value too, for a row to have one.
    """

    kind: Literal["words", "units", "limb", "codes"] = "words"
    limb: int = 0
    beside: tuple[str, ...] = ()


WORDS = Part()
Source: TypeAlias = "tuple[str, Part]"


def kind_of(type: pa.DataType) -> Kind | None:  # noqa: A002
    """Tell what the values of a plain type are to the kernels; None: nothing."""
    types = pa.types
    if fits_64_bits(type):
        return "number"
    if is_narrow(type):
        return "decimal"
    if is_wide(type):
        return "wide"
    is_bytes = types.is_binary(type) or types.is_large_binary(type) or types.is_binary_view(type)
    return "text" if is_text(type) or is_bytes or types.is_fixed_size_binary(type) else None


def part_of(type: pa.DataType, beside: tuple[str, ...] = ()) -> Part:  # noqa: A002
    """Return what the kernels see of the values of a type, each as one word."""
    kind = kind_of(type)
    if kind == "number":
        return Part("words", beside=beside)
    return Part("units" if kind == "decimal" else "codes", beside=beside)


def column_type(schema: pa.Schema, name: str) -> pa.DataType:
    """Return the own type of a column that something can be computed of.

    Raises
    ------
    ColumnNotFoundError
        If there is no such column.
    ColumnTypeError
        If the column is there twice, or its type is nested or an interval.
    """
    given = plain_type(schema.field(column_index(schema, name)).type)
    if kind_of(given) is None:
        raise ColumnTypeError(
            f"column {name!r} is {given}, which cannot be computed with; expected numbers, "
            f"booleans, decimals, dates, times, timestamps, durations, text or bytes"
        )
    return given


def read_parts(
    batch: pa.RecordBatch,
    sources: Sequence[tuple[str, int | None, Part]],
    texts: Mapping[str, Coded],
    *,
    skip_nan: bool,
    threads: int = 1,
) -> list[Values]:
    """View the columns of a batch as the kernels take them.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        With columns of the types that are known.
    sources : sequence of (name, numeric, Part)
        The kernels' columns; `numeric` None: only its nulls count.
    texts : mapping of str to Coded
        Of the columns of which there are codes; they learn the values that are new.
    skip_nan : bool
        A NaN is missing.
    threads : int
        At most how many look values up.

    Returns
    -------
    list of (values, valid)
        (n_rows,) words and (n_rows,) uint8; None: only the nulls count, no null.
    """
    known: dict[Source, Values] = {}

    def read(name: str, part: Part) -> Values:
        """Read each once."""
        source = (name, part._replace(beside=()))
        if source not in known:
            if part.kind == "codes":
                known[source] = texts[name].encode(batch.column(name), threads)
            else:
                known[source] = _read(batch, name, part)
        return known[source]

    columns: list[Values] = []
    for name, numeric, part in sources:
        if numeric is None:
            columns.append((None, validity(batch.column(name))))
            continue
        values, valid = read(name, part)
        for other in part.beside:
            beside = read(other, part_of(plain_type(batch.column(other).type)))
            valid = _both(valid, _there(*beside, skip_nan=skip_nan))
        columns.append((values, valid))
    return columns


def _read(batch: pa.RecordBatch, name: str, part: Part) -> Values:
    """Read a part of a column without codes."""
    if part.kind == "words":
        return value_column(batch, name)
    column: pa.Array[Any] = plain(batch.column(name))
    if part.kind == "units":
        return units_of(column, name), validity(column)
    return limbs_of(column)[part.limb], validity(column)


def _there(values: Numbers | None, valid: Numbers | None, *, skip_nan: bool) -> Numbers | None:
    """Which rows have a value that counts; None: all."""
    if skip_nan and values is not None and values.dtype.kind == "f":
        return _both(valid, (~np.isnan(values)).view(np.uint8))
    return valid


def _both(one: Numbers | None, other: Numbers | None) -> Numbers | None:
    """Which rows are there in both; None: all."""
    if one is None or other is None:
        return other if one is None else one
    return one & other
