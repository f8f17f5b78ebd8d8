"""Sums and means of columns that lie on one grid or two, for a time: the bits of any other."""

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg

N_ROWS = 24_000


def prices(rng, n):
    """Give prices of two decimals that cross 1024, where the grid of float64 changes."""
    return np.round(1024 + np.cumsum(rng.normal(0, 0.05, n)), 2)


KINDS = {
    "prices": prices,
    "integers": lambda rng, n: rng.integers(-1000, 1000, n).astype(float),
    "zeros": lambda rng, n: rng.choice([0.0, -0.0], n),
    "ticks of a 64th": lambda rng, n: 90 + rng.integers(0, 640, n) / 64,
    "negative prices": lambda rng, n: -prices(rng, n),
    "just above a power of two": lambda rng, n: 1.0 + rng.integers(0, 2**50, n) * 2.0**-52,
    "large": lambda rng, n: 1e299 * prices(rng, n),
    "rising": lambda rng, n: prices(rng, n) * 1.001 ** np.arange(n),
    "normal, then prices": lambda rng, n: np.where(
        np.arange(n) % 9000 < 3000, rng.normal(size=n), prices(rng, n)
    ),
    "prices and spikes": lambda rng, n: np.where(
        rng.random(n) < 0.0003, rng.choice([1e18, 1e-18, 0.0], n), prices(rng, n)
    ),
    "prices and no numbers": lambda rng, n: np.where(
        rng.random(n) < 0.0003, rng.choice([math.nan, math.inf, -math.inf], n), prices(rng, n)
    ),
}


def mixed(rng, n, others):
    """Give normal numbers, and others in places."""
    return np.where(rng.random(n) < 0.001, others, rng.normal(size=n))


KINDS |= {
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: rng.random(n),
    "uniform, far from 0": lambda rng, n: 1e6 + rng.random(n),
    "lognormal": lambda rng, n: rng.lognormal(0.0, 3.0, n),
    "lognormal, wide": lambda rng, n: rng.lognormal(0.0, 30.0, n),
    "normal and zeros": lambda rng, n: mixed(rng, n, rng.choice([0.0, -0.0], n)),
    "normal and tiny": lambda rng, n: mixed(rng, n, 1e-12 * rng.normal(size=n)),
    "normal and least": lambda rng, n: mixed(rng, n, 5e-324),
    "normal and large": lambda rng, n: mixed(rng, n, 1e17),
    "normal and rising": lambda rng, n: 1.01 ** (np.arange(n) % 5000) * rng.normal(size=n),
    "normal and falling": lambda rng, n: 0.99 ** (np.arange(n) % 5000) * rng.normal(size=n),
    "opposites": lambda rng, n: np.repeat(rng.normal(size=n // 2), 2) * ((-1.0) ** np.arange(n)),
    "halves of a place": lambda rng, n: np.where(
        np.arange(n) % 2, 2.0**-53 * rng.integers(-3, 4, n), 1.0 + 2.0**-52 * rng.integers(0, 9, n)
    ),
    "faint": lambda rng, n: 1e-300 * rng.normal(size=n),
}


def exact_sum(window):
    """Give the nearest float of a sum; of one that is no number, what addition gives."""
    with np.errstate(invalid="ignore"):
        return math.fsum(window) if np.isfinite(window).all() else float(np.sum(window))


@pytest.mark.parametrize("n", [1, 100, 1500])
@pytest.mark.parametrize("kind", KINDS)
def test_every_sum_is_the_nearest_float(kind, n):
    x = KINDS[kind](np.random.default_rng(n), N_ROWS)
    table = pa.table({"t": np.arange(N_ROWS), "x": x})
    out = tg.aggregate(table, tg.Rolling(rows=n), on="t", sum=agg.sum("x"), mean=agg.mean("x"))
    sums, means = out["sum"].to_numpy(), out["mean"].to_numpy()
    for row in range(0, N_ROWS, 3 + n // 10):
        window = x[max(row - n + 1, 0) : row + 1]
        expected = exact_sum(window)
        assert sums[row] == expected or sums[row] != sums[row], (kind, n, row)
        assert (sums[row] != sums[row]) == (expected != expected), (kind, n, row)
        if math.isfinite(expected) and row % 5 == 0:
            mean = sum(map(Fraction, window.tolist()), Fraction()) / len(window)
            assert abs(Fraction(means[row]) - mean) <= abs(mean) * Fraction(2, 10**16), (kind, row)


@pytest.mark.parametrize(
    ("by", "closed"), [(None, "right"), (None, "left"), ("k", "both"), ("k", "neither")]
)
def test_any_cut_gives_the_same_bits(by, closed):
    rng = np.random.default_rng(4)
    columns = {name.replace(" ", "_"): make(rng, N_ROWS) for name, make in KINDS.items()}
    columns["with_nulls"] = pa.array(prices(rng, N_ROWS), mask=rng.random(N_ROWS) < 0.0003)
    table = pa.table({"t": np.arange(N_ROWS), "k": rng.integers(0, 3, N_ROWS), **columns})
    window = tg.Rolling(rows=200, closed=closed)
    for name in columns:
        options = {"on": "t", "by": by, "sum": agg.sum(name), "mean": agg.mean(name)}
        whole = tg.aggregate(table, window, **options)
        # another aggregate beside them takes the way of all columns
        other = tg.aggregate(table, window, **options, first=agg.first(name))
        assert_same_bits(other.drop_columns(["first"]), whole)
        for cut in (7001, 613):
            live = tg.Aggregator(window, **options)
            parts = []
            for number, at in enumerate(range(0, N_ROWS, cut)):
                parts.append(live.push(table.slice(at, cut)))
                if number % 5 == 1:
                    live = tg.Aggregator.restore(live.snapshot())
            assert_same_bits(pa.concat_tables([*parts, live.flush()]), whole)


def test_several_columns_are_answered_together():
    rng = np.random.default_rng(2)
    table = pa.table(
        {"t": np.arange(N_ROWS), "x": prices(rng, N_ROWS), "y": rng.normal(size=N_ROWS)}
    )
    both = {"x": agg.sum("x"), "y": agg.mean("y"), "again": agg.sum("x")}
    out = tg.aggregate(table, tg.Rolling(rows=50), on="t", **both)
    for name in both:
        alone = tg.aggregate(table, tg.Rolling(rows=50), on="t", **{name: both[name]})
        assert_same_bits(out.select(["t", name]), alone)
    assert out["x"].equals(out["again"])
