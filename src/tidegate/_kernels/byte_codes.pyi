from typing import Any, final

import numpy as np
import numpy.typing as npt

@final
class BytesTable:
    def __new__(cls, seed: int, odd: int, null_size: int) -> BytesTable: ...
    @property
    def n_codes(self) -> int: ...
    @property
    def null_code(self) -> int: ...
    def rebuild(
        self,
        offsets: npt.NDArray[np.int64],
        content: npt.NDArray[np.uint8],
        n_codes: int,
        null_code: int,
        slots: npt.NDArray[np.uint64],
    ) -> None: ...

def encode_bytes(
    keys: BytesTable,
    offsets: npt.NDArray[Any],
    content: npt.NDArray[np.uint8],
    valid: npt.NDArray[np.uint8] | None,
    codes: npt.NDArray[np.int32],
    start: int,
) -> int: ...
