"""Every look-back names the rows that it was over."""

from itertools import pairwise

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

MADE = {"total": agg.sum("x"), "n": agg.rows(), "low": agg.min("w")}


@st.composite
def tables(draw):
    """Draw rows in any order, some without a time."""
    row = st.tuples(
        st.none() | st.integers(0, 30),
        st.sampled_from("uv"),
        st.integers(-9, 9),
        st.sampled_from("ab"),
    )
    rows = draw(st.lists(row, min_size=1, max_size=25))
    if draw(st.booleans()):
        rows.sort(key=lambda row: row[0] or 0)
    t, k, x, w = zip(*rows, strict=True)
    return pa.table({"t": pa.array(t, pa.int64()), "k": k, "x": x, "w": w})


def numbers_in(ranges, table=None):
    """List the rows of ranges, which must be in order and apart, unless they are of a key."""
    assert all(one["start"] < one["stop"] for one in ranges)
    if ranges and "key" in ranges[0]:
        numbered = table.append_column("number", pa.array(range(table.num_rows)))
        return tg.trace(numbered, ranges)["number"].to_pylist()
    assert all(a["stop"] < b["start"] for a, b in pairwise(ranges))
    return [number for one in ranges for number in range(one["start"], one["stop"])]


@settings(max_examples=80)
@given(tables(), WINDOWS, st.sampled_from([None, "k"]))
def test_each_result_names_the_rows_of_its_look_back(table, window, by):
    out = tg.aggregate(table, window, on="t", by=by, lineage=True, side=tg.Side(), **MADE)
    rows = [{**row, "number": at} for at, row in enumerate(table.to_pylist())]
    rows = sorted((row for row in rows if row["t"] is not None), key=lambda row: row["t"])
    for row, got in zip(rows, out.to_pylist(), strict=True):
        mine = [other for other in rows if by is None or other[by] == row[by]]
        inside = sorted(other["number"] for other in rows_of(mine, row, window))
        assert numbers_in(got["row_ranges"], table) == inside
        assert got["n"] == len(inside)
    plain = tg.aggregate(table, window, on="t", by=by, side=tg.Side(), **MADE)
    assert_same_bits(out.drop_columns(["row_ranges"]), plain)


@settings(max_examples=80)
@given(tables(), WINDOWS, steps(), st.sampled_from([None, "k"]), st.sampled_from([3, 100]))
def test_any_cut_names_the_same_rows(table, window, ways, by, lateness):
    options = {"on": "t", "by": by, "lateness": lateness, **MADE}
    side = tg.Side()
    whole = tg.aggregate(table, window, lineage=True, side=side, **options)
    live = tg.Aggregator(window, schema=table.schema, lineage=True, **options)
    said = fed(live, table, ways, ["t", *([by] if by else []), "x", "w"])
    assert said.result.to_pylist() == whole.to_pylist()
    assert said.late.to_pylist() == side.late.to_pylist()
    assert said.stats == side.stats


@pytest.mark.parametrize("shuffled", [0, 30], ids=["in order", "nearly in order"])
@pytest.mark.parametrize("by", [None, "k"])
def test_long_lineage_leads_back_to_the_rows(by, shuffled, rng):
    n = 21_000
    t = np.arange(n) + rng.integers(0, shuffled + 1, n)
    table = pa.table(
        {
            "t": t,
            "k": rng.integers(0, 3, n),
            "x": rng.normal(size=n),
            "w": rng.choice(list("ab"), n),
        }
    )
    window = tg.Rolling(60)
    out = tg.aggregate(table, window, on="t", by=by, lineage=True, **MADE)
    for at in rng.integers(0, n, 30):
        row = out.slice(at, 1).to_pylist()[0]
        ranges = row.pop("row_ranges")
        own = tg.trace(table, ranges)
        assert own.num_rows == row["n"]
        again = tg.aggregate(own, window, on="t", by=by, **MADE).to_pylist()[-1]
        assert {**again, "total": pytest.approx(row["total"], rel=1e-14)} == row


def test_rows_in_order_are_one_range():
    out = tg.aggregate(
        {"t": [1, 2, 3, 9]}, tg.Rolling(rows=2, closed="left"), on="t", n=agg.rows(), lineage=True
    )
    assert [list(map(tuple, (one.values() for one in ranges))) for ranges in out["row_ranges"]] == [
        [],
        [(0, 1)],
        [(0, 2)],
        [(1, 3)],
    ]


def test_too_few_samples_hide_no_rows():
    ticks = pa.table({"t": [1, 2], "x": pa.array([1, None])})
    out = tg.aggregate(
        ticks, tg.Rolling(10, min_samples=3), agg.sum("x"), on="t", lineage=True
    ).to_pylist()
    assert [row["x_sum"] for row in out] == [None, None]
    assert [numbers_in(row["row_ranges"]) for row in out] == [[0], [0, 1]]


