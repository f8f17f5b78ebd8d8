"""Sessions, counts and thresholds: the rules at their edges, bad input, and snapshots."""

import dataclasses
import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg, errors
from tidegate.core.state import dump, load

INT64_MAX = 2**63 - 1


def windows(times, window, **options):
    """Give start, end and rows of every window."""
    out = tg.aggregate(pa.table({"t": times}), window, agg.rows(), on="t", **options)
    names = ("window_start", "window_end", "rows")
    return [tuple(row[name] for name in names) for row in out.to_pylist()]


# Sessions


def test_row_exactly_a_gap_later_opens_the_next_session():
    assert windows([0, 9, 19], tg.Session(10)) == [(0, 19, 2), (19, 29, 1)]


def test_row_between_two_sessions_makes_them_one():
    assert windows([0, 15, 8], tg.Session(10)) == [(0, 25, 3)]


def test_row_as_far_as_the_gap_from_one_of_two_joins_the_other():
    assert windows([0, 16, 10], tg.Session(10)) == [(0, 10, 1), (10, 26, 2)]


def test_a_session_that_was_made_of_two_goes_on():
    times = [0, 15, 8, 1, 15, 24, 40]
    assert windows(times, tg.Session(10)) == [(0, 34, 6), (40, 50, 1)]


def test_sessions_are_of_a_key():
    rows = {"t": [0, 5, 6, 30], "k": ["a", "b", "a", "b"]}
    out = tg.aggregate(rows, tg.Session(10), agg.rows(), on="t", by="k")
    assert list(zip(out["k"], out["window_end"], out["rows"], strict=True)) == [
        ("b", 15, 1),
        ("a", 16, 2),
        ("b", 40, 1),
    ]


def test_session_is_closed_when_the_watermark_comes_to_its_end():
    live = tg.Aggregator(tg.Session(10), agg.rows(), on="t", lateness=3)
    assert live.push({"t": [0, 12]}).num_rows == 0
    assert live.push({"t": [13]})["window_end"].to_pylist() == [10]
    assert live.advance(22).num_rows == 0  # 13 made it longer
    assert live.watermark == 22
    assert live.flush()["rows"].to_pylist() == [2]


def test_row_is_late_when_its_own_session_is_closed_and_it_joins_no_other():
    live = tg.Aggregator(tg.Session(10), agg.rows(), on="t", lateness=0)
    live.push({"t": [30]})
    live.push({"t": [20, 21]})  # the first is late, the second joins the open session
    late = live.take_late().to_pylist()
    assert [(row["t"], row["window_start"], row["window_end"]) for row in late] == [(20, 20, 30)]
    assert late[0]["late_by"] == 10
    assert live.flush()["window_start"].to_pylist() == [21]


def test_row_near_a_closed_session_opens_one_while_its_own_would_be_open():
    live = tg.Aggregator(tg.Session(10), agg.rows(), on="t", lateness=0)
    live.push({"t": [0, 10]})
    live.push({"t": [3]})
    assert live.flush()["window_start"].to_pylist() == [3]  # joins that of 10
    live = tg.Aggregator(tg.Session(10), agg.rows(), on="t", lateness=0)
    live.push({"t": [0]})
    live.advance(12)
    live.push({"t": [5]})
    assert live.flush()["window_start"].to_pylist() == [5]


def test_session_never_is_longer_than_max_duration():
    assert windows([0, 5, 10, 11], tg.Session(10, 20)) == [(0, 20, 3), (11, 21, 1)]


def test_row_that_can_join_either_session_joins_the_earlier_one():
    window = tg.Session(10, 20)
    assert windows([0, 14, 7], window) == [(0, 17, 2), (14, 24, 1)]


def test_row_that_would_make_both_too_long_opens_its_own():
    times = [0, 8, 16, 24, 12]
    assert windows(times, tg.Session(10, 18)) == [(0, 18, 2), (12, 22, 1), (16, 34, 2)]


