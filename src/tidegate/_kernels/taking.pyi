"""What rows of a side hold, column after column."""

from typing import Any, final

import numpy as np
import numpy.typing as npt

@final
class Columns:
    def __new__(
        cls,
        columns: list[tuple[int, Any, Any, Any, Any]],
        n_right: int,
        n_left: int,
    ) -> Columns: ...

def take(index: npt.NDArray[np.int64], matched: npt.NDArray[np.uint8], columns: Columns) -> int: ...
