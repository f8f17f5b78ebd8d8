"""Variances of columns that fixed point holds, for a time: right, and of any cut the same bits."""

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg

N_ROWS = 21_000
BOUND = Fraction(1, 10**12)


def calm(rng, n):
    """Give values that move slowly, far from 0."""
    return 1000 + np.cumsum(rng.normal(0, 0.01, n))


KINDS = {
    "calm": calm,
    "normal": lambda rng, n: rng.normal(size=n),
    "tiny": lambda rng, n: 1e-120 * rng.normal(size=n),
    "faint": lambda rng, n: 1e-200 * rng.normal(size=n),
    "large": lambda rng, n: 1e80 * calm(rng, n),
    "stairs": lambda rng, n: rng.normal(size=n) * 10.0 ** -(np.arange(n) // 700 % 40.0),
    "spikes": lambda rng, n: np.where(rng.random(n) < 0.001, 1e9, 1.0) * rng.normal(size=n),
    "outliers": lambda rng, n: calm(rng, n) + 30.0 * (rng.random(n) < 0.002),
    "pauses": lambda rng, n: np.where(np.arange(n) % 5000 < 700, 7.25, rng.normal(size=n)),
    "levels": lambda rng, n: rng.normal(size=n) + 1e9 * (np.arange(n) // 3000),
    "rising": lambda rng, n: 1.05 ** (np.arange(n) % 4000) * rng.normal(size=n),
    "no numbers": lambda rng, n: np.where(
        rng.random(n) < 0.0003, rng.choice([math.nan, math.inf], n), calm(rng, n)
    ),
}
TIMES = {
    "steady": lambda _, n: np.arange(n) * 10,
    "random": lambda rng, n: np.cumsum(rng.integers(0, 21, n)),
    "in heaps": lambda rng, n: np.cumsum(np.where(rng.random(n) < 0.001, 5000, 1)),
}


def exact_variance(window):
    """Give the variance of a window; None where there is none."""
    if not np.isfinite(window).all():
        return math.nan if len(window) > 1 else None
    values = [Fraction(x) for x in window.tolist()]
    if len(values) < 2:
        return None
    mean = sum(values, Fraction()) / len(values)
    return sum(((x - mean) ** 2 for x in values), Fraction()) / (len(values) - 1)


def holds(found, expected):
    """Tell whether a variance is within the bound of what is exact."""
    if expected is None or not isinstance(expected, Fraction):
        return found is None if expected is None else found != found
    return abs(Fraction(found) - expected) <= BOUND * expected + Fraction(2, 2**1074)


@pytest.mark.parametrize("n", [2, 100, 1200])
@pytest.mark.parametrize("kind", KINDS)
def test_every_variance_is_right(kind, n):
    x = KINDS[kind](np.random.default_rng(n), N_ROWS)
    table = pa.table({"t": np.arange(N_ROWS), "x": x})
    out = tg.aggregate(table, tg.Rolling(rows=n), on="t", var=agg.var("x"))["var"].to_pylist()
    for row in range(n % 7, N_ROWS, 7 + n // 2):
        expected = exact_variance(x[max(row - n + 1, 0) : row + 1])
        assert holds(out[row], expected), (kind, n, row, out[row])


@pytest.mark.parametrize("kind", ["calm", "outliers", "no numbers"])
@pytest.mark.parametrize("times", TIMES)
def test_every_variance_by_time_is_right(kind, times):
    rng = np.random.default_rng(6)
    x, t = KINDS[kind](rng, N_ROWS), TIMES[times](rng, N_ROWS)
    table = pa.table({"t": t, "x": x})
    out = tg.aggregate(table, tg.Rolling(1500), on="t", var=agg.var("x"))["var"].to_pylist()
    for row in range(3, N_ROWS, 211):
        window = x[np.searchsorted(t, t[row] - 1500, "right") : row + 1]
        assert holds(out[row], exact_variance(window)), (kind, times, row, out[row])


def gaps(rng, share):
    """Say which values are missing: some here and there, and all for a while."""
    at = np.arange(N_ROWS)
    return (rng.random(N_ROWS) < share) | ((at % 6000 > 5500) & (at % 6000 < 5800))


@pytest.mark.parametrize("nan", ["value", "missing"])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.9])
@pytest.mark.parametrize("kind", ["calm", "outliers", "stairs", "levels"])
def test_every_variance_of_what_is_there_is_right(kind, share, nan):
    rng = np.random.default_rng(8)
    x, missing, t = KINDS[kind](rng, N_ROWS), gaps(rng, share), TIMES["in heaps"](rng, N_ROWS)
    column = (
        pa.array(np.where(missing, math.nan, x)) if nan == "missing" else pa.array(x, mask=missing)
    )
    table = pa.table({"t": t, "x": column})
    for window, size in ((tg.Rolling(rows=100), None), (tg.Rolling(1500), 1500)):
        out = tg.aggregate(table, window, on="t", nan=nan, var=agg.var("x"))["var"].to_pylist()
        for row in range(3, N_ROWS, 131):
            first = max(row - 99, 0) if size is None else np.searchsorted(t, t[row] - size, "right")
            some = slice(first, row + 1)
            expected = exact_variance(x[some][~missing[some]])
            assert holds(out[row], expected), (kind, window, row, out[row])


@pytest.mark.parametrize(
    ("by", "window"),
    [
        (None, tg.Rolling(rows=100)),
        (None, tg.Rolling(rows=1500, closed="left")),
        (None, tg.Rolling(1500)),
        ("k", tg.Rolling(1500, closed="both")),
        ("k", tg.Rolling(rows=70)),
    ],
)
def test_any_cut_gives_the_same_bits(by, window):
    rng = np.random.default_rng(4)
    columns = {name.replace(" ", "_"): make(rng, N_ROWS) for name, make in KINDS.items()}
    for number, share in enumerate([0.0003, 0.1, 0.7]):
        missing = rng.random(N_ROWS) < share if number == 0 else gaps(rng, share)
        columns[f"with_nulls_{number}"] = pa.array(calm(rng, N_ROWS), mask=missing)
    t = TIMES["in heaps" if window.rows is None else "steady"](rng, N_ROWS)
    table = pa.table({"t": t, "k": rng.integers(0, 3, N_ROWS), **columns})
    options = {"on": "t", "by": by}
    options |= {f"var_{name}": agg.var(name) for name in columns}
    options |= {f"std_{name}": agg.std(name) for name in columns}
    whole = tg.aggregate(table, window, **options)
    for cut in (7001, 613):
        live = tg.Aggregator(window, **options)
        parts = []
        for number, at in enumerate(range(0, N_ROWS, cut)):
            parts.append(live.push(table.slice(at, cut)))
            if number % 3 == 1:
                live = tg.Aggregator.restore(live.snapshot())
        assert_same_bits(pa.concat_tables([*parts, live.flush()]), whole)
    alone = tg.aggregate(table, window, on="t", by=by, out=agg.std("calm"))
    assert alone["out"].equals(whole["std_calm"])
