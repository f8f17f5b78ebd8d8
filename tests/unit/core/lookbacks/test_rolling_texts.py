"""Text, bytes and decimals in look-backs: what the rows of each window alone come to."""

import decimal
import math
from decimal import Decimal
from fractions import Fraction
from functools import reduce

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits
from reference.lookbacks import WINDOWS, rows_of
from reference.strategies import steps
from reference.streams import fed

import tidegate as tg
from tidegate import agg, errors
from tidegate.core import texts
from tidegate.core.lookbacks import labels

OF_TEXTS = ("count", "first", "last", "min", "max", "nunique", "mode", "collect")
OF_DECIMALS = (*OF_TEXTS, "sum", "mean", "range")
EXACT = decimal.Context(prec=200)
WORDS = st.text("ab\0ä日", max_size=3)
TYPES = {
    "string": (pa.string(), WORDS),
    "view": (pa.string_view(), WORDS),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), WORDS),
    "binary": (pa.large_binary(), st.binary(max_size=3)),
    "fixed": (pa.binary(2), st.binary(min_size=2, max_size=2)),
    **{
        name: (
            type_,
            st.one_of(
                st.integers(-(10**reach), 10**reach), st.sampled_from([10**reach, 1, -1, 0])
            ).map(lambda units, type_=type_: EXACT.scaleb(Decimal(units), -type_.scale)),
        )
        for name, type_, reach in (
            ("narrow", pa.decimal128(12, 2), 10),
            ("wide", pa.decimal128(30, 2), 26),
            ("widest", pa.decimal256(60, 3), 50),
        )
    },
}


def results_of(type_):
    """List the aggregations that there are of a type."""
    return OF_DECIMALS if pa.types.is_decimal(type_) else OF_TEXTS


def key_of(value):
    """Give what texts are in order by: their bytes."""
    return value.encode() if isinstance(value, str) else value


def most_frequent(values):
    """Find the least of the values that are there most often."""
    most = max(values.count(value) for value in values)
    return min((value for value in values if values.count(value) == most), key=key_of)


def said(kind, values, least):
    """Say what an aggregation of values is, by its definition."""
    if kind == "count":
        return len(values)
    if len(values) < least or not (values or kind in ("sum", "nunique")):
        return None
    made = {
        "first": lambda: values[0],
        "last": lambda: values[-1],
        "min": lambda: min(values, key=key_of),
        "max": lambda: max(values, key=key_of),
        "nunique": lambda: len(set(values)),
        "mode": lambda: most_frequent(values),
        "collect": lambda: values,
        "sum": lambda: reduce(EXACT.add, values, Decimal(0)),
        "mean": lambda: float(sum(map(Fraction, values)) / len(values)),
        "range": lambda: EXACT.subtract(max(values), min(values)),
    }
    return made[kind]()


@st.composite
def value_tables(draw, names=tuple(TYPES)):
    """Draw rows of few different values, nulls among them, of one of the types."""
    type_, values = TYPES[draw(st.sampled_from(names))]
    few = [None, *draw(st.lists(values, min_size=1, max_size=6))]
    rows = st.tuples(st.integers(0, 40), st.sampled_from(few), st.sampled_from("xy"))
    times, some, keys = zip(*draw(st.lists(rows, min_size=1, max_size=30)), strict=True)
    plain = type_.value_type if pa.types.is_dictionary(type_) else type_
    column = pa.array(some, plain)
    if pa.types.is_dictionary(type_):
        column = column.dictionary_encode()
    return pa.table({"t": pa.array(times), "k": pa.array(keys), "p": column})


def made_of(table):
    """Name each aggregation of the column after its kind."""
    return {kind: getattr(agg, kind)("p") for kind in results_of(table.schema.field("p").type)}


