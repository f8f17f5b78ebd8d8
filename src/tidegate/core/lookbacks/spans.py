"""Ranges of row numbers out of windows of a list of them: the lineage of look-backs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tidegate.core.errors import LimitError
from tidegate.core.rangecolumns import column_of_ranges

if TYPE_CHECKING:
    import pyarrow as pa

    from tidegate.core.columns import Numbers

__all__ = ["ranges_in"]

_AT_A_TIME = 1 << 22  # numbers of windows that have to be sorted


class _Ranges(NamedTuple):
    """Ranges, by window and start."""

    owner: Numbers  # (n_ranges,) of which window
    starts: Numbers
    stops: Numbers


def ranges_in(numbers: Numbers, begins: Numbers, lengths: Numbers, most: int) -> pa.Array[Any]:
    """Return the ranges of the row numbers of each window.

    Parameters
    ----------
    numbers : ndarray
        (n_numbers,) int64 row numbers, each once.
    begins, lengths : ndarray
        (n_windows,) int64, where among them those of a window lie.
    most : int
        How many ranges there may be in all.

    Raises
    ------
    LimitError
        If there are more.

    Notes
    -----
    O(n_numbers + n_ranges) where the numbers of a window rise; else they are sorted.
    """
    there = lengths > 0
    if bool((numbers[1:] - numbers[:-1] == 1).all()):  # rows in order: each window is one range
        _check(int(there.sum()), most, len(lengths))
        starts = begins[there] + (numbers[0] if len(numbers) else 0)
        offsets = np.concatenate([[0], np.cumsum(there)])
        return column_of_ranges(offsets, starts, starts + lengths[there])
    first, last = begins[there], (begins + lengths - 1)[there]
    steps = np.diff(numbers, prepend=numbers[:1])
    falls = np.cumsum(steps < 0)
    breaks = np.cumsum(steps != 1) if len(numbers) else falls
    is_rising = falls[first] == falls[last]
    owner = np.flatnonzero(there)
    n_ranges = int((breaks[last] - breaks[first] + 1)[is_rising].sum())
    _check(n_ranges, most, len(lengths))
    parts = [_of_rising(numbers, breaks, first[is_rising], last[is_rising], owner[is_rising])]
    for some in _slices(np.flatnonzero(~is_rising), lengths[there]):
        parts.append(_of_sorted(numbers, first[some], last[some], owner[some]))
        n_ranges += len(parts[-1].owner)
        _check(n_ranges, most, len(lengths))
    found = _Ranges(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    if len(parts) > 1:
        order = np.argsort(found.owner, kind="stable")
        found = _Ranges(*(column[order] for column in found))
    offsets = np.searchsorted(found.owner, np.arange(len(lengths) + 1))
    return column_of_ranges(offsets, found.starts, found.stops)


def _check(n_ranges: int, most: int, n_windows: int) -> None:
    """Refuse more ranges than there may be."""
    if n_ranges > most:
        raise LimitError(
            f"the rows of {n_windows} results are {n_ranges} ranges or more, and there may be "
            f"max_kept={most}: choose a shorter look-back or smaller batches, or raise the limit"
        )


def _of_rising(
    numbers: Numbers, breaks: Numbers, first: Numbers, last: Numbers, owner: Numbers
) -> _Ranges:
    """Find the ranges of windows whose numbers rise: they end before breaks."""
    places = np.flatnonzero(np.diff(breaks, prepend=0))  # where a range may begin
    counts = breaks[last] - breaks[first] + 1
    ends = np.cumsum(counts)
    nth = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - counts, counts)
    at = np.repeat(breaks[first], counts) + nth  # the break behind a range
    begin = np.where(nth == 0, np.repeat(first, counts), _taken(places, at - 1))
    is_end = nth == np.repeat(counts, counts) - 1
    end = np.where(is_end, np.repeat(last, counts), _taken(places, at) - 1)
    return _Ranges(np.repeat(owner, counts), numbers[begin], numbers[end] + 1)


def _taken(places: Numbers, at: Numbers) -> Numbers:
    """Take places; where there is none, any."""
    if not len(places):
        return np.zeros(len(at), np.int64)
    taken: Numbers = places[np.clip(at, 0, len(places) - 1)]
    return taken


def _slices(windows: npt.NDArray[Any], lengths: Numbers) -> list[npt.NDArray[Any]]:
    """Cut windows into a few at a time."""
    if not len(windows):
        return []
    pieces = np.cumsum(lengths[windows]) // _AT_A_TIME
    return np.split(windows, np.flatnonzero(np.diff(pieces)) + 1)


def _of_sorted(numbers: Numbers, first: Numbers, last: Numbers, owner: Numbers) -> _Ranges:
    """Find the ranges of windows whose numbers have to be sorted."""
    counts = last - first + 1
    ends = np.cumsum(counts)
    at = np.arange(int(ends[-1])) + np.repeat(first - ends + counts, counts)
    owners, some = np.repeat(owner, counts), numbers[at]
    some = some[np.lexsort((some, owners))]
    is_begin = np.ones(len(some), np.bool_)
    is_begin[1:] = (some[1:] != some[:-1] + 1) | (owners[1:] != owners[:-1])
    begins = np.flatnonzero(is_begin)
    stops = some[np.append(begins[1:], len(some)) - 1] + 1
    return _Ranges(owners[begins], some[begins], stops)
