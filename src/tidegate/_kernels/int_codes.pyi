from typing import Any, final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

@final
class IntTable:
    def __new__(cls, seed: int, odd: int) -> IntTable: ...
    @property
    def n_codes(self) -> int: ...
    @property
    def null_code(self) -> int: ...
    def rebuild(
        self,
        values: npt.NDArray[np.int64],
        n_codes: int,
        null_code: int,
        window: npt.NDArray[np.int32],
        base: int,
        slots: npt.NDArray[np.int64],
    ) -> None: ...

def encode_ints(
    keys: IntTable,
    values: npt.NDArray[Any],
    valid: npt.NDArray[np.uint8] | None,
    codes: npt.NDArray[np.int32],
    start: int,
) -> int: ...
def take_ints(values: npt.NDArray[np.int64], codes: npt.NDArray[np.int32]) -> pa.Buffer: ...
