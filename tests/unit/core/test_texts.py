"""Text, bytes and wide decimals: their order, their memory, and every way into the state."""

import itertools
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg, errors
from tidegate.core import texts

MADE = {
    "n": agg.count("p"),
    "first": agg.first("p"),
    "last": agg.last("p"),
    "min": agg.min("p"),
    "max": agg.max("p"),
    "nunique": agg.nunique("p"),
    "mode": agg.mode("p"),
    "collect": agg.collect("p"),
}
WINDOWS = [
    tg.Tumbling(10),
    tg.Tumbling(7, empty="carry"),
    tg.Tumbling(9, origin="first", empty="zero"),
    tg.Sliding(12, 4),
    tg.Sliding(3, 5),
    tg.Edges([0, 5, 6, 30, 41]),
]
WORDS = st.text("ab\0ä日", max_size=3)
WIDE = st.integers(-(10**19), 10**19).map(Decimal)
TYPES = {"text": (WORDS, pa.string()), "wide": (WIDE, pa.decimal128(20, 0))}


def table_of(times, values, type_=None, keys=None):
    columns = {"t": pa.array(times, pa.int64()), "p": pa.array(values, type_ or pa.string())}
    if keys is not None:
        columns["k"] = pa.array(keys)
    return pa.table(columns)


@st.composite
def streams(draw):
    """Rows of text or wide decimals, and where to cut them."""
    words, type_ = TYPES[draw(st.sampled_from(sorted(TYPES)))]
    n = draw(st.integers(0, 30))
    few = draw(st.lists(words, min_size=1, max_size=5))
    values = draw(st.lists(st.sampled_from([None, *few]), min_size=n, max_size=n))
    times = draw(st.lists(st.integers(0, 40), min_size=n, max_size=n))
    keys = draw(st.none() | st.lists(st.sampled_from("xy"), min_size=n, max_size=n))
    cuts = sorted(draw(st.sets(st.integers(0, n), max_size=4)) | {0, n})
    return table_of(times, values, type_, keys), list(itertools.pairwise(cuts))


@settings(max_examples=60)
@given(streams(), st.sampled_from(WINDOWS), st.sampled_from(["push", "restore", "row", "chunks"]))
def test_no_way_into_the_state_changes_an_answer(stream, window, way):
    table, cuts = stream
    by = "k" if "k" in table.column_names else None
    whole = tg.aggregate(table, window, on="t", by=by, **MADE)
    live = tg.Aggregator(window, on="t", by=by, lateness=None, schema=table.schema, **MADE)
    for begin, end in cuts:
        part = table.slice(begin, end - begin)
        if way == "row":
            names = ["t", *([by] if by else []), "p"]
            for row in part.select(names).to_pylist():
                live.push_row(*row.values())
        elif way == "chunks":
            live.push(pa.concat_tables([part.slice(0, 2), part.slice(2)]))
        else:
            live.push(part)
        if way == "restore":
            live = tg.Aggregator.restore(live.snapshot())
    assert_same_bits(live.flush(), whole)


@settings(max_examples=60)
@given(streams(), st.sampled_from(WINDOWS[:1] + WINDOWS[3:]))
def test_two_aggregators_merge_into_one_though_their_codes_differ(stream, window):
    table, _ = stream
    if "k" not in table.column_names:
        return
    schema = {"on": "t", "by": "k", "lateness": None, "schema": table.schema}
    whole, mine, other = (tg.Aggregator(window, **schema, **MADE) for _ in range(3))
    rows = table.to_pylist()
    halves = [[row for row in rows if row["k"] == key] for key in "xy"]
    for live, half in zip((mine, other), halves, strict=True):
        live.push(pa.Table.from_pylist(half, table.schema))
    whole.push(pa.Table.from_pylist(halves[0] + halves[1], table.schema))
    mine.merge(other)
    assert_same_bits(mine.flush(), whole.flush())


@settings(max_examples=40)
@given(streams(), st.sampled_from(WINDOWS), st.integers(0, 10))
def test_letting_go_of_values_changes_no_answer(stream, window, lateness):
    table, cuts = stream
    answers = []
    for spare in (0, 1 << 16):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(texts, "_SPARE", spare)
            live = tg.Aggregator(
                window, on="t", lateness=lateness, late="drop", schema=table.schema, **MADE
            )
            out = [live.push(table.slice(begin, end - begin)) for begin, end in cuts]
            answers.append(pa.concat_tables([*out, live.flush()]))
    assert_same_bits(*answers)


