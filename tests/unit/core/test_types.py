"""Every aggregation over every Arrow type: the right answer, or an error that tells what would do.

The oracle is brute force: the rows of each window in a list, integers and fractions.
"""

import datetime as dt
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import agg, errors

N_ROWS = 240
SIZE = 40

INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64()]
UNSIGNED = [pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
FLOATS = [pa.float16(), pa.float32(), pa.float64()]
TIMES = [
    *(pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    *(pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us", "Europe/Berlin")),
    *(pa.timestamp("ns"), pa.duration("s"), pa.duration("ns")),
]
NARROW = [
    *(pa.decimal32(7, 2), pa.decimal64(15, 4), pa.decimal128(18, 18), pa.decimal128(9, -2)),
    *(pa.decimal128(18, 0), pa.decimal256(17, 3)),
]
WIDE = [
    *(pa.decimal128(19, 2), pa.decimal128(38, 10), pa.decimal128(37, -3)),
    *(pa.decimal256(40, 4), pa.decimal256(76, 30)),
]
TEXTS = [pa.string(), pa.large_string(), pa.string_view()]
BYTES = [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3)]
UNKNOWN = [
    pa.list_(pa.int64()),
    pa.struct([("a", pa.int64())]),
    pa.month_day_nano_interval(),
    pa.map_(pa.string(), pa.int64()),
]

OF_ALL = {
    "count": agg.count,
    "first": agg.first,
    "last": agg.last,
    "min": agg.min,
    "max": agg.max,
    "nunique": agg.nunique,
    "mode": agg.mode,
    "collect": agg.collect,
    "custom": lambda column: agg.custom(len, column, type=pa.int64()),
}
SUMS = {"sum": agg.sum, "mean": agg.mean}
REACH = {"range": agg.range}
RANKS = {
    "argmin": agg.argmin,
    "argmax": agg.argmax,
    "lower": lambda column: agg.quantile(column, 0.3, "lower"),
    "higher": lambda column: agg.quantile(column, 0.3, "higher"),
    "nearest": lambda column: agg.quantile(column, 0.3, "nearest"),
}
NUMERIC = {
    "var": agg.var,
    "std": agg.std,
    "sem": agg.sem,
    "skew": agg.skew,
    "kurt": agg.kurt,
    "zscore": agg.zscore,
    "median": agg.median,
    "linear": lambda column: agg.quantile(column, 0.3),
    "midpoint": lambda column: agg.quantile(column, 0.3, "midpoint"),
    "mad": agg.mad,
    "vwap": lambda column: agg.vwap(column, "s"),
    "wmean": lambda column: agg.wmean(column, "s"),
    "cov": lambda column: agg.cov(column, "s"),
    "corr": lambda column: agg.corr(column, "s"),
    "slope": agg.slope,
    "slope_x": lambda column: agg.slope("s", column),
}
EVERYTHING = {**OF_ALL, **SUMS, **REACH, **RANKS, **NUMERIC}
HAS = [
    *((type_, EVERYTHING) for type_ in (*INTEGERS, *UNSIGNED, *FLOATS, pa.bool_(), *NARROW)),
    *((type_, {**OF_ALL, **REACH, **RANKS}) for type_ in TIMES),
    *((type_, {**OF_ALL, **SUMS, **REACH}) for type_ in WIDE),
    *((type_, OF_ALL) for type_ in (*TEXTS, *BYTES)),
]
# Range and sums of the widest integers may be too much for their type: their inputs are smaller.
SMALL = {"int64": 2**57, "uint64": 2**58}
WORDS = ["", "a", "aa", "ab", "b", "ä", "日", "z", "a\0", "a\0b"]


def draw(rng, type_, n_rows):
    """Give values of a type, from a few, so that there are modes; and some nulls."""
    types = pa.types
    if types.is_decimal(type_):
        digits = [int(rng.integers(1, type_.precision - 1)) for _ in range(40)]
        units = [int("".join(map(str, rng.integers(0, 10, n)))) for n in digits]
        pool = [unit * int(rng.choice([-1, 1])) for unit in units]
        width = type_.bit_width // 8
        picked = [pool[at] for at in rng.integers(0, len(pool), n_rows)]
        words = b"".join(unit.to_bytes(width, "little", signed=True) for unit in picked)
        flags = np.packbits(rng.random(n_rows) > 0.1, bitorder="little")
        return pa.Array.from_buffers(type_, n_rows, [pa.py_buffer(flags), pa.py_buffer(words)])
    if types.is_boolean(type_):
        values = rng.integers(0, 2, n_rows).astype(bool).tolist()
    elif types.is_integer(type_):
        most = SMALL.get(str(type_), 2 ** (type_.bit_width - types.is_signed_integer(type_)))
        least = -most if types.is_signed_integer(type_) else 0
        pool = rng.integers(least, most, 40, dtype=np.int64 if least else np.uint64)
        values = pool[rng.integers(0, 40, n_rows)].tolist()
    elif types.is_floating(type_):
        pool = rng.normal(size=40).astype(f"f{type_.bit_width // 8}")
        values = pool[rng.integers(0, 40, n_rows)]
        return pa.array(values, type_, mask=rng.random(n_rows) < 0.1)
    elif types.is_temporal(type_):
        most = 1000 if types.is_date32(type_) else 80_000
        words = rng.integers(0, most, n_rows) * (86_400_000 if types.is_date64(type_) else 1)
        words = words.astype(f"i{type_.bit_width // 8}")
        null = rng.random(n_rows) < 0.1
        return pa.array(words, mask=null).view(type_)
    elif type_ == pa.binary(3):
        values = [b"abcdefg"[at : at + 3] for at in rng.integers(0, 5, n_rows)]
    else:
        values = [WORDS[at] for at in rng.integers(0, len(WORDS), n_rows)]
        if not (types.is_string(type_) or types.is_large_string(type_) or type_ in TEXTS):
            values = [word.encode("utf-16-le") for word in values]
    return pa.array([None if rng.random() < 0.1 else value for value in values], type_)


def plainly(column):
    """Give values as Python's numbers: times in their unit, decimals as fractions."""
    types, type_ = pa.types, column.type
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if types.is_list(type_):
        flat = plainly(column.values)
        ends = column.offsets.to_pylist()
        return [
            flat[begin:end] if there else None
            for begin, end, there in zip(
                ends, ends[1:], column.is_valid().to_pylist(), strict=False
            )
        ]
    if types.is_temporal(type_):
        return column.view(pa.int32() if type_.bit_width == 32 else pa.int64()).to_pylist()
    if types.is_decimal(type_):
        return [None if value is None else Fraction(value) for value in column.to_pylist()]
    if types.is_floating(type_):
        return [None if value is None else float(value) for value in column.to_pylist()]
    return column.to_pylist()


def windows_of(table):
    """Give the rows of each window with a row that has a value or not: (start, [(t, value)])."""
    rows = list(
        zip(table["t"].to_pylist(), plainly(table["p"]), table["s"].to_pylist(), strict=True)
    )
    starts = sorted({t // SIZE * SIZE for t, _, _ in rows})
    return [[row for row in rows if row[0] // SIZE * SIZE == start] for start in starts]


def expected(name, rows):
    """Compute one result of the rows of one window, by brute force."""
    there = [(t, value) for t, value, _ in rows if value is not None]
    by_time = [value for _, value in sorted(there, key=lambda row: row[0])]
    values = [value for _, value in there]
    if name in ("count", "nunique", "sum"):
        number = {"count": len(values), "nunique": len(set(values))}
        return number[name] if name in number else sum(map(Fraction, values))
    if not values:
        return None
    if name in OF_ALL:
        counts = Counter(values)
        most = max(counts.values())
        return {
            "first": lambda: by_time[0],
            "last": lambda: by_time[-1],
            "min": lambda: min(values),
            "max": lambda: max(values),
            "mode": lambda: min(value for value, n in counts.items() if n == most),
            "collect": lambda: by_time,
            "custom": lambda: len(values),
        }[name]()
    ranked = sorted(values)
    if name in ("lower", "higher", "nearest"):
        # The product is rounded once, as NumPy has it.
        place = 0.3 * (len(ranked) - 1)
        return ranked[{"lower": math.floor, "higher": math.ceil, "nearest": round}[name](place)]
    if name in ("argmin", "argmax"):
        end = min(values) if name == "argmin" else max(values)
        return min(t for t, value in there if value == end)
    exact = list(map(Fraction, values))
    if name == "range":
        return max(exact) - min(exact)
    if name == "mean":
        return sum(exact) / len(exact)
    return of_numbers(name, exact, rows, by_time)


def middle(ranked):
    """Give the median."""
    return (ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / 2


def of_numbers(name, exact, rows, by_time):
    """Compute what only numbers have, as a fraction or a float near enough."""
    n, ranked = len(exact), sorted(exact)
    center = sum(exact) / n
    powers = {k: sum((x - center) ** k for x in exact) / n for k in (2, 3, 4)}
    low = ranked[math.floor(0.3 * (n - 1))]
    high = ranked[min(math.floor(0.3 * (n - 1)) + 1, n - 1)]
    if name == "median":
        return middle(ranked)
    if name == "mad":
        return middle(sorted(abs(x - middle(ranked)) for x in exact))
    if name in ("linear", "midpoint"):
        part = Fraction(0.3 * (n - 1)) - math.floor(0.3 * (n - 1))
        return low + (high - low) * (Fraction(1, 2) if name == "midpoint" and part else part)
    pairs = [(Fraction(x), Fraction(s), t) for t, x, s in rows if x is not None]
    if name in ("vwap", "wmean"):
        return sum(x * s for x, s, _ in pairs) / sum(s for _, s, _ in pairs)
    if n < {"skew": 3, "kurt": 4}.get(name, 2):
        return None
    var = powers[2] * n / (n - 1)
    if name in ("cov", "corr", "slope", "slope_x"):
        xs = [x for x, _, _ in pairs]
        ys = [Fraction(t) if name == "slope" else s for _, s, t in pairs]
        mean_y = sum(ys) / n
        both = sum((x - center) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
        squares = sum((y - mean_y) ** 2 for y in ys)
        if name == "cov":
            return both / (n - 1)
        if name == "slope":
            return both / squares if squares else math.nan
        if name == "slope_x":
            return both / (powers[2] * n) if powers[2] else math.nan
        over = powers[2] * n * squares
        return float(both) / math.sqrt(over) if over else math.nan
    if name == "var":
        return var
    if name == "std":
        return math.sqrt(var)
    if name == "sem":
        return math.sqrt(var / n)
    if powers[2] == 0:
        return math.nan
    if name == "zscore":
        return float(Fraction(by_time[-1]) - center) / math.sqrt(var)
    if name == "skew":
        bias = math.sqrt(n * (n - 1)) / (n - 2)
        return bias * float(powers[3]) / math.sqrt(powers[2]) ** 3
    return float(
        (n - 1) * ((n + 1) * powers[4] / powers[2] ** 2 - 3 * (n - 1)) / ((n - 2) * (n - 3))
    )


def same(got, want, *, rounds=1e-12):
    """Tell whether a result is the exact one, or as a float as near as was promised."""
    if want is None or got is None or isinstance(got, list):
        return got == want
    if isinstance(got, float) and not isinstance(want, str | bytes):
        if math.isnan(want) or math.isnan(got):
            return math.isnan(want) and math.isnan(got)
        return abs(Fraction(got) - Fraction(want)) <= abs(Fraction(want)) * Fraction(rounds)
    return got == want


def table_of(rng, type_, n_rows=N_ROWS):
    return pa.table(
        {
            "t": pa.array(rng.permutation(n_rows)),
            "p": draw(rng, type_, n_rows),
            "s": pa.array(rng.integers(1, 50, n_rows)),
        }
    )


@pytest.mark.parametrize(("type_", "functions"), HAS, ids=[str(type_) for type_, _ in HAS])
def test_every_type_has_its_aggregations_and_they_are_right(rng, type_, functions):
    table = table_of(rng, type_)
    made = {name: make("p") for name, make in functions.items()}
    got = tg.aggregate(table, tg.Tumbling(SIZE), on="t", **made)
    for name in functions:
        own = name in ("first", "last", "min", "max", "mode", "lower", "higher", "nearest")
        if own:
            assert got.schema.field(name).type == type_
        wants = [expected(name, rows) for rows in windows_of(table)]
        exact = pa.types.is_floating(got.schema.field(name).type) and name in ("sum", "mean")
        rounds = 2**-53 if exact else 1e-9 if name in ("kurt", "skew", "corr") else 1e-12
        rounds = {"float": 2**-24, "halffloat": 2**-11}.get(str(type_), rounds)
        seconds = 86_400 if name == "range" and pa.types.is_date32(type_) else 1
        for mine, want in zip(plainly(got[name]), wants, strict=True):
            want = want * seconds if seconds > 1 else want  # a date's distance is in seconds
            assert same(mine, want, rounds=rounds), (name, mine, want)


@pytest.mark.parametrize(("type_", "functions"), HAS, ids=[str(type_) for type_, _ in HAS])
def test_what_a_type_does_not_have_is_an_error_that_tells_what_would_do(rng, type_, functions):
    table = table_of(rng, type_, 10)
    for name in EVERYTHING.keys() - functions.keys():
        live = tg.Aggregator(tg.Tumbling(SIZE), EVERYTHING[name]("p"), on="t")
        with pytest.raises(errors.ColumnTypeError, match="'p'") as caught:
            live.push(table)
        assert str(type_) in str(caught.value), name
        assert any(word in str(caught.value) for word in ("cast", "make", "have", "cannot")), name
        assert live.stats.rows_in == 0


@pytest.mark.parametrize("type_", UNKNOWN, ids=str)
def test_nested_types_and_intervals_have_only_a_count(type_):
    table = pa.table({"t": [1, 2, 3], "p": pa.nulls(3, type_), "s": [1, 2, 3]})
    counted = tg.aggregate(table, tg.Tumbling(10), on="t", n=agg.count("p"))
    assert counted["n"].to_pylist() == [0]
    for name in EVERYTHING.keys() - {"count"}:
        with pytest.raises(errors.ColumnTypeError, match=r"'p'.*(expected|there are)"):
            tg.aggregate(table, tg.Tumbling(10), EVERYTHING[name]("p"), on="t")


@pytest.mark.parametrize(("type_", "functions"), HAS, ids=[str(type_) for type_, _ in HAS])
def test_a_stream_cut_stopped_and_resumed_says_the_same_of_every_type(rng, type_, functions):
    table = table_of(rng, type_).append_column("k", pa.array(rng.integers(0, 3, N_ROWS)))
    made = {name: make("p") for name, make in functions.items()}
    known = {"builtins:len": len}
    window = tg.Sliding(SIZE, SIZE // 2)
    live = tg.Aggregator(window, on="t", by="k", lateness=None, **made)
    for at in range(0, N_ROWS, 37):
        live.push(table.slice(at, 37))
        live = tg.Aggregator.restore(live.snapshot(), functions=known)
    whole = tg.aggregate(table, window, on="t", by="k", **made)
    assert repr(live.flush().to_pydict()) == repr(whole.to_pydict())


@pytest.mark.parametrize("type_", [*TEXTS, *BYTES, *NARROW[:3], *WIDE[:2], pa.int32()], ids=str)
def test_a_dictionary_has_what_its_values_have(rng, type_):
    table = table_of(rng, type_)
    indices = {value: at for at, value in enumerate(dict.fromkeys(table["p"].to_pylist()))}
    entries = pa.array([value for value in indices if value is not None], type_)
    places = {value: at for at, value in enumerate(entries.to_pylist())}
    codes = pa.array([places.get(value) for value in table["p"].to_pylist()], pa.int16())
    coded = table.set_column(1, "p", pa.DictionaryArray.from_arrays(codes, entries))
    made = {name: OF_ALL[name]("p") for name in OF_ALL}
    got, plain = (tg.aggregate(t, tg.Tumbling(SIZE), on="t", **made) for t in (coded, table))
    assert got.equals(plain)


def test_all_null_and_nothing_at_all_are_no_values():
    for type_, functions in HAS:
        made = {name: make("p") for name, make in functions.items()}
        nothing = pa.table({"t": [3], "p": pa.nulls(1, type_), "s": [1]})
        (row,) = tg.aggregate(nothing, tg.Tumbling(SIZE), on="t", **made).to_pylist()
        for name in functions:
            assert row[name] == (0 if name in ("count", "nunique", "sum") else None), (type_, name)
        assert tg.aggregate(nothing.slice(0, 0), tg.Tumbling(SIZE), on="t", **made).num_rows == 0


def test_instants_and_dates_come_back_as_they_came():
    days = [dt.date(2024, 2, 29), dt.date(2023, 1, 1)]
    table = pa.table({"t": [1, 2], "p": days})
    (row,) = tg.aggregate(
        table, tg.Tumbling(10), on="t", a=agg.first("p"), b=agg.min("p"), c=agg.collect("p")
    ).to_pylist()
    assert (row["a"], row["b"], row["c"]) == (days[0], days[1], days)
