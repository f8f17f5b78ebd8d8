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
from tidegate.core.lookbacks import spans

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


def numbers_in(ranges):
    """List the rows of ranges, which must be in order and apart."""
    assert all(one["start"] < one["stop"] for one in ranges)
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
        assert numbers_in(got["row_ranges"]) == inside
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
def test_long_lineage_leads_back_to_the_rows(by, shuffled, rng, monkeypatch):
    monkeypatch.setattr(spans, "_AT_A_TIME", 5000)
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


def test_ranges_have_a_limit():
    ticks = {"t": np.arange(100), "k": np.arange(100) % 2, "x": np.ones(100)}
    limits = tg.Limits(max_kept=150)
    with pytest.raises(errors.LimitError, match="max_kept=150"):
        tg.aggregate(
            ticks, tg.Rolling(rows=20), agg.sum("x"), on="t", by="k", lineage=True, limits=limits
        )


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
