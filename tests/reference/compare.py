"""What it means that two results are the same: to the bit, or as near as was promised."""

import math
import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
from reference.oracle import ANY_FLOAT, Answer, Exact, Near, Want, nearest

TEXTS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
)

# A float result is the exact one rounded once, and at most one place further off ...
MAX_ULPS = 2
# ... where its terms do not cancel beyond what a compensated sum keeps: its error is bounded by
# (n u)^2 times the sum of their magnitudes (Ogita, Rump, Oishi 2005, proposition 4.5); the factor
# is for the fold of the lanes and the division, which do the same a second time.
UNIT_ROUNDOFF = Fraction(1, 2**53)
PASSES = 2
RELATIVE = 1e-12  # of what is made of several sums
# Below it a product loses bits to underflow, whatever is done afterwards.
LEAST_PRODUCT = Fraction(1, 2**1022)


def raw_bits(table: pa.Table) -> list[tuple[str, str, list[bytes]]]:
    """Give name, type, nulls and raw value bits of every column, free of chunks and offsets."""
    return [
        (name, str(column.type), column_bits(column.combine_chunks()))
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]


def column_bits(column: pa.Array) -> list[bytes]:
    """Give the validity of a column and its raw values, zero where null; of lists their lengths."""
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    there = column.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_struct(column.type):
        return [there.tobytes(), *(bits for part in column.flatten() for bits in column_bits(part))]
    if pa.types.is_list(column.type):
        lengths = column.value_lengths().fill_null(0).to_numpy()
        return [there.tobytes(), lengths.tobytes(), *column_bits(column.flatten())]
    if pa.types.is_null(column.type):
        return [there.tobytes()]
    if any(is_of(column.type) for is_of in TEXTS):
        column = column.cast(pa.binary()).fill_null(b"")
        ends = np.frombuffer(column.buffers()[1], np.int32)[column.offset :][: len(column) + 1]
        values = memoryview(column.buffers()[2] or b"")[ends[0] : ends[-1]]
        return [there.tobytes(), np.diff(ends).tobytes(), bytes(values)]
    return [there.tobytes(), plain_bits(column, there)]


def plain_bits(column: pa.Array, there: np.ndarray) -> bytes:
    """Give the values of a column of a fixed width, zero where null."""
    if pa.types.is_boolean(column.type):
        return column.fill_null(False).to_numpy(zero_copy_only=False).tobytes()
    width = column.type.byte_width
    values = np.frombuffer(column.buffers()[1] or b"", f"V{width}")
    values = values[column.offset :][: len(column)].copy()
    values[~there] = np.void(bytes(width))
    return values.tobytes()


def assert_same_bits(got: pa.Table, expected: pa.Table) -> None:
    """Hold two tables to the same columns, types, order, nulls and value bits."""
    assert got.schema.names == expected.schema.names
    assert got.schema.types == expected.schema.types
    assert got.num_rows == expected.num_rows
    for mine, theirs in zip(raw_bits(got), raw_bits(expected), strict=True):
        if mine != theirs:
            name = mine[0]
            raise AssertionError(
                f"column {name!r} differs:\n{differences(got[name], expected[name])}"
            )


def assert_same_run(got: Any, expected: Any) -> None:
    """Hold two runs to the same result, the same late side and the same counts."""
    assert_same_bits(got.result, expected.result)
    assert_same_bits(got.late, expected.late)
    assert got.stats == expected.stats


def with_plain_times(table: pa.Table) -> pa.Table:
    """Give a table with its times as integers of their unit."""
    for place, field in enumerate(table.schema):
        if pa.types.is_temporal(field.type):
            table = table.set_column(place, field.name, table[field.name].cast(pa.int64()))
    return table


def as_bits(value: Any) -> Any:
    """Give something that is equal only for the same Python value of the same type."""
    if isinstance(value, float):
        return "float", struct.pack("<d", value)
    if isinstance(value, list | tuple):
        return "list", [as_bits(item) for item in value]
    if isinstance(value, dict):
        return "dict", [(name, as_bits(item)) for name, item in value.items()]
    return type(value).__name__, value