def test_text_is_ordered_by_its_bytes_as_python_orders_code_points():
    words = ["b", "a\0", "a", "", "ä", "z", "😀", "\uffff", "aa"]
    (row,) = tg.aggregate(table_of([0] * 9, words), tg.Tumbling(10), on="t", **MADE).to_pylist()
    assert (row["min"], row["max"]) == (min(words), max(words)) == ("", "😀")
    assert (row["nunique"], row["mode"]) == (9, "")
    pairs = table_of([0] * 6, ["z", "b", "z", "ab", "b", "a"])
    assert tg.aggregate(pairs, tg.Tumbling(10), on="t", m=agg.mode("p"))["m"].to_pylist() == ["b"]


def test_wide_decimals_are_ordered_as_numbers():
    values = [Decimal(5), Decimal(-(10**30)), Decimal(10**30), Decimal(-1), Decimal(2**64)]
    table = table_of([0] * 5, values, pa.decimal256(50, 0))
    (row,) = tg.aggregate(table, tg.Tumbling(10), on="t", **MADE).to_pylist()
    assert (row["min"], row["max"], row["mode"]) == (min(values), max(values), min(values))


def long_table(rng, n_rows=50_000):
    words = np.array([f"w{at % 977:03d}" for at in range(3000)])
    values = words[rng.integers(0, 3000, n_rows)].astype(object)
    values[rng.random(n_rows) < 0.05] = None
    times = np.sort(rng.integers(0, 4000, n_rows))
    return table_of(times, values.tolist(), keys=rng.integers(0, 5, n_rows))


