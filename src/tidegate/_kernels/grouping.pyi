from typing import Any

import numpy as np
import numpy.typing as npt

def slices(
    records: list[Any],
    order: npt.NDArray[np.int64] | None,
    starts: npt.NDArray[np.int64],
    stops: npt.NDArray[np.int64],
) -> list[list[Any]]: ...
def split(records: list[Any], codes: npt.NDArray[np.int32], n_groups: int) -> list[list[Any]]: ...
def chosen(records: list[Any], wanted: npt.NDArray[np.uint8]) -> list[Any]: ...
def copies(
    records: list[Any], names: tuple[str, ...], columns: tuple[list[Any], ...]
) -> list[dict[str, Any]]: ...