def differences(got: pa.ChunkedArray, expected: pa.ChunkedArray) -> str:
    """Show the first rows in which two columns differ."""
    rows = [
        f"row {i}: {show(a)} is not {show(b)}"
        for i, (a, b) in enumerate(zip(got.to_pylist(), expected.to_pylist(), strict=True))
        if show(a) != show(b)
    ]
    return "\n".join(rows[:5])


def show(value: Any) -> str:
    """Show a value so that two floats of different bits look different."""
    if not isinstance(value, float):
        return repr(value)
    return f"{value!r} ({np.float64(value).view('u8'):#018x})"


def assert_answers(
    table: pa.Table,
    said: Answer,
    wants: Sequence[Want],
    *,
    by: Sequence[str] = (),
) -> None:
    """Hold a result to what the oracle said: rows, order, names and values."""
    names = [*by, "window_start", "window_end", *(want.name for want in wants)]
    assert table.column_names == names
    got = table.to_pylist()
    placed = [(row["window_end"], row["window_start"], *(row[name] for name in by)) for row in got]
    expected = [
        (row["window_end"], row["window_start"], *(row[name] for name in by))
        for row in said.windows
    ]
    assert list(map(repr, placed)) == list(map(repr, expected))
    for mine, theirs in zip(got, said.windows, strict=True):
        for want in wants:
            problem = disagreement(mine[want.name], theirs[want.name], want.kind)
            assert problem is None, f"{want} of {mine}: {problem}"


def disagreement(got: Any, expected: Any, kind: str) -> str | None:
    """Say how a value misses what was promised, or None."""
    if expected is ANY_FLOAT:
        return None if isinstance(got, float) else f"{got!r} is no float"
    if isinstance(expected, Near):
        return None if is_close(got, expected) else f"{got!r} is not {expected!r}"
    if isinstance(expected, Exact):
        return None if is_near(got, expected) else f"{got!r} is not {nearest(expected)!r}"
    if kind == "sum" and got == expected == 0:
        return None  # of no values: 0 or 0.0, as the column's type has it
    if same_value(got, expected, signed_zero=kind in {"first", "last"}):
        return None
    return f"{show(got)} is not {show(expected)}"


def same_value(got: Any, expected: Any, *, signed_zero: bool) -> bool:
    """Compare two values; NaN is NaN, and of two zeros the least may be either."""
    if isinstance(got, list):
        return repr(got) == repr(expected)  # NaN is NaN
    if isinstance(got, float) and isinstance(expected, float):
        if math.isnan(got) or math.isnan(expected):
            return math.isnan(got) and math.isnan(expected)
        if signed_zero and got == 0:
            return math.copysign(1, got) == math.copysign(1, expected) and expected == 0
    return type(got) is type(expected) and bool(got == expected)


def is_near(got: Any, expected: Exact) -> bool:
    """Tell whether a float is the exact result within the bound that is promised."""
    if not isinstance(got, float) or math.isnan(got):
        return False
    rounded = nearest(expected)
    if got == rounded:
        return True
    if math.isinf(got) or math.isinf(rounded):
        return False
    allowed = MAX_ULPS * Fraction(math.ulp(rounded)) + lost_by_cancelling(expected)
    return abs(Fraction(got) - Fraction(rounded)) <= allowed


def is_close(got: Any, expected: Near) -> bool:
    """Tell whether a float is within 1e-12 of a result, and what its terms lose by cancelling."""
    if not isinstance(got, float) or math.isnan(got):
        return False
    if got == expected.value:
        return True
    rate = float((PASSES * expected.n_terms * UNIT_ROUNDOFF) ** 2)
    return abs(got - expected.value) <= RELATIVE * abs(expected.value) + rate * expected.lost


def lost_by_cancelling(expected: Exact) -> Fraction:
    """Give the bound on what cancelling terms and underflowing products may lose."""
    rate = (PASSES * expected.n_terms * UNIT_ROUNDOFF) ** 2
    lost = rate * expected.scale + expected.n_products * LEAST_PRODUCT
    if not expected.root:
        return lost
    # sqrt(v + d) - sqrt(v) is at most d / sqrt(v), and at most sqrt(d)
    root = nearest(expected)
    return lost / Fraction(root) if root else Fraction(math.sqrt(lost))
