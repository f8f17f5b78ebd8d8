"""Text, bytes and wide decimals in sessions and bars: their answers, ways in, and memory."""

import itertools
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_answers, assert_same_bits
from reference.oracle import Want
from reference.rowshapes import Amount, Gaps, Tally, window_of
from reference.strategies import steps
from reference.streams import Case

import tidegate as tg
from tidegate import agg, errors
from tidegate.core import texts
from tidegate.core.state import dump, load

KINDS = ("count", "first", "last", "min", "max", "nunique", "mode", "collect")
WANTS = tuple(Want(kind, kind, ("p",)) for kind in KINDS)
MADE = {kind: getattr(agg, kind)("p") for kind in KINDS}
SHAPES = [
    Gaps(4),
    Gaps(6, 15),
    Tally(3),
    Tally(4, 1),
    Tally(2, 3, complete_only=True),
    Amount(("q",), 10),
    Amount(("q",), 7, "split"),
]
WINDOWS = [tg.Session(20), tg.Count(5), tg.Count(6, 2), tg.Threshold("q", 12)]
WORDS = st.text("ab\0ä日", max_size=3)
TYPES = {
    "string": (pa.string(), WORDS),
    "large_string": (pa.large_string(), WORDS),
    "binary": (pa.binary(), st.binary(max_size=3)),
    "decimal": (
        pa.decimal128(30, 2),
        st.integers(-(10**25), 10**25).map(lambda units: Decimal(units).scaleb(-2)),
    ),
}

every_window = pytest.mark.parametrize("window", WINDOWS, ids=repr)


def table_of(times, values, type_=None, keys=None):
    columns = {"t": pa.array(times, pa.int64()), "p": pa.array(values, type_ or pa.string())}
    columns["q"] = pa.array([3 + at % 4 for at in range(len(times))], pa.int64())
    if keys is not None:
        columns["k"] = pa.array(keys, pa.string())
    return pa.table(columns)


@st.composite
def text_cases(draw, types=tuple(TYPES)):
    """Draw a short stream of few different values, nulls among them."""
    type_, values = TYPES[draw(st.sampled_from(types))]
    few = [None, *draw(st.lists(values, min_size=1, max_size=5))]
    rows = st.tuples(st.integers(0, 40), st.sampled_from(few), st.sampled_from("xy"))
    times, some, keys = zip(*draw(st.lists(rows, min_size=1, max_size=30)), strict=True)
    table = table_of(times, some, type_, keys)
    by = draw(st.sampled_from([(), ("k",)]))
    lateness = draw(st.sampled_from([None, 0, 5, 15, 100]))
    return Case(table, draw(st.sampled_from(SHAPES)), WANTS, by=by, lateness=lateness)


def assert_said(run, case):
    """Hold a run to what the oracle said."""
    said = case.oracle()
    assert_answers(run.result, said, case.wants, by=case.by)
    assert run.late["row"].to_pylist() == [row["row"] for row in said.late]
    assert run.late["p"].to_pylist() == [row["input"]["p"] for row in said.late]


@settings(max_examples=60)
@given(text_cases(), steps(), st.sampled_from([0, 1 << 16]))
def test_a_stream_is_what_the_definitions_say_whatever_is_let_go_of(case, how, spare):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "_SPARE", spare)
        assert_said(case.stream(how), case)


@settings(max_examples=60)
@given(text_cases(), st.integers(1, 2))
def test_one_shot_is_what_the_definitions_say(case, threads):
    assert_said(case.one_shot(threads=threads), case)


@settings(max_examples=60)
@given(text_cases(), steps(), steps())
def test_any_cut_gives_the_same_bits(case, one_way, other_way):
    one, other = case.stream(one_way), case.stream(other_way)
    assert_same_bits(one.result, other.result)
    assert_same_bits(one.late, other.late)
    assert one.stats == other.stats


@settings(max_examples=60)
@given(text_cases(), st.sampled_from([0, 1 << 16]))
def test_two_aggregators_merge_into_one_though_their_codes_differ(case, spare):
    rows = case.table.to_pylist()
    halves = [[row for row in rows if row["k"] == key] for key in "xy"]
    live = [
        tg.Aggregator(
            window_of(case.grid), on="t", by="k", lateness=100, schema=case.table.schema, **MADE
        )
        for _ in range(3)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "_SPARE", spare)
        parts = [pa.Table.from_pylist(half, case.table.schema) for half in halves]
        live[0].push(parts[0])
        live[1].push(parts[1])
        for part in parts:
            live[2].push(part)
        live[0].merge(live[1])
        merged = live[0].flush()
    places = [(name, "ascending") for name in ("k", "window_end", "window_start")]
    assert_same_bits(merged.sort_by(places), live[2].flush().sort_by(places))