@pytest.mark.parametrize(
    ("times", "gap"),
    [
        (np.array([0, 3, 20], "M8[s]"), "10s"),
        (np.array([0, 3, 20], "M8[s]"), dt.timedelta(seconds=10)),
        (np.array([0, 3_000, 20_000], "M8[ms]"), "10s"),
        ([0.0, 3.0, 20.0], 10.0),
        ([0, 3, 20], 10),
    ],
)
def test_times_and_gaps_of_every_kind(times, gap):
    out = tg.aggregate({"t": times}, tg.Session(gap), agg.rows(), on="t")
    assert out["rows"].tolist() == [2, 1]


def test_float_times_are_close_as_the_end_is_written():
    times = [0.1, 0.1 + 0.2, 0.5000000000000001]  # 0.3… + 0.2 is 0.5
    assert windows(times, tg.Session(0.2)) == [
        (0.1, 0.1 + 0.2, 1),
        (0.1 + 0.2, 0.30000000000000004 + 0.2, 1),
        (0.5000000000000001, 0.5000000000000001 + 0.2, 1),
    ]


def test_time_whose_end_cannot_be_written_is_rejected():
    side = tg.Side()
    times = [INT64_MAX - 10, INT64_MAX - 9, None]
    table = pa.table({"t": pa.array(times, pa.int64())})
    out = tg.aggregate(table, tg.Session(10), agg.rows(), on="t", side=side)
    assert out["window_end"].to_pylist() == [INT64_MAX]
    assert side.late["reason"].to_pylist() == ["time out of range", "null time"]
    floats = {"t": [1e300, math.inf, math.nan]}
    tg.aggregate(floats, tg.Session(1.0), agg.rows(), on="t", side=side)
    assert side.late["reason"].to_pylist() == ["time out of range"] * 2 + ["nan time"]


# Counts


def test_last_window_is_shorter_unless_only_whole_ones_are_wanted():
    times = [3, 1, 2, 5, 4]
    assert windows(times, tg.Count(2)) == [(1, 2, 2), (3, 4, 2), (5, 5, 1)]
    assert windows(times, tg.Count(2, complete_only=True)) == [(1, 2, 2), (3, 4, 2)]


def test_windows_overlap_or_leave_rows_out():
    times = [0, 1, 2, 3, 4]
    overlapping = [(0, 2, 3), (1, 3, 3), (2, 4, 3), (3, 4, 2), (4, 4, 1)]
    assert windows(times, tg.Count(3, 1)) == overlapping
    assert windows(times, tg.Count(1, 2)) == [(0, 0, 1), (2, 2, 1), (4, 4, 1)]


def test_rows_wait_for_the_watermark_and_come_in_order_of_time():
    live = tg.Aggregator(tg.Count(2), on="t", lateness=5, all=agg.collect("x"))
    assert live.push({"t": [3, 1, 2], "x": [3.0, 1.0, 2.0]}).num_rows == 0
    assert live.stats.pending == 3
    assert live.push({"t": [8], "x": [8.0]})["all"].to_pylist() == [[1.0, 2.0]]
    assert live.stats.pending == 2
    assert live.stats.used == 2
    assert live.push({"t": [2], "x": [9.0]}).num_rows == 0
    late = live.take_late().to_pylist()
    assert [(row["t"], row["late_by"], row["window_start"]) for row in late] == [(2, 1, None)]
    assert live.flush()["all"].to_pylist() == [[3.0, 8.0]]


def test_rows_of_one_time_stay_in_order_of_arrival():
    out = tg.aggregate({"t": [1, 0, 1, 0], "x": [1, 2, 3, 4]}, tg.Count(2), agg.last("x"), on="t")
    assert out["x_last"].tolist() == [4, 3]


# Thresholds


def bars(sizes, *arguments, column="size", **options):
    """Give the sizes of the rows of every bar."""
    table = pa.table({"t": range(len(sizes)), "size": sizes, "two": [2] * len(sizes)})
    window = tg.Threshold(column, *arguments, **options)
    return tg.aggregate(table, window, on="t", all=agg.collect("size"))["all"].to_pylist()


