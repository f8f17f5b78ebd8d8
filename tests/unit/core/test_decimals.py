"""Decimals: exact where that is promised, of every width, and what DuckDB and Polars say."""

import decimal
import math
from decimal import Decimal
from fractions import Fraction

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg, errors
from tidegate.core import decimals

WINDOW = tg.Tumbling(10)
TYPES = [
    *(pa.decimal32(9, 3), pa.decimal64(18, 0), pa.decimal128(18, 5), pa.decimal256(18, 5)),
    *(pa.decimal128(38, 4), pa.decimal128(19, 19), pa.decimal256(76, 10), pa.decimal256(39, 0)),
]
EXACT = decimal.Context(prec=200)


def decimals_of(units, type_):
    """Make an array of numbers of units, None for null."""
    width = type_.bit_width // 8
    words = b"".join((unit or 0).to_bytes(width, "little", signed=True) for unit in units)
    flags = np.packbits(np.array([unit is not None for unit in units], bool), bitorder="little")
    return pa.Array.from_buffers(
        type_, len(units), [pa.py_buffer(flags.astype(np.uint8)), pa.py_buffer(words)]
    )


def one(units, make, type_, **options):
    table = pa.table({"t": [0] * len(units), "p": decimals_of(units, type_)})
    (got,) = tg.aggregate(table, WINDOW, on="t", x=make("p"), **options)["x"].to_pylist()
    return got


@settings(max_examples=100)
@given(st.data())
def test_sum_mean_range_and_rank_are_exact(data):
    type_ = data.draw(st.sampled_from(TYPES))
    most = 10 ** (type_.precision - 2) - 1
    near = st.integers(most - 3, most) | st.integers(-most, 3 - most) | st.integers(-3, 3)
    units = data.draw(st.lists(st.none() | near | st.integers(-most, most), max_size=20))
    cut = data.draw(st.integers(0, len(units)))
    there = [unit for unit in units if unit is not None]
    made = {
        "sum": agg.sum("p"),
        "mean": agg.mean("p"),
        "min": agg.min("p"),
        "max": agg.max("p"),
        "range": agg.range("p"),
    }
    live = tg.Aggregator(tg.Sliding(10, 5), on="t", lateness=None, **made)
    for begin, end in ((0, cut), (cut, len(units))):
        part = pa.table(
            {
                "t": pa.array([7] * (end - begin), pa.int64()),
                "p": decimals_of(units[begin:end], type_),
            }
        )
        live.push(part)
        live = tg.Aggregator.restore(live.snapshot())
    for row in live.flush().to_pylist():
        unit = Decimal(1).scaleb(-type_.scale, EXACT)
        assert row["sum"] == EXACT.multiply(Decimal(sum(there)), unit)
        if not there:
            assert [row[name] for name in ("mean", "min", "max", "range")] == [None] * 4
            continue
        exact = Fraction(sum(there), len(there)) / Fraction(10) ** type_.scale
        assert row["mean"] == exact.numerator / exact.denominator
        assert row["min"] == EXACT.multiply(Decimal(min(there)), unit)
        assert row["max"] == EXACT.multiply(Decimal(max(there)), unit)
        assert row["range"] == EXACT.multiply(Decimal(max(there) - min(there)), unit)


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_types_of_results(type_):
    table = pa.table({"t": [0], "p": decimals_of([1], type_)})
    got = tg.aggregate(
        *(table, WINDOW, agg.sum("p"), agg.mean("p"), agg.range("p"), agg.mode("p")), on="t"
    ).schema
    is_long = type_.bit_width > 128
    widest, digits = (pa.decimal256, 76) if is_long else (pa.decimal128, 38)
    assert got.field("p_sum").type == widest(digits, type_.scale)
    assert got.field("p_mean").type == pa.float64()
    assert got.field("p_range").type == widest(min(digits, type_.precision + 1), type_.scale)
    assert got.field("p_mode").type == type_


def test_a_sum_or_range_that_does_not_fit_names_window_and_key():
    most = 10**38 - 1
    table = pa.table({"t": [3, 4], "k": ["a", "a"], "p": decimals_of([most, 1], pa.decimal128(38))})
    with pytest.raises(errors.AggregateOverflowError) as caught:
        tg.aggregate(table, WINDOW, on="t", by="k", x=agg.sum("p"))
    message = str(caught.value)
    assert "x: the sum of column 'p' in the window [0, 10) of key ('a',)" in message
    assert "does not fit decimal128(38, 0): cast the column to decimal256" in message
    with pytest.raises(errors.AggregateOverflowError, match="the range of column 'p'"):
        one([most, -1], agg.range, pa.decimal128(38))
    assert one([most, -most, -most, most], agg.sum, pa.decimal128(38)) == 0
    live = tg.Aggregator(WINDOW, on="t", x=agg.sum("p"))
    live.push(table)
    with pytest.raises(errors.AggregateOverflowError):
        live.flush()
    with pytest.raises(errors.AggregateOverflowError):
        live.flush()


