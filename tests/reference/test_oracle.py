"""The oracle itself, against numbers worked out by hand."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption
from reference.oracle import Exact, Grid, Want, answer, nearest, nearest_root, numeric, windows_of
from reference.rowshapes import Amount, Running

SUM = (Want("sum", "sum", ("p",)),)


def rows(*pairs):
    return [{"t": t, "p": p} for t, p in pairs]


def said(values, kind, **options):
    want = Want("x", kind, ("p",), **options)
    (only,) = answer(rows(*((0, value) for value in values)), Grid(10, 10), [want]).windows
    return numeric(only["x"])


def test_windows_of_the_grid():
    assert windows_of(-1, Grid(10, 10), 0) == [(-10, 0)]
    assert windows_of(0, Grid(10, 10), 0) == [(0, 10)]
    assert windows_of(10, Grid(10, 10), 0) == [(10, 20)]
    assert windows_of(4, Grid(10, 5), 0) == [(-5, 5), (0, 10)]
    assert windows_of(3, Grid(2, 5), 0) == []
    assert windows_of(3, Grid(10, 10), 4) == [(-6, 4)]
    assert windows_of(0.3, Grid(0.1, 0.1), 0.0) == [(0.2, 3 * 0.1)]


def test_lateness_is_decided_row_by_row():
    got = answer(rows((0, 1.0), (12, 2.0), (5, 4.0), (11, 8.0)), Grid(10, 10), SUM, lateness=0)
    assert [(w["window_start"], numeric(w["sum"])) for w in got.windows] == [(0, 1.0), (10, 10.0)]
    (late,) = got.late
    assert (late["row"], late["window_start"], late["window_end"], late["late_by"]) == (2, 0, 10, 7)
    assert (got.rows_in, got.used, got.rejected, got.watermark) == (4, 3, 0, 12)


def test_row_counts_in_the_windows_that_are_still_open():
    got = answer(rows((0, 1.0), (10, 2.0), (4, 4.0), (7, 8.0)), Grid(10, 5), SUM, lateness=0)
    assert [(w["window_start"], numeric(w["sum"])) for w in got.windows] == [
        (-5, 1.0),
        (0, 1.0),
        (5, 10.0),
        (10, 2.0),
    ]
    assert [late["row"] for late in got.late] == [2]


def test_numbers():
    assert said([1e16, 1.0, 1.0, 1.0, -1e16], "sum") == 3.0
    assert said([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16], "var") == 30.0
    assert said([1.0, 2.0, 3.0, 4.0], "var", ddof=0) == 1.25
    assert said([1.0, 3.0], "std") == math.sqrt(2)
    assert said([1.7e308, 1.7e308, -1.7e308], "sum") == 1.7e308
    assert said([1e200, -1e200], "var") == math.inf
    assert said([1e200, -1e200], "std") == pytest.approx(math.sqrt(2) * 1e200)
    assert said([1.0], "var") is None
    assert math.isnan(said([math.inf, -math.inf, 1.0], "mean"))
    assert said([2**63 - 1, 1], "sum") == 2**63
    assert said([2**53, 1, 0], "mean") == float(Fraction(2**53 + 1, 3))
    assert said([None, None], "sum") == 0
    assert said([None, None], "min") is None


def test_vwap_follows_the_signs_of_the_infinities():
    def vwap(*pairs):
        events = [{"t": 0, "p": p, "s": s} for p, s in pairs]
        (only,) = answer(events, Grid(1, 1), [Want("x", "vwap", ("p", "s"))]).windows
        return numeric(only["x"])

    assert vwap((10.0, 1), (20.0, 3)) == 17.5
    assert vwap((math.inf, 2.0), (1.0, 1.0)) == math.inf
    assert vwap((math.inf, -2.0), (1.0, 1.0)) == math.inf
    assert math.isnan(vwap((1.0, 0.0)))
    assert vwap((1.0, None)) is None


def test_first_and_last_go_by_time_then_by_arrival():
    events = rows((5, 1.0), (3, 2.0), (3, 3.0), (5, 4.0))
    wants = [Want("f", "first", ("p",)), Want("l", "last", ("p",))]
    (only,) = answer(events, Grid(10, 10), wants).windows
    assert (only["f"], only["l"]) == (2.0, 4.0)


@given(st.fractions(0, 10**30), st.integers(-300, 300))
def test_root_is_rounded_once(value, exponent):
    value *= Fraction(10) ** exponent
    with localcontext(prec=400):
        root = (Decimal(value.numerator) / Decimal(value.denominator)).sqrt()
    assert nearest_root(value) == float(root)
    assert nearest(Exact(value, Fraction(0), 1, root=True)) == float(root)


def limits_reached(values, limit):
    """Tell how often each value brings a sum to a limit, whose overshoot is carried."""
    so_far = Running()
    return [so_far.add(Fraction(x), Amount(("p",), limit, "carry")) for x in values]


def test_sums_on_their_way_to_a_limit():
    assert limits_reached([40, 70, 250, 30, 9], 100) == [0, 1, 2, 0, 0]
    assert limits_reached([0.1] * 10, 1) == [0] * 9 + [1]
    assert limits_reached([1e16, -7.0, 7.0, -1e-8, 0.0, 1e-8], 100) == [10**14, 0, 0, 0, 0, 0]


def test_sum_that_no_pair_of_floats_holds_next_to_a_limit_is_left_out():
    tiny = -6.8e-46
    assert limits_reached([tiny, 93.0, 7.0, 1.0], 100) == [0, 0, 0, 1]
    assert limits_reached([tiny, -7.0, 1e16, 6.0], 100) == [0, 0, 10**14 - 1, 0]
    with pytest.raises(UnsatisfiedAssumption):
        limits_reached([tiny, -7.0, 1e16, 7.0], 100)