def test_row_that_reaches_the_limit_is_of_the_bar():
    assert bars([4, 6, 3, 8, 1], 10) == [[4, 6], [3, 8], [1]]
    assert bars([4, 6, 3, 8, 1], 10, complete_only=True) == [[4, 6], [3, 8]]


def test_what_is_beyond_the_limit_is_dropped_carried_or_split():
    sizes = [4, 29, 3, 5, 2]
    assert bars(sizes, 10) == [[4, 29], [3, 5, 2]]
    assert bars(sizes, 10, overshoot="carry") == [[4, 29], [3, 5], [2]]
    assert bars(sizes, 10, overshoot="split") == [[4, 29], [29], [29], [3, 5], [2]]


def test_products_of_two_columns_are_added_up():
    assert bars([4, 6, 3, 8, 1], 20, column=("size", "two")) == [[4, 6], [3, 8], [1]]


def test_ten_times_a_tenth_is_one():
    assert bars([0.1] * 20, 1) == [[0.1] * 10] * 2
    assert bars([0.1] * 20, 1, overshoot="carry") == [[0.1] * 10] * 2


def test_integers_are_added_up_without_loss():
    sizes = [2**62, 2**62 - 1, 1, 5]
    assert bars(sizes, INT64_MAX) == [sizes[:2], [1, 5]]
    assert bars([2**53, 1, 7], 2**53 + 1) == [[2**53, 1], [7]]


def test_limit_between_integers_is_reached_by_the_next_one():
    assert bars([1, 1, 1, 1], 1.5) == [[1, 1], [1, 1]]


def test_nulls_add_nothing_and_negative_values_take_away():
    assert bars([4, None, -3, 8, 1], 9) == [[4, -3, 8], [1]]
    assert bars([4.0, None, -3.0, 8.0, 1.0], 9) == [[4.0, -3.0, 8.0], [1.0]]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 2.0**480])
def test_value_that_no_sum_comes_back_from_is_an_error(bad):
    live = tg.Aggregator(tg.Threshold("size", 10), agg.rows(), on="t")
    live.push({"t": [0], "size": [1.0]})
    with pytest.raises(errors.InputError, match=r"row 2: column 'size' is .*cannot add up"):
        live.push({"t": [1, 2], "size": [1.0, bad]})
    assert live.stats.rows_in == 1
    assert live.flush()["rows"].to_pylist() == [1]


def test_missing_nan_adds_nothing():
    table = pa.table({"t": [0, 1, 2], "size": [4.0, math.nan, 6.0]})
    out = tg.aggregate(table, tg.Threshold("size", 10), agg.rows(), on="t", nan="missing")
    assert out["rows"].to_pylist() == [3]


def test_row_that_would_make_too_many_bars_is_an_error():
    live = tg.Aggregator(tg.Threshold("size", 1, overshoot="split"), agg.rows(), on="t")
    with pytest.raises(errors.LimitError, match="max_overlap"):
        live.push({"t": [0], "size": [1e9]})
    assert live.stats.rows_in == 0


def test_column_that_cannot_be_added_up_is_an_error():
    for column in (["a"], np.array([1], "M8[s]")):
        with pytest.raises(errors.ColumnTypeError, match="size"):
            tg.aggregate({"t": [0], "size": column}, tg.Threshold("size", 1), agg.rows(), on="t")
    with pytest.raises(errors.ColumnNotFoundError, match="size"):
        tg.aggregate({"t": [0]}, tg.Threshold("size", 1), agg.rows(), on="t")


# What is no window


