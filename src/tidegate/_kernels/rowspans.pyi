import numpy as np
import numpy.typing as npt

_Rows = npt.NDArray[np.int64]
_Codes = npt.NDArray[np.int32]

class RowSpans:
    def __new__(cls, pieces: list[tuple[_Rows, _Codes]], n_keys: int) -> RowSpans: ...
    def of_panes(self, edges: _Rows, first: _Rows, last: _Rows, begin: int, end: int) -> None: ...
    def of_keys(
        self, windows: _Rows, offsets: _Rows, codes: _Codes, starts: _Rows, stops: _Rows
    ) -> bool: ...
