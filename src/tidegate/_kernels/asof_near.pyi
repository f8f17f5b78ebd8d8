"""How far right rows are from left ones: which of two is nearer, and which are too far."""

import numpy as np
import numpy.typing as npt

def choose(
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    is_float: bool,
    before: npt.NDArray[np.int64],
    after: npt.NDArray[np.int64],
) -> None: ...
