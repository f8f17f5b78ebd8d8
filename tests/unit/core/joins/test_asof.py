"""`asof_join`: each left row gets the right row that is next to it in time."""

import bisect
import datetime as dt
import math

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.asof import joined
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import errors

DIRECTIONS = ("backward", "forward", "nearest")
TIMES = {
    "int": st.one_of(st.integers(-6, 6), st.none()),
    "far": st.sampled_from([-(2**63), -(2**63) + 1, -1, 0, 1, 2**63 - 2, 2**63 - 1, None]),
    "float": st.sampled_from(
        [-math.inf, -1.5, -0.0, 0.0, 0.1, 0.2, 0.3, 5e-324, 1e308, math.inf, math.nan, None]
    ),
}
TIME_TYPES = {"int": pa.int64(), "far": pa.int64(), "float": pa.float64()}
KEYS = {
    "k": st.sampled_from(["a", "b", "", None]),
    "n": st.sampled_from([0, 1, 2**62, None]),
    "x": st.sampled_from([0.0, -0.0, math.nan, None]),
}
KEY_TYPES = {"k": pa.string(), "n": pa.int64(), "x": pa.float64()}
TOLERANCES = {
    "int": st.sampled_from([None, 0, 1, 3]),
    "far": st.sampled_from([None, 0, 1, 2**63 - 1]),
    "float": st.sampled_from([None, 0.0, 0.1, 0.2, 1e308]),
}


@st.composite
def sides(draw, *, max_rows=12):
    """Draw two sides, the options of a join, and how the sides are cut into chunks."""
    kind = draw(st.sampled_from(list(TIMES)))
    by = draw(st.lists(st.sampled_from(list(KEYS)), max_size=2, unique=True))
    row = st.tuples(TIMES[kind], *(KEYS[name] for name in by))
    types = pa.schema([("t", TIME_TYPES[kind]), *((name, KEY_TYPES[name]) for name in by)])
    tables = []
    for _ in range(2):
        rows = draw(st.lists(row, max_size=max_rows))
        if draw(st.booleans()):
            rows = sorted(rows, key=lambda r: (r[0] is None or r[0] != r[0], r[0] or 0))
        drawn = [dict(zip(types.names, values, strict=True)) for values in rows]
        cut = draw(st.integers(0, len(drawn)))
        parts = [pa.Table.from_pylist(part, schema=types) for part in (drawn[:cut], drawn[cut:])]
        tables.append(pa.concat_tables(parts))
    options = {
        "direction": draw(st.sampled_from(DIRECTIONS)),
        "tolerance": draw(TOLERANCES[kind]),
    }
    return tables[0], tables[1], by, draw(st.booleans()), options


def numbered(right):
    """Number the right rows, in columns of every width and kind."""
    numbers = list(range(right.num_rows))
    kinds = {
        "row": pa.int64(),
        "i1": pa.int8(),
        "u2": pa.uint16(),
        "f4": pa.float32(),
        "text": pa.string(),
        "wide": pa.decimal128(30, 2),
        "widest": pa.decimal256(60, 2),
        "view": pa.string_view(),
    }
    for name, kind in kinds.items():
        values = [n % 100 for n in numbers] if name == "i1" else numbers
        if name in ("text", "view"):
            values = [str(n) * (n % 20) for n in numbers]
        right = right.append_column(name, pa.array(values).cast(kind))
    right = right.append_column("odd", pa.array([n if n % 2 else None for n in numbers]))
    right = right.append_column("flag", pa.array([n % 2 == 1 for n in numbers]))
    texts = pa.array([f"v{n % 3}" for n in numbers], pa.string())
    return right.append_column("word", texts.dictionary_encode())


def assert_took(result, right, expected):
    """Hold the right columns of a result to the rows that are expected."""
    index = pa.array(expected, pa.int64())
    for name in result.column_names:
        if name in ("row", "i1", "u2", "f4", "text", "wide", "widest", "odd", "flag", "word"):
            assert result[name].to_pylist() == right[name].take(index).to_pylist(), name
            assert result[name].type == right[name].type
    if "view" in result.column_names:
        views = right["view"].to_pylist()
        assert result["view"].to_pylist() == [None if n is None else views[n] for n in expected]
    result.validate(full=True)