def test_a_value_of_more_digits_than_its_type_is_refused_before_anything_is_taken():
    for type_ in (pa.decimal128(5, 2), pa.decimal256(5, 2), pa.decimal64(5, 2)):
        for unit in (10**5, -(10**5), 2**62) + ((2**64 + 1,) if type_.bit_width > 64 else ()):
            live = tg.Aggregator(WINDOW, on="t", x=agg.sum("p"))
            table = pa.table({"t": [0, 1], "p": decimals_of([1, unit], type_)})
            with pytest.raises(errors.InputError, match=r"'p', row 1 .*more digits.*\(5, 2\)"):
                live.push(table)
            assert live.stats.rows_in == 0
    units = [1] * 70_000
    units[50_001] = 10**5
    table = pa.table({"t": [0] * 70_000, "p": decimals_of(units, pa.decimal128(5, 2))})
    with pytest.raises(errors.InputError, match=r"'p', row 50001 "):
        tg.aggregate(table, WINDOW, agg.sum("p"), on="t")
    assert one([None, 7], agg.sum, pa.decimal128(5, 2)) == Decimal("0.07")


def test_what_lies_behind_a_null_is_not_looked_at():
    words = (2**70).to_bytes(16, "little") + (5).to_bytes(16, "little")
    column = pa.Array.from_buffers(
        pa.decimal128(5, 0), 2, [pa.py_buffer(b"\x02"), pa.py_buffer(words)]
    )
    table = pa.table({"t": [0, 1], "p": column})
    assert tg.aggregate(table, WINDOW, agg.max("p"), on="t")["p_max"].to_pylist() == [5]


def test_a_mean_is_rounded_once():
    third = one([1, 0, 0], agg.mean, pa.decimal128(30, 0))
    assert third == 1 / 3
    for type_ in (pa.decimal128(18, 1), pa.decimal128(38, 1)):
        units = [2**53 + 1, 2**53 + 3]
        exact = Fraction(sum(units), 20)
        assert one(units, agg.mean, type_) == exact.numerator / exact.denominator
    huge = pa.decimal256(76, -300)
    assert one([10**60], agg.mean, huge) == float("inf")


def long_table(rng, type_, n_rows=30_000):
    most = 10 ** min(type_.precision - 6, 17)
    units = [int(unit) for unit in rng.integers(-most, most, n_rows)]
    units = [None if rng.random() < 0.05 else unit for unit in units]
    times = np.sort(rng.integers(0, 3000, n_rows))
    return pa.table({"t": times, "k": rng.integers(0, 4, n_rows), "p": decimals_of(units, type_)})


