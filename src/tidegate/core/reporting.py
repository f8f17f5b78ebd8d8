"""Errors as one line on standard error, for command lines that return instead of leaving."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tidegate.core.errors import TidegateError

__all__ = ["reported", "to_stderr"]


def to_stderr(message: str) -> None:
    """Print one line to standard error."""
    print(" ".join(message.split("\n")), file=sys.stderr)


def reported(work: Callable[[], int]) -> int:
    """Do some work; 1 where it fails, after the reason in one line.

    Examples
    --------
    >>> reported(lambda: 0)
    0
    """
    try:
        return work()
    except TidegateError as error:
        to_stderr(str(error))
        return 1