@given(sides())
def test_each_left_row_gets_the_row_of_the_oracle(drawn):
    left, right, by, exact, options = drawn
    expected = joined(left.to_pylist(), right.to_pylist(), by=by, exact=exact, **options)
    right = numbered(right)
    result = tg.asof_join(left, right, on="t", by=by, allow_exact_matches=exact, **options)
    assert_same_bits(result.select(left.column_names), left)
    assert_took(result, right, expected)


@st.composite
def long_sides(draw):
    """Draw sides that are long enough for every loop of the kernels."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    tables = []
    n_keys = draw(st.sampled_from([1, 7, 500, 100_000]))
    for _ in range(2):
        n_rows = draw(st.sampled_from([1, 5, 2047, 2048, 2050, 9000]))
        span = draw(st.sampled_from([3, 1000, 20_000, 10**9]))
        times = np.sort(rng.integers(0, span, n_rows))
        if draw(st.integers(0, 3)) == 0:
            at = rng.integers(0, n_rows, 2)
            times[at] = times[at[::-1]]
        columns = {"t": times, "k": rng.integers(0, n_keys, n_rows, np.int32)}
        tables.append(pa.table(columns))
    return tables


def slow_join(left, right, keyed, direction, exact, tolerance):
    """Join by Python's own bisection in the sorted rows of each key."""
    rows = {}
    times, keys = right["t"].to_pylist(), right["k"].to_pylist()
    for number in np.argsort(right["t"].to_numpy(), kind="stable").tolist():
        there = rows.setdefault(keys[number] if keyed else 0, ([], []))
        there[0].append(times[number])
        there[1].append(number)
    found = []
    for time, key in zip(left["t"].to_pylist(), left["k"].to_pylist(), strict=True):
        at, numbers = rows.get(key if keyed else 0, ([], []))
        before = bisect.bisect_right(at, time) if exact else bisect.bisect_left(at, time)
        after = bisect.bisect_left(at, time) if exact else bisect.bisect_right(at, time)
        ways = []
        if direction != "forward" and before:
            ways.append((time - at[before - 1], 0, numbers[before - 1]))
        if direction != "backward" and after < len(at):
            ways.append((at[after] - time, 1, numbers[after]))
        far, _, number = min(ways, default=(0, 0, None))
        found.append(None if tolerance is not None and far > tolerance else number)
    return found


@given(
    long_sides(),
    st.booleans(),
    st.sampled_from(DIRECTIONS),
    st.booleans(),
    st.sampled_from([None, 0, 2, 1000]),
    st.sampled_from([1, 2, 3]),
)
def test_long_sides_get_the_rows_of_bisection(sides, keyed, direction, exact, tolerance, threads):
    left, right = sides
    expected = slow_join(left, right, keyed, direction, exact, tolerance)
    right = right.append_column("row", pa.array(range(right.num_rows), pa.int64()))
    result = tg.asof_join(
        left,
        right if keyed else right.drop_columns(["k"]),
        on="t",
        by="k" if keyed else None,
        direction=direction,
        allow_exact_matches=exact,
        tolerance=tolerance,
        threads=threads,
    )
    assert result["row"].to_pylist() == expected


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("keyed", [False, True])
def test_any_number_of_threads_gives_the_same_bits(direction, keyed, rng):
    n = 12_345
    left, right = (
        pa.table({"t": np.sort(rng.integers(0, n, n)), "k": rng.integers(0, 50, n)})
        for _ in range(2)
    )
    right = numbered(right.slice(0, 4000))
    options = {"on": "t", "by": "k" if keyed else None, "direction": direction}
    one = tg.asof_join(left, right, threads=1, **options)
    for threads in (2, 3, 8):
        assert_same_bits(tg.asof_join(left, right, threads=threads, **options), one)
    expected = slow_join(left, right, keyed, direction, True, None)
    assert one["row"].to_pylist() == expected


# ------------------------------------------------------------------------------------ traps by name