@settings(max_examples=80)
@given(value_tables(), WINDOWS, st.booleans())
def test_every_window_is_what_its_values_say(table, window, has_keys):
    out = tg.aggregate(
        table, window, on="t", by="k" if has_keys else None, **made_of(table)
    ).to_pylist()
    rows = sorted(table.to_pylist(), key=lambda row: row["t"])
    for row, got in zip(rows, out, strict=True):
        mine = [other for other in rows if not has_keys or other["k"] == row["k"]]
        inside = [other["p"] for other in rows_of(mine, row, window) if other["p"] is not None]
        for kind in made_of(table):
            assert got[kind] == said(kind, inside, window.min_samples), (kind, row, inside)


def stream(table, window, ways, by):
    """Feed a table bit by bit; steps first, then the rest in one batch."""
    options = {"on": "t", "by": by, "lateness": 100, **made_of(table)}
    live = tg.Aggregator(window, schema=table.schema, **options)
    return fed(live, table, ways, ["t", *([by] if by else []), "p"]).result


@settings(max_examples=80)
@given(
    value_tables(tuple(name for name in TYPES if name != "dictionary")),
    WINDOWS,
    steps(),
    st.sampled_from([None, "k"]),
    st.sampled_from([1, 3, 1 << 32]),
    st.sampled_from([0, 1 << 16]),
)
def test_any_cut_gives_the_same_bits_wherever_labels_lie(table, window, ways, by, space, spare):
    whole = tg.aggregate(table, window, on="t", by=by, lateness=100, **made_of(table))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labels, "_SPACE", space)
        patch.setattr(texts, "_SPARE", spare)
        assert_same_bits(stream(table, window, ways, by), whole)


N_ROWS = 21_000


def long_table(type_, rng):
    """Make many rows of many values, among them new ones all the time."""
    numbers = rng.integers(0, 400, N_ROWS) + np.arange(N_ROWS) // 40
    numbers = numbers * 7919 % 10_007
    made = [
        None if missing else Decimal(int(number) * 10**15) if type_ else f"w{number}"
        for number, missing in zip(numbers, rng.random(N_ROWS) < 0.05, strict=True)
    ]
    times = np.cumsum(np.where(rng.random(N_ROWS) < 0.1, 0, rng.integers(1, 9, N_ROWS)))
    keys = rng.integers(0, 3, N_ROWS)
    return pa.table({"t": times, "k": keys, "p": pa.array(made, type_ or pa.string())})


@pytest.mark.parametrize("type_", [None, pa.decimal128(30, 2)], ids=str)
@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("window", [tg.Rolling(rows=40), tg.Rolling(150, closed="both")], ids=repr)
def test_long_streams_are_one_answer(window, by, type_, rng, monkeypatch):
    table = long_table(type_, rng)
    wanted = made_of(table)
    whole = tg.aggregate(table, window, on="t", by=by, **wanted)
    rows = table.to_pylist()
    if by is None:
        for at in (*range(3), *rng.integers(0, N_ROWS, 20).tolist()):
            near = rows[max(at - 400, 0) : at + 1]
            inside = [row["p"] for row in rows_of(near, rows[at], window) if row["p"] is not None]
            for kind in wanted:
                assert whole[kind][at].as_py() == said(kind, inside, 1), (kind, at)
    monkeypatch.setattr(texts, "_SPARE", 200)
    monkeypatch.setattr(labels, "_SPACE", 64)
    live, parts = tg.Aggregator(window, on="t", by=by, **wanted), []
    for number, at in enumerate(range(0, N_ROWS, 1777)):
        parts.append(live.push(table.slice(at, 1777)))
        if number % 4 == 1:
            live = tg.Aggregator.restore(live.snapshot())
    assert live._run.tied.labels["p"].texts.n_codes < 4000
    assert pa.concat_tables([*parts, live.flush()]).equals(whole)


