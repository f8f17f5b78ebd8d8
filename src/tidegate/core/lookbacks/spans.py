"""Columns of the ranges of rows that look-backs were over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tidegate._kernels.lookranges import lay_ranges, offsets_of_one
from tidegate.core.errors import LimitError
from tidegate.core.rangecolumns import MOST_RANGES, view_of_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.core.columns import Numbers

__all__ = ["check_ranges", "ranges_in"]


def ranges_in(words: Sequence[Numbers], lists: Numbers, type_: pa.DataType) -> pa.Array[Any]:
    """Make the column of the ranges of windows.

    Parameters
    ----------
    words : sequence of ndarray
        (n_windows,) int64, what kernels have said: of windows of one range where it begins and
        ends, else where the ranges are in `lists`, and how many; with keys also how many rows there
        are.
    lists : ndarray
        (n_words,) int64.
    type_ : pyarrow.DataType
        Of the column: `RANGES_TYPE`, or `OF_LOOKS` of rows with keys.

    Raises
    ------
    LimitError
        If there are more than a column has room for.

    Notes
    -----
    A view of the words, where each window has one range.
    """
    n = len(words[0])
    if n > MOST_RANGES:
        raise _no_room(n)
    if n and not len(lists) and words[1].min() > 0:  # rows are there, and end behind row 0
        return view_of_runs(type_, n, offsets_of_one(n), n, words)
    starts, stops, *counts = words
    laid = lay_ranges(starts, stops, counts[0] if counts else None, lists)
    if laid is None:
        raise _no_room(n)
    n_ranges, offsets, *columns = laid
    told = [column for column in columns if column is not None]
    return view_of_runs(type_, n, offsets, n_ranges, told)


def check_ranges(ranges: pa.Array[Any] | pa.ChunkedArray[Any], most: int) -> None:
    """Refuse more ranges than there may be.

    Raises
    ------
    LimitError
        If there are more.
    """
    chunks: Any = ranges.chunks if isinstance(ranges, pa.ChunkedArray) else [ranges]
    if sum(len(chunk.values) for chunk in chunks) > most:
        raise LimitError(
            f"the rows of {len(ranges)} results are more ranges than there may be, "
            f"max_kept={most}: choose a shorter look-back or smaller batches, or raise the limit"
        )


def _no_room(n_windows: int) -> LimitError:
    """Make the error for more ranges than a column of lists can hold."""
    return LimitError(
        f"row_ranges: the rows of {n_windows} results are more ranges than a column has room for, "
        f"{MOST_RANGES}: choose a shorter look-back or smaller batches"
    )
