from typing import Any

import numpy as np
import numpy.typing as npt

def read_fields(
    records: list[Any], names: list[Any], words: npt.NDArray[np.int64], floats: bool
) -> list[tuple[int, bool]]: ...
