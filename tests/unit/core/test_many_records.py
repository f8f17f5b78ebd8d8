"""Many dicts of one shape are read and made in a quicker way: nobody can tell by what they hold."""

import copy
import gc
import pickle
import random
from collections import OrderedDict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate._kernels import objects
from tidegate._kernels.fields import read_fields
from tidegate.core.errors import ColumnNotFoundError, ColumnTypeError, InputError
from tidegate.core.fields import column_of, columns_of
from tidegate.core.grouping import with_fields
from tidegate.core.pyobjects import BLOCK, MANY, to_dicts

N_LONG = 2 * BLOCK + 77


def a_table(n_rows, names=("a", "b")):
    """Make a table of whole numbers."""
    return pa.table({name: np.arange(n_rows) + i for i, name in enumerate(names)})


# -------------------------------------------------------------------------------------- made


@pytest.mark.parametrize("n_rows", [MANY - 1, MANY, N_LONG])
def test_rows_share_nothing_that_a_change_of_one_would_show(n_rows):
    rows, others = to_dicts(a_table(n_rows)), to_dicts(a_table(n_rows))
    rows[0]["new"] = 1
    rows[1]["other"] = 2
    rows[1]["new"] = 3
    del rows[2]["a"]
    rows[3].clear()
    rows[4]["a"] = [rows]
    rows[5].popitem()
    assert rows[:6] == [
        {"a": 0, "b": 1, "new": 1},
        {"a": 1, "b": 2, "other": 2, "new": 3},
        {"b": 3},
        {},
        {"a": [rows], "b": 5},
        {"a": 5},
    ]
    assert rows[6:] == others[6:] == a_table(n_rows).to_pylist()[6:]
    assert list(rows[1]) == ["a", "b", "other", "new"]
    assert to_dicts(a_table(n_rows)) == others  # nor do rows that are made later


@pytest.mark.parametrize("n_columns", [0, 1, 5, 30, 31, 64])
def test_rows_of_any_width_and_of_any_names_are_plain_dicts(n_columns):
    names = ["__class__", "__dict__", "", "a b", "ü"][:n_columns]
    names += [f"c{i}" for i in range(n_columns - len(names))]
    table = a_table(N_LONG, names)
    rows = to_dicts(table)
    assert rows == table.to_pylist()
    assert all(type(row) is dict and list(row) == names for row in rows)
    assert pickle.loads(pickle.dumps(rows[:9])) == copy.deepcopy(rows[:9]) == rows[:9]  # noqa: S301


