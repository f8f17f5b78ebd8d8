"""Windows of many keys whose rows are all in one block: results without records, to the same bits.

A one-shot run over rows in order reads such a window straight off the values dealt to each key; a
stream of small batches takes every row through a record.
"""

import numpy as np
import pyarrow as pa
import pytest
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg

N_ROWS = 70_000
N_KEYS = 203
SIZE = 6000  # of a window: some thirty rows of each key

WANTS = {
    "n": agg.rows(),
    "count": agg.count("x"),
    "low": agg.min("x"),
    "high": agg.max("x"),
    "range": agg.range("x"),
    "sum": agg.sum("x"),
    "mean": agg.mean("x"),
    "var": agg.var("x", ddof=0),
    "std": agg.std("x"),
    "sem": agg.sem("x"),
    "y": agg.mean("y"),
    "z": agg.max("z"),
}


def values_of(rng, how):
    """Make a float column."""
    x = np.round(rng.normal(1000, 3, N_ROWS), 2)
    some = rng.random(N_ROWS) < 0.0002
    if how == "odd":
        x[some] = rng.choice([np.nan, np.inf, -np.inf, -0.0, 5e-324], some.sum())
    elif how == "wild":
        x[some] = rng.choice([1e300, -1e300, 1.7e308, 1e-300], some.sum())
    elif how == "far":  # from the first value of their key
        x = rng.normal(0, 1, N_ROWS) * 10.0 ** rng.integers(-8, 9, N_ROWS)
    elif how == "zeros":
        x = rng.choice([0.0, -0.0], N_ROWS)
    return x


def keys_of(rng, how):
    """Make keys: alike, gone for a while, new ones, one with very many rows or with very few."""
    keys = rng.integers(0, N_KEYS, N_ROWS)
    window = np.arange(N_ROWS) // SIZE
    if how == "gone":
        keys -= (keys % 7 == window % 7) | (keys // 8 == window)
    elif how == "new":
        keys = np.minimum(keys, 20 * window + 20) + 3 * window
    elif how == "crowded":
        keys[(rng.random(N_ROWS) < 0.02) & (window % 3 == 1)] = 5
    elif how == "rare":  # a value is too few for a variance
        keys[keys < 100] = 100
        keys[:: SIZE // 2] = 3
    return keys


def table_of(values="tame", keys="even", seed=1):
    """Make a table of rows in order of time."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "t": np.arange(N_ROWS) - 500,
            "x": values_of(rng, values),
            "y": rng.random(N_ROWS),
            "z": rng.normal(size=N_ROWS),
            "k": keys_of(rng, keys),
        }
    )


def by_records(table, what=WANTS, size=SIZE):
    """Take the rows through records."""
    live = tg.Aggregator(tg.Tumbling(size), on="t", by="k", lateness=0, **what)
    parts = [live.push(table.slice(at, 997)) for at in range(0, table.num_rows, 997)]
    return pa.concat_tables([*parts, live.flush()])


def at_once(table, what=WANTS, size=SIZE, **options):
    """Take them all at once."""
    return tg.aggregate(table, tg.Tumbling(size), on="t", by="k", **what, **options)


def ready_after_a_push(table, what=WANTS):
    """Count the results of a run that guesses, before anything tells it that windows are over."""
    live = tg.Aggregator(tg.Tumbling(SIZE), on="t", by="k", lateness=None, **what)
    live._run.bind(table.schema).state.guesses = True
    return live.push(table.combine_chunks()).num_rows


@pytest.mark.parametrize("values", ["tame", "odd", "wild", "far", "zeros"])
@pytest.mark.parametrize("keys", ["even", "gone", "new", "crowded", "rare"])
def test_windows_of_keys_read_whole_are_those_of_the_records(keys, values):
    table = table_of(values, keys)
    expected = by_records(table)
    assert_same_bits(at_once(table, threads=1), expected)
    assert_same_bits(at_once(table, threads=2), expected)


@pytest.mark.parametrize("name", WANTS)
def test_a_result_alone_is_what_it_is_beside_others(name):
    table = table_of("odd", "gone")
    expected = at_once(table).select(["k", "window_start", "window_end", name])
    assert_same_bits(at_once(table, {name: WANTS[name]}), expected)


@pytest.mark.parametrize("size", [450, 3000, 16_384, 65_536, 65_537, 10**6])
def test_windows_of_any_length_are_those_of_the_records(size):
    table = table_of("odd")
    assert_same_bits(at_once(table, size=size), by_records(table, size=size))


def test_whole_windows_come_out_at_once():
    table = table_of().slice(0, 5 * SIZE)
    what = {"low": agg.min("x")}  # so little is open that nothing closes it for its size
    assert ready_after_a_push(table, what) >= 3 * N_KEYS
    order = np.arange(table.num_rows)
    order[:-1:3], order[1::3] = order[1::3], order[:-1:3].copy()
    assert ready_after_a_push(table.take(order), what) == 0  # out of order: nothing is guessed


def test_a_row_that_comes_after_its_window_was_read_is_used():
    table = table_of()
    late = pa.concat_tables([table.slice(0, 60_000), table.slice(20_000, 1), table.slice(60_000)])
    for moved in (late, pa.concat_tables([table.slice(1), table.slice(0, 1)])):
        got = at_once(moved.combine_chunks(), threads=1)
        assert_same_bits(
            got.select(["k", "window_start", "n", "low", "high"]).sort_by(
                [("window_start", "ascending"), ("k", "ascending")]
            ),
            at_once(moved.sort_by("t")).select(["k", "window_start", "n", "low", "high"]).sort_by(
                [("window_start", "ascending"), ("k", "ascending")]
            ),
        )  # fmt: skip
        assert sum(got["n"].to_pylist()) == moved.num_rows


def test_nulls_before_whole_windows_leave_their_results_valid():
    table = table_of("tame", "rare")
    got = at_once(table)
    assert 0 < got["std"].null_count < got.num_rows // 2
    assert_same_bits(got, by_records(table))


def test_a_limit_on_open_windows_holds_for_whole_ones_too():
    with pytest.raises(tg.errors.LimitError, match="max_open"):
        at_once(table_of(), threads=1, limits=tg.Limits(max_open=N_KEYS - 1))


def test_floats_and_edges_bound_windows_that_are_read_whole():
    table = table_of("odd", "gone")
    floats = table.set_column(0, "t", table["t"].cast(pa.float64()))
    whole = at_once(table)
    got = at_once(floats, size=float(SIZE))
    assert_same_bits(got.drop_columns(["window_start", "window_end"]),
                     whole.drop_columns(["window_start", "window_end"]))  # fmt: skip
    edges = tg.Edges([*range(-SIZE, N_ROWS + SIZE, SIZE)])
    assert_same_bits(tg.aggregate(table, edges, on="t", by="k", **WANTS), whole)
