"""Sessions and bars against the oracle, and one answer however the rows come."""

import dataclasses
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_answers, assert_same_bits, assert_same_run
from reference.rowshapes import Amount, Gaps, Tally, amount
from reference.strategies import HARSH_WANTS, cases, steps, ticks
from reference.streams import Case

N_LONG = 25_000
SUMMED = ("s", "q", "u", "i", "b", "f")


@st.composite
def gaps(draw):
    """Draw the shape of sessions."""
    gap = draw(st.integers(1, 12))
    most = draw(st.one_of(st.none(), st.none(), st.integers(gap, gap + 20)))
    return Gaps(gap, most)


@st.composite
def tallies(draw):
    """Draw windows of rows."""
    every = draw(st.one_of(st.none(), st.integers(1, 9)))
    return Tally(draw(st.integers(1, 9)), every, draw(st.booleans()))


@st.composite
def amounts(draw, case, columns):
    """Draw bars of a sum."""
    overshoot = draw(st.sampled_from(["drop", "carry", "split"]))
    column = st.sampled_from(columns)
    names = (draw(column), draw(column)) if draw(st.booleans()) else (draw(column),)
    limit = draw(st.sampled_from([1, 3, 0.1, 2.5, 100, 2**30, 1e9]))
    if overshoot == "split":  # some bars a row, not more than an aggregator allows
        shape = Amount(names, limit, overshoot)
        brought = [abs(amount(row, shape, case.nan)) for row in case.table.to_pylist()]
        largest = max(brought, default=Fraction())
        log = largest.numerator.bit_length() - largest.denominator.bit_length()
        limit = 2.0 ** (log - draw(st.integers(-2, 8)))
    return Amount(names, limit, overshoot, draw(st.booleans()))


@st.composite
def row_cases(draw, *, late=None, shapes=("gaps", "tallies", "amounts")):
    """Draw a case whose windows are made by its rows."""
    case = draw(cases(late=late))
    kind = draw(st.sampled_from(shapes))
    there = [name for name in case.inputs if name in SUMMED]
    if kind == "amounts" and there:
        return dataclasses.replace(case, grid=draw(amounts(case, there)))
    return dataclasses.replace(case, grid=draw(gaps() if kind != "tallies" else tallies()))


def assert_said(run, case):
    """Hold a run to what the oracle said."""
    said = case.oracle()
    assert_answers(run.result, said, case.wants, by=case.by)
    sides = ("row", "reason", "window_start", "window_end", "late_by")
    assert [{name: row[name] for name in sides} for row in run.late.to_pylist()] == [
        {name: row[name] for name in sides} for row in said.late
    ]
    late = len(said.late) - said.rejected
    assert (run.stats.rows_in, run.stats.used, run.stats.late) == (said.rows_in, said.used, late)
    assert (run.stats.rejected, run.stats.pending) == (said.rejected, 0)


@given(row_cases())
def test_one_shot_is_what_the_definitions_say(case):
    assert_said(case.one_shot(), case)


@given(row_cases(late=True), steps())
def test_a_stream_is_what_the_definitions_say(case, how):
    assert_said(case.stream(how), case)


@given(row_cases(late=True), steps(), steps())
def test_any_cut_gives_the_same_bits(case, one_way, other_way):
    assert_same_run(case.stream(one_way), case.stream(other_way))


@given(row_cases(late=True))
def test_one_shot_with_lateness_is_the_stream(case):
    assert_same_run(case.one_shot(), case.stream())


@given(row_cases(late=False), steps())
def test_one_shot_is_the_stream_in_which_nothing_is_late(case, how):
    assert_same_run(case.one_shot(), case.stream(how, lateness=2**60))


LONG_SHAPES = [
    Gaps(2),
    Gaps(3, 12),
    Gaps(30),
    Tally(50),
    Tally(3000),
    Tally(20, 7),
    Tally(5, 8, complete_only=True),
    Amount(("s",), 500.0),
    Amount(("s",), 1e5, "carry"),
    Amount(("q",), 3000, "split"),
    Amount(("s", "q"), 1e5),
]


@st.composite
def long_cases(draw):
    """Draw a stream that is longer than the blocks of the kernels."""
    table = ticks(
        draw(st.integers(0, 2**32)),
        N_LONG,
        disorder=draw(st.sampled_from([0, 0, 3, 200])),
        share=draw(st.sampled_from([1.0, 0.02, 0.001])),
        n_keys=draw(st.sampled_from([1, 7, 500])),
    )
    by = draw(st.sampled_from([(), ("k",)]))
    return Case(
        table,
        draw(st.sampled_from(LONG_SHAPES)),
        HARSH_WANTS,
        by=by,
        lateness=draw(st.sampled_from([0, 0, 5, 100])),
        nan=draw(st.sampled_from(["value", "missing"])),
    )


@st.composite
def long_steps(draw):
    """Draw cuts that fall anywhere."""
    size = st.one_of(st.integers(0, 20), st.integers(0, N_LONG // 2), st.sampled_from([64, 8192]))
    kind = st.sampled_from(["push", "push", "push", "rows", "restore"])
    return [
        (name, 0 if name == "restore" else min(n, 10) if name == "rows" else n)
        for name, n in draw(st.lists(st.tuples(kind, size), max_size=8))
    ]


@settings(max_examples=settings().max_examples // 4)
@given(long_cases(), long_steps())
def test_any_cut_of_a_long_stream_gives_the_same_bits(case, how):
    assert_same_run(case.stream(how), case.stream())


@settings(max_examples=settings().max_examples // 4)
@given(long_cases(), st.integers(1000, N_LONG))
def test_one_shot_of_a_long_stream_in_any_order_is_the_patient_stream(case, chunk):
    parts = [case.table.slice(start, chunk) for start in range(0, N_LONG, chunk)]
    chunked = dataclasses.replace(case, table=pa.concat_tables(parts), lateness=None)
    assert_same_run(chunked.one_shot(), chunked.stream(lateness=2**60))


@pytest.mark.parametrize("shape", LONG_SHAPES, ids=repr)
@pytest.mark.parametrize("by", [(), ("k",)], ids=["unkeyed", "keyed"])
def test_slices_without_nulls_and_single_rows_give_the_same_bits(shape, by):
    table = ticks(3, N_LONG).select(["t", "k", "s", "q", "h"])
    wants = tuple(want for want in HARSH_WANTS if "p" not in want.columns)
    case = Case(table, shape, wants, by=by, lateness=0)
    patient = case.stream([("push", 1)] * 40 + [("push", 997)] * 20)
    assert_same_run(case.one_shot(), patient)
    assert_same_bits(dataclasses.replace(case, lateness=None).one_shot().result, patient.result)
