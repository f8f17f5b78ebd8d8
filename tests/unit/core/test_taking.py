"""Rows of columns by number, of every type."""

import numpy as np
import pyarrow as pa
import pytest

from tidegate.core.errors import ColumnTypeError
from tidegate.core.taking import Taker, has_plain_words, taken_type

COLUMNS = {
    "i1": pa.array([1, None, 3], pa.int8()),
    "u2": pa.array([1, 2, 65535], pa.uint16()),
    "f2": pa.array(np.array([1.5, 2.5, -0.0], "f2")),
    "d4": pa.array([1, None, 3], pa.date32()),
    "ts": pa.array([1, 2, None]).cast(pa.timestamp("ns", "UTC")),
    "b": pa.array([True, None, False]),
    "dec": pa.array([1, None, 3]).cast(pa.decimal128(30, 2)),
    "dec256": pa.array([1, None, 3]).cast(pa.decimal256(60, 2)),
    "fixed": pa.array([b"abc", None, b"xyz"], pa.binary(3)),
    "fixed16": pa.array([b"a" * 16, None, b"z" * 16], pa.binary(16)),
    "text": pa.array(["a", None, "ccc"]),
    "large": pa.array(["a", None, "ccc"], pa.large_string()),
    "view": pa.array(["a", None, "c" * 40], pa.string_view()),
    "bview": pa.array([b"a", None, b"c" * 40], pa.binary_view()),
    "dict": pa.array(["a", None, "c"]).dictionary_encode(),
    "list": pa.array([[1], None, []]),
    "struct": pa.array([{"x": 1}, None, {"x": 3}]),
    "null": pa.nulls(3),
    "span": pa.array([(1, 2, 3), None, (4, 5, 6)], pa.month_day_nano_interval()),
    "uuid": pa.array([b"a" * 16, None, b"z" * 16], pa.uuid()),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("rows", [[2, 0, 0, 1, -1, 2], [-1], [], [0, 1, 2] * 3000])
@pytest.mark.parametrize("cut", ["whole", "sliced", "chunked"])
def test_rows_of_every_type_are_taken(name, rows, cut):
    whole = COLUMNS[name]
    column = {
        "whole": pa.chunked_array([whole]),
        "sliced": pa.chunked_array([pa.concat_arrays([whole, whole]).slice(2, 3).slice(1, 2)]),
        "chunked": pa.chunked_array([whole.slice(0, 1), whole.slice(1, 0), whole.slice(1)]),
    }[cut]
    rows = [min(row, len(column) - 1) for row in rows]
    (taken,) = Taker([column], len(column)).take(np.array(rows, np.int64))
    taken.validate(full=True)
    values = column.to_pylist()
    assert taken.type == column.type == taken_type(column.type, name)
    assert taken.to_pylist() == [None if row < 0 else values[row] for row in rows]


def test_run_ends_are_decoded():
    ends = pa.RunEndEncodedArray.from_arrays([2, 3], pa.array(["x", None]))
    (taken,) = Taker([pa.chunked_array([ends])], 3).take(np.array([2, 1, -1]))
    assert taken_type(ends.type, "x") == pa.string()
    assert taken.to_pylist() == [None, "x", None]


def test_what_arrow_cannot_take_is_refused():
    with pytest.raises(ColumnTypeError, match="'odd' is list"):
        taken_type(pa.list_(pa.string_view()), "odd")


def test_only_what_stands_for_itself_has_plain_words():
    plain = {name for name, column in COLUMNS.items() if has_plain_words(column.type)}
    assert plain == {"i1", "u2", "f2", "d4", "ts", "dec", "fixed16", "span"}