def test_long_streams_say_what_polars_says(rng):
    table = long_table(rng)
    frame = pl.from_arrow(table).with_columns(w=pl.col("t") // 100)
    value = pl.col("p").drop_nulls()
    wanted = frame.group_by("k", "w").agg(
        n=value.len(),
        first=value.first(),
        last=value.last(),
        min=value.min(),
        max=value.max(),
        nunique=value.n_unique(),
        mode=value.mode().min(),
        collect=value,
    )
    peers = {(row["k"], row["w"] * 100): row for row in wanted.to_dicts()}
    for threads in (1, 2):
        got = tg.aggregate(table, tg.Tumbling(100), on="t", by="k", threads=threads, **MADE)
        for row in got.to_pylist():
            peer = peers[row["k"], row["window_start"]]
            assert {name: row[name] for name in MADE} == {name: peer[name] for name in MADE}
        assert got.num_rows == len(peers)


@pytest.mark.parametrize("by", [None, "k"])
def test_long_streams_can_be_cut_anywhere(rng, by):
    table = long_table(rng).take(rng.permutation(50_000))
    window = tg.Sliding(900, 300)
    whole = tg.aggregate(table, window, on="t", by=by, **MADE)
    live = tg.Aggregator(window, on="t", by=by, lateness=None, **MADE)
    for begin in range(0, 50_000, 9_999):
        live.push(table.slice(begin, 9_999))
        live = tg.Aggregator.restore(live.snapshot())
    assert_same_bits(live.flush(), whole)


def test_threads_and_chunks_say_the_same(rng):
    table = long_table(rng).drop_columns(["k"])
    wholes = [
        tg.aggregate(table, tg.Tumbling(50), on="t", threads=threads, **MADE) for threads in (1, 3)
    ]
    parts = pa.concat_tables([table.slice(begin, 7_000) for begin in range(0, 50_000, 7_000)])
    assert_same_bits(*wholes)
    assert_same_bits(tg.aggregate(parts, tg.Tumbling(50), on="t", **MADE), wholes[0])


# Memory


def known(live):
    return live._run.bound.texts["p"]


def test_values_that_no_open_window_refers_to_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(texts, "_SPARE", 100)
    live = tg.Aggregator(tg.Tumbling(10), on="t", **MADE)
    for start in range(0, 20_000, 10):
        words = [f"{start}-{at}" for at in range(10)]
        live.push(table_of(range(start, start + 10), words))
        assert known(live).n_codes <= 2 * 20 + 100 + 10
    assert live.flush()["max"].to_pylist() == ["19990-9"]


def test_a_few_long_values_do_not_pile_up_either(monkeypatch):
    monkeypatch.setattr(texts, "_SPARE_BYTES", 10_000)
    live = tg.Aggregator(tg.Tumbling(10), on="t", **MADE)
    for start in range(0, 3_000, 10):
        live.push(table_of([start], [f"{start}" * 1000]))
        assert len(known(live)._column.bytes.content) <= 30_000


def test_a_snapshot_has_the_values_of_open_windows_only():
    live = tg.Aggregator(tg.Tumbling(10), on="t", **MADE)
    live.push(table_of(range(1000), [f"word {at}" for at in range(1000)]))
    state = live.snapshot()
    assert b"word 999" in state
    assert b"word 5" not in state.replace(b"word 99", b"")
    assert known(live).n_codes == 10


def test_too_many_values_are_an_error_that_names_the_limit_and_nothing_is_taken():
    limits = tg.Limits(max_texts=5)
    live = tg.Aggregator(tg.Tumbling(10), on="t", limits=limits, **MADE)
    live.push(table_of([1, 2, 3], ["a", "b", "c"]))
    with pytest.raises(errors.LimitError, match=r"'p'.*max_texts=5"):
        live.push(table_of([4, 5, 6], ["d", "e", "f"]))
    assert live.stats.rows_in == 3
    live.push(table_of([4, 5], ["d", "e"]))
    assert live.flush()["nunique"].to_pylist() == [5]


def test_closed_windows_make_room_below_the_limit():
    live = tg.Aggregator(tg.Tumbling(10), on="t", limits=tg.Limits(max_texts=25), **MADE)
    for start in range(0, 500, 10):
        live.push(table_of(range(start, start + 10), [f"{start + at}" for at in range(10)]))
    assert live.stats.used == 500


def test_a_batch_that_is_refused_leaves_no_trace():
    live = tg.Aggregator(tg.Tumbling(10), on="t", late="raise", **MADE)
    live.push(table_of([1, 25], ["a", "b"]))
    with pytest.raises(errors.LateRowError):
        live.push(table_of([26, 2], ["c", "d"]))
    live.push(table_of([27], ["e"]))
    assert live.flush()["collect"].to_pylist()[-1] == ["b", "e"]


def test_corrected_windows_still_have_their_text_after_others_were_let_go_of(monkeypatch):
    monkeypatch.setattr(texts, "_SPARE", 0)
    live = tg.Aggregator(
        tg.Tumbling(10), on="t", allowed_lateness=50, x=agg.custom("".join, "p", type=pa.string()),
        **MADE,
    )  # fmt: skip
    live.push(table_of([1, 2], ["b", "c"]))
    for start in range(10, 60, 10):
        live.push(table_of([start, start + 1], [f"x{start}", f"y{start}"]))
    live = tg.Aggregator.restore(live.snapshot(), functions={"builtins:str.join": "".join})
    (row,) = live.push(table_of([3], ["a"])).to_pylist()
    assert (row["revision"], row["min"], row["max"], row["collect"]) == (
        *(1, "a", "c", ["b", "c", "a"]),
    )
    assert (row["x"], row["nunique"], row["first"], row["last"]) == ("bca", 3, "b", "a")


def test_a_batch_for_which_the_side_has_no_room_leaves_no_trace_in_the_texts(monkeypatch):
    monkeypatch.setattr(texts, "_SPARE", 0)
    live = tg.Aggregator(tg.Tumbling(10), on="t", limits=tg.Limits(max_late=1), **MADE)
    live.push(table_of([1, 25], ["a", "b"]))
    with pytest.raises(errors.LimitError, match="max_late=1"):
        live.push(table_of([26, 2, 3], ["c", "d", "e"]))
    live.push(table_of([27, 3], ["f", "g"]))
    assert live.take_late()["p"].to_pylist() == ["g"]
    assert live.flush()["collect"].to_pylist() == [["b", "f"]]


@pytest.mark.parametrize("window", [tg.Session(5), tg.Count(2), tg.Threshold("x", 3)], ids=str)
def test_windows_that_rows_make_have_what_grids_have_of_text(window):
    table = table_of([1, 2], ["a", None]).append_column("x", pa.array([1.0, 2.0]))
    got = tg.aggregate(
        table, window, on="t", joined=agg.custom("".join, "p", type=pa.string()), **MADE
    )
    (row,) = got.to_pylist()
    assert (row["joined"], row["min"], row["collect"], row["n"]) == ("a", "a", ["a"], 1)
    with pytest.raises(errors.ColumnTypeError, match="'p' is string"):
        tg.aggregate(table, window, agg.mean("p"), on="t")


def test_late_rows_keep_their_text():
    live = tg.Aggregator(tg.Tumbling(10), on="t", **MADE)
    live.push(table_of([1, 25, 3], ["a", "b", "too late"]))
    assert live.take_late()["p"].to_pylist() == ["too late"]


# Hostile snapshots


def test_a_snapshot_whose_codes_are_of_nothing_is_refused():
    live = tg.Aggregator(tg.Tumbling(10), on="t", min=agg.min("p"), all=agg.collect("p"))
    live.push(table_of([1, 2], ["a", "b"]))
    bound = live._run.bound
    for code in (2, -1, 2**40):
        clock, panes, codes, records, kept = bound.state.dump()
        forged = np.frombuffer(kept, np.int64).copy()
        forged[0] = code
        state = bound.new_state()
        n = np.frombuffer
        load = (clock, n(panes, np.int64), n(codes, np.int32), n(records, np.int64), forged, 1)
        assert state.load(*load) == -1
        with pytest.raises(errors.SnapshotError, match="'p'"):
            bound.texts["p"].check(state)


@pytest.mark.parametrize("values", [["a", "a"], ["a", None], ["a"], [1, 2]])
def test_a_snapshot_of_other_values_is_refused(values):
    live = tg.Aggregator(tg.Tumbling(10), on="t", **MADE)
    live.push(table_of([1, 2], ["a", "b"]))
    bound = live._run.bound
    other = bound.new_texts()["p"]

    def take_up():
        other.load(pa.table({"value": values}))
        other.lay(bound.state)
        other.check(bound.state)

    with pytest.raises(errors.SnapshotError, match="'p'"):
        take_up()


# Types


def test_push_row_takes_text_and_refuses_what_is_none():
    live = tg.Aggregator(tg.Tumbling(10), on="t", **MADE)
    live.push_row(1, "b")
    live.push_row(2, None)
    with pytest.raises(errors.ColumnTypeError, match=r"'p' is string.*got 3"):
        live.push_row(3, 3)
    live.push_row(4, "a")
    (row,) = live.flush().to_pylist()
    assert (row["n"], row["min"], row["last"]) == (2, "a", "a")


def test_rows_one_by_one_are_gathered_and_late_ones_keep_their_text():
    schema = pa.schema(
        {"t": pa.int64(), "k": pa.string(), "p": pa.string(), "d": pa.decimal128(9, 2)}
        | {"w": pa.decimal128(30, 2), "x": pa.float64()}
    )
    made = {
        "low": agg.min("p"),
        "all": agg.collect("p"),
        "size": agg.custom(len, "d", type=pa.int64()),
        "sum": agg.sum("d"),
        "top": agg.max("w"),
        "x": agg.sum("x"),
    }
    rows = [
        (1, "a", "u", Decimal("1.25"), Decimal(10**20), 1.0),
        (2, "a", None, 7, Decimal("1.5"), 2.0),
        (1, "b", "t", Decimal("-1"), 3, 4.0),
        (25, "a", "u", None, None, 8.0),
        (3, "b", "late", Decimal("2.50"), Decimal(5), 16.0),
    ]
    live = tg.Aggregator(tg.Tumbling(10), on="t", by="k", schema=schema, **made)
    assert [live.push_row(*row) for row in rows] == [False, False, False, True, True]
    assert live._buffer is not None
    other = tg.Aggregator(tg.Tumbling(10), on="t", by="k", schema=schema, **made)
    columns = zip(schema, zip(*rows, strict=True), strict=True)
    got = other.push(pa.table({f.name: pa.array(values, f.type) for f, values in columns}))
    assert_same_bits(live.take(), got)
    assert live.take_late().equals(other.take_late())
    assert_same_bits(live.flush(), other.flush())


def test_values_of_rows_do_not_pile_up_either(monkeypatch):
    monkeypatch.setattr(texts, "_SPARE", 100)
    live = tg.Aggregator(tg.Tumbling(10), on="t", **MADE)
    got = []
    for time in range(20_000):
        if live.push_row(time, f"{time}"):
            got += live.take()["last"].to_pylist()
            assert known(live).n_codes <= 2 * 20 + 100 + 11
    assert got == [f"{time}" for time in range(9, 19_999, 10)]
    assert live.flush()["max"].to_pylist() == ["19999"]


def test_a_column_that_changes_its_layout_is_refused():
    live = tg.Aggregator(tg.Tumbling(10), on="t", **MADE)
    live.push(table_of([1], ["a"]))
    with pytest.raises(errors.ColumnTypeError, match=r"'p' is large_string; it was string"):
        live.push(table_of([2], ["b"], pa.large_string()))


def test_pandas_and_polars_text_comes_back_as_what_it_was():
    pandas = pytest.importorskip("pandas")
    rows = {"t": [0, 4, 12], "p": ["b", "a", None]}
    got = tg.aggregate(pandas.DataFrame(rows), tg.Tumbling(10), on="t", x=agg.min("p"))
    assert got["x"].iloc[0] == "a"
    assert pandas.isna(got["x"].iloc[1])
    frame = tg.aggregate(pl.DataFrame(rows), tg.Tumbling(10), on="t", x=agg.min("p"))
    assert frame["x"].to_list() == ["a", None]
    assert frame["x"].dtype == pl.String
