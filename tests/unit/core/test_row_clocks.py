"""How time passes for sessions and bars: each rule against the slow oracle, and on its own."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits
from reference.oracle import Want
from reference.rowshapes import Amount, Gaps, Tally
from reference.rowtimed import RowTimedCase
from reference.strategies import cases, steps, ticks
from reference.streams import Case, Said
from reference.timed import Rules, assert_timed

import tidegate as tg
from tidegate import agg, errors

FEW = settings(max_examples=30)
SESSIONS = st.sampled_from([Gaps(4), Gaps(10), Gaps(6, 15), Gaps(25)])
BARS = st.sampled_from(
    [
        *(Tally(3), Tally(4, 2), Tally(2, 3), Tally(5, 1, complete_only=True)),
        *(Amount(("q",), 10), Amount(("q",), 4, "carry"), Amount(("q",), 20, complete_only=True)),
    ]
)
HARSH = (
    Want("h", "sum", ("h",)),
    Want("s", "std", ("s",)),
    Want("v", "vwap", ("p", "s")),
    Want("m", "median", ("s",)),
    Want("all", "collect", ("p",)),
)
WAYS = ([("push", 8_191), ("restore", 0), ("rows", 7), ("push", 3)], [("push", 999)] * 9)


def ruled(case: Case, rules: Rules, **changes) -> RowTimedCase:
    """Give a case rules."""
    fields = {name: getattr(case, name) for name in Case.__dataclass_fields__}
    return RowTimedCase(**(fields | changes), rules=rules)


@st.composite
def clock_cases(draw, rules, shapes, *, keyed=None):
    """Draw a case whose watermark moves, under rules."""
    case = draw(cases(columns=("p", "q", "i"), late=True))
    shape = draw(shapes)
    table, rows, by = case.table, case.rows, case.by
    if isinstance(shape, Amount) and "q" not in table.column_names:
        brought = [draw(st.one_of(st.none(), st.integers(-3, 9))) for _ in rows]
        table = table.append_column("q", pa.array(brought, pa.int64()))
        rows = [row | {"q": q} for row, q in zip(rows, brought, strict=True)]
    if keyed and not by:
        keys = [draw(st.sampled_from("abc")) for _ in rows]
        table = table.append_column("key", pa.array(keys, pa.string()))
        rows = [row | {"key": key} for row, key in zip(rows, keys, strict=True)]
        by = ("key",)
    rules = draw(rules)
    if rules.sources is not None:
        sources = [draw(st.sampled_from(["x", "y", None])) for _ in rows]
        table = table.append_column(rules.sources, pa.array(sources, pa.string()))
        rows = [row | {rules.sources: s} for row, s in zip(rows, sources, strict=True)]
    return ruled(case, rules, grid=shape, table=table, rows=rows, by=by)


def assert_one_answer(case, *ways):
    """Hold every way to feed a case to the oracle and to the bits of one batch."""
    whole = case.stream()
    assert_timed(whole, case.says())
    assert_same_bits_for(case, whole, ways)
    if case.table.num_rows > 1000:  # values in which every order of adding shows
        harsh = dataclasses.replace(case, wants=HARSH)
        assert_same_bits_for(harsh, harsh.stream(), ways)


def assert_same_bits_for(case, whole, ways):
    """Hold every way to feed a case to what one batch has said."""
    for way in ways:
        said = case.stream(way)
        assert_same_bits(said.result, whole.result)
        assert_same_bits(said.late, whole.late)
        assert said.stats == whole.stats
        assert repr(said.watermark) == repr(whole.watermark)


def assert_row_by_row(case, n):
    """Hold single rows, and snapshots between a few rows, to the oracle."""
    n_rows = case.table.num_rows
    assert_one_answer(case, [("rows", n_rows)], [("push", n), ("restore", 0)] * (n_rows // 2))


def one_shot_of(case):
    side = tg.Side()
    result = tg.aggregate(
        case.table,
        case.aggregator().plan.window,
        on="t",
        by=list(case.by) or None,
        lateness=case.lateness,
        nan=case.nan,
        side=side,
        **case.rules.options(),
        **case.aggregations(),
    )
    return Said(result, side.late, side.stats, None)


def long_case(rules, shape, *, by=("k",), lateness=100, n_rows=12_000, **texture):
    """Make a long stream whose rows fall back a good deal."""
    settings_ = {"disorder": 400, "share": 0.05, "n_keys": 5} | texture
    table = ticks(7, n_rows, **settings_)
    wants = (Want("n", "rows"), Want("q", "sum", ("q",)), Want("s", "max", ("s",)))
    return ruled(Case(table, shape, wants, by=by, lateness=lateness), rules)


def rows(*times, **columns):
    return pa.table({"t": pa.array(times, pa.int64()), **columns})


# ------------------------------------------------------------------------ a watermark for each key

JUMPS = st.one_of(st.none(), st.none(), st.integers(0, 60))
ALLOWED = st.one_of(st.none(), st.none(), st.integers(0, 40))
BY_KEY = st.builds(Rules, watermark=st.just("key"), max_jump=JUMPS, allowed_lateness=ALLOWED)


@given(clock_cases(BY_KEY, SESSIONS, keyed=True), steps(), steps())
def test_sessions_of_keys_go_by_clocks_of_their_own_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(clock_cases(BY_KEY, SESSIONS, keyed=True), st.integers(0, 3))
def test_sessions_of_keys_go_by_clocks_of_their_own_row_by_row(case, n):
    assert_row_by_row(case, n)


@FEW
@given(clock_cases(BY_KEY, SESSIONS, keyed=True))
def test_sessions_of_keys_go_by_clocks_of_their_own_in_one_shot_too(case):
    assert_timed(one_shot_of(case), case.says())


@pytest.mark.parametrize("shape", [Gaps(3), Gaps(6, 30)], ids=repr)
@pytest.mark.parametrize("allowed", [None, 150])
def test_sessions_of_keys_go_by_clocks_of_their_own_in_a_long_stream(shape, allowed):
    rules = Rules(watermark="key", allowed_lateness=allowed)
    case = long_case(rules, shape, share=0.01, n_keys=40)
    assert case.says().left
    assert_one_answer(case, *WAYS)


# ----------------------------------------------------------------------------- several sources

FROM = st.builds(
    Rules,
    sources=st.just("from"),
    idle=st.one_of(st.none(), st.integers(0, 30)),
    max_jump=JUMPS,
    allowed_lateness=ALLOWED,
)


@given(clock_cases(FROM, SESSIONS), steps(), steps())
def test_slowest_source_leads_sessions_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(clock_cases(FROM, SESSIONS), st.integers(0, 3))
def test_slowest_source_leads_sessions_row_by_row(case, n):
    assert_row_by_row(case, n)


@FEW
@given(clock_cases(FROM, SESSIONS))
def test_slowest_source_leads_sessions_in_one_shot_too(case):
    assert_timed(one_shot_of(case), case.says())


def from_three(case):
    """Let the rows of a long case come from three sources, of which one is quiet for a while."""
    random = np.random.default_rng(3)
    sources = random.integers(0, 3, case.table.num_rows)
    times = case.table["t"].to_numpy() - 130 * sources
    table = case.table.set_column(0, "t", pa.array(times)).append_column("from", pa.array(sources))
    quiet = pa.array((sources != 2) | (np.arange(len(sources)) // 7_000 != 1))
    return dataclasses.replace(case, table=table.filter(quiet))


@pytest.mark.parametrize("by", [(), ("k",)], ids=["unkeyed", "keyed"])
@pytest.mark.parametrize("allowed", [None, 50])
def test_slowest_source_leads_sessions_in_a_long_stream(by, allowed):
    rules = Rules(sources="from", idle=300, allowed_lateness=allowed)
    case = from_three(long_case(rules, Gaps(2, 100), by=by, lateness=20, n_keys=40))
    assert case.says().left
    assert_one_answer(case, *WAYS)


# ------------------------------------------------------------------------------ keys are forgotten

TTL = st.builds(Rules, ttl=st.integers(0, 40), max_jump=JUMPS, allowed_lateness=ALLOWED)


@given(clock_cases(TTL, SESSIONS, keyed=True), steps(), steps())
def test_forgotten_keys_of_sessions_come_back_as_new_ones(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(clock_cases(TTL, SESSIONS, keyed=True), st.integers(0, 3))
def test_forgotten_keys_of_sessions_come_back_as_new_ones_row_by_row(case, n):
    assert_row_by_row(case, n)


@pytest.mark.parametrize("allowed", [None, 60])
def test_forgotten_keys_of_sessions_in_a_long_stream(allowed):
    rules = Rules(ttl=100, allowed_lateness=allowed)
    case = long_case(rules, Gaps(20), n_keys=1_000, share=0.01, lateness=5)
    said = case.says()
    assert said.n_ranks > 2 * len(said.rank)
    assert_one_answer(case, *WAYS)


# ------------------------------------------------------------------------------------ corrections

ALLOWING = st.builds(
    Rules, allowed_lateness=st.integers(0, 40), max_jump=st.one_of(st.none(), st.just(60))
)


@given(clock_cases(ALLOWING, SESSIONS), steps(), steps())
def test_corrected_sessions_come_as_the_oracle_says_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(clock_cases(ALLOWING, SESSIONS), st.integers(0, 3))
def test_corrected_sessions_come_row_by_row_and_between_snapshots(case, n):
    assert_row_by_row(case, n)


@FEW
@given(clock_cases(ALLOWING, SESSIONS))
def test_corrected_sessions_come_in_one_shot_too(case):
    assert_timed(one_shot_of(case), case.says())


@pytest.mark.parametrize("shape", [Gaps(2), Gaps(4, 40)], ids=repr)
@pytest.mark.parametrize("by", [(), ("k",)], ids=["unkeyed", "keyed"])
def test_corrected_sessions_in_a_long_stream(shape, by):
    case = long_case(Rules(allowed_lateness=400), shape, by=by, n_keys=40, lateness=5)
    said = case.stream()
    assert max(said.result["revision"].to_pylist()) > 1
    assert_one_answer(case, *WAYS)