def join(left, right, **options):
    """Join lists of times; give the numbers of the right rows."""
    right = {"t": right, "row": np.arange(len(right), dtype=float)}
    found = tg.asof_join({"t": left}, right, on="t", **options)["row"]
    return [None if math.isnan(row) else int(row) for row in np.asarray(found, float).tolist()]


def test_of_equal_right_times_backward_takes_the_last_to_arrive_and_forward_the_first():
    assert join([5], [5, 5, 5]) == [2]
    assert join([5], [5, 5, 5], direction="forward") == [0]
    assert join([5], [5, 5, 5], direction="nearest") == [2]
    assert join([5], [9, 4, 4, 9], direction="backward") == [2]
    assert join([5], [9, 4, 4, 9], direction="forward") == [0]


def test_of_two_rows_as_near_the_one_before_is_taken():
    assert join([5], [3, 7], direction="nearest") == [0]
    assert join([5], [2, 7], direction="nearest") == [1]
    assert join([5], [3, 5, 7], direction="nearest", allow_exact_matches=False) == [0]


def test_tolerance_includes_its_end():
    assert join([10, 11, 12], [8], tolerance=2) == [0, None, None]
    assert join([8, 7, 6, 5], [8], tolerance=2, direction="forward") == [0, 0, 0, None]
    assert join([5, 6], [3, 9], tolerance=2, direction="nearest") == [0, None]
    assert join([5, 6], [5, 7], tolerance=0) == [0, None]


def test_exact_matches_can_be_left_out():
    assert join([5, 6], [5, 6], allow_exact_matches=False) == [None, 0]
    assert join([5, 6], [5, 6], allow_exact_matches=False, direction="forward") == [1, None]
    low = -(2**63)
    assert join([low, low + 1], [low], allow_exact_matches=False) == [None, 0]


def test_distances_do_not_overflow():
    low, high = -(2**63), 2**63 - 1
    assert join([high], [low]) == [0]
    assert join([high], [low], tolerance=high) == [None]
    assert join([0], [low, high], direction="nearest") == [1]


def test_infinite_times_match_themselves():
    inf = math.inf
    assert join([inf, -inf], [-inf, inf], tolerance=1.0) == [1, 0]
    assert join([0.0], [-inf, inf], direction="nearest") == [0]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_rows_without_a_time_stay_and_are_never_matched(direction):
    assert (
        join([1, None, 3], [None, 2], direction=direction)
        == {
            "backward": [None, None, 1],
            "forward": [1, None, None],
            "nearest": [1, None, 1],
        }[direction]
    )
    assert join([1.0, math.nan], [math.nan, math.nan], direction=direction) == [None, None]
    nat = np.array(["NaT", "2024-01-01"], "M8[us]")
    out = tg.asof_join({"t": nat}, {"t": nat, "v": [1.0, 2.0]}, on="t", direction=direction)
    assert [math.isnan(v) for v in out["v"]] == [True, False]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_either_side_may_be_empty(direction):
    full = pa.table({"t": [1, 2], "k": ["a", None], "v": pa.array([1.5, None])})
    none = full.slice(0, 0)
    for by in (None, "k"):
        right = full if by else full.drop_columns(["k"])
        options = {"on": "t", "by": by, "direction": direction}
        assert tg.asof_join(none, right, **options).num_rows == 0
        out = tg.asof_join(full, right.slice(0, 0), **options)
        assert out["v_right"].null_count == 2
        assert out["v_right"].type == pa.float64()
        assert tg.asof_join(none, right.slice(0, 0), **options).num_rows == 0
    assert tg.asof_join([], [{"t": 1, "v": 2}], on="t") == []
    assert tg.asof_join([{"t": 1}], [], on="t") == [{"t": 1}]
    assert tg.asof_join([{"t": 1, "k": 2}], [], on="t", by="k") == [{"t": 1, "k": 2}]


def test_all_null_times():
    left = pa.table({"t": pa.array([None, None], pa.timestamp("us"))})
    right = pa.table({"t": pa.nulls(2), "v": [1, 2]})
    assert tg.asof_join(left, right, on="t")["v"].null_count == 2
    right = pa.table({"t": pa.array([1, 2]).cast(pa.timestamp("us")), "v": [1, 2]})
    assert tg.asof_join(pa.table({"t": pa.nulls(2)}), right, on="t")["v"].null_count == 2


