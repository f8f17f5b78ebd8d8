"""Rows that wait for the watermark, in order of time; of one time, in order of arrival."""

from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from tidegate._kernels.buffer import Buffer

def rises(times: npt.NDArray[np.int64]) -> bool: ...

@disjoint_base
class ReorderBuffer:
    def __new__(cls, n_columns: int) -> ReorderBuffer: ...
    def __len__(self) -> int: ...
    def push(
        self, times: npt.NDArray[np.int64], codes: Any, columns: list[tuple[Any, Any]]
    ) -> None: ...
    def has_before(self, watermark: int) -> bool: ...
    def release(
        self, watermark: int, is_end: bool
    ) -> tuple[Buffer, Buffer, list[tuple[Buffer, Buffer | None]]]: ...
    def peek(self) -> tuple[Buffer, Buffer, list[tuple[Buffer, Buffer | None]]]: ...
