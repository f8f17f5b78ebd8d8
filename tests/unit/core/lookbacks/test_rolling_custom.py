"""Functions of the user's over look-backs: what they see, when they are called, and what fails."""

import ctypes
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits
from reference.lookbacks import WINDOWS, rows_of
from reference.strategies import steps
from reference.streams import fed

import tidegate as tg
from tidegate import agg, errors

FLOATS = ctypes.POINTER(ctypes.c_double)
WINDOW = tg.Rolling(rows=3)


@ctypes.CFUNCTYPE(ctypes.c_double, FLOATS, ctypes.c_ssize_t)
def last_less_first(values, n):
    return values[n - 1] - values[0]


def joined(values):
    """Write values down in their order."""
    return "|".join(map(str, values))


def both(first, second):
    """Write pairs down in their order."""
    return "|".join(f"{a}:{b}" for a, b in zip(first, second, strict=True))


MADE = {
    "x": agg.custom(joined, "x", type=pa.string(), name="x"),
    "w": agg.custom(joined, "w", type=pa.string(), name="w"),
    "d": agg.custom(joined, "d", type=pa.string(), name="d"),
    "xw": agg.custom(both, "x", "w", type=pa.string(), name="xw"),
    "c": agg.custom(last_less_first, "x", name="c"),
    "all": agg.collect("x"),
    "n": agg.count("x"),
}
FUNCTIONS = {"x": joined, "w": joined, "d": joined, "xw": both, "c": last_less_first}


@st.composite
def value_tables(draw):
    """Draw rows of numbers, texts and decimals, nulls among them."""
    row = st.tuples(
        st.integers(0, 30),
        st.sampled_from("uv"),
        st.none() | st.integers(-9, 9).map(float),
        st.sampled_from([None, "a", "bb", ""]),
        st.none() | st.integers(0, 5).map(lambda units: Decimal(units) * 10**20),
    )
    t, k, x, w, d = zip(*draw(st.lists(row, min_size=1, max_size=25)), strict=True)
    columns = {"t": pa.array(t), "k": k, "x": pa.array(x, pa.float64())}
    return pa.table({**columns, "w": pa.array(w, pa.string()), "d": pa.array(d, pa.decimal128(30))})


@settings(max_examples=60)
@given(value_tables(), WINDOWS, st.sampled_from([None, "k"]))
def test_functions_see_the_values_of_each_window_in_order(table, window, by):
    out = tg.aggregate(table, window, on="t", by=by, **MADE).to_pylist()
    rows = sorted(table.to_pylist(), key=lambda row: row["t"])
    for row, got in zip(rows, out, strict=True):
        mine = [other for other in rows if by is None or other[by] == row[by]]
        inside = rows_of(mine, row, window)
        for names in ("x", "w", "d", "xw"):
            there = [
                [other[name] for name in names]
                for other in inside
                if all(other[name] is not None for name in names)
            ]
            expected = None
            if there and len(there) >= window.min_samples:
                expected = "|".join(":".join(map(str, values)) for values in there)
            assert got[names] == expected
        x = [other["x"] for other in inside if other["x"] is not None]
        is_there = x and len(x) >= window.min_samples
        assert got["c"] == (x[-1] - x[0] if is_there else None)


@settings(max_examples=60)
@given(value_tables(), WINDOWS, steps(), st.sampled_from([None, "k"]))
def test_any_cut_gives_the_same_answers(table, window, ways, by):
    whole = tg.aggregate(table, window, on="t", by=by, lateness=100, **MADE)
    live = tg.Aggregator(window, on="t", by=by, lateness=100, schema=table.schema, **MADE)
    columns = ["t", *([by] if by else []), "x", "w", "d"]
    assert_same_bits(fed(live, table, ways, columns, FUNCTIONS).result, whole)


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("window", [tg.Rolling(rows=30), tg.Rolling(100, closed="left")], ids=repr)
def test_long_streams_are_one_answer(window, by, rng):
    n = 21_000
    x = pa.array(rng.normal(size=n), mask=rng.random(n) < 0.1)
    t = np.cumsum(rng.integers(0, 7, n))
    table = pa.table({"t": t, "k": rng.integers(0, 4, n), "x": x})
    made = {"low": agg.custom(np.min, "x"), "c": agg.custom(last_less_first, "x", name="c")}
    made |= {"min": agg.min("x"), "first": agg.first("x"), "last": agg.last("x")}
    whole = tg.aggregate(table, window, on="t", by=by, **made)
    assert whole["low"].equals(whole["min"])
    assert whole["c"].equals(pa.compute.subtract(whole["last"], whole["first"]))
    live, parts = tg.Aggregator(window, on="t", by=by, **made), []
    for at in range(0, n, 4999):
        parts.append(live.push(table.slice(at, 4999)))
    assert_same_bits(pa.concat_tables([*parts, live.flush()]), whole)


