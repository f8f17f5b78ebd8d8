"""Anchors of look-backs: rows at which what remembers more than its window is made anew."""

import math
from fractions import Fraction
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg
from tidegate._kernels.rolling import ANCHOR_ROWS, may_begin
from tidegate.core.lookbacks import shares

N_ROWS = 3 * ANCHOR_ROWS + 700
WANTED = {
    **{name: getattr(agg, name)("x") for name in ("var", "std", "skew", "kurt", "zscore", "slope")},
    "of_ints": agg.std("i"),
    "cov": agg.cov("x", "y"),
    "corr": agg.corr("i", "x"),
    "mean": agg.mean("x"),
    "max": agg.max("x"),
}
COLUMNS = {
    "calm": lambda rng, n: 1000 + np.cumsum(rng.normal(0, 0.01, n)),
    "spikes": lambda rng, n: np.where(rng.random(n) < 0.001, 1e9, 1.0) * rng.normal(size=n),
    "stairs": lambda rng, n: rng.normal(size=n) * 10.0 ** -(np.arange(n) // 700 % 40.0),
    "faint": lambda rng, n: 1e-200 * rng.normal(size=n),
    "pauses": lambda rng, n: np.where(np.arange(n) % 8000 < 900, 7.25, rng.normal(size=n)),
    "no numbers": lambda rng, n: np.where(
        rng.random(n) < 0.0003, rng.choice([math.nan, math.inf], n), rng.normal(size=n)
    ),
    "one too large": lambda rng, n: np.where(
        np.arange(n) == ANCHOR_ROWS - 20, 1e200, rng.normal(size=n)
    ),
}
WINDOWS = [
    tg.Rolling(rows=2),
    tg.Rolling(rows=100),
    tg.Rolling(rows=1900),
    tg.Rolling(rows=60, closed="left", min_samples=5),
    tg.Rolling(90),
    tg.Rolling(700, closed="both"),
    tg.Rolling(60, closed="neither"),
    tg.Rolling(80, peers=True),
]


def rows_of(kind, rng, n=N_ROWS):
    """Make rows in time order, some of one time."""
    x = COLUMNS[kind](rng, n)
    missing = rng.random(n) < (0.01 if kind == "spikes" else 0.0)
    return pa.table(
        {
            "t": np.cumsum(np.where(rng.random(n) < 0.2, 0, rng.integers(0, 5, n))),
            "x": pa.array(x, mask=missing),
            "y": x + rng.normal(size=n),
            "i": rng.integers(-(2**40), 2**40, n),
        }
    )


def wanted_of(kind):
    """Choose what to ask for: powers of faint values are summed up anew for each row."""
    return WANTED if kind != "faint" else {name: WANTED[name] for name in ("var", "std", "mean")}


def streamed(table, window, cuts, *, saved_at=(), threads=1, **wanted):
    """Push rows in batches, and go on from a snapshot after some of them."""
    live = tg.Aggregator(window, on="t", threads=threads, **wanted)
    parts = []
    for begin, end in zip([0, *cuts], [*cuts, table.num_rows], strict=True):
        parts.append(live.push(table.slice(begin, end - begin).combine_chunks()))
        if begin in saved_at:
            live = tg.Aggregator.restore(live.snapshot(), threads=threads)
    return pa.concat_tables([*parts, live.flush()])


@pytest.fixture
def n_shares(monkeypatch):
    """Note how many shares there are."""
    seen = []
    run = shares.on_threads
    monkeypatch.setattr(
        shares, "on_threads", lambda do, items: (seen.append(len(items)), run(do, items))[1]
    )
    return seen


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("kind", COLUMNS)
def test_threads_give_the_same_bits(kind, window, rng, n_shares):
    table = rows_of(kind, rng)
    wanted = wanted_of(kind)
    one = tg.aggregate(table, window, on="t", threads=1, **wanted)
    for threads in (2, 3):
        assert_same_bits(tg.aggregate(table, window, on="t", threads=threads, **wanted), one)
    assert n_shares == ([2, 3] if not window.peers else n_shares)


@pytest.mark.parametrize("kind", COLUMNS)
@settings(max_examples=3)
@given(cuts=st.lists(st.integers(0, N_ROWS), max_size=6), near=st.integers(-2, 2), data=st.data())
def test_batches_and_snapshots_give_the_same_bits(kind, cuts, near, data):
    table = rows_of(kind, np.random.default_rng(5))
    window = data.draw(st.sampled_from(WINDOWS))
    cuts = sorted({*cuts, ANCHOR_ROWS + near, 2 * ANCHOR_ROWS})
    saved_at, wanted = [cut for cut in cuts if cut % 3 == 0], wanted_of(kind)
    threads = data.draw(st.sampled_from([1, 2, 3]))
    one = tg.aggregate(table, window, on="t", threads=2, **wanted)
    with mock.patch.object(shares, "WORTH_SHARES", ANCHOR_ROWS):
        many = streamed(table, window, cuts, saved_at=saved_at, threads=threads, **wanted)
    assert_same_bits(many, one)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("kind", COLUMNS)
def test_threads_of_a_stream_give_the_same_bits(kind, window, rng, n_shares, monkeypatch):
    monkeypatch.setattr(shares, "WORTH_SHARES", 2 * ANCHOR_ROWS)
    table, wanted = rows_of(kind, rng), wanted_of(kind)
    one = streamed(table, window, [], **wanted)
    cuts = [700, 2 * ANCHOR_ROWS + 900]  # the second batch is cut at an anchor, the others are not
    for threads, saved_at in ((2, cuts), (3, [])):
        many = streamed(table, window, cuts, saved_at=saved_at, threads=threads, **wanted)
        assert_same_bits(many, one)
    assert n_shares == ([2, 2] if not window.peers else n_shares)


def test_a_stream_is_cut_where_its_rows_have_anchors_not_its_batches(rng, n_shares, monkeypatch):
    monkeypatch.setattr(shares, "WORTH_SHARES", ANCHOR_ROWS // 2)
    table = rows_of("calm", rng)
    window = tg.Rolling(rows=300)
    one = streamed(table, window, [], **WANTED)
    for cuts, n in (
        ([ANCHOR_ROWS + 10], [2]),
        ([ANCHOR_ROWS + 10, 2 * ANCHOR_ROWS - 5], []),  # anchors are near the ends of batches
        ([ANCHOR_ROWS // 2, 3 * ANCHOR_ROWS // 2], [2, 2]),
    ):
        del n_shares[:]
        assert_same_bits(streamed(table, window, cuts, threads=2, **WANTED), one)
        assert n_shares == n


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["calm", "spikes", "stairs"])
def test_rows_at_anchors_are_right(kind, threads, rng):
    table = rows_of(kind, rng)
    found = tg.aggregate(table, tg.Rolling(rows=30), on="t", threads=threads, var=agg.var("x"))
    x = table["x"].to_pylist()
    for anchor in range(ANCHOR_ROWS, N_ROWS, ANCHOR_ROWS):
        for row in range(anchor - 2, anchor + 40):
            values = [Fraction(v) for v in x[row - 29 : row + 1] if v is not None]
            mean = sum(values, Fraction()) / len(values)
            exact = sum(((v - mean) ** 2 for v in values), Fraction()) / (len(values) - 1)
            assert abs(Fraction(found["var"][row].as_py()) - exact) <= exact / 10**12, row


def test_an_anchor_is_far_from_the_next_where_windows_are_long():
    assert may_begin(ANCHOR_ROWS, ANCHOR_ROWS // 8)
    assert not may_begin(ANCHOR_ROWS, ANCHOR_ROWS // 8 + 1)
    assert may_begin(8 * ANCHOR_ROWS, ANCHOR_ROWS)
    assert not may_begin(9 * ANCHOR_ROWS, ANCHOR_ROWS)
    assert not may_begin(ANCHOR_ROWS // 2, 0)
    assert not may_begin(0, 0)


def test_windows_that_are_longer_than_a_share_are_not_cut(rng, n_shares):
    table = rows_of("calm", rng)
    window = tg.Rolling(rows=20_000)
    one = tg.aggregate(table, window, on="t", threads=1, **WANTED)
    assert_same_bits(tg.aggregate(table, window, on="t", threads=2, **WANTED), one)
    assert n_shares == []


def test_rows_of_one_time_that_are_peers_are_not_cut_apart(rng, n_shares):
    table = rows_of("calm", rng)
    times = np.arange(N_ROWS) // (ANCHOR_ROWS + 5)  # none begins at an anchor
    table = table.set_column(0, "t", pa.array(times))
    window = tg.Rolling(1, peers=True)
    one = tg.aggregate(table, window, on="t", threads=1, **WANTED)
    assert_same_bits(tg.aggregate(table, window, on="t", threads=2, **WANTED), one)
    assert n_shares == []
