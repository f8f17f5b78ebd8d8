"""Look-backs over integers and columns with nulls: the quick ways say what the definition says."""

from fractions import Fraction
from math import isnan, nan, sqrt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg

N = 1500  # some tiles of rows and many blocks
INTS = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
WINDOWS = [
    tg.Rolling(rows=1),
    tg.Rolling(rows=7),
    tg.Rolling(rows=64),
    tg.Rolling(rows=130, closed="both"),
    tg.Rolling(rows=5, closed="left"),
    tg.Rolling(40),
    tg.Rolling(400, closed="neither"),
    tg.Rolling(1000, closed="both", min_samples=3),
]


def column_of(kind: str, share_of_nulls: float, rng: np.random.Generator) -> pa.Array:
    """Make values of a kind, the ends of its range among them."""
    there = rng.random(N) >= share_of_nulls
    there[600 : 600 + int(300 * share_of_nulls)] = False
    if kind == "float64":
        values = np.round(rng.normal(0, 100, N), 1)
        values[rng.random(N) < 0.02] = -0.0
        for odd in (nan, np.inf, -np.inf):
            values[700 + rng.integers(0, 700, 3)] = odd
        return pa.array(values, mask=~there)
    low, high = INTS[kind]
    small = [int(x) for x in rng.integers(max(low, -100), min(high, 100), N)]
    for at in rng.integers(700, N, 12):
        small[at] = (low, high, low + 1, high - 1)[at % 4]
    return pa.array([x if ok else None for x, ok in zip(small, there, strict=True)], kind)


def rows_of(window: tg.Rolling, times: list[int], i: int) -> range:
    """Give the rows of a look-back: those before row i that are near enough, and it, or not."""
    has_end = window.closed in {"right", "both"}
    has_begin = window.closed in {"left", "both"}
    if window.rows is not None:
        return range(max(0, i + 1 - window.rows - has_begin), i + has_end)
    size = int(str(window.size))
    inside = [
        j
        for j in range(i + 1)
        if (times[j] > times[i] - size or (has_begin and times[j] == times[i] - size))
        and (times[j] < times[i] or has_end)
    ]
    return range(inside[0], inside[-1] + 1) if inside else range(0)


def extreme_of(values: list[Any], *, least: bool) -> Any:
    """Give the least or the greatest value; NaN if there is one, and 0.0 for -0.0."""
    if any(isinstance(x, float) and isnan(x) for x in values):
        return nan
    return (min if least else max)(values) + 0


@pytest.mark.parametrize("window", WINDOWS, ids=repr)
@pytest.mark.parametrize("share_of_nulls", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("kind", [*INTS, "float64"])
def test_extremes(kind, share_of_nulls, window, rng):
    times = np.cumsum(rng.integers(1, 9, N)).tolist()
    table = pa.table({"t": times, "x": column_of(kind, share_of_nulls, rng)})
    plan: dict[str, Any] = {"low": agg.min("x"), "high": agg.max("x"), "n": agg.count("x")}
    out = tg.aggregate(table, window, on="t", **plan)
    values, got = table["x"].to_pylist(), out.to_pylist()
    for i in range(N):
        inside = [values[j] for j in rows_of(window, times, i) if values[j] is not None]
        assert got[i]["n"] == len(inside)
        if len(inside) < max(window.min_samples, 1):
            assert got[i]["low"] is None
            assert got[i]["high"] is None
        else:
            assert repr(got[i]["low"]) == repr(extreme_of(inside, least=True)), i
            assert repr(got[i]["high"]) == repr(extreme_of(inside, least=False)), i
    live = tg.Aggregator(window, on="t", **plan)
    parts = [live.push(table.slice(at, 333)) for at in range(0, N, 333)]
    assert_same_bits(pa.concat_tables([*parts, live.flush()]), out)
    assert_same_bits(tg.aggregate(table, window, on="t", threads=2, **plan), out)


@pytest.mark.parametrize("window", WINDOWS[1:6], ids=repr)
@pytest.mark.parametrize("share_of_nulls", [0.0, 0.1])
@pytest.mark.parametrize(
    ("kind", "middle", "spread"),
    [
        ("int64", 0, 2**10),
        ("int64", 2**60, 2**4),
        ("int64", -(2**62), 2**54),
        ("int64", 2**53, 2**53),
        ("int64", 0, 2**62),
        ("uint64", 2**63, 2**20),
        ("uint64", 2**63, 2**62),
        ("int16", 0, 2**14),
    ],
)
def test_means_and_deviations_of_integers(kind, middle, spread, share_of_nulls, window, rng):
    times = np.cumsum(rng.integers(1, 9, N)).tolist()
    values = [middle + int(x) for x in rng.integers(-spread, spread, N)]
    there = rng.random(N) >= share_of_nulls
    column = pa.array([x if ok else None for x, ok in zip(values, there, strict=True)], kind)
    table = pa.table({"t": times, "x": column})
    plan: dict[str, Any] = {"mean": agg.mean("x"), "std": agg.std("x"), "var": agg.var("x", ddof=0)}
    out = tg.aggregate(table, window, on="t", **plan)
    for i, row in enumerate(out.to_pylist()):
        inside = [values[j] for j in rows_of(window, times, i) if there[j]]
        n = len(inside)
        if n < max(window.min_samples, 1):
            assert row["mean"] is None
            continue
        mean = Fraction(sum(inside), n)
        squares = sum((x - mean) ** 2 for x in inside)
        assert abs(Fraction(row["mean"]) - mean) <= abs(mean) * Fraction(4, 10**15)
        assert abs(Fraction(row["var"]) - squares / n) <= squares / n / 10**12
        if n > 1:
            expected = sqrt(squares / (n - 1))
            assert abs(row["std"] - expected) <= 2e-12 * expected
    live = tg.Aggregator(window, on="t", **plan)
    parts = [live.push(table.slice(at, 333)) for at in range(0, N, 333)]
    assert_same_bits(pa.concat_tables([*parts, live.flush()]), out)