def test_null_is_a_key_and_nan_equals_nan():
    left = pa.table({"t": [1, 1, 1], "k": [None, math.nan, -0.0]})
    right = pa.table({"t": [0, 0, 0], "k": [math.nan, 0.0, None], "v": [1, 2, 3]})
    assert tg.asof_join(left, right, on="t", by="k")["v"].to_pylist() == [3, 1, 2]


def test_row_order_and_columns_are_those_of_the_left_side():
    left = pa.table({"v": ["x", "y", "z"], "t": [30, 10, 20]})
    right = pa.table({"t": [25, 5], "v": [1, 2], "w": ["late", "early"]})
    out = tg.asof_join(left, right, on="t")
    assert out.to_pydict() == {
        "v": ["x", "y", "z"],
        "t": [30, 10, 20],
        "v_right": [1, 2, 2],
        "w": ["late", "early", "early"],
    }
    assert tg.asof_join(left, right, on="t", suffix="!").column_names[2] == "v!"


def test_pair_of_time_columns_keeps_the_right_times():
    left, right = {"trade": [5, 9]}, {"quote": [3, 9], "bid": [1.0, 2.0]}
    out = tg.asof_join(left, right, on=("trade", "quote"), allow_exact_matches=False)
    assert list(out) == ["trade", "quote", "bid"]
    assert out["quote"].tolist() == [3, 3]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.string(), pa.large_string()),
        (pa.string_view(), pa.dictionary(pa.int8(), pa.string())),
        (pa.binary(), pa.large_binary()),
    ],
)
def test_keys_of_one_kind_match_whatever_their_layout(one, other):
    left = pa.table({"t": [1, 1, 1], "k": pa.array(["a", "b", None]).cast(one)})
    plain = pa.array(["b", None, "a"])
    keys = plain.dictionary_encode().cast(other) if "dict" in str(other) else plain.cast(other)
    right = pa.table({"t": [0, 0, 0], "k": keys, "v": [1, 2, 3]})
    for direction in DIRECTIONS[::2]:
        out = tg.asof_join(left, right, on="t", by="k", direction=direction)
        assert out["v"].to_pylist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("one", "other"),
    [("i1", "i8"), ("u1", "i4"), ("u2", "u8"), ("f4", "f8"), ("i4", "i4"), ("u8", "u8")],
)
def test_keys_and_times_of_other_widths(one, other):
    left = {"t": np.array([3, 1], "u1"), "k": np.array([1, 2], one)}
    right = {"t": np.array([1, 2], "i2"), "k": np.array([2, 1], other), "v": np.array([7, 8])}
    assert tg.asof_join(left, right, on="t", by="k")["v"].tolist() == [8, 7]


def test_several_keys_have_to_be_equal_all_of_them():
    left = {"t": [5, 5, 5], "a": ["x", "x", "y"], "b": [1, 2, 1]}
    right = {"t": [1, 2, 3], "b": [1, 1, 2], "a": ["y", "x", "x"], "v": [1.0, 2.0, 3.0]}
    assert tg.asof_join(left, right, on="t", by=["a", "b"])["v"].tolist() == [2.0, 3.0, 1.0]


def test_times_of_other_units_are_compared_exactly():
    left = pa.table({"t": pa.array([1, 2]).cast(pa.timestamp("s"))})
    ns = pa.array([1_000_000_001, 1_999_999_999, 2_000_000_000]).cast(pa.timestamp("ns"))
    right = pa.table({"t": ns, "v": [1, 2, 3]})
    assert tg.asof_join(left, right, on="t")["v"].to_pylist() == [None, 3]
    assert tg.asof_join(left, right, on="t", direction="forward")["v"].to_pylist() == [1, 3]
    nearest = tg.asof_join(left, right, on="t", direction="nearest", tolerance="1ns")
    assert nearest["v"].to_pylist() == [1, 3]
    assert tg.asof_join(left, right, on="t", tolerance=1)["v"].to_pylist() == [None, 3]  # 1 s
    back = tg.asof_join(right, left.append_column("w", pa.array([1, 2])), on="t")
    assert back["w"].to_pylist() == [1, 1, 2]
    days = pa.table({"t": pa.array([0, 1], pa.date32()), "d": [0, 1]})
    assert tg.asof_join(left, days, on="t")["d"].to_pylist() == [0, 0]


