"""How time passes: the rules beside lateness, each against the slow oracle and on its own."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits
from reference.oracle import Grid, Want
from reference.strategies import cases, steps, ticks
from reference.streams import Case
from reference.timed import (
    Rules,
    TimedCase,
    assert_one_answer,
    assert_row_by_row,
    assert_timed,
)

import tidegate as tg
from tidegate import agg, errors
from tidegate._kernels.window_state import REVISIONS

GRIDS = st.sampled_from(
    [Grid(10, 10), Grid(10, 5), Grid(7, 3), Grid(4, 9), Grid(30, 10, 0, "first")]
)


@st.composite
def timed_cases(draw, rules, *, by=None, types=("p", "q", "i")):
    """Draw a case whose watermark moves, under rules."""
    case = draw(cases(columns=types, late=True))
    if by is not None and not case.by:
        by_row = [draw(st.sampled_from("abc")) for _ in case.rows]
        table = case.table.append_column("key", pa.array(by_row, pa.string()))
        rows = [row | {"key": key} for row, key in zip(case.rows, by_row, strict=True)]
        case = TimedCase.ruled(case, Rules(), by=("key",), table=table, rows=rows)
    return TimedCase.ruled(case, draw(rules), grid=draw(GRIDS))


FEW = settings(max_examples=40)


FIFTIES = Grid(50, 50)


def long_case(rules, *, grid=FIFTIES, by=("k",), lateness=100, n_rows=21_000, **texture):
    """Make a long stream whose rows fall back a good deal."""
    settings_ = {"disorder": 400, "share": 0.05, "n_keys": 5} | texture
    table = ticks(7, n_rows, **settings_)
    wants = (Want("n", "rows"), Want("q", "sum", ("q",)), Want("s", "max", ("s",)))
    return TimedCase.ruled(Case(table, grid, wants, by=by, lateness=lateness), rules)


def rows(*times, **columns):
    return pa.table({"t": pa.array(times, pa.int64()), **columns})


# ------------------------------------------------------------------------------------- max_jump


@given(timed_cases(st.integers(0, 40).map(lambda jump: Rules(max_jump=jump))), steps(), steps())
def test_jumps_are_as_the_oracle_says_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@given(timed_cases(st.integers(0, 40).map(lambda jump: Rules(max_jump=jump))))
def test_jumps_are_rejected_in_one_shot_too(case):
    assert_timed(case.one_shot(), case.says())


def test_row_too_far_ahead_is_rejected_and_moves_nothing():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", max_jump=100)
    live.push(rows(5, 106, 105, 206, 205, 306))
    assert live.take_late().select(["row", "reason", "late_by"]).to_pylist() == [
        {"row": 1, "reason": "time too far ahead", "late_by": None},
        {"row": 3, "reason": "time too far ahead", "late_by": None},
        {"row": 5, "reason": "time too far ahead", "late_by": None},
    ]
    assert live.watermark == 205
    assert live.stats == tg.Stats(6, 3, 0, 3, 0, 2)


def test_first_time_is_never_too_far():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", max_jump=1)
    live.push(rows(None, 10**15))
    assert live.watermark == 10**15


def test_time_without_a_place_is_no_start_for_a_jump():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", max_jump=100)
    live.push(rows(2**63 - 1, 5, 90))
    assert (live.stats.rejected, live.watermark) == (1, 90)


@pytest.mark.parametrize(
    "window",
    [
        tg.Tumbling("10s"),
        tg.Sliding("20s", "10s"),
        tg.Calendar("day"),
        tg.Edges(np.arange(0, 40_000 * 86_400, 86_400).astype("M8[s]")),
    ],
    ids=lambda window: type(window).__name__,
)
@pytest.mark.parametrize("allowed", [None, "12h"])
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize("begun", [False, True], ids=["fresh", "begun"])
def test_late_row_is_no_start_for_a_jump_however_rows_are_cut(window, allowed, begun, cut):
    def days(*numbers):
        return pa.table({"t": pa.array([86_400 * at for at in numbers], pa.timestamp("s"))})

    live = tg.Aggregator(
        *(window, agg.rows()),
        on="t",
        max_jump="30000d",
        allowed_lateness=allowed,
        schema=days().schema,
    )
    if begun:
        live.push(days(1))
    live.advance(np.datetime64(86_400 * 10_000, "s"))
    for part in [days(5000), days(33_000), days(2)] if cut else [days(5000, 33_000, 2)]:
        live.push(part)
    reasons = ["late", "time too far ahead", "late"] if begun else ["late", "late"]
    assert live.take_late()["reason"].to_pylist() == reasons


def test_jump_does_not_wrap_around():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", max_jump=2**62)
    live.push(rows(2**62 - 100, 2**62 + 2**61))
    assert live.stats.used == 2


def test_jump_of_float_times():
    live = tg.Aggregator(tg.Tumbling(1.0), agg.rows(), on="t", max_jump=0.5)
    live.push({"t": [-1.0, -0.5, 0.25, 0.0]})
    assert live.take_late()["row"].to_pylist() == [2]


def test_jump_of_timestamps_in_a_calendar():
    live = tg.Aggregator(tg.Calendar("day"), agg.rows(), on="t", max_jump="2d")
    day = 86_400
    live.push(pa.table({"t": pa.array([0, 2 * day, 5 * day, 10**12], pa.timestamp("s"))}))
    assert live.take_late()["row"].to_pylist() == [2, 3]


def test_jump_with_late_raise_refuses_nothing_else():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", max_jump=10, late="raise")
    live.push(rows(5, 10**9, 6))
    with pytest.raises(errors.LateRowError):
        live.push(rows(15, 4))
    assert live.stats.rows_in == 3


def test_jumps_in_a_long_stream():
    case = long_case(Rules(max_jump=5_000))
    times = case.table["t"].to_numpy().copy()
    times[500::997] += 10_000
    case = TimedCase.ruled(case, case.rules, table=case.table.set_column(0, "t", pa.array(times)))
    assert sum(left["reason"] == "time too far ahead" for left in case.says().left) > 20
    assert_one_answer(case, [("push", 8_191), ("restore", 0), ("rows", 7), ("push", 8_193)])


@pytest.mark.parametrize("max_jump", [-1, "-1s", "soon", 0.5])
def test_jump_must_be_a_duration_from_0_on(max_jump):
    with pytest.raises((errors.InputError, errors.DurationError), match="max_jump"):
        tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", max_jump=max_jump, schema=rows(1).schema)


@given(st.lists(st.one_of(st.integers(-99, 99), st.none())), st.integers(0, 60), st.integers(0, 9))
def test_watermark_alone_rejects_jumps_alike(times, jump, cut):
    alone = tg.Watermark(5, max_jump=jump)
    follow = [alone.follow(pa.array(part, pa.int64())) for part in (times[:cut], times[cut:])]
    largest, far = None, []
    for t in times:
        far.append(t is not None and largest is not None and t > largest + jump)
        if t is not None and not far[-1]:
            largest = t if largest is None else max(largest, t)
    again = tg.Watermark(5, max_jump=jump)
    again.follow(pa.array(times, pa.int64()))
    assert again.far.tolist() == far
    assert again.value == alone.value == (None if largest is None else largest - 5)
    assert sum(len(marks) for marks, _ in follow) == len(times)


# -------------------------------------------------------------------------------- rows on the side


@pytest.mark.parametrize("way", ["batch", "rows", "table"])
def test_side_is_bounded_and_the_error_names_the_limit(way):
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", by="k", limits=tg.Limits(max_late=2))
    live.push(rows(1, 50, 2, 60, 3, k=list("abcab")))
    before = live.stats
    feed = {
        "rows": lambda: live.push_row(4, "c"),
        "table": lambda: live.push(pa.concat_tables([rows(70, k=["d"]), rows(4, k=["e"])])),
        "batch": lambda: live.push(rows(99, 4, k=["d", "e"])),
    }[way]
    with pytest.raises(errors.LimitError, match="max_late=2"):
        feed()
    assert (live.stats, live.watermark) == (before, 60)
    assert live.take_late().num_rows == 2
    live.push(rows(99, 4, k=["a", "c"]))
    assert live.stats.late == before.late + 1
    assert live.flush()["window_start"].to_pylist() == [90]


def test_side_is_bounded_where_batches_are_read_where_they_stand():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", limits=tg.Limits(max_late=1_100_000))
    batch = rows(*([100] + [1] * 9_999)).to_batches()[0]
    for _ in range(110):
        live.push(batch, take=False)
    with pytest.raises(errors.LimitError, match="max_late=1100000"):
        live.push(batch)
    assert live.stats.late == 110 * 9_999


def test_dropped_rows_do_not_count_as_on_the_side():
    live = tg.Aggregator(
        tg.Tumbling(10), agg.rows(), on="t", late="drop", limits=tg.Limits(max_late=1)
    )
    live.push(rows(50, 1, 2, 3))
    assert live.stats.late == 3


def test_merge_keeps_the_side_bounded():
    both = [
        tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", limits=tg.Limits(max_late=1))
        for _ in range(2)
    ]
    for live in both:
        live.push(rows(50, 1))
    with pytest.raises(errors.MergeError, match="max_late"):
        both[0].merge(both[1])


def test_one_shot_side_has_window_amount_and_reason():
    side = tg.Side()
    tg.aggregate(rows(5, 25, 3, None), tg.Tumbling(10), agg.rows(), on="t", lateness=2, side=side)
    columns = ["row", "reason", "window_start", "window_end", "late_by"]
    assert [tuple(row[c] for c in columns) for row in side.late.to_pylist()] == [
        (2, "late", 0, 10, 20),
        (3, "null time", None, None, None),
    ]


# ------------------------------------------------------------------------------- allowed lateness

ALLOWING = st.builds(
    Rules, allowed_lateness=st.integers(0, 40), max_jump=st.one_of(st.none(), st.just(60))
)


@given(timed_cases(ALLOWING), steps(), steps())
def test_corrections_come_as_the_oracle_says_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(timed_cases(ALLOWING), st.integers(0, 3))
def test_corrections_come_row_by_row_and_between_snapshots(case, n):
    assert_row_by_row(case, n)


@FEW
@given(timed_cases(ALLOWING))
def test_corrections_come_in_one_shot_too(case):
    assert_timed(case.one_shot(), case.says())


LONG_WAYS = ([("push", 8_191), ("restore", 0), ("rows", 7), ("push", 8_193)], [("push", 999)] * 15)


@pytest.mark.parametrize("grid", [Grid(50, 50), Grid(60, 20)])
@pytest.mark.parametrize("by", [(), ("k",)])
def test_corrections_in_a_long_stream(grid, by):
    case = long_case(Rules(allowed_lateness=150), grid=grid, by=by, share=0.01)
    said = case.stream()
    assert max(said.result["revision"].to_pylist()) > 1
    assert_one_answer(case, *LONG_WAYS)


def test_corrected_window_comes_out_again_at_once():
    live = tg.Aggregator(tg.Tumbling(10), on="t", allowed_lateness=20, total=agg.sum("x"))
    out = live.push(rows(5, 12, 7, 28, 8, 3, 40, 9, 33, x=[1, 2, 4, 8, 16, 32, 64, 128, 256]))
    columns = ["window_start", "window_end", "revision", "total"]
    assert out.column_names == columns
    assert [tuple(row.values()) for row in out.to_pylist()] == [
        (0, 10, 0, 1),
        (0, 10, 1, 5),
        (10, 20, 0, 2),
        (0, 10, 2, 21),
        (0, 10, 3, 53),
        (20, 30, 0, 8),
        (30, 40, 0, 256),
    ]
    assert live.take_late()["x"].to_pylist() == [128]
    assert live.flush()["revision"].to_pylist() == [0]


def test_row_of_a_closed_window_without_rows_is_its_first_result():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", allowed_lateness=100)
    assert live.push(rows(55, 7))["revision"].to_pylist() == [0]
    assert live.push(rows(8))["revision"].to_pylist() == [1]


def test_row_corrects_only_those_of_its_windows_that_are_closed_and_held():
    live = tg.Aggregator(tg.Sliding(20, 10), agg.rows(), on="t", allowed_lateness=5)
    live.push(rows(15, 37))  # [0, 20) is over for good; [10, 30) is not open, [20, 40) is
    assert live.push(rows(19, 25)).to_pylist() == []
    live = tg.Aggregator(tg.Sliding(20, 10), agg.rows(), on="t", allowed_lateness=9)
    live.push(rows(15, 37))
    out = live.push(rows(19, 25)).select(["window_start", "revision", "rows"]).to_pylist()
    assert [tuple(row.values()) for row in out] == [(10, 1, 2), (10, 2, 3)]
    assert live.flush().select(["window_start", "rows"]).to_pylist() == [
        {"window_start": 20, "rows": 2},
        {"window_start": 30, "rows": 1},
    ]


def test_held_windows_are_forgotten_when_their_time_is_over():
    live = tg.Aggregator(
        tg.Tumbling(10),
        agg.rows(),
        on="t",
        by="k",
        allowed_lateness=30,
        limits=tg.Limits(max_open=12),
    )
    for t in range(0, 100_000, 10):
        live.push(rows(t, t - 25, k=["a", "b"]))
    assert live.stats.used == 20_000
    assert len(live.snapshot()) < 10_000


def test_allowed_lateness_of_float_times():
    live = tg.Aggregator(tg.Tumbling(1.0), agg.rows(), on="t", allowed_lateness=0.5)
    out = live.push({"t": [0.5, 1.25, 0.75, 1.5, 0.8]})
    assert out["revision"].to_pylist() == [0, 1]
    assert live.stats.late == 1


def test_allowed_lateness_does_not_wrap_around():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", allowed_lateness=2**63 - 1)
    out = live.push(rows(2**62, 2**62 + 100, 2**62 + 1, -(2**61)))
    assert out["revision"].to_pylist() == [0, 1, 0]


def test_merge_takes_over_what_has_come_out():
    both = [
        tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", by="k", allowed_lateness=100)
        for _ in range(2)
    ]
    assert both[0].push(rows(5, 15, k=["a", "a"])).num_rows == 1
    assert both[1].push(rows(3, 15, 4, k=["b", "c", "b"])).num_rows == 2
    both[0].merge(both[1])
    out = both[0].push(rows(1, 2, 9, k=["b", "a", "c"]))
    assert out["k"].to_pylist() == ["b", "a", "c"]
    assert out["revision"].to_pylist() == [2, 1, 0]


def test_snapshot_with_forged_revisions_is_refused():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", by="k", allowed_lateness=100)
    live.push(rows(5, 15, k=["a", "a"]))
    run = live._run
    run.bound.state.load_extra({name: np.zeros(0, np.int64) for name in REVISIONS}, 1)
    for forged in ([[0], [7], [0]], [[0], [0], [0]], [[1], [0], [-1]], [[1, 2], [0], [0]]):
        extra = {name: np.array(v) for name, v in zip(REVISIONS, forged, strict=True)}
        assert not run.bound.state.load_extra(extra, 1)


def test_corrected_sum_that_overflows_is_an_error():
    live = tg.Aggregator(tg.Tumbling(10), agg.sum("x"), on="t", allowed_lateness=100)
    live.push(rows(5, 15, x=[2**63 - 1, 0]))
    with pytest.raises(errors.AggregateOverflowError, match=r"\[0, 10\)"):
        live.push(rows(6, x=[1]))


@pytest.mark.parametrize(
    ("window", "options", "match"),
    [
        (tg.Tumbling(10), {"lateness": None}, "lateness"),
        (tg.Tumbling(10, empty="null"), {}, "empty"),
        (tg.Rolling(10), {}, "Rolling"),
        (tg.Tumbling(10), {"allowed_lateness": -1}, "allowed_lateness"),
        (tg.Tumbling(10), {"revision": agg.sum("x")}, "revision"),
    ],
)
def test_what_does_not_go_with_corrections_is_an_error(window, options, match):
    options = {"allowed_lateness": 5, "schema": rows(1, x=[1]).schema} | options
    with pytest.raises(errors.InputError, match=match):
        tg.Aggregator(window, agg.rows(), on="t", **options)


def test_plan_with_rules_goes_through_json():
    live = tg.Aggregator(
        tg.Tumbling("1s"), agg.rows(), on="t", allowed_lateness="2s", max_jump="1h"
    )
    assert tg.Plan.from_json(live.plan.to_json()) == live.plan


# ------------------------------------------------------------------------- a watermark for each key

BY_KEY = st.builds(
    Rules,
    watermark=st.just("key"),
    allowed_lateness=st.one_of(st.none(), st.none(), st.integers(0, 40)),
    max_jump=st.one_of(st.none(), st.integers(0, 60)),
)


@given(timed_cases(BY_KEY, by="key"), steps(), steps())
def test_keys_have_clocks_of_their_own_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(timed_cases(BY_KEY, by="key"), st.integers(0, 3))
def test_keys_have_clocks_of_their_own_row_by_row_and_between_snapshots(case, n):
    assert_row_by_row(case, n)


@FEW
@given(timed_cases(BY_KEY, by="key"))
def test_keys_have_clocks_of_their_own_in_one_shot_too(case):
    assert_timed(case.one_shot(), case.says())


@pytest.mark.parametrize("grid", [Grid(50, 50), Grid(60, 20)])
@pytest.mark.parametrize("allowed", [None, 150])
def test_keys_have_clocks_of_their_own_in_a_long_stream(grid, allowed):
    rules = Rules(watermark="key", allowed_lateness=allowed)
    case = long_case(rules, grid=grid, share=0.01, n_keys=40)
    assert case.says().left
    assert_one_answer(case, *LONG_WAYS)


def test_key_that_lags_loses_nothing_by_another_that_leads():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", by="k", watermark="key")
    out = live.push(rows(5, 1000, 7, 1010, 12, 6, k=list("ababaa")))
    assert [tuple(row.values()) for row in out.to_pylist()] == [
        ("b", 1000, 1010, 1),
        ("a", 0, 10, 2),
    ]
    assert live.take_late()["row"].to_pylist() == [5]
    assert live.watermark == 12
    assert live.flush()["k"].to_pylist() == ["a", "b"]


def test_promise_holds_for_all_keys_and_for_those_that_come():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", by="k", watermark="key")
    live.push(rows(5, 25, 3, k=list("aba")))
    live.push(rows(15, k=["c"]))
    assert live.advance(30).select(["k", "window_end"]).to_pylist() == [
        {"k": "a", "window_end": 10},
        {"k": "c", "window_end": 20},
        {"k": "b", "window_end": 30},
    ]
    live = tg.Aggregator.restore(live.snapshot())
    live.push(rows(29, 30, 29, k=list("dda")))
    assert live.take_late()["row"].to_pylist() == [4, 6]


def test_merge_takes_over_the_clocks_of_keys():
    both = [
        tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", by="k", watermark="key")
        for _ in range(2)
    ]
    both[0].push(rows(5, 15, k=["a", "a"]))
    both[1].push(rows(3, 55, 4, k=["c", "b", "c"]))
    both[0].merge(both[1])
    both[0].push(rows(12, 49, 13, k=["c", "b", "a"]))
    assert both[0].take_late()["k"].to_pylist() == ["b"]
    assert both[0].flush().select(["k", "rows"]).to_pylist() == [
        {"k": "a", "rows": 2},
        {"k": "c", "rows": 1},
        {"k": "b", "rows": 1},
    ]


def test_open_windows_of_keys_with_clocks_are_limited():
    live = tg.Aggregator(
        tg.Tumbling(10),
        agg.sum("x"),
        on="t",
        by="k",
        watermark="key",
        limits=tg.Limits(max_open=2),
    )
    live.push(rows(1, 2, k=["a", "b"], x=[1, 2]))
    with pytest.raises(errors.LimitError, match="max_open=2"):
        live.push(rows(3, 4, k=["a", "c"], x=[4, 8]))
    assert live.stats.rows_in == 2
    assert live.flush()["x_sum"].to_pylist() == [1, 2]


@pytest.mark.parametrize(
    ("window", "options", "match"),
    [
        (tg.Tumbling(10), {"by": None}, "by"),
        (tg.Tumbling(10), {"late": "raise"}, "raise"),
        (tg.Tumbling(10), {"lateness": None}, "lateness"),
        (tg.Tumbling(10, empty="zero"), {}, "empty"),
        (tg.Tumbling(10), {"watermark": "keys"}, "choose from stream, key"),
    ],
)
def test_what_does_not_go_with_a_watermark_for_each_key_is_an_error(window, options, match):
    options = {"by": "k", "watermark": "key"} | options
    with pytest.raises(errors.InputError, match=match):
        tg.Aggregator(window, agg.rows(), on="t", **options)


# ------------------------------------------------------------------------------- several sources


@st.composite
def cases_of_sources(draw):
    """Draw a case whose rows come from several sources."""
    rules = st.builds(
        Rules,
        sources=st.just("from"),
        idle=st.one_of(st.none(), st.integers(0, 30)),
        allowed_lateness=st.one_of(st.none(), st.none(), st.integers(0, 20)),
        max_jump=st.one_of(st.none(), st.none(), st.integers(0, 60)),
    )
    case = draw(timed_cases(rules))
    sources = [draw(st.sampled_from(["x", "y", None])) for _ in case.rows]
    return dataclasses.replace(
        case,
        table=case.table.append_column("from", pa.array(sources, pa.string())),
        rows=[row | {"from": source} for row, source in zip(case.rows, sources, strict=True)],
    )


@given(cases_of_sources(), steps(), steps())
def test_slowest_source_leads_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(cases_of_sources(), st.integers(0, 3))
def test_slowest_source_leads_row_by_row_and_between_snapshots(case, n):
    assert_row_by_row(case, n)


@FEW
@given(cases_of_sources())
def test_slowest_source_leads_in_one_shot_too(case):
    assert_timed(case.one_shot(), case.says())


@pytest.mark.parametrize("by", [(), ("k",)])
def test_slowest_source_leads_in_a_long_stream(by):
    case = long_case(Rules(sources="from", idle=300, allowed_lateness=50), by=by, lateness=20)
    random = np.random.default_rng(3)
    sources = random.integers(0, 3, case.table.num_rows)
    times = case.table["t"].to_numpy() - 130 * sources
    table = case.table.set_column(0, "t", pa.array(times)).append_column("from", pa.array(sources))
    quiet = pa.array((sources != 2) | (np.arange(len(sources)) // 7_000 != 1))
    case = dataclasses.replace(case, table=table.filter(quiet))
    assert case.says().left
    assert_one_answer(case, *LONG_WAYS)


def test_source_that_sleeps_holds_nothing_up_and_wakes_again():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", sources="s", idle=50)
    marks = []
    for t, source in [(1, "a"), (25, "b"), (12, "a"), (62, "b"), (63, "b"), (30, "a"), (64, "a")]:
        live.push_row(t, source)
        marks.append(live.watermark)
    assert marks == [1, 1, 12, 12, 63, 63, 63]
    assert live.take_late()["s"].to_pylist() == ["a"]


def test_late_raise_knows_of_sources():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", sources="s", late="raise")
    live.push(rows(5, 50, 8, s=["b", "a", "a"]))
    live.push(rows(20, 60, s=["b", "b"]))
    with pytest.raises(errors.LateRowError):
        live.push(rows(70, 45, s=["a", "b"]))
    assert live.stats.rows_in == 5
    live.push(rows(50, s=["b"]))


def test_merge_takes_over_the_clocks_of_sources():
    both = [
        tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", by="k", sources="s") for _ in range(2)
    ]
    both[0].push(rows(35, k=["a"], s=["x"]))
    both[1].push(rows(32, 39, k=["b", "b"], s=["y", "x"]))
    both[0].merge(both[1])
    assert both[0].watermark == 35
    both[0].push(rows(38, k=["c"], s=["y"]))
    assert both[0].watermark == 38


def test_source_may_be_a_key_and_a_value():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), agg.max("x"), on="t", by="k", sources="k")
    live.push_row(5, "a", 1)
    live.push_row(25, "b", 2)
    assert live.push(rows(15, k=["a"], x=[3]))["x_max"].to_pylist() == [1]
    live = tg.Aggregator(tg.Tumbling(10), agg.max("x"), on="t", sources="x")
    live.push_row(5, 1)
    live.push_row(25, 2)
    assert live.push(rows(15, x=[1]))["x_max"].to_pylist() == [1]


def test_number_of_sources_is_limited():
    live = tg.Aggregator(
        tg.Tumbling(10), agg.rows(), on="t", sources="s", limits=tg.Limits(max_keys=2)
    )
    with pytest.raises(errors.LimitError, match="max_keys"):
        live.push(rows(1, 2, 3, s=[1, 2, 3]))
    assert live.stats.rows_in == 0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sources": "t"}, "time column"),
        ({"idle": 5}, "give sources"),
        ({"sources": "s", "lateness": None}, "lateness"),
        ({"sources": "s", "watermark": "key", "by": "k"}, "sources .*key"),
        ({"sources": 5}, "sources is 5"),
        ({"sources": "s", "idle": -1, "schema": rows(1, s=[1]).schema}, "idle"),
        ({"ttl": 5}, "keys"),
        ({"ttl": 5, "by": "k", "watermark": "key"}, "ttl .*key"),
        ({"ttl": 5, "by": "k", "lateness": None}, "lateness"),
        ({"ttl": -5, "by": "k", "schema": rows(1, k=[1]).schema}, "ttl"),
    ],
)
def test_what_does_not_go_with_sources_or_ttl_is_an_error(options, match):
    with pytest.raises((errors.InputError, errors.ColumnTypeError), match=match):
        tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", **options)


# ------------------------------------------------------------------------------ keys are forgotten

FORGETTING = st.builds(
    Rules,
    ttl=st.integers(0, 40),
    allowed_lateness=st.one_of(st.none(), st.none(), st.integers(0, 20)),
)


@given(timed_cases(FORGETTING, by="key"), steps(), steps())
def test_forgotten_keys_come_back_as_new_ones_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(timed_cases(FORGETTING, by="key"), st.integers(0, 3))
def test_forgotten_keys_come_back_as_new_ones_between_snapshots(case, n):
    assert_row_by_row(case, n)


@FEW
@given(timed_cases(FORGETTING, by="key"))
def test_forgotten_keys_come_back_as_new_ones_in_one_shot_too(case):
    assert_timed(case.one_shot(), case.says())


@pytest.mark.parametrize(("grid", "allowed"), [(Grid(50, 50), 50), (Grid(60, 30), None)])
def test_forgotten_keys_in_a_long_stream(grid, allowed):
    case = long_case(
        Rules(ttl=100, allowed_lateness=allowed), grid=grid, n_keys=3_000, share=0.01, lateness=5
    )
    said = case.says()
    assert said.n_ranks > 2 * len(said.rank)
    assert_one_answer(case, *LONG_WAYS)


def test_key_that_comes_back_is_behind_those_that_stayed():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", by="k", ttl=15)
    live.push(rows(1, 2, 15, k=["a", "b", "b"]))
    live.push(rows(31, 32, k=["b", "a"]))
    live.push(rows(40, k=["b"]))
    assert live.flush()["k"].to_pylist() == ["b"]
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", by="k", ttl=15)
    live.push(rows(1, 2, 15, 31, 32, k=["a", "b", "b", "b", "a"]))
    assert live.flush()["k"].to_pylist() == ["b", "a"]


def test_key_known_by_a_rejected_row_only_has_its_place_by_the_first_that_is_used():
    table = rows(0, None, 0, 0, k=["a", "b", "c", "b"])
    for cut in range(5):
        live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", by="k", ttl=5)
        live.push(table.slice(0, cut))
        live = tg.Aggregator.restore(live.snapshot())
        live.push(table.slice(cut))
        assert live.flush()["k"].to_pylist() == ["a", "c", "b"]


def test_memory_follows_the_keys_that_are_alive():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", by="k", ttl=100)
    for t in range(0, 200_000, 100):
        live.push({"t": np.arange(t, t + 100), "k": np.arange(t, t + 100) * 7919})
    assert live._run.bound.keys.n_keys < 2_048
    assert len(live.snapshot()) < 40_000
    assert live.stats.used == 200_000


def test_key_limit_counts_those_that_are_alive():
    live = tg.Aggregator(
        tg.Tumbling(10), agg.rows(), on="t", by="k", ttl=10, limits=tg.Limits(max_keys=4)
    )
    for t in range(0, 1_000, 20):
        live.push(rows(t, t + 1, k=[t, t + 1]))
    with pytest.raises(errors.LimitError, match="max_keys"):
        live.push(rows(1_000, 1_001, 1_002, 1_003, k=[1, 2, 3, 4]))
    assert live.stats.rows_in == 100


def test_tables_that_are_refused_bring_forgotten_keys_back():
    live = tg.Aggregator(
        tg.Tumbling(10), agg.rows(), on="t", by="k", ttl=10, late="raise", lateness=5
    )
    for t in range(0, 50_000, 20):
        live.push(rows(t, k=[t]))
    before = live.snapshot()
    live = tg.Aggregator.restore(before)
    many = pa.table({"t": np.arange(50_000, 56_000), "k": np.arange(6_000)})
    late = rows(5, k=[1])
    with pytest.raises(errors.LateRowError):
        live.push(pa.concat_tables([many, many.slice(5_999), late]))
    other = tg.Aggregator.restore(before)
    for run in (live, other):
        run.push(rows(50_010, 50_011, k=[7, 49_980]))
    assert_same_bits(live.flush(), other.flush())


def test_merge_takes_over_how_long_keys_live():
    both = [tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", by="k", ttl=50) for _ in range(2)]
    both[0].push(rows(5, 35, k=["a", "b"]))
    both[1].push(rows(6, 36, k=["c", "d"]))
    both[0].merge(both[1])
    both[0].push(rows(44, 45, 46, 47, k=["d", "c", "b", "a"]))
    assert both[0].flush().select(["k", "window_start"]).to_pylist()[-4:] == [
        {"k": key, "window_start": 40} for key in "abcd"
    ]
