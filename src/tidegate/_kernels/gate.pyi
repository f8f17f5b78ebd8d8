"""Times too far ahead: rows that must not move the watermark."""

import numpy as np
import numpy.typing as npt

from tidegate._kernels.window_state import WindowState

def far_ahead(
    state: WindowState,
    times: npt.NDArray[np.int64],
    valid: npt.NDArray[np.uint8] | None,
    jump: int,
    jump_f: float,
    flags: npt.NDArray[np.uint8],
) -> int: ...