def test_zones_are_instants():
    utc = pa.table({"t": pa.array([5]).cast(pa.timestamp("s", "UTC"))})
    here = pa.table({"t": pa.array([4]).cast(pa.timestamp("ms", "Asia/Tokyo")), "v": [1]})
    assert tg.asof_join(utc, here, on="t")["v"].to_pylist() == [1]


def test_sliced_chunked_and_misaligned_columns():
    n = 50
    times = pa.array([None if i % 7 == 0 else i for i in range(n)], pa.int32())
    values = pa.array([None if i % 3 == 0 else i for i in range(n)], pa.int16())
    right = pa.table({"t": times, "v": values, "b": pa.array([i % 2 == 0 for i in range(n)])})
    right = pa.concat_tables([right.slice(3, 20), right.slice(23)]).slice(1)
    left = pa.table({"t": times.slice(5), "x": values.slice(5)})
    left = pa.concat_tables([left.slice(1, 10), left.slice(11, 0), left.slice(11)])
    rows = joined(left.to_pylist(), right.to_pylist())
    out = tg.asof_join(left, right, on="t")
    there = right.take(pa.array(rows, pa.int64()))
    assert out["v"].to_pylist() == there["v"].to_pylist()
    assert out["b"].to_pylist() == there["b"].to_pylist()
    assert out.select(["t", "x"]).equals(left)


def test_dictionaries_nested_and_extension_columns_are_taken():
    words = pa.array(["a", None, "b"]).dictionary_encode()
    more = pa.array(["c", "a", None]).dictionary_encode()
    right = pa.table(
        {
            "t": [1, 2, 3, 4, 5, 6],
            "word": pa.chunked_array([words, more]),
            "list": [[1], [], None, [2, 3], [4], [5]],
            "struct": [{"x": i} for i in range(6)],
            "none": pa.nulls(6),
            "id": pa.array([bytes([i]) * 16 for i in range(6)], pa.uuid()),
            "ree": pa.concat_arrays(
                [pa.RunEndEncodedArray.from_arrays([2, 6], pa.array(["p", "q"]))]
            ),
        }
    )
    out = tg.asof_join({"t": [6, 2, 0, 4]}, right, on="t")
    rows = [5, 1, None, 3]
    for name in ("word", "list", "struct", "none", "ree"):
        values = right[name].to_pylist()
        got = pa.array(out[name]).to_pylist() if name != "list" else None
        expected = [None if row is None else values[row] for row in rows]
        if got is not None:
            assert got == expected, name
    table = tg.asof_join(pa.table({"t": [6, 2, 0, 4]}), right, on="t")
    assert table["list"].to_pylist() == [[5], [], None, [2, 3]]
    assert table["id"].type == pa.uuid()
    assert table["id"].to_pylist()[2] is None
    assert table["word"].to_pylist() == [None, None, None, "c"]
    assert pa.types.is_dictionary(table["word"].type)


# ------------------------------------------------------------------------------------------- peers


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("keyed", [False, True])
def test_pandas_says_the_same(direction, exact, keyed, rng):
    n = 3000
    left, right = (
        pd.DataFrame(
            {
                "t": pd.to_datetime(np.sort(rng.integers(0, 4 * n, n)), unit="ms"),
                "k": rng.choice(["a", "b", "c"], n),
                "v": rng.normal(size=n),
            }
        )
        for _ in range(2)
    )
    options = {"on": "t", "direction": direction, "allow_exact_matches": exact}
    by = "k" if keyed else None
    right = right if keyed else right.drop(columns="k")
    ours = tg.asof_join(left, right, by=by, tolerance="5ms", **options)
    theirs = pd.merge_asof(
        left, right, by=by, tolerance=pd.Timedelta("5ms"), suffixes=("", "_right"), **options
    )
    assert theirs["v_right"].notna().sum() > 100
    pd.testing.assert_frame_equal(ours, theirs, check_dtype=False)


