"""A push of several record batches is one push."""

import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import agg

LATE_IN_THE_SECOND = pa.Table.from_batches(
    [pa.record_batch({"t": [5, 25], "k": ["a", "b"]}), pa.record_batch({"t": [3], "k": ["c"]})]
)


def aggregator() -> tg.Aggregator:
    return tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", by="k", late="raise")


def test_a_late_row_in_the_second_batch_takes_back_the_first():
    live = aggregator()
    live.push({"t": [1], "k": ["a"]})
    before = live.stats
    with pytest.raises(tg.errors.LateRowError, match="row 3"):
        live.push(LATE_IN_THE_SECOND)
    assert live.stats == before
    assert live.watermark == 1
    assert live.flush().to_pylist() == [{"k": "a", "window_start": 0, "window_end": 10, "rows": 1}]


def test_a_first_push_that_fails_leaves_nothing_behind():
    live = aggregator()
    with pytest.raises(tg.errors.LateRowError):
        live.push(LATE_IN_THE_SECOND)
    assert live.stats == tg.Stats(0, 0, 0, 0, 0, 0)
    assert live.push({"t": [1], "k": [7]}).num_rows == 0  # even the types are free again


def test_rows_one_by_one_stop_at_the_limit_and_lose_none():
    live = tg.Aggregator(
        tg.Tumbling(1), agg.rows(), on="t", lateness=None, limits=tg.Limits(max_open=3)
    )
    for time in (1, 2, 3):
        live.push_row(time)
    with pytest.raises(tg.errors.LimitError, match="max_open=3"):
        live.push_row(4)
    live.push_row(2)
    assert live.stats.rows_in == live.stats.used == 4
    assert live.flush()["rows"].to_pylist() == [1, 2, 1]


def test_push_row_may_be_looked_up_before_the_first_row():
    live = tg.Aggregator(tg.Tumbling(10), agg.sum("x"), on="t")
    push_row = live.push_row
    assert [push_row(time, 1.0) for time in (1, 9, 10)] == [False, False, True]
    assert live.take()["x_sum"].to_pylist() == [2.0]
