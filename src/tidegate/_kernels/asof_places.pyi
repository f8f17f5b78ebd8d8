"""How many right times lie before left ones, where both rise; and whether they do."""

import numpy as np
import numpy.typing as npt

def rises(times: npt.NDArray[np.int64]) -> bool: ...
