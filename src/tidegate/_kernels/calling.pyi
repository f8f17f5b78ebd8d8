"""C functions of the user's over the values of windows."""

import numpy as np
import numpy.typing as npt

def call_windows(
    address: int,
    values: npt.NDArray[np.float64],
    begins: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    out: npt.NDArray[np.float64],
) -> None: ...
