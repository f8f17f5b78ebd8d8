import numpy as np
import numpy.typing as npt

_Ints = npt.NDArray[np.int32]
_Places = npt.NDArray[np.int64] | None

class RowRanges:
    def __init__(
        self,
        edges: npt.NDArray[np.int64],
        low: _Ints,
        high: _Ints,
        results: _Ints,
        n_keys: int,
        n_results: int,
    ) -> None: ...
    def walk(
        self,
        at: npt.NDArray[np.int64],
        starts: _Places = None,
        stops: _Places = None,
        before: int = -1,
    ) -> RowWalk: ...

class RowWalk:
    def take(self, times: npt.NDArray[np.int64], codes: _Ints) -> bool: ...
    def take_changes(self, rows: _Ints, panes: _Ints, base: int, n_rows: int) -> bool: ...
    def end_rows(self) -> None: ...