def test_rows_of_a_key_in_order_are_one_range_whatever_is_between():
    ticks = pa.table({"t": [1, 2, 3, 3, 5, 9], "k": ["a", "b", "a", None, "b", None]})
    out = tg.aggregate(
        ticks, tg.Rolling(rows=2), on="t", by="k", n=agg.rows(), lineage=True
    ).to_pylist()
    assert [row["row_ranges"] for row in out] == [
        [{"start": start, "stop": stop, "rows": rows, "key": {"k": key}}]
        for start, stop, rows, key in [
            (0, 1, 1, "a"),
            (1, 2, 1, "b"),
            (0, 3, 2, "a"),
            (3, 4, 1, None),
            (1, 5, 2, "b"),
            (3, 6, 2, None),
        ]
    ]
    own = tg.trace(ticks, out[4]["row_ranges"])
    assert own.to_pydict() == {"t": [2, 5], "k": ["b", "b"]}


@pytest.mark.parametrize(
    ("times", "lateness", "told"),
    [
        ([10, 20, 15, 21], 10, [(0, 4, 4)]),
        ([90, 20, 15, 80, 21], 99, [(1, 3, 2), (4, 5, 1)]),  # 21 looks back on neither 80 nor 90
        ([10, 20, 12, 21], 0, [(0, 2, 2), (3, 4, 1)]),  # 12 is late
        ([10, 20, None, 21], 0, [(0, 2, 2), (3, 4, 1)]),
    ],
)
def test_a_range_of_a_key_ends_where_another_row_of_it_came_between(times, lateness, told):
    table = pa.table({"t": pa.array(times, pa.int64()), "k": ["a"] * len(times)})
    live = tg.Aggregator(
        tg.Rolling(50), on="t", by="k", n=agg.rows(), lineage=True, lateness=lateness
    )
    live.push(table, take=False)
    last = next(row for row in live.flush().to_pylist() if row["t"] == 21)
    found = [(one["start"], one["stop"], one["rows"]) for one in last["row_ranges"]]
    assert found == told
    own = tg.trace(table, last["row_ranges"])["t"].to_pylist()
    assert sorted(own) == sorted(set(times) - {12, 80, 90, None})


def test_data_that_is_not_what_was_looked_back_on_is_refused():
    ticks = pa.table({"t": [1, 2, 3], "k": ["a", "b", "a"]})
    out = tg.aggregate(ticks, tg.Rolling(9), on="t", by="k", n=agg.rows(), lineage=True)
    ranges = out["row_ranges"][2].as_py()
    with pytest.raises(
        errors.InputError, match=r"1 are of the key \{'k': 'a'\}, and of the window"
    ):
        tg.trace({"t": [1, 2, 3], "k": ["b", "b", "a"]}, ranges)
    with pytest.raises(errors.InputError, match="does not tell key, time and rows"):
        tg.trace(ticks, [{**ranges[0], "time": 7}])


@settings(max_examples=60)
@given(tables(), WINDOWS, st.integers(2, 4), st.sampled_from([None, "k"]))
def test_any_number_of_threads_names_the_same_rows(table, window, threads, by):
    options = {"on": "t", "by": by, "lineage": True, **MADE}
    one, more = (
        tg.aggregate(table, window, side=tg.Side(), threads=n, **options) for n in (1, threads)
    )
    assert_same_bits(more, one)


def test_ranges_have_a_limit():
    ticks = {"t": np.arange(100) // 2, "x": np.ones(100)}
    ticks["t"][1::2] += 8
    limits = tg.Limits(max_kept=150)
    for threads in (1, 2):
        with pytest.raises(errors.LimitError, match="max_kept=150"):
            tg.aggregate(
                ticks,
                tg.Rolling(rows=20),
                agg.sum("x"),
                on="t",
                lineage=True,
                limits=limits,
                threads=threads,
            )


def test_a_plan_names_no_column_that_is_not_there():
    live = tg.Aggregator(tg.Rolling(5), agg.sum("x"), on="t", by="k", lineage=True)
    assert set(live.plan.inputs) == {"t", "k", "x"}


def test_two_lineages_do_not_merge():
    one, two = (
        tg.Aggregator(tg.Rolling(5), on="t", by="k", lineage=True, n=agg.rows()) for _ in "ab"
    )
    with pytest.raises(errors.MergeError, match="lineage"):
        one.merge(two)


def test_a_row_of_a_wrong_length_is_refused():
    live = tg.Aggregator(tg.Rolling(5), agg.sum("x"), on="t", lineage=True)
    with pytest.raises(errors.InputError, match=r"push_row takes 2 values \(t, x\), got 1"):
        live.push_row(1)
    live.push_row(1, 2.0)
    live.push_row(2, 3.0)
    assert [numbers_in(ranges) for ranges in live.flush()["row_ranges"].to_pylist()] == [
        [0],
        [0, 1],
    ]
