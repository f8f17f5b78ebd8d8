"""Covariances, slopes and shapes of look-backs: right numbers, whatever came before."""

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import agg

INF, NAN = math.inf, math.nan
RESULTS = {
    "cov": agg.cov("x", "y"),
    "corr": agg.corr("x", "y"),
    "slope": agg.slope("y", "x"),
    "over_time": agg.slope("y"),
    "skew": agg.skew("y", bias=True),
    "kurt": agg.kurt("y", bias=True),
    "zscore": agg.zscore("y", ddof=0),
}


def roll(x, y, n, **results):
    """Roll over two columns at the times 0, 1, 2 … and give lists."""
    table = pa.table({"t": np.arange(len(x)), "x": x, "y": y})
    return tg.aggregate(table, tg.Rolling(rows=n), on="t", **results).to_pydict()


# --------------------------------------------------------------------------------- the known traps


def test_covariance_after_a_large_value():
    x = [1e16, 0.1, 0.2, 0.3, 0.4]
    assert roll(x, x, 3, c=agg.cov("x", "y"))["c"][3:] == pytest.approx([0.01, 0.01], rel=1e-12)


def test_covariance_of_a_large_mean():
    x = [1e9 + v for v in (4.0, 7.0, 13.0, 16.0, 4.0)]
    assert roll(x, x, 4, c=agg.cov("x", "y"))["c"][3:] == [30.0, 30.0]


def test_covariance_beyond_the_largest_float():
    x = [1e200, -1e200, 1.0, 2.0, 3.0, 4.0]
    assert roll(x, x, 2, c=agg.cov("x", "y"))["c"][1:] == [INF, INF, 0.5, 0.5, 0.5]


def test_covariance_is_zero_once_what_varied_has_left():
    x = [1000.0] + [0.0] * 19
    assert roll(x, x, 10, c=agg.cov("x", "y"))["c"][10:] == [0.0] * 10


def test_slope_after_a_large_value():
    y = [1e16, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert roll(y, y, 3, s=agg.slope("y"))["s"][3:] == pytest.approx([1.0] * 3, rel=1e-12)


def test_slope_over_late_times_in_nanoseconds():
    start = np.datetime64("2026-03-02T14:30", "ns")
    times = start + np.arange(6) * np.timedelta64(250, "ms")
    table = pa.table({"t": times, "y": [1e12, 1.0, 2.0, 3.0, 4.0, 5.0]})
    out = tg.aggregate(table, tg.Rolling("600ms"), on="t", s=agg.slope("y"))["s"].to_pylist()
    assert out[3:] == pytest.approx([4.0] * 3, rel=1e-12)


def test_skewness_after_a_large_value():
    y = [1e16, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    out = roll(y, y, 3, s=agg.skew("y", bias=True))["s"]
    assert out[3:] == pytest.approx([1 / math.sqrt(2)] * 4, rel=1e-12)


def test_shapes_of_what_does_not_vary_any_more_are_nan():
    y = [5.0, 7.0, 7.0, 7.0, 7.0, 7.0]
    out = roll(y, y, 3, **RESULTS)
    for name in ("corr", "slope", "skew", "kurt", "zscore"):
        assert all(math.isnan(value) for value in out[name][3:]), name
    assert out["cov"][3:] == [0.0] * 3


@pytest.mark.parametrize("odd", [NAN, INF, -INF, 1e300, 1e-300])
def test_what_is_odd_leaves_no_trace(odd):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 12))
    y[3] = odd
    out, alone = (roll(x[first:], y[first:], 4, **RESULTS) for first in (0, 4))
    for name in RESULTS:
        if not math.isfinite(odd):
            assert all(math.isnan(value) for value in out[name][3:7]), name
        if name != "over_time":
            assert out[name][7:] == pytest.approx(alone[name][3:], rel=1e-12), name
    assert out["over_time"][7:] == pytest.approx(alone["over_time"][3:], rel=1e-12)


def test_a_scale_that_falls_by_a_trillion():
    rng = np.random.default_rng(7)
    n, half = 100, 3000
    x, y = (
        np.concatenate([rng.normal(size=half) * 1e6, rng.normal(size=half) * 1e-6]) for _ in "xy"
    )
    out = roll(x, y, n, c=agg.cov("x", "y"), s=agg.skew("y", bias=True))
    for row in (*range(half - 2, half + n + 2, 3), *range(half + n, 2 * half, 173)):
        rows = slice(row - n + 1, row + 1)
        want = exact_results(x[rows].tolist(), y[rows].tolist(), range(row - n + 1, row + 1))
        assert holds(out["c"][row], *want["cov"]), row
        assert holds(out["s"][row], *want["skew"]), row


