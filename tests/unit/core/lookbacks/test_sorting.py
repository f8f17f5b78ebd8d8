"""Rows in time order: those of one time as they are, on any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg
from tidegate.core import allkeys
from tidegate.core.lookbacks import lookback, shares, sorting
from tidegate.core.lookbacks.sorting import stable_order, taken

INT64 = st.sampled_from([-(2**63), 2**63 - 1]) | st.integers(-3, 3)


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make shares of few rows."""
    monkeypatch.setattr(sorting, "FEWEST", 1)
    monkeypatch.setattr(lookback, "FEWEST_IN_PART", 64)
    monkeypatch.setattr(shares, "WORTH_SHARES", 64)
    monkeypatch.setattr(allkeys, "_FIRST", 64)


@given(times=st.lists(INT64, min_size=1, max_size=40), threads=st.integers(1, 9))
def test_order_is_that_of_a_stable_sort(times: list[int], threads: int) -> None:
    order = stable_order(np.array(times), threads)
    assert order.tolist() == sorted(range(len(times)), key=times.__getitem__)


@pytest.mark.parametrize("jitter", [0, 30, 10_000])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_rows_out_of_order_near_and_far(jitter: int, threads: int) -> None:
    rng = np.random.default_rng(3)
    times = np.arange(3000) + rng.integers(0, jitter + 1, 3000)
    order = stable_order(times, threads)
    assert np.array_equal(order, np.argsort(times, kind="stable"))
    assert np.array_equal(taken(times, order, threads), times[order])


def rows_of(jitter: int) -> pa.Table:
    """Make rows with texts and nulls, out of order by so much."""
    rng = np.random.default_rng(4)
    n = 4000
    words = pa.array(rng.integers(0, 30, n) + np.arange(n) // 1000 * 7, mask=rng.random(n) < 0.1)
    return pa.table(
        {
            "t": np.arange(n) + rng.integers(0, jitter + 1, n),
            "k": pa.array(rng.integers(0, 9, n)).cast(pa.string()),
            "x": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.05),
            "w": words.cast(pa.string()),
            "d": pa.array(rng.integers(0, 99, n)).cast(pa.decimal128(25, 0)),
        }
    )


WANTS: dict[str, Any] = {
    "mean": agg.mean("x"),
    "first": agg.first("w"),
    "most": agg.max("w"),
    "all": agg.collect("x"),
    "words": agg.collect("w"),
    "total": agg.sum("d"),
    "kinds": agg.nunique("w"),
}


@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("jitter", [0, 50])
@pytest.mark.parametrize("window", [tg.Rolling(40), tg.Rolling(rows=7)])
def test_look_backs_have_the_same_bits_on_any_number_of_threads(
    window: tg.Rolling, jitter: int, by: str | None
) -> None:
    of_keys = {"spread": agg.std("x")} if by else {}  # without keys it is cut at anchors alone
    one, *others = (
        tg.aggregate(rows_of(jitter), window, on="t", by=by, threads=threads, **WANTS, **of_keys)
        for threads in (1, 2, 5)
    )
    for other in others:
        assert_same_bits(other, one)
        assert other["words"].num_chunks > 1
