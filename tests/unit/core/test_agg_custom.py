"""Functions of the user's over the values of windows, in Python and in C."""

import ctypes
import datetime as dt
import math
import pickle
import statistics
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg, errors

WINDOW = tg.Tumbling(10)
FLOATS = ctypes.POINTER(ctypes.c_double)
C_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_double, FLOATS, ctypes.c_ssize_t)


@C_FUNCTION
def last_less_first(values, n):
    return values[n - 1] - values[0]


def middle(values):
    return statistics.median(values.tolist())


def fails_at_3(values):
    if 3.0 in values:
        raise KeyError("three")
    return values.sum()


def one(values, fn, *columns, type_=None, window=WINDOW, nan=None, **options):
    table = pa.table({"t": range(len(values)), "p": pa.array(values, type_)})
    made = agg.custom(fn, *(columns or ("p",)), **options)
    return tg.aggregate(table, window, on="t", nan=nan, x=made)["x"].to_pylist()


# What the function sees


def test_the_function_sees_the_values_of_a_window_in_order_of_time():
    seen = []
    table = pa.table({"t": [5, 2, 13, 2, 9], "p": [1.0, 2.0, 3.0, 4.0, None]})
    look = agg.custom(lambda values: seen.append(values), "p")
    got = tg.aggregate(table, WINDOW, on="t", x=look)
    assert [values.tolist() for values in seen] == [[2.0, 4.0, 1.0], [3.0]]
    assert got["x"].to_pylist() == [None, None]
    assert all(values.dtype == np.float64 for values in seen)


def test_the_values_cannot_be_written_to():
    def write(values):
        values[0] = 1.0

    with pytest.raises(errors.CustomError, match="read-only"):
        one([1.0], write)
    for type_ in (pa.int64(), pa.string(), pa.bool_(), pa.date32(), pa.decimal128(5, 1)):
        assert one([None, None], write, type_=type_) == [None]


def test_rows_in_which_a_column_is_missing_are_left_out_of_all():
    table = pa.table(
        {
            "t": range(5),
            "a": [1.0, None, 3.0, math.nan, 5.0],
            "b": [1, 2, None, 4, 5],
            "c": ["u", "v", "w", "x", "y"],
        }
    )
    seen = []
    look = agg.custom(lambda *columns: seen.append([c.tolist() for c in columns]), "a", "b", "c")
    tg.aggregate(table, WINDOW, on="t", x=look, y=agg.sum("b"), nan="missing")
    assert seen == [[[1.0, 5.0], [1, 5], ["u", "y"]]]
    tg.aggregate(table, WINDOW, on="t", x=look, nan="value")
    assert str(seen[1]) == "[[1.0, nan, 5.0], [1, 4, 5], ['u', 'x', 'y']]"


def test_a_window_without_values_is_null_and_not_asked_about():
    def never(values):
        raise AssertionError(values)

    assert one([None, None], never, type_=pa.float64()) == [None]
    assert one([math.nan], never, nan="missing") == [None]


@pytest.mark.parametrize(
    ("type_", "values", "dtype"),
    [
        (pa.int8(), [1, -2], "i1"),
        (pa.uint64(), [1, 2**64 - 1], "u8"),
        (pa.float32(), [1.5, 2.5], "f4"),
        (pa.bool_(), [True, False], "?"),
        (pa.timestamp("ns", "UTC"), [1, 2], "M8[ns]"),
        (pa.date32(), [dt.date(2024, 1, 1)], "M8[D]"),
        (pa.date64(), [86_400_000], "M8[ms]"),
        (pa.duration("ms"), [5], "m8[ms]"),
        (pa.time64("ns"), [5], "m8[ns]"),
        (pa.time32("s"), [5], "m8[s]"),
        (pa.string(), ["a", "b"], "O"),
        (pa.decimal128(5, 2), [Decimal("1.25")], "O"),
        (pa.decimal128(30, 2), [Decimal("1.25")], "O"),
    ],
)
def test_values_come_as_numpy_has_them(type_, values, dtype):
    def look(array):
        assert array.dtype == dtype
        if array.dtype.kind in "mM":
            whole = pa.array(values, type_)
            words = whole.view(pa.int32() if type_.bit_width == 32 else pa.int64())
            assert array.astype("i8").tolist() == words.to_pylist()
        else:
            assert array.tolist() == values
        return len(array)

    assert one(values, look, type_=type_, type=pa.int64()) == [len(values)]


def test_the_result_has_the_type_that_was_asked_for():
    assert one(["b", "a"], lambda v: "".join(v), type=pa.string()) == ["ba"]
    assert one([1, 2], lambda v: v.max(), type=pa.int32()) == [2]
    assert one([1, 2], lambda v: bool(v.all()), type=pa.bool_()) == [True]
    assert one([1, 2], lambda v: dt.date(2024, 1, int(v[0])), type=pa.date32()) == [
        dt.date(2024, 1, 1)
    ]


