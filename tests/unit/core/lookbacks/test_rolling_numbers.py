"""Right numbers of look-backs: a value depends on the rows of its window alone."""

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from reference.compare import disagreement
from reference.oracle import Want, compute, nearest_root

import tidegate as tg
from tidegate import agg, errors

BIG, INF, NAN = 1.7e308, math.inf, math.nan


def roll(values, n, aggregation, **options):
    """Roll over values at the times 0, 1, 2 … and give a list."""
    table = pa.table({"t": np.arange(len(values)), "x": values})
    window = tg.Rolling(rows=n, **options)
    return tg.aggregate(table, window, on="t", out=aggregation)["out"].to_pylist()


def same(found, expected):
    """Compare lists of floats, of which NaN is one."""
    return found == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize(
    ("values", "n", "last"),
    [
        ([1e16, 1, 1, 1, 1], 3, [3.0, 3.0]),
        ([BIG, BIG, 1, 2, 3], 2, [INF, BIG, 3.0, 5.0]),
        ([INF, -INF, 1, 2, 3], 2, [NAN, -INF, 3.0, 5.0]),
        ([NAN, 1, 2, 3], 2, [NAN, 3.0, 5.0]),
        ([1e16, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 3, [0.6, 0.9, 1.2, 1.5]),
    ],
)
def test_sum(values, n, last):
    assert same(roll([float(x) for x in values], n, agg.sum("x"))[-len(last) :], last)


def test_an_intermediate_overflow_is_no_excuse():
    assert roll([BIG, BIG, -BIG, 1.0, 1.0, 1.0], 3, agg.sum("x"))[2:] == [BIG, 1.0, -BIG, 3.0]


def test_mean_of_a_sum_beyond_the_largest_float():
    assert roll([BIG, BIG, BIG], 3, agg.mean("x")) == [BIG, BIG, BIG]


@pytest.mark.parametrize(
    ("values", "n", "last"),
    [
        ([1e9 + x for x in (4, 7, 13, 16, 4)], 4, [30.0, 30.0]),
        ([1e200, -1e200, 1, 2, 3, 4], 2, [INF, INF, 0.5, 0.5, 0.5]),
        ([INF, 1, 2, 4], 2, [NAN, 0.5, 2.0]),
    ],
)
def test_variance(values, n, last):
    assert same(roll([float(x) for x in values], n, agg.var("x"))[-len(last) :], last)


def test_deviation_is_zero_once_an_outlier_has_left():
    assert roll([1000.0] + [0.0] * 19, 10, agg.std("x"))[10:] == [0.0] * 10


def test_deviation_of_wild_values_is_finite():
    out = roll([1e200, -1e200, 1.0, 2.0], 2, agg.std("x"))
    assert out[1] == pytest.approx(math.sqrt(2) * 1e200, rel=1e-15)
    assert out[3] == pytest.approx(math.sqrt(0.5), rel=1e-15)


def test_deviation_of_tiny_values_is_not_lost():
    out = roll([1.0, 1e-180, 3e-180, 5e-180], 3, agg.std("x"))
    assert out[3] == pytest.approx(2e-180, rel=1e-12)


def test_deviation_after_a_larger_scale():
    out = roll([1e5, 0.1, 0.2, 0.3, 0.4], 3, agg.std("x"))
    assert out[3:] == pytest.approx([0.1, 0.1], rel=1e-12)


def test_variance_is_never_negative():
    out = roll([1.0, 1e-7] + [0.0] * 8, 5, agg.var("x"))
    assert out[5] == pytest.approx(2e-15, rel=1e-12)
    assert out[6:] == [0.0] * 4


def test_variance_when_the_scale_falls_by_a_trillion():
    rng = np.random.default_rng(7)
    n, half = 100, 3000
    values = np.concatenate([rng.normal(size=half) * 1e6, rng.normal(size=half) * 1e-6])
    out = roll(values, n, agg.var("x"))
    exact = [Fraction(x) for x in values]
    for row in range(half - 2, len(values)):
        window = exact[row - n + 1 : row + 1]
        middle = sum(window) / n
        expected = sum((x - middle) ** 2 for x in window) / (n - 1)
        assert abs(Fraction(out[row]) / expected - 1) < 1e-12, row


def test_integer_sums_are_exact():
    assert roll(np.array([2**53, 1, 0]), 3, agg.sum("x"))[-1] == 9007199254740993


def test_an_integer_sum_that_does_not_fit_is_an_error():
    with pytest.raises(errors.AggregateOverflowError, match=r"out: .*'x'.*row at 1 .*int64"):
        roll(np.array([2**63 - 1, 1]), 2, agg.sum("x"))
    # and one that would, were it not for a row that has left, is none
    assert roll(np.array([2**63 - 1, 0, 1]), 2, agg.sum("x"))[-1] == 1


def test_mean_lies_between_least_and_greatest():
    rng = np.random.default_rng(3)
    values = np.repeat(rng.normal(size=300), 7) * 10.0 ** rng.integers(-3, 3)
    table = pa.table({"t": np.arange(len(values)), "x": values})
    out = tg.aggregate(
        table,
        tg.Rolling(rows=5),
        on="t",
        low=agg.min("x"),
        mean=agg.mean("x"),
        high=agg.max("x"),
        var=agg.var("x"),
    )
    low, mean, high = (out[name].to_numpy() for name in ("low", "mean", "high"))
    assert (low <= mean).all()
    assert (mean <= high).all()
    var = out["var"].to_numpy()[1:]
    assert (var >= 0).all()
    assert ((low == high)[1:] == (var == 0)).all()


# ----------------------------------------------------------------------- adversarial, against exact

KINDS = {
    "calm": lambda rng, n: 1000 + np.cumsum(rng.normal(0, 0.01, n)),
    "normal": lambda rng, n: rng.normal(size=n),
    "ticks": lambda rng, n: np.round(rng.normal(size=n), 1),
    "signs": lambda rng, n: rng.choice([-0.1, 0.1, 0.2, -0.2], n),
    "any scale": lambda rng, n: rng.normal(size=n) * 2.0 ** rng.integers(-300, 300, n),
    "the whole range": lambda rng, n: (
        rng.choice([-1.0, 1.0], n) * 2.0 ** rng.integers(-1070, 1020, n)
    ),
    "stairs": lambda rng, n: rng.normal(size=n) * 10.0 ** -(np.arange(n) // 40 % 300.0),
    "spikes": lambda rng, n: np.where(rng.random(n) < 0.02, 1e18, 1) * rng.normal(size=n),
    "levels": lambda rng, n: rng.normal(size=n) + 1e9 * (np.arange(n) // 150),
    "constant": lambda rng, n: np.repeat(rng.normal(size=n // 100 + 1), 100)[:n],
    "denormal": lambda rng, n: rng.integers(-99, 99, n) * 5e-324,
    "with odd ones": lambda rng, n: np.where(
        rng.random(n) < 0.01, rng.choice([NAN, INF, -INF, -0.0], n), rng.normal(size=n)
    ),
}
N_ROWS = 400


def exact_window(values):
    """Give the exact sum, mean and variance of a window, or what is not a number of them."""
    odd = [x for x in values if not math.isfinite(x)]
    if odd:
        return sum(odd), sum(odd), NAN if len(values) > 1 else None
    exact = [Fraction(x) for x in values]
    total = sum(exact, Fraction())
    mean = total / len(exact)
    squares = sum(((x - mean) ** 2 for x in exact), Fraction())
    return total, mean, squares / (len(exact) - 1) if len(exact) > 1 else None


def rounded(x):
    """Round a fraction to the nearest float."""
    if not isinstance(x, Fraction):
        return x
    try:
        return x.numerator / x.denominator
    except OverflowError:
        return INF if x > 0 else -INF


def holds(found, expected, bound):
    """Tell whether a float is within a relative bound of what is exact."""
    if expected is None:
        return found is None
    near = rounded(expected)
    if not math.isfinite(near) or not isinstance(expected, Fraction):
        return same([found], [near])
    slack = bound * abs(expected) + Fraction(2, 2**1074)
    return math.isfinite(found) and abs(Fraction(found) - expected) <= slack


@pytest.mark.parametrize("n", [1, 2, 7, 100, 350])
@pytest.mark.parametrize("kind", KINDS)
def test_against_fractions(kind, n):
    values = KINDS[kind](np.random.default_rng(n), N_ROWS)
    table = pa.table({"t": np.arange(N_ROWS), "x": values})
    results = {
        "sum": agg.sum("x"),
        "mean": agg.mean("x"),
        "var": agg.var("x"),
        "std": agg.std("x"),
        "min": agg.min("x"),
        "max": agg.max("x"),
    }
    out = tg.aggregate(table, tg.Rolling(rows=n), on="t", **results).to_pydict()
    for row in range(N_ROWS):
        window = values[max(row - n + 1, 0) : row + 1].tolist()
        total, mean, var = exact_window(window)
        where = (kind, n, row, window[-5:])
        assert same([out["sum"][row]], [rounded(total)]), where  # the nearest float, no other
        assert holds(out["mean"][row], mean, Fraction(4, 10**15)), where
        assert holds(out["var"][row], var, Fraction(1, 10**12)), (where, out["var"][row], var)
        if isinstance(var, Fraction):
            assert out["std"][row] == pytest.approx(nearest_root(var), rel=1e-12), where
        has_nan = any(math.isnan(x) for x in window)
        assert same([out["min"][row]], [NAN if has_nan else min(window)]), where
        assert same([out["max"][row]], [NAN if has_nan else max(window)]), where


def test_nothing_of_a_large_value_shows_in_the_variance_after_it():
    values = [0.0] * 9 + [1e200, 0.0, 1.0, 1_000_000_004.0, 2.0, 0.1]
    found = roll(values, 1, agg.var("x", ddof=0), closed="both", min_samples=0)
    assert found[-1] == 0.9025


WILD = (1e200, -1e200, BIG, 1e150, 1e77, -1e100, 1e30, 1e16, 1e-200)
TAME = (0.0, 1.0, 2.0, 0.1, -0.1, 3.5, -1.0, 1e-3, 1e-7, 1e5, 1_000_000_004.0)
OVER_FEW = [
    Want("var", "var", ("x",), 0),
    Want("std", "std", ("x",), 1),
    Want("skew", "skew", ("x",), 0, (("bias", True),)),
    Want("cov", "cov", ("x", "y"), 1),
    Want("slope", "slope", ("x",)),
]


def huge_then_small(rng, n):
    """Runs of one small value, of random ones, and of wild ones."""
    parts = []
    while sum(map(len, parts)) < n:
        m = int(rng.integers(1, 9))
        one = np.full(m, rng.choice(TAME))
        few = [rng.choice(WILD), *rng.normal(size=2) * 10.0 ** rng.integers(-9, 10, 2)]
        parts.append((one, rng.normal(size=m), rng.choice(few, 2))[rng.integers(3)])
    return np.concatenate(parts)[:n]


@pytest.mark.parametrize("rows", [2, 3, 4, 5])
def test_windows_of_few_rows_after_huge_ones_against_fractions(rows, rng):
    n = 250
    table = pa.table(
        {
            "t": np.cumsum(rng.integers(1, 5, n)),
            "x": huge_then_small(rng, n),
            "y": huge_then_small(rng, n),
        }
    )
    wanted = {
        "var": agg.var("x", ddof=0),
        "skew": agg.skew("x", bias=True),
        "cov": agg.cov("x", "y"),
        **{name: getattr(agg, name)("x") for name in ("std", "slope")},
    }
    events = table.to_pylist()
    for by in range(0, n, 40):  # windows come in again with another history, which is short:
        some = table.slice(by, 60)  # beyond 64 rows variances are good to 1e-12
        found = tg.aggregate(some, tg.Rolling(rows=rows), on="t", **wanted).to_pylist()
        for row in range(by + rows, by + some.num_rows):
            window = events[row - rows + 1 : row + 1]
            for want in OVER_FEW:
                expected = compute(window, want, "t", "value")
                problem = disagreement(found[row - by][want.name], expected, want.kind)
                assert problem is None, f"{want} of {window}: {problem}"
