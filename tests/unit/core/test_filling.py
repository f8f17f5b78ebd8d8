"""Windows without rows: which there are, what they hold, and that they are part of one answer."""

import dataclasses
import itertools
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from reference.compare import assert_answers, assert_same_run, with_plain_times
from reference.oracle import Grid
from reference.strategies import HARSH_WANTS, calendar_cases, cases, edge_cases, steps, ticks
from reference.streams import Case

import tidegate as tg
from tidegate import agg, errors

KINDS = st.sampled_from(["null", "zero", "carry"])
CASES = [cases, edge_cases, calendar_cases]
any_case = pytest.mark.parametrize("made", CASES, ids=["grid", "edges", "calendar"])
ROWS = {"t": [1, 25, 52, 31], "k": ["a", "a", "b", "a"], "x": [1.0, 2.0, 3.0, 4.0]}


def filled(data, made):
    """Draw a case whose windows without rows come out, and are not many."""
    case = data.draw(made())
    times = [row["t"] for row in case.rows if row["t"] is not None]
    if times and isinstance(case.grid, Grid):
        case = dataclasses.replace(case, grid=dataclasses.replace(case.grid, origin="epoch"))
        assume(max(times) - min(times) < 300 * case.grid.every)
    return dataclasses.replace(case, empty=data.draw(KINDS))


@pytest.mark.parametrize(
    ("empty", "last"),
    [
        ("null", [1.0, None, 2.0, 4.0, None, 3.0]),
        ("zero", [1.0, 0.0, 2.0, 4.0, 0.0, 3.0]),
        ("carry", [1.0, 1.0, 2.0, 4.0, 4.0, 3.0]),
    ],
)
def test_windows_without_rows_hold_what_was_asked_for(empty, last):
    out = tg.aggregate(
        pa.table(ROWS),
        tg.Tumbling(10, empty=empty),
        on="t",
        n=agg.rows(),
        s=agg.sum("x"),
        c=agg.count("x"),
        last=agg.last("x"),
    )
    assert out["window_start"].to_pylist() == [0, 10, 20, 30, 40, 50]
    assert out["n"].to_pylist() == out["c"].to_pylist() == [1, 0, 1, 1, 0, 1]
    assert out["s"].to_pylist() == [1.0, 0.0, 2.0, 4.0, 0.0, 3.0]
    assert out["last"].to_pylist() == last


def test_key_has_windows_from_its_first_to_the_end_of_the_stream():
    out = tg.aggregate(
        pa.table(ROWS), tg.Tumbling(10, empty="carry"), on="t", by="k", last=agg.last("x")
    )
    assert out["k"].to_pylist() == ["a"] * 6 + ["b"]
    assert out["last"].to_pylist() == [1.0, 1.0, 2.0, 4.0, 4.0, 4.0, 3.0]


def test_windows_without_rows_come_out_when_the_watermark_passes_them():
    live = tg.Aggregator(tg.Tumbling(10, empty="null"), agg.rows(), on="t", lateness=0)
    assert live.push({"t": [1]}).num_rows == 0
    assert live.push({"t": [35]})["rows"].to_pylist() == [1, 0, 0]
    assert live.advance(60)["rows"].to_pylist() == [1, 0, 0]
    assert live.flush().num_rows == 0
    assert live.stats.windows == 6


def test_nothing_comes_out_before_the_first_row():
    live = tg.Aggregator(tg.Tumbling(10, empty="zero"), agg.rows(), on="t", lateness=0)
    live.push(pa.table({"t": pa.array([], pa.int64())}))
    assert live.advance(1000).num_rows == 0
    assert live.flush().num_rows == 0


def test_row_outside_of_explicit_boundaries_is_part_of_the_stream():
    out = tg.aggregate({"t": [1, 99]}, tg.Edges([0, 10, 20, 30], empty="null"), agg.rows(), on="t")
    assert out["rows"].tolist() == [1, 0, 0]


def test_day_that_never_was_is_not_filled():
    times = np.array(["2011-12-28T12", "2012-01-02T12"], "M8[s]")
    out = tg.aggregate(
        {"t": times}, tg.Calendar("day", tz="Pacific/Apia", empty="zero"), agg.rows(), on="t"
    )
    assert out["rows"].tolist() == [1, 0, 0, 0, 0, 1]  # not seven
    assert (out["window_start"] < out["window_end"]).all()


def test_null_of_a_window_with_rows_stays_and_is_carried():
    rows = {"t": [1, 25, 45], "x": [1.0, None, 3.0]}
    for empty, expected in (
        ("zero", [1.0, 0.0, None, 0.0, 3.0]),
        ("carry", [1.0, 1.0, None, None, 3.0]),
    ):
        out = tg.aggregate(pa.table(rows), tg.Tumbling(10, empty=empty), on="t", m=agg.max("x"))
        assert out["m"].to_pylist() == expected


