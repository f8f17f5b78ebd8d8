"""`AsofJoin`: the same answer bit by bit, whatever the cuts and the order of the two streams."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.asof import joined
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import errors

DIRECTIONS = ("backward", "forward", "nearest")
RIGHT = {
    "v": pa.int64(),
    "i2": pa.int16(),
    "f": pa.float64(),
    "text": pa.string(),
    "view": pa.string_view(),
    "flag": pa.bool_(),
    "wide": pa.decimal128(30, 2),
    "list": pa.list_(pa.int8()),
    "word": pa.dictionary(pa.int32(), pa.string()),
}
KEYS = {"k": (pa.string(), ["a", "b", None]), "n": (pa.int64(), [0, 1, 2**62, None])}


@st.composite
def streams(draw, *, max_rows=25):
    """Draw two streams, the options of a join, and a way to feed them."""
    is_float = draw(st.booleans())
    by = draw(st.lists(st.sampled_from(list(KEYS)), max_size=2, unique=True))
    step = st.integers(-3, 4)
    tables = []
    for side in range(2):
        n = draw(st.integers(0, max_rows))
        at, times = draw(st.integers(-5, 5)), []
        for move in draw(st.lists(step, min_size=n, max_size=n)):
            at += move
            times.append(at)
        for row in draw(st.sets(st.integers(0, max_rows), max_size=2)):
            if row < n:
                times[row] = None if draw(st.booleans()) or not is_float else math.nan
        columns = {
            "t": pa.array(times, pa.float64() if is_float else pa.int64(), from_pandas=False)
        }
        for name in by:
            kind, values = KEYS[name]
            keys = draw(st.lists(st.sampled_from(values), min_size=n, max_size=n))
            columns[name] = pa.array(keys, kind)
        table = pa.table(columns)
        tables.append(table if side == 0 else with_values(table))
    options = {
        "direction": draw(st.sampled_from(DIRECTIONS)),
        "tolerance": draw(st.sampled_from([None, 0, 1, 3])),
        "allow_exact_matches": draw(st.booleans()),
    }
    pushes = draw(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=12))
    return tables[0], tables[1], by, draw(st.sampled_from([0, 0, 2, 5, None])), options, pushes


def with_values(table):
    """Add columns of all kinds, in which no two rows are the same, to the right rows."""
    numbers = list(range(table.num_rows))
    values = {
        "v": numbers,
        "i2": [None if n % 3 == 0 else n for n in numbers],
        "f": [n / 4 for n in numbers],
        "text": [None if n % 5 == 0 else "x" * n for n in numbers],
        "view": ["y" * n for n in numbers],
        "flag": [n % 2 == 0 for n in numbers],
        "wide": numbers,
        "list": [[n] * (n % 3) for n in numbers],
        "word": [f"w{n % 4}" for n in numbers],
    }
    for name, kind in RIGHT.items():
        array = pa.array(values[name], pa.string() if name in ("view", "word") else None)
        if name == "word":
            array = array.dictionary_encode()
        table = table.append_column(name, array.cast(kind))
    return table


def feed(left, right, pushes, **options):
    """Feed two streams to a join in some way; give what it answered, and the join."""
    live = tg.AsofJoin(on="t", left_schema=left.schema, right_schema=right.schema, **options)
    parts, at = [], [0, 0]
    for is_left, size in [*pushes, (True, left.num_rows), (False, right.num_rows)]:
        table, push = (left, live.push_left) if is_left else (right, live.push_right)
        begin = at[not is_left]
        parts.append(push(table.slice(begin, size)))
        at[not is_left] = min(begin + size, table.num_rows)
        assert_counts(live.stats)
    parts.append(live.flush())
    assert_counts(live.stats)
    return pa.concat_tables(parts), live


def assert_counts(stats):
    """Hold the counts to what they promise."""
    for side in stats:
        assert side.rows_in == side.used + side.late + side.rejected + side.pending


def on_time(table, lateness):
    """Split the numbers of rows into those on time and those that are late, one by one."""
    largest, kept, late = None, [], []
    for number, time in enumerate(table["t"].to_pylist()):
        if time is None or time != time:
            kept.append(number)
            continue
        is_late = lateness is not None and largest is not None and time < largest - lateness
        (late if is_late else kept).append(number)
        largest = time if largest is None else max(largest, time)
    return kept, late


@given(streams(), st.booleans())
def test_any_cut_and_order_says_what_one_shot_says_of_the_rows_on_time(drawn, eager):
    left, right, by, lateness, options, pushes = drawn
    with pytest.MonkeyPatch.context() as patch:
        if eager:  # to forget, and to look again
            patch.setattr("tidegate.core.joins.asofjoint.LITTLE", 0)
            patch.setattr("tidegate.core.joins.asofjoint.FIRST_LOOK", 1)
        got, live = feed(left, right, pushes, by=by, lateness=lateness, **options)
    kept, late = on_time(left, lateness)
    there, gone = on_time(right, lateness)
    rows = left.take(pa.array(kept, pa.int64()))
    others = rows_of(right, there)
    expected = tg.asof_join(rows, others, on="t", by=by, **options)
    assert_same_values(got, expected)
    exact = options.pop("allow_exact_matches")
    found = joined(
        rows.to_pylist(), others.select(["t", *by]).to_pylist(), by=by, exact=exact, **options
    )
    assert got["v"].to_pylist() == [None if n is None else there[n] for n in found]
    side = live.take_late("left")
    assert side["row"].to_pylist() == late
    side = live.take_late()
    timeless = [
        n for n in there if right["t"][n].as_py() is None or math.isnan(right["t"][n].as_py())
    ]
    assert side["row"].to_pylist() == sorted(gone + timeless)
    assert live.stats.left == (left.num_rows, len(kept), len(late), 0, 0)
    used = len(there) - len(timeless)
    assert live.stats.right == (right.num_rows, used, len(gone), len(timeless), 0)


def rows_of(table, rows):
    """Take rows of a table, views too."""
    parts = [table.slice(row, 1) for row in rows]
    return pa.concat_tables([table.slice(0, 0), *parts])


def assert_same_values(got, expected):
    """Hold a join to another: bits, or values where the dictionary may have another order."""
    assert got.schema.equals(expected.schema)
    plain = [n for n in got.column_names if n not in ("word", "list", "view")]
    assert_same_bits(got.select(plain), expected.select(plain))
    for name in ("word", "list", "view"):
        assert got[name].to_pylist() == expected[name].to_pylist()
    got.validate(full=True)


@given(
    st.integers(0, 2**32),
    st.sampled_from(DIRECTIONS),
    st.sampled_from([None, 0, 40, 5000]),
    st.sampled_from([0, 20, 300]),
    st.sampled_from([0, 3, 400]),
    st.booleans(),
)
def test_long_streams_forget_and_still_say_the_same(
    seed, direction, tolerance, lateness, n_keys, exact
):
    rng = np.random.default_rng(seed)
    tables = []
    for n in (6000, 9000):
        times = np.cumsum(rng.integers(0, 4, n)) - rng.integers(0, lateness + 2, n)
        columns = {"t": times, "k": rng.integers(0, n_keys + 1, n)}
        tables.append(pa.table(columns))
    left, right = tables
    right = right.append_column("v", pa.array(np.arange(9000), mask=rng.random(9000) < 0.1))
    right = right.append_column("s", pa.array([f"s{n}" for n in range(9000)]))
    by = "k" if n_keys else None
    right = right if by else right.drop_columns(["k"])
    pushes = [(bool(rng.integers(2)), int(rng.integers(0, 900))) for _ in range(30)]
    options = {
        "direction": direction,
        "tolerance": tolerance,
        "by": by,
        "allow_exact_matches": exact,
    }
    got, _ = feed(left, right, pushes, lateness=lateness, **options)
    expected = tg.asof_join(
        rows_at(left, on_time(left, lateness)[0]),
        rows_at(right, on_time(right, lateness)[0]),
        on="t",
        **options,
    )
    assert_same_bits(got, expected)


def rows_at(table, rows):
    """Take rows of a table."""
    return table.take(pa.array(rows, pa.int64()))


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("by", [None, "k"])
def test_state_does_not_grow_with_the_streams(direction, by, rng):
    n, size = 60_000, 1000
    left = pa.table({"t": np.sort(rng.integers(0, n, n)), "k": rng.integers(0, 50, n)})
    right = pa.table({"t": np.sort(rng.integers(0, n, n)), "k": rng.integers(0, 50, n)})
    right = right.append_column("v", pa.array(np.arange(n)))
    right = right if by else right.drop_columns(["k"])
    live = tg.AsofJoin(on="t", by=by, direction=direction, max_rows=8 * size)
    parts = []
    for begin in range(0, n, size):
        parts.append(live.push_right(right.slice(begin, size)))
        parts.append(live.push_left(left.slice(begin, size)))
    assert sum(part.num_rows for part in parts) > n - 3 * size
    parts.append(live.flush())
    parts = [part for part in parts if part.num_rows]
    expected = tg.asof_join(left, right, on="t", by=by, direction=direction)
    assert_same_bits(pa.concat_tables(parts), expected)


# --------------------------------------------------------------------------- when rows are answered


def answers(live, pushes):
    """Push single rows; give how many rows each push answered."""
    said = []
    for side, time in pushes:
        rows = {"t": [time]} if side == "left" else {"t": [time], "v": [time]}
        push = live.push_left if side == "left" else live.push_right
        said.append(push(rows).num_rows)
    return said


def test_backward_waits_until_no_row_at_its_time_can_come():
    pushes = [("right", 5), ("left", 5), ("right", 5), ("right", 6)]
    assert answers(tg.AsofJoin(on="t"), pushes) == [0, 0, 0, 1]
    live = tg.AsofJoin(on="t", allow_exact_matches=False)
    assert answers(live, pushes) == [0, 1, 0, 0]
    live = tg.AsofJoin(on="t", lateness=2)
    assert answers(live, [*pushes, ("right", 7), ("right", 8)]) == [0, 0, 0, 0, 0, 1]


def test_forward_waits_for_its_match_to_be_certain():
    pushes = [("left", 5), ("right", 4), ("right", 7), ("left", 7)]
    assert answers(tg.AsofJoin(on="t", direction="forward"), pushes) == [0, 0, 1, 1]
    live = tg.AsofJoin(on="t", direction="forward", lateness=2)
    assert answers(live, [*pushes, ("right", 8), ("right", 9)]) == [0, 0, 0, 0, 0, 2]
    live = tg.AsofJoin(on="t", direction="forward", by="k", tolerance=2)
    assert live.push_left({"t": [5], "k": ["quiet"]}).num_rows == 0
    assert live.push_right({"t": [7], "k": ["loud"], "v": [1]}).num_rows == 0
    assert live.push_right({"t": [8], "k": ["loud"], "v": [1]})["v"].to_pylist() == [None]


def test_nearest_is_certain_when_the_row_after_can_only_be_as_far():
    pushes = [("right", 2), ("left", 5), ("right", 7)]
    assert answers(tg.AsofJoin(on="t", direction="nearest"), pushes) == [0, 0, 1]
    pushes = [("right", 5), ("left", 5), ("right", 5), ("right", 6)]
    assert answers(tg.AsofJoin(on="t", direction="nearest"), pushes) == [0, 0, 0, 1]
    live = tg.AsofJoin(on="t", direction="nearest", by="k")
    assert live.push_left({"t": [5], "k": ["a"]}).num_rows == 0
    assert live.push_right({"t": [2], "k": ["a"], "v": [2]}).num_rows == 0
    assert live.push_right({"t": [7], "k": ["b"], "v": [7]}).num_rows == 0
    assert live.push_right({"t": [8], "k": ["b"], "v": [8]})["v"].to_pylist() == [2]


def test_a_row_waits_for_those_before_it():
    live = tg.AsofJoin(on="t", lateness=6)
    pushes = [("right", 0), ("left", 9), ("left", 3), ("right", 11), ("right", 15), ("right", 16)]
    assert answers(live, pushes) == [0, 0, 0, 0, 0, 2]


def test_a_right_row_within_the_lateness_goes_before_those_that_came_before_it():
    live = tg.AsofJoin(on="t", by="k", lateness=10)
    live.push_left({"t": [100, 100], "k": ["a", "b"]})
    for time, key in ((60, "a"), (52, "b"), (53, "a")):
        live.push_right({"t": [time], "k": [key], "v": [time]})
    assert live.flush()["v"].to_pylist() == [60, 52]


def test_what_is_just_within_the_tolerance_is_not_forgotten(monkeypatch):
    monkeypatch.setattr("tidegate.core.joins.asofjoint.LITTLE", 0)
    live = tg.AsofJoin(on="t", by="k", tolerance=2)
    live.push_right({"t": [2, 3, 10], "k": ["b", "a", "b"], "v": [2, 3, 10]})
    for _ in range(3):
        assert live.push_left({"t": [5, 5], "k": ["a", "b"]})["v"].to_pylist() == [3, None]


def test_advance_answers_when_the_right_side_is_quiet():
    live = tg.AsofJoin(on="t")
    with pytest.raises(errors.InputError, match="not known"):
        live.advance(3)
    assert answers(live, [("right", 1), ("left", 5)]) == [0, 0]
    assert live.watermark == 1
    assert live.advance(5).num_rows == 0
    assert live.advance(6)["v"].to_pylist() == [1]
    assert live.advance(2).num_rows == 0
    assert live.watermark == 6
    assert live.push_right({"t": [5, 6], "v": [5, 6]}).num_rows == 0
    assert live.take_late().to_pylist() == [
        {"t": 5, "v": 5, "row": 1, "reason": "late", "late_by": 1}
    ]
    with pytest.raises(errors.ColumnTypeError, match="no such time"):
        live.advance("soon")
    for nothing in (math.nan, np.datetime64("NaT")):
        with pytest.raises(errors.InputError, match="no time"):
            live.advance(nothing)


def test_rows_without_a_time_come_out_in_their_place():
    live = tg.AsofJoin(on="t")
    assert live.push_right({"t": [1.0, None, math.nan], "v": [1, 2, 3]}).num_rows == 0
    assert live.push_left({"t": [None, 2.0, math.nan]}).num_rows == 1
    out = live.push_right({"t": [3.0], "v": [4]})
    assert out["v"].to_pylist() == [1, None]
    assert live.take_late()["reason"].to_pylist() == ["null time", "nan time"]
    assert live.take_late().num_rows == 0
    assert live.stats.right == (4, 2, 0, 2, 0)


def test_late_rows_can_be_dropped():
    live = tg.AsofJoin(on="t", late="drop")
    answers(live, [("right", 5), ("right", 4), ("left", 9), ("left", 8)])
    assert live.take_late().num_rows == live.take_late("left").num_rows == 0
    assert live.stats.left == (2, 0, 1, 0, 1)
    assert live.stats.right == (2, 1, 1, 0, 0)


def test_how_late_a_row_is_does_not_overflow():
    live = tg.AsofJoin(on="t")
    answers(live, [("right", 2**63 - 1), ("right", -(2**63)), ("left", 1)])
    assert live.take_late()["late_by"].to_pylist() == [2**63 - 1]


def test_timestamps_of_other_units():
    left = pa.table({"t": pa.array([1, 2]).cast(pa.timestamp("s"))})
    ms = pa.array([900, 1500, 400, 3000]).cast(pa.timestamp("ms"))
    live = tg.AsofJoin(on="t", lateness="500ms", tolerance=1)
    assert live.push_left(left).num_rows == 0
    out = live.push_right({"t": ms, "v": [1, 2, 3, 4]})
    assert out["v"].to_pylist() == [1, 2]
    assert live.watermark == np.datetime64(2500, "ms")
    late = live.take_late()
    assert late["late_by"].type == pa.duration("ms")
    assert late["late_by"].cast(pa.int64()).to_pylist() == [600]


def test_columns_of_a_side_become_known_with_its_first_batch():
    live = tg.AsofJoin(on="t", by="k")
    assert live.take_late("left").num_columns == 0
    assert live.push_left([{"t": 5, "k": "a"}]).column_names == ["t", "k"]
    assert live.push_left([{"t": 7, "k": None}]).num_rows == 0
    assert live.stats.left == (2, 0, 0, 0, 2)
    out = live.push_right(pa.table({"t": [1, 6], "k": ["a", None], "v": [1, 2]}))
    assert out.to_pylist() == [{"t": 5, "k": "a", "v": 1}]
    assert live.stats.left == (2, 1, 0, 0, 1)
    rest = live.flush()
    assert rest.to_pylist() == [{"t": 7, "k": None, "v": 2}]
    only_left = tg.AsofJoin(on="t")
    only_left.push_left({"t": [1, 2]})
    assert only_left.flush().to_pydict() == {"t": [1, 2]}
    assert tg.AsofJoin(on="t").flush().num_columns == 0


def test_a_batch_without_values_has_the_types_of_the_others():
    live = tg.AsofJoin(on="t")
    live.push_right([{"t": 1, "v": "x"}])
    live.push_right([{"v": None, "t": 2}])
    live.push_left([{"t": 3}, {"t": None}])
    assert live.flush()["v"].to_pylist() == [None, None]


# ------------------------------------------------------------------------------------------- errors


def test_what_does_not_fit_is_refused_and_nothing_of_it_is_taken():
    live = tg.AsofJoin(on="t", by="k", limits=tg.Limits(max_keys=2), max_rows=4)
    live.push_right({"t": [1], "k": ["a"], "v": [1.0]})
    before = live.stats
    for batch, error, words in (
        ({"x": [1]}, errors.ColumnNotFoundError, "'t'"),
        ({"t": ["x"], "k": ["a"]}, errors.ColumnTypeError, "time"),
        ({"t": [1.5], "k": ["a"]}, errors.ColumnTypeError, "compared"),
        ({"t": [1], "k": [5]}, errors.ColumnTypeError, "cast one of them"),
        ({"t": [1, 1], "k": ["b", "c"]}, errors.LimitError, "max_keys"),
        ({"t": [1] * 4, "k": ["a"] * 4}, errors.LimitError, "max_rows"),
    ):
        with pytest.raises(error, match=words):
            live.push_left(batch)
        assert live.stats == before
    live.push_left({"t": [3], "k": ["a"]})
    before = live.stats
    for push, batch, error, words in (
        (live.push_left, {"t": [3]}, errors.ColumnNotFoundError, "'k'"),
        (live.push_left, {"t": [3.5], "k": ["a"]}, errors.ColumnTypeError, "was int64"),
        (live.push_right, {"t": [3], "k": ["a"], "v": [1]}, errors.ColumnTypeError, "'v' of the r"),
        (live.push_left, {"t": [5] * 2, "k": ["b", "c"]}, errors.LimitError, "max_keys"),
        (live.push_left, {"t": [5] * 3, "k": ["a"] * 3}, errors.LimitError, "max_rows = 4"),
    ):
        with pytest.raises(error, match=words):
            push(batch)
        assert live.stats == before
    assert live.push_right({"t": [4], "k": ["b"], "v": [2.0]})["v"].to_pylist() == [1.0]
    live.flush()
    for push in (live.push_left, live.push_right):
        with pytest.raises(errors.InputError, match="ended"):
            push({"t": [9], "k": ["a"], "v": [1.0]})


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"late": "raise"}, errors.InputError, "late is 'raise'"),
        ({"max_rows": 0}, errors.InputError, "max_rows"),
        ({"direction": "up"}, errors.InputError, "direction"),
        ({"lateness": -1}, errors.InputError, "lateness"),
        ({"lateness": "1s"}, errors.DurationError, "lateness"),
    ],
)
def test_options_that_are_none_are_refused(options, error, words):
    schema = pa.schema([("t", pa.int64())])
    with pytest.raises(error, match=words):
        tg.AsofJoin(**{"on": "t", "left_schema": schema, "right_schema": schema, **options})


def test_side_is_one_of_two():
    with pytest.raises(errors.InputError, match="'left' or 'right'"):
        tg.AsofJoin(on="t").take_late("both")
