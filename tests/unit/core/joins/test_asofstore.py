"""Right rows that are kept: in time order, and only those that are asked for."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.joins.asofstore import Growing, RightStore

BATCHES = st.lists(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=8), max_size=8)


@given(BATCHES, st.sets(st.integers(0, 70)))
def test_rows_are_in_time_order_and_of_equal_times_in_order_of_arrival(batches, kept):
    store, came = RightStore([pa.int64(), pa.string()], keyed=True), []
    for batch in batches:
        numbers = [None if is_null else len(came) + at for at, (_, is_null) in enumerate(batch)]
        texts = [None if number is None else str(number) for number in numbers]
        came += [(time, n, s) for (time, _), n, s in zip(batch, numbers, texts, strict=True)]
        store.append(
            np.array([time for time, _ in batch], np.int64),
            np.array([time % 3 for time, _ in batch], np.int32),
            [pa.chunked_array([pa.array(numbers, "i8")]), pa.chunked_array([texts], pa.string())],
        )
    came.sort(key=lambda row: row[0])
    assert_holds(store, came)
    rows = sorted(row for row in kept if row < len(came))
    store.keep(np.array(rows, np.int64))
    assert_holds(store, [came[row] for row in rows])


def assert_holds(store, expected):
    """Hold a store to rows of a time, a number and a text."""
    assert len(store) == len(expected)
    assert store.times.tolist() == [time for time, _, _ in expected]
    assert store.codes.tolist() == [time % 3 for time, _, _ in expected]
    numbers, texts = store.taker.take(np.arange(len(expected)))
    assert numbers.to_pylist() == [number for _, number, _ in expected]
    assert texts.to_pylist() == [text for _, _, text in expected]


@given(st.lists(st.one_of(st.integers(0, 3000), st.integers(-3000, -1)), max_size=20))
def test_growing_holds_what_was_added_and_not_dropped(moves):
    rows, model, at = Growing("i8"), [], 0
    for move in moves:
        if move < 0:
            n = min(-move, len(model))
            rows.drop(n)
            del model[:n]
        else:
            rows.append(np.arange(at, at + move))
            model += range(at, at + move)
            at += move
        assert len(rows) == len(model)
    assert rows.view.tolist() == model