@pytest.mark.parametrize(
    "make",
    [
        lambda: tg.Count(0),
        lambda: tg.Count(2.0),
        lambda: tg.Count(True),
        lambda: tg.Count(2, 0),
        lambda: tg.Count(2, complete_only=1),
        lambda: tg.Threshold("x", 0),
        lambda: tg.Threshold("x", -1),
        lambda: tg.Threshold("x", math.nan),
        lambda: tg.Threshold("x", math.inf),
        lambda: tg.Threshold("x", "10"),
        lambda: tg.Threshold("x", True),
        lambda: tg.Threshold(("x", "y", "z"), 1),
        lambda: tg.Threshold(("x", 1), 1),
        lambda: tg.Threshold(7, 1),
        lambda: tg.Threshold("x", 1, overshoot="keep"),
        lambda: tg.Threshold("x", 1, complete_only="yes"),
    ],
)
def test_what_is_no_window_is_an_error(make):
    with pytest.raises(errors.WindowError, match=r"give|choose|named"):
        make()


@pytest.mark.parametrize(
    ("window", "says"),
    [
        (tg.Session(0), "gap is 0"),
        (tg.Session(-5), "gap is -5"),
        (tg.Session(math.inf), "gap is inf"),
        (tg.Session(10, 9), "max_duration is 9, less than the gap 10"),
        (tg.Session(10, 0), "max_duration is 0"),
    ],
)
def test_session_that_cannot_be_is_an_error(window, says):
    with pytest.raises(errors.WindowError, match=says):
        tg.aggregate({"t": [0]}, window, agg.rows(), on="t")
    with pytest.raises(errors.DurationError, match=r"unit|whole"):
        tg.aggregate({"t": np.array([0], "M8[s]")}, tg.Session("1ms"), agg.rows(), on="t")


@pytest.mark.parametrize("window", [tg.Count(2), tg.Threshold("x", 1)])
def test_bars_take_no_corrections(window):
    with pytest.raises(errors.InputError, match=r"allowed_lateness .* would move every later"):
        tg.Aggregator(window, agg.rows(), on="t", allowed_lateness=5)


@pytest.mark.parametrize(
    "window",
    [
        tg.Session("10s", "1h"),
        tg.Session(10),
        tg.Count(5, 2, complete_only=True),
        tg.Threshold(("price", "size"), 1.5, overshoot="split", complete_only=True),
        tg.Threshold("size", 10),
    ],
    ids=repr,
)
def test_plan_goes_to_json_and_back(window):
    plan = tg.Aggregator(window, agg.rows(), on="t", by="k").plan
    assert tg.Plan.from_json(plan.to_json()) == plan
    assert dataclasses.replace(plan) == plan


# Streams


def stream(window, **options):
    """Make an aggregator of about everything."""
    return tg.Aggregator(
        window,
        on="t",
        by="k",
        rows=agg.rows(),
        mean=agg.mean("x"),
        std=agg.std("x"),
        middle=agg.median("x"),
        all=agg.collect("q"),
        last=agg.last("q"),
        **options,
    )


def events(seed, n=300, keys="abc", disorder=30):
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "t": np.cumsum(rng.integers(0, 6, n)) - rng.integers(0, disorder, n),
            "k": rng.choice(list(keys), n),
            "x": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.1),
            "q": rng.integers(0, 50, n),
            "size": rng.integers(0, 9, n).astype(float),
        }
    )


WINDOWS = [
    tg.Session(7),
    tg.Session(9, 25),
    tg.Count(4),
    tg.Count(5, 2),
    tg.Threshold("q", 90, overshoot="carry"),
    tg.Threshold(("x", "q"), 20),
    tg.Threshold("size", 2.5, overshoot="split"),
]
every_window = pytest.mark.parametrize("window", WINDOWS, ids=repr)


@every_window
def test_aggregators_over_other_keys_merge_into_what_one_would_have_said(window):
    table = events(1)
    whole = stream(window, lateness=40)
    expected = [whole.push(table), whole.flush()]
    parts = []
    for keys in ("a", "bc"):
        live = stream(window, lateness=40)
        mine = pa.array([k in keys for k in table["k"].to_pylist()])
        live.push(table.filter(mine), take=False)
        parts.append(live)
    parts[0].merge(parts[1])
    got = [parts[0].take(), parts[0].flush()]
    assert parts[0].stats == whole.stats
    order = [("window_end", "ascending"), ("k", "ascending"), ("window_start", "ascending")]
    assert_same_bits(*(pa.concat_tables(said).sort_by(order) for said in (got, expected)))


