from collections.abc import Callable
from datetime import date, datetime, tzinfo
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")
_Bits = npt.NDArray[np.uint8] | None

def numbers(values: npt.NDArray[Any], valid: _Bits, first: int) -> list[int | float | None]: ...
def truths(
    values: npt.NDArray[np.uint8], valid: _Bits, first: int, n_rows: int
) -> list[bool | None]: ...
def texts(
    offsets: npt.NDArray[Any],
    content: npt.NDArray[np.uint8],
    valid: _Bits,
    first: int,
    is_text: bool,
) -> list[str | bytes | None]: ...
def times(
    values: npt.NDArray[np.int64], valid: _Bits, first: int, zone: tzinfo | None
) -> list[datetime | None] | None: ...
def iso_times(
    values: npt.NDArray[np.int64], valid: _Bits, first: int, n_digits: int, is_zoned: bool
) -> list[str | None] | None: ...
def dates(values: npt.NDArray[np.int32], valid: _Bits, first: int) -> list[date | None] | None: ...
def lists(
    items: list[Any], offsets: npt.NDArray[Any], valid: _Bits, first: int
) -> list[list[Any] | None]: ...
def chosen(
    values: list[Any], indices: npt.NDArray[np.int32], valid: _Bits, first: int
) -> list[Any]: ...
def records(
    names: list[str],
    columns: list[Any],
    n_rows: int,
    valid: _Bits,
    first: int,
    blank: dict[str, Any],
) -> list[dict[str, Any] | None]: ...
def unwatched(function: Callable[[_Given], _Made], argument: _Given) -> _Made: ...
