"""Results of several states, each of some of the keys, in the order in which one gives them."""

import numpy as np
import numpy.typing as npt

from tidegate._kernels.buffer import Buffer
from tidegate._kernels.window_state import WindowState

def order_parts(head: WindowState, parts: list[WindowState]) -> Buffer: ...
def weave(
    head: WindowState, parts: list[WindowState], source: npt.NDArray[np.uint8], output: int
) -> None: ...
def end_weaving(head: WindowState, parts: list[WindowState]) -> None: ...