# Every way there


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize(
    "window",
    [WINDOW, tg.Sliding(40, 10), tg.Edges([0, 7, 2000]), tg.Tumbling(50, empty="carry")],
    ids=str,
)
def test_a_function_answers_alike_however_the_rows_come(rng, window, by):
    n = 25_000
    table = pa.table(
        {
            "t": np.sort(rng.integers(0, 1000, n)),
            "p": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.1),
            "s": rng.integers(1, 9, n),
            "k": rng.integers(0, 3, n),
        }
    )
    made = {
        "dot": agg.custom(np.dot, "p", "s"),
        "c": agg.custom(last_less_first, "s", name="c"),
        "middle": agg.custom(middle, "p"),
    }
    functions = {"c": last_less_first, "test_agg_custom:middle": middle}
    functions |= {dict(made["dot"].options)["name"]: np.dot, f"{__name__}:middle": middle}
    whole = tg.aggregate(table, window, on="t", by=by, **made, median=agg.median("p"))
    assert whole["middle"].to_pylist() == whole["median"].to_pylist()
    live = tg.Aggregator(window, on="t", by=by, **made, median=agg.median("p"))
    out = []
    for at in range(0, n, 6000):
        out.append(live.push(table.slice(at, 6000)))
        live = tg.Aggregator.restore(live.snapshot(), functions=functions)
    assert_same_bits(pa.concat_tables([*out, live.flush()]), whole)


def test_rows_one_by_one_and_threads_say_the_same(rng):
    table = pa.table({"t": range(30_000), "p": rng.normal(size=30_000)})
    made = agg.custom(np.ptp, "p")
    whole = tg.aggregate(table, tg.Tumbling(100), on="t", x=made, y=agg.range("p"))
    assert whole["x"].to_pylist() == whole["y"].to_pylist()
    two = tg.aggregate(table, tg.Tumbling(100), on="t", threads=2, x=made, y=agg.range("p"))
    assert_same_bits(two, whole)
    live = tg.Aggregator(tg.Tumbling(100), on="t", x=made, y=agg.range("p"))
    for row in table.to_pylist():
        live.push_row(*row.values())
    assert_same_bits(pa.concat_tables([live.take(), live.flush()]), whole)


def test_two_aggregators_merge():
    lives = [tg.Aggregator(WINDOW, on="t", by="k", x=agg.custom(middle, "p")) for _ in "ab"]
    for live, key in zip(lives, "ab", strict=True):
        live.push({"t": [1, 2], "k": [key, key], "p": [1.0, 4.0]})
    lives[0].merge(lives[1])
    assert lives[0].flush()["x"].to_pylist() == [2.5, 2.5]


# Errors


def test_what_the_function_raises_names_window_and_key_and_nothing_is_lost():
    live = tg.Aggregator(WINDOW, on="t", by="k", x=agg.custom(fails_at_3, "p"))
    with pytest.raises(errors.CustomError, match=r"x: .*'p' raised KeyError\('three'\)") as caught:
        live.push({"t": [1, 2, 15], "k": ["a", "b", "a"], "p": [1.0, 3.0, 5.0]})
    assert "the window [0, 10) of key ('b',)" in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)
    assert live.stats.used == 3
    with pytest.raises(errors.CustomError):
        live.take()


def test_the_windows_wait_until_the_function_is_mended():
    broken = {"is": True}

    def fn(values):
        if broken["is"]:
            raise ValueError("not now")
        return values.sum()

    live = tg.Aggregator(WINDOW, on="t", x=agg.custom(fn, "p"), n=agg.count("p"))
    for times in ([1, 2, 11], [12, 25]):
        with pytest.raises(errors.CustomError):
            live.push({"t": times, "p": [1.0] * len(times)})
    broken["is"] = False
    assert live.take().select(["x", "n"]).to_pydict() == {"x": [2.0, 2.0], "n": [2, 2]}
    assert live.flush()["x"].to_pylist() == [1.0]


