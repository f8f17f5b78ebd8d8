"""Columns of values that are no words: text, bytes, decimals of more than 64 bits."""

import numpy as np
import numpy.typing as npt

from tidegate._kernels.window_state import WindowState

def lay_texts(
    state: WindowState,
    column: int,
    offsets: npt.NDArray[np.int64],
    content: npt.NDArray[np.uint8],
    is_number: bool,
) -> None: ...
def mark_codes(state: WindowState, column: int, used: npt.NDArray[np.uint8]) -> int: ...
def replace_codes(state: WindowState, column: int, by: npt.NDArray[np.int32]) -> None: ...
