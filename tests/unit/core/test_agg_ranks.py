"""What needs every value of a window: quantiles, modes, numbers of values, lists."""

import json
import math
import resource
import struct
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tidegate as tg
from tidegate import agg, errors
from tidegate._kernels.checksum import crc32c

ONE = tg.Tumbling(10)
INT64_MAX = 2**63 - 1
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def over(values, make, *args, type=None, times=None, by=False, nan="value"):  # noqa: A002
    """Aggregate one window over `values`, and give its only value."""
    times = [0] * len(values) if times is None else times
    table = pa.table({"t": pa.array(times, pa.int64()), "p": pa.array(values, type)})
    table = table.append_column("k", pa.array([1] * len(values)))
    keys = {"by": "k"} if by else {}
    result = tg.aggregate(table, ONE, on="t", nan=nan, x=make("p", *args), **keys)
    return result["x"][0].as_py()


# Quantiles


def test_median_is_in_the_middle():
    assert over([3.0, 1.0, 2.0], agg.median) == 2.0
    assert over([4.0, 1.0, 3.0, 2.0], agg.median) == 2.5
    assert over([7], agg.median) == 7.0
    assert over([None, 7, None], agg.median) == 7.0
    assert over([None], agg.median, type=pa.int8()) is None
    assert over([True, False], agg.median) == 0.5


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "nearest", "midpoint"])
@pytest.mark.parametrize("q", [0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999, 1])
def test_quantiles_are_those_of_numpy(q, interpolation, rng):
    for n_rows in (1, 2, 3, 4, 5, 10, 11, 16, 17, 100, 1001, 5000):
        values = np.round(rng.normal(size=n_rows), 2 if n_rows % 2 else 9)
        expected = np.quantile(values, q, method=interpolation)
        got = over(values, agg.quantile, q, interpolation)
        assert got == pytest.approx(expected, rel=1e-14, abs=1e-15), n_rows


def test_medians_are_those_of_pandas_polars_and_duckdb(rng):
    frame = pd.DataFrame({"t": np.arange(3000), "p": rng.normal(size=3000)})
    got = tg.aggregate(frame, tg.Tumbling(100), on="t", m=agg.median("p"), n=agg.nunique("p"))
    np.testing.assert_array_equal(got["m"], frame.groupby(frame["t"] // 100)["p"].median())
    dynamic = pl.from_pandas(frame).group_by_dynamic("t", every="100i")
    np.testing.assert_allclose(got["m"], dynamic.agg(pl.median("p"))["p"], rtol=1e-15)
    np.testing.assert_array_equal(got["n"], dynamic.agg(pl.col("p").n_unique())["p"])
    duck = duckdb.sql("SELECT median(p) m FROM frame GROUP BY t // 100 ORDER BY t // 100")
    np.testing.assert_array_equal(got["m"], duck.fetchnumpy()["m"])


def test_quantile_is_rounded_once():
    assert over([0.1, 0.3], agg.median) == 0.2
    assert over([0.0, 0.3], agg.quantile, 1 / 3) == float(np.float64(1 / 3) * 0.3)
    assert over([-1.7e308, 1.7e308], agg.median) == 0.0
    assert over([1.7e308, 1.7e308], agg.median) == 1.7e308
    assert over([5e-324, 1.5e-323], agg.median) == 1e-323
    assert over([INT64_MAX, INT64_MAX - 2], agg.median) == float(INT64_MAX)
    assert over([2**53, 2**53 + 2], agg.median) == 2.0**53
    assert over([-(2**63), INT64_MAX], agg.median) == -0.5
    assert over([0, 2**64 - 1], agg.median, type=pa.uint64()) == 2.0**63


def test_quantile_that_is_a_value_has_its_type():
    assert over([INT64_MAX, 5], agg.quantile, 0.7, "higher") == INT64_MAX
    assert over([2**64 - 1, 5], agg.quantile, 0.7, "lower", type=pa.uint64()) == 5
    stamps = [datetime(2024, 1, day) for day in (3, 1, 2)]
    assert over(stamps, agg.quantile, 0.5, "lower") == datetime(2024, 1, 2)
    assert over([timedelta(3), timedelta(1)], agg.quantile, 1.0, "nearest") == timedelta(3)
    for interpolation in ("linear", "midpoint"):
        with pytest.raises(errors.ColumnTypeError, match="'p'"):
            over(stamps, agg.quantile, 0.5, interpolation)
    with pytest.raises(errors.ColumnTypeError, match="'p'"):
        over(stamps, agg.median)


def test_nan_is_a_value_and_infinities_have_a_rank():
    assert math.isnan(over([1.0, math.nan, 3.0], agg.median))
    assert over([1.0, math.nan, 3.0], agg.median, nan="missing") == 2.0
    assert over([1.0, math.inf, 3.0], agg.median) == 3.0
    assert over([1.0, math.inf], agg.median) == math.inf
    assert over([1.0, -math.inf], agg.median) == -math.inf
    assert math.isnan(over([math.inf, -math.inf], agg.median))
    assert over([math.inf, math.inf], agg.median) == math.inf


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan, "0.5", None, True])
def test_q_is_from_0_to_1(q):
    with pytest.raises(errors.InputError, match="q is"):
        agg.quantile("p", q)