def test_texts_of_no_window_are_let_go_of(monkeypatch):
    monkeypatch.setattr(texts, "_SPARE", 100)
    live = tg.Aggregator(tg.Rolling(rows=10), agg.min("p"), agg.nunique("p"), on="t")
    for at in range(0, 20_000, 50):
        live.push({"t": np.arange(at, at + 50), "p": [f"text {n}" for n in range(at, at + 50)]})
        assert live._run.tied.labels["p"].texts.n_codes < 400


def test_different_texts_have_a_limit():
    limits = tg.Limits(max_texts=40)
    live = tg.Aggregator(tg.Rolling(10), agg.min("p"), on="t", limits=limits)
    live.push({"t": [0, 1], "p": ["a", "b"]})
    with pytest.raises(errors.LimitError, match=r"column 'p' has more than max_texts=40"):
        live.push({"t": np.arange(2, 50), "p": [f"w{n}" for n in range(48)]})
    assert live.push({"t": [60], "p": ["c"]})["p_min"].to_pylist() == ["a"]
    assert live.flush()["p_min"].to_pylist() == ["c"]


def test_sums_of_decimals_that_do_not_fit_are_an_error():
    most = Decimal(10**38 - 1)
    values = [most, most, EXACT.minus(most)]
    table = pa.table({"t": [1, 2, 3], "p": pa.array(values, pa.decimal128(38, 0))})
    with pytest.raises(errors.AggregateOverflowError, match=r"p_sum: .*row at 2 does not fit"):
        tg.aggregate(table, tg.Rolling(rows=2), agg.sum("p"), on="t")
    out = tg.aggregate(table, tg.Rolling(rows=2, closed="left"), agg.mean("p"), on="t")
    assert out["p_mean"].to_pylist() == [None, 1e38, 1e38]


def test_sums_of_decimals_are_exact_where_large_ones_have_left():
    values = [Decimal(10**35), Decimal("0.01"), Decimal("0.02"), Decimal("-0.01")]
    table = pa.table({"t": [1, 2, 3, 4], "p": pa.array(values, pa.decimal128(38, 2))})
    out = tg.aggregate(table, tg.Rolling(rows=2), agg.sum("p"), on="t")
    assert out["p_sum"].to_pylist()[2:] == [Decimal("0.03"), Decimal("0.01")]


def test_spreads_of_narrow_decimals_are_in_their_own_units():
    values = [Decimal("1.10"), Decimal("2.30"), Decimal("0.50")]
    table = pa.table({"t": [1, 2, 3], "p": pa.array(values, pa.decimal128(9, 2))})
    out = tg.aggregate(
        table, tg.Rolling(rows=2), agg.std("p"), agg.median("p"), agg.argmin("p"), on="t"
    )
    assert out["p_std"].to_pylist()[1:] == pytest.approx([1.2 / math.sqrt(2), 1.8 / math.sqrt(2)])
    assert out["p_median"].to_pylist() == [1.1, 1.7, 1.4]
    assert out["p_argmin"].to_pylist() == [1, 1, 3]


@pytest.mark.parametrize("name", ["sum", "median", "std", "argmin"])
def test_texts_have_no_sums(name):
    item = getattr(agg, name)("p")
    with pytest.raises(errors.ColumnTypeError, match=rf"agg\.{name}: column 'p' is string"):
        tg.aggregate({"t": [1], "p": ["a"]}, tg.Rolling(10), item, on="t")


def test_a_snapshot_with_codes_of_nothing_is_refused():
    live = tg.Aggregator(tg.Rolling(rows=3), agg.min("p"), on="t")
    live.push({"t": [1, 2, 3], "p": ["a", "b", "c"]})
    run = live._run
    kept = run.dump(run.tied)
    kept.columns[0][0][1] = 77
    fresh = tg.Aggregator(tg.Rolling(rows=3), agg.min("p"), on="t", schema=run.input_schema)._run
    fresh.tied.labels["p"].texts.load(run.tied.labels["p"].texts.dump())
    assert not fresh.load(fresh.tied, kept)
