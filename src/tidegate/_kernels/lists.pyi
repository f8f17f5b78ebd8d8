"""Lists one behind the other, as Arrow has them, out of where the lists of results stand."""

import numpy as np
import numpy.typing as npt

def lay_offsets(
    words: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    valid: npt.NDArray[np.uint8] | None,
    offsets: npt.NDArray[np.int64],
) -> int: ...
def lay_values(
    words: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    values: npt.NDArray[np.int64],
) -> None: ...
