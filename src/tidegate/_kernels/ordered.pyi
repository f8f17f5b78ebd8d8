"""Rows in order of time, handed over as they are: what look-backs are computed of."""

from typing import Any, final

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer as Readable
from typing_extensions import disjoint_base

from tidegate._kernels.waiting import WaitingState

@final
@disjoint_base
class OrderedRows(WaitingState):
    def take(self) -> list[tuple[Any, Any, list[tuple[Any, Any]], int]]: ...
    @property
    def n_ready(self) -> int: ...
    def has_before(self, time: int) -> bool: ...
    @property
    def clock(self) -> tuple[int, int]: ...
    def come_to(self, largest: int, watermark: int) -> None: ...
    def count_keys(self, n_keys: int) -> None: ...
    def peek(
        self,
    ) -> tuple[Readable, Readable, list[tuple[Readable, Readable | None]]]: ...
    def let_wait(
        self,
        times: npt.NDArray[np.int64],
        codes: npt.NDArray[np.int32],
        columns: list[tuple[Any, Any]],
    ) -> bool: ...
    def forget_waiting(self) -> None: ...
