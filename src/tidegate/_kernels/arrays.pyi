"""Dicts of NumPy arrays, read where they stand."""

from typing import Any

import numpy as np
from typing_extensions import disjoint_base

@disjoint_base
class Arrays:
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def dtypes(self) -> tuple[np.dtype[Any], ...]: ...
    def __new__(
        cls,
        kind: type[np.ndarray[Any, Any]],
        names: tuple[str, ...],
        dtypes: tuple[np.dtype[Any], ...],
    ) -> Arrays: ...
