"""Rows that come one at a time, gathered into columns."""

from collections.abc import Callable
from typing import Any, TypeVar

from typing_extensions import disjoint_base

from tidegate._kernels.buffer import Buffer
from tidegate._kernels.window_state import WindowState

_Method = TypeVar("_Method", bound=Callable[..., bool])

@disjoint_base
class RowBuffer:
    def __new__(
        cls,
        state: WindowState,
        float_time: bool,
        numerics: list[int],
        n_keys: int,
        known: dict[tuple[object, ...], int],
        code_of: Callable[[tuple[object, ...]], int],
        time_of: Callable[[object], int | float],
        refuse: Callable[[int, Any], int | float],
        drain: Callable[[], None],
    ) -> RowBuffer: ...
    def __len__(self) -> int: ...
    def clear(self) -> None: ...
    def flush(self, n_all_keys: int, start: int = 0) -> tuple[int, int]: ...
    def time_at(self, row: int) -> int: ...
    def columns(self) -> tuple[Buffer, Buffer, Buffer, list[tuple[Buffer, Buffer]]]: ...

@disjoint_base
class RowTaker:
    _buffer: RowBuffer | None

def by_array(method: _Method) -> _Method: ...
