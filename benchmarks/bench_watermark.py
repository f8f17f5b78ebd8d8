"""The watermark and the flag of late rows against NumPy.

    pytest benchmarks/bench_watermark.py

1,000 rows a second, each on its way for 20 ms on average: with a lateness of 100 ms one in
some 200 is late.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg

N_ROUNDS = 15
TARGET = 2
LATENESS_NS = 100_000_000
MEAN_DELAY_NS = 20_000_000


@pytest.fixture(scope="module")
def times(ticks: pa.Table, n_rows: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Give the times in order of arrival; integers, on which NumPy is at its fastest."""
    sent = ticks["time"].to_numpy().view("i8")
    delay = np.random.default_rng(9).exponential(MEAN_DELAY_NS, n_rows)
    return sent[np.argsort(sent + delay.astype("i8"), kind="stable")]


def marks_of_tidegate(times: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], ...]:
    """Follow the watermark."""
    return tg.Watermark(LATENESS_NS).follow(times)


def marks_of_numpy(times: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], ...]:
    """Do the same in three passes, in place where that is faster."""
    marks = np.maximum.accumulate(times)
    marks -= LATENESS_NS
    return marks, times < marks


def test_watermark(race: Any, times: np.ndarray[Any, Any]) -> None:
    marks, late = marks_of_tidegate(times)
    expected_marks, expected_late = marks_of_numpy(times)
    np.testing.assert_array_equal(marks, expected_marks)
    np.testing.assert_array_equal(late, expected_late)
    assert 0 < np.count_nonzero(late) < len(times) / 10
    race(
        "watermark and late flag",
        lambda: marks_of_tidegate(times),
        {"np.maximum.accumulate": lambda: marks_of_numpy(times)},
        target=TARGET,
        n_rounds=N_ROUNDS,
    )
