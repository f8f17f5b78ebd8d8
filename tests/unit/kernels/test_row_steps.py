"""Rows that are taken one at a time, out of a buffer: what is asked of it."""

from __future__ import annotations

import pytest

import tidegate as tg
from tidegate._kernels.row_steps import RowSteps


def steps_of(*rows: tuple[object, ...]) -> tuple[tg.Aggregator, RowSteps]:
    """Give an aggregator, and its buffer with these rows."""
    live = tg.Aggregator(tg.Session(5), tg.agg.sum("x"), on="t", by="k")
    for row in rows:
        live.push_row(*row)
    assert isinstance(live._buffer, RowSteps)
    return live, live._buffer


def test_rows_that_were_taken_stay_until_somebody_looks():
    live, buffer = steps_of((1, "a", 1.0), (2, "b", 2.0), (3, "a", None))
    assert len(buffer) == 3
    assert buffer.flush(2) == (0, 3)  # done, and nothing is taken twice
    assert live.stats.rows_in == 3
    assert len(buffer) == 0
    assert live.flush()["x_sum"].to_pylist() == [2.0, 1.0]


def test_amounts_are_of_columns_that_are_there():
    _, buffer = steps_of((1, "a", 1.0))
    for columns in ((), (0, 0, 0)):
        with pytest.raises(ValueError, match="one column or of two"):
            buffer.look_at_amounts(columns, False, 1.0)
    for column in (-1, 1):
        with pytest.raises(ValueError, match="no such column"):
            buffer.look_at_amounts((column,), False, 1.0)


def test_row_of_a_wrong_length_is_not_taken():
    live, buffer = steps_of((1, "a", 1.0))
    with pytest.raises(tg.errors.InputError, match="push_row takes 3 values"):
        live.push_row(2, "a")
    assert len(buffer) == 1


def test_key_without_a_hash_is_refused_by_name():
    live, _ = steps_of((1, "a", 1.0))
    with pytest.raises(tg.errors.TidegateError, match="'k'"):
        live.push_row(2, ["a"], 1.0)
    assert live.flush()["x_sum"].to_pylist() == [1.0]
