"""Rows one at a time: a method that takes its arguments as an array, and what it stands on."""

import doctest
import inspect

import pytest

import tidegate as tg
from tidegate._kernels.row_buffer import RowTaker, by_array
from tidegate.core import engine


def live(cls: type[tg.Aggregator] = tg.Aggregator, **options: object) -> tg.Aggregator:
    return cls(tg.Tumbling(10), tg.agg.sum("x"), on="t", **options)


class Doubled(tg.Aggregator):
    """Takes twice of everything."""

    def push_row(self, *row: object) -> bool:
        time, x = row
        return super().push_row(time, 2 * x)


class Counted(tg.Aggregator):
    """Has an attribute of its own, and the method as it is."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.n = 7


@pytest.mark.parametrize(("cls", "times"), [(Doubled, 2.0), (Counted, 1.0)])
def test_a_derived_class_keeps_its_methods(cls, times):
    aggregator = live(cls)
    assert [aggregator.push_row(time, 1.0) for time in (1, 2, 11, 12)] == [
        False,
        False,
        True,
        True,
    ]
    assert aggregator.take()["x_sum"].to_pylist() == [2 * times]
    assert aggregator.flush()["x_sum"].to_pylist() == [2 * times]


@pytest.mark.parametrize("late", ["side", "drop", "raise"])
def test_a_held_push_row_goes_on_through_everything(late):
    aggregator, other = live(late=late), live(late=late)
    push_row = aggregator.push_row
    for time in (1, 11, 12):
        push_row(time, 1.0)
        other.push({"t": [time], "x": [1.0]})
    aggregator.push({"t": [21], "x": [5.0]})
    other.push({"t": [21], "x": [5.0]})
    push_row(22, 2.0)
    other.push({"t": [22], "x": [2.0]})
    assert aggregator.stats._replace(windows=0) == other.stats._replace(windows=0)
    assert aggregator.flush().equals(other.flush())
    for push in (push_row, aggregator.push_row):
        with pytest.raises(tg.errors.InputError, match="ended"):
            push(31, 1.0)


def test_push_row_takes_no_keywords():
    aggregator = live()
    for _ in range(2):
        with pytest.raises(TypeError, match="keyword"):
            aggregator.push_row(t=1, x=1.0)
        aggregator.push_row(1, 1.0)
    assert aggregator.flush()["x_sum"].to_pylist() == [2.0]


def test_push_row_of_another_object_is_refused():
    with pytest.raises(TypeError):
        tg.Aggregator.push_row(object(), 1, 1.0)


def test_push_row_is_documented_and_its_example_is_run():
    assert str(inspect.signature(tg.Aggregator.push_row)) == "(self, /, *row)"
    found = {test.name: len(test.examples) for test in doctest.DocTestFinder().find(engine)}
    assert found["tidegate.core.engine.Aggregator.push_row"]


def test_by_array_is_for_takers_of_rows():
    def push_row(self: object, *row: object) -> bool:
        """Take one event."""
        raise AssertionError(self, row)

    with pytest.raises((TypeError, RuntimeError)):  # RuntimeError "from" it before Python 3.12
        type("Other", (), {"push_row": by_array(push_row)})
    taker = type(
        "Taker", (RowTaker,), {"push_row": by_array(push_row), "_push_slowly": lambda _, row: row}
    )
    assert taker().push_row(1, None) == (1, None)