def test_interpolation_is_one_of_five():
    with pytest.raises(errors.InputError, match="interpolation is 'cubic'"):
        agg.quantile("p", 0.5, "cubic")


@pytest.mark.parametrize("n_rows", [1000, 20_000])
@pytest.mark.parametrize("order", ["rising", "falling", "organ", "equal", "two", "saw", "killer"])
def test_no_order_of_the_values_is_slow_or_wrong(order, n_rows):
    rising = np.arange(n_rows)
    values = {
        "rising": rising,
        "falling": rising[::-1],
        "organ": np.minimum(rising, rising[::-1]),
        "equal": rising * 0,
        "two": rising % 2,
        "saw": rising % 97,
        "killer": np.concatenate([rising[::2], rising[1::2][::-1]]),
    }[order]
    assert over(values, agg.median) == np.median(values)
    assert over(values, agg.quantile, 0.9, "lower") == np.quantile(values, 0.9, method="lower")
    assert over(values, agg.nunique) == len(np.unique(values))
    assert over(values, agg.mode) == pd.Series(values).mode()[0]


def test_values_that_collide_are_neither_slow_nor_miscounted():
    inverse = pow(0x9E3779B97F4A7C15, -1, 2**64)  # of the factor that the table hashes by
    values = [(place * inverse) % 2**64 for place in range(50_000)]
    values += values[100:200]
    assert over(values, agg.nunique, type=pa.uint64()) == 50_000
    assert over(values, agg.mode, type=pa.uint64()) == min(values[100:200])


# Median absolute deviation


def test_mad_is_the_median_distance_from_the_median():
    assert over([1, 1, 2, 2, 4, 6, 9], agg.mad) == 1.0
    assert over([1.0, 2.0, 3.0, 1e300], agg.mad) == 1.0
    assert over([5.0], agg.mad) == 0.0
    assert over([INT64_MAX, INT64_MAX - 1, INT64_MAX - 3], agg.mad) == 1.0
    assert over([1.7e308, -1.7e308, 0.0], agg.mad) == 1.7e308
    assert over([1.0, 2.0, math.inf], agg.mad) == 1.0
    assert math.isnan(over([1.0, math.inf, math.inf], agg.mad))
    assert math.isnan(over([1.0, math.nan], agg.mad))


@given(st.lists(FINITE.filter(lambda x: abs(x) < 1e300), min_size=1, max_size=50))
def test_mad_is_that_of_numpy(values):
    expected = np.median(np.abs(np.array(values) - np.median(values)))
    assert over(values, agg.mad) == pytest.approx(expected, rel=1e-12, abs=1e-320)


# Numbers of values, and the most frequent


def test_nunique_counts_values():
    assert over([1.0, 1.0, 2.0, None], agg.nunique) == 2
    assert over([0.0, -0.0, math.nan, -math.nan], agg.nunique) == 2
    assert over([None], agg.nunique, type=pa.float64()) == 0
    assert over([2**53, 2**53 + 1], agg.nunique) == 2
    assert over([datetime(2024, 1, 1)] * 2, agg.nunique) == 1


