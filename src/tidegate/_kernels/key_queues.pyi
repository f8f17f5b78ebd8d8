"""Rows that wait, each for the watermark of its key."""

from typing import final

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer, disjoint_base

@final
@disjoint_base
class KeyQueues:
    def __new__(cls, n_columns: int) -> KeyQueues: ...
    def __len__(self) -> int: ...
    def push(
        self,
        times: npt.NDArray[np.int64],
        codes: npt.NDArray[np.int32],
        columns: list[tuple[Buffer | None, Buffer | None]],
    ) -> None: ...
    def peek(self) -> tuple[Buffer, Buffer, list[tuple[Buffer, Buffer | None]]]: ...
    def mark_codes(self, column: int, used: npt.NDArray[np.uint8]) -> bool: ...
    def replace_codes(self, column: int, by: npt.NDArray[np.int32]) -> None: ...
