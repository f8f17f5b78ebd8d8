"""The engine against the oracle, and the two faces it has: `aggregate` and `Aggregator`."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference.compare import assert_answers, assert_same_bits
from reference.oracle import Exact, Grid, Want, numeric
from reference.strategies import LONG_WANTS, cases, steps, ticks
from reference.streams import Case

import tidegate as tg
from tidegate import agg, errors

BARS = {"open": agg.first("p"), "close": agg.last("p"), "n": agg.rows()}
TRADES = pa.table({"t": [1, 5, 12, 9, 25], "p": [1.0, 2.0, 3.0, 4.0, 5.0]})


def live(**options):
    settings = {"on": "t", "lateness": 0, "schema": TRADES.schema} | options
    return tg.Aggregator(tg.Tumbling(10), **settings, **BARS)


# Engine and oracle


@settings(max_examples=settings().max_examples * 4)
@given(cases())
def test_one_shot_says_what_the_oracle_says(case):
    said, run = case.oracle(), case.one_shot()
    assert_answers(run.result, said, case.wants, by=case.by)


@settings(max_examples=settings().max_examples * 4)
@given(cases(late=True), steps())
def test_stream_says_what_the_oracle_says(case, how):
    said, run = case.oracle(), case.stream(how)
    assert_answers(run.result, said, case.wants, by=case.by)
    assert run.watermark == said.watermark


@given(cases(max_rows=200, columns=("p", "s")))
def test_windows_of_many_rows_say_what_the_oracle_says(case):
    said, run = case.oracle(), case.one_shot()
    assert_answers(run.result, said, case.wants, by=case.by)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=100))
def test_sum_and_mean_of_any_floats(values):
    wants = (Want("sum", "sum", ("p",)), Want("mean", "mean", ("p",)))
    table = pa.table({"t": [0] * len(values), "p": values})
    case = Case(table, Grid(10, 10), wants)
    assert_answers(case.one_shot().result, case.oracle(), wants)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=50))
def test_integer_sum_is_exact_or_an_error(values):
    wants = (Want("sum", "sum", ("q",)),)
    case = Case(pa.table({"t": [0] * len(values), "q": values}), Grid(10, 10), wants)
    if -(2**63) <= sum(values) < 2**63:
        assert case.one_shot().result["sum"].to_pylist() == [sum(values)]
    else:
        with pytest.raises(errors.AggregateOverflowError, match="'q'"):
            case.one_shot()


@given(cases())
def test_what_must_hold_of_any_window(case):
    wants = tuple(
        Want(kind, kind, ("p",)) for kind in ("min", "max", "mean", "var", "std", "count")
    )
    assume("p" in case.table.column_names)
    run = Case(case.table, case.grid, wants, by=case.by, nan=case.nan, rows=case.rows).one_shot()
    for row in run.result.to_pylist():
        least, most, mean = row["min"], row["max"], row["mean"]
        assert (least is None) == (most is None) == (mean is None) == (row["count"] == 0)
        assert row["window_start"] < row["window_end"]
        if mean is not None and math.isfinite(least) and math.isfinite(most):
            assert least <= mean <= most
            assert row["var"] is None or row["var"] >= 0
            assert row["std"] is None or row["std"] >= 0


@pytest.mark.parametrize("by", [(), ("k",)], ids=["unkeyed", "keyed"])
@pytest.mark.parametrize(
    "grid",
    [Grid(200, 200), Grid(60, 10), Grid(7, 3), Grid(5, 8)],
    ids=["200", "60/10", "7/3", "5/8"],
)
@pytest.mark.parametrize("share", [1.0, 0.01], ids=["jitter", "strays"])
def test_long_stream_says_what_the_oracle_says(by, grid, share):
    table = ticks(3, 3000, disorder=4, share=share)
    case = Case(table, grid, LONG_WANTS, by=by, lateness=3)
    said, run = case.oracle(), case.stream([("push", 1000)])
    assert_answers(run.result, said, case.wants, by=by)
    assert run.late["row"].to_pylist() == [late["row"] for late in said.late]


def test_float_results_are_nearly_always_rounded_once():
    table = ticks(4, 20_000)
    case = Case(table, Grid(20, 20), LONG_WANTS, nan="missing")
    got, said = case.one_shot().result.to_pylist(), case.oracle().windows
    pairs = [
        (mine[want.name], numeric(theirs[want.name]))
        for mine, theirs in zip(got, said, strict=True)
        for want in LONG_WANTS
        if isinstance(theirs[want.name], Exact)
        and want.kind not in {"std", "sem", "mad"}  # a root or a distance is rounded again
    ]
    once = sum(mine == theirs for mine, theirs in pairs)
    assert once >= 0.999 * len(pairs) > 1000


# One shot


def test_result_is_ordered_by_end_then_by_first_appearance_of_the_key():
    table = pa.table({"t": [11, 1, 2, 12], "k": ["b", "c", "a", "a"], "p": [1.0, 2.0, 3.0, 4.0]})
    bars = tg.aggregate(table, tg.Tumbling(10), on="t", by="k", last=agg.last("p"))
    assert bars.to_pydict() == {
        "k": ["c", "a", "b", "a"],
        "window_start": [0, 0, 10, 10],
        "window_end": [10, 10, 20, 20],
        "last": [2.0, 3.0, 1.0, 4.0],
    }


def test_keys_may_be_several_and_null():
    table = pa.table({"t": [0, 0, 0], "k": ["a", None, "a"], "n": [1, 1, None], "p": [1, 2, 4]})
    bars = tg.aggregate(table, tg.Tumbling(10), on="t", by=["k", "n"], sum=agg.sum("p"))
    assert bars.select(["k", "n", "sum"]).to_pylist() == [
        {"k": "a", "n": 1, "sum": 1},
        {"k": None, "n": 1, "sum": 2},
        {"k": "a", "n": None, "sum": 4},
    ]


def test_nothing_is_late_in_one_shot():
    times = [1000, 0, 500, -10]
    bars = tg.aggregate({"t": times}, tg.Tumbling(10), on="t", n=agg.rows())
    assert bars["window_start"].tolist() == [-10, 0, 500, 1000]


def test_lateness_makes_one_shot_a_stream():
    side = tg.Side()
    bars = tg.aggregate(TRADES, tg.Tumbling(10), on="t", lateness=0, side=side, **BARS)
    assert bars["n"].to_pylist() == [2, 1, 1]
    assert side.late["row"].to_pylist() == [3]
    assert side.stats.late == 1


def test_empty_input_gives_the_empty_result():
    bars = tg.aggregate(TRADES.slice(0, 0), tg.Tumbling(10), on="t", **BARS)
    full = tg.aggregate(TRADES, tg.Tumbling(10), on="t", **BARS)
    assert bars.num_rows == 0
    assert bars.schema == full.schema


def test_input_is_not_changed():
    before = TRADES.to_pydict()
    tg.aggregate(TRADES, tg.Tumbling(10), on="t", **BARS)
    assert TRADES.to_pydict() == before


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_may_be_said(threads):
    bars = tg.aggregate(TRADES, tg.Tumbling(10), on="t", threads=threads, **BARS)
    assert bars["n"].to_pylist() == [3, 1, 1]


@pytest.mark.parametrize("threads", [0, -1, 1.5, "two"])
def test_threads_that_are_no_number_of_threads_are_an_error(threads):
    with pytest.raises((errors.InputError, errors.ColumnTypeError), match="threads"):
        tg.aggregate(TRADES, tg.Tumbling(10), on="t", threads=threads, **BARS)


# One event, one batch at a time


def test_push_gives_the_windows_that_the_batch_closed():
    run = live()
    assert run.push(TRADES.slice(0, 2)).num_rows == 0
    assert run.push(TRADES.slice(2, 1)).to_pydict() == {
        "window_start": [0],
        "window_end": [10],
        "open": [1.0],
        "close": [2.0],
        "n": [2],
    }
    assert run.flush()["window_start"].to_pylist() == [10]


def test_window_closes_when_the_watermark_reaches_its_end():
    run = live(lateness=2)
    assert run.push(pa.table({"t": [5, 11], "p": [1.0, 2.0]})).num_rows == 0
    assert run.push(pa.table({"t": [12], "p": [1.0]}))["window_end"].to_pylist() == [10]


def test_push_takes_whatever_aggregate_takes():
    expected = live().push(TRADES)
    assert_same_bits(live().push(TRADES.to_batches()[0]), expected)
    assert_same_bits(live().push(TRADES.to_pandas()), expected)
    assert_same_bits(live().push(TRADES.to_pydict()), expected)
    assert_same_bits(live().push(TRADES.to_pylist()), expected)


@pytest.mark.parametrize("window", [tg.Tumbling(10), tg.Session(10)], ids=repr)
def test_push_leaves_the_windows_for_take_after_single_events_too(window):
    live = tg.Aggregator(window, agg.rows(), on="t", lateness=0)
    live.push_row(1)
    assert live.push({"t": [21, 41]}, take=False).num_rows == 0
    live.push_row(42)
    assert live.push({"t": [61]}, take=False).num_rows == 0
    assert live.take()["rows"].to_pylist() == [1, 1, 2]


def test_push_row_and_take():
    run = live()
    for t, p in zip(*TRADES.to_pydict().values(), strict=True):
        run.push_row(t, p)
    assert_same_bits(run.take(), live().push(TRADES))
    assert run.take().num_rows == 0
    assert run.stats.late == 1


def test_push_row_takes_the_keys_and_then_the_columns_of_the_plan():
    run = tg.Aggregator(
        tg.Tumbling(10), on="t", by=["k", "n"], vwap=agg.vwap("p", "s"), top=agg.max("s")
    )
    run.push_row(1, "a", 7, 10.0, 1)
    run.push_row(2, "a", 7, 20.0, 3)
    run.push_row(2, None, 8, 20.0, None)
    assert run.flush().select(["k", "n", "vwap", "top"]).to_pylist() == [
        {"k": "a", "n": 7, "vwap": 17.5, "top": 3},
        {"k": None, "n": 8, "vwap": None, "top": None},
    ]


@pytest.mark.parametrize("event", [(), (1,), (1, 2.0, 3.0)])
def test_push_row_of_the_wrong_length_is_an_error(event):
    run = live()
    with pytest.raises((errors.InputError, TypeError)):
        run.push_row(*event)
    assert run.stats.rows_in == 0


def test_push_row_of_the_wrong_type_is_an_error_that_names_the_column():
    run = live()
    with pytest.raises(errors.ColumnTypeError, match="'p'"):
        run.push_row(1, "dear")
    with pytest.raises(errors.ColumnTypeError, match="'t'"):
        run.push_row("now", 1.0)
    assert run.stats.rows_in == 0
    assert run.flush().num_rows == 0


def test_batch_of_another_type_is_an_error_and_nothing_of_it_is_taken():
    run = live()
    run.push(TRADES.slice(0, 1))
    with pytest.raises(errors.ColumnTypeError, match="'p'"):
        run.push(pa.table({"t": [2], "p": ["2"]}))
    with pytest.raises(errors.ColumnTypeError, match="'t'"):
        run.push(pa.table({"t": pa.array([2], pa.timestamp("s")), "p": [2.0]}))
    with pytest.raises(errors.ColumnNotFoundError, match="'p'"):
        run.push(pa.table({"t": [2]}))
    assert run.stats.rows_in == 1
    assert run.flush()["n"].to_pylist() == [1]


def test_columns_of_a_batch_may_stand_in_any_order_beside_others():
    shuffled = TRADES.select(["p", "t"]).append_column("other", [["x"] * 5])
    assert_same_bits(live().push(shuffled), live().push(TRADES))


def test_flush_before_any_row_gives_the_empty_result():
    assert live().flush().schema == live().push(TRADES).schema


def test_nothing_can_be_pushed_after_the_end_of_input():
    run = live()
    run.push(TRADES)
    run.flush()
    with pytest.raises(errors.InputError, match="flush"):
        run.push(TRADES)
    with pytest.raises(errors.InputError, match="flush"):
        run.push_row(100, 1.0)


def test_flush_also_gives_what_was_not_taken():
    run = live()
    for t, p in zip(*TRADES.to_pydict().values(), strict=True):
        run.push_row(t, p)
    assert run.flush()["window_start"].to_pylist() == [0, 10, 20]


# Merge


@given(cases(late=False), st.integers(0, 1000))
def test_aggregators_over_disjoint_keys_merge_into_the_whole(case, mask):
    assume(case.by)
    keys = list(map(repr, zip(*(case.table[name].to_pylist() for name in case.by), strict=True)))
    codes = {key: code for code, key in enumerate(dict.fromkeys(keys))}
    mine = np.array([mask >> codes[key] & 1 for key in keys], dtype=bool)
    merge_equals_whole(case, mine)


@given(cases(late=False), st.integers(-10, 10))
def test_aggregators_over_disjoint_windows_merge_into_the_whole(case, cut):
    assume(case.grid.origin == "epoch" and case.grid.size <= case.grid.every)
    edge = case.grid.offset + cut * case.grid.every
    mine = np.array([t is not None and t < edge for t in case.table["t"].to_pylist()], dtype=bool)
    merge_equals_whole(case, mine)


def merge_equals_whole(case, mine):
    """Feed two aggregators with the two parts of a stream, and compare with one of them."""
    assume(case.grid.origin == "epoch")
    patient = {"lateness": 2**60}
    left, right = case.aggregator(**patient), case.aggregator(**patient)
    left.push(case.table.filter(pa.array(mine)))
    right.push(case.table.filter(pa.array(~mine)))
    left.merge(right)
    watermark = left.watermark
    merged, whole = left.flush(), case.stream(**patient)
    order = [*case.by, "window_end"]
    assert_same_bits(in_order(merged, order), in_order(whole.result, order))
    assert merged["window_end"].to_pylist() == whole.result["window_end"].to_pylist()
    assert left.stats == whole.stats
    assert watermark == whole.watermark


def in_order(table, names):
    rows = list(zip(*(map(repr, table[name].to_pylist()) for name in names), strict=True))
    return table.take(pa.array(sorted(range(len(rows)), key=rows.__getitem__), pa.int64()))


def test_merge_takes_the_larger_watermark_and_closes_what_it_closes():
    left, right = live(), live()
    left.push(pa.table({"t": [1, 2], "p": [1.0, 2.0]}))
    right.push(pa.table({"t": [31], "p": [3.0]}))
    left.merge(right)
    assert left.watermark == 31
    assert left.take()["window_start"].to_pylist() == [0]
    assert left.flush()["window_start"].to_pylist() == [30]


def test_aggregators_of_different_plans_do_not_merge():
    other = tg.Aggregator(tg.Tumbling(10), on="t", top=agg.max("p"), schema=TRADES.schema)
    with pytest.raises(errors.MergeError):
        live().merge(other)
    with pytest.raises(errors.MergeError):
        live().merge(live(lateness=5))
    with pytest.raises((errors.MergeError, errors.ColumnTypeError)):
        live().merge(None)


def test_halves_of_one_window_do_not_merge():
    left, right = live(), live()
    left.push(pa.table({"t": [1], "p": [1.0]}))
    right.push(pa.table({"t": [2], "p": [2.0]}))
    with pytest.raises(errors.MergeError, match="window"):
        left.merge(right)
    assert left.flush()["n"].to_pylist() == [1]


def test_aggregator_does_not_merge_with_itself():
    run = live()
    run.push(TRADES)
    with pytest.raises(errors.MergeError):
        run.merge(run)


# Limits


def test_too_many_keys_are_an_error_that_names_the_limit():
    table = pa.table({"t": [0] * 5, "k": list("abcde")})
    with pytest.raises(errors.LimitError, match="max_keys"):
        tg.aggregate(
            table, tg.Tumbling(1), on="t", by="k", n=agg.rows(), limits=tg.Limits(max_keys=4)
        )


def test_too_many_open_windows_are_an_error_that_names_the_limit():
    run = tg.Aggregator(
        tg.Tumbling(1), on="t", lateness=10**6, n=agg.rows(), limits=tg.Limits(max_open=100)
    )
    with pytest.raises(errors.LimitError, match="max_open"):
        run.push(pa.table({"t": np.arange(1000)}))


def test_a_held_push_row_never_loses_a_row():
    live = tg.Aggregator(tg.Tumbling(10), tg.agg.sum("x"), on="t")
    before = live.push_row
    before(1, 1.0)
    held = live.push_row
    held(2, 2.0)
    other = tg.Aggregator(tg.Tumbling(10), tg.agg.sum("x"), on="t")
    other.push({"t": [11], "x": [4.0]})
    live.merge(other)
    before(12, 8.0)
    held(13, 16.0)
    assert live.flush()["x_sum"].to_pylist() == [3.0, 28.0]
    for push in (before, held, live.push_row):
        with pytest.raises(tg.errors.InputError, match="ended"):
            push(14, 1.0)
