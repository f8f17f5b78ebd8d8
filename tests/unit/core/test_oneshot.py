"""One shot over rows that come as they like: the answer is that of the rows, not of their cut."""

import numpy as np
import pyarrow as pa
import pytest
from reference.compare import assert_same_bits

import tidegate as tg
from tidegate import agg

N_ROWS, N_CHUNKS, N_WINDOWS = 60_000, 7, 20_000  # some 2 MB of open records
WANTS = {"n": agg.rows(), "total": agg.sum("x"), "spread": agg.std("x"), "close": agg.last("x")}


def shuffled_rows(time: str) -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    times = random.integers(-5 * N_WINDOWS, 5 * N_WINDOWS, N_ROWS)
    if time == "float":
        times = times / 4
    return {"t": times, "k": random.integers(0, 3, N_ROWS), "x": random.normal(size=N_ROWS)}


def in_chunks(rows: dict[str, np.ndarray], nulls: bool) -> pa.Table:
    table = pa.table(rows)
    if nulls:
        hidden = pa.array(np.arange(N_ROWS) % 11 == 3)
        times = pa.array(rows["t"], mask=hidden.to_numpy(zero_copy_only=False))
        table = table.set_column(0, "t", times)
    size = N_ROWS // N_CHUNKS + 1
    return pa.concat_tables([table.slice(at, size) for at in range(0, N_ROWS, size)])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("time", ["int", "float"])
@pytest.mark.parametrize("nulls", [False, True])
def test_rows_out_of_order_across_chunks_are_one_answer(threads, by, time, nulls):
    table = in_chunks(shuffled_rows(time), nulls)
    assert table.column("t").num_chunks == N_CHUNKS
    window = tg.Tumbling(10 if time == "int" else 2.5)
    options = {"on": "t", "by": by, **WANTS}
    side = tg.Side()
    got = tg.aggregate(table, window, threads=threads, side=side, **options)
    whole = tg.aggregate(table.combine_chunks(), window, threads=1, side=tg.Side(), **options)
    stream = tg.Aggregator(window, lateness=None, **options)
    stream.push(table)
    assert_same_bits(got, whole)
    assert_same_bits(got, stream.flush())
    assert side.stats == stream.stats
    assert side.stats.rejected == table.column("t").null_count


def test_windows_sorted_by_chunk_are_closed_before_the_next_chunk():
    times = np.concatenate([np.arange(0, 30_000), np.arange(20_000, 60_000)])
    table = pa.table({"t": times})
    chunks = pa.concat_tables([table.slice(0, 30_000), table.slice(30_000)])
    got = tg.aggregate(chunks, tg.Tumbling(1), on="t", n=agg.rows())
    counts = np.ones(60_000, np.int64)
    counts[20_000:30_000] = 2
    assert got["n"].to_pylist() == counts.tolist()


@pytest.mark.parametrize("kind", [pa.string(), pa.string_view(), pa.list_(pa.string_view())])
def test_values_of_any_type_are_counted_and_put_aside(kind):
    values = pa.array(["a", None, "b"], pa.string()).cast(pa.string_view())
    if pa.types.is_list(kind):
        values = pa.array([["a"], None, ["b"]], kind)
    table = pa.table({"t": [1, 30, 2], "x": values.cast(kind), "k": values.cast(kind)})
    by = None if pa.types.is_list(kind) else "k"
    side = tg.Side()
    options = {"on": "t", "by": by, "lateness": 0, "side": side}
    got = tg.aggregate(table, tg.Tumbling(10), agg.count("x"), **options)
    assert got["x_count"].to_pylist() == [1, 0]
    assert side.late["x"].type == kind
    assert side.late["x"].to_pylist() == [["b"] if by is None else "b"]
