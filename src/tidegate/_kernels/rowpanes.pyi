"""The rows at which another pane begins, found from the times of all rows."""

import numpy as np
import numpy.typing as npt

_Ints = npt.NDArray[np.int32]

def pane_changes(
    times: npt.NDArray[np.int64], edges: npt.NDArray[np.int64], rows: _Ints, panes: _Ints
) -> int: ...
