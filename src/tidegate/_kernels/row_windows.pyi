"""The running state of windows that rows make: sessions, and bars of so many rows or so much."""

from typing import final

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from tidegate._kernels.window_state import WindowState

def first_wild(
    values: npt.NDArray[np.float64], valid: npt.NDArray[np.uint8] | None, skip_nan: bool
) -> int: ...

@final
@disjoint_base
class RowWindowState(WindowState):
    def lay_rule(self, rule: int, numbers: tuple[float, ...]) -> None: ...
    @property
    def n_waiting(self) -> int: ...
