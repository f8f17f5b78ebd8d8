"""Rows that wait for the watermark, and are taken in order of time."""

from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer as Readable
from typing_extensions import disjoint_base

from tidegate._kernels.row_state import RowState

LATES: str

@disjoint_base
class WaitingState(RowState):
    @property
    def numbers_wait(self) -> bool: ...
    def peek(
        self,
    ) -> tuple[Readable, Readable, list[tuple[Readable, Readable | None]]]: ...
    def let_wait(
        self,
        times: npt.NDArray[np.int64],
        codes: npt.NDArray[np.int32],
        columns: list[tuple[Any, Any]],
    ) -> bool: ...
    def forget_waiting(self) -> None: ...
