"""What sessions and bars have in common: slots that rows go to, and the reading of those."""

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from tidegate._kernels.buffer import Buffer
from tidegate._kernels.window_state import WindowState

@disjoint_base
class RowState(WindowState):
    @property
    def n_waiting(self) -> int: ...
    def number_rows(self, numbers: npt.NDArray[np.int32], first_row: int) -> None: ...
    def move_clock(
        self, times: npt.NDArray[np.int64], valid: npt.NDArray[np.uint8] | None
    ) -> Buffer: ...
    def follow_marks(self, marks: npt.NDArray[np.int64]) -> None: ...
