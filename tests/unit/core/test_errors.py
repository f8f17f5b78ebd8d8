"""The errors are what a caller of plain Python would catch, and survive a pickle."""

import pickle

import pytest

from tidegate.core import errors


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ColumnNotFoundError, KeyError),
        (errors.ColumnTypeError, TypeError),
        (errors.InputError, ValueError),
        (errors.DurationError, ValueError),
        (errors.WindowError, ValueError),
        (errors.LateRowError, ValueError),
        (errors.LimitError, ValueError),
        (errors.AggregateOverflowError, ValueError),
        (errors.MergeError, ValueError),
        (errors.SnapshotError, ValueError),
        (errors.SourceError, ValueError),
        (errors.SinkError, OSError),
    ],
)
def test_every_error_is_a_tidegate_error_and_a_built_in_one(
    error: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(error, errors.TidegateError)
    assert issubclass(error, builtin)
    assert str(error("column 'a', row 3")) == "column 'a', row 3"
    assert str(pickle.loads(pickle.dumps(error("what")))) == "what"  # noqa: S301  # our own bytes


def test_everything_that_is_defined_is_public() -> None:
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert defined == set(errors.__all__)