def test_mode_is_the_most_frequent_and_of_several_the_smallest():
    assert over([3, 1, 3, 1, 2], agg.mode) == 1
    assert over([5, 4, 4, None, None, None], agg.mode) == 4
    assert over([2**64 - 1, 0, 2**64 - 1], agg.mode, type=pa.uint64()) == 2**64 - 1
    assert over([True, True, False], agg.mode) is True
    assert over([timedelta(2), timedelta(2), timedelta(1)], agg.mode) == timedelta(2)
    assert over([2.0, math.nan, math.nan], agg.mode) != over([2.0], agg.mode)
    assert over([2.0, math.nan], agg.mode) == 2.0
    assert over([None], agg.mode, type=pa.int8()) is None


# Lists


def test_collect_goes_by_time_then_by_arrival():
    times, values = [5, 1, 5, 1, 3], ["five", "one", "and five", "and one", "three"]
    numbers = list(range(5))
    got = over(numbers, agg.collect, times=times)
    assert [values[i] for i in got] == ["one", "and one", "three", "five", "and five"]
    assert over(numbers, agg.collect, times=times, by=True) == got


@pytest.mark.parametrize(
    "values",
    [
        [1.5, None, math.inf],
        [1, None, INT64_MAX],
        [True, None, False],
        [datetime(2024, 1, 1), None],
        [timedelta(1), None],
    ],
    ids=str,
)
def test_list_has_the_type_of_its_column(values):
    table = pa.table({"t": [0] * len(values), "p": values})
    x = tg.aggregate(table, ONE, on="t", x=agg.collect("p"))["x"]
    assert x.type == pa.list_(table["p"].type)
    assert x.to_pylist() == [[value for value in values if value is not None]]


def test_list_of_no_value_is_null():
    table = {"t": pa.array([0, 10, 20]), "p": pa.array([None, 1, None], pa.int32())}
    for keys in ({}, {"by": "t"}):
        x = tg.aggregate(pa.table(table), ONE, on="t", x=agg.collect("p"), **keys)["x"]
        assert x.to_pylist() == [None, [1], None]


def test_two_lists_of_one_column():
    table = pa.table({"t": [0, 1, 10], "p": [3, 1, 2], "q": [1.0, 2.0, 3.0]})
    wanted = {"a": agg.collect("p"), "b": agg.collect("p"), "c": agg.collect("q")}
    for window in (ONE, tg.Sliding(20, 10)):
        got = tg.aggregate(table, window, on="t", **wanted)
        assert got["a"].to_pylist() == got["b"].to_pylist()
    assert got["c"].to_pylist() == [[1.0, 2.0], [1.0, 2.0, 3.0], [3.0]]


def test_lists_come_out_of_a_stream_bit_by_bit():
    live = tg.Aggregator(ONE, on="t", lateness=0, x=agg.collect("p"))
    said = [live.push({"t": [t], "p": [t / 2]})["x"].to_pylist() for t in (1, 5, 12, 13, 30, 31)]
    assert said == [[], [], [[0.5, 2.5]], [], [[6.0, 6.5]], []]
    assert live.flush()["x"].to_pylist() == [[15.0, 15.5]]


def test_lists_go_to_pandas_and_polars():
    frame = pd.DataFrame({"t": [0, 1], "p": [1.0, 2.0]})
    assert tg.aggregate(frame, ONE, on="t", x=agg.collect("p"))["x"][0].tolist() == [1.0, 2.0]
    polars = tg.aggregate(pl.from_pandas(frame), ONE, on="t", x=agg.collect("p"))
    assert polars["x"].to_list() == [[1.0, 2.0]]


@pytest.mark.parametrize("make", [agg.median, agg.quantile, agg.mad])
def test_text_has_no_ranks(make):
    with pytest.raises(errors.ColumnTypeError, match=r"'p'.*string"):
        over(["a"], make)


# State


def live(**options):
    settings = {"on": "t", "by": "k", "lateness": 50} | options
    return tg.Aggregator(
        tg.Sliding(20, 10), m=agg.median("p"), c=agg.collect("p"), n=agg.nunique("q"), **settings
    )


def rows(n_rows, seed=1):
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "t": np.arange(n_rows) // 3 - rng.integers(0, 9, n_rows),
            "k": pa.array(rng.integers(0, 5, n_rows)).cast(pa.string()),
            "p": pa.array(rng.normal(size=n_rows), mask=rng.random(n_rows) < 0.1),
            "q": rng.integers(0, 9, n_rows),
        }
    )


