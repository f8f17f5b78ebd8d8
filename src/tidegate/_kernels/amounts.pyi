"""Running sums that close a bar: compensated floats, or 128-bit integers."""

import numpy as np
import numpy.typing as npt

def first_wild(
    values: npt.NDArray[np.float64], valid: npt.NDArray[np.uint8] | None, skip_nan: bool
) -> int: ...
