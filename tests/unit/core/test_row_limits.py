"""Limits of windows that rows make: what would pass one is refused before anything is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import agg, errors

N_ROWS = 100
FAR = 10_000  # a time that lets all rows go
KEPT = {"middle": agg.median("x")}
WHOLE = {"total": agg.sum("x")}
CASES: dict[str, dict[str, Any]] = {
    "windows that overlap": {
        "window": tg.Count(50, 5),
        "limits": tg.Limits(max_kept=300),
        "lateness": 0,
        **KEPT,
    },
    "values of rows that wait": {
        "window": tg.Count(500),
        "limits": tg.Limits(max_kept=50),
        "lateness": 1000,
        **KEPT,
    },
    "values of rows that wait for their keys": {
        "window": tg.Threshold("x", 500),
        "limits": tg.Limits(max_kept=2),
        "lateness": 1000,
        "watermark": "key",
        "by": "k",
        **KEPT,
    },
    "windows of rows that wait": {
        "window": tg.Count(500),
        "limits": tg.Limits(max_open=50),
        "lateness": 1000,
        "by": "k",
        **WHOLE,
    },
    "windows that overlap of rows that wait": {
        "window": tg.Count(500, 10),
        "limits": tg.Limits(max_open=5),
        "lateness": 1000,
        **WHOLE,
    },
}
every_case = pytest.mark.parametrize("asked", CASES.values(), ids=CASES)
WAITING = {name: asked for name, asked in CASES.items() if asked["lateness"]}
every_case_that_waits = pytest.mark.parametrize("asked", WAITING.values(), ids=WAITING)


def stream(asked: dict[str, Any]) -> tg.Aggregator:
    """Make an aggregator."""
    schema = pa.schema([("t", pa.int64()), ("k", pa.int64()), ("x", pa.float64())])
    options = dict(asked)
    return tg.Aggregator(options.pop("window"), on="t", schema=schema, **options)


def rows(first: int, n: int) -> dict[str, Any]:
    """Make rows of as many keys."""
    times = np.arange(first, first + n)
    return {"t": times, "k": times % N_ROWS, "x": times * 0.5}


def begun(asked: dict[str, Any]) -> tg.Aggregator:
    """Make a stream that has no more room than for what it has."""
    live = stream(asked)
    n = N_ROWS if asked["lateness"] else 20
    live.push(rows(0, n))
    if asked.get("watermark") == "key":
        live.push({"t": np.arange(n), "k": np.full(n, N_ROWS - 1), "x": np.ones(n)})
    return live


def beyond(asked: dict[str, Any]) -> dict[str, Any]:
    """Make the rows that pass a limit."""
    if not asked["lateness"]:
        return rows(20, 80)
    return {"t": [FAR], "k": [N_ROWS - 1], "x": [0.5]}


@every_case
def test_batch_that_passes_a_limit_is_refused_whole(asked):
    live = begun(asked)
    before = live.snapshot()
    with pytest.raises(errors.LimitError, match=r"max_(kept|open)=.* nothing of the batch"):
        live.push(beyond(asked))
    assert live.snapshot() == before
    assert live.stats.pending == tg.Aggregator.restore(before).stats.pending


@every_case_that_waits
def test_time_whose_passing_would_pass_a_limit_does_not_pass(asked):
    live = begun(asked)
    before = live.snapshot()
    for pass_time in (live.flush, lambda: live.advance(FAR)):
        with pytest.raises(errors.LimitError, match=r"max_(kept|open)=.* no time has passed"):
            pass_time()
        assert live.snapshot() == before
    assert live.advance(1).num_rows == 0


def test_row_that_was_taken_is_not_lost_when_a_later_one_passes_a_limit():
    live = tg.Aggregator(tg.Tumbling(1000), on="t", limits=tg.Limits(max_kept=50), **KEPT)
    for row in range(50):
        live.push_row(row, 1.0)
    with pytest.raises(errors.LimitError, match=r"max_kept=50 .* nothing of the batch was taken"):
        live.push_row(50, 1.0)
    assert live.stats.rows_in == 50
    assert live.advance(1000)["middle"].to_pylist() == [1.0]
    live.push_row(1001, 2.0)
    assert live.flush()["middle"].to_pylist() == [2.0]


@every_case_that_waits
def test_row_that_passes_a_limit_is_not_taken(asked):
    live = begun(asked)
    keys = [N_ROWS - 1] if "by" in asked else []
    before = live.snapshot()
    with pytest.raises(errors.LimitError, match=r"max_(kept|open)=.* nothing of the batch"):
        live.push_row(FAR, *keys, 0.5)
    assert live.snapshot() == before


def test_rows_of_windows_that_overlap_are_kept_up_to_the_limit():
    live = stream(CASES["windows that overlap"] | {"window": tg.Count(50, 10)})
    for row in range(81):  # at most 10 + 20 + ... + 50 at a time, and a row of 5 windows more
        live.push_row(row, row * 0.5)
    assert live.take()["middle"].to_pylist() == [(begin + 24.5) / 2 for begin in (0, 10, 20, 30)]
