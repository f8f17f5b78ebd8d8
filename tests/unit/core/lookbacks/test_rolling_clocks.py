"""How time passes for look-backs: each rule against the slow oracle, and on its own."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits
from reference.lookbacks import WINDOWS
from reference.looktimed import LookCase
from reference.oracle import Want
from reference.strategies import cases, steps, ticks
from reference.streams import Case
from reference.timed import Rules, assert_one_answer, assert_row_by_row, assert_timed

import tidegate as tg
from tidegate import agg, errors

FEW = settings(max_examples=settings().max_examples // 5)
SOME = settings(max_examples=settings().max_examples // 3)
WAYS = ([("push", 8_191), ("restore", 0), ("rows", 7), ("push", 3)], [("push", 999)] * 9)
JUMPS = st.one_of(st.none(), st.none(), st.integers(0, 60))


@st.composite
def clock_cases(draw, rules, *, keyed=False, late=True):
    """Draw a case under rules, its watermark moving by the rows."""
    case = draw(cases(columns=("p", "i"), late=late))
    table, rows, by = case.table, case.rows, case.by
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
    return LookCase.ruled(case, rules, grid=draw(WINDOWS), table=table, rows=rows, by=by)


LONG = [tg.Rolling(30), tg.Rolling(40, closed="left", peers=True), tg.Rolling(rows=20)]


def long_case(rules, window, *, by=("k",), lateness=100, n_rows=21_000, **texture):
    """Make a long stream whose rows fall back a good deal."""
    settings_ = {"disorder": 400, "share": 0.02, "n_keys": 40} | texture
    table = ticks(7, n_rows, **settings_)
    wants = (Want("n", "rows"), Want("q", "sum", ("q",)), Want("s", "max", ("s",)))
    return LookCase.ruled(Case(table, window, wants, by=by, lateness=lateness), rules)


def rows(*times, **columns):
    return pa.table({"t": pa.array(times, pa.int64()), **columns})


def told(table):
    return [tuple(row.values()) for row in table.to_pylist()]


# ------------------------------------------------------------------------- times too far ahead

FAR = st.builds(Rules, max_jump=st.integers(0, 60))


@SOME
@given(clock_cases(FAR), steps(), steps())
def test_times_too_far_ahead_move_nothing_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(clock_cases(FAR), st.integers(0, 3))
def test_times_too_far_ahead_move_nothing_row_by_row(case, n):
    assert_row_by_row(case, n)


@SOME
@given(clock_cases(FAR, late=None), st.sampled_from([1, 3]))
def test_times_too_far_ahead_are_rejected_in_one_shot_too(case, threads):
    assert_timed(case.one_shot(threads=threads), case.says())


@pytest.mark.parametrize("window", LONG, ids=repr)
def test_times_too_far_ahead_in_a_long_stream(window):
    case = long_case(Rules(max_jump=1_000), window)
    times = case.table["t"].to_numpy().copy()
    times[500::997] += 10_000
    case = dataclasses.replace(case, table=case.table.set_column(0, "t", pa.array(times)))
    assert sum(left["reason"] == "time too far ahead" for left in case.says().left) > 20
    assert_one_answer(case, *WAYS)


def test_poison_row_moves_no_watermark():
    live = tg.Aggregator(tg.Rolling(10), on="t", max_jump=100, total=agg.sum("x"))
    assert live.push(rows(1, 2, 10**9, 3, x=[1, 2, 4, 8])).num_rows == 2
    assert live.watermark == 3
    late = live.take_late().to_pylist()
    assert [(row["t"], row["row"], row["reason"]) for row in late] == [
        (10**9, 2, "time too far ahead")
    ]
    assert live.flush()["total"].to_pylist() == [11]
    assert live.stats == tg.Stats(4, 3, 0, 1, 0, 3)


def test_first_row_counts_whatever_its_time_is():
    side = tg.Side()
    table = rows(10**9, 5, 6, x=[1, 2, 4])
    out = tg.aggregate(table, tg.Rolling(10), agg.rows(), on="t", max_jump=5, side=side)
    assert out["t"].to_pylist() == [5, 6, 10**9]
    assert side.stats.rejected == 0


def test_gathered_rows_look_out_for_times_too_far_ahead():
    live = tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", max_jump=100, lateness=2)
    due = [live.push_row(t) for t in (1, 2, 500, 3, 103, 4, 105, 900, 205)]
    assert due == [False, False, False, False, True, True, True, True, True]
    assert live.take_late()["row"].to_pylist() == [2, 5, 7]
    assert live.flush()["t"].to_pylist() == [1, 2, 3, 103, 105, 205]


@pytest.mark.parametrize("lateness", [None, 0.5])
def test_float_times_too_far_ahead(lateness):
    table = pa.table({"t": [0.5, np.inf, 1.25, 9.0, np.nan, 1.75, None, 2.75, 3.0]})
    side = tg.Side()
    options = {"on": "t", "max_jump": 1.0, "side": side, "lateness": lateness}
    out = tg.aggregate(table, tg.Rolling(1.0), agg.rows(), **options)
    assert out["t"].to_pylist() == [0.5, 1.25, 1.75, 2.75, 3.0]
    assert out["rows"].to_pylist() == [1, 2, 2, 1, 2]
    far = "time too far ahead"
    assert side.late["reason"].to_pylist() == [far, far, "nan time", "null time"]


# ----------------------------------------------------------------------------- several sources

FROM = st.builds(
    Rules,
    sources=st.just("from"),
    idle=st.one_of(st.none(), st.integers(0, 30)),
    max_jump=JUMPS,
)


@SOME
@given(clock_cases(FROM), steps(), steps())
def test_slowest_source_leads_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(clock_cases(FROM), st.integers(0, 3))
def test_slowest_source_leads_row_by_row(case, n):
    assert_row_by_row(case, n)


@FEW
@given(clock_cases(FROM))
def test_slowest_source_leads_in_one_shot_too(case):
    assert_timed(case.one_shot(), case.says())


def from_three(case):
    """Let the rows of a long case come from three sources, one of which is quiet for long."""
    n = case.table.num_rows
    of = np.random.default_rng(3).integers(0, 3, n)
    of[n // 3 : 2 * n // 3] %= 2
    table = case.table.append_column("from", pa.array(of).cast(pa.string()))
    return dataclasses.replace(case, table=table)


@pytest.mark.parametrize(("by", "window"), [((), tg.Rolling(5)), (("k",), LONG[1])], ids=repr)
def test_slowest_source_leads_in_a_long_stream(by, window):
    case = from_three(long_case(Rules(sources="from", idle=60), window, by=by, lateness=5))
    assert case.says().left
    assert_one_answer(case, *WAYS)


def test_source_that_sleeps_holds_nothing_up():
    live = tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", sources="s", idle=20)
    assert live.push(rows(5, 6, 9, s=["a", "b", "b"])).num_rows == 0
    assert live.watermark == 5
    assert live.push(rows(25, s=["b"]))["t"].to_pylist() == []
    assert live.push(rows(26, s=["b"]))["t"].to_pylist() == [5, 6, 9, 25]
    live.push(rows(10, 30, s=["a", "a"]))
    assert live.take_late()["s"].to_pylist() == ["a"]


def test_late_raise_knows_of_sources():
    live = tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", sources="s", late="raise")
    live.push(rows(5, 50, 8, s=["b", "a", "a"]))
    live.push(rows(20, 60, s=["b", "b"]))
    with pytest.raises(errors.LateRowError, match="row 6 is late: its time 35"):
        live.push(rows(70, 35, s=["a", "b"]))
    assert live.stats.rows_in == 5
    live.push(rows(50, s=["b"]))
    assert live.stats.rows_in == 6


# ------------------------------------------------------------------------ a watermark for each key

BY_KEY = st.builds(Rules, watermark=st.just("key"), max_jump=JUMPS)


@SOME
@given(clock_cases(BY_KEY, keyed=True), steps(), steps())
def test_keys_go_by_clocks_of_their_own_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(clock_cases(BY_KEY, keyed=True), st.integers(0, 3))
def test_keys_go_by_clocks_of_their_own_row_by_row(case, n):
    assert_row_by_row(case, n)


@FEW
@given(clock_cases(BY_KEY, keyed=True))
def test_keys_go_by_clocks_of_their_own_in_one_shot_too(case):
    assert_timed(case.one_shot(), case.says())


@pytest.mark.parametrize("window", LONG, ids=repr)
def test_keys_go_by_clocks_of_their_own_in_a_long_stream(window):
    case = long_case(Rules(watermark="key"), window)
    assert case.says().left
    assert_one_answer(case, *WAYS)


def test_key_that_lags_loses_nothing_by_another_that_leads():
    live = tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", by="k", watermark="key")
    out = live.push(rows(5, 1000, 7, 1010, 12, -9, k=list("ababaa")))
    assert told(out) == [("a", 5, 1), ("b", 1000, 1), ("a", 7, 2)]
    assert live.take_late()["row"].to_pylist() == [5]
    assert live.watermark == 12
    assert told(live.flush()) == [("a", 12, 3), ("b", 1010, 1)]
    assert live.stats == tg.Stats(6, 5, 1, 0, 0, 5)


def test_promise_holds_for_all_keys_and_for_those_that_come():
    live = tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", by="k", watermark="key")
    live.push(rows(5, 25, k=list("ab")))
    assert told(live.advance(40)) == [("a", 5, 1), ("b", 25, 1)]
    live = tg.Aggregator.restore(live.snapshot())
    live.push(rows(29, 40, 29, k=list("cca")))
    assert live.take_late()["row"].to_pylist() == [2, 4]


def test_texts_wait_for_their_keys():
    table = ticks(5, 3_000, disorder=30, share=0.3, n_keys=9)
    names = pa.array([f"n{(7 * i) % 500}" for i in range(3_000)])
    options = {"on": "t", "by": "k", "watermark": "key", "lateness": 20}
    options |= {"low": agg.min("name"), "usual": agg.mode("name")}
    whole = tg.Aggregator(tg.Rolling(rows=7), **options)
    table = table.append_column("name", names)
    said = pa.concat_tables([whole.push(table), whole.flush()])
    live, parts = tg.Aggregator(tg.Rolling(rows=7), **options), []
    for at in range(0, 3_000, 100):
        parts.append(live.push(table.slice(at, 100)))
        live = tg.Aggregator.restore(live.snapshot())
    assert_same_bits(pa.concat_tables([*parts, live.flush()]), said)


# --------------------------------------------------------------------------- keys are forgotten

TTL = st.builds(
    Rules,
    ttl=st.integers(0, 30),
    max_jump=JUMPS,
    sources=st.sampled_from([None, None, "from"]),
)


@SOME
@given(clock_cases(TTL, keyed=True), steps(), steps())
def test_quiet_keys_begin_anew_however_rows_are_cut(case, one, other):
    assert_one_answer(case, one, other)


@FEW
@given(clock_cases(TTL, keyed=True), st.integers(0, 3))
def test_quiet_keys_begin_anew_row_by_row(case, n):
    assert_row_by_row(case, n)


@FEW
@given(clock_cases(TTL, keyed=True))
def test_quiet_keys_begin_anew_in_one_shot_too(case):
    assert_timed(case.one_shot(), case.says())


@pytest.mark.parametrize("window", LONG, ids=repr)
def test_quiet_keys_begin_anew_in_a_long_stream(window):
    case = long_case(Rules(ttl=60), window, lateness=20, n_keys=90)
    bare = dataclasses.replace(case, rules=Rules())
    if window.rows is not None:
        assert case.says().out != bare.says().out
    assert_one_answer(case, *WAYS)


def test_key_that_was_quiet_looks_back_on_nothing():
    live = tg.Aggregator(tg.Rolling(rows=3), agg.sum("x"), on="t", by="k", ttl=10)
    live.push(rows(0, 5, 15, k=list("aaa"), x=[1, 2, 4]))
    live.push(rows(26, k=["a"], x=[8]))
    assert live.push(rows(27, 40, k=["b", "b"], x=[16, 32])).num_rows == 2
    assert told(live.flush())[-1] == ("b", 40, 32)


def short_lived(n_keys, n_rows, first):
    """Make rows of keys that come once for a while."""
    at = np.arange(first, first + n_rows)
    return pa.table({"t": at, "k": at % 5 + at // n_rows * n_keys, "x": at * 0.5})


@pytest.mark.parametrize("window", [tg.Rolling(100), tg.Rolling(rows=50)], ids=repr)
def test_memory_follows_the_keys_that_are_alive(window):
    live = tg.Aggregator(window, agg.mean("x"), on="t", by="k", ttl=500)
    sizes = []
    for at in range(0, 400_000, 2_000):
        live.push(short_lived(700, 2_000, at))
        sizes.append(live._run.tied.n_keys)
    assert max(sizes) < 1_100
    live.push(rows(10**6, k=[0], x=[0.0]))
    assert len(live.snapshot()) < 10_000
    assert live._run.tied.state.n_kept == 0


@pytest.mark.parametrize("how", ["push", "push_row"])
def test_keys_that_are_forgotten_make_room_for_others(how):
    limits = tg.Limits(max_keys=4, max_look_back=4)
    live = tg.Aggregator(tg.Rolling(rows=9), agg.rows(), on="t", by="k", ttl=5, limits=limits)
    for t in range(0, 900, 10):
        if how == "push":
            live.push(rows(t, t + 1, k=[t, t + 1]))
        else:
            live.push_row(t, t)
            live.push_row(t + 1, t + 1)
            live.take()
    assert live.stats.rows_in == 180
    with pytest.raises(errors.LimitError, match="max_look_back=4"):
        live.push(rows(*range(900, 904), k=[1, 2, 3, 4]))


# ----------------------------------------------------------------------------- what goes together

RULES = [{"watermark": "key"}, {"ttl": 50}, {"max_jump": 100}, {"sources": "s", "idle": 9}]


@pytest.mark.parametrize("options", RULES, ids=str)
@pytest.mark.parametrize("window", LONG, ids=repr)
def test_merge_is_what_one_would_have_said(window, options):
    table = rows(5, 6, 8, 35, 36, 7, 37, 38, 40, k=list("acbacbdab"), s=list("xxyxyyxyx"))
    table = table.append_column("x", pa.array([1.5] * 9))
    options = {"on": "t", "by": "k", "lateness": None if "max_jump" in options else 40} | options
    both = [tg.Aggregator(window, agg.sum("x"), **options) for _ in range(2)]
    mine = np.isin(table["k"].to_pylist(), ["a", "b"])
    out = [
        live.push(table.filter(pa.array(own)))
        for live, own in zip(both, (mine, ~mine), strict=True)
    ]
    both[0].merge(both[1])
    out.append(tg.Aggregator.restore(both[0].snapshot()).flush())
    whole = tg.Aggregator(window, agg.sum("x"), **options)
    said = pa.concat_tables([whole.push(table), whole.flush()])
    assert sorted(told(pa.concat_tables(out))) == sorted(told(said))
    assert both[0].stats.rows_in == whole.stats.rows_in


def test_merge_takes_over_the_clocks_of_sources_and_keys():
    def make():
        return tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", by="k", sources="s")

    one, other = make(), make()
    one.push(rows(10, k=["a"], s=["x"]))
    other.push(rows(20, 30, k=["b", "b"], s=["z", "y"]))
    one.merge(other)
    one.push(rows(30, k=["a"], s=["x"]))
    assert one.watermark == 20
    one, other = (
        tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", by="k", watermark="key") for _ in "ab"
    )
    one.push(rows(10, k=["a"]))
    other.push(rows(30, 5, k=["b", "c"]))
    one.merge(other)
    one.push(rows(29, 9, 6, 4, k=list("bacc")))
    assert one.take_late()["k"].to_pylist() == ["b", "a", "c"]


@pytest.mark.parametrize("options", RULES, ids=str)
def test_rows_of_results_are_told_under_every_rule(options):
    table = ticks(9, 400, disorder=30, share=0.3, n_keys=4)
    table = table.set_column(3, "s", pa.array([f"{i % 3}" for i in range(400)]))
    options = {"on": "t", "by": "k", "lateness": 25} | options
    plain = tg.aggregate(table, tg.Rolling(rows=5), agg.sum("q"), side=tg.Side(), **options)
    live = tg.Aggregator(tg.Rolling(rows=5), agg.sum("q"), lineage=True, **options)
    names = ["t", "k", *(["s"] if "sources" in options else []), "q"]
    for row in table.slice(0, 50).select(names).to_pylist():
        live.push_row(*row.values())
    out = pa.concat_tables([live.take(), live.push(table.slice(50)), live.flush()])
    assert_same_bits(out.drop_columns(["row_ranges"]), plain)
    q = table["q"].to_pylist()
    for row in out.to_pylist():
        numbers = [i for r in row["row_ranges"] for i in range(r["start"], r["stop"])]
        assert sum(q[i] for i in numbers) == row["q_sum"]


@pytest.mark.parametrize("options", RULES, ids=str)
def test_damaged_snapshot_under_a_rule_is_refused(options):
    table = rows(1, 2, 30, k=list("aba"), s=list("xyx"), x=[1.0, 2.0, 3.0])
    options = {"on": "t", "by": "k", "lateness": 9} | options
    live = tg.Aggregator(tg.Rolling(10), agg.var("x"), **options)
    live.push(table)
    state = live.snapshot()
    for size in range(0, len(state), 7):
        with pytest.raises(errors.SnapshotError):
            tg.Aggregator.restore(state[:size])
    assert tg.Aggregator.restore(state).flush().equals(live.flush())


def test_rows_that_wait_for_keys_are_limited():
    limits = tg.Limits(max_look_back=4)
    options = {"on": "t", "by": "k", "watermark": "key", "lateness": 9, "limits": limits}
    live = tg.Aggregator(tg.Rolling(2), agg.rows(), **options)
    live.push(rows(1, 2, 3, k=list("aab")))
    with pytest.raises(errors.LimitError, match="max_look_back=4"):
        live.push(rows(4, 5, k=list("ab")))
    assert live.stats == tg.Stats(3, 0, 0, 0, 3, 0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"allowed_lateness": 5}, r"allowed_lateness .* tg\.Rolling"),
        ({"watermark": "key"}, "by"),
        ({"watermark": "key", "by": "k", "late": "raise"}, "raise"),
        ({"watermark": "key", "by": "k", "ttl": 5}, "ttl .*key"),
        ({"watermark": "key", "by": "k", "lateness": None}, "lateness"),
        ({"sources": "t"}, "time column"),
        ({"idle": 5}, "give sources"),
        ({"ttl": 5}, "keys"),
        ({"ttl": -5, "by": "k"}, "ttl is -5"),
        ({"max_jump": -5}, "max_jump is -5"),
    ],
)
def test_what_does_not_go_together_is_an_error(options, match):
    schema = pa.schema({"t": pa.int64(), "k": pa.string()})
    with pytest.raises(errors.InputError, match=match):
        tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", schema=schema, **options)