def test_what_it_returns_must_fit_the_type():
    with pytest.raises(errors.CustomError, match=r"returned 'a' in the window \[0, 10\).*double"):
        one([1.0], lambda _: "a")
    with pytest.raises(errors.CustomError, match=r"returned 300 in .*int8.*type="):
        one([1.0], lambda _: 300, type=pa.int8())


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((3, "p"), {}),
        ((True, "p"), {"signature": "double(const double*, intptr_t)"}),
        ((None, "p"), {}),
        ((max,), {}),
        ((max, "p", "p"), {}),
        ((max, 3), {}),
        ((max, "p"), {"type": "float64"}),
        ((max, "p"), {"type": pa.list_(pa.int64())}),
        ((max, "p"), {"name": 3}),
        ((1234, "p"), {"signature": "int(int)"}),
        ((0, "p"), {"signature": "double(const double*, intptr_t)"}),
        ((last_less_first, "p", "q"), {}),
        ((last_less_first, "p"), {"type": pa.int64()}),
        ((ctypes.CFUNCTYPE(ctypes.c_int, FLOATS, ctypes.c_ssize_t)(len), "p"), {}),
        ((ctypes.CFUNCTYPE(ctypes.c_double)(int), "p"), {}),
    ],
)
def test_what_cannot_be_called_is_refused_at_once(arguments, options):
    with pytest.raises((errors.InputError, errors.ColumnTypeError), match=r"agg\.custom"):
        agg.custom(*arguments, **options)


@pytest.mark.parametrize("type_", [pa.string(), pa.decimal128(5, 2), pa.timestamp("s")])
def test_a_c_function_takes_numbers_only(type_):
    table = pa.table({"t": [1], "p": pa.nulls(1, type_)})
    with pytest.raises(errors.ColumnTypeError, match=r"agg.custom.*'p'.*numbers"):
        tg.aggregate(table, WINDOW, on="t", x=agg.custom(last_less_first, "p"))


# In C


def test_a_c_function_sees_all_numbers_as_floats():
    assert one([1.5, 4.0], last_less_first) == [2.5]
    for type_ in (pa.int8(), pa.uint64(), pa.float32()):
        assert one([0, 1], last_less_first, type_=type_) == [1.0]
    assert one([False, True], last_less_first) == [1.0]
    assert one([None, 2.0, None, 7.0], last_less_first) == [5.0]
    assert one([None], last_less_first, type_=pa.float64()) == [None]


def test_an_address_needs_its_signature():
    address = ctypes.cast(last_less_first, ctypes.c_void_p).value
    signature = "double(const double*, intptr_t)"
    assert one([1.0, 3.0], address, signature=signature) == [2.0]
    with pytest.raises(errors.ColumnTypeError, match="signature="):
        agg.custom(address, "p")


def test_a_numba_cfunc_is_called():
    numba = pytest.importorskip("numba")
    types = numba.types

    @numba.cfunc(types.double(types.CPointer(types.double), types.intp))
    def total(values, n):
        out = 0.0
        for at in range(n):
            out += values[at]
        return out

    assert one([1.0, 3.0], total) == [4.0]


def test_what_has_an_address_and_a_ctypes_function_is_taken_as_numba_makes_it():
    class Compiled:
        address = ctypes.cast(last_less_first, ctypes.c_void_p).value
        ctypes = last_less_first

    assert one([1.0, 3.0], Compiled()) == [2.0]


# Plans and snapshots


def test_a_plan_in_json_has_the_name_and_imports_nothing():
    plan = tg.Aggregator(WINDOW, on="t", x=agg.custom(middle, "p", type=pa.int64())).plan
    text = plan.to_json()
    assert f'"{__name__}:middle"' in text
    with pytest.raises(errors.InputError, match=r":middle'.*functions="):
        tg.Plan.from_json(text)
    assert tg.Plan.from_json(text, functions={f"{__name__}:middle": middle}) == plan
    assert pickle.loads(pickle.dumps(plan)) == plan  # noqa: S301


def test_functions_of_one_name_need_names_of_their_own():
    one_, two = (lambda _: 1.0), (lambda _: 2.0)
    live = tg.Aggregator(WINDOW, on="t", x=agg.custom(one_, "p"), y=agg.custom(two, "p"))
    with pytest.raises(errors.InputError, match=r"'y'.*another function.*name="):
        live.snapshot()
    named = tg.Aggregator(
        WINDOW, on="t", x=agg.custom(one_, "p", name="1"), y=agg.custom(two, "p", name="2")
    )
    named.push({"t": [1], "p": [1.0]})
    back = tg.Aggregator.restore(named.snapshot(), functions={"1": one_, "2": two})
    assert back.flush().select(["x", "y"]).to_pylist() == [{"x": 1.0, "y": 2.0}]


def test_an_address_needs_a_name_to_be_written_down():
    address = ctypes.cast(last_less_first, ctypes.c_void_p).value
    made = agg.custom(address, "p", signature="double(const double*,intptr_t)")
    live = tg.Aggregator(WINDOW, on="t", x=made)
    with pytest.raises(errors.InputError, match=r"'x'.*without a name"):
        live.snapshot()


def test_a_snapshot_without_its_functions_says_which():
    live = tg.Aggregator(WINDOW, on="t", x=agg.custom(middle, "p"))
    live.push({"t": [1], "p": [1.0]})
    with pytest.raises(errors.SnapshotError, match=r":middle.*functions="):
        tg.Aggregator.restore(live.snapshot())
