"""Rows in order of time; those of one time stay as they were."""

import numpy as np
import numpy.typing as npt

def furthest_behind(
    times: npt.NDArray[np.int64], valid: npt.NDArray[np.uint8] | None, largest: int
) -> tuple[int, int]: ...
def rises(times: npt.NDArray[np.int64]) -> bool: ...
