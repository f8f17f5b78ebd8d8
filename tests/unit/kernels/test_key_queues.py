"""Rows that wait for the watermarks of their keys: order, and what is said of their values."""

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import agg
from tidegate._kernels.key_queues import KeyQueues


def i64(*values):
    return np.array(values, np.int64)


def filled():
    """Make queues with rows of three keys, the second column with a null."""
    queues = KeyQueues(2)
    times, codes = i64(5, 3, 5, 4), np.array([0, 2, 0, 1], np.int32)
    flags = np.array([1, 0, 1, 1], np.uint8)
    queues.push(times, codes, [(i64(1, 2, 4, 8), None), (i64(3, 7, 1, 0), flags)])
    queues.push(i64(1), np.array([2], np.int32), [(None, None), (i64(2), None)])
    return queues


def test_rows_are_shown_in_order_of_arrival():
    queues = filled()
    times, codes, ((first, valid), (second, flags)) = queues.peek()
    assert len(queues) == 5
    assert np.frombuffer(times, "q").tolist() == [5, 3, 5, 4, 1]
    assert np.frombuffer(codes, "i").tolist() == [0, 2, 0, 1, 2]
    assert (np.frombuffer(first, "q").tolist(), valid) == ([1, 2, 4, 8, 0], None)
    assert np.frombuffer(second, "q").tolist() == [3, 7, 1, 0, 2]
    assert np.frombuffer(flags, "B").tolist() == [1, 0, 1, 1, 1]


def test_codes_of_values_are_marked_and_replaced_where_there_are_values():
    queues = filled()
    used = np.zeros(5, np.uint8)
    assert queues.mark_codes(1, used)
    assert used.tolist() == [1, 1, 1, 1, 0]
    queues.replace_codes(1, np.array([9, 8, 7, 6, 0], np.int32))
    _, _, (_, (second, _)) = queues.peek()
    assert np.frombuffer(second, "q").tolist() == [6, 0, 8, 9, 7]
    assert not queues.mark_codes(1, np.zeros(4, np.uint8))


@pytest.mark.parametrize(
    ("times", "codes", "columns"),
    [
        (i64(1), np.array([0], np.int32), [(i64(1), None)]),
        (i64(1), np.array([0, 1], np.int32), [(i64(1), None), (i64(1), None)]),
        (i64(1), np.array([0], np.int32), [(i64(1, 2), None), (i64(1), None)]),
        (i64(1), np.array([-1], np.int32), [(i64(1), None), (i64(1), None)]),
    ],
)
def test_rows_that_are_not_whole_are_refused(times, codes, columns):
    queues = KeyQueues(2)
    with pytest.raises(ValueError, match=r"columns|code"):
        queues.push(times, codes, columns)
    assert len(queues) == 0


@pytest.mark.parametrize("n", [1, 25_000])
def test_rows_of_a_key_are_taken_in_order_however_disordered_they_come(n):
    random = np.random.default_rng(n)
    times, keys = random.integers(0, 5_000, n), random.integers(0, 3, n)
    table = pa.table({"t": times, "k": keys, "row": np.arange(n)})
    live = tg.Aggregator(
        tg.Count(1), row=agg.first("row"), on="t", by="k", watermark="key", lateness=5_000
    )
    out = [live.push(batch) for batch in table.to_batches(max_chunksize=9_000)]
    out.append(live.advance(2_500))
    assert live.stats.pending == (times >= 2_500).sum()
    out.append(live.flush())
    for key in range(3):
        mine = np.flatnonzero(keys == key)
        said = pa.concat_tables(out).filter(
            pa.array(
                np.concatenate([np.array(part["k"].to_pylist(), np.int64) for part in out]) == key
            )
        )
        assert said["row"].to_pylist() == mine[np.argsort(times[mine], kind="stable")].tolist()