@pytest.mark.parametrize("type_", [pa.decimal128(15, 3), pa.decimal128(25, 6)], ids=str)
def test_long_streams_say_what_duckdb_and_polars_say(rng, type_):
    table = long_table(rng, type_)
    got = tg.aggregate(
        table,
        tg.Tumbling(100),
        on="t",
        by="k",
        sum=agg.sum("p"),
        mean=agg.mean("p"),
        low=agg.min("p"),
        high=agg.max("p"),
        n=agg.count("p"),
        kinds=agg.nunique("p"),
        first=agg.first("p"),
    ).sort_by([("k", "ascending"), ("window_start", "ascending")])
    con = duckdb.connect()
    con.register("rows_in", table)
    peer = con.sql(
        "select sum(p) as sum, avg(p) as mean, min(p) as low, max(p) as high, count(p) as n, "
        "count(distinct p) as kinds from rows_in group by k, t // 100 order by k, t // 100"
    ).to_arrow_table()
    for name in ("sum", "low", "high", "n", "kinds"):
        assert got[name].to_pylist() == peer[name].to_pylist(), name
    assert np.allclose(got["mean"], peer["mean"], rtol=1e-12)
    frame = pl.from_arrow(table).with_columns(w=pl.col("t") // 100)
    polars = frame.group_by("k", "w").agg(first=pl.col("p").drop_nulls().first()).sort("k", "w")
    assert got["first"].to_pylist() == polars["first"].to_list()


@pytest.mark.parametrize("type_", [pa.decimal64(15, 3), pa.decimal256(60, 6)], ids=str)
def test_long_streams_can_be_cut_and_taken_on_threads(rng, type_):
    table = long_table(rng, type_)
    made = {name: getattr(agg, name)("p") for name in ("sum", "mean", "max", "mode", "collect")}
    whole = tg.aggregate(table, tg.Tumbling(50), on="t", threads=1, **made)
    assert_same_bits(tg.aggregate(table, tg.Tumbling(50), on="t", threads=2, **made), whole)
    live = tg.Aggregator(tg.Tumbling(50), on="t", **made)
    out = [live.push(table.slice(at, 7001)) for at in range(0, table.num_rows, 7001)]
    assert_same_bits(pa.concat_tables([*out, live.flush()]), whole)


@pytest.mark.parametrize("empty", ["null", "zero", "carry"])
@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_windows_without_rows_hold_decimals(type_, empty):
    table = pa.table({"t": [0, 25], "p": decimals_of([5, 7], type_)})
    got = tg.aggregate(
        *(table, tg.Tumbling(10, empty=empty), agg.sum("p"), agg.max("p")), on="t"
    ).to_pylist()
    unit = Decimal(1).scaleb(-type_.scale, EXACT)
    assert [row["p_sum"] for row in got] == [5 * unit, 0, 7 * unit]
    between = {"null": None, "zero": 0, "carry": 5 * unit}[empty]
    assert [row["p_max"] for row in got] == [5 * unit, between, 7 * unit]


@settings(max_examples=50)
@given(st.lists(st.integers(-(2**127), 2**127 - 1), max_size=5))
def test_integers_go_into_words_and_back(units):
    assert decimals.ints_of(decimals.words_of(units, 2)) == units
    assert decimals.ints_of(decimals.words_of(units, 4)) == units


def test_push_row_takes_decimals_and_refuses_what_is_none():
    table = pa.schema({"t": pa.int64(), "p": pa.decimal128(10, 2)})
    live = tg.Aggregator(WINDOW, on="t", schema=table, x=agg.sum("p"))
    live.push_row(1, Decimal("1.25"))
    live.push_row(2, 3)
    many = Decimal("1." + "0" * 70 + "1")
    for bad in (1.5, "x", Decimal("1.255"), Decimal("NaN"), Decimal(10**8), Decimal("1e99"), many):
        with pytest.raises(errors.ColumnTypeError, match=r"'p' is decimal128\(10, 2\)"):
            live.push_row(3, bad)
    assert live.flush()["x"].to_pylist() == [Decimal("4.25")]


def test_sums_of_words_add_up_to_sums_of_numbers(rng):
    n_rows = 400
    for n_words in (2, 4):
        reach = 2 ** (64 * n_words - 1)
        limbs, expected = [], np.zeros(n_rows, object)
        for at in range(n_words):
            low = -(2**100) if at == n_words - 1 else 0
            sums = [
                int(rng.integers(0, 2**60)) * 2**40 + int(rng.integers(2**40)) + low
                for _ in range(n_rows)
            ]
            sums[:4] = [0, low, 2**64 - 1, 2**100]
            expected += np.array(sums, object) << (64 * at)
            limbs.append(tuple(decimals.words_of(sums, 2)))
        words = decimals.added_up(limbs)
        assert decimals.ints_of(words) == expected.tolist()
        for most in (
            1,
            10**19,
            2**64,
            reach // 2,
            abs(int(expected[7])),
            abs(int(expected[7])) + 1,
        ):
            assert decimals.are_below(words, most).tolist() == [abs(one) < most for one in expected]


def test_distances_and_means_of_words_are_those_of_numbers(rng):
    for n_words in (2, 4):
        reach = 2 ** (64 * n_words - 1)
        some = [int.from_bytes(rng.bytes(8 * n_words), "little", signed=True) for _ in range(99)]
        some += [0, -1, 2**53, 2**53 - 1, 3, -(2**63), 2**64, reach - 1, -reach]
        a, b = (decimals.words_of(side, n_words) for side in (some, some[::-1]))
        far = decimals.difference_of(a, b)
        assert decimals.ints_of(far) == [x - y for x, y in zip(some, some[::-1], strict=True)]
        counts = rng.integers(0, 2**40, len(some))
        counts[:20] = 0
        for scale in (0, 3, 15, 40, -2):
            means = decimals.mean_of(a, counts, scale).tolist()
            for mean, unit, n in zip(means, some, counts.tolist(), strict=True):
                exact = Fraction(unit, n) / Fraction(10) ** scale if n else None
                assert math.isnan(mean) if exact is None else mean == float(exact)