def test_float_times_have_windows_without_rows_too():
    out = tg.aggregate({"t": [0.05, 0.75]}, tg.Tumbling(0.1, empty="null"), agg.rows(), on="t")
    assert out["rows"].tolist() == [1, 0, 0, 0, 0, 0, 0, 1]
    assert out["window_end"][:-1].tolist() == out["window_start"][1:].tolist()


@pytest.mark.parametrize("origin", [0.0, 1e6, -0.3])
@pytest.mark.parametrize(("size", "step"), [(0.3, 0.1), (0.9, 0.3), (21.0, 7.0)])
def test_windows_of_float_times_are_those_with_rows(origin, size, step):
    times = np.arange(-200, 200) * step + origin + step / 2
    window = tg.Sliding(size, step, origin=origin)
    whole = tg.aggregate({"t": times}, window, agg.rows(), on="t")
    gaps = {"t": np.concatenate([times[:3], times[-3:]])}
    out = tg.aggregate(gaps, dataclasses.replace(window, empty="zero"), agg.rows(), on="t")
    assert out["window_start"].tolist() == whole["window_start"].tolist()
    assert out["window_end"].tolist() == whole["window_end"].tolist()
    assert out["rows"].sum() == 18


def test_more_windows_than_the_limit_are_a_named_error():
    far = {"t": [0, 10**15]}
    window = tg.Tumbling(1, empty="zero")
    with pytest.raises(errors.LimitError, match="max_empty=10000000"):
        tg.aggregate(far, window, agg.rows(), on="t")
    live = tg.Aggregator(window, agg.rows(), on="t", limits=tg.Limits(max_empty=5))
    live.push({"t": [0]})
    with pytest.raises(errors.LimitError, match="max_empty=5"):
        live.push({"t": [9]})
    with pytest.raises(errors.LimitError, match="max_empty=5"):
        live.take()
    many = pa.table({"t": [0] * 100 + [10], "k": [*range(100), 0]})
    with pytest.raises(errors.LimitError, match="999 windows"):
        tg.aggregate(
            many, tg.Tumbling(1, empty="zero"), agg.rows(), on="t", by="k",
            limits=tg.Limits(max_empty=900),
        )  # fmt: skip


@pytest.mark.parametrize("empty", ["nul", None, True, 0])
def test_bad_choice_is_a_named_error(empty):
    for window in (
        tg.Tumbling(1, empty=empty), tg.Sliding(2, 1, empty=empty), tg.Edges([0, 1], empty=empty),
        tg.Calendar("day", empty=empty),
    ):  # fmt: skip
        with pytest.raises(errors.WindowError, match="choose from skip, null, zero, carry"):
            tg.Aggregator(window, agg.rows(), on="t")


def test_plan_goes_to_json_and_back():
    for window in (
        tg.Tumbling(1, empty="zero"), tg.Sliding(2, 1, empty="null"),
        tg.Edges([0, 1], empty="carry"), tg.Calendar("day", empty="zero"),
    ):  # fmt: skip
        plan = tg.Aggregator(window, agg.rows(), on="t").plan
        assert tg.Plan.from_json(plan.to_json()) == plan
    assert tg.Edges([0, 1], empty="carry") != tg.Edges([0, 1])


def zero_of(type_):
    """Give what a column of a type has where 0 was asked for."""
    if pa.types.is_boolean(type_):
        return False
    if pa.types.is_temporal(type_) or pa.types.is_nested(type_):
        return None
    return 0.0 if pa.types.is_floating(type_) else 0


@any_case
@given(st.data())
def test_result_is_what_the_oracle_says(made, data):
    case = filled(data, made)
    said, run = case.oracle(), case.stream(data.draw(steps()))
    names = [*case.by, "window_start", "window_end"]
    with_rows = dataclasses.replace(case, empty="skip").oracle().windows
    made_by_rows = {tuple(row[name] for name in names) for row in with_rows}
    for row in said.windows:
        if tuple(row[name] for name in names) in made_by_rows:
            continue  # a 0 there is a result
        for want in case.wants:
            if type(row[want.name]) is int and row[want.name] == 0:
                row[want.name] = zero_of(run.result[want.name].type)
    assert_answers(with_plain_times(run.result), said, case.wants, by=case.by)


@any_case
@given(st.data())
def test_any_cut_gives_the_same_bits(made, data):
    case = filled(data, made)
    assert_same_run(case.stream(data.draw(steps())), case.stream(data.draw(steps())))
    assert_same_run(case.one_shot(), case.stream(lateness=case.lateness))


@pytest.mark.parametrize("by", [(), ("k",)], ids=["unkeyed", "keyed"])
@pytest.mark.parametrize("grid", [Grid(2, 2), Grid(10, 10), Grid(20, 5)], ids=str)
def test_any_number_of_threads_gives_the_same_bits(grid, by):
    table = ticks(9, 200_000, disorder=20)
    case = Case(table, grid, HARSH_WANTS, by=by, empty="carry")
    alone = case.one_shot(threads=1)
    assert_same_run(case.one_shot(threads=3), alone)
    assert_same_run(case.stream([("push", 99_999), ("restore", 0)], lateness=2**60), alone)