def test_the_values_cannot_be_written_to():
    def spoil(values):
        values[0] = 7.0

    with pytest.raises(errors.CustomError, match=r"x: .*read-only.*the window of the row at 1"):
        tg.aggregate({"t": [1], "p": [1.0]}, WINDOW, on="t", x=agg.custom(spoil, "p"))


def test_functions_are_called_when_results_are_taken():
    calls = []
    made = agg.custom(lambda values: calls.append(len(values)), "p", name="f")
    live = tg.Aggregator(WINDOW, on="t", x=made)
    live.push({"t": [1, 2, 3], "p": [1.0, 2.0, 3.0]}, take=False)
    assert live.stats.windows == 2
    assert calls == []
    assert live.take()["x"].to_pylist() == [None, None]
    assert calls == [1, 2]


def test_what_fails_names_row_and_key_and_waits_until_it_is_mended():
    broken = {"is": True}

    def fn(values):
        if broken["is"] and len(values) > 1:
            raise ValueError("not now")
        return values.sum()

    live = tg.Aggregator(WINDOW, on="t", by="k", x=agg.custom(fn, "p"), n=agg.count("p"))
    for times in ([1, 2, 3], [4]):
        with pytest.raises(errors.CustomError, match=r"row at 2 of key \('a',\)") as caught:
            live.push({"t": times, "k": ["a"] * len(times), "p": [1.0] * len(times)})
        assert isinstance(caught.value.__cause__, ValueError)
    broken["is"] = False
    assert live.take().select(["x", "n"]).to_pydict() == {"x": [1.0, 2.0, 3.0], "n": [1, 2, 3]}
    assert live.flush()["n"].to_pylist() == [3]


def test_a_snapshot_calls_what_is_due_and_asks_for_its_functions():
    live = tg.Aggregator(WINDOW, on="t", x=agg.custom(joined, "p", type=pa.string(), name="f"))
    live.push({"t": [1, 2], "p": [1, 2]}, take=False)
    state = live.snapshot()
    with pytest.raises(errors.SnapshotError, match=r"'f'.*functions="):
        tg.Aggregator.restore(state)
    again = tg.Aggregator.restore(state, functions={"f": joined})
    assert again.flush()["x"].to_pylist() == ["1", "1|2"]


def test_values_that_wait_have_a_limit():
    limits = tg.Limits(max_kept=100)
    live = tg.Aggregator(WINDOW, on="t", x=agg.custom(np.sum, "p"), limits=limits)
    with pytest.raises(errors.LimitError, match="max_kept=100"):
        live.push({"t": np.arange(200), "p": np.ones(200)})


def test_functions_are_called_sooner_where_too_many_values_wait():
    calls = []
    made = agg.custom(lambda values: calls.append(len(values)), "p", name="f")
    live = tg.Aggregator(WINDOW, on="t", x=made, limits=tg.Limits(max_kept=110))
    for at in range(0, 200, 20):
        live.push({"t": np.arange(at, at + 20), "p": np.ones(20)}, take=False)
        assert sum(some.n_values for some in live._run.unmade) <= 110
    assert 50 < len(calls) <= 199
    assert live.take().num_rows == 199
    assert len(calls) == 199


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("threads", [1, 3])
def test_no_rows_come_to_no_results(by, threads):
    names = {"t": pa.int64(), "k": pa.string(), "x": pa.float64(), "w": pa.string()}
    table = pa.schema([*names.items(), ("d", pa.decimal128(30))]).empty_table()
    for lineage in (False, True):
        options = {"on": "t", "by": by, "threads": threads, "lineage": lineage, **MADE}
        assert tg.aggregate(table, WINDOW, **options).num_rows == 0
