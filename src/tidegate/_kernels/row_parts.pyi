"""Results of sessions and bars of parts of the keys, in the order in which one state gives them."""

import numpy as np
import numpy.typing as npt

from tidegate._kernels.buffer import Buffer
from tidegate._kernels.row_state import RowState

def be_part(state: RowState) -> None: ...
def place_results(
    state: RowState, rows: npt.NDArray[np.int32] | None, first: int, number: int, n: int
) -> None: ...
def order_results(head: RowState, parts: list[RowState]) -> Buffer: ...
def weave_edges(head: RowState, parts: list[RowState], source: npt.NDArray[np.uint8]) -> None: ...