def test_snapshot_has_the_values():
    table = rows(500)
    run, other = live(), live()
    assert run.push(table.slice(0, 300)).equals(other.push(table.slice(0, 300)))
    restored = tg.Aggregator.restore(run.snapshot())
    assert restored.snapshot() == run.snapshot()
    assert restored.push(table.slice(300)).equals(other.push(table.slice(300)))
    assert restored.flush().equals(other.flush())


def sections(state):
    """Take a snapshot apart: its header, and its sections by name."""
    body = state[24:]
    (length,) = struct.unpack_from("<I", body)
    header, at, parts = json.loads(body[4 : 4 + length]), 4 + length, {}
    for name, size in header["sections"]:
        parts[name] = body[at : at + size]
        at += size
    return header, parts


def forged(header, parts):
    """Put a snapshot together again, its checksum right."""
    header["sections"] = [[name, len(part)] for name, part in parts.items()]
    head = json.dumps(header).encode()
    body = b"".join([struct.pack("<I", len(head)), head, *parts.values()])
    return struct.pack("<8sIQI", b"tidegate", 2, len(body), crc32c(body)) + body


def test_snapshot_that_lies_about_its_values_is_refused():
    run = live()
    run.push(rows(100))
    state = run.snapshot()
    header, parts = sections(state)
    assert forged(header, parts) == state
    for kept in (b"", parts["kept"][:-8], parts["kept"] + bytes(8), parts["kept"][:-1]):
        with pytest.raises(errors.SnapshotError):
            tg.Aggregator.restore(forged(header, parts | {"kept": kept}))


def test_no_word_of_a_record_is_an_address():
    run = live()
    run.push(rows(60))
    header, parts = sections(run.snapshot())
    rng = np.random.default_rng(4)
    words = np.frombuffer(parts["records"], np.int64)
    for _ in range(300):
        bad = words.copy()
        bad[rng.integers(len(bad))] = rng.choice([-1, 1, 2**40, INT64_MAX, -(2**63), 0xDEAD0000])
        try:
            other = tg.Aggregator.restore(forged(header, parts | {"records": bad.tobytes()}))
        except errors.SnapshotError:
            continue
        other.push(rows(60, seed=2))
        other.flush()


def test_too_many_values_are_an_error_that_names_the_limit_and_takes_nothing():
    run = live(limits=tg.Limits(max_kept=1000))
    table = rows(2000)
    run.push(table.slice(0, 200))
    before = run.stats
    with pytest.raises(errors.LimitError, match=r"max_kept=1000 .*nothing of the batch was taken"):
        run.push(table.slice(200))
    assert run.stats == before
    expected = live()
    expected.push(table.slice(0, 200))
    assert run.flush().equals(expected.flush())


def test_limit_holds_for_plain_batches_too():
    run = tg.Aggregator(
        ONE, on="t", lateness=10**6, m=agg.median("p"), limits=tg.Limits(max_kept=1000)
    )
    batch = pa.record_batch({"t": np.arange(300), "p": np.arange(300) / 7})
    for _ in range(3):
        run.push(batch)
    with pytest.raises(errors.LimitError, match=r"max_kept=1000 .*nothing of the batch was taken"):
        run.push(batch)
    assert run.stats.used == 900
    assert run.flush().num_rows == 30


@pytest.mark.memory
def test_values_of_closed_windows_are_given_back():
    wanted = {"m": agg.median("p"), "c": agg.collect("p")}
    run = tg.Aggregator(tg.Tumbling(1000), on="t", by="k", lateness=0, **wanted)
    rng = np.random.default_rng(5)
    peaks = []
    for part in range(30):
        n_rows = 100_000
        t = np.arange(n_rows) // 10 + part * n_rows // 10
        run.push(pa.table({"t": t, "k": t % 7 + part * 7, "p": rng.normal(size=n_rows)}))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert peaks[-1] - peaks[5] < 10_000  # kB; values and times of 2.5 million rows are 40 MB


def test_plan_of_quantiles_goes_through_json():
    plan = tg.Aggregator(ONE, agg.quantile("p", 0.9, "lower"), agg.median("p"), on="t").plan
    assert tg.Plan.from_json(plan.to_json()) == plan
    for wrong in ('"q": 2', '"q": "x"', '"q": null', '"q": [1]'):
        with pytest.raises(errors.InputError):
            tg.Plan.from_json(plan.to_json().replace('"q": 0.9', wrong))