@every_window
def test_keys_in_both_are_refused_and_nothing_changes(window):
    one, other = stream(window, lateness=10_000), stream(window, lateness=10_000)
    one.push(events(1, 50))
    other.push(events(2, 50))
    expected = tg.Aggregator.restore(one.snapshot()).flush()
    with pytest.raises(errors.MergeError):
        one.merge(other)
    assert_same_bits(one.flush(), expected)


@every_window
def test_batch_with_a_late_row_is_refused_whole(window):
    live = stream(window, lateness=40, late="raise")
    live.push(events(1, 100))
    before = live.snapshot()
    next_ones = events(3, 20)
    times = [t + 300 for t in next_ones["t"].to_pylist()]
    times[10] = -999
    with pytest.raises(errors.LateRowError, match="row 110 is late: its time -999"):
        live.push(next_ones.set_column(0, "t", pa.array(times)))
    assert live.snapshot() == before
    times[10] = times[11]
    live.push(next_ones.set_column(0, "t", pa.array(times)))
    assert live.stats.rows_in == 120


@every_window
def test_batch_beyond_a_limit_is_refused_whole(window):
    limits = tg.Limits(max_open=3, max_look_back=150)
    live = stream(window, lateness=None, limits=limits)
    live.push(events(1, 10, keys="a", disorder=1).set_column(0, "t", pa.array([0] * 10)))
    before = live.snapshot()
    with pytest.raises(errors.LimitError, match=r"max_open|max_look_back"):
        live.push(events(2, 200, keys="abcdefg"))
    assert live.snapshot() == before
    assert live.flush().num_rows


@every_window
@pytest.mark.parametrize("by", [None, "k"])
def test_rows_of_a_window_can_be_traced(window, by):
    table = events(11, 200)
    total = {"rows": agg.rows(), "all": agg.collect("q"), "mean": agg.mean("x")}
    out = tg.aggregate(table, window, on="t", by=by, lineage=True, **total)
    assert_same_bits(
        out.drop_columns(["row_ranges"]), tg.aggregate(table, window, on="t", by=by, **total)
    )
    for row in out.to_pylist():
        rows = tg.trace(table, row["row_ranges"]).to_pylist()
        assert [each["q"] for each in sorted(rows, key=lambda each: each["t"])] == row["all"]
        assert all(row["window_start"] <= each["t"] <= row["window_end"] for each in rows)
        assert by is None or {each["k"] for each in rows} == {row["k"]}


@every_window
def test_push_row_takes_the_columns_of_the_window_too(window):
    table = events(5, 60)
    live, rows = stream(window, lateness=3), stream(window, lateness=3, schema=table.schema)
    names = ["t", "k", "x", "q"]
    if isinstance(window, tg.Threshold) and "size" in window.columns:
        names.append("size")
    pushed = live.push(table)
    for row in table.select(names).to_pylist():
        rows.push_row(*row.values())
    assert_same_bits(rows.take(), pushed)
    assert rows.stats == live.stats
    assert_same_bits(rows.flush(), live.flush())


