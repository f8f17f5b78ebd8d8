"""`max_jump` of sessions and bars: against the oracle however rows are cut, and at its edges."""

import dataclasses
from dataclasses import dataclass

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_answers, assert_same_bits
from reference.oracle import Time
from reference.rowshapes import Amount, Gaps, Tally, answer_of_rows
from reference.strategies import HARSH_WANTS, cases, steps, ticks
from reference.streams import Case, Said

import tidegate as tg
from tidegate import agg, errors

INT64_MAX = 2**63 - 1
SHAPES = [Gaps(4), Gaps(6, 15), Tally(3), Tally(4, 1)]
WINDOWS = [tg.Session(10), tg.Count(2), tg.Threshold("x", 3)]


@dataclass(frozen=True)
class JumpCase(Case):
    """A case in which a time may be too far ahead."""

    jump: Time = 0

    def aggregator(self, **options):
        return super().aggregator(max_jump=self.jump, **options)

    def oracle(self):
        return answer_of_rows(
            self.rows or self.table.to_pylist(),
            self.grid,
            self.wants,
            on=self.on,
            by=self.by,
            lateness=self.lateness,
            nan=self.nan,
            max_jump=self.jump,
        )

    def one_shot(self, *, threads=None):
        side = tg.Side()
        result = tg.aggregate(
            self.table,
            self.aggregator().plan.window,
            on=self.on,
            by=list(self.by) or None,
            lateness=self.lateness,
            nan=self.nan,
            max_jump=self.jump,
            threads=threads,
            side=side,
            **self.aggregations(),
        )
        return Said(result, side.late, side.stats, None)


def with_jump(case, jump, **changes):
    fields = {name: getattr(case, name) for name in Case.__dataclass_fields__}
    return JumpCase(**(fields | changes), jump=jump)


@st.composite
def jump_cases(draw):
    """Draw a stream of which some times may be too far ahead."""
    case = draw(cases(columns=("p", "q"), late=draw(st.booleans())))
    shape = draw(st.sampled_from(SHAPES))
    if "q" in case.inputs and draw(st.booleans()):
        shape = Amount(("q",), 10)
    return with_jump(case, draw(st.integers(0, 30)), grid=shape)


def assert_said(run, case):
    """Hold a run to what the oracle said."""
    said = case.oracle()
    assert_answers(run.result, said, case.wants, by=case.by)
    sides = ("row", "reason", "window_start", "window_end", "late_by")
    assert [{name: row[name] for name in sides} for row in run.late.to_pylist()] == [
        {name: row[name] for name in sides} for row in said.late
    ]
    assert (run.stats.used, run.stats.rejected) == (said.used, said.rejected)


@settings(max_examples=60)
@given(jump_cases(), steps())
def test_jumps_are_as_the_oracle_says_however_rows_are_cut(case, how):
    assert_said(case.stream(how), case)


@settings(max_examples=60)
@given(jump_cases())
def test_jumps_are_rejected_in_one_shot_too(case):
    assert_said(case.one_shot(), case)


@pytest.mark.parametrize("shape", [Gaps(30), Tally(50), Amount(("q",), 3000)], ids=repr)
@pytest.mark.parametrize("by", [(), ("k",)], ids=["unkeyed", "keyed"])
def test_any_cut_of_a_long_stream_gives_the_same_bits(shape, by):
    table = ticks(7, 21_000, disorder=400, share=0.05, n_keys=5)
    times = table["t"].to_pylist()
    for at in range(50, 21_000, 501):
        times[at] = None if times[at] is None else times[at] + 10**7
    table = table.set_column(0, table.field("t"), pa.array(times, table.field("t").type))
    case = with_jump(Case(table, shape, HARSH_WANTS, by=by, lateness=100), 10**6)
    whole = case.stream()
    assert whole.late["reason"].to_pylist().count("time too far ahead") >= 40
    for run in (case.one_shot(), case.stream([("push", 8_191), ("restore", 0), ("rows", 7)])):
        assert_same_bits(run.result, whole.result)
        assert_same_bits(run.late, whole.late)
        assert run.stats == whole.stats


# The edges


def rows(*times):
    return pa.table({"t": pa.array(times, pa.int64()), "x": pa.array([1] * len(times), pa.int64())})


every_window = pytest.mark.parametrize("window", WINDOWS, ids=repr)


@every_window
def test_row_too_far_ahead_is_rejected_and_moves_nothing(window):
    live = tg.Aggregator(window, agg.rows(), on="t", max_jump=100)
    live.push(rows(5, 106, 105, 206, 205, 306))
    assert live.take_late().select(["row", "reason", "late_by"]).to_pylist() == [
        {"row": 1, "reason": "time too far ahead", "late_by": None},
        {"row": 3, "reason": "time too far ahead", "late_by": None},
        {"row": 5, "reason": "time too far ahead", "late_by": None},
    ]
    assert live.watermark == 205
    assert live.stats.used + live.stats.pending == 3


@every_window
def test_first_time_is_never_too_far_and_none_wraps_around(window):
    live = tg.Aggregator(window, agg.rows(), on="t", max_jump=2**62)
    live.push(rows(None, 2**62 - 100, 2**62 + 2**61))
    assert live.stats.rejected == 1
    assert live.watermark == 2**62 + 2**61


def test_time_without_an_end_is_no_start_for_a_jump():
    live = tg.Aggregator(tg.Session(10), agg.rows(), on="t", max_jump=100)
    live.push(rows(INT64_MAX, 5, 90))
    assert (live.stats.rejected, live.watermark) == (1, 90)
    live = tg.Aggregator(tg.Count(2), agg.rows(), on="t", max_jump=100.0)
    live.push({"t": [float("inf"), 5.0, 90.0, 200.0]})
    assert (live.stats.rejected, live.watermark) == (2, 90.0)


@every_window
@pytest.mark.parametrize("one_by_one", [False, True])
def test_late_row_is_no_start_for_a_jump(window, one_by_one):
    live = tg.Aggregator(window, agg.rows(), on="t", max_jump=60)
    live.push(rows(10))
    live.advance(100)
    for some in [(50,), (105,), (70,)] if one_by_one else [(50, 105, 70)]:
        live.push(rows(*some))
    reasons = live.take_late()["reason"].to_pylist()
    assert reasons == ["late", "time too far ahead", "late"]


@every_window
def test_jump_with_late_raise_refuses_nothing_else(window):
    live = tg.Aggregator(window, agg.rows(), on="t", max_jump=10, late="raise")
    live.push(rows(5, 10**9, 15))
    live.push(rows(24, 35, 34))
    with pytest.raises(errors.LateRowError):
        live.push(rows(34, 4))
    assert live.stats.rows_in == 6
    assert live.stats.rejected == 2


@every_window
def test_plan_with_a_jump_goes_to_json_and_back(window):
    plan = tg.Aggregator(window, agg.rows(), on="t", max_jump="5s").plan
    assert tg.Plan.from_json(plan.to_json()) == plan
    assert dataclasses.replace(plan) == plan
