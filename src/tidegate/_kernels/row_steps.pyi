"""Rows that come one at a time and are taken one at a time, out of a buffer."""

from collections.abc import Callable
from typing import Any, final

from tidegate._kernels.buffer import Buffer
from tidegate._kernels.counts import Counts
from tidegate._kernels.row_buffer import RowBuffer
from tidegate._kernels.window_state import WindowState

@final
class RowSteps(RowBuffer):
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
    ) -> RowSteps: ...
    def set_out(
        self,
        alone: Callable[[tuple[object, ...]], bool],
        ready: list[Any],
        n_all_keys: int,
        counts: Counts,
    ) -> None: ...
    def reject_far(self, jump: int, jump_f: float) -> None: ...
    def follow(
        self,
        at: int,
        is_apart: bool,
        known: dict[tuple[object, ...], int],
        source_of: Callable[[tuple[object, ...]], int],
    ) -> None: ...
    def look_at_amounts(self, columns: tuple[int, ...], skip_nan: bool, most: float) -> None: ...
    def wait_for(self, most: int) -> None: ...
    def sources_of_rows(self) -> Buffer: ...
    def clear(self) -> None: ...
    def flush(self, n_all_keys: int, start: int = 0) -> tuple[int, int]: ...
