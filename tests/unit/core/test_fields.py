"""One field of a list of dicts becomes an array of numbers, or an error that names the record."""

import math
from collections import UserDict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import as_bits

from tidegate.core.convert import Place, from_python
from tidegate.core.errors import ColumnNotFoundError, ColumnTypeError, InputError
from tidegate.core.fields import column_of

N_LONG = 30_000


@settings(max_examples=100)
@given(st.lists(st.integers(-(2**70), 2**70) | st.floats() | st.integers(-9, 9), max_size=9))
def test_one_column_is_what_the_table_would_hold(values):
    records = [{"v": value, "w": None} for value in values]
    try:
        expected = from_python(values, Place("v"))
    except InputError:
        with pytest.raises(InputError, match=r"field 'v', record \d"):
            column_of(records, "v")
        return
    if expected.type == pa.uint64():
        with pytest.raises(InputError, match="is no int64"):
            column_of(records, "v")
        return
    found = column_of(records, "v")
    assert as_bits(found.tolist()) == as_bits(expected.to_pylist())
    assert column_of([], "v").dtype == np.int64


def test_a_long_column_turns_to_floats_at_any_place():
    values = list(range(N_LONG))
    assert column_of([{"v": v} for v in values], "v").tolist() == values
    values[-1] = 0.5
    assert column_of([{"v": v} for v in values], "v").tolist() == values
    values[3] = 2**53 + 1
    with pytest.raises(InputError, match="field 'v', record 3 is 9007199254740993"):
        column_of([{"v": v} for v in values], "v")


@pytest.mark.parametrize(
    ("record", "options", "error", "message"),
    [
        ({}, {}, ColumnNotFoundError, "record 1 has no field 'v'"),
        ({"v": None}, {}, ColumnTypeError, "field 'v', record 1 is None"),
        ({"v": True}, {}, ColumnTypeError, "field 'v', record 1 is True"),
        ({"v": "1"}, {}, ColumnTypeError, "field 'v', record 1 is '1' .str.; expected a number"),
        ({"v": 1.5}, {"dtype": "int64"}, ColumnTypeError, "record 1 is 1.5; expected a whole"),
        ({"v": math.nan}, {"nan": False}, InputError, "field 'v', record 1 is NaN"),
        ({"v": 2**63}, {}, InputError, "field 'v', record 1 is 9223372036854775808"),
        ({"v": 2**60 + 1}, {"dtype": "float64"}, InputError, "record 1 is 1152921504606846977"),
        ([], {}, ColumnTypeError, "record 1 is of type list"),
        ({"v": 1}, {"dtype": "int32"}, InputError, "dtype is 'int32'"),
    ],
)
def test_a_bad_number_is_named(record, options, error, message):
    with pytest.raises(error, match=message):
        column_of([{"v": 1}, record], "v", **options)


def test_numbers_of_numpy_and_other_mappings_are_read():
    records = [{"v": np.int64(1)}, UserDict(v=2), {"v": np.uint8(3)}]
    assert column_of(records, "v").tolist() == [1, 2, 3]
    assert column_of([*records, {"v": np.float32(0.5)}], "v").tolist() == [1, 2, 3, 0.5]
    assert column_of(records, "v", dtype="float64").dtype == np.float64
    assert math.isnan(column_of([{"v": math.nan}], "v")[0])
