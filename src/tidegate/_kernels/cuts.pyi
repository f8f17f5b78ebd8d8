"""Where a batch that is roughly in order may be cut: windows that end before go to one thread."""

import numpy as np
import numpy.typing as npt

from tidegate._kernels.window_state import WindowState

def find_cut(
    state: WindowState,
    times: npt.NDArray[np.int64],
    valid: npt.NDArray[np.uint8] | None,
    target: int,
    span: int,
    reach: int,
) -> tuple[int, int, int, int, int] | None: ...
