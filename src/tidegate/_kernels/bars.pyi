"""Bars: windows of so many rows, or of so much of something, in order of time."""

from typing import final

from typing_extensions import disjoint_base

from tidegate._kernels.buffer import Buffer
from tidegate._kernels.waiting import WaitingState

@final
@disjoint_base
class BarState(WaitingState):
    def lay_count(self, size: int, every: int, complete_only: bool) -> None: ...
    def lay_sum(
        self,
        columns: tuple[int, int],
        limit: tuple[bool, int, float],
        rest: int,
        complete_only: bool,
    ) -> None: ...
    def take_waiting(self) -> int: ...
    def dump_part(
        self, number: int, n: int
    ) -> tuple[tuple[int, int, int, int], Buffer, Buffer, Buffer, Buffer]: ...
