"""Results as tables: slices of a slab, or memory of their own."""

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate.core.results import MOST_IN_SLAB, SLAB_ROWS

WINDOW = tg.Tumbling(10)
N_WINDOWS = 3 * SLAB_ROWS


def live(*aggregations: tg.agg.Aggregation, **options: object) -> tg.Aggregator:
    return tg.Aggregator(WINDOW, *aggregations, on="t", **options)


def rows(first: int, n_windows: int) -> pa.RecordBatch:
    """Two rows in each even window, one in each odd one: its std is null."""
    windows = np.arange(first, first + n_windows)
    t = np.sort(np.concatenate([windows * 10, windows[windows % 2 == 0] * 10 + 5]))
    return pa.record_batch({"t": t, "x": np.sqrt(t)})


@pytest.mark.parametrize("step", [1, 7, MOST_IN_SLAB, MOST_IN_SLAB + 1, 2 * MOST_IN_SLAB])
def test_results_are_the_same_however_many_are_taken_at_a_time(step):
    aggregator = live(tg.agg.std("x"), tg.agg.last("x"), tg.agg.rows())
    taken = [
        aggregator.push(rows(first, min(step, N_WINDOWS - first)))
        for first in range(0, N_WINDOWS, step)
    ]
    whole = tg.aggregate(
        pa.table(rows(0, N_WINDOWS)),
        WINDOW,
        tg.agg.std("x"),
        tg.agg.last("x"),
        tg.agg.rows(),
        on="t",
    )
    together = pa.concat_tables([*taken, aggregator.flush()])
    together.validate(full=True)
    assert together.equals(whole)
    assert together["x_std"].null_count == N_WINDOWS // 2


def test_what_was_taken_never_changes():
    aggregator = live(tg.agg.std("x"))
    taken, written = [], []
    for window in range(2 * SLAB_ROWS):
        taken.append(aggregator.push(rows(window, 1)))
        written.append(taken[-1].to_pylist())
    assert [table.to_pylist() for table in taken] == written


def test_nothing_is_an_empty_table_of_the_same_columns():
    aggregator = live(tg.agg.std("x"))
    assert aggregator.push(rows(0, 1)).num_rows == 0
    assert aggregator.push(rows(0, 1)).schema == aggregator.push(rows(1, 1)).schema


@pytest.mark.parametrize(
    "change",
    [
        lambda batch: batch.slice(1),
        lambda batch: batch.select(["x", "t"]),
        lambda batch: batch.append_column("more", batch["x"]),
        lambda batch: batch.set_column(
            1, "x", pa.array([*batch["x"].to_pylist()[:-1], None], pa.float64())
        ),
        lambda batch: pa.RecordBatch.from_arrays(
            [batch["t"], misaligned(batch["x"])], names=["t", "x"]
        ),
        lambda batch: pa.RecordBatch.from_struct_array(batch.to_struct_array().slice(2)),
        lambda batch: batch.slice(0, 0),
    ],
    ids=["sliced", "reordered", "more columns", "a null", "misaligned", "struct", "empty"],
)
def test_batches_read_where_they_stand_say_what_copies_say(change):
    aggregators = live(tg.agg.sum("x"), tg.agg.count("x")), live(tg.agg.sum("x"), tg.agg.count("x"))
    for first in (0, 40, 80):
        batch = change(rows(first, 40))
        copy = pa.table({name: batch[name].to_pylist() for name in ("t", "x")}, batch_types(batch))
        assert aggregators[0].push(batch).equals(aggregators[1].push(copy))
    assert aggregators[0].stats == aggregators[1].stats
    assert aggregators[0].flush().equals(aggregators[1].flush())


def test_late_rows_of_a_batch_read_where_it_stands_are_on_the_side():
    aggregator = live(tg.agg.rows(), schema=pa.schema([("t", pa.int64())]))
    aggregator.push(pa.record_batch({"t": [1, 25, 3, 26, 4]}))
    assert aggregator.take_late()["row"].to_pylist() == [2, 4]
    assert aggregator.stats.late == 2


def batch_types(batch: pa.RecordBatch) -> pa.Schema:
    return pa.schema([batch.schema.field(name) for name in ("t", "x")])


def misaligned(values: pa.Array) -> pa.Array:
    """The same values, a byte beside where they should stand."""
    raw = pa.py_buffer(b"\0" + values.to_numpy().tobytes()).slice(1)
    return pa.Array.from_buffers(values.type, len(values), [None, raw])
