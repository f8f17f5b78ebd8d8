"""The rows of some of the keys, close together: each thread takes its own out of all rows."""

from typing import Any, final

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

@final
@disjoint_base
class Picker:
    def __new__(
        cls,
        number: int,
        n: int,
        codes: npt.NDArray[np.int32],
        given: list[npt.NDArray[Any] | None],
        rows: npt.NDArray[np.int32],
        own: npt.NDArray[np.int32],
        out: list[npt.NDArray[Any] | None],
    ) -> Picker: ...
    def take(self, begin: int, end: int) -> int: ...
    def take_rows(self, rows: npt.NDArray[np.int32]) -> None: ...
