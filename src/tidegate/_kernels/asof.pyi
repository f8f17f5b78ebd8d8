"""Rows of two sorted columns of times, brought together."""

from typing import final

import numpy as np
import numpy.typing as npt

from tidegate._kernels.taking import Columns

@final
class Matcher:
    def __new__(
        cls,
        times: npt.NDArray[np.int64],
        codes: npt.NDArray[np.int32] | None,
        n_keys: int,
        direction: int,
        exact: bool,
        tolerance: int | float | None,
        is_float: bool,
    ) -> Matcher: ...

@final
class Walk:
    def __new__(
        cls,
        matcher: Matcher,
        times: npt.NDArray[np.int64],
        codes: npt.NDArray[np.int32] | None,
        share: tuple[int, int, int, int],
        table: npt.NDArray[np.int64] | None = None,
    ) -> Walk: ...
    def step(
        self,
        n: int,
        index: npt.NDArray[np.int64] | None,
        matched: npt.NDArray[np.uint8],
        columns: Columns,
    ) -> int: ...
