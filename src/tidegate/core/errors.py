"""The errors and warnings of tidegate.

Each is a `TidegateError` and also the built-in exception that a caller would expect, so that both
``except tidegate.errors.InputError`` and ``except ValueError`` work.
"""

__all__ = [
    "AggregateOverflowError",
    "ColumnNotFoundError",
    "ColumnTypeError",
    "CustomError",
    "DurationError",
    "InputError",
    "LateRowError",
    "LeftOutWarning",
    "LimitError",
    "MergeError",
    "ProjectError",
    "SerializationError",
    "SinkError",
    "SnapshotError",
    "SourceError",
    "TidegateError",
    "WindowError",
    "WorkerError",
]


class TidegateError(Exception):
    """Base of every error that tidegate raises on purpose."""


class ColumnNotFoundError(TidegateError, KeyError):
    """A column that was asked for is not in the input."""

    def __str__(self) -> str:
        """Return the plain message; `KeyError` would show its repr."""
        return Exception.__str__(self)


class ColumnTypeError(TidegateError, TypeError):
    """A column or an argument has a type that cannot be used."""


class InputError(TidegateError, ValueError):
    """The input has unequal lengths, a bad value or a wrong option."""


class DurationError(InputError):
    """A duration cannot be read or is not a whole number of time units."""


class WindowError(InputError):
    """A window cannot be made with these parameters."""


class LateRowError(InputError):
    """A row came after its windows had closed, and ``late="raise"`` was asked for."""


class LimitError(InputError):
    """A limit was passed; the message names the limit."""


class AggregateOverflowError(InputError):
    """An exact integer result does not fit its type."""


class CustomError(TidegateError, RuntimeError):
    """A function given to `agg.custom` raised, or returned what its result can't be."""


class MergeError(InputError):
    """Two aggregators cannot be merged."""


class SnapshotError(InputError):
    """A snapshot is damaged, truncated or of another version."""


class SerializationError(InputError):
    """Bytes are not what their format says, or records do not fit it; says where.

    Parameters
    ----------
    message
        What is wrong, where, and what to do.
    offset
        Byte where it is wrong, counted from the beginning of what was read.
    path
        Way to the value within its record, such as ``$.legs[3].price``.
    row
        Number of the record.
    """

    def __init__(
        self,
        message: str,
        *,
        offset: int | None = None,
        path: str | None = None,
        row: int | None = None,
    ) -> None:
        super().__init__(message)
        self.offset = offset
        self.path = path
        self.row = row


class SourceError(TidegateError, ValueError):
    """A source cannot be read."""


class SinkError(TidegateError, OSError):
    """A sink cannot be written."""


class WorkerError(TidegateError, RuntimeError):
    """A worker ended before it gave its result, or gave one that cannot be sent."""


class ProjectError(TidegateError, RuntimeError):
    """A folder's pipeline is not there, is not as it must be, or runs already."""


class LeftOutWarning(UserWarning):
    """Rows were left out of a one-shot result, late or rejected."""
