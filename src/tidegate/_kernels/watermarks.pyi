"""The watermark of every row, and which rows are late."""

from typing import Any

import numpy as np
import numpy.typing as npt

def watermarks(
    times: npt.NDArray[Any],
    valid: npt.NDArray[np.uint8] | None,
    lateness: int | float,
    any_before: bool,
    largest: int | float,
    marks: npt.NDArray[Any],
    late: npt.NDArray[np.uint8],
) -> tuple[bool, int | float]: ...
def far_times(
    times: npt.NDArray[Any],
    valid: npt.NDArray[np.uint8] | None,
    jump: int | float,
    any_before: bool,
    largest: int | float,
    flags: npt.NDArray[np.uint8],
) -> None: ...
