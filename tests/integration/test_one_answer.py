"""One answer: the result is a function of the rows and their order, to the last bit."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits, assert_same_run
from reference.fingerprint import fingerprint
from reference.oracle import Grid
from reference.strategies import HARSH_WANTS, cases, steps, ticks
from reference.streams import Case, window

import tidegate as tg

GRIDS = st.sampled_from([Grid(10, 10), Grid(1, 1), Grid(500, 500, 3), Grid(60, 10), Grid(7, 3)])
N_LONG = 6000


@st.composite
def long_cases(draw, *, late=True):
    """Draw a stream that is long enough for every loop of the kernels."""
    table = ticks(
        draw(st.integers(0, 2**32)),
        N_LONG,
        disorder=draw(st.sampled_from([0, 0, 3, 200, 9000])),
        share=draw(st.sampled_from([1.0, 0.02, 0.001])),
        n_keys=draw(st.sampled_from([1, 7, 500])),
    )
    by = draw(st.sampled_from([(), ("k",)]))
    lateness = draw(st.sampled_from([0, 5, 100])) if late else None
    nan = draw(st.sampled_from(["value", "missing"]))
    return Case(table, draw(GRIDS), HARSH_WANTS, by=by, lateness=lateness, nan=nan)


@st.composite
def long_steps(draw):
    """Draw cuts that fall anywhere: whole batches, single rows, runs of odd lengths."""
    size = st.one_of(st.integers(0, 20), st.integers(0, N_LONG // 2), st.sampled_from([64, 1024]))
    kind = st.sampled_from(["push", "push", "push", "rows", "restore"])
    return [
        (name, 0 if name == "restore" else min(n, 500) if name == "rows" else n)
        for name, n in draw(st.lists(st.tuples(kind, size), max_size=10))
    ]


@given(cases(late=True), steps(), steps())
def test_any_cut_gives_the_same_bits(case, one_way, other_way):
    assert_same_run(case.stream(one_way), case.stream(other_way))


@given(cases(late=True))
def test_row_by_row_gives_the_same_bits(case):
    assert_same_run(case.stream([("rows", case.table.num_rows)]), case.stream())


@given(cases(late=True))
def test_one_shot_with_lateness_is_the_stream(case):
    assert_same_run(case.one_shot(), case.stream())


@given(cases(late=False))
def test_one_shot_is_the_stream_in_which_nothing_is_late(case):
    assert_same_run(case.one_shot(), case.stream(lateness=2**60))


@settings(max_examples=settings().max_examples // 2)
@given(long_cases(), long_steps())
def test_any_cut_of_a_long_stream_gives_the_same_bits(case, how):
    assert_same_run(case.stream(how), case.stream())


@settings(max_examples=settings().max_examples // 2)
@given(long_cases(late=False), st.integers(1, N_LONG))
def test_one_shot_of_a_long_stream_in_any_order_is_the_patient_stream(case, chunk):
    parts = [case.table.slice(start, chunk) for start in range(0, N_LONG, chunk)]
    chunked = dataclasses.replace(case, table=pa.concat_tables(parts))
    assert_same_run(chunked.one_shot(), case.stream(lateness=2**60))


@settings(max_examples=settings().max_examples // 4)
@given(long_cases(late=False), st.integers(2, 4))
def test_any_number_of_threads_gives_the_same_bits(case, threads):
    assert_same_run(case.one_shot(threads=threads), case.one_shot(threads=1))


@pytest.mark.parametrize("by", [(), ("k",)], ids=["unkeyed", "keyed"])
@pytest.mark.parametrize("disorder", [0, 50])
@pytest.mark.parametrize("grid", [Grid(10, 10), Grid(60, 10)], ids=["tumbling", "sliding"])
def test_threads_on_many_rows_give_the_same_bits(by, disorder, grid):
    # Enough rows for every thread to have work of its own.
    case = Case(ticks(9, 500_000, disorder=disorder), grid, HARSH_WANTS, by=by)
    alone = case.one_shot(threads=1)
    for threads in (2, 3):
        assert_same_run(case.one_shot(threads=threads), alone)


@given(cases(late=False), st.randoms(use_true_random=False))
def test_chunks_of_the_input_do_not_matter(case, random):
    n_rows = case.table.num_rows
    cuts = sorted(random.randint(0, n_rows) for _ in range(4))
    parts = [
        case.table.slice(start, end - start)
        for start, end in zip([0, *cuts], [*cuts, n_rows], strict=True)
    ]
    chunked = dataclasses.replace(case, table=pa.concat_tables(parts))
    assert_same_run(chunked.one_shot(), case.one_shot())


@given(cases(late=False), st.integers(0, 1000))
def test_value_of_a_window_is_that_of_its_rows_alone(case, pick):
    case = dataclasses.replace(case, grid=dataclasses.replace(case.grid, origin="epoch"))
    whole = case.one_shot().result
    assume(whole.num_rows)
    one = whole.slice(pick % whole.num_rows, 1)
    (place,) = one.to_pylist()
    mine = [
        row["t"] is not None
        and place["window_start"] <= row["t"] < place["window_end"]
        and all(repr(row[name]) == repr(place[name]) for name in case.by)
        for row in case.rows
    ]
    alone = dataclasses.replace(case, table=case.table.filter(pa.array(mine))).one_shot().result
    there = pa.array(
        [start == place["window_start"] for start in alone["window_start"].to_pylist()]
    )
    assert_same_bits(alone.filter(there), one)


def test_reading_a_stream_of_batches_is_reading_the_table():
    case = Case(ticks(5, 10_000, disorder=9), Grid(10, 10), HARSH_WANTS, by=("k",))
    reader = case.table.to_reader(max_chunksize=97)
    side = tg.Side()
    got = tg.aggregate(
        reader, window(case.grid), on="t", by="k", nan="value", side=side, **case.aggregations()
    )
    assert_same_bits(got, case.one_shot().result)


def test_results_of_a_process_are_those_of_another(run_python):
    assert run_python("from reference.fingerprint import main; main()").strip() == fingerprint()


def cancelling(keys, rng):
    """Make values of which large ones cancel: what is left shows in which order a key had them."""
    n = len(keys)
    order = np.argsort(keys, kind="stable")
    place = np.arange(n) % 16
    large = np.repeat(rng.normal(size=n // 16 + 1) * 2.0**90, 16)[:n]
    values = np.empty(n)
    values[order] = np.where(place == 3, large, np.where(place == 11, -large, rng.normal(size=n)))
    return values


@pytest.mark.parametrize("n_keys", [3, 40, 300])
@pytest.mark.parametrize("disorder", [0, 5, 40, 300])
@pytest.mark.parametrize("grid", [tg.Tumbling(2000), tg.Sliding(6000, 2000)], ids=str)
def test_rows_of_a_key_are_added_in_their_order_where_that_shows(grid, n_keys, disorder):
    rng = np.random.default_rng(n_keys + disorder)
    n = 300_000
    keys = rng.integers(0, n_keys, n)
    times = np.cumsum(rng.integers(0, 3, n)) + rng.integers(0, disorder + 1, n)
    data = pa.record_batch({"t": times, "k": keys, "x": cancelling(keys, rng)})
    results = tg.agg.sum("x"), tg.agg.mean("x")
    whole = [tg.aggregate(data, grid, *results, on="t", by="k", threads=n) for n in (1, 2, 3)]
    for size, threads in ((n, 1), (n, 2), (100_000, 3), (7_000, 1), (500, 1)):
        live = tg.Aggregator(grid, *results, on="t", by="k", lateness=400, threads=threads)
        made = [live.push(data.slice(row, size)) for row in range(0, n, size)]
        whole.append(pa.concat_tables([*made, live.flush()]))
    for one in whole[1:]:
        assert_same_bits(pa.table(one), pa.table(whole[0]))
