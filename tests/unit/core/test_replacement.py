"""Corrected results: who lets each result replace what lies within it has the one-shot answer."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.strategies import ticks

import tidegate as tg
from tidegate import agg, errors

WANTS = {"n": agg.rows(), "total": agg.sum("x"), "all": agg.collect("x"), "top": agg.max("x")}
FEW = settings(max_examples=settings().max_examples // 2)
OPTIONS = st.fixed_dictionaries(
    {"lateness": st.integers(0, 15), "allowed_lateness": st.sampled_from([0, 3, 10, 30, 200])},
    optional={"max_jump": st.just(40), "ttl": st.sampled_from([0, 5, 40])},
)
CLOCKS = st.fixed_dictionaries(
    {"lateness": st.integers(0, 15), "allowed_lateness": st.sampled_from([0, 3, 10, 30])},
    optional={"max_jump": st.just(40), "watermark": st.just("key")},
)
SESSIONS = st.one_of(
    st.builds(tg.Session, st.integers(1, 12)),
    st.integers(1, 12).flatmap(
        lambda gap: st.builds(tg.Session, st.just(gap), st.integers(gap, gap + 25))
    ),
)
# Where windows overlap a row may be late for one of its windows alone, which the side does not say.
GRIDS = st.sampled_from([tg.Tumbling(10), tg.Sliding(3, 10), tg.Edges(list(range(-500, 500, 7)))])
STEP = st.one_of(st.integers(-3, 6), st.integers(-40, 25), st.integers(-12, 12))


@st.composite
def tables(draw):
    """Draw rows that rise, and fall back within what is allowed and beyond it."""
    at, rows = 0, []
    for step in draw(st.lists(STEP, max_size=60)):
        at += step
        rows.append({"t": at, "k": draw(st.sampled_from("ab")), "x": len(rows)})
    schema = pa.schema([("t", pa.int64()), ("k", pa.string()), ("x", pa.int64())])
    return pa.Table.from_pylist(rows, schema=schema)


def results_of(table, window, by, options, chunk):
    """Give all results of a stream, and the rows that it has used."""
    live = tg.Aggregator(window, on="t", by=by, **options, **WANTS)
    parts = [live.push(table.slice(at, chunk)) for at in range(0, table.num_rows, chunk)]
    out = pa.concat_tables([*parts, live.flush()]).to_pylist()
    left = set(live.take_late()["row"].to_pylist())
    return out, table.filter(pa.array([i not in left for i in range(table.num_rows)], pa.bool_()))


def replaced(out, by):
    """Let each result replace those before it, of its key, whose windows lie within its own."""
    valid = {}
    for said in out:
        start, end, revision = (said.pop(n) for n in ("window_start", "window_end", "revision"))
        mine = valid.setdefault(said[by] if by else None, {})
        inner = [place for place in mine if start <= place[0] and place[1] <= end]
        assert bool(inner) == (revision > 0), (start, end, revision, inner)
        assert all(mine.pop(place)[0] < revision for place in inner)
        mine[start, end] = revision, {"window_start": start, "window_end": end, **said}
    return [said for of_key in valid.values() for _, said in of_key.values()]


def assert_replaced(table, window, by, options, chunk):
    """Hold what is left to the one-shot answer over the rows that were used."""
    out, used = results_of(table, window, by, options, chunk)
    once = tg.aggregate(used, window, on="t", by=by, **WANTS).to_pylist()
    left = replaced(out, by)
    left.sort(key=lambda row: (row["window_end"], row["window_start"], row.get("k")))
    once.sort(key=lambda row: (row["window_end"], row["window_start"], row.get("k")))
    assert left == once


@given(tables(), SESSIONS, st.sampled_from([None, "k"]), OPTIONS, st.integers(1, 70))
def test_what_sessions_leave_is_the_one_shot_answer(table, window, by, options, chunk):
    if by is None:
        options = {name: value for name, value in options.items() if name != "ttl"}
    assert_replaced(table, window, by, options, chunk)


@FEW
@given(tables(), st.one_of(SESSIONS, GRIDS), CLOCKS, st.integers(1, 70))
def test_what_keys_with_clocks_leave_is_the_one_shot_answer(table, window, options, chunk):
    assert_replaced(table, window, "k", options, chunk)


@FEW
@given(tables(), GRIDS, st.sampled_from([None, "k"]), OPTIONS, st.integers(1, 70))
def test_what_grids_leave_is_the_one_shot_answer(table, window, by, options, chunk):
    if by is None:
        options = {name: value for name, value in options.items() if name != "ttl"}
    assert_replaced(table, window, by, options, chunk)


@pytest.mark.parametrize("window", [tg.Session(3, 20), tg.Session(2), tg.Tumbling(8)], ids=repr)
@pytest.mark.parametrize("allowed", [0, 20, 200])
def test_a_long_stream_leaves_the_one_shot_answer(window, allowed):
    table = ticks(11, 25_000, disorder=60, share=0.3, n_keys=3).select(["t", "k", "q"])
    table = table.rename_columns(["t", "k", "x"])
    options = {"lateness": 2, "allowed_lateness": allowed}
    assert_replaced(table, window, "k", options, 977)


def test_a_chain_of_rows_ends_where_something_is_over():
    live = tg.Aggregator(tg.Session(10), agg.rows(), on="t", allowed_lateness=20)
    out = live.push({"t": [0, 50, 71, 41, 32, 23, 14, 9, 5, -4, 10]})
    assert live.take_late()["t"].to_pylist() == [9, 5, -4]
    assert out.select(["window_start", "window_end", "revision"]).to_pylist()[-1] == {
        "window_start": 10,
        "window_end": 60,
        "revision": 5,
    }


def test_the_late_row_of_a_chain_raises_before_anything_is_taken():
    rising = [0, 50, 71, 41, 32, 23, 14]
    live = tg.Aggregator(tg.Session(10), agg.rows(), on="t", allowed_lateness=20, late="raise")
    with pytest.raises(errors.LateRowError, match="row 7"):
        live.push({"t": [*rising, 9]})
    assert live.stats.rows_in == 0
    live.push({"t": [*rising, 10]})
    assert live.stats.used == 8


def test_what_is_over_is_known_after_a_restore_and_a_merge():
    def run(*rows):
        live = tg.Aggregator(tg.Session(10), agg.rows(), on="t", by="k", allowed_lateness=20)
        live.push({"t": [t for t, _ in rows], "k": [k for _, k in rows]})
        return live

    live = run((0, "a"), (50, "a"), (71, "c"))
    live.merge(run((5, "b"), (50, "b"), (71, "d")))
    live = tg.Aggregator.restore(live.snapshot())
    chain = [41, 32, 23, 14]
    live.push({"t": [*chain, *chain, 9, 14], "k": ["a"] * 4 + ["b"] * 4 + ["a", "b"]})
    live.push({"t": [6, 16], "k": ["b", "b"]})
    late = live.take_late().select(["t", "k"]).to_pylist()
    assert late == [
        {"t": 14, "k": "b"},
        {"t": 9, "k": "a"},
        {"t": 14, "k": "b"},
        {"t": 6, "k": "b"},
    ]