@pytest.mark.parametrize("type_", [pa.string(), pa.decimal128(30, 2)], ids=str)
@pytest.mark.parametrize("by", [None, "k"])
@every_window
def test_long_streams_can_be_cut_anywhere(window, by, type_, rng, monkeypatch):
    monkeypatch.setattr(texts, "_SPARE", 50)
    n = 25_000
    values = rng.integers(0, 3_000, n).astype(object) + 10**20
    values[rng.random(n) < 0.05] = None
    made = [None if one is None else str(one) for one in values]
    if pa.types.is_decimal(type_):
        made = [None if one is None else Decimal(one) for one in made]
    times = np.sort(rng.integers(0, 60_000, n)) + rng.integers(0, 300, n)
    table = table_of(times, made, type_, rng.choice(list("vwxyz"), n))
    whole = tg.aggregate(table, window, on="t", by=by, **MADE)
    live = tg.Aggregator(window, on="t", by=by, lateness=300, late="raise", **MADE)
    parts = []
    for begin, end in itertools.pairwise([0, 1, 70, 8_193, 9_000, 17_000, n]):
        parts.append(live.push(table.slice(begin, end - begin)))
        live = tg.Aggregator.restore(live.snapshot())
    assert_same_bits(pa.concat_tables([*parts, live.flush()]), whole)


def test_bars_of_a_long_stream_are_slices_of_it(rng):
    words = [f"w{at}" for at in rng.integers(0, 900, 21_000)]
    out = tg.aggregate(table_of(range(21_000), words), tg.Count(50), on="t", **MADE).to_pylist()
    for row, at in zip(out, range(0, 21_000, 50), strict=True):
        bar = words[at : at + 50]
        assert row["collect"] == bar
        assert (row["first"], row["last"], row["nunique"]) == (bar[0], bar[-1], len(set(bar)))
        assert (row["min"], row["max"]) == (min(bar), max(bar))


# What is held


def known(live):
    return live._run.bound.texts["p"]


def test_what_merged_sessions_left_beside_is_not_let_go_of(monkeypatch):
    monkeypatch.setattr(texts, "_SPARE", 0)
    live = tg.Aggregator(tg.Session(10), on="t", lateness=1000, **MADE)
    live.push(table_of([300, 301, 400], ["gone 1", "gone 2", "zz"]))
    live.push(table_of([0, 15], ["b", "y"]))
    live.push(table_of([8], ["a"]))  # makes one of two
    live.push(table_of([1, 2], [None, "m"]))
    for _ in range(3):
        live = tg.Aggregator.restore(live.snapshot())
        live.push(table_of([500], ["x"]))
    row = live.flush().to_pylist()[0]
    assert (row["first"], row["last"], row["min"], row["max"]) == ("b", "y", "a", "y")
    assert row["collect"] == ["b", "m", "a", "y"]


@every_window
def test_values_that_nothing_refers_to_do_not_pile_up(window, monkeypatch):
    monkeypatch.setattr(texts, "_SPARE", 100)
    live = tg.Aggregator(window, on="t", lateness=30, **MADE)
    for start in range(0, 20_000, 100):
        words = [f"{start}-{at}" for at in range(10)]
        live.push(table_of(range(start, start + 10), words))
        assert known(live).n_codes <= 2 * 50 + 100 + 10
    assert live.flush()["last"].to_pylist()[-1] == "19900-9"


def test_rows_that_wait_keep_their_values_and_no_others():
    live = tg.Aggregator(tg.Count(2), on="t", lateness=50, **MADE)
    live.push(table_of(range(100), [f"word {at}" for at in range(100)]))
    state = live.snapshot()
    assert known(live).n_codes == 52  # those from 49 on wait, 48 is of an open bar
    assert b"word 48" in state
    assert b"word 47" not in state
    collected = tg.Aggregator.restore(state).flush()["collect"].to_pylist()
    assert collected == [[f"word {at}", f"word {at + 1}"] for at in range(48, 100, 2)]


def test_one_by_one_rows_let_go_too(monkeypatch):
    monkeypatch.setattr(texts, "_SPARE", 20)
    schema = pa.schema({"t": pa.int64(), "p": pa.string()})
    live = tg.Aggregator(tg.Count(3), on="t", lateness=4, schema=schema, **MADE)
    for at in range(1_000):
        live.push_row(at, f"{at}")
    assert known(live).n_codes < 60
    assert live.flush()["collect"].to_pylist()[-1] == ["999"]


# Hostile snapshots


@pytest.mark.parametrize("code", [9, -1, 2**40])
@pytest.mark.parametrize(
    ("window", "part", "place"),
    [
        (tg.Session(10), "kept", 0),
        (tg.Session(10), "records", 1),  # the code of the row that made one of two
        (tg.Session(10), "records", -1),  # that of what was merged
        (tg.Count(3), "kept", 0),
        (tg.Count(9), "kept", -2),  # of a row that waits
    ],
    ids=repr,
)
def test_a_snapshot_whose_codes_are_of_nothing_is_refused(window, part, place, code):
    columns = {"min": agg.min("p")} if part == "records" else {"all": agg.collect("p")}
    live = tg.Aggregator(window, on="t", lateness=2, **columns)
    live.push(table_of([0, 2, 12, 7], ["a", "b", "c", "d"]))
    bound = live._run.bound
    whole = dump(bound.state)
    forged = getattr(whole, part).copy()
    assert 0 <= forged[place] < bound.texts["p"].n_codes
    forged[place] = code
    state = bound.new_state()
    assert load(state, whole._replace(**{part: forged}), bound.n_keys) == -1
    with pytest.raises(errors.SnapshotError, match="'p'"):
        bound.texts["p"].check(state)