def test_keys_of_two_aggregators_merge():
    rows = pa.table(ROWS)
    window = tg.Tumbling(10, empty="carry")
    options = {"on": "t", "by": "k", "lateness": 5, "n": agg.rows(), "last": agg.last("x")}
    parts = [tg.Aggregator(window, **options) for _ in "ab"]
    out = []
    for part, key in zip(parts, "ab", strict=True):
        out.append(part.push(rows.filter(pc.equal(rows["k"], key))))
    parts[0].merge(parts[1])
    got = pa.concat_tables([*out, parts[0].flush()]).sort_by(
        [("window_end", "ascending"), ("k", "ascending")]
    )
    whole = tg.aggregate(rows, window, on="t", by="k", n=agg.rows(), last=agg.last("x"))
    assert got.to_pydict() == whole.to_pydict()


@pytest.mark.parametrize("by", [None, "k"])
def test_one_key_in_two_aggregators_does_not_merge(by):
    window = tg.Tumbling(10, empty="zero")
    one, other = (tg.Aggregator(window, agg.rows(), on="t", by=by) for _ in range(2))
    one.push({"t": [1], "k": ["a"]})
    other.push({"t": [91], "k": ["a"]})
    with pytest.raises(errors.MergeError, match="each key to one aggregator only"):
        one.merge(other)
    assert one.flush()["rows"].to_pylist() == [1]


def test_batch_that_is_refused_leaves_no_trace():
    window = tg.Tumbling(10, empty="carry")
    live = tg.Aggregator(window, agg.last("x"), on="t", lateness=0)
    live.push({"t": [1], "x": [1]})
    good = pa.table({"t": [35], "x": [2]})
    with pytest.raises(errors.TidegateError):
        live.push(pa.RecordBatchReader.from_batches(good.schema, broken(good)))
    assert live.push({"t": [22], "x": [7]})["x_last"].to_pylist() == [1, 1]


def broken(rows):
    """Give the batches of a table twice, and fail then."""
    yield from rows.to_batches()
    yield from rows.to_batches()
    raise errors.InputError("the source broke")


@pytest.mark.parametrize("rule", ["h", "D"])
def test_windows_are_those_of_pandas(rule):
    rng = np.random.default_rng(3)
    times = pd.to_datetime(np.sort(rng.integers(0, 60 * 86_400, 300)), unit="s").tz_localize("UTC")
    frame = pd.DataFrame({"t": times, "x": rng.normal(size=300)})
    theirs = frame.set_index("t")["x"].resample(rule).agg(["count", "max", "last"])
    window = tg.Tumbling("1h" if rule == "h" else "1d", empty="null")
    out = tg.aggregate(frame, window, on="t", n=agg.rows(), high=agg.max("x"), last=agg.last("x"))
    assert out["window_start"].tolist() == theirs.index.tolist()
    assert out["n"].tolist() == theirs["count"].tolist()
    np.testing.assert_array_equal(out["high"], theirs["max"])
    carried = dataclasses.replace(window, empty="carry")
    out = tg.aggregate(frame, carried, on="t", last=agg.last("x"))
    np.testing.assert_array_equal(out["last"], theirs["last"].ffill())
    assert not any(map(math.isnan, out["last"]))


def test_windows_at_the_ends_of_time_are_filled():
    low, high, size = -(2**63), 2**63 - 1, 2**60
    window = tg.Tumbling(size, offset=size // 2 + 1, empty="null")
    out = tg.aggregate(pa.table({"t": [low + size, high - size]}), window, agg.rows(), on="t")
    assert out["rows"].to_pylist() == [1, *[0] * (out.num_rows - 2), 1]
    starts = out["window_start"].to_pylist()
    assert all(b - a == size for a, b in itertools.pairwise(starts))
    assert starts[0] <= low + size < starts[1]
    assert starts[-1] <= high - size < out["window_end"][-1].as_py()


@pytest.mark.parametrize(
    ("codes", "done"),
    [([0, 0], 1), ([1, 0], 1), ([-1], 1), ([7], 1), ([None], 1), ([0], 1.5), ([0], 2**70)],
)
def test_forged_state_is_refused(codes, done):
    live = tg.Aggregator(tg.Tumbling(1, empty="carry"), agg.last("x"), on="t", by="k")
    live.push({"t": [1, 2], "k": ["a", "b"], "x": [1, 2]})
    filler = live._run.bound.filler
    kept = pa.table({"code": pa.array(codes, pa.int64()), "x_last": pa.array([0] * len(codes))})
    with pytest.raises(errors.SnapshotError):
        filler.load(kept, done, 2)
    with pytest.raises(errors.SnapshotError):
        filler.load(kept.drop_columns("x_last"), 1, 2)
