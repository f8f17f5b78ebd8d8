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
    def begin(self, at: _Places, starts: _Places, stops: _Places) -> None: ...
    def take(self, times: npt.NDArray[np.int64], codes: _Ints | None) -> bool: ...
    def take_noted(self) -> bool | None: ...
    def end_rows(self) -> None: ...
