"""Rows in order of time; those of one time stay as they were."""

import numpy as np
import numpy.typing as npt

def rises(times: npt.NDArray[np.int64]) -> bool: ...
