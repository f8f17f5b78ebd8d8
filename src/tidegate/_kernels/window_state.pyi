"""The running state of one windowed aggregation: rows in, results out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer as Readable
from typing_extensions import disjoint_base

from tidegate._kernels.buffer import Buffer
from tidegate._kernels.slab import Slab

def least_time_of(times: npt.NDArray[np.int64], valid: npt.NDArray[np.uint8] | None) -> int: ...

@disjoint_base
class WindowState:
    guesses: bool
    def __new__(
        cls,
        accs: list[tuple[int, int, int, int, int, int]],
        outputs: Sequence[tuple[int, int, int, int, int, int, float]],
        columns: list[tuple[int, bool]],
        keyed: bool,
        grid: tuple[float, ...],
        clock: tuple[bool, bool, int, float],
        max_open: int,
        max_kept: int,
    ) -> WindowState: ...
    def push(
        self,
        times: Any,
        time_valid: Any,
        codes: Any,
        n_keys: int,
        columns: list[tuple[Any, Any]],
        start: int = 0,
        later: int | None = None,
    ) -> tuple[int, int]: ...
    def rehearse(
        self, times: npt.NDArray[np.int64], time_valid: npt.NDArray[np.uint8] | None
    ) -> tuple[int, int, int | float, int | float, int | float] | None: ...
    def close(self, watermark: int) -> int: ...
    def take_results(
        self,
    ) -> tuple[
        int, Readable, Readable, Readable | None, list[tuple[Readable, Readable | None]]
    ]: ...
    def take_into(self, slab: Slab) -> int: ...
    def overflow(self) -> tuple[int, int | float, int | float, int]: ...
    def take_left(
        self,
    ) -> list[tuple[int, int, int | float, int | float, int | float]]: ...
    def count_left(self) -> tuple[int, int]: ...
    def lay_grid(self, grid: tuple[float, ...]) -> None: ...
    def lay_edges(
        self,
        edges: npt.NDArray[np.int64],
        first: int,
        has_gaps: bool,
        lowest: int,
        highest: int,
    ) -> None: ...
    @property
    def n_results(self) -> int: ...
    @property
    def n_left(self) -> int: ...
    @property
    def used(self) -> int: ...
    @property
    def progress(self) -> tuple[int, int]: ...
    @property
    def n_open(self) -> int: ...
    @property
    def n_kept(self) -> int: ...
    @property
    def n_keeping(self) -> int: ...
    def take_lists(self, output: int) -> Buffer: ...
    @property
    def largest(self) -> int | float | None: ...
    @property
    def watermark(self) -> int | float | None: ...
    @property
    def reached(self) -> int: ...
    def dump(self) -> tuple[tuple[int, int, int, int], Buffer, Buffer, Buffer, Buffer]: ...
    def load(
        self,
        clock: tuple[int, int, int, int],
        panes: npt.NDArray[np.int64],
        codes: npt.NDArray[np.int32],
        records: npt.NDArray[np.int64],
        kept: npt.NDArray[np.int64],
        n_keys: int,
    ) -> int: ...
    def pane_end(self, time: int) -> int | None: ...
    def count_used(self, n: int) -> None: ...
    def restrict(self, first: int, last: int) -> None: ...
    def clear(self) -> None: ...