@settings(max_examples=60)
@given(
    st.lists(st.integers(-3, 3), max_size=12),
    st.integers(0, 4),
    st.booleans(),
    st.sampled_from(["int64", "time", "int32"]),
)
def test_columns_that_are_each_other_some_rows_on_are_what_they_were(values, lag, same, kind):
    first = np.array(values * 30, np.int64)
    second = np.concatenate([first[lag:], np.full(min(lag, len(first)), 9, np.int64)])
    if not same and len(second):
        second[len(second) // 2] += 1
    columns = [
        pa.array(column.astype("i4" if kind == "int32" else "i8")) for column in (first, second)
    ]
    if kind == "time":
        columns = [column.cast(pa.timestamp("us")) for column in columns]
    table = pa.table({"start": columns[0], "end": columns[1]})
    assert to_dicts(table) == table.to_pylist()


@pytest.mark.parametrize("n_rows", [1, MANY, N_LONG])
def test_words_become_the_objects_that_arrow_makes_of_them(n_rows):
    chance = np.random.default_rng(9)
    table = pa.table(
        {
            "real": chance.normal(size=n_rows),
            "whole": chance.integers(-(2**63), 2**63 - 1, n_rows),
            "gone": pa.array([None if i % 3 else i for i in range(n_rows)], pa.int64()),
            "again": np.arange(n_rows),
            "later": np.arange(n_rows) + 5,
        }
    )
    rows = to_dicts(table.slice(n_rows // 3))
    assert rows == table.slice(n_rows // 3).to_pylist()
    assert {tuple(map(type, row.values())) for row in rows} <= {
        (float, int, int, int, int),
        (float, int, type(None), int, int),
    }


def test_a_column_of_another_length_is_refused():
    for column in ([1, 2], np.array([1, 2]), np.array([0.5])[:0]):
        with pytest.raises(ValueError, match="has not n_rows values"):
            objects.records(["a"], [column], 1, None, 0, {"a": None})


def test_a_blank_record_of_other_names_is_refused():
    with pytest.raises(ValueError, match="other names"):
        objects.records(["a"], [[1]], 1, None, 0, {"b": None})


# -------------------------------------------------------------------------------------- read


def shaped(row, value, shape):
    """Make a record that holds a value in one of many ways."""
    fresh = "".join(["val", "ue"])  # an object of its own, unlike the keys of literals
    ways = {
        "first": lambda: {"value": value, "other": row},
        "last": lambda: {"other": row, "more": None, "value": value},
        "fresh": lambda: {"other": row, fresh: value},
        "ordered": lambda: OrderedDict(other=row, value=value),
        "moved": lambda: {"value": None, "other": row},
        "odd": lambda: {1: 2, (): 3, "value": value},
        "shared": lambda: to_dicts(pa.table({"x": [0] * MANY, "value": [0] * MANY}))[0],
    }
    record = ways[shape]()
    if shape == "moved":
        del record["value"]
        record["value"] = value
    record["value"] = value
    return record


SHAPES = ["first", "last", "fresh", "ordered", "moved", "odd"]


@settings(max_examples=60)
@given(st.lists(st.sampled_from([*SHAPES, "shared"]), max_size=40))
def test_a_field_is_found_wherever_it_is(shapes):
    records = [shaped(i, i / 4, shape) for i, shape in enumerate(shapes)]
    assert column_of(records, "value", dtype="float64").tolist() == [
        record["value"] for record in records
    ]


@pytest.mark.parametrize("n_first", [0, 1, 63, 64, 200, N_LONG - 1])
def test_a_field_that_moves_is_found_in_long_lists_too(n_first):
    records = [shaped(i, i, SHAPES[i % 6] if i >= n_first else "last") for i in range(N_LONG)]
    assert column_of(records, "value").tolist() == list(range(N_LONG))
    del records[n_first]["value"]
    with pytest.raises(ColumnNotFoundError, match=f"record {n_first} has no field 'value'"):
        column_of(records, "value")


NUMBERS = st.one_of(
    st.integers(-(2**53) - 2, 2**53 + 2),
    st.floats(allow_nan=False),
    st.sampled_from([2**63, True, None, "x"]),
)


def answer(read):
    """Give the values that come out, or the error."""
    try:
        return [column.tolist() for column in read()], None
    except (ColumnNotFoundError, ColumnTypeError, InputError) as error:
        return None, (type(error), str(error))


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([("a", "b", "c"), ("c", "a", "b"), ("b", "a"), ()]),
            st.lists(NUMBERS, min_size=3, max_size=3),
        ),
        max_size=6,
    ),
    st.sampled_from([1, 15, 16, 17, 40]),
)
def test_some_fields_at_once_are_what_each_is_by_itself(some, n_before):
    records = [{"a": i, "b": i / 2, "c": -i} for i in range(n_before)]
    records += [dict(zip(names, values, strict=False)) for names, values in some]
    fields = ("b", "c", "a")
    assert answer(lambda: columns_of(records, fields)) == answer(
        lambda: [column_of(records, field) for field in fields]
    )
    given = [{name: record.get(name) for name in fields} for record in records]
    full = [{k: 0 if v is None else v for k, v in record.items()} for record in given]
    assert answer(lambda: columns_of(records, fields, missing=dict.fromkeys(fields, 0))) == answer(
        lambda: [column_of(full, field) for field in fields]
    )


def test_some_fields_of_long_lists_are_what_each_is_by_itself():
    records = [shaped(i, i / 4, SHAPES[i // 50 % 6]) | {"more": i} for i in range(N_LONG)]
    random.Random(8).shuffle(records)  # noqa: S311
    found = columns_of(records, ["value", "more"])
    assert [column.tolist() for column in found] == [
        [record[name] for record in records] for name in ("value", "more")
    ]
    del records[-1]["more"]
    filled = columns_of(records, ["value", "more"], missing={"more": 7})
    assert filled[1].tolist() == [*found[1][:-1].tolist(), 7]
    assert filled[1].dtype == np.int64


@pytest.mark.parametrize("names", [[], ["a"] * 17])
def test_no_fields_and_too_many_are_refused(names):
    with pytest.raises(ValueError, match="fields are not within 1 and 16"):
        read_fields([{"a": 1}], names, np.empty((len(names), 1), np.int64), False)


# ------------------------------------------------------------------------------------ copied


@pytest.mark.parametrize("was_on", [True, False])
def test_copies_hold_the_old_fields_and_the_new_ones_and_leave_the_collector_as_it_was(was_on):
    plain = [shape for shape in SHAPES if shape != "ordered"]
    records = [shaped(i, [i], plain[i % 5]) for i in range(1000)]
    random.Random(7).shuffle(records)  # noqa: S311
    before = [dict(record) for record in records]
    (gc.enable if was_on else gc.disable)()
    try:
        copies = with_fields(records, value=list(range(1000)), late=[True] * 1000)
        with pytest.raises(TypeError):
            with_fields([{}, 3], late=[True] * 2)
        assert gc.isenabled() == was_on
    finally:
        gc.enable()
    assert records == before
    assert copies == [
        before | {"value": i, "late": True} for i, before in enumerate(map(dict, records))
    ]