@pytest.mark.parametrize("direction", ["backward", "forward"])
@pytest.mark.parametrize("keyed", [False, True])
def test_polars_says_the_same(direction, keyed, rng):
    n = 3000
    left, right = (
        pl.DataFrame(
            {
                "t": np.sort(rng.choice(10 * n, n, replace=False)),
                "k": rng.choice(["a", "b", "c"], n),
                "v": rng.normal(size=n),
            }
        )
        for _ in range(2)
    )
    right = right if keyed else right.drop("k")
    by = "k" if keyed else None
    ours = tg.asof_join(left, right, on="t", by=by, direction=direction, tolerance=20)
    theirs = left.join_asof(
        right, on="t", by=by, strategy=direction, tolerance=20, check_sortedness=False
    )
    assert ours.equals(theirs)


# ------------------------------------------------------------------------------------------- inputs


def test_result_is_of_the_kind_of_the_left_side():
    left = pa.table({"t": [1, 2], "x": ["a", "b"]})
    right = pa.table({"t": [2], "v": [5]})
    expected = {"t": [1, 2], "x": ["a", "b"], "v": [None, 5]}
    rows = [{"t": 1, "x": "a", "v": None}, {"t": 2, "x": "b", "v": 5}]
    for other in (right, right.to_pandas(), pl.from_arrow(right), right.to_pylist()):
        assert tg.asof_join(left, other, on="t").to_pydict() == expected
        batch = tg.asof_join(left.to_batches()[0], other, on="t")
        assert isinstance(batch, pa.RecordBatch)
        assert batch.to_pydict() == expected
        assert tg.asof_join(left.to_pylist(), other, on="t") == rows
        frame = tg.asof_join(pl.from_arrow(left), other, on="t")
        assert isinstance(frame, pl.DataFrame)
        assert frame.to_dict(as_series=False) == expected
        frame = tg.asof_join(left.to_pandas(), other, on="t")
        assert isinstance(frame, pd.DataFrame)
        assert frame["v"].tolist()[1] == 5
    out = tg.asof_join(left.to_reader(max_chunksize=1), right.to_reader(), on="t")
    assert out.to_pydict() == expected
    with duckdb.connect() as connection:
        relation = connection.sql("SELECT 2::BIGINT AS t, 5::BIGINT AS v")
        assert tg.asof_join(left, relation, on="t").to_pydict() == expected


def test_inputs_are_not_changed():
    left = {"t": np.array([3, 1]), "v": np.array([1.0, 2.0])}
    right = {"t": np.array([2, 1]), "w": np.array([1.0, 2.0])}
    for array in (*left.values(), *right.values()):
        array.flags.writeable = False
    out = tg.asof_join(left, right, on="t")
    assert out["w"].tolist() == [1.0, 2.0]


# ------------------------------------------------------------------------------------------- errors

GOOD = pa.table({"t": [1], "k": ["a"], "v": [1.0]})
US = pa.timestamp("us")


