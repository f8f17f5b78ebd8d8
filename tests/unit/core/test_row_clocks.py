"""How time passes for sessions and bars: each rule against the slow oracle, and on its own."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.oracle import Want
from reference.rowshapes import Amount, Gaps, Tally
from reference.rowtimed import RowTimedCase
from reference.strategies import cases, steps, ticks
from reference.streams import Case
from reference.timed import Rules, assert_one_answer, assert_row_by_row, assert_timed

import tidegate as tg
from tidegate import agg, errors

FEW = settings(max_examples=settings().max_examples // 5)
SOME = settings(max_examples=settings().max_examples // 3)
SESSIONS = st.sampled_from([Gaps(4), Gaps(10), Gaps(6, 15), Gaps(25)])
BARS = st.sampled_from(
    [
        *(Tally(3), Tally(4, 2), Tally(2, 3), Tally(5, 1, complete_only=True)),
        *(Amount(("q",), 10), Amount(("q",), 4, "carry"), Amount(("q",), 20, complete_only=True)),
    ]
)
WAYS = ([("push", 8_191), ("restore", 0), ("rows", 7), ("push", 3)], [("push", 999)] * 9)


@st.composite
def clock_cases(draw, rules, shapes, *, keyed=None):
    """Draw a case whose watermark moves, under rules."""
    case = draw(cases(late=True))
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
    return RowTimedCase.ruled(case, rules, grid=shape, table=table, rows=rows, by=by)


def long_case(rules, shape, *, by=("k",), lateness=100, n_rows=12_000, **texture):
    """Make a long stream whose rows fall back a good deal."""
    settings_ = {"disorder": 400, "share": 0.05, "n_keys": 5} | texture
    table = ticks(7, n_rows, **settings_)
    wants = (Want("n", "rows"), Want("q", "sum", ("q",)), Want("s", "max", ("s",)))
    return RowTimedCase.ruled(Case(table, shape, wants, by=by, lateness=lateness), rules)


def rows(*times, **columns):
    return pa.table({"t": pa.array(times, pa.int64()), **columns})


# ------------------------------------------------------------------------ a watermark for each key

JUMPS = st.one_of(st.none(), st.none(), st.integers(0, 60))
ALLOWED = st.one_of(st.none(), st.none(), st.integers(0, 40))
BY_KEY = st.builds(Rules, watermark=st.just("key"), max_jump=JUMPS, allowed_lateness=ALLOWED)


@SOME
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
    assert_timed(case.one_shot(), case.says())


@pytest.mark.parametrize(("shape", "allowed"), [(Gaps(3), None), (Gaps(6, 30), 150)], ids=repr)
def test_sessions_of_keys_go_by_clocks_of_their_own_in_a_long_stream(shape, allowed):
    rules = Rules(watermark="key", allowed_lateness=allowed)
    case = long_case(rules, shape, share=0.01, n_keys=40)
    assert case.says().left
    assert_one_answer(case, *WAYS)


BARS_BY_KEY = st.builds(Rules, watermark=st.just("key"), max_jump=JUMPS)


@SOME
@given(clock_cases(BARS_BY_KEY, BARS, keyed=True), steps(), steps())
def test_bars_of_keys_go_by_clocks_of_their_own_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(clock_cases(BARS_BY_KEY, BARS, keyed=True), st.integers(0, 3))
def test_bars_of_keys_go_by_clocks_of_their_own_row_by_row(case, n):
    assert_row_by_row(case, n)


@FEW
@given(clock_cases(BARS_BY_KEY, BARS, keyed=True))
def test_bars_of_keys_go_by_clocks_of_their_own_in_one_shot_too(case):
    assert_timed(case.one_shot(), case.says())


LONG_BARS = [Tally(50), Tally(20, 7), Amount(("q",), 3000, "split", complete_only=True)]


@pytest.mark.parametrize("shape", LONG_BARS, ids=repr)
def test_bars_of_keys_go_by_clocks_of_their_own_in_a_long_stream(shape):
    case = long_case(Rules(watermark="key"), shape, share=0.01, n_keys=40)
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


@SOME
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
    assert_timed(case.one_shot(), case.says())


def from_three(case):
    """Let the rows of a long case come from three sources, of which one is quiet for a while."""
    random = np.random.default_rng(3)
    sources = random.integers(0, 3, case.table.num_rows)
    times = case.table["t"].to_numpy() - 130 * sources
    table = case.table.set_column(0, "t", pa.array(times)).append_column("from", pa.array(sources))
    quiet = pa.array((sources != 2) | (np.arange(len(sources)) // 7_000 != 1))
    return dataclasses.replace(case, table=table.filter(quiet))


@pytest.mark.parametrize(("by", "allowed"), [((), None), ((), 50), (("k",), None)], ids=repr)
def test_slowest_source_leads_sessions_in_a_long_stream(by, allowed):
    rules = Rules(sources="from", idle=300, allowed_lateness=allowed)
    case = from_three(long_case(rules, Gaps(2, 100), by=by, lateness=20, n_keys=40))
    assert case.says().left
    assert_one_answer(case, *WAYS)


BARS_FROM = st.builds(
    Rules, sources=st.just("from"), idle=st.one_of(st.none(), st.integers(0, 30)), max_jump=JUMPS
)


@SOME
@given(clock_cases(BARS_FROM, BARS), steps(), steps())
def test_slowest_source_leads_bars_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(clock_cases(BARS_FROM, BARS), st.integers(0, 3))
def test_slowest_source_leads_bars_row_by_row(case, n):
    assert_row_by_row(case, n)


@FEW
@given(clock_cases(BARS_FROM, BARS))
def test_slowest_source_leads_bars_in_one_shot_too(case):
    assert_timed(case.one_shot(), case.says())


@pytest.mark.parametrize(
    ("by", "shape"), [((), LONG_BARS[0]), ((), LONG_BARS[2]), (("k",), LONG_BARS[1])], ids=repr
)
def test_slowest_source_leads_bars_in_a_long_stream(by, shape):
    rules = Rules(sources="from", idle=300)
    case = from_three(long_case(rules, shape, by=by, lateness=20, n_keys=40))
    assert case.says().left
    assert_one_answer(case, *WAYS)


# ------------------------------------------------------------------------------ keys are forgotten

TTL = st.builds(
    Rules,
    ttl=st.integers(0, 40),
    max_jump=JUMPS,
    allowed_lateness=ALLOWED,
    sources=st.sampled_from([None, None, "from"]),
)


@SOME
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


BARS_TTL = st.builds(
    Rules, ttl=st.integers(0, 40), max_jump=JUMPS, sources=st.sampled_from([None, None, "from"])
)


@SOME
@given(clock_cases(BARS_TTL, BARS, keyed=True), steps(), steps())
def test_bars_of_quiet_keys_end_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(clock_cases(BARS_TTL, BARS, keyed=True), st.integers(0, 3))
def test_bars_of_quiet_keys_end_row_by_row(case, n):
    assert_row_by_row(case, n)


@FEW
@given(clock_cases(BARS_TTL, BARS, keyed=True))
def test_bars_of_quiet_keys_end_in_one_shot_too(case):
    assert_timed(case.one_shot(), case.says())


@pytest.mark.parametrize("shape", [Tally(5), Tally(6, 2), LONG_BARS[2]], ids=repr)
def test_bars_of_quiet_keys_end_in_a_long_stream(shape):
    case = long_case(Rules(ttl=100), shape, n_keys=1_000, share=0.01, lateness=5)
    said = case.says()
    assert said.n_ranks > 2 * len(said.rank)
    assert_one_answer(case, *WAYS)


# ------------------------------------------------------------------------------------ corrections

ALLOWING = st.builds(
    Rules, allowed_lateness=st.integers(0, 40), max_jump=st.one_of(st.none(), st.just(60))
)


@SOME
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
    assert_timed(case.one_shot(), case.says())


@pytest.mark.parametrize(("by", "shape"), [((), Gaps(4, 40)), (("k",), Gaps(2))], ids=repr)
@pytest.mark.parametrize("allowed", [20, 400])
def test_corrected_sessions_in_a_long_stream(shape, by, allowed):
    rules = Rules(allowed_lateness=allowed)
    case = long_case(rules, shape, by=by, n_keys=40, lateness=5, n_rows=12_000)
    said = case.stream()
    assert max(said.result["revision"].to_pylist()) >= {20: 1, 400: 2}[allowed]
    assert_one_answer(case, *WAYS)


SAID = ["window_start", "window_end", "revision", "total"]


def told(table):
    return [tuple(row.values()) for row in table.to_pylist()]


def test_corrected_session_comes_out_again_at_once():
    live = tg.Aggregator(tg.Session(10), on="t", allowed_lateness=100, total=agg.sum("x"))
    out = live.push(rows(0, 5, 50, 8, 3, x=[1, 2, 4, 8, 16]))
    assert out.column_names == SAID
    assert told(out) == [(0, 15, 0, 3), (0, 18, 1, 11), (0, 18, 2, 27)]
    assert told(live.flush()) == [(50, 60, 0, 4)]


def test_two_sessions_that_become_one_are_both_replaced_by_it():
    live = tg.Aggregator(tg.Session(10), on="t", allowed_lateness=100, total=agg.sum("x"))
    live.push(rows(0, 15, 50, 2, x=[1, 2, 4, 8]))  # [0, 12) has come out twice, [15, 25) once
    assert told(live.push(rows(8, x=[16]))) == [(0, 25, 2, 27)]
    assert told(live.push(rows(9, 70, x=[32, 64]))) == [(0, 25, 3, 59), (50, 60, 0, 4)]


def test_closed_session_that_joins_an_open_one_comes_out_when_that_ends():
    live = tg.Aggregator(tg.Session(10), on="t", allowed_lateness=100, total=agg.sum("x"))
    assert told(live.push(rows(0, 15, x=[1, 2]))) == [(0, 10, 0, 1)]
    assert told(live.push(rows(8, x=[4]))) == []
    assert told(live.push(rows(26, x=[8]))) == [(0, 25, 1, 7)]
    live = tg.Aggregator(
        tg.Session(10), on="t", lateness=3, allowed_lateness=99, total=agg.sum("x")
    )
    assert told(live.push(rows(0, 13, x=[1, 2]))) == [(0, 10, 0, 1)]
    assert told(live.push(rows(9, x=[4]))) == []
    assert told(live.flush()) == [(0, 23, 1, 7)]


def test_closed_session_that_a_row_makes_longer_than_the_watermark_is_open_again():
    live = tg.Aggregator(tg.Session(10), on="t", by="k", allowed_lateness=9, total=agg.sum("x"))
    out = live.push(rows(0, 12, 9, 13, k=list("abaa"), x=[1, 2, 4, 8]))
    assert told(out) == [("a", 0, 10, 0, 1)]
    assert told(live.push(rows(23, k=["b"], x=[16]))) == [("b", 12, 22, 0, 2), ("a", 0, 23, 1, 13)]


def test_row_of_a_session_that_is_over_already_is_its_first_result():
    live = tg.Aggregator(tg.Session(10), on="t", allowed_lateness=100, total=agg.sum("x"))
    assert told(live.push(rows(55, 7, x=[1, 2]))) == [(7, 17, 0, 2)]
    assert told(live.push(rows(8, x=[4]))) == [(7, 18, 1, 6)]


def test_session_is_held_no_longer_than_allowed():
    live = tg.Aggregator(tg.Session(10), on="t", allowed_lateness=20, total=agg.sum("x"))
    live.push(rows(0, 29, 5, x=[1, 2, 4]))
    out = live.push(rows(35, 5, 6, x=[8, 16, 32]))  # [0, 15) was held up to 35
    assert told(out) == []  # and 6 would be closer to it than the gap
    assert live.take_late().select(["t", "window_end", "late_by"]).to_pylist() == [
        {"t": 5, "window_end": 15, "late_by": 30},
        {"t": 6, "window_end": 16, "late_by": 29},
    ]
    assert told(live.push(rows(15, x=[64]))) == [(15, 25, 0, 64)]
    assert live.stats.used == 5


def test_a_result_lies_within_the_one_that_replaces_it():
    table = ticks(11, 4_000, disorder=60, share=0.3, n_keys=3)
    live = tg.Aggregator(
        tg.Session(3, 20), agg.rows(), on="t", by="k", lateness=2, allowed_lateness=200
    )
    out = pa.concat_tables([live.push(table), live.flush()]).to_pylist()
    valid = {}
    for said in out:
        start, end = said["window_start"], said["window_end"]
        mine = valid.setdefault(said["k"], {})
        inner = [place for place in mine if start <= place[0] and place[1] <= end]
        assert (said["revision"] > 0) == bool(inner)
        assert all(mine[place]["revision"] < said["revision"] for place in inner)
        for place in inner:
            del mine[place]
        mine[start, end] = said
    assert sum(said["rows"] for of_key in valid.values() for said in of_key.values()) == 4_000


def test_held_sessions_are_forgotten_when_their_time_is_over():
    live = tg.Aggregator(
        tg.Session(10),
        agg.rows(),
        on="t",
        by="k",
        allowed_lateness=30,
        limits=tg.Limits(max_open=12),
    )
    for t in range(0, 40_000, 20):
        live.push(rows(t, t - 25, k=["a", "b"]))
    assert live.stats.used == 4_000
    assert len(live.snapshot()) < 10_000


def test_many_keys_and_few_rows_at_a_time_give_the_same_sessions():
    random = np.random.default_rng(5)
    keys = np.concatenate([np.arange(3_000), random.integers(0, 3_000, 3_000)])
    times = np.concatenate([np.arange(3_000) // 30, np.arange(3_000) // 10 + 50])
    times[3_000:] -= random.integers(0, 80, 3_000) * (random.random(3_000) < 0.2)
    table = pa.table({"t": times, "k": keys, "q": keys % 7})
    for rules in (Rules(allowed_lateness=25), Rules(ttl=10), Rules(ttl=5, allowed_lateness=9)):
        case = Case(table, Gaps(15), (Want("q", "sum", ("q",)),), by=("k",), lateness=4)
        case = RowTimedCase.ruled(case, rules)
        assert_one_answer(case, [("push", 3_000)] + [("push", 7)] * 400)


@pytest.mark.parametrize("options", [{"allowed_lateness": 0.5}, {"watermark": "key", "by": "k"}])
def test_clocks_of_float_times(options):
    table = pa.table({"t": [0.5, 1.25, 1.75, 2.75, 1.5, 9.0], "k": ["a"] * 6})
    live = tg.Aggregator(tg.Session(1.0), agg.rows(), on="t", **options)
    out = pa.concat_tables([live.push(table), live.flush()])
    corrects = "allowed_lateness" in options
    assert out["window_end"].to_pylist() == (
        [2.75, 2.75, 3.75, 10.0] if corrects else [2.75, 3.75, 10.0]
    )
    assert live.stats.late == (not corrects)


def test_bars_with_clocks_of_float_times():
    table = pa.table({"t": [0.5, 3.0, 0.75, 3.5, 4.0, 9.0], "k": list("ababab")})
    live = tg.Aggregator(tg.Count(2), agg.rows(), on="t", by="k", ttl=1.0, lateness=10.0)
    live.push(table)
    assert live.flush().select(["k", "window_end"]).to_pylist() == [
        {"k": "a", "window_end": 0.75},
        {"k": "b", "window_end": 3.5},
        {"k": "a", "window_end": 4.0},
        {"k": "b", "window_end": 9.0},
    ]


def test_snapshot_with_forged_sessions_is_refused():
    live = tg.Aggregator(tg.Session(10), agg.rows(), on="t", allowed_lateness=100)
    live.push(rows(5, 25))
    state = live._run.bound.state
    dumped, extra = state.dump(), {k: np.frombuffer(v, "q") for k, v in state.dump_extra().items()}
    assert extra["session_revisions"].tolist() == [1, -2]
    forged = ([1], [1, -1], [1, 1], [1, -3], [1 << 40, -2])
    for revisions in ([1, -2], *forged):
        bound = tg.Aggregator.restore(live.snapshot())._run.bound
        state = bound.new_state()
        parts = [np.frombuffer(part, d) for part, d in zip(dumped[1:], "qiqq", strict=True)]
        assert state.load(dumped[0], *parts, 1) == -1
        told_beside = extra | {"session_revisions": np.array(revisions)}
        assert state.load_extra(told_beside, 1) == (revisions == [1, -2])


# ---------------------------------------------------------------------- what keys and sources have

WINDOWS = [tg.Session(10), tg.Count(2), tg.Threshold("x", 2)]


@pytest.mark.parametrize("window", WINDOWS)
def test_key_that_lags_loses_nothing_by_another_that_leads(window):
    live = tg.Aggregator(window, agg.rows(), on="t", by="k", watermark="key")
    live.push(rows(5, 1000, 7, 1010, 12, -9, k=list("ababaa"), x=[1] * 6))
    assert live.take_late()["row"].to_pylist() == [5]
    assert live.watermark == 12
    out = live.flush()
    assert sum(out["rows"].to_pylist()) + live.stats.windows >= 5
    assert (live.stats.used, live.stats.pending) == (5, 0)


@pytest.mark.parametrize("window", WINDOWS)
def test_promise_holds_for_all_keys_and_for_those_that_come(window):
    live = tg.Aggregator(window, agg.rows(), on="t", by="k", watermark="key")
    live.push(rows(5, 25, k=list("ab"), x=[1, 1]))
    live.advance(40)
    live = tg.Aggregator.restore(live.snapshot())
    live.push(rows(29, 40, 29, k=list("cca"), x=[1, 1, 1]))
    assert live.take_late()["row"].to_pylist() == [2, 4]


def test_bars_of_a_key_come_with_the_row_that_lets_them_go():
    live = tg.Aggregator(tg.Count(2), agg.rows(), on="t", by="k", watermark="key", lateness=5)
    out = live.push(rows(1, 8, 9, 3, 20, 7, 99, 14, k=list("babababa")))
    assert told(out) == [("b", 1, 9, 2), ("a", 3, 7, 2)]
    assert told(live.flush()) == [("a", 8, 14, 2), ("b", 20, 99, 2)]


@pytest.mark.parametrize("window", WINDOWS)
def test_late_raise_knows_of_sources(window):
    live = tg.Aggregator(window, agg.rows(), on="t", sources="s", late="raise")
    live.push(rows(5, 50, 8, s=["b", "a", "a"], x=[1] * 3))
    live.push(rows(20, 60, s=["b", "b"], x=[1] * 2))
    with pytest.raises(errors.LateRowError):
        live.push(rows(70, 35, s=["a", "b"], x=[1] * 2))
    assert live.stats.rows_in == 5
    live.push(rows(50, s=["b"], x=[1]))
    assert live.stats.rows_in == 6


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("options", [{"watermark": "key"}, {"ttl": 50}], ids=str)
def test_merge_is_what_one_would_have_said(window, options):
    table = rows(5, 6, 8, 35, 36, 7, 37, 38, 40, k=list("acbacbdab"), x=[1] * 9)
    both = [
        tg.Aggregator(window, agg.rows(), on="t", by="k", lateness=5, **options) for _ in range(2)
    ]
    mine = np.isin(table["k"].to_pylist(), ["a", "b"])
    out = [
        live.push(table.filter(pa.array(own)))
        for live, own in zip(both, (mine, ~mine), strict=True)
    ]
    both[0].merge(both[1])
    out.append(both[0].flush())
    whole = tg.Aggregator(window, agg.rows(), on="t", by="k", lateness=5, **options)
    said = pa.concat_tables([whole.push(table), whole.flush()])
    assert sorted(told(pa.concat_tables(out))) == sorted(told(said))
    assert both[0].stats[:4] == whole.stats[:4]


@pytest.mark.parametrize("window", WINDOWS)
def test_merge_takes_over_the_clocks_of_sources(window):
    both = [tg.Aggregator(window, agg.rows(), on="t", by="k", sources="s") for _ in range(2)]
    both[0].push(rows(35, k=["a"], s=["x"], x=[1]))
    both[1].push(rows(32, 39, k=["b", "b"], s=["y", "x"], x=[1, 1]))
    both[0].merge(both[1])
    assert both[0].watermark == 35
    both[0].push(rows(38, k=["c"], s=["y"], x=[1]))
    assert both[0].watermark == 38


@pytest.mark.parametrize("window", WINDOWS)
def test_memory_follows_the_keys_that_are_alive(window):
    live = tg.Aggregator(window, agg.rows(), on="t", by="k", ttl=100)
    for t in range(0, 100_000, 100):
        times = np.arange(t, t + 100)
        live.push({"t": times, "k": times * 7919, "x": times % 2})
    assert live._run.bound.keys.n_keys < 2_048
    assert len(live.snapshot()) < 80_000
    live.flush()
    assert live.stats.used == 100_000


def test_bar_of_a_quiet_key_comes_out_and_the_key_begins_anew():
    live = tg.Aggregator(tg.Count(3), agg.rows(), on="t", by="k", ttl=10)
    out = live.push(rows(0, 4, 11, 12, 13, 40, k=list("abbaab")))
    assert told(out) == [("a", 0, 0, 1), ("b", 4, 11, 2), ("a", 12, 13, 2)]
    assert told(live.flush()) == [("b", 40, 40, 1)]
    whole = tg.Count(3, complete_only=True)
    live = tg.Aggregator(whole, agg.rows(), on="t", by="k", ttl=10)
    live.push(rows(0, 4, 11, 12, 13, 14, 40, k=list("abbaaab")))
    assert told(live.flush()) == []
    assert live.stats.windows == 1


def test_texts_wait_for_their_keys():
    words = ["".join(chr(97 + n // 26**k % 26) for k in range(4)) for n in range(4_000)]
    table = pa.table({"t": np.arange(4_000) % 500, "k": np.arange(4_000) % 7, "w": words})
    table = table.take(np.argsort(np.arange(4_000) % 500, kind="stable"))
    case = Case(
        table, Tally(40), (Want("w", "last", ("w",)), Want("n", "nunique", ("w",))), by=("k",)
    )
    case = RowTimedCase.ruled(dataclasses.replace(case, lateness=20), Rules(watermark="key"))
    assert_one_answer(case, [("push", 100), ("restore", 0)] * 20)


def test_rows_that_wait_for_keys_are_limited():
    limits = tg.Limits(max_look_back=4)
    live = tg.Aggregator(
        tg.Count(2), agg.rows(), on="t", by="k", watermark="key", lateness=9, limits=limits
    )
    live.push(rows(1, 2, 3, k=list("aab")))
    with pytest.raises(errors.LimitError, match="max_look_back=4"):
        live.push(rows(4, 5, k=list("ab")))
    assert live.stats == tg.Stats(3, 0, 0, 0, 3, 0)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"watermark": "key"}, "by"),
        ({"watermark": "key", "by": "k", "late": "raise"}, "raise"),
        ({"watermark": "key", "by": "k", "ttl": 5}, "ttl .*key"),
        ({"watermark": "key", "by": "k", "lateness": None}, "lateness"),
        ({"sources": "t"}, "time column"),
        ({"idle": 5}, "give sources"),
        ({"ttl": 5}, "keys"),
    ],
)
def test_what_does_not_go_together_is_an_error(window, options, match):
    with pytest.raises(errors.InputError, match=match):
        tg.Aggregator(window, agg.rows(), on="t", **options)