# ----------------------------------------------------------------------- adversarial, against exact

KINDS = {
    "calm": lambda rng, n: 1000 + np.cumsum(rng.normal(0, 0.01, n)),
    "ticks": lambda rng, n: np.round(rng.normal(size=n), 1),
    "any scale": lambda rng, n: rng.normal(size=n) * 2.0 ** rng.integers(-60, 60, n),
    "the whole range": lambda rng, n: rng.normal(size=n) * 2.0 ** rng.integers(-300, 250, n),
    "stairs": lambda rng, n: rng.normal(size=n) * 10.0 ** -(np.arange(n) // 40 % 50.0),
    "spikes": lambda rng, n: np.where(rng.random(n) < 0.02, 1e18, 1) * rng.normal(size=n),
    "levels": lambda rng, n: rng.normal(size=n) + 1e9 * (np.arange(n) // 150),
    "constant": lambda rng, n: np.repeat(rng.normal(size=n // 100 + 1), 100)[:n],
    "integers": lambda rng, n: rng.integers(-(2**62), 2**62, n),
}
N_ROWS = 400


def exact_root(x):
    """Take a square root to some 200 bits."""
    scale = 2 ** (2 * (400 + max(0, x.denominator.bit_length() - x.numerator.bit_length())))
    return Fraction(math.isqrt(x.numerator * scale // x.denominator), math.isqrt(scale))


def distances(values):
    """Give the distances from the mean as integers, and their unit."""
    ratios = [value.as_integer_ratio() for value in values]
    unit = max(denominator for _, denominator in ratios)
    whole = [numerator * (unit // denominator) for numerator, denominator in ratios]
    total, n = sum(whole), len(whole)
    return [n * value - total for value in whole], Fraction(1, n * unit)


def products(a, b):
    """Sum up products of what `distances` gives."""
    return sum(p * q for p, q in zip(a[0], b[0], strict=True)) * (a[1] * b[1])


def exact_results(x, y, t):
    """Give each result of a window as a fraction (None: no number), and the size of its terms."""
    n = len(x)
    a, b, c = distances(x), distances(y), distances(t)
    xy, xx, yy, ty, tt = (products(*both) for both in ((a, b), (a, a), (b, b), (c, b), (c, c)))
    out = {"cov": (xy / (n - 1) if n > 1 else None, exact_root(xx * yy) / n)}
    out["over_time"] = (ty / tt, exact_root(yy / tt)) if tt else (None, 0)
    out["slope"] = (xy / xx, exact_root(yy / xx)) if xx else (None, 0)
    out["corr"] = (xy / exact_root(xx * yy), 1) if xx and yy else (None, 0)
    if not yy:
        return {**out, "skew": (None, 0), "kurt": (None, 0), "zscore": (None, 0)}
    third, fourth = (sum(v**power for v in b[0]) * b[1] ** power / n for power in (3, 4))
    spread = exact_root(yy / n)
    out["skew"] = third / spread**3, n
    out["kurt"] = fourth / (yy / n) ** 2 - 3, n
    out["zscore"] = b[0][-1] * b[1] / spread, n
    return out


def holds(found, expected, size):
    """Tell whether a float is within 1e-12 of a fraction, or 1e-24 of the size of its terms."""
    if expected is None:
        return found is None or math.isnan(found)
    if found is None or not math.isfinite(found):
        return False
    slack = abs(expected) / 10**12 + size / 10**24 + Fraction(2, 2**1074)
    return abs(Fraction(found) - expected) <= slack


@pytest.mark.parametrize("n", [2, 7, 60, 350])
@pytest.mark.parametrize("kind", KINDS)
def test_against_fractions(kind, n):
    rng = np.random.default_rng(n)
    x, y = KINDS[kind](rng, N_ROWS), KINDS[kind](rng, N_ROWS)
    out = roll(x, y, n, **RESULTS)
    for row in range(1, N_ROWS, 1 if n < 60 else 17):
        rows = slice(max(row - n + 1, 0), row + 1)
        want = exact_results(x[rows].tolist(), y[rows].tolist(), range(rows.start, rows.stop))
        for name in RESULTS:
            where = (name, kind, n, row, out[name][row], float(want[name][0] or 0))
            assert holds(out[name][row], *want[name]), where