@pytest.mark.parametrize(
    ("left", "right", "options", "error", "words"),
    [
        (GOOD, GOOD, {"on": "x"}, errors.ColumnNotFoundError, "'x'"),
        (GOOD, GOOD, {"on": ("t", "x")}, errors.ColumnNotFoundError, "'x'"),
        (GOOD, GOOD, {"on": 3}, errors.ColumnTypeError, "pair"),
        (GOOD, GOOD, {"on": ("t", "t", "t")}, errors.ColumnTypeError, "pair"),
        (GOOD, GOOD, {"by": "x"}, errors.ColumnNotFoundError, "'x'"),
        (GOOD, GOOD, {"by": ["k", "k"]}, errors.InputError, "distinct"),
        (GOOD, GOOD, {"by": "t"}, errors.InputError, "not 't'"),
        (GOOD, GOOD, {"by": [3]}, errors.ColumnTypeError, "key column"),
        (GOOD, GOOD, {"direction": "up"}, errors.InputError, "backward"),
        (GOOD, GOOD, {"allow_exact_matches": 1}, errors.InputError, "True or False"),
        (GOOD, GOOD, {"suffix": None}, errors.InputError, "suffix"),
        (GOOD, GOOD, {"suffix": ""}, errors.InputError, "suffix"),
        (GOOD, GOOD, {"threads": 0}, errors.InputError, "threads"),
        (GOOD, GOOD, {"tolerance": -1}, errors.InputError, "from 0 on"),
        (GOOD, GOOD, {"tolerance": "1s"}, errors.DurationError, "no unit"),
        (GOOD, GOOD, {"tolerance": 1.5}, errors.DurationError, "integer"),
        (GOOD, GOOD, {"tolerance": 2**63}, errors.DurationError, "int64"),
        (GOOD, 3, {}, errors.ColumnTypeError, "int"),
        (GOOD, GOOD.set_column(0, "t", [[1.5]]), {}, errors.ColumnTypeError, "compared exactly"),
        (
            GOOD,
            GOOD.set_column(0, "t", pa.array([1]).cast(US)),
            {},
            errors.ColumnTypeError,
            "timestamp",
        ),
        (
            pa.table({"t": pa.array([1]).cast(US)}),
            pa.table({"t": pa.array([1]).cast(pa.timestamp("us", "UTC"))}),
            {},
            errors.ColumnTypeError,
            "UTC",
        ),
        (
            pa.table({"t": pa.array([None, 2**62]).cast(pa.timestamp("s"))}),
            pa.table({"t": pa.array([1]).cast(pa.timestamp("ns"))}),
            {},
            errors.InputError,
            "row 1 is 4611686018427387904",
        ),
        (GOOD, pa.table({"t": ["x"]}), {}, errors.ColumnTypeError, "cannot be a time"),
        (
            GOOD,
            pa.table({"t": [1], "k": [5]}),
            {"by": "k"},
            errors.ColumnTypeError,
            "cast one of them",
        ),
        (
            pa.table({"t": [1], "k": pa.array([1], "u8")}),
            pa.table({"t": [1], "k": [5]}),
            {"by": "k"},
            errors.ColumnTypeError,
            "uint64",
        ),
        (
            pa.table({"t": [1], "k": [[1]]}),
            pa.table({"t": [1], "k": [[1]]}),
            {"by": "k"},
            errors.ColumnTypeError,
            "cannot be a key",
        ),
        (
            pa.table({"t": [1, 2], "k": [1, 2]}),
            pa.table({"t": [1], "k": [5]}),
            {"by": "k", "limits": tg.Limits(max_keys=2)},
            errors.LimitError,
            "max_keys",
        ),
        (
            pa.table({"t": [1], "v": [1], "v_right": [1]}),
            pa.table({"t": [1], "v": [5]}),
            {},
            errors.InputError,
            "'v_right'",
        ),
        (
            pa.Table.from_arrays([pa.array([1])] * 2, names=["t", "t"]),
            GOOD,
            {},
            errors.ColumnTypeError,
            "2 times",
        ),
        (
            GOOD,
            pa.Table.from_arrays([pa.array([1])] * 3, names=["t", "w", "w"]),
            {},
            errors.ColumnTypeError,
            "2 times",
        ),
    ],
)
def test_what_does_not_fit_gets_a_named_error(left, right, options, error, words):
    with pytest.raises(error, match=words):
        tg.asof_join(left, right, **{"on": "t", **options})


def test_durations_are_written_as_elsewhere():
    left = pa.table({"t": pa.array([1000, 2000]).cast(pa.timestamp("ms"))})
    right = pa.table({"t": pa.array([750, 1749]).cast(pa.timestamp("ms")), "v": [1, 2]})
    for tolerance in ("250ms", dt.timedelta(milliseconds=250), np.timedelta64(250, "ms"), 250):
        out = tg.asof_join(left, right, on="t", tolerance=tolerance)
        assert out["v"].to_pylist() == [1, None]
    with pytest.raises(errors.DurationError, match="whole number"):
        tg.asof_join(left, right, on="t", tolerance="1us")
