from typing import Any

import numpy as np
import numpy.typing as npt

def remap(
    indices: npt.NDArray[Any],
    valid: npt.NDArray[np.uint8] | None,
    code_of: npt.NDArray[np.int32],
    codes: npt.NDArray[np.int32],
    fresh: npt.NDArray[np.int32],
) -> int: ...
