"""How far the state of a stream may grow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tidegate.core.errors import InputError

__all__ = ["USUAL", "Limits"]


@dataclass(frozen=True)
class Limits:
    """How far the state may grow; passing one is a `LimitError` that names it.

    Parameters
    ----------
    max_keys : int, default 10,000,000
        Different keys.
    max_open : int, default 50,000,000
        Open windows (panes of sliding ones), each key counted.
    max_overlap : int, default 100,000
        Windows that cover one row, ``size / every``.
    max_kept : int, default 1,000,000,000
        Values kept in open windows, of 8 bytes: for quantiles, modes and lists. Of look-backs the
        values of a batch's lists, those that wait for functions, and ranges of row numbers.
    max_empty : int, default 10,000,000
        Windows without rows that come out at a time, where they are asked for.
    max_late : int, default 100,000,000
        Late and rejected rows that wait on the side for `take_late`.
    max_look_back : int, default 200,000,000
        Rows that a look-back of a stream keeps: those that wait for the watermark, and those that
        windows to come look back on. Also the rows that wait for `Count` and `Threshold`.
    max_texts : int, default 100,000,000
        Different values of a column of text, bytes or decimals of more than 18 digits that open
        windows may refer to.
    """

    max_keys: int = 10_000_000
    max_open: int = 50_000_000
    max_overlap: int = 100_000
    max_kept: int = 1_000_000_000
    max_empty: int = 10_000_000
    max_late: int = 100_000_000
    max_look_back: int = 200_000_000
    max_texts: int = 100_000_000

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
                raise InputError(f"{name} is {value!r}: give an integer from 1 to {2**31 - 1}")


USUAL: Final = Limits()