@every_window
@settings(max_examples=settings().max_examples // 4)
@given(data=st.data())
def test_what_was_forged_is_refused_or_harmless(window, data):
    live = stream(window, lateness=40)
    live.push(events(7, 80, keys="ab"))
    bound = live._run.bound
    whole = dump(bound.state)
    part = data.draw(st.sampled_from(["panes", "codes", "records", "kept"]))
    forged = getattr(whole, part).copy()
    if len(forged):
        place = data.draw(st.integers(0, len(forged) - 1))
        numbers = st.sampled_from([0, 1, -1, 2, 2**31 - 1, 2**62, 2**63 - 1, -(2**63)])
        forged[place] = np.int64(data.draw(numbers)).astype(forged.dtype)
    if data.draw(st.booleans()):
        forged = forged[: data.draw(st.integers(0, len(forged)))]
    state = bound.new_state()
    if load(state, whole._replace(**{part: forged}), bound.n_keys) < 0:
        state.close(INT64_MAX)
        assert state.n_results >= 0


@pytest.mark.parametrize("window", [tg.Session(3), tg.Count(4), tg.Threshold("x", 30)], ids=repr)
def test_many_sessions_in_any_order_cost_no_square(window):
    rng = np.random.default_rng(3)
    n = 60_000
    order = rng.permutation(n)
    table = pa.table({"t": 5 * order, "x": np.full(n, 10.0)})
    out = tg.aggregate(table, window, agg.rows(), on="t")
    assert sum(out["rows"].to_pylist()) == n
    ends = out["window_end"].to_numpy()
    assert (np.diff(ends) >= 0).all()


@pytest.mark.parametrize("is_float", [False, True], ids=["integers", "floats"])
@pytest.mark.parametrize("jump", [0, 2**33], ids=["steady", "with jumps"])
@pytest.mark.parametrize(
    ("first", "step"),
    [(0, 1), (-(2**20), 300), (2**40 - 5, 70_001), (-(2**63) + 2**50, 2**17), (2**51, 2**33)],
)
def test_sessions_of_more_keys_than_rows_are_found_in_a_line(first, step, jump, is_float):
    # So many keys, in batches so small, that looking at all of them would not pay.
    rng = np.random.default_rng(5)
    n, n_keys, size = 30_000, 6_000, 100
    jumps = np.repeat((rng.random(n // size) < 0.05) * jump * step, size).cumsum()
    shuffle = np.arange(n) + rng.integers(-25, 25, n) * (rng.random(n) < 0.3)
    times = first + step * (shuffle + jumps // step)
    if is_float:
        times = times.astype(float)
    table = pa.table({"t": times, "k": rng.integers(0, n_keys, n), "x": rng.normal(size=n)})
    plan = {"on": "t", "by": "k", "mean": agg.mean("x"), "rows": agg.rows()}
    window = tg.Session(9000 * step, 20_000 * step)
    live = tg.Aggregator(window, lateness=50 * step, **plan)
    parts = [live.push(table.slice(at, size)) for at in range(0, n, size)]
    assert live.stats.late == 0
    parts.append(live.flush())
    whole = tg.aggregate(table, window, **plan)
    assert whole.num_rows > 2 * n_keys
    assert_same_bits(pa.concat_tables(parts), whole)


def test_sessions_in_a_line_bridge_and_are_corrected():
    rng = np.random.default_rng(6)
    n, n_keys, size = 30_000, 6_000, 100
    late = np.arange(n) - rng.integers(0, 4000, n) * (rng.random(n) < 0.1)
    table = pa.table({"t": late, "k": rng.integers(0, n_keys, n), "x": rng.normal(size=n)})
    plan = {"on": "t", "by": "k", "mean": agg.mean("x"), "rows": agg.rows()}
    whole = tg.aggregate(table, tg.Session(3000), **plan)
    parts = []
    for time in ({"lateness": 4000}, {"allowed_lateness": 4000}):
        live = tg.Aggregator(tg.Session(3000), **plan, **time)
        out = [live.push(table.slice(at, size)) for at in range(0, n, size)]
        assert live.stats.late == 0
        parts.append(pa.concat_tables([*out, live.flush()]))
    patient, quick = parts
    assert_same_bits(patient, whole)
    last: dict[int, dict[tuple[int, int], tuple[int, float]]] = {}
    for row in quick.to_pylist():
        begin, end = row["window_start"], row["window_end"]
        mine = last.setdefault(row["k"], {})
        for other in [other for other in mine if begin <= other[0] and other[1] <= end]:
            del mine[other]
        mine[begin, end] = row["rows"], row["mean"]
    assert any(row["revision"] for row in quick.to_pylist())
    for row in whole.to_pylist():
        mine = last[row["k"]].pop((row["window_start"], row["window_end"]))
        assert mine == (row["rows"], row["mean"])
    assert not any(last.values())


@pytest.mark.parametrize("n_rows", range(4, 14))
def test_unfinished_windows_of_one_time_come_out_as_they_began(n_rows):
    window = tg.Count(4, every=1)
    rows = {"t": [0] * n_rows}
    whole = tg.aggregate(rows, window, on="t", n=agg.rows())["n"].tolist()
    assert whole == [4] * (n_rows - 3) + [3, 2, 1]
    live = tg.Aggregator(window, on="t", lateness=None, n=agg.rows())
    for _ in range(n_rows):
        live.push({"t": [0]})
        live = tg.Aggregator.restore(live.snapshot())
    assert live.flush()["n"].to_pylist() == whole


@pytest.mark.parametrize(
    ("overshoot", "n"),
    [("drop", [2, 2, 1]), ("carry", [2, 1, 1, 1]), ("split", [2, 1, 1, 1])],
)
def test_integers_reach_a_limit_that_is_none(overshoot, n):
    # 2 + 2 = 4 reaches 2.5, 1.5 are left; 1.5 + 2 = 3.5, 1 is left; 1 + 2 = 3, 0.5 are left.
    rows = {"t": [1, 2, 3, 4, 5], "q": [2, 2, 2, 2, 1]}
    window = tg.Threshold("q", 2.5, overshoot=overshoot)
    assert tg.aggregate(rows, window, on="t", n=agg.rows())["n"].tolist() == n


def test_what_is_carried_of_a_sum_of_many_limits_is_exact():
    # 2**53 * 9 - 9 is no float64, and its quotient by the limit has more bits than one.
    rows = {"t": [0, 0, 0, 0], "p": [1.0, 2.0**53, 0.0, 0.0], "q": [-9, 9, 0, 0]}
    window = tg.Threshold(("p", "q"), 1, overshoot="carry")
    assert tg.aggregate(rows, window, agg.rows(), on="t")["rows"].tolist() == [2, 2]


@pytest.mark.parametrize("disorder", [1, 40, 70_000, None], ids=str)
@pytest.mark.parametrize(
    "window",
    [tg.Session(2), tg.Count(7, every=3), tg.Threshold("x", 40, overshoot="carry")],
    ids=str,
)
def test_rows_out_of_order_are_taken_in_order_of_time(window, disorder):
    rng = np.random.default_rng(12)
    n = 80_000  # more than are taken at a time
    times = np.cumsum(rng.integers(0, 3, n))
    moved = (
        rng.permutation(n)
        if disorder is None
        else np.argsort(np.arange(n) + rng.integers(0, disorder, n), kind="stable")
    )
    data = pa.table({"t": times, "k": rng.integers(0, 40, n), "x": rng.integers(0, 20, n)})
    data = data.take(moved)
    ordered = data.take(np.argsort(data["t"].to_numpy(), kind="stable"))
    for by in (None, "k"):
        options = {"on": "t", "by": by, "n": agg.rows(), "s": agg.sum("x")}
        out = tg.aggregate(data, window, **options)
        names = [by] if by else []
        sort = [(name, "ascending") for name in ("window_end", "window_start", *names, "n", "s")]
        assert out.sort_by(sort).equals(tg.aggregate(ordered, window, **options).sort_by(sort))


@pytest.mark.parametrize("window", [tg.Session(5), tg.Count(2), tg.Threshold("x", 2)], ids=str)
def test_rows_may_be_out_of_order_by_more_than_a_duration_can_be(window):
    times = [3, INT64_MAX - 20, -(2**63) + 20, 0, -(2**63) + 21, INT64_MAX - 22]
    data = pa.table({"t": pa.array(times), "x": [1] * 6})
    out = tg.aggregate(data, window, on="t", n=agg.rows(), s=agg.sum("x"))
    assert out["n"].to_pylist() == [2, 2, 2]
    assert out["window_start"].to_pylist() == [-(2**63) + 20, 0, INT64_MAX - 22]
